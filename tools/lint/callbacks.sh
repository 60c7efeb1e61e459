#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Compares the types of functions that C calls and Rust implements, as CONFIG_CFI of the kernel tells
# types apart (kCFI): each has a number. bindgen makes integers of enums, for which the numbers differ,
# and a host with CONFIG_CFI panics at the first call. No kernel with that option is needed: both
# compilers say the numbers. Compared are
# - the callbacks of each structure that the VFIO layer fills;
# - the functions that C knows by their names (#[no_mangle]), which may be in a structure in C.
# Runs inside the toolchain root, when the modules have been built.
#
# usage: callbacks.sh KERNEL OBJECTS
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
KERNEL=${1:?usage: callbacks.sh KERNEL OBJECTS}
OBJECTS=${2:?usage: callbacks.sh KERNEL OBJECTS}
LINT=$TOP/tools/lint
OUT=$TOP/build/callbacks
C_FLAGS="-w -S -emit-llvm -fsanitize=kcfi -fsanitize-cfi-icall-experimental-normalize-integers"
RUST_FLAGS="-Zsanitizer=kcfi -Zsanitizer-cfi-normalize-integers -Zmerge-functions=disabled"
rm -rf "$OUT"
mkdir -p "$OUT"
cd "$OBJECTS"

# The commands that kbuild has compiled a file with, without what it leaves behind.
command_of() {
	sed -n '1s/^savedcmd_[^ ]* := //p' "$1" | sed -E -e 's/;.*//; s/ *$//' -e 's/ clippy-driver / rustc /' \
		-e 's/ --(emit=|out-dir )[^ ]*//g' -e 's/ -Zllvm_module_flag=[^ ]*//g' \
		-e 's/ -o [^ ]*//; s/ -Wp,-MMD,[^ ]*//; s/ -c / /; s/ [^ ]*helpers\.c$//'
}

# --- structures of callbacks ---

# By the constants and the fields that they are.
structures=$(find "$TOP/rust/vfio" -name '*.rs' -exec cat {} + |
	sed -nE -e 's/.* = k?bindings::([a-z_]+) \{$/\1/p' -e 's/.* type DriverType = kbindings::([a-z_]+);/\1/p' \
		-e 's/.*\[kbindings::(device_attribute).*/\1/p' | sort -u | paste -sd, -)
[ -n "$structures" ] || die "no structure of callbacks is found in rust/vfio"
perl "$LINT/callbacks.pl" "$OUT/callbacks.c" "$OUT/callbacks.rs" "$structures" \
	"vfio::bindings=$OBJECTS/rust/vfio/bindings_generated.rs" \
	"kernel::bindings=$KERNEL/rust/bindings/bindings_generated.rs"
bash -c "$(command_of rust/vfio/.helpers.o.cmd) $C_FLAGS -I$TOP/rust/vfio -o $OUT/c.ll $OUT/callbacks.c"
rust=$(command_of samples/vfio_edu/.vfio_edu.o.cmd |
	sed "s| [^ ]*/vfio_edu\.rs| $OUT/callbacks.rs|")
RUSTC_BOOTSTRAP=1 bash -c "$rust $RUST_FLAGS --emit=llvm-ir=$OUT/rust.ll"

# C says the number of each function whose address is taken, without a sign; Rust that of each call by a
# pointer, with one.
declared() {
	sed -nE 's/.*\.set __kcfi_typeid_([a-z_0-9]+), (-?[0-9]+).*/\1 \2/p' "$1" |
		awk '{ if ($2 > 2147483647) $2 -= 4294967296; print $1, $2 }'
}
called() {
	awk '/^define / { match($0, /@[a-z_0-9]+/); name = substr($0, RSTART + 1, RLENGTH - 1) }
		match($0, /"kcfi"\(i32 -?[0-9]+\)/) {
			print name, substr($0, RSTART + 11, RLENGTH - 12)
		}' "$1"
}
declared "$OUT/c.ll" >"$OUT/c"
called "$OUT/rust.ll" >"$OUT/rust"
count=$(wc -l <"$OUT/rust")
[ "$count" -ge 20 ] || die "only $count callbacks are found in $structures"

# --- functions with names ---

# named FOLDER CRATE: those of a crate.
named() {
	local folder=$1 crate=$2 names
	names=$(find "$TOP/$folder" -name '*.rs' -exec cat {} + |
		sed -nE '/#\[no_mangle\]/,/ fn /s/.* fn ([a-z_0-9]+)\(.*/\1/p' | paste -sd' ' -)
	[ -n "$names" ] || die "$folder has no function with a name"
	{
		printf '#include "bindings.h"\n\nvoid *const functions[] = {\n'
		# shellcheck disable=SC2086
		printf '\t%s,\n' $names
		echo '};'
	} >"$OUT/$crate.c"
	bash -c "$(command_of "$folder/.helpers.o.cmd") $C_FLAGS -I$TOP/$folder -o $OUT/$crate.c.ll $OUT/$crate.c"
	declared "$OUT/$crate.c.ll" >>"$OUT/c"
	RUSTC_BOOTSTRAP=1 VFIO_RS_OBJ=$OBJECTS/rust/vfio HISI_ACC_LINK_OBJ=$OBJECTS/drivers/link \
		bash -c "$(command_of "$folder/.$crate.o.cmd") $RUST_FLAGS --emit=llvm-ir=$OUT/$crate.rs.ll"
	# The number of a function is in a list at the end, to which its definition refers.
	awk -v names="$names" 'BEGIN { split(names, list); for (n in list) wanted[list[n]] }
		/^define / && match($0, /@[a-z_0-9]+\(/) {
			name = substr($0, RSTART + 1, RLENGTH - 2)
			if (name in wanted && match($0, /!kcfi_type ![0-9]+/))
				at[substr($0, RSTART + 11, RLENGTH - 11)] = at[substr($0, RSTART + 11, RLENGTH - 11)] " " name
		}
		/^![0-9]+ = !\{i32 -?[0-9]+\}$/ && $1 in at {
			gsub(/[^0-9-]/, "", $4)
			n = split(at[$1], list)
			for (i = 1; i <= n; i++) print list[i], $4
		}' "$OUT/$crate.rs.ll" >>"$OUT/rust"
	count=$((count + $(wc -w <<<"$names")))
}
named rust/vfio vfio
named drivers/link hisi_acc_link

sort -o "$OUT/c" "$OUT/c"
sort -o "$OUT/rust" "$OUT/rust"
[ "$(wc -l <"$OUT/c")" = "$count" ] || die "of $count functions C has numbers for $(wc -l <"$OUT/c")"
diff "$OUT/c" "$OUT/rust" >"$OUT/diff" || {
	sed -nE 's/^[<>] ([^ ]*) .*/\1/p' "$OUT/diff" | sort -u |
		sed -e 's/__/./' -e 's/$/: to C its type is another one than to Rust/'
	exit 1
}
