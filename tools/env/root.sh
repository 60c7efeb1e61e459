#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the toolchain root: Debian 13's compilers, Rust, bindgen and QEMU in a folder of the cache,
# from the machine's own apt mirrors, and prints its path. Needs apt, dpkg, tar and util-linux,
# which every Debian has, and neither root nor a network beyond the mirror: packages are downloaded
# against an empty dpkg status and unpacked, their maintainer scripts are not run.
#
# usage: root.sh
set -euo pipefail
. "$(dirname "$0")/common.sh"

SUITE=trixie
LIST=$TOP/tools/env/packages.list
GUEST=arm64

for tool in apt-get dpkg-deb tar awk unshare flock; do
	command -v "$tool" >/dev/null || die "'$tool' is missing. This needs a Debian 12 or 13 machine" \
		"(packages apt, dpkg, tar, mawk, util-linux); or give KDIR= to build modules only"
done

NATIVE=$(dpkg --print-architecture)
KEY=$({ cat "$LIST" "$0"; echo "$NATIVE"; } | digest)
ROOT=$CACHE/root-$KEY

if [ -e "$ROOT/.complete" ]; then
	echo "$ROOT"
	exit 0
fi
locked root
if [ -e "$ROOT/.complete" ]; then
	echo "$ROOT"
	exit 0
fi

say "toolchain root (Debian $SUITE, $NATIVE): about 2 minutes and 4 GB, once"
rm -rf "$ROOT"
APT=$CACHE/apt-$NATIVE
mkdir -p "$ROOT" "$APT"/{lists/partial,archives/partial,etc/preferences.d,etc/apt.conf.d,src}
: >"$APT/status"

# sources: the URIs that this machine's apt uses for Debian, asked for our suites.
sources() {
	local codename uri release
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || die "/etc/os-release names no Debian release"
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		sort -u | while read -r uri release; do
		case $release in
		"$codename") printf '%s %s\n' "$uri" $SUITE "$uri" $SUITE-updates "$uri" $SUITE-backports ;;
		"$codename-security" | "$codename/updates") printf '%s %s\n' "$uri" $SUITE-security ;;
		esac
	done | sort -u | while read -r uri release; do
		printf 'deb [signed-by=%s] %s %s main\n' "$APT/keyring.gpg" "$uri" "$release"
		printf 'deb-src [signed-by=%s] %s %s main\n' "$APT/keyring.gpg" "$uri" "$release"
	done
}

# The keys of the suite, from the machine if it has them; a Debian 12 of the first hours has them
# in an update of this package.
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
if ! ls /usr/share/keyrings/debian-archive-$SUITE-stable.* >/dev/null 2>&1; then
	say "fetching the archive keys of $SUITE"
	mkdir -p "$APT/keys"
	(cd "$APT/keys" && { apt-get download debian-archive-keyring >/dev/null 2>&1 ||
		{ apt-get update >/dev/null 2>&1 && apt-get download debian-archive-keyring >/dev/null; }; }) ||
		die "no keys for $SUITE: install a current 'debian-archive-keyring' (apt-get update first)"
	dpkg-deb -x "$APT"/keys/debian-archive-keyring_*.deb "$APT/keys"
	KEYRING=$APT/keys/usr/share/keyrings/debian-archive-keyring.gpg
fi
[ -r "$KEYRING" ] || die "$KEYRING is missing: install 'debian-archive-keyring'"
cp -L "$KEYRING" "$APT/keyring.gpg"
chmod a+r "$APT/keyring.gpg"

sources >"$APT/etc/sources.list"
grep -q . "$APT/etc/sources.list" || die "this machine's apt sources name no Debian mirror"

cat >"$APT/apt.conf" <<CONF
Dir::State "$APT";
Dir::State::status "$APT/status";
Dir::State::lists "$APT/lists";
Dir::Cache::archives "$APT/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "$APT/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "$APT/etc/preferences";
Dir::Etc::preferencesparts "$APT/etc/preferences.d";
Dir::Etc::trusted "-";
Dir::Etc::trustedparts "-";
APT::Architecture "$NATIVE";
APT::Architectures { "$NATIVE"; "$GUEST"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "5";
Debug::NoLocking "true";
CONF
export APT_CONFIG=$APT/apt.conf

quietly "$APT/update.log" apt-get -q update

# The kernel's source: the newest 7.x that the suite has, never a point release.
KSRC=$(apt-cache pkgnames linux-source-7. | grep -E '^linux-source-7\.[0-9]+$' | sort -V | head -n 1)
case $KSRC in
"") die "no linux-source-7.x in $SUITE-backports on this mirror" ;;
esac
if apt-cache show linux-source-7.2 >/dev/null 2>&1; then KSRC=linux-source-7.2; fi

mapfile -t PKGS < <(sed -e 's/[[:space:]]*#.*//' -e '/^$/d' -e "s/:native$/:$NATIVE/" \
	-e "s/:guest$/:$GUEST/" "$LIST")
say "downloading packages ($KSRC, ${#PKGS[@]} others and what they need)"
# --print-uris leaves out what is there already: it gets an empty archive folder of its own.
mkdir -p "$APT/none/partial"
apt-get -qq -y -o Dir::Cache::archives="$APT/none" --print-uris install "${PKGS[@]}" \
	>"$APT/uris" 2>"$APT/uris.log" || { tail -n 20 "$APT/uris.log" >&2; die "apt finds no way to install ($APT/uris.log)"; }
apt-get -q -y --download-only install "${PKGS[@]}" "$KSRC" >"$APT/install.log" 2>&1 &
tick "$APT/install.log" $! "download" || { tail -n 20 "$APT/install.log" >&2; die "apt failed ($APT/install.log)"; }
KDEB=$(ls -t "$APT/archives/$KSRC"_*_all.deb | head -n 1)

# QEMU's source, of the very version whose binary was taken.
QDEB=$(awk '/qemu-system-arm_/ { print $2 }' "$APT/uris" | head -n 1)
QVER=$(dpkg-deb -f "$APT/archives/$QDEB" Version)
say "downloading the source of QEMU $QVER"
(cd "$APT/src" && quietly "$APT/qemu-source.log" apt-get -qq --download-only source "qemu=$QVER")

say "unpacking"
mkdir -p "$ROOT"/usr/{bin,sbin,lib,lib64}
for d in bin sbin lib lib64; do ln -sfn usr/$d "$ROOT/$d"; done
awk '{ print $2 }' "$APT/uris" | while read -r deb; do
	# apt prints names as the archive has them, with the epoch's colon as %3a.
	if [ -e "$APT/archives/$deb" ]; then
		printf '%s\0' "$APT/archives/$deb"
	else
		die "apt said it downloads $deb, and it is not there"
	fi
done >"$APT/debs"
xargs -0 -n 1 -P "$(nproc)" sh -c '
	dpkg-deb --fsys-tarfile "$2" | tar -x -C "$1" --no-same-owner --keep-directory-symlink \
		--exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale \
		--exclude=./usr/share/doc/\* --exclude=./usr/share/man/\* --exclude=./usr/share/locale/\*
' sh "$ROOT" <"$APT/debs" || die "unpacking failed"

say "finishing the root"
mkdir -p "$ROOT"/{proc,sys,dev,run,tmp,work,cache,etc,root,var/tmp,usr/src}
chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
# What maintainer scripts would have done and we need.
printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >"$ROOT/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOT/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$ROOT/etc/nsswitch.conf"
ln -sfn /run/resolv.conf "$ROOT/etc/resolv.conf"
alternative() { [ -e "$ROOT$1" ] || ln -sfn "$2" "$ROOT$1"; }
alternative /usr/bin/sh dash
alternative /usr/bin/cc gcc
alternative /usr/bin/awk gawk
alternative /usr/bin/pager more
mkdir -p "$ROOT/etc/ssl/certs"
if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
	cp -L /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
else
	find "$ROOT/usr/share/ca-certificates" -name '*.crt' -exec cat {} + \
		>"$ROOT/etc/ssl/certs/ca-certificates.crt"
fi
dpkg-deb --fsys-tarfile "$KDEB" | tar -x -C "$ROOT" --no-same-owner ./usr/src
cp "$APT/src/qemu_${QVER#*:}.dsc" "$ROOT/usr/src/"
sed -n 's/^ [0-9a-f]\{64\} [0-9]* //p' "$APT/src/qemu_${QVER#*:}.dsc" | while read -r f; do
	cp "$APT/src/$f" "$ROOT/usr/src/"
done
{
	echo "suite=$SUITE"
	echo "kernel_source=$KSRC"
	echo "kernel_version=$(dpkg-deb -f "$KDEB" Version)"
	echo "qemu_version=$QVER"
} >"$ROOT/.versions"
if [ "$(id -u)" = 0 ]; then
	chroot "$ROOT" /sbin/ldconfig
else
	unshare --user --map-root-user chroot "$ROOT" /sbin/ldconfig
fi
: >"$ROOT/.complete"
rm -rf "$APT/archives"
say "root is ready: $(du -sh "$ROOT" | cut -f1), $(tr '\n' ' ' <"$ROOT/.versions")"
echo "$ROOT"
