//! What forward and backward share: the buffers of a task and products of blocks that are not packed.
#![allow(unsafe_code)]

use super::coming::Coming;
use super::{AttentionRows, AttentionShape};
use crate::gemm::tile::{Simd, Target, tile};
use crate::gemm::turn::Turn;
use crate::prefetch::ahead;
use crate::rope::turn_head;

/// A matrix in memory: pointer and distance of its rows (or, on the left side, of its steps).
pub(super) type Strided = (*const f32, usize);
/// A matrix to write to: pointer and distance of its rows.
pub(super) type Place = (*mut f32, usize);
/// Rows, columns and steps of a product.
pub(super) type Size = (usize, usize, usize);

/// Blocks for an instruction set: as many rows and keys as make whole tiles, and their products.
pub(super) trait Blocks: Simd + Turn {
    /// Query rows of a block.
    const ROWS: usize;
    /// Keys of a block.
    const KEYS: usize;

    /// `C = alpha A B + beta C` for a block, during which what is `coming` is asked for: element `(i, p)` of `A` is
    /// `a.0[i * AR + p * a.1]`, row `p` of `B` begins at `b.0[p * b.1]`. The number of columns is a multiple of `LANES`.
    ///
    /// # Safety
    /// The machine has the instructions; whole tiles of `A` and `B` are readable; the rows of `C` are this call's alone.
    unsafe fn product<const AR: usize>(
        size: Size,
        a: Strided,
        b: Strided,
        c: Place,
        factors: (f32, f32),
        coming: &mut Coming,
    );
}

/// [`Blocks`] of so many rows and keys, with tiles as high as those of the instruction set and, at the end, half as high.
macro_rules! blocks {
    ($simd:ident, $rows:literal rows, $keys:literal keys, tiles $high:literal or $half:literal high) => {
        impl Blocks for crate::gemm::tile::$simd {
            const ROWS: usize = $rows;
            const KEYS: usize = $keys;

            #[inline(always)]
            unsafe fn product<const AR: usize>(
                size: Size,
                a: Strided,
                b: Strided,
                c: Place,
                factors: (f32, f32),
                coming: &mut Coming,
            ) {
                // SAFETY: the trait's contract.
                unsafe { product::<Self, $high, $half, AR>(size, a, b, c, factors, coming) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
blocks!(Avx512, 56 rows, 112 keys, tiles 14 or 7 high);
#[cfg(target_arch = "x86_64")]
blocks!(Avx2, 60 rows, 96 keys, tiles 6 or 3 high);
blocks!(Portable, 56 rows, 112 keys, tiles 4 or 2 high);

/// Most query rows of a block, keys that blocks advance by (the last has up to [`SCORES`]), rows of a tile and floats of a
/// vector, for any instruction set: buffers are as long for all of them.
pub(super) const MOST_ROWS: usize = 60;
pub(super) const MOST_KEYS: usize = 112;
pub(super) const MOST_TILE: usize = 14;
pub(super) const MOST_LANES: usize = 16;

/// How many rows ahead of their use the pieces of a head, read or written, are asked for.
pub(super) const AHEAD: usize = 8;

/// Distance of rows of scores: room for all keys of a block, and not a power of two.
pub(super) const SCORES: usize = 144;

/// Runs a generic body for the instruction set in use: `dispatch!(body(args))` calls `body::<S, FMA>(args)`. No closure may
/// stand between this and the products: it would be compiled without the instructions.
macro_rules! dispatch {
    ($body:ident($($arg:ident: $ty:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        fn avx512($($arg: $ty),*) {
            $body::<crate::gemm::tile::Avx512, true>($($arg),*);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($arg: $ty),*) {
            $body::<crate::gemm::tile::Avx2, true>($($arg),*);
        }
        match crate::isa::isa() {
            // SAFETY: `isa` names only instructions that this machine has.
            #[cfg(target_arch = "x86_64")]
            crate::isa::Isa::Avx512 => unsafe { avx512($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            crate::isa::Isa::Avx2 => unsafe { avx2($($arg),*) },
            _ => $body::<crate::gemm::tile::Portable, false>($($arg),*),
        }
    }};
}
pub(super) use dispatch;

/// One sequence of the batch.
#[derive(Clone, Copy)]
pub(super) struct Sequence<'a> {
    pub(super) shape: &'a AttentionShape,
    pub(super) rows: &'a AttentionRows<'a>,
    pub(super) qkv: &'a [f32],
    /// Its first row in the batch.
    pub(super) first: usize,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(
        shape: &'a AttentionShape,
        rows: &'a AttentionRows<'a>,
        qkv: &'a [f32],
        number: usize,
    ) -> Self {
        Sequence { shape, rows, qkv, first: number * shape.time }
    }

    /// The task behind that of key head `kv_head`: the first row of its sequence in the batch, and its key head.
    pub(super) fn next_task(&self, kv_head: usize) -> Option<(usize, usize)> {
        let (time, kv_heads) = (self.shape.time, self.shape.kv_heads);
        let next = if kv_head + 1 < kv_heads { (self.first, kv_head + 1) } else { (self.first + time, 0) };
        (next.0 < self.shape.batch * time).then_some(next)
    }

    /// Columns `column .. column + head_dim` of `count` rows from `from` on, times `factor`, turned by their rotary angles
    /// if `turn`; rows of `to` lie `stride` apart, what is left of them becomes zero.
    #[inline(always)]
    pub(super) fn copy<const FMA: bool>(
        &self,
        (from, count): (usize, usize),
        column: usize,
        factor: f32,
        turn: bool,
        to: &mut [f32],
        stride: usize,
    ) {
        let (d, width) = (self.shape.head_dim, self.shape.qkv_width());
        for (i, to) in to.chunks_exact_mut(stride).enumerate().take(count) {
            let row = self.first + from + i;
            let source = &self.qkv[row * width + column..][..d];
            ahead(self.qkv, (row + AHEAD) * width + column, d);
            let (head, rest) = to.split_at_mut(d);
            for (to, &x) in head.iter_mut().zip(source) {
                *to = factor * x;
            }
            rest.fill(0.0);
            if let Some((table, positions)) = self.rows.rope.filter(|_| turn) {
                let (cos, sin) = table.row(positions[row] as usize);
                turn_head::<FMA>(head, cos, sin, 1.0);
            }
        }
    }

    /// How many of the `count` keys from `key` on any of `rows` rows from `row` on reaches to: what lies behind is not
    /// computed.
    #[inline(always)]
    pub(super) fn reach(&self, (row, rows): (usize, usize), (key, count): (usize, usize)) -> usize {
        let end = |at: usize| self.rows.keys(self.first + at, at).end;
        (row..row + rows).map(end).max().unwrap_or(0).saturating_sub(key).min(count)
    }

    /// Which of the `count` keys from `key` on row `row` sees.
    #[inline(always)]
    pub(super) fn seen(&self, row: usize, (key, count): (usize, usize)) -> std::ops::Range<usize> {
        let keys = self.rows.keys(self.first + row, row);
        let start = keys.start.saturating_sub(key).min(count);
        start..keys.end.saturating_sub(key).min(count).max(start)
    }

    /// The blocks of query rows of at most `most`: first row, rows, and the keys any of them sees.
    pub(super) fn blocks(&self, most: usize) -> impl Iterator<Item = Block> + use<'a> {
        let (sequence, time) = (*self, self.shape.time);
        (0..time).step_by(most).map(move |first| {
            let rows = most.min(time - first);
            let keys = |at: usize| sequence.rows.keys(sequence.first + at, at);
            let low = (first..first + rows).map(|at| keys(at).start).min().unwrap_or(0);
            let high = (first..first + rows).map(|at| keys(at).end).max().unwrap_or(0);
            // A multiple of 16 keeps rows of keys on cache lines.
            Block { first, rows, low: low / 16 * 16, high }
        })
    }
}

/// A block of query rows and the keys it sees.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) low: usize,
    pub(super) high: usize,
}

impl Block {
    /// The keys in blocks of `size`: first key, keys. The last one takes a small rest along, up to [`SCORES`] keys.
    pub(super) fn keys(&self, size: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (low, high) = (self.low, self.high);
        let blocks = (high - low).saturating_sub(SCORES - size).div_ceil(size).max(1);
        (0..blocks).map(move |i| {
            let first = low + i * size;
            (first, if i + 1 < blocks { size } else { high - first })
        })
    }
}

/// `to[j * to_stride + i] = from[i * from_stride + j]` for `rows` rows of `cols` floats; the rest of the lines is zero.
#[inline(always)]
pub(super) fn transposed<S: Turn>(
    (rows, cols): (usize, usize),
    (from, from_stride): (&[f32], usize),
    (to, to_stride): (&mut [f32], usize),
) {
    let whole = cols / S::LANES * S::LANES;
    for i in (0..rows).step_by(S::LANES) {
        let lines = S::LANES.min(rows - i);
        for j in (0..whole).step_by(S::LANES) {
            let source = &from[i * from_stride + j..(i + lines - 1) * from_stride + j + S::LANES];
            let target = &mut to[j * to_stride + i..(j + S::LANES - 1) * to_stride + i + lines];
            // SAFETY: `lines` lines of `LANES` floats lie in `source` and as many in `target`; the caller runs code for
            // instructions the machine has.
            unsafe { S::turn::<true>(source.as_ptr(), from_stride, lines, target.as_mut_ptr(), to_stride) };
        }
        for j in whole..cols {
            for l in i..i + lines {
                to[j * to_stride + l] = from[l * from_stride + j];
            }
        }
    }
    for line in to.chunks_exact_mut(to_stride).take(cols) {
        line[rows..].fill(0.0);
    }
}

/// [`Blocks::product`], with tiles of `MR` rows, and of `FEW` where no more are left.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn product<S: Simd, const MR: usize, const FEW: usize, const AR: usize>(
    (m, n, k): Size,
    a: Strided,
    b: Strided,
    (c, row_stride): Place,
    (alpha, beta): (f32, f32),
    coming: &mut Coming,
) {
    let to = Target { c, bias: std::ptr::null(), row_stride, vector_stride: S::LANES, alpha, beta };
    let mut col = 0;
    while col < n {
        let right = (b.0.wrapping_add(col), b.1);
        let wide = n - col >= S::NR;
        for row in (0..m).step_by(MR) {
            let left = (a.0.wrapping_add(row * AR), a.1);
            let rows = MR.min(m - row);
            let to = to.at(row, col);
            // The block itself lies in the cache.
            let soon = (coming.next(k, left.0), false);
            // SAFETY: this function's contract.
            unsafe {
                match (wide, rows <= FEW) {
                    (true, false) => tile::<S, MR, 2, AR>(k, left, right, to, (rows, S::NR), soon),
                    (true, true) => tile::<S, FEW, 2, AR>(k, left, right, to, (rows, S::NR), soon),
                    (false, false) => tile::<S, MR, 1, AR>(k, left, right, to, (rows, S::LANES), soon),
                    (false, true) => tile::<S, FEW, 1, AR>(k, left, right, to, (rows, S::LANES), soon),
                }
            }
        }
        col += if wide { S::NR } else { S::LANES };
    }
}
