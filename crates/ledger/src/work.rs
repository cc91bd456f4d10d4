//! Whole or none: an artifact is made in `work/KEY/` under a lock and appears in `artifacts/` by one rename.
//!
//! The order in [`Work::commit`] is what makes a crash harmless at any moment: every file durable, then the manifest,
//! then what is not part of the artifact goes, then the rename. A work folder with a manifest is a finished artifact
//! whose rename is still to do, and [`Store::begin`] does it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::{Hash256, Key, events, fs};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::lock::{Asked, Lock};
use crate::manifest::{Artifact, FileEntry, MANIFEST, Manifest, payload_of};
use crate::store::Store;

/// What [`Store::begin`] finds.
#[derive(Debug)]
pub enum Begin {
    /// The artifact exists.
    Done(Artifact),
    /// It is to be made, by nobody but us.
    Work(Work),
}

/// The right to make one artifact. Dropping it frees the lock and keeps the folder, to go on from later.
#[derive(Debug)]
pub struct Work {
    /// The work folder.
    pub dir: PathBuf,
    /// Key of the artifact.
    pub key: Key,
    /// Kind of the artifact.
    pub kind: String,
    target: PathBuf,
    lock: Lock,
}

/// A manifest without what the commit itself finds out.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Version of the stage's code.
    pub stage_version: u32,
    /// Name of the stage in its recipe.
    pub stage: String,
    /// The config as it entered the key.
    pub config: Value,
    /// The seed as it entered the key.
    pub seed: u64,
    /// Name of each input and its key.
    pub inputs: BTreeMap<String, Key>,
    /// What fixes the bits.
    pub fingerprint: String,
    /// Whether they are fixed.
    pub bit_exact: bool,
    /// What the stage wants remembered.
    pub summary: Value,
    /// Files whose payload hash is not their own: another hash, or `None` for files outside the payload.
    pub payloads: BTreeMap<String, Option<Hash256>>,
}

impl Store {
    /// Begin to make an artifact, unless it exists.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process makes it; [`Error::InUse`] while the store is collected; [`Error::Manifest`], [`Error::NoArtifact`] or
    /// [`Error::Incomplete`] if it exists damaged.
    pub fn begin(&self, kind: &str, key: Key) -> Result<Begin> {
        self.share()?;
        let target = self.artifact_dir(kind, key);
        if target.exists() {
            // A process that was killed after its rename left the lock's file.
            Lock::tidy(&self.lock_path(key));
            return Artifact::open(&target).map(Begin::Done);
        }
        let lock = match Lock::ask(&self.lock_path(key))? {
            Asked::Held(lock) => lock,
            Asked::Busy(pid) => return Err(Error::Busy { kind: kind.into(), key: key.short(), pid }),
        };
        let work = Work { dir: self.work_dir(key), key, kind: kind.into(), target, lock };
        // Somebody may have finished it between the two looks.
        if work.target.exists() {
            let artifact = Artifact::open(&work.target)?;
            work.lock.retire();
            return Ok(Begin::Done(artifact));
        }
        let finished = Artifact::open(&work.dir).is_ok_and(|a| a.manifest.key == key);
        if finished {
            return work.publish().map(Begin::Done);
        }
        fs::create_dir_all(&work.dir)?;
        remove_leftovers(&work.dir)?;
        Ok(Begin::Work(work))
    }
}

impl Work {
    /// Remove everything that an earlier execution left in the work folder.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::list(&self.dir)? {
            remove(&entry)?;
        }
        Ok(())
    }

    /// Make the work folder an artifact: every file in it but those whose name, or a folder of theirs, starts with `.`.
    pub fn commit(self, draft: Draft) -> Result<Artifact> {
        let mut payloads = draft.payloads;
        let mut files = Vec::new();
        let visible = visible_files(&self.dir)?;
        for (relative, (blake3, bytes)) in visible.iter().cloned().zip(hash_and_sync(&self.dir, &visible)?) {
            let payload = payloads.remove(&relative).unwrap_or(Some(blake3));
            files.push(FileEntry { path: relative, bytes, blake3, payload });
        }
        if let Some((file, _)) = payloads.pop_first() {
            return Err(Error::NoPayloadFile { file, dir: self.dir });
        }
        let manifest = Manifest {
            key: self.key,
            kind: self.kind.clone(),
            stage_version: draft.stage_version,
            stage: draft.stage,
            config: draft.config,
            seed: draft.seed,
            inputs: draft.inputs,
            payload: payload_of(&files),
            files,
            fingerprint: draft.fingerprint,
            bit_exact: draft.bit_exact,
            created: events::now(),
            summary: draft.summary,
        };
        fs::write_json(&self.dir.join(MANIFEST), &manifest)?;
        self.publish()
    }

    /// The last steps, for a work folder that has its manifest.
    fn publish(self) -> Result<Artifact> {
        remove_hidden(&self.dir)?;
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent)?;
            // The rename makes the entry in the kind's folder durable; that folder may be new itself.
            if let Some(artifacts) = parent.parent() {
                fs::sync_dir(artifacts)?;
            }
        }
        fs::rename(&self.dir, &self.target)?;
        if let Some(parent) = self.dir.parent() {
            fs::sync_dir(parent)?;
        }
        self.lock.retire();
        Artifact::open(&self.target)
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn remove(path: &Path) -> fs::Result<()> {
    if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Remove files that [`fs::write`] was writing when a process died: they would otherwise become part of the artifact.
fn remove_leftovers(dir: &Path) -> fs::Result<()> {
    for relative in fs::files_below(dir)?.iter().filter(|path| fs::is_temporary(path)) {
        fs::remove_file(&dir.join(relative))?;
    }
    Ok(())
}

fn remove_hidden(dir: &Path) -> fs::Result<()> {
    for entry in fs::list(dir)? {
        if is_hidden(&entry) {
            remove(&entry)?;
        } else if entry.is_dir() {
            remove_hidden(&entry)?;
        }
    }
    Ok(())
}

/// The files that make the artifact, by path with `/`, without the manifest.
fn visible_files(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for relative in fs::files_below(dir)? {
        if relative.ancestors().any(is_hidden) || relative == Path::new(MANIFEST) {
            continue;
        }
        let text = relative.to_str().ok_or_else(|| {
            let why = std::io::Error::new(std::io::ErrorKind::InvalidData, "its name is not UTF-8");
            fs::Error::new("take in", &dir.join(&relative), why)
        })?;
        found.push(text.to_string());
    }
    Ok(found)
}

/// Hash and length of each file, all of which are on the disk then. While one thread waits for the disk those of the pool
/// hash.
fn hash_and_sync(dir: &Path, files: &[String]) -> fs::Result<Vec<(Hash256, u64)>> {
    std::thread::scope(|scope| {
        let synced = scope.spawn(|| make_durable(dir, files));
        let hash = |file: &String| Hash256::of_file_shared(&dir.join(file));
        let hashed: Vec<fs::Result<_>> = files.par_iter().with_max_len(1).map(hash).collect();
        let hashed: fs::Result<Vec<_>> = hashed.into_iter().collect();
        let synced = synced.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        hashed.and_then(|hashed| synced.map(|()| hashed))
    })
}

/// Wait until the disk has the files, and then the entries of the folders that they lie in.
fn make_durable(dir: &Path, files: &[String]) -> fs::Result<()> {
    let mut folders = BTreeSet::new();
    for file in files {
        let path = dir.join(file);
        fs::open(&path)?.sync_all().map_err(|e| fs::Error::new("sync", &path, e))?;
        folders.extend(path.parent().map(Path::to_path_buf));
    }
    folders.iter().try_for_each(|folder| fs::sync_dir(folder))
}
