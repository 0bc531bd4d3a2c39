#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# The lesson docs/maps.rst: its program, what it prints, and what it quotes. The map library itself is
# tested by tests/unit/test-map*.c; its benchmark below.

load helpers

lesson=$root/docs/maps.rst

# command START: the line of the lesson that a person types, without its prompt.
command_of() { sed -n "s/^    # \($1 .*\)/\1/p" "$lesson"; }

# build: the lesson's program, as the lesson says, but not in /tmp.
build() { (cd "$root" && eval "$(command_of cc | sed "s|/tmp/maps|$BATS_TEST_TMPDIR/maps|")"); }

# blocks LANGUAGE PATTERN: the text of the lesson's blocks that have a line with PATTERN.
blocks() {
	python3 - "$lesson" "$1" "$2" <<-'EOF'
	import re, sys
	text = open(sys.argv[1]).read()
	for block in re.findall(rf"\.\. code-block:: {sys.argv[2]}\n\n((?:    .*\n|\n)+)", text):
	    if re.search(sys.argv[3], block, re.M):
	        print(re.sub(r"(?m)^    ", "", block).strip("\n"))
	EOF
}

@test "maps: the lesson's program does what the lesson shows, call by call" {
	command -v strace >/dev/null || skip "strace is not installed"
	build
	# The first descriptor that is free is the map's, and 3 and 4 are bats'.
	eval "$(command_of strace | sed "s|/tmp/maps|$BATS_TEST_TMPDIR/maps|")" >"$BATS_TEST_TMPDIR/run" 3>&- 4>&-
	# What libbpf asks before the first call differs from version to version, as the entries' order from run to run.
	sed -i 's/ *$//; /^+++/d; 1,/^bpf(BPF_MAP_CREATE/ { /^bpf(BPF_MAP_CREATE/!d }' "$BATS_TEST_TMPDIR/run"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/run") -gt 40 ]]
	diff <(blocks console '^    bpf\(' | sort) <(sort "$BATS_TEST_TMPDIR/run")
}

@test "maps: without rights the lesson's program is refused, as the lesson shows" {
	build
	chmod 755 "$BATS_TEST_TMPDIR/maps"
	run setpriv --reuid=65534 --clear-groups "$BATS_TEST_TMPDIR/maps"
	assert_failure 1
	assert_output "$(blocks console '[$] /tmp/maps$' | tail -n 1)"
}

@test "maps: each piece of C in the lesson stands so in the sources" {
	python3 - "$lesson" "$root"/docs/examples/maps.c "$root"/common/map*.c <<-'EOF'
	import re, sys
	lesson, *sources = sys.argv[1:]
	blocks = re.findall(r"\.\. code-block:: c\n\n((?:    .*\n|\n)+)", open(lesson).read())
	text = "".join(open(source).read() for source in sources)
	wrong = [b for b in blocks if re.sub(r"(?m)^    ", "", b).strip("\n") not in text]
	print(*wrong, sep="\n")
	sys.exit(bool(wrong) or not blocks)
	EOF
}

@test "maps: a quick run of the benchmark measures every case, as JSON" {
	run --separate-stderr "$root/tests/bench/maps/bench" -q -j
	assert_success
	[[ -z $stderr ]]
	# Reading in 3 ways, replacing 3 things in 3 ways.
	python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert len({line["case"] for line in lines}) == len(lines) == 3 + 3 * 3, lines
assert all(line["schema"] == 1 and line["bench"] == "maps" and line["unit"] == "ms" for line in lines)
assert all(line["value"] > 0 and line["repetitions"] == 2 for line in lines), lines
targets = [target for line in lines for target in line.get("targets", [])]
assert len(targets) == 2 + 3 * 2 and all(target["met"] in (True, False) for target in targets)' <<<"$output"
	[[ ! -e /sys/fs/bpf/bench-maps ]]
}
