//! `regimen corpus classifier`: a classifier in fastText's format from labelled texts.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use regimen_base::{Cancel, fs, units};
use regimen_corpus::dolma::classifier::{Examples, Source, Trained};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::dolma::{Fields, apart};
use regimen_corpus::fasttext::{LabelScores, Options};
use serde_json::{Value, json};

use super::{files, named};
use crate::args::ClassifierArgs;
use crate::meter::Meter;
use crate::output::{Explain, Fault, INTERRUPTED, command_line, explain_step, print, print_json, say};
use crate::{Context, interrupt};

pub fn classifier(context: &Context, args: &ClassifierArgs) -> anyhow::Result<u8> {
    let quantise = match args.to.extension().and_then(|ending| ending.to_str()) {
        Some("bin") => false,
        Some("ftz") => true,
        _ => {
            return Err(Fault::new(
                format!("`{}` ends in neither .bin nor .ftz", args.to.display()),
                "name the model as fastText does: .bin for plain numbers, .ftz for a small one",
            ));
        }
    };
    let sources = sources(context, args)?;
    spared(&sources, &args.to)?;
    let documents = args.label.iter().filter_map(|given| Some(given.split_once('=')?.1.to_string()));
    let patterns: Vec<String> = documents.chain(args.lines.iter().cloned()).collect();
    apart(&patterns, [args.to.as_path()]).explain()?;
    let options = Options {
        dim: args.dim as usize,
        learning_rate: args.lr,
        epochs: args.epochs,
        min_count: args.min_count,
        word_ngrams: args.word_ngrams,
        bucket: args.bucket,
        minn: args.minn,
        maxn: args.maxn,
        seed: args.seed,
        memory: args.memory,
    };
    // A fault in them is told before the texts are read, and a folder that cannot be written to as well.
    options.check().explain()?;
    if let Some(folder) = args.to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).explain()?;
    }
    let cancel = interrupt::install(context.global.quiet)?;
    let made = read(context, &sources, args, &cancel).and_then(|examples| {
        let model = train(context, &examples, &options, quantise, &cancel)?;
        Ok((examples, model))
    });
    if let Err(regimen_corpus::Error::Interrupted) = made {
        say(&context.global, "stopped; nothing is kept");
        say(&context.global, format!("hint: begin again with `{}`", command_line()));
        return Ok(INTERRUPTED);
    }
    let (examples, model) = explain_step(made)?;
    // A model that is trained is there, whatever becomes of its scores.
    fs::write(&args.to, &model).explain()?;
    let trained = examples.score(model).explain()?;
    if context.global.json {
        print_json(&summary(args, &examples, &trained))?;
        return Ok(0);
    }
    table(&examples, &trained).into_iter().try_for_each(print)?;
    let (train, validation) = examples.texts();
    let mut words = format!(
        "{}: {}, of {} in {} labels; {validation} held back",
        args.to.display(),
        units::bytes(trained.model.len() as u64),
        units::plural(train, "text"),
        examples.labels.len(),
    );
    if let Some(accuracy) = trained.scores.as_ref().and_then(|scores| scores.accuracy) {
        words.push_str(&format!(", {:.1} % of them told rightly", 100.0 * accuracy));
    }
    if examples.empty > 0 {
        words.push_str(&format!("; {} without a word left out", units::plural(examples.empty, "text")));
    }
    say(&context.global, words);
    Ok(0)
}

/// The texts that were named.
fn sources(context: &Context, args: &ClassifierArgs) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for given in &args.label {
        let Some((label, pattern)) = given.split_once('=').filter(|(_, pattern)| !pattern.is_empty()) else {
            return Err(Fault::new(
                format!("`--label {given}` is not of the form LABEL=DOCUMENTS"),
                "write it like --label good=wiki/documents",
            ));
        };
        let repair = args.invalid_utf8 == "replace";
        let (label, fields) = (label.into(), Fields { text: args.text_field.clone(), id: None, repair });
        sources.push(Source::Documents { label, files: files(context, &[pattern.into()])?, fields });
    }
    if !args.lines.is_empty() {
        sources.push(Source::Lines(named(context, &args.lines)?));
    }
    Ok(sources)
}

/// The model must not take the place of a text.
fn spared(sources: &[Source], to: &Path) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    let model = real(to);
    match sources.iter().flat_map(Source::files).any(|file| real(&file.full) == model) {
        false => Ok(()),
        true => Err(Fault::new(
            format!("`{}` is read here, and would be written over", to.display()),
            "name another file for the model",
        )),
    }
}

fn read(
    context: &Context,
    sources: &[Source],
    args: &ClassifierArgs,
    cancel: &Cancel,
) -> regimen_corpus::Result<Examples> {
    let progress = Progress::default();
    let total = sources.iter().flat_map(Source::files).map(|file| file.bytes).sum();
    Meter::new("read", total, context.global.quiet).watch(
        &|| {
            let documents = progress.documents.load(Relaxed);
            (progress.read.load(Relaxed), units::plural(documents, "text"))
        },
        || Examples::read(sources, args.validation, args.memory, &progress, cancel),
    )
}

fn train(
    context: &Context,
    examples: &Examples,
    options: &Options,
    quantise: bool,
    cancel: &Cancel,
) -> regimen_corpus::Result<Vec<u8>> {
    let (done, (texts, _)) = (AtomicU64::new(0), examples.texts());
    Meter::new("train", examples.steps(options.epochs), context.global.quiet).watch(
        &|| {
            let done = done.load(Relaxed);
            (done, format!("epoch {} of {}", done / texts.max(1) + 1, options.epochs))
        },
        || examples.train(options, quantise, &done, cancel),
    )
}

/// The scores of a label, if there are any.
fn scores_of<'t>(trained: &'t Trained, label: &str) -> Option<&'t LabelScores> {
    trained.scores.as_ref()?.labels.iter().find(|of| of.label == label)
}

fn summary(args: &ClassifierArgs, examples: &Examples, trained: &Trained) -> Value {
    let labels: Vec<Value> = examples
        .labels
        .iter()
        .map(|(label, counts)| {
            let scores = scores_of(trained, label);
            json!({
                "label": label,
                "train": counts.train,
                "validation": counts.validation,
                "precision": scores.and_then(|of| of.precision),
                "recall": scores.and_then(|of| of.recall),
                "f1": scores.and_then(|of| of.f1),
                "auc": scores.and_then(|of| of.auc),
            })
        })
        .collect();
    let (train, validation) = examples.texts();
    json!({
        "model": args.to,
        "model_bytes": trained.model.len(),
        "train": train,
        "validation": validation,
        "empty": examples.empty,
        "text_bytes": examples.bytes,
        "accuracy": trained.scores.as_ref().and_then(|scores| scores.accuracy),
        "labels": labels,
    })
}

/// A row for each label, for people.
fn table(examples: &Examples, trained: &Trained) -> Vec<String> {
    let widest = examples.labels.keys().map(|label| label.chars().count()).max().unwrap_or(0).max(5);
    let share = |share: Option<f64>| share.map_or("-".into(), |share| format!("{share:.3}"));
    let row = |label: &str, cells: [String; 6]| {
        let [train, held, precision, recall, f1, auc] = cells;
        format!("{label:widest$}  {train:>9}  {held:>9}  {precision:>9}  {recall:>6}  {f1:>6}  {auc:>6}")
    };
    let head = ["train", "held back", "precision", "recall", "F1", "AUC"].map(String::from);
    let mut rows = vec![row("label", head)];
    for (label, counts) in &examples.labels {
        let scores = scores_of(trained, label);
        let of = |pick: fn(&LabelScores) -> Option<f64>| share(scores.and_then(pick));
        let cells = [
            counts.train.to_string(),
            counts.validation.to_string(),
            of(|s| s.precision),
            of(|s| s.recall),
            of(|s| s.f1),
            of(|s| s.auc),
        ];
        rows.push(row(label, cells));
    }
    rows
}
