//! Rows for anyone: `SHARD.jsonl.gz` (or `.zst`, or plain) with one flat object a document.

use std::io::Write;
use std::path::Path;

use super::Exported;
use super::shards::{field, json, name, no_other_rows, placed, shards, write};
use crate::corpus::Corpus;
use crate::dolma::mix::Pack;
use crate::error::Result;
use crate::inspect::date::date;

/// Write the kept documents into `dir`: id, text, source, licence, author, split, created, key, copies, and the
/// metadata that the corpus keeps. `key` is that of the
/// corpus, `shard` the bytes of text in a file, `pack` how files are packed. Files that are there already are passed over.
///
/// # Errors
/// [`crate::Error::NotEmpty`] for rows of something else, [`crate::Error::File`], and [`crate::Error::Damaged`] for a damaged
/// corpus.
pub fn jsonl(corpus: &Corpus, key: &str, dir: &Path, shard: u64, pack: Pack) -> Result<Exported> {
    let mut out = Exported::default();
    let row = |ordinal: u32, out: &mut Vec<u8>| {
        let row = corpus.row(ordinal);
        out.extend_from_slice(b"{\"id\":");
        json(corpus.id(ordinal), out);
        field("text", corpus.text(ordinal)?.unwrap_or_default(), out);
        field("source", corpus.source_name(row.source), out);
        field("licence", corpus.licence_name(row.licence), out);
        field("author_kind", row.author.name(), out);
        field("split", row.split.name(), out);
        if let Some(day) = row.created {
            field("created", &date(day.into()), out);
        }
        field("key", &row.key.to_string(), out);
        // Writing to memory cannot fail.
        let _ = write!(out, ",\"copies\":{}", row.copies);
        if let Some(metadata) = corpus.metadata(ordinal)? {
            out.extend_from_slice(b",\"metadata\":");
            out.extend_from_slice(metadata.as_bytes());
        }
        out.extend_from_slice(b"}\n");
        Ok(0)
    };
    let shards = shards(corpus, shard.max(1));
    no_other_rows(dir, &placed(dir, (0..shards.len()).map(|number| name(number, pack)))?)?;
    for (number, documents) in shards.iter().enumerate() {
        let identity = format!("jsonl 3 {key} {shard} {number}");
        write(corpus, dir, &name(number, pack), &identity, documents, &row, &mut out)?;
        out.documents += documents.len() as u64;
    }
    Ok(out)
}
