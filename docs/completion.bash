# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Completion of the tools' command lines. What there is to choose from stands in their own help; the file is
# installed once for each tool, under its name.

# _hookpoint_values OPTION TEXT: what may follow OPTION, which the help TEXT tells of.
_hookpoint_values() {
	local line name
	while read -r line; do
		# "-m, --mode=native|generic|auto    In the driver, ..."
		[[ $line =~ ^(-[a-zA-Z],\ )?--[a-z-]+=([^ ]+) && ", ${line%%=*}," == *", $1,"* ]] || continue
		name=${BASH_REMATCH[2]}
		case $name in
		IF) (cd /sys/class/net && printf '%s\n' */ | tr -d /); [[ $line != *all:* ]] || echo all ;;
		USER) compgen -u ;;
		*[A-Z]*) ;;
		*) echo "${name//|/ }" ;;
		esac
	done <<<"$2"
}

_hookpoint() {
	local tool=$1 word=$2 option=$3 command='' text words i
	local IFS=$' \t\n'
	COMPREPLY=()
	# To readline "=" is a word: --mode=na is three.
	[[ $word != = ]] || word=''
	if [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} != -- ]] || return 0 # what follows is another's, as in `exec -- COMMAND`
	done
	((COMP_CWORD < 2)) || command=${COMP_WORDS[1]}
	[[ $command =~ ^[a-z]+$ ]] || command=''
	text=$("$tool" ${command:+"$command"} -h 2>/dev/null </dev/null) || return 0

	words=$(_hookpoint_values "$option" "$text")
	if [[ ! $words && $word == -* ]]; then
		words=$(grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' <<<"$text" | grep -oE -- '-.*' | tr -d ,)
	elif [[ ! $words && ! $command ]]; then
		words=$(sed -nE "/help \| version$/ { s/.*/help version/p; d }
			s/^(usage:)? +${tool##*/} ([a-z]+)( .*|$)/\2/p" <<<"$text")
	fi
	# Not by compgen -W, which would run what stands in the name of an interface.
	while read -r text; do
		if [[ $text && $text == "$word"* ]]; then COMPREPLY+=("$(printf %q "$text")"); fi
	done <<<"${words// /$'\n'}"
}

# Where there is nothing to choose from: files.
complete -o default -F _hookpoint "${BASH_SOURCE[0]##*/}"
