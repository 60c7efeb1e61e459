#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel's own VFIO selftests for the guest, from the kernel's source as it is, into
# build/upstream/bin/. Runs inside the toolchain root (tools/env/enter.sh).
#
# usage: upstream.sh KERNEL_BUILD_DIR
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
CACHE=$HISI_ACC_CACHE
# shellcheck source=/dev/null
. /.versions 2>/dev/null || die "run this by tools/env/enter.sh"

BUILD=${1:?usage: upstream.sh KERNEL_BUILD_DIR}
COMPAT=$TOP/tools/testing/upstream-compat.h
OUT=$TOP/build/upstream
TESTS=tools/testing/selftests/vfio

# Where the tests are: in the source of this kernel, else of the one that is built here.
SRC=$BUILD/source
[ -e "$SRC/$TESTS/Makefile" ] || SRC=$CACHE/src/linux-${kernel_version:?}
if [ ! -e "$SRC/$TESTS/Makefile" ]; then
	say "no source of a kernel with $TESTS here: the cases upstream.* will fail"
	rm -rf "$OUT"
	mkdir -p "$OUT/bin"
	exit 0
fi
SRC=$(cd "$SRC" && pwd -P)

KEY=$({
	echo "$SRC"
	find "$SRC/$TESTS" "$SRC/$TESTS"/../{lib.mk,kselftest.h,kselftest_harness.h} -type f |
		LC_ALL=C sort | xargs sha256sum
	cat "$0" "$COMPAT"
	aarch64-linux-gnu-gcc --version
} | digest)
[ "$(cat "$OUT/key" 2>/dev/null)" != "$KEY" ] || exit 0

rm -rf "$OUT"
mkdir -p "$OUT"/{headers,objects,bin}
quietly "$OUT/headers.log" make -C "$SRC" O="$OUT/headers" ARCH=arm64 LLVM=1 -j"$(nproc)" headers

flags=()
grep -rq 'define calloc_assert' "$SRC/$TESTS" || flags+=(USERCFLAGS="-include $COMPAT")
quietly "$OUT/build.log" make -C "$SRC/$TESTS" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
	OUTPUT="$OUT/objects" KHDR_INCLUDES="-isystem $OUT/headers/usr/include" \
	USERLDFLAGS="-static -s" "${flags[@]}" -j"$(nproc)"
find "$OUT/objects" -maxdepth 1 -name 'vfio_*_test' -exec mv -t "$OUT/bin" {} +
rm -rf "$OUT/headers" "$OUT/objects"
echo "$KEY" >"$OUT/key"
