# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Two hosts and a cable, in network namespaces: the network of the sandbox, the demos and the tests.
#
#        client                      server
#   veth0 10.0.0.2/24 ---------- veth0 10.0.0.1/24
#         fd00::2/64                   fd00::1/64
#
# Source this, call enter_sandbox once and make_network as often as you like.

# Restarts SCRIPT with its ARGUMENTS in namespaces of its own, with an empty BPF file system and an empty
# /run. Whatever is started, pinned or named there is gone when SCRIPT ends, even if it is killed. Nothing
# of the machine's own is touched.
#   enter_sandbox SCRIPT ARGUMENTS...
enter_sandbox() {
	if [[ ${HOOKPOINT_SANDBOX:-} ]]; then
		unset HOOKPOINT_SANDBOX # what is started in here may want a sandbox of its own
		return
	fi
	if ((EUID != 0)); then
		echo "${1##*/}: network namespaces take root: run it with sudo" >&2
		exit 1
	fi
	HOOKPOINT_SANDBOX=yes exec unshare --mount --net --pid --fork --kill-child --mount-proc -- "$@"
}

# What enter_sandbox's new process does first.
furnish_sandbox() {
	trap 'exit 130' INT TERM HUP # without a trap the first process of a PID namespace is deaf to them
	PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH # the distribution's tools, whatever else there is
	mount -t tmpfs tmpfs /run
	mount -t bpf bpf /sys/fs/bpf
	mkdir /run/netns
}

make_network() {
	ip netns add server
	ip netns add client
	ip link add veth0 netns server type veth peer name veth0 netns client
	give_addresses server 1
	give_addresses client 2
}

give_addresses() {
	local host=$1 number=$2
	ip -netns "$host" -batch - <<-EOF
	link set lo up
	link set veth0 up
	address add 10.0.0.$number/24 dev veth0
	$(! have_ipv6 || echo "address add fd00::$number/64 dev veth0 nodad")
	EOF
}

have_ipv6() { [[ -e /proc/sys/net/ipv6 ]]; }

delete_network() {
	ip netns delete server
	ip netns delete client
}

# server COMMAND..., client COMMAND...: runs COMMAND on that host. (Not with `ip netns exec`, which hides
# the BPF file system.)
server() { nsenter --net=/run/netns/server -- "$@"; }
client() { nsenter --net=/run/netns/client -- "$@"; }

# wait_for COMMAND...: until it succeeds, at most 5 seconds (60 where scripts/vm emulates), or HOOKPOINT_PATIENCE.
wait_for() {
	local limit=${HOOKPOINT_PATIENCE:-${HOOKPOINT_EMULATED:+60}} end
	: "${limit:=5}"
	end=$((SECONDS + limit))
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "waited $limit s in vain for: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# enter_cgroup: moves this shell into a cgroup (v2) of its own, whose directory is then in $own; leave_cgroup
# takes it back, ends what is left in there, and removes that.
enter_cgroup() {
	local mount path
	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	path=$(sed -n 's/^0:://p' /proc/self/cgroup)
	own=$(mktemp -d "$mount${path%/}/hookpoint-XXXXXX")
	echo $BASHPID >"$own/cgroup.procs"
}
leave_cgroup() {
	local directory process
	echo $BASHPID >"$own/../cgroup.procs"
	while read -r process; do kill -9 "$process"; done < <(find "$own" -name cgroup.procs -exec cat {} +)
	while read -r directory; do
		wait_for rmdir "$directory"
	done < <(find "$own" -depth -type d)
}
