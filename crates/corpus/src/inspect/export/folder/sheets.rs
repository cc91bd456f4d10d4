//! Files of rows that are cut alike: documents, and beside them attributes row for row.

use std::io::Read;
use std::path::Path;

use regimen_base::fs;

use super::rows::{ATTRIBUTES, DOCUMENTS, FolderRows, RowOptions};
use crate::dolma::mix::Pack;
use crate::error::Result;
use crate::inspect::export::shards::name;
use crate::output::{Output, pack};
use crate::read::stream::Packing;

/// Bytes of rows that are packed together.
const PIECE: usize = 4 << 20;
/// A row of more bytes is packed by itself, so that no more than a piece is unpacked where a file ends inside a chunk.
const ALONE: usize = 1 << 20;

/// Rows of a chunk that go into one file after the other, packed in pieces that are members or frames of their own.
pub(super) struct Sheet {
    pack: Pack,
    /// Rows that are not packed yet; new ones are appended.
    pub loose: Vec<u8>,
    rows: usize,
    pieces: Vec<Piece>,
    /// Whether the next row is packed by itself.
    alone: bool,
}

/// Rows that are packed together.
struct Piece {
    packed: Vec<u8>,
    rows: usize,
}

impl Sheet {
    pub fn new(pack: Pack) -> Sheet {
        Sheet { pack, loose: Vec::new(), rows: 0, pieces: Vec::new(), alone: false }
    }

    /// A row of about so many bytes is to be appended.
    pub fn begin(&mut self, bytes: usize) -> Result<()> {
        self.alone = bytes > ALONE;
        if self.alone { self.flush() } else { Ok(()) }
    }

    /// A row was appended.
    pub fn row(&mut self) -> Result<()> {
        self.rows += 1;
        if self.alone || self.loose.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// All of it is packed.
    pub fn finish(mut self) -> Result<Sheet> {
        self.flush()?;
        Ok(self)
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows > 0 {
            let packed = packed(self.pack, std::mem::take(&mut self.loose))?;
            self.pieces.push(Piece { packed, rows: std::mem::take(&mut self.rows) });
        }
        Ok(())
    }
}

/// What a chunk becomes: the packed rows of its documents and of each of its experiments.
pub(super) struct Part {
    pub sheets: Vec<Sheet>,
    /// Bytes of text, document by document.
    pub lengths: Vec<u64>,
}

impl Part {
    pub fn bytes(&self) -> u64 {
        let pieces = self.sheets.iter().flat_map(|sheet| &sheet.pieces);
        let packed: usize = pieces.map(|piece| piece.packed.len() + size_of::<Piece>()).sum();
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
    /// Files that are written now, sheet by sheet; none before their first row.
    open: Vec<Option<Output>>,
    /// Bytes of text in them so far.
    text: u64,
    documents: u64,
    /// Shards that are whole.
    shards: usize,
}

impl<'s> Sheets<'s> {
    /// Files go below `base`.
    pub fn new(base: &'s Path, kind: FolderRows, options: &'s RowOptions, names: &'s [String]) -> Sheets<'s> {
        let sheets = match kind {
            FolderRows::Flat => 1,
            FolderRows::Dolma => 1 + names.len(),
        };
        let open = (0..sheets).map(|_| None).collect();
        Sheets { base, kind, options, names, open, text: 0, documents: 0, shards: 0 }
    }

    /// The next documents. One sheet goes after the other, so that one piece is unpacked at a time.
    pub fn take(&mut self, part: &Part) -> Result<()> {
        let ends = self.ends(&part.lengths);
        for (number, sheet) in part.sheets.iter().enumerate() {
            self.put(number, sheet, &ends)?;
        }
        self.shards += ends.len();
        self.documents += part.lengths.len() as u64;
        Ok(())
    }

    /// Numbers of the documents of these lengths behind which files end.
    fn ends(&mut self, lengths: &[u64]) -> Vec<usize> {
        let mut ends = Vec::new();
        for (number, length) in (1..).zip(lengths) {
            self.text += length;
            if self.text >= self.options.shard.max(1) {
                ends.push(number);
                self.text = 0;
            }
        }
        ends
    }

    /// Append the rows of the sheet with this number. A piece inside which a file ends is packed anew in parts.
    fn put(&mut self, number: usize, sheet: &Sheet, ends: &[usize]) -> Result<()> {
        let (mut ends, mut shard) = (ends.iter().copied().peekable(), self.shards);
        let mut output = self.open.get_mut(number).and_then(Option::take);
        let mut at = 0;
        for piece in &sheet.pieces {
            let behind = at + piece.rows;
            let cut = ends.peek().is_some_and(|&end| end < behind);
            let unpacked = if cut { unpacked(sheet.pack, &piece.packed)? } else { Vec::new() };
            let mut rows = unpacked.split_inclusive(|&byte| byte == b'\n');
            while at < behind {
                let to = ends.peek().copied().unwrap_or(behind).min(behind);
                let part = match cut {
                    true => {
                        Some(packed(sheet.pack, rows.by_ref().take(to - at).collect::<Vec<_>>().concat())?)
                    }
                    false => None,
                };
                let mut file = match output.take() {
                    Some(file) => file,
                    None => Output::lone(&self.base.join(self.file(number, shard)))?,
                };
                file.put(part.as_ref().unwrap_or(&piece.packed), (to - at) as u64)?;
                at = to;
                if ends.next_if_eq(&at).is_some() {
                    shard += 1;
                    file.finish()?;
                } else {
                    output = Some(file);
                }
            }
        }
        if let Some(open) = self.open.get_mut(number) {
            *open = output;
        }
        Ok(())
    }

    /// What a file is called, relative to the folder.
    fn file(&self, sheet: usize, shard: usize) -> String {
        let file = name(shard, self.options.pack);
        match (self.kind, sheet.checked_sub(1).and_then(|experiment| self.names.get(experiment))) {
            (FolderRows::Flat, _) => file,
            (FolderRows::Dolma, None) => format!("{DOCUMENTS}/{file}"),
            (FolderRows::Dolma, Some(name)) => format!("{ATTRIBUTES}/{name}/{file}"),
        }
    }

    /// All documents are there: how many, and the files.
    pub fn finish(mut self) -> Result<(u64, Vec<String>)> {
        let open: Vec<Output> = self.open.iter_mut().filter_map(Option::take).collect();
        self.shards += usize::from(!open.is_empty());
        open.into_iter().try_for_each(|output| output.finish().map(drop))?;
        let sheets = 0..self.open.len();
        let files = (0..self.shards)
            .flat_map(|shard| sheets.clone().map(move |sheet| (sheet, shard)))
            .map(|(sheet, shard)| self.file(sheet, shard));
        Ok((self.documents, files.collect()))
    }
}

fn packed(how: Pack, rows: Vec<u8>) -> Result<Vec<u8>> {
    let ending = how.ending();
    Ok(pack(Packing::of_name(ending).0, rows).map_err(|e| fs::Error::new("pack", Path::new(ending), e))?)
}

/// Rows that were packed here.
fn unpacked(how: Pack, bytes: &[u8]) -> Result<Vec<u8>> {
    let ending = how.ending();
    let mut out = Vec::new();
    let read = match Packing::of_name(ending).0 {
        Packing::Plain => {
            out.extend_from_slice(bytes);
            Ok(0)
        }
        Packing::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out),
        Packing::Zstd => zstd::stream::copy_decode(bytes, &mut out).map(|()| 0),
    };
    read.map_err(|error| fs::Error::new("unpack", Path::new(ending), error))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::lines::Fields;

    /// A row of so many bytes with its line feed.
    fn row(number: usize, bytes: usize) -> Vec<u8> {
        let mut row = vec![b'a' + (number % 26) as u8; bytes - 1];
        row.push(b'\n');
        row
    }

    fn sheet(pack: Pack, sizes: &[usize]) -> Sheet {
        let mut sheet = Sheet::new(pack);
        for (number, &bytes) in sizes.iter().enumerate() {
            sheet.begin(bytes).unwrap();
            sheet.loose.extend(row(number, bytes));
            sheet.row().unwrap();
        }
        sheet.finish().unwrap()
    }

    /// Rows of all kinds of lengths, long ones at the begin, inside and at the end.
    fn sizes() -> Vec<usize> {
        let mut sizes = vec![9_000_000, 20, 30];
        sizes.extend(std::iter::repeat_n(ALONE, 11));
        sizes.extend([40, 6_000_000, 50, 2_000_000]);
        sizes
    }

    #[test]
    fn no_piece_is_longer_than_what_may_be_unpacked() {
        for pack in [Pack::Gz, Pack::Zst, Pack::None] {
            let sheet = sheet(pack, &sizes());
            assert_eq!(sheet.pieces.iter().map(|piece| piece.rows).sum::<usize>(), sizes().len());
            for piece in &sheet.pieces {
                let bytes = unpacked(pack, &piece.packed).unwrap().len();
                assert!(piece.rows == 1 || bytes < PIECE + ALONE, "{} rows of {bytes} bytes", piece.rows);
            }
        }
        assert!(sheet(Pack::Gz, &[]).pieces.is_empty());
    }

    #[test]
    fn files_end_anywhere_and_are_cut_alike() {
        let names = ["x".to_string()];
        for pack in [Pack::Gz, Pack::Zst, Pack::None] {
            for shard in [1, 3, 7, 1000] {
                let dir = tempfile::tempdir().unwrap();
                let (attributes, fields) = (None, Fields::default());
                let options = RowOptions { shard, pack, attributes, fields, memory: u64::MAX };
                let mut sheets = Sheets::new(dir.path(), FolderRows::Dolma, &options, &names);
                let long = sizes();
                let short = vec![10; long.len()];
                // A document counts for one byte, so that files have `shard` of them.
                for _ in 0..2 {
                    let both = vec![sheet(pack, &short), sheet(pack, &long)];
                    sheets.take(&Part { sheets: both, lengths: vec![1; long.len()] }).unwrap();
                    sheets
                        .take(&Part { sheets: vec![sheet(pack, &[]), sheet(pack, &[])], lengths: vec![] })
                        .unwrap();
                }
                let (documents, files) = sheets.finish().unwrap();
                assert_eq!(documents as usize, 2 * long.len());
                assert_eq!(files.len(), 2 * (2 * long.len()).div_ceil(shard as usize));
                let mut found = [Vec::new(), Vec::new()];
                for pair in files.chunks(2) {
                    assert_eq!(pair[0].replace("documents/", "attributes/x/"), pair[1]);
                    let read = |file: &String| {
                        let rows = unpacked(pack, &std::fs::read(dir.path().join(file)).unwrap()).unwrap();
                        rows.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
                    };
                    let both = [read(&pair[0]), read(&pair[1])];
                    assert!(both[0].len() == both[1].len() && both[0].len() <= shard as usize);
                    found.iter_mut().zip(both).for_each(|(all, rows)| all.extend(rows));
                }
                for (all, sizes) in found.iter().zip([&short, &long]) {
                    let once = || sizes.iter().enumerate().map(|(number, &bytes)| row(number, bytes));
                    assert!(all.iter().cloned().eq(once().chain(once())), "{shard}");
                }
            }
        }
    }
}
