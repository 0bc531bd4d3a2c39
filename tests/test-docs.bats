#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# scripts/test-docs, on pages made here. `make test-docs` types the real ones.

load helpers

page() { cat >"$BATS_TEST_TMPDIR/page.rst"; }

# typed PAGE: what test-docs says of it.
typed() { run env -u HOOKPOINT_SANDBOX HOOKPOINT_PATIENCE=10 "$root/scripts/test-docs" "$BATS_TEST_TMPDIR/page.rst"; }

# A page that is as it should be, with everything that a page may have.
good_page() {
	page <<-'EOS'
	Numbers
	=======

	.. varies: 20 "took 3 s"
	.. ids: 1700 6.1700-1-x

	.. code-block:: console

	    $ echo $((6 * 7)) of $((RANDOM + 100)), took $((RANDOM)) s | sed s/of/of/
	    42 of 20, took 3 s
	    $ for number in 1 2
	    > do echo "number $number"; done
	    number 1
	    number 2
	    $ id=$((RANDOM + 40000)); echo $id
	    1700
	    $ echo "$id and 1700" | awk '{ print ($1 == $3) }'
	    1
	    $ seq 100
	    1
	    ...
	    100
	    $ echo "6.$id-1-x is 6.$id-1-x"
	    6.1700-1-x is 6.1700-1-x
	    $ echo hello; env -i PS1='guest# ' bash --norc -i
	    hello
	    guest# exit
	    $ echo no20; echo $id
	    no20
	    1700

	In the sandbox:

	.. code-block:: console

	    $ sudo scripts/sandbox
	    This is host "server". Its interface is veth0, 10.0.0.1 and fd00::1.
	    ...
	    server# block-tcp-8080 run -i veth0
	    veth0: attached in native mode, blocking TCP port 8080
	    ^C
	    veth0: detached
	    server# exit
	    $ basename "$PWD" | wc -l
	    1

	.. not run: nobody has such a machine

	.. code-block:: console

	    $ shutdown
	EOS
}

# changed FROM TO: the good page, with one change, is refused; the message has the line.
changed() {
	good_page
	grep -qF -- "$1" "$BATS_TEST_TMPDIR/page.rst"
	FROM=$1 TO=$2 perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/' "$BATS_TEST_TMPDIR/page.rst"
	typed
	assert_failure 1
	assert_output --partial "FAILED"
	assert_output --partial "$3"
}

@test "test-docs: a page whose commands print what it shows passes, and is counted" {
	good_page
	typed
	assert_success
	assert_line --partial 'ok      '
	assert_line --partial '2 blocks, 13 commands'
	assert_line --partial 'page.rst:49: nobody has such a machine'
}

@test "test-docs: a number that is changed is seen, and so are other words, lines and prompts" {
	changed '    42 of 20' '    43 of 20' 'line 10'
	changed '    number 2' '    number 3' 'line 14'
	changed $'    1\n    $ seq' $'    2\n    $ seq' 'line 18'
	changed '    100' '    101' 'line 22'
	changed $'    number 2\n' $'    number 2\n    number 3\n' 'number 3'
	changed $'    number 2\n' '' 'number 2'
	changed 'port 8080' 'port 8081' 'line 39'
	changed 'took 3 s' 'took 3 min' 'line 10'
	changed $'    server# exit\n' '' "the page says '\$ '"
	changed 'veth0: detached' 'veth0: attached' 'line 42'
	changed '$((RANDOM + 100))' many 'line 10'
	changed 'echo no20' 'echo no21' 'line 29'
	changed 'no20; echo $id' 'no20; echo $((id + 1))' 'line 30'
}

@test "test-docs: a number that could be another one without a note, because lines are left out, is refused" {
	page <<-'EOS'
	.. code-block:: console

	    $ seq 9
	    ...
	    9
	    $ seq 9
	    1
	    ...
	EOS
	typed
	assert_success
	assert_line --partial '2 numbers'
	sed -i 's/^    9$/    5\n    .../' "$BATS_TEST_TMPDIR/page.rst"
	typed
	assert_failure
	assert_output --partial '5 could be another number'
}

@test "test-docs: a note at the wrong place, an output without a command, a missing page are told" {
	printf '.. varies: 2\n\nA sentence.\n' | page
	typed
	assert_failure 1
	assert_output --partial 'a note stands above what is no console block'
	printf '.. code-block:: console\n\n    5\n' | page
	typed
	assert_failure 1
	assert_output --partial 'does not begin with a prompt'
	printf 'Type::\n\n    $ true\n' | page
	typed
	assert_failure 1
	assert_output --partial 'line 3: a command that stands in no console block'
	printf -- '- In a list::\n\n      server# true\n' | page
	typed
	assert_failure 1
	assert_output --partial 'line 3: a command that stands in no console block'
	printf '.. code-block:: console\n\n   $ false\n' | page
	typed
	assert_failure 1
	assert_output --partial 'line 1: the block has no command'
	for missing in /nowhere.rst "$BATS_TEST_TMPDIR"; do
		run env -u HOOKPOINT_SANDBOX "$root/scripts/test-docs" "$missing"
		assert_failure 1
		assert_output "test-docs: no page $missing"
	done
}

@test "test-docs: a page may be named from anywhere, and one without a block is none that passes" {
	cd "$root/docs"
	run env -u HOOKPOINT_SANDBOX "$root/scripts/test-docs" ../CHANGELOG.rst # has none
	assert_failure 1
	refute_output --partial 'pages.py ended'
}

@test "test-docs: what a process in the background says behind the prompt disturbs nothing" {
	page <<-'EOS'
	.. code-block:: console

	    $ { sleep 0.3; echo "I am late"; } &
	    $ wait
	    I am late
	    $ PS1='$ as if somebody had said something'
	    $ echo 1
	    1
	EOS
	typed
	assert_success
}

@test "test-docs: both ways in which curl says that its time is over are the same" {
	page <<-'EOS'
	.. varies: 2001

	.. code-block:: console

	    $ for words in "timed out after 2000 milliseconds" "timeout after 1999 ms"
	    > do echo "curl: (28) Connection $words"; done
	    curl: (28) Connection timed out after 2001 milliseconds
	    curl: (28) Connection timed out after 2001 milliseconds
	EOS
	typed
	assert_success
}

@test "test-docs: of several pages, at most 5 % of the blocks may be left out" {
	printf '.. code-block:: console\n\n    $ true\n\n.. not run: no\n\n.. code-block:: console\n\n    $ false\n' | page
	cd "$BATS_TEST_TMPDIR"
	run env -u HOOKPOINT_SANDBOX "$root/scripts/test-docs" page.rst page.rst
	assert_failure 1
	assert_line 'more than 5 % of the blocks were not typed'
}
