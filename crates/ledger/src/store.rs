//! The store of a project: `.regimen/` with `artifacts/KIND/KEY/`, `work/KEY/`, `runs/ID/` and the index.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use regimen_base::{Hash256, Key, fs};

use crate::error::{Error, Result};
use crate::index::{FileState, Index, Present};
use crate::manifest::Artifact;
use crate::migrate::{self, LAYOUT};
use crate::share::{SHARE, Share};

/// The store of one project. Several processes may use it at once.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    index: Mutex<Index>,
    share: Mutex<Option<Share>>,
}

impl Store {
    /// The store of the project in folder `project`, made if it is not there, for somebody who will work in it:
    /// nothing in it is collected as long as the [`Store`] lives.
    ///
    /// # Errors
    /// [`Error::Layout`] for a store of a newer program; [`Error::InUse`] while it is collected or brought to a newer
    /// layout; [`Error::Fs`] if the folder cannot be made.
    pub fn open(project: &Path) -> Result<Store> {
        if let Some(store) = Store::look(project)? {
            store.share()?;
            store.tidy();
            return Ok(store);
        }
        let dir = project.join(".regimen");
        for name in ["artifacts", "work", "runs"] {
            fs::create_dir_all(&dir.join(name))?;
        }
        // What the store holds is made again from the recipe; it does not belong into version control.
        fs::write(&dir.join(".gitignore"), b"*\n")?;
        fs::write(&dir.join(SHARE), b"")?;
        migrate::mark(&dir, LAYOUT)?;
        fs::sync_dir(project)?;
        let store = Store::at(dir);
        store.share()?;
        store.tidy();
        Ok(store)
    }

    /// Remove what killed processes left of files that they were writing.
    fn tidy(&self) {
        fs::remove_leftovers(&self.dir);
        fs::remove_leftovers(&self.dir.join(crate::resolve::NAMES));
    }

    /// The store of the project in folder `project`, which must be there: nothing is made. One of an older layout is
    /// brought to that of this program.
    ///
    /// # Errors
    /// [`Error::NoStore`] if it is not there; [`Error::Layout`] for a store of a newer program.
    pub fn open_existing(project: &Path) -> Result<Store> {
        let shown = if project.as_os_str().is_empty() { Path::new(".") } else { project };
        Store::look(project)?.ok_or_else(|| Error::NoStore { project: shown.into() })
    }

    /// The store, if it is there. Its `version` is the last file to be made.
    fn look(project: &Path) -> Result<Option<Store>> {
        let dir = project.join(".regimen");
        if migrate::bring(&dir)? { Ok(Some(Store::at(dir))) } else { Ok(None) }
    }

    fn at(dir: PathBuf) -> Store {
        let index = Mutex::new(Index::new(&dir.join("index.sqlite")));
        Store { dir, index, share: Mutex::new(None) }
    }

    /// Hold the store against whoever would take something away from it, for as long as it is open here.
    pub(crate) fn share(&self) -> Result<()> {
        let mut held = self.held();
        if held.is_none() {
            *held = Share::ask(&self.dir)?;
        }
        Ok(())
    }

    /// What this store holds of the lock that keeps work and collection apart.
    pub(crate) fn held(&self) -> MutexGuard<'_, Option<Share>> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store's folder, `.regimen`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where an artifact lies or will lie.
    pub fn artifact_dir(&self, kind: &str, key: Key) -> PathBuf {
        self.dir.join("artifacts").join(kind).join(key.to_string())
    }

    /// Where an artifact is made.
    pub fn work_dir(&self, key: Key) -> PathBuf {
        self.dir.join("work").join(key.to_string())
    }

    pub(crate) fn lock_path(&self, key: Key) -> PathBuf {
        self.dir.join("work").join(format!("{key}.lock"))
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The artifact of a kind with a key, if it exists. A damaged one is an error that names it.
    pub fn artifact(&self, kind: &str, key: Key) -> Result<Option<Artifact>> {
        let dir = self.artifact_dir(kind, key);
        if dir.exists() { Artifact::open(&dir).map(Some) } else { Ok(None) }
    }

    /// All artifacts, by kind and key.
    ///
    /// # Errors
    /// As [`Store::artifact`], for the first that is damaged.
    pub fn artifacts(&self) -> Result<Vec<Artifact>> {
        self.artifact_dirs()?.iter().map(|dir| Artifact::open(dir)).collect()
    }

    /// The folders of all artifacts, damaged ones included, by kind and key.
    pub(crate) fn artifact_dirs(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for kind in fs::list(&self.dir.join("artifacts"))? {
            if kind.is_dir() {
                found.extend(
                    fs::list(&kind)?.into_iter().filter(|dir| dir_key(dir).is_some() && dir.is_dir()),
                );
            }
        }
        Ok(found)
    }

    /// The artifacts and runs that the folders hold right now: what the index is compared with.
    pub(crate) fn present(&self) -> Result<Present> {
        Ok(Present { artifacts: self.artifact_dirs()?, runs: self.run_dirs()? })
    }

    /// The folders of all runs.
    pub(crate) fn run_dirs(&self) -> Result<Vec<PathBuf>> {
        Ok(fs::list(&self.dir.join("runs"))?)
    }

    /// Throw the index away and make it again from the folders. Gives back how many artifacts and runs it holds.
    pub fn rebuild(&self) -> Result<(usize, usize)> {
        let present = self.present()?;
        self.index().rebuild(&present)
    }

    /// The hash and the length in bytes of a file's content. The hash is remembered by device, inode, length and time
    /// of change, so a file is read once. All threads of the pool hash.
    pub fn hash_file(&self, path: &Path) -> Result<(Hash256, u64)> {
        let (before, bytes) = FileState::of(path)?;
        if let Some(hash) = self.index().known_hash(before)? {
            return Ok((hash, bytes));
        }
        // Not while the index is held: a thread that waits for others in the pool may take up the next file meanwhile.
        let (hash, length) = Hash256::of_file_shared(path)?;
        if FileState::of(path)?.0 == before && before.settled() {
            self.index().remember_hash(before, hash)?;
        }
        Ok((hash, length))
    }

    /// Those of many files, several at once, in their order.
    ///
    /// # Errors
    /// That of the first file that cannot be read.
    pub fn hash_files<P: AsRef<Path> + Sync>(&self, paths: &[P]) -> Result<Vec<(Hash256, u64)>> {
        let each = |path: &P| self.hash_file(path.as_ref());
        let hashed: Vec<Result<_>> = paths.par_iter().with_max_len(1).map(each).collect();
        hashed.into_iter().collect()
    }
}

/// The key that an artifact's folder is called by.
pub(crate) fn dir_key(dir: &Path) -> Option<Key> {
    dir.file_name()?.to_str()?.parse().ok()
}
