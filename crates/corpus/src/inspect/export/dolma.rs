//! Dolma's layout: `documents/SHARD.jsonl.gz` (or `.zst`, or plain) and, for the tags, `attributes/EXPERIMENT/SHARD.jsonl.gz`, row
//! for row.
//!
//! Spans are stored in bytes of the source text; here they count code points of the exported text. Where edits cut a
//! text, a span is what is left of it, and one of which nothing is left is left out (and counted). Values and marks are
//! those of the source text, as spans over the whole exported text.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use regimen_base::{Hash256, units};
use serde_json::value::RawValue;

use super::Exported;
use super::shards::{field, json, name, placed, shards, write};
use crate::claim::another_folder;
use crate::corpus::Corpus;
use crate::dolma::attributes::{self, Name, score};
use crate::dolma::folder::{experiments_of, nothing_else};
use crate::dolma::mix::Pack;
use crate::dolma::offsets::Offsets;
use crate::error::{Error, Result};
use crate::inspect::date::date;
use crate::inspect::pieces::Kept;
use crate::names::AttributeName;
use crate::output::done;
use crate::tag::{Shape, label_of};

/// Write the kept documents and their tags below `dir`. `key` is that of the corpus, `shard` the bytes of text in a
/// file, `pack` how files are packed, `experiment` names the attributes. Files that are there already are passed over.
///
/// # Errors
/// [`Error::NotEmpty`] for files of something else, [`Error::File`], and [`Error::Damaged`] for a damaged corpus.
pub fn dolma<'c>(
    corpus: &'c Corpus,
    key: &str,
    dir: &Path,
    experiment: &str,
    shard: u64,
    pack: Pack,
) -> Result<Exported> {
    let mut out = Exported::default();
    let experiment = attributes::name(experiment);
    let of = |a: &'c AttributeName| (&*a.tagger, &*a.name, a.shape, &*a.labels);
    let names = Name::all(&experiment, corpus.names().attributes.iter().map(of));
    let shards = shards(corpus, shard.max(1));
    let within = |folder: &str| {
        let outputs = (0..shards.len()).map(|number| format!("{folder}/{}", name(number, pack)));
        nothing_else(&dir.join(folder), &placed(dir, outputs)?)
    };
    within("documents")?;
    if !names.is_empty() {
        within(&format!("attributes/{experiment}"))?;
    }
    let identity = |number: usize| format!("dolma 3 {key} {shard} {number}");
    for number in 0..shards.len() {
        // Rows of attributes belong to documents row by row.
        let path = dir.join("documents").join(name(number, pack));
        if !path.exists() || done(&path, Hash256::of(identity(number).as_bytes()))?.is_some() {
            continue;
        }
        if let Some(other) = experiments_of(&path)?.into_iter().find(|other| *other != experiment) {
            return Err(Error::OtherOutput {
                folder: dir.display().to_string(),
                there: format!("the attributes `{other}` of shards that were cut otherwise"),
                here: format!("an export in shards of {} of text", units::bytes(shard)),
                instead: another_folder(),
            });
        }
    }
    for (number, documents) in shards.iter().enumerate() {
        let file = name(number, pack);
        let identity = identity(number);
        let row = |ordinal: u32, out: &mut Vec<u8>| document(corpus, ordinal, out).map(|()| 0);
        write(corpus, dir, &format!("documents/{file}"), &identity, documents, &row, &mut out)?;
        if !names.is_empty() {
            let row = |ordinal: u32, out: &mut Vec<u8>| tags(corpus, &names, ordinal, out);
            let path = format!("attributes/{experiment}/{file}");
            let identity = format!("{identity} {experiment}");
            write(corpus, dir, &path, &identity, documents, &row, &mut out)?;
        }
        out.documents += documents.len() as u64;
    }
    Ok(out)
}

/// Fields of the metadata that say what the corpus knows, and those of records of crawls alone.
const OWN: [&str; 7] = ["license", "author_kind", "split", "regimen_key", "file", "line", "copies"];
const OF_SPANS: [&str; 3] = ["offset", "length", "within"];

fn document(corpus: &Corpus, ordinal: u32, out: &mut Vec<u8>) -> Result<()> {
    let row = corpus.row(ordinal);
    out.extend_from_slice(b"{\"id\":");
    json(corpus.id(ordinal), out);
    field("text", corpus.text(ordinal)?.unwrap_or_default(), out);
    field("source", corpus.source_name(row.source), out);
    if let Some(day) = row.created {
        field("created", &format!("{}T00:00:00.000Z", date(day.into())), out);
    }
    out.extend_from_slice(b",\"metadata\":{\"license\":");
    json(corpus.licence_name(row.licence), out);
    field("author_kind", row.author.name(), out);
    field("split", row.split.name(), out);
    field("regimen_key", &row.key.to_string(), out);
    field("file", &corpus.names().files[row.file as usize].path, out);
    // Writing to memory cannot fail.
    let _ = write!(out, ",\"line\":{}", row.line);
    if let Some(span) = corpus.span(ordinal)? {
        let _ = write!(out, ",\"offset\":{}", span.offset);
        if let Some(length) = span.length {
            let _ = write!(out, ",\"length\":{length}");
        }
        if span.within > 0 {
            let _ = write!(out, ",\"within\":{}", span.within);
        }
    }
    let _ = write!(out, ",\"copies\":{}", row.copies);
    if let Some(metadata) = corpus.metadata(ordinal)? {
        others(metadata, corpus.span(ordinal)?.is_some(), out)?;
    }
    out.extend_from_slice(b"}}\n");
    Ok(())
}

/// Append the fields of the metadata of a document's row that are not said already.
fn others(metadata: &str, has_span: bool, out: &mut Vec<u8>) -> Result<()> {
    let damaged = |_| Error::Record { what: "the metadata of a document" };
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(metadata).map_err(damaged)?;
    let said = |key: &str| OWN.contains(&key) || has_span && OF_SPANS.contains(&key);
    for (key, value) in fields.iter().filter(|(key, _)| !said(key)) {
        out.push(b',');
        json(key, out);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    Ok(())
}

fn tags(corpus: &Corpus, names: &[Name], ordinal: u32, out: &mut Vec<u8>) -> Result<u64> {
    let text = corpus.text(ordinal)?.unwrap_or_default();
    let length = text.len() as u32;
    let map = corpus.keep_map(ordinal)?;
    let kept = Kept::new(map.as_deref(), &corpus.names().replacements, length);
    let mut offsets = Offsets::default();
    offsets.mark(text);
    let mut left_out = 0;
    let mut first = true;
    out.extend_from_slice(b"{\"id\":");
    json(corpus.id(ordinal), out);
    out.extend_from_slice(b",\"attributes\":{");
    let all = corpus.tags(ordinal)?;
    for (slot, (tagged, name)) in all.iter().zip(names).enumerate() {
        let mut any = false;
        let (name, spans) = match name {
            Name::Spans(name) => (name.as_str(), &tagged.spans[..]),
            Name::Label(names) => {
                let sure = all.get(slot + 1).map_or(&[][..], |sure| &sure.spans[..]);
                label_of(&tagged.spans, names).map_or(("", &[][..]), |name| (name, sure))
            }
            Name::Score => continue,
        };
        for span in spans {
            let range = match tagged.attribute.shape {
                Shape::Spans => kept.span(span.start, span.end),
                Shape::Value | Shape::Flag | Shape::Label => Some((0, length)),
            };
            let Some((start, end)) = range else {
                left_out += 1;
                continue;
            };
            if any {
                out.push(b',');
            } else {
                if !first {
                    out.push(b',');
                }
                out.extend_from_slice(name.as_bytes());
                out.push(b'[');
            }
            (any, first) = (true, false);
            let (start, end) = (offsets.code_points(text, start), offsets.code_points(text, end));
            let _ = write!(out, "[{start},{end},");
            score(span.score, out);
            out.push(b']');
        }
        if any {
            out.push(b']');
        }
    }
    out.extend_from_slice(b"},\"source\":");
    json(corpus.source_name(corpus.row(ordinal).source), out);
    out.extend_from_slice(b"}\n");
    Ok(left_out)
}
