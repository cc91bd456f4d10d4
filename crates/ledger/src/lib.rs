//! What was learned from what: artifacts, runs, lineage.
//!
//! A [`Store`] holds finished artifacts, addressed by the hash of everything that made them, work that is not
//! finished, and records of runs. The folders are the truth; the SQLite index beside them only makes questions fast, is
//! compared with the folders at each question, and is made again when it is missing or damaged.

mod archive;
mod details;
mod error;
mod index;
mod keep;
mod labels;
mod lineage;
mod lock;
mod manifest;
mod migrate;
mod resolve;
mod runs;
mod share;
mod store;
mod sweep;
mod verify;
mod work;

pub use archive::{Listed, Listing, Unpacked};
pub use details::{Details, Measured};
pub use error::{Error, Result};
pub use keep::{Keep, Piece, Sweep, What};
pub use labels::Labels;
pub use lineage::Relative;
pub use manifest::{Artifact, FileEntry, Manifest, key_of};
pub use runs::{RunInfo, Status, run_id};
pub use store::Store;
pub use verify::{Damage, Problem};
pub use work::{Begin, Draft, Work};
