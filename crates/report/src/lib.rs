//! A run as one offline page.
//!
//! [`write()`] gathers what the event log, the run's record and the ledger know of a run and writes one HTML file: no
//! font, no request to anywhere, readable on paper, on a phone, in the dark and without scripts. A small script of our
//! own lets its curves be looked at closely. A run that is unfinished, failed, or of a kind that this crate has never
//! heard of gets a page as well; what is not known is left out.

mod error;
mod escape;
mod facts;
mod html;
mod json;
mod log;
mod lookup;
mod losses;
mod page;
mod sections;
mod series;
mod svg;
mod words;

use std::io::Read;
use std::path::{Path, PathBuf};

use regimen_base::fs;
use regimen_ledger::{RunInfo, Store};

pub use error::Error;
use facts::{Facts, current_stamp};

/// What a page tells besides what the store alone knows of the run.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// A run to lay over it.
    pub against: Option<RunInfo>,
    /// What it was trained on, by where it comes from.
    pub seen: Option<Seen>,
}

/// The tokens of a training by where they come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// What was told apart: a heading, and its parts with their training tokens.
    pub by: Vec<(String, Vec<(String, u64)>)>,
}

/// Write the page of a run to `path`, by default `runs/ID/report.html` in the store, and say where it is.
///
/// # Errors
/// If the event log or the index of the store cannot be read, or the page cannot be written.
pub fn write(store: &Store, run: &RunInfo, path: Option<&Path>) -> Result<PathBuf, Error> {
    write_with(store, run, &Extras::default(), path)
}

/// [`write()`] with more to tell. The page of two runs is by default `report-against-OTHER.html` beside that of one.
///
/// # Errors
/// As [`write()`].
pub fn write_with(
    store: &Store,
    run: &RunInfo,
    extras: &Extras,
    path: Option<&Path>,
) -> Result<PathBuf, Error> {
    let beside = |other: &RunInfo| store.run_dir(&run.id).join(format!("report-against-{}.html", other.id));
    let default = || extras.against.as_ref().map_or_else(|| default_path(store, run), beside);
    let path = path.map_or_else(default, Path::to_path_buf);
    let mut facts = Facts::gather(store, run)?;
    facts.seen = extras.seen.clone();
    if let Some(other) = &extras.against {
        facts.against = Some(Box::new(Facts::gather(store, other)?));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, page::page(&facts).as_bytes())?;
    Ok(path)
}

/// Whether the page at the default place shows the run as it stands: its record, its events, its ancestors and
/// descendants.
pub fn up_to_date(store: &Store, run: &RunInfo) -> bool {
    let mut head = Vec::new();
    let read = fs::open(&default_path(store, run)).map(|file| file.take(2048).read_to_end(&mut head));
    let Ok(stamp) = current_stamp(store, run) else { return false };
    let wanted = format!("<meta name=\"{}\" content=\"{stamp}\"/>", page::STAMP);
    matches!(read, Ok(Ok(_))) && String::from_utf8_lossy(&head).contains(&wanted)
}

fn default_path(store: &Store, run: &RunInfo) -> PathBuf {
    store.run_dir(&run.id).join("report.html")
}
