//! Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023): the sign of an interpolated momentum, in
//! one pass over flat arrays.
//!
//! `p = p - lr (sign(beta1 m + (1 - beta1) g) + weight_decay p)`, then `m = beta2 m + (1 - beta2) g`. The paper's
//! defaults: betas 0.9 and 0.99 (0.95 and 0.98 for language models that are not stable with them), a rate 3 to 10 times
//! smaller than AdamW's and a weight decay as many times larger.

use crate::isa::fma;
use crate::par::par_rows3;

/// Settings of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// Learning rate: every parameter moves by this much.
    pub lr: f64,
    /// Weight of the momentum in the direction of this step.
    pub beta1: f64,
    /// Decay of the momentum.
    pub beta2: f64,
    /// Decoupled weight decay: `p -= lr * weight_decay * p`.
    pub weight_decay: f64,
}

/// Elements of a task.
const BLOCK: usize = 16_384;
/// A momentum smaller than this is set to zero, or it would decay into denormal numbers, which are slow.
const TINY: f32 = 1e-30;

/// One step on parameters `p` with momentum `m` and gradient `g * grad_scale` (all of one length; `grad_scale` is the
/// clipping factor). The gradient is left at zero, ready to be added to.
pub fn lion_step(p: &mut [f32], m: &mut [f32], g: &mut [f32], cfg: &Lion, grad_scale: f32) {
    assert!(p.len() == m.len() && p.len() == g.len(), "slices differ in length");
    let k = Factors {
        beta1: cfg.beta1 as f32,
        beta2: cfg.beta2 as f32,
        rest1: (1.0 - cfg.beta1) as f32 * grad_scale,
        rest2: (1.0 - cfg.beta2) as f32 * grad_scale,
        keep: (1.0 - cfg.lr * cfg.weight_decay) as f32,
        size: cfg.lr as f32,
    };
    par_rows3((p, 1), (m, 1), (g, 1), BLOCK, |_, p, m, g| step_block(p, m, g, k));
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
}

simd! {
    fn step_block<FMA>(p: &mut [f32], m: &mut [f32], g: &mut [f32], k: Factors) {
        let n = p.len();
        let (m, g) = (&mut m[..n], &mut g[..n]);
        for i in 0..n {
            let direction = fma::<FMA>(k.beta1, m[i], k.rest1 * g[i]);
            // `signum` would make 1 of 0; what is not a number stays so.
            let sign = if direction > 0.0 { 1.0 } else if direction < 0.0 { -1.0 } else { direction };
            let mi = fma::<FMA>(k.beta2, m[i], k.rest2 * g[i]);
            m[i] = if mi.abs() < TINY { 0.0 } else { mi };
            p[i] = fma::<FMA>(k.keep, p[i], -(k.size * sign));
            g[i] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values, wide};

    const CFG: Lion = Lion { lr: 1e-3, beta1: 0.9, beta2: 0.99, weight_decay: 1.0 };

    #[test]
    fn steps_match_f64() {
        for n in [1, 7, 1003] {
            let (mut p, mut m) = (values(n, 1), vec![0.0; n]);
            let (mut p64, mut m64) = (wide(&p), vec![0.0f64; n]);
            for step in 1..=5 {
                let mut g = values(n, 10 + step);
                let g64: Vec<f64> = g.iter().map(|&g| 0.5 * f64::from(g)).collect();
                lion_step(&mut p, &mut m, &mut g, &CFG, 0.5);
                for i in 0..n {
                    let direction = 0.9 * m64[i] + 0.1 * g64[i];
                    p64[i] -= 1e-3 * (direction.signum() + p64[i]);
                    m64[i] = 0.99 * m64[i] + 0.01 * g64[i];
                }
                assert_close(&p, &p64, 1e-6);
                assert_close(&m, &m64, 1e-6);
                assert!(g.iter().all(|&g| g == 0.0));
            }
        }
    }

    #[test]
    fn nothing_to_learn_only_decays() {
        let (mut p, mut m) = ([1.0, -1.0], [0.0, 1e-30]);
        lion_step(&mut p, &mut m, &mut [0.0, 0.0], &CFG, 1.0);
        assert_eq!(p[0], 0.999, "a direction of zero has no sign");
        assert_eq!(m, [0.0, 0.0], "tiny momentum becomes zero");
    }

    #[test]
    fn what_is_not_a_number_is_passed_on() {
        let (mut p, mut m, mut g) = ([1.0; 3], [0.0; 3], [1.0, f32::NAN, 1.0]);
        lion_step(&mut p, &mut m, &mut g, &CFG, 1.0);
        assert!(p[1].is_nan() && m[1].is_nan() && p[0].is_finite() && p[2].is_finite());
    }

    #[test]
    fn threads_do_not_change_bits() {
        let n = 3 * BLOCK + 11;
        same_bits_at_any_thread_count(|| {
            let (mut p, mut m, mut g) = (values(n, 1), values(n, 2), values(n, 3));
            lion_step(&mut p, &mut m, &mut g, &CFG, 1.0);
            [p, m].concat()
        });
    }
}
