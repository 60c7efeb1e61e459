# SPDX-License-Identifier: GPL-2.0
# Packages of Debian $SUITE from the machine's own apt mirrors, unpacked into a folder: downloaded
# against an empty dpkg status, maintainer scripts not run. Sourced; all is kept in $APT.

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


# apt_setup ARCHITECTURE…: apt for these, the first being its own, with fresh lists.
apt_setup() {
	mkdir -p "$APT"/{lists/partial,archives/partial,none/partial,etc/preferences.d,etc/apt.conf.d,src}
	: >"$APT/status"

	# The keys of the suite, from the machine if it has them; a Debian 12 of the first hours has them
	# in an update of this package.
	local KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
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

	cat >"$APT/apt.conf" <<-CONF
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
	APT::Architecture "$1";
	APT::Architectures { $(printf '"%s"; ' "$@")};
	APT::Install-Recommends "false";
	APT::Sandbox::User "$(id -un)";
	Acquire::Languages "none";
	Acquire::Retries "5";
	Debug::NoLocking "true";
	CONF
	export APT_CONFIG=$APT/apt.conf

	quietly "$APT/update.log" apt-get -q update
}

# apt_fetch TEXT PACKAGE… [-- PACKAGE…]: downloads them and what they need; those after -- are not
# for apt_unpack.
apt_fetch() {
	local text=$1 extra=()
	shift
	local packages=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		packages+=("$1")
		shift
	done
	[ $# -eq 0 ] || extra=("${@:2}")
	say "downloading $text (${#packages[@]} packages and what they need)"
	# --print-uris leaves out what is there already: it gets an empty archive folder of its own.
	apt-get -qq -y -o Dir::Cache::archives="$APT/none" --print-uris install "${packages[@]}" \
		>"$APT/uris" 2>"$APT/uris.log" || {
		tail -n 20 "$APT/uris.log" >&2
		die "apt finds no way to install ($APT/uris.log)"
	}
	apt-get -q -y --download-only install "${packages[@]}" "${extra[@]}" >"$APT/install.log" 2>&1 &
	tick "$APT/install.log" $! "download" || {
		tail -n 20 "$APT/install.log" >&2
		die "apt failed ($APT/install.log)"
	}
}

# apt_unpack ROOT: what apt_fetch has downloaded.
apt_unpack() {
	say "unpacking"
	mkdir -p "$1"/usr/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do ln -sfn usr/$d "$1/$d"; done
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
	' sh "$1" <"$APT/debs" || die "unpacking failed"
}
