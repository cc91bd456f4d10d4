//! Linear layer with activation: `y = act(x w^T + b)`, x `[.., in]`, w `[out, in]`, b `[out]`.
//!
//! Saves x and, with an activation, the pre-activation.

use std::rc::Rc;

use regimen_kernels::{
    Activation, activation_backward, linear_backward_input, linear_backward_weight, linear_forward,
};

use super::{check_vector, matrix_of, misfit, rows_of, with_last};
use crate::error::Result;
use crate::layout::Handle;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "linear";

/// `act(x w^T + bias)`: x `[.., in]`, w `[out, in]`, bias `[out]`, result `[.., out]`.
///
/// # Errors
/// Shapes that do not fit.
pub fn linear(tape: &mut Tape<'_>, x: Var, w: Handle, bias: Option<Handle>, act: Activation) -> Result<Var> {
    let (rows, n_in) = rows_of(OP, tape, x)?;
    let (n_out, expected) = matrix_of(OP, tape, w)?;
    if n_in != expected {
        let name = &tape.params().layout.segment(w).name;
        return misfit(OP, format!("input {:?} does not fit {name} [{n_out}, {expected}]", tape.shape(x)));
    }
    if let Some(b) = bias {
        check_vector(OP, tape, b, n_out)?;
    }
    let _span = tape.span(OP, || work(tape, rows, x, w, bias.is_some(), act));
    let (params, pool, input) = (tape.params(), tape.pool(), tape.read(OP, x)?);
    let weight = params.slice(w);
    let mut y = pool.take(rows * n_out)?;
    let mut pre = (tape.grad() && act != Activation::None).then(|| pool.take(rows * n_out)).transpose()?;
    linear_forward(
        rows,
        n_in,
        n_out,
        &input,
        weight,
        bias.map(|b| params.slice(b)),
        act,
        &mut y,
        pre.as_deref_mut(),
    );
    let shape = with_last(tape, x, n_out);
    if !tape.grad() {
        return Ok(tape.node(shape, y, None));
    }
    Ok(tape.node(
        shape,
        y,
        Some(Box::new(move |ctx, mut dy| {
            if let Some(pre) = pre {
                let mut own = ctx.own(dy)?;
                activation_backward(act, &pre, &mut own);
                dy = Rc::new(own);
            }
            match bias {
                Some(b) => {
                    let (dw, db) = ctx.grads.pair_mut(w, b);
                    linear_backward_weight(rows, n_in, n_out, &dy, &input, dw, Some(db));
                }
                None => linear_backward_weight(rows, n_in, n_out, &dy, &input, ctx.grads.slice_mut(w), None),
            }
            drop(input);
            if ctx.needs(x) {
                let (mut dx, accumulate) = ctx.take(x)?;
                linear_backward_input(rows, n_in, n_out, &dy, weight, &mut dx, accumulate);
                ctx.put(x, dx);
            }
            Ok(())
        })),
    ))
}

/// Products and the bias; the activation is not counted.
fn work(tape: &Tape<'_>, rows: usize, x: Var, w: Handle, bias: bool, act: Activation) -> Work {
    let segment = tape.params().layout.segment(w);
    let (n_out, n_in) = (segment.shape[0], segment.shape[1]);
    let (product, sums) = (2 * rows * n_in * n_out, if bias { rows * n_out } else { 0 });
    let (input, weight, output) = (rows * n_in, n_in * n_out, rows * n_out);
    let saved = if tape.grad() && act != Activation::None { output } else { 0 };
    let (products, dx) = if tape.needs(&[x]) { (2 * product, input + weight) } else { (product, 0) };
    Work::on(&[rows, n_in, n_out])
        .role(&segment.name)
        .forward(product + sums, input + weight + output + saved)
        .backward(products + sums, output + saved + input + dx + 2 * weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};

    #[test]
    fn gradients_match_the_formula() {
        for (rows, n_in, n_out, act) in
            [(5, 7, 3, Activation::None), (4, 3, 17, Activation::GeluTanh), (1, 1, 1, Activation::Relu)]
        {
            let mut bench = Bench::new(&[("w", &[n_out, n_in]), ("b", &[n_out])]);
            let x = bench.leaf("x", &[rows, n_in]);
            let (w, b) = (bench.handle("w"), bench.handle("b"));
            bench.check(
                &[x],
                |tape, v| linear(tape, v[0], w, Some(b), act),
                |p, v| naive::linear(v[0], &p["w"], &p["b"], n_in, n_out, act),
            );
        }
    }

    #[test]
    fn misfits_are_named() {
        let bench = Bench::new(&[("w", &[2, 3]), ("b", &[3])]);
        let (w, b) = (bench.handle("w"), bench.handle("b"));
        let mut tape = bench.tape();
        let x = tape.input(&[2, 4], vec![0.0; 8]).unwrap();
        let error = linear(&mut tape, x, w, None, Activation::None).unwrap_err().to_string();
        assert_eq!(error, "linear: input [2, 4] does not fit w [2, 3]");
        let x = tape.input(&[2, 3], vec![0.0; 6]).unwrap();
        let error = linear(&mut tape, x, w, Some(b), Activation::None).unwrap_err().to_string();
        assert_eq!(error, "linear: b has shape [3], [2] is needed");
        assert!(linear(&mut tape, x, b, None, Activation::None).is_err());
        tape.free(x);
        let error = linear(&mut tape, x, w, None, Activation::None).unwrap_err().to_string();
        assert_eq!(error, "linear: the value of an input [2, 3] has already been freed");
    }
}
