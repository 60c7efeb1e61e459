#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs a command inside the toolchain root, with the tree at /work and the cache at /cache.
# With KERNEL=7.3, the source of that kernel is there too (tools/env/kernel.sh).
# As root in a mount namespace, else in a user namespace of the caller's own.
#
# usage: enter.sh [COMMAND…]          (no command: a shell)
set -euo pipefail
. "$(dirname "$0")/common.sh"

ROOT=$("$(dirname "$0")/root.sh")
# Inside, KERNEL is a version, and empty for the root's own kernel.
if [ -n "${KERNEL:-}" ]; then
	KERNEL=$("$(dirname "$0")/kernel.sh" "$ROOT")
	export KERNEL
fi
# With ACC_NESTED set to anything: the guests' own QEMU too, whose root it names inside.
if [ -n "${ACC_NESTED:-}" ]; then
	ACC_NESTED=$("$(dirname "$0")/nested.sh")
	ACC_NESTED=/cache/$(basename "$ACC_NESTED")
	export ACC_NESTED
fi
# With ACC_DEBIAN set to anything: the bare Debian of guests, likewise.
if [ -n "${ACC_DEBIAN:-}" ]; then
	ACC_DEBIAN=$("$(dirname "$0")/debian.sh")
	ACC_DEBIAN=/cache/$(basename "$ACC_DEBIAN")
	export ACC_DEBIAN
fi
# With ACC_GUESTS set to anything: older kernels for guests of guests, likewise.
if [ -n "${ACC_GUESTS:-}" ]; then
	ACC_GUESTS=
	for linux in 6.1 6.12; do
		guest=$("$(dirname "$0")/guest.sh" $linux)
		ACC_GUESTS+=" /cache/$(basename "$guest")"
	done
	export ACC_GUESTS
fi
# With ACC_LIBVIRT set to anything: the Debian of guests that use libvirt.
if [ -n "${ACC_LIBVIRT:-}" ]; then
	ACC_LIBVIRT=$("$(dirname "$0")/debian.sh" libvirt)
	ACC_LIBVIRT=/cache/$(basename "$ACC_LIBVIRT")
	export ACC_LIBVIRT
fi
mkdir -p "$CACHE/home" "$CACHE/cargo"

flags=(--mount --propagation private)
if [ "$(id -u)" != 0 ]; then
	flags+=(--user --map-root-user)
	unshare "${flags[@]}" true 2>/dev/null || die "user namespaces are off here" \
		"(sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces): run as root instead"
fi
[ $# -gt 0 ] || set -- /bin/bash

# shellcheck disable=SC2016
exec unshare "${flags[@]}" bash -c '
	set -e
	root=$1 top=$2 cache=$3
	shift 3
	for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
	mount --bind "$top" "$root/work"
	mount --bind "$cache" "$root/cache"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	if [ -n "${KDIR:-}" ]; then
		[ -d "$KDIR" ] || { echo "error: KDIR=$KDIR is no folder" >&2; exit 1; }
		mkdir -p "$root/run/kdir"
		mount --bind "$KDIR" "$root/run/kdir"
		KDIR=/run/kdir
	fi
	cat /etc/resolv.conf >"$root/run/resolv.conf" 2>/dev/null || :
	keep=()
	for v in TERM CI T V KERNEL FLAVOUR DRIVER KDIR ACC_NESTED ACC_DEBIAN ACC_GUESTS ACC_LIBVIRT ACC_SOAK http_proxy https_proxy no_proxy COLUMNS; do
		[ -z "${!v:-}" ] || keep+=("$v=${!v}")
	done
	exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
		HOME=/cache/home CARGO_HOME=/cache/cargo HISI_ACC_CACHE=/cache \
		SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt "${keep[@]}" \
		/bin/sh -c "cd /work && exec \"\$@\"" sh "$@"
' enter "$ROOT" "$TOP" "$CACHE" "$@"
