// SPDX-License-Identifier: GPL-2.0

//! Descriptors as words: 32 bits each, little endian.

/// The words that bytes are; those that are not there are 0.
pub(crate) fn from_bytes<const WORDS: usize>(bytes: &[u8]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, raw) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        if let Some(raw) = raw.first_chunk::<4>() {
            *word = u32::from_le_bytes(*raw);
        }
    }
    words
}

/// The address that two words hold.
pub(crate) const fn address(low: u32, high: u32) -> u64 {
    // CAST: Widen.
    low as u64 | ((high as u64) << 32)
}

/// The bytes that words are, as many as there is room for.
pub(crate) fn to_bytes<const BYTES: usize>(words: &[u32]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (raw, word) in bytes.chunks_exact_mut(4).zip(words) {
        for (to, from) in raw.iter_mut().zip(word.to_le_bytes()) {
            *to = from;
        }
    }
    bytes
}
