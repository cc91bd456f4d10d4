//! Elementwise product of two values of one shape. Saves both.

use super::same_shape;
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "mul";

/// `a * b`, both of one shape.
///
/// # Errors
/// Shapes that differ.
pub fn mul(tape: &mut Tape<'_>, a: Var, b: Var) -> Result<Var> {
    same_shape(OP, tape, a, b)?;
    let (x, y) = (tape.read(OP, a)?, tape.read(OP, b)?);
    let n = x.len();
    let _span = tape.span(OP, || Work::on(tape.shape(a)).forward(n, 3 * n).backward(2 * n, 5 * n));
    let mut out = tape.pool().take(n)?;
    regimen_kernels::mul(&x, &y, &mut out);
    let shape = tape.shape(a).to_vec();
    if !tape.needs(&[a, b]) {
        return Ok(tape.node(shape, out, None));
    }
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            for (var, other) in [(a, &y), (b, &x)] {
                if ctx.needs(var) {
                    let mut gradient = ctx.pool.take(dy.len())?;
                    regimen_kernels::mul(&dy, other, &mut gradient);
                    ctx.add_scaled(var, 1.0, gradient)?;
                }
            }
            Ok(())
        })),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    #[test]
    fn gradients_match_the_formula() {
        let mut bench = Bench::new(&[]);
        let (a, b) = (bench.leaf("a", &[7]), bench.leaf("b", &[7]));
        bench.check(
            &[a, b],
            |tape, v| {
                let square = mul(tape, v[0], v[0])?;
                mul(tape, square, v[1])
            },
            |_, v| v[0].iter().zip(v[1]).map(|(x, y)| x * x * y).collect(),
        );
    }
}
