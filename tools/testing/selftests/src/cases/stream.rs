// SPDX-License-Identifier: GPL-2.0

//! `stream.*`: migration data by any reads and writes.

use super::{ensure, errno, pair::Pair};
use crate::{
    differences::TOO_LONG,
    migrate::{self, read_all, Quiet, MATCH, WHOLE},
    vfio::{state, Device},
    Driver, Result,
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsRawFd,
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        Barrier,
    },
    thread,
    time::Duration,
};

/// A new transfer of a device that is stopped.
pub fn saving(device: &Device) -> Result<File> {
    device.set_state(state::STOP)?;
    Ok(device.set_state(state::STOP_COPY)?.ok_or("no file")?)
}

pub fn resuming(device: &Device) -> Result<File> {
    device.set_state(state::STOP)?;
    Ok(device.set_state(state::RESUMING)?.ok_or("no file")?)
}

/// Loads what was written; what the device gives when it is saved then.
pub fn loaded(device: &Device) -> Result<Vec<u8>> {
    device.set_state(state::STOP)?;
    let mut stream = Vec::new();
    read_all(&mut saving(device)?, &mut stream)?;
    device.set_state(state::STOP)?;
    Ok(stream)
}

/// A stream but for what a target has of its own: where its queues begin (`qp_base`), and the message
/// interrupt, which both drivers open when they have loaded a state (`ifc_int_source`, `_mask`).
pub fn comparable(stream: &[u8]) -> Vec<u8> {
    let mut stream = stream.to_vec();
    for own in [20..24, 48..56] {
        if let Some(bytes) = stream.get_mut(own) {
            bytes.fill(0);
        }
    }
    stream
}

/// A source that is stopped, and what it gives each time that it is saved.
fn source(driver: Driver) -> Result<(Pair, Vec<u8>)> {
    let pair = Pair::new(driver, driver)?;
    let stream = migrate::save(&pair.source, false, &mut Quiet)?;
    ensure!(stream.len() == WHOLE, "{} bytes", stream.len());
    Ok((pair, stream))
}

/// Sizes around those of the parts and the whole.
const SIZES: [usize; 13] = [
    1,
    2,
    7,
    MATCH - 1,
    MATCH,
    MATCH + 1,
    61,
    128,
    WHOLE - 1,
    WHOLE,
    WHOLE + 1,
    4096,
    1 << 20,
];

/// Reads of any size give the same; of none, nothing.
pub fn reads(driver: Driver) -> Result<()> {
    let (pair, whole) = source(driver)?;
    for size in SIZES {
        let mut file = saving(&pair.source)?;
        let mut buffer = vec![0; size];
        let mut stream = Vec::new();
        loop {
            ensure!(file.read(&mut [])? == 0, "a read of nothing gave something");
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            // As much as there is and fits.
            let left = whole.len() - stream.len();
            ensure!(n == size.min(left), "{n} bytes of {left} by {size}");
            stream.extend_from_slice(&buffer[..n]);
        }
        ensure!(stream == whole, "by {size} bytes another stream is read");
        ensure!(file.read(&mut buffer)? == 0, "data behind the end");
    }
    Ok(())
}

/// Writes of any size load the same; what is too much is not taken.
pub fn writes(driver: Driver) -> Result<()> {
    let (pair, whole) = source(driver)?;
    let wanted = comparable(&whole);
    for size in SIZES {
        let mut file = resuming(&pair.target)?;
        let too_many = [&whole[..], &[0]].concat();
        let error = errno(file.write(&too_many));
        ensure!(
            error == TOO_LONG.of(driver),
            "{} bytes: errno {error}",
            WHOLE + 1
        );
        for piece in whole.chunks(size) {
            ensure!(file.write(&[])? == 0, "a write of nothing took something");
            let n = file.write(piece)?;
            ensure!(n == piece.len(), "{n} bytes taken of {}", piece.len());
        }
        let error = errno(file.write(&[0]));
        ensure!(
            error == TOO_LONG.of(driver),
            "a byte behind the end: errno {error}"
        );
        let loaded = loaded(&pair.target)?;
        ensure!(
            comparable(&loaded) == wanted,
            "by {size} bytes another state is loaded"
        );
    }
    Ok(())
}

/// Whether `whole` is made of the pieces of the two, each in its order: by dynamic programming over
/// how many pieces of each are used up.
fn interleaves(whole: &[u8], a: &[Vec<u8>], b: &[Vec<u8>]) -> bool {
    let starts = |pieces: &[Vec<u8>]| {
        pieces.iter().fold(vec![0], |mut sums, piece| {
            sums.push(sums[sums.len() - 1] + piece.len());
            sums
        })
    };
    let (in_a, in_b) = (starts(a), starts(b));
    let mut reachable = vec![vec![false; b.len() + 1]; a.len() + 1];
    reachable[0][0] = true;
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if !reachable[i][j] {
                continue;
            }
            let rest = &whole[in_a[i] + in_b[j]..];
            if a.get(i).is_some_and(|piece| rest.starts_with(piece)) {
                reachable[i + 1][j] = true;
            }
            if b.get(j).is_some_and(|piece| rest.starts_with(piece)) {
                reachable[i][j + 1] = true;
            }
        }
    }
    reachable[a.len()][b.len()] && in_a[a.len()] + in_b[b.len()] == whole.len()
}

/// Two readers at once, by descriptors of the same file: each byte goes to one of them, in order.
pub fn two_readers(driver: Driver) -> Result<()> {
    let (pair, whole) = source(driver)?;
    for size in [1, 3, 16] {
        let file = saving(&pair.source)?;
        let files = [file.try_clone()?, file];
        let barrier = Barrier::new(2);
        let barrier = &barrier;
        let read = |mut file: File| -> std::io::Result<Vec<Vec<u8>>> {
            let mut pieces = Vec::new();
            barrier.wait();
            loop {
                let mut piece = vec![0; size];
                match file.read(&mut piece)? {
                    0 => return Ok(pieces),
                    n => pieces.push(piece[..n].to_vec()),
                }
            }
        };
        let pieces = thread::scope(|scope| {
            files
                .map(|file| scope.spawn(move || read(file)))
                .map(|thread| thread.join())
        });
        let mut both = Vec::new();
        for result in pieces {
            both.push(result.map_err(|_| "a reader panicked")??);
        }
        ensure!(
            interleaves(&whole, &both[0], &both[1]),
            "by {size} bytes, {} and {} pieces: not each byte once",
            both[0].len(),
            both[1].len()
        );
    }
    Ok(())
}

/// Signals that the threads below have had.
static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// A signal at any time, with a handler that restarts nothing: no byte is lost or doubled.
pub fn signals(driver: Driver) -> Result<()> {
    let (pair, whole) = source(driver)?;
    // SAFETY: The handler does but count.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut());
    }
    SIGNALS.store(0, Ordering::Relaxed);
    let done = AtomicBool::new(false);
    // SAFETY: Of the thread itself.
    let me = unsafe { libc::pthread_self() };
    let again = |e: &std::io::Error| e.kind() == std::io::ErrorKind::Interrupted;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: The thread waits for this one at the end of the scope.
                unsafe { libc::pthread_kill(me, libc::SIGUSR1) };
                thread::sleep(Duration::from_micros(200));
            }
        });
        let transfer = || -> Result<()> {
            while SIGNALS.load(Ordering::Relaxed) < 50 {
                let mut file = saving(&pair.source)?;
                let mut stream = Vec::new();
                loop {
                    let mut byte = [0];
                    match file.read(&mut byte) {
                        Ok(0) => break,
                        Ok(_) => stream.push(byte[0]),
                        Err(e) if again(&e) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
                ensure!(stream == whole, "another stream was read");
                let mut file = resuming(&pair.target)?;
                let mut at = 0;
                while at < whole.len() {
                    match file.write(&whole[at..at + 1]) {
                        Ok(n) => at += n,
                        Err(e) if again(&e) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
                let now = loaded(&pair.target)?;
                ensure!(
                    comparable(&now) == comparable(&whole),
                    "another state was loaded"
                );
            }
            Ok(())
        };
        let result = transfer();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Two pages, of which the second is not there.
struct Torn(*mut u8);

const PAGE: usize = 4096;

impl Torn {
    fn new() -> Result<Self> {
        // SAFETY: A new mapping, of which the second half is taken away again.
        unsafe {
            let base = libc::mmap(
                ptr::null_mut(),
                2 * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            ensure!(base != libc::MAP_FAILED, "no memory");
            libc::mprotect(base.add(PAGE), PAGE, libc::PROT_NONE);
            Ok(Self(base.cast()))
        }
    }

    /// A buffer of which the first `n` bytes are there.
    fn with(&self, n: usize) -> *mut libc::c_void {
        // SAFETY: Within the first page.
        unsafe { self.0.add(PAGE - n).cast() }
    }
}

impl Drop for Torn {
    fn drop(&mut self) {
        // SAFETY: Mapped in `new`.
        unsafe { libc::munmap(self.0.cast(), 2 * PAGE) };
    }
}

fn count(n: isize) -> std::io::Result<usize> {
    usize::try_from(n).map_err(|_| std::io::Error::last_os_error())
}

/// A fault in the middle of the user's memory: EFAULT, and nothing is lost or taken.
pub fn user_fault(driver: Driver) -> Result<()> {
    let (pair, whole) = source(driver)?;
    let torn = Torn::new()?;
    for there in [0, 1, 50] {
        let mut file = saving(&pair.source)?;
        let mut stream = vec![0; 10];
        file.read_exact(&mut stream)?;
        // SAFETY: The kernel finds out for itself what is there of the buffer.
        let n = count(unsafe { libc::read(file.as_raw_fd(), torn.with(there), 100) });
        let error = errno(n);
        ensure!(error == libc::EFAULT, "read, {there} there: errno {error}");
        read_all(&mut file, &mut stream)?;
        ensure!(
            stream == whole,
            "after a fault with {there} bytes there another stream is read"
        );

        let mut file = resuming(&pair.target)?;
        file.write_all(&whole[..10])?;
        for (n, byte) in whole[10..10 + there].iter().enumerate() {
            // SAFETY: Before the end of the first page.
            unsafe { torn.with(there).cast::<u8>().add(n).write(!*byte) };
        }
        // SAFETY: As above.
        let n = count(unsafe { libc::write(file.as_raw_fd(), torn.with(there), 100) });
        let error = errno(n);
        ensure!(error == libc::EFAULT, "write, {there} there: errno {error}");
        file.write_all(&whole[10..])?;
        let now = loaded(&pair.target)?;
        ensure!(
            comparable(&now) == comparable(&whole),
            "after a fault with {there} bytes there another state is loaded"
        );
    }
    Ok(())
}
