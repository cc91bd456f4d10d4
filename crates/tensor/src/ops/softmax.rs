//! Softmax over the last dimension. Saves its result.

use std::rc::Rc;

use regimen_kernels::{softmax_rows, softmax_rows_backward};

use super::rows_of;
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "softmax";

/// Softmax of each row of x `[.., n]`.
///
/// # Errors
/// A scalar, a freed input.
pub fn softmax(tape: &mut Tape<'_>, x: Var) -> Result<Var> {
    let (rows, n) = rows_of(OP, tape, x)?;
    let floats = rows * n;
    let _span = tape.span(OP, || Work::on(&[rows, n]).forward(0, 2 * floats).backward(0, 3 * floats));
    let input = tape.read(OP, x)?;
    let mut out = tape.pool().take(rows * n)?;
    softmax_rows(rows, n, &input, &mut out);
    let shape = tape.shape(x).to_vec();
    if !tape.needs(&[x]) {
        return Ok(tape.node(shape, out, None));
    }
    let var = tape.node(shape, out, None);
    let y = tape.read(OP, var)?;
    tape.record(
        var,
        Box::new(move |ctx, dy| {
            let mut gradient = ctx.pool.take(rows * n)?;
            softmax_rows_backward(rows, n, &y, &dy, &mut gradient);
            ctx.add(x, Rc::new(gradient))
        }),
    );
    Ok(var)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};

    #[test]
    fn gradients_match_the_formula() {
        for (rows, n) in [(1, 1), (3, 7), (2, 33)] {
            let mut bench = Bench::new(&[]);
            let a = bench.leaf("a", &[rows, n]);
            bench.check(
                &[a],
                |tape, v| softmax(tape, v[0]),
                |_, v| v[0].chunks(n).flat_map(naive::softmax).collect(),
            );
        }
    }
}
