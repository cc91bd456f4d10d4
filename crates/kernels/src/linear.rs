//! The linear layer `y = act(x w^T + b)`, its gated form `silu(x w_gate^T) * (x w_up^T)`, and their gradients; weights
//! are `[out, in]`.
//!
//! The bias is added before a product is written; activation and gate are applied to each part of it as soon as it is
//! final, while it is in the cache.

use crate::activation::{Activation, activate, activate_in_place, activated_and_gradient};
use crate::gemm::{
    Done, Mat, MatMut, sgemm, sgemm_add_with_sums, sgemm_ahead, sgemm_bias, sgemm_gated, sgemm_then,
};
use crate::par::Shared;
use crate::swiglu::{gate_backward, gate_forward};

/// `y = act(x w^T + bias)`: `x` `[rows, n_in]`, `w` `[n_out, n_in]`, `y` `[rows, n_out]`. `pre` receives what the
/// activation is applied to, which its derivative needs.
pub fn linear_forward(
    rows: usize,
    n_in: usize,
    n_out: usize,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    act: Activation,
    y: &mut [f32],
    pre: Option<&mut [f32]>,
) {
    check(rows, n_in, n_out, x, w, y);
    assert!(bias.is_none_or(|b| b.len() == n_out), "bias is not [n_out]");
    let (x, w) = (Mat::new(x, rows, n_in), Mat::new(w, n_out, n_in).t());
    match pre {
        Some(pre) => {
            assert_eq!(pre.len(), y.len(), "pre is not [rows, n_out]");
            let y = Shared::new(y);
            let ahead = |part: Done<'_>| beside(&part, y, n_out, 0).ahead();
            sgemm_ahead(x, w, bias, MatMut::new(pre, rows, n_out), &ahead, &|mut part| {
                let mut y = beside(&part, y, n_out, 0);
                activate(act, &mut part, &mut y);
            });
        }
        None if act == Activation::None => sgemm_bias(x, w, bias, MatMut::new(y, rows, n_out)),
        None => {
            sgemm_then(x, w, bias, MatMut::new(y, rows, n_out), &|mut part| {
                activate_in_place(act, &mut part);
            });
        }
    }
}

/// `gate_up = x w^T + bias` with the gate in the first half of the columns, and `y = silu(gate) * up`: `x`
/// `[rows, n_in]`, `w` `[2 ff, n_in]`, `gate_up` `[rows, 2 ff]`, `y` `[rows, ff]` (Shazeer 2020).
pub fn linear_swiglu_forward(
    rows: usize,
    n_in: usize,
    ff: usize,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    gate_up: &mut [f32],
    y: &mut [f32],
) {
    check(rows, n_in, 2 * ff, x, w, gate_up);
    assert!(bias.is_none_or(|b| b.len() == 2 * ff), "bias is not [2 ff]");
    assert_eq!(y.len(), rows * ff, "y is not [rows, ff]");
    let y = Shared::new(y);
    let (x, w) = (Mat::new(x, rows, n_in), Mat::new(w, 2 * ff, n_in).t());
    sgemm_gated(x, w, bias, MatMut::new(gate_up, rows, 2 * ff), &|mut part, mut other| {
        let mut y = beside(&part, y, ff, 0);
        gate_forward(&mut part, &mut other, &mut y);
    });
}

/// The same part of another array, `shift` columns further right, for whoever finishes the part.
#[allow(unsafe_code)]
fn beside<'a>(part: &Done<'a>, array: Shared<'a>, row_stride: usize, shift: usize) -> Done<'a> {
    // SAFETY: a part of a product is finished once, by one task, which holds the rows of each array that it finishes with
    // it for no longer than that; what is asked for ahead of time is not held.
    unsafe { part.beside(array, row_stride, shift) }
}

/// `dx = dy w` (or `dx += dy w`): `dy` `[rows, n_out]`, `w` `[n_out, n_in]`, `dx` `[rows, n_in]`.
pub fn linear_backward_input(
    rows: usize,
    n_in: usize,
    n_out: usize,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    accumulate: bool,
) {
    check(rows, n_in, n_out, dx, w, dy);
    let beta = if accumulate { 1.0 } else { 0.0 };
    sgemm(1.0, Mat::new(dy, rows, n_out), Mat::new(w, n_out, n_in), beta, MatMut::new(dx, rows, n_in));
}

/// Back through a linear layer and the activation before it, in place: with `dz = dy w`, `pre` becomes `dz act'(pre)`, and
/// `z` receives `act(pre)`, which the gradient of `w` needs. `dy` `[rows, n_out]`, `w` `[n_out, n_in]`, `pre` and `z`
/// `[rows, n_in]`.
pub fn linear_backward_activated(
    rows: usize,
    n_in: usize,
    n_out: usize,
    dy: &[f32],
    w: &[f32],
    act: Activation,
    pre: &mut [f32],
    z: &mut [f32],
) {
    check(rows, n_in, n_out, z, w, dy);
    assert_eq!(pre.len(), z.len(), "pre is not [rows, n_in]");
    let pre = Shared::new(pre);
    let (dy, w) = (Mat::new(dy, rows, n_out), Mat::new(w, n_out, n_in));
    let ahead = |part: Done<'_>| beside(&part, pre, n_in, 0).ahead();
    // The product is the gradient of `z`, which then makes room for `z` itself.
    sgemm_ahead(dy, w, None, MatMut::new(z, rows, n_in), &ahead, &|mut part| {
        let mut pre = beside(&part, pre, n_in, 0);
        activated_and_gradient(act, &mut pre, &mut part);
    });
}

/// The same for the gated form: with `dz = dy w`, `gate_up` becomes the gradients of gate and up, and `z` receives
/// `silu(gate) * up`. `dy` `[rows, n_out]`, `w` `[n_out, ff]`, `gate_up` `[rows, 2 ff]`, `z` `[rows, ff]`.
pub fn linear_backward_gated(
    rows: usize,
    ff: usize,
    n_out: usize,
    dy: &[f32],
    w: &[f32],
    gate_up: &mut [f32],
    z: &mut [f32],
) {
    check(rows, ff, n_out, z, w, dy);
    assert_eq!(gate_up.len(), rows * 2 * ff, "gate_up is not [rows, 2 ff]");
    let gate_up = Shared::new(gate_up);
    let (dy, w) = (Mat::new(dy, rows, n_out), Mat::new(w, n_out, ff));
    let ahead = |part: Done<'_>| {
        beside(&part, gate_up, 2 * ff, 0).ahead();
        beside(&part, gate_up, 2 * ff, ff).ahead();
    };
    sgemm_ahead(dy, w, None, MatMut::new(z, rows, ff), &ahead, &|mut part| {
        let (mut gate, mut up) = (beside(&part, gate_up, 2 * ff, 0), beside(&part, gate_up, 2 * ff, ff));
        gate_backward(&mut gate, &mut up, &mut part);
    });
}

/// `dw += dy^T x` and `dbias += column sums of dy`: `dy` `[rows, n_out]`, `x` `[rows, n_in]`, `dw` `[n_out, n_in]`.
pub fn linear_backward_weight(
    rows: usize,
    n_in: usize,
    n_out: usize,
    dy: &[f32],
    x: &[f32],
    dw: &mut [f32],
    dbias: Option<&mut [f32]>,
) {
    check(rows, n_in, n_out, x, dw, dy);
    let (dy, x, dw) = (Mat::new(dy, rows, n_out).t(), Mat::new(x, rows, n_in), MatMut::new(dw, n_out, n_in));
    match dbias {
        Some(dbias) => sgemm_add_with_sums(dy, x, dw, dbias),
        None => sgemm(1.0, dy, x, 1.0, dw),
    }
}

fn check(rows: usize, n_in: usize, n_out: usize, x: &[f32], w: &[f32], y: &[f32]) {
    assert_eq!(x.len(), rows * n_in, "input is not [rows, n_in]");
    assert_eq!(w.len(), n_out * n_in, "weight is not [n_out, n_in]");
    assert_eq!(y.len(), rows * n_out, "output is not [rows, n_out]");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values, wide};

    /// `x w^T + b` in f64.
    fn naive(rows: usize, n_in: usize, n_out: usize, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f64> {
        let (x, w) = (wide(x), wide(w));
        (0..rows * n_out)
            .map(|i| {
                let (r, o) = (i / n_out, i % n_out);
                (0..n_in).map(|j| x[r * n_in + j] * w[o * n_in + j]).sum::<f64>() + f64::from(b[o])
            })
            .collect()
    }

    const SHAPES: [(usize, usize, usize); 6] =
        [(1, 1, 1), (1, 7, 13), (5, 3, 2), (67, 31, 17), (130, 48, 96), (259, 96, 101)];

    #[test]
    fn forward_matches_f64() {
        for (rows, n_in, n_out) in SHAPES {
            let (x, w, b) = (values(rows * n_in, 1), values(n_out * n_in, 2), values(n_out, 3));
            let want = naive(rows, n_in, n_out, &x, &w, &b);
            let (mut y, mut pre, mut z) =
                (vec![5.0; rows * n_out], vec![5.0; rows * n_out], vec![5.0; rows * n_out]);
            let relu = Activation::Relu;
            linear_forward(rows, n_in, n_out, &x, &w, Some(&b), relu, &mut y, Some(&mut pre));
            linear_forward(rows, n_in, n_out, &x, &w, Some(&b), relu, &mut z, None);
            assert_close(&pre, &want, 1e-5);
            assert_close(&y, &want.iter().map(|v| v.max(0.0)).collect::<Vec<_>>(), 1e-5);
            assert_eq!(y, z);
            let plain = naive(rows, n_in, n_out, &x, &w, &vec![0.0; n_out]);
            linear_forward(rows, n_in, n_out, &x, &w, None, Activation::None, &mut y, None);
            assert_close(&y, &plain, 1e-5);
            linear_forward(rows, n_in, n_out, &x, &w, None, relu, &mut y, Some(&mut pre));
            assert_close(&pre, &plain, 1e-5);
            assert_close(&y, &plain.iter().map(|v| v.max(0.0)).collect::<Vec<_>>(), 1e-5);
        }
    }

    #[test]
    fn gradients_match_f64_and_accumulate() {
        for (rows, n_in, n_out) in SHAPES {
            let (x, w, dy) = (values(rows * n_in, 1), values(n_out * n_in, 2), values(rows * n_out, 3));
            let (x64, w64, dy64) = (wide(&x), wide(&w), wide(&dy));
            let want: Vec<f64> = (0..rows * n_in)
                .map(|i| (0..n_out).map(|o| dy64[i / n_in * n_out + o] * w64[o * n_in + i % n_in]).sum())
                .collect();
            let mut dx = vec![5.0; rows * n_in];
            linear_backward_input(rows, n_in, n_out, &dy, &w, &mut dx, false);
            assert_close(&dx, &want, 1e-5);
            linear_backward_input(rows, n_in, n_out, &dy, &w, &mut dx, true);
            assert_close(&dx, &want.iter().map(|v| 2.0 * v).collect::<Vec<_>>(), 1e-5);

            let want: Vec<f64> = (0..n_out * n_in)
                .map(|i| {
                    1.0 + (0..rows)
                        .map(|r| dy64[r * n_out + i / n_in] * x64[r * n_in + i % n_in])
                        .sum::<f64>()
                })
                .collect();
            let (mut dw, mut db) = (vec![1.0; n_out * n_in], vec![2.0; n_out]);
            linear_backward_weight(rows, n_in, n_out, &dy, &x, &mut dw, Some(&mut db));
            assert_close(&dw, &want, 1e-5);
            let want: Vec<f64> =
                (0..n_out).map(|o| 2.0 + (0..rows).map(|r| dy64[r * n_out + o]).sum::<f64>()).collect();
            assert_close(&db, &want, 1e-5);
        }
    }

    #[test]
    fn a_gated_layer_is_the_layer_and_then_the_gate() {
        for (rows, n_in, ff) in [(1, 3, 16), (70, 20, 48), (5, 7, 13), (300, 33, 160)] {
            let (x, w, b) = (values(rows * n_in, 1), values(2 * ff * n_in, 2), values(2 * ff, 3));
            for bias in [None, Some(&b[..])] {
                let (mut apart, mut want) = (vec![0.0; rows * 2 * ff], vec![0.0; rows * ff]);
                linear_forward(rows, n_in, 2 * ff, &x, &w, bias, Activation::None, &mut apart, None);
                crate::swiglu_forward(rows, ff, &apart, &mut want);
                let (mut gate_up, mut y) = (vec![9.0; rows * 2 * ff], vec![9.0; rows * ff]);
                linear_swiglu_forward(rows, n_in, ff, &x, &w, bias, &mut gate_up, &mut y);
                assert_close(&gate_up, &wide(&apart), 1e-6);
                assert_close(&y, &wide(&want), 1e-6);

                let (n_out, w2) = (11, values(11 * ff, 4));
                let dy = values(rows * n_out, 5);
                let (mut dz, mut want_gradient) = (vec![0.0; rows * ff], vec![0.0; rows * 2 * ff]);
                linear_backward_input(rows, ff, n_out, &dy, &w2, &mut dz, false);
                crate::swiglu_backward(rows, ff, &apart, &dz, &mut want_gradient);
                let (mut gradient, mut z) = (gate_up.clone(), vec![9.0; rows * ff]);
                linear_backward_gated(rows, ff, n_out, &dy, &w2, &mut gradient, &mut z);
                assert_close(&gradient, &wide(&want_gradient), 1e-6);
                assert_close(&z, &wide(&want), 1e-6);
            }
        }
    }

    #[test]
    fn a_gradient_through_an_activation_is_the_product_and_then_the_derivative() {
        for act in
            [Activation::None, Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu]
        {
            let (rows, n_in, n_out) = (67, 50, 21);
            let (dy, w, pre) = (values(rows * n_out, 1), values(n_out * n_in, 2), values(rows * n_in, 3));
            let (mut want, mut want_z) = (vec![0.0; rows * n_in], vec![0.0; rows * n_in]);
            linear_backward_input(rows, n_in, n_out, &dy, &w, &mut want, false);
            crate::activation_backward(act, &pre, &mut want);
            crate::activation_forward(act, &pre, &mut want_z);
            let (mut dpre, mut z) = (pre.clone(), vec![9.0; rows * n_in]);
            linear_backward_activated(rows, n_in, n_out, &dy, &w, act, &mut dpre, &mut z);
            assert_close(&dpre, &wide(&want), 1e-6);
            assert_close(&z, &wide(&want_z), 1e-6);
        }
    }

    /// Several chunks of `k` and of columns: what is added beside a product is added once.
    #[test]
    fn biases_and_their_gradients_count_once_in_chunks() {
        let (rows, n_in, n_out) = (1600, 1400, 40);
        let (x, dy) = (values(rows * n_in, 1), values(rows * n_out, 2));
        let sums: Vec<f64> =
            (0..n_out).map(|o| 1.0 + (0..rows).map(|r| f64::from(dy[r * n_out + o])).sum::<f64>()).collect();
        for threads in [1, 2, 19] {
            let mut db = vec![1.0; n_out];
            crate::with_threads(threads, || {
                let mut dw = vec![0.0; n_out * n_in];
                linear_backward_weight(rows, n_in, n_out, &dy, &x, &mut dw, Some(&mut db));
            });
            assert_close(&db, &sums, 1e-5);
        }
        let (rows, n_in, n_out) = (40, 1600, 1400);
        let (w, b) = (values(n_out * n_in, 3), values(n_out, 4));
        let x = &x[..rows * n_in];
        let (mut with, mut without) = (vec![0.0; rows * n_out], vec![0.0; rows * n_out]);
        linear_forward(rows, n_in, n_out, x, &w, Some(&b), Activation::None, &mut with, None);
        linear_forward(rows, n_in, n_out, x, &w, None, Activation::None, &mut without, None);
        let want: Vec<f64> =
            without.iter().enumerate().map(|(i, &y)| f64::from(y) + f64::from(b[i % n_out])).collect();
        assert_close(&with, &want, 1e-6);
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (rows, n_in, n_out) = (700, 96, 130);
        let (x, w, b) = (values(rows * n_in, 1), values(n_out * n_in, 2), values(n_out, 3));
        same_bits_at_any_thread_count(|| {
            let (mut y, mut pre) = (vec![0.0; rows * n_out], vec![0.0; rows * n_out]);
            linear_forward(rows, n_in, n_out, &x, &w, Some(&b), Activation::Gelu, &mut y, Some(&mut pre));
            let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; n_out]);
            linear_backward_input(rows, n_in, n_out, &y, &w, &mut dx, false);
            linear_backward_weight(rows, n_in, n_out, &y, &x, &mut dw, Some(&mut db));
            [y, pre, dx, dw, db].concat()
        });
    }
}
