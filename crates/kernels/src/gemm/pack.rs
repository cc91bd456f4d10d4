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
use super::tile::{CACHE_LINE, PIECES, Portable, Simd, Soon};
use super::turn::{Turn, normal};
use crate::isa::{Isa, isa};
use crate::prefetch::{ahead, ahead_at};

/// How many steps ahead of their use the pieces of a row are asked for.
const AHEAD: usize = 8;

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

    /// What asks for a part ahead of time, rows being lines, during tiles of `rounds` rounds: some lines in each tile if
    /// their steps lie together, otherwise some steps of as many lines as lie on the cache lines of a round. Nothing for
    /// layouts and kinds of numbers for which it is not worth while.
    pub(super) fn visits(&self, part: Part, rounds: usize) -> Visits {
        let &Operand::Floats(Mat { data, row_stride, col_stride, .. }) = self else { return Visits::NONE };
        if rounds == 0 || part.lines == 0 || part.steps == 0 {
            return Visits::NONE;
        }
        let first = part.line.wrapping_mul(row_stride).wrapping_add(part.step.wrapping_mul(col_stride));
        let first = data.as_ptr().wrapping_add(first);
        match (row_stride, col_stride) {
            (_, 1) => {
                let soon = Soon { at: first, stride: row_stride, step: CACHE_LINE };
                let across = PIECES.wrapping_mul(row_stride);
                Visits {
                    soon,
                    column: first,
                    down: 1,
                    along: 0,
                    across,
                    done: 0,
                    left: part.lines.div_ceil(PIECES),
                }
            }
            (1, _) => {
                let before = first.addr() / size_of::<f32>() % CACHE_LINE;
                let column = first.wrapping_sub(before);
                let soon = Soon { at: column, stride: CACHE_LINE, step: col_stride };
                let down = part.steps.div_ceil(rounds);
                let left = (before + part.lines).div_ceil(PIECES * CACHE_LINE) * down;
                let (along, across) = (rounds.wrapping_mul(col_stride), PIECES * CACHE_LINE);
                Visits { soon, column, down, along, across, done: 0, left }
            }
            _ => Visits::NONE,
        }
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

/// Visits to a part of an operand, one in a tile: each asks for some of its cache lines.
pub(super) struct Visits {
    /// The next one.
    soon: Soon,
    /// Where the column of `down` visits, `along` floats apart, begins, and how far away the next column is.
    column: *const f32,
    down: usize,
    along: usize,
    across: usize,
    /// Visits to the column that were made, and those that are left of all columns.
    done: usize,
    left: usize,
}

impl Visits {
    pub(super) const NONE: Visits = Visits {
        soon: Soon { at: std::ptr::null(), stride: 0, step: 0 },
        column: std::ptr::null(),
        down: 1,
        along: 0,
        across: 0,
        done: 0,
        left: 0,
    };

    /// How many are left.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The `i`-th of `n` nearly equal shares of them.
    pub(super) fn share(mut self, n: usize, i: usize) -> Visits {
        let (first, end) = (i * self.left / n, (i + 1) * self.left / n);
        self.column = self.column.wrapping_add((first / self.down).wrapping_mul(self.across));
        self.done = first % self.down;
        self.soon.at = self.column.wrapping_add(self.done.wrapping_mul(self.along));
        self.left = end - first;
        self
    }

    /// What the next visit asks for.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Soon {
        let soon = self.soon;
        self.left -= 1;
        self.done += 1;
        if self.done < self.down {
            self.soon.at = soon.at.wrapping_add(self.along);
        } else {
            self.done = 0;
            self.column = self.column.wrapping_add(self.across);
            self.soon.at = self.column;
        }
        soon
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

/// `sums[l] += sum over steps of line l` for packed panels of the left side, in `f32` over some steps, then in `f64`.
pub(super) fn add_line_sums(panels: &[f32], steps: usize, width: usize, sums: &mut [f32]) {
    for (panel, sums) in panels.chunks_exact(steps * width).zip(sums.chunks_mut(width)) {
        let mut total = [0.0f64; WIDEST];
        for part in panel.chunks(SUMMED * width) {
            add_flat(part, width, &mut total[..width]);
        }
        for (sum, total) in sums.iter_mut().zip(total) {
            *sum = (f64::from(*sum) + total) as f32;
        }
    }
}

/// Most lines of a panel of the left side.
const WIDEST: usize = 14;
/// Steps that are summed in `f32`: 64 numbers for each of the partial sums of a line.
const SUMMED: usize = 64 * TOGETHER;
/// Steps that are summed side by side: as many as make whole vectors of panels of any width.
const TOGETHER: usize = 8;

simd! {
    fn add_flat<FMA>(part: &[f32], width: usize, total: &mut [f64]) {
        let _ = FMA;
        let mut lanes = [0.0f32; WIDEST * TOGETHER];
        let lanes = &mut lanes[..width * TOGETHER];
        let mut whole = part.chunks_exact(width * TOGETHER);
        for floats in &mut whole {
            for (lane, &x) in lanes.iter_mut().zip(floats) {
                *lane += x;
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(whole.remainder()) {
            *lane += x;
        }
        for lanes in lanes.chunks_exact(width) {
            for (total, &lane) in total.iter_mut().zip(lanes) {
                *total += f64::from(lane);
            }
        }
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
                    // The same place of the next panel, which no access before leads up to. The left side has been asked for
                    // while tiles were computed.
                    for l in 0..if W == S::NR { count } else { 0 } {
                        ahead_at(from.wrapping_add((advance + l) * line_stride), 1);
                    }
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
        ahead(data, (step + AHEAD).saturating_mul(step_stride), count * W);
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
