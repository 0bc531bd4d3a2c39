#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# What this kernel makes of each problem: how it attaches, and how much work its verifier has. What is printed as
# "# attach" and "# verified" is what scripts/kernel-matrix collects.

load helpers

record=$root/tests/kernels
kernel=$(uname -r | cut -d. -f1,2)

setup() {
	start_network
	enter_cgroup
}

teardown() {
	leave_cgroup
	stop_network
}

# load_one TOOL PLACE [OPTIONS...]: loads it, tells how it was attached, and adds its programs, one line each with
# name and count, to $counts. (Somebody else may load programs at the same time.)
load_one() {
	local tool=$1 last id name count
	"$root/tests/verified" >"$BATS_TEST_TMPDIR/before"
	last=$(awk 'END { print $1 + 0 }' "$BATS_TEST_TMPDIR/before")
	server "$root/problems/$tool/$tool" load "${@:2}"
	"$root/tests/verified" "$last" >"$BATS_TEST_TMPDIR/loaded"
	while read -r id name count; do
		if cat "$root/problems/$tool"/*.bpf.[ch] | grep -q "^int $name"; then counts+="$name $count"$'\n'; fi
	done <"$BATS_TEST_TMPDIR/loaded"
	echo "# attach $tool $(server "$root/problems/$tool/$tool" status -j | json "d['attachments'][0]['mode']")" >&3
	server "$root/problems/$tool/$tool" unload -a
}

# compare TOOL: $counts with the record. It may be a tenth more: that the next release of a kernel may add.
compare() {
	local name count recorded
	# The larger, of a program that was loaded twice.
	sort -k1,1 -k2,2nr <<<"$counts" | awk 'NF && !seen[$1]++' >"$BATS_TEST_TMPDIR/counts"
	[[ -s $BATS_TEST_TMPDIR/counts ]] || fail "no program of $1 is loaded"
	! grep ' 0$' "$BATS_TEST_TMPDIR/counts" || skip "this kernel does not tell how many instructions it has verified"
	sed "s/^/# verified $1 /" "$BATS_TEST_TMPDIR/counts" >&"${told:-3}"
	grep -q "^$kernel " "$record" || skip "no counts of Linux $kernel are recorded in tests/kernels"
	while read -r name count; do
		recorded=$(awk -v key="$kernel verified $1 $name" '$1 " " $2 " " $3 " " $4 == key { print $5 }' "$record")
		[[ $recorded ]] || fail "$name is not in $record; see scripts/kernel-matrix --help"
		((count * 10 <= recorded * 11)) ||
			fail "$name takes the verifier of $kernel $count instructions, recorded are $recorded; see scripts/kernel-matrix --help"
	done <"$BATS_TEST_TMPDIR/counts"
}

@test "block-tcp-8080: attaches, and costs the verifier no more than is recorded" {
	load_one block-tcp-8080 -i veth0
	compare block-tcp-8080
}

@test "drop-spoofed-packets: attaches, and costs the verifier no more than is recorded" {
	load_one drop-spoofed-packets -i veth0
	compare drop-spoofed-packets
}

@test "localhost-bypass: attaches, and costs the verifier no more than is recorded" {
	load_one localhost-bypass -g "$own"
	load_one localhost-bypass -g "$own" --framing length32
	compare localhost-bypass
}

@test "a count that is more than a tenth above its record is a failure, a tenth is none" {
	local told=2 # not to kernel-matrix
	counts="program 110"
	record=$BATS_TEST_TMPDIR/record
	echo "$kernel verified one program 100" >"$record"
	compare one
	counts="program 111"
	run compare one
	assert_failure
	assert_output --partial "program takes the verifier of $kernel 111 instructions, recorded are 100"
	counts="another 1"
	run compare one
	assert_failure
	assert_output --partial "another is not in"
}

@test "every problem is in this file" {
	local dir
	for dir in "$root"/problems/*/; do
		grep -q "load_one $(basename "$dir") " "$BATS_TEST_FILENAME" || fail "add $(basename "$dir") to it"
	done
}
