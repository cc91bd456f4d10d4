//! The event log of a run, sorted into what a page shows, in one pass and in memory that does not grow with it.

mod read;
mod samples;

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::{Event, Record, fs};

use crate::series::Series;

pub(crate) use samples::{Prompt, Samples, shortened};

/// Names that are measured, at most; a program that writes more is not ours.
const NAMES: usize = 512;
/// Notes kept.
pub(crate) const NOTES: usize = 200;
/// Resumptions kept.
const RESUMED: usize = 1000;
/// Seconds between two events of one execution that are believed to be work. A machine that slept was not at it.
const LONGEST_PAUSE: f64 = 86_400.0;

/// What the events tell.
#[derive(Default)]
pub(crate) struct Log {
    /// Measured numbers by name, over steps.
    pub(crate) metrics: BTreeMap<String, Series>,
    /// Seconds of work over steps, pauses between executions left out.
    pub(crate) seconds: Series,
    /// Texts written on the way.
    pub(crate) samples: Samples,
    /// The first notes and warnings, in the order of the log.
    pub(crate) notes: Vec<Note>,
    /// How many there were.
    pub(crate) all_notes: usize,
    /// Steps from which the run went on after a stop.
    pub(crate) resumed: Vec<f64>,
    /// Threads of the last start.
    pub(crate) threads: Option<usize>,
    /// The summary with which the last execution ended.
    pub(crate) summary: Option<serde_json::Value>,
    /// Names that were passed over, because there are too many.
    pub(crate) unnamed: bool,
    elapsed: f64,
    before: Option<f64>,
}

/// A remark of the run about itself.
pub(crate) struct Note {
    /// `info` or `warning`.
    pub(crate) level: String,
    /// At which step, where there is one.
    pub(crate) step: Option<u64>,
    /// The words.
    pub(crate) text: String,
}

static NOTHING: Series = Series::EMPTY;

impl Log {
    /// Read the log at `path`. Lines that a crash cut, or that a newer program wrote, are passed over.
    pub(crate) fn read(path: &Path) -> fs::Result<Log> {
        let mut log = Log::default();
        read::each(path, &mut |record| log.take(record))?;
        Ok(log.finished())
    }

    /// Sort `records` out.
    #[cfg(test)]
    pub(crate) fn new(records: Vec<Record>) -> Log {
        let mut log = Log::default();
        records.into_iter().for_each(|record| log.take(record));
        log.finished()
    }

    fn take(&mut self, record: Record) {
        if matches!(record.event, Event::Start { .. }) {
            self.before = None;
        }
        let passed = self.before.map_or(0.0, |before| record.t - before);
        if (0.0..LONGEST_PAUSE).contains(&passed) {
            self.elapsed += passed;
        }
        self.before = Some(record.t);
        match record.event {
            Event::Start { from_step, threads, .. } => {
                self.threads = Some(threads);
                if from_step > 0 && self.resumed.len() < RESUMED {
                    self.resumed.push(from_step as f64);
                }
            }
            Event::Metrics { step, values } => {
                self.seconds.push(step as f64, self.elapsed);
                for (name, value) in values {
                    self.measure(name, step as f64, value.0);
                }
            }
            Event::Sample { step, prompt, text } => self.samples.push(step, &prompt, &text),
            Event::Note { level, step, text } => {
                self.all_notes += 1;
                if self.notes.len() < NOTES {
                    self.notes.push(Note { level, step, text });
                }
            }
            Event::End { summary, .. } => self.summary = Some(summary).filter(|s| !s.is_null()),
            _ => {}
        }
    }

    fn measure(&mut self, name: String, step: f64, value: f64) {
        if let Some(series) = self.metrics.get_mut(&name) {
            series.push(step, value);
        } else if self.metrics.len() < NAMES {
            self.metrics.entry(name).or_default().push(step, value);
        } else {
            self.unnamed = true;
        }
    }

    fn finished(mut self) -> Log {
        self.resumed.sort_by(f64::total_cmp);
        self.resumed.dedup();
        self
    }

    /// The points of a metric; none if it was not measured.
    pub(crate) fn metric(&self, name: &str) -> &Series {
        self.metrics.get(name).unwrap_or(&NOTHING)
    }

    /// The last step that was measured.
    pub(crate) fn last_step(&self) -> Option<f64> {
        let ends = self.metrics.values().filter_map(|series| series.buckets().last());
        ends.map(|bucket| bucket.end).max_by(f64::total_cmp)
    }

    /// The last finite value of a metric.
    pub(crate) fn last(&self, name: &str) -> Option<f64> {
        self.metric(name).last().map(|p| p.1)
    }

    /// Steps whose update was left out; of very many, some.
    pub(crate) fn skipped(&self) -> Vec<f64> {
        let buckets = self.metric("skipped").buckets().iter();
        buckets.filter(|b| b.high > 0.0).map(|b| b.x).collect()
    }

    /// How many updates were left out.
    pub(crate) fn skipped_count(&self) -> f64 {
        let buckets = self.metric("skipped").buckets().iter().filter(|b| b.finite > 0);
        buckets.map(|b| b.mean() * b.finite as f64).sum::<f64>().round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::events::Number;

    fn start(from_step: u64) -> Event {
        Event::Start {
            stage: "base".into(),
            kind: "pretrain".into(),
            key: String::new(),
            from_step,
            threads: 2,
            fingerprint: String::new(),
        }
    }

    fn step(step: u64, name: &str, value: f64) -> Event {
        Event::Metrics { step, values: BTreeMap::from([(name.to_string(), Number(value))]) }
    }

    #[test]
    fn events_are_sorted_into_curves_and_notes() {
        let events = [
            start(0),
            step(1, "loss", 3.0),
            step(2, "loss", f64::NAN),
            step(2, "skipped", 1.0),
            start(2),
            step(3, "bpb/a", 1.0),
            Event::Note { level: "warning".into(), step: Some(2), text: "x".into() },
        ];
        let log = Log::new(events.into_iter().map(|event| Record { t: 0.0, event }).collect());
        assert_eq!(log.last("loss"), Some(3.0));
        assert_eq!((log.skipped(), log.skipped_count()), (vec![2.0], 1.0));
        assert_eq!(log.resumed, [2.0]);
        assert_eq!(log.last_step(), Some(3.0));
        assert!(log.metric("none").is_empty());
        assert_eq!(log.notes[0].level, "warning");
    }

    #[test]
    fn time_stands_still_while_nothing_runs() {
        let at = |t: f64, event: Event| Record { t, event };
        let log = Log::new(vec![
            at(100.0, start(0)),
            at(103.0, step(1, "loss", 3.0)),
            at(5000.0, start(1)),
            at(5004.0, step(2, "loss", 2.0)),
            at(1e9, step(3, "loss", 2.0)),
        ]);
        assert_eq!(log.seconds.points(), [(1.0, 3.0), (2.0, 7.0), (3.0, 7.0)]);
    }

    #[test]
    fn names_without_end_do_not_fill_the_memory() {
        let many = (0..2000).map(|i| Record { t: 0.0, event: step(i, &format!("name-{i}"), 1.0) });
        let log = Log::new(many.collect());
        assert_eq!(log.metrics.len(), NAMES);
        assert!(log.unnamed);
    }
}
