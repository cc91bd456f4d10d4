//! Token embedding, with learned positions if a table of them is given. Saves the ids.

use regimen_kernels::{embedding_add, embedding_backward, embedding_forward};

use super::{check_indices, matrix_of, misfit};
use crate::error::Result;
use crate::layout::Handle;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "embedding";

/// Rows `ids` of `table` `[vocab, d]`, plus rows of a position table `[context, d]`: result `[ids.len(), d]`.
///
/// # Errors
/// An id past the table, a position past its table, tables of different width.
pub fn embedding(
    tape: &mut Tape<'_>,
    ids: &[u32],
    table: Handle,
    positions: Option<(Handle, &[u32])>,
) -> Result<Var> {
    let (vocab, d) = matrix_of(OP, tape, table)?;
    check_indices(OP, "token", ids, vocab)?;
    let (params, pool) = (tape.params(), tape.pool());
    let _span = tape.span(OP, || work(ids.len(), d, if positions.is_some() { 2 } else { 1 }));
    let mut out = pool.take(ids.len() * d)?;
    embedding_forward(ids, d, params.slice(table), &mut out);
    if let Some((second, places)) = positions {
        let (context, width) = matrix_of(OP, tape, second)?;
        if width != d || places.len() != ids.len() {
            return misfit(
                OP,
                format!("{} ids of width {d} with {} positions of width {width}", ids.len(), places.len()),
            );
        }
        check_indices(OP, "position", places, context)?;
        embedding_add(places, d, params.slice(second), &mut out);
    }
    let shape = vec![ids.len(), d];
    if !tape.grad() {
        return Ok(tape.node(shape, out, None));
    }
    let ids = pool.copy_of(ids)?;
    let positions = match positions {
        Some((handle, places)) => Some((handle, pool.copy_of(places)?)),
        None => None,
    };
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            embedding_backward(&ids, d, &dy, ctx.grads.slice_mut(table));
            if let Some((handle, places)) = positions {
                embedding_backward(&places, d, &dy, ctx.grads.slice_mut(handle));
            }
            Ok(())
        })),
    ))
}

/// Rows of `tables` tables are read and summed; backward the gradient is added to each of them.
fn work(rows: usize, d: usize, tables: usize) -> Work {
    let (ids, floats) = (tables * rows, rows * d);
    Work::on(&[rows, d])
        .forward((tables - 1) * floats, ids + (tables + 1) * floats)
        .backward(tables * floats, ids + (1 + 2 * tables) * floats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    #[test]
    fn gradients_match_the_formula() {
        let bench = Bench::new(&[("e", &[5, 3]), ("p", &[4, 3])]);
        let (e, p) = (bench.handle("e"), bench.handle("p"));
        let (ids, places) = ([4u32, 1, 4, 0], [0u32, 1, 0, 3]);
        bench.check(
            &[],
            |tape, _| embedding(tape, &ids, e, Some((p, &places))),
            |params, _| {
                let row = |i: usize| {
                    let (a, b) = (3 * ids[i] as usize, 3 * places[i] as usize);
                    (0..3).map(move |j| (a + j, b + j))
                };
                (0..4).flat_map(row).map(|(a, b)| params["e"][a] + params["p"][b]).collect()
            },
        );
        let mut tape = bench.tape();
        let error = embedding(&mut tape, &[5], e, None).unwrap_err().to_string();
        assert_eq!(error, "embedding: token 5 is not below 5");
        assert!(embedding(&mut tape, &ids, e, Some((p, &places[..3]))).is_err());
        assert!(embedding(&mut tape, &[1], e, Some((p, &[4]))).is_err());
    }
}
