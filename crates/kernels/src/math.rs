//! Elementary functions that vectorise: exponential, sigmoid, tail of the normal distribution, and sums over lanes.
//!
//! All polynomials were fitted for this crate (iteratively reweighted least squares on Chebyshev nodes).
//! NaN goes through every one of them, so a diverged run shows.

use crate::isa::fma;

/// Lanes of explicit partial sums: two AVX-512 or four AVX2 registers (sums of `f32` are not re-associated by the
/// compiler, and one register would wait for its own additions).
pub(crate) const LANES: usize = 32;
/// Half of them: a register of AVX-512, and the unit in which slices are cut.
const HALF: usize = LANES / 2;

/// Below this, `exp` is zero: results under 1e-30 lead to denormal products, which are slow and mean nothing.
const EXP_FLUSH: f32 = -69.0;
/// The natural logarithm of the largest finite `f32`.
const EXP_MAX: f32 = 88.722_83;

/// 1.5 * 2^23: adding it rounds to an integer held in the low bits of the mantissa.
const ROUND: f32 = 12_582_912.0;

/// `e^x`, relative error below 2e-7; 0 under -69 (see [`EXP_FLUSH`]), infinite above the range of `f32`.
///
/// `x = n ln 2 + r` with `|r| <= ln(2)/2`; `e^r = 1 + r + r^2 q(r)`; `n` is added to the exponent bits.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
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

/// The probability that a normal variable exceeds `a`, from 0 to [`TAIL_END`], absolute error below 1e-7: 2 to the power of a
/// polynomial, fitted from 0 to 7, where nothing is left that shows.
#[inline(always)]
pub(crate) fn normal_tail<const FMA: bool>(a: f32) -> f32 {
    let p = fma::<FMA>(-2.156_031_8e-6, a, 3.145_823_2e-5);
    let p = fma::<FMA>(p, a, -1.497_788_6e-4);
    let p = fma::<FMA>(p, a, -2.211_730_9e-4);
    let p = fma::<FMA>(p, a, 7.167_278_3e-3);
    let p = fma::<FMA>(p, a, -5.256_234_5e-2);
    let p = fma::<FMA>(p, a, -4.591_890_3e-1);
    let p = fma::<FMA>(p, a, -1.151_107);
    let p = fma::<FMA>(p, a, -1.0);
    let t = p + ROUND;
    let r = p - (t - ROUND);
    let q = fma::<FMA>(1.326_472_7e-3, r, 9.671_513e-3);
    let q = fma::<FMA>(q, r, 5.550_733_6e-2);
    let q = fma::<FMA>(q, r, 2.402_224_3e-1);
    let q = fma::<FMA>(q, r, std::f32::consts::LN_2);
    let q = fma::<FMA>(q, r, 1.0);
    f32::from_bits(q.to_bits().wrapping_add(t.to_bits() << 23))
}

/// Where [`normal_tail`] ends: below 1e-12, while nothing it is multiplied with makes denormal numbers.
pub(crate) const TAIL_END: f32 = 8.0;

/// The derivative of `-a T(a)`, with `T` the [`normal_tail`], as a multiple of `-T(a)`: `1 - a phi(a) / T(a)`; from 0 to
/// [`TAIL_END`].
#[inline(always)]
pub(crate) fn tail_slope<const FMA: bool>(a: f32) -> f32 {
    let s = fma::<FMA>(-1.128_839_4e-5, a, 1.441_941_7e-4);
    let s = fma::<FMA>(s, a, -5.806_273e-4);
    let s = fma::<FMA>(s, a, -8.737_77e-4);
    let s = fma::<FMA>(s, a, 2.001_794e-2);
    let s = fma::<FMA>(s, a, -1.094_041_5e-1);
    let s = fma::<FMA>(s, a, -6.365_37e-1);
    let s = fma::<FMA>(s, a, -7.978_902_5e-1);
    fma::<FMA>(s, a, 1.0)
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

/// Functions that fold `f(elements.., sum)` over equally long slices in [`LANES`] fixed partial sums: element `i` goes to
/// sum `i % LANES`. All loops over sums have constant bounds, which keeps them in registers.
macro_rules! folds {
    ($($name:ident($($x:ident),+);)+) => {$(
        #[inline(always)]
        pub(crate) fn $name($($x: &[f32],)+ mut f: impl FnMut($(folds!(@float $x),)+ f32) -> f32) -> f32 {
            let n = [$($x.len()),+].into_iter().fold(usize::MAX, usize::min);
            let mut low = [0.0f32; HALF];
            let mut high = [0.0f32; HALF];
            // Arrays of a known length spare the bounds checks that would keep the loop scalar.
            $(let $x = $x[..n].as_chunks::<HALF>();)+
            let whole = n / HALF;
            for i in 0..whole / 2 {
                $(let $x = (&$x.0[2 * i], &$x.0[2 * i + 1]);)+
                for l in 0..HALF {
                    low[l] = f($($x.0[l],)+ low[l]);
                }
                for l in 0..HALF {
                    high[l] = f($($x.1[l],)+ high[l]);
                }
            }
            if whole % 2 == 1 {
                $(let $x = &$x.0[whole - 1];)+
                for l in 0..HALF {
                    low[l] = f($($x[l],)+ low[l]);
                }
            }
            let rest = n % HALF;
            if rest > 0 {
                $(let $x = padded($x.1);)+
                let sums = if whole % 2 == 1 { &mut high } else { &mut low };
                let before = *sums;
                for l in 0..HALF {
                    let sum = f($($x[l],)+ before[l]);
                    sums[l] = if l < rest { sum } else { before[l] };
                }
            }
            tree(low, high, |a, b| a + b)
        }
    )+};
    (@float $x:ident) => { f32 };
}

/// A piece of fewer than [`HALF`] elements, and zeros.
#[inline(always)]
fn padded(x: &[f32]) -> [f32; HALF] {
    let mut all = [0.0; HALF];
    all[..x.len()].copy_from_slice(x);
    all
}

folds! {
    fold(x);
    fold2(x, y);
    fold3(x, y, z);
}

/// Combines the two halves of the lanes, and then what is left, as a tree; halves of a known length stay vectors.
#[inline(always)]
fn tree(low: [f32; HALF], high: [f32; HALF], f: impl Fn(f32, f32) -> f32) -> f32 {
    let sixteen: [f32; 16] = std::array::from_fn(|l| f(low[l], high[l]));
    let eight: [f32; 8] = std::array::from_fn(|l| f(sixteen[l], sixteen[l + 8]));
    let four: [f32; 4] = std::array::from_fn(|l| f(eight[l], eight[l + 4]));
    f(f(four[0], four[2]), f(four[1], four[3]))
}

/// Adds up lanes as a tree.
#[inline(always)]
pub(crate) fn fold_lanes(lanes: [f32; LANES]) -> f32 {
    tree(std::array::from_fn(|l| lanes[l]), std::array::from_fn(|l| lanes[HALF + l]), |a, b| a + b)
}

/// Dot product of two equally long slices.
#[inline(always)]
pub(crate) fn dot<const FMA: bool>(x: &[f32], y: &[f32]) -> f32 {
    fold2(x, y, fma::<FMA>)
}

/// Largest element (negative infinity for none; NaN is ignored here and shows in the sum that follows).
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, v: f32| if v > a { v } else { a };
    let mut low = [f32::NEG_INFINITY; HALF];
    let mut high = low;
    let (pairs, rest) = x.as_chunks::<LANES>();
    for pair in pairs {
        low = std::array::from_fn(|l| larger(low[l], pair[l]));
        high = std::array::from_fn(|l| larger(high[l], pair[HALF + l]));
    }
    let (whole, rest) = rest.as_chunks::<HALF>();
    if let [piece] = whole {
        low = std::array::from_fn(|l| larger(low[l], piece[l]));
    }
    if !rest.is_empty() {
        let piece = padded(rest);
        high = std::array::from_fn(|l| if l < rest.len() { larger(high[l], piece[l]) } else { high[l] });
    }
    tree(low, high, larger)
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
    fn tails_of_the_normal_distribution_are_accurate() {
        for i in 0..=80_000 {
            let a = i as f32 * 1e-4;
            let x = f64::from(a);
            let tail = 0.5 * (1.0 - erf64(x / 2f64.sqrt()));
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            for (got, slope) in [
                (normal_tail::<true>(a), tail_slope::<true>(a)),
                (normal_tail::<false>(a), tail_slope::<false>(a)),
            ] {
                assert!((f64::from(got) - tail).abs() < 1e-7, "tail of {a}: {got}, {tail}");
                let want = tail - x * density;
                assert!((f64::from(got * slope) - want).abs() < 2e-7, "slope at {a}");
            }
        }
        assert_eq!(normal_tail::<true>(0.0), 0.5);
        let (tail, slope) = (normal_tail::<true>(TAIL_END), tail_slope::<true>(TAIL_END));
        assert!((1e-30..1e-12).contains(&tail) && (tail * slope).abs() < 1e-12, "{tail}, {slope}");
        assert!(normal_tail::<true>(f32::NAN).is_nan() && tail_slope::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn sums_and_maxima() {
        for n in [0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 97, 1000] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32) - 50.0).collect();
            let want: f64 = x.iter().map(|&v| f64::from(v)).sum();
            assert_eq!(f64::from(fold(&x, |x, s| s + x)), want);
            let square: f64 = x.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert_eq!(f64::from(dot::<false>(&x, &x)), square);
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
