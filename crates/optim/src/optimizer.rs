//! What every update rule offers: a step, and its state as flat named arrays.

use std::fmt::Debug;
use std::ops::Range;

use crate::Kind;

/// An update rule with its state, over one arena of parameters. Floats outside every group (padding) are never touched.
pub trait Optimizer: Debug + Send + Sync {
    /// Which rule it is.
    fn kind(&self) -> Kind;

    /// One step with learning rate `rate` on gradients multiplied by `scale` (the clipping factor). The gradients are
    /// used up: they are zero afterwards, ready to be added to. A NaN in a gradient reaches what it would update.
    fn step(&mut self, params: &mut [f32], grads: &mut [f32], rate: f64, scale: f64);

    /// Steps taken.
    fn steps(&self) -> u64;

    /// Goes on as if that many steps had been taken. With the arrays of [`Optimizer::state`] put back as well, the next
    /// steps have the same bits.
    fn set_steps(&mut self, steps: u64);

    /// All of its state but the number of steps: arrays in a fixed order.
    fn state(&self) -> Vec<State<'_>>;

    /// The same arrays, to be filled.
    fn state_mut(&mut self) -> Vec<&mut [f32]>;
}

/// One array of an optimizer's state.
#[derive(Clone, Debug, PartialEq)]
pub struct State<'a> {
    /// What it holds, in one word: it becomes part of file names.
    pub name: &'static str,
    /// Its numbers.
    pub data: &'a [f32],
    /// How it is laid out; `None`: as the parameters are.
    pub parts: Option<&'a [Part]>,
}

/// A named part of an array that is not laid out as the parameters are.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Name of the group it belongs to.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where it lies in the array.
    pub range: Range<usize>,
}

/// Parts start at multiples of this many floats, as the segments of an arena do (64 bytes: a cache line).
const ALIGN: usize = 16;

/// An array with its parts, packed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    pub(crate) data: Vec<f32>,
    pub(crate) parts: Vec<Part>,
}

impl Packed {
    /// Appends a part of zeros; where it lies.
    pub(crate) fn push(&mut self, name: &str, shape: &[usize]) -> Range<usize> {
        let start = self.data.len();
        let range = start..start + shape.iter().product::<usize>();
        self.parts.push(Part { name: name.into(), shape: shape.into(), range: range.clone() });
        self.data.resize(range.end.next_multiple_of(ALIGN), 0.0);
        range
    }

    pub(crate) fn state(&self, name: &'static str) -> State<'_> {
        State { name, data: &self.data, parts: Some(&self.parts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_start_on_cache_lines() {
        let mut packed = Packed::default();
        assert_eq!(packed.push("a", &[3, 5]), 0..15);
        assert_eq!(packed.push("b", &[17]), 16..33);
        assert_eq!(packed.data.len(), 48);
        assert_eq!(packed.state("x").parts.unwrap()[1].shape, [17]);
    }
}
