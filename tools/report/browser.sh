#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Opens the page of the results in a headless Chromium, light and dark, and checks what it shows. Runs on
# the bare machine: the toolchain root has no browser. Without a browser, or without a page, nothing is
# tested, and the script says so.
#
# usage: browser.sh [PAGE [FOLDER]]     takes the screenshots FOLDER/light.png and FOLDER/dark.png, of the
#                                       SIZE (pixels of the page: 1200,1500) and the SCALE (1)
set -uo pipefail
. "$(dirname "$0")/../env/common.sh"
. "$(dirname "$0")/../testing/result.sh"

PAGE=$(realpath -m "${1:-$TOP/build/report.html}")
OUT=${2:-$TOP/build/report}

CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
	echo "skipped: no chromium on this machine (apt-get install chromium)"
	exit 0
}
[ -e "$PAGE" ] || {
	echo "skipped: no $PAGE: run 'make report' first"
	exit 0
}
mkdir -p "$OUT"
PROFILE=$(mktemp -d)
trap 'rm -rf "$PROFILE"' EXIT

# browse ARGUMENT…: opens the page. No name resolves, so that the page has nothing but itself.
browse() {
	timeout 120 "$CHROMIUM" --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
		--user-data-dir="$PROFILE" --host-resolver-rules='MAP * ~NOTFOUND' --virtual-time-budget=5000 \
		--enable-logging=stderr --window-size="${SIZE:-1200,1500}" \
		--force-device-scale-factor="${SCALE:-1}" "$@" "file://$PAGE" 2>"$OUT/chromium.log"
}

browse --dump-dom >"$OUT/dom.html"
if grep -q '<h1>hisi-acc-vfio-rs: test results</h1>' "$OUT/dom.html"; then
	result "the browser shows the page"
else
	result "the browser shows the page" "$(tail -n 5 "$OUT/chromium.log")"
fi
# As many results as in the file: nothing broke the tables.
count() { grep -o 'data-case="' "$1" | wc -l; }
if [ "$(count "$OUT/dom.html")" = "$(count "$PAGE")" ] && [ "$(count "$PAGE")" != 0 ]; then
	result "the browser has all results"
else
	result "the browser has all results" "$(count "$OUT/dom.html") of $(count "$PAGE")"
fi
if grep -q 'CONSOLE' "$OUT/chromium.log"; then
	result "the browser does not complain" "$(grep CONSOLE "$OUT/chromium.log")"
else
	result "the browser does not complain"
fi
browse --screenshot="$OUT/light.png" --blink-settings=preferredColorScheme=1
browse --screenshot="$OUT/dark.png" --blink-settings=preferredColorScheme=0
for scheme in light dark; do
	if head -c 8 "$OUT/$scheme.png" 2>/dev/null | grep -qa PNG; then
		result "a screenshot, $scheme: $OUT/$scheme.png"
	else
		result "a screenshot, $scheme" "$(tail -n 5 "$OUT/chromium.log")"
	fi
done
if cmp -s "$OUT/light.png" "$OUT/dark.png"; then
	result "light and dark differ" "the screenshots are the same"
else
	result "light and dark differ"
fi
finish
