//! Documents picked out of a corpus: by reason, source, words, and an expression over their attributes.

use rayon::prelude::*;

use super::error::{Error, Result};
use super::originals::{Absent, Originals};
use super::search::Pattern;
use super::task::Task;
use crate::corpus::Corpus;
use crate::expr::{Facts, Truth, Uses, parse};
use crate::names::ALL;
use crate::tag::Tags;

/// Documents that are looked at between two words on how far the work is.
const PIECE: usize = 1 << 13;

/// What a document must be; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Whether it is kept.
    pub kept: Option<bool>,
    /// Number of the reason for its drop; 0 for none.
    pub reason: Option<u16>,
    /// Number of its source.
    pub source: Option<u16>,
    /// An expression, as in the field `drop` of the stage. It sees the source text, as the rules of the stage do.
    pub expression: Option<String>,
    /// Words in its source text, as in [`Pattern::words`].
    pub text: Option<String>,
}

/// The documents that a filter lets through, in document order; and those of which it could not be told, because their
/// source text is gone.
///
/// # Errors
/// [`Error::Corpus`] for an expression that is wrong or a damaged corpus, [`Error::NoMetadata`], [`Error::MatchesNothing`]
/// for an empty text, [`Error::Stopped`].
pub fn matching(
    corpus: &Corpus,
    originals: &Originals,
    filter: &Filter,
    task: &Task,
) -> Result<(Vec<u32>, Vec<Absent>)> {
    let truth = match &filter.expression {
        None => None,
        Some(expression) => {
            let truth = parse(expression, &originals.set(corpus)?)?;
            let kept = &corpus.names().metadata;
            let lacks = |key: &String| !kept.contains(key) && !kept.iter().any(|one| one == ALL);
            if let Some(key) = Uses::of(&truth).metadata.into_iter().find(lacks) {
                let (expression, kept) = (expression.clone(), kept.clone());
                return Err(Error::NoMetadata { expression, key, kept });
            }
            Some(truth)
        }
    };
    let pattern = filter.text.as_deref().map(Pattern::words).transpose()?;
    let fits = |ordinal: &u32| {
        let row = corpus.row(*ordinal);
        filter.kept.is_none_or(|kept| row.kept() == kept)
            && filter.reason.is_none_or(|reason| row.dropped.unwrap_or(0) == reason)
            && filter.source.is_none_or(|source| row.source == source)
    };
    let mut found: Vec<u32> = (0..corpus.len() as u32).filter(fits).collect();
    let reads = truth.as_ref().is_some_and(|truth| {
        let uses = Uses::of(truth);
        uses.text || uses.length
    });
    if let (Some(truth), false) = (&truth, reads) {
        found = picked(&found, task, |ordinal| holds(corpus, truth, ordinal, ""))?;
    }
    if !reads && pattern.is_none() {
        return Ok((found, Vec::new()));
    }
    let truth = truth.as_ref().filter(|_| reads);
    let holds = |ordinal: u32, text: &str| -> Result<bool> {
        Ok(pattern.as_ref().is_none_or(|pattern| pattern.occurs(text))
            && truth.map_or(Ok(true), |truth| holds(corpus, truth, ordinal, text))?)
    };
    // Of these the corpus has the source text.
    let (mut whole, mut others) = (Vec::new(), Vec::new());
    for ordinal in found {
        let whole_text = corpus.row(ordinal).kept() && corpus.keep_map(ordinal)?.is_none();
        if whole_text { &mut whole } else { &mut others }.push(ordinal);
    }
    let mut kept = picked(&whole, task, |ordinal| holds(ordinal, corpus.text(ordinal)?.unwrap_or_default()))?;
    let absent = originals.each_of(corpus, &others, task, &mut |ordinal, text| {
        if holds(ordinal, text)? {
            kept.push(ordinal);
        }
        Ok(())
    })?;
    kept.sort_unstable();
    Ok((kept, absent))
}

/// Those of which a condition holds.
fn picked(all: &[u32], task: &Task, holds: impl Fn(u32) -> Result<bool> + Sync) -> Result<Vec<u32>> {
    task.expect(all.len());
    let mut found = Vec::new();
    for piece in all.chunks(PIECE) {
        let fits = piece.par_iter().map(|&ordinal| holds(ordinal)).collect::<Result<Vec<bool>>>()?;
        found.extend(piece.iter().zip(fits).filter(|(_, fits)| *fits).map(|(&ordinal, _)| ordinal));
        task.did(piece.len())?;
    }
    Ok(found)
}

fn holds(corpus: &Corpus, truth: &Truth, ordinal: u32, text: &str) -> Result<bool> {
    let row = corpus.row(ordinal);
    let tags = match corpus.slots(ordinal)? {
        Some(tags) => tags,
        None => {
            let mut tags = Tags::default();
            tags.begin(corpus.names().attributes.len(), text.len() as u32);
            tags
        }
    };
    let facts = Facts {
        text,
        bytes: text.len(),
        source: corpus.source_name(row.source),
        id: corpus.id(ordinal),
        licence: corpus.licence_name(row.licence),
        author: row.author.name(),
        metadata: corpus.metadata(ordinal)?.unwrap_or_default(),
        tags: &tags,
    };
    Ok(truth.of(&facts))
}
