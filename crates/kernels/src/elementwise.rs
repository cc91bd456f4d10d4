//! Elementwise loops: addition, multiplication, scaling.

use crate::activation::{BLOCK, add_block};
use crate::isa::fma;
use crate::par::par_rows;

/// `y += a x`.
pub fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "slices differ in length");
    par_rows(y, 1, BLOCK, |first, y| axpy_block(a, &x[first..first + y.len()], y));
}

/// `x *= a`.
pub fn scale(a: f32, x: &mut [f32]) {
    par_rows(x, 1, BLOCK, |_, x| scale_block(a, x));
}

/// `y += x`.
pub fn add_into(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "slices differ in length");
    par_rows(y, 1, BLOCK, |first, y| add_block(y, &x[first..first + y.len()]));
}

/// `out = a + b`.
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "slices differ in length");
    par_rows(out, 1, BLOCK, |first, out| {
        let n = out.len();
        add_out(&a[first..first + n], &b[first..first + n], out);
    });
}

/// `out = a * b`.
pub fn mul(a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "slices differ in length");
    par_rows(out, 1, BLOCK, |first, out| {
        let n = out.len();
        mul_out(&a[first..first + n], &b[first..first + n], out);
    });
}

/// `out += a * b`.
pub fn mul_into(a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "slices differ in length");
    par_rows(out, 1, BLOCK, |first, out| {
        let n = out.len();
        mul_add_out(&a[first..first + n], &b[first..first + n], out);
    });
}

simd! {
    /// `y += a x` on the calling thread.
    pub(crate) fn axpy_block<FMA>(a: f32, x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = fma::<FMA>(a, x, *y);
        }
    }

    fn scale_block<FMA>(a: f32, x: &mut [f32]) {
        let _ = FMA;
        x.iter_mut().for_each(|x| *x *= a);
    }

    fn add_out<FMA>(a: &[f32], b: &[f32], out: &mut [f32]) {
        let _ = FMA;
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = a + b;
        }
    }

    fn mul_out<FMA>(a: &[f32], b: &[f32], out: &mut [f32]) {
        let _ = FMA;
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = a * b;
        }
    }

    fn mul_add_out<FMA>(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *o = fma::<FMA>(a, b, *o);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn loops_match_scalars() {
        for n in [0, 1, 37, BLOCK + 3] {
            let (a, b) = (values(n, 1), values(n, 2));
            let check = |got: &[f32], want: &dyn Fn(usize) -> f32| {
                assert!((0..n).all(|i| (got[i] - want(i)).abs() <= 1e-6));
            };
            let mut y = b.clone();
            axpy(0.5, &a, &mut y);
            check(&y, &|i| b[i] + 0.5 * a[i]);
            scale(2.0, &mut y);
            check(&y, &|i| 2.0 * b[i] + a[i]);
            add_into(&a, &mut y);
            check(&y, &|i| 2.0 * b[i] + 2.0 * a[i]);
            add(&a, &b, &mut y);
            check(&y, &|i| a[i] + b[i]);
            mul(&a, &b, &mut y);
            check(&y, &|i| a[i] * b[i]);
            mul_into(&a, &b, &mut y);
            check(&y, &|i| 2.0 * a[i] * b[i]);
        }
    }
}
