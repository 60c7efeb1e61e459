#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the root of the guests in which QEMU runs as a client of the driver: Debian's own arm64
# QEMU, unmodified, in a folder of the cache, and prints its path. Runs on the bare machine, as
# root.sh does.
#
# usage: nested.sh
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

SUITE=trixie
PACKAGES=(qemu-system-arm busybox-static)
KEY=$({ cat "$0" "$(dirname "$0")/apt.sh"; } | digest)
ROOT=$CACHE/nested-$KEY
APT=$CACHE/apt-nested

first nested "$ROOT"

say "QEMU for the guests (Debian $SUITE, arm64): half a minute, once"
rm -rf "$ROOT"
mkdir -p "$ROOT"
apt_setup arm64
apt_fetch "QEMU for the guests" "${PACKAGES[@]}"
apt_unpack "$ROOT"
rm -rf "$APT/archives"
mkdir -p "$ROOT"/{proc,sys,dev,run,tmp,etc,work}
: >"$ROOT/.complete"
say "guests' QEMU is ready: $(du -sh "$ROOT" | cut -f1)"
echo "$ROOT"
