//! Some neighbouring blocks of a Bloom filter ([`super::bloom`]): of a filter that is spread over several machines the part of one.
//!
//! A key touches one block alone. So whoever has a range of the blocks and gets all keys that fall into it, in their order, finds
//! of these what the whole filter finds.

use std::ops::Range;

use super::blocks::Blocks;
use super::bloom::{BLOCK_BYTES, Sizing, insert, place};
use super::error::Result;

/// The blocks of one of `shares` shares of a filter.
pub(crate) struct BloomRange {
    sizing: Sizing,
    first: u64,
    blocks: Blocks,
}

impl Sizing {
    /// Into which of so many shares of the filter a key falls.
    pub(crate) fn share_of(&self, key: u128, shares: u64) -> u64 {
        // Less than `shares`.
        (place(key, self.blocks).0 as u128 * u128::from(shares) / u128::from(self.blocks)) as u64
    }

    /// The blocks of a share.
    fn share(&self, share: u64, shares: u64) -> Range<u64> {
        let first = |share: u64| {
            (u128::from(share) * u128::from(self.blocks)).div_ceil(u128::from(shares.max(1))) as u64
        };
        first(share)..first(share + 1)
    }

    /// Bytes of memory of a share, at most.
    pub(crate) fn share_bytes(&self, shares: u64) -> u64 {
        self.blocks.div_ceil(shares.max(1)) * BLOCK_BYTES
    }
}

impl BloomRange {
    /// One of so many shares of an empty filter. An error if it would take more than `memory` bytes.
    pub fn new(sizing: Sizing, share: u64, shares: u64, memory: u64) -> Result<BloomRange> {
        sizing.fits(sizing.share_bytes(shares), memory)?;
        let range = sizing.share(share, shares);
        let blocks = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        Ok(BloomRange { sizing, first: range.start, blocks: Blocks::zeros(blocks) })
    }

    /// Inserts `key` and says whether it was there before; none for a key of another share.
    pub fn insert(&mut self, key: u128) -> Option<bool> {
        let (block, hash) = place(key, self.sizing.blocks);
        let at = (block as u64).checked_sub(self.first)?;
        let block = self.blocks.get_mut(usize::try_from(at).ok()?)?;
        Some(insert(block, hash, self.sizing.per_word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::hash::mix;
    use crate::dedup::{Bloom, Error};

    #[test]
    fn shares_find_what_the_whole_filter_finds() {
        for (expected, shares) in [(1, 3), (40, 1), (3000, 7), (20_000, 64), (20_000, 100_000)] {
            let sizing = Sizing::new(expected, 1e-3).unwrap();
            let mut whole = Bloom::new(sizing, 1 << 30).unwrap();
            let part = |share| BloomRange::new(sizing, share, shares, 1 << 30).unwrap();
            let mut parts: Vec<BloomRange> = (0..shares).map(part).collect();
            for i in 0..60_000 {
                let key = u128::from(mix(mix(i) % 30_000));
                let share = sizing.share_of(key, shares);
                assert_eq!(parts[share as usize].insert(key), Some(whole.insert(key)));
                if i % 1000 == 0 && shares < 100 {
                    let others = (0..shares).filter(|&other| other != share);
                    assert!(others.map(|other| part(other).insert(key)).all(|found| found.is_none()));
                }
            }
            let blocks: Vec<usize> = parts.iter().map(|part| part.blocks.len()).collect();
            assert_eq!(blocks.iter().sum::<usize>() as u64, sizing.blocks);
            let most = *blocks.iter().max().unwrap() as u64 * BLOCK_BYTES;
            assert_eq!(most, sizing.share_bytes(shares));
        }
    }

    #[test]
    fn a_share_takes_its_part_of_the_memory_and_no_more() {
        let sizing = Sizing::new(1 << 20, 1e-6).unwrap();
        let needed = sizing.bytes().div_ceil(4 * BLOCK_BYTES) * BLOCK_BYTES;
        assert!(BloomRange::new(sizing, 3, 4, needed).is_ok());
        let error = BloomRange::new(sizing, 3, 4, needed - 1).err().unwrap();
        assert!(matches!(&error, Error::Memory { needed: told, .. } if *told == needed), "{error}");
    }
}
