//! What training will cost: tokens, parameters, FLOPs, memory and minutes on this machine.

use std::time::Instant;

use regimen_base::{Failure, machine};
use regimen_models::DecoderConfig;
use regimen_optim::rule::Size;
use regimen_recipe::{Forecast, Planning};
use regimen_tokens::{Block, Dtype};
use serde::Deserialize;

use crate::config::Pretrain;
use crate::error::Result;
use crate::memory::Memory;
use crate::trainer::Trainer;

/// Seconds that the measurement may take.
const SECONDS: f64 = 1.0;

/// The forecast of a `pretrain` stage.
pub fn pretrain(planning: &Planning) -> std::result::Result<Forecast, Failure> {
    let config = Pretrain::deserialize(planning.config).map_err(|e| crate::Error::Config {
        field: "model".into(),
        message: e.to_string(),
        hint: "this is a fault of the program; please report it".into(),
    })?;
    // A model that it starts from may have more ids than the tokenizer.
    let vocab = ["tokens", "init", "extend"].map(|input| planning.fact(input, "vocab"));
    let vocab = vocab.into_iter().fold(2.0, f64::max) as usize;
    let decoder = config.model.decoder(vocab);
    let context = config.model.context;
    // A run that extends another has that much behind it.
    let steps = (config.steps as f64 - planning.fact("extend", "steps")).max(0.0);
    let tokens = steps * (config.batch * context) as f64;
    let parameters = decoder.parameters() as f64;
    let flops = decoder.flops_per_token(context) * tokens;
    let memory = memory(planning, &decoder, &config, tokens);
    // A model that does not fit is not measured: its time is unknown.
    let room = machine::room().map_or(f64::INFINITY, |room| room.bytes as f64);
    let rate = if planning.measure && memory < room { measure(&decoder, &config)? } else { 0.0 };
    let mut forecast = Forecast {
        tokens,
        parameters,
        flops,
        memory,
        disk: 4.0
            * (parameters + optimizer(&decoder, &config).state as f64)
            * (1.0 + config.checkpoint.keep as f64),
        seconds: if rate > 0.0 { flops / rate } else { 0.0 },
        ..Forecast::default()
    };
    forecast.facts.insert("parameters".into(), parameters);
    forecast.facts.insert("steps".into(), config.steps as f64);
    forecast.facts.insert("context".into(), context as f64);
    forecast.facts.insert("vocab".into(), vocab as f64);
    forecast.facts.insert("flops_per_second".into(), rate);
    forecast.facts.insert("forward_flops_per_token".into(), decoder.flops_per_token(context) / 3.0);
    Ok(forecast)
}

/// How large the optimizer of a training gets.
pub(crate) fn optimizer(decoder: &DecoderConfig, config: &Pretrain) -> Size {
    let (hidden, outer) = (decoder.hidden_matrices(), decoder.outer_matrices());
    config.optimizer.kind.size(decoder.parameters(), &hidden, &outer)
}

/// Peak memory of the training in bytes.
fn memory(planning: &Planning, decoder: &DecoderConfig, config: &Pretrain, tokens: f64) -> f64 {
    let fact = |name: &str| planning.fact("tokens", name);
    let mapped = Dtype::for_vocab(decoder.vocab).bytes() as f64 * fact("train_tokens").min(tokens);
    let training = Memory::of(decoder, config, fact("validation_tokens"), mapped);
    let mut start = training.weights + training.gradients + training.optimizer + training.program;
    if planning.inputs.contains_key("init") || planning.inputs.contains_key("extend") {
        // The weights of that model and the file they come from are held beside the new arenas, which for a model that is
        // large beside its batches is the peak.
        start += 2.0 * training.weights;
    }
    training.total().max(start)
}

/// Floating-point operations a second that whole training steps of this model's shape reach here, repeated for about a
/// second. What would take longer is measured with fewer blocks, then a shorter context, then fewer rows: its time is
/// made of the same operations.
fn measure(decoder: &DecoderConfig, config: &Pretrain) -> Result<f64> {
    let (rows, context) = (config.micro_batch(), config.model.context);
    let mut small = decoder.clone();
    let budget = 40e9;
    let mut time = context;
    let cost = |config: &DecoderConfig, rows: usize, time: usize| {
        config.flops_per_token(time) * (rows * time) as f64
    };
    while small.layers > 1 && cost(&small, 1, time) > budget {
        small.layers = small.layers.div_ceil(2);
    }
    while time > 64 && cost(&small, 1, time) > budget {
        time = time.div_ceil(2);
    }
    small.context = time;
    let rows = rows.min((budget / cost(&small, 1, time)) as usize).max(1);
    let mut trainer = Trainer::new(&small, config.optimizer.rule(), 0)?;
    trainer.decoder.set_recompute(config.recompute);
    let size = rows * time;
    let id = |i: usize| (i * 2_654_435_761 % decoder.vocab) as u32;
    let block = Block {
        rows,
        time,
        inputs: (0..size).map(id).collect(),
        targets: (1..=size).map(id).collect(),
        weights: vec![1.0; size],
        starts: vec![0; size],
        count: size,
    };
    trainer.step(&block, rows, 1e-4)?;
    let began = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || began.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        trainer.step(&block, rows, 1e-4)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(cost(&small, rows, time) / times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Optimizer;
    use regimen_models::{Mlp, Positions};
    use regimen_optim::Kind;

    #[test]
    fn the_size_of_an_optimizer_is_what_it_gets() {
        let llama = DecoderConfig { kv_heads: 2, head_dim: 8, ..DecoderConfig::llama(48, 16, 2, 32, 4, 64) };
        let gpt =
            DecoderConfig { mlp: Mlp::Gelu, positions: Positions::Learned, tied: false, bias: true, ..llama };
        for config in [llama, gpt] {
            for kind in [Kind::AdamW, Kind::Muon, Kind::Lion, Kind::Adafactor] {
                let trainer =
                    Trainer::new(&config, Optimizer { kind, ..Optimizer::default() }.rule(), 0).unwrap();
                let whole = trainer.layout().parameters();
                let floats = |state: &regimen_optim::State<'_>| match state.parts {
                    None => whole,
                    Some(parts) => parts.iter().map(|p| p.range.len()).sum(),
                };
                let state: usize = trainer.optimizer.state().iter().map(floats).sum();
                let (hidden, outer) = (config.hidden_matrices(), config.outer_matrices());
                assert_eq!(kind.size(config.parameters(), &hidden, &outer).state, state, "{kind}");
            }
        }
    }
}
