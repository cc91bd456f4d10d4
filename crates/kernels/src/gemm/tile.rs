//! The innermost loop: one tile of the result in registers, a vector register file wide.
//!
//! A tile is `MR` rows by `NV` vectors. For each step along `k` it loads `NV` vectors of the right side and multiplies
//! them with `MR` single elements of the left one. Every element of the result is thus one chain of multiply-adds in the
//! order of `k`, whatever the tile's size: how a product is cut into tiles and tasks does not show in its bits.
#![allow(unsafe_code)]
#![expect(clippy::needless_range_loop, reason = "constant bounds keep the sums in registers")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

/// Vector instructions as the tile needs them. All functions are `unsafe`: the machine must have the instructions, and
/// pointers must be good for `LANES` floats.
pub(crate) trait Simd {
    /// A vector register.
    type V: Copy;
    /// Floats in it.
    const LANES: usize;
    /// Rows of a full tile.
    const MR: usize;
    /// Whether `fma` rounds once.
    const FUSED: bool;
    /// Columns of a full tile: two vectors.
    const NR: usize = 2 * Self::LANES;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// One step of the product: `c` and the product of what the panels hold, floats unless said otherwise.
    #[inline(always)]
    unsafe fn step(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the trait's contract.
        unsafe { Self::fma(a, b, c) }
    }
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// Asks for the line at `at`, which is needed soon.
    unsafe fn prefetch(at: *const f32);
    /// Asks for the line at `at`, which is needed later: the second-level cache will do.
    unsafe fn prefetch_far(at: *const f32);
}

/// AVX-512: 14 x 32 is 28 sums, two vectors and one broadcast element in 32 registers.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Simd for Avx512 {
    type V = x86::__m512;
    const LANES: usize = 16;
    const MR: usize = 14;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        // SAFETY: the trait's contract; so for all of these.
        unsafe { x86::_mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: as above.
        unsafe { x86::_mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: as above.
        unsafe { x86::_mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe { x86::_mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe { x86::_mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a hint that may name any address.
        unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T0 }>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(at: *const f32) {
        // SAFETY: as above.
        unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T1 }>(at.cast()) }
    }
}

/// AVX2 with FMA: 6 x 16 is 12 sums, two vectors and one broadcast element in 16 registers.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Simd for Avx2 {
    type V = x86::__m256;
    const LANES: usize = 8;
    const MR: usize = 6;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        // SAFETY: the trait's contract; so for all of these.
        unsafe { x86::_mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: as above.
        unsafe { x86::_mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: as above.
        unsafe { x86::_mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe { x86::_mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: as above.
        unsafe { x86::_mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a hint that may name any address.
        unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T0 }>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(at: *const f32) {
        // SAFETY: as above.
        unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T1 }>(at.cast()) }
    }
}

/// Arrays of four, which the compiler turns into the target's own vectors. Multiplication and addition are apart: a
/// fused one may be a slow library function.
pub(crate) struct Portable;

/// A loop over lanes that compiles to one instruction.
#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; 4] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const MR: usize = 4;
    const FUSED: bool = false;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the trait's contract.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the trait's contract.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|l| a[l] * b[l] + c[l])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        lanes(|l| a[l] * b[l])
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn prefetch_far(_: *const f32) {}
}

/// Where a tile goes: `c = alpha * tile + beta * c + bias` on rows `row_stride` apart whose elements lie together.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) c: *mut f32,
    /// One for each column, or null for none.
    pub(crate) bias: *const f32,
    pub(crate) row_stride: usize,
    /// From one vector of a tile's row to the next: `LANES`, or more for a product that makes two matrices at once.
    pub(crate) vector_stride: usize,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
}

impl Target {
    /// The same, `rows` further down and `cols` further right.
    #[inline(always)]
    pub(crate) fn at(self, rows: usize, cols: usize) -> Target {
        let bias = if self.bias.is_null() { self.bias } else { self.bias.wrapping_add(cols) };
        Target { c: self.c.wrapping_add(rows * self.row_stride + cols), bias, ..self }
    }
}

/// Memory to ask for while a tile is computed, which has the time to wait for it: the cache lines of [`PIECES`] places `stride`
/// apart, and of those `step` further on for every [`ROUND`] steps along `k`.
#[derive(Clone, Copy)]
pub(crate) struct Soon {
    pub(crate) at: *const f32,
    pub(crate) stride: usize,
    pub(crate) step: usize,
}

impl Soon {
    /// Nothing: a place that is at hand anyway.
    #[inline(always)]
    pub(crate) fn idle(at: *const f32) -> Soon {
        Soon { at, stride: 0, step: 0 }
    }
}

/// Cache lines that are asked for in a round.
pub(crate) const PIECES: usize = 8;
/// Floats of a cache line.
pub(crate) const CACHE_LINE: usize = 16;
/// Steps along `k` of a round.
pub(crate) const ROUND: usize = 16;

/// One tile over `k` steps. Element `(r, p)` of the left side is `a[r * AR + p * a_step]`, row `p` of the right side is
/// `b[p * b_step ..]`. `rows` and `cols` of the tile are written, at most `MR` and `NV` vectors; all of the tile is
/// read. `soon` is asked for on the way, and so is the tile's place if it is `far`: not in the cache yet.
///
/// # Safety
/// The machine has the instructions, all elements named above are readable, those written are this call's alone.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const AR: usize>(
    k: usize,
    (mut a, a_step): (*const f32, usize),
    (mut b, b_step): (*const f32, usize),
    to: Target,
    (rows, cols): (usize, usize),
    (mut soon, far): (Soon, bool),
) {
    // SAFETY: this function's contract.
    unsafe {
        for r in 0..if far { rows } else { 0 } {
            S::prefetch(to.at(r, 0).c);
            S::prefetch(to.at(r, (NV - 1) * to.vector_stride).c);
        }
        // Loops over these arrays have constant bounds and no reference to them leaves this function: they are registers.
        let mut sums = [[S::splat(0.0); NV]; MR];
        // Many steps a round: the counting disappears behind the multiplications.
        for _ in 0..k / ROUND {
            for piece in 0..PIECES {
                S::prefetch_far(soon.at.wrapping_add(piece.wrapping_mul(soon.stride)));
                for _ in 0..ROUND / PIECES {
                    step::<S, MR, NV, AR>(a, b, &mut sums);
                    a = a.wrapping_add(a_step);
                    b = b.wrapping_add(b_step);
                }
            }
            soon.at = soon.at.wrapping_add(soon.step);
        }
        for _ in 0..k % ROUND {
            step::<S, MR, NV, AR>(a, b, &mut sums);
            a = a.wrapping_add(a_step);
            b = b.wrapping_add(b_step);
        }
        if to.alpha != 1.0 {
            let alpha = S::splat(to.alpha);
            for r in 0..MR {
                for v in 0..NV {
                    sums[r][v] = S::mul(alpha, sums[r][v]);
                }
            }
        }
        if rows == MR && cols == NV * S::LANES {
            write::<S, MR, NV, true>(sums, to, rows);
        } else if cols == NV * S::LANES {
            write::<S, MR, NV, false>(sums, to, rows);
        } else {
            let mut copy = [0.0f32; MOST_FLOATS];
            for r in 0..MR {
                for v in 0..NV {
                    S::store(copy.as_mut_ptr().add((r * NV + v) * S::LANES), sums[r][v]);
                }
            }
            write_part::<S>(&copy, NV * S::LANES, to, (rows, cols));
        }
    }
}

/// Writes whole vectors of `rows` rows, which are `ALL` rows of the tile or the first of them. Short loop bodies, so that
/// the compiler unrolls them all.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn write<S: Simd, const MR: usize, const NV: usize, const ALL: bool>(
    mut sums: [[S::V; NV]; MR],
    to: Target,
    rows: usize,
) {
    // SAFETY: `tile`'s contract.
    unsafe {
        if to.beta != 0.0 {
            let beta = S::splat(to.beta);
            for r in 0..MR {
                if ALL || r < rows {
                    for v in 0..NV {
                        sums[r][v] = S::fma(beta, S::load(to.at(r, v * to.vector_stride).c), sums[r][v]);
                    }
                }
            }
        }
        if !to.bias.is_null() {
            let one = S::splat(1.0);
            for v in 0..NV {
                let bias = S::load(to.bias.wrapping_add(v * to.vector_stride));
                for r in 0..MR {
                    sums[r][v] = S::fma(one, bias, sums[r][v]);
                }
            }
        }
        for r in 0..MR {
            if ALL || r < rows {
                for v in 0..NV {
                    S::store(to.at(r, v * to.vector_stride).c, sums[r][v]);
                }
            }
        }
    }
}

/// One step along `k`.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn step<S: Simd, const MR: usize, const NV: usize, const AR: usize>(
    a: *const f32,
    b: *const f32,
    sums: &mut [[S::V; NV]; MR],
) {
    // SAFETY: `tile`'s contract.
    unsafe {
        let mut right = [S::splat(0.0); NV];
        for v in 0..NV {
            right[v] = S::load(b.add(v * S::LANES));
        }
        for r in 0..MR {
            let left = S::splat(*a.add(r * AR));
            for v in 0..NV {
                sums[r][v] = S::step(left, right[v], sums[r][v]);
            }
        }
    }
}

/// Floats of the largest tile.
const MOST_FLOATS: usize = 14 * 32;

/// Writes the part of a tile that belongs to the result; rows of the tile lie `width` apart.
///
/// # Safety
/// As [`tile`].
#[inline(never)]
unsafe fn write_part<S: Simd>(sums: &[f32], width: usize, to: Target, (rows, cols): (usize, usize)) {
    for (r, sums) in sums.chunks(width).enumerate().take(rows) {
        // SAFETY: these elements belong to this call.
        let c = unsafe { std::slice::from_raw_parts_mut(to.at(r, 0).c, cols) };
        if to.beta == 0.0 {
            // Whatever the result held before does not matter.
            c.copy_from_slice(&sums[..cols]);
        } else if S::FUSED && to.beta != 1.0 {
            // Rounded once, as in whole tiles: an element's bits do not depend on its place.
            c.iter_mut().zip(sums).for_each(|(c, &sum)| *c = to.beta.mul_add(*c, sum));
        } else {
            c.iter_mut().zip(sums).for_each(|(c, &sum)| *c = to.beta * *c + sum);
        }
        if !to.bias.is_null() {
            // SAFETY: there is one for each column.
            let bias = unsafe { std::slice::from_raw_parts(to.bias, cols) };
            c.iter_mut().zip(bias).for_each(|(c, &bias)| *c += bias);
        }
    }
}
