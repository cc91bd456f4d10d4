//! Mean of all elements. Saves nothing.

use super::misfit;
use crate::error::Result;
use crate::tape::{Tape, Var};

const OP: &str = "mean";

/// The mean of x over every element, shape `[]`; added up in f64.
///
/// # Errors
/// A value without elements, a freed input.
pub fn mean(tape: &mut Tape<'_>, x: Var) -> Result<Var> {
    let count: usize = tape.shape(x).iter().product();
    if count == 0 {
        return misfit(OP, format!("input {:?} has no elements", tape.shape(x)));
    }
    super::sum::weighted(tape, OP, x, 1.0 / count as f64)
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
                mean(tape, square)
            },
            |_, v| vec![v[0].iter().map(|x| x * x).sum::<f64>() / 15.0],
        );
        let mut tape = bench.tape();
        let empty = tape.input(&[0, 2], Vec::new()).unwrap();
        assert!(mean(&mut tape, empty).is_err());
    }
}
