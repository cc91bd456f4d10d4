//! Attention with grouped heads, rotary positions, document masks and windows, block by block; cached decoding.
//!
//! Row `i` of a sequence attends to the keys `starts[i] .. ends[i]` of its sequence, and always to itself: `ends[i] = i + 1`
//! is causal attention, the end of the sequence or document is bidirectional; `starts[i]` is the first row of the row's
//! document (packing), or `i + 1 - w` for a window of `w` keys, whichever is later.
//!
//! A task is one sequence and one key head with the query heads that share it. It copies what it reads into buffers of
//! its own, turning queries and keys by their rotary angles on the way, and works through blocks of rows and keys that
//! stay in the first-level cache: the matrix of scores never exists (Dao et al. 2022, "FlashAttention").

mod backward;
mod block;
mod coming;
mod decode;
mod forward;

pub use backward::attention_backward;
pub use decode::attention_decode;
pub use forward::attention_forward;

use crate::rope::RopeTable;

/// Sizes of an attention call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Positions of a sequence.
    pub time: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; `heads` is a multiple of it.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

/// Which keys each row sees, and its rotary angle.
#[derive(Clone, Copy, Debug)]
pub struct AttentionRows<'a> {
    /// First key of each row `[batch * time]`, counted within its sequence; at most the row itself.
    pub starts: &'a [u32],
    /// End of the keys of each row `[batch * time]`, behind the row itself; `None` = causal.
    pub ends: Option<&'a [u32]>,
    /// Table of angles, and the position of each row `[batch * time]`.
    pub rope: Option<(&'a RopeTable, &'a [u32])>,
}

/// Floats of scratch memory that a thread holds during attention over sequences of `time` positions: forward, or backward
/// as well.
pub fn attention_floats(time: usize, head_dim: usize, backward: bool) -> usize {
    let forward = forward::sizes(time, head_dim).iter().sum();
    if backward { backward::sizes(time, head_dim).iter().sum::<usize>().max(forward) } else { forward }
}

impl<'a> AttentionRows<'a> {
    /// Causal attention from `starts` on, without rotary positions.
    pub fn causal(starts: &'a [u32]) -> Self {
        AttentionRows { starts, ends: None, rope: None }
    }

    /// The keys of row `i` of the batch, which is row `at` of its sequence.
    #[inline(always)]
    fn keys(&self, i: usize, at: usize) -> std::ops::Range<usize> {
        self.starts[i] as usize..self.ends.map_or(at + 1, |ends| ends[i] as usize)
    }
}

impl AttentionShape {
    /// Width of a row of `qkv`: queries, then keys, then values.
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Width of a row of the output.
    pub fn out_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Floats of the log-sum-exp array `[batch, heads, time]`.
    pub fn lse_len(&self) -> usize {
        self.batch * self.heads * self.time
    }

    /// The first columns of a key head's keys and values in a row of `qkv`.
    fn key_columns(&self, kv_head: usize) -> (usize, usize) {
        let head = self.heads + kv_head;
        (head * self.head_dim, (head + self.kv_heads) * self.head_dim)
    }

    /// Query heads that share a key head.
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// The factor on scores.
    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    /// Panics unless the arrays have this shape; false when there is nothing to do.
    fn check(&self, qkv: &[f32], rows: &AttentionRows<'_>, out: &[f32]) -> bool {
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "heads do not share key heads evenly"
        );
        let count = self.batch * self.time;
        assert_eq!(qkv.len(), count * self.qkv_width(), "qkv is not [batch * time, qkv width]");
        assert_eq!(out.len(), count * self.out_width(), "out is not [batch * time, heads * head_dim]");
        assert_eq!(rows.starts.len(), count, "starts is not [batch * time]");
        assert!(rows.ends.is_none_or(|ends| ends.len() == count), "ends is not [batch * time]");
        for i in 0..count {
            let (at, keys) = (i % self.time, rows.keys(i, i % self.time));
            assert!(keys.start <= at && at < keys.end && keys.end <= self.time, "row {at} sees {keys:?}");
        }
        if let Some((table, positions)) = rows.rope {
            assert_eq!(positions.len(), count, "positions is not [batch * time]");
            assert_eq!(table.head_dim(), self.head_dim, "rotary table is for another head width");
            let top = positions.iter().max().map_or(0, |&p| p as usize + 1);
            assert!(
                top <= table.positions(),
                "a position is not in the rotary table of {}",
                table.positions()
            );
        }
        count > 0 && self.heads > 0 && self.head_dim > 0
    }
}

#[cfg(test)]
mod tests;
