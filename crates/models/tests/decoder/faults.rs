//! Steps on odd shapes and hostile numbers.

use super::{Batch, build, gradient, loss};
use regimen_kernels::{norm_sq_f64, with_threads};
use regimen_models::DecoderConfig;
use regimen_tensor::Pool;

/// Sizes of one, primes, more than a tile or a block of attention, and a vocabulary that no vector divides.
fn odd() -> Vec<(DecoderConfig, usize, usize)> {
    let gpt2 = |vocab, context, layers, width, heads, ff| DecoderConfig {
        init_std: 0.3,
        ..DecoderConfig::gpt2(vocab, context, layers, width, heads, ff)
    };
    let llama = |vocab, context, layers, width, heads, ff| DecoderConfig {
        init_std: 0.3,
        ..DecoderConfig::llama(vocab, context, layers, width, heads, ff)
    };
    vec![
        (gpt2(2, 1, 1, 1, 1, 1), 1, 1),
        (gpt2(13, 7, 1, 11, 1, 17), 3, 7),
        (gpt2(101, 131, 1, 21, 3, 37), 1, 131),
        (llama(31, 5, 2, 26, 13, 29), 1, 5),
        (llama(211, 127, 1, 34, 1, 67), 2, 127),
    ]
}

#[test]
fn odd_shapes_have_the_right_gradient_at_any_number_of_threads() {
    for (config, batch, time) in odd() {
        let (decoder, params) = build(&config, 3);
        let batch = Batch::random(&config, batch, time);
        let grads = gradient(&decoder, &params, &batch, 0.0);
        for threads in [1, 2, 4, 33] {
            let again = with_threads(threads, || gradient(&decoder, &params, &batch, 0.0));
            assert!(again.data == grads.data, "{config:?} on {threads} threads");
        }
        let length = norm_sq_f64(&grads.data).sqrt();
        assert!(length > 0.0, "{config:?}");
        let pool = Pool::new();
        let at = |step: f64| {
            let mut moved = params.clone();
            for (p, g) in moved.data.iter_mut().zip(&grads.data[..]) {
                *p += (step * f64::from(*g) / length) as f32;
            }
            loss(&decoder, &moved, &pool, &batch, 0.0, None)
        };
        let slope = |step: f64| (at(step) - at(-step)) / (2.0 * step);
        let expected = (4.0 * slope(0.004) - slope(0.008)) / 3.0;
        assert!((length - expected).abs() < 0.005 * expected + 2e-5, "{config:?}: {length}, not {expected}");
    }
}

#[test]
fn a_batch_without_a_token_to_train_on_has_no_loss_and_no_gradient() {
    let config = DecoderConfig::llama(31, 8, 1, 16, 2, 32);
    let (decoder, params) = build(&config, 3);
    let mut batch = Batch::random(&config, 2, 8);
    batch.weights.fill(0.0);
    batch.targets.fill(u32::MAX);
    let grads = gradient(&decoder, &params, &batch, 0.1);
    assert_eq!(loss(&decoder, &params, &Pool::new(), &batch, 0.1, None), 0.0);
    assert!(grads.data.iter().all(|&g| g == 0.0));
}

#[test]
fn what_is_not_a_number_reaches_the_loss_wherever_it_stands() {
    for (config, batch, time) in odd().into_iter().skip(1) {
        let (decoder, params) = build(&config, 3);
        let batch = Batch::random(&config, batch, time);
        for bad in [f32::NAN, f32::INFINITY] {
            for handle in params.layout.handles() {
                let mut broken = params.clone();
                // A row of a table may belong to a token that does not occur: all of the segment is broken.
                broken.slice_mut(handle).fill(bad);
                let found = loss(&decoder, &broken, &Pool::new(), &batch, 0.0, None);
                let name = &params.layout.segment(handle).name;
                assert!(!found.is_finite(), "{bad} in {name} gives a loss of {found}");
            }
        }
    }
}

/// A weight of denormal numbers does exactly what a weight of zeros does, forward and backward: products take them for
/// zeros, so no multiplication is slowed down by them.
#[test]
fn denormal_weights_are_zeros() {
    let config = DecoderConfig { init_std: 0.3, ..DecoderConfig::gpt2(67, 40, 2, 48, 3, 96) };
    let (decoder, params) = build(&config, 5);
    let batch = Batch::random(&config, 3, 40);
    for name in ["layers.0.mlp.up", "layers.0.mlp.down", "layers.1.attn.qkv", "layers.1.attn.out"] {
        let handle = params.layout.expect(name).unwrap();
        let filled = |value: f32| {
            let mut params = params.clone();
            params.slice_mut(handle).fill(value);
            let grads = gradient(&decoder, &params, &batch, 0.0);
            let bits: Vec<u32> = grads.data.iter().map(|g| g.to_bits()).collect();
            (loss(&decoder, &params, &Pool::new(), &batch, 0.0, None), bits)
        };
        assert!(filled(1e-40) == filled(0.0), "{name}");
    }
}
