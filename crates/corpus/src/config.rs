//! The config of the stage `corpus`: the field table that recipes, help and docs read, and the same as types.

use std::collections::BTreeSet;

use regimen_base::Hint;
use regimen_recipe::{Field, Problem, Ty};
use serde::Deserialize;
use serde_json::Value;

use crate::dedup::{MinHash, Own, Preset};
use crate::licence;
use crate::mix::Mix;
use crate::paragraphs::{Compared, Ngrams};
use crate::pipeline::{Pipeline, Taggers};
use crate::quality;
use crate::source;
pub(crate) use crate::source::{Format, Normalise, Source};

/// Fields of one entry of `tag`.
static TAG: &[Field] = &[
    Field::required("tagger", Ty::Str, "Name of the tagger; `regimen corpus taggers` lists them."),
    Field::new(
        "name",
        Ty::Maybe(&Ty::Str),
        "null",
        "What its attributes are called after; the tagger's own name if it is left out. Needed when one tagger is used twice.",
    ),
    Field::new(
        "bad_words",
        Ty::Maybe(&Ty::Files),
        "null",
        "File with a word or phrase a line, for `c4@dolma`.",
    ),
    Field::new(
        "model",
        Ty::Maybe(&Ty::Files),
        "null",
        "File of a model: fastText for `fasttext` and `language`, KenLM for `perplexity`.",
    ),
    Field::new(
        "sentencepiece",
        Ty::Maybe(&Ty::Files),
        "null",
        "File of a SentencePiece unigram model into whose pieces `perplexity` cuts the text, such as CCNet's `en.sp.model`.",
    )
    .later(),
    Field::new(
        "normalise",
        Ty::Maybe(&Ty::OneOf(&["ccnet", "datatrove"])),
        "null",
        "How `perplexity` normalises the text: ccnet as cc_net does before its models, datatrove as datatrove does. null: not at all.",
    )
    .later(),
    Field::new("label", Ty::Maybe(&Ty::Str), "null", "Label asked for of a classifier; `en` for `language`."),
    Field::new("list", Ty::Maybe(&Ty::Files), "null", "File of hosts, URLs or filter lines, for `url`."),
    Field::new(
        "key",
        Ty::Maybe(&Ty::Str),
        "null",
        "Key of the metadata that holds the URL, for `url`; `url` if left out.",
    ),
    Field::new("seed", Ty::Maybe(&Ty::COUNT), "null", "Seed of `random_number`; 0 if left out."),
    Field::new(
        "items",
        Ty::Maybe(&Ty::Files),
        "null",
        "File of evaluation items, one a row, for `decontaminate`.",
    ),
    Field::new(
        "field",
        Ty::Maybe(&Ty::Str),
        "null",
        "Field of a row that holds the item's text; `text` if left out.",
    ),
    Field::new(
        "n",
        Ty::Maybe(&Ty::Int { min: 2, max: 100 }),
        "null",
        "Words of an n-gram for `decontaminate`; 13 if left out.",
    ),
    Field::new(
        "exact",
        Ty::Maybe(&Ty::Bool),
        "null",
        "Whether `decontaminate` also looks for whole items, character for character; false if left out.",
    )
    .later(),
];

/// Fields of one entry of `edit`.
static EDIT: &[Field] = &[
    Field::required("spans", Ty::Str, "An attribute that marks spans, such as `pii@dolma.EMAIL_ADDRESS`."),
    Field::new("replace", Ty::Str, "\"\"", "What stands in place of each span; nothing cuts it out."),
    Field::new("when", Ty::Maybe(&Ty::Str), "null", "Expression that must hold for the document."),
    Field::new(
        "least",
        Ty::Maybe(&Ty::Float { min: f64::NEG_INFINITY, max: f64::INFINITY }),
        "null",
        "Least score of a span that is edited.",
    ),
];

/// Fields of the table `near`.
static NEAR: &[Field] = &[
    Field::new(
        "preset",
        Ty::OneOf(&["none", "fineweb", "dolma3", "nemo", "duplodocus"]),
        "\"none\"",
        "Parameters of MinHash: fineweb (words, 5-grams, 14 bands of 8), dolma3 (26 of 11), nemo (24 characters, 20 of 13), \
         duplodocus (20 of 5). none: near duplicates are kept.",
    ),
    Field::new(
        "keep",
        Ty::OneOf(&["first", "last", "longest", "newest", "source-order"]),
        "\"first\"",
        "Which document of a cluster stays (the newest by the day of `created`); between equals the first in document order.",
    ),
    Field::new(
        "bands",
        Ty::Maybe(&Ty::POSITIVE),
        "null",
        "Bands, instead of those of the preset: more find more.",
    )
    .later(),
    Field::new(
        "rows",
        Ty::Maybe(&Ty::POSITIVE),
        "null",
        "Hash functions of a band, instead of those of the preset: more ask for more likeness.",
    )
    .later(),
    Field::new(
        "ngram",
        Ty::Maybe(&Ty::Int { min: 1, max: 1024 }),
        "null",
        "Words of a shingle (with nemo characters), instead of those of the preset.",
    )
    .later(),
    Field::new("seed", Ty::Maybe(&Ty::COUNT), "null", "Seed of the hash functions; 1 if left out.").later(),
    Field::new(
        "verify",
        Ty::Maybe(&Ty::Float { min: f64::MIN_POSITIVE, max: 1.0 }),
        "null",
        "Texts that share a band are near copies only if the sets of their shingles have this Jaccard similarity, counted from the \
         texts; left out, all that share a band are.",
    )
    .later(),
];

/// Fields of the table `paragraphs`.
static PARAGRAPHS: &[Field] = &[
    Field::new(
        "dedup",
        Ty::OneOf(&["none", "exact", "bloom"]),
        "\"none\"",
        "exact: of equal paragraphs (lines, without the white space around them) in all kept documents the first stays. \
         bloom: the same by a Bloom filter, in less memory and with false positives. With `words` their n-grams are compared.",
    ),
    Field::new(
        "min_bytes",
        Ty::Int { min: 0, max: u32::MAX as i64 },
        "0",
        "Shorter paragraphs are not compared.",
    ),
    Field::new(
        "expected",
        Ty::POSITIVE,
        "20000000",
        "Different paragraphs (with `words` n-grams) that the Bloom filter is sized for; more are an error.",
    ),
    Field::new(
        "rate",
        Ty::Float { min: f64::MIN_POSITIVE, max: 0.5 },
        "1e-6",
        "Rate of false positives of the Bloom filter at that number.",
    ),
    Field::new(
        "words",
        Ty::Maybe(&Ty::Int { min: 1, max: 1000 }),
        "null",
        "Paragraphs go of whose n-grams of so many words enough came before, as for `corpus dedup --by ngram`; 13 is the usual value. \
         Left out, whole paragraphs are compared.",
    )
    .later(),
    Field::new(
        "overlap",
        Ty::Maybe(&Ty::Float { min: 1e-6, max: 1.0 }),
        "null",
        "Share of a paragraph's n-grams that must have come before; 1 if left out.",
    )
    .later(),
    Field::new(
        "stride",
        Ty::Maybe(&Ty::Int { min: 1, max: u32::MAX as i64 }),
        "null",
        "Words from the begin of an n-gram to that of the next, from the second on; 1 if left out.",
    )
    .later(),
    Field::new(
        "skip_short",
        Ty::Maybe(&Ty::Bool),
        "null",
        "Whether paragraphs with fewer than two n-grams are not compared as a whole: one n-gram decides alone, and without any a \
         paragraph stays; false if left out.",
    )
    .later(),
];

/// Fields of the table `substrings`.
static SUBSTRINGS: &[Field] = &[Field::new(
    "min_bytes",
    Ty::Int { min: 0, max: 65_536 },
    "0",
    "Stretches of so many bytes or more that occurred before, in any kept document, are cut out; the first stays. 500 is the \
     usual value; 0: none are looked for.",
)];

/// Fields of the table `mix`.
static MIX: &[Field] = &[
    Field::new(
        "temperature",
        Ty::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
        "1",
        "Shares of sources go by their bytes to the power of 1 / temperature, times their weights: above 1 flattens them.",
    ),
    Field::new(
        "budget_bytes",
        Ty::COUNT,
        "0",
        "Bytes of text to take in all, to within a document (or a 16,384th) of each source and at most all of each; validation is among them, and \
         paragraphs and substrings are cut afterwards. 0: as much as there is at the shares wanted.",
    ),
    Field::new(
        "max_copies",
        Ty::Int { min: 1, max: 1 << 14 },
        "1",
        "How often a training document is taken at most, where its source is wanted more often than it is there: its text is \
         stored once, the stage `tokens` repeats it.",
    )
    .later(),
];

/// Fields of the stage.
pub(crate) static FIELDS: &[Field] = &[
    Field::required(
        "sources",
        Ty::List(&Ty::Table(source::FIELDS)),
        "Where documents come from, in document order: of two equal texts the first is kept.",
    ),
    Field::new(
        "filter",
        Ty::Table(quality::FIELDS),
        "{}",
        "Thresholds that a document must meet. What is dropped stays in the table with its reason.",
    ),
    Field::new(
        "tag",
        Ty::List(&Ty::Table(TAG)),
        "[]",
        "Taggers to run over every document; their attributes are kept, and `drop` and `edit` may look at them.",
    )
    .later(),
    Field::new(
        "drop",
        Ty::List(&Ty::Str),
        "[]",
        "Expressions over attributes; a document for which one holds is dropped, the first one being the reason.",
    )
    .later(),
    Field::new(
        "edit",
        Ty::List(&Ty::Table(EDIT)),
        "[]",
        "Spans to cut out of the texts or to replace. A keep map leads from what is left back to the source.",
    )
    .later(),
    Field::new(
        "metadata",
        Ty::List(&Ty::Str),
        "[\"url\"]",
        "Keys of the metadata of rows and pages that the corpus keeps beside the texts, for `trace doc`, `inspect`, exports and \
         expressions over the finished corpus; `*` is all of them but the text and the id.",
    )
    .later(),
    Field::new(
        "dedup_url",
        Ty::Bool,
        "false",
        "Whether of documents with the same URL (`metadata.url`, in one spelling) the first is kept.",
    )
    .later(),
    Field::new("near", Ty::Table(NEAR), "{}", "Near duplicates, by MinHash over the edited texts.").later(),
    Field::new("paragraphs", Ty::Table(PARAGRAPHS), "{}", "Paragraphs that came before, in any document.").later(),
    Field::new(
        "substrings",
        Ty::Table(SUBSTRINGS),
        "{}",
        "Stretches of bytes that came before, wherever they lie in their documents, by a suffix array over what `paragraphs` \
         leaves. It needs 5.25 bytes of `memory` for a byte of kept text (9.25 above 2 GiB).",
    )
    .later(),
    Field::new(
        "mix",
        Ty::Table(MIX),
        "{}",
        "How much of each source is taken of what deduplication left: documents are left out by the hash of their keys.",
    )
    .later(),
    Field::new(
        "memory",
        Ty::Int { min: LEAST_MEMORY as i64, max: i64::MAX },
        "4000000000",
        "Bytes that may be taken for what grows with the input: what is between reader and writer, long documents, what is \
         held of every document, records and tables of deduplication (beyond them it works with files). About 100 MiB and 24 \
         MiB a thread come on top. What cannot fit is refused with the sizes.",
    )
    .unkeyed(),
    Field::new(
        "dedup",
        Ty::OneOf(&["exact", "none"]),
        "\"exact\"",
        "exact: of documents with the same text the first is kept. none: all are kept, and all of them are on the same \
         side of the split.",
    ),
    Field::new(
        "validation",
        Ty::FRACTION,
        "0.05",
        "Share of documents held out for validation, chosen by the hash of their keys, or of their texts if `dedup` is \
         none.",
    ),
    Field::new(
        "limit_bytes",
        Ty::COUNT,
        "0",
        "Stop after the document with which the kept text reaches so many bytes; 0 reads all.",
    ),
    Field::new(
        "invalid_utf8",
        Ty::OneOf(&["error", "replace", "drop"]),
        "\"error\"",
        "What becomes of text that is not UTF-8. replace: invalid parts become U+FFFD.",
    ),
    Field::new(
        "invalid_licence",
        Ty::OneOf(&["error", "noassertion"]),
        "\"error\"",
        "What becomes of a row whose licence is not an SPDX expression. noassertion: it counts as NOASSERTION.",
    )
    .later(),
    Field::new(
        "missing_text",
        Ty::OneOf(&["error", "drop"]),
        "\"error\"",
        "What becomes of a row without a text.",
    ),
    Field::new(
        "invalid_row",
        Ty::OneOf(&["error", "drop"]),
        "\"error\"",
        "What becomes of a row that cannot be read: a line that is no JSON object, or a row of a table with more or fewer \
         fields than the header.",
    )
    .later(),
];

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
    pub fn minhash(&self) -> crate::dedup::Result<Option<MinHash>> {
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
