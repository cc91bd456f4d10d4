//! The stage `evaluate`: bits per byte of a model on held-out documents, with a baseline beside it.

use rayon::prelude::*;
use regimen_base::{Failure, fs, units};
use regimen_corpus::{Corpus, Split};
use regimen_recipe::{Field, Forecast, Input, Job, Planning, StageKind, Ty, no_check};
use regimen_tensor::Pool;
use regimen_tokens::{Stream, TokenSet};
use regimen_train::score::bits_per_byte;
use regimen_train::{Saved, score_tokens};
use serde::{Deserialize, Serialize};

use super::forecast::{Model, of_split};
use crate::error::Error;
use crate::losses::{Document, Extremes, Losses, TokenLosses};
use crate::ngram::Ngram;
use crate::tally::{Scored, Tally};

/// One row a document.
const SCORES: &str = "scores.jsonl";
/// How the losses spread: over tokens, and the documents at both ends.
const LOSSES: &str = "losses.json";
/// The summary as a file.
const RESULT: &str = "result.json";

/// `kind = "evaluate"`.
pub(crate) static EVALUATE: StageKind = StageKind {
    kind: "evaluate",
    version: 5,
    about: "Score a model on held-out documents, each from an empty context, in bits per byte of text.",
    seeded: false,
    shared: false,
    inputs: &[
        Input { name: "model", accepts: &["pretrain", "import"], required: true, doc: "The model to score." },
        Input { name: "corpus", accepts: &["corpus"], required: true, doc: "The documents." },
        Input {
            name: "tokens",
            accepts: &["tokens"],
            required: true,
            doc: "The same documents as tokens of the model's tokenizer.",
        },
        Input {
            name: "baseline",
            accepts: &["ngram"],
            required: false,
            doc: "An n-gram model to score on the same documents.",
        },
    ],
    fields: &[
        Field::new(
            "split",
            Ty::OneOf(&["validation", "train"]),
            "\"validation\"",
            "Which documents: those held out, or those trained on.",
        ),
        Field::new(
            "stride",
            Ty::COUNT,
            "0",
            "Tokens by which the window over a long document moves on; 0 = half the model's context.",
        ),
        Field::new(
            "max_documents",
            Ty::COUNT,
            "0",
            "At most so many documents, evenly spread over the corpus; 0 = all.",
        ),
    ],
    check: no_check,
    forecast,
    run,
};

#[derive(Deserialize)]
struct Config {
    split: Split,
    stride: usize,
    max_documents: usize,
}

/// A line of `scores.jsonl`.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    source: &'a str,
    bytes: u64,
    tokens: u64,
    nats: f64,
    bits_per_byte: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_nats: Option<f64>,
}

fn forecast(planning: &Planning) -> Result<Forecast, Failure> {
    let train = planning.config["split"] == "train";
    let split = if train { Split::Train } else { Split::Validation };
    let mut tokens = planning.fact("tokens", &format!("{}_tokens", split.name()));
    let mut documents = of_split(planning, "documents", split);
    let wanted = planning.config["max_documents"].as_f64().unwrap_or(0.0);
    if wanted > 0.0 && documents > wanted {
        tokens *= wanted / documents;
        documents = wanted;
    }
    let model = Model::of(planning);
    // With a stride of half the context most tokens of a long document pass twice.
    let flops = 2.0 * tokens * model.flops_per_token;
    Ok(Forecast {
        tokens,
        parameters: model.parameters,
        flops,
        memory: 300e6 + 4.0 * model.parameters,
        disk: 250.0 * documents,
        seconds: model.seconds(flops) + tokens * 4.0 * 4e-7,
        ..Forecast::default()
    })
}

/// The documents to score: all of a split, or so many evenly spread over it.
fn chosen(corpus: &Corpus, split: Split, most: usize) -> Result<Vec<u32>, Error> {
    let all: Vec<u32> = corpus.split(split).collect();
    if all.is_empty() {
        return Err(Error::Config {
            field: "split",
            problem: format!("is \"{split}\", of which the corpus has no document"),
            hint: "raise `validation` in the corpus stage or give it more documents".into(),
        });
    }
    let many = if most == 0 { all.len() } else { most.min(all.len()) };
    Ok((0..many).map(|i| all[i * all.len() / many]).collect())
}

/// Refuses tokens that were not made by the model's tokenizer: their scores would mean nothing.
fn check_tokenizer(saved: &Saved, corpus: &Corpus, stream: &Stream, ordinal: u32) -> Result<(), Failure> {
    let hint = "make the tokens with the tokenizer that the model was trained with";
    let different = |problem: String| Err(Error::Inputs { problem, hint }.into());
    // The model's own may be padded.
    let (tokens, model) = (stream.vocab(), saved.tokenizer.vocab_size());
    if tokens != model {
        return different(format!(
            "`tokens` has a vocabulary of {tokens} ids, the tokenizer of `model` one of {model}"
        ));
    }
    let Some(slots) = stream.slots_of(ordinal) else {
        return different(format!("`tokens` does not hold document `{}`", corpus.name(ordinal)));
    };
    let text = corpus.text(ordinal)?.unwrap_or_default();
    let mut expected = saved.tokenizer.encode(text)?;
    expected.push(saved.tokenizer.end_id());
    if stream.tokens(slots)? != expected {
        let name = corpus.name(ordinal);
        return different(format!(
            "`tokens` has other tokens for document `{name}` than the tokenizer of `model`"
        ));
    }
    Ok(())
}

fn run(job: &mut Job) -> Result<(), Failure> {
    let config: Config = job.config()?;
    let corpus = Corpus::open(job.input("corpus")?)?;
    let tokens_artifact = job.input("tokens")?;
    if tokens_artifact.manifest.inputs.get("corpus") != Some(&job.input("corpus")?.key()) {
        return Err(Error::Inputs {
            problem: "`tokens` was not made from `corpus`".into(),
            hint: "name the corpus from which the tokens were made",
        }
        .into());
    }
    let tokens = TokenSet::open(&tokens_artifact.path)?;
    let stream = tokens.split(config.split);
    let saved = Saved::open(&job.input("model")?.path)?;
    let documents = chosen(&corpus, config.split, config.max_documents)?;
    check_tokenizer(&saved, &corpus, stream, documents[0])?;
    let context = saved.config.context;
    let stride = match config.stride {
        0 => (context / 2).max(1),
        stride if stride <= context => stride,
        stride => {
            return Err(Error::Config {
                field: "stride",
                problem: format!("is {stride}, but the model's context is {context}"),
                hint: "leave `stride` out to move on by half the context".into(),
            }
            .into());
        }
    };
    let mut tokens = TokenLosses::default();
    let nats = model_nats(job, &saved, stream, &documents, stride, &mut tokens)?;
    let baseline = baseline_nats(job, &corpus, &documents)?;
    let tally = write_scores(job, &corpus, stream, &documents, &nats, baseline.as_deref())?;
    write_losses(job, &corpus, &documents, &nats, &tokens)?;
    job.summary = tally.summary();
    fs::write_json(&job.dir().join(RESULT), &job.summary)?;
    Ok(())
}

fn model_nats(
    job: &mut Job,
    saved: &Saved,
    stream: &Stream,
    documents: &[u32],
    stride: usize,
    tokens: &mut TokenLosses,
) -> Result<Vec<f64>, Failure> {
    let (mut complete, mut failed) = (true, None);
    let note = units::plural(documents.len() as u64, "document");
    let (log, cancel) = (&mut job.log, &job.cancel);
    let mut tick = |done: usize, total: usize| {
        complete = done == total;
        failed = log.progress(done as u64, total as u64, "windows", note.as_str()).err();
        failed.is_none() && !cancel.asked()
    };
    let context = saved.config.context;
    let pool = Pool::new();
    let (decoder, params) = (&saved.decoder, &saved.params);
    let mut heard = |nats| tokens.add(nats);
    let nats =
        score_tokens(decoder, params, stream, documents, context, stride, &pool, &mut tick, &mut heard)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !complete {
        job.cancel.check()?;
    }
    Ok(nats)
}

fn baseline_nats(job: &mut Job, corpus: &Corpus, documents: &[u32]) -> Result<Option<Vec<f64>>, Failure> {
    let Some(artifact) = job.inputs.get("baseline") else { return Ok(None) };
    if artifact.manifest.inputs.get("corpus") != Some(&job.input("corpus")?.key()) {
        job.log.warn(None, "the baseline was trained on another corpus than the one it is scored on")?;
    }
    let model = Ngram::open(&artifact.file(Ngram::FILE))?;
    Ok(Some(documents.par_iter().map(|&ordinal| model.nats(corpus.bytes(ordinal))).collect()))
}

fn write_scores(
    job: &Job,
    corpus: &Corpus,
    stream: &Stream,
    documents: &[u32],
    nats: &[f64],
    baseline: Option<&[f64]>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    for (i, (&ordinal, &nats)) in documents.iter().zip(nats).enumerate() {
        if !nats.is_finite() {
            return Err(Error::NotFinite { document: corpus.name(ordinal), nats }.into());
        }
        let row = corpus.row(ordinal);
        let source = corpus.source_name(row.source);
        let (bytes, baseline) = (u64::from(row.bytes), baseline.map(|all| all[i]));
        let tokens = stream.slots_of(ordinal).map_or(0, |slots| slots.end - slots.start);
        tally.add(&Scored { source, bytes, tokens, nats, baseline });
        let bits_per_byte = bits_per_byte(nats, bytes);
        let row = Row {
            id: corpus.id(ordinal),
            source,
            bytes,
            tokens,
            nats,
            bits_per_byte,
            baseline_nats: baseline,
        };
        super::push_line(&mut lines, &row);
    }
    fs::write(&job.dir().join(SCORES), &lines)?;
    Ok(tally)
}

/// How the text of a document begins, for the hardest and the easiest.
fn write_losses(
    job: &Job,
    corpus: &Corpus,
    documents: &[u32],
    nats: &[f64],
    tokens: &TokenLosses,
) -> Result<(), Failure> {
    let scored: Vec<(u64, f64)> = documents
        .iter()
        .zip(nats)
        .map(|(&ordinal, &nats)| {
            let bytes = u64::from(corpus.row(ordinal).bytes);
            (bytes, bits_per_byte(nats, bytes))
        })
        .collect();
    let extremes = Extremes::of(&scored);
    let told = |chosen: &[usize]| -> Result<Vec<Document>, Failure> {
        let document = |&i: &usize| {
            let (ordinal, (bytes, bits_per_byte)) = (documents[i], scored[i]);
            let text = corpus.text(ordinal)?.unwrap_or_default();
            Ok(Document::new(corpus.name(ordinal), bytes, bits_per_byte, text))
        };
        chosen.iter().map(document).collect()
    };
    let losses = Losses {
        token_losses: tokens.json(),
        least_bytes: extremes.least_bytes,
        worst: told(&extremes.worst)?,
        best: told(&extremes.best)?,
    };
    Ok(fs::write_json(&job.dir().join(LOSSES), &losses)?)
}
