// SPDX-License-Identifier: GPL-2.0

//! `stream.*`: migration data by any reads and writes.

use crate::{
    differences::TOO_LONG,
    support::{
        pair::Pair,
        streams::{comparable, loaded, resuming, saving},
    },
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{self, read_all, Quiet, MATCH, WHOLE},
    Driver, Result,
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsRawFd,
    ptr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

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

case!(reads, with: [Rust, C], hardware: Some(2));
/// Reads of any size give the same; of none, nothing.
fn reads(driver: Driver) -> Result<()> {
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

case!(writes, with: [Rust, C], hardware: Some(2));
/// Writes of any size load the same; what is too much is not taken.
fn writes(driver: Driver) -> Result<()> {
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

/// Where two threads meet again and again. They spin, so that both go on at the same moment.
struct Meeting(AtomicU32);

impl Meeting {
    /// Waits for the other one, for the `n`th time, from 1 on.
    fn wait(&self, n: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
        let mut turns = 0u32;
        while (self.0.load(Ordering::SeqCst) as usize) < 2 * n {
            turns += 1;
            // There may be one CPU only.
            if turns % (1 << 12) == 0 {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

case!(two_readers, with: [Rust, C], hardware: Some(2));
/// Two readers at once, by descriptors of the same file. In each round each of them reads once, at
/// the same time: so long as there is something for both, each gets a piece, and the two pieces are
/// what comes next, in one order or the other.
fn two_readers(driver: Driver) -> Result<()> {
    const TIMES: usize = 20;
    let (pair, whole) = source(driver)?;
    for size in [1, 3, 16, 61] {
        for _ in 0..TIMES {
            read_by_two(saving(&pair.source)?, &whole, size)
                .map_err(|e| format!("by {size} bytes: {e}"))?;
        }
    }
    Ok(())
}

fn read_by_two(file: File, whole: &[u8], size: usize) -> Result<()> {
    let files = [file.try_clone()?, file];
    let rounds = whole.len().div_ceil(2 * size) + 1;
    let meeting = Meeting(AtomicU32::new(0));
    let meeting = &meeting;
    let read = |mut file: File| -> Vec<std::io::Result<Vec<u8>>> {
        let one = |round| {
            let mut piece = vec![0; size];
            meeting.wait(round);
            let n = file.read(&mut piece)?;
            piece.truncate(n);
            Ok(piece)
        };
        // All of them, whatever comes: the other one waits for this one.
        (1..=rounds).map(one).collect()
    };
    let [a, b] = thread::scope(|scope| {
        files
            .map(|file| scope.spawn(move || read(file)))
            .map(|thread| thread.join())
    });
    let (a, b) = (a.map_err(|_| "panicked")?, b.map_err(|_| "panicked")?);
    let mut rest = whole;
    for (round, (a, b)) in a.into_iter().zip(b).enumerate() {
        let (a, b) = (a?, b?);
        let (now, then) = rest.split_at(rest.len().min(2 * size));
        ensure!(
            [[&a[..], &b].concat(), [&b[..], &a].concat()].contains(&now.to_vec()),
            "round {round}: {a:x?} and {b:x?} of {now:x?}"
        );
        let both = !a.is_empty() && !b.is_empty();
        ensure!(
            both || now.len() <= size,
            "round {round}: one of them got nothing"
        );
        rest = then;
    }
    ensure!(rest.is_empty(), "{} bytes were read by nobody", rest.len());
    Ok(())
}

/// Signals that the threads below have had.
static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// One read or write while signals come: what it came to, and whether one came between its begin
/// and its end.
fn signalled(transfer: impl FnOnce() -> std::io::Result<usize>) -> (std::io::Result<usize>, bool) {
    let before = SIGNALS.load(Ordering::SeqCst);
    let result = transfer();
    (result, SIGNALS.load(Ordering::SeqCst) != before)
}

/// Does `transfer` while another thread reads or writes nothing, over and over: it has the file's
/// lock now and then.
fn contended<R>(nothing: impl Fn() + Sync, transfer: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                nothing();
            }
        });
        let result = transfer();
        done.store(true, Ordering::Relaxed);
        result
    })
}

case!(signals, with: [Rust, C], hardware: Some(2));
/// Signals at any time, with a handler that restarts nothing, while another thread has the file's
/// lock now and then: each read gives all that it was asked for, or EINTR and then nothing has
/// moved; each write the same. So many of each were hit.
fn signals(driver: Driver) -> Result<()> {
    const HIT: u32 = 10;
    const PIECES: [usize; 3] = [7, 61, WHOLE];
    let (pair, whole) = source(driver)?;
    // SAFETY: The handler does but count.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut());
    }
    let done = AtomicBool::new(false);
    // SAFETY: Of the thread itself.
    let me = unsafe { libc::pthread_self() };
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: The thread waits for this one at the end of the scope.
                unsafe { libc::pthread_kill(me, libc::SIGUSR1) };
                thread::sleep(Duration::from_micros(200));
            }
        });
        let transfer = || -> Result<()> {
            let begin = Instant::now();
            let mut hits = [0; 2];
            while hits.iter().any(|n| *n < HIT) {
                ensure!(
                    begin.elapsed() < host::seconds(60),
                    "reads and writes that a signal hit: {hits:?}, {HIT} of each wanted"
                );
                for piece in PIECES {
                    let file = saving(&pair.source)?;
                    let nothing = || drop((&file).read(&mut []));
                    hits[0] += contended(nothing, || read_all_of(&file, &whole, piece))?;
                    let file = resuming(&pair.target)?;
                    let nothing = || drop((&file).write(&[]));
                    hits[1] += contended(nothing, || write_all_of(&file, &whole, piece))?;
                    let now = loaded(&pair.target)?;
                    ensure!(
                        comparable(&now) == comparable(&whole),
                        "another state was loaded"
                    );
                }
            }
            Ok(())
        };
        let result = transfer();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Whether a transfer is to be made again: after EINTR. `n` bytes were to go through.
fn again(result: std::io::Result<usize>, n: usize) -> Result<bool> {
    match result {
        Ok(done) if done == n => Ok(false),
        Ok(done) => Err(format!("{done} bytes of {n}").into()),
        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// Reads a stream by pieces; how many reads a signal hit.
fn read_all_of(mut file: &File, whole: &[u8], piece: usize) -> Result<u32> {
    let (mut at, mut hits) = (0, 0);
    let mut buffer = vec![0; piece];
    loop {
        let left = whole.len() - at;
        let (result, hit) = signalled(|| file.read(&mut buffer));
        hits += u32::from(hit);
        let n = left.min(piece);
        if again(result, n)? {
            continue;
        }
        ensure!(
            buffer[..n] == whole[at..at + n],
            "at {at} other bytes were read"
        );
        at += n;
        if n == 0 {
            return Ok(hits);
        }
    }
}

/// Writes one by pieces; how many writes a signal hit.
fn write_all_of(mut file: &File, whole: &[u8], piece: usize) -> Result<u32> {
    let mut hits = 0;
    for piece in whole.chunks(piece) {
        loop {
            let (result, hit) = signalled(|| file.write(piece));
            hits += u32::from(hit);
            if !again(result, piece.len())? {
                break;
            }
        }
    }
    Ok(hits)
}

/// Two pages, of which the second is not there.
struct Torn(*mut u8);

/// A page of any kernel, or several of them.
const PAGE: usize = 64 << 10;

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

case!(user_fault, with: [Rust, C], hardware: Some(2));
/// A fault in the middle of the user's memory: EFAULT, and nothing is lost or taken.
fn user_fault(driver: Driver) -> Result<()> {
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
