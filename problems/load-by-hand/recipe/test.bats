#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe on real packets. `make test` runs this on host "server" of two (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.

load lib/network.bash

dir=/sys/fs/bpf/by-hand

setup() {
	tool=(./load-by-hand)
	[[ ! -e object.c ]] || tool+=(load) # the whole one, which needs no folder hookpoint/ either
}

teardown() {
	ip link set dev veth0 xdp off
	rm -rf $dir $dir-again /sys/fs/bpf/totals
}

pins() { find /sys/fs/bpf -mindepth 1 ! -name '*.debug'; }
id() { bpftool "$1" show pinned "$2" | sed -n '1s/:.*//p'; }
is_gone() { ! bpftool "$1" show id "$2"; }

# packets PIN KEY...: the first eight bytes of an entry, as a number; of all CPUs, if each has its own.
packets() {
	bpftool --json map lookup pinned "$1" key hex "${@:2}" | python3 -c '
import json, sys
entry = json.load(sys.stdin)
values = [cpu["value"] for cpu in entry.get("values", [entry])]
print(sum(int.from_bytes((int(byte, 16) for byte in value[:8]), "little") for value in values))'
}

@test "load-by-hand: what it has loaded counts packets, with its maps, its constants and its variables" {
	run "${tool[@]}" counts.bpf.o $dir
	[[ $status == 0 && $output == *"map totals: id "*", shared"*"program count_frames: id "*"section xdp"* ]]
	[[ $(ls $dir) == $'_bss\n_rodata\ncount_frames\nprotocol_counts\nsource_counts' ]]
	ip link set dev veth0 xdp pinned $dir/count_frames
	client ping -q -c 3 -i 0.05 10.0.0.1
	client ping -q -c 2 -i 0.05 -s 1200 10.0.0.1 # larger than the constant limit_bytes
	[[ $(packets $dir/protocol_counts 01 0 0 0) == 3 ]]
	[[ $(packets $dir/source_counts 0a 0 0 02) == 3 ]]
	[[ $(packets $dir/_bss 0 0 0 0) == 2 ]]
	(($(packets /sys/fs/bpf/totals 0 0 0 0) >= 3))
	run bpftool map update pinned $dir/_rodata key 0 0 0 0 value 0 0 0 0
	[[ $status != 0 ]] # it is frozen
}

@test "load-by-hand: nothing is attached, a directory that exists is left alone, and shared maps are shared" {
	local before totals program
	"${tool[@]}" counts.bpf.o $dir
	[[ $(ip link show dev veth0) != *xdp* ]]
	before=$(pins | sort) totals=$(id map /sys/fs/bpf/totals) program=$(id prog $dir/count_frames)
	run "${tool[@]}" counts.bpf.o $dir
	[[ ($status == 2 || $status == 3) && ${#lines[@]} == 1 && $output == *exists* ]]
	[[ $(pins | sort) == "$before" && $(id prog $dir/count_frames) == "$program" ]]

	"${tool[@]}" counts.bpf.o $dir-again
	[[ $(id map /sys/fs/bpf/totals) == "$totals" && ! -e $dir-again/totals ]]
	[[ $(id map $dir-again/source_counts) != "$(id map $dir/source_counts)" ]]
}

@test "load-by-hand: what is no object, or no program for the verifier, leaves nothing" {
	run "${tool[@]}" /dev/null $dir
	[[ $status == 1 && ! $(pins) ]]
	run "${tool[@]}" counts.bpf.o "$BATS_TEST_TMPDIR/new" # not in the BPF file system
	[[ $status == 1 && ! -e $BATS_TEST_TMPDIR/new && ! $(pins) ]]

	sed 's/if ((void \*)(ip + 1) > end || /if (/' counts.bpf.c >"$BATS_TEST_TMPDIR/blind.bpf.c"
	[[ $(diff counts.bpf.c "$BATS_TEST_TMPDIR/blind.bpf.c") ]]
	"${CLANG:-clang}" -target bpf -O2 -g -idirafter "/usr/include/$(cc -print-multiarch)" \
		-c "$BATS_TEST_TMPDIR/blind.bpf.c" -o "$BATS_TEST_TMPDIR/blind.bpf.o"
	run "${tool[@]}" "$BATS_TEST_TMPDIR/blind.bpf.o" $dir
	[[ $status == 2 && $output == *"invalid access to packet"* && ! $(pins) ]]
}

@test "load-by-hand: rm -r lets go of the program and its maps" {
	local pin id program maps
	"${tool[@]}" counts.bpf.o $dir
	program=$(id prog $dir/count_frames)
	for pin in $dir/*_counts $dir/_* /sys/fs/bpf/totals; do maps+=" $(id map "$pin")"; done
	[[ $(wc -w <<<"$maps") == 5 ]]
	rm -r $dir /sys/fs/bpf/totals
	wait_for is_gone prog "$program" # the kernel frees it a moment later
	for id in $maps; do wait_for is_gone map "$id"; done
}
