//! Loops in parallel: numbered tasks and disjoint blocks of rows.
//!
//! The number of tasks is chosen by callers from the shape alone, unless nothing is summed across tasks; which thread runs which task does not matter,
//! since tasks write to disjoint places and sums are combined afterwards in a fixed order.

use crate::pool;
use std::marker::PhantomData;

/// Runs `f(0)`, ..., `f(n - 1)` on the thread pool. One task or none runs on the calling thread.
pub fn par(n: usize, f: impl Fn(usize) + Sync + Send) {
    pool::run(n, &f);
}

/// The results of `f(0)`, ..., `f(n - 1)`, in order.
pub fn par_map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    let mut out: Vec<Option<T>> = (0..n).map(|_| None).collect();
    let shared = Shared::new(&mut out);
    par(n, |i| shared.put(i, Some(f(i))));
    out.into_iter().flatten().collect()
}

/// Cuts `[rows, row_len]` into blocks of `rows_per_task` rows and runs `f(first_row, block)` for each.
pub fn par_rows(
    out: &mut [f32],
    row_len: usize,
    rows_per_task: usize,
    f: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let Some(block) = block_len(out.len(), row_len, rows_per_task) else { return };
    let (len, shared) = (out.len(), Shared::new(out));
    par(len.div_ceil(block), |i| f(i * rows_per_task, shared.block(i, block)));
}

/// [`par_rows`] over two arrays `(data, row length)` with the same number of rows.
pub fn par_rows2(
    (a, a_len): (&mut [f32], usize),
    (b, b_len): (&mut [f32], usize),
    rows_per_task: usize,
    f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync + Send,
) {
    let (Some(a_block), Some(b_block)) =
        (block_len(a.len(), a_len, rows_per_task), block_len(b.len(), b_len, rows_per_task))
    else {
        return;
    };
    assert_eq!(a.len() / a_len, b.len() / b_len, "arrays differ in rows");
    let (tasks, a, b) = (a.len().div_ceil(a_block), Shared::new(a), Shared::new(b));
    par(tasks, |i| f(i * rows_per_task, a.block(i, a_block), b.block(i, b_block)));
}

/// [`par_rows`] over three arrays `(data, row length)` with the same number of rows.
pub fn par_rows3(
    (a, a_len): (&mut [f32], usize),
    (b, b_len): (&mut [f32], usize),
    (c, c_len): (&mut [f32], usize),
    rows_per_task: usize,
    f: impl Fn(usize, &mut [f32], &mut [f32], &mut [f32]) + Sync + Send,
) {
    let (Some(a_block), Some(b_block), Some(c_block)) = (
        block_len(a.len(), a_len, rows_per_task),
        block_len(b.len(), b_len, rows_per_task),
        block_len(c.len(), c_len, rows_per_task),
    ) else {
        return;
    };
    assert_eq!(a.len() / a_len, b.len() / b_len, "arrays differ in rows");
    assert_eq!(a.len() / a_len, c.len() / c_len, "arrays differ in rows");
    par_blocks3((a, a_block), (b, b_block), (c, c_block), |i, x, y, z| f(i * rows_per_task, x, y, z));
}

/// Cuts three arrays `(data, block length)` into the same number of blocks (the last of each may be shorter) and runs
/// `f(block number, block, block, block)` for each.
pub fn par_blocks3(
    (a, a_block): (&mut [f32], usize),
    (b, b_block): (&mut [f32], usize),
    (c, c_block): (&mut [f32], usize),
    f: impl Fn(usize, &mut [f32], &mut [f32], &mut [f32]) + Sync + Send,
) {
    let blocks = a.len().div_ceil(a_block);
    assert_eq!(blocks, b.len().div_ceil(b_block), "arrays differ in blocks");
    assert_eq!(blocks, c.len().div_ceil(c_block), "arrays differ in blocks");
    let (a, b, c) = (Shared::new(a), Shared::new(b), Shared::new(c));
    par(blocks, |i| f(i, a.block(i, a_block), b.block(i, b_block), c.block(i, c_block)));
}

/// Length of a block, or `None` where there is nothing to do.
fn block_len(len: usize, row_len: usize, rows_per_task: usize) -> Option<usize> {
    if len == 0 {
        return None;
    }
    assert!(
        row_len > 0 && rows_per_task > 0 && len.is_multiple_of(row_len),
        "length {len} is not rows of {row_len}"
    );
    Some(row_len * rows_per_task)
}

/// How many rows a task of an elementwise loop gets: about 8 Ki floats, so that small inputs stay on one thread.
pub fn rows_per_task(row_len: usize) -> usize {
    (8_192 / row_len.max(1)).max(1)
}

/// A mutable slice that several tasks write to at places that do not overlap (columns of one row-major matrix).
#[derive(Debug)]
pub(crate) struct Shared<'a, T = f32> {
    pointer: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

#[allow(unsafe_code)]
mod shared {
    use super::Shared;
    use std::marker::PhantomData;

    // SAFETY: the pointer comes from an exclusive borrow that lives as long as `Shared`; reaching memory through it
    // needs an `unsafe` call whose contract forbids overlap between tasks (the safe ones are private to this module's
    // parent, which hands every place to one task).
    unsafe impl<T: Send> Send for Shared<'_, T> {}
    // SAFETY: as above.
    unsafe impl<T: Send> Sync for Shared<'_, T> {}

    impl<'a, T> Shared<'a, T> {
        pub(crate) fn new(data: &'a mut [T]) -> Self {
            Shared { pointer: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
        }

        /// `len` elements from `offset` on.
        ///
        /// # Safety
        /// While the result lives nobody else may hold a slice that overlaps it.
        #[allow(clippy::mut_from_ref)]
        pub(crate) unsafe fn slice(&self, offset: usize, len: usize) -> &'a mut [T] {
            assert!(offset <= self.len && len <= self.len - offset, "slice out of range");
            // SAFETY: inside the borrowed slice by the assertion; no overlap by this function's contract.
            unsafe { std::slice::from_raw_parts_mut(self.pointer.add(offset), len) }
        }

        /// The pointer to `offset`, for a strided matrix that begins there.
        pub(crate) fn pointer(&self, offset: usize) -> *mut T {
            assert!(offset <= self.len, "pointer out of range");
            self.pointer.wrapping_add(offset)
        }

        /// The `i`-th block of `block` elements; the last one may be shorter. Each block is asked for once.
        pub(super) fn block(&self, i: usize, block: usize) -> &'a mut [T] {
            let offset = i * block;
            // SAFETY: blocks do not overlap, and the loops of this module ask for each of them once.
            unsafe { self.slice(offset, block.min(self.len - offset)) }
        }

        /// Stores the result of task `i`. Each is stored once.
        pub(super) fn put(&self, i: usize, value: T) {
            // SAFETY: one task writes to one element.
            unsafe { self.slice(i, 1)[0] = value };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for n in [0, 1, 2, 7, 100] {
            let count = std::sync::Mutex::new(vec![0; n]);
            par(n, |i| count.lock().unwrap()[i] += 1);
            assert_eq!(count.into_inner().unwrap(), vec![1; n]);
        }
        assert_eq!(par_map(5, |i| i * i), [0, 1, 4, 9, 16]);
        assert!(crate::threads() >= 1);
    }

    #[test]
    fn blocks_cover_all_rows() {
        for (rows, per) in [(1, 4), (7, 2), (8, 4), (5, 9)] {
            let (mut a, mut b, mut c) = (vec![0.0; rows * 3], vec![0.0; rows], vec![0.0; rows * 2]);
            par_rows3((&mut a, 3), (&mut b, 1), (&mut c, 2), per, |first, x, y, z| {
                for (i, v) in y.iter_mut().enumerate() {
                    *v = (first + i) as f32;
                    x[3 * i..3 * i + 3].fill(*v);
                    z[2 * i..2 * i + 2].fill(*v);
                }
            });
            par_rows2((&mut a, 3), (&mut b, 1), per, |_, x, y| {
                x.iter_mut().for_each(|v| *v += 1.0);
                y.iter_mut().for_each(|v| *v += 1.0);
            });
            par_rows(&mut c, 2, per, |_, z| z.iter_mut().for_each(|v| *v += 1.0));
            for r in 0..rows {
                assert_eq!((a[3 * r], b[r], c[2 * r + 1]), (r as f32 + 1.0, r as f32 + 1.0, r as f32 + 1.0));
            }
        }
        par_rows(&mut [], 4, 1, |_, _| panic!("nothing to do"));
    }
}
