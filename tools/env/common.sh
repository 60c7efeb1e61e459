# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that run on the bare machine, before the toolchain root exists. Sourced.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/hisi-acc-vfio-rs

# say TEXT…: progress, on stderr, so that stdout stays for results.
say() { printf '%s\n' "== $*" >&2; }

# complain: standard input to stderr, and to the file $WHY where somebody wants to know.
complain() { tee -a "${WHY:-/dev/null}" >&2; }

# die TEXT…: the end, with what to do about it.
die() { printf '%s\n' "error: $*" | complain; exit 1; }

# digest: a short key of standard input.
digest() { sha256sum | cut -c1-16; }

# quietly LOG CMD…: runs CMD into LOG and shows the log's end if it fails; with V=1, all as it comes.
quietly() {
	local log=$1 failed=0
	shift
	if [ -n "${V:-}" ]; then
		# Not through a pipe: its end must not be CMD's.
		: >"$log"
		tail -n +1 -f "$log" >&2 &
		"$@" >"$log" 2>&1 || failed=1
		sleep 0.2
		kill $! 2>/dev/null
		wait $! 2>/dev/null || :
		[ $failed = 0 ] || tail -n 40 "$log" >>"${WHY:-/dev/null}"
	else
		"$@" >"$log" 2>&1 || failed=1
		[ $failed = 0 ] || tail -n 40 "$log" | complain
	fi
	[ $failed = 0 ] || die "failed: $* (all of its output: $log)"
}

# tick LOG PID TEXT: one line that says the work goes on, until PID ends.
tick() {
	local log=$1 pid=$2 text=$3 begin=$SECONDS last=0
	if [ -n "${V:-}" ]; then
		tail -n +1 -f --pid="$pid" "$log" >&2
	fi
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ -t 2 ]; then
			printf '\r   %s: %d s, %d lines of log\033[K' "$text" \
				$((SECONDS - begin)) "$(wc -l <"$log")" >&2
		elif ((SECONDS - last >= 60)); then
			last=$SECONDS
			printf '   %s: %d s, %d lines of log\n' "$text" \
				$((SECONDS - begin)) "$(wc -l <"$log")" >&2
		fi
	done
	[ -t 2 ] && printf '\r\033[K' >&2
	wait "$pid"
}

# locked NAME: holds the lock NAME of the cache until this shell ends.
locked() {
	mkdir -p "$CACHE"
	exec 9>"$CACHE/$1.lock"
	flock -n 9 || { say "another run prepares '$1': waiting for it"; flock 9; }
}

# first NAME ROOT: if the folder ROOT of the cache is complete, prints it and ends the script. Else holds the
# lock NAME, to make it.
first() {
	[ -e "$2/.complete" ] || locked "$1"
	# Another run may have made it meanwhile.
	[ ! -e "$2/.complete" ] || { echo "$2"; exit 0; }
}

# alone: this tree's build folder is ours until this shell and what it starts have ended. What it
# starts does not ask again.
alone() {
	[ -z "${HISI_ACC_ALONE:-}" ] || return 0
	mkdir -p "$TOP/build"
	exec 8>"$TOP/build/.lock"
	flock -n 8 || { say "another make works in this tree: waiting for it"; flock 8; }
	export HISI_ACC_ALONE=1
}

# The plain one has no name.
if [ "${FLAVOUR:-}" = plain ]; then FLAVOUR=; fi

# SUFFIX: behind the names of what a flavour of the kernel (tools/kernel/flavour.sh) and a kernel that
# is not the toolchain root's (tools/env/kernel.sh) have for themselves.
# shellcheck disable=SC2034
SUFFIX=${FLAVOUR:+-$FLAVOUR}${KERNEL:+-$KERNEL}
