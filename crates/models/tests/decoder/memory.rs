//! What passes hold, what they keep, and that computing it again changes nothing.

use super::{Batch, build, loss, variants};
use regimen_models::{Activations, DecoderConfig, Recompute};
use regimen_tensor::{Grads, Pool};

/// Shapes that weigh the parts of a model differently.
fn shapes() -> Vec<DecoderConfig> {
    let llama = DecoderConfig { kv_heads: 2, ..DecoderConfig::llama(500, 64, 3, 48, 4, 128) };
    let gpt2 = DecoderConfig::gpt2(500, 64, 3, 48, 4, 192);
    vec![
        DecoderConfig { vocab: 2000, tied: false, layers: 1, ..llama.clone() },
        DecoderConfig { vocab: 20, layers: 6, ..llama.clone() },
        DecoderConfig { vocab: 20, layers: 6, ff: 40, heads: 6, head_dim: 16, kv_heads: 6, ..gpt2.clone() },
        llama,
        gpt2,
    ]
}

#[test]
fn blocks_that_are_computed_again_give_the_same_bits() {
    for (name, config) in variants() {
        let (mut decoder, params) = build(&config, 3);
        let batch = Batch::random(&config, 3, 11);
        let pool = Pool::new();
        let mut run = |recompute| {
            decoder.set_recompute(recompute);
            // Gradients add to what is there; parts of the batch follow one another.
            let mut grads = Grads::zeros(params.layout.clone());
            let parts = [0..2, 2..3].map(|part| {
                loss(&decoder, &params, &pool, &batch.part(part), 0.01, Some(&mut grads)).to_bits()
            });
            (parts, grads.data.iter().map(|g| g.to_bits()).collect::<Vec<u32>>())
        };
        let kept = run(Recompute::None);
        assert!(kept.1.iter().any(|&bits| bits != 0));
        assert_eq!(kept, run(Recompute::Blocks), "{name}");
        assert_eq!(kept, run(Recompute::Blocks), "{name}, from dirty buffers");
    }
}

#[test]
fn later_steps_take_nothing_new_and_the_count_is_exact() {
    for config in shapes() {
        for recompute in [Recompute::None, Recompute::Blocks] {
            let (mut decoder, params) = build(&config, 5);
            decoder.set_recompute(recompute);
            let pool = Pool::new();
            let mut grads = Grads::zeros(params.layout.clone());
            let mut count = Activations::new(&config, recompute);
            let case = format!("{config:?}, {recompute:?}");
            let same = |pool: &Pool, count: &Activations<'_>, what: &str| {
                assert_eq!((count.held(), count.peak()), (pool.held(), pool.peak()), "{what}: {case}");
            };
            // Steps, passes without gradients between them that are larger, smaller, about as large, and steps again.
            for _ in 0..2 {
                let batch = Batch::random(&config, 3, 40);
                // Where two lengths are so near that a buffer may serve either, the second step may take another.
                for _ in 0..2 {
                    loss(&decoder, &params, &pool, &batch, 0.0, Some(&mut grads));
                    count.step(3, 40);
                    same(&pool, &count, "step");
                }
                let held = pool.held();
                loss(&decoder, &params, &pool, &batch, 0.0, Some(&mut grads));
                assert_eq!(pool.held(), held, "a third step: {case}");
                count.step(3, 40);
                for (rows, time) in [(5, 40), (2, 33), (3, 39)] {
                    loss(&decoder, &params, &pool, &Batch::random(&config, rows, time), 0.0, None);
                    count.score(rows, time);
                    same(&pool, &count, "pass without gradients");
                }
            }
        }
    }
}

#[test]
fn what_is_held_comes_to_rest() {
    for config in shapes() {
        let mut count = Activations::new(&config, Recompute::None);
        let mut round = || {
            count.step(16, 64);
            count.step(5, 64);
            for (rows, time) in [(64, 64), (70, 57), (81, 50), (33, 41)] {
                count.score(rows, time);
            }
            count.held()
        };
        let mut after = |rounds: usize| (0..rounds).fold(0, |_, _| round());
        assert_eq!(after(5), after(50), "{config:?}");
    }
}

#[test]
fn computing_blocks_again_holds_one_of_them() {
    let config = DecoderConfig::gpt2(50, 64, 12, 48, 4, 192);
    let held = |recompute, layers| {
        let config = DecoderConfig { layers, ..config.clone() };
        let mut count = Activations::new(&config, recompute);
        count.step(4, 64);
        count.held()
    };
    let rows = 4 * 64;
    // Another block adds its stream and nothing else.
    assert_eq!(held(Recompute::Blocks, 13) - held(Recompute::Blocks, 12), rows * 48);
    assert!(held(Recompute::None, 13) - held(Recompute::None, 12) > 12 * rows * 48);
    assert!(held(Recompute::None, 12) > 4 * held(Recompute::Blocks, 12));
}
