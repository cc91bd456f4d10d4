//! Which attribute files belong to which files of documents.
//!
//! `.../attributes/EXPERIMENT/REST` belongs to `.../documents/REST`; elsewhere the paths below the two folders that a source
//! names must be the same. Ends that say how a file is packed do not count.

use std::collections::{BTreeMap, BTreeSet};

use regimen_recipe::InputFile;

use crate::config::Source;
use crate::error::{Error, Place, Result};
use crate::read::stream::Packing;

/// The part of a path that documents and attributes share, and, in Dolma's layout, what stands before it and the
/// experiment.
fn rest<'p>(path: &'p str, base: &str, folder: &str, skip: usize) -> (&'p str, Option<(&'p str, &'p str)>) {
    let path = Packing::of_name(path).1;
    let mut parts = path.match_indices('/').map(|(i, _)| i).collect::<Vec<_>>();
    parts.reverse();
    // From the last folder on, without the name of the file.
    for (n, &end) in parts.iter().enumerate() {
        let start = parts.get(n + 1).map_or(0, |&before| before + 1);
        if &path[start..end] == folder {
            let behind = &path[end + 1..];
            if skip == 0 {
                return (behind, Some((&path[..start], "")));
            }
            if let Some((experiment, rest)) = behind.split_once('/') {
                return (rest, Some((&path[..start], experiment)));
            }
        }
    }
    let below = path.strip_prefix(base).unwrap_or(path);
    (below.trim_start_matches('/'), None)
}

/// The folder that a pattern names: all up to its first part with a special character; of a file, its folder.
fn base(pattern: &str, files: &[InputFile]) -> String {
    if let [only] = files
        && only.path == pattern
    {
        return pattern.rsplit_once('/').map_or("", |(folder, _)| folder).into();
    }
    let plain: Vec<&str> = pattern.split('/').take_while(|part| !part.contains(['*', '?', '['])).collect();
    plain.join("/").trim_end_matches('/').into()
}

/// The attribute files of every file of documents, by its path, in the order of the experiments.
pub(super) fn pairs(
    source: &Source,
    documents: &[InputFile],
    pattern: &str,
    files: &[InputFile],
) -> Result<Vec<(String, Vec<InputFile>)>> {
    let base_of_documents = base(&source.path, documents);
    let base_of_files = base(pattern, files);
    let mut found: Vec<(String, Vec<InputFile>)> =
        documents.iter().map(|d| (d.path.clone(), Vec::new())).collect();
    let mut by_rest: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, document) in documents.iter().enumerate() {
        by_rest.entry(rest(&document.path, &base_of_documents, "documents", 0).0).or_default().push(i);
    }
    let mut experiments: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    let whole = |file: &str| Place { file: file.into(), unit: "", number: 0 };
    for file in files {
        let (below, layout) = rest(&file.path, &base_of_files, "attributes", 1);
        let mut fitting = by_rest.get(below).cloned().unwrap_or_default();
        if let (true, Some((before, _))) = (fitting.len() > 1, layout) {
            let beside = |&i: &usize| {
                let of = rest(&documents[i].path, &base_of_documents, "documents", 0).1;
                of.is_some_and(|(start, _)| start == before)
            };
            fitting.retain(beside);
        }
        let [document] = fitting[..] else {
            let reason = match fitting.len() {
                0 => format!(
                    "it belongs to no file of documents of source `{}`: none is called `{below}`",
                    source.name
                ),
                n => format!("it may belong to {n} files of documents of source `{}`", source.name),
            };
            return Err(Error::Attributes {
                place: whole(&file.path),
                reason,
                hint: "`attributes/NAME/REST` belongs to `documents/REST`; narrow `attributes` to such files"
                    .into(),
            });
        };
        experiments.entry(layout.map_or("", |(_, experiment)| experiment)).or_default().insert(document);
        found[document].1.push(file.clone());
    }
    for (experiment, has) in &experiments {
        if let Some(lacks) = (0..documents.len()).find(|i| !has.contains(i)) {
            let named = if experiment.is_empty() { String::new() } else { format!(" of `{experiment}`") };
            return Err(Error::Attributes {
                place: whole(&documents[lacks].path),
                reason: format!("there is no attribute file{named} for these documents"),
                hint: "compute the attributes of all files, or narrow `path` and `attributes` of the source"
                    .into(),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_both_layouts_have_their_rest() {
        let documents = |path| rest(path, "c", "documents", 0);
        let attributes = |path| rest(path, "tags", "attributes", 1);
        assert_eq!(documents("c/documents/en/a.jsonl.gz"), ("en/a.jsonl", Some(("c/", ""))));
        assert_eq!(documents("documents/documents/a.jsonl"), ("a.jsonl", Some(("documents/", ""))));
        assert_eq!(documents("c/en/a.jsonl"), ("en/a.jsonl", None));
        assert_eq!(attributes("c/attributes/x/en/a.jsonl.zst"), ("en/a.jsonl", Some(("c/", "x"))));
        assert_eq!(attributes("tags/en/a.jsonl.zst"), ("en/a.jsonl", None));
        assert_eq!(attributes("attributes/a.jsonl"), ("attributes/a.jsonl", None));
        assert_eq!(base("c/*/x.gz", &[]), "c");
        assert_eq!(base("c/d/", &[]), "c/d");
    }
}
