//! Writes the files that fuzzing begins with to `corpus/fuzz_NAME/seed-...`. It is a fuzz target that tries nothing, so that
//! it is built with what the others are built of.
#![no_main]

mod models;
mod tables;
mod texts;

use std::path::Path;

use libfuzzer_sys::fuzz_target;

/// Name and content.
type Seeds = Vec<(String, Vec<u8>)>;

fuzz_target!(init: write().expect("seeds are written"), |_data| {});

fn write() -> std::io::Result<()> {
    let all: [(&str, Seeds); 12] = [
        ("warc", texts::warc()),
        ("html", texts::html()),
        ("attributes", texts::attributes()),
        ("jsonl", texts::jsonl()),
        ("expr", texts::expr()),
        ("plain_licence", texts::plain_licence()),
        ("tags", texts::tags()),
        ("tokenizer", texts::tokenizer()),
        ("fasttext", models::fasttext()),
        ("kenlm", models::kenlm()),
        ("sentencepiece", models::sentencepiece()),
        ("parquet", tables::parquet()),
    ];
    for (name, seeds) in all {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("fuzz_{name}"));
        std::fs::create_dir_all(&folder)?;
        for (name, content) in seeds {
            std::fs::write(folder.join(format!("seed-{name}")), content)?;
        }
    }
    Ok(())
}
