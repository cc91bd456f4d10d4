//! The stage `ngram`: the baseline, trained on the training documents of a corpus.

use regimen_base::{Failure, suggest};
use regimen_corpus::{Corpus, Split};
use regimen_recipe::{Field, Forecast, Input, Job, Planning, StageKind, Ty, no_check};
use serde::Deserialize;
use serde_json::json;

use super::forecast::of_split;
use crate::error::{Error, Result};
use crate::ngram::{Counter, MAX_CONTEXT, Ngram};

/// `kind = "ngram"`.
pub(crate) static NGRAM: StageKind = StageKind {
    kind: "ngram",
    version: 1,
    about: "Train a byte n-gram model with Witten-Bell interpolation, the baseline that a language model has to beat.",
    seeded: false,
    shared: false,
    inputs: &[Input {
        name: "corpus",
        accepts: &["corpus"],
        required: true,
        doc: "The documents; the training split is counted.",
    }],
    fields: &[
        Field::new(
            "context_bytes",
            Ty::Int { min: 1, max: MAX_CONTEXT as i64 },
            "3",
            "Bytes of context before the predicted one; 3 makes a 4-gram model.",
        ),
        Field::new(
            "sources",
            Ty::List(&Ty::Str),
            "[]",
            "Names of the corpus sources to count; empty counts all of them.",
        ),
    ],
    check: no_check,
    forecast,
    run,
};

#[derive(Deserialize)]
struct Config {
    context_bytes: usize,
    sources: Vec<String>,
}

fn forecast(planning: &Planning) -> std::result::Result<Forecast, Failure> {
    let bytes = of_split(planning, "bytes", Split::Train);
    let context = planning.config["context_bytes"].as_f64().unwrap_or(3.0);
    // English has about this many different grams in a text; longer contexts tell more of them apart.
    let grams = bytes.powf((0.6 + 0.06 * context).min(0.97));
    Ok(Forecast {
        tokens: bytes,
        memory: 20e6 + 150.0 * grams,
        disk: 3.0 * grams,
        seconds: bytes * 1.5e-8 + grams * 3e-7,
        ..Forecast::default()
    })
}

/// The numbers of the sources to count; none stands for all.
fn chosen(corpus: &Corpus, names: &[String]) -> Result<Option<Vec<u16>>> {
    let known = || corpus.names().sources.iter().map(|source| source.name.as_str());
    let number = |name: &String| {
        corpus.source(name).ok_or_else(|| Error::Config {
            field: "sources",
            problem: format!("names `{name}`, which the corpus does not have"),
            hint: suggest::hint(name, known().collect::<Vec<_>>()),
        })
    };
    match names {
        [] => Ok(None),
        _ => Ok(Some(names.iter().map(number).collect::<Result<_>>()?)),
    }
}

fn run(job: &mut Job) -> std::result::Result<(), Failure> {
    let config: Config = job.config()?;
    let corpus = Corpus::open(job.input("corpus")?)?;
    let sources = chosen(&corpus, &config.sources)?;
    let wanted = |&ordinal: &u32| sources.as_ref().is_none_or(|s| s.contains(&corpus.row(ordinal).source));
    let documents: Vec<u32> = corpus.split(Split::Train).filter(wanted).collect();
    if documents.is_empty() {
        return Err(Error::Config {
            field: "corpus",
            problem: "has no training document to count".into(),
            hint: "give the corpus more documents, or leave `sources` empty".into(),
        }
        .into());
    }
    let total = documents.len() as u64;
    let mut counter = Counter::new(config.context_bytes);
    for (done, &ordinal) in (0..).zip(&documents) {
        if done % 256 == 0 {
            job.cancel.check()?;
            job.log.progress(done, total, "documents", "counting n-grams")?;
        }
        counter.add(corpus.bytes(ordinal));
    }
    let model = counter.finish();
    job.cancel.check()?;
    model.save(&job.dir().join(Ngram::FILE))?;
    job.summary = json!({
        "context_bytes": model.context_bytes(), "contexts": model.contexts(),
        "bytes": model.bytes, "documents": model.documents,
    });
    job.log.progress(total, total, "documents", "")?;
    Ok(())
}
