//! The names of attributes, where a recipe gives none: they stand in rows beside documents of which a task brings its share alone.
//! So one task looks for them, and leaves them between the tasks.

use std::sync::Arc;
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

/// What is written.
#[derive(Serialize, Deserialize)]
struct Written {
    /// Stands for the plan whose files were looked at.
    plan: Hash256,
    sources: Found,
}

/// The names that a task found, or that this one finds: the first of all, who does not wait for others, and anyone who
/// waited in vain.
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
        Some(share) if share.task > 0 => task.patience,
        _ => Duration::ZERO,
    };
    let (since, mut wait) = (Instant::now(), Duration::from_millis(50));
    loop {
        let there = task.store.read(NAMES)?.and_then(|text| serde_json::from_slice::<Written>(&text).ok());
        if let Some(there) = there.filter(|there| there.plan == plan.key) {
            return Ok(there.sources);
        }
        if since.elapsed() >= patience {
            break;
        }
        task.cancel.check().map_err(|_| Error::Interrupted)?;
        std::thread::sleep(wait.min(patience));
        wait = (wait * 2).min(Duration::from_secs(5));
    }
    let sources = attribute_names(config, files, memory, &mut |wanted| plan.bring(wanted, task))?;
    let written = Written { plan: plan.key, sources };
    let text = serde_json::to_vec_pretty(&written).map_err(|e| Error::Plan { reason: e.to_string() })?;
    task.store.write(NAMES, &text)?;
    Ok(written.sources)
}
