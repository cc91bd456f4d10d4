//! Log-probabilities of tokens from hidden states and an output layer, without ever holding all logits.
//!
//! `logit = hidden weight^T / temperature`, `ln p = logit - lse`, `lse = ln(sum of e^logit)`. Logits exist as tiles of
//! half a MiB for each thread ([`tiles`]), of which a softmax is kept that grows from tile to tile ([`stat`]); the
//! gradient computes them again, in blocks of [`LOGITS`] floats that two products turn into gradients of hidden states
//! and weight. No buffer here grows with the vocabulary.

mod backward;
mod distill;
mod forward;
pub(crate) mod stat;
#[cfg(test)]
mod tests;
pub(crate) mod tiles;

pub(crate) use backward::backward_rows;
pub use backward::{LogprobGrad, logprob_backward};
pub use distill::{Divergence, distill_backward, distill_forward};
pub use forward::{LogprobOut, TopOut, logprob_forward};

use crate::gemm::{Mat, MatMut};
use crate::par::{par_rows, rows_per_task};

/// Floats of a block of logits that waits for a product (8 MiB): large enough for the products to run at full speed,
/// small enough for the last-level cache.
pub(crate) const LOGITS: usize = 2 << 20;

/// A language model's output layer and the hidden states that go into it.
#[derive(Clone, Copy, Debug)]
pub struct LmHead<'a> {
    /// Width of the hidden states.
    pub d: usize,
    /// Size of the vocabulary.
    pub vocab: usize,
    /// `[rows, d]`.
    pub hidden: &'a [f32],
    /// `[vocab, d]`.
    pub weight: &'a [f32],
    /// What logits are divided by; positive.
    pub temperature: f32,
    /// `[rows]`: rows of `false` are skipped, whatever they hold; they cost nothing. Without it no row is.
    pub keep: Option<&'a [bool]>,
}

impl LmHead<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.hidden.len() / self.d.max(1)
    }

    /// The rows that are not skipped.
    pub(crate) fn active(&self) -> Vec<usize> {
        (0..self.rows()).filter(|&r| self.keep.is_none_or(|keep| keep[r])).collect()
    }

    /// Panics where lengths do not fit.
    pub(crate) fn check(&self) {
        let LmHead { d, vocab, hidden, weight, temperature, keep } = *self;
        assert!(d > 0 && vocab > 0, "an empty vocabulary or width has no probabilities");
        assert!(hidden.len().is_multiple_of(d), "hidden is not [rows, d]");
        assert_eq!(weight.len(), vocab * d, "weight is not [vocab, d]");
        assert!(temperature > 0.0, "temperature {temperature} is not positive");
        assert!(keep.is_none_or(|keep| keep.len() == self.rows()), "keep is not [rows]");
    }

    /// How many targets a row has, after checking those of `active` rows.
    pub(crate) fn targets_per_row(&self, active: &[usize], targets: &[u32]) -> usize {
        let rows = self.rows();
        let k = targets.len() / rows.max(1);
        assert_eq!(targets.len(), rows * k, "targets is not [rows, k]");
        let inside = |r: &usize| targets[r * k..(r + 1) * k].iter().all(|&t| (t as usize) < self.vocab);
        assert!(active.iter().all(inside), "a target is outside the vocabulary");
        k
    }
}

/// `out = weight hidden_row`: the logits `[vocab]` of one position.
pub fn logits_last(d: usize, vocab: usize, hidden_row: &[f32], weight: &[f32], out: &mut [f32]) {
    assert_eq!(hidden_row.len(), d, "hidden row is not [d]");
    assert_eq!(weight.len(), vocab * d, "weight is not [vocab, d]");
    assert_eq!(out.len(), vocab, "out is not [vocab]");
    par_rows(out, 1, rows_per_task(d), |first, out| {
        let n = out.len();
        let rows = Mat::new(&weight[first * d..(first + n) * d], n, d);
        crate::sgemm_serial(1.0, rows, Mat::new(hidden_row, d, 1), 0.0, MatMut::new(out, n, 1));
    });
}
