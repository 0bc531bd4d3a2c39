#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause

load helpers

doctor=$root/scripts/doctor

# What this kernel lacks, which no setup can mend.
lacks_probes() { ! "$root/problems/watch-acks/watch-acks" run --dry-run 2>/dev/null; }

@test "doctor: on a machine that has everything each line is ok, exit 0; without probes, exit 1" {
	run "$doctor"
	if lacks_probes; then
		assert_failure 1
		assert_line --regexp '^  LACK  program: this kernel .*kprobe.*: make vm NAME=watch-acks$'
		assert_equal "$(grep -c LACK <<<"$output")" 1
	else
		assert_success
		refute_output --partial LACK
	fi
	assert_line "block-tcp-8080"
	assert_line "  ok    program type xdp"
	assert_line "  ok    helper xdp_load_bytes"
	assert_line "  ok    the verifier's consent"
}

# bats test_tags=host
@test "doctor: -j says the same as JSON" {
	"$doctor" -j >"$BATS_TEST_TMPDIR/json" || lacks_probes
	assert_equal "$(json "d['schema']" <"$BATS_TEST_TMPDIR/json")" 1
	assert_equal "$(json "len(d['findings'])" <"$BATS_TEST_TMPDIR/json")" "$("$doctor" | grep -c '^ ')"
	assert_equal "$(json "{f['state'] for f in d['findings']} - {'lack'} <= {'ok', 'none'}" \
		<"$BATS_TEST_TMPDIR/json")" True
}

# bats test_tags=host
@test "doctor: no BPF file system is a lack with its remedy, exit 1" {
	run without_bpffs "$doctor"
	assert_failure 1
	assert_line --partial 'LACK  BPF file system: not mounted at /sys/fs/bpf: sudo mount -t bpf bpf'
}

# bats test_tags=host
@test "doctor: an ordinary user is told which capabilities are missing, exit 1" {
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$doctor"
	assert_failure 1
	assert_line "  LACK  cap_net_admin: not held: run it with sudo"
	assert_line "  LACK  program: trying it takes capabilities: run it with sudo"
}

# bats test_tags=host
@test "doctor: a missing tool is named with its package and the command that installs it" {
	printf 'frobnicator cmd:no-such-command build frob-utils = frob frob\n' >"$BATS_TEST_TMPDIR/packages"
	printf 'sh cmd:sh demo,test dash = dash dash\n' >>"$BATS_TEST_TMPDIR/packages"
	HOOKPOINT_PACKAGES=$BATS_TEST_TMPDIR/packages run "$doctor"
	assert_failure 1
	assert_line "  LACK  frobnicator: frob-utils: sudo scripts/setup build demo test"
}

# bats test_tags=host
@test "doctor: what the kernel lacks is named, with the first kernel that has it" {
	# A kernel without the feature can't be had here; an object that calls a helper of the future can.
	cat >"$BATS_TEST_TMPDIR/future.bpf.c" <<-'EOF'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	static long (*of_the_future)(void) = (void *)999;
	SEC("xdp") int future(struct xdp_md *ctx) { return of_the_future(); }
	EOF
	make -s -C "$BATS_TEST_TMPDIR" -f "$root/common/bpf.mk" COMMON="$root/common/" future.bpf.o
	run "$root/scripts/lib/needs" "$BATS_TEST_TMPDIR/future.bpf.o"
	assert_success
	assert_line $'helper 999\tlack\t-'
	assert_line $'program type xdp\tok\t4.8'
	assert_line $'the verifier\'s consent\tlack\t-'
}

# bats test_tags=host
@test "doctor: bad usage gives one line and exit 1" {
	local arguments
	for arguments in -x frob "-j frob"; do
		# shellcheck disable=SC2086 # the words of a command
		run "$doctor" $arguments
		assert_failure 1
		assert_equal "${#lines[@]}" 1
	done
}
