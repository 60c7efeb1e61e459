#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel under test in the cache and prints its build folder: the one that KERNEL names
# (tools/env/kernel.sh), else the toolchain root's own. Runs inside that root (tools/env/enter.sh).
#
# usage: build.sh [FRAGMENT…]     config fragments on top of tools/kernel/config, and of those of
#                                 tools/kernel/from-VERSION.config that this kernel is new enough for
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/source.sh"

HERE=$TOP/tools/kernel
FRAGMENTS=("$HERE/config")
version=${kernel_source:?}
for f in "$HERE"/from-*.config; do
	from=${f##*/from-} from=${from%.config}
	printf '%s\n' "$from" "${version#linux-source-}" | sort -V -C || continue
	FRAGMENTS+=("$f")
done
for f in "$@"; do FRAGMENTS+=("$HERE/$f"); done
# Counts what changes the result below; a change of this file's text alone builds no kernel again.
RECIPE=1
KEY=$({ cat "${FRAGMENTS[@]}" "$VERSIONS"; echo "$RECIPE"; rustc -V; clang --version; } | digest)
OUT=$CACHE/kernel-$KEY

if [ ! -e "$OUT/.complete" ]; then
	locked "kernel-$KEY"
fi
if [ ! -e "$OUT/.complete" ]; then
	unpacked
	say "kernel $kernel_version for arm64: once, 10 minutes or so on two cores"
	mkdir -p "$OUT"
	kmake() { make -C "$SRC" O="$OUT" ARCH=arm64 LLVM=1 "$@"; }
	quietly "$OUT/config.log" kmake allnoconfig
	(cd "$OUT" && KCONFIG_CONFIG=.config quietly merge.log "$SRC/scripts/kconfig/merge_config.sh" -m .config "${FRAGMENTS[@]}")
	quietly "$OUT/config.log" kmake olddefconfig
	# An option that a dependency took away would show as a puzzling test: say it here.
	# Of an option that several fragments have, the last one counts.
	missing=$(awk -F= '/^CONFIG_[A-Z0-9_]*=[ymn]$/ { set[$1] = $0 }
		END { for (option in set) if (set[option] !~ /=n$/) print set[option] }' "${FRAGMENTS[@]}" |
		grep -vxFf "$OUT/.config" || :)
	[ -z "$missing" ] || die "this kernel does not take: $(echo $missing)"
	quietly "$OUT/rust.log" kmake rustavailable
	kmake -j"$(nproc)" Image modules >"$OUT/build.log" 2>&1 &
	tick "$OUT/build.log" $! "kernel" || {
		tail -n 40 "$OUT/build.log" >&2
		die "the kernel does not build ($OUT/build.log)"
	}
	: >"$OUT/.complete"
fi
echo "$OUT"
