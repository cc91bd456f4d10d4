//! What passes through a decoder hold in memory, known without running them.
//!
//! [`Activations`] goes through the buffers of a pass in the order in which [`forward`](crate::forward) and the
//! operations take them and give them back, with lengths in place of memory. A pool never shrinks, so the lengths and
//! their order are all that its size depends on; a test holds the two against each other.

use regimen_kernels::{attention_floats, cross_entropy_floats};
use regimen_tensor::{Size, Sizes};

use crate::config::{DecoderConfig, Mlp, Positions, Recompute};

/// The pool of a decoder's activations, counted.
pub struct Activations<'c> {
    config: &'c DecoderConfig,
    recompute: Recompute,
    floats: Sizes,
    indices: Sizes,
}

/// What one block keeps for its backward pass.
struct Block {
    normed: Size,
    qkv: Size,
    mixed: Size,
    lse: Size,
    /// The residual stream between attention and feed-forward, the statistics of its rows, and their norm.
    middle: Size,
    stats: Size,
    middle_normed: Size,
    /// What the activation is applied to.
    pre: Size,
}

impl<'c> Activations<'c> {
    /// No pass yet.
    pub fn new(config: &'c DecoderConfig, recompute: Recompute) -> Activations<'c> {
        Activations { config, recompute, floats: Sizes::new(), indices: Sizes::new() }
    }

    /// Numbers of 4 bytes that the pool holds after the passes so far.
    pub fn held(&self) -> usize {
        self.floats.held() + self.indices.held()
    }

    /// The most floats that were in use at a time.
    pub fn peak(&self) -> usize {
        self.floats.peak()
    }

    /// Forward and backward of a loss over `batch` sequences of `time` tokens.
    pub fn step(&mut self, batch: usize, time: usize) {
        let rows = batch * time;
        let width = rows * self.config.width;
        let learned = usize::from(self.config.positions == Positions::Learned);
        // Starts of documents, positions (learned ones twice), token ids.
        let indices = self.indices(rows, 3 + learned);
        let mut stream = self.embed(rows);
        // The stream that enters each block and, unless they are computed again, its statistics and the block's inside.
        let mut kept = Vec::with_capacity(self.config.layers);
        let (hidden, stats) = match self.recompute {
            Recompute::None => {
                let (mut normed, mut stats) = self.norm(rows);
                for _ in 0..self.config.layers {
                    let (block, out) = self.block(rows, normed);
                    let (next_normed, next_stats, next) = self.add_norm(rows);
                    self.floats.give(out);
                    kept.push((stream, Some((stats, block))));
                    (stream, stats, normed) = (next, next_stats, next_normed);
                }
                (normed, stats)
            }
            Recompute::Blocks => {
                for _ in 0..self.config.layers {
                    let (normed, stats) = self.norm(rows);
                    self.floats.give(stats);
                    let (middle, out) = self.unrecorded(rows, normed, None);
                    let next = self.floats.take(width);
                    self.give([middle, out]);
                    kept.push((stream, None));
                    stream = next;
                }
                self.norm(rows)
            }
        };
        // The loss computes the gradient of the hidden states; that of the output layer goes straight to its place.
        let gradient = self.floats.take(width);
        self.give([hidden]);
        let mut flowing = self.floats.take(width);
        self.give([gradient, stream, stats]);
        while let Some((stream, inside)) = kept.pop() {
            let (stats, block) = inside.unwrap_or_else(|| {
                let (normed, stats) = self.norm(rows);
                let (block, out) = self.block(rows, normed);
                let sum = self.floats.take(width);
                self.give([out, sum]);
                (stats, block)
            });
            flowing = self.backward(rows, block, flowing);
            self.give([stream, stats]);
        }
        self.give([flowing]);
        indices.into_iter().for_each(|size| self.indices.give(size));
    }

    /// A forward pass without gradients over `batch` sequences of `time` tokens.
    pub fn score(&mut self, batch: usize, time: usize) {
        let rows = batch * time;
        let indices = self.indices(rows, 2);
        let mut stream = self.embed(rows);
        let (mut normed, stats) = self.norm(rows);
        self.give([stats]);
        for _ in 0..self.config.layers {
            let (middle, out) = self.unrecorded(rows, normed, Some(stream));
            let stats;
            (normed, stats, stream) = self.add_norm(rows);
            self.give([stats, middle, out]);
        }
        self.give([stream]);
        let loss = self.floats.take(1);
        self.give([normed, loss]);
        indices.into_iter().for_each(|size| self.indices.give(size));
    }

    fn give<const N: usize>(&mut self, sizes: [Size; N]) {
        sizes.into_iter().for_each(|size| self.floats.give(size));
    }

    fn indices(&mut self, rows: usize, many: usize) -> Vec<Size> {
        (0..many).map(|_| self.indices.take(rows)).collect()
    }

    fn embed(&mut self, rows: usize) -> Size {
        self.floats.take(rows * self.config.width)
    }

    /// A norm and its statistics.
    fn norm(&mut self, rows: usize) -> (Size, Size) {
        (self.floats.take(rows * self.config.width), self.floats.take(2 * rows))
    }

    /// Norm, statistics and the residual sum.
    fn add_norm(&mut self, rows: usize) -> (Size, Size, Size) {
        let (normed, stats) = self.norm(rows);
        (normed, stats, self.floats.take(rows * self.config.width))
    }

    /// A block with what its backward pass reads, and its output, which is still to be added to the stream.
    fn block(&mut self, rows: usize, normed: Size) -> (Block, Size) {
        let (c, floats) = (self.config, &mut self.floats);
        let qkv = floats.take(rows * c.qkv_width());
        let (mixed, lse) = (floats.take(rows * c.query_width()), floats.take(rows * c.heads));
        let out = floats.take(rows * c.width);
        let (middle_normed, stats, middle) = self.add_norm(rows);
        self.give([out]);
        let floats = &mut self.floats;
        let (inner, pre) = (floats.take(rows * c.ff), floats.take(rows * c.up_width()));
        let out = floats.take(rows * c.width);
        floats.give(inner);
        (Block { normed, qkv, mixed, lse, middle, stats, middle_normed, pre }, out)
    }

    /// A block of which nothing is kept; `stream` is given up once it is added to. The stream in its middle, and its
    /// output.
    fn unrecorded(&mut self, rows: usize, normed: Size, stream: Option<Size>) -> (Size, Size) {
        let (c, floats) = (self.config, &mut self.floats);
        let qkv = floats.take(rows * c.qkv_width());
        floats.give(normed);
        let mixed = floats.take(rows * c.query_width());
        floats.give(qkv);
        let out = floats.take(rows * c.width);
        floats.give(mixed);
        let (normed, stats, middle) = self.add_norm(rows);
        self.give([stats]);
        stream.into_iter().for_each(|stream| self.floats.give(stream));
        self.give([out]);
        let floats = &mut self.floats;
        let inner = floats.take(rows * c.ff);
        let gated = (c.mlp == Mlp::Swiglu).then(|| floats.take(rows * c.up_width()));
        let out = floats.take(rows * c.width);
        [Some(inner), gated, Some(normed)].into_iter().flatten().for_each(|size| floats.give(size));
        (middle, out)
    }

    /// Back through a block: `flowing` is the gradient of the stream, which becomes that of the stream before.
    fn backward(&mut self, rows: usize, block: Block, flowing: Size) -> Size {
        let (c, floats) = (self.config, &mut self.floats);
        // What comes out of the activation, computed again.
        let inner = floats.take(rows * c.ff);
        floats.give(inner);
        floats.give(block.middle_normed);
        let normed = floats.take(rows * c.width);
        self.give([block.pre, normed, block.middle, block.stats]);
        let floats = &mut self.floats;
        let mixed = floats.take(rows * c.query_width());
        let qkv = floats.take(rows * c.qkv_width());
        self.give([block.qkv, block.mixed, block.lse, mixed]);
        self.give([block.normed]);
        let normed = self.floats.take(rows * c.width);
        self.give([qkv, normed]);
        flowing
    }
}

/// Floats of scratch buffers that the loops hold, on `threads` threads, after passes over `batch` sequences of `time`
/// tokens, with gradients or without.
pub fn scratch_floats(
    config: &DecoderConfig,
    batch: usize,
    time: usize,
    gradients: bool,
    threads: usize,
) -> usize {
    let (c, rows) = (config, batch * time);
    let matrices = [
        (c.qkv_width(), c.width),
        (c.width, c.query_width()),
        (c.up_width(), c.width),
        (c.width, c.ff),
        (c.vocab, c.width),
    ];
    // A product packs parts of its right side, and of its left side where that has few rows, in chunks of up to 768.
    let packed = |m: usize, n: usize, k: usize| {
        let steps = k.min(768);
        (n * steps).min(1 << 20) + if m <= 1344 { m * steps } else { 0 }
    };
    let products = matrices.into_iter().flat_map(|(out, inner)| {
        let backward = if gradients { [packed(rows, inner, out), packed(out, inner, rows)] } else { [0; 2] };
        [packed(rows, out, inner)].into_iter().chain(backward)
    });
    let product = products.max().unwrap_or(0);
    // The loss holds the exponentials of the logits of some rows, or hidden states gathered from between masked ones.
    let loss =
        if gradients { cross_entropy_floats(rows, c.width, c.vocab) } else { rows.min(4096) * c.width };
    // Every thread holds keys and values of a sequence and scores of some of its rows, or panels of a left side, or a
    // tile of logits.
    let attention = attention_floats(time, c.head_dim, gradients);
    let high = rows.clamp(1, 512);
    let (panels, tile) = (12 * 14 * 768, high * c.vocab.min((128 << 10) / high + 16));
    product + loss + threads * attention.max(panels).max(tile)
}
