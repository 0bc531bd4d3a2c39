#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# watch-acks against what the kernel counts by itself: for each socket (TCP_INFO), for each host (nstat), and in
# the frames on the wire. `scripts/test watch-acks` runs this; what needs fentry or kprobes, `scripts/test-vm
# watch-acks`.

load ../../tests/helpers

here=$root/problems/watch-acks
tool=$here/watch-acks
ours='fentry_.*|fexit_.*|kprobe_.*|kretprobe_.*|connections|others|timings|calls|watch_ac.rodata'

setup_file() {
	local probe
	for probe in fentry kprobe; do
		if "$tool" run -n -P $probe >/dev/null 2>&1; then echo $probe; fi
	done >"$BATS_FILE_TMPDIR/probes"
}

setup() { probes=$(<"$BATS_FILE_TMPDIR/probes"); }

# needs_probes: for tests that watch. They get the two hosts.
needs_probes() {
	[[ $probes ]] || skip "this kernel lets nobody attach by fentry or kprobe; those of scripts/vm do"
	start_network
	empty=$(everything)
	watching=() running=()
}

teardown() {
	local pid
	for pid in "${watching[@]}"; do kill -9 "$pid" || true; done
	if [[ -e /run/netns/server ]]; then stop_network; fi
}

# start_watching NAME OPTIONS...: what it says is in the files NAME.out and NAME.err.
start_watching() {
	local files=$BATS_TEST_TMPDIR/$1
	rm -f "$files.err" # what an earlier one said there
	"$tool" run "${@:2}" >"$files.out" 2>"$files.err" 3>&- &
	watching+=($!)
	wait_for grep -q 'watching TCP' "$files.err"
	running+=("$(sed -n 's/.*watching TCP by \([a-z]*\);.*/\1/p' "$files.err")")
}

# stop_watching: all of them, which must end well.
stop_watching() {
	local pid
	kill -INT "${watching[@]}"
	for pid in "${watching[@]}"; do wait "$pid"; done
	watching=()
}

# flatten: from the JSON of `stats` a line for each connection: probe, local, peer, segments_in, acks_out, acks_in,
# on_data, handled, packets_in, bytes_in. The last of each probe is that of all others.
flatten() {
	awk '{ key = $1; gsub(/[":]/, "", key); value = $2; gsub(/[",]/, "", value); seen[key] = value }
	key == "others" { seen["local"] = "others"; seen["peer"] = "-" }
	key == "handled" && seen["local"] != "" {
		print seen["mode"], seen["local"], seen["peer"], seen["segments_in"], seen["acks_out"], seen["acks_in"],
			seen["on_data"], seen["handled"], seen["packets_in"], seen["bytes_in"]
		seen["local"] = ""
	}'
}

# send KIND OPTIONS...: traffic, then what the tool says of it before the connections are closed: in the files
# truth, stats (JSON) and rows (see flatten).
send() {
	"$here/traffic" "$@" -- "$tool" stats -j >"$BATS_TEST_TMPDIR/both"
	sed '/^{/,$d' "$BATS_TEST_TMPDIR/both" >"$BATS_TEST_TMPDIR/truth"
	sed -n '/^{/,$p' "$BATS_TEST_TMPDIR/both" >"$BATS_TEST_TMPDIR/stats"
	flatten <"$BATS_TEST_TMPDIR/stats" >"$BATS_TEST_TMPDIR/rows"
	cat "$BATS_TEST_TMPDIR/truth" "$BATS_TEST_TMPDIR/rows"
}

# agrees: each end of each connection has the truth's counts, whichever probe counts.
agrees() {
	local address peer data alone got probe ends=0
	while read -r address peer data alone got; do
		for probe in "${running[@]}"; do
			grep -qF "$probe $address $peer $data $alone $got " "$BATS_TEST_TMPDIR/rows" ||
				fail "$probe: not $data segments, $alone ACKs sent and $got got at $address from $peer"
		done
		((++ends))
	done < <(grep '^[0-9[]' "$BATS_TEST_TMPDIR/truth")
	((ends))
}

# check_histogram FILE: in what `run -j` has printed, each ACK that was handled was measured, and stands in a bucket.
check_histogram() {
	local text handled measured ns
	text=$(tail -n 1 "$1")
	[[ $text =~ ^'{"schema":1,"tool":"watch-acks","probe":'.*'"handled":'([0-9]+),'"measured":'([0-9]+),'"measured_ns":'([0-9]+),'"missed":0}'$ ]]
	handled=${BASH_REMATCH[1]} measured=${BASH_REMATCH[2]} ns=${BASH_REMATCH[3]}
	assert_equal "$measured" "$handled"
	grep -o '"from_ns":[0-9]*,"below_ns":[0-9]*,"times":[0-9]*' <<<"$text" | tr ':,' '  ' |
		awk -v measured="$measured" -v ns="$ns" '
			{ times += $6; least += $2 * $6; most += $4 * $6 }
			END { print times, least, most; exit !(times && times == measured && least <= ns && ns <= most) }'
}

# column HOST_PORT NUMBER: of the rows whose local port that is; the same for all probes.
column() { awk -v port=":$1\$" -v n="$2" '$2 ~ port && !seen[$n]++ { print $n }' "$BATS_TEST_TMPDIR/rows"; }

# truth_of LINE PATTERN: what the group in PATTERN matches in the truth's lines that begin so.
truth_of() { sed -n "s/^$1$2.*/\\1/p" "$BATS_TEST_TMPDIR/truth"; }

# all_sent PORT FROM: what was sent from port FROM has come to PORT, with what was sent again: on a busy machine the
# sender is impatient at times.
all_sent() { assert_equal "$(column "$1" 10)" "$(truth_of "port $2:" ' \([0-9]*\) bytes')"; }

# The port of the client.
clients_port() { sed -n 's/^10.0.0.2:\([0-9]*\) .*/\1/p' "$BATS_TEST_TMPDIR/truth"; }

# --- counts ---

@test "watch-acks: fentry and kprobes at once count what the kernel counts for each socket, over IPv4 and IPv6" {
	local probe port host
	needs_probes
	for probe in $probes; do start_watching "$probe" -P "$probe" -j; done

	send bulk --kib 512 --sent
	agrees
	all_sent 5001 "$(clients_port)"
	[[ $(column 5001 10) -ge $((512 * 1024)) ]]
	# Handled on the client, where no data came: the host's own counters say so too.
	assert_equal "$(column "$(clients_port)" 8)" "$(truth_of client: '.* \([0-9]*\) handled')"

	# In the frames on the wire: data with an ACK number that is new.
	send requests --port 5002 --count 40 --capture
	agrees
	for port in 5002 "$(clients_port)"; do
		assert_equal "$(column "$port" 7)" "$(truth_of "port $port:" ' \([0-9]*\) on data')"
		[[ $(column "$port" 7) -ge 20 ]]
	done

	send bulk --port 5003 --kib 100 --ipv6 --connections 2
	agrees
	for host in server client; do
		grep -q "\"netns\": $(stat -Lc %i /run/netns/$host)\b" "$BATS_TEST_TMPDIR/stats"
	done

	# Data that comes after one's own FIN, and a FIN, which is no data.
	send late --port 5004 --kib 100 --sent
	all_sent "$(clients_port)" 5004
	[[ $(column "$(clients_port)" 10) -ge $((100 * 1024)) && $(column 5004 10) == 0 ]]
	stop_watching
	for probe in $probes; do check_histogram "$BATS_TEST_TMPDIR/$probe.out"; done
	nothing_left "$empty"
}

# bats test_tags=slow
@test "watch-acks: SIGINT and SIGKILL leave nothing attached, clean removes a killed one's pins" {
	local probe signal
	needs_probes
	for probe in $probes; do
		for signal in INT KILL; do
			[[ $probe-$signal != fentry-INT ]] || continue # the test before has done that
			start_watching "$probe" -P "$probe"
			[[ $probe != kprobe ]] || grep -q tcp_ack /sys/kernel/debug/kprobes/list
			kill -$signal "${watching[0]}"
			wait "${watching[0]}" || [[ $signal == KILL ]]
			watching=()
			[[ $signal != KILL ]] || "$tool" clean
			nothing_left "$empty"
			run grep tcp_ /sys/kernel/debug/kprobes/list
			assert_output ""
			run cat /sys/kernel/tracing/kprobe_events
			assert_output ""
		done
	done
}

# bats test_tags=slow
@test "watch-acks: TCP_QUICKACK takes ACKs off the data, and a slow answer has one sent by the timer" {
	needs_probes
	start_watching it
	send requests --port 5001
	agrees
	[[ $(column 5001 5) -lt 20 && $(column 5001 7) -gt 80 ]]
	send requests --port 5002 --quickack
	agrees
	[[ $(column 5002 5) -ge 100 && $(column 5002 7) -le 1 ]]
	send requests --port 5003 --think 0.3
	[[ $(column 5003 5) -ge 9 ]]
	[[ $(truth_of server: ' \([0-9]*\) delayed') -ge 8 ]]
	agrees
	stop_watching
}

# bats test_tags=slow
@test "watch-acks: segments, and not the packets that GRO makes of them, are what is counted as segments" {
	local host packets
	needs_probes
	start_watching it
	send bulk
	packets=$(column 5001 9)
	((packets * 3 < $(column 5001 4)))
	for host in server client; do $host ethtool -K veth0 tso off gso off gro off; done
	send bulk --port 5002
	agrees
	((packets * 3 < $(column 5002 9)))
}

# bats test_tags=slow
@test "watch-acks: -p watches one port, at whichever end it is" {
	local probe
	needs_probes
	for probe in $probes; do start_watching "$probe" -P "$probe" -p 5002; done
	send requests --count 10
	assert_equal "$(grep -cv ' others ' "$BATS_TEST_TMPDIR/rows" || true)" 0
	send requests --count 10 --port 5002
	agrees
	assert_equal "$(grep -cv ' others ' "$BATS_TEST_TMPDIR/rows")" $((2 * $(wc -w <<<"$probes")))
}

# bats test_tags=slow
@test "watch-acks: what finds no room in the table is counted together, and said" {
	local probe i
	needs_probes
	for probe in $probes; do start_watching "$probe" -P "$probe" -c 3; done
	send bulk --kib 50 --connections 4
	for probe in $probes; do
		assert_equal "$(grep -c "^$probe [^o]" "$BATS_TEST_TMPDIR/rows")" 3
		# Segments, ACKs sent, ACKs got: all of them, the rows' and the others'.
		awk -v probe="$probe" '
			FILENAME ~ /truth/ && /^[0-9]/ { for (i = 3; i <= 5; i++) truth[i] += $i }
			FILENAME ~ /rows/ && $1 == probe { for (i = 3; i <= 5; i++) counted[i] += $(i + 1) }
			END { for (i = 3; i <= 5; i++) { print truth[i], counted[i]; if (!truth[i] || truth[i] != counted[i]) exit 1 } }
		' "$BATS_TEST_TMPDIR/truth" "$BATS_TEST_TMPDIR/rows"
	done
	stop_watching
	for probe in $probes; do
		grep -q '^all others ' "$BATS_TEST_TMPDIR/$probe.out"
		grep -q 'The table is full' "$BATS_TEST_TMPDIR/$probe.out"
	done
}

# bats test_tags=slow
@test "watch-acks: -w prints again and again, a table or one JSON object a line" {
	needs_probes
	start_watching text -w 0.2
	start_watching json -w 0.2 -j
	"$here/traffic" requests --count 10
	run "$tool" stats
	assert_success
	assert_line --regexp '^ +10\.0\.0\.1:5001 - 10\.0\.0\.2:[0-9]+ '
	sleep "$(scaled 0.5 3)"
	stop_watching
	(($(grep -c '^local ' "$BATS_TEST_TMPDIR/text.out") >= 3))
	(($(grep -c '^{"schema":1,"tool":"watch-acks",.*}$' "$BATS_TEST_TMPDIR/json.out") >= 3))
	run tail -n 1 "$BATS_TEST_TMPDIR/text.out"
	assert_output --regexp '^[0-9]+ times ACKs were handled, in [0-9]+ ns on average$'
	grep -qE '^10.0.0.1:5001 +10.0.0.2:[0-9]+ +1[0-9] +1[0-9] +1[0-9]{3} ' "$BATS_TEST_TMPDIR/text.out"
	grep -qE '^ +[0-9]+ - +[0-9]+ +[0-9]+ \|#+$' "$BATS_TEST_TMPDIR/text.out"
}

# --- messages ---

@test "watch-acks: where neither fentry nor kprobes are, one line says what is lacking, exit 5" {
	local probe
	[[ ! $probes ]] || skip "this kernel has one of them"
	for probe in "" "-P fentry" "-P kprobe"; do
		# shellcheck disable=SC2086 # two words, or none
		run --separate-stderr "$tool" run $probe
		assert_failure 5
		assert_equal "${#stderr_lines[@]}" 1
		[[ $stderr =~ ^'watch-acks: this kernel ('.*CONFIG_.*CONFIG_KPROBES.*'make vm NAME=watch-acks'$ ]]
		assert_output ""
	done
}

@test "watch-acks: without the rights, one line names the capabilities, exit 2" {
	run --separate-stderr setpriv --bounding-set -all --inh-caps -all "$tool" run
	assert_failure 2
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr =~ cap_bpf.*cap_perfmon ]]
}

# bats test_tags=slow
@test "watch-acks: CAP_BPF and CAP_PERFMON suffice for fentry, and kprobes say what they take where that is more" {
	needs_probes
	with_two() { setpriv --bounding-set -all,+bpf,+perfmon --inh-caps -all "$@"; }
	if [[ $probes == *fentry* ]]; then
		run with_two "$tool" run -n
		assert_success
		assert_output "would watch TCP by fentry"
	fi
	run --separate-stderr with_two "$tool" run -n -P kprobe
	[[ $status == 0 ]] || [[ $status == 2 && ${#stderr_lines[@]} == 1 && $stderr == *CAP_SYS_ADMIN*perf_event_paranoid* ]]
}

# bats test_tags=host
@test "watch-acks: a bad option is told in one line, exit 1" {
	local options
	for options in "-p 0" "-p 65536" "-p 80x" "-p 1.5" "-c 0" "-c -1" "-c 1000001" "-w 0" "-w x" "-P uprobe" "-z" "word" "-i lo"; do
		# shellcheck disable=SC2086 # the words of a command
		run --separate-stderr timeout 5 "$tool" run $options
		assert_failure 1
		assert_equal "${#stderr_lines[@]}" 1
	done
	for options in load unload "status -p 80"; do
		# shellcheck disable=SC2086
		run --separate-stderr timeout 5 "$tool" $options
		assert_failure 1
	done
}

# bats test_tags=host
@test "watch-acks: nothing runs: status and stats exit 4, clean has nothing to do" {
	run "$tool" status
	assert_failure 4
	run "$tool" stats -j
	assert_failure 4
	run "$tool" clean
	assert_success
}
