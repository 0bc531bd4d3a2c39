#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/export: the recipe of watch-acks, whose test takes probes, which the host may not have.

load helpers
load export

@test "export: watch-acks builds alone with the usual clang, both ways" {
	travels watch-acks clang later
	mv "$dir" "$BATS_FILE_TMPDIR/built-clang"
}

@test "export: watch-acks builds alone with clang-19, both ways" {
	travels watch-acks clang-19 later
	mv "$dir" "$BATS_FILE_TMPDIR/built-clang-19"
}

@test "export: watch-acks passes its test, on Linux 6.1" {
	local way tried=()
	needs 6.1
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
