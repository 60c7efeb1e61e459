#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetches Debian's own configuration of the kernel that KERNEL names for arm64, or of the toolchain root's
# kernel, and prints the file in the cache. Runs on the bare machine, as root.sh does.
#
# usage: kernel-config.sh
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

ROOT=$("$(dirname "$0")/root.sh")
# shellcheck source=/dev/null
. "$ROOT/.versions"
SUITE=${suite:?}
APT=$CACHE/apt-config
[ -z "${KERNEL:-}" ] || KERNEL=$("$(dirname "$0")/kernel.sh" "$ROOT")
VERSION=${KERNEL:-${kernel_source#linux-source-}}
OUT=$CACHE/config-$VERSION

[ -e "$OUT/config" ] || locked "config-$VERSION"
if [ ! -e "$OUT/config" ]; then
	say "fetching Debian's configuration of Linux $VERSION for arm64"
	rm -rf "$OUT"
	mkdir -p "$OUT/deb"
	apt_setup arm64
	(cd "$OUT/deb" && quietly "$APT/config.log" apt-get -q download "linux-config-$VERSION")
	dpkg-deb --fsys-tarfile "$OUT"/deb/*.deb | tar -xO "./usr/src/linux-config-$VERSION/config.arm64_none_arm64.xz" |
		xz -dc >"$OUT/config.new"
	rm -rf "$OUT/deb"
	mv "$OUT/config.new" "$OUT/config"
fi
echo "$OUT/config"
