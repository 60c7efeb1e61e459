// SPDX-License-Identifier: GPL-2.0

//! Guests whose init is systemd.

use crate::machine::OUTPUT_TO_PORT;

/// Returns the task of the first init: it has Debian made ready, and hands the machine on to
/// systemd, which does the other task at the end of its boot.
///
/// If Debian cannot be made ready, the other task is done at once. It fails then.
pub fn boots_systemd(task: &str) -> String {
    format!(
        "{OUTPUT_TO_PORT}\
cat >/then <<'END OF TASK'
#!/bin/sh
export RUST_BACKTRACE=1
{task}echo '<1>acc-selftest: end' >/dev/kmsg
systemctl poweroff --force --force
END OF TASK
acc-selftest install
ready=$?
exec </dev/null >/dev/ttyAMA0 2>&1
if [ $ready = 0 ]; then
	mkdir -p /debian/usr/local/bin
	cp /bin/acc-selftest /debian/usr/local/bin/
	cp /then /debian/usr/local/bin/then
	chmod 755 /debian/usr/local/bin/then
	cat >/debian/etc/systemd/system/then.service <<'END OF UNIT'
[Unit]
Description=Cases
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/bin/then
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
END OF UNIT
	ln -s ../then.service /debian/etc/systemd/system/multi-user.target.wants/then.service
	exec switch_root /debian /lib/systemd/systemd
fi
. /then
poweroff -f
"
    )
}
