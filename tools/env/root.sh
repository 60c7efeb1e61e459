#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the toolchain root: Debian 13's compilers, Rust, bindgen and QEMU in a folder of the cache,
# from the machine's own apt mirrors, and prints its path. Needs apt, dpkg, tar and util-linux,
# which every Debian has, and neither root nor a network beyond the mirror: packages are downloaded
# against an empty dpkg status and unpacked, their maintainer scripts are not run.
#
# usage: root.sh
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

SUITE=trixie
LIST=$TOP/tools/env/packages.list
GUEST=arm64

for tool in apt-get dpkg-deb tar awk unshare flock; do
	command -v "$tool" >/dev/null || die "'$tool' is missing. This needs a Debian 12 or 13 machine" \
		"(packages apt, dpkg, tar, mawk, util-linux); or give KDIR= to build modules only"
done

NATIVE=$(dpkg --print-architecture)
KEY=$({ cat "$LIST" "$0" "$(dirname "$0")/apt.sh"; echo "$NATIVE"; } | digest)
ROOT=$CACHE/root-$KEY
APT=$CACHE/apt-$NATIVE

if [ -e "$ROOT/.complete" ]; then
	echo "$ROOT"
	exit 0
fi
locked root
if [ -e "$ROOT/.complete" ]; then
	echo "$ROOT"
	exit 0
fi

say "toolchain root (Debian $SUITE, $NATIVE): about 2 minutes and 4 GB, once"
rm -rf "$ROOT"
APT=$CACHE/apt-$NATIVE
mkdir -p "$ROOT"
apt_setup "$NATIVE" "$GUEST"

# The kernel's source: the newest 7.x that the suite has, never a point release.
KSRC=$(apt-cache pkgnames linux-source-7. | grep -E '^linux-source-7\.[0-9]+$' | sort -V | head -n 1)
case $KSRC in
"") die "no linux-source-7.x in $SUITE-backports on this mirror" ;;
esac
if apt-cache show linux-source-7.2 >/dev/null 2>&1; then KSRC=linux-source-7.2; fi

mapfile -t PKGS < <(sed -e 's/[[:space:]]*#.*//' -e '/^$/d' -e "s/:native$/:$NATIVE/" \
	-e "s/:guest$/:$GUEST/" "$LIST")
apt_fetch "the toolchain" "${PKGS[@]}" -- "$KSRC"
KDEB=$(ls -t "$APT/archives/$KSRC"_*_all.deb | head -n 1)

# QEMU's source, of the very version whose binary was taken.
QDEB=$(awk '/qemu-system-arm_/ { print $2 }' "$APT/uris" | head -n 1)
QVER=$(dpkg-deb -f "$APT/archives/$QDEB" Version)
say "downloading the source of QEMU $QVER"
(cd "$APT/src" && quietly "$APT/qemu-source.log" apt-get -qq --download-only source "qemu=$QVER")

apt_unpack "$ROOT"

say "finishing the root"
mkdir -p "$ROOT"/{proc,sys,dev,run,tmp,work,cache,etc,root,var/tmp,usr/src}
chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
# What maintainer scripts would have done and we need.
printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >"$ROOT/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOT/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$ROOT/etc/nsswitch.conf"
ln -sfn /run/resolv.conf "$ROOT/etc/resolv.conf"
alternative() { [ -e "$ROOT$1" ] || ln -sfn "$2" "$ROOT$1"; }
alternative /usr/bin/sh dash
alternative /usr/bin/cc gcc
alternative /usr/bin/awk gawk
alternative /usr/bin/pager more
mkdir -p "$ROOT/etc/ssl/certs"
if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
	cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
else
	find "$ROOT/usr/share/ca-certificates" -name '*.crt' -exec cat {} + \
		>"$ROOT/etc/ssl/certs/ca-certificates.crt"
fi
dpkg-deb --fsys-tarfile "$KDEB" | tar -x -C "$ROOT" --no-same-owner ./usr/src
cp "$APT/src/qemu_${QVER#*:}.dsc" "$ROOT/usr/src/"
sed -n 's/^ [0-9a-f]\{64\} [0-9]* //p' "$APT/src/qemu_${QVER#*:}.dsc" | while read -r f; do
	cp "$APT/src/$f" "$ROOT/usr/src/"
done
{
	echo "suite=$SUITE"
	echo "kernel_source=$KSRC"
	echo "kernel_version=$(dpkg-deb -f "$KDEB" Version)"
	echo "qemu_version=$QVER"
} >"$ROOT/.versions"
if [ "$(id -u)" = 0 ]; then
	chroot "$ROOT" /sbin/ldconfig
else
	unshare --user --map-root-user chroot "$ROOT" /sbin/ldconfig
fi
: >"$ROOT/.complete"
rm -rf "$APT/archives"
say "root is ready: $(du -sh "$ROOT" | cut -f1), $(tr '\n' ' ' <"$ROOT/.versions")"
echo "$ROOT"
