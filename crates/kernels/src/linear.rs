//! The linear layer `y = act(x w^T + b)` and its gradients; weights are `[out, in]`.

use crate::activation::{Activation, bias_forward, bias_in_place};
use crate::gemm::{Mat, MatMut, sgemm, sgemm_serial};
use crate::par::{par_rows, par_rows2, rows_per_task};
use crate::reduce::add_column_sums;
use crate::transpose::with_transposed;

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
    if rows == 0 || n_out == 0 {
        return;
    }
    if let Some(pre) = pre {
        assert_eq!(pre.len(), y.len(), "pre is not [rows, n_out]");
        let finish = |pre: &mut [f32], y: &mut [f32]| bias_forward(act, bias, n_out, pre, y);
        if rows < TURN_ROWS {
            sgemm(
                1.0,
                Mat::new(x, rows, n_in),
                Mat::new(w, n_out, n_in).t(),
                0.0,
                MatMut::new(pre, rows, n_out),
            );
            return par_rows2((pre, n_out), (y, n_out), rows_per_task(n_out), |_, pre, y| finish(pre, y));
        }
        with_transposed(n_out, n_in, w, |w| {
            par_rows2((pre, n_out), (y, n_out), block_rows(rows), |first, pre, y| {
                block_product(1.0, &x[first * n_in..], w, pre, n_out);
                finish(pre, y);
            });
        });
    } else {
        let finish = |y: &mut [f32]| bias_in_place(act, bias, n_out, y);
        if rows < TURN_ROWS {
            sgemm(
                1.0,
                Mat::new(x, rows, n_in),
                Mat::new(w, n_out, n_in).t(),
                0.0,
                MatMut::new(y, rows, n_out),
            );
            return par_rows(y, n_out, rows_per_task(n_out), |_, y| finish(y));
        }
        with_transposed(n_out, n_in, w, |w| {
            par_rows(y, n_out, block_rows(rows), |first, y| {
                block_product(1.0, &x[first * n_in..], w, y, n_out);
                finish(y);
            });
        });
    }
}

/// With fewer rows than this a transposed copy of the weight does not pay.
pub(crate) const TURN_ROWS: usize = 48;

/// Rows of a task of a forward product: 8 blocks or more, at most 192 rows (the packed weight is then used often
/// enough), and a multiple of 6, the width of the register tile.
pub(crate) fn block_rows(rows: usize) -> usize {
    let blocks = rows.div_ceil(192).next_multiple_of(8);
    rows.div_ceil(blocks).next_multiple_of(6).max(48)
}

/// `y = alpha x wt` for as many rows as `y` has, which lie `stride` apart; `wt` is `[n_in, n_out]`.
pub(crate) fn block_product(alpha: f32, x: &[f32], wt: Mat<'_>, y: &mut [f32], stride: usize) {
    let (n_in, n_out) = (wt.rows(), wt.cols());
    let rows = y.len() / stride;
    let y = MatMut::strided(y, rows, n_out, stride, 1);
    sgemm_serial(alpha, Mat::new(&x[..rows * n_in], rows, n_in), wt, 0.0, y);
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
    sgemm(1.0, Mat::new(dy, rows, n_out).t(), Mat::new(x, rows, n_in), 1.0, MatMut::new(dw, n_out, n_in));
    if let Some(dbias) = dbias {
        assert_eq!(dbias.len(), n_out, "dbias is not [n_out]");
        add_column_sums(rows, n_out, dy, dbias);
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
