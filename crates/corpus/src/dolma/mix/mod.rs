//! Mixing Dolma folders: documents in, filtered and edited by their attributes, `documents/` of a new folder out.
//!
//! As in the mixer of the toolkit `dolma` 1.2, a source is files of documents with the experiments whose attributes belong
//! to them, conditions that documents must meet or that drop them, and spans that are cut out or replaced; files of a
//! source become one file as long as they are not larger than a shard. Unlike there, conditions are typed expressions
//! whose names are checked before anything runs, faults are errors, sources can have weights, a temperature and a budget
//! ([`crate::mix`]), and the same input gives the same bytes.

mod job;
mod judge;
mod keep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use regimen_base::{Cancel, Hash256};
use regimen_recipe::InputFile;

use super::aligned::Sheaf;
use super::folder::{nothing_else, spares};
use super::tag::Progress;
use crate::claim::{Claim, relative};
use crate::error::{Error, Result};
use crate::flow;
use crate::funnel::{Count, Funnel, Step};
use crate::held::{EXPORT, hold, hold_by};
use crate::memory::Memory;
use crate::mix::Mix;
use crate::output::{NOTES, tidy};
use crate::read::lines::Fields;

use job::{Counts, Group, Pass};
use judge::Judge;

/// Spans that are cut out or replaced.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// An attribute that marks spans.
    pub spans: String,
    /// What stands in place of each span; nothing cuts it out.
    #[serde(default, alias = "replacement")]
    pub replace: String,
    /// Expression that must hold for the document.
    pub when: Option<String>,
    /// Least score of a span that is edited.
    #[serde(alias = "min_score")]
    pub least: Option<f64>,
}

/// Documents that are filtered and edited in one way and taken with one weight.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name: that of the files written, and part of the documents' keys.
    pub name: String,
    /// Files of documents, in document order.
    pub documents: Vec<InputFile>,
    /// What these call their text and id.
    pub fields: Fields,
    /// Experiments whose attributes belong to them; a name with a `/` in it is the folder that holds them.
    pub attributes: Vec<String>,
    /// Expressions of which one must hold, if there are any.
    pub include: Vec<String>,
    /// Expressions of which none may hold.
    pub drop: Vec<String>,
    /// Spans that are cut out or replaced.
    pub edit: Vec<Edit>,
    /// Fields that are not written.
    pub discard: Vec<String>,
    /// Weight in the mix.
    pub weight: f64,
}

impl Source {
    /// All that decides over a document but its content and what other sources hold.
    fn identity(&self) -> String {
        // What the rows of a file are is told with the file.
        let Source { name, documents: _, fields: _, attributes: _, include, drop, edit, discard, weight: _ } =
            self;
        format!("{name:?} {include:?} {drop:?} {edit:?} {discard:?}")
    }
}

/// How files are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pack {
    /// `.jsonl.gz`
    #[default]
    Gz,
    /// `.jsonl.zst`
    Zst,
    /// `.jsonl`
    None,
}

impl Pack {
    /// The end of the name of a file of rows.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Pack::Gz => ".jsonl.gz",
            Pack::Zst => ".jsonl.zst",
            Pack::None => ".jsonl",
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder in which `documents/` is written.
    pub to: PathBuf,
    /// Bytes of input files that become one file; one larger file is one by itself.
    pub shard: u64,
    /// How files are packed.
    pub pack: Pack,
    /// Shares of sources go by their bytes to the power of 1 / temperature, times their weights.
    pub temperature: f64,
    /// Bytes of text to take in all; 0: as much as there is at the shares wanted.
    pub budget: u64,
    /// How often a document is written at most, where its source is wanted more often than it is there; up to [`MOST_COPIES`].
    pub max_copies: u32,
    /// Whether the ranges of the source text that were kept are written, as attributes of the experiment [`KEEP_MAP`].
    pub keep_map: bool,
    /// Bytes for what is between reader and writer, and for long documents with all their copies.
    pub memory: u64,
}

/// Copies of a document at most.
pub const MOST_COPIES: u32 = 100;
/// The experiment of keep maps, and the name of the one attribute in it.
pub const KEEP_MAP: &str = "keep_map";

impl Options {
    /// How often all documents are read: twice if sources are taken in shares.
    pub fn passes(&self, sources: &[Source]) -> u64 {
        1 + u64::from(self.mixes(sources))
    }

    fn mix(&self) -> Mix {
        let max_copies = self.max_copies.clamp(1, MOST_COPIES);
        Mix { temperature: self.temperature, budget_bytes: self.budget, max_copies }
    }

    fn mixes(&self, sources: &[Source]) -> bool {
        self.mix().wanted(sources.iter().map(|source| source.weight))
    }
}

/// What became of a source.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MixedSource {
    /// Its name.
    pub name: String,
    /// Documents and bytes of text that were read.
    pub read: Count,
    /// Bytes of text that filters and edits left.
    pub left_bytes: u64,
    /// Share of them that was wanted; above 1 where documents were to be written more than once.
    pub wanted: f64,
    /// Share of them that was written.
    pub fraction: f64,
    /// Documents that were written, and bytes of their text, each as often as it was written.
    pub written: Count,
    /// Documents written whose text was edited.
    pub edited: u64,
    /// Bytes that edits took away from them, less what they put in.
    pub cut_bytes: i64,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Mixed {
    /// Files written, of all sources; those that were there before are among them.
    pub files: u64,
    /// Files that were there before.
    pub skipped: u64,
    /// Source by source.
    pub sources: Vec<MixedSource>,
    /// What every rule took away, with texts as they were read.
    pub funnel: Funnel,
}

/// Mix `sources`. Files that are there already, made from the same input by the same rules, are passed over.
///
/// # Errors
/// The earliest fault in the order of sources, files and rows; nothing is read before all names are known.
pub fn mix(sources: &[Source], options: &Options, progress: &Progress, cancel: &Cancel) -> Result<Mixed> {
    for (i, source) in sources.iter().enumerate() {
        if let Some(other) = sources[..i].iter().find(|other| other.name == source.name) {
            return Err(Error::SameOutput {
                output: options.to.join("documents").display().to_string(),
                first: other.name.clone(),
                second: source.name.clone(),
            });
        }
    }
    let groups = groups(sources, options)?;
    let mixes = options.mixes(sources);
    let memory = Arc::new(Memory::new(options.memory));
    let judges = judges(sources, &groups, mixes, &memory)?;
    let Some(first) = groups.first() else {
        return Ok(Mixed { files: 0, skipped: 0, sources: Vec::new(), funnel: Funnel::default() });
    };
    // An export writes documents as well, and keeps its notes in the folder itself.
    let _held = [hold(&first.output)?, hold_by(&options.to.join("files"), EXPORT)?];
    let outputs: Vec<PathBuf> = groups.iter().map(|group| group.output.clone()).collect();
    nothing_else(&options.to.join("documents"), &outputs)?;
    let maps: Vec<PathBuf> = groups.iter().filter_map(|group| group.map.clone()).collect();
    let files = groups.iter().flat_map(|group| &group.files);
    let inputs = files.flat_map(|file| std::iter::once(&file.documents).chain(&file.attributes));
    spares(inputs.map(|file| file.full.as_path()), outputs.iter().chain(&maps).map(PathBuf::as_path))?;
    tidy(&outputs);
    if options.keep_map {
        nothing_else(&options.to.join("attributes").join(KEEP_MAP), &maps)?;
        tidy(&maps);
    }
    let documents = options.to.join("documents");
    let claim = claim(sources, options, &documents);
    claim.check(&documents)?;
    claim.alone(&options.to, "documents/")?;
    tidy(&groups.iter().map(|group| group.counted.clone()).collect::<Vec<_>>());
    let run = |fractions: Option<&[f64]>| -> Result<(Vec<Counts>, u64)> {
        let pass = Pass::new(sources, &judges, &groups, fractions, progress, &memory);
        flow::run(groups.len(), &pass, cancel)?;
        Ok(pass.counts.into_inner().unwrap_or_else(PoisonError::into_inner))
    };
    let counted = if mixes { Some(run(None)?.0) } else { None };
    let limits = match &counted {
        None => vec![(1.0, 1.0); sources.len()],
        Some(counted) => {
            let weighted = sources.iter().zip(counted);
            options
                .mix()
                .limits(&weighted.map(|(source, counts)| (source.weight, &counts.spread)).collect::<Vec<_>>())
        }
    };
    let (places, wanted): (Vec<f64>, Vec<f64>) = limits.into_iter().unzip();
    let (counts, skipped) = run(Some(&places))?;
    let names = outputs.iter().filter_map(|output| output.file_name());
    claim.settle(&documents, names.map(|name| name.to_string_lossy().into_owned()))?;
    // What was left before the mix took its part of it.
    let left = counted.as_ref().unwrap_or(&counts);
    let each = sources.iter().zip(&counts).zip(left).zip(wanted);
    let each = each.map(|(((source, counts), left), wanted)| MixedSource {
        name: source.name.clone(),
        read: counts.read,
        left_bytes: left.written,
        wanted,
        fraction: if left.written == 0 { 0.0 } else { counts.rows.bytes as f64 / left.written as f64 },
        written: counts.rows,
        edited: counts.edited,
        cut_bytes: counts.kept.bytes as i64 - counts.written as i64,
    });
    Ok(Mixed {
        files: groups.len() as u64,
        skipped,
        sources: each.collect(),
        funnel: funnel(sources, &judges, &counts),
    })
}

/// What makes this mix another one than that of other files, rules or options.
fn claim(sources: &[Source], options: &Options, documents: &Path) -> Claim {
    let Options { to: _, shard, pack, temperature, budget, max_copies, keep_map, memory: _ } = options;
    let mut key = format!("mix {shard} {pack:?} {temperature} {budget} {max_copies} {keep_map}");
    for source in sources {
        let Source { fields, attributes, weight, .. } = source;
        // However the path of a folder is spelled.
        let place = |name: &String| match name.contains('/') {
            true => relative(Path::new(name), documents),
            false => name.clone(),
        };
        let attributes: Vec<String> = attributes.iter().map(place).collect();
        key.push_str(&format!(" {} {fields:?} {attributes:?} {weight}", source.identity()));
    }
    let names: Vec<String> = sources.iter().map(|source| format!("`{}`", source.name)).collect();
    let files = sources.iter().flat_map(|source| &source.documents);
    Claim::new(format!("mix of {}", names.join(", ")), Hash256::of(key.as_bytes()), files, documents)
}

/// `.regimen-notes/NAME.WHAT.json` beside a file.
fn named(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{what}.json"));
    path.with_file_name(NOTES).join(name)
}

/// The files of all sources in groups, with what they become.
fn groups(sources: &[Source], options: &Options) -> Result<Vec<Group>> {
    let documents = options.to.join("documents");
    let end = options.pack.ending();
    let mut all: Vec<Group> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let (mut bytes, mut count) = (0, 0);
        for file in &source.documents {
            let sheaf = Sheaf::of(file, &source.fields, &source.attributes)?;
            match all.last_mut() {
                Some(group) if group.source == number && bytes + file.bytes <= options.shard => {
                    group.files.push(sheaf);
                    bytes += file.bytes;
                }
                _ => {
                    let output = documents.join(format!("{}-{count:05}{end}", source.name));
                    let map = options.to.join("attributes").join(KEEP_MAP);
                    let map = options.keep_map.then(|| map.join(output.file_name().unwrap_or_default()));
                    let counted = documents.join(NOTES).join("counted").join(format!("{number}-{count:05}"));
                    all.push(Group { source: number, files: vec![sheaf], output, map, counted });
                    (bytes, count) = (file.bytes, count + 1);
                }
            }
        }
    }
    Ok(all)
}

fn judges(sources: &[Source], groups: &[Group], mixes: bool, memory: &Memory) -> Result<Vec<Judge>> {
    let judge = |(number, source): (usize, &Source)| {
        let own = groups.iter().filter(|group| group.source == number);
        let files: Vec<&InputFile> = own.flat_map(|g| &g.files).flat_map(|file| &file.attributes).collect();
        Judge::new(source, &files, mixes, memory)
    };
    sources.iter().enumerate().map(judge).collect()
}

/// Rules that several sources share are one step.
fn funnel(sources: &[Source], judges: &[Judge], counts: &[Counts]) -> Funnel {
    let mut left = Count::default();
    let mut read = BTreeMap::new();
    for (source, counts) in sources.iter().zip(counts) {
        left.documents += counts.read.documents;
        left.bytes += counts.read.bytes;
        read.insert(source.name.clone(), counts.read);
    }
    let first =
        Step { step: "read".into(), left, dropped: Count::default(), sources: read, reason: String::new() };
    let mut steps: Vec<Step> = Vec::new();
    for ((source, judge), counts) in sources.iter().zip(judges).zip(counts) {
        for (reason, count) in judge.reasons.iter().zip(&counts.dropped).filter(|(_, c)| c.documents > 0) {
            let place = steps.iter().position(|s| (&s.step, &s.reason) == (&reason.name, &reason.text));
            let place = place.unwrap_or_else(|| {
                steps.push(Step {
                    step: reason.name.clone(),
                    reason: reason.text.clone(),
                    ..Step::default()
                });
                steps.len() - 1
            });
            let step = &mut steps[place];
            step.dropped.documents += count.documents;
            step.dropped.bytes += count.bytes;
            step.sources.insert(source.name.clone(), *count);
        }
    }
    // What the mix leaves out goes last.
    steps.sort_by_key(|step| step.step == "mixed_out");
    for step in &mut steps {
        left.documents -= step.dropped.documents;
        left.bytes -= step.dropped.bytes;
        step.left = left;
    }
    steps.insert(0, first);
    Funnel { steps, limited: false }
}

/// Whether a text can be the name of a source.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
