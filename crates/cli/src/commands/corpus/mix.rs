//! `regimen corpus mix`: filter and edit the documents of Dolma folders by their attributes.

use std::path::PathBuf;
use std::time::Instant;

use regimen_base::{Cancel, fs, units};
use regimen_corpus::dolma::mix::{Edit, MOST_COPIES, Mixed, Options, Pack, Source, is_name, mix as run};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::dolma::{DOCUMENTS, Fields, apart};
use serde::Deserialize;

use super::files;
use super::step::step;
use crate::Context;
use crate::args::{MEMORY, MixArgs, bytes_of, memory_of};
use crate::output::{Explain, Fault, INTERRUPTED, print, print_json, say, table};

/// Bytes of input files that become one file.
const SHARD: u64 = 256_000_000;

/// A budget that is missed by more than this share of it is worth a word.
const MISSED: f64 = 0.02;

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    to: Option<PathBuf>,
    temperature: Option<f64>,
    budget: Option<Bytes>,
    max_copies: Option<u32>,
    #[serde(default)]
    keep_map: bool,
    shard: Option<Bytes>,
    pack: Option<Pack>,
    memory: Option<Bytes>,
    sources: Vec<Entry>,
}

/// One entry of `sources`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    documents: Vec<String>,
    text_field: Option<String>,
    id_field: Option<String>,
    #[serde(default)]
    invalid_utf8: InvalidUtf8,
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default, alias = "exclude")]
    drop: Vec<String>,
    #[serde(default)]
    edit: Vec<Edit>,
    #[serde(default, alias = "discard_fields")]
    discard: Vec<String>,
    #[serde(default = "one")]
    weight: f64,
}

/// What becomes of bytes that are no UTF-8, and of halves of UTF-16 pairs.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum InvalidUtf8 {
    #[default]
    Error,
    Replace,
}

fn one() -> f64 {
    1.0
}

/// A number of bytes, or a text such as `2GB`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Number(u64),
    Text(String),
}

impl Bytes {
    fn of(&self, field: &str) -> anyhow::Result<u64> {
        let text = match self {
            Bytes::Number(n) => n.to_string(),
            Bytes::Text(text) => text.clone(),
        };
        let (read, what) = match (self, field) {
            (_, "memory") => (memory_of(&text), "is no number of bytes that is enough"),
            (Bytes::Number(n), _) => (Ok(*n), ""),
            (Bytes::Text(_), _) => (bytes_of(&text), "is no number of bytes"),
        };
        read.map_err(|hint| Fault::new(format!("`{field}`: `{text}` {what}"), hint))
    }
}

pub fn mix(context: &Context, args: &MixArgs) -> anyhow::Result<u8> {
    let (sources, options) = settled(context, args)?;
    let bytes = |source: &Source| source.documents.iter().map(|file| file.bytes).sum::<u64>();
    let total = options.passes(&sources) * sources.iter().map(bytes).sum::<u64>();
    let began = Instant::now();
    let run = |progress: &Progress, cancel: &Cancel| run(&sources, &options, progress, cancel);
    let Some(mixed) = step(context, "mix", total, "whole files are kept", run)? else {
        return Ok(INTERRUPTED);
    };
    if context.global.json {
        print_json(&mixed)?;
        return Ok(0);
    }
    print(mixed.funnel.to_string())?;
    let rows: Vec<Vec<String>> = mixed
        .sources
        .iter()
        .map(|source| {
            vec![
                source.name.clone(),
                source.read.documents.to_string(),
                source.written.documents.to_string(),
                units::bytes(source.written.bytes),
                format!("{:.1} % of {}", 100.0 * source.fraction, units::bytes(source.left_bytes)),
                source.edited.to_string(),
            ]
        })
        .collect();
    let head = ["source", "read", "written", "text", "taken of what was left", "edited"];
    print(table(&head, &rows, &[1, 2, 3, 4, 5]))?;
    if let Some(text) = missed(options.budget, &mixed) {
        say(&context.global, text);
    }
    let seconds = began.elapsed().as_secs_f64();
    let skipped = match mixed.skipped {
        0 => String::new(),
        n => format!("; {} done before", units::plural(n, "file")),
    };
    say(
        &context.global,
        format!("{} in {}{skipped}", units::plural(mixed.files, "file"), units::duration(seconds)),
    );
    Ok(0)
}

/// What to say of a budget that what was taken is not near to.
fn missed(budget: u64, mixed: &Mixed) -> Option<String> {
    let taken: u64 = mixed.sources.iter().map(|source| source.written.bytes).sum();
    let away = taken as f64 / budget.max(1) as f64 - 1.0;
    if budget == 0 || away.abs() <= MISSED {
        return None;
    }
    let why = match away < 0.0 {
        true => "there is no more at these weights; max_copies takes documents more than once",
        false => "whole documents are taken, of large sources a 16,384th at once, and the last ones are long",
    };
    let (wanted, taken) = (units::bytes(budget), units::bytes(taken));
    Some(format!("warning: {wanted} were wanted and {taken} taken ({:+.1} %): {why}", 100.0 * away))
}

/// What the options say, and the file that they name.
fn settled(context: &Context, args: &MixArgs) -> anyhow::Result<(Vec<Source>, Options)> {
    let config = match &args.config {
        None => Config { sources: vec![entry(args)], ..Config::default() },
        Some(path) => {
            let text = fs::read_text(path).explain()?;
            toml::from_str(&text).map_err(|error| {
                Fault::new(
                    format!("`{}`: {}", path.display(), error.to_string().trim_end()),
                    "docs/corpus.md has an example",
                )
            })?
        }
    };
    let to = args.to.clone().or(config.to).ok_or_else(|| {
        Fault::new("no folder to write into is named", "write `to` into the file, or give --to DIR")
    })?;
    let bytes = |given: Option<u64>, field: &str, from: &Option<Bytes>, default: u64| match (given, from) {
        (Some(bytes), _) => Ok(bytes),
        (None, Some(bytes)) => bytes.of(field),
        (None, None) => Ok(default),
    };
    let pack = match args.pack.as_deref() {
        Some("gz") => Pack::Gz,
        Some("zst") => Pack::Zst,
        Some(_) => Pack::None,
        None => config.pack.unwrap_or_default(),
    };
    let options = Options {
        to,
        shard: bytes(args.shard, "shard", &config.shard, SHARD)?,
        pack,
        temperature: args.temperature.or(config.temperature).unwrap_or(1.0),
        budget: bytes(args.budget, "budget", &config.budget, 0)?,
        max_copies: args.max_copies.or(config.max_copies).unwrap_or(1),
        keep_map: args.keep_map || config.keep_map,
        memory: bytes(args.memory, "memory", &config.memory, bytes_of(MEMORY).unwrap_or(u64::MAX))?,
    };
    if !(1..=MOST_COPIES).contains(&options.max_copies) {
        return Err(Fault::new(
            format!("`max_copies`: {} is not from 1 to {MOST_COPIES}", options.max_copies),
            "1 writes every document once at most",
        ));
    }
    if !(options.temperature > 0.0 && options.temperature.is_finite()) {
        return Err(Fault::new(
            format!("the temperature {} is not above 0", options.temperature),
            "1 takes sources by their bytes; a higher one flattens them",
        ));
    }
    if config.sources.is_empty() {
        return Err(Fault::new("there are no sources", "write [[sources]] with `name` and `documents`"));
    }
    let mut sources: Vec<Source> = Vec::new();
    for entry in config.sources {
        if !is_name(&entry.name) {
            let message = format!("`{}` is not a name for a source", entry.name);
            return Err(Fault::new(message, "use letters, digits, `-`, `_` and `.`"));
        }
        if sources.iter().any(|other| other.name == entry.name) {
            let message = format!("two sources are called `{}`", entry.name);
            return Err(Fault::new(message, "give each source a name of its own"));
        }
        if !(entry.weight >= 0.0 && entry.weight.is_finite()) {
            let message = format!("the weight {} of `{}` is no number from 0 on", entry.weight, entry.name);
            return Err(Fault::new(message, "with weight 2 a source gets twice the share of its bytes"));
        }
        if let Some(field) = entry.discard.iter().find(|field| ["text", "id"].contains(&field.as_str())) {
            let message =
                format!("`discard` of `{}` names `{field}`, without which a row is no document", entry.name);
            return Err(Fault::new(message, "name fields beside `id` and `text`"));
        }
        apart(&entry.documents, [options.to.join(DOCUMENTS).as_path()]).explain()?;
        sources.push(Source {
            documents: files(context, &entry.documents)?,
            fields: Fields {
                text: entry.text_field,
                id: entry.id_field,
                repair: entry.invalid_utf8 == InvalidUtf8::Replace,
            },
            name: entry.name,
            attributes: entry.attributes,
            include: entry.include,
            drop: entry.drop,
            edit: entry.edit,
            discard: entry.discard,
            weight: entry.weight,
        });
    }
    if sources.iter().all(|source| source.weight == 0.0) {
        let message = "all sources have the weight 0, so nothing is wanted";
        return Err(Fault::new(message, "give at least one of them a weight above 0"));
    }
    Ok((sources, options))
}

/// The one source that options describe.
fn entry(args: &MixArgs) -> Entry {
    let edit = |text: &String| {
        let (spans, replace) = text.split_once('=').unwrap_or((text, ""));
        Edit { spans: spans.trim().into(), replace: replace.into(), when: None, least: None }
    };
    Entry {
        name: args.name.clone(),
        documents: args.documents.clone(),
        text_field: args.names.text_field.clone(),
        id_field: args.names.id_field.clone(),
        invalid_utf8: match args.names.fields().repair {
            true => InvalidUtf8::Replace,
            false => InvalidUtf8::Error,
        },
        attributes: args.attributes.clone(),
        include: args.include.clone(),
        drop: args.exclude.clone(),
        edit: args.edit.iter().map(edit).collect(),
        discard: args.discard.clone(),
        weight: 1.0,
    }
}
