# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that run on the bare machine, before the toolchain root exists. Sourced.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/hisi-acc-vfio-rs

# say TEXT…: progress, on stderr, so that stdout stays for results.
say() { printf '%s\n' "== $*" >&2; }

# die TEXT…: the end, with what to do about it.
die() { printf '%s\n' "error: $*" >&2; exit 1; }

# digest: a short key of standard input.
digest() { sha256sum | cut -c1-16; }

# quietly LOG CMD…: runs CMD into LOG and shows the log's end if it fails.
quietly() {
	local log=$1
	shift
	if ! "$@" >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "failed: $* (all of its output: $log)"
	fi
}

# tick LOG PID TEXT: one line that says the work goes on, till PID ends.
tick() {
	local log=$1 pid=$2 text=$3 begin=$SECONDS last=0
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

# SUFFIX: behind the names of what a flavour of the kernel has for itself (tools/kernel/flavour.sh).
# shellcheck disable=SC2034
SUFFIX=${FLAVOUR:+-$FLAVOUR}
