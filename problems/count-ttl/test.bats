#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# count-ttl on real packets, over real routers. `scripts/test count-ttl` runs this.

load ../../tests/helpers

here=$root/problems/count-ttl
tool=$here/count-ttl
ours='count_ttl|hosts|totals|drop_all'

setup_file() {
	# What `everything` finds is the same before each test, and takes 20 processes.
	start_network
	everything >"$BATS_FILE_TMPDIR/empty"
	stop_network
}

setup() {
	start_network
	empty_network=$(<"$BATS_FILE_TMPDIR/empty")
}

teardown() {
	for router in r1 r2; do
		[[ ! -e /run/netns/$router ]] || ip netns delete $router
	done
	stop_network
}

r1() { nsenter --net=/run/netns/r1 -- "$@"; }

# make_chain: besides the cable, a way over two routers from client (10.1.0.2, fd01::2) to server (10.3.0.1,
# fd03::1).
make_chain() {
	local router
	ip -batch - <<-EOF
	netns add r1
	netns add r2
	link add away netns client type veth peer name left netns r1
	link add right netns r1 type veth peer name left netns r2
	link add right netns r2 type veth peer name away netns server
	EOF
	for router in r1 r2; do
		nsenter --net=/run/netns/$router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
			! test -e /proc/sys/net/ipv6 || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	done
	join client away 1 2 r1 left 1 1
	join r1 right 2 1 r2 left 2 2
	join r2 right 3 2 server away 3 1
	route client 1 1 "3"
	route r1 2 2 "3"
	route r2 2 1 "1"
	route server 3 2 "1"
}

# join HOST IF NETWORK NUMBER HOST IF NETWORK NUMBER: gives both ends of a cable addresses, and switches them on.
join() {
	while (($#)); do
		ip -netns "$1" -batch - <<-EOF
		link set $2 up
		address add 10.$3.0.$4/24 dev $2
		$(! have_ipv6 || echo "address add fd0$3::$4/64 dev $2 nodad")
		EOF
		shift 4
	done
}

# route HOST NETWORK NUMBER FAR: to network FAR over that router.
route() {
	ip -netns "$1" route add "10.$4.0.0/24" via "10.$2.0.$3"
	! have_ipv6 || ip -netns "$1" route add "fd0$4::/64" via "fd0$2::$3"
}

# count OPTIONS...: has the server count; $! is its process, $out what it prints.
count() {
	out=$BATS_TEST_TMPDIR/out
	start server "$tool" run "$@" >"$out" 2>&1
	counter=$!
	wait_for grep -qE '^counting|"schema"' "$out"
}

# finish [SIGNAL]: ends it.
finish() {
	kill -"${1:-TERM}" $counter
	wait $counter
}

# host ADDRESS HOPS: "TTL PACKETS" of that host, or "none".
host() {
	local text b='[[:space:]]*' n='([0-9]+)'
	text=$(server "$tool" stats -j)
	if [[ $text =~ \"address\":\ \"$1\",$b\"hops\":\ $2,$b\"ttl\":\ $n,$b\"packets\":\ $n ]]; then
		echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
	else
		echo none
	fi
}

# total NAME: counted, no_room or unreadable.
total() { server "$tool" stats -j | member "$1"; }

# datagrams COUNT ADDRESS PORT: sends as many from client, each with four bytes.
datagrams() {
	client bash -c 'exec 5>"/dev/udp/$2/$3"; for ((i = $1; i > 0; i--)); do echo abc >&5; done' - "$@"
}

servers_mac() { ip -netns server -br link show veth0 | awk '{ print $3 }'; }

# build_variant NAME SED: the tool with another filter, in $variant.
build_variant() {
	local folder=$BATS_TEST_TMPDIR/$1
	mkdir "$folder"
	cp "$here"/*.[ch] "$folder"
	sed -i "$2" "$folder/filter.c"
	! cmp -s "$folder/filter.c" "$here/filter.c" || fail "no variant: '$2' changes nothing"
	variant=$folder/count-ttl
	cc -std=gnu11 -D_GNU_SOURCE -I "$root/common" -o "$variant" "$folder"/{count-ttl,filter,show,sockets}.c \
		"$root/common/libhookpoint.a" -lbpf -lelf -lz -ljansson -lmnl
}

# --- the effect ---

# bats test_tags=slow
@test "count-ttl: over two routers, every usual first TTL shows two hops, in IPv4 and IPv6" {
	local first sent=0 before
	make_chain
	before=$(everything)
	count
	for first in 32 64 128 255; do
		client ping -q -c 2 -i 0.01 -t $first 10.3.0.1
		sent=$((sent + 2))
		assert_equal "$(host 10.1.0.2 2)" "$((first - 2)) $sent"
		! have_ipv6 || client ping -q -c 1 -t $first fd03::1
	done
	! have_ipv6 || assert_equal "$(host fd01::2 2)" "253 4"

	# What the guess can't know: a first TTL that is not usual; and a sender's choice between two usual ones.
	client ping -q -c 1 -t 100 10.3.0.1
	assert_equal "$(host 10.1.0.2 30)" "98 1"
	client ping -q -c 1 -t 34 10.3.0.1
	assert_equal "$(host 10.1.0.2 0)" "32 1"

	# The system's own.
	client sh -c 'echo 77 >/proc/sys/net/ipv4/ip_default_ttl'
	client ping -q -c 1 10.3.0.1
	assert_equal "$(host 10.1.0.2 53)" "75 1"
	client ping -q -c 1 10.0.0.1 # over the cable
	assert_equal "$(host 10.0.0.2 51)" "77 1"
	finish
	nothing_left "$before"
}

@test "count-ttl: on a UDP socket the same, and every datagram arrives whole" {
	make_chain
	count --udp 5000
	datagrams 3 10.3.0.1 5000
	wait_for eval '[[ $(host 10.1.0.2 2) == "62 3" ]]'
	! have_ipv6 || datagrams 2 fd03::1 5000
	! have_ipv6 || wait_for eval '[[ $(host fd01::2 2) == "62 2" ]]'
	client ping -q -c 1 10.3.0.1
	datagrams 1 10.3.0.1 5001
	assert_equal "$(total counted)" "$(have_ipv6 && echo 5 || echo 3)" # its own, and nobody else's

	server "$here/receive" /sys/fs/bpf/hookpoint/count-ttl/*/program
	assert_equal "$(host 127.0.0.1 0)" "64 7"
	finish
}

# bats test_tags=slow
@test "count-ttl: a run that is killed leaves pins, and clean removes them" {
	count
	kill -9 $counter
	wait $counter || true
	run --separate-stderr server "$tool" status -j
	assert_equal "$(member state <<<"$output")" stale
	run server "$tool" clean
	assert_success
	run --separate-stderr server "$tool" status
	assert_failure 4
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "count-ttl: filter and oracle agree on every TTL, every truncation and many mutations" {
	run "$here/test-filter" "$root/tests/packets/fixtures" -s "${HOOKPOINT_SEED:-64}" -t "$(scaled 1 10)" \
		-n "${HOOKPOINT_MUTATIONS:-$(scaled 200000 10000)}"
	echo "$output" | sed 's/^/# /' >&3
	assert_success
}

# --- counting ---

# bats test_tags=slow
@test "count-ttl: 1000 packets are 1000, on either socket, and what goes out is not counted" {
	count -i veth0
	client ping -q -f -c 1000 10.0.0.1
	assert_equal "$(host 10.0.0.2 0)" "64 1000"
	server ping -q -c 5 -i 0.01 10.0.0.2 # five answers come in
	assert_equal "$(host 10.0.0.2 0)" "64 1005"
	assert_equal "$(host 10.0.0.1 0)" none
	assert_equal "$(server ss -H -0 -n | awk '{ print $2 }' | paste -sd ' ')" "0 0" # bytes that wait for a reader
	finish

	count -u 5000
	datagrams 1000 10.0.0.1 5000
	wait_for eval '[[ $(host 10.0.0.2 0) == "64 1000" ]]'
	wait_for eval '[[ $(server ss -H -uln "sport = :5000" | awk "{ print \$2 }") == 0 ]]' # and thrown away
	run server "$tool" stats
	assert_line --regexp '^  10\.0\.0\.2 +0 +64 +1000$'
	finish
	assert_equal "$(grep -c '1000     0    64  .*10.0.0.2' "$out")" 1
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "count-ttl: two CPUs that count the same host at once lose no packet" {
	local program first times
	times=$(scaled 1000000 20000)
	count -i lo
	program=$(echo /sys/fs/bpf/hookpoint/count-ttl/*/program)
	# 192.0.2.1, with a TTL of 60
	{
		head -c 12 /dev/zero
		printf '\x08\0\x45\0\0\x14\0\0\0\0\x3c\0\0\0\xc0\0\x02\x01\0\0\0\0'
	} >"$BATS_TEST_TMPDIR/packet"
	bpftool prog run pinned "$program" data_in "$BATS_TEST_TMPDIR/packet" repeat "$times" >/dev/null 3>&- &
	first=$!
	bpftool prog run pinned "$program" data_in "$BATS_TEST_TMPDIR/packet" repeat "$times" >/dev/null
	wait $first
	assert_equal "$(host 192.0.2.1 4)" "60 $((2 * times))"
	assert_equal "$(total counted)" "$((2 * times))"
	finish
}

# bats test_tags=slow
@test "count-ttl: a large packet that GRO made, or that TSO spared cutting, counts as its segments" {
	local sent
	head -c 3000000 /dev/zero >"$BATS_TEST_TMPDIR/large"
	start client busybox httpd -f -p 8080 -h "$BATS_TEST_TMPDIR"
	wait_for listens client tcp 8080
	count -i veth0
	server curl -sS -o /dev/null http://10.0.0.2:8080/large
	sleep 0.3 # the connection ends
	sent=$(client nstat -as | awk '$1 ~ /^Tcp(OutSegs|RetransSegs)$/ { sum += $2 } END { print sum }')
	((sent > 2000)) || fail "$sent segments"
	read -r _ packets <<<"$(host 10.0.0.2 0)"
	assert_equal "$packets" "$sent"
	finish
}

# bats test_tags=slow
@test "count-ttl: datagrams in fragments count once on a UDP socket, and each fragment on a packet socket" {
	count -i veth0
	client ping -q -c 1 -s 4000 10.0.0.1
	assert_equal "$(host 10.0.0.2 0)" "64 3"
	finish
	count -u 5000
	client python3 -c 'import socket; socket.socket(2, 2).sendto(bytes(4000), ("10.0.0.1", 5000))'
	assert_equal "$(host 10.0.0.2 0)" "64 1"
	finish
}

# bats test_tags=slow
@test "count-ttl: of tagged frames the first tag is no obstacle, and a second one is for who has that VLAN" {
	count
	client "$here/send" veth0 "$(servers_mac)" tagged 1
	assert_equal "$(host 192.0.0.1 31)" "33 1"
	client "$here/send" veth0 "$(servers_mac)" tagged 2
	assert_equal "$(host 192.0.0.1 31)" "33 1"
	assert_equal "$(total unreadable)" 0 # no IP packet has come in, as long as nobody takes the second tag off
	finish
}

# bats test_tags=slow
@test "count-ttl: what comes in at a VLAN interface counts once, at whichever interface" {
	local host number
	ip -netns server link add link veth0 name tagged type vlan id 10 || skip "this kernel has no VLANs"
	ip -netns client link add link veth0 name tagged type vlan id 10
	for host in server:1 client:2; do
		number=${host#*:} host=${host%:*}
		ip -netns $host -batch - <<-EOF
		link add link tagged name twice type vlan id 20
		link set tagged up
		link set twice up
		address add 10.7.0.$number/24 dev tagged
		address add 10.8.0.$number/24 dev twice
		EOF
	done
	for options in "" "-i veth0" "-i tagged"; do
		# shellcheck disable=SC2086 # the words of a command
		count $options
		client ping -q -c 3 -i 0.01 -t 60 10.7.0.1
		assert_equal "$(host 10.7.0.2 4)" "60 3"
		finish
	done
	count
	client ping -q -c 3 -i 0.01 -t 60 10.8.0.1
	assert_equal "$(host 10.8.0.2 4)" "60 3"
	finish
}

# bats test_tags=slow
@test "count-ttl: an IP header that lies in another page than the Ethernet header is read all the same" {
	ip -netns client link set veth0 mtu 9000
	ip -netns server link set veth0 mtu 9000
	count -i veth0
	client "$here/send" veth0 "$(servers_mac)" pages
	assert_equal "$(host 192.0.0.1 31)" "33 1"
	finish

	# A filter that looks for it by its place in the packet's first page does not find it.
	build_variant relative 's/kind == UDP_SOCKET) { .*/1) {/'
	tool=$variant
	count -i veth0
	client "$here/send" veth0 "$(servers_mac)" pages
	assert_equal "$(total unreadable)" 1
	finish
}

# bats test_tags=slow
@test "count-ttl: hosts that find no room in the map are counted as such" {
	! have_ipv6 || client sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6' # no stray packets
	count -i veth0
	client "$here/send" veth0 "$(servers_mac)" sources 0 8190
	client ping -q -c 4 -i 0.01 10.0.0.1
	assert_equal "$(host 10.0.0.2 0)" "64 4"
	client "$here/send" veth0 "$(servers_mac)" sources 8190 100
	client ping -q -c 4 -i 0.01 10.0.0.1
	assert_equal "$(host 10.0.0.2 0)" "64 8"
	assert_equal "$(total no_room)" 99
	assert_equal "$(total counted)" $((8190 + 4 + 1 + 4))
	assert_equal "$(server "$tool" stats -j | grep -c '"address"')" 8192
	finish
	grep -q 'and 8172 more' "$out"
}

# --- what it leaves alone ---

# bats test_tags=slow
@test "count-ttl: other sockets get what they got before" {
	local sniffer
	count
	start server timeout 20 python3 -c 'import socket
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
print("ready", flush=True)
echoes = 0
while echoes < 5:
    echoes += sniffer.recv(2000)[20] == 8' >"$BATS_TEST_TMPDIR/sniffer"
	sniffer=$!
	wait_for grep -q ready "$BATS_TEST_TMPDIR/sniffer"
	listen server 8080
	answers client http://10.0.0.1:8080/
	client ping -q -c 5 -i 0.01 10.0.0.1
	wait $sniffer
	finish
}

# bats test_tags=slow
@test "count-ttl: two at once count each for itself, and go one by one" {
	local first
	count -u 5000
	first=$counter
	count -u 5001
	datagrams 2 10.0.0.1 5000
	datagrams 3 10.0.0.1 5001
	assert_equal "$(server "$tool" stats -j | sed -n 's/.*"counted": \([0-9]*\).*/\1/p' | paste -sd ' ')" "2 3"
	kill $first
	wait $first
	assert_equal "$(total counted)" 3
	finish
	nothing_left "$empty_network"
}

# --- run ---

# bats test_tags=slow
@test "count-ttl: run ends with SIGINT or SIGTERM, shows what it counted, exits 0 and leaves nothing" {
	local signal
	for signal in INT TERM; do
		start server env --default-signal=INT "$tool" run -i veth0 >"$BATS_TEST_TMPDIR/out"
		counter=$!
		wait_for grep -q counting "$BATS_TEST_TMPDIR/out"
		client ping -q -c 3 -i 0.01 10.0.0.1
		finish $signal
		grep -q '^ *3     0    64  10.0.0.2$' "$BATS_TEST_TMPDIR/out"
		nothing_left "$empty_network"
	done
}

# bats test_tags=slow
@test "count-ttl: -w shows a table every so many seconds, -j one object a line" {
	count -w 0.2 -j
	client ping -q -c 3 -i 0.01 10.0.0.1
	wait_for eval '[[ $(grep -c 10.0.0.2 "$out") -ge 3 ]]'
	finish
	run python3 -c 'import json, sys
for line in sys.stdin:
    last = json.loads(line)
    assert last["schema"] == 1 and last["tool"] == "count-ttl"
print([h for h in last["hosts"] if h["address"] == "10.0.0.2"])' <"$out"
	assert_output "[{'address': '10.0.0.2', 'hops': 0, 'ttl': 64, 'packets': 3}]"

	count -w 0.2
	wait_for eval '[[ $(grep -c "^   packets" "$out") -ge 3 ]]'
	finish
	count -w 3600 # not before its time: the one table is that of the end
	sleep 0.5
	finish
	assert_equal "$(grep -c "^   packets" "$out")" 1
}

# bats test_tags=slow
@test "count-ttl: an interface that goes down is said, and counting goes on; one that is gone ends it" {
	local status=0
	count -i veth0
	ip -netns server link set veth0 down
	wait_for grep -q 'veth0 is down' "$out"
	ip -netns server link set veth0 up
	wait_for client ping -q -c 1 -W 1 10.0.0.1
	[[ $(host 10.0.0.2 0) == 64* ]]
	ip -netns server link delete veth0
	wait_for eval '! kill -0 $counter'
	wait $counter || status=$?
	assert_equal $status 2
	assert_equal "$(grep -c '^count-ttl: cannot count on veth0: No such device' "$out")" 1
	nothing_left "$(grep -v veth0 <<<"$empty_network")"
}

# bats test_tags=slow
@test "count-ttl: a dry run loads, and counts nothing; -v shows the verifier's log" {
	run --separate-stderr server "$tool" run -n
	assert_success
	assert_output "would count IPv4 and IPv6 packets that come in at any interface"
	assert_equal "$stderr" ""
	run --separate-stderr server "$tool" run -n -v -u 53
	assert_success
	assert_output "would count packets to UDP port 53"
	[[ $stderr =~ 'BEGIN PROG LOAD LOG'.*'call bpf_skb_load_bytes_relative'.*'processed '[0-9]+' insns' ]]
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "count-ttl: what the verifier refuses is shown, exit 2; what is no program, too" {
	build_variant null 's/BPF_JEQ, BPF_REG_0, 0, 0), "no room"/BPF_JEQ, PACKETS, 0, 0), "no room"/'
	run --separate-stderr server "$variant" run -n
	assert_failure 2
	[[ $stderr =~ "R0 invalid mem access 'map_value_or_null'" ]]
	[[ ${stderr_lines[-1]} =~ "the verifier refuses the filter: its log above ends with the reason"$ ]]
	build_variant label 's/hp_asm_label(as, "found")/hp_asm_label(as, "fuond")/'
	run --separate-stderr server "$variant" run -n
	assert_failure 2
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'the filter is no program: '.*'no label "found"'$ ]]
	nothing_left "$empty_network"
}

# --- words, options, rights ---

# bats test_tags=host
@test "count-ttl: bad input gives one line and exit 1, a port that is taken exit 3, nothing there exit 4" {
	local arguments
	for arguments in "" frob "load" "run -i" "run -i nope" "run -u" "run -u 0" "run -u 65536" "run -u 80x" \
		"run -u -1" "run -i veth0 -u 80" "run -w 0" "run -w x" "run --frob" "run more" \
		"stats more" "status -u 80" "stats -w 0" "clean more" "help more"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr server "$tool" $arguments
		[[ $status == 1 && ${#stderr_lines[@]} == 1 && -z $output ]] ||
			fail "'$arguments': exit $status: $stderr $output"
	done
	count -u 5000
	run --separate-stderr server "$tool" run -u 5000
	assert_failure 3
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'UDP port 5000' ]]
	finish
	for arguments in status stats; do
		run --separate-stderr server "$tool" $arguments
		assert_failure 4
	done
	run server "$tool" clean
	assert_success
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "count-ttl: cap_bpf is enough for a UDP socket, with cap_net_raw for a packet socket" {
	local mine=$BATS_TEST_TMPDIR/count-ttl
	chmod 755 "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "${BATS_TEST_TMPDIR%/*/*}" "$BATS_RUN_TMPDIR"
	cp "$tool" "$mine"
	as_nobody() { server setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	count_as_nobody() {
		start server setpriv --reuid=65534 --regid=65534 --clear-groups "$mine" run "$@" >"$BATS_TEST_TMPDIR/out"
		counter=$!
		wait_for grep -q counting "$BATS_TEST_TMPDIR/out"
	}
	if [[ $(</proc/sys/kernel/unprivileged_bpf_disabled) != 0 ]]; then
		run --separate-stderr as_nobody "$mine" run -n
		assert_failure 2
		assert_equal "${#stderr_lines[@]}" 1
		[[ $stderr =~ "it takes cap_bpf,cap_net_raw: ".*"sudo setcap cap_bpf,cap_net_raw+ep $mine"$ ]]
	fi
	setcap cap_bpf+ep "$mine"
	count_as_nobody -u 5000
	datagrams 2 10.0.0.1 5000
	run as_nobody "$mine" stats -j
	assert_output --partial '"packets": 2'
	finish
	run --separate-stderr as_nobody timeout 5 "$mine" run
	assert_failure 2
	[[ $stderr =~ 'cannot put the filter on a packet socket: '.*'it takes cap_bpf,cap_net_raw' ]]
	run --separate-stderr as_nobody timeout 5 "$mine" run -u 53
	assert_failure 2
	[[ $stderr =~ 'it takes cap_bpf,cap_net_bind_service' ]]

	setcap cap_bpf,cap_net_raw+ep "$mine"
	count_as_nobody
	finish
}

# bats test_tags=slow
@test "count-ttl: without a BPF file system run says so and does nothing" {
	run --separate-stderr without_bpffs nsenter --net=/run/netns/server "$tool" run
	assert_failure 2
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ 'no BPF file system at /sys/fs/bpf' ]]
}

# bats test_tags=host
@test "count-ttl: help and version, in every spelling, exit 0 on standard output" {
	local word
	for word in help --help -h version --version -V "run --help"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr "$tool" $word
		assert_success
		assert_output --partial count-ttl
		assert_equal "$stderr" ""
	done
}

# --- the smallest program of all ---

# bats test_tags=slow
@test "count-ttl: two instructions on a socket, or on the loopback, drop everything until they are taken off" {
	local where
	for where in socket lo; do
		run --separate-stderr server "$here/drop-all" $where
		assert_success
		assert_line --index 0 "before:  the packet arrives"
		assert_line --index 1 "with it: nothing arrives"
		assert_line --index 2 "after:   the packet arrives"
	done
	run "$here/drop-all"
	assert_failure 1
	nothing_left "$empty_network"
}

# bats test_tags=slow
@test "count-ttl: the demo tells its story to the end, and leaves nothing" {
	run --separate-stderr env -u HOOKPOINT_SANDBOX "$here/demo"
	assert_success
	assert_equal "$stderr" ""
	assert_line --regexp '^ +6 +2 +253  10\.1\.0\.2$'
	assert_line --regexp '^ +3 +0 +64  10\.0\.0\.2$'
	assert_equal "${lines[-1]}" "after:   the packet arrives"
	nothing_left "$empty_network"
}
