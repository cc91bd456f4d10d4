//! Self-attention within documents, with rotary positions and shared key/value heads.
//!
//! Saves its input, its output and the log-sum-exp of each row; the scores are computed again in the backward pass.

use std::rc::Rc;
use std::sync::Arc;

use regimen_kernels::{AttentionRows, AttentionShape, RopeTable, attention_backward, attention_forward};

use super::{check_indices, misfit, rows_of, with_last};
use crate::error::Result;
use crate::profile::Work;
use crate::tape::{Tape, Var};

const OP: &str = "attention";

/// What attention needs to know besides its input.
#[derive(Clone)]
pub struct Attention {
    /// Batch, time, heads, key/value heads, width of a head.
    pub shape: AttentionShape,
    /// First key `[batch * time]` that each row attends to, within its sequence; at most the row itself.
    pub starts: Rc<[u32]>,
    /// End of the keys that each row attends to `[batch * time]`, behind the row itself; `None` = causal.
    pub ends: Option<Rc<[u32]>>,
    /// Rotary table and the position of each row `[batch * time]`.
    pub rope: Option<(Arc<RopeTable>, Rc<[u32]>)>,
}

impl Attention {
    fn rows(&self) -> AttentionRows<'_> {
        AttentionRows {
            starts: &self.starts,
            ends: self.ends.as_deref(),
            rope: self.rope.as_ref().map(|(table, positions)| (&**table, &**positions)),
        }
    }
}

/// Attention over qkv `[batch * time, (heads + 2 * kv_heads) * head_dim]` (all queries of a row, then its keys,
/// then its values, not yet rotated); result `[batch * time, heads * head_dim]`.
///
/// # Errors
/// Shapes that do not fit, keys that begin after their row or end before it, a position the rotary table does not hold.
pub fn attention(tape: &mut Tape<'_>, qkv: Var, spec: &Attention) -> Result<Var> {
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
    let mut out = pool.take(rows * heads * head_dim);
    let record = tape.needs(&[qkv]);
    let mut lse = record.then(|| pool.take(batch * heads * time));
    attention_forward(spec.shape, &input, spec.rows(), &mut out, lse.as_deref_mut());
    let shape = with_last(tape, qkv, heads * head_dim);
    let var = tape.node(shape, out, None);
    if let Some(lse) = lse {
        let (out, spec) = (tape.read(OP, var)?, spec.clone());
        tape.record(
            var,
            Box::new(move |ctx, dy| {
                let mut gradient = ctx.pool.take(rows * stride);
                attention_backward(spec.shape, &input, spec.rows(), &out, &lse, &dy, &mut gradient);
                ctx.add(qkv, Rc::new(gradient));
            }),
        );
    }
    Ok(var)
}

fn check_keys(time: usize, rows: usize, spec: &Attention) -> Result<()> {
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
fn work(spec: &Attention) -> Work {
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
    use crate::ops::testing::{Bench, naive};

    fn spec(shape: AttentionShape, starts: &[u32], rope: bool) -> Attention {
        let rows = shape.batch * shape.time;
        let positions: Rc<[u32]> = (0..rows).map(|i| (i % shape.time) as u32 - starts[i]).collect();
        let table = Arc::new(RopeTable::new(shape.head_dim, 100.0, shape.time));
        Attention { shape, starts: starts.into(), ends: None, rope: rope.then_some((table, positions)) }
    }

    #[test]
    fn gradients_match_the_formula() {
        for (heads, kv_heads, rope, causal) in [(4, 2, true, true), (3, 1, false, true), (2, 2, true, false)]
        {
            let shape = AttentionShape { batch: 2, time: 5, heads, kv_heads, head_dim: 4 };
            let mut spec = spec(shape, &[0, 0, 2, 2, 4, 0, 0, 0, 0, 3], rope);
            spec.ends = (!causal).then(|| [2, 2, 4, 5, 5, 5, 5, 5, 5, 5].into());
            let ends = |row: usize| spec.ends.as_ref().map_or(row % 5 + 1, |ends| ends[row] as usize);
            let mut bench = Bench::new(&[]);
            let x = bench.leaf("qkv", &[10, (heads + 2 * kv_heads) * 4]);
            bench.check(
                &[x],
                |tape, v| attention(tape, v[0], &spec),
                |_, v| naive::attention(v[0], shape, &spec.starts, &ends, rope.then_some(100.0)),
            );
        }
    }

    #[test]
    fn misfits_are_named() {
        let shape = AttentionShape { batch: 1, time: 3, heads: 2, kv_heads: 1, head_dim: 2 };
        let bench = Bench::new(&[]);
        let mut tape = bench.tape();
        let x = tape.input(&[3, 8], vec![0.0; 24]).unwrap();
        let mut run = |starts: &[u32], change: &dyn Fn(&mut Attention)| {
            let mut spec = Attention { shape, starts: starts.into(), ends: None, rope: None };
            change(&mut spec);
            attention(&mut tape, x, &spec).unwrap_err().to_string()
        };
        assert!(run(&[0, 2, 2], &|_| {}).contains("row 1 of a sequence attends from row 2 on"));
        assert!(run(&[0; 3], &|s| s.ends = Some([1, 1, 3].into())).contains("row 1 of a sequence of 3"));
        assert!(run(&[0; 3], &|s| s.ends = Some([1, 2, 4].into())).contains("attends up to row 4"));
        assert!(run(&[0; 3], &|s| s.ends = Some([3].into())).contains("1 ends for 3 rows"));
        assert!(run(&[0, 0], &|_| {}).contains("2 document starts for 3 rows"));
        assert!(run(&[0; 3], &|s| s.shape.heads = 3).contains("[3, 8] does not fit"));
        let table = Arc::new(RopeTable::new(2, 10.0, 2));
        let error = run(&[0; 3], &|s| s.rope = Some((table.clone(), [0, 1, 2].into())));
        assert_eq!(error, "attention: position 2 is not below 2");
    }
}
