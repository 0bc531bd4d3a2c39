#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# new-problem on real packets, between two hosts. `scripts/test new-problem` runs this.

load ../../tests/helpers

tool=$root/problems/new-problem/new-problem
ours='count_frames|frames' # the program and the map, as the kernel calls them

setup() {
	start_network
	empty_network=$(everything)
}

teardown() {
	stop_network
}

# What the program on veth0 has counted: ipv4, ipv6 or other.
frames() { server "$tool" stats -j | json "d['attachments'][0]['$1']"; }

# send ADDRESS NUMBER: so many UDP datagrams, each of them one frame, from the client.
send() {
	client bash -c "for ((i = 0; i < $2; i++)); do echo >/dev/udp/$1/9; done"
}

@test "new-problem: every frame is counted, as what it carries" {
	local ipv6
	run server "$tool" load -i veth0
	assert_success
	assert_output "veth0: attached in native mode, counting frames"

	send 10.0.0.1 7
	assert_equal "$(frames ipv4)" 7
	[[ $(frames other) -ge 1 ]] # ARP came first

	have_ipv6 || return 0
	ipv6=$(frames ipv6)
	send fd00::1 5
	[[ $(frames ipv6) -ge $((ipv6 + 5)) ]] # the hosts also send some of their own accord
	assert_equal "$(frames ipv4)" 7
}

@test "new-problem: all traffic passes" {
	server "$tool" load -i veth0
	listen server 8080
	answers client http://10.0.0.1:8080/
	! have_ipv6 || answers client 'http://[fd00::1]:8080/'
}

@test "new-problem: the same load again changes nothing, and the counters go on" {
	local before
	server "$tool" load -i veth0
	before=$(everything)
	send 10.0.0.1 3
	run server "$tool" load -i veth0
	assert_success
	assert_output "veth0: nothing to do, counting frames"
	nothing_left "$before"
	assert_equal "$(frames ipv4)" 3
}

@test "new-problem: unload leaves nothing behind" {
	server "$tool" load -i veth0
	run server "$tool" unload -i veth0
	assert_success
	assert_output "veth0: detached"
	nothing_left "$empty_network"
}
