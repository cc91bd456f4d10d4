//! Locks that hold two processes apart: an operating-system lock on a file, gone when its holder is, however it ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use regimen_base::{fault, fs};

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

/// What asking for a lock gives.
pub(crate) enum Asked {
    /// It is ours.
    Held(Lock),
    /// Another holds it: the process id it wrote, or `?`.
    Busy(String),
}

impl Lock {
    /// Ask for the lock at `path` without waiting.
    pub(crate) fn ask(path: &Path) -> fs::Result<Asked> {
        let failed = |e| fs::Error::new("lock", path, e);
        loop {
            fault::point("write").map_err(failed)?;
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let _ = file.read_to_string(&mut pid);
                    let pid = pid.trim();
                    return Ok(Asked::Busy(if pid.is_empty() { "?".into() } else { pid.into() }));
                }
                Err(TryLockError::Error(e)) => return Err(failed(e)),
            }
            // A holder removes the file when its work is done: a lock on a removed file holds nobody apart.
            let ours = file.metadata().map_err(failed)?;
            match std::fs::metadata(path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {}
                _ => continue,
            }
            // Written in place, for a rename would put an unlocked file there. It is a help for messages alone.
            let _ = file.set_len(0);
            let _ = file.rewind();
            let _ = file.write_all(std::process::id().to_string().as_bytes());
            return Ok(Asked::Held(Lock { path: path.into(), file }));
        }
    }

    /// Whether somebody holds the lock at `path`.
    pub(crate) fn is_held(path: &Path) -> bool {
        match File::open(path) {
            Ok(file) => {
                let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
                let _ = file.unlock();
                held
            }
            Err(_) => false,
        }
    }

    /// Remove a lock's file that a process left which was killed when its work was done.
    pub(crate) fn tidy(path: &Path) {
        if path.exists()
            && let Ok(Asked::Held(lock)) = Lock::ask(path)
        {
            lock.retire();
        }
    }

    /// Remove the lock's file and free it, once nobody will ask for it again. A file that stays does no harm.
    pub(crate) fn retire(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Freed by name and not by closing alone: a child process that another thread is starting shares the open file until
/// its own program runs, and would hold the lock that long.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_shares_the_open_file_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let Asked::Held(lock) = Lock::ask(&path).unwrap() else { panic!("busy") };
        let inherited = lock.file.try_clone().unwrap();
        drop(lock);
        assert!(!Lock::is_held(&path));
        assert!(matches!(Lock::ask(&path).unwrap(), Asked::Held(_)));
        drop(inherited);
    }

    #[test]
    fn one_holder_at_a_time_and_the_other_learns_who() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let Asked::Held(lock) = Lock::ask(&path).unwrap() else { panic!("busy") };
        assert!(Lock::is_held(&path));
        let Asked::Busy(pid) = Lock::ask(&path).unwrap() else { panic!("held twice") };
        assert_eq!(pid, std::process::id().to_string());
        drop(lock);
        assert!(!Lock::is_held(&path));
        let Asked::Held(lock) = Lock::ask(&path).unwrap() else { panic!("busy") };
        lock.retire();
        assert!(!path.exists());
        assert!(matches!(Lock::ask(&path).unwrap(), Asked::Held(_)));
    }
}
