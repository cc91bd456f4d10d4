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

/// A hash of bytes that are no zeros, which come one by one.
struct Hasher {
    state: u64,
    /// Bytes that wait until they are eight.
    waiting: u64,
}

impl Hasher {
    fn new() -> Hasher {
        Hasher { state: 0, waiting: 0 }
    }

    #[inline(always)]
    fn add(&mut self, byte: u8) {
        if self.waiting >> 56 != 0 {
            self.state = fold(self.state ^ self.waiting, BASE);
            self.waiting = 0;
        }
        self.waiting = self.waiting << 8 | u64::from(byte);
    }

    /// The hash; none if nothing came.
    #[inline(always)]
    fn finish(self) -> Option<u64> {
        (self.waiting != 0).then(|| fold(self.state ^ self.waiting, 0x9E37_79B9_7F4A_7C15) | 1)
    }
}

/// The words of a text as they are compared.
pub fn pieces(view: &View) -> Vec<Piece> {
    let bytes = view.text.as_bytes();
    let mut out = Vec::with_capacity(view.words.len());
    for word in view.words {
        let mut hasher = Hasher::new();
        if word.characters == word.end - word.start {
            for byte in &bytes[word.start as usize..word.end as usize] {
                let lower = LOWER[usize::from(*byte)];
                if lower != 0 {
                    hasher.add(lower);
                }
            }
        } else {
            let letters = view.word(word).chars().filter(|&c| of(c) & (LETTER | NUMBER) != 0);
            letters.flat_map(char::to_lowercase).for_each(|c| {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().for_each(|byte| hasher.add(byte));
            });
        }
        out.extend(hasher.finish().map(|hash| Piece { start: word.start, end: word.end, hash }));
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

/// The hashes of the beginnings of all n-grams, as bits: few words of a text begin a run like one of them.
pub struct Beginnings {
    /// Words of a beginning.
    pub words: usize,
    bits: Vec<u64>,
    /// Bits of a hash that are not looked at.
    shift: u32,
}

impl Beginnings {
    /// Of hashes of so many `words` each, about one in sixteen bits.
    pub fn new(words: usize, hashes: &[u64]) -> Beginnings {
        let bits = (16 * hashes.len()).next_power_of_two().max(64);
        let mut new = Beginnings { words, bits: vec![0; bits / 64], shift: 64 - bits.trailing_zeros() };
        for &hash in hashes {
            let at = new.place(hash);
            new.bits[at / 64] |= 1 << (at % 64);
        }
        new
    }

    fn place(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    /// Whether an n-gram may begin with the words of this hash.
    #[inline(always)]
    pub fn has(&self, hash: u64) -> bool {
        let at = self.place(hash);
        self.bits[at / 64] >> (at % 64) & 1 != 0
    }
}
