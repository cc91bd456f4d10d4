//! Hash tables with linear probing: key `u64`, then the values. A key of 0 is an empty place.
//!
//! Unigrams are an array by word index. The sign of a log-probability is free, since none is positive: it is set where no
//! longer n-gram ends with this one, so that the search may stop.

use super::binary::{Regions, f32_at, u32_at, u64_at};
use super::vocabulary::{extend, word_hash};
use crate::error::Result;

/// Longest run of taken places that is searched. At the fill that KenLM leaves (two thirds) a run of a few hundred is rare; a
/// made-up file without empty places must not keep a search busy.
const LONGEST_RUN: u64 = 1 << 16;

/// A model of hash tables.
pub(crate) struct Probing {
    words: Table,
    unigrams: usize,
    count: u64,
    /// Bytes of a log-probability, a back-off weight and perhaps a rest cost.
    value: usize,
    middles: Vec<Table>,
    longest: Table,
}

#[derive(Clone, Copy)]
struct Table {
    at: usize,
    places: u64,
    entry: u64,
}

impl Table {
    fn read(regions: &mut Regions<'_>, count: u64, factor: f32, value: u64, what: &str) -> Result<Table> {
        let places = (count + 1).max((factor * count as f32) as u64);
        let entry = 8 + value;
        Ok(Table { at: regions.take(places, entry, what)?, places, entry })
    }

    /// Where the values of a key are.
    fn find(&self, file: &[u8], key: u64) -> Option<usize> {
        let mut place = key % self.places;
        for _ in 0..LONGEST_RUN.min(self.places) {
            let at = self.at + (place * self.entry) as usize;
            match u64_at(file, at)? {
                found if found == key => return Some(at + 8),
                0 => return None,
                _ => place = if place + 1 == self.places { 0 } else { place + 1 },
            }
        }
        None
    }
}

impl Probing {
    pub fn read(regions: &mut Regions<'_>, factor: f32, rest_costs: bool) -> Result<Probing> {
        let counts = regions.counts.clone();
        let value = if rest_costs { 12 } else { 8 };
        let version = regions.cursor.u32("the vocabulary")?;
        let bound = regions.cursor.u32("the vocabulary")?;
        if version != 0 || u64::from(bound) > counts[0] + 1 {
            let what = format!("a vocabulary of version {version} with {bound} words of {}", counts[0]);
            return Err(regions.cursor.refuse(what));
        }
        let words = Table::read(regions, counts[0], factor, 4, "the vocabulary")?;
        let unigrams = regions.take(counts[0] + 1, value, "the 1-grams")?;
        let last = counts.len() - 1;
        let middles = (1..last)
            .map(|n| Table::read(regions, counts[n], factor, value, &format!("the {}-grams", n + 1)))
            .collect::<Result<Vec<_>>>()?;
        let longest = Table::read(regions, counts[last], factor, 4, "the longest n-grams")?;
        Ok(Probing { words, unigrams, count: counts[0] + 1, value: value as usize, middles, longest })
    }

    /// The index of a word; 0 if it is unknown, also where a damaged file gives an index that does not exist.
    pub fn index(&self, file: &[u8], word: &[u8]) -> u32 {
        let index = self.words.find(file, word_hash(word)).and_then(|at| u32_at(file, at));
        index.filter(|&index| u64::from(index) < self.count).unwrap_or(0)
    }

    pub fn walk(&self, file: &[u8], word: u32, context: &[u32], mut each: impl FnMut(usize, f32, f32)) {
        let values = |at: usize| Some((f32_at(file, at)?, f32_at(file, at + 4)?));
        let Some((log10, backoff)) = values(self.unigrams + word as usize * self.value) else { return };
        each(1, -log10.abs(), backoff);
        let (mut key, mut alone) = (u64::from(word), log10.is_sign_negative());
        for (n, word) in context.iter().enumerate() {
            if alone {
                return;
            }
            key = extend(key, *word);
            let Some(table) = self.middles.get(n) else {
                if let Some(log10) = self.longest.find(file, key).and_then(|at| f32_at(file, at)) {
                    each(n + 2, -log10.abs(), 0.0);
                }
                return;
            };
            let Some((log10, backoff)) = table.find(file, key).and_then(values) else { return };
            each(n + 2, -log10.abs(), backoff);
            alone = log10.is_sign_negative();
        }
    }
}
