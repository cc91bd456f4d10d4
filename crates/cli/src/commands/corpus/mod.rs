//! `regimen corpus ..`: one file a command.

mod dedup;
mod export;
mod inspect;
mod ngrams;
mod opened;
mod search;
mod stats;
mod tag;
mod taggers;

use std::path::Path;

use regimen_recipe::{InputFile, input_files};

use crate::Context;
use crate::args::{Corpus, RecipeArgs, RunArgs};
use crate::output::{Explain, Fault};

pub fn corpus(context: &Context, command: &Corpus) -> anyhow::Result<u8> {
    match command {
        Corpus::Build(args) => build(context, args),
        Corpus::Tag(args) => tag::tag(context, args),
        Corpus::Dedup(args) => dedup::dedup(context, args),
        Corpus::Taggers(args) => taggers::taggers(context, args),
        Corpus::Search(args) => search::search(context, args),
        Corpus::Ngrams(args) => ngrams::ngrams(context, args),
        Corpus::Stats(args) => stats::stats(context, args),
        Corpus::Inspect(args) => inspect::inspect(context, args),
        Corpus::Export(args) => export::export(context, args),
    }
}

/// `regimen corpus build`: the stages of the kind `corpus` of a recipe.
fn build(context: &Context, args: &RecipeArgs) -> anyhow::Result<u8> {
    let mut recipe = args.clone();
    if recipe.until.is_none() {
        let stages = super::recipe(context, args)?.stages;
        let Some(last) = stages.iter().rev().find(|stage| stage.kind.kind == "corpus") else {
            return Err(Fault::new(
                format!("`{}` has no stage of the kind `corpus`", args.recipe.display()),
                "write one: `regimen stages corpus` describes it",
            ));
        };
        recipe.until = Some(last.name.clone());
    }
    super::run::run(context, &RunArgs { recipe, no_report: true, profile: None })
}

/// The files that some patterns mean, each once, in the order of their paths.
fn files(patterns: &[String]) -> anyhow::Result<Vec<InputFile>> {
    let mut all = Vec::new();
    for pattern in patterns {
        all.extend(input_files(Path::new(""), pattern).explain()?);
    }
    all.sort_by(|a, b| a.full.cmp(&b.full));
    all.dedup_by(|a, b| a.full == b.full);
    Ok(all)
}
