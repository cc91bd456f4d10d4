//! The steps of the rounds of deduplication between tasks: a map over each group, a reduce over each bucket, and a merge, from objects
//! to an object.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::PathBuf;

use regimen_base::{Cancel, Hash256, fs};

use crate::arena;
use crate::dedup::Budget;
use crate::error::{Error, Result};
use crate::mix::Spread;
use crate::resolve::{Standing, limits};
use crate::rounds::{Rounds, Stored};
use crate::task::bucket::{Whole, dealt, wide};
use crate::task::dealer::Dealer;
use crate::task::shuffle::{Buckets, Round, Take, deal, join, meet};
use crate::task::{Item, Task, Work, rounds as wanted, texts};

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
        if round.mixed() && config.mixes() {
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
        if self.compares_texts(round) {
            self.deal_texts(task, group, &all, &buckets, &mut dealer)?;
        } else if round.of_stretches() {
            self.deal_stretches(task, (round, group), &all, &buckets, &mut dealer)?;
        } else {
            let hashes = arena::map(&self.hashes(group)?)?;
            deal(round, &hashes, &all, &buckets, &mut |bucket, record| dealer.put(bucket, record))?;
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
                None if round.of_stretches() => self.meet_stretches(round, &budget, &mut records, found),
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
            if round == Round::Substrings {
                return self.join_windows(stored, found);
            }
            join(round, self.documents()?, stored, self.ground.pipeline.keep(), all, found)
        })?;
        buckets.try_for_each(|bucket| self.depot.forget(&path(bucket)))?;
        self.depot.send(&rounds.path(round.file()), round.file())
    }
}

/// The object with the hashes of a group.
fn hashes_of(group: usize) -> String {
    Item::First(group).object()
}
