//! From what a user writes to the artifact that is meant.

use std::path::Path;

use regimen_base::{Key, fs, suggest};

use crate::error::{Error, Result};
use crate::manifest::Artifact;
use crate::store::{Store, dir_key};

/// Digits of a key below which nobody can mean one.
const LEAST_DIGITS: usize = 4;
/// The folder with a file for each stage name: what it was last used for.
pub(crate) const NAMES: &str = "names";

impl Store {
    /// The artifact that `text` means: a stage name (what it was last used for), a run id, a key or the beginning of one
    /// (at least four digits, `key:` before it or not), or, with a `/`, the folder of an artifact.
    ///
    /// # Errors
    /// [`Error::Unknown`] and [`Error::Ambiguous`]; those of [`Store::artifact`] if it is damaged.
    pub fn resolve(&self, text: &str) -> Result<Artifact> {
        if let Some(digits) = text.strip_prefix("key:") {
            return self.by_prefix(digits)?.ok_or_else(|| self.unknown(text));
        }
        if text.contains('/') {
            return Artifact::open(Path::new(text));
        }
        if let Some(artifact) = self.named(text)? {
            return Ok(artifact);
        }
        if let Some(artifact) = self.newest(text)? {
            return Ok(artifact);
        }
        // One whose manifest is damaged is in no index, but its run remembers it.
        if let Some(run) = self.runs()?.iter().rev().find(|run| run.stage == text)
            && let Some(artifact) = self.artifact(&run.kind, run.key)?
        {
            return Ok(artifact);
        }
        if let Some((_, digits)) = text.rsplit_once('-')
            && let Some(run) = self.find_run(text)?
        {
            let made = self.artifact(&run.kind, run.key)?;
            return made.ok_or_else(|| Error::Unknown {
                what: "artifact",
                text: text.into(),
                hint: format!("the run exists but is {}; its artifact would be {digits}...", run.status),
            });
        }
        self.by_prefix(text)?.ok_or_else(|| self.unknown(text))
    }

    /// Let a stage name stand for an artifact (which may not be finished yet), until the name is used for another one.
    pub fn name(&self, stage: &str, kind: &str, key: Key) -> Result<()> {
        let path = self.dir().join(NAMES).join(stage);
        let line = format!("{kind} {key}\n");
        if fs::read(&path).is_ok_and(|old| old == line.as_bytes()) {
            return Ok(());
        }
        fs::create_dir_all(&self.dir().join(NAMES))?;
        Ok(fs::write(&path, line.as_bytes())?)
    }

    /// Kind and key that a stage name was last used for.
    pub fn last_use(&self, stage: &str) -> Option<(String, Key)> {
        if stage.is_empty() || stage.starts_with('.') || stage.contains(['/', '\\']) {
            return None;
        }
        let line = fs::read_text(&self.dir().join(NAMES).join(stage)).ok()?;
        let (kind, key) = line.trim_end().split_once(' ')?;
        Some((kind.into(), key.parse().ok()?))
    }

    /// The finished artifact that a stage name was last used for.
    fn named(&self, stage: &str) -> Result<Option<Artifact>> {
        match self.last_use(stage) {
            Some((kind, key)) => self.artifact(&kind, key),
            None => Ok(None),
        }
    }

    /// The newest artifact made under a stage name.
    pub fn newest(&self, stage: &str) -> Result<Option<Artifact>> {
        let present = self.present()?;
        let rows = self.index().by_stage(&present, stage)?;
        rows.first().map_or(Ok(None), |row| self.artifact(&row.kind, row.key))
    }

    fn by_prefix(&self, digits: &str) -> Result<Option<Artifact>> {
        let lower = digits.to_ascii_lowercase();
        if lower.len() < LEAST_DIGITS || !lower.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let fitting: Vec<(Key, _)> = self
            .artifact_dirs()?
            .into_iter()
            .filter_map(|dir| Some((dir_key(&dir)?, dir)))
            .filter(|(key, _)| key.to_string().starts_with(&lower))
            .collect();
        match &fitting[..] {
            [] => Ok(None),
            [(_, dir)] => Artifact::open(dir).map(Some),
            several => Err(Error::Ambiguous {
                text: digits.into(),
                matches: several
                    .iter()
                    .take(6)
                    .map(|(key, dir)| {
                        let kind = dir.parent().and_then(Path::file_name).unwrap_or_default();
                        format!(
                            "{} {}",
                            kind.to_string_lossy(),
                            &key.to_string()[..(lower.len() + 4).min(64)]
                        )
                    })
                    .collect(),
            }),
        }
    }

    fn unknown(&self, text: &str) -> Error {
        let stages = self.present().and_then(|present| self.index().stages(&present)).unwrap_or_default();
        let hint = if stages.is_empty() {
            "there are no artifacts yet; `regimen run RECIPE` makes some".into()
        } else if text.len() < LEAST_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            format!("write at least {LEAST_DIGITS} digits of a key, or the name of a stage")
        } else {
            suggest::hint(text, stages.iter().map(String::as_str))
        };
        Error::Unknown { what: "artifact", text: text.into(), hint }
    }
}
