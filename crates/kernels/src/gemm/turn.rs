//! Transposes in registers: one vector of steps of one vector of lines. Denormal numbers become zero on the way.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use super::tile::{Avx2, Avx512};
use super::tile::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

/// Transposes a square of `LANES` steps.
pub(crate) trait Turn: Simd {
    /// `to[s * to_stride + l] = from[l * from_stride + s]`, or 0 where that is denormal unless `EXACT`, for `LANES` steps `s` and `lines` lines `l` (at most `LANES`).
    ///
    /// # Safety
    /// The machine has the instructions; every element named above is readable, or writable and the caller's alone.
    unsafe fn turn<const EXACT: bool>(
        from: *const f32,
        from_stride: usize,
        lines: usize,
        to: *mut f32,
        to_stride: usize,
    );

    /// `to[l] = from[l]`, or 0 where that is denormal unless `EXACT`, for `lines` lines (at most `LANES`).
    ///
    /// # Safety
    /// As [`Turn::turn`].
    unsafe fn copy<const EXACT: bool>(from: *const f32, lines: usize, to: *mut f32);
}

/// `x`, or, unless `EXACT`, 0 where it is denormal: a multiplication by such a number takes over a hundred cycles on many processors.
#[inline(always)]
pub(super) fn normal<const EXACT: bool>(x: f32) -> f32 {
    // What is not a number is not smaller, and stays.
    if !EXACT && x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

/// The class of denormal numbers in `vfpclassps`.
#[cfg(target_arch = "x86_64")]
const DENORMAL: i32 = 0x20;

#[cfg(target_arch = "x86_64")]
impl Turn for Avx512 {
    #[inline(always)]
    unsafe fn turn<const EXACT: bool>(
        from: *const f32,
        from_stride: usize,
        lines: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // SAFETY: this function's contract.
        unsafe {
            let mut r = [x86::_mm512_setzero_ps(); 16];
            for (l, r) in r.iter_mut().enumerate().take(lines) {
                let line = x86::_mm512_loadu_ps(from.add(l * from_stride));
                *r = if EXACT {
                    line
                } else {
                    x86::_mm512_maskz_mov_ps(!x86::_mm512_fpclass_ps_mask::<DENORMAL>(line), line)
                };
            }
            // Pairs of lines, then fours of them, in each quarter of a register.
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = x86::_mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = x86::_mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            let mut u = t;
            for i in 0..4 {
                let a = x86::_mm512_castps_pd(t[4 * i]);
                let b = x86::_mm512_castps_pd(t[4 * i + 1]);
                let c = x86::_mm512_castps_pd(t[4 * i + 2]);
                let d = x86::_mm512_castps_pd(t[4 * i + 3]);
                u[4 * i] = x86::_mm512_castpd_ps(x86::_mm512_unpacklo_pd(a, c));
                u[4 * i + 1] = x86::_mm512_castpd_ps(x86::_mm512_unpackhi_pd(a, c));
                u[4 * i + 2] = x86::_mm512_castpd_ps(x86::_mm512_unpacklo_pd(b, d));
                u[4 * i + 3] = x86::_mm512_castpd_ps(x86::_mm512_unpackhi_pd(b, d));
            }
            // Quarter `q` of `u[4 g + c]` is step `4 q + c` of lines `4 g ..`: gather the quarters.
            let mask = if lines >= 16 { u16::MAX } else { (1 << lines) - 1 };
            for c in 0..4 {
                let even = x86::_mm512_shuffle_f32x4::<0x88>(u[c], u[4 + c]);
                let odd = x86::_mm512_shuffle_f32x4::<0xdd>(u[c], u[4 + c]);
                let even_high = x86::_mm512_shuffle_f32x4::<0x88>(u[8 + c], u[12 + c]);
                let odd_high = x86::_mm512_shuffle_f32x4::<0xdd>(u[8 + c], u[12 + c]);
                let first = x86::_mm512_shuffle_f32x4::<0x88>(even, even_high);
                let second = x86::_mm512_shuffle_f32x4::<0x88>(odd, odd_high);
                let third = x86::_mm512_shuffle_f32x4::<0xdd>(even, even_high);
                let fourth = x86::_mm512_shuffle_f32x4::<0xdd>(odd, odd_high);
                let to = to.add(c * to_stride);
                x86::_mm512_mask_storeu_ps(to, mask, first);
                x86::_mm512_mask_storeu_ps(to.add(4 * to_stride), mask, second);
                x86::_mm512_mask_storeu_ps(to.add(8 * to_stride), mask, third);
                x86::_mm512_mask_storeu_ps(to.add(12 * to_stride), mask, fourth);
            }
        }
    }

    #[inline(always)]
    unsafe fn copy<const EXACT: bool>(from: *const f32, lines: usize, to: *mut f32) {
        // SAFETY: this function's contract; lanes that the mask leaves out are not touched.
        unsafe {
            let mask = if lines >= 16 { u16::MAX } else { (1 << lines) - 1 };
            let line = x86::_mm512_maskz_loadu_ps(mask, from);
            let line = if EXACT {
                line
            } else {
                x86::_mm512_maskz_mov_ps(!x86::_mm512_fpclass_ps_mask::<DENORMAL>(line), line)
            };
            x86::_mm512_mask_storeu_ps(to, mask, line);
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Turn for Avx2 {
    #[inline(always)]
    unsafe fn turn<const EXACT: bool>(
        from: *const f32,
        from_stride: usize,
        lines: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // SAFETY: this function's contract.
        unsafe {
            let mut r = [x86::_mm256_setzero_ps(); 8];
            for (l, r) in r.iter_mut().enumerate().take(lines) {
                let line = x86::_mm256_loadu_ps(from.add(l * from_stride));
                // What is not a number is not smaller, and stays.
                let size = x86::_mm256_andnot_ps(x86::_mm256_set1_ps(-0.0), line);
                let tiny =
                    x86::_mm256_cmp_ps::<{ x86::_CMP_LT_OQ }>(size, x86::_mm256_set1_ps(f32::MIN_POSITIVE));
                *r = if EXACT { line } else { x86::_mm256_andnot_ps(tiny, line) };
            }
            let mut t = r;
            for i in 0..4 {
                t[2 * i] = x86::_mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = x86::_mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            let mut u = t;
            for i in (0..8).step_by(4) {
                u[i] = x86::_mm256_shuffle_ps::<0x44>(t[i], t[i + 2]);
                u[i + 1] = x86::_mm256_shuffle_ps::<0xee>(t[i], t[i + 2]);
                u[i + 2] = x86::_mm256_shuffle_ps::<0x44>(t[i + 1], t[i + 3]);
                u[i + 3] = x86::_mm256_shuffle_ps::<0xee>(t[i + 1], t[i + 3]);
            }
            let lane = |l: usize| if l < lines { -1 } else { 0 };
            let mask = x86::_mm256_setr_epi32(
                lane(0),
                lane(1),
                lane(2),
                lane(3),
                lane(4),
                lane(5),
                lane(6),
                lane(7),
            );
            for c in 0..4 {
                let low = x86::_mm256_permute2f128_ps::<0x20>(u[c], u[4 + c]);
                let high = x86::_mm256_permute2f128_ps::<0x31>(u[c], u[4 + c]);
                x86::_mm256_maskstore_ps(to.add(c * to_stride), mask, low);
                x86::_mm256_maskstore_ps(to.add((4 + c) * to_stride), mask, high);
            }
        }
    }

    #[inline(always)]
    unsafe fn copy<const EXACT: bool>(from: *const f32, lines: usize, to: *mut f32) {
        for l in 0..lines {
            // SAFETY: this function's contract.
            unsafe { *to.add(l) = normal::<EXACT>(*from.add(l)) };
        }
    }
}

impl Turn for Portable {
    #[inline(always)]
    unsafe fn turn<const EXACT: bool>(
        from: *const f32,
        from_stride: usize,
        lines: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        for s in 0..Self::LANES {
            for l in 0..lines {
                // SAFETY: this function's contract.
                unsafe { *to.add(s * to_stride + l) = normal::<EXACT>(*from.add(l * from_stride + s)) };
            }
        }
    }

    #[inline(always)]
    unsafe fn copy<const EXACT: bool>(from: *const f32, lines: usize, to: *mut f32) {
        for l in 0..lines {
            // SAFETY: this function's contract.
            unsafe { *to.add(l) = normal::<EXACT>(*from.add(l)) };
        }
    }
}
