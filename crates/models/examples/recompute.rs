//! What computing blocks again costs and saves: `cargo run --release -p regimen-models --example recompute`.
//!
//! Steps of a gpt-2 with 6 layers of width 384, 8 sequences of 256 tokens, with activations kept and computed again, in
//! turn; the time of a pass forward and back, and what the pool of activations holds.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Instant;

use regimen_models::{Decoder, DecoderConfig, Recompute, TokenBlock};
use regimen_tensor::{Grads, Params, Pool, Tape};

fn main() {
    let runs = std::env::args().nth(1).map_or(7, |runs| runs.parse().unwrap());
    let config = DecoderConfig { tied: false, ..DecoderConfig::gpt2(8192, 256, 6, 384, 6, 1536) };
    let (mut decoder, layout) = Decoder::with_layout(&config).unwrap();
    let (params, mut grads) = (Params::init(layout.clone(), 1), Grads::zeros(layout));
    let (batch, time) = (8, 256);
    let ids: Vec<u32> = (0..batch * time).map(|i| (i * 2_654_435_761 % config.vocab) as u32).collect();
    let (starts, weights) = (vec![0; ids.len()], vec![1.0 / ids.len() as f32; ids.len()]);
    let block = TokenBlock { batch, time, ids: &ids, starts: &starts };
    let pools = [Pool::new(), Pool::new()];
    let modes = [Recompute::None, Recompute::Blocks];
    let mut seconds = [const { Vec::new() }; 2];
    for _ in 0..=runs {
        for ((mode, pool), seconds) in modes.iter().zip(&pools).zip(&mut seconds) {
            decoder.set_recompute(*mode);
            let start = Instant::now();
            let tape = Tape::new(&params, pool, true);
            decoder.loss_backward(tape, &block, &ids, &weights, 0.0, &mut grads).unwrap();
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    // The first pass of each fills its pool.
    let mut ratios: Vec<f64> = seconds[1].iter().zip(&seconds[0]).skip(1).map(|(b, a)| b / a).collect();
    ratios.sort_by(f64::total_cmp);
    for ((mode, pool), seconds) in modes.iter().zip(&pools).zip(&mut seconds) {
        seconds.remove(0);
        seconds.sort_by(f64::total_cmp);
        let mib = |floats: usize| floats as f64 * 4.0 / f64::from(1 << 20);
        println!(
            "{mode:?}: {:.0} ms (median of {runs}), the pool holds {:.1} MiB, {:.1} MiB in use at most",
            1e3 * seconds[seconds.len() / 2],
            mib(pool.held()),
            mib(pool.peak())
        );
    }
    println!("time of Blocks / None: {:.2} (median of pairs)", ratios[ratios.len() / 2]);
}
