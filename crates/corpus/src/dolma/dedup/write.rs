//! Writing the attributes: pieces are gathered, packed and written side by side.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};

use super::frames::Records;
use super::marks::Marks;
use super::{By, Options};
use crate::dedup;
use crate::dolma::attributes::{decimal, name};
use crate::dolma::offsets::Offsets;
use crate::error::Result;
use crate::memory::Memory;
use crate::output::{Output, pack};
use crate::read::stream::Packing;

/// Bytes of attributes that are packed as one piece.
const PIECE: usize = 1 << 20;

/// Attributes of one file that are packed as one piece.
#[derive(Default)]
struct Piece {
    file: usize,
    /// Ordinal of the first document of the file.
    begins: u32,
    /// Whether the file ends with it.
    last: bool,
    rows: Vec<Row>,
    /// Ids, sources, and whose copy it is, of one row after the other.
    text: Vec<u8>,
    /// What came before in one row after the other.
    spans: Vec<Span>,
}

/// First and last code point, and the score.
type Span = (u32, u32, f32);

/// A row: the ends of its id, its source and whose copy it is in the text of its piece, and of its own among the spans.
struct Row {
    id: usize,
    source: usize,
    copy: usize,
    spans: usize,
}

/// How attributes are written.
struct Form {
    /// What stands before the spans.
    head: String,
}

impl Form {
    fn pack(&self, piece: &Piece, path: &Path) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(PIECE + (PIECE >> 3));
        let (mut text, mut spans) = (0, 0);
        for row in &piece.rows {
            let (id, source) = (&piece.text[text..row.id], &piece.text[row.id..row.source]);
            let copy = &piece.text[row.source..row.copy];
            self.row(id, source, copy, &piece.spans[spans..row.spans], &mut out);
            (text, spans) = (row.copy, row.spans);
        }
        let packing = Packing::of_name(&path.to_string_lossy()).0;
        Ok(pack(packing, out).map_err(|e| fs::Error::new("pack", path, e))?)
    }

    fn row(&self, id: &[u8], source: &[u8], copy: &[u8], spans: &[Span], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(id);
        out.extend_from_slice(self.head.as_bytes());
        for (i, &(start, end, score)) in spans.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b"[" } else { b",[" });
            decimal(u64::from(start), out);
            out.push(b',');
            decimal(u64::from(end), out);
            if score == 1.0 {
                out.extend_from_slice(b",1.0]");
            } else {
                // As Dolma writes a 32-bit score.
                out.extend_from_slice(format!(",{:?}]", f64::from(score)).as_bytes());
            }
        }
        out.extend_from_slice(b"]}");
        if !source.is_empty() {
            out.extend_from_slice(b",\"source\":");
            out.extend_from_slice(source);
        }
        if !copy.is_empty() {
            out.extend_from_slice(b",\"copy_of\":");
            out.extend_from_slice(copy);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// The records of all files, piece by piece.
struct Pieces<'p> {
    records: Records<'p>,
    by: &'p By,
    /// Bytes of pieces that are gathered at once.
    most: usize,
    marks: &'p mut Marks,
    /// The file at hand, whether it has begun, and the ordinal of its first document.
    file: usize,
    begun: bool,
    begins: u32,
    /// Ordinal of the next document.
    ordinal: u32,
    numbers: Vec<u32>,
    offsets: Offsets,
    /// Spans that were gathered, and the bytes of those that are stretches.
    marked: Marked,
}

/// What was marked: spans, and bytes of stretches.
#[derive(Clone, Copy, Default)]
pub(super) struct Marked {
    pub spans: u64,
    pub bytes: u64,
}

impl Pieces<'_> {
    /// The next pieces, as many as all threads have work with; none at the end.
    fn some(&mut self) -> Result<Vec<Piece>> {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while pieces.len() < 4 * rayon::current_num_threads() && bytes <= self.most {
            let Some(piece) = self.piece()? else { break };
            bytes += piece.text.len() + size_of::<Span>() * piece.spans.len();
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// The next one. A file without rows has one, too.
    fn piece(&mut self) -> Result<Option<Piece>> {
        if !self.begun {
            if !self.records.open()? {
                return Ok(None);
            }
            (self.begun, self.begins) = (true, self.ordinal);
        }
        let mut piece = Piece { file: self.file, begins: self.begins, ..Piece::default() };
        let width = self.by.layout().width;
        let mut size = 0;
        while size < PIECE
            && let Some(record) = self.records.here()?
        {
            self.marks.of(self.ordinal, record.compared.len() / width, &mut self.numbers)?;
            piece.text.extend_from_slice(record.id.as_bytes());
            let id = piece.text.len();
            piece.text.extend_from_slice(record.source.as_bytes());
            let source = piece.text.len();
            if let Marks::Documents(copies) = self.marks {
                copies.name(self.ordinal, &mut piece.text)?;
            }
            let copy = piece.text.len();
            let (numbers, before) = (self.numbers.iter(), piece.spans.len());
            match self.by {
                By::Document { .. } | By::Url { .. } | By::Near { .. } => {
                    piece.spans.extend(numbers.map(|_| (0, record.code_points, 1.0)));
                }
                By::Paragraph { .. } => piece.spans.extend(numbers.map(|&number| {
                    let (start, end) = record.range(number);
                    (start, end, 1.0)
                })),
                By::Substring { .. } => {
                    let (text, (ranges, _)) = (record.text, self.numbers.as_chunks::<2>());
                    if !ranges.is_empty() {
                        self.offsets.mark(text);
                    }
                    let mut points = self.offsets.cursor(text);
                    for &[start, end] in ranges {
                        let span = dedup::Span { ordinal: self.ordinal, start, end };
                        if let Some(range) = span.of_characters(text) {
                            self.marked.bytes += range.len() as u64;
                            let (start, end) = (range.start as u32, range.end as u32);
                            piece.spans.push((points.to(start), points.to(end), 1.0));
                        }
                    }
                }
                By::Ngram { ngrams, .. } => {
                    ngrams.marked(record.compared, &self.numbers, |(start, end), score| {
                        piece.spans.push((start, end, score));
                    });
                }
            }
            self.ordinal += 1;
            let spans = piece.spans.len() - before;
            self.marked.spans += spans as u64;
            // About what it will be.
            size += 50 + record.id.len() + copy - id + 16 * spans;
            piece.rows.push(Row { id, source, copy, spans: piece.spans.len() });
        }
        piece.last = !self.records.more()?;
        self.begun = !piece.last;
        self.file += usize::from(piece.last);
        Ok(Some(piece))
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
    parts: &[PathBuf],
    outputs: &[PathBuf],
    options: &Options,
    memory: &Memory,
    marks: &mut Marks,
    cancel: &Cancel,
) -> Result<Marked> {
    let form = &Form { head: format!(",\"attributes\":{{\"{}\":[", name(&options.name)) };
    let (records, by) = (Records::new(parts, options.by.layout()), &options.by);
    let most = memory.in_flight(rayon::current_num_threads()) as usize;
    let (numbers, offsets) = (Vec::new(), Offsets::default());
    let rest = Pieces {
        records,
        by,
        most,
        marks,
        file: 0,
        begun: false,
        begins: 0,
        ordinal: 0,
        numbers,
        offsets,
        marked: Marked::default(),
    };
    let (send, packed) = sync_channel(2 * rayon::current_num_threads());
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || put_all(packed, outputs, &options.name, cancel));
        let packed = pack_all(rest, form, outputs, send, cancel);
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What could not be written comes before what could not be packed.
        written.and(packed)
    })
}

/// Pack all pieces, in their order, until nobody takes them any more; gives back what they mark. That this ends with
/// `send` tells who writes that none follow.
#[allow(clippy::needless_pass_by_value)]
fn pack_all(
    mut rest: Pieces,
    form: &Form,
    outputs: &[PathBuf],
    send: SyncSender<Packed>,
    cancel: &Cancel,
) -> Result<Marked> {
    let mut pieces = rest.some()?;
    while !pieces.is_empty() {
        cancel.check()?;
        let pack = || -> Vec<Result<Packed>> {
            let each = pieces.par_iter().with_max_len(1).map(|piece| {
                let &Piece { file, begins, last, .. } = piece;
                let bytes = form.pack(piece, &outputs[file])?;
                Ok(Packed { file, begins, last, rows: piece.rows.len() as u64, bytes })
            });
            each.collect()
        };
        let (packed, next) = rayon::join(pack, || rest.some());
        for piece in packed {
            if send.send(piece?).is_err() {
                return Ok(rest.marked);
            }
        }
        pieces = next?;
    }
    Ok(rest.marked)
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
