//! Product with a constant. Saves nothing.

use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "scale";

/// `factor * x`, any shape.
///
/// # Errors
/// A freed input.
pub fn scale(tape: &mut Tape<'_>, x: Var, factor: f32) -> Result<Var> {
    let input = tape.read(OP, x)?;
    let n = input.len();
    let _span = tape.span(OP, || Work::on(tape.shape(x)).forward(n, 2 * n).backward(n, 2 * n));
    let mut out = tape.pool().take(n)?;
    out.copy_from_slice(&input);
    regimen_kernels::scale(factor, &mut out);
    let shape = tape.shape(x).to_vec();
    if !tape.needs(&[x]) {
        return Ok(tape.node(shape, out, None));
    }
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            let own = ctx.own(dy)?;
            ctx.add_scaled(x, factor, own)
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
        let a = bench.leaf("a", &[2, 3]);
        bench.check(
            &[a],
            |tape, v| scale(tape, v[0], -0.75),
            |_, v| v[0].iter().map(|x| -0.75 * x).collect(),
        );
    }
}
