//! One file a command.

pub mod completions;
pub mod config;
pub mod corpus;
pub mod doctor;
pub mod generate;
pub mod ledger;
pub mod man;
pub mod model;
pub mod new;
pub mod plan;
pub mod recipe;
pub mod report;
pub mod run;
pub mod runs;
pub mod show;
pub mod stages;
pub mod tokens;
pub mod trace;
pub mod train;
pub mod watch;

use std::path::{Path, PathBuf};

use regimen_ledger::{Artifact, Store};
use regimen_recipe::Recipe;
use regimen_trace::View;
use regimen_train::Saved;

use crate::Context;
use crate::args::RecipeArgs;
use crate::output::{Explain, Fault};
use crate::registry::REGISTRY;

/// The project root that a recipe belongs to.
pub fn project_of(recipe: &Path) -> anyhow::Result<PathBuf> {
    regimen_recipe::project_root(recipe).explain()
}

/// The recipe that was named, checked, in the project that is worked on.
pub fn recipe(context: &Context, args: &RecipeArgs) -> anyhow::Result<Recipe> {
    let mut recipe = Recipe::load(&args.recipe, &REGISTRY, &args.sets).explain()?;
    if let Some(project) = &context.global.project {
        recipe.root = std::path::absolute(project)?;
    }
    if let Some(device) = context.settings.chosen("device") {
        for stage in &mut recipe.stages {
            if let Some(field) = stage.config.get_mut("device") {
                *field = device.into();
            }
        }
    }
    Ok(recipe)
}

/// The project's store, which must be there: looking makes nothing.
pub fn store(context: &Context) -> anyhow::Result<Store> {
    Store::open_existing(&context.project).explain()
}

/// The model that a word names, with its artifact.
pub fn model(store: &Store, word: &str) -> anyhow::Result<(Artifact, Saved)> {
    let artifact = store.resolve(word).explain()?;
    if !artifact.file(regimen_train::saved::WEIGHTS).is_file() {
        return Err(Fault::new(
            format!("`{word}` is a `{}`, not a model", artifact.manifest.kind),
            "name a `pretrain` or `import` stage; `regimen runs` lists them",
        ));
    }
    let saved = Saved::open(&artifact.path).explain()?;
    Ok((artifact, saved))
}

/// What to trace: the named run or artifact, or what the name of the newest model stands for, or, where there is no model, of the
/// newest corpus. A run that has not finished is traced as far as it came.
pub fn traced(store: &Store, word: Option<&str>) -> anyhow::Result<View> {
    if let Some(word) = word {
        return match store.run(word) {
            Ok(run) if run.kind == "pretrain" && store.artifact(&run.kind, run.key).explain()?.is_none() => {
                View::open_run(store, &run).explain()
            }
            _ => View::open(&store.resolve(word).explain()?).explain(),
        };
    }
    let artifacts = store.artifacts().explain()?;
    let newest = |kind: &str| {
        let of_kind = artifacts.iter().filter(|artifact| artifact.manifest.kind == kind);
        of_kind.max_by(|a, b| a.manifest.created.total_cmp(&b.manifest.created))
    };
    match newest("pretrain").or_else(|| newest("corpus")) {
        // Its name may have been used for an older one since.
        Some(newest) => match store.last_use(&newest.manifest.stage) {
            Some((kind, key)) if kind == newest.manifest.kind => {
                let last = store.artifact(&kind, key).explain()?;
                View::open(last.as_ref().unwrap_or(newest)).explain()
            }
            _ => View::open(newest).explain(),
        },
        None => Err(Fault::new("there is no model or corpus here yet", "run a recipe first")),
    }
}
