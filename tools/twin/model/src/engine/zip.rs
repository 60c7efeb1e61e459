// SPDX-License-Identifier: GPL-2.0

//! The ZIP engine: really compresses and decompresses.

use super::sgl::{gather, pieces, scatter};
use crate::bus::Bus;
use flate2::{
    write::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder},
    Compression,
};
use hisi_acc_hw::zip::{
    Format, Sqe, ALG_TYPE_DECOMP, SQE_SIZE, STATUS_BAD_DATA, STATUS_BUFFER, STATUS_NO_SPACE,
    STATUS_UNSUPPORTED,
};
use std::io::Write;

/// The longest input or output of one request: `HZIP_MAX_SIZE`-like bound of the model, so that a
/// descriptor cannot make it allocate without end. A guess: the in-tree driver shows no limit.
const MAX_LEN: u32 = 16 << 20;

/// What came of a request.
struct Outcome {
    /// Status for the SQE
    status: u8,
    /// Bytes taken from the source
    consumed: u32,
    /// Bytes put into the destination
    produced: u32,
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

/// Carries out a request.
pub fn run(bus: &mut dyn Bus, function: usize, alg_type: u8, raw: &mut [u8; SQE_SIZE]) {
    let mut sqe = Sqe::from_bytes(raw);
    let outcome = work(bus, function, alg_type, &sqe);
    sqe.complete(outcome.status, outcome.consumed, outcome.produced);
    *raw = sqe.to_bytes();
}

fn work(bus: &mut dyn Bus, function: usize, alg_type: u8, sqe: &Sqe) -> Outcome {
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
