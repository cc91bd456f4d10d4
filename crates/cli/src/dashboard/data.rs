//! What an event log tells, in bounded memory: nothing here draws or reads a file.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use regimen_base::series::Series;
use regimen_base::{Event, Record};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::lines::Lines;
use crate::progress::Pace;

/// Series that are kept at most.
const SERIES: usize = 512;
/// Samples that are kept at most, and bytes of them.
const SAMPLES: usize = 4096;
const SAMPLE_BYTES: usize = 8 << 20;
/// Samples of one step.
const PROMPTS: usize = 64;
/// Bytes of one sample.
const SAMPLE: usize = 16 << 10;

/// A text that the model wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub prompt: String,
    pub text: String,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub status: String,
    pub seconds: f64,
    /// Why it failed.
    pub error: Option<String>,
}

/// How far a stage is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    pub done: u64,
    pub total: u64,
    pub unit: String,
    pub note: String,
}

/// One run, as far as its log was read.
#[derive(Default)]
pub struct Run {
    pub stage: String,
    pub kind: String,
    pub threads: usize,
    pub series: BTreeMap<String, Series>,
    /// Names of the series, those first that are looked at first.
    pub names: Vec<String>,
    /// Names that there was no room for.
    pub more_names: usize,
    /// Seconds of work over steps.
    pub clock: Series,
    /// Samples by step.
    pub samples: VecDeque<(u64, Vec<Sample>)>,
    /// Samples, and their bytes.
    held: (usize, usize),
    pub lines: Lines,
    pub step: u64,
    pub done: Option<Done>,
    pub pace: Pace,
    pub checkpoint: Option<u64>,
    pub warnings: u64,
    pub paused: bool,
    pub ended: Option<Ended>,
    /// Unix time of the first and of the last event.
    pub first: Option<f64>,
    pub last: f64,
    /// Seconds of work in executions before this one, and when this one began.
    worked: f64,
    began: f64,
}

impl Run {
    /// Take in a line that begins at byte `at` of the log.
    pub fn line(&mut self, at: u64, bytes: &[u8]) {
        let line: Option<Line> = serde_json::from_slice(bytes).ok();
        let metrics = line.as_ref().is_some_and(|line| line.k == "metrics");
        self.lines.push(at, !metrics);
        let Some(line) = line.filter(|line| line.t.is_finite()) else { return };
        self.first.get_or_insert(line.t);
        if !metrics {
            // A kind that a newer program writes is only a line.
            if let Ok(record) = serde_json::from_slice(bytes) {
                self.record(record);
            }
        } else if let (Some(step), Some(values)) = (line.step, line.values) {
            self.metrics(line.t, step, values.0);
        }
        self.last = line.t;
    }

    fn metrics(&mut self, t: f64, step: u64, values: Vec<(Cow<str>, f64)>) {
        let x = step as f64;
        for (name, value) in values {
            if let Some(series) = self.series.get_mut(&*name) {
                series.push(x, value);
            } else if self.series.len() < SERIES {
                let mut series = Series::default();
                series.push(x, value);
                self.series.insert(name.to_string(), series);
                self.names.push(name.into_owned());
                self.names.sort_by_cached_key(|name| (rank(name), name.clone()));
            } else {
                self.more_names += 1;
            }
        }
        // Validation has numbers for a step that has some already.
        if step > self.step || self.clock.is_empty() {
            self.clock.push(x, self.worked + (t - self.began).max(0.0));
            self.pace.see(t, step);
        }
        self.step = step;
    }

    fn record(&mut self, record: Record) {
        match record.event {
            Event::Start { stage, kind, threads, from_step, .. } => {
                if self.began > 0.0 {
                    self.worked += (self.last - self.began).max(0.0);
                }
                (self.stage, self.kind, self.threads) = (stage, kind, threads);
                (self.began, self.step) = (record.t, from_step);
                (self.ended, self.paused, self.pace) = (None, false, Pace::default());
            }
            Event::Sample { step, prompt, text } => self.sample(step, &prompt, &text),
            Event::Checkpoint { step, .. } => self.checkpoint = Some(step),
            Event::Progress { done, total, unit, note } => {
                if unit != "steps" {
                    self.pace.see(record.t, done);
                }
                self.done = Some(Done { done, total, unit, note });
            }
            Event::Note { level, .. } => self.warnings += u64::from(level == "warning"),
            Event::Pause { paused, .. } => self.paused = paused,
            Event::End { status, seconds, summary } => {
                let error = summary.get("error").and_then(|error| error.as_str()).map(cut);
                self.ended = Some(Ended { status, seconds, error });
                self.paused = false;
            }
            _ => {}
        }
    }

    fn sample(&mut self, step: u64, prompt: &str, text: &str) {
        let sample = Sample { prompt: cut(prompt), text: cut(text) };
        let size = |sample: &Sample| sample.prompt.len() + sample.text.len();
        self.held.0 += 1;
        self.held.1 += size(&sample);
        match self.samples.back_mut() {
            Some((last, samples)) if *last == step && samples.len() < PROMPTS => samples.push(sample),
            _ => self.samples.push_back((step, vec![sample])),
        }
        while (self.held.0 > SAMPLES || self.held.1 > SAMPLE_BYTES) && self.samples.len() > 2 {
            // Every second step goes, but for the first and the last.
            let last = self.samples.len() - 1;
            let mut i = 0;
            self.samples.retain(|_| {
                i += 1;
                (i - 1) % 2 == 0 || i - 1 == last
            });
            let all = || self.samples.iter().flat_map(|(_, some)| some);
            self.held = (all().count(), all().map(size).sum());
        }
    }

    /// The last finite value of a series.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.series.get(name)?.last()
    }

    /// Units done, and units in all where that is known; `total` is what the config says.
    pub fn done(&self, total: Option<u64>) -> (u64, u64) {
        match &self.done {
            Some(done) if done.unit != "steps" => (done.done, done.total),
            Some(done) => (self.step, total.unwrap_or(done.total)),
            None => (self.step, total.unwrap_or(0)),
        }
    }
}

/// A text of bounded length.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(SAMPLE)].to_string()
}

/// The order of series in the list.
fn rank(name: &str) -> usize {
    let first = ["loss", "bpb", "lr", "grad_norm", "tokens_per_second", "tokens"];
    let group = ["bpb/"].iter().position(|start| name.starts_with(start)).map(|i| 10 + i);
    first.iter().position(|known| *known == name).or(group).unwrap_or(20)
}

/// A line of the log, as far as most lines go: metrics make nearly all of them.
#[derive(serde::Deserialize)]
struct Line<'a> {
    t: f64,
    #[serde(borrow)]
    k: Cow<'a, str>,
    #[serde(default)]
    step: Option<u64>,
    #[serde(default, borrow)]
    values: Option<Values<'a>>,
}

/// Names and numbers without a tree.
struct Values<'a>(Vec<(Cow<'a, str>, f64)>);

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Values<'a>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Values<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("numbers by name")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Values<'de>, M::Error> {
                let mut values = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, Option<f64>>()? {
                    values.push((name.0, value.unwrap_or(f64::NAN)));
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lines: &[&str]) -> Run {
        let mut run = Run::default();
        let mut at = 0;
        for line in lines {
            run.line(at, line.as_bytes());
            at += line.len() as u64 + 1;
        }
        run
    }

    const START: &str = r#"{"t":100.0,"k":"start","stage":"base","kind":"pretrain","key":"ab","from_step":0,"threads":2,"fingerprint":"f"}"#;

    #[test]
    fn events_are_sorted_out() {
        let run = run(&[
            START,
            r#"{"t":101.0,"k":"metrics","step":1,"values":{"lo\u0073s":3.5,"grad_norm":null}}"#,
            r#"{"t":102.0,"k":"metrics","step":2,"values":{"loss":3.0,"z/x":1.0,"bpb/a":2.0}}"#,
            r#"{"t":102.5,"k":"sample","step":2,"prompt":"p","text":"t"}"#,
            r#"{"t":102.5,"k":"sample","step":2,"prompt":"q","text":"u"}"#,
            r#"{"t":103.0,"k":"note","level":"warning","text":"w"}"#,
            r#"{"t":103.0,"k":"pause","step":2,"paused":true}"#,
            r#"{"t":103.0,"k":"of the future","step":2}"#,
            r#"{"t":"no number"}"#,
            "{\"t\":1,\"k",
            "",
        ]);
        assert_eq!(run.names, ["loss", "grad_norm", "bpb/a", "z/x"]);
        assert_eq!((run.value("loss"), run.value("grad_norm"), run.step), (Some(3.0), None, 2));
        assert_eq!(run.samples.len(), 1);
        assert_eq!(run.samples[0].1.len(), 2);
        assert!(run.paused && run.warnings == 1 && run.ended.is_none());
        assert_eq!(run.clock.rising_at(1.5), Some(1.5));
        assert_eq!((run.lines.count(false), run.lines.count(true)), (11, 9));
        assert_eq!((run.done(Some(10)), run.done(None)), ((2, 10), (2, 0)));
    }

    #[test]
    fn time_stands_still_between_executions() {
        let again = START.replace("100.0", "1000.0").replace("\"from_step\":0", "\"from_step\":1");
        let run = run(&[
            START,
            r#"{"t":110.0,"k":"metrics","step":1,"values":{"loss":3.5}}"#,
            r#"{"t":110.0,"k":"end","status":"failed","seconds":10.0,"summary":{"error":"why"}}"#,
            &again,
            r#"{"t":1005.0,"k":"metrics","step":2,"values":{"loss":3.0}}"#,
        ]);
        assert_eq!(run.clock.rising_at(2.0), Some(15.0));
        assert!(run.ended.is_none());
    }

    #[test]
    fn memory_is_bounded_whatever_the_log_holds() {
        let mut run = Run::default();
        for i in 0..2 * SERIES {
            run.line(0, format!(r#"{{"t":1,"k":"metrics","step":1,"values":{{"n{i}":1}}}}"#).as_bytes());
        }
        assert_eq!((run.series.len(), run.names.len(), run.more_names), (SERIES, SERIES, SERIES));
        let text = "é".repeat(SAMPLE);
        for step in 0..3000 {
            run.line(
                0,
                format!(r#"{{"t":1,"k":"sample","step":{step},"prompt":"","text":"{text}"}}"#).as_bytes(),
            );
        }
        assert!(run.held.1 <= SAMPLE_BYTES && run.held.0 <= SAMPLES);
        assert_eq!((run.samples[0].0, run.samples.back().unwrap().0), (0, 2999));
        assert!(run.samples.iter().zip(run.samples.iter().skip(1)).all(|(a, b)| a.0 < b.0));
    }
}
