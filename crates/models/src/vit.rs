//! The vision transformer (Dosovitskiy et al., "An image is worth 16x16 words", 2021): images to classes.
//!
//! An image is cut into patches, each a token with a learned position; pre-norm blocks with bidirectional attention
//! follow; the mean of the last tokens (Zhai et al. 2022), or the class token of the paper, goes to a linear classifier
//! without bias. Patch size and grid belong to [`PatchEmbed`]: a model that serves several of them (FlexiViT, Beyer et
//! al. 2023) resizes weight and position table and calls [`Vit::features`] with what it made.

use std::rc::Rc;
use std::sync::Arc;

use regimen_tensor::ops::{self, Activation, Attention, AttentionShape, PatchEmbed, Source};
use regimen_tensor::{Handle, Init, Layout, LayoutBuilder, Tape, Var};

use crate::config::DecoderConfig;
use crate::decoder::{Layer, Linear, Loss, Norm, Parts};
use crate::error::{Error, Result};
use crate::vit_config::{Pooling, VitConfig};

/// A vision transformer: handles into an arena.
#[derive(Clone, Debug)]
pub struct Vit {
    config: VitConfig,
    blocks: DecoderConfig,
    patch: Linear,
    positions: Handle,
    class: Option<Handle>,
    layers: Vec<Layer>,
    norm: Norm,
    head: Handle,
}

impl Vit {
    /// Appends the segments of a vision transformer to a layout: `patch` `[width, channels * patch * patch]`,
    /// `positions` `[patches, width]`, blocks as a decoder's, `head` `[classes, width]`. Initial values are those of
    /// [`Decoder::new`](crate::Decoder::new).
    ///
    /// # Errors
    /// [`Error::Config`]; a name that the layout has already.
    pub fn new(config: &VitConfig, builder: &mut LayoutBuilder) -> Result<Vit> {
        config.validate()?;
        let blocks = config.blocks();
        let mut parts = Parts { config: &blocks, builder };
        let patch = parts.linear("patch", config.width, config.patch_len(), config.init_std)?;
        let positions = parts.matrix("positions", config.patches(), config.width, config.init_std)?;
        let class = match config.pooling {
            Pooling::Class => {
                let init = Init::Normal { std: config.init_std };
                Some(parts.builder.segment("class", &[config.width], false, init)?)
            }
            Pooling::Mean => None,
        };
        let layers = (0..config.layers).map(|i| parts.layer(i)).collect::<Result<Vec<Layer>>>()?;
        let norm = parts.norm("norm")?;
        let head = parts.matrix("head", config.classes, config.width, config.init_std)?;
        Ok(Vit { config: config.clone(), blocks, patch, positions, class, layers, norm, head })
    }

    /// A vision transformer with a layout of its own.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn with_layout(config: &VitConfig) -> Result<(Vit, Arc<Layout>)> {
        let mut builder = LayoutBuilder::new();
        let vit = Vit::new(config, &mut builder)?;
        Ok((vit, Arc::new(builder.build())))
    }

    /// What it looks like.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The classifier `[classes, width]`.
    pub fn head(&self) -> Handle {
        self.head
    }

    /// The patch embedding with the model's own patch size and grid.
    pub fn embedding(&self) -> PatchEmbed {
        PatchEmbed {
            patch: self.config.patch,
            weight: Source::Parameter(self.patch.weight),
            bias: self.patch.bias,
            positions: Source::Parameter(self.positions),
            class: self.class,
        }
    }

    /// One vector for each image `[batch, width]`: images `[batch, channels, height, width]`, embedded by `embedding`,
    /// after the last norm and pooling.
    ///
    /// # Errors
    /// Images that the embedding's patches do not cut evenly into its grid.
    pub fn features(&self, tape: &mut Tape<'_>, images: Var, embedding: &PatchEmbed) -> Result<Var> {
        let tokens = ops::patch_embed(tape, images, embedding)?;
        let (batch, rows) = (tape.shape(images)[0], tape.shape(tokens)[0]);
        let time = rows / batch;
        let hidden = self.hidden(tape, tokens, batch)?;
        let pooled = match embedding.class {
            Some(_) => {
                let first: Vec<u32> = (0..batch).map(|b| (b * time) as u32).collect();
                ops::gather(tape, hidden, &first)?
            }
            None => ops::mean_pool(tape, hidden, time)?,
        };
        tape.free(hidden);
        Ok(pooled)
    }

    /// Hidden states after the last norm `[batch * time, width]` of tokens of the same shape, whose value is used up.
    fn hidden(&self, tape: &mut Tape<'_>, tokens: Var, batch: usize) -> Result<Var> {
        let c = &self.blocks;
        let rows = tape.shape(tokens)[0];
        let time = rows / batch;
        let attention = Attention {
            shape: AttentionShape { batch, time, heads: c.heads, kv_heads: c.kv_heads, head_dim: c.head_dim },
            starts: Rc::new(tape.pool().indices(rows, 0)?),
            ends: Some(Rc::new(tape.pool().indices(rows, time as u32)?)),
            rope: None,
        };
        let mut stream = tokens;
        let first = self.layers[0].attn_norm;
        let eps = c.norm_eps as f32;
        let mut normed = ops::norm(tape, ops::NormKind::Layer, stream, first.gain, first.bias, eps)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let qkv = last_reader(tape, normed, layer.qkv)?;
            let mixed = ops::attention(tape, qkv, &attention)?;
            tape.free(qkv);
            let out = last_reader(tape, mixed, layer.out)?;
            (normed, stream) = residual(tape, stream, out, layer.mlp_norm, eps)?;
            let inner = ops::Inner::Activation(Activation::Gelu);
            let (up, down) = (layer.up, layer.down);
            let mlp =
                ops::Mlp { up: up.weight, up_bias: up.bias, down: down.weight, down_bias: down.bias, inner };
            let out = ops::mlp(tape, normed, mlp)?;
            tape.free(normed);
            let next = self.layers.get(i + 1).map_or(self.norm, |next| next.attn_norm);
            (normed, stream) = residual(tape, stream, out, next, eps)?;
        }
        tape.free(stream);
        Ok(normed)
    }

    /// Scores of the classes `[batch, classes]`, before softmax.
    ///
    /// # Errors
    /// As [`Vit::features`].
    pub fn logits(&self, tape: &mut Tape<'_>, images: Var) -> Result<Var> {
        let features = self.features(tape, images, &self.embedding())?;
        let logits = ops::linear(tape, features, self.head, None, Activation::None)?;
        tape.free(features);
        Ok(logits)
    }

    /// The weighted cross-entropy of `labels` `[batch]`; an image of weight 0 is skipped, whatever its label.
    ///
    /// # Errors
    /// As [`Vit::features`], [`Error::Batch`] for labels and weights that do not fit, a label that is no class.
    pub fn loss(&self, tape: &mut Tape<'_>, images: Var, labels: &[u32], weights: &[f32]) -> Result<Loss> {
        let batch = tape.shape(images).first().copied().unwrap_or(0);
        if labels.len() != batch || weights.len() != batch {
            return Err(Error::Batch(format!(
                "{} labels and {} weights for images {:?}",
                labels.len(),
                weights.len(),
                tape.shape(images)
            )));
        }
        let features = self.features(tape, images, &self.embedding())?;
        let result = ops::cross_entropy(tape, features, self.head, labels, weights, 0.0)?;
        tape.free(features);
        Ok(Loss {
            total: result.loss,
            nll: result.nll,
            weighted_nll: result.weighted_nll,
            z_term: result.z_term,
        })
    }
}

/// A linear layer that is the last reader of its input.
fn last_reader(tape: &mut Tape<'_>, x: Var, layer: Linear) -> Result<Var> {
    let y = ops::linear(tape, x, layer.weight, layer.bias, Activation::None)?;
    tape.free(x);
    Ok(y)
}

/// Adds to the residual stream and norms it; both summands have no other reader.
fn residual(tape: &mut Tape<'_>, stream: Var, out: Var, norm: Norm, eps: f32) -> Result<(Var, Var)> {
    let pair = ops::add_norm(tape, ops::NormKind::Layer, stream, out, norm.gain, norm.bias, eps)?;
    tape.free(stream);
    tape.free(out);
    Ok(pair)
}
