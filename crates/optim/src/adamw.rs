//! AdamW over groups of one flat arena (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).
//!
//! Defaults are those of language-model pretraining (GPT-3, Llama): betas 0.9 and 0.95, epsilon 1e-8, decay 0.1 on
//! matrices alone.

use std::ops::Range;

use regimen_kernels::adamw::{AdamW as Step, adamw_step_zeroing};

use crate::group::{Group, runs};
use crate::{Kind, Optimizer, State};

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Decay rate of the mean of gradients.
    pub beta1: f64,
    /// Decay rate of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay, for groups that decay.
    pub weight_decay: f64,
}

impl Hyper {
    /// The constants of one step.
    pub(crate) fn step(&self, rate: f64, decay: bool) -> Step {
        let Hyper { beta1, beta2, eps, weight_decay } = *self;
        Step { lr: rate, beta1, beta2, eps, weight_decay: if decay { weight_decay } else { 0.0 } }
    }
}

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct AdamW {
    hyper: Hyper,
    /// Runs of neighbouring groups with the same treatment, and whether they decay.
    runs: Vec<(Range<usize>, bool)>,
    /// Mean of gradients, laid out as the parameters are.
    pub mean: Vec<f32>,
    /// Mean of squared gradients, laid out likewise.
    pub square: Vec<f32>,
    /// Steps taken; the bias correction needs it.
    pub steps: u64,
}

impl AdamW {
    /// A fresh optimizer for an arena of `length` floats. Floats outside every group (padding) are never touched.
    ///
    /// # Panics
    /// If a group reaches beyond `length`, differs from its shape, or overlaps another.
    pub fn new(hyper: Hyper, groups: &[Group], length: usize) -> AdamW {
        let runs = runs(groups, length);
        AdamW { hyper, runs, mean: vec![0.0; length], square: vec![0.0; length], steps: 0 }
    }
}

impl Optimizer for AdamW {
    fn kind(&self) -> Kind {
        Kind::AdamW
    }

    fn step(&mut self, params: &mut [f32], grads: &mut [f32], rate: f64, scale: f64) {
        self.steps += 1;
        for (range, decay) in &self.runs {
            adamw_step_zeroing(
                &mut params[range.clone()],
                &mut self.mean[range.clone()],
                &mut self.square[range.clone()],
                &mut grads[range.clone()],
                &self.hyper.step(rate, *decay),
                self.steps,
                scale as f32,
            );
        }
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    fn state(&self) -> Vec<State<'_>> {
        let whole = |name, data| State { name, data, parts: None };
        vec![whole("mean", &self.mean), whole("square", &self.square)]
    }

    fn state_mut(&mut self) -> Vec<&mut [f32]> {
        vec![&mut self.mean, &mut self.square]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTH, group, groups, keeps_its_promises};

    const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

    #[test]
    fn follows_the_formula_and_spares_norms_from_decay() {
        let groups = [group("norm", 16, &[2], false), group("matrix", 0, &[1, 3], true)];
        let mut params = vec![1.0f32; 32];
        let mut optimizer = AdamW::new(HYPER, &groups, 32);
        let grads: Vec<f32> = (0..32).map(|i| 0.1 * (i as f32 - 8.0)).collect();
        let mut expected = vec![1.0f64; 32];
        let (mut m, mut v) = (vec![0.0f64; 32], vec![0.0f64; 32]);
        for t in 1..=3 {
            optimizer.step(&mut params, &mut grads.clone(), 0.01, 0.5);
            for i in (0..3).chain(16..18) {
                let g = f64::from(grads[i]) * 0.5;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.95 * v[i] + 0.05 * g * g;
                let (mh, vh) = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.95f64.powi(t)));
                let decay = if i < 3 { 0.1 } else { 0.0 };
                expected[i] -= 0.01 * decay * expected[i];
                expected[i] -= 0.01 * mh / (vh.sqrt() + 1e-8);
            }
        }
        for i in 0..32 {
            assert!((f64::from(params[i]) - expected[i]).abs() < 1e-6, "{i}: {} {}", params[i], expected[i]);
        }
        assert_eq!(params[10], 1.0, "padding stays");
    }

    #[test]
    fn promises_are_kept() {
        keeps_its_promises(&|| Box::new(AdamW::new(HYPER, &groups(), LENGTH)));
    }
}
