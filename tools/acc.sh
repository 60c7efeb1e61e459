#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the guests need and hands over to the harness. Runs inside the toolchain root.
#
# usage: acc.sh list|check [PATTERN]|demo|shell
set -euo pipefail
. "$(dirname "$0")/env/common.sh"

KERNEL=${KDIR:-$("$TOP/tools/kernel/build.sh")}
TWIN=$("$TOP/tools/twin/qemu/build.sh")
"$TOP/tools/modules.sh" "$KERNEL"
"$TOP/tools/testing/upstream.sh" "$KERNEL"
export CARGO_TARGET_DIR=$TOP/build/cargo
cd "$TOP/tools"
quietly "$TOP/build/cargo.log" cargo build --release -p acc -p acc-selftests
quietly "$TOP/build/cargo-guest.log" cargo build --release --target aarch64-unknown-linux-gnu \
	-p acc-selftests
cd "$TOP"
exec "$CARGO_TARGET_DIR/release/acc" --top "$TOP" --kernel "$KERNEL" --twin "$TWIN" "$@"
