//! Some rows of a value, in any order, repeats allowed. Saves the indices.

use regimen_kernels::{embedding_backward, embedding_forward};

use super::{check_indices, misfit};
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "gather";

/// Rows `indices` of x `[n, ..]`: result `[indices.len(), ..]`.
///
/// # Errors
/// A scalar, an index past the last row.
pub fn gather(tape: &mut Tape<'_>, x: Var, indices: &[u32]) -> Result<Var> {
    let Some((&n, rest)) = tape.shape(x).split_first() else {
        return misfit(OP, "the input is a scalar, rows are needed");
    };
    let d: usize = rest.iter().product();
    let shape: Vec<usize> = std::iter::once(indices.len()).chain(rest.iter().copied()).collect();
    check_indices(OP, "row", indices, n)?;
    let k = indices.len() * d;
    let _span = tape.span(OP, || Work::on(&shape).forward(0, 2 * k).backward(k, 3 * k));
    let input = tape.read(OP, x)?;
    let mut out = tape.pool().take(k)?;
    embedding_forward(indices, d, &input, &mut out);
    if !tape.needs(&[x]) {
        return Ok(tape.node(shape, out, None));
    }
    let indices = tape.pool().copy_of(indices)?;
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            let mut gradient = ctx.take_to_add(x)?;
            embedding_backward(&indices, d, &dy, &mut gradient);
            ctx.put(x, gradient);
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
        let a = bench.leaf("a", &[4, 3]);
        let rows = [2u32, 0, 2];
        bench.check(
            &[a],
            |tape, v| gather(tape, v[0], &rows),
            |_, v| rows.iter().flat_map(|&r| v[0][3 * r as usize..3 * r as usize + 3].to_vec()).collect(),
        );
        let mut tape = bench.tape();
        let x = tape.input(&[4, 3], vec![0.0; 12]).unwrap();
        assert_eq!(gather(&mut tape, x, &[4]).unwrap_err().to_string(), "gather: row 4 is not below 4");
    }
}
