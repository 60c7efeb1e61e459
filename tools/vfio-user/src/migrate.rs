// SPDX-License-Identifier: GPL-2.0

//! A migration, as QEMU makes it.

use crate::{
    errno,
    vfio::{precopy_info, state, Device},
    Result,
};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
};

/// The length of the match data (`QM_MATCH_SIZE`) and of a whole stream.
pub const MATCH: usize = 40;
pub const WHOLE: usize = 176;

/// Gets each state that is entered, to show it.
pub trait Watch {
    fn entered(&mut self, who: &str, state: u32, bytes: usize) -> Result<()>;
}

/// Shows nothing.
pub struct Quiet;

impl Watch for Quiet {
    fn entered(&mut self, _who: &str, _state: u32, _bytes: usize) -> Result<()> {
        Ok(())
    }
}

/// Reads what there is: the end, or in PRE_COPY the end for now (ENOMSG).
pub fn read_all(file: &mut File, stream: &mut Vec<u8>) -> Result<usize> {
    let before = stream.len();
    let mut piece = [0; 61];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => stream.extend_from_slice(&piece[..n]),
            Err(e) if e.raw_os_error() == Some(libc::ENOMSG) => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(format!("read of the migration data: {e}").into()),
        }
    }
    Ok(stream.len() - before)
}

/// Stops a device and saves it. `precopy`: by way of PRE_COPY.
pub fn save(source: &Device, precopy: bool, watch: &mut dyn Watch) -> Result<Vec<u8>> {
    let mut stream = Vec::new();
    let mut file = if precopy {
        let mut file = source
            .set_state(state::PRE_COPY)?
            .ok_or("PRE_COPY gave no file")?;
        let (initial, dirty) = precopy_info(&file)?;
        if (initial, dirty) != (MATCH as u64, 0) {
            return Err(format!("precopy info: {initial} initial, {dirty} dirty bytes").into());
        }
        let n = read_all(&mut file, &mut stream)?;
        if n != MATCH || precopy_info(&file)?.0 != 0 {
            return Err(format!("{n} bytes in PRE_COPY, {MATCH} expected").into());
        }
        watch.entered("source", state::PRE_COPY, n)?;
        if source.set_state(state::STOP_COPY)?.is_some() {
            return Err("PRE_COPY -> STOP_COPY gave a second file".into());
        }
        file
    } else {
        source
            .set_state(state::STOP_COPY)?
            .ok_or("STOP_COPY gave no file")?
    };
    let n = read_all(&mut file, &mut stream)?;
    watch.entered("source", state::STOP_COPY, n)?;
    // The end stays the end.
    let mut more = [0; 8];
    if file.read(&mut more)? != 0 {
        return Err("there are data behind the end".into());
    }
    source.set_state(state::STOP)?;
    watch.entered("source", state::STOP, 0)?;
    Ok(stream)
}

/// Loads a stream and lets the device run.
pub fn load(target: &Device, stream: &[u8], watch: &mut dyn Watch) -> Result<()> {
    load_then(target, stream, watch, || Ok(()))
}

/// Loads a stream, does something, and lets the device run.
pub fn load_then(
    target: &Device,
    stream: &[u8],
    watch: &mut dyn Watch,
    then: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut file = target
        .set_state(state::RESUMING)?
        .ok_or("RESUMING gave no file")?;
    // In pieces of an odd size, as a socket delivers them.
    for piece in stream.chunks(37) {
        file.write_all(piece)
            .map_err(|e| format!("write of the migration data: {e}"))?;
    }
    watch.entered("target", state::RESUMING, stream.len())?;
    then()?;
    target.set_state(state::STOP)?;
    watch.entered("target", state::STOP, 0)?;
    target.set_state(state::RUNNING)?;
    watch.entered("target", state::RUNNING, 0)?;
    Ok(())
}

/// Feeds a stream to a device that is RUNNING, whole. The error of the write, and of leaving
/// RESUMING.
pub fn offer(target: &Device, stream: &[u8]) -> Result<(i32, i32)> {
    let mut file = target
        .set_state(state::RESUMING)?
        .ok_or("RESUMING gave no file")?;
    let write = errno(file.write_all(stream));
    let stop = errno(target.set_state(state::STOP).map(|_| ()));
    Ok((write, stop))
}
