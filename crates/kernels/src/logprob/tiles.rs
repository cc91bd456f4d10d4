//! Logits tile by tile.
//!
//! A tile is computed into a buffer of the thread that needs it, is small enough for its second-level cache, and is used
//! up at once: what is kept of it is either a few numbers for each row or what the next product reads. Rows without
//! weight are left out before, so that they cost nothing whatever they hold.

use crate::gemm::{Mat, MatMut, sgemm_serial};
use crate::par::{Shared, par, par_map};
use crate::scratch;
use std::ops::Range;

/// Floats of a tile (half a MiB).
const TILE: usize = 128 << 10;
/// Most rows of a tile. A tile this high uses each packed weight often enough, and is wide enough to do so with a state.
const TILE_ROWS: usize = 512;
/// Most columns of a tile: with few rows the weight is read once and tasks are all that counts.
const TILE_COLS: usize = 2048;
/// Tasks that [`par_lines`] cuts a grid into, where it has as many tiles.
const TASKS: usize = 32;
/// Columns come in multiples of this (four cache lines).
const STEP: usize = 64;

/// How a matrix of logits is cut into tiles; it depends on its shape alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    rows: usize,
    cols: usize,
    tile_rows: usize,
    pub tile_cols: usize,
}

impl Grid {
    /// For `rows` x `cols` logits; both are at least 1.
    pub fn new(rows: usize, cols: usize) -> Grid {
        let tile_rows = nearly_equal(rows, TILE_ROWS);
        let tile_cols = (TILE / tile_rows).min(TILE_COLS).min(cols.next_multiple_of(STEP)) / STEP * STEP;
        Grid { rows, cols, tile_rows, tile_cols }
    }

    /// Tiles above each other.
    pub fn down(&self) -> usize {
        self.rows.div_ceil(self.tile_rows)
    }

    /// Tiles beside each other.
    pub fn across(&self) -> usize {
        self.cols.div_ceil(self.tile_cols)
    }

    /// Rows of the `i`-th line of tiles.
    pub fn rows(&self, i: usize) -> Range<usize> {
        i * self.tile_rows..self.rows.min((i + 1) * self.tile_rows)
    }

    /// Columns of the `j`-th column of tiles.
    pub fn cols(&self, j: usize) -> Range<usize> {
        j * self.tile_cols..self.cols.min((j + 1) * self.tile_cols)
    }

    /// Place of a row: its line of tiles, and which row of them it is.
    pub fn place(&self, row: usize) -> (usize, usize) {
        (row / self.tile_rows, row % self.tile_rows)
    }

    /// The most rows that all tiles of a matrix of at most as many rows have together.
    pub fn most_rows(rows: usize, cols: usize) -> usize {
        rows * cols.div_ceil(TILE / TILE_ROWS)
    }

    /// How many rows of tiles come before those of one: tiles follow each other line by line.
    pub fn notes(&self, line: usize, column: usize) -> usize {
        let rows = self.rows(line);
        rows.start * self.across() + column * rows.len()
    }

    /// Runs `f` with a buffer for one tile, whose rows lie [`Grid::stride`] apart.
    pub fn with_tile<R>(&self, f: impl FnOnce(&mut [f32]) -> R) -> R {
        scratch::with(self.tile_rows * self.stride(), f)
    }

    /// Distance of the rows of a tile: not a power of two, which would fall on the same places of the cache.
    pub fn stride(&self) -> usize {
        self.tile_cols + 16
    }
}

/// The size of parts of `n` things, none larger than `most`, and all nearly equal.
pub(crate) fn nearly_equal(n: usize, most: usize) -> usize {
    n.div_ceil(n.div_ceil(most).max(1)).max(1)
}

/// The factors of a matrix of logits, `factor * states weight^T`: `states` `[rows, d]`, `weight` `[vocab, d]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logits<'a> {
    pub d: usize,
    pub states: &'a [f32],
    pub weight: &'a [f32],
    pub factor: f32,
}

impl Logits<'_> {
    /// The logits of `rows` x `cols`, into rows of `out` that lie `stride` apart.
    pub fn tile(&self, rows: &Range<usize>, cols: &Range<usize>, out: &mut [f32], stride: usize) {
        let (n, m, d) = (rows.len(), cols.len(), self.d);
        let states = Mat::new(&self.states[rows.start * d..rows.end * d], n, d);
        let weight = Mat::new(&self.weight[cols.start * d..cols.end * d], m, d);
        sgemm_serial(self.factor, states, weight.t(), 0.0, MatMut::strided(out, n, m, stride, 1));
    }
}

/// Runs `f(rows, columns, its part of each row of out, its notes)` for each tile of `out`, whose rows lie `stride` apart,
/// in parallel. `notes` has `width` floats for each row of a tile, where [`Grid::notes`] says.
#[allow(unsafe_code)]
pub(crate) fn par_tiles(
    grid: Grid,
    out: &mut [f32],
    stride: usize,
    (notes, width): (&mut [f32], usize),
    f: impl Fn(Range<usize>, Range<usize>, &mut dyn Iterator<Item = &mut [f32]>, &mut [f32]) + Sync + Send,
) {
    assert!(grid.cols <= stride, "rows of {} overlap at a distance of {stride}", grid.cols);
    let (out, notes) = (Shared::new(out), Shared::new(notes));
    par(grid.down() * grid.across(), |i| {
        let (line, column) = (i / grid.across(), i % grid.across());
        let (rows, cols) = (grid.rows(line), grid.cols(column));
        let mut lines = rows.clone().map(|r| {
            // SAFETY: tiles do not overlap, each is one task's alone, and the iterator hands out each row of it once.
            unsafe { out.slice(r * stride + cols.start, cols.len()) }
        });
        let noted = width * grid.notes(line, column);
        // SAFETY: each tile has a place of its own.
        let notes = unsafe { notes.slice(noted, width * rows.len()) };
        f(rows, cols.clone(), &mut lines, notes);
    });
}

/// Runs `f(rows, which tiles of their line)` in parallel and puts together what it returns for each row, in order.
pub(crate) fn par_lines<R: Send>(
    grid: Grid,
    f: impl Fn(Range<usize>, Range<usize>) -> Vec<R> + Sync + Send,
    merge: impl Fn(&mut R, R),
) -> Vec<R> {
    let across = grid.across();
    let per = across.div_ceil(TASKS.div_ceil(grid.down()).min(across));
    let tasks = across.div_ceil(per);
    let parts = par_map(grid.down() * tasks, |i| {
        let first = i % tasks * per;
        f(grid.rows(i / tasks), first..across.min(first + per))
    });
    let mut parts = parts.into_iter();
    let mut found = Vec::with_capacity(grid.rows);
    while let Some(mut line) = parts.next() {
        for part in parts.by_ref().take(tasks - 1) {
            line.iter_mut().zip(part).for_each(|(row, part)| merge(row, part));
        }
        found.append(&mut line);
    }
    found
}

/// Runs `f` with rows `active` of `hidden` `[.., d]`: where they lie, or gathered when there are gaps between them.
pub(crate) fn with_rows<R>(hidden: &[f32], d: usize, active: &[usize], f: impl FnOnce(&[f32]) -> R) -> R {
    if let Some(range) = without_gaps(active) {
        return f(&hidden[range.start * d..range.end * d]);
    }
    scratch::with(active.len() * d, |states| {
        for (to, &r) in states.chunks_exact_mut(d).zip(active) {
            to.copy_from_slice(&hidden[r * d..(r + 1) * d]);
        }
        f(states)
    })
}

/// The range that ascending numbers are, if they have no gaps.
pub(crate) fn without_gaps(active: &[usize]) -> Option<Range<usize>> {
    let (&first, &last) = (active.first()?, active.last()?);
    (last + 1 - first == active.len()).then_some(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_everything_once_and_are_bounded() {
        for (rows, cols) in [(1, 1), (1, 100_003), (255, 64), (257, 65), (2048, 1), (513, 1009), (97, 8192)] {
            let grid = Grid::new(rows, cols);
            assert!(rows * grid.across() <= Grid::most_rows(rows, cols));
            let stride = cols + 3;
            let mut out = vec![0.0; rows * stride];
            let mut notes = vec![0.0; 2 * rows * grid.across()];
            par_tiles(grid, &mut out, stride, (&mut notes, 2), |rows, cols, lines, notes| {
                assert_eq!(grid.place(rows.start), (rows.start / grid.rows(0).len(), 0));
                assert!(rows.len() * cols.len() <= TILE);
                lines.for_each(|line| line.iter_mut().for_each(|v| *v += 1.0));
                for (note, row) in notes.chunks_exact_mut(2).zip(rows) {
                    (note[0], note[1]) = (note[0] + cols.len() as f32, row as f32);
                }
            });
            for (line, column) in (0..grid.down()).flat_map(|l| (0..grid.across()).map(move |c| (l, c))) {
                let notes = notes[2 * grid.notes(line, column)..].chunks(2);
                for (row, note) in grid.rows(line).zip(notes) {
                    assert_eq!(note, [grid.cols(column).len() as f32, row as f32]);
                }
            }
            assert!(grid.with_tile(|t| t.len()) <= TILE + TILE_ROWS * 16 + TILE_COLS);
            for line in out.chunks(stride) {
                assert!(line[..cols].iter().all(|&v| v == 1.0) && line[cols..].iter().all(|&v| v == 0.0));
            }
        }
    }

    #[test]
    fn rows_are_used_where_they_lie_or_gathered() {
        let hidden: Vec<f32> = (0..12).map(|i| i as f32).collect();
        with_rows(&hidden, 2, &[1, 2, 3], |s| assert_eq!(s.as_ptr(), hidden[2..].as_ptr()));
        with_rows(&hidden, 2, &[0, 2, 5], |s| assert_eq!(s, [0.0, 1.0, 4.0, 5.0, 10.0, 11.0]));
        assert_eq!((without_gaps(&[]), without_gaps(&[4])), (None, Some(4..5)));
        assert_eq!((nearly_equal(0, 5), nearly_equal(11, 5), nearly_equal(10, 5)), (1, 4, 5));
    }
}
