// SPDX-License-Identifier: GPL-2.0

//! The ZIP engine: really compresses and decompresses.

use crate::bus::{Bus, Fault};
use flate2::{
    write::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder},
    Compression,
};
use hisi_acc_hw::zip::{
    Format, Sge, SglHead, Sqe, ALG_TYPE_DECOMP, SGE_MAX, SGE_SIZE, SGL_HEAD, STATUS_BAD_DATA,
    STATUS_BUFFER, STATUS_NO_SPACE, STATUS_UNSUPPORTED,
};
use std::io::Write;

/// The longest input or output of one request: `HZIP_MAX_SIZE`-like bound of the model, so that a
/// descriptor cannot make it allocate without end. A guess: the in-tree driver shows no limit.
const MAX_LEN: u32 = 16 << 20;
/// SGLs in a chain (`HISI_ACC_SGL_NR_MAX`).
const MAX_SGLS: usize = 256;

/// What came of a request.
pub struct Outcome {
    /// Status for the SQE
    pub status: u8,
    /// Bytes taken from the source
    pub consumed: u32,
    /// Bytes put into the destination
    pub produced: u32,
}

impl Outcome {
    fn failed(status: u8) -> Self {
        Self {
            status,
            consumed: 0,
            produced: 0,
        }
    }
}

/// The pieces of memory that a buffer consists of.
fn pieces(
    bus: &mut dyn Bus,
    function: usize,
    sgl: bool,
    address: u64,
    offset: u32,
    len: u32,
) -> Result<Vec<Sge>, Fault> {
    if !sgl {
        return Ok(vec![Sge { address, len }]);
    }
    let mut pieces = Vec::new();
    let mut skip = offset;
    let mut left = len;
    let mut at = address;
    for _ in 0..MAX_SGLS {
        let mut head = [0; SGL_HEAD];
        bus.read(function, at, &mut head)?;
        let head = SglHead::from_bytes(&head);
        for n in 0..u64::from(head.in_sgl.min(SGE_MAX)) {
            let mut raw = [0; SGE_SIZE];
            let entry = at
                .wrapping_add(SGL_HEAD as u64)
                .wrapping_add(n * SGE_SIZE as u64);
            bus.read(function, entry, &mut raw)?;
            let mut sge = Sge::from_bytes(&raw);
            let skipped = skip.min(sge.len);
            skip -= skipped;
            sge.address = sge.address.wrapping_add(skipped.into());
            sge.len = (sge.len - skipped).min(left);
            left -= sge.len;
            if sge.len != 0 {
                pieces.push(sge);
            }
            if left == 0 {
                return Ok(pieces);
            }
        }
        if head.next == 0 {
            break;
        }
        at = head.next;
    }
    Ok(pieces)
}

fn gather(bus: &mut dyn Bus, function: usize, pieces: &[Sge]) -> Result<Vec<u8>, Fault> {
    let mut data = Vec::new();
    for piece in pieces {
        let at = data.len();
        data.resize(at + piece.len as usize, 0);
        bus.read(function, piece.address, &mut data[at..])?;
    }
    Ok(data)
}

fn scatter(
    bus: &mut dyn Bus,
    function: usize,
    pieces: &[Sge],
    mut data: &[u8],
) -> Result<(), Fault> {
    for piece in pieces {
        let n = data.len().min(piece.len as usize);
        if n == 0 {
            break;
        }
        bus.write(function, piece.address, &data[..n])?;
        data = &data[n..];
    }
    Ok(())
}

/// Takes output up to a limit.
struct Limited {
    data: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.data.len() + buf.len() > self.limit {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.data.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn compress(format: Format, input: &[u8], out: Limited) -> std::io::Result<Vec<u8>> {
    let level = Compression::fast();
    macro_rules! run {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(out, level);
            encoder.write_all(input)?;
            encoder.finish()?
        }};
    }
    let out = match format {
        Format::Deflate => run!(DeflateEncoder),
        Format::Zlib => run!(ZlibEncoder),
        Format::Gzip => run!(GzEncoder),
    };
    Ok(out.data)
}

fn decompress(format: Format, input: &[u8], out: Limited) -> std::io::Result<Vec<u8>> {
    macro_rules! run {
        ($decoder:ident) => {{
            let mut decoder = $decoder::new(out);
            decoder.write_all(input)?;
            decoder.finish()?
        }};
    }
    let out = match format {
        Format::Deflate => run!(DeflateDecoder),
        Format::Zlib => run!(ZlibDecoder),
        Format::Gzip => run!(GzDecoder),
    };
    Ok(out.data)
}

/// Carries out a request. Nothing is written but into the destination that the SQE names.
pub fn run(bus: &mut dyn Bus, function: usize, alg_type: u8, sqe: &Sqe) -> Outcome {
    let Some(format) = sqe.format() else {
        return Outcome::failed(STATUS_UNSUPPORTED);
    };
    let source_len = sqe.source_len().min(MAX_LEN);
    let dest_len = sqe.dest_len().min(MAX_LEN);
    let sgl = sqe.is_sgl();
    let source = pieces(
        bus,
        function,
        sgl,
        sqe.source(),
        sqe.source_offset(),
        source_len,
    );
    let dest = pieces(bus, function, sgl, sqe.dest(), sqe.dest_offset(), dest_len);
    let (Ok(source), Ok(dest)) = (source, dest) else {
        return Outcome::failed(STATUS_BUFFER);
    };
    let Ok(input) = gather(bus, function, &source) else {
        return Outcome::failed(STATUS_BUFFER);
    };
    let room: u64 = dest.iter().map(|piece| u64::from(piece.len)).sum();
    let out = Limited {
        data: Vec::new(),
        limit: usize::try_from(room.min(dest_len.into())).unwrap_or(0),
    };
    let result = if alg_type == ALG_TYPE_DECOMP {
        decompress(format, &input, out)
    } else {
        compress(format, &input, out)
    };
    let output = match result {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::StorageFull => {
            return Outcome::failed(STATUS_NO_SPACE)
        }
        Err(_) => return Outcome::failed(STATUS_BAD_DATA),
    };
    if scatter(bus, function, &dest, &output).is_err() {
        return Outcome::failed(STATUS_BUFFER);
    }
    Outcome {
        status: 0,
        // Bounded by `MAX_LEN`.
        consumed: input.len() as u32,
        produced: output.len() as u32,
    }
}
