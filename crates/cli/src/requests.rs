//! What other processes ask of the stage that runs here: looked for a few times a second on a thread of its own, so that
//! no step waits for it.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use regimen_base::control::{self, Request};
use regimen_base::{Cancel, Event, Record, Watch};
use regimen_ledger::run_id;

use crate::progress::Progress;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Where the run that is at work has its folder.
type Folder = Arc<Mutex<Option<PathBuf>>>;

/// The thread that listens.
pub struct Listener {
    folder: Folder,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Begin to listen for requests about the work that looks at `cancel`.
    pub fn start(cancel: Cancel) -> std::io::Result<Listener> {
        let folder = Folder::default();
        let (end, ended) = channel::<()>();
        let run = folder.clone();
        let thread = std::thread::Builder::new().name("requests".into()).spawn(move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let run = run.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match run.and_then(|run| control::take(&run, std::process::id())) {
                    Some(Request::Pause) => cancel.pause(true),
                    Some(Request::Resume) => cancel.pause(false),
                    Some(Request::Stop) => drop(cancel.ask()),
                    None => {}
                }
            }
        })?;
        Ok(Listener { folder, end: Some(end), thread: Some(thread) })
    }

    /// Watches a stage for the listener, for a dashboard and for a progress line. `runs` is the folder of all runs.
    pub fn watch(
        &self,
        runs: PathBuf,
        began: Option<Box<dyn Fn(String) + Send>>,
        progress: Option<Progress>,
    ) -> Box<dyn Watch> {
        Box::new(Watcher { folder: self.folder.clone(), runs, began, progress })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watcher {
    folder: Folder,
    runs: PathBuf,
    began: Option<Box<dyn Fn(String) + Send>>,
    progress: Option<Progress>,
}

impl Watch for Watcher {
    fn see(&mut self, record: &Record) {
        match &record.event {
            Event::Start { stage, key, .. } => {
                if let Ok(key) = key.parse() {
                    let id = run_id(stage, key);
                    let folder = self.runs.join(&id);
                    // What nobody took of an earlier execution.
                    let _ = control::take(&folder, 0);
                    *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
                    if let Some(began) = &self.began {
                        began(id);
                    }
                }
            }
            Event::End { .. } => *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = None,
            _ => {}
        }
        if let Some(progress) = &mut self.progress {
            progress.see(record);
        }
    }
}
