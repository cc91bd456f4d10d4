//! Rows of a table by number, and the gradient of the table.

use crate::activation::add_block;
use crate::par::{par_rows, rows_per_task};

/// `out[i] = table[ids[i]]`: `table` `[n, d]`, `out` `[ids.len(), d]`. Panics at a number outside the table.
pub fn embedding_forward(ids: &[u32], d: usize, table: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), ids.len() * d, "out is not [ids, d]");
    check_ids(ids, d, table.len());
    if d == 0 {
        return;
    }
    par_rows(out, d, rows_per_task(d), |first, block| {
        for (row, &id) in block.chunks_exact_mut(d).zip(&ids[first..]) {
            row.copy_from_slice(&table[id as usize * d..][..d]);
        }
    });
}

/// `dtable[ids[i]] += dout[i]`: each row of the table is summed in the order of `ids`, whatever the threads.
pub fn embedding_backward(ids: &[u32], d: usize, dout: &[f32], dtable: &mut [f32]) {
    assert_eq!(dout.len(), ids.len() * d, "dout is not [ids, d]");
    check_ids(ids, d, dtable.len());
    if d == 0 || ids.is_empty() {
        return;
    }
    let mut order: Vec<(u32, usize)> = ids.iter().copied().zip(0..).collect();
    order.sort_unstable();
    // Blocks of the table: at most 64, and none so small that finding its part of the order would dominate.
    let per = (dtable.len() / d).div_ceil(64).max(16);
    par_rows(dtable, d, per, |first, block| {
        let last = first + block.len() / d;
        let start = order.partition_point(|&(id, _)| (id as usize) < first);
        for &(id, i) in order[start..].iter().take_while(|&&(id, _)| (id as usize) < last) {
            add_block(&mut block[(id as usize - first) * d..][..d], &dout[i * d..][..d]);
        }
    });
}

fn check_ids(ids: &[u32], d: usize, len: usize) {
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
    }

    #[test]
    #[should_panic(expected = "id 3 is outside the table of 3 rows")]
    fn ids_outside_are_refused() {
        embedding_forward(&[1, 3], 2, &[0.0; 6], &mut [0.0; 4]);
    }

    #[test]
    fn threads_do_not_change_bits() {
        let ids: Vec<u32> = (0..2000).map(|i| i * 31 % 97).collect();
        let dout = values(2000 * 8, 1);
        same_bits_at_any_thread_count(|| {
            let mut dtable = vec![0.0; 97 * 8];
            embedding_backward(&ids, 8, &dout, &mut dtable);
            dtable
        });
    }
}
