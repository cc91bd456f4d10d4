//! AdamW (Loshchilov and Hutter 2019): Adam with decoupled weight decay, in one pass over flat arrays.

use crate::isa::fma;
use crate::par::par_rows3;

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
    assert!(p.len() == m.len() && p.len() == v.len() && p.len() == g.len(), "slices differ in length");
    assert!(step > 0, "steps are numbered from 1");
    let power = step as f64;
    let k = Factors {
        beta1: cfg.beta1 as f32,
        beta2: cfg.beta2 as f32,
        rest1: (1.0 - cfg.beta1) as f32 * grad_scale,
        rest2: (1.0 - cfg.beta2) as f32 * grad_scale * grad_scale,
        keep: (1.0 - cfg.lr * cfg.weight_decay) as f32,
        size: (cfg.lr / (1.0 - cfg.beta1.powf(power))) as f32,
        root: (1.0 / (1.0 - cfg.beta2.powf(power)).sqrt()) as f32,
        eps: cfg.eps as f32,
    };
    par_rows3((p, 1), (m, 1), (v, 1), BLOCK, |first, p, m, v| {
        step_block(p, m, v, &g[first..first + p.len()], k);
    });
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

simd! {
    fn step_block<FMA>(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], k: Factors) {
        let n = p.len();
        let (m, v, g) = (&mut m[..n], &mut v[..n], &g[..n]);
        for i in 0..n {
            let mi = fma::<FMA>(k.beta1, m[i], k.rest1 * g[i]);
            let vi = fma::<FMA>(k.beta2, v[i], k.rest2 * g[i] * g[i]);
            let mi = if mi.abs() < TINY { 0.0 } else { mi };
            let vi = if vi < TINY { 0.0 } else { vi };
            m[i] = mi;
            v[i] = vi;
            p[i] = fma::<FMA>(k.keep, p[i], -(k.size * mi / fma::<FMA>(vi.sqrt(), k.root, k.eps)));
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

    #[test]
    fn tiny_moments_become_zero() {
        let (mut p, mut m, mut v) = ([1.0], [1e-30], [1e-30]);
        adamw_step(&mut p, &mut m, &mut v, &[0.0], &CFG, 3, 1.0);
        assert_eq!((m, v), ([0.0], [0.0]));
        assert!((p[0] - 0.999).abs() < 1e-6, "only decay is left: {p:?}");
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
