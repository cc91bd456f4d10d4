//! `regimen corpus ..`: one file a command.

mod attribute;
mod build;
mod classifier;
mod decontaminate;
mod dedup;
mod export;
mod index;
mod inspect;
mod mix;
mod ngrams;
mod opened;
mod sample;
mod search;
mod stats;
mod step;
mod subject;
mod tag;
mod taggers;

use std::path::Path;

use regimen_corpus::dolma::DOCUMENTS;
use regimen_recipe::{InputFile, input_files, within};

use crate::Context;
use crate::args::Corpus;
use crate::output::{Explain, Fault};

pub fn corpus(context: &Context, command: &Corpus) -> anyhow::Result<u8> {
    match command {
        Corpus::Build(args) => build::build(context, args),
        Corpus::Tag(args) => tag::tag(context, args),
        Corpus::Dedup(args) => dedup::dedup(context, args),
        Corpus::Mix(args) => mix::mix(context, args),
        Corpus::Sample(args) => sample::sample(context, args),
        Corpus::Decontaminate(args) => decontaminate::decontaminate(context, args),
        Corpus::Classifier(args) => classifier::classifier(context, args),
        Corpus::Taggers(args) => taggers::taggers(context, args),
        Corpus::Search(args) => search::search(context, args),
        Corpus::Index(args) => index::index(context, args),
        Corpus::Attribute(args) => attribute::attribute(context, args),
        Corpus::Ngrams(args) => ngrams::ngrams(context, args),
        Corpus::Stats(args) => stats::stats(context, args),
        Corpus::Inspect(args) => inspect::inspect(context, args),
        Corpus::Export(args) => export::export(context, args),
    }
}

/// The files that some patterns mean, each once, in the order of their paths. Of a folder in Dolma's layout they are its
/// documents: attributes and whatever lies beside them are none.
fn files(patterns: &[String]) -> anyhow::Result<Vec<InputFile>> {
    let mut all = Vec::new();
    for pattern in patterns {
        if regimen_objects::is_url(pattern) {
            return Err(Fault::new(
                format!("`{pattern}` is in an object store, and this command writes beside its files"),
                "copy the files into a folder; sources of a recipe may lie in object stores",
            ));
        }
        let here = Path::new("");
        all.extend(input_files(here, &within(here, pattern, DOCUMENTS).explain()?).explain()?);
    }
    all.sort_by(|a, b| a.full.cmp(&b.full));
    all.dedup_by(|a, b| a.full == b.full);
    Ok(all)
}
