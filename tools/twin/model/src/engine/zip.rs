// SPDX-License-Identifier: GPL-2.0

//! The ZIP engine: really compresses and decompresses.

use super::row::Model;
use super::sgl::{gather, pieces, scatter};
use crate::{bus::Bus, guess::Alternative};
use flate2::{
    bufread::GzDecoder,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    Compression, Decompress, FlushDecompress, Status,
};
use hisi_acc_hw::zip::{
    Format, Sqe, ALG_TYPE_DECOMP, SQE_SIZE, STATUS_BAD_DATA, STATUS_BUFFER, STATUS_NO_SPACE,
    STATUS_UNSUPPORTED,
};
use std::io::{Read, Write};

/// The longest input or output of one request, so that a descriptor cannot make the model allocate
/// without end; what is longer is refused. Guess: the in-tree driver shows no limit.
const MAX_LEN: u32 = 16 << 20;

/// So much is decompressed at once.
const CHUNK: usize = 64 << 10;

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

impl Limited {
    fn put(&mut self, data: &[u8]) -> Result<(), u8> {
        if data.len() > self.limit - self.data.len() {
            return Err(STATUS_NO_SPACE);
        }
        self.data.extend_from_slice(data);
        Ok(())
    }
}

impl Write for Limited {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        match self.put(buf) {
            Ok(()) => Ok(buf.len()),
            Err(_) => Err(std::io::ErrorKind::StorageFull.into()),
        }
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

/// Decompresses the stream that `input` begins with. Returns the output and how long the stream is:
/// what stands behind it is not looked at.
fn decompress(format: Format, input: &[u8], mut out: Limited) -> Result<(Vec<u8>, usize), u8> {
    let mut chunk = vec![0; CHUNK];
    let consumed = match format {
        Format::Deflate | Format::Zlib => {
            let mut stream = Decompress::new(format == Format::Zlib);
            loop {
                // Both are bounded by `MAX_LEN`.
                let consumed = stream.total_in() as usize;
                let before = stream.total_out();
                let status = stream
                    .decompress(&input[consumed..], &mut chunk, FlushDecompress::None)
                    .map_err(|_| STATUS_BAD_DATA)?;
                let produced = (stream.total_out() - before) as usize;
                out.put(&chunk[..produced])?;
                if status == Status::StreamEnd {
                    break stream.total_in() as usize;
                }
                // It wants more, and there is no more.
                if produced == 0 && stream.total_in() as usize == consumed {
                    return Err(STATUS_BAD_DATA);
                }
            }
        }
        Format::Gzip => {
            // It ends with the first member, and fails where the trailer is not complete.
            let mut stream = GzDecoder::new(input);
            loop {
                match stream.read(&mut chunk).map_err(|_| STATUS_BAD_DATA)? {
                    0 => break input.len() - stream.into_inner().len(),
                    produced => out.put(&chunk[..produced])?,
                }
            }
        }
    };
    Ok((out.data, consumed))
}

/// The capability registers: error types and what resets of the QM, the same of the engine, then
/// cores and algorithms (`zip_cap_query_info` of zip/zip_main.c).
const CAPABILITIES: [u32; 15] = [
    0x7c77,
    0x6c77,
    0x8,
    0x1ffe,
    0x7fe,
    0x1,
    // ZIP_CORE_INFO, ZIP_CORE_EN
    0x1205_0203,
    0x1c_0003,
    // ZIP_DRV_ALG_BITMAP: deflate (HZIP_ALG_DEFLATE), no lz4
    0x30,
    // ZIP_ALG_BITMAP, ZIP_CORE1..5_BITMAP
    0x3f,
    0xd5,
    0xd5,
    0x2a,
    0x2a,
    0x2a,
];

/// The row of ZIP. No register says that the engine is ready.
pub(super) const MODEL: Model = Model {
    capabilities: &CAPABILITIES,
    ready: |_| None,
    run: |bus, function, alg_type, raw| {
        if let Ok(raw) = raw.try_into() {
            run(bus, function, alg_type, raw);
        }
    },
};

/// What stands behind the output under [`Alternative::Speculative`].
const SPECULATIVE: u8 = 0xf1;

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
    let (source_len, dest_len) = (sqe.source_len(), sqe.dest_len());
    if source_len > MAX_LEN || dest_len > MAX_LEN {
        return Outcome::failed(STATUS_UNSUPPORTED);
    }
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
    // Guess: a source SGL that is shorter than the request is an error, as a hole in it is.
    if input.len() < source_len as usize {
        return Outcome::failed(STATUS_BUFFER);
    }
    let room: u64 = dest.iter().map(|piece| u64::from(piece.len)).sum();
    let out = Limited {
        data: Vec::new(),
        limit: usize::try_from(room.min(dest_len.into())).unwrap_or(0),
    };
    let result = if alg_type == ALG_TYPE_DECOMP {
        decompress(format, &input, out)
    } else {
        match compress(format, &input, out) {
            Ok(output) => Ok((output, input.len())),
            // Nothing else fails: what it writes to has too little room.
            Err(_) => Err(STATUS_NO_SPACE),
        }
    };
    let (output, consumed) = match result {
        Ok(done) => done,
        Err(status) => return Outcome::failed(status),
    };
    if bus.guesses().has(Alternative::Speculative) {
        let garbage = vec![SPECULATIVE; usize::try_from(room).unwrap_or(0)];
        if scatter(bus, function, &dest, &garbage).is_err() {
            return Outcome::failed(STATUS_BUFFER);
        }
    }
    if scatter(bus, function, &dest, &output).is_err() {
        return Outcome::failed(STATUS_BUFFER);
    }
    Outcome {
        status: 0,
        // Bounded by `MAX_LEN`.
        consumed: consumed as u32,
        produced: output.len() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        requests::{compressed, put_sgl},
        Machine, MEMORY,
    };
    use hisi_acc_hw::{sgl::Sge, zip::ALG_TYPE_COMP};

    const FUNCTION: usize = 2;
    const SOURCE: u64 = MEMORY;
    const DEST: u64 = MEMORY + 0x8000;
    const ROOM: u32 = 0x4000;
    const FORMATS: [Format; 3] = [Format::Deflate, Format::Zlib, Format::Gzip];

    /// Something that can be compressed, and not to almost nothing.
    fn text() -> Vec<u8> {
        (0..3000u32)
            .flat_map(|n| (n * n / 7 % 911).to_string().into_bytes())
            .collect()
    }

    fn submit(machine: &mut Machine, alg_type: u8, sqe: Sqe) -> Sqe {
        let mut raw = sqe.to_bytes();
        run(machine, FUNCTION, alg_type, &mut raw);
        Sqe::from_bytes(&raw)
    }

    /// Status, consumed, and what came out.
    fn ask(alg_type: u8, format: Format, input: &[u8], room: u32) -> (u8, u32, Vec<u8>) {
        let mut machine = Machine::new();
        machine.only = Some(FUNCTION);
        machine.put(SOURCE, input);
        let sqe = Sqe::request(format, false, SOURCE, input.len() as u32, DEST, room, 7);
        let sqe = submit(&mut machine, alg_type, sqe);
        assert!(sqe.produced() <= room);
        let output = machine.get(DEST, sqe.produced() as usize).to_vec();
        (sqe.status(), sqe.consumed(), output)
    }

    fn decompress(format: Format, input: &[u8]) -> (u8, u32, Vec<u8>) {
        ask(ALG_TYPE_DECOMP, format, input, ROOM)
    }

    const REFUSED: (u8, u32, Vec<u8>) = (STATUS_BAD_DATA, 0, Vec::new());

    #[test]
    fn there_and_back() {
        let text = text();
        for format in FORMATS {
            let (status, consumed, stream) = ask(ALG_TYPE_COMP, format, &text, ROOM);
            assert_eq!((status, consumed), (0, text.len() as u32), "{format:?}");
            assert!(stream.len() < text.len());
            let back = decompress(format, &stream);
            assert_eq!(back, (0, stream.len() as u32, text.clone()), "{format:?}");
            // Another format is none.
            for other in FORMATS.into_iter().filter(|other| *other != format) {
                assert_ne!(decompress(other, &stream).0, 0, "{format:?} as {other:?}");
            }
        }
    }

    #[test]
    fn what_stands_behind_the_stream_is_left() {
        let text = text();
        for format in FORMATS {
            let stream = compressed(format, &text);
            for trailer in [&[0u8][..], b"another", &stream, &[0xff; 1000]] {
                let input = [&stream[..], trailer].concat();
                let answer = decompress(format, &input);
                assert_eq!(answer, (0, stream.len() as u32, text.clone()), "{format:?}");
            }
        }
    }

    #[test]
    fn a_stream_that_is_cut_short_is_bad() {
        let text = &text()[..200];
        for format in FORMATS {
            let stream = compressed(format, text);
            for len in 0..stream.len() {
                assert_eq!(
                    decompress(format, &stream[..len]),
                    REFUSED,
                    "{format:?} {len}"
                );
            }
        }
    }

    /// The checksums of zlib and gzip are looked at.
    #[test]
    fn a_stream_with_an_error_is_bad() {
        for format in [Format::Zlib, Format::Gzip] {
            let stream = compressed(format, &text());
            for at in [0, 2, stream.len() / 2, stream.len() - 1] {
                let mut stream = stream.clone();
                stream[at] ^= 0x10;
                assert_eq!(decompress(format, &stream), REFUSED, "{format:?} {at}");
            }
        }
    }

    #[test]
    fn output_fits_exactly_or_not() {
        let text = text();
        let len = text.len() as u32;
        for format in FORMATS {
            let stream = compressed(format, &text);
            let of_stream = stream.len() as u32;
            for (alg_type, input, len) in [
                (ALG_TYPE_DECOMP, &stream, len),
                (ALG_TYPE_COMP, &text, of_stream),
            ] {
                let (status, consumed, output) = ask(alg_type, format, input, len);
                assert_eq!((status, consumed), (0, input.len() as u32));
                assert_eq!(output.len(), len as usize);
                for room in [0, 1, len - 1] {
                    let answer = ask(alg_type, format, input, room);
                    assert_eq!(
                        answer,
                        (STATUS_NO_SPACE, 0, Vec::new()),
                        "{format:?} {room}"
                    );
                }
            }
        }
    }

    /// More than is decompressed at once, and nothing at all
    #[test]
    fn long_and_short() {
        let mut machine = Machine::new();
        machine.memory = vec![0; 4 * CHUNK];
        for format in FORMATS {
            for text in [vec![7; 2 * CHUNK], vec![7; 2 * CHUNK + 1], vec![]] {
                let stream = compressed(format, &text);
                machine.put(SOURCE, &stream);
                let (len, dest) = (stream.len() as u32, SOURCE + CHUNK as u64);
                let sqe = Sqe::request(format, false, SOURCE, len, dest, 3 * CHUNK as u32, 0);
                let sqe = submit(&mut machine, ALG_TYPE_DECOMP, sqe);
                assert_eq!((sqe.status(), sqe.consumed()), (0, len));
                assert_eq!(machine.get(dest, sqe.produced() as usize), text);
            }
        }
    }

    #[test]
    fn too_long_a_request_is_refused() {
        let mut machine = Machine::new();
        machine.memory = vec![0; MAX_LEN as usize + 0x4_0000];
        let dest = SOURCE + u64::from(MAX_LEN);
        for (source_len, dest_len, status) in [
            (MAX_LEN, 0x4_0000, 0),
            (MAX_LEN + 1, 0x1_0000, STATUS_UNSUPPORTED),
            (u32::MAX, 0x1_0000, STATUS_UNSUPPORTED),
            (16, MAX_LEN, 0),
            (16, MAX_LEN + 1, STATUS_UNSUPPORTED),
        ] {
            machine.accesses.clear();
            let sqe = Sqe::request(Format::Zlib, false, SOURCE, source_len, dest, dest_len, 0);
            let sqe = submit(&mut machine, ALG_TYPE_COMP, sqe);
            assert_eq!(sqe.status(), status, "{source_len} {dest_len}");
            let consumed = if status == 0 { source_len } else { 0 };
            assert_eq!(sqe.consumed(), consumed);
            assert_eq!(machine.accesses.is_empty(), status != 0);
        }
    }

    #[test]
    fn lists_and_their_offsets() {
        let text = text();
        let pieces = |at: u64| {
            [(at + 0x1000, 100), (at + 0x200, 1), (at + 0x2000, 0x3000)]
                .map(|(address, len)| Sge { address, len })
        };
        let mut machine = Machine::new();
        let lists = [MEMORY + 0x1_8000, MEMORY + 0x1_9000];
        put_sgl(&mut machine, lists[0], &pieces(SOURCE), 2);
        put_sgl(&mut machine, lists[1], &pieces(DEST), 1);
        // The input begins 60 bytes into its buffer, the output 101 into its own.
        machine.put(SOURCE + 0x1000 + 60, &text[..40]);
        machine.put(SOURCE + 0x200, &text[40..41]);
        machine.put(SOURCE + 0x2000, &text[41..]);
        let len = text.len() as u32;
        let mut sqe = Sqe::request(Format::Gzip, true, lists[0], len, lists[1], 0x3000, 0);
        sqe.0[7] |= 60;
        sqe.0[8] |= 101;
        let done = submit(&mut machine, ALG_TYPE_COMP, sqe);
        assert_eq!((done.status(), done.consumed()), (0, len));
        let stream = machine.get(DEST + 0x2000, done.produced() as usize);
        assert_eq!(stream, compressed(Format::Gzip, &text));
        // The lists are shorter than that, though memory is not.
        sqe.0[4] = 0x3000 + 42;
        let done = submit(&mut machine, ALG_TYPE_COMP, sqe);
        assert_eq!((done.status(), done.consumed()), (STATUS_BUFFER, 0));
        put_sgl(&mut machine, lists[1], &pieces(DEST)[..2], 1);
        sqe.0[4] = len;
        let done = submit(&mut machine, ALG_TYPE_COMP, sqe);
        assert_eq!((done.status(), done.produced()), (STATUS_NO_SPACE, 0));
    }
}
