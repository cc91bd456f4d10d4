//! What can be typed behind `regimen runs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub const HELP: &str = "Examples:
  regimen runs 'loss < 2.5 and stage == base'
  regimen runs 'tag == good or lr >= 1e-3' --sort loss --columns run,lr,loss,tags
  regimen runs 'age < 7d and not state == failed' --json | jq -r '.[].id'
  regimen runs tag base +good -draft

A filter compares names with values: run, stage, kind, state, recipe, tag, note, date, age, took,
any field of the config (lr or optimizer.lr), any metric (loss, bpb, loss.best). See docs/runs.md.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: Option<Runs>,
    /// Only runs for which this is true
    pub filter: Option<String>,
    /// Order by this name, the greatest first with a `-` before it (default: the newest first)
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// Columns to show, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Show the first N alone
    #[arg(long, value_name = "N")]
    pub most: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub enum Runs {
    /// Give tags to a run, or take them away
    #[command(after_help = "Examples:
  regimen runs tag base +good -draft
  regimen runs tag base              show them

A run with a tag is kept by `regimen ledger gc`, with all that it was made from.")]
    Tag(TagRunArgs),
    /// Write a note to a run
    #[command(after_help = "Examples:
  regimen runs note base 'warm-up was too short'
  regimen runs note base ''          remove it")]
    Note(NoteArgs),
    /// Compare two runs: config, data, metrics, curves
    #[command(after_help = "Example:
  regimen runs diff base-1a2b3c4d base-5e6f7a8b")]
    Diff(DiffArgs),
    /// Write the numbers of a run as CSV or as TensorBoard event files
    #[command(after_help = "Examples:
  regimen runs export base --format csv --to numbers
  regimen runs export base --format tensorboard --to logs/base && tensorboard --logdir logs")]
    Export(RunsExportArgs),
    /// Move a run into the bin, which `regimen ledger gc` empties
    #[command(after_help = "Example:
  regimen runs rm base-1a2b3c4d --yes")]
    Rm(RemoveArgs),
}

#[derive(Debug, Args)]
pub struct TagRunArgs {
    /// Run, or stage name
    pub run: String,
    /// `+TAG` (or `TAG`) gives one, `-TAG` takes one away
    #[arg(value_name = "+TAG|-TAG", allow_hyphen_values = true)]
    pub changes: Vec<String>,
}

#[derive(Debug, Args)]
pub struct NoteArgs {
    /// Run, or stage name
    pub run: String,
    /// The note; an empty one removes it
    pub text: Option<String>,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Run, or stage name
    pub a: String,
    /// Run, or stage name
    pub b: String,
}

/// What a run's numbers are written as.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Format {
    Csv,
    Tensorboard,
}

#[derive(Debug, Args)]
pub struct RunsExportArgs {
    /// Run, or stage name
    pub run: String,
    /// One row a step, or an event file with scalars and samples
    #[arg(long, value_enum)]
    pub format: Format,
    /// Folder to write into; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Run, or stage name
    pub run: String,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}
