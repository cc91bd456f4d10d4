//! Scoring held-out documents, each from an empty context: the one figure by which models are compared.
//!
//! A document's tokens and its end are scored once each, in overlapping windows of `context` slots that move on by
//! `stride` (half the context by default), so that all but the first have at least `context - stride` slots before
//! them. Bits per byte = nats / (ln 2 x bytes of text); the end symbol adds nats but no byte.

use regimen_models::{Decoder, TokenBlock};
use regimen_tensor::{Params, Pool};
use regimen_tokens::{Block, Span, Stream, windows};

use crate::error::Result;

/// Slots in one forward pass, about.
pub(crate) const SLOTS: usize = 4096;

/// The nats of each document in `ordinals`: the negative log-likelihood of its tokens and its end, NaN for one that
/// is not in the stream. `tick` hears how many rows of how many are done and stops the work by `false`; what was not
/// scored then counts as 0.
pub fn score(
    decoder: &Decoder,
    params: &Params,
    stream: &Stream,
    ordinals: &[u32],
    context: usize,
    stride: usize,
    pool: &Pool,
    tick: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Vec<f64>> {
    score_tokens(decoder, params, stream, ordinals, context, stride, pool, tick, &mut |_| {})
}

/// [`score`], where `heard` gets the nats of every token that is scored, in no order that means anything.
pub fn score_tokens(
    decoder: &Decoder,
    params: &Params,
    stream: &Stream,
    ordinals: &[u32],
    context: usize,
    stride: usize,
    pool: &Pool,
    tick: &mut dyn FnMut(usize, usize) -> bool,
    heard: &mut dyn FnMut(f32),
) -> Result<Vec<f64>> {
    let mut nats = vec![0.0; ordinals.len()];
    let mut owners = Vec::new();
    let mut spans: Vec<Span> = Vec::new();
    for (document, &ordinal) in ordinals.iter().enumerate() {
        let Some(slots) = stream.slots_of(ordinal) else {
            nats[document] = f64::NAN;
            continue;
        };
        let at = |r: std::ops::Range<usize>| slots.start + r.start as u64..slots.start + r.end as u64;
        for window in windows((slots.end - slots.start) as usize, context, stride) {
            owners.push(document);
            spans.push(Span { read: at(window.read), score: at(window.score) });
        }
    }
    // Rows of like length share a pass, so that little is padded; a stable sort keeps the order fixed.
    let length = |span: &Span| (span.read.end - span.read.start) as usize;
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(length(&spans[i])));
    let mut scored = vec![0.0; spans.len()];
    let mut block = Block::default();
    let (mut done, mut size) = (0, 0);
    while done < order.len() {
        let time = length(&spans[order[done]]);
        let many = (SLOTS / time).max(1).min(order.len() - done);
        // Buffers of another length, a training step's among them, would only lie beside those of this pass.
        if std::mem::replace(&mut size, many * time) != many * time {
            pool.clear();
        }
        let rows = &order[done..done + many];
        let chosen: Vec<Span> = rows.iter().map(|&i| spans[i].clone()).collect();
        stream.spans_block(&chosen, time, &mut block)?;
        let tokens = TokenBlock { batch: many, time, ids: &block.inputs, starts: &block.starts };
        let nll = decoder.token_nll(params, pool, &tokens, &block.targets, &block.weights)?;
        for (&row, nll) in rows.iter().zip(nll.chunks_exact(time)) {
            scored[row] = nll.iter().map(|&x| f64::from(x)).sum();
        }
        let scored_slots = nll.iter().zip(&block.weights).filter(|(_, weight)| **weight > 0.0);
        scored_slots.for_each(|(&nats, _)| heard(nats));
        done += many;
        if !tick(done, order.len()) {
            break;
        }
    }
    pool.clear();
    // Summed in the order of each document's windows, whatever pass they were in.
    owners.iter().zip(scored).for_each(|(&document, x)| nats[document] += x);
    Ok(nats)
}

/// Bits per byte of some documents.
pub fn bits_per_byte(nats: f64, bytes: u64) -> f64 {
    nats / (std::f64::consts::LN_2 * bytes.max(1) as f64)
}
