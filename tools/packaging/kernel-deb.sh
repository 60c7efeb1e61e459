#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes Debian packages of a kernel for a host in build/kernel-deb/: the image with its modules, and headers
# that have what modules in Rust need, which neither Debian's headers nor those of the kernel's own bindeb-pkg
# have. Runs inside the toolchain root.
#
# usage: kernel-deb.sh --config FILE [LSMOD]   builds the kernel in the cache, by this configuration with
#                                              tools/kernel/host.config and deb.config on top. LSMOD is what
#                                              lsmod said on the host: no other modules then
#        kernel-deb.sh KDIR                    packs a kernel that was built
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/package.sh"

kmake() { make -C "$SRC" O="$KDIR" ARCH=arm64 LLVM=1 "$@"; }

# build CONFIG [LSMOD]: in $KDIR.
build() {
	local config=$1 lsmod=${2:-} fragments=("$TOP/tools/kernel/host.config" "$TOP/tools/kernel/deb.config") key missing
	. "$TOP/tools/kernel/source.sh"
	key=$({ cat "$config" ${lsmod:+"$lsmod"} "${fragments[@]}" "$VERSIONS"; rustc -V; clang --version; } | digest)
	KDIR=$CACHE/kernel-deb-$key
	[ -e "$KDIR/.complete" ] || locked "kernel-deb-$key"
	[ ! -e "$KDIR/.complete" ] || return 0
	unpacked
	mkdir -p "$KDIR"
	cp "$config" "$KDIR/.config"
	if [ -n "$lsmod" ]; then
		# The kernel's script reads it in another folder.
		lsmod=$(realpath "$lsmod")
		# It asks for options that the configuration does not have: the default of each.
		quietly "$KDIR/lsmod.log" kmake LSMOD="$lsmod" localmodconfig < <(yes '')
	fi
	KCONFIG_CONFIG=$KDIR/.config quietly "$KDIR/merge.log" \
		"$SRC/scripts/kconfig/merge_config.sh" -m -O "$KDIR" "$KDIR/.config" "${fragments[@]}"
	quietly "$KDIR/config.log" kmake olddefconfig
	# What can be a module may be built in.
	missing=$(grep -hE '^CONFIG_' "${fragments[@]}" | while IFS='=' read -r option value; do
		case $value in
		m) grep -qxE "$option=(y|m)" "$KDIR/.config" ;;
		*) grep -qxF "$option=$value" "$KDIR/.config" ;;
		esac || echo "$option=$value"
	done)
	[ -z "$missing" ] || die "with $config, this kernel does not take: $(echo $missing)"
	say "kernel $kernel_version with $(grep -c '=m$' "$KDIR/.config") options as modules: with" \
		"those of a whole distribution this takes hours on two cores"
	kmake -j"$(nproc)" Image modules >"$KDIR/build.log" 2>&1 &
	tick "$KDIR/build.log" $! "kernel" || {
		tail -n 40 "$KDIR/build.log" >&2
		die "the kernel does not build ($KDIR/build.log); the next run goes on where this one ended"
	}
	: >"$KDIR/.complete"
}

# image: the kernel, its modules, and the hooks that make an initramfs and a boot entry.
image() {
	local package=linux-image-$RELEASE folder name
	folder=$STAGE/$package
	mkdir -p "$folder/boot" "$folder/usr"
	quietly "$OUT/modules.log" kmake INSTALL_MOD_PATH="$folder" INSTALL_MOD_STRIP=1 DEPMOD=true modules_install
	# The folder where Debian has it.
	mv "$folder/lib" "$folder/usr/"
	rm -f "$folder/usr/lib/modules/$RELEASE/build"
	cp "$KDIR/arch/arm64/boot/Image" "$folder/boot/vmlinuz-$RELEASE"
	cp "$KDIR/System.map" "$folder/boot/System.map-$RELEASE"
	cp "$KDIR/.config" "$folder/boot/config-$RELEASE"
	control "$package" arm64 'kmod, linux-base | initramfs-tools | dracut' \
		"Linux $RELEASE for hosts with HiSilicon accelerators" <<-TEXT
	Debian's kernel with what hisi-acc-vfio-rs needs built in.
	TEXT
	for name in preinst postinst prerm postrm; do
		script "$package" $name <<-TEXT
		[ $name != postinst ] || depmod $RELEASE
		export DEB_MAINT_PARAMS="\$*" INITRD=Yes
		for hooks in /etc/kernel/$name.d /usr/share/kernel/$name.d; do
			[ ! -d \$hooks ] || run-parts --arg=$RELEASE --arg=/boot/vmlinuz-$RELEASE \$hooks
		done
		TEXT
	done
	pack "$package"
}

# headers: the kernel's own choice of files, and Rust's metadata, macros and parameters.
headers() {
	local package=linux-headers-$RELEASE folder to
	folder=$STAGE/$package
	to=$folder/usr/src/linux-headers-$RELEASE
	# shellcheck disable=SC2016
	quietly "$OUT/headers.log" kmake run-command \
		KBUILD_RUN_COMMAND='+$(srctree)/scripts/package/install-extmod-build '"$to"
	(cd "$KDIR" && find rust \( -name '*.rmeta' -o -name '*.so' -o -name '*.bc' \) -print0 |
		xargs -0 cp --parents -t "$to")
	(cd "$SRC" && cp --parents rust/Makefile rust/bindgen_parameters -t "$to")
	[ ! -e "$KDIR/scripts/target.json" ] || cp "$KDIR/scripts/target.json" "$to/scripts/"
	mkdir -p "$folder/usr/lib/modules/$RELEASE"
	ln -s "/usr/src/linux-headers-$RELEASE" "$folder/usr/lib/modules/$RELEASE/build"
	# Programs and Rust's macros are for the machine that builds. Rust's metadata do not cross versions.
	control "$package" "$(dpkg --print-architecture)" "clang, lld, llvm, make, bindgen, rustc (>= $RUSTC), rustc (<< $RUSTC.99)" \
		"headers of Linux $RELEASE for arm64, with Rust" <<-TEXT
	What modules in C and in Rust are built against.
	TEXT
	pack "$package"
}

case ${1:-} in
--config) build "${2:?usage: kernel-deb.sh --config FILE [LSMOD]}" "${3:-}" ;;
'') die "usage: kernel-deb.sh --config FILE [LSMOD] | KDIR" ;;
*) KDIR=$1 ;;
esac
[ -r "$KDIR/arch/arm64/boot/Image" ] || die "$KDIR has no arch/arm64/boot/Image: the kernel is not built"
SRC=$(readlink -f "$KDIR/source")
RELEASE=$(cat "$KDIR/include/config/kernel.release")
RUSTC=$(rustc --version | sed -E 's/^rustc ([0-9]+\.[0-9]+).*/\1/')
VERSION=$RELEASE-1
OUT=$TOP/build/kernel-deb
STAGE=$OUT/stage
# xz takes ten times as long for the metadata.
export DPKG_DEB_COMPRESSOR_TYPE=zstd
# Not over the build, which takes long and is not in this tree.
alone
rm -rf "$OUT"
mkdir -p "$STAGE"
say "packing Linux $RELEASE"
image
headers
rm -rf "$STAGE"
ls "$OUT"/*.deb
