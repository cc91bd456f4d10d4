//! Gradient of [`crate::attention_forward`]; the scores are computed again from the log-sum-exp.
//!
//! With `P = e^(S - lse)`: `dV += P^T dO`, `dP = dO V^T`, `dS = P (dP - rowsum(dO O))`, `dQ = dS K / sqrt(head_dim)`,
//! `dK += dS^T Q / sqrt(head_dim)` (Dao et al. 2022).

use crate::attention::{AttentionShape, BLOCK, blocks, copy_columns, copy_transposed, probabilities};
use crate::gemm::{Mat, MatMut, sgemm_serial};
use crate::math::dot;
use crate::par::{Shared, par};
use crate::scratch;

/// Overwrites `dqkv` with the gradient of `qkv`, given `out` and `lse` of the forward pass and the gradient `dout`
/// of `out`; shapes as in [`crate::attention_forward`].
pub fn attention_backward(
    shape: AttentionShape,
    qkv: &[f32],
    starts: &[u32],
    out: &[f32],
    lse: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
) {
    let some = shape.check(qkv, starts, out);
    assert_eq!(dout.len(), out.len(), "dout is not [batch * time, heads * head_dim]");
    assert_eq!(dqkv.len(), qkv.len(), "dqkv is not [batch * time, qkv width]");
    assert_eq!(lse.len(), shape.lse_len(), "lse is not [batch, heads, time]");
    if !some {
        return;
    }
    let dqkv = Shared::new(dqkv);
    par(shape.batch * shape.kv_heads, |task| {
        let (sequence, kv_head) = (task / shape.kv_heads, task % shape.kv_heads);
        let (t, width, out_width) = (shape.time, shape.qkv_width(), shape.out_width());
        let rows = sequence * t..(sequence + 1) * t;
        let part = Sequence {
            shape: &shape,
            qkv: &qkv[rows.start * width..rows.end * width],
            starts: &starts[rows.clone()],
            out: &out[rows.start * out_width..rows.end * out_width],
            dout: &dout[rows.start * out_width..rows.end * out_width],
            lse: &lse[sequence * shape.heads * t..(sequence + 1) * shape.heads * t],
            first: rows.start * width,
        };
        part.backward(kv_head, dqkv);
    });
}

/// What belongs to one sequence.
struct Sequence<'a> {
    shape: &'a AttentionShape,
    qkv: &'a [f32],
    starts: &'a [u32],
    out: &'a [f32],
    dout: &'a [f32],
    lse: &'a [f32],
    /// Where its `dqkv` begins.
    first: usize,
}

impl Sequence<'_> {
    fn backward(&self, kv_head: usize, dqkv: Shared<'_>) {
        let shape = self.shape;
        let (t, d, width) = (shape.time, shape.head_dim, shape.qkv_width());
        let (key_column, value_column) =
            ((shape.heads + kv_head) * d, (shape.heads + shape.kv_heads + kv_head) * d);
        let sizes = [t * d; 5];
        scratch::with(sizes.iter().sum::<usize>() + BLOCK * (2 * t + 3 * d), |buffer| {
            let (keys, buffer) = buffer.split_at_mut(sizes[0]);
            let (keys_t, buffer) = buffer.split_at_mut(sizes[1]);
            let (values_t, buffer) = buffer.split_at_mut(sizes[2]);
            let (dk, buffer) = buffer.split_at_mut(sizes[3]);
            let (dv, buffer) = buffer.split_at_mut(sizes[4]);
            copy_columns(self.qkv, width, key_column, d, 1.0, keys);
            copy_transposed(self.qkv, width, key_column, d, keys_t);
            copy_transposed(self.qkv, width, value_column, d, values_t);
            dk.fill(0.0);
            dv.fill(0.0);
            for head in kv_head * shape.group()..(kv_head + 1) * shape.group() {
                self.head(head, keys, keys_t, values_t, dk, dv, buffer, dqkv);
            }
            self.write(dqkv, key_column, 0, dk);
            self.write(dqkv, value_column, 0, dv);
        });
    }

    fn head(
        &self,
        head: usize,
        keys: &[f32],
        keys_t: &[f32],
        values_t: &[f32],
        dk: &mut [f32],
        dv: &mut [f32],
        buffer: &mut [f32],
        dqkv: Shared<'_>,
    ) {
        let shape = self.shape;
        let (t, d) = (shape.time, shape.head_dim);
        let (width, out_width) = (shape.qkv_width(), shape.out_width());
        let (p, buffer) = buffer.split_at_mut(BLOCK * t);
        let (ds, buffer) = buffer.split_at_mut(BLOCK * t);
        let (queries, buffer) = buffer.split_at_mut(BLOCK * d);
        let (douts, dq) = buffer.split_at_mut(BLOCK * d);
        for b in blocks(self.starts) {
            let (n, m) = (b.rows, b.keys);
            let (p, ds) = (&mut p[..n * m], &mut ds[..n * m]);
            let (queries, douts, dq) = (&mut queries[..n * d], &mut douts[..n * d], &mut dq[..n * d]);
            // Scaled queries serve both the scores and dK.
            copy_columns(&self.qkv[b.first * width..], width, head * d, d, shape.scale(), queries);
            copy_columns(&self.dout[b.first * out_width..], out_width, head * d, d, 1.0, douts);
            let k_t = Mat::strided(&keys_t[b.low..], d, m, t, 1);
            sgemm_serial(1.0, Mat::new(queries, n, d), k_t, 0.0, MatMut::new(p, n, m));
            let v_t = Mat::strided(&values_t[b.low..], d, m, t, 1);
            sgemm_serial(1.0, Mat::new(douts, n, d), v_t, 0.0, MatMut::new(ds, n, m));
            for (i, (p, ds)) in p.chunks_exact_mut(m).zip(ds.chunks_exact_mut(m)).enumerate() {
                let at = b.first + i;
                let seen = self.starts[at] as usize - b.low..at + 1 - b.low;
                for row in [&mut *p, &mut *ds] {
                    row[..seen.start].fill(0.0);
                    row[seen.end..].fill(0.0);
                }
                let o = &self.out[at * out_width + head * d..][..d];
                let (p, ds) = (&mut p[seen.clone()], &mut ds[seen]);
                score_gradient(p, ds, self.lse[head * t + at], o, &douts[i * d..(i + 1) * d]);
            }
            let keys = Mat::new(&keys[b.low * d..(b.low + m) * d], m, d);
            sgemm_serial(shape.scale(), Mat::new(ds, n, m), keys, 0.0, MatMut::new(dq, n, d));
            let seen = b.low * d..(b.low + m) * d;
            let (douts, queries) = (Mat::new(douts, n, d), Mat::new(queries, n, d));
            sgemm_serial(1.0, Mat::new(p, n, m).t(), douts, 1.0, MatMut::new(&mut dv[seen.clone()], m, d));
            sgemm_serial(1.0, Mat::new(ds, n, m).t(), queries, 1.0, MatMut::new(&mut dk[seen], m, d));
            self.write(dqkv, head * d, b.first, dq);
        }
    }

    /// Writes `rows` `[n, head_dim]` to the columns from `column` on, starting at row `first` of the sequence.
    #[allow(unsafe_code)]
    fn write(&self, dqkv: Shared<'_>, column: usize, first: usize, rows: &[f32]) {
        let d = self.shape.head_dim;
        for (i, row) in rows.chunks_exact(d).enumerate() {
            let at = self.first + (first + i) * self.shape.qkv_width() + column;
            // SAFETY: the columns of a query head or key head of one sequence belong to one task.
            unsafe { dqkv.slice(at, d).copy_from_slice(row) };
        }
    }
}

/// `p = e^(p - lse)`, `ds = p (ds - o . dout)` for one row.
fn score_gradient(p: &mut [f32], ds: &mut [f32], lse: f32, o: &[f32], dout: &[f32]) {
    probabilities(p, lse);
    through_softmax(p, ds, o, dout);
}

simd! {
    fn through_softmax<FMA>(p: &[f32], ds: &mut [f32], o: &[f32], dout: &[f32]) {
        let inner = dot::<FMA>(o, dout);
        for (ds, &p) in ds.iter_mut().zip(p) {
            *ds = p * (*ds - inner);
        }
    }
}
