#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# drop-spoofed-packets: what the commands do, and what they leave. The packets of honest hosts and of
# attackers are in traffic.bats. `scripts/test drop-spoofed-packets` runs both.

load ../../tests/helpers

tool=$root/problems/drop-spoofed-packets/drop-spoofed-packets
object=$root/problems/drop-spoofed-packets/drop-spoofed-packets.bpf.o
ours='guard_ethernet|guard_ip|source_sets|sources|verdict_counts|report_limits|reports'

setup_file() {
	# What the tool is to use here, told by the kernel's own symbols, which take long to read.
	export hook=clsact
	! grep -q ' tcx_prog_attach$' /proc/kallsyms || hook=tcx
	# What `everything` finds is the same before each test, and takes 20 processes.
	start_network
	everything >"$BATS_FILE_TMPDIR/empty"
	stop_network
}

setup() {
	ways=("") # to run the tool, so that it uses each of those
	[[ $hook != tcx ]] || ways+=(old_kernel)
	start_network
	client ip address add 10.0.0.7/32 dev lo # to send from, without being veth0's
	empty_network=$(<"$BATS_FILE_TMPDIR/empty")
}

teardown() {
	stop_network
}

# The client pings the server, from its own address or from ADDRESS.
pings() { client ping -q -c 1 -W 5 ${1:+-I "$1"} 10.0.0.1 >/dev/null; }
pings6() { client ping -q -c 1 -W 5 fd00::1 >/dev/null; }
is_dropped() {
	run client ping -q -c 1 -W 0.3 -I "$1" 10.0.0.1 # answers take less than 1 ms
	assert_failure 1
	assert_output --partial '0 received'
}

# guards: does the guard on the client's veth0 let pass and drop as it should?
guards() {
	pings
	pings6
	is_dropped 10.0.0.7
}

packets() {
	local text
	text=$(client "$tool" stats -j -i "${2:-veth0}")
	[[ $text =~ \"$1\":\ \{[[:space:]]*\"packets\":\ ([0-9]+) ]]
	echo "${BASH_REMATCH[1]}"
}
status_of() { client "$tool" status -j -i "${2:-veth0}" 2>/dev/null | member "$1"; }
map_of() { bpftool -j map show pinned "$(status_of pins "$1")/verdict_counts" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
rows_of_counts() { bpftool map dump pinned "$(status_of pins)/verdict_counts" | grep -c '"key":'; }

# nothing_pinned: nor any filter. It takes two processes, and nothing_left 30; but what has lost its pins only
# that finds.
nothing_pinned() {
	run find /sys/fs/bpf -mindepth 3 -path '*/hookpoint/*'
	assert_output ""
	run client tc qdisc
	refute_output --partial clsact
}

# old_kernel COMMAND...: where the kernel has no tcx, as before 6.6.
old_kernel() { LD_PRELOAD=$root/tests/no-tcx.so "$@"; }

# A program of somebody else's, at tc: counts, and lets pass.
load_other() {
	cat >"$BATS_TEST_TMPDIR/other.bpf.c" <<-EOF
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	__u64 seen;
	SEC("tc") int other(struct __sk_buff *ctx) { __sync_fetch_and_add(&seen, 1); return 0; }
	char LICENSE[] SEC("license") = "Dual BSD/GPL";
	EOF
	make -s -f "$root/common/bpf.mk" COMMON="$root/common/" "$BATS_TEST_TMPDIR/other.bpf.o"
	bpftool prog load "$BATS_TEST_TMPDIR/other.bpf.o" /sys/fs/bpf/other pinmaps /sys/fs/bpf/other_maps
}
seen_by_other() { bpftool map dump pinned /sys/fs/bpf/other_maps/other_bss | sed -n 's/.*"seen": \([0-9]*\).*/\1/p'; }

# build_variant SED: builds the same tool with its program changed by SED; sets variant to the loader. (The copy
# has its times, so that only what changes is built.)
build_variant() {
	mkdir -p "$BATS_TEST_TMPDIR/problems"
	cp -a "$root/common" "$root/scripts" "$BATS_TEST_TMPDIR"
	cp -a "$root/problems/drop-spoofed-packets" "$BATS_TEST_TMPDIR/problems"
	variant=$BATS_TEST_TMPDIR/problems/drop-spoofed-packets/drop-spoofed-packets
	sed -i "$1" "$variant.bpf.c"
	run cmp "$variant.bpf.c" "$root/problems/drop-spoofed-packets/drop-spoofed-packets.bpf.c"
	assert_failure 1
	make -s -C "${variant%/*}" CFLAGS=-O0 drop-spoofed-packets >&2
}

# --- load, and what is there already ---

@test "drop-spoofed-packets: a false source dies at egress, honest ones live, unload takes it all back" {
	pings 10.0.0.7
	run client "$tool" load -i veth0
	assert_success
	assert_output --regexp "^veth0: attached at $hook egress, allowing 10\.0\.0\.2, fd00::2.* \(a snapshot: \`run\` follows changes\)$"
	guards
	[[ $(packets forged_ipv4) -ge 1 && $(packets allowed) -ge 2 ]]
	assert_equal "$(packets malformed)" 0
	run client "$tool" unload -i veth0
	assert_output "veth0: detached"
	pings 10.0.0.7
	nothing_left "$empty_network"
}

@test "drop-spoofed-packets: every truncation and a million mutations get the oracle's verdict" {
	run "$root/problems/drop-spoofed-packets/test-verdicts" "$root/problems/drop-spoofed-packets/fixtures" \
		-s "${HOOKPOINT_SEED:-8080}" -t "$(scaled 1 19)" -n "${HOOKPOINT_MUTATIONS:-1000000}"
	echo "$output" | sed 's/^/# /' >&3
	assert_success
}

# bats test_tags=slow
@test "drop-spoofed-packets: --allow takes addresses and prefixes of both families, besides the interface's" {
	client "$tool" load -i veth0 --allow 10.0.0.6/31 -A 2001:db8::/32 -A 192.0.2.1
	assert_equal "$(status_of allowed)" '["192.0.2.1","10.0.0.6/31","2001:db8::/32"]'
	pings 10.0.0.7
	pings
	client "$tool" load -i veth0 --allow 10.0.0.8/31
	is_dropped 10.0.0.7
	client "$tool" load -i veth0 --allow 0.0.0.0/0
	pings 10.0.0.7
}

# bats test_tags=slow
@test "drop-spoofed-packets: a second load of the same changes nothing, one of other options only the set" {
	local before
	client "$tool" load -i veth0
	wait_for eval '[[ $(client ip -6 address show dev veth0 scope link -tentative) ]]' # veth0 has all its addresses
	client "$tool" load -i veth0
	before=$(everything_settled)
	run client "$tool" load -i veth0
	assert_success
	assert_output --partial 'veth0: nothing to do, allowing 10.0.0.2, fd00::2, fe80:'
	nothing_changed "$before"

	run client "$tool" load -i veth0 --log-only -n
	assert_output --partial 'veth0: would change the sources'
	assert_equal "$(status_of log_only)" false
	nothing_changed "$before"
	run client "$tool" load -i veth0 --log-only
	assert_output --partial 'veth0: sources changed'
	assert_output --partial ', only logging'
	assert_equal "$(status_of log_only)" true
	pings 10.0.0.7
	[[ $(packets forged_ipv4) -ge 1 ]]
	client "$tool" load -i veth0
	is_dropped 10.0.0.7
}

# bats test_tags=slow
@test "drop-spoofed-packets: an address that came or went since load is told by status, and honoured by load" {
	client "$tool" load -i veth0
	client ip address add 10.0.0.7/24 dev veth0
	client ip address delete fd00::2/64 dev veth0
	run --separate-stderr client "$tool" status -i veth0
	assert_success
	assert_line --regexp '^  missing +.*10\.0\.0\.7'
	assert_line --regexp '^  outdated +fd00::2$'
	[[ $stderr =~ 'the addresses of veth0 have changed since' ]]
	pings # so that it needn't ask for the server in the other's name, which would be dropped as well
	is_dropped 10.0.0.7
	run client "$tool" load -i veth0
	assert_output --partial 'sources changed'
	pings 10.0.0.7
	[[ $(status_of missing) == '[]' && $(status_of outdated) == '[]' ]]
}

# bats test_tags=slow
@test "drop-spoofed-packets: -i repeats and takes all; interfaces share their maps, and one can go without the others" {
	client ip link add veth1 type veth peer name veth2
	client ip address add 10.0.1.1/24 dev veth1
	client ip link set veth1 up
	client "$tool" load -i veth0 -i veth1
	assert_equal "$(client "$tool" status -j | json "[a['interface'] for a in d['attachments']]")" "['veth0', 'veth1']"
	assert_equal "$(map_of veth0)" "$(map_of veth1)"
	pings
	is_dropped 10.0.0.7
	assert_equal "$(packets forged_ipv4 veth1)" 0

	run client "$tool" load -i all
	assert_success
	assert_line --partial "lo: attached at $hook egress, allowing 10.0.0.2, 10.0.0.7"
	assert_line --regexp '^veth[01]: (nothing to do|sources changed)'
	refute_output --partial veth2 # which has no address
	assert_equal "$(map_of veth0)" "$(map_of lo)"

	client "$tool" unload -i veth1 -i lo
	guards
	client "$tool" load -i lo # takes the maps of veth0 again
	assert_equal "$(map_of veth0)" "$(map_of lo)"
	run client "$tool" unload -i all
	assert_line "lo: detached"
	assert_line "veth0: detached"
	client ip link delete veth1
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: on the loopback every local address of the host is honest, and no other" {
	client "$tool" load -i lo
	client ping -q -c 1 -W 1 127.0.0.1
	client ping -q -c 1 -W 1 -I 127.3.2.1 127.0.0.1
	client ping -q -c 1 -W 1 10.0.0.2
	client ping -q -c 1 -W 1 -I 10.0.0.7 10.0.0.2
	client ping -q -c 1 -W 1 ::1
	client ping -q -c 1 -W 1 fd00::2
	assert_equal "$(packets forged_ipv4 lo)" 0
	client python3 - <<-EOF
	import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) # IP_HDRINCL
	s.sendto(bytes.fromhex("4500001c000000004011000009090909") + bytes([127, 0, 0, 1]) + bytes(8), ("127.0.0.1", 0))
	EOF
	assert_equal "$(packets forged_ipv4 lo)" 1
}

# bats test_tags=slow
@test "drop-spoofed-packets: all interfaces or none: what fails for one is undone for the others" {
	run --separate-stderr client "$tool" load -i veth0 -i nope
	assert_failure 1
	nothing_left "$empty_network"

	# One that others hold, on a kernel without tcx.
	client tc qdisc add dev lo ingress
	run --separate-stderr old_kernel client "$tool" load -i veth0 -i lo
	assert_failure 3
	[[ $stderr =~ 'lo has somebody else'.*'qdisc `ingress`'.*'veth0 is detached again' ]]
	client tc qdisc delete dev lo ingress
	nothing_left "$empty_network"
}

# --- ingress ---

# bats test_tags=slow
@test "drop-spoofed-packets: at ingress only what --allow says may come in, and unload of the other direction is refused" {
	run --separate-stderr server "$tool" load -i veth0 --direction ingress
	assert_failure 1
	[[ $stderr =~ '--allow' ]]
	run server "$tool" load -i veth0 --direction ingress --allow 10.0.0.2 --allow fd00::2 --allow fe80::/64
	assert_success
	assert_output "veth0: attached at $hook ingress, allowing 10.0.0.2, fd00::2, fe80::/64"
	guards
	assert_equal "$(server "$tool" status -j | member direction)" ingress
	run --separate-stderr server "$tool" load -i veth0
	assert_failure 2
	[[ $stderr =~ "attached at ingress, which can't be changed: unload it first" ]]
	guards
}

# --- run ---

# bats test_tags=slow
@test "drop-spoofed-packets: run follows the addresses, keeps what --allow said, and detaches at its end" {
	local signal
	for signal in INT TERM; do
		start client env --default-signal=INT "$tool" run -i veth0 --allow 192.0.2.0/24 >"$BATS_TEST_TMPDIR/out"
		wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
		guards
		client ip address add 10.0.0.7/24 dev veth0
		sleep 0.1
		pings 10.0.0.7
		assert_equal "$(status_of missing)" "[]"
		client ip address delete 10.0.0.7/24 dev veth0
		sleep 0.1
		is_dropped 10.0.0.7
		assert_equal "$(status_of allowed)" '["192.0.2.0/24"]'
		# What load changes meanwhile stays, too.
		client "$tool" load -i veth0 --allow 192.0.3.0/24
		client ip address add 10.0.0.9/24 dev veth0
		sleep 0.1
		assert_equal "$(status_of allowed)" '["192.0.3.0/24"]'
		[[ $(status_of addresses) == *10.0.0.9* ]]
		client ip address delete 10.0.0.9/24 dev veth0
		kill -$signal $!
		wait $!
		grep -q '^veth0: detached$' "$BATS_TEST_TMPDIR/out"
		nothing_left "$empty_network"
	done
}

# bats test_tags=slow
@test "drop-spoofed-packets: run on the loopback follows local addresses of all interfaces, and local routes" {
	start client "$tool" run -i lo >"$BATS_TEST_TMPDIR/out"
	wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
	client ip address add 10.0.5.1/24 dev veth0
	client ip route add local 198.51.100.0/24 dev lo
	sleep 0.2
	client ping -q -c 1 -W 1 -I 10.0.5.1 10.0.0.2
	client ping -q -c 1 -W 1 -I 198.51.100.9 10.0.0.2
	client ip route delete local 198.51.100.0/24 dev lo
	sleep 0.2
	refute [ "$(status_of addresses lo | grep -c 198.51.100)" = 1 ]
	assert_equal "$(packets forged_ipv4 lo)" 0
	kill $!
	wait $!
}

# bats test_tags=slow
@test "drop-spoofed-packets: kill -9 of run at any moment leaves a guard that guards, and the next run adopts it" {
	local delay pid
	for delay in $(scaled "0.3 0.4 0.5 0.6 0.7" "0.5 1"); do
		start client "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out" 2>&1
		pid=$!
		wait_for grep -qE 'attached|sources changed|nothing to do' "$BATS_TEST_TMPDIR/out"
		# Addresses that come and go, so that it is killed in the middle of changing the set.
		start client bash -c 'while :; do ip address add 10.0.0.9/24 dev veth0; ip address delete 10.0.0.9/24 dev veth0; done'
		sleep "$delay"
		kill -9 $pid $!
		wait $pid || true
		guards
	done
	client ip address add 10.0.0.7/24 dev veth0
	is_dropped 10.0.0.7 # nobody follows any more
	assert_equal "$(status_of runner)" dead

	start client "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out" 2>&1
	wait_for grep -q 'sources changed' "$BATS_TEST_TMPDIR/out"
	pings 10.0.0.7
	wait_for eval '[[ $(status_of runner) == alive ]]'
	kill $!
	wait $!
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: run ends with exit 4 when the last of its interfaces has gone" {
	local status=0
	client ip link add veth1 type veth peer name veth2
	client ip address add 10.0.1.1/24 dev veth1
	start client "$tool" run -i veth1 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	wait_for grep -q attached "$BATS_TEST_TMPDIR/out"
	client ip link delete veth1
	wait $! || status=$?
	assert_equal "$status" 4
	assert_equal "$(grep -c 'no interface is left to be guarded' "$BATS_TEST_TMPDIR/err")" 1
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: a loader that was killed at any moment leaves all or nothing, and clean finishes" {
	local delay conditions how
	for how in "${ways[@]}"; do
		for delay in $(scaled "0.005 0.010 0.015 0.020 0.025 0.030 0.035 0.040 0.050 0.060" "0.1 0.3 0.5"); do
			$how timeout -s KILL $delay nsenter --net=/run/netns/client "$tool" load -i veth0 -i lo || true
			conditions=$(client "$tool" status -j --ignore-missing | sed -n 's/.*"state": //p')
			[[ $conditions =~ ^('"attached",'|'"partial",'|$'\n')*$ ]] || fail "$conditions"
			client "$tool" clean
			client "$tool" unload -a --ignore-missing
			nothing_pinned
		done
		nothing_left "$empty_network"
	done
}

# bats test_tags=slow
@test "drop-spoofed-packets: 100 loads and unloads leave nothing (10 where emulated)" {
	local round
	for ((round = $(scaled 100 10); round > 0; round--)); do
		client "$tool" load -i veth0 >/dev/null
		client "$tool" unload -i veth0 >/dev/null
	done
	nothing_left "$empty_network"
}

# --- another version of the same tool ---

# bats test_tags=slow
@test "drop-spoofed-packets: --replace takes over from another version, without an unguarded moment" {
	local how round
	build_variant 's/ip.ihl < 5/ip.ihl < 4/' # an older version, say
	for how in "${ways[@]}"; do
		$how client "$variant" load -i veth0
		run --separate-stderr $how client "$tool" load -i veth0
		assert_failure 3
		[[ $stderr =~ 'another version'.*--replace ]]

		pings # so that it needn't ask for the server in the other's name, which would be all that is sent
		start client env --default-signal=INT ping -q -f -I 10.0.0.7 10.0.0.1 >"$BATS_TEST_TMPDIR/out" 2>&1
		for ((round = $(scaled 5 2); round > 0; round--)); do
			$how client "$tool" load -i veth0 --replace
			$how client "$variant" load -i veth0 --replace
		done
		wait_for eval '[[ $(packets forged_ipv4) -ge 10 ]]' # it has gone on
		kill -INT $!
		wait $! || true
		run cat "$BATS_TEST_TMPDIR/out"
		assert_output --partial ' 0 received'
		run $how client "$tool" load -i veth0 --replace
		assert_output --partial 'veth0: program replaced, allowing'
		run $how client "$tool" load -i veth0 --replace
		assert_output --regexp 'veth0: (nothing to do|sources changed), allowing'
		guards
		client "$tool" unload -i veth0
		nothing_left "$empty_network"
	done
}

# bats test_tags=slow
@test "drop-spoofed-packets: a replacing that was killed halfway is finished by the next command" {
	local pins
	client "$tool" load -i veth0
	pins=$(status_of pins)
	# As if it had been killed before the link was updated: pins beside the right ones.
	mkdir "$pins+new"
	ln -s guard_ethernet "$pins+new/program"
	client "$tool" load -i veth0
	[[ ! -e $pins+new ]]
	guards
	client "$tool" unload -i veth0
	nothing_left "$empty_network"
}

# --- beside others ---

# bats test_tags=slow
@test "drop-spoofed-packets: programs and filters of others behind it see what is allowed, and stay" {
	local how before filters seen
	load_other
	client tc qdisc add dev veth0 clsact
	client tc filter add dev veth0 egress bpf da pinned /sys/fs/bpf/other
	before=$(everything_settled)
	filters=$(client tc filter show dev veth0 egress)
	for how in "${ways[@]}"; do
		$how client "$tool" load -i veth0
		seen=$(seen_by_other)
		pings
		[[ $(seen_by_other) -gt $seen ]]
		is_dropped 10.0.0.7
		client "$tool" unload -i veth0
		assert_equal "$(client tc filter show dev veth0 egress)" "$filters"
		nothing_changed "$before"
	done
	rm -r /sys/fs/bpf/other /sys/fs/bpf/other_maps
}

@test "drop-spoofed-packets: without tcx it is a filter of clsact, made and removed as needed" {
	run old_kernel client "$tool" load -i veth0
	assert_success
	assert_output --partial 'veth0: attached at clsact egress, allowing 10.0.0.2, fd00::2'
	assert_equal "$(status_of mode)" clsact
	guards
	run old_kernel client "$tool" load -i veth0
	assert_success
	client "$tool" unload -i veth0
	nothing_left "$empty_network"

	# The qdisc is kept where somebody else has come to use it.
	old_kernel client "$tool" load -i veth0
	load_other
	client tc filter add dev veth0 ingress bpf da pinned /sys/fs/bpf/other
	client "$tool" unload -i veth0
	run client tc qdisc show dev veth0
	assert_output --partial clsact
	client tc filter show dev veth0 ingress | grep -q other
}

@test "drop-spoofed-packets: a qdisc ingress where clsact is needed is exit 3, and stays as it is" {
	local before
	client tc qdisc add dev veth0 ingress
	before=$(everything_settled)
	run --separate-stderr old_kernel client "$tool" load -i veth0
	assert_failure 3
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'qdisc `ingress`'.*'attached to nothing' ]]
	nothing_changed "$before"
	[[ $hook == tcx ]] || return 0
	client "$tool" load -i veth0 # which needs no qdisc
	guards
	client "$tool" unload -i veth0
	nothing_changed "$before"
}

@test "drop-spoofed-packets: a filter that could pass packets before it is exit 3, others are behind it" {
	local before
	load_other
	client tc qdisc add dev veth0 clsact
	client tc filter add dev veth0 egress pref 1 bpf da pinned /sys/fs/bpf/other
	before=$(everything_settled)
	run --separate-stderr old_kernel client "$tool" load -i veth0
	assert_failure 3
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'in the first place' ]]
	nothing_changed "$before"
	client tc filter delete dev veth0 egress
	client tc filter add dev veth0 egress pref 2 bpf da pinned /sys/fs/bpf/other
	old_kernel client "$tool" load -i veth0
	guards
}

@test "drop-spoofed-packets: a filter that somebody has removed is no guard: status says so, load repairs it" {
	old_kernel client "$tool" load -i veth0
	client tc filter delete dev veth0 egress
	run --separate-stderr client "$tool" status -j
	assert_equal "$(member state <<<"$output")" partial
	[[ $stderr =~ 'nothing is attached to veth0' ]]
	run client "$tool" stats
	assert_success
	old_kernel client "$tool" load -i veth0
	guards
	client tc qdisc delete dev veth0 clsact
	run client "$tool" clean
	assert_output --partial 'nothing was attached any more'
	nothing_left "$empty_network"

	# And one that has taken its number is not ours to remove.
	old_kernel client "$tool" load -i veth0
	load_other
	client tc filter replace dev veth0 egress pref 49152 handle 1 bpf da pinned /sys/fs/bpf/other
	assert_equal "$(client "$tool" status -j 2>/dev/null | member state)" partial
	client "$tool" unload -a
	client tc filter show dev veth0 egress | grep -q other
}

# bats test_tags=slow
@test "drop-spoofed-packets: unload -a finds filters in other network namespaces" {
	old_kernel client "$tool" load -i veth0
	assert_equal "$(server "$tool" status -j 2>/dev/null | member state)" elsewhere
	run server "$tool" unload -i all
	assert_failure 4
	run server "$tool" unload -a
	assert_success
	assert_output --regexp 'veth0 \(in another network namespace, .*\): detached'
	nothing_left "$empty_network"

	ip netns add gone
	ip -netns gone link set lo up
	old_kernel nsenter --net=/run/netns/gone "$tool" load -i lo
	ip netns delete gone
	run server "$tool" clean
	assert_success
	nothing_left "$empty_network"
}

@test "drop-spoofed-packets: the object guards when tc loads it, and fill gives it what it needs" {
	client tc qdisc add dev veth0 clsact
	run --separate-stderr client "$tool" fill -i veth0
	assert_failure 4
	[[ $stderr =~ 'attach it first'.*'tc filter add dev veth0 egress' ]]
	client tc filter add dev veth0 egress bpf da obj "$object" sec tc
	run client ping -q -c 1 -W 1 10.0.0.1 # it knows no source yet
	assert_failure
	run client "$tool" fill -i veth0
	assert_success
	assert_output --partial 'veth0: filled, allowing 10.0.0.2, fd00::2'
	guards
	client "$tool" fill -i veth0 --allow 10.0.0.7
	pings 10.0.0.7
	run client "$tool" fill -i all # of which lo has no such program
	assert_failure 4
	client tc qdisc delete dev veth0 clsact
	nothing_left "$empty_network"
}

# --- interfaces of other kinds, and things that disappear ---

@test "drop-spoofed-packets: an interface without Ethernet headers is guarded by the IP headers alone" {
	[[ -e /dev/net/tun ]] || modprobe -q tun || true # where nobody has made the device that would bring the module
	[[ -e /dev/net/tun ]] || skip "no /dev/net/tun"
	client python3 - "$tool" >"$BATS_TEST_TMPDIR/out" <<-'EOF'
	import fcntl, os, select, socket, struct, subprocess, sys
	tun = os.open("/dev/net/tun", os.O_RDWR)
	fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH14x", b"tun0", 0x1001)) # TUNSETIFF, IFF_TUN | IFF_NO_PI
	for command in ("address add 10.9.0.1/24 dev tun0", "link set tun0 up"):
	    subprocess.run(["ip", *command.split()], check=True)
	subprocess.run([sys.argv[1], "load", "-i", "tun0"], check=True)
	raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	for source in ("10.9.0.1", "10.9.0.2"):
	    header = bytes.fromhex("4500001c0000000040fd0000") + socket.inet_aton(source) + socket.inet_aton("10.9.0.9")
	    try:
	        raw.sendto(header + b"marker!!", ("10.9.0.9", 0))
	    except OSError as error:
	        print("refused:", source, error.strerror)
	while select.select([tun], [], [], 0.5)[0]:
	    packet = os.read(tun, 2000)
	    if packet.endswith(b"marker!!"):
	        print("arrived:", socket.inet_ntoa(packet[12:16]))
	subprocess.run([sys.argv[1], "unload", "-i", "tun0"], check=True)
	EOF
	run cat "$BATS_TEST_TMPDIR/out"
	assert_line --partial "tun0: attached at $hook egress, allowing 10.9.0.1"
	assert_line "arrived: 10.9.0.1"
	refute_line "arrived: 10.9.0.2"
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: an interface that vanishes between two steps leaves nothing half attached" {
	local status=0
	client ip link add veth1 type veth peer name veth2
	client ip address add 10.0.1.1/24 dev veth1
	# Held up in the system call that attaches to veth1, after veth0 has been.
	start client strace -qq -o /dev/null -e inject=bpf:delay_enter="$(scaled 20000 200000)" -e trace=bpf \
		"$tool" load -i veth0 -i veth1 \
		>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	wait_for grep -q 'veth0: attached' "$BATS_TEST_TMPDIR/out"
	client ip link delete veth1
	wait $! || status=$?
	assert_equal "$status" 2
	run cat "$BATS_TEST_TMPDIR/err"
	assert_line --partial 'attach to veth1 at tc egress: No such device'
	assert_line --partial 'veth0 is detached again'
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: an interface that has gone is said to be gone, its rows in shared maps go with it" {
	local how
	for how in "unload -i veth1" clean "load -i veth0"; do
		client "$tool" load -i veth0
		client ip link add veth1 type veth peer name veth2
		client "$tool" load -i veth1
		client ip link delete veth1
		run --separate-stderr client "$tool" status -j
		[[ $stderr =~ 'veth1 is gone' ]]
		# shellcheck disable=SC2086 # the words of a command
		client "$tool" $how
		assert_equal "$(rows_of_counts)" 1
		client "$tool" unload -a
		nothing_left "$empty_network"
	done
}

@test "drop-spoofed-packets: an interface that moves takes its guard along, and lends its maps to nobody there" {
	client ip link add veth1 index 77 type veth peer name veth2
	client "$tool" load -i veth0 -i veth1
	[[ $(status_of mode veth1) == tcx ]] || skip "the guard is a filter of clsact here, which stays behind: see the next test"
	client ip link set veth1 netns server
	server ip link add veth3 index 78 type veth peer name veth4
	server ip address add 198.51.100.1/24 dev veth3
	server "$tool" load -i veth3
	[[ $(status_of addresses) == *10.0.0.2* ]]
	assert_equal "$(rows_of_counts)" 2
	run --separate-stderr server "$tool" load -i veth1
	assert_failure 2
	[[ $stderr =~ 'was moved here'.*'unload it first' ]]
	server "$tool" unload -i veth1 -i veth3
	guards
}

@test "drop-spoofed-packets: from an interface that moves the kernel takes a filter of clsact: status says so, load makes a new one" {
	client ip link add veth1 index 77 type veth peer name veth2
	old_kernel client "$tool" load -i veth0 -i veth1
	client ip link set veth1 netns server
	refute [ "$(server tc qdisc show dev veth1 clsact)" ]
	run --separate-stderr client "$tool" status
	assert_success
	[[ $stderr =~ 'veth1 is gone; `clean` removes what is left' ]]
	run old_kernel server "$tool" load -i veth1 --allow 198.51.100.1
	assert_success
	assert_output --partial 'veth1: attached at clsact egress, allowing 198.51.100.1'
	run client "$tool" clean
	assert_output --partial 'veth1 is gone'
	guards
	client "$tool" unload -i veth0
	server "$tool" unload -i veth1
	server ip link delete veth1
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: a run that fails for one interface leaves the others to load" {
	client "$tool" load -i veth0
	client tc qdisc add dev lo ingress
	run old_kernel client "$tool" run -i veth0 -i lo
	assert_failure 3
	assert_equal "$(status_of runner)" none
	run client "$tool" clean
	assert_output "nothing to clean"
	guards
}

# --- words, options, rights, failures ---

# bats test_tags=host
@test "drop-spoofed-packets: bad input gives one line and exit 1, and attaches nothing" {
	local arguments
	for arguments in "" load "load -i" "load -i nope" "load -i veth0 -i veth0" "load -i veth0 -i all" \
		"load -i all -i veth0" "load -i veth0 -A" "load -i veth0 --allow 10.0.0.0/33" \
		"load -i veth0 --allow 10.0.0.1/24" "load -i veth0 --allow 10.0.0/24" \
		"load -i veth0 --allow fd00::/129" "load -i veth0 --allow fd00::1/64" \
		"load -i veth0 --allow 10.0.0.0/" "load -i veth0 --allow 10.0.0.0/-1" \
		"load -i veth0 --allow 10.0.0.0/8x" "load -i veth0 --allow /8" "load -i veth0 --allow fd00::/x" \
		"load -i veth0 --allow 10.0.0.1 --allow x" "load -i veth0 --direction up" \
		"load -i veth0 --direction ingress" "load -i veth0 more" "run -i veth0 -i veth0" "run -i nope" \
		"fill" "fill -i nope" "events -i nope" "events more" "unload -i veth0 -a" "status --allow 10.0.0.1" \
		"stats -i nope" "unload -i nope"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr client "$tool" $arguments
		[[ $status == 1 && ${#stderr_lines[@]} == 1 && -z $output ]] ||
			fail "'$arguments': exit $status: $stderr $output"
	done
	run --separate-stderr client "$tool" load -i veth0 --allow ''
	assert_failure 1
	run --separate-stderr client "$tool" load -i veth0 --allow 10.0.0.0/33
	assert_equal "$stderr" "drop-spoofed-packets: bad prefix '10.0.0.0/33': the length of an IPv4 prefix is 0 to 32 (see \`drop-spoofed-packets help\`)"
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: where nothing is loaded every command says so, exit 4" {
	local command
	for command in "unload -i veth0" "unload -a" status stats events "events -i veth0" "status -i veth0 -i lo"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr client "$tool" $command
		[[ $status == 4 && ${#stderr_lines[@]} == 1 && -z $output ]] || fail "'$command': exit $status: $stderr $output"
	done
}

# bats test_tags=slow
@test "drop-spoofed-packets: a second reader of the same events is refused" {
	client "$tool" load -i veth0 -i lo
	pings # from its own address, so that it needn't ask for the server's in the other's name
	start client "$tool" events >"$BATS_TEST_TMPDIR/out"
	is_dropped 10.0.0.7
	wait_for grep -q 'veth0: forged_ipv4: 10.0.0.7 to 10.0.0.1, ICMP' "$BATS_TEST_TMPDIR/out"
	run --separate-stderr client timeout 5 "$tool" events -i lo
	assert_failure 2
	[[ $stderr =~ 'another `drop-spoofed-packets events`' ]]
	kill $!
	wait $!
	client timeout --preserve-status -s INT 1 "$tool" events -i lo # the first one's end has made room
}

# bats test_tags=slow
@test "drop-spoofed-packets: a system call that fails is told with exit 2, and takes no guard away" {
	local command call
	client "$tool" load -i veth0
	fail_call() { client strace -f -qq -o /dev/null -e "inject=$1:error=ENOMEM:when=$2" "$tool" "${@:3}"; }
	for command in clean "status -i veth0" "stats -i veth0" "load -i veth0 --allow 10.0.0.8"; do
		for call in $(scaled "1 2 3 4 5 6 7 8 9" "1 5"); do
			# shellcheck disable=SC2086 # the words of a command
			run --separate-stderr fail_call bpf $call $command
			[[ $status == 0 || $status == 2 ]] || fail "$command, call $call: exit $status: $stderr"
			[[ $status == 0 || -n $stderr ]] || fail "$command, call $call: silent"
			[[ $command != load* ]] || is_dropped 10.0.0.7
		done
		is_dropped 10.0.0.7 # of these commands only load could have put back what was taken away
	done
	for ((call = 1; call <= 60; call += $(scaled 1 6))); do
		client "$tool" unload -a --ignore-missing
		run --separate-stderr fail_call bpf $call load -i veth0
		[[ $status == 0 || $status == 2 ]] || fail "load, call $call: exit $status: $stderr"
		[[ $status == 0 ]] || nothing_pinned
	done
	for call in $(scaled "1 2 3 4 5 6" "2 4"); do
		client "$tool" unload -a --ignore-missing
		run --separate-stderr fail_call sendto $call load -i veth0
		[[ $status == 0 || $status == 2 ]] || fail "load, sendto $call: exit $status: $stderr"
		[[ $status == 0 ]] || nothing_pinned
		run --separate-stderr old_kernel fail_call sendto $call load -i veth0
		[[ $status == 0 || $status == 2 ]] || fail "load, sendto $call: exit $status: $stderr"
		[[ $status == 0 ]] || nothing_pinned
	done
	client "$tool" unload -a --ignore-missing
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "drop-spoofed-packets: load and unload work with three capabilities, and without them name what is missing" {
	local mine=$BATS_TEST_TMPDIR/drop-spoofed-packets
	chmod 755 "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "${BATS_TEST_TMPDIR%/*/*}" "$BATS_RUN_TMPDIR"
	cp "$tool" "$mine"
	as_nobody() { client setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	run --separate-stderr as_nobody "$mine" load -i veth0
	assert_failure 2
	[[ $stderr =~ 'missing cap_bpf,cap_net_admin,cap_perfmon' ]]
	setcap cap_bpf,cap_net_admin,cap_perfmon+ep "$mine"
	run as_nobody "$mine" load -i veth0
	assert_success
	guards
	run as_nobody "$mine" load -i veth0 --allow 10.0.0.7
	assert_success
	pings 10.0.0.7
	run as_nobody "$mine" unload -i veth0
	assert_success
}

# bats test_tags=slow
@test "drop-spoofed-packets: a dry run goes through the verifier and attaches nothing" {
	run client "$tool" load -i veth0 -i lo -n
	assert_success
	assert_line --partial 'veth0: would attach, allowing 10.0.0.2'
	nothing_left "$empty_network"
}
