//! Files of rows that are cut alike: documents, and beside them attributes row for row.

use std::io::Read;
use std::path::Path;

use regimen_base::fs;

use super::rows::{ATTRIBUTES, DOCUMENTS, FolderRows, RowOptions};
use crate::dolma::packed::Packed;
use crate::error::Result;
use crate::inspect::export::shards::name;
use crate::output::Output;
use crate::read::stream::Packing;

/// What a chunk becomes: the packed rows of its documents and of each of its experiments.
pub(super) struct Part {
    pub sheets: Vec<Vec<u8>>,
    /// Bytes of text, document by document.
    pub lengths: Vec<u64>,
}

impl Part {
    pub fn bytes(&self) -> u64 {
        let packed: usize = self.sheets.iter().map(Vec::len).sum();
        packed as u64 + 8 * self.lengths.len() as u64
    }
}

/// Where rows go. A file ends behind the document with which its text reaches a length.
pub(super) struct Sheets<'s> {
    base: &'s Path,
    kind: FolderRows,
    options: &'s RowOptions,
    /// What the folders of the experiments are called.
    names: &'s [String],
    open: Option<Open>,
    documents: u64,
    shards: usize,
    files: Vec<String>,
}

/// Files that are written now.
struct Open {
    outputs: Vec<Output>,
    /// Bytes of text so far.
    text: u64,
}

impl<'s> Sheets<'s> {
    /// Files go below `base`.
    pub fn new(base: &'s Path, kind: FolderRows, options: &'s RowOptions, names: &'s [String]) -> Sheets<'s> {
        let (open, files) = (None, Vec::new());
        Sheets { base, kind, options, names, open, documents: 0, shards: 0, files }
    }

    /// The next documents.
    pub fn take(&mut self, part: &Part) -> Result<()> {
        let ends = self.ends(&part.lengths);
        let all = part.lengths.len();
        if ends.iter().all(|&end| end == all) {
            let text = part.lengths.iter().sum();
            self.put(&part.sheets, all, text)?;
            return if ends.is_empty() { Ok(()) } else { self.end() };
        }
        // A file ends inside: what is packed together goes into two.
        let pack = self.options.pack.ending();
        let unpacked: Vec<Vec<u8>> =
            part.sheets.iter().map(|sheet| unpacked(pack, sheet)).collect::<Result<_>>()?;
        let mut rows: Vec<_> =
            unpacked.iter().map(|sheet| sheet.split_inclusive(|&byte| byte == b'\n')).collect();
        let mut from = 0;
        for to in ends.iter().copied().chain((ends.last() != Some(&all)).then_some(all)) {
            let sheets = rows.iter_mut().map(|rows| {
                let mut sheet = Packed::new(Path::new(pack), 0);
                for row in rows.by_ref().take(to - from) {
                    sheet.loose.extend_from_slice(row);
                    sheet.row()?;
                }
                sheet.finish()
            });
            let sheets: Vec<Vec<u8>> = sheets.collect::<Result<_>>()?;
            self.put(&sheets, to - from, part.lengths[from..to].iter().sum())?;
            if ends.contains(&to) {
                self.end()?;
            }
            from = to;
        }
        Ok(())
    }

    /// Numbers of the documents of these lengths behind which files end.
    fn ends(&self, lengths: &[u64]) -> Vec<usize> {
        let mut text = self.open.as_ref().map_or(0, |open| open.text);
        let mut ends = Vec::new();
        for (number, length) in (1..).zip(lengths) {
            text += length;
            if text >= self.options.shard.max(1) {
                ends.push(number);
                text = 0;
            }
        }
        ends
    }

    /// Append rows, packed, of so many documents.
    fn put(&mut self, sheets: &[Vec<u8>], documents: usize, text: u64) -> Result<()> {
        if documents == 0 {
            return Ok(());
        }
        if self.open.is_none() {
            let files = self.shard();
            let outputs = files.iter().map(|file| Output::lone(&self.base.join(file)));
            self.open = Some(Open { outputs: outputs.collect::<Result<_>>()?, text: 0 });
            self.files.extend(files);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        for (output, sheet) in open.outputs.iter_mut().zip(sheets) {
            output.put(sheet, documents as u64)?;
        }
        open.text += text;
        self.documents += documents as u64;
        Ok(())
    }

    /// What the next files are called.
    fn shard(&self) -> Vec<String> {
        let file = name(self.shards, self.options.pack);
        match self.kind {
            FolderRows::Flat => vec![file],
            FolderRows::Dolma => {
                let attributes = self.names.iter().map(|name| format!("{ATTRIBUTES}/{name}/{file}"));
                std::iter::once(format!("{DOCUMENTS}/{file}")).chain(attributes).collect()
            }
        }
    }

    /// The files are whole.
    fn end(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.shards += 1;
        open.outputs.into_iter().try_for_each(|output| output.finish().map(drop))
    }

    /// All documents are there: how many, and the files.
    pub fn finish(mut self) -> Result<(u64, Vec<String>)> {
        self.end()?;
        Ok((self.documents, self.files))
    }
}

/// Rows that were packed here.
fn unpacked(pack: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let read = match Packing::of_name(pack).0 {
        Packing::Plain => {
            out.extend_from_slice(bytes);
            Ok(0)
        }
        Packing::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out),
        Packing::Zstd => zstd::stream::copy_decode(bytes, &mut out).map(|()| 0),
    };
    read.map_err(|error| fs::Error::new("unpack", Path::new(pack), error))?;
    Ok(out)
}
