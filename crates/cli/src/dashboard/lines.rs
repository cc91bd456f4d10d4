//! Where the lines of a log begin, in bounded memory, and what they say in words.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;

use regimen_base::{Event, Record, units};

/// Places that are kept of all lines, at most: every so many.
const PLACES: usize = 1 << 14;
/// Lines that are not numbers, of which all places are kept: the last ones.
const REMARKS: usize = 1 << 16;
/// Bytes that are read to find lines.
const SLICE: usize = 1 << 16;
/// Bytes of a line that are shown.
const SHOWN: usize = 4096;

/// Where lines begin.
#[derive(Debug)]
pub struct Lines {
    places: Vec<u64>,
    /// One place for so many lines.
    stride: u64,
    count: u64,
    remarks: VecDeque<u64>,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { places: Vec::new(), stride: 1, count: 0, remarks: VecDeque::new() }
    }
}

impl Lines {
    /// A line begins at byte `at`; `remark` unless it holds numbers alone.
    pub fn push(&mut self, at: u64, remark: bool) {
        if self.count.is_multiple_of(self.stride) {
            if self.places.len() == PLACES {
                self.stride *= 2;
                let mut i = 0;
                self.places.retain(|_| {
                    i += 1;
                    (i - 1) % 2 == 0
                });
            }
            if self.count.is_multiple_of(self.stride) {
                self.places.push(at);
            }
        }
        self.count += 1;
        if remark {
            if self.remarks.len() == REMARKS {
                self.remarks.pop_front();
            }
            self.remarks.push_back(at);
        }
    }

    /// How many there are: all, or remarks alone.
    pub fn count(&self, remarks: bool) -> u64 {
        if remarks { self.remarks.len() as u64 } else { self.count }
    }

    /// Read `count` lines from number `from` on.
    pub fn read(
        &self,
        file: &impl FileExt,
        remarks: bool,
        from: u64,
        count: usize,
    ) -> io::Result<Vec<String>> {
        let mut found = Vec::with_capacity(count.min(1024));
        if remarks {
            for at in self.remarks.iter().skip(from as usize).take(count) {
                each_line(file, *at, |line| {
                    found.push(words(line));
                    false
                })?;
            }
            return Ok(found);
        }
        let Some(at) = self.places.get((from / self.stride) as usize) else { return Ok(found) };
        let mut skip = from % self.stride;
        let mut left = count.min(self.count.saturating_sub(from) as usize);
        if left == 0 {
            return Ok(found);
        }
        each_line(file, *at, |line| {
            if skip > 0 {
                skip -= 1;
            } else {
                found.push(words(line));
                left -= 1;
            }
            left > 0
        })?;
        Ok(found)
    }
}

/// The lines of a file from byte `at` on, as long as they are wanted; of long ones the beginning.
fn each_line(file: &impl FileExt, mut at: u64, mut wanted: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut bytes = vec![0; SLICE];
    let mut line = Vec::new();
    loop {
        let count = file.read_at(&mut bytes, at)?;
        if count == 0 {
            return Ok(());
        }
        at += count as u64;
        let mut rest = &bytes[..count];
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            if !wanted(&line) {
                return Ok(());
            }
            line.clear();
        }
        if line.len() < SLICE {
            line.extend_from_slice(rest);
        }
    }
}

/// An event in words, behind the time of the day in UTC.
fn words(line: &[u8]) -> String {
    let Ok(record) = serde_json::from_slice::<Record>(line) else {
        let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
        return format!("         {text}");
    };
    let day = record.t.rem_euclid(86_400.0) as u64;
    let mut text = format!("{:02}:{:02}:{:02} ", day / 3600, day / 60 % 60, day % 60);
    text.push_str(&said(record.event));
    text.truncate(text.floor_char_boundary(SHOWN));
    text
}

fn said(event: Event) -> String {
    match event {
        Event::Start { stage, kind, from_step, threads, fingerprint, .. } => {
            let from =
                if from_step > 0 { format!(" goes on after step {from_step}") } else { " begins".into() };
            format!("{stage} ({kind}){from}, {}, {fingerprint}", units::plural(threads as u64, "thread"))
        }
        Event::Metrics { step, values } => {
            let mut text = format!("step {step}");
            for (name, value) in values {
                text.push_str(&format!("  {name} {}", number(value.0)));
            }
            text
        }
        Event::Sample { step, prompt, text } => format!("sample of step {step}: {prompt}{text}"),
        Event::Checkpoint { step, path } => format!("checkpoint of step {step}: {path}"),
        Event::Profile { path, .. } => format!("profile: {path}"),
        Event::Progress { done, total, unit, note } => {
            let of = if total > 0 { format!(" of {total}") } else { String::new() };
            let note = if note.is_empty() { note } else { format!(", {note}") };
            format!("{done}{of} {unit}{note}")
        }
        Event::Pause { step, paused: true } => format!("paused after step {step}"),
        Event::Pause { step, paused: false } => format!("goes on after step {step}"),
        Event::Note { level, step, text } => {
            let step = step.map(|step| format!(" (step {step})")).unwrap_or_default();
            format!("{level}{step}: {text}")
        }
        Event::End { status, seconds, summary } => {
            let error = summary.get("error").and_then(|error| error.as_str());
            let error = error.map(|error| format!(": {error}")).unwrap_or_default();
            format!("{status} after {}{error}", units::duration(seconds))
        }
        _ => "an event that this program does not know".into(),
    }
}

/// A measured number in few columns.
pub fn number(x: f64) -> String {
    match x.abs() {
        _ if !x.is_finite() => "none".into(),
        0.0 => "0".into(),
        a if a >= 1e5 => units::count(x),
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.2}"),
        a if a >= 0.01 => format!("{x:.4}"),
        _ => format!("{x:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_window_of_a_long_log_is_found_with_few_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (mut text, mut lines) = (String::new(), Lines::default());
        for i in 0..100_000 {
            lines.push(text.len() as u64, i % 1000 == 0);
            text.push_str(&format!("line {i}\n"));
        }
        std::fs::write(&path, &text).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        assert!(lines.places.len() <= PLACES && lines.stride == 8, "{}", lines.stride);
        for from in [0, 1, 7, 8, 12_345, 99_998] {
            let found = lines.read(&file, false, from, 3).unwrap();
            assert_eq!(found.len() as u64, 3.min(100_000 - from));
            for (i, line) in found.iter().enumerate() {
                assert_eq!(line.trim(), format!("line {}", from + i as u64));
            }
        }
        assert!(lines.read(&file, false, 100_000, 3).unwrap().is_empty());
        assert_eq!(lines.count(true), 100);
        let found = lines.read(&file, true, 98, 5).unwrap();
        assert_eq!(found.iter().map(|line| line.trim()).collect::<Vec<_>>(), ["line 98000", "line 99000"]);
    }

    #[test]
    fn events_are_said_in_words() {
        let line =
            br#"{"t":3661.5,"k":"metrics","step":4,"values":{"loss":2.5,"lr":0.00012,"grad_norm":null}}"#;
        assert_eq!(words(line), "01:01:01 step 4  grad_norm none  loss 2.5000  lr 1.20e-4");
        let line = br#"{"t":0,"k":"end","status":"failed","seconds":2.0,"summary":{"error":"why"}}"#;
        assert_eq!(words(line), "00:00:00 failed after 2.0 s: why");
        assert_eq!(words(b"\xff"), "         \u{fffd}");
    }
}
