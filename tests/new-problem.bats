#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/new-problem, and the problem that it makes, in a copy of what they need of the tree.
#
# shellcheck disable=SC2154 # run sets stderr and stderr_lines

load helpers

# The problem that most tests make.
name=count-things-2
longest=a-rather-long-name-of-forty-characters-0

setup() {
	unset MAKEFLAGS MAKELEVEL MFLAGS # of a make that runs the tests
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree/problems" "$tree/tests" "$BATS_TEST_TMPDIR/bin"
	cp -a "$root/common" "$root/scripts" "$root/.clang-format" "$tree"
	cp "$root/tests/helpers.bash" "$tree/tests"
	new_problem=$tree/scripts/new-problem
	folder=$tree/problems/$name
	tool=$folder/$name
}

teardown() {
	if [[ -e /run/netns/server ]]; then stop_network; fi
}

# All of the tree but the folder, to compare.
rest_of_the_tree() {
	find "$tree" -path "$folder" -prune -o -type f -exec sha256sum {} + -o -printf '%y %p\n' | sort
}

build() { run make -C "$tree/problems/$1"; }

# apart SCRIPT ARGUMENT...: runs a script of the tree in a sandbox of its own, as when a person starts it.
apart() { env -u HOOKPOINT_SANDBOX "$tree/scripts/$1" "${@:2}"; }

# mutate FILE SCRIPT: changes a file of the problem with sed, and sees that it is another one now.
mutate() {
	local before
	before=$(<"$folder/$1")
	sed -i "$2" "$folder/$1"
	[[ $before != "$(<"$folder/$1")" ]]
}

# put_in_the_way NAME: a command of that name that does what standard input says.
put_in_the_way() {
	{ echo '#!/bin/bash' && cat; } >"$BATS_TEST_TMPDIR/bin/$1"
	chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

# refused REASON ARGUMENT...: one line on standard error, exit 1, and nothing is made or changed.
refused() {
	local before reason=$1
	shift
	before=$(rest_of_the_tree)
	run --separate-stderr "$new_problem" "$@"
	[[ $status == 1 && -z $output && ${#stderr_lines[@]} == 1 && $stderr == "new-problem: "*"$reason"* ]] ||
		fail "'$*': exit $status: $output$stderr"
	[[ ! -e $folder ]]
	[[ $(rest_of_the_tree) == "$before" ]]
}

# --- the folder ---

@test "new-problem: it makes a folder, says what to type next, and touches nothing else" {
	local before
	before=$(rest_of_the_tree)
	run --separate-stderr "$new_problem" $name
	assert_success
	assert_equal "$stderr" ""
	assert_line --index 0 --partial "problems/$name is made"
	assert_line "  make -C problems/$name"
	assert_line "  sudo make test NAME=$name"
	assert_line --partial "problems/$name/$name.bpf.c"
	[[ $(rest_of_the_tree) == "$before" ]]

	run ls -A "$folder"
	assert_output "$(printf '%s\n' .gitignore Makefile README.rst $name.bpf.c $name.c $name.h demo test.bats |
		LC_ALL=C sort)"
	[[ -x $folder/demo ]]
}

@test "new-problem: no placeholder is left, in a name or in a text" {
	"$new_problem" $name
	run grep -rniE 'new[-_]?problem' "$folder"
	assert_failure 1
	run grep -c count_things_2__open "$folder/$name.c"
	assert_output 1
	run head -n 4 "$folder/$name.h"
	assert_line '#ifndef COUNT_THINGS_2_H'
}

@test "new-problem: it works from any folder, and through a symbolic link" {
	ln -s "$new_problem" "$BATS_TEST_TMPDIR/bin/made-by-link"
	cd /
	"$BATS_TEST_TMPDIR/bin/made-by-link" $name
	[[ -e $folder/Makefile ]]
	cd "$tree/scripts"
	bash new-problem another
	[[ -e $tree/problems/another/Makefile ]]
}

@test "new-problem: made by root, the files belong to whom the checkout belongs to" {
	chown 1234:4321 "$tree/problems"
	"$new_problem" $name
	run find "$folder" '(' ! -uid 1234 -o ! -gid 4321 ')'
	assert_output ""
}

# --- what is in it works ---

@test "new-problem: what it makes builds without a warning, and its tests pass" {
	"$new_problem" $name
	build $name
	assert_success
	refute_output --partial warning
	run apart test $name
	assert_success
	assert_line --regexp '^[1-9][0-9]* passed, 0 failed, 0 skipped$'
}

@test "new-problem: make NAME=... builds it beside others, each under its own name" {
	cp "$root/Makefile" "$tree"
	"$new_problem" $name
	"$new_problem" another
	run make -C "$tree" build NAME=$name
	assert_success
	[[ -x $tool && -x $tree/problems/another/another ]]
}

@test "new-problem: its tests fail when the program drops, counts wrongly or not at all" {
	local change changes=('s/++\*count/*count += 2/' '/++\*count/d' 's/return FRAME_IPV4/return FRAME_OTHER/'
		's/return FRAME_OTHER/return FRAME_IPV4/')
	if have_ipv6; then changes+=('s/return FRAME_IPV6/return FRAME_OTHER/'); fi
	fails() {
		cp "$BATS_TEST_TMPDIR/right.c" "$folder/$name.bpf.c"
		mutate $name.bpf.c "$2"
		build $name
		assert_success
		run apart test $name
		assert_failure 1
		assert_line "  FAILED  $name: $1"
	}
	"$new_problem" $name
	cp "$folder/$name.bpf.c" "$BATS_TEST_TMPDIR/right.c"
	for change in "${changes[@]}"; do
		fails "every frame is counted, as what it carries" "$change"
	done
	fails "all traffic passes" 's/return XDP_PASS/return kind == FRAME_OTHER ? XDP_PASS : XDP_DROP/'
}

@test "new-problem: what it makes loads, answers to every word, and goes without a trace" {
	"$new_problem" $name
	build $name
	assert_success
	start_network
	run server "$tool" load -i veth0 -n
	assert_output "veth0: would attach, counting frames"
	run server "$tool" load --interface veth0
	assert_success
	assert_output "veth0: attached in native mode, counting frames"
	run server "$tool" load -i veth0
	assert_success
	assert_output "veth0: nothing to do, counting frames"

	client bash -c 'echo >/dev/udp/10.0.0.1/9'
	assert_equal "$(server "$tool" stats -j | json "d['attachments'][0]['ipv4']")" 1
	assert_equal "$(server "$tool" status -j | json "d['tool'], d['attachments'][0]['state']")" \
		"$name attached"
	run ls /sys/fs/bpf/hookpoint
	assert_output $name

	run server "$tool" unload -i veth0
	assert_output "veth0: detached"
	run server "$tool" status
	assert_failure 4
	run ip -netns server link show veth0
	refute_output --partial xdp
	run ls -A /sys/fs/bpf/hookpoint/$name
	assert_output ""
}

@test "new-problem: another version of its program wants --replace, and takes over" {
	local old=$BATS_TEST_TMPDIR/old
	"$new_problem" $name
	build $name
	assert_success
	cp "$tool" "$old"
	mutate $name.bpf.c 's/++\*count/*count += 2/'
	build $name
	assert_success

	start_network
	server "$old" load -i veth0
	run --separate-stderr server "$tool" load -i veth0
	assert_failure 3
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'another version'.*--replace ]]
	run server "$tool" load -i veth0 --replace --dry-run
	assert_output "veth0: would replace the program, counting frames"
	run server "$tool" load -i veth0 --replace
	assert_success
	assert_output "veth0: program replaced, counting frames"
	client bash -c 'echo >/dev/udp/10.0.0.1/9'
	assert_equal "$(server "$tool" stats -j | json "d['attachments'][0]['ipv4']")" 2
}

@test "new-problem: the demo that it makes tells its story to the end" {
	"$new_problem" $name
	build $name
	assert_success
	run --separate-stderr apart demo $name
	assert_success
	assert_equal "$stderr" ""
	assert_line --index 0 --partial "$name: "
	assert_equal "$(grep -c 'Hello from port 8080' <<<"$output")" "$(have_ipv6 && echo 2 || echo 1)"
	assert_line --regexp '^  ipv4 +[1-9]'
	assert_line "veth0: detached"
}

@test "new-problem: the lesson that it makes quotes the program, and its commands work" {
	"$new_problem" $name
	build $name
	assert_success

	run "$root/scripts/quote" --check "$folder/README.rst"
	assert_success

	HOOKPOINT_PATIENCE=30 run apart test-docs "$folder/README.rst"
	assert_success
	assert_line --partial "ok      problems/$name/README.rst: 2 blocks"
}

@test "new-problem: the shortest and the longest name work as well" {
	local each
	assert_equal ${#longest} 40
	for each in q $longest; do
		"$new_problem" "$each"
		build "$each"
		assert_success
		refute_output --partial warning
		apart sandbox "$each" load -i veth0
	done
}

@test "new-problem: with the shortest and the longest name the style is still right" {
	local each
	command -v clang-format >/dev/null || skip "clang-format is not installed"
	for each in q $longest; do
		"$new_problem" "$each"
		run clang-format --dry-run -Werror "$tree/problems/$each/$each".{h,c,bpf.c}
		assert_success
	done
}

# --- what is refused ---

@test "new-problem: a bad name is refused" {
	local bad
	for bad in '' ' ' . .. / a/b ../a 1 1a A Ab aB _ _a a_b a- a--b 'a b' ' a' 'a ' a.b 'a*' 'é' 'aé' \
		$'a\nb' $'a\n' 'a;b' "${longest}1"; do
		refused 'bad name' "$bad"
	done
	for bad in - -- -a --a -a-b; do refused 'unknown option' "$bad"; done
}

@test "new-problem: a name that means something else here is refused" {
	local bad
	for bad in clean demo tests test-this server client hookpoint bpf bpf-program hp-tool jansson; do
		refused "'$bad'" "$bad"
	done
	for bad in ls curl python3 test if for; do refused 'is a command already' "$bad"; done
	for bad in switch int linux errno timeval sockaddr-storage frame-kind json-t; do
		refused 'is a word of C' "$bad"
	done
}

@test "new-problem: without a compiler, only the words of C can't be told from others" {
	local bin=$BATS_TEST_TMPDIR/few command
	mkdir "$bin"
	for command in bash cat chown cp dirname find mkdir mv readlink rm sed; do
		ln -s "$(type -P $command)" "$bin"
	done
	PATH=$bin "$new_problem" $name
	[[ -e $folder/Makefile ]]
}

@test "new-problem: what is there already is left as it is" {
	local each
	mkdir "$tree/problems/full" "$tree/problems/empty"
	echo mine >"$tree/problems/full/mine"
	echo mine >"$tree/problems/file"
	ln -s nowhere "$tree/problems/link"
	for each in full empty file link; do
		refused "problems/$each is there already" $each
	done
}

@test "new-problem: no name, two names and an unknown option are refused" {
	refused 'NAME'
	refused 'NAME' $name another
	refused 'NAME' $name --help
	refused 'unknown option --frob' --frob
	refused 'unknown option -x' -x $name
}

@test "new-problem: --help and -h tell on standard output what it does" {
	local option
	for option in --help -h; do
		run --separate-stderr "$new_problem" $option
		assert_success
		assert_line --index 0 "usage: scripts/new-problem NAME"
		assert_equal "$stderr" ""
	done
}

# --- what goes wrong halfway ---

@test "new-problem: when a step fails, nothing is left" {
	local before command
	before=$(rest_of_the_tree)
	for command in mkdir cp sed mv chown; do
		put_in_the_way $command <<<'echo no space >&2; exit 4'
		run --separate-stderr env PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$new_problem" $name
		assert_failure 1
		assert_equal "${stderr_lines[-1]}" "new-problem: cannot make problems/$name"
		[[ ! -e $folder ]]
		[[ $(rest_of_the_tree) == "$before" ]]
		rm "$BATS_TEST_TMPDIR/bin/$command"
	done
}

@test "new-problem: when a signal ends it, nothing is left" {
	local before signal
	before=$(rest_of_the_tree)
	for signal in INT TERM HUP; do
		put_in_the_way cp <<-EOF
		PATH=$PATH
		cp "\$@"
		touch "$BATS_TEST_TMPDIR/half"
		kill -$signal \$PPID
		EOF
		run env --default-signal PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$new_problem" $name
		assert_failure $((128 + $(kill -l $signal)))
		[[ -e $BATS_TEST_TMPDIR/half ]]
		rm "$BATS_TEST_TMPDIR/half"
		[[ ! -e $folder ]]
		[[ $(rest_of_the_tree) == "$before" ]]
	done
}

@test "new-problem: a folder that appears meanwhile is not overwritten" {
	put_in_the_way chown <<<"mkdir '$folder' && echo mine >'$folder/mine'"
	run env PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$new_problem" $name
	assert_failure 1
	run ls -A "$tree/problems" "$folder"
	assert_output "$(printf '%s\n' "$tree/problems:" $name '' "$folder:" mine)"
}
