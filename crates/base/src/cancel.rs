//! Asking long work to stop, or to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::hint::Interrupted;

/// How long paused work sleeps before it looks again.
const NAP: Duration = Duration::from_millis(50);

/// Flags shared between the one who asks and the one who works. Work looks at them between two steps.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    stop: AtomicBool,
    pause: AtomicBool,
}

impl Cancel {
    /// Flags that are down.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Ask the work to stop. Gives back whether it had been asked before.
    pub fn ask(&self) -> bool {
        self.0.stop.swap(true, Ordering::SeqCst)
    }

    /// Whether the work should stop.
    pub fn asked(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Ask the work to wait, or to go on.
    pub fn pause(&self, paused: bool) {
        self.0.pause.store(paused, Ordering::SeqCst);
    }

    /// Whether the work should wait. Work that is to stop does not wait.
    pub fn paused(&self) -> bool {
        self.0.pause.load(Ordering::Relaxed) && !self.asked()
    }

    /// Wait as long as the work is paused.
    pub fn rest(&self) {
        while self.paused() {
            std::thread::sleep(NAP);
        }
    }

    /// Wait as long as the work is paused; [`Interrupted`] once somebody asked it to stop.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.rest();
        if self.asked() { Err(Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paused_work_waits_until_it_is_to_go_on_or_to_stop() {
        let cancel = Cancel::new();
        assert!(cancel.check().is_ok() && !cancel.paused());
        for stop in [false, true] {
            cancel.pause(true);
            let worker = std::thread::spawn({
                let cancel = cancel.clone();
                move || cancel.check().is_err()
            });
            assert!(!worker.is_finished());
            if stop {
                assert!(!cancel.ask());
            } else {
                cancel.pause(false);
            }
            assert_eq!(worker.join().unwrap(), stop);
        }
        assert!(!cancel.paused(), "what is to stop does not wait");
    }
}
