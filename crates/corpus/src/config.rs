//! The config of the stage `corpus`: its fields as types, and what they have to be together.

mod fields;

use std::collections::BTreeSet;

use regimen_base::Hint;
use regimen_recipe::Problem;
use serde::Deserialize;
use serde_json::Value;

use crate::dedup::{self, MinHash, Own, Preset, Sizing};
use crate::licence;
use crate::mix::Mix;
use crate::paragraphs::{Compared, Ngrams};
use crate::pipeline::{Pipeline, Taggers};
use crate::quality;
use crate::source;
pub(crate) use crate::source::{Format, Normalise, Source};
pub(crate) use fields::FIELDS;

/// The config of a corpus.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub sources: Vec<Source>,
    pub filter: quality::Thresholds,
    #[serde(default)]
    pub tag: Taggers,
    #[serde(default)]
    pub drop: Vec<String>,
    #[serde(default)]
    pub edit: Vec<Edit>,
    #[serde(default = "metadata")]
    pub metadata: Vec<String>,
    #[serde(default)]
    pub dedup_url: bool,
    #[serde(default)]
    pub near: Near,
    #[serde(default)]
    pub paragraphs: Paragraphs,
    #[serde(default)]
    pub substrings: Substrings,
    #[serde(default)]
    pub mix: Mix,
    #[serde(default = "memory")]
    pub memory: u64,
    pub dedup: Dedup,
    pub validation: f64,
    pub limit_bytes: u64,
    pub invalid_utf8: InvalidUtf8,
    pub missing_text: MissingText,
    #[serde(default)]
    pub invalid_row: InvalidRow,
    #[serde(default)]
    pub invalid_licence: InvalidLicence,
}

/// Bytes of `memory` at least: with less than that nothing can be shared out.
pub const LEAST_MEMORY: u64 = 1 << 20;

fn memory() -> u64 {
    4_000_000_000
}

fn metadata() -> Vec<String> {
    vec!["url".into()]
}

impl Config {
    /// Whether the fate of a document depends on others than those of the same text before it.
    pub fn compares(&self) -> bool {
        self.dedup_url
            || self.near.preset != "none"
            || self.paragraphs.wanted()
            || self.substrings.wanted()
            || self.mixes()
    }

    /// Whether sources are taken in other shares than they have.
    pub fn mixes(&self) -> bool {
        self.mix.wanted(self.sources.iter().map(|source| source.weight))
    }
}

/// One entry of `edit`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Edit {
    pub spans: String,
    pub replace: String,
    pub when: Option<String>,
    pub least: Option<f64>,
}

/// Near duplicates.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Near {
    pub preset: String,
    pub keep: String,
    #[serde(default)]
    pub verify: Option<f64>,
    #[serde(flatten)]
    pub own: Own,
}

impl Near {
    /// The parameters of MinHash, if near duplicates are looked for.
    pub fn minhash(&self) -> dedup::Result<Option<MinHash>> {
        Preset::by_name(&self.preset).map(|preset| preset.minhash.with(&self.own)).transpose()
    }
}

impl Default for Near {
    fn default() -> Near {
        Near { preset: "none".into(), keep: "first".into(), verify: None, own: Own::default() }
    }
}

/// Paragraphs that came before.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Paragraphs {
    pub dedup: ParagraphDedup,
    pub min_bytes: u32,
    pub expected: u64,
    pub rate: f64,
    #[serde(default)]
    pub words: Option<u32>,
    #[serde(default)]
    pub overlap: Option<f64>,
    #[serde(default)]
    pub stride: Option<u32>,
    #[serde(default)]
    pub skip_short: Option<bool>,
}

impl Paragraphs {
    /// Whether paragraphs are compared.
    pub fn wanted(&self) -> bool {
        self.dedup != ParagraphDedup::None
    }

    /// The Bloom filter by which they are compared, if it is one.
    pub fn filter(&self) -> dedup::Result<Option<Sizing>> {
        (self.dedup == ParagraphDedup::Bloom).then(|| Sizing::new(self.expected, self.rate)).transpose()
    }

    /// How they are.
    pub fn compared(&self) -> Compared {
        let ngrams = self.words.map(|length| Ngrams {
            length,
            stride: self.stride.unwrap_or(1),
            share: self.overlap.unwrap_or(1.0) as f32,
            skip_short: self.skip_short.unwrap_or(false),
        });
        Compared { least: self.min_bytes, ngrams }
    }

    /// A field that says nothing beside the others.
    fn idle(&self) -> Option<(&'static str, &'static str)> {
        let of_ngrams = [
            ("overlap", self.overlap.is_some()),
            ("stride", self.stride.is_some()),
            ("skip_short", self.skip_short.is_some()),
        ];
        if self.words.is_some() {
            return (!self.wanted()).then_some(("words", "set paragraphs.dedup = \"exact\" or \"bloom\""));
        }
        let idle = of_ngrams.into_iter().find(|(_, given)| *given);
        idle.map(|(field, _)| (field, "say how many words an n-gram has: paragraphs.words = 13"))
    }
}

/// Stretches of bytes that came before.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Substrings {
    pub min_bytes: u32,
}

impl Substrings {
    /// Whether stretches are compared.
    pub fn wanted(&self) -> bool {
        self.min_bytes > 0
    }
}

/// How paragraphs are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ParagraphDedup {
    #[default]
    None,
    Exact,
    Bloom,
}

/// Deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dedup {
    Exact,
    None,
}

/// What becomes of text that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InvalidUtf8 {
    Error,
    Replace,
    Drop,
}

/// What becomes of a licence that is not an SPDX expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InvalidLicence {
    #[default]
    Error,
    Noassertion,
}

/// What becomes of a row without a text.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MissingText {
    Error,
    Drop,
}

/// What becomes of a row that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InvalidRow {
    #[default]
    Error,
    Drop,
}

/// What the field table cannot say.
pub(crate) fn check(config: &Value) -> Result<(), Problem> {
    let problem = |path: String, message: String, hint: &str| {
        Err(Problem { path, message, hint: (!hint.is_empty()).then(|| hint.into()) })
    };
    let sources = config["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sources.is_empty() {
        return problem(
            "sources".into(),
            "a corpus needs at least one source".into(),
            "write sources = [{ name = \"notes\", path = \"data/notes/*.txt\" }]",
        );
    }
    let mut names = BTreeSet::new();
    for (i, source) in sources.iter().enumerate() {
        let text = |field: &str| source[field].as_str().unwrap_or_default();
        let name = text("name");
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            return problem(
                format!("sources.{i}.name"),
                format!("`{name}` is not a name for a source"),
                "use letters, digits, `-`, `_` and `.`",
            );
        }
        if !names.insert(name) {
            return problem(
                format!("sources.{i}.name"),
                format!("two sources are called `{name}`"),
                "give each source a name of its own, or let one `path` name all files",
            );
        }
        if source["blocks"].as_u64() > Some(0)
            && matches!(text("format"), "jsonl" | "dolma" | "csv" | "tsv" | "markdown")
        {
            return problem(
                format!("sources.{i}.blocks"),
                format!("`blocks` cuts plain text, but the format of `{name}` is {}", text("format")),
                "leave it out, or set format = \"text\"",
            );
        }
        if let Some(found) = source::attributes(i, source) {
            return Err(found);
        }
        if let Err((reason, near)) = licence::check(text("licence")) {
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => licence::HINT.into(),
            };
            let message = format!("licence `{}` is not an SPDX expression: {reason}", text("licence"));
            return problem(format!("sources.{i}.licence"), message, &hint);
        }
    }
    // What does not fit the types has been refused before; the tests of this function give sources alone.
    match serde_json::from_value::<Config>(config.clone()) {
        Ok(config) => {
            if config.sources.iter().all(|source| source.weight == 0.0) {
                return problem(
                    "sources.0.weight".into(),
                    "all sources have the weight 0, so nothing is wanted".into(),
                    "give at least one of them a weight above 0",
                );
            }
            let near = &config.near;
            if near.preset == "none" && (near.own != Own::default() || near.verify.is_some()) {
                return problem(
                    "near".into(),
                    "parameters of MinHash say nothing where near duplicates are kept".into(),
                    "name a preset whose other parameters hold, such as preset = \"fineweb\"",
                );
            }
            if let Some(key) =
                config.metadata.iter().find(|key| key.is_empty() || key.starts_with("metadata."))
            {
                return problem(
                    "metadata".into(),
                    format!("`{key}` is no key of the metadata"),
                    "write the key alone, such as \"url\", or \"*\" for all",
                );
            }
            if let Some((field, hint)) = config.paragraphs.idle() {
                let message = format!("`{field}` says nothing: no n-grams of paragraphs are compared");
                return problem(format!("paragraphs.{field}"), message, hint);
            }
            if let Err(error) = config.near.minhash() {
                return problem("near".into(), error.to_string(), &error.hint().unwrap_or_default());
            }
            Pipeline::check(&config)
        }
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn some_source_has_a_weight() {
        let with = |weights: &[f64]| {
            let source = |(i, weight): (usize, &f64)| {
                json!({"name": format!("s{i}"), "path": "x", "licence": "MIT", "format": "auto", "author": "human",
                    "text_field": "text", "id_field": "id", "blocks": 0, "weight": weight})
            };
            let sources: Vec<Value> = weights.iter().enumerate().map(source).collect();
            check(
                &json!({"sources": sources, "filter": {"quality": "none"}, "dedup": "none", "validation": 0.1,
                "limit_bytes": 0, "invalid_utf8": "error", "missing_text": "error"}),
            )
        };
        assert!(with(&[0.0, 1.0]).is_ok() && with(&[0.5]).is_ok());
        for weights in [&[0.0][..], &[0.0, 0.0]] {
            assert!(with(weights).unwrap_err().message.contains("weight 0"));
        }
    }

    fn source(name: &str, licence: &str) -> Value {
        json!({"name": name, "path": "x", "licence": licence})
    }

    #[test]
    fn own_parameters_of_minhash_need_a_preset_and_sense() {
        let mut config = json!({
            "sources": [{"name": "a", "path": "x", "licence": "MIT"}],
            "near": {"preset": "fineweb", "keep": "first", "bands": 20, "rows": null},
        });
        let near = |config: &Value| serde_json::from_value::<Near>(config["near"].clone()).unwrap();
        let minhash = near(&config).minhash().unwrap().unwrap();
        assert_eq!((minhash.bands, minhash.rows, minhash.seed), (20, 8, 1));
        config["near"]["rows"] = 1.into();
        assert!(near(&config).minhash().is_err());
        config["near"] = json!({"preset": "none", "keep": "first"});
        assert!(near(&config).minhash().unwrap().is_none());
    }

    #[test]
    fn keys_of_the_metadata_stand_alone() {
        let with = |key: &str| {
            let mut config: Value = serde_json::from_str(
                r#"{"sources": [{"name": "a", "path": "x", "licence": "MIT", "format": "auto", "author": "human", "text_field": "text",
                    "id_field": "id", "blocks": 0}], "filter": {"quality": "none"}, "dedup": "none", "validation": 0.1,
                    "limit_bytes": 0, "invalid_utf8": "error", "missing_text": "error"}"#,
            )
            .unwrap();
            config["metadata"] = json!([key]);
            check(&config)
        };
        assert!(with("url").is_ok() && with("*").is_ok());
        for wrong in ["", "metadata.url"] {
            assert_eq!(with(wrong).unwrap_err().path, "metadata");
        }
    }

    #[test]
    fn sources_need_names_of_their_own_and_licences_that_exist() {
        let problem = |sources: &[Value]| check(&json!({ "sources": sources })).unwrap_err();
        assert!(check(&json!({"sources": [source("a", "MIT"), source("b", "LicenseRef-x")]})).is_ok());
        assert_eq!(problem(&[]).path, "sources");
        assert_eq!(problem(&[source("a b", "MIT")]).path, "sources.0.name");
        assert_eq!(problem(&[source("", "MIT")]).path, "sources.0.name");
        assert!(problem(&[source("a", "MIT"), source("a", "MIT")]).message.contains("two sources"));
        let bad = problem(&[source("a", "MIT"), source("b", "apache 2")]);
        assert_eq!(
            (bad.path.as_str(), bad.hint.as_deref()),
            ("sources.1.licence", Some("did you mean `Apache-2.0`?"))
        );
        let rows = json!({"name": "r", "path": "x", "licence": "MIT", "format": "jsonl", "blocks": 10});
        assert_eq!(problem(&[rows]).path, "sources.0.blocks");
        assert!(problem(&[source("a", "free!")]).hint.unwrap().contains("LicenseRef-"));
    }
}
