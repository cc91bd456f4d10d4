//! The decoder: handles into an arena, and its loss. The way from tokens to hidden states is in
//! [`forward`](crate::forward).

use std::sync::Arc;

use regimen_tensor::ops::{self, RopeTable};
use regimen_tensor::{Grads, Handle, Init, Layout, LayoutBuilder, Params, Pool, Tape, Var};

use crate::block::TokenBlock;
use crate::config::{DecoderConfig, Mlp, NormKind, Positions, Recompute};
use crate::error::{Error, Result};

/// A linear layer's weight `[out, in]` and bias `[out]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub weight: Handle,
    pub bias: Option<Handle>,
}

/// A norm's gain and bias `[width]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Norm {
    pub gain: Handle,
    pub bias: Option<Handle>,
}

/// One block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub attn_norm: Norm,
    pub qkv: Linear,
    pub out: Linear,
    pub mlp_norm: Norm,
    /// Gate and up in one weight, or up alone.
    pub up: Linear,
    pub down: Linear,
}

/// A pre-norm causal transformer.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub(crate) config: DecoderConfig,
    pub(crate) embed: Handle,
    pub(crate) positions: Option<Handle>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Norm,
    pub(crate) head: Handle,
    pub(crate) rope: Option<Arc<RopeTable>>,
    pub(crate) recompute: Recompute,
}

/// The loss of a batch.
#[derive(Debug)]
pub struct Loss {
    /// What to minimise, shape `[]`: `sum_i w_i nll_i + z sum_i w_i lse_i^2`.
    pub total: Var,
    /// `-ln p(target)` of each token, not weighted; 0 where the weight is 0.
    pub nll: Vec<f32>,
    /// `sum_i w_i nll_i`, in f64.
    pub weighted_nll: f64,
    /// The z-loss part of the total, in f64.
    pub z_term: f64,
}

/// The loss of a batch whose backward pass is done.
#[derive(Clone, Debug, PartialEq)]
pub struct LossValue {
    /// `-ln p(target)` of each token, not weighted; 0 where the weight is 0.
    pub nll: Vec<f32>,
    /// `sum_i w_i nll_i`, in f64.
    pub weighted_nll: f64,
    /// The z-loss part of the total, in f64.
    pub z_term: f64,
}

/// Appends segments for the parts of one decoder.
pub(crate) struct Parts<'b> {
    pub config: &'b DecoderConfig,
    pub builder: &'b mut LayoutBuilder,
}

impl Parts<'_> {
    pub fn matrix(&mut self, name: &str, rows: usize, cols: usize, std: f64) -> Result<Handle> {
        Ok(self.builder.segment(name, &[rows, cols], true, Init::Normal { std })?)
    }

    pub fn linear(&mut self, name: &str, n_out: usize, n_in: usize, std: f64) -> Result<Linear> {
        let weight = self.matrix(name, n_out, n_in, std)?;
        let bias = match self.config.bias {
            true => Some(self.builder.segment(&format!("{name}.bias"), &[n_out], false, Init::Zeros)?),
            false => None,
        };
        Ok(Linear { weight, bias })
    }

    pub fn norm(&mut self, name: &str) -> Result<Norm> {
        let d = self.config.width;
        let gain = self.builder.segment(name, &[d], false, Init::Ones)?;
        let bias = match self.config.norm {
            NormKind::Layer => {
                Some(self.builder.segment(&format!("{name}.bias"), &[d], false, Init::Zeros)?)
            }
            NormKind::Rms => None,
        };
        Ok(Norm { gain, bias })
    }

    pub fn layer(&mut self, i: usize) -> Result<Layer> {
        let c = self.config;
        let std = c.init_std;
        // What is added to the residual stream shrinks with depth, so that its variance does not grow (GPT-2).
        let residual_std = std / (2.0 * c.layers as f64).sqrt();
        let up = if c.mlp == Mlp::Swiglu { "gate_up" } else { "up" };
        Ok(Layer {
            attn_norm: self.norm(&format!("layers.{i}.attn_norm"))?,
            qkv: self.linear(&format!("layers.{i}.attn.qkv"), c.qkv_width(), c.width, std)?,
            out: self.linear(&format!("layers.{i}.attn.out"), c.width, c.query_width(), residual_std)?,
            mlp_norm: self.norm(&format!("layers.{i}.mlp_norm"))?,
            up: self.linear(&format!("layers.{i}.mlp.{up}"), c.up_width(), c.width, std)?,
            down: self.linear(&format!("layers.{i}.mlp.down"), c.width, c.ff, residual_std)?,
        })
    }
}

impl Decoder {
    /// Appends the segments of a decoder to a layout. Matrices start normal with `init_std` (those that write to the
    /// residual stream divided by `sqrt(2 * layers)`), norms at 1, biases at 0; weight decay is for matrices.
    ///
    /// # Errors
    /// [`Error::Config`]; a name that the layout has already.
    pub fn new(config: &DecoderConfig, builder: &mut LayoutBuilder) -> Result<Decoder> {
        config.validate()?;
        let mut parts = Parts { config, builder };
        let embed = parts.matrix("embed", config.vocab, config.width, config.init_std)?;
        let positions = match config.positions {
            Positions::Learned => {
                Some(parts.matrix("positions", config.context, config.width, config.init_std)?)
            }
            Positions::Rope => None,
        };
        let layers = (0..config.layers).map(|i| parts.layer(i)).collect::<Result<Vec<Layer>>>()?;
        let norm = parts.norm("norm")?;
        let head = if config.tied {
            parts.builder.alias("head", embed)?;
            embed
        } else {
            parts.matrix("head", config.vocab, config.width, config.init_std)?
        };
        let rope = (config.positions == Positions::Rope)
            .then(|| Arc::new(RopeTable::new(config.head_dim, config.rope_base, config.context)));
        Ok(Decoder {
            config: config.clone(),
            embed,
            positions,
            layers,
            norm,
            head,
            rope,
            recompute: Recompute::None,
        })
    }

    /// A decoder with a layout of its own.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn with_layout(config: &DecoderConfig) -> Result<(Decoder, Arc<Layout>)> {
        let mut builder = LayoutBuilder::new();
        let decoder = Decoder::new(config, &mut builder)?;
        Ok((decoder, Arc::new(builder.build())))
    }

    /// What the decoder looks like.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Sets what the backward pass computes again; nothing, unless it is told.
    pub fn set_recompute(&mut self, recompute: Recompute) {
        self.recompute = recompute;
    }

    /// The output layer `[vocab, width]`; the embedding, when tied.
    pub fn head(&self) -> Handle {
        self.head
    }

    /// The embedding `[vocab, width]`.
    pub fn embedding(&self) -> Handle {
        self.embed
    }

    pub(crate) fn norm_kind(&self) -> ops::NormKind {
        match self.config.norm {
            NormKind::Rms => ops::NormKind::Rms,
            NormKind::Layer => ops::NormKind::Layer,
        }
    }

    /// The weighted loss of predicting `targets` `[batch * time]`; a token of weight 0 is skipped, whatever its target.
    ///
    /// # Errors
    /// As [`Decoder::hidden`], and [`Error::Batch`] for targets and weights that do not fit.
    pub fn loss(
        &self,
        tape: &mut Tape<'_>,
        block: &TokenBlock<'_>,
        targets: &[u32],
        weights: &[f32],
        z_loss: f32,
    ) -> Result<Loss> {
        check_targets(block, targets, weights)?;
        let hidden = self.hidden(tape, block)?;
        let result = ops::cross_entropy(tape, hidden, self.head, targets, weights, z_loss)?;
        tape.free(hidden);
        Ok(Loss {
            total: result.loss,
            nll: result.nll,
            weighted_nll: result.weighted_nll,
            z_term: result.z_term,
        })
    }

    /// [`Decoder::loss`] as the whole loss, and its backward pass: adds the gradients of all parameters to `grads`. That of
    /// the output layer goes straight there, so that a step holds no second copy of it.
    ///
    /// # Errors
    /// As [`Decoder::loss`]; gradients of another layout.
    pub fn loss_backward(
        &self,
        mut tape: Tape<'_>,
        block: &TokenBlock<'_>,
        targets: &[u32],
        weights: &[f32],
        z_loss: f32,
        grads: &mut Grads,
    ) -> Result<LossValue> {
        check_targets(block, targets, weights)?;
        let hidden = self.hidden(&mut tape, block)?;
        let found = ops::cross_entropy_backward(tape, hidden, self.head, targets, weights, z_loss, grads)?;
        Ok(LossValue { nll: found.nll, weighted_nll: found.weighted_nll, z_term: found.z_term })
    }

    /// `-ln p(target)` of each token without gradients; 0 where the weight is 0.
    ///
    /// # Errors
    /// As [`Decoder::loss`].
    pub fn token_nll(
        &self,
        params: &Params,
        pool: &Pool,
        block: &TokenBlock<'_>,
        targets: &[u32],
        weights: &[f32],
    ) -> Result<Vec<f32>> {
        Ok(self.loss(&mut Tape::new(params, pool, false), block, targets, weights, 0.0)?.nll)
    }
}

fn check_targets(block: &TokenBlock<'_>, targets: &[u32], weights: &[f32]) -> Result<()> {
    if targets.len() == block.rows() && weights.len() == block.rows() {
        return Ok(());
    }
    Err(Error::Batch(format!(
        "{} targets and {} weights for batch {} x {}",
        targets.len(),
        weights.len(),
        block.batch,
        block.time
    )))
}
