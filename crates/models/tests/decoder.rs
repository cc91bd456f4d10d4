//! The decoder as a whole: gradients, masks, determinism, cached decoding.
#![allow(clippy::unwrap_used)]

#[path = "decoder/cached.rs"]
mod cached;
#[path = "decoder/faults.rs"]
mod faults;
#[path = "decoder/memory.rs"]
mod memory;
#[path = "decoder/training.rs"]
mod training;

use std::sync::Arc;

use regimen_base::Philox;
use regimen_models::{Decoder, DecoderConfig, Mlp, NormKind, Positions, TokenBlock};
use regimen_tensor::{Grads, Layout, Params, Pool, Tape};

/// Small models that between them have every option.
fn variants() -> Vec<(&'static str, DecoderConfig)> {
    let llama = DecoderConfig { init_std: 0.3, ..DecoderConfig::llama(19, 12, 2, 12, 4, 20) };
    let gpt2 = DecoderConfig { init_std: 0.3, ..DecoderConfig::gpt2(17, 12, 2, 12, 3, 16) };
    vec![
        (
            "llama, shared key heads, wide heads, untied",
            DecoderConfig { kv_heads: 2, head_dim: 6, tied: false, ..llama.clone() },
        ),
        (
            "llama, one key head, biases",
            DecoderConfig { kv_heads: 1, head_dim: 4, bias: true, ..llama.clone() },
        ),
        ("gpt-2", gpt2.clone()),
        ("gpt-2, untied, no biases", DecoderConfig { tied: false, bias: false, ..gpt2.clone() }),
        ("layer norm, rotary, swiglu", DecoderConfig { norm: NormKind::Layer, head_dim: 4, ..llama }),
        (
            "rms norm, learned, gelu",
            DecoderConfig { norm: NormKind::Rms, positions: Positions::Learned, mlp: Mlp::Gelu, ..gpt2 },
        ),
    ]
}

fn build(config: &DecoderConfig, seed: u64) -> (Decoder, Params) {
    let (decoder, layout) = Decoder::with_layout(config).unwrap();
    (decoder, Params::init(layout, seed))
}

/// Ids, targets, document starts and weights of a batch.
struct Batch {
    batch: usize,
    time: usize,
    ids: Vec<u32>,
    targets: Vec<u32>,
    starts: Vec<u32>,
    weights: Vec<f32>,
}

impl Batch {
    /// Random tokens; the second document of each sequence starts in its middle; one token in five has no weight.
    fn random(config: &DecoderConfig, batch: usize, time: usize) -> Batch {
        let mut random = Philox::new(23, &["batch"]);
        let rows = batch * time;
        let mut draw = |n: usize| random.below(n as u64) as u32;
        let ids = (0..rows).map(|_| draw(config.vocab)).collect();
        let targets = (0..rows).map(|_| draw(config.vocab)).collect();
        let starts = (0..rows).map(|i| if i % time < time / 2 { 0 } else { time as u32 / 2 }).collect();
        let weights = (0..rows).map(|i| if i % 5 == 4 { 0.0 } else { 1.0 / rows as f32 }).collect();
        Batch { batch, time, ids, targets, starts, weights }
    }

    fn block(&self) -> TokenBlock<'_> {
        TokenBlock { batch: self.batch, time: self.time, ids: &self.ids, starts: &self.starts }
    }

    /// Sequences `range` alone.
    fn part(&self, range: std::ops::Range<usize>) -> Batch {
        let rows = range.start * self.time..range.end * self.time;
        Batch {
            batch: range.len(),
            time: self.time,
            ids: self.ids[rows.clone()].to_vec(),
            targets: self.targets[rows.clone()].to_vec(),
            starts: self.starts[rows.clone()].to_vec(),
            weights: self.weights[rows].to_vec(),
        }
    }
}

/// Loss in f64 and, if wanted, its gradient added to `grads`.
fn loss(
    decoder: &Decoder,
    params: &Params,
    pool: &Pool,
    batch: &Batch,
    z: f32,
    grads: Option<&mut Grads>,
) -> f64 {
    let (block, targets, weights) = (batch.block(), &batch.targets[..], &batch.weights[..]);
    if let Some(grads) = grads {
        let loss =
            decoder.loss_backward(Tape::new(params, pool, true), &block, targets, weights, z, grads).unwrap();
        return loss.weighted_nll + loss.z_term;
    }
    let mut tape = Tape::new(params, pool, false);
    let loss = decoder.loss(&mut tape, &block, targets, weights, z).unwrap();
    loss.weighted_nll + loss.z_term
}

fn gradient(decoder: &Decoder, params: &Params, batch: &Batch, z: f32) -> Grads {
    let mut grads = Grads::zeros(Arc::<Layout>::clone(&params.layout));
    loss(decoder, params, &Pool::new(), batch, z, Some(&mut grads));
    grads
}
