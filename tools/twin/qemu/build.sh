#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the object that plugs the device model into QEMU, and prints its path. Runs inside the
# toolchain root (tools/env/enter.sh). QEMU itself is not built: only its headers are generated,
# from the source package of the very version that is installed.
#
# usage: build.sh
set -euo pipefail
. "$(dirname "$0")/../../env/common.sh"
CACHE=$HISI_ACC_CACHE
. /.versions 2>/dev/null || die "run this by tools/env/enter.sh"

HERE=$TOP/tools/twin/qemu
HEADERS=$CACHE/qemu-headers-$(printf '%s' "$qemu_version" | tr ':/' '__')
UPSTREAM=$(printf '%s' "${qemu_version#*:}" | sed 's/[+-].*//')

RUNNING=$(qemu-system-aarch64 --version | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p')
[ "$RUNNING" = "$UPSTREAM" ] || die "qemu-system-aarch64 is $RUNNING, its source is $UPSTREAM:" \
	"structures may differ, so the model cannot be plugged in. Remove the root" \
	"(make distclean) to get both anew"

prepare_headers() {
	rm -rf "$HEADERS"
	mkdir -p "$HEADERS/build"
	(cd "$HEADERS" && dpkg-source --no-check -x /usr/src/qemu_*.dsc source)
	cd "$HEADERS/build"
	../source/configure --target-list=aarch64-softmmu --without-default-features \
		--disable-docs --enable-tcg --enable-modules --enable-fdt=system \
		--disable-install-blobs
	ninja -t targets all | sed -n 's/^\(.*\.h\): .*/\1/p' | grep -v '^/' | xargs ninja
}

if [ ! -e "$HEADERS/.complete" ]; then
	locked qemu-headers
	if [ ! -e "$HEADERS/.complete" ]; then
		say "headers of QEMU $qemu_version: about a minute, once"
		prepare_headers >"$CACHE/qemu-headers.log" 2>&1 &
		tick "$CACHE/qemu-headers.log" $! "QEMU headers" || {
			tail -n 30 "$CACHE/qemu-headers.log" >&2
			die "QEMU's headers cannot be made ($CACHE/qemu-headers.log)"
		}
		: >"$HEADERS/.complete"
	fi
fi

OUT=$TOP/build/twin
mkdir -p "$OUT"
(cd "$TOP/tools" && CARGO_TARGET_DIR=$TOP/build/cargo quietly "$OUT/cargo.log" \
	cargo build --release -p acc-twin-ffi)
LIB=$TOP/build/cargo/release/libacc_twin_ffi.a
SO=$OUT/acc-twin.so
if [ ! -e "$SO" ] || [ -n "$(find "$LIB" "$HERE" -newer "$SO" -print -quit)" ]; then
	case $(uname -m) in
	aarch64) host=aarch64 ;;
	*) host=$(uname -m) ;;
	esac
	# shellcheck disable=SC2046
	quietly "$OUT/cc.log" gcc -std=gnu11 -O2 -g -Wall -Wno-unused-parameter -shared -fPIC -o "$SO.new" \
		-I "$HEADERS/source/include" -I "$HEADERS/build" -I "$HEADERS/build/qapi" \
		-I "$HEADERS/source" -I "$HEADERS/source/linux-headers" \
		-I "$HEADERS/source/host/include/$host" -I "$HEADERS/source/host/include/generic" \
		$(pkg-config --cflags glib-2.0) "$HERE/adapter.c" "$HERE/httu.c" "$LIB"
	mv "$SO.new" "$SO"
fi
echo "$SO"
