#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the root of a bare Debian 13 for arm64, in which cases do what an operator does: with Debian's own
# apt, dpkg, kmod, udev, systemd. A folder of the cache; prints its path. Runs on the bare machine, as
# root.sh does.
#
# usage: debian.sh             the bare one
#        debian.sh libvirt     the same with libvirt and QEMU, for guests that run guests by libvirt
set -euo pipefail
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/apt.sh"

SUITE=trixie
# The required packages of Debian and what they need, as debootstrap's minbase has them, and what a
# server has.
PACKAGES=(apt base-files base-passwd bash bsdutils coreutils dash debconf debianutils diffutils dpkg
	driverctl findutils gawk grep gzip hostname init-system-helpers kmod libc-bin login mount
	ncurses-base passwd pciutils perl-base sed systemd sysvinit-utils tar udev util-linux)
NAME=debian TEXT="a bare Debian"
case ${1:-} in
"") ;;
libvirt)
	NAME=libvirt TEXT="a Debian with libvirt"
	PACKAGES+=(libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu qemu-system-arm)
	;;
*) die "usage: debian.sh [libvirt]" ;;
esac
KEY=$({ cat "$0" "$(dirname "$0")/apt.sh"; } | digest)
ROOT=$CACHE/$NAME-$KEY
APT=$CACHE/apt-$NAME

first "$NAME" "$ROOT"

say "$TEXT: Debian $SUITE for arm64, half a minute, once"
rm -rf "$ROOT"
mkdir -p "$ROOT"
apt_setup arm64
apt_fetch "$TEXT" "${PACKAGES[@]}"
apt_unpack "$ROOT"

# dpkg's database. Maintainer scripts have not been run: it is what they would have left for dpkg.
INFO=$ROOT/var/lib/dpkg/info
mkdir -p "$INFO" "$ROOT"/var/lib/dpkg/{updates,triggers,parts,alternatives} "$ROOT/var/lib/apt/lists/partial" \
	"$ROOT/var/cache/apt/archives/partial" "$ROOT/var/log/apt" "$ROOT/etc/apt/apt.conf.d"
echo 1 >"$INFO/format"
: >"$ROOT/var/lib/dpkg/available"
while IFS= read -r -d '' deb; do
	package=$(dpkg-deb -f "$deb" Package)
	list=$package
	[ "$(dpkg-deb -f "$deb" Multi-Arch)" != same ] || list=$package:arm64
	# The root folder is `/.` there.
	dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -e 's|^\./$|/.|' -e 's|^\./|/|' -e 's|/$||' >"$INFO/$list.list"
	dpkg-deb -f "$deb" | sed 's/^Package: .*/&\nStatus: install ok installed/'
	echo
done <"$APT/debs" >"$ROOT/var/lib/dpkg/status"
rm -rf "$APT/archives"

mkdir -p "$ROOT"/{proc,sys,dev,run,tmp,root,packages,var/tmp}
cp "$ROOT/usr/share/base-passwd/passwd.master" "$ROOT/etc/passwd"
cp "$ROOT/usr/share/base-passwd/group.master" "$ROOT/etc/group"
ln -sfn gawk "$ROOT/usr/bin/awk"
: >"$ROOT/.complete"
say "$TEXT is ready: $(du -sh "$ROOT" | cut -f1)"
echo "$ROOT"
