# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Makes Debian packages of folders in $STAGE, into $OUT, with $VERSION.

# control PACKAGE ARCHITECTURE DEPENDS DESCRIPTION, the long one on standard input.
control() {
	local folder=$STAGE/$1
	mkdir -p "$folder/DEBIAN" "$folder/usr/share/doc/$1"
	{
		printf 'Package: %s\nVersion: %s\nArchitecture: %s\n' "$1" "$VERSION" "$2"
		printf 'Section: kernel\nPriority: optional\nMaintainer: The hisi-acc-vfio-rs authors\n'
		[ -z "$3" ] || printf 'Depends: %s\n' "$3"
		printf 'Description: %s\n' "$4"
		sed 's/^/ /'
	} >"$folder/DEBIAN/control"
	printf 'License: GPL-2.0\nOn Debian systems, see /usr/share/common-licenses/GPL-2.\n' \
		>"$folder/usr/share/doc/$1/copyright"
}

# script PACKAGE NAME: a maintainer script, on standard input.
script() {
	{
		printf '#!/bin/sh\nset -e\n'
		cat
	} >"$STAGE/$1/DEBIAN/$2"
	chmod 755 "$STAGE/$1/DEBIAN/$2"
}

# pack PACKAGE: the package of what is staged.
pack() {
	local folder=$STAGE/$1
	(cd "$folder" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z |
		xargs -0 md5sum >DEBIAN/md5sums)
	chmod -R u+rwX,go+rX,go-w "$folder"
	dpkg-deb --root-owner-group --build "$folder" "$OUT" >/dev/null
}
