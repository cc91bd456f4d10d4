//! One file a command.

pub mod config;
pub mod doctor;
pub mod generate;
pub mod ledger;
pub mod model;
pub mod plan;
pub mod report;
pub mod run;
pub mod runs;
pub mod show;
pub mod stages;
pub mod trace;

use std::path::{Path, PathBuf};

use regimen_ledger::{Artifact, Store};
use regimen_train::Saved;

use crate::Context;
use crate::output::{Explain, Fault};

/// The project root that a recipe belongs to.
pub fn project_of(recipe: &Path) -> anyhow::Result<PathBuf> {
    regimen_recipe::project_root(recipe).explain()
}

/// The project's store.
pub fn store(context: &Context) -> anyhow::Result<Store> {
    Store::open(&context.project).explain()
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

/// What to trace: the named artifact, or the newest model.
pub fn traced(store: &Store, word: Option<&str>) -> anyhow::Result<Artifact> {
    if let Some(word) = word {
        return store.resolve(word).explain();
    }
    let mut models = store.artifacts().explain()?;
    models.retain(|artifact| artifact.manifest.kind == "pretrain");
    models.into_iter().max_by(|a, b| a.manifest.created.total_cmp(&b.manifest.created)).ok_or_else(|| {
        Fault::new("there is no model here yet", "run a recipe first, or name a corpus with `--run`")
    })
}
