#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the modules against a kernel's build folder, into build/modules/ (build/modules-FLAVOUR/
# where FLAVOUR names one).
#
# usage: modules.sh KDIR [MAKE ARGUMENT…]
set -euo pipefail
. "$(dirname "$0")/env/common.sh"
alone

KDIR=${1:?usage: modules.sh KDIR}
shift
CONFIG=$KDIR/include/config/auto.conf
[ -r "$CONFIG" ] || die "$KDIR is no kernel's build folder: it has no include/config/auto.conf." \
	"Install the kernel's headers, or build it (make modules_prepare is not enough)"

# need OPTION WHY…: the kernel has the option, as y or m.
need() {
	local option=$1
	shift
	grep -qE "^$option=(y|m)" "$CONFIG" || die "this kernel has no $option: $*"
}
need CONFIG_RUST "it was built without Rust, and its headers have no metadata to build against"
need CONFIG_VFIO_PCI_CORE "VFIO for PCI devices is off"
need CONFIG_CRYPTO_DEV_HISI_QM "the drivers of the accelerators' PFs are off"
need CONFIG_CRYPTO_DEV_HISI_ZIP "hisi_acc_link asks each of the three PF drivers"
need CONFIG_CRYPTO_DEV_HISI_SEC2 "hisi_acc_link asks each of the three PF drivers"
need CONFIG_CRYPTO_DEV_HISI_HPRE "hisi_acc_link asks each of the three PF drivers"
need CONFIG_AUXILIARY_BUS "the link to the PF is an auxiliary device"
[ -r "$KDIR/rust/libkernel.rmeta" ] || [ -r "$KDIR/rust/kernel.o" ] ||
	die "$KDIR has CONFIG_RUST but no rust/libkernel.rmeta: these headers leave Rust out." \
		"Build the kernel from its source"
wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$CONFIG")
have=$("${RUSTC:-rustc}" --version 2>/dev/null || echo "no rustc")
[ "$wanted" = "$have" ] || die "this kernel was built with '$wanted', here is '$have':" \
	"Rust's metadata do not cross versions"

arguments=()
if grep -q '^CONFIG_CC_IS_CLANG=y' "$CONFIG"; then arguments+=(LLVM=1); fi
if grep -q '^CONFIG_ARM64=y' "$CONFIG"; then arguments+=(ARCH=arm64); fi
OUT=$TOP/build/modules$SUFFIX
mkdir -p "$OUT"
quietly "$OUT.log" make -C "$KDIR" M="$TOP" MO="$OUT" "${arguments[@]}" -j"$(nproc)" "$@" modules
! grep -E '^(WARNING|warning)' "$OUT.log" | complain || die "the modules build with warnings"
