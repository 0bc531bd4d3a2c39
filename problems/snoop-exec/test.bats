#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# snoop-exec beside real programs that start. `scripts/test snoop-exec` runs this.
#
# It sees what the whole machine starts. What a test starts itself it starts as a user whom nobody else is.
#
# shellcheck disable=SC2154 # run sets stderr and stderr_lines

load ../../tests/helpers

folder=$root/problems/snoop-exec
tool=$folder/snoop-exec
oddly=$folder/start-oddly
ours='report_exec|report_failed_e|ring_records|perf_records|exec_counts|drafts|\.rodata\.setting'
user=$((100000 + RANDOM)) # nobody else's, nor that of a test that runs beside

setup() {
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
	cd "$BATS_TEST_TMPDIR" || return
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "${BATS_TEST_TMPDIR%/*}" .
	cp "$folder/storm" started
	tracers=()
}

teardown() {
	((!${#tracers[@]})) || kill -9 "${tracers[@]}" 2>/dev/null || true
	"$tool" clean
}

# trace FILE OPTIONS...: `run` in the background, from when on it reports; $! is its process.
trace() {
	local process
	"$tool" run "${@:2}" >"$1" 2>"$1.err" 3>&- &
	process=$!
	tracers+=("$process")
	wait_for compgen -G "/sys/fs/bpf/hookpoint/snoop-exec/*-$process/program"
}

# end PROCESS: as Ctrl-C does; it must end well.
end() {
	kill -INT "$1"
	wait "$1"
}

# as_user COMMAND...: the path is the command's, so that there is one exec and not several tries.
as_user() { setpriv --reuid $user --clear-groups "$@"; }

# only LINE of the records in FILE whose text matches PATTERN.
only() {
	local found
	found=$(grep -e "$2" "$1")
	[[ $found && $found != *$'\n'* ]] || { echo "not one line with $2 in:" && cat "$1" && return 1; }
	echo "$found"
}

# total KEY FILE: of the last line of JSON.
total() { tail -n 1 "$2" | grep '"type":"totals"' | sed "s/.*\"$1\":\([0-9]*\).*/\1/"; }

# shows FILE PYTHON: asserts what is true of `execs`, the list of records in FILE, each of which Python's parser
# must understand.
shows() {
	python3 - "$@" <<-'EOF'
	import json, sys
	lines = open(sys.argv[1], encoding="ascii").read().splitlines()
	execs = [e for e in map(json.loads, lines) if e["type"] == "exec"]
	assert all(e["schema"] == 1 for e in execs)
	if not eval(sys.argv[2]):
	    print(*execs, sep="\n")
	    sys.exit(f"not so: {sys.argv[2]}")
	EOF
}

# --- what is reported ---

@test "snoop-exec: who started what, with which arguments" {
	trace out -u $user
	as_user sh -c './started one "two words" ""; true'
	end $!
	run head -n 1 out
	assert_output --regexp '^TIME +UID +PID +PPID +RET +COMM +FILE +ARGS$'

	local shell child
	shell=$(only out ' /bin/sh \| sh -c ')
	child=$(only out "^[0-9:.]\{12\} $user .* ./started  *./started one 'two words' ''\$")
	read -r _ _ shell _ <<<"$shell"
	read -r _ _ _ parent result comm _ <<<"$child"
	assert_equal "$parent $result $comm" "$shell 0 started"
	assert_equal "$(cat out.err)" "snoop-exec: 2 reported, 0 lost, $(sed 's/.* \([0-9]*\) filtered/\1/' out.err) filtered"
}

# storm_is_counted OPTIONS...: as many are reported as were started, or they are counted as lost.
storm_is_counted() {
	local n storm
	n=$(scaled 10000 500)
	trace out -j -u $user "$@"
	storm=$(as_user ./started "$n" marker)
	end $!
	assert_equal "${storm% *}" "$n"
	# ... and the storm itself
	assert_equal "$(($(total reported out) + $(total lost out)))" $((n + 1))
	assert_equal "$(grep -c '"args":\["./started","marker"\]' out)" $(($(total reported out) - 1))
	echo "# $n: $(total lost out) lost" >&2
}

@test "snoop-exec: of 10,000 execs in a storm each is reported, or counted as lost" {
	storm_is_counted
}

@test "snoop-exec: failed execs are reported with -x, and only so" {
	local before after
	trace with -j -x -u $user
	trace without -j -u $user
	before=$(date -u +%FT%T.%6NZ)
	as_user ./started here
	run -127 as_user ./missing a 'b c' ''
	after=$(date -u +%FT%T.%6NZ)
	end "${tracers[0]}"
	end "${tracers[1]}"
	shows without 'len(execs) == 1 and execs[0]["args"] == ["./started", "here"]'
	shows with 'len(execs) == 2 and execs[0]["ret"] == 0 and execs[0]["error"] is None'
	shows with '(execs[1]["ret"], execs[1]["error"], execs[1]["file"]) == (-2, "ENOENT", "./missing")'
	shows with 'execs[1]["args"] == ["./missing", "a", "b c", ""] and execs[1]["comm"] == "setpriv"'
	shows with "'$before' < execs[0]['time'] < execs[1]['time'] < '$after'"
}

@test "snoop-exec: killed, it leaves nothing attached, and clean removes its pins" {
	local before
	before=$(everything)
	trace out -x
	run bpftool link list
	assert_output --partial sched_process_exec
	kill -9 $!
	wait $! || true
	run "$tool" status
	assert_success
	assert_output --partial stale
	run "$tool" clean
	assert_success
	nothing_left "$before"
	tracers=()
}

# bats test_tags=slow
@test "snoop-exec: the same storm through a perf buffer" {
	storm_is_counted --perf
}

# overflows OPTIONS...: a reader that stands still, until the buffer has long been full.
overflows() {
	local storm
	trace out -j -u $user "$@"
	kill -STOP $!
	storm=$(as_user ./started 1000 "$(printf '%03000d' 0 | tr 0 x)")
	kill -CONT $!
	wait_for grep -q '"type":"lost"' out # where they are missing, and not only at the end
	end $!
	assert_equal "${storm% *}" 1000
	assert_equal "$(($(total reported out) + $(total lost out)))" 1001
	[[ $(total lost out) -gt 100 && $(total reported out) -gt 10 ]]
	assert_equal "$(grep -c '"type":"exec"' out)" "$(total reported out)"
	assert_equal "$(sed -n 's/.*"type":"lost","lost":\([0-9]*\)}/\1/p' out)" "$(total lost out)"
}

# bats test_tags=slow
@test "snoop-exec: a full ring buffer loses execs, and says how many" {
	overflows
}

# bats test_tags=slow
@test "snoop-exec: so does a full perf buffer" {
	overflows -p
}

# bats test_tags=slow
@test "snoop-exec: without ring buffers in the kernel it takes a perf buffer, and says so" {
	LD_PRELOAD=$folder/no-ringbuf.so trace out -j -x -u $user
	as_user ./started marker
	run -127 as_user ./missing
	run "$tool" status -j
	assert_output --partial '"buffer": "perf"'
	end $!
	shows out '[e["args"] for e in execs] == [["./started", "marker"], ["./missing"]]'
	run cat out.err
	assert_output "snoop-exec: this kernel has no ring buffer (5.8 has): using a perf buffer"
	run -0 env LD_PRELOAD="$folder/no-ringbuf.so" bpftool map create /sys/fs/bpf/ring type hash key 4 value 4 entries 1 name h
	run env LD_PRELOAD="$folder/no-ringbuf.so" bpftool map create /sys/fs/bpf/no type ringbuf key 0 value 0 entries 4096 name r
	assert_failure
}

# --- filters ---

# bats test_tags=slow
@test "snoop-exec: -u and -c leave out the others, and count them" {
	trace out -j -x -u $user -c started
	./started "another user"
	as_user ./started "the right one"
	as_user "$BATS_TEST_TMPDIR/started" "by another path"
	cp started not-started
	as_user ./not-started "another name"
	as_user "$oddly" thread ./not-started "another name"
	run -127 as_user ./nowhere/started "failed"
	run -127 as_user ./starte "failed, another name"
	[[ $("$tool" stats -j | member filtered) -ge 5 ]]
	end $!
	shows out '[e["args"][1] for e in execs] == ["the right one", "by another path", "failed"]'
	[[ $(total filtered out) -ge 5 ]]
	assert_equal "$(total reported out)" 3
}

# bats test_tags=slow
@test "snoop-exec: -u takes a name as well, and status tells the number" {
	trace out -j -u nobody -c x
	run "$tool" status -j
	assert_output --partial '"uid": 65534'
	assert_output --partial '"name": "x"'
	assert_output --partial '"buffer": "ring"'
	run "$tool" status
	assert_output --partial "process $!"
}

# --- odd ways to start ---

# bats test_tags=slow
@test "snoop-exec: a script is reported as what was asked for, and as what runs" {
	printf '#!/bin/sh -e\ntrue\n' >greet
	chmod +x greet
	trace out -j -u $user
	as_user ./greet world
	end $!
	shows out 'execs[0]["file"] == "./greet" and execs[0]["comm"] == "greet"'
	shows out 'execs[0]["args"] == ["/bin/sh", "-e", "./greet", "world"]'
}

# bats test_tags=slow
@test "snoop-exec: by a thread, by a descriptor, without arguments" {
	trace out -j -x -u $user -c started
	as_user "$oddly" thread ./started thread
	as_user "$oddly" at . started at
	as_user "$oddly" no-argv ./started
	run -127 as_user "$oddly" thread ./no/started thread
	run -127 as_user "$oddly" at /usr started at
	end $!
	sed -i 's|/dev/fd/[0-9]*|/dev/fd/N|' out # bats has some of its own
	shows out '[e["file"] for e in execs] == ["./started", "/dev/fd/N/started", "./started", "./no/started",
		"/dev/fd/N/started"]'
	shows out '[e["ret"] for e in execs] == [0, 0, 0, -2, -2]'
	shows out '[e["args"][1:] for e in execs] == [["thread"], ["at"], [], ["thread"], ["at"]]'
	shows out 'len({e["pid"] for e in execs}) == 5'

	trace out -j -x -u $user
	run -127 as_user "$oddly" thread ./no/started "a thread"
	as_user "$oddly" fexecve ./started fexecve
	run -127 as_user "$oddly" fexecve . fexecve
	end $!
	sed -i 's|/dev/fd/[0-9]*|/dev/fd/N|' out
	shows out '[e["file"] for e in execs if e["args"][1:] == ["fexecve"]] == ["/dev/fd/N"] * 2'
	shows out 'execs[-1]["error"] == "EACCES"'
	# its process's number, and not its own
	shows out '[e["pid"] for e in execs if e["args"][-1] == "a thread"] == [execs[0]["pid"]] * 2'
}

# bats test_tags=slow
@test "snoop-exec: long arguments, and many, are cut, and said to be" {
	local long
	long=$(printf '%05000d' 0)
	trace out -j -x -u $user
	as_user ./started "x$long" tail
	# shellcheck disable=SC2046 # many words
	as_user ./started $(seq -f x%g 2000)
	run -127 as_user ./missing "x$long" tail
	# shellcheck disable=SC2046
	run -127 as_user ./missing $(seq 100)
	as_user ./started short
	end $!
	shows out '[e["cut"] for e in execs] == [True] * 4 + [False]'
	shows out 'execs[0]["argc"] == 3 and execs[0]["args"][1] == "x" + "0" * 4085'
	shows out 'execs[1]["argc"] == 2001 and execs[1]["args"][1:700] == [f"x{i}" for i in range(1, 700)]'
	shows out 'execs[2]["args"][1].startswith("x0000") and len(execs[2]["args"]) == 2'
	shows out 'execs[3]["args"] == ["./missing"] + [str(i) for i in range(1, 64)]'
}

# bats test_tags=slow
@test "snoop-exec: what can't be read is missing, and said to be; its exec never is" {
	printf untouched >texts
	trace out -j -x -u $user
	as_user "$oddly" untouched ./started texts
	run -127 as_user "$oddly" untouched ./missing texts
	run -127 as_user "$oddly" bad-file argument
	run -127 as_user "$oddly" bad-argv ./started
	run -127 as_user "$oddly" null-argv ./missing
	end $!
	# on success the kernel has just read them
	shows out 'execs[1]["args"] == ["./started", "untouched"]'
	# on failure it may have: in 6.1, but not in 6.12
	shows out 'execs[3]["file"] == "./missing" and execs[3]["args"][1] in (None, "untouched")'
	shows out 'execs[5]["file"] is None and execs[5]["error"] == "EFAULT"'
	shows out 'execs[7]["args"] == [] and execs[7]["unreadable"]'
	shows out 'execs[9]["args"] == [] and not execs[9]["unreadable"]'
}

# bats test_tags=slow
@test "snoop-exec: an exec that fails when the old program is already gone" {
	python3 - <<-'EOF'
	import struct
	header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
	header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
	# a segment where no program can be
	segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0xFFFF800000000000, 0, 4096, 4096, 4096)
	open("doomed", "wb").write(header + segment + bytes(4096))
	EOF
	chmod +x doomed
	trace out -j -x -u $user
	run -139 as_user ./doomed
	end $!
	shows out 'len(execs) == 1 and execs[0]["ret"] < 0 and execs[0]["comm"] == "doomed"'
}

# bats test_tags=slow
@test "snoop-exec: 32-bit programs are reported, and what they start" {
	gcc -m32 -nostdlib -static -o started-32 -x c - <<-'EOF' || skip "the compiler here makes no 32-bit programs"
	void _start(void)
	{
		static const char *argv[] = { "./started", "by 32 bits", 0 };
		int ret;

		asm volatile("int $0x80" : "=a"(ret) : "0"(11), "b"(argv[0]), "c"(argv), "d"(argv + 2) : "memory");
		asm volatile("int $0x80" : : "a"(1), "b"(ret));
	}
	EOF
	as_user ./started-32 || skip "the kernel runs no 32-bit programs here"
	trace out -j -x -u $user
	as_user ./started-32
	end $!
	shows out '[e["args"] for e in execs] == [["./started-32"], ["./started", "by 32 bits"]]'
}

# --- hostile names ---

# bats test_tags=slow
@test "snoop-exec: arguments can't leave their line, and a shell reads them as they were" {
	local arguments line name=$'e\e[2Jvil\n'
	arguments=(plain '' "it's" $'two\nlines' $'\e[31mred\e[0m\a' $'bad \xff\xc0\xaf\xed\xa0\x80 end' $'\x9b'31m
		$'\xe2\x80\xaeright to left' $'\xc2\x9b31m' 'back\slash' '~' '#x' '?' ... '$HOME' '`id`' 'ünïcode ☃' $'\x7f' $'\xe2\x80\x8b' '*')
	cp started "$name"
	trace out -u $user
	trace out.json -j -u $user
	as_user "./$name" "${arguments[@]}"
	end "${tracers[0]}"
	end "${tracers[1]}"

	assert_equal "$(wc -l <out)" 2
	run grep -cP '[^\x20-\x7e\n]' <(LC_ALL=C sed $'s/\xc3[\xbc\xaf]\\|\xe2\x98\x83//g' out) # ü, ï, ☃
	assert_output 0
	line=$(tail -n 1 out)
	# shellcheck disable=SC1112
	eval "got=(${line#* \$\'./e*\' })"
	assert_equal "${#got[@]}" $((${#arguments[@]} + 1))
	assert_equal "${got[*]:1}" "${arguments[*]}"
	[[ ${got[0]} == "./$name" && $line == *" '?' '...' "* ]] # not the marks of what is missing

	shows out.json 'execs[0]["file"] == "./e\x1b[2Jvil\n" and execs[0]["comm"] == "e\x1b[2Jvil\n"'
	shows out.json 'execs[0]["args"][3:6] == ["it\x27s", "two\nlines", "\x1b[31mred\x1b[0m\x07"]'
	shows out.json 'execs[0]["args"][6].strip("\ufffd") == "bad \ufffd\ufffd\ufffd\ufffd\ufffd\ufffd end"'
	shows out.json 'execs[0]["args"][8] == "\u202eright to left" and execs[0]["args"][17] == "ünïcode ☃"'
}

# --- living with it ---

# bats test_tags=slow
@test "snoop-exec: two at once do not disturb each other, nor does Ctrl-C leave anything" {
	local before
	before=$(everything)
	trace one -j -u $user
	trace two -j -u $user -p
	as_user ./started both
	run "$tool" stats
	assert_success
	assert_output --partial "process ${tracers[0]}"
	assert_output --partial "process ${tracers[1]}"
	end "${tracers[0]}"
	as_user ./started second
	kill -TERM "${tracers[1]}"
	wait "${tracers[1]}"
	shows one '[e["args"][1] for e in execs] == ["both"]'
	shows two '[e["args"][1] for e in execs] == ["both", "second"]'
	nothing_left "$before"
	run "$tool" stats
	assert_failure 4
}

# bats test_tags=slow
@test "snoop-exec: stats of one that runs" {
	trace out -u $user
	as_user ./started
	as_user ./started
	run "$tool" stats -j
	assert_success
	assert_equal "$(member reported <<<"$output") $(member lost <<<"$output")" "2 0"
	[[ $(member filtered <<<"$output") -ge 1 ]]
	run "$tool" stats
	assert_output --regexp "reported +2"
}

# bats test_tags=slow
@test "snoop-exec: a reader that goes away ends it" {
	"$tool" run -j -u $user 2>err 3>&- > >(head -n 1 >first) &
	tracers=($!)
	wait_for compgen -G "/sys/fs/bpf/hookpoint/snoop-exec/*-$!/program"
	as_user ./started one
	sleep 0.3
	as_user ./started two
	as_user ./started three
	local ended=0
	wait $! || ended=$?
	assert_equal "$ended" 2
	run cat err
	assert_output "snoop-exec: cannot write to standard output: Broken pipe"
}

# bats test_tags=slow
@test "snoop-exec: a dry run attaches nothing; wrong options and lacking rights are said in one line" {
	local before
	before=$(everything)
	run "$tool" run --dry-run -x
	assert_success
	nothing_left "$before"
	run "$tool" run -u no-such-user
	assert_failure 1
	assert_output "snoop-exec: there is no user 'no-such-user' (see \`snoop-exec help\`)"
	run "$tool" run -c a/b
	assert_failure 1
	assert_output "snoop-exec: 'a/b' is no name of a file (see \`snoop-exec help\`)"
	run as_user "$tool" run
	assert_failure 2
	assert_equal "${#lines[@]}" 1
}
