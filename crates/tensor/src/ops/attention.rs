//! Causal self-attention within documents, with rotary positions and shared key/value heads.
//!
//! Takes the value of its input over (the rotation happens in place), and saves it with the output and the
//! log-sum-exp of each row; the scores are computed again in the backward pass.

use std::rc::Rc;
use std::sync::Arc;

use regimen_kernels::{AttentionShape, RopeTable, attention_backward, attention_forward, rope_apply};

use super::{check_indices, misfit, rows_of, with_last};
use crate::error::Result;
use crate::tape::{Tape, Var};

const OP: &str = "attention";

/// What attention needs to know besides its input.
#[derive(Clone)]
pub struct Attention {
    /// Batch, time, heads, key/value heads, width of a head.
    pub shape: AttentionShape,
    /// `[batch * time]`: row i of a sequence attends to the rows `starts[i]..=i` of it; non-decreasing.
    pub starts: Rc<[u32]>,
    /// Rotary table and the position of each row `[batch * time]`.
    pub rope: Option<(Arc<RopeTable>, Rc<[u32]>)>,
}

/// Attention over qkv `[batch * time, (heads + 2 * kv_heads) * head_dim]` (all queries of a row, then its keys,
/// then its values, not yet rotated); result `[batch * time, heads * head_dim]`. The value of `qkv` is taken over:
/// no later operation can read it.
///
/// # Errors
/// Shapes that do not fit, a document start after its row, a position the rotary table does not hold.
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
    check_starts(time, rows, &spec.starts)?;
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
    let mut own = tape.take(OP, qkv)?;
    let turned = heads + kv_heads;
    if let Some((table, positions)) = &spec.rope {
        rope_apply(rows, stride, turned, head_dim, &mut own, positions, table, false);
    }
    let pool = tape.pool();
    let mut out = pool.take(rows * heads * head_dim);
    let record = tape.needs(&[qkv]);
    let mut lse = record.then(|| pool.take(batch * heads * time));
    attention_forward(spec.shape, &own, &spec.starts, &mut out, lse.as_deref_mut());
    let shape = with_last(tape, qkv, heads * head_dim);
    let var = tape.node(shape, out, None);
    if let Some(lse) = lse {
        let (out, spec) = (tape.read(OP, var)?, spec.clone());
        tape.record(
            var,
            Box::new(move |ctx, dy| {
                let mut gradient = ctx.pool.take(rows * stride);
                attention_backward(spec.shape, &own, &spec.starts, &out, &lse, &dy, &mut gradient);
                if let Some((table, positions)) = &spec.rope {
                    rope_apply(rows, stride, turned, head_dim, &mut gradient, positions, table, true);
                }
                ctx.add(qkv, Rc::new(gradient));
            }),
        );
    }
    Ok(var)
}

fn check_starts(time: usize, rows: usize, starts: &[u32]) -> Result<()> {
    if starts.len() != rows {
        return misfit(OP, format!("{} document starts for {rows} rows", starts.len()));
    }
    for sequence in starts.chunks(time) {
        let late = sequence.iter().zip(0u32..).find(|&(&start, row)| start > row);
        if let Some((start, row)) = late {
            return misfit(OP, format!("row {row} belongs to a document that starts at row {start}"));
        }
        if let Some(pair) = sequence.windows(2).find(|pair| pair[0] > pair[1]) {
            return misfit(OP, format!("document starts go back from {} to {}", pair[0], pair[1]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, naive};

    fn spec(shape: AttentionShape, starts: &[u32], rope: bool) -> Attention {
        let rows = shape.batch * shape.time;
        let positions: Rc<[u32]> = (0..rows).map(|i| (i % shape.time) as u32 - starts[i]).collect();
        let table = Arc::new(RopeTable::new(shape.head_dim, 100.0, shape.time));
        Attention { shape, starts: starts.into(), rope: rope.then_some((table, positions)) }
    }

    #[test]
    fn gradients_match_the_formula() {
        for (heads, kv_heads, rope) in [(4, 2, true), (3, 1, false), (2, 2, true)] {
            let shape = AttentionShape { batch: 2, time: 5, heads, kv_heads, head_dim: 4 };
            let spec = spec(shape, &[0, 0, 2, 2, 4, 0, 0, 0, 0, 3], rope);
            let mut bench = Bench::new(&[]);
            let x = bench.leaf("qkv", &[10, (heads + 2 * kv_heads) * 4]);
            bench.check(
                &[x],
                |tape, v| attention(tape, v[0], &spec),
                |_, v| naive::attention(v[0], shape, &spec.starts, rope.then_some(100.0)),
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
            let mut spec = Attention { shape, starts: starts.into(), rope: None };
            change(&mut spec);
            attention(&mut tape, x, &spec).unwrap_err().to_string()
        };
        assert!(run(&[0, 2, 2], &|_| {}).contains("row 1 belongs to a document that starts at row 2"));
        assert!(run(&[0, 1, 0], &|_| {}).contains("go back from 1 to 0"));
        assert!(run(&[0, 0], &|_| {}).contains("2 document starts for 3 rows"));
        assert!(run(&[0; 3], &|s| s.shape.heads = 3).contains("[3, 8] does not fit"));
        let table = Arc::new(RopeTable::new(2, 10.0, 2));
        let error = run(&[0; 3], &|s| s.rope = Some((table.clone(), [0, 1, 2].into())));
        assert_eq!(error, "attention: position 2 is not below 2");
    }
}
