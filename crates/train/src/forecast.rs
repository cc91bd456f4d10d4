//! What training will cost: tokens, parameters, FLOPs, memory and minutes on this machine.

use std::time::Instant;

use regimen_base::{Failure, machine};
use regimen_models::{DecoderConfig, activation_floats};
use regimen_optim::Hyper;
use regimen_recipe::{Forecast, Planning};
use regimen_tokens::Block;
use serde::Deserialize;

use crate::config::Pretrain;
use crate::error::Result;
use crate::trainer::Trainer;

/// Bytes a parameter costs: weight, gradient and the optimizer's two moments.
const BYTES_PER_PARAMETER: f64 = 16.0;
/// What the program, the tokenizer and the mapped shards take besides.
const BASE_MEMORY: f64 = 60e6;
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
    let memory = memory(&decoder, &config);
    // A model that does not fit is not measured: its time is unknown.
    let room = machine::memory().map_or(f64::INFINITY, |m| m.available as f64);
    let rate = if planning.measure && memory < room {
        measure(&decoder, config.micro_batch(), context)?
    } else {
        0.0
    };
    let mut forecast = Forecast {
        tokens,
        parameters,
        flops,
        memory,
        disk: 3.0 * 4.0 * parameters * (1.0 + config.checkpoint.keep as f64),
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

/// Peak memory of a training in bytes.
pub fn memory(decoder: &DecoderConfig, config: &Pretrain) -> f64 {
    BASE_MEMORY
        + BYTES_PER_PARAMETER * decoder.parameters() as f64
        + 4.0 * activation_floats(decoder, config.micro_batch(), config.model.context) as f64
}

/// Floating-point operations a second that whole training steps of this model's shape reach here, repeated for about a
/// second. What would take longer is measured with fewer blocks, then a shorter context, then fewer rows: its time is
/// made of the same operations.
fn measure(decoder: &DecoderConfig, rows: usize, context: usize) -> Result<f64> {
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
    let hyper = Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    let mut trainer = Trainer::new(&small, hyper, 0)?;
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
