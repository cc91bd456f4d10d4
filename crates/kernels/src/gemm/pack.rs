//! Copies of an operand in the order in which the tiles read it.
//!
//! An operand is taken as lines (rows of the left side, columns of the right one) times steps along `k`. A panel is some
//! lines side by side, step by step: element `(line, step)` lies at `step * width + line`. Lines missing at the end are
//! zeros, and so are denormal numbers, with which a product would take many times as long. All layouts become the same panels; those whose steps lie together are transposed in registers on the way.
#![allow(unsafe_code)]

use super::Mat;
use super::bf16::{self, Bf16};
#[cfg(target_arch = "x86_64")]
use super::tile::{Avx2, Avx512};
use super::tile::{PIECES, Portable, Simd, Soon};
use super::turn::{Turn, normal};
use crate::isa::{Isa, isa};
use crate::prefetch::ahead;

/// How many steps ahead of their use the pieces of a row are asked for.
const AHEAD: usize = 3;

/// Floats of a cache line.
const CACHE_LINE: usize = 16;

/// An operand as lines and steps.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) line_stride: usize,
    pub(crate) step_stride: usize,
}

/// A side of a product.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Floats(Mat<'a>),
    /// Widened to floats when it is packed.
    Bf16(Mat<'a, Bf16>),
    /// Packed as pairs of neighbouring steps, two in the place of a float.
    Pairs(Mat<'a, Bf16>),
}

impl Operand<'_> {
    /// Rows, and steps along columns.
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Operand::Floats(mat) => (mat.rows, mat.cols),
            Operand::Bf16(mat) => (mat.rows, mat.cols),
            Operand::Pairs(mat) => (mat.rows, mat.cols.div_ceil(2)),
        }
    }

    /// The same with rows and columns exchanged.
    pub(super) fn t(self) -> Self {
        match self {
            Operand::Floats(mat) => Operand::Floats(mat.t()),
            Operand::Bf16(mat) => Operand::Bf16(mat.t()),
            Operand::Pairs(mat) => Operand::Pairs(mat.t()),
        }
    }

    /// How many tiles of `rounds` rounds it takes to ask for a part ahead of time, rows being lines: none for layouts and
    /// kinds of numbers for which it is not worth while.
    pub(super) fn visits(&self, part: Part, rounds: usize) -> usize {
        let &Operand::Floats(Mat { row_stride, col_stride, .. }) = self else { return 0 };
        match (row_stride, col_stride) {
            _ if rounds == 0 => 0,
            (_, 1) => part.lines.div_ceil(PIECES),
            (1, _) => part.lines.div_ceil(PIECES * CACHE_LINE) * part.steps.div_ceil(rounds),
            _ => 0,
        }
    }

    /// What the `i`-th of those tiles asks for: some lines if their steps lie together, otherwise some steps of as many
    /// lines as lie on the cache lines of a round.
    pub(super) fn visit(&self, part: Part, rounds: usize, i: usize) -> Option<Soon> {
        let &Operand::Floats(Mat { data, row_stride, col_stride, .. }) = self else { return None };
        let at = |line: usize, step: usize| {
            data.as_ptr().wrapping_add((part.line + line) * row_stride + (part.step + step) * col_stride)
        };
        if col_stride == 1 {
            return Some(Soon { at: at(i * PIECES, 0), stride: row_stride, step: CACHE_LINE });
        }
        let down = part.steps.div_ceil(rounds);
        let at = at(i / down * PIECES * CACHE_LINE, i % down * rounds);
        Some(Soon { at, stride: CACHE_LINE, step: col_stride })
    }

    /// Packs a part, rows being lines, with one of the functions below.
    pub(super) fn pack(&self, part: Part, to: &mut [f32], pack: impl Fn(Lines<'_>, Part, &mut [f32])) {
        let copied = |part: Part, to: &mut [f32], copy: &dyn Fn(&mut [f32])| {
            crate::scratch::with(part.lines * part.steps, |buffer| {
                copy(buffer);
                let lines = Lines { data: buffer, line_stride: part.steps, step_stride: 1 };
                pack(lines, Part { line: 0, step: 0, ..part }, to);
            });
        };
        match *self {
            Operand::Floats(Mat { data, row_stride, col_stride, .. }) => {
                pack(Lines { data, line_stride: row_stride, step_stride: col_stride }, part, to);
            }
            Operand::Bf16(mat) => copied(part, to, &|buffer| bf16::widen(mat, part, buffer)),
            Operand::Pairs(mat) => copied(part, to, &|buffer| bf16::pair(mat, part, buffer)),
        }
    }
}

/// Which part of an operand to pack.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// First line, and how many.
    pub(crate) line: usize,
    pub(crate) lines: usize,
    /// First step, and how many.
    pub(crate) step: usize,
    pub(crate) steps: usize,
}

/// Packs a part of the left side, to the bit if `EXACT`, into panels of as many rows as a tile has: `lines.div_ceil(MR)` panels of `steps * MR`.
pub(crate) fn pack_left<const EXACT: bool>(source: Lines<'_>, part: Part, to: &mut [f32]) {
    match isa() {
        // SAFETY: `isa` names only instructions that this machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::<14, EXACT>(source, part, None, to) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::<6, EXACT>(source, part, None, to) },
        _ => body::<Portable, 4, EXACT>(source, part, None, to),
    }
}

/// Packs a part of the right side into panels of as many columns as a tile has. With `pair`, a panel holds one vector of
/// lines and the vector of lines `pair` further on: `part` then counts the lines of the first kind alone.
pub(crate) fn pack_right<const EXACT: bool>(
    source: Lines<'_>,
    part: Part,
    pair: Option<usize>,
    to: &mut [f32],
) {
    match isa() {
        // SAFETY: `isa` names only instructions that this machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::<32, EXACT>(source, part, pair, to) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::<16, EXACT>(source, part, pair, to) },
        _ => body::<Portable, 8, EXACT>(source, part, pair, to),
    }
}

/// # Safety
/// The machine has AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn avx512<const W: usize, const EXACT: bool>(
    source: Lines<'_>,
    part: Part,
    pair: Option<usize>,
    to: &mut [f32],
) {
    body::<Avx512, W, EXACT>(source, part, pair, to);
}

/// # Safety
/// The machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const W: usize, const EXACT: bool>(
    source: Lines<'_>,
    part: Part,
    pair: Option<usize>,
    to: &mut [f32],
) {
    body::<Avx2, W, EXACT>(source, part, pair, to);
}

#[inline(always)]
pub(super) fn body<S: Simd + Turn, const W: usize, const EXACT: bool>(
    source: Lines<'_>,
    part: Part,
    pair: Option<usize>,
    to: &mut [f32],
) {
    let Lines { line_stride, step_stride, .. } = source;
    let origin = part.line * line_stride + part.step * step_stride;
    let len = part.steps * W;
    // Lines from one panel to the next, and from one vector of a panel to the next.
    let (advance, split) = pair.map_or((W, S::LANES), |pair| (S::LANES, pair));
    let mut first = 0;
    if line_stride == 1 && pair.is_none() {
        // Whole panels side by side: a row of the operand is read once for all of them.
        first = part.lines / W;
        copy_steps::<S, W, EXACT>(&source.data[origin..], step_stride, part.steps, &mut to[..first * len]);
    }
    for i in first..part.lines.div_ceil(advance) {
        let panel = &mut to[i * len..(i + 1) * len];
        let data = &source.data[origin + i * advance * line_stride..];
        let lines = if pair.is_some() { W } else { W.min(part.lines - i * W) };
        let place = |line: usize| line / S::LANES * split + line % S::LANES;
        let mut done = 0;
        if lines == W && step_stride == 1 {
            done = part.steps / S::LANES * S::LANES;
            let last = place(W - 1) * line_stride + done;
            assert!(done == 0 || data.len() >= last, "lines reach beyond the operand");
            for step in (0..done).step_by(S::LANES) {
                for line in (0..W).step_by(S::LANES) {
                    let count = S::LANES.min(W - line);
                    let to = &mut panel[step * W + line..(step + S::LANES - 1) * W + line + count];
                    let from = data[place(line) * line_stride + step..].as_ptr();
                    // SAFETY: `W` lines of `done` steps lie in `data`, and `LANES` steps of `count` lines in `to`; the
                    // caller runs code for instructions the machine has.
                    unsafe { S::turn::<EXACT>(from, line_stride, count, to.as_mut_ptr(), W) };
                }
            }
        }
        // Any strides, steps that do not fill a vector, and the zeros of lines that are missing.
        for step in done..part.steps {
            for (line, to) in panel[step * W..(step + 1) * W].iter_mut().enumerate() {
                *to = if line < lines {
                    normal::<EXACT>(data[place(line) * line_stride + step * step_stride])
                } else {
                    0.0
                };
            }
        }
    }
}

/// Lines that lie together: `W` floats of each step for each panel.
#[inline(always)]
fn copy_steps<S: Turn, const W: usize, const EXACT: bool>(
    data: &[f32],
    step_stride: usize,
    steps: usize,
    panels: &mut [f32],
) {
    let count = panels.len() / (steps * W);
    for step in 0..steps {
        let from = &data[step * step_stride..][..count * W];
        ahead(data, (step + AHEAD) * step_stride, count * W);
        for (panel, from) in from.chunks_exact(W).enumerate() {
            let to = &mut panels[(panel * steps + step) * W..][..W];
            for line in (0..W).step_by(S::LANES) {
                // SAFETY: `W` floats lie on both sides; the caller runs code for instructions the machine has.
                unsafe {
                    let (from, to) = (from.as_ptr().add(line), to.as_mut_ptr().add(line));
                    S::copy::<EXACT>(from, S::LANES.min(W - line), to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn check(width: usize, pack: impl Fn(Lines<'_>, Part, &mut [f32])) {
        let data = values(200 * 200, 1);
        for (line_stride, step_stride) in [(1, 100), (100, 1), (3, 170)] {
            let source = Lines { data: &data, line_stride, step_stride };
            for (line, lines, step, steps) in
                [(0, width, 0, 32), (3, 2 * width + 1, 5, 37), (1, 1, 0, 1), (2, 3 * width, 1, 15)]
            {
                let mut to = vec![f32::NAN; lines.div_ceil(width) * steps * width];
                pack(source, Part { line, lines, step, steps }, &mut to);
                for (i, &got) in to.iter().enumerate() {
                    let (panel, s, l) = (i / (steps * width), i / width % steps, i % width);
                    let l = panel * width + l;
                    let at = (line + l) * line_stride + (step + s) * step_stride;
                    let want = if l < lines { data[at] } else { 0.0 };
                    assert_eq!(got, want, "{width} wide: line {l}, step {s}");
                }
            }
        }
    }

    #[test]
    fn denormal_numbers_become_zero_and_nothing_else_does() {
        let odd = [1e-40, -1e-39, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, 0.0, 3.0];
        let data: Vec<f32> = (0..64 * 64).map(|i| odd[(i + i / 64) % 8]).collect();
        for (line_stride, step_stride) in [(1, 64), (64, 1)] {
            let source = Lines { data: &data, line_stride, step_stride };
            let part = Part { line: 0, lines: 33, step: 0, steps: 40 };
            for width in [14, 32] {
                let mut to = vec![9.0; 33usize.div_ceil(width) * width * 40];
                match (width, isa()) {
                    (14, Isa::Avx512) => pack_left::<false>(source, part, &mut to),
                    (32, Isa::Avx512) => pack_right::<false>(source, part, None, &mut to),
                    (14, _) => body::<Portable, 14, false>(source, part, None, &mut to),
                    _ => body::<Portable, 32, false>(source, part, None, &mut to),
                }
                for (i, &got) in to.iter().enumerate() {
                    let (line, step) = (i / (width * 40) * width + i % width, i / width % 40);
                    let x = if line < 33 { data[line * line_stride + step * step_stride] } else { 0.0 };
                    let want = if x.is_subnormal() { 0.0 } else { x };
                    assert!(got == want || got.is_nan() && want.is_nan(), "{x} became {got}");
                }
            }
        }
    }

    #[test]
    fn panels_hold_every_element_and_zeros() {
        let (left, right) = match isa() {
            Isa::Avx512 => (14, 32),
            Isa::Avx2 => (6, 16),
            Isa::Portable => (4, 8),
        };
        check(left, pack_left::<false>);
        check(right, |source, part, to| pack_right::<false>(source, part, None, to));
        check(8, |source, part, to| body::<Portable, 8, false>(source, part, None, to));
    }
}
