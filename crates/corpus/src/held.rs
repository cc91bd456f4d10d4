//! Folders that one process at a time writes to: a lock in the hidden folder of notes, gone when its holder is, however it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use regimen_base::{fs, machine};

use crate::dolma::folder::real;
use crate::error::{Error, Result};
use crate::output::NOTES;

/// The lock of most steps.
const LOCK: &str = "lock";
/// The lock of exports.
pub(crate) const EXPORT: &str = "export.lock";

/// A folder held for one process.
#[derive(Debug)]
pub struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Not by closing it alone: a child that another thread just starts has the file, too, until it runs its program.
        let _ = self.0.unlock();
    }
}

/// Hold the folder of the file at `path` for one process, until what is given back is dropped.
///
/// # Errors
/// [`Error::InUse`] if another process holds it.
pub(crate) fn hold(path: &Path) -> Result<Held> {
    hold_by(path, LOCK)
}

/// The same by a lock of another name.
pub(crate) fn hold_by(path: &Path, name: &str) -> Result<Held> {
    let folder = path.with_file_name(NOTES);
    let lock = folder.join(name);
    let failed = |e| fs::Error::new("lock", &lock, e);
    loop {
        fs::create_dir_all(&folder)?;
        let file = match File::options().create(true).truncate(false).write(true).open(&lock) {
            // Whoever was done with the folder removed it just now.
            Err(e) if e.kind() == ErrorKind::NotFound && !folder.exists() => continue,
            file => file.map_err(|e| fs::Error::new("open", &lock, e))?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = path.parent().unwrap_or(path).display().to_string();
                return Err(Error::InUse { folder });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e).into()),
        }
        // A lock on a file that was removed holds nobody apart.
        let ours = file.metadata().map_err(failed)?;
        match std::fs::metadata(&lock) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(Held(file)),
            _ => {}
        }
    }
}

/// Hold the folders of all these files, each once.
///
/// # Errors
/// [`Error::InUse`] for the first that another process holds.
pub(crate) fn hold_all<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<Vec<Held>> {
    let named: BTreeSet<&Path> = paths.into_iter().map(|path| path.parent().unwrap_or(path)).collect();
    // One folder may have several names; in one order, so that of two processes that share folders one has all of them.
    let folders: BTreeMap<PathBuf, &Path> = named.into_iter().map(|folder| (real(folder), folder)).collect();
    machine::allow_files(folders.len() as u64);
    folders.values().map(|folder| hold(&folder.join("files"))).collect()
}

/// Remove a folder that [`hold`] holds, with all in it. The lock goes last, so that nobody else has the folder before.
pub(crate) fn remove(folder: &Path, held: Held) -> Result<()> {
    let notes = folder.join(NOTES);
    let lock = notes.join(LOCK);
    for path in fs::list(folder)?.into_iter().filter(|path| *path != notes).chain(fs::list(&notes)?) {
        match path.is_dir() && !path.is_symlink() {
            true => fs::remove_dir_all(&path)?,
            false if path == lock => {}
            false => fs::remove_file(&path)?,
        }
    }
    fs::remove_file(&lock)?;
    drop(held);
    // Both are empty, unless somebody else holds the folder by now.
    let _ = std::fs::remove_dir(&notes);
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.gz");
        let held = hold(&path).unwrap();
        assert!(matches!(hold(&path), Err(Error::InUse { .. })));
        // As a child has it that does not run its program yet.
        let copy = held.0.try_clone().unwrap();
        drop(held);
        assert!(hold(&path).is_ok());
        drop(copy);
    }

    #[test]
    fn every_folder_is_held_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at("b")).unwrap();
        std::os::unix::fs::symlink(at("b"), at("link")).unwrap();
        let all = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| at(path)).collect();
            hold_all(paths.iter().map(PathBuf::as_path))
        };
        let held = all(&["b/1.gz", "a/1.gz", "b/2.gz", "link/3.gz", "a/../b/4.gz"]).unwrap();
        assert_eq!(held.len(), 2);
        for other in ["a/9.gz", "b/9.gz", "link/9.gz"] {
            assert!(matches!(all(&["c/1.gz", other]), Err(Error::InUse { .. })), "{other}");
        }
        drop(held);
        // Who was refused holds nothing; and folders may be many.
        let many: Vec<String> = (0..1200).map(|i| format!("many/{i}/x.gz")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).chain(["a/9.gz", "c/1.gz"]).collect();
        assert_eq!(all(&many).unwrap().len(), 1202);
    }

    #[test]
    fn a_folder_is_removed_before_another_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        let (held, lock) = (hold(&folder.join("parts")).unwrap(), folder.join(NOTES).join(LOCK));
        std::fs::create_dir_all(folder.join("parts/.regimen-notes")).unwrap();
        for file in ["parts/x", "parts/.regimen-notes/x.json", "near.000000", ".regimen-notes/y.json"] {
            std::fs::write(folder.join(file), "x").unwrap();
        }
        // Somebody who opened the lock before it went holds nobody off, and somebody who comes later is left alone.
        let early = File::options().write(true).open(&lock).unwrap();
        remove(&folder, held).unwrap();
        assert!(!folder.exists());
        early.try_lock().unwrap();
        let late = hold(&folder.join("parts")).unwrap();
        assert!(matches!(hold(&folder.join("parts")), Err(Error::InUse { .. })));
        drop(late);
    }
}
