//! A share of documents, or so many of them, or so many bytes, by the hash of their keys: the same documents whatever the
//! number of threads, and more of them when more are asked for.
//!
//! The key of a document is its `source` and `id` as they are written; a row without an id goes by its file and line. Of N
//! documents, or B bytes, those with the least hashes are taken: they are found by a first pass over all files, which holds
//! [`CANDIDATE`] bytes of each. Rows are written as they are, in document order.

mod table;

use std::collections::BinaryHeap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::{Cancel, fs};
use regimen_recipe::InputFile;
use serde_json::value::RawValue;

use super::folder::spares;
use super::tag::Progress;
use super::within;
use crate::error::{Error, Place, Result};
use crate::flow::{self, Job};
use crate::memory::Memory;
use crate::output::{Output, pack};
use crate::read::chunk::Chunk;
use crate::read::lines::{Fields, RowFile};
use crate::read::row::{fields, place_in, reason};
use crate::read::stream::Packing;

/// How much is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// This share of the documents, about.
    Fraction(f64),
    /// So many documents, or all there are.
    Documents(u64),
    /// Documents until their texts have so many bytes, or all there are.
    Bytes(u64),
}

impl Amount {
    /// How often all files are read.
    pub fn passes(self) -> u64 {
        if matches!(self, Amount::Fraction(_)) { 1 } else { 2 }
    }
}

/// Ends of names that say another format than JSON lines, or a packing that is not written: who read such a file by its name,
/// this program too, would be wrong about it. Of any other end nothing is known.
const OTHER: [&str; 37] = [
    "7z", "arrow", "avro", "br", "bz2", "csv", "feather", "gz", "gzip", "htm", "html", "ipc", "lz4", "lzma",
    "md", "orc", "parquet", "pq", "rar", "snappy", "sqlite", "tar", "tgz", "toml", "tsv", "txt", "warc",
    "wat", "wet", "xhtml", "xlsx", "xml", "xz", "yaml", "zip", "zst", "zstd",
];

/// Where rows go.
pub enum To {
    /// A file of JSON lines, packed as its name says; it appears when it is whole.
    File(PathBuf),
    /// A Parquet table; it appears when it is whole.
    Table(PathBuf),
    /// Somewhere else, such as the standard output.
    Writer(Box<dyn Write + Send>),
}

impl To {
    /// A file at `path`: a Parquet table if its name ends so, else JSON lines.
    ///
    /// # Errors
    /// [`Error::NoRows`] for a name that says another format.
    pub fn file(path: &Path) -> Result<To> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
            return Ok(To::Table(path.into()));
        }
        named_for(path, true).map(|()| To::File(path.into()))
    }
}

/// Check that the name of a file for JSON lines does not say that it is something else.
///
/// # Errors
/// [`Error::NoRows`].
pub fn is_for_rows(path: &Path) -> Result<()> {
    named_for(path, false)
}

fn named_for(path: &Path, tables: bool) -> Result<()> {
    let name = path.to_string_lossy();
    let ending = Path::new(Packing::of_name(&name).1).extension().and_then(|ending| ending.to_str());
    match ending.filter(|ending| OTHER.contains(&&*ending.to_ascii_lowercase())) {
        Some(ending) => Err(Error::NoRows { file: name.to_string(), ending: ending.into(), tables }),
        None => Ok(()),
    }
}

/// What was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Sampled {
    /// Documents read.
    pub read: u64,
    /// Documents taken.
    pub documents: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much is taken.
    pub amount: Amount,
    /// What the documents call their text and id.
    pub fields: Fields,
    /// Another one takes other documents.
    pub seed: u64,
    /// Bytes for what is between reader and writer, for long documents, and for the choice of documents.
    pub memory: u64,
}

/// Write a sample of the documents in `files`, which are in document order: JSON lines, or tables, whose rows become JSON lines
/// of Dolma's shape.
///
/// # Errors
/// The earliest fault in the order of files and rows; [`Error::File`] for an output that cannot be written.
pub fn sample(
    files: &[InputFile],
    options: &Options,
    to: To,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Sampled> {
    if let To::File(path) | To::Table(path) = &to {
        spares(files.iter().map(|file| file.full.as_path()), [path.as_path()])?;
    }
    let Options { amount, seed, memory, ref fields } = *options;
    let within = Arc::new(Memory::new(memory));
    let limit = match amount {
        Amount::Fraction(fraction) => Limit::Fraction(fraction),
        Amount::Documents(_) | Amount::Bytes(_) => {
            let (found, within) = (Mutex::default(), &within);
            let picking = Picking { files, fields, seed, amount, progress, found, memory, within };
            flow::run(1, &picking, cancel)?;
            let found = picking.found.into_inner().unwrap_or_else(PoisonError::into_inner);
            Limit::Last(found.heap.peek().map(Candidate::at))
        }
    };
    let (read, out, done) = (AtomicU64::new(0), Mutex::new(Some(to)), Mutex::default());
    let writing = Writing { files, fields, seed, limit, progress, read, out, done, within: &within };
    flow::run(1, &writing, cancel)?;
    let sampled = writing.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Sampled { read: writing.read.into_inner(), ..sampled })
}

/// Hash, file, line.
type At = (u128, u32, u64);

/// Which documents are taken.
#[derive(Clone, Copy)]
enum Limit {
    Fraction(f64),
    /// All up to this one, by hash; none if there is none.
    Last(Option<At>),
}

impl Limit {
    fn takes(self, at: At) -> bool {
        match self {
            Limit::Fraction(fraction) => ((at.0 >> 75) as f64 / (1u64 << 53) as f64) < fraction,
            Limit::Last(last) => last.is_some_and(|last| at <= last),
        }
    }
}

/// One row of a chunk: as it is written, its hash, bytes of its text.
struct Seen<'c> {
    line: &'c str,
    at: At,
    bytes: u64,
}

fn hash(seed: u64, source: &str, id: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"sample\0");
    hasher.update(&seed.to_le_bytes());
    hasher.update(source.as_bytes());
    hasher.update(b"\0");
    hasher.update(id.as_bytes());
    let mut head = [0u8; 16];
    head.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(head)
}

/// What is asked of the texts of rows.
#[derive(Clone, Copy, PartialEq)]
enum Texts {
    Unread,
    /// Their bytes are counted, where there are any.
    Counted,
    /// Every row must have one.
    Needed,
}

/// All rows of a chunk.
fn rows(
    files: &[InputFile],
    seed: u64,
    chunk: &Chunk,
    texts: Texts,
    mut each: impl FnMut(Seen) -> Result<()>,
) -> Result<()> {
    let (file, path) = (chunk.file, &files[chunk.file as usize].path);
    chunk.rows(path, |line, place: &dyn Fn() -> Place| {
        let fault = |error: &serde_json::Error, before: usize| Error::Json {
            place: place(),
            column: before + error.column().max(1),
            reason: reason(error),
        };
        if !line.trim_start().starts_with('{') {
            // A list would be taken for the fields in their order.
            return Err(Error::Json { place: place(), column: 1, reason: "expected a JSON object".into() });
        }
        let [id, source, text] = fields(line, ["id", "source", "text"]).map_err(|error| fault(&error, 0))?;
        let number = place().number;
        let id = id.map(RawValue::get);
        let by_place = format!("{path}:{number}");
        let source = source.map_or("", RawValue::get);
        let at = (hash(seed, source, id.unwrap_or(&by_place)), file, number);
        let bytes = match (texts, text.map(RawValue::get)) {
            (Texts::Needed, None | Some("null")) => {
                return Err(Error::MissingText { place: place(), field: "text".into() });
            }
            (Texts::Unread, _) | (_, None) => 0,
            (_, Some(other)) if !other.starts_with('"') => {
                return Err(Error::FieldType {
                    place: place(),
                    field: "text".into(),
                    expected: "a text",
                    found: other.chars().take(40).collect(),
                });
            }
            (_, Some(text)) => {
                let before = place_in(line, text);
                let text: std::borrow::Cow<str> =
                    serde_json::from_str(text).map_err(|error| fault(&error, before))?;
                text.len() as u64
            }
        };
        each(Seen { line: line.trim(), at, bytes })
    })
}

/// The chunks of all files, one after the other.
struct Chain<'f> {
    files: &'f [InputFile],
    fields: &'f Fields,
    next: usize,
    open: Option<RowFile>,
    read: Arc<AtomicU64>,
    within: &'f Arc<Memory>,
}

impl flow::Source for Chain<'_> {
    fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(file) = &mut self.open
                && let Some(chunk) = file.next()?
            {
                return Ok(Some(chunk));
            }
            let Some(file) = self.files.get(self.next) else { return Ok(None) };
            let number = self.next as u32;
            self.next += 1;
            let read = Arc::clone(&self.read);
            self.open = Some(within::rows(file, self.fields, number, 1, read, self.within)?);
        }
    }
}

/// A document that may be taken: its hash in two halves, its place, and the bytes of its text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    high: u64,
    low: u64,
    file: u32,
    line: u64,
    bytes: u32,
}

/// Bytes of a candidate while its table grows.
const CANDIDATE: u64 = 3 * size_of::<Candidate>() as u64;

impl Candidate {
    fn new(seen: &Seen) -> Candidate {
        let (hash, file, line) = seen.at;
        // No text has more than a document may have.
        let bytes = u32::try_from(seen.bytes).unwrap_or(u32::MAX);
        Candidate { high: (hash >> 64) as u64, low: hash as u64, file, line, bytes }
    }

    fn at(&self) -> At {
        (u128::from(self.high) << 64 | u128::from(self.low), self.file, self.line)
    }
}

/// So many are always taken.
const LEAST: usize = 1 << 15;

/// Those with the least hashes so far, the greatest of them on top.
#[derive(Default)]
struct Found {
    heap: BinaryHeap<Candidate>,
    bytes: u64,
}

impl Found {
    fn add(&mut self, candidate: Candidate, amount: Amount) {
        self.bytes += u64::from(candidate.bytes);
        self.heap.push(candidate);
        while let Some(last) = self.heap.peek() {
            let too_many = match amount {
                Amount::Documents(most) => self.heap.len() as u64 > most,
                Amount::Bytes(most) => self.bytes - u64::from(last.bytes) >= most,
                Amount::Fraction(_) => false,
            };
            if !too_many {
                break;
            }
            self.bytes -= u64::from(last.bytes);
            self.heap.pop();
        }
    }

    /// An error if they take more than a quarter of so many bytes.
    fn check(&self, amount: Amount, memory: u64) -> Result<()> {
        let held = self.heap.len() as u64;
        if self.heap.len() > LEAST && 4 * CANDIDATE * held > memory {
            // As many as there will be, with some room if that goes by the mean length of those so far.
            let documents = match amount {
                Amount::Documents(most) => most,
                Amount::Bytes(most) => (1.2 * held as f64 * most as f64 / self.bytes.max(1) as f64) as u64,
                Amount::Fraction(_) => held,
            };
            let documents = documents.max(held);
            let needed = documents.saturating_mul(4 * CANDIDATE);
            let what = format!("the choice of about {documents} documents");
            let instead = "take a share of them with --fraction, which holds none";
            return Err(Error::StepMemory { what, needed, allowed: memory, instead });
        }
        Ok(())
    }
}

/// The first pass.
struct Picking<'p> {
    files: &'p [InputFile],
    fields: &'p Fields,
    seed: u64,
    amount: Amount,
    progress: &'p Progress,
    found: Mutex<Found>,
    memory: u64,
    within: &'p Arc<Memory>,
}

impl<'p> Job for Picking<'p> {
    type Source = Chain<'p>;
    type Scratch = ();
    type Part = Vec<Candidate>;
    type Sink = Found;

    fn open(&self, _: usize) -> Result<Option<(Chain<'p>, Found)>> {
        let read = Arc::clone(&self.progress.read);
        let (files, fields) = (self.files, self.fields);
        let chain = Chain { files, fields, next: 0, open: None, read, within: self.within };
        Ok(Some((chain, Found::default())))
    }

    fn in_flight(&self) -> u64 {
        self.within.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Vec<Candidate>) -> u64 {
        (part.len() * size_of::<Candidate>()) as u64
    }

    fn work(&self, mut chunk: Chunk, (): &mut ()) -> Result<Vec<Candidate>> {
        let _long = chunk.long.take();
        let mut out = Vec::new();
        let texts = if matches!(self.amount, Amount::Bytes(_)) { Texts::Needed } else { Texts::Unread };
        rows(self.files, self.seed, &chunk, texts, |seen| {
            out.push(Candidate::new(&seen));
            Ok(())
        })?;
        self.progress.documents.fetch_add(out.len() as u64, Ordering::Relaxed);
        Ok(out)
    }

    fn take(&self, sink: &mut Found, part: Vec<Candidate>) -> Result<()> {
        part.into_iter().for_each(|candidate| sink.add(candidate, self.amount));
        sink.check(self.amount, self.memory)
    }

    fn close(&self, _: usize, sink: Found) -> Result<()> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = sink;
        Ok(())
    }
}

/// The pass that writes.
struct Writing<'w> {
    files: &'w [InputFile],
    fields: &'w Fields,
    seed: u64,
    limit: Limit,
    progress: &'w Progress,
    read: AtomicU64,
    /// Taken when the work begins.
    out: Mutex<Option<To>>,
    /// What was taken in the end.
    done: Mutex<Sampled>,
    within: &'w Arc<Memory>,
}

/// Rows that are taken.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    documents: u64,
    text: u64,
}

/// Where they go.
enum Sink {
    File(Box<Output>, Packing, Sampled),
    Table(Box<table::Rows>, Sampled),
    Writer(Box<dyn Write + Send>, Sampled),
}

impl<'w> Job for Writing<'w> {
    type Source = Chain<'w>;
    type Scratch = ();
    type Part = Taken;
    type Sink = Sink;

    fn open(&self, _: usize) -> Result<Option<(Chain<'w>, Sink)>> {
        let read = Arc::clone(&self.progress.read);
        let (files, fields) = (self.files, self.fields);
        let chain = Chain { files, fields, next: 0, open: None, read, within: self.within };
        let to = self.out.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sink = match to {
            Some(To::File(path)) => {
                let packing = Packing::of_name(&path.to_string_lossy()).0;
                Sink::File(Box::new(Output::lone(&path)?), packing, Sampled::default())
            }
            Some(To::Table(path)) => Sink::Table(Box::new(table::Rows::create(&path)?), Sampled::default()),
            Some(To::Writer(writer)) => Sink::Writer(writer, Sampled::default()),
            None => return Ok(None),
        };
        Ok(Some((chain, sink)))
    }

    fn in_flight(&self) -> u64 {
        self.within.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Taken) -> u64 {
        part.bytes.len() as u64
    }

    fn work(&self, mut chunk: Chunk, (): &mut ()) -> Result<Taken> {
        let _long = chunk.long.take();
        let (mut taken, mut read) = (Taken::default(), 0);
        rows(self.files, self.seed, &chunk, Texts::Counted, |seen| {
            read += 1;
            if self.limit.takes(seen.at) {
                taken.bytes.extend_from_slice(seen.line.as_bytes());
                taken.bytes.push(b'\n');
                taken.documents += 1;
                taken.text += seen.bytes;
            }
            Ok(())
        })?;
        self.progress.documents.fetch_add(read, Ordering::Relaxed);
        self.read.fetch_add(read, Ordering::Relaxed);
        Ok(taken)
    }

    fn take(&self, sink: &mut Sink, part: Taken) -> Result<()> {
        let sampled = match sink {
            Sink::File(output, packing, sampled) => {
                if part.documents > 0 {
                    output.put(&packed(*packing, part.bytes)?, part.documents)?;
                }
                sampled
            }
            Sink::Table(rows, sampled) => {
                rows.put(&part.bytes)?;
                sampled
            }
            Sink::Writer(writer, sampled) => {
                let written = writer.write_all(&part.bytes);
                written.map_err(|e| fs::Error::new("write to", &PathBuf::from("-"), e))?;
                sampled
            }
        };
        sampled.documents += part.documents;
        sampled.text_bytes += part.text;
        Ok(())
    }

    fn close(&self, _: usize, sink: Sink) -> Result<()> {
        let sampled = match sink {
            Sink::File(mut output, packing, sampled) => {
                if sampled.documents == 0 {
                    // Some readers take a file of no bytes for a damaged one.
                    output.put(&packed(packing, Vec::new())?, 0)?;
                }
                output.finish()?;
                sampled
            }
            Sink::Table(rows, sampled) => {
                rows.finish()?;
                sampled
            }
            Sink::Writer(mut writer, sampled) => {
                writer.flush().map_err(|e| fs::Error::new("write to", &PathBuf::from("-"), e))?;
                sampled
            }
        };
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = sampled;
        Ok(())
    }
}

fn packed(packing: Packing, bytes: Vec<u8>) -> Result<Vec<u8>> {
    Ok(pack(packing, bytes).map_err(|e| fs::Error::new("pack", &PathBuf::from("sample"), e))?)
}
