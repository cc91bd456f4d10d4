//! The `pretrain` stage: from token shards to a model, step by step, stoppable at every one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use regimen_base::{Failure, Hash256, Key, fault, fs};
use regimen_corpus::Corpus;
use regimen_infer::{Generator, Sampling};
use regimen_ledger::Artifact;
use regimen_models::weights;
use regimen_recipe::Job;
use regimen_tokens::{Block, Packing, Schedule, TokenSet, Tokenizer, WithheldSet};
use serde_json::json;

use crate::checkpoint::{self, State};
use crate::config::Pretrain;
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::saved::{self, Saved, Training, hash_arena};
use crate::trainer::{Stepped, Trainer};
use crate::validate::{Found, Validation};
use crate::withhold;

/// Where checkpoints lie in the work folder; the dot keeps them out of the artifact.
const CHECKPOINTS: &str = ".checkpoints";
/// The weights with the best validation, in the artifact but outside its payload.
const BEST: &str = "best";

/// Everything a run holds besides the trainer.
struct Run {
    config: Pretrain,
    tokens: TokenSet,
    tokens_key: Key,
    tokenizer: Tokenizer,
    tokenizer_file: PathBuf,
    schedule: Schedule,
    withheld: Vec<u32>,
    hidden: WithheldSet,
    validation: Validation,
    state: State,
    loss: f64,
    validated: Option<Found>,
}

/// Run the stage.
pub fn run(job: &mut Job) -> std::result::Result<(), Failure> {
    let (mut run, mut trainer) = prepare(job)?;
    restore(job, &mut run, &mut trainer)?;
    let micro = run.config.micro_batch();
    let rates = run.config.schedule();
    let mut block = Block::default();
    let mut instances = Vec::new();
    let mut clock = Instant::now();
    let mut fetching = 0.0;
    let began = Instant::now();
    while run.state.step < run.config.steps {
        let fetch = Instant::now();
        run.schedule.instances_into(run.state.step, &mut instances);
        run.tokens
            .train()
            .block(&instances, run.config.model.context, &run.hidden, &mut block)
            .map_err(Error::from)?;
        fetching += fetch.elapsed().as_secs_f64();

        let rate = rates.rate(run.state.step);
        let stepped = trainer.step(&block, micro, rate)?;
        run.state.step += 1;
        note_step(job, &mut run, &stepped, rate, clock.elapsed().as_secs_f64())?;
        clock = Instant::now();
        if trainer.guard.in_a_row >= run.config.guard.patience {
            let skipped = trainer.guard.in_a_row;
            let (loss, norm) = (stepped.loss, stepped.norm);
            return Err(Error::Diverged { skipped, step: run.state.step, loss, norm }.into());
        }

        let due = |every: u64| every > 0 && run.state.step.is_multiple_of(every);
        let last = run.state.step == run.config.steps;
        let (validate, sample, save) = (
            (due(run.config.validation.every) || last) && !run.validation.is_empty(),
            (due(run.config.samples.every) || last) && run.config.samples.every > 0,
            due(run.config.checkpoint.every) && !last,
        );
        if validate {
            validate_now(job, &mut run, &trainer)?;
        }
        if sample {
            write_samples(job, &run, &trainer)?;
        }
        if save || (job.cancel.asked() && !last) {
            save_checkpoint(job, &mut run, &trainer)?;
        }
        let _ = fault::point("step");
        if !last {
            job.cancel.check()?;
        }
        if validate || sample || save {
            clock = Instant::now();
        }
    }
    let trained = began.elapsed().as_secs_f64();
    finish(job, &run, &trainer, if trained > 0.0 { fetching / trained } else { 0.0 })?;
    Ok(())
}

fn prepare(job: &Job) -> std::result::Result<(Run, Trainer), Failure> {
    let config: Pretrain = job.config()?;
    let artifact = job.input("tokens")?;
    let tokens = TokenSet::open(&artifact.path)?;
    let corpus = Corpus::open_dir(&ancestor(artifact, "corpus", "corpus")?)?;
    let tokenizer_file = ancestor(artifact, "tokenizer", "tokenizer")?.join(saved::TOKENIZER);
    let tokenizer = Tokenizer::load(&tokenizer_file)?;
    let withheld = withhold::resolve(&corpus, &config.withheld, config.with_duplicates)?;

    let decoder = config.model.decoder(tokenizer.vocab_size());
    let mut trainer = Trainer::new(&decoder, config.hyper(), job.seed)?;
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
    let schedule = Schedule::new(job.seed, packing.n, config.batch as u64);
    let validation = Validation::new(&corpus, config.validation.documents, config.model.context);
    let state = State {
        step: 0,
        updates: 0,
        tokens_seen: 0,
        skipped: Vec::new(),
        guard: trainer.guard.clone(),
        best: None,
        tokens: artifact.key(),
        weights: Hash256([0; 32]),
    };
    let run = Run {
        hidden: withhold::set(&withheld),
        tokens_key: artifact.key(),
        config,
        tokens,
        tokenizer,
        tokenizer_file,
        schedule,
        withheld,
        validation,
        state,
        loss: f64::NAN,
        validated: None,
    };
    Ok((run, trainer))
}

/// The folder of the artifact that filled `name` of `artifact`.
fn ancestor(artifact: &Artifact, name: &str, kind: &str) -> Result<PathBuf> {
    artifact.input_dir(name, kind).ok_or_else(|| Error::Config {
        field: name.into(),
        message: format!("the artifact {} names no {kind}", artifact.key()),
        hint: "it was not made by a recipe; give tokens that a `tokens` stage made".into(),
    })
}

/// Put the trainer where it goes on: a checkpoint of this stage, the end of another run, another model's weights, or
/// fresh weights.
fn restore(job: &mut Job, run: &mut Run, trainer: &mut Trainer) -> std::result::Result<(), Failure> {
    if let Some(resume) = job.resume.clone() {
        let dir = job.dir().join(&resume.checkpoint);
        let optimizer = &mut trainer.optimizer;
        let arenas = [&mut trainer.params.data[..], &mut optimizer.mean[..], &mut optimizer.square[..]];
        run.state = checkpoint::load(&dir, arenas)?;
        checkpoint::check(&dir, &run.state, &trainer.params.data)?;
        optimizer.steps = run.state.updates;
        trainer.guard = run.state.guard.clone();
        return Ok(());
    }
    if let Some(parent) = job.inputs.get("extend") {
        extend(parent, job.seed, run, trainer)?;
        job.log.note(
            Some(run.state.step),
            format!("extending {} from step {}", parent.key().short(), run.state.step),
        )?;
    } else if let Some(parent) = job.inputs.get("init") {
        let model = Saved::open(&parent.path)?;
        same_model(&model, trainer, &run.tokenizer_file, &parent.path, "init")?;
        trainer.params.data.copy_from_slice(&model.params.data);
        job.log.note(None, format!("starting from the weights of {}", parent.key().short()))?;
    }
    Ok(())
}

fn extend(parent: &Artifact, seed: u64, run: &mut Run, trainer: &mut Trainer) -> Result<()> {
    let refuse = |message: String, hint: &str| {
        Err(Error::Config { field: "extend".into(), message, hint: hint.into() })
    };
    let end: Training = fs::read_json(&parent.file(saved::TRAINING))?;
    if end.tokens != run.tokens_key {
        return refuse(
            format!(
                "the run was trained on tokens {}, this stage names {}",
                end.tokens.short(),
                run.tokens_key.short()
            ),
            "extend on the same tokens, or use `init` to start from its weights",
        );
    }
    if end.seed != seed || end.batch != run.config.batch || end.withheld != run.withheld {
        return refuse(
            "seed, batch and withheld documents must be those of the run".into(),
            "copy them from `regimen show`, or use `init` to start from its weights",
        );
    }
    if end.steps > run.config.steps {
        return refuse(
            format!("the run already has {} steps, this stage asks for {}", end.steps, run.config.steps),
            "`steps` counts from the very beginning; give a larger number",
        );
    }
    let model = Saved::open(&parent.path)?;
    same_model(&model, trainer, &run.tokenizer_file, &parent.path, "extend")?;
    trainer.params.data.copy_from_slice(&model.params.data);
    let layout = trainer.layout();
    trainer.optimizer.mean = saved::read_arena(&parent.file(saved::OPTIMIZER[0]), &layout)?.data;
    trainer.optimizer.square = saved::read_arena(&parent.file(saved::OPTIMIZER[1]), &layout)?.data;
    trainer.optimizer.steps = end.updates;
    trainer.guard = fs::read_json(&parent.file(GUARD))?;
    trainer.guard.spike = run.config.guard.spike;
    run.state.step = end.steps;
    run.state.updates = end.updates;
    run.state.tokens_seen = end.tokens_seen;
    run.state.skipped = end.skipped;
    Ok(())
}

/// The guard's memory at the end of a run.
const GUARD: &str = "guard.json";

fn same_model(model: &Saved, trainer: &Trainer, tokenizer: &Path, parent: &Path, field: &str) -> Result<()> {
    let shape = |config: &regimen_models::DecoderConfig| regimen_models::DecoderConfig {
        init_std: 0.0,
        ..config.clone()
    };
    let message = if shape(&model.config) != shape(&trainer.config) {
        format!("its model is {:?}, this stage asks for {:?}", model.config, trainer.config)
    } else if fs::read(tokenizer)? != fs::read(&parent.join(saved::TOKENIZER))? {
        "its tokenizer is another one".into()
    } else {
        return Ok(());
    };
    let hint = "give this stage the same model and tokenizer".into();
    Err(Error::Config { field: field.into(), message, hint })
}

fn note_step(job: &mut Job, run: &mut Run, stepped: &Stepped, rate: f64, seconds: f64) -> Result<()> {
    let step = run.state.step;
    if let Some(reason) = stepped.skipped {
        run.state.skipped.push(step - 1);
        job.log.warn(Some(step), format!("step {step} updated nothing: {reason}"))?;
    } else if stepped.tokens > 0 {
        run.state.updates += 1;
        run.state.tokens_seen += stepped.tokens as u64;
        run.loss = stepped.loss;
    }
    let mut values = vec![
        ("loss", stepped.loss),
        ("lr", rate),
        ("grad_norm", stepped.norm),
        ("tokens", run.state.tokens_seen as f64),
        ("tokens_per_second", stepped.tokens as f64 / seconds.max(1e-9)),
    ];
    if stepped.skipped.is_some() {
        values.push(("skipped", 1.0));
    }
    job.log.metrics(step, &values)?;
    job.log.progress(step, run.config.steps, "steps", format!("loss {:.3}", stepped.loss))?;
    Ok(())
}

fn validate_now(job: &mut Job, run: &mut Run, trainer: &Trainer) -> std::result::Result<(), Failure> {
    let found =
        run.validation.run(&trainer.decoder, &trainer.params, run.tokens.validation(), &trainer.pool)?;
    let step = run.state.step;
    let named: Vec<(String, f64)> =
        found.sources.iter().map(|(source, bpb)| (format!("bpb/{source}"), *bpb)).collect();
    let mut values = vec![("bpb", found.bpb)];
    values.extend(named.iter().map(|(name, bpb)| (name.as_str(), *bpb)));
    job.log.metrics(step, &values)?;
    if run.state.best.is_none_or(|(best, _)| found.bpb < best) {
        run.state.best = Some((found.bpb, step));
        if run.config.checkpoint.keep_best {
            let dir = job.dir().join(BEST);
            fs::create_dir_all(&dir)?;
            save_weights(job, trainer, &dir.join(saved::WEIGHTS), &trainer.params.data)?;
            fs::write_json(&dir.join("best.json"), &json!({"step": step, "bpb": found.bpb}))?;
        }
    }
    run.validated = Some(found);
    Ok(())
}

fn write_samples(job: &mut Job, run: &Run, trainer: &Trainer) -> std::result::Result<(), Failure> {
    let samples = &run.config.samples;
    let sampling = Sampling {
        max_tokens: samples.max_tokens,
        temperature: samples.temperature,
        seed: job.seed,
        ..Sampling::default()
    };
    let generator = Generator::new(&trainer.decoder, &trainer.params, &run.tokenizer);
    for prompt in &samples.prompts {
        let step = run.state.step;
        match generator.generate(prompt, &sampling, &mut |_| true) {
            Ok(written) => {
                let prompt = prompt.clone();
                job.log.emit(regimen_base::Event::Sample { step, prompt, text: written.text })?;
            }
            // A model that cannot write now may recover; the guard judges the training itself.
            Err(error) => job.log.warn(Some(step), format!("no sample at step {step}: {error}"))?,
        }
    }
    Ok(())
}

fn save_checkpoint(job: &mut Job, run: &mut Run, trainer: &Trainer) -> Result<()> {
    let name = format!("{CHECKPOINTS}/step-{}", run.state.step);
    let dir = job.dir().join(&name);
    fs::create_dir_all(&job.dir().join(CHECKPOINTS))?;
    run.state.guard = trainer.guard.clone();
    run.state.weights = hash_arena(&trainer.params.data);
    let optimizer = &trainer.optimizer;
    checkpoint::save(&dir, &run.state, [&trainer.params.data, &optimizer.mean, &optimizer.square])?;
    job.log.emit(regimen_base::Event::Checkpoint { step: run.state.step, path: name.clone() })?;
    job.resume_from(run.state.step, &name)?;
    let mut kept: Vec<(u64, PathBuf)> = fs::list(&job.dir().join(CHECKPOINTS))?
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?, path)))
        .collect();
    kept.sort();
    // A folder beyond the present step was left by a run that was cut back.
    let newer = kept.iter().filter(|(step, _)| *step > run.state.step).count();
    let valid = kept.len() - newer;
    for (_, path) in kept.drain(..valid.saturating_sub(run.config.checkpoint.keep)) {
        fs::remove_dir_all(&path)?;
    }
    Ok(())
}

fn save_weights(job: &Job, trainer: &Trainer, path: &Path, arena: &[f32]) -> Result<()> {
    let metadata = [("regimen_key", job.key.to_string()), ("format", "pt".to_string())];
    let metadata = metadata.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    Ok(weights::save(path, &trainer.layout(), arena, &metadata)?)
}

fn finish(job: &mut Job, run: &Run, trainer: &Trainer, fetching: f64) -> std::result::Result<(), Failure> {
    let optimizer = &trainer.optimizer;
    let arenas: [(&str, &[f32]); 3] = [
        (saved::WEIGHTS, &trainer.params.data),
        (saved::OPTIMIZER[0], &optimizer.mean),
        (saved::OPTIMIZER[1], &optimizer.square),
    ];
    for (name, arena) in arenas {
        save_weights(job, trainer, &job.dir().join(name), arena)?;
        job.payloads.insert(name.into(), Some(hash_arena(arena)));
    }
    let training = Training {
        tokens: run.tokens_key,
        seed: job.seed,
        steps: run.state.step,
        updates: run.state.updates,
        batch: run.config.batch,
        tokens_seen: run.state.tokens_seen,
        withheld: run.withheld.clone(),
        skipped: run.state.skipped.clone(),
        weights: hash_arena(&trainer.params.data),
    };
    fs::write_json(&job.dir().join(saved::TRAINING), &training)?;
    fs::write_json(&job.dir().join(GUARD), &trainer.guard)?;
    fs::write_json(&job.dir().join(saved::MODEL), &trainer.config)?;
    if let Some(dir) = run.tokenizer_file.parent() {
        saved::copy_tokenizer(dir, job.dir())?;
    }
    for path in fs::files_below(&job.dir().join(BEST))? {
        job.payloads.insert(format!("{BEST}/{}", path.display()), None);
    }
    let flops = trainer.config.flops_per_token(run.config.model.context) * run.state.tokens_seen as f64;
    let mut summary = json!({
        "parameters": trainer.config.parameters(),
        "steps": run.state.step,
        "tokens": run.state.tokens_seen,
        "epochs": run.schedule.epochs(run.state.step),
        "flops": flops,
        "loss": run.loss,
        "skipped_steps": run.state.skipped.len(),
        "withheld_documents": run.withheld.len(),
        "data_loading_share": fetching,
        "vocab": trainer.config.vocab,
        "model": trainer.config,
    });
    if let Some(found) = &run.validated {
        summary["validation"] = json!({"bpb": found.bpb, "sources": found.sources, "best": run.state.best});
    }
    job.summary = summary;
    Ok(())
}
