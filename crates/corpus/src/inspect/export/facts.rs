//! All that data cards are made of, of a corpus or of a folder.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::units;
use serde_json::Value;

use super::describe::{Described, describe};
use super::folder::columns_of;
use super::parquet::{document_columns, span_columns};
use super::personal::Personal;
use super::table::Declared;
use super::texts;
use crate::corpus::Corpus;
use crate::dolma::stats::FolderStats;
use crate::funnel::{Count, Step};
use crate::inspect::date::moment;
use crate::inspect::error::Result;
use crate::inspect::labels::Labels;
use crate::inspect::stats::{Numbers, stats};

/// What is known of the data besides its content.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Name of its stage or folder.
    pub name: String,
    /// Its key in hexadecimal digits.
    pub key: String,
    /// When it was finished, in seconds since 1970.
    pub created: f64,
    /// Its config; null for a folder.
    pub config: Value,
    /// What the one who publishes it says.
    pub given: Given,
}

/// What nobody can know but the one who publishes the data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Where it can be downloaded.
    pub url: Option<String>,
    /// Who made it.
    pub creator: Option<String>,
    /// Who publishes it.
    pub publisher: Option<String>,
    /// How it is cited.
    pub citation: Option<String>,
}

/// All that the cards are made of.
pub(super) struct Facts<'a> {
    pub about: &'a About,
    pub files: Vec<Described>,
    /// The documents of the data, with their text.
    pub kept: Count,
    /// One sentence.
    pub sentence: String,
    pub sources: BTreeMap<String, Count>,
    pub licences: BTreeMap<String, Count>,
    pub authors: BTreeMap<String, Count>,
    pub splits: BTreeMap<String, Count>,
    /// The funnel of a corpus.
    pub steps: Vec<Step>,
    /// Documents that edits changed, if it is a corpus.
    pub edited: Option<u64>,
    pub numbers: Vec<Numbers>,
    /// Kept documents by label, for every attribute that is one.
    pub labels: Vec<(String, BTreeMap<String, Count>)>,
    /// The columns of the tables of documents, spans and texts.
    pub tables: [Vec<Declared>; 3],
    pub personal: Personal,
    /// What measured the documents.
    pub taggers: Vec<String>,
}

/// The name of an attribute, and the documents that stayed by its labels.
fn kept(all: Labels) -> (String, BTreeMap<String, Count>) {
    let counts = all.labels.into_iter().map(|(label, counts)| (label, counts.kept));
    (all.name, counts.filter(|(_, kept)| kept.documents > 0).collect())
}

impl<'a> Facts<'a> {
    /// Of a corpus whose exported files lie in `dir`.
    pub fn of_corpus(corpus: &Corpus, about: &'a About, dir: &Path) -> Result<Facts<'a>> {
        let files = describe(dir)?;
        let stats = stats(corpus, 0)?;
        let sentence = format!(
            "{} of text ({}) from {}, filtered and deduplicated by Regimen; {} were read.",
            units::bytes(stats.kept.bytes),
            units::plural(stats.kept.documents, "document"),
            units::plural(stats.sources.len() as u64, "source"),
            units::plural(stats.read.documents, "document"),
        );
        let mut taggers: Vec<String> =
            corpus.names().attributes.iter().map(|attribute| attribute.tagger.clone()).collect();
        taggers.sort();
        taggers.dedup();
        Ok(Facts {
            about,
            files,
            kept: stats.kept,
            sentence,
            sources: stats.sources,
            licences: stats.licences,
            authors: stats.authors,
            splits: stats.splits,
            steps: corpus.funnel()?.steps,
            edited: Some(stats.edited.documents),
            numbers: stats.numbers,
            labels: stats.labels.into_iter().map(kept).collect(),
            tables: [document_columns(corpus), span_columns(), texts::columns(corpus)],
            personal: Personal::of_corpus(corpus, &about.config)?,
            taggers,
        })
    }

    /// Of a folder in which `stats` were counted, whose exported files lie in `dir`.
    pub fn of_folder(stats: &FolderStats, about: &'a About, dir: &Path) -> Result<Facts<'a>> {
        let files = describe(dir)?;
        let kept = Count { documents: stats.read.documents, bytes: stats.read.bytes };
        let sentence = format!(
            "{} of text ({}, {}) from {}.",
            units::bytes(kept.bytes),
            units::plural(kept.documents, "document"),
            units::plural(stats.read.words, "word"),
            units::plural(stats.sources.len() as u64, "source"),
        );
        let mut taggers: Vec<String> =
            stats.numbers.iter().map(|attribute| attribute.experiment.clone()).collect();
        taggers.dedup();
        let count = |(name, c): (&String, &crate::dolma::stats::Counted)| {
            (name.clone(), Count { documents: c.documents, bytes: c.bytes })
        };
        Ok(Facts {
            about,
            files,
            kept,
            sentence,
            sources: stats.sources.iter().map(count).collect(),
            licences: stats.licences.clone(),
            authors: stats.authors.clone(),
            splits: BTreeMap::new(),
            steps: Vec::new(),
            edited: None,
            numbers: stats.numbers.iter().map(|attribute| attribute.numbers.clone()).collect(),
            labels: Vec::new(),
            tables: columns_of(stats),
            personal: Personal::of_folder(stats),
            taggers,
        })
    }

    /// `2026-11-23T09:30:00Z`.
    pub fn moment(&self) -> String {
        moment(self.about.created)
    }

    /// What was done to the documents, a sentence a step.
    pub fn preprocessing(&self) -> Vec<String> {
        let steps = self.steps.iter().filter(|step| !step.reason.is_empty());
        let mut all: Vec<String> = steps
            .map(|step| {
                format!("{}: {} ({} documents dropped)", step.step, step.reason, step.dropped.documents)
            })
            .collect();
        all.extend(self.edited.filter(|&n| n > 0).map(|n| {
            format!("edit: spans were cut out or replaced ({})", units::plural(n, "kept document"))
        }));
        all
    }

    /// Where the documents come from.
    pub fn collection(&self) -> String {
        let sources: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        format!("Files of these sources: {}", sources.join(", "))
    }
}
