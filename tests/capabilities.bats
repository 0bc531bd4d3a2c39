#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The tools without root. What each of them needs is said in docs/reference/capabilities.rst, and tried here, row by
# row: with these capabilities an ordinary user's command works, and without any one of them it doesn't.

load helpers

table=$root/docs/reference/capabilities.rst

setup() {
	(($(</proc/sys/kernel/unprivileged_bpf_disabled))) || skip "kernel.unprivileged_bpf_disabled is 0"
	start_network
	enter_cgroup
	mkdir "$own/test"
	chown -R nobody "$own"
	# What the user runs and reads must be in directories that are everybody's. $BATS_TEST_TMPDIR isn't.
	mkdir -p /run/tools
	chmod 755 /run /run/tools
	said=$BATS_TEST_TMPDIR/said
}

teardown() {
	[[ ${own:-} ]] || return 0
	stop_network
	leave_cgroup
}

# rows TOOL: its part of the table, as "COMMAND|CAPABILITY (CAPABILITY) ...".
rows() {
	awk -F '  +' -v tool="$1" '$1 == tool { gsub(",", "", $3); sub(/^none$/, "", $3); print $2 "|" $3 }' "$table"
}

# give TOOL CAPABILITY...: makes /run/tools/TOOL, with these.
give() {
	local tool=$1 IFS=,
	shift
	cp --remove-destination "$root/problems/$tool/$tool" /run/tools/ # it may be running
	[[ -z $* ]] || setcap "$*+ep" "/run/tools/$tool"
}

# words COMMAND: its words, with what stands in capital letters replaced, in $arguments.
words() {
	local command=${1//CGROUP/$own/test}
	command=${command//OBJECT//run/tools/counts.bpf.o}
	read -ra arguments <<<"${command//DIR//sys/fs/bpf/mine}"
}

# become_nobody TOOL WORD...: this shell becomes the user's command, on the host client and in the cgroup $own.
become_nobody() {
	local tool=$1
	shift
	echo $BASHPID >"$own/cgroup.procs"
	cd /
	exec nsenter --net=/run/netns/client -- setpriv --reuid=65534 --regid=65534 --clear-groups "/run/tools/$tool" "$@"
}
as_nobody() { (become_nobody "$@"); }

# follow TOOL WORD...: starts `run` and waits until it is at work, or has ended; its process is in $runner.
follow() {
	rm -f "$said.out" "$said.error"
	become_nobody "$@" <&0 >"$said.out" 2>"$said.error" 3>&- &
	runner=$!
	wait_for eval "[[ -s $said.out || -s $said.error ]] || ! kill -0 $runner" # its first words say so
}

# stop: ends it; its exit status.
stop() {
	kill -TERM "$runner" 2>/dev/null || true
	wait "$runner"
}

# attempt TOOL WORD...: sets status, and stderr, as `run --separate-stderr` does.
attempt() {
	if [[ $2 != run ]]; then
		run --separate-stderr as_nobody "$@"
		return
	fi
	follow "$@"
	status=0
	stop || status=$?
	stderr=$(<"$said.error")
}

# prepare TOOL WORD: what the command WORD needs to be there, made by the same user.
prepare() {
	local command=() capabilities
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf # everybody may write to its root
	[[ $2 =~ ^(status|stats|unload)$ ]] || return 0
	IFS='|' read -r command capabilities < <(rows "$1")
	words "$command"
	# shellcheck disable=SC2086 # words
	give "$1" ${capabilities//[()]/}
	if [[ ${arguments[0]} == run ]]; then follow "$1" "${arguments[@]}"; else as_nobody "$1" "${arguments[@]}"; fi
}

# put_back TOOL: nothing of it is attached.
put_back() {
	if [[ ${runner:-} ]]; then stop || true; fi
	runner=
	[[ $1 != load-by-hand ]] || return 0
	{ client "/run/root-$1" unload -a --ignore-missing || client "/run/root-$1" clean; } &>/dev/null
}

# names CAPABILITY LINE: does LINE, the last one and the tool's own, say that it is missing? (In front of it the
# verifier may have its say. Behind "missing X:" comes what to give to the file, which is all that it needs.)
names() {
	local line=$2
	[[ $line == *": cannot "* ]] || return
	[[ $line != *"missing "* ]] || { line=${line##*missing } && line=${line%%:*}; }
	[[ ,${line//[^a-z_]/,}, == *,"$1",* ]]
}

# perf_events_are_allowed COMMAND: if it takes them. At 3, which is Debian's own, they are for cap_sys_admin alone.
perf_events_are_allowed() {
	[[ $1 =~ ^run\ (-x|-P\ kprobe)$ ]] || return 0
	[[ ! ${HOOKPOINT_VM:-} ]] || echo 2 >/proc/sys/kernel/perf_event_paranoid
	(($(</proc/sys/kernel/perf_event_paranoid) < 3)) && return
	echo "# kernel.perf_event_paranoid is 3: '$1' is not tried" >&3
	return 1
}

# check TOOL: its rows.
check() {
	local tool=$1 command capabilities one have rest all
	cp "$root/problems/$tool/$tool" "/run/root-$tool"
	cp "$root/problems/load-by-hand/counts.bpf.o" /run/tools/
	[[ $(rows "$tool") ]] || fail "$tool is not in $table"
	while IFS='|' read -r command capabilities <&4; do
		perf_events_are_allowed "$command" || continue
		read -ra all <<<"$capabilities"
		for one in '' "${all[@]}"; do # with all of them; and without one
			rest=()
			for have in "${all[@]}"; do [[ $have == "$one" ]] || rest+=("${have//[()]/}"); done
			prepare "$tool" "${command%% *}"
			give "$tool" "${rest[@]}"
			words "$command"
			attempt "$tool" "${arguments[@]}" 4>&-
			put_back "$tool"
			if [[ -z $one ]]; then
				((status == 0)) || fail "$tool $command with $capabilities: exit $status: $stderr"
				continue
			fi
			[[ $status != 0 || $one != "("* ]] || continue # this kernel does without
			((status == 2)) || fail "$tool $command without $one: exit $status: $stderr"
			names "${one//[()]/}" "${stderr##*$'\n'}" || fail "$tool $command without $one does not name it: $stderr"
		done
	done 4< <(rows "$tool")
}

# bats test_tags=slow
@test "block-tcp-8080: works with the capabilities of the table, and without any one of them names it" {
	check block-tcp-8080
}

# bats test_tags=slow
@test "drop-spoofed-packets: works with the capabilities of the table, and without any one of them names it" {
	check drop-spoofed-packets
}

# bats test_tags=slow
@test "localhost-bypass: works with the capabilities of the table, and without any one of them names it" {
	check localhost-bypass
}

# bats test_tags=slow
@test "count-ttl: works with the capabilities of the table, and without any one of them names it" {
	check count-ttl
}

# bats test_tags=slow
@test "snoop-exec: works with the capabilities of the table, and without any one of them names it" {
	check snoop-exec
}

# bats test_tags=slow
@test "watch-acks: works with the capabilities of the table, and without any one of them names it" {
	run --separate-stderr client "$root/problems/watch-acks/watch-acks" run -n
	((status != 5)) || skip "this kernel has neither fentry nor kprobes"
	check watch-acks
}

# closed_perf_events TOOL COMMAND: with its capabilities, where perf events are for cap_sys_admin alone.
closed_perf_events() {
	local tool=$1 command=$2 capabilities
	capabilities=$(rows "$tool" | sed -n "s/^$command|//p")
	[[ $capabilities ]] || fail "$tool $command is not in $table"
	cp "$root/problems/$tool/$tool" "/run/root-$tool"
	prepare "$tool" run
	# shellcheck disable=SC2086 # words
	give "$tool" ${capabilities//[()]/}
	# shellcheck disable=SC2086 # words
	attempt "$tool" $command
	put_back "$tool"
}

# bats test_tags=slow
@test "snoop-exec, watch-acks: where kernel.perf_event_paranoid is 3, as on Debian, they say what it takes" {
	[[ ${HOOKPOINT_VM:-} ]] || skip "sets kernel.perf_event_paranoid, so in a virtual machine only"
	local says='Permission denied: perf events take CAP_SYS_ADMIN where kernel.perf_event_paranoid is 3'
	echo 3 >/proc/sys/kernel/perf_event_paranoid
	closed_perf_events snoop-exec 'run -x'
	((status)) || skip "to this kernel 3 means no more than 2"
	assert_equal "$status" 2
	[[ $stderr == "snoop-exec: cannot attach to the end of execve: $says"* ]] || fail "$stderr"
	closed_perf_events watch-acks 'run -P kprobe'
	assert_equal "$status" 2
	[[ $stderr == "watch-acks: cannot attach by kprobe: $says"* ]] || fail "$stderr"
}

# bats test_tags=slow
@test "load-by-hand: works with the capabilities of the table, and without any one of them names it" {
	check load-by-hand
}

# bats test_tags=slow
@test "every tool and every row of the capabilities' table is tried" {
	local tool tools
	tools=$(awk '/^=====/ { lines++ } lines == 3 && !/^=/ { print $1 }' "$table" | sort -u)
	for tool in $tools; do
		grep -q "^	check $tool\$" "$BATS_TEST_FILENAME" || fail "$tool is in $table, and not here"
	done
	for tool in "$root"/problems/*/; do
		grep -qx "$(basename "$tool")" <<<"$tools" || fail "$(basename "$tool") is not in $table"
	done
}
