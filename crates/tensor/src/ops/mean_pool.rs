//! Mean over the tokens of each sequence. Saves nothing.

use regimen_kernels::{mean_pool_backward, mean_pool_forward};

use super::{misfit, rows_of};
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "mean_pool";

/// The mean of every `time` rows: x `[batch * time, d]`, result `[batch, d]`.
///
/// # Errors
/// Rows that are not sequences of `time`.
pub fn mean_pool(tape: &mut Tape<'_>, x: Var, time: usize) -> Result<Var> {
    let (rows, d) = rows_of(OP, tape, x)?;
    if time == 0 || rows % time != 0 || d == 0 {
        return misfit(OP, format!("input {:?} is not made of sequences of {time} rows", tape.shape(x)));
    }
    let _span = tape.span(OP, || {
        let (all, means) = (rows * d, rows / time * d);
        Work::on(&[rows, d]).forward(all, all + means).backward(all, all + means)
    });
    let (input, batch) = (tape.read(OP, x)?, rows / time);
    let mut out = tape.pool().take(batch * d)?;
    mean_pool_forward(time, d, &input, &mut out);
    let shape = vec![batch, d];
    if !tape.needs(&[x]) {
        return Ok(tape.node(shape, out, None));
    }
    Ok(tape.node(
        shape,
        out,
        Some(Box::new(move |ctx, dy| {
            let (mut dx, accumulate) = ctx.take(x)?;
            mean_pool_backward(time, d, &dy, &mut dx, accumulate);
            ctx.put(x, dx);
            Ok(())
        })),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;
    use crate::ops::{add, gather};

    #[test]
    fn gradients_match_the_formula() {
        let (time, d) = (5, 3);
        let mut bench = Bench::new(&[]);
        let x = bench.leaf("x", &[2 * time, d]);
        bench.check(
            &[x],
            |tape, v| {
                let pooled = mean_pool(tape, v[0], time)?;
                let first = gather(tape, v[0], &[0, 5])?;
                add(tape, pooled, first)
            },
            |_, v| {
                let mean = |b: usize, j: usize| {
                    (0..time).map(|t| v[0][(b * time + t) * d + j]).sum::<f64>() / time as f64
                };
                (0..2 * d).map(|i| mean(i / d, i % d) + v[0][i / d * time * d + i % d]).collect()
            },
        );
    }

    #[test]
    fn misfits_are_named() {
        let bench = Bench::new(&[]);
        let mut tape = bench.tape();
        let x = tape.input(&[4, 2], vec![0.0; 8]).unwrap();
        let error = mean_pool(&mut tape, x, 3).unwrap_err().to_string();
        assert_eq!(error, "mean_pool: input [4, 2] is not made of sequences of 3 rows");
        assert!(mean_pool(&mut tape, x, 0).is_err());
    }
}
