//! The `pretrain` stage: from token shards to a model, step by step, stoppable at every one.

mod finish;
mod prepare;
mod restore;
mod save;
mod share;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::Instant;

use regimen_base::{Failure, Key, fault};
use regimen_infer::{Generator, Sampling};
use regimen_kernels::{NoMemory, scratch_floats};
use regimen_recipe::Job;
use regimen_tensor::Work;
use regimen_tensor::profile::outside;
use regimen_tokens::{Block, Schedule, TokenSet, Tokenizer, WithheldSet};

use crate::checkpoint::State;
use crate::config::Pretrain;
use crate::error::{Error, Result};
use crate::memory;
use crate::parts::{Seen, every};
use crate::profile::Profiler;
use crate::trainer::{Stepped, Trainer};
use crate::validate::{Found, Validation};

pub use prepare::RUNNING;
pub use restore::CHECKPOINTS;

/// Everything a run holds besides the trainer.
struct Run {
    config: Pretrain,
    tokens: TokenSet,
    tokens_key: Key,
    tokenizer: Tokenizer,
    tokenizer_dir: PathBuf,
    schedule: Schedule,
    withheld: Vec<u32>,
    hidden: WithheldSet,
    validation: Validation,
    state: State,
    loss: f64,
    validated: Option<Found>,
    /// Seconds spent on filling blocks, and on whole steps.
    fetching: f64,
    stepping: f64,
}

/// Run the stage.
pub fn run(job: &mut Job) -> std::result::Result<(), Failure> {
    let prepared = prepare::prepare(job).and_then(|(mut run, mut trainer)| {
        restore::restore(job, &mut run, &mut trainer)?;
        Ok((run, trainer))
    });
    let (mut run, mut trainer) = share::begin(job, prepared)?;
    let mut profiler = Profiler::new(job, run.state.step, run.config.steps);
    let ended = train_or_explain(job, &mut run, &mut trainer, &mut profiler);
    // What was recorded until an interruption or an error is worth keeping.
    if let Some(profiler) = profiler
        && let Err(error) = profiler.finish(job)
    {
        job.log.warn(Some(run.state.step), format!("no profile: {error}"))?;
    }
    if let Err(failure) = ended {
        return Err(share::failed(job, &mut run, &trainer, failure));
    }
    if job.leads() {
        finish::finish(job, &run, &trainer)?;
    }
    Ok(())
}

/// Why a training did not come to its end.
enum Stop {
    Error(Error),
    Interrupted,
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Error(error.into())
    }
}

/// All steps that are left; where memory runs out, the error says what needs how much, and what to do.
fn train_or_explain(
    job: &mut Job,
    run: &mut Run,
    trainer: &mut Trainer,
    profiler: &mut Option<Profiler>,
) -> std::result::Result<(), Failure> {
    let ended = catch_unwind(AssertUnwindSafe(|| train(job, run, trainer, profiler)));
    let ended = ended.unwrap_or_else(|payload| match payload.downcast_ref::<NoMemory>() {
        // A loop that finds no memory for its buffers has no other way to say so.
        Some(&NoMemory { bytes }) => {
            let held = 4 * scratch_floats();
            Err(Stop::from(regimen_tensor::Error::Memory { what: "scratch buffers", bytes, held }))
        }
        None => resume_unwind(payload),
    });
    match ended {
        Ok(()) => Ok(()),
        Err(Stop::Interrupted) => Err(regimen_base::hint::Interrupted.into()),
        Err(Stop::Error(error)) => {
            let resume = job.resume.as_ref().map(|resume| resume.step);
            let held_out = run.tokens.validation().len();
            Err(memory::explain(error, &trainer.config, &run.config, held_out, resume).into())
        }
    }
}

/// All steps that are left, with what is due after them. Only the process that leads writes.
fn train(
    job: &mut Job,
    run: &mut Run,
    trainer: &mut Trainer,
    profiler: &mut Option<Profiler>,
) -> std::result::Result<(), Stop> {
    let leads = job.leads();
    let mut block = Block::default();
    let mut instances = Vec::new();
    while run.state.step < run.config.steps {
        trainer.parts.wanted = leads && (run.state.step + 1).is_multiple_of(every(run.config.steps));
        let span = profiler.as_ref().and_then(|profiler| profiler.begin(run.state.step, trainer));
        let stepped = one_step(job, run, trainer, &mut block, &mut instances)?;
        let noting = outside(trainer.recorder.as_deref(), "event log", Work::default);
        note_step(job, run, &stepped, trainer.parts.seen())?;
        drop((noting, span));
        if let Some(profiler) = profiler.take_if(|profiler| profiler.is_complete(run.state.step)) {
            trainer.recorder = None;
            profiler.finish(job)?;
        }
        if trainer.guard.in_a_row >= run.config.guard.patience {
            let skipped = trainer.guard.in_a_row;
            let (loss, norm) = (stepped.loss, stepped.norm);
            return Err(Error::Diverged { skipped, step: run.state.step, loss, norm }.into());
        }

        job.rest(run.state.step)?;
        let due = |every: u64| every > 0 && run.state.step.is_multiple_of(every);
        let last = run.state.step == run.config.steps;
        let stop = stepped.stop.unwrap_or_else(|| job.cancel.asked()) && !last;
        let sample = (due(run.config.samples.every) || last) && run.config.samples.every > 0;
        let save = (due(run.config.checkpoint.every) && !last) || stop;
        if leads && (due(run.config.validation.every) || last) && !run.validation.is_empty() {
            validate(job, run, trainer)?;
        }
        if leads && sample {
            write_samples(job, run, trainer)?;
        }
        if save || last {
            share::same_weights(job.group, trainer, run.state.step)?;
        }
        if leads && save {
            save::checkpoint(job, run, trainer)?;
        }
        fault::point("step").map_err(|e| regimen_base::fs::Error::new("go on in", job.dir(), e))?;
        if stop {
            return Err(Stop::Interrupted);
        }
    }
    Ok(())
}

/// A step as it was taken.
struct Taken {
    stepped: Stepped,
    /// Whether to stop behind it, where several processes had to agree on that.
    stop: Option<bool>,
    rate: f64,
    seconds: f64,
}

impl std::ops::Deref for Taken {
    type Target = Stepped;
    fn deref(&self) -> &Stepped {
        &self.stepped
    }
}

fn one_step(
    job: &Job,
    run: &mut Run,
    trainer: &mut Trainer,
    block: &mut Block,
    instances: &mut Vec<u64>,
) -> Result<Taken> {
    let clock = Instant::now();
    let span = outside(trainer.recorder.as_deref(), "fetch batch", Work::default);
    run.schedule.instances_into(run.state.step, instances);
    run.tokens.train().block(instances, run.config.model.context, &run.hidden, block)?;
    drop(span);
    run.fetching += clock.elapsed().as_secs_f64();
    let rate = run.config.schedule().rate(run.state.step);
    let (stepped, stop) = share::step(job, run, trainer, block, rate)?;
    run.state.step += 1;
    let seconds = clock.elapsed().as_secs_f64();
    run.stepping += seconds;
    Ok(Taken { stepped, stop, rate, seconds })
}

fn note_step(job: &mut Job, run: &mut Run, taken: &Taken, parts: &[Seen]) -> Result<()> {
    let step = run.state.step;
    if let Some(reason) = taken.skipped {
        run.state.skipped.push(step - 1);
        job.log.warn(Some(step), format!("step {step} updated nothing: {reason}"))?;
    } else if taken.tokens == 0 {
        run.state.skipped.push(step - 1);
        job.log.note(Some(step), format!("step {step} updated nothing: all of its tokens are withheld"))?;
    } else {
        run.state.updates += 1;
        run.state.tokens_seen += taken.tokens as u64;
        run.loss = taken.loss;
    }
    let mut values = vec![
        ("loss", taken.loss),
        ("lr", taken.rate),
        ("grad_norm", taken.norm),
        ("tokens", run.state.tokens_seen as f64),
        ("tokens_per_second", taken.tokens as f64 / taken.seconds.max(1e-9)),
    ];
    if taken.skipped.is_some() || taken.tokens == 0 {
        values.push(("skipped", 1.0));
    }
    // A step without a token to train on came to no gradient.
    for seen in parts.iter().filter(|_| taken.tokens > 0) {
        values.push((&seen.norm_name, seen.norm));
        if taken.skipped.is_none() {
            values.push((&seen.ratio_name, seen.ratio));
        }
    }
    job.log.metrics(step, &values)?;
    job.log.progress(step, run.config.steps, "steps", format!("loss {:.3}", taken.loss))?;
    Ok(())
}

fn validate(job: &mut Job, run: &mut Run, trainer: &Trainer) -> Result<()> {
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
            save::best(job, trainer, found.bpb, step)?;
        }
    }
    run.validated = Some(found);
    Ok(())
}

fn write_samples(job: &mut Job, run: &Run, trainer: &Trainer) -> Result<()> {
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
