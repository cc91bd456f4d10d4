//! Ctrl-C: once asks the work to stop after its step, twice stops at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use regimen_base::Cancel;

use crate::output::{INTERRUPTED, paint};
use crate::terminal;

/// How long a view that fills the screen has to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the work is over, and signals stop nothing any more.
static OVER: AtomicBool = AtomicBool::new(false);
/// Whether a signal came.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// The work is over: what is left to do takes no time, and is not to be stopped.
pub fn over() {
    OVER.store(true, Ordering::Relaxed);
}

/// Whether a signal came: what fills the screen gives it back.
pub fn signalled() -> bool {
    SIGNALLED.load(Ordering::SeqCst)
}

/// Ctrl-C was typed where the terminal makes no signal of it: the next one is the second.
pub fn typed() {
    SIGNALLED.store(true, Ordering::SeqCst);
}

/// Catch SIGINT and SIGTERM.
pub fn install(quiet: bool) -> anyhow::Result<Cancel> {
    let cancel = Cancel::new();
    let asked = cancel.clone();
    ctrlc::set_handler(move || {
        if OVER.load(Ordering::Relaxed) {
            return;
        }
        // Work may have been asked to stop by other ways, too: that is no first Ctrl-C.
        let again = SIGNALLED.swap(true, Ordering::SeqCst);
        asked.ask();
        if again {
            terminal::restore();
            std::process::exit(i32::from(INTERRUPTED));
        }
        if terminal::active() {
            // What fills the screen gives it back by itself, and says what happens, unless it is stuck.
            let began = Instant::now();
            while terminal::active() && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            if terminal::active() {
                terminal::restore();
                std::process::exit(i32::from(INTERRUPTED));
            }
            return;
        }
        if !quiet {
            let text = "stopping after this step; press Ctrl-C again to stop at once";
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("\n{} {text}\n", paint("33", "note:")).as_bytes(),
            );
        }
    })?;
    Ok(cancel)
}
