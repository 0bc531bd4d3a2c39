#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# The scripts that people run: demo, sandbox, test, lint. (setup, doctor, new-problem and bench have files
# of their own.)

load helpers

ours='block_ports|frame_counts|port_rows|\.data\.ports'

# outside COMMAND...: as a person calls it, who is not in the sandbox of these tests.
outside() { env -u HOOKPOINT_SANDBOX "$@"; }

as_nobody() { outside setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# one_line STATUS TEXT COMMAND...: fails with STATUS and one line on standard error that holds TEXT.
one_line() {
	run --separate-stderr "${@:3}"
	assert_equal "$status" "$1"
	assert_equal "$output" ""
	assert_equal "${#stderr_lines[@]}" 1
	[[ $stderr == *"$2"* ]]
}

@test "scripts: each has --help on standard output, exit 0" {
	local script scripts
	mapfile -t scripts < <(find "$root/scripts" -maxdepth 1 -type f -executable -printf '%f\n')
	((${#scripts[@]} >= 16))
	for script in "${scripts[@]}"; do
		run --separate-stderr outside "$root/scripts/$script" --help
		assert_success
		assert_line --index 0 --partial "usage: scripts/$script"
		assert_equal "$stderr" ""
	done
}

@test "demo: tells the story of block-tcp-8080 to its end, and leaves nothing" {
	local before
	before=$(everything)
	run outside "$root/scripts/demo" block-tcp-8080
	assert_success
	assert_equal "$(grep -cx 'Hello from port 8080' <<<"$output")" 2
	assert_equal "$(grep -cE 'Connection time(d out|out) after' <<<"$output")" 1
	assert_line "Hello from port 8081"
	assert_line --regexp '^  blocked +2 +148$'
	refute_output --partial $'\e' # no colour where there is no terminal
	nothing_left "$before"
	run pgrep -f 'http.server --bind :: --directory /run/'
	assert_failure
}

@test "demo: tells the stories of snoop-exec and load-by-hand to their end" {
	run outside "$root/scripts/demo" snoop-exec load-by-hand
	assert_success
	assert_line --regexp "ENOENT .* frobnicate$"
	assert_line --regexp "[1-9][0-9]* reported, [1-9][0-9]* lost"
	assert_equal "$(grep -cx 'Hello from port 8080' <<<"$output")" 2
}

cgroups_of_demos() { find "$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)" -name 'hookpoint-*'; }

@test "demo: tells the story of localhost-bypass to its end, and leaves nothing" {
	local before cgroups segments
	before=$(everything)
	cgroups=$(cgroups_of_demos)
	run outside "$root/scripts/demo" localhost-bypass
	assert_success
	assert_equal "$(grep -c '^200: 10000000 bytes' <<<"$output")" 4
	mapfile -t segments < <(sed -n 's/^TcpInSegs *\([0-9]*\).*/\1/p' <<<"$output")
	[[ $((segments[1] - segments[0])) -lt 50 && $((segments[2] - segments[1])) -gt 100 ]]
	nothing_left "$before"
	run comm -13 <(sort <<<"$cgroups") <(cgroups_of_demos | sort)
	assert_output ""
}

@test "demo: Ctrl-C ends it at once and leaves nothing" {
	local before
	before=$(everything)
	setsid env -u HOOKPOINT_SANDBOX --default-signal=INT "$root/scripts/demo" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	wait_for grep -q 'attached in native mode' "$BATS_TEST_TMPDIR/out"
	kill -INT -- -$!
	wait $! && status=0 || status=$?
	assert_equal "$status" 130
	nothing_left "$before"
	run pgrep -f 'http.server --bind :: --directory /run/'
	assert_failure
}

@test "demo: an unknown problem, an unknown option and a user without rights get one line, exit 1" {
	one_line 1 "there are: block-tcp-8080" outside "$root/scripts/demo" frob
	one_line 1 "unknown option --frob" outside "$root/scripts/demo" --frob
	one_line 1 "run it with sudo" as_nobody "$root/scripts/demo"
}

@test "sandbox: runs a command on the server, with the tools on the path, and returns its status" {
	run outside "$root/scripts/sandbox" sh -c 'block-tcp-8080 load -i veth0 && exit 7'
	assert_failure 7
	assert_line "veth0: attached in native mode, blocking TCP port 8080"
	run outside "$root/scripts/sandbox" bash -c 'client ping -c 1 -W 1 10.0.0.1 || client curl -m 1 -s 10.0.0.1:1; echo "$?"'
	assert_success
	one_line 1 "unknown option --frob" outside "$root/scripts/sandbox" --frob
	one_line 1 "run it with sudo" as_nobody "$root/scripts/sandbox" true
}

@test "sandbox: a shell says where it is and ends with exit" {
	run outside "$root/scripts/sandbox" <<<'client ip -brief address show dev veth0; exit 3'
	assert_failure 3
	assert_output --partial 'This is host "server"'
	assert_output --partial '10.0.0.2/24'
}

# A file of tests for scripts/test to run. They begin with TEST, because bats would take @test for one here.
make_tests() { sed 's/^TEST/@test/' >"$BATS_TEST_TMPDIR/made.bats"; }
run_tests() { run outside env BATS_TEST_TIMEOUT=5 "$root/scripts/test" "$BATS_TEST_TMPDIR/made.bats"; }

@test "test: counts what passed, failed and was skipped, with the reason, and fails if one failed" {
	make_tests <<-'EOF'
	TEST "good" { true; }
	TEST "bad" { echo "what it said"; false; }
	TEST "left out" { skip "no such kernel"; }
	EOF
	run_tests
	assert_failure 1
	assert_line "  ok      good"
	assert_line "  FAILED  bad"
	assert_line --partial "what it said"
	assert_line "  skipped left out: no such kernel"
	assert_equal "${lines[-1]}" "1 passed, 1 failed, 1 skipped"
}

@test "test: a file that dies halfway, or can't be read, is a failure" {
	make_tests <<-'EOF'
	TEST "good" { true; }
	TEST "deadly" { kill -9 $$; }
	TEST "never" { true; }
	EOF
	run_tests
	assert_failure 1
	assert_line --index -1 --regexp '^[0-9]+ passed, [1-9][0-9]* failed, 0 skipped$'

	make_tests <<<'TEST "broken" { ((('
	run_tests
	assert_failure 1
	assert_line --index -1 --regexp '^0 passed, [1-9][0-9]* failed, 0 skipped$'
}

@test "test: a file that hangs is ended, with what it has started, and is a failure" {
	make_tests <<-'EOF'
	TEST "good" { true; }
	TEST "hangs" { run unshare --pid --fork --kill-child sleep 1234567; }
	TEST "never" { true; }
	EOF
	run outside env BATS_TEST_TIMEOUT=1 "$root/scripts/test" "$BATS_TEST_TMPDIR/made.bats"
	assert_failure 1
	assert_line "  ok      good"
	assert_line --partial "it did not end within 10 s, and was killed"
	assert_line --index -1 --regexp '^1 passed, [1-9][0-9]* failed, 0 skipped$'
	run pgrep -fx 'sleep 1234567'
	assert_failure
}

@test "test: only passing tests exit 0" {
	make_tests <<<'TEST "good" { true; }'
	run_tests
	assert_success
	assert_equal "${lines[-1]}" "1 passed, 0 failed, 0 skipped"
}

@test "test: an unknown problem, an unknown option and a user without rights get one line, exit 1" {
	one_line 1 "no tests in problems/frob" outside "$root/scripts/test" frob
	one_line 1 "unknown option --frob" outside "$root/scripts/test" --frob
	one_line 1 "run it with sudo" as_nobody "$root/scripts/test"
}

@test "lint: finds bad style, a missing licence and a mistake in a script" {
	local tool
	for tool in clang-format cppcheck shellcheck; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	mkdir "$BATS_TEST_TMPDIR/tree"
	cp -r "$root"/{.clang-format,scripts,Makefile} "$BATS_TEST_TMPDIR/tree"
	cd "$BATS_TEST_TMPDIR/tree"
	mkdir common tests && printf '#!/usr/bin/env bats\n# SPDX-License-Identifier: BSD-2-Clause\n' >tests/a.bats
	run scripts/lint
	assert_success

	printf '/* SPDX-License-Identifier: BSD-2-Clause */\nint  a;\n' >common/style.c
	run scripts/lint
	assert_failure 1
	assert_output --partial 'common/style.c'
	rm common/style.c

	printf 'int a;\n' >common/licence.c
	run scripts/lint
	assert_failure 1
	assert_output --partial './common/licence.c: no SPDX-License-Identifier'
	rm common/licence.c

	# shellcheck disable=SC2016 # the mistake
	printf '#!/usr/bin/env bash\n# SPDX-License-Identifier: BSD-2-Clause\nrm -rf $1/*\n' >scripts/mistake
	run scripts/lint
	assert_failure 1
	assert_output --partial 'scripts/mistake'
}

# --- kernel-matrix ---

# make_results: a tree with kernel-matrix, the results of two kernels, and nothing collected yet.
make_results() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/{scripts,docs,tests/results}
	cp "$root/scripts/kernel-matrix" "$tree/scripts"
	sed '/^\.\. What follows/,/^\.\. So far/ { /^\.\. What/b; /^\.\. So far/b; d }' "$root/docs/kernel-support.rst" |
		sed 's/^\.\. What follows.*/&\n/; s/^\.\. So far/\n&/' >"$tree/docs/kernel-support.rst"
	: >"$tree/tests/kernels"
	cat >"$tree/tests/results/6.1" <<-'EOF'
	vm: booted
	Linux 6.1.0-56-amd64
	tests/kernel.bats
	          # attach one native
	          # verified one program 100
	  ok      one: attaches
	problems/one/test.bats
	  ok      one: works
	  skipped one: sees all: no such thing here

	2 passed, 0 failed, 1 skipped
	EOF
	sed 's/6\.1\.0/6.12.3/; s/ok      one: attaches/FAILED  one: attaches/; s/native/generic/; s/ok      one: works/FAILED  one: works/; /skipped one/d; s/^2 .*/1 passed, 1 failed, 0 skipped/' \
		"$tree/tests/results/6.1" >"$tree/tests/results/6.12"
}

@test "kernel-matrix: collects the runs of all kernels, and --check finds what has changed" {
	make_results
	run "$tree/scripts/kernel-matrix"
	assert_success
	run cat "$tree/docs/kernel-support.rst"
	assert_line --regexp '^problem +6\.1 +6\.12$'
	assert_line --regexp '^one +native +2 FAILED$'
	assert_line '- 6.1: one: sees all: no such thing here'
	assert_output --partial 'Which kernel runs what'
	run grep -v '^#' "$tree/tests/kernels"
	assert_line '6.1 verified one program 100'
	assert_line '6.12 failed one one: works'

	run "$tree/scripts/kernel-matrix" --check
	assert_success
	sed -i 's/program 100/program 90/' "$tree/tests/results/6.1" # for tests/kernel.bats to judge
	rm "$tree/tests/results/6.12"
	run "$tree/scripts/kernel-matrix" --check
	assert_success

	sed -i 's/native/generic/' "$tree/tests/results/6.1"
	run "$tree/scripts/kernel-matrix" --check
	assert_failure 1
	assert_line 'kernel-matrix: no longer so: 6.1 attach one native'
	assert_line 'kernel-matrix: new: 6.1 attach one generic'
	run "$tree/scripts/kernel-matrix"
	run grep -c '6.12' "$tree/tests/kernels"
	assert_output 4 # what no run was about stays

	sed -i 's/generic/native/' "$tree/docs/kernel-support.rst"
	run "$tree/scripts/kernel-matrix" --check
	assert_failure 1
}

@test "kernel-matrix: half a run is no result" {
	make_results
	sed -i '$d' "$tree/tests/results/6.1"
	one_line 1 "6.1 is not the whole output of a run" "$tree/scripts/kernel-matrix"
	rm "$tree"/tests/results/*
	one_line 1 "there are no results" "$tree/scripts/kernel-matrix"
	run cat "$tree/tests/kernels"
	assert_output ""
}
