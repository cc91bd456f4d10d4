//! Deduplicating the files of a Dolma folder: `documents/REST` in, `attributes/NAME/REST` out, one span for everything that
//! came before: the paragraph, or the whole document. As in Dolma, the spans' score is 1 and a mixer removes them; unlike
//! there, "before" means document order (files sorted by path, then rows), so the result is always the same.
//!
//! Two passes: the first reads all files on all threads and leaves hashes behind, file by file; then everything is decided in
//! document order; the second writes the attributes.

mod marks;
mod record;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::InputFile;

use marks::decide;
use record::total;
use write::write;

use super::folder::attributes_of;
use super::offsets::Offsets;
use super::row::Row;
use super::tag::{Progress, Summary};
use crate::arena::map;
use crate::date;
use crate::dedup::hash::{hash64, hash128};
use crate::dedup::{Keep, MinHasher, Preset, Work, url};
use crate::error::{Place, Result};
use crate::flow::{self, Job};
use crate::output::{Output, hold, tidy};
use crate::pipeline::paragraphs;
use crate::read::chunk::{Chunk, Chunks, How};
use crate::read::stream::Stream;

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
    let outputs = attributes_of(files, &options.name, options.to.as_deref())?;
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
    let totals = parts
        .par_iter()
        .with_max_len(1)
        .map(|part| total(part, options.by))
        .collect::<Result<Vec<(u64, u64)>>>()?;
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
    parts.into_par_iter().enumerate().with_max_len(1).try_for_each(|(number, part)| {
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
