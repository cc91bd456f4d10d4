//! What a running stage holds in its hands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regimen_base::{Cancel, Event, EventLog, Group, Hash256, Key, fs};
use regimen_ledger::Artifact;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An input file with the hash of its content.
#[derive(Clone, Debug, PartialEq)]
pub struct InputFile {
    /// Path relative to the project root, with `/`.
    pub path: String,
    /// Where it is.
    pub full: PathBuf,
    /// Hash of its content.
    pub blake3: Hash256,
    /// Its length in bytes.
    pub bytes: u64,
}

/// One execution of a stage: its inputs, its config, and the work folder that becomes the artifact.
///
/// The folder is empty unless an earlier execution left a checkpoint (`resume`); then it holds all that this execution
/// left, files written after the checkpoint and cut off included, and the stage goes on from the checkpoint and sees
/// to it that nothing else remains. Whatever lies in it when the stage returns is the artifact, except files and
/// folders whose names start with `.`.
pub struct Job<'a> {
    /// Name of the stage in its recipe.
    pub stage: &'a str,
    /// Key of the artifact to be made.
    pub key: Key,
    /// The normalised config with all defaults.
    pub config: &'a Value,
    /// Seed of the stage.
    pub seed: u64,
    /// Finished artifacts by input name.
    pub inputs: &'a BTreeMap<String, Artifact>,
    /// Input files by the pattern that named them, sorted by path.
    pub files: &'a BTreeMap<String, Vec<InputFile>>,
    /// The project root.
    pub root: &'a Path,
    /// The event log, which also feeds the screen.
    pub log: EventLog,
    /// The processes that run this stage together; one, unless the stage's kind is shared.
    pub group: &'a dyn Group,
    /// Set when the user asks to stop.
    pub cancel: Cancel,
    /// Threads to work with.
    pub threads: usize,
    /// Program, instruction-set path and C library that fix the bits.
    pub fingerprint: String,
    /// Whether the bits are those that `fingerprint` promises: false once work done under another one was gone on from,
    /// which the runner sees to. A stage may set it to false for reasons of its own.
    pub bit_exact: bool,
    /// What the stage wants remembered: JSON object of counts and results.
    pub summary: Value,
    /// Files whose payload hash is not their own: `Some(hash)` of their data alone, or `None` for files outside the
    /// payload.
    pub payloads: BTreeMap<String, Option<Hash256>>,
    /// Where an earlier execution stopped, if it left a checkpoint.
    pub resume: Option<Resume>,
    /// What is to be profiled, if the user asked for it. It changes no bit of the artifact.
    pub profile: Option<Profiling>,
    /// A folder with work for this stage that was done elsewhere: files that the stage may use once it has made sure that
    /// they are whole and its own. It takes the folder over. Objects among the input files may not be here then.
    pub prepared: Option<PathBuf>,
    pub(crate) dir: PathBuf,
}

/// A wish to know where the time of some steps goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Profiling {
    /// How many steps at most.
    pub steps: u64,
    /// The file to write it to, in the run's folder.
    pub path: PathBuf,
}

/// Name of a profile in the folder of its run.
pub const PROFILE: &str = "profile.json";

/// The point from which a stopped stage goes on. Its file is what makes a checkpoint valid: it is replaced by rename
/// after the checkpoint's own files are durable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// Steps done.
    pub step: u64,
    /// Length in bytes of the event log that belongs to it.
    pub events: u64,
    /// Name of the checkpoint, relative to the work folder.
    pub checkpoint: String,
    /// What fixed the bits of the work so far.
    pub fingerprint: String,
    /// Whether they were fixed all along.
    pub bit_exact: bool,
}

/// Name of the resume file in a work folder.
pub(crate) const RESUME: &str = ".resume.json";

/// A config that the stage's own types do not take although the field table does: a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("config of stage `{stage}` does not fit its type: {source}")]
pub struct Mismatch {
    stage: String,
    source: serde_json::Error,
}

impl regimen_base::Hint for Mismatch {}

/// A stage asked for an input that the recipe did not name.
#[derive(Debug, thiserror::Error)]
#[error("stage `{stage}` has no input `{input}`")]
pub struct NoInput {
    stage: String,
    input: String,
}

impl regimen_base::Hint for NoInput {}

impl Job<'_> {
    /// Whether this process is the one that writes: the work folder, the log and the artifact are its alone.
    pub fn leads(&self) -> bool {
        self.group.rank() == 0
    }

    /// The work folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Make a checkpoint the one to resume from, together with the event log as it stands now.
    pub fn resume_from(&mut self, step: u64, checkpoint: &str) -> fs::Result<()> {
        // The resume file names a length of the log: that much must be on the disk before it is.
        self.log.sync()?;
        let resume = Resume {
            step,
            events: self.log.length(),
            checkpoint: checkpoint.into(),
            fingerprint: self.fingerprint.clone(),
            bit_exact: self.bit_exact,
        };
        fs::write_json(&self.dir.join(RESUME), &resume)?;
        self.resume = Some(resume);
        Ok(())
    }

    /// Wait as long as the user has paused the run, and leave word of it in the log: called between two steps.
    pub fn rest(&mut self, step: u64) -> fs::Result<()> {
        if !self.cancel.paused() {
            return Ok(());
        }
        self.log.emit(Event::Pause { step, paused: true })?;
        self.cancel.rest();
        self.log.emit(Event::Pause { step, paused: false })
    }

    /// The config as the stage's own type.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Mismatch> {
        T::deserialize(self.config).map_err(|source| Mismatch { stage: self.stage.into(), source })
    }

    /// A required input.
    pub fn input(&self, name: &str) -> Result<&Artifact, NoInput> {
        self.inputs.get(name).ok_or_else(|| NoInput { stage: self.stage.into(), input: name.into() })
    }
}
