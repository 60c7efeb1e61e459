#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests what .ci/run makes of the results of its parts, in a tree of its own, where `make` says what each
# test wants it to.
#
# usage: test.sh
set -uo pipefail
. "$(dirname "$0")/../../env/common.sh"

TREE=$TOP/build/ci-test
failed=0

rm -rf "$TREE"
mkdir -p "$TREE"/{.ci,tools/kernel,tools/env,bin}
cp "$TOP/.ci/run" "$TREE/.ci/"
cp "$TOP"/tools/kernel/{slice.sh,flavours} "$TREE/tools/kernel/"
cp "$TOP/tools/env/common.sh" "$TREE/tools/env/"
cat >"$TREE/bin/make" <<'END'
#!/usr/bin/env bash
case "$*" in
"check SLICE="[0-9]*) eval "$AS_SLICE" ;;
"mutants N=10" | check*) printf '1..1\nok 1 - a\n1 passed, 0 failed\n' ;;
*) exit 2 ;;
esac
END
# Each commit has a slice.
cat >"$TREE/bin/git" <<'END'
#!/bin/sh
echo 000000070123456789abcdef
END
chmod +x "$TREE"/bin/*

# says NAME LAST STATUS WORDS SLICE [MINUTES]: what .ci/run comes to where the slice is this script, and the
# mutants take so many minutes.
says() {
	local name=$1 last=$2 status=$3 words=$4 got=0 said
	said=$(AS_SLICE=$5 CI_MINUTES=0 CI_MUTANTS=${6:--1} PATH="$TREE/bin:$PATH" "$TREE/.ci/run" 2>&1) || got=$?
	if [ $got = "$status" ] && [ "$(tail -n 1 <<<"$said")" = "$last" ] && [[ $said == *"$words"* ]]; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		printf '%s\n' "status $got, not $status, or the last line is not '$last', or no '$words':" "$said" |
			sed 's/^/  /'
		failed=1
	fi
}

slices=$(grep -c '^slice ' "$TOP/tools/kernel/flavours")
turn=$((7 % slices + 1))
says "all is well" "5 passed, 0 failed" 0 "the slice of this commit is $turn: make check SLICE=$turn" \
	'printf "1..2\nok 1 - x\nok 2 - y\n2 passed, 0 failed\n"'
says "a case of the slice fails" "4 passed, 1 failed" 1 "" \
	'printf "1..2\nok 1 - x\nnot ok 2 - y\n1 passed, 1 failed\n"; exit 2'
says "time is lacking" "5 passed, 0 failed" 0 "CUT OFF" \
	'printf "1..9\nok 1 - x\nok 2 - y\n"; exec sleep 60'
says "cut off, and something had failed" "4 passed, 1 failed" 1 "CUT OFF" \
	'printf "1..9\nok 1 - x\nnot ok 2 - y\n"; exec sleep 60'
says "cut off without a result" "3 passed, 1 failed" 1 "CUT OFF" 'exec sleep 60'
says "cut off while its kernel is built" "3 passed, 0 failed" 0 "CUT OFF" \
	'echo "   kernel: 60 s, 100 lines of log"; echo "   kernel: 120 s, 170 lines of log"; exec sleep 60'
says "cut off while nothing is built" "3 passed, 1 failed" 1 "CUT OFF" \
	'echo "   kernel: 60 s, 170 lines of log"; echo "   kernel: 120 s, 170 lines of log"; exec sleep 60'
says "no time for mutants" "4 passed, 0 failed" 0 "NO TIME" \
	'printf "1..2\nok 1 - x\nok 2 - y\n2 passed, 0 failed\n"' 1
says "it ends without a count" "3 passed, 1 failed" 1 "" 'echo "error: no such thing"; exit 2'
says "it fails, whatever it counts" "5 passed, 1 failed" 1 "" \
	'printf "1..2\nok 1 - x\nok 2 - y\n2 passed, 0 failed\n"; exit 2'
exit $failed
