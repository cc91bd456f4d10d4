//! Times cached decoding of two models: `cargo run --release --example decode [tokens]`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use regimen_models::{Cache, Decoder, DecoderConfig};
use regimen_tensor::Params;

fn main() -> Result<(), regimen_models::Error> {
    let tokens = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100);
    time(
        "gpt-2 17M",
        &DecoderConfig { tied: false, ..DecoderConfig::gpt2(8192, 256, 6, 384, 6, 1536) },
        tokens,
    )?;
    time("llama 2M", &DecoderConfig::llama(2048, 256, 4, 192, 4, 512), tokens)
}

fn time(name: &str, config: &DecoderConfig, tokens: usize) -> Result<(), regimen_models::Error> {
    let (decoder, layout) = Decoder::with_layout(config)?;
    let params = Params::init(layout, 1);
    let mut cache = Cache::new(config, config.context);
    let prompt: Vec<u32> = (0..config.context as u32 / 2).collect();
    decoder.extend(&params, &mut cache, &prompt)?;
    cache.truncate(0);
    let begin = Instant::now();
    let mut logits = decoder.extend(&params, &mut cache, &prompt)?;
    let prefill = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let count = tokens.min(config.context - prompt.len());
    for _ in 0..count {
        let next = regimen_kernels::argmax(&logits).unwrap_or(0) as u32;
        logits = decoder.extend(&params, &mut cache, &[next])?;
    }
    let each = begin.elapsed().as_secs_f64() / count as f64;
    println!(
        "{name}: prompt {:.0} tokens/s, then {:.0} tokens/s = {:.1} GB/s of weights",
        prompt.len() as f64 / prefill,
        1.0 / each,
        4e-9 * config.matmul_parameters() as f64 / each
    );
    Ok(())
}
