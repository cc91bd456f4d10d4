//! Where a training goes on: a checkpoint of this stage, the end of another run, another model's weights, or fresh
//! weights.

use std::path::PathBuf;

use regimen_base::{Failure, fs};
use regimen_ledger::Artifact;
use regimen_models::DecoderConfig;
use regimen_recipe::Job;

use super::{Run, save};
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::saved::{self, Saved, Training};
use crate::trainer::Trainer;

/// Where checkpoints lie in the work folder; the dot keeps them out of the artifact.
pub const CHECKPOINTS: &str = ".checkpoints";
/// The guard's memory at the end of a run.
pub(super) const GUARD: &str = "guard.json";

/// Put run and trainer in place. Of several processes only the one that leads reads; the others get it from there.
pub(super) fn restore(
    job: &mut Job,
    run: &mut Run,
    trainer: &mut Trainer,
) -> std::result::Result<(), Failure> {
    if !job.leads() {
        return Ok(());
    }
    if job.resume.is_some() {
        resume(job, run, trainer)?;
    } else if let Some(parent) = job.inputs.get("extend") {
        extend(parent, job.seed, run, trainer)?;
        let (from, step) = (parent.key().short(), run.state.step);
        job.log.note(Some(step), format!("extending {from} from step {step}"))?;
    } else if let Some(parent) = job.inputs.get("init") {
        let model = Saved::open(&parent.path)?;
        same_model(&model, run, trainer, "init")?;
        trainer.params.data.copy_from_slice(&model.params.data);
        job.log.note(None, format!("starting from the weights of {}", parent.key().short()))?;
    }
    Ok(())
}

/// The checkpoints in a work folder by step, newest first.
pub(super) fn checkpoints(job: &Job) -> Result<Vec<(u64, PathBuf)>> {
    let mut found: Vec<(u64, PathBuf)> = fs::list(&job.dir().join(CHECKPOINTS))?
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?, path)))
        .collect();
    found.sort();
    found.reverse();
    Ok(found)
}

/// Go on from the newest whole checkpoint that is not newer than the one the resume file names. The log is cut back to
/// the length that belongs to it.
fn resume(job: &mut Job, run: &mut Run, trainer: &mut Trainer) -> Result<()> {
    let Some(named) = job.resume.clone() else { return Ok(()) };
    let mut first_fault = None;
    for (step, dir) in checkpoints(job)?.into_iter().filter(|(step, _)| *step <= named.step) {
        let mut arenas = vec![&mut trainer.params.data[..]];
        arenas.extend(trainer.optimizer.state_mut());
        match checkpoint::load(&dir, &mut arenas) {
            Ok(state) => {
                trainer.optimizer.set_steps(state.updates);
                trainer.guard = state.guard.clone();
                if step < named.step {
                    job.log.cut_back(state.events)?;
                    let text = format!(
                        "the checkpoint of step {} is damaged: going on from step {step}",
                        named.step
                    );
                    job.log.warn(Some(step), text)?;
                }
                run.state = state;
                return save::forget_newer_best(job, run);
            }
            Err(error) => first_fault = first_fault.or(Some(error)),
        }
    }
    Err(first_fault.unwrap_or_else(|| Error::Checkpoint {
        path: job.dir().join(named.checkpoint),
        message: "is gone".into(),
    }))
}

fn extend(parent: &Artifact, seed: u64, run: &mut Run, trainer: &mut Trainer) -> Result<()> {
    let refuse = |message: String, hint: &str| {
        Err(Error::Config { field: "extend".into(), message, hint: hint.into() })
    };
    let end: Training = fs::read_json(&parent.file(saved::TRAINING))?;
    if end.tokens != run.tokens_key {
        let (theirs, ours) = (end.tokens.short(), run.tokens_key.short());
        return refuse(
            format!("the run was trained on tokens {theirs}, this stage names {ours}"),
            "extend on the same tokens, or use `init` to start from its weights",
        );
    }
    if end.seed != seed || end.batch != run.config.batch || end.withheld != run.withheld {
        return refuse(
            "seed, batch and withheld documents must be those of the run".into(),
            "copy them from `regimen show`, or use `init` to start from its weights",
        );
    }
    let rule = run.config.optimizer.kind;
    if end.optimizer != rule {
        return refuse(
            format!("the run was trained with the optimizer {}, this stage asks for {rule}", end.optimizer),
            &format!(
                "write `optimizer = {{ kind = \"{}\" }}`, or use `init` to start from its weights with a fresh optimizer",
                end.optimizer
            ),
        );
    }
    if end.steps >= run.config.steps {
        return refuse(
            format!("the run already has {} steps, this stage asks for {}", end.steps, run.config.steps),
            "`steps` counts from the very beginning; give a larger number",
        );
    }
    let model = Saved::open(&parent.path)?;
    same_model(&model, run, trainer, "extend")?;
    trainer.params.data.copy_from_slice(&model.params.data);
    let mut arrays = Vec::new();
    for state in trainer.optimizer.state() {
        let layout = saved::state_layout(&trainer.layout(), state.parts)?;
        arrays.push(saved::read_arena(&parent.file(&saved::optimizer_file(state.name)), &layout)?.data);
    }
    for (to, from) in trainer.optimizer.state_mut().into_iter().zip(&arrays) {
        to.copy_from_slice(from);
    }
    trainer.optimizer.set_steps(end.updates);
    trainer.guard = fs::read_json(&parent.file(GUARD))?;
    trainer.guard.spike = run.config.guard.spike;
    run.state.step = end.steps;
    run.state.updates = end.updates;
    run.state.tokens_seen = end.tokens_seen;
    run.state.skipped = end.skipped;
    Ok(())
}

fn same_model(model: &Saved, run: &Run, trainer: &Trainer, field: &str) -> Result<()> {
    // How the weights were drawn is history.
    let shape = |config: &DecoderConfig| DecoderConfig { init_std: 0.0, ..config.clone() };
    let (theirs, ours) = (shape(&model.config), shape(&trainer.config));
    let message = if theirs != ours {
        format!("its model is {}, this stage asks for {}", words(&theirs), words(&ours))
    } else if !saved::same_tokenizer(&model.tokenizer, &run.tokenizer) {
        "its tokenizer is another one".into()
    } else {
        return Ok(());
    };
    let hint = "give this stage the same model and tokenizer".into();
    Err(Error::Config { field: field.into(), message, hint })
}

/// A config as recipes write it.
fn words(config: &DecoderConfig) -> String {
    serde_json::to_string(config).unwrap_or_default()
}
