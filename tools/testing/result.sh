# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For scripts that test: one line for each result.

failed=0

# result NAME PROBLEM…: nothing behind the name is no problem.
result() {
	local name=$1
	shift
	if [ $# = 0 ]; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		printf '%s\n' "$@" | sed 's/^/  /'
		failed=1
	fi
}

# runs NAME STATUS WORDS COMMAND…: the command ends with this status and says these words.
runs() {
	local name=$1 status=$2 words=$3 got=0 said
	shift 3
	said=$("$@" 2>&1) || got=$?
	if [ $got != "$status" ]; then
		result "$name" "status $got, not $status:" "$said"
	elif [[ $said != *"$words"* ]]; then
		result "$name" "it does not say '$words':" "$said"
	else
		result "$name"
	fi
}

# finish: the status of the script is 1 after a problem.
finish() { exit "$failed"; }
