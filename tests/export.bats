#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/export: every recipe, both ways, built and tested where the tree is out of reach. (That of watch-acks is
# tested in tests/export-vm.bats.)
#
# shellcheck disable=SC2154 # run sets stderr and stderr_lines

load helpers
load export

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
			kill -$signal \$(pgrep -f "[s]cripts/export .*$dir/")
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
