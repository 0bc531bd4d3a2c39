#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/setup and scripts/find-bpftool, against a table, a system and package managers made up here:
# nothing is installed.
#
# shellcheck disable=SC2016 # the fakes are to expand what is in single quotes, not the tests
# shellcheck disable=SC2154 # run sets stderr and stderr_lines

bats_require_minimum_version 1.5.0

setup() {
	bats_load_library bats-support
	bats_load_library bats-assert
	# bats' own directory is closed to the ordinary user that some tests become.
	dir=$(mktemp -d)
	chmod 755 "$dir"
	mkdir -p "$dir"/{bin,etc,lib,scripts,tmp}
	cp "$BATS_TEST_DIRNAME"/../scripts/{setup,find-bpftool} "$dir/scripts/"
	touch "$dir/lib/here.h"
	is_system ID=debian 'VERSION_ID="12"' 'PRETTY_NAME="Debian 12"'
	cat >"$dir/table" <<-EOF
	# a comment, and an empty line

	shell    cmd:sh                             have      dash        =            bash        bash
	header   file:/lib/gone.h|/lib/h*.h         have      here-dev    =            here-devel  here
	absent   cmd:hookpoint-absent               lack,all  absent-pkg  two,absent2  absent-rpm  absent-arch
	library  cmd:hookpoint-gone|file:/lib/*.so  lack      absent-pkg  =            -           lib-arch
	EOF
	export HOOKPOINT_PACKAGES=$dir/table HOOKPOINT_ROOT=$dir PATH=$dir/bin:$PATH
	unset DEBIAN_FRONTEND MAKELEVEL
	setup=$dir/scripts/setup
}

teardown() {
	rm -rf "$dir"
}

is_system() {
	printf '%s\n' "$@" >"$dir/etc/os-release"
}

as_user() {
	if ((EUID == 0)); then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi
}

needs_root() {
	((EUID == 0)) || skip "setup installs only as root"
}

# fake NAME: makes a command that notes how it was called and goes on with the lines on standard input.
fake() {
	{
		printf '#!/bin/bash\ndir=%q\n' "$dir"
		echo 'echo "$DEBIAN_FRONTEND ${0##*/} $*" >>"$dir/calls"'
		cat
	} >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}

# What a package manager does when all is well.
brings_everything() {
	cat <<-'EOF'
	[[ " $* " == *" update "* ]] && exit
	cp /bin/true "$dir/bin/hookpoint-absent"
	touch "$dir/lib/now.so"
	EOF
}

install_quietly() {
	TMPDIR=$dir/tmp "$setup" "$@" </dev/null
}

refute_leftovers() {
	run ls -A "$dir/tmp"
	assert_output ''
}

@test "without root, something missing is one line with the command to run" {
	run --separate-stderr as_user "$setup" have lack
	assert_failure 1
	assert_output ''
	assert_equal "$stderr" "setup: missing absent, library: run: sudo $setup have lack"
}

@test "the command to run holds where setup was called, and quotes what a shell would split" {
	mv "$dir/scripts" "$dir/two words"
	cd "$dir/two words"
	run as_user bash setup lack
	assert_failure 1
	assert_output 'setup: missing absent, library: run: sudo ./setup lack'
	cd "$dir"
	run as_user 'two words/setup' lack
	assert_output 'setup: missing absent, library: run: sudo two\ words/setup lack'
}

@test "with nothing missing, setup says nothing" {
	run "$setup" have
	assert_success
	assert_output ''
	run as_user "$setup" have
	assert_success
	assert_output ''
}

@test "with nothing missing, setup starts no other program" {
	type -P strace >/dev/null || skip "strace is not installed"
	strace -f -qq -e trace=execve,clone,clone3,fork,vfork -o "$dir/trace" bash "$setup" have
	run cat "$dir/trace"
	assert_equal "${#lines[@]}" 1
	assert_output --partial execve
}

@test "only at a terminal, and not under make, does setup say that nothing is missing" {
	run script -qec "env -u MAKELEVEL $setup have" /dev/null
	assert_success
	assert_output --partial 'setup: nothing is missing'
	run script -qec "MAKELEVEL=1 $setup have" /dev/null
	assert_success
	assert_output ''
}

@test "check prints a line of name, state and package for each tool of the groups" {
	run --separate-stderr as_user "$setup" --check have all
	assert_success
	assert_output $'shell\tok\tdash\nheader\tok\there-dev\nabsent\tmissing\tabsent-pkg'
	assert_equal "$stderr" ''
}

@test "a dry run names each package once, installs nothing and exits 1" {
	fake apt-get </dev/null
	run --separate-stderr "$setup" -n lack all
	assert_failure 1
	assert_output 'setup: would install absent-pkg'
	assert_equal "$stderr" ''
	assert [ ! -e "$dir/calls" ]
	run "$setup" --dry-run have
	assert_success
	assert_output ''
}

@test "an unknown option is one line and exit 1" {
	run --separate-stderr "$setup" --frobnicate have
	assert_failure 1
	assert_output ''
	assert_equal "$stderr" "setup: unknown option --frobnicate; see $setup --help"
}

@test "an unknown group is one line that names the known ones, and exit 1" {
	for group in nonsense 'a(b' '.*' ha lack,all; do
		run --separate-stderr "$setup" --check have "$group"
		assert_failure 1
		assert_output ''
		assert_equal "$stderr" "setup: unknown group $group; the groups are: have lack all"
	done
}

@test "no group at all is one line and exit 1" {
	run "$setup"
	assert_failure 1
	assert_output 'setup: name at least one group of: have lack all'
}

@test "a table that cannot be read is one line and exit 1" {
	HOOKPOINT_PACKAGES=$dir/nowhere run "$setup" have
	assert_failure 1
	assert_output "setup: cannot read the package table $dir/nowhere"
}

@test "help names the groups of the table and says what has not been tried" {
	for option in -h --help; do
		run --separate-stderr "$setup" "$option"
		assert_success
		assert_line 'groups: have lack all'
		assert_output --partial 'NOT been tried'
		assert_equal "$stderr" ''
	done
}

@test "commands in an sbin directory count, whatever PATH is" {
	echo 'chroot cmd:chroot have coreutils = coreutils coreutils' >"$dir/table"
	PATH=/usr/bin:/bin run "$setup" --check have
	assert_output $'chroot\tok\tcoreutils'
}

@test "setup names the packages, updates the lists, installs and shows its progress" {
	needs_root
	fake apt-get < <(
		cat <<-'EOF'
		echo "this belongs in the log"
		for percent in 0.0000 7.5 19.9 20.1 33 60,5 61 100.0000; do
			echo "dlstatus:1:$percent:Retrieving file 1 of 1" >&3
		done
		echo "pmstatus:absent-pkg:50.0:Unpacking absent-pkg" >&3
		echo "pmerror:absent-pkg:nonsense:x" >&3
		EOF
		brings_everything
	)
	run --separate-stderr install_quietly lack
	assert_success
	assert_equal "$stderr" ''
	assert_equal "${lines[0]}" 'setup: installing absent-pkg'
	assert_equal "${lines[1]}" 'setup: fetching package lists'
	assert_equal "${lines[2]}" 'setup: fetching package lists, 20 %'
	assert_equal "${lines[3]}" 'setup: fetching package lists, 60 %'
	assert_equal "${lines[4]}" 'setup: fetching package lists, 100 %'
	assert_line 'setup: downloading, 60 %'
	assert_line 'setup: installing, 50 %'
	assert_regex "${lines[-1]}" '^setup: done in [0-9]+ s$'
	refute_output --partial 'belongs in the log'
	run cat "$dir/calls"
	assert_equal "${#lines[@]}" 2
	assert_regex "${lines[0]}" '^noninteractive apt-get .* update$'
	assert_regex "${lines[1]}" '^noninteractive apt-get .*--no-install-recommends install absent-pkg$'
	refute_leftovers
}

@test "on a terminal the progress is one line that is written over" {
	needs_root
	fake apt-get < <(
		echo 'for i in 10 11 12; do echo "dlstatus:1:$i:Retrieving file $i of 12" >&3; done'
		brings_everything
	)
	run script -qec "$setup lack" /dev/null
	assert_success
	assert_equal "${#lines[@]}" 2
	assert_output --partial $'\r\e[Ksetup: downloading, 12 %  Retrieving file 12 of 12\r\e[K'
}

@test "a package manager that refuses is exit 2, after the end of its log" {
	needs_root
	fake apt-get <<<'seq 1 100; echo "E: no such thing" >&2; exit 100'
	run --separate-stderr install_quietly lack
	assert_failure 2
	assert_output --partial 'apt-get update failed; going on'
	assert_equal "${#stderr_lines[@]}" 13
	assert_equal "${stderr_lines[11]}" 'E: no such thing'
	assert_equal "${stderr_lines[12]}" \
		'setup: apt-get could not install the packages; the end of its log is above'
	refute_leftovers
}

@test "package lists that cannot be updated do not stop an installation that works" {
	needs_root
	fake apt-get < <(
		echo '[[ " $* " == *" update "* ]] && exit 100'
		brings_everything
	)
	run install_quietly lack
	assert_success
	assert_line 'setup: apt-get update failed; going on with the package lists that are here'
}

@test "what is still missing after the installation is named, and exit 2" {
	needs_root
	fake apt-get <<<'touch "$dir/lib/now.so"'
	run --separate-stderr install_quietly lack
	assert_failure 2
	assert_equal "$stderr" 'setup: still missing after the installation: absent'
	refute_leftovers
}

@test "Ctrl-C leaves no file behind and is exit 130" {
	needs_root
	fake apt-get <<<'touch "$dir/started"; sleep 20'
	# A background job ignores SIGINT, and bash cannot take that back.
	TMPDIR=$dir/tmp setsid env --default-signal=INT "$setup" lack >"$dir/out" 2>&1 3>&- &
	local pid=$! tries=0 ended=0
	until [[ -e $dir/started ]]; do
		((++tries < 100))
		sleep 0.05
	done
	kill -INT -- "-$pid"
	wait "$pid" || ended=$?
	assert_equal "$ended" 130
	run tail -n 1 "$dir/out"
	assert_output 'setup: interrupted'
	refute_leftovers
}

@test "a directory for temporary files that is not there is one line and exit 2" {
	needs_root
	fake apt-get </dev/null
	TMPDIR=$dir/nowhere run --separate-stderr "$setup" lack
	assert_failure 2
	assert_equal "$stderr" "setup: cannot make a temporary file in $dir/nowhere"
	assert [ ! -e "$dir/calls" ]
}

@test "every system has its own package list, and those that were not tried are labelled" {
	local untried='(UNTRIED package list for X)'
	is_system ID=ubuntu 'VERSION_ID="24.04"' PRETTY_NAME=X
	run "$setup" -n lack
	assert_output "setup: would install two absent2 absent-pkg $untried"
	is_system ID=ubuntu 'VERSION_ID="26.04"' PRETTY_NAME=X
	run "$setup" -n lack
	assert_output "setup: would install absent-pkg $untried"
	is_system ID=debian 'VERSION_ID="13"' PRETTY_NAME=X
	run "$setup" -n lack
	assert_output "setup: would install absent-pkg $untried"
	is_system ID=rocky 'ID_LIKE="rhel centos fedora"' PRETTY_NAME=X
	run "$setup" -n lack
	assert_output "setup: would install absent-rpm $untried"
	is_system ID=arch PRETTY_NAME=X
	run "$setup" -n lack
	assert_output "setup: would install absent-arch lib-arch $untried"
}

@test "Fedora installs with dnf and Arch with pacman" {
	needs_root
	fake dnf < <(brings_everything)
	is_system ID=fedora 'PRETTY_NAME="Fedora Linux 42"'
	run install_quietly lack
	assert_success
	assert_line 'setup: installing absent-rpm (UNTRIED package list for Fedora Linux 42)'
	rm "$dir/bin/hookpoint-absent" "$dir/lib/now.so"
	fake pacman < <(brings_everything)
	is_system ID=arch 'PRETTY_NAME="Arch Linux"'
	run install_quietly lack
	assert_success
	run cat "$dir/calls"
	assert_line --regexp '^noninteractive dnf -y .*install absent-rpm$'
	assert_line --regexp '^noninteractive pacman -S .*--noconfirm absent-arch lib-arch$'
}

@test "a system without a package list is told what to install by hand, and exit 2" {
	is_system ID=plan9 'PRETTY_NAME="Plan 9"'
	run --separate-stderr "$setup" lack
	assert_failure 2
	assert_equal "$stderr" \
		'setup: missing absent, library: no package for Plan 9 is known, install it by hand'
	rm "$dir/etc/os-release"
	run "$setup" --check lack
	assert_success
	assert_output $'absent\tmissing\t-\nlibrary\tmissing\t-'
}

@test "every row of the package table has a name of its own, a known probe and seven columns" {
	local names=' ' name probe groups debian ubuntu fedora arch rest
	while read -r name probe groups debian ubuntu fedora arch rest; do
		[[ $name && $name != \#* ]] || continue
		echo "row $name"
		[[ $names != *" $name "* ]]
		names+="$name "
		[[ $probe =~ ^(cmd:[^|/]+|file:/[^|]+)(\|(cmd:[^|/]+|(file:)?/[^|]+))*$ ]]
		[[ $groups =~ ^[a-z]+(,[a-z]+)*$ ]]
		[[ $arch && ! $rest ]]
		[[ $debian != = && $fedora != = && $arch != = && $ubuntu ]]
	done <"$BATS_TEST_DIRNAME/../scripts/packages"
	[[ $names == *' clang '*' bats '* ]]
}

# bpftool_at PATH STATUS: makes a bpftool that exits with that status.
bpftool_at() {
	mkdir -p "${1%/*}"
	printf '#!/bin/sh\nexit %s\n' "$2" >"$1"
	chmod +x "$1"
}

@test "find-bpftool takes the one on PATH if it runs" {
	bpftool_at "$dir/bin/bpftool" 0
	bpftool_at "$dir/usr/lib/linux-tools/6.8.0-31-generic/bpftool" 0
	run "$dir/scripts/find-bpftool"
	assert_success
	assert_output "$dir/bin/bpftool"
}

@test "find-bpftool passes over a wrapper that refuses, to the newest build that runs" {
	bpftool_at "$dir/bin/bpftool" 2
	bpftool_at "$dir/usr/sbin/bpftool" 2
	bpftool_at "$dir/usr/lib/linux-tools/6.8.0-9-generic/bpftool" 0
	bpftool_at "$dir/usr/lib/linux-tools/6.8.0-31-generic/bpftool" 0
	bpftool_at "$dir/usr/lib/linux-tools/6.8.0-40-generic/bpftool" 127
	run "$dir/scripts/find-bpftool"
	assert_success
	assert_output "$dir/usr/lib/linux-tools/6.8.0-31-generic/bpftool"
}

@test "find-bpftool looks in sbin, which PATH may lack" {
	bpftool_at "$dir/bin/bpftool" 2
	bpftool_at "$dir/usr/sbin/bpftool" 0
	run "$dir/scripts/find-bpftool"
	assert_success
	assert_output "$dir/usr/sbin/bpftool"
}

@test "find-bpftool without any that runs is one line and exit 1" {
	bpftool_at "$dir/bin/bpftool" 2
	run --separate-stderr "$dir/scripts/find-bpftool"
	assert_failure 1
	assert_output ''
	assert_equal "${#stderr_lines[@]}" 1
	assert_regex "$stderr" '^find-bpftool: no bpftool runs here'
}

@test "find-bpftool has help, and takes no argument" {
	run "$dir/scripts/find-bpftool" --help
	assert_success
	assert_line --regexp '^usage: scripts/find-bpftool'
	run "$dir/scripts/find-bpftool" nonsense
	assert_failure 1
	assert_output 'find-bpftool: unknown argument nonsense; it takes none'
}
