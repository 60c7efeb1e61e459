#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel of the flavour that FLAVOUR names (tools/kernel/flavours; none is `plain`), and
# prints its build folder. Runs inside the toolchain root.
#
# usage: flavour.sh
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

HERE=$TOP/tools/kernel
row=$(awk -v name="${FLAVOUR:-plain}" '$1 == "flavour" && $2 == name' "$HERE/flavours")
[ -n "$row" ] || die "FLAVOUR=$FLAVOUR is not known: there are" \
	"$(awk '$1 == "flavour" { printf "%s ", $2 }' "$HERE/flavours")(tools/kernel/flavours)"
read -r _ _ _ fragments <<<"$row"
# shellcheck disable=SC2086
exec "$HERE/build.sh" $fragments
