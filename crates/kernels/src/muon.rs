//! Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024): momentum made orthogonal.
//!
//! For a matrix `[rows, cols]` of a hidden layer: `m = momentum m + (1 - momentum) g`, the direction
//! `u = momentum m + (1 - momentum) g` (Nesterov; else `m`), `o` = the orthogonal matrix nearest to `u`, and
//! `p = p - lr (scale o + weight_decay p)`. With `u = U S V^T`, `o` is about `U V^T`: five steps of the quintic
//! Newton-Schulz iteration `x = a x + (b x x^T + c (x x^T)^2) x` from `u / |u|`, whose coefficients are tuned for speed,
//! so that the singular values end between 0.7 and 1.2 rather than at 1.
//!
//! Defaults: momentum 0.95 with Nesterov, 5 steps, a = 3.4445, b = -4.7750, c = 2.0315. `scale` is
//! `sqrt(max(1, rows / cols))` in the original, `0.2 sqrt(max(rows, cols))` in Moonlight (Liu et al., "Muon is scalable
//! for LLM training", 2025), whose updates are as large as AdamW's, so that one rate and decay serve both.

use crate::elementwise::scale;
use crate::gemm::{Mat, MatMut, sgemm};
use crate::isa::fma;
use crate::par::{par_rows, par_rows3};
use crate::reduce::norm_sq_f64;

/// Settings of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub momentum: f64,
    /// Whether the direction looks one step of momentum ahead.
    pub nesterov: bool,
    /// Steps of the Newton-Schulz iteration.
    pub iterations: u32,
    /// What the orthogonal direction is multiplied with besides the rate.
    pub scale: f64,
    /// Decoupled weight decay: `p -= lr * weight_decay * p`.
    pub weight_decay: f64,
}

/// Elements of a task.
const BLOCK: usize = 16_384;
/// A momentum smaller than this is set to zero, or it would decay into denormal numbers, which are slow.
const TINY: f32 = 1e-30;
/// Coefficients of the iteration.
const QUINTIC: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// The least norm that a direction is divided by.
const LEAST_NORM: f64 = 1e-7;

/// Floats of working space that [`muon_step`] needs for a matrix.
pub fn muon_work(rows: usize, cols: usize) -> usize {
    let side = rows.min(cols);
    2 * rows * cols + 2 * side * side
}

/// One step on the matrix `p` `[rows, cols]` with momentum `m` and gradient `g * grad_scale` (`grad_scale` is the
/// clipping factor). The gradient is left at zero, ready to be added to. `work` is grown to what is needed and may be
/// used again for the next matrix. A gradient with a NaN in it makes the whole matrix NaN.
pub fn muon_step(
    p: &mut [f32],
    m: &mut [f32],
    g: &mut [f32],
    (rows, cols): (usize, usize),
    cfg: &Muon,
    grad_scale: f32,
    work: &mut Vec<f32>,
) {
    let n = rows * cols;
    assert!(p.len() == n && m.len() == n && g.len() == n, "slices are not [{rows}, {cols}]");
    if n == 0 {
        return;
    }
    if work.len() < muon_work(rows, cols) {
        work.resize(muon_work(rows, cols), 0.0);
    }
    let (x, rest) = work.split_at_mut(n);
    let (keep, fresh) = (cfg.momentum as f32, (1.0 - cfg.momentum) as f32 * grad_scale);
    par_rows3((m, 1), (x, 1), (g, 1), BLOCK, |_, m, x, g| direction(m, x, g, keep, fresh, cfg.nesterov));
    let o = orthogonal(x, rest, (rows, cols), cfg.iterations);
    let (keep, size) = ((1.0 - cfg.lr * cfg.weight_decay) as f32, (cfg.lr * cfg.scale) as f32);
    par_rows(p, 1, BLOCK, |first, p| apply(p, &o[first..first + p.len()], keep, size));
}

/// The matrix that Newton-Schulz makes of `x`, in `x` or in the working space.
fn orthogonal<'a>(
    x: &'a mut [f32],
    work: &'a mut [f32],
    (rows, cols): (usize, usize),
    iterations: u32,
) -> &'a [f32] {
    let side = rows.min(cols);
    let (next, rest) = work.split_at_mut(rows * cols);
    let (gram, rest) = rest.split_at_mut(side * side);
    let poly = &mut rest[..side * side];
    let norm = norm_sq_f64(x).sqrt();
    // Written so that a NaN stays one.
    let norm = if norm < LEAST_NORM { LEAST_NORM } else { norm };
    scale((1.0 / norm) as f32, x);
    let (mut x, mut next) = (x, next);
    let [a, b, c] = QUINTIC;
    for _ in 0..iterations {
        let view = Mat::new(x, rows, cols);
        // The smaller of x x^T and x^T x; the polynomial then stands on that side of x.
        let (left, right) = if rows <= cols { (view, view.t()) } else { (view.t(), view) };
        sgemm(1.0, left, right, 0.0, MatMut::new(gram, side, side));
        let square = Mat::new(gram, side, side);
        sgemm(c, square, square, 0.0, MatMut::new(poly, side, side));
        par_rows(poly, side, (BLOCK / side).max(1), |first, poly| {
            add_lower_terms(poly, &gram[first * side..first * side + poly.len()], side, first, a, b);
        });
        let poly = Mat::new(poly, side, side);
        let (left, right) = if rows <= cols { (poly, view) } else { (view, poly) };
        sgemm(1.0, left, right, 0.0, MatMut::new(next, rows, cols));
        (x, next) = (next, x);
    }
    x
}

simd! {
    /// Advances the momentum, writes the direction to `x`, clears the gradient.
    fn direction<FMA>(m: &mut [f32], x: &mut [f32], g: &mut [f32], keep: f32, fresh: f32, nesterov: bool) {
        let n = m.len();
        let (x, g) = (&mut x[..n], &mut g[..n]);
        for i in 0..n {
            let new = fresh * g[i];
            let mi = fma::<FMA>(keep, m[i], new);
            let mi = if mi.abs() < TINY { 0.0 } else { mi };
            m[i] = mi;
            x[i] = if nesterov { fma::<FMA>(keep, mi, new) } else { mi };
            g[i] = 0.0;
        }
    }

    /// `poly += b gram + a I`, for rows from `first` on.
    fn add_lower_terms<FMA>(poly: &mut [f32], gram: &[f32], side: usize, first: usize, a: f32, b: f32) {
        for (p, &g) in poly.iter_mut().zip(gram) {
            *p = fma::<FMA>(b, g, *p);
        }
        for (i, row) in poly.chunks_exact_mut(side).enumerate() {
            row[first + i] += a;
        }
    }

    fn apply<FMA>(p: &mut [f32], o: &[f32], keep: f32, size: f32) {
        for (p, &o) in p.iter_mut().zip(o) {
            *p = fma::<FMA>(keep, *p, -(size * o));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values, wide};

    const CFG: Muon =
        Muon { lr: 1e-2, momentum: 0.95, nesterov: true, iterations: 5, scale: 1.0, weight_decay: 0.1 };
    const SHAPES: [(usize, usize); 6] = [(1, 1), (1, 5), (7, 1), (5, 7), (13, 11), (64, 37)];

    /// `a b` for `[m, k]` and `[k, n]`.
    fn product(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
        let cell = |i: usize| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum();
        (0..m * n).map(cell).collect()
    }

    fn transposed(a: &[f64], (m, n): (usize, usize)) -> Vec<f64> {
        (0..m * n).map(|i| a[i % m * n + i / m]).collect()
    }

    /// The iteration as it is written in the paper.
    fn orthogonal64(u: &[f64], (m, n): (usize, usize)) -> Vec<f64> {
        let norm = u.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-7);
        let mut x: Vec<f64> = u.iter().map(|x| x / norm).collect();
        for _ in 0..5 {
            let gram = product(&x, &transposed(&x, (m, n)), (m, n, m));
            let cubic = product(&gram, &x, (m, m, n));
            let quintic = product(&gram, &cubic, (m, m, n));
            x = (0..m * n).map(|i| 3.4445 * x[i] - 4.7750 * cubic[i] + 2.0315 * quintic[i]).collect();
        }
        x
    }

    #[test]
    fn steps_match_f64() {
        for (shape, nesterov) in SHAPES.into_iter().zip([true, false].into_iter().cycle()) {
            let n = shape.0 * shape.1;
            let cfg = Muon { nesterov, scale: 0.7, ..CFG };
            let (mut p, mut m, mut work) = (values(n, 1), vec![0.0; n], Vec::new());
            let (mut p64, mut m64) = (wide(&p), vec![0.0; n]);
            for step in 1..=4 {
                let mut g = values(n, 10 + step);
                let g64: Vec<f64> = g.iter().map(|&g| 0.5 * f64::from(g)).collect();
                muon_step(&mut p, &mut m, &mut g, shape, &cfg, 0.5, &mut work);
                for i in 0..n {
                    m64[i] = 0.95 * m64[i] + 0.05 * g64[i];
                }
                let ahead = |i: usize| if nesterov { 0.95 * m64[i] + 0.05 * g64[i] } else { m64[i] };
                let o = orthogonal64(&(0..n).map(ahead).collect::<Vec<_>>(), shape);
                for i in 0..n {
                    p64[i] -= 1e-2 * (0.7 * o[i] + 0.1 * p64[i]);
                }
                assert_close(&m, &m64, 1e-6);
                assert_close(&p, &p64, 1e-6);
                assert!(g.iter().all(|&g| g == 0.0));
            }
        }
    }

    #[test]
    fn singular_values_end_near_one() {
        let shape = (24, 40);
        let (mut x, mut work) = (values(24 * 40, 3), vec![0.0; muon_work(24, 40)]);
        let o = wide(orthogonal(&mut x, &mut work, shape, 5));
        // All singular values in [0.6, 1.3] keep the length of any vector in that range.
        for seed in 0..20 {
            let v = wide(&values(24, seed));
            let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let stretch = length(&product(&v, &o, (1, 24, 40))) / length(&v);
            assert!((0.6..1.3).contains(&stretch), "{stretch}");
        }
    }

    /// Three steps with `torch.optim.Muon` (2.15), its iteration in float64, from the values of the test's generator.
    #[test]
    fn steps_are_those_of_pytorch() {
        let moonlight = |rows: f64, cols: f64| 0.2 * rows.max(cols).sqrt();
        let cases = [
            ((5, 7), 1.0, [0.7257216861146246, -0.22386956778370898, -0.03544331279440781]),
            ((5, 7), moonlight(5.0, 7.0), [0.7218182796190445, -0.2176987445628029, -0.03698047263556867]),
            ((7, 5), 1.4f64.sqrt(), [0.7282388062867573, -0.22350055097300364, -0.03765540105860277]),
            ((6, 6), 1.0, [0.724162209701585, -0.22133404520064917, -0.03654980500485128]),
            ((1, 5), 1.0, [0.7253252809279954, -0.22171644653347963, -0.036268465271414446]),
        ];
        for ((rows, cols), scale, want) in cases {
            let n = rows * cols;
            let (mut p, mut m, mut work) = (values(n, 1), vec![0.0; n], Vec::new());
            for step in 1..=3 {
                let cfg = Muon { scale, ..CFG };
                muon_step(&mut p, &mut m, &mut values(n, 10 + step), (rows, cols), &cfg, 0.5, &mut work);
            }
            assert_close(&p[..3], &want, 2e-6);
        }
    }

    #[test]
    fn without_gradient_only_decay_is_left() {
        let (mut p, mut m, mut g) = (vec![1.0; 6], vec![1e-30; 6], vec![0.0; 6]);
        muon_step(&mut p, &mut m, &mut g, (2, 3), &CFG, 1.0, &mut Vec::new());
        assert!(m.iter().all(|&m| m == 0.0), "tiny momentum becomes zero: {m:?}");
        assert!(p.iter().all(|&p| p == 0.999), "{p:?}");
    }

    #[test]
    fn what_is_not_finite_is_passed_on() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (mut p, mut m, mut g) = (vec![1.0; 6], vec![0.0; 6], vec![0.1; 6]);
            g[4] = bad;
            muon_step(&mut p, &mut m, &mut g, (2, 3), &CFG, 1.0, &mut Vec::new());
            assert!(p.iter().all(|p| p.is_nan()) && !m[4].is_finite(), "{p:?} {m:?}");
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        for shape in [(230, 317), (317, 230)] {
            let n = shape.0 * shape.1;
            same_bits_at_any_thread_count(|| {
                let (mut p, mut m, mut g) = (values(n, 1), values(n, 2), values(n, 3));
                muon_step(&mut p, &mut m, &mut g, shape, &CFG, 1.0, &mut Vec::new());
                [p, m].concat()
            });
        }
    }
}
