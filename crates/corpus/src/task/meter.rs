//! Lines about work that takes long, no more than one every few seconds.

use std::time::{Duration, Instant};

use regimen_base::units;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);

/// Counts what was done of some things with bytes.
pub(super) struct Meter {
    what: &'static str,
    /// How many there are, and their bytes, 0 if these are not known.
    all: (usize, u64),
    done: (usize, u64),
    every: Duration,
    last: Instant,
}

impl Meter {
    /// `what` is such as `files brought here`.
    pub fn new(what: &'static str, all: usize, bytes: u64) -> Meter {
        Meter { what, all: (all, bytes), done: (0, 0), every: EVERY, last: Instant::now() }
    }

    /// One more is done, with so many bytes beyond those that came before. Says so if the last word is some time ago.
    pub fn did(&mut self, bytes: u64, tell: &mut dyn FnMut(&str)) {
        self.done.0 += 1;
        self.came(bytes, tell);
    }

    /// Some more bytes are done, of a thing that is not.
    pub fn came(&mut self, bytes: u64, tell: &mut dyn FnMut(&str)) {
        self.reached(self.done.1.saturating_add(bytes), tell);
    }

    /// So many bytes are done in all.
    pub fn reached(&mut self, bytes: u64, tell: &mut dyn FnMut(&str)) {
        self.done.1 = bytes;
        if self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        let bytes = match (self.done.1, self.all.1) {
            (0, _) => String::new(),
            (done, 0) => format!(", {}", units::bytes(done)),
            (done, all) => format!(", {} of {}", units::bytes(done), units::bytes(all)),
        };
        tell(&format!("{} of {} {}{bytes}", self.done.0, self.all.0, self.what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_now_and_then() {
        let told = |every: Duration, bytes: u64| {
            let mut lines: Vec<String> = Vec::new();
            let mut meter = Meter { every, ..Meter::new("files brought here", 3, bytes) };
            (0..3).for_each(|_| meter.did(1_000_000, &mut |line| lines.push(line.into())));
            lines
        };
        assert_eq!(told(Duration::ZERO, 3_000_000)[1], "2 of 3 files brought here, 2.00 MB of 3.00 MB");
        assert_eq!(told(Duration::ZERO, 0)[2], "3 of 3 files brought here, 3.00 MB");
        assert!(told(Duration::from_secs(3600), 0).is_empty());
    }

    #[test]
    fn bytes_of_one_large_thing_are_seen_to_come() {
        let mut lines: Vec<String> = Vec::new();
        let mut tell = |line: &str| lines.push(line.into());
        let mut meter = Meter { every: Duration::ZERO, ..Meter::new("files brought here", 1, 20_000_000) };
        meter.came(8_000_000, &mut tell);
        meter.came(8_000_000, &mut tell);
        meter.did(4_000_000, &mut tell);
        assert_eq!(lines[1], "0 of 1 files brought here, 16.0 MB of 20.0 MB");
        assert_eq!(lines[2], "1 of 1 files brought here, 20.0 MB of 20.0 MB");
    }
}
