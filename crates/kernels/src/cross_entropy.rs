//! Weighted cross-entropy of next tokens with z-loss: forward and gradient in one sweep over chunks of logits.
//!
//! A chunk is some rows and the whole vocabulary. Its logits are computed tile by tile and leave the tile as
//! `e = e^(logit - anchor)`, with the row's own target logit as the anchor: it is known beforehand (one dot product),
//! the target's `e` is then about 1, and the sum of the row cannot vanish. What is left, the factor `w / sum e` of the
//! row, goes to the narrow sides of the two products: `dhidden = factor (e weight)` and `dweight += e^T (factor hidden)`,
//! so that the logits are neither searched for a maximum nor scaled afterwards. Rows in which some logit lies far above
//! the target are rare; their tiles take their own maximum as the anchor, and they are scaled.

use crate::gemm::{Mat, MatMut, sgemm};
use crate::logprob::tiles::{Grid, Logits, nearly_equal, par_tiles, with_rows, without_gaps};
use crate::logprob::{LOGITS, LmHead, LogprobOut, backward_rows, logprob_forward};
use crate::math::{LANES, dot, exp, fold_lanes};
use crate::par::{par_rows, par_rows3, rows_per_task};
use crate::reduce::tree;
use crate::scratch;

/// Rows of a chunk that a large vocabulary should not fall below: for each chunk the weight is read twice and its gradient
/// read and written once, so that this many rows are needed to hide it.
const ROWS: usize = 512;
/// Floats of a chunk of logits at most (128 MiB), which caps those rows.
const MOST_LOGITS: usize = 32 << 20;
/// With fewer rows than this in a chunk, another product is cheaper than so many passes over the weight's gradient.
const FEW_ROWS: usize = 64;
/// How far above the target a logit may lie before its tile takes another anchor: sums of `e^FAR` are still exact, and
/// products with factors of `e^-FAR` keep all digits.
const FAR: f32 = 30.0;

/// `loss = sum_i w_i nll_i + z_loss sum_i w_i lse_i^2` over `rows` positions, with `nll_i = lse_i - logit_i[target_i]`
/// and the logits `hidden weight^T`. Returns the loss and its second term.
///
/// `hidden` `[rows, d]`, `weight` `[vocab, d]`, `targets`, `row_weight`, `nll` `[rows]`. With `grads`
/// `(dhidden, dweight)`, `dhidden` is overwritten and `dweight` added to. A row of weight 0 is not computed: its
/// `nll` and gradient are 0, whatever it holds. The z-loss is that of Chowdhery et al. 2022. Buffers: a chunk of logits,
/// 8 MiB for up to 4096 tokens of vocabulary, then 512 rows of them up to 128 MiB.
pub fn cross_entropy(
    rows: usize,
    d: usize,
    vocab: usize,
    hidden: &[f32],
    weight: &[f32],
    targets: &[u32],
    row_weight: &[f32],
    z_loss: f32,
    grads: Option<(&mut [f32], &mut [f32])>,
    nll: &mut [f32],
) -> (f64, f64) {
    assert!(d > 0 && vocab > 0, "an empty vocabulary or width has no probabilities");
    assert_eq!(hidden.len(), rows * d, "hidden is not [rows, d]");
    assert_eq!(weight.len(), vocab * d, "weight is not [vocab, d]");
    assert!(targets.len() == rows && row_weight.len() == rows, "targets or row_weight is not [rows]");
    assert_eq!(nll.len(), rows, "nll is not [rows]");
    let mut active = Vec::with_capacity(rows);
    active.extend((0..rows).filter(|&r| row_weight[r] != 0.0));
    assert!(active.iter().all(|&r| (targets[r] as usize) < vocab), "a target is outside the vocabulary");
    let mut lse = vec![0.0; rows];
    let call = Call { d, vocab, hidden, weight, targets, row_weight, z_loss, active: &active };
    match grads {
        None => call.forward(nll, &mut lse),
        Some((dhidden, dweight)) => {
            assert!(
                dhidden.len() == hidden.len() && dweight.len() == weight.len(),
                "a gradient has another shape"
            );
            if chunk_rows(active.len(), vocab) < FEW_ROWS.min(active.len()) {
                call.forward(nll, &mut lse);
                call.backward(&lse, dhidden, dweight);
            } else {
                call.sweep(dhidden, dweight, nll, &mut lse);
            }
        }
    }
    let weighted = |f: &dyn Fn(usize) -> f64| {
        tree(&active.iter().map(|&r| f64::from(row_weight[r]) * f(r)).collect::<Vec<f64>>())
    };
    let nll_sum = weighted(&|r| f64::from(nll[r]));
    let z_sum = weighted(&|r| f64::from(z_loss) * f64::from(lse[r]).powi(2));
    (nll_sum + z_sum, z_sum)
}

/// Rows of a chunk: as many as [`LOGITS`] floats hold, but for a large vocabulary up to [`ROWS`] within [`MOST_LOGITS`].
fn chunk_rows(rows: usize, vocab: usize) -> usize {
    let most = (LOGITS / vocab).max(ROWS.min(MOST_LOGITS / vocab)).max(1);
    nearly_equal(rows, if most >= 32 { most / 32 * 32 } else { most })
}

/// Floats of scratch memory that [`cross_entropy`] holds with gradients, on `rows` rows with a weight.
pub fn cross_entropy_floats(rows: usize, d: usize, vocab: usize) -> usize {
    let chunk = chunk_rows(rows, vocab);
    chunk * (logit_stride(vocab) + 2 * d + 3) + Seen::FLOATS * Grid::most_rows(chunk, vocab)
}

/// Distance of rows of logits in a chunk: rows a large power of two apart would fall on the same places of the cache.
fn logit_stride(vocab: usize) -> usize {
    if vocab.is_multiple_of(256) { vocab + 16 } else { vocab }
}

/// The inputs of one call.
struct Call<'a> {
    d: usize,
    vocab: usize,
    hidden: &'a [f32],
    weight: &'a [f32],
    targets: &'a [u32],
    row_weight: &'a [f32],
    z_loss: f32,
    /// Rows with a weight.
    active: &'a [usize],
}

/// What a tile knows of a part of a row.
#[derive(Clone, Copy)]
struct Seen {
    anchor: f32,
    /// `sum of e^(logit - anchor)`.
    sum: f32,
    /// The target's logit, if it is in this tile.
    target: f32,
}

impl Call<'_> {
    fn head<'a>(&'a self, keep: Option<&'a [bool]>) -> LmHead<'a> {
        let Call { d, vocab, hidden, weight, .. } = *self;
        LmHead { d, vocab, hidden, weight, temperature: 1.0, keep }
    }

    /// The loss alone.
    fn forward(&self, nll: &mut [f32], lse: &mut [f32]) {
        let keep: Vec<bool> = self.row_weight.iter().map(|&w| w != 0.0).collect();
        let out = LogprobOut { logp: nll, lse, ..LogprobOut::default() };
        logprob_forward(&self.head(Some(&keep)), self.targets, out);
        nll.iter_mut().for_each(|v| *v = 0.0 - *v);
    }

    /// The gradients after [`Call::forward`], from logits that are computed again.
    fn backward(&self, lse: &[f32], dhidden: &mut [f32], dweight: &mut [f32]) {
        dhidden.fill(0.0);
        backward_rows(&self.head(None), self.active, dhidden, dweight, |step| {
            step.fill(|at, x, cols, out| {
                let r = self.active[at];
                let (w, target) = (self.row_weight[r], self.targets[r] as usize);
                scaled_exp(x, lse[r], w * (1.0 + 2.0 * self.z_loss * lse[r]), out);
                if cols.contains(&target) {
                    out[target - cols.start] -= w;
                }
            });
        });
    }

    /// Loss and gradients, chunk by chunk.
    fn sweep(&self, dhidden: &mut [f32], dweight: &mut [f32], nll: &mut [f32], lse: &mut [f32]) {
        let (d, vocab, stride) = (self.d, self.vocab, logit_stride(self.vocab));
        nll.fill(0.0);
        if self.active.len() < nll.len() {
            dhidden.fill(0.0);
        }
        let chunk = chunk_rows(self.active.len(), vocab);
        scratch::with(cross_entropy_floats(self.active.len(), d, vocab), |buffer| {
            let (e, buffer) = buffer.split_at_mut(chunk * stride);
            let (scaled, buffer) = buffer.split_at_mut(chunk * d);
            let (dstates, buffer) = buffer.split_at_mut(chunk * d);
            let (values, seen) = buffer.split_at_mut(chunk * 3);
            for active in self.active.chunks(chunk) {
                let n = active.len();
                let (e, scaled, values) = (&mut e[..n * stride], &mut scaled[..n * d], &mut values[..3 * n]);
                with_rows(self.hidden, d, active, |states| {
                    self.chunk(active, states, e, scaled, values, seen);
                });
                for (&r, value) in active.iter().zip(values.chunks_exact(3)) {
                    (nll[r], lse[r]) = (value[0], value[1]);
                }
                let e = Mat::strided(e, n, vocab, stride, 1);
                if let Some(rows) = without_gaps(active) {
                    self.dstates(e, values, &mut dhidden[rows.start * d..rows.end * d]);
                } else {
                    self.dstates(e, values, &mut dstates[..n * d]);
                    for (from, &r) in dstates.chunks_exact(d).zip(active) {
                        dhidden[r * d..(r + 1) * d].copy_from_slice(from);
                    }
                }
                sgemm(1.0, e.t(), Mat::new(scaled, n, d), 1.0, MatMut::new(dweight, vocab, d));
            }
        });
    }

    /// `dstates_i = factor_i (e weight)_i`.
    fn dstates(&self, e: Mat<'_>, values: &[f32], dstates: &mut [f32]) {
        let d = self.d;
        sgemm(1.0, e, Mat::new(self.weight, self.vocab, d), 0.0, MatMut::new(dstates, e.rows(), d));
        par_rows(dstates, d, rows_per_task(d), |first, block| {
            for (row, value) in block.chunks_exact_mut(d).zip(values[3 * first..].chunks_exact(3)) {
                scale_row(row, value[2]);
            }
        });
    }

    /// Fills the chunk `e`, `[n, stride]`, such that row `i` of the logits' gradient is `factor_i e_i`; writes
    /// `factor_i states_i` to `scaled` `[n, d]` and `(nll, lse, factor)` of each row to `values`.
    /// `seen` is room for what the tiles know of their rows.
    fn chunk(
        &self,
        active: &[usize],
        states: &[f32],
        e: &mut [f32],
        scaled: &mut [f32],
        values: &mut [f32],
        seen: &mut [f32],
    ) {
        let (d, stride, weight) = (self.d, logit_stride(self.vocab), self.weight);
        let grid = Grid::new(active.len(), self.vocab);
        let logits = Logits { d, states, weight, factor: 1.0 };
        let target = |i: usize| self.targets[active[i]] as usize;
        par_rows(values, 3, rows_per_task(d), |first, block| {
            for (i, value) in block.chunks_exact_mut(3).enumerate() {
                let i = first + i;
                value[0] = inner(&states[i * d..(i + 1) * d], &weight[target(i) * d..(target(i) + 1) * d]);
            }
        });
        let anchors = &*values;
        par_tiles(grid, e, stride, (seen, Seen::FLOATS), |rows, cols, lines, notes| {
            grid.with_tile(|tile| {
                logits.tile(&rows, &cols, tile, grid.stride());
                let notes = notes.chunks_exact_mut(Seen::FLOATS);
                for (((i, x), out), note) in rows.zip(tile.chunks(grid.stride())).zip(lines).zip(notes) {
                    let (x, target) = (&x[..cols.len()], target(i));
                    let mut seen = Seen::new(x, anchors[3 * i], out);
                    if cols.contains(&target) {
                        seen.target = x[target - cols.start];
                    }
                    note.copy_from_slice(&[seen.anchor, seen.sum, seen.target]);
                }
            });
        });
        let seen = &*seen;
        let per = rows_per_task(d);
        par_rows3((e, stride), (scaled, d), (values, 3), per, |first, e, scaled, values| {
            let rows = e.chunks_exact_mut(stride).zip(scaled.chunks_exact_mut(d));
            for (i, ((e, scaled), value)) in rows.zip(values.chunks_exact_mut(3)).enumerate() {
                let (line, at) = grid.place(first + i);
                let part = |column: usize| {
                    let [anchor, sum, target] = seen.as_chunks().0[grid.notes(line, column) + at];
                    Seen { anchor, sum, target }
                };
                let parts: Vec<Seen> = (0..grid.across()).map(part).collect();
                let weight = self.row_weight[active[first + i]];
                let found = finish(e, grid, &parts, target(first + i), weight, self.z_loss);
                let state = &states[(first + i) * d..][..d];
                scaled.iter_mut().zip(state).for_each(|(s, &h)| *s = found[2] * h);
                value.copy_from_slice(&found);
            }
        });
    }
}

impl Seen {
    const FLOATS: usize = 3;

    /// Writes `e^(x - anchor)` to `out`, with an anchor of its own where `x` goes far above the given one.
    fn new(x: &[f32], anchor: f32, out: &mut [f32]) -> Seen {
        let (sum, top) = exp_above(x, anchor, out);
        if top - anchor <= FAR {
            return Seen { anchor, sum, target: 0.0 };
        }
        Seen { anchor: top, sum: exp_above(x, top, out).0, target: 0.0 }
    }
}

/// Turns a row of `e` into the gradient of its loss, `p (w + 2 z w lse) - w onehot`, up to a factor; returns
/// `(nll, lse, factor)`.
fn finish(e: &mut [f32], grid: Grid, parts: &[Seen], target: usize, weight: f32, z_loss: f32) -> [f32; 3] {
    let anchor = parts.iter().fold(f32::NEG_INFINITY, |a, part| a.max(part.anchor));
    let apart = |part: &Seen| (f64::from(part.anchor) - f64::from(anchor)).exp();
    let sum: f64 = parts.iter().map(|part| apart(part) * f64::from(part.sum)).sum();
    let lse = f64::from(anchor) + sum.ln();
    let logit = f64::from(parts[target / grid.tile_cols].target);
    let nll = sum.ln() - (logit - f64::from(anchor));
    // What multiplies the probabilities, relative to the weight.
    let rise = 1.0 + 2.0 * f64::from(z_loss) * lse;
    let factor = f64::from(weight) * rise / sum;
    let plain = parts.iter().all(|part| part.anchor == anchor) && sum.is_finite();
    // The target's own share, -w, is divided by the factor: where that is (nearly) nothing the row is scaled at once.
    if plain && rise.abs() > 1e-3 && factor.abs() > 1e-30 {
        e[target] = (f64::from(e[target]) - sum / rise) as f32;
        return [nll as f32, lse as f32, factor as f32];
    }
    for (j, part) in parts.iter().enumerate() {
        scale_row(&mut e[grid.cols(j)], (apart(part) * factor) as f32);
    }
    e[target] -= weight;
    [nll as f32, lse as f32, 1.0]
}

simd! {
    /// `out = e^(x - anchor)`; returns its sum and the largest `x`.
    fn exp_above<FMA>(x: &[f32], anchor: f32, out: &mut [f32]) -> (f32, f32) {
        let (mut sums, mut tops) = ([0.0f32; LANES], [f32::NEG_INFINITY; LANES]);
        let mut one = |l: usize, x: f32, out: &mut f32| {
            *out = exp::<FMA>(x - anchor);
            sums[l] += *out;
            tops[l] = if x > tops[l] { x } else { tops[l] };
        };
        let ((x, x_rest), (out, out_rest)) = (x.as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
        for (x, out) in x.iter().zip(out) {
            for l in 0..LANES {
                one(l, x[l], &mut out[l]);
            }
        }
        for (l, (&x, out)) in x_rest.iter().zip(out_rest).enumerate() {
            one(l, x, out);
        }
        (fold_lanes(sums), tops.iter().fold(f32::NEG_INFINITY, |a, &v| if v > a { v } else { a }))
    }

    /// `out = factor * e^(x - lse)`.
    fn scaled_exp<FMA>(x: &[f32], lse: f32, factor: f32, out: &mut [f32]) {
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = factor * exp::<FMA>(x - lse));
    }

    fn inner<FMA>(x: &[f32], y: &[f32]) -> f32 {
        dot::<FMA>(x, y)
    }

    fn scale_row<FMA>(x: &mut [f32], factor: f32) {
        let _ = FMA;
        x.iter_mut().for_each(|x| *x *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    /// `(loss, z term, nll)` in f64.
    fn naive(d: usize, h: &[f64], w: &[f64], targets: &[u32], rows: &[f32], z: f64) -> (f64, f64, Vec<f64>) {
        let (mut loss, mut term, mut nll) = (0.0, 0.0, Vec::new());
        for ((state, &target), &weight) in h.chunks(d).zip(targets).zip(rows) {
            if weight == 0.0 {
                nll.push(0.0);
                continue;
            }
            let logits: Vec<f64> = w.chunks(d).map(|w| dot64(state, w)).collect();
            let lse = logits.iter().map(|v| v.exp()).sum::<f64>().ln();
            nll.push(lse - logits[target as usize]);
            loss += f64::from(weight) * (lse - logits[target as usize]);
            term += z * f64::from(weight) * lse * lse;
        }
        (loss + term, term, nll)
    }

    #[test]
    fn loss_and_gradients_match_f64() {
        for (rows, d, vocab) in [(1, 1, 2), (4, 5, 7), (11, 16, 33)] {
            for zeros in [false, true] {
                let (mut h, w) = (values(rows * d, 1), values(vocab * d, 2));
                let mut targets: Vec<u32> = (0..rows).map(|i| (i * 13 % vocab) as u32).collect();
                let mut weights: Vec<f32> = values(rows, 3).iter().map(|v| v + 1.1).collect();
                if zeros {
                    for r in (1..rows).step_by(3) {
                        weights[r] = 0.0;
                        targets[r] = u32::MAX;
                        h[r * d..(r + 1) * d].fill(f32::NAN);
                    }
                }
                let z = 0.01;
                let (h64, w64) = (wide(&h), wide(&w));
                let (mut nll, mut dh, mut dw) = (vec![9.0; rows], vec![9.0; h.len()], vec![1.0; w.len()]);
                let plain = cross_entropy(rows, d, vocab, &h, &w, &targets, &weights, z, None, &mut nll);
                let grads = Some((&mut dh[..], &mut dw[..]));
                let got = cross_entropy(rows, d, vocab, &h, &w, &targets, &weights, z, grads, &mut nll);
                let (loss, term, want) = naive(d, &h64, &w64, &targets, &weights, f64::from(z));
                assert!((got.0 - loss).abs() < 1e-5 * loss && (got.1 - term).abs() < 1e-5 * loss);
                assert!((plain.0 - loss).abs() < 1e-5 * loss && (plain.1 - term).abs() < 1e-5 * loss);
                assert_close(&nll, &want, 1e-5);
                let f = |h: &[f64], w: &[f64]| naive(d, h, w, &targets, &weights, f64::from(z)).0;
                assert_close(&dh, &numeric_gradient(&h64, |h| f(h, &w64)), 1e-4);
                let want = numeric_gradient(&w64, |w| f(&h64, w));
                assert_close(&dw, &want.iter().map(|v| v + 1.0).collect::<Vec<_>>(), 1e-4);
            }
        }
    }

    #[test]
    fn chunks_are_nearly_equal_and_bounded() {
        for (rows, vocab) in
            [(1, 1), (4096, 2048), (5000, 8192), (7, 5_000_000), (2048, 49_152), (3, 10_000_000)]
        {
            let chunk = chunk_rows(rows, vocab);
            assert!(chunk >= 1 && chunk <= rows && (chunk * vocab <= MOST_LOGITS || chunk == 1));
        }
        assert_eq!((chunk_rows(0, 10), chunk_rows(2048, 8192), chunk_rows(2048, 49_152)), (1, 512, 512));
        assert_eq!((chunk_rows(9000, 2048), chunk_rows(2048, 128_256)), (1000, 256));
    }

    /// What a far larger logit, an infinite one and a vanishing share of the target do to a row.
    #[test]
    fn rows_far_from_the_target_are_scaled() {
        for z in [0.0, 1e-3, 0.5] {
            for w in [
                [1.0f32, 2.0, 300.0],
                [1e4, -1e4, 0.0],
                [-1e4, 1e4 - 1.0, 1e4],
                [-1.0, -1.0 - 2f32.ln(), -1.0 - 2f32.ln()],
            ] {
                let (mut nll, mut dh, mut dw) = ([0.0; 2], [0.0; 2], [0.0; 3]);
                let (h, weights) = ([1.0f32, 0.5], [0.5f32, 0.25]);
                let grads = Some((&mut dh[..], &mut dw[..]));
                let got = cross_entropy(2, 1, 3, &h, &w, &[0, 1], &weights, z, grads, &mut nll);
                let (h64, w64) = (wide(&h), wide(&w));
                let (loss, _, want) = stable(&h64, &w64, &[0, 1], &weights, f64::from(z));
                assert!((got.0 - loss).abs() <= 1e-5 * loss.abs().max(1.0), "{got:?} {loss}");
                assert_close(&nll, &want, 1e-5);
                let f = |h: &[f64], w: &[f64]| stable(h, w, &[0, 1], &weights, f64::from(z)).0;
                assert_close(&dh, &numeric_gradient(&h64, |h| f(h, &w64)), 1e-4);
                assert_close(&dw, &numeric_gradient(&w64, |w| f(&h64, w)), 1e-4);
            }
        }
        // Log-sum-exp -0.5 and z 1: the probabilities get no gradient, the target does.
        let w = [-0.5 - 2f32.ln(); 2];
        let (mut nll, mut dh, mut dw) = ([0.0], [0.0], [0.0; 2]);
        cross_entropy(1, 1, 2, &[1.0], &w, &[1], &[1.0], 1.0, Some((&mut dh, &mut dw)), &mut nll);
        assert!((nll[0] - 2f32.ln()).abs() < 1e-6 && dw[0].abs() < 1e-6 && (dw[1] + 1.0).abs() < 1e-6);
        let w = [f32::NEG_INFINITY, 1.0, 1.0];
        cross_entropy(1, 1, 3, &[1.0], &w, &[1], &[1.0], 0.0, None, &mut nll);
        assert!((nll[0] - 2f32.ln()).abs() < 1e-6);
    }

    /// [`naive`] for width 1, with the largest logit taken out.
    fn stable(h: &[f64], w: &[f64], targets: &[u32], rows: &[f32], z: f64) -> (f64, f64, Vec<f64>) {
        let (mut loss, mut nlls) = (0.0, Vec::new());
        for ((h, &target), &weight) in h.iter().zip(targets).zip(rows) {
            let logits: Vec<f64> = w.iter().map(|w| h * w).collect();
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let rest = logits.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
            let nll = rest + (top - logits[target as usize]);
            loss += f64::from(weight) * (nll + z * (top + rest).powi(2));
            nlls.push(nll);
        }
        (loss, 0.0, nlls)
    }

    #[test]
    fn a_huge_vocabulary_takes_two_passes_to_the_same_end() {
        let (rows, d, vocab) = (70, 2, 560_001);
        let (mut h, w) = (values(rows * d, 1), values(vocab * d, 2));
        let targets: Vec<u32> = (0..rows).map(|i| (i * 1999) as u32).collect();
        let weights: Vec<f32> = (0..rows).map(|i| if i == 5 { 0.0 } else { 0.3 }).collect();
        h[5 * d] = f32::NAN;
        assert!(chunk_rows(69, vocab) < FEW_ROWS);
        let active: Vec<usize> = (0..rows).filter(|&r| r != 5).collect();
        let call = Call {
            d,
            vocab,
            hidden: &h,
            weight: &w,
            targets: &targets,
            row_weight: &weights,
            z_loss: 0.01,
            active: &active,
        };
        let (mut nll, mut lse) = (vec![0.0; rows], vec![0.0; rows]);
        let (mut dh, mut dw) = (vec![9.0; h.len()], vec![1.0; w.len()]);
        call.sweep(&mut dh, &mut dw, &mut nll, &mut lse);
        let (mut nll2, mut dh2, mut dw2) = (vec![9.0; rows], vec![9.0; h.len()], vec![1.0; w.len()]);
        let grads = Some((&mut dh2[..], &mut dw2[..]));
        cross_entropy(rows, d, vocab, &h, &w, &targets, &weights, 0.01, grads, &mut nll2);
        assert_close(&nll2, &wide(&nll), 1e-5);
        assert_close(&dh2, &wide(&dh), 1e-5);
        assert_close(&dw2, &wide(&dw), 1e-5);
        assert_eq!(dh2[5 * d..6 * d], [0.0; 2]);
    }

    #[test]
    fn nan_shows() {
        let (mut nll, mut dh, mut dw) = ([0.0; 2], [0.0; 4], [0.0; 6]);
        let grads = Some((&mut dh[..], &mut dw[..]));
        let h = [1.0, f32::NAN, 0.5, 0.25];
        let got = cross_entropy(2, 2, 3, &h, &[0.5; 6], &[0, 1], &[1.0; 2], 0.0, grads, &mut nll);
        assert!(got.0.is_nan() && nll[0].is_nan() && !nll[1].is_nan());
        assert!(dh[0].is_nan() && !dh[2].is_nan() && dw.iter().all(|g| g.is_nan()));
    }

    #[test]
    fn no_weight_means_no_loss() {
        let (mut dh, mut dw, mut nll) = ([5.0; 4], [5.0; 6], [5.0; 2]);
        let grads = Some((&mut dh[..], &mut dw[..]));
        let got = cross_entropy(2, 2, 3, &[f32::NAN; 4], &[0.0; 6], &[9, 9], &[0.0; 2], 0.1, grads, &mut nll);
        assert_eq!((got, dh, dw, nll), ((0.0, 0.0), [0.0; 4], [5.0; 6], [0.0; 2]));
    }

    #[test]
    fn chunks_and_threads_do_not_matter() {
        let (rows, d, vocab) = (620, 8, 8_000);
        let (h, w) = (values(rows * d, 1), values(vocab * d, 2));
        let targets: Vec<u32> = (0..rows).map(|i| (i * 131 % vocab) as u32).collect();
        let weights: Vec<f32> = (0..rows).map(|i| if i % 10 == 3 { 0.0 } else { 0.01 }).collect();
        assert!(chunk_rows(558, vocab) < 558);
        let run = |rows: std::ops::Range<usize>| {
            let (mut dh, mut dw, mut nll) =
                (vec![0.0; rows.len() * d], vec![0.0; vocab * d], vec![0.0; rows.len()]);
            let (h, t, k) =
                (&h[rows.start * d..rows.end * d], &targets[rows.clone()], &weights[rows.clone()]);
            cross_entropy(rows.len(), d, vocab, h, &w, t, k, 1e-4, Some((&mut dh, &mut dw)), &mut nll);
            (dh, dw, nll)
        };
        let (dh, dw, nll) = run(0..rows);
        let (a, b) = (run(0..40), run(40..rows));
        assert_close(&dh, &wide(&[a.0, b.0].concat()), 1e-5);
        assert_close(&nll, &wide(&[a.2, b.2].concat()), 1e-5);
        assert_close(&dw, &a.1.iter().zip(&b.1).map(|(&x, &y)| f64::from(x + y)).collect::<Vec<_>>(), 1e-5);
        same_bits_at_any_thread_count(|| {
            let (dh, dw, nll) = run(0..30);
            [dh, dw, nll].concat()
        });
    }
}
