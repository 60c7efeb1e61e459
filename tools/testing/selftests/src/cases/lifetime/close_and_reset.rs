// SPDX-License-Identifier: GPL-2.0

//! `lifetime.close_and_reset`: a close and a reset at once.

use crate::support::{bench::Bench, pair::Pair};
use acc_vfio_user::{
    ensure, errno, host,
    vfio::{precopy_info, state},
    Driver, Result,
};
use std::{thread, time::Duration};

case!(close_and_reset, with: [Rust]);
/// D12: userspace closes a VF, with a file open, while an administrator's reset of it ends. Both
/// end the file: it must not happen twice.
///
/// The model holds some of the resets, so that the close comes before their end. When the other
/// ones end depends on the machine, so the case looks for that moment: after a close that came
/// before it the next close comes later, and after one that came behind it, earlier.
fn close_and_reset(_driver: Driver) -> Result<String> {
    const HELD: usize = 3;
    const FREE: usize = 12;
    // `pcie_flr()` waits for 100 ms
    let mut delay = Duration::from_millis(95);
    let mut step = Duration::from_millis(8);
    let (mut during, mut after) = (0, 0);
    let mut before = None;
    let bench = Bench::new(&[Driver::Rust])?;
    let reset = bench.vfs[0].path().join("reset");
    let resets = || -> Result<u64> { Ok(bench.twin.counts()?.get("vf1", "flr")) };
    let states = [state::PRE_COPY, state::STOP_COPY, state::RESUMING];
    for (n, to) in states.into_iter().cycle().take(HELD + FREE).enumerate() {
        let held = n < HELD;
        let device = bench.open(0)?;
        let file = device.set_state(to)?.ok_or("no file")?;
        bench.twin.mark()?;
        if held {
            bench.twin.fault("vf1", "reset-hold on")?;
        }
        thread::scope(|scope| {
            let reset = scope.spawn(|| std::fs::write(&reset, "1"));
            let begun = host::wait_for("the reset", || resets().is_ok_and(|n| n == 1));
            if !held {
                thread::sleep(delay);
            }
            drop(device);
            let closed_in_time = !reset.is_finished();
            bench.twin.fault("vf1", "reset-hold off")?;
            begun?;
            ensure!(closed_in_time || !held, "the reset was not held");
            let error = errno(precopy_info(&file));
            ensure!(
                [libc::EINVAL, libc::ENOTTY].contains(&error),
                "a file after its device: errno {error}"
            );
            let reset = errno(reset.join().map_err(|_| "panicked")?);
            ensure!(reset == 0, "the reset: errno {reset}");
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
        // A close resets the VF too, unless the reset has the device lock
        // (`vfio_pci_core_disable()`).
        let early = match resets()? {
            1 => true,
            2 if !held => false,
            n => return Err(format!("{n} resets, the first one held: {held}").into()),
        };
        if held {
            continue;
        }
        // The end lies between this close and the one before: from here on in smaller steps.
        if before.is_some_and(|before| before != early) {
            step = (step / 2).max(Duration::from_millis(1));
        }
        before = Some(early);
        if early {
            during += 1;
            delay += step;
        } else {
            after += 1;
            delay = delay.saturating_sub(step);
        }
    }
    drop(bench);
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()?;
    Ok(format!(
        "{HELD} closes during a held reset, {during} during a free one, {after} after it"
    ))
}
