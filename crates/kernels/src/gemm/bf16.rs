//! Products of matrices stored as bf16: the upper half of an `f32`, summed in `f32`.
//!
//! Where the processor multiplies pairs of bf16 (AVX-512 BF16: `c += a0 b0 + a1 b1` in each lane), panels hold pairs of
//! neighbouring steps in the place of floats and a tile takes half as many steps. Elsewhere the stored values are widened
//! when they are packed, which changes none of them, and the product is that of `f32`.
#![allow(unsafe_code)]

#[cfg(any(test, target_arch = "x86_64"))]
use super::blocked::Code;
#[cfg(any(test, target_arch = "x86_64"))]
use super::blocked::{Job, one_tile};
use super::blocked::{Then, product, run};
use super::pack::{Operand, Part};
#[cfg(target_arch = "x86_64")]
use super::pack::{pack_left, pack_right};
#[cfg(target_arch = "x86_64")]
use super::tile::Avx512;
use super::tile::Simd;
use super::{Mat, MatMut};
#[cfg(target_arch = "x86_64")]
use crate::isa::{Isa, isa};
use crate::par::{par_rows, rows_per_task};

/// A number with the sign, exponent and upper 7 bits of mantissa of an `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Bf16 {
    /// The nearest bf16, ties to even; NaN stays NaN.
    #[inline(always)]
    pub fn new(x: f32) -> Bf16 {
        let bits = x.to_bits();
        // Adding half of the last place, less one when the last place is even, rounds.
        let rounded = (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16;
        Bf16(if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { rounded })
    }

    /// The same number.
    #[inline(always)]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

simd! {
    fn narrow_block<FMA>(x: &[f32], y: &mut [Bf16]) {
        let _ = FMA;
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = Bf16::new(x));
    }

    fn widen_block<FMA>(x: &[Bf16], y: &mut [f32]) {
        let _ = FMA;
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = x.to_f32());
    }
}

/// `y = x`, rounded to the nearest bf16.
pub fn to_bf16(x: &[f32], y: &mut [Bf16]) {
    assert_eq!(x.len(), y.len(), "input and output differ in length");
    narrow_block(x, y);
}

/// `y = x`.
pub fn from_bf16(x: &[Bf16], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "input and output differ in length");
    par_rows(y, 1, rows_per_task(1), |first, y| widen_block(&x[first..first + y.len()], y));
}

/// Whether products of bf16 use instructions of their own here (`REGIMEN_ISA` below `avx512` turns them off).
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa() == Isa::Avx512 && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// `C = alpha A B + beta C` with `A` and `B` stored as bf16 and sums in `f32`. With `beta` 0, `C` is not read.
///
/// # Panics
/// If the shapes do not fit, or rows of `C` do not lie together.
pub fn sgemm_bf16(alpha: f32, a: Mat<'_, Bf16>, b: Mat<'_, Bf16>, beta: f32, mut c: MatMut<'_>) {
    assert_eq!((a.rows, b.cols, a.cols), (c.rows, c.cols, b.rows), "product and result differ in shape");
    assert!(c.col_stride == 1 || c.cols <= 1, "rows of the result do not lie together");
    if c.rows == 0 || c.cols == 0 {
        return;
    }
    if a.cols == 0 {
        return super::scale(beta, &mut c);
    }
    #[cfg(target_arch = "x86_64")]
    if has_bf16() {
        let (a, b) = (Operand::Pairs(a), Operand::Pairs(b));
        return run::<PairsAvx512>(alpha, a, b, beta, &mut c, Then::Nothing.into(), true, PAIRS);
    }
    product(alpha, Operand::Bf16(a), Operand::Bf16(b), beta, &mut c, Then::Nothing.into(), true);
}

/// `to[l, s] = mat[line + l, step + s]`, widened.
pub(super) fn widen(mat: Mat<'_, Bf16>, part: Part, to: &mut [f32]) {
    for (l, to) in to.chunks_exact_mut(part.steps).enumerate() {
        let at = (part.line + l) * mat.row_stride + part.step * mat.col_stride;
        if mat.col_stride == 1 {
            widen_block(&mat.data[at..at + part.steps], to);
        } else {
            for (s, to) in to.iter_mut().enumerate() {
                *to = mat.data[at + s * mat.col_stride].to_f32();
            }
        }
    }
}

/// The same with two neighbouring steps in the place of each float, the first in the lower half; a step that is missing at
/// the end is zero.
pub(super) fn pair(mat: Mat<'_, Bf16>, part: Part, to: &mut [f32]) {
    for (l, to) in to.chunks_exact_mut(part.steps).enumerate() {
        let at = |step: usize| {
            let index = (part.line + l) * mat.row_stride + step * mat.col_stride;
            if step < mat.cols { u32::from(mat.data[index].0) } else { 0 }
        };
        for (s, to) in to.iter_mut().enumerate() {
            let step = 2 * (part.step + s);
            *to = f32::from_bits(at(step + 1) << 16 | at(step));
        }
    }
}

/// Packs to the bit: a pair is no float, however it may look.
#[cfg(target_arch = "x86_64")]
const PAIRS: Code = Code { tile: tile_bf16, pack_left: pack_left::<true>, pack_right: pack_right::<true> };

/// AVX-512 with pairs of bf16 in the panels.
#[cfg(target_arch = "x86_64")]
struct PairsAvx512;

#[cfg(target_arch = "x86_64")]
impl Simd for PairsAvx512 {
    type V = std::arch::x86_64::__m512;
    const LANES: usize = Avx512::LANES;
    const MR: usize = Avx512::MR;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        // SAFETY: the trait's contract; so for all of these.
        unsafe { Avx512::splat(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: as above.
        unsafe { Avx512::load(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: as above.
        unsafe { Avx512::store(to, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe { Avx512::fma(a, b, c) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe { Avx512::mul(a, b) }
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: as above.
        unsafe { Avx512::prefetch(at) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(at: *const f32) {
        // SAFETY: as above.
        unsafe { Avx512::prefetch_far(at) }
    }
    #[inline(always)]
    unsafe fn step(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        use std::arch::x86_64 as x86;
        // SAFETY: as above; registers of one size, seen as pairs.
        unsafe {
            let (a, b) = (
                std::mem::transmute::<Self::V, x86::__m512bh>(a),
                std::mem::transmute::<Self::V, x86::__m512bh>(b),
            );
            x86::_mm512_dpbf16_ps(c, a, b)
        }
    }
}

/// # Safety
/// The machine has AVX-512 with BF16; otherwise as the tile.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")]
unsafe fn tile_bf16(job: &Job) {
    // SAFETY: this function's contract.
    unsafe {
        match job.cols {
            0..=16 => one_tile::<PairsAvx512, 14, 1>(job),
            _ => one_tile::<PairsAvx512, 14, 2>(job),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::pack::body;
    use crate::gemm::tile::Portable;
    use crate::testing::{assert_close, values};

    #[test]
    fn rounding_is_to_the_nearest_and_keeps_what_is_not_a_number() {
        for (x, want) in [
            (1.0, 0x3f80),
            (-0.0, 0x8000),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80),
            (f32::INFINITY, 0x7f80),
        ] {
            assert_eq!(Bf16::new(x).0, want, "{x}");
        }
        assert!(Bf16::new(f32::NAN).to_f32().is_nan());
        assert!(Bf16::new(f32::from_bits(0x7f80_0001)).to_f32().is_nan());
        let x: Vec<f32> = values(5000, 1);
        let (mut narrow, mut wide) = (vec![Bf16(0); 5000], vec![0.0; 5000]);
        to_bf16(&x, &mut narrow);
        from_bf16(&narrow, &mut wide);
        assert!(x.iter().zip(&wide).all(|(x, y)| (x - y).abs() <= x.abs() / 256.0));
    }

    /// Pairs without the instruction, to test how they are packed: four lanes, `c + a0 b0 + a1 b1` in `f32`.
    struct PairsPlain;

    impl Simd for PairsPlain {
        type V = [f32; 4];
        const LANES: usize = 4;
        const MR: usize = 4;
        const FUSED: bool = false;

        unsafe fn splat(x: f32) -> Self::V {
            [x; 4]
        }
        unsafe fn load(from: *const f32) -> Self::V {
            // SAFETY: the trait's contract.
            unsafe { from.cast::<[f32; 4]>().read_unaligned() }
        }
        unsafe fn store(to: *mut f32, v: Self::V) {
            // SAFETY: the trait's contract.
            unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
        }
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            std::array::from_fn(|l| a[l] * b[l] + c[l])
        }
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            std::array::from_fn(|l| a[l] * b[l])
        }
        unsafe fn prefetch(_: *const f32) {}
        unsafe fn prefetch_far(_: *const f32) {}
        unsafe fn step(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            let halves =
                |x: f32| [Bf16(x.to_bits() as u16), Bf16((x.to_bits() >> 16) as u16)].map(Bf16::to_f32);
            std::array::from_fn(|l| {
                let (a, b) = (halves(a[l]), halves(b[l]));
                c[l] + a[0] * b[0] + a[1] * b[1]
            })
        }
    }

    unsafe fn tile_plain(job: &Job) {
        // SAFETY: the caller's contract.
        unsafe { one_tile::<PairsPlain, 4, 2>(job) }
    }

    #[test]
    fn products_match_f64_widened_and_in_pairs() {
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (70, 90, 401), (33, 100, 800), (5, 9, 0)] {
            let (x, y) = (values(m * k, 1), values(n * k, 2));
            let (mut a, mut b) = (vec![Bf16(0); m * k], vec![Bf16(0); n * k]);
            to_bf16(&x, &mut a);
            to_bf16(&y, &mut b);
            for a in [Mat::new(&a, m, k), Mat::new(&a, k, m).t()] {
                for b in [Mat::new(&b, k, n), Mat::new(&b, n, k).t()] {
                    let at = |i: usize, p: usize, j: usize| {
                        f64::from(a.at(i, p).to_f32()) * f64::from(b.at(p, j).to_f32())
                    };
                    let want: Vec<f64> = (0..m * n)
                        .map(|i| 0.5 + 2.0 * (0..k).map(|p| at(i / n, p, i % n)).sum::<f64>())
                        .collect();
                    let mut c = vec![0.5; m * n];
                    sgemm_bf16(2.0, a, b, 1.0, MatMut::new(&mut c, m, n));
                    assert_close(&c, &want, 1e-5);
                    if k > 0 {
                        let mut c = vec![0.5; m * n];
                        let (a, b) = (Operand::Pairs(a), Operand::Pairs(b));
                        let plain = Code {
                            tile: tile_plain,
                            pack_left: |lines, part, to| body::<Portable, 4, true>(lines, part, None, to),
                            pack_right: body::<Portable, 8, true>,
                        };
                        run::<PairsPlain>(
                            2.0,
                            a,
                            b,
                            1.0,
                            &mut MatMut::new(&mut c, m, n),
                            Then::Nothing.into(),
                            true,
                            plain,
                        );
                        assert_close(&c, &want, 1e-5);
                    }
                }
            }
        }
    }
}
