//! The event log of a run, sorted into what a page shows.

use std::collections::BTreeMap;

use regimen_base::{Event, Record};

use crate::series::{Points, tidy};

/// What the events tell.
#[derive(Default)]
pub(crate) struct Log {
    /// Measured numbers by name, over steps.
    pub(crate) metrics: BTreeMap<String, Points>,
    /// Texts written on the way, in the order of the log.
    pub(crate) samples: Vec<Sample>,
    /// Notes and warnings, in the order of the log.
    pub(crate) notes: Vec<Note>,
    /// Steps from which the run went on after a stop.
    pub(crate) resumed: Vec<f64>,
    /// Threads of the last start.
    pub(crate) threads: Option<usize>,
    /// Checkpoints written.
    pub(crate) checkpoints: usize,
    /// The last step that was measured.
    pub(crate) last_step: Option<f64>,
    /// The summary with which the last execution ended.
    pub(crate) summary: Option<serde_json::Value>,
}

/// A text that the model wrote.
pub(crate) struct Sample {
    /// At which step.
    pub(crate) step: u64,
    /// What it had to continue.
    pub(crate) prompt: String,
    /// The continuation.
    pub(crate) text: String,
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

impl Log {
    /// Sort `records` out.
    pub(crate) fn new(records: Vec<Record>) -> Log {
        let mut log = Log::default();
        for record in records {
            match record.event {
                Event::Start { from_step, threads, .. } => {
                    log.threads = Some(threads);
                    if from_step > 0 {
                        log.resumed.push(from_step as f64);
                    }
                }
                Event::Metrics { step, values } => {
                    for (name, value) in values {
                        log.metrics.entry(name).or_default().push((step as f64, value.0));
                    }
                }
                Event::Sample { step, prompt, text } => log.samples.push(Sample { step, prompt, text }),
                Event::Checkpoint { .. } => log.checkpoints += 1,
                Event::Note { level, step, text } => log.notes.push(Note { level, step, text }),
                Event::End { summary, .. } => log.summary = Some(summary).filter(|s| !s.is_null()),
                _ => {}
            }
        }
        log.resumed.sort_by(f64::total_cmp);
        log.resumed.dedup();
        log.metrics = log.metrics.into_iter().map(|(name, points)| (name, tidy(points))).collect();
        let ends = log.metrics.values().filter_map(|points| points.last());
        log.last_step = ends.map(|p| p.0).max_by(f64::total_cmp);
        log
    }

    /// The points of a metric; none if it was not measured.
    pub(crate) fn metric(&self, name: &str) -> &[(f64, f64)] {
        self.metrics.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The last finite value of a metric.
    pub(crate) fn last(&self, name: &str) -> Option<f64> {
        self.metric(name).iter().rev().map(|p| p.1).find(|y| y.is_finite())
    }

    /// Steps whose update was left out.
    pub(crate) fn skipped(&self) -> Vec<f64> {
        self.metric("skipped").iter().filter(|p| p.1 > 0.0).map(|p| p.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::events::Number;

    #[test]
    fn events_are_sorted_into_curves_and_notes() {
        let start = |from_step| Event::Start {
            stage: "base".into(),
            kind: "pretrain".into(),
            key: String::new(),
            from_step,
            threads: 2,
            fingerprint: String::new(),
        };
        let step = |step, name: &str, value| Event::Metrics {
            step,
            values: BTreeMap::from([(name.to_string(), Number(value))]),
        };
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
        assert_eq!(log.skipped(), [2.0]);
        assert_eq!(log.resumed, [2.0]);
        assert_eq!(log.last_step, Some(3.0));
        assert!(log.metric("none").is_empty());
        assert_eq!(log.notes[0].level, "warning");
    }
}
