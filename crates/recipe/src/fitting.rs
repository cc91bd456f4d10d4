//! What lies in folders and fits a glob pattern. Links are followed as in a folder that is named without a pattern, and
//! names that are not UTF-8 are met like others: who wants them as text says what is wrong with them.

use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};
use regimen_base::{Hint, fs};

use crate::files::NoFiles;

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: true,
};

/// A part of a pattern between two `/`.
enum Part {
    /// A name as it is.
    Plain(PathBuf),
    /// Names that fit.
    Names(Pattern),
    /// `**`: the folder itself and all below it.
    Folders,
}

/// The parts of `pattern`, which has a special character.
fn parts(pattern: &str) -> Result<Vec<Part>, NoFiles> {
    let wrong = |error: glob::PatternError| {
        let hint =
            "in a pattern `*` stands for any name, `**` for any folders, `[ab]` for one of these letters";
        (format!("`{pattern}` is not a glob pattern: {}", error.msg), Some(hint.to_string()))
    };
    Pattern::new(pattern).map_err(wrong)?;
    let mut parts = Vec::new();
    for component in Path::new(pattern).components() {
        let text = component.as_os_str().to_string_lossy();
        parts.push(match component {
            Component::Normal(_) if text == "**" => Part::Folders,
            Component::Normal(_) if text.contains(['*', '?', '[']) => {
                Part::Names(Pattern::new(&text).map_err(wrong)?)
            }
            other => Part::Plain(other.as_os_str().into()),
        });
    }
    if let Some(Part::Folders) = parts.last() {
        // By itself `**` means folders alone, and the files beside them would silently be left out.
        parts.push(Part::Names(Pattern::new("*").map_err(wrong)?));
    }
    Ok(parts)
}

/// The files and folders that `pattern` means below `root`.
pub(crate) fn fitting(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, NoFiles> {
    let parts = parts(pattern)?;
    let here = root.as_os_str().is_empty();
    let top = if here { Path::new(".") } else { root };
    let mut found = vec![top.to_path_buf()];
    for (number, part) in (1..).zip(&parts) {
        let last = number == parts.len();
        let mut next = Vec::new();
        for folder in &found {
            let step = match part {
                Part::Plain(name) => {
                    let path = folder.join(name);
                    next.extend(path.symlink_metadata().is_ok().then_some(path));
                    Ok(())
                }
                Part::Names(pattern) => names(folder, top, pattern, last, &mut next),
                Part::Folders => folders(folder, top, &mut next),
            };
            step.map_err(|error| (error.to_string(), error.hint()))?;
        }
        next.sort();
        next.dedup();
        found = next;
    }
    if pattern.ends_with('/') {
        found.retain(|path| path.is_dir());
    }
    if here {
        let short = |path: PathBuf| path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path);
        found = found.into_iter().map(short).collect();
    }
    Ok(found)
}

/// What lies in `folder` and fits; folders alone where the pattern goes on behind it.
fn names(folder: &Path, top: &Path, pattern: &Pattern, last: bool, out: &mut Vec<PathBuf>) -> fs::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::list(folder)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        // For the library the `*` of `*.*` may be nothing, and its dot that of a hidden name.
        let hidden = name.starts_with('.') && !pattern.as_str().starts_with('.');
        if hidden || !pattern.matches_with(&name, OPTIONS) {
            continue;
        }
        let is_folder = entry.is_dir();
        if (last || is_folder) && !(is_folder && is_circle(&entry, top)?) {
            out.push(entry);
        }
    }
    Ok(())
}

/// `folder` and all folders below it whose names do not begin with a dot.
fn folders(folder: &Path, top: &Path, out: &mut Vec<PathBuf>) -> fs::Result<()> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::list(&folder)? {
            let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && entry.is_dir() && !is_circle(&entry, top)? {
                open.push(entry);
            }
        }
        out.push(folder);
    }
    Ok(())
}

fn is_circle(folder: &Path, top: &Path) -> fs::Result<bool> {
    Ok(folder.is_symlink() && fs::leads_back(folder, top)?)
}
