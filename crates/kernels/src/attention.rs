//! Causal attention with grouped heads and document masks, block by block; cached decoding.
//!
//! Row `i` of a sequence attends to keys `starts[i] ..= i` of its sequence: 0 gives plain causal attention, the first
//! position of its document packed documents, `i` itself a token that sees nothing else. A task is one sequence and
//! one key head with the query heads that share it; it copies what it reads into contiguous buffers (keys
//! transposed), then works through 64 query rows at a time, so scores never exceed 64 rows.

use crate::gemm::{Mat, MatMut, sgemm_serial};
use crate::par::{Shared, par};
use crate::scratch;
use crate::softmax::{exp_minus, softmax_in_place};
use crate::transpose::transpose;

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

    /// Query heads that share a key head.
    pub(crate) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// The factor on scores.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    /// Panics unless the arrays have this shape; false when there is nothing to do.
    pub(crate) fn check(&self, qkv: &[f32], starts: &[u32], out: &[f32]) -> bool {
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "heads do not share key heads evenly"
        );
        let rows = self.batch * self.time;
        assert_eq!(qkv.len(), rows * self.qkv_width(), "qkv is not [batch * time, qkv width]");
        assert_eq!(out.len(), rows * self.out_width(), "out is not [batch * time, heads * head_dim]");
        assert_eq!(starts.len(), rows, "starts is not [batch * time]");
        for sequence in starts.chunks_exact(self.time.max(1)) {
            assert!(sequence.iter().zip(0u32..).all(|(&s, i)| s <= i), "a row starts after itself");
        }
        rows > 0 && self.heads > 0 && self.head_dim > 0
    }
}

/// Query rows of a block.
pub(crate) const BLOCK: usize = 64;

/// The block of query rows that begins at `first`, and the keys it can see.
pub(crate) struct Block {
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) low: usize,
    pub(crate) keys: usize,
}

/// The blocks of one sequence.
pub(crate) fn blocks(starts: &[u32]) -> impl Iterator<Item = Block> {
    starts.chunks(BLOCK).enumerate().map(|(b, rows)| {
        let first = b * BLOCK;
        // A multiple of 16 keeps rows of keys aligned.
        let low = rows.iter().min().map_or(0, |&s| s as usize) / 16 * 16;
        Block { first, rows: rows.len(), low, keys: first + rows.len() - low }
    })
}

/// `out[i] = softmax(q[i] k^T / sqrt(head_dim)) v` over the keys that row `i` may see. `qkv`
/// `[batch * time, (heads + 2 kv_heads) * head_dim]` (rotated already), `starts` `[batch * time]`, `out`
/// `[batch * time, heads * head_dim]`; `lse` `[batch, heads, time]` receives the logarithm of the softmax's sum.
pub fn attention_forward(
    shape: AttentionShape,
    qkv: &[f32],
    starts: &[u32],
    out: &mut [f32],
    lse: Option<&mut [f32]>,
) {
    if !shape.check(qkv, starts, out) {
        return;
    }
    assert!(lse.as_ref().is_none_or(|l| l.len() == shape.lse_len()), "lse is not [batch, heads, time]");
    let out = Shared::new(out);
    let lse = lse.map(Shared::new);
    par(shape.batch * shape.kv_heads, |task| {
        forward_task(&shape, qkv, starts, out, lse, task / shape.kv_heads, task % shape.kv_heads);
    });
}

#[allow(unsafe_code)]
fn forward_task(
    shape: &AttentionShape,
    qkv: &[f32],
    starts: &[u32],
    out: Shared<'_>,
    lse: Option<Shared<'_>>,
    sequence: usize,
    kv_head: usize,
) {
    let (t, d, width) = (shape.time, shape.head_dim, shape.qkv_width());
    let qkv = &qkv[sequence * t * width..(sequence + 1) * t * width];
    let starts = &starts[sequence * t..(sequence + 1) * t];
    let sizes = [t * d, t * d, BLOCK * t, BLOCK * d];
    scratch::with(sizes.iter().sum(), |buffer| {
        let (keys, buffer) = buffer.split_at_mut(sizes[0]);
        let (values, buffer) = buffer.split_at_mut(sizes[1]);
        let (scores, queries) = buffer.split_at_mut(sizes[2]);
        copy_transposed(qkv, width, (shape.heads + kv_head) * d, d, keys);
        copy_columns(qkv, width, (shape.heads + shape.kv_heads + kv_head) * d, d, 1.0, values);
        for head in kv_head * shape.group()..(kv_head + 1) * shape.group() {
            for b in blocks(starts) {
                let (n, m) = (b.rows, b.keys);
                let queries = &mut queries[..n * d];
                copy_columns(&qkv[b.first * width..], width, head * d, d, shape.scale(), queries);
                let scores = &mut scores[..n * m];
                let k = Mat::strided(&keys[b.low..], d, m, t, 1);
                sgemm_serial(1.0, Mat::new(queries, n, d), k, 0.0, MatMut::new(scores, n, m));
                for (i, row) in scores.chunks_exact_mut(m).enumerate() {
                    let at = b.first + i;
                    let start = starts[at] as usize - b.low;
                    row[..start].fill(0.0);
                    row[at + 1 - b.low..].fill(0.0);
                    let value = softmax_in_place(&mut row[start..at + 1 - b.low]);
                    if let Some(lse) = &lse {
                        // SAFETY: each (sequence, head, position) belongs to one task.
                        unsafe { lse.slice((sequence * shape.heads + head) * t + at, 1)[0] = value };
                    }
                }
                // The scaled queries are done with: their buffer takes the result.
                let v = Mat::new(&values[b.low * d..(b.low + m) * d], m, d);
                sgemm_serial(1.0, Mat::new(scores, n, m), v, 0.0, MatMut::new(queries, n, d));
                for (i, row) in queries.chunks_exact(d).enumerate() {
                    let at = (sequence * t + b.first + i) * shape.out_width() + head * d;
                    // SAFETY: these columns of this row belong to this task's head alone.
                    unsafe { out.slice(at, d).copy_from_slice(row) };
                }
            }
        }
    });
}

/// `to[j, i] = from[i, first + j]` for `d` columns; `to` is `[d, rows]`.
pub(crate) fn copy_transposed(from: &[f32], width: usize, first: usize, d: usize, to: &mut [f32]) {
    let rows = to.len() / d;
    transpose(rows, d, &from[first..], width, to, rows);
}

/// Attention of new rows against a cache: `q` `[rows, heads * head_dim]`, caches `[cache_len, kv_heads * head_dim]`
/// (the new rows' keys and values are in them already); row `r` attends to cache rows `0 ..= first_position + r`;
/// `out` `[rows, heads * head_dim]`.
pub fn attention_decode(
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    rows: usize,
    q: &[f32],
    k_cache: &[f32],
    v_cache: &[f32],
    first_position: usize,
    out: &mut [f32],
) {
    assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "heads do not share key heads evenly");
    let (width, kv_width) = (heads * head_dim, kv_heads * head_dim);
    assert!(q.len() == rows * width && out.len() == rows * width, "q or out is not [rows, heads * head_dim]");
    let total = first_position + rows;
    assert!(
        k_cache.len() >= total * kv_width && v_cache.len() >= total * kv_width,
        "cache is shorter than the rows"
    );
    if rows == 0 || width == 0 {
        return;
    }
    let scale = 1.0 / (head_dim as f32).sqrt();
    let out = Shared::new(out);
    par(heads, |head| {
        let kv = head / (heads / kv_heads) * head_dim;
        for first in (0..rows).step_by(BLOCK) {
            let n = BLOCK.min(rows - first);
            let m = first_position + first + n;
            decode_block(
                Mat::strided(&q[first * width + head * head_dim..], n, head_dim, width, 1),
                Mat::strided(&k_cache[kv..], m, head_dim, kv_width, 1),
                Mat::strided(&v_cache[kv..], m, head_dim, kv_width, 1),
                scale,
                |r| (first + r) * width + head * head_dim,
                out,
            );
        }
    });
}

/// Some query rows of one head against `m` cached keys; the last row sees all of them, each earlier one fewer.
#[allow(unsafe_code)]
fn decode_block(
    q: Mat<'_>,
    k: Mat<'_>,
    v: Mat<'_>,
    scale: f32,
    at: impl Fn(usize) -> usize,
    out: Shared<'_>,
) {
    let (n, m, d) = (q.rows(), k.rows(), q.cols());
    scratch::with(n * (m + d), |buffer| {
        let (scores, result) = buffer.split_at_mut(n * m);
        sgemm_serial(scale, q, k.t(), 0.0, MatMut::new(scores, n, m));
        for (i, row) in scores.chunks_exact_mut(m).enumerate() {
            let (seen, hidden) = row.split_at_mut(m - n + i + 1);
            hidden.fill(0.0);
            softmax_in_place(seen);
        }
        sgemm_serial(1.0, Mat::new(scores, n, m), v, 0.0, MatMut::new(result, n, d));
        for (i, row) in result.chunks_exact(d).enumerate() {
            // SAFETY: one task writes these columns of this row.
            unsafe { out.slice(at(i), d).copy_from_slice(row) };
        }
    });
}

simd! {
    /// `to[i, j] = factor * from[i, first + j]` for `d` columns and as many rows as `to` `[rows, d]` has.
    pub(crate) fn copy_columns<FMA>(from: &[f32], width: usize, first: usize, d: usize, factor: f32, to: &mut [f32]) {
        let _ = FMA;
        for (to, from) in to.chunks_exact_mut(d).zip(from.chunks(width)) {
            for (to, &v) in to.iter_mut().zip(&from[first..first + d]) {
                *to = factor * v;
            }
        }
    }

    /// `x = e^(x - lse)`.
    pub(crate) fn probabilities<FMA>(x: &mut [f32], lse: f32) {
        exp_minus::<FMA>(x, lse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention_backward::attention_backward;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    /// `(out, lse)` in f64, score by score.
    fn naive(s: &AttentionShape, qkv: &[f64], starts: &[u32]) -> (Vec<f64>, Vec<f64>) {
        let (d, width) = (s.head_dim, s.qkv_width());
        let mut out = vec![0.0; s.batch * s.time * s.out_width()];
        let mut lse = vec![0.0; s.lse_len()];
        for (b, h, i) in
            (0..s.batch).flat_map(|b| (0..s.heads).flat_map(move |h| (0..s.time).map(move |i| (b, h, i))))
        {
            let row = |t: usize, head: usize| &qkv[(b * s.time + t) * width + head * d..][..d];
            let kv = h / s.group();
            let keys = starts[b * s.time + i] as usize..=i;
            let score = |j: usize| dot64(row(i, h), row(j, s.heads + kv)) / (d as f64).sqrt();
            let sum: f64 = keys.clone().map(|j| score(j).exp()).sum();
            lse[(b * s.heads + h) * s.time + i] = sum.ln();
            for j in keys {
                let (p, v) = (score(j).exp() / sum, row(j, s.heads + s.kv_heads + kv));
                for c in 0..d {
                    out[(b * s.time + i) * s.out_width() + h * d + c] += p * v[c];
                }
            }
        }
        (out, lse)
    }

    fn shape(batch: usize, time: usize, heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
        AttentionShape { batch, time, heads, kv_heads, head_dim }
    }

    /// Causal, packed documents, and documents with a few hidden tokens.
    fn masks(s: &AttentionShape) -> [Vec<u32>; 3] {
        let rows = s.batch * s.time;
        let document =
            |i: usize| if i >= 2 * s.time / 3 { 2 * s.time / 3 } else { i.min(1) * (s.time / 3).min(1) };
        let packed: Vec<u32> =
            (0..rows).map(|r| (document(r % s.time) as u32).min((r % s.time) as u32)).collect();
        let hidden = (0..rows).map(|r| if r % 5 == 2 { (r % s.time) as u32 } else { packed[r] }).collect();
        [vec![0; rows], packed, hidden]
    }

    #[test]
    fn forward_matches_f64() {
        for s in [shape(1, 1, 1, 1, 1), shape(2, 7, 2, 1, 5), shape(1, 150, 4, 2, 8), shape(2, 131, 3, 3, 16)]
        {
            let qkv: Vec<f32> = values(s.batch * s.time * s.qkv_width(), 1).iter().map(|v| 2.0 * v).collect();
            for starts in masks(&s) {
                let (mut out, mut lse) =
                    (vec![9.0; s.batch * s.time * s.out_width()], vec![9.0; s.lse_len()]);
                attention_forward(s, &qkv, &starts, &mut out, Some(&mut lse));
                let (want, want_lse) = naive(&s, &wide(&qkv), &starts);
                assert_close(&out, &want, 1e-5);
                assert_close(&lse, &want_lse, 1e-5);
                let mut again = vec![0.0; out.len()];
                attention_forward(s, &qkv, &starts, &mut again, None);
                assert_eq!(out, again);
            }
        }
    }

    #[test]
    fn gradient_matches_f64() {
        for s in [shape(1, 1, 1, 1, 2), shape(2, 5, 2, 1, 3), shape(1, 13, 2, 2, 4)] {
            let qkv: Vec<f32> = values(s.batch * s.time * s.qkv_width(), 1).iter().map(|v| 2.0 * v).collect();
            for starts in masks(&s) {
                let (mut out, mut lse) =
                    (vec![0.0; s.batch * s.time * s.out_width()], vec![0.0; s.lse_len()]);
                attention_forward(s, &qkv, &starts, &mut out, Some(&mut lse));
                let (dout, mut dqkv) = (values(out.len(), 2), vec![9.0; qkv.len()]);
                attention_backward(s, &qkv, &starts, &out, &lse, &dout, &mut dqkv);
                let want = numeric_gradient(&wide(&qkv), |x| dot64(&naive(&s, x, &starts).0, &wide(&dout)));
                assert_close(&dqkv, &want, 1e-4);
            }
        }
    }

    #[test]
    fn gradient_over_several_blocks_follows_a_direction() {
        let s = shape(1, 200, 2, 1, 8);
        let qkv = values(200 * s.qkv_width(), 1);
        for starts in masks(&s) {
            let (mut out, mut lse) = (vec![0.0; 200 * 16], vec![0.0; s.lse_len()]);
            attention_forward(s, &qkv, &starts, &mut out, Some(&mut lse));
            let (dout, mut dqkv) = (values(out.len(), 2), vec![9.0; qkv.len()]);
            attention_backward(s, &qkv, &starts, &out, &lse, &dout, &mut dqkv);
            for seed in 3..6 {
                let direction = wide(&values(qkv.len(), seed));
                let at = |h: f64| {
                    let x: Vec<f64> = wide(&qkv).iter().zip(&direction).map(|(x, d)| x + h * d).collect();
                    dot64(&naive(&s, &x, &starts).0, &wide(&dout))
                };
                let want = (at(1e-4) - at(-1e-4)) / 2e-4;
                let got = dot64(&wide(&dqkv), &direction);
                assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{got} {want}");
            }
        }
    }

    #[test]
    fn decoding_equals_the_whole_sequence() {
        let s = shape(1, 90, 4, 2, 8);
        let (d, width) = (s.head_dim, s.qkv_width());
        let qkv = values(90 * width, 1);
        let mut want = vec![0.0; 90 * s.out_width()];
        attention_forward(s, &qkv, &[0; 90], &mut want, None);
        let columns = |first: usize, n: usize| -> Vec<f32> {
            qkv.chunks(width).flat_map(|row| row[first * d..(first + n) * d].to_vec()).collect()
        };
        let (q, k, v) = (columns(0, 4), columns(4, 2), columns(6, 2));
        for (first, rows) in [(0, 1), (0, 90), (89, 1), (10, 3), (5, 80)] {
            let mut out = vec![9.0; rows * 4 * d];
            attention_decode(
                4,
                2,
                d,
                rows,
                &q[first * 4 * d..(first + rows) * 4 * d],
                &k,
                &v,
                first,
                &mut out,
            );
            assert_close(&out, &wide(&want[first * 4 * d..(first + rows) * 4 * d]), 1e-5);
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let s = shape(3, 100, 4, 2, 8);
        let (qkv, starts) = (values(300 * s.qkv_width(), 1), vec![0; 300]);
        same_bits_at_any_thread_count(|| {
            let (mut out, mut lse) = (vec![0.0; 300 * s.out_width()], vec![0.0; s.lse_len()]);
            attention_forward(s, &qkv, &starts, &mut out, Some(&mut lse));
            let mut dqkv = vec![0.0; qkv.len()];
            attention_backward(s, &qkv, &starts, &out, &lse, &out, &mut dqkv);
            [out, lse, dqkv].concat()
        });
    }

    #[test]
    #[should_panic(expected = "starts after itself")]
    fn rows_that_see_nothing_are_refused() {
        attention_forward(shape(1, 2, 1, 1, 1), &[0.0; 6], &[0, 2], &mut [0.0; 2], None);
    }
}
