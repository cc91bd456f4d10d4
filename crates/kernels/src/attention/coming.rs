//! What a thread's next task reads and writes, asked for while tiles of this one are computed: copying rows waits for
//! memory and multiplying does not.

use crate::gemm::tile::{CACHE_LINE, PIECES, ROUND, Soon};

/// Floats of a row that a round of a tile asks for. Of narrower heads it is the next one's as well, which comes after.
const WIDTH: usize = PIECES * CACHE_LINE;
/// Most bytes that are asked for: they wait in the second-level cache, beside what this task uses.
const MOST_BYTES: usize = 384 << 10;

/// Some columns of a matrix.
#[derive(Clone, Copy)]
struct Columns {
    first: *const f32,
    row_stride: usize,
}

/// Rows to ask for, of several columns one after the other.
pub(super) struct Coming {
    columns: [Columns; Coming::MOST],
    /// Of how many columns, and of how many rows each.
    count: usize,
    rows: usize,
    /// The rows asked for so far, of all columns.
    done: usize,
}

impl Coming {
    /// Most columns.
    const MOST: usize = 32;

    /// Nothing.
    pub(super) fn nothing() -> Coming {
        let none = Columns { first: std::ptr::null(), row_stride: 0 };
        Coming { columns: [none; Coming::MOST], count: 0, rows: 0, done: 0 }
    }

    /// Adds columns `column .. column + width` of the rows of a matrix that begins at `data`, `row_stride` apart.
    pub(super) fn add(&mut self, data: *const f32, row_stride: usize, column: usize, width: usize) {
        for column in (column..column + width).step_by(WIDTH) {
            if let Some(free) = self.columns.get_mut(self.count) {
                *free = Columns { first: data.wrapping_add(column), row_stride };
                self.count += 1;
            }
        }
    }

    /// `rows` rows of what was added first, as far as there is room.
    pub(super) fn of(mut self, rows: usize) -> Coming {
        self.count = self.count.min(MOST_BYTES / (rows * WIDTH * size_of::<f32>()));
        self.rows = rows;
        self
    }

    /// What to ask for during a tile over `k` steps: `idle`, which is at hand anyway, when there is nothing.
    #[inline(always)]
    pub(super) fn next(&mut self, k: usize, idle: *const f32) -> Soon {
        let rounds = k / ROUND;
        if rounds == 0 || self.done >= self.rows * self.count {
            return Soon::idle(idle);
        }
        let (columns, row) = (self.columns[self.done / self.rows], self.done % self.rows);
        // What a tile asks for beyond the last row is somebody else's, or nobody's.
        self.done += rounds.min(self.rows - row);
        let at = columns.first.wrapping_add(row * columns.row_stride);
        Soon { at, stride: CACHE_LINE, step: columns.row_stride }
    }
}
