//! Distillation: how far a student's next-token distribution is from a teacher's.
//!
//! [`distill`] takes the teacher's hidden states and output layer, [`distill_top`] what a teacher stored: some tokens of
//! each row with their probabilities. Hinton et al. 2015 divide the logits of both by a temperature (theirs 1 to 20; 1 is
//! common for language models) and multiply the loss by its square, so that gradients keep their size; that factor is left
//! to the caller. The logits of neither model exist as a whole: a block of them is computed, used, and computed again in
//! the backward pass. Saves the student's hidden states and two numbers for each row.

use std::borrow::Cow;

use regimen_kernels::{
    Divergence, LmHead, LogprobGrad, LogprobOut, distill_backward, distill_forward, logprob_backward,
    logprob_forward,
};

use super::misfit;
use super::token_logprob::{check_head, check_targets, counted, work};
use crate::error::Result;
use crate::layout::Handle;
use crate::tape::{Tape, Var};

const OP: &str = "distill";

/// A teacher's last hidden states and its output layer. The width is its own, the vocabulary the student's.
#[derive(Clone, Debug)]
pub struct Teacher<'a> {
    /// Width of the teacher.
    pub width: usize,
    /// `[rows, width]`.
    pub hidden: Cow<'a, [f32]>,
    /// `[vocab, width]`.
    pub weight: &'a [f32],
}

/// The most probable tokens of a teacher. What it gave to all other tokens is left out: scale the probabilities to a sum
/// of 1 to spread it over those listed.
#[derive(Clone, Copy, Debug)]
pub struct TeacherTop<'t> {
    /// `[rows, k]`, each token at most once in a row.
    pub ids: &'t [u32],
    /// `[rows, k]`.
    pub probs: &'t [f32],
}

/// The divergence `[rows]` in nats of the student's distribution (hidden `[.., d]`, output layer `weight` `[vocab, d]`) from
/// the teacher's, both at `temperature`; `KL(teacher || student)` for [`Divergence::Forward`]. Rows of `false` in `keep`
/// are 0 and cost nothing.
///
/// # Errors
/// Shapes that do not fit, a temperature that is not positive.
pub fn distill<'a>(
    tape: &mut Tape<'a>,
    hidden: Var,
    weight: Handle,
    teacher: Teacher<'a>,
    divergence: Divergence,
    temperature: f32,
    keep: Option<&[bool]>,
) -> Result<Var> {
    let (rows, d, vocab) = check_head(OP, tape, hidden, weight, temperature, keep)?;
    let width = teacher.width;
    if width == 0 || teacher.hidden.len() != rows * width || teacher.weight.len() != vocab * width {
        return misfit(
            OP,
            format!(
                "a teacher of width {width} with {} and {} floats for {rows} rows and a vocabulary of {vocab}",
                teacher.hidden.len(),
                teacher.weight.len()
            ),
        );
    }
    let _span = tape.span(OP, || {
        // The teacher's logits as well, in both passes.
        let rows = counted(rows, keep);
        work(rows, d, vocab).and(2 * rows * width * vocab, (rows + vocab) * width)
    });
    let (params, pool, x) = (tape.params(), tape.pool(), tape.read(OP, hidden)?);
    let table = params.slice(weight);
    let keep = keep.map(<[bool]>::to_vec);
    let heads = move |x: &[f32], f: &mut dyn FnMut(&LmHead<'_>, &LmHead<'_>)| {
        let ours = LmHead { d, vocab, hidden: x, weight: table, temperature, keep: keep.as_deref() };
        f(&ours, &LmHead { d: width, hidden: &teacher.hidden, weight: teacher.weight, keep: None, ..ours });
    };
    let (mut kl, mut lse) = (pool.take(rows)?, pool.take(2 * rows)?);
    heads(&x, &mut |ours, theirs| distill_forward(ours, theirs, divergence, &mut kl, &mut lse));
    if !tape.grad() {
        return Ok(tape.node(vec![rows], kl, None));
    }
    let mut saved = pool.take(rows)?;
    saved.copy_from_slice(&kl);
    Ok(tape.node(
        vec![rows],
        kl,
        Some(Box::new(move |ctx, dy| {
            let mut dx = ctx.take_to_add(hidden)?;
            let dw = ctx.grads.slice_mut(weight);
            heads(&x, &mut |ours, theirs| {
                distill_backward(ours, theirs, divergence, &saved, &lse, &dy, &mut dx, dw);
            });
            ctx.put(hidden, dx);
            Ok(())
        })),
    ))
}

/// `sum of q (ln q - ln p)` `[rows]` in nats over the tokens that a teacher listed with probabilities `q`; `p` is the
/// student's distribution at `temperature`. Rows of `false` in `keep` are 0 and cost nothing, whatever is listed.
///
/// # Errors
/// Shapes that do not fit, a token past the vocabulary or a probability that is not one in a row that counts, a temperature
/// that is not positive.
pub fn distill_top(
    tape: &mut Tape<'_>,
    hidden: Var,
    weight: Handle,
    teacher: TeacherTop<'_>,
    temperature: f32,
    keep: Option<&[bool]>,
) -> Result<Var> {
    let (rows, d, vocab) = check_head(OP, tape, hidden, weight, temperature, keep)?;
    let k = check_targets(OP, teacher.ids, rows, vocab, keep)?;
    if teacher.probs.len() != rows * k {
        return misfit(OP, format!("{} probabilities for {} tokens", teacher.probs.len(), rows * k));
    }
    let counts = |r: usize| keep.is_none_or(|keep| keep[r]);
    let listed = teacher.probs.chunks(k.max(1)).enumerate().filter(|(r, _)| counts(*r));
    if let Some(bad) = listed.flat_map(|(_, q)| q).find(|q| !(0.0..=1.0).contains(*q)) {
        return misfit(OP, format!("{bad} is not a probability"));
    }
    let _span = tape.span(OP, || work(counted(rows, keep), d, vocab));
    let (params, pool, x) = (tape.params(), tape.pool(), tape.read(OP, hidden)?);
    let table = params.slice(weight);
    let (mut logp, mut lse) = (pool.take(rows * k)?, pool.take(rows)?);
    let out = LogprobOut { logp: &mut logp, lse: &mut lse, ..LogprobOut::default() };
    logprob_forward(&LmHead { d, vocab, hidden: &x, weight: table, temperature, keep }, teacher.ids, out);
    let mut loss = pool.take_zeroed(rows)?;
    for r in (0..rows).filter(|&r| counts(r)) {
        let pairs = teacher.probs[r * k..(r + 1) * k].iter().zip(&logp[r * k..]).filter(|(q, _)| **q > 0.0);
        loss[r] = pairs.map(|(&q, &p)| f64::from(q) * (f64::from(q).ln() - f64::from(p))).sum::<f64>() as f32;
    }
    if !tape.grad() {
        return Ok(tape.node(vec![rows], loss, None));
    }
    let (ids, probs, keep) = (teacher.ids.to_vec(), teacher.probs.to_vec(), keep.map(<[bool]>::to_vec));
    Ok(tape.node(
        vec![rows],
        loss,
        Some(Box::new(move |ctx, dy| {
            let mut dx = ctx.take_to_add(hidden)?;
            let dw = ctx.grads.slice_mut(weight);
            let head = LmHead { d, vocab, hidden: &x, weight: table, temperature, keep: keep.as_deref() };
            let mut dlogp = probs;
            for (row, &g) in dlogp.chunks_exact_mut(k.max(1)).zip(dy.iter()) {
                row.iter_mut().for_each(|q| *q *= -g);
            }
            let up = LogprobGrad { logp: &dlogp, entropy: None };
            logprob_backward(&head, &ids, &lse, up, &mut dx, dw);
            ctx.put(hidden, dx);
            Ok(())
        })),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    const ROWS: usize = 4;
    const D: usize = 3;
    const VOCAB: usize = 9;
    const T: f32 = 1.7;
    const KEEP: [bool; ROWS] = [true, false, true, true];

    /// Log-probabilities of each row.
    fn log_softmax(hidden: &[f64], weight: &[f64], d: usize) -> Vec<Vec<f64>> {
        let row = |h: &[f64]| {
            let logit = |w: &[f64]| w.iter().zip(h).map(|(a, b)| a * b).sum::<f64>() / f64::from(T);
            let z: Vec<f64> = weight.chunks(d).map(logit).collect();
            let lse = z.iter().map(|v| v.exp()).sum::<f64>().ln();
            z.iter().map(|v| v - lse).collect()
        };
        hidden.chunks(d).map(row).collect()
    }

    fn some(n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 % 23) as f32 - 11.0) * scale).collect()
    }

    #[test]
    fn gradients_of_divergences_match_the_formula() {
        let mut bench = Bench::new(&[("head", &[VOCAB, D])]);
        let x = bench.leaf("hidden", &[ROWS, D]);
        let head = bench.handle("head");
        let (hidden, weight) = (some(ROWS * 2, 0.1), some(VOCAB * 2, 0.2));
        let wide = |x: &[f32]| x.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        let q = log_softmax(&wide(&hidden), &wide(&weight), 2);
        // The bench's tapes live as long as they like.
        let weight: &'static [f32] = weight.leak();
        for way in [Divergence::Forward, Divergence::Reverse] {
            bench.check(
                &[x],
                |tape, v| {
                    let teacher = Teacher { width: 2, hidden: hidden.clone().into(), weight };
                    distill(tape, v[0], head, teacher, way, T, Some(&KEEP))
                },
                |p, v| {
                    let p = log_softmax(v[0], &p["head"], D);
                    let term = |(&p, &q): (&f64, &f64)| match way {
                        Divergence::Forward => q.exp() * (q - p),
                        Divergence::Reverse => p.exp() * (p - q),
                    };
                    let row = |r: usize| p[r].iter().zip(&q[r]).map(term).sum::<f64>();
                    (0..ROWS).map(|r| if KEEP[r] { row(r) } else { 0.0 }).collect()
                },
            );
        }
    }

    #[test]
    fn gradients_of_a_list_match_the_formula() {
        let mut bench = Bench::new(&[("head", &[VOCAB, D])]);
        let x = bench.leaf("hidden", &[ROWS, D]);
        let head = bench.handle("head");
        let ids = [3u32, 8, 99, 99, 0, 1, 5, 2];
        let probs = [0.5f32, 0.25, 7.0, f32::NAN, 1.0, 0.0, 0.6, 0.4];
        let teacher = TeacherTop { ids: &ids, probs: &probs };
        bench.check(
            &[x],
            |tape, v| distill_top(tape, v[0], head, teacher, T, Some(&KEEP)),
            |p, v| {
                let p = log_softmax(v[0], &p["head"], D);
                let term = |r: usize, i: usize| {
                    let q = f64::from(probs[i]);
                    if q == 0.0 { 0.0 } else { q * (q.ln() - p[r][ids[i] as usize]) }
                };
                let row = |r: usize| term(r, 2 * r) + term(r, 2 * r + 1);
                (0..ROWS).map(|r| if KEEP[r] { row(r) } else { 0.0 }).collect()
            },
        );
    }

    #[test]
    fn misfits_are_named() {
        let bench = Bench::new(&[("head", &[3, 2])]);
        let head = bench.handle("head");
        let mut tape = bench.tape();
        let x = tape.input(&[1, 2], vec![0.0; 2]).unwrap();
        let teacher = Teacher { width: 2, hidden: vec![0.0; 4].into(), weight: &[0.0; 6] };
        let error =
            distill(&mut tape, x, head, teacher, Divergence::Forward, 1.0, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "distill: a teacher of width 2 with 4 and 6 floats for 1 rows and a vocabulary of 3"
        );
        let mut says = |ids: &[u32], probs: &[f32], t: f32| {
            distill_top(&mut tape, x, head, TeacherTop { ids, probs }, t, None).unwrap_err().to_string()
        };
        assert_eq!(says(&[1, 3], &[0.5; 2], 1.0), "distill: target 3 is not below 3");
        assert_eq!(says(&[1, 2], &[0.5; 1], 1.0), "distill: 1 probabilities for 2 tokens");
        assert_eq!(says(&[1], &[1.5], 1.0), "distill: 1.5 is not a probability");
        assert_eq!(says(&[1], &[0.5], -1.0), "distill: temperature -1 is not a positive number");
    }
}
