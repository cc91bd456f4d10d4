//! Elementary functions that vectorise: exponential, sigmoid, error function, and sums over lanes.
//!
//! All polynomials were fitted for this crate (iteratively reweighted least squares on Chebyshev nodes).
//! NaN goes through every one of them, so a diverged run shows.

use crate::isa::fma;

/// Lanes of explicit partial sums: two AVX-512 or four AVX2 registers (sums of `f32` are not re-associated by the
/// compiler, and one register would wait for its own additions).
pub(crate) const LANES: usize = 32;

/// Below this, `exp` is zero: results under 1e-30 lead to denormal products, which are slow and mean nothing.
const EXP_FLUSH: f32 = -69.0;
/// The natural logarithm of the largest finite `f32`.
const EXP_MAX: f32 = 88.722_83;

/// `e^x`, relative error below 2e-7; 0 under -69 (see [`EXP_FLUSH`]), infinite above the range of `f32`.
///
/// `x = n ln 2 + r` with `|r| <= ln(2)/2`; `e^r = 1 + r + r^2 q(r)`; `n` is added to the exponent bits.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // 1.5 * 2^23: adding it rounds to an integer held in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first short enough for n * LN2_HIGH to be exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons that are false for NaN keep it.
    let y = if x < EXP_FLUSH { EXP_FLUSH } else { x };
    let y = if y > EXP_MAX { EXP_MAX } else { y };
    let t = fma::<FMA>(y, std::f32::consts::LOG2_E, ROUND);
    let n = t - ROUND;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, y));
    let q = fma::<FMA>(1.381_313_6e-3, r, 8.369_42e-3);
    let q = fma::<FMA>(q, r, 4.166_845_6e-2);
    let q = fma::<FMA>(q, r, 1.666_651_5e-1);
    let q = fma::<FMA>(q, r, 4.999_999_4e-1);
    let p = fma::<FMA>(q, r * r, r) + 1.0;
    let e = f32::from_bits(p.to_bits().wrapping_add(t.to_bits() << 23));
    let e = if x < EXP_FLUSH { 0.0 } else { e };
    if x > EXP_MAX { f32::INFINITY } else { e }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// `(erf(x), e^(-x^2))`: a polynomial in `x^2` up to 1, `1 - e^(-x^2) R(1 / (1 + |x|/2))` beyond.
#[inline(always)]
pub(crate) fn erf_exp<const FMA: bool>(x: f32) -> (f32, f32) {
    let z = x * x;
    let e = exp::<FMA>(-z);
    let p = fma::<FMA>(7.889_109e-5, z, -8.020_838e-4);
    let p = fma::<FMA>(p, z, 5.189_535e-3);
    let p = fma::<FMA>(p, z, -2.685_444_4e-2);
    let p = fma::<FMA>(p, z, 1.128_36e-1);
    let p = fma::<FMA>(p, z, -3.761_262_7e-1);
    let p = fma::<FMA>(p, z, std::f32::consts::FRAC_2_SQRT_PI);
    let near = p * x;
    let t = 1.0 / fma::<FMA>(0.5, x.abs(), 1.0);
    let r = fma::<FMA>(-2.298_317_3e-1, t, 6.338_63e-1);
    let r = fma::<FMA>(r, t, -6.119_857_7e-2);
    let r = fma::<FMA>(r, t, 3.949_197_5e-1);
    let r = fma::<FMA>(r, t, 2.602_418e-1);
    let r = fma::<FMA>(r, t, 1.760_464_6e-3);
    let far = (1.0 - e * r).copysign(x);
    (if z < 1.0 { near } else { far }, e)
}

/// Calls `f` with equally long slices cut into pieces of 16, and then with what is left, element by element in pieces of
/// one; the slice behind a semicolon is only read. Copies of a known length become vector registers whatever the length
/// of the slices; a plain loop is unrolled for long ones, and leaves short ones to its scalar end.
macro_rules! pieces {
    ($f:expr, $($x:expr),+ $(; $read:expr)?) => {{
        let f = $f;
        pieces!(@run f, $($x),+ $(; $read)?);
    }};
    (@run $f:ident, $a:expr) => {{
        let (whole, rest) = $a.as_chunks_mut::<16>();
        for a in whole {
            let mut x = *a;
            for l in 0..16 { $f(&mut x[l]); }
            *a = x;
        }
        for a in rest { $f(a); }
    }};
    (@run $f:ident, $a:expr, $b:expr) => {{
        let ((a, a_rest), (b, b_rest)) = ($a.as_chunks_mut::<16>(), $b.as_chunks_mut::<16>());
        for (a, b) in a.iter_mut().zip(b) {
            let (mut x, mut y) = (*a, *b);
            for l in 0..16 { $f(&mut x[l], &mut y[l]); }
            (*a, *b) = (x, y);
        }
        for (a, b) in a_rest.iter_mut().zip(b_rest) { $f(a, b); }
    }};
    (@run $f:ident, $a:expr; $read:expr) => {{
        let ((a, a_rest), (read, read_rest)) = ($a.as_chunks_mut::<16>(), $read.as_chunks::<16>());
        for (a, r) in a.iter_mut().zip(read) {
            let mut x = *a;
            for l in 0..16 { $f(&mut x[l], r[l]); }
            *a = x;
        }
        for (a, &r) in a_rest.iter_mut().zip(read_rest) { $f(a, r); }
    }};
    (@run $f:ident, $a:expr, $b:expr; $read:expr) => {{
        let ((a, a_rest), (b, b_rest)) = ($a.as_chunks_mut::<16>(), $b.as_chunks_mut::<16>());
        let (read, read_rest) = $read.as_chunks::<16>();
        for ((a, b), r) in a.iter_mut().zip(b).zip(read) {
            let (mut x, mut y) = (*a, *b);
            for l in 0..16 { $f(&mut x[l], &mut y[l], r[l]); }
            (*a, *b) = (x, y);
        }
        for ((a, b), &r) in a_rest.iter_mut().zip(b_rest).zip(read_rest) { $f(a, b, r); }
    }};
    (@run $f:ident, $a:expr, $b:expr, $c:expr) => {{
        let ((a, a_rest), (b, b_rest), (c, c_rest)) =
            ($a.as_chunks_mut::<16>(), $b.as_chunks_mut::<16>(), $c.as_chunks_mut::<16>());
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            let (mut x, mut y, mut z) = (*a, *b, *c);
            for l in 0..16 { $f(&mut x[l], &mut y[l], &mut z[l]); }
            (*a, *b, *c) = (x, y, z);
        }
        for ((a, b), c) in a_rest.iter_mut().zip(b_rest).zip(c_rest) { $f(a, b, c); }
    }};
}
pub(crate) use pieces;

/// Functions that fold `f(elements.., sum)` over equally long slices in [`LANES`] fixed partial sums.
macro_rules! folds {
    ($($name:ident($($x:ident),+);)+) => {$(
        #[inline(always)]
        pub(crate) fn $name($($x: &[f32],)+ mut f: impl FnMut($(folds!(@float $x),)+ f32) -> f32) -> f32 {
            let n = [$($x.len()),+].into_iter().fold(usize::MAX, usize::min);
            let mut lanes = [0.0f32; LANES];
            // Arrays of a known length spare the bounds checks that would keep the loop scalar.
            $(let $x = $x[..n].as_chunks::<LANES>();)+
            for i in 0..n / LANES {
                $(let $x = &$x.0[i];)+
                for l in 0..LANES {
                    lanes[l] = f($($x[l],)+ lanes[l]);
                }
            }
            for l in 0..n % LANES {
                lanes[l] = f($($x.1[l],)+ lanes[l]);
            }
            fold_lanes(lanes)
        }
    )+};
    (@float $x:ident) => { f32 };
}

folds! {
    fold(x);
    fold2(x, y);
    fold3(x, y, z);
}

/// Combines lanes as a tree, halving each time; halves of a known length stay vectors.
#[inline(always)]
fn tree(lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let sixteen: [f32; 16] = std::array::from_fn(|l| f(lanes[l], lanes[l + 16]));
    let eight: [f32; 8] = std::array::from_fn(|l| f(sixteen[l], sixteen[l + 8]));
    let four: [f32; 4] = std::array::from_fn(|l| f(eight[l], eight[l + 4]));
    f(f(four[0], four[2]), f(four[1], four[3]))
}

/// Adds up lanes as a tree.
#[inline(always)]
pub(crate) fn fold_lanes(lanes: [f32; LANES]) -> f32 {
    tree(lanes, |a, b| a + b)
}

/// Dot product of two equally long slices.
#[inline(always)]
pub(crate) fn dot<const FMA: bool>(x: &[f32], y: &[f32]) -> f32 {
    fold2(x, y, fma::<FMA>)
}

/// Largest element (negative infinity for none; NaN is ignored here and shows in the sum that follows).
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for c in &mut chunks {
        for (lane, &v) in lanes.iter_mut().zip(c) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    let top = |a: f32, v: f32| if v > a { v } else { a };
    chunks.remainder().iter().fold(tree(lanes, top), |a, &v| top(a, v))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(a: f32, b: f64) -> f64 {
        ((f64::from(a) - b) / b).abs()
    }

    #[test]
    fn exp_is_accurate() {
        let mut worst: f64 = 0.0;
        for i in 0..=200_000 {
            let x = -68.9 + 157.5 * i as f32 / 200_000.0;
            worst = worst.max(relative(exp::<true>(x), f64::from(x).exp()));
            worst = worst.max(relative(exp::<false>(x), f64::from(x).exp()));
        }
        assert!(worst < 2e-7, "{worst}");
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(exp::<true>(-70.0), 0.0);
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(f32::INFINITY), f32::INFINITY);
        assert!(exp::<true>(88.7).is_finite() && exp::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_is_accurate() {
        for i in -100_000..=100_000 {
            let x = i as f32 * 2e-4 + 1e-5;
            let s = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!(relative(sigmoid::<true>(x), s) < 6e-7, "sigmoid {x}");
        }
        assert_eq!((sigmoid::<true>(100.0), sigmoid::<true>(-100.0), sigmoid::<true>(0.0)), (1.0, 0.0, 0.5));
        assert!(sigmoid::<true>(f32::NAN).is_nan());
    }

    /// The error function by its series (small) or continued fraction (large), in f64.
    fn erf64(x: f64) -> f64 {
        if x.abs() < 2.5 {
            let (mut term, mut sum, mut n) = (x, x, 0.0);
            while term.abs() > 1e-18 {
                n += 1.0;
                term *= -x * x / n;
                sum += term / (2.0 * n + 1.0);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        } else {
            let a = x.abs();
            let f = (1..=80).rev().fold(a, |f, k| a + f64::from(k) / 2.0 / f);
            (1.0 - (-a * a).exp() / (f * std::f64::consts::PI.sqrt())).copysign(x)
        }
    }

    #[test]
    fn erf_is_accurate() {
        for i in -60_000..=60_000 {
            let x = i as f32 * 1e-4 + 1e-6;
            let (got, e) = erf_exp::<true>(x);
            assert!((f64::from(got) - erf64(f64::from(x))).abs() < 2e-7, "erf {x}");
            let want = (-f64::from(x).powi(2)).exp();
            assert!((f64::from(e) - want).abs() < 2e-7, "exp(-x^2) {x}");
        }
        assert!(erf_exp::<true>(f32::NAN).0.is_nan());
    }

    #[test]
    fn sums_and_maxima() {
        for n in [0, 1, 31, 32, 33, 97, 1000] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32) - 50.0).collect();
            let want: f64 = x.iter().map(|&v| f64::from(v)).sum();
            assert_eq!(f64::from(fold(&x, |x, s| s + x)), want);
            let square: f64 = x.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert_eq!(f64::from(dot::<false>(&x, &x)), square);
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
