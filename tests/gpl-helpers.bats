#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# scripts/gpl-helpers against what the kernel's sources say, and have said in all versions from 6.1 to 6.18.

load helpers

setup_file() { "$root/scripts/gpl-helpers" >"$BATS_FILE_TMPDIR/answers"; }

# said LICENCE HELPER...: the answer for each of them is LICENCE.
said() {
	local licence=$1 helper answers
	answers=$(<"$BATS_FILE_TMPDIR/answers")
	for helper in "${@:2}"; do
		grep -Eqx "$helper +$licence" <<<"$answers" || fail "$helper: $(grep "^$helper " <<<"$answers")"
	done
}

@test "gpl-helpers: knows which helpers want the GPL, which don't, and where that depends on the program's type" {
	said GPL bpf_trace_printk bpf_perf_event_output bpf_probe_read_kernel bpf_get_current_task bpf_fib_lookup
	# bpf_ktime_get_ns was for the GPL only until Linux 5.8.
	said any bpf_map_lookup_elem bpf_redirect bpf_ktime_get_ns bpf_ringbuf_output bpf_xdp_adjust_head bpf_tail_call
	said any bpf_bind # only for programs that are loaded for one place, cgroup/connect4 say
	grep -Eq '^bpf_get_stackid +mixed: GPL in .*kprobe' "$BATS_FILE_TMPDIR/answers"
	said GPL 'every kfunc' 'program type struct_ops'
}

@test "gpl-helpers: asks for every helper, in the order and by the names of the headers" {
	local known said both
	known=$(sed -n 's/.*[[:space:]]FN(\([a-z0-9_]*\).*/bpf_\1/p' /usr/include/linux/bpf.h | grep -vx bpf_unspec)
	said=$(cut -d ' ' -f 1 "$BATS_FILE_TMPDIR/answers" | grep ^bpf_)
	both=$(printf '%s\n' "$(wc -l <<<"$known")" "$(wc -l <<<"$said")" | sort -n | head -n 1) # one may be older
	((both >= 209)) # as many as Linux 6.1 has
	diff <(head -n "$both" <<<"$known") <(head -n "$both" <<<"$said")
}

# bats test_tags=slow
@test "gpl-helpers: says the same in JSON, with the types of programs" {
	"$root/scripts/gpl-helpers" -j >"$BATS_TEST_TMPDIR/all.json"
	run json 'd["schema"], d["kernel"], d["kfuncs"], d["program_types"]["xdp"]' <"$BATS_TEST_TMPDIR/all.json"
	assert_output "1 $(uname -r) GPL any"
	run json '[(h["id"], h["licence"], "xdp" in h["gpl_in"], "xdp" in h["any_in"]) for h in d["helpers"] if h["name"] in ("bpf_trace_printk", "bpf_redirect")]' <"$BATS_TEST_TMPDIR/all.json"
	assert_output "[(6, 'GPL', True, False), (23, 'any', False, True)]"
}

@test "gpl-helpers: a user without rights gets one line, and exit 2" {
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups "$root/scripts/gpl-helpers"
	assert_failure 2
	assert_output ""
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr == "gpl-helpers: cannot load a program: "* ]]
}

@test "gpl-helpers: an unknown option and a word too many get one line, and exit 1" {
	run --separate-stderr "$root/scripts/gpl-helpers" --frob
	assert_failure 1
	assert_equal "$output$stderr" "gpl-helpers: unknown option --frob; see scripts/gpl-helpers --help"
	run --separate-stderr "$root/scripts/gpl-helpers" -j frob
	assert_failure 1
	assert_equal "$output$stderr" "gpl-helpers: too many arguments: 'frob'; see scripts/gpl-helpers --help"
}
