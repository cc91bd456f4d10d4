//! The `import` stage: a Hugging Face folder becomes a model artifact that recipes can start from.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::{Failure, fs};
use regimen_models::{hf, weights};
use regimen_recipe::{Field, Forecast, InputFile, Job, Planning, StageKind, Ty, no_check};
use regimen_tokens::Tokenizer;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::saved::{MODEL, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, copy_tokenizer, hash_arena};

/// The stage.
pub static IMPORT: StageKind = StageKind {
    kind: "import",
    version: 1,
    about: "Take over a model from a Hugging Face folder.",
    seeded: false,
    shared: false,
    inputs: &[],
    fields: &[Field::required(
        "folder",
        Ty::Files,
        "Folder with config.json, model.safetensors and tokenizer.json.",
    )],
    check: no_check,
    forecast: |planning| forecast(planning).map_err(Failure::from),
    run: |job| import(job).map_err(Failure::from),
};

/// Input files by the pattern that named them.
type Files = BTreeMap<String, Vec<InputFile>>;

fn refuse<T>(message: String, hint: &str) -> Result<T> {
    Err(Error::Config { field: "folder".into(), message, hint: hint.into() })
}

fn forecast(planning: &Planning) -> Result<Forecast> {
    let (files, dir) = model_folder(planning.config, planning.files)?;
    let decoder = hf::describe(dir)?;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let parameters = decoder.parameters() as f64;
    let facts = [
        ("parameters", parameters),
        ("vocab", decoder.vocab as f64),
        ("context", decoder.context as f64),
        ("forward_flops_per_token", decoder.flops_per_token(decoder.context) / 3.0),
    ];
    Ok(Forecast {
        parameters,
        disk: 4.0 * parameters,
        // The file and the arena.
        memory: bytes as f64 + 4.0 * parameters,
        seconds: bytes as f64 / 300e6,
        facts: facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
        ..Forecast::default()
    })
}

/// The files that the field `folder` means, and the folder of the model among them: the one whose `config.json` lies
/// least deep. Copies that trainers leave in folders below it do not count.
fn model_folder<'a>(config: &Value, files: &'a Files) -> Result<(&'a [InputFile], &'a Path)> {
    let folder = config["folder"].as_str().unwrap_or_default();
    let files = files.get(folder).map(Vec::as_slice).unwrap_or_default();
    let depth = |file: &InputFile| Path::new(&file.path).components().count();
    let is_config = |file: &&InputFile| file.full.file_name().is_some_and(|name| name == hf::CONFIG);
    let mut configs: Vec<&InputFile> = files.iter().filter(is_config).collect();
    configs.sort_by_key(|file| depth(file));
    let config = match configs[..] {
        [] => {
            return refuse(
                format!("`{folder}` holds no {}", hf::CONFIG),
                "name a folder that `save_pretrained` wrote",
            );
        }
        [one, two, ..] if depth(one) == depth(two) => {
            return refuse(
                format!("`{folder}` holds more than one model: `{}` and `{}`", one.path, two.path),
                "name the folder of one of them",
            );
        }
        [one, ..] => one,
    };
    let Some(dir) = config.full.parent() else {
        return refuse(format!("`{}` lies in no folder", config.path), "name a folder");
    };
    let has = |name: &str| files.iter().any(|file| file.full == dir.join(name));
    for (name, hint) in [
        (
            hf::WEIGHTS,
            "save the model with `save_pretrained`; weights in several files are joined by a larger `max_shard_size`",
        ),
        (TOKENIZER, "save the tokenizer into the same folder with `save_pretrained`"),
    ] {
        if !has(name) {
            return refuse(format!("there is no {name} beside `{}`", config.path), hint);
        }
    }
    Ok((files, dir))
}

fn import(job: &mut Job) -> Result<()> {
    let (_, dir) = model_folder(job.config, job.files)?;
    let (described, tokenizer) = (hf::describe(dir)?, Tokenizer::load(&dir.join(TOKENIZER))?);
    if tokenizer.vocab_size() > described.vocab {
        return refuse(
            format!(
                "its tokenizer.json has {} ids, but the model's vocab_size is {}: it has no weights for the others",
                tokenizer.vocab_size(),
                described.vocab
            ),
            "take model and tokenizer from the same folder, or give the model more rows with \
             `resize_token_embeddings`",
        );
    }
    let (decoder, layout, params) = hf::import(dir)?;
    let metadata =
        [("format".to_string(), "pt".to_string()), ("regimen_key".to_string(), job.key.to_string())];
    weights::save(&job.dir().join(WEIGHTS), &layout, &params.data, &metadata.into_iter().collect())?;
    job.payloads.insert(WEIGHTS.into(), Some(hash_arena(&params.data)));
    fs::write_json(&job.dir().join(MODEL), &decoder)?;
    copy_tokenizer(dir, job.dir())?;
    name_end(job.dir(), &tokenizer)?;
    job.summary = json!({
        "parameters": decoder.parameters(),
        "vocab": decoder.vocab,
        "tokenizer_vocab": tokenizer.vocab_size(),
        "end_token": tokenizer.end_token(),
        "model": decoder,
    });
    Ok(())
}

/// The artifact has no config.json, so its tokenizer_config.json says which token ends a document.
fn name_end(dir: &Path, tokenizer: &Tokenizer) -> Result<()> {
    let path = dir.join(TOKENIZER_CONFIG);
    let mut config: Value = if path.is_file() { fs::read_json(&path)? } else { json!({}) };
    let named = config["eos_token"].as_str().or_else(|| config["eos_token"]["content"].as_str());
    if named != Some(tokenizer.end_token()) {
        config["eos_token"] = tokenizer.end_token().into();
        fs::write_json(&path, &config)?;
    }
    Ok(())
}
