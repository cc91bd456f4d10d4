//! The binary `regimen`: glue between the command line and the rooms.

mod args;
mod commands;
mod interrupt;
mod output;
mod profile;
mod progress;
mod registry;
mod settings;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use clap::Parser;
use regimen_base::units;
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
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return ExitCode::from(output::mistyped(&error)),
        // Help or version.
        Err(text) => {
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
    };
    // A loop that finds no memory for its buffers has no other way to say so; stages that know more say more.
    let ended = catch_unwind(AssertUnwindSafe(|| run(cli))).unwrap_or_else(|payload| {
        match payload.downcast_ref::<NoMemory>() {
            Some(lack) => Err(output::Fault::new(
                format!("no memory for {} more of scratch buffers", units::memory(lack.bytes as u64)),
                "free memory, or take a smaller model; the same command goes on where it stopped",
            )),
            None => resume_unwind(payload),
        }
    });
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(output::report(&error)),
    }
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    let mut global = cli.global;
    let project = match &cli.command {
        Command::Run(args) if global.project.is_none() => commands::project_of(&args.recipe.recipe)?,
        Command::Plan(args) if global.project.is_none() => commands::project_of(&args.recipe)?,
        _ => settings::project(&global)?,
    };
    let settings = settings::Settings::load(&global, &project)?;
    global.quiet = settings.quiet();
    rayon::ThreadPoolBuilder::new().num_threads(settings.threads()).build_global()?;
    regimen_kernels::set_threads(settings.threads());
    let context = Context { global, settings, project };
    match cli.command {
        Command::Run(args) => commands::run::run(&context, &args),
        Command::Plan(args) => commands::plan::plan(&context, &args),
        Command::Generate(args) => commands::generate::generate(&context, args),
        Command::Trace(trace) => commands::trace::trace(&context, trace),
        Command::Runs => commands::runs::runs(&context),
        Command::Show(target) => commands::show::show(&context, &target.what),
        Command::Lineage(target) => commands::show::lineage(&context, &target.what),
        Command::Ledger(args::Ledger::Verify) => commands::ledger::verify(&context),
        Command::Ledger(args::Ledger::Rebuild) => commands::ledger::rebuild(&context),
        Command::Report(args) => commands::report::report(&context, &args),
        Command::Export(args) => commands::model::export(&context, &args),
        Command::Import(args) => commands::model::import(&context, &args),
        Command::Stages(args) => commands::stages::stages(&context, &args),
        Command::Doctor => commands::doctor::doctor(&context),
        Command::Config(args) => commands::config::config(&context, &args),
    }
}
