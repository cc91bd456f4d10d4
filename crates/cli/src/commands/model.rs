//! `regimen export` and `regimen import`: models in and out as Hugging Face folders.

use std::collections::BTreeMap;

use regimen_base::fs;
use regimen_models::hf;
use regimen_recipe::{Recipe, Runner};
use regimen_train::saved::{TOKENIZER, TOKENIZER_CONFIG};

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
    for name in [TOKENIZER, TOKENIZER_CONFIG] {
        let file = artifact.file(name);
        if file.is_file() {
            fs::write(&args.folder.join(name), &fs::read(&file).explain()?).explain()?;
        }
    }
    if context.global.json {
        print_json(&serde_json::json!({"folder": args.folder, "key": artifact.key()}))?;
    } else {
        print(args.folder.display().to_string())?;
    }
    Ok(0)
}

pub fn import(context: &Context, args: &ImportArgs) -> anyhow::Result<u8> {
    if !args.folder.is_dir() {
        return Err(Fault::new(
            format!("folder `{}` does not exist", args.folder.display()),
            "name a folder with config.json, model.safetensors and tokenizer.json",
        ));
    }
    let store = store(context)?;
    let folder = std::path::absolute(&args.folder)?;
    let folder = folder.strip_prefix(&context.project).unwrap_or(&folder).display().to_string();
    // A JSON string is a TOML string as well.
    let config = format!("folder = {}", serde_json::Value::from(folder));
    let kind = &regimen_train::import::IMPORT;
    let recipe = Recipe::of_stage(&args.name, kind, &config, &context.project).explain()?;
    let mut runner = Runner {
        threads: context.settings.threads(),
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
