#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe on real packets. `make test` runs this on host "server" of two (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.

load lib/network.bash

setup() {
	tool=(./count-ttl)
	[[ ! -d hookpoint ]] || tool+=(run -i)
	said=$BATS_TEST_TMPDIR/said
}

teardown() {
	jobs -p | xargs -r kill -9
	wait
}

# start: the tool counts at veth0 as $pid, whose words go to the file $said.
start() {
	"${tool[@]}" veth0 >"$said" 2>&1 3>&- &
	pid=$!
	wait_for grep '^counting' "$said"
}

# finish: as Ctrl-C does; it must end well, with its table.
finish() {
	kill -INT "$pid"
	wait "$pid"
	cat "$said" # for the reader of a test that fails
}

# row PACKETS HOPS TTL ADDRESS: is it in the table?
row() { grep -E "^ +$1 +$2 +$3  $4\$" "$said"; }

# held KIND: the numbers of the programs or the maps that the tool has open.
held() { sed -n "s/^${1}_id:[[:space:]]*//p" /proc/"$pid"/fdinfo/*; }
is_gone() { ! bpftool "$1" show id "$2"; }

@test "count-ttl: packets are counted by sender, and by the hops that their TTL tells" {
	start
	client ping -q -c 2 -i 0.05 -t 61 10.0.0.1
	client ping -q -c 3 -i 0.05 -t 250 10.0.0.1
	client ping -q -c 1 -t 33 10.0.0.1
	client ping -q -c 1 -t 32 10.0.0.1
	finish
	row 2 3 61 10.0.0.2
	row 3 5 250 10.0.0.2
	row 1 31 33 10.0.0.2
	row 1 0 32 10.0.0.2
}

@test "count-ttl: every packet goes its way, and what leaves or comes in elsewhere is not counted" {
	start
	client ping -q -c 5 -i 0.05 10.0.0.1 | grep ' 5 received'
	ping -q -c 2 -i 0.05 10.0.0.2 | grep ' 2 received' # two answers come in
	ping -q -c 2 -i 0.05 127.0.0.1 | grep ' 2 received'
	finish
	row 7 0 64 10.0.0.2
	run grep -E ' (10\.0\.0\.1|127\.0\.0\.1)$' "$said"
	[[ $status == 1 ]]
}

# segments: that the client has sent, as its kernel counts them.
segments() { client nstat -as TcpOutSegs TcpRetransSegs | awk '/^Tcp/ { sum += $2 } END { print sum }'; }
listens() { [[ $(ss -H -lt sport = :8080) ]]; }

@test "count-ttl: a large packet that the kernel made of several segments counts as all of them" {
	local before after listener
	python3 -c '
import socket
connection, _ = socket.create_server(("", 8080)).accept()
while connection.recv(1 << 20): pass' 3>&- &
	listener=$!
	wait_for listens
	before=$(segments)
	start
	client bash -c 'head -c 1000000 /dev/zero >/dev/tcp/10.0.0.1/8080'
	wait $listener
	sleep 0.1 # the last ACK
	finish
	after=$(segments)
	((after - before > 600))
	row $((after - before)) 0 64 10.0.0.2
}

@test "count-ttl: Ctrl-C ends it with exit status 0, and leaves nothing behind" {
	local id programs maps
	start
	[[ $(ss -H -0) ]] # a packet socket
	programs=$(held prog) maps=$(held map)
	[[ $programs && $maps ]]
	finish
	[[ ! $(ss -H -0) ]]
	[[ ! $(find /sys/fs/bpf -type f ! -name '*.debug') ]]
	for id in $programs; do wait_for is_gone prog "$id"; done # the kernel frees it a moment later
	for id in $maps; do wait_for is_gone map "$id"; done
}

@test "count-ttl: an interface that is not there is told in one line, exit status 1" {
	run "${tool[@]}" nope
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *nope* ]]
}
