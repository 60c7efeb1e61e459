#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests tools/modules.sh on a small module: what ends the build and what does not. Runs inside the
# toolchain root.
#
# usage: test.sh [KERNEL_BUILD_DIR]     else $ACC_KERNEL
set -uo pipefail
. "$(dirname "$0")/../../env/common.sh"
. "$(dirname "$0")/../result.sh"

KERNEL=${1:-${ACC_KERNEL:?usage: test.sh KERNEL_BUILD_DIR}}
OUT=$TOP/build/modules-test
TREE=$OUT/tree

rm -rf "$OUT"
mkdir -p "$TREE/tools/env" "$OUT/bin"
cp "$TOP"/tools/{modules.sh,warnings.awk,bindgen.mk} "$TREE/tools/"
cp "$TOP/tools/env/common.sh" "$TREE/tools/env/"
cp "$TOP"/tools/testing/modules/{Kbuild,bindings.h,bindgen_parameters,part_c.c,part_rs.rs} "$TREE/"
unset FLAVOUR WHY

# build NAME STATUS WORDS ARGUMENT…: modules.sh ends with this status and says these words.
build() { runs "${@:1:3}" "$TREE/tools/modules.sh" "${@:4}"; }

# A version that no kernel has been built with.
printf '#!/bin/sh\necho v9.99\n' >"$OUT/bin/pahole"
chmod +x "$OUT/bin/pahole"
PATH=$OUT/bin:$PATH build "pahole of another version, a flag of GCC 16" 0 \
	"warning: pahole version differs" "$KERNEL"
if [ -e "$TREE/build/modules/acc_modules_test.ko" ]; then
	result "there is a module"
else
	result "there is a module" "no $TREE/build/modules/acc_modules_test.ko"
fi
if grep -qs -e '-fdiagnostics-show-context' "$TREE/build/modules/.bindings_generated.rs.cmd"; then
	result "bindgen does not get GCC 16's flag" "it is in .bindings_generated.rs.cmd"
else
	result "bindgen does not get GCC 16's flag"
fi
build "a warning of rustc" 1 "nobody_reads" "$KERNEL" PART_RS=unused_variable
build "a warning of the C compiler" 1 "nobody_calls" "$KERNEL" PART_C=UNUSED_FUNCTION
build "a warning of modpost" 1 "EXPORT_SYMBOL used for init symbol" "$KERNEL" PART_C=EXPORT_OF_INIT

build "no bindgen" 1 "package bindgen" "$KERNEL" BINDGEN=no-such-bindgen
build "no libclang" 1 "libclang-dev" "$KERNEL" BINDGEN=false
build "no LLVM" 1 "'clang-0' is missing" "$KERNEL" LLVM=-0
mkdir -p "$OUT/headers/include/config" "$OUT/headers/rust"
cp "$KERNEL/include/config/auto.conf" "$OUT/headers/include/config/"
: >"$OUT/headers/rust/libcore.rmeta"
build "headers that leave Rust out" 1 "libkernel.rmeta rust/libmacros.so" "$OUT/headers"

# skipped SRCTREE: the flags that bindgen is not given, one a line, with the kernel's source there.
skipped() {
	printf 'include %s/tools/bindgen.mk\nall:\n\t@printf "%%s\\n" $(bindgen_skip)\n' "$TOP" |
		make -s -f - srctree="$1" objtree=/nonexistent BINDGEN=false all | sort -u
}
src=$KERNEL/source
kernels=$(skipped "$src")
ours=$(skipped /nonexistent)
if [ -z "$kernels" ] || ! grep -q 'bindgen_skip_c_flags' "$src/rust/Makefile"; then
	result "the kernel names the flags that bindgen must not see" "no list in $src/rust/Makefile"
else
	lacks=$(comm -23 <(echo "$kernels") <(echo "$ours"))
	result "where the kernel's list is missing, no flag is" ${lacks:+"tools/bindgen.mk lacks $lacks"}
	words=$(sed -n '/^bindgen_skip_c_flags/,/[^\\]$/p' "$src/rust/Makefile" | grep -oE -- ' -[^ ]+|	-[^ ]+' |
		tr -d ' \t' | sort -u)
	lacks=$(comm -3 <(echo "$words") <(echo "$kernels" | grep '^-'))
	result "the kernel's list is read whole" ${lacks:+"differs: $lacks"}
fi
finish
