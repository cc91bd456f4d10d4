//! For tests and tools: one stage alone, without a recipe file. It goes through the same parser and runner.

use std::path::Path;

use regimen_base::Failure;
use regimen_ledger::{Artifact, Store};
use serde_json::Map;

use crate::check::default_of;
use crate::error::Result;
use crate::kind::{Default, Field, Registry, StageKind, Ty};
use crate::recipe::Recipe;
use crate::run::Runner;

/// The fingerprint that [`run_stage`] works under.
pub const FINGERPRINT: &str = "test";

/// A recipe of one stage, named like its kind. `config` is the TOML of the stage's table without `kind` and inputs.
pub fn recipe(
    kind: &'static StageKind,
    config: &str,
    root: &Path,
    inputs: &[(&str, &Artifact)],
    seed: u64,
) -> Result<Recipe> {
    let inputs: Vec<(&str, &Path)> = inputs.iter().map(|(name, a)| (*name, a.path.as_path())).collect();
    Recipe::single(kind, config, root, &inputs, seed)
}

/// Run one stage with its store in `root/.regimen` and give back its artifact. Paths in the config start at `root`.
pub fn run_stage(
    kind: &'static StageKind,
    config: &str,
    root: &Path,
    inputs: &[(&str, &Artifact)],
    seed: u64,
) -> Result<Artifact, Failure> {
    let recipe = recipe(kind, config, root, inputs, seed)?;
    let store = Store::open(root)?;
    let mut runner = Runner::new(&store, FINGERPRINT);
    runner.threads = 2;
    let outcome = runner.run(&recipe, None)?.remove(0);
    Ok(outcome.artifact)
}

/// What is wrong with the tables of a registry: names that appear twice or that recipes use themselves, defaults that do
/// not fit their type, fields without a word of explanation. A test of the program asserts that there is nothing.
pub fn audit(registry: &Registry) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut kinds = Vec::new();
    for kind in registry.all() {
        if kinds.contains(&kind.kind) {
            wrong.push(format!("the kind `{}` is there twice", kind.kind));
        }
        kinds.push(kind.kind);
        let mut names = vec!["kind", "seed"];
        for input in kind.inputs {
            if names.contains(&input.name) {
                wrong.push(format!("`{}` of `{}` is there twice", input.name, kind.kind));
            }
            names.push(input.name);
            for accepted in input.accepts.iter().filter(|a| registry.get(a).is_none()) {
                wrong
                    .push(format!("`{}` of `{}` takes the unknown kind `{accepted}`", input.name, kind.kind));
            }
        }
        audit_fields(kind, kind.fields, names, &mut wrong);
    }
    wrong
}

fn audit_fields(kind: &StageKind, fields: &'static [Field], mut names: Vec<&str>, wrong: &mut Vec<String>) {
    for field in fields {
        if names.contains(&field.name) {
            wrong.push(format!("`{}` of `{}` is there twice", field.name, kind.kind));
        }
        names.push(field.name);
        if field.doc.is_empty() {
            wrong.push(format!("`{}` of `{}` is not explained", field.name, kind.kind));
        }
        let mut tables = vec![Map::new()];
        if let Default::By { on, others, .. } = field.default {
            if !names.contains(&on) {
                let at = format!("`{}` of `{}`", field.name, kind.kind);
                wrong.push(format!("the default of {at} depends on `{on}`, which does not stand before it"));
            }
            tables.extend(others.iter().map(|(word, _)| Map::from_iter([(on.to_string(), (*word).into())])));
        }
        for table in tables {
            if let Err(w) = default_of(kind, field, &table) {
                wrong.push(w.message);
            }
        }
        let mut ty = &field.ty;
        while let Ty::List(inner) | Ty::Maybe(inner) = ty {
            ty = inner;
        }
        if let Ty::Table(inner) = ty {
            audit_fields(kind, inner, Vec::new(), wrong);
        }
    }
}
