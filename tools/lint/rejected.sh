#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Whether the compiler refuses what rejected.rs says, each for the error that it names, and takes the
# rest. Runs inside the toolchain root, when the modules have been built.
#
# usage: rejected.sh OBJECTS
set -euo pipefail
. "$(dirname "$0")/../env/common.sh"
OBJECTS=${1:?usage: rejected.sh OBJECTS}
SOURCE=$TOP/tools/lint/rejected.rs
OUT=$TOP/build/rejected
mkdir -p "$OUT"

cd "$OBJECTS"
# The command that kbuild has compiled a driver on the same crates with.
command=$(sed -n '1s/^savedcmd_[^ ]* := //p' samples/vfio_edu/.vfio_edu.o.cmd | sed -E -e 's/;.*//' \
	-e 's/ --(emit=|out-dir )[^ ]*//g' -e 's/ clippy-driver / rustc /' \
	-e "s| [^ ]*/vfio_edu\.rs| $SOURCE|")
command+=" --extern hisi_acc_hw=drivers/hw/src/libhisi_acc_hw.rmeta"
command+=" --extern hisi_acc_link=drivers/link/libhisi_acc_link.rmeta"
command+=" --extern hisi_acc_track=drivers/track/src/libhisi_acc_track.rmeta"
# try ARGUMENT…: the compiler's errors.
try() {
	RUSTC_BOOTSTRAP=1 bash -c "$command --emit=metadata=$OUT/rejected.rmeta -Aunexpected-cfgs $*" 2>&1
}

try -Dwarnings || die "rejected.rs does not compile as it is"
bad=0 count=0
while read -r name error; do
	count=$((count + 1))
	case $error in
	E*) wanted="error\[$error\]: " ;;
	*) wanted="error: $error" ;;
	esac
	if said=$(try "--cfg $name"); then
		echo "$name: it compiles"
		bad=1
	elif errors=$(grep '^error' <<<"$said" | grep -v '^error: aborting'); grep -qv "^$wanted" <<<"$errors"; then
		printf '%s: not "%s" alone:\n%s\n' "$name" "$error" "$said"
		bad=1
	fi
done < <(sed -nE 's|^#\[cfg\(([a-z_]+)\)\] // (.+)$|\1 \2|p' "$SOURCE")
[ "$count" = "$(grep -c '^#\[cfg(' "$SOURCE")" ] || die "an error is missing in rejected.rs"
exit $bad
