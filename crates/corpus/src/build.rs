//! Building a corpus in two passes. The first reads files, parses and judges documents on all threads and leaves parts
//! behind, one for each group of files; what is finished when the program is stopped is not done again. The second takes
//! the parts in document order, compares documents with those before them, and writes the corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use regimen_base::{Cancel, Hash256, fs};
use regimen_recipe::InputFile;

use crate::config::{Config, Dedup, Format, Source};
use crate::error::{Error, Place, Result};
use crate::first::First;
use crate::flow;
use crate::memory::{DOCUMENT, KEY, Memory};
use crate::names::{AttributeName, FileName, Names, Reason, SourceName};
use crate::output::Note;
use crate::pipeline::Pipeline;
use crate::quality::Rules;
use crate::read::attribute_names::{Bring, named};
use crate::read::attributes::{Found, find};
use crate::read::beside::Beside;
use crate::read::chunk::How;
use crate::read::document::{self, Reading};
use crate::read::page::PageKind;
use crate::read::stream::Packing;
use crate::resolve::{Part, Reasons, STANDING, resolve};
use crate::rounds::{self, Rounds};
use crate::second::{Second, Target};
use crate::write::{Options, Summary, Writer, duplicate};

/// Folder of the parts, in the work folder of the stage.
pub(crate) const PARTS: &str = ".parts";
/// Bytes of files that make a part: a 64th of all, within these bounds. One larger file is a part of its own.
const GROUP: std::ops::RangeInclusive<u64> = 256 << 10..=64 << 20;

/// Files by the pattern that named them.
pub(crate) type Files = BTreeMap<String, Vec<InputFile>>;

/// Stands for the hash of a file that was not read.
pub(crate) const UNREAD: Hash256 = Hash256([0; 32]);

/// Gets bytes of files read, of how many, and documents so far.
pub(crate) type Progress<'p> = dyn FnMut(u64, u64, u64) -> Result<()> + Send + 'p;

/// One file in document order.
pub(crate) struct Planned<'f> {
    pub source: u16,
    pub input: &'f InputFile,
    pub how: How,
}

/// All that a build knows before it reads a file.
pub(crate) struct Ground<'g> {
    pub config: &'g Config,
    pub plan: Vec<Planned<'g>>,
    pub groups: Vec<std::ops::Range<usize>>,
    pub rules: Rules,
    pub pipeline: Pipeline,
    pub beside: Beside,
    pub names: Names,
    pub given: Given,
    pub memory: Arc<Memory>,
}

impl<'g> Ground<'g> {
    /// Plan the build of these files, of a project at `root`, with a folder of `parts`.
    fn new(config: &'g Config, files: &'g Files, root: &Path, parts: &Path) -> Result<Ground<'g>> {
        // Tasks that found the paragraphs had a share of the filter each: where they are known nobody needs the whole.
        let filters = if parts.join(rounds::PARAGRAPHS).exists() { u64::MAX } else { 1 };
        let found = |memory: &_| attribute_names(config, files, memory, &mut |_| Ok(()));
        Ground::with(config, files, root, filters, found)
    }

    /// The same where the names of attributes are found in another way than by [`attribute_names`], or before, and so many
    /// machines have a share each of a Bloom filter.
    pub fn with(
        config: &'g Config,
        files: &'g Files,
        root: &Path,
        filters: u64,
        found: impl FnOnce(&Arc<Memory>) -> Result<Found>,
    ) -> Result<Ground<'g>> {
        let memory = Arc::new(Memory::new(config.memory));
        let plan = plan(config, files)?;
        fits(config, &plan, &memory, filters)?;
        let rules = Rules::new(&config.filter);
        let beside = Beside::new(&config.sources, files, found(&memory)?)?;
        let pipeline = Pipeline::new(config, root, beside.attributes.names())?;
        let (names, given) = names(config, &plan, &rules, &pipeline);
        let groups = groups(&plan, config.limit_bytes > 0);
        Ok(Ground { config, plan, groups, rules, pipeline, beside, names, given, memory })
    }

    /// How documents are read.
    pub fn reading(&self) -> Reading<'_> {
        Reading {
            sources: &self.config.sources,
            files: &self.names.files,
            rules: &self.rules,
            pipeline: &self.pipeline,
            beside: &self.beside,
            invalid_utf8: self.config.invalid_utf8,
            missing_text: self.config.missing_text,
            invalid_row: self.config.invalid_row,
            invalid_licence: self.config.invalid_licence,
            metadata: &self.names.metadata,
            memory: &self.memory,
        }
    }

    /// The first pass, into the folder `parts`.
    pub fn first<'f>(
        &'f self,
        reading: &'f Reading<'f>,
        parts: &'f Path,
        cancel: &'f Cancel,
        progress: &'f mut Progress<'f>,
    ) -> First<'f> {
        First {
            plan: &self.plan,
            from: 0,
            groups: &self.groups,
            reading,
            identity: self.identity(),
            parts,
            read: Arc::default(),
            documents: AtomicU64::new(0),
            total: self.plan.iter().map(|file| file.input.bytes).sum(),
            offset: 0,
            cancel,
            progress: Mutex::new(progress),
        }
    }

    /// Hash of all that decides over what the first pass makes of a file.
    pub fn identity(&self) -> blake3::Hasher {
        identity(self.config, &self.pipeline, &self.beside)
    }

    /// What stands for the rounds of deduplication over parts whose hashes have these notes, in the order of the groups.
    pub fn rounds_key(&self, notes: &[Note]) -> Hash256 {
        let mut hasher = self.identity();
        for note in notes {
            hasher.update(&note.blake3.0);
        }
        Hash256(*hasher.finalize().as_bytes())
    }
}

/// The names of the attributes of sources that give none, as the rows of these files show them: `bring` gets the documents
/// beside which they are looked for.
pub(crate) fn attribute_names(
    config: &Config,
    files: &Files,
    memory: &Arc<Memory>,
    bring: &mut Bring,
) -> Result<Found> {
    let of = |path: &str| files.get(path).map(Vec::as_slice).unwrap_or_default();
    find(&config.sources, &named(config), &of, memory, bring)
}

/// Refuse what the memory cannot hold, as far as it is known before anything is read.
fn fits(config: &Config, plan: &[Planned], memory: &Memory, filters: u64) -> Result<()> {
    if let Some(sizing) = config.paragraphs.filter()? {
        memory.check_share(&sizing, filters)?;
    }
    let whole =
        |file: &&Planned| file.how == How::Whole && Packing::of_name(&file.input.path).0 == Packing::Plain;
    match plan.iter().filter(whole).find(|file| file.input.bytes > memory.longest()) {
        None => Ok(()),
        Some(file) => Err(Error::LongDocument {
            place: Place { file: file.input.path.clone(), unit: "", number: 0 },
            bytes: file.input.bytes,
            most: memory.longest(),
        }),
    }
}

/// Build the corpus in the folder `dir`, of a project at `root`. What lies between the passes is in the folder `parts`: what
/// is whole there is not made again.
pub(crate) fn build(
    config: &Config,
    files: &Files,
    root: &Path,
    dir: &Path,
    parts: &Path,
    cancel: &Cancel,
    progress: &mut Progress,
) -> Result<Summary> {
    let ground = Ground::new(config, files, root, parts)?;
    let reading = ground.reading();
    let options = Options {
        dedup: config.dedup == Dedup::Exact && !config.compares(),
        by_key: config.dedup == Dedup::Exact,
        validation: config.validation,
        limit: config.limit_bytes,
    };
    fs::create_dir_all(parts)?;
    let mut first = ground.first(&reading, parts, cancel, progress);
    let mut target = Target {
        writer: Writer::create(dir, ground.names.clone(), options)?,
        in_file: vec![0; ground.plan.len()],
    };
    let second = Second {
        rules: ground.rules.rules.len(),
        paragraphs: config.paragraphs.compared(),
        replacements: &ground.pipeline.replacements,
        reasons: ground.given,
        cancel,
        batch: ground.memory.batch(),
    };
    let groups = 0..ground.groups.len();
    if config.limit_bytes > 0 && !config.compares() {
        // What lies beyond the limit is not read at all.
        for group in groups {
            first.offset = group;
            flow::run(1, &first, cancel)?;
            second.take(&[first.part(group)], None, &mut target)?;
            if target.writer.full() {
                break;
            }
        }
    } else {
        flow::run(groups.len(), &first, cancel)?;
        let all: Vec<Part> = groups.map(|group| first.part(group)).collect();
        let notes = (0..all.len()).map(|group| first.note(group)).collect::<Result<Vec<Note>>>()?;
        let each = DOCUMENT + if target.writer.compares() { KEY } else { 0 };
        let memory = ground.memory.for_documents(notes.iter().map(|note| note.rows).sum(), each, STANDING)?;
        let mut resolved = match config.compares() {
            true => {
                let rounds = Rounds { dir: parts, key: ground.rounds_key(&notes) };
                // What comes of the config below is what deduplication takes, not what it may find.
                let config = &Config { memory, ..config.clone() };
                let (keep, reasons) = (ground.pipeline.keep(), ground.given.of_copies);
                Some(resolve(&all, config, keep, reasons, &rounds, cancel)?)
            }
            false => None,
        };
        second.take(&all, resolved.as_mut(), &mut target)?;
    }
    let unread = target.in_file.iter().position(|&documents| documents == 0);
    if let (Some(empty), false) = (unread, target.writer.full()) {
        let empty = &ground.plan[empty];
        return Err(Error::EmptyFile {
            file: empty.input.path.clone(),
            source_name: config.sources[usize::from(empty.source)].name.clone(),
        });
    }
    let documents = target.writer.documents();
    let (summary, closing) = target.writer.finish()?;
    let total = first.total;
    let progress = first.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress(total, total, documents)?;
    let (closed, removed) = rayon::join(|| closing.wait(), || remove(parts));
    closed?;
    removed?;
    Ok(summary)
}

/// Remove a folder and the files in it: dropping what the system holds of them is work, too.
fn remove(folder: &Path) -> Result<()> {
    let files: Vec<PathBuf> = fs::list(folder)?.into_iter().filter(|path| path.is_file()).collect();
    let removed: Vec<fs::Result<()>> =
        files.par_iter().with_max_len(1).map(|file| fs::remove_file(file)).collect();
    removed.into_iter().collect::<fs::Result<()>>()?;
    Ok(fs::remove_dir_all(folder)?)
}

/// Numbers of the reasons that the second pass gives.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub of_copies: Reasons,
    /// Duplicate paragraphs were all that a text had.
    pub paragraphs: u16,
    /// So were they and repeats of stretches.
    pub substrings: u16,
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
            How::Table(_) => "row",
            How::Pages(PageKind::Warc) => "record",
            How::Pages(PageKind::Parquet) => "row",
            How::Pages(PageKind::Html | PageKind::Code) => "",
            How::Pages(PageKind::Tree) => "entry",
        };
        FileName { path: file.input.path.clone(), unit: unit.into() }
    };
    let mut reasons = document::reasons(rules, pipeline, config);
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
    let substrings = reason("duplicate_substrings", "all its text came before");
    let substrings = add(config.substrings.wanted(), substrings);
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
                labels: a.labels.to_vec(),
            })
            .collect(),
        replacements: pipeline.replacements.clone(),
        edited: !config.edit.is_empty() || config.paragraphs.wanted() || config.substrings.wanted(),
        placed: plan.iter().any(|file| file.how == How::Pages(PageKind::Warc)),
        metadata: if plan.iter().any(|file| has_metadata(config, file)) {
            config.metadata.clone()
        } else {
            Vec::new()
        },
    };
    (names, Given { of_copies: Reasons { url, text, near, mixed }, paragraphs, substrings })
}

/// Whether documents of a file have metadata: all but plain texts have.
fn has_metadata(config: &Config, file: &Planned) -> bool {
    let plain = matches!(file.how, How::Whole | How::Blocks(_));
    !plain || config.sources[usize::from(file.source)].format == Format::Markdown
}

/// Neighbouring files that make a part together.
pub(crate) fn groups(plan: &[Planned], alone: bool) -> Vec<std::ops::Range<usize>> {
    let all: u64 = plan.iter().map(|file| file.input.bytes).sum();
    let most = (all / 64).clamp(*GROUP.start(), *GROUP.end());
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, file) in plan.iter().enumerate() {
        if i > start && (alone || bytes + file.input.bytes > most) {
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
fn identity(config: &Config, pipeline: &Pipeline, beside: &Beside) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add("part 3");
    // Debug output names every field; a config that changes makes the work be done again.
    let local = Config { memory: 0, limit_bytes: 0, validation: 0.0, ..config.clone() };
    add(&format!("{local:?}"));
    pipeline.set().identity(&mut add);
    beside.identity(&mut add);
    hasher
}

/// All files in document order, each with the way in which it is cut.
pub(crate) fn plan<'f>(config: &Config, files: &'f Files) -> Result<Vec<Planned<'f>>> {
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
            // Trees of source code have empty files.
            if input.bytes == 0 && source.format != Format::Code {
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
        (Format::Warc, _) | (Format::Auto, "warc" | "wet" | "wat") => Some(PageKind::Warc),
        (Format::Parquet, _) | (Format::Auto, "parquet") => Some(PageKind::Parquet),
        (Format::Code, "tar" | "tgz") => Some(PageKind::Tree),
        (Format::Code, _) => Some(PageKind::Code),
        (Format::Html, _) | (Format::Auto, "html" | "htm" | "xhtml") => Some(PageKind::Html),
        _ => None,
    };
    if let Some(kind) = pages {
        return Ok(How::Pages(kind));
    }
    let text = match (source.format, ending) {
        (Format::Csv, _) | (Format::Auto, "csv") => return Ok(How::Table(b',')),
        (Format::Tsv, _) | (Format::Auto, "tsv") => return Ok(How::Table(b'\t')),
        (Format::Text | Format::Markdown, _) | (Format::Auto, "txt" | "md") => true,
        (Format::Jsonl | Format::Dolma, _) | (Format::Auto, "jsonl" | "json" | "ndjson") => false,
        // What gives pages was told above.
        (Format::Auto | Format::Warc | Format::Html | Format::Parquet | Format::Code, _) => {
            return Err(Error::UnknownFormat { file: path.into(), source_name: source.name.clone() });
        }
    };
    Ok(match (text, source.blocks) {
        (false, _) => How::Lines,
        (true, 0) => How::Whole,
        (true, bytes) => How::Blocks(usize::try_from(bytes).unwrap_or(usize::MAX / 4).min(u32::MAX as usize)),
    })
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
        let (root, parts) = (dir.path(), dir.path().join(PARTS));
        build(&config("a"), &files, root, root, &parts, &Cancel::new(), &mut progress).unwrap();
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
        let (root, parts) = (dir.path(), dir.path().join(PARTS));
        let stopped = build(&config("a"), &files, root, root, &parts, &cancel, &mut progress);
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(calls, 1);
        let stopped = build(&config("a"), &files, root, root, &parts, &cancel, &mut |_, _, _| Ok(()));
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
            let (root, parts) = (dir.path(), dir.path().join(PARTS));
            build(config, &files, root, root, &parts, &Cancel::new(), &mut |_, _, _| Ok(()))
        };
        assert!(matches!(run(&config), Err(Error::Truncated { .. })));
        config.limit_bytes = 1_000_000;
        assert_eq!(run(&config).unwrap().value["documents"]["kept"], 1000);
    }
}
