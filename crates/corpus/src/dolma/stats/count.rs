//! Counting the documents and attributes of a folder. Counts are whole numbers and add up to the same in any order.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::spread::Spread;
use super::{Counted, Sheaves};
use crate::author::Author;
use crate::dolma::aligned::Aligned;
use crate::dolma::known::shape_of;
use crate::dolma::row::Row;
use crate::dolma::said::Said;
use crate::dolma::tag::Progress;
use crate::error::{Error, Place, Result};
use crate::flow::Job;
use crate::funnel::Count;
use crate::licence::UNKNOWN;
use crate::memory::Memory;
use crate::read::attribute_row::{Beside, Room, read};
use crate::read::chunk::Chunk;
use crate::tag::{Shape, Span};
use crate::words::Measures;

/// What stands for the source of a row that has none.
const NO_SOURCE: &str = "(none)";
/// Of the memory of the step, counts may take this part.
const SHARE: u64 = 4;
/// Bytes of memory for an entry of a table, besides its name.
const ENTRY: u64 = 256;

/// What was seen of an attribute. Numbers are listed in a chunk, and counted in all.
#[derive(Debug, Default)]
pub(super) struct Seen<N> {
    /// Documents that have it.
    pub documents: u64,
    /// Those in which it is one span of the whole text.
    pub whole: u64,
    /// Spans, and bytes of text in them.
    pub spans: u64,
    pub bytes: u64,
    /// Their scores, and how many there are in a document that has it.
    pub scores: N,
    pub counts: N,
}

/// All that was counted.
#[derive(Debug, Default)]
pub(super) struct Total {
    pub read: Counted,
    pub sources: BTreeMap<String, Counted>,
    pub licences: BTreeMap<String, Count>,
    pub authors: BTreeMap<Author, Count>,
    pub lengths: Spread,
    pub words: Spread,
    /// Documents with a row of attributes, by experiment.
    pub tagged: BTreeMap<u32, u64>,
    /// By experiment and name.
    pub attributes: BTreeMap<(u32, String), Seen<Spread>>,
}

/// One pass over all files.
pub(super) struct Counting<'c> {
    pub sheaves: &'c Sheaves,
    pub progress: &'c Progress,
    pub total: Mutex<Total>,
    pub allowed: u64,
    pub memory: Arc<Memory>,
}

/// What was counted in a chunk.
#[derive(Default)]
pub(super) struct Part {
    read: Counted,
    sources: BTreeMap<String, Counted>,
    licences: BTreeMap<String, Count>,
    authors: BTreeMap<Author, Count>,
    lengths: Vec<f64>,
    words: Vec<f64>,
    tagged: BTreeMap<u32, u64>,
    attributes: Vec<((u32, String), Seen<Vec<f64>>)>,
}

impl Counted {
    fn add(&mut self, other: Counted) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.words += other.words;
    }
}

impl<'c> Job for Counting<'c> {
    type Source = Aligned<'c>;
    type Scratch = Room;
    type Part = Part;
    type Sink = ();

    fn open(&self, number: usize) -> Result<Option<(Aligned<'c>, ())>> {
        let files = &self.sheaves.files[number..=number];
        let read = Arc::clone(&self.progress.read);
        Ok(Some((Aligned::new(files, number as u32, 1, read, &self.memory), ())))
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Part) -> u64 {
        let numbers = |seen: &Seen<Vec<f64>>| 8 * (seen.scores.len() + seen.counts.len()) as u64 + ENTRY;
        part.attributes.iter().map(|(_, seen)| numbers(seen)).sum::<u64>() + 16 * part.read.documents
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<Part> {
        let _long = chunk.long.take();
        let number = chunk.file as usize;
        let (file, experiments) = (&self.sheaves.files[number], &self.sheaves.of[number]);
        let mut rows: Vec<_> = chunk.paired.iter().map(Chunk::lines).collect();
        let mut part = Part::default();
        let names = RefCell::new(Names::default());
        let mut found = Vec::new();
        chunk.rows(&file.documents.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let text = row.text();
            part.document(Said::parse(line, place)?, text);
            let (id, called) = (row.id_text(), || format!("the document at {}", place()));
            let document = Beside { id: &id, text: Some(text), called: &called };
            room.begin();
            found.clear();
            for ((rows, of), &experiment) in rows.iter_mut().zip(&file.attributes).zip(experiments) {
                // There is one for every document: the source saw to it.
                let Some((number, line)) = rows.next() else { continue };
                let at = || Place { file: of.path.clone(), unit: "line", number };
                let find = |name: &str| Ok(Some(names.borrow_mut().slot(experiment, name)));
                read(line, &at, &document, &find, room, &mut |slot, span| found.push((slot, span)))?;
                *part.tagged.entry(experiment).or_default() += 1;
            }
            part.spans(&found, text.len() as u32);
            Ok(())
        })?;
        for (experiment, names) in names.into_inner().all {
            for (name, (slot, _)) in names {
                if let Some((of, _)) = part.attributes.get_mut(slot as usize) {
                    *of = (experiment, name);
                }
            }
        }
        // Names without a span are those of no document.
        part.attributes.retain(|(_, seen)| seen.documents > 0);
        self.progress.documents.fetch_add(part.read.documents, Ordering::Relaxed);
        self.progress.text.fetch_add(part.read.bytes, Ordering::Relaxed);
        Ok(part)
    }

    fn take(&self, (): &mut (), part: Part) -> Result<()> {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        total.add(part);
        total.check(self.allowed)
    }

    fn close(&self, _: usize, (): ()) -> Result<()> {
        Ok(())
    }
}

/// The attributes of a chunk by experiment and name, with their numbers and what they are.
#[derive(Default)]
struct Names {
    all: BTreeMap<u32, HashMap<String, (u32, Shape)>>,
    next: u32,
}

impl Names {
    fn slot(&mut self, experiment: u32, name: &str) -> (u32, Shape) {
        let names = self.all.entry(experiment).or_default();
        if let Some(&known) = names.get(name) {
            return known;
        }
        let new = (self.next, shape_of(name).unwrap_or(Shape::Spans));
        names.insert(name.into(), new);
        self.next += 1;
        new
    }
}

impl Part {
    /// A document with this text.
    fn document(&mut self, said: Said, text: &str) {
        let own = Counted { documents: 1, bytes: text.len() as u64, words: Measures::of(text).words };
        self.read.add(own);
        let source = said.source.unwrap_or_else(|| NO_SOURCE.into());
        self.sources.entry(source).or_default().add(own);
        let licence = said.licence.unwrap_or_else(|| UNKNOWN.into());
        self.licences.entry(licence).or_default().add(own.bytes);
        self.authors.entry(said.author).or_default().add(own.bytes);
        self.lengths.push(own.bytes as f64);
        self.words.push(own.words as f64);
    }

    /// The spans of a document whose text has so many bytes; those of one attribute come one after the other.
    fn spans(&mut self, found: &[(u32, Span)], length: u32) {
        for spans in found.chunk_by(|a, b| a.0 == b.0) {
            let slot = spans[0].0 as usize;
            if self.attributes.len() <= slot {
                self.attributes.resize_with(slot + 1, Default::default);
            }
            let seen = &mut self.attributes[slot].1;
            seen.documents += 1;
            seen.whole += u64::from(matches!(spans, [(_, span)] if span.start == 0 && span.end == length));
            seen.spans += spans.len() as u64;
            seen.bytes += spans.iter().map(|(_, span)| u64::from(span.end - span.start)).sum::<u64>();
            seen.scores.extend(spans.iter().map(|(_, span)| span.score));
            seen.counts.push(spans.len() as f64);
        }
    }
}

impl Spread {
    fn add_all(&mut self, mut numbers: Vec<f64>) {
        numbers.sort_unstable_by(f64::total_cmp);
        for equal in numbers.chunk_by(|a, b| a == b) {
            self.add(equal[0], equal.len() as u64);
        }
    }
}

impl Total {
    fn add(&mut self, part: Part) {
        self.read.add(part.read);
        for (name, count) in part.sources {
            self.sources.entry(name).or_default().add(count);
        }
        let sum = |to: &mut Count, from: Count| {
            to.documents += from.documents;
            to.bytes += from.bytes;
        };
        for (name, count) in part.licences {
            sum(self.licences.entry(name).or_default(), count);
        }
        for (author, count) in part.authors {
            sum(self.authors.entry(author).or_default(), count);
        }
        self.lengths.add_all(part.lengths);
        self.words.add_all(part.words);
        for (experiment, rows) in part.tagged {
            *self.tagged.entry(experiment).or_default() += rows;
        }
        for (name, from) in part.attributes {
            let to = self.attributes.entry(name).or_default();
            to.documents += from.documents;
            to.whole += from.whole;
            to.spans += from.spans;
            to.bytes += from.bytes;
            to.scores.add_all(from.scores);
            to.counts.add_all(from.counts);
        }
    }

    /// An error if the counts take more than their share of the memory.
    fn check(&self, allowed: u64) -> Result<()> {
        let named = self.sources.keys().chain(self.licences.keys());
        let names: u64 = named.map(|name| name.len() as u64 + ENTRY).sum();
        let attribute = |((_, name), seen): (&(u32, String), &Seen<Spread>)| {
            name.len() as u64 + ENTRY + seen.scores.held() + seen.counts.held()
        };
        let held = names + self.attributes.iter().map(attribute).sum::<u64>();
        if held > allowed / SHARE {
            let what = format!(
                "the counts of {} attributes, {} sources and {} licences",
                self.attributes.len(),
                self.sources.len(),
                self.licences.len()
            );
            let instead = "choose fewer experiments with --attributes";
            // More is to come, and nobody knows how much.
            return Err(Error::StepMemory { what, needed: 2 * held * SHARE, allowed, instead });
        }
        Ok(())
    }
}
