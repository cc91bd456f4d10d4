//! Log-probabilities of tokens from hidden states, without the matrix of logits.
//!
//! `logp_it = logit_it - lse_i` with `logit = hidden weight^T / temperature`, and the entropy
//! `H_i = -sum_j p_ij ln p_ij`. Both have gradients, which go straight to the hidden states and the output layer. Saves the
//! hidden states, the log-sum-exp and the entropy of each row; logits are computed again in the backward pass.

use regimen_kernels::{LmHead, LogprobGrad, LogprobOut, TopOut, add_into, logprob_backward, logprob_forward};

use super::{check_indices, matrix_of, misfit, rows_of};
use crate::error::Result;
use crate::layout::Handle;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "token_logprob";

/// What [`token_logprob`] is asked for besides the log-probabilities.
#[derive(Clone, Copy, Debug)]
pub struct LogprobOptions<'o> {
    /// What logits are divided by; 1 by default.
    pub temperature: f32,
    /// `[rows]`: rows of `false` are skipped, whatever they hold, and cost nothing. All rows count by default.
    pub keep: Option<&'o [bool]>,
    /// Whether to compute entropies; not by default.
    pub entropy: bool,
    /// How many of the most probable tokens to return; none by default.
    pub top: usize,
}

impl Default for LogprobOptions<'_> {
    fn default() -> Self {
        LogprobOptions { temperature: 1.0, keep: None, entropy: false, top: 0 }
    }
}

/// The result of [`token_logprob`]; all of it is 0 for a row that is skipped.
#[derive(Debug)]
pub struct TokenLogprob {
    /// `ln p` of the targets: `[rows]`, or `[rows, k]` for `k` targets a row other than one.
    pub logp: Var,
    /// Entropy of each row's distribution in nats, `[rows]`, if asked for.
    pub entropy: Option<Var>,
    /// The most probable tokens, if asked for.
    pub top: Option<TopTokens>,
}

/// The most probable tokens of each row, the most probable first (the argmax); of equally probable ones the lower number
/// comes first.
#[derive(Clone, Debug, PartialEq)]
pub struct TopTokens {
    /// How many there are for each row.
    pub k: usize,
    /// Their numbers, `[rows, k]`.
    pub ids: Vec<u32>,
    /// Their `ln p`, `[rows, k]`.
    pub logp: Vec<f32>,
}

/// Log-probabilities of `targets` (`k` for each row, row by row) under hidden `[.., d]` and the output layer `weight`
/// `[vocab, d]`.
///
/// # Errors
/// Shapes that do not fit, a target past the vocabulary in a row that counts, a temperature that is not positive, more
/// most probable tokens than the vocabulary has.
pub fn token_logprob(
    tape: &mut Tape<'_>,
    hidden: Var,
    weight: Handle,
    targets: &[u32],
    options: &LogprobOptions<'_>,
) -> Result<TokenLogprob> {
    let &LogprobOptions { temperature, keep, entropy, top: most } = options;
    let (rows, d, vocab) = check_head(OP, tape, hidden, weight, temperature, keep)?;
    let k = check_targets(OP, targets, rows, vocab, keep)?;
    if most > vocab {
        return misfit(OP, format!("{most} most probable tokens of {vocab}"));
    }
    let _span = tape.span(OP, || work(counted(rows, keep), d, vocab));
    let (params, pool, x) = (tape.params(), tape.pool(), tape.read(OP, hidden)?);
    let table = params.slice(weight);
    // Log-probabilities first, then entropies: one value, since they share their backward pass.
    let mut values = pool.take(rows * (k + usize::from(entropy)))?;
    let mut lse = pool.take(rows)?;
    let mut top =
        (most > 0).then(|| TopTokens { k: most, ids: vec![0; rows * most], logp: vec![0.0; rows * most] });
    let (logp, entropies) = values.split_at_mut(rows * k);
    let out = LogprobOut {
        logp,
        lse: &mut lse,
        entropy: entropy.then_some(entropies),
        top: top.as_mut().map(|top| TopOut { ids: &mut top.ids, logp: &mut top.logp }),
    };
    logprob_forward(&LmHead { d, vocab, hidden: &x, weight: table, temperature, keep }, targets, out);
    let shape = if k == 1 { vec![rows] } else { vec![rows, k] };
    if !tape.grad() {
        let entropy = match entropy {
            true => {
                let mut copy = pool.take(rows)?;
                copy.copy_from_slice(&values[rows * k..]);
                Some(tape.node(vec![rows], copy, None))
            }
            false => None,
        };
        let mut logp = pool.take(rows * k)?;
        logp.copy_from_slice(&values[..rows * k]);
        return Ok(TokenLogprob { logp: tape.node(shape, logp, None), entropy, top });
    }
    let mut saved = pool.take(values.len() - rows * k)?;
    saved.copy_from_slice(&values[rows * k..]);
    let (targets, keep) = (pool.copy_of(targets)?, keep.map(<[bool]>::to_vec));
    let whole = tape.node(
        vec![values.len()],
        values,
        Some(Box::new(move |ctx, dy| {
            // Constant hidden states still need somewhere to put their gradient.
            let mut dx = ctx.take_to_add(hidden)?;
            let dw = ctx.grads.slice_mut(weight);
            let head = LmHead { d, vocab, hidden: &x, weight: table, temperature, keep: keep.as_deref() };
            let (dlogp, dentropy) = dy.split_at(rows * k);
            let up = LogprobGrad { logp: dlogp, entropy: entropy.then_some((&saved, dentropy)) };
            logprob_backward(&head, &targets, &lse, up, &mut dx, dw);
            ctx.put(hidden, dx);
            Ok(())
        })),
    );
    let logp = part(tape, whole, 0, shape)?;
    let entropy = if entropy { Some(part(tape, whole, rows * k, vec![rows])?) } else { None };
    tape.free(whole);
    Ok(TokenLogprob { logp, entropy, top })
}

/// The elements of `whole` from `first` on, as a value of their own.
fn part(tape: &mut Tape<'_>, whole: Var, first: usize, shape: Vec<usize>) -> Result<Var> {
    let range = first..first + shape.iter().product::<usize>();
    let mut copy = tape.pool().take(range.len())?;
    copy.copy_from_slice(&tape.read(OP, whole)?[range.clone()]);
    let var = tape.node(
        shape,
        copy,
        Some(Box::new(move |ctx, dy| {
            let mut sum = ctx.take_to_add(whole)?;
            add_into(&dy, &mut sum[range]);
            ctx.put(whole, sum);
            Ok(())
        })),
    );
    // The products are those of the whole.
    tape.name(var, OP);
    Ok(var)
}

/// `(rows, width, vocabulary)` of hidden states and an output layer that fit together.
pub(super) fn check_head(
    op: &'static str,
    tape: &Tape<'_>,
    hidden: Var,
    weight: Handle,
    temperature: f32,
    keep: Option<&[bool]>,
) -> Result<(usize, usize, usize)> {
    let (rows, d) = rows_of(op, tape, hidden)?;
    let (vocab, width) = matrix_of(op, tape, weight)?;
    let marks = keep.map_or(rows, <[bool]>::len);
    if width != d || marks != rows || d == 0 || vocab == 0 {
        let shape = tape.shape(hidden);
        return misfit(
            op,
            format!("hidden {shape:?}, output layer [{vocab}, {width}], mask of {marks} rows"),
        );
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        return misfit(op, format!("temperature {temperature} is not a positive number"));
    }
    Ok((rows, d, vocab))
}

/// How many targets each row has, all of them inside the vocabulary where the row counts.
pub(super) fn check_targets(
    op: &'static str,
    targets: &[u32],
    rows: usize,
    vocab: usize,
    keep: Option<&[bool]>,
) -> Result<usize> {
    let k = targets.len() / rows.max(1);
    if targets.len() != rows * k {
        return misfit(op, format!("{} targets for {rows} rows", targets.len()));
    }
    for r in (0..rows).filter(|&r| keep.is_none_or(|keep| keep[r])) {
        check_indices(op, "target", &targets[r * k..(r + 1) * k], vocab)?;
    }
    Ok(k)
}

/// How many rows count.
pub(super) fn counted(rows: usize, keep: Option<&[bool]>) -> usize {
    keep.map_or(rows, |keep| keep.iter().filter(|keep| **keep).count())
}

/// One product for the logits; backward that one again and two more.
pub(super) fn work(rows: usize, d: usize, vocab: usize) -> Work {
    let (product, inputs) = (2 * rows * d * vocab, (rows + vocab) * d);
    Work::on(&[rows, d, vocab]).forward(product, inputs).backward(3 * product, 3 * inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};
    use crate::ops::{add, mul};

    #[test]
    fn gradients_match_the_formula() {
        let (rows, d, vocab, t) = (4, 3, 9, 0.7f32);
        let mut bench = Bench::new(&[("head", &[vocab, d])]);
        let x = bench.leaf("hidden", &[rows, d]);
        let head = bench.handle("head");
        let keep = [true, true, false, true];
        let scaled = |v: &[f64]| v.iter().map(|h| h / f64::from(t)).collect::<Vec<f64>>();
        for (targets, k) in [(vec![3u32, 8, 99, 3], 1), (vec![3, 0, 8, 8, 99, 99, 1, 2], 2)] {
            let options = LogprobOptions { temperature: t, keep: Some(&keep), ..LogprobOptions::default() };
            bench.check(
                &[x],
                |tape, v| Ok(token_logprob(tape, v[0], head, &targets, &options)?.logp),
                |p, v| {
                    let h = scaled(v[0]);
                    let one = |i: usize| {
                        let r = i / k;
                        let row = &h[r * d..][..d];
                        if keep[r] { -naive::nll(row, &p["head"], targets[i]).0 } else { 0.0 }
                    };
                    (0..rows * k).map(one).collect()
                },
            );
        }
    }

    #[test]
    fn entropies_have_gradients_alone_and_with_log_probabilities() {
        let (rows, d, vocab, t) = (4, 3, 9, 1.4f32);
        let mut bench = Bench::new(&[("head", &[vocab, d])]);
        let x = bench.leaf("hidden", &[rows, d]);
        let head = bench.handle("head");
        let targets = [3u32, 8, 0, 3];
        let options = LogprobOptions { temperature: t, entropy: true, ..LogprobOptions::default() };
        let log_softmax = |head: &[f64], row: &[f64]| -> Vec<f64> {
            let z: Vec<f64> = head
                .chunks(d)
                .map(|w| w.iter().zip(row).map(|(a, b)| a * b).sum::<f64>() / f64::from(t))
                .collect();
            let lse = z.iter().map(|v| v.exp()).sum::<f64>().ln();
            z.iter().map(|v| v - lse).collect()
        };
        let entropy = |logp: &[f64]| -logp.iter().map(|v| v.exp() * v).sum::<f64>();
        bench.check(
            &[x],
            |tape, v| Ok(token_logprob(tape, v[0], head, &targets, &options)?.entropy.unwrap()),
            |p, v| v[0].chunks(d).map(|row| entropy(&log_softmax(&p["head"], row))).collect(),
        );
        bench.check(
            &[x],
            |tape, v| {
                let found = token_logprob(tape, v[0], head, &targets, &options)?;
                let square = mul(tape, found.logp, found.logp)?;
                add(tape, square, found.entropy.unwrap())
            },
            |p, v| {
                let one = |(row, &target): (&[f64], &u32)| {
                    let logp = log_softmax(&p["head"], row);
                    logp[target as usize].powi(2) + entropy(&logp)
                };
                v[0].chunks(d).zip(&targets).map(one).collect()
            },
        );
    }

    #[test]
    fn flat_distributions_most_probable_tokens_and_misfits() {
        let bench = Bench::new(&[("head", &[6, 2])]);
        let head = bench.handle("head");
        let mut tape = bench.tape();
        let x = tape.input(&[1, 2], vec![0.0; 2]).unwrap();
        let all = LogprobOptions { entropy: true, top: 3, ..LogprobOptions::default() };
        let plain = LogprobOptions::default();
        let result = token_logprob(&mut tape, x, head, &[1], &all).unwrap();
        assert!((tape.scalar(result.entropy.unwrap()) - 6f32.ln()).abs() < 1e-6);
        assert!((tape.scalar(result.logp) + 6f32.ln()).abs() < 1e-6);
        let top = result.top.unwrap();
        assert_eq!((top.k, top.ids), (3, vec![0, 1, 2]));
        assert!(token_logprob(&mut tape, x, head, &[], &plain).is_ok());
        let mut says = |targets: &[u32], options: &LogprobOptions<'_>| {
            token_logprob(&mut tape, x, head, targets, options).unwrap_err().to_string()
        };
        assert_eq!(says(&[6], &plain), "token_logprob: target 6 is not below 6");
        let cold = LogprobOptions { temperature: 0.0, ..plain };
        assert_eq!(says(&[1], &cold), "token_logprob: temperature 0 is not a positive number");
        let many = LogprobOptions { top: 7, ..plain };
        assert_eq!(says(&[1], &many), "token_logprob: 7 most probable tokens of 6");
        let masked = LogprobOptions { keep: Some(&[true; 2]), ..plain };
        assert!(says(&[1], &masked).contains("mask of 2 rows"));
        let y = tape.input(&[2, 2], vec![0.0; 4]).unwrap();
        let error = token_logprob(&mut tape, y, head, &[1, 2, 3], &plain).unwrap_err().to_string();
        assert_eq!(error, "token_logprob: 3 targets for 2 rows");
    }
}
