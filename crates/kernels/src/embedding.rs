//! Rows of a table by number, and the gradient of the table.
//!
//! The gradient sorts the positions by number (a stable radix sort, linear in the positions) and cuts the sorted list into
//! tasks of nearly equal length between two numbers, so that frequent tokens are spread over the tasks, each row of the
//! table belongs to one task, and its sum runs in the order of the positions.

use crate::activation::add_block;
use crate::par::{par, par_rows, rows_per_task};
use std::sync::{Mutex, PoisonError};

/// `out[i] = table[ids[i]]`: `table` `[n, d]`, `out` `[ids.len(), d]`. Panics at a number outside the table.
pub fn embedding_forward(ids: &[u32], d: usize, table: &[f32], out: &mut [f32]) {
    look_up(ids, d, table, out, <[f32]>::copy_from_slice);
}

/// `out[i] += table[ids[i]]`, otherwise as [`embedding_forward`].
pub fn embedding_add(ids: &[u32], d: usize, table: &[f32], out: &mut [f32]) {
    look_up(ids, d, table, out, add_block);
}

fn look_up(
    ids: &[u32],
    d: usize,
    table: &[f32],
    out: &mut [f32],
    f: impl Fn(&mut [f32], &[f32]) + Sync + Send,
) {
    assert_eq!(out.len(), ids.len() * d, "out is not [ids, d]");
    check_ids(ids, d, table.len());
    if d == 0 {
        return;
    }
    par_rows(out, d, rows_per_task(d), |first, block| {
        for (row, &id) in block.chunks_exact_mut(d).zip(&ids[first..]) {
            f(row, &table[id as usize * d..][..d]);
        }
    });
}

/// Most tasks that a table's gradient is cut into.
const TASKS: usize = 64;

/// `dtable[ids[i]] += dout[i]`: each row of the table is summed in the order of `ids`, whatever the threads.
pub fn embedding_backward(ids: &[u32], d: usize, dout: &[f32], dtable: &mut [f32]) {
    assert_eq!(dout.len(), ids.len() * d, "dout is not [ids, d]");
    check_ids(ids, d, dtable.len());
    if d == 0 || ids.is_empty() {
        return;
    }
    let order = sorted(ids);
    let parts = cut(&order, ids, ids.len().div_ceil(TASKS).max(rows_per_task(d)));
    // Each part's rows of the table: from its first number up to that of the next part.
    let mut blocks = Vec::with_capacity(parts.len());
    let (mut rest, mut done) = (dtable, 0);
    for (i, part) in parts.iter().enumerate() {
        let first = ids[part[0] as usize] as usize;
        let end = parts.get(i + 1).map_or(done + rest.len() / d, |next| ids[next[0] as usize] as usize);
        let (block, after) = rest.split_at_mut((end - done) * d);
        blocks.push((first, Mutex::new(&mut block[(first - done) * d..])));
        (rest, done) = (after, end);
    }
    par(parts.len(), |i| {
        let (first, block) = &blocks[i];
        let mut block = block.lock().unwrap_or_else(PoisonError::into_inner);
        for &at in parts[i] {
            let row = &mut block[(ids[at as usize] as usize - first) * d..][..d];
            add_block(row, &dout[at as usize * d..][..d]);
        }
    });
}

/// The positions `0..ids.len()` by ascending number; of equal numbers the earlier position comes first.
fn sorted(ids: &[u32]) -> Vec<u32> {
    const BITS: u32 = 11;
    let mut order: Vec<u32> = (0..ids.len() as u32).collect();
    let mut next = vec![0; ids.len()];
    let top = ids.iter().copied().max().unwrap_or(0);
    let digit = |at: u32, shift: u32| (ids[at as usize] >> shift) as usize & ((1 << BITS) - 1);
    for shift in (0..u32::BITS).step_by(BITS as usize).take_while(|&shift| top >> shift > 0) {
        // Where the positions with each digit begin.
        let mut begin = [0u32; 1 << BITS];
        order.iter().for_each(|&at| begin[digit(at, shift)] += 1);
        let mut sum = 0;
        for count in &mut begin {
            (*count, sum) = (sum, sum + *count);
        }
        for &at in &order {
            let place = &mut begin[digit(at, shift)];
            next[*place as usize] = at;
            *place += 1;
        }
        std::mem::swap(&mut order, &mut next);
    }
    order
}

/// Parts of about `per` positions, each of which ends where another number begins.
fn cut<'a>(mut order: &'a [u32], ids: &[u32], per: usize) -> Vec<&'a [u32]> {
    let mut parts = Vec::new();
    while !order.is_empty() {
        let end = per.min(order.len());
        let last = ids[order[end - 1] as usize];
        let more = order[end..].iter().take_while(|&&at| ids[at as usize] == last).count();
        let (part, rest) = order.split_at(end + more);
        parts.push(part);
        order = rest;
    }
    parts
}

fn check_ids(ids: &[u32], d: usize, len: usize) {
    assert!(ids.len() <= u32::MAX as usize, "{} ids are too many", ids.len());
    if let Some(&top) = ids.iter().max() {
        assert!((top as usize + 1) * d <= len, "id {top} is outside the table of {} rows", len / d.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values};

    #[test]
    fn rows_are_looked_up_and_their_gradients_summed() {
        for (n, d, count) in [(1, 1, 1), (5, 3, 40), (97, 16, 13), (3000, 2, 500)] {
            let table = values(n * d, 1);
            let ids: Vec<u32> = (0..count).map(|i| (i * i * 7 + 3) as u32 % n as u32).collect();
            let mut out = vec![0.0; count * d];
            embedding_forward(&ids, d, &table, &mut out);
            let mut want = vec![1.0; n * d];
            for (i, &id) in ids.iter().enumerate() {
                for j in 0..d {
                    assert_eq!(out[i * d + j], table[id as usize * d + j]);
                    want[id as usize * d + j] += f64::from(out[i * d + j]);
                }
            }
            let mut dtable = vec![1.0; n * d];
            embedding_backward(&ids, d, &out, &mut dtable);
            assert_close(&dtable, &want, 1e-5);
        }
        embedding_backward(&[], 4, &[], &mut [0.0; 8]);
        let mut out = [1.0; 4];
        embedding_add(&[2, 0], 2, &[1.0, 2.0, 0.0, 0.0, 5.0, 6.0], &mut out);
        assert_eq!(out, [6.0, 7.0, 2.0, 3.0]);
    }

    #[test]
    fn positions_are_sorted_stably_and_cut_between_numbers() {
        for (n, bound) in [(1, 1), (2000, 1), (3000, 7), (5000, 100_000), (4000, 5_000_000)] {
            let ids: Vec<u32> = (0..n as u64).map(|i| (i * i * 2_654_435_761 % bound) as u32).collect();
            let order = sorted(&ids);
            let mut want: Vec<u32> = (0..n).collect();
            want.sort_by_key(|&i| ids[i as usize]);
            assert_eq!(order, want);
            let parts = cut(&order, &ids, 100);
            assert_eq!(parts.concat(), order);
            for pair in parts.windows(2) {
                assert!(pair[0].len() >= 100);
                assert!(ids[pair[0][pair[0].len() - 1] as usize] < ids[pair[1][0] as usize]);
            }
        }
        let order = sorted(&[7, u32::MAX, 7, 0, 1 << 31]);
        assert_eq!(order, [3, 0, 2, 4, 1]);
    }

    #[test]
    #[should_panic(expected = "id 3 is outside the table of 3 rows")]
    fn ids_outside_are_refused() {
        embedding_forward(&[1, 3], 2, &[0.0; 6], &mut [0.0; 4]);
    }

    #[test]
    fn threads_do_not_change_bits() {
        let ids: Vec<u32> = (0..9000).map(|i| i * 31 % 97).collect();
        let dout = values(9000 * 8, 1);
        same_bits_at_any_thread_count(|| {
            let mut dtable = vec![0.0; 97 * 8];
            embedding_backward(&ids, 8, &dout, &mut dtable);
            let mut plain = vec![0.0; dtable.len()];
            for (&id, row) in ids.iter().zip(dout.chunks(8)) {
                add_block(&mut plain[id as usize * 8..][..8], row);
            }
            assert_eq!(dtable, plain);
            dtable
        });
    }
}
