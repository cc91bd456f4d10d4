//! Product of two matrices that are both values (a product with a parameter is `linear`). Saves both.

use regimen_kernels::{Mat, MatMut, sgemm};

use super::misfit;
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "matmul";

/// `a b`: a `[m, k]`, b `[k, n]`, result `[m, n]`.
///
/// # Errors
/// Shapes that do not fit.
pub fn matmul(tape: &mut Tape<'_>, a: Var, b: Var) -> Result<Var> {
    let (&[m, k], &[k2, n]) = (tape.shape(a), tape.shape(b)) else {
        return misfit(OP, format!("{:?} and {:?} are not two matrices", tape.shape(a), tape.shape(b)));
    };
    if k != k2 {
        return misfit(OP, format!("[{m}, {k}] does not fit [{k2}, {n}]"));
    }
    let _span = tape.span(OP, || work(m, k, n));
    let (x, y) = (tape.read(OP, a)?, tape.read(OP, b)?);
    let mut out = tape.pool().take(m * n)?;
    sgemm(1.0, Mat::new(&x, m, k), Mat::new(&y, k, n), 0.0, MatMut::new(&mut out, m, n));
    if !tape.needs(&[a, b]) {
        return Ok(tape.node(vec![m, n], out, None));
    }
    Ok(tape.node(
        vec![m, n],
        out,
        Some(Box::new(move |ctx, dy| {
            let beta = |started: bool| f32::from(u8::from(started));
            let dy = Mat::new(&dy, m, n);
            if ctx.needs(a) {
                let (mut da, started) = ctx.take(a)?;
                sgemm(1.0, dy, Mat::new(&y, k, n).t(), beta(started), MatMut::new(&mut da, m, k));
                ctx.put(a, da);
            }
            if ctx.needs(b) {
                let (mut db, started) = ctx.take(b)?;
                sgemm(1.0, Mat::new(&x, m, k).t(), dy, beta(started), MatMut::new(&mut db, k, n));
                ctx.put(b, db);
            }
            Ok(())
        })),
    ))
}

fn work(m: usize, k: usize, n: usize) -> Work {
    let (product, inputs) = (2 * m * k * n, m * k + k * n);
    Work::on(&[m, k, n]).forward(product, inputs + m * n).backward(2 * product, m * n + 2 * inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    #[test]
    fn gradients_match_the_formula() {
        for (m, k, n) in [(3, 4, 5), (1, 7, 1)] {
            let mut bench = Bench::new(&[]);
            let (a, b) = (bench.leaf("a", &[m, k]), bench.leaf("b", &[k, n]));
            bench.check(
                &[a, b],
                |tape, v| matmul(tape, v[0], v[1]),
                |_, v| {
                    let cell = |i: usize, j: usize| (0..k).map(|l| v[0][i * k + l] * v[1][l * n + j]).sum();
                    (0..m * n).map(|c| cell(c / n, c % n)).collect()
                },
            );
        }
    }

    #[test]
    fn misfits_are_named() {
        let bench = Bench::new(&[]);
        let mut tape = bench.tape();
        let a = tape.input(&[2, 3], vec![0.0; 6]).unwrap();
        assert_eq!(matmul(&mut tape, a, a).unwrap_err().to_string(), "matmul: [2, 3] does not fit [2, 3]");
    }
}
