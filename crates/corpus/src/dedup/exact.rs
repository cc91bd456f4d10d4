//! Exact duplicates: documents or URLs by 128-bit key, paragraphs by 64-bit fingerprint.
//!
//! A key's first occurrence in document order is the original. Records are partitioned by key and each partition is looked
//! at through a hash table ([`super::partition`]), so no sort of all records is needed and any amount fits a budget of memory.
//!
//! 128-bit keys of `n` documents collide with probability `n^2 / 2^129`, never in practice. 64-bit fingerprints of `n`
//! different paragraphs hold about `n^2 / 2^65` false pairs: 0.03 for a billion; a Bloom filter at 1e-6 would have
//! a thousand.

use rayon::prelude::*;

use super::error::{Error, Result};
use super::forest::{Clusters, Forest};
use super::hash::mix;
use super::lsh::{blocks_in_order, in_order};
use super::partition::{Block, Budget, Firsts, Gathered, Key, LEAST_MEMORY, Partitions, passes, share};
use super::sorted::{Sorted, Sorter};

/// Groups documents by a 128-bit key: the hash of their text ([`DocKey::of_content`](regimen_base::DocKey::of_content)), or
/// [`hash128`](super::hash::hash128) of their [normalised URL](super::url::normalise).
#[derive(Debug)]
pub struct ExactKeys {
    records: Partitions<20>,
    tables: u64,
    last: u32,
    any: bool,
}

impl ExactKeys {
    /// `name` tells its files from those of other collections in the same folder. An error if the budget is below 64 KiB.
    pub fn new(name: &str, budget: &Budget) -> Result<ExactKeys> {
        let half = half(budget)?;
        Ok(ExactKeys { records: Partitions::new(name, half, &budget.dir), tables: half, last: 0, any: false })
    }

    /// The key of document `ordinal`. Documents come in document order, each at most once; one that is not pushed (it has
    /// no URL, say) is like no other.
    pub fn push(&mut self, ordinal: u32, key: u128) -> Result<()> {
        in_order(&mut self.last, &mut self.any, ordinal, true)?;
        let mut record = [0; 20];
        record[..16].copy_from_slice(&key.to_le_bytes());
        record[16..].copy_from_slice(&ordinal.to_le_bytes());
        self.records.push(key.hash(), record)
    }

    /// The clusters of equal keys among `documents` documents. An error if an ordinal was too large.
    pub fn finish(self, documents: u32) -> Result<Clusters> {
        if self.any && self.last >= documents {
            return Err(Error::option("documents", documents, "more than every ordinal that was pushed"));
        }
        let forest = Forest::new(documents);
        self.records.by_size().into_par_iter().with_max_len(1).try_for_each(|part| {
            let records = self.records.records_of(part);
            let passes = passes(records, 20, share(self.tables));
            (0..passes).try_for_each(|pass| {
                let mut table = Firsts::<u128>::new(records.div_ceil(passes));
                self.records.for_each(part, |record| {
                    let ([key @ .., _, _, _, _], [.., a, b, c, d]) = (record, record);
                    let (key, ordinal) = (u128::from_le_bytes(*key), u32::from_le_bytes([*a, *b, *c, *d]));
                    if passes == 1 || key.hash() % passes == pass {
                        let (first, new) = table.entry(key, ordinal);
                        if !new {
                            forest.unite(*first, ordinal);
                        }
                    }
                    Ok(())
                })
            })
        })?;
        Ok(forest.into_clusters())
    }
}

/// Finds the paragraphs that occurred before, in the same document or an earlier one.
#[derive(Debug)]
pub struct ExactParagraphs {
    records: Partitions<16>,
    budget: Budget,
    last: u32,
    any: bool,
    next: u32,
}

impl ExactParagraphs {
    /// An error if the budget is below 64 KiB.
    pub fn new(budget: &Budget) -> Result<ExactParagraphs> {
        let records = Partitions::new("paragraphs", half(budget)?, &budget.dir);
        Ok(ExactParagraphs { records, budget: budget.clone(), last: 0, any: false, next: 0 })
    }

    /// Paragraph `index` of document `ordinal` by its fingerprint. They come in document order, the indices of a document
    /// rising; paragraphs that should not be compared (empty ones, say) are not pushed.
    pub fn push(&mut self, ordinal: u32, index: u32, fingerprint: u64) -> Result<()> {
        let same = self.any && ordinal == self.last;
        in_order(&mut self.last, &mut self.any, ordinal, false)?;
        if same && index < self.next {
            return Err(Error::option("paragraph", index, "after the ones before it in its document"));
        }
        self.next = index.saturating_add(1);
        let (key, record) = record(ordinal, index, fingerprint);
        self.records.push(key, record)
    }

    /// Append the paragraphs of neighbouring documents, block by block in document order: each block has whole documents.
    pub(crate) fn append(&mut self, blocks: &[Block<16>]) -> Result<()> {
        blocks_in_order(&mut self.last, &mut self.any, blocks, true)?;
        if blocks.iter().any(|block| block.ordinals.is_some()) {
            self.next = u32::MAX;
        }
        self.records.append(blocks)
    }

    /// All paragraphs of a document into what becomes a block.
    pub(crate) fn gather(gathered: &mut Gathered<16>, ordinal: u32, fingerprints: &[u64]) {
        for (index, &fingerprint) in (0u32..).zip(fingerprints) {
            let (key, record) = record(ordinal, index, fingerprint);
            gathered.push(ordinal, key, record);
        }
    }

    /// Paragraphs so far.
    pub fn paragraphs(&self) -> u64 {
        self.records.records()
    }

    /// All that occurred before.
    pub fn finish(self) -> Result<Sorted> {
        let quarter = self.budget.memory / 4;
        let sorter = Sorter::new("duplicates", self.last, 2 * quarter, &self.budget.dir);
        self.records.by_size().into_par_iter().with_max_len(1).try_for_each(|part| -> Result<()> {
            let keys = self.records.keys_of(part, 12, share(quarter), |record| {
                record.first_chunk().map_or(0, |key| u64::from_le_bytes(*key)).into()
            })?;
            let passes = passes(keys, 12, share(quarter));
            let mut hand = sorter.hand();
            for pass in 0..passes {
                let mut table = Firsts::<u64>::new(keys.div_ceil(passes));
                self.records.for_each(part, |record| {
                    let ([key @ .., _, _, _, _, _, _, _, _], [.., a, b, c, d, e, f, g, h]) = (record, record);
                    let key = u64::from_le_bytes(*key);
                    if (passes == 1 || key % passes == pass) && !table.entry(key, 0).1 {
                        let ordinal = u32::from_le_bytes([*a, *b, *c, *d]);
                        hand.put(ordinal, u32::from_le_bytes([*e, *f, *g, *h]))?;
                    }
                    Ok(())
                })?;
            }
            hand.push()
        })?;
        Ok(sorter.sorted())
    }
}

fn record(ordinal: u32, index: u32, fingerprint: u64) -> (u64, [u8; 16]) {
    let key = mix(fingerprint);
    let mut record = [0; 16];
    record[..8].copy_from_slice(&key.to_le_bytes());
    record[8..12].copy_from_slice(&ordinal.to_le_bytes());
    record[12..].copy_from_slice(&index.to_le_bytes());
    (key, record)
}

/// Half of the budget, or an error if it is too small.
pub(super) fn half(budget: &Budget) -> Result<u64> {
    if budget.memory < LEAST_MEMORY {
        return Err(Error::option("memory", budget.memory, "at least 64 KiB"));
    }
    Ok(budget.memory / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn in_pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
    }

    fn keys(memory: u64, threads: usize, keys: &[u128]) -> Clusters {
        let dir = tempfile::tempdir().unwrap();
        let mut exact = ExactKeys::new("text", &Budget { memory, dir: dir.path().join("spill") }).unwrap();
        for (i, &key) in (0..).zip(keys) {
            exact.push(i, key).unwrap();
        }
        in_pool(threads, || exact.finish(keys.len() as u32).unwrap())
    }

    fn paragraphs(memory: u64, threads: usize, all: &[(u32, u32, u64)]) -> Vec<(u32, Vec<u32>)> {
        let dir = tempfile::tempdir().unwrap();
        let mut exact = ExactParagraphs::new(&Budget { memory, dir: dir.path().join("spill") }).unwrap();
        for &(ordinal, index, fingerprint) in all {
            exact.push(ordinal, index, fingerprint).unwrap();
        }
        in_pool(threads, || {
            let mut found = exact.finish().unwrap();
            let mut out = Vec::new();
            while let Some((ordinal, indices)) = found.next().unwrap() {
                out.push((ordinal, indices.to_vec()));
            }
            assert_eq!(found.count(), out.iter().map(|(_, i)| i.len() as u64).sum::<u64>());
            out
        })
    }

    #[test]
    fn equal_keys_are_one_cluster() {
        // Keys that differ in one half only are different.
        let all: Vec<u128> = vec![1, 1 << 64, 1, (1 << 64) + 1, 1 << 64, 0, 1];
        assert_eq!(keys(1 << 20, 2, &all).firsts(), [0, 1, 0, 3, 1, 5, 0]);
    }

    #[test]
    fn neither_threads_nor_memory_change_clusters_of_keys() {
        let all: Vec<u128> = (0..40_000u64).map(|i| u128::from(mix(i) % 30_000) << 60).collect();
        let want = keys(1 << 26, 1, &all);
        assert!(want.duplicates() > 10_000);
        for (memory, threads) in [(1 << 26, 2), (1 << 26, 4), (1 << 16, 1), (1 << 16, 2), (1 << 16, 4)] {
            assert!(keys(memory, threads, &all) == want, "{memory} bytes, {threads} threads");
        }
    }

    #[test]
    fn what_occurred_before_is_found_at_any_memory_and_threads() {
        let all: Vec<(u32, u32, u64)> =
            (0..60_000u64).map(|i| ((i / 7 * 2) as u32, (i % 7) as u32, mix(i) % 40_000)).collect();
        let mut seen = HashSet::new();
        let mut naive: Vec<(u32, Vec<u32>)> = Vec::new();
        for &(ordinal, index, fingerprint) in &all {
            if !seen.insert(fingerprint) {
                match naive.last_mut() {
                    Some((last, indices)) if *last == ordinal => indices.push(index),
                    _ => naive.push((ordinal, vec![index])),
                }
            }
        }
        for (memory, threads) in [(1 << 26, 1), (1 << 26, 2), (1 << 26, 4), (1 << 16, 1), (1 << 16, 4)] {
            assert!(paragraphs(memory, threads, &all) == naive, "{memory} bytes, {threads} threads");
        }
    }

    #[test]
    fn one_paragraph_everywhere_fits_a_small_budget() {
        let all: Vec<(u32, u32, u64)> = (0..50_000).map(|i| (i, 3, 42)).collect();
        let found = paragraphs(1 << 16, 2, &all);
        assert_eq!(found.len(), 49_999);
        assert_eq!(found[0], (1, vec![3]));
    }

    #[test]
    fn order_is_checked_and_nothing_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { memory: 1 << 20, dir: dir.path().into() };
        let mut exact = ExactParagraphs::new(&budget).unwrap();
        exact.push(1, 5, 0).unwrap();
        assert!(matches!(exact.push(1, 5, 0), Err(Error::Option { option: "paragraph", .. })));
        assert!(matches!(exact.push(0, 0, 0), Err(Error::Order { ordinal: 0, after: 1 })));
        let mut exact = ExactKeys::new("a", &budget).unwrap();
        exact.push(3, 0).unwrap();
        assert!(matches!(exact.push(3, 0), Err(Error::Order { .. })));
        assert!(matches!(exact.finish(3), Err(Error::Option { .. })));
        assert!(ExactParagraphs::new(&budget).unwrap().finish().unwrap().next().unwrap().is_none());
        assert_eq!(ExactKeys::new("b", &budget).unwrap().finish(2).unwrap(), Clusters::singletons(2));
    }
}
