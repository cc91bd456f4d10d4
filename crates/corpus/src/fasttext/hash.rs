//! The hashes by which fastText names words and n-grams.

use regimen_kernels::{FNV_PRIME, FNV_START};

/// FNV-1a of 32 bits, byte after byte.
///
/// fastText feeds each byte as a *signed* char that is widened to 32 bits, so that a byte above 127 flips the upper 24 bits
/// too. Every published model was trained that way.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(pub u32);

impl Fnv {
    pub const START: Fnv = Fnv(FNV_START);

    pub fn add(self, byte: u8) -> Fnv {
        Fnv((self.0 ^ byte as i8 as u32).wrapping_mul(FNV_PRIME))
    }

    pub fn of(bytes: &[u8]) -> u32 {
        bytes.iter().fold(Fnv::START, |hash, &byte| hash.add(byte)).0
    }
}

/// Joins the hash of an n-gram of words with that of the next word. Word hashes are widened from *signed* 32 bits.
pub(crate) fn join(ngram: u64, word: u32) -> u64 {
    ngram.wrapping_mul(116_049_371).wrapping_add(word as i32 as u64)
}

/// As a word begins an n-gram.
pub(crate) fn begin(word: u32) -> u64 {
    word as i32 as u64
}

/// Remainders by a divisor that stays the same, by two multiplications (Lemire, Kaser, Kurz, "Faster remainder by direct
/// computation", 2019, arXiv:1902.01961).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remainder {
    divisor: u32,
    inverse: u64,
}

impl Remainder {
    /// Nothing for the divisor 0.
    pub fn new(divisor: u32) -> Option<Remainder> {
        (divisor > 0).then(|| Remainder { divisor, inverse: (u64::MAX / u64::from(divisor)).wrapping_add(1) })
    }

    pub fn of(self, number: u32) -> u32 {
        let fraction = self.inverse.wrapping_mul(u64::from(number));
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as u32
    }

    /// `divisor - 1` where remainders are the lower bits.
    pub fn mask(self) -> Option<u32> {
        self.divisor.is_power_of_two().then(|| self.divisor - 1)
    }

    pub fn of_u64(self, number: u64) -> u32 {
        (number % u64::from(self.divisor)) as u32
    }
}

/// A table of numbers by key with linear probing. The keys are hashes that a file chose, so building gives up where they
/// crowd more than any real model's would: else a small file could keep a program busy for hours.
#[derive(Debug)]
pub(crate) struct Table {
    /// Hash, and the number plus 1; 0 is an empty place.
    places: Vec<(u32, u32)>,
    /// Steps that building may still take beyond the first look at each place.
    budget: u64,
}

impl Table {
    /// For `entries` entries, which exist in memory already.
    pub fn new(entries: usize) -> Table {
        let places = (entries + entries / 2 + 1).next_power_of_two();
        Table { places: vec![(0, 0); places], budget: 64 * entries as u64 + 4096 }
    }

    fn start(&self, hash: u32) -> usize {
        // The upper bits of the product are mixed best; there are at most 2^32 places.
        (u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.places.len() - 1)
    }

    /// The number under this hash for which `is` holds.
    #[inline]
    pub fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut place = self.start(hash);
        loop {
            let (found, number) = self.places[place];
            if number == 0 {
                return None;
            }
            if found == hash && is(number - 1) {
                return Some(number - 1);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// Put a number, in the place of the one for which `same` holds if there is one. False if the keys crowd too much.
    pub fn put(&mut self, hash: u32, number: u32, same: impl Fn(u32) -> bool) -> bool {
        let mut place = self.start(hash);
        loop {
            let (found, old) = self.places[place];
            if old == 0 || found == hash && same(old - 1) {
                self.places[place] = (hash, number + 1);
                return true;
            }
            if self.budget == 0 {
                return false;
            }
            self.budget -= 1;
            place = (place + 1) & (self.places.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hashes_of_the_format() {
        // FNV-1a of ASCII, as published; then a byte above 127 by hand: 0xc3 is -61.
        assert_eq!(Fnv::of(b""), 0x811c_9dc5);
        assert_eq!(Fnv::of(b"a"), 0xe40c_292c);
        assert_eq!(Fnv::of(b"foobar"), 0xbf9c_f968);
        assert_eq!(Fnv::of(&[0xc3]), (0x811c_9dc5 ^ 0xffff_ffc3_u32).wrapping_mul(16_777_619));
        assert_eq!(begin(0xffff_fff0), 0xffff_ffff_ffff_fff0);
        assert_eq!(join(2, 0xffff_ffff), 232_098_741);
    }

    #[test]
    fn crowded_keys_are_refused() {
        let mut table = Table::new(10_000);
        assert!(
            !(0..10_000).all(|n| table.put(7, n, |_| false)),
            "equal hashes fill a table in quadratic time"
        );
        let mut table = Table::new(10_000);
        assert!((0..10_000u32).all(|n| table.put(Fnv::of(&n.to_le_bytes()), n, |_| false)));
    }

    proptest! {
        #[test]
        fn remainders(number: u32, divisor in 1u32..) {
            prop_assert_eq!(Remainder::new(divisor).unwrap().of(number), number % divisor);
        }

        #[test]
        fn a_table_keeps_the_last(keys in proptest::collection::vec(0u32..50, 0..100)) {
            let mut table = Table::new(keys.len());
            for (number, &key) in keys.iter().enumerate() {
                prop_assert!(table.put(Fnv::of(&key.to_le_bytes()), number as u32, |old| keys[old as usize] == key));
            }
            for key in 0..60 {
                let found = table.find(Fnv::of(&u32::to_le_bytes(key)), |n| keys[n as usize] == key);
                prop_assert_eq!(found, keys.iter().rposition(|&k| k == key).map(|n| n as u32));
            }
        }
    }
}
