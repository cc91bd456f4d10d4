//! Everything that is known before the first step.

use std::path::PathBuf;

use regimen_base::{Failure, Hash256, fs, machine, units};
use regimen_corpus::Corpus;
use regimen_ledger::Artifact;
use regimen_models::DecoderConfig;
use regimen_recipe::Job;
use regimen_tokens::{Packing, Schedule, TokenSet, Tokenizer};

use super::{Run, share};
use crate::checkpoint::State;
use crate::config::Pretrain;
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::memory::{self, Memory};
use crate::saved::{self, Training, hash_arena};
use crate::trainer::Trainer;
use crate::validate::Validation;
use crate::withhold;

/// What tracing an unfinished run needs, in its work folder: a [`Training`] of no steps.
pub const RUNNING: &str = ".training.json";

/// The run and its trainer with fresh weights.
pub(super) fn prepare(job: &Job) -> std::result::Result<(Run, Trainer), Failure> {
    let config: Pretrain = job.config()?;
    if job.inputs.contains_key("init") && job.inputs.contains_key("extend") {
        return Err(Error::Config {
            field: "init".into(),
            message: "a run that extends another starts from the weights of that run".into(),
            hint: "give `init` or `extend`, not both".into(),
        }
        .into());
    }
    share::enough_rows(job, &config)?;
    let artifact = job.input("tokens")?;
    let tokens = TokenSet::open(&artifact.path)?;
    let corpus = Corpus::open_dir(&ancestor(artifact, "corpus", artifact.input_dir("corpus", "corpus"))?)?;
    let tokenizer_dir = ancestor(artifact, "tokenizer", saved::tokenizer_dir(artifact))?;
    let tokenizer = Tokenizer::load(&tokenizer_dir.join(saved::TOKENIZER))?;
    let withheld = withhold::resolve(&corpus, &config.withheld, config.with_duplicates)?;

    let decoder = config.model.decoder(vocabulary(job, &tokenizer)?);
    fits(&decoder, &config, &tokens)?;
    let mut trainer = Trainer::new(&decoder, config.optimizer.rule(), job.seed)
        .map_err(|error| memory::explain(error, &decoder, &config, tokens.validation().len(), None))?;
    trainer.decoder.set_recompute(config.recompute);
    trainer.guard = Guard::new(config.guard.spike);
    trainer.clip = config.clip;
    trainer.z_loss = config.z_loss;

    let packing = Packing::new(tokens.train().len(), config.model.context);
    if packing.n == 0 {
        return Err(Error::Config {
            field: "tokens".into(),
            message: "there is no token to train on".into(),
            hint: "give the corpus more documents, or a smaller `validation` share".into(),
        }
        .into());
    }
    let run = Run {
        hidden: withhold::set(&withheld),
        tokens_key: artifact.key(),
        schedule: Schedule::new(job.seed, packing.n, config.batch as u64),
        validation: Validation::new(&corpus, config.validation.documents, config.model.context),
        state: State::new(artifact.key(), trainer.guard.clone()),
        config,
        tokens,
        tokenizer,
        tokenizer_dir,
        withheld,
        loss: f64::NAN,
        validated: None,
        fetching: 0.0,
        stepping: 0.0,
    };
    if job.leads() {
        fs::write_json(&job.dir().join(RUNNING), &run.training(job.seed, Hash256([0; 32])))?;
    }
    Ok((run, trainer))
}

impl Run {
    /// Where the run stands, for extending and tracing it.
    pub(super) fn training(&self, seed: u64, weights: Hash256) -> Training {
        Training {
            tokens: self.tokens_key,
            seed,
            steps: self.state.step,
            updates: self.state.updates,
            optimizer: self.config.optimizer.kind,
            batch: self.config.batch,
            tokens_seen: self.state.tokens_seen,
            withheld: self.withheld.clone(),
            skipped: self.state.skipped.clone(),
            weights,
        }
    }

    /// The same at the end.
    pub(super) fn trained(&self, seed: u64, trainer: &Trainer) -> Training {
        self.training(seed, hash_arena(&trainer.params.data))
    }
}

/// Ids of the model: those of the tokenizer, or of the model that it starts from, which may have more.
fn vocabulary(job: &Job, tokenizer: &Tokenizer) -> Result<usize> {
    let Some(parent) = job.inputs.get("init").or_else(|| job.inputs.get("extend")) else {
        return Ok(tokenizer.vocab_size());
    };
    let config: DecoderConfig = fs::read_json(&parent.file(saved::MODEL))?;
    Ok(config.vocab.max(tokenizer.vocab_size()))
}

/// The folder of an ancestor of the tokens.
fn ancestor(artifact: &Artifact, name: &str, found: Option<PathBuf>) -> Result<PathBuf> {
    found.ok_or_else(|| Error::Config {
        field: name.into(),
        message: format!("the artifact {} names no {name}", artifact.key()),
        hint: "it was not made by a recipe; give tokens that a `tokens` stage made".into(),
    })
}

/// A training for which there is not enough memory is refused before its first step. What the program takes besides its
/// arenas and activations is an estimate, so nothing is refused for its sake.
fn fits(decoder: &DecoderConfig, config: &Pretrain, tokens: &TokenSet) -> Result<()> {
    let need = |config: &Pretrain| Memory::of(decoder, config, tokens.validation().len() as f64, 0.0);
    let (needed, Some(room)) = (need(config), machine::room()) else { return Ok(()) };
    if needed.asked_for() <= room.bytes as f64 {
        return Ok(());
    }
    Err(Error::Memory {
        message: format!(
            "training needs about {} of memory ({needed}), {} {}",
            units::memory(needed.total() as u64),
            room.bound,
            units::memory(room.bytes)
        ),
        hint: memory::way_out(config, room.bytes as f64, |config| need(config).total()),
    })
}
