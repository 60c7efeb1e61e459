// SPDX-License-Identifier: GPL-2.0

//! `stream.no_memory`: each allocation of each arc fails once. The device is then in the state of
//! before, and the next try goes well with a whole stream.

use crate::support::{inject, pair::Pair};
use acc_vfio_user::{
    ensure, errno,
    migrate::{read_all, WHOLE},
    vfio::{
        state::{self, PRE_COPY, RESUMING, RUNNING, STOP, STOP_COPY},
        Device,
    },
    Driver, Result,
};
use std::{fs::File, io, io::Write};

/// A VF, and its migration file.
struct Vf<'a> {
    device: &'a Device,
    file: Option<File>,
    stream: &'a [u8],
    /// The way back to RUNNING is a reset, since a stream was loaded.
    resets: bool,
}

impl Vf<'_> {
    fn is_in(&self, states: &[u32], when: &str) -> Result<u32> {
        let now = self.device.state()?;
        ensure!(
            states.contains(&now),
            "{when}: the state is {}",
            state::name(now)
        );
        Ok(now)
    }

    /// Goes to `state`, with nothing that fails.
    fn go(&mut self, to: u32) -> Result<()> {
        if let Some(file) = self.device.set_state(to)? {
            self.file = Some(file);
        }
        Ok(())
    }

    /// Goes to where an arc begins.
    fn begin(&mut self, from: u32) -> Result<()> {
        self.file = None;
        if self.resets {
            self.device.reset()?;
        } else {
            self.device.set_state(RUNNING)?;
        }
        self.go(from)
    }

    /// What is to be read, or to be done, in the state that an arc led to.
    fn check(&mut self) -> Result<()> {
        match self.device.state()? {
            STOP_COPY => {
                let mut read = Vec::new();
                read_all(self.file.as_mut().ok_or("no file")?, &mut read)?;
                ensure!(read.len() == WHOLE, "{} bytes were read", read.len());
            }
            RESUMING => {
                let file = self.file.as_mut().ok_or("no file")?;
                file.write_all(self.stream)?;
                self.go(STOP)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// One arc.
    fn arc(&mut self, from: u32, to: u32) -> Result<u32> {
        inject::each(
            self,
            |vf| {
                vf.begin(from)?;
                match (from, &mut vf.file) {
                    (RESUMING, Some(file)) => Ok(file.write_all(vf.stream)?),
                    _ => Ok(()),
                }
            },
            |vf| vf.device.set_state(to),
            |vf, result: io::Result<Option<File>>, failed| {
                match result {
                    Ok(Some(file)) => vf.file = Some(file),
                    Ok(None) => {}
                    Err(e) => match e.raw_os_error() {
                        _ if failed.is_none() => return Err(e.into()),
                        Some(libc::ENOMEM) => {
                            vf.is_in(&[from], "after ENOMEM")?;
                            vf.go(to)?;
                        }
                        // The core cannot copy its answer, and drops the file that was opened.
                        Some(libc::EFAULT) => {
                            if vf.is_in(&[from, to], "after EFAULT")? == to {
                                return Ok(());
                            }
                            vf.go(to)?;
                        }
                        _ => return Err(format!("errno {e}").into()),
                    },
                }
                vf.is_in(&[to], "after the arc")?;
                vf.check()
            },
        )
    }

    /// `write()` of the whole stream, which loads it.
    fn write(&mut self) -> Result<u32> {
        inject::each(
            self,
            |vf| vf.begin(RESUMING),
            |vf| match &mut vf.file {
                Some(file) => errno(file.write_all(vf.stream)),
                None => libc::EBADF,
            },
            |vf, error, failed| {
                let allowed: &[i32] = match failed {
                    Some(_) => &[0, libc::ENOMEM, libc::EFAULT],
                    None => &[0],
                };
                ensure!(allowed.contains(&error), "write(): errno {error}");
                vf.is_in(&[RESUMING], "after write()")?;
                if error != 0 {
                    return vf.check();
                }
                vf.go(STOP)
            },
        )
    }
}

// Only that flavour fails on request.
case!(no_memory, flavour: Debug);
fn no_memory() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let stream = pair.migrate(true)?;
    std::mem::swap(&mut pair.source, &mut pair.target);
    let mut points = Vec::new();
    {
        let mut vf = Vf {
            device: &pair.source,
            file: None,
            stream: &stream,
            resets: false,
        };
        for (from, to) in [
            (RUNNING, PRE_COPY),
            (PRE_COPY, STOP_COPY),
            (RUNNING, STOP_COPY),
            (STOP_COPY, STOP),
            (STOP, RUNNING),
        ] {
            let n = vf
                .arc(from, to)
                .map_err(|e| format!("{} -> {}: {e}", state::name(from), state::name(to)))?;
            points.push(n);
        }
        vf.begin(RUNNING)?;
    }
    // The source was not reset: it goes on.
    pair.round()?;
    {
        let mut vf = Vf {
            device: &pair.target,
            file: None,
            stream: &stream,
            resets: true,
        };
        points.push(
            vf.arc(RUNNING, RESUMING)
                .map_err(|e| format!("to RESUMING: {e}"))?,
        );
        points.push(vf.write()?);
        points.push(
            vf.arc(RESUMING, STOP)
                .map_err(|e| format!("RESUMING -> STOP: {e}"))?,
        );
    }
    // Each file is allocated, and so is what is read and written.
    ensure!(
        [0, 2, 5, 6].iter().all(|n| points[*n] > 0),
        "so many points can fail: {points:?}"
    );
    pair.target.reset()?;
    pair.migrate(true)?;
    pair.round()
}
