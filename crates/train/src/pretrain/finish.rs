//! What a finished training leaves: the model, what extending it needs, and a summary.

use regimen_base::fs;
use regimen_recipe::Job;
use serde_json::json;

use super::Run;
use super::restore::GUARD;
use super::save::{self, BEST};
use crate::error::Result;
use crate::saved::{self, hash_arena};
use crate::trainer::Trainer;

/// Write the artifact.
pub(super) fn finish(job: &mut Job, run: &Run, trainer: &Trainer) -> Result<()> {
    let mut arenas = vec![(saved::WEIGHTS.to_string(), trainer.layout(), &trainer.params.data[..])];
    for state in trainer.optimizer.state() {
        let layout = saved::state_layout(&trainer.layout(), state.parts)?;
        arenas.push((saved::optimizer_file(state.name), layout, state.data));
    }
    for (name, layout, data) in arenas {
        save::arena(job, &layout, &job.dir().join(&name), data)?;
        job.payloads.insert(name, Some(hash_arena(data)));
    }
    // Keys and ordinals are no payload: two runs with the same weights have the same payload.
    fs::write_json(&job.dir().join(saved::TRAINING), &run.trained(job.seed, trainer))?;
    job.payloads.insert(saved::TRAINING.into(), None);
    fs::write_json(&job.dir().join(GUARD), &trainer.guard)?;
    fs::write_json(&job.dir().join(saved::MODEL), &trainer.config)?;
    saved::copy_tokenizer(&run.tokenizer_dir, job.dir())?;
    if !run.config.checkpoint.keep_best {
        fs::remove_dir_all(&job.dir().join(BEST))?;
    }
    for path in fs::files_below(&job.dir().join(BEST))? {
        job.payloads.insert(format!("{BEST}/{}", path.display()), None);
    }
    let flops_per_token = trainer.config.flops_per_token(run.config.model.context);
    let mut summary = json!({
        "parameters": trainer.config.parameters(),
        "steps": run.state.step,
        "tokens": run.state.tokens_seen,
        "epochs": run.schedule.epochs(run.state.step),
        "flops": flops_per_token * run.state.tokens_seen as f64,
        "forward_flops_per_token": flops_per_token / 3.0,
        "context": run.config.model.context,
        "loss": run.loss,
        "skipped_steps": run.state.skipped.len(),
        "withheld_documents": run.withheld.len(),
        "vocab": trainer.config.vocab,
        "model": trainer.config,
    });
    if job.group.size() > 1 {
        summary["processes"] = job.group.size().into();
    }
    if run.stepping > 0.0 {
        summary["data_loading_share"] = (run.fetching / run.stepping).into();
    }
    if let Some(found) = &run.validated {
        summary["validation"] = json!({"bpb": found.bpb, "sources": found.sources, "best": run.state.best});
    }
    job.summary = summary;
    Ok(())
}
