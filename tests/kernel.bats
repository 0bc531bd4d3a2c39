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

# loaded TOOL COMMAND...: runs COMMAND, after which the programs of TOOL are loaded, and adds them, one line each with
# name and count, to $counts. (Somebody else may load programs at the same time.)
loaded() {
	local tool=$1 last id name count
	"$root/tests/verified" >"$BATS_TEST_TMPDIR/before"
	last=$(awk 'END { print $1 + 0 }' "$BATS_TEST_TMPDIR/before")
	"${@:2}"
	"$root/tests/verified" "$last" >"$BATS_TEST_TMPDIR/loaded"
	while read -r id name count; do
		if cat "$root/problems/$tool"/*.[ch] | grep -qE "(^int |name = \"|BPF_(KPROBE|KRETPROBE|PROG)\()$name"; then
			counts+="$name $count"$'\n'
		fi
	done <"$BATS_TEST_TMPDIR/loaded"
}

mode_of() { server "$root/problems/$1/$1" status -j | member mode; }

# load_one TOOL PLACE [OPTIONS...]: loads it, and tells how it was attached.
load_one() {
	loaded "$1" server "$root/problems/$1/$1" load "${@:2}"
	echo "# attach $1 $(mode_of "$1")" >&3
	server "$root/problems/$1/$1" unload -a
}

# start_run TOOL [OPTIONS...]: in the background, as $process, until it is attached.
start_run() {
	start server "$root/problems/$1/$1" run "${@:2}" >/dev/null
	process=$!
	wait_for mode_of "$1"
}

# run_one TOOL [OPTIONS...]: the same with a tool that is attached as long as it runs.
run_one() {
	run server "$root/problems/$1/$1" run --dry-run "${@:2}"
	local reason=${output#*) } # without the kernel's name
	((status != 5)) || skip "this kernel ${reason%%:*}"
	assert_success
	loaded "$1" start_run "$@"
	echo "# attach $1 $(mode_of "$1")" >&3
	kill -INT $process
	wait $process
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

@test "count-ttl: attaches, and costs the verifier no more than is recorded" {
	run_one count-ttl
	run_one count-ttl --udp 5000
	compare count-ttl
}

@test "load-by-hand: loads, and costs the verifier no more than is recorded" {
	local folder=$root/problems/load-by-hand
	loaded load-by-hand "$folder/load-by-hand" load "$folder/counts.bpf.o" /sys/fs/bpf/counts
	loaded load-by-hand "$folder/load-by-hand" load "$folder/legacy.bpf.o" /sys/fs/bpf/legacy
	echo "# attach load-by-hand pinned" >&3
	compare load-by-hand
}

@test "snoop-exec: attaches, and costs the verifier no more than is recorded" {
	run_one snoop-exec --failed
	compare snoop-exec
}

@test "watch-acks: attaches, and costs the verifier no more than is recorded" {
	run_one watch-acks
	run_one watch-acks --probe kprobe
	compare watch-acks
}

# bats test_tags=host
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

# bats test_tags=host
@test "every problem is in this file" {
	local dir
	for dir in "$root"/problems/*/; do
		grep -qE "(load_one|run_one|loaded) $(basename "$dir")( |\$)" "$BATS_TEST_FILENAME" || fail "add $(basename "$dir") to it"
	done
}
