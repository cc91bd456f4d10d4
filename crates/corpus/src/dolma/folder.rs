//! Where things lie in Dolma's layout.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use regimen_base::fs;
use regimen_objects::is_url;
use regimen_recipe::InputFile;

use crate::error::{Error, Result};
use crate::read::lines::Form;

/// The folder of documents. A folder that has one stands for what lies in it.
pub const DOCUMENTS: &str = "documents";

/// The place of a documents file by its name: that of an object is its URL, wherever it was brought to.
pub(crate) fn place_of(file: &InputFile) -> &Path {
    if is_url(&file.path) { Path::new(&file.path) } else { &file.full }
}

/// Where the attributes of a documents file go: its last folder `documents` becomes `attributes/EXPERIMENT`; or, if
/// `to` is given, `to` takes the place of all up to that folder. Those of a table are lines all the same, and stand in a file
/// called after it with `.jsonl.gz` behind its name, so that no other file of documents has that place.
///
/// # Errors
/// [`Error::NoDocumentsFolder`]; [`Error::NotBeside`] for an object, beside which nothing is written.
pub(crate) fn attributes_path(documents: &Path, experiment: &str, to: Option<&Path>) -> Result<PathBuf> {
    if to.is_none() && documents.to_str().is_some_and(is_url) {
        return Err(Error::NotBeside { file: documents.display().to_string() });
    }
    let lines = as_lines(documents);
    let parts: Vec<_> = lines.components().collect();
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
        (None, Some(to)) => Ok(to.join(lines.file_name().unwrap_or_default())),
        (None, None) => Err(Error::NoDocumentsFolder { file: documents.display().to_string() }),
    }
}

/// The name of a file of lines for what is made of the rows of another one.
fn as_lines(file: &Path) -> Cow<'_, Path> {
    match Form::of_name(&file.to_string_lossy()) {
        Form::Lines => Cow::Borrowed(file),
        Form::Table(_) | Form::Parquet => {
            let mut name = file.as_os_str().to_os_string();
            name.push(".jsonl.gz");
            Cow::Owned(name.into())
        }
    }
}

/// The experiments whose attributes lie beside a documents file, by name; none if it lies in no folder `documents`, or in an
/// object store.
pub(crate) fn experiments_of(documents: &Path) -> Result<Vec<String>> {
    if documents.to_str().is_some_and(is_url) {
        return Ok(Vec::new());
    }
    let parts: Vec<_> = documents.components().collect();
    let place = parts[..parts.len().saturating_sub(1)].iter().rposition(|p| p.as_os_str() == DOCUMENTS);
    let Some(place) = place else { return Ok(Vec::new()) };
    let folder = parts[..place].iter().collect::<PathBuf>().join("attributes");
    let mut names = Vec::new();
    for path in fs::list(&folder)?.iter().filter(|path| path.is_dir()) {
        // A step that failed leaves no more than its notes.
        if !holds_files(path)? {
            continue;
        }
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with('.') => {}
            Some(name) => names.push(name.to_string()),
            None => return Err(Error::AttributesName { name: path.display().to_string() }),
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a folder has a file that is not hidden, at any depth.
fn holds_files(folder: &Path) -> Result<bool> {
    for path in fs::list(folder)?.iter().filter(|path| !is_hidden(path)) {
        if !path.is_dir() || holds_files(path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Where the attributes of all `files` go, by [`attributes_path`], checked: each has its own place, none is one of the files,
/// and none is among documents.
///
/// # Errors
/// [`Error::AttributesName`], [`Error::NoDocumentsFolder`], [`Error::SameOutput`], [`Error::OverInput`],
/// [`Error::OverDocuments`].
pub(crate) fn attributes_of(
    files: &[InputFile],
    experiment: &str,
    to: Option<&Path>,
) -> Result<Vec<PathBuf>> {
    is_folder_name(experiment)?;
    let outputs = files
        .iter()
        .map(|file| attributes_path(place_of(file), experiment, to))
        .collect::<Result<Vec<PathBuf>>>()?;
    let mut sorted: Vec<(&PathBuf, &InputFile)> = outputs.iter().zip(files).collect();
    sorted.sort_by_key(|(path, _)| *path);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::SameOutput {
            output: pair[0].0.display().to_string(),
            first: pair[0].1.path.clone(),
            second: pair[1].1.path.clone(),
        });
    }
    spares(files.iter().map(|file| file.full.as_path()), outputs.iter().map(PathBuf::as_path))?;
    let roots: BTreeSet<PathBuf> = files.iter().flat_map(|file| documents_of(&file.full)).collect();
    // Of a whole path, folders above may have that name by chance.
    let named = to.is_some_and(|to| match to.is_relative() {
        true => to.iter().any(|name| name == "documents"),
        false => to.file_name().is_some_and(|name| name == "documents"),
    });
    let among = |path: &&PathBuf| named || real(path).ancestors().any(|folder| roots.contains(folder));
    match outputs.iter().find(among) {
        Some(path) => Err(Error::OverDocuments { output: path.display().to_string() }),
        None => Ok(outputs),
    }
}

/// The folders `documents` that a file lies below, without links: by its name, as [`attributes_path`] finds it, and by where
/// it is.
pub(crate) fn documents_of(file: &Path) -> impl Iterator<Item = PathBuf> {
    let nearest = |file: &Path| {
        let mut above = file.ancestors().skip(1);
        above.find(|folder| folder.file_name().is_some_and(|name| name == "documents")).map(real)
    };
    nearest(file).into_iter().chain(nearest(&real(file)))
}

/// Check that a name is that of one folder.
fn is_folder_name(name: &str) -> Result<()> {
    let mut parts = Path::new(name).components();
    let one = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    let hidden = name.starts_with('.');
    if one && !hidden && !name.contains(['/', '\\']) {
        Ok(())
    } else {
        Err(Error::AttributesName { name: name.into() })
    }
}

/// Check that no output is one of the inputs, under whatever name, or a device.
///
/// # Errors
/// [`Error::OverInput`] with the first that is; what [`fs::no_device`] says.
pub(crate) fn spares<'p>(
    inputs: impl IntoIterator<Item = &'p Path>,
    outputs: impl IntoIterator<Item = &'p Path>,
) -> Result<()> {
    let inputs: BTreeSet<PathBuf> = inputs.into_iter().map(real).collect();
    for output in outputs {
        fs::no_device(output)?;
        if inputs.contains(&real(output)) {
            return Err(Error::OverInput { output: output.display().to_string() });
        }
    }
    Ok(())
}

/// Check that no output lies among the documents that a step reads, as `patterns` of files name them: it would be read with
/// them the next time. Of a folder these are all its files, or those of its `documents`; of files and patterns what lies beside them
/// in a folder `documents`.
///
/// # Errors
/// [`Error::AmongDocuments`] with the first that does.
pub fn apart<'p>(patterns: &[String], outputs: impl IntoIterator<Item = &'p Path>) -> Result<()> {
    let folders: Vec<PathBuf> =
        patterns.iter().filter(|pattern| !is_url(pattern)).filter_map(|p| folder_of(p)).collect();
    for output in outputs {
        let place = real(output);
        if let Some(folder) = folders.iter().find(|folder| place.starts_with(real(folder))) {
            let (output, folder) = (output.display().to_string(), folder.display().to_string());
            return Err(Error::AmongDocuments { output, folder });
        }
    }
    Ok(())
}

/// The folder in which whatever is written is read as a document.
fn folder_of(pattern: &str) -> Option<PathBuf> {
    let path = Path::new(pattern);
    if path.is_dir() {
        let inner = path.join(DOCUMENTS);
        return Some(if inner.is_dir() { inner } else { path.into() });
    }
    // Of a whole path, folders above may have that name by chance.
    let special = |folder: &Path| folder.to_string_lossy().contains(['*', '?', '[']);
    let base = path.ancestors().skip(1).find(|folder| !special(folder))?;
    base.ancestors().any(|folder| folder.ends_with(DOCUMENTS)).then(|| base.into())
}

/// The folders among `patterns` that are in no layout: all files below them are documents.
pub fn plain_folders(patterns: &[String]) -> Vec<String> {
    let plain = |pattern: &&String| {
        let path = Path::new(pattern.as_str());
        path.is_dir() && !path.join(DOCUMENTS).is_dir() && !path.iter().any(|part| part == DOCUMENTS)
    };
    patterns.iter().filter(plain).cloned().collect()
}

/// A path without links and steps upwards, as far as it is there.
pub(crate) fn real(path: &Path) -> PathBuf {
    let mut real = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.into()).components() {
        match part {
            Component::ParentDir => drop(real.pop()),
            part => real.push(part),
        }
        real = real.canonicalize().unwrap_or(real);
    }
    real
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
    fn outputs_stay_apart_from_documents() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at("w/documents/en")).unwrap();
        std::fs::create_dir_all(at("plain")).unwrap();
        let among = |pattern: &str, output: &str| {
            let pattern = at(pattern).display().to_string();
            match apart(&[pattern, "s3://b/documents/x".into()], [at(output).as_path()]) {
                Ok(()) => false,
                Err(Error::AmongDocuments { .. }) => true,
                Err(other) => panic!("{other}"),
            }
        };
        assert!(among("w", "w/documents/s.jsonl") && among("w/documents", "w/documents/en/../new/s.jsonl"));
        assert!(among("w/documents/en", "w/documents/en") && among("plain", "plain/s.jsonl"));
        assert!(
            among("w/documents/en/*.gz", "w/documents/en/s") && among("w/documents/a.gz", "w/documents/s")
        );
        assert!(!among("documents/project/data/*.jsonl", "documents/project/s.jsonl"));
        assert!(!among("w", "w/s.jsonl") && !among("w", "w/attributes/x/s.jsonl"));
        assert!(!among("w/documents/en", "w/documents/de") && !among("plain/*.gz", "plain/s.jsonl"));
    }

    #[test]
    fn attributes_lie_where_dolma_looks_for_them() {
        let path = |text: &str| attributes_path(Path::new(text), "x", None).map(|p| p.display().to_string());
        assert_eq!(path("c/documents/en/a.jsonl.gz").unwrap(), "c/attributes/x/en/a.jsonl.gz");
        assert_eq!(path("/documents/v/documents/a.gz").unwrap(), "/documents/v/attributes/x/a.gz");
        assert!(path("c/documents").is_err() && path("a.jsonl").is_err());
        let to = attributes_path(Path::new("c/documents/en/a.gz"), "x", Some(Path::new("out"))).unwrap();
        assert_eq!(to, Path::new("out/en/a.gz"));
        // Those of objects go where they are told to, and nowhere else.
        let url = Path::new("s3://b/web/documents/en/a.gz");
        let to = attributes_path(url, "x", Some(Path::new("out"))).unwrap();
        assert_eq!(to, Path::new("out/en/a.gz"));
        assert!(matches!(attributes_path(url, "x", None), Err(Error::NotBeside { .. })));
        assert!(experiments_of(url).unwrap().is_empty());
        // Those of tables are lines.
        assert_eq!(path("c/documents/a.parquet").unwrap(), "c/attributes/x/a.parquet.jsonl.gz");
        assert_eq!(path("c/documents/a.csv.gz").unwrap(), "c/attributes/x/a.csv.gz.jsonl.gz");
        let to = attributes_path(Path::new("a.parquet"), "x", Some(Path::new("out"))).unwrap();
        assert_eq!(to, Path::new("out/a.parquet.jsonl.gz"));
    }

    #[test]
    fn experiments_are_folders_that_hold_something() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let documents = make("c/documents/a.jsonl");
        make("c/attributes/two/en/a.jsonl");
        make("c/attributes/one/a.jsonl");
        make("c/attributes/failed/.regimen-notes/lock");
        make("c/attributes/failed/en/.regimen-notes/lock");
        make("c/attributes/.hidden/a.jsonl");
        assert_eq!(experiments_of(&documents).unwrap(), ["one", "two"]);
        assert!(experiments_of(&make("lone.jsonl")).unwrap().is_empty());
    }

    fn input(path: &Path) -> InputFile {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{}").unwrap();
        InputFile {
            path: path.display().to_string(),
            full: path.into(),
            bytes: 2,
            blake3: regimen_base::Hash256::of(b"{}"),
        }
    }

    #[test]
    fn attributes_take_no_place_of_documents() {
        let dir = tempfile::tempdir().unwrap();
        // A folder of that name above the dataset says nothing.
        let web = dir.path().join("documents/web");
        let files = [input(&web.join("documents/a.jsonl")), input(&web.join("documents/en/a.jsonl"))];
        let to = |to: &str| attributes_of(&files, "x", Some(&web.join(to)));
        assert_eq!(attributes_of(&files, "x", None).unwrap()[1], web.join("attributes/x/en/a.jsonl"));
        assert!(to("out").is_ok() && to("attributes/y").is_ok());
        for place in ["documents", "documents/en"] {
            assert!(matches!(to(place), Err(Error::OverInput { .. })), "{place}");
        }
        for place in ["documents/new", "out/documents", "out/../documents/new"] {
            assert!(matches!(to(place), Err(Error::OverDocuments { .. })), "{place}");
        }
        let lone = [input(&dir.path().join("a.jsonl"))];
        assert!(matches!(attributes_of(&lone, "x", Some(dir.path())), Err(Error::OverInput { .. })));
        for name in ["", ".", "..", "../../x", "a/b", "/x", "x/", ".x", "a\\b"] {
            assert!(matches!(attributes_of(&files, name, None), Err(Error::AttributesName { .. })), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_input_is_known_by_other_names() {
        let dir = tempfile::tempdir().unwrap();
        let file = input(&dir.path().join("documents/a.jsonl"));
        std::os::unix::fs::symlink(dir.path().join("documents"), dir.path().join("link")).unwrap();
        // The folder may be a link itself.
        std::os::unix::fs::symlink(dir.path().join("documents"), dir.path().join("raw")).unwrap();
        std::fs::create_dir(dir.path().join("c")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("raw"), dir.path().join("c/documents")).unwrap();
        let linked = [InputFile { full: dir.path().join("c/documents/a.jsonl"), ..file.clone() }];
        let told = attributes_of(&linked, "x", Some(&dir.path().join("c/documents/new")));
        assert!(matches!(told, Err(Error::OverDocuments { .. })));
        // Named through a link, or from inside, documents lie where they lie.
        let through = [InputFile { full: dir.path().join("raw/a.jsonl"), ..file.clone() }];
        let told = attributes_of(&through, "x", Some(&dir.path().join("documents/new")));
        assert!(matches!(told, Err(Error::OverDocuments { .. })));
        let over = |path: &str| spares([file.full.as_path()], [dir.path().join(path).as_path()]).is_err();
        assert!(over("documents/a.jsonl") && over("link/a.jsonl") && over("link/../documents/./a.jsonl"));
        assert!(!over("documents/b.jsonl") && !over("new/a.jsonl"));
    }

    #[test]
    fn strange_files_are_found_wherever_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("documents");
        let outputs = [root.join("en/a.jsonl")];
        nothing_else(&root, &outputs).unwrap();
        std::fs::create_dir_all(root.join("en/.regimen-notes")).unwrap();
        std::fs::write(&outputs[0], "").unwrap();
        std::fs::write(root.join("en/.regimen-notes/a.jsonl.json"), "").unwrap();
        nothing_else(&root, &outputs).unwrap();
        std::fs::create_dir(root.join("de")).unwrap();
        std::fs::write(root.join("de/old.jsonl"), "").unwrap();
        let error = nothing_else(&root, &outputs).unwrap_err().to_string();
        assert!(error.contains("de/old.jsonl"), "{error}");
    }
}
