# SPDX-License-Identifier: BSD-2-Clause
"""Three ways to measure a program: what a packet costs, how fast it drops, what loading costs."""

import glob
import os
import re

import frames
from bench import ROOT, Failure, run, run_peer

TOOLS = f"{ROOT}/tests/bench"

XDP_DROP, XDP_PASS = 1, 2


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


# ---- what loading costs ----------------------------------------------------------------------


def time_command(*command):
    """Runs COMMAND, which must succeed. Returns its time in ms and its peak memory in MiB."""
    ns, kib = run(*command, via=[tool("run-cost")]).split()
    return int(ns) / 1e6, int(kib) / 1024
