#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=oldest
#
# localhost-bypass: real programs, and what they send each other compared with what arrives.
# `scripts/test problems/localhost-bypass/programs.bats` runs this.

load ../../tests/helpers

tool=$root/problems/localhost-bypass/localhost-bypass
ours='follow_connections|redirect_to_peer|refuse_options|find_message|forward_message|sockets|connections|directions|members'
stress=$root/tests/bypass/stress
short_connections=$root/tests/bypass/short-connections

setup() {
	start_host
	cd "$BATS_TEST_TMPDIR" || return
	before=$(everything)
}

teardown() {
	stop_host "$tool"
}

# need PROGRAM: or the test is skipped.
need() { command -v "$1" >/dev/null || skip "needs $1"; }

# --- a function of this file, under the bypass ---

# bypassed FUNCTION [ARGUMENT...]: runs it under the bypass, and keeps the counters that there are when it is
# done in the file `stats`. Nothing that it starts is left then.
bypassed() {
	local functions
	mapfile -t functions < <(compgen -A function | grep -E '^(run_|start_|wait_for$|is_open$|fetch$|stop$|scaled$)')
	export -f "${functions[@]}"
	export tool
	timeout "$(scaled 60 300)" "$tool" exec -- bash -eEuo pipefail -c '
		"$@"
		"$tool" stats -j >stats' - "$@"
}

# was_bypassed [EXPRESSION]: fails unless in the last run 9 of 10 local connections were, and something was sent so.
# (On some, nothing is sent.) The EXPRESSION is of `a`, what the tool counted, and to be true, too.
was_bypassed() {
	python3 - "${1:-True}" <<-'PYTHON'
	import json, sys
	a = json.load(open("stats"))["attachments"][0]
	print({name: group for name, group in a.items() if isinstance(group, dict)}) # seen if the test fails
	assert a["connections"]["bypassed"] > 0.9 * a["connections"]["local"]
	assert a["sent"]["redirected"]["messages"] > 0
	assert eval(sys.argv[1]), sys.argv[1]
	PYTHON
}

# nothing_remains: neither programs, maps and pins of the tool's nor its cgroup.
nothing_remains() {
	wait_for eval '[[ -z $(find "$own" -mindepth 1 -type d) ]]'
	nothing_left "$before"
}

is_open() { [[ -n $(ss -H -ltn "sport = :$1") ]]; }

# start_server PORT COMMAND...: until it listens there; $! is its process.
start_server() {
	"${@:2}" >server.log 2>&1 3>&- &
	wait_for is_open "$1"
}

# stop PROCESS: and is there until it is gone.
stop() {
	kill "$1"
	wait "$1" || true
}

# --- iperf3 ---

# run_iperf3 ADDRESS [OPTION...]: both ends. The client's result, JSON, is in the file `result`.
run_iperf3() {
	start_server 5201 iperf3 --server --one-off
	iperf3 --client "$1" --json "${@:2}" >result
	wait $!
}

# (What arrives is not compared: iperf3 ends with bytes on their way, whether there is a bypass or not.)
# bats test_tags=slow
@test "localhost-bypass: iperf3 sends both ways, over IPv4 and IPv6, on one connection or eight" {
	local options mib
	need iperf3
	mib=$(scaled 500 10)
	for options in 127.0.0.1 "::1 -R" "127.0.0.1 -P 8 -R" "::1 -P 8"; do
		echo "# iperf3 $options"
		# shellcheck disable=SC2086 # they are several
		bypassed run_iperf3 $options --bytes "${mib}M"
		assert_equal "$(json "'error' in d, d['end']['sum_sent']['bytes'] >= $mib << 20,
			d['end']['sum_received']['bytes'] >= $mib << 19" <result)" "False True True"
		was_bypassed
	done
	nothing_remains
}

# --- nginx and curl ---

# make_files: of 1 byte, 4 KiB, 1 MiB, and a large one of 1 GiB, where emulated of 16 MiB. That has a line of its
# own in every 64 KiB, not always at the same place, and holes between them.
make_files() {
	mkdir files
	head -c 1 /dev/urandom >files/1
	head -c 4K /dev/urandom >files/4K
	head -c 1M /dev/urandom >files/1M
	python3 -c 'if True:
		import sys
		lines = int(sys.argv[1])
		file = open("files/large", "wb")
		file.truncate(lines << 16)
		for i in range(lines):
			file.seek((i << 16) + i * 7919 % 65000)
			file.write(b"line %d\n" % i)' "$(scaled $((1 << 14)) $((1 << 8)))"
}

# nginx_config on|off: with or without sendfile.
nginx_config() {
	cat <<-EOF
	daemon off;
	worker_processes 2;
	user root;
	pid $PWD/pid;
	error_log $PWD/error.log;
	events { worker_connections 512; }
	http {
		access_log off;
		sendfile $1;
		default_type application/octet-stream;
		client_body_temp_path $PWD/body;
		proxy_temp_path $PWD/proxy;
		fastcgi_temp_path $PWD/fastcgi;
		uwsgi_temp_path $PWD/uwsgi;
		scgi_temp_path $PWD/scgi;
		server {
			listen 127.0.0.1:8080;
			listen [::1]:8080;
			root $PWD/files;
		}
	}
	EOF
}

start_nginx() { start_server 8080 nginx -e "$PWD/error.log" -c "$PWD/nginx.conf"; }

# fetch HOST SIZE: arrives as the file is.
fetch() { curl -fsS --max-time "$(scaled 20 120)" "http://$1:8080/$2" | cmp - "files/$2"; }

# run_downloads HOST: of the large file; of less, over IPv4 and IPv6.
run_downloads() {
	local nginx size
	start_nginx
	nginx=$!
	for size in 1 4K 1M; do
		fetch 127.0.0.1 "$size"
		fetch '[::1]' "$size"
	done
	fetch "$1" large
	stop $nginx
}

# run_keep_alive N: so many requests for each of three files, on one connection.
run_keep_alive() {
	local nginx i
	start_nginx
	nginx=$!
	for ((i = 0; i < $1; i++)); do
		printf 'url = http://127.0.0.1:8080/%s\noutput = got/%s.%d\n' 1 1 $i 4K 4K $i 1M 1M $i
	done >requests
	mkdir -p got
	curl -fsS --max-time "$(scaled 20 120)" -w '%{num_connects}\n' -K requests >connects
	for ((i = 0; i < $1; i++)); do
		cmp got/1.$i files/1
		cmp got/4K.$i files/4K
		cmp got/1M.$i files/1M
	done
	stop $nginx
}

# run_downloads_at_once N SIZE: so many, each of which arrives as the file is.
run_downloads_at_once() {
	local nginx i fetches=()
	start_nginx
	nginx=$!
	for ((i = 0; i < $1; i++)); do
		fetch 127.0.0.1 "$2" &
		fetches+=($!)
	done
	for i in "${fetches[@]}"; do
		wait "$i"
	done
	stop $nginx
}

# bats test_tags=slow
@test "localhost-bypass: curl gets from nginx what is there, from 1 byte to 1 GiB (16 MiB where emulated), with sendfile and without" {
	need nginx
	make_files
	nginx_config on >nginx.conf
	bypassed run_downloads 127.0.0.1
	was_bypassed
	nginx_config off >nginx.conf
	bypassed run_downloads '[::1]'
	was_bypassed
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: curl and nginx keep a connection, and make several at once" {
	local sendfile files
	need nginx
	files=$(scaled 50 6)
	make_files
	for sendfile in on off; do
		nginx_config $sendfile >nginx.conf
		bypassed run_keep_alive "$files"
		assert_equal "$(awk '{ sum += $1 } END { print NR, sum }' connects)" "$((3 * files)) 1"
		was_bypassed
		bypassed run_downloads_at_once "$(scaled 30 6)" 1M
		was_bypassed
		rm -r got
	done
	nothing_remains
}

# --- Redis ---

# The server is the program that checks its files, by another name; Debian's package with that name starts a
# service.
run_redis_server() { exec -a redis-server redis-check-rdb "$@"; }
start_redis() {
	start_server 6379 run_redis_server --port 6379 --bind 127.0.0.1 ::1 --save '' --appendonly no --dir "$PWD"
}

# run_redis_cli N: so many values, all in one go, and a long one; each is read back.
run_redis_cli() {
	local redis
	start_redis
	redis=$!
	seq "$1" | sed 's/.*/SET key:& value-&-of-many/' | redis-cli --pipe >answer
	seq "$1" | sed 's/.*/GET key:&/' | redis-cli -h ::1 >values
	redis-cli -x set long <data >/dev/null
	redis-cli get long | cmp - <(cat data && echo)
	stop $redis
}

# run_redis_benchmark N: so many requests of a kind one by one, and five times as many in rows.
run_redis_benchmark() {
	local redis
	start_redis
	redis=$!
	redis-benchmark --csv -n "$1" -c 50 -t set,get,lpush,lrange_100 >one-by-one
	redis-benchmark --csv -n "$((5 * $1))" -c 50 -P 16 -t set,get,incr >in-rows
	redis-cli get counter:__rand_int__ >counter
	stop $redis
}

# run_publishing N: one publishes so many messages, three hear of them.
run_publishing() {
	local redis i
	start_redis
	redis=$!
	for i in 1 2 3; do
		timeout "$(scaled 20 100)" redis-cli subscribe news >"heard.$i" 3>&- &
	done
	wait_for eval '[[ $(redis-cli --raw pubsub numsub news | tail -n 1) == 3 ]]'
	seq "$1" | sed 's/.*/PUBLISH news message-&/' | redis-cli >/dev/null
	for i in 1 2 3; do
		wait_for grep -qx "message-$1" "heard.$i"
	done
	stop $redis
	wait
}

# bats test_tags=slow
@test "localhost-bypass: redis-cli reads back from redis-server what it has set" {
	local values
	need redis-check-rdb
	values=$(scaled 20000 2000)
	head -c "$(scaled 20M 2M)" < <(seq 100000000) >data
	bypassed run_redis_cli "$values"
	grep -qx "errors: 0, replies: $values" answer
	diff <(seq "$values" | sed 's/.*/value-&-of-many/') values
	was_bypassed
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: redis-benchmark runs through, one request at a time and 16" {
	local requests
	need redis-check-rdb
	requests=$(scaled 20000 800) # five times that, a multiple of 16
	bypassed run_redis_benchmark "$requests"
	assert_equal "$(wc -l <one-by-one)" 6 # a heading, 4 tests, and what one of them needs
	assert_equal "$(wc -l <in-rows)" 4
	assert_equal "$(cat counter)" "$((5 * requests))"
	was_bypassed
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: subscribers of redis-server hear each message, in order" {
	local i messages
	need redis-check-rdb
	messages=$(scaled 5000 500)
	bypassed run_publishing "$messages"
	for i in 1 2 3; do
		diff <(seq "$messages" | sed 's/.*/message-&/') <(grep '^message-' "heard.$i")
	done
	was_bypassed
	nothing_remains
}

# --- tests/bypass ---

run_stress() { "$stress" "$@" >transcript; }

# same_as_plain OPTION...: stress prints the same with the bypass.
same_as_plain() {
	export stress
	set -- --seconds "$(scaled 30 200)" "$@"
	"$stress" "$@" >plain
	bypassed run_stress "$@"
	cmp plain transcript
	was_bypassed
}

# bats test_tags=slow
@test "localhost-bypass: 1000 connections at once (100 where emulated), ended in all ways, give each what was sent" {
	local plan
	plan="--connections $(scaled 1000 100) --bytes $(scaled 536870912 8388608)"
	# shellcheck disable=SC2086 # they are several
	same_as_plain $plan --seed 1
	# shellcheck disable=SC2086
	same_as_plain $plan --seed 2
	nothing_remains
}

# bats test_tags=slow
@test "localhost-bypass: readers that are far behind get each byte, through the bypass and then the stack" {
	same_as_plain --connections 4 --bytes "$(scaled 1000000000 100000000)"
	was_bypassed 'a["left_bypass"]["queue_full"] > 0'
	nothing_remains
}

run_short_connections() { "$short_connections" "$1"; }

# bats test_tags=slow
@test "localhost-bypass: 100,000 short connections (3,000 where emulated), with addresses and ports used again, get their answers" {
	export short_connections
	bypassed run_short_connections "$(scaled 100000 3000)"
	was_bypassed
	nothing_remains
}
