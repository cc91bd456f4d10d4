//! What pieces became, remembered from text to text: most pieces of a text have been met before.
//!
//! Two tables of fixed slots, in sets of a cache line: one for pieces of up to 15 bytes and 3 tokens, one for those of up
//! to 31 bytes and 7 tokens. They only save work: a piece that is not found, or whose place another has taken, is merged
//! anew. Memory is at most [`SHORT_BITS`] and [`WIDE_BITS`] say, and starts small.

/// Longest piece of a short slot, in bytes.
pub(super) const SHORT: usize = 15;
/// Longest piece that is remembered at all.
pub(super) const WIDE: usize = 31;
/// At most 2^17 sets of two short slots: 8 MiB.
const SHORT_BITS: u32 = 17;
/// At most 2^15 wide slots: 2 MiB.
const WIDE_BITS: u32 = 15;
/// Both begin with so few.
const LEAST_BITS: u32 = 6;

const FACTORS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03];

/// A piece of up to 15 bytes: its bytes, zeros, and its length in the last byte. So no piece is 0.
pub(super) type Key = u128;
/// No piece has this key.
pub(super) const NO_KEY: Key = Key::MAX;

#[derive(Clone, Copy, Default)]
struct Short {
    key: Key,
    ids: [u32; 3],
    count: u32,
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Set([Short; 2]);

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Wide {
    key: [Key; 2],
    ids: [u32; 7],
    count: u32,
}

/// The tables. Every tokenizer has its own, one a thread that is at work.
pub(super) struct Memory {
    sets: Vec<Set>,
    taken: usize,
    wides: Vec<Wide>,
    taken_wide: usize,
}

/// The key of a piece of at most [`SHORT`] bytes.
pub(super) fn key(piece: &[u8]) -> Key {
    let mut bytes = [0; 16];
    bytes[..piece.len()].copy_from_slice(piece);
    bytes[15] = piece.len() as u8;
    Key::from_le_bytes(bytes)
}

/// The key of the first `length` bytes of a word of 16; at most [`SHORT`].
pub(super) fn key_of(word: u128, length: usize) -> Key {
    (word & ((1 << (8 * length)) - 1)) | (length as u128) << 120
}

fn wide_key(piece: &[u8]) -> [Key; 2] {
    let mut bytes = [0; 32];
    bytes[..piece.len()].copy_from_slice(piece);
    bytes[31] = piece.len() as u8;
    let (words, _) = bytes.as_chunks();
    [Key::from_le_bytes(words[0]), Key::from_le_bytes(words[1])]
}

/// The best bits of a product are its highest.
pub(super) fn hash(key: Key) -> u32 {
    let (low, high) = (key as u64, (key >> 64) as u64);
    let product = u128::from(low ^ FACTORS[1]) * u128::from(high ^ FACTORS[0]);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    (folded.wrapping_mul(FACTORS[0]) >> 32) as u32
}

fn wide_hash([a, b]: [Key; 2]) -> u32 {
    hash(a) ^ hash(b).rotate_left(16)
}

fn place(hash: u32, slots: usize) -> usize {
    hash as usize & (slots - 1)
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("sets", &self.sets.len()).field("wides", &self.wides.len()).finish()
    }
}

impl Memory {
    pub(super) fn new() -> Memory {
        let least = 1 << LEAST_BITS;
        Memory {
            sets: vec![Set::default(); least],
            taken: 0,
            wides: vec![Wide::default(); least],
            taken_wide: 0,
        }
    }

    /// The tokens of a short piece by its key and the key's hash, padded to three, and how many there are; 0 if it is not
    /// known.
    #[inline]
    pub(super) fn short(&mut self, key: Key, hash: u32) -> ([u32; 3], u32) {
        let place = place(hash, self.sets.len());
        let Set([first, second]) = &mut self.sets[place];
        if first.key == key {
            return (first.ids, first.count);
        }
        if second.key == key {
            // The one that is met more often should be found first and stay longer.
            std::mem::swap(first, second);
            return (first.ids, first.count);
        }
        ([0; 3], 0)
    }

    /// The tokens of a longer piece, or of a short one with more of them.
    pub(super) fn wide(&self, piece: &[u8]) -> &[u32] {
        if piece.len() > WIDE {
            return &[];
        }
        let key = wide_key(piece);
        let wide = &self.wides[place(wide_hash(key), self.wides.len())];
        if wide.key == key { &wide.ids[..wide.count as usize] } else { &[] }
    }

    /// Remember a piece, if it fits.
    pub(super) fn remember(&mut self, piece: &[u8], tokens: &[u32]) {
        if piece.len() <= SHORT && tokens.len() <= 3 {
            if self.taken > self.sets.len() && self.sets.len() < 1 << SHORT_BITS {
                self.grow();
            }
            let mut ids = [0; 3];
            ids[..tokens.len()].copy_from_slice(tokens);
            self.insert(Short { key: key(piece), ids, count: tokens.len() as u32 });
        } else if piece.len() <= WIDE && tokens.len() <= 7 {
            if self.taken_wide > self.wides.len() / 2 && self.wides.len() < 1 << WIDE_BITS {
                self.grow_wide();
            }
            let mut ids = [0; 7];
            ids[..tokens.len()].copy_from_slice(tokens);
            self.insert_wide(Wide { key: wide_key(piece), ids, count: tokens.len() as u32 });
        }
    }

    fn insert(&mut self, short: Short) {
        let place = place(hash(short.key), self.sets.len());
        let Set([first, second]) = &mut self.sets[place];
        self.taken += usize::from(second.key == 0);
        *(if first.key == 0 { first } else { second }) = short;
    }

    fn insert_wide(&mut self, wide: Wide) {
        let place = place(wide_hash(wide.key), self.wides.len());
        self.taken_wide += usize::from(self.wides[place].count == 0);
        self.wides[place] = wide;
    }

    fn grow(&mut self) {
        let sets = vec![Set::default(); (self.sets.len() * 8).min(1 << SHORT_BITS)];
        self.taken = 0;
        for Set(slots) in std::mem::replace(&mut self.sets, sets) {
            slots.into_iter().filter(|short| short.key != 0).for_each(|short| self.insert(short));
        }
    }

    fn grow_wide(&mut self) {
        let wides = vec![Wide::default(); (self.wides.len() * 8).min(1 << WIDE_BITS)];
        self.taken_wide = 0;
        for wide in std::mem::replace(&mut self.wides, wides) {
            if wide.count > 0 {
                self.insert_wide(wide);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_tell_pieces_apart(a in prop::collection::vec(0u8..3, 1..16), b in prop::collection::vec(0u8..3, 1..16)) {
            prop_assert_eq!(key(&a) == key(&b), a == b);
            prop_assert_eq!(wide_key(&a) == wide_key(&b), a == b);
            let mut word = [9; 16];
            word[..a.len()].copy_from_slice(&a);
            prop_assert_eq!(key_of(u128::from_le_bytes(word), a.len()), key(&a));
            prop_assert!(key(&a) != 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_found_is_what_was_told(pieces in prop::collection::vec(("[ab]{1,6}|[a-z]{1,40}", 1usize..10), 1..3000)) {
            let mut memory = Memory::new();
            let tokens = |piece: &str, count: usize| -> Vec<u32> {
                (0..count as u32).map(|i| i + piece.len() as u32 * 1000 + u32::from(piece.as_bytes()[0])).collect()
            };
            let mut told = std::collections::HashMap::new();
            for (piece, count) in &pieces {
                told.entry(piece.as_str()).or_insert_with(|| tokens(piece, *count));
            }
            for (piece, _) in &pieces {
                let right = &told[piece.as_str()];
                if piece.len() <= SHORT {
                    let (ids, count) = memory.short(key(piece.as_bytes()), hash(key(piece.as_bytes())));
                    prop_assert!(count == 0 || &ids[..count as usize] == right);
                }
                let wide = memory.wide(piece.as_bytes());
                prop_assert!(wide.is_empty() || wide == right);
                memory.remember(piece.as_bytes(), right);
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::new();
        for i in 0..300_000 {
            memory.remember(format!("{i}").as_bytes(), &[i]);
            memory.remember(format!("{i:020}").as_bytes(), &[i]);
        }
        assert_eq!((memory.sets.len(), memory.wides.len()), (1 << SHORT_BITS, 1 << WIDE_BITS));
        assert_eq!(size_of::<Set>() << SHORT_BITS, 8 << 20);
        assert_eq!(size_of::<Wide>() << WIDE_BITS, 2 << 20);
        let (_, count) = memory.short(key(b"299999"), hash(key(b"299999")));
        assert_eq!(count, 1);
    }
}
