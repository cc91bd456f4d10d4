//! An artifact with everything that it was made from, as one file that goes from store to store.
//!
//! The file is a tar file packed with zstd. Its first file, `artifacts.json`, lists the artifacts, inputs before what uses
//! them, with the hash of each manifest; then each artifact follows: `KIND/KEY/manifest.json` and its files in the order of
//! the manifest, which has their lengths and hashes. So every byte is checked against a hash, and the same artifacts give
//! the same file, whoever writes it when (with one version of zstd). Times and names of people are not in it but for
//! those that manifests hold.

mod read;
mod tar;
mod write;

use std::collections::BTreeSet;

use regimen_base::{Hash256, Key};
use serde::{Deserialize, Serialize};

use crate::manifest::{Manifest, payload_of};

/// The first file.
const HEAD: &str = "artifacts.json";
/// The number of this format.
const FORMAT: u32 = 1;
/// Longest `artifacts.json` and longest manifest that are read, in bytes.
const LONGEST: u64 = 1 << 27;
/// Folder of the store in which an import gathers what it does not yet believe, and its lock.
pub(crate) const STAGING: &str = "import";
pub(crate) const STAGING_LOCK: &str = "import.lock";

/// `artifacts.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    format: u32,
    /// Whether the files of the artifacts follow their manifests.
    data: bool,
    /// The artifact that was asked for: the last one.
    root: Key,
    artifacts: Vec<Listed>,
}

/// An artifact in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: Key,
    /// Hash of its `manifest.json`.
    pub manifest: Hash256,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The artifact that was exported.
    pub root: Key,
    /// All artifacts, inputs before what uses them.
    pub artifacts: Vec<Manifest>,
    /// Whether their data are in it.
    pub data: bool,
    /// Bytes of the data.
    pub bytes: u64,
}

/// What an import did.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// What the file held.
    pub listing: Listing,
    /// Keys of the artifacts that the store did not have.
    pub new: BTreeSet<Key>,
}

/// What is wrong with the list of a file, if anything is.
fn flaw_of_list(head: &Head) -> Option<String> {
    if head.format != FORMAT {
        return Some(format!("it has format {}, this program knows format {FORMAT}", head.format));
    }
    let mut seen = BTreeSet::new();
    for listed in &head.artifacts {
        if listed.kind.is_empty()
            || listed.kind.len() > 64
            || !listed.kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        {
            return Some(format!("`{}` is not the name of a kind", listed.kind.escape_default()));
        }
        if !seen.insert(listed.key) {
            return Some(format!("{} {} is listed twice", listed.kind, listed.key.short()));
        }
    }
    match head.artifacts.last() {
        Some(last) if last.key == head.root => None,
        _ => Some("its last artifact is not the one that was exported".into()),
    }
}

/// What is wrong with a manifest as a piece of a file, if anything is. `before` are the artifacts in front of it.
fn flaw_of_manifest(manifest: &Manifest, listed: &Listed, before: &BTreeSet<Key>) -> Option<String> {
    if manifest.kind != listed.kind || manifest.key != listed.key {
        return Some(format!("it says of itself that it is {} {}", manifest.kind, manifest.key.short()));
    }
    if manifest.computed_key() != manifest.key {
        return Some("its config, seed and inputs give another key".into());
    }
    if payload_of(&manifest.files) != manifest.payload {
        return Some("its files give another payload".into());
    }
    if let Some((name, key)) = manifest.inputs.iter().find(|(_, key)| !before.contains(key)) {
        return Some(format!("its input `{name}` ({}) is not in front of it", key.short()));
    }
    if !is_plain(&manifest.stage) {
        return Some(format!("`{}` is not the name of a stage", manifest.stage.escape_default()));
    }
    let mut paths = BTreeSet::new();
    for file in &manifest.files {
        if !is_safe(&file.path) {
            return Some(format!("`{}` is not a path inside an artifact", file.path.escape_default()));
        }
        if !paths.insert(file.path.as_str()) {
            return Some(format!("`{}` is listed twice", file.path));
        }
    }
    let folder = |path: &&str| path.match_indices('/').any(|(at, _)| paths.contains(&path[..at]));
    paths.iter().find(|path| folder(path)).map(|path| format!("`{path}` lies below another file"))
}

/// Whether a text can be the name of a stage, which becomes a part of a folder's name.
fn is_plain(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether a path leads to a file inside of an artifact's folder, which is not its manifest and not hidden.
fn is_safe(path: &str) -> bool {
    path != crate::manifest::MANIFEST
        && path.len() < 1024
        && !path.contains(['\0', '\\'])
        && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert!(is_safe("a.bin") && is_safe("sub/more.txt"));
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "./a",
            "a/",
            ".resume.json",
            "manifest.json",
            "a\0b",
            "a\\b",
        ] {
            assert!(!is_safe(path), "{path:?}");
        }
    }
}
