//! Anchors that occur more than once: only what is near them can come again.

use rayon::prelude::*;

use crate::dedup::error::Result;
use crate::dedup::exact::half;
use crate::dedup::lsh::{blocks_in_order, in_order};
use crate::dedup::partition::{Block, Budget, Firsts, Gathered, Partitions, passes, share};
use crate::dedup::sorted::{Sorted, Sorter};

/// Bytes of a record: key, ordinal, place.
const RECORD: usize = 16;
/// Bytes of a slot.
const SLOT: u64 = 12;

/// Collects anchors.
#[derive(Debug)]
pub(crate) struct Anchors {
    records: Partitions<RECORD>,
    budget: Budget,
    last: u32,
    any: bool,
}

impl Anchors {
    /// An error if the budget is below 64 KiB.
    pub fn new(budget: &Budget) -> Result<Anchors> {
        let records = Partitions::new("anchors", half(budget)?, &budget.dir);
        Ok(Anchors { records, budget: budget.clone(), last: 0, any: false })
    }

    /// The anchor at byte `at` of document `ordinal`. They come in document order.
    pub fn push(&mut self, ordinal: u32, at: u32, key: u64) -> Result<()> {
        in_order(&mut self.last, &mut self.any, ordinal, false)?;
        self.records.push(key, record(ordinal, at, key))
    }

    /// The same into what becomes a block.
    pub fn gather(gathered: &mut Gathered<RECORD>, ordinal: u32, at: u32, key: u64) {
        gathered.push(ordinal, key, record(ordinal, at, key));
    }

    /// Append blocks in document order.
    pub fn append(&mut self, blocks: &[Block<RECORD>]) -> Result<()> {
        blocks_in_order(&mut self.last, &mut self.any, blocks, false)?;
        self.records.append(blocks)
    }

    /// The places of all whose key is also that of another.
    pub fn finish(self) -> Result<Sorted> {
        let quarter = self.budget.memory / 4;
        let sorter = Sorter::new("repeated", self.last, quarter, &self.budget.dir);
        self.records.by_size().into_par_iter().with_max_len(1).try_for_each(|part| -> Result<()> {
            let keys = self.records.keys_of(part, SLOT, share(quarter), |record| {
                record.first_chunk().map_or(0, |key| u64::from_le_bytes(*key)).into()
            })?;
            let passes = passes(keys, SLOT, share(quarter));
            let mut hand = sorter.hand();
            for pass in 0..passes {
                let mut table = Firsts::<u64>::new(keys.div_ceil(passes));
                let each = |then: &mut dyn FnMut(u64, u32, u32) -> Result<()>| {
                    self.records.for_each(part, |record| {
                        let ([key @ .., _, _, _, _, _, _, _, _], [.., a, b, c, d, e, f, g, h]) =
                            (record, record);
                        let key = u64::from_le_bytes(*key);
                        if passes == 1 || key % passes == pass {
                            let ordinal = u32::from_le_bytes([*a, *b, *c, *d]);
                            then(key, ordinal, u32::from_le_bytes([*e, *f, *g, *h]))?;
                        }
                        Ok(())
                    })
                };
                each(&mut |key, _, _| {
                    let (often, new) = table.entry(key, 0);
                    if !new {
                        *often = 1;
                    }
                    Ok(())
                })?;
                each(&mut |key, ordinal, at| match *table.entry(key, 0).0 {
                    0 => Ok(()),
                    _ => hand.put(ordinal, at),
                })?;
            }
            hand.push()
        })?;
        Ok(sorter.sorted())
    }
}

fn record(ordinal: u32, at: u32, key: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&key.to_le_bytes());
    record[8..12].copy_from_slice(&ordinal.to_le_bytes());
    record[12..].copy_from_slice(&at.to_le_bytes());
    record
}
