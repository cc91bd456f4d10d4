//! Mean over the tokens of each sequence, and its gradient.

use crate::activation::add_block;
use crate::par::par_rows;

/// Tokens that are added up in f32 before f64 takes over.
const CHUNK: usize = 64;

/// `out[b] = mean over t of x[b, t]`: `x` `[batch * time, d]`, `out` `[batch, d]`. Panics for a time of 0.
pub fn mean_pool_forward(time: usize, d: usize, x: &[f32], out: &mut [f32]) {
    check(time, d, x, out);
    par_rows(out, d.max(1), 1, |b, out| {
        let (mut total, mut part) = (vec![0.0f64; d], vec![0.0; d]);
        for chunk in x[b * time * d..(b + 1) * time * d].chunks(CHUNK * d) {
            part.fill(0.0);
            chunk.chunks_exact(d).for_each(|row| add_block(&mut part, row));
            total.iter_mut().zip(&part).for_each(|(t, &p)| *t += f64::from(p));
        }
        out.iter_mut().zip(total).for_each(|(o, t)| *o = (t / time as f64) as f32);
    });
}

/// `dx[b, t] = dout[b] / time` (or `dx += ..`): shapes as in [`mean_pool_forward`].
pub fn mean_pool_backward(time: usize, d: usize, dout: &[f32], dx: &mut [f32], accumulate: bool) {
    check(time, d, dx, dout);
    par_rows(dx, (time * d).max(1), 1, |b, dx| {
        let share: Vec<f32> = dout[b * d..(b + 1) * d].iter().map(|g| g / time as f32).collect();
        for row in dx.chunks_exact_mut(d) {
            match accumulate {
                true => add_block(row, &share),
                false => row.copy_from_slice(&share),
            }
        }
    });
}

fn check(time: usize, d: usize, x: &[f32], out: &[f32]) {
    assert!(time > 0, "a sequence without tokens has no mean");
    assert_eq!(x.len(), out.len() * time, "x is not [batch * time, d]");
    assert!(out.is_empty() || (d > 0 && out.len().is_multiple_of(d)), "out is not [batch, d]");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values, wide};

    #[test]
    fn means_and_gradients_match_f64() {
        for (batch, time, d) in [(1, 1, 1), (3, 7, 5), (2, 131, 17), (5, 64, 2)] {
            let (x, dout) = (values(batch * time * d, 1), values(batch * d, 2));
            let x64 = wide(&x);
            let sum = |i: usize| (0..time).map(|t| x64[(i / d * time + t) * d + i % d]).sum::<f64>();
            let mut out = vec![9.0; batch * d];
            mean_pool_forward(time, d, &x, &mut out);
            assert_close(&out, &(0..batch * d).map(|i| sum(i) / time as f64).collect::<Vec<_>>(), 1e-6);
            let want: Vec<f64> = (0..batch * time * d)
                .map(|i| f64::from(dout[i / (time * d) * d + i % d]) / time as f64)
                .collect();
            let (mut dx, mut more) = (vec![9.0; x.len()], vec![1.0; x.len()]);
            mean_pool_backward(time, d, &dout, &mut dx, false);
            mean_pool_backward(time, d, &dout, &mut more, true);
            assert_close(&dx, &want, 1e-6);
            assert_close(&more, &want.iter().map(|v| v + 1.0).collect::<Vec<_>>(), 1e-6);
        }
        mean_pool_forward(3, 4, &[], &mut []);
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (batch, time, d) = (9, 150, 33);
        let x = values(batch * time * d, 1);
        same_bits_at_any_thread_count(|| {
            let (mut out, mut dx) = (vec![0.0; batch * d], vec![0.0; x.len()]);
            mean_pool_forward(time, d, &x, &mut out);
            mean_pool_backward(time, d, &out, &mut dx, false);
            [out, dx].concat()
        });
    }

    #[test]
    #[should_panic(expected = "without tokens")]
    fn no_tokens_have_no_mean() {
        mean_pool_forward(0, 4, &[], &mut [0.0; 4]);
    }
}
