//! Lion over groups of one flat arena (Chen et al., "Symbolic discovery of optimization algorithms", 2023): one number
//! of state for each parameter, half of AdamW's.
//!
//! Defaults are the paper's: betas 0.9 and 0.99; next to AdamW a rate 3 to 10 times smaller and a decay as many times
//! larger, on matrices alone.

use std::ops::Range;

use regimen_kernels::lion::{Lion as Step, lion_step};

use crate::group::{Group, runs};
use crate::{Kind, Optimizer, State};

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Weight of the momentum in the direction of a step.
    pub beta1: f64,
    /// Decay rate of the momentum.
    pub beta2: f64,
    /// Decoupled weight decay, for groups that decay.
    pub weight_decay: f64,
}

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct Lion {
    hyper: Hyper,
    runs: Vec<(Range<usize>, bool)>,
    /// The momentum, laid out as the parameters are.
    mean: Vec<f32>,
    steps: u64,
}

impl Lion {
    /// A fresh optimizer for an arena of `length` floats.
    ///
    /// # Panics
    /// If a group reaches beyond `length`, differs from its shape, or overlaps another.
    pub fn new(hyper: Hyper, groups: &[Group], length: usize) -> Lion {
        Lion { hyper, runs: runs(groups, length), mean: vec![0.0; length], steps: 0 }
    }
}

impl Optimizer for Lion {
    fn kind(&self) -> Kind {
        Kind::Lion
    }

    fn step(&mut self, params: &mut [f32], grads: &mut [f32], rate: f64, scale: f64) {
        self.steps += 1;
        let Hyper { beta1, beta2, weight_decay } = self.hyper;
        for (range, decay) in &self.runs {
            let step = Step { lr: rate, beta1, beta2, weight_decay: if *decay { weight_decay } else { 0.0 } };
            lion_step(
                &mut params[range.clone()],
                &mut self.mean[range.clone()],
                &mut grads[range.clone()],
                &step,
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
        vec![State { name: "mean", data: &self.mean, parts: None }]
    }

    fn state_mut(&mut self) -> Vec<&mut [f32]> {
        vec![&mut self.mean]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTH, gradients, groups, keeps_its_promises, values};

    const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.99, weight_decay: 1.0 };

    #[test]
    fn follows_the_formula_and_spares_norms_from_decay() {
        let mut optimizer = Lion::new(HYPER, &groups(), LENGTH);
        let mut params = values(LENGTH, 1);
        let mut expected: Vec<f64> = params.iter().map(|&p| f64::from(p)).collect();
        let mut m = vec![0.0f64; LENGTH];
        for t in 1..=4 {
            optimizer.step(&mut params, &mut gradients(t), 0.01, 0.5);
            for group in groups() {
                for i in group.range {
                    let g = f64::from(gradients(t)[i]) * 0.5;
                    let decay = if group.decay { expected[i] } else { 0.0 };
                    expected[i] -= 0.01 * ((0.9 * m[i] + 0.1 * g).signum() + decay);
                    m[i] = 0.99 * m[i] + 0.01 * g;
                }
            }
        }
        for (i, (got, want)) in params.iter().zip(&expected).enumerate() {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{i}: {got} {want}");
        }
    }

    #[test]
    fn promises_are_kept() {
        keeps_its_promises(&|| Box::new(Lion::new(HYPER, &groups(), LENGTH)));
    }
}
