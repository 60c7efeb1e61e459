#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# All that a reviewer should not have to say: formatting, clippy, checkpatch, rustdoc, shellcheck,
# documentation, and this project's own rules. Runs inside the toolchain root.
#
# usage: lint.sh
set -uo pipefail
. "$(dirname "$0")/env/common.sh"
cd "$TOP" || exit 1
alone
. /.versions 2>/dev/null || die "run this by tools/env/enter.sh"

BUILD=$(tools/kernel/build.sh) || exit 1
SRC=$HISI_ACC_CACHE/src/linux-$kernel_version
export CARGO_TARGET_DIR=$TOP/build/cargo
failed=0

# check NAME COMMAND…: one line with the seconds it took, and the output where it fails. Three checks run
# at a time: what one has to say comes in one piece.
check() {
	local name=$1 out begin=$SECONDS result=ok
	shift
	if out=$("$@" 2>&1); then
		out=
	else
		result='not ok'
		failed=1
	fi
	{
		flock 7
		echo "$result - $name ($((SECONDS - begin)) s)"
		[ -z "$out" ] || printf '%s\n' "$out" | tail -n 60 | sed 's/^/  /'
	} 7>"$TOP/build/lint.lock"
}

tracked() { git -c safe.directory="$TOP" ls-files "$@"; }

spdx() {
	local bad=0 file
	for file in $(tracked); do
		case $file in .gitattributes | COPYING | LICENSES/* | *.png) continue ;; esac
		grep -q 'SPDX-License-Identifier: GPL-2.0' < <(head -n 4 "$file") || {
			echo "$file: no SPDX line"
			bad=1
		}
	done
	return $bad
}

# Drivers are safe code; what is not is in rust/ and in these modules.
unsafe_code() {
	local bad
	bad=$(grep -rn --include='*.rs' '\bunsafe\b' drivers samples |
		grep -v -E '^[^:]*:[0-9]+: *//' |
		grep -v -E '^drivers/(link/(raw|notify|poll|bindings)|vfio/param)\.rs:' |
		grep -v -E 'unsafe\(uninit\)|unsafe \{ LINKS\.init\(\) \}')
	[ -z "$bad" ] || { echo "$bad"; return 1; }
}

# An unsafe block or impl has its reason in the comment before it.
safety_comments() {
	tracked 'rust/*.rs' 'drivers/*.rs' 'samples/*.rs' | xargs awk '
		FNR == 1 { safe = 0 }
		/SAFETY|# Safety/ { safe = FNR }
		/(^|[^a-z_])unsafe( \{|\(| impl)/ && !/^ *\/\// && FNR - safe > 8 {
			print FILENAME ":" FNR ": " $0
			bad = 1
		}
		END { exit bad }'
}

hosts_and_paths() {
	! tracked | grep -v -E '^tools/lint.sh$' |
		xargs grep -nE 'deb\.debian\.org|crates\.io|static\.rust-lang|pypi\.org|registry\.npmjs|/root/'
}

checkpatch() {
	# FILE_PATH_CHANGES: MAINTAINERS is the kernel's. EXPORT_SYMBOL: the macro names its argument.
	tracked '*.c' '*.h' Kbuild Kconfig | grep -v '^tools/twin/qemu/' |
		xargs perl "$SRC/scripts/checkpatch.pl" --no-tree --quiet --terse --max-line-length=100 \
			--ignore FILE_PATH_CHANGES,SPDX_LICENSE_TAG,EXPORT_SYMBOL,AVOID_EXTERNS,VOLATILE,MACRO_ARG_UNUSED,LINUX_VERSION_CODE \
			-f
}

# Sphinx reads all documents and writes nothing.
documentation() {
	local out status=0
	out=$(mktemp -d)
	python3 -m sphinx -q -W --keep-going -b dummy -C -D project=hisi-acc-vfio-rs -D root_doc=index \
		Documentation "$out" || status=1
	rm -rf "$out"
	return $status
}

# Imports: lint/circles.py says what a circle is, lint/circles.allowed which may stay.
circles() {
	tracked 'drivers/*.rs' 'rust/*.rs' 'samples/*.rs' 'tools/*.rs' | grep -v '^tools/lint/' |
		xargs python3 tools/lint/circles.py tools/lint/circles.allowed
}

# The words are named in words.py itself.
words() {
	tracked | grep -v -F -e 'tools/lint/words.py' -e .png | xargs python3 tools/lint/words.py
}

# rustfmt breaks code, and no comments. Strings are not broken, as for checkpatch, nor are rows of tables.
width() {
	tracked '*.rs' | xargs awk '
		length($0) > 100 && !/^[^"]*"/ && !/^ *\/\/[\/!] \|/ {
			print FILENAME ":" FNR ": " length($0) " columns"
			bad = 1
		}
		END { exit bad }'
}

# Tracepoints and files that Documentation/ABI names are those that exist.
abi() {
	tracked Documentation/ABI 'drivers/*.rs' 'drivers/*.c' 'rust/*.rs' 'rust/*.h' |
		xargs python3 tools/lint/abi.py
}

# rustdoc for the kernel crates, by the commands that kbuild has just compiled them with.
kernel_docs() {
	local crate command bad=0
	cd "$TOP/build/clippy" || return 1
	for crate in rust/dma_log/src/.lib rust/vfio/.vfio drivers/hw/src/.lib drivers/track/src/.lib \
		drivers/link/.hisi_acc_link drivers/vfio/.hisi_acc_vfio_rs samples/vfio_edu/.vfio_edu; do
		command=$(sed -n '1s/^savedcmd_[^ ]* := //p' "$crate.o.cmd" | sed -E \
			-e 's/ (rustc|clippy-driver) / rustdoc -Arustdoc::private_intra_doc_links /' \
			-e 's/ --(emit=|out-dir )[^ ]*//g' -e 's/;.*//' \
			-e 's/ -Z(binary_dep_depinfo|function-sections|llvm_module_flag)=[^ ]*//g')
		RUSTC_BOOTSTRAP=1 VFIO_RS_OBJ=$PWD/rust/vfio HISI_ACC_LINK_OBJ=$PWD/drivers/link \
			bash -c "$command -Dwarnings --document-private-items --output $TOP/build/doc" || {
			echo "$crate"
			bad=1
		}
	done
	return $bad
}

shell_scripts() {
	tracked '*.sh' .ci/run | xargs shellcheck -S warning
}

# Each of these three has the other two beside it: no folder is written by two.
text_checks() {
	local crate
	check "rustfmt: kernel crates" rustfmt --check --edition 2021 --config-path "$SRC/.rustfmt.toml" \
		rust/vfio/vfio.rs drivers/link/hisi_acc_link.rs drivers/vfio/hisi_acc_vfio_rs.rs \
		samples/vfio_edu/vfio_edu.rs tools/testing/modules/part_rs.rs tools/lint/rejected.rs
	for crate in drivers/hw drivers/track rust/dma_log; do
		check "rustfmt: $crate" cargo fmt --check --manifest-path $crate/Cargo.toml
	done
	check "rustfmt: tools" cargo fmt --check --all --manifest-path tools/Cargo.toml
	check "rustfmt: fuzz" rustfmt --check --edition 2021 tools/twin/fuzz/fuzz_targets/*.rs
	check "shellcheck" shell_scripts
	check "checkpatch" checkpatch
	check "SPDX in every file" spdx
	check "unsafe where it may be" unsafe_code
	check "SAFETY before unsafe" safety_comments
	check "no registry's host, no machine's path" hosts_and_paths
	check "no circle of imports" circles
	check "words of plain English" words
	check "Rust within 100 columns" width
	check "ABI names what exists" abi
	check "documentation without warnings" documentation
	exit $failed
}

kernel_checks() {
	check "clippy: kernel crates" tools/modules.sh "$BUILD" CLIPPY=1 KRUSTFLAGS=-Dwarnings \
		MO="$TOP/build/clippy"
	check "callbacks have C's types" tools/lint/callbacks.sh "$BUILD" "$TOP/build/clippy"
	check "what must not compile" tools/lint/rejected.sh "$TOP/build/clippy"
	check "rustdoc: kernel crates" kernel_docs
	exit $failed
}

cargo_checks() {
	local crate
	for crate in drivers/hw drivers/track rust/dma_log; do
		check "clippy: $crate" cargo clippy -q --all-targets --manifest-path $crate/Cargo.toml -- -D warnings
	done
	check "clippy: tools" cargo clippy -q --all-targets --workspace --manifest-path tools/Cargo.toml -- -D warnings
	for crate in drivers/hw drivers/track rust/dma_log; do
		check "rustdoc: $crate" env RUSTDOCFLAGS=-Dwarnings cargo doc -q --no-deps --manifest-path $crate/Cargo.toml
	done
	check "rustdoc: tools" env RUSTDOCFLAGS=-Dwarnings cargo doc -q --no-deps --workspace \
		--manifest-path tools/Cargo.toml
	exit $failed
}

# For the log of modules.sh, and what cargo writes to.
mkdir -p build/cargo
(kernel_checks) &
kernel=$!
(cargo_checks) &
cargo=$!
(text_checks) || failed=1
wait $kernel || failed=1
wait $cargo || failed=1
exit $failed
