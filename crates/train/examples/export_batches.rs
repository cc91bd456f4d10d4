//! Writes what another program needs to repeat a training run: the initial weights, every batch, and the validation
//! documents. `cargo run --release -p regimen-train --example export_batches -- PROJECT MODEL FOLDER`
//!
//! FOLDER gets `run.json` (shapes and config), `weights.safetensors` (segments by name), and raw little-endian arrays:
//! `inputs.u32`, `targets.u32`, `starts.u32`, `weights.f32` of shape `[steps, batch, context]`, and `validation.u32`,
//! the documents end to end, each with its end token.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use regimen_corpus::{Corpus, Split};
use regimen_ledger::{Artifact, Store};
use regimen_models::weights;
use regimen_tokens::{Block, Packing, Schedule, TokenSet, WithheldSet};
use regimen_train::Trainer;
use regimen_train::config::{Model, Optimizer};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [project, model, folder] = &args[..] else {
        return Err("three arguments: PROJECT MODEL FOLDER".into());
    };
    let store = Store::open(Path::new(project))?;
    let run = store.resolve(model)?;
    let parent = |of: &Artifact, name: &str| -> Result<std::path::PathBuf> {
        of.input_dir(name, name).ok_or_else(|| format!("{} names no {name}", of.key()).into())
    };
    let tokens_dir = parent(&run, "tokens")?;
    let corpus = Corpus::open_dir(&parent(&Artifact::open(&tokens_dir)?, "corpus")?)?;
    let tokens = TokenSet::open(&tokens_dir)?;
    let out = Path::new(folder);
    std::fs::create_dir_all(out)?;

    let manifest = &run.manifest;
    let field = |name: &str| manifest.config[name].clone();
    let shape: Model = serde_json::from_value(field("model"))?;
    let optimizer: Optimizer = serde_json::from_value(field("optimizer"))?;
    let steps: u64 = serde_json::from_value(field("steps"))?;
    let batch: u64 = serde_json::from_value(field("batch"))?;
    let trainer = Trainer::new(&shape.decoder(tokens.vocab()), optimizer.rule(), manifest.seed)?;
    weights::save(
        &out.join("weights.safetensors"),
        &trainer.layout(),
        &trainer.params.data,
        &Default::default(),
    )?;

    batches(out, &tokens, manifest.seed, steps, batch, shape.context)?;
    let documents = validation(out, &tokens, &corpus)?;
    let described = json!({
        "key": run.key(),
        "seed": manifest.seed,
        "config": manifest.config,
        "model": trainer.config,
        "decay": trainer.layout().segments.iter().filter(|s| s.decay).map(|s| &s.name).collect::<Vec<_>>(),
        "end_id": tokens.end_id(),
        "validation": documents,
    });
    std::fs::write(out.join("run.json"), serde_json::to_vec_pretty(&described)?)?;
    println!("{}", out.display());
    Ok(())
}

/// The batches in the order of the steps.
fn batches(out: &Path, tokens: &TokenSet, seed: u64, steps: u64, batch: u64, context: usize) -> Result<()> {
    let create = |name: &str| File::create(out.join(name)).map(BufWriter::new);
    let mut files = [create("inputs.u32")?, create("targets.u32")?, create("starts.u32")?];
    let mut weights = create("weights.f32")?;
    let stream = tokens.train();
    let schedule = Schedule::new(seed, Packing::new(stream.len(), context).n, batch);
    let mut block = Block::default();
    for step in 0..steps {
        stream.block(&schedule.instances(step), context, &WithheldSet::default(), &mut block)?;
        for (file, values) in files.iter_mut().zip([&block.inputs, &block.targets, &block.starts]) {
            write_u32(file, values)?;
        }
        for weight in &block.weights {
            weights.write_all(&weight.to_le_bytes())?;
        }
    }
    files.iter_mut().try_for_each(Write::flush)?;
    Ok(weights.flush()?)
}

/// The validation documents; their ids, tokens and bytes are returned.
fn validation(out: &Path, tokens: &TokenSet, corpus: &Corpus) -> Result<Vec<Value>> {
    let stream = tokens.validation();
    let mut file = BufWriter::new(File::create(out.join("validation.u32"))?);
    let mut documents = Vec::new();
    for ordinal in corpus.split(Split::Validation) {
        let slots =
            stream.slots_of(ordinal).ok_or_else(|| format!("{} has no tokens", corpus.name(ordinal)))?;
        let ids = stream.tokens(slots)?;
        write_u32(&mut file, &ids)?;
        documents.push(json!({
            "id": corpus.id(ordinal),
            "tokens": ids.len(),
            "bytes": corpus.row(ordinal).bytes,
        }));
    }
    file.flush()?;
    Ok(documents)
}

fn write_u32(file: &mut impl Write, values: &[u32]) -> std::io::Result<()> {
    values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}
