//! Documents picked out of a corpus: by reason, source, and an expression over their attributes.

use super::error::{Error, Result};
use super::originals::{Absent, Originals};
use crate::corpus::Corpus;
use crate::expr::{Facts, Truth, parse};
use crate::tag::{Set, Tags};

/// What a document must be; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Number of the reason for its drop; 0 for none.
    pub reason: Option<u16>,
    /// Number of its source.
    pub source: Option<u16>,
    /// An expression, as in the field `drop` of the stage. It sees the source text, as the rules of the stage do.
    pub expression: Option<String>,
}

/// The documents that a filter lets through, in document order; and those of which it could not be told, because their
/// source text is gone.
///
/// # Errors
/// [`Error::Corpus`] for an expression that is wrong or a damaged corpus, [`Error::NoMetadata`].
pub fn matching(corpus: &Corpus, originals: &Originals, filter: &Filter) -> Result<(Vec<u32>, Vec<Absent>)> {
    let fits = |ordinal: &u32| {
        let row = corpus.row(*ordinal);
        filter.reason.is_none_or(|reason| row.dropped.unwrap_or(0) == reason)
            && filter.source.is_none_or(|source| row.source == source)
    };
    let mut found: Vec<u32> = (0..corpus.len() as u32).filter(fits).collect();
    let Some(expression) = &filter.expression else { return Ok((found, Vec::new())) };
    let truth = parse(expression, &Set::declared(originals.taggers())?)?;
    // Every variant that looks at metadata has the word in its name.
    if format!("{truth:?}").contains("Metadata(") {
        return Err(Error::NoMetadata { expression: expression.clone() });
    }
    let mut absent = Vec::new();
    if looks_at_text(&truth) {
        let mut kept = Vec::new();
        let whole = |ordinal: &u32| -> crate::Result<bool> {
            Ok(corpus.row(*ordinal).kept() && corpus.keep_map(*ordinal)?.is_none())
        };
        let mut others = Vec::new();
        for ordinal in found {
            if !whole(&ordinal)? {
                others.push(ordinal);
            } else if holds(corpus, &truth, ordinal, corpus.text(ordinal)?.unwrap_or_default())? {
                kept.push(ordinal);
            }
        }
        absent = originals.each(corpus, &others, &mut |ordinal, text| {
            if holds(corpus, &truth, ordinal, text)? {
                kept.push(ordinal);
            }
            Ok(())
        })?;
        kept.sort_unstable();
        return Ok((kept, absent));
    }
    let mut fault = None;
    found.retain(|&ordinal| match holds(corpus, &truth, ordinal, "") {
        Ok(fits) => fits,
        Err(error) => {
            fault = Some(error);
            false
        }
    });
    fault.map_or(Ok((found, absent)), Err)
}

/// Whether an expression needs the text: its words, its length, or the share of it that spans cover.
fn looks_at_text(truth: &Truth) -> bool {
    let shown = format!("{truth:?}");
    ["Field(Text)", "Bytes", "Covered"].iter().any(|word| shown.contains(word))
}

fn holds(corpus: &Corpus, truth: &Truth, ordinal: u32, text: &str) -> Result<bool> {
    let row = corpus.row(ordinal);
    let tagged = corpus.tags(ordinal)?;
    let mut tags = Tags::default();
    tags.begin(corpus.names().attributes.len(), text.len() as u32);
    for (slot, one) in tagged.iter().enumerate() {
        one.spans.iter().for_each(|span| tags.push(slot, *span));
    }
    let facts = Facts {
        text,
        source: corpus.source_name(row.source),
        id: corpus.id(ordinal),
        licence: corpus.licence_name(row.licence),
        author: row.author.name(),
        metadata: "",
        tags: &tags,
    };
    Ok(truth.of(&facts))
}
