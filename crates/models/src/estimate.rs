//! What a training step will hold in memory.

use crate::config::{DecoderConfig, Mlp};

/// Floats of activations that one micro-batch of `batch` x `time` tokens keeps for its backward pass, with the largest
/// gradients that exist beside them. Parameters, their gradients and the optimizer's state come on top.
pub fn activation_floats(config: &DecoderConfig, batch: usize, time: usize) -> usize {
    let c = config;
    let rows = batch * time;
    // Two residual sums, two normed inputs with their statistics, rotated queries/keys/values, attention output with
    // its log-sum-exp, and the feed-forward block: what goes into the activation and what comes out.
    let inner = if c.mlp == Mlp::Swiglu { 3 * c.ff } else { 2 * c.ff };
    let block = 4 * c.width + 4 + c.qkv_width() + c.query_width() + c.heads + inner;
    // Embedding, hidden states and their gradient, the gradient of the stream, and the widest gradients of a block.
    let around = 4 * c.width + c.up_width().max(c.qkv_width()) + c.ff;
    rows * (c.layers * block + around)
}
