//! The `import` stage: a Hugging Face folder becomes a model artifact that recipes can start from.

use regimen_base::{Failure, fs};
use regimen_models::{hf, weights};
use regimen_recipe::{Field, Forecast, Job, StageKind, Ty, no_check};
use regimen_tokens::Tokenizer;
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::saved::{MODEL, TOKENIZER, WEIGHTS, copy_tokenizer, hash_arena};

/// The stage.
pub static IMPORT: StageKind = StageKind {
    kind: "import",
    version: 1,
    about: "Take over a model from a Hugging Face folder.",
    seeded: false,
    inputs: &[],
    fields: &[Field::required(
        "folder",
        Ty::Files,
        "Folder with config.json, model.safetensors and tokenizer.json.",
    )],
    check: no_check,
    forecast: |planning| {
        let bytes: u64 = planning.files.values().flatten().map(|file| file.bytes).sum();
        Ok(Forecast {
            disk: bytes as f64,
            memory: 2.0 * bytes as f64,
            seconds: bytes as f64 / 300e6,
            ..Forecast::default()
        })
    },
    run: |job| import(job).map_err(Failure::from),
};

#[derive(Deserialize)]
struct Config {
    folder: String,
}

fn import(job: &mut Job) -> Result<()> {
    let refuse = |message: String, hint: &str| {
        Err(Error::Config { field: "folder".into(), message, hint: hint.into() })
    };
    let config: Config = match job.config() {
        Ok(config) => config,
        Err(error) => return refuse(error.to_string(), "this is a fault of the program; please report it"),
    };
    let files = job.files.get(&config.folder).map(Vec::as_slice).unwrap_or_default();
    let Some(dir) = files.iter().find(|f| f.path.ends_with("config.json")).and_then(|f| f.full.parent())
    else {
        return refuse(
            format!("`{}` holds no config.json", config.folder),
            "name a folder that `save_pretrained` wrote",
        );
    };
    let (decoder, layout, params) = hf::import(dir)?;
    let tokenizer = Tokenizer::load(&dir.join(TOKENIZER))?;
    if tokenizer.vocab_size() > decoder.vocab {
        return refuse(
            format!("tokenizer.json has {} ids, the model {}", tokenizer.vocab_size(), decoder.vocab),
            "take model and tokenizer from the same folder",
        );
    }
    let metadata =
        [("format".to_string(), "pt".to_string()), ("regimen_key".to_string(), job.key.to_string())];
    weights::save(&job.dir().join(WEIGHTS), &layout, &params.data, &metadata.into_iter().collect())?;
    job.payloads.insert(WEIGHTS.into(), Some(hash_arena(&params.data)));
    fs::write_json(&job.dir().join(MODEL), &decoder)?;
    copy_tokenizer(dir, job.dir())?;
    job.summary = json!({"parameters": decoder.parameters(), "vocab": decoder.vocab, "model": decoder});
    Ok(())
}
