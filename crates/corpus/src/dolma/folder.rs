//! Where things lie in Dolma's layout.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regimen_base::fs;

use crate::error::{Error, Result};

/// The folder of documents. A folder that has one stands for what lies in it.
pub const DOCUMENTS: &str = "documents";

/// Where the attributes of a documents file go: its last folder `documents` becomes `attributes/EXPERIMENT`; or, if
/// `to` is given, `to` takes the place of all up to that folder.
///
/// # Errors
/// [`Error::NoDocumentsFolder`].
pub(crate) fn attributes_path(documents: &Path, experiment: &str, to: Option<&Path>) -> Result<PathBuf> {
    let parts: Vec<_> = documents.components().collect();
    let place = parts[..parts.len().saturating_sub(1)].iter().rposition(|p| p.as_os_str() == DOCUMENTS);
    match (place, to) {
        (Some(place), None) => {
            let mut path: PathBuf = parts[..place].iter().collect();
            path.push("attributes");
            path.push(experiment);
            path.extend(&parts[place + 1..]);
            Ok(path)
        }
        (Some(place), Some(to)) => Ok(to.join(parts[place + 1..].iter().collect::<PathBuf>())),
        (None, Some(to)) => Ok(to.join(documents.file_name().unwrap_or_default())),
        (None, None) => Err(Error::NoDocumentsFolder { file: documents.display().to_string() }),
    }
}

/// Files below `root` that are none of `outputs` would be taken for part of what is written there. Hidden files and folders
/// do not count.
///
/// # Errors
/// [`Error::NotEmpty`] with the first of them.
pub(crate) fn nothing_else(root: &Path, outputs: &[PathBuf]) -> Result<()> {
    let known: BTreeSet<&PathBuf> = outputs.iter().collect();
    let hidden = |path: &Path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
    let strange = match root.is_dir() {
        true => {
            fs::files_below(root)?.into_iter().find(|path| !hidden(path) && !known.contains(&root.join(path)))
        }
        false => None,
    };
    match strange {
        None => Ok(()),
        Some(path) => {
            Err(Error::NotEmpty { folder: root.display().to_string(), file: path.display().to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_lie_where_dolma_looks_for_them() {
        let path = |text: &str| attributes_path(Path::new(text), "x", None).map(|p| p.display().to_string());
        assert_eq!(path("c/documents/en/a.jsonl.gz").unwrap(), "c/attributes/x/en/a.jsonl.gz");
        assert_eq!(path("/documents/v/documents/a.gz").unwrap(), "/documents/v/attributes/x/a.gz");
        assert!(path("c/documents").is_err() && path("a.jsonl").is_err());
        let to = attributes_path(Path::new("c/documents/en/a.gz"), "x", Some(Path::new("out"))).unwrap();
        assert_eq!(to, Path::new("out/en/a.gz"));
    }

    #[test]
    fn strange_files_are_found_wherever_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("documents");
        let outputs = [root.join("en/a.jsonl")];
        nothing_else(&root, &outputs).unwrap();
        std::fs::create_dir_all(root.join("en/.regimen")).unwrap();
        std::fs::write(&outputs[0], "").unwrap();
        std::fs::write(root.join("en/.regimen/a.jsonl.json"), "").unwrap();
        nothing_else(&root, &outputs).unwrap();
        std::fs::create_dir(root.join("de")).unwrap();
        std::fs::write(root.join("de/old.jsonl"), "").unwrap();
        let error = nothing_else(&root, &outputs).unwrap_err().to_string();
        assert!(error.contains("de/old.jsonl"), "{error}");
    }
}
