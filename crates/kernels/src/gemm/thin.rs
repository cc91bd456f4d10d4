//! Products with very few rows or columns, as in writing with a model token by token. Each element of the large side is
//! used a few times only, so copying it into panels would cost more than the product: it is read where it lies.

use super::{Mat, MatMut};
use crate::isa::fma;
use crate::math::LANES;
use crate::par::{Shared, par};

/// Most rows (or columns) of a thin product.
const MOST: usize = 4;
/// Elements of the large side that a task reads.
const TASK: usize = 1 << 16;

/// Whether the product is thin and its layout one that can be read in place.
pub(super) fn fits(a: &Mat<'_>, b: &Mat<'_>) -> bool {
    let dots = a.col_stride == 1 && b.row_stride == 1;
    (a.rows <= MOST && (dots || b.col_stride == 1)) || (b.cols <= MOST && dots)
}

/// `C = alpha A B + beta C`, where [`fits`]; rows of `C` lie together.
pub(super) fn product(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: &mut MatMut<'_>, parallel: bool) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let each = |n: usize, per: usize, f: &(dyn Fn(usize, usize) + Sync)| {
        let tasks = n.div_ceil(per);
        let run = |i: usize| f(i * per, per.min(n - i * per));
        if parallel { par(tasks, run) } else { (0..tasks).for_each(run) }
    };
    let (row_stride, out) = (c.row_stride, Shared::new(&mut *c.data));
    let put = |row: usize, col: usize, sum: f32| {
        let at = put_slice(out, row * row_stride + col, 1);
        at[0] = alpha * sum + if beta == 0.0 { 0.0 } else { beta * at[0] };
    };
    if a.col_stride == 1 && b.row_stride == 1 {
        // Dot products of lines. The side with more lines is cut into tasks.
        let line = |side: &Mat<'_>, i: usize, stride: usize| -> std::ops::Range<usize> {
            let _ = side;
            i * stride..i * stride + k
        };
        let (few, many, turned) = if m <= n { (m, n, false) } else { (n, m, true) };
        each(many, (TASK / k).max(1), &|first, count| {
            for i in first..first + count {
                for j in 0..few {
                    let (row, col) = if turned { (i, j) } else { (j, i) };
                    let (x, y) = (line(&a, row, a.row_stride), line(&b, col, b.col_stride));
                    put(row, col, dot(&a.data[x], &b.data[y]));
                }
            }
        });
    } else {
        each(n, (TASK / k).max(64).next_multiple_of(LANES), &|first, count| {
            for row in 0..m {
                let left = (&a.data[row * a.row_stride..], a.col_stride);
                let to = put_slice(out, row * row_stride + first, count);
                combine(alpha, left, &b.data[first..], b.row_stride, k, beta, to);
            }
        });
    }
}

/// The floats `at .. at + len` of the result.
#[allow(unsafe_code)]
fn put_slice<'a>(out: Shared<'a>, at: usize, len: usize) -> &'a mut [f32] {
    // SAFETY: each part of the result is written by one task, and held only while it is written.
    unsafe { out.slice(at, len) }
}

simd! {
    fn dot<FMA>(x: &[f32], y: &[f32]) -> f32 {
        crate::math::dot::<FMA>(x, y)
    }

    /// `to = alpha sum_p left[p] right[p] + beta to`, for rows of the right side `stride` apart.
    fn combine<FMA>(
        alpha: f32, left: (&[f32], usize), right: &[f32], stride: usize, k: usize, beta: f32, to: &mut [f32],
    ) {
        for (block, to) in to.chunks_mut(LANES).enumerate() {
            let mut sums = [0.0f32; LANES];
            let right = &right[block * LANES..];
            if to.len() == LANES {
                for p in 0..k {
                    let x = left.0[p * left.1];
                    let row = &right[p * stride..][..LANES];
                    for l in 0..LANES {
                        sums[l] = fma::<FMA>(x, row[l], sums[l]);
                    }
                }
            } else {
                for p in 0..k {
                    let x = left.0[p * left.1];
                    for (sum, &r) in sums.iter_mut().zip(&right[p * stride..][..to.len()]) {
                        *sum = fma::<FMA>(x, r, *sum);
                    }
                }
            }
            for (to, sum) in to.iter_mut().zip(sums) {
                *to = alpha * sum + if beta == 0.0 { 0.0 } else { beta * *to };
            }
        }
    }
}
