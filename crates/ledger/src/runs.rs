//! The runs of a store: who ran which stage, when, how, and how it ended. Their folders also hold events and reports.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use regimen_base::{Key, events, fs, suggest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::store::Store;

/// Name of a run's record in its folder.
pub(crate) const RUN: &str = "run.json";

/// The folder of the store for what was taken out of it and is not deleted yet.
pub(crate) const BIN: &str = "bin";

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A process is at it.
    Running,
    /// It made its artifact.
    Done,
    /// It was stopped, by the user or by a crash; the same command goes on.
    Interrupted,
    /// It ended with an error.
    Failed,
    /// The artifact was there already, made under another name.
    Cached,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Running => "running",
            Status::Done => "done",
            Status::Interrupted => "interrupted",
            Status::Failed => "failed",
            Status::Cached => "cached",
        })
    }
}

/// `run.json`: one execution of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// `STAGE-KEY8`.
    pub id: String,
    /// Name of the stage in its recipe.
    pub stage: String,
    /// Kind of the stage.
    pub kind: String,
    /// Key of the artifact that it makes.
    pub key: Key,
    /// The recipe's file, relative to the project root where it lies below it.
    pub recipe: PathBuf,
    /// The recipe's name.
    pub recipe_name: String,
    /// The command line.
    pub command: Vec<String>,
    /// How it stands.
    pub status: Status,
    /// Unix time of the beginning, in seconds.
    pub started: f64,
    /// Wall-clock seconds of all executions that ended in order.
    pub seconds: f64,
    /// The process.
    pub pid: u32,
    /// Program, instruction-set path and C library.
    pub fingerprint: String,
    /// The config with all defaults.
    pub config: Value,
    /// Name of each input and its key.
    pub inputs: BTreeMap<String, Key>,
}

/// The id of the run that makes `key` for the stage `stage`.
pub fn run_id(stage: &str, key: Key) -> String {
    format!("{stage}-{}", key.short())
}

impl Store {
    /// The folder of a run, whether or not it exists.
    pub fn run_dir(&self, id: &str) -> PathBuf {
        self.dir().join("runs").join(id)
    }

    /// Write a run's record.
    pub fn write_run(&self, info: &RunInfo) -> Result<()> {
        let dir = self.run_dir(&info.id);
        fs::create_dir_all(&dir)?;
        Ok(fs::write_json(&dir.join(RUN), info)?)
    }

    /// The record of the run with exactly this id, if there is one.
    pub fn find_run(&self, id: &str) -> Result<Option<RunInfo>> {
        let path = self.run_dir(id).join(RUN);
        if !path.exists() {
            return Ok(None);
        }
        let info =
            serde_json::from_slice(&fs::read(&path)?).map_err(|e| Error::Run { path, why: e.to_string() })?;
        Ok(Some(self.as_it_stands(info)))
    }

    /// Take a run out of the lists: its folder goes into the store's bin until that is emptied. Gives back where it lies.
    ///
    /// # Errors
    /// [`Error::Busy`] while it is at work.
    pub fn bin_run(&self, run: &RunInfo) -> Result<PathBuf> {
        if self.as_it_stands(run.clone()).status == Status::Running {
            let (kind, key, pid) = (run.kind.clone(), run.key.short(), run.pid.to_string());
            return Err(Error::Busy { kind, key, pid });
        }
        let bin = self.dir().join(BIN);
        fs::create_dir_all(&bin)?;
        let place = bin.join(format!("{}-{}", run.id, (events::now() * 1e6) as u64));
        fs::rename(&self.run_dir(&run.id), &place)?;
        fs::sync_dir(&self.dir().join("runs"))?;
        Ok(place)
    }

    /// All runs, oldest first. A record that cannot be read is left out; [`Store::verify`] names it.
    pub fn runs(&self) -> Result<Vec<RunInfo>> {
        let present = self.present()?;
        let all = self.index().runs(&present)?;
        Ok(all.into_iter().map(|info| self.as_it_stands(info)).collect())
    }

    /// The run with this id, or the only one whose id begins so, or the one that this stage name was last used for.
    pub fn run(&self, text: &str) -> Result<RunInfo> {
        if is_plain(text)
            && let Some(info) = self.find_run(text)?
        {
            return Ok(info);
        }
        if let Some((_, key)) = self.last_use(text)
            && let Some(info) = self.find_run(&run_id(text, key))?
        {
            return Ok(info);
        }
        let runs = self.runs()?;
        if let Some(newest) = runs.iter().rev().find(|run| run.stage == text) {
            return Ok(newest.clone());
        }
        let fitting: Vec<&RunInfo> =
            runs.iter().filter(|run| !text.is_empty() && run.id.starts_with(text)).collect();
        match fitting[..] {
            [one] => Ok(one.clone()),
            [] => Err(Error::Unknown {
                what: "run",
                text: text.into(),
                hint: if runs.is_empty() {
                    "there are no runs yet; `regimen run RECIPE` makes some".into()
                } else {
                    let names = runs.iter().flat_map(|run| [run.stage.as_str(), run.id.as_str()]);
                    match suggest::nearest(text, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "`regimen runs` lists all".into(),
                    }
                },
            }),
            _ => Err(Error::Ambiguous {
                text: text.into(),
                matches: fitting.iter().take(6).map(|run| format!("`{}`", run.id)).collect(),
            }),
        }
    }

    /// A record says `running` until its process says otherwise; a killed process cannot. The lock tells.
    pub(crate) fn as_it_stands(&self, mut info: RunInfo) -> RunInfo {
        if info.status == Status::Running && !Lock::is_held(&self.lock_path(info.key)) {
            let made = self.artifact_dir(&info.kind, info.key).exists();
            info.status = if made { Status::Done } else { Status::Interrupted };
        }
        info
    }
}

/// Whether a text can be the name of a run's folder.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && !text.starts_with('.')
}
