//! Running a recipe: caching, run records, event logs, resuming, committing. Stages do nothing of this themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use regimen_base::events::{self, Event, EventLog, Record, Watch};
use regimen_base::group::{self, Alone, Group};
use regimen_base::hint::Interrupted;
use regimen_base::{Cancel, Failure, Key, fs};
use regimen_ledger::{Artifact, Begin, Draft, RunInfo, Status, Store, Work, run_id};
use serde_json::{Value, json};

use crate::error::Error;
use crate::follow;
use crate::job::{InputFile, Job, PROFILE, Profiling, RESUME, Resume};
use crate::key::{Ready, ready};
use crate::listed::ListedFile;
use crate::recipe::{InputRef, Recipe, Stage};

/// Runs recipes on a store.
pub struct Runner<'a> {
    /// Where artifacts are found and made.
    pub store: &'a Store,
    /// Program, instruction-set path and C library that fix the bits.
    pub fingerprint: String,
    /// Threads that stages work with.
    pub threads: usize,
    /// The processes that work together; this one leads them.
    pub group: &'a dyn Group,
    /// Set when the user asks to stop.
    pub cancel: Cancel,
    /// The command line, for the run records.
    pub command: Vec<String>,
    /// Asked at the beginning of each stage that runs, by its name, for somebody who wants to see its events; before that
    /// for a stage whose objects are brought here, which is progress in bytes that no log keeps.
    pub watch: Box<dyn FnMut(&str) -> Option<Box<dyn Watch>> + 'a>,
    /// Steps to profile in stages that can.
    pub profile: Option<u64>,
    /// Folders with work that was done elsewhere, by the stage that may take it over.
    pub prepared: BTreeMap<String, PathBuf>,
    /// Told of each stage that is done, cached ones included.
    pub done: Box<dyn FnMut(&Outcome) + 'a>,
}

/// A stage that is done.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub stage: String,
    /// Key of its artifact.
    pub key: Key,
    /// Whether the artifact was there already.
    pub cached: bool,
    /// The artifact.
    pub artifact: Artifact,
    /// The run that made it, or would have.
    pub run_id: String,
    /// Wall-clock seconds of this execution, 0 if cached.
    pub seconds: f64,
}

/// Whether a stage failed because it was asked to stop. A room's own error may carry [`Interrupted`] inside.
pub fn is_interrupted(failure: &Failure) -> bool {
    failure.downcast_ref::<Interrupted>().is_some() || failure.to_string() == Interrupted.to_string()
}

/// What parted this process from its group, if that is why a stage failed. A room's own error may carry it as a cause.
pub fn is_lost(failure: &Failure) -> Option<group::Error> {
    let error = failure.downcast_ref::<group::Error>()?;
    matches!(error, group::Error::Lost { .. } | group::Error::Ended | group::Error::Broken { .. })
        .then(|| error.clone())
}

impl<'a> Runner<'a> {
    /// A runner on `store` without watchers, with one thread and nothing to interrupt it.
    pub fn new(store: &'a Store, fingerprint: &str) -> Runner<'a> {
        Runner {
            store,
            fingerprint: fingerprint.into(),
            threads: 1,
            group: &Alone,
            cancel: Cancel::new(),
            command: Vec::new(),
            watch: Box::new(|_| None),
            profile: None,
            prepared: BTreeMap::new(),
            done: Box::new(|_| {}),
        }
    }

    /// Run a recipe, up to the stage `until` if one is named. Stages whose artifact exists are not run again.
    ///
    /// # Errors
    /// What a stage reports, [`Error`] for what goes wrong around it, and [`Interrupted`] if the user asked to stop.
    pub fn run(&mut self, recipe: &Recipe, until: Option<&str>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut keys = BTreeMap::new();
        for stage in recipe.upto(until)? {
            self.cancel.check()?;
            let mut ready = self.ready(recipe, stage, &keys)?;
            keys.insert(stage.name.clone(), ready.key);
            let mut inputs = std::mem::take(&mut ready.outside);
            for (name, filled) in &stage.inputs {
                if let InputRef::Stage(other) = filled
                    && let Some(outcome) = outcomes.iter().find(|outcome| outcome.stage == *other)
                {
                    inputs.insert(name.clone(), outcome.artifact.clone());
                }
            }
            fs::remove_leftovers(&self.store.run_dir(&run_id(&stage.name, ready.key)));
            let started = Instant::now();
            self.store.name(&stage.name, stage.kind.kind, ready.key).map_err(Error::from)?;
            let begun = self.store.begin(stage.kind.kind, ready.key).map_err(Error::from)?;
            let (artifact, cached) = match begun {
                Begin::Done(artifact) => {
                    self.note_cached(recipe, stage, &ready)?;
                    (artifact, true)
                }
                Begin::Work(work) => (self.execute(recipe, stage, &ready, &inputs, work)?, false),
            };
            let outcome = Outcome {
                stage: stage.name.clone(),
                key: ready.key,
                cached,
                artifact,
                run_id: run_id(&stage.name, ready.key),
                seconds: if cached { 0.0 } else { started.elapsed().as_secs_f64() },
            };
            (self.done)(&outcome);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Work out a stage's key, for which its objects are brought here.
    fn ready(
        &mut self,
        recipe: &Recipe,
        stage: &Stage,
        keys: &BTreeMap<String, Key>,
    ) -> Result<Ready, Error> {
        let (mut eyes, watch) = (None, &mut self.watch);
        ready(recipe, stage, self.store, keys, &mut |url, done, total| {
            if let Some(eyes) = eyes.get_or_insert_with(|| watch(&stage.name)) {
                let event =
                    Event::Progress { done, total, unit: "bytes".into(), note: format!("from {url}") };
                eyes.see(&Record { t: events::now(), event });
            }
        })
    }

    fn execute(
        &mut self,
        recipe: &Recipe,
        stage: &Stage,
        ready: &Ready,
        inputs: &BTreeMap<String, Artifact>,
        work: Work,
    ) -> Result<Artifact, Failure> {
        let resume = left_over(&work)?;
        let (group, fingerprint) = self.team(stage);
        let mut info = self.info(recipe, stage, ready);
        if resume.is_some()
            && let Ok(Some(before)) = self.store.find_run(&info.id)
            && before.key == info.key
        {
            (info.started, info.seconds) = (before.started, before.seconds);
        }
        let clock = Instant::now();
        let before = info.seconds;
        self.store.write_run(&info).map_err(Error::from)?;
        let log = self.open_log(stage, ready, &info, resume.as_ref())?;
        let run_dir = self.store.run_dir(&info.id);
        let mut job = Job {
            stage: &stage.name,
            key: ready.key,
            config: &ready.local,
            seed: stage.seed,
            inputs,
            files: &ready.files,
            root: &recipe.root,
            log,
            group,
            cancel: self.cancel.clone(),
            threads: self.threads,
            fingerprint: fingerprint.clone(),
            bit_exact: true,
            summary: json!({}),
            payloads: BTreeMap::new(),
            resume,
            profile: self.profile.map(|steps| Profiling { steps, path: run_dir.join(PROFILE) }),
            prepared: self.prepared.get(&stage.name).cloned(),
            dir: work.dir.clone(),
        };
        // Work that was done elsewhere, and was held against the hashes, needs them no more.
        let needed = if job.prepared.is_none() { &ready.absent[..] } else { &[] };
        let result = fetch(needed, stage, ready, &mut job)
            .and_then(|()| follow::call(group, stage, inputs, &job))
            .and_then(|()| run_stage(stage, &mut job))
            .and_then(|()| unmoved(self.store, stage, ready).map_err(Failure::from))
            .and_then(|()| {
                let draft = Draft {
                    stage_version: stage.kind.version,
                    stage: stage.name.clone(),
                    config: ready.config.clone(),
                    seed: stage.seed,
                    inputs: ready.inputs.clone(),
                    fingerprint,
                    bit_exact: job.bit_exact,
                    summary: job.summary.clone(),
                    payloads: std::mem::take(&mut job.payloads),
                };
                work.commit(draft).map_err(|e| Error::from(e).into())
            });
        let seconds = clock.elapsed().as_secs_f64();
        let (status, word, summary) = match &result {
            Ok(_) => (Status::Done, "done", job.summary.clone()),
            Err(failure) if is_interrupted(failure) => (Status::Interrupted, "interrupted", Value::Null),
            Err(failure) => (Status::Failed, "failed", json!({"error": failure.to_string()})),
        };
        info.status = status;
        info.seconds = before + seconds;
        let ended = job.log.emit(Event::End { status: word.into(), seconds, summary }).map_err(Error::from);
        let recorded = self.store.write_run(&info).map_err(Error::from);
        match result {
            // The record of the end may fail for the same reason as the stage: what the stage said comes first.
            Err(failure) if is_interrupted(&failure) => Err(Interrupted.into()),
            Err(failure) => Err(failure),
            Ok(artifact) => {
                ended?;
                recorded?;
                Ok(artifact)
            }
        }
    }

    /// The processes that run a stage, and what fixes its bits: sums over more processes are rounded otherwise.
    fn team(&self, stage: &Stage) -> (&'a dyn Group, String) {
        match self.group.size() {
            size if stage.kind.shared && size > 1 => {
                (self.group, format!("{}, {size} processes", self.fingerprint))
            }
            _ => (&Alone, self.fingerprint.clone()),
        }
    }

    fn open_log(
        &mut self,
        stage: &Stage,
        ready: &Ready,
        info: &RunInfo,
        resume: Option<&Resume>,
    ) -> Result<EventLog, Error> {
        let path = events::path_in(&self.store.run_dir(&info.id));
        let mut log =
            EventLog::open(&path, resume.map_or(0, |resume| resume.events), (self.watch)(&stage.name))?;
        log.emit(Event::Start {
            stage: stage.name.clone(),
            kind: stage.kind.kind.into(),
            key: ready.key.to_string(),
            from_step: resume.map_or(0, |resume| resume.step),
            threads: self.threads,
            fingerprint: self.team(stage).1,
        })?;
        Ok(log)
    }

    /// A record for an artifact that was made under another stage name, or whose record was removed.
    fn note_cached(&self, recipe: &Recipe, stage: &Stage, ready: &Ready) -> Result<(), Error> {
        let mut info = self.info(recipe, stage, ready);
        if self.store.run_dir(&info.id).exists() {
            return Ok(());
        }
        info.status = Status::Cached;
        Ok(self.store.write_run(&info)?)
    }

    fn info(&self, recipe: &Recipe, stage: &Stage, ready: &Ready) -> RunInfo {
        let full = std::fs::canonicalize(&recipe.path).unwrap_or_else(|_| recipe.path.clone());
        RunInfo {
            id: run_id(&stage.name, ready.key),
            stage: stage.name.clone(),
            kind: stage.kind.kind.into(),
            key: ready.key,
            recipe: full.strip_prefix(&recipe.root).unwrap_or(&full).into(),
            recipe_name: recipe.name.clone(),
            command: self.command.clone(),
            status: Status::Running,
            started: events::now(),
            seconds: 0.0,
            pid: std::process::id(),
            fingerprint: self.team(stage).1,
            config: stage.config.clone(),
            inputs: ready.inputs.clone(),
        }
    }
}

/// Where an earlier execution stopped. Without a checkpoint nothing in the work folder is to be trusted, and it is
/// emptied.
fn left_over(work: &Work) -> Result<Option<Resume>, Error> {
    let path = work.dir.join(RESUME);
    match fs::read(&path).map(|bytes| serde_json::from_slice(&bytes).ok()) {
        Ok(Some(resume)) => Ok(Some(resume)),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => {
            work.clear()?;
            Ok(None)
        }
    }
}

/// Run the stage's own function, after a word about bits if it goes on from work of another machine or program.
fn run_stage(stage: &Stage, job: &mut Job) -> Result<(), Failure> {
    if let Some(resume) = &job.resume {
        job.bit_exact = resume.bit_exact;
        if resume.fingerprint != job.fingerprint {
            job.bit_exact = false;
            let text = format!(
                "going on from step {} made under `{}` with `{}`: the result is right, but its bits may differ from an \
                 undisturbed run's",
                resume.step, resume.fingerprint, job.fingerprint
            );
            job.log.warn(Some(resume.step), text)?;
        }
    }
    (stage.kind.run)(job)
}

/// Bring objects here whose hash was only remembered.
fn fetch(absent: &[ListedFile], stage: &Stage, ready: &Ready, job: &mut Job) -> Result<(), Failure> {
    let total = absent.iter().map(|file| file.bytes).sum();
    let mut here = 0;
    for file in absent {
        job.cancel.check()?;
        let (log, mut shown) = (&mut job.log, Ok(()));
        let input = file.input(&mut |more| {
            here += more;
            if shown.is_ok() {
                shown = log.progress(here, total, "bytes", format!("from {}", file.path));
            }
        })?;
        shown?;
        if ready.files.values().flatten().any(|known| known.full == input.full && *known != input) {
            return Err(Error::Moved { path: file.path.clone(), stage: stage.name.clone() }.into());
        }
    }
    Ok(())
}

/// The artifact's key speaks of the input files as they were before the stage read them.
fn unmoved(store: &Store, stage: &Stage, ready: &Ready) -> Result<(), Error> {
    // What is not here was not read.
    let absent: BTreeSet<&Path> =
        ready.absent.iter().filter(|file| !file.is_here()).map(|file| &*file.full).collect();
    let here = |file: &&InputFile| !absent.contains(&*file.full);
    let files: Vec<&InputFile> = ready.files.values().flatten().filter(here).collect();
    let full: Vec<&Path> = files.iter().map(|file| file.full.as_path()).collect();
    let hashes = store.hash_files(&full)?;
    match files.iter().zip(hashes).find(|(file, (hash, _))| *hash != file.blake3) {
        Some((file, _)) => Err(Error::Moved { path: file.path.clone(), stage: stage.name.clone() }),
        None => Ok(()),
    }
}
