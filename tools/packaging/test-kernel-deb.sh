#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Packs the kernel under test as `make kernel-deb` packs one for a host, and tests what the packages have: the
# kernel with all its modules, and headers against which the modules of this project build. Runs inside the
# toolchain root.
#
# usage: test-kernel-deb.sh [KERNEL_BUILD_DIR]     else $ACC_KERNEL
set -uo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/../testing/result.sh"

KERNEL=${1:-${ACC_KERNEL:?usage: test-kernel-deb.sh KERNEL_BUILD_DIR}}
RELEASE=$(cat "$KERNEL/include/config/kernel.release")
OUT=$TOP/build/kernel-deb
ROOT=$TOP/build/kernel-deb-test
rm -rf "$ROOT"
mkdir -p "$ROOT"

runs "the kernel is packed" 0 "linux-headers-$RELEASE" "$TOP/tools/packaging/kernel-deb.sh" "$KERNEL"
for package in image headers; do
	runs "linux-$package is unpacked" 0 "" dpkg-deb -x "$(ls "$OUT/linux-$package-$RELEASE"_*.deb)" "$ROOT"
done
ln -s usr/lib "$ROOT/lib"

runs "the image is the kernel" 0 "" cmp "$ROOT/boot/vmlinuz-$RELEASE" "$KERNEL/arch/arm64/boot/Image"
missing=$(sed 's/\.o$/.ko/' "$KERNEL/modules.order" | while read -r module; do
	[ -e "$ROOT/lib/modules/$RELEASE/kernel/$module" ] || echo "$module"
done)
result "each module is there" ${missing:+"$missing"}
# depmod warns of symbols that nobody has.
runs "depmod finds all symbols" 0 "" depmod -b "$ROOT" -E "$KERNEL/Module.symvers" "$RELEASE"

headers=$ROOT/usr/src/linux-headers-$RELEASE
link=$(readlink "$ROOT/lib/modules/$RELEASE/build")
[ "$link" != "/usr/src/linux-headers-$RELEASE" ] || link=
result "modules find the headers" ${link:+"they find $link"}
for script in preinst postinst prerm postrm; do
	runs "$script is a script" 0 "" sh -n <(dpkg-deb --ctrl-tarfile "$OUT/linux-image-$RELEASE"_*.deb |
		tar -xO "./$script")
done
runs "the modules build against them" 0 "" env FLAVOUR=headers KERNEL= "$TOP/tools/modules.sh" "$headers"
modules=0
for module in "$TOP"/build/modules-headers/*.ko; do
	modules=$((modules + 1))
	magic=$(modinfo -F vermagic "$module")
	[ "${magic%% *}" = "$RELEASE" ] || result "$(basename "$module") is for $RELEASE" "it is for '$magic'"
done
few=
[ $modules -ge 4 ] || few="there are $modules"
result "there are modules" ${few:+"$few"}
# A kernel that is not built, and no kernel.
runs "a folder that is no kernel is refused" 1 "the kernel is not built" "$TOP/tools/packaging/kernel-deb.sh" "$ROOT"
finish
