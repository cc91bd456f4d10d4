//! The texts that documents had in their source files: of the dropped ones, and of those that were edited.
//!
//! Files are read by the same code as the stage reads them, without taggers, rules or edits. A text whose hash is not
//! the one in the document table is not given: the file has changed since.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regimen_base::{Hash256, fs};
use regimen_recipe::InputFile;
use serde_json::Value;

use super::error::{Error, Result};
use super::task::Task;
use crate::build::how;
use crate::config::{Config, InvalidLicence, Near, Paragraphs};
use crate::corpus::Corpus;
use crate::expr::{Loose, Truth, parse};
use crate::memory::Memory;
use crate::pipeline::{Pipeline, Room};
use crate::quality::{Quality, Rules, Thresholds};
use crate::read::attributes::TAGGER;
use crate::read::beside::Beside;
use crate::read::chunk::Chunk;
use crate::read::document::{Reading, documents};
use crate::read::open::Opened;
use crate::table::Row;
use crate::tag::{Set, Wanted};

/// A document whose source text is not there any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Absent {
    /// Number of the document.
    pub ordinal: u32,
    /// Why.
    pub why: String,
}

/// Reads the source files of a corpus again.
pub struct Originals {
    config: Config,
    rules: Rules,
    pipeline: Pipeline,
    /// Nothing: licences and attributes are not asked for again.
    beside: Beside,
    root: PathBuf,
    /// The taggers of the stage.
    tag: Vec<Wanted>,
    /// Its expressions.
    drop: Vec<String>,
}

impl Originals {
    /// For the corpus that a stage with this config made in the project at `root`.
    ///
    /// # Errors
    /// [`Error::Config`] for a config that is not that of a corpus.
    pub fn new(config: &Value, root: &Path) -> Result<Originals> {
        let mut config = config.clone();
        // In a key, the hashes of files stand in place of their pattern.
        for source in config.get_mut("sources").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(path) = source.get_mut("path").filter(|path| !path.is_string()) {
                *path = Value::String(String::new());
            }
            if let Some(attributes) = source.get_mut("attributes") {
                *attributes = Value::Null;
            }
        }
        let config: Config =
            serde_json::from_value(config).map_err(|error| Error::Config(error.to_string()))?;
        let (tag, drop) = (config.tag.clone(), config.drop.clone());
        let config = Config {
            filter: Thresholds { quality: Quality::None, of: Default::default() },
            tag: Vec::new(),
            drop: Vec::new(),
            edit: Vec::new(),
            dedup_url: false,
            near: Near::default(),
            paragraphs: Paragraphs::default(),
            // What was let through or refused then is not judged again.
            invalid_licence: InvalidLicence::Noassertion,
            ..config
        };
        let rules = Rules::new(&config.filter);
        let pipeline = Pipeline::new(&config, root, &[])?;
        Ok(Originals { config, rules, pipeline, beside: Beside::default(), root: root.into(), tag, drop })
    }
    /// The expressions by which the stage dropped documents, each with the name of its reason.
    ///
    /// # Errors
    /// [`Error::Corpus`] for one that this version of the program does not understand.
    pub(crate) fn drops(&self, corpus: &Corpus) -> Result<Vec<(String, Truth)>> {
        let set = self.set(corpus)?;
        let named = |(i, rule): (usize, &String)| Ok((format!("drop_{}", i + 1), parse(rule, &Loose(&set))?));
        self.drop.iter().enumerate().map(named).collect()
    }

    /// These expressions as they are written.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = (String, &String)> {
        self.drop.iter().enumerate().map(|(i, rule)| (format!("drop_{}", i + 1), rule))
    }

    /// What expressions over the corpus may name: its taggers and the attributes that it imported.
    pub(crate) fn set(&self, corpus: &Corpus) -> crate::Result<Set> {
        let mut set = Set::declared(&self.tag)?;
        let imported = corpus.names().attributes.iter().filter(|a| a.tagger == TAGGER);
        set.declare(TAGGER, &imported.map(|a| (a.name.clone(), a.shape)).collect::<Vec<_>>())?;
        set.recall(&corpus.names().attributes);
        Ok(set)
    }

    /// Give `take` the source text of each document of `wanted` (rising ordinals), in document order. Gives back those
    /// whose text could not be had, with the reason. Each file is read once, at most a piece of it is in memory.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn each(
        &self,
        corpus: &Corpus,
        wanted: &[u32],
        take: &mut dyn FnMut(u32, &str) -> Result<()>,
    ) -> Result<Vec<Absent>> {
        self.each_of(corpus, wanted, &Task::default(), take)
    }

    /// The same as work that somebody waits for: a document is a unit of it.
    pub(crate) fn each_of(
        &self,
        corpus: &Corpus,
        wanted: &[u32],
        task: &Task,
        take: &mut dyn FnMut(u32, &str) -> Result<()>,
    ) -> Result<Vec<Absent>> {
        task.expect(wanted.len());
        let mut absent = Vec::new();
        for group in wanted.chunk_by(|&a, &b| corpus.row(a).file == corpus.row(b).file) {
            let mut left = group;
            let why = match self.file(corpus, &mut left, &mut absent, task, take) {
                Ok(()) => "its file has become shorter".to_string(),
                Err(Stopped::Taker(error)) => return Err(error),
                Err(Stopped::File(why)) => why,
            };
            task.did(left.len())?;
            absent.extend(left.iter().map(|&ordinal| Absent { ordinal, why: why.clone() }));
        }
        absent.sort_by_key(|a| a.ordinal);
        Ok(absent)
    }

    /// The source text of one document, or why there is none. Its file is read only if the corpus does not hold the text
    /// as it was.
    ///
    /// # Errors
    /// [`Error::Stopped`], and [`Error::Corpus`] for a damaged corpus.
    pub fn text(
        &self,
        corpus: &Corpus,
        ordinal: u32,
        task: &Task,
    ) -> Result<std::result::Result<String, String>> {
        if corpus.keep_map(ordinal)?.is_none()
            && let Some(text) = corpus.text(ordinal)?
        {
            return Ok(Ok(text.into()));
        }
        let mut found = None;
        let absent = self.each_of(corpus, &[ordinal], task, &mut |_, text| {
            found = Some(text.to_string());
            Ok(())
        })?;
        let why = || absent.into_iter().next().map_or("its file has changed since".into(), |a| a.why);
        Ok(found.ok_or_else(why))
    }

    /// The source texts of a few documents, in the order of `wanted`; or why there is none.
    ///
    /// # Errors
    /// [`Error::Corpus`] for a damaged corpus.
    pub fn texts(&self, corpus: &Corpus, wanted: &[u32]) -> Result<Vec<std::result::Result<String, String>>> {
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut found: Vec<(u32, String)> = Vec::new();
        let absent = self.each(corpus, &sorted, &mut |ordinal, text| {
            found.push((ordinal, text.into()));
            Ok(())
        })?;
        let of = |&ordinal: &u32| match found.iter().find(|(other, _)| *other == ordinal) {
            Some((_, text)) => Ok(text.clone()),
            None => Err(absent
                .iter()
                .find(|a| a.ordinal == ordinal)
                .map_or("its file has changed since".into(), |a| a.why.clone())),
        };
        Ok(wanted.iter().map(of).collect())
    }

    fn file(
        &self,
        corpus: &Corpus,
        left: &mut &[u32],
        absent: &mut Vec<Absent>,
        task: &Task,
        take: &mut dyn FnMut(u32, &str) -> Result<()>,
    ) -> std::result::Result<(), Stopped> {
        let Some(&first) = left.first() else { return Ok(()) };
        let row = corpus.row(first);
        let name = &corpus.names().files[row.file as usize].path;
        let changed = |row: &Row| format!("`{name}` has changed since, at line or block {}", row.line);
        let unknown = || crate::Error::Record { what: "the list of sources" };
        let source = self.config.sources.get(usize::from(row.source)).ok_or_else(unknown)?;
        let full = self.root.join(name);
        let bytes = fs::size(&full).map_err(crate::Error::from)?;
        let input = InputFile { path: name.clone(), full, blake3: Hash256([0; 32]), bytes };
        let reading = Reading {
            sources: &self.config.sources,
            files: &corpus.names().files,
            rules: &self.rules,
            pipeline: &self.pipeline,
            beside: &self.beside,
            invalid_utf8: self.config.invalid_utf8,
            missing_text: self.config.missing_text,
            invalid_row: self.config.invalid_row,
            invalid_licence: self.config.invalid_licence,
            metadata: &[],
            memory: &Arc::new(Memory::unlimited()),
        };
        let mut chunks =
            Opened::open(&reading, &input, how(source, name)?, row.source, row.file, Arc::default())?;
        let mut room = Room::default();
        while let Some(chunk) = chunks.next()? {
            task.did(0).map_err(Stopped::Taker)?;
            let Some(&next) = left.first() else { break };
            if u64::from(corpus.row(next).line) > last(&chunk) {
                continue;
            }
            let long = chunk.long.is_some();
            for document in documents(&reading, chunk, long, &mut room)?.documents {
                // A line that holds no row any more.
                while let Some((&next, rest)) =
                    left.split_first().filter(|(next, _)| corpus.row(**next).line < document.line)
                {
                    absent.push(Absent { ordinal: next, why: changed(&corpus.row(next)) });
                    *left = rest;
                    task.did(1).map_err(Stopped::Taker)?;
                }
                let Some((&next, rest)) = left.split_first() else { break };
                let row = corpus.row(next);
                if document.line != row.line {
                    continue;
                }
                *left = rest;
                task.did(1).map_err(Stopped::Taker)?;
                if document.key != row.key || document.content != row.content {
                    absent.push(Absent { ordinal: next, why: changed(&row) });
                    continue;
                }
                take(next, &document.text).map_err(Stopped::Taker)?;
            }
        }
        Ok(())
    }
}

/// Number of the last line or block that a chunk may hold.
fn last(chunk: &Chunk) -> u64 {
    chunk.first
        + match &chunk.ends {
            Some(ends) => ends.len() as u64,
            None if !chunk.pages.is_empty() => chunk.pages.len() as u64 - 1,
            None => memchr::memchr_iter(b'\n', &chunk.data).count() as u64,
        }
}

/// Why reading a file ended early.
enum Stopped {
    /// The taker wants no more.
    Taker(Error),
    /// The file.
    File(String),
}

impl From<crate::Error> for Stopped {
    fn from(error: crate::Error) -> Stopped {
        Stopped::File(error.to_string())
    }
}
