#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# load-by-hand: what it loads does what it says, on real packets, and is what libbpf makes of it; and whatever it
# does not load leaves nothing. `scripts/test load-by-hand` runs this.

load ../../tests/helpers

here=$root/problems/load-by-hand
tool=$here/load-by-hand
blocker=$root/problems/block-tcp-8080/block-tcp-8080.bpf.o
dir=/sys/fs/bpf/by-hand
ours='block_ports|(frame|protocol|source|packet|byte)_counts|port_rows|totals|\.data\.ports|\.rodata|\.bss'
ours+='|count_(in|out|frames)|made[0-9]*'

setup() {
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
}

# with_network: for the tests that need hosts; teardown ends them.
with_network() {
	make_network
	network=yes
}
teardown() { if [[ ${network:-} ]]; then stop_network; fi; }

# one_line STATUS TEXT COMMAND...: fails with STATUS, and one line on standard error that holds TEXT.
one_line() {
	run --separate-stderr "${@:3}"
	assert_equal "$status" "$1"
	assert_equal "$output" ""
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr == "load-by-hand: "*"$2"* ]] || fail "it said: $stderr"
}

# damaged TEXT OBJECT PLACE=VALUE...: such a copy is refused with TEXT.
damaged() {
	"$here/damage" "$2" "$BATS_TEST_TMPDIR/damaged.o" "${@:3}"
	one_line 1 "$1" timeout 10 "$tool" load "$BATS_TEST_TMPDIR/damaged.o" $dir
}

# compile NAME: the C on standard input, with the headers that all need.
compile() {
	{
		printf '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n'
		cat
		printf '\nchar LICENSE[] SEC("license") = "GPL";\n'
	} | clang -target bpf -O2 -g -idirafter "/usr/include/$(gcc -print-multiarch)" -x c -c - \
		-o "$BATS_TEST_TMPDIR/$1.o"
}

# unknown TEXT: what is compiled from standard input is refused with TEXT.
unknown() {
	compile unknown
	one_line 1 "$1" "$tool" load "$BATS_TEST_TMPDIR/unknown.o" $dir
}

# value PIN KEY...: the first eight bytes of an entry, as a number; of all CPUs, if the map is per CPU.
value() {
	bpftool --json map lookup pinned "$1" key hex "${@:2}" |
		json 'sum(int.from_bytes(bytes(int(b, 16) for b in v["value"][:8]), "little") for v in d.get("values", [d]))'
}

# --- what it loads ---

@test "load-by-hand: block-tcp-8080's object, attached with ip: port 8080 dies, port 8081 lives; rm -r leaves nothing" {
	local before
	with_network
	before=$(everything)
	listen server 8080
	listen server 8081
	run "$tool" load "$blocker" $dir
	assert_success
	assert_line --regexp '^map port_rows: id [0-9]+, type 6, key 4 bytes, value 2056 bytes, entries 256$'
	assert_line --regexp '^map \.data\.ports: id [0-9]+, type 2, key 4 bytes, value 16392 bytes, entries 1$'
	assert_line --regexp '^program block_ports: id [0-9]+, section xdp$'
	run ls $dir
	assert_output $'_data_ports\nblock_ports\nframe_counts\nport_rows'

	server ip link set dev veth0 xdp pinned $dir/block_ports
	is_silent client http://10.0.0.1:8080/
	is_silent client 'http://[fd00::1]:8080/'
	answers client http://10.0.0.1:8081/
	answers client 'http://[fd00::1]:8081/'

	server ip link set dev veth0 xdp off
	rm -r $dir
	answers client http://10.0.0.1:8080/
	nothing_left "$before"
}

@test "load-by-hand: maps that BTF defines count what arrives, and constants and variables are there" {
	with_network
	run "$tool" load "$here/counts.bpf.o" $dir
	assert_success
	server ip link set dev veth0 xdp pinned $dir/count_frames
	client ping -q -c 3 -i 0.1 10.0.0.1
	client ping -q -c 2 -i 0.1 -s 1200 10.0.0.1 # more than limit_bytes
	assert_equal "$(value $dir/protocol_counts 1 0 0 0)" 3
	assert_equal "$(value $dir/source_counts 0a 0 0 2)" 3
	assert_equal "$(value $dir/_bss 0 0 0 0)" 2
	(($(value /sys/fs/bpf/totals 0 0 0 0) >= 3))
	run bpftool map update pinned $dir/_rodata key 0 0 0 0 value 0 0 0 0
	assert_failure # it is frozen
	server ip link set dev veth0 xdp off
}

# bats test_tags=slow
@test "load-by-hand: old definitions of maps count too, in both directions, and what says pinned is shared" {
	local before other=$BATS_TEST_TMPDIR/other.o
	with_network
	before=$(everything)
	run "$tool" load "$here/legacy.bpf.o" $dir
	assert_success
	assert_line --regexp '^map byte_counts: id [0-9]+, .*, entries 2, shared$'
	server tc qdisc add dev veth0 clsact
	server tc filter add dev veth0 ingress bpf da pinned $dir/count_in
	server tc filter add dev veth0 egress bpf da pinned $dir/count_out
	client ping -q -c 3 -i 0.1 10.0.0.1
	(($(value $dir/packet_counts 0 0 0 0) >= 3 && $(value $dir/packet_counts 1 0 0 0) >= 3))
	(($(value /sys/fs/bpf/byte_counts 0 0 0 0) >= 3 * 98))

	run "$tool" load "$here/legacy.bpf.o" $dir-again
	assert_success
	assert_line --regexp '^map byte_counts: .*, shared, was there$'
	assert_equal "$(bpftool map show pinned /sys/fs/bpf/byte_counts | cut -d: -f1 | head -n 1)" \
		"$(grep byte_counts <<<"$output" | sed 's/.*id \([0-9]*\),.*/\1/')"
	[[ ! -e $dir-again/byte_counts ]]

	"$here/damage" "$here/legacy.bpf.o" "$other" word:maps:32=3
	rm -r $dir-again
	one_line 3 "/sys/fs/bpf/byte_counts is pinned already, and is not the map that the object defines" \
		"$tool" load "$other" $dir-again
	[[ -e /sys/fs/bpf/byte_counts && ! -e $dir-again ]]

	server tc qdisc del dev veth0 clsact
	rm -r $dir /sys/fs/bpf/byte_counts
	nothing_left "$before"
}

# tag PIN, shapes PIN: what bpftool tells of a program, and of the maps that it uses.
tag() { bpftool prog show pinned "$1" | grep -o 'tag [0-9a-f]*'; }
shapes() {
	local id
	for id in $(bpftool --json prog show pinned "$1" | json '" ".join(map(str, d["map_ids"]))'); do
		bpftool --json map show id "$id" |
			json '[d[k] for k in ("type", "flags", "bytes_key", "bytes_value", "max_entries", "frozen")]'
	done | sort
}

# bats test_tags=slow
@test "load-by-hand: what libbpf loads has the same instructions, and maps of the same shape" {
	local object name
	for object in "$blocker block_ports 3" "$here/counts.bpf.o count_frames 5"; do
		read -r object name maps <<<"$object"
		"$tool" load "$object" $dir
		bpftool prog load "$object" /sys/fs/bpf/libbpf
		assert_equal "$(tag $dir/$name)" "$(tag /sys/fs/bpf/libbpf)"
		assert_equal "$(shapes $dir/$name)" "$(shapes /sys/fs/bpf/libbpf)"
		assert_equal "$(shapes $dir/$name | wc -l)" "$maps"
		rm -r $dir /sys/fs/bpf/libbpf
	done
}

# bats test_tags=slow
@test "load-by-hand: each type of program that it knows is one that the kernel loads" {
	local section sections number=0
	mapfile -t sections < <(sed -n 's/^\t{ "\([^"]*\)", BPF_PROG_TYPE.*/\1/p' "$here/code.c")
	((${#sections[@]} > 12))
	for section in "${sections[@]}"; do
		case $section in
		tracepoint/) section+=sched/sched_process_exec ;;
		*/) section+=sched_process_exec ;;
		esac
		number=$((number + 1))
		echo "SEC(\"$section\") int made$number(void *ctx) { return 1; }"
	done >"$BATS_TEST_TMPDIR/made.c"
	compile made <"$BATS_TEST_TMPDIR/made.c"
	"$tool" load "$BATS_TEST_TMPDIR/made.o" $dir
	bpftool prog loadall "$BATS_TEST_TMPDIR/made.o" /sys/fs/bpf/libbpf
	run types $dir
	assert_equal "${#lines[@]}" "${#sections[@]}"
	assert_equal "$output" "$(types /sys/fs/bpf/libbpf)"
}

# types DIRECTORY: the name of each program there, and what type the kernel says that it has.
types() {
	local program
	for program in "$1"/made*; do
		echo "${program##*/} $(bpftool prog show pinned "$program" | sed -n '1s/^[0-9]*: \([a-z_]*\) .*/\1/p')"
	done
}

# --- what it does not ---

# bats test_tags=slow
@test "load-by-hand: what it does not know it names" {
	one_line 1 "it has CO-RE relocations, which take the kernel's BTF: use bpftool" \
		"$tool" load "$root/problems/localhost-bypass/localhost-bypass.bpf.o" $dir
	one_line 1 "map source_sets: this loader does not know 'values'" \
		"$tool" load "$root/problems/drop-spoofed-packets/drop-spoofed-packets.bpf.o" $dir
	unknown "section fentry/do_exit: no program type that this loader knows" <<-'EOF'
	SEC("fentry/do_exit") int made(void *ctx) { return 0; }
	EOF
	unknown "section .struct_ops: this loader does not know it" <<-'EOF'
	struct { int (*one)(void); } ops SEC(".struct_ops");
	SEC("xdp") int made(void *ctx) { return 0; }
	EOF
	unknown "wants 'bpf_xdp_metadata_rx_hash', which is extern" <<-'EOF'
	extern int bpf_xdp_metadata_rx_hash(void *ctx) __attribute__((section(".ksyms")));
	SEC("xdp") int made(void *ctx) { return bpf_xdp_metadata_rx_hash(ctx); }
	EOF
	unknown "wants 'CONFIG_HZ', which is extern" <<-'EOF'
	extern unsigned CONFIG_HZ __kconfig;
	SEC("xdp") int made(void *ctx) { return CONFIG_HZ; }
	EOF
	unknown "section .rel.data: this loader only knows relocations of code" <<-'EOF'
	int number;
	int *volatile pointer = &number;
	SEC("xdp") int made(void *ctx) { return pointer == 0; }
	EOF
	unknown "map inner: type 13 takes another map, or BTF, which this loader does not give it" <<-'EOF'
	struct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); } inner SEC(".maps");
	SEC("xdp") int made(void *ctx) { return bpf_map_lookup_elem(&inner, ctx) == 0; }
	EOF
	unknown "map storage: type 29 takes another map, or BTF" <<-'EOF'
	struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); } storage SEC(".maps");
	SEC("xdp") int made(void *ctx) { return bpf_map_lookup_elem(&storage, ctx) == 0; }
	EOF
	unknown "map array: its definition has 28 bytes; this loader knows bpf_map_def with 20 and" <<-'EOF'
	struct { int fields[7]; } array SEC("maps");
	SEC("xdp") int made(void *ctx) { return bpf_map_lookup_elem(&array, ctx) == 0; }
	EOF
	unknown "there is no program in it" <<<'int number;'
	damaged "map byte_counts: this loader does not know pinning 7" "$here/legacy.bpf.o" word:maps:44=7
	damaged "map byte_counts: type 12 takes another map" "$here/legacy.bpf.o" word:maps:20=12
}

# bats test_tags=slow
@test "load-by-hand: an object that lies in one place is refused, and told which" {
	local counts=$here/counts.bpf.o legacy=$here/legacy.bpf.o
	# The file.
	damaged "not a BPF object of this machine's byte order" "$counts" header.e_machine=62
	damaged "not a BPF object" "$counts" header.e_type=2
	damaged "section 1 has no name" "$counts" header.e_shstrndx=0xfff0
	damaged "there is no symbol table" "$counts" header.e_shoff=0xfffffffffffffff0
	damaged "section 3 is damaged" "$counts" section:xdp.sh_offset=0xffffffffffff
	damaged "section 3 is damaged" "$counts" section:xdp.sh_size=0xffffffff
	damaged "has no name" "$counts" section:xdp.sh_name=0xffffff
	damaged "there is no symbol table" "$counts" section:.symtab.sh_type=1
	damaged "section license: not a text of at most 128 bytes" "$counts" section:license.sh_size=12
	damaged "section license: not a text" "$counts" section:license.sh_size=200
	damaged "section xdp: no contents" "$counts" section:xdp.sh_type=8
	damaged "section xdp: 517 bytes, not whole instructions" "$counts" section:xdp.sh_size=517
	# Functions and relocations.
	damaged "function count_frames: not in its section" "$counts" symbol:count_frames.st_value=8
	damaged "function count_frames: not in its section" "$counts" symbol:count_frames.st_value=4
	damaged "function count_frames: not in its section" "$counts" symbol:count_frames.st_size=0
	damaged "function count_frames: not in its section" "$counts" symbol:count_frames.st_size=0xfffffffffffffff8
	damaged "section .relxdp: this loader only knows relocations of code" "$counts" \
		section:xdp.sh_flags=2 section:xdp.sh_size=0 section:xdp.sh_type=8
	damaged "a relocation of byte 0x51, where no instruction begins" "$counts" relocation:xdp:0.r_offset=0x51
	damaged "a relocation of byte 0xffff0, where no" "$counts" relocation:xdp:0.r_offset=0xffff0
	damaged "instruction 11 has a relocation to 'limit_bytes' of type 1" "$counts" relocation:xdp:0.r_offset=0x58
	damaged "instruction 10 wants symbol 9999, which there is not" "$counts" relocation:xdp:0.r_symbol=9999
	damaged "of type 77 that this loader does not know" "$counts" relocation:xdp:0.r_type=77
	damaged "instruction 10 wants 'LICENSE', which is no map" "$counts" relocation:xdp:0.r_symbol=13
	damaged "instruction 10 has a relocation" "$counts" relocation:xdp:1.r_offset=0x50 # twice
	damaged "calls what is no function" "$counts" section:.relxdp.sh_type=1
	damaged "instruction 64 has a relocation to 'limit_bytes'" "$counts" relocation:xdp:0.r_offset=512 word:xdp:512=0x18
	# Maps.
	damaged "map byte_counts: its definition is outside its section" "$legacy" symbol:byte_counts.st_value=0xffff
	damaged "map byte_counts: its definition is outside its section" "$legacy" \
		symbol:byte_counts.st_value=0xffffffffffffffff
	damaged "map byte_counts: its definition has 0 bytes" "$legacy" symbol:byte_counts.st_size=0
	damaged "a map or function has no name" "$legacy" symbol:byte_counts.st_name=0
	damaged "a map or function has no name" "$legacy" symbol:byte_counts.st_name=0xffffff
	damaged "section .BTF: its header points outside" "$counts" word:.BTF:12=0xffffff00
	damaged "section .BTF: its header points outside" "$counts" word:.BTF:4=0xffffffff
	damaged "section .BTF: its names don't end" "$counts" word:.BTF:20=7
	damaged "no BTF that says what they are" "$counts" word:.BTF:0=0
	damaged "map totals: section .BTF does not know it" "$counts" word:.BTF:12=24
	damaged "map totals: its type is not a structure" "$counts" type:totals.size=1
	damaged "map totals: its type is not a structure" "$counts" type:totals.size=0xffffffff
	damaged "map totals: 'value' has no size" "$counts" type:count.info=0x0d000003 # of a function, and as long
	damaged "map totals: 'key' has no size" "$counts" type:__u32.size="$(type_number __u32)" # a circle
}

# type_number NAME: of the type in counts.bpf.o.
type_number() {
	bpftool btf dump file "$here/counts.bpf.o" | sed -n "s/^\[\([0-9]*\)\] [A-Z]* '$1' .*/\1/p" | head -n 1
}

# bats test_tags=slow
@test "load-by-hand: names that are no names, and more of anything than there may be" {
	unknown "a map or function has no name, or one that is not a name in C" <<-'EOF'
	struct { int fields[5]; } map asm("a/b") SEC("maps");
	SEC("xdp") int made(void *ctx) { return bpf_map_lookup_elem(&map, ctx) == 0; }
	EOF
	unknown "a map or function has no name, or one that is not a name in C" <<-'EOF'
	SEC("xdp") int made(void *ctx) asm("../made");
	SEC("xdp") int made(void *ctx) { return 0; }
	EOF
	unknown "section ?[2J: no program type" <<<$'SEC("\e[2J") int made(void *ctx) { return 0; }'
	unknown "it has more than 64 maps" <<-EOF
	$(for i in {1..65}; do echo "struct { int fields[5]; } map$i SEC(\"maps\");"; done)
	SEC("xdp") int made(void *ctx) { return 0; }
	EOF
	unknown "it has more than 256 functions" <<-EOF
	$(for i in {1..257}; do echo "SEC(\"xdp\") int made$i(void *ctx) { return 0; }"; done)
	EOF
	unknown "there are 1000002 instructions: too many" <<-'EOF'
	SEC("xdp") int made(void *ctx) { asm volatile(".rept 1000000; r0 = 1; .endr"); return 0; }
	EOF
}

# bats test_tags=slow
@test "load-by-hand: ten thousand damaged objects: no bad access, no leak, no end that does not come" {
	run timeout 500 "$here/test-damaged" "${HOOKPOINT_SEED:-1}" "$(scaled 10000 500)" \
		"$blocker" "$here/counts.bpf.o" "$here/legacy.bpf.o"
	assert_success
	assert_line --regexp '^[0-9]+ damaged objects: [0-9]{3,} refused by the loader, [0-9]{2,} by the kernel, [0-9]{2,} '
	assert_line "0 descriptors more than before"
}

# --- what the kernel does not ---

@test "load-by-hand: what the verifier says is shown, and then one line; nothing is left" {
	local before
	before=$(everything)
	compile made <<<'SEC("xdp") int made(struct xdp_md *ctx) { return *(int *)(long)ctx->data; }'
	run --separate-stderr "$tool" load "$BATS_TEST_TMPDIR/made.o" $dir
	assert_equal "$status" 2
	assert_equal "$output" ""
	[[ $stderr == *"invalid access to packet, off=0 size=4"* ]]
	assert_equal "${stderr_lines[-1]}" "load-by-hand: cannot load program made: Permission denied"
	[[ ! -e $dir ]]
	nothing_left "$before"
}

# bats test_tags=slow
@test "load-by-hand: a log of some megabytes is shown whole" {
	# A loop without end, that the verifier follows until it has had enough.
	compile made <<-'EOF'
	SEC("xdp") int made(void *ctx)
	{
		asm volatile("r6 = 0; again: r6 += 1; if r6 != 0x7fffffff goto again" ::: "r6");
		return 0;
	}
	EOF
	run --separate-stderr "$tool" load "$BATS_TEST_TMPDIR/made.o" $dir
	assert_equal "$status" 2
	assert_equal "${stderr_lines[-1]}" "load-by-hand: cannot load program made: Argument list too long"
	[[ $stderr == *"BPF program is too large. Processed 1000001 insn"* ]]
	((${#stderr} > 2 << 20))
}

# bats test_tags=slow
@test "load-by-hand: the licence is what the object says: a helper for the GPL wants it" {
	compile made <<<'SEC("xdp") int made(void *ctx) { bpf_trace_printk("x", 2); return 0; }'
	"$tool" load -n "$BATS_TEST_TMPDIR/made.o" $dir
	"$here/damage" "$BATS_TEST_TMPDIR/made.o" "$BATS_TEST_TMPDIR/other.o" word:license:0=0x78
	run --separate-stderr "$tool" load "$BATS_TEST_TMPDIR/other.o" $dir
	assert_equal "$status" 2
	[[ $stderr == *"cannot call GPL-restricted function from non-GPL compatible program"* ]]
}

# bats test_tags=slow
@test "load-by-hand: whatever fails on the way, what was pinned before is removed" {
	local before long
	before=$(everything)
	mkdir $dir
	one_line 3 "$dir exists: take another name, or remove it with rm -r" "$tool" load "$blocker" $dir
	rmdir $dir
	one_line 1 "$BATS_TEST_TMPDIR/new is not in a BPF file system" "$tool" load "$blocker" "$BATS_TEST_TMPDIR/new"
	[[ ! -e $BATS_TEST_TMPDIR/new ]]
	one_line 2 "cannot make directory /sys/fs/bpf/no/dir: No such file or directory" \
		"$tool" load "$blocker" /sys/fs/bpf/no/dir

	long=$(printf 'made%0300d' 0) # no file may be called that
	compile made <<-EOF
	struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int);
		__uint(pinning, 1); } made_shared SEC(".maps");
	struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int);
		} made SEC(".maps");
	SEC("xdp") int $long(void *ctx) { return 0; }
	EOF
	one_line 2 "File name too long" "$tool" load "$BATS_TEST_TMPDIR/made.o" $dir
	# A program and a map whose names differ only where files may not.
	compile made <<-'EOF'
	int one SEC(".data.made") = 1;
	SEC("xdp") int _data_made(void *ctx) { return one; }
	EOF
	one_line 2 "cannot pin $dir/_data_made: File exists" "$tool" load "$BATS_TEST_TMPDIR/made.o" $dir
	run find /sys/fs/bpf -mindepth 1 -not -name '*.debug'
	assert_output ""
	nothing_left "$before"
}

# --- who, and how ---

@test "load-by-hand: an ordinary user is told in one line what is missing; three capabilities suffice" {
	local before user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	with_capabilities() { "${user[@]}" --inh-caps="$1" --ambient-caps="$1" "${@:2}"; }
	before=$(everything)
	one_line 2 "cannot create map .data.ports: Operation not permitted: run it as root, or with cap_bpf, cap_net_admin" \
		"${user[@]}" "$tool" load "$blocker" $dir
	run with_capabilities +bpf "$tool" load "$blocker" $dir
	assert_failure 2
	assert_output --partial "cannot load program block_ports: Operation not permitted"
	run with_capabilities +bpf,+net_admin "$tool" load "$blocker" $dir
	assert_failure 2
	assert_output --partial "pointer -= pointer prohibited" # the length of a frame: it takes cap_perfmon
	with_capabilities +bpf,+net_admin,+perfmon "$tool" load "$blocker" $dir
	with_capabilities +bpf,+net_admin "$tool" load "$here/legacy.bpf.o" $dir-too
	assert_equal "$(stat -c %u $dir/block_ports)" 65534
	rm -r $dir-too /sys/fs/bpf/byte_counts
	rm -r $dir
	nothing_left "$before"
}

# bats test_tags=slow
@test "load-by-hand: a dry run pins nothing; bad usage is told in one line" {
	local before
	before=$(everything)
	run "$tool" load -n "$here/counts.bpf.o" $dir
	assert_success
	assert_line --regexp '^program count_frames: id [0-9]+, section xdp$'
	[[ ! -e $dir && ! -e /sys/fs/bpf/totals ]]
	nothing_left "$before"

	one_line 1 "no command" "$tool"
	one_line 1 "unknown command 'frob'" "$tool" frob
	one_line 1 "unknown option '--frob'" "$tool" load --frob
	one_line 1 "unknown option '-x'" "$tool" load -x
	one_line 1 "load takes an object file and a directory" "$tool" load "$blocker"
	one_line 1 "load takes an object file and a directory" "$tool" load "$blocker" $dir more
	one_line 1 "cannot open /nowhere: No such file or directory" "$tool" load /nowhere $dir
	one_line 1 "not an ELF file" "$tool" load / $dir
	one_line 1 "not an ELF file" "$tool" load /dev/null $dir
	one_line 1 "not a BPF object of this machine's byte order" "$tool" load /bin/true $dir
	run "$tool" help
	assert_success
	assert_line --index 0 "usage: load-by-hand load [-n] OBJECT DIR"
	assert_equal "$output" "$("$tool" --help)"
	run "$tool" version
	assert_success
	assert_output --regexp '^load-by-hand [0-9]+\.[0-9]+\.[0-9]+$'
}

# bats test_tags=slow
@test "load-by-hand: there is no libbpf in it" {
	run ldd "$tool"
	assert_success
	assert_output --partial libelf.so
	refute_output --partial libbpf
	run nm "$tool"
	refute_output --regexp ' (hp|bpf|libbpf)_[a-z]'
}

# bats test_tags=slow
@test "load-by-hand: the demo tells its story, and leaves nothing" {
	local before
	before=$(everything)
	run env -u HOOKPOINT_SANDBOX "$here/demo"
	assert_success
	assert_equal "$(grep -cx 'Hello from port 8080' <<<"$output")" 2
	assert_equal "$(grep -cE 'Connection time(d out|out) after' <<<"$output")" 1
	nothing_left "$before"
}
