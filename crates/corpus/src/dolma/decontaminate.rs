//! Holding the documents of a Dolma folder against evaluation sets: attributes for what they share with the items, a report
//! with a row for every hit, and, if it is asked for, the documents without those that have hits.
//!
//! The tagger [`decontaminate`](crate::tag) finds the hits, one of its kind for each set. Its attributes are written as
//! `regimen corpus tag` would, the hits of a file beside them, so that a run that was stopped goes on; the report is all of
//! these in document order.

mod clean;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::InputFile;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use clean::Clean;

use super::attributes::Writer;
use super::folder::{attributes_of, attributes_path, documents_of, place_of, real, spares};
use super::offsets::Offsets;
use super::packed::Packed;
use super::rewrite::rewrite;
use super::row::Row;
use super::tag::{Progress, Room};
use super::within;
use crate::error::{Error, Place, Result};
use crate::flow::{self, Job};
use crate::held::hold_all;
use crate::memory::Memory;
use crate::output::{NOTES, Output, done, tidy};
use crate::read::chunk::{Chunk, Chunks, How};
use crate::read::lines::{Fields, RowFile};
use crate::read::stream::Stream;
use crate::tag::decontaminate::{Alike, ItemRows, Shortness};
use crate::tag::{Set, Tags, Wanted};

/// Characters of a hit that the report shows.
const SHOWN: usize = 200;
/// Bytes that are held of the items of evaluation sets for a byte of their rows, at most: of n-grams alone (of usual texts a
/// third), and with whole items.
const ITEMS: [u64; 2] = [16, 64];
/// Sets that need no more are always taken.
const LEAST_ITEMS: u64 = 64 << 20;
/// Attributes that the tagger has.
const ATTRIBUTES: usize = 5;

/// An evaluation set.
#[derive(Clone, Debug, PartialEq)]
pub struct Against {
    /// Its name, in attributes and report.
    pub name: String,
    /// Its items, one a row: JSON lines, or a table by its name.
    pub file: PathBuf,
    /// What the file is called in messages: its path, or the URL that it came from.
    pub called: String,
    /// The field of a row that holds the item's text.
    pub field: String,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Words of an n-gram.
    pub n: u32,
    /// Whether whole items are looked for too, character for character.
    pub exact: bool,
    /// Least share of an item's n-grams in a document for which the document counts as contaminated; 0: any hit.
    pub least: f64,
    /// Part of the attributes' names and of their folder.
    pub experiment: String,
    /// Where attributes go instead of beside the documents.
    pub to: Option<PathBuf>,
    /// What the documents call their text and id.
    pub fields: Fields,
    /// The report: JSON lines, packed as its name says.
    pub report: PathBuf,
    /// The folder in which `documents/` without contaminated documents is written, if it is.
    pub clean: Option<PathBuf>,
    /// Bytes for what is between reader and writer, and for long documents. Evaluation sets come on top, and may take as much.
    pub memory: u64,
}

/// What was found against one set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OfSet {
    /// Its name.
    pub set: String,
    /// Its items.
    pub items: u64,
    /// Items that are too short to be looked for: of fewer than five words (or n, if that is less) and, where whole items are
    /// looked for, of fewer than 20 characters.
    pub items_short: u64,
    /// Items that some document shares n-grams with.
    pub items_hit: u64,
    /// Items that some document holds whole, to the letter.
    pub items_whole: u64,
    /// Documents with a hit.
    pub documents: u64,
    /// Hits of n-grams and of whole items.
    pub hits: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decontaminated {
    /// Files of documents.
    pub files: u64,
    /// Those that were done before.
    pub skipped: u64,
    /// Documents in all files.
    pub documents: u64,
    /// Documents that count as contaminated.
    pub contaminated: u64,
    /// Set by set.
    pub sets: Vec<OfSet>,
}

/// A row of the report, as far as sums need it.
#[derive(Deserialize)]
struct Hit<'h> {
    line: u64,
    #[serde(borrow)]
    set: std::borrow::Cow<'h, str>,
    item: u64,
    items_alike: u64,
    kind: &'h str,
    overlap: f64,
}

const NGRAMS: &str = "ngrams";
const WHOLE: &str = "whole";

/// Whether a document counts as contaminated by one of its hits.
fn counts(kind: &str, overlap: f64, least: f64) -> bool {
    kind == WHOLE || overlap >= least
}

/// Hold the documents of `files` against `sets`. Files that were done before, from the same content and against the same
/// items, are passed over.
///
/// # Errors
/// [`Error::InUse`] if another process writes to one of the folders; the earliest fault in the order of files and rows;
/// [`Error::TaggerField`] for sets that cannot be read.
pub fn decontaminate(
    files: &[InputFile],
    sets: &[Against],
    options: &Options,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Decontaminated> {
    let memory = Arc::new(Memory::new(options.memory));
    // First of all, for this tells which sets are too large.
    let items = items(sets, options, &memory)?;
    let wanted: Vec<Wanted> = sets.iter().map(|set| tagger(set, options)).collect();
    let called = sets.iter().map(|set| (set.file.clone(), set.called.clone())).collect();
    let set = Set::calling(&wanted, Path::new(""), &called)?;
    let outputs = outputs(files, sets, options)?;
    if outputs.is_empty() {
        return Ok(Decontaminated::default());
    }
    let _held = hold_all(outputs.iter().map(|output| output.attributes.as_path()))?;
    let clean =
        options.clean.as_ref().map(|clean| Clean::new(clean, files, sets, &outputs, options)).transpose()?;
    for paths in [
        outputs.iter().map(|o| o.attributes.clone()).collect::<Vec<_>>(),
        outputs.iter().map(|o| o.hits.clone()).collect(),
        outputs.iter().filter_map(|o| o.clean.clone()).collect(),
    ] {
        tidy(&paths);
    }
    let writer = Writer::new(&set, &options.experiment);
    let documents = outputs.iter().map(|_| AtomicU64::new(0)).collect();
    let skipped = AtomicU64::new(0);
    let job = Holding {
        files,
        sets,
        items: &items,
        options,
        outputs: &outputs,
        config: config(&set, options),
        set: &set,
        writer,
        progress,
        documents,
        skipped,
        memory,
    };
    flow::run(files.len(), &job, cancel)?;
    let mut found = Decontaminated {
        files: files.len() as u64,
        skipped: job.skipped.load(Ordering::Relaxed),
        documents: job.documents.iter().map(|n| n.load(Ordering::Relaxed)).sum(),
        contaminated: 0,
        sets: sets
            .iter()
            .zip(&items)
            .map(|(set, items)| OfSet {
                set: set.name.clone(),
                items: items.ids.len() as u64,
                items_short: items.short,
                ..OfSet::default()
            })
            .collect(),
    };
    report(&outputs, options, &mut found)?;
    if let Some(clean) = clean {
        clean.settle(&outputs)?;
    }
    Ok(found)
}

fn tagger(set: &Against, options: &Options) -> Wanted {
    let params = json!({
        "items": set.file.to_string_lossy(), "field": set.field, "n": options.n, "exact": options.exact,
    });
    let params = params.as_object().cloned().unwrap_or_default();
    Wanted { tagger: "decontaminate".into(), name: Some(set.name.clone()), params }
}

/// What is told of the items of a set.
#[derive(Default)]
struct Items {
    /// The id of every item as it is written; none for those without.
    ids: Vec<Option<String>>,
    /// How many are too short to be looked for.
    short: u64,
    /// How many of the same text each stands for.
    alike: Vec<u32>,
}

/// The items of all sets.
///
/// # Errors
/// [`Error::StepMemory`] for sets that would take more than the memory.
fn items(sets: &[Against], options: &Options, memory: &Arc<Memory>) -> Result<Vec<Items>> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
    }
    let most = options.memory;
    let (mut all, mut held) = (Vec::new(), 0);
    let mut shortness = Shortness::new(options.n as usize, options.exact);
    for set in sets {
        let mut rows = ItemRows::open(&set.file, &set.called, &set.field, memory)?;
        let (mut items, mut alike) = (Items::default(), Alike::default());
        while let Some(chunk) = rows.next()? {
            held += ITEMS[usize::from(options.exact)] * chunk.bytes();
            if held > most.max(LEAST_ITEMS) {
                // Only counted, to tell how much all of them take.
                (items, alike, all) = (Items::default(), Alike::default(), Vec::new());
                continue;
            }
            chunk.rows(&set.called, |line, _| {
                let item: Option<Item> = serde_json::from_str(line).ok();
                items.ids.push(item.and_then(|item| item.id).map(|id| id.get().into()));
                let text = rows.text(line).unwrap_or_default();
                items.short += u64::from(shortness.of(&text));
                alike.add(&text);
                Ok(())
            })?;
        }
        all.push(Items { alike: alike.counts, ..items });
    }
    if held > most.max(LEAST_ITEMS) {
        let (of, instead) = match sets {
            [one] => (format!("`{}`", one.called), "cut the set into parts"),
            more => (format!("{} sets", more.len()), "hold the documents against one set after the other"),
        };
        let what = format!("what is held of the items of {of}");
        return Err(Error::StepMemory { what, needed: held, allowed: most, instead });
    }
    Ok(all)
}

/// Where what becomes of a file goes.
struct Outputs {
    attributes: PathBuf,
    hits: PathBuf,
    clean: Option<PathBuf>,
}

fn outputs(files: &[InputFile], sets: &[Against], options: &Options) -> Result<Vec<Outputs>> {
    let attributes = attributes_of(files, &options.experiment, options.to.as_deref())?;
    let clean = options.clean.as_ref().map(|folder| folder.join("documents"));
    let mut all: Vec<Outputs> = Vec::with_capacity(files.len());
    for (file, attributes) in files.iter().zip(attributes) {
        let mut name = attributes.file_name().unwrap_or_default().to_os_string();
        name.push(".hits");
        let hits = attributes.with_file_name(NOTES).join(name);
        let clean = clean
            .as_ref()
            .map(|clean| attributes_path(place_of(file), &options.experiment, Some(clean)))
            .transpose()?;
        if let Some((output, first)) = clean.as_ref().and_then(|clean| {
            Some((clean, all.iter().position(|other| other.clean.as_ref() == Some(clean))?))
        }) {
            let (first, second) = (files[first].path.clone(), file.path.clone());
            return Err(Error::SameOutput { output: output.display().to_string(), first, second });
        }
        all.push(Outputs { attributes, hits, clean });
    }
    let inputs =
        files.iter().map(|file| file.full.as_path()).chain(sets.iter().map(|set| set.file.as_path()));
    let written = all.iter().flat_map(|output| [Some(output.attributes.as_path()), output.clean.as_deref()]);
    spares(inputs, written.flatten().chain([options.report.as_path()]))?;
    not_attributes(files, &all, &options.report)?;
    Ok(all)
}

/// Check that the report lies not among the attributes of the documents, and takes no place of those of this run.
fn not_attributes(files: &[InputFile], outputs: &[Outputs], report: &Path) -> Result<()> {
    let place = real(report);
    let beside = files.iter().flat_map(|file| documents_of(&file.full));
    let mut beside = beside.map(|documents| documents.with_file_name("attributes"));
    let written = || {
        let same = outputs.iter().find(|output| real(&output.attributes) == place)?;
        same.attributes.parent().map(Path::to_path_buf)
    };
    match beside.find(|folder| place.starts_with(folder)).or_else(written) {
        None => Ok(()),
        Some(folder) => Err(Error::AmongAttributes {
            output: report.display().to_string(),
            folder: folder.display().to_string(),
        }),
    }
}

/// Hash of all that decides over what is written but the documents.
fn config(set: &Set, options: &Options) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add("decontaminate 3");
    add(&options.experiment);
    add(&format!("{:?}", options.least.to_bits()));
    set.identity(&mut add);
    hasher
}

/// Going through the files.
struct Holding<'h> {
    files: &'h [InputFile],
    sets: &'h [Against],
    items: &'h [Items],
    options: &'h Options,
    outputs: &'h [Outputs],
    config: blake3::Hasher,
    set: &'h Set,
    writer: Writer,
    progress: &'h Progress,
    /// Documents by file.
    documents: Vec<AtomicU64>,
    skipped: AtomicU64,
    memory: Arc<Memory>,
}

/// What a chunk becomes.
#[derive(Default)]
struct Part {
    attributes: Vec<u8>,
    hits: Vec<u8>,
    clean: Vec<u8>,
    rows: u64,
    hit: u64,
    kept: u64,
}

struct Sink {
    attributes: Output,
    hits: Output,
    clean: Option<Output>,
    kept: u64,
}

impl Job for Holding<'_> {
    type Source = RowFile;
    type Scratch = Room;
    type Part = Part;
    type Sink = Sink;

    fn open(&self, number: usize) -> Result<Option<(RowFile, Sink)>> {
        let (file, outputs) = (&self.files[number], &self.outputs[number]);
        let mut hasher = self.config.clone();
        // Rows of the report name the file.
        hasher.update(file.path.as_bytes());
        hasher.update(&file.blake3.0);
        hasher.update(self.options.fields.identity(file).as_bytes());
        let key = Hash256(*hasher.finalize().as_bytes());
        let clean = match &outputs.clean {
            None => true,
            Some(path) => done(path, key)?.is_some(),
        };
        if clean
            && let (Some(attributes), Some(_)) = (done(&outputs.attributes, key)?, done(&outputs.hits, key)?)
        {
            self.progress.read.fetch_add(file.bytes, Ordering::Relaxed);
            self.documents[number].store(attributes.rows, Ordering::Relaxed);
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        let read = Arc::clone(&self.progress.read);
        let source = within::rows(file, &self.options.fields, number as u32, 1, read, &self.memory)?;
        let sink = Sink {
            attributes: Output::anew(&outputs.attributes, key)?,
            hits: Output::anew(&outputs.hits, key)?,
            clean: outputs.clean.as_ref().map(|path| Output::anew(path, key)).transpose()?,
            kept: 0,
        };
        Ok(Some((source, sink)))
    }

    fn in_flight(&self) -> u64 {
        self.memory.in_flight(rayon::current_num_threads())
    }

    fn held(&self, part: &Part) -> u64 {
        (part.attributes.len() + part.hits.len() + part.clean.len()) as u64
    }

    fn work(&self, mut chunk: Chunk, room: &mut Room) -> Result<Part> {
        let long = chunk.long.take();
        // The tables of a long document do not stay with the thread.
        let mut own = Room::default();
        let room = if long.is_some() { &mut own } else { room };
        let number = chunk.file as usize;
        let (file, outputs) = (&self.files[number], &self.outputs[number]);
        let mut attributes = Packed::new(&outputs.attributes, chunk.data.len() / 8);
        let mut clean = outputs.clean.as_ref().map(|path| Packed::new(path, 0));
        let mut part = Part::default();
        let mut bytes = 0;
        chunk.rows(&file.path, |line, place: &dyn Fn() -> Place| {
            let row = Row::parse(line, place)?;
            let Room { buffers, scratch, tags, offsets } = room;
            self.set.tag(row.text(), row.metadata(), buffers, scratch, tags);
            self.writer.write(&row, tags, offsets, &mut attributes.loose);
            attributes.row()?;
            let (hits, contaminated) = self.report(&row, tags, offsets, place, &mut part.hits);
            part.hit += hits;
            if let Some(clean) = clean.as_mut().filter(|_| !contaminated) {
                rewrite(&row, None, None, &[], place, &mut clean.loose)?;
                clean.row()?;
                part.kept += 1;
            }
            part.rows += 1;
            bytes += row.text().len() as u64;
            Ok(())
        })?;
        self.progress.documents.fetch_add(part.rows, Ordering::Relaxed);
        self.progress.text.fetch_add(bytes, Ordering::Relaxed);
        part.attributes = attributes.finish_whole()?;
        part.clean = clean.map(Packed::finish).transpose()?.unwrap_or_default();
        Ok(part)
    }

    fn take(&self, sink: &mut Sink, part: Part) -> Result<()> {
        sink.attributes.put(&part.attributes, part.rows)?;
        sink.hits.put(&part.hits, part.hit)?;
        if let Some(clean) = &mut sink.clean {
            clean.put(&part.clean, part.kept)?;
            sink.kept += part.kept;
        }
        Ok(())
    }

    fn close(&self, number: usize, sink: Sink) -> Result<()> {
        if let Some(mut clean) = sink.clean {
            if let (0, Some(path)) = (sink.kept, &self.outputs[number].clean) {
                clean.put(&Packed::new(path, 0).finish_whole()?, 0)?;
            }
            clean.finish()?;
        }
        sink.hits.finish()?;
        let note = sink.attributes.finish()?;
        self.documents[number].store(note.rows, Ordering::Relaxed);
        Ok(())
    }
}

impl Holding<'_> {
    /// Append a row for every hit of a document; gives back how many, and whether the document counts as contaminated.
    fn report(
        &self,
        row: &Row,
        tags: &Tags,
        offsets: &Offsets,
        place: &dyn Fn() -> Place,
        out: &mut Vec<u8>,
    ) -> (u64, bool) {
        let (mut hits, mut contaminated) = (0, false);
        for (number, set) in self.sets.iter().enumerate() {
            let base = ATTRIBUTES * number;
            let of_ngrams = tags.spans(base).iter().zip(tags.spans(base + 4));
            let of_ngrams = of_ngrams.map(|(span, share)| (NGRAMS, span, share.score));
            let whole = tags.spans(base + 3).iter().map(|span| (WHOLE, span, 1.0));
            for (kind, span, overlap) in of_ngrams.chain(whole) {
                // Numbers of items begin with 1.
                let item = span.score as usize;
                let items = &self.items[number];
                let id = items.ids.get(item.wrapping_sub(1)).and_then(Option::as_deref);
                let items_alike = items.alike.get(item.wrapping_sub(1)).copied().unwrap_or(1);
                let text = row.text();
                let shared = text.get(span.start as usize..span.end as usize).unwrap_or_default();
                let shown: String = shared.chars().take(SHOWN).collect();
                let place = place();
                let raw = |text: &str| -> Box<RawValue> {
                    // They were read as JSON.
                    RawValue::from_string(text.into()).unwrap_or_default()
                };
                #[derive(Serialize)]
                struct Line<'l> {
                    file: &'l str,
                    line: u64,
                    id: Box<RawValue>,
                    source: Option<&'l RawValue>,
                    set: &'l str,
                    item: usize,
                    item_id: Option<Box<RawValue>>,
                    items_alike: u32,
                    kind: &'l str,
                    start: u32,
                    end: u32,
                    overlap: f64,
                    text: &'l str,
                    cut: bool,
                }
                let line = Line {
                    file: &place.file,
                    line: place.number,
                    id: raw(row.id()),
                    source: row.source,
                    set: &set.name,
                    item,
                    item_id: id.map(raw),
                    items_alike,
                    kind,
                    start: offsets.code_points(text, span.start),
                    end: offsets.code_points(text, span.end),
                    overlap,
                    text: &shown,
                    cut: shown.len() < shared.len(),
                };
                // Writing to memory cannot fail.
                let _ = serde_json::to_writer(&mut *out, &line);
                out.push(b'\n');
                hits += 1;
                contaminated |= counts(kind, overlap, self.options.least);
            }
        }
        (hits, contaminated)
    }
}

/// Put the hits of all files into one report and add them up.
fn report(outputs: &[Outputs], options: &Options, found: &mut Decontaminated) -> Result<()> {
    let mut report = Output::lone(&options.report)?;
    let mut seen: Vec<[BTreeMap<u64, u64>; 2]> = found.sets.iter().map(|_| Default::default()).collect();
    let mut any = false;
    for output in outputs {
        let path = output.hits.display().to_string();
        let bytes = fs::size(&output.hits)?;
        let file =
            InputFile { path: path.clone(), full: output.hits.clone(), blake3: Hash256::of(&[]), bytes };
        let mut chunks = Chunks::new(Stream::open(&file, Arc::default())?, How::Lines, 0, 0);
        // The last document with a hit, by set and at all.
        let mut last = vec![0; found.sets.len()];
        let mut counted = 0;
        while let Some(chunk) = chunks.next()? {
            let mut hits = 0;
            chunk.rows(&path, |line, _| {
                let hit: Hit =
                    serde_json::from_str(line).map_err(|_| Error::Record { what: "a file of hits" })?;
                let number = found.sets.iter().position(|set| set.set == hit.set);
                let number = number.ok_or(Error::Record { what: "a file of hits" })?;
                let set = &mut found.sets[number];
                hits += 1;
                set.hits += 1;
                set.documents += u64::from(last[number] != hit.line);
                last[number] = hit.line;
                seen[number][usize::from(hit.kind == WHOLE)].insert(hit.item, hit.items_alike);
                if counts(hit.kind, hit.overlap, options.least) && counted != hit.line {
                    found.contaminated += 1;
                    counted = hit.line;
                }
                Ok(())
            })?;
            let mut rows = Packed::new(&options.report, 0);
            rows.loose = chunk.data;
            report.put(&rows.finish_whole()?, hits)?;
            any = true;
        }
    }
    if !any {
        report.put(&Packed::new(&options.report, 0).finish_whole()?, 0)?;
    }
    for (set, [ngrams, whole]) in found.sets.iter_mut().zip(seen) {
        (set.items_hit, set.items_whole) = (ngrams.values().sum(), whole.values().sum());
    }
    report.finish()?;
    Ok(())
}
