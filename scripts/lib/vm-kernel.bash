# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# The kernels of scripts/vm: which there are, where they come from, what of one goes into the initramfs. Needs
# that script's say and die, and its directory in $here.
# shellcheck disable=SC2154

# series and suite of Debian, whose linux-image-amd64 is the newest kernel of that series
declare -A suites=([6.1]=bookworm [6.12]=trixie)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hookpoint
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# find_kernel NAME MODULES: sets kernel to the image, version to what to call it, and modules to the directory
# of its modules, empty if it has none. Downloads it if need be.
find_kernel() {
	local name=$1 found
	modules=$2
	if [[ $name && ${suites[$name]:-} ]]; then
		[[ -e $cache/linux-$name ]] || fetch_kernel "$name"
		kernel=$cache/linux-$name/boot/vmlinux
		found=("$cache/linux-$name"/lib/modules/*/modules.dep)
		[[ -r $kernel && -r ${found[0]:-} ]] ||
			die 1 "the kernel in $cache/linux-$name is not whole, or not yours to read: remove it and try again"
		modules=${modules:-${found[0]%/modules.dep}}
		version=$(basename "${found[0]%/modules.dep}")
	elif [[ $name == host ]]; then
		version=$(uname -r)
		kernel=$(host_kernel)
		[[ -e $kernel ]] || die 1 "there is no image of this machine's kernel: $kernel is missing"
		[[ -r $kernel ]] || die 1 "cannot read $kernel: run it with sudo"
		modules=${modules:-/lib/modules/$version}
	elif [[ -f $name ]]; then
		kernel=$name version=$name
		[[ -r $kernel ]] || die 1 "cannot read $kernel: run it with sudo"
	else
		printf 'vm: there is no kernel "%s"; there are:\n' "$name" >&2
		list_kernels >&2
		exit 1
	fi
	[[ ! $modules || -r $modules/modules.dep ]] ||
		die 1 "$modules has no modules.dep: name the directory lib/modules/VERSION, after depmod"
}

# host_kernel: where the image of this machine's kernel should be.
host_kernel() {
	local image
	image=/lib/modules/$(uname -r)/vmlinuz # Fedora, Arch
	[[ -e $image ]] || image=/boot/vmlinuz-$(uname -r)
	echo "$image"
}

# run_apt TOOL SERIES ARGUMENTS...: apt-get or apt-cache, for nothing but the sources of that series, and with
# lists and caches of our own. What they fetch is checked against the signature of Debian's archive.
run_apt() {
	local tool=$1 lists=$cache/apt-$2
	"$tool" -q -o Dir::Etc::SourceList="$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$lists/lists" -o Dir::Cache="$lists" -o Dir::Cache::PkgCache= \
		-o Dir::Cache::SrcPkgCache= -o APT::Architecture=amd64 -o APT::Architectures=amd64 \
		-o Acquire::Languages=none -o Acquire::PDiffs=false -o APT::Sandbox::User= "${@:3}"
}

# interruptible COMMAND...: bash runs a trap after the command that it waits for has ended, however long that
# takes, but at once if that command is wait. The job has a process group, to be ended with all that it started.
interruptible() {
	local result=0
	set -m
	"$@" &
	job=$!
	set +m
	wait "$job" || result=$?
	job=''
	return $result
}

stop_job() {
	kill -9 -- "-$job" 2>/dev/null || true
	wait "$job" 2>/dev/null || true
}

can_fetch() {
	type -P apt-get >/dev/null || { say "Debian's kernels take apt-get; without it: --kernel host, or a file"; return 1; }
	[[ -r $keyring ]] || { say "missing $keyring: run: sudo scripts/setup vm"; return 1; }
}

# update_lists SERIES: what Debian offers now.
update_lists() {
	local suite=${suites[$1]} lists=$cache/apt-$1
	mkdir -p "$lists/lists/partial"
	cat >"$lists/sources.list" <<-EOF
	deb [signed-by=$keyring] http://deb.debian.org/debian $suite main
	deb [signed-by=$keyring] http://deb.debian.org/debian-security $suite-security main
	EOF
	# Without the option apt-get calls it a success when nothing could be fetched.
	interruptible run_apt apt-get "$1" update -o APT::Update::Error-Mode=any >"$lists/log" 2>&1
}

# package_of SERIES: the package, as NAME VERSION, that linux-image-amd64 depends on.
package_of() {
	local name
	name=$(run_apt apt-cache "$1" depends linux-image-amd64 2>/dev/null |
		awk '$1 == "Depends:" { print $2; exit }')
	[[ $name ]] && run_apt apt-cache "$1" --no-all-versions show "$name" 2>/dev/null |
		awk '/^Package:/ { name = $2 } /^Version:/ { print name, $2; exit }'
}

# download SERIES PACKAGE DIR
download() { cd "$3" && run_apt apt-get "$1" download "$2"; }

# fetch_kernel SERIES: to the cache. What is there is whole: it gets its name last.
fetch_kernel() {
	local series=$1 lists=$cache/apt-$1 package lock
	mkdir -p "$cache" 2>/dev/null || true
	[[ -d $cache && -w $cache ]] || die 1 "cannot write to $cache, where kernels are kept"
	exec {lock}>"$cache/lock"
	interruptible flock "$lock"
	rm -rf "$cache"/partial-* # of one that was killed
	if [[ ! -e $cache/linux-$series ]]; then # nobody else has fetched it meanwhile
		can_fetch || exit 1
		say "fetching the package lists of Debian ${suites[$series]}"
		update_lists "$series" || fail_fetch "$lists"
		package=$(package_of "$series") || die 1 "Debian ${suites[$series]} offers no kernel"
		say "downloading ${package% *}, about 100 MB"
		partial=$(mktemp -d "$cache/partial-XXXXXX")
		interruptible download "$series" "${package% *}" "$partial" >"$lists/log" 2>&1 || fail_fetch "$lists"
		say "unpacking it to $cache/linux-$series"
		dpkg-deb -x "$partial"/*.deb "$partial"
		rm -r "$partial"/*.deb "${partial:?}/usr/share" # documentation
		[[ -e $partial/lib ]] || mv "$partial/usr/lib" "$partial/lib"
		depmod -b "$partial" "$(basename "$partial"/lib/modules/*)"
		decompress_kernel "$partial"/boot/vmlinuz-* "$partial/boot/vmlinux" ||
			die 1 "cannot decompress the kernel of ${package% *}"
		chmod a+rx "$partial"
		mv "$partial" "$cache/linux-$series"
		partial=''
	fi
	exec {lock}>&-
}

# decompress_kernel BZIMAGE VMLINUX: what the bzImage would unpack itself; under emulation that takes it up to three
# seconds of every boot. (Its header: Documentation/arch/x86/boot.rst in Linux 6.12, protocol 2.08; the last
# four bytes of the payload are its length unpacked.)
decompress_kernel() {
	local sectors offset length unpack
	sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
	read -r offset length < <(od -An -tu4 -j $((0x248)) -N 8 "$1")
	offset=$(((sectors + 1) * 512 + offset))
	case $(od -An -tx1 -j $offset -N 4 "$1") in
	' fd 37 7a 58') unpack='xz -dcq' ;;
	' 28 b5 2f fd') unpack='zstd -dcq' ;;
	*) return 1 ;;
	esac
	# (tail is no part of the pipeline: it ends by SIGPIPE.)
	head -c $((length - 4)) < <(tail -c +$((offset + 1)) "$1") | $unpack >"$2"
}

fail_fetch() {
	tail -n 5 "$1/log" >&2
	die 1 "apt-get could not fetch it; the end of its log is above"
}

# list_kernels: what is in the cache, and what Debian offers.
list_kernels() {
	local series have package
	while read -r series; do
		have='not cached'
		[[ ! -e $cache/linux-$series ]] || have="$(basename "$cache/linux-$series"/lib/modules/*), cached"
		package=$(package_of "$series") ||
			{ can_fetch 2>/dev/null && update_lists "$series" && package=$(package_of "$series"); } ||
			package='nothing that can be fetched now'
		printf '  %-6s %s; Debian %s offers %s\n' "$series" "$have" "${suites[$series]}" "$package"
	done < <(printf '%s\n' "${!suites[@]}" | sort -V)
	have=$(host_kernel)
	[[ -e $have ]] || have="no image at $have"
	printf '  %-6s %s\n' host "this machine's $(uname -r), $have"
	printf '  %-6s %s\n' FILE "a bzImage, with --modules DIR if it has any"
}

# make_initramfs DIR: everything that the kernel needs before it sees the host's files: busybox, the modules of
# virtio, 9p and overlay in the order in which they load, vm-init. DIR/initramfs is the result.
make_initramfs() {
	local tree=$1/tree busybox name path module
	mkdir -p "$tree"/{bin,dev,proc,sys,modules} "$1/lib/modules"
	busybox=$(type -P busybox)
	cp "$busybox" "$tree/bin/busybox"
	# A busybox that isn't static needs its libraries.
	while read -r path; do
		install -D "$path" "$tree$path"
	done < <(ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*')
	cp "$here/lib/vm-init" "$tree/init"
	cp "$1/plan" "$1/command" "$tree"
	if [[ $modules ]]; then
		ln -s "$(readlink -f "$modules")" "$1/lib/modules/these"
		for name in virtio_pci virtio_console 9pnet_virtio 9p overlay veth sch_ingress cls_bpf; do
			# Errors are left to vm-init, which sees what the kernel can do; it may be built in.
			modprobe -d "$1" -S these --show-depends "$name" 2>/dev/null || true
		done | sed -n 's/^insmod \(.*\.ko[.a-z]*\).*/\1/p' | awk '!seen[$0]++' >"$1/order"
		while read -r path; do
			module=${path##*/} module=${module%%.ko*}
			case $path in
			*.xz) xz -dc "$path" ;;
			*.zst) zstd -dcq "$path" ;;
			*.gz) gzip -dc "$path" ;;
			*) cat "$path" ;;
			esac >"$tree/modules/$module.ko"
			echo "$module.ko" >>"$tree/modules/order"
		done <"$1/order"
	fi
	(cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null) >"$1/initramfs"
}
