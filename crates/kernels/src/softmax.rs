//! Softmax over the rows of a matrix, and its gradient.

use crate::isa::fma;
use crate::math::{dot, exp, fold, max};
use crate::par::{par_rows, rows_per_task};

/// `y[i] = softmax(x[i])` for `x`, `y` `[rows, n]`.
pub fn softmax_rows(rows: usize, n: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), rows * n, "input is not [rows, n]");
    assert_eq!(y.len(), rows * n, "output is not [rows, n]");
    if n == 0 {
        return;
    }
    par_rows(y, n, rows_per_task(n), |first, block| {
        for (i, y) in block.chunks_exact_mut(n).enumerate() {
            y.copy_from_slice(&x[(first + i) * n..][..n]);
            softmax_in_place(y);
        }
    });
}

/// `dx[i] = y[i] * (dy[i] - y[i] . dy[i])` for the softmax `y` and its gradient `dy`, all `[rows, n]`.
pub fn softmax_rows_backward(rows: usize, n: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert_eq!(y.len(), rows * n, "softmax is not [rows, n]");
    assert_eq!(dy.len(), rows * n, "gradient is not [rows, n]");
    assert_eq!(dx.len(), rows * n, "output is not [rows, n]");
    if n == 0 {
        return;
    }
    par_rows(dx, n, rows_per_task(n), |first, block| {
        for (i, dx) in block.chunks_exact_mut(n).enumerate() {
            let at = (first + i) * n;
            backward_row(&y[at..at + n], &dy[at..at + n], dx);
        }
    });
}

simd! {
    /// Softmax of one row in place; returns `ln(sum of e^x)`.
    pub(crate) fn softmax_in_place<FMA>(x: &mut [f32]) -> f32 {
        let top = max(x);
        let sum = exp_minus::<FMA>(x, top);
        let inverse = 1.0 / sum;
        x.iter_mut().for_each(|x| *x *= inverse);
        top + sum.ln()
    }

    fn backward_row<FMA>(y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let inner = dot::<FMA>(y, dy);
        for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = fma::<FMA>(y, dy, -(y * inner));
        }
    }
}

/// `x = e^(x - top)` in place; returns the sum.
#[inline(always)]
pub(crate) fn exp_minus<const FMA: bool>(x: &mut [f32], top: f32) -> f32 {
    x.iter_mut().for_each(|x| *x = exp::<FMA>(*x - top));
    fold(x, |x, s| s + x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    fn naive(n: usize, x: &[f64]) -> Vec<f64> {
        x.chunks(n)
            .flat_map(|row| {
                let sum: f64 = row.iter().map(|v| v.exp()).sum();
                row.iter().map(move |v| v.exp() / sum).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn forward_and_gradient_match_f64() {
        for (rows, n) in [(1, 1), (3, 7), (4, 33), (2, 100)] {
            let x: Vec<f32> = values(rows * n, 1).iter().map(|v| v * 4.0).collect();
            let up = values(rows * n, 2);
            let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            softmax_rows(rows, n, &x, &mut y);
            assert_close(&y, &naive(n, &wide(&x)), 1e-6);
            softmax_rows_backward(rows, n, &y, &up, &mut dx);
            let want = numeric_gradient(&wide(&x), |x| dot64(&naive(n, x), &wide(&up)));
            assert_close(&dx, &want, 1e-5);
        }
    }

    #[test]
    fn large_values_do_not_overflow_and_nan_shows() {
        let mut x = [3000.0, 2999.0, -3000.0];
        let lse = softmax_in_place(&mut x);
        assert!((x[0] - 0.731_058_6).abs() < 1e-6 && x[2] == 0.0 && (lse - 3_000.313_2).abs() < 1e-3);
        let mut x = [1.0, f32::NAN, 2.0];
        assert!(softmax_in_place(&mut x).is_nan() && x.iter().all(|v| v.is_nan()));
    }

    #[test]
    fn threads_do_not_change_bits() {
        let x = values(300 * 500, 1);
        same_bits_at_any_thread_count(|| {
            let mut y = vec![0.0; x.len()];
            softmax_rows(300, 500, &x, &mut y);
            y
        });
    }
}
