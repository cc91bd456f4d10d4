//! Long work as another thread sees it: how far it is, and whether it is still wanted.

use std::sync::atomic::{AtomicU64, Ordering};

use regimen_base::Cancel;

use super::error::{Error, Result};

/// Shared between the one who works and the one who waits.
#[derive(Debug, Default)]
pub struct Task {
    done: AtomicU64,
    total: AtomicU64,
    cancel: Cancel,
}

impl Task {
    /// Say that it is wanted no more: the work ends with [`Error::Stopped`].
    pub fn stop(&self) {
        self.cancel.ask();
    }

    /// Share of the work that is done, from 0 to 1; none while it is not known.
    pub fn share(&self) -> Option<f64> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| (self.done.load(Ordering::Relaxed) as f64 / total as f64).min(1.0))
    }

    /// There is so much more to do.
    pub(crate) fn expect(&self, more: usize) {
        self.total.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// So much of it is done.
    ///
    /// # Errors
    /// [`Error::Stopped`] once the work is wanted no more.
    pub(crate) fn did(&self, done: usize) -> Result<()> {
        self.done.fetch_add(done as u64, Ordering::Relaxed);
        if self.cancel.asked() { Err(Error::Stopped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_known_once_there_is_something_to_do() {
        let task = Task::default();
        assert_eq!(task.share(), None);
        task.expect(4);
        task.did(1).unwrap();
        assert_eq!(task.share(), Some(0.25));
        task.stop();
        assert!(matches!(task.did(9), Err(Error::Stopped)));
        assert_eq!(task.share(), Some(1.0));
    }
}
