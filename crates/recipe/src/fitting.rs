//! What lies in folders and fits a glob pattern. Links are followed as in a folder that is named without a pattern, and
//! names that are not UTF-8 are met like others: who wants them as text says what is wrong with them.

use std::path::{Path, PathBuf};

use glob::PatternError;
use regimen_base::{Hint, fs};
use regimen_objects::glob::{Part, parts};

use crate::files::NoFiles;

fn wrong(pattern: &str, error: &PatternError) -> NoFiles {
    let hint = "in a pattern `*` stands for any name, `**` for any folders, `[ab]` for one of these letters";
    (format!("`{pattern}` is not a glob pattern: {}", error.msg), Some(hint.to_string()))
}

/// The files and folders that `pattern` means below `root`.
pub(crate) fn fitting(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, NoFiles> {
    let components = Path::new(pattern).components().filter_map(|part| part.as_os_str().to_str());
    let parts = parts(components).map_err(|error| wrong(pattern, &error))?;
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
                Part::Names(_) => names(folder, top, part, last, &mut next),
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
fn names(folder: &Path, top: &Path, part: &Part, last: bool, out: &mut Vec<PathBuf>) -> fs::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::list(folder)? {
        if !part.means(&entry.file_name().unwrap_or_default().to_string_lossy()) {
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
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            if Part::Folders.means(&name) && entry.is_dir() && !is_circle(&entry, top)? {
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
