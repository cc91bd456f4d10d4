//! The config of a `pretrain` stage as typed values. Names, defaults and descriptions are in [`crate::fields`]; here
//! every field is present, because normalisation filled in the defaults.

#![expect(missing_docs, reason = "every field is described once, in `fields`")]

use regimen_models::{DecoderConfig, Mlp, NormKind, Positions, Recompute};
use regimen_optim::{Schedule, Shape};
use serde::Deserialize;

pub use crate::optimizer::Optimizer;

/// Everything a `pretrain` stage can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    pub model: Model,
    pub steps: u64,
    pub batch: usize,
    pub micro_batch: usize,
    pub recompute: Recompute,
    pub optimizer: Optimizer,
    pub schedule: ScheduleConfig,
    pub clip: f64,
    pub z_loss: f64,
    pub guard: GuardConfig,
    pub withheld: Vec<String>,
    pub with_duplicates: bool,
    pub validation: Validation,
    pub checkpoint: Checkpoint,
    pub samples: Samples,
    pub device: String,
}

/// The architecture; 0 stands for "derived".
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub ff: usize,
    pub context: usize,
    pub norm: NormKind,
    pub norm_eps: f64,
    pub positions: Positions,
    pub rope_base: f64,
    pub mlp: Mlp,
    pub bias: bool,
    pub tied: bool,
    pub init_std: f64,
}

/// The learning rate over time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    pub shape: Shape,
    pub warmup: Option<u64>,
    pub min_ratio: f64,
    pub decay: f64,
}

/// When a step is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    pub spike: f64,
    pub patience: u64,
}

/// Validation during training.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    pub every: u64,
    pub documents: usize,
}

/// Checkpoints during training.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub every: u64,
    pub keep: usize,
    pub keep_best: bool,
}

/// Texts written during training.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    pub every: u64,
    pub prompts: Vec<String>,
    pub max_tokens: usize,
    pub temperature: f64,
}

impl Model {
    /// The decoder for a vocabulary of `vocab` ids, with everything derived filled in.
    ///
    /// The feed-forward width is 4 x width for GELU and 8/3 x width, rounded up to a multiple of 32, for SwiGLU
    /// (Shazeer, "GLU variants improve transformer", 2020: the same number of parameters).
    pub fn decoder(&self, vocab: usize) -> DecoderConfig {
        let or = |value: usize, derived: usize| if value == 0 { derived } else { value };
        let ff = match self.mlp {
            Mlp::Swiglu => (8 * self.width).div_ceil(3).next_multiple_of(32),
            _ => 4 * self.width,
        };
        DecoderConfig {
            vocab,
            context: self.context,
            layers: self.layers,
            width: self.width,
            heads: self.heads,
            kv_heads: or(self.kv_heads, self.heads),
            head_dim: or(self.head_dim, self.width / self.heads),
            ff: or(self.ff, ff),
            norm: self.norm,
            positions: self.positions,
            rope_base: self.rope_base,
            mlp: self.mlp,
            tied: self.tied,
            norm_eps: self.norm_eps,
            bias: self.bias,
            init_std: self.init_std,
        }
    }
}

impl Pretrain {
    /// The learning-rate schedule.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            peak: self.optimizer.lr,
            shape: self.schedule.shape,
            warmup: self.schedule.warmup.unwrap_or((self.steps / 10).min(50)),
            min_ratio: self.schedule.min_ratio,
            decay: self.schedule.decay,
            steps: self.steps,
        }
    }

    /// Sequences in one forward and backward pass.
    pub fn micro_batch(&self) -> usize {
        if self.micro_batch == 0 { self.batch } else { self.micro_batch.min(self.batch) }
    }
}
