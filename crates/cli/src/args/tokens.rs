//! `regimen tokens ..`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use regimen_tokens::export::MAX_TOKENS;

#[derive(Debug, Subcommand)]
pub enum Tokens {
    /// Write finished tokens as Dolma's toolkit writes them and OLMo-core reads them
    #[command(after_help = "Examples:
  regimen tokens export base-tokens out
  regimen tokens export base-tokens out --split validation --max-tokens 100000000

out/train and out/validation get part-0-00000.npy, token ids without a numpy header, and beside it
part-0-00000.csv.gz, the start,end,id,src,loc of every document. They appear once all is written.")]
    Export(TokensExportArgs),
}

#[derive(Debug, Args)]
pub struct TokensExportArgs {
    /// A `tokens` stage, a key, or the folder of an artifact
    pub tokens: String,
    /// Folder to write into
    pub to: PathBuf,
    /// Write this split only
    #[arg(long, value_parser = ["train", "validation"])]
    pub split: Option<String>,
    /// Tokens in a file at most; a document is cut only if it is longer than a file
    #[arg(long, default_value_t = MAX_TOKENS, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub max_tokens: u64,
}
