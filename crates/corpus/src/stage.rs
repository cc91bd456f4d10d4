//! The stage `corpus`: what a recipe says of it, what it will cost, and its run.

use regimen_base::{Failure, units};
use regimen_recipe::{Forecast, Job, Planning, StageKind};

use crate::build::{PARTS, build, how};
use crate::config::{self, Config, ParagraphDedup};
use crate::dedup::Sizing;
use crate::error::{Error, Result};
use crate::memory::{BASE, DOCUMENT, KEY, THREAD};
use crate::read::chunk::{CHUNK, How};
use crate::read::page::PageKind;
use crate::read::stream::Packing;
use crate::resolve::STANDING;

/// The stages of this room.
pub const STAGES: &[&StageKind] = &[&CORPUS];

static CORPUS: StageKind = StageKind {
    kind: "corpus",
    version: 8,
    about: "Read documents from files, filter and deduplicate them, and split them into training and validation.",
    seeded: false,
    shared: false,
    inputs: &[],
    fields: config::FIELDS,
    check: config::check,
    forecast,
    run: |job| run(job).map_err(Error::into_failure),
};

/// Bytes of text in a byte of a compressed file of English, and in a byte of a file of rows.
const COMPRESSED: f64 = 3.3;
const ROWS: f64 = 0.93;
/// Bytes of text in a document of a file of rows.
const PER_ROW: f64 = 5_000.0;
/// Bytes of text per second on a small machine.
const SPEED: f64 = 60e6;

/// Sizes are guessed from the lengths of the files; nothing is read.
fn forecast(planning: &Planning) -> std::result::Result<Forecast, Failure> {
    let config = serde_json::from_value::<Config>(planning.config.clone());
    let Ok(config) = config else { return Ok(Forecast::default()) };
    let (mut text, mut documents) = (0.0, 0.0);
    for source in &config.sources {
        for file in planning.files.get(&source.path).into_iter().flatten() {
            let packed = Packing::of_name(&file.path).0 != Packing::Plain;
            let bytes = file.bytes as f64 * if packed { COMPRESSED } else { 1.0 };
            let (bytes, count) = match how(source, &file.path).map_err(Error::into_failure)? {
                How::Lines | How::Table(_) => (bytes * ROWS, (bytes * ROWS / PER_ROW).ceil()),
                How::Whole => (bytes, 1.0),
                How::Pages(PageKind::Code) => (bytes, 1.0),
                How::Pages(PageKind::Tree) => (bytes, (bytes / PER_ROW).ceil()),
                // Text is about a fifth of pages with their markup.
                How::Pages(_) => (0.2 * bytes, (0.2 * bytes / PER_ROW).ceil()),
                How::Blocks(size) => (bytes, (bytes / size as f64).ceil()),
            };
            text += bytes;
            documents += count;
        }
    }
    if config.limit_bytes > 0 && text > config.limit_bytes as f64 {
        documents *= config.limit_bytes as f64 / text;
        text = config.limit_bytes as f64;
    }
    let mut forecast = Forecast {
        disk: text + 160.0 * documents,
        memory: memory(&config, text, documents),
        seconds: 0.1 + text / SPEED,
        ..Forecast::default()
    };
    let facts = [
        ("text_bytes", text),
        ("documents", documents),
        ("documents.kept", documents),
        ("documents.train", documents * (1.0 - config.validation)),
        ("documents.validation", documents * config.validation),
        ("bytes.kept", text),
        ("bytes.train", text * (1.0 - config.validation)),
        ("bytes.validation", text * config.validation),
    ];
    forecast.facts.extend(facts.map(|(name, value)| (name.to_string(), value)));
    Ok(forecast)
}

/// The peak, guessed from the sizes: what does not grow, and of what grows at most as much as it may.
fn memory(config: &Config, text: f64, documents: f64) -> f64 {
    let threads = rayon::current_num_threads().max(1) as f64;
    let fixed = BASE as f64 + THREAD as f64 * threads;
    let flying = 6.0 * text.min(2.0 * threads * threads * CHUNK as f64);
    let mut compared = STANDING as f64 * documents;
    // Records and tables: of each band of a document, of each paragraph of a few words.
    let bands = config.near.minhash().ok().flatten().map_or(0, |minhash| minhash.bands);
    compared += bands as f64 * 44.0 * documents;
    compared += match config.paragraphs.dedup {
        ParagraphDedup::None => 0.0,
        ParagraphDedup::Exact => match config.paragraphs.compared().ngrams {
            None => text / 60.0 * 48.0,
            // Of each word an n-gram, but for the stride.
            Some(ngrams) => text / 6.0 / f64::from(ngrams.stride) * 48.0,
        },
        ParagraphDedup::Bloom => Sizing::new(config.paragraphs.expected, config.paragraphs.rate)
            .map_or(0.0, |sizing| sizing.bytes() as f64),
    };
    // Anchors, and windows of what comes again: about a quarter of the text.
    let windows = if config.substrings.wanted() { 8.0 * text } else { 0.0 };
    let grows = flying.max(compared).max(windows).max((DOCUMENT + KEY) as f64 * documents);
    fixed + grows.min(config.memory as f64)
}

fn run(job: &mut Job) -> Result<()> {
    let config: Config = job.config()?;
    let dir = job.dir().to_path_buf();
    let (files, cancel, root) = (job.files, job.cancel.clone(), job.root.to_path_buf());
    // From here on the parts of the first pass outlive a stop: those that are whole are not made again.
    job.resume_from(0, PARTS)?;
    let parts = job.prepared.clone().unwrap_or_else(|| dir.join(PARTS));
    let log = &mut job.log;
    let mut progress = |done, total, documents| {
        log.progress(done, total, "bytes", units::plural(documents, "document")).map_err(Error::from)
    };
    let summary = build(&config, files, &root, &dir, &parts, &cancel, &mut progress)?;
    if summary.no_validation {
        let text = format!("no document fell into validation (validation = {})", config.validation);
        job.log.warn(None, text)?;
    }
    job.summary = summary.value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn the_forecast_counts_files_by_what_they_are() {
        let source = |path: &str, blocks: u64| {
            serde_json::json!({
                "name": path, "path": path, "format": "auto", "author": "human", "licence": "MIT",
                "text_field": "text", "id_field": "id", "blocks": blocks,
            })
        };
        let config = serde_json::json!({
            "sources": [source("texts", 0), source("blocks", 1000), source("rows", 0)],
            "filter": {"quality": "none"}, "dedup": "none", "validation": 0.1, "limit_bytes": 0,
            "invalid_utf8": "error", "missing_text": "error",
        });
        let file = |path: &str, bytes: u64| regimen_recipe::InputFile {
            path: path.into(),
            full: path.into(),
            blake3: regimen_base::Hash256::of(b""),
            bytes,
        };
        let files = BTreeMap::from([
            ("texts".to_string(), vec![file("a.txt", 1000), file("b.txt", 2000)]),
            ("blocks".to_string(), vec![file("c.md", 10_000)]),
            ("rows".to_string(), vec![file("d.jsonl.zst", 1_000_000)]),
        ]);
        let of = |config: &serde_json::Value| {
            let inputs = BTreeMap::new();
            let planning =
                Planning { config, inputs: &inputs, files: &files, root: Path::new(""), measure: false };
            forecast(&planning).unwrap()
        };
        let whole = of(&config);
        assert!((whole.facts["text_bytes"] - (13_000.0 + 1e6 * COMPRESSED * ROWS)).abs() < 1.0);
        assert_eq!(whole.facts["documents"], 2.0 + 10.0 + (1e6 * COMPRESSED * ROWS / PER_ROW).ceil());
        assert!((whole.facts["bytes.train"] / whole.facts["bytes.kept"] - 0.9).abs() < 1e-9);
        let mut small = config;
        small["limit_bytes"] = 50_000.into();
        assert_eq!(of(&small).facts["text_bytes"], 50_000.0);
        assert!(of(&small).seconds < whole.seconds);
    }
}
