//! Bands to clusters: documents that share a band, and what is connected by such pairs.
//!
//! Locality-sensitive hashing (Indyk and Motwani, STOC 1998): see [`super::minhash`] for how likely a pair meets. Each
//! (band, hash) is one 64-bit key; a record of 12 bytes says which document has it. Records are partitioned by key (so
//! threads and spilled files never split a bucket), each bucket links its documents to the first of them, and union-find
//! ([`super::forest`]) makes clusters of that. Two different keys are equal with probability `n^2 / 2^65` among `n` records:
//! 5e-6 for a million documents of 14 bands.
//!
//! A cluster is closed under "shares a band with", so its ends may be less alike than the threshold. With
//! [`Lsh::finish_verified`] a pair counts only if the caller agrees, as by the shingles of both ([`super::verify`]).

use rayon::prelude::*;

use super::error::{Error, Result};
use super::forest::{Clusters, Forest};
use super::hash::mix;
use super::partition::{Block, Budget, Firsts, Gathered, LEAST_MEMORY, NONE, Partitions, passes, share};

/// Bytes of a record: key, ordinal.
pub(crate) const RECORD: usize = 12;
/// Bytes of a table's slot.
const SLOT: u64 = 12;
/// The same when buckets have leaders, with the two numbers of a leader.
const VERIFIED_SLOT: u64 = SLOT + 8;
/// Leaders of a bucket: documents that are like none before them. More than these are not compared with.
const LEADERS: usize = 16;

/// Collects the bands of documents.
#[derive(Debug)]
pub struct Lsh {
    records: Partitions<RECORD>,
    tables: u64,
    last: u32,
    any: bool,
}

impl Lsh {
    /// An error if the budget is below 64 KiB.
    pub fn new(budget: &Budget) -> Result<Lsh> {
        if budget.memory < LEAST_MEMORY {
            return Err(Error::option("memory", budget.memory, "at least 64 KiB"));
        }
        let half = budget.memory / 2;
        Ok(Lsh { records: Partitions::new("lsh", half, &budget.dir), tables: half, last: 0, any: false })
    }

    /// The bands of document `ordinal`, as [`Work::bands`](super::minhash::Work::bands) gives them; none for a document that is
    /// like no other. Documents come in document order.
    pub fn push(&mut self, ordinal: u32, bands: &[u64]) -> Result<()> {
        in_order(&mut self.last, &mut self.any, ordinal, false)?;
        Lsh::keys(bands).try_for_each(|key| self.push_key(ordinal, key))
    }

    /// The keys of a document's bands: those of two documents are equal if the same band has the same hash.
    pub fn keys(bands: &[u64]) -> impl Iterator<Item = u64> {
        (0u64..).zip(bands).map(|(band, &hash)| mix(hash ^ mix(band)))
    }

    /// One of the keys of document `ordinal`. Documents come in document order.
    pub fn push_key(&mut self, ordinal: u32, key: u64) -> Result<()> {
        in_order(&mut self.last, &mut self.any, ordinal, false)?;
        self.records.push(key, record(key, ordinal))
    }

    /// Append the bands of neighbouring documents, block by block in document order.
    pub(crate) fn append(&mut self, blocks: &[Block<RECORD>]) -> Result<()> {
        blocks_in_order(&mut self.last, &mut self.any, blocks, false)?;
        self.records.append(blocks)
    }

    /// The bands of a document into what becomes a block.
    pub(crate) fn gather(gathered: &mut Gathered<RECORD>, ordinal: u32, bands: &[u64]) {
        for key in Lsh::keys(bands) {
            gathered.push(ordinal, key, record(key, ordinal));
        }
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.records.records()
    }

    /// Whether records went to files.
    pub fn spilled(&self) -> bool {
        self.records.spilled()
    }

    /// The clusters of `documents` documents, some of which may not have been pushed. An error if an ordinal was too large.
    pub fn finish(self, documents: u32) -> Result<Clusters> {
        let forest = self.forest(documents)?;
        self.records.by_size().into_par_iter().with_max_len(1).try_for_each(|part| {
            let passes = passes(self.records.records_of(part), SLOT, share(self.tables));
            (0..passes).try_for_each(|pass| {
                let mut table = Firsts::<u64>::new(self.records.records_of(part).div_ceil(passes));
                self.in_pass(part, pass, passes, |key, ordinal| {
                    let (first, new) = table.entry(key, ordinal);
                    if !new {
                        forest.unite(*first, ordinal);
                    }
                    Ok::<(), Error>(())
                })
            })
        })?;
        Ok(forest.into_clusters())
    }

    /// The same, but two documents of a bucket are linked only if `alike` says so. A document is compared with the leaders of
    /// its bucket: the first document, and those that were like no leader before them, up to 16 in all.
    ///
    /// # Errors
    /// As for [`Lsh::finish`], and what `alike` says.
    pub fn finish_verified<E: From<Error> + Send>(
        self,
        documents: u32,
        alike: impl Fn(u32, u32) -> std::result::Result<bool, E> + Sync,
    ) -> std::result::Result<Clusters, E> {
        let forest = self.forest(documents)?;
        self.records.by_size().into_par_iter().with_max_len(1).try_for_each(|part| {
            let passes = passes(self.records.records_of(part), VERIFIED_SLOT, share(self.tables));
            (0..passes).try_for_each(|pass| {
                let mut table = Firsts::<u64>::new(self.records.records_of(part).div_ceil(passes));
                // Each slot names its newest leader; each leader the one before it.
                let mut leaders: Vec<(u32, u32)> = Vec::new();
                self.in_pass::<E>(part, pass, passes, |key, ordinal| {
                    let (head, new) = table.entry(key, leaders.len() as u32);
                    let mut before = NONE;
                    if !new {
                        let (mut at, mut count) = (*head, 0);
                        while let Some(&(leader, next)) = leaders.get(at as usize) {
                            if leader == ordinal || alike(leader, ordinal)? {
                                forest.unite(leader, ordinal);
                                return Ok(());
                            }
                            (at, count) = (next, count + 1);
                        }
                        if count == LEADERS {
                            return Ok(());
                        }
                        before = *head;
                        *head = leaders.len() as u32;
                    }
                    leaders.push((ordinal, before));
                    Ok(())
                })
            })
        })?;
        Ok(forest.into_clusters())
    }

    fn forest(&self, documents: u32) -> Result<Forest> {
        if self.any && self.last >= documents {
            return Err(Error::option("documents", documents, "more than every ordinal that was pushed"));
        }
        Ok(Forest::new(documents))
    }

    /// The records of a partition whose key falls to this pass.
    fn in_pass<E: From<Error>>(
        &self,
        part: usize,
        pass: u64,
        passes: u64,
        mut f: impl FnMut(u64, u32) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.records.try_each(part, |record| {
            let ([key @ .., _, _, _, _], [.., a, b, c, d]) = (record, record);
            let key = u64::from_le_bytes(*key);
            if passes == 1 || key % passes == pass {
                f(key, u32::from_le_bytes([*a, *b, *c, *d]))?;
            }
            Ok(())
        })
    }
}

fn record(key: u64, ordinal: u32) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&key.to_le_bytes());
    record[8..].copy_from_slice(&ordinal.to_le_bytes());
    record
}

/// Fails if `ordinal` comes after a later one (or after itself, where each comes once).
pub(crate) fn in_order(last: &mut u32, any: &mut bool, ordinal: u32, once: bool) -> Result<()> {
    if ordinal == NONE {
        return Err(Error::TooMany { what: "documents", most: u64::from(NONE) });
    }
    if *any && (ordinal < *last || once && ordinal == *last) {
        return Err(Error::Order { ordinal, after: *last });
    }
    (*last, *any) = (ordinal, true);
    Ok(())
}

/// The same for the documents of blocks.
pub(crate) fn blocks_in_order<const W: usize>(
    last: &mut u32,
    any: &mut bool,
    blocks: &[Block<W>],
    once: bool,
) -> Result<()> {
    for (first, end) in blocks.iter().filter_map(|block| block.ordinals) {
        in_order(last, any, first, once)?;
        *last = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn budget(dir: &std::path::Path, memory: u64) -> Budget {
        Budget { memory, dir: dir.join("spill") }
    }

    /// Bands of `documents` documents with few values, so that many meet.
    fn bands(documents: u32) -> Vec<[u64; 3]> {
        (0..u64::from(documents))
            .map(|i| [mix(i) % 20_000, mix(i ^ 1 << 40) % 30_000, mix(i ^ 2 << 40)])
            .collect()
    }

    fn clusters(memory: u64, threads: usize, bands: &[[u64; 3]], verified: bool) -> (Clusters, bool) {
        let dir = tempfile::tempdir().unwrap();
        let mut lsh = Lsh::new(&budget(dir.path(), memory)).unwrap();
        for (i, bands) in (0..).zip(bands) {
            lsh.push(i, bands).unwrap();
        }
        let spilled = lsh.spilled();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let documents = bands.len() as u32;
        let clusters = pool
            .install(|| {
                if verified {
                    lsh.finish_verified::<Error>(documents, |a, b| Ok((a ^ b) % 3 != 0))
                } else {
                    lsh.finish(documents)
                }
            })
            .unwrap();
        (clusters, spilled)
    }

    #[test]
    fn clusters_are_those_of_shared_bands_by_the_book() {
        let bands = bands(5000);
        let mut first: HashMap<(usize, u64), u32> = HashMap::new();
        let forest = Forest::new(5000);
        for (i, bands) in (0..).zip(&bands) {
            for (band, &hash) in bands.iter().enumerate() {
                forest.unite(*first.entry((band, hash)).or_insert(i), i);
            }
        }
        let (found, _) = clusters(1 << 24, 2, &bands, false);
        assert_eq!(found, forest.into_clusters());
        assert!(found.duplicates() > 500);
    }

    #[test]
    fn neither_threads_nor_memory_change_the_clusters() {
        let bands = bands(60_000);
        for verified in [false, true] {
            let (want, spilled) = clusters(1 << 26, 1, &bands, verified);
            assert!(!spilled);
            for (memory, threads) in [(1 << 26, 2), (1 << 26, 4), (1 << 16, 1), (1 << 16, 4), (1 << 20, 2)] {
                let (found, spilled) = clusters(memory, threads, &bands, verified);
                assert_eq!(spilled, memory < 1 << 26);
                assert!(found == want, "{memory} bytes, {threads} threads");
            }
        }
    }

    #[test]
    fn a_pair_that_is_refused_is_no_pair() {
        let dir = tempfile::tempdir().unwrap();
        let mut lsh = Lsh::new(&budget(dir.path(), 1 << 20)).unwrap();
        for i in 0..6 {
            lsh.push(i, &[7]).unwrap();
        }
        // Even and odd documents share a band but are not alike.
        let clusters = lsh.finish_verified::<Error>(8, |a, b| Ok(a % 2 == b % 2)).unwrap();
        assert_eq!(clusters.firsts(), [0, 1, 0, 1, 0, 1, 6, 7]);
        let mut lsh = Lsh::new(&budget(dir.path(), 1 << 20)).unwrap();
        (0..3).for_each(|i| lsh.push(i, &[7]).unwrap());
        let fault = lsh.finish_verified(3, |a, b| Err(Error::Order { ordinal: a, after: b })).unwrap_err();
        assert!(matches!(fault, Error::Order { ordinal: 0, .. }));
    }

    #[test]
    fn one_bucket_that_holds_all_takes_no_more_memory() {
        let bands = vec![[1, 2, 3]; 30_000];
        let (clusters, _) = clusters(1 << 16, 2, &bands, false);
        assert_eq!(clusters.duplicates(), 29_999);
    }

    #[test]
    fn order_and_ranges_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Lsh::new(&budget(dir.path(), 100)), Err(Error::Option { .. })));
        let mut lsh = Lsh::new(&budget(dir.path(), 1 << 20)).unwrap();
        lsh.push(5, &[1]).unwrap();
        assert!(matches!(lsh.push(4, &[1]), Err(Error::Order { ordinal: 4, after: 5 })));
        assert!(matches!(lsh.push(u32::MAX, &[1]), Err(Error::TooMany { .. })));
        assert!(lsh.finish(5).is_err());
    }
}
