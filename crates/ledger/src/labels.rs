//! Tags and notes that people give to runs. They lie in the run's folder, beside its record.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use regimen_base::fs;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lock::{Asked, Lock};
use crate::store::Store;

/// Name of the file in the run's folder.
pub(crate) const LABELS: &str = "labels.json";

/// Longest note, in bytes.
const LONGEST: usize = 1 << 16;

/// How often, and how long apart, a lock is asked for that another process holds for two writes.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// What people say of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Words without spaces.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// A text; empty if there is none.
    #[serde(default)]
    pub note: String,
}

impl Labels {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.note.is_empty()
    }

    /// Why a text cannot be a tag: it must be found again by a word of a filter.
    pub fn unfit(tag: &str) -> Option<&'static str> {
        match tag {
            "" => Some("it is empty"),
            _ if tag.len() > 100 => Some("it is longer than 100 bytes"),
            _ if tag.starts_with(['+', '-', '.']) => Some("it begins with a sign"),
            _ if tag
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '+')) =>
            {
                None
            }
            _ => Some("it has other characters than letters, digits and `_ - . : / +`"),
        }
    }
}

impl Store {
    /// The labels of a run; none if nobody gave it any.
    ///
    /// # Errors
    /// [`Error::Run`] if the file is damaged.
    pub fn labels(&self, run: &str) -> Result<Labels> {
        read(&self.run_dir(run))
    }

    /// Change the labels of a run, and give back what they are then. Two who do so at once both have their way.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such run; [`Error::Busy`] if another process does not come to an end.
    pub fn label(&self, run: &str, change: impl FnOnce(&mut Labels)) -> Result<Labels> {
        let info = self.find_run(run)?.ok_or_else(|| Error::Unknown {
            what: "run",
            text: run.into(),
            hint: "`regimen runs` lists all".into(),
        })?;
        let dir = self.run_dir(run);
        let path = dir.join("labels.lock");
        let mut tries = 0;
        let lock = loop {
            match Lock::ask(&path)? {
                Asked::Held(lock) => break lock,
                Asked::Busy(pid) if tries == TRIES => {
                    return Err(Error::Busy { kind: info.kind, key: info.key.short(), pid });
                }
                Asked::Busy(_) => std::thread::sleep(PAUSE),
            }
            tries += 1;
        };
        fs::remove_leftovers(&dir);
        let changed = read(&dir).and_then(|mut labels| {
            change(&mut labels);
            if labels.note.len() > LONGEST {
                let mut end = LONGEST;
                while !labels.note.is_char_boundary(end) {
                    end -= 1;
                }
                labels.note.truncate(end);
            }
            fs::write_json(&dir.join(LABELS), &labels)?;
            Ok(labels)
        });
        lock.retire();
        changed
    }
}

/// The labels in the folder of a run.
pub(crate) fn read(dir: &Path) -> Result<Labels> {
    let path = dir.join(LABELS);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Error::Run { path, why: e.to_string() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Labels::default()),
        Err(e) => Err(e.into()),
    }
}
