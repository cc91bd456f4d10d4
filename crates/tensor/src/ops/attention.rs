//! Self-attention within documents, with rotary positions and shared key/value heads.
//!
//! Saves its input, its output and the log-sum-exp of each row; the scores are computed again in the backward pass.

use std::rc::Rc;
use std::sync::Arc;

use regimen_kernels::{AttentionRows, AttentionShape, RopeTable, attention_backward, attention_forward};

use super::{check_indices, misfit, rows_of, with_last};
use crate::error::Result;
use crate::pool::Indices;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "attention";

/// What attention needs to know besides its input.
#[derive(Clone)]
pub struct Attention<'a> {
    /// Batch, time, heads, key/value heads, width of a head.
    pub shape: AttentionShape,
    /// First key `[batch * time]` that each row attends to, within its sequence; at most the row itself.
    pub starts: Rc<Indices<'a>>,
    /// End of the keys that each row attends to `[batch * time]`, behind the row itself; `None` = causal.
    pub ends: Option<Rc<Indices<'a>>>,
    /// Rotary table and the position of each row `[batch * time]`.
    pub rope: Option<(Arc<RopeTable>, Rc<Indices<'a>>)>,
}

impl Attention<'_> {
    fn rows(&self) -> AttentionRows<'_> {
        AttentionRows {
            starts: &self.starts,
            ends: self.ends.as_ref().map(|ends| &***ends),
            rope: self.rope.as_ref().map(|(table, positions)| (&**table, &***positions)),
        }
    }
}

/// Attention over qkv `[batch * time, (heads + 2 * kv_heads) * head_dim]` (all queries of a row, then its keys,
/// then its values, not yet rotated); result `[batch * time, heads * head_dim]`.
///
/// # Errors
/// Shapes that do not fit, keys that begin after their row or end before it, a position the rotary table does not hold.
pub fn attention<'a>(tape: &mut Tape<'a>, qkv: Var, spec: &Attention<'a>) -> Result<Var> {
    let AttentionShape { batch, time, heads, kv_heads, head_dim } = spec.shape;
    let (rows, width) = rows_of(OP, tape, qkv)?;
    let stride = (heads + 2 * kv_heads) * head_dim;
    if rows != batch * time || width != stride || rows == 0 {
        return misfit(
            OP,
            format!(
                "input {:?} does not fit batch {batch}, time {time}, {heads} heads, {kv_heads} key/value heads, \
                 head width {head_dim}",
                tape.shape(qkv)
            ),
        );
    }
    if kv_heads == 0 || heads % kv_heads != 0 {
        return misfit(OP, format!("{heads} heads cannot share {kv_heads} key/value heads"));
    }
    check_keys(time, rows, spec)?;
    if let Some((table, positions)) = &spec.rope {
        if positions.len() != rows || table.head_dim() != head_dim {
            return misfit(
                OP,
                format!(
                    "{} positions for {rows} rows, rotary table for head width {}",
                    positions.len(),
                    table.head_dim()
                ),
            );
        }
        check_indices(OP, "position", positions, table.positions())?;
    }
    let _span = tape.span(OP, || work(spec));
    let (pool, input) = (tape.pool(), tape.read(OP, qkv)?);
    let mut out = pool.take(rows * heads * head_dim)?;
    let record = tape.needs(&[qkv]);
    let mut lse = record.then(|| pool.take(batch * heads * time)).transpose()?;
    attention_forward(spec.shape, &input, spec.rows(), &mut out, lse.as_deref_mut());
    let shape = with_last(tape, qkv, heads * head_dim);
    let var = tape.node(shape, out, None);
    if let Some(lse) = lse {
        let (out, spec) = (tape.read(OP, var)?, spec.clone());
        tape.record(
            var,
            Box::new(move |ctx, dy| {
                let mut gradient = ctx.pool.take(rows * stride)?;
                attention_backward(spec.shape, &input, spec.rows(), &out, &lse, &dy, &mut gradient);
                ctx.add(qkv, Rc::new(gradient))
            }),
        );
    }
    Ok(var)
}

fn check_keys(time: usize, rows: usize, spec: &Attention<'_>) -> Result<()> {
    if spec.starts.len() != rows {
        return misfit(OP, format!("{} document starts for {rows} rows", spec.starts.len()));
    }
    if let Some(ends) = spec.ends.as_ref().filter(|ends| ends.len() != rows) {
        return misfit(OP, format!("{} ends for {rows} rows", ends.len()));
    }
    for i in 0..rows {
        let (row, start) = (i % time, spec.starts[i] as usize);
        if start > row {
            return misfit(OP, format!("row {row} of a sequence attends from row {start} on"));
        }
        if let Some(end) =
            spec.ends.as_ref().map(|ends| ends[i] as usize).filter(|&end| end <= row || end > time)
        {
            return misfit(OP, format!("row {row} of a sequence of {time} attends up to row {end}"));
        }
    }
    Ok(())
}

/// Two products over the pairs of a row and a key that it attends to; backward five, for the scores are computed again.
fn work(spec: &Attention<'_>) -> Work {
    let AttentionShape { batch, time, heads, kv_heads, head_dim } = spec.shape;
    let ends = |i: usize| spec.ends.as_ref().map_or(i % time + 1, |ends| ends[i] as usize);
    let pairs: usize = spec.starts.iter().enumerate().map(|(i, &start)| ends(i) - start as usize).sum();
    let (rows, product) = (batch * time, 2 * pairs * heads * head_dim);
    // A rotation is 3 operations a number.
    let turns = if spec.rope.is_some() { 3 * rows * (heads + kv_heads) * head_dim } else { 0 };
    let (qkv, out, lse) = (rows * (heads + 2 * kv_heads) * head_dim, rows * heads * head_dim, rows * heads);
    Work::on(&[batch, time, heads, kv_heads, head_dim])
        .forward(2 * product + turns, qkv + out + lse)
        .backward(5 * product + turns, 2 * qkv + 2 * out + lse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pool;
    use crate::ops::testing::{Bench, naive};

    fn kept<'a>(pool: &'a Pool, indices: &[u32]) -> Rc<Indices<'a>> {
        Rc::new(pool.copy_of(indices).unwrap())
    }

    fn spec<'a>(
        pool: &'a Pool,
        shape: AttentionShape,
        starts: &[u32],
        ends: Option<&[u32]>,
        rope: bool,
    ) -> Attention<'a> {
        let rows = shape.batch * shape.time;
        let positions: Vec<u32> = (0..rows).map(|i| (i % shape.time) as u32 - starts[i]).collect();
        let table = Arc::new(RopeTable::new(shape.head_dim, 100.0, shape.time));
        let rope = rope.then(|| (table, kept(pool, &positions)));
        Attention { shape, starts: kept(pool, starts), ends: ends.map(|ends| kept(pool, ends)), rope }
    }

    #[test]
    fn gradients_match_the_formula() {
        for (heads, kv_heads, rope, causal) in [(4, 2, true, true), (3, 1, false, true), (2, 2, true, false)]
        {
            let shape = AttentionShape { batch: 2, time: 5, heads, kv_heads, head_dim: 4 };
            let starts = [0, 0, 2, 2, 4, 0, 0, 0, 0, 3];
            let later = [2, 2, 4, 5, 5, 5, 5, 5, 5, 5];
            let given = (!causal).then_some(&later[..]);
            let ends = |row: usize| given.map_or(row % 5 + 1, |ends| ends[row] as usize);
            let mut bench = Bench::new(&[]);
            let x = bench.leaf("qkv", &[10, (heads + 2 * kv_heads) * 4]);
            bench.check(
                &[x],
                |tape, v| attention(tape, v[0], &spec(tape.pool(), shape, &starts, given, rope)),
                |_, v| naive::attention(v[0], shape, &starts, &ends, rope.then_some(100.0)),
            );
        }
    }

    #[test]
    fn misfits_are_named() {
        let shape = AttentionShape { batch: 1, time: 3, heads: 2, kv_heads: 1, head_dim: 2 };
        let bench = Bench::new(&[]);
        let mut tape = bench.tape();
        let x = tape.input(&[3, 8], vec![0.0; 24]).unwrap();
        let pool = tape.pool();
        let plain = |starts: &[u32]| Attention { shape, starts: kept(pool, starts), ends: None, rope: None };
        let ending = |ends: &[u32]| Attention { ends: Some(kept(pool, ends)), ..plain(&[0; 3]) };
        let mut run = |spec| attention(&mut tape, x, &spec).unwrap_err().to_string();
        assert!(run(plain(&[0, 2, 2])).contains("row 1 of a sequence attends from row 2 on"));
        assert!(run(ending(&[1, 1, 3])).contains("row 1 of a sequence of 3"));
        assert!(run(ending(&[1, 2, 4])).contains("attends up to row 4"));
        assert!(run(ending(&[3])).contains("1 ends for 3 rows"));
        assert!(run(plain(&[0, 0])).contains("2 document starts for 3 rows"));
        let wide = Attention { shape: AttentionShape { heads: 3, ..shape }, ..plain(&[0; 3]) };
        assert!(run(wide).contains("[3, 8] does not fit"));
        let rope = Some((Arc::new(RopeTable::new(2, 10.0, 2)), kept(pool, &[0, 1, 2])));
        let error = run(Attention { rope, ..plain(&[0; 3]) });
        assert_eq!(error, "attention: position 2 is not below 2");
    }
}
