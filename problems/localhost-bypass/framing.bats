#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# localhost-bypass --framing length32: clients and a server talk through the example proxy, relay, and every
# byte that arrives is compared. `scripts/test problems/localhost-bypass/framing.bats` runs this.

load ../../tests/helpers

tool=$root/problems/localhost-bypass/localhost-bypass
relay=$root/problems/localhost-bypass/relay
ours='follow_connections|find_message|forward_message|hold_back|release_member|inputs|outputs|members'

# The other side of each test: a client connects to port 7000, where the relay is, a server listens on 7001.
setup_file() {
	cat >"$BATS_FILE_TMPDIR/talk.py" <<-PYTHON
	import contextlib, itertools, mmap, os, signal, socket, struct, threading, time

	LIMIT = 65536
	WAIT = $(scaled 20 60) # seconds
	RESET = "Connection reset by peer"

	def message(length, fill=b"x"):
	    return struct.pack(">I", length) + fill * length

	def listen(host="127.0.0.1"):
	    family = socket.AF_INET6 if ":" in host else socket.AF_INET
	    server = socket.create_server((host, 7001), family=family, backlog=100)
	    server.settimeout(WAIT)
	    return server

	def connect(host="127.0.0.1"):
	    client = socket.create_connection((host, 7000), timeout=WAIT)
	    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	    return client

	def accept(server):
	    peer, _ = server.accept()
	    peer.settimeout(WAIT)
	    return peer

	def pair(server):
	    """A client, and the server's socket, after a message both ways: the kernel forwards now."""
	    client = connect()
	    peer = accept(server)
	    check(client, peer, message(0))
	    check(peer, client, message(0))
	    return client, peer

	def receive(sock, length):
	    data = bytearray()
	    while len(data) < length:
	        part = sock.recv(min(length - len(data), 1 << 20))
	        assert part, "end of file after %d of %d bytes" % (len(data), length)
	        data += part
	    return bytes(data)

	def check(sender, receiver, data):
	    sender.sendall(data)
	    assert receive(receiver, len(data)) == data

	def rest(sock):
	    """What is still to be read, and how it ends: "" for an end of file, or the error."""
	    data = bytearray()
	    try:
	        while part := sock.recv(1 << 20):
	            data += part
	        return bytes(data), ""
	    except OSError as error:
	        return bytes(data), error.strerror

	def background(function, *arguments):
	    thread = threading.Thread(target=function, args=arguments, daemon=True)
	    thread.start()
	    return thread

	def output_of(*command):
	    import json, subprocess # most programs here do without, and where emulated that saves half a second
	    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

	def forwarded():
	    """How many messages each of the relay's sockets was found to have sent."""
	    path = os.environ["HOOKPOINT_PINS"] + "/members"
	    dump = output_of("bpftool", "-j", "map", "dump", "pinned", path)
	    return sorted(entry["formatted"]["value"]["forwarded"]["messages"] for entry in dump)

	def stats(group, name):
	    return output_of(os.environ["tool"], "stats", "-j")["attachments"][0][group][name]
	PYTHON
}

setup() {
	start_host
	cd "$BATS_TEST_TMPDIR" || return
	before=$(everything)
	ports=(-p 7000 -p 7001)
}

teardown() {
	stop_host "$tool"
}

# through_relay [OPTION...]: runs the Python program on standard input while a relay runs with OPTIONs, whose
# messages are then in the file `errors`. Only the relay is in the cgroup.
through_relay() {
	cat >program.py
	cat >session <<-'BASH'
	"$relay" "$@" 7000 7001 2>errors &
	for _ in {1..100}; do
		[[ ! $(ss -Hltn sport = :7000) ]] || break
		sleep 0.05
	done
	echo $$ >"$own/cgroup.procs"
	status=0
	PYTHONPATH=$BATS_FILE_TMPDIR relay_pid=$! timeout $(scaled 100 300) python3 -S \
		-c 'from talk import *; exec(open("program.py").read())' || status=$?
	kill $! 2>/dev/null
	wait $!
	ended=$?
	((!status)) || exit $status
	exit $ended
	BASH
	export tool relay own BATS_FILE_TMPDIR
	export -f scaled
	"$tool" exec --framing length32 "${ports[@]}" -- bash session "$@" 3>&- || return
	nothing_left "$before"
}

# --- messages ---

@test "localhost-bypass: messages of no bytes, of one and of as many as may be are forwarded, each as one" {
	through_relay <<-EOF
	client, peer = pair(listen())
	for length in 0, 1, LIMIT, 3, LIMIT - 1:
	    check(client, peer, message(length))
	    check(peer, client, message(length))
	assert forwarded() == [6, 6], forwarded() # one each is pair()'s
	EOF
	[[ ! -s errors ]]
}

@test "localhost-bypass: a message that is too long ends its connection, after what came before it, and no other" {
	through_relay <<-EOF
	server = listen()
	others = pair(server)
	good = b"".join(message(n) for n in range(100))
	for bad in message(LIMIT + 1), b"\xff\xff\xff\xff", message(LIMIT + 1)[:4]:
	    client, peer = pair(server)
	    client.sendall(good + bad)
	    assert rest(peer) == (good, RESET)
	    assert rest(client) == (b"", RESET)
	    client, peer = pair(server)
	    peer.sendall(good + bad)
	    assert rest(client) == (good, RESET)
	check(*others, message(10))
	EOF
	assert_equal "$(grep -cx "relay: a connection is reset: Message too long" errors)" 6
}

@test "localhost-bypass: many messages in one segment, one in many, and a length cut in two are all found" {
	through_relay <<-EOF
	client, peer = pair(listen())
	several = b"".join(message(n, bytes([n % 256])) for n in range(300))
	check(client, peer, several)
	check(peer, client, several)
	data = message(2) + message(1)
	for cut in range(1, len(data)):
	    client.sendall(data[:cut])
	    time.sleep(0.01)
	    client.sendall(data[cut:])
	    assert receive(peer, len(data)) == data, cut
	assert forwarded() == [301, 301 + 2 * (len(data) - 1)], forwarded()
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: messages that are sent byte by byte arrive" {
	through_relay <<-EOF
	client, peer = pair(listen())
	data = message($(scaled 20000 2000)) + message(0) + message(7)
	def send():
	    for byte in data:
	        client.send(bytes([byte]))
	background(send)
	assert receive(peer, len(data)) == data
	assert forwarded() == [1, 4], forwarded()
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: 10,000 random messages (1,000 where emulated) both ways at once arrive whole and in order" {
	through_relay <<-EOF
	import random
	client, peer = pair(listen())
	seed = int(os.environ.get("HOOKPOINT_SEED", "8080"))
	MESSAGES = $(scaled 10000 1000)
	lengths = [0, 1, 2, 10, 100, 1000, 5000] * 15 + [LIMIT]
	def messages(number):
	    chosen = random.Random(seed + number)
	    for _ in range(MESSAGES):
	        length = chosen.choice(lengths)
	        yield struct.pack(">I", length) + chosen.randbytes(length)
	def send(sock, number):
	    chosen, waiting = random.Random(seed), b""
	    for data in messages(number): # sometimes several at once, sometimes cut anywhere
	        waiting += data
	        cut = chosen.choice((0, len(waiting), chosen.randrange(len(waiting))))
	        sock.sendall(waiting[:cut])
	        waiting = waiting[cut:]
	    sock.sendall(waiting)
	    sock.shutdown(socket.SHUT_WR)
	def compare(sock, number):
	    for i, data in enumerate(messages(number)):
	        assert receive(sock, len(data)) == data, (number, i)
	    assert rest(sock) == (b"", "")
	    right.append(number)
	right = []
	threads = [background(send, client, 1), background(send, peer, 2), background(compare, client, 2),
	           background(compare, peer, 1)]
	[thread.join() for thread in threads]
	assert sorted(right) == [1, 2]
	assert stats("sent", "redirected")["messages"] == 2 * MESSAGES + 2
	EOF
	[[ ! -s errors ]]
}

# --- beginning and end ---

# bats test_tags=slow
@test "localhost-bypass: what came before the sockets were in the maps is forwarded, be the client gone already" {
	local option
	for option in "" --first; do
		through_relay $option <<-EOF
		server = listen()
		for data in message(5), message(0) * 3, message(LIMIT), message(9) * 1000:
		    for wait in 0, 0.001, 0.05:
		        client = connect()
		        client.sendall(data[:6])
		        time.sleep(wait)
		        client.sendall(data[6:])
		        peer = accept(server)
		        assert receive(peer, len(data)) == data
		        check(client, peer, message(7))
		        check(peer, client, message(8))
		        client.close()
		        assert rest(peer) == (b"", "")
		        peer.close()
		        client = connect()
		        client.sendall(data)
		        client.shutdown(socket.SHUT_WR)
		        peer = accept(server)
		        assert rest(peer) == (data, "")
		        peer.sendall(data)
		        peer.close()
		        assert rest(client) == (data, "")
		EOF
		[[ ! -s errors ]]
	done
}

# bats test_tags=slow
@test "localhost-bypass: a server that speaks first is heard" {
	through_relay <<-EOF
	server = listen()
	for wait in 0, 0.01:
	    client = connect()
	    peer = accept(server)
	    time.sleep(wait)
	    check(peer, client, message(20))
	    check(client, peer, message(30))
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: an end of file comes after all messages, in each direction by itself" {
	through_relay <<-EOF
	server = listen()
	data = message(1000) * $(scaled 2000 500)
	for first in 0, 1:
	    for _ in range(10):
	        ends = pair(server)
	        one, other = ends[first], ends[not first]
	        background(lambda: (one.sendall(data), one.shutdown(socket.SHUT_WR)))
	        assert rest(other) == (data, "")
	        check(other, one, message(10))
	        background(lambda: (other.sendall(data), other.close()))
	        assert rest(one) == (data, "")
	for _ in range($(scaled 200 50)): # both at once
	    ends = pair(server)
	    for end in ends:
	        end.sendall(message(10) * 10)
	        end.shutdown(socket.SHUT_WR)
	    assert [rest(end) for end in ends] == [(message(10) * 10, "")] * 2
	EOF
	[[ ! -s errors ]]
}

# bats test_tags=slow
@test "localhost-bypass: an end of file in the middle of a message is a reset, after the messages before it" {
	through_relay <<-EOF
	server = listen()
	for part in 1, 4, 9:
	    client, peer = pair(server)
	    client.sendall(message(10) * 100 + message(10)[:part])
	    client.shutdown(socket.SHUT_WR)
	    assert rest(peer) == (message(10) * 100, RESET)
	    assert rest(client) == (b"", RESET)
	EOF
	assert_equal "$(grep -cx "relay: a connection is reset: it ended in the middle of a message" errors)" 3
}

@test "localhost-bypass: the reset of a client or of a server is passed on" {
	through_relay <<-EOF
	server = listen()
	for killed in 0, 1:
	    ends = pair(server)
	    ends[killed].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
	    ends[killed].close()
	    assert rest(ends[not killed]) == (b"", RESET)
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: a client that is killed has said what it had sent, and no more" {
	through_relay <<-EOF
	server = listen()
	sent = mmap.mmap(-1, 8) # how many messages: the client counts them
	def be_client():
	    client = connect()
	    for i in itertools.count(1):
	        client.sendall(message(1000, b"k"))
	        struct.pack_into("Q", sent, 0, i)
	for i in range(20):
	    sent[:] = bytes(8)
	    client = os.fork()
	    if not client:
	        try:
	            be_client()
	        finally:
	            os._exit(1)
	    peer = accept(server)
	    data = receive(peer, 1004 * 10 * i) # of the first one there may be none yet
	    os.kill(client, signal.SIGKILL)
	    assert os.waitpid(client, 0)[1] == signal.SIGKILL
	    data += rest(peer)[0]
	    whole, part = divmod(len(data), 1004)
	    assert data == message(1000, b"k") * whole, "part of a message" if part else "other bytes"
	    (count,) = struct.unpack("Q", sent[:])
	    assert count <= whole <= count + 1, (whole, count) # it may be killed before it counts
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: without a server, clients are reset, and the relay goes on" {
	through_relay <<-EOF
	for _ in range(3):
	    try:
	        assert rest(connect()) == (b"", RESET)
	    except ConnectionResetError: # as soon as that
	        pass
	check(*pair(listen()), message(10))
	EOF
	run cat errors
	assert_line "relay: a connection is reset: Connection refused"
}

# bats test_tags=slow
@test "localhost-bypass: whatever ends the relay, nobody takes it for the end of the data" {
	local signal
	for signal in TERM INT KILL; do
		run through_relay <<-EOF
		client, peer = pair(listen())
		os.kill(int(os.environ["relay_pid"]), signal.SIG$signal)
		assert rest(client) == rest(peer) == (b"", RESET)
		EOF
		if [[ $signal == KILL ]]; then assert_failure 137; else assert_success; fi
	done
}

# --- many, and much ---

# bats test_tags=slow
@test "localhost-bypass: 50 connections at once, of both families, keep their messages apart" {
	through_relay <<-EOF
	hosts = ["127.0.0.1"] + ["::1"] * os.path.exists("/proc/sys/net/ipv6")
	servers = [listen(host) for host in hosts]
	done = []
	def echo(peer):
	    while data := peer.recv(100000):
	        peer.sendall(data)
	    peer.close()
	def serve(server):
	    while True:
	        background(echo, accept(server))
	def talk(number):
	    client = connect(hosts[number % len(hosts)])
	    data = b"".join(message(n, bytes([number])) for n in range(0, 20 * number, 7))
	    background(client.sendall, data)
	    assert receive(client, len(data)) == data
	    client.shutdown(socket.SHUT_WR)
	    done.append(rest(client))
	[background(serve, server) for server in servers]
	[thread.join() for thread in [background(talk, number) for number in range(50)]]
	assert done == [(b"", "")] * 50
	assert stats("sockets", "framed") == 100
	EOF
	[[ ! -s errors ]]
}

# bats test_tags=slow
@test "localhost-bypass: what a slow server has not read is bounded, holds its client back, and arrives" {
	through_relay <<-EOF
	client, peer = pair(listen())
	MIB = 1 << 20
	data = b"".join(message(n, b"s") for n in range(60000, 60100)) # 6 MB
	client.settimeout(3)
	sent = 0
	with contextlib.suppress(TimeoutError):
	    while sent < 500 * MIB:
	        sent += client.send(data[sent % len(data):])
	assert sent < 100 * MIB, sent
	assert stats("packets", "held_back") > 0
	client.settimeout(60)
	background(lambda: (client.sendall(data[sent % len(data):]), client.shutdown(socket.SHUT_WR)))
	peer.settimeout(60)
	for at in range(0, sent + len(data) - sent % len(data), len(data)):
	    assert receive(peer, len(data)) == data
	assert rest(peer) == (b"", "")
	EOF
	[[ ! -s errors ]]
}

# --- who takes part ---

# bats test_tags=slow
@test "localhost-bypass: sockets on other ports take no part: the relay copies their messages, with the same outcomes" {
	ports=(-p 7000)
	through_relay <<-EOF
	server = listen()
	client, peer = pair(server)
	several = b"".join(message(n, bytes([n % 256])) for n in [0, 1, LIMIT, *range(300)])
	background(client.sendall, several)
	check(peer, client, several)
	assert receive(peer, len(several)) == several
	assert forwarded() == [0], forwarded() # the socket on port 7000
	client.sendall(message(3) + message(LIMIT + 1))
	assert rest(peer) == (message(3), RESET)
	client, peer = pair(server)
	client.sendall(message(3) + message(3)[:5])
	client.shutdown(socket.SHUT_WR)
	assert rest(peer) == (message(3), RESET)
	assert stats("sent", "redirected")["messages"] == 0
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: a connection ends, and its place is free" {
	through_relay <<-EOF
	server = listen()
	for i in range(600): # of two sockets each: more than there is room for
	    client, peer = pair(server)
	    for end in ((client, peer), (peer, client))[i % 2]:
	        end.shutdown(socket.SHUT_WR)
	    assert rest(client) == rest(peer) == (b"", "")
	for _ in range(100): # the relay closes its sockets after it has told the ends
	    if not forwarded():
	        break
	    time.sleep(0.05)
	assert forwarded() == [], forwarded()
	assert stats("sent", "redirected")["messages"] == 1200
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: stats tells of the messages that were forwarded" {
	through_relay <<-EOF
	client, peer = pair(listen())
	check(client, peer, message(10) * 3)
	check(peer, client, message(100))
	sent = stats("sent", "redirected")
	assert (sent["messages"], sent["bytes"]) == (6, 2 * 4 + 3 * 14 + 104), sent
	assert stats("sockets", "framed") == 2
	EOF
}

# bats test_tags=slow
@test "localhost-bypass: the relay says in one line what is wrong with how it is called" {
	local arguments
	for arguments in "" 7000 "7000 x" "0 7001" "7000 65536" "7000 7001 7002" "--what 7000 7001" "7000 7001"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr "$relay" $arguments
		assert_failure 1
	done
	run --separate-stderr "$relay" --pins /nowhere 7000 7001
	assert_failure 2
	assert_equal "$stderr" "relay: open the maps in /nowhere: No such file or directory"
}
