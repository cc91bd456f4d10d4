//! What is in a Dolma folder: documents, bytes and words by source, and how the attributes beside the documents spread.

mod count;
mod spread;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::Cancel;
use regimen_recipe::InputFile;
use serde::Serialize;

use super::aligned::Sheaf;
use super::folder::{experiments_of, place_of};
use super::known::shape_of;
use super::tag::Progress;
use crate::claim::spelled_out;
use crate::error::Result;
use crate::flow;
use crate::funnel::Count;
use crate::inspect::Numbers;
use crate::memory::Memory;
use crate::read::lines::Fields;
use crate::tag::Shape;
use count::{Counting, Seen, Total};
use spread::Spread;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Options {
    /// Experiments whose attributes count, or with a `/` their folders; none: all that lie beside the documents.
    pub attributes: Option<Vec<String>>,
    /// What the documents call their text and id.
    pub fields: Fields,
    /// Bytes for what is between reader and counts, for long documents, and for the counts.
    pub memory: u64,
}

/// Documents, bytes of their text, and words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// Documents.
    pub documents: u64,
    /// Bytes of UTF-8 text.
    pub bytes: u64,
    /// Runs of characters without white space.
    pub words: u64,
}

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FolderStats {
    /// All documents.
    pub read: Counted,
    /// By `source` of their rows; `(none)` for those without one.
    pub sources: BTreeMap<String, Counted>,
    /// By licence as the rows have it; `NOASSERTION` for those without one.
    pub licences: BTreeMap<String, Count>,
    /// By author kind.
    pub authors: BTreeMap<String, Count>,
    /// Lengths of documents in bytes.
    pub lengths: Numbers,
    /// The same in words.
    pub words: Numbers,
    /// The attributes, by experiment and name.
    pub numbers: Vec<Attribute>,
}

/// An attribute of a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Attribute {
    /// How it spreads, under its name in the files.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// The experiment.
    pub experiment: String,
    /// Documents that have a value, a mark or a span.
    pub documents: u64,
    /// Of spans: how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Spans>,
}

/// The spans of an attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spans {
    /// Spans in all documents.
    pub count: u64,
    /// Bytes of text that they cover, each by itself.
    pub bytes: u64,
    /// How their scores spread.
    pub scores: Numbers,
}

/// Count the documents of `files` and the attributes that lie beside them, on all threads of the pool.
///
/// An attribute that one of our taggers declares is what the tagger says. Any other is a value if each document has one span
/// over the whole text at most, a mark if the scores of these are all 1 too, and spans otherwise.
///
/// # Errors
/// The earliest fault in the order of files and rows; [`crate::Error::NoAttributes`], [`crate::Error::StepMemory`].
pub fn stats(
    files: &[InputFile],
    options: &Options,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<FolderStats> {
    let sheaves = Sheaves::of(files, &options.fields, options.attributes.as_deref())?;
    let memory = Arc::new(Memory::new(options.memory));
    let counting =
        Counting { sheaves: &sheaves, progress, total: Mutex::default(), allowed: options.memory, memory };
    flow::run(files.len(), &counting, cancel)?;
    Ok(told(counting.total.into_inner().unwrap_or_else(PoisonError::into_inner), &sheaves))
}

/// Files of documents with their files of attributes, and the experiments that these are of.
pub(crate) struct Sheaves {
    pub files: Vec<Sheaf>,
    /// Experiments by name.
    pub experiments: Vec<String>,
    /// For each file the numbers of the experiments of its attributes.
    pub of: Vec<Vec<u32>>,
}

impl Sheaves {
    /// The files with the attributes `wanted`, or all that lie beside them. Whoever names some twice, however they are spelled,
    /// means them once.
    pub fn of(files: &[InputFile], fields: &Fields, wanted: Option<&[String]>) -> Result<Sheaves> {
        let (mut sheaves, mut names) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        for file in files {
            let experiments = match wanted {
                Some(wanted) => wanted.iter().map(|name| as_named(name)).collect(),
                None => experiments_of(place_of(file))?,
            };
            let mut sheaf = Sheaf::of(file, fields, &experiments)?;
            let mut seen = BTreeSet::new();
            let all = sheaf.attributes.into_iter().zip(experiments);
            let once = all.filter(|(attributes, _)| seen.insert(spelled_out(&attributes.full)));
            let own: Vec<String>;
            (sheaf.attributes, own) = once.unzip();
            sheaves.push(sheaf);
            names.push(own);
        }
        let mut experiments: Vec<String> = names.iter().flatten().cloned().collect();
        experiments.sort();
        experiments.dedup();
        let place = |name: &String| experiments.partition_point(|other| other < name) as u32;
        let of = names.iter().map(|names| names.iter().map(place).collect()).collect();
        Ok(Sheaves { files: sheaves, experiments, of })
    }
}

/// The name of an experiment; the path of a folder as it is best spelled: `./DIR` below the current folder, else whole.
fn as_named(experiment: &str) -> String {
    if !experiment.contains('/') {
        return experiment.into();
    }
    let (path, here) = (spelled_out(Path::new(experiment)), spelled_out(Path::new("")));
    match path.strip_prefix(&here) {
        Ok(below) => Path::new(".").join(below).display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

fn told(total: Total, sheaves: &Sheaves) -> FolderStats {
    let tagged = |experiment: u32| total.tagged.get(&experiment).copied().unwrap_or(0);
    let numbers = total.attributes.into_iter().map(|((experiment, name), seen)| {
        let experiment_name = sheaves.experiments[experiment as usize].clone();
        attribute(&name, experiment_name, seen, tagged(experiment))
    });
    FolderStats {
        read: total.read,
        sources: total.sources,
        licences: total.licences,
        authors: total.authors.into_iter().map(|(author, count)| (author.name().into(), count)).collect(),
        lengths: total.lengths.numbers("bytes", "bytes", 0),
        words: total.words.numbers("words", "words", 0),
        numbers: numbers.collect(),
    }
}

/// An attribute of which this was seen in `tagged` documents.
fn attribute(name: &str, experiment: String, mut seen: Seen<Spread>, tagged: u64) -> Attribute {
    let none = tagged - seen.documents;
    let whole = seen.whole == seen.documents;
    let shape = shape_of(name).unwrap_or(match whole {
        true if seen.scores.count() == seen.spans && seen.scores.is_only(1.0) => Shape::Flag,
        true => Shape::Value,
        false => Shape::Spans,
    });
    let without = none as f64 / tagged.max(1) as f64;
    let (numbers, spans) = match shape {
        Shape::Value | Shape::Label => {
            let absent = tagged - seen.scores.count();
            (seen.scores.numbers(name, "value", absent), None)
        }
        Shape::Flag => {
            let mut marks = Spread::default();
            marks.add(1.0, seen.documents);
            marks.add(0.0, none);
            (Numbers { absent: without, ..marks.numbers(name, "flag", 0) }, None)
        }
        Shape::Spans => {
            seen.counts.add(0.0, none);
            let scores = seen.scores.numbers("score", "score", seen.spans - seen.scores.count());
            let spans = Spans { count: seen.spans, bytes: seen.bytes, scores };
            (Numbers { absent: without, ..seen.counts.numbers(name, "spans", 0) }, Some(spans))
        }
    };
    Attribute { numbers, experiment, documents: seen.documents, spans }
}
