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

    /// One more is done. Says so if the last word is some time ago.
    pub fn did(&mut self, bytes: u64, tell: &mut dyn FnMut(&str)) {
        self.done.0 += 1;
        self.done.1 = self.done.1.saturating_add(bytes);
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
}
