//! Muon for the matrices of hidden layers, AdamW for everything else (Jordan et al., "Muon: an optimizer for hidden
//! layers in neural networks", 2024): embeddings, the output head, norms and biases are no maps between hidden states.
//!
//! Defaults: momentum 0.95 with Nesterov, 5 Newton-Schulz steps; updates as large as AdamW's (Liu et al., "Muon is
//! scalable for LLM training", 2025), so that one rate and a decay of 0.1 serve both rules. The original's updates take
//! a rate of 0.02 for the matrices and 3e-4 for the rest.

use std::ops::Range;

use regimen_kernels::adamw::adamw_step_zeroing;
use regimen_kernels::muon::{Muon as Step, muon_step};
use serde::{Deserialize, Serialize};

use crate::group::{Group, sorted};
use crate::optimizer::Packed;
use crate::{Kind, Optimizer, State, adamw};

/// What an orthogonal direction is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// `0.2 sqrt(max(rows, cols))`: the root mean square of an AdamW update (Liu et al. 2025).
    MatchRmsAdamw,
    /// `sqrt(max(1, rows / cols))` (Jordan et al. 2024).
    Original,
}

impl Scale {
    /// The factor for a matrix.
    pub fn factor(self, (rows, cols): (usize, usize)) -> f64 {
        let (rows, cols) = (rows as f64, cols as f64);
        match self {
            Scale::MatchRmsAdamw => 0.2 * rows.max(cols).sqrt(),
            Scale::Original => (rows / cols).max(1.0).sqrt(),
        }
    }
}

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Decay rate of the momentum.
    pub momentum: f64,
    /// Whether the direction looks one step of momentum ahead.
    pub nesterov: bool,
    /// Steps of the Newton-Schulz iteration.
    pub iterations: u32,
    /// What an orthogonal direction is multiplied with.
    pub scale: Scale,
    /// AdamW for the rest; its weight decay is that of the matrices too.
    pub rest: adamw::Hyper,
    /// The rate of the rest as a share of the matrices'.
    pub rest_rate: f64,
}

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct Muon {
    hyper: Hyper,
    matrices: Vec<Matrix>,
    rest: Vec<Rest>,
    /// The momentum of matrices and AdamW's mean of the rest, laid out as the parameters are.
    mean: Vec<f32>,
    /// AdamW's mean of squared gradients, of the rest alone.
    square: Packed,
    steps: u64,
    /// Working space, grown by the first step.
    work: Vec<f32>,
}

/// A matrix of a hidden layer.
#[derive(Clone, Debug)]
struct Matrix {
    range: Range<usize>,
    shape: (usize, usize),
    decay: bool,
}

/// Something else.
#[derive(Clone, Debug)]
struct Rest {
    range: Range<usize>,
    square: Range<usize>,
    decay: bool,
}

impl Muon {
    /// A fresh optimizer for an arena of `length` floats.
    ///
    /// # Panics
    /// If a group reaches beyond `length`, differs from its shape, or overlaps another.
    pub fn new(hyper: Hyper, groups: &[Group], length: usize) -> Muon {
        let (mut matrices, mut rest, mut square) = (Vec::new(), Vec::new(), Packed::default());
        for group in sorted(groups, length) {
            let (range, decay) = (group.range.clone(), group.decay);
            match group.matrix() {
                Some(shape) if group.hidden => matrices.push(Matrix { range, shape, decay }),
                _ => rest.push(Rest { range, square: square.push(&group.name, &group.shape), decay }),
            }
        }
        Muon { hyper, matrices, rest, mean: vec![0.0; length], square, steps: 0, work: Vec::new() }
    }
}

impl Optimizer for Muon {
    fn kind(&self) -> Kind {
        Kind::Muon
    }

    fn step(&mut self, params: &mut [f32], grads: &mut [f32], rate: f64, scale: f64) {
        self.steps += 1;
        let hyper = &self.hyper;
        for Matrix { range, shape, decay } in &self.matrices {
            let step = Step {
                lr: rate,
                momentum: hyper.momentum,
                nesterov: hyper.nesterov,
                iterations: hyper.iterations,
                scale: hyper.scale.factor(*shape),
                weight_decay: if *decay { hyper.rest.weight_decay } else { 0.0 },
            };
            muon_step(
                &mut params[range.clone()],
                &mut self.mean[range.clone()],
                &mut grads[range.clone()],
                *shape,
                &step,
                scale as f32,
                &mut self.work,
            );
        }
        for Rest { range, square, decay } in &self.rest {
            adamw_step_zeroing(
                &mut params[range.clone()],
                &mut self.mean[range.clone()],
                &mut self.square.data[square.clone()],
                &mut grads[range.clone()],
                &hyper.rest.step(rate * hyper.rest_rate, *decay),
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
        vec![State { name: "mean", data: &self.mean, parts: None }, self.square.state("square")]
    }

    fn state_mut(&mut self) -> Vec<&mut [f32]> {
        vec![&mut self.mean, &mut self.square.data]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AdamW;
    use crate::testing::{LENGTH, gradients, groups, keeps_its_promises, values};

    const HYPER: Hyper = Hyper {
        momentum: 0.95,
        nesterov: true,
        iterations: 5,
        scale: Scale::MatchRmsAdamw,
        rest: adamw::Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 },
        rest_rate: 0.5,
    };

    #[test]
    fn the_rest_is_adamw_and_matrices_are_muon() {
        let mut optimizer = Muon::new(HYPER, &groups(), LENGTH);
        let mut plain = AdamW::new(HYPER.rest, &groups(), LENGTH);
        let (mut params, mut adamw) = (values(LENGTH, 1), values(LENGTH, 1));
        let (up, mut momentum) = (32..67, vec![0.0; 35]);
        let mut matrix = params[up.clone()].to_vec();
        for t in 1..=3 {
            optimizer.step(&mut params, &mut gradients(t), 0.01, 0.5);
            plain.step(&mut adamw, &mut gradients(t), 0.005, 0.5);
            let step = Step {
                lr: 0.01,
                momentum: 0.95,
                nesterov: true,
                iterations: 5,
                scale: 0.2 * 7.0f64.sqrt(),
                weight_decay: 0.1,
            };
            let mut grads = gradients(t)[up.clone()].to_vec();
            muon_step(&mut matrix, &mut momentum, &mut grads, (5, 7), &step, 0.5, &mut Vec::new());
        }
        assert_eq!(params[up], matrix);
        for group in groups() {
            let same = params[group.range.clone()] == adamw[group.range.clone()];
            assert_eq!(same, !group.hidden, "{}", group.name);
        }
        assert_eq!(optimizer.square.parts.len(), 3, "matrices have no second moment");
    }

    #[test]
    fn factors_are_those_of_the_papers() {
        assert_eq!(Scale::Original.factor((16, 4)), 2.0);
        assert_eq!(Scale::Original.factor((4, 16)), 1.0);
        assert_eq!(Scale::MatchRmsAdamw.factor((4, 25)), 1.0);
    }

    #[test]
    fn promises_are_kept() {
        for scale in [Scale::MatchRmsAdamw, Scale::Original] {
            let hyper = Hyper { scale, ..HYPER };
            keeps_its_promises(&|| Box::new(Muon::new(hyper, &groups(), LENGTH)));
        }
    }
}
