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
use serde_json::Value;
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
    let identity = |number: usize| format!("dolma 4 {key} {shard} {number}");
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

fn document(corpus: &Corpus, ordinal: u32, out: &mut Vec<u8>) -> Result<()> {
    let row = corpus.row(ordinal);
    out.extend_from_slice(b"{\"id\":");
    json(corpus.id(ordinal), out);
    field("text", corpus.text(ordinal)?.unwrap_or_default(), out);
    field("source", corpus.source_name(row.source), out);
    if let Some(day) = row.created {
        field("created", &format!("{}T00:00:00.000Z", date(day.into())), out);
    }
    out.extend_from_slice(b",\"metadata\":");
    let mut metadata = Metadata::new(corpus.metadata(ordinal)?, out)?;
    metadata.ours("license", corpus.licence_name(row.licence));
    metadata.ours("author_kind", row.author.name());
    metadata.ours("split", row.split.name());
    metadata.ours("regimen_key", row.key.to_string());
    metadata.ours("file", corpus.names().files[row.file as usize].path.as_str());
    metadata.ours("line", row.line);
    if let Some(span) = corpus.span(ordinal)? {
        metadata.ours("offset", span.offset);
        if let Some(length) = span.length {
            metadata.ours("length", length);
        }
        if span.within > 0 {
            metadata.ours("within", span.within);
        }
    }
    metadata.ours("copies", row.copies);
    metadata.end();
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// The metadata of an exported row: what the corpus knows of it, then what its source said.
struct Metadata<'m> {
    /// Fields of the source that are not written yet.
    own: BTreeMap<String, &'m RawValue>,
    empty: bool,
    out: &'m mut Vec<u8>,
}

impl<'m> Metadata<'m> {
    fn new(own: Option<&'m str>, out: &'m mut Vec<u8>) -> Result<Metadata<'m>> {
        let damaged = |_| Error::Record { what: "the metadata of a document" };
        let own = own.map(serde_json::from_str).transpose().map_err(damaged)?.unwrap_or_default();
        out.push(b'{');
        Ok(Metadata { own, empty: true, out })
    }

    /// A field that the corpus knows. Where the source has another value under its name, it goes under `regimen_NAME`.
    fn ours(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let mut name = key.to_string();
        while let Some(own) = self.own.get(&name) {
            if serde_json::from_str(own.get()).is_ok_and(|own: Value| own == value) {
                self.own.remove(&name);
                break;
            }
            name.insert_str(0, "regimen_");
        }
        self.field(&name, &value.to_string());
    }

    fn field(&mut self, key: &str, value: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        json(key, self.out);
        self.out.push(b':');
        self.out.extend_from_slice(value.as_bytes());
    }

    fn end(mut self) {
        for (key, value) in std::mem::take(&mut self.own) {
            self.field(&key, value.get());
        }
        self.out.push(b'}');
    }
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
