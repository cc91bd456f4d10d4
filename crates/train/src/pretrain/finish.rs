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
    let optimizer = &trainer.optimizer;
    let arenas: [(&str, &[f32]); 3] = [
        (saved::WEIGHTS, &trainer.params.data),
        (saved::OPTIMIZER[0], &optimizer.mean),
        (saved::OPTIMIZER[1], &optimizer.square),
    ];
    for (name, arena) in arenas {
        save::weights(job, trainer, &job.dir().join(name), arena)?;
        job.payloads.insert(name.into(), Some(hash_arena(arena)));
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
    if run.stepping > 0.0 {
        summary["data_loading_share"] = (run.fetching / run.stepping).into();
    }
    if let Some(found) = &run.validated {
        summary["validation"] = json!({"bpb": found.bpb, "sources": found.sources, "best": run.state.best});
    }
    job.summary = summary;
    Ok(())
}
