#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The disassembler and the assembler, beside llvm-objdump and bpftool. What is made equal before it is compared
# stands in llvm_words and our_words here, and in tests/disasm/bpftool-words.

load helpers

ours='every_insn|every_value|loadable_insns'
disasm=$root/scripts/disasm
seed=${HOOKPOINT_SEED:-1}

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# llvm_words OPTIONS... OBJECT: number, tab, text. Behind a jump it names the symbol that it leads to.
llvm_words() {
	llvm-objdump -d --no-show-raw-insn --no-print-imm-hex "$@" | sed -n 's/ <[^ ]*>$//; s/^ *\([0-9]*:\t\)/\1/p'
}

# our_words: standard input, the same way. It names no kinds of calls.
our_words() { sed -n 's/call pc+*/call /; s/^ *\([0-9]*:\t\)/\1/p'; }

# same_as_llvm SET NUMBER [OPTIONS...]: NUMBER random instructions of SET.
same_as_llvm() {
	"$root/tests/disasm/random-insns" "$1" "$2" "$seed" object text
	llvm_words "${@:3}" object >theirs
	our_words <text >ours
	assert_equal "$(wc -l <theirs)" "$2"
	cmp ours theirs || fail "$(diff ours theirs | head)"
}

# bats test_tags=host
@test "disasm: a million random instructions read as llvm-objdump reads them, and come back as the same bytes" {
	same_as_llvm v3 "${HOOKPOINT_INSTRUCTIONS:-1000000}" --mcpu=v2
}

# bats test_tags=host
@test "disasm: random 32-bit atomic operations read as llvm-objdump reads them" {
	same_as_llvm atomics 50000 --mcpu=v2 --mattr=+alu32
}

# Stores of immediates, bit tests, modulo, and what is newer: LLVM 14 knows none of them.
# bats test_tags=host
@test "disasm: random instructions that are new read as a new llvm-objdump reads them, and come back" {
	local newest
	"$root/tests/disasm/random-insns" v4 100000 "$seed" object text
	newest=$(compgen -c llvm-objdump | sort -V | tail -n 1)
	! "$newest" -d --mcpu=v4 object 2>&1 >/dev/null | grep -q 'not a recognized' || skip "compared with themselves only: no llvm-objdump here knows -mcpu=v4"
	llvm-objdump() { "$newest" "$@"; }
	same_as_llvm v4 100000 --mcpu=v4
}

# bats test_tags=host
@test "disasm: what llvm-objdump has no words for comes back as the same bytes" {
	"$root/tests/disasm/random-insns" ours 100000 "$seed" object text
	assert_equal "$(wc -l <text)" 100000
	run ! grep -F .insn text
}

# bats test_tags=host
@test "disasm: each object of the project reads as llvm-objdump reads it" {
	local object compared=0
	for object in "$root"/problems/*/*.bpf.o "$root"/tests/*/*.bpf.o; do
		llvm_words --mcpu=v2 "$object" >theirs
		"$disasm" "$object" | our_words >ours
		cmp ours theirs || fail "$object: $(diff ours theirs | head)"
		run ! grep -q unknown theirs
		compared=$((compared + $(wc -l <ours)))
	done
	((compared > 1000))
}

# bats test_tags=host
@test "disasm: an object assembled from its own text is the same bytes, with sections and functions as comments" {
	local object=$root/problems/block-tcp-8080/block-tcp-8080.bpf.o
	"$disasm" "$object" >text
	grep -qx '; section xdp' text
	grep -qx '; function block_ports' text
	llvm-objcopy --dump-section xdp=bytes "$object"
	sed -n '/^; section xdp/,$p' text | sed '2,${/^; section/,$d}' >section
	"$disasm" -a section >again
	cmp again bytes
	"$disasm" -r - <bytes | diff - <(grep -v '^;' section)
}

# bats test_tags=host
@test "disasm: damaged texts and random bytes are refused with a line or come back, under the sanitizers" {
	local set
	for set in v3 atomics v4 ours; do
		"$root/tests/disasm/random-insns" $set 500 "$seed" object text
		cat text >>corpus
	done
	run "$root/tests/disasm/mutate" 100000 "$seed" <corpus
	assert_success
	assert_line --regexp '^texts taken [0-9]{4,} refused [0-9]{5}$'
	assert_line --regexp '^programs taken [0-9]{4,} refused [0-9]{5}$'
}

# same_as_bpftool ID...: the loaded programs. (In the words of bpftool a BPF function has no number, and a zero
# extension and an address on this CPU are moves.)
same_as_bpftool() {
	local id
	for id; do
		echo "program $id" | tee -a dumped >>ours
		bpftool prog dump xlated id "$id" >>dumped
		"$disasm" -i "$id" >text
		sed -n 's/#[0-9]*$//; s/&(void __percpu \*)(\(.*\))/\1/; s/zext(\(.*\))/\1/; s/^ *\([0-9]*\):\t/\1\t/p' \
			text >>ours
		# And no byte is lost.
		"$disasm" -a text | "$disasm" -r - | diff - <(grep -v '^;' text)
	done
	"$root/tests/disasm/bpftool-words" <dumped >theirs
	(($(wc -l <ours) > 2 * $#))
	cmp ours theirs || fail "$(diff -U 1000 ours theirs | grep '^[-+@ ]program\|^[-+]' | head)"
}

# same_while_held NUMBER PROGRAM...: the programs that PROGRAM loads, whose ids it prints, NUMBER of them.
same_while_held() {
	local number=$1 before ids pid held
	before=$(everything)
	mkfifo hold
	"${@:2}" <hold >id 3>&- &
	pid=$!
	exec {held}>hold
	HOOKPOINT_PATIENCE=170 wait_for eval '(($(wc -l <id) == number)) || ! kill -0 $pid'
	mapfile -t ids <id
	assert_equal "${#ids[@]}" "$number"
	same_as_bpftool "${ids[@]}"
	run ! grep -F .insn text
	exec {held}>&-
	wait "$pid"
	nothing_left "$before"
}

# bats test_tags=slow
@test "disasm -i: a program with every kind of instruction reads as bpftool reads it" {
	same_while_held 1 "$root/tests/disasm/every-insn"
}

# In programs of 20,000. HOOKPOINT_INSTRUCTIONS=1000000 takes the better part of a minute.
# bats test_tags=slow,host
@test "disasm -i: random instructions that the verifier takes read as bpftool reads them" {
	local number=${HOOKPOINT_INSTRUCTIONS:-100000}
	same_while_held $((number / 20000)) "$root/tests/disasm/loadable-insns" "$number" "$seed"
	(($(wc -l <ours) > number * 9 / 10))
}

# ids_of DIRECTORY: of the programs pinned there. Where it is emulated, of one: bpftool reads all symbols of the
# kernel for each.
ids_of() {
	local pin
	for pin in "$1"/*; do
		bpftool prog show pinned "$pin" | sed -n '1s/:.*//p'
	done | head -n "$(scaled 100 1)"
}

# bats test_tags=slow
@test "disasm -i: each program of the project that this kernel takes reads as bpftool reads it" {
	local object n=0 ids refused=''
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
	for object in "$root"/problems/*/*.bpf.o; do
		# One that asks for a probe which this kernel lacks, or that libbpf no longer reads, is compared with
		# llvm-objdump only.
		n=$((n + 1))
		if bpftool prog loadall "$object" /sys/fs/bpf/$n 2>/dev/null; then
			ids+=" $(ids_of /sys/fs/bpf/$n)"
		else
			refused+=" ${object##*/}"
		fi
	done
	[[ ! $refused ]] || echo "# not loaded, so not compared:$refused" >&3
	# shellcheck disable=SC2086 # many words
	same_as_bpftool $ids
	(($(grep -c ^program ours) >= $(scaled 10 3)))
}

# one_line STATUS TEXT ARGUMENTS...: fails with STATUS and one line on standard error that holds TEXT.
one_line() {
	run --separate-stderr "$disasm" "${@:3}"
	assert_equal "$status" "$1"
	assert_equal "$output" ""
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr == "disasm: "*"$2"* ]] || fail "$stderr"
}

# bats test_tags=host
@test "disasm: what it can't read it refuses in one line, with the exit status that --help tells" {
	one_line 1 '--help'
	one_line 1 '--help' -x
	one_line 1 '--help' -i
	one_line 1 '--help' -i 1 2
	one_line 1 'No such file' nothing
	one_line 1 'Is a directory' /tmp
	one_line 1 'no BPF object' "$root/Makefile"
	one_line 1 'no BPF object' /bin/true
	one_line 1 'no number of a program' -i 0x
	one_line 1 'no number of a program' -i -1
	one_line 1 'no number of a program' -i 4294967296
	one_line 4 'no program with id 4294967295' -i 4294967295
	printf 1234567 >short
	one_line 1 '7 bytes' -r short
	printf 'r0 = 0\nr11 = 1\n' >text
	one_line 1 'text: line 2: register out of range: r11 = 1' -a text
	printf 'r0 = 0\0exit\n' >text
	one_line 1 'no text' -a text
	head -c 700 "$root/problems/block-tcp-8080/block-tcp-8080.bpf.o" >object
	one_line 1 'no instructions' object
}

# bats test_tags=host
@test "disasm -i: without capabilities it says that the kernel does not show it, exit 2" {
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$disasm" -i 1
	assert_failure 2
	assert_line --partial 'disasm: cannot open program 1: Operation not permitted'
	assert_equal "${#lines[@]}" 1
}

# bats test_tags=host
@test "disasm: output that cannot be written is an error" {
	local words
	run -2 sh -c '"$1" "$2" >/dev/full' - "$disasm" "$root/problems/block-tcp-8080/block-tcp-8080.bpf.o"
	assert_output 'disasm: cannot write to standard output: No space left on device'
	# More than a buffer holds, so that it is an earlier write that fails, and the last one may have nothing to do.
	"$root/tests/disasm/random-insns" v3 100000 "$seed" object text
	"$disasm" -a text >bytes
	for words in object '-r bytes' '-a text'; do
		# shellcheck disable=SC2086 # two words
		run -2 sh -c '"$@" >/dev/full' - "$disasm" $words
		assert_output --regexp '^disasm: cannot write to standard output(: No space left on device)?$'
	done
}

# bats test_tags=host
@test "disasm: --help on standard output, exit 0" {
	run --separate-stderr "$disasm" --help
	assert_success
	assert_line --index 0 --partial 'usage: scripts/disasm'
	assert_equal "$stderr" ""
}
