//! Cross-entropy from hidden states, fused with the output layer: the logits never exist as a whole.
//!
//! `loss = sum_i w_i nll_i + z sum_i w_i lse_i^2`, where `nll_i = lse_i - logit_i[target_i]`; the second term is the
//! z-loss of PaLM (Chowdhery et al. 2022), which keeps the log normaliser near 0. With gradients on, the forward pass
//! computes both gradients in the same sweep over the logits; the backward pass only scales them, or, where this is the
//! whole loss, they need no backward pass at all.

use regimen_kernels::cross_entropy as kernel;

use super::{check_indices, matrix_of, misfit, rows_of};
use crate::arena::Grads;
use crate::error::{Error, Result};
use crate::layout::Handle;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "cross_entropy";

/// The result of [`cross_entropy`].
#[derive(Debug)]
pub struct CrossEntropy {
    /// The whole loss, shape `[]`.
    pub loss: Var,
    /// `-ln p(target)` of each row, not weighted; 0 where the weight is 0.
    pub nll: Vec<f32>,
    /// `sum_i w_i nll_i`, in f64.
    pub weighted_nll: f64,
    /// `z sum_i w_i lse_i^2`, in f64.
    pub z_term: f64,
}

/// The result of [`cross_entropy_backward`].
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropyValue {
    /// `-ln p(target)` of each row, not weighted; 0 where the weight is 0.
    pub nll: Vec<f32>,
    /// `sum_i w_i nll_i`, in f64.
    pub weighted_nll: f64,
    /// `z sum_i w_i lse_i^2`, in f64.
    pub z_term: f64,
}

/// Loss of hidden `[rows, d]` through the output layer `weight` `[vocab, d]` against `targets`, each row counted
/// `row_weight` times. A row of weight 0 is skipped, whatever its target. Holds the gradient of the output layer until
/// the backward pass; where nothing is added to the loss, [`cross_entropy_backward`] does without.
///
/// # Errors
/// Shapes that do not fit, a target of non-zero weight past the vocabulary.
pub fn cross_entropy(
    tape: &mut Tape<'_>,
    hidden: Var,
    weight: Handle,
    targets: &[u32],
    row_weight: &[f32],
    z_loss: f32,
) -> Result<CrossEntropy> {
    let (rows, d, vocab) = check(tape, hidden, weight, targets, row_weight)?;
    let _span = tape.span(OP, || work(row_weight, d, vocab, tape.grad()));
    let (params, pool, x) = (tape.params(), tape.pool(), tape.read(OP, hidden)?);
    let table = params.slice(weight);
    let mut nll = vec![0.0; rows];
    let mut gradients = match tape.grad() {
        true => Some((pool.take(rows * d)?, pool.take_zeroed(vocab * d)?)),
        false => None,
    };
    let targets_of = gradients.as_mut().map(|(a, b)| (&mut **a, &mut **b));
    let (total, z_term) =
        kernel(rows, d, vocab, &x, table, targets, row_weight, z_loss, targets_of, &mut nll);
    let mut out = pool.take(1)?;
    out[0] = total as f32;
    let loss = match gradients {
        None => tape.node(Vec::new(), out, None),
        Some((dhidden, dweight)) => tape.node(
            Vec::new(),
            out,
            Some(Box::new(move |ctx, dy| {
                ctx.add_to_parameter(weight, dy[0], &dweight);
                drop(dweight);
                ctx.add_scaled(hidden, dy[0], dhidden)
            })),
        ),
    };
    Ok(CrossEntropy { loss, nll, weighted_nll: total - z_term, z_term })
}

/// [`cross_entropy`] as the whole loss, and its backward pass: adds the gradients of all parameters to `grads`. That of the
/// output layer goes there straight from the logits, and the walk continues from the hidden states. The gradients have the
/// same bits as those of the two steps, when `grads` was zero.
///
/// # Errors
/// As [`cross_entropy`] and [`Tape::backward`].
pub fn cross_entropy_backward(
    mut tape: Tape<'_>,
    hidden: Var,
    weight: Handle,
    targets: &[u32],
    row_weight: &[f32],
    z_loss: f32,
    grads: &mut Grads,
) -> Result<CrossEntropyValue> {
    tape.check_backward(grads)?;
    let (rows, d, vocab) = check(&tape, hidden, weight, targets, row_weight)?;
    let span = tape.span(OP, || work(row_weight, d, vocab, true));
    let (params, x) = (tape.params(), tape.read(OP, hidden)?);
    let (mut nll, mut dhidden) = (vec![0.0; rows], tape.pool().take(rows * d)?);
    let gradients = Some((&mut *dhidden, grads.slice_mut(weight)));
    let table = params.slice(weight);
    let (total, z_term) = kernel(rows, d, vocab, &x, table, targets, row_weight, z_loss, gradients, &mut nll);
    drop((x, span));
    tape.free(hidden);
    tape.backward_from(hidden, dhidden, grads)?;
    Ok(CrossEntropyValue { nll, weighted_nll: total - z_term, z_term })
}

/// `(rows, width, vocabulary)` of arguments that fit together.
fn check(
    tape: &Tape<'_>,
    hidden: Var,
    weight: Handle,
    targets: &[u32],
    row_weight: &[f32],
) -> Result<(usize, usize, usize)> {
    let (rows, d) = rows_of(OP, tape, hidden)?;
    let (vocab, width) = matrix_of(OP, tape, weight)?;
    if width != d || targets.len() != rows || row_weight.len() != rows {
        return misfit(
            OP,
            format!(
                "hidden {:?}, output layer [{vocab}, {width}], {} targets, {} weights",
                tape.shape(hidden),
                targets.len(),
                row_weight.len()
            ),
        );
    }
    for (target, _) in targets.iter().zip(row_weight).filter(|(_, w)| **w != 0.0) {
        check_indices(OP, "target", std::slice::from_ref(target), vocab)?;
    }
    if let Some(bad) = row_weight.iter().find(|w| !w.is_finite()) {
        return Err(Error::Shape { op: OP, problem: format!("a row has weight {bad}") });
    }
    Ok((rows, d, vocab))
}

/// One product for the logits of every row that counts, and with gradients two more; the backward pass scales and adds.
fn work(row_weight: &[f32], d: usize, vocab: usize, grad: bool) -> Work {
    let rows = row_weight.iter().filter(|w| **w != 0.0).count();
    let (products, floats) = if grad { (3, 2 * rows + 3 * vocab) } else { (1, rows + vocab) };
    Work::on(&[rows, d, vocab])
        .forward(products * 2 * rows * d * vocab, floats * d)
        .backward(2 * vocab * d, 3 * vocab * d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};
    use crate::ops::{Activation, embedding, linear, scale};

    #[test]
    fn gradients_match_the_formula() {
        let (rows, d, vocab) = (5, 4, 7);
        let mut bench = Bench::new(&[("head", &[vocab, d])]);
        let x = bench.leaf("hidden", &[rows, d]);
        let head = bench.handle("head");
        let targets = [3u32, 6, u32::MAX, 0, 3];
        let weights = [0.5f32, 0.25, 0.0, 1.0, 0.125];
        let z = 0.1f32;
        bench.check(
            &[x],
            |tape, v| {
                let result = cross_entropy(tape, v[0], head, &targets, &weights, z)?;
                scale(tape, result.loss, 0.5)
            },
            |p, v| {
                let row = |i: usize| {
                    let (nll, lse) = naive::nll(&v[0][i * d..][..d], &p["head"], targets[i]);
                    f64::from(weights[i]) * (nll + f64::from(z) * lse * lse)
                };
                vec![0.5 * [0, 1, 3, 4].map(row).iter().sum::<f64>()]
            },
        );
    }

    #[test]
    fn the_whole_loss_has_the_same_bits_with_and_without_a_node() {
        // The output layer is the embedding as well: both of its gradients go to one segment, this one first.
        let bench = Bench::new(&[("head", &[7, 4]), ("w", &[4, 4])]);
        let (head, w) = (bench.handle("head"), bench.handle("w"));
        let (ids, targets) = ([3u32, 6, 1, 0, 3], [6u32, 1, u32::MAX, 3, 2]);
        let weights = [0.5f32, 0.25, 0.0, 1.0, 0.125];
        let start = |tape: &mut Tape<'_>| {
            let x = embedding(tape, &ids, head, None).unwrap();
            linear(tape, x, w, None, Activation::Silu).unwrap()
        };
        let (mut grads, mut other) = (bench.grads(), bench.grads());
        let mut tape = bench.tape();
        let hidden = start(&mut tape);
        let by_node = cross_entropy(&mut tape, hidden, head, &targets, &weights, 0.1).unwrap();
        tape.backward(by_node.loss, &mut grads).unwrap();
        let mut tape = bench.tape();
        let hidden = start(&mut tape);
        let value = cross_entropy_backward(tape, hidden, head, &targets, &weights, 0.1, &mut other).unwrap();
        assert!(grads.slice(head).iter().chain(grads.slice(w)).all(|&g| g != 0.0));
        assert_eq!(other.data, grads.data);
        assert_eq!(value.nll, by_node.nll);
        assert_eq!((value.weighted_nll, value.z_term), (by_node.weighted_nll, by_node.z_term));

        let mut tape = bench.tape();
        let hidden = start(&mut tape);
        let error = cross_entropy_backward(tape, hidden, head, &targets, &weights[1..], 0.1, &mut other);
        assert!(error.unwrap_err().to_string().contains("5 targets, 4 weights"));
        other.data = regimen_kernels::Floats::zeros(other.data.len() - 1);
        let mut tape = bench.tape();
        let hidden = start(&mut tape);
        let error = cross_entropy_backward(tape, hidden, head, &targets, &weights, 0.1, &mut other);
        assert!(matches!(error, Err(Error::LayoutMismatch { .. })));
    }

    #[test]
    fn parts_add_up_and_misfits_are_named() {
        let bench = Bench::new(&[("head", &[3, 2])]);
        let head = bench.handle("head");
        let mut tape = bench.tape();
        let x = tape.input(&[2, 2], vec![0.1, -0.4, 0.3, 0.2]).unwrap();
        let result = cross_entropy(&mut tape, x, head, &[2, 9], &[2.0, 0.0], 0.01).unwrap();
        assert!((result.weighted_nll - 2.0 * f64::from(result.nll[0])).abs() < 1e-6);
        assert_eq!(result.nll[1], 0.0);
        let total = f64::from(tape.scalar(result.loss));
        assert!((total - result.weighted_nll - result.z_term).abs() < 1e-6 && result.z_term > 0.0);
        let error = cross_entropy(&mut tape, x, head, &[2, 9], &[1.0, 1.0], 0.0).unwrap_err().to_string();
        assert_eq!(error, "cross_entropy: target 9 is not below 3");
        assert!(cross_entropy(&mut tape, x, head, &[2], &[1.0], 0.0).is_err());
        assert!(cross_entropy(&mut tape, x, head, &[2, 1], &[1.0, f32::NAN], 0.0).is_err());
    }
}
