//! Writing the attributes: pieces are gathered, packed and written side by side.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use memmap2::Mmap;
use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};

use super::marks::Marks;
use super::record::{Record, next};
use super::{By, Options};
use crate::dolma::attributes::{decimal, name};
use crate::error::Result;
use crate::output::{Output, pack};
use crate::read::stream::Packing;

/// Bytes of attributes that are packed as one piece.
const PIECE: usize = 1 << 20;

/// Records of attributes of one file that are packed as one piece.
struct Piece<'r> {
    file: usize,
    /// Ordinal of the first document of the file.
    begins: u32,
    /// Whether the file ends with it.
    last: bool,
    /// Each with the end of its own among `numbers`.
    records: Vec<(Record<'r>, usize)>,
    /// What came before, of one record after the other.
    numbers: Vec<u32>,
}

/// How attributes are written.
struct Form {
    /// What stands before the spans.
    head: String,
    /// Whether a span is the whole text; a paragraph otherwise.
    whole: bool,
}

impl Form {
    fn pack(&self, piece: &Piece, path: &Path) -> Result<Vec<u8>> {
        let (mut out, mut from) = (Vec::with_capacity(PIECE + (PIECE >> 3)), 0);
        for (record, end) in &piece.records {
            self.row(record, &piece.numbers[from..*end], &mut out);
            from = *end;
        }
        let packing = Packing::of_name(&path.to_string_lossy()).0;
        Ok(pack(packing, out).map_err(|e| fs::Error::new("pack", path, e))?)
    }

    fn row(&self, record: &Record, numbers: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(record.id.as_bytes());
        out.extend_from_slice(self.head.as_bytes());
        for (i, &number) in numbers.iter().enumerate() {
            let (start, end) = match record.compared.get(16 * number as usize..16 * number as usize + 16) {
                Some([_, _, _, _, _, _, _, _, range @ ..]) if !self.whole => {
                    let number = |b: &[u8]| b.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
                    (number(&range[..4]), number(&range[4..]))
                }
                _ => (0, u64::from(record.code_points)),
            };
            out.extend_from_slice(if i == 0 { b"[" } else { b",[" });
            decimal(start, out);
            out.push(b',');
            decimal(end, out);
            out.extend_from_slice(b",1.0]");
        }
        out.extend_from_slice(b"]}");
        if !record.source.is_empty() {
            out.extend_from_slice(b",\"source\":");
            out.extend_from_slice(record.source.as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }
}

/// The records of all files, piece by piece.
struct Pieces<'p> {
    parts: &'p [Mmap],
    by: By,
    marks: &'p mut Marks,
    /// The file at hand and what is left of it, if one has begun, and the ordinal of its first document.
    file: usize,
    left: Option<&'p [u8]>,
    begins: u32,
    /// Ordinal of the next document.
    ordinal: u32,
    numbers: Vec<u32>,
}

impl<'p> Pieces<'p> {
    /// The next pieces, as many as all threads have work with; none at the end.
    fn some(&mut self) -> Result<Vec<Piece<'p>>> {
        let mut pieces = Vec::new();
        while pieces.len() < 4 * rayon::current_num_threads() {
            let Some(piece) = self.piece()? else { break };
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// The next one. A file without rows has one, too.
    fn piece(&mut self) -> Result<Option<Piece<'p>>> {
        let mut left = match (self.left, self.parts.get(self.file)) {
            (Some(left), _) => left,
            (None, Some(part)) => {
                self.begins = self.ordinal;
                &part[..]
            }
            (None, None) => return Ok(None),
        };
        let (mut records, mut numbers, mut size) = (Vec::new(), Vec::new(), 0);
        while size < PIECE
            && let Some(record) = next(&mut left, self.by)?
        {
            self.marks.of(self.ordinal, record.compared.len() / self.by.width(), &mut self.numbers)?;
            self.ordinal += 1;
            numbers.extend_from_slice(&self.numbers);
            // About what it will be.
            size += 50 + record.id.len() + record.source.len() + 16 * self.numbers.len();
            records.push((record, numbers.len()));
        }
        let (file, begins, last) = (self.file, self.begins, left.is_empty());
        self.left = Some(left).filter(|_| !last);
        self.file += usize::from(last);
        Ok(Some(Piece { file, begins, last, records, numbers }))
    }
}

/// A piece on its way to its file.
struct Packed {
    file: usize,
    begins: u32,
    last: bool,
    rows: u64,
    bytes: Vec<u8>,
}

/// Write the attributes of all files: pieces are packed on all threads while the next ones are gathered, and a thread of its own,
/// which computes next to nothing, writes them and waits for the disk.
pub(super) fn write(
    parts: &[Mmap],
    outputs: &[PathBuf],
    options: &Options,
    marks: &mut Marks,
    cancel: &Cancel,
) -> Result<()> {
    let form = &Form {
        head: format!(",\"attributes\":{{\"{}\":[", name(&options.name)),
        whole: !matches!(options.by, By::Paragraph { .. }),
    };
    let by = options.by;
    let rest = Pieces { parts, by, marks, file: 0, left: None, begins: 0, ordinal: 0, numbers: Vec::new() };
    let (send, packed) = sync_channel(2 * rayon::current_num_threads());
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || put_all(packed, outputs, &options.name, cancel));
        let packed = pack_all(rest, form, outputs, send, cancel);
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What could not be written comes before what could not be packed.
        written.and(packed)
    })
}

/// Pack all pieces, in their order, until nobody takes them any more. That this ends with `send` tells who writes that none follow.
#[allow(clippy::needless_pass_by_value)]
fn pack_all(
    mut rest: Pieces,
    form: &Form,
    outputs: &[PathBuf],
    send: SyncSender<Packed>,
    cancel: &Cancel,
) -> Result<()> {
    let mut pieces = rest.some()?;
    while !pieces.is_empty() {
        cancel.check()?;
        let pack = || -> Vec<Result<Packed>> {
            let each = pieces.par_iter().with_max_len(1).map(|piece| {
                let &Piece { file, begins, last, .. } = piece;
                let bytes = form.pack(piece, &outputs[file])?;
                Ok(Packed { file, begins, last, rows: piece.records.len() as u64, bytes })
            });
            each.collect()
        };
        let (packed, next) = rayon::join(pack, || rest.some());
        for piece in packed {
            if send.send(piece?).is_err() {
                return Ok(());
            }
        }
        pieces = next?;
    }
    Ok(())
}

/// Write pieces into their files. A file whose last piece does not come stays unfinished.
fn put_all(packed: Receiver<Packed>, outputs: &[PathBuf], attribute: &str, cancel: &Cancel) -> Result<()> {
    let mut open = None;
    for piece in packed {
        cancel.check()?;
        let mut output = match open.take() {
            Some(output) => output,
            None => {
                // A key of its own each time: what was decided depends on all files, so a file that is there says nothing.
                let key = Hash256::of(format!("{attribute} {}", piece.begins).as_bytes());
                Output::anew(&outputs[piece.file], key)?
            }
        };
        output.put(&piece.bytes, piece.rows)?;
        if piece.last {
            output.finish()?;
        } else {
            open = Some(output);
        }
    }
    Ok(())
}
