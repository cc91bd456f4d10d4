//! What an artifact says of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, Key, fs, json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Name of the manifest in an artifact's folder.
pub(crate) const MANIFEST: &str = "manifest.json";

/// `manifest.json`: everything that made an artifact, and the hash of every file in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// blake3 of kind, stage version, normalised config, seed and the keys of the inputs.
    pub key: Key,
    /// Kind of the stage that made it, such as `corpus`.
    pub kind: String,
    /// Version of that stage's code: another version, other bytes.
    pub stage_version: u32,
    /// Name of the stage in the recipe that first made it.
    pub stage: String,
    /// The config as it entered the key (defaults filled in, fields outside the key left out).
    pub config: Value,
    /// The seed as it entered the key.
    pub seed: u64,
    /// Name of each input and the key of the artifact that filled it.
    pub inputs: BTreeMap<String, Key>,
    /// Hash of the payload: of the payload hashes of all files, by path.
    pub payload: Hash256,
    /// Every file of the artifact but this one, by path.
    pub files: Vec<FileEntry>,
    /// Program version, instruction-set path and C library under which the bits are promised.
    pub fingerprint: String,
    /// False if the work was resumed under another fingerprint.
    pub bit_exact: bool,
    /// Unix time of completion in seconds.
    pub created: f64,
    /// What the stage wants remembered: counts, losses. For screens and for `plan`.
    pub summary: Value,
}

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path relative to the artifact's folder, with `/`.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// Hash of the whole file, for `regimen ledger verify`.
    pub blake3: Hash256,
    /// Hash that enters the payload: the file's own unless the stage named another (a file with an embedded key
    /// counts by its data alone); none for a file outside the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Hash256>,
}

/// The key of what a stage makes: blake3 of the canonical JSON of everything that decides its bytes.
///
/// `config` is what enters the key: defaults filled in, fields outside the key left out, input files by path and hash.
pub fn key_of(
    kind: &str,
    stage_version: u32,
    config: &Value,
    seed: u64,
    inputs: &BTreeMap<String, Key>,
) -> Key {
    let all = json!({
        "kind": kind, "version": stage_version, "config": config, "seed": seed, "inputs": inputs,
    });
    Hash256::of(json::canonical(&all).as_bytes())
}

/// The payload hash of a set of files: blake3 over a line `path, 0, payload hash` for each file of the payload, by path.
pub(crate) fn payload_of(files: &[FileEntry]) -> Hash256 {
    let mut lines: Vec<_> = files.iter().filter_map(|f| Some((&f.path, f.payload?))).collect();
    lines.sort();
    let mut text = Vec::new();
    for (path, hash) in lines {
        text.extend_from_slice(path.as_bytes());
        text.push(0);
        text.extend_from_slice(hash.to_string().as_bytes());
        text.push(b'\n');
    }
    Hash256::of(&text)
}

impl Manifest {
    /// The key that the fields of the manifest give. It differs from `key` if somebody changed one of them.
    pub fn computed_key(&self) -> Key {
        key_of(&self.kind, self.stage_version, &self.config, self.seed, &self.inputs)
    }
}

/// A finished artifact: its folder and its manifest.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// `.regimen/artifacts/KIND/KEY`.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Artifact {
    /// The artifact in a folder, wherever it lies. All its files must be there in their full length; their content is
    /// looked at by [`crate::Store::verify`] alone.
    ///
    /// # Errors
    /// [`Error::NoArtifact`] without a manifest, [`Error::Manifest`] for a damaged one, [`Error::Incomplete`] for a
    /// file that is missing or has another length.
    pub fn open(path: &Path) -> Result<Artifact> {
        let artifact = Artifact::read(path)?.ok_or_else(|| Error::NoArtifact { path: path.into() })?;
        artifact.whole()?;
        Ok(artifact)
    }

    /// The artifact in a folder by its manifest alone; `None` if the folder does not exist.
    pub(crate) fn read(path: &Path) -> Result<Option<Artifact>> {
        let file = path.join(MANIFEST);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return if path.is_dir() { Err(Error::NoArtifact { path: path.into() }) } else { Ok(None) };
            }
            Err(e) => return Err(e.into()),
        };
        let manifest = serde_json::from_slice(&bytes).map_err(|e| Error::Manifest {
            path: file,
            why: e.to_string(),
            folder: path.into(),
        })?;
        Ok(Some(Artifact { path: path.into(), manifest }))
    }

    /// Check that every file is there with its length.
    fn whole(&self) -> Result<()> {
        for entry in &self.manifest.files {
            let path = self.path.join(&entry.path);
            let why = match std::fs::metadata(&path) {
                Ok(found) if found.len() == entry.bytes => continue,
                Ok(found) => format!("it has {} bytes instead of {}", found.len(), entry.bytes),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => "it is missing".into(),
                Err(e) => return Err(fs::Error::new("look at", &path, e).into()),
            };
            return Err(Error::Incomplete { path, why, folder: self.path.clone() });
        }
        Ok(())
    }

    /// The artifact's key.
    pub fn key(&self) -> Key {
        self.manifest.key
    }

    /// The folder of the artifact that filled the input `name` and is of `kind`: artifacts of one store lie beside
    /// each other.
    pub fn input_dir(&self, name: &str, kind: &str) -> Option<PathBuf> {
        let key = self.manifest.inputs.get(name)?;
        Some(self.path.parent()?.parent()?.join(kind).join(key.to_string()))
    }

    /// A file of the artifact.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
