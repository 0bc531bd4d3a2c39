#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe on real connections. `make test` runs this on host "server" of two (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.

load lib/network.bash

# A kernel that lets nobody load programs for fentry is no failure. It is asked without the tool, whose own failure
# would be one.
setup_file() {
	bpftool prog loadall watch-acks.bpf.o /sys/fs/bpf/probe >"$BATS_FILE_TMPDIR/probe" 2>&1 || true
	rm -rf /sys/fs/bpf/probe
}

setup() {
	if grep 'fentry.*Operation not permitted' "$BATS_FILE_TMPDIR/probe"; then
		skip "this kernel lets nobody load programs for fentry; those of Hookpoint's scripts/vm do"
	fi
	tool=(./watch-acks)
	[[ ! -d hookpoint ]] || tool+=(run)
	said=$BATS_TEST_TMPDIR/said
}

teardown() {
	jobs -p | xargs -r kill -9
	wait
}

# start: the tool watches as $pid, whose words go to the file $said.
start() {
	"${tool[@]}" >"$said" 2>&1 3>&- &
	pid=$!
	wait_for grep 'watching TCP' "$said"
}

# finish: as Ctrl-C does; it must end well, with its table.
finish() {
	kill -INT "$pid"
	wait "$pid"
	cat "$said" # for the reader of a test that fails
}

# row LOCAL PEER COLUMN: what the table says there, for two regular expressions. -1: the last column.
row() {
	awk -v column="$3" "\$1 ~ /^$1\$/ && \$2 ~ /^$2\$/ { print \$(column < 0 ? NF + 1 + column : column) }" "$said"
}

# counter NAME...: the sum of these that the client's kernel keeps.
counter() { client nstat -asz "$@" | awk '!/^#/ { sum += $2 } END { print sum }'; }

# all_bytes N: is that what was sent? What is sent again is counted again.
all_bytes() { ((${1:-0} == 200000 || ${1:-0} > 200000 && $(counter TcpRetransSegs))); }

# as_counted N KERNEL: the same; where something was sent again, the kernel counts ACKs of that in other counters, too.
as_counted() {
	echo "handled: $1, counted by the kernel: $2"
	(($1 == $2 || $(counter TcpRetransSegs)))
}

listens() { [[ $(ss -H -lt sport = :5001) ]]; }
is_over() { [[ ! $(ss -H -t sport = :5001) ]]; }

# held KIND: the numbers of the programs, maps or links that the tool has open.
held() { sed -n "s/^${1}_id:[[:space:]]*//p" /proc/"$pid"/fdinfo/*; }
is_gone() { ! bpftool "$1" show id "$2"; }

@test "watch-acks: connections go on as they would, and have their bytes, and ACKs as the kernel itself counts them" {
	local handled listener
	# Gets 200,000 bytes by IPv4, and as many by IPv6.
	python3 -c '
import socket
listener = socket.create_server(("", 5001), family=socket.AF_INET6, dualstack_ipv6=True)
for _ in range(2):
    connection, got = listener.accept()[0], 0
    while data := connection.recv(1 << 20): got += len(data)
    assert got == 200000
    connection.close()' 3>&- &
	listener=$!
	start
	wait_for listens
	client bash -c 'head -c 200000 /dev/zero >/dev/tcp/10.0.0.1/5001'
	wait_for is_over
	handled=$(counter TcpExtTCPPureAcks TcpExtTCPHPAcks)
	((handled > 3))
	client bash -c 'head -c 200000 /dev/zero >/dev/tcp/fd00::1/5001'
	wait $listener
	client ping -q -c 1 10.0.0.1
	finish

	all_bytes "$(row 10.0.0.1:5001 '10.0.0.2:[0-9]+' 5)"
	all_bytes "$(row '\[fd00::1\]:5001' '\[fd00::2\]:[0-9]+' 5)"
	# The other end gets nothing but ACKs.
	[[ $(row '10.0.0.2:[0-9]+' 10.0.0.1:5001 5) == 0 ]]
	as_counted "$(row '10.0.0.2:[0-9]+' 10.0.0.1:5001 -1)" "$handled"
	[[ $(row '10.0.0.2:[0-9]+' 10.0.0.1:5001 -2) == "$(row 10.0.0.1:5001 '10.0.0.2:[0-9]+' 6)" ]]
	# A row for each end, and none for what is no TCP.
	[[ $(grep -c -e '10\.0\.0\.' -e 'fd00::' "$said") == 4 ]]
	grep -E '^[1-9][0-9]* times ACKs were handled, in [1-9][0-9]* ns on average$' "$said"
}

@test "watch-acks: Ctrl-C ends it with exit status 0, and leaves nothing behind" {
	local kind id ids
	start
	for kind in prog map link; do
		for id in $(held $kind); do ids+=("$kind $id"); done
	done
	[[ "${ids[*]}" == *prog*map*link* ]]
	finish
	[[ ! $(find /sys/fs/bpf -type f ! -name '*.debug') ]]
	for id in "${ids[@]}"; do
		# shellcheck disable=SC2086 # two words
		wait_for is_gone $id # the kernel frees it a moment later
	done
}
