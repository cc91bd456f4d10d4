//! Attention of a few new rows against a cache of keys and values.

use crate::gemm::{Mat, MatMut, sgemm_serial};
use crate::par::{Shared, par};
use crate::scratch;
use crate::softmax::softmax_in_place;

/// Rows of a block.
const BLOCK: usize = 64;

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
