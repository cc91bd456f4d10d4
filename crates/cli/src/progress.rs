//! The live line of a run on a terminal, and plain lines elsewhere. Both are fed by the event log.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regimen_base::{Event, Record, Watch, units};

use crate::output::{paint, shown};
use crate::{profile, terminal};

/// Seconds between two plain lines.
const PLAIN: Duration = Duration::from_secs(10);
/// Time between two paintings of the live line.
const LIVE: Duration = Duration::from_millis(100);
/// Half-life of the step time that the remaining time is reckoned from, in seconds.
const HALF_LIFE: f64 = 30.0;
const BAR: usize = 16;

/// Watches one stage.
pub struct Progress {
    stage: String,
    root: PathBuf,
    terminal: bool,
    began: Instant,
    painted: Option<Instant>,
    line: bool,
    done: u64,
    total: u64,
    unit: String,
    note: String,
    values: BTreeMap<String, f64>,
    pace: Pace,
}

/// Seconds a unit, from sums of time and of units that both fade: a pause for validation counts for what it takes, not
/// as one very slow step.
#[derive(Default)]
pub struct Pace {
    last: Option<(f64, u64)>,
    seconds: f64,
    units: f64,
}

impl Pace {
    pub fn see(&mut self, now: f64, done: u64) {
        if let Some((then, before)) = self.last {
            if done <= before {
                return;
            }
            let passed = (now - then).max(0.0);
            let keep = 0.5f64.powf(passed / HALF_LIFE);
            self.seconds = keep * self.seconds + passed;
            self.units = keep * self.units + (done - before) as f64;
        }
        self.last = Some((now, done));
    }

    pub fn left(&self, done: u64, total: u64) -> Option<f64> {
        (total > done && self.units > 0.0).then(|| self.seconds / self.units * (total - done) as f64)
    }
}

impl Progress {
    /// For a stage of the project at `root`.
    pub fn new(stage: &str, root: &Path) -> Progress {
        Progress {
            stage: stage.into(),
            root: root.into(),
            terminal: io::stderr().is_terminal() && std::env::var_os("CI").is_none(),
            began: Instant::now(),
            painted: None,
            line: false,
            done: 0,
            total: 0,
            unit: String::new(),
            note: String::new(),
            values: BTreeMap::new(),
            pace: Pace::default(),
        }
    }

    fn due(&self) -> bool {
        let pause = if self.terminal { LIVE } else { PLAIN };
        self.painted.map_or(self.began.elapsed() >= pause, |then| then.elapsed() >= pause)
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied().filter(|v| v.is_finite())
    }

    /// The words behind the bar.
    fn words(&self) -> Vec<(&'static str, String)> {
        let mut words = Vec::new();
        if let Some(loss) = self.value("loss") {
            words.push(("loss", format!("{loss:.3}")));
        }
        if let Some(bpb) = self.value("bpb") {
            words.push(("bpb", format!("{bpb:.3}")));
        }
        if let Some(pace) = self.value("tokens_per_second") {
            words.push(("tok/s", units::count(pace)));
        }
        if let Some(left) = self.pace.left(self.done, self.total) {
            words.push(("ETA", units::duration(left)));
        }
        words
    }

    fn amount(&self) -> String {
        let show = |n: u64| if self.unit == "bytes" { units::bytes(n) } else { n.to_string() };
        if self.total > 0 { format!("{}/{}", show(self.done), show(self.total)) } else { show(self.done) }
    }

    fn live(&self) -> String {
        let share = if self.total > 0 { self.done as f64 / self.total as f64 } else { 0.0 };
        let full = ((share * BAR as f64).round() as usize).min(BAR);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        let unit = if self.unit == "bytes" { String::new() } else { format!("{} ", self.unit) };
        let mut text = format!("{} {bar} {unit}{}", paint("1", &self.stage), self.amount());
        let words = self.words();
        if words.is_empty() && !self.note.is_empty() {
            text.push_str(&format!("  {}", self.note));
        }
        words.iter().for_each(|(name, value)| text.push_str(&format!("  {name} {value}")));
        text
    }

    fn plain(&self) -> String {
        let mut text = format!("{} {}={}", self.stage, self.unit, self.amount());
        for (name, value) in self.words() {
            text.push_str(&format!(" {}={value}", name.to_lowercase()));
        }
        text
    }

    fn paint(&mut self) {
        let text =
            if self.terminal { format!("\r\x1b[2K{}", self.live()) } else { format!("{}\n", self.plain()) };
        let _ = io::stderr().write_all(text.as_bytes());
        self.line = self.terminal;
        self.painted = Some(Instant::now());
    }

    fn clear(&mut self) {
        if self.line && !terminal::active() {
            let _ = io::stderr().write_all(b"\r\x1b[2K");
            self.line = false;
        }
    }
}

impl Watch for Progress {
    fn see(&mut self, record: &Record) {
        match &record.event {
            Event::Progress { done, total, unit, note } => {
                (self.done, self.total) = (*done, *total);
                self.unit.clone_from(unit);
                self.note.clone_from(note);
                self.pace.see(record.t, *done);
                // A view that fills the screen shows more, from the log.
                if !terminal::active() && self.due() {
                    self.paint();
                }
            }
            Event::Metrics { values, .. } => {
                self.values.extend(values.iter().map(|(name, value)| (name.clone(), value.0)));
            }
            // It stands in the log, which such a view shows.
            Event::Note { .. } | Event::Profile { .. } | Event::Pause { .. } if terminal::active() => {}
            Event::Pause { step, paused } => {
                self.clear();
                let what = if *paused { "paused" } else { "goes on" };
                let _ = writeln!(io::stderr(), "{} {what} after step {step}", paint("36", "note:"));
            }
            Event::Note { level, text, .. } => {
                self.clear();
                let level = if level == "warning" { paint("33;1", "warning:") } else { paint("36", "note:") };
                let _ = writeln!(io::stderr(), "{level} {text}");
            }
            Event::Profile { path, table } => {
                self.clear();
                if let Ok(profile) = serde_json::from_value(table.clone()) {
                    let text = profile::text(&self.stage, &profile, &shown(&self.root.join(path)));
                    let _ = writeln!(io::stderr(), "{text}");
                }
            }
            Event::End { .. } => self.clear(),
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(progress: &mut Progress, t: f64, event: Event) {
        progress.see(&Record { t, event });
    }

    #[test]
    fn the_line_tells_step_loss_pace_and_remaining_time() {
        let mut progress = Progress::new("base", Path::new(""));
        progress.terminal = false;
        for step in 1..=10u64 {
            let values = [("loss", 3.0), ("bpb", 2.1), ("tokens_per_second", 11_200.0)];
            let values =
                values.into_iter().map(|(n, v)| (n.to_string(), regimen_base::events::Number(v))).collect();
            see(&mut progress, step as f64 * 2.0, Event::Metrics { step, values });
            let event = Event::Progress { done: step, total: 40, unit: "steps".into(), note: String::new() };
            see(&mut progress, step as f64 * 2.0, event);
        }
        assert_eq!(progress.plain(), "base steps=10/40 loss=3.000 bpb=2.100 tok/s=11.2k eta=01:00");
        assert!(progress.live().contains("████░░░░░░░░░░░░ steps 10/40  loss 3.000"), "{}", progress.live());
    }

    #[test]
    fn a_number_that_is_none_is_not_shown() {
        let mut progress = Progress::new("base", Path::new(""));
        let values = [("loss".to_string(), regimen_base::events::Number(f64::NAN))].into();
        see(&mut progress, 0.0, Event::Metrics { step: 1, values });
        assert!(progress.words().is_empty());
    }
}
