//! AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019): Adam with decoupled weight decay, in
//! one pass over flat arrays.
//!
//! `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
//! `p = p - lr (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p)`. The paper's defaults: lr 1e-3,
//! betas 0.9 and 0.999, eps 1e-8.
//!
//! A step moves 28 bytes of memory for each parameter (reads p, m, v, g; writes p, m, v) and is bound by that;
//! `examples/adamw.rs` measures it against a copy.

use crate::isa::fma;
use crate::par::{Shared, par_rows3};

/// Settings of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay: `p -= lr * weight_decay * p`.
    pub weight_decay: f64,
}

/// Elements of a task.
const BLOCK: usize = 16_384;
/// Moments smaller than this are set to zero, or they would decay into denormal numbers, which are slow.
const TINY: f32 = 1e-30;

/// One step, numbered from 1, on parameters `p` with moments `m`, `v` and gradient `g * grad_scale` (all of one
/// length; `grad_scale` is the clipping factor).
pub fn adamw_step(
    p: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &[f32],
    cfg: &AdamW,
    step: u64,
    grad_scale: f32,
) {
    check((p.len(), m.len(), v.len(), g.len()), step);
    let k = Factors::new(cfg, step, grad_scale);
    par_rows3((p, 1), (m, 1), (v, 1), BLOCK, |first, p, m, v| {
        step_block(p, m, v, &g[first..first + p.len()], k);
    });
}

/// [`adamw_step`] that leaves the gradient at zero, ready to be added to: its lines are in the cache anyway.
#[allow(unsafe_code)]
pub fn adamw_step_zeroing(
    p: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &mut [f32],
    cfg: &AdamW,
    step: u64,
    grad_scale: f32,
) {
    check((p.len(), m.len(), v.len(), g.len()), step);
    let k = Factors::new(cfg, step, grad_scale);
    let g = Shared::new(g);
    par_rows3((p, 1), (m, 1), (v, 1), BLOCK, |first, p, m, v| {
        // SAFETY: tasks get disjoint blocks of `p`, and `g` is cut as `p` is.
        let g = unsafe { g.slice(first, p.len()) };
        step_block_zeroing(p, m, v, g, k);
    });
}

fn check((p, m, v, g): (usize, usize, usize, usize), step: u64) {
    assert!(p == m && p == v && p == g, "slices differ in length");
    assert!(step > 0, "steps are numbered from 1");
}

/// What the loop multiplies with.
#[derive(Clone, Copy)]
struct Factors {
    beta1: f32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    keep: f32,
    size: f32,
    root: f32,
    eps: f32,
}

impl Factors {
    fn new(cfg: &AdamW, step: u64, grad_scale: f32) -> Factors {
        let power = step as f64;
        Factors {
            beta1: cfg.beta1 as f32,
            beta2: cfg.beta2 as f32,
            rest1: (1.0 - cfg.beta1) as f32 * grad_scale,
            rest2: (1.0 - cfg.beta2) as f32 * grad_scale * grad_scale,
            keep: (1.0 - cfg.lr * cfg.weight_decay) as f32,
            size: (cfg.lr / (1.0 - cfg.beta1.powf(power))) as f32,
            root: (1.0 / (1.0 - cfg.beta2.powf(power)).sqrt()) as f32,
            eps: cfg.eps as f32,
        }
    }
}

/// Parameter and moments after the step.
#[inline(always)]
fn update<const FMA: bool>(p: f32, m: f32, v: f32, g: f32, k: Factors) -> (f32, f32, f32) {
    let m = fma::<FMA>(k.beta1, m, k.rest1 * g);
    let v = fma::<FMA>(k.beta2, v, k.rest2 * g * g);
    let m = if m.abs() < TINY { 0.0 } else { m };
    let v = if v < TINY { 0.0 } else { v };
    (fma::<FMA>(k.keep, p, -(k.size * m / fma::<FMA>(v.sqrt(), k.root, k.eps))), m, v)
}

simd! {
    fn step_block<FMA>(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], k: Factors) {
        let n = p.len();
        let (m, v, g) = (&mut m[..n], &mut v[..n], &g[..n]);
        for i in 0..n {
            (p[i], m[i], v[i]) = update::<FMA>(p[i], m[i], v[i], g[i], k);
        }
    }

    fn step_block_zeroing<FMA>(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &mut [f32], k: Factors) {
        let n = p.len();
        let (m, v, g) = (&mut m[..n], &mut v[..n], &mut g[..n]);
        for i in 0..n {
            (p[i], m[i], v[i]) = update::<FMA>(p[i], m[i], v[i], g[i], k);
            g[i] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values, wide};

    const CFG: AdamW = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

    #[test]
    fn steps_match_f64() {
        let n = 1003;
        let (mut p, mut m, mut v) = (values(n, 1), vec![0.0; n], vec![0.0; n]);
        let (mut p64, mut m64, mut v64) = (wide(&p), vec![0.0; n], vec![0.0; n]);
        for step in 1..=5 {
            let g = values(n, 10 + step);
            adamw_step(&mut p, &mut m, &mut v, &g, &CFG, step, 0.5);
            for i in 0..n {
                let gi = 0.5 * f64::from(g[i]);
                m64[i] = 0.9 * m64[i] + 0.1 * gi;
                v64[i] = 0.95 * v64[i] + 0.05 * gi * gi;
                let (mean, square) =
                    (m64[i] / (1.0 - 0.9f64.powi(step as i32)), v64[i] / (1.0 - 0.95f64.powi(step as i32)));
                p64[i] -= 1e-2 * (mean / (square.sqrt() + 1e-8) + 0.1 * p64[i]);
            }
            assert_close(&p, &p64, 1e-6);
            assert_close(&m, &m64, 1e-6);
            assert_close(&v, &v64, 1e-6);
        }
    }

    /// Three steps with `torch.optim.AdamW` (2.15) in float64, from the values of the test's generator.
    #[test]
    fn steps_are_those_of_pytorch() {
        let (mut p, mut m, mut v) = (values(35, 1), vec![0.0; 35], vec![0.0; 35]);
        for step in 1..=3 {
            adamw_step(&mut p, &mut m, &mut v, &values(35, 10 + step), &CFG, step, 0.5);
        }
        assert_close(&p[..3], &[0.7349617657506066, -0.21467584740620776, -0.023108083358493646], 1e-6);
    }

    #[test]
    fn tiny_moments_become_zero() {
        let (mut p, mut m, mut v) = ([1.0], [1e-30], [1e-30]);
        adamw_step(&mut p, &mut m, &mut v, &[0.0], &CFG, 3, 1.0);
        assert_eq!((m, v), ([0.0], [0.0]));
        assert!((p[0] - 0.999).abs() < 1e-6, "only decay is left: {p:?}");
    }

    #[test]
    fn what_is_not_a_number_is_passed_on() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (mut p, mut m, mut v) = ([1.0; 3], [0.0; 3], [0.0; 3]);
            adamw_step(&mut p, &mut m, &mut v, &[1.0, bad, 1.0], &CFG, 1, 1.0);
            assert!(p[1].is_nan() && !v[1].is_finite() && p[0].is_finite() && p[2].is_finite());
        }
    }

    #[test]
    fn zeroing_takes_the_same_step() {
        let n = 2 * BLOCK + 5;
        let mut g = values(n, 3);
        let mut a = (values(n, 1), vec![0.0; n], vec![0.0; n]);
        let mut b = a.clone();
        for step in 1..=3 {
            adamw_step(&mut a.0, &mut a.1, &mut a.2, &g, &CFG, step, 0.7);
            adamw_step_zeroing(&mut b.0, &mut b.1, &mut b.2, &mut g, &CFG, step, 0.7);
            assert_eq!(a, b);
            assert!(g.iter().all(|&g| g == 0.0));
            g = values(n, 10 + step);
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let n = 3 * BLOCK + 11;
        let g = values(n, 2);
        same_bits_at_any_thread_count(|| {
            let (mut p, mut m, mut v) = (values(n, 1), vec![0.0; n], vec![0.0; n]);
            adamw_step(&mut p, &mut m, &mut v, &g, &CFG, 1, 1.0);
            [p, m, v].concat()
        });
    }
}
