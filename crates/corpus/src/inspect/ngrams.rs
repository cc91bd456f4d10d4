//! Exact counts of word n-grams in bounded memory.
//!
//! Words are what stands between white space (Unicode), letter case kept or not. An n-gram lies within one document. All
//! threads read the texts and put each n-gram into a table by its hash, where equality is checked on the words
//! themselves, so counts are exact. When the tables are full, the part of the range of hashes that is counted is halved:
//! what lies above is forgotten and counted by a later pass over the texts. So memory stays within what was allowed,
//! the number of passes follows from it and, now and then, from which thread came first; the counts depend on neither.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;

use super::error::{Error, Result};
use crate::corpus::Corpus;
use crate::dedup::hash::{hash64, mix, step};

/// Tables that are locked one by one.
const TABLES: usize = 64;
/// Documents that a thread reads at a time.
const PIECE: usize = 256;
/// N-grams for one table that a thread collects before it locks it.
const BATCH: usize = 256;
/// Words of the longest n-gram.
const MOST: usize = 64;
/// Least slots of a table.
const LEAST: usize = 1 << 6;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// Words of an n-gram, 1 to 64.
    pub n: usize,
    /// How many of the most frequent are given, at least 1.
    pub top: usize,
    /// Least count of those.
    pub min: u64,
    /// Whether upper and lower case are one (by the simple lower case of each character).
    pub lower: bool,
    /// Bytes for the tables.
    pub memory: u64,
}

/// One n-gram.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ngram {
    /// Its words with a space between them.
    pub text: String,
    /// How often it occurs.
    pub count: u64,
}

/// All that was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// N-grams, each occurrence counted.
    pub total: u64,
    /// Different ones.
    pub distinct: u64,
    /// Those that occur at least `min` times.
    pub frequent: u64,
    /// Passes over the texts; no part of the result, which is the same however many there were.
    #[serde(skip)]
    pub passes: u64,
    /// The most frequent ones: by count down, then by text.
    pub ngrams: Vec<Ngram>,
}

/// Where an n-gram stands: hash, document, offset of its first word.
#[derive(Clone, Copy, Default)]
struct Seen {
    hash: u64,
    ordinal: u32,
    offset: u32,
}

/// A slot of a table; a count of 0 is a free one.
#[derive(Clone, Copy, Default)]
struct Slot {
    seen: Seen,
    count: u64,
}

/// Open addressing with linear probing, at most three quarters full.
struct Table {
    slots: Vec<Slot>,
    filled: usize,
}

/// Count the n-grams of the kept texts.
///
/// # Errors
/// [`Error::Setting`] for a setting out of range, [`Error::Corpus`] for a damaged corpus.
pub fn ngrams(corpus: &Corpus, counting: &Counting) -> Result<Counted> {
    let bad = |name, value: usize, expected| Err(Error::Setting { name, value: value.to_string(), expected });
    if !(1..=MOST).contains(&counting.n) {
        return bad("n", counting.n, "1 to 64");
    }
    if counting.top == 0 {
        return bad("top", 0, "at least 1");
    }
    let slots = (counting.memory / (TABLES * size_of::<Slot>()) as u64).min(1 << 40) as usize;
    if slots < LEAST {
        return Err(Error::Setting {
            name: "memory",
            value: counting.memory.to_string(),
            expected: "at least 98304 bytes",
        });
    }
    let kept: Vec<u32> = corpus.kept().collect();
    let mut out = Counted::default();
    let mut best: BinaryHeap<Reverse<(u64, Reverse<String>)>> = BinaryHeap::new();
    let mut low = 0u64;
    loop {
        let pass = Pass {
            corpus,
            counting,
            low,
            high: AtomicU64::new(u64::MAX),
            total: AtomicU64::new(0),
            tables: (0..TABLES).map(|_| Mutex::new(Table::new(slots))).collect(),
        };
        kept.par_chunks(PIECE).try_for_each(|some| pass.read(some))?;
        let high = pass.high.load(Ordering::Relaxed);
        out.passes += 1;
        out.total = pass.total.load(Ordering::Relaxed);
        for table in pass.tables {
            let table = table.into_inner().unwrap_or_else(PoisonError::into_inner);
            for slot in table.slots.iter().filter(|slot| slot.count > 0 && slot.seen.hash <= high) {
                out.distinct += 1;
                if slot.count < counting.min {
                    continue;
                }
                out.frequent += 1;
                let full = best.len() == counting.top;
                if full && best.peek().is_some_and(|Reverse((least, _))| slot.count < *least) {
                    continue;
                }
                let text = words(corpus, slot.seen, counting);
                best.push(Reverse((slot.count, Reverse(text))));
                if full {
                    best.pop();
                }
            }
        }
        if high == u64::MAX {
            break;
        }
        low = high + 1;
    }
    let mut ngrams: Vec<Ngram> =
        best.into_iter().map(|Reverse((count, Reverse(text)))| Ngram { text, count }).collect();
    ngrams.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    out.ngrams = ngrams;
    Ok(out)
}

/// One pass over the texts: counts the n-grams whose hash is in `low..=high`.
struct Pass<'p> {
    corpus: &'p Corpus,
    counting: &'p Counting,
    low: u64,
    /// Only ever falls.
    high: AtomicU64,
    total: AtomicU64,
    tables: Vec<Mutex<Table>>,
}

impl Pass<'_> {
    fn read(&self, documents: &[u32]) -> Result<()> {
        let n = self.counting.n;
        let mut batches: Vec<Vec<Seen>> = (0..TABLES).map(|_| Vec::with_capacity(BATCH)).collect();
        let mut total = 0;
        let mut ring = [(0u64, 0u32); MOST];
        for &ordinal in documents {
            let text = self.corpus.text(ordinal)?.unwrap_or_default();
            for (i, word) in text.split_whitespace().enumerate() {
                let offset = (word.as_ptr() as usize - text.as_ptr() as usize) as u32;
                ring[i % n] = (hash(word, self.counting.lower), offset);
                if i + 1 < n {
                    continue;
                }
                total += 1;
                let first = (i + 1) % n;
                let state = (0..n).fold(0, |state, k| step(state, ring[(first + k) % n].0));
                let seen = Seen { hash: mix(state), ordinal, offset: ring[first].1 };
                if seen.hash < self.low || seen.hash > self.high.load(Ordering::Relaxed) {
                    continue;
                }
                let table = (seen.hash % TABLES as u64) as usize;
                batches[table].push(seen);
                if batches[table].len() == BATCH {
                    self.put(table, &mut batches[table]);
                }
            }
        }
        for (table, batch) in batches.iter_mut().enumerate() {
            self.put(table, batch);
        }
        self.total.fetch_add(total, Ordering::Relaxed);
        Ok(())
    }

    fn put(&self, table: usize, batch: &mut Vec<Seen>) {
        let mut table = self.tables[table].lock().unwrap_or_else(PoisonError::into_inner);
        for seen in batch.drain(..) {
            if seen.hash > self.high.load(Ordering::Relaxed) {
                continue;
            }
            table.add(seen, 1, |a, b| same(self.corpus, a, b, self.counting));
            if table.filled * 4 >= table.slots.len() * 3 {
                self.narrow(&mut table);
            }
        }
    }

    /// Make room in a table: lower the end of the range until half of the table's slots are free.
    fn narrow(&self, table: &mut Table) {
        loop {
            let high = self.high.load(Ordering::Relaxed);
            let left = table.slots.iter().filter(|slot| slot.count > 0 && slot.seen.hash <= high).count();
            // A range of one hash cannot be halved: then the table stays as full as it is, and grows.
            if left * 2 <= table.slots.len() || high <= self.low {
                let grow = left * 2 > table.slots.len();
                table.keep(high, if grow { 2 } else { 1 });
                return;
            }
            self.high.fetch_min(self.low + (high - self.low) / 2, Ordering::Relaxed);
        }
    }
}

impl Table {
    fn new(slots: usize) -> Table {
        Table { slots: vec![Slot::default(); slots], filled: 0 }
    }

    fn add(&mut self, seen: Seen, count: u64, same: impl Fn(Seen, Seen) -> bool) {
        // The low bits chose the table.
        let mut at = ((u128::from(seen.hash.rotate_right(32)) * self.slots.len() as u128) >> 64) as usize;
        loop {
            let slot = &mut self.slots[at];
            if slot.count == 0 {
                *slot = Slot { seen, count };
                self.filled += 1;
                return;
            }
            if slot.seen.hash == seen.hash && same(slot.seen, seen) {
                slot.count += count;
                // The next one is compared with this one, so no place is read more than twice, however much white space it has.
                slot.seen = seen;
                return;
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    /// Forget what lies above `high`, in a table `factor` times as large.
    fn keep(&mut self, high: u64, factor: usize) {
        let slots = std::mem::take(&mut self.slots);
        *self = Table::new(slots.len() * factor);
        for slot in slots.into_iter().filter(|slot| slot.count > 0 && slot.seen.hash <= high) {
            self.add(slot.seen, slot.count, |_, _| false);
        }
    }
}

/// Hash of a word. The lower case of an ASCII word is found byte by byte.
fn hash(word: &str, lower: bool) -> u64 {
    if !lower || word.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return hash64(word.as_bytes(), 0);
    }
    let lower: String = word.chars().flat_map(char::to_lowercase).collect();
    hash64(lower.as_bytes(), 0)
}

/// The words from an offset of a document on.
fn from<'c>(corpus: &'c Corpus, seen: Seen, counting: &Counting) -> impl Iterator<Item = &'c str> + use<'c> {
    let bytes = corpus.bytes(seen.ordinal).get(seen.offset as usize..).unwrap_or_default();
    beginning(bytes, counting.n).split_whitespace().take(counting.n)
}

/// As much of a text as its first `n` words need, or all of it. The text was checked when it was read: checking all of it again for
/// each n-gram would take quadratic time.
fn beginning(bytes: &[u8], n: usize) -> &str {
    let mut length = 64;
    loop {
        let some = &bytes[..length.min(bytes.len())];
        let text = some.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        // A word is whole if white space follows it.
        let last = text.split_whitespace().nth(n - 1);
        let whole =
            last.is_some_and(|word| word.as_bytes().as_ptr_range().end < text.as_bytes().as_ptr_range().end);
        if whole || length >= bytes.len() {
            return text;
        }
        length *= 2;
    }
}

fn same(corpus: &Corpus, a: Seen, b: Seen, counting: &Counting) -> bool {
    let lower = |word: &'_ str| word.chars().flat_map(char::to_lowercase).collect::<String>();
    from(corpus, a, counting)
        .zip(from(corpus, b, counting))
        .all(|(a, b)| a == b || (counting.lower && lower(a) == lower(b)))
}

fn words(corpus: &Corpus, seen: Seen, counting: &Counting) -> String {
    let mut out = String::new();
    for word in from(corpus, seen, counting) {
        if !out.is_empty() {
            out.push(' ');
        }
        match counting.lower {
            true => out.extend(word.chars().flat_map(char::to_lowercase)),
            false => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_words_are_those_of_the_whole_text(text in "[a ]{0,300}|([aé日𝒳]{0,30}[ \u{85}\u{3000}\n]{0,40}){0,12}", n in 1usize..9) {
            let some = beginning(text.as_bytes(), n);
            prop_assert!(text.starts_with(some));
            prop_assert!(some.split_whitespace().take(n).eq(text.split_whitespace().take(n)));
        }
    }

    #[test]
    fn no_more_of_a_long_text_is_read_than_its_words_need() {
        let text = "one two ".repeat(1 << 17);
        assert_eq!((beginning(text.as_bytes(), 3).len(), beginning(text.as_bytes(), 16).len()), (64, 64));
        assert_eq!(beginning(text.as_bytes(), 17).len(), 128);
        assert_eq!((beginning(b"", 1), beginning(b"a\xff b", 2)), ("", "a"));
    }
}
