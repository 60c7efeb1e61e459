#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel of the flavour that FLAVOUR names, and prints its build folder: none is
# tools/kernel/config alone, `debug` has debug.config on top. Runs inside the toolchain root.
#
# usage: flavour.sh
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

HERE=$TOP/tools/kernel
case ${FLAVOUR:-} in
'') exec "$HERE/build.sh" ;;
*[!a-z0-9_]*) die "FLAVOUR=$FLAVOUR is no name" ;;
esac
[ -r "$HERE/$FLAVOUR.config" ] || die "FLAVOUR=$FLAVOUR is not known: there are" \
	"$(cd "$HERE" && printf '%s ' *.config | sed 's/\.config//g')"
exec "$HERE/build.sh" "$FLAVOUR.config"
