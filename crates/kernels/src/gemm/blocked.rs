//! The loops around the tile: what is packed, and which task computes which part of the result.
//!
//! For a chunk of columns and a chunk of `k`, all threads pack the right side; then each task packs some rows of the
//! left side, which stay in its second-level cache, and runs over the panels of the right side. The chunk of `k` is
//! fixed by the instruction set, not by the cache sizes of the machine: it is where sums are rounded.
#![allow(unsafe_code)]

use super::MatMut;
use super::pack::{Lines, Operand, Part, Visits, add_line_sums, pack_left, pack_right};
#[cfg(target_arch = "x86_64")]
use super::tile::{Avx2, Avx512};
use super::tile::{Portable, ROUND, Simd, Soon, Target, tile};
use crate::isa::{Isa, isa};
use crate::par::{Shared, par};
use crate::pool::threads;
use crate::{prefetch, scratch};
use std::ops::Range;

/// Longest chunk of `k`: a pass over the result for each of them costs more than a panel of the right side that comes from
/// the second-level cache.
const MOST_K: usize = 768;
/// Most floats of the right side that are packed at a time (4 MiB).
const MOST_RIGHT: usize = 1 << 20;
/// Panels of the left side that a task has at most: they stay in its second-level cache (504 KiB with AVX-512).
const MOST_ROWS: usize = 12;
/// Floating-point operations of a task that has its left side packed for it: some ten microseconds.
const TASK_FLOP: usize = 3 << 19;
/// Panels of the left side for each thread from which on it packs those of its own tasks.
const FEW_ROWS: usize = 4;
/// Panels that such a task should have: it reads all of the right side.
const LEAST_ROWS: usize = 3;
/// Such tasks for each thread, if the product is large enough.
const TASKS: usize = 16;
/// The last tasks of a thread, which are half as long as the others: threads wait for each other's.
const SHORT: usize = 4;
/// Floating-point operations below which a product stays on its thread: about ten microseconds.
const SERIAL_FLOP: usize = 1 << 20;

/// A part of the result that is final: rows `row ..`, columns `col ..` of it.
pub(crate) struct Done<'a> {
    pub(crate) row: usize,
    pub(crate) col: usize,
    pub(crate) cols: usize,
    pub(crate) rows: usize,
    c: Shared<'a>,
    row_stride: usize,
}

impl<'a> Done<'a> {
    /// The same part of another matrix, `shift` columns further right.
    ///
    /// # Safety
    /// While rows of it are held, nobody else may hold a slice that overlaps them.
    pub(crate) unsafe fn beside(&self, other: Shared<'a>, row_stride: usize, shift: usize) -> Done<'a> {
        Done { col: self.col + shift, c: other, row_stride, ..*self }
    }

    /// Asks for the memory of the part ahead of time.
    pub(crate) fn ahead(&self) {
        for row in self.row..self.row + self.rows {
            prefetch::ahead_at(self.c.pointer(row * self.row_stride + self.col), self.cols);
        }
    }

    /// Row `i` of the part.
    #[inline(always)]
    pub(crate) fn row(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows, "row out of range");
        // SAFETY: the part belongs to the task that holds it (by `beside`'s contract also in another matrix), and `&mut self`
        // keeps rows from being held twice.
        unsafe { self.c.slice((self.row + i) * self.row_stride + self.col, self.cols) }
    }
}

/// Called for parts of the result that are final, while they are in the cache.
pub(crate) type Finish<'a> = &'a (dyn Fn(Done<'_>) + Sync);

/// [`Finish`] for a result in two halves of columns: called with the same part of both.
pub(crate) type FinishPair<'a> = &'a (dyn Fn(Done<'_>, Done<'_>) + Sync);

/// Called with a part that is about to be computed.
pub(crate) type Ahead<'a> = &'a (dyn Fn(Done<'_>) + Sync);

/// What follows the product.
#[derive(Clone, Copy)]
pub(super) enum Then<'a> {
    Nothing,
    One(Finish<'a>),
    /// The first is called before a part is computed, with the place of the part, to ask for memory ahead of time.
    Ahead(Ahead<'a>, Finish<'a>),
    /// The two halves of the columns are computed together, a vector of each in a tile.
    Pair(FinishPair<'a>),
}

/// What is done beside a product.
pub(super) struct Beside<'a> {
    /// Added to each row of the result.
    pub(super) bias: Option<&'a [f32]>,
    /// The sum of each row of the left side is added to it.
    pub(super) sums: Option<&'a mut [f32]>,
    pub(super) then: Then<'a>,
}

impl<'a> From<Then<'a>> for Beside<'a> {
    fn from(then: Then<'a>) -> Self {
        Beside { bias: None, sums: None, then }
    }
}

/// Calls `finish` for a result on which nothing is left to do.
pub(super) fn finish_all(c: &mut MatMut<'_>, finish: Finish<'_>) {
    let (rows, cols, row_stride) = (c.rows, c.cols, c.row_stride);
    finish(Done { row: 0, col: 0, cols, rows, c: Shared::new(&mut *c.data), row_stride });
}

/// Calls `finish` for all rows of a result in two halves of `half` columns.
pub(super) fn finish_pairs(
    data: &mut [f32],
    rows: usize,
    half: usize,
    row_stride: usize,
    finish: FinishPair<'_>,
) {
    let out = Shared::new(data);
    let per = (1 << 15) / half.max(1) + 1;
    par(rows.div_ceil(per), |task| {
        let part = |col: usize| Done {
            row: task * per,
            col,
            cols: half,
            rows: per.min(rows - task * per),
            c: out,
            row_stride,
        };
        finish(part(0), part(half));
    });
}

/// Whether two halves of `n` columns can be computed together: each a whole number of vectors.
pub(super) fn pairs(n: usize) -> bool {
    let lanes = match isa() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Avx2::LANES,
        _ => Portable::LANES,
    };
    n.is_multiple_of(2 * lanes)
}

/// The sizes of a product and how it is cut.
struct Plan {
    m: usize,
    n: usize,
    /// Panels of the left and the right side.
    rows: usize,
    cols: usize,
    /// Length of a chunk of `k`.
    k: usize,
    /// Panels of the right side in a chunk of columns.
    chunk: usize,
    /// Tasks along rows and columns of a chunk.
    grid: (usize, usize),
    threads: usize,
    parallel: bool,
}

impl Plan {
    fn new<S: Simd>(m: usize, n: usize, k: usize, parallel: bool) -> Plan {
        let (rows, cols) = (m.div_ceil(S::MR), n.div_ceil(S::NR));
        let k_chunk = k.div_ceil(k.div_ceil(MOST_K));
        let most = (MOST_RIGHT / (k_chunk * S::NR)).max(1);
        let chunk = cols.div_ceil(cols.div_ceil(most));
        let flop = m.saturating_mul(n).saturating_mul(k).saturating_mul(2);
        let parallel = parallel && flop >= SERIAL_FLOP;
        let threads = if parallel { threads() } else { 1 };
        let mut grid = (rows.div_ceil(MOST_ROWS), 1);
        if parallel && rows >= FEW_ROWS * threads {
            // Tasks of nearly the same size, as many for each thread.
            let tasks = rows.div_ceil(LEAST_ROWS).min(TASKS * threads).max(grid.0 + SHORT / 2 * threads);
            grid.0 = tasks.next_multiple_of(threads).min(rows);
        } else if parallel {
            // A column of tiles each, as many as make a task worth its while and still leave many to share evenly.
            let tiles = TASK_FLOP / (2 * S::MR * S::NR * k_chunk);
            grid = (rows.div_ceil(tiles.clamp(1, MOST_ROWS)), chunk);
        }
        Plan { m, n, rows, cols, k: k_chunk, chunk, grid, threads, parallel }
    }

    /// The panels of the left side that belong to a task.
    fn panels(&self, task: usize) -> Range<usize> {
        let (down, across) = self.grid;
        let (task, each) = (task / across, down / self.threads);
        if across > 1 || self.threads == 1 || each < SHORT || each * self.threads != down {
            return part(self.rows, down, task);
        }
        let own = part(self.rows, self.threads, task / each);
        // Where a task begins, in halves of a long one.
        let halves = |task: usize| (2 * task).min(task + each - SHORT);
        let panel = |task: usize| own.start + halves(task) * own.len() / halves(each);
        panel(task % each)..panel(task % each + 1)
    }

    /// What is packed after a task: the left side of the thread's next task, and the task's share of what all pack together
    /// for the next chunk.
    fn coming<S: Simd>(
        &self,
        (left, right): (Operand<'_>, Operand<'_>),
        (first_col, from, steps): (usize, usize, usize),
        task: usize,
    ) -> Coming {
        let (down, across) = self.grid;
        let (tasks, k, rounds) = (down * across, left.size().1, steps / ROUND);
        let after = from + steps;
        // First column panel, first step and steps of the next chunk.
        let chunk = if after < k {
            Some((first_col, after, self.k.min(k - after)))
        } else {
            Some((first_col + self.chunk, 0, self.k)).filter(|chunk| chunk.0 < self.cols)
        };
        let right = chunk.map(|(first, step, steps)| {
            let (line, panels) = (first * S::NR, self.chunk.min(self.cols - first));
            let part = Part { line, lines: (panels * S::NR).min(self.n - line), step, steps };
            right.visits(part, rounds).share(tasks, task)
        });
        if across > 1 {
            let all = |(_, step, steps)| Part { line: 0, lines: self.m, step, steps };
            let left = chunk.map(|chunk| left.visits(all(chunk), rounds).share(tasks, task));
            return Coming::new(right, left);
        }
        // Behind its last task of this chunk, a thread goes on with its first of the next one.
        let start = |thread: usize| part(down, self.threads, thread).start;
        let own = (0..self.threads).rev().find(|&thread| start(thread) <= task).unwrap_or(0);
        let next = if task + 1 < start(own + 1) {
            Some((task + 1, from, steps))
        } else {
            chunk.map(|(_, step, steps)| (start(own), step, steps))
        };
        let left = next.map(|(task, step, steps)| {
            let panels = self.panels(task);
            let line = panels.start * S::MR;
            let part = Part { line, lines: (panels.len() * S::MR).min(self.m - line), step, steps };
            left.visits(part, rounds)
        });
        Coming::new(left, right)
    }

    fn each(&self, tasks: usize, f: impl Fn(usize) + Sync + Send) {
        if self.parallel { par(tasks, f) } else { (0..tasks).for_each(f) }
    }
}

/// The `i`-th of `parts` nearly equal parts of `0..n`.
fn part(n: usize, parts: usize, i: usize) -> Range<usize> {
    i * n / parts..(i + 1) * n / parts
}

/// `C = alpha A B + beta C` for row-major `C`, and what is done beside it.
pub(super) fn product(
    alpha: f32,
    a: Operand<'_>,
    b: Operand<'_>,
    beta: f32,
    c: &mut MatMut<'_>,
    beside: Beside<'_>,
    parallel: bool,
) {
    match isa() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => run::<Avx512>(alpha, a, b, beta, c, beside, parallel, Code::new(tile_avx512)),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => run::<Avx2>(alpha, a, b, beta, c, beside, parallel, Code::new(tile_avx2)),
        _ => run::<Portable>(alpha, a, b, beta, c, beside, parallel, Code::new(tile_portable)),
    }
}

/// One panel of the left side times one of the right side.
pub(super) struct Job {
    k: usize,
    left: *const f32,
    right: *const f32,
    to: Target,
    rows: usize,
    pub(super) cols: usize,
    soon: Soon,
}

/// The code of an instruction set, whose tile the panels fit.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub(super) tile: unsafe fn(&Job),
    pub(super) pack_left: fn(Lines<'_>, Part, &mut [f32]),
    pub(super) pack_right: fn(Lines<'_>, Part, Option<usize>, &mut [f32]),
}

impl Code {
    /// With the packing of the instruction set in use.
    pub(super) fn new(tile: unsafe fn(&Job)) -> Code {
        Code { tile, pack_left: pack_left::<false>, pack_right: pack_right::<false> }
    }
}

/// What is packed after a task, asked for during its last tiles: packing waits for memory and multiplying does not.
struct Coming {
    first: Visits,
    second: Visits,
}

impl Coming {
    fn new(first: Option<Visits>, second: Option<Visits>) -> Coming {
        Coming { first: first.unwrap_or(Visits::NONE), second: second.unwrap_or(Visits::NONE) }
    }

    /// What to ask for during a tile behind which as many follow: `idle`, which is at hand anyway, when there is nothing.
    #[inline(always)]
    fn next(&mut self, following: usize, idle: *const f32) -> Soon {
        if following >= self.first.left() + self.second.left() {
            Soon::idle(idle)
        } else if self.first.left() > 0 {
            self.first.next()
        } else {
            self.second.next()
        }
    }
}

pub(super) fn run<S: Simd>(
    alpha: f32,
    a: Operand<'_>,
    b: Operand<'_>,
    beta: f32,
    c: &mut MatMut<'_>,
    Beside { bias, sums, then }: Beside<'_>,
    parallel: bool,
    code: Code,
) {
    let (left, right) = (a, b.t());
    let ((m, k), (n, _)) = (left.size(), right.size());
    let plan = Plan::new::<S>(m, n, k, parallel);
    assert!(bias.is_none_or(|bias| bias.len() == n), "bias is not one number for each column");
    assert!(sums.as_ref().is_none_or(|sums| sums.len() == m), "sums are not one number for each row");
    let sums = sums.map(Shared::new);
    let c_stride = c.row_stride;
    // A panel of pairs has as many columns as a panel, but a vector of them in each half.
    let pair = matches!(then, Then::Pair(_)).then_some(plan.n / 2);
    let (panel_cols, vector_stride, panel_n) = match pair {
        Some(half) => (S::LANES, half, half),
        None => (S::NR, S::LANES, plan.n),
    };
    let out = Shared::new(&mut *c.data);
    let (down, across) = plan.grid;
    // With several tasks along a row, packing for each of them would repeat it: pack once, for all.
    let left_len = if across > 1 { plan.rows * S::MR * plan.k } else { 0 };
    let right_len = plan.chunk * S::NR * plan.k;
    scratch::with(left_len + right_len, |buffer| {
        let (packed_right, packed_left) = buffer.split_at_mut(right_len);
        for first_col in (0..plan.cols).step_by(plan.chunk) {
            let cols = plan.chunk.min(plan.cols - first_col);
            for from in (0..k).step_by(plan.k) {
                let steps = plan.k.min(k - from);
                let last = from + steps == k;
                let beta = if from == 0 { beta } else { 1.0 };
                // The left side is packed once for every chunk of columns.
                let sums = sums.filter(|_| first_col == 0);
                let pack_rows = |part: Part, to: &mut [f32]| {
                    left.pack(part, to, code.pack_left);
                    if let Some(sums) = sums {
                        // SAFETY: each task packs rows of its own.
                        add_line_sums(to, steps, S::MR, unsafe { sums.slice(part.line, part.lines) });
                    }
                };
                pack_shared::<S>(
                    &plan,
                    &pack_rows,
                    right,
                    pair,
                    first_col..first_col + cols,
                    (from, steps),
                    code,
                    packed_right,
                    packed_left,
                );
                let (packed_right, packed_left) = (&*packed_right, &*packed_left);
                plan.each(down * across, |task| {
                    let panels = plan.panels(task);
                    let own = part(cols, across, task % across);
                    if panels.is_empty() || own.is_empty() {
                        return;
                    }
                    let first_row = panels.start * S::MR;
                    let height = (panels.len() * S::MR).min(plan.m - first_row);
                    let bias = bias.filter(|_| last).map_or(std::ptr::null(), <[f32]>::as_ptr);
                    let to =
                        Target { c: out.pointer(0), bias, row_stride: c_stride, vector_stride, alpha, beta };
                    let body = |left_panels: &[f32]| {
                        let mut tiles = panels.len() * own.len();
                        let mut coming = plan.coming::<S>((left, right), (first_col, from, steps), task);
                        for col in own.clone() {
                            let at = (first_col + col) * panel_cols;
                            let width = panel_cols.min(panel_n - at);
                            for row in (0..height).step_by(S::MR) {
                                let done = |col: usize| Done {
                                    row: first_row + row,
                                    col,
                                    rows: S::MR.min(height - row),
                                    cols: width,
                                    c: out,
                                    row_stride: c_stride,
                                };
                                let left = left_panels[row * steps..].as_ptr();
                                tiles -= 1;
                                let job = Job {
                                    k: steps,
                                    left,
                                    right: packed_right[col * S::NR * steps..].as_ptr(),
                                    to: to.at(first_row + row, at),
                                    rows: S::MR.min(height - row),
                                    cols: if pair.is_some() { S::NR } else { width },
                                    soon: coming.next(tiles, left),
                                };
                                if let (Then::Ahead(ahead, _), true) = (then, last) {
                                    ahead(done(at));
                                }
                                // SAFETY: `left` and `right` are whole panels of `steps` steps; this task alone writes
                                // to these rows and columns; `product` chose code for instructions the machine has.
                                unsafe { (code.tile)(&job) };
                                match then {
                                    _ if !last => {}
                                    Then::Nothing => {}
                                    Then::One(finish) | Then::Ahead(_, finish) => finish(done(at)),
                                    Then::Pair(finish) => finish(done(at), done(at + vector_stride)),
                                }
                            }
                        }
                    };
                    if across > 1 {
                        return body(&packed_left[panels.start * S::MR * steps..]);
                    }
                    scratch::with(panels.len() * S::MR * steps, |own| {
                        pack_rows(Part { line: first_row, lines: height, step: from, steps }, own);
                        body(own);
                    });
                });
            }
        }
    });
}

/// Panels that one task packs.
const PACKED: usize = 4;

/// Packs the panels `cols` of the right side and, if there is room for it, all of the left side.
fn pack_shared<S: Simd>(
    plan: &Plan,
    pack_rows: &(dyn Fn(Part, &mut [f32]) + Sync),
    right: Operand<'_>,
    pair: Option<usize>,
    cols: Range<usize>,
    (from, steps): (usize, usize),
    code: Code,
    to_right: &mut [f32],
    to_left: &mut [f32],
) {
    let right_tasks = cols.len().div_ceil(PACKED);
    let left_tasks = if to_left.is_empty() { 0 } else { plan.rows.div_ceil(2 * PACKED) };
    let (to_right, to_left) = (Shared::new(to_right), Shared::new(to_left));
    plan.each(right_tasks + left_tasks, |task| {
        if task < right_tasks {
            let first = task * PACKED;
            let count = PACKED.min(cols.len() - first);
            let (advance, n) = pair.map_or((S::NR, plan.n), |half| (S::LANES, half));
            let line = (cols.start + first) * advance;
            let part = Part { line, lines: (count * advance).min(n - line), step: from, steps };
            let (at, len) = (first * S::NR * steps, count * S::NR * steps);
            // SAFETY: each task packs panels of its own.
            let to = unsafe { to_right.slice(at, len) };
            right.pack(part, to, |lines, part, to| (code.pack_right)(lines, part, pair, to));
        } else {
            let first = (task - right_tasks) * 2 * PACKED;
            let count = (2 * PACKED).min(plan.rows - first);
            let line = first * S::MR;
            let part = Part { line, lines: (count * S::MR).min(plan.m - line), step: from, steps };
            let (at, len) = (first * S::MR * steps, count * S::MR * steps);
            // SAFETY: as above.
            pack_rows(part, unsafe { to_left.slice(at, len) });
        }
    });
}

/// # Safety
/// The machine has AVX-512; otherwise as [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn tile_avx512(job: &Job) {
    // SAFETY: this function's contract.
    unsafe {
        match job.cols {
            0..=16 => one_tile::<Avx512, 14, 1>(job),
            _ => one_tile::<Avx512, 14, 2>(job),
        }
    }
}

/// # Safety
/// The machine has AVX2 and FMA; otherwise as [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2(job: &Job) {
    // SAFETY: this function's contract.
    unsafe {
        match job.cols {
            0..=8 => one_tile::<Avx2, 6, 1>(job),
            _ => one_tile::<Avx2, 6, 2>(job),
        }
    }
}

/// # Safety
/// As [`tile`].
unsafe fn tile_portable(job: &Job) {
    // SAFETY: this function's contract.
    unsafe { one_tile::<Portable, 4, 2>(job) }
}

/// # Safety
/// As [`tile`]: a panel has `MR` lines and `NR` columns even where fewer are written.
#[inline(always)]
pub(super) unsafe fn one_tile<S: Simd, const MR: usize, const NV: usize>(job: &Job) {
    let (left, right) = ((job.left, MR), (job.right, S::NR));
    // SAFETY: this function's contract.
    unsafe { tile::<S, MR, NV, 1>(job.k, left, right, job.to, (job.rows, job.cols), (job.soon, true)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_all_panels_once_in_order() {
        for threads in [1, 2, 3, 16] {
            crate::with_threads(threads, || {
                for rows in (1..200).chain([386, 1000, 3001]) {
                    for (n, parallel) in [(8, true), (900, true), (900, false)] {
                        let plan = Plan::new::<Portable>(rows * Portable::MR, n, 700, parallel);
                        let (down, across) = plan.grid;
                        let mut next = 0;
                        for task in (0..down * across).step_by(across) {
                            let panels = plan.panels(task);
                            assert_eq!(panels.start, next, "{rows} panels, {threads} threads, task {task}");
                            assert!(across > 1 || panels.len() <= MOST_ROWS, "{rows}, {threads}: {panels:?}");
                            next = panels.end;
                        }
                        assert_eq!(next, rows);
                    }
                }
            });
        }
    }
}
