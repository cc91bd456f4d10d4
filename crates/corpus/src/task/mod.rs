//! A build of a corpus by several machines with nothing between them but an object store.
//!
//! The work is a fixed list of items, in phases: the first pass over each group of files, then for each round of
//! deduplication that crosses documents a *map* over each group (records, dealt into buckets by their key), a *reduce* over each
//! bucket, and a *merge*. What an item makes depends on the plan alone, is an object of its own, and counts once the note
//! beside it is there; so an item that is done twice does no harm, a task that is killed leaves nothing half, and tasks need
//! no leader. Task `k` of `n` does the items whose number is `k` modulo `n`, waits for the others', and does itself what nobody
//! has done for a while.
//!
//! Steps hold no more than `memory` allows: what a group has for the buckets goes to a file beyond a share of it ([`dealer`]), and a
//! bucket is read piece by piece ([`bucket`]). A Bloom filter of paragraphs lies in shares between the tasks ([`filter`]). Near copies
//! that are verified are found in two rounds ([`texts`]): the first finds what bands connect, so that in the second texts that
//! must be compared meet in one bucket. So are stretches that came before ([`stretches`]): first where they may begin, then whether
//! they do.
//!
//! What they leave behind are the files that a build on one machine keeps between its passes ([`crate::part`],
//! [`crate::rounds`]): [`collect`] brings them here, and the build that follows finds all of it done. So the corpus is, byte for
//! byte, that of one machine.

mod bucket;
mod dealer;
mod depot;
mod filter;
mod meter;
mod names;
mod plan;
pub(crate) mod shuffle;
mod sources;
mod steps;
mod stretches;
mod texts;

use std::cell::{Cell, OnceCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regimen_base::{Cancel, Hash256, fs};
use regimen_objects::Objects;
use regimen_recipe::as_read;
use serde_json::Value;

use crate::build::{Files, Ground, Planned};
use crate::config::{Config, Dedup, FIELDS};
use crate::error::{Error, Result};
use crate::flow;
use crate::held::{self, Held, hold};
use crate::task::depot::Depot;
use crate::task::meter::Meter;
use crate::task::plan::Plan;
use crate::task::shuffle::Round;
use crate::task::steps::Facts;

/// Tasks of a build at most.
const MOST_TASKS: u32 = 100_000;

/// Which of the tasks of a build this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its number, from 0.
    pub task: u32,
    /// How many there are.
    pub of: u32,
}

impl std::str::FromStr for Share {
    type Err = String;

    /// `3/8`: task 3 of the tasks 0 to 7.
    fn from_str(text: &str) -> std::result::Result<Share, String> {
        let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((task, of)) if task < of && of <= MOST_TASKS => Ok(Share { task, of }),
            Some((task, of)) if of > 0 && of <= MOST_TASKS => {
                Err(format!("tasks are counted from 0: of {of} the last is {}, not {task}", of - 1))
            }
            _ => Err("write K/N, such as 0/8 for the first of eight".into()),
        }
    }
}

/// One task's part in a build.
pub struct Task<'t> {
    /// The project, against which paths of the recipe are read.
    pub root: &'t Path,
    /// Name of the stage.
    pub stage: &'t str,
    /// The stage's normalised config.
    pub config: &'t Value,
    /// The place between the tasks.
    pub store: &'t Objects,
    /// Which task this is; none does all that is not done.
    pub share: Option<Share>,
    /// How long nothing may be done by others before this task does it.
    pub patience: Duration,
    /// Set when the user asks to stop.
    pub cancel: Cancel,
    /// Gets a line about every step.
    pub tell: &'t mut (dyn FnMut(&str) + Send),
}

/// One piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    First(usize),
    Map(Round, usize),
    Reduce(Round, usize),
    Merge(Round),
    /// Bytes of a group before the mix.
    Bytes(usize),
}

impl Item {
    /// The object whose note tells that it is done.
    fn object(self) -> String {
        match self {
            Item::First(group) => format!("first/{group:06}.hashes"),
            Item::Map(round, group) => bucket::dealt(round, group),
            Item::Reduce(round, bucket) => format!("{}/part/{bucket:06}", round.name()),
            Item::Merge(round) => round.file().into(),
            Item::Bytes(group) => format!("mix/{group:06}"),
        }
    }
}

/// Run a task: afterwards all items are done, by this or by others. Gives back the items that this one did.
///
/// # Errors
/// [`Error::OtherPlan`] if the place holds another build; what reading, the store, or the build itself says.
pub fn run(task: &mut Task) -> Result<u64> {
    let config = config(task)?;
    let plan = Plan::agree(task, &config)?;
    let files = plan.files();
    let work = Work::open(task, &config, plan, &files)?;
    let done = work.all(task)?;
    held::remove(&work.scratch, work.held)?;
    Ok(done)
}

/// Bring what all tasks made here, doing what nobody did: the folder given back is the one that a build of the stage takes
/// over, which finds both the first pass and the rounds of deduplication done. Objects that tasks have read do not come
/// here for it: see [`sources`].
///
/// # Errors
/// As for [`run`].
pub fn collect(task: &mut Task) -> Result<PathBuf> {
    let config = config(task)?;
    let plan = Plan::agree(task, &config)?;
    let files = plan.files();
    let work = Work::open(task, &config, plan, &files)?;
    work.all(task)?;
    (task.tell)(&format!("bringing {} parts here", work.ground.groups.len()));
    let mut meter = Meter::new("parts brought here", work.ground.groups.len(), 0);
    for group in 0..work.ground.groups.len() {
        task.cancel.check().map_err(|_| Error::Interrupted)?;
        let part = work.parts().join(format!("{group:06}.docs"));
        work.depot.bring(&docs_of(group), &part, &mut |more| meter.came(more, task.tell))?;
        work.hashes(group)?;
        work.remember(group)?;
        meter.did(0, task.tell);
    }
    for round in rounds(&config).into_iter().filter(|round| round.lasts()) {
        work.depot.bring(round.file(), &work.parts().join(round.file()), &mut |_| ())?;
    }
    Ok(work.parts())
}

fn config(task: &Task) -> Result<Config> {
    let read = as_read(FIELDS, task.config, task.root).map_err(|error| Error::Listing(Box::new(error)))?;
    serde_json::from_value(read).map_err(|e| Error::Plan { reason: e.to_string() })
}

/// The rounds whose records are dealt between tasks.
pub(crate) fn rounds(config: &Config) -> Vec<Round> {
    if !config.compares() {
        return Vec::new();
    }
    let near = config.near.preset != "none";
    let all = [
        (config.dedup_url, Round::Url),
        (config.dedup == Dedup::Exact, Round::Text),
        (near && config.near.verify.is_some(), Round::Candidates),
        (near, Round::Near),
        (config.paragraphs.wanted(), Round::Paragraphs),
        (config.substrings.wanted(), Round::Anchors),
        (config.substrings.wanted(), Round::Substrings),
    ];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, round)| round).collect()
}

/// A task under way.
struct Work<'w> {
    ground: Ground<'w>,
    depot: Depot<'w>,
    plan: Plan,
    scratch: PathBuf,
    held: Held,
    facts: OnceCell<Facts>,
    /// Whether others were waited for in vain.
    alone: Cell<bool>,
}

impl<'w> Work<'w> {
    fn open<'t: 'w>(
        task: &mut Task<'t>,
        config: &'w Config,
        plan: Plan,
        files: &'w Files,
    ) -> Result<Work<'w>> {
        if config.limit_bytes > 0 {
            return Err(Error::Plan {
                reason: "`limit_bytes` goes through the documents one after the other".into(),
            });
        }
        let who = task.share.map_or("all".into(), |share| share.task.to_string());
        let scratch = task.root.join(".regimen/tasks").join(format!("{}-{who}", plan.short()));
        let held = hold(&scratch.join("parts"))?;
        fs::create_dir_all(&scratch.join("parts"))?;
        let root = task.root;
        let depot = Depot::new(task.store, plan.key);
        // Who collects what tasks have found needs no share of a filter.
        let collects = task.share.is_none() && depot.done(Round::Paragraphs.file(), None)?.is_some();
        let filters = if collects { u64::MAX } else { plan.tasks.into() };
        let ground = Ground::with(config, files, root, filters, |memory| {
            names::names(task, config, &plan, files, memory)
        })?;
        Ok(Work { ground, depot, plan, scratch, held, facts: OnceCell::new(), alone: Cell::new(false) })
    }

    fn parts(&self) -> PathBuf {
        self.scratch.join("parts")
    }

    /// Run through all phases.
    fn all(&self, task: &mut Task) -> Result<u64> {
        let groups = self.ground.groups.len();
        let buckets = self.plan.tasks as usize;
        let mut phases = vec![("first pass".to_string(), (0..groups).map(Item::First).collect::<Vec<_>>())];
        let mut mixes = self.ground.config.mixes();
        for round in rounds(self.ground.config) {
            let name = round.name();
            if round.mixed() && std::mem::take(&mut mixes) {
                phases.push(("mix".into(), (0..groups).map(Item::Bytes).collect()));
            }
            phases.push((format!("{name}, map"), (0..groups).map(|group| Item::Map(round, group)).collect()));
            phases.push((format!("{name}, reduce"), (0..buckets).map(|b| Item::Reduce(round, b)).collect()));
            phases.push((format!("{name}, merge"), vec![Item::Merge(round)]));
        }
        let mut mine = 0;
        for (name, items) in phases {
            mine += self.phase(task, &name, &items)?;
        }
        Ok(mine)
    }

    /// Do this task's items of a phase and wait for the others'.
    fn phase(&self, task: &mut Task, name: &str, items: &[Item]) -> Result<u64> {
        let share = task.share;
        let mine = |number: usize| match share {
            Some(share) => number % share.of as usize == share.task as usize,
            None => true,
        };
        let (mut did, mut since, mut wait) = (0, Instant::now(), Duration::from_millis(50));
        let (mut before, mut own) = (usize::MAX, true);
        let mut missing: Vec<(usize, Item)> = items.iter().copied().enumerate().collect();
        loop {
            let there = self.depot.notes(missing.first().map(|(_, item)| item.object()))?;
            let mut left = Vec::new();
            for (number, item) in missing {
                let object = item.object();
                if !there.contains(&object) || self.depot.done(&object, self.key(item)?)?.is_none() {
                    left.push((number, item));
                }
            }
            missing = left;
            if missing.len() < before {
                if before < usize::MAX {
                    // Somebody else is at work.
                    self.alone.set(false);
                }
                (before, since) = (missing.len(), Instant::now());
                (task.tell)(&format!("{name}: {} of {}", items.len() - missing.len(), items.len()));
            }
            if missing.is_empty() {
                return Ok(did);
            }
            let next: Vec<Item> =
                missing.iter().filter(|(n, _)| own && mine(*n)).map(|(_, item)| *item).collect();
            if !next.is_empty() {
                let mut meter = Meter::new("items made here", next.len(), 0);
                for item in next {
                    task.cancel.check().map_err(|_| Error::Interrupted)?;
                    self.make(task, item)?;
                    did += 1;
                    meter.did(0, &mut |line| (task.tell)(&format!("{name}: {line}")));
                }
                own = false;
                (before, wait) = (usize::MAX, Duration::from_millis(50));
                continue;
            }
            // Who waited in vain once does not wait as long again until others show themselves.
            let patience = if self.alone.get() { task.patience / 20 } else { task.patience };
            if since.elapsed() >= patience {
                self.alone.set(true);
                let (_, item) = missing[self.turn(task, missing.len())];
                (task.tell)(&format!("{name}: nobody has made {}: making it here", item.object()));
                self.make(task, item)?;
                (did, before) = (did + 1, usize::MAX);
                continue;
            }
            task.cancel.check().map_err(|_| Error::Interrupted)?;
            std::thread::sleep(wait.min(patience));
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    /// Tasks that lose patience at once begin with different items.
    fn turn(&self, task: &Task, missing: usize) -> usize {
        task.share.map_or(0, |share| share.task as usize * missing / share.of as usize)
    }

    /// What the note of an item must say.
    fn key(&self, item: Item) -> Result<Option<Hash256>> {
        Ok(match item {
            // The key of a part holds the hashes of its files, which only who reads them knows.
            Item::First(_) => None,
            Item::Merge(_) => Some(self.facts()?.key),
            Item::Map(..) | Item::Reduce(..) | Item::Bytes(_) => Some(self.plan.key),
        })
    }

    fn make(&self, task: &mut Task, item: Item) -> Result<()> {
        match item {
            Item::First(group) => self.first(task, group),
            Item::Map(round, group) => self.map(task, round, group),
            Item::Reduce(round, bucket) => self.reduce(round, bucket, &task.cancel),
            Item::Merge(round) => self.merge(round, &task.cancel),
            Item::Bytes(group) => self.bytes(group),
        }
    }

    /// The first pass over a group of files, which are brought here for it.
    fn first(&self, task: &mut Task, group: usize) -> Result<()> {
        let range = self.ground.groups[group].clone();
        let inputs = self.plan.hashed(range.clone(), task)?;
        let files = self.ground.plan[range.clone()].iter().zip(&inputs);
        let plan: Vec<Planned> =
            files.map(|(file, input)| Planned { source: file.source, input, how: file.how }).collect();
        let (reading, parts) = (self.ground.reading(), self.parts());
        let (tell, cancel) = (&mut *task.tell, &task.cancel);
        let bytes = inputs.iter().map(|file| file.bytes).sum();
        let mut meter = Meter::new("groups read", 1, bytes);
        let mut progress = |read: u64, _: u64, _: u64| {
            meter.reached(read, tell);
            Ok(())
        };
        let mut first = self.ground.first(&reading, &parts, cancel, &mut progress);
        (first.plan, first.from, first.offset) = (&plan, range.start, group);
        flow::run(1, &first, cancel)?;
        let docs = first.path(group, "docs");
        let files = inputs.iter().map(|file| file.blake3).collect();
        self.depot.send_packed(&docs, &docs_of(group), files)?;
        self.depot.send(&first.path(group, "hashes"), &format!("first/{group:06}.hashes"))?;
        if task.share.is_some() {
            fs::remove_file(&docs)?;
        }
        Ok(())
    }
}

/// The object with the documents of a group.
fn docs_of(group: usize) -> String {
    format!("first/{group:06}.docs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_refused() {
        assert_eq!("3/8".parse(), Ok(Share { task: 3, of: 8 }));
        assert!("8/8".parse::<Share>().unwrap_err().contains("the last is 7"));
        for bad in ["", "3", "a/b", "1/0", "-1/2", "0/1000000"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
