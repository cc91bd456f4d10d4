//! Adafactor (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018): Adam's second
//! moment kept as one number for each row and each column of a matrix.
//!
//! With `beta = 1 - t^-0.8` and `s = g^2 + eps`: `row = beta row + (1 - beta) mean over columns of s`, `col` likewise over
//! rows, `v[i, j] = row[i] col[j] / mean(row)`; of a vector `v = beta v + (1 - beta) s`. The direction `u = g / sqrt(v)` is
//! divided by `max(1, rms(u) / clip)`. `p = p - size u`, where `size = max(least, rms(p)) min(lr, 1 / sqrt(t))` with
//! relative steps and `lr` without. The paper's defaults: eps 1e-30, least 1e-3, clip 1, lr 1e-2, no momentum. It knows no
//! weight decay; here it is decoupled, `p -= lr weight_decay p`, as PyTorch has it.
//!
//! The rms of the direction must be known before the first parameter moves, so a step reads the gradient three times:
//! for the means, for that rms, and for the update.

use crate::isa::fma;
use crate::par::{par_blocks3, par_map, par_rows, par_rows2, par_rows3};
use crate::reduce::{LANES, fold, norm_sq_f64, sum_f64, tree};

/// Settings of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adafactor {
    /// Learning rate; with relative steps the greatest one relative to a parameter's size.
    pub lr: f64,
    /// The second moment decays with `1 - t^-beta2_decay`.
    pub beta2_decay: f64,
    /// Added to the squared gradient. What is below the least normal number counts as that.
    pub eps: f64,
    /// Greatest root mean square of the direction.
    pub clip: f64,
    /// Whether steps are relative to the size of what is trained.
    pub relative: bool,
    /// The size that a parameter has at least, for relative steps.
    pub least: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// Elements of a task.
const BLOCK: usize = 16_384;
/// Rows of a task.
const ROW_CHUNK: usize = 64;

/// One step, numbered from 1, on the matrix `p` `[rows, cols]` with the second moment's `row` `[rows]` and `col`
/// `[cols]` and gradient `g * grad_scale` (`grad_scale` is the clipping factor). The gradient is left at zero, ready to be
/// added to. A gradient with a NaN in it makes the whole matrix NaN.
pub fn adafactor_matrix_step(
    p: &mut [f32],
    row: &mut [f32],
    col: &mut [f32],
    g: &mut [f32],
    cfg: &Adafactor,
    step: u64,
    grad_scale: f32,
) {
    let (rows, cols) = (row.len(), col.len());
    assert!(p.len() == rows * cols && g.len() == rows * cols, "slices are not [{rows}, {cols}]");
    assert!(step > 0, "steps are numbered from 1");
    if p.is_empty() {
        return;
    }
    let k = Moment::new(cfg, step, grad_scale);
    let chunks = rows.div_ceil(ROW_CHUNK);
    let mut parts = vec![0.0; chunks * cols];
    par_blocks3((row, ROW_CHUNK), (&mut parts, cols), (g, ROW_CHUNK * cols), |_, row, sums, g| {
        squares(row, sums, g, k);
    });
    par_rows(col, 1, BLOCK, |first, col| {
        let mut sums = vec![0.0f64; col.len()];
        for part in parts.chunks_exact(cols) {
            for (sum, &x) in sums.iter_mut().zip(&part[first..]) {
                *sum += f64::from(x);
            }
        }
        for (c, sum) in col.iter_mut().zip(sums) {
            *c = k.next(*c, sum / rows as f64);
        }
    });
    // 1 / sqrt(v[i, j]) is a product of two factors; the clipping factor goes with the rows'.
    let mean = sum_f64(row) / rows as f64;
    let by_row: Vec<f32> =
        row.iter().map(|&r| grad_scale * (f64::from(r) / mean).sqrt().recip() as f32).collect();
    let by_col: Vec<f32> = col.iter().map(|&c| f64::from(c).sqrt().recip() as f32).collect();
    let parts = par_map(chunks, |chunk| {
        let first = chunk * ROW_CHUNK;
        let last = rows.min(first + ROW_CHUNK);
        matrix_square(&g[first * cols..last * cols], &by_row[first..last], &by_col)
    });
    let (keep, size) = sizes(cfg, step, p, &parts);
    par_rows2((p, cols), (g, cols), (BLOCK / cols).max(1), |first, p, g| {
        let rows = p.chunks_exact_mut(cols).zip(g.chunks_exact_mut(cols)).zip(&by_row[first..]);
        for ((p, g), &factor) in rows {
            matrix_update(p, g, &by_col, keep, size * factor);
        }
    });
}

/// The same on a vector `p` with its whole second moment `v`.
pub fn adafactor_vector_step(
    p: &mut [f32],
    v: &mut [f32],
    g: &mut [f32],
    cfg: &Adafactor,
    step: u64,
    grad_scale: f32,
) {
    assert!(p.len() == v.len() && p.len() == g.len(), "slices differ in length");
    assert!(step > 0, "steps are numbered from 1");
    if p.is_empty() {
        return;
    }
    let k = Moment::new(cfg, step, grad_scale);
    let mut parts = vec![0.0; p.len().div_ceil(BLOCK)];
    par_blocks3((&mut parts, 1), (v, BLOCK), (g, BLOCK), |_, part, v, g| part[0] = vector_square(v, g, k));
    let parts: Vec<f64> = parts.into_iter().map(f64::from).collect();
    let (keep, size) = sizes(cfg, step, p, &parts);
    par_rows3((p, 1), (v, 1), (g, 1), BLOCK, |_, p, v, g| vector_update(p, v, g, keep, size * grad_scale));
}

/// How the second moment goes on.
#[derive(Clone, Copy)]
struct Moment {
    /// Share of the new value.
    fresh: f64,
    eps: f32,
    grad_scale: f32,
}

impl Moment {
    fn new(cfg: &Adafactor, step: u64, grad_scale: f32) -> Moment {
        let fresh = (step as f64).powf(-cfg.beta2_decay);
        Moment { fresh, eps: (cfg.eps as f32).max(f32::MIN_POSITIVE), grad_scale }
    }

    #[inline(always)]
    fn next(self, old: f32, mean: f64) -> f32 {
        ((1.0 - self.fresh) * f64::from(old) + self.fresh * mean) as f32
    }
}

/// What parameters keep, and what a direction is multiplied with whose sums of squares are `parts`.
fn sizes(cfg: &Adafactor, step: u64, p: &[f32], parts: &[f64]) -> (f32, f32) {
    let n = p.len() as f64;
    let rms = (tree(parts) / n).sqrt();
    // Comparisons written so that a NaN stays one.
    let at_least = |least: f64, x: f64| if x < least { least } else { x };
    let size = match cfg.relative {
        true => at_least(cfg.least, (norm_sq_f64(p) / n).sqrt()) * cfg.lr.min(1.0 / (step as f64).sqrt()),
        false => cfg.lr,
    };
    ((1.0 - cfg.lr * cfg.weight_decay) as f32, (size / at_least(1.0, rms / cfg.clip)) as f32)
}

/// The square of a clipped gradient, kept above zero.
#[inline(always)]
fn scaled_square<const FMA: bool>(g: f32, k: Moment) -> f32 {
    let g = k.grad_scale * g;
    fma::<FMA>(g, g, k.eps)
}

simd! {
    /// Advances `row` and adds the squares of all rows to `sums`.
    fn squares<FMA>(row: &mut [f32], sums: &mut [f32], g: &[f32], k: Moment) {
        let cols = sums.len();
        let (sums, sums_rest) = sums.as_chunks_mut::<LANES>();
        for (r, g) in row.iter_mut().zip(g.chunks_exact(cols)) {
            let mut lanes = [0.0f64; LANES];
            let (g, rest) = g.as_chunks::<LANES>();
            for (sums, g) in sums.iter_mut().zip(g) {
                for l in 0..LANES {
                    let square = scaled_square::<FMA>(g[l], k);
                    sums[l] += square;
                    lanes[l] += f64::from(square);
                }
            }
            for (l, (sum, &g)) in sums_rest.iter_mut().zip(rest).enumerate() {
                let square = scaled_square::<FMA>(g, k);
                *sum += square;
                lanes[l] += f64::from(square);
            }
            *r = k.next(*r, fold(lanes) / cols as f64);
        }
    }

    /// Sum of the squared direction.
    fn matrix_square<FMA>(g: &[f32], by_row: &[f32], by_col: &[f32]) -> f64 {
        let _ = FMA;
        let (cols, cols_rest) = by_col.as_chunks::<LANES>();
        let mut lanes = [0.0f64; LANES];
        for (g, &factor) in g.chunks_exact(by_col.len()).zip(by_row) {
            let (g, rest) = g.as_chunks::<LANES>();
            for (g, c) in g.iter().zip(cols) {
                for l in 0..LANES {
                    let u = factor * g[l] * c[l];
                    lanes[l] += f64::from(u * u);
                }
            }
            for (l, (&g, &c)) in rest.iter().zip(cols_rest).enumerate() {
                let u = factor * g * c;
                lanes[l] += f64::from(u * u);
            }
        }
        fold(lanes)
    }

    fn matrix_update<FMA>(p: &mut [f32], g: &mut [f32], by_col: &[f32], keep: f32, size: f32) {
        for ((p, g), &c) in p.iter_mut().zip(g).zip(by_col) {
            *p = fma::<FMA>(keep, *p, -(size * *g * c));
            *g = 0.0;
        }
    }

    /// Advances `v`; the sum of the squared direction.
    fn vector_square<FMA>(v: &mut [f32], g: &[f32], k: Moment) -> f32 {
        let mut lanes = [0.0f64; LANES];
        for (v, g) in v.chunks_mut(LANES).zip(g.chunks(LANES)) {
            for ((lane, v), &g) in lanes.iter_mut().zip(v).zip(g) {
                *v = k.next(*v, f64::from(scaled_square::<FMA>(g, k)));
                let u = k.grad_scale * g / v.sqrt();
                *lane += f64::from(u * u);
            }
        }
        fold(lanes) as f32
    }

    fn vector_update<FMA>(p: &mut [f32], v: &[f32], g: &mut [f32], keep: f32, size: f32) {
        for ((p, &v), g) in p.iter_mut().zip(v).zip(g) {
            *p = fma::<FMA>(keep, *p, -(size * *g / v.sqrt()));
            *g = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values, wide};

    const CFG: Adafactor = Adafactor {
        lr: 1e-2,
        beta2_decay: 0.8,
        eps: 1e-30,
        clip: 1.0,
        relative: true,
        least: 1e-3,
        weight_decay: 0.1,
    };

    fn mean(x: impl ExactSizeIterator<Item = f64>) -> f64 {
        let n = x.len() as f64;
        x.sum::<f64>() / n
    }

    /// The second moment as it is written in the paper, then the update.
    fn update64(p: &mut [f64], v: &[f64], g: &[f64], cfg: &Adafactor, t: f64) {
        let u: Vec<f64> = g.iter().zip(v).map(|(g, v)| g / v.sqrt()).collect();
        let rms = |x: &[f64]| mean(x.iter().map(|x| x * x)).sqrt();
        let size = if cfg.relative { rms(p).max(cfg.least) * cfg.lr.min(t.powf(-0.5)) } else { cfg.lr };
        let shorter = (rms(&u) / cfg.clip).max(1.0);
        for (p, u) in p.iter_mut().zip(&u) {
            *p -= cfg.lr * cfg.weight_decay * *p + size * u / shorter;
        }
    }

    #[test]
    fn matrix_steps_match_f64() {
        let relative = [true, false].into_iter().cycle();
        for ((rows, cols), relative) in [(1, 1), (1, 5), (7, 1), (5, 7), (131, 37)].into_iter().zip(relative)
        {
            let cfg = Adafactor { relative, clip: 0.9, ..CFG };
            let n = rows * cols;
            let (mut p, mut row, mut col) = (values(n, 1), vec![0.0; rows], vec![0.0; cols]);
            let (mut p64, mut row64, mut col64) = (wide(&p), vec![0.0; rows], vec![0.0; cols]);
            for step in 1..=4 {
                let mut g = values(n, 10 + step);
                let g64: Vec<f64> = g.iter().map(|&g| 0.5 * f64::from(g)).collect();
                adafactor_matrix_step(&mut p, &mut row, &mut col, &mut g, &cfg, step, 0.5);
                let fresh = (step as f64).powf(-0.8);
                let square = |i: usize, j: usize| g64[i * cols + j].powi(2) + 1e-30;
                for (i, r) in row64.iter_mut().enumerate() {
                    *r += fresh * (mean((0..cols).map(|j| square(i, j))) - *r);
                }
                for (j, c) in col64.iter_mut().enumerate() {
                    *c += fresh * (mean((0..rows).map(|i| square(i, j))) - *c);
                }
                let all = mean(row64.iter().copied());
                let v: Vec<f64> = (0..n).map(|i| row64[i / cols] * col64[i % cols] / all).collect();
                update64(&mut p64, &v, &g64, &cfg, step as f64);
                assert_close(&row, &row64, 1e-6);
                assert_close(&col, &col64, 1e-6);
                assert_close(&p, &p64, 1e-6);
                assert!(g.iter().all(|&g| g == 0.0));
            }
        }
    }

    #[test]
    fn vector_steps_match_f64() {
        for (n, relative) in [(1, true), (7, false), (BLOCK + 3, true)] {
            let cfg = Adafactor { relative, clip: 0.9, ..CFG };
            let (mut p, mut v) = (values(n, 1), vec![0.0; n]);
            let (mut p64, mut v64) = (wide(&p), vec![0.0; n]);
            for step in 1..=4 {
                let mut g = values(n, 10 + step);
                let g64: Vec<f64> = g.iter().map(|&g| 0.5 * f64::from(g)).collect();
                adafactor_vector_step(&mut p, &mut v, &mut g, &cfg, step, 0.5);
                let fresh = (step as f64).powf(-0.8);
                for (v, g) in v64.iter_mut().zip(&g64) {
                    *v += fresh * (g * g + 1e-30 - *v);
                }
                update64(&mut p64, &v64, &g64, &cfg, step as f64);
                assert_close(&v, &v64, 1e-6);
                assert_close(&p, &p64, 1e-6);
                assert!(g.iter().all(|&g| g == 0.0));
            }
        }
    }

    /// Three steps with `torch.optim.Adafactor` (2.15) in float64, from the values of the test's generator.
    #[test]
    fn steps_are_those_of_pytorch() {
        let matrix = |rows: usize, cols: usize| {
            let (mut p, mut row, mut col) = (values(35, 1), vec![0.0; rows], vec![0.0; cols]);
            for t in 1..=3 {
                adafactor_matrix_step(&mut p, &mut row, &mut col, &mut values(35, 10 + t), &CFG, t, 0.5);
            }
            p
        };
        assert_close(
            &matrix(5, 7)[..3],
            &[0.7241039952645332, -0.2296660807266461, -0.03612767747390139],
            1e-6,
        );
        assert_close(
            &matrix(7, 5)[..3],
            &[0.7193906432184001, -0.2249411831693092, -0.03589362419726651],
            1e-6,
        );
        let (mut p, mut v) = (values(35, 1), vec![0.0; 35]);
        for t in 1..=3 {
            adafactor_vector_step(&mut p, &mut v, &mut values(35, 10 + t), &CFG, t, 0.5);
        }
        assert_close(&p[..3], &[0.7174821439571091, -0.2184926299731914, -0.033273092201076944], 1e-6);
    }

    #[test]
    fn without_gradient_moments_stay_normal_and_only_decay_is_left() {
        let (mut p, mut row, mut col, mut v) = (vec![1.0; 6], vec![0.0; 2], vec![0.0; 3], vec![0.0; 6]);
        for eps in [1e-30, 1e-42] {
            let cfg = Adafactor { eps, ..CFG };
            for t in 1..=50 {
                adafactor_matrix_step(&mut p, &mut row, &mut col, &mut [0.0; 6], &cfg, t, 1.0);
                adafactor_vector_step(&mut p, &mut v, &mut [0.0; 6], &cfg, t, 1.0);
            }
            assert!(row.iter().chain(&col).chain(&v).all(|x| x.is_normal()), "{row:?} {col:?} {v:?}");
        }
        let kept = (0..200).fold(1.0f32, |p, _| 0.999 * p);
        assert!(p.iter().all(|&p| (p - kept).abs() < 1e-5), "{p:?} {kept}");
    }

    #[test]
    fn what_is_not_finite_is_passed_on() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (mut p, mut row, mut col, mut v) = (vec![1.0; 6], vec![0.0; 2], vec![0.0; 3], vec![0.0; 6]);
            let g = [0.1, 0.1, 0.1, bad, 0.1, 0.1];
            adafactor_matrix_step(&mut p, &mut row, &mut col, &mut g.clone(), &CFG, 1, 1.0);
            assert!(p.iter().all(|p| p.is_nan()) && !row[1].is_finite() && !col[0].is_finite(), "{p:?}");
            p.fill(1.0);
            adafactor_vector_step(&mut p, &mut v, &mut g.clone(), &CFG, 1, 1.0);
            assert!(p[3].is_nan() && !v[3].is_finite(), "{p:?}");
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (rows, cols) = (3 * ROW_CHUNK + 5, 301);
        let n = rows * cols;
        same_bits_at_any_thread_count(|| {
            let (mut p, mut row, mut col) = (values(n, 1), vec![0.1; rows], vec![0.2; cols]);
            adafactor_matrix_step(&mut p, &mut row, &mut col, &mut values(n, 2), &CFG, 2, 1.0);
            let mut v = vec![0.1; n];
            adafactor_vector_step(&mut p, &mut v, &mut values(n, 3), &CFG, 2, 1.0);
            [p, row, col, v].concat()
        });
    }
}
