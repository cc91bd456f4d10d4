//! The processes of a group that do not lead: they read no recipe and own no store, but do what process 0 says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regimen_base::group::{self, Group, agree};
use regimen_base::{Cancel, EventLog, Failure, Key};
use regimen_ledger::Artifact;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::job::Job;
use crate::kind::Registry;
use crate::recipe::Stage;
use crate::run::is_lost;

/// What process 0 asks of the others.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Order {
    /// Run a shared stage together.
    Stage {
        /// Its name.
        stage: String,
        /// Its kind.
        kind: String,
        /// Key of the artifact to be made.
        key: Key,
        /// The normalised config.
        config: Value,
        /// Its seed.
        seed: u64,
        /// Folder of the artifact behind each input.
        inputs: BTreeMap<String, PathBuf>,
        /// The project root.
        root: PathBuf,
        /// The work folder of process 0.
        dir: PathBuf,
    },
    /// There is nothing more to do.
    Exit {
        /// The exit code of process 0.
        code: u8,
    },
}

/// Tell the other processes to run a stage, before this one does. Paths are made absolute.
pub(crate) fn call(
    group: &dyn Group,
    stage: &Stage,
    inputs: &BTreeMap<String, Artifact>,
    job: &Job,
) -> Result<(), Failure> {
    if group.size() == 1 {
        return Ok(());
    }
    let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
    give(
        group,
        &Order::Stage {
            stage: stage.name.clone(),
            kind: stage.kind.kind.into(),
            key: job.key,
            config: stage.config.clone(),
            seed: stage.seed,
            inputs: inputs.iter().map(|(name, a)| (name.clone(), absolute(&a.path))).collect(),
            root: absolute(job.root),
            dir: absolute(job.dir()),
        },
    )?;
    Ok(agree(group, None)?)
}

/// Tell the other processes that all is done, and how this one ends.
///
/// # Errors
/// As [`Group::order`].
pub fn dismiss(group: &dyn Group, code: u8) -> group::Result<()> {
    give(group, &Order::Exit { code })
}

fn give(group: &dyn Group, order: &Order) -> group::Result<()> {
    let bytes = serde_json::to_vec(order).map_err(|e| group::Error::Broken { message: e.to_string() })?;
    group.order(&bytes)
}

/// A process that follows process 0.
pub struct Follower<'a> {
    /// The group.
    pub group: &'a dyn Group,
    /// All kinds of stage.
    pub registry: &'a Registry,
    /// What fixes the bits.
    pub fingerprint: String,
    /// Threads to work with.
    pub threads: usize,
    /// Set when somebody asks this process to stop.
    pub cancel: Cancel,
}

impl Follower<'_> {
    /// Do what process 0 says until it ends; gives back its exit code. What goes wrong here process 0 learns and
    /// reports.
    ///
    /// # Errors
    /// [`group::Error::Lost`] and its like, when process 0 can be heard no more.
    pub fn follow(&self) -> group::Result<u8> {
        loop {
            match serde_json::from_slice(&self.group.follow()?) {
                Ok(Order::Exit { code }) => return Ok(code),
                Ok(order) => {
                    if let Err(failure) = self.stage(order)
                        && let Some(error) = is_lost(&failure)
                    {
                        return Err(error);
                    }
                }
                Err(e) => return Err(group::Error::Broken { message: e.to_string() }),
            }
        }
    }

    fn stage(&self, order: Order) -> Result<(), Failure> {
        let Order::Stage { stage, kind, key, config, seed, inputs, root, dir } = order else { return Ok(()) };
        let opened: Result<BTreeMap<String, Artifact>, _> =
            inputs.iter().map(|(name, path)| Ok((name.clone(), Artifact::open(path)?))).collect();
        let known = self.registry.get(&kind);
        let fault = match (&opened, known) {
            (Err(e), _) => Some(regimen_ledger::Error::to_string(e)),
            (_, None) => Some(format!("its program knows no stage of kind `{kind}`")),
            _ => None,
        };
        agree(self.group, fault)?;
        let (Ok(inputs), Some(kind)) = (opened, known) else { return Ok(()) };
        let mut job = Job {
            stage: &stage,
            key,
            config: &config,
            seed,
            inputs: &inputs,
            files: &BTreeMap::new(),
            root: &root,
            log: EventLog::silent(),
            group: self.group,
            cancel: self.cancel.clone(),
            threads: self.threads,
            fingerprint: self.fingerprint.clone(),
            bit_exact: true,
            summary: json!({}),
            payloads: BTreeMap::new(),
            resume: None,
            profile: None,
            prepared: None,
            dir,
        };
        (kind.run)(&mut job)
    }
}
