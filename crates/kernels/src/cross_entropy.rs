//! Weighted cross-entropy of next tokens with z-loss: forward and gradient in one pass over chunks of logits.

use crate::gemm::{Mat, MatMut, sgemm};
use crate::linear::block_product;
use crate::logprob::{
    chunk_logits, chunk_rows, exp_and_sum, log_sum_exp, logit_rows, logit_stride, with_weight,
};
use crate::par::{par_rows, par_rows2, rows_per_task};
use crate::reduce::tree;
use crate::scratch;

/// `loss = sum_i w_i nll_i + z_loss sum_i w_i lse_i^2` over `rows` positions, with `nll_i = lse_i - logit_i[target_i]`
/// and the logits `hidden weight^T`. Returns the loss and its second term.
///
/// `hidden` `[rows, d]`, `weight` `[vocab, d]`, `targets`, `row_weight`, `nll` `[rows]`. With `grads`
/// `(dhidden, dweight)`, `dhidden` is overwritten and `dweight` added to. A row of weight 0 is not computed: its
/// `nll` and gradient are 0, whatever it holds. The z-loss is that of Chowdhery et al. 2022.
pub fn cross_entropy(
    rows: usize,
    d: usize,
    vocab: usize,
    hidden: &[f32],
    weight: &[f32],
    targets: &[u32],
    row_weight: &[f32],
    z_loss: f32,
    mut grads: Option<(&mut [f32], &mut [f32])>,
    nll: &mut [f32],
) -> (f64, f64) {
    assert!(d > 0 && vocab > 0, "an empty vocabulary or width has no probabilities");
    assert_eq!(hidden.len(), rows * d, "hidden is not [rows, d]");
    assert_eq!(weight.len(), vocab * d, "weight is not [vocab, d]");
    assert!(targets.len() == rows && row_weight.len() == rows, "targets or row_weight is not [rows]");
    assert_eq!(nll.len(), rows, "nll is not [rows]");
    let active: Vec<usize> = (0..rows).filter(|&r| row_weight[r] != 0.0).collect();
    assert!(active.iter().all(|&r| (targets[r] as usize) < vocab), "a target is outside the vocabulary");
    nll.fill(0.0);
    if let Some((dhidden, dweight)) = &mut grads {
        assert!(
            dhidden.len() == hidden.len() && dweight.len() == weight.len(),
            "a gradient has another shape"
        );
        if active.len() < rows {
            dhidden.fill(0.0);
        }
    }
    if active.is_empty() {
        return (0.0, 0.0);
    }
    let mut z_terms = vec![0.0; rows];
    with_weight(active.len(), vocab, d, weight, |turned| {
        let call = Call { d, vocab, hidden, weight, turned, targets, row_weight, z_loss, active: &active };
        call.run(&mut grads, nll, &mut z_terms);
    });
    let weighted = |f: &dyn Fn(usize) -> f64| {
        tree(&active.iter().map(|&r| f64::from(row_weight[r]) * f(r)).collect::<Vec<f64>>())
    };
    let (nll_sum, z_sum) = (weighted(&|r| f64::from(nll[r])), weighted(&|r| z_terms[r]));
    (nll_sum + z_sum, z_sum)
}

/// The inputs of one call.
struct Call<'a> {
    d: usize,
    vocab: usize,
    hidden: &'a [f32],
    weight: &'a [f32],
    /// The transposed weight, when there are rows enough.
    turned: Option<Mat<'a>>,
    targets: &'a [u32],
    row_weight: &'a [f32],
    z_loss: f32,
    /// Rows with a weight.
    active: &'a [usize],
}

impl Call<'_> {
    /// Works through chunks of active rows. Rows without gaps are used where they lie, others are gathered first.
    fn run(&self, grads: &mut Option<(&mut [f32], &mut [f32])>, nll: &mut [f32], z_terms: &mut [f64]) {
        let (d, vocab, stride) = (self.d, self.vocab, logit_stride(self.vocab));
        // Without gradients logits are needed for as long as a task takes, and a chunk is everything.
        let chunk = if grads.is_some() { chunk_rows(self.active.len(), vocab) } else { self.active.len() };
        let logits_len = if grads.is_some() || self.turned.is_none() { chunk * stride } else { 0 };
        scratch::with(logits_len + chunk * (2 * d + 2), |buffer| {
            let (logits, buffer) = buffer.split_at_mut(logits_len);
            let (states, buffer) = buffer.split_at_mut(chunk * d);
            let (dstates, values) = buffer.split_at_mut(chunk * d);
            for active in self.active.chunks(chunk) {
                let n = active.len();
                let first = active[0];
                let whole = active[n - 1] + 1 - first == n;
                let states = if whole {
                    &self.hidden[first * d..(first + n) * d]
                } else {
                    for (to, &r) in states.chunks_exact_mut(d).zip(active) {
                        to.copy_from_slice(&self.hidden[r * d..(r + 1) * d]);
                    }
                    &states[..n * d]
                };
                let (logits, values) = (&mut logits[..logits_len.min(n * stride)], &mut values[..2 * n]);
                self.chunk(active, states, logits, values, grads.is_some());
                for (&r, value) in active.iter().zip(values.chunks_exact(2)) {
                    nll[r] = value[0];
                    z_terms[r] = f64::from(self.z_loss) * f64::from(value[1]).powi(2);
                }
                if let Some((dhidden, dweight)) = grads {
                    let dz = Mat::strided(logits, n, vocab, stride, 1);
                    let w = Mat::new(self.weight, vocab, d);
                    if whole {
                        sgemm(1.0, dz, w, 0.0, MatMut::new(&mut dhidden[first * d..(first + n) * d], n, d));
                    } else {
                        sgemm(1.0, dz, w, 0.0, MatMut::new(&mut dstates[..n * d], n, d));
                        for (from, &r) in dstates.chunks_exact(d).zip(active) {
                            dhidden[r * d..(r + 1) * d].copy_from_slice(from);
                        }
                    }
                    sgemm(1.0, dz.t(), Mat::new(states, n, d), 1.0, MatMut::new(dweight, vocab, d));
                }
            }
        });
    }

    /// Writes `(nll, lse)` of each row of a chunk to `values` and, when `gradient`, the gradient of its logits to
    /// `logits`. Tasks compute a block of logits and finish it while it is in cache.
    fn chunk(
        &self,
        active: &[usize],
        states: &[f32],
        logits: &mut [f32],
        values: &mut [f32],
        gradient: bool,
    ) {
        let (d, vocab, stride) = (self.d, self.vocab, logit_stride(self.vocab));
        let per = logit_rows(vocab);
        let finish = |r: usize, logits: &mut [f32], values: &mut [f32]| {
            let rows = active[r..].iter().zip(values.chunks_exact_mut(2));
            for (row, (&at, value)) in logits.chunks_exact_mut(stride).zip(rows) {
                let row = &mut row[..vocab];
                let target = self.targets[at] as usize;
                let logit = row[target];
                let lse = if gradient {
                    gradient_row(row, target, self.row_weight[at], self.z_loss)
                } else {
                    log_sum_exp(row)
                };
                value.copy_from_slice(&[lse - logit, lse]);
            }
        };
        match self.turned {
            None => {
                chunk_logits(states, self.weight, d, 1.0, logits, stride);
                par_rows2((logits, stride), (values, 2), rows_per_task(vocab), finish);
            }
            Some(turned) if gradient => par_rows2((logits, stride), (values, 2), per, |r, logits, values| {
                block_product(1.0, &states[r * d..], turned, logits, stride);
                finish(r, logits, values);
            }),
            Some(turned) => par_rows(values, 2, per, |r, values| {
                scratch::with(values.len() / 2 * stride, |logits| {
                    block_product(1.0, &states[r * d..], turned, logits, stride);
                    finish(r, logits, values);
                });
            }),
        }
    }
}

/// Turns a row of logits into the gradient of its loss, `p (w + 2 z w lse) - w onehot`; returns `lse`.
fn gradient_row(row: &mut [f32], target: usize, weight: f32, z_loss: f32) -> f32 {
    let (top, sum) = exp_and_sum(row);
    let lse = top + sum.ln();
    scale_row(row, weight * (1.0 + 2.0 * z_loss * lse) / sum);
    row[target] -= weight;
    lse
}

simd! {
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
    fn no_weight_means_no_loss() {
        let (mut dh, mut dw, mut nll) = ([5.0; 4], [5.0; 6], [5.0; 2]);
        let grads = Some((&mut dh[..], &mut dw[..]));
        let got = cross_entropy(2, 2, 3, &[f32::NAN; 4], &[0.0; 6], &[9, 9], &[0.0; 2], 0.1, grads, &mut nll);
        assert_eq!((got, dh, dw, nll), ((0.0, 0.0), [0.0; 4], [5.0; 6], [0.0; 2]));
    }

    #[test]
    fn chunks_and_threads_do_not_matter() {
        let (rows, d, vocab) = (150, 8, 40_000);
        let (h, w) = (values(rows * d, 1), values(vocab * d, 2));
        let targets: Vec<u32> = (0..rows).map(|i| (i * 131) as u32).collect();
        let weights: Vec<f32> = (0..rows).map(|i| if i % 10 == 3 { 0.0 } else { 0.01 }).collect();
        assert!(chunk_rows(135, vocab) < 135);
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
