#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the guest that migrates is made of: a kernel, the drivers of the accelerators, and work for
# them. The kernel is the one under test once more, with its drivers, or an older one of Debian, with the
# drivers of Debian's source. Runs inside the toolchain root.
#
# usage: nested.sh KERNEL_BUILD_DIR
#        nested.sh GUEST                (a folder that tools/env/guest.sh has made)
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

FROM=$1
HERE=$TOP/tools/testing/nested
OUT=$TOP/build/nested
if [ -e "$FROM/release" ]; then
	release=$(cat "$FROM/release")
	linux=$(cut -d. -f1,2 <<<"$release")
	OUT+=/$linux
	text="the guest with Linux $linux: its drivers and its work"
	kernel=$FROM/headers/build
	image=$FROM/Image
	# Debian's choice of a compiler is of another machine.
	flags=(CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc)
else
	release=$(cat "$FROM/include/config/kernel.release")
	text="the guest that migrates: its work"
	kernel=$FROM
	image=$FROM/arch/arm64/boot/Image
	flags=(LLVM=1)
fi
key=$({ cat "$HERE"/* "$0" "$kernel/Module.symvers"; echo "$FROM"; } | digest)
[ ! -e "$OUT/.complete-$key" ] || exit 0

say "$text"
TREE=$OUT/tree
LIB=$TREE/lib/modules/$release
rm -rf "$OUT"/{module,drivers,tree} "$OUT"/.complete-*
mkdir -p "$OUT"/{module,drivers} "$TREE"/{bin,lib,proc,sys,dev,sbin,tmp} "$LIB"

# build FOLDER [OPTION…]: the modules whose source is there.
build() {
	# A kernel that was built under another path takes its own folder for MO, unless it is told.
	quietly "$OUT/$1.log" make -C "$kernel" M="$OUT/$1" MO="$OUT/$1" ARCH=arm64 "${flags[@]}" "${@:2}" modules
}
# Not every kernel can build outside of the source's folder.
cp "$HERE"/{Kbuild,*.[ch]} "$OUT/module/"
build module
cp "$OUT/module/acc_load.ko" "$LIB/"

index() { depmod -b "$TREE" "$release"; }
if [ "$kernel" = "$FROM" ]; then
	# All modules but those of VFIO: modprobe takes what it needs.
	grep -v -E '/vfio/|iommu|samples|selftest' "$FROM/modules.order" | while read -r object; do
		cp "$FROM/${object%.o}.ko" "$LIB/"
	done
	cp "$FROM"/modules.builtin{,.modinfo} "$LIB/"
	: >"$LIB/modules.order"
	index
else
	cp -r "$FROM/hisilicon/." "$OUT/drivers/"
	build drivers CONFIG_CRYPTO_DEV_HISI_{QM,ZIP,SEC2,HPRE}=m
	find "$OUT/drivers" -name 'hisi_*.ko' -exec cp {} "$LIB/" \;
	cp -r "$FROM/modules/." "$LIB/"
	find "$LIB" -name '*.ko.xz' -exec unxz {} +
	: >"$LIB/modules.order"
	index
	# Only what these need, and what the kernel itself does the same jobs with.
	wanted=$(modprobe -d "$TREE" -S "$release" -a --show-depends hisi_zip hisi_sec2 hisi_hpre acc_load \
		ecdh_generic | awk '$1 == "insmod" { print $2 }' | xargs realpath | sort -u)
	find "$LIB" -name '*.ko' | sort | grep -vxF "$wanted" | xargs -r rm
	find "$LIB" -name '*.ko' -exec aarch64-linux-gnu-strip -g {} +
	index
fi
cp /usr/bin/busybox "$TREE/bin/"
ln -s busybox "$TREE/bin/sh"
ln -s ../bin/busybox "$TREE/sbin/modprobe"
cp "$HERE/init" "$TREE/init"
(cd "$TREE" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1) >"$OUT/initrd.gz"
cp "$image" "$OUT/Image"
: >"$OUT/.complete-$key"
