//! The state of a training and one step of it.

use std::sync::Arc;

use regimen_models::{Decoder, DecoderConfig, TokenBlock};
use regimen_optim::{AdamW, Group, Hyper, clip_scale, global_norm};
use regimen_tensor::{Grads, Layout, Params, Pool};
use regimen_tokens::Block;

use crate::error::Result;
use crate::guard::{Guard, Reason};
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
    /// AdamW with its state.
    pub optimizer: AdamW,
    /// Buffers for activations.
    pub pool: Pool,
    /// What refuses harmful steps.
    pub guard: Guard,
    /// Greatest gradient norm, 0 = off.
    pub clip: f64,
    /// Weight of the squared log-partition.
    pub z_loss: f64,
    scaled: Vec<f32>,
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

/// Optimizer groups for all segments of a layout.
pub fn groups(layout: &Layout) -> Vec<Group> {
    layout.segments.iter().map(|s| Group { name: s.name.clone(), range: s.range(), decay: s.decay }).collect()
}

impl Trainer {
    /// A trainer with freshly drawn weights.
    pub fn new(config: &DecoderConfig, hyper: Hyper, seed: u64) -> Result<Trainer> {
        let (decoder, layout) = build(config)?;
        let params = Params::init(layout.clone(), seed);
        Ok(Trainer {
            config: config.clone(),
            decoder,
            grads: Grads::zeros(layout.clone()),
            optimizer: AdamW::new(hyper, &groups(&layout), params.data.len()),
            params,
            pool: Pool::new(),
            guard: Guard::new(0.0),
            clip: 1.0,
            z_loss: 0.0,
            scaled: Vec::new(),
        })
    }

    /// The arena layout.
    pub fn layout(&self) -> Arc<Layout> {
        self.params.layout.clone()
    }

    /// Mean loss of a block in nats per token and its gradient, left in `self.grads`, computed in passes of
    /// `micro_batch` rows. Every token weighs the same, in whichever pass it stands.
    pub fn gradient(&mut self, block: &Block, micro_batch: usize) -> Result<f64> {
        self.grads.zero();
        let share = 1.0 / block.count.max(1) as f32;
        self.scaled.clear();
        self.scaled.extend(block.weights.iter().map(|w| w * share));
        let mut loss = 0.0;
        let mut first = 0;
        while first < block.rows {
            let rows = micro_batch.min(block.rows - first);
            let range = first * block.time..(first + rows) * block.time;
            let tokens = TokenBlock {
                batch: rows,
                time: block.time,
                ids: &block.inputs[range.clone()],
                starts: &block.starts[range.clone()],
            };
            let found = self.decoder.loss_backward(
                &self.params,
                &self.pool,
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

    /// One step on a block with learning rate `rate`. A block without a token to train on changes nothing: its loss and
    /// norm are not numbers.
    pub fn step(&mut self, block: &Block, micro_batch: usize, rate: f64) -> Result<Stepped> {
        if block.count == 0 {
            return Ok(Stepped { loss: f64::NAN, norm: f64::NAN, tokens: 0, skipped: None });
        }
        let loss = self.gradient(block, micro_batch)?;
        let norm = global_norm(&self.grads.data);
        let skipped = self.guard.judge(loss, norm);
        if skipped.is_none() {
            let scale = clip_scale(norm, self.clip);
            self.optimizer.step(&mut self.params.data, &self.grads.data, rate, scale);
        }
        Ok(Stepped { loss, norm, tokens: block.count, skipped })
    }
}
