#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make mutants: small defects, which the tests have to see. Those of drivers/hw by cargo-mutants
# (hw.sh), those of the modules by the lists beside this (NAME.toml) and the harness. Runs inside the
# toolchain root.
#
# usage: run.sh [PATTERN [COUNT]]     COUNT of the modules', chosen by the commit's hash
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
alone

PATTERN=${1:-*}
COUNT=${2:-}
failed=0
if [ "$PATTERN" = hw ] || { [ "$PATTERN" = '*' ] && [ -z "$COUNT" ]; }; then
	"$TOP/tools/mutants/hw.sh" || failed=1
	[ "$PATTERN" != hw ] || exit $failed
fi
git() { command git -c safe.directory="$TOP" -C "$TOP" "$@"; }
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo -)
seed=$commit
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || commit=$commit+
arguments=(--commit "$commit" --seed "$seed")
[ -z "$COUNT" ] || arguments+=(--count "$COUNT")
"$TOP/tools/acc.sh" mutants "${arguments[@]}" "$PATTERN" || failed=1
exit $failed
