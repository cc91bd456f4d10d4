//! `regimen new`, `train`, `recipe`, `completions` and `man`: the first steps.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::templates::{Purpose, Size};

#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the recipe, or its file if it ends with .toml (default: as the data is called)
    pub name: Option<String>,
    /// Folder or file with the texts
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// tiny, small, medium, or the time that training may take: 90s, 10m, 2h
    #[arg(long, value_name = "SIZE", value_parser = Size::parse)]
    pub size: Option<Size>,
    /// base: a model from scratch; corpus: curated documents alone; continue: go on from a model
    #[arg(long, value_name = "TEMPLATE", value_parser = Purpose::parse)]
    pub template: Option<Purpose>,
    /// Stage name, run, or key of the model to go on from (default: the newest)
    #[arg(long, value_name = "MODEL")]
    pub from: Option<String>,
    /// Write over a recipe that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Folder or file with the texts: .txt, .md, .jsonl, .csv, .parquet, .html, source code; also as .gz or .zst
    #[arg(value_name = "FOLDER")]
    pub data: PathBuf,
    /// Minutes that all of it may take, about
    #[arg(long, default_value_t = 5.0, value_name = "N", value_parser = minutes)]
    pub minutes: f64,
    /// Where to write the recipe (default: recipes/NAME.toml in the project)
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Print the recipe and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write over a recipe that is there
    #[arg(long)]
    pub force: bool,
    /// Watch it on a full screen
    #[arg(long)]
    pub tui: bool,
}

/// Minutes above 0 and below a year.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n < 525_600.0 => Ok(n),
        _ => Err("write a number of minutes above 0, such as 5 or 0.5".into()),
    }
}

#[derive(Debug, Subcommand)]
pub enum RecipeWork {
    /// Print the JSON Schema of recipes, with which editors complete and check them
    #[command(after_help = "Example:
  regimen recipe schema > recipe.schema.json

Then `#:schema recipe.schema.json` as the first line of a recipe switches it on in every editor that uses taplo, such as
VS Code with Even Better TOML.")]
    Schema,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_parser = ["bash", "zsh", "fish", "powershell"])]
    pub shell: String,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The page of this command (default: that of regimen itself)
    pub command: Vec<String>,
    /// Write a page for every command into this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["command", "markdown"])]
    pub to: Option<PathBuf>,
    /// Print the help of every command as one Markdown page
    #[arg(long, conflicts_with = "command")]
    pub markdown: bool,
}
