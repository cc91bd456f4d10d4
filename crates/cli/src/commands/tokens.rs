//! `regimen tokens ..`.

use std::sync::atomic::Ordering::Relaxed;

use regimen_base::units;
use regimen_corpus::Corpus;
use regimen_ledger::Artifact;
use regimen_tokens::export::{ExportedSplit, Progress, export as run};
use regimen_tokens::{Error, Split, TokenSet};

use crate::args::{Tokens, TokensExportArgs};
use crate::commands::store;
use crate::meter::Meter;
use crate::output::{Explain, Fault, INTERRUPTED, command_line, print, print_json, say, shown};
use crate::{Context, interrupt};

pub fn tokens(context: &Context, command: &Tokens) -> anyhow::Result<u8> {
    match command {
        Tokens::Export(args) => export(context, args),
    }
}

fn export(context: &Context, args: &TokensExportArgs) -> anyhow::Result<u8> {
    let (tokens, corpus) = opened(context, &args.tokens)?;
    let splits: Vec<Split> = Split::ALL
        .into_iter()
        .filter(|split| args.split.as_ref().is_none_or(|one| one == split.name()))
        .collect();
    let total: u64 = splits.iter().map(|&split| tokens.split(split).len()).sum();
    if total == 0 {
        let named = args.split.as_ref().map_or(String::new(), |split| format!(" for {split}"));
        return Err(Fault::new(
            format!("`{}` has no tokens{named}", args.tokens),
            "leave out --split, or raise `validation` in the corpus stage and run the recipe again",
        ));
    }
    let (progress, cancel) = (Progress::default(), interrupt::install(context.global.quiet)?);
    let exported = Meter::new("export", total, context.global.quiet).watch(
        &|| {
            let documents = progress.documents.load(Relaxed);
            (progress.tokens.load(Relaxed), units::plural(documents, "document"))
        },
        || run(&tokens, &corpus, &args.to, &splits, args.max_tokens, &progress, &cancel),
    );
    if let Err(Error::Interrupted(_)) = exported {
        say(&context.global, "stopped; nothing is kept");
        say(&context.global, format!("hint: begin again with `{}`", command_line()));
        return Ok(INTERRUPTED);
    }
    let exported = exported.explain()?;
    if context.global.json {
        print_json(&exported)?;
        return Ok(0);
    }
    for file in exported.splits.iter().flat_map(|split| &split.files) {
        print(shown(&args.to.join(file)))?;
    }
    exported.splits.iter().for_each(|split| say(&context.global, words(split)));
    let type_of = format!("{}, {} token ids, end token {}", exported.dtype, exported.vocab, exported.end_id);
    say(&context.global, type_of);
    Ok(0)
}

/// What was written of a split.
fn words(split: &ExportedSplit) -> String {
    let mut words = format!(
        "{}: {} of {} in {}",
        split.split,
        units::plural(split.tokens, "token"),
        units::plural(split.documents, "document"),
        units::plural(split.files.len() as u64, "file"),
    );
    if split.cut > 0 {
        words.push_str(&format!("; {} longer than a file and cut", split.cut));
    }
    words
}

/// The tokens that a word names, with the corpus that they were made from.
fn opened(context: &Context, word: &str) -> anyhow::Result<(TokenSet, Corpus)> {
    let artifact = if word.contains('/') {
        Artifact::open(std::path::Path::new(word)).explain()?
    } else {
        store(context)?.resolve(word).explain()?
    };
    if artifact.manifest.kind != "tokens" {
        return Err(Fault::new(
            format!("`{word}` is a `{}`, not tokens", artifact.manifest.kind),
            "name a `tokens` stage; `regimen runs` lists them, `regimen lineage` shows what a stage was made from",
        ));
    }
    let folder = artifact.input_dir("corpus", "corpus").filter(|folder| folder.is_dir());
    let folder = folder.ok_or_else(|| {
        Fault::new(
            format!("the corpus that `{word}` was made from is not beside it in the store"),
            "run the recipe again to remake it: ids and source files of documents are known there alone",
        )
    })?;
    Ok((TokenSet::open(&artifact.path).explain()?, Corpus::open_dir(&folder).explain()?))
}
