//! Deduplicating the files of a Dolma folder: `documents/REST` in, `attributes/NAME/REST` out, one span for everything that
//! came before: the stretch, the paragraph, or the whole document. As in Dolma, the spans' score is 1 (or a share of n-grams) and a mixer
//! removes them; unlike there, "before" means document order (files sorted by path, then rows), so the result is always the same.
//! Beside the span of a whole document stands whose copy it is. Stretches of bytes, which Dolma's deduper does not know, are
//! those of [`crate::dedup::substring`].
//!
//! Two passes: the first reads all files on all threads and leaves hashes behind (or texts, where hashes are not enough), file by
//! file; then everything is decided in document order; the second writes the attributes.

mod copies;
mod field;
mod filter;
mod frames;
mod marks;
mod record;
mod write;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::InputFile;

pub use filter::{Filter, Origin};
use frames::{Head, Parts};
use marks::decide;
use write::write;

use super::folder::attributes_of;
use super::offsets::Offsets;
use super::row::Row;
use super::tag::{Progress, Summary};
use super::within;
use crate::date;
use crate::dedup::hash::hash128;
use crate::dedup::{Keep, MinHash, MinHasher, Work, url};
use crate::error::{Error, Place, Result};
use crate::flow::{self, Job};
use crate::held::hold_all;
use crate::memory::{Memory, is_long};
use crate::output::{NOTES, Output, tidy};
use crate::paragraphs::ngrams;
pub use crate::paragraphs::{Cut, Least, Ngrams};
use crate::read::chunk::Chunk;
use crate::read::field::text as text_field;
use crate::read::lines::{Fields, RowFile};

/// Bytes of a document for which a paragraph counts: marks of many short ones take more than their text.
const MARK: u64 = 12;

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum By {
    /// Whole texts.
    Document {
        /// The field that is compared instead of the text, such as `metadata.url`.
        key: Option<String>,
        /// Shorter ones are not compared.
        least: Least,
        /// Which of several copies stays.
        keep: Keep,
    },
    /// `metadata.url` in one spelling.
    Url {
        /// Which of several copies stays.
        keep: Keep,
    },
    /// Paragraphs, without the white space around them.
    Paragraph {
        /// What they are.
        cut: Cut,
        /// A Bloom filter for paragraphs; exact if there is none.
        bloom: Option<Filter>,
    },
    /// Paragraphs as with [`By::Paragraph`], by the share of their n-grams.
    Ngram {
        /// Which n-grams, and which share.
        ngrams: Ngrams,
        /// What paragraphs are.
        cut: Cut,
        /// A Bloom filter for n-grams; exact if there is none.
        bloom: Option<Filter>,
    },
    /// Texts that are nearly the same, by MinHash.
    Near {
        /// Its parameters.
        minhash: MinHash,
        /// The similarity of their shingles, above 0 and at most 1, from which on texts that share a band are copies; none: all
        /// that share one are.
        verify: Option<f64>,
        /// Which of several copies stays.
        keep: Keep,
    },
    /// Stretches of bytes, wherever they lie in their documents.
    Substring {
        /// Shorter ones are not compared.
        least: u32,
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
    /// What the documents call their text and id.
    pub fields: Fields,
    /// Bytes for what is between reader and writer, for long documents, for what is held of every document, and for records and
    /// tables; beyond them files beside the attributes are used.
    pub memory: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Found {
    /// What was read.
    #[serde(flatten)]
    pub summary: Summary,
    /// Things that were compared; bytes of text where stretches of them were.
    pub compared: u64,
    /// Those that came before.
    pub duplicates: u64,
    /// Spans that were written: documents, paragraphs or stretches that are marked.
    pub marked: u64,
}

impl By {
    /// The Bloom filter that is asked for.
    fn bloom(&self) -> Option<&Filter> {
        match self {
            By::Paragraph { bloom, .. } | By::Ngram { bloom, .. } => bloom.as_ref(),
            By::Document { .. } | By::Url { .. } | By::Near { .. } | By::Substring { .. } => None,
        }
    }

    /// Which of several copies of a document stays.
    fn keep(&self) -> Option<Keep> {
        match self {
            By::Document { keep, .. } | By::Url { keep } | By::Near { keep, .. } => Some(*keep),
            By::Paragraph { .. } | By::Ngram { .. } | By::Substring { .. } => None,
        }
    }

    /// Bytes of a document for which one of them counts.
    fn weight(&self) -> u64 {
        match self {
            By::Ngram { .. } => ngrams::WEIGHT,
            By::Substring { .. } => 1,
            By::Document { .. } | By::Url { .. } | By::Paragraph { .. } | By::Near { .. } => MARK,
        }
    }

    /// What the keys of a Bloom filter are: others are never found in it.
    fn keys(&self) -> String {
        match self {
            By::Ngram { ngrams, .. } => format!("n-grams of {} words", ngrams.length),
            other => other.things().into(),
        }
    }

    /// What is compared, several of it.
    fn things(&self) -> &'static str {
        match self {
            By::Document { .. } | By::Url { .. } | By::Near { .. } => "documents",
            By::Paragraph { .. } => "paragraphs",
            By::Ngram { .. } => "n-grams",
            By::Substring { .. } => "bytes",
        }
    }
}

/// Mark what came before in all documents of `files`, which are in document order.
///
/// # Errors
/// [`Error::InUse`] if another process writes to one of the folders of attributes; the earliest fault in the order of files and
/// rows; a Bloom filter that was too small; what does not fit into the memory; no
/// document that has what is compared.
pub fn dedup(files: &[InputFile], options: &Options, progress: &Progress, cancel: &Cancel) -> Result<Found> {
    let outputs = attributes_of(files, &options.name, options.to.as_deref())?;
    let Some(first) = outputs.first() else { return Ok(Found::default()) };
    let _held = hold_all(outputs.iter().map(PathBuf::as_path))?;
    tidy(&outputs);
    // The same folder each time, so that a run that was stopped goes on.
    let work = first.with_file_name(NOTES).join("work");
    fs::create_dir_all(&work)?;
    let hasher = match &options.by {
        By::Near { minhash, .. } => Some(MinHasher::new(*minhash)?),
        _ => None,
    };
    let memory = Arc::new(Memory::new(options.memory));
    if let Some(filter) = options.by.bloom() {
        filter.check(files, &outputs)?;
        memory.check_filter(&filter.sizing(&options.by.keys())?)?;
    }
    let kept = AtomicU64::new(0);
    let job = Hashing { files, options, work: &work, hasher, progress, kept, memory: &memory };
    flow::run(files.len(), &job, cancel)?;
    let parts = Parts::new(files, (0..files.len()).map(|i| job.path(i)).collect())?;
    let documents = parts.all.documents;
    if documents > 0 && parts.all.compared == 0 {
        match &options.by {
            By::Document { key: Some(field), .. } => {
                return Err(Error::NoKey { field: field.clone(), documents });
            }
            By::Url { .. } => return Err(Error::NoUrl { documents }),
            _ => {}
        }
    }
    let mut found = Found {
        summary: Summary {
            files: files.len() as u64,
            skipped: job.kept.load(Ordering::Relaxed),
            documents,
            text_bytes: parts.all.text,
        },
        ..Found::default()
    };
    let mut marks = decide(&parts, options, &memory, &work, &mut found, cancel)?;
    let marked = write(&parts.paths, &outputs, options, &memory, &mut marks, cancel)?;
    found.marked = marked.spans;
    if let By::Substring { .. } = options.by {
        found.duplicates = marked.bytes;
    }
    // To give back what the system holds of them takes its time.
    parts.paths.par_iter().with_max_len(1).try_for_each(|part| fs::remove_file(part))?;
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
    memory: &'h Arc<Memory>,
}

#[derive(Default)]
struct Room {
    offsets: Offsets,
    work: Work,
    words: VecDeque<u64>,
}

impl Hashing<'_> {
    fn path(&self, file: usize) -> PathBuf {
        self.work.join(format!("{file:06}.hashes"))
    }
}

impl Job for Hashing<'_> {
    type Source = RowFile;
    type Scratch = Room;
    type Part = (Head, Vec<u8>);
    /// The number of the file, and its hashes.
    type Sink = (usize, Output);

    fn open(&self, number: usize) -> Result<Option<(RowFile, (usize, Output))>> {
        let file = &self.files[number];
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("dedup 6 {:?}", self.options.by).as_bytes());
        hasher.update(&file.blake3.0);
        hasher.update(self.options.fields.identity(file).as_bytes());
        match Output::begin(&self.path(number), Hash256(*hasher.finalize().as_bytes()))? {
            Some(output) => {
                let read = Arc::clone(&self.progress.read);
                let fields = &self.options.fields;
                let rows = within::rows(file, fields, number as u32, 1, read, self.memory)?;
                Ok(Some((rows, (number, output))))
            }
            None => {
                self.kept.fetch_add(1, Ordering::Relaxed);
                self.progress.read.fetch_add(file.bytes, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, (head, _): &(Head, Vec<u8>)) -> u64 {
        head.length
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<(Head, Vec<u8>)> {
        let long = chunk.long.take();
        // The tables of a long document do not stay with the thread.
        let mut own = Room::default();
        let room = if long.is_some() { &mut own } else { room };
        let file = &self.files[chunk.file as usize];
        let (mut out, mut head) = (Vec::new(), Head::default());
        chunk.rows(&file.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let number = self.hash(&row, room, &mut out, place)?;
            if number > self.most() {
                let (what, most, weight) = (self.options.by.things(), self.most(), self.options.by.weight());
                return Err(Error::Crowded { place: place(), what, number, most, weight });
            }
            head.compared += number;
            head.documents += 1;
            head.text += row.text().len() as u64;
            Ok(())
        })?;
        head.length = out.len() as u64;
        self.progress.documents.fetch_add(head.documents, Ordering::Relaxed);
        self.progress.text.fetch_add(head.text, Ordering::Relaxed);
        Ok((head, out))
    }

    fn take(&self, (_, sink): &mut (usize, Output), (head, bytes): (Head, Vec<u8>)) -> Result<()> {
        if head.documents > 0 {
            sink.put(&head.bytes(), 0)?;
            sink.put(&bytes, head.documents)?;
        }
        Ok(())
    }

    fn close(&self, _: usize, (_, sink): (usize, Output)) -> Result<()> {
        sink.close().map(drop)
    }
}

impl Hashing<'_> {
    /// Things of one document that may be compared.
    fn most(&self) -> u64 {
        self.memory.longest() / self.options.by.weight()
    }

    /// Append the record of a row: lengths of what follows, id, source, code points of the text, its day, what is compared (for
    /// paragraphs and their n-grams hash, start and end of each, else hashes alone), and, if it is looked at again, the text.
    /// Gives back how many things are compared; of more n-grams than [`Hashing::most`] not all are appended.
    fn hash(&self, row: &Row, room: &mut Room, out: &mut Vec<u8>, place: &dyn Fn() -> Place) -> Result<u64> {
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
        let day = if self.options.by.keep() == Some(Keep::Newest) {
            let created = text_field(row.line(), "created");
            created.and_then(|c| date::days(&c)).unwrap_or(i32::MIN)
        } else {
            i32::MIN
        };
        put(day as u32, out);
        let count = out.len();
        put(0, out);
        let mut number = 0;
        match &self.options.by {
            By::Document { key, least, .. } => {
                let compared = match key {
                    None => Some(Cow::Borrowed(text)),
                    Some(key) => field::value(row, key, place)?,
                };
                if let Some(text) = compared.filter(|text| !text.is_empty() && least.met(text)) {
                    out.extend_from_slice(&hash128(text.as_bytes(), 0).to_le_bytes());
                    number = 1;
                }
            }
            By::Url { .. } => {
                if let Some(address) = text_field(row.metadata(), "url")
                    && let Some(key) = url::key(&address)
                {
                    out.extend_from_slice(&key.to_le_bytes());
                    number = 1;
                }
            }
            By::Paragraph { cut, .. } => {
                if is_long(text.len()) {
                    // Short paragraphs take more than their text, and no more than that.
                    out.reserve_exact(16 * cut.paragraphs(text).count());
                }
                let mut points = room.offsets.cursor(text);
                for paragraph in cut.paragraphs(text) {
                    let (start, end) = (points.to(paragraph.start), points.to(paragraph.end));
                    let mut record = [0; 16];
                    record[..8].copy_from_slice(&paragraph.hash().to_le_bytes());
                    record[8..12].copy_from_slice(&start.to_le_bytes());
                    record[12..].copy_from_slice(&end.to_le_bytes());
                    out.extend_from_slice(&record);
                    number += 1;
                }
            }
            By::Ngram { ngrams, cut, .. } => {
                let most = self.most();
                if is_long(text.len()) {
                    let mut all = 0;
                    for paragraph in cut.paragraphs(text) {
                        all += ngrams.number(&paragraph);
                        if all > most {
                            return Ok(all);
                        }
                    }
                    out.reserve_exact(16 * all as usize);
                }
                let mut points = room.offsets.cursor(text);
                for paragraph in cut.paragraphs(text) {
                    let range = (points.to(paragraph.start), points.to(paragraph.end));
                    number += ngrams.items(&paragraph, range, most - number, &mut room.words, out);
                    if number > most {
                        break;
                    }
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
                if self.options.by.layout().text {
                    out.extend_from_slice(text.as_bytes());
                }
            }
            By::Substring { .. } => {
                out.extend_from_slice(text.as_bytes());
                return Ok(text.len() as u64);
            }
        }
        out[count..count + 4].copy_from_slice(&(number as u32).to_le_bytes());
        Ok(number)
    }
}
