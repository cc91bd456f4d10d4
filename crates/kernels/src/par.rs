//! The only place that knows about threads: tasks and disjoint blocks of rows.
//!
//! The number of tasks is chosen by callers from the shape alone; which thread runs which task does not matter,
//! since tasks write to disjoint places and sums are combined afterwards in a fixed order.

use rayon::prelude::*;
use std::marker::PhantomData;

/// Runs `f(0)`, ..., `f(n - 1)` on the thread pool. One task or none runs on the calling thread.
pub fn par(n: usize, f: impl Fn(usize) + Sync + Send) {
    if n <= 1 {
        if n == 1 {
            f(0);
        }
        return;
    }
    (0..n).into_par_iter().with_max_len(1).for_each(f);
}

/// How many threads the pool in use has.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Cuts `[rows, row_len]` into blocks of `rows_per_task` rows and runs `f(first_row, block)` for each.
pub fn par_rows(
    out: &mut [f32],
    row_len: usize,
    rows_per_task: usize,
    f: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let Some(block) = block_len(out.len(), row_len, rows_per_task) else { return };
    if out.len() <= block {
        return f(0, out);
    }
    out.par_chunks_mut(block).with_max_len(1).enumerate().for_each(|(i, b)| f(i * rows_per_task, b));
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
    if a.len() <= a_block {
        return f(0, a, b);
    }
    a.par_chunks_mut(a_block)
        .with_max_len(1)
        .zip(b.par_chunks_mut(b_block))
        .enumerate()
        .for_each(|(i, (x, y))| f(i * rows_per_task, x, y));
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
    if blocks <= 1 {
        return f(0, a, b, c);
    }
    a.par_chunks_mut(a_block)
        .with_max_len(1)
        .zip(b.par_chunks_mut(b_block))
        .zip(c.par_chunks_mut(c_block))
        .enumerate()
        .for_each(|(i, ((x, y), z))| f(i, x, y, z));
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

/// How many rows a task of an elementwise loop gets: about 32 Ki floats, so that small inputs stay on one thread.
pub fn rows_per_task(row_len: usize) -> usize {
    (32_768 / row_len.max(1)).max(1)
}

/// A mutable slice that several tasks write to at places that do not overlap (columns of one row-major matrix).
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pointer: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

#[allow(unsafe_code)]
mod shared {
    use super::Shared;
    use std::marker::PhantomData;

    // SAFETY: the pointer comes from an exclusive borrow that lives as long as `Shared`; reaching memory through it
    // needs an `unsafe` call whose contract forbids overlap between tasks.
    unsafe impl Send for Shared<'_> {}
    // SAFETY: as above.
    unsafe impl Sync for Shared<'_> {}

    impl<'a> Shared<'a> {
        pub(crate) fn new(data: &'a mut [f32]) -> Self {
            Shared { pointer: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
        }

        /// `len` floats from `offset` on.
        ///
        /// # Safety
        /// While the result lives nobody else may hold a slice that overlaps it.
        #[allow(clippy::mut_from_ref)]
        pub(crate) unsafe fn slice(&self, offset: usize, len: usize) -> &'a mut [f32] {
            assert!(offset <= self.len && len <= self.len - offset, "slice out of range");
            // SAFETY: inside the borrowed slice by the assertion; no overlap by this function's contract.
            unsafe { std::slice::from_raw_parts_mut(self.pointer.add(offset), len) }
        }

        /// The pointer to `offset`, for a strided matrix that begins there.
        pub(crate) fn pointer(&self, offset: usize) -> *mut f32 {
            assert!(offset <= self.len, "pointer out of range");
            self.pointer.wrapping_add(offset)
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
        assert!(threads() >= 1);
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
