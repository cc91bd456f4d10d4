//! The rounds of deduplication between tasks: records are dealt into buckets by their key, so that equal keys meet in one.
//! The [steps](super::steps) hold no more of them than the memory allows ([`super::dealer`], [`super::bucket`]).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::dedup::forest::Forest;
use crate::dedup::hash::mix;
use crate::dedup::{Budget, Clusters, ExactKeys, ExactParagraphs, Keep, Lsh, Sizing};
use crate::error::{Error, Result};
use crate::part::{Hashes, Reader};
use crate::resolve::{Standing, copies, near_copies};
use crate::rounds::{self, Pairs};

/// A round of deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    Url,
    Text,
    /// What near copies are looked for among, where they are verified.
    Candidates,
    Near,
    Paragraphs,
    /// Where stretches that came before are looked for.
    Anchors,
    Substrings,
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
            Round::Anchors => rounds::ANCHORS,
            Round::Substrings => rounds::SUBSTRINGS,
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
            Round::Anchors => "anchors",
            Round::Substrings => "substrings",
        }
    }

    /// Whether what it found are documents that go.
    pub fn drops(self) -> bool {
        matches!(self, Round::Url | Round::Text | Round::Near)
    }

    /// Whether a build takes over what it found, and not only the round behind it.
    pub fn lasts(self) -> bool {
        !matches!(self, Round::Candidates | Round::Anchors)
    }

    /// Whether it comes behind the mix.
    pub fn mixed(self) -> bool {
        matches!(self, Round::Paragraphs | Round::Anchors | Round::Substrings)
    }

    /// Whether it looks for stretches, in the texts.
    pub fn of_stretches(self) -> bool {
        matches!(self, Round::Anchors | Round::Substrings)
    }

    /// Bytes of a record: key, ordinal, and of a paragraph its index, of a stretch its first byte. Those of texts have no width.
    pub fn width(self) -> usize {
        match self {
            Round::Url | Round::Text => 20,
            Round::Candidates | Round::Near => 12,
            Round::Paragraphs | Round::Anchors => 16,
            Round::Substrings => 24,
        }
    }
}

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

/// Takes records.
pub(crate) type Take<'t> = dyn FnMut(&[u8]) -> Result<()> + 't;

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
                // They are in the texts.
                Round::Anchors | Round::Substrings => {}
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
        // Those need to know the length of a stretch.
        Round::Anchors | Round::Substrings => Ok(()),
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
    buckets: Vec<B>,
    keep: Keep,
    all: impl FnOnce() -> Result<Standing>,
    found: &mut Pairs,
) -> Result<()> {
    match round {
        Round::Candidates => connected(&united(documents, buckets)?, found),
        Round::Near => near_copies(&united(documents, buckets)?, keep, &all()?, found),
        Round::Url | Round::Text | Round::Paragraphs | Round::Anchors | Round::Substrings => {
            in_order(buckets, |a, b| found.put(a, b))
        }
    }
}

/// All pairs of some buckets in order, each of which is sorted.
pub(super) fn in_order<B: Iterator<Item = Result<(u32, u32)>>>(
    mut buckets: Vec<B>,
    mut put: impl FnMut(u32, u32) -> Result<()>,
) -> Result<()> {
    let mut heap: BinaryHeap<Reverse<((u32, u32), usize)>> = BinaryHeap::new();
    for (i, pairs) in buckets.iter_mut().enumerate() {
        heap.extend(pairs.next().transpose()?.map(|next| Reverse((next, i))));
    }
    while let Some(Reverse(((a, b), i))) = heap.pop() {
        put(a, b)?;
        heap.extend(buckets[i].next().transpose()?.map(|next| Reverse((next, i))));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::{Rounds, Stored};
    use regimen_base::Hash256;

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
