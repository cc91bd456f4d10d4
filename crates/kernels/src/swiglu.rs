//! The gated feed-forward product `silu(gate) * up` (Shazeer 2020, "GLU variants improve transformer").

use crate::activation::silu_derivative;
use crate::gemm::Done;
use crate::math::{pieces, sigmoid};
use crate::par::{par_rows, rows_per_task};

/// `out = silu(gate) * up`; `gate_up` is `[rows, 2 * ff]` with the gate first, `out` is `[rows, ff]`.
pub fn swiglu_forward(rows: usize, ff: usize, gate_up: &[f32], out: &mut [f32]) {
    assert_eq!(gate_up.len(), rows * 2 * ff, "gate_up is not [rows, 2 * ff]");
    assert_eq!(out.len(), rows * ff, "out is not [rows, ff]");
    if ff == 0 {
        return;
    }
    par_rows(out, ff, rows_per_task(2 * ff), |first, out| {
        for (i, y) in out.chunks_exact_mut(ff).enumerate() {
            let (gate, up) = gate_up[(first + i) * 2 * ff..][..2 * ff].split_at(ff);
            forward_row(gate, up, y);
        }
    });
}

/// `dgate = dout * up * silu'(gate)` and `dup = dout * silu(gate)`, written to `dgate_up` `[rows, 2 * ff]`.
pub fn swiglu_backward(rows: usize, ff: usize, gate_up: &[f32], dout: &[f32], dgate_up: &mut [f32]) {
    assert_eq!(gate_up.len(), rows * 2 * ff, "gate_up is not [rows, 2 * ff]");
    assert_eq!(dgate_up.len(), rows * 2 * ff, "dgate_up is not [rows, 2 * ff]");
    assert_eq!(dout.len(), rows * ff, "dout is not [rows, ff]");
    if ff == 0 {
        return;
    }
    par_rows(dgate_up, 2 * ff, rows_per_task(2 * ff), |first, block| {
        for (i, d) in block.chunks_exact_mut(2 * ff).enumerate() {
            let (gate, up) = gate_up[(first + i) * 2 * ff..][..2 * ff].split_at(ff);
            let (dgate, dup) = d.split_at_mut(ff);
            backward_row(gate, up, &dout[(first + i) * ff..][..ff], dgate, dup);
        }
    });
}

simd! {
    fn forward_row<FMA>(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
            *y = g * sigmoid::<FMA>(g) * u;
        }
    }

    /// `y = silu(gate) * up` on a part of a product.
    pub(crate) fn gate_forward<FMA>(gate: &mut Done<'_>, up: &mut Done<'_>, y: &mut Done<'_>) {
        for i in 0..gate.rows {
            let (gate, up, y) = (gate.row(i), up.row(i), y.row(i));
            pieces!(|y: &mut f32, g: &mut f32, u: &mut f32| *y = *g * sigmoid::<FMA>(*g) * *u, y, gate, up);
        }
    }

    /// From the gradient `z` of `silu(gate) * up`: the gradients of gate and up in their places, and the value in `z`'s, on
    /// a part of a product.
    pub(crate) fn gate_backward<FMA>(gate: &mut Done<'_>, up: &mut Done<'_>, z: &mut Done<'_>) {
        for i in 0..gate.rows {
            let (gate, up, z) = (gate.row(i), up.row(i), z.row(i));
            pieces!(
                |g: &mut f32, u: &mut f32, z: &mut f32| {
                    let (y, slope) = silu_derivative::<FMA>(*g);
                    (*g, *u, *z) = (*z * *u * slope, *z * y, y * *u);
                },
                gate,
                up,
                z
            );
        }
    }

    fn backward_row<FMA>(gate: &[f32], up: &[f32], dout: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
        let n = gate.len();
        let (up, dout, dgate, dup) = (&up[..n], &dout[..n], &mut dgate[..n], &mut dup[..n]);
        for i in 0..n {
            let (y, dy) = silu_derivative::<FMA>(gate[i]);
            dgate[i] = dout[i] * up[i] * dy;
            dup[i] = dout[i] * y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    fn naive(rows: usize, ff: usize, x: &[f64]) -> Vec<f64> {
        (0..rows * ff)
            .map(|i| {
                let (g, u) = (x[i / ff * 2 * ff + i % ff], x[i / ff * 2 * ff + ff + i % ff]);
                g / (1.0 + (-g).exp()) * u
            })
            .collect()
    }

    #[test]
    fn forward_and_gradient_match_f64() {
        for (rows, ff) in [(1, 1), (3, 7), (5, 33)] {
            let x: Vec<f32> = values(rows * 2 * ff, 1).iter().map(|v| v * 3.0).collect();
            let up = values(rows * ff, 2);
            let (mut y, mut dx) = (vec![0.0; rows * ff], vec![9.0; x.len()]);
            swiglu_forward(rows, ff, &x, &mut y);
            assert_close(&y, &naive(rows, ff, &wide(&x)), 1e-6);
            swiglu_backward(rows, ff, &x, &up, &mut dx);
            let want = numeric_gradient(&wide(&x), |x| dot64(&naive(rows, ff, x), &wide(&up)));
            assert_close(&dx, &want, 1e-5);
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (rows, ff) = (200, 300);
        let (x, up) = (values(rows * 2 * ff, 1), values(rows * ff, 2));
        same_bits_at_any_thread_count(|| {
            let mut dx = vec![0.0; x.len()];
            swiglu_backward(rows, ff, &x, &up, &mut dx);
            dx
        });
    }
}
