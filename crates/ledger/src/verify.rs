//! Looking at every byte again.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, Key, fs};

use crate::error::{Error, Result};
use crate::labels::{LABELS, Labels};
use crate::manifest::{Artifact, MANIFEST, payload_of};
use crate::runs::{RUN, RunInfo};
use crate::store::{Store, dir_key};

/// One thing wrong with one artifact, or with the record of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Damage {
    /// The artifact's folder, or the run's.
    pub folder: PathBuf,
    /// The artifact's kind, by its folder; `run` for a run.
    pub kind: String,
    /// The artifact's key, by its folder; none for a run.
    pub key: Option<Key>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with an artifact.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// A file is not there.
    Missing {
        /// Its path in the artifact.
        file: String,
        /// The hash it should have.
        expected: Hash256,
    },
    /// A file has another content.
    Changed {
        /// Its path in the artifact.
        file: String,
        /// The hash it should have.
        expected: Hash256,
        /// The hash it has.
        found: Hash256,
    },
    /// A file cannot be read.
    Unreadable {
        /// Its path in the artifact.
        file: String,
        /// The system's words.
        why: String,
    },
    /// A file is there that the manifest does not name.
    Extra {
        /// Its path in the artifact.
        file: String,
    },
    /// A run's record or its labels cannot be read, so the run is not listed, or without them.
    Run {
        /// `run.json` or `labels.json`.
        file: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The manifest is missing, cannot be read, or contradicts itself or its place.
    Manifest {
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.key {
            Some(key) => key.short(),
            None => self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        write!(f, "{} {name}: ", self.kind)?;
        match &self.problem {
            Problem::Missing { file, expected } => write!(f, "`{file}` is missing (expected {expected})"),
            Problem::Changed { file, expected, found } => {
                write!(f, "`{file}` has changed: expected {expected}, found {found}")
            }
            Problem::Unreadable { file, why } => write!(f, "`{file}` cannot be read: {why}"),
            Problem::Extra { file } => write!(f, "`{file}` does not belong to it"),
            Problem::Run { file, why } => write!(f, "`{file}` cannot be read: {why}"),
            Problem::Manifest { why } => write!(f, "`{MANIFEST}`: {why}"),
        }
    }
}

impl Store {
    /// Hash every file of every artifact again, read the record of every run, and name all that is wrong. `progress` is
    /// told the bytes done and the bytes in all.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Damage>> {
        let dirs = self.artifact_dirs()?;
        let mut total = 0;
        for dir in &dirs {
            for file in fs::files_below(dir)? {
                total += fs::size(&dir.join(file)).unwrap_or(0);
            }
        }
        let mut done = 0;
        let mut damages = Vec::new();
        for dir in dirs {
            let Some(key) = dir_key(&dir) else { continue };
            let kind =
                dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
            let problems = look_at(&dir, &kind, key, &mut |bytes| {
                done += bytes;
                progress(done, total);
            })?;
            damages.extend(problems.into_iter().map(|problem| Damage {
                folder: dir.clone(),
                kind: kind.clone(),
                key: Some(key),
                problem,
            }));
        }
        for folder in fs::list(&self.dir().join("runs"))? {
            let problems = [
                unreadable::<RunInfo>(&folder.join(RUN)).map(|why| Problem::Run { file: RUN, why }),
                unreadable::<Labels>(&folder.join(LABELS)).map(|why| Problem::Run { file: LABELS, why }),
            ];
            damages.extend(problems.into_iter().flatten().map(|problem| Damage {
                folder: folder.clone(),
                kind: "run".into(),
                key: None,
                problem,
            }));
        }
        Ok(damages)
    }
}

/// Why a run's record cannot be read. A run that died before it wrote one has none.
fn unreadable<T: serde::de::DeserializeOwned>(record: &Path) -> Option<String> {
    match fs::read(record) {
        Ok(bytes) => serde_json::from_slice::<T>(&bytes).err().map(|e| e.to_string()),
        Err(e) => (e.kind() != std::io::ErrorKind::NotFound).then(|| e.to_string()),
    }
}

fn look_at(dir: &Path, kind: &str, key: Key, read: &mut dyn FnMut(u64)) -> Result<Vec<Problem>> {
    let manifest = match Artifact::read(dir) {
        Ok(Some(artifact)) => artifact.manifest,
        Ok(None) => return Ok(Vec::new()),
        Err(Error::NoArtifact { .. }) => return Ok(vec![Problem::Manifest { why: "it is missing".into() }]),
        Err(Error::Manifest { why, .. }) => return Ok(vec![Problem::Manifest { why }]),
        Err(Error::Fs(e)) => return Ok(vec![Problem::Manifest { why: e.to_string() }]),
        Err(other) => return Err(other),
    };
    let mut problems = Vec::new();
    let mut disagree = |what: &str, expected: &dyn fmt::Display, found: &dyn fmt::Display| {
        problems.push(Problem::Manifest { why: format!("{what} is {found}, expected {expected}") });
    };
    if manifest.kind != kind {
        disagree("its kind", &kind, &manifest.kind);
    }
    if manifest.key != key {
        disagree("its key", &key, &manifest.key);
    }
    if manifest.computed_key() != key {
        disagree("the key that its config, seed and inputs give", &key, &manifest.computed_key());
    }
    if payload_of(&manifest.files) != manifest.payload {
        disagree("the payload hash of its files", &manifest.payload, &payload_of(&manifest.files));
    }
    let mut others: BTreeSet<PathBuf> = fs::files_below(dir)?.into_iter().collect();
    others.remove(Path::new(MANIFEST));
    for entry in &manifest.files {
        let (file, expected) = (entry.path.clone(), entry.blake3);
        if !others.remove(Path::new(&entry.path)) {
            problems.push(Problem::Missing { file, expected });
            continue;
        }
        match Hash256::of_file(&dir.join(&entry.path)) {
            Ok((found, bytes)) => {
                read(bytes);
                if found != expected {
                    problems.push(Problem::Changed { file, expected, found });
                }
            }
            Err(e) => problems.push(Problem::Unreadable { file, why: e.to_string() }),
        }
    }
    problems
        .extend(others.into_iter().map(|file| Problem::Extra { file: file.to_string_lossy().into_owned() }));
    Ok(problems)
}
