//! Tagging the files of a Dolma folder: `documents/REST` in, `attributes/EXPERIMENT/REST` out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::{Cancel, Hash256};
use regimen_recipe::InputFile;

use super::attributes::Writer;
use super::folder::attributes_of;
use super::offsets::Offsets;
use super::packed::Packed;
use super::row::Row;
use super::within;
use crate::claim::Claim;
use crate::error::{Place, Result};
use crate::flow::{self, Job};
use crate::held::hold_all;
use crate::memory::Memory;
use crate::output::{Output, tidy};
use crate::read::chunk::Chunk;
use crate::read::lines::{Fields, RowFile};
use crate::tag::{Buffers, Scratch, Set, Tags};

/// What to do.
#[derive(Debug)]
pub struct Options {
    /// Part of the attributes' names and of their folder.
    pub experiment: String,
    /// Where attributes go instead of beside the documents.
    pub to: Option<PathBuf>,
    /// What the documents call their text and id.
    pub fields: Fields,
    /// Bytes for what is between reader and writer, and for long documents.
    pub memory: u64,
}

/// How far it is; another thread may look.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of files read.
    pub read: Arc<AtomicU64>,
    /// Documents tagged.
    pub documents: AtomicU64,
    /// Bytes of their text.
    pub text: AtomicU64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Files whose attributes were written.
    pub files: u64,
    /// Files whose attributes were there already, or of deduplication what a run before had read of them.
    pub skipped: u64,
    /// Documents tagged.
    pub documents: u64,
    /// Bytes of their text.
    pub text_bytes: u64,
}

/// Tag all documents of `files` on all threads of the pool. Files whose attributes are there already, made by the same
/// taggers from the same content, are passed over.
///
/// # Errors
/// [`crate::Error::InUse`] if another process writes to one of the folders of attributes, [`crate::Error::OtherOutput`] if one
/// has those of other taggers; the earliest fault in the order of
/// files and rows.
pub fn tag(
    files: &[InputFile],
    set: &Set,
    options: &Options,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Summary> {
    let outputs = attributes_of(files, &options.experiment, options.to.as_deref())?;
    let _held = hold_all(outputs.iter().map(PathBuf::as_path))?;
    claim(&outputs, set, options)?;
    tidy(&outputs);
    let job = Tagging {
        files,
        outputs,
        set,
        writer: Writer::new(set, &options.experiment),
        config: config(set, options),
        fields: &options.fields,
        progress,
        skipped: AtomicU64::new(0),
        memory: Arc::new(Memory::new(options.memory)),
    };
    flow::run(files.len(), &job, cancel)?;
    let skipped = job.skipped.into_inner();
    Ok(Summary {
        files: files.len() as u64 - skipped,
        skipped,
        documents: progress.documents.load(Ordering::Relaxed),
        text_bytes: progress.text.load(Ordering::Relaxed),
    })
}

/// Take the folders of attributes for these taggers, from the first file on: a folder of two kinds, of which one was stopped on
/// its way, could not be told from a whole one.
fn claim(outputs: &[PathBuf], set: &Set, options: &Options) -> Result<()> {
    let key = Hash256(*config(set, options).finalize().as_bytes());
    let mut folders: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for output in outputs {
        let of_experiment = |folder: &&Path| {
            let within = folder.parent().and_then(Path::file_name);
            folder.file_name().is_some_and(|name| name == options.experiment.as_str())
                && within.is_some_and(|name| name == "attributes")
        };
        let own = output.parent().unwrap_or(output);
        let folder = match &options.to {
            Some(to) => to,
            None => output.ancestors().skip(1).find(of_experiment).unwrap_or(own),
        };
        let relative = output.strip_prefix(folder).unwrap_or(output);
        folders.entry(folder).or_default().push(relative.display().to_string());
    }
    let instead = if options.to.is_some() { "give another --to" } else { "give another --experiment" };
    let claim =
        |folder: &Path| Claim::new(format!("tags `{}`", options.experiment), key, &[], folder).or(instead);
    for folder in folders.keys() {
        claim(folder).check(folder)?;
    }
    folders.into_iter().try_for_each(|(folder, outputs)| claim(folder).settle(folder, outputs))
}

/// Hash of all that decides over the attributes but the documents.
fn config(set: &Set, options: &Options) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add("tag 1");
    add(&options.experiment);
    set.identity(&mut add);
    hasher
}

struct Tagging<'t> {
    files: &'t [InputFile],
    outputs: Vec<PathBuf>,
    set: &'t Set,
    writer: Writer,
    config: blake3::Hasher,
    fields: &'t Fields,
    progress: &'t Progress,
    skipped: AtomicU64,
    memory: Arc<Memory>,
}

/// What a thread keeps.
#[derive(Default)]
pub(super) struct Room {
    pub buffers: Buffers,
    pub scratch: Scratch,
    pub tags: Tags,
    pub offsets: Offsets,
}

/// The packed attributes of a chunk.
struct Part {
    bytes: Vec<u8>,
    rows: u64,
}

impl Job for Tagging<'_> {
    type Source = RowFile;
    type Scratch = Room;
    type Part = Part;
    type Sink = Output;

    fn open(&self, number: usize) -> Result<Option<(RowFile, Output)>> {
        let file = &self.files[number];
        let mut hasher = self.config.clone();
        hasher.update(&file.blake3.0);
        hasher.update(self.fields.identity(file).as_bytes());
        let key = Hash256(*hasher.finalize().as_bytes());
        match Output::begin(&self.outputs[number], key)? {
            Some(output) => {
                let read = Arc::clone(&self.progress.read);
                let rows = within::rows(file, self.fields, number as u32, 1, read, &self.memory)?;
                Ok(Some((rows, output)))
            }
            None => {
                self.progress.read.fetch_add(file.bytes, Ordering::Relaxed);
                self.skipped.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Part) -> u64 {
        part.bytes.len() as u64
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<Part> {
        let long = chunk.long.take();
        // The tables of a long document do not stay with the thread.
        let mut own = Room::default();
        let room = if long.is_some() { &mut own } else { room };
        let file = &self.files[chunk.file as usize];
        let mut out = Packed::new(&self.outputs[chunk.file as usize], chunk.data.len() / 4);
        let (mut rows, mut bytes) = (0, 0);
        chunk.rows(&file.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let Room { buffers, scratch, tags, offsets } = room;
            self.set.tag(row.text(), row.metadata(), buffers, scratch, tags);
            self.writer.write(&row, tags, offsets, &mut out.loose);
            out.row()?;
            rows += 1;
            bytes += row.text().len() as u64;
            Ok(())
        })?;
        self.progress.documents.fetch_add(rows, Ordering::Relaxed);
        self.progress.text.fetch_add(bytes, Ordering::Relaxed);
        Ok(Part { bytes: out.finish_whole()?, rows })
    }

    fn take(&self, sink: &mut Output, part: Part) -> Result<()> {
        sink.put(&part.bytes, part.rows)
    }

    fn close(&self, _: usize, sink: Output) -> Result<()> {
        sink.finish().map(drop)
    }
}
