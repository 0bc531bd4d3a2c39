#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# Lessons quote the sources word for word.

load helpers

@test "lessons: each piece of C in a lesson stands so in the problem's sources" {
	local lesson
	for lesson in "$root"/problems/*/README.rst; do
		python3 - "$lesson" "${lesson%/*}"/*.c "${lesson%/*}"/*.h "$root"/common/bpf/*.h <<-'EOF'
		import re, sys, textwrap
		lesson, *sources = sys.argv[1:]
		# The width of the lesson's indentation, in blanks, is not the sources'; their tabs stay.
		blocks = re.findall(r"\.\. code-block:: c\n\n((?:    .*\n|\n)+)", open(lesson).read())
		text = "".join(open(source).read() for source in sources if not source.endswith(".skel.h"))
		wrong = [b for b in blocks if re.sub(r"(?m)^    ", "", b).strip("\n") not in text]
		for block in wrong:
		    print(f"{lesson}: not in the sources:\n{block}")
		print(f"{lesson}: {len(blocks)} pieces")
		sys.exit(bool(wrong) or not blocks)
		EOF
	done
}

