//! The lock that keeps those who work in a store and those who take things away from it apart.
//!
//! Who makes artifacts shares it from the moment the store is opened, for as long as the program runs: what one stage
//! has made must still be there when the next one takes it. Who collects or brings the store to a newer layout wants it
//! alone. The lock is the operating system's, so a process that is killed holds nothing.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use regimen_base::fs;

use crate::error::{Error, Result};
use crate::lock::{Asked, Lock};

/// Name of the lock's file in the store.
pub(crate) const SHARE: &str = "lock";

/// A part in the lock, or all of it; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    file: File,
}

impl Share {
    /// A part in the lock of the store `dir`, beside others. None where no lock can be made because nothing can be
    /// written: then nothing can be taken away either.
    ///
    /// # Errors
    /// [`Error::InUse`] while somebody has it alone.
    pub(crate) fn ask(dir: &Path) -> Result<Option<Share>> {
        let file = match open(dir) {
            Ok(file) => file,
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Share { file })),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                path: dir.into(),
                who: "another process that collects or renews it".into(),
            }),
            Err(TryLockError::Error(e)) => Err(fs::Error::new("lock", &dir.join(SHARE), e).into()),
        }
    }

    /// The whole lock of the store `dir`.
    ///
    /// # Errors
    /// [`Error::InUse`] while anybody works in the store.
    pub(crate) fn alone(dir: &Path) -> Result<Share> {
        let file = open(dir)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(dir)),
            Err(TryLockError::Error(e)) => return Err(fs::Error::new("lock", &dir.join(SHARE), e).into()),
        }
        let share = Share { file };
        // A program of the first layout knows the locks of single artifacts alone.
        match held_works(dir)?.is_empty() {
            true => Ok(share),
            false => Err(in_use(dir)),
        }
    }
}

/// Freed by name, as [`Lock`] is.
impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn open(dir: &Path) -> fs::Result<File> {
    let path = dir.join(SHARE);
    match fs::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            // Two may make it at once; it is never replaced, so both have the same file.
            fs::append_at(&path, 0)?;
            fs::open(&path)
        }
        other => other,
    }
}

/// The locks of artifacts that somebody is making right now.
pub(crate) fn held_works(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut works = fs::list(&dir.join("work"))?;
    works.retain(|path| path.extension().is_some_and(|e| e == "lock") && Lock::is_held(path));
    Ok(works)
}

fn in_use(dir: &Path) -> Error {
    let pid = held_works(dir).ok().and_then(|works| match Lock::ask(works.first()?) {
        Ok(Asked::Busy(pid)) if pid != "?" => Some(pid),
        _ => None,
    });
    let who = match pid {
        Some(pid) => format!("another process (pid {pid})"),
        None => "another process".into(),
    };
    Error::InUse { path: dir.into(), who }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_it_and_one_has_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Share::ask(dir.path()).unwrap().unwrap(), Share::ask(dir.path()).unwrap().unwrap());
        assert!(matches!(Share::alone(dir.path()), Err(Error::InUse { .. })));
        drop(one);
        assert!(matches!(Share::alone(dir.path()), Err(Error::InUse { .. })));
        drop(two);
        let all = Share::alone(dir.path()).unwrap();
        assert!(matches!(Share::ask(dir.path()), Err(Error::InUse { .. })));
        drop(all);
        assert!(Share::ask(dir.path()).unwrap().is_some());
    }

    #[test]
    fn the_locks_of_single_artifacts_count_as_well() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(&dir.path().join("work")).unwrap();
        let Asked::Held(lock) = Lock::ask(&dir.path().join("work/a.lock")).unwrap() else { panic!("busy") };
        let error = Share::alone(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(lock);
        Share::alone(dir.path()).unwrap();
    }
}
