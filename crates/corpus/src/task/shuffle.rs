//! The rounds of deduplication between tasks: records are dealt into buckets by their key, so that equal keys meet in one.
//! No step holds more of them than the memory allows ([`super::dealer`], [`super::bucket`]).

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::path::PathBuf;

use regimen_base::{Cancel, Hash256, fs};

use crate::arena;
use crate::dedup::forest::Forest;
use crate::dedup::hash::mix;
use crate::dedup::{Budget, Clusters, ExactKeys, ExactParagraphs, Keep, Lsh, Sizing};
use crate::error::{Error, Result};
use crate::mix::Spread;
use crate::part::{Hashes, Reader};
use crate::resolve::{Standing, copies, limits, near_copies};
use crate::rounds::{self, Pairs, Rounds, Stored};
use crate::task::bucket::{Whole, dealt, wide};
use crate::task::dealer::Dealer;
use crate::task::{Item, Task, Work, rounds as wanted, texts};

/// A round of deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    Url,
    Text,
    /// What near copies are looked for among, where they are verified.
    Candidates,
    Near,
    Paragraphs,
}

impl Round {
    /// The file that holds what it found.
    pub fn file(self) -> &'static str {
        match self {
            Round::Url => rounds::URL,
            Round::Text => rounds::TEXT,
            Round::Candidates => rounds::CANDIDATES,
            Round::Near => rounds::NEAR,
            Round::Paragraphs => rounds::PARAGRAPHS,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Round::Url => "url",
            Round::Text => "text",
            Round::Candidates => "candidates",
            Round::Near => "near",
            Round::Paragraphs => "paragraphs",
        }
    }

    /// Whether what it found is dropped.
    pub fn drops(self) -> bool {
        self != Round::Candidates
    }

    /// Bytes of a record: key, ordinal, and of a paragraph its index. Those of texts have no width.
    pub fn width(self) -> usize {
        match self {
            Round::Url | Round::Text => 20,
            Round::Candidates | Round::Near => 12,
            Round::Paragraphs => 16,
        }
    }
}

/// The share of the memory in which records are dealt: beside them are the fates of the documents of a group.
const SHARE: u64 = 4;
/// Bytes of what was found in a bucket that are read at a time, at most.
const READ: u64 = 64 << 10;

/// What is known once all groups are read.
pub(crate) struct Facts {
    /// What the files of the rounds stand for.
    pub key: Hash256,
    /// Ordinal of the first document of each group, and behind them their number.
    starts: Vec<u32>,
    /// Up to which place the mix takes each source.
    limits: OnceCell<Vec<f64>>,
}

impl Work<'_> {
    /// What is known once all groups are read, which they are.
    pub(super) fn facts(&self) -> Result<&Facts> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts);
        }
        let (mut starts, mut notes) = (vec![0u32], Vec::new());
        for group in 0..self.ground.groups.len() {
            let note = self.depot.noted(&hashes_of(group))?;
            let next = u64::from(starts[group]).saturating_add(note.rows);
            let most = u64::from(u32::MAX);
            starts.push(u32::try_from(next).map_err(|_| Error::TooMany { what: "documents", most })?);
            notes.push(note);
        }
        let key = self.ground.rounds_key(&notes);
        Ok(self.facts.get_or_init(|| Facts { key, starts, limits: OnceCell::new() }))
    }

    /// The hashes of a group, brought here if they are not.
    pub(super) fn hashes(&self, group: usize) -> Result<PathBuf> {
        let path = self.parts().join(format!("{group:06}.hashes"));
        self.depot.bring(&hashes_of(group), &path, &mut |_| ())?;
        Ok(path)
    }

    fn documents(&self) -> Result<u32> {
        Ok(*self.facts()?.starts.last().unwrap_or(&0))
    }

    fn budget(&self, name: &str) -> Budget {
        let dir = self.scratch.join(format!("spill-{name}"));
        Budget { memory: self.ground.config.memory, dir }
    }

    /// Some groups as they stand before `round`.
    fn standing(&self, round: Round, groups: Range<usize>) -> Result<Standing> {
        let (config, reasons) = (self.ground.config, self.ground.given.of_copies);
        let mut all = self.before(round, groups)?;
        if round == Round::Paragraphs && config.mixes() {
            all.take(self.limits()?, reasons.mixed);
        }
        Ok(all)
    }

    /// Some groups as they stand after the rounds before `round`, and before the mix.
    fn before(&self, round: Round, groups: Range<usize>) -> Result<Standing> {
        let maps =
            groups.clone().map(|group| arena::map(&self.hashes(group)?)).collect::<Result<Vec<_>>>()?;
        let starts = &self.facts()?.starts;
        let mut all = Standing::new(starts[groups.start], maps.iter().map(|map| &map[..]))?;
        if all.fates.len() as u64 != u64::from(starts[groups.end] - starts[groups.start]) {
            // A note that tells of other documents than there are.
            let name = hashes_of(groups.start);
            return Err(Error::DamagedObject { url: self.depot.store.url_of(&name) });
        }
        let all_before = wanted(self.ground.config).into_iter().take_while(|&before| before != round);
        for before in all_before.filter(|before| before.drops()) {
            let path = self.parts().join(before.file());
            self.depot.bring(before.file(), &path, &mut |_| ())?;
            all.drop_copies(&arena::map(&path)?, self.ground.given.of_copies.near);
        }
        Ok(all)
    }

    /// Up to which place the mix takes each source.
    fn limits(&self) -> Result<&[f64]> {
        let facts = self.facts()?;
        if let Some(known) = facts.limits.get() {
            return Ok(known);
        }
        let mut sums = vec![Spread::default(); self.ground.config.sources.len()];
        for group in 0..self.ground.groups.len() {
            let name = Item::Bytes(group).object();
            let spreads: Vec<Spread> = serde_json::from_slice(&self.depot.get(&name)?)
                .map_err(|_| Error::DamagedObject { url: self.depot.store.url_of(&name) })?;
            sums.iter_mut().zip(&spreads).for_each(|(sum, spread)| sum.merge(spread));
        }
        Ok(facts.limits.get_or_init(|| limits(self.ground.config, &sums)))
    }

    /// Bytes of a group that are kept before the mix, by source.
    pub(super) fn bytes(&self, group: usize) -> Result<()> {
        let all = self.before(Round::Paragraphs, group..group + 1)?;
        let spreads = all.spreads(self.ground.config.sources.len());
        let object = serde_json::to_vec(&spreads).map_err(|_| Error::Record { what: "a sum of bytes" })?;
        self.depot.put(&Item::Bytes(group).object(), &object, spreads.len() as u64)
    }

    /// Into which buckets the records of a round are dealt.
    fn buckets(&self, round: Round) -> Result<Buckets> {
        let filter = match round {
            Round::Paragraphs => self.ground.config.paragraphs.filter()?,
            _ => None,
        };
        Ok(Buckets { number: self.plan.tasks as usize, filter })
    }

    /// Deal the records of a group.
    pub(super) fn map(&self, task: &Task, round: Round, group: usize) -> Result<()> {
        let all = self.standing(round, group..group + 1)?;
        let buckets = self.plan.tasks as usize;
        let path = self.scratch.join(format!("{}.map.{group:06}", round.name()));
        let mut dealer =
            Dealer::new(buckets, self.ground.config.memory / SHARE, &path.with_extension("spill"));
        let buckets = self.buckets(round)?;
        match self.compares_texts(round) {
            true => self.deal_texts(task, group, &all, &buckets, &mut dealer)?,
            false => {
                let hashes = arena::map(&self.hashes(group)?)?;
                deal(round, &hashes, &all, &buckets, &mut |bucket, record| dealer.put(bucket, record))?;
            }
        }
        dealer.finish(&path, self.plan.key, all.fates.len() as u64)?;
        self.depot.send(&path, &dealt(round, group))?;
        Ok(fs::remove_file(&path)?)
    }

    /// Find what meets in a bucket.
    pub(super) fn reduce(&self, round: Round, bucket: usize, cancel: &Cancel) -> Result<()> {
        let name = Item::Reduce(round, bucket).object();
        let budget = self.budget(&format!("{}-{bucket}", round.name()));
        let file = format!("{}.{bucket:06}", round.name());
        let here = Rounds { dir: &self.scratch, key: self.plan.key };
        here.round(&file, |found| {
            let texts = self.compares_texts(round);
            let wide = wide(round.width());
            let whole: &Whole = if texts { &texts::whole } else { &wide };
            let mut records = |then: &mut Take| self.records(round, bucket, whole, cancel, then);
            match self.buckets(round)?.filter {
                Some(sizing) => self.meet_in_filter(sizing, bucket, &mut records, found),
                None if texts => self.meet_texts(&budget, &mut records, cancel, found),
                None => meet(round, self.documents()?, &budget, &mut records, found),
            }
        })?;
        // Its note is that of the object.
        self.depot.send(&here.path(&file), &name)?;
        Ok(fs::remove_file(&here.path(&file))?)
    }

    /// Put the buckets together.
    pub(super) fn merge(&self, round: Round, cancel: &Cancel) -> Result<()> {
        if let Some(sizing) = self.buckets(round)?.filter {
            self.check_filter(sizing, cancel)?;
        }
        let parts = self.parts();
        let path = |bucket| self.scratch.join(format!("{}.part.{bucket:06}", round.name()));
        let mut buckets = 0..self.plan.tasks as usize;
        for bucket in buckets.clone() {
            self.depot.bring(&Item::Reduce(round, bucket).object(), &path(bucket), &mut |_| ())?;
        }
        let rounds = Rounds { dir: &parts, key: self.facts()?.key };
        let memory = (self.ground.config.memory / 4 / buckets.len().max(1) as u64).min(READ);
        rounds.round(round.file(), |found| {
            let all = || self.standing(round, 0..self.ground.groups.len());
            let stored = buckets.clone().map(|bucket| Stored::new(path(bucket), memory)).collect();
            join(round, self.documents()?, stored, self.ground.pipeline.keep(), all, found)
        })?;
        buckets.try_for_each(|bucket| self.depot.forget(&path(bucket)))?;
        self.depot.send(&rounds.path(round.file()), round.file())
    }
}

/// Takes records.
pub(crate) type Take<'t> = dyn FnMut(&[u8]) -> Result<()> + 't;

/// Into which buckets records are dealt.
#[derive(Clone, Copy)]
pub(crate) struct Buckets {
    pub number: usize,
    /// The Bloom filter of which each bucket has a share.
    pub filter: Option<Sizing>,
}

impl Buckets {
    /// The bucket of a key.
    pub fn of(&self, key: u64) -> usize {
        match &self.filter {
            Some(sizing) => sizing.share_of(key.into(), self.number as u64) as usize,
            // Other bits than those by which a bucket is partitioned later.
            None => ((u128::from(mix(key ^ 0x5bd1_e995)) * self.number as u128) >> 64) as usize,
        }
    }
}

/// Gets the pieces of records, each with the number of its bucket.
pub(crate) type Put<'p> = dyn FnMut(usize, &[u8]) -> Result<()> + 'p;

/// Deal the records of the documents of a file of hashes that stand before `round` into buckets, one after the other.
pub(crate) fn deal(
    round: Round,
    file: &[u8],
    all: &Standing,
    buckets: &Buckets,
    put: &mut Put,
) -> Result<()> {
    let mut deal = |key: u64, record: &[&[u8]]| {
        let bucket = buckets.of(key);
        record.iter().try_for_each(|part| put(bucket, part))
    };
    let (mut reader, mut hashes, mut ordinal) = (Reader(file), Hashes::default(), all.start);
    while let Some(fate) = reader.hashes(&mut hashes)? {
        let number = ordinal.to_le_bytes();
        if all.stays(ordinal) {
            match round {
                Round::Url => {
                    if let Some(url) = hashes.url {
                        deal(url as u64, &[&url.to_le_bytes(), &number])?;
                    }
                }
                Round::Text => deal(fate.content as u64, &[&fate.content.to_le_bytes(), &number])?,
                Round::Candidates | Round::Near => {
                    Lsh::keys(&hashes.bands).try_for_each(|key| deal(key, &[&key.to_le_bytes(), &number]))?;
                }
                Round::Paragraphs => {
                    for (index, &hash) in (0u32..).zip(&hashes.paragraphs) {
                        deal(hash, &[&hash.to_le_bytes(), &number, &index.to_le_bytes()])?;
                    }
                }
            }
        }
        ordinal += 1;
    }
    Ok(())
}

/// Find what meets in a bucket, whose records `records` gives in document order.
pub(crate) fn meet(
    round: Round,
    documents: u32,
    budget: &Budget,
    records: &mut dyn FnMut(&mut Take) -> Result<()>,
    found: &mut Pairs,
) -> Result<()> {
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |n| u32::from_le_bytes(*n));
    match round {
        Round::Url | Round::Text => {
            let mut keys = ExactKeys::new("keys", budget)?;
            records(&mut |record| {
                let key = record.first_chunk().map_or(0, |key| u128::from_le_bytes(*key));
                Ok(keys.push(number(&record[16..]), key)?)
            })?;
            copies(&keys.finish(documents)?, found)
        }
        Round::Candidates | Round::Near => {
            let mut lsh = Lsh::new(budget)?;
            records(&mut |record| {
                let key = record.first_chunk().map_or(0, |key| u64::from_le_bytes(*key));
                Ok(lsh.push_key(number(&record[8..]), key)?)
            })?;
            copies(&lsh.finish(documents)?, found)
        }
        Round::Paragraphs => {
            let mut paragraphs = ExactParagraphs::new(budget)?;
            records(&mut |record| {
                let hash = record.first_chunk().map_or(0, |key| u64::from_le_bytes(*key));
                Ok(paragraphs.push(number(&record[8..]), number(&record[12..]), hash)?)
            })?;
            paragraphs.finish()?.each(|ordinal, index| found.put(ordinal, index))
        }
    }
}

/// Put what was found in the buckets, the pairs of each, together. `all` gives all documents as they stand before the round.
pub(crate) fn join<B: Iterator<Item = Result<(u32, u32)>>>(
    round: Round,
    documents: u32,
    mut buckets: Vec<B>,
    keep: Keep,
    all: impl FnOnce() -> Result<Standing>,
    found: &mut Pairs,
) -> Result<()> {
    match round {
        Round::Candidates => connected(&united(documents, buckets)?, found),
        Round::Near => near_copies(&united(documents, buckets)?, keep, &all()?, found),
        Round::Url | Round::Text | Round::Paragraphs => {
            // Each bucket is sorted.
            let mut heap: BinaryHeap<Reverse<((u32, u32), usize)>> = BinaryHeap::new();
            for (i, pairs) in buckets.iter_mut().enumerate() {
                heap.extend(pairs.next().transpose()?.map(|next| Reverse((next, i))));
            }
            while let Some(Reverse(((a, b), i))) = heap.pop() {
                found.put(a, b)?;
                heap.extend(buckets[i].next().transpose()?.map(|next| Reverse((next, i))));
            }
            Ok(())
        }
    }
}

/// What pairs connect.
fn united<B: Iterator<Item = Result<(u32, u32)>>>(documents: u32, buckets: Vec<B>) -> Result<Clusters> {
    let forest = Forest::new(documents);
    for pair in buckets.into_iter().flatten() {
        let (a, b) = pair?;
        if a.max(b) >= documents {
            return Err(Error::Record { what: "a pair of near duplicates" });
        }
        forest.unite(a, b);
    }
    Ok(forest.into_clusters())
}

/// All documents that are not alone, each with the first of its cluster.
fn connected(clusters: &Clusters, found: &mut Pairs) -> Result<()> {
    let mut leads = vec![false; clusters.firsts().len()];
    let each = || (0u32..).zip(clusters.firsts().iter().copied());
    each().filter(|(ordinal, first)| ordinal != first).for_each(|(_, first)| leads[first as usize] = true);
    each()
        .filter(|&(ordinal, first)| ordinal != first || leads[ordinal as usize])
        .try_for_each(|(ordinal, first)| found.put(ordinal, first))
}

/// The object with the hashes of a group.
fn hashes_of(group: usize) -> String {
    Item::First(group).object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_put_together_in_order_while_they_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let rounds = Rounds { dir: dir.path(), key: Hash256::of(b"k") };
        let all: Vec<(u32, u32)> = (0..3000).map(|i| (i / 2, i)).collect();
        let stored = (0..7).map(|bucket| {
            let name = format!("bucket.{bucket}");
            let own = all.iter().filter(|(_, b)| (b * 7919) % 7 == bucket);
            rounds.round(&name, |found| own.clone().try_for_each(|&(a, b)| found.put(a, b))).unwrap();
            Stored::new(rounds.path(&name), 64)
        });
        let stored: Vec<Stored> = stored.collect();
        let nothing = || Err(Error::Record { what: "nothing" });
        let found = rounds.round("all", |found| join(Round::Text, 1500, stored, Keep::First, nothing, found));
        assert_eq!(rounds::pairs(&found.unwrap()).collect::<Vec<_>>(), all);
    }

    #[test]
    fn candidates_are_all_that_are_connected_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let rounds = Rounds { dir: dir.path(), key: Hash256::of(b"k") };
        let buckets: [&[(u32, u32)]; 3] = [&[(4, 2), (9, 7)], &[], &[(7, 4), (6, 5)]];
        let pairs = || buckets.iter().map(|pairs| pairs.iter().copied().map(Ok)).collect();
        let nothing = || Err(Error::Record { what: "nothing" });
        let join = |documents, found: &mut Pairs| {
            join(Round::Candidates, documents, pairs(), Keep::First, nothing, found)
        };
        let found = rounds.round("x", |found| join(11, found)).unwrap();
        let expected = [(2, 2), (4, 2), (5, 5), (6, 5), (7, 2), (9, 2)];
        assert_eq!(rounds::pairs(&found).collect::<Vec<_>>(), expected);
        assert!(rounds.round("y", |found| join(9, found)).is_err());
    }
}
