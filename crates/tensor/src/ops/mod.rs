//! Operations on a tape, one file each: the shapes it accepts, forward, backward, what it saves, its test.
//!
//! Every function returns [`Error::Shape`] when shapes do not fit, [`Error::Index`] for a token or row out of range,
//! and [`Error::Freed`] when an input's value is gone.

mod activation;
mod add;
mod attention;
mod cross_entropy;
mod distill;
mod embedding;
mod gather;
mod linear;
mod matmul;
mod mean;
mod mean_pool;
mod mlp;
mod mul;
mod norm;
mod patch_embed;
mod scale;
mod softmax;
mod sum;
mod swiglu;
#[cfg(test)]
mod testing;
mod token_logprob;

pub use activation::activation;
pub use add::add;
pub use attention::{Attention, attention};
pub use cross_entropy::{CrossEntropy, CrossEntropyValue, cross_entropy, cross_entropy_backward};
pub use distill::{Teacher, TeacherTop, distill, distill_top};
pub use embedding::embedding;
pub use gather::gather;
pub use linear::linear;
pub use matmul::matmul;
pub use mean::mean;
pub use mean_pool::mean_pool;
pub use mlp::{Inner, Mlp, mlp};
pub use mul::mul;
pub use norm::{add_norm, norm};
pub use patch_embed::{PatchEmbed, Source, patch_embed};
pub use regimen_kernels::{Activation, AttentionShape, Divergence, NormKind, RopeTable};
pub use scale::scale;
pub use softmax::softmax;
pub use sum::sum;
pub use swiglu::swiglu;
pub use token_logprob::{LogprobOptions, TokenLogprob, TopTokens, token_logprob};

use crate::error::{Error, Result};
use crate::layout::Handle;
use crate::tape::{Tape, Var};

/// An [`Error::Shape`].
fn misfit<T>(op: &'static str, problem: impl Into<String>) -> Result<T> {
    Err(Error::Shape { op, problem: problem.into() })
}

/// Rows and last dimension of `x`, with every dimension but the last counted as rows.
fn rows_of(op: &'static str, tape: &Tape<'_>, x: Var) -> Result<(usize, usize)> {
    match tape.shape(x).split_last() {
        Some((&last, rest)) => Ok((rest.iter().product(), last)),
        None => misfit(op, "the input is a scalar, rows are needed"),
    }
}

/// The two dimensions of a parameter matrix.
fn matrix_of(op: &'static str, tape: &Tape<'_>, w: Handle) -> Result<(usize, usize)> {
    let segment = tape.params().layout.segment(w);
    match segment.shape[..] {
        [rows, cols] => Ok((rows, cols)),
        _ => misfit(op, format!("{} has shape {:?}, a matrix is needed", segment.name, segment.shape)),
    }
}

/// Checks that a parameter is a vector of `len`.
fn check_vector(op: &'static str, tape: &Tape<'_>, v: Handle, len: usize) -> Result<()> {
    let segment = tape.params().layout.segment(v);
    if segment.shape == [len] {
        return Ok(());
    }
    misfit(op, format!("{} has shape {:?}, [{len}] is needed", segment.name, segment.shape))
}

/// Checks that two values have one shape.
fn same_shape(op: &'static str, tape: &Tape<'_>, a: Var, b: Var) -> Result<()> {
    if tape.shape(a) == tape.shape(b) {
        return Ok(());
    }
    misfit(op, format!("shapes {:?} and {:?} differ", tape.shape(a), tape.shape(b)))
}

/// Checks that every index is below `bound`.
fn check_indices(op: &'static str, what: &'static str, indices: &[u32], bound: usize) -> Result<()> {
    match indices.iter().find(|&&i| i as usize >= bound) {
        Some(&index) => Err(Error::Index { op, what, index: index as usize, bound }),
        None => Ok(()),
    }
}

/// The shape of `x` with another last dimension.
fn with_last(tape: &Tape<'_>, x: Var, last: usize) -> Vec<usize> {
    let mut shape = tape.shape(x).to_vec();
    if let Some(slot) = shape.last_mut() {
        *slot = last;
    }
    shape
}
