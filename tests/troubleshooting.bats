#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# The messages of the tools, the pages that explain them, and scripts/explain. That what
# docs/troubleshooting.rst shows is so, is for make test-docs.

load helpers

@test "troubleshooting: each error message in the sources is in docs/reference/errors.rst, and scripts/explain finds it" {
	run python3 "$root/tests/messages.py" --compare
	assert_success
}

@test "troubleshooting: a message that is new in C, bash or Python is missed on the page, and one that is gone is stale" {
	copy=$BATS_TEST_TMPDIR/copy
	mkdir -p "$copy"/{common,docs/reference,scripts/lib,problems,tests}
	cp "$root"/common/*.c "$copy/common"
	cp "$root/docs/troubleshooting.rst" "$copy/docs"
	cp "$root/docs/reference/errors.rst" "$copy/docs/reference"
	cp "$root"/scripts/{explain,sandbox} "$copy/scripts"
	cp "$root/tests/messages.py" "$copy/tests"
	sed -i 's/nothing is loaded/all is lost/' "$copy/common/load.c"
	echo 'echo "sandbox: no sand in $1" >&2' >>"$copy/scripts/sandbox"
	cp "$root/scripts/explain" "$copy/scripts/reference"
	sed -i 's/explain: unknown option/explain: an odd option/' "$copy/scripts/reference"
	run python3 "$copy/tests/messages.py" --compare
	assert_failure
	assert_line "common/load.c: not in docs/reference/errors.rst: all is lost"
	assert_line "scripts/sandbox: not in docs/reference/errors.rst: no sand in \$"
	assert_line "scripts/reference: not in docs/reference/errors.rst: an odd option \$; see scripts/\$ --help"
	assert_line "docs/reference/errors.rst: no source says: nothing is loaded"
	assert_line "scripts/explain does not know: tool: all is lost"
}

@test "troubleshooting: scripts/explain finds the lines that it knows in a log, and says each thing once" {
	run --separate-stderr "$root/scripts/explain" <<-'EOF'
	libbpf: prog 'f': -- BEGIN PROG LOAD LOG --
	0: R1=ctx() R10=fp0
	invalid access to packet, off=12 size=1, R1(id=0,off=12,r=0)
	invalid access to packet, off=14 size=1, R1(id=0,off=14,r=0)
	block-tcp-8080: cannot load the program: Permission denied: the verifier's log above ends with the reason
	EOF
	assert_success
	assert_equal "$(grep -c '^[^ ]' <<<"$output")" 2
	assert_equal "$(grep -c 'is read, and of the packet' <<<"$output")" 1
	assert_line '  `invalid access to packet` (docs/troubleshooting.rst)'
	assert_line '  The verifier has refused (docs/reference/errors.rst)'
	assert_equal "$stderr" ''
}

@test "troubleshooting: scripts/explain takes a line as arguments, and one of a tool with its hint" {
	run "$root/scripts/explain" block-tcp-8080: cannot pin in /sys/fs/bpf/x: Operation not permitted: missing cap_bpf: \
		run it with sudo, or once: sudo setcap cap_bpf+ep /x
	assert_success
	assert_line '  Rights (docs/reference/errors.rst)'
	run "$root/scripts/explain" "libbpf: map 'm': failed to create: Invalid argument(-22)"
	assert_success
	assert_line '  `failed to create: ...` (docs/troubleshooting.rst)'
}

@test "troubleshooting: of what it does not know scripts/explain says so: exit 1" {
	run --separate-stderr "$root/scripts/explain" 'all is well'
	assert_failure 1
	assert_equal "$output" ''
	assert_equal "$stderr" 'explain: nothing here is known; docs/troubleshooting.rst says how to go on'
	run "$root/scripts/explain" </dev/null
	assert_failure 1
}

@test "troubleshooting: scripts/explain reads a log that is no UTF-8, too" {
	# shellcheck disable=SC2016 # the inner shell is to expand it
	run env PYTHONIOENCODING=utf-8:strict sh -c 'printf "\377\ninvalid access to packet, off=1\n" | "$0"' "$root/scripts/explain"
	assert_success
	assert_line '  `invalid access to packet` (docs/troubleshooting.rst)'
}

@test "troubleshooting: the help of a tool leads there" {
	run "$root/problems/block-tcp-8080/block-tcp-8080" help
	assert_line "Hookpoint's scripts/explain and docs/troubleshooting.rst say what an error means."
}
