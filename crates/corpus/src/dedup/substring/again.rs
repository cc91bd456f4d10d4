//! Windows that came before, by their keys.

use rayon::prelude::*;

use crate::dedup::error::{Error, Result};
use crate::dedup::exact::half;
use crate::dedup::lsh::{blocks_in_order, in_order};
use crate::dedup::partition::{Block, Budget, Gathered, Key, Partitions, passes, share};
use crate::dedup::sorted::{Sorted, Sorter};

/// Bytes of a record: key, ordinal, place.
pub(crate) const RECORD: usize = 24;
/// Bytes of a slot.
const SLOT: u64 = size_of::<Slot>() as u64;
/// Slots are asked for so many records ahead.
const AHEAD: usize = 16;

/// Collects windows.
#[derive(Debug)]
pub(crate) struct Windows {
    least: u32,
    records: Partitions<RECORD>,
    budget: Budget,
    last: u32,
    any: bool,
}

impl Windows {
    /// Windows of `least` bytes. An error if the budget is below 64 KiB.
    pub fn new(least: usize, budget: &Budget) -> Result<Windows> {
        let least = u32::try_from(least).map_err(|_| Error::option("span", least, "1 to 65536 bytes"))?;
        let records = Partitions::new("windows", half(budget)?, &budget.dir);
        Ok(Windows { least, records, budget: budget.clone(), last: 0, any: false })
    }

    /// The window at byte `at` of document `ordinal`. They come in document order, those of a document rising.
    pub fn push(&mut self, ordinal: u32, at: u32, key: u128) -> Result<()> {
        in_order(&mut self.last, &mut self.any, ordinal, false)?;
        self.records.push(key.hash(), record(ordinal, at, key))
    }

    /// The same into what becomes a block.
    pub fn gather(gathered: &mut Gathered<RECORD>, ordinal: u32, at: u32, key: u128) {
        gathered.push(ordinal, key.hash(), record(ordinal, at, key));
    }

    /// Append blocks in document order.
    pub fn append(&mut self, blocks: &[Block<RECORD>]) -> Result<()> {
        blocks_in_order(&mut self.last, &mut self.any, blocks, false)?;
        self.records.append(blocks)
    }

    /// The places of those that came before and do not overlap the first of their kind.
    pub fn finish(self) -> Result<Sorted> {
        let quarter = self.budget.memory / 4;
        let sorter = Sorter::new("again", self.last, quarter, &self.budget.dir);
        self.records.by_size().into_par_iter().with_max_len(1).try_for_each(|part| -> Result<()> {
            let keys = self.records.keys_of(part, SLOT, share(quarter), |record| {
                record.first_chunk().map_or(0, |key| u128::from_le_bytes(*key))
            })?;
            let passes = passes(keys, SLOT, share(quarter));
            let mut hand = sorter.hand();
            for pass in 0..passes {
                let mut table = Table::new(keys.div_ceil(passes));
                let mut coming: Vec<(u128, u64)> = Vec::with_capacity(AHEAD);
                let mut look = |some: &mut Vec<(u128, u64)>, table: &mut Table| {
                    some.drain(..).try_for_each(|(key, place)| {
                        let first = table.first(key, place);
                        // In another document, or behind the end of the first one.
                        match place >= first + u64::from(self.least) {
                            true => hand.put((place >> 32) as u32, place as u32),
                            false => Ok(()),
                        }
                    })
                };
                self.records.for_each(part, |record| {
                    let (Some(key), Some(place)) = (record.first_chunk(), record.last_chunk()) else {
                        return Ok(());
                    };
                    let key = u128::from_le_bytes(*key);
                    if passes == 1 || key.hash() % passes == pass {
                        table.ask(key);
                        coming.push((key, u64::from_le_bytes(*place)));
                        if coming.len() == AHEAD {
                            look(&mut coming, &mut table)?;
                        }
                    }
                    Ok(())
                })?;
                look(&mut coming, &mut table)?;
            }
            hand.push()
        })?;
        Ok(sorter.sorted())
    }
}

/// The place is one number: the ordinal above the byte.
fn record(ordinal: u32, at: u32, key: u128) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..16].copy_from_slice(&key.to_le_bytes());
    record[16..].copy_from_slice(&(u64::from(ordinal) << 32 | u64::from(at)).to_le_bytes());
    record
}

/// A key and the place that came with it first.
#[derive(Clone, Copy)]
struct Slot {
    key: u128,
    place: u64,
}

/// Marks a free slot; no document has this ordinal.
const FREE: u64 = u64::MAX;

/// A hash table from keys to places; open addressing, at most three quarters full.
struct Table {
    slots: Vec<Slot>,
    shift: u32,
    used: usize,
}

impl Table {
    /// Room for `keys` different keys; it grows if there are more.
    fn new(keys: u64) -> Table {
        Table::with_slots((keys.saturating_mul(4) / 3 + 2).next_power_of_two())
    }

    fn with_slots(slots: u64) -> Table {
        let free = Slot { key: 0, place: FREE };
        let length = usize::try_from(slots).unwrap_or(usize::MAX);
        Table { slots: vec![free; length], shift: 64 - slots.trailing_zeros(), used: 0 }
    }

    /// Where the search for a key begins. The leading byte of its hash chose the partition.
    #[inline(always)]
    fn slot(&self, key: u128) -> usize {
        ((key.hash() << 8) >> self.shift) as usize & (self.slots.len() - 1)
    }

    /// A key will be looked for.
    #[inline(always)]
    fn ask(&self, key: u128) {
        regimen_kernels::prefetch(&self.slots, self.slot(key));
    }

    /// The place that came first with a key, which is this one if the key is new.
    #[inline(always)]
    fn first(&mut self, key: u128, place: u64) -> u64 {
        if self.used * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = self.slot(key);
        loop {
            let slot = &mut self.slots[at];
            if slot.place == FREE {
                *slot = Slot { key, place };
                self.used += 1;
                return place;
            }
            if slot.key == key {
                return slot.place;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = Table::with_slots(2 * self.slots.len() as u64);
        let before = std::mem::replace(self, larger);
        for slot in before.slots.iter().filter(|slot| slot.place != FREE) {
            self.first(slot.key, slot.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_was_made_too_small_grows() {
        let mut table = Table::new(0);
        let key = |i: u64| u128::from(i % 500) << 70;
        (0..2000).for_each(|i| assert_eq!(table.first(key(i), i), i % 500));
        assert_eq!(table.used, 500);
    }
}
