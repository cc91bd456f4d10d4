//! The rounds of deduplication between gathered parts and the build: an engine deals the records of files into buckets
//! ([`Step::deal`]), brings each bucket together, looks what meets in it ([`Step::meet`]), and hands that back
//! ([`Gathered::merge`]). A round that is not run so is run by the build.

use std::path::{Path, PathBuf};

use regimen_base::{Cancel, Hash256};

use super::plan::Plan;
use crate::arena;
use crate::config::{Config, ParagraphDedup};
use crate::dedup::{Budget, Keep};
use crate::error::{Error, Result};
use crate::resolve::{Standing, limits};
use crate::rounds::{Rounds, pairs};
use crate::task;
use crate::task::shuffle::{Buckets, Round, Take, deal, join, meet};

/// Any reason: here it counts only that a document goes.
const GONE: u16 = 1;

/// Parts in document order, which a build takes over.
pub struct Gathered {
    pub(super) plan: Plan,
    pub(super) folder: PathBuf,
    pub(super) groups: usize,
    /// Ordinal of the first document of each file, and behind them their number.
    pub(super) starts: Vec<u32>,
    /// Hashes of what the first pass made for deduplication, by file.
    pub(super) hashes: Vec<Hash256>,
    /// What the files of the rounds stand for.
    pub(super) key: Hash256,
    pub(super) keep: Keep,
}

/// One round as the workers need it.
#[derive(Clone, Debug)]
pub struct Step {
    plan: Plan,
    round: Round,
    buckets: usize,
    starts: Vec<u32>,
    hashes: Vec<Hash256>,
    /// What the rounds before found.
    before: Vec<Vec<u8>>,
    /// Up to which place the mix takes each source, before paragraphs are compared.
    limits: Option<Vec<f64>>,
}

/// A [`Step`] in pieces that go to other processes.
#[derive(Clone, Debug, PartialEq)]
pub struct StepParts {
    /// Name of the round.
    pub round: String,
    /// Number of buckets.
    pub buckets: usize,
    /// Ordinal of the first document of each file, and behind them their number.
    pub starts: Vec<u32>,
    /// Hashes of what the first pass made for deduplication, by file.
    pub hashes: Vec<Hash256>,
    /// What the rounds before found.
    pub before: Vec<Vec<u8>>,
    /// Up to which place of the hashes of their keys the mix takes the documents of each source.
    pub limits: Option<Vec<f64>>,
}

/// The rounds that need nothing but records of what the first pass hands over, dealt by their keys, and none before them that
/// needs more.
fn rounds(config: &Config) -> Vec<Round> {
    let by_key = |round: &Round| match round {
        Round::Url | Round::Text => true,
        // Texts do not travel.
        Round::Candidates => false,
        Round::Near => config.near.verify.is_none(),
        // What a filter finds depends on the order of the documents.
        Round::Paragraphs => config.paragraphs.dedup == ParagraphDedup::Exact,
    };
    task::rounds(config).into_iter().take_while(by_key).collect()
}

/// The round called `name`, if the config wants it.
fn round(config: &Config, name: &str) -> Result<Round> {
    let found = rounds(config).into_iter().find(|round| round.name() == name);
    found.ok_or_else(|| Error::Handed {
        what: format!("the recipe has no round of deduplication `{name}`"),
        hint: "ask for the rounds that `rounds` names",
    })
}

impl Gathered {
    /// The folder of parts that a build takes over.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of the rounds, in their order: each needs what those before it found.
    ///
    /// # Errors
    /// The plan cannot be read.
    pub fn rounds(&self) -> Result<Vec<&'static str>> {
        Ok(rounds(&self.plan.config()?).into_iter().map(Round::name).collect())
    }

    /// The round called `name` as the workers need it, with so many buckets.
    ///
    /// # Errors
    /// [`Error::Handed`] if there is no such round, or one before it was not merged.
    pub fn step(&self, name: &str, buckets: usize) -> Result<Step> {
        let config = self.plan.config()?;
        let round = round(&config, name)?;
        if buckets == 0 || buckets > 100_000 {
            return Err(Error::Handed {
                what: format!("{buckets} buckets cannot be dealt into"),
                hint: "give 1 to 100000 buckets",
            });
        }
        let before = self.before(&config, round)?;
        let limits = match round {
            Round::Paragraphs if config.mixes() => {
                Some(limits(&config, &self.standing(&before)?.spreads(config.sources.len())))
            }
            _ => None,
        };
        let (plan, starts, hashes) = (self.plan.clone(), self.starts.clone(), self.hashes.clone());
        Ok(Step { plan, round, buckets, starts, hashes, before, limits })
    }

    fn before(&self, config: &Config, round: Round) -> Result<Vec<Vec<u8>>> {
        let rounds = rounds(config).into_iter().take_while(|&before| before != round);
        rounds
            .map(|before| {
                let path = self.folder.join(before.file());
                if crate::output::done(&path, self.key)?.is_none() {
                    return Err(Error::Handed {
                        what: format!("the round `{}` comes before `{}`", before.name(), round.name()),
                        hint: "run the rounds in their order, and merge each",
                    });
                }
                Ok(regimen_base::fs::read(&path)?)
            })
            .collect()
    }

    /// All documents after some rounds.
    fn standing(&self, before: &[Vec<u8>]) -> Result<Standing> {
        let path = |group: usize| self.folder.join(format!("{group:06}.hashes"));
        let maps = (0..self.groups).map(|group| arena::map(&path(group))).collect::<Result<Vec<_>>>()?;
        let mut all = Standing::new(0, maps.iter().map(|map| &map[..]))?;
        before.iter().for_each(|copies| all.drop_copies(copies, GONE));
        Ok(all)
    }

    /// Put together what met in the buckets of a round, each once, in any order.
    ///
    /// # Errors
    /// [`Error::Handed`] if buckets are missing or come twice.
    pub fn merge(&self, step: &Step, mut found: Vec<(usize, Vec<u8>)>) -> Result<()> {
        found.sort_by_key(|(bucket, _)| *bucket);
        let numbers = found.iter().map(|(bucket, _)| *bucket);
        if !numbers.eq(0..step.buckets) {
            return Err(Error::Handed {
                what: format!("{} buckets came, and not each of {} once", found.len(), step.buckets),
                hint: "give what `reduce` made of all buckets",
            });
        }
        let buckets: Vec<Vec<u8>> = found.into_iter().map(|(_, found)| found).collect();
        let rounds = Rounds { dir: &self.folder, key: self.key };
        let documents = self.starts.last().copied().unwrap_or(0);
        rounds.round(step.round.file(), |found| {
            let pairs = buckets.iter().map(|bucket| pairs(bucket).map(Ok)).collect();
            join(step.round, documents, pairs, self.keep, || self.standing(&step.before), found)
        })?;
        Ok(())
    }
}

impl Step {
    /// Name of the round.
    pub fn name(&self) -> &'static str {
        self.round.name()
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// It in pieces.
    pub fn parts(&self) -> StepParts {
        let Step { round, buckets, starts, hashes, before, limits, .. } = self.clone();
        StepParts { round: round.name().into(), buckets, starts, hashes, before, limits }
    }

    /// A round that travelled to another process.
    ///
    /// # Errors
    /// [`Error::Handed`] if the plan has no such round.
    pub fn of(plan: &Plan, parts: StepParts) -> Result<Step> {
        let round = round(&plan.config()?, &parts.round)?;
        let StepParts { buckets, starts, hashes, before, limits, .. } = parts;
        Ok(Step { plan: plan.clone(), round, buckets, starts, hashes, before, limits })
    }

    /// Deal the records of a file into the buckets. `hashes` is what the first pass made of it.
    ///
    /// # Errors
    /// [`Error::Handed`] if they are not those that were gathered.
    pub fn deal(&self, file: usize, hashes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let wrong = || Error::Handed {
            what: format!("the hashes of file {file} are not those that were gathered"),
            hint: "give the rows that were gathered",
        };
        let start = self.starts.get(file).copied().ok_or_else(wrong)?;
        if self.hashes.get(file) != Some(&Hash256::of(hashes)) {
            return Err(wrong());
        }
        let mut all = Standing::new(start, [hashes])?;
        self.before.iter().for_each(|copies| all.drop_copies(copies, GONE));
        if let Some(limits) = &self.limits {
            if all.fates.iter().any(|fate| usize::from(fate.source) >= limits.len()) {
                return Err(wrong());
            }
            all.take(limits, GONE);
        }
        let mut dealt = vec![Vec::new(); self.buckets];
        let buckets = Buckets { number: self.buckets, filter: None };
        deal(self.round, hashes, &all, &buckets, &mut |bucket, record| {
            dealt[bucket].extend_from_slice(record);
            Ok(())
        })?;
        Ok(dealt)
    }

    /// Find what meets in a bucket. `records` are those that [`Step::deal`] gave of each file, in any order. What does not
    /// fit into memory lies in the folder `scratch`.
    ///
    /// # Errors
    /// [`Error::Handed`] for what is no record of this round.
    pub fn meet(&self, mut records: Vec<(usize, &[u8])>, scratch: &Path, cancel: &Cancel) -> Result<Vec<u8>> {
        records.sort_by_key(|(file, _)| *file);
        let (width, documents) = (self.round.width(), self.starts.last().copied().unwrap_or(0));
        // The ordinal stands behind the key.
        let key = if matches!(self.round, Round::Url | Round::Text) { 16 } else { 8 };
        let within = |record: &[u8]| {
            let ordinal =
                record.get(key..).and_then(|rest| rest.first_chunk()).map(|n| u32::from_le_bytes(*n));
            record.len() == width && ordinal.is_some_and(|ordinal| ordinal < documents)
        };
        if records.iter().any(|(_, bytes)| !bytes.chunks(width).all(within))
            || records.windows(2).any(|pair| pair[0].0 == pair[1].0)
        {
            return Err(Error::Handed {
                what: format!("a bucket of the round `{}` holds what was not dealt into it", self.name()),
                hint: "give what `map` of this round made, each row once",
            });
        }
        let budget = Budget { memory: self.plan.config()?.memory, dir: scratch.join("spill") };
        let here = Rounds { dir: scratch, key: Hash256::of(b"bucket") };
        let found = here.round(self.round.file(), |found| {
            let mut each = |then: &mut Take| {
                for (_, bytes) in &records {
                    cancel.check()?;
                    bytes.chunks_exact(width).try_for_each(&mut *then)?;
                }
                Ok(())
            };
            meet(self.round, documents, &budget, &mut each, found)
        })?;
        Ok(found.to_vec())
    }
}
