//! Log-probabilities of tokens from hidden states, without the matrix of logits.
//!
//! `logp_i = logit_i[target_i] - lse_i` with `logit = hidden weight^T / temperature`. Saves the hidden states and
//! the log-sum-exp of each row; logits are computed again in the backward pass.

use regimen_kernels::{logprob_backward, logprob_forward};

use super::{check_indices, matrix_of, misfit, rows_of};
use crate::error::Result;
use crate::layout::Handle;
use crate::tape::{Tape, Var};

const OP: &str = "token_logprob";

/// The result of [`token_logprob`].
#[derive(Debug)]
pub struct TokenLogprob {
    /// `ln p(target)` of each row, `[rows]`.
    pub logp: Var,
    /// Entropy of each row's distribution in nats, if asked for; no gradient flows through it.
    pub entropy: Option<Vec<f32>>,
}

/// Log-probabilities of `targets` under hidden `[.., d]` and the output layer `weight` `[vocab, d]`.
///
/// # Errors
/// Shapes that do not fit, a target past the vocabulary, a temperature that is not positive.
pub fn token_logprob(
    tape: &mut Tape<'_>,
    hidden: Var,
    weight: Handle,
    targets: &[u32],
    temperature: f32,
    entropy: bool,
) -> Result<TokenLogprob> {
    let (rows, d) = rows_of(OP, tape, hidden)?;
    let (vocab, width) = matrix_of(OP, tape, weight)?;
    if width != d || targets.len() != rows {
        let shape = tape.shape(hidden);
        return misfit(
            OP,
            format!("hidden {shape:?}, output layer [{vocab}, {width}], {} targets", targets.len()),
        );
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        return misfit(OP, format!("temperature {temperature} is not a positive number"));
    }
    check_indices(OP, "target", targets, vocab)?;
    let (params, pool, x) = (tape.params(), tape.pool(), tape.read(OP, hidden)?);
    let table = params.slice(weight);
    let (mut logp, mut lse) = (pool.take(rows), pool.take(rows));
    let mut entropy = entropy.then(|| vec![0.0; rows]);
    logprob_forward(
        rows,
        d,
        vocab,
        &x,
        table,
        targets,
        temperature,
        &mut logp,
        &mut lse,
        entropy.as_deref_mut(),
    );
    if !tape.grad() {
        return Ok(TokenLogprob { logp: tape.node(vec![rows], logp, None), entropy });
    }
    let targets = targets.to_vec();
    let logp = tape.node(
        vec![rows],
        logp,
        Some(Box::new(move |ctx, dy| {
            // Constant hidden states still need somewhere to put their gradient.
            let mut dx = ctx.take_to_add(hidden);
            let dw = ctx.grads.slice_mut(weight);
            logprob_backward(rows, d, vocab, &x, table, &targets, temperature, &lse, &dy, &mut dx, dw);
            ctx.put(hidden, dx);
        })),
    );
    Ok(TokenLogprob { logp, entropy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};

    #[test]
    fn gradients_match_the_formula() {
        let (rows, d, vocab) = (4, 3, 9);
        let mut bench = Bench::new(&[("head", &[vocab, d])]);
        let x = bench.leaf("hidden", &[rows, d]);
        let head = bench.handle("head");
        let targets = [3u32, 8, 0, 3];
        bench.check(
            &[x],
            |tape, v| Ok(token_logprob(tape, v[0], head, &targets, 0.7, false)?.logp),
            |p, v| {
                let scaled: Vec<f64> = v[0].iter().map(|h| h / f64::from(0.7f32)).collect();
                (0..rows).map(|i| -naive::nll(&scaled[i * d..][..d], &p["head"], targets[i]).0).collect()
            },
        );
    }

    #[test]
    fn entropy_of_a_flat_distribution_and_misfits() {
        let bench = Bench::new(&[("head", &[6, 2])]);
        let head = bench.handle("head");
        let mut tape = bench.tape();
        let x = tape.input(&[1, 2], vec![0.0; 2]).unwrap();
        let result = token_logprob(&mut tape, x, head, &[1], 1.0, true).unwrap();
        assert!((result.entropy.unwrap()[0] - 6f32.ln()).abs() < 1e-6);
        assert!((tape.scalar(result.logp) + 6f32.ln()).abs() < 1e-6);
        assert!(token_logprob(&mut tape, x, head, &[6], 1.0, false).is_err());
        assert!(token_logprob(&mut tape, x, head, &[1], 0.0, false).is_err());
        assert!(token_logprob(&mut tape, x, head, &[1, 2], 1.0, false).is_err());
    }
}
