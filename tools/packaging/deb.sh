#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes Debian packages in build/deb/, from what `make modules` and `make accvf` have built: accvf,
# hisi-acc-vfio-rs-dkms, and the modules for one kernel. Runs inside the toolchain root.
#
# usage: deb.sh KDIR
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/package.sh"
alone

KDIR=${1:?usage: deb.sh KDIR}
RELEASE=$(cat "$KDIR/include/config/kernel.release")
NAME=hisi-acc-vfio-rs
VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$TOP/tools/Cargo.toml" | head -n 1)
OUT=$TOP/build/deb$SUFFIX
STAGE=$OUT/stage
# What DKMS needs to build the modules.
SOURCES=(Kbuild Kconfig COPYING dkms.conf rust drivers samples tools/packaging/dkms-check.sh
	tools/modules.sh tools/warnings.awk tools/bindgen.mk tools/env/common.sh)

git_() { git -c safe.directory="$TOP" -C "$TOP" "$@"; }
# An unpacked archive has no history.
SOURCE_DATE_EPOCH=$(git_ log -1 --format=%ct 2>/dev/null || stat -c %Y "$TOP/CHANGELOG.md")
export SOURCE_DATE_EPOCH

# tracked PATH…: the files there that belong to the project.
tracked() {
	git_ ls-files "$@" 2>/dev/null || (cd "$TOP" && find "$@" -type f)
}

# Packages of the same content stay as they are.
KEY=$({
	echo "$RELEASE $VERSION $SOURCE_DATE_EPOCH"
	tracked "${SOURCES[@]}" tools/packaging | (cd "$TOP" && xargs sha256sum)
	find "$TOP/build/accvf" "$TOP/build/modules$SUFFIX" -maxdepth 2 \( -name '*.ko' -o -path '*/accvf/*' \) \
		-type f -exec sha256sum {} + | sort
} | digest)
if [ "$(cat "$OUT/.key" 2>/dev/null)" = "$KEY" ]; then
	ls "$OUT"/*.deb
	exit 0
fi
rm -rf "$OUT"
mkdir -p "$STAGE"

"$TOP/tools/packaging/accvf.sh" install "$STAGE/accvf"
control accvf arm64 '' 'VFs of HiSilicon accelerators: list, bind, explain, decode streams' <<-TEXT
accvf lists PFs and VFs, shows why a VF does not migrate, creates and binds
VFs, and decodes and compares migration streams.
TEXT
echo /etc/modprobe.d/hisi-acc-vfio-rs.conf >"$STAGE/accvf/DEBIAN/conffiles"
gzip -9n "$STAGE"/accvf/usr/share/man/man1/*.1
pack accvf

modules=$NAME-modules-$RELEASE
"$TOP/tools/packaging/modules.sh" install "$KDIR" "$STAGE/$modules" >"$OUT/modules.log" 2>&1 || {
	complain <"$OUT/modules.log"
	exit 1
}
# The folder where Debian has it. depmod runs when the package is installed.
find "$STAGE/$modules/lib/modules/$RELEASE" -maxdepth 1 -type f -delete
mkdir -p "$STAGE/$modules/usr"
mv "$STAGE/$modules/lib" "$STAGE/$modules/usr/"
control "$modules" arm64 kmod "vfio-pci driver for VFs of HiSilicon accelerators, $RELEASE" <<-TEXT
Live migration of guests with VFs of ZIP, SEC2 and HPRE. These are the
modules for Linux $RELEASE only.
TEXT
script "$modules" postinst <<-TEXT
[ "\$1" != configure ] || depmod $RELEASE
TEXT
script "$modules" postrm <<-TEXT
[ ! -d /lib/modules/$RELEASE ] || depmod $RELEASE
TEXT
pack "$modules"

dkms=$NAME-dkms
source=$STAGE/$dkms/usr/src/$NAME-$VERSION
mkdir -p "$source"
tracked "${SOURCES[@]}" | tar -C "$TOP" -cf - -T - | tar -C "$source" -xf - --no-same-owner
control "$dkms" all 'dkms, bindgen, clang, lld, llvm, make, rustc' \
	'vfio-pci driver for VFs of HiSilicon accelerators, source for DKMS' <<-TEXT
Live migration of guests with VFs of ZIP, SEC2 and HPRE. DKMS builds the
modules for each kernel that has Rust and its metadata.
TEXT
script "$dkms" postinst <<-TEXT
[ "\$1" = configure ] || exit 0
dkms add -m $NAME -v $VERSION || [ -d /var/lib/dkms/$NAME/$VERSION ]
# A kernel that cannot have the modules is no reason to leave the package half installed.
kernel=/lib/modules/\$(uname -r)/build
if /usr/src/$NAME-$VERSION/tools/packaging/dkms-check.sh "\$kernel"; then
	dkms install -m $NAME -v $VERSION
fi
TEXT
script "$dkms" prerm <<-TEXT
[ ! -d /var/lib/dkms/$NAME/$VERSION ] || dkms remove -m $NAME -v $VERSION --all
# Of dkms-check.sh.
rm -rf /usr/src/$NAME-$VERSION/build
TEXT
pack "$dkms"

rm -rf "$STAGE"
echo "$KEY" >"$OUT/.key"
ls "$OUT"/*.deb
