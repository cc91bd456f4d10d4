//! A training that several processes share: each computes the gradient of its rows of every batch, the gradients are
//! summed, and all take the same step, so that their weights stay the same bit for bit.
//!
//! Synchronous data parallelism as in Goyal et al., "Accurate, large minibatch SGD", 2017: the loss and every weight of
//! a token are divided by the tokens of the whole batch before the sum, so the step is that of one process with the
//! same batch but for rounding.

use regimen_base::group::{self, Group, agree, faultless, part};
use regimen_base::{Failure, hint::Interrupted};
use regimen_recipe::Job;
use regimen_tokens::Block;

use super::{Run, save};
use crate::checkpoint::State;
use crate::config::Pretrain;
use crate::error::{Error, Result};
use crate::saved::hash_arena;
use crate::trainer::{Stepped, Trainer};

/// Every process needs a row of the batch.
pub(super) fn enough_rows(job: &Job, config: &Pretrain) -> Result<()> {
    let size = job.group.size();
    if size <= config.batch {
        return Ok(());
    }
    Err(Error::Config {
        field: "batch".into(),
        message: format!("a batch of {} sequences cannot be shared by {size} processes", config.batch),
        hint: format!("start at most {} processes, or make the batch larger", config.batch),
    })
}

/// Begin together: everybody could prepare, and everybody starts from what process 0 restored.
pub(super) fn begin(
    job: &Job,
    prepared: std::result::Result<(Run, Trainer), Failure>,
) -> std::result::Result<(Run, Trainer), Failure> {
    let group = job.group;
    if group.size() == 1 {
        return prepared;
    }
    let agreed = agree(group, prepared.as_ref().err().map(ToString::to_string));
    let (mut run, mut trainer) = prepared?;
    agreed?;
    let state =
        if job.leads() { serde_json::to_vec(&run.state).map_err(|e| broken(&e))? } else { Vec::new() };
    let state = group.exchange(&state)?.swap_remove(0);
    if !job.leads() {
        let state: State = serde_json::from_slice(&state).map_err(|e| broken(&e))?;
        trainer.guard = state.guard.clone();
        trainer.optimizer.set_steps(state.updates);
        run.state = state;
    }
    group.broadcast(&mut trainer.params.data)?;
    for state in trainer.optimizer.state_mut() {
        group.broadcast(state)?;
    }
    Ok((run, trainer))
}

fn broken(error: &serde_json::Error) -> group::Error {
    group::Error::Broken { message: error.to_string() }
}

/// What a process says of its rows: whether it was asked to stop, its share of the loss, and what went wrong.
struct Word {
    stop: bool,
    loss: f64,
    fault: String,
}

impl Word {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.stop)];
        bytes.extend(self.loss.to_le_bytes());
        bytes.extend(self.fault.as_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> group::Result<Word> {
        let broken = || group::Error::Broken { message: "a word about a step was cut off".into() };
        let (stop, rest) = bytes.split_first().ok_or_else(broken)?;
        let (loss, fault) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
        let fault = String::from_utf8_lossy(fault).into_owned();
        Ok(Word { stop: *stop != 0, loss: f64::from_le_bytes(*loss), fault })
    }
}

/// One step on the rows of this process, and, where there are several, whether all agreed to stop behind it. Nothing has
/// changed if it fails.
pub(super) fn step(
    job: &Job,
    run: &Run,
    trainer: &mut Trainer,
    block: &Block,
    rate: f64,
) -> Result<(Stepped, Option<bool>)> {
    let (group, micro_batch) = (job.group, run.config.micro_batch());
    if group.size() == 1 {
        return Ok((trainer.step(block, micro_batch, rate)?, None));
    }
    let mut stop = false;
    let rows = part(block.rows, group.rank(), group.size());
    let stepped = trainer.step_rows(block, rows, micro_batch, rate, |found, grads| {
        let word = Word {
            stop: job.cancel.asked(),
            loss: *found.as_ref().unwrap_or(&f64::NAN),
            fault: found.as_ref().err().map(ToString::to_string).unwrap_or_default(),
        };
        let words = group.exchange(&word.bytes())?;
        let words = words.iter().map(|word| Word::of(word)).collect::<group::Result<Vec<Word>>>()?;
        found?;
        faultless(words.iter().map(|word| word.fault.as_bytes()))?;
        group.all_reduce_sum(grads)?;
        stop = words.iter().any(|word| word.stop);
        Ok(words.iter().map(|word| word.loss).sum())
    })?;
    Ok((stepped, Some(stop)))
}

/// Make sure that all processes hold the same weights.
pub(super) fn same_weights(group: &dyn Group, trainer: &Trainer, step: u64) -> Result<()> {
    if group.size() == 1 {
        return Ok(());
    }
    let mut arenas = vec![&trainer.params.data[..]];
    arenas.extend(trainer.optimizer.state().iter().map(|state| state.data));
    let mine: Vec<u8> = arenas.into_iter().flat_map(|arena| hash_arena(arena).0).collect();
    let all = group.exchange(&mine)?;
    match all.iter().position(|other| *other != all[0]) {
        Some(rank) => Err(Error::Apart { rank, step }),
        None => Ok(()),
    }
}

/// What a failure of the steps comes to. After the loss of a process, process 0 writes a checkpoint of the last step
/// that all have done. What another process alone knows of, process 0 is told in place of the next word about a step.
pub(super) fn failed(job: &mut Job, run: &mut Run, trainer: &Trainer, failure: Failure) -> Failure {
    let (step, size) = (run.state.step, job.group.size());
    let rank = match failure.downcast_ref::<Error>() {
        Some(Error::Group(group::Error::Lost { rank })) if job.leads() => *rank,
        Some(Error::Group(error)) => return error.clone().into(),
        Some(Error::Diverged { .. } | Error::Apart { .. }) => return failure,
        _ if job.leads() || size == 1 || failure.downcast_ref::<Interrupted>().is_some() => return failure,
        _ => {
            let word = Word { stop: false, loss: f64::NAN, fault: failure.to_string() };
            return match job.group.exchange(&word.bytes()) {
                Ok(_) => failure,
                Err(error) => error.into(),
            };
        }
    };
    // A checkpoint of the interval may be of this very step.
    let there = job.resume.as_ref().is_some_and(|resume| resume.step == step);
    match if there { Ok(()) } else { save::checkpoint(job, run, trainer) } {
        Ok(()) => Error::Lost { rank, size, step }.into(),
        Err(error) => Error::LostUnsaved { rank, size, step, error: Box::new(error) }.into(),
    }
}
