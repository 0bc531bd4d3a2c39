#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# What eBPF libraries offer, and what shows that this one does, row by row. Only what no other test can show is tried
# in here. Each line "# FILE: TEST" names a test of that file, and a test below looks whether there is such a one.
#
# Load a program given as bytes, of any program type that the kernel has, named by its usual name
#   tests/unit/test-programs.c: names_are_types_or_sections
#   tests/unit/test-programs.c: every_type_of_the_kernel_loads_by_its_name
# ... options sleepable, licence; name and attach type besides
#   tests/unit/test-sections.c: sleepable_is_an_option
#   tests/unit/test-programs.c: the_licence_opens_helpers_and_none_is_assumed
#   tests/unit/test-programs.c: the_name_and_the_attach_type_reach_the_kernel
# ... log level and buffer size; the log on failure and, if asked, on success; a buffer that is too small is grown
#   tests/unit/test-programs.c: a_refusal_comes_with_the_log
#   tests/unit/test-programs.c: a_success_has_the_log_that_was_asked_for
#   tests/unit/test-programs.c: a_buffer_that_is_too_small_grows
#   tests/unit/test-programs.c: without_memory_for_the_log_the_program_still_loads
#
# Attach to a socket, an interface (XDP), tc, a kprobe and kretprobe, a tracepoint and raw tracepoint, a uprobe, a
# cgroup, a sockmap; detach each; a descriptor for each; close in any order: each hook is a test there, by its title
#   tests/unit/test-hooks.c: closes_in_any_order
#   tests/unit/test-hooks.c: hook socket
#   tests/unit/test-hooks.c: hook XDP
#   tests/unit/test-hooks.c: hook tc, by tcx
#   tests/unit/test-hooks.c: hook tc, by a filter of clsact
#   tests/unit/test-hooks.c: hook kprobe
#   tests/unit/test-hooks.c: hook kretprobe
#   tests/unit/test-hooks.c: hook tracepoint
#   tests/unit/test-hooks.c: hook raw tracepoint
#   tests/unit/test-hooks.c: hook uprobe
#   tests/unit/test-hooks.c: hook cgroup
#   tests/unit/test-hooks.c: hook sockmap
#   tests/unit/test-probes.c: what_cannot_be_attached_has_its_errno
#   tests/unit/test-probes.c: a_uprobe_by_offset_and_process
#   tests/unit/test-probes.c: a_pin_keeps_it_attached
#   tests/unit/test-probes.c: works_where_tracefs_is_not_mounted
#   tests/unit/test-probes.c: works_where_perf_events_have_no_links
#
# Test run with data in, data out (never past the buffer), return value, duration, repeat, and a context
#   tests/unit/test-kernel.c: test_run_gives_the_verdict_and_the_packet
#   tests/unit/test-kernel.c: test_run_never_writes_past_the_buffer
#   tests/unit/test-contexts.c: a_packet_comes_and_goes_with_its_context
#   tests/unit/test-contexts.c: a_context_is_never_written_past_its_buffer
#   tests/unit/test-contexts.c: xdp_metadata_are_part_of_the_packet
#   tests/unit/test-contexts.c: a_context_alone
#   tests/unit/test-contexts.c: repeats_and_measures
#
# The smallest program of all, on a socket and on a loopback
#   problems/count-ttl/test.bats: two instructions on a socket, or on the loopback, drop everything
#
# Generate, assemble, disassemble
#   tests/unit/test-insn.c: test_labels
#   tests/unit/test-insn.c: test_bad_jumps
#   tests/disasm.bats: a million random instructions read as llvm-objdump reads them, and come back as the same bytes
#   tests/disasm.bats: each program of the project that this kernel takes reads as bpftool reads it
#
# Maps; create-only, update-only and any-way writes; entries written, deleted and refreshed in bulk; map in map
#   tests/unit/test-maps.c: makes_every_type_that_the_kernel_has
#   tests/unit/test-maps.c: put_insert_and_update_differ_in_what_must_be_there
#   tests/unit/test-map-walks.c: sees_each_entry_once
#   tests/unit/test-map-replace.c: afterwards_it_holds_what_was_given
#   tests/unit/test-map-replace.c: what_stays_is_never_missing
#   tests/unit/test-map-find.c: finds_by_id_and_pin
#   tests/unit/test-map-find.c: maps_in_a_map
#
# An object file loaded with its programs and maps pinned under a path of the caller's choice, legacy maps included
#   problems/load-by-hand/test.bats: maps that BTF defines count what arrives
#   problems/load-by-hand/test.bats: old definitions of maps count too
#
# Everything recovered after a restart
#   tests/hookpoint-status.bats: lists all tools
#   tests/hookpoint-status.bats: what crashes have left is told apart, and clean removes it
#
# Ring buffer; perf buffer
#   problems/snoop-exec/test.bats: of 10,000 execs in a storm each is reported, or counted as lost
#   problems/snoop-exec/test.bats: the same storm through a perf buffer
#
# Run without root: which capabilities suffice for each tool
#   tests/capabilities.bats: every tool and every row of the capabilities' table is tried

load helpers

# named: the lines of the table above, as "FILE: TEST".
named() { sed -n '/^load /q; s/^#   \([^ ]*: .*\)/\1/p' "$BATS_TEST_FILENAME"; }

@test "toolbox: each row names tests that there are" {
	local file test
	(($(named | wc -l) > 25)) || fail "the table can't be read"
	while IFS=: read -r file test; do
		case $file:$test in
		*.c:' hook '*) grep -qF "{ .title = \"${test# hook }\"," "$root/$file" ;;
		*.c:*) grep -q "^static void ${test# }(void \*\*state)" "$root/$file" ;;
		*) grep -q "^@test \".*${test# }" "$root/$file" ;;
		esac || fail "$file has no test '${test# }'"
	done < <(named)
}

@test "toolbox: uprobes find their place, too, in a program whose addresses are not its offsets" {
	local test=$BATS_TEST_TMPDIR/test-probes
	cc -std=gnu11 -D_GNU_SOURCE -O2 -no-pie -I "$root/common" -o "$test" "$root/tests/unit/test-probes.c" \
		"$root/common/libhookpoint.a" -lcmocka -lbpf -lelf -lz -ljansson -lmnl
	run readelf -hW "$test"
	assert_line --regexp 'Type: +EXEC'
	run "$test"
	assert_success
}
