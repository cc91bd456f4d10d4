//! The forward pass: softmax over blocks of keys with a running maximum and sum.
#![allow(unsafe_code)]

use super::block::{Blocks, MOST_KEYS, MOST_LANES, MOST_ROWS, SCORES, Sequence, dispatch, transposed};
use super::coming::Coming;
use super::{AttentionRows, AttentionShape};
use crate::math::{exp, fold, max, pieces};
use crate::par::{Shared, par};
use crate::scratch;

/// `out[i] = softmax(q[i] k^T / sqrt(head_dim)) v` over the keys that row `i` sees. `qkv`
/// `[batch * time, (heads + 2 kv_heads) * head_dim]` (all queries of a row, then its keys, then its values, not yet
/// turned), `out` `[batch * time, heads * head_dim]`; `lse` `[batch, heads, time]` receives the logarithm of the softmax's
/// sum.
pub fn attention_forward(
    shape: AttentionShape,
    qkv: &[f32],
    rows: AttentionRows<'_>,
    out: &mut [f32],
    lse: Option<&mut [f32]>,
) {
    if !shape.check(qkv, &rows, out) {
        return;
    }
    assert!(lse.as_ref().is_none_or(|l| l.len() == shape.lse_len()), "lse is not [batch, heads, time]");
    let to = &Results { out: Shared::new(out), lse: lse.map(Shared::new) };
    par(shape.batch * shape.kv_heads, |number| {
        let sequence = &Sequence::new(&shape, &rows, qkv, number / shape.kv_heads);
        let kv_head = number % shape.kv_heads;
        let sizes = sizes(shape.time, shape.head_dim);
        scratch::with(sizes.iter().sum(), |buffer| {
            let buffers = split(buffer, sizes);
            dispatch!(task(sequence: &Sequence<'_>, kv_head: usize, to: &Results<'_>, buffers: [&mut [f32]; 7]));
        });
    });
}

/// Floats of the buffers of a task.
pub(super) fn sizes(t: usize, d: usize) -> [usize; 7] {
    let wide = d.next_multiple_of(MOST_LANES);
    // Whole tiles of keys may be read behind the last one.
    let long = t.next_multiple_of(16) + MOST_KEYS;
    let rows = MOST_ROWS * wide;
    [d * long, t * wide, rows.max(t * wide), d * MOST_ROWS, MOST_ROWS * SCORES, rows, 2 * MOST_ROWS]
}

/// Where results go.
struct Results<'a> {
    out: Shared<'a>,
    lse: Option<Shared<'a>>,
}

#[inline(always)]
fn task<S: Blocks, const FMA: bool>(
    sequence: &Sequence<'_>,
    kv_head: usize,
    to: &Results<'_>,
    buffers: [&mut [f32]; 7],
) {
    let shape = sequence.shape;
    let (t, d) = (shape.time, shape.head_dim);
    let wide = d.next_multiple_of(S::LANES);
    let long = t.next_multiple_of(16) + MOST_KEYS;
    let [keys_t, values, plain, queries_t, scores, sums, running] = buffers;
    let (key_column, value_column) = shape.key_columns(kv_head);
    sequence.copy::<FMA>((0, t), key_column, 1.0, true, plain, wide);
    transposed::<S>((t, d), (plain, wide), (keys_t, long));
    sequence.copy::<FMA>((0, t), value_column, 1.0, false, values, wide);
    let mut coming = coming(sequence, kv_head, to);
    for head in kv_head * shape.group()..(kv_head + 1) * shape.group() {
        for b in sequence.blocks(S::ROWS) {
            sequence.copy::<FMA>((b.first, b.rows), head * d, shape.scale(), true, plain, wide);
            transposed::<S>((b.rows, d), (plain, wide), (queries_t, S::ROWS));
            let (top, total) = running.split_at_mut(S::ROWS);
            top.fill(f32::NEG_INFINITY);
            total.fill(0.0);
            // Whether there are sums for the rows of a tile.
            let mut begun = [false; MOST_ROWS];
            for (first, count) in b.keys(S::KEYS) {
                for row in (0..b.rows).step_by(S::MR) {
                    let rows = S::MR.min(b.rows - row);
                    let reach = sequence.reach((b.first + row, rows), (first, count));
                    if reach == 0 {
                        continue;
                    }
                    let across = reach.next_multiple_of(S::LANES);
                    let scores = &mut scores[row * SCORES..];
                    // SAFETY: `task` runs where the machine has `S`; buffers hold whole tiles.
                    unsafe {
                        S::product::<1>(
                            (rows, across, d),
                            (queries_t[row..].as_ptr(), S::ROWS),
                            (keys_t[first..].as_ptr(), long),
                            (scores.as_mut_ptr(), SCORES),
                            (1.0, 0.0),
                            &mut coming,
                        );
                    }
                    let lines = || row..row + rows;
                    for (i, line) in lines().zip(scores.chunks_exact_mut(SCORES)) {
                        let seen = sequence.seen(b.first + i, (first, reach));
                        // Keys that the row does not see have no weight; the row keeps its length, in whole vectors.
                        line[..seen.start].fill(f32::NEG_INFINITY);
                        line[seen.end..across].fill(f32::NEG_INFINITY);
                        let sums = &mut sums[i * wide..(i + 1) * wide];
                        raise::<FMA>(&line[..across], &mut top[i], &mut total[i], sums, begun[row / S::MR]);
                    }
                    for (i, line) in lines().zip(scores.chunks_exact_mut(SCORES)) {
                        total[i] += weigh::<FMA>(&mut line[..across], top[i]);
                    }
                    let beta = if begun[row / S::MR] { 1.0 } else { 0.0 };
                    begun[row / S::MR] = true;
                    // SAFETY: as above.
                    unsafe {
                        S::product::<SCORES>(
                            (rows, wide, reach),
                            (scores.as_ptr(), 1),
                            (values[first * wide..].as_ptr(), wide),
                            (sums[row * wide..].as_mut_ptr(), wide),
                            (1.0, beta),
                            &mut coming,
                        );
                    }
                }
            }
            for i in 0..b.rows {
                let (at, factor) = (b.first + i, 1.0 / total[i]);
                let place = (sequence.first + at) * shape.out_width() + head * d;
                // SAFETY: these columns of this row, and this element, belong to this task's head alone.
                unsafe {
                    let out = to.out.slice(place, d);
                    for (out, &sum) in out.iter_mut().zip(&sums[i * wide..]) {
                        *out = factor * sum;
                    }
                    if let Some(lse) = &to.lse {
                        let number = sequence.first / t * shape.heads + head;
                        lse.slice(number * t + at, 1)[0] = top[i] + total[i].ln();
                    }
                }
            }
        }
    }
}

/// What the task behind this one reads and writes.
fn coming(sequence: &Sequence<'_>, kv_head: usize, to: &Results<'_>) -> Coming {
    let mut coming = Coming::nothing();
    let Some((row, kv_head)) = sequence.next_task(kv_head) else { return coming };
    let shape = sequence.shape;
    let (d, width) = (shape.head_dim, shape.qkv_width());
    let qkv = sequence.qkv[row * width..].as_ptr();
    let queries = kv_head * shape.group() * d;
    let (key, value) = shape.key_columns(kv_head);
    coming.add(qkv, width, key, d);
    coming.add(qkv, width, value, d);
    coming.add(qkv, width, queries, shape.group() * d);
    coming.add(to.out.pointer(row * shape.out_width()), shape.out_width(), queries, shape.group() * d);
    coming.of(shape.time)
}

/// Consecutive parts of a buffer.
pub(super) fn split<const N: usize>(mut buffer: &mut [f32], sizes: [usize; N]) -> [&mut [f32]; N] {
    sizes.map(|size| {
        let (part, rest) = std::mem::take(&mut buffer).split_at_mut(size);
        buffer = rest;
        part
    })
}

/// Raises a row's running maximum to that of its scores, and brings what was summed before, if sums have `begun`, below it.
#[inline(always)]
fn raise<const FMA: bool>(scores: &[f32], top: &mut f32, total: &mut f32, sums: &mut [f32], begun: bool) {
    let here = max(scores);
    if !begun {
        *top = here;
    } else if here > *top {
        let factor = exp::<FMA>(*top - here);
        *top = here;
        *total *= factor;
        pieces!(|sum: &mut f32| *sum *= factor, sums);
    }
}

/// Turns a row of scores, in whole vectors, into exponentials below the running maximum; returns their sum.
#[inline(always)]
fn weigh<const FMA: bool>(scores: &mut [f32], top: f32) -> f32 {
    // A row of nothing but NaN, or of keys it does not see, has no largest score: the first shows in its exponentials all
    // the same, those of the second are 0.
    let top = if top == f32::NEG_INFINITY { 0.0 } else { top };
    pieces!(|score: &mut f32| *score = exp::<FMA>(*score - top), scores);
    fold(scores, |score, sum| sum + score)
}
