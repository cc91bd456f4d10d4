//! Sum of all elements. Saves nothing.

use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

/// The sum of x over every element, shape `[]`; added up in f64.
///
/// # Errors
/// A freed input.
pub fn sum(tape: &mut Tape<'_>, x: Var) -> Result<Var> {
    weighted(tape, "sum", x, 1.0)
}

/// `factor * sum(x)`.
pub(super) fn weighted(tape: &mut Tape<'_>, op: &'static str, x: Var, factor: f64) -> Result<Var> {
    let input = tape.read(op, x)?;
    let n = input.len();
    let _span = tape.span(op, || Work::on(tape.shape(x)).forward(n, n).backward(0, n));
    let mut out = tape.pool().take(1)?;
    out[0] = (factor * regimen_kernels::sum_f64(&input)) as f32;
    if !tape.needs(&[x]) {
        return Ok(tape.node(Vec::new(), out, None));
    }
    Ok(tape.node(
        Vec::new(),
        out,
        Some(Box::new(move |ctx, dy| {
            let mut gradient = ctx.pool.take(n)?;
            gradient.fill((factor * f64::from(dy[0])) as f32);
            ctx.add_scaled(x, 1.0, gradient)
        })),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::mul;
    use crate::ops::testing::Bench;

    #[test]
    fn gradients_match_the_formula() {
        let mut bench = Bench::new(&[]);
        let a = bench.leaf("a", &[5, 3]);
        bench.check(
            &[a],
            |tape, v| {
                let square = mul(tape, v[0], v[0])?;
                sum(tape, square)
            },
            |_, v| vec![v[0].iter().map(|x| x * x).sum()],
        );
    }
}
