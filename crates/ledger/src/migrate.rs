//! From an older layout of the store to that of this program.
//!
//! A layout is a number in the file `version`. Layout 1 had artifacts, work, runs and an index; layout 2 has the file `lock`,
//! and in any case what layout 1 got in the course of time: a file for each stage name (`names/STAGE`, what it was last used
//! for), without which nobody could say which artifacts are still meant by a name.
//!
//! Each step goes from one layout to the next and is whole or none: it first makes everything new beside the old, in
//! a way that the older layout does not mind and that can be done again, and then the new number replaces the old by one
//! rename. A step that was killed is done anew.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::{Key, fs};

use crate::error::{Error, Result};
use crate::manifest::Artifact;
use crate::resolve::NAMES;
use crate::runs::{RUN, RunInfo};
use crate::share::Share;
use crate::store::dir_key;

/// One step: from layout N, its place counted from 1, to N + 1.
type Step = fn(&Path) -> Result<()>;

/// All steps there have ever been. A step is never changed once a release has it.
const STEPS: [Step; 1] = [names];

/// The layout that this program reads and writes.
pub(crate) const LAYOUT: u32 = 1 + STEPS.len() as u32;

const VERSION: &str = "version";

/// Write the number of a layout.
pub(crate) fn mark(dir: &Path, layout: u32) -> fs::Result<()> {
    fs::write(&dir.join(VERSION), format!("{layout}\n").as_bytes())
}

/// Bring the store `dir` to [`LAYOUT`]; false if there is no store. Its `version` is the last file of a new store.
pub(crate) fn bring(dir: &Path) -> Result<bool> {
    let Some(mut layout) = read(dir)? else { return Ok(false) };
    if layout == LAYOUT {
        return Ok(true);
    }
    let _alone = Share::alone(dir)?;
    // Somebody may have brought it further between the two looks.
    layout = read(dir)?.unwrap_or(layout);
    for (step, next) in STEPS.iter().zip(2..).skip(layout as usize - 1) {
        step(dir)?;
        mark(dir, next)?;
    }
    Ok(true)
}

/// The layout of a store, from 1 to [`LAYOUT`].
fn read(dir: &Path) -> Result<Option<u32>> {
    let text = match fs::read_text(&dir.join(VERSION)) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    match text.trim().parse() {
        Ok(layout) if (1..=LAYOUT).contains(&layout) => Ok(Some(layout)),
        _ => Err(Error::Layout { path: dir.into(), found: text.trim().into(), known: LAYOUT }),
    }
}

/// From 1 to 2: every stage name stands for what it was last used for, as far as runs and artifacts tell.
fn names(dir: &Path) -> Result<()> {
    let mut last: BTreeMap<String, (f64, String, Key)> = BTreeMap::new();
    let mut seen = |stage: String, at: f64, kind: String, key: Key| {
        let known = last.get(&stage).is_some_and(|(then, ..)| *then >= at);
        if !known {
            last.insert(stage, (at, kind, key));
        }
    };
    for kind in fs::list(&dir.join("artifacts"))? {
        for folder in fs::list(&kind)?.iter().filter(|folder| dir_key(folder).is_some()) {
            // A damaged manifest is the matter of `verify`.
            if let Ok(Some(Artifact { manifest: m, .. })) = Artifact::read(folder) {
                seen(m.stage, m.created, m.kind, m.key);
            }
        }
    }
    for run in fs::list(&dir.join("runs"))? {
        if let Ok(info) = fs::read_json::<RunInfo>(&run.join(RUN)) {
            seen(info.stage, info.started, info.kind, info.key);
        }
    }
    let folder = dir.join(NAMES);
    fs::create_dir_all(&folder)?;
    for (stage, (_, kind, key)) in last {
        let path = folder.join(&stage);
        let plain = !stage.is_empty() && !stage.starts_with('.') && !stage.contains(['/', '\\']);
        if plain && !path.exists() {
            fs::write(&path, format!("{kind} {key}\n").as_bytes())?;
        }
    }
    Ok(())
}
