# SPDX-License-Identifier: BSD-2-Clause
"""What there is to measure: a packet's cost, how fast a program drops, throughput, loading."""

import glob
import json
import os
import re
import socket
import subprocess

import frames
from bench import ROOT, Failure, run, run_peer

TOOLS = f"{ROOT}/tests/bench"

XDP_DROP, XDP_PASS = 1, 2
TC_ACT_UNSPEC, TC_ACT_SHOT = 0xFFFFFFFF, 2  # -1, as a test run returns it


def tool(name):
    return f"{TOOLS}/{name}"


def tools():
    """What `make bench` builds there."""
    for source in glob.glob(f"{TOOLS}/*.c"):
        yield source[:-2] + (".o" if source.endswith(".bpf.c") else "")


def on_one_cpu():
    """How a command begins that is to have a CPU for itself, as far as that can be had."""
    return "taskset", "-c", str(max(os.sched_getaffinity(0))), "nice", "-n", "-20"


# ---- what a packet costs ---------------------------------------------------------------------


def time_packets(cases, repeat, rounds):
    """CASES: key -> (pin of a program, the verdict that it must give, frame).

    Returns key -> ns per packet in each round, the mean of REPEAT test runs.
    """
    keys = list(cases)
    lines = [
        f"{number} {pin} {verdict} {frame.hex()}\n"
        for number, (pin, verdict, frame) in enumerate(cases.values())
    ]
    times = {key: [] for key in keys}
    command = tool("test-run-cost"), str(repeat), str(rounds)
    for line in run(*command, via=on_one_cpu(), stdin="".join(lines)).splitlines():
        number, ns = line.split()
        times[keys[int(number)]].append(float(ns))
    return times


# ---- where to drop ---------------------------------------------------------------------------


def on_host(host):
    return "nsenter", f"--net=/run/netns/{host}", "--"


class Place:
    """A host at the end of a cable of its own, with something that drops a flood at one place.

    A subclass has guard(), which puts it there, and dropped(), which reads how many frames were
    dropped just there.
    """

    def __init__(self, host):
        self.host = host
        self.here = on_host(host)
        run("ip", "netns", "add", host)
        run(
            *("ip", "link", "add", "veth0", "address", frames.SERVER_MAC, "netns", host),
            *("type", "veth", "peer", "name", host, "netns", "client"),
        )
        run("ip", "-netns", "client", "link", "set", host, "up")
        run("ip", "-netns", host, "link", "set", "veth0", "up")
        run("ip", "-netns", host, "address", "add", "10.0.0.1/24", "dev", "veth0")
        # A veth takes frames from XDP only with NAPI, and has that with XDP or GRO.
        self.run_peer("ethtool", "-K", "veth0", "gro", "on")
        self.guard()

    def run(self, *command):
        return run(*command, via=self.here)

    def run_peer(self, *command):
        return run_peer(*command, via=self.here)

    def counter(self, pattern, *command):
        """A number in what COMMAND prints."""
        match = re.search(pattern, self.run(*command))
        if not match:
            raise Failure(f"no counter in what {' '.join(command)} prints")
        return int(match[1])

    def flood(self, frame, count):
        """Sends COUNT of FRAME from one CPU. Returns how many were dropped here in a second."""
        before = self.dropped()
        command = tool("flood"), self.host, str(count), frame.hex()
        ns = run(*command, via=[*on_host("client"), *on_one_cpu()])
        dropped = self.dropped() - before
        # A few may be lost on the way, in a ring that is full.
        if not count / 2 < dropped <= count:
            raise Failure(f"{dropped} of {count} frames were dropped where they should be")
        return dropped / int(ns) * 1e9


# ---- throughput ------------------------------------------------------------------------------


def _iperf3(*options):
    """What an iperf3 on host "client" prints, about a stream to one on host "server", here."""
    run("iperf3", "--version")  # Unavailable, if it isn't
    server = *on_one_cpu(), "iperf3", "--server", "--one-off", "--forceflush"
    client = "iperf3", "--client", frames.SERVER_IPV4, *options
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        try:
            if not any("listening" in line for line in process.stdout):
                raise Failure("the iperf3 server does not start")
            return run(*client, via=[*on_host("client"), *on_one_cpu()])
        finally:
            process.kill()


def _window():
    """1 MiB, or what the kernel grants a socket: iperf3 refuses to ask for more."""
    size = 1 << 20
    with socket.socket() as asked:
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            asked.setsockopt(socket.SOL_SOCKET, buffer, size)
            size = min(size, asked.getsockopt(socket.SOL_SOCKET, buffer))
    return size


def throughput(seconds):
    """Gbit/s of one TCP stream from host "client" to host "server", as the server receives it.

    By the clock, and by the time of the CPU that both ends share: what else the machine does makes
    no difference to that. On two CPUs the slower end would hide what the other one does. The window
    is fixed because streams with one that the kernel tunes come in two kinds: in some the ends take
    turns, in others they don't.
    """
    told = _iperf3("--json", "--time", str(seconds), "--window", str(_window()))
    end = json.loads(told)["end"]
    rate = end["sum_received"]["bits_per_second"] / 1e9
    share = end["cpu_utilization_percent"]
    return rate, rate / (share["host_total"] + share["remote_total"]) * 100


def can_connect_from(address):
    """Does a connection come about from host "client" with this address as its source?"""
    try:
        _iperf3("--bind", address, "--connect-timeout", "300", "--bytes", "1")
    except Failure:
        return False
    return True


# ---- what loading costs ----------------------------------------------------------------------


def time_command(*command):
    """Runs COMMAND, which must succeed. Returns its time in ms and its peak memory in MiB."""
    ns, kib = run(*command, via=[tool("run-cost")]).split()
    return int(ns) / 1e6, int(kib) / 1024
