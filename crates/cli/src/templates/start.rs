//! A model to go on from, as a recipe names it.

use regimen_ledger::{Artifact, Store};

use super::Shape;
use crate::commands::model;
use crate::output::{Explain, Fault};

/// Digits of keys in recipes.
const DIGITS: usize = 16;

/// A model in the store with its tokenizer.
#[derive(Clone, Debug)]
pub struct Start {
    /// What the user called it.
    pub word: String,
    /// The model, as an input.
    pub model: String,
    /// Its tokenizer, as an input.
    pub tokenizer: String,
    /// Its config as the fields of an inline table.
    pub config: String,
    /// Its shape.
    pub shape: Shape,
    /// Ids that it knows.
    pub vocab: u64,
}

impl Start {
    /// The model that `word` means; the newest one if there is no word.
    ///
    /// # Errors
    /// There is none, or nothing remembers its tokenizer.
    pub fn find(store: &Store, word: Option<&str>) -> anyhow::Result<Start> {
        let word = match word {
            Some(word) => word.to_string(),
            None => newest(store)?,
        };
        let (artifact, saved) = model(store, &word)?;
        let key = |artifact: &Artifact| format!("key:{}", &artifact.key().to_string()[..DIGITS]);
        let tokenizer = if artifact.manifest.kind == "import" {
            key(&artifact)
        } else {
            let tokens = artifact.input_dir("tokens", "tokens").filter(|dir| dir.is_dir());
            let tokens = tokens.map(|dir| Artifact::open(&dir)).transpose().explain()?;
            let folder = tokens.and_then(|tokens| regimen_train::saved::tokenizer_dir(&tokens));
            let Some(folder) = folder else {
                return Err(Fault::new(
                    format!("the tokenizer of `{word}` is no longer in the store"),
                    "run the recipe that made it again",
                ));
            };
            key(&Artifact::open(&folder).explain()?)
        };
        let config = &saved.config;
        let fields = serde_json::to_value(config)?;
        let fields = fields
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !matches!(name.as_str(), "vocab" | "init_std"));
        Ok(Start {
            model: key(&artifact),
            tokenizer,
            config: fields.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", "),
            shape: Shape {
                layers: config.layers as u64,
                width: config.width as u64,
                heads: config.heads as u64,
                context: config.context as u64,
            },
            vocab: config.vocab as u64,
            word,
        })
    }
}

/// The name of the newest model.
fn newest(store: &Store) -> anyhow::Result<String> {
    let mut models = store.artifacts().explain()?;
    models.retain(|artifact| matches!(artifact.manifest.kind.as_str(), "pretrain" | "import"));
    match models.into_iter().max_by(|a, b| a.manifest.created.total_cmp(&b.manifest.created)) {
        Some(model) => Ok(model.key().to_string()[..DIGITS].to_string()),
        None => Err(Fault::new(
            "there is no model here to go on from",
            "train one with `regimen train`, or take one in with `regimen import`",
        )),
    }
}
