//! Recipes: parse with spans, stage registry, plan, runner.
//!
//! A room describes its stages in [`StageKind`] tables; [`Recipe::load`] checks a file against them, [`Plan::make`] says
//! what running it would do, [`Runner::run`] does it, and a [`Follower`] helps another process with it.

mod check;
pub mod docs;
mod error;
mod files;
mod fitting;
mod follow;
pub mod forecast;
pub mod job;
mod key;
pub mod kind;
mod listed;
mod node;
mod order;
mod plan;
mod read;
mod recipe;
mod root;
mod run;
pub mod schema;
mod source;
pub mod testing;
mod within;

pub use error::{Error, Fault, Result};
pub use files::{Coming, input_files};
pub use follow::{Follower, dismiss};
pub use forecast::{Forecast, Planning};
pub use job::{InputFile, Job, PROFILE, Profiling, Resume};
pub use kind::{Default, Facts, Field, Input, Problem, Registry, StageKind, Ty, Within, no_check};
pub use listed::{ListedFile, list_files};
pub use plan::{Plan, Planned, State, facts_of};
pub use recipe::{InputRef, Recipe, Stage};
pub use root::{folder_root, project_root};
pub use run::{Outcome, Runner, is_interrupted, is_lost};
pub use source::Place;
pub use within::{as_read, within};
