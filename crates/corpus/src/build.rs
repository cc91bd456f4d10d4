//! Building a corpus in two passes. The first reads files, parses and judges documents on all threads and leaves parts
//! behind, one for each group of files; what is finished when the program is stopped is not done again. The second takes
//! the parts in document order, compares documents with those before them, and writes the corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::InputFile;

use crate::arena::map;
use crate::config::{Config, Dedup, Format, Source};
use crate::edit::{self, Cut};
use crate::error::{Error, Result};
use crate::flow::{self, Job};
use crate::names::{AttributeName, FileName, Names, Reason, SourceName};
use crate::output::Output;
use crate::part::{self, Reader};
use crate::pipeline::{Pipeline, Room, paragraphs};
use crate::quality::Rules;
use crate::read::chunk::{Chunk, Chunks, How};
use crate::read::document::{self, Reading};
use crate::read::page::{PageKind, Pages};
use crate::read::stream::{Packing, Stream};
use crate::resolve::{Gone, Part, Reasons, Resolved, resolve};
use crate::write::{Incoming, Options, Summary, Writer, duplicate};

/// Folder of the parts, in the work folder of the stage.
pub(crate) const PARTS: &str = ".parts";
/// Bytes of records that are read and cut at once in the second pass.
const BATCH: usize = 8 << 20;
/// Bytes of files that make a part; one larger file is a part of its own.
const GROUP: u64 = 64 << 20;

/// Files by the pattern that named them.
pub(crate) type Files = BTreeMap<String, Vec<InputFile>>;

/// Gets bytes of files read, of how many, and documents so far.
pub(crate) type Progress<'p> = dyn FnMut(u64, u64, u64) -> Result<()> + Send + 'p;

/// One file in document order.
struct Planned<'f> {
    source: u16,
    input: &'f InputFile,
    how: How,
}

/// Build the corpus in the folder `dir`, of a project at `root`.
pub(crate) fn build(
    config: &Config,
    files: &Files,
    root: &Path,
    dir: &Path,
    cancel: &Cancel,
    progress: &mut Progress,
) -> Result<Summary> {
    let plan = plan(config, files)?;
    let rules = Rules::new(&config.filter);
    let pipeline = Pipeline::new(config, root)?;
    let (names, reasons) = names(config, &plan, &rules, &pipeline);
    let reading = Reading {
        sources: &config.sources,
        files: &names.files.clone(),
        rules: &rules,
        pipeline: &pipeline,
        invalid_utf8: config.invalid_utf8,
        missing_text: config.missing_text,
        invalid_licence: config.invalid_licence,
    };
    let options = Options {
        dedup: config.dedup == Dedup::Exact && !config.compares(),
        by_key: config.dedup == Dedup::Exact,
        validation: config.validation,
        limit: config.limit_bytes,
    };
    let groups = groups(&plan, config.limit_bytes > 0);
    let parts = dir.join(PARTS);
    fs::create_dir_all(&parts)?;
    let total: u64 = plan.iter().map(|file| file.input.bytes).sum();
    let first = First {
        plan: &plan,
        groups: &groups,
        reading: &reading,
        identity: identity(config, &pipeline),
        parts: &parts,
        read: Arc::default(),
        documents: AtomicU64::new(0),
        total,
        offset: 0,
        cancel,
        progress: Mutex::new(progress),
    };
    let mut second = Second {
        writer: Writer::create(dir, names, options)?,
        in_file: vec![0; plan.len()],
        rules: rules.rules.len(),
        paragraphs: config.paragraphs.min_bytes,
        replacements: &pipeline.replacements,
        reasons,
        cancel,
    };
    let first = if config.limit_bytes > 0 && !config.compares() {
        // What lies beyond the limit is not read at all.
        let mut first = first;
        for group in 0..groups.len() {
            first.offset = group;
            flow::run(1, &first, cancel)?;
            second.take(&first.part(group)?, None)?;
            if second.writer.full() {
                break;
            }
        }
        first
    } else {
        flow::run(groups.len(), &first, cancel)?;
        let all = (0..groups.len()).map(|group| first.part(group)).collect::<Result<Vec<Part>>>()?;
        let mut resolved = match config.compares() {
            true => Some(resolve(&all, config, pipeline.keep(), reasons.of_copies, &parts)?),
            false => None,
        };
        for part in &all {
            second.take(part, resolved.as_mut())?;
        }
        first
    };
    let unread = second.in_file.iter().position(|&documents| documents == 0);
    if let (Some(empty), false) = (unread, second.writer.full()) {
        return Err(Error::EmptyFile {
            file: plan[empty].input.path.clone(),
            source_name: config.sources[usize::from(plan[empty].source)].name.clone(),
        });
    }
    let documents = second.writer.documents();
    let summary = second.writer.finish()?;
    let progress = first.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress(total, total, documents)?;
    fs::remove_dir_all(&parts)?;
    Ok(summary)
}

/// Numbers of the reasons that the second pass gives.
#[derive(Clone, Copy)]
struct Given {
    of_copies: Reasons,
    /// Duplicate paragraphs were all that a text had.
    paragraphs: u16,
}

/// The dictionaries, and the numbers of the reasons that come behind those of the first pass.
fn names(config: &Config, plan: &[Planned], rules: &Rules, pipeline: &Pipeline) -> (Names, Given) {
    let source =
        |s: &Source| SourceName { name: s.name.clone(), licence: s.licence.clone(), author: s.author };
    let file = |file: &Planned| {
        let unit = match file.how {
            How::Lines => "line",
            How::Whole => "",
            How::Blocks(_) => "block",
            How::Pages(PageKind::Warc) => "record",
            How::Pages(PageKind::Parquet) => "row",
            How::Pages(PageKind::Html) => "",
        };
        FileName { path: file.input.path.clone(), unit: unit.into() }
    };
    let mut reasons = document::reasons(rules, pipeline);
    let mut add = |wanted: bool, reason: Reason| {
        if wanted {
            reasons.push(reason);
        }
        reasons.len() as u16
    };
    let reason = |name: &str, text: &str| Reason { name: name.into(), text: text.into() };
    let url = add(config.dedup_url, reason("duplicate_url", "same URL as a document before it"));
    let text = add(config.compares(), duplicate());
    let near = reason("near_duplicate", "nearly the same text as a document that is kept");
    let near = add(config.near.preset != "none", near);
    let mixed = add(config.mixes(), reason("mixed_out", "left out of the mix of sources"));
    let paragraphs = reason("duplicate_paragraphs", "all its paragraphs came before");
    let paragraphs = add(config.paragraphs.wanted(), paragraphs);
    let names = Names {
        sources: config.sources.iter().map(source).collect(),
        files: plan.iter().map(file).collect(),
        licences: Vec::new(),
        reasons,
        rules: rules.rules.clone(),
        attributes: pipeline
            .set()
            .attributes()
            .iter()
            .map(|a| AttributeName {
                tagger: a.tagger.clone(),
                name: a.attribute.name.into(),
                shape: a.attribute.shape,
                doc: a.attribute.doc.into(),
            })
            .collect(),
        replacements: pipeline.replacements.clone(),
        edited: !config.edit.is_empty() || config.paragraphs.wanted(),
    };
    (names, Given { of_copies: Reasons { url, text, near, mixed }, paragraphs })
}

/// Neighbouring files that make a part together.
fn groups(plan: &[Planned], alone: bool) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, file) in plan.iter().enumerate() {
        if i > start && (alone || bytes + file.input.bytes > GROUP) {
            groups.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += file.input.bytes;
    }
    if start < plan.len() {
        groups.push(start..plan.len());
    }
    groups
}

/// Hash of all that decides over what the first pass makes of a file.
fn identity(config: &Config, pipeline: &Pipeline) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add("part 1");
    // Debug output names every field; a config that changes makes the work be done again.
    let local = Config { memory: 0, limit_bytes: 0, validation: 0.0, ..config.clone() };
    add(&format!("{local:?}"));
    pipeline.set().identity(&mut add);
    hasher
}

/// All files in document order, each with the way in which it is cut.
fn plan<'f>(config: &Config, files: &'f Files) -> Result<Vec<Planned<'f>>> {
    let mut plan = Vec::new();
    for (number, source) in (0u16..).zip(&config.sources) {
        let found = files.get(&source.path).map(Vec::as_slice).unwrap_or_default();
        if found.is_empty() {
            return Err(Error::NoDocuments {
                source_name: source.name.clone(),
                pattern: source.path.clone(),
            });
        }
        for input in found {
            if input.bytes == 0 {
                return Err(Error::EmptyFile { file: input.path.clone(), source_name: source.name.clone() });
            }
            plan.push(Planned { source: number, input, how: how(source, &input.path)? });
        }
    }
    Ok(plan)
}

/// How a file of a source is cut into documents.
pub(crate) fn how(source: &Source, path: &str) -> Result<How> {
    let name = Packing::of_name(path).1;
    let ending = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    let pages = match (source.format, ending) {
        (Format::Warc, _) | (Format::Auto, "warc" | "wet") => Some(PageKind::Warc),
        (Format::Parquet, _) | (Format::Auto, "parquet") => Some(PageKind::Parquet),
        (Format::Html, _) | (Format::Auto, "html" | "htm" | "xhtml") => Some(PageKind::Html),
        _ => None,
    };
    if let Some(kind) = pages {
        return Ok(How::Pages(kind));
    }
    let text = match (source.format, ending) {
        (Format::Text, _) | (Format::Auto, "txt" | "md") => true,
        (Format::Jsonl | Format::Dolma, _) | (Format::Auto, "jsonl" | "json" | "ndjson") => false,
        // What gives pages was told above.
        (Format::Auto | Format::Warc | Format::Html | Format::Parquet, _) => {
            return Err(Error::UnknownFormat { file: path.into(), source_name: source.name.clone() });
        }
    };
    Ok(match (text, source.blocks) {
        (false, _) => How::Lines,
        (true, 0) => How::Whole,
        (true, bytes) => How::Blocks(usize::try_from(bytes).unwrap_or(usize::MAX / 4).min(u32::MAX as usize)),
    })
}

/// The first pass over groups of files.
struct First<'f> {
    plan: &'f [Planned<'f>],
    groups: &'f [std::ops::Range<usize>],
    reading: &'f Reading<'f>,
    identity: blake3::Hasher,
    parts: &'f Path,
    read: Arc<AtomicU64>,
    documents: AtomicU64,
    total: u64,
    /// Number of the group that the flow calls 0.
    offset: usize,
    cancel: &'f Cancel,
    progress: Mutex<&'f mut Progress<'f>>,
}

/// The files of a group, one after the other.
struct Group<'f> {
    plan: &'f [Planned<'f>],
    reading: &'f Reading<'f>,
    left: std::ops::Range<usize>,
    open: Option<Opened>,
    read: Arc<AtomicU64>,
}

/// A file of one of the two ways in which documents are found.
enum Opened {
    Chunks(Chunks),
    Pages(Pages),
}

impl Opened {
    fn next(&mut self) -> Result<Option<Chunk>> {
        match self {
            Opened::Chunks(chunks) => chunks.next(),
            Opened::Pages(pages) => pages.next(),
        }
    }
}

impl flow::Source for Group<'_> {
    fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(chunks) = &mut self.open {
                if let Some(chunk) = chunks.next()? {
                    return Ok(Some(chunk));
                }
                self.open = None;
            }
            let Some(number) = self.left.next() else { return Ok(None) };
            let file = &self.plan[number];
            let read = Arc::clone(&self.read);
            self.open = Some(match file.how {
                How::Pages(kind) => {
                    let source = &self.reading.sources[usize::from(file.source)];
                    let missing = self.reading.missing_text;
                    let pages =
                        Pages::open(kind, file.input, source, file.source, number as u32, missing, read)?;
                    Opened::Pages(pages)
                }
                how => {
                    let stream = Stream::open(file.input, read)?;
                    Opened::Chunks(Chunks::new(stream, how, file.source, number as u32))
                }
            });
        }
    }
}

/// The files that a group becomes.
struct Outputs {
    docs: Output,
    hashes: Output,
}

/// What a chunk becomes.
struct Piece {
    docs: Vec<u8>,
    hashes: Vec<u8>,
    documents: u64,
}

impl First<'_> {
    fn path(&self, group: usize, what: &str) -> PathBuf {
        self.parts.join(format!("{group:06}.{what}"))
    }

    /// The finished part of a group.
    fn part(&self, group: usize) -> Result<Part> {
        Ok(Part { docs: map(&self.path(group, "docs"))?, hashes: map(&self.path(group, "hashes"))? })
    }

    fn show(&self) -> Result<()> {
        let read = self.read.load(Ordering::Relaxed).min(self.total);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.cancel.check()?;
        progress(read, self.total, self.documents.load(Ordering::Relaxed))
    }
}

impl<'f> Job for First<'f> {
    type Source = Group<'f>;
    type Scratch = Room;
    type Part = Piece;
    type Sink = Outputs;

    fn open(&self, number: usize) -> Result<Option<(Group<'f>, Outputs)>> {
        let number = self.offset + number;
        let group = self.groups[number].clone();
        let mut hasher = self.identity.clone();
        for file in &self.plan[group.clone()] {
            hasher.update(file.input.path.as_bytes());
            hasher.update(&file.input.blake3.0);
        }
        let key = Hash256(*hasher.finalize().as_bytes());
        let docs = Output::begin(&self.path(number, "docs"), key)?;
        let hashes = Output::begin(&self.path(number, "hashes"), key)?;
        let (Some(docs), Some(hashes)) = (docs, hashes) else {
            let bytes = self.plan[group].iter().map(|file| file.input.bytes).sum();
            self.read.fetch_add(bytes, Ordering::Relaxed);
            return Ok(None);
        };
        let read = Arc::clone(&self.read);
        let group = Group { plan: self.plan, reading: self.reading, left: group, open: None, read };
        Ok(Some((group, Outputs { docs, hashes })))
    }

    fn work(&self, chunk: Chunk, room: &mut Room) -> Result<Piece> {
        let parsed = document::documents(self.reading, chunk, room)?;
        let rules = self.reading.rules.rules.len();
        let text: usize = parsed.documents.iter().map(|d| d.text.len() + 200).sum();
        let mut docs = Vec::with_capacity(text + 16 * parsed.values.len());
        for (i, document) in parsed.documents.iter().enumerate() {
            let licence = &parsed.licences[usize::from(document.licence)];
            part::put(document, licence, &parsed.values[i * rules..][..rules], &mut docs);
        }
        Ok(Piece { docs, hashes: parsed.hashes, documents: parsed.documents.len() as u64 })
    }

    fn take(&self, sink: &mut Outputs, piece: Piece) -> Result<()> {
        sink.docs.put(&piece.docs, piece.documents)?;
        sink.hashes.put(&piece.hashes, piece.documents)?;
        self.documents.fetch_add(piece.documents, Ordering::Relaxed);
        self.show()
    }

    fn close(&self, _: usize, sink: Outputs) -> Result<()> {
        sink.docs.close()?;
        sink.hashes.close()?;
        Ok(())
    }
}

/// The second pass.
struct Second<'s> {
    writer: Writer,
    in_file: Vec<u64>,
    rules: usize,
    /// Least bytes of a paragraph that is compared.
    paragraphs: u32,
    replacements: &'s [String],
    reasons: Given,
    cancel: &'s Cancel,
}

/// A record on its way through the second pass.
struct Decided<'r> {
    record: Reader<'r>,
    /// Its ordinal and what drops it.
    gone: Option<(u32, Gone)>,
    /// Its paragraphs that came before.
    again: Vec<u32>,
}

/// A document that can be written.
struct Ready {
    document: Incoming,
    licence: String,
    values: Vec<f32>,
}

impl Second<'_> {
    /// Write the documents of a part, each as its fate says. Records are read and cut on all threads, batch by batch, and
    /// written in order.
    fn take(&mut self, part: &Part, mut resolved: Option<&mut Resolved>) -> Result<()> {
        let mut reader = Reader(&part.docs);
        let mut ordinal = self.writer.documents() as u32;
        loop {
            self.cancel.check()?;
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while bytes < BATCH {
                let Some(record) = reader.record()? else { break };
                bytes += record.0.len();
                let mut job = Decided { record, gone: None, again: Vec::new() };
                if let Some(resolved) = resolved.as_deref_mut() {
                    let gone = resolved.gone[ordinal as usize];
                    job.gone = (gone.reason > 0).then_some((ordinal, gone));
                    resolved.paragraphs(ordinal, &mut job.again)?;
                }
                batch.push(job);
                ordinal += 1;
            }
            if batch.is_empty() {
                return Ok(());
            }
            let ready: Vec<Result<Ready>> = batch.into_par_iter().map(|job| self.ready(job)).collect();
            for ready in ready {
                if self.writer.full() {
                    return Ok(());
                }
                let Ready { mut document, licence, values } = ready?;
                document.licence = self.writer.licence(&licence)?;
                self.in_file[document.file as usize] += 1;
                self.writer.push(&document, &values)?;
            }
        }
    }

    /// Read a record and do to it what was decided.
    fn ready(&self, mut job: Decided) -> Result<Ready> {
        let mut values = Vec::with_capacity(self.rules);
        let found = job.record.document(self.rules, &mut values)?;
        let (mut document, licence) = found.ok_or(Error::Record { what: "a record between two passes" })?;
        if let Some((ordinal, gone)) = job.gone {
            document.dropped = Some(gone.reason);
            document.representative = Some(gone.representative).filter(|&of| of != ordinal);
        } else if document.dropped.is_none() && !job.again.is_empty() {
            self.cut(&mut document, &job.again)?;
        }
        Ok(Ready { document, licence, values })
    }

    /// Cut out the paragraphs with these numbers among those that count.
    fn cut(&self, document: &mut Incoming, numbers: &[u32]) -> Result<()> {
        let mut wanted = numbers.iter().copied().peekable();
        let mut cuts = Vec::with_capacity(numbers.len());
        for (number, (start, end)) in (0u32..).zip(paragraphs(&document.text, self.paragraphs)) {
            if wanted.next_if_eq(&number).is_some() {
                cuts.push(Cut { start: start as u32, end: end as u32, replacement: 0 });
            }
        }
        if let Some((text, map)) = edit::apply(&document.text, &mut cuts, &[]) {
            let before = edit::decode(&document.keep)?;
            let map = if before.is_empty() { map } else { edit::compose(&before, &map, self.replacements) };
            document.keep.clear();
            edit::encode(&map, &mut document.keep);
            if text.trim().is_empty() {
                document.dropped = Some(self.reasons.paragraphs);
            }
            document.text = text;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::input;
    use serde_json::json;

    fn config(path: &str) -> Config {
        serde_json::from_value(json!({
            "sources": [{
                "name": "s", "path": path, "format": "auto", "author": "human", "licence": "MIT",
                "text_field": "text", "id_field": "id", "blocks": 0,
            }],
            "filter": {"quality": "none"}, "dedup": "none", "validation": 0.0, "limit_bytes": 0,
            "invalid_utf8": "error", "missing_text": "error",
        }))
        .unwrap()
    }

    fn rows(megabytes: usize) -> Vec<u8> {
        let text = "x".repeat(1000);
        (0..megabytes * 1000)
            .flat_map(|i| format!("{{\"id\":{i},\"text\":\"{text}\"}}\n").into_bytes())
            .collect()
    }

    #[test]
    fn progress_rises_to_the_end_and_counts_documents() {
        let dir = tempfile::tempdir().unwrap();
        let file = input(dir.path(), "a.jsonl", &rows(20));
        let bytes = file.bytes;
        let files = Files::from([("a".into(), vec![file])]);
        let mut seen = Vec::new();
        let mut progress = |done, total, documents| {
            assert_eq!(total, bytes);
            seen.push((done, documents));
            Ok(())
        };
        build(&config("a"), &files, dir.path(), dir.path(), &Cancel::new(), &mut progress).unwrap();
        assert!(seen.len() > 2 && seen.is_sorted(), "{seen:?}");
        assert_eq!(seen.last(), Some(&(bytes, 20_000)));
    }

    #[test]
    fn who_asks_to_stop_is_heard_at_once_and_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::from([("a".into(), vec![input(dir.path(), "a.jsonl", &rows(40))])]);
        let cancel = Cancel::new();
        let mut calls = 0;
        let mut progress = |_, _, _| {
            calls += 1;
            cancel.ask();
            Ok(())
        };
        let stopped = build(&config("a"), &files, dir.path(), dir.path(), &cancel, &mut progress);
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(calls, 1);
        let stopped = build(&config("a"), &files, dir.path(), dir.path(), &cancel, &mut |_, _, _| Ok(()));
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }

    #[test]
    fn what_lies_beyond_the_limit_is_not_judged() {
        let dir = tempfile::tempdir().unwrap();
        let fine = input(dir.path(), "a.jsonl", &rows(1));
        let broken = input(dir.path(), "b.jsonl.gz", &[0x1f, 0x8b, 8]);
        let files = Files::from([("a".into(), vec![fine, broken])]);
        let mut config = config("a");
        let run = |config: &Config| {
            build(config, &files, dir.path(), dir.path(), &Cancel::new(), &mut |_, _, _| Ok(()))
        };
        assert!(matches!(run(&config), Err(Error::Truncated { .. })));
        config.limit_bytes = 1_000_000;
        assert_eq!(run(&config).unwrap().value["documents"]["kept"], 1000);
    }
}
