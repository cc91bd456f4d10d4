//! The binary `regimen`: glue between the command line and the rooms.

mod args;
mod ask;
mod browser;
mod commands;
mod dashboard;
mod interrupt;
mod meter;
mod output;
mod profile;
mod progress;
mod registry;
mod requests;
mod runs;
mod settings;
mod team;
mod templates;
mod terminal;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use regimen_base::{Group, units};
use regimen_kernels::NoMemory;

use args::{Cli, Command};

/// What every command gets.
pub struct Context {
    /// Flags that every command takes.
    pub global: args::Global,
    /// Settings in force.
    pub settings: settings::Settings,
    /// The project folder.
    pub project: std::path::PathBuf,
    /// The processes that work together, led by this one.
    pub group: &'static dyn Group,
}

fn main() -> ExitCode {
    match team::join() {
        Ok(group) => team::leave(group, act(group)),
        Err(code) => code,
    }
}

/// All that the command line asks for; gives back the exit code.
fn act(group: &'static dyn Group) -> u8 {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return output::mistyped(&error),
        // Help or version.
        Err(text) => {
            let _ = text.print();
            return 0;
        }
    };
    // A loop that finds no memory for its buffers has no other way to say so; stages that know more say more.
    let ended = catch_unwind(AssertUnwindSafe(|| run(cli, group))).unwrap_or_else(|payload| {
        match payload.downcast_ref::<NoMemory>() {
            Some(lack) => Err(output::Fault::new(
                format!("no memory for {} more of scratch buffers", units::memory(lack.bytes as u64)),
                "free memory, or take a smaller model; the same command goes on where it stopped",
            )),
            None => resume_unwind(payload),
        }
    });
    ended.unwrap_or_else(|error| output::report(&error))
}

/// The project that a command line is about.
fn project(cli: &Cli) -> anyhow::Result<std::path::PathBuf> {
    match &cli.command {
        Command::Run(args) if cli.global.project.is_none() => commands::project_of(&args.recipe.recipe),
        Command::Corpus(args::Corpus::Build(args)) if cli.global.project.is_none() => {
            commands::project_of(&args.recipe.recipe)
        }
        Command::Plan(args) if cli.global.project.is_none() => commands::project_of(&args.recipe),
        Command::New(args) if cli.global.project.is_none() => commands::new::project(args),
        Command::Train(args) if cli.global.project.is_none() => commands::train::project(&cli.global, args),
        _ => settings::project(&cli.global),
    }
}

/// Make the thread pools.
fn pool(threads: usize) -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    regimen_kernels::set_threads(threads);
    Ok(())
}

fn run(cli: Cli, group: &'static dyn Group) -> anyhow::Result<u8> {
    let project = project(&cli)?;
    let mut global = cli.global;
    let settings = settings::Settings::load(&global, &project)?;
    global.quiet = settings.quiet();
    pool(settings.threads(group.sharing()))?;
    let context = Context { global, settings, project, group };
    match cli.command {
        Command::New(args) => commands::new::new(&context, &args),
        Command::Train(args) => commands::train::train(&context, &args),
        Command::Recipe(args::RecipeWork::Schema) => commands::recipe::schema(),
        Command::Completions(args) => commands::completions::completions(&args),
        Command::Man(args) => commands::man::man(&context, &args),
        Command::Run(args) => commands::run::run(&context, &args),
        Command::Plan(args) => commands::plan::plan(&context, &args),
        Command::Generate(args) => commands::generate::generate(&context, args),
        Command::Corpus(corpus) => commands::corpus::corpus(&context, &corpus),
        Command::Tokens(tokens) => commands::tokens::tokens(&context, &tokens),
        Command::Trace(trace) => commands::trace::trace(&context, trace),
        Command::Watch(args) => commands::watch::watch(&context, &args),
        Command::Runs(args) => commands::runs::runs(&context, &args),
        Command::Show(target) => commands::show::show(&context, &target.what),
        Command::Lineage(target) => commands::show::lineage(&context, &target.what),
        Command::Ledger(ledger) => commands::ledger::ledger(&context, &ledger),
        Command::Report(args) => commands::report::report(&context, &args),
        Command::Export(args) => commands::model::export(&context, &args),
        Command::Import(args) => commands::model::import(&context, &args),
        Command::Stages(args) => commands::stages::stages(&context, &args),
        Command::Doctor => commands::doctor::doctor(&context),
        Command::Config(args) => commands::config::config(&context, &args),
    }
}
