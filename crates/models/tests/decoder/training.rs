//! Loss and gradients.

use super::{Batch, build, gradient, loss, variants};
use regimen_kernels::{AdamW, adamw_step, norm_sq_f64};
use regimen_models::{DecoderConfig, TokenBlock};
use regimen_tensor::{Grads, Params, Pool, Tape};

/// Along its own gradient, each segment changes the loss by the gradient's length: central differences of two steps,
/// extrapolated.
#[test]
fn every_segment_has_the_right_gradient() {
    for (name, config) in variants() {
        let (decoder, params) = build(&config, 1);
        let batch = Batch::random(&config, 2, 10);
        let grads = gradient(&decoder, &params, &batch, 0.01);
        let pool = Pool::new();
        for handle in params.layout.handles() {
            let segment = params.layout.segment(handle).name.clone();
            let length = norm_sq_f64(grads.slice(handle)).sqrt();
            assert!(length > 1e-6, "{name}: no gradient for {segment}");
            let slope = |step: f64| {
                let at = |step: f64| {
                    let mut moved = params.clone();
                    let direction = grads.slice(handle);
                    for (p, g) in moved.slice_mut(handle).iter_mut().zip(direction) {
                        *p += (step * f64::from(*g) / length) as f32;
                    }
                    loss(&decoder, &moved, &pool, &batch, 0.01, None)
                };
                (at(step) - at(-step)) / (2.0 * step)
            };
            let step = 0.004;
            let expected = (4.0 * slope(step) - slope(2.0 * step)) / 3.0;
            let error = (length - expected).abs();
            assert!(
                error < 0.005 * expected + 2e-5,
                "{name}: {segment} has {length}, the loss says {expected}"
            );
        }
        assert!(grads.data.len() > config.parameters());
        assert_eq!(params.layout.parameters(), config.parameters(), "{name}");
    }
}

#[test]
fn a_token_sees_nothing_of_another_document() {
    for (name, config) in variants() {
        let config = DecoderConfig { context: 200, ..config };
        let (decoder, params) = build(&config, 2);
        let pool = Pool::new();
        let (time, cut) = (150, 70);
        let hidden = |change: bool| {
            let mut batch = Batch::random(&config, 2, time);
            for sequence in batch.starts.chunks_mut(time) {
                sequence.iter_mut().enumerate().for_each(|(i, s)| *s = if i < cut { 0 } else { cut as u32 });
            }
            if change {
                batch.ids.chunks_mut(time).for_each(|ids| ids[..cut].fill(3));
            }
            let mut tape = Tape::new(&params, &pool, false);
            let hidden = decoder.hidden(&mut tape, &batch.block()).unwrap();
            tape.value(hidden).iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
        };
        let (before, after) = (hidden(false), hidden(true));
        let row = config.width;
        for sequence in 0..2 {
            let at = sequence * time * row;
            assert_ne!(before[at..at + cut * row], after[at..at + cut * row], "{name}");
            assert_eq!(
                before[at + cut * row..at + time * row],
                after[at + cut * row..at + time * row],
                "{name}"
            );
        }
        // Nor does its place in the sequence matter.
        let batch = Batch::random(&config, 1, 20);
        let nll = |ids: &[u32], targets: &[u32], starts: &[u32]| {
            let block = TokenBlock { batch: 1, time: ids.len(), ids, starts };
            decoder.token_nll(&params, &pool, &block, targets, &vec![1.0; ids.len()]).unwrap()
        };
        let both = nll(&batch.ids, &batch.targets, &batch.starts);
        let alone = nll(&batch.ids[10..], &batch.targets[10..], &[0; 10]);
        for (a, b) in both[10..].iter().zip(&alone) {
            assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{name}: {a} {b}");
        }
    }
}

#[test]
fn micro_batches_add_up_to_the_whole_batch() {
    for (name, config) in variants() {
        let (decoder, params) = build(&config, 3);
        let batch = Batch::random(&config, 8, 12);
        let whole = gradient(&decoder, &params, &batch, 0.001);
        let pool = Pool::new();
        let mut parts = Grads::zeros(params.layout.clone());
        let mut total = 0.0;
        for i in 0..4 {
            total += loss(&decoder, &params, &pool, &batch.part(2 * i..2 * i + 2), 0.001, Some(&mut parts));
        }
        let expected = loss(&decoder, &params, &pool, &batch, 0.001, None);
        assert!((total - expected).abs() < 1e-6 * expected, "{name}: {total} {expected}");
        let difference: Vec<f32> = whole.data.iter().zip(&parts.data).map(|(a, b)| a - b).collect();
        let relative = (norm_sq_f64(&difference) / norm_sq_f64(&whole.data)).sqrt();
        assert!(relative < 1e-6, "{name}: {relative}");
    }
}

/// Parameters after three AdamW steps on one batch, and the losses.
fn train(config: &DecoderConfig, batch: &Batch) -> (Vec<u32>, Vec<f64>) {
    let (decoder, mut params) = build(config, 4);
    let pool = Pool::new();
    let mut grads = Grads::zeros(params.layout.clone());
    let (mut m, mut v) = (Params::zeros(params.layout.clone()), Params::zeros(params.layout.clone()));
    let rule = AdamW { lr: 3e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 };
    let mut losses = Vec::new();
    for step in 1..=3 {
        grads.zero();
        losses.push(loss(&decoder, &params, &pool, batch, 1e-4, Some(&mut grads)));
        adamw_step(&mut params.data, &mut m.data, &mut v.data, &grads.data, &rule, step, 1.0);
    }
    (params.data.iter().map(|x| x.to_bits()).collect(), losses)
}

#[test]
fn training_has_the_same_bits_on_any_number_of_threads() {
    let llama = DecoderConfig { kv_heads: 2, ..DecoderConfig::llama(700, 96, 2, 64, 4, 160) };
    for config in [llama, DecoderConfig::gpt2(700, 96, 2, 64, 4, 256)] {
        let batch = Batch::random(&config, 4, 96);
        let run = |threads: usize| regimen_kernels::with_threads(threads, || train(&config, &batch));
        let (bits, losses) = run(1);
        assert!(losses[2] < losses[1] && losses[1] < losses[0], "{losses:?}");
        assert_eq!(bits, run(2).0);
        assert_eq!(bits, run(4).0);
    }
}

/// The loss as a node of the tape, for losses that are added to others, and as a whole.
#[test]
fn both_ways_to_the_gradient_have_the_same_bits() {
    for (name, config) in variants() {
        let (decoder, params) = build(&config, 3);
        let batch = Batch::random(&config, 2, 10);
        let pool = Pool::new();
        let (block, targets, weights) = (batch.block(), &batch.targets[..], &batch.weights[..]);
        let (mut by_node, mut whole) =
            (Grads::zeros(params.layout.clone()), Grads::zeros(params.layout.clone()));
        let mut tape = Tape::new(&params, &pool, true);
        let node = decoder.loss(&mut tape, &block, targets, weights, 0.01).unwrap();
        tape.backward(node.total, &mut by_node).unwrap();
        let value = decoder
            .loss_backward(Tape::new(&params, &pool, true), &block, targets, weights, 0.01, &mut whole)
            .unwrap();
        assert!(whole.data == by_node.data, "{name}");
        assert_eq!((value.nll, value.weighted_nll, value.z_term), (node.nll, node.weighted_nll, node.z_term));
        let error = decoder
            .loss_backward(Tape::new(&params, &pool, true), &block, &targets[1..], weights, 0.01, &mut whole)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "model: 19 targets and 20 weights for batch 2 x 10");
    }
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let (_, config) = variants().remove(0);
    let (decoder, params) = build(&config, 6);
    let pool = Pool::new();
    let batch = Batch::random(&config, 1, 8);
    let says = |block: TokenBlock<'_>, targets: &[u32], weights: &[f32]| {
        decoder.token_nll(&params, &pool, &block, targets, weights).unwrap_err().to_string()
    };
    let (block, targets, weights) = (batch.block(), &batch.targets[..], &batch.weights[..]);
    assert_eq!(says(block, &targets[1..], weights), "model: 7 targets and 8 weights for batch 1 x 8");
    let strange = vec![19; 8];
    assert_eq!(
        says(TokenBlock { ids: &strange, ..block }, targets, weights),
        "embedding: token 19 is not below 19"
    );
    assert_eq!(says(block, &strange, weights), "cross_entropy: target 19 is not below 19");
    assert_eq!(
        says(TokenBlock { time: 9, ..block }, targets, weights),
        "model: 8 targets and 8 weights for batch 1 x 9"
    );
}
