//! Faults on purpose: how the crash tests stop the program at a chosen moment.
//!
//! `REGIMEN_FAULT=WHAT@WHERE:N` makes the N-th passage (from 1) of a boundary fail. WHERE is `write` (every change
//! of the file system made through [`crate::fs`]), `take` (every buffer that is taken for activations) or another name
//! that a room passes to [`point`], such as `step`. WHAT is `kill` (the process dies as by `kill -9`), `full` (no space
//! left, from then on), `readonly` (from then on), `memory` (none left, from then on) or `slow` (200 ms each, from then on).
//! Without the variable a passage costs one load.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    Kill,
    Full,
    ReadOnly,
    Memory,
    Slow,
}

#[derive(Debug)]
struct Plan {
    what: What,
    place: String,
    at: u64,
    passed: AtomicU64,
}

fn parse(text: &str) -> Option<Plan> {
    let (what, rest) = text.split_once('@')?;
    let (place, at) = rest.split_once(':')?;
    let what = match what {
        "kill" => What::Kill,
        "full" => What::Full,
        "readonly" => What::ReadOnly,
        "memory" => What::Memory,
        "slow" => What::Slow,
        _ => return None,
    };
    Some(Plan { what, place: place.into(), at: at.parse().ok()?, passed: AtomicU64::new(0) })
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| std::env::var("REGIMEN_FAULT").ok().as_deref().and_then(parse)).as_ref()
}

/// Pass the boundary `place`: nothing happens unless a fault is planned here.
pub fn point(place: &str) -> io::Result<()> {
    match plan() {
        Some(plan) if plan.place == place => strike(plan),
        _ => Ok(()),
    }
}

fn strike(plan: &Plan) -> io::Result<()> {
    let passage = plan.passed.fetch_add(1, Ordering::SeqCst) + 1;
    match plan.what {
        What::Kill if passage == plan.at => {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort()
        }
        What::Full if passage >= plan.at => Err(io::ErrorKind::StorageFull.into()),
        What::ReadOnly if passage >= plan.at => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        What::Memory if passage >= plan.at => Err(io::ErrorKind::OutOfMemory.into()),
        What::Slow if passage >= plan.at => {
            std::thread::sleep(Duration::from_millis(200));
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_strike_from_their_passage_on() {
        let plan = parse("full@write:2").unwrap();
        assert!(strike(&plan).is_ok());
        assert_eq!(strike(&plan).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(strike(&plan).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(strike(&parse("slow@step:1").unwrap()).is_ok());
        assert!(parse("burn@write:2").is_none() && parse("full@write").is_none());
    }
}
