#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds accvf with its pages, or installs or removes it.
#
# usage: accvf.sh build                    inside the toolchain root, into build/accvf/
#        accvf.sh install|uninstall [DESTDIR]
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"

BUILT=$TOP/build/accvf
HERE=$TOP/tools/packaging

build() {
	alone
	local target=aarch64-unknown-linux-gnu
	export CARGO_TARGET_DIR=$TOP/build/cargo
	mkdir -p "$BUILT"
	cd "$TOP/tools"
	quietly "$BUILT.log" cargo build --release --target $target -p accvf
	# This one runs here, and describes itself.
	quietly "$BUILT.log" cargo build --release -p accvf
	local own=$CARGO_TARGET_DIR/release/accvf
	rm -rf "$BUILT"
	mkdir -p "$BUILT/completion"
	aarch64-linux-gnu-strip -o "$BUILT/accvf" "$CARGO_TARGET_DIR/$target/release/accvf"
	"$own" man "$BUILT/man"
	"$own" completion bash >"$BUILT/completion/accvf"
	"$own" completion zsh >"$BUILT/completion/_accvf"
	"$own" completion fish >"$BUILT/completion/accvf.fish"
}

# files: what is installed, a line for each: mode, source, target.
files() {
	local page
	echo "755 $BUILT/accvf usr/bin/accvf"
	for page in "$BUILT"/man/*.1; do echo "644 $page usr/share/man/man1/$(basename "$page")"; done
	cat <<-LIST
	644 $BUILT/completion/accvf usr/share/bash-completion/completions/accvf
	644 $BUILT/completion/_accvf usr/share/zsh/vendor-completions/_accvf
	644 $BUILT/completion/accvf.fish usr/share/fish/vendor_completions.d/accvf.fish
	644 $HERE/modprobe.d/hisi-acc-vfio-rs.conf etc/modprobe.d/hisi-acc-vfio-rs.conf
	644 $HERE/systemd/accvf-setup@.service usr/lib/systemd/system/accvf-setup@.service
	644 $HERE/examples/70-accvf.rules usr/share/doc/accvf/examples/70-accvf.rules
	644 $HERE/examples/hostdev.xml usr/share/doc/accvf/examples/hostdev.xml
	LIST
}

case ${1:-} in
build) build ;;
install)
	[ -x "$BUILT/accvf" ] || die "$BUILT/accvf is missing: make accvf"
	files | while read -r mode from to; do
		install -D -m "$mode" "$from" "${2:-}/$to" ||
			die "cannot write ${2:-}/$to: run it as root, or give DESTDIR="
	done
	;;
uninstall) files | while read -r _ _ to; do rm -f "${2:-}/$to"; done ;;
*) die "usage: accvf.sh build|install|uninstall [DESTDIR]" ;;
esac
