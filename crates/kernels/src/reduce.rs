//! Reductions with a fixed order: chunks of a fixed size, `f64` above (and within) a chunk, added up as a tree.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::par::{par, par_rows, rows_per_task};
use crate::scratch;

/// Elements of a chunk.
const CHUNK: usize = 32_768;
/// Rows of a chunk of column sums.
const ROW_CHUNK: usize = 64;
/// Columns that are summed at a time.
const COLUMNS: usize = 256;

/// Sum of all elements.
pub fn sum_f64(x: &[f32]) -> f64 {
    tree_of(x.len().div_ceil(CHUNK), &|i| sum_chunk(chunk(x, i)))
}

/// Dot product of two equally long slices.
pub fn dot_f64(x: &[f32], y: &[f32]) -> f64 {
    assert_eq!(x.len(), y.len(), "slices differ in length");
    tree_of(x.len().div_ceil(CHUNK), &|i| dot_chunk(chunk(x, i), chunk(y, i)))
}

/// Squared Euclidean norm.
pub fn norm_sq_f64(x: &[f32]) -> f64 {
    dot_f64(x, x)
}

/// Whether no element is infinite or NaN.
pub fn all_finite(x: &[f32]) -> bool {
    let finite = AtomicBool::new(true);
    par(x.len().div_ceil(CHUNK), |i| {
        if finite.load(Ordering::Relaxed) && !finite_chunk(chunk(x, i)) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// Index of the first largest element, or `None` for an empty slice. NaN never wins against a number.
pub fn argmax(x: &[f32]) -> Option<usize> {
    let mut best = None;
    for (i, &v) in x.iter().enumerate() {
        match best {
            Some((_, b)) if v > b || (f32::is_nan(b) && !v.is_nan()) => best = Some((i, v)),
            None => best = Some((i, v)),
            Some(_) => {}
        }
    }
    best.map(|(i, _)| i)
}

/// Chunk number `i` of a slice.
fn chunk(x: &[f32], i: usize) -> &[f32] {
    &x[i * CHUNK..x.len().min((i + 1) * CHUNK)]
}

/// Parts that are held at a time; a power of two, so that groups of them are whole branches of the tree.
const HELD: usize = 256;

/// [`tree`] over the values of `part(0)`, ..., `part(n - 1)`, which are computed in parallel; nothing is allocated.
fn tree_of(n: usize, part: &(dyn Fn(usize) -> f64 + Sync)) -> f64 {
    if n > HELD {
        let left = n.next_power_of_two() / 2;
        return tree_of(left, part) + tree_of(n - left, &|i| part(left + i));
    }
    let bits = [const { AtomicU64::new(0) }; HELD];
    par(n, |i| bits[i].store(part(i).to_bits(), Ordering::Relaxed));
    let mut parts = [0.0; HELD];
    for (part, bits) in parts.iter_mut().zip(bits) {
        *part = f64::from_bits(bits.into_inner());
    }
    tree(&parts[..n])
}

/// Adds up `parts` in pairs of neighbours, again and again.
pub(crate) fn tree(parts: &[f64]) -> f64 {
    match parts {
        [] => 0.0,
        [x] => *x,
        _ => {
            let (a, b) = parts.split_at(parts.len().next_power_of_two() / 2);
            tree(a) + tree(b)
        }
    }
}

/// `sums[j] += sum over i of x[i, j]` for `x` `[rows, n]`.
pub(crate) fn add_column_sums(rows: usize, n: usize, x: &[f32], sums: &mut [f32]) {
    if rows == 0 || n == 0 {
        return;
    }
    scratch::with(rows.div_ceil(ROW_CHUNK) * n, |parts| {
        par_rows(parts, n, 1, |chunk, part| {
            part.fill(0.0);
            let first = chunk * ROW_CHUNK;
            for row in x[first * n..rows.min(first + ROW_CHUNK) * n].chunks_exact(n) {
                crate::activation::add_block(part, row);
            }
        });
        add_parts(n, parts, sums);
    });
}

/// `sums[j] += sum over chunks c of parts[c, j]`, in `f64`, in the order of the chunks.
pub(crate) fn add_parts(n: usize, parts: &[f32], sums: &mut [f32]) {
    let per = rows_per_task(parts.len() / n);
    par_rows(sums, 1, per, |first, sums| {
        for (i, sums) in sums.chunks_mut(COLUMNS).enumerate() {
            let mut total = [0.0f64; COLUMNS];
            for (t, &s) in total.iter_mut().zip(&*sums) {
                *t = f64::from(s);
            }
            for part in parts.chunks_exact(n) {
                let part = &part[first + i * COLUMNS..];
                for (t, &p) in total.iter_mut().zip(part) {
                    *t += f64::from(p);
                }
            }
            for (s, t) in sums.iter_mut().zip(total) {
                *s = t as f32;
            }
        }
    });
}

/// Running sums of a loop, so that it uses whole vectors.
pub(crate) const LANES: usize = 16;

/// Adds up the lanes in a fixed order.
pub(crate) fn fold(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

simd! {
    fn sum_chunk<FMA>(x: &[f32]) -> f64 {
        let _ = FMA;
        let mut lanes = [0.0f64; LANES];
        let mut chunks = x.chunks_exact(LANES);
        for c in &mut chunks {
            for l in 0..LANES {
                lanes[l] += f64::from(c[l]);
            }
        }
        for (l, &v) in chunks.remainder().iter().enumerate() {
            lanes[l] += f64::from(v);
        }
        fold(lanes)
    }

    fn dot_chunk<FMA>(x: &[f32], y: &[f32]) -> f64 {
        let _ = FMA;
        let mut lanes = [0.0f64; LANES];
        let (mut a, mut b) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        for (x, y) in (&mut a).zip(&mut b) {
            for l in 0..LANES {
                // The product of two f32 is exact in f64.
                lanes[l] += f64::from(x[l]) * f64::from(y[l]);
            }
        }
        for (l, (&x, &y)) in a.remainder().iter().zip(b.remainder()).enumerate() {
            lanes[l] += f64::from(x) * f64::from(y);
        }
        fold(lanes)
    }

    fn finite_chunk<FMA>(x: &[f32]) -> bool {
        let _ = FMA;
        x.iter().fold(0u32, |worst, v| worst.max(v.to_bits() & 0x7fff_ffff)) < 0x7f80_0000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{same_bits_at_any_thread_count, values};

    #[test]
    fn sums_match_a_plain_loop() {
        for n in [0, 1, 15, 16, 17, CHUNK, CHUNK + 3, 5 * CHUNK + 7] {
            let (x, y) = (values(n, 1), values(n, 2));
            let sum: f64 = x.iter().map(|&v| f64::from(v)).sum();
            let dot: f64 = x.iter().zip(&y).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!((sum_f64(&x) - sum).abs() < 1e-9 * n as f64 + 1e-12);
            assert!((dot_f64(&x, &y) - dot).abs() < 1e-9 * n as f64 + 1e-12);
            assert_eq!(norm_sq_f64(&x), dot_f64(&x, &x));
        }
    }

    #[test]
    fn a_tree_adds_every_part() {
        for n in 0..40 {
            let parts: Vec<f64> = (1..=n).map(f64::from).collect();
            assert_eq!(tree(&parts), f64::from(n * (n + 1) / 2));
        }
    }

    #[test]
    fn groups_of_parts_are_branches_of_the_tree() {
        for n in [0, 1, 2, HELD - 1, HELD, HELD + 1, 3 * HELD, 1025, 5000] {
            let parts: Vec<f64> = values(n, 3).iter().map(|&v| f64::from(v)).collect();
            assert_eq!(tree_of(n, &|i| parts[i]).to_bits(), tree(&parts).to_bits(), "{n}");
        }
    }

    #[test]
    fn one_bad_element_is_found() {
        let mut x = values(2 * CHUNK + 5, 1);
        assert!(all_finite(&x) && all_finite(&[]) && all_finite(&[f32::MAX, f32::MIN]));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            x[CHUNK + 1] = bad;
            assert!(!all_finite(&x));
        }
    }

    #[test]
    fn argmax_takes_the_first_largest() {
        assert_eq!(argmax(&[]), None);
        assert_eq!(argmax(&[1.0, 3.0, 3.0, 2.0]), Some(1));
        assert_eq!(argmax(&[f32::NAN, -1.0, f32::NAN]), Some(1));
    }

    #[test]
    fn column_sums_add_to_what_is_there() {
        for (rows, n) in [(1, 1), (63, 5), (64, 3), (200, 37)] {
            let x = values(rows * n, 1);
            let mut sums = vec![1.0; n];
            add_column_sums(rows, n, &x, &mut sums);
            for (j, &s) in sums.iter().enumerate() {
                let want: f64 = 1.0 + (0..rows).map(|r| f64::from(x[r * n + j])).sum::<f64>();
                assert!((f64::from(s) - want).abs() < 1e-5, "{s} {want}");
            }
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let x = values(7 * CHUNK + 1, 1);
        same_bits_at_any_thread_count(|| {
            let mut sums = vec![0.0; 17];
            add_column_sums(1000, 17, &x[..17_000], &mut sums);
            let bits = sum_f64(&x).to_bits();
            sums.extend([f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32)]);
            sums
        });
    }
}
