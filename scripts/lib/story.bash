# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For a problem's `demo`: a story in a terminal. Readable without colour; paced for people, and without
# pauses where nobody watches.

# shellcheck source=scripts/lib/network.bash
. "${BASH_SOURCE[0]%/*}/network.bash"

bold='' dim='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
	bold=$'\e[1m' dim=$'\e[36m' plain=$'\e[0m'
fi
# A dumb terminal is an editor's, or that of scripts/test-docs.
[[ -t 1 && ${TERM:-dumb} != dumb ]] && pace=1.2 || pace=0

# tell SENTENCE...: what happens next, and why.
tell() {
	sleep "$pace"
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
	sleep "$pace"
}

# show HOST COMMAND...: shows the command, runs it on the host. Its failure is part of the story.
show() {
	local host=$1 word line=''
	shift
	for word; do # quoted where a person would have to
		[[ $word =~ ^[a-zA-Z0-9_./:=,@%+-]+$ ]] || word="'$word'"
		line+=" $word"
	done
	printf '%s%s$%s%s\n' "$dim" "$host" "$line" "$plain"
	"$host" "$@" || (($? != 127)) # 127: there is no such command, which is part of no story
}

# begin TITLE: builds the network.
begin() {
	furnish_sandbox
	make_network
	printf '%s== %s ==%s\n' "$bold" "$*" "$plain"
}

# serve PORT TEXT: a web server on host "server" that answers with TEXT.
serve() {
	local dir
	dir=$(mktemp -d -p /run)
	echo "$2" >"$dir/index.html"
	server python3 -m http.server --bind :: --directory "$dir" "$1" >/dev/null 2>&1 3>&- &
	wait_for server curl -s "http://127.0.0.1:$1/"
}
