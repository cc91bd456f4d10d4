//! What the browser shows, as plain data: nothing here reads a file.

use std::sync::Arc;

use regimen_corpus::inspect::Histogram;

use super::text::Text;

/// What is known of the corpus from the start.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Name of the stage and key.
    pub title: String,
    /// The funnel, from what was read on.
    pub steps: Vec<Step>,
    /// Whether reading stopped at `limit_bytes`.
    pub limited: bool,
    /// Reasons for a drop, from number 1 on: name and words.
    pub reasons: Vec<(String, String)>,
    /// Names of the sources, from number 0 on.
    pub sources: Vec<String>,
    /// What documents are measured by.
    pub measures: Vec<Measured>,
}

/// One step of the funnel.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub name: String,
    /// The reason in words.
    pub text: String,
    /// Number of the reason; none for what was read.
    pub reason: Option<u16>,
    pub dropped: u64,
    pub left: u64,
    pub bytes: u64,
}

/// What documents are measured by.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub name: String,
    pub doc: String,
    pub limits: Vec<Threshold>,
}

/// Where a measure cuts.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// Name of the reason.
    pub reason: String,
    pub at: f64,
    /// Such as `dropped if < 50`.
    pub text: String,
}

/// A histogram that is on its way, or there; none if no document has the number.
#[derive(Clone, Debug, Default)]
pub enum Picture {
    #[default]
    Awaited,
    There(Option<Arc<Histogram>>),
}

/// Documents in document order.
#[derive(Clone, Debug, PartialEq)]
pub enum Listing {
    /// So many, from the first on.
    All(u32),
    /// These.
    Some(Arc<Vec<u32>>),
}

impl Listing {
    pub fn len(&self) -> usize {
        match self {
            Listing::All(count) => *count as usize,
            Listing::Some(all) => all.len(),
        }
    }

    pub fn get(&self, at: usize) -> Option<u32> {
        match self {
            Listing::All(count) => u32::try_from(at).ok().filter(|at| at < count),
            Listing::Some(all) => all.get(at).copied(),
        }
    }
}

/// One line of the list of documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub bytes: u64,
    pub kept: bool,
    /// The split, or the name of the reason.
    pub fate: String,
}

/// A document, open.
#[derive(Clone, Debug)]
pub struct Document {
    pub name: String,
    pub kept: bool,
    /// `kept, train`, or the reason in words.
    pub fate: String,
    /// Where it is from, size, licence, author.
    pub facts: Vec<String>,
    /// Number and name of what stayed in its place.
    pub representative: Option<(u32, String)>,
    /// Its numbers, those first that dropped it.
    pub values: Vec<Value>,
    /// Its text, or why there is none.
    pub text: Result<Arc<Text>, String>,
}

/// A number of a document.
#[derive(Clone, Debug)]
pub struct Value {
    pub name: String,
    pub value: f64,
    /// Thresholds, each with whether the number lies on the side that is dropped.
    pub limits: Vec<(String, bool)>,
}
