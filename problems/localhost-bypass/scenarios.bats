#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# localhost-bypass: what applications notice. tests/bypass/scenario tells what the calls of two processes give;
# that text, under the bypass, is compared with what TCP itself gives. That the comparison can fail is shown
# with tests/bypass/naive, the same bypass as it is usually written.
# `scripts/test problems/localhost-bypass/scenarios.bats` runs this.

load ../../tests/helpers

tool=$root/problems/localhost-bypass/localhost-bypass
naive=$root/tests/bypass/naive
scenario=$root/tests/bypass/scenario
ours='follow_connections|redirect_to_peer|refuse_options|find_message|forward_message|sockets|connections|directions|members|naive_.*'

# Each scenario once, plainly and under the bypass; the transcripts are in the files `plain` and `bypassed`, and
# the tests look at their parts. (A Python for each would take most of the time of an emulated machine.)
setup_file() {
	mount -t bpf bpf /sys/fs/bpf
	cd "$BATS_FILE_TMPDIR" || return
	timeout "$(scaled 400 1500)" "$scenario" --all >plain 3>&- &
	timeout "$(scaled 400 1500)" "$tool" exec -- "$scenario" --all >bypassed || true
	wait $! || true
	umount /sys/fs/bpf
}

setup() {
	umount /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	"$tool" clean
}

# part NAME FILE: what a scenario has printed, in a transcript; fails if there is nothing, or a call failed that
# nobody expects to. (The transcript of one alone has no headings.)
part() {
	awk -v heading="# $1" '
	/^# / { on = $0 == heading; next }
	NR == 1 { on = 1 }
	on && /^exit status/ { failed = 1; next }
	on { print; found = 1 }
	END { exit failed || !found }' "$2"
}

# plainly NAME, bypassed NAME: without the bypass, and with it.
plainly() { part "$1" "$BATS_FILE_TMPDIR/plain"; }
bypassed() { part "$1" "$BATS_FILE_TMPDIR/bypassed"; }

# same_as_plain NAME...: each of these scenarios.
same_as_plain() {
	local name
	for name; do
		echo "# $name"
		plainly "$name" >plain
		bypassed "$name" >bypassed
		diff -u plain bypassed
	done
}

# differs_so NAME <<TEXT: gives, instead of what TCP gives, TEXT.
differs_so() {
	plainly "$1" >plain
	bypassed "$1" >bypassed
	diff -u - bypassed
	run diff plain bypassed
	assert_failure 1
}

# differs_naively [--OPTION...] NAME...: each of them, under the naive bypass, loaded with the options. What it
# printed is in the file NAME.
differs_naively() {
	local options=() name
	while [[ $1 == --* ]]; do
		options+=("$1")
		shift
	done
	timeout "$(($(scaled 60 200) * $#))" "$naive" "${options[@]}" -- "$scenario" "$@" >naive || true
	for name; do
		plainly "$name" >plain
		part "$name" naive >"$name" || true
		run diff plain "$name"
		assert_failure 1
	done
}

# same_as_plain_interrupted STATUS NAME...: although $halfway, a command, is run in the middle; exec ends with STATUS.
# Who reads from the pipe waits for the scenario, and not for exec.
same_as_plain_interrupted() {
	local name ended
	for name in "${@:2}"; do
		plainly "$name" >plain
		{
			ended=0
			timeout "$(scaled 60 300)" "$tool" exec -- "$scenario" --halfway "$halfway" "$name" || ended=$?
			echo $ended >ended
		} | diff -u plain -
		assert_equal "$(cat ended)" "$1"
	done
}

# --- what is the same ---

@test "localhost-bypass: data arrives, whole, once and in order, in pieces of all sizes" {
	same_as_plain echo stream small-sends ping-pong large-send vectors nothing-sent buffer-reused two-writers many
}

@test "localhost-bypass: a socket that several processes share" {
	same_as_plain shared-socket
}

@test "localhost-bypass: IPv4, IPv6, one as the other, and each address of the host" {
	same_as_plain addresses names link-local
}

@test "localhost-bypass: a peer that is not there yet, or never: the bytes go through the stack and no send fails" {
	same_as_plain outside-server outside-client defer-accept fast-open-data fast-open-server-first before-accept \
		never-accepted syn-cookies simultaneous-open self-connect non-blocking refused
}

# bats test_tags=slow
@test "localhost-bypass: the naive program fails the first send to a peer that is not there" {
	local name
	differs_naively --verdict outside-server outside-client defer-accept
	for name in outside-server outside-client defer-accept; do
		grep -q '^\(client\|server\) sends: EACCES$' $name
	done
	differs_naively --verdict --small many # of one connection, there was no room for the other end
	grep -q EACCES many
}

@test "localhost-bypass: bytes that went through the stack are not overtaken" {
	same_as_plain order-defer-accept order-fast-open order-still-connecting order-long-send
}

@test "localhost-bypass: a socket that has had another connection before has nothing of it any more" {
	same_as_plain order-connecting-again reconnected reconnected-same-port listening-again
}

# bats test_tags=slow
@test "localhost-bypass: the naive program brings the second word before the first" {
	local name
	differs_naively order-defer-accept order-fast-open order-still-connecting order-connecting-again
	for name in order-defer-accept order-fast-open order-still-connecting order-connecting-again; do
		grep -q "^server reads 'SECOND THIRDFIRST '$" $name
	done
}

@test "localhost-bypass: nothing is sent after a shutdown, the other direction goes on" {
	same_as_plain shutdown-write shutdown-before-send half-close shutdown-read shutdown-both
}

@test "localhost-bypass: everything that was sent comes before the end" {
	same_as_plain close-after-data linger-1 killed killed-sending cork-then-close idle-reader-ends
}

@test "localhost-bypass: resets, and sends to a socket that is gone" {
	same_as_plain linger-0 send-to-closed send-to-closed-after-data destroyed poll-reset
}

# bats test_tags=slow
@test "localhost-bypass: the naive program sends after a shutdown" {
	differs_naively shutdown-write shutdown-before-send shutdown-both destroyed
}

@test "localhost-bypass: the same addresses and ports in another network namespace" {
	same_as_plain other-namespace other-namespace-later other-namespace-outside other-namespace-gone across-veth
}

@test "localhost-bypass: the same ports again, after all kinds of ends, and behind a translation of ports" {
	same_as_plain port-reused short-connections translated-port
}

# bats test_tags=slow
@test "localhost-bypass: the naive program gives bytes to a stranger" {
	differs_naively other-namespace-later other-namespace-outside
	grep -q "^A: server finds 'question B'" other-namespace-later
	grep -q "^A: server finds 'question B'" other-namespace-outside
}

# bats test_tags=slow
@test "localhost-bypass: the naive program gives bytes to a stranger behind a translation of ports" {
	plainly translated-port >plain
	! grep -q '^there is no' plain || skip "$(cat plain)"
	differs_naively translated-port
	grep -q "^first server finds 'I am the second" translated-port
}

# bats test_tags=slow
@test "localhost-bypass: 100,000 short connections (2,000 where emulated) get their own bytes, and leave nothing in the maps" {
	local before count
	before=$(everything)
	count=$(scaled 100000 2000)
	run timeout "$(scaled 150 300)" "$tool" exec -- sh -c '"$1" --count "$3" short-connections && "$2" status -j >status' \
		- "$scenario" "$tool" "$count"
	assert_success
	assert_output "0 of $count connections had something else than their own bytes"
	assert_equal "$(json 'd["attachments"][0]["live"]' <status)" 0
	nothing_left "$before"
}

# bats test_tags=slow
@test "localhost-bypass: unloaded in the middle of a transfer: every byte, in order" {
	local before halfway="$tool unload -a"
	before=$(everything)
	same_as_plain_interrupted 0 unload unload-queued unload-waiting
	nothing_left "$before"
}

@test "localhost-bypass: a loader that is killed in the middle of a transfer: every byte, in order" {
	local before halfway='kill -KILL $loader; sleep 0.2'
	before=$(everything)
	same_as_plain_interrupted 137 unload unload-queued unload-waiting
	"$tool" clean
	nothing_left "$before"
}

# bats test_tags=slow
@test "localhost-bypass: the naive program loses what is on its way when it is unloaded" {
	timeout "$(scaled 60 300)" "$naive" -- \
		"$scenario" --halfway 'kill -USR1 $loader; sleep 0.2' unload-queued >naive || true
	plainly unload-queued >plain
	run diff plain naive
	assert_failure 1
	grep -q "^server reads 'the end', then timed out$" naive
}

# bats test_tags=slow
@test "localhost-bypass: a sender stops when nobody reads, and goes on when somebody does" {
	same_as_plain idle-reader idle-reader-small idle-reader-messages slow-reader idle-reader-edge send-timeout
}

# bats test_tags=slow
@test "localhost-bypass: the naive program queues without end" {
	differs_naively idle-reader idle-reader-small idle-reader-messages idle-reader-ends slow-reader idle-reader-edge \
		send-timeout blocked-send-reset
}

@test "localhost-bypass: poll, select, epoll and SIGIO tell of what comes" {
	same_as_plain poll-life poll-wait epoll-edge signal-driven receive-timeout
}

@test "localhost-bypass: FIONREAD and MSG_PEEK see what waits" {
	same_as_plain peek
	bypassed bytes-waiting >bypassed
	# Where it doesn't know what was redirected, it doesn't under the naive program either.
	timeout "$(scaled 60 200)" "$naive" -- "$scenario" bytes-waiting >naive
	if plainly bytes-waiting | sed 's/^server: .*/server: 0/' | diff -u - naive; then
		diff -u naive bypassed
		skip "this kernel's FIONREAD sees nothing of what was redirected; MSG_PEEK does"
	fi
	same_as_plain bytes-waiting
}

@test "localhost-bypass: sendfile, and splice from a pipe" {
	same_as_plain sendfile sendfile-mixed splice-out
}

@test "localhost-bypass: multipath TCP and SO_REUSEPORT" {
	same_as_plain mptcp reuse-port
}

@test "localhost-bypass: MSG_ZEROCOPY and SO_RCVLOWAT that were set before the connection" {
	same_as_plain zero-copy-early receive-low-water-early
	differs_naively zero-copy-early receive-low-water-early
}

# --- what is not the same: the lesson tells why ---

@test "localhost-bypass: TCP_INFO does not count what was redirected" {
	plainly tcp-info >plain
	bypassed tcp-info >bypassed
	# From one address of the host to another one is not bypassed.
	sed '/^\(127.0.0.1 to 10\|::1 to fd\)/ { n; b }; s/^server 100, client 100$/server 0, client 0/' plain |
		diff -u - bypassed
	run diff plain bypassed
	assert_failure 1
}

@test "localhost-bypass: a socket closed with bytes unread ends instead of being reset" {
	differs_so close-unread <<-'EOF'
	client sends: 17
	client reads '', then end of file
	client sends: 1
	client sends: EPIPE
	EOF
	differs_so close-partly-read <<-'EOF'
	client sends: 17
	server reads 'only half'
	server sends: 6
	client reads 'enough', then end of file
	client sends: 1
	EOF
	differs_so killed-unread <<-'EOF'
	server sends: 17
	server reads 'last words', then end of file
	EOF
	plainly port-reused-after-crash >plain
	bypassed port-reused-after-crash >bypassed
	sed "s/^old server reads 'old', then ECONNRESET$/old server reads 'old', then end of file/" plain | diff -u - bypassed
}

@test "localhost-bypass: a send that waits for a reader that goes fails with EPIPE" {
	differs_so blocked-send-reset <<-'EOF'
	the sender is waiting
	client sends: EPIPE
	EOF
}

@test "localhost-bypass: a recv that waits comes back with EAGAIN where it should with a reset, an end, a signal" {
	differs_so blocked-receive <<-'EOF'
	client sends, server reads: 'wake up'
	server reads again: EAGAIN
	client closes, server reads: ''
	server reads again: ''
	client resets, server reads: EAGAIN
	server reads again: ECONNRESET
	client waits, server reads: EAGAIN
	server reads again: ''
	EOF
	differs_so interrupted <<-'EOF'
	server reads, restarts False: EAGAIN
	server reads 'later'
	server reads, restarts True: EAGAIN
	server reads 'later'
	EOF
	differs_so blocked-receive-while-sending <<-'EOF'
	all bytes , done
	server sends: 6
	client reads: EAGAIN
	EOF
}

@test "localhost-bypass: splice from a socket does not see what was redirected" {
	differs_so splice <<-'EOF'
	client sends: 13
	server splices: timed out
	client sends: 8
	server splices: timed out
	server splices: 0
	the pipe has: ''
	EOF
	differs_so splice-proxy <<-'EOF'
	server reads '', then timed out
	server reads '', then end of file
	written done, proxy done
	EOF
}

@test "localhost-bypass: MSG_OOB is a byte like others" {
	differs_so out-of-band <<-'EOF'
	client sends: 3
	client sends out of band: 1
	client sends: 3
	server polls: nothing
	server reads out of band: 'a'
	at the mark: 0
	server reads: 'bc!def'
	at the mark: 0
	server reads: EAGAIN
	EOF
	differs_so out-of-band-inline <<-'EOF'
	client sends: 3
	client sends out of band: 1
	server reads: 'abc!'
	at the mark: 0
	server reads: EAGAIN
	EOF
}

@test "localhost-bypass: MSG_WAITALL, and SO_RCVLOWAT set late, do not wait for all" {
	differs_so wait-all <<-'EOF'
	client sends: 4
	client sends: 4
	server reads all 8: 'half'
	client sends: 4
	server reads all 8: 'morerest'
	EOF
	differs_so peek-wait <<-'EOF'
	client sends: 4
	server peeks: 'half'
	client sends: 4
	server peeks all 8: 'half'
	EOF
	differs_so receive-low-water <<-'EOF'
	client sends: 4
	server polls: in
	client sends: 4
	server polls: in
	server reads 'halfmore'
	client sends: 4
	server is through
	client sends: 4
	server reads: 'half'
	EOF
}

@test "localhost-bypass: SO_ZEROCOPY and kTLS are refused on a connection that is bypassed" {
	differs_so zero-copy <<-'EOF'
	client asks for it: EPERM
	server reads 100000 bytes, sha256 676d25c9f034afe0
	server reads 100000 bytes, sha256 676d25c9f034afe0
	client polls: nothing
	buffers that are free: []
	EOF
	differs_so kernel-tls <<-'EOF'
	no kTLS: EPERM
	client sends: 8
	server reads 'question'
	server sends: 6
	client reads 'answer'
	client sends: 6
	server reads 'again?'
	server sends: 6
	client reads 'again.'
	EOF
	plainly kernel-tls-late >plain
	bypassed kernel-tls-late >bypassed
	sed 's/^client asks for kTLS: .*/client asks for kTLS: EPERM/' plain | diff -u - bypassed
}

@test "localhost-bypass: TCP_CORK and MSG_MORE hold nothing back" {
	differs_so cork <<-'EOF'
	client sends: 4
	server polls: in
	server reads 'held'
	client sends: 8
	server polls: in
	client sends: 4
	server reads 'more to come'
	EOF
}

@test "localhost-bypass: no time, no rest of the queue, no buffer left alone" {
	differs_so timestamps <<-'EOF'
	no time
	EOF
	differs_so bytes-in-queue <<-'EOF'
	client sends: 11
	'hello', left: []
	EOF
	differs_so truncate <<-'EOF'
	client sends: 11
	server throws away: 6
	buffer: 'hello '
	server reads 'world'
	EOF
}

@test "localhost-bypass: SO_PEEK_OFF does not move" {
	plainly peek-offset >plain
	! grep -q 'asks for it: E' plain || skip "this kernel has none for TCP (6.9)"
	differs_so peek-offset <<-'EOF'
	client sends: 11
	server asks for it: done
	server peeks: 'hello '
	server peeks: 'hello world'
	EOF
}

@test "localhost-bypass: a filter on a socket and a rule of the firewall see nothing" {
	differs_naively socket-filter
	plainly socket-filter >plain
	bypassed socket-filter >bypassed
	sed 's/^server polls: nothing$/server polls: in/' plain | diff -u - bypassed
	plainly packet-filter >plain
	! grep -q '^there is no' plain || skip "$(tail -n 1 plain)"
	bypassed packet-filter >bypassed
	sed 's/^server polls: nothing$/server polls: in/' plain | diff -u - bypassed
	run diff plain bypassed
	assert_failure 1
}

# --- the whole list ---

# bats test_tags=host
@test "localhost-bypass: each scenario is in one of these tests" {
	local name
	while read -r name _; do
		grep -Eq "(same_as_plain|differs_so|plainly|^		)(.* )?$name( |$)" "$BATS_TEST_FILENAME" || fail "no test has $name"
	done < <("$scenario" --list)
}
