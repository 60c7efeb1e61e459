#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Says whether the modules can be built for a kernel, and if not why. DKMS has it in its make.log.
#
# usage: dkms-check.sh KDIR
set -uo pipefail
HOME=${HOME:-/root}
export HOME
"$(dirname "$0")/../modules.sh" --check "${1:?usage: dkms-check.sh KDIR}" || {
	echo "hisi-acc-vfio-rs: not built for $1 (see the error above)" >&2
	exit 1
}
