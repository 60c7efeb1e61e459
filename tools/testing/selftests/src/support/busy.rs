// SPDX-License-Identifier: GPL-2.0

//! A thread that reads or writes migration data without end.

use crate::differences::{NOT_MATCHING, TOO_LONG};
use acc_vfio_user::{
    errno,
    host::{self},
    vfio::{state, Device},
    Driver, Result,
};
use std::{
    fs::File,
    io::{Read, Write},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc, Arc,
    },
    thread,
};

/// A process that reads or writes a migration file a byte at a time, without end, until it gets an
/// error that is not the end for now.
pub struct Busy {
    passes: Arc<AtomicU32>,
    end: mpsc::Receiver<i32>,
}

impl Busy {
    pub fn new(mut file: File, writes: Option<Vec<u8>>) -> Self {
        let passes = Arc::new(AtomicU32::new(0));
        let (sender, end) = mpsc::channel();
        let counter = passes.clone();
        thread::spawn(move || {
            for n in 0.. {
                let error = match &writes {
                    None => errno(file.read(&mut [0])),
                    Some(bytes) if bytes.is_empty() => errno(file.write(&[])),
                    Some(bytes) => {
                        let at = n % bytes.len();
                        errno(file.write(&bytes[at..at + 1]))
                    }
                };
                // Full, or refused, by whatever driver.
                let both = [Driver::Rust, Driver::C];
                let refused = both
                    .iter()
                    .flat_map(|d| [TOO_LONG.of(*d), NOT_MATCHING.of(*d)]);
                let goes_on = error == 0
                    || match writes {
                        None => error == libc::ENOMSG,
                        Some(_) => refused.into_iter().any(|e| e == error),
                    };
                if !goes_on {
                    let _ = sender.send(error);
                    return;
                }
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { passes, end }
    }

    /// Brings a device from RUNNING to a state, and has somebody read or write its migration data
    /// there, `good` where it writes; `None` where that state has none.
    pub fn in_state(device: &Device, state: u32, good: &[u8]) -> Result<Option<Self>> {
        let mut file = None;
        // The saving file is PRE_COPY's, where there is one.
        if [state::STOP_COPY, state::PRE_COPY_P2P].contains(&state) {
            file = device.set_state(state::PRE_COPY)?;
        }
        file = device.set_state(state)?.or(file);
        let writes = (state == state::RESUMING).then(|| good.to_vec());
        let busy = file.map(|file| Self::new(file, writes));
        if let Some(busy) = &busy {
            busy.begun()?;
        }
        Ok(busy)
    }

    /// Waits until the process is at it.
    pub fn begun(&self) -> Result<()> {
        host::wait_for("the reader or writer", || {
            self.passes.load(Ordering::Relaxed) > 3
        })
    }

    /// Waits until the process has gone on from here.
    pub fn goes_on(&self) -> Result<()> {
        let before = self.passes.load(Ordering::Relaxed);
        host::wait_for("the reader or writer to go on", || {
            self.passes.load(Ordering::Relaxed) > before + 3
        })
    }

    /// Waits for the error that ended it, and returns that.
    pub fn ended(self) -> Result<i32> {
        self.end
            .recv_timeout(host::seconds(10))
            .map_err(|_| "the reader or writer does not end".into())
    }
}
