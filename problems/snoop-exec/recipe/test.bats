#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The exported recipe beside real programs that start. `make test` runs this in a sandbox (test/sandbox), for the
# whole tool and for the minimal one. Its working directory is the recipe's folder.
#
# They see what the whole machine starts, so each test starts a program of its own name.

load lib/network.bash

setup() {
	tool=("$PWD/snoop-exec")
	[[ ! -d hookpoint ]] || tool+=(run)
	said=$BATS_TEST_TMPDIR/said
	name=started-$RANDOM$RANDOM
	cp "$(type -P true)" "$BATS_TEST_TMPDIR/$name"
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	jobs -p | xargs -r kill -9
	wait
}

# start: the tool reports as $pid, to the file $said.
start() {
	"${tool[@]}" >"$said" 2>&1 3>&- &
	pid=$!
	wait_for reports
}
reports() { /bin/true marker-$$ && grep "marker-$$\$" "$said"; }

# finish: as Ctrl-C does; it must end well, and tell that it has lost nothing.
finish() {
	kill -INT "$pid"
	wait "$pid"
	grep "$name" "$said" | tail -n 5 # for the reader of a test that fails
	grep -E 'snoop-exec: [0-9]+ reported, 0 lost' "$said"
}

# held KIND: the numbers of the programs, maps or links that the tool has open.
held() { sed -n "s/^${1}_id:[[:space:]]*//p" /proc/"$pid"/fdinfo/*; }
is_gone() { ! bpftool "$1" show id "$2"; }

@test "snoop-exec: it reports who started what, with which arguments" {
	start
	setpriv --ruid 54321 "./$name" one two
	finish
	grep -E "\<54321 +[0-9]+ +[0-9]+ .* \./$name +\./$name one two\$" "$said"
}

@test "snoop-exec: a program starts, sees and returns what it would anyway; what fails is not reported" {
	start
	run sh -c "printf '%s|' \"\$@\"; exit 7" "$name-sh" one 'two words' ''
	[[ $status == 7 && $output == 'one|two words||' ]]
	"./$name-missing" || [[ $? == 127 ]]
	finish
	grep "$name-sh one" "$said"
	[[ ! $(grep "$name-missing" "$said") ]]
}

@test "snoop-exec: each of 50 is reported once, whole, and in its line" {
	local i
	start
	for ((i = 100; i < 150; i++)); do "./$name" "n$i"; done
	"./$name" $'\e[2J\n'"$name forged" 'a\x0ab' end
	finish
	for ((i = 100; i < 150; i++)); do echo "./$name n$i"; done >wanted
	sed -n "s/.* \(\.\/$name n[0-9]*\)\$/\1/p" "$said" | diff wanted -
	[[ $(grep -c "$name.*forged.* end\$" "$said") == 1 ]]
	[[ ! $(grep -e $'\e' -e "^$name" "$said") ]]
	# Nothing that a program says looks like what the minimal one writes in place of it.
	[[ ${#tool[@]} == 2 ]] || grep 'forged a\\x5cx0ab end$' "$said"
}

@test "snoop-exec: Ctrl-C ends it with exit status 0, and leaves nothing behind" {
	local kind id ids
	start
	for kind in prog map link; do
		for id in $(held $kind); do ids+=("$kind $id"); done
	done
	[[ "${ids[*]}" == *prog*map* ]]
	finish
	"./$name" late
	[[ ! $(grep "$name late" "$said") ]]
	[[ ! $(find /sys/fs/bpf -type f ! -name '*.debug') ]]
	for id in "${ids[@]}"; do
		# shellcheck disable=SC2086 # two words
		wait_for is_gone $id # the kernel frees it a moment later
	done
}
