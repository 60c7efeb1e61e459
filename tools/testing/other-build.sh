#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds vfio_rs and hisi_acc_link once more, from a copy of the sources in which a struct of each has a field
# more: modules of another build, for the case install.mixed. Prints their folder. Runs inside the toolchain
# root.
#
# usage: other-build.sh KERNEL_BUILD_DIR
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
alone

BUILD=${1:?usage: other-build.sh KERNEL_BUILD_DIR}
OUT=$TOP/build/other-build$SUFFIX
TREE=$OUT/tree
SOURCES=(Kbuild Kconfig drivers rust tools/modules.sh tools/warnings.awk tools/bindgen.mk tools/env/common.sh)

cd "$TOP"
key=$({ echo "$BUILD"; find "${SOURCES[@]}" "$0" -type f -print0 | sort -z | xargs -0 sha256sum; } | digest)
if [ "$(cat "$OUT/.key" 2>/dev/null)" != "$key" ]; then
	rm -rf "$OUT"
	mkdir -p "$TREE"
	cp -a --parents "${SOURCES[@]}" "$TREE"
	# field FILE STRUCT VALUE: a field more at the beginning of the struct, and in the value that is made of it.
	field() {
		local file=$TREE/$1
		sed -i -e "0,/^$2 {\$/s//&\n    _of_the_other_build: u64,/" -e "0,/$3 {\$/s//&\n _of_the_other_build: 0,/" \
			"$file"
		[ "$(grep -c _of_the_other_build "$file")" = 2 ] || die "$1 has no '$2 {' or no '$3 {' any more"
	}
	field rust/vfio/dirty/tracker.rs 'pub(crate) struct Tracker' 'pin_init!(Self'
	field drivers/link/pf.rs 'struct Bound' 'Some(Bound'
	sed -i 's/^obj-m := .*/obj-m := vfio_rs.o hisi_acc_link.o/' "$TREE/Kbuild"
	say "vfio_rs and hisi_acc_link of another build"
	FLAVOUR='' KERNEL='' "$TREE/tools/modules.sh" "$BUILD" >"$OUT/log" 2>&1 || {
		complain <"$OUT/log"
		exit 1
	}
	mv "$TREE"/build/modules/{vfio_rs,hisi_acc_link}.ko "$OUT"
	rm -rf "$TREE"
	echo "$key" >"$OUT/.key"
fi
echo "$OUT"
