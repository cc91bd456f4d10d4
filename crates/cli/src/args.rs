//! What can be typed. Help texts and examples live here and nowhere else.

mod corpus;
mod first;
mod help;
mod ledger;
mod runs;
mod tokens;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use corpus::{
    AttributeArgs, BuildArgs, ClassifierArgs, Corpus, CorpusExportArgs, DecontaminateArgs, DedupArgs,
    IndexArgs, InspectArgs, MEMORY, MixArgs, NgramsArgs, SampleArgs, SearchArgs, StatsArgs, TagArgs,
    TaggersArgs, bytes as bytes_of, memory as memory_of,
};
pub use ledger::{GcArgs, Ledger, PackArgs, UnpackArgs};
pub use runs::{DiffArgs, Format, NoteArgs, RemoveArgs, Runs, RunsArgs, RunsExportArgs, TagRunArgs};
pub use tokens::{Tokens, TokensExportArgs};

pub use first::{CompletionsArgs, ManArgs, NewArgs, RecipeWork, TrainArgs};
pub use help::{command, parse};

/// Train models end to end and know what they learned from.
#[derive(Debug, Parser)]
#[command(
    name = "regimen",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    help_template = help::WHOLE,
    after_help = "Examples:
  regimen train my-texts                            a small model of your own texts, in five minutes
  regimen run recipes/first-light.toml              documents in, a trained model and a report out
  regimen trace text 'state of the union'           where did the model read this, and when
`regimen completions` and `regimen man` are for your shell and its manual."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Under this heading the help lists what every command takes.
const EVERYWHERE: &str = "Options of every command";

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Print the result as JSON on stdout
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// Say nothing but errors on stderr
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
    /// Threads to compute with (default: all cores)
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "N")]
    pub threads: Option<usize>,
    /// Where to compute: `cpu`
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Project folder that holds `.regimen` (default: the nearest one above)
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a recipe from a template, after three questions
    #[command(after_help = "Examples:
  regimen new                                        asks: which data, how big, what for
  regimen new notes --data notes/ --size tiny        flags answer without a terminal
  regimen new notes --data notes/ --size 10m --template base
  regimen new more --data more/ --template continue --from base

Sizes are tiny, small, medium, or a time such as 90s, 10m, 2h. The recipe is written to NAME.toml.")]
    New(NewArgs),
    /// Train a small model on a folder of text
    #[command(after_help = "Examples:
  regimen train notes/
  regimen train notes/ --minutes 30 --recipe long.toml
  regimen train notes/ --dry-run

It looks at the data, measures this machine, writes the recipe that fits both (recipes/NAME.toml) and runs it. Ctrl-C
finishes the step, writes a checkpoint and stops; the same command goes on from there.")]
    Train(TrainArgs),
    /// Write what editors need to complete and check recipes
    #[command(subcommand)]
    Recipe(RecipeWork),
    /// Write a completion script for a shell
    #[command(
        hide = true,
        after_help = "Examples:
  regimen completions bash > ~/.local/share/bash-completion/completions/regimen
  regimen completions zsh > ~/.zfunc/_regimen
  regimen completions fish > ~/.config/fish/completions/regimen.fish
  regimen completions powershell >> $PROFILE"
    )]
    Completions(CompletionsArgs),
    /// Write the manual as man pages
    #[command(
        hide = true,
        after_help = "Examples:
  regimen man | man -l -
  regimen man corpus build | man -l -
  regimen man --to ~/.local/share/man/man1"
    )]
    Man(ManArgs),
    /// Run a recipe: every stage that is not finished yet
    #[command(after_help = "Examples:
  regimen run recipes/first-light.toml
  regimen run recipes/first-light.toml --until tokens
  regimen run recipes/first-light.toml --set base.steps=100 --set base.optimizer.lr=0.001
  regimen run recipes/first-light.toml --profile
  regimen run recipes/first-light.toml --tui

Ctrl-C finishes the step, writes a checkpoint and stops; the same command goes on from there.")]
    Run(RunArgs),
    /// Show what a recipe would do and cost
    #[command(after_help = "Example:
  regimen plan recipes/first-light.toml --set base.model.width=512")]
    Plan(RecipeArgs),
    /// Write text with a trained model
    #[command(after_help = "Examples:
  regimen generate base --prompt 'My fellow Americans' --max-tokens 80
  echo 'The climate of' | regimen generate base --temperature 0 --json")]
    Generate(GenerateArgs),
    /// Curate documents: tag, deduplicate, mix, look inside
    #[command(subcommand)]
    Corpus(Corpus),
    /// Take tokens out for other programs
    #[command(subcommand)]
    Tokens(Tokens),
    /// From a token to its document and back
    #[command(subcommand)]
    Trace(Trace),
    /// Watch a run on a full screen: curves, samples, funnel, log, system
    #[command(after_help = "Examples:
  regimen watch             the run at work, or the newest model
  regimen watch base        a stage's last run, also one that has ended

Keys: `?` lists them. `p` pauses a run in another process, `s` stops it behind a checkpoint, `q` leaves it alone.")]
    Watch(WatchArgs),
    /// List runs, filter them, tag them, compare them, take their numbers out
    #[command(after_help = runs::HELP)]
    Runs(RunsArgs),
    /// Show a run or an artifact
    #[command(after_help = "Examples:
  regimen show base
  regimen show corpus --json | jq .summary.dropped")]
    Show(Target),
    /// Show what an artifact was made from, and what was made from it
    #[command(after_help = "Example:
  regimen lineage base")]
    Lineage(Target),
    /// Look after the store of artifacts
    #[command(subcommand)]
    Ledger(Ledger),
    /// Write the report of a run as one offline HTML file
    #[command(after_help = "Examples:
  regimen report base
  regimen report base --output report.html
  regimen report base --against base-1f0c2a9e      two runs over each other")]
    Report(ReportArgs),
    /// Export a model as a Hugging Face folder
    #[command(after_help = "Example:
  regimen export base exported/ && python -c \"from transformers import AutoModelForCausalLM as M; M.from_pretrained('exported')\"")]
    Export(ExportArgs),
    /// Import a Hugging Face folder as a model that recipes can start from
    #[command(after_help = "Example:
  regimen import models/tiny-llama --name tiny-llama")]
    Import(ImportArgs),
    /// List the stages that recipes are made of, or describe one
    #[command(after_help = "Examples:
  regimen stages
  regimen stages pretrain")]
    Stages(StagesArgs),
    /// Check this machine: processor, threads, memory, disk, store
    #[command(after_help = "Example:
  regimen doctor            exit code 1 if something needs a look")]
    Doctor,
    /// Show the settings in force
    #[command(after_help = "Examples:
  regimen config --origin
  REGIMEN_THREADS=1 regimen config --origin

A flag wins over the environment, that over the project's regimen.toml, that over
$XDG_CONFIG_HOME/regimen/regimen.toml, that over the default.")]
    Config(ConfigArgs),
}

#[derive(Clone, Debug, Args)]
pub struct RecipeArgs {
    /// The recipe file
    pub recipe: PathBuf,
    /// Override a field: STAGE.FIELD=VALUE (may be repeated)
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub sets: Vec<String>,
    /// Stop after this stage, or these, with commas between them
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Do not write the report at the end
    #[arg(long)]
    pub no_report: bool,
    /// Show a dashboard on the full screen while it runs: curves, samples, log, memory
    #[arg(long)]
    pub tui: bool,
    /// Tell where the time of a training step goes, from STEPS steps (10 if not given)
    #[arg(
        long,
        value_name = "STEPS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub profile: Option<u64>,
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Run, its id's beginning, or stage name (default: the run at work, or the newest model)
    pub run: Option<String>,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Stage name, run, or key of a model
    pub model: String,
    /// What to continue (default: read from stdin)
    #[arg(long, short)]
    pub prompt: Option<String>,
    /// Tokens to write at most
    #[arg(long, default_value_t = 120, value_name = "N")]
    pub max_tokens: usize,
    /// 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.8, value_name = "T")]
    pub temperature: f64,
    /// Keep the K likeliest tokens (0 = all)
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub top_k: usize,
    /// Keep the likeliest tokens that together have probability P
    #[arg(long, default_value_t = 0.95, value_name = "P")]
    pub top_p: f64,
    /// Keep tokens at least P times as likely as the likeliest
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    pub min_p: f64,
    /// Make tokens that occurred less likely (1 = off)
    #[arg(long, default_value_t = 1.0, value_name = "R")]
    pub repetition_penalty: f64,
    /// Stop at this text (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// Same seed, same text
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Subcommand)]
pub enum Trace {
    /// The fate of a document: rules, duplicates, tokens, and every step that saw it
    #[command(after_help = "Examples:
  regimen trace doc sotu:1863-lincoln
  regimen trace doc 3f2a91 --run base")]
    Doc {
        /// Key (or its beginning), `source:id`, or id
        id: String,
        /// Run, stage or key of a model or corpus (default: the newest model, else corpus)
        #[arg(long)]
        run: Option<String>,
    },
    /// What a step trained on: documents, licences, author kinds, text
    #[command(after_help = "Example:
  regimen trace step base 120")]
    Step {
        /// Run, stage or key of a model
        run: String,
        /// The step, from 1
        step: u64,
    },
    /// The documents that hold a text verbatim, longest matches first, and the steps that saw them
    #[command(after_help = "Example:
  regimen trace text 'four score and seven years ago' --run base")]
    Text {
        /// The text
        text: String,
        /// Run, stage or key of a model or corpus (default: the newest model, else corpus)
        #[arg(long)]
        run: Option<String>,
        /// Shortest match in bytes
        #[arg(long, default_value_t = 16, value_name = "BYTES")]
        min: usize,
        /// Matches shown
        #[arg(long, default_value_t = 10, value_name = "N")]
        most: usize,
    },
}

#[derive(Debug, Args)]
pub struct Target {
    /// Run, stage name, or key (or its beginning)
    pub what: String,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run, or stage name
    pub run: String,
    /// Another run to lay over it
    #[arg(long, value_name = "RUN")]
    pub against: Option<String>,
    /// Where to write it (default: the run's folder)
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Stage name, run, or key of a model
    pub model: String,
    /// Folder to write; must not exist or be empty
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Folder with config.json, model.safetensors and tokenizer.json
    pub folder: PathBuf,
    /// Name of the imported model
    #[arg(long, default_value = "imported")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct StagesArgs {
    /// Describe this kind: inputs, fields, types, defaults
    pub kind: Option<String>,
    /// All kinds as Markdown
    #[arg(long)]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Also show where each value comes from
    #[arg(long)]
    pub origin: bool,
}
