//! What another process asks of a running stage: a file in the folder of the run, which the process that runs it takes away
//! a moment later.
//!
//! A request names the process that it is for, so that one which nobody took does nothing to a later execution.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fs;

/// Name of the file.
const CONTROL: &str = "control.json";
/// A request is shorter than this.
const LONGEST: u64 = 4096;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Wait after the step.
    Pause,
    /// Go on.
    Resume,
    /// Finish the step, write a checkpoint, and stop.
    Stop,
}

#[derive(Serialize, Deserialize)]
struct Letter {
    pid: u32,
    request: Request,
}

/// The place of a request in the folder of a run.
fn path_in(run: &Path) -> PathBuf {
    run.join(CONTROL)
}

/// Ask the process `pid` to do something about the run whose folder is `run`. An earlier request that was not taken yet
/// gives way.
pub fn ask(run: &Path, pid: u32, request: Request) -> fs::Result<()> {
    fs::write_json(&path_in(run), &Letter { pid, request })
}

/// Whether a request waits to be taken.
pub fn waits(run: &Path) -> bool {
    path_in(run).exists()
}

/// Take the request that waits for the process `pid`, if there is one. What is for another process, or is no request, goes
/// away unheard.
pub fn take(run: &Path, pid: u32) -> Option<Request> {
    let path = path_in(run);
    let length = fs::size(&path).ok()?;
    let letter = (length <= LONGEST).then(|| fs::read_json::<Letter>(&path).ok()).flatten();
    // A folder that cannot be written to would give the same request for ever.
    fs::remove_file(&path).ok()?;
    letter.filter(|letter| letter.pid == pid).map(|letter| letter.request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_and_by_the_one_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!waits(dir.path()) && take(dir.path(), 7).is_none());
        ask(dir.path(), 7, Request::Pause).unwrap();
        ask(dir.path(), 7, Request::Stop).unwrap();
        assert!(waits(dir.path()));
        assert_eq!(take(dir.path(), 7), Some(Request::Stop));
        assert_eq!(take(dir.path(), 7), None);
        // One for an execution that is over.
        ask(dir.path(), 8, Request::Stop).unwrap();
        assert_eq!(take(dir.path(), 7), None);
        assert!(!waits(dir.path()));
    }

    #[test]
    fn what_is_no_request_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"{\"pid\":7,\"request\":\"explode\"}", &[b' '; 1 << 20]] {
            fs::write(&path_in(dir.path()), bytes).unwrap();
            assert_eq!(take(dir.path(), 7), None);
            assert!(!waits(dir.path()));
        }
    }
}
