//! `regimen export` and `regimen import`: models in and out as Hugging Face folders.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::fs;
use regimen_ledger::{Artifact, Store};
use regimen_models::hf;
use regimen_recipe::{Recipe, Runner};
use regimen_train::Saved;
use regimen_train::saved::{TOKENIZER, TOKENIZER_CONFIG};
use serde_json::{Value, json};

use crate::Context;
use crate::args::{ExportArgs, ImportArgs};
use crate::commands::{model, store};
use crate::output::{Explain, Fault, failed, print, print_json};

pub fn export(context: &Context, args: &ExportArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let (artifact, saved) = model(&store, &args.model)?;
    if !fs::list(&args.folder).explain()?.is_empty() {
        return Err(Fault::new(
            format!("folder `{}` is not empty", args.folder.display()),
            "name a new folder: nothing is overwritten",
        ));
    }
    fs::create_dir_all(&args.folder).explain()?;
    let metadata: BTreeMap<String, String> =
        [("format".to_string(), "pt".to_string()), ("regimen_key".to_string(), artifact.key().to_string())]
            .into();
    let end = Some(saved.tokenizer.end_id());
    hf::export(&args.folder, &saved.config, &saved.layout, &saved.params.data, end, end, &metadata)
        .explain()?;
    export_tokenizer(&artifact, &saved, &args.folder)?;
    if context.global.json {
        print_json(&json!({"folder": args.folder, "key": artifact.key()}))?;
    } else {
        print(args.folder.display().to_string())?;
    }
    Ok(0)
}

/// The tokenizer's files, made to begin every text with the end token, as documents begin in training and prompts in
/// `regimen generate`; and to know the model's context.
fn export_tokenizer(artifact: &Artifact, saved: &Saved, folder: &Path) -> anyhow::Result<()> {
    let mut tokenizer: Value = fs::read_json(&artifact.file(TOKENIZER)).explain()?;
    let end = saved.tokenizer.end_id();
    let name = saved.tokenizer.end_token();
    // A tokenizer that came with a post-processor of its own keeps it.
    let free = tokenizer["post_processor"].is_null() || tokenizer["post_processor"]["type"] == "ByteLevel";
    if free {
        let special = |segment: u8| json!({"SpecialToken": {"id": name, "type_id": segment}});
        let text = |id: &str, segment: u8| json!({"Sequence": {"id": id, "type_id": segment}});
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [special(0), text("A", 0)],
            "pair": [special(0), text("A", 0), special(1), text("B", 1)],
            "special_tokens": {name: {"id": name, "ids": [end], "tokens": [name]}},
        });
    }
    fs::write_json(&folder.join(TOKENIZER), &tokenizer).explain()?;
    let file = artifact.file(TOKENIZER_CONFIG);
    if file.is_file() {
        let mut config: Value = fs::read_json(&file).explain()?;
        config["model_max_length"] = saved.config.context.into();
        if free {
            config["add_bos_token"] = true.into();
        }
        fs::write_json(&folder.join(TOKENIZER_CONFIG), &config).explain()?;
    }
    Ok(())
}

pub fn import(context: &Context, args: &ImportArgs) -> anyhow::Result<u8> {
    if !args.folder.is_dir() {
        return Err(Fault::new(
            format!("folder `{}` does not exist", args.folder.display()),
            "name a folder with config.json, model.safetensors and tokenizer.json",
        ));
    }
    let store = Store::open(&context.project).explain()?;
    let folder = std::path::absolute(&args.folder)?;
    let folder = folder.strip_prefix(&context.project).unwrap_or(&folder).display().to_string();
    // A JSON string is a TOML string as well.
    let config = format!("folder = {}", Value::from(folder));
    let kind = &regimen_train::import::IMPORT;
    let recipe = Recipe::of_stage(&args.name, kind, &config, &context.project).explain()?;
    let mut runner = Runner {
        threads: context.settings.threads(context.group.sharing()),
        command: std::env::args().collect(),
        ..Runner::new(&store, &regimen_kernels::fingerprint())
    };
    let outcomes = runner.run(&recipe, None).map_err(|failure| failed(&failure))?;
    for outcome in &outcomes {
        if context.global.json {
            print_json(&outcome.artifact.manifest)?;
        } else {
            let cached = if outcome.cached { " (was there already)" } else { "" };
            print(format!("{} {}{cached}", outcome.stage, outcome.key))?;
        }
    }
    Ok(0)
}
