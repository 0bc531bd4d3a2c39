#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# make install and make uninstall: what they write and remove, and that what is installed works by itself.

load helpers

prefix=/opt/hook-point # "-" is special in manual pages

# make_it TARGET NAME=VALUE...: as from a shell, and not from within `make test`.
make_it() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make --no-print-directory -C "$root" "$@"; }

# tools: of all problems, and the one that is none.
tools() { (cd "$root/problems" && printf '%s\n' * hookpoint-status); }

# The checkout can only be read meanwhile, so nothing is left in it.
setup_file() {
	tree=$BATS_FILE_TMPDIR/tree
	export -f make_it
	export root tree prefix
	unshare --mount bash -ec '
		mount --bind -o ro "$root" "$root"
		make_it install PREFIX="$prefix" DESTDIR="$tree"'
	export PKG_CONFIG_PATH=$tree$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tree
}

teardown() { [[ ! ${has_network:-} ]] || stop_network; }

@test "install: tools, objects, pages, completions, the library and its headers are there, and nothing else" {
	local tool
	{
		for tool in $(tools); do
			echo "755 sbin/$tool"
			echo "644 share/bash-completion/completions/$tool"
			echo "644 share/man/man8/$tool.8"
		done
		for tool in block-tcp-8080 drop-spoofed-packets localhost-bypass snoop-exec watch-acks; do
			echo "644 lib/bpf/$tool.bpf.o"
		done
		printf '644 %s\n' lib/{libhookpoint.a,pkgconfig/hookpoint.pc} include/hookpoint/{hookpoint,insn,packet.bpf}.h
	} | sort >"$BATS_TEST_TMPDIR/expected"
	diff "$BATS_TEST_TMPDIR/expected" <(cd "$tree$prefix" && find . ! -type d -printf '%m %P\n' | sort)
	run find "$tree" -type d ! -perm 755
	assert_output ""
	run grep -r "$tree" "$tree"
	assert_failure 1
}

@test "install: again, it changes nothing" {
	local before
	before=$(find "$tree" -printf '%p %i %m %T@\n')
	make_it install PREFIX=$prefix DESTDIR="$tree"
	diff <(echo "$before") <(find "$tree" -printf '%p %i %m %T@\n')
}

@test "install: takes no root where one may write, and no notice of the umask" {
	local own=$BATS_TEST_TMPDIR/own
	as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	mkdir -p "$own"
	chown nobody "$own"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	"${as_nobody[@]}" test -w "$own" -a -r "$root/Makefile" || skip "nobody can't read the checkout, or write to $own"
	(umask 077; "${as_nobody[@]}" env PREFIX=$prefix DESTDIR="$own" "$root/scripts/install")
	diff -r "$tree" "$own"
	run find "$own" ! -user nobody -o -type d ! -perm 755
	assert_output ""
}

@test "install: PREFIX, DESTDIR and TMPDIR may have blanks, quotes and a slash at the end" {
	local odd="$BATS_TEST_TMPDIR/it's odd"
	mkdir "$odd"
	TMPDIR=$odd make_it install PREFIX="/o'x y/" DESTDIR="$odd/to/"
	diff <(cd "$tree$prefix" && find . | sort) <(cd "$odd/to/o'x y" && find . | sort)
	TMPDIR=$odd make_it uninstall PREFIX="/o'x y/" DESTDIR="$odd/to/"
	assert_equal "$(find "$odd" -mindepth 1)" "$odd/to"
}

@test "uninstall: removes what install has installed, and leaves other files" {
	local copy=$BATS_TEST_TMPDIR/copy
	cp -a "$tree" "$copy"
	touch "$copy$prefix/lib/bpf/foreign"
	ln -sf /nowhere "$copy$prefix/sbin/count-ttl"
	make_it uninstall PREFIX=$prefix DESTDIR="$copy"
	assert_equal "$(find "$copy" ! -type d)" "$copy$prefix/lib/bpf/foreign"
	rm "$copy$prefix/lib/bpf/foreign"
	make_it uninstall PREFIX=$prefix DESTDIR="$copy"
	make_it uninstall PREFIX=$prefix DESTDIR="$copy"
	assert_equal "$(find "$copy" -mindepth 1)" ""
}

@test "install: without DESTDIR, where pkg-config is to look; and uninstall leaves the directories of others" {
	local own=$BATS_TEST_TMPDIR/own
	unset PKG_CONFIG_SYSROOT_DIR
	PREFIX=$own "$root/scripts/install"
	# shellcheck disable=SC2046 # words of a command, here and below
	cc "$root/docs/examples/ports.c" $(PKG_CONFIG_PATH=$own/lib/pkgconfig pkg-config --cflags --libs --static hookpoint) \
		-o "$BATS_TEST_TMPDIR/ports"
	assert_equal "$("$BATS_TEST_TMPDIR/ports" 8080)" 8080
	make_it uninstall PREFIX="$own"
	assert_equal "$(find "$own" ! -type d)" ""
	[[ -d $own/sbin && -d $own/lib/pkgconfig && -d $own/include && ! -e $own/include/hookpoint ]]
}

@test "install: what goes wrong is said in one line" {
	local tool bin=$BATS_TEST_TMPDIR/bin
	run env PREFIX=usr "$root/scripts/install"
	assert_failure 1
	assert_output "install: PREFIX is 'usr': it must begin with /"
	run "$root/scripts/install" --frobnicate
	assert_failure 1
	assert_output "install: unknown argument --frobnicate; see scripts/install --help"
	run env DESTDIR=/dev/null "$root/scripts/install"
	assert_failure 2
	assert_output "install: cannot create directory '/dev/null': Not a directory: run it with sudo, or with another\
 PREFIX or DESTDIR"
	mkdir "$bin"
	for tool in bash basename dirname mktemp readlink realpath rm; do
		ln -s "$(type -P $tool)" "$bin"
	done
	run env PATH="$bin" DESTDIR="$BATS_TEST_TMPDIR/none" "$root/scripts/install"
	assert_failure 2
	assert_output "install: rst2man is missing (Debian's python3-docutils): run: sudo scripts/setup install"
	[[ ! -e $BATS_TEST_TMPDIR/none ]]
}

@test "install: the tools need nothing of the checkout" {
	has_network=1
	start_network
	# shellcheck disable=SC2016 # for the inner shell
	server unshare --mount bash -ec '
		mount -t tmpfs tmpfs "$1"
		cd "$2/sbin"
		for tool in *; do
			[[ $tool == hookpoint-status ]] || ./$tool version
		done
		./block-tcp-8080 load -i veth0
		./drop-spoofed-packets load -i veth0
		./hookpoint-status | grep -v "^ "
		./drop-spoofed-packets unload -a
		./block-tcp-8080 unload -a
		./hookpoint-status --help' - "$root" "$tree$prefix" >"$BATS_TEST_TMPDIR/said"
	run cat "$BATS_TEST_TMPDIR/said"
	assert_line "block-tcp-8080, veth0: attached (native)"
	assert_line --partial "drop-spoofed-packets, veth0: attached"
	assert_line "usage: ./hookpoint-status [-j]"
	assert_equal "$(grep -c ' 0\.1\.0' <<<"$output")" "$(ls "$root/problems" | wc -l)"
}

@test "install: an object is attached by ip, and works" {
	has_network=1
	start_network
	listen server 8080
	server ip link set dev veth0 xdp obj "$tree$prefix/lib/bpf/block-tcp-8080.bpf.o" sec xdp
	is_silent client http://10.0.0.1:8080/
	server ip link set dev veth0 xdp off
	answers client http://10.0.0.1:8080/
}

@test "install: a program is built with pkg-config, and runs" {
	local program=$BATS_TEST_TMPDIR/ports
	# shellcheck disable=SC2046
	cc "$root/docs/examples/ports.c" $(pkg-config --cflags --libs --static hookpoint) -o "$program"
	run "$program" 9000-9100 8080 8081
	assert_success
	assert_output "8080-8081, 9000-9100"
	run "$program" 80-20
	assert_failure 1
	# All of the library: nothing that it needs has been forgotten.
	# shellcheck disable=SC2046
	cc "$root/docs/examples/ports.c" -Wl,--no-as-needed -Wl,--whole-archive $(pkg-config --cflags --libs hookpoint) \
		-Wl,--no-whole-archive -o "$program"
	grep -qx "#define HP_VERSION \"$(pkg-config --modversion hookpoint)\"" "$root/common/hookpoint.h"
}

@test "install: a kernel side finds packet.bpf.h" {
	# shellcheck disable=SC2046
	clang -target bpf -O2 $(pkg-config --cflags hookpoint) -idirafter "/usr/include/$(cc -print-multiarch)" \
		-c "$root/problems/block-tcp-8080/block-tcp-8080.bpf.c" -o "$BATS_TEST_TMPDIR/own.bpf.o"
}

@test "man: each page renders without a warning, and speaks of PREFIX" {
	local page
	for page in "$tree$prefix"/share/man/man8/*.8; do
		run env LC_ALL=C MANWIDTH=120 man --warnings=all -l "$page"
		assert_success
		assert_line --regexp "^       $(basename "$page" .8) - [a-z].*"
		assert_line --regexp "^0\.1\.0 +"
		refute_line --regexp "warning|/usr/local|[^(]\*\*|\`\`"
	done
	run man -l "$tree$prefix/share/man/man8/block-tcp-8080.8"
	assert_line "       $prefix/lib/bpf/block-tcp-8080.bpf.o"
	grep -qF "${prefix//-/\\-}/lib/bpf" "$tree$prefix/share/man/man8/block-tcp-8080.8" # "-" alone may be another
}

@test "man: commands and options are those of the tools' help, of each command" {
	LC_ALL=C MANWIDTH=500 python3 - "$tree$prefix" <<-'EOF'
	import pathlib, re, subprocess, sys

	def output(*command):
	    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout

	def options(text):  # {"-i --interface=": ...}: a line each, the names of values left out
	    lines = re.findall(r"(?m)^ +(-\w[ ,].*|--.*)$", text)
	    return {re.sub(r"=.*", "=", re.sub(r" \w+,|,", "", re.split(r"  |$", line)[0])) for line in lines}

	def short(option):  # what a SYNOPSIS says
	    return option.split()[0].rstrip("=")

	wrong = 0
	def same(page, what, theirs, ours):
	    global wrong
	    if theirs != ours or not ours:
	        print(f"{page.name}, {what}: {sorted(ours ^ theirs)} differ")
	        wrong += 1

	for page in sorted(pathlib.Path(sys.argv[1], "share/man/man8").iterdir()):
	    tool = str(pathlib.Path(sys.argv[1], "sbin", page.stem))
	    text = output("man", "-l", page)
	    section = dict(re.findall(r"(?ms)^([A-Z ]+)\n(.*?)(?=^\S)", text))
	    same(page, "OPTIONS", options(output(tool, "--help")), options(section["OPTIONS"]))
	    commands = re.findall(r"(?m)^ {7}([a-z]+(?:, [a-z]+)?)(?: |$)", section.get("COMMANDS", ""))
	    commands = {one for line in commands for one in line.split(", ")}
	    synopsis = re.sub(r"\n {8,}", " ", section["SYNOPSIS"].rstrip()).splitlines()
	    lines = [line.split(None, 1)[1] for line in synopsis]
	    named = {line.split()[0] for line in lines if line[0].islower()} | ({"version"} if commands else set())
	    helped = re.findall(rf"(?m)^(?:usage:)? +{page.stem} ([a-z]+)(?: \| (version))?", output(tool, "--help"))
	    if commands:
	        same(page, "COMMANDS", {one for both in helped for one in both if one}, commands)
	        same(page, "SYNOPSIS", commands, named)
	    for line in lines:
	        command = line.split()[0]
	        if command == "help":
	            continue
	        told = output(tool, command, "-h") if commands else output(tool, "--help")
	        takes = {short(option) for option in options(told)} - {"-h"}
	        same(page, command, takes, set(re.findall(r"(?:^|[ \[])(--?[A-Za-z][\w-]*)", line)))
	sys.exit(wrong > 0)
	EOF
}

# completed WORD...: what bash would offer for the last word of this command line.
completed() {
	PATH=$tree$prefix/sbin:$PATH bash -c '
		. "$1/share/bash-completion/completions/$2"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		[[ $(complete -p "$1") == "complete -o default -F _hookpoint $1" ]] || exit
		_hookpoint "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
		echo "${COMPREPLY[*]}"' - "$tree$prefix" "$@"
}

@test "completion: commands, options, interfaces, modes and users come from the tools' help" {
	assert_equal "$(completed block-tcp-8080 '')" "load unload status stats run clean help version"
	assert_equal "$(completed load-by-hand '')" "load help version"
	assert_equal "$(completed drop-spoofed-packets u)" "unload"
	assert_equal "$(completed block-tcp-8080 unload -)" "-a --all --ignore-missing -i --interface -v --verbose -h --help"
	assert_equal "$(completed hookpoint-status --)" "--json --help"
	assert_equal "$(completed load-by-hand load --)" "--dry-run"
	assert_equal "$(completed block-tcp-8080 load -m '')" "native generic auto"
	assert_equal "$(completed block-tcp-8080 load --mode =)" "native generic auto"
	assert_equal "$(completed watch-acks run --probe = k)" "kprobe"
	run completed block-tcp-8080 load -i ''
	assert_output --regexp '(^| )lo .*all$'
	assert_equal "$(completed count-ttl run -n -i l)" "lo"
	assert_equal "$(completed count-ttl run -i a)" "" # it has no "all"
	assert_equal "$(completed snoop-exec run -u roo)" "root"
}

@test "completion: what stands in the name of an interface is not run, not even when it is entered" {
	export -f completed
	export tree prefix
	# shellcheck disable=SC2016 # for the inner shell
	run unshare --net --mount bash -ec '
		mount -t sysfs sysfs /sys
		ip link add "x\$(id>&2)" type veth peer name "*"
		completed block-tcp-8080 load -i ""'
	assert_output '\* lo x\$\(id\>\&2\) all'
}

@test "completion: where there is nothing to choose, or a command of others, bash is left to its files" {
	assert_equal "$(completed load-by-hand load '')" ""
	assert_equal "$(completed localhost-bypass load -g /)" ""
	assert_equal "$(completed localhost-bypass exec -- ls -)" ""
	assert_equal "$(completed block-tcp-8080 load -p '')" ""
	assert_equal "$(completed block-tcp-8080 frobnicate -)" ""
}
