//! The gate of a SwiGLU block: `silu(gate) * up`. Saves its input.

use regimen_kernels::{swiglu_backward, swiglu_forward};

use super::{misfit, rows_of, with_last};
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "swiglu";

/// `silu(gate) * up`: gate_up `[.., 2 * ff]` (gate first), result `[.., ff]`.
///
/// # Errors
/// An odd last dimension.
pub fn swiglu(tape: &mut Tape<'_>, gate_up: Var) -> Result<Var> {
    let (rows, both) = rows_of(OP, tape, gate_up)?;
    if both % 2 != 0 {
        return misfit(OP, format!("input {:?} does not halve into gate and up", tape.shape(gate_up)));
    }
    let ff = both / 2;
    let n = rows * ff;
    let _span = tape.span(OP, || Work::on(&[rows, ff]).forward(0, 3 * n).backward(0, 5 * n));
    let input = tape.read(OP, gate_up)?;
    let mut out = tape.pool().take(rows * ff)?;
    swiglu_forward(rows, ff, &input, &mut out);
    let shape = with_last(tape, gate_up, ff);
    if !tape.needs(&[gate_up]) {
        return Ok(tape.node(shape, out, None));
    }
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            let mut gradient = ctx.pool.take(rows * both)?;
            swiglu_backward(rows, ff, &input, &dy, &mut gradient);
            ctx.add_scaled(gate_up, 1.0, gradient)
        })),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};
    use regimen_kernels::Activation;

    #[test]
    fn gradients_match_the_formula() {
        let ff = 5;
        let mut bench = Bench::new(&[]);
        let a = bench.leaf("a", &[3, 2 * ff]);
        bench.check(
            &[a],
            |tape, v| swiglu(tape, v[0]),
            |_, v| {
                let row = |r: &[f64]| {
                    (0..ff).map(|i| naive::activation(Activation::Silu, r[i]) * r[ff + i]).collect::<Vec<_>>()
                };
                v[0].chunks(2 * ff).flat_map(row).collect()
            },
        );
        let mut tape = bench.tape();
        let odd = tape.input(&[1, 3], vec![0.0; 3]).unwrap();
        assert!(swiglu(&mut tape, odd).unwrap_err().to_string().contains("[1, 3]"));
    }
}
