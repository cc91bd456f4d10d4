//! The names of attributes, where a recipe gives none: they stand in rows beside documents of which a task brings its share alone.
//! So one task looks for them, and leaves them between the tasks.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use regimen_base::Hash256;
use serde::{Deserialize, Serialize};

use crate::build::{Files, attribute_names};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::read::attributes::{Found, given};
use crate::task::Task;
use crate::task::plan::Plan;

/// Name of their object.
const NAMES: &str = "names.json";
/// The object that changes as long as a task looks for them.
const LOOKING: &str = "names.looking";

/// What is written.
#[derive(Serialize, Deserialize)]
struct Written {
    /// Stands for the plan whose files were looked at.
    plan: Hash256,
    sources: Found,
}

/// The names that a task found, or that this one finds: the first of all, who does not wait for others, or one that heard
/// nothing for as long as its patience. Those who wait lose it one after the other.
pub(super) fn names(
    task: &mut Task,
    config: &Config,
    plan: &Plan,
    files: &Files,
    memory: &Arc<Memory>,
) -> Result<Found> {
    if config.sources.iter().all(|source| source.attributes.is_none() || given(source).next().is_some()) {
        return Ok(Found::new());
    }
    let patience = match task.share {
        Some(share) => task.patience * share.task.min(1) + task.patience * share.task / share.of,
        None => Duration::ZERO,
    };
    let (mut since, mut wait, mut heard) = (Instant::now(), Duration::from_millis(50), None);
    loop {
        let there = task.store.read(NAMES)?.and_then(|text| serde_json::from_slice::<Written>(&text).ok());
        if let Some(there) = there.filter(|there| there.plan == plan.key) {
            return Ok(there.sources);
        }
        let sign = task.store.read(LOOKING)?;
        if sign != heard {
            (heard, since) = (sign, Instant::now());
        }
        if since.elapsed() >= patience {
            break;
        }
        if wait == Duration::from_millis(50) {
            (task.tell)("names of attributes: waiting for the task that looks for them");
        }
        task.cancel.check().map_err(|_| Error::Interrupted)?;
        std::thread::sleep(wait.min(patience));
        wait = (wait * 2).min(Duration::from_secs(5));
    }
    (task.tell)("names of attributes: looking for them");
    let (store, cancel, tell) = (task.store, &task.cancel, &mut *task.tell);
    let every = (task.patience / 10).clamp(Duration::from_millis(50), Duration::from_secs(10));
    let sources = std::thread::scope(|scope| {
        let (_looking, done) = channel::<()>();
        scope.spawn(move || {
            let who = std::process::id();
            for count in 0u64.. {
                // A sign that is not seen costs the others some work.
                let _ = store.write(LOOKING, format!("{who} {count}").as_bytes());
                if done.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        });
        attribute_names(config, files, memory, &mut |wanted| plan.bring(wanted, cancel, tell))
    })?;
    let written = Written { plan: plan.key, sources };
    let text = serde_json::to_vec_pretty(&written).map_err(|e| Error::Plan { reason: e.to_string() })?;
    task.store.write(NAMES, &text)?;
    Ok(written.sources)
}
