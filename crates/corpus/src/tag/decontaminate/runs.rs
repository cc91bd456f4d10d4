//! Runs of words and their hashes.

use crate::hash::fold;
use crate::tag::View;
use crate::tag::classes::{LETTER, NUMBER, of};

const BASE: u64 = 0xD6E8_FEB8_6659_FD93;

/// A word that counts.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its first byte.
    pub start: u32,
    /// The byte behind it.
    pub end: u32,
    /// Of its letters and numbers in lower case.
    hash: u64,
}

/// What a byte of a word adds to it: a letter or number of ASCII in lower case, or nothing.
static LOWER: [u8; 256] = {
    let mut lower = [0; 256];
    let mut i = 0;
    while i < 128 {
        let byte = i as u8;
        if byte.is_ascii_alphanumeric() {
            lower[i] = byte.to_ascii_lowercase();
        }
        i += 1;
    }
    lower
};

/// A hash of bytes that are no zeros, eight at a time.
#[derive(Default)]
struct Hasher {
    state: u64,
    /// Bytes that wait until they are eight, the first one lowest.
    waiting: u64,
    bits: u32,
}

impl Hasher {
    #[inline(always)]
    fn add(&mut self, byte: u8) {
        if self.bits == 64 {
            self.eight(0);
        }
        self.waiting |= u64::from(byte) << self.bits;
        self.bits += 8;
    }

    /// Takes the bytes that wait in, which are eight; then `waiting` does.
    #[inline(always)]
    fn eight(&mut self, waiting: u64) {
        self.state = fold(self.state ^ self.waiting, BASE);
        (self.waiting, self.bits) = (waiting, 0);
    }

    /// The hash; none if nothing came.
    #[inline(always)]
    fn finish(self) -> Option<u64> {
        (self.waiting != 0).then(|| fold(self.state ^ self.waiting, 0x9E37_79B9_7F4A_7C15) | 1)
    }
}

/// The highest bit of each of eight bytes.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Eight bytes of ASCII in lower case, of which the `bits` lowest are asked for; none if one is neither letter nor number.
#[inline(always)]
fn lower(bytes: [u8; 8], bits: u32) -> Option<u64> {
    let every = |byte: u8| u64::from_le_bytes([byte; 8]);
    let mask = u64::MAX >> (64 - bits);
    let word = u64::from_le_bytes(bytes) & mask;
    // Bytes below 128 and sums below 256: nothing is carried from one byte into the next.
    let word = if word & HIGH == 0 { word } else { return None };
    let low = word | every(0x20);
    let number = (word + every(0x80 - b'0')) & !(word + every(0x7F - b'9'));
    let letter = (low + every(0x80 - b'a')) & !(low + every(0x7F - b'z'));
    ((number | letter) & HIGH & mask == HIGH & mask).then_some(low & mask)
}

/// The hash of a word of letters and numbers of ASCII alone; none for others, and at the end of a text.
#[inline(always)]
fn plain(bytes: &[u8], start: usize, end: usize) -> Option<u64> {
    let mut hasher = Hasher::default();
    for at in (start..end).step_by(8) {
        if at > start {
            hasher.eight(0);
        }
        let bits = 8 * (end - at).min(8) as u32;
        hasher.waiting = lower(*bytes.get(at..)?.first_chunk()?, bits)?;
    }
    hasher.finish()
}

/// The words of a text as they are compared.
pub fn pieces(view: &View) -> Vec<Piece> {
    let bytes = view.text.as_bytes();
    let mut out = Vec::with_capacity(view.words.len());
    for word in view.words {
        let (start, end) = (word.start as usize, word.end as usize);
        let hash = plain(bytes, start, end).or_else(|| {
            let mut hasher = Hasher::default();
            if word.characters == word.end - word.start {
                let letters = bytes[start..end].iter().map(|byte| LOWER[usize::from(*byte)]);
                letters.filter(|&byte| byte != 0).for_each(|byte| hasher.add(byte));
            } else {
                let letters = view.word(word).chars().filter(|&c| of(c) & (LETTER | NUMBER) != 0);
                letters.flat_map(char::to_lowercase).for_each(|c| {
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|byte| hasher.add(byte));
                });
            }
            hasher.finish()
        });
        out.extend(hash.map(|hash| Piece { start: word.start, end: word.end, hash }));
    }
    out
}

/// Sums from which the hash of any run of words follows (Rabin and Karp 1987).
pub struct Sums(Vec<u64>);

impl Sums {
    /// Of the words of a text.
    pub fn new(pieces: &[Piece]) -> Sums {
        let mut sums = Vec::with_capacity(pieces.len() + 1);
        let mut sum = 0u64;
        sums.push(sum);
        sums.extend(pieces.iter().map(|piece| {
            sum = sum.wrapping_mul(BASE).wrapping_add(piece.hash);
            sum
        }));
        Sums(sums)
    }

    /// The hashes of all runs of `n` words, by their first word.
    pub fn runs(&self, n: usize) -> impl Iterator<Item = u64> + '_ {
        let power = power(n);
        self.0.windows(n + 1).map(move |sums| fold(sums[n].wrapping_sub(sums[0].wrapping_mul(power)), BASE))
    }

    /// The hash of the `n` words from `start` on, if there are so many; `power` is [`power`] of `n`.
    pub fn run(&self, start: usize, n: usize, power: u64) -> Option<u64> {
        let (first, last) = (self.0.get(start)?, self.0.get(start + n)?);
        Some(fold(last.wrapping_sub(first.wrapping_mul(power)), BASE))
    }
}

/// What a word counts in the hash of the `n` words behind it.
pub fn power(n: usize) -> u64 {
    (0..n).fold(1u64, |power, _| power.wrapping_mul(BASE))
}

/// The hashes of the beginnings of all n-grams, two bits of one word each: few words of a text begin a run like one of them.
pub struct Beginnings {
    /// Words of a beginning.
    pub words: usize,
    bits: Vec<u64>,
}

impl Beginnings {
    /// Of hashes of so many `words` each, about one in sixteen bits.
    pub fn new(words: usize, hashes: &[u64]) -> Beginnings {
        let mut new = Beginnings { words, bits: vec![0; hashes.len().div_ceil(4).next_power_of_two()] };
        for &hash in hashes {
            let (at, bits) = new.place(hash);
            new.bits[at] |= bits;
        }
        new
    }

    #[inline(always)]
    fn place(&self, hash: u64) -> (usize, u64) {
        (hash as usize & (self.bits.len() - 1), 1 << (hash >> 58) | 1 << (hash >> 52 & 63))
    }

    /// Whether an n-gram may begin with the words of this hash.
    #[inline(always)]
    pub fn has(&self, hash: u64) -> bool {
        let (at, bits) = self.place(hash);
        self.bits[at] & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Buffers;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn words_are_alike_in_letters_and_numbers(words in prop::collection::vec("[abZ09é,.'-]{1,20}", 1..12)) {
            let text = words.join(" ");
            let mut buffers = Buffers::default();
            let found = pieces(&buffers.view(&text));
            let plain = |word: &str| word.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
            let expected: Vec<String> = words.iter().map(|word| plain(word)).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(found.len(), expected.len());
            let mut hashes = HashMap::new();
            for (piece, word) in found.iter().zip(&expected) {
                prop_assert_eq!(&plain(&text[piece.start as usize..piece.end as usize]), word);
                prop_assert_eq!(*hashes.entry(word).or_insert(piece.hash), piece.hash);
            }
            let different: std::collections::HashSet<u64> = hashes.values().copied().collect();
            prop_assert_eq!(different.len(), hashes.len());
        }

        #[test]
        fn eight_bytes_are_in_lower_case_if_all_are_letters_or_numbers(bytes in any::<[u8; 8]>(), ascii in "[a-zA-Z0-9]{8}", length in 1u32..=8) {
            for bytes in [bytes, ascii.as_bytes().try_into().unwrap()] {
                let part = &bytes[..length as usize];
                let mut expected = [0; 8];
                expected[..part.len()].copy_from_slice(&part.to_ascii_lowercase());
                let expected = part.iter().all(u8::is_ascii_alphanumeric).then_some(u64::from_le_bytes(expected));
                prop_assert_eq!(lower(bytes, 8 * length), expected);
            }
        }
    }

    #[test]
    fn every_byte_of_ascii_is_told() {
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_alphanumeric().then_some(u64::from(byte.to_ascii_lowercase()));
            assert_eq!(lower([byte, 0, 0, 0, 0, 0, 0, 0], 8), expected, "{byte}");
        }
    }

    #[test]
    fn beginnings_have_what_was_put_in_and_little_else() {
        let hashes: Vec<u64> = (0..10_000).map(crate::dedup::hash::mix).collect();
        let beginnings = Beginnings::new(5, &hashes);
        assert!(hashes.iter().all(|&hash| beginnings.has(hash)));
        let others =
            (10_000..110_000).map(crate::dedup::hash::mix).filter(|&hash| beginnings.has(hash)).count();
        assert!(others < 5_000, "{others}");
        assert!(!Beginnings::new(5, &[]).has(7));
    }
}
