# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What tests of scripts/export have in common: see `travels`.
#
# shellcheck disable=SC2016,SC2154 # the shell in `alone` is to expand what is quoted; `run` sets stderr and stderr_lines

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
