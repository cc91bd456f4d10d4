//! Times a training step (forward, backward, AdamW) of two models: `cargo run --release --example step [repeats]`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use regimen_kernels::{AdamW, adamw_step};
use regimen_models::{Decoder, DecoderConfig, TokenBlock};
use regimen_tensor::{Grads, Params, Pool, Tape};

fn main() -> Result<(), regimen_models::Error> {
    let repeats = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10);
    let gpt2 = DecoderConfig { tied: false, ..DecoderConfig::gpt2(8192, 256, 6, 384, 6, 1536) };
    time("gpt-2 0.8M", &DecoderConfig::gpt2(65, 64, 4, 128, 4, 512), 12, 64, 20 * repeats)?;
    time("gpt-2 17M", &gpt2, 8, 256, repeats)?;
    time("llama 2M", &DecoderConfig::llama(2048, 128, 4, 192, 4, 512), 16, 128, repeats)
}

fn time(
    name: &str,
    config: &DecoderConfig,
    batch: usize,
    time: usize,
    repeats: u64,
) -> Result<(), regimen_models::Error> {
    let (decoder, layout) = Decoder::with_layout(config)?;
    let mut params = Params::init(layout.clone(), 1);
    let mut grads = Grads::zeros(layout.clone());
    let (mut m, mut v) = (vec![0.0; layout.len], vec![0.0; layout.len]);
    let rule = AdamW { lr: 3e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    let pool = Pool::new();
    let rows = batch * time;
    let ids: Vec<u32> = (0..rows).map(|i| (i * 7919 % config.vocab) as u32).collect();
    let targets: Vec<u32> = (0..rows).map(|i| (i * 104_729 % config.vocab) as u32).collect();
    let (starts, weights) = (vec![0; rows], vec![1.0 / rows as f32; rows]);
    let block = TokenBlock { batch, time, ids: &ids, starts: &starts };
    let mut steps = Vec::new();
    let (mut first, mut last) = (0.0, 0.0);
    for step in 1..=repeats {
        let begin = Instant::now();
        grads.zero();
        let loss = decoder.loss_backward(
            Tape::new(&params, &pool, true),
            &block,
            &targets,
            &weights,
            0.0,
            &mut grads,
        )?;
        let gradient = begin.elapsed();
        adamw_step(&mut params.data, &mut m, &mut v, &grads.data, &rule, step, 1.0);
        let whole = begin.elapsed();
        steps.push([whole, gradient, whole - gradient].map(|t| t.as_secs_f64() * 1e3));
        last = loss.weighted_nll;
        if step == 1 {
            first = last;
        }
    }
    steps.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let gflop = config.flops_per_token(time) * rows as f64 / 1e9;
    let [median, gradient, update] = steps[steps.len() / 2];
    let best = steps[0][0];
    println!(
        "{name}: {gflop:.1} GFLOP, {:.2} M parameters, {} threads: median {median:.1} ms = {:.0} GFLOP/s ({:.0} tokens/s), best \
         {best:.1} ms = {:.0} GFLOP/s; loss and gradient {gradient:.1}, AdamW {update:.1} ms; loss \
         {first:.3} -> {last:.3}; activations {:.0} MiB",
        config.parameters() as f64 / 1e6,
        regimen_kernels::threads(),
        gflop / median * 1e3,
        rows as f64 / median * 1e3,
        gflop / best * 1e3,
        pool.free_floats() as f64 * 4.0 / f64::from(1 << 20),
    );
    Ok(())
}
