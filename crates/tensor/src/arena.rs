//! The arenas: parameters and gradients as one flat array each, so that an optimizer is one pass and clipping one
//! norm.

use std::sync::Arc;

use regimen_base::Philox;
use regimen_kernels::{Floats, par_rows};

use crate::error::{Error, Result};
use crate::layout::{Handle, Init, Layout};

macro_rules! arena {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Where the segments are.
            pub layout: Arc<Layout>,
            /// `layout.len` floats; the padding between segments stays 0.
            pub data: Floats,
        }

        impl $name {
            /// All zeros. Where memory may be short, [`Self::try_zeros`] says so.
            pub fn zeros(layout: Arc<Layout>) -> $name {
                let data = Floats::zeros(layout.len);
                $name { layout, data }
            }

            /// All zeros.
            ///
            /// # Errors
            /// [`Error::Memory`] when there is no memory for them.
            pub fn try_zeros(layout: Arc<Layout>) -> Result<$name> {
                let bytes = layout.len.saturating_mul(4);
                let lacking = |_| Error::Memory { what: $what, bytes, held: 0 };
                let data = Floats::try_zeros(layout.len).map_err(lacking)?;
                Ok($name { layout, data })
            }

            /// The floats of a segment.
            pub fn slice(&self, handle: Handle) -> &[f32] {
                &self.data[self.layout.segment(handle).range()]
            }

            /// The floats of a segment, to change.
            pub fn slice_mut(&mut self, handle: Handle) -> &mut [f32] {
                let range = self.layout.segment(handle).range();
                &mut self.data[range]
            }

            /// Two different segments at once.
            ///
            /// # Panics
            /// If they are the same.
            pub fn pair_mut(&mut self, first: Handle, second: Handle) -> (&mut [f32], &mut [f32]) {
                let ranges = [first, second].map(|h| self.layout.segment(h).range());
                match self.data.get_disjoint_mut(ranges) {
                    Ok([a, b]) => (a, b),
                    Err(_) => panic!("pair_mut: {first:?} and {second:?} are one segment"),
                }
            }

            /// Sets every float to 0.
            pub fn zero(&mut self) {
                self.data.fill(0.0);
            }
        }
    };
}

arena!(
    /// What is trained.
    Params, "weights"
);
arena!(
    /// The gradient of a loss with respect to [`Params`] of the same layout.
    Grads, "gradients"
);

/// Whether there is memory for `len` floats in one piece, which are not kept.
///
/// # Errors
/// [`Error::Memory`] when there is not.
pub fn room_for(what: &'static str, len: usize, held: usize) -> Result<()> {
    let room = Vec::<f32>::new().try_reserve_exact(len);
    room.map_err(|_| Error::Memory { what, bytes: len.saturating_mul(4), held: 4 * held })
}

/// Elements a task fills; a multiple of the four numbers that one random block gives.
const CHUNK: usize = 1 << 14;

impl Params {
    /// Fresh parameters. A segment's numbers depend on the seed, its name and its own initialiser alone, so adding
    /// or removing another segment moves nothing.
    pub fn init(layout: Arc<Layout>, seed: u64) -> Params {
        Params::zeros(layout).drawn(seed)
    }

    /// [`Params::init`] where memory may be short.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is no memory for them.
    pub fn try_init(layout: Arc<Layout>, seed: u64) -> Result<Params> {
        Ok(Params::try_zeros(layout)?.drawn(seed))
    }

    fn drawn(mut self, seed: u64) -> Params {
        for handle in self.layout.handles() {
            let segment = self.layout.segment(handle);
            let (init, random) = (segment.init, Philox::new(seed, &["init", &segment.name]));
            let out = self.slice_mut(handle);
            match init {
                Init::Zeros => {}
                Init::Ones => out.fill(1.0),
                Init::Normal { std } => {
                    par_rows(out, 1, CHUNK, |first, out| normal(&random, std, first, out));
                }
                Init::Uniform { bound } => {
                    par_rows(out, 1, CHUNK, |first, out| uniform(&random, bound, first, out));
                }
            }
        }
        self
    }
}

/// A number strictly between 0 and 1 from 32 random bits.
fn open_unit(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

/// Box-Muller, both numbers of each pair: a block of four words gives four elements.
fn normal(random: &Philox, std: f64, first: usize, out: &mut [f32]) {
    for (i, four) in out.chunks_mut(4).enumerate() {
        let words = random.block((first / 4 + i) as u64).map(open_unit);
        let mut values = [0.0f32; 4];
        for pair in 0..2 {
            let radius = std * (-2.0 * words[2 * pair].ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * words[2 * pair + 1]).sin_cos();
            values[2 * pair] = (radius * cos) as f32;
            values[2 * pair + 1] = (radius * sin) as f32;
        }
        four.copy_from_slice(&values[..four.len()]);
    }
}

fn uniform(random: &Philox, bound: f64, first: usize, out: &mut [f32]) {
    for (i, four) in out.chunks_mut(4).enumerate() {
        let words = random.block((first / 4 + i) as u64);
        for (value, word) in four.iter_mut().zip(words) {
            *value = (bound * (2.0 * open_unit(word) - 1.0)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::LayoutBuilder;

    fn layout(names: &[&str], len: usize, init: Init) -> Arc<Layout> {
        let mut builder = LayoutBuilder::new();
        for name in names {
            builder.segment(name, &[len], true, init).unwrap();
        }
        Arc::new(builder.build())
    }

    #[test]
    fn initial_values_have_the_right_moments() {
        let params = Params::init(layout(&["w"], 40_003, Init::Normal { std: 0.02 }), 7);
        let w = params.slice(params.layout.expect("w").unwrap());
        let mean = w.iter().map(|&x| f64::from(x)).sum::<f64>() / w.len() as f64;
        let std = (w.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / w.len() as f64).sqrt();
        assert!(mean.abs() < 5e-4 && (std - 0.02).abs() < 4e-4, "{mean} {std}");
        let params = Params::init(layout(&["w"], 9_001, Init::Uniform { bound: 0.5 }), 7);
        let w = params.slice(params.layout.expect("w").unwrap());
        assert!(
            w.iter().all(|x| x.abs() <= 0.5) && w.iter().any(|x| *x > 0.49) && w.iter().any(|x| *x < -0.49)
        );
        assert!(params.data[9_001..].iter().all(|&x| x == 0.0), "padding");
    }

    #[test]
    fn a_segment_does_not_depend_on_the_others() {
        let both = Params::init(layout(&["a", "b"], 33, Init::Normal { std: 1.0 }), 1);
        let one = Params::init(layout(&["b"], 33, Init::Normal { std: 1.0 }), 1);
        let other = Params::init(layout(&["b"], 33, Init::Normal { std: 1.0 }), 2);
        let b = |p: &Params| p.slice(p.layout.expect("b").unwrap()).to_vec();
        assert_eq!(b(&both), b(&one));
        assert_ne!(b(&both), b(&other));
        assert_ne!(both.slice(Handle(0)), both.slice(Handle(1)));
    }

    #[test]
    fn pairs_are_disjoint() {
        let mut grads = Grads::zeros(layout(&["a", "b"], 3, Init::Zeros));
        let (b, a) = grads.pair_mut(Handle(1), Handle(0));
        b.fill(2.0);
        a.fill(1.0);
        assert_eq!((grads.slice(Handle(0))[2], grads.slice(Handle(1))[0]), (1.0, 2.0));
        grads.zero();
        assert!(grads.data.iter().all(|&x| x == 0.0));
    }
}
