//! One file of an export with the rows of its documents.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use regimen_base::fs;
use regimen_corpus::Corpus;

use crate::error::Result;
use crate::stream::Stream;

/// What a row says of a document but for its place: `,id,src,loc` and the line's end.
pub(super) struct Named(Vec<u8>);

impl Named {
    pub fn new(corpus: &Corpus, ordinal: u32) -> Named {
        let place = corpus.place(ordinal);
        let mut row = Vec::new();
        for text in [corpus.id(ordinal), &place.file] {
            row.push(b',');
            field(text, &mut row);
        }
        // A file that is one document has no lines that count documents.
        row.extend_from_slice(format!(",{}\r\n", place.number.max(1)).as_bytes());
        Named(row)
    }
}

/// A field as Python's `csv` writes it: in quotes only where it has to be.
fn field(text: &str, row: &mut Vec<u8>) {
    if !text.contains([',', '"', '\r', '\n']) {
        row.extend_from_slice(text.as_bytes());
        return;
    }
    row.push(b'"');
    row.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    row.push(b'"');
}

/// A file of tokens that is being written.
pub(super) struct Part {
    name: String,
    file: fs::File,
    rows: GzEncoder<fs::File>,
    rows_path: PathBuf,
    tokens: u64,
    ids: Vec<u32>,
    bytes: Vec<u8>,
}

impl Part {
    /// The part of this number of a split.
    pub fn create(dir: &Path, number: usize) -> Result<Part> {
        let stem = format!("part-0-{number:05}");
        let name = format!("{stem}.npy");
        let rows_path = dir.join(format!("{stem}.csv.gz"));
        // Its head has neither a time nor a name, so that equal rows are equal bytes.
        let rows = GzEncoder::new(fs::create(&rows_path)?, Compression::default());
        let file = fs::create(&dir.join(&name))?.ahead()?;
        Ok(Part { name, file, rows, rows_path, tokens: 0, ids: Vec::new(), bytes: Vec::new() })
    }

    /// Name of the file of tokens.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens in it.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The row of a document of which `length` tokens come next.
    pub fn name_next(&mut self, named: &Named, length: u64) -> Result<()> {
        let start = self.tokens;
        let mut row = format!("{start},{}", start + length).into_bytes();
        row.extend_from_slice(&named.0);
        Ok(self.rows.write_all(&row).map_err(|e| fs::Error::new("write", &self.rows_path, e))?)
    }

    /// Append these slots of the stream.
    pub fn put(&mut self, stream: &Stream, slots: Range<u64>) -> Result<()> {
        self.ids.resize((slots.end - slots.start) as usize, 0);
        stream.tokens_into(slots.start, &mut self.ids)?;
        self.bytes.clear();
        stream.dtype().encode(self.ids.iter().copied(), &mut self.bytes);
        self.file.put(&self.bytes)?;
        self.tokens += slots.end - slots.start;
        Ok(())
    }

    /// Bring both files to the disk.
    pub fn finish(self) -> Result<()> {
        self.file.finish()?;
        let rows = self.rows.finish().map_err(|e| fs::Error::new("write", &self.rows_path, e))?;
        Ok(rows.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_break_a_row_is_quoted() {
        let written = |text: &str| {
            let mut row = Vec::new();
            field(text, &mut row);
            String::from_utf8(row).unwrap()
        };
        assert_eq!(written("a b;c'd ü"), "a b;c'd ü");
        assert_eq!(written("a,b"), "\"a,b\"");
        assert_eq!(written("say \"a\"\n"), "\"say \"\"a\"\"\n\"");
        assert_eq!(written(""), "");
    }
}
