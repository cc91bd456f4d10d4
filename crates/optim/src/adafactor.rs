//! Adafactor over groups of one flat arena (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory
//! cost", 2018): a matrix costs one number of state for each row and column, a vector one for each element.
//!
//! Defaults are the paper's: second moment decaying with `1 - t^-0.8`, eps 1e-30, directions clipped to 1, steps relative
//! to the size of each parameter, at most 1e-2 of it, no momentum, no weight decay.

use std::ops::Range;

use regimen_kernels::adafactor::{Adafactor as Step, adafactor_matrix_step, adafactor_vector_step};

use crate::group::{Group, sorted};
use crate::optimizer::Packed;
use crate::{Kind, Optimizer, State};

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// The second moment decays with `1 - t^-beta2_decay`.
    pub beta2_decay: f64,
    /// Added to squared gradients.
    pub eps: f64,
    /// Greatest root mean square of a direction.
    pub clip: f64,
    /// Whether the rate is relative to the size of each parameter, and at most `1 / sqrt(t)`.
    pub relative: bool,
    /// The size that a parameter has at least, for relative steps.
    pub least: f64,
    /// Decoupled weight decay, for groups that decay.
    pub weight_decay: f64,
}

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct Adafactor {
    hyper: Hyper,
    groups: Vec<Factored>,
    row: Packed,
    col: Packed,
    square: Packed,
    steps: u64,
}

/// A group and the places of its second moment.
#[derive(Clone, Debug)]
struct Factored {
    range: Range<usize>,
    decay: bool,
    moment: Moment,
}

#[derive(Clone, Debug)]
enum Moment {
    Matrix { row: Range<usize>, col: Range<usize> },
    Vector(Range<usize>),
}

impl Adafactor {
    /// A fresh optimizer for an arena of `length` floats.
    ///
    /// # Panics
    /// If a group reaches beyond `length`, differs from its shape, or overlaps another.
    pub fn new(hyper: Hyper, groups: &[Group], length: usize) -> Adafactor {
        let [mut row, mut col, mut square] = [const { Packed { data: Vec::new(), parts: Vec::new() } }; 3];
        let factored = |group: &Group| Factored {
            range: group.range.clone(),
            decay: group.decay,
            moment: match group.matrix() {
                Some((rows, cols)) => Moment::Matrix {
                    row: row.push(&group.name, &[rows]),
                    col: col.push(&group.name, &[cols]),
                },
                None => Moment::Vector(square.push(&group.name, &group.shape)),
            },
        };
        let groups = sorted(groups, length).into_iter().map(factored).collect();
        Adafactor { hyper, groups, row, col, square, steps: 0 }
    }
}

impl Optimizer for Adafactor {
    fn kind(&self) -> Kind {
        Kind::Adafactor
    }

    fn step(&mut self, params: &mut [f32], grads: &mut [f32], rate: f64, scale: f64) {
        self.steps += 1;
        let Hyper { beta2_decay, eps, clip, relative, least, weight_decay } = self.hyper;
        for Factored { range, decay, moment } in &self.groups {
            let weight_decay = if *decay { weight_decay } else { 0.0 };
            let step = Step { lr: rate, beta2_decay, eps, clip, relative, least, weight_decay };
            let (p, g) = (&mut params[range.clone()], &mut grads[range.clone()]);
            match moment {
                Moment::Matrix { row, col } => {
                    let (row, col) = (&mut self.row.data[row.clone()], &mut self.col.data[col.clone()]);
                    adafactor_matrix_step(p, row, col, g, &step, self.steps, scale as f32);
                }
                Moment::Vector(square) => {
                    let square = &mut self.square.data[square.clone()];
                    adafactor_vector_step(p, square, g, &step, self.steps, scale as f32);
                }
            }
        }
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    fn state(&self) -> Vec<State<'_>> {
        vec![self.row.state("row"), self.col.state("column"), self.square.state("square")]
    }

    fn state_mut(&mut self) -> Vec<&mut [f32]> {
        vec![&mut self.row.data, &mut self.col.data, &mut self.square.data]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTH, gradients, groups, keeps_its_promises, values};

    const HYPER: Hyper =
        Hyper { beta2_decay: 0.8, eps: 1e-30, clip: 1.0, relative: true, least: 1e-3, weight_decay: 0.1 };

    #[test]
    fn matrices_are_factored_and_vectors_are_not() {
        let mut optimizer = Adafactor::new(HYPER, &groups(), LENGTH);
        let mut params = values(LENGTH, 1);
        let (mut matrix, mut row, mut col) = (params[32..67].to_vec(), vec![0.0; 5], vec![0.0; 7]);
        let (mut vector, mut square) = (params[80..93].to_vec(), vec![0.0; 13]);
        let Hyper { beta2_decay, eps, clip, relative, least, weight_decay } = HYPER;
        let step = Step { lr: 0.01, beta2_decay, eps, clip, relative, least, weight_decay };
        for t in 1..=3 {
            optimizer.step(&mut params, &mut gradients(t), 0.01, 0.5);
            let mut grads = gradients(t);
            adafactor_matrix_step(&mut matrix, &mut row, &mut col, &mut grads[32..67], &step, t, 0.5);
            let step = Step { weight_decay: 0.0, ..step };
            adafactor_vector_step(&mut vector, &mut square, &mut grads[80..93], &step, t, 0.5);
        }
        assert_eq!(params[32..67], matrix);
        assert_eq!(params[80..93], vector);
        let floats: usize =
            optimizer.state().iter().flat_map(|s| s.parts).flatten().map(|p| p.range.len()).sum();
        assert_eq!(floats, (7 + 3) + (5 + 7) + 13 + (3 + 11) + 1);
    }

    #[test]
    fn promises_are_kept() {
        for relative in [true, false] {
            let hyper = Hyper { relative, ..HYPER };
            keeps_its_promises(&|| Box::new(Adafactor::new(hyper, &groups(), LENGTH)));
        }
    }
}
