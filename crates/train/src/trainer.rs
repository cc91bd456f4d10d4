//! The state of a training and one step of it.

use std::ops::Range;
use std::sync::Arc;

use regimen_models::{Decoder, DecoderConfig, TokenBlock};
use regimen_optim::{Group, Kind, Optimizer, Rule, clip_scale, global_norm};
use regimen_tensor::profile::{Span, outside};
use regimen_tensor::{Grads, Layout, Params, Pool, Recorder, Tape, Work, arena};
use regimen_tokens::Block;

use crate::error::Result;
use crate::guard::{Guard, Reason};
use crate::parts::Parts;
use crate::saved::build;

/// Weights, gradients, optimizer and guard.
pub struct Trainer {
    /// The architecture.
    pub config: DecoderConfig,
    /// Its handles.
    pub decoder: Decoder,
    /// Weights.
    pub params: Params,
    /// Gradients of the step in work.
    pub grads: Grads,
    /// The update rule with its state.
    pub optimizer: Box<dyn Optimizer>,
    /// Buffers for activations.
    pub pool: Pool,
    /// What refuses harmful steps.
    pub guard: Guard,
    /// Greatest gradient norm, 0 = off.
    pub clip: f64,
    /// Weight of the squared log-partition.
    pub z_loss: f64,
    /// What records the time of a step, while it is profiled.
    pub recorder: Option<Arc<Recorder>>,
    /// What looks at the parts of the model, in steps where that is wanted.
    pub parts: Parts,
    scaled: Vec<f32>,
    /// Whether the gradients are zero, because a step has used them up.
    clean: bool,
}

/// What a step measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// Mean negative log-likelihood in nats per token, without the z-loss.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub norm: f64,
    /// Tokens trained on.
    pub tokens: usize,
    /// Why nothing was updated, if so.
    pub skipped: Option<Reason>,
}

/// Optimizer groups for all segments of a decoder's layout. Matrices that lie stacked in one segment are groups of their
/// own, called `SEGMENT.0`, `SEGMENT.1` and so on.
pub fn groups(decoder: &Decoder, layout: &Layout) -> Vec<Group> {
    let mut stacks = vec![None; layout.segments.len()];
    for (handle, rows) in decoder.hidden_weights() {
        stacks[handle.index()] = Some(rows);
    }
    let mut groups = Vec::new();
    for (segment, rows) in layout.segments.iter().zip(stacks) {
        let (hidden, decay) = (rows.is_some(), segment.decay);
        let rows = rows.unwrap_or_else(|| vec![segment.shape[0]]);
        let mut start = segment.offset;
        for (i, &count) in rows.iter().enumerate() {
            let mut shape = segment.shape.clone();
            shape[0] = count;
            let range = start..start + shape.iter().product::<usize>();
            start = range.end;
            let name = if rows.len() > 1 { format!("{}.{i}", segment.name) } else { segment.name.clone() };
            groups.push(Group { name, range, shape, decay, hidden });
        }
    }
    groups
}

/// The span of a pass over `floats` numbers with so many operations and moves of 4 bytes for each.
fn over_arena<'r>(
    recorder: &'r Option<Arc<Recorder>>,
    name: &'static str,
    floats: usize,
    flops: usize,
    moves: usize,
) -> Option<Span<'r>> {
    outside(recorder.as_deref(), name, || Work::on(&[floats]).forward(flops * floats, moves * floats))
}

/// An update reads and writes weights, gradients (which it leaves at zero) and its state. Of the rules only AdamW does
/// the same to every number; what others calculate depends on shapes and is not counted.
fn update_work(optimizer: &dyn Optimizer, floats: usize) -> Work {
    let state: usize = optimizer.state().iter().map(|state| state.data.len()).sum();
    let flops = if optimizer.kind() == Kind::AdamW { 14 * floats } else { 0 };
    Work::on(&[floats]).forward(flops, 4 * floats + 2 * state)
}

impl Trainer {
    /// A trainer with freshly drawn weights and a fresh optimizer.
    ///
    /// # Errors
    /// A config that is none; no memory for the arenas.
    pub fn new(config: &DecoderConfig, rule: impl Into<Rule>, seed: u64) -> Result<Trainer> {
        let (decoder, layout) = build(config)?;
        let params = Params::try_init(layout.clone(), seed)?;
        let grads = Grads::try_zeros(layout.clone())?;
        let rule = rule.into();
        let (hidden, outer) = (config.hidden_matrices(), config.outer_matrices());
        let size = rule.kind().size(params.data.len(), &hidden, &outer);
        arena::room_for("optimizer state", size.state + size.work, 0)?;
        Ok(Trainer {
            config: config.clone(),
            grads,
            optimizer: rule.build(&groups(&decoder, &layout), params.data.len()),
            decoder,
            params,
            pool: Pool::new(),
            guard: Guard::new(0.0),
            clip: 1.0,
            z_loss: 0.0,
            recorder: None,
            parts: Parts::new(&layout),
            scaled: Vec::new(),
            clean: true,
        })
    }

    /// The arena layout.
    pub fn layout(&self) -> Arc<Layout> {
        self.params.layout.clone()
    }

    /// Mean loss of a block in nats per token and its gradient, left in `self.grads`, computed in passes of
    /// `micro_batch` rows. Every token weighs the same, in whichever pass it stands.
    pub fn gradient(&mut self, block: &Block, micro_batch: usize) -> Result<f64> {
        self.gradient_of(block, 0..block.rows, micro_batch)
    }

    /// The part of some rows in [`Trainer::gradient`]: the parts of all rows add up to the whole.
    fn gradient_of(&mut self, block: &Block, of: Range<usize>, micro_batch: usize) -> Result<f64> {
        if !std::mem::take(&mut self.clean) {
            let _span = over_arena(&self.recorder, "zero gradients", self.grads.data.len(), 0, 1);
            self.grads.zero();
        }
        let share = 1.0 / block.count.max(1) as f32;
        self.scaled.clear();
        self.scaled.extend(block.weights.iter().map(|w| w * share));
        let mut loss = 0.0;
        let mut first = of.start;
        while first < of.end {
            let rows = micro_batch.min(of.end - first);
            let range = first * block.time..(first + rows) * block.time;
            let tokens = TokenBlock {
                batch: rows,
                time: block.time,
                ids: &block.inputs[range.clone()],
                starts: &block.starts[range.clone()],
            };
            let mut tape = Tape::new(&self.params, &self.pool, true);
            if let Some(recorder) = &self.recorder {
                tape.record_into(recorder);
            }
            let found = self.decoder.loss_backward(
                tape,
                &tokens,
                &block.targets[range.clone()],
                &self.scaled[range],
                self.z_loss as f32,
                &mut self.grads,
            )?;
            loss += found.weighted_nll;
            first += rows;
        }
        Ok(loss)
    }

    /// One step on a block with learning rate `rate`, which uses the gradients up. A block without a token to train on
    /// changes nothing: its loss and norm are not numbers.
    pub fn step(&mut self, block: &Block, micro_batch: usize, rate: f64) -> Result<Stepped> {
        self.step_rows(block, 0..block.rows, micro_batch, rate, |loss, _| loss)
    }

    /// The same where the other rows are somebody else's: `combine` gets the part of `rows` in loss and gradient, and
    /// makes them those of the whole block. If it fails nothing was updated.
    pub fn step_rows(
        &mut self,
        block: &Block,
        rows: Range<usize>,
        micro_batch: usize,
        rate: f64,
        combine: impl FnOnce(Result<f64>, &mut [f32]) -> Result<f64>,
    ) -> Result<Stepped> {
        if block.count == 0 {
            return Ok(Stepped { loss: f64::NAN, norm: f64::NAN, tokens: 0, skipped: None });
        }
        let part = self.gradient_of(block, rows, micro_batch);
        let loss = combine(part, &mut self.grads.data)?;
        let span = over_arena(&self.recorder, "gradient norm", self.grads.data.len(), 2, 1);
        let norm = global_norm(&self.grads.data);
        drop(span);
        let skipped = self.guard.judge(loss, norm);
        let floats = self.grads.data.len();
        if self.parts.wanted {
            let _span = over_arena(&self.recorder, "norms of parts", floats, 2, 1);
            self.parts.before(&self.params.data, &self.grads.data);
        }
        if skipped.is_none() {
            let scale = clip_scale(norm, self.clip);
            let _span =
                outside(self.recorder.as_deref(), "optimizer", || update_work(&*self.optimizer, floats));
            self.optimizer.step(&mut self.params.data, &mut self.grads.data, rate, scale);
            self.clean = true;
            self.parts.after(&self.params.data);
        }
        Ok(Stepped { loss, norm, tokens: block.count, skipped })
    }
}
