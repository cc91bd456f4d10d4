//! The table of the pairs that merge: open addressing in one array, as it is looked into for every pair of every new
//! piece. A slot is one word, so that the table of a large vocabulary stays in the second cache: both ids and the rank in
//! [`BITS`] bits each.

/// No pair.
pub(super) const NONE: u32 = u32::MAX;
/// Bits of an id and of a rank.
const BITS: u32 = 21;
/// Ids and ranks are below this.
pub(super) const MOST: usize = 1 << BITS;
/// A slot that no pair is, as the highest bit is left over.
const FREE: u64 = u64::MAX;
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// Ranks by pairs of ids.
#[derive(Debug)]
pub(super) struct Pairs {
    slots: Vec<u64>,
    shift: u32,
    count: usize,
}

fn key(left: u32, right: u32) -> u64 {
    u64::from(left) << BITS | u64::from(right)
}

impl Pairs {
    /// The ranks of some pairs are their places in the list; a pair listed twice counts with its last rank. Ids and ranks
    /// are below [`MOST`].
    pub(super) fn new(pairs: impl ExactSizeIterator<Item = (u32, u32)>) -> Pairs {
        let bits = (2 * pairs.len()).next_power_of_two().trailing_zeros().max(4);
        let mut table = Pairs { slots: vec![FREE; 1 << bits], shift: 64 - bits, count: 0 };
        for ((left, right), rank) in pairs.zip(0..) {
            let key = key(left, right);
            let place = table.place(key);
            table.count += usize::from(table.slots[place] == FREE);
            table.slots[place] = key << BITS | rank;
        }
        table
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where a key stands or would stand. At most half of the slots are taken, so a free one is always met.
    fn place(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = (key.wrapping_mul(FACTOR) >> self.shift) as usize;
        loop {
            let found = self.slots[place & mask];
            if found >> BITS == key || found == FREE {
                return place & mask;
            }
            place += 1;
        }
    }

    /// The rank of a pair, or [`NONE`].
    #[inline]
    pub(super) fn rank(&self, left: u32, right: u32) -> u32 {
        match self.slots[self.place(key(left, right))] {
            FREE => NONE,
            found => found as u32 & (MOST as u32 - 1),
        }
    }

    /// All pairs and their ranks, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let low = |word: u64| word as u32 & (MOST as u32 - 1);
        let taken = self.slots.iter().filter(|&&slot| slot != FREE);
        taken.map(move |&slot| (low(slot >> (2 * BITS)), low(slot >> BITS), low(slot)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_is_a_map(pairs in prop::collection::vec((0u32..40, 0u32..40), 0..300)) {
            let table = Pairs::new(pairs.iter().copied());
            let map: HashMap<(u32, u32), u32> = pairs.iter().copied().zip(0..).collect();
            for left in 0..40 {
                for right in 0..40 {
                    prop_assert_eq!(table.rank(left, right), map.get(&(left, right)).copied().unwrap_or(NONE));
                }
            }
            prop_assert_eq!(table.iter().count(), map.len());
            prop_assert_eq!(table.is_empty(), map.is_empty());
            prop_assert!(table.iter().all(|(left, right, rank)| map[&(left, right)] == rank));
        }
    }
}
