//! Tables of short texts: what is no key is mostly told by a glance.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::hash::{fold, hash};

/// Hashes short texts.
#[derive(Default)]
struct TextHasher(u64);

impl Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = fold(self.0 ^ hash(bytes, 0, bytes.len()), 0x9E37_79B9_7F4A_7C15);
    }

    /// What ends a text makes no difference between texts.
    fn write_u8(&mut self, _: u8) {}
}

/// Values by text.
pub(super) struct Table<V> {
    sieve: Sieve,
    values: HashMap<String, V, BuildHasherDefault<TextHasher>>,
}

impl<V> Table<V> {
    /// Of equal keys the last one counts.
    pub fn new(entries: impl IntoIterator<Item = (String, V)>) -> Table<V> {
        let values: HashMap<String, V, _> = entries.into_iter().collect();
        Table { sieve: Sieve::new(values.keys()), values }
    }

    /// The texts, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    #[inline]
    pub fn get(&self, text: &str) -> Option<&V> {
        if self.sieve.lets(text.as_bytes()) { self.values.get(text) } else { None }
    }
}

/// What can be seen of all keys at once: a bit for their first two bytes, their last one and their length, taken
/// together. Of the texts that are no keys, few have the bit of one.
struct Sieve {
    bits: Box<[u64; Sieve::BITS / 64]>,
    /// Bytes of the longest key: no longer text is ever hashed as a whole, which would cost a run the square of its length
    /// when one mark after the other is cut off it.
    longest: usize,
}

impl Sieve {
    /// Two thousand keys set one bit in thirty.
    const BITS: usize = 1 << 16;

    fn new<'k>(keys: impl Iterator<Item = &'k String>) -> Sieve {
        let mut sieve = Sieve { bits: Box::new([0; Sieve::BITS / 64]), longest: 0 };
        for key in keys {
            if let Some(place) = Sieve::place(key.as_bytes()) {
                sieve.bits[place / 64] |= 1 << (place % 64);
            }
            sieve.longest = sieve.longest.max(key.len());
        }
        sieve
    }

    /// The bit of a text; an empty one has none.
    #[inline]
    fn place(bytes: &[u8]) -> Option<usize> {
        let (first, last) = (*bytes.first()?, *bytes.last()?);
        let second = bytes.get(1).copied().unwrap_or(0);
        let seen = u32::from_le_bytes([first, second, last, bytes.len().min(255) as u8]);
        Some((seen.wrapping_mul(0x9E37_79B1) >> (32 - Sieve::BITS.ilog2())) as usize)
    }

    #[inline]
    fn lets(&self, bytes: &[u8]) -> bool {
        let seen = |place: usize| self.bits[place / 64] >> (place % 64) & 1 == 1;
        bytes.len() <= self.longest && Sieve::place(bytes).is_some_and(seen)
    }
}

/// What can be seen of keys by their hashes: a bit for some bits of each.
pub(super) struct Hashes(Box<[u64; Hashes::BITS / 64]>);

impl Hashes {
    /// A few hundred keys set one bit in fifty.
    const BITS: usize = 1 << 14;

    /// Of keys with these hashes.
    pub fn new(hashes: impl Iterator<Item = u64>) -> Hashes {
        let mut bits = Box::new([0; Hashes::BITS / 64]);
        for place in hashes.map(Hashes::place) {
            bits[place / 64] |= 1 << (place % 64);
        }
        Hashes(bits)
    }

    #[inline]
    fn place(hash: u64) -> usize {
        (hash >> (64 - Hashes::BITS.ilog2())) as usize
    }

    /// Whether this may be the hash of one: of those that are not, most are told.
    #[inline]
    pub fn may_have(&self, hash: u64) -> bool {
        let place = Hashes::place(hash);
        self.0[place / 64] >> (place % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_found_and_few_other_texts_looked_up() {
        let texts = |from: usize| (from..from + 2000).map(|i| format!("{:x}", i * i * 7919));
        let table = Table::new(texts(0).zip(0..));
        texts(0).zip(0..).for_each(|(text, i)| assert_eq!(table.get(&text), Some(&i)));
        assert_eq!(table.get(""), None);
        assert!(texts(5000).all(|text| table.get(&text).is_none()));
        let hashed = |text: &str| hash(text.as_bytes(), 0, text.len());
        let hashes = Hashes::new(table.keys().take(400).map(hashed));
        assert!(table.keys().take(400).all(|text| hashes.may_have(hashed(text))));
        assert!(texts(5000).filter(|text| hashes.may_have(hashed(text))).count() < 100);
        assert!(texts(5000).filter(|text| table.sieve.lets(text.as_bytes())).count() < 400);
        // However their ends look.
        let longer = |text: &str| format!("{text}{}{text}", "x".repeat(300));
        assert!(texts(0).all(|text| !table.sieve.lets(longer(&text).as_bytes())));
    }
}
