#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the modules by DKMS, from its package, for the kernel under test; and has it refuse a kernel that
# lacks Rust's metadata. Runs inside the toolchain root, after deb.sh.
#
# usage: test-dkms.sh [KERNEL_BUILD_DIR]     else $ACC_KERNEL
set -uo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/../testing/result.sh"

KERNEL=${1:-${ACC_KERNEL:?usage: test-dkms.sh KERNEL_BUILD_DIR}}
RELEASE=$(cat "$KERNEL/include/config/kernel.release") || exit 1
OUT=$TOP/build/dkms-test

rm -rf "$OUT"
mkdir -p "$OUT"/{tree,unpacked,tmp} "$OUT/install/$RELEASE" "$OUT"/install/7.2.0-no-{rust,metadata}
dpkg-deb -x "$TOP"/build/deb/hisi-acc-vfio-rs-dkms_*.deb "$OUT/unpacked" || exit 1
SOURCE=$(echo "$OUT"/unpacked/usr/src/hisi-acc-vfio-rs-*)
VERSION=${SOURCE##*-}

dkms_() {
	TMPDIR=$OUT/tmp dkms "$@" --dkmstree "$OUT/tree" --sourcetree "$OUT/unpacked/usr/src" \
		--installtree "$OUT/install" -m hisi-acc-vfio-rs -v "$VERSION" 2>&1
}
# for_kernel RELEASE BUILD_DIR: the arguments that name a kernel of another machine.
for_kernel() { echo "-k $1 -a aarch64 --kernelsourcedir $2 --no-depmod"; }

unset FLAVOUR WHY HISI_ACC_ALONE
if said=$(dkms_ add); then result "dkms add"; else result "dkms add" "$said"; fi

# shellcheck disable=SC2046
said=$(dkms_ install $(for_kernel "$RELEASE" "$KERNEL")) || {
	log=$(tail -n 40 "$OUT"/tree/hisi-acc-vfio-rs/*/build/make.log 2>/dev/null)
	result "dkms install" "$said" "$log"
}
for module in vfio_rs hisi_acc_link hisi_acc_vfio_rs; do
	file=$(find "$OUT/install/$RELEASE" -name "$module.ko*" | head -n 1)
	magic=$([ -z "$file" ] || modinfo -F vermagic "$file")
	if [ "${magic%% *}" = "$RELEASE" ]; then
		result "DKMS has built $module for $RELEASE"
	else
		result "DKMS has built $module for $RELEASE" "file '$file', vermagic '$magic'"
	fi
done
if [ -z "$(find "$OUT/install" -name 'vfio_edu_rs.ko*')" ]; then
	result "the sample is not installed"
else
	result "the sample is not installed" "it is"
fi

# refused NAME CONFIG WORDS: DKMS does not build for a kernel with these options and no more, and says so.
refused() {
	local name=$1 config=$2 words=$3 headers=$OUT/headers/$1 said
	mkdir -p "$headers/include/config"
	: >"$headers/Makefile"
	tee "$headers/include/config/auto.conf" >"$headers/.config" <<<"$config"
	# shellcheck disable=SC2046
	if said=$(dkms_ build $(for_kernel "7.2.0-$name" "$headers")); then
		result "DKMS refuses $name" "it builds:" "$said"
		return
	fi
	said+=$(cat "$OUT"/tree/hisi-acc-vfio-rs/*/build/make.log 2>/dev/null)
	if [[ $said == *"$words"* ]]; then
		result "DKMS refuses $name"
	else
		result "DKMS refuses $name" "it does not say '$words':" "$said"
	fi
}
config=$(cat "$KERNEL/include/config/auto.conf")
refused no-metadata "$config" "hisi-acc-vfio-rs: not built for"
refused no-rust "$(grep -v '^CONFIG_RUST=' <<<"$config")" "CONFIG_RUST"

if said=$(dkms_ remove --all); then result "dkms remove"; else result "dkms remove" "$said"; fi
left=$(find "$OUT/install" -name '*.ko*')
if [ -z "$left" ]; then result "nothing is left"; else result "nothing is left" "$left"; fi
finish
