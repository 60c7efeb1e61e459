#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs modules and tool into a folder, signs, refuses, and removes. Runs inside the toolchain root, after
# modules.sh and accvf.sh.
#
# usage: test-install.sh [KERNEL_BUILD_DIR]     else $ACC_KERNEL
set -uo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/../testing/result.sh"

KERNEL=${1:-${ACC_KERNEL:?usage: test-install.sh KERNEL_BUILD_DIR}}
RELEASE=$(cat "$KERNEL/include/config/kernel.release") || exit 1
OUT=$TOP/build/install-test
TO=$OUT/to
UPDATES=$TO/lib/modules/$RELEASE/updates
rm -rf "$OUT"
mkdir -p "$OUT"
unset FLAVOUR WHY

modules() { "$TOP/tools/packaging/modules.sh" "$@"; }

runs "modules are installed" 0 "updates/hisi_acc_vfio_rs.ko" modules install "$KERNEL" "$TO"
found=$(cd "$UPDATES" 2>/dev/null && echo *)
if [ "$found" = "hisi_acc_link.ko hisi_acc_vfio_rs.ko vfio_rs.ko" ]; then
	result "these modules, and no others"
else
	result "these modules, and no others" "$found"
fi
if grep -q '^updates/hisi_acc_vfio_rs.ko:.* updates/vfio_rs.ko' "$TO/lib/modules/$RELEASE/modules.dep"; then
	result "modprobe knows them"
else
	result "modprobe knows them" "$(cat "$TO/lib/modules/$RELEASE/modules.dep")"
fi
runs "the tool is installed" 0 "" "$TOP/tools/packaging/accvf.sh" install "$TO"
for file in usr/bin/accvf usr/share/man/man1/accvf.1 etc/modprobe.d/hisi-acc-vfio-rs.conf; do
	if [ -s "$TO/$file" ]; then result "there is $file"; else result "there is $file" "it is not"; fi
done

# A kernel that checks signatures, with the kernel's own program to sign.
signs=$OUT/signs
mkdir -p "$signs"/{include/config,scripts,certs}
cp "$KERNEL/include/config/kernel.release" "$signs/include/config/"
printf 'CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_FORCE=y\nCONFIG_MODULE_SIG_HASH=sha256\n' \
	>"$signs/include/config/auto.conf"
runs "no key for a kernel that needs one" 1 "MODULE_KEY=" modules install "$signs" "$OUT/unsigned"
left=$(find "$OUT/unsigned" -type f)
if [ -z "$left" ]; then result "then nothing is installed"; else result "then nothing is installed" "$left"; fi
gcc -I"$KERNEL/source/tools/include/uapi" -o "$signs/scripts/sign-file" \
	"$KERNEL/source/scripts/sign-file.c" -lcrypto 2>"$OUT/gcc.log" || result "sign-file" "$(cat "$OUT/gcc.log")"
openssl req -new -nodes -utf8 -sha256 -days 2 -batch -x509 -subj /CN=test -outform DER \
	-out "$OUT/key.x509" -keyout "$OUT/key.pem" 2>"$OUT/openssl.log" ||
	result "a key" "$(cat "$OUT/openssl.log")"
runs "a key that is named" 0 "" env MODULE_KEY="$OUT/key.pem" MODULE_CERT="$OUT/key.x509" \
	"$TOP/tools/packaging/modules.sh" install "$signs" "$OUT/signed"
for module in vfio_rs hisi_acc_link hisi_acc_vfio_rs; do
	file=$OUT/signed/lib/modules/$RELEASE/updates/$module.ko
	signer=$(modinfo -F signer "$file" 2>&1)
	if [ "$signer" = test ]; then result "$module is signed"; else result "$module is signed" "$signer"; fi
done

other=$OUT/other
mkdir -p "$other/include/config"
: >"$other/include/config/auto.conf"
echo 7.2.0-other >"$other/include/config/kernel.release"
runs "modules of another kernel" 1 "was built for $RELEASE, not for 7.2.0-other" \
	modules install "$other" "$OUT/wrong"
runs "no kernel" 1 "is no kernel's build folder" modules install "$OUT" "$TO"

runs "modules are removed" 0 "" modules uninstall "$KERNEL" "$TO"
runs "the tool is removed" 0 "" "$TOP/tools/packaging/accvf.sh" uninstall "$TO"
left=$(find "$TO" -type f ! -path "$TO/lib/modules/$RELEASE/modules.*")
if [ -z "$left" ]; then result "nothing is left"; else result "nothing is left" "$left"; fi
finish
