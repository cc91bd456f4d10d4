//! The gradient: scores are computed again, block by block, from the log-sum-exp.
//!
//! With `P = e^(S - lse)`: `dV += P^T dO`, `dP = dO V^T`, `dS = P (dP - rowsum(dO O))`, `dQ = dS K / sqrt(head_dim)`,
//! `dK += dS^T Q / sqrt(head_dim)` (Dao et al. 2022).
#![allow(unsafe_code)]

use super::block::{
    AHEAD, Block, Blocks, MOST_KEYS, MOST_LANES, MOST_ROWS, MOST_TILE, SCORES, Sequence, dispatch, transposed,
};
use super::coming::Coming;
use super::forward::split;
use super::{AttentionRows, AttentionShape};
use crate::math::{dot, exp, pieces};
use crate::par::{Shared, par};
use crate::prefetch::{ahead, ahead_at};
use crate::rope::turn_head;
use crate::scratch;

/// Overwrites `dqkv` with the gradient of `qkv`, given `out` and `lse` of the forward pass and the gradient `dout`
/// of `out`; shapes as in [`crate::attention_forward`].
pub fn attention_backward(
    shape: AttentionShape,
    qkv: &[f32],
    rows: AttentionRows<'_>,
    out: &[f32],
    lse: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
) {
    let some = shape.check(qkv, &rows, out);
    assert_eq!(dout.len(), out.len(), "dout is not [batch * time, heads * head_dim]");
    assert_eq!(dqkv.len(), qkv.len(), "dqkv is not [batch * time, qkv width]");
    assert_eq!(lse.len(), shape.lse_len(), "lse is not [batch, heads, time]");
    if !some {
        return;
    }
    let given = &Given { out, lse, dout, dqkv: Shared::new(dqkv) };
    par(shape.batch * shape.kv_heads, |number| {
        let sequence = &Sequence::new(&shape, &rows, qkv, number / shape.kv_heads);
        let kv_head = number % shape.kv_heads;
        let sizes = sizes(shape.time, shape.head_dim);
        scratch::with(sizes.iter().sum(), |buffer| {
            let [keys, keys_t, values_t, dk, dv, queries, queries_t, douts, douts_t, dq, p, ds] =
                split(buffer, sizes);
            let buffers =
                Buffers { keys, keys_t, values_t, dk, dv, queries, queries_t, douts, douts_t, dq, p, ds };
            dispatch!(task(sequence: &Sequence<'_>, kv_head: usize, given: &Given<'_>, buffers: Buffers<'_>));
        });
    });
}

/// Floats of the buffers of a task, in the order of [`Buffers`].
pub(super) fn sizes(t: usize, d: usize) -> [usize; 12] {
    let wide = d.next_multiple_of(MOST_LANES);
    let long = t.next_multiple_of(16) + MOST_KEYS;
    let (rows, turned, scores) = (MOST_ROWS * wide, d * MOST_ROWS, MOST_ROWS * SCORES);
    // Rows of keys are read in whole tiles, so there are some more of them.
    let all = (t + MOST_TILE) * wide;
    [all, d * long, d * long, all, all, rows, turned, rows, turned, rows, scores, scores]
}

/// What the forward pass left, and where gradients go.
struct Given<'a> {
    out: &'a [f32],
    lse: &'a [f32],
    dout: &'a [f32],
    dqkv: Shared<'a>,
}

/// The buffers of a task. Rows of `d` floats are padded to `wide`, rows of keys to `long`.
struct Buffers<'a> {
    /// `[t, wide]`, `[d, long]` and `[d, long]`.
    keys: &'a mut [f32],
    keys_t: &'a mut [f32],
    values_t: &'a mut [f32],
    /// `[t, wide]` each.
    dk: &'a mut [f32],
    dv: &'a mut [f32],
    /// Of a block of rows: `[ROWS, wide]` and `[d, ROWS]` each.
    queries: &'a mut [f32],
    queries_t: &'a mut [f32],
    douts: &'a mut [f32],
    douts_t: &'a mut [f32],
    dq: &'a mut [f32],
    /// Of a block of rows and keys: `[ROWS, SCORES]` each.
    p: &'a mut [f32],
    ds: &'a mut [f32],
}

#[inline(always)]
fn task<S: Blocks, const FMA: bool>(
    sequence: &Sequence<'_>,
    kv_head: usize,
    given: &Given<'_>,
    mut b: Buffers<'_>,
) {
    let shape = sequence.shape;
    let (t, d) = (shape.time, shape.head_dim);
    let wide = d.next_multiple_of(S::LANES);
    let long = t.next_multiple_of(16) + MOST_KEYS;
    let (key_column, value_column) = shape.key_columns(kv_head);
    // The values are needed transposed alone: the keys' place holds them for a moment.
    sequence.copy::<FMA>((0, t), value_column, 1.0, false, b.keys, wide);
    transposed::<S>((t, d), (b.keys, wide), (b.values_t, long));
    sequence.copy::<FMA>((0, t), key_column, 1.0, true, b.keys, wide);
    transposed::<S>((t, d), (b.keys, wide), (b.keys_t, long));
    b.dk.fill(0.0);
    b.dv.fill(0.0);
    let mut coming = coming(sequence, kv_head, given);
    for head in kv_head * shape.group()..(kv_head + 1) * shape.group() {
        for rows in sequence.blocks(S::ROWS) {
            block::<S, FMA>(sequence, head, rows, &mut b, given, &mut coming);
        }
    }
    write::<FMA>(sequence, given.dqkv, (0, t), key_column, true, b.dk, wide);
    write::<FMA>(sequence, given.dqkv, (0, t), value_column, false, b.dv, wide);
}

/// What the task behind this one reads and writes.
fn coming(sequence: &Sequence<'_>, kv_head: usize, given: &Given<'_>) -> Coming {
    let mut coming = Coming::nothing();
    let Some((row, kv_head)) = sequence.next_task(kv_head) else { return coming };
    let shape = sequence.shape;
    let (d, width, out_width) = (shape.head_dim, shape.qkv_width(), shape.out_width());
    let (qkv, dqkv) = (sequence.qkv[row * width..].as_ptr(), given.dqkv.pointer(row * width));
    let (key, value) = shape.key_columns(kv_head);
    coming.add(qkv, width, value, d);
    coming.add(qkv, width, key, d);
    for query in (kv_head * shape.group()..(kv_head + 1) * shape.group()).map(|head| head * d) {
        coming.add(qkv, width, query, d);
        coming.add(given.dout[row * out_width..].as_ptr(), out_width, query, d);
        coming.add(given.out[row * out_width..].as_ptr(), out_width, query, d);
        coming.add(dqkv, width, query, d);
    }
    coming.add(dqkv, width, key, d);
    coming.add(dqkv, width, value, d);
    coming.of(shape.time)
}

#[inline(always)]
fn block<S: Blocks, const FMA: bool>(
    sequence: &Sequence<'_>,
    head: usize,
    rows: Block,
    b: &mut Buffers<'_>,
    given: &Given<'_>,
    coming: &mut Coming,
) {
    let shape = sequence.shape;
    let (t, d) = (shape.time, shape.head_dim);
    let wide = d.next_multiple_of(S::LANES);
    let long = t.next_multiple_of(16) + MOST_KEYS;
    let out_width = shape.out_width();
    let row_of = |i: usize| (sequence.first + rows.first + i) * out_width + head * d;
    // Scaled queries serve both the scores and dK.
    sequence.copy::<FMA>((rows.first, rows.rows), head * d, shape.scale(), true, b.queries, wide);
    transposed::<S>((rows.rows, d), (b.queries, wide), (b.queries_t, S::ROWS));
    let mut inner = [0.0f32; 64];
    for (i, inner) in inner.iter_mut().enumerate().take(rows.rows) {
        let dout = &given.dout[row_of(i)..][..d];
        ahead(given.dout, row_of(i + AHEAD), d);
        ahead(given.out, row_of(i + AHEAD), d);
        let to = &mut b.douts[i * wide..(i + 1) * wide];
        to[..d].copy_from_slice(dout);
        to[d..].fill(0.0);
        *inner = dot::<FMA>(&given.out[row_of(i)..][..d], dout);
    }
    transposed::<S>((rows.rows, d), (b.douts, wide), (b.douts_t, S::ROWS));
    b.dq.fill(0.0);
    let lse = &given.lse[(sequence.first / t * shape.heads + head) * t..][..t];
    for (first, count) in rows.keys(S::KEYS) {
        let all = count.next_multiple_of(S::LANES);
        // How many keys the rows of each tile reach to.
        let mut reaches = [0; MOST_ROWS];
        for row in (0..rows.rows).step_by(S::MR) {
            let tile = S::MR.min(rows.rows - row);
            let reach = sequence.reach((rows.first + row, tile), (first, count));
            let across = reach.next_multiple_of(S::LANES);
            reaches[row / S::MR] = reach;
            let (p, ds) = (&mut b.p[row * SCORES..], &mut b.ds[row * SCORES..]);
            // SAFETY: `task` runs where the machine has `S`; buffers hold whole tiles.
            unsafe {
                let (left, right) =
                    ((b.queries_t[row..].as_ptr(), S::ROWS), (b.keys_t[first..].as_ptr(), long));
                S::product::<1>((tile, across, d), left, right, (p.as_mut_ptr(), SCORES), (1.0, 0.0), coming);
                let (left, right) =
                    ((b.douts_t[row..].as_ptr(), S::ROWS), (b.values_t[first..].as_ptr(), long));
                S::product::<1>(
                    (tile, across, d),
                    left,
                    right,
                    (ds.as_mut_ptr(), SCORES),
                    (1.0, 0.0),
                    coming,
                );
            }
            let scores = p.chunks_exact_mut(SCORES).zip(ds.chunks_exact_mut(SCORES));
            for (i, (p, ds)) in scores.enumerate().take(tile) {
                let at = rows.first + row + i;
                let seen = sequence.seen(at, (first, reach));
                // Keys that the row does not see have no weight; the row keeps its length, in whole vectors.
                p[..seen.start].fill(f32::NEG_INFINITY);
                p[seen.end..across].fill(f32::NEG_INFINITY);
                let (lse, inner) = (lse[at], inner[row + i]);
                pieces!(
                    |p: &mut f32, ds: &mut f32| {
                        *p = exp::<FMA>(*p - lse);
                        *ds = *p * (*ds - inner);
                    },
                    p[..across],
                    ds[..across]
                );
                p[across..all].fill(0.0);
                ds[across..all].fill(0.0);
            }
            // SAFETY: as above.
            unsafe {
                let (left, right) = ((ds.as_ptr(), 1), (b.keys[first * wide..].as_ptr(), wide));
                let to = (b.dq[row * wide..].as_mut_ptr(), wide);
                S::product::<SCORES>((tile, wide, reach), left, right, to, (shape.scale(), 1.0), coming);
            }
        }
        for key in (0..count).step_by(S::MR) {
            let keys = S::MR.min(count - key);
            // The first rows may not reach to these keys.
            let before = reaches.iter().take_while(|&&reach| reach <= key).count() * S::MR;
            let Some(steps) = rows.rows.checked_sub(before).filter(|&steps| steps > 0) else { continue };
            let (from, own) = (before * SCORES + key, (first + key) * wide);
            // SAFETY: as above; `keys` rows of `dv` and `dk` are written.
            unsafe {
                let (left, right) =
                    ((b.p[from..].as_ptr(), SCORES), (b.douts[before * wide..].as_ptr(), wide));
                let to = (b.dv[own..].as_mut_ptr(), wide);
                S::product::<1>((keys, wide, steps), left, right, to, (1.0, 1.0), coming);
                let (left, right) =
                    ((b.ds[from..].as_ptr(), SCORES), (b.queries[before * wide..].as_ptr(), wide));
                let to = (b.dk[own..].as_mut_ptr(), wide);
                S::product::<1>((keys, wide, steps), left, right, to, (1.0, 1.0), coming);
            }
        }
    }
    write::<FMA>(sequence, given.dqkv, (rows.first, rows.rows), head * d, true, b.dq, wide);
}

/// Writes `count` rows of gradients, `stride` apart, to the columns from `column` on, turned back if `turn`.
#[inline(always)]
fn write<const FMA: bool>(
    sequence: &Sequence<'_>,
    dqkv: Shared<'_>,
    (from, count): (usize, usize),
    column: usize,
    turn: bool,
    rows: &[f32],
    stride: usize,
) {
    let d = sequence.shape.head_dim;
    for (i, row) in rows.chunks_exact(stride).enumerate().take(count) {
        let number = sequence.first + from + i;
        ahead_at(dqkv.pointer(0).wrapping_add((number + AHEAD) * sequence.shape.qkv_width() + column), d);
        // SAFETY: the columns of a query head or key head of one sequence belong to one task.
        let to = unsafe { dqkv.slice(number * sequence.shape.qkv_width() + column, d) };
        to.copy_from_slice(&row[..d]);
        if let Some((table, positions)) = sequence.rows.rope.filter(|_| turn) {
            let (cos, sin) = table.row(positions[number] as usize);
            turn_head::<FMA>(to, cos, sin, -1.0);
        }
    }
}
