#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# localhost-bypass: what a person types and what comes of it. What applications notice is in
# scenarios.bats, real programs are in programs.bats. `scripts/test localhost-bypass` runs all of them.

load ../../tests/helpers

tool=$root/problems/localhost-bypass/localhost-bypass
variants=$root/tests/bypass/variants # the same tool with its kernel side changed
object=$root/problems/localhost-bypass/localhost-bypass.bpf.o
ours='follow_connections|redirect_to_peer|refuse_options|find_message|forward_message|sockets|connections|directions|members'

setup() {
	start_host
	cgroup=$own/test
	mkdir "$cgroup"
	before=$(everything)
}

teardown() {
	stop_host "$tool"
}

cgroups() { find "$own" -maxdepth 1 -name 'localhost-bypass-*'; }

# within COMMAND...: runs it in the cgroup.
within() { (echo $BASHPID >"$cgroup/cgroup.procs" && exec "$@"); }

# nothing_remains: neither of the tool's nor of its cgroups.
nothing_remains() {
	wait_for eval '[[ -z $(cgroups) ]]'
	nothing_left "$before"
}

# status_of FIELD, stats_of GROUP NAME: of the first attachment. (Without Python, which takes most of a second to
# start where emulated.)
status_of() { "$tool" status -j | awk -v name="\"$1\":" '$1 == name { gsub(/[",]/, "", $2); print $2; exit }'; }
stats_of() {
	"$tool" stats -j | awk -v group="\"$1\":" -v name="\"$2\":" '
	$1 == group { inside = 1 }
	/}/ { inside = 0 }
	inside && $1 == name { print $2 + 0; exit }'
}

# transfer [OPTIONS]: see tests/bypass/transfer.
transfer() { "$root/tests/bypass/transfer" "$@"; }

# --- effect, and what is left alone ---

@test "localhost-bypass: what local processes send arrives, and does not pass lo, over IPv4 and IPv6" {
	local addresses bytes
	bytes=$(scaled 1000000 200000)
	"$tool" load -g "$cgroup"
	for addresses in '127.0.0.1' '127.0.0.5 --to 127.0.0.1' '::1' '127.0.0.1 --mapped client' \
		'127.0.0.1 --mapped server' '127.0.0.1 --mapped both'; do
		# shellcheck disable=SC2086 # words
		run within "$root/tests/bypass/transfer" --from $addresses --bytes $bytes
		assert_success
		assert_output "$bytes bytes there, $bytes bytes back, less than 20000 on lo"
	done
	assert_equal "$(stats_of connections bypassed)" 6
	assert_equal "$(stats_of directions bypassed)" 12
	[[ $("$tool" stats -j | json "d['attachments'][0]['sent']['redirected']['bytes']") -ge $((12 * bytes)) ]]
	"$tool" unload -g "$cgroup"
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: a host's own address to itself is local, too" {
	local bytes
	bytes=$(scaled 1000000 200000)
	ip address add 10.9.0.1/32 dev lo
	ip address add fd00:9::1/128 dev lo nodad
	"$tool" load -g "$cgroup"
	run within "$root/tests/bypass/transfer" --from 10.9.0.1 --bytes $bytes
	assert_output "$bytes bytes there, $bytes bytes back, less than 20000 on lo"
	run within "$root/tests/bypass/transfer" --from fd00:9::1 --bytes $bytes
	assert_output "$bytes bytes there, $bytes bytes back, less than 20000 on lo"
	# From one to another is not, though it does not leave the host either.
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --to 10.9.0.1 --bytes $bytes
	assert_output "$bytes bytes there, $bytes bytes back, all of it on lo"
	assert_equal "$(stats_of connections bypassed)" 2
	assert_equal "$(stats_of left_alone not_local)" 2
	ip address flush dev lo scope global
}

@test "localhost-bypass: only processes of the cgroup, at both ends" {
	local place
	"$tool" load -g "$cgroup"
	run transfer --from 127.0.0.1 --bytes 100000
	assert_output "100000 bytes there, 100000 bytes back, all of it on lo"
	assert_equal "$(stats_of connections local)" 0
	for place in client server; do
		run transfer --from 127.0.0.1 --bytes 100000 --cgroup "$cgroup" --only $place
		assert_output "100000 bytes there, 100000 bytes back, all of it on lo"
	done
	assert_equal "$(stats_of sockets taken) $(stats_of directions no_peer)" "1 1" # the client's
	assert_equal "$(stats_of left_alone no_peer)" 1 # the server's
	assert_equal "$(stats_of connections bypassed)" 0
}

# bats test_tags=slow
@test "localhost-bypass: with -p only connections to these ports, and loading again changes them" {
	run "$tool" load -g "$cgroup" -p 7001 -p 7003-7005
	assert_success
	assert_output "$cgroup: attached, for TCP to port 7001, 7003-7005"
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000 --port 7004
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000 --port 7002
	assert_output "100000 bytes there, 100000 bytes back, all of it on lo"
	# The client's port is not what is meant.
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000 --port 7002 --client-port 7001
	assert_output "100000 bytes there, 100000 bytes back, all of it on lo"
	assert_equal "$(stats_of left_alone other_port)" 4
	assert_equal "$("$tool" status -j | json "d['attachments'][0]['ports']")" "['7001', '7003-7005']"

	run "$tool" load -g "$cgroup" -p 7002
	assert_output "$cgroup: ports changed, for TCP to port 7002"
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000 --port 7002
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	run "$tool" load -g "$cgroup" -p 7002
	assert_success
	assert_output "$cgroup: nothing to do, for TCP to port 7002"
	run "$tool" load -g "$cgroup"
	assert_output "$cgroup: ports changed, for TCP to any port"
	assert_equal "$("$tool" status -j | json "d['attachments'][0]['ports']")" "['all']"
}

# bats test_tags=slow
@test "localhost-bypass: connections that were there before are left alone, those that are there at the end finish" {
	local out=$BATS_TEST_TMPDIR/out bytes pause
	bytes=$(scaled 4000000 400000) pause=$(scaled 1 2)
	within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes "$bytes" --pause "$pause" >"$out.before" 3>&- &
	wait_for eval '[[ -n $(ss -Htn state established) ]]'
	"$tool" load -g "$cgroup"
	wait $!
	assert_equal "$(cat "$out.before")" "$bytes bytes there, $bytes bytes back, all of it on lo"

	within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes "$bytes" --pause "$pause" >"$out.after" 3>&- &
	wait_for eval '[[ $(status_of live) == 1 ]]'
	"$tool" unload -g "$cgroup"
	wait $!
	assert_equal "$(cat "$out.after")" "$bytes bytes there, $bytes bytes back, some of it on lo"
	nothing_remains
}

# --- the loader's contract ---

@test "localhost-bypass: an identical load changes nothing, unload leaves nothing, status tells" {
	"$tool" load -g "$cgroup"
	local id
	id=$(status_of program_id)
	run "$tool" load -g "$cgroup"
	assert_success
	assert_output "$cgroup: nothing to do, for TCP to any port"
	assert_equal "$(status_of program_id)" "$id"
	assert_equal "$(status_of mode) $(status_of state) $(status_of cgroup)" "cgroup attached $cgroup"
	assert_equal "$(status_of cgroup_id)" "$(stat -c %i "$cgroup")"
	assert_equal "$(status_of live)" 0
	run "$tool" stats -g "$cgroup"
	assert_success
	assert_line --index 0 "$cgroup (cgroup, program $id)"

	run "$tool" unload -g "$cgroup"
	assert_success
	assert_output "$cgroup: detached"
	run "$tool" unload -g "$cgroup"
	assert_failure 4
	assert_output "localhost-bypass: nothing of ours is loaded on $cgroup"
	run "$tool" status
	assert_failure 4
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: a dry run attaches nothing" {
	run "$tool" load -n -g "$cgroup" -p 80
	assert_success
	assert_output "$cgroup: would attach, for TCP to port 80"
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: several cgroups, all or none, by whatever path" {
	mkdir "$own/other"
	run "$tool" load -g "$cgroup" -g "$own/./other/"
	assert_success
	assert_output "$cgroup: attached, for TCP to any port
$own/other: attached, for TCP to any port"
	run "$tool" load -g "$cgroup" -g "$own/other/../test"
	assert_failure 1
	assert_output --partial "is named twice"
	"$tool" unload -a
	nothing_remains

	load_others "$own/other" alone
	run "$tool" load -g "$cgroup" -g "$own/other"
	assert_failure 3
	assert_line "localhost-bypass: $cgroup is detached again: all places or none"
	run "$tool" status
	assert_failure 4
}

# load_others CGROUP alone|multi: somebody else's sockops program there.
load_others() {
	bpftool prog load "$root/tests/bypass/others.bpf.o" /sys/fs/bpf/others type sockops
	if [[ $2 == multi ]]; then
		bpftool cgroup attach "$1" sock_ops pinned /sys/fs/bpf/others multi
	else
		bpftool cgroup attach "$1" sock_ops pinned /sys/fs/bpf/others
	fi
}

@test "localhost-bypass: beside somebody else's program, or exit 3 where that wants to be alone" {
	load_others "$cgroup" multi
	run "$tool" load -g "$cgroup"
	assert_success
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	"$tool" unload -g "$cgroup"
	bpftool cgroup show "$cgroup" | grep -q others
	bpftool cgroup detach "$cgroup" sock_ops pinned /sys/fs/bpf/others

	bpftool cgroup attach "$cgroup" sock_ops pinned /sys/fs/bpf/others
	run "$tool" load -g "$cgroup"
	assert_failure 3
	assert_output --regexp "^localhost-bypass: $cgroup carries somebody else's program others \(id [0-9]+\), left as it is"
	bpftool cgroup show "$cgroup" | grep -q others
	mkdir "$cgroup/below"
	run "$tool" load -g "$cgroup/below"
	assert_failure 3
	assert_output --regexp "^localhost-bypass: $cgroup carries somebody else's program others"
	rmdir "$cgroup/below"
	bpftool cgroup detach "$cgroup" sock_ops pinned /sys/fs/bpf/others
	rm /sys/fs/bpf/others
	nothing_remains
}

@test "localhost-bypass: a killed loader leaves a bypass that works, and the next load takes it over" {
	"$tool" run -g "$cgroup" >/dev/null 3>&- &
	wait_for "$tool" status
	kill -9 $!
	local id
	id=$(status_of program_id)
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	wait_for eval '[[ $(status_of runner) == dead ]]'
	run "$tool" load -g "$cgroup"
	assert_success
	assert_equal "$(status_of program_id) $(status_of runner)" "$id none"
	assert_equal "$(stats_of connections bypassed)" 1
	run "$tool" clean
	assert_output "nothing to clean"
}

@test "localhost-bypass: run detaches on a signal, and clean what a killed run has left" {
	"$tool" run -g "$cgroup" >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for "$tool" status
	kill -INT $!
	wait $!
	assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" "$cgroup: detached"
	nothing_remains
	"$tool" run -g "$cgroup" >/dev/null 3>&- &
	wait_for "$tool" status
	kill -9 $!
	wait_for eval '[[ $(status_of runner) == dead ]]'
	run "$tool" clean
	assert_output "$cgroup: its \`run\` was killed: detached"
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: another version takes over with --replace, and connections in flight finish" {
	local out=$BATS_TEST_TMPDIR/out id bytes pause variant=$variants/other/localhost-bypass
	bytes=$(scaled 4000000 400000) pause=$(scaled 1 2)
	"$tool" load -g "$cgroup"
	within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes "$bytes" --pause "$pause" >"$out" 3>&- &
	wait_for eval '[[ $(status_of live) == 1 ]]'
	run "$variant" load -g "$cgroup"
	assert_failure 3
	assert_output --partial "add --replace"
	id=$(status_of program_id)
	run "$variant" load -g "$cgroup" --replace
	assert_success
	assert_output "$cgroup: program replaced, for TCP to any port"
	[[ $(status_of program_id) != "$id" ]]
	# Of both hooks.
	assert_equal "$(bpftool -j cgroup show "$cgroup" | json 'len(d)')" 2
	wait $!
	# Nobody follows it any more, so it leaves the bypass.
	assert_equal "$(cat "$out")" "$bytes bytes there, $bytes bytes back, some of it on lo"
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	assert_equal "$(stats_of connections bypassed)" 1
	"$tool" unload -a
	nothing_remains
}

@test "localhost-bypass: other framing takes other hooks, and an unload before" {
	"$tool" load -g "$cgroup"
	run "$tool" load -g "$cgroup" --framing length32
	assert_failure 3
	run "$tool" load -g "$cgroup" --framing length32 --replace
	assert_failure 2
	assert_output "localhost-bypass: $cgroup has programs at other hooks than this version: unload it first"
	assert_equal "$(status_of framing)" none
	"$tool" unload -g "$cgroup"
	"$tool" load -g "$cgroup" --framing length32
	assert_equal "$(status_of framing)" length32
	run "$tool" load -g "$cgroup" --replace
	assert_failure 2
	"$tool" unload -a
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: a cgroup that is removed takes the attachment with it" {
	"$tool" load -g "$cgroup"
	rmdir "$cgroup"
	wait_for eval '[[ $(status_of state) == stale ]]'
	mkdir "$cgroup"
	run "$tool" load -g "$cgroup"
	assert_success
	assert_equal "$(status_of state)" attached
	"$tool" unload -a
	nothing_remains
}

@test "localhost-bypass: the object works with bpftool alone" {
	local pins=/sys/fs/bpf/stock
	bpftool prog loadall "$object" $pins pinmaps $pins
	bpftool prog attach pinned $pins/redirect_to_peer sk_msg_verdict pinned $pins/sockets ||
		bpftool prog attach pinned $pins/redirect_to_peer msg_verdict pinned $pins/sockets
	bpftool cgroup attach "$cgroup" sock_ops pinned $pins/follow_connections
	bpftool cgroup attach "$cgroup" setsockopt pinned $pins/refuse_options
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	bpftool cgroup detach "$cgroup" sock_ops pinned $pins/follow_connections
	bpftool cgroup detach "$cgroup" setsockopt pinned $pins/refuse_options
	rm -r $pins
	nothing_remains
}

# --- exec ---

@test "localhost-bypass: exec runs a command with the bypass on, and nothing remains" {
	run "$tool" exec -- "$root/tests/bypass/transfer" --from ::1 --bytes 100000
	assert_success
	assert_output "100000 bytes there, 100000 bytes back, less than 20000 on lo"
	run "$tool" exec -p 7001 -- "$root/tests/bypass/transfer" --from ::1 --bytes 100000 --port 7002
	assert_output "100000 bytes there, 100000 bytes back, all of it on lo"
	run "$tool" exec sh -c 'echo "$HOOKPOINT_PINS"; ls "$HOOKPOINT_PINS/link" && echo -n' -p
	assert_success
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: exec returns what the command returns" {
	run "$tool" exec -- sh -c 'exit 7'
	assert_failure 7
	refute_output
	run "$tool" exec -- sh -c 'kill -TERM $$'
	assert_failure 143
	run -127 "$tool" exec -- "$BATS_TEST_TMPDIR/missing"
	assert_output "localhost-bypass: cannot run $BATS_TEST_TMPDIR/missing: No such file or directory"
	run "$tool" exec -- /etc/passwd
	assert_failure 126
	assert_output "localhost-bypass: cannot run /etc/passwd: Permission denied"
	run "$tool" exec
	assert_failure 1
	assert_output --partial "which command?"
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: exec hands signals on, and detaches when the command has ended" {
	"$tool" exec -- sh -c 'trap "exit 5" TERM; touch "$0"; while :; do sleep 0.1; done' "$BATS_TEST_TMPDIR/ready" 3>&- &
	wait_for test -e "$BATS_TEST_TMPDIR/ready"
	kill -TERM $!
	local status=0
	wait $! || status=$?
	assert_equal $status 5
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: what a command leaves running goes on where exec was started" {
	local out=$BATS_TEST_TMPDIR/out bytes pause
	bytes=$(scaled 4000000 400000) pause=$(scaled 1 2)
	# shellcheck disable=SC2016 # the inner shell's
	"$tool" exec -- sh -c '"$@" >"$0" 2>&1 &
		until [ -n "$(ss -Htn state established)" ]; do sleep 0.1; done
		sleep 0.2' "$out" "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes "$bytes" --pause "$pause"
	nothing_remains
	wait_for grep -q bytes "$out"
	assert_equal "$(cat "$out")" "$bytes bytes there, $bytes bytes back, some of it on lo"
}

# bats test_tags=slow
@test "localhost-bypass: exec stops and goes on with its command, removes cgroups in its own, and minds no SIGCHLD" {
	"$tool" exec -- sh -c 'kill -STOP $$; exit 3' 3>&- &
	wait_for eval '[[ $(awk "{ print \$3 }" "/proc/$!/stat") == T ]]'
	kill -CONT $!
	local status=0
	wait $! || status=$?
	assert_equal $status 3
	# shellcheck disable=SC2016 # the inner shell's
	run "$tool" exec -- sh -c 'mkdir -p "$(readlink "$HOOKPOINT_PINS/cgroup")/a/b"'
	assert_success
	refute_output
	run timeout 10 sh -c 'trap "" CHLD; exec "$@"' - "$tool" exec -- true
	assert_success
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: clean removes what a killed exec has left, its cgroup included" {
	"$tool" exec -- sleep 100 3>&- &
	wait_for "$tool" status
	kill -9 $!
	wait_for eval '[[ $(status_of runner) == dead ]]'
	run "$tool" clean
	assert_success
	nothing_remains
	# What ran in it goes on.
	pgrep -x sleep
}

# --- bad input ---

# bats test_tags=slow
@test "localhost-bypass: what is wrong is said in one line, and nothing is attached" {
	local mount
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	while IFS='|' read -r exit words message; do
		# shellcheck disable=SC2086 # words
		run "$tool" $words
		assert_failure "$exit"
		assert_output "localhost-bypass${message/MOUNT/$mount}"
	done <<-EOF
		1|load -g /tmp|: '/tmp' is not a directory of cgroup v2, which is mounted at MOUNT
		1|load -g $cgroup/cgroup.procs|: '$cgroup/cgroup.procs' is not a directory of cgroup v2, which is mounted at MOUNT
		1|load -g $cgroup/none|: no cgroup '$cgroup/none': No such file or directory; cgroup v2 is mounted at MOUNT
		1|load|: which cgroup? -g CGROUP (see \`localhost-bypass help\`)
		1|unload|: unload needs either -g CGROUP or -a (see \`localhost-bypass help\`)
		1|load -i lo| load: invalid option -- 'i'
		1|load -g $cgroup -p 0|: bad port '0': a port is a number from 1 to 65535, a range is FIRST-LAST (see \`localhost-bypass help\`)
		1|load -g $cgroup -p 80-70|: bad port '80-70': the range is empty: it ends before it starts (see \`localhost-bypass help\`)
		1|exec -p x -- true|: bad port 'x': a port is a number from 1 to 65535, a range is FIRST-LAST (see \`localhost-bypass help\`)
		1|load -g $cgroup --framing lines|: bad framing 'lines': none or length32 (see \`localhost-bypass help\`)
	EOF
	nothing_remains
}

@test "localhost-bypass: without cgroup v2, or BPF's file system, or the kernel's types, it says what is missing" {
	run unshare --mount sh -c "umount -l '${cgroup%%/cgroup*}/cgroup' 2>/dev/null
		while mount=\$(awk '\$3 == \"cgroup2\" { print \$2; exit }' /proc/self/mounts); [ \"\$mount\" ]; do
			umount -l \"\$mount\"
		done
		'$tool' load -g /tmp; echo \$?; '$tool' exec -- true; echo \$?"
	assert_line "localhost-bypass: '/tmp' is no cgroup: no cgroup v2 file system is mounted; \`mount -t cgroup2 cgroup2 /sys/fs/cgroup\` does that"
	assert_line --index 1 1
	assert_line --index 3 2
	run without_bpffs "$tool" load -g "$cgroup"
	assert_failure 2
	assert_output --partial "no BPF file system"
	run unshare --mount sh -c "mount -t tmpfs tmpfs /sys/kernel/btf && '$tool' load -g '$cgroup'"
	assert_failure 5
	assert_output --partial "lacks what the program needs: its own types in BTF"
	nothing_remains
}

# --- limits ---

@test "localhost-bypass: what has no room in the map goes through the stack, and is counted" {
	local variant=$variants/one-socket/localhost-bypass
	"$variant" load -g "$cgroup"
	run within "$root/tests/bypass/transfer" --from 127.0.0.1 --bytes 100000
	assert_output "100000 bytes there, 100000 bytes back, all of it on lo"
	assert_equal "$(stats_of sockets taken) $(stats_of left_alone failed_inserts)" "1 1"
	"$variant" unload -g "$cgroup"
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: a send that began before the connection does not let another one overtake it" {
	"$tool" load -g "$cgroup"
	run within "$root/tests/bypass/early-send"
	assert_success
	assert_output "in order"
	assert_equal "$(stats_of left_bypass stack_used)" 1
}

@test "localhost-bypass: a reader that doesn't read stops the sender, who then uses the stack for good" {
	"$tool" load -g "$cgroup"
	run within "$root/tests/bypass/idle-reader" 16384
	assert_success
	assert_equal "$(stats_of left_bypass queue_full)" 1
	# Two thirds of what TCP would let wait, but for a message and the look at the queue before it.
	local limit redirected
	limit=$(awk '{ print int($3 / 3) * 2 }' /proc/sys/net/ipv4/tcp_rmem)
	redirected=$("$tool" stats -j | json "d['attachments'][0]['sent']['redirected']['bytes']")
	[[ $redirected -le $limit && $redirected -gt $((limit - 100000)) ]]
	# Or 16,384 messages, and twice the 64 between two looks at the queue.
	"$tool" unload -g "$cgroup"
	"$tool" load -g "$cgroup"
	run within "$root/tests/bypass/idle-reader" 16
	assert_success
	assert_equal "$(stats_of left_bypass queue_full)" 1
	redirected=$("$tool" stats -j | json "d['attachments'][0]['sent']['redirected']['messages']")
	[[ $redirected -ge 16384 && $redirected -lt 17000 ]]
	[[ $("$tool" stats -j | json "d['attachments'][0]['sent']['passed']['bytes']") -gt 100000 ]]
}
