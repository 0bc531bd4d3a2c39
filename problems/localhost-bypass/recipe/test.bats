#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe on real connections. `make test` runs this on host "server" of two (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.

load lib/network.bash

setup() {
	tool=(./localhost-bypass)
	[[ ! -d hookpoint ]] || tool+=(run -g)
	said=$BATS_TEST_TMPDIR/said
	enter_cgroup
	cgroup=$own/test
	mkdir "$cgroup"
}

teardown() {
	jobs -p | xargs -r kill
	wait
	leave_cgroup
}

# start: the tool is attached to the cgroup as $pid, and its words go to the file $said.
start() {
	"${tool[@]}" "$cgroup" >"$said" 2>&1 3>&- &
	pid=$!
	wait_for test -s "$said"
	grep "$cgroup: attached" "$said"
}

within() { (echo $BASHPID >"$cgroup/cgroup.procs" && exec "$@"); }

# transfer FROM TO [FILE]: sends 100,000 bytes each way over a connection that it makes, and tells what arrived, and
# how much of it passed the interface lo. In the middle, if there is a FILE to be, makes that and waits until it has
# gone.
transfer=(python3 -c '
import os, socket, sys, time

def on_lo():
    lines = open("/proc/net/dev").readlines()
    return int(next(line for line in lines if line.lstrip().startswith("lo:")).split()[1])

source, destination, pause = sys.argv[1:] + [""] * (4 - len(sys.argv))
family = socket.AF_INET6 if ":" in destination else socket.AF_INET
listener = socket.create_server((destination, 0), family=family)
client = socket.create_connection(listener.getsockname()[:2], source_address=(source, 0))
server, _ = listener.accept()
half = bytes(range(250)) * 200
before = on_lo()
for sender in client, server:
    sender.sendall(half)
if pause:
    open(pause, "w").close()
    while os.path.exists(pause):
        time.sleep(0.02)
for sender in client, server:
    sender.sendall(half[::-1])
for reader in client, server:
    reader.settimeout(10)
    got = b""
    while len(got) < 2 * len(half):
        got += reader.recv(1000000) or sys.exit("the connection ended early")
    got == half + half[::-1] or sys.exit("other bytes arrived than were sent")
print(("none", "half", "all")[(on_lo() - before + 50000) // 100000], "of it on lo")')

program_ids() {
	if [[ -d hookpoint ]]; then
		./localhost-bypass status -j | sed -n 's/.*"program_id": \([0-9]*\).*/\1/p'
	else
		sed -n 's/^prog_id:[[:space:]]*//p' "/proc/$pid/fdinfo/"* | sort -u
	fi
}
is_gone() { ! bpftool "$1" show id "$2"; }

@test "localhost-bypass: what two processes of the cgroup send arrives, and none of it passes lo, over IPv4 and IPv6" {
	local address
	start
	for address in 127.0.0.1 ::1; do
		run within "${transfer[@]}" $address $address
		[[ $output == "none of it on lo" ]]
	done
}

@test "localhost-bypass: processes elsewhere, and connections between two addresses, are left to TCP" {
	start
	run "${transfer[@]}" 127.0.0.1 127.0.0.1
	[[ $output == "all of it on lo" ]]
	run within "${transfer[@]}" 127.0.0.1 10.0.0.1
	[[ $output == "all of it on lo" ]]
}

@test "localhost-bypass: on a connection that is bypassed, what only the stack can do is refused" {
	start
	run within python3 -c '
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.setsockopt(socket.SOL_SOCKET, 60, 1) # SO_ZEROCOPY'
	[[ $output == *"Operation not permitted"* ]]
}

@test "localhost-bypass: Ctrl-C in the middle of a connection loses nothing of it, and leaves nothing behind" {
	local transfer_pid ids maps id
	start
	ids=$(program_ids)
	maps=$(for id in $ids; do bpftool prog show id "$id"; done | sed -n 's/.*map_ids \([0-9,]*\).*/\1/p' | tr , '\n')
	[[ $ids && $maps ]]
	within "${transfer[@]}" 127.0.0.1 127.0.0.1 "$BATS_TEST_TMPDIR/pause" >"$BATS_TEST_TMPDIR/transfer" 3>&- &
	transfer_pid=$!
	wait_for test -e "$BATS_TEST_TMPDIR/pause"
	kill -INT "$pid"
	wait "$pid"
	[[ -z $(bpftool cgroup show "$cgroup") ]]
	rm "$BATS_TEST_TMPDIR/pause"
	wait "$transfer_pid"
	[[ $(<"$BATS_TEST_TMPDIR/transfer") == "half of it on lo" ]]
	for id in $ids; do
		wait_for is_gone prog "$id" # the kernel frees it a moment later
	done
	for id in $maps; do
		wait_for is_gone map "$id"
	done
	[[ -z $(find /sys/fs/bpf -type f ! -name '*.debug') ]]
}

@test "localhost-bypass: where somebody's program allows no other, it refuses, and that one stays" {
	local before
	bpftool prog loadall localhost-bypass.bpf.o /sys/fs/bpf/other
	bpftool cgroup attach "$cgroup" sock_ops pinned /sys/fs/bpf/other/follow_connections
	rm -r /sys/fs/bpf/other
	before=$(bpftool cgroup show "$cgroup")
	run timeout 5 "${tool[@]}" "$cgroup"
	[[ ($status == 2 || $status == 3) && $output != *": attached"* && ${#lines[@]} == 1 ]]
	[[ $(bpftool cgroup show "$cgroup") == "$before" ]]
}
