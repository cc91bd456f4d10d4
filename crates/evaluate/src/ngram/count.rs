//! Counting n-grams. Each position is counted once, with its longest context; the counts of shorter contexts are
//! sums over those of the longer ones.

use super::table::{Entry, Order};
use super::{END, MAX_CONTEXT, Ngram, mask};

/// Counts n-grams of documents and makes a model of them. The order of the documents does not matter.
#[derive(Debug)]
pub struct Counter {
    /// By length of context: a context shorter than the longest stands at the beginning of a document.
    grams: Vec<Grams>,
    bytes: u64,
    documents: u64,
}

/// Counts for contexts of one length.
#[derive(Debug, Default)]
struct Grams {
    /// Key: the context's bytes, then the byte that followed.
    bytes: Table,
    /// Key: the context's bytes. Counts ends of documents.
    ends: Table,
}

impl Counter {
    /// A counter for contexts of up to `context_bytes` bytes.
    ///
    /// # Panics
    /// If there are more than [`MAX_CONTEXT`].
    pub fn new(context_bytes: usize) -> Counter {
        assert!(context_bytes <= MAX_CONTEXT, "at most {MAX_CONTEXT} bytes of context");
        Counter { grams: (0..=context_bytes).map(|_| Grams::default()).collect(), bytes: 0, documents: 0 }
    }

    /// Count a document.
    pub fn add(&mut self, text: &[u8]) {
        let longest = self.grams.len() - 1;
        let start = text.len().min(longest);
        let mut history = 0u64;
        for (i, &byte) in text[..start].iter().enumerate() {
            history = history << 8 | u64::from(byte);
            self.grams[i].bytes.add(history, 1);
        }
        let (table, keep) = (&mut self.grams[longest].bytes, mask(longest + 1));
        for &byte in &text[start..] {
            history = history << 8 | u64::from(byte);
            table.add(history & keep, 1);
        }
        self.grams[start].ends.add(history & mask(start), 1);
        self.bytes += text.len() as u64;
        self.documents += 1;
    }

    /// The model of what was counted.
    pub fn finish(mut self) -> Ngram {
        let mut orders = Vec::with_capacity(self.grams.len());
        for length in (0..self.grams.len()).rev() {
            let (below, rest) = self.grams.split_at_mut(length);
            let mut entries: Vec<Entry> = Vec::with_capacity(rest[0].bytes.filled + rest[0].ends.filled);
            let Grams { bytes, ends } = std::mem::take(&mut rest[0]);
            entries.extend(bytes.iter().map(|(key, count)| Entry {
                context: key >> 8,
                symbol: key as u16 & 255,
                count,
            }));
            entries.extend(ends.iter().map(|(context, count)| Entry { context, symbol: END, count }));
            entries.sort_unstable_by_key(|e| (e.context, e.symbol));
            if let Some(shorter) = below.last_mut() {
                for entry in &entries {
                    let context = entry.context & mask(length - 1);
                    match entry.symbol {
                        END => shorter.ends.add(context, entry.count),
                        byte => shorter.bytes.add(context << 8 | u64::from(byte), entry.count),
                    }
                }
            }
            orders.push(Order::new(length, &entries));
        }
        orders.reverse();
        Ngram { orders, bytes: self.bytes, documents: self.documents }
    }
}

/// A hash table from keys to counts: linear probing over a power of two, at most half full. A count of 0 marks an
/// empty place.
#[derive(Debug, Default)]
struct Table {
    places: Vec<(u64, u64)>,
    filled: usize,
    shift: u32,
}

/// 2^64 divided by the golden ratio: spreads neighbouring keys (Knuth, TAOCP 6.4).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Table {
    #[inline]
    fn add(&mut self, key: u64, count: u64) {
        if self.filled * 2 >= self.places.len() {
            self.grow();
        }
        let last = self.places.len() - 1;
        let mut at = (key.wrapping_mul(SPREAD) >> self.shift) as usize;
        loop {
            let place = &mut self.places[at];
            if place.1 == 0 {
                *place = (key, count);
                self.filled += 1;
                return;
            }
            if place.0 == key {
                place.1 += count;
                return;
            }
            at = (at + 1) & last;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(16);
        let old = std::mem::replace(&mut self.places, vec![(0, 0); size]);
        self.shift = 64 - size.trailing_zeros();
        self.filled = 0;
        for (key, count) in old {
            if count > 0 {
                self.add(key, count);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.places.iter().copied().filter(|place| place.1 > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts() {
        let mut table = Table::default();
        for i in 0..10_000u64 {
            table.add((i % 700) << 40, 1 + i % 2);
        }
        let mut all: Vec<(u64, u64)> = table.iter().collect();
        all.sort_unstable();
        assert_eq!(all.len(), 700);
        assert_eq!(all.iter().map(|x| x.1).sum::<u64>(), 15_000);
        assert_eq!(all[3].0, 3 << 40);
    }

    #[test]
    fn the_order_of_documents_does_not_matter() {
        let texts = [&b"one text"[..], b"another text", b"", b"x", b"the last"];
        let mut forth = Counter::new(3);
        texts.iter().for_each(|t| forth.add(t));
        let mut back = Counter::new(3);
        texts.iter().rev().for_each(|t| back.add(t));
        assert_eq!(forth.finish(), back.finish());
    }
}
