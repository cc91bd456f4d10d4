//! Deduplicating the files of a Dolma folder: `documents/REST` in, `attributes/NAME/REST` out, one span for everything that
//! came before: the paragraph, or the whole document. As in Dolma, the spans' score is 1 and a mixer removes them; unlike
//! there, "before" means document order (files sorted by path, then rows), so the result is always the same.
//!
//! Two passes: the first reads all files on all threads and leaves hashes behind, file by file; then everything is decided in
//! document order; the second writes the attributes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use memmap2::Mmap;
use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::InputFile;

use super::attributes::{decimal, name};
use super::folder::attributes_path;
use super::offsets::Offsets;
use super::row::Row;
use super::tag::{Progress, Summary};
use crate::arena::map;
use crate::date;
use crate::dedup::hash::{hash64, hash128};
use crate::dedup::{
    Batch, Bloom, Budget, ExactKeys, ExactParagraphs, Facts, Keep, Kept, Lsh, MinHasher, Preset, Sizing,
    Work, url,
};
use crate::error::{Error, Place, Result};
use crate::flow::{self, Job};
use crate::output::{Output, hold, pack, tidy};
use crate::pipeline::paragraphs;
use crate::read::chunk::{Chunk, Chunks, How};
use crate::read::stream::{Packing, Stream};

/// Bytes of attributes that are packed as one piece.
const PIECE: usize = 1 << 20;
/// Paragraphs that are looked up in a Bloom filter at once.
const BATCH: usize = 1 << 18;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    /// Whole texts.
    Document,
    /// `metadata.url` in one spelling.
    Url,
    /// Lines of at least so many bytes, without the white space around them.
    Paragraph {
        /// Shorter ones are not compared.
        min_bytes: u32,
        /// A Bloom filter for so many paragraphs with this rate of false positives; exact if there is none.
        bloom: Option<(u64, f64)>,
    },
    /// Texts that are nearly the same, by MinHash.
    Near {
        /// Its parameters.
        preset: Preset,
        /// Which document of a cluster stays.
        keep: Keep,
    },
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is compared.
    pub by: By,
    /// Name of the attribute and of the folder of attributes.
    pub name: String,
    /// Where attributes go instead of beside the documents.
    pub to: Option<PathBuf>,
    /// Bytes for records and tables; beyond them files beside the attributes are used.
    pub memory: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Found {
    /// What was read.
    #[serde(flatten)]
    pub summary: Summary,
    /// Things that were compared.
    pub compared: u64,
    /// Those that came before.
    pub duplicates: u64,
}

/// Mark what came before in all documents of `files`, which are in document order.
///
/// # Errors
/// The earliest fault in the order of files and rows; a Bloom filter that was too small.
pub fn dedup(files: &[InputFile], options: &Options, progress: &Progress, cancel: &Cancel) -> Result<Found> {
    let outputs = files
        .iter()
        .map(|file| attributes_path(&file.full, &options.name, options.to.as_deref()))
        .collect::<Result<Vec<PathBuf>>>()?;
    let Some(first) = outputs.first() else { return Ok(Found::default()) };
    let _held = hold(first)?;
    tidy(&outputs);
    // The same folder each time, so that a run that was stopped goes on.
    let work = first.with_file_name(".regimen").join("work");
    fs::create_dir_all(&work)?;
    let hasher = match options.by {
        By::Near { preset, .. } => Some(MinHasher::new(preset.minhash)?),
        _ => None,
    };
    let job = Hashing { files, options, work: &work, hasher, progress, kept: AtomicU64::new(0) };
    flow::run(files.len(), &job, cancel)?;
    let parts = (0..files.len()).map(|i| map(&job.path(i))).collect::<Result<Vec<Mmap>>>()?;
    // Of all parts, those that a run before left too.
    let totals = parts.par_iter().map(|part| total(part, options.by)).collect::<Result<Vec<(u64, u64)>>>()?;
    let mut found = Found {
        summary: Summary {
            files: files.len() as u64,
            skipped: job.kept.load(Ordering::Relaxed),
            documents: totals.iter().map(|(documents, _)| documents).sum(),
            text_bytes: totals.iter().map(|(_, bytes)| bytes).sum(),
        },
        ..Found::default()
    };
    let mut marks = decide(&parts, options, &work, &mut found)?;
    write(&parts, &outputs, options, &mut marks, cancel)?;
    // To give back what the system holds of them takes its time.
    parts.into_par_iter().enumerate().try_for_each(|(number, part)| {
        drop(part);
        fs::remove_file(&job.path(number))
    })?;
    fs::remove_dir_all(&work)?;
    Ok(found)
}

/// The first pass.
struct Hashing<'h> {
    files: &'h [InputFile],
    options: &'h Options,
    work: &'h Path,
    hasher: Option<MinHasher>,
    progress: &'h Progress,
    /// Files whose hashes a run before left.
    kept: AtomicU64,
}

#[derive(Default)]
struct Room {
    offsets: Offsets,
    work: Work,
}

impl Hashing<'_> {
    fn path(&self, file: usize) -> PathBuf {
        self.work.join(format!("{file:06}.hashes"))
    }
}

impl Job for Hashing<'_> {
    type Source = Chunks;
    type Scratch = Room;
    type Part = (Vec<u8>, u64);
    type Sink = Output;

    fn open(&self, number: usize) -> Result<Option<(Chunks, Output)>> {
        let file = &self.files[number];
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("dedup 2 {:?}", self.options.by).as_bytes());
        hasher.update(&file.blake3.0);
        match Output::begin(&self.path(number), Hash256(*hasher.finalize().as_bytes()))? {
            Some(output) => {
                let stream = Stream::open(file, Arc::clone(&self.progress.read))?;
                Ok(Some((Chunks::new(stream, How::Lines, 0, number as u32), output)))
            }
            None => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                self.progress.read.fetch_add(file.bytes, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    fn work(&self, chunk: Chunk, room: &mut Room) -> Result<(Vec<u8>, u64)> {
        let file = &self.files[chunk.file as usize];
        let (mut out, mut rows, mut bytes) = (Vec::new(), 0, 0);
        chunk.rows(&file.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            self.hash(&row, room, &mut out);
            rows += 1;
            bytes += row.text().len() as u64;
            Ok(())
        })?;
        self.progress.documents.fetch_add(rows, Ordering::Relaxed);
        self.progress.text.fetch_add(bytes, Ordering::Relaxed);
        Ok((out, rows))
    }

    fn take(&self, sink: &mut Output, (bytes, rows): (Vec<u8>, u64)) -> Result<()> {
        sink.put(&bytes, rows)
    }

    fn close(&self, _: usize, sink: Output) -> Result<()> {
        sink.close().map(drop)
    }
}

#[derive(serde::Deserialize)]
struct Metadata {
    #[serde(default)]
    url: Option<String>,
}

#[derive(serde::Deserialize)]
struct Created {
    #[serde(default)]
    created: Option<String>,
}

impl Hashing<'_> {
    /// Append the record of a row: lengths of what follows, id, source, code points of the text, its day, and what is
    /// compared: for paragraphs hash, start and end of each, else hashes alone.
    fn hash(&self, row: &Row, room: &mut Room, out: &mut Vec<u8>) {
        let text = row.text();
        let source = row.source.map_or("", |source| source.get());
        let put = |n: u32, out: &mut Vec<u8>| out.extend_from_slice(&n.to_le_bytes());
        room.offsets.mark(text);
        put(row.id().len() as u32, out);
        put(source.len() as u32, out);
        out.extend_from_slice(row.id().as_bytes());
        out.extend_from_slice(source.as_bytes());
        put(room.offsets.code_points(text, text.len() as u32), out);
        put(text.len() as u32, out);
        let newest = matches!(self.options.by, By::Near { keep: Keep::Newest, .. });
        let day = if newest {
            let created = serde_json::from_str::<Created>(row.line()).ok().and_then(|c| c.created);
            created.and_then(|c| date::days(&c)).unwrap_or(i32::MIN)
        } else {
            i32::MIN
        };
        put(day as u32, out);
        let count = out.len();
        put(0, out);
        let mut number = 0u32;
        match self.options.by {
            By::Document => {
                if !text.is_empty() {
                    out.extend_from_slice(&hash128(text.as_bytes(), 0).to_le_bytes());
                    number = 1;
                }
            }
            By::Url => {
                if let Ok(Metadata { url: Some(address) }) = serde_json::from_str(row.metadata()) {
                    out.extend_from_slice(&hash128(url::normalise(&address).as_bytes(), 0).to_le_bytes());
                    number = 1;
                }
            }
            By::Paragraph { min_bytes, .. } => {
                for (start, end) in paragraphs(text, min_bytes) {
                    out.extend_from_slice(&hash64(text[start..end].trim().as_bytes(), 0).to_le_bytes());
                    put(room.offsets.code_points(text, start as u32), out);
                    put(room.offsets.code_points(text, end as u32), out);
                    number += 1;
                }
            }
            By::Near { .. } => {
                if let Some(hasher) = &self.hasher
                    && hasher.sign(text, &mut room.work)
                {
                    for band in room.work.bands() {
                        out.extend_from_slice(&band.to_le_bytes());
                        number += 1;
                    }
                }
            }
        }
        out[count..count + 4].copy_from_slice(&number.to_le_bytes());
    }
}

/// One record of the first pass.
struct Record<'r> {
    id: &'r str,
    source: &'r str,
    code_points: u32,
    bytes: u32,
    day: Option<i32>,
    /// As many as were compared, each of the width that [`By`] says.
    compared: &'r [u8],
}

impl By {
    fn width(self) -> usize {
        match self {
            By::Document | By::Url | By::Paragraph { .. } => 16,
            By::Near { .. } => 8,
        }
    }
}

/// The next record; none at the end.
fn next<'r>(left: &mut &'r [u8], by: By) -> Result<Option<Record<'r>>> {
    if left.is_empty() {
        return Ok(None);
    }
    let mut take = |bytes: usize| -> Result<&'r [u8]> {
        let (head, rest) =
            left.split_at_checked(bytes).ok_or(Error::Record { what: "a record between two passes" })?;
        *left = rest;
        Ok(head)
    };
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
    let text = |bytes: &'r [u8]| {
        std::str::from_utf8(bytes).map_err(|_| Error::Record { what: "a record between two passes" })
    };
    let (id, source) = (number(take(4)?) as usize, number(take(4)?) as usize);
    let (id, source) = (text(take(id)?)?, text(take(source)?)?);
    let (code_points, bytes) = (number(take(4)?), number(take(4)?));
    let day = number(take(4)?) as i32;
    let count = number(take(4)?) as usize;
    let compared = take(count * by.width())?;
    let day = (day != i32::MIN).then_some(day);
    Ok(Some(Record { id, source, code_points, bytes, day, compared }))
}

/// The documents of a part, and the bytes of their texts.
fn total(part: &[u8], by: By) -> Result<(u64, u64)> {
    let (mut left, mut documents, mut bytes) = (part, 0, 0);
    while let Some(record) = next(&mut left, by)? {
        documents += 1;
        bytes += u64::from(record.bytes);
    }
    Ok((documents, bytes))
}

/// What came before, in document order.
enum Marks {
    /// Whole documents.
    Documents(Vec<bool>),
    /// Ordinal and number of the paragraph, sorted.
    Exact { all: Box<crate::dedup::Paragraphs>, next: Option<(u32, Vec<u32>)> },
    /// A bit for each paragraph.
    Bits { bits: Vec<u64>, at: usize },
}

fn decide(parts: &[Mmap], options: &Options, work: &Path, found: &mut Found) -> Result<Marks> {
    let budget = Budget { memory: options.memory, dir: work.join("spill") };
    let count = u32::try_from(found.summary.documents)
        .ok()
        .filter(|&n| n < u32::MAX)
        .ok_or(Error::TooMany { what: "documents", most: u64::from(u32::MAX) })?;
    let each = |then: &mut dyn FnMut(u32, &Record) -> Result<()>| -> Result<()> {
        let mut ordinal = 0;
        for part in parts {
            let mut left = &part[..];
            while let Some(record) = next(&mut left, options.by)? {
                then(ordinal, &record)?;
                ordinal += 1;
            }
        }
        Ok(())
    };
    let words = |record: &Record| {
        record.compared.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect::<Vec<u64>>()
    };
    match options.by {
        By::Document | By::Url => {
            let mut keys = ExactKeys::new("keys", &budget)?;
            each(&mut |ordinal, record| {
                if let Some(key) = record.compared.first_chunk::<16>() {
                    found.compared += 1;
                    keys.push(ordinal, u128::from_le_bytes(*key))?;
                }
                Ok(())
            })?;
            let clusters = keys.finish(count)?;
            let gone = (0u32..).zip(clusters.firsts()).map(|(ordinal, &first)| first != ordinal);
            let gone: Vec<bool> = gone.collect();
            found.duplicates = gone.iter().filter(|&&g| g).count() as u64;
            Ok(Marks::Documents(gone))
        }
        By::Near { keep, .. } => {
            let mut lsh = Lsh::new(&budget)?;
            let mut facts = Vec::new();
            each(&mut |ordinal, record| {
                found.compared += u64::from(!record.compared.is_empty());
                facts.push(Facts { bytes: record.bytes, day: record.day, rank: 0 });
                Ok(lsh.push(ordinal, &words(record))?)
            })?;
            let kept = Kept::new(&lsh.finish(count)?, keep, |ordinal| facts[ordinal as usize]);
            found.duplicates = kept.dropped();
            Ok(Marks::Documents((0..count).map(|ordinal| !kept.is_kept(ordinal)).collect()))
        }
        By::Paragraph { bloom: None, .. } => {
            let mut all = ExactParagraphs::new(&budget)?;
            each(&mut |ordinal, record| {
                for (index, paragraph) in (0u32..).zip(record.compared.chunks(16)) {
                    if let Some(hash) = paragraph.first_chunk::<8>() {
                        all.push(ordinal, index, u64::from_le_bytes(*hash))?;
                    }
                }
                Ok(())
            })?;
            found.compared = all.paragraphs();
            let mut all = Box::new(all.finish()?);
            found.duplicates = all.duplicates();
            let next = all.next()?.map(|(ordinal, list)| (ordinal, list.to_vec()));
            Ok(Marks::Exact { all, next })
        }
        By::Paragraph { bloom: Some((expected, rate)), .. } => {
            let sizing = Sizing::new(expected, rate)?;
            let mut bloom = Bloom::new(sizing, options.memory)?;
            let mut hashes = Hashes { parts: parts.iter(), left: &[], by: options.by };
            let (mut bits, mut keys) = (Bits::default(), Vec::new());
            let (mut seen, mut before) = (Vec::new(), Vec::new());
            let mut batch = hashes.batch(&sizing, &mut keys)?;
            if batch.len() >= BATCH {
                bloom.touch();
            }
            // While some are looked up, the next ones are gathered.
            while !batch.is_empty() {
                let look = || bloom.insert_batch(batch, &mut seen);
                let gather = || {
                    bits.extend(&before);
                    hashes.batch(&sizing, &mut keys)
                };
                batch = rayon::join(look, gather).1?;
                std::mem::swap(&mut seen, &mut before);
            }
            bits.extend(&before);
            (found.compared, found.duplicates) = (bits.length, bits.set);
            bloom.check()?;
            Ok(Marks::Bits { bits: bits.words, at: 0 })
        }
    }
}

/// Bits one after the other.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
    length: u64,
    /// How many of them are set.
    set: u64,
}

impl Bits {
    fn extend(&mut self, bits: &[bool]) {
        self.words.resize((self.length as usize + bits.len()).div_ceil(64), 0);
        for &bit in bits {
            self.words[(self.length / 64) as usize] |= u64::from(bit) << (self.length % 64);
            self.length += 1;
            self.set += u64::from(bit);
        }
    }
}

/// The hashes of all paragraphs, in document order.
struct Hashes<'h> {
    parts: std::slice::Iter<'h, Mmap>,
    left: &'h [u8],
    by: By,
}

impl Hashes<'_> {
    /// The next [`BATCH`] or a few more; none at the end. `keys` is room for them.
    fn batch(&mut self, sizing: &Sizing, keys: &mut Vec<u128>) -> Result<Batch> {
        keys.clear();
        while keys.len() < BATCH {
            let Some(record) = next(&mut self.left, self.by)? else {
                let Some(part) = self.parts.next() else { break };
                self.left = &part[..];
                continue;
            };
            let hashes = record.compared.chunks(16).filter_map(|p| p.first_chunk::<8>());
            keys.extend(hashes.map(|hash| u128::from(u64::from_le_bytes(*hash))));
        }
        Ok(Batch::new(sizing, keys))
    }
}

impl Marks {
    /// Which of the `count` things compared of document `ordinal` came before; documents are asked for in order.
    fn of(&mut self, ordinal: u32, count: usize, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        match self {
            Marks::Documents(gone) => {
                if gone[ordinal as usize] {
                    out.push(0);
                }
            }
            Marks::Exact { all, next } => {
                if next.as_ref().is_some_and(|(of, _)| *of == ordinal) {
                    let following = all.next()?.map(|(ordinal, list)| (ordinal, list.to_vec()));
                    if let Some((_, list)) = std::mem::replace(next, following) {
                        *out = list;
                    }
                }
            }
            Marks::Bits { bits, at } => {
                out.extend(
                    (0..count)
                        .filter(|i| bits[(*at + i) / 64] >> ((*at + i) % 64) & 1 != 0)
                        .map(|i| i as u32),
                );
                *at += count;
            }
        }
        Ok(())
    }
}

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
fn write(
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
            let each = pieces.par_iter().map(|piece| {
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
