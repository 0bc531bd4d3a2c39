#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# block-tcp-8080 on real packets: two hosts, sockets of real programs. `scripts/test block-tcp-8080` runs
# this.

load ../../tests/helpers

tool=$root/problems/block-tcp-8080/block-tcp-8080
object=$root/problems/block-tcp-8080/block-tcp-8080.bpf.o
servers_address=10.0.0.1
ours='block_ports|frame_counts|port_rows|\.data\.ports'

setup_file() {
	# What `everything` finds is the same before each test, and takes 20 processes.
	start_network
	everything >"$BATS_FILE_TMPDIR/empty"
	stop_network
}

setup() {
	start_network
	empty_network=$(<"$BATS_FILE_TMPDIR/empty")
}

teardown() {
	stop_network
}

# The counter VERDICT of the program on veth0, or how often PORT was blocked.
packets() {
	local text
	text=$(server "$tool" stats -j)
	[[ $text =~ \"$1\":\ \{[[:space:]]*\"packets\":\ ([0-9]+) ]]
	echo "${BASH_REMATCH[1]}"
}
hits() {
	local ports
	ports=$(server "$tool" stats -j | member ports)
	if [[ $ports =~ \"port\":$1,\"blocked\":([0-9]+) ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}

# What status says of veth0: mode, program_id, ports, ...
status_of() { server "$tool" status -j | member "$1"; }

# nothing_pinned: nor anything attached. It takes one process, and nothing_left 30; but one that has lost its pins
# only that finds.
nothing_pinned() {
	run find /sys/fs/bpf -mindepth 3 -path '*/hookpoint/*'
	assert_output ""
	run server ip link show dev veth0
	refute_output --partial prog/xdp
}

# make_taggers: all that comes to the hosts loses its tags behind XDP.
make_taggers() {
	local host
	bpftool prog loadall "$root/tests/packets/tag.bpf.o" /sys/fs/bpf/tag
	for host in server client; do
		# In the frame, where the program meets the tag, and not beside it.
		$host ethtool -K veth0 tx-vlan-offload off tx-vlan-stag-hw-insert off
		$host tc qdisc add dev veth0 clsact
		$host tc filter add dev veth0 ingress pref 1 handle 1 bpf da pinned /sys/fs/bpf/tag/pop_all
	done
}

# use_tags HOW: what they send gets tags by a program of tag.bpf.c.
use_tags() {
	local host
	for host in server client; do
		$host tc filter replace dev veth0 egress pref 1 handle 1 bpf da pinned "/sys/fs/bpf/tag/$1"
	done
}

# Segments that the server's TCP has got so far.
segments_received() { server awk '/^Tcp: [0-9]/ { print $11 }' /proc/net/snmp; }

send_segments() {
	local mac
	mac=$(ip -netns server -o link show veth0 | sed 's/.*link.ether \([^ ]*\).*/\1/')
	client "$root/tests/packets/send-segments" veth0 10.0.0.2 $servers_address "$mac" "$@"
}

# build_variant NAME SED: builds the same tool with its program changed by SED, unless one of that NAME has been
# built; sets variant to the loader.
build_variant() {
	local copy=$BATS_FILE_TMPDIR/$1
	variant=$copy/problems/block-tcp-8080/block-tcp-8080
	[[ ! -e $copy ]] || return 0
	mkdir -p "$copy/problems"
	cp -a "$root/common" "$root/scripts" "$copy" # with its times, so that only what changes is built
	cp -a "$root/problems/block-tcp-8080" "$copy/problems"
	sed -i "$2" "$variant.bpf.c"
	run cmp "$variant.bpf.c" "$root/problems/block-tcp-8080/block-tcp-8080.bpf.c"
	assert_failure 1
	make -s -C "${variant%/*}" CFLAGS=-O0 block-tcp-8080 >&2
}

# --- effect, and what is left alone ---

@test "block-tcp-8080: port 8080 dies and port 8081 lives, in native mode, over IPv4 and IPv6" {
	listen server 8080
	listen server 8081
	answers client http://10.0.0.1:8080/
	answers client 'http://[fd00::1]:8080/'

	run server "$tool" load -i veth0
	assert_success
	assert_output "veth0: attached in native mode, blocking TCP port 8080"
	is_silent client http://10.0.0.1:8080/
	is_silent client 'http://[fd00::1]:8080/'
	answers client http://10.0.0.1:8081/
	answers client 'http://[fd00::1]:8081/'
	[[ $(hits 8080) == $(packets blocked) && $(packets blocked) -ge 2 ]]
	assert_equal "$(packets malformed)" 0

	run server "$tool" unload -i veth0
	assert_success
	answers client http://10.0.0.1:8080/
	answers client 'http://[fd00::1]:8080/'
	nothing_left "$empty_network"
}

@test "block-tcp-8080: the same in generic mode" {
	listen server 8080
	listen server 8081
	run server "$tool" load -i veth0 -m generic
	assert_success
	assert_output "veth0: attached in generic mode, blocking TCP port 8080"
	assert_equal "$(status_of mode)" generic
	is_silent client http://10.0.0.1:8080/
	is_silent client 'http://[fd00::1]:8080/'
	answers client http://10.0.0.1:8081/
	answers client 'http://[fd00::1]:8081/'
}

# bats test_tags=slow
@test "block-tcp-8080: one VLAN tag, of either kind, or two hide nothing" {
	local how
	listen server 8080
	listen server 8081
	make_taggers
	for how in push_8021q push_8021ad push_two; do
		use_tags $how
		answers client http://10.0.0.1:8080/
		server "$tool" load -i veth0
		is_silent client http://10.0.0.1:8080/
		is_silent client 'http://[fd00::1]:8080/'
		answers client http://10.0.0.1:8081/
		answers client 'http://[fd00::1]:8081/'
		[[ $(hits 8080) -ge 2 ]]
		server "$tool" unload -i veth0
	done
}

# bats test_tags=slow
@test "block-tcp-8080: only the destination port counts, and only TCP's" {
	client sysctl -qw net.ipv4.tcp_max_tw_buckets=0 # the port is free again as soon as curl has ended
	listen server 8081
	server "$tool" load -i veth0
	client curl --max-time 3 -fsS -o /dev/null --local-port 8080 http://10.0.0.1:8081/
	wait_for eval '[[ -z $(client ss -H -tan "sport = :8080") ]]' # the server's FIN may still be on its way

	listen client 8080 # what it answers comes from port 8080
	answers server http://10.0.0.2:8080/

	start server nc -u -l -p 8080 >"$BATS_TEST_TMPDIR/got"
	wait_for listens server udp 8080
	echo datagram | client nc -u -q 0 10.0.0.1 8080
	wait_for grep -q datagram "$BATS_TEST_TMPDIR/got"
	assert_equal "$(packets blocked)" 0
}

# bats test_tags=slow
@test "block-tcp-8080: a connection that is open when its port is blocked gets stuck" {
	start server nc -l -p 8080 >"$BATS_TEST_TMPDIR/got"
	wait_for listens server tcp 8080
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 5<>"$BATS_TEST_TMPDIR/in"
	start client nc 10.0.0.1 8080 <&5
	echo before >&5
	wait_for grep -q before "$BATS_TEST_TMPDIR/got"

	server "$tool" load -i veth0
	echo after >&5
	sleep 0.5
	run cat "$BATS_TEST_TMPDIR/got"
	assert_output before
	[[ $(hits 8080) -ge 1 ]]

	# TCP repeats what was lost: it arrives once the way is free.
	server "$tool" unload -i veth0
	wait_for grep -q after "$BATS_TEST_TMPDIR/got"
	exec 5>&-
}

# bats test_tags=slow
@test "block-tcp-8080: ports and ranges, up to all 65,535" {
	local port
	server "$tool" load -i veth0 -p 22 -p 9000-9002
	assert_equal "$(status_of ports)" '["22","9000-9002"]'
	for port in 22 9000 9001 9002; do
		send_segments 3 $port
		assert_equal "$(hits $port)" 3
	done
	send_segments 5 8080 8999 9003 23 21
	assert_equal "$(packets blocked)" 12

	server "$tool" load -i veth0 -p 1-65535
	assert_equal "$(status_of ports)" '["1-65535"]'
	send_segments 4 1 65535 8080 443
	assert_equal "$(hits 65535)" 1
	assert_equal "$(packets blocked)" 16
}

# bats test_tags=slow
@test "block-tcp-8080: a second load of the same changes nothing, one of other ports only the ports" {
	local before
	server "$tool" load -i veth0
	before=$(everything)
	run server "$tool" load -i veth0
	assert_success
	assert_output "veth0: nothing to do, blocking TCP port 8080"
	nothing_changed "$before" # the program that was compared with is gone

	run server "$tool" load -i veth0 -p 9000
	assert_success
	assert_output "veth0: ports changed, blocking TCP port 9000"
	run server "$tool" load -i veth0 -p 9001 -n
	assert_output "veth0: would change the ports, blocking TCP port 9001"
	assert_equal "$(status_of ports)" '["9000"]'
	nothing_changed "$before"
}

# bats test_tags=slow
@test "block-tcp-8080: changing the ports under traffic judges none of 100,000 segments wrongly (20,000 where emulated)" {
	local before sets=0 segments
	segments=$(scaled 100000 20000)
	server "$tool" load -i veth0 -p 8080 -p 9001
	before=$(segments_received)
	send_segments "$segments" 8080 22 >"$BATS_TEST_TMPDIR/sent" 3>&- &
	while kill -0 $! 2>/dev/null; do
		server "$tool" load -i veth0 -p 8080 -p $((9001 + sets % 2))
		((++sets))
	done
	wait $!
	assert_equal "$(cat "$BATS_TEST_TMPDIR/sent")" "$segments"
	echo "$sets sets" >&2
	[[ $sets -ge 5 ]]

	assert_equal "$(hits 8080)" $((segments / 2))
	assert_equal "$(packets blocked)" $((segments / 2))
	assert_equal $(($(segments_received) - before)) $((segments / 2))
}

# --- verdicts ---

# bats test_tags=slow
@test "block-tcp-8080: segments that hide behind tags and fragments reach TCP without the program, and not with it" {
	local before mode mac hidden=$root/tests/packets/send-hidden
	mac=$(ip -netns server -o link show veth0 | sed 's/.*link.ether \([^ ]*\).*/\1/')
	"$hidden" make "$mac" >"$BATS_TEST_TMPDIR/frames"
	before=$(segments_received)
	client "$hidden" send veth0 <"$BATS_TEST_TMPDIR/frames"
	wait_for eval '[[ $(segments_received) == $((before + 5)) ]]'

	for mode in native generic; do
		server "$tool" load -i veth0 -m $mode
		before=$(segments_received)
		client "$hidden" send veth0 <"$BATS_TEST_TMPDIR/frames"
		sleep 0.5
		assert_equal "$(segments_received)" "$before"
		assert_equal "$(packets blocked)" 4
		assert_equal "$(packets hidden)" 1
		server "$tool" unload -i veth0
	done
}

@test "block-tcp-8080: every truncation and a million mutations get the oracle's verdict" {
	run "$root/problems/block-tcp-8080/test-verdicts" "$root/tests/packets/fixtures" \
		-s "${HOOKPOINT_SEED:-8080}" -t "$(scaled 1 5)" -n "${HOOKPOINT_MUTATIONS:-1000000}"
	echo "$output" | sed 's/^/# /' >&3
	assert_success
}

# --- beside others ---

@test "block-tcp-8080: the object blocks port 8080 when ip loads it, with no loader of ours" {
	listen server 8080
	server ip link set dev veth0 xdp obj "$object" sec xdp
	is_silent client http://10.0.0.1:8080/
	run server ip link show veth0
	assert_output --partial 'name block_ports'
	server ip link set dev veth0 xdp off
	answers client http://10.0.0.1:8080/
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: somebody else's program is named, left running, exit 3" {
	local before command
	server ip link set dev veth0 xdp obj "$object" sec xdp
	before=$(everything)
	for command in "load -i veth0" "load -i veth0 --replace" "load -i veth0 -n" \
		"load -i veth0 -m generic" "run -i veth0"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr server "$tool" $command
		assert_failure 3
		assert_equal "${#stderr_lines[@]}" 1
		[[ $stderr =~ 'somebody else'.*block_ports\ \(id\ [0-9]+,\ native\) ]]
	done
	for command in unload status stats; do
		run --separate-stderr server "$tool" $command -i veth0
		assert_failure 4
		[[ $stderr =~ 'somebody else' ]]
	done
	nothing_changed "$before"
}

@test "block-tcp-8080: unload takes out this tool's program only, and only from that interface" {
	ip -netns server link add veth1 type veth peer name veth2
	server "$tool" load -i veth0
	server "$tool" load -i veth1 -p 22
	server ip link set dev veth2 xdp obj "$object" sec xdp

	run server "$tool" unload -i veth1
	assert_output "veth1: detached"
	assert_equal "$(status_of interface)" veth0
	server "$tool" load -i veth1
	run server "$tool" unload -a
	assert_success
	assert_equal "${#lines[@]}" 2
	run ip -netns server link show veth2
	assert_output --partial 'prog/xdp'
	run server "$tool" unload -a
	assert_failure 4
	run server "$tool" unload -a --ignore-missing
	assert_success
}

# bats test_tags=slow
@test "block-tcp-8080: several interfaces at once, each with ports and counters of its own" {
	ip -netns server link add veth1 type veth peer name veth2
	run server "$tool" load -i veth0 -i veth1
	assert_success
	assert_line "veth0: attached in native mode, blocking TCP port 8080"
	assert_line "veth1: attached in native mode, blocking TCP port 8080"
	server "$tool" load -i veth1 -p 22
	assert_equal "$(server "$tool" status -j -i veth0 | member ports)" '["8080"]'
	assert_equal "$(server "$tool" status -j -i veth1 | member ports)" '["22"]'
	send_segments 3 8080
	assert_equal "$(server "$tool" stats -j -i veth0 | member ports)" '[{"port":8080,"blocked":3}]'
	assert_equal "$(server "$tool" stats -j -i veth1 | member ports)" '[]'
	server "$tool" unload -i veth0 -i veth1
	ip -netns server link delete veth1
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: interfaces of the same name in two namespaces do not meet" {
	server "$tool" load -i veth0 -p 1
	client "$tool" load -i veth0 -p 2
	assert_equal "$(server "$tool" status -j -i veth0 | member ports)" '["1"]'
	assert_equal "$(client "$tool" status -j -i veth0 | member ports)" '["2"]'
	assert_equal "$(server "$tool" status -j | json "len(d['attachments'])")" 2
	run client "$tool" unload -i veth0
	assert_success
	assert_equal "$(status_of state)" attached
}

# bats test_tags=slow
@test "block-tcp-8080: --replace takes over from another version, without an unguarded moment" {
	local before received count=0
	build_variant older 's/tcp->doff < 5 ||/tcp->doff < 4 ||/' # an older version, say
	server "$variant" load -i veth0 -p 8080
	before=$(everything | wc -l)

	run --separate-stderr server "$tool" load -i veth0
	assert_failure 3
	[[ $stderr =~ 'another version'.*--replace ]]

	received=$(segments_received)
	send_segments "$(scaled 100000 30000)" 8080 >/dev/null 3>&- &
	while kill -0 $! 2>/dev/null; do
		server "$tool" load -i veth0 --replace
		server "$variant" load -i veth0 --replace
		((count += 2))
	done
	wait $!
	[[ $count -ge 4 ]]
	assert_equal "$(segments_received)" "$received"
	wait_for eval '[[ $(everything | wc -l) == "$before" ]]'

	run server "$tool" load -i veth0 --replace
	assert_output "veth0: program replaced, blocking TCP port 8080"
	run server "$tool" load -i veth0 --replace
	assert_output "veth0: nothing to do, blocking TCP port 8080"
	server "$tool" unload -i veth0
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: a replacing that was killed halfway is finished by the next command" {
	local pins
	server "$tool" load -i veth0
	pins=$(status_of pins)
	# As if it had been killed before the link was updated: pins beside the right ones.
	mkdir "$pins+new"
	ln -s block_ports "$pins+new/program"
	server "$tool" load -i veth0 -p 22
	[[ ! -e $pins+new ]]
	assert_equal "$(status_of ports)" '["22"]'

	# As if it had been killed between the link and the pins: the right ones stand beside.
	mv "$pins" "$pins+new"
	mkdir "$pins"
	ln -s veth0 "$pins/interface"
	server "$tool" load -i veth0 -p 23
	[[ ! -e $pins+new ]]
	assert_equal "$(status_of ports)" '["23"]'
	server "$tool" unload -i veth0
	nothing_left "$empty_network"
}

# --- run, and loaders that die ---

# bats test_tags=slow
@test "block-tcp-8080: run blocks until SIGINT or SIGTERM, then detaches and exits 0" {
	local signal
	for signal in INT TERM; do
		# A shell's background job ignores SIGINT: env gives it back.
		start server env --default-signal=INT "$tool" run -i veth0 -p 9000 >"$BATS_TEST_TMPDIR/out"
		wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
		send_segments 5 9000
		assert_equal "$(hits 9000)" 5
		kill -$signal $!
		wait $!
		grep -q '^veth0: detached$' "$BATS_TEST_TMPDIR/out"
		nothing_left "$empty_network"
	done
}

# bats test_tags=slow
@test "block-tcp-8080: kill -9 of run leaves the guard, and run, load or clean take it up" {
	local pid
	start_and_kill() {
		start server "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out" 2>&1
		pid=$!
		wait_for grep -qE 'attached|nothing to do' "$BATS_TEST_TMPDIR/out"
		wait_for test -L "$(status_of pins)/runner"
		kill -9 $pid
		wait $pid || true
	}
	start_and_kill
	listen server 8080
	is_silent client http://10.0.0.1:8080/
	assert_equal "$(status_of runner)" dead

	start_and_kill # taken over, killed again
	run server "$tool" clean
	assert_output "veth0: its \`run\` was killed: detached"

	start_and_kill
	server "$tool" load -i veth0 # now it is load's, and not to be cleaned away
	run server "$tool" clean
	assert_output "nothing to clean"
	assert_equal "$(status_of runner)" none
	server "$tool" unload -i veth0
}

# bats test_tags=slow
@test "block-tcp-8080: a second run on the same interface is refused while the first one lives" {
	start server "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out"
	wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
	wait_for test -L "$(status_of pins)/runner"
	run --separate-stderr server timeout 5 "$tool" run -i veth0 -p 9000
	assert_failure 2
	[[ $stderr =~ 'another' ]]
	assert_equal "$(status_of runner)" alive
	assert_equal "$(status_of ports)" '["8080"]'
	kill $!
	wait $!
}

# bats test_tags=slow
@test "block-tcp-8080: a loader that was killed at any moment leaves all or nothing, and clean finishes" {
	local delay conditions
	for delay in $(scaled "0.001 0.002 0.004 0.006 0.008 0.010 0.012 0.015 0.020 0.025" "0.03 0.06 0.1 0.15 0.2"); do
		timeout -s KILL $delay nsenter --net=/run/netns/server "$tool" load -i veth0 || true
		conditions=$(server "$tool" status -j --ignore-missing | sed -n 's/.*"state": //p')
		[[ -z $conditions || $conditions == '"attached",' || $conditions == '"partial",' ]] || fail "$conditions"
		server "$tool" clean
		server "$tool" unload -a --ignore-missing
		nothing_pinned
	done
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: 200 loads and unloads leave nothing (20 where emulated)" {
	local i times
	times=$(scaled 200 20)
	for ((i = 0; i < times; i++)); do
		server "$tool" load -i veth0 >/dev/null
		server "$tool" unload -i veth0 >/dev/null
	done
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: run detaches what is its own, and not what somebody loaded in the meantime" {
	start server "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out"
	wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
	server "$tool" unload -i veth0
	server "$tool" load -i veth0 -p 9000
	kill $!
	wait $!
	grep -q 'by somebody else' "$BATS_TEST_TMPDIR/out"
	assert_equal "$(status_of ports)" '["9000"]'
}

# bats test_tags=slow
@test "block-tcp-8080: run whose output nobody reads detaches, and --replace waits for run to end" {
	build_variant older 's/tcp->doff < 5 ||/tcp->doff < 4 ||/'
	start server "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out"
	wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
	run --separate-stderr server "$variant" load -i veth0 --replace
	assert_failure 2
	[[ $stderr =~ 'end it before its program is replaced' ]]
	kill $!
	wait $!
	run server bash -c "'$tool' run -i veth0 | true; echo \${PIPESTATUS[0]}"
	assert_line 2
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: a system call that fails is told with exit 2, and takes no guard away" {
	local command call
	server "$tool" load -i veth0
	fail_call() { server strace -f -qq -o /dev/null -e "inject=$1:error=ENOMEM:when=$2" "$tool" "${@:3}"; }
	for command in clean "status -i veth0" "stats -i veth0" "load -i veth0 -p 9000"; do
		for call in $(scaled "1 2 3 4 5 6" "1 4"); do
			# shellcheck disable=SC2086 # the words of a command
			run --separate-stderr fail_call bpf $call $command
			[[ $status == 0 || $status == 2 ]] || fail "$command, call $call: exit $status: $stderr"
			[[ $status == 0 || -n $stderr ]] || fail "$command, call $call: silent"
			run server ip link show dev veth0
			assert_output --partial prog/xdp
		done
	done
	for call in $(seq 1 "$(scaled 1 3)" 28); do
		server "$tool" unload -a --ignore-missing
		run --separate-stderr fail_call bpf $call load -i veth0
		[[ $status == 0 || $status == 2 ]] || fail "load, call $call: exit $status: $stderr"
		[[ $status == 0 ]] || nothing_pinned
	done
	server "$tool" unload -a --ignore-missing
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: status in the middle of loading and unloading never says what is not so" {
	local round # not i, which bats' run uses
	start server bash -c "while :; do '$tool' load -i veth0; '$tool' unload -i veth0; done" >/dev/null
	for ((round = $(scaled 100 10); round > 0; round--)); do
		run --separate-stderr server "$tool" status -i veth0 -j
		[[ $status == 0 || $status == 4 ]] || fail "exit $status: $stderr"
		[[ $status == 4 || $output =~ '"state": "attached"' ]] || fail "$output"
		[[ $status == 4 || -z $stderr ]] || fail "$stderr"
	done
}

# --- things that disappear ---

# bats test_tags=slow
@test "block-tcp-8080: an interface that has gone is said to be gone, and unload or clean remove the rest" {
	local how
	for how in "unload -i veth3" clean "unload -a"; do
		ip -netns server link add veth3 type veth peer name veth4
		server "$tool" load -i veth3
		ip -netns server link delete veth3
		run --separate-stderr server "$tool" status -j
		assert_success
		[[ $stderr =~ 'veth3 is gone' ]]
		assert_equal "$(echo "$output" | json "d['attachments'][0]['state']")" stale
		# shellcheck disable=SC2086 # the words of a command
		run server "$tool" $how
		assert_success
		assert_output --partial veth3
		nothing_left "$empty_network"
	done
	run --separate-stderr server "$tool" unload -i veth3
	assert_failure 1
	assert_equal "$stderr" "block-tcp-8080: no interface 'veth3' in this network namespace: see \`ip link\`"
}

# bats test_tags=slow
@test "block-tcp-8080: an interface made anew is guarded anew" {
	ip -netns server link add veth3 index 77 type veth peer name veth4
	server "$tool" load -i veth3
	ip -netns server link delete veth3
	ip -netns server link add veth3 index 77 type veth peer name veth4
	run server "$tool" load -i veth3 -p 9000
	assert_success
	assert_line "veth3: attached in native mode, blocking TCP port 9000"
	assert_equal "$(server "$tool" status -j | json "len(d['attachments'])")" 1
}

# bats test_tags=slow
@test "block-tcp-8080: an interface that moved to another namespace, or got another name, is still ours" {
	ip -netns server link add veth3 type veth peer name veth4
	server "$tool" load -i veth3
	ip -netns server link set veth3 name renamed
	assert_equal "$(status_of interface)" renamed
	ip -netns server link set renamed netns client
	assert_equal "$(status_of state)" elsewhere
	run client "$tool" load -i renamed
	assert_output "renamed: nothing to do, blocking TCP port 8080"
	run server "$tool" unload -a
	assert_success
	assert_output --partial 'in another network namespace'
	ip -netns client link delete renamed
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: a namespace that has gone leaves pins, which clean removes" {
	ip netns add gone
	ip -netns gone link add veth3 type veth peer name veth4
	nsenter --net=/run/netns/gone "$tool" load -i veth3
	ip netns delete gone
	wait_for eval '[[ $(status_of state) == stale ]]'
	run server "$tool" clean
	assert_success
	assert_output "veth3 is gone: its pins are removed"
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "block-tcp-8080: without a BPF file system every command says so and does nothing" {
	local command
	for command in "load -i veth0" "run -i veth0" "unload -i veth0" "unload -a" clean; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr without_bpffs nsenter --net=/run/netns/server "$tool" $command
		assert_failure 2
		assert_equal "${#stderr_lines[@]}" 1
		[[ $stderr =~ 'no BPF file system at /sys/fs/bpf'.*'mount -t bpf' ]]
	done
	for command in status stats; do
		run --separate-stderr without_bpffs nsenter --net=/run/netns/server "$tool" $command
		assert_failure 2
		[[ $stderr =~ 'no BPF file system at /sys/fs/bpf' ]]
	done
	nothing_left "$empty_network"
}

# --- words, options, rights ---

# bats test_tags=host
@test "block-tcp-8080: bad input gives one line and exit 1, and attaches nothing" {
	local arguments
	for arguments in "" frob load "load -i" "load -i nope" "load -i veth0 -p 0" \
		"load -i veth0 -p 65536" "load -i veth0 -p 80a" "load -i veth0 -p 90-80" \
		"load -i veth0 -p -80" "load -i veth0 -p 80-" "load -i veth0 -p" "load -i veth0 -m" \
		"load -i veth0 -m fast" "load -i veth0 --frob" "load -i veth0 -x" "load -i veth0 more" \
		"load -i veth0 -i veth0" "load -i veth0 -j" "run" "run -i veth0 -p 0" unload \
		"unload -i veth0 -a" "unload -i nope" "status -p 80" "status more" "status -i nope" \
		"stats -w" "stats -w 0" "stats -w x" "stats -w 1x" "stats -w -1" "stats -w nan" \
		"clean -i veth0" "clean more" "help more" "version more" "--frob" \
		"load -i veth0 -p 80 -p 0"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr server "$tool" $arguments
		[[ $status == 1 && ${#stderr_lines[@]} == 1 && -z $output ]] ||
			fail "'$arguments': exit $status: $stderr $output"
	done
	run --separate-stderr server "$tool" load -i veth0 -p ''
	assert_failure 1
	nothing_left "$empty_network"
}

@test "block-tcp-8080: without rights load names the missing capabilities, exit 2; with them it works" {
	local mine=$BATS_TEST_TMPDIR/block-tcp-8080
	chmod 755 "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "${BATS_TEST_TMPDIR%/*/*}" "$BATS_RUN_TMPDIR"
	cp "$tool" "$mine"
	as_nobody() { server setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

	run --separate-stderr as_nobody "$mine" load -i veth0
	assert_failure 2
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'missing cap_bpf,cap_net_admin,cap_perfmon'.*'sudo setcap cap_bpf,cap_net_admin,cap_perfmon+ep '"$mine" ]]

	setcap cap_bpf,cap_net_admin+ep "$mine"
	run --separate-stderr as_nobody "$mine" load -i veth0
	assert_failure 2
	[[ ${stderr_lines[-1]} =~ 'missing cap_perfmon' ]]

	setcap cap_bpf,cap_net_admin,cap_perfmon+ep "$mine"
	run as_nobody "$mine" load -i veth0
	assert_success
	run as_nobody "$mine" stats
	assert_success
	run as_nobody "$mine" unload -i veth0
	assert_success
}

# bats test_tags=slow
@test "block-tcp-8080: what this kernel lacks is named, exit 5; what the verifier refuses is shown, exit 2" {
	build_variant helper 's/bpf_ntohs(tcp->dest)/((int (*)(void))999)()/' # a helper of the future
	run --separate-stderr server "$variant" load -i veth0
	assert_failure 5
	[[ ${stderr_lines[-1]} =~ ^"block-tcp-8080: this kernel ($(uname -r)) lacks what the program needs: helper 999"$ ]]

	build_variant refused 's/if (!advance(&c, first.*/if (0)/' # the comparison that the verifier insists on
	run --separate-stderr server "$variant" load -i veth0
	assert_failure 2
	[[ $stderr =~ 'invalid access to packet' ]]
	[[ ${stderr_lines[-1]} =~ "the verifier's log above ends with the reason" ]]
	nothing_left "$empty_network"
}

@test "block-tcp-8080: native mode on an interface that has none is refused, auto falls back and says so" {
	run --separate-stderr server "$tool" load -i lo -m native
	assert_failure 2
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'generic' ]]
	nothing_left "$empty_network"

	run --separate-stderr server "$tool" load -i lo
	assert_success
	assert_output "lo: attached in generic mode, blocking TCP port 8080"
	[[ $stderr =~ 'no native XDP' ]]
	listen server 8081
	run server curl --max-time 1 -sS http://127.0.0.1:8080/
	assert_failure 28
	answers server http://127.0.0.1:8081/
	run --separate-stderr server "$tool" load -i lo -m native
	assert_failure 2
	[[ $stderr =~ "can't be changed: unload it first" ]]
}

# bats test_tags=slow
@test "block-tcp-8080: a dry run goes through the verifier and attaches nothing" {
	run server "$tool" load -i veth0 -n
	assert_success
	assert_output "veth0: would attach, blocking TCP port 8080"
	nothing_left "$empty_network"
	run server "$tool" run -i veth0 -n
	assert_success
}

# bats test_tags=slow
@test "block-tcp-8080: -v shows what libbpf and the verifier say, and without it they are silent" {
	run --separate-stderr server "$tool" load -i veth0 -n -v
	assert_success
	[[ $stderr =~ 'BEGIN PROG LOAD LOG'.*'processed '[0-9]+' insns' ]]
	run --separate-stderr server "$tool" load -i veth0 -n
	assert_success
	assert_equal "$stderr" ""
}

# bats test_tags=host
@test "block-tcp-8080: help and version, in every spelling, exit 0 on standard output" {
	local word
	for word in help --help -h; do
		run --separate-stderr "$tool" $word
		assert_success
		assert_line --partial 'block-tcp-8080 load'
		assert_equal "$stderr" ""
	done
	for word in version --version -V; do
		run --separate-stderr "$tool" $word
		assert_success
		assert_output --regexp '^block-tcp-8080 [0-9]+\.[0-9]+\.[0-9]+ '
	done
	for word in load unload status stats run clean; do
		run --separate-stderr "$tool" $word --help
		assert_success
		assert_line --index 0 --partial "Usage: block-tcp-8080 $word"
	done
}

# bats test_tags=slow
@test "block-tcp-8080: stats -w goes on until a signal, with one JSON object a line" {
	server "$tool" load -i veth0
	server timeout -s INT 1 "$tool" stats -j -w 0.2 >"$BATS_TEST_TMPDIR/out" || true
	[[ $(wc -l <"$BATS_TEST_TMPDIR/out") -ge 3 ]]
	run python3 -c 'import json, sys; print({json.loads(line)["schema"] for line in sys.stdin})' <"$BATS_TEST_TMPDIR/out"
	assert_output "{1}"
}

# bats test_tags=host
@test "block-tcp-8080: output that can't be written is a failure" {
	run --separate-stderr server sh -c "'$tool' help >/dev/full"
	assert_failure 2
	[[ $stderr =~ 'No space left' ]]
}
