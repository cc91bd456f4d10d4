//! Where things lie in Dolma's layout.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where the attributes of a documents file go: its last folder `documents` becomes `attributes/EXPERIMENT`; or, if
/// `to` is given, `to` takes the place of all up to that folder.
///
/// # Errors
/// [`Error::NoDocumentsFolder`].
pub(crate) fn attributes_path(documents: &Path, experiment: &str, to: Option<&Path>) -> Result<PathBuf> {
    let parts: Vec<_> = documents.components().collect();
    let place = parts[..parts.len().saturating_sub(1)].iter().rposition(|p| p.as_os_str() == "documents");
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
}
