//! The files below a folder, in the order of their names; links are not followed.

use std::path::{Path, PathBuf};

use regimen_base::fs;

use super::archive::{Entry, What};
use crate::error::Result;

pub(super) struct Walk {
    root: PathBuf,
    /// Paths below the root that are still to come, the next one last.
    left: Vec<PathBuf>,
}

impl Walk {
    pub fn new(root: &Path) -> Result<Walk> {
        let mut walk = Walk { root: root.into(), left: Vec::new() };
        walk.add(root)?;
        Ok(walk)
    }

    /// Where a file lies.
    pub fn full(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn add(&mut self, folder: &Path) -> Result<()> {
        let mut paths = fs::list(folder)?;
        paths.sort_by(|a, b| b.cmp(a));
        self.left.append(&mut paths);
        Ok(())
    }

    pub fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(full) = self.left.pop() {
            let about = std::fs::symlink_metadata(&full).map_err(|e| fs::Error::new("read", &full, e))?;
            let below = full.strip_prefix(&self.root).unwrap_or(&full);
            let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            let path = parts.join("/");
            let unreadable = full.to_str().is_none();
            let what = if about.is_dir() {
                if !is_repository(&path) {
                    self.add(&full)?;
                    continue;
                }
                What::Repository
            } else if about.is_file() && !unreadable {
                What::File
            } else {
                What::Other
            };
            return Ok(Some(Entry { path, bytes: if about.is_file() { about.len() } else { 0 }, what }));
        }
        Ok(None)
    }
}

/// Whether a path is the folder of a version control system, or within one.
pub(crate) fn is_repository(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, ".git" | ".hg" | ".svn" | ".bzr" | "CVS" | "_darcs" | ".jj"))
}
