#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe on real packets. `make test` runs this on host "server" of two (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.

load lib/network.bash

setup() {
	tool=(./drop-spoofed-packets)
	[[ ! -d hookpoint ]] || tool+=(run -i)
	said=$BATS_TEST_TMPDIR/said
	[[ -d hookpoint ]] || grep -q ' tcx_prog_attach$' /proc/kallsyms || skip "this kernel has no tcx (Linux 6.6 has)"

	# To send from, though it is not veth0's; and the way back.
	ip address replace 10.0.0.7/32 dev lo
	ip address replace fd00::7/128 dev lo
	client ip route replace 10.0.0.7 via 10.0.0.1
	client ip route replace fd00::7 via fd00::1
}

teardown() {
	jobs -p | xargs -r kill
	wait
}

# start: the tool guards veth0 as $pid, and its words go to the file $said.
start() {
	"${tool[@]}" veth0 >"$said" 2>&1 3>&- &
	pid=$!
	wait_for test -s "$said"
	grep 'veth0: attached' "$said"
}

# What a ping from SOURCE to DESTINATION comes to.
answered() { ping -q -c 1 -W 1 -I "$1" "$2"; }
is_dropped() {
	run ping -q -c 1 -W 0.5 -I "$1" "$2"
	[[ $status == 1 && $output == *" 0 received"* ]]
}

program_id() {
	if [[ -d hookpoint ]]; then
		./drop-spoofed-packets status -j | sed -n 's/.*"program_id": \([0-9]*\).*/\1/p'
	else
		sed -n 's/^prog_id:[[:space:]]*//p' "/proc/$pid/fdinfo/"* | head -n 1
	fi
}
is_gone() { ! bpftool "$1" show id "$2"; }

@test "drop-spoofed-packets: a packet in another's name is dropped as it leaves, over IPv4 and IPv6" {
	answered 10.0.0.7 10.0.0.2
	answered fd00::1 fd00::2 # from which the two learn to know each other
	answered fd00::7 fd00::2
	start
	is_dropped 10.0.0.7 10.0.0.2
	is_dropped fd00::7 fd00::2
}

@test "drop-spoofed-packets: the interface's own packets, and whatever arrives, are left alone" {
	start
	ip neigh flush dev veth0 # so that ARP and neighbour discovery are asked, too
	answered 10.0.0.1 10.0.0.2
	answered fd00::1 fd00::2
	ping -q -c 1 -W 1 -s 3000 10.0.0.2 # fragments
	# In the client's name or in another's: that is the client's business.
	client ip address replace 10.0.0.8/32 dev lo
	ip route replace 10.0.0.8 via 10.0.0.2
	client ping -q -c 1 -W 1 10.0.0.1
	client ping -q -c 1 -W 1 -I 10.0.0.8 10.0.0.1
}

@test "drop-spoofed-packets: Ctrl-C ends it with exit status 0, and leaves nothing behind" {
	local id maps map
	start
	id=$(program_id)
	maps=$(bpftool prog show id "$id" | sed -n 's/.*map_ids \([0-9,]*\).*/\1/p')
	[[ $maps ]]
	kill -INT "$pid"
	wait "$pid"
	answered 10.0.0.7 10.0.0.2
	wait_for is_gone prog "$id" # the kernel frees it a moment later
	for map in ${maps//,/ }; do
		wait_for is_gone map "$map"
	done
	[[ -z $(tc qdisc show dev veth0 | grep -E 'clsact|ingress') ]]
	[[ -z $(find /sys/fs/bpf -type f ! -name '*.debug') ]]
}

@test "drop-spoofed-packets: beside somebody else's qdisc ingress it guards, or it refuses" {
	tc qdisc add dev veth0 ingress
	if start; then
		is_dropped 10.0.0.7 10.0.0.2
	else
		wait "$pid" || status=$?
		[[ $status == 2 || $status == 3 ]]
	fi
	tc qdisc show dev veth0 ingress | grep ingress
	tc qdisc delete dev veth0 ingress
}
