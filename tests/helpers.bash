# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What the bats files share. `load` it, with the path from the test file.

bats_require_minimum_version 1.5.0 # run --separate-stderr
bats_load_library bats-support
bats_load_library bats-assert

root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
# shellcheck source=scripts/lib/network.bash
. "$root/scripts/lib/network.bash"

# scaled NORMAL EMULATED: a count or a time, for a machine or for an emulated one, which HOOKPOINT_EMULATED says
# this is.
scaled() { if [[ ${HOOKPOINT_EMULATED:-} ]]; then echo "$2"; else echo "$1"; fi; }

# start_network: for setup. Two hosts and an empty BPF file system, whatever the test before has left.
start_network() {
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
	make_network
}

# without_bpffs COMMAND...: runs COMMAND where no BPF file system is mounted, nor one behind the other.
without_bpffs() {
	unshare --mount sh -c 'while umount /sys/fs/bpf 2>/dev/null; do :; done; exec "$@"' - "$@"
}

# stop_network: for teardown. Ends what runs on the hosts, and the hosts.
stop_network() {
	local host
	for host in server client; do
		ip netns pids $host | xargs -r kill -9
	done
	delete_network
}

# start HOST COMMAND...: runs COMMAND there in the background; $! is its process. (Without the <&0 the shell
# would give it /dev/null to read.)
start() {
	nsenter --net="/run/netns/$1" -- "${@:2}" <&0 3>&- &
}

# Everything of this kind that the kernel holds now, as text to compare: programs and maps with one of the
# names in $ours (a regular expression), their links, pins, namespaces, and what is attached on the hosts.
everything() {
	: "${ours:?is not set by the test file}"
	local programs
	# One that is being freed while it is listed is an error to bpftool.
	programs=$(bpftool prog list 2>/dev/null | grep -E "^[0-9]+:.* name ($ours) ") || true
	echo "$programs"
	bpftool map list 2>/dev/null | grep -E "^[0-9]+:.* name ($ours) " || true
	bpftool link list 2>/dev/null | grep -E "prog ($(cut -d: -f1 <<<"$programs" | paste -sd '|'))\>" || true
	ip netns list
	local host
	for host in $(ip netns list | cut -d' ' -f1); do
		ip -netns "$host" -details link | grep -E 'xdp' || true
		tc -netns "$host" qdisc
	done
	[[ ! -d /sys/fs/bpf/hookpoint ]] || find /sys/fs/bpf/hookpoint -mindepth 2
}

# everything_settled: when nothing is on its way out any more, for at most 5 seconds.
everything_settled() {
	local tries now before=''
	for ((tries = 0; tries < 25; tries++)); do
		now=$(everything)
		[[ $now != "$before" ]] || break
		before=$now
		sleep 0.2
	done
	echo "$now"
}

# nothing_left BEFORE: fails unless, within 5 seconds, there is nothing that was not there before. (The kernel
# frees programs and maps some time after the last reference has gone.)
nothing_left() {
	local tries left
	for ((tries = 0; tries < 50; tries++)); do
		left=$(comm -13 <(sort <<<"$1") <(everything | sort))
		[[ $left ]] || return 0
		sleep 0.1
	done
	echo "$left"
	return 1
}

# nothing_changed BEFORE: nor has anything gone.
nothing_changed() {
	nothing_left "$1"
	diff <(sort <<<"$1") <(everything | sort)
}

# answers HOST URL, is_silent HOST URL: what a person with curl would see.
answers() { "$1" curl --max-time 3 -fsS -o /dev/null "$2"; }
is_silent() {
	run "$1" curl --max-time 1 -sS -o /dev/null "$2"
	assert_failure 28 # timed out: neither an answer nor a refusal
}

# listen HOST PORT: a web server, for IPv4 and IPv6, that ends with the test. (Python's takes seconds to start
# where scripts/vm emulates.)
listen() {
	echo hello >"$BATS_TEST_TMPDIR/index.html"
	start "$1" busybox httpd -f -p "[::]:$2" -h "$BATS_TEST_TMPDIR"
	wait_for answers "$1" "http://127.0.0.1:$2/"
}

# listens HOST tcp|udp PORT: does something?
listens() { [[ -n $("$1" ss -H -ln --"$2" "sport = :$3") ]]; }

# json FILTER: what the jq-like PATH leads to in the JSON on standard input; python3 is there anyway.
#   json 'd["attachments"][0]["mode"]'
json() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }

# member KEY: its first value in the JSON on standard input; a list without blanks, a string without quotes. (For
# `json` python3 has to start, which takes half a second where scripts/vm emulates.)
member() {
	local text value
	read -rd '' text || true
	[[ $text =~ \"$1\":\ (\[[^]]*\]|[^,$'\n']*) ]] || return 1
	value=${BASH_REMATCH[1]}
	if [[ $value == \[* ]]; then value=${value//[[:space:]]/}; else value=${value//\"/}; fi
	echo "$value"
}

# start_host, stop_host TOOL: for setup and teardown of tests that need one host and a cgroup: lo, an empty BPF
# file system, and a cgroup of its own in $own.
start_host() {
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
	ip link set lo up
	enter_cgroup
}
stop_host() {
	"$1" unload -a --ignore-missing
	"$1" clean
	leave_cgroup
}

# Where scripts/vm keeps kernels.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hookpoint

# needs KERNEL...: for tests that boot them.
needs() {
	local missing kernel
	missing=$("$root/scripts/setup" --check vm | awk -F '\t' '$2 == "missing" { print $1 }' | paste -sd ' ')
	[[ ! $missing ]] || skip "missing $missing; to install: sudo scripts/setup vm"
	for kernel; do
		[[ -e $cache/linux-$kernel ]] ||
			skip "Linux $kernel is not here; to fetch it: scripts/vm --kernel $kernel -- true"
	done
}
