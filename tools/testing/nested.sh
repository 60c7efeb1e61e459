#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the guest that migrates is made of: the kernel under test once more, the in-tree
# drivers, and work for them. Runs inside the toolchain root.
#
# usage: nested.sh KERNEL_BUILD_DIR
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

BUILD=$1
HERE=$TOP/tools/testing/nested
OUT=$TOP/build/nested
mkdir -p "$OUT/module"
release=$(cat "$BUILD/include/config/kernel.release")
key=$({ cat "$HERE"/* "$0" "$BUILD/Module.symvers"; echo "$BUILD"; } | digest)
[ ! -e "$OUT/.complete-$key" ] || exit 0

say "the guest that migrates: its work"
quietly "$OUT/module.log" make -C "$BUILD" M="$HERE" MO="$OUT/module" ARCH=arm64 LLVM=1 modules
rm -rf "$OUT/tree"
mkdir -p "$OUT"/tree/{bin,lib,proc,sys,dev,sbin,tmp} "$OUT/tree/lib/modules/$release"
cp /usr/bin/busybox "$OUT/tree/bin/"
ln -s busybox "$OUT/tree/bin/sh"
ln -s ../bin/busybox "$OUT/tree/sbin/modprobe"
cp "$HERE/init" "$OUT/tree/init"
lib=$OUT/tree/lib/modules/$release
# All modules but those of VFIO: modprobe takes what it needs.
grep -v -E '/vfio/|iommu|samples|selftest' "$BUILD/modules.order" | while read -r object; do
	cp "$BUILD/${object%.o}.ko" "$lib/"
done
cp "$OUT/module/acc_load.ko" "$lib/"
cp "$BUILD"/modules.builtin{,.modinfo} "$lib/"
: >"$lib/modules.order"
depmod -b "$OUT/tree" "$release"
(cd "$OUT/tree" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$OUT/initrd.gz"
cp "$BUILD/arch/arm64/boot/Image" "$OUT/Image"
rm -f "$OUT"/.complete-*
: >"$OUT/.complete-$key"
