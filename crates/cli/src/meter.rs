//! The progress line of a command that works on files: bytes of how many, and a word on what they were.

use std::io::{self, IsTerminal, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use regimen_base::units;

/// Time between two lines, on a terminal and elsewhere.
const LIVE: Duration = Duration::from_millis(100);
const PLAIN: Duration = Duration::from_secs(10);

/// Shows how far some work is.
pub struct Meter {
    what: &'static str,
    total: u64,
    quiet: bool,
}

impl Meter {
    /// For work called `what` on `total` bytes.
    pub fn new(what: &'static str, total: u64, quiet: bool) -> Meter {
        Meter { what, total, quiet }
    }

    /// Do the work while a thread shows what `now` says of it: bytes done, and a note.
    pub fn watch<T>(&self, now: &(dyn Fn() -> (u64, String) + Sync), work: impl FnOnce() -> T) -> T {
        if self.quiet {
            return work();
        }
        let live = io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let (ended, bell) = (Mutex::new(false), Condvar::new());
        std::thread::scope(|scope| {
            let (ended, bell) = (&ended, &bell);
            scope.spawn(move || {
                let began = Instant::now();
                let mut guard = ended.lock().unwrap_or_else(PoisonError::into_inner);
                let wait = if live { LIVE } else { PLAIN };
                loop {
                    // The work may be done before this thread has begun to wait.
                    let waited = bell.wait_timeout_while(guard, wait, |ended| !*ended);
                    guard = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if *guard {
                        break;
                    }
                    let line = self.line(now(), began.elapsed().as_secs_f64());
                    let text = if live { format!("\r{line}\x1b[K") } else { format!("{line}\n") };
                    let _ = io::stderr().write_all(text.as_bytes());
                }
                if live {
                    let _ = io::stderr().write_all(b"\r\x1b[K");
                }
            });
            let done = work();
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
            bell.notify_all();
            done
        })
    }

    fn line(&self, (done, note): (u64, String), seconds: f64) -> String {
        let done = done.min(self.total);
        let share = done as f64 / self.total.max(1) as f64;
        let mut line = format!("{} {:3.0} %, {note}, {}", self.what, 100.0 * share, units::duration(seconds));
        if share > 0.0 && share < 1.0 {
            line.push_str(&format!(", {} left", units::duration(seconds * (1.0 - share) / share)));
        }
        line
    }
}
