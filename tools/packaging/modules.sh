#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the modules that `make modules` has built, or removes them.
#
# usage: modules.sh install|uninstall KDIR [ROOT]
#
# ROOT is in front of /lib/modules (INSTALL_MOD_PATH). MODULE_KEY and MODULE_CERT name a key to sign with;
# else it is that of the kernel's build folder, if there is one.
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

COMMAND=${1:-}
KDIR=${2:?usage: modules.sh install|uninstall KDIR [ROOT]}
ROOT=${3:-}
# Without the sample.
MODULES=(vfio_rs hisi_acc_link hisi_acc_vfio_rs)
BUILT=$TOP/build/modules$SUFFIX
CONFIG=$KDIR/include/config/auto.conf
[ -r "$KDIR/include/config/kernel.release" ] ||
	die "$KDIR is no kernel's build folder: it has no include/config/kernel.release"
RELEASE=$(cat "$KDIR/include/config/kernel.release")
FOLDER=$ROOT/lib/modules/$RELEASE/updates
export PATH=$PATH:/usr/sbin:/sbin
for tool in modinfo depmod; do
	command -v $tool >/dev/null || die "'$tool' is missing: install kmod"
done

# index: modprobe finds what is there.
index() {
	depmod ${ROOT:+-b "$ROOT"} "$RELEASE" || die "depmod failed for $RELEASE"
}

# sign MODULE: with the key, if the kernel checks signatures.
sign() {
	local key=${MODULE_KEY:-$KDIR/certs/signing_key.pem} cert=${MODULE_CERT:-$KDIR/certs/signing_key.x509} hash
	grep -q '^CONFIG_MODULE_SIG=y' "$CONFIG" || return 0
	# Kernels write strings there without quotes, older ones with them.
	hash=$(sed -n 's/^CONFIG_MODULE_SIG_HASH=//p' "$CONFIG" | tr -d '"')
	if [ -r "$key" ] && [ -r "$cert" ]; then
		"$KDIR/scripts/sign-file" "$hash" "$key" "$cert" "$1" || die "signing of $1 failed"
	elif grep -q '^CONFIG_MODULE_SIG_FORCE=y' "$CONFIG"; then
		die "$RELEASE loads signed modules only: give MODULE_KEY= and MODULE_CERT= of a key that it trusts"
	else
		say "$(basename "$1") is not signed: $RELEASE may refuse it (Secure Boot). MODULE_KEY= and" \
			"MODULE_CERT= name a key"
	fi
}

case $COMMAND in
install)
	for module in "${MODULES[@]}"; do
		[ -r "$BUILT/$module.ko" ] || die "$BUILT/$module.ko is missing: make modules KDIR=$KDIR"
		magic=$(modinfo -F vermagic "$BUILT/$module.ko")
		[ "${magic%% *}" = "$RELEASE" ] ||
			die "$module.ko was built for ${magic%% *}, not for $RELEASE: make modules KDIR=$KDIR"
	done
	trap 'rm -f "$FOLDER"/.[a-z]*' EXIT
	mkdir -p "$FOLDER" || die "cannot write to $FOLDER: run it as root, or give INSTALL_MOD_PATH="
	for module in "${MODULES[@]}"; do
		# Under another name until it is whole: modprobe may run meanwhile.
		cp "$BUILT/$module.ko" "$FOLDER/.$module"
		chmod 644 "$FOLDER/.$module"
		sign "$FOLDER/.$module"
		mv "$FOLDER/.$module" "$FOLDER/$module.ko"
	done
	index
	printf '%s\n' "${MODULES[@]/#/$FOLDER/}" | sed 's/$/.ko/'
	;;
uninstall)
	for module in "${MODULES[@]}"; do rm -f "$FOLDER/$module.ko"; done
	rmdir "$FOLDER" 2>/dev/null || :
	[ ! -d "$ROOT/lib/modules/$RELEASE" ] || index
	;;
*) die "usage: modules.sh install|uninstall KDIR [ROOT]" ;;
esac
