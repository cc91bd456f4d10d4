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
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use regimen_base::units;
use regimen_corpus::dolma::{DOCUMENTS, is_rows};
use regimen_objects::is_url;
use regimen_recipe::{InputFile, input_files, list_files, within};

use crate::Context;
use crate::args::Corpus;
use crate::meter::Meter;
use crate::output::Explain;

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

/// The files of rows that some patterns mean, as [`named`] has them. One whose name says that it is something else is refused.
fn files(context: &Context, patterns: &[String]) -> anyhow::Result<Vec<InputFile>> {
    let files = named(context, patterns)?;
    files.iter().try_for_each(|file| is_rows(&file.path)).explain()?;
    Ok(files)
}

/// The files that some patterns mean, each once, in the order of their paths. Of a folder in Dolma's layout they are its
/// documents: attributes and whatever lies beside them are none. Objects of a store are brought here first, to where those of
/// a recipe come.
fn named(context: &Context, patterns: &[String]) -> anyhow::Result<Vec<InputFile>> {
    let mut all = Vec::new();
    for pattern in patterns {
        let here = Path::new("");
        let pattern = within(here, pattern, DOCUMENTS).explain()?;
        all.extend(match is_url(&pattern) {
            true => brought(context, &pattern)?,
            false => input_files(here, &pattern).explain()?,
        });
    }
    // By the parts of a path.
    all.sort_by(|a, b| Path::new(&a.path).cmp(Path::new(&b.path)));
    all.dedup_by(|a, b| Path::new(&a.path) == Path::new(&b.path));
    Ok(all)
}

/// The objects that a URL means, under a meter if some must come.
fn brought(context: &Context, url: &str) -> anyhow::Result<Vec<InputFile>> {
    let listed = list_files(&context.project, url).explain()?;
    let absent = || listed.iter().filter(|file| !file.is_here());
    let total = absent().map(|file| file.bytes).sum();
    let came = AtomicU64::new(0);
    if total > 0 {
        let objects = units::plural(absent().count() as u64, "object");
        let mut count = |more| {
            came.fetch_add(more, Relaxed);
        };
        let bring = || absent().try_for_each(|file| file.bring(&mut count));
        Meter::new("fetch", total, context.global.quiet)
            .watch(&|| (came.load(Relaxed), objects.clone()), bring)
            .explain()?;
    }
    listed.iter().map(|file| file.input(&mut |_| ()).explain()).collect()
}
