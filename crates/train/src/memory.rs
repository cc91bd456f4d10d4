//! The memory of a training, counted before it begins.
//!
//! What is counted is the resident memory of the process at its peak, as the system reports it (`VmHWM`): the arenas,
//! the pool of activations to the last float, the scratch buffers of the loops, and around them the program itself, its
//! tokenizer and the pages of the token shards that it reads.

use regimen_base::{machine, units};
use regimen_kernels::threads;
use regimen_models::estimate::{Activations, scratch_floats};
use regimen_models::{DecoderConfig, Recompute};
use regimen_optim::rule::Size;

use crate::config::Pretrain;
use crate::error::Error;
use crate::{forecast, score};

/// What the program, its libraries and the allocator take besides.
const PROGRAM: f64 = 16e6;
/// Bytes of a tokenizer for each of its ids.
const PER_ID: f64 = 500.0;

/// Bytes of a training at its peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// The weight arena.
    pub weights: f64,
    /// The gradient arena.
    pub gradients: f64,
    /// The optimizer's arenas.
    pub optimizer: f64,
    /// The pool of activations and their gradients.
    pub activations: f64,
    /// Buffers inside loops, of all threads.
    pub scratch: f64,
    /// Everything else.
    pub program: f64,
}

impl Memory {
    /// The memory of training `decoder` as `config` says, on tokens of which `validation_tokens` are held out and
    /// `mapped` bytes are read.
    pub fn of(decoder: &DecoderConfig, config: &Pretrain, validation_tokens: f64, mapped: f64) -> Memory {
        let arena = 4.0 * decoder.parameters() as f64;
        let Size { state, work } = forecast::optimizer(decoder, config);
        let optimizer = 4.0 * (state + work) as f64;
        let (rows, time) = (config.micro_batch(), config.model.context);
        // Beyond all machines the count itself would be too large for its integers.
        let wide = (4 * decoder.width + decoder.up_width() + decoder.qkv_width()) as f64;
        let rough = 4.0 * decoder.layers as f64 * (rows * time) as f64 * wide;
        if rough > 1e15 {
            return Memory {
                weights: arena,
                gradients: arena,
                optimizer,
                activations: rough,
                scratch: 0.0,
                program: PROGRAM,
            };
        }
        let mut activations = Activations::new(decoder, config.recompute);
        // Three steps: where lengths are near each other, the second may still take a buffer of its own.
        for _ in 0..3 {
            activations.step(rows, time);
            if !config.batch.is_multiple_of(rows) {
                activations.step(config.batch % rows, time);
            }
        }
        let mut held = activations.held();
        let mut scratch = scratch_floats(decoder, rows, time, true, threads());
        if validation_tokens > 0.0 {
            let rows = validation_rows(time, validation_tokens);
            // Scoring gives back what a step holds, and the other way round.
            let mut scoring = Activations::new(decoder, config.recompute);
            scoring.score(rows, time);
            held = held.max(scoring.held());
            scratch = scratch.max(scratch_floats(decoder, rows, time, false, threads()));
        }
        let cache = if config.samples.every > 0 { 2 * decoder.layers * decoder.kv_width() * time } else { 0 };
        Memory {
            weights: arena,
            gradients: arena,
            optimizer,
            activations: 4.0 * held as f64,
            scratch: 4.0 * scratch as f64,
            program: PROGRAM + PER_ID * decoder.vocab as f64 + mapped + 4.0 * cache as f64,
        }
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.asked_for() + self.scratch + self.program
    }

    /// What is certain to be asked for in large pieces, whatever the program itself takes.
    pub fn asked_for(&self) -> f64 {
        self.weights + self.gradients + self.optimizer + self.activations
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("activations", self.activations),
            ("scratch", self.scratch),
        ];
        let parts = parts.map(|(name, bytes)| format!("{name} {}", units::memory(bytes as u64)));
        f.write_str(&parts.join(", "))
    }
}

/// Sequences of `time` tokens in a pass of validation.
fn validation_rows(time: usize, tokens: f64) -> usize {
    // Windows overlap by half.
    let most = (2.0 * tokens / time as f64).ceil() as usize;
    (score::SLOTS / time).min(most).max(1)
}

/// The way out when a training does not fit into `room` bytes: settings with which `need` of it does, if there are any.
pub fn way_out(config: &Pretrain, room: f64, need: impl Fn(&Pretrain) -> f64) -> String {
    let fits = |recompute: Recompute, rows: usize| {
        let mut changed = config.clone();
        (changed.recompute, changed.micro_batch) = (recompute, rows);
        need(&changed) <= room
    };
    let rows = config.micro_batch();
    // The largest pass that fits; less never needs more.
    let largest = |recompute: Recompute| {
        let (mut low, mut high) = (0, rows);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if fits(recompute, middle) { low = middle } else { high = middle - 1 }
        }
        low
    };
    let passes = |rows: usize| format!("`micro_batch = {rows}`");
    let blocks = "`recompute = \"blocks\"`";
    let (kept, again) = (largest(config.recompute), largest(Recompute::Blocks));
    let same = config.recompute == Recompute::Blocks;
    match (kept, again) {
        (_, 0) => "make the model or its context smaller, or free memory".into(),
        (0, again) if again == rows => format!("set {blocks}"),
        (0, again) => format!("set {blocks} and {}", passes(again)),
        (kept, _) if same => format!("set {}", passes(kept)),
        (kept, again) if again == rows => format!("set {blocks}, or {}", passes(kept)),
        (kept, again) => format!("set {}, or {blocks} and {}", passes(kept), passes(again)),
    }
}

/// An error for which memory ran out, with all that the training needs and the way out; any other as it is. `resume` is
/// the step of the checkpoint that the same command goes on from.
pub fn explain(
    error: Error,
    decoder: &DecoderConfig,
    config: &Pretrain,
    validation_tokens: u64,
    resume: Option<u64>,
) -> Error {
    if !error.out_of_memory() {
        return error;
    }
    let need = |config: &Pretrain| Memory::of(decoder, config, validation_tokens as f64, 0.0);
    let needed = need(config);
    // Where there would have been room for all of it, it ran out for something that is not counted.
    let room = machine::room().map_or(needed.asked_for(), |room| needed.asked_for().min(room.bytes as f64));
    let way_out = way_out(config, 0.9 * room, |config| need(config).total());
    let go_on = match resume {
        Some(step) => format!("; the same command goes on from the checkpoint of step {step}"),
        None => String::new(),
    };
    Error::Memory {
        message: format!("{error}; training needs about {} ({needed})", units::memory(needed.total() as u64)),
        hint: format!("{way_out}{go_on}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    fn config() -> Pretrain {
        let text = "steps = 10\nbatch = 12\nmodel = { layers = 8, width = 32, heads = 2, context = 32 }";
        // The stage without its inputs: its fields alone are wanted.
        let kind = regimen_recipe::StageKind { inputs: &[], ..crate::fields::PRETRAIN };
        let kind: &'static regimen_recipe::StageKind = Box::leak(Box::new(kind));
        let dir = tempfile::tempdir().unwrap();
        let recipe = regimen_recipe::testing::recipe(kind, text, dir.path(), &[], 0).unwrap();
        Pretrain::deserialize(&recipe.stages[0].config).unwrap()
    }

    #[test]
    fn the_way_out_is_the_least_change_that_fits() {
        let config = config();
        let need = |config: &Pretrain| {
            let per_row = if config.recompute == Recompute::Blocks { 1.0 } else { 10.0 };
            100.0 + per_row * config.micro_batch() as f64
        };
        assert_eq!(way_out(&config, 150.0, need), "set `recompute = \"blocks\"`, or `micro_batch = 5`");
        assert_eq!(way_out(&config, 112.0, need), "set `recompute = \"blocks\"`, or `micro_batch = 1`");
        assert_eq!(way_out(&config, 109.0, need), "set `recompute = \"blocks\"` and `micro_batch = 9`");
        assert!(way_out(&config, 90.0, need).starts_with("make the model"));
        let blocks = Pretrain { recompute: Recompute::Blocks, ..config };
        assert_eq!(way_out(&blocks, 107.0, need), "set `micro_batch = 7`");
    }

    #[test]
    fn parts_add_up_and_computing_again_costs_less() {
        let config = config();
        let decoder = config.model.decoder(300);
        let plain = Memory::of(&decoder, &config, 0.0, 0.0);
        let blocks = Memory::of(&decoder, &Pretrain { recompute: Recompute::Blocks, ..config }, 0.0, 0.0);
        assert!(blocks.activations < 0.5 * plain.activations);
        assert_eq!(blocks.weights + blocks.gradients + blocks.optimizer, 16.0 * decoder.parameters() as f64);
        assert!(plain.to_string().contains("activations "), "{plain}");
    }
}
