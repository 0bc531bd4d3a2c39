#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/hookpoint-status, and hp_recover() behind it: whatever was pinned is found again.

load helpers

block=$root/problems/block-tcp-8080/block-tcp-8080
drop=$root/problems/drop-spoofed-packets/drop-spoofed-packets
bypass=$root/problems/localhost-bypass/localhost-bypass
snoop=$root/problems/snoop-exec/snoop-exec
hookpoint_status=$root/scripts/hookpoint-status

setup() {
	start_network
	enter_cgroup
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	leave_cgroup
	stop_network
}

# found EXPRESSION: is it so, of the list `a` of what is found on host server?
found() {
	server "$hookpoint_status" -j | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert d["schema"] == 1
a = d["attachments"]
assert eval(sys.argv[1]), json.dumps(a, indent=2)' "$1"
}

@test "hookpoint-status: nothing pinned is exit status 4" {
	run "$hookpoint_status"
	assert_failure 4
	assert_output "hookpoint-status: nothing is pinned in /sys/fs/bpf/hookpoint"
	run --separate-stderr "$hookpoint_status" -j
	assert_failure 4
	assert_equal "$(member attachments <<<"$output")" "[]"
}

@test "hookpoint-status: lists all tools, with the numbers that bpftool knows" {
	local kind
	server "$block" load -i veth0
	server "$drop" load -i veth0
	"$bypass" load -g "$own"
	run server "$hookpoint_status"
	assert_success
	assert_line "block-tcp-8080, veth0: attached (native)"
	assert_line --regexp '^drop-spoofed-packets, veth0: attached \((tcx|clsact)\)$'
	assert_line "localhost-bypass, $own: attached (cgroup)"
	server "$hookpoint_status" -j >found.json
	for kind in prog map link; do
		bpftool -j "$kind" list >"$kind.json" 2>/dev/null
	done
	python3 - <<-'PYTHON'
	import json
	found = json.load(open("found.json"))["attachments"]
	for kind, key in ("prog", "programs"), ("map", "maps"), ("link", "links"):
	    known = {one["id"]: one["type"] for one in json.load(open(kind + ".json"))}
	    of_ours = [one for a in found for one in a[key]]
	    assert of_ours, key
	    for one in of_ours:
	        # This bpftool may be older than a type.
	        assert one["id"] in known and one["type"] != "unknown", one
	        assert known[one["id"]] in (one["type"], "unknown") or isinstance(known[one["id"]], int), one
	PYTHON
}

@test "hookpoint-status: what is in another network namespace is elsewhere" {
	client "$block" load -i veth0
	run server "$hookpoint_status"
	assert_success
	assert_line --regexp '^block-tcp-8080, veth0: elsewhere \(in network namespace net:\[[0-9]+\]\)$'
}

@test "hookpoint-status: what crashes have left is told apart, and clean removes it" {
	local run
	server "$block" load -i veth0
	ip -netns server link add veth1 type veth peer name veth2
	server "$block" load -i veth1
	ip -netns server link delete veth1
	start server "$drop" run -i veth0 >/dev/null
	run=$!
	wait_for found 'any(one["runner"] == "alive" for one in a)'
	kill -9 $run
	wait $run || true
	run server "$hookpoint_status"
	assert_success
	assert_line "block-tcp-8080, veth0: attached (native)"
	assert_line "block-tcp-8080, veth1: stale; \`block-tcp-8080 clean\` removes what is left"
	assert_line --regexp '^drop-spoofed-packets, veth0: attached \(.*; its `run` was killed, `drop-spoofed-packets clean` detaches it$'
	server "$block" clean
	server "$drop" clean
	found 'len(a) == 1 and a[0]["place"] == "veth0" and a[0]["tool"] == "block-tcp-8080"'
}

@test "hookpoint-status: a loader that was killed before it attached is partial" {
	server "$block" load -i veth0
	rm /sys/fs/bpf/hookpoint/block-tcp-8080/*/link
	run server "$hookpoint_status"
	assert_line "block-tcp-8080, veth0: partial; \`block-tcp-8080 clean\` removes what is left"
	found 'a[0]["state"] == "partial" and a[0]["links"] == [] and len(a[0]["maps"]) == 3'
}

@test "hookpoint-status: a link that was detached, as by an unload that was killed, is partial: its place is not gone" {
	local link
	server "$block" load -i veth0
	ip -netns server link add veth1 type veth peer name veth2
	server "$block" load -i veth1
	"$bypass" load -g "$own"
	for link in /sys/fs/bpf/hookpoint/*/*/link; do bpftool link detach pinned "$link"; done
	ip -netns server link delete veth1
	run server "$hookpoint_status"
	assert_line "block-tcp-8080, veth0: partial; \`block-tcp-8080 clean\` removes what is left"
	assert_line "block-tcp-8080, veth1: stale; \`block-tcp-8080 clean\` removes what is left"
	assert_line "localhost-bypass, $own: partial; \`localhost-bypass clean\` removes what is left"
	run server "$block" clean
	assert_line "veth0: nothing was attached any more; what was left is removed"
	assert_line "veth1 is gone: its pins are removed"
	run "$bypass" clean
	assert_output "$own: nothing was attached any more; what was left is removed"
}

@test "hookpoint-status: a tracer that runs is found, one that was killed is stale" {
	local run
	start server "$snoop" run >/dev/null
	run=$!
	wait_for found 'a[0]["tool"] == "snoop-exec" and a[0]["mode"] == "tracepoint" and a[0]["place"].startswith("process ")'
	kill -9 $run
	wait $run || true
	found 'a[0]["state"] == "stale" and a[0]["runner"] == "dead" and a[0]["links"] == []'
	"$snoop" clean
	run "$hookpoint_status"
	assert_failure 4
}

@test "hookpoint-status: no BPF file system, no rights, and bad usage are said in one line" {
	run without_bpffs "$hookpoint_status"
	assert_failure 4
	assert_output --partial "no BPF file system"
	server "$block" load -i veth0
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$hookpoint_status"
	assert_failure 2
	assert_output --partial "missing cap_bpf"
	run "$hookpoint_status" --all
	assert_failure 1
	assert_output "hookpoint-status: unknown option --all; see scripts/hookpoint-status --help"
	run "$hookpoint_status" -xj
	assert_failure 1
	assert_output "hookpoint-status: unknown option -xj; see scripts/hookpoint-status --help"
	run "$hookpoint_status" -j everything
	assert_failure 1
	assert_output "hookpoint-status: too many arguments: 'everything'"
	run sh -c '"$0" --help >/dev/full' "$hookpoint_status"
	assert_failure 2
}

@test "hookpoint-status: one that can't be read, or has a strange name, hides none of the others" {
	local strange=$own/$'c\xff'
	server "$block" load -i veth0
	mkdir "$strange"
	"$bypass" load -g "$strange"
	server "$drop" load -i veth0
	rm /sys/fs/bpf/hookpoint/drop-spoofed-packets/*/program
	run server "$hookpoint_status"
	assert_success
	assert_line "block-tcp-8080, veth0: attached (native)"
	assert_line "localhost-bypass, $own/c?: attached (cgroup)"
	assert_line --regexp "^drop-spoofed-packets, veth0: unreadable: what is pinned in /sys/fs/bpf/hookpoint/drop-.* is another user's"
	found 'len(a) == 3'
	run server "$drop" status # which could say nothing true without it
	assert_failure 2
	"$bypass" unload -g "$strange"
	rmdir "$strange"
}

@test "hookpoint-status: what others have put between our pins is neither listed nor removed, and hides nothing" {
	local pins=/sys/fs/bpf/hookpoint before
	server "$block" load -i veth0
	mkdir -p $pins/another/mine/deep $pins/block-tcp-8080/mine/deep $pins/$'x\xff/1-2' $pins/block-tcp-8080/$'y\xff'
	ln -s nowhere $pins/block-tcp-8080/note
	bpftool map create $pins/made type array key 4 value 4 entries 1 name made
	bpftool map create $pins/block-tcp-8080/made type array key 4 value 4 entries 1 name made
	bpftool map create $pins/block-tcp-8080/mine/made type array key 4 value 4 entries 1 name made
	before=$(find $pins -not -path '*/block-tcp-8080/[0-9]*')
	found 'len(a) == 1 and a[0]["tool"] == "block-tcp-8080" and a[0]["state"] == "attached"'
	run server "$block" clean
	assert_success
	assert_output "nothing to clean"
	server "$block" load -i veth0 -p 22
	run server "$block" unload -a
	assert_success
	assert_output "veth0: detached"
	run "$hookpoint_status"
	assert_failure 4
	assert_equal "$(find $pins)" "$before"
}

@test "hookpoint-status: another user's tool is left out, and said to be" {
	server "$block" load -i veth0
	mkdir -m 700 /sys/fs/bpf/hookpoint/another
	chmod 755 /sys/fs/bpf /sys/fs/bpf/hookpoint
	chown -R nobody /sys/fs/bpf/hookpoint/block-tcp-8080
	run setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+bpf,+net_admin --ambient-caps=+bpf,+net_admin \
		"$root/scripts/lib/status"
	assert_failure 2
	assert_line --partial "block-tcp-8080, veth0: "
	assert_line --partial "cannot read all that is pinned in /sys/fs/bpf/hookpoint: Permission denied"
}

@test "a run whose pins would be another one's leaves them alone, and says so" {
	local first
	# Two PID namespaces in which /proc tells nothing, so that both call themselves by the same number.
	printf 'mount -t tmpfs tmpfs /proc\ntimeout -s INT "$1" %s run -c nothing\n' "$snoop" >inner
	unshare --pid --fork --mount sh inner 4 >/dev/null 3>&- &
	first=$!
	wait_for eval '[[ -e $(echo /sys/fs/bpf/hookpoint/snoop-exec/0-*/program) ]]'
	run unshare --pid --fork --mount sh inner 1
	assert_output --partial "File exists"
	[[ -e $(echo /sys/fs/bpf/hookpoint/snoop-exec/0-*/program) ]]
	wait $first || true
	run "$hookpoint_status"
	assert_failure 4
}
