//! Files that lie apart until all of them are whole.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regimen_base::{Hash256, fs};

use crate::claim::Claim;
use crate::error::Result;

/// A hidden folder beside the one that the files are to be in. What is not settled is removed.
pub(super) struct Staged {
    dir: PathBuf,
    base: PathBuf,
}

impl Staged {
    /// For files below `dir`, of a kind with this name. What killed processes left there is removed.
    pub fn named(dir: &Path, kind: &str) -> Result<Staged> {
        let start = format!(".{kind}.tmp");
        fs::create_dir_all(dir)?;
        let base = dir.join(format!(".{kind}.{}", fs::temporary()));
        for path in fs::list(dir)? {
            let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
            if ours && (path == base || fs::is_leftover(&path)) {
                fs::remove_dir_all(&path)?;
            }
        }
        fs::create_dir_all(&base)?;
        Ok(Staged { dir: dir.into(), base })
    }

    /// Where the files are written.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Put `files` in place of those of an earlier export; both are relative to the folder. What was another file goes first of
    /// all: whoever is stopped on the way leaves no document twice.
    pub fn replace(self, earlier: &[String], files: &[String]) -> Result<()> {
        Claim::begin(&self.dir, files)?;
        let new: BTreeSet<&String> = files.iter().collect();
        for gone in earlier {
            let path = self.dir.join(gone);
            if new.contains(gone) && same(&path, &self.base.join(gone))? {
                continue;
            }
            fs::remove_file(&path)?;
            // The folder of an experiment that is not exported any more; one that holds more stays.
            let _ = path.parent().filter(|folder| *folder != self.dir).map(std::fs::remove_dir);
        }
        for file in files {
            let path = self.dir.join(file);
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            fs::rename(&self.base.join(file), &path)?;
        }
        Ok(())
    }
}

/// Whether two files have the same content.
fn same(one: &Path, other: &Path) -> Result<bool> {
    Ok(fs::size(one)? == fs::size(other)? && Hash256::of_file(one)? == Hash256::of_file(other)?)
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The fault that is on its way counts more than one of tidying up.
        let _ = fs::remove_dir_all(&self.base);
    }
}
