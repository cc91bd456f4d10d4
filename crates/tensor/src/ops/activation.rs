//! An activation function by itself (a linear layer has it built in). Saves its input.

use regimen_kernels::{Activation, activation_backward, activation_forward};

use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "activation";

/// `act(x)`, any shape.
///
/// # Errors
/// A freed input.
pub fn activation(tape: &mut Tape<'_>, x: Var, act: Activation) -> Result<Var> {
    let input = tape.read(OP, x)?;
    let n = input.len();
    let _span = tape.span(OP, || Work::on(tape.shape(x)).forward(0, 2 * n).backward(0, 3 * n));
    let mut out = tape.pool().take(n)?;
    activation_forward(act, &input, &mut out);
    let shape = tape.shape(x).to_vec();
    if !tape.needs(&[x]) {
        return Ok(tape.node(shape, out, None));
    }
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            let mut own = ctx.own(dy)?;
            activation_backward(act, &input, &mut own);
            ctx.add_scaled(x, 1.0, own)
        })),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};

    #[test]
    fn gradients_match_the_formula() {
        for act in
            [Activation::None, Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Relu]
        {
            let mut bench = Bench::new(&[]);
            let a = bench.leaf("a", &[5, 7]);
            bench.check(
                &[a],
                |tape, v| activation(tape, v[0], act),
                |_, v| v[0].iter().map(|&x| naive::activation(act, x)).collect(),
            );
        }
    }
}
