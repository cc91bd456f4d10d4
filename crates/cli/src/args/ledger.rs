//! What can be typed behind `regimen ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Re-hash every artifact and name what is damaged (exit 1 if anything is)
    #[command(after_help = "Example:
  regimen ledger verify && echo all is well")]
    Verify,
    /// Make the index anew from the folders
    #[command(after_help = "Example:
  regimen ledger rebuild")]
    Rebuild,
    /// Remove artifacts, unfinished work and fetched objects that nothing needs any more
    #[command(after_help = "Examples:
  regimen ledger gc --dry-run               what would go, and how much that is
  regimen ledger gc --yes --keep-last 2     also keep the two newest runs of each stage
  regimen ledger gc --older-than 30d

Kept are: what a stage name stands for now, what a run with a tag or a note made, what somebody is
working on, and everything that those were made from. Records of runs are never removed.")]
    Gc(GcArgs),
    /// Write an artifact with everything that it was made from into one file
    #[command(after_help = "Examples:
  regimen ledger export base --to base.tar.zst
  regimen ledger export base --to lineage.tar.zst --without-data")]
    Export(PackArgs),
    /// Take in the artifacts of a file that `ledger export` wrote
    #[command(after_help = "Examples:
  regimen ledger import base.tar.zst
  regimen ledger import base.tar.zst --dry-run     check every byte and list what it holds")]
    Import(UnpackArgs),
}

#[derive(Debug, Args)]
pub struct GcArgs {
    /// Remove without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Only say what would be removed
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Also keep what the N newest runs of each stage made
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub keep_last: usize,
    /// Remove only what is older than this: `12h`, `30d`, `8w`
    #[arg(long, value_name = "AGE", value_parser = crate::runs::literal::seconds)]
    pub older_than: Option<f64>,
}

#[derive(Debug, Args)]
pub struct PackArgs {
    /// Run, stage name, or key (or its beginning)
    pub what: String,
    /// The file to write; must not exist
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Write manifests alone: what was made from what, with all hashes
    #[arg(long)]
    pub without_data: bool,
}

#[derive(Debug, Args)]
pub struct UnpackArgs {
    /// The file
    pub file: PathBuf,
    /// Check it and list what it holds; take in nothing
    #[arg(long)]
    pub dry_run: bool,
}
