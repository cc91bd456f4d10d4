//! The ground floor: what every room needs and no room owns.
//!
//! Hashes and ids ([`hash`]), counter-based random numbers ([`rng`]), errors that say what to do ([`hint`]),
//! the one layer through which files are written ([`fs`]) with its fault injection ([`fault`]), the event log of a
//! run ([`events`]), canonical JSON ([`json`]), days of the
//! calendar ([`calendar`]), cancellation ([`cancel`]), requests of other processes ([`control`]),
//! curves that grow ([`series`]), processes that work together ([`group`]), the way numbers are shown ([`units`]) and words
//! quoted for a shell ([`shell`]).

pub mod calendar;
pub mod cancel;
pub mod control;
pub mod events;
pub mod fault;
pub mod fs;
pub mod group;
pub mod hash;
pub mod hint;
pub mod json;
pub mod machine;
pub mod rng;
pub mod series;
pub mod shell;
pub mod suggest;
pub mod units;

pub use cancel::Cancel;
pub use events::{Event, EventLog, Record, Watch};
pub use group::Group;
pub use hash::{DocKey, Hash256, Key};
pub use hint::{Failure, Hint};
pub use rng::Philox;
pub use shell::shell_quoted;
