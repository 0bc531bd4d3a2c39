#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe on real packets. `make test` runs this on host "server" of two (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.

load lib/network.bash

setup() {
	tool=(./block-tcp-8080)
	[[ ! -d hookpoint ]] || tool+=(run -i)
	said=$BATS_TEST_TMPDIR/said

	# Somebody listens on two ports.
	python3 -c '
import signal, socket
kept = [socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in (8080, 8081)]
signal.pause()' 3>&- &
	wait_for connects 10.0.0.1 8081
}

teardown() {
	jobs -p | xargs -r kill
	wait
}

# start: the tool is attached to veth0 as $pid, whose words go to the file $said.
start() {
	"${tool[@]}" veth0 >"$said" 2>&1 3>&- &
	pid=$!
	wait_for grep 'veth0: attached' "$said"
}

# connects ADDRESS PORT: does the client get a TCP connection? 124: not even a refusal.
connects() { client timeout 1 bash -c ": </dev/tcp/$1/$2"; }

pins() { find /sys/fs/bpf -type f ! -name '*.debug'; }
program_id() { ip link show dev veth0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p'; }
is_gone() { ! bpftool "$1" show id "$2"; }

@test "block-tcp-8080: what is sent to port 8080 is dropped, over IPv4 and IPv6" {
	connects 10.0.0.1 8080
	connects fd00::1 8080
	start
	for address in 10.0.0.1 fd00::1; do
		run connects $address 8080
		[[ $status == 124 ]]
	done
	kill -INT "$pid"
	wait "$pid"
	[[ -d hookpoint ]] || grep -E '^port 8080: [1-9][0-9]* dropped$' "$said" # the minimal one tells at its end
}

@test "block-tcp-8080: other ports, other protocols and what the server itself begins are left alone" {
	start
	connects 10.0.0.1 8081
	connects fd00::1 8081
	client ping -q -c 1 -W 1 10.0.0.1
	# Nobody has UDP port 8080, and the server says so.
	run client timeout 1 bash -c 'exec 4<>/dev/udp/10.0.0.1/8080; echo >&4; cat <&4'
	[[ $output == *"Connection refused"* ]]
	# Nor the client its TCP port 8080.
	run timeout 1 bash -c ': </dev/tcp/10.0.0.2/8080'
	[[ $output == *"Connection refused"* ]]
}

@test "block-tcp-8080: Ctrl-C ends it with exit status 0, and leaves nothing behind" {
	local id maps map
	start
	id=$(program_id)
	maps=$(bpftool prog show id "$id" | sed -n 's/.*map_ids \([0-9,]*\).*/\1/p')
	[[ $maps ]]
	kill -INT "$pid"
	wait "$pid"
	connects 10.0.0.1 8080
	[[ -z $(program_id) ]]
	wait_for is_gone prog "$id" # the kernel frees it a moment later
	for map in ${maps//,/ }; do
		wait_for is_gone map "$map"
	done
	[[ -z $(pins) ]]
}

@test "block-tcp-8080: where somebody else's program is, it refuses, and that one stays" {
	local id how
	for how in xdp xdpgeneric; do
		ip link set dev veth0 $how obj block-tcp-8080.bpf.o sec xdp
		id=$(ip link show dev veth0 | grep -o 'id [0-9]*')
		run timeout 5 "${tool[@]}" veth0
		[[ ($status == 2 || $status == 3) && $output != *attached* && ${#lines[@]} == 1 ]]
		[[ $(ip link show dev veth0 | grep -o 'id [0-9]*') == "$id" ]]
		ip link set dev veth0 $how off
	done
}
