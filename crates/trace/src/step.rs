//! What a step trained on: its documents, licences, author kinds and text.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::document::is_first;
use crate::error::{Error, Result};
use crate::view::View;

/// The batch of a step.
#[derive(Clone, Debug, Serialize)]
pub struct StepTrace {
    /// Name of the run's stage.
    pub stage: String,
    /// Key of the run's artifact, shortened.
    pub key: String,
    /// The step, from 1.
    pub step: u64,
    /// Whether it updated nothing.
    pub skipped: bool,
    /// Tokens it trained on.
    pub tokens: u64,
    /// Tokens by source, licence and author kind.
    pub sources: BTreeMap<String, u64>,
    /// The same by licence.
    pub licences: BTreeMap<String, u64>,
    /// The same by author kind.
    pub authors: BTreeMap<String, u64>,
    /// The pieces of documents, in the order of the batch.
    pub pieces: Vec<Piece>,
}

/// A piece of a document in a row of the batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Piece {
    /// Row of the batch.
    pub row: usize,
    /// Ordinal of the document in the corpus.
    pub ordinal: u32,
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
    /// Tokens of the piece, the end token included where it is there.
    pub tokens: u64,
    /// First byte of the piece in the document.
    pub byte_start: u32,
    /// The byte behind its last.
    pub byte_end: u32,
    /// Which copy of the document it is, from 0.
    #[serde(skip_serializing_if = "is_first")]
    pub copy: u16,
    /// Whether the document is withheld: its slots were masked and its text was not seen.
    pub withheld: bool,
    /// The text; empty for a withheld document.
    pub text: String,
}

/// The batch of step `number` (from 1) of the view's own run.
pub fn step(view: &View, number: u64) -> Result<StepTrace> {
    let run = view.runs.first().ok_or(Error::NoStep { step: number, steps: 0 })?;
    if number == 0 || number > run.steps {
        return Err(Error::NoStep { step: number, steps: run.steps });
    }
    let stream = run.tokens.train();
    let mut trace = StepTrace {
        stage: run.stage.clone(),
        key: run.key.clone(),
        step: number,
        skipped: run.skipped.binary_search(&(number - 1)).is_ok(),
        tokens: 0,
        sources: BTreeMap::new(),
        licences: BTreeMap::new(),
        authors: BTreeMap::new(),
        pieces: Vec::new(),
    };
    for (row, instance) in run.schedule.instances(number - 1).into_iter().enumerate() {
        for (slots, fragment) in stream.parts(run.packing.slots_of(instance)) {
            let ordinal = fragment.ordinal;
            let about = view.corpus.row(ordinal);
            let withheld = run.withheld.contains(ordinal);
            let addresses = stream.addresses(slots.clone())?;
            let tokens = slots.end - slots.start;
            let (byte_start, byte_end) = match (addresses.first(), addresses.last()) {
                (Some(first), Some(last)) => (first.byte_start, last.byte_end),
                _ => (0, 0),
            };
            let bytes = text_of(view, ordinal, byte_start, byte_end)?;
            let piece = Piece {
                row,
                ordinal,
                key: about.key.to_string(),
                id: view.corpus.id(ordinal).to_string(),
                source: view.corpus.source_name(about.source).to_string(),
                licence: view.corpus.licence_name(about.licence).to_string(),
                author: about.author.name().to_string(),
                tokens,
                byte_start,
                byte_end,
                copy: fragment.copy,
                withheld,
                // A piece may begin or end inside a character: tokens are bytes.
                text: if withheld { String::new() } else { String::from_utf8_lossy(bytes).into_owned() },
            };
            if !withheld {
                trace.tokens += tokens;
                *trace.sources.entry(piece.source.clone()).or_default() += tokens;
                *trace.licences.entry(piece.licence.clone()).or_default() += tokens;
                *trace.authors.entry(piece.author.clone()).or_default() += tokens;
            }
            // A document cut over two shards is two fragments but one piece.
            match trace.pieces.last_mut() {
                Some(last) if (last.row, last.ordinal, last.copy) == (row, ordinal, fragment.copy) => {
                    last.tokens += piece.tokens;
                    last.byte_end = piece.byte_end;
                    let whole = text_of(view, ordinal, last.byte_start, last.byte_end)?;
                    if !withheld {
                        last.text = String::from_utf8_lossy(whole).into_owned();
                    }
                }
                _ => trace.pieces.push(piece),
            }
        }
    }
    Ok(trace)
}

/// Bytes of a document's text.
fn text_of(view: &View, ordinal: u32, start: u32, end: u32) -> Result<&[u8]> {
    let contradiction = || Error::Contradiction { id: view.corpus.id(ordinal).to_string() };
    view.corpus.bytes(ordinal).get(start as usize..end as usize).ok_or_else(contradiction)
}
