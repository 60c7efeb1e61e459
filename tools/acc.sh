#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the guests need and hands over to the harness. Runs inside the toolchain root.
#
# usage: acc.sh list|check [PATTERN]|run|demo|shell
set -euo pipefail
. "$(dirname "$0")/env/common.sh"
alone

export CARGO_TARGET_DIR=$TOP/build/cargo
ACC=$CARGO_TARGET_DIR/release/acc
RESULTS=$TOP/build/results$SUFFIX
cd "$TOP"

# What did not build: names of steps.
broken=()

# step NAME COMMAND…: runs it; where it fails, what it complained of is in build/why-NAME.
step() (
	WHY=$TOP/build/why-$1
	export WHY
	: >"$WHY"
	shift
	"$@"
)

harness() { (cd tools && quietly "$TOP/build/cargo.log" cargo build --release -p acc); }
host_selftests() {
	(cd tools && quietly "$TOP/build/cargo-host.log" cargo build --release -p acc-selftests)
}
# One at a time: together they would have other features of their dependencies, and be built again for the
# packages.
selftests() {
	local program
	for program in acc-selftests accvf; do
		(cd tools && quietly "$TOP/build/cargo-guest.log" cargo build --release \
			--target aarch64-unknown-linux-gnu -p $program) || return
	done
}

packages() {
	tools/packaging/accvf.sh build && tools/packaging/deb.sh "$1" >"$TOP/build/deb.log"
}

step harness harness || {
	[ "${1:-}" = check ] || exit 2
	# Nobody is there to make a report.
	mkdir -p "$RESULTS"
	find "$RESULTS" -type f ! -name store.jsonl -delete
	{
		printf 'TAP version 14\n1..1\nnot ok 1 - build.harness\n'
		sed 's/^/  # /' build/why-harness
		echo '0 passed, 1 failed'
	} | tee "$RESULTS/tap.txt"
	exit 1
}
step selftests host_selftests || broken+=(selftests)
BUILD=
TWIN=
if [ "${1:-}" != list ]; then
	[ ${#broken[@]} != 0 ] || step selftests selftests || broken+=(selftests)
	TWIN=$(step twin tools/twin/qemu/build.sh) || broken+=(twin)
	BUILD=${KDIR:-}
	[ -n "$BUILD" ] || BUILD=$(step kernel tools/kernel/flavour.sh) || broken+=(kernel)
	if [ -n "$BUILD" ]; then
		step modules tools/modules.sh "$BUILD" || broken+=(modules)
		# Those that cases install in a Debian.
		[ -z "${ACC_DEBIAN:-}" ] || [ ${#broken[@]} != 0 ] || step packages packages "$BUILD" || broken+=(packages)
		step upstream tools/testing/upstream.sh "$BUILD" || broken+=(upstream)
		if [ -n "${ACC_NESTED:-}" ]; then
			for guest in "$BUILD" ${ACC_GUESTS:-}; do
				step nested tools/testing/nested.sh "$guest" || broken+=(nested)
			done
		fi
	fi
fi
arguments=(--top "$TOP" --flavour "${FLAVOUR:-}" --suffix "$SUFFIX")
if [ ${#broken[@]} != 0 ]; then
	[ "${1:-}" = check ] || exit 2
	exec "$ACC" "${arguments[@]}" broken "${broken[@]}"
fi
[ -z "$BUILD" ] || arguments+=(--kernel "$BUILD" --twin "$TWIN")
[ -z "${ACC_NESTED:-}" ] || arguments+=(--nested "$ACC_NESTED")
[ -z "${ACC_DEBIAN:-}" ] || arguments+=(--debian "$ACC_DEBIAN")
[ -z "${ACC_LIBVIRT:-}" ] || arguments+=(--libvirt "$ACC_LIBVIRT")
exec "$ACC" "${arguments[@]}" "$@"
