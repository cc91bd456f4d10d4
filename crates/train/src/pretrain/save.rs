//! Checkpoints on the way, and the best weights so far.

use std::path::Path;

use regimen_base::{Event, fs};
use regimen_models::weights;
use regimen_recipe::Job;
use regimen_tensor::Layout;
use serde::{Deserialize, Serialize};

use super::Run;
use super::restore::{CHECKPOINTS, checkpoints};
use crate::checkpoint;
use crate::error::Result;
use crate::saved::WEIGHTS;
use crate::trainer::Trainer;

/// The weights with the best validation, in the artifact but outside its payload.
pub(super) const BEST: &str = "best";

#[derive(Deserialize, Serialize)]
struct Best {
    step: u64,
    bpb: f64,
}

/// Write a checkpoint, make it the one to resume from, and remove those beyond what is kept.
pub(super) fn checkpoint(job: &mut Job, run: &mut Run, trainer: &Trainer) -> Result<()> {
    let name = format!("{CHECKPOINTS}/step-{}", run.state.step);
    let folder = job.dir().join(CHECKPOINTS);
    fs::create_dir_all(&folder)?;
    job.log.emit(Event::Checkpoint { step: run.state.step, path: name.clone() })?;
    run.state.guard = trainer.guard.clone();
    run.state.events = job.log.length();
    let mut arenas = vec![&trainer.params.data[..]];
    arenas.extend(trainer.optimizer.state().iter().map(|state| state.data));
    checkpoint::save(&job.dir().join(&name), &mut run.state, &arenas)?;
    fs::sync_dir(&folder)?;
    job.resume_from(run.state.step, &name)?;
    // A folder beyond the present step was left by a run that was cut back.
    let old = checkpoints(job)?.into_iter().filter(|(step, _)| *step <= run.state.step);
    for (_, path) in old.skip(run.config.checkpoint.keep) {
        fs::remove_dir_all(&path)?;
    }
    Ok(())
}

/// Keep these weights as the best so far.
pub(super) fn best(job: &Job, trainer: &Trainer, bpb: f64, step: u64) -> Result<()> {
    let dir = job.dir().join(BEST);
    fs::create_dir_all(&dir)?;
    arena(job, &trainer.layout(), &dir.join(WEIGHTS), &trainer.params.data)?;
    Ok(fs::write_json(&dir.join("best.json"), &Best { step, bpb })?)
}

/// After a run was cut back: best weights of a later step are not this run's.
pub(super) fn forget_newer_best(job: &Job, run: &Run) -> Result<()> {
    let dir = job.dir().join(BEST);
    let found: Option<Best> = fs::read_json(&dir.join("best.json")).ok();
    let known = run.state.best.map(|(_, step)| step);
    if !run.config.checkpoint.keep_best || found.map(|best| best.step) != known {
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

/// An arena as a file that carries the ledger key.
pub(super) fn arena(job: &Job, layout: &Layout, path: &Path, data: &[f32]) -> Result<()> {
    let metadata = [("regimen_key", job.key.to_string()), ("format", "pt".to_string())];
    let metadata = metadata.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    Ok(weights::save(path, layout, data, &metadata)?)
}
