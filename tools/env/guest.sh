#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetches what an older guest is made of, into a folder of the cache, and prints its path: the arm64 kernel
# of a Debian release, the modules of it that its work may need, what modules are built against, and the
# source of the accelerators' drivers, which Debian's configuration leaves out. tools/testing/nested.sh
# builds them. Runs on the bare machine, as root.sh does.
#
# usage: guest.sh 6.1|6.12
#
# In that folder: Image, config, release, modules/, headers/RELEASE/, hisilicon/
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

LINUX=${1:-}
case $LINUX in
6.1) SUITE=bookworm ;;
6.12) SUITE=trixie ;;
*) die "usage: guest.sh 6.1|6.12" ;;
esac
KEY=$({ cat "$0" "$(dirname "$0")/apt.sh"; } | digest)
ROOT=$CACHE/guest-$LINUX-$KEY
APT=$CACHE/apt-guest-$LINUX
HOST=$(dpkg --print-architecture)

first "guest-$LINUX" "$ROOT"

say "a guest with Linux $LINUX (Debian $SUITE, arm64): half a minute, once"
rm -rf "$ROOT" "$APT/unpacked" "$APT/debs"
mkdir -p "$ROOT"/{headers,modules}
apt_setup arm64 "$HOST"

# depends PACKAGE PATTERN: the package of that name which PACKAGE depends on.
depends() {
	local found
	found=$(apt-cache depends "$1" | sed -nE "s/^[ |]*Depends: ($2)(:.*)?\$/\1/p" | head -n 1)
	[ -n "$found" ] || die "$1 of Debian $SUITE depends on no package like $2"
	echo "$found"
}
image=$(depends linux-image-arm64 'linux-image-[0-9].*-arm64')
release=${image#linux-image-}
[[ $release == "$LINUX".* ]] || die "the kernel of Debian $SUITE is $release, not $LINUX"
headers=linux-headers-$release
common=$(depends "$headers" 'linux-headers-.*-common')
kbuild=$(depends "$headers" 'linux-kbuild-[^:]*')
version=$(apt-cache show "$image" | sed -n 's/^Version: //p' | head -n 1)
# The archive may have dropped the source of that very version.
source=linux-source-$LINUX
if apt-cache madison "$source" | grep -F " $version " >/dev/null; then
	source+="=$version"
fi

mkdir -p "$APT"/{debs,unpacked}
say "downloading Linux $version"
(cd "$APT/debs" && quietly "$APT/download.log" apt-get -q download \
	"$image" "$headers" "$common" "$kbuild:$HOST" "$source")
for deb in "$APT"/debs/*.deb; do
	case ${deb##*/} in
	linux-source-*)
		dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/src/"linux-source-$LINUX.tar.xz" | xz -dc |
			tar -x -C "$ROOT" --no-same-owner --strip-components=3 \
				"linux-source-$LINUX/drivers/crypto/hisilicon"
		;;
	*)
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$APT/unpacked" --no-same-owner --exclude=./usr/share
		;;
	esac
done

cd "$APT/unpacked"
cp "boot/vmlinuz-$release" "$ROOT/Image"
cp "boot/config-$release" "$ROOT/config"
echo "$release" >"$ROOT/release"
lib=$(find . -path "*/lib/modules/$release" -prune)
cp "$lib"/modules.{builtin,builtin.modinfo,order} "$ROOT/modules/"
for folder in arch crypto lib; do
	mkdir -p "$ROOT/modules/kernel"
	cp -r "$lib/kernel/$folder" "$ROOT/modules/kernel/"
done
# The packages are where they say that they are, but for the root.
mv usr "$ROOT/headers/"
rm -rf "$ROOT"/headers/usr/lib/linux-image* "$ROOT"/headers/usr/lib/modules
# With it, modules would get types for BPF, which takes pahole.
rm -f "$ROOT/headers/usr/src/$headers/vmlinux"
sed -i "s|^include /usr/src/|include ../|" "$ROOT/headers/usr/src/$headers/Makefile"
ln -s "usr/src/$headers" "$ROOT/headers/build"
rm -rf "$APT"/{debs,unpacked}
: >"$ROOT/.complete"
say "a guest with Linux $LINUX is ready: $(du -sh "$ROOT" | cut -f1)"
echo "$ROOT"
