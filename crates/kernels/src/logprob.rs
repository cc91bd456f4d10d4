//! Log-probabilities of given tokens from hidden states, without ever holding all logits.

use crate::gemm::{Mat, MatMut, sgemm};
use crate::isa::fma;
use crate::linear::{TURN_ROWS, block_product};
use crate::math::{exp, fold, max};
use crate::par::{par_rows, par_rows2, par_rows3, rows_per_task};
use crate::scratch;
use crate::softmax::exp_minus;
use crate::transpose::with_transposed;

/// Floats of logits that are held at a time (8 MiB): enough rows for the products to run at full speed, and small enough
/// for the last-level cache.
const LOGITS: usize = 2 << 20;

/// Rows of logits that a task computes and uses at once, while they are in cache.
pub(crate) fn logit_rows(vocab: usize) -> usize {
    (131_072 / vocab).clamp(48, 192) / 6 * 6
}

/// Distance of rows of logits in a chunk: rows a large power of two apart would fall on the same places of the cache.
pub(crate) fn logit_stride(vocab: usize) -> usize {
    if vocab.is_multiple_of(256) { vocab + 16 } else { vocab }
}

/// Rows of a chunk of logits.
pub(crate) fn chunk_rows(rows: usize, vocab: usize) -> usize {
    let most = (LOGITS / vocab.max(1)).max(32) / 32 * 32;
    // Chunks of nearly equal size.
    rows.div_ceil(rows.div_ceil(most).max(1)).max(1)
}

/// For each row of `hidden` `[rows, d]`: `logp = ln softmax(hidden weight^T / temperature)[target]` and the
/// logarithm `lse` of the softmax's sum, both `[rows]`; `entropy` `[rows]` (nats) when asked for. `weight` is
/// `[vocab, d]`. Panics at a target outside the vocabulary.
pub fn logprob_forward(
    rows: usize,
    d: usize,
    vocab: usize,
    hidden: &[f32],
    weight: &[f32],
    targets: &[u32],
    temperature: f32,
    logp: &mut [f32],
    lse: &mut [f32],
    entropy: Option<&mut [f32]>,
) {
    check(rows, d, vocab, hidden, weight, targets, temperature);
    assert!(logp.len() == rows && lse.len() == rows, "logp or lse is not [rows]");
    assert!(entropy.as_ref().is_none_or(|e| e.len() == rows), "entropy is not [rows]");
    let factor = 1.0 / temperature;
    let finish = |first: usize, logits: &[f32], logp: &mut [f32], lse: &mut [f32]| {
        for (i, row) in logits.chunks_exact(vocab).enumerate() {
            lse[i] = log_sum_exp(row);
            logp[i] = row[targets[first + i] as usize] - lse[i];
        }
    };
    let finish_entropy = |logits: &[f32], lse: &[f32], entropy: &mut [f32]| {
        for ((row, &lse), e) in logits.chunks_exact(vocab).zip(lse).zip(entropy) {
            *e = row_entropy(row, lse);
        }
    };
    if rows < TURN_ROWS {
        return scratch::with(rows * vocab, |logits| {
            chunk_logits(hidden, weight, d, factor, logits, vocab);
            finish(0, logits, logp, lse);
            if let Some(entropy) = entropy {
                finish_entropy(logits, lse, entropy);
            }
        });
    }
    with_transposed(vocab, d, weight, |weight| {
        let block = |first: usize, logp: &mut [f32], lse: &mut [f32], entropy: Option<&mut [f32]>| {
            scratch::with(lse.len() * vocab, |logits| {
                block_product(factor, &hidden[first * d..], weight, logits, vocab);
                finish(first, logits, logp, lse);
                if let Some(entropy) = entropy {
                    finish_entropy(logits, lse, entropy);
                }
            });
        };
        let per = logit_rows(vocab);
        match entropy {
            None => par_rows2((logp, 1), (lse, 1), per, |first, logp, lse| block(first, logp, lse, None)),
            Some(entropy) => {
                par_rows3((logp, 1), (lse, 1), (entropy, 1), per, |first, logp, lse, entropy| {
                    block(first, logp, lse, Some(entropy));
                });
            }
        }
    });
}

/// Gradients of `logp` of [`logprob_forward`] given `dlogp` `[rows]`: `dhidden += ...`, `dweight += ...`. The logits
/// are computed again; `lse` is what the forward pass wrote.
pub fn logprob_backward(
    rows: usize,
    d: usize,
    vocab: usize,
    hidden: &[f32],
    weight: &[f32],
    targets: &[u32],
    temperature: f32,
    lse: &[f32],
    dlogp: &[f32],
    dhidden: &mut [f32],
    dweight: &mut [f32],
) {
    check(rows, d, vocab, hidden, weight, targets, temperature);
    assert!(lse.len() == rows && dlogp.len() == rows, "lse or dlogp is not [rows]");
    assert!(dhidden.len() == hidden.len() && dweight.len() == weight.len(), "a gradient has another shape");
    let chunk = chunk_rows(rows, vocab);
    let stride = logit_stride(vocab);
    let inverse = 1.0 / temperature;
    with_weight(rows, vocab, d, weight, |turned| {
        scratch::with(chunk * stride, |logits| {
            for first in (0..rows).step_by(chunk) {
                let n = chunk.min(rows - first);
                let logits = &mut logits[..n * stride];
                let hidden = &hidden[first * d..(first + n) * d];
                if turned.is_none() {
                    chunk_logits(hidden, weight, d, inverse, logits, stride);
                }
                par_rows(logits, stride, logit_rows(vocab), |r, block| {
                    if let Some(turned) = turned {
                        block_product(inverse, &hidden[r * d..], turned, block, stride);
                    }
                    for (i, row) in block.chunks_exact_mut(stride).enumerate() {
                        let (at, row) = (first + r + i, &mut row[..vocab]);
                        scaled_probabilities(row, lse[at], -dlogp[at]);
                        row[targets[at] as usize] += dlogp[at];
                    }
                });
                let dz = Mat::strided(logits, n, vocab, stride, 1);
                let dhidden = &mut dhidden[first * d..(first + n) * d];
                sgemm(inverse, dz, Mat::new(weight, vocab, d), 1.0, MatMut::new(dhidden, n, d));
                sgemm(inverse, dz.t(), Mat::new(hidden, n, d), 1.0, MatMut::new(dweight, vocab, d));
            }
        });
    });
}

/// Runs `f` with the transposed weight `[d, vocab]`, or without it when there are too few rows for a copy.
pub(crate) fn with_weight<R>(
    rows: usize,
    vocab: usize,
    d: usize,
    weight: &[f32],
    f: impl FnOnce(Option<Mat<'_>>) -> R,
) -> R {
    if rows < TURN_ROWS { f(None) } else { with_transposed(vocab, d, weight, |w| f(Some(w))) }
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

/// `logits = factor * hidden weight^T` for a chunk of rows, which lie `stride` apart.
pub(crate) fn chunk_logits(
    hidden: &[f32],
    weight: &[f32],
    d: usize,
    factor: f32,
    logits: &mut [f32],
    stride: usize,
) {
    let (n, vocab) = (hidden.len() / d, weight.len() / d);
    let logits = MatMut::strided(logits, n, vocab, stride, 1);
    sgemm(factor, Mat::new(hidden, n, d), Mat::new(weight, vocab, d).t(), 0.0, logits);
}

fn check(
    rows: usize,
    d: usize,
    vocab: usize,
    hidden: &[f32],
    weight: &[f32],
    targets: &[u32],
    temperature: f32,
) {
    assert!(d > 0 && vocab > 0, "an empty vocabulary or width has no probabilities");
    assert_eq!(hidden.len(), rows * d, "hidden is not [rows, d]");
    assert_eq!(weight.len(), vocab * d, "weight is not [vocab, d]");
    assert_eq!(targets.len(), rows, "targets is not [rows]");
    assert!(targets.iter().all(|&t| (t as usize) < vocab), "a target is outside the vocabulary");
    assert!(temperature > 0.0, "temperature {temperature} is not positive");
}

simd! {
    /// `ln(sum of e^x)`.
    pub(crate) fn log_sum_exp<FMA>(x: &[f32]) -> f32 {
        let top = max(x);
        top + fold(x, |x, s| s + exp::<FMA>(x - top)).ln()
    }

    /// `lse - sum of p x` for `p = e^(x - lse)`.
    fn row_entropy<FMA>(x: &[f32], lse: f32) -> f32 {
        fold(x, |x, s| fma::<FMA>(exp::<FMA>(x - lse), lse - x, s))
    }

    /// `x = factor * e^(x - lse)`.
    pub(crate) fn scaled_probabilities<FMA>(x: &mut [f32], lse: f32, factor: f32) {
        x.iter_mut().for_each(|x| *x = factor * exp::<FMA>(*x - lse));
    }

    /// Turns logits into `e^(x - max)`; returns the maximum and the sum.
    pub(crate) fn exp_and_sum<FMA>(x: &mut [f32]) -> (f32, f32) {
        let top = max(x);
        (top, exp_minus::<FMA>(x, top))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    /// `(logp, lse, entropy)` of each row in f64.
    fn naive(d: usize, h: &[f64], w: &[f64], targets: &[u32], t: f64) -> [Vec<f64>; 3] {
        let mut out = [Vec::new(), Vec::new(), Vec::new()];
        for (row, &target) in h.chunks(d).zip(targets) {
            let z: Vec<f64> = w.chunks(d).map(|w| dot64(row, w) / t).collect();
            let lse = z.iter().map(|v| v.exp()).sum::<f64>().ln();
            out[0].push(z[target as usize] - lse);
            out[1].push(lse);
            out[2].push(z.iter().map(|v| (v - lse).exp() * (lse - v)).sum());
        }
        out
    }

    fn case(rows: usize, d: usize, vocab: usize) -> (Vec<f32>, Vec<f32>, Vec<u32>) {
        let targets = (0..rows).map(|i| (i * 13 % vocab) as u32).collect();
        (values(rows * d, 1), values(vocab * d, 2), targets)
    }

    #[test]
    fn forward_and_gradients_match_f64() {
        for (rows, d, vocab, t) in [(1, 1, 1, 1.0), (3, 5, 7, 1.0), (4, 16, 33, 0.7), (9, 3, 50, 2.0)] {
            let (h, w, targets) = case(rows, d, vocab);
            let (h64, w64) = (wide(&h), wide(&w));
            let (mut logp, mut lse, mut entropy) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
            logprob_forward(rows, d, vocab, &h, &w, &targets, t, &mut logp, &mut lse, Some(&mut entropy));
            let [a, b, c] = naive(d, &h64, &w64, &targets, f64::from(t));
            assert_close(&logp, &a, 1e-5);
            assert_close(&lse, &b, 1e-5);
            assert_close(&entropy, &c, 1e-5);
            let up = values(rows, 3);
            let (mut dh, mut dw) = (vec![1.0; h.len()], vec![2.0; w.len()]);
            logprob_backward(rows, d, vocab, &h, &w, &targets, t, &lse, &up, &mut dh, &mut dw);
            let up = wide(&up);
            let loss = |h: &[f64], w: &[f64]| dot64(&naive(d, h, w, &targets, f64::from(t))[0], &up);
            let want = numeric_gradient(&h64, |h| loss(h, &w64));
            assert_close(&dh, &want.iter().map(|v| v + 1.0).collect::<Vec<_>>(), 1e-4);
            let want = numeric_gradient(&w64, |w| loss(&h64, w));
            assert_close(&dw, &want.iter().map(|v| v + 2.0).collect::<Vec<_>>(), 1e-4);
        }
    }

    #[test]
    fn chunks_are_nearly_equal_and_bounded() {
        for (rows, vocab) in [(1, 1), (4096, 2048), (5000, 8192), (7, 5_000_000), (100_000, 50_000)] {
            let chunk = chunk_rows(rows, vocab);
            assert!(chunk >= 1 && chunk <= rows && (chunk * vocab <= LOGITS || chunk <= 32));
        }
        assert_eq!(chunk_rows(0, 10), 1);
    }

    #[test]
    fn several_chunks_give_the_same_as_row_by_row() {
        // Five million logits: several chunks.
        let (rows, d, vocab) = (100, 4, 50_000);
        let (h, w, targets) = case(rows, d, vocab);
        let (mut logp, mut lse) = (vec![0.0; rows], vec![0.0; rows]);
        assert!(chunk_rows(rows, vocab) < rows);
        logprob_forward(rows, d, vocab, &h, &w, &targets, 1.0, &mut logp, &mut lse, None);
        let mut logits = vec![0.0; vocab];
        for r in [0, 49, 50, 63, 64, 99] {
            logits_last(d, vocab, &h[r * d..(r + 1) * d], &w, &mut logits);
            let want = logits[targets[r] as usize] - log_sum_exp(&logits);
            assert!((logp[r] - want).abs() < 1e-5, "row {r}: {} {want}", logp[r]);
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (rows, d, vocab) = (300, 24, 501);
        let (h, w, targets) = case(rows, d, vocab);
        same_bits_at_any_thread_count(|| {
            let (mut logp, mut lse, mut dh, mut dw) =
                (vec![0.0; rows], vec![0.0; rows], vec![0.0; h.len()], vec![0.0; w.len()]);
            logprob_forward(rows, d, vocab, &h, &w, &targets, 1.0, &mut logp, &mut lse, None);
            logprob_backward(rows, d, vocab, &h, &w, &targets, 1.0, &lse, &logp, &mut dh, &mut dw);
            [logp, lse, dh, dw].concat()
        });
    }
}
