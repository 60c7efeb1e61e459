#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts tools/kernel/host.config on top of the kernel's defconfig for arm64, and tests that the kernel takes
# each option, and has each one that this project asks for. Builds no kernel. Runs inside the toolchain root.
#
# usage: test-host.sh [KERNEL_BUILD_DIR]     else $ACC_KERNEL
set -uo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/../testing/result.sh"

KERNEL=${1:-${ACC_KERNEL:?usage: test-host.sh KERNEL_BUILD_DIR}}
SRC=$(readlink -f "$KERNEL/source")
OUT=$TOP/build/host-kernel
CONFIG=$OUT/.config
FRAGMENT=$TOP/tools/kernel/host.config
rm -rf "$OUT"
mkdir -p "$OUT"

kmake() { make -s -C "$SRC" O="$OUT" ARCH=arm64 LLVM=1 "$@"; }
runs "defconfig" 0 "" kmake defconfig
# As the documentation says.
runs "the options are merged" 0 "" env KCONFIG_CONFIG="$CONFIG" \
	"$SRC/scripts/kconfig/merge_config.sh" -m -O "$OUT" "$CONFIG" "$FRAGMENT"
runs "olddefconfig" 0 "" kmake olddefconfig

wanted=$(grep -E '^CONFIG_' "$FRAGMENT")
# An option that a module can be may be built in: another one may ask for that.
missing=$(while IFS='=' read -r option value; do
	case $value in
	m) grep -qxE "$option=(y|m)" "$CONFIG" ;;
	*) grep -qx "$option=$value" "$CONFIG" ;;
	esac || echo "$option=$value"
done <<<"$wanted")
result "the kernel takes each option" ${missing:+"$missing"}

# asked FILE OPTION…: the kernel has what this file asks for.
asked() {
	local file=$1 option missing=
	shift
	[ $# != 0 ] || missing="it asks for nothing: has its form changed?"
	for option in "$@"; do
		grep -qE "^$option=(y|m)" "$CONFIG" || missing+=" $option"
	done
	result "all that $file asks for" ${missing:+"missing:$missing"}
}
# options FILE [PATTERN]: the options that its lines with the pattern name.
options() { grep -hE -- "${2:-}" "$TOP/$1" | grep -oE 'CONFIG_[A-Z0-9_]+' | sort -u; }

# shellcheck disable=SC2046
{
	asked tools/modules.sh $(options tools/modules.sh '^need CONFIG_')
	asked Kconfig $(grep -oE 'CRYPTO_DEV_HISI_[A-Z0-9]+' "$TOP/Kconfig" | sed 's/^/CONFIG_/' | sort -u)
	asked dkms.conf $(options dkms.conf BUILD_EXCLUSIVE_CONFIG)
	asked "accvf why" $(options tools/accvf/src/why.rs '&\["CONFIG_')
	asked README.md $(options README.md '^\| kernel')
	asked "admin-guide/install.rst" $(sed -n '/^Kernel$/,/^Pages$/p' \
		"$TOP/Documentation/admin-guide/install.rst" | grep -oE 'CONFIG_[A-Z0-9_]+' | sort -u)
	asked tools/testing/selftests/config $(options tools/testing/selftests/config '^CONFIG_')
}
finish
