#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the modules against a kernel's build folder, into build/modules/ (build/modules-FLAVOUR/,
# build/modules-VERSION/ where FLAVOUR or KERNEL names one).
#
# usage: modules.sh [--check] KDIR [MAKE ARGUMENT…]     (--check: builds nothing, says what is missing)
set -euo pipefail
. "$(dirname "$0")/env/common.sh"
alone

CHECK=
if [ "${1:-}" = --check ]; then
	CHECK=1
	shift
fi
KDIR=${1:?usage: modules.sh [--check] KDIR}
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
for option in $(grep -oE 'CRYPTO_DEV_HISI_[A-Z0-9]+' "$TOP/Kconfig" | sort -u); do
	need "CONFIG_$option" "hisi_acc_link asks the driver of each PF"
done
need CONFIG_AUXILIARY_BUS "the link to the PF is an auxiliary device"
missing=()
for file in lib{core,ffi,bindings,uapi,build_error,pin_init,kernel}.rmeta \
	lib{macros,pin_init_internal}.so; do
	[ -r "$KDIR/rust/$file" ] || missing+=("rust/$file")
done
if grep -q '^CONFIG_RUST_INLINE_HELPERS=y' "$CONFIG"; then
	[ -r "$KDIR/rust/helpers/helpers_module.bc" ] || missing+=(rust/helpers/helpers_module.bc)
fi
[ ${#missing[@]} = 0 ] ||
	die "$KDIR has CONFIG_RUST, but these headers leave Rust out: no ${missing[*]}." \
		"Build the kernel from its source"
wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$CONFIG")
have=$("${RUSTC:-rustc}" --version 2>/dev/null || echo "no rustc")
[ "$wanted" = "$have" ] || die "this kernel was built with '$wanted', here is '$have':" \
	"Rust's metadata do not cross versions"

arguments=()
if grep -q '^CONFIG_CC_IS_CLANG=y' "$CONFIG"; then arguments+=(LLVM=1); fi
if grep -q '^CONFIG_ARM64=y' "$CONFIG"; then arguments+=(ARCH=arm64); fi
arguments+=("$@")

# argument NAME: what the variable NAME of make is, where an argument sets it.
argument() {
	local each value=
	for each in "${arguments[@]}"; do
		[ "${each%%=*}" != "$1" ] || value=${each#*=}
	done
	printf '%s' "$value"
}

# tool NAME WHY…: the program is there.
tool() {
	local name=$1
	shift
	command -v "$name" >/dev/null || die "'$name' is missing: $*"
}
llvm=$(argument LLVM)
if [ -n "$llvm" ]; then
	prefix='' suffix=''
	case $llvm in
	*/) prefix=$llvm ;;
	-*) suffix=$llvm ;;
	esac
	for name in clang ld.lld llvm-nm llvm-objcopy; do
		tool "$prefix$name$suffix" "this kernel was built by clang (packages clang, lld, llvm)"
	done
else
	cross=$(argument CROSS_COMPILE)
	cross=${cross:-${CROSS_COMPILE:-}}
	for name in gcc ld nm objcopy; do
		tool "$cross$name" "this kernel was built by gcc${cross:+, and CROSS_COMPILE is '$cross'}"
	done
fi
if grep -q '^CONFIG_RUST_INLINE_HELPERS=y' "$CONFIG"; then
	tool "${LLVM_LINK:-${prefix:-}llvm-link${suffix:-}}" \
		"this kernel has CONFIG_RUST_INLINE_HELPERS (package llvm)"
fi
BINDGEN=$(argument BINDGEN)
BINDGEN=${BINDGEN:-bindgen}
tool "$BINDGEN" "it makes Rust of the kernel's headers (package bindgen, or cargo install bindgen-cli)"

OUT=$TOP/build/modules$SUFFIX
mkdir -p "$OUT"
# bindgen loads libclang when it reads its first header.
echo 'int probe;' >"$OUT.probe.h"
"$BINDGEN" "$OUT.probe.h" >"$OUT.probe.log" 2>&1 || {
	tail -n 5 "$OUT.probe.log" | complain
	die "'$BINDGEN' does not work: it needs libclang (package libclang-dev, or LIBCLANG_PATH)"
}
rm -f "$OUT.probe.h" "$OUT.probe.log"
[ -z "$CHECK" ] || exit 0

quietly "$OUT.log" make -C "$KDIR" M="$TOP" MO="$OUT" -j"$(nproc)" "${arguments[@]}" modules
# A warning of what is compiled here ends the build, one of kbuild's is said.
rm -f "$OUT.others"
modules=$(sed -n 's/^obj-m := //p' "$TOP/Kbuild" | sed 's/\.o\b//g')
awk -v top="$TOP" -v modules="$modules" -v others="$OUT.others" -f "$TOP/tools/warnings.awk" \
	"$OUT.log" >"$OUT.warnings"
if [ -s "$OUT.others" ]; then
	say "kbuild warns, not of these modules:"
	sed 's/^/   /' "$OUT.others" >&2
fi
if [ -s "$OUT.warnings" ]; then
	complain <"$OUT.warnings"
	die "the modules build with warnings"
fi
