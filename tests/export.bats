#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/export: every recipe, both ways, built and tested where the tree is out of reach.
#
# shellcheck disable=SC2154 # run sets stderr and stderr_lines

load helpers

export=$root/scripts/export

setup() {
	unset MAKEFLAGS MAKELEVEL MFLAGS # of a make that runs the tests
	dir=$BATS_TEST_TMPDIR/work # not where run --separate-stderr has files
	mkdir "$dir"
}

# alone FOLDER COMMAND...: runs COMMAND there, with nothing in the place of this tree. (bats' watch on each test is for
# this file's: a recipe's test ends all of its jobs, which leaves half of it.)
alone() {
	env -u HOOKPOINT_SANDBOX -u BATS_TEST_TIMEOUT -C "$1" unshare --mount \
		sh -ec 'mount -t tmpfs tmpfs "$0"; exec "$@"' "$root" "${@:2}"
}

# build FOLDER CLANG: without a warning, or any other word. What it is built of for this machine may be there from the
# other clang. (Without -O2, which takes its time: what gcc warns of with it, it warns of in the tree's own build.)
build() {
	rm -f "$1"/*.bpf.o "$1"/*.skel.h
	run alone "$1" make -s -j2 CLANG="$2" CFLAGS=-Werror
	assert_success
	assert_output ""
}

# symbols OBJECT...: those that they use, or with -g --defined-only, make.
symbols() { nm -P "$@" | awk 'NF > 1 { print $1 }' | sort -u; }

# nothing_too_much FOLDER NAME: each part makes what another one uses, each header is included.
nothing_too_much() {
	local file used objects headers
	mapfile -t objects < <(find "$1" -name '*.o' ! -name '*.bpf.o')
	used=$(symbols -u "${objects[@]}")
	for file in "${objects[@]}"; do
		[[ $file == "$1/$2.o" ]] || symbols -g --defined-only "$file" | grep -qxF "$used" ||
			fail "nothing needs $file"
	done
	mapfile -t headers < <(find "$1" -name '*.h')
	for file in "${headers[@]}"; do
		grep -qr "^#include \"${file##*/}\"" "$1" || fail "nothing includes $file"
	done
}

# is_minimal FOLDER NAME
is_minimal() {
	local library
	run ls -A "$1"
	refute_line hookpoint
	[[ $(compgen -G "$1/*.c" | grep -v 'bpf\.c$') == "$1/$2.c" ]]
	(($(wc -l <"$1/$2.c") <= 120)) || fail "$2.c has $(wc -l <"$1/$2.c") lines"
	for library in $(objdump -p "$1/$2" | awk '$1 == "NEEDED" { print $2 }'); do
		[[ $library =~ ^lib(bpf|elf|z|c)\.so ]] || fail "it needs $library"
	done
}

# is_whole FOLDER: what every folder has.
is_whole() {
	(($(wc -l <"$1/Makefile") <= 40))
	(($(wc -l <"$1/README.rst") <= 60))
	run grep -rnE '^@|@[A-Z_]+@' "$1/README.rst" "$1/Makefile"
	assert_output ""
	for text in 'Build and test' Run 'What to change first' 'Where it came from'; do
		grep -qx "$text" "$1/README.rst"
	done
	diff -r "$root/LICENSES" "$1/LICENSES"
	run find "$1" -type l
	assert_output ""
}

# travels NAME COMPILER: both ways, up to the test, which is not for this kernel if a third argument says so.
travels() {
	local way folder option made
	[[ $(type -P "$2") ]] || skip "$2 is not installed; to install: sudo scripts/setup test"
	for way in full minimal; do
		folder=$dir/$way made=$BATS_FILE_TMPDIR/$1-$way
		if [[ ! -e $made ]]; then # otherwise the other compiler's test has it made
			option=()
			if [[ $way == minimal ]]; then option=(--minimal); fi
			run "$export" "${option[@]}" "$1" "$made"
			assert_success
			is_whole "$made"
		fi
		build "$made" "$2"
		cp -a "$made" "$folder"
		if [[ $way == minimal ]]; then is_minimal "$folder" "$1"; else nothing_too_much "$folder" "$1"; fi
		if [[ ! ${3:-} ]]; then
			run alone "$folder" make test
			assert_success
			assert_line --regexp '^ok [1-9]'
			refute_line --partial '# skip'
		fi
	done
}

@test "export: block-tcp-8080 builds alone with the usual clang, both ways, and passes its test" {
	travels block-tcp-8080 clang
}

@test "export: block-tcp-8080 builds alone with clang-19, both ways, and passes its test" {
	travels block-tcp-8080 clang-19
}

@test "export: drop-spoofed-packets builds alone with the usual clang, both ways, and passes its test" {
	travels drop-spoofed-packets clang
}

@test "export: drop-spoofed-packets builds alone with clang-19, both ways, and passes its test" {
	travels drop-spoofed-packets clang-19
}

@test "export: localhost-bypass builds alone with the usual clang, both ways, and passes its test" {
	travels localhost-bypass clang
}

@test "export: localhost-bypass builds alone with clang-19, both ways, and passes its test" {
	travels localhost-bypass clang-19
}

@test "export: snoop-exec builds alone with the usual clang, both ways, and passes its test" {
	travels snoop-exec clang
}

@test "export: snoop-exec builds alone with clang-19, both ways, and passes its test" {
	travels snoop-exec clang-19
}

@test "export: count-ttl builds alone with the usual clang, both ways, and passes its test" {
	travels count-ttl clang
}

@test "export: count-ttl builds alone with clang-19, both ways, and passes its test" {
	travels count-ttl clang-19
}

@test "export: load-by-hand builds alone with the usual clang, both ways, and passes its test" {
	travels load-by-hand clang
}

@test "export: load-by-hand builds alone with clang-19, both ways, and passes its test" {
	travels load-by-hand clang-19
}

@test "export: watch-acks builds alone with the usual clang, both ways" {
	travels watch-acks clang later
	mv "$dir" "$BATS_FILE_TMPDIR/built-clang"
}

@test "export: watch-acks builds alone with clang-19, both ways" {
	travels watch-acks clang-19 later
	mv "$dir" "$BATS_FILE_TMPDIR/built-clang-19"
}

# It takes probes, which the host may not have.
@test "export: watch-acks passes its test, on Linux 6.1" {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/hookpoint missing
	missing=$("$root/scripts/setup" --check vm | awk -F '\t' '$2 == "missing" { print $1 }' | paste -sd ' ')
	[[ ! $missing ]] || skip "missing $missing; to install: sudo scripts/setup vm"
	[[ -e $cache/linux-6.1 ]] || skip "Linux 6.1 is not here; to fetch it: scripts/vm -- true"
	local way tried=()
	for way in clang/full clang/minimal clang-19/full clang-19/minimal; do
		[[ ! -e $BATS_FILE_TMPDIR/built-$way ]] || tried+=("$BATS_FILE_TMPDIR/built-$way")
	done
	((${#tried[@]})) || skip "it was not built"
	# shellcheck disable=SC2016 # the guest is to expand it
	run "$root/scripts/vm" --kernel 6.1 -- sh -ec '
		mount -t tmpfs tmpfs "$0"
		for folder; do
			cd "$folder"
			make test
		done' "$root" "${tried[@]}"
	assert_success
	assert_equal "$(grep -c '^1\.\.[1-9]' <<<"$output")" ${#tried[@]}
	refute_line --partial '# skip'
}

# --- where it goes ---

# everything_in FOLDER: to compare.
everything_in() { find "$1" -printf '%y %m %p %l\n' -type f -exec sha256sum {} + | sort; }

# refused REASON ARGUMENT...: one line on standard error, exit 1, and nothing is made or changed.
refused() {
	local before reason=$1
	before=$(everything_in "$dir")
	run --separate-stderr "$export" "${@:2}"
	[[ $status == 1 && ! $output && ${#stderr_lines[@]} == 1 && $stderr == "export: "*"$reason"* ]] ||
		fail "'${*:2}': exit $status: $output$stderr"
	assert_equal "$(everything_in "$dir")" "$before"
}

@test "export: a folder that is not empty is refused, and nothing is written" {
	mkdir "$dir/full" "$dir/hidden"
	echo mine >"$dir/full/mine"
	echo mine >"$dir/hidden/.mine"
	echo mine >"$dir/file"
	ln -s full "$dir/link"
	refused "$dir/full is not empty" block-tcp-8080 "$dir/full"
	refused "$dir/link is not empty" block-tcp-8080 "$dir/link"
	refused "$dir/hidden is not empty" --minimal block-tcp-8080 "$dir/hidden"
	refused "$dir/file is there already" block-tcp-8080 "$dir/file"
	refused "there is no folder $dir/none" block-tcp-8080 "$dir/none/x"
}

@test "export: an empty folder is filled, the one that one is in, too" {
	mkdir "$dir/empty"
	cd "$dir/empty"
	run --separate-stderr "$export" --minimal block-tcp-8080 .
	assert_success
	assert_equal "$stderr" ""
	assert_output "block-tcp-8080: $(find . -type f | wc -l) files. Next, in that folder: make && sudo make test"
	[[ -e Makefile ]]
	run ls -A .
	refute_line --regexp '^\.'
}

@test "export: options stand anywhere, paths may have blanks and quotes, and make export does it too" {
	"$export" load-by-hand "$dir/a b" -m
	ln -s "$export" "$dir/by-link"
	cd /
	"$dir/by-link" -m load-by-hand "$dir/c"
	diff -r "$dir/a b" "$dir/c"
	"$export" load-by-hand "$dir/d"
	make -s -C "$root" export NAME=load-by-hand DEST="$dir/it's \"e\""
	diff -r "$dir/d" "$dir/it's \"e\""
}

@test "export: an unknown name is answered with those that there are" {
	local name
	for name in block-tcp '' . .. ../problems/block-tcp-8080 block-tcp-8080/; do
		refused "there is no recipe '$name'; there are: block-tcp-8080 count-ttl " "$name" "$dir/x"
	done
	assert_equal "${stderr#*there are: }" "$(cd "$root/problems" && echo *)"
}

@test "export: wrong usage is one line, and --help is on standard output" {
	refused 'a NAME and a DEST'
	refused 'a NAME and a DEST' block-tcp-8080
	refused 'a NAME and a DEST' block-tcp-8080 ''
	refused 'a NAME and a DEST' block-tcp-8080 "$dir/x" "$dir/y"
	refused 'unknown option --frob' --frob block-tcp-8080 "$dir/x"
	for option in -h --help; do
		run --separate-stderr "$export" $option
		assert_success
		assert_line --index 0 "usage: scripts/export [--minimal] NAME DEST"
		assert_equal "$stderr" ""
	done
}

# --- what goes wrong halfway ---

# put_in_the_way NAME: a command of that name that does what standard input says.
put_in_the_way() {
	mkdir -p "$dir/bin"
	{ echo '#!/bin/bash' && cat; } >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}

@test "export: when a step fails, nothing is left" {
	local command folder
	mkdir "$dir/empty"
	for command in cp cc make awk git sed mv; do
		put_in_the_way $command <<<'echo no space >&2; exit 4'
		for folder in new empty; do
			[[ $command != git ]] || continue # a tree may be in none
			run --separate-stderr env PATH="$dir/bin:$PATH" "$export" load-by-hand "$dir/$folder"
			[[ $status != 0 ]] || fail "$command failed, and nobody has noticed"
			assert_equal "${stderr_lines[-1]}" "export: load-by-hand is not exported: see above; $dir/$folder is as it was"
			assert_equal "$(ls -A "$dir/empty")" ''
			[[ ! -e $dir/new ]]
		done
		rm "$dir/bin/$command"
	done
}

@test "export: when a signal ends it, nothing is left" {
	local signal folder
	mkdir "$dir/empty"
	for signal in INT TERM HUP; do
		for folder in new empty; do
			put_in_the_way cc <<-EOS
			ls -A "$dir/$folder" >"$dir/half"
			kill -$signal \$(pgrep -f '[s]cripts/export')
			sleep 0.2
			EOS
			run env --default-signal PATH="$dir/bin:$PATH" "$export" load-by-hand "$dir/$folder"
			assert_failure $((128 + $(kill -l $signal)))
			assert_equal "$(<"$dir/half")" .half
			assert_equal "$(ls -A "$dir/empty")" ''
			[[ ! -e $dir/new ]]
		done
	done
}

# --- where it came from ---

# copy_tree: what it takes of this tree, as $tree.
copy_tree() {
	tree=$dir/tree
	mkdir -p "$tree/problems"
	cp -a "$root"/{LICENSES,common,scripts,Makefile} "$tree"
	cp -a "$root/problems/load-by-hand" "$tree/problems"
}

# origin FIELD: what the README of the folder $dir/x says, which is made anew.
origin() {
	rm -rf "$dir/x"
	"$tree/scripts/export" -m load-by-hand "$dir/x" >"$dir/said"
	sed -n "s/^:$1: //p" "$dir/x/README.rst"
}

@test "export: the README names the version, the repository and the commit, and no password" {
	local git
	copy_tree
	git=(git -C "$tree" -c user.name=a -c user.email=b)
	assert_equal "$(origin commit)" unknown
	assert_equal "$(origin repository)" unknown
	"${git[@]}" init -q
	"${git[@]}" add .
	"${git[@]}" commit -qm 1
	"${git[@]}" remote add origin https://me:secret@example.org/hookpoint.git
	assert_equal "$(origin commit)" "$("${git[@]}" rev-parse HEAD)"
	assert_equal "$(origin repository)" https://example.org/hookpoint.git
	grep -q "^Hookpoint $(sed -n 's/^#define HP_VERSION "\(.*\)"/\1/p' "$root/common/hookpoint.h"), " "$dir/x/README.rst"
	echo '/* mine */' >>"$tree/problems/load-by-hand/counts.bpf.c"
	[[ $(origin commit) == *', with changes that are in no commit' ]]
}

@test "export: by root, in somebody else's tree, what is built there is theirs" {
	copy_tree
	rm -f "$tree/problems/load-by-hand/load-by-hand"
	mv "$tree" /run/tree
	chmod 755 /run
	chown -R 1234:4321 /run/tree
	/run/tree/scripts/export load-by-hand "$dir/x"
	assert_equal "$(stat -c '%u %g' /run/tree/problems/load-by-hand/load-by-hand)" '1234 4321'
	run find /run/tree ! -uid 1234
	assert_output ""
	rm -r /run/tree
}
