//! From tokens to hidden states: the decoder's forward pass on a tape.

use std::rc::Rc;

use regimen_tensor::ops::{self, Activation, Attention, AttentionShape};
use regimen_tensor::{Tape, Var};

use crate::block::TokenBlock;
use crate::config::{DecoderConfig, Mlp, Recompute};
use crate::decoder::{Decoder, Layer, Linear, Norm};
use crate::error::Result;

/// What the blocks of one pass share. It holds no borrow of the decoder, so that a block can be run again later.
#[derive(Clone)]
struct Pass<'a> {
    attention: Attention<'a>,
    kind: ops::NormKind,
    eps: f32,
    mlp: Mlp,
}

/// As operations give it back; the tape runs blocks again and knows nothing of models.
type Step<T> = regimen_tensor::Result<T>;

impl Decoder {
    /// Hidden states after the last norm `[batch * time, width]`.
    ///
    /// # Errors
    /// [`Error::Batch`](crate::Error::Batch) for arrays that do not fit, ids past the vocabulary; no memory.
    pub fn hidden(&self, tape: &mut Tape<'_>, block: &TokenBlock<'_>) -> Result<Var> {
        let c = &self.config;
        let pool = tape.pool();
        let places = Rc::new(block.positions(c, pool)?);
        let pass = Pass {
            attention: Attention {
                shape: shape(c, block),
                starts: Rc::new(pool.copy_of(block.starts)?),
                ends: None,
                rope: self.rope.clone().map(|table| (table, places.clone())),
            },
            kind: self.norm_kind(),
            eps: c.norm_eps as f32,
            mlp: c.mlp,
        };
        let stream = ops::embedding(tape, block.ids, self.embed, self.positions.map(|p| (p, &**places)))?;
        drop(places);
        if self.recompute == Recompute::Blocks && tape.grad() {
            self.recomputed(tape, &pass, stream)
        } else {
            self.recorded(tape, &pass, stream)
        }
    }

    /// All blocks and the last norm. The sum at the end of a block and the norm at the start of the next are one
    /// operation.
    fn recorded<'a>(&self, tape: &mut Tape<'a>, pass: &Pass<'a>, mut stream: Var) -> Result<Var> {
        let mut normed = pass.norm(tape, stream, self.layers[0].attn_norm)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let out = pass.attend(tape, normed, layer)?;
            (normed, stream) = pass.residual(tape, stream, out, layer.mlp_norm)?;
            let out = pass.feed_forward(tape, normed, layer)?;
            let next = self.layers.get(i + 1).map_or(self.norm, |next| next.attn_norm);
            (normed, stream) = pass.residual(tape, stream, out, next)?;
        }
        tape.free(stream);
        Ok(normed)
    }

    /// The same with blocks of which only the stream between them is kept.
    fn recomputed<'a>(&self, tape: &mut Tape<'a>, pass: &Pass<'a>, mut stream: Var) -> Result<Var> {
        for &layer in &self.layers {
            let pass = pass.clone();
            let next = tape.recompute(stream, move |tape, stream| pass.block(tape, stream, &layer))?;
            tape.free(stream);
            stream = next;
        }
        let normed = pass.norm(tape, stream, self.norm)?;
        tape.free(stream);
        Ok(normed)
    }
}

fn shape(c: &DecoderConfig, block: &TokenBlock<'_>) -> AttentionShape {
    AttentionShape {
        batch: block.batch,
        time: block.time,
        heads: c.heads,
        kv_heads: c.kv_heads,
        head_dim: c.head_dim,
    }
}

impl<'a> Pass<'a> {
    /// One whole block, from the residual stream to the residual stream.
    fn block(&self, tape: &mut Tape<'a>, stream: Var, layer: &Layer) -> Step<Var> {
        let normed = self.norm(tape, stream, layer.attn_norm)?;
        let out = self.attend(tape, normed, layer)?;
        let (normed, stream) = self.residual(tape, stream, out, layer.mlp_norm)?;
        let out = self.feed_forward(tape, normed, layer)?;
        let sum = ops::add(tape, stream, out)?;
        tape.free(stream);
        tape.free(out);
        Ok(sum)
    }

    fn attend(&self, tape: &mut Tape<'a>, normed: Var, layer: &Layer) -> Step<Var> {
        let qkv = linear(tape, normed, layer.qkv)?;
        let mixed = ops::attention(tape, qkv, &self.attention)?;
        tape.free(qkv);
        linear(tape, mixed, layer.out)
    }

    fn feed_forward(&self, tape: &mut Tape<'a>, normed: Var, layer: &Layer) -> Step<Var> {
        let inner = match self.mlp {
            Mlp::Gelu => ops::Inner::Activation(Activation::GeluTanh),
            Mlp::Swiglu => ops::Inner::Swiglu,
        };
        let (up, down) = (layer.up, layer.down);
        let mlp =
            ops::Mlp { up: up.weight, up_bias: up.bias, down: down.weight, down_bias: down.bias, inner };
        let out = ops::mlp(tape, normed, mlp)?;
        tape.free(normed);
        Ok(out)
    }

    fn norm(&self, tape: &mut Tape<'a>, stream: Var, norm: Norm) -> Step<Var> {
        ops::norm(tape, self.kind, stream, norm.gain, norm.bias, self.eps)
    }

    /// Adds to the residual stream and norms it; both summands have no other reader.
    fn residual(&self, tape: &mut Tape<'a>, stream: Var, out: Var, norm: Norm) -> Step<(Var, Var)> {
        let pair = ops::add_norm(tape, self.kind, stream, out, norm.gain, norm.bias, self.eps)?;
        tape.free(stream);
        tape.free(out);
        Ok(pair)
    }
}

/// A linear layer that is the last reader of its input.
fn linear(tape: &mut Tape<'_>, x: Var, layer: Linear) -> Step<Var> {
    let y = ops::linear(tape, x, layer.weight, layer.bias, Activation::None)?;
    tape.free(x);
    Ok(y)
}
