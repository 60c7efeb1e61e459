# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The source of the kernel that KERNEL names (tools/env/kernel.sh), else of the toolchain root's own:
# $kernel_source, $kernel_version, and $SRC, where `unpacked` puts it. For scripts inside that root.

CACHE=$HISI_ACC_CACHE
SOURCE=/usr/src VERSIONS=/.versions
# shellcheck source=/dev/null
. "$VERSIONS" 2>/dev/null || die "run this by tools/env/enter.sh"
if [ -n "${KERNEL:-}" ]; then
	SOURCE=$CACHE/source-$KERNEL VERSIONS=$SOURCE/.versions
	# shellcheck source=/dev/null
	. "$VERSIONS" 2>/dev/null || die "the source of Linux $KERNEL is not here: run this by tools/env/enter.sh"
fi
SRC=$CACHE/src/linux-${kernel_version:?}

# unpacked: the source is in $SRC.
unpacked() {
	[ ! -e "$SRC/.complete" ] || return 0
	say "unpacking ${kernel_source:?} $kernel_version"
	rm -rf "$SRC"
	mkdir -p "$SRC"
	tar -xf "$SOURCE/$kernel_source.tar.xz" -C "$SRC" --strip-components=1
	: >"$SRC/.complete"
}
