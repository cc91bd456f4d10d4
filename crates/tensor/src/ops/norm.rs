//! RMS norm and layer norm, alone or after a residual sum.
//!
//! With a residual the sum `s = x + residual` is a variable of its own, for the next residual. Its gradient is handed
//! to both summands without a copy. Saves s and the statistics of each row.

use regimen_kernels::{NormKind, norm_backward, norm_forward};

use super::{check_vector, rows_of, same_shape};
use crate::error::Result;
use crate::layout::Handle;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "norm";

/// `norm(x) * gain (+ bias)` over the last dimension: x `[.., d]`, gain and bias `[d]`.
///
/// # Errors
/// Shapes that do not fit.
pub fn norm(
    tape: &mut Tape<'_>,
    kind: NormKind,
    x: Var,
    gain: Handle,
    bias: Option<Handle>,
    eps: f32,
) -> Result<Var> {
    run(tape, kind, x, None, gain, bias, eps).map(|(normed, _)| normed)
}

/// `s = x + residual` and `norm(s) * gain (+ bias)`; returns (normed, s).
///
/// # Errors
/// Shapes that do not fit.
pub fn add_norm(
    tape: &mut Tape<'_>,
    kind: NormKind,
    x: Var,
    residual: Var,
    gain: Handle,
    bias: Option<Handle>,
    eps: f32,
) -> Result<(Var, Var)> {
    run(tape, kind, x, Some(residual), gain, bias, eps)
}

fn run(
    tape: &mut Tape<'_>,
    kind: NormKind,
    x: Var,
    residual: Option<Var>,
    gain: Handle,
    bias: Option<Handle>,
    eps: f32,
) -> Result<(Var, Var)> {
    let (rows, d) = rows_of(OP, tape, x)?;
    for vector in [Some(gain), bias].into_iter().flatten() {
        check_vector(OP, tape, vector, d)?;
    }
    let (params, pool, shape) = (tape.params(), tape.pool(), tape.shape(x).to_vec());
    let scale = params.slice(gain);
    let shift = bias.map(|b| params.slice(b));
    let _span = tape.span(OP, || work(kind, rows, d, residual.is_some(), bias.is_some()));
    let input = tape.read(OP, x)?;
    let (mut y, mut stats) = (pool.take(rows * d)?, pool.take(rows * 2)?);
    let s = match residual {
        None => {
            norm_forward(kind, rows, d, &input, None, scale, shift, eps, None, &mut y, &mut stats);
            x
        }
        Some(r) => {
            same_shape(OP, tape, x, r)?;
            let (other, mut sum) = (tape.read(OP, r)?, pool.take(rows * d)?);
            norm_forward(
                kind,
                rows,
                d,
                &input,
                Some(&other),
                scale,
                shift,
                eps,
                Some(&mut sum),
                &mut y,
                &mut stats,
            );
            super::add::sum_node(tape, shape.clone(), sum, x, r)
        }
    };
    drop(input);
    if !tape.grad() {
        return Ok((tape.node(shape, y, None), s));
    }
    let kept = tape.read(OP, s)?;
    let normed = tape.node(
        shape,
        y,
        Some(Box::new(move |ctx, dy| {
            let mut ds = ctx.take_to_add(s)?;
            match bias {
                Some(b) => {
                    let (dgain, dbias) = ctx.grads.pair_mut(gain, b);
                    norm_backward(kind, rows, d, &kept, scale, &stats, &dy, &mut ds, dgain, Some(dbias));
                }
                None => {
                    let dgain = ctx.grads.slice_mut(gain);
                    norm_backward(kind, rows, d, &kept, scale, &stats, &dy, &mut ds, dgain, None);
                }
            }
            ctx.put(s, ds);
            Ok(())
        })),
    );
    Ok((normed, s))
}

/// Per element: the statistics, their gradient, and what is done with them.
fn work(kind: NormKind, rows: usize, d: usize, residual: bool, bias: bool) -> Work {
    let (n, residual, bias) = (rows * d, usize::from(residual), usize::from(bias));
    let (ahead, back) = match kind {
        NormKind::Rms => (4, 10),
        NormKind::Layer => (6, 12),
    };
    let vectors = (1 + bias) * d;
    Work::on(&[rows, d])
        .forward((ahead + residual + bias) * n, (2 + 2 * residual) * n + vectors + 2 * rows)
        .backward((back + bias) * n, 4 * n + 2 * rows + d + 2 * vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};
    use crate::ops::{add, mul};

    #[test]
    fn gradients_match_the_formula() {
        for (kind, rows, d) in [(NormKind::Rms, 3, 5), (NormKind::Layer, 4, 19), (NormKind::Layer, 1, 2)] {
            let mut bench = Bench::new(&[("g", &[d]), ("b", &[d])]);
            let x = bench.leaf("x", &[rows, d]);
            let (g, b) = (bench.handle("g"), bench.handle("b"));
            bench.check(
                &[x],
                |tape, v| norm(tape, kind, v[0], g, Some(b), 1e-3),
                |p, v| naive::norm(v[0], &p["g"], &p["b"], d, kind, 1e-3),
            );
        }
    }

    #[test]
    fn with_a_residual_both_results_carry_gradients() {
        let d = 6;
        let mut bench = Bench::new(&[("g", &[d]), ("b", &[d])]);
        let (x, r) = (bench.leaf("x", &[2, d]), bench.leaf("r", &[2, d]));
        let g = bench.handle("g");
        bench.check(
            &[x, r],
            |tape, v| {
                let (normed, sum) = add_norm(tape, NormKind::Rms, v[0], v[1], g, None, 1e-5)?;
                let product = mul(tape, normed, v[1])?;
                add(tape, product, sum)
            },
            |p, v| {
                let sum: Vec<f64> = v[0].iter().zip(v[1]).map(|(a, b)| a + b).collect();
                let zeros = vec![0.0; d];
                let normed = naive::norm(&sum, &p["g"], &zeros, d, NormKind::Rms, 1e-5);
                normed.iter().zip(v[1]).zip(&sum).map(|((n, r), s)| n * r + s).collect()
            },
        );
    }
}
