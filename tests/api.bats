#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# What common/hookpoint.h promises to those who use it, and that docs/reference tells of all of it.

load helpers

header=$root/common/hookpoint.h

# compiles PROGRAM.c [COMMON]: against today's header, or those in the folder COMMON, and today's library, without a
# warning.
compiles() {
	cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-const-variable -Wno-missing-field-initializers \
		-I "${2:-$root/common}" -o "$BATS_TEST_TMPDIR/program" "$1" \
		"$root/common/libhookpoint.a" -lbpf -lelf -lz -ljansson -lmnl
}

# functions HEADER [MARK]: the names of what it declares, with MARK or any.
functions() {
	grep -hE "^${2:-[A-Za-z_]}.*\bhp_[a-z0-9_]+\(" "$1" | grep -vE '^(typedef|static|#)' |
		grep -oE '\bhp_[a-z0-9_]+\(' | tr -d '(' | sort -u
}

# Of the header on standard input.
api_version() { awk '$2 == "HP_API_VERSION" { print $3 }'; }

@test "api: each function of hookpoint.h is marked as stable or experimental, and is there" {
	local name
	[[ $(functions "$header" | wc -l) -gt 80 ]]
	diff <(functions "$header") <(functions "$header" 'HP_(STABLE|EXPERIMENTAL) ')
	nm --defined-only "$root/common/libhookpoint.a" 2>/dev/null | awk '$2 == "T" { print $3 }' | sort -u >"$BATS_TEST_TMPDIR/defined"
	run comm -23 <(functions "$header") "$BATS_TEST_TMPDIR/defined"
	assert_output ""
}

@test "api: the program that uses all that is stable compiles, and names each stable function" {
	local name
	compiles "$root/tests/api/stable.c"
	"$BATS_TEST_TMPDIR/program" version
	for name in $(functions "$header" HP_STABLE); do
		grep -qE "\b$name\b" "$root/tests/api/stable.c" || fail "$name is stable, and not in tests/api/stable.c"
	done
}

@test "api: a stable function with another parameter is noticed" {
	mkdir "$BATS_TEST_TMPDIR/common"
	cp "$root"/common/*.h "$BATS_TEST_TMPDIR/common"
	sed -i 's/hp_bpffs_check(void)/hp_bpffs_check(int more)/' "$BATS_TEST_TMPDIR/common/hookpoint.h"
	run compiles "$root/tests/api/stable.c" "$BATS_TEST_TMPDIR/common"
	assert_failure
	assert_output --partial hp_bpffs_check
}

@test "api: the program of the version before compiles against today's header" {
	local before
	before=$(git -C "$root" tag --list 'v*' --sort=-version:refname 2>/dev/null | head -n 1) || true
	[[ $before ]] || skip "no version has been released yet: there is no tag v*"
	[[ $(git -C "$root" show "$before:common/hookpoint.h" | api_version) == "$(api_version <"$header")" ]] ||
		skip "HP_API_VERSION has risen since $before: nothing of it is promised"
	git -C "$root" show "$before:tests/api/stable.c" >"$BATS_TEST_TMPDIR/before.c"
	compiles "$BATS_TEST_TMPDIR/before.c"
}

@test "api: HP_API_VERSION and HP_VERSION are those that CHANGELOG.rst begins with" {
	local version api
	version=$(awk '$2 == "HP_VERSION" { gsub(/"/, "", $3); print $3 }' "$header")
	api=$(api_version <"$header")
	assert_equal "$(grep -m 1 -oE '^[0-9]+\.[0-9]+\.[0-9]+' "$root/CHANGELOG.rst")" "$version"
	grep -qE "\`\`HP_API_VERSION\`\`.* $api\b" "$root/CHANGELOG.rst"
}

@test "reference: docs/reference is what the headers say, with each public function in it" {
	local name
	"$root/scripts/reference" --check
	for name in $(functions "$header"); do
		grep -qE "\b$name\(" "$root/docs/reference/loader.rst" || fail "$name is not in docs/reference/loader.rst"
	done
	for name in $(functions "$root/common/insn.h"); do
		grep -qE "\b$name\(" "$root/docs/reference/instructions.rst" || fail "$name is not in docs/reference/instructions.rst"
	done
}

@test "reference: a changed comment is noticed, by --check" {
	local tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree/scripts" "$tree/docs"
	cp -r "$root/common" "$tree"
	cp "$root/scripts/reference" "$tree/scripts"
	run "$tree/scripts/reference" --check
	assert_failure 1
	assert_output "reference: docs/reference/loader.rst is not what common/hookpoint.h says: run scripts/reference"
	"$tree/scripts/reference"
	"$tree/scripts/reference" --check
	sed -i 's/Installs libbpf/Removes libbpf/' "$tree/common/hookpoint.h"
	run "$tree/scripts/reference" --check
	assert_failure 1
	run "$tree/scripts/reference" --frob
	assert_failure 1
	assert_equal "${#lines[@]}" 1
}
