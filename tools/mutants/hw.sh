#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# cargo-mutants over drivers/hw: each function's defects, and whether the host tests see them. Runs
# inside the toolchain root, for an hour or more; what was caught before is not tried again.
#
# What is left out has its reason in drivers/hw/.cargo/mutants.toml. The results lie in
# build/mutants-hw/mutants.out/.
#
# usage: hw.sh [CARGO-MUTANTS ARGUMENT…]
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
. /.versions 2>/dev/null || die "run this by tools/env/enter.sh"
alone

# The newest one that the suite's rustc compiles.
CARGO_MUTANTS=26.0.0
OUT=$TOP/build/mutants-hw
mkdir -p "$OUT"

if ! [ "$(cargo mutants --version 2>/dev/null)" = "cargo-mutants $CARGO_MUTANTS" ]; then
	say "installing cargo-mutants $CARGO_MUTANTS: a few minutes, once"
	CARGO_TARGET_DIR=$OUT/install quietly "$OUT/install.log" \
		cargo install --locked --version "$CARGO_MUTANTS" cargo-mutants
	rm -rf "$OUT/install"
fi

cd "$TOP/drivers/hw"
export CARGO_TARGET_DIR=$OUT/target
# The tests take seconds. A mutant that does not end is caught.
failed=0
cargo mutants --output "$OUT" --iterate --no-shuffle --colors never --timeout 60 "$@" || failed=$?
# 2: some were missed, 3: some did not end.
case $failed in
0 | 2 | 3) ;;
*) die "cargo-mutants failed ($failed)" ;;
esac

# What was ever caught, of the mutants that there are.
cat "$OUT/mutants.out/caught.txt" "$OUT/mutants.out/timeout.txt" >>"$OUT/ever"
cargo mutants --list --no-shuffle --colors never | grep -Fx -f "$OUT/ever" | sort -u >"$OUT/caught.txt" || :
cp "$OUT/caught.txt" "$OUT/ever"
cp "$OUT/mutants.out/missed.txt" "$OUT/missed.txt"
if [ -s "$OUT/missed.txt" ]; then
	sed 's/^/not ok - missed: /' "$OUT/missed.txt"
	exit 1
fi
echo "ok - drivers/hw: $(wc -l <"$OUT/caught.txt") mutants, all are caught"
