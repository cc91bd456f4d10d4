//! Going through the files of a mix: once to count what would be kept, once to write it.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::{Hash256, fs};
use serde::{Deserialize, Serialize};

use super::judge::{Fate, Judge};
use super::{Source, keep, named};
use crate::dolma::aligned::{Aligned, Sheaf};
use crate::dolma::offsets::Offsets;
use crate::dolma::packed::Packed;
use crate::dolma::rewrite::rewrite;
use crate::dolma::row::Row;
use crate::dolma::tag::Progress;
use crate::edit::Cut;
use crate::error::{Error, Place, Result};
use crate::flow::Job;
use crate::funnel::Count;
use crate::memory::Memory;
use crate::mix::Spread;
use crate::output::{Output, done};
use crate::read::attribute_row::{self, Beside, read};
use crate::read::chunk::Chunk;
use crate::tag::Tags;

/// Files of one source that become one file.
pub(super) struct Group {
    /// Number of the source.
    pub source: usize,
    pub files: Vec<Sheaf>,
    /// What is written.
    pub output: PathBuf,
    /// Where the ranges that were kept are written, if they are.
    pub map: Option<PathBuf>,
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
    /// Bytes of the text of kept documents after edits, each once.
    pub written: u64,
    /// Rows that are written, with their text: kept documents as often as they are taken.
    pub rows: Count,
    /// In the pass that counts: where the bytes after edits are.
    #[serde(default)]
    pub spread: Spread,
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
        add(&mut self.rows, &other.rows);
        self.edited += other.edited;
        self.written += other.written;
        self.spread.merge(&other.spread);
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
    /// Up to which place each source is taken; none in the pass that counts.
    pub fractions: Option<&'m [f64]>,
    pub progress: &'m Progress,
    pub memory: &'m Arc<Memory>,
    /// Counts of the groups that are done, and how many of them were done before.
    pub counts: Mutex<(Vec<Counts>, u64)>,
}

/// What a thread keeps.
#[derive(Default)]
pub(super) struct Room {
    tags: Tags,
    beside: attribute_row::Room,
    cuts: Vec<Cut>,
    offsets: [Offsets; 2],
}

/// What a chunk becomes.
pub(super) struct Part {
    bytes: Vec<u8>,
    map: Vec<u8>,
    counts: Counts,
}

pub(super) struct Sink {
    output: Output,
    map: Option<Output>,
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
        memory: &'m Arc<Memory>,
    ) -> Pass<'m> {
        let counts = Mutex::new((vec![Counts::default(); sources.len()], 0));
        Pass { sources, judges, groups, fractions, progress, memory, counts }
    }

    /// How often a document of a source is written at most.
    fn copies(&self, source: usize) -> usize {
        self.fractions.map_or(1, |all| all[source].ceil() as usize).max(1)
    }

    fn path(&self, group: &Group) -> PathBuf {
        if self.fractions.is_some() { group.output.clone() } else { group.counted.clone() }
    }

    /// Where this pass writes the ranges that were kept, if it does.
    fn map<'g>(&self, group: &'g Group) -> Option<&'g PathBuf> {
        group.map.as_ref().filter(|_| self.fractions.is_some())
    }

    /// Hash of all that decides over what a group becomes.
    fn key(&self, group: &Group) -> Hash256 {
        let source = &self.sources[group.source];
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(b"mix 3");
        add(source.identity().as_bytes());
        let fraction = self.fractions.map_or(-1.0, |all| all[group.source]);
        add(&fraction.to_le_bytes());
        let maps = self.map(group).is_some();
        for file in &group.files {
            if maps {
                // Rows of the map name the file.
                add(file.documents.path.as_bytes());
            }
            add(&file.documents.blake3.0);
            let identity = file.fields.identity(&file.documents);
            if !identity.is_empty() {
                add(identity.as_bytes());
            }
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

    fn settle(&self, group: usize, counts: &Counts, before: bool) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.0[self.groups[group].source].add(counts);
        all.1 += u64::from(before);
    }
}

/// Whether an id ends as that of a second or later copy of at most `most` does, which a copy of another document may be given.
fn is_of_copy(id: &str, most: u32) -> bool {
    (2..=most).any(|copy| id.rsplit_once('#').is_some_and(|(_, number)| number == copy.to_string()))
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
        let map = self.map(group);
        let mapped = match map {
            Some(map) => done(map, key)?.is_some(),
            None => true,
        };
        if mapped
            && done(&path, key)?.is_some()
            && let Ok(saved) = fs::read_json::<Saved>(&saved)
            && saved.key == key
        {
            let bytes: u64 = group.files.iter().map(|file| file.documents.bytes).sum();
            self.progress.read.fetch_add(bytes, Ordering::Relaxed);
            self.progress.documents.fetch_add(saved.counts.read.documents, Ordering::Relaxed);
            self.settle(number, &saved.counts, true);
            return Ok(None);
        }
        let output = Output::anew(&path, key)?;
        let read = Arc::clone(&self.progress.read);
        let (first, copies) = (self.first(number), self.copies(group.source));
        let source = Aligned::new(&group.files, first, copies, read, self.memory);
        let counts = Counts::new(self.judges[group.source].reasons.len());
        let map = map.map(|map| Output::anew(map, key)).transpose()?;
        Ok(Some((source, Sink { output, map, key, counts })))
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Part) -> u64 {
        (part.bytes.len() + part.map.len()) as u64
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<Part> {
        let long = chunk.long.take();
        // The tables of a long document do not stay with the thread.
        let mut own = Room::default();
        let room = if long.is_some() { &mut own } else { room };
        let (file, source) = (self.file(chunk.file), self.source(chunk.file));
        let judge = &self.judges[source];
        let discard = &self.sources[source].discard;
        let fraction = self.fractions.map_or(1.0, |all| all[source]);
        let mut counts = Counts::new(judge.reasons.len());
        let group = self.groups.iter().find(|group| group.source == source);
        // All of a source are packed alike.
        let full = group.map_or(&file.documents.full, |group| &group.output);
        let maps = group.is_some_and(|group| self.map(group).is_some());
        let (mut out, mut map) = (Packed::new(full, 0), Packed::new(full, 0));
        let most = self.memory.longest();
        let mut beside: Vec<_> = chunk.paired.iter().map(Chunk::lines).collect();
        let Room { tags, beside: met, cuts, offsets } = room;
        let find = |name: &str| Ok(judge.slots.get(name).copied());
        chunk.rows(&file.documents.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let text = row.text();
            tags.begin(judge.used.len(), text.len() as u32);
            let (id, called) = (row.id_text(), || format!("the document at {}", place()));
            let document = Beside { id: &id, text: Some(text), called: &called };
            met.begin();
            for (rows, of) in beside.iter_mut().zip(&file.attributes) {
                // There is one for every document: the source saw to it.
                let Some((number, line)) = rows.next() else { continue };
                let at = || Place { file: of.path.clone(), unit: "line", number };
                read(line, &at, &document, &find, met, &mut |slot, span| tags.push(slot as usize, span))?;
            }
            let bytes = text.len() as u64;
            counts.read.add(bytes);
            match judge.judge(&row, tags, fraction, cuts) {
                Fate::Dropped(reason) => counts.dropped[reason].add(bytes),
                Fate::Kept(edited, copies) => {
                    let length = edited.as_ref().map_or(bytes, |(text, _)| text.len() as u64);
                    counts.kept.add(bytes);
                    counts.edited += u64::from(edited.is_some());
                    counts.written += length;
                    if self.fractions.is_none() {
                        counts.spread.add(judge.key(&id), length);
                    }
                    counts.rows.documents += u64::from(copies);
                    counts.rows.bytes += length * u64::from(copies);
                    let text = edited.as_ref().map(|(text, _)| &**text);
                    if is_of_copy(&id, fraction.ceil() as u32) {
                        return Err(Error::CopyId { place: place(), id: id.to_string() });
                    }
                    let all = line.len() as u64 * u64::from(copies);
                    if all > most && copies > 1 {
                        return Err(Error::LongDocument { place: place(), bytes: all, most });
                    }
                    for copy in 1..=if self.fractions.is_some() { copies } else { 0 } {
                        // Ids stay those of one row each.
                        let id = (copy > 1).then(|| format!("{id}#{copy}"));
                        rewrite(&row, text, id.as_deref(), discard, place, &mut out.loose)?;
                        out.row()?;
                        if maps {
                            let words = &judge.replacements;
                            let (id, edited) = (id.as_deref(), edited.as_ref());
                            keep::write(&row, &place(), id, edited, words, offsets, &mut map.loose);
                            map.row()?;
                        }
                    }
                }
            }
            Ok(())
        })?;
        self.progress.documents.fetch_add(counts.read.documents, Ordering::Relaxed);
        self.progress.text.fetch_add(counts.read.bytes, Ordering::Relaxed);
        Ok(Part { bytes: out.finish()?, map: map.finish()?, counts })
    }

    fn take(&self, sink: &mut Sink, part: Part) -> Result<()> {
        sink.counts.add(&part.counts);
        if let Some(map) = &mut sink.map {
            map.put(&part.map, part.counts.rows.documents)?;
        }
        sink.output.put(&part.bytes, part.counts.rows.documents)
    }

    fn close(&self, number: usize, mut sink: Sink) -> Result<()> {
        let path = self.path(&self.groups[number]);
        if sink.counts.kept.documents == 0 {
            let empty = Packed::new(&path, 0).finish_whole()?;
            for output in std::iter::once(&mut sink.output).chain(&mut sink.map) {
                output.put(&empty, 0)?;
            }
        }
        fs::write_json(&named(&path, "counts"), &Saved { key: sink.key, counts: sink.counts.clone() })?;
        if let Some(map) = sink.map {
            map.finish()?;
        }
        sink.output.finish()?;
        self.settle(number, &sink.counts, false);
        Ok(())
    }
}
