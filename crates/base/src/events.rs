//! The event log of a run: one JSON object a line, only ever appended to, read by everything that shows a run.
//!
//! `{"t":1763893200.52,"k":"metrics","step":40,"values":{"loss":3.1}}`: `t` is Unix time in seconds, `k` the kind.
//! After a crash the log is cut back to the length that the last checkpoint recorded, so no step stands in it twice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fs;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The stage began, or began again after a crash.
    Start {
        /// Name of the stage in its recipe.
        stage: String,
        /// Kind of the stage.
        kind: String,
        /// Key of the artifact that it makes.
        key: String,
        /// Step from which it goes on; 0 for a fresh start.
        from_step: u64,
        /// Threads it works with.
        threads: usize,
        /// Program, instruction-set path and C library that fix the bits.
        fingerprint: String,
    },
    /// Numbers measured at a step, such as `loss`, `lr`, `grad_norm`, `tokens_per_second`.
    Metrics {
        /// The step they belong to.
        step: u64,
        /// Name and value. Not-a-number is written as null by JSON and read back as NaN.
        values: BTreeMap<String, Number>,
    },
    /// A text that the model wrote at a step.
    Sample {
        /// The step it was drawn at.
        step: u64,
        /// What it was asked to continue.
        prompt: String,
        /// What it wrote.
        text: String,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// Where, relative to the work folder.
        path: String,
    },
    /// Some steps were profiled.
    Profile {
        /// The trace, relative to the project root.
        path: String,
        /// Where the time of a step went.
        table: Value,
    },
    /// How far a stage has come. Shown; kept when `done == total`, and now and then on the way.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, 0 if unknown.
        total: u64,
        /// What is counted: `steps`, `documents`, `bytes`.
        unit: String,
        /// A few words or numbers for the progress line.
        note: String,
    },
    /// The user paused the run after a step, or it goes on.
    Pause {
        /// The step.
        step: u64,
        /// Whether it waits.
        paused: bool,
    },
    /// Anything worth saying: a skipped step, a resumed run, a warning.
    Note {
        /// `info` or `warning`.
        level: String,
        /// The step, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u64>,
        /// The words.
        text: String,
    },
    /// The stage ended: `done`, `interrupted` or `failed`.
    End {
        /// How.
        status: String,
        /// Wall-clock seconds of this execution.
        seconds: f64,
        /// What the stage wants remembered about its result.
        #[serde(default)]
        summary: Value,
    },
}

/// A measured number; JSON has no NaN, so null stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Option<f64>", into = "Option<f64>")]
pub struct Number(pub f64);

impl From<Option<f64>> for Number {
    fn from(value: Option<f64>) -> Number {
        Number(value.unwrap_or(f64::NAN))
    }
}

impl From<Number> for Option<f64> {
    fn from(number: Number) -> Option<f64> {
        number.0.is_finite().then_some(number.0)
    }
}

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Unix time in seconds.
    pub t: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Whoever wants to see events as they happen: a progress line, a dashboard.
pub trait Watch: Send {
    /// An event happened.
    fn see(&mut self, record: &Record);
}

/// The log of one run, open for writing.
pub struct EventLog {
    file: Option<fs::File>,
    length: u64,
    watch: Option<Box<dyn Watch>>,
    /// When progress was last kept.
    kept: f64,
}

/// Seconds between two events of progress that are kept on the way, for those who read the log alone.
const KEPT: f64 = 5.0;

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_secs_f64()).unwrap_or_default()
}

impl EventLog {
    /// Open the log at `path`, cut back to `length` bytes (0 starts anew). A file that is shorter keeps all it has:
    /// [`EventLog::length`] is then below `length`, and what is missing is lost.
    pub fn open(path: &Path, length: u64, watch: Option<Box<dyn Watch>>) -> fs::Result<EventLog> {
        let present = fs::size(path).unwrap_or(0);
        let length = length.min(present);
        Ok(EventLog { file: Some(fs::append_at(path, length)?), length, watch, kept: now() })
    }

    /// A log that keeps nothing: that of a process whose group has another one to write it.
    pub fn silent() -> EventLog {
        EventLog { file: None, length: 0, watch: None, kept: 0.0 }
    }

    /// Write one event and show it. Of progress on the way little is written.
    pub fn emit(&mut self, event: Event) -> fs::Result<()> {
        let record = Record { t: now(), event };
        if let Some(watch) = &mut self.watch {
            watch.see(&record);
        }
        if let Event::Progress { done, total, .. } = record.event {
            if (done != total || total == 0) && (0.0..KEPT).contains(&(record.t - self.kept)) {
                return Ok(());
            }
            self.kept = record.t;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(&record)
            .map_err(|e| fs::Error::new("encode an event for", file.path(), e.into()))?;
        line.push(b'\n');
        file.put(&line)?;
        file.push()?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Bytes written so far: what a checkpoint records.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Cut the log back to `length` bytes: what came after belongs to work that is done anew.
    pub fn cut_back(&mut self, length: u64) -> fs::Result<()> {
        self.length = self.length.min(length);
        self.file.as_mut().map_or(Ok(()), |file| file.cut(self.length))
    }

    /// Make what was written durable.
    pub fn sync(&mut self) -> fs::Result<()> {
        self.file.as_mut().map_or(Ok(()), fs::File::sync)
    }

    /// Say something in passing.
    pub fn note(&mut self, step: Option<u64>, text: impl Into<String>) -> fs::Result<()> {
        self.emit(Event::Note { level: "info".into(), step, text: text.into() })
    }

    /// Warn of something.
    pub fn warn(&mut self, step: Option<u64>, text: impl Into<String>) -> fs::Result<()> {
        self.emit(Event::Note { level: "warning".into(), step, text: text.into() })
    }

    /// Report progress.
    pub fn progress(&mut self, done: u64, total: u64, unit: &str, note: impl Into<String>) -> fs::Result<()> {
        self.emit(Event::Progress { done, total, unit: unit.into(), note: note.into() })
    }

    /// Numbers of a step.
    pub fn metrics(&mut self, step: u64, values: &[(&str, f64)]) -> fs::Result<()> {
        let values = values.iter().map(|(name, value)| (name.to_string(), Number(*value))).collect();
        self.emit(Event::Metrics { step, values })
    }
}

/// All whole records of a log; a last line that a crash cut off, or that is of a kind a newer program wrote, is
/// passed over.
pub fn read(path: &Path) -> fs::Result<Vec<Record>> {
    let bytes = fs::read(path)?;
    Ok(bytes.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Hand all whole records of a log to `see`, in order, as [`read`] does but without holding them all. A line longer than
/// [`LONGEST`] bytes is passed over.
pub fn each(path: &Path, mut see: impl FnMut(Record)) -> fs::Result<()> {
    let failed = |e| fs::Error::new("read", path, e);
    let mut file = BufReader::with_capacity(1 << 16, fs::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = LONGEST + 1;
        if (&mut file).take(limit).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        if line.len() as u64 == limit && line.last() != Some(&b'\n') {
            file.skip_until(b'\n').map_err(failed)?;
        } else if let Ok(record) = serde_json::from_slice(&line) {
            see(record);
        }
    }
}

/// The longest line of a log that [`each`] takes, in bytes.
pub const LONGEST: u64 = 1 << 26;

/// The log's place in the folder of a run.
pub fn path_in(run: &Path) -> PathBuf {
    run.join("events.jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_back_and_cut_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_in(dir.path());
        let mut log = EventLog::open(&path, 0, None).unwrap();
        log.metrics(1, &[("loss", 2.5), ("grad_norm", f64::NAN)]).unwrap();
        let kept = log.length();
        log.metrics(2, &[("loss", 2.0)]).unwrap();
        log.progress(1, 2, "steps", "").unwrap();
        drop(log);
        assert_eq!(read(&path).unwrap().len(), 2);

        let mut log = EventLog::open(&path, kept, None).unwrap();
        log.note(Some(1), "resumed").unwrap();
        drop(log);
        let records = read(&path).unwrap();
        assert_eq!(records.len(), 2);
        let Event::Metrics { step: 1, values } = &records[0].event else { panic!("{:?}", records[0]) };
        assert!(values["grad_norm"].0.is_nan() && values["loss"].0 == 2.5);
        assert!(matches!(&records[1].event, Event::Note { text, .. } if text == "resumed"));
    }

    #[test]
    fn of_progress_on_the_way_some_is_kept_now_and_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_in(dir.path());
        let mut log = EventLog::open(&path, 0, None).unwrap();
        log.progress(1, 9, "bytes", "").unwrap();
        log.kept -= 2.0 * KEPT;
        (2..9).try_for_each(|done| log.progress(done, 9, "bytes", "")).unwrap();
        log.progress(9, 9, "bytes", "").unwrap();
        drop(log);
        let done = |record: Record| match record.event {
            Event::Progress { done, .. } => done,
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&path).unwrap().into_iter().map(done).collect::<Vec<_>>(), [2, 9]);
    }

    #[test]
    fn a_log_that_lost_its_end_tells_its_real_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_in(dir.path());
        let mut log = EventLog::open(&path, 0, None).unwrap();
        log.note(None, "one").unwrap();
        log.sync().unwrap();
        let length = log.length();
        drop(log);
        let mut log = EventLog::open(&path, length + 100, None).unwrap();
        assert_eq!(log.length(), length);
        log.note(None, "two").unwrap();
        drop(log);
        assert_eq!(read(&path).unwrap().len(), 2);
        assert!(!fs::read(&path).unwrap().contains(&0), "the gap was filled with zeros");
    }

    #[test]
    fn a_torn_last_line_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_in(dir.path());
        let mut log = EventLog::open(&path, 0, None).unwrap();
        log.note(None, "whole").unwrap();
        drop(log);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"t\":1,\"k\":\"note\",\"lev");
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        let mut seen = Vec::new();
        each(&path, |record| seen.push(record)).unwrap();
        assert_eq!(seen, read(&path).unwrap());
    }
}
