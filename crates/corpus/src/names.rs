//! `names.json`: the words behind the numbers in the document table.

use serde::{Deserialize, Serialize};

use crate::author::Author;
use crate::tag::Shape;

/// Stands for all keys of the metadata.
pub(crate) const ALL: &str = "*";

/// The dictionaries of a corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Names {
    /// Sources in the order of the recipe.
    pub sources: Vec<SourceName>,
    /// Input files by path relative to the project root, in document order.
    pub files: Vec<FileName>,
    /// SPDX expressions, in the order in which they were met.
    pub licences: Vec<String>,
    /// Reasons for a drop; the number in the table counts from 1.
    pub reasons: Vec<Reason>,
    /// The rules whose values stand in `rules.bin`, in its order.
    pub rules: Vec<Rule>,
    /// The attributes whose values and spans stand in `tags.bin`, in the order of its slots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeName>,
    /// What stands in place of spans, by number from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<String>,
    /// Whether texts may have been cut, so that `keep.bin` has the maps to their sources.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// Whether `place.bin` says at which bytes of their files documents lie: there are records of crawls.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub placed: bool,
    /// The keys of the rows' metadata that stand in `meta.bin`, `*` being all; none if nothing is kept of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
}

/// An attribute that a tagger gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributeName {
    /// What the tagger was called.
    pub tagger: String,
    /// What it calls the attribute.
    pub name: String,
    /// One number, spans, a mark, or a label.
    pub shape: Shape,
    /// What its numbers count or measure.
    pub doc: String,
    /// Of a label the classes, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl AttributeName {
    /// `TAGGER.ATTRIBUTE`.
    pub fn full(&self) -> String {
        format!("{}.{}", self.tagger, self.name)
    }
}

/// A source of documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceName {
    /// Its name, part of every document's key.
    pub name: String,
    /// Licence of documents that do not state one.
    pub licence: String,
    /// Author kind of documents that do not state one.
    pub author: Author,
}

/// An input file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileName {
    /// Relative to the project root.
    pub path: String,
    /// What the line number of a document counts: `line`, `block`, `record`, `row`, `entry` of an archive; empty if the file is one document.
    pub unit: String,
}

/// Why documents are dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// One word: the name of the rule or config field, such as `min_words` or `duplicate`.
    pub name: String,
    /// For people, such as `fewer than 50 words`.
    pub text: String,
}

/// A threshold that every document is held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Name of its config field in the `filter` table.
    pub name: String,
    /// Whether the value must be at least the threshold (or at most).
    pub least: bool,
    /// The threshold.
    pub threshold: f32,
    /// What the value counts.
    pub doc: String,
}

impl Rule {
    /// Whether a value keeps the document. A value that is not a number (a document without text) does.
    pub fn passes(&self, value: f32) -> bool {
        value.is_nan() || if self.least { value >= self.threshold } else { value <= self.threshold }
    }

    /// `at least 50`, `at most 0.3`.
    pub fn limit(&self) -> String {
        format!("at {} {}", if self.least { "least" } else { "most" }, self.threshold)
    }
}
