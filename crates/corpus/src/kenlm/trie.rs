//! Tries: each n-gram points at the range of longer n-grams that end with it, sorted by the word before.
//!
//! Entries are packed bit by bit: index of the word, then log-probability (31 bits, the sign is known) and back-off weight
//! (32 bits), or indices into tables of both if the model is quantised, then the begin of the range; its end is the begin
//! of the next entry's. The upper bits of range begins may be kept apart (Raj and Whittaker, "Lossless compression of
//! language model structure and word identifiers", ICASSP 2003): a table says from which entry on they have which value.
//! The words are sorted hashes; a word's index is its place, from 1.

use std::ops::Range;

use super::binary::{Regions, f32_at, u64_at};
use super::vocabulary::{is_unknown, word_hash};
use crate::error::Result;

const UNIGRAM: u64 = 16;

/// A model of tries.
pub(crate) struct Trie {
    words_at: usize,
    words: u64,
    unigrams: usize,
    levels: Vec<Level>,
}

/// N-grams of one order, from 2 up.
struct Level {
    /// Where the packed entries begin.
    at: usize,
    entries: u64,
    word_bits: u32,
    weights: Weights,
    entry_bits: u64,
    /// Of all orders but the longest.
    next: Option<Next>,
}

/// How log-probability and back-off weight are kept.
#[derive(Clone, Copy)]
enum Weights {
    Plain,
    /// Bits of an index and where its table is, for each of the two.
    Quantised {
        log10: (u32, usize),
        backoff: (u32, usize),
    },
}

/// How the begin of a range is kept.
struct Next {
    bits: u32,
    /// Where the table of the upper bits is, and its length.
    upper: Option<(usize, u64)>,
}

/// Bits that hold the numbers up to `most`.
fn bits_of(most: u64) -> u32 {
    64 - most.leading_zeros()
}

/// Up to 57 bits of the file, from a bit after `at`.
fn bits(file: &[u8], at: usize, bit: u64, count: u32) -> Option<u64> {
    let start = at.checked_add(usize::try_from(bit / 8).ok()?)?;
    Some((u64_at(file, start)? >> (bit % 8)) & ((1 << count) - 1))
}

impl Trie {
    pub fn read(regions: &mut Regions<'_>, quantised: bool, compressed: bool) -> Result<Trie> {
        let counts = regions.counts.clone();
        let last = counts.len() - 1;
        let words = regions.cursor.u64("the vocabulary")?;
        let words_at = regions.take(counts[0], 8, "the vocabulary")?;
        if words > counts[0] {
            return Err(regions.cursor.refuse(format!("{words} words among {} 1-grams", counts[0])));
        }
        let weights = if quantised { tables(regions, last)? } else { vec![Weights::Plain; last] };
        let unigrams = regions.take(counts[0] + 2, UNIGRAM, "the 1-grams")?;
        let mut limit = None;
        let mut levels = Vec::new();
        for n in 1..=last {
            let what = format!("the {}-grams", n + 1);
            let next = match counts.get(n + 1) {
                Some(&longer) if compressed => {
                    Some(upper(regions, counts[n] + 1, longer, &mut limit, &what)?)
                }
                Some(&longer) => Some(Next { bits: bits_of(longer), upper: None }),
                None => None,
            };
            let word_bits = bits_of(counts[0]);
            let weight_bits = match (weights[n - 1], n == last) {
                (Weights::Plain, false) => 63,
                (Weights::Plain, true) => 31,
                (Weights::Quantised { log10, backoff }, longest) => {
                    log10.0 + if longest { 0 } else { backoff.0 }
                }
            };
            let next_bits = next.as_ref().map_or(0, |next| next.bits);
            let entry_bits = u64::from(word_bits + weight_bits + next_bits);
            // One more entry for the end of the last range, and 8 bytes so that reading whole words stays inside.
            let length = (1 + counts[n]).checked_mul(entry_bits).map_or(u64::MAX, |all| all.div_ceil(8) + 8);
            let at = regions.take(length, 1, &what)?;
            levels.push(Level {
                at,
                entries: counts[n],
                word_bits,
                weights: weights[n - 1],
                entry_bits,
                next,
            });
        }
        Ok(Trie { words_at, words, unigrams, levels })
    }

    pub fn index(&self, file: &[u8], word: &[u8]) -> u32 {
        if is_unknown(word) {
            return 0;
        }
        let hash = word_hash(word);
        let at = |place: u64| u64_at(file, self.words_at + place as usize * 8);
        match search(0..self.words, |place| at(place).map(|found| found.cmp(&hash))) {
            Some(place) => place as u32 + 1,
            None => 0,
        }
    }

    pub fn walk(&self, file: &[u8], word: u32, context: &[u32], mut each: impl FnMut(usize, f32, f32)) {
        let at = self.unigrams + word as usize * UNIGRAM as usize;
        let unigram = || {
            Some((f32_at(file, at)?, f32_at(file, at + 4)?, u64_at(file, at + 8)?, u64_at(file, at + 24)?))
        };
        let Some((log10, backoff, begin, end)) = unigram() else { return };
        each(1, log10, backoff);
        let mut range = begin..end;
        for (n, (level, word)) in self.levels.iter().zip(context).enumerate() {
            let range_inside = range.start..range.end.min(level.entries);
            let Some(entry) = level.find(file, range_inside, *word) else { return };
            let Some((log10, backoff)) = level.weights(file, entry) else { return };
            each(n + 2, log10, backoff);
            let Some(longer) = level.longer(file, entry) else { return };
            range = longer;
        }
    }
}

/// The tables of a quantised model: a header with their bits, then for each order log-probabilities and back-off weights.
fn tables(regions: &mut Regions<'_>, orders: usize) -> Result<Vec<Weights>> {
    let header = regions.cursor.take(8, "the tables of weights")?;
    let (version, log10, backoff) = (header[0], u32::from(header[1]), u32::from(header[2]));
    if version != 2 || !(1..=25).contains(&log10) || !(1..=25).contains(&backoff) {
        let what = format!("tables of weights of version {version} with {log10} and {backoff} bits");
        return Err(regions.cursor.refuse(what));
    }
    (0..orders)
        .map(|n| {
            let log10 = (log10, regions.take(1 << log10, 4, "the table of log-probabilities")?);
            let longest = n + 1 == orders;
            let backoff = match longest {
                true => (0, 0),
                false => (backoff, regions.take(1 << backoff, 4, "the table of back-off weights")?),
            };
            Ok(Weights::Quantised { log10, backoff })
        })
        .collect()
}

/// The table of upper bits of range begins, up to `longer`, for `entries` entries. The first table says how many bits may
/// be kept apart in all of them.
fn upper(
    regions: &mut Regions<'_>,
    entries: u64,
    longer: u64,
    limit: &mut Option<u32>,
    what: &str,
) -> Result<Next> {
    let start = regions.cursor.at();
    let header = regions.file.get(start..start + 2).unwrap_or(&[u8::MAX; 2]);
    if header[0] != 0 {
        return Err(regions
            .cursor
            .refuse(format!("{what} have compressed pointers of version {}", header[0])));
    }
    let limit = *limit.get_or_insert(u32::from(header[1]));
    let needed = bits_of(longer);
    // As many bits as make table and entries smallest together, in KenLM's own wrapping arithmetic.
    let cost = |apart: u32| {
        let table = longer.checked_shr(needed - apart).unwrap_or(0).wrapping_mul(64);
        table.wrapping_sub(entries.wrapping_mul(u64::from(apart))) as i64
    };
    let mut apart = 0;
    for candidate in 1..=needed.min(limit) {
        if cost(candidate) < cost(apart) {
            apart = candidate;
        }
    }
    let length = longer.checked_shr(needed - apart).unwrap_or(0) + 1;
    regions.take(8 * (1 + length) + 7, 1, what)?;
    let aligned = start.next_multiple_of(8) + 8;
    Ok(Next { bits: needed - apart, upper: Some((aligned, length)) })
}

/// Binary search in a range that `order` orders; nothing where it fails.
fn search(range: Range<u64>, order: impl Fn(u64) -> Option<std::cmp::Ordering>) -> Option<u64> {
    let Range { mut start, mut end } = range;
    while start < end {
        let middle = start + (end - start) / 2;
        match order(middle)? {
            std::cmp::Ordering::Less => start = middle + 1,
            std::cmp::Ordering::Greater => end = middle,
            std::cmp::Ordering::Equal => return Some(middle),
        }
    }
    None
}

impl Level {
    fn find(&self, file: &[u8], range: Range<u64>, word: u32) -> Option<u64> {
        search(range, |entry| {
            let found = bits(file, self.at, entry * self.entry_bits, self.word_bits)?;
            Some(found.cmp(&u64::from(word)))
        })
    }

    fn weights(&self, file: &[u8], entry: u64) -> Option<(f32, f32)> {
        let bit = entry * self.entry_bits + u64::from(self.word_bits);
        match self.weights {
            Weights::Plain => {
                let log10 = bits(file, self.at, bit, 31)? as u32 | 1 << 31;
                let backoff = match self.next {
                    Some(_) => bits(file, self.at, bit + 31, 32)? as u32,
                    None => 0,
                };
                Some((f32::from_bits(log10), f32::from_bits(backoff)))
            }
            Weights::Quantised { log10, backoff } => {
                let look = |(count, table): (u32, usize), bit: u64| {
                    f32_at(file, table + bits(file, self.at, bit, count)? as usize * 4)
                };
                let weight = if self.next.is_some() { look(backoff, bit)? } else { 0.0 };
                Some((look(log10, bit + u64::from(backoff.0))?, weight))
            }
        }
    }

    /// The range of the n-grams that end with this one.
    fn longer(&self, file: &[u8], entry: u64) -> Option<Range<u64>> {
        let next = self.next.as_ref()?;
        let begin = |entry: u64| {
            let bit = (entry + 1) * self.entry_bits - u64::from(next.bits);
            let lower = bits(file, self.at, bit, next.bits)?;
            let Some((at, length)) = next.upper else { return Some(lower) };
            // The last place of the table that does not lie beyond the entry.
            let (mut low, mut high) = (0, length);
            while low < high {
                let middle = low + (high - low) / 2;
                if u64_at(file, at + middle as usize * 8)? <= entry {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Some(low.checked_sub(1)? << next.bits | lower)
        };
        Some(begin(entry)?..begin(entry + 1)?)
    }
}
