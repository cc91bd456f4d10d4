//! What a store still needs, and what it does not.
//!
//! **Kept runs** are those that a process is at, those with a tag or a note, those that their stage name stands for
//! (the last use of the name), and, where asked for, the newest of each stage and the young ones. **Kept artifacts**
//! are those that a kept run made or takes from, those that a stage name stands for, the young ones where asked for,
//! companions of kept artifacts (an index of a corpus), and everything that a kept artifact was made from. Unfinished
//! work is kept if a kept run would go on from it; objects that were brought from elsewhere are kept if a kept artifact
//! was made from them. Records of runs are never collected.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use regimen_base::{Key, fs};
use serde::Serialize;
use serde_json::Value;

use crate::archive::{STAGING, STAGING_LOCK};
use crate::error::{Error, Result};
use crate::labels;
use crate::lock::Lock;
use crate::manifest::Artifact;
use crate::resolve::NAMES;
use crate::runs::{BIN, RUN, RunInfo, Status, run_id};
use crate::store::{Store, dir_key};

/// Folder of what was brought from object stores.
const OBJECTS: &str = "objects";
/// Folder of tasks' scratch space.
const TASKS: &str = "tasks";
/// The lock of a task that is under way, in its scratch space.
const TASK_LOCK: &str = ".regimen-notes/lock";

/// What is to be kept beyond what is needed anyway.
#[derive(Clone, Debug, Default)]
pub struct Keep<'k> {
    /// That many of the newest runs of each stage.
    pub last: usize,
    /// Everything that was made or begun at this Unix time or later.
    pub since: Option<f64>,
    /// Kinds of artifacts that nobody names, which live as long as all that they were made from.
    pub companions: &'k [&'k str],
}

/// What kind of thing may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A finished artifact.
    Artifact,
    /// Work that nobody would go on from.
    Work,
    /// Scratch space of a task, or of an import that was stopped.
    Scratch,
    /// An object that was brought from elsewhere.
    Object,
    /// Something in the bin.
    Bin,
}

/// One thing that may be removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Piece {
    /// What it is.
    pub what: What,
    /// Kind of the artifact, or the name of the file or folder.
    pub name: String,
    /// Stage name of an artifact; empty for everything else.
    pub stage: String,
    /// Key of an artifact or of unfinished work.
    pub key: Option<Key>,
    /// Where it lies, relative to the store.
    pub path: PathBuf,
    /// Bytes of its files that its removal sets free.
    pub bytes: u64,
}

/// What may be removed, and what stays.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// In the order in which they go: what was made from others before those.
    pub pieces: Vec<Piece>,
    /// Artifacts that stay.
    pub kept: usize,
    /// Artifacts that stay because their manifest cannot be read.
    pub damaged: usize,
}

impl Sweep {
    /// Bytes that would be free.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }
}

/// What the store holds, read from its folders.
struct Stock {
    artifacts: BTreeMap<Key, Artifact>,
    damaged: usize,
    runs: Vec<RunInfo>,
    names: Vec<(String, Key)>,
}

impl Store {
    /// What [`Store::collect`] would remove. Nothing is changed.
    ///
    /// # Errors
    /// [`Error::Run`] for a record or labels that cannot be read: what the run needs is then not known.
    pub fn sweep(&self, keep: &Keep) -> Result<Sweep> {
        let stock = self.stock()?;
        let kept = kept(&stock, keep, self)?;
        let mut pieces = Vec::new();
        for key in last_first(&stock.artifacts) {
            if let Some(artifact) = stock.artifacts.get(&key).filter(|_| !kept.contains(&key)) {
                let (kind, stage) = (&artifact.manifest.kind, &artifact.manifest.stage);
                pieces.push(self.piece(What::Artifact, kind, stage, Some(key), &artifact.path)?);
            }
        }
        let staying = stock.artifacts.keys().filter(|key| kept.contains(key)).count();
        self.works(&stock, &kept, keep, &mut pieces)?;
        self.objects(&stock, &kept, keep, &mut pieces)?;
        for entry in fs::list(&self.dir().join(BIN))? {
            pieces.push(self.plain(What::Bin, &entry)?);
        }
        Ok(Sweep { pieces, kept: staying, damaged: stock.damaged })
    }

    fn stock(&self) -> Result<Stock> {
        let mut artifacts = BTreeMap::new();
        let mut damaged = 0;
        for dir in self.artifact_dirs()? {
            match Artifact::read(&dir) {
                Ok(Some(artifact)) if dir_key(&dir) == Some(artifact.key()) => {
                    artifacts.insert(artifact.key(), artifact);
                }
                _ => damaged += 1,
            }
        }
        let mut runs = Vec::new();
        for dir in self.run_dirs()? {
            let path = dir.join(RUN);
            match fs::read(&path) {
                Ok(bytes) => runs.push(
                    serde_json::from_slice(&bytes)
                        .map(|info| self.as_it_stands(info))
                        .map_err(|e| Error::Run { path, why: e.to_string() })?,
                ),
                // A process that was killed before it wrote its record needs nothing.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e.into()),
            }
        }
        let mut names = Vec::new();
        for path in fs::list(&self.dir().join(NAMES))? {
            let stage = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some((_, key)) = self.last_use(&stage) {
                names.push((stage, key));
            }
        }
        Ok(Stock { artifacts, damaged, runs, names })
    }

    /// Unfinished work, locks that nobody holds, scratch space.
    fn works(&self, stock: &Stock, kept: &BTreeSet<Key>, keep: &Keep, pieces: &mut Vec<Piece>) -> Result<()> {
        for entry in fs::list(&self.dir().join("work"))? {
            let name = entry.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let Ok(key) = name.parse::<Key>() else { continue };
            let held = Lock::is_held(&self.lock_path(key));
            let goes_on = kept.contains(&key) && !stock.artifacts.contains_key(&key);
            if !held && !goes_on && !is_young(&entry, keep)? {
                pieces.push(Piece { key: Some(key), ..self.plain(What::Work, &entry)? });
            }
        }
        for task in fs::list(&self.dir().join(TASKS))? {
            if !Lock::is_held(&task.join(TASK_LOCK)) && !is_young(&task, keep)? {
                pieces.push(self.plain(What::Scratch, &task)?);
            }
        }
        let staging = self.dir().join(STAGING);
        if staging.exists() && !Lock::is_held(&self.dir().join(STAGING_LOCK)) {
            pieces.push(self.plain(What::Scratch, &staging)?);
        }
        Ok(())
    }

    /// Objects whose content no kept artifact names in its config.
    fn objects(
        &self,
        stock: &Stock,
        kept: &BTreeSet<Key>,
        keep: &Keep,
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        let all = fs::list(&self.dir().join(OBJECTS))?;
        if all.is_empty() {
            return Ok(());
        }
        // What unfinished work read is not known before it is finished.
        let unfinished = |run: &RunInfo| kept.contains(&run.key) && !stock.artifacts.contains_key(&run.key);
        if stock.runs.iter().any(|run| unfinished(run) && run.config.to_string().contains("://")) {
            return Ok(());
        }
        let mut needed = BTreeSet::new();
        for artifact in stock.artifacts.values().filter(|artifact| kept.contains(&artifact.key())) {
            hashes(&artifact.manifest.config, &mut needed);
        }
        for object in all {
            if !is_young(&object, keep)?
                && (object.is_dir() || !needed.contains(&self.hash_of_object(&object)?))
            {
                pieces.push(self.plain(What::Object, &object)?);
            }
        }
        Ok(())
    }

    /// The hash of an object's content. In place of one that is not here a file may hold its hash alone.
    fn hash_of_object(&self, path: &Path) -> Result<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match name.strip_suffix(".blake3").is_some_and(|id| id.len() == 32 && !id.contains('-')) {
            true => Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()),
            false => Ok(self.hash_file(path)?.0.to_string()),
        }
    }

    fn plain(&self, what: What, path: &Path) -> Result<Piece> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.piece(what, &name, "", None, path)
    }

    fn piece(&self, what: What, name: &str, stage: &str, key: Option<Key>, path: &Path) -> Result<Piece> {
        let relative = path.strip_prefix(self.dir()).unwrap_or(path).to_path_buf();
        Ok(Piece { what, name: name.into(), stage: stage.into(), key, path: relative, bytes: weight(path)? })
    }
}

/// Keys of all artifacts, finished or not, that are needed.
fn kept(stock: &Stock, keep: &Keep, store: &Store) -> Result<BTreeSet<Key>> {
    let mut open: Vec<Key> = stock.names.iter().map(|(_, key)| *key).collect();
    let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_age: Vec<&RunInfo> = stock.runs.iter().collect();
    by_age.sort_by(|a, b| b.started.total_cmp(&a.started).then_with(|| a.id.cmp(&b.id)));
    for run in by_age {
        let place = newest.entry(&run.stage).or_default();
        *place += 1;
        let is_kept = run.status == Status::Running
            || *place <= keep.last
            || keep.since.is_some_and(|since| run.started + run.seconds >= since)
            || stock.names.iter().any(|(stage, key)| run_id(stage, *key) == run.id)
            || !labels::read(&store.run_dir(&run.id))?.is_empty();
        if is_kept {
            open.push(run.key);
            open.extend(run.inputs.values());
        }
    }
    if let Some(since) = keep.since {
        open.extend(stock.artifacts.values().filter(|a| a.manifest.created >= since).map(Artifact::key));
    }
    let mut kept = BTreeSet::new();
    close(stock, open, &mut kept);
    loop {
        let companion = |artifact: &&Artifact| {
            let m = &artifact.manifest;
            keep.companions.contains(&m.kind.as_str())
                && !kept.contains(&m.key)
                && m.inputs.values().all(|input| kept.contains(input))
        };
        let more: Vec<Key> = stock.artifacts.values().filter(companion).map(Artifact::key).collect();
        if more.is_empty() {
            return Ok(kept);
        }
        close(stock, more, &mut kept);
    }
}

/// Add `open` and everything that they were made from. What an unfinished or damaged artifact takes, its runs know.
fn close(stock: &Stock, mut open: Vec<Key>, kept: &mut BTreeSet<Key>) {
    while let Some(key) = open.pop() {
        if !kept.insert(key) {
            continue;
        }
        match stock.artifacts.get(&key) {
            Some(artifact) => open.extend(artifact.manifest.inputs.values()),
            None => {
                let runs = stock.runs.iter().filter(|run| run.key == key);
                open.extend(runs.flat_map(|run| run.inputs.values()));
            }
        }
    }
}

/// All keys, each before those that it was made from.
fn last_first(artifacts: &BTreeMap<Key, Artifact>) -> Vec<Key> {
    let mut users: BTreeMap<Key, usize> = artifacts.keys().map(|key| (*key, 0)).collect();
    let inputs = |key: &Key| artifacts.get(key).map(|a| a.manifest.inputs.values()).into_iter().flatten();
    for input in artifacts.keys().flat_map(inputs) {
        users.entry(*input).and_modify(|n| *n += 1);
    }
    let mut open: BTreeSet<Key> = users.iter().filter(|(_, n)| **n == 0).map(|(key, _)| *key).collect();
    let mut order = Vec::with_capacity(artifacts.len());
    while let Some(key) = open.pop_first() {
        order.push(key);
        for input in inputs(&key) {
            if let Some(n) = users.get_mut(input) {
                *n -= 1;
                if *n == 0 {
                    open.insert(*input);
                }
            }
        }
    }
    order
}

/// Every text in a config that is a hash.
fn hashes(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.len() == 64 => drop(found.insert(text.to_ascii_lowercase())),
        Value::Array(items) => items.iter().for_each(|item| hashes(item, found)),
        Value::Object(map) => map.values().for_each(|item| hashes(item, found)),
        _ => {}
    }
}

/// Whether anything in a file or folder changed since the time from which all is kept.
fn is_young(path: &Path, keep: &Keep) -> Result<bool> {
    let Some(since) = keep.since else { return Ok(false) };
    let mut newest: f64 = 0.0;
    walk(path, &mut |meta| {
        let at = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        newest = newest.max(at.map_or(0.0, |at| at.as_secs_f64()));
    })?;
    Ok(newest >= since)
}

/// Bytes that are free once a file or folder is gone: a file that has another name elsewhere frees nothing.
pub(crate) fn weight(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    walk(path, &mut |meta| {
        if meta.is_file() && meta.nlink() == 1 {
            bytes += meta.len();
        }
    })?;
    Ok(bytes)
}

/// Look at a file, or at a folder and everything below it; links are looked at and not followed. What goes away
/// meanwhile is passed over.
fn walk(path: &Path, see: &mut dyn FnMut(&std::fs::Metadata)) -> Result<()> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fs::Error::new("look at", path, e).into()),
    };
    see(&meta);
    if meta.is_dir() {
        fs::list(path)?.iter().try_for_each(|entry| walk(entry, see))?;
    }
    Ok(())
}
