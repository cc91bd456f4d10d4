//! Elementwise sum of two values of one shape. Saves nothing.

use super::same_shape;
use crate::error::Result;
use crate::pool::Buffer;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "add";

/// `a + b`, both of one shape.
///
/// # Errors
/// Shapes that differ.
pub fn add(tape: &mut Tape<'_>, a: Var, b: Var) -> Result<Var> {
    same_shape(OP, tape, a, b)?;
    let (x, y) = (tape.read(OP, a)?, tape.read(OP, b)?);
    let n = x.len();
    let _span = tape.span(OP, || Work::on(tape.shape(a)).forward(n, 3 * n));
    let mut out = tape.pool().take(n)?;
    regimen_kernels::add(&x, &y, &mut out);
    let shape = tape.shape(a).to_vec();
    Ok(sum_node(tape, shape, out, a, b))
}

/// The node of a value that is `a + b`: both get the gradient as it is.
pub(super) fn sum_node<'a>(tape: &mut Tape<'a>, shape: Vec<usize>, sum: Buffer<'a>, a: Var, b: Var) -> Var {
    if !tape.needs(&[a, b]) {
        return tape.node(shape, sum, None);
    }
    let var = tape.node(
        shape,
        sum,
        Some(Box::new(move |ctx, dy| {
            ctx.add(a, dy.clone())?;
            ctx.add(b, dy)
        })),
    );
    // Where the sum is part of a norm, its backward pass is not.
    tape.name(var, OP);
    var
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    #[test]
    fn gradients_match_the_formula() {
        let mut bench = Bench::new(&[]);
        let (a, b) = (bench.leaf("a", &[3, 4]), bench.leaf("b", &[3, 4]));
        bench.check(
            &[a, b],
            |tape, v| {
                let once = add(tape, v[0], v[1])?;
                let twice = add(tape, once, once)?;
                add(tape, twice, v[1])
            },
            |_, v| v[0].iter().zip(v[1]).map(|(x, y)| 2.0 * x + 3.0 * y).collect(),
        );
    }

    #[test]
    fn misfits_are_named() {
        let bench = Bench::new(&[]);
        let mut tape = bench.tape();
        let a = tape.input(&[2], vec![0.0; 2]).unwrap();
        let b = tape.input(&[1, 2], vec![0.0; 2]).unwrap();
        assert_eq!(add(&mut tape, a, b).unwrap_err().to_string(), "add: shapes [2] and [1, 2] differ");
        assert!(tape.input(&[3], vec![0.0; 2]).is_err());
    }
}
