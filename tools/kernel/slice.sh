#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Lists, chooses and runs the slices of the tests (tools/kernel/flavours).
#
# usage: slice.sh list          all of them, a line for each
#        slice.sh of COMMIT     the number of the one that CI runs for a commit
#        slice.sh run NUMBER    runs it
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

mapfile -t SLICES < <(sed -n 's/^slice //p' "$TOP/tools/kernel/flavours")

# slice NUMBER: sets what `make check` is to be given.
slice() {
	read -r flavour driver patterns <<<"${SLICES[$1 - 1]}"
	kernel=
	if [[ $flavour == *@* ]]; then
		kernel=${flavour#*@} flavour=${flavour%%@*}
	fi
}

# line NUMBER: the same, to read.
line() {
	local flavour kernel driver patterns
	slice "$1"
	printf "FLAVOUR=%s %sDRIVER=%s T='%s'\n" "$flavour" "${kernel:+KERNEL=$kernel }" "$driver" "$patterns"
}

case ${1:-} in
list)
	for ((n = 1; n <= ${#SLICES[@]}; n++)); do
		printf 'SLICE=%d: %s\n' "$n" "$(line "$n")"
	done
	;;
of)
	[[ ${2:-} =~ ^[0-9a-f]{8,}$ ]] || die "'${2:-}' is no commit's hash"
	echo $((16#${2:0:8} % ${#SLICES[@]} + 1))
	;;
run)
	[[ ${2:-} =~ ^[0-9]{1,3}$ ]] && ((10#$2 >= 1 && 10#$2 <= ${#SLICES[@]})) ||
		die "SLICE=${2:-} is none: there are 1 to ${#SLICES[@]} (make slices)"
	n=$((10#$2))
	echo "# slice $n of ${#SLICES[@]}: $(line "$n")"
	slice "$n"
	cd "$TOP"
	exec make --no-print-directory SLICE= ALL= FLAVOUR="$flavour" KERNEL="$kernel" DRIVER="$driver" \
		T="$patterns" check
	;;
*) die "usage: slice.sh list | of COMMIT | run NUMBER" ;;
esac
