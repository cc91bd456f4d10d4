//! The documents that hold a text verbatim, longest matches first, and the steps that saw those bytes.
//!
//! With an index of the corpus ([`regimen_corpus::verbatim`]) the documents are known at once, as in OLMoTrace (Liu et al., 2025), and
//! only those that are shown are read. Without one every document passes through the automaton of the text. Both find the same.

use regimen_corpus::verbatim::{Index, holders};
use serde::Serialize;

use crate::document::{Seen, seen};
use crate::error::{Error, Result};
use crate::matching::{Automaton, Stretch};
use crate::view::View;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct TextTrace {
    /// Documents that were searched.
    pub documents: u64,
    /// Whether an index was used; otherwise all texts were scanned.
    pub indexed: bool,
    /// Documents with a match of the least length or longer.
    pub matching: u64,
    /// The longest matches.
    pub matches: Vec<Match>,
}

/// A document that holds a stretch of the text.
#[derive(Clone, Debug, Serialize)]
pub struct Match {
    /// Its key.
    pub key: String,
    /// Its own id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// SPDX expression.
    pub licence: String,
    /// Author kind.
    pub author: String,
    /// `train` or `validation`.
    pub split: String,
    /// First byte in the document.
    pub byte_start: usize,
    /// The byte behind the last.
    pub byte_end: usize,
    /// Whether the whole text is there.
    pub whole: bool,
    /// The stretch.
    pub text: String,
    /// For each run, the steps whose rows hold any byte of it.
    pub runs: Vec<RunSeen>,
}

/// The steps of one run.
#[derive(Clone, Debug, Serialize)]
pub struct RunSeen {
    /// Name of the run's stage.
    pub stage: String,
    /// The steps.
    pub seen: Vec<Seen>,
}

/// Look for `wanted` in every kept document; matches of at least `least` bytes, `most` of them, longest first and in
/// document order among equals. `index` is of the view's corpus, if it has one.
pub fn text(
    view: &View,
    index: Option<&Index>,
    wanted: &str,
    least: usize,
    most: usize,
) -> Result<TextTrace> {
    if wanted.len() < least || wanted.is_empty() {
        return Err(Error::TooShort { found: wanted.len(), least: least.max(1) });
    }
    let automaton = Automaton::new(wanted.as_bytes());
    let mut found: Vec<(u32, Stretch)> = Vec::new();
    let look = |ordinal: u32| {
        let stretch = automaton.longest(view.corpus.bytes(ordinal));
        found.extend(stretch.filter(|s| s.length >= least.max(1)).map(|stretch| (ordinal, stretch)));
    };
    let documents = view.corpus.kept().count() as u64;
    let known = match index {
        Some(index) => {
            let known = holders(index, wanted, least, most)?;
            known.longest.into_iter().for_each(look);
            Some(known.documents)
        }
        None => {
            view.corpus.kept().for_each(look);
            None
        }
    };
    let matching = known.unwrap_or(found.len() as u64);
    found.sort_by_key(|(ordinal, stretch)| (std::cmp::Reverse(stretch.length), *ordinal));
    found.truncate(most);
    let mut matches = Vec::new();
    for (ordinal, stretch) in found {
        matches.push(describe(view, ordinal, stretch, wanted.len())?);
    }
    Ok(TextTrace { documents, indexed: index.is_some(), matching, matches })
}

fn describe(view: &View, ordinal: u32, stretch: Stretch, wanted: usize) -> Result<Match> {
    let row = view.corpus.row(ordinal);
    let (start, end) = (stretch.document, stretch.document + stretch.length);
    let mut runs = Vec::new();
    for run in &view.runs {
        let tokens = run.tokens.train();
        let mut touching = Vec::new();
        if let Some(slots) = tokens.slots_of(ordinal) {
            // The slots of the document whose bytes overlap the stretch.
            let addresses = tokens.addresses(slots)?;
            let overlaps =
                |a: &regimen_tokens::Address| (a.byte_start as usize) < end && (a.byte_end as usize) > start;
            let first = addresses.iter().position(overlaps).unwrap_or(0) as u64;
            let last = addresses.iter().rposition(overlaps).unwrap_or(0) as u64;
            touching = seen(run, ordinal);
            touching.retain(|seen| seen.first <= last && seen.first + seen.tokens > first);
        }
        runs.push(RunSeen { stage: run.stage.clone(), seen: touching });
    }
    Ok(Match {
        key: row.key.to_string(),
        id: view.corpus.id(ordinal).to_string(),
        source: view.corpus.source_name(row.source).to_string(),
        licence: view.corpus.licence_name(row.licence).to_string(),
        author: row.author.name().to_string(),
        split: row.split.name().to_string(),
        byte_start: start,
        byte_end: end,
        whole: stretch.length == wanted,
        text: String::from_utf8_lossy(&view.corpus.bytes(ordinal)[start..end]).into_owned(),
        runs,
    })
}
