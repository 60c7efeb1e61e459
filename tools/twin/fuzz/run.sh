#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Fuzzes the device model and what decodes streams, each target for a while. Runs inside the toolchain root.
#
# What was found, and inputs that came far, are kept in build/fuzz/.
#
# usage: run.sh [SECONDS [TARGET-PATTERN]]
set -euo pipefail
. "$(dirname "$0")/../../env/common.sh"
. /.versions 2>/dev/null || die "run this by tools/env/enter.sh"

# The newest one that the suite's rustc compiles.
CARGO_FUZZ=0.12.0
FUZZ=$TOP/tools/twin/fuzz
OUT=$TOP/build/fuzz
TIME=${1:-60}
PATTERN=${2:-*}

case $TIME in
"" | *[!0-9]*) die "TIME is '$TIME', which is no number of seconds" ;;
esac
mkdir -p "$OUT"

# libFuzzer is C++.
command -v clang++ >/dev/null || die "no clang++ here: libFuzzer cannot be built" \
	"(tools/env/packages.list has 'clang')"
echo '#include <vector>' | clang++ -x c++ -fsyntax-only - 2>/dev/null ||
	die "clang++ has no C++ library's headers: libFuzzer cannot be built (package libstdc++-dev)"
export CC=clang CXX=clang++

if ! [ "$(cargo fuzz --version 2>/dev/null)" = "cargo-fuzz $CARGO_FUZZ" ]; then
	say "installing cargo-fuzz $CARGO_FUZZ: about 2 minutes, once"
	CARGO_TARGET_DIR=$OUT/install quietly "$OUT/install.log" \
		cargo install --locked --version "$CARGO_FUZZ" cargo-fuzz
	rm -rf "$OUT/install"
fi

# Coverage is a matter of -Z options. The model is safe Rust: AddressSanitizer is there to find what
# its dependencies do, where rustc comes with the runtime, which Debian's does not.
export RUSTC_BOOTSTRAP=1
sanitizer=none
if compgen -G "$(rustc --print target-libdir)/librustc*_rt.asan.a" >/dev/null; then
	sanitizer=address
fi

say "building (sanitizer: $sanitizer)"
# cargo-fuzz wants to be where the package is that is fuzzed.
cd "$TOP/tools/twin/model"
quietly "$OUT/build.log" cargo fuzz build --fuzz-dir "$FUZZ" --sanitizer "$sanitizer" \
	--target-dir "$OUT/target"
BIN=$OUT/target/$(rustc -vV | sed -n 's/^host: //p')/release

ran=0 failed=0
for source in "$FUZZ"/fuzz_targets/*.rs; do
	target=$(basename "$source" .rs)
	# shellcheck disable=SC2053
	[[ $target == $PATTERN ]] || continue
	[ -x "$BIN/$target" ] || die "$BIN/$target was not built ($OUT/build.log)"
	ran=$((ran + 1))
	mkdir -p "$OUT/$target/corpus"
	say "$target: $TIME s"
	if "$BIN/$target" -max_total_time="$TIME" -max_len=4096 -len_control=20 -timeout=30 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$OUT/$target/" \
		"$OUT/$target/corpus" >"$OUT/$target/log" 2>&1; then
		sed -n 's/^stat::number_of_executed_units: *//p' "$OUT/$target/log" |
			sed "s/^/ok - $target, inputs: /"
	else
		failed=$((failed + 1))
		echo "not ok - $target"
		grep -aE 'panicked at|^ERROR|^==.*ERROR|Test unit written' -A 2 "$OUT/$target/log" |
			head -n 20 | sed 's/^/  /'
		echo "  again: tools/env/enter.sh build/fuzz/target/*/release/$target INPUT"
		echo "  log: $OUT/$target/log"
	fi
done
[ "$ran" != 0 ] || die "no target is called '$PATTERN'"
exit $((failed != 0))
