//! Paragraphs in a Bloom filter that lies in shares between the tasks: a key touches one block of it, so each bucket has a range
//! of the blocks and all keys that fall into it, in document order, and finds of them what one filter on one machine finds.

use regimen_base::Cancel;

use crate::dedup::Sizing;
use crate::dedup::bloom_range::BloomRange;
use crate::error::{Error, Result};
use crate::rounds::Pairs;
use crate::task::bucket::{dealt, wide};
use crate::task::dealer::LINE;
use crate::task::shuffle::{Round, Take};
use crate::task::{Item, Work};

/// The round that this is.
const ROUND: Round = Round::Paragraphs;

impl Work<'_> {
    /// Find which paragraphs of a bucket came before: `records` gives them in document order, the list is sorted.
    pub(super) fn meet_in_filter(
        &self,
        sizing: Sizing,
        bucket: usize,
        records: &mut dyn FnMut(&mut Take) -> Result<()>,
        found: &mut Pairs,
    ) -> Result<()> {
        let memory = self.ground.config.memory;
        let mut share = BloomRange::new(sizing, bucket as u64, self.plan.tasks.into(), memory)?;
        records(&mut |record| {
            let strange = Error::Record { what: "a paragraph of another bucket" };
            if share.insert(key(record)).ok_or(strange)? {
                let number = |at: usize| record[at..].first_chunk().map_or(0, |n| u32::from_le_bytes(*n));
                found.put(number(8), number(12))?;
            }
            Ok(())
        })
    }

    /// An error if the filter as a whole is overfull, once all buckets are done: the one that one machine would give.
    pub(super) fn check_filter(&self, sizing: Sizing, cancel: &Cancel) -> Result<()> {
        let buckets = self.plan.tasks as usize;
        // All that came and was not found before is inside.
        let mut keys = 0u64;
        for group in 0..self.ground.groups.len() {
            let bytes = self.depot.noted(&dealt(ROUND, group))?.bytes;
            keys += bytes.saturating_sub((LINE * buckets) as u64) / ROUND.width() as u64;
        }
        for bucket in 0..buckets {
            let note = self.depot.noted(&Item::Reduce(ROUND, bucket).object())?;
            keys = keys.saturating_sub(note.rows);
        }
        sizing.check(keys, 0, |different| {
            (0..buckets).try_for_each(|bucket| {
                self.records(ROUND, bucket, &wide(ROUND.width()), cancel, &mut |record| {
                    different.add(key(record));
                    Ok(())
                })
            })
        })
    }
}

/// The fingerprint of a paragraph.
fn key(record: &[u8]) -> u128 {
    record.first_chunk().map_or(0, |key| u64::from_le_bytes(*key)).into()
}
