//! Rust at work with the GIL released, and Ctrl-C heard meanwhile.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use regimen_base::Cancel;

/// How often Python is asked whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// Run `work` on a thread of its own, with the GIL released. A signal that Python raises on, such as Ctrl-C, asks the work to
/// stop, and is raised once it has stopped. Python looks for signals in its main thread alone.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce(&Cancel) -> T + Send) -> PyResult<T> {
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let (send, mut receive) = channel();
        let flag = cancel.clone();
        let worker = scope.spawn(move || {
            let result = work(&flag);
            // Nobody may wait any more: then there is a signal to raise.
            let _ = send.send(());
            result
        });
        let mut signal = None;
        loop {
            let receive = &mut receive;
            let waited = py.detach(move || receive.recv_timeout(LOOK));
            match waited {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if signal.is_none() => {
                    if let Err(raised) = py.check_signals() {
                        cancel.ask();
                        signal = Some(raised);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        match (py.detach(|| worker.join()), signal) {
            (_, Some(raised)) => Err(raised),
            (Ok(result), None) => Ok(result),
            (Err(_), None) => {
                Err(PyRuntimeError::new_err("a thread of regimen panicked; its message is above"))
            }
        }
    })
}

/// Run `work` in a pool of so many threads.
pub fn pooled<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.map_err(|e| format!("cannot start {threads} threads: {e}"))?.install(work))
}
