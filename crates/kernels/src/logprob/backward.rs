//! Gradients of log-probabilities and entropies, straight to hidden states and weight.

use super::stat::weighed;
use super::tiles::{Grid, Logits, nearly_equal, par_tiles, with_rows, without_gaps};
use super::{LOGITS, LmHead};
use crate::activation::add_block;
use crate::gemm::{Mat, MatMut, sgemm};
use crate::isa::fma;
use crate::math::exp;
use crate::scratch;
use std::ops::Range;

/// Rows that are worked on at a time: the weight's gradient is read and written once for each of these blocks, that of
/// the hidden states once for each block of [`LOGITS`]` / ROWS` tokens.
const ROWS: usize = 2048;

/// What comes back to [`logprob_backward`].
#[derive(Clone, Copy, Debug)]
pub struct LogprobGrad<'a> {
    /// Gradient of the log-probabilities, `[rows, k]`.
    pub logp: &'a [f32],
    /// The entropies that the forward pass wrote and their gradient, each `[rows]`.
    pub entropy: Option<(&'a [f32], &'a [f32])>,
}

/// Gradients of what [`super::logprob_forward`] wrote: `dhidden += ...`, `dweight += ...`, by
/// `d ln p_t / d z_j = [j = t] - p_j` and `d H / d z_j = -p_j (ln p_j + H)`. The logits are computed again; `lse` is what
/// the forward pass wrote. Rows that are skipped, or to which nothing comes back, cost nothing. Buffers: a block of
/// logits (8 MiB) and half a MiB for each thread.
pub fn logprob_backward(
    head: &LmHead<'_>,
    targets: &[u32],
    lse: &[f32],
    up: LogprobGrad<'_>,
    dhidden: &mut [f32],
    dweight: &mut [f32],
) {
    head.check();
    let mut active = head.active();
    let k = head.targets_per_row(&active, targets);
    let LogprobGrad { logp: dlogp, entropy } = up;
    assert_eq!((lse.len(), dlogp.len()), (head.rows(), targets.len()), "lse or dlogp does not fit the rows");
    let fits = |(h, dh): (&[f32], &[f32])| h.len() == head.rows() && dh.len() == head.rows();
    assert!(entropy.is_none_or(fits), "an entropy or its gradient is not [rows]");
    let dentropy = |r: usize| entropy.map_or(0.0, |(_, dh)| dh[r]);
    active.retain(|&r| dlogp[r * k..(r + 1) * k].iter().any(|&g| g != 0.0) || dentropy(r) != 0.0);
    backward_rows(head, &active, dhidden, dweight, |step| {
        step.fill(|at, x, cols, out| {
            let r = active[at];
            let of_row = r * k..(r + 1) * k;
            let (targets, dlogp) = (&targets[of_row.clone()], &dlogp[of_row]);
            let (h, dh) = entropy.map_or((0.0, 0.0), |(h, dh)| (h[r], dh[r]));
            leaning_probabilities(x, lse[r], -dlogp.iter().sum::<f32>() - dh * h, -dh, out);
            for (&t, &g) in targets.iter().zip(dlogp) {
                if cols.contains(&(t as usize)) {
                    out[t as usize - cols.start] += g;
                }
            }
        });
    });
}

/// A block of the gradient of logits to be filled: some active rows and a part of the vocabulary.
pub(crate) struct Step<'s> {
    logits: Logits<'s>,
    grid: Grid,
    stride: usize,
    dz: &'s mut [f32],
    /// Which of the active rows these are.
    pub rows: Range<usize>,
    /// Which tokens.
    pub cols: Range<usize>,
}

impl<'s> Step<'s> {
    /// Runs `f(number among the active rows, logits, their tokens, gradient to write)` for a part of each row.
    pub fn fill(&mut self, f: impl Fn(usize, &[f32], &Range<usize>, &mut [f32]) + Sync + Send) {
        let (logits, stride) = (self.logits, self.grid.stride());
        let (row, col) = (self.rows.start, self.cols.start);
        self.tiles(|grid, rows, cols, lines| {
            grid.with_tile(|tile| {
                let cols = cols.start + col..cols.end + col;
                logits.tile(&rows, &cols, tile, stride);
                for ((at, x), out) in rows.zip(tile.chunks(stride)).zip(lines) {
                    f(row + at, &x[..cols.len()], &cols, out);
                }
            });
        });
    }

    /// Runs `f` for each tile, with rows and columns counted within this block, and its part of the gradient's rows.
    pub fn tiles(
        &mut self,
        f: impl Fn(Grid, Range<usize>, Range<usize>, &mut dyn Iterator<Item = &mut [f32]>) + Sync + Send,
    ) {
        let grid = self.grid;
        par_tiles(grid, self.dz, self.stride, (&mut [], 0), |rows, cols, lines, _| {
            f(grid, rows, cols, lines);
        });
    }

    /// What this block's logits are products of.
    pub fn logits(&self) -> Logits<'s> {
        self.logits
    }
}

/// `dhidden += dz weight / temperature`, `dweight += dz^T hidden / temperature` over the rows `active`, where `f` fills
/// one block of `dz` after another.
pub(crate) fn backward_rows(
    head: &LmHead<'_>,
    active: &[usize],
    dhidden: &mut [f32],
    dweight: &mut [f32],
    f: impl Fn(&mut Step<'_>),
) {
    let LmHead { d, vocab, hidden, weight, temperature, .. } = *head;
    assert!(dhidden.len() == hidden.len() && dweight.len() == weight.len(), "a gradient has another shape");
    if active.is_empty() {
        return;
    }
    let factor = 1.0 / temperature;
    let chunk = nearly_equal(active.len(), ROWS);
    let width = nearly_equal(vocab, (LOGITS / chunk).max(64)).next_multiple_of(64).min(vocab);
    let stride = if width.is_multiple_of(256) { width + 16 } else { width };
    for (i, part) in active.chunks(chunk).enumerate() {
        let n = part.len();
        with_rows(hidden, d, part, |states| {
            let logits = Logits { d, states, weight, factor };
            let mut run = |dstates: &mut [f32]| {
                scratch::with(n * stride, |dz| {
                    for col in (0..vocab).step_by(width) {
                        let cols = col..vocab.min(col + width);
                        let grid = Grid::new(n, cols.len());
                        let rows = i * chunk..i * chunk + n;
                        f(&mut Step { logits, grid, stride, dz, rows, cols: cols.clone() });
                        let m = cols.len();
                        let dz = Mat::strided(dz, n, m, stride, 1);
                        let w = Mat::new(&weight[cols.start * d..cols.end * d], m, d);
                        let dw = MatMut::new(&mut dweight[cols.start * d..cols.end * d], m, d);
                        sgemm(factor, dz, w, 1.0, MatMut::new(dstates, n, d));
                        sgemm(factor, dz.t(), Mat::new(states, n, d), 1.0, dw);
                    }
                });
            };
            if let Some(range) = without_gaps(part) {
                return run(&mut dhidden[range.start * d..range.end * d]);
            }
            scratch::with(n * d, |dstates| {
                dstates.fill(0.0);
                run(dstates);
                for (from, &r) in dstates.chunks_exact(d).zip(part) {
                    add_block(&mut dhidden[r * d..(r + 1) * d], from);
                }
            });
        });
    }
}

simd! {
    /// `out = p (a + b ln p)` with `ln p = x - lse`.
    fn leaning_probabilities<FMA>(x: &[f32], lse: f32, a: f32, b: f32, out: &mut [f32]) {
        for (out, &x) in out.iter_mut().zip(x) {
            let logp = x - lse;
            let p = exp::<FMA>(logp);
            *out = p * fma::<FMA>(b, weighed(p, logp), a);
        }
    }
}
