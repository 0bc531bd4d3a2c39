#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/vm. What takes a guest boots one, of a kernel that is in the cache; nothing is downloaded. What the
# host does by itself is shown with a QEMU, and package tools, made up here.
#
# shellcheck disable=SC2016 # the guest and the fakes are to expand what is in single quotes, not the tests

load helpers

setup() {
	# bats' own directory is closed to the ordinary user that some tests become.
	dir=$(mktemp -d)
	mkdir "$dir"/{bin,tmp,cache}
	chmod 755 "$dir" "$dir/bin"
	chmod 777 "$dir/tmp" "$dir/cache"
	declare -gA process
	export HOOKPOINT_VM_SILENCE=90
}

# Whatever a test has done to a scripts/vm, it leaves no process and no temporary file.
teardown() {
	local processes files
	processes=$(pgrep -a -f "$dir/tmp/") || true
	files=$(find "$dir/tmp" "$dir/cache" -name 'hookpoint-vm-*')
	pkill -9 -f "$dir/"
	rm -rf "$dir"
	[[ ${BATS_TEST_COMPLETED:-} ]] || return 0 # it says itself what was wrong
	assert_equal "$processes" ''
	assert_equal "$files" ''
}

vm() { TMPDIR=$dir/tmp "$root/scripts/vm" "$@"; }

# begin NAME ARGUMENTS...: scripts/vm in the background, in a process group of its own, as a shell at a terminal
# would start it. (Other jobs in the background ignore SIGINT, and bash cannot take that back.)
begin() {
	TMPDIR=$dir/tmp setsid env --default-signal=INT "$root/scripts/vm" "${@:2}" \
		>"$dir/$1.out" 2>"$dir/$1.err" </dev/null 3>&- &
	process[$1]=$!
}

# ends NAME STATUS: waits for it. Sets output, lines and stderr as run would, without the \r of a terminal.
ends() {
	local status=0
	wait "${process[$1]}" || status=$?
	output=$(<"$dir/$1.out") stderr=$(<"$dir/$1.err")
	output=${output//$'\r'/}
	mapfile -t lines <<<"$output"
	echo "$stderr" # seen only if something fails
	assert_equal "$1 $status" "$1 $2"
}

# patiently COMMAND...: until it succeeds. A guest on a busy machine takes its time.
patiently() {
	local tries
	for ((tries = 0; tries < 900; tries++)); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.1
	done
	echo "waited in vain for: $*"
	return 1
}

has_said() { patiently grep -q "$2" "$dir/$1"; }

# qemu_of NAME: its process. (Without the -P it could be that of a test at the same time.)
qemu_of() { pgrep -P "${process[$1]}" -f "^qemu-system-x86_64 .*$dir/tmp/"; }

# make_keyboard: descriptor 9, for script to read from; it would send a Ctrl-D at the end of a file.
make_keyboard() {
	mkfifo "$dir/keys"
	exec 9<>"$dir/keys"
}

# one_line STATUS TEXT COMMAND...: fails with STATUS and one line on standard error that holds TEXT.
one_line() {
	run --separate-stderr "${@:3}"
	assert_equal "$status" "$1"
	assert_equal "$output" ''
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr == "vm: "*"$2"* ]]
}

# fake NAME: makes a command that notes how it was called and goes on with the lines on standard input.
fake() {
	{
		printf '#!/bin/bash\ndir=%q\n' "$dir"
		echo 'echo "${0##*/} $*" >>"$dir/calls"'
		cat
	} >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}

# fake_qemu: one whose guest is emulated, and ends with 3. What it reads may change that: on_kvm and in_guest are
# called, and $control is where the guest speaks.
fake_qemu() {
	fake qemu-system-x86_64 < <(
		cat <<-'EOF'
		on_kvm() { exit 1; }
		in_guest() { echo booted; echo status 3; exec sleep 100; }
		EOF
		cat
		cat <<-'EOF'
		[[ $* =~ \ -add-fd\ fd=([0-9]+), ]] && exec >&"${BASH_REMATCH[1]}"
		case $* in
		*' -accel kvm '*) on_kvm ;;
		*) in_guest ;;
		esac
		EOF
	)
	PATH=$dir/bin:$PATH
}

# links_without PATTERN...: makes $dir/links, a directory for PATH with all commands there are, less those.
links_without() {
	local pattern
	mkdir "$dir/links"
	ln -sf -t "$dir/links" /usr/sbin/* /usr/bin/* 2>/dev/null
	for pattern; do find "$dir/links" -name "$pattern" -delete; done
}

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir/tmp" "$@"; }

@test "vm: --help is on standard output and says what each exit status means" {
	for option in -h --help; do
		run --separate-stderr vm "$option"
		assert_success
		assert_line --index 0 --partial 'usage: scripts/vm'
		assert_output --partial '124 after the timeout'
		assert_equal "$stderr" ''
	done
}

@test "vm: wrong usage is one line and exit 1, and starts nothing" {
	fake_qemu </dev/null
	one_line 1 'unknown option --frob' vm --frob -- true
	one_line 1 'unknown option --kernel=6.1' vm --kernel=6.1 -- true
	one_line 1 'unknown word true; a command comes after --' vm true
	for option in --kernel --modules --memory --cpus --timeout; do
		one_line 1 "$option takes a value" vm "$option"
	done
	for value in '' x -1 0 1.5 08 '1 2' 255 1048577 99999999999999999999 'a[$(touch /)]'; do
		one_line 1 "--memory $value: not a number from 256 to 1048576" vm --memory "$value" -- true
	done
	one_line 1 '--cpus 0: not a number from 1 to 64' vm --cpus 0 -- true
	one_line 1 '--cpus 65: not a number from 1 to 64' vm --cpus 65 -- true
	one_line 1 '--timeout x: not a number from 1 to 1000000' vm --timeout x -- true
	assert [ ! -e "$dir/calls" ]
}

@test "vm: a shell without a terminal is one line and exit 1" {
	needs
	one_line 1 'a shell takes a terminal' vm
	one_line 1 'a shell takes a terminal' vm --kernel 6.1 --
}

@test "vm: without QEMU, one line names the command that installs it" {
	needs
	links_without 'qemu-*'
	PATH=$dir/links one_line 1 'missing qemu: run: sudo scripts/setup vm' vm -- true
}

@test "vm: an unknown kernel is answered with those that there are" {
	needs
	export XDG_CACHE_HOME=$dir/cache
	fake apt-get </dev/null
	fake apt-cache </dev/null
	fake_qemu </dev/null
	for name in 5.10 '' '@' '*' '6.1 ' 'x]' '$(id)' "$dir"; do
		run --separate-stderr vm --kernel "$name" -- true
		assert_failure 1
		assert_output ''
		assert_equal "${stderr_lines[0]}" "vm: there is no kernel \"$name\"; there are:"
		assert_regex "$stderr" '  6\.1  .*  6\.12  .*  host  .*  FILE  '
		refute_regex "$stderr" 'line [0-9]'
	done
	run grep qemu "$dir/calls"
	assert_failure
}

@test "vm: --kernel host without an image names the image" {
	needs
	fake uname <<<'[[ $1 == -r ]] && echo 9.9-none || echo x86_64'
	PATH=$dir/bin:$PATH
	one_line 1 '/boot/vmlinuz-9.9-none is missing' vm --kernel host -- true
}

@test "vm: another processor is one line and exit 1" {
	fake uname <<<'echo riscv64'
	PATH=$dir/bin:$PATH
	one_line 1 'the guests are x86-64, and this machine is riscv64' vm -- true
}

@test "vm: an image that is not yours to read, and modules that are none, are one line and exit 1" {
	needs
	install -m 600 /dev/null "$dir/image"
	one_line 1 "cannot read $dir/image: run it with sudo" \
		as_nobody TMPDIR="$dir/tmp" "$root/scripts/vm" --kernel "$dir/image" -- true
	one_line 1 "$dir/bin has no modules.dep" vm --kernel "$dir/image" --modules "$dir/bin" -- true
	one_line 1 "$dir/gone has no modules.dep" vm --kernel "$dir/image" --modules "$dir/gone" -- true
}

@test "vm: a cached kernel that is not whole, and no room for an initramfs, are told, exit 1" {
	needs
	mkdir -p "$dir/cache/hookpoint/linux-6.1/"{boot,lib/modules/6.1.0-test}
	touch "$dir/cache/hookpoint/linux-6.1/boot/vmlinux"
	XDG_CACHE_HOME=$dir/cache one_line 1 'linux-6.1 is not whole, or not yours to read: remove it and try again' vm -- true
	rm -r "$dir/cache/hookpoint/linux-6.1/lib"
	XDG_CACHE_HOME=$dir/cache one_line 1 'linux-6.1 is not whole, or not yours to read: remove it and try again' vm -- true
	touch "$dir/cache/file"
	XDG_CACHE_HOME=$dir/cache/file one_line 1 "cannot write to $dir/cache/file/hookpoint" vm -- true
	mount -t tmpfs -o size=40k tmpfs "$dir/tmp"
	touch "$dir/image"
	run --separate-stderr vm --kernel "$dir/image" -- true
	umount "$dir/tmp"
	assert_failure 1
	assert_regex "${stderr_lines[-1]}" "^vm: cannot make an initramfs in $dir/tmp/hookpoint-vm-"
}

@test "vm: output that can't be written is a failure, whatever the command says" {
	needs
	touch "$dir/image"
	fake_qemu <<-'EOF'
	[[ $* =~ id=stdout,path=/dev/fdset/([0-9]+) ]] && stdout=${BASH_REMATCH[1]}
	in_guest() { echo booted; echo text >&"$stdout"; echo status 0; exec sleep 100; }
	EOF
	run --separate-stderr vm --kernel "$dir/image" -- true
	assert_success
	assert_output text
	run --separate-stderr bash -c 'TMPDIR=$1/tmp "$2/scripts/vm" --kernel "$1/image" -- true >/dev/full' - "$dir" "$root"
	assert_failure 141
	assert_equal "${stderr_lines[-1]}" 'cat: write error: No space left on device'
}

@test "vm: KVM that shows a sign of life is used, and a line says so" {
	needs
	[[ -w /dev/kvm ]] || skip 'there is no /dev/kvm'
	touch "$dir/image"
	fake_qemu <<<'on_kvm() { in_guest; }'
	run --separate-stderr vm --kernel "$dir/image" -- true
	assert_failure 3
	assert_equal "$stderr" "vm: Linux $dir/image, 1 CPU, 2048 MiB, on KVM"
	assert_equal "$(grep -c qemu "$dir/calls")" 1
}

@test "vm: KVM that fails, or shows nothing in 3 seconds, gives way to emulation, and a line says so" {
	needs
	touch "$dir/image"
	fake_qemu <<<'on_kvm() { echo kvm >>"$dir/probes"; [[ ! -e $dir/deaf ]] || exec sleep 100; exit 1; }'
	for probe in dead deaf; do
		touch "$dir/$probe"
		SECONDS=0
		run --separate-stderr vm --kernel "$dir/image" --cpus 3 --memory 300 -- true
		assert_failure 3
		assert_equal "${#stderr_lines[@]}" 1
		assert_regex "$stderr" ', 3 CPU, 300 MiB, emulated: (a probe boot with KVM failed|.*/dev/kvm.*)$'
	done
	[[ ! -w /dev/kvm ]] || assert_equal "$(wc -l <"$dir/probes")" 2
	((SECONDS < 20))
}

# make_kernel COMPRESSOR: a bzImage as far as scripts/vm looks at it, to stand for a downloaded one.
make_kernel() {
	printf 'made of nothing' | "$1" -c >"$dir/payload"
	{
		head -c $((0x1f1)) /dev/zero
		printf '\1'
		head -c $((0x248 - 0x1f2)) /dev/zero
		# Payload: where, counted from the end of the boot sectors; how long, with its length unpacked.
		printf '\20\0\0\0%b\0\0\0' "\\0$(printf %o $(($(stat -c %s "$dir/payload") + 4)))"
		head -c $((2 * 512 + 16 - 0x250)) /dev/zero
		cat "$dir/payload"
		printf 'size'
		head -c 300000 /dev/zero # more than a pipe holds
	} >"$dir/vmlinuz"
}

# fake_debian: its package tools, with a package linux-image-9.9-test. The files "late" and "slow" make the download last.
fake_debian() {
	export XDG_CACHE_HOME=$dir/cache
	fake apt-get <<-'EOF'
	[[ ! -e $dir/late ]] || sleep 4
	[[ ! -e $dir/broken ]] || { echo "E: no such host" >&2; exit 100; }
	[[ $* != *' download '* ]] || { echo half >half.deb; [[ ! -e $dir/slow ]] || exec -a "$0" sleep 100; }
	EOF
	fake apt-cache <<-'EOF'
	case $* in
	*' depends '*) echo 'linux-image-amd64'; echo '  Depends: linux-image-9.9-test' ;;
	*) echo 'Package: linux-image-9.9-test'; echo 'Version: 9.9.1-1' ;;
	esac
	EOF
	fake dpkg-deb <<-'EOF'
	mkdir -p "$3"/{boot,usr/share/doc,lib/modules/9.9-test}
	cp "$dir/vmlinuz" "$3/boot/vmlinuz-9.9-test"
	touch "$3/lib/modules/9.9-test/modules."{order,builtin,builtin.modinfo}
	EOF
	fake_qemu <<-'EOF'
	in_guest() {
		[[ $* =~ \ -kernel\ ([^ ]*) ]] && cat "${BASH_REMATCH[1]}" >&2
		echo booted
		echo status 3
		exec sleep 100
	}
	EOF
	sed -i 's/) in_guest ;;/) in_guest "$@" 2>"$dir\/booted" ;;/' "$dir/bin/qemu-system-x86_64"
}

downloads() { grep -c ' download linux-image-9.9-test$' "$dir/calls"; }

nothing_half() {
	run find "$dir/cache" -name 'partial-*'
	assert_output ''
}

@test "vm: a kernel is fetched once, whole, unpacked into the cache, with a line for each step" {
	needs
	fake_debian
	for compressor in xz zstd; do
		rm -rf "$dir/cache/hookpoint" "$dir/calls"
		make_kernel "$compressor"
		run --separate-stderr vm --kernel 6.12 -- true
		assert_failure 3
		assert_equal "$(<"$dir/booted")" 'made of nothing'
		assert_equal "${stderr_lines[0]}" 'vm: fetching the package lists of Debian trixie'
		assert_equal "${stderr_lines[1]}" 'vm: downloading linux-image-9.9-test, about 100 MB'
		assert_equal "${stderr_lines[2]}" "vm: unpacking it to $dir/cache/hookpoint/linux-6.12"
		assert_regex "${stderr_lines[3]}" '^vm: Linux 9.9-test, '
		assert_equal "${#stderr_lines[@]}" 4
		run find "$dir/cache/hookpoint/linux-6.12" -type f
		refute_output --partial /doc
		refute_output --partial .deb
		assert_equal "$(downloads)" 1
		nothing_half
	done
	assert_regex "$(<"$dir/cache/hookpoint/apt-6.12/sources.list")" '^deb \[signed-by=/usr/share/keyrings/debian-'
	rm "$dir/bin/"{apt-get,apt-cache,dpkg-deb}
	links_without 'apt*' 'dpkg*'
	PATH=$dir/bin:$dir/links run --separate-stderr vm --kernel 6.12 -- true
	assert_failure 3
	assert_equal "${#stderr_lines[@]}" 1
}

@test "vm: a download that is interrupted leaves nothing half, and the next one works" {
	needs
	fake_debian
	make_kernel xz
	local signal expected=130
	touch "$dir/slow"
	for signal in INT TERM; do
		begin it -- true
		patiently compgen -G "$dir/cache/hookpoint/partial-*/half.deb"
		if [[ $signal == INT ]]; then kill -INT -- "-${process[it]}"; else kill -TERM "${process[it]}"; fi
		SECONDS=0
		ends it $expected
		((SECONDS < 20))
		nothing_half
		expected=143
		run pgrep -f "$dir/bin/apt-get"
		assert_failure
	done
	begin it -- true
	patiently compgen -G "$dir/cache/hookpoint/partial-*/half.deb"
	kill -9 "${process[it]}" $(pgrep -f "$dir/bin/apt-get")
	ends it 137
	rm "$dir/slow"
	run vm -- true
	assert_failure 3
	nothing_half
}

@test "vm: a download that fails shows the end of apt's log, leaves nothing half, and the next one works" {
	needs
	fake_debian
	make_kernel xz
	touch "$dir/broken"
	run --separate-stderr vm -- true
	assert_failure 1
	assert_equal "${stderr_lines[-2]}" 'E: no such host'
	assert_equal "${stderr_lines[-1]}" 'vm: apt-get could not fetch it; the end of its log is above'
	nothing_half
	rm "$dir/broken"
	echo nonsense >"$dir/vmlinuz"
	run --separate-stderr vm -- true
	assert_failure 1
	assert_equal "${stderr_lines[-1]}" 'vm: cannot decompress the kernel of linux-image-9.9-test'
	nothing_half
	make_kernel xz
	touch "$dir/late"
	run vm --timeout 4 -- true # which is the guest's alone
	assert_failure 3
}

@test "vm: the real apt-get, without a way to Debian, is a failure and not an offer of nothing" {
	type -P apt-get >/dev/null || skip "there is no apt-get here"
	[[ -r /usr/share/keyrings/debian-archive-keyring.gpg ]] || skip "Debian's keyring is not here"
	ip link set lo up # to be refused there, which apt-get takes for something that passes
	XDG_CACHE_HOME=$dir/cache http_proxy=http://127.0.0.1:1 run --separate-stderr vm --kernel 6.1 -- true
	assert_failure 1
	assert_equal "${stderr_lines[-1]}" 'vm: apt-get could not fetch it; the end of its log is above'
	[[ ! -e $dir/cache/hookpoint/linux-6.1 ]]
}

@test "vm: two that need the same kernel fetch it once" {
	needs
	fake_debian
	make_kernel xz
	begin one -- true
	begin two -- true
	ends one 3
	ends two 3
	assert_equal "$(downloads)" 1
}

@test "vm: --list shows what is cached and what Debian offers, also after an update that failed" {
	fake_debian
	touch "$dir/broken"
	mkdir -p "$dir/cache/hookpoint/linux-6.12/lib/modules/6.12.1-test"
	fake apt-cache <<<'exit 100'
	run --separate-stderr vm --list
	assert_success
	assert_line --regexp '^  6\.1    not cached; Debian bookworm offers nothing that can be fetched now$'
	assert_line --regexp '^  6\.12   6\.12\.1-test, cached; Debian trixie offers nothing that can be fetched now$'
	assert_line --regexp "^  host   this machine's $(uname -r), "
	rm "$dir/broken"
	fake_debian
	run --separate-stderr vm --list
	assert_success
	assert_line '  6.1    not cached; Debian bookworm offers linux-image-9.9-test 9.9.1-1'
	assert_line '  6.12   6.12.1-test, cached; Debian trixie offers linux-image-9.9-test 9.9.1-1'
	assert_equal "$stderr" ''
}

@test "vm: --list without apt shows what there is, and Debian's kernels say what they take" {
	needs
	export XDG_CACHE_HOME=$dir/cache
	links_without 'apt*' 'dpkg*'
	PATH=$dir/links run --separate-stderr vm --list
	assert_success
	assert_line '  6.1    not cached; Debian bookworm offers nothing that can be fetched now'
	assert_line --regexp '^  FILE '
	PATH=$dir/links run --separate-stderr vm -- true
	assert_failure 1
	assert_equal "${stderr_lines[-1]}" "vm: Debian's kernels take apt-get; without it: --kernel host, or a file"
}

# What the guest of the next test is to find out, and to do.
in_the_guest='
dir=$1 arguments=("${@:2}")
echo "kernel $(uname -r), $(nproc) CPU, user $(id -u), in $PWD"
echo "memory $(awk "/^MemTotal/ { print int(\$2 / 1024) }" /proc/meminfo)"
echo "serial $(cat /sys/class/dmi/id/product_serial)"
echo "interfaces $(ls /sys/class/net | paste -sd " "), $(ip route | wc -l) routes"
echo "tool $(type -P probe-tool || echo none) $(tr : "\n" <<<"$PATH" | grep -c "/problems/")"
echo "input $(wc -c)"
sum=$(sha256sum <scripts/vm)
echo "script ${sum%% *}"
read -r kept <"$dir/kept" && echo "kept $kept"
echo more >>"$dir/kept" && rm "$dir/doomed" && echo new >"$dir/new" && echo x >>scripts/vm && mv tests gone &&
	cat "$dir/kept" "$dir/new" && ls "$dir" | grep -c doomed
modprobe dummy && echo "module $(ls /lib/modules)"
for dir in bpf cgroup; do mountpoint -q /sys/fs/$dir && echo "mounted $dir"; done
(exec 7>&1; sleep 1000) & # outlives the command
echo "status 0"
echo "on standard error" >&2
printf "<%s>\n" "${arguments[@]}"
exit 42'

@test "vm: a command runs from the checkout on another kernel and changes nothing here; no apt is needed" {
	needs 6.1
	local arguments=('two  words' "it's" '"quoted"' '$HOME `id` \' $'first\n second\n' '' 'ü ✓ 漢' '*' -- -v '!x')
	local version sum problems
	version=$(basename "$cache"/linux-6.1/lib/modules/*)
	sum=$(sha256sum <"$root/scripts/vm")
	problems=("$root"/problems/*/)
	echo original >"$dir/kept"
	touch "$dir/doomed"
	links_without 'apt*' 'dpkg*'
	PATH=$dir/links QEMU_OPTIONS='-smbios type=1,serial=further' run --separate-stderr vm --memory 700 --cpus 1 -- \
		bash -c "$in_the_guest" guest "$dir" "${arguments[@]}" <<<'is not passed on'
	assert_failure 42
	assert_equal "${#stderr_lines[@]}" 2
	assert_regex "${stderr_lines[0]}" "^vm: Linux $version, 1 CPU, 700 MiB, (on KVM|emulated: .*)\$"
	assert_equal "${stderr_lines[1]}" 'on standard error'
	assert_line --index 0 "kernel $version, 1 CPU, user 0, in $root"
	assert_line --regexp '^memory 6[0-9][0-9]$'
	assert_line 'serial further'
	assert_line 'interfaces lo, 0 routes'
	assert_line "tool none ${#problems[@]}"
	assert_line 'input 0'
	assert_line "script ${sum%% *}"
	assert_line 'kept original'
	assert_output --partial $'original\nmore\nnew\n0\n'
	assert_line "module $version"
	assert_line 'mounted bpf'
	assert_line 'mounted cgroup'
	[[ $output == *$'\nstatus 0\n'"$(printf '<%s>\n' "${arguments[@]}")" ]]

	assert_equal "$(<"$dir/kept")" original
	assert [ -e "$dir/doomed" ]
	assert [ ! -e "$dir/new" ]
	assert [ -d "$root/tests" ]
	assert_equal "$(sha256sum <"$root/scripts/vm")" "$sum"
}

@test "vm: two at the same time; 50 MB arrive whole; standard output and error in one keep their order" {
	needs 6.1 6.12
	local ordered='for i in {1..300}; do echo "out $i"; echo "err $i" >&2; done; uname -r'
	begin large -- bash -c 'openssl enc -aes-128-ctr -nosalt -pass pass:x -in /dev/zero 2>/dev/null |
		head -c 50000000 | tee >(sha256sum >&2) ; sleep 0.5'
	process[ordered]=''
	TMPDIR=$dir/tmp "$root/scripts/vm" --kernel 6.12 -- bash -c "$ordered" >"$dir/ordered.out" 2>&1 </dev/null 3>&- &
	process[ordered]=$!
	touch "$dir/ordered.err"
	ends ordered 0
	assert_equal "$(tail -n +2 <<<"$output")" \
		"$(bash -c "${ordered%;*}" 2>&1; basename "$cache"/linux-6.12/lib/modules/*)"
	wait "${process[large]}"
	assert_equal "$(stat -c %s "$dir/large.out")" 50000000
	assert_equal "$(tail -n 1 "$dir/large.err")" "$(sha256sum <"$dir/large.out")"
}

@test "vm: without a command there is a shell, with help, the tools, the terminal's size and its Ctrl-C" {
	needs 6.1
	make_keyboard
	TERM=dumb TMPDIR=$dir/tmp script -qefc "stty rows 33 columns 99; exec '$root/scripts/vm'" /dev/null \
		<&9 >"$dir/it.out" 2>"$dir/it.err" 3>&- &
	process[it]=$!
	has_said it.out 'guest# '
	grep -q 'This is Linux 6.1.* in a virtual machine' "$dir/it.out"
	grep -q "problems' tools are on the path" "$dir/it.out"
	echo 'stty size; echo "path $(tr : "\n" <<<"$PATH" | grep -c /problems/)"; echo error >&2; seq 9000' >&9
	has_said it.out '^9000'
	echo 'echo wait$((1 + 1)); sleep 1000' >&9
	has_said it.out wait2
	printf '\3' >&9
	echo 'echo "after $? Ctrl-C"; exit 7' >&9
	ends it 7
	grep -qx '33 99' <<<"$output"
	grep -qx "path $(find "$root/problems" -mindepth 1 -maxdepth 1 -type d | wc -l)" <<<"$output"
	grep -qx error <<<"$output"
	cmp <(grep -xE '[0-9]+' <<<"$output") <(seq 9000)
	grep -qx 'after 130 Ctrl-C' <<<"$output"
}

@test "vm: at a terminal a command's standard error can still go elsewhere, and the last of its output comes" {
	needs 6.1
	make_keyboard
	local command='tty; echo bad >&2; seq 5000; exit 5'
	run script -qec "TMPDIR='$dir/tmp' '$root/scripts/vm' -- bash -c '$command' 2>'$dir/errors'" /dev/null <&9
	assert_failure 5
	cmp <(echo "${output//$'\r'/}") <(echo /dev/hvc0; seq 5000)
	assert_equal "$(tail -n 1 "$dir/errors")" bad
}

@test "vm: a guest that panics, or runs out of memory, is a failure with the end of its console" {
	needs 6.1
	begin panic -- bash -c 'echo c >/proc/sysrq-trigger; sleep 1000'
	begin memory --memory 300 -- bash -c 'echo "status 0"; tail /dev/zero; exit 0'
	ends panic 125
	assert_regex "$stderr" 'vm: the guest died: Kernel panic - not syncing: sysrq triggered crash; the end of '
	assert_regex "$stderr" '  .*Call Trace:'
	ends memory 125
	assert_regex "$stderr" 'vm: the guest died: Kernel panic - not syncing: .*[Oo]ut of memory'
	assert_equal "$output" 'status 0'
}

@test "vm: a guest that is killed, stopped, or hangs inside is a failure, not a success and not a hang" {
	needs 6.1
	export HOOKPOINT_VM_SILENCE=15
	begin killed -- bash -c 'echo started; sleep 1000'
	begin stopped -- bash -c 'echo started; sleep 1000'
	has_said killed.out started
	kill -9 "$(qemu_of killed)"
	ends killed 125
	assert_regex "$stderr" 'vm: the guest ended before it could tell an exit status; the end of its console:'
	begin hung --cpus 1 -- bash -c '
		echo -1 >/proc/sys/kernel/sched_rt_runtime_us
		echo 0 >/proc/sys/kernel/watchdog
		echo "a last line" >/dev/kmsg
		chrt -f 99 bash -c "while :; do :; done"'
	has_said stopped.out started
	kill -STOP "$(qemu_of stopped)"
	ends stopped 125
	assert_regex "$stderr" 'vm: the guest said nothing for 15 s; the end of its console:'
	ends hung 125
	assert_regex "$stderr" 'vm: the guest said nothing for 15 s; the end of its console:'
}

@test "vm: code of the kernel's that changes while another CPU runs it is no harm" {
	needs 6.12
	vm --kernel 6.12 --cpus 2 --timeout 150 -- bash -c '
		while :; do ls /proc >/dev/null; done &
		for ((i = 0; i < 500; i++)); do # which turns a static key on and off
			echo $((i % 2)) >/proc/sys/kernel/sched_schedstats
		done'
}

@test "vm: after the timeout it ends with 124, in a command, in the boot, and when nothing is heard any more" {
	needs 6.1
	begin it --timeout 20 -- bash -c 'echo started; sleep 1000'
	begin boot --timeout 1 -- true
	for name in boot it; do
		ends $name 124
		assert_regex "$stderr" $'^vm: Linux [^\n]*\nvm: timeout after (1|20) s$'
	done
	fake_qemu <<<'on_kvm() { in_guest; }; in_guest() { echo booted; exec sleep 100; }'
	run --separate-stderr vm --timeout 2 -- true
	assert_failure 124
	assert_equal "${stderr_lines[1]}" 'vm: timeout after 2 s'
}

@test "vm: Ctrl-C and SIGTERM end it, in a command as in the boot; after kill -9 there is no guest either" {
	needs 6.1
	begin command -- bash -c 'echo started; sleep 1000'
	begin boot -- true
	patiently qemu_of boot
	kill -INT -- "-${process[boot]}"
	ends boot 130
	begin boot -- true
	patiently qemu_of boot
	kill -TERM "${process[boot]}"
	ends boot 143
	has_said command.out started # as it comes: nothing has ended yet
	assert_equal "$(pgrep -c -f "^qemu-system-x86_64 .*$dir/tmp/")" 1
	kill -INT -- "-${process[command]}"
	ends command 130
	assert_equal "$output" started
	refute_regex "$stderr" 'console'
	assert_equal "$(ls -A "$dir/tmp")" ''
	begin boot -- true
	patiently qemu_of boot
	kill -9 "${process[boot]}"
	ends boot 137
	wait_for bash -c '! pgrep -f "$1"' - "^qemu-system-x86_64 .*$dir/tmp/"
	rm -r "$dir"/tmp/hookpoint-vm-* # after that nobody else can
}

@test "vm: killed while it starts QEMU, it leaves none" {
	fake_qemu <<<'touch "${0%/*}/started"; exec sleep 100'
	fake setpriv <<-EOF
	echo \$\$ >"$dir/starting"
	kill -9 \$PPID
	while kill -0 \$PPID; do sleep 0.1; done
	exec $(type -P setpriv) "\$@"
	EOF
	begin it -- true
	ends it 137
	wait_for eval '! kill -0 "$(<"$dir/starting")"'
	[[ ! -e $dir/bin/started ]]
	rm -r "$dir"/tmp/hookpoint-vm-*
}

# modules_without NAME...: makes $dir/NAME/lib/modules/VERSION, with what scripts/vm takes of 6.1's modules less
# those of that name.
modules_without() {
	local version=$1 name=$2 path
	mkdir -p "$dir/$name/lib/modules"
	mkdir "$dir/$name/lib/modules/$version"
	for path in virtio_pci virtio_console 9pnet_virtio 9p overlay veth sch_ingress cls_bpf; do
		modprobe -d "$cache/linux-6.1" -S "$version" --show-depends "$path"
	done | awk '$1 == "insmod" { print $2 }' | sort -u | grep -v "/$name\.ko" |
		xargs cp -t "$dir/$name/lib/modules/$version"
	cp "$cache/linux-6.1/lib/modules/$version"/modules.{order,builtin} "$dir/$name/lib/modules/$version"
	depmod -b "$dir/$name" "$version"
}

@test "vm: what a kernel lacks, to boot or for the problems, is named with the option that brings it" {
	needs 6.1
	local version name boot=$cache/linux-6.1/boot
	version=$(basename "$cache"/linux-6.1/lib/modules/*)
	for name in 9p overlay veth nothing; do modules_without "$version" $name; done
	truncate -s 1000 "$dir/nothing/lib/modules/$version/overlay.ko"
	begin veth --kernel "$boot/vmlinuz-$version" --modules "$dir/veth/lib/modules/$version" -- uname -r
	begin none --kernel "$boot/vmlinux" -- true
	begin 9p --kernel "$boot/vmlinux" --modules "$dir/9p/lib/modules/$version" -- true
	begin overlay --kernel "$boot/vmlinux" --modules "$dir/overlay/lib/modules/$version" -- true
	begin damaged --kernel "$boot/vmlinux" --modules "$dir/nothing/lib/modules/$version" -- true
	ends none 125
	assert_regex "$stderr" $'\nvm: this kernel lacks virtio[^\n]*: CONFIG_VIRTIO[A-Z_]*$'
	ends 9p 125
	assert_regex "$stderr" $'\nvm: this kernel lacks [^\n]*9p[^\n]*: CONFIG_[A-Z0-9_]*9P_[A-Z]*$'
	ends overlay 125
	assert_regex "$stderr" $'\nvm: this kernel lacks the file system overlay: CONFIG_OVERLAY_FS$'
	ends damaged 125
	assert_regex "$stderr" $'\nvm: this kernel lacks the file system overlay: CONFIG_OVERLAY_FS, and takes none of these modules: overlay.ko$'
	ends veth 0
	assert_regex "$stderr" $'\nvm: this kernel lacks CONFIG_VETH, which the problems need$'
	assert_output "$version"
}

@test "vm: an ordinary user, who can read what it takes, can do it too" {
	needs 6.1
	as_nobody test -r "$root/scripts/vm" -a -x "$root/scripts/vm" || skip "the checkout is closed to ordinary users"
	mkdir "$dir/cache/hookpoint"
	cp -al "$cache/linux-6.1" "$dir/cache/hookpoint/" || cp -a "$cache/linux-6.1" "$dir/cache/hookpoint/"
	run --separate-stderr as_nobody XDG_CACHE_HOME="$dir/cache" TMPDIR="$dir/tmp" \
		"$root/scripts/vm" -- bash -c 'id -u; touch /etc/hookpoint-new && echo wrote; cat /etc/shadow; exit 6'
	assert_failure 6
	assert_line --index 0 0
	assert_line wrote
	assert_regex "$stderr" 'cat: /etc/shadow: '
	assert [ ! -e /etc/hookpoint-new ]
}

@test "vm: a warning in the kernel's log is a failure; a pipe that nobody reads any more ends the guest" {
	needs 6.1
	begin warning -- bash -c '
		echo "a line before" >/dev/kmsg
		echo "WARNING: CPU: 0 PID: 1 at kernel/fake.c:1 fake+0x1/0x2" >/dev/kmsg
		echo "a line after" >/dev/kmsg
		echo out
		exit 0'
	run --separate-stderr bash -c 'TMPDIR=$1/tmp "$2/scripts/vm" -- yes | head -n 1; echo "${PIPESTATUS[0]}"' - \
		"$dir" "$root"
	assert_success
	assert_output $'y\n141'
	ends warning 125
	assert_equal "$output" out
	assert_regex "$stderr" 'vm: the command ended with 0, but the log of the kernel has complaints:'
	assert_regex "$stderr" $'complaints:\n[^\n]* WARNING: CPU: 0 PID: 1 at kernel/fake.c:1'
	assert_regex "$stderr" 'a line after'
	refute_regex "$stderr" 'a line before'
}
