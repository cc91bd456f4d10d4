//! From a stage to its key: input files hashed, fields outside the key left out, keys of the inputs found.

use std::collections::BTreeMap;

use regimen_base::{Hint, Key};
use regimen_ledger::{Artifact, Store, key_of};
use serde_json::{Map, Value, json};

use crate::check::{default_of, join};
use crate::error::Result;
use crate::files::{self, Coming, Found};
use crate::kind::{Field, Ty};
use crate::listed::ListedFile;
use crate::recipe::{InputRef, Recipe, Stage};
use crate::within;

/// Everything about a stage that can be known before its inputs exist.
pub(crate) struct Ready {
    pub(crate) key: Key,
    /// The config as the stage reads it: folders that stand for one in them are named as that.
    pub(crate) local: Value,
    /// The config as it enters the key.
    pub(crate) config: Value,
    pub(crate) inputs: BTreeMap<String, Key>,
    /// Inputs that are no stages of the recipe.
    pub(crate) outside: BTreeMap<String, Artifact>,
    pub(crate) files: Found,
    /// Those of the files that are not here: objects whose hash is remembered.
    pub(crate) absent: Vec<ListedFile>,
}

/// Work out a stage's key. `keys` holds those of the stages before it; `coming` is told of objects that are brought here.
pub(crate) fn ready(
    recipe: &Recipe,
    stage: &Stage,
    store: &Store,
    keys: &BTreeMap<String, Key>,
    coming: &mut Coming,
) -> Result<Ready> {
    let mut inputs = BTreeMap::new();
    let mut outside = BTreeMap::new();
    for (name, filled) in &stage.inputs {
        let key = match filled {
            InputRef::Stage(other) => *keys.get(other).expect("a stage stands behind those it takes from"),
            InputRef::Key(_) | InputRef::Path(_) => {
                let artifact = outside_artifact(recipe, stage, name, filled, store)?;
                let key = artifact.key();
                outside.insert(name.clone(), artifact);
                key
            }
        };
        inputs.insert(name.clone(), key);
    }
    let mut walk = Walk { recipe, stage, store, coming, files: Found::new(), absent: Vec::new() };
    let local =
        within::at_places(stage.kind.fields, &stage.config, &recipe.root).map_err(|(path, error)| {
            let (message, hint) = (error.to_string(), error.hint());
            recipe.fault(stage, &path, format!("`{path}` of stage `{}`: {message}", stage.name), hint)
        })?;
    let config = Value::Object(walk.table(stage.kind.fields, &local, "")?);
    let (files, absent) = (walk.files, walk.absent);
    let key = key_of(stage.kind.kind, stage.kind.version, &config, stage.seed, &inputs);
    Ok(Ready { key, local, config, inputs, outside, files, absent })
}

fn outside_artifact(
    recipe: &Recipe,
    stage: &Stage,
    input: &str,
    filled: &InputRef,
    store: &Store,
) -> Result<Artifact> {
    let found = match filled {
        InputRef::Path(path) => Artifact::open(&recipe.root.join(path)),
        InputRef::Key(prefix) => store.resolve(&format!("key:{prefix}")),
        InputRef::Stage(name) => store.resolve(name),
    };
    let owner = format!("input `{input}` of stage `{}`", stage.name);
    let artifact = found.map_err(|e| recipe.fault(stage, input, format!("{owner}: {e}"), e.hint()))?;
    let accepts = stage.kind.inputs.iter().find(|i| i.name == input).map_or(&[][..], |i| i.accepts);
    if !accepts.contains(&artifact.manifest.kind.as_str()) {
        let message = format!(
            "{owner} takes kind {}, but {} is of kind {}",
            accepts.join(" or "),
            artifact.key().short(),
            artifact.manifest.kind
        );
        let hint = format!("name an artifact of kind {}; `regimen runs` lists them", accepts.join(" or "));
        return Err(recipe.fault(stage, input, message, Some(hint)));
    }
    Ok(artifact)
}

/// Goes through the config along its fields.
struct Walk<'a, 'c> {
    recipe: &'a Recipe,
    stage: &'a Stage,
    store: &'a Store,
    coming: &'a mut Coming<'c>,
    files: Found,
    absent: Vec<ListedFile>,
}

impl Walk<'_, '_> {
    fn table(&mut self, fields: &[Field], value: &Value, path: &str) -> Result<Map<String, Value>> {
        let mut out = Map::new();
        let none = Map::new();
        let whole = value.as_object().unwrap_or(&none);
        for field in fields {
            let value = &value[field.name];
            let inner = join(path, field.name);
            // Files outside the key are needed all the same.
            let entering = self.value(&field.ty, value, &inner)?;
            let silent = || match default_of(self.stage.kind, field, whole) {
                Ok(default) => default.as_ref() == Some(value),
                Err(_) => false,
            };
            if field.keyed && !(field.later && silent()) {
                out.insert(field.name.into(), entering);
            }
        }
        Ok(out)
    }

    fn value(&mut self, ty: &Ty, value: &Value, path: &str) -> Result<Value> {
        Ok(match (ty, value) {
            (Ty::Maybe(inner), Value::Object(_) | Value::Array(_) | Value::String(_)) => {
                self.value(inner, value, path)?
            }
            (Ty::Table(fields), _) => Value::Object(self.table(fields, value, path)?),
            (Ty::List(item), Value::Array(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, inner) in items.iter().enumerate() {
                    out.push(self.value(item, inner, &format!("{path}.{i}"))?);
                }
                out.into()
            }
            (Ty::Files, Value::String(pattern)) => self.files(pattern, path)?,
            _ => value.clone(),
        })
    }

    fn files(&mut self, pattern: &str, path: &str) -> Result<Value> {
        if !self.files.contains_key(pattern) {
            let root = &self.recipe.root;
            let found = files::hashed(root, pattern, self.store, self.coming, &mut self.absent)?;
            let found = found.map_err(|(message, hint)| {
                let message = format!("`{path}` of stage `{}`: {message}", self.stage.name);
                self.recipe.fault(self.stage, path, message, hint)
            })?;
            self.files.insert(pattern.into(), found);
        }
        Ok(self.files[pattern].iter().map(|file| json!({"path": file.path, "blake3": file.blake3})).collect())
    }
}
