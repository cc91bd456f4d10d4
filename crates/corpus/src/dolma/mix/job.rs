//! Going through the files of a mix: once to count what would be kept, once to write it.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::{Hash256, fs};
use serde::{Deserialize, Serialize};

use super::judge::{Fate, Judge};
use super::{Source, named};
use crate::dolma::aligned::{Aligned, Sheaf};
use crate::dolma::offsets::Offsets;
use crate::dolma::rewrite::rewrite;
use crate::dolma::row::Row;
use crate::dolma::spans::{Beside, read};
use crate::dolma::tag::Progress;
use crate::edit::Cut;
use crate::error::{Error, Place, Result};
use crate::flow::Job;
use crate::funnel::Count;
use crate::output::{Output, done, pack};
use crate::read::chunk::Chunk;
use crate::read::stream::Packing;
use crate::tag::Tags;

/// Files of one source that become one file.
pub(super) struct Group {
    /// Number of the source.
    pub source: usize,
    pub files: Vec<Sheaf>,
    /// What is written.
    pub output: PathBuf,
    /// Where the counts of the first pass lie.
    pub counted: PathBuf,
}

/// What became of the documents of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Documents and their text as it was read.
    pub read: Count,
    /// Those that were dropped, by number of the reason, with their text as it was read.
    pub dropped: Vec<Count>,
    /// Those that were kept, with their text as it was read.
    pub kept: Count,
    /// Kept documents whose text was edited.
    pub edited: u64,
    /// Bytes of the text that is written.
    pub written: u64,
}

impl Counts {
    fn new(reasons: usize) -> Counts {
        Counts { dropped: vec![Count::default(); reasons], ..Counts::default() }
    }

    /// Add what was counted elsewhere, under the same reasons.
    pub fn add(&mut self, other: &Counts) {
        let add = |to: &mut Count, from: &Count| {
            to.documents += from.documents;
            to.bytes += from.bytes;
        };
        self.dropped.resize(self.dropped.len().max(other.dropped.len()), Count::default());
        add(&mut self.read, &other.read);
        self.dropped.iter_mut().zip(&other.dropped).for_each(|(to, from)| add(to, from));
        add(&mut self.kept, &other.kept);
        self.edited += other.edited;
        self.written += other.written;
    }
}

/// The counts of a finished group, and what they were counted for.
#[derive(Serialize, Deserialize)]
struct Saved {
    key: Hash256,
    counts: Counts,
}

/// One pass.
pub(super) struct Pass<'m> {
    pub sources: &'m [Source],
    pub judges: &'m [Judge],
    pub groups: &'m [Group],
    /// Share of each source that is taken; none in the pass that counts.
    pub fractions: Option<&'m [f64]>,
    pub progress: &'m Progress,
    /// Counts of the groups that are done, and how many of them were done before.
    pub counts: Mutex<(Vec<Counts>, u64)>,
}

/// What a thread keeps.
#[derive(Default)]
pub(super) struct Room {
    tags: Tags,
    offsets: Offsets,
    cuts: Vec<Cut>,
}

/// What a chunk becomes.
pub(super) struct Part {
    bytes: Vec<u8>,
    counts: Counts,
}

pub(super) struct Sink {
    output: Output,
    key: Hash256,
    counts: Counts,
}

impl<'m> Pass<'m> {
    /// A pass over `groups`.
    pub fn new(
        sources: &'m [Source],
        judges: &'m [Judge],
        groups: &'m [Group],
        fractions: Option<&'m [f64]>,
        progress: &'m Progress,
    ) -> Pass<'m> {
        let counts = Mutex::new((vec![Counts::default(); groups.len()], 0));
        Pass { sources, judges, groups, fractions, progress, counts }
    }

    fn path(&self, group: &Group) -> PathBuf {
        if self.fractions.is_some() { group.output.clone() } else { group.counted.clone() }
    }

    /// Hash of all that decides over what a group becomes.
    fn key(&self, group: &Group) -> Hash256 {
        let source = &self.sources[group.source];
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(b"mix 1");
        add(source.identity().as_bytes());
        let fraction = self.fractions.map_or(-1.0, |all| all[group.source]);
        add(&fraction.to_le_bytes());
        for file in &group.files {
            add(&file.documents.blake3.0);
            add(&(file.attributes.len() as u64).to_le_bytes());
            file.attributes.iter().for_each(|attributes| add(&attributes.blake3.0));
        }
        Hash256(*hasher.finalize().as_bytes())
    }

    fn file(&self, number: u32) -> &Sheaf {
        // Files are numbered through all groups.
        let mut number = number as usize;
        for group in self.groups {
            match group.files.get(number) {
                Some(file) => return file,
                None => number -= group.files.len(),
            }
        }
        &self.groups[0].files[0]
    }

    fn first(&self, group: usize) -> u32 {
        self.groups[..group].iter().map(|group| group.files.len() as u32).sum()
    }

    fn source(&self, number: u32) -> usize {
        let mut number = number as usize;
        for group in self.groups {
            if number < group.files.len() {
                return group.source;
            }
            number -= group.files.len();
        }
        0
    }

    fn settle(&self, group: usize, counts: Counts, before: bool) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.0[group] = counts;
        all.1 += u64::from(before);
    }
}

impl<'m> Job for Pass<'m> {
    type Source = Aligned<'m>;
    type Scratch = Room;
    type Part = Part;
    type Sink = Sink;

    fn open(&self, number: usize) -> Result<Option<(Aligned<'m>, Sink)>> {
        let group = &self.groups[number];
        let (path, key) = (self.path(group), self.key(group));
        let saved = named(&path, "counts");
        if done(&path, key)?.is_some()
            && let Ok(saved) = fs::read_json::<Saved>(&saved)
            && saved.key == key
        {
            let bytes: u64 = group.files.iter().map(|file| file.documents.bytes).sum();
            self.progress.read.fetch_add(bytes, Ordering::Relaxed);
            self.progress.documents.fetch_add(saved.counts.read.documents, Ordering::Relaxed);
            self.settle(number, saved.counts, true);
            return Ok(None);
        }
        let output = Output::anew(&path, key)?;
        let read = Arc::clone(&self.progress.read);
        let source = Aligned::new(&group.files, self.first(number), read);
        let counts = Counts::new(self.judges[group.source].reasons.len());
        Ok(Some((source, Sink { output, key, counts })))
    }

    fn work(&self, chunk: Chunk, room: &mut Room) -> Result<Part> {
        let (file, source) = (self.file(chunk.file), self.source(chunk.file));
        let judge = &self.judges[source];
        let discard = &self.sources[source].discard;
        let fraction = self.fractions.map_or(1.0, |all| all[source]);
        let mut counts = Counts::new(judge.reasons.len());
        let mut out = Vec::with_capacity(if self.fractions.is_some() { chunk.data.len() } else { 0 });
        let mut beside: Vec<_> = chunk.paired.iter().map(Chunk::lines).collect();
        let Room { tags, offsets, cuts } = room;
        chunk.rows(&file.documents.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let text = row.text();
            tags.begin(judge.used.len(), text.len() as u32);
            offsets.mark(text);
            for (rows, of) in beside.iter_mut().zip(&file.attributes) {
                // There is one for every document: the source saw to it.
                let Some((number, line)) = rows.next() else { continue };
                let at = || Place { file: of.path.clone(), unit: "line", number };
                let line = std::str::from_utf8(line)
                    .map_err(|e| Error::Encoding { place: at(), byte: e.valid_up_to() as u64 })?;
                read(line, &at, &Beside { row: &row, place }, &judge.used, offsets, tags)?;
            }
            let bytes = text.len() as u64;
            counts.read.add(bytes);
            match judge.judge(&row, tags, fraction, cuts) {
                Fate::Dropped(reason) => counts.dropped[reason].add(bytes),
                Fate::Kept(edited) => {
                    counts.kept.add(bytes);
                    counts.edited += u64::from(edited.is_some());
                    counts.written += edited.as_ref().map_or(bytes, |text| text.len() as u64);
                    if self.fractions.is_some() {
                        rewrite(&row, edited.as_deref(), discard, place, &mut out)?;
                    }
                }
            }
            Ok(())
        })?;
        self.progress.documents.fetch_add(counts.read.documents, Ordering::Relaxed);
        self.progress.text.fetch_add(counts.read.bytes, Ordering::Relaxed);
        let bytes = match out.is_empty() {
            true => out,
            false => {
                let output = &self.groups.iter().find(|group| group.source == source);
                let packing = output
                    .map_or(Packing::Plain, |group| Packing::of_name(&group.output.to_string_lossy()).0);
                pack(packing, out).map_err(|e| fs::Error::new("pack", &file.documents.full, e))?
            }
        };
        Ok(Part { bytes, counts })
    }

    fn take(&self, sink: &mut Sink, part: Part) -> Result<()> {
        sink.counts.add(&part.counts);
        sink.output.put(&part.bytes, part.counts.kept.documents)
    }

    fn close(&self, number: usize, mut sink: Sink) -> Result<()> {
        let path = self.path(&self.groups[number]);
        if sink.counts.kept.documents == 0 {
            // Some readers take a file of no bytes for a damaged one.
            let empty = pack(Packing::of_name(&path.to_string_lossy()).0, Vec::new());
            sink.output.put(&empty.map_err(|e| fs::Error::new("pack", &path, e))?, 0)?;
        }
        fs::write_json(&named(&path, "counts"), &Saved { key: sink.key, counts: sink.counts.clone() })?;
        sink.output.finish()?;
        self.settle(number, sink.counts, false);
        Ok(())
    }
}
