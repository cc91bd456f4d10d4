//! `regimen corpus export`.

use regimen_base::units;
use regimen_corpus::inspect::export::{self, About, Exported};
use serde_json::json;

use super::opened::Opened;
use crate::Context;
use crate::args::CorpusExportArgs;
use crate::output::{Explain, Fault, print, print_json, say, shown};

pub fn export(context: &Context, args: &CorpusExportArgs) -> anyhow::Result<u8> {
    let opened = Opened::new(context, &args.corpus)?;
    if args.to.exists() && !args.to.is_dir() {
        return Err(Fault::new(
            format!("`{}` is no folder", args.to.display()),
            "name a folder, which is made if it is not there",
        ));
    }
    regimen_base::fs::create_dir_all(&args.to).explain()?;
    let manifest = &opened.artifact.manifest;
    let (corpus, dir, key) = (&opened.corpus, args.to.as_path(), manifest.key.to_string());
    let mut formats: Vec<&str> = args.format.iter().map(String::as_str).collect();
    // A card describes what the others wrote.
    formats.sort_by_key(|format| *format == "card");
    formats.dedup();
    let mut done: Vec<(&str, Exported)> = Vec::new();
    for format in formats {
        let exported = match format {
            "dolma" => export::dolma(corpus, &key, dir, &args.experiment, args.shard).explain()?,
            "jsonl" => export::jsonl(corpus, &key, dir, args.shard).explain()?,
            "parquet" => export::parquet(corpus, dir).explain()?,
            _ => {
                let about = About {
                    name: manifest.stage.clone(),
                    key: key.clone(),
                    created: manifest.created,
                    config: manifest.config.clone(),
                };
                export::card(corpus, &about, dir).explain()?
            }
        };
        done.push((format, exported));
    }
    if context.global.json {
        let all: Vec<_> =
            done.iter().map(|(format, exported)| json!({"format": format, "exported": exported})).collect();
        print_json(&all)?;
        return Ok(0);
    }
    for (format, exported) in &done {
        for file in &exported.files {
            print(shown(&dir.join(file)))?;
        }
        let mut words = vec![format!("{format}: {}", units::plural(exported.documents, "document"))];
        if !exported.skipped.is_empty() {
            words.push(format!("{} there already", units::plural(exported.skipped.len() as u64, "file")));
        }
        if exported.spans_left_out > 0 {
            words.push(format!(
                "{} left out, because edits took away all that they marked",
                units::plural(exported.spans_left_out, "span")
            ));
        }
        say(&context.global, words.join("; "));
    }
    Ok(0)
}
