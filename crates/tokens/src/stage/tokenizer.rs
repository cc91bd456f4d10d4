//! The stage `tokenizer`: learn a vocabulary from the training split.

use regimen_base::units::plural;
use regimen_base::{Cancel, Failure, fs, suggest};
use regimen_corpus::Corpus;
use regimen_recipe::{Field, Forecast, Input, Job, Planning, Problem, StageKind, Ty};
use serde::Deserialize;
use serde_json::{Value, json};

use super::split_bytes;
use crate::Split;
use crate::error::{Error, Result};
use crate::tokenizer::{
    BESIDE, JSON, Learned, Tokenizer, byte_level, byte_order, characters, characters_of, count_pieces, learn,
    save,
};

/// Ids that every vocabulary over bytes has: the end token and 256 bytes.
const BASE: usize = 257;

/// `kind = "tokenizer"`.
pub(crate) static TOKENIZER: StageKind = StageKind {
    kind: "tokenizer",
    version: 1,
    about: "Learn a vocabulary from the training documents and write it as a Hugging Face tokenizer.json.",
    seeded: false,
    shared: false,
    inputs: &[Input {
        name: "corpus",
        accepts: &["corpus"],
        required: true,
        doc: "The documents; only their training split is looked at.",
    }],
    fields: &[
        Field::new(
            "type",
            Ty::OneOf(&["bpe", "char", "byte", "file"]),
            r#""bpe""#,
            "Byte-level BPE with GPT-2's pre-tokenization, one token a character, one token a byte, or the one in `file`.",
        ),
        Field::new(
            "file",
            Ty::Maybe(&Ty::Files),
            "null",
            "A tokenizer.json to take as it is, for the type file; nothing is learned then. The files beside it that name the \
             end token are taken along.",
        )
        .later(),
        Field::new(
            "vocab",
            Ty::Int { min: 1, max: 1 << 24 },
            "4096",
            "Token ids of a BPE, the end token and the 256 bytes among them; char and byte count their own.",
        ),
        Field::new(
            "sources",
            Ty::List(&Ty::Str),
            "[]",
            "Learn from these sources of the corpus alone, such as those that are never withdrawn; empty: all.",
        ),
    ],
    check,
    forecast,
    run,
};

#[derive(Deserialize)]
struct Config {
    r#type: Type,
    #[serde(default)]
    file: Option<String>,
    vocab: usize,
    sources: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Bpe,
    Char,
    Byte,
    File,
}

/// Bytes of training text on which the tokens of a given tokenizer are counted.
const SAMPLE: u64 = 8 << 20;

fn check(config: &Value) -> std::result::Result<(), Problem> {
    let (file, given) = (config["type"] == "file", config["file"].is_string());
    if file != given {
        return Err(Problem {
            path: "file".into(),
            message: if file {
                "the type file needs a `file`".into()
            } else {
                "`file` is only for the type file".into()
            },
            hint: Some("write type = \"file\", file = \"PATH/tokenizer.json\"".into()),
        });
    }
    let vocab = config["vocab"].as_u64().unwrap_or(0);
    if config["type"] == "bpe" && vocab < BASE as u64 {
        return Err(Problem {
            path: "vocab".into(),
            message: format!("a BPE has at least {BASE} tokens (256 bytes and the end token), not {vocab}"),
            hint: Some("4096 suits a few megabytes of text; `type = \"byte\"` has no merges".into()),
        });
    }
    Ok(())
}

/// Bytes a token, about: measured as 3.3 on a mixture of prose, manuals and tables with 4,096 tokens; each doubling of
/// the vocabulary adds about 0.4.
pub(super) fn bytes_per_bpe_token(vocab: f64) -> f64 {
    (3.3 + 0.4 * (vocab / 4096.0).log2()).clamp(1.3, 4.8)
}

fn forecast(planning: &Planning) -> std::result::Result<Forecast, Failure> {
    let asked = planning.config["vocab"].as_f64().unwrap_or(0.0);
    let (vocab, bytes_per_token) = match planning.config["type"].as_str() {
        Some("bpe") => (asked, bytes_per_bpe_token(asked)),
        Some("char") => (BASE as f64 + 100.0, 1.0),
        // What is in the file is not looked at here.
        Some("file") => (50_000.0, bytes_per_bpe_token(50_000.0)),
        _ => (BASE as f64, 1.0),
    };
    let bytes = split_bytes(planning, Split::Train);
    let facts = [("vocab", vocab), ("bytes_per_token", bytes_per_token)];
    Ok(Forecast {
        tokens: vocab,
        // Distinct pieces and the places of their pairs; their number grows with the root of the text.
        memory: 3e4 * bytes.sqrt(),
        disk: 60.0 * vocab,
        seconds: 0.2 + bytes / 40e6 + vocab * 2e-4,
        facts: facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
        ..Forecast::default()
    })
}

fn run(job: &mut Job) -> std::result::Result<(), Failure> {
    let config: Config = job.config()?;
    let corpus = Corpus::open(job.input("corpus")?)?;
    job.summary = make(job, &corpus, &config).map_err(Error::into_failure)?;
    Ok(())
}

fn make(job: &mut Job, corpus: &Corpus, config: &Config) -> Result<Value> {
    let given = config.file.as_ref().map(|file| take(&job.root.join(file), job.dir())).transpose()?;
    let texts = training_texts(corpus, &config.sources, if given.is_some() { SAMPLE } else { u64::MAX })?;
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    let words = format!("learning from {}", plural(texts.len() as u64, "document"));
    job.log.progress(0, bytes, "bytes", words)?;
    let tokenizer = match given {
        Some(given) => given,
        None => {
            train(&texts, config, job.dir(), &job.cancel)?;
            Tokenizer::open(job.dir())?
        }
    };
    job.cancel.check()?;
    let mut tokens = 0u64;
    for batch in texts.chunks(1 << 10) {
        tokens += tokenizer.encode_all(batch)?.iter().map(|ids| ids.len() as u64).sum::<u64>();
    }
    job.log.progress(bytes, bytes, "bytes", "")?;
    let vocab = tokenizer.vocab_size();
    tokenizer.leave(job.dir())?;
    Ok(json!({
        "vocab": vocab,
        "documents": texts.len(),
        "bytes": bytes,
        "tokens": tokens,
        "bytes_per_token": bytes as f64 / tokens.max(1) as f64,
    }))
}

/// Copy a tokenizer that can be read, with the files that name its end token, into the folder `dir`.
fn take(path: &std::path::Path, dir: &std::path::Path) -> Result<Tokenizer> {
    let tokenizer = Tokenizer::load(path)?;
    fs::write(&dir.join(JSON), &fs::read(path)?)?;
    for name in BESIDE {
        let beside = path.with_file_name(name);
        if beside.is_file() {
            fs::write(&dir.join(name), &fs::read(&beside)?)?;
        }
    }
    Ok(tokenizer)
}

/// The texts to learn from, in document order: the first that have `enough` bytes together, or all.
fn training_texts<'c>(corpus: &'c Corpus, sources: &[String], enough: u64) -> Result<Vec<&'c str>> {
    let mut wanted = Vec::new();
    for name in sources {
        let known = corpus.names().sources.iter().map(|source| source.name.as_str());
        let source = corpus
            .source(name)
            .ok_or_else(|| Error::UnknownSource { name: name.clone(), hint: suggest::hint(name, known) })?;
        wanted.push(source);
    }
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for ordinal in corpus.split(Split::Train) {
        if sources.is_empty() || wanted.contains(&corpus.row(ordinal).source) {
            let text = corpus.text(ordinal)?.unwrap_or_default();
            bytes += text.len() as u64;
            texts.push(text);
            if bytes >= enough {
                break;
            }
        }
    }
    if texts.iter().all(|text| text.is_empty()) {
        return Err(Error::NoText { sources: sources.to_vec() });
    }
    Ok(texts)
}

/// Learn from `texts` and write the files into `dir`.
fn train(texts: &[&str], config: &Config, dir: &std::path::Path, cancel: &Cancel) -> Result<()> {
    let outer = match config.r#type {
        Type::Bpe => {
            let counted = count_pieces(texts);
            let learned = learn(&counted, &byte_order(), config.vocab - 1, cancel)?;
            let possible = learned.tokens.len() + 1;
            if possible < config.vocab {
                return Err(Error::VocabTooLarge { asked: config.vocab, possible });
            }
            byte_level(&learned)?
        }
        Type::Char => characters(&characters_of(texts))?,
        Type::File => return Ok(()),
        Type::Byte => {
            let tokens = byte_order().iter().map(|&byte| vec![byte]).collect();
            byte_level(&Learned { tokens, merges: Vec::new() })?
        }
    };
    save(&outer, dir)
}
