#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetches the source of the kernel that KERNEL names, unless it is the one that the toolchain root has,
# into a folder of the cache, and prints its version, `7.3`. Prints nothing for the root's own kernel.
# KERNEL=newest is the newest that the suite has. Runs on the bare machine, as root.sh does.
#
# usage: kernel.sh ROOT
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

ROOT=${1:?usage: kernel.sh ROOT}
# shellcheck source=/dev/null
. "$ROOT/.versions"
SUITE=${suite:?}
APT=$CACHE/apt-kernel

[[ ${KERNEL:-} =~ ^([7-9]\.[0-9]{1,2}|newest)$ ]] ||
	die "KERNEL=${KERNEL:-} is no kernel: it is a version such as 7.3, or 'newest'"
asked=
setup() {
	[ -n "$asked" ] || apt_setup "$(dpkg --print-architecture)"
	asked=1
}
if [ "$KERNEL" = newest ]; then
	locked kernel-source
	setup
	KERNEL=$(apt-cache pkgnames linux-source- | sed -nE 's/^linux-source-([7-9]\.[0-9]+)$/\1/p' |
		sort -V | tail -n 1)
	[ -n "$KERNEL" ] || die "no linux-source-7.x in $SUITE-backports on this mirror"
fi
[ "linux-source-$KERNEL" != "${kernel_source:?}" ] || exit 0

# tools/kernel/build.sh reads it there.
OUT=$CACHE/source-$KERNEL
if [ ! -e "$OUT/.versions" ]; then
	locked kernel-source
fi
if [ ! -e "$OUT/.versions" ]; then
	setup
	apt-cache show "linux-source-$KERNEL" >/dev/null 2>&1 ||
		die "no linux-source-$KERNEL in $SUITE or its backports; there are:" \
			"$(apt-cache pkgnames linux-source- | grep -E '^linux-source-[0-9.]+$' | sort -V | xargs)"
	say "downloading the source of Linux $KERNEL"
	rm -rf "$OUT"
	mkdir -p "$OUT/deb"
	(cd "$OUT/deb" && quietly "$APT/kernel.log" apt-get -q download "linux-source-$KERNEL")
	deb=$(ls "$OUT"/deb/*.deb)
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$OUT" --no-same-owner --strip-components=3 \
		"./usr/src/linux-source-$KERNEL.tar.xz"
	{
		echo "kernel_source=linux-source-$KERNEL"
		echo "kernel_version=$(dpkg-deb -f "$deb" Version)"
	} >"$OUT/versions"
	rm -rf "$OUT/deb"
	mv "$OUT/versions" "$OUT/.versions"
fi
echo "$KERNEL"
