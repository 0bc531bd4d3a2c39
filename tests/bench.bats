#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/bench: that it measures what it says it does. How good the figures are is nothing for a test.

load helpers

# without PROGRAM... -- COMMAND...: runs COMMAND where the PROGRAMs are not installed.
without() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount -- bash -c '
		for program; do
			shift
			[[ $program != -- ]] || break
			! program=$(type -P "$program") || mount --bind /dev/null "$program"
		done
		exec "$@"' bash "$@"
}

# check CONDITION: it must hold for the JSON objects in $output. `cases` has them by their names, `ours` and
# `missing` are those with a figure of this project's own, and those without a figure.
check() {
	python3 -c "import json, sys
lines = [json.loads(line) for line in sys.stdin]
cases = {line['case']: line for line in lines}
missing = [line for line in lines if line['value'] is None]
ours = [line for name, line in cases.items() if ': block-tcp-8080' in name or ': bare' in name]
assert ($1), missing" <<<"$output"
}

@test "a quick run measures every case and judges every target, as JSON" {
	run --separate-stderr "$root/scripts/bench" -q -j block-tcp-8080
	assert_success
	[[ -z $stderr ]]

	check 'all(line["schema"] == 1 and line["bench"] == "block-tcp-8080" for line in lines)'
	# `make test` installs no peers.
	check 'all("installed" in line["not_measured"] or "xdp-tools" in line["not_measured"] for line in missing)'
	check 'len(ours) > 0 and not any(line in ours for line in missing)'
	check 'all(line["value"] > 0 and line["unit"] and line["repetitions"] > 1
		and line["quartiles"][0] <= line["value"] <= line["quartiles"][1]
		for line in lines if line not in missing)'
	# 3 sizes and kinds of packets, 5 programs for blocked and 4 for passed; 6 places; 4 loaders
	check 'len(cases) == len(lines) == 3 * (5 + 4) + 6 + 2 * 4'
	local program place loader
	for program in block-tcp-8080 'block-tcp-8080, 65 535 ports' xdpfilt_alw_{tcp,all}; do
		check "'what a packet costs: TCP/IPv6, 74 bytes, blocked: $program' in cases"
	done
	for place in 'block-tcp-8080, '{native,generic} 'nftables '{netdev,input} 'iptables INPUT'; do
		check "'where to drop: TCP/IPv4, 64 bytes: $place' in cases"
	done
	for loader in 'block-tcp-8080 load' 'bare libbpf loader' 'xdp-filter load'; do
		check "'what loading costs: peak memory: $loader' in cases"
	done

	# Each target has a verdict: 2 for IPv4 blocked and passed, 1 for all ports with each kind of packet, 1
	# for the place, 2 for each cost of loading.
	check 'sum(len(line.get("targets", [])) for line in lines) == 2 * 2 + 3 + 1 + 2 * 2'
	check 'missing or all(target["met"] in (True, False) and target["ratio"] > 0
		for line in lines for target in line.get("targets", []))'
}

@test "a peer that is not installed is reported, and the rest is measured" {
	run --separate-stderr without nft xdp-filter -- "$root/scripts/bench" -qj block-tcp-8080
	assert_success
	check '{"nft is not installed", "xdp-filter is not installed"} <= {line["not_measured"] for line in missing}'
	check 'not any(line in ours for line in missing)'
	check '[target["met"] for target in
		cases["where to drop: TCP/IPv4, 64 bytes: block-tcp-8080, native"]["targets"]] == [None]'
}

@test "something of our own that fails is an error, and the rest is measured" {
	# shellcheck disable=SC2016 # for the inner shell
	run --separate-stderr unshare --mount -- bash -c '
		mount --bind "$(type -P false)" "$1/tests/bench/bare-loader"
		"$1/scripts/bench" -q block-tcp-8080' bash "$root"
	assert_failure 2
	assert_line --regexp '^  bare libbpf loader +not measured: bare-loader: exit status 1$'
	assert_line --regexp '^  block-tcp-8080 load +[0-9]'
	assert_line --regexp 'block-tcp-8080 load .*not comparable$'
}

@test "drop-spoofed-packets: a quick run measures every case and judges every target, as JSON" {
	run --separate-stderr "$root/scripts/bench" -q -j drop-spoofed-packets
	assert_success
	[[ -z $stderr ]]
	check 'all(line["schema"] == 1 and line["bench"] == "drop-spoofed-packets" for line in lines)'
	check 'all("installed" in line["not_measured"] for line in missing)' # `make test` installs no peers
	check 'all(line["value"] > 0 and line["unit"] and line["repetitions"] > 1 for line in lines if line not in missing)'
	# 3 kinds of packets, allowed or forged, by an empty program and by four sets; 3 guards by 2 clocks; 3 ways
	# to fill, the memory, 3 loaders
	check 'len(cases) == len(lines) == 3 * 2 * 5 + 2 * 3 + 3 + 1 + 3'
	local name
	for name in 'what a packet costs: ARP, 64 bytes, allowed: 10 000 guarded, 100 000 allowed' \
		'throughput: by CPU time: nftables egress' 'filling: 100 000 addresses: in one batch' \
		'filling: memory: one address'; do
		check "'$name' in cases"
	done
	check 'sum(len(line.get("targets", [])) for line in lines) == 3 * 2 * 4 + 2 + 1'
	check 'missing or all(target["met"] in (True, False) for line in lines for target in line.get("targets", []))'
}

@test "it explains itself and refuses what it does not know" {
	run "$root/scripts/bench" --help
	assert_success
	assert_line --partial 'usage: scripts/bench [-j] [-q] [NAME...]'
	run "$root/scripts/bench" no-such-problem
	assert_failure 1
	assert_output --regexp "^bench: no problem 'no-such-problem' to measure; there are: .*block-tcp-8080"
	assert_equal "${#lines[@]}" 1
	run "$root/scripts/bench" --colour
	assert_failure 1
	assert_output "bench: unknown option --colour; see scripts/bench --help"
}

@test "maps: a quick run of the benchmark measures every case, as JSON" {
	run --separate-stderr "$root/tests/bench/maps/bench" -q -j
	assert_success
	[[ -z $stderr ]]
	# Reading in 3 ways, replacing 3 things in 4 ways.
	python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert len({line["case"] for line in lines}) == len(lines) == 3 + 3 * 4, lines
assert all(line["schema"] == 1 and line["bench"] == "maps" and line["unit"] == "ms" for line in lines)
assert all(line["value"] > 0 and line["repetitions"] == 2 for line in lines), lines
targets = [target for line in lines for target in line.get("targets", [])]
assert len(targets) == 2 + 3 * 2 and all(target["met"] in (True, False) for target in targets)' <<<"$output"
	[[ ! -e /sys/fs/bpf/bench-maps ]]
}
