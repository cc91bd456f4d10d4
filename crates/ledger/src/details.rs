//! What is asked of many runs at once: their labels, and the ends and extremes of what they measured.
//!
//! The event log of a run is long, and is read once: what it comes to is kept in the index until the log changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use regimen_base::{Event, events};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::index::Stamps;
use crate::labels::{self, LABELS, Labels};
use crate::runs::{RunInfo, Status, run_id};
use crate::store::Store;

/// Numbers of a summary that are kept.
const NUMBERS: usize = 200;

/// A run's metric over all its steps. Values that are not finite are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The last value.
    pub last: f64,
    /// Its step.
    pub step: u64,
    /// The least value.
    pub least: f64,
    /// The first step that had it.
    pub least_step: u64,
    /// The greatest value.
    pub greatest: f64,
    /// The first step that had it.
    pub greatest_step: u64,
    /// How many values there are.
    pub count: u64,
}

/// What people said of a run, and what came out of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Tags and note.
    #[serde(flatten)]
    pub labels: Labels,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Measured>,
    /// Numbers of the summary with which it ended, by dotted path.
    pub summary: BTreeMap<String, f64>,
}

impl Measured {
    /// Before the first value.
    const NONE: Measured = Measured {
        last: f64::NAN,
        step: 0,
        least: f64::INFINITY,
        least_step: 0,
        greatest: f64::NEG_INFINITY,
        greatest_step: 0,
        count: 0,
    };

    fn add(&mut self, step: u64, value: f64) {
        (self.last, self.step) = (value, step);
        self.count += 1;
        if value < self.least {
            (self.least, self.least_step) = (value, step);
        }
        if value > self.greatest {
            (self.greatest, self.greatest_step) = (value, step);
        }
    }
}

impl Details {
    /// Those in the folder of a run. What cannot be read is left out.
    pub(crate) fn read(dir: &Path) -> Details {
        let mut details = Details { labels: labels::read(dir).unwrap_or_default(), ..Details::default() };
        let _ = events::each(&events::path_in(dir), |record| match record.event {
            Event::Metrics { step, values } => {
                for (name, value) in values.into_iter().filter(|(_, value)| value.0.is_finite()) {
                    details.metrics.entry(name).or_insert(Measured::NONE).add(step, value.0);
                }
            }
            Event::End { summary, .. } => {
                details.summary.clear();
                numbers(&summary, "", &mut details.summary);
            }
            _ => {}
        });
        details
    }

    /// The files in a run's folder that decide them.
    pub(crate) fn files(dir: &Path) -> [PathBuf; 2] {
        [events::path_in(dir), dir.join(LABELS)]
    }
}

fn numbers(value: &Value, path: &str, found: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                numbers(inner, &path, found);
            }
        }
        Value::Number(number) if found.len() < NUMBERS => {
            if let Some(x) = number.as_f64().filter(|x| x.is_finite()) {
                found.insert(path.into(), x);
            }
        }
        _ => {}
    }
}

impl Store {
    /// All runs with their details, oldest first. A record that cannot be read is left out; [`Store::verify`] names it.
    pub fn detailed_runs(&self) -> Result<Vec<(RunInfo, Details)>> {
        let dirs = self.run_dirs()?;
        // Not while the index is held: a thread that waits for others in the pool may take up what asks for it, too.
        let stamps: Vec<Stamps> = dirs.par_iter().map(|dir| Stamps::of(dir)).collect();
        let texts = self.index().detailed_runs(&dirs, &stamps)?;
        let read = |(info, details): &(String, String)| {
            Some((serde_json::from_str(info).ok()?, serde_json::from_str(details).ok()?))
        };
        let mut all: Vec<(RunInfo, Details)> = texts.par_iter().filter_map(read).collect();
        // A run that found its artifact made under another name has measured nothing itself.
        let cached =
            |(run, details): &(RunInfo, Details)| run.status == Status::Cached && details.metrics.is_empty();
        let wanted: Vec<usize> = (0..all.len()).filter(|&i| cached(&all[i])).collect();
        if !wanted.is_empty() {
            let mut made = BTreeMap::new();
            for (i, (run, _)) in all.iter().enumerate().filter(|(_, pair)| !cached(pair)) {
                made.insert(run.key, i);
            }
            for i in wanted {
                if let Some(&from) = made.get(&all[i].0.key) {
                    let (metrics, summary) = (all[from].1.metrics.clone(), all[from].1.summary.clone());
                    (all[i].1.metrics, all[i].1.summary) = (metrics, summary);
                }
            }
        }
        Ok(all.into_iter().map(|(info, details)| (self.as_it_stands(info), details)).collect())
    }

    /// The details of one run.
    pub fn details(&self, run: &RunInfo) -> Details {
        let mut details = Details::read(&self.run_dir(&run.id));
        if details.metrics.is_empty()
            && let Some(other) = self.events_of(run).parent().filter(|dir| *dir != self.run_dir(&run.id))
        {
            let made = Details::read(other);
            (details.metrics, details.summary) = (made.metrics, made.summary);
        }
        details
    }

    /// The event log of a run: its own, or that of the run that made its artifact under another name.
    pub fn events_of(&self, run: &RunInfo) -> PathBuf {
        let own = events::path_in(&self.run_dir(&run.id));
        if !own.exists()
            && let Ok(Some(artifact)) = self.artifact(&run.kind, run.key)
        {
            return events::path_in(&self.run_dir(&run_id(&artifact.manifest.stage, run.key)));
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::EventLog;
    use serde_json::json;

    #[test]
    fn ends_and_extremes_of_what_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = EventLog::open(&events::path_in(dir.path()), 0, None).unwrap();
        for (step, loss) in [(1, 3.0), (2, 1.5), (3, f64::NAN), (4, 2.0)] {
            log.metrics(step, &[("loss", loss)]).unwrap();
        }
        let summary = json!({"loss": 2.0, "validation": {"bpb": 1.25, "by": {"a": 1}}, "dtype": "u16"});
        log.emit(Event::End { status: "done".into(), seconds: 1.0, summary }).unwrap();
        drop(log);
        let details = Details::read(dir.path());
        let loss = details.metrics["loss"];
        assert_eq!((loss.last, loss.step, loss.least, loss.least_step), (2.0, 4, 1.5, 2));
        assert_eq!((loss.greatest, loss.greatest_step, loss.count), (3.0, 1, 3));
        let names: Vec<&str> = details.summary.keys().map(String::as_str).collect();
        assert_eq!(names, ["loss", "validation.bpb", "validation.by.a"]);
        assert_eq!(Details::read(&dir.path().join("nowhere")), Details::default());
    }
}
