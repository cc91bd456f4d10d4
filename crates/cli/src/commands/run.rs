//! `regimen run`: every stage of a recipe that is not finished yet, then the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regimen_base::{Cancel, shell_quoted, units};
use regimen_ledger::Store;
use regimen_recipe::{Outcome, Recipe, Runner};
use serde_json::{Value, json};

use crate::args::RunArgs;
use crate::dashboard::{self, Dashboard};
use crate::output::{Explain, failed, is_interruption, paint, print_json, program, say, shown};
use crate::progress::Progress;
use crate::requests::Listener;
use crate::{Context, commands, interrupt, profile, team};

pub fn run(context: &Context, args: &RunArgs) -> anyhow::Result<u8> {
    with(context, args, interrupt::install(context.global.quiet)?, BTreeMap::new())
}

/// The same, with folders of work that was done elsewhere, by stage.
pub fn with(
    context: &Context,
    args: &RunArgs,
    cancel: Cancel,
    prepared: BTreeMap<String, PathBuf>,
) -> anyhow::Result<u8> {
    if args.tui {
        dashboard::needs_screen("leave `--tui` out: progress is printed line by line")?;
    }
    let recipe = commands::recipe(context, &args.recipe)?;
    let store = Store::open(&recipe.root).explain()?;
    let listener = Listener::start(cancel.clone())?;
    let dashboard = if args.tui {
        let store = Store::open_existing(&recipe.root).explain()?;
        Some(Dashboard::start(store, cancel.clone(), context.global.quiet)?)
    } else {
        None
    };
    let ended = work(context, args, &recipe, &store, cancel, prepared, &listener, dashboard.as_ref());
    if let Some(dashboard) = dashboard {
        dashboard.finish(match &ended {
            Ok(_) => "done",
            Err(error) if is_interruption(error) => "stopped",
            Err(_) => "failed",
        });
    }
    let (outcomes, reports) = ended?;
    tell(context, args, &recipe, &store, &outcomes, &reports)
}

/// All stages and their reports. What is said on the way waits while a dashboard is shown.
#[allow(clippy::too_many_arguments, reason = "all of it is needed, once")]
fn work(
    context: &Context,
    args: &RunArgs,
    recipe: &Recipe,
    store: &Store,
    cancel: Cancel,
    prepared: BTreeMap<String, PathBuf>,
    listener: &Listener,
    dashboard: Option<&Dashboard>,
) -> anyhow::Result<(Vec<Outcome>, Vec<String>)> {
    let global = &context.global;
    let (quiet, root) = (global.quiet, recipe.root.as_path());
    say(global, format!("{} {} ({})", paint("1", "recipe"), recipe.name, args.recipe.recipe.display()));
    if let Some(advice) = team::advice(context.group) {
        say(global, format!("{} {advice}", paint("33", "note:")));
    }
    let runs = store.dir().join("runs");
    let announcer = dashboard.map(Dashboard::announcer);
    let mut runner = Runner {
        threads: context.settings.threads(context.group.sharing()),
        group: context.group,
        cancel,
        command: std::env::args().collect(),
        watch: Box::new(move |stage| {
            let began = announcer.clone().map(|began| Box::new(began) as Box<dyn Fn(String) + Send>);
            let progress = (!quiet).then(|| Progress::new(stage, root));
            Some(listener.watch(runs.clone(), began, progress))
        }),
        profile: args.profile,
        prepared,
        done: Box::new(|outcome| say(global, line(outcome))),
        ..Runner::new(store, &regimen_kernels::fingerprint())
    };
    let outcomes = runner.run(recipe, args.recipe.until.as_deref()).map_err(|failure| failed(&failure))?;
    let reports =
        if args.no_report || !context.settings.report() { Vec::new() } else { reports(store, &outcomes)? };
    Ok((outcomes, reports))
}

/// What came of it.
fn tell(
    context: &Context,
    args: &RunArgs,
    recipe: &Recipe,
    store: &Store,
    outcomes: &[Outcome],
    reports: &[String],
) -> anyhow::Result<u8> {
    let global = &context.global;
    let worked = outcomes.iter().any(|outcome| !outcome.cached);
    if args.profile.is_some() {
        profile::unprofiled(outcomes).iter().for_each(|text| say(global, text));
    }
    if global.json {
        let stages: Vec<Value> = outcomes
            .iter()
            .map(|o| {
                let mut stage = json!({"stage": o.stage, "key": o.key, "cached": o.cached, "run": o.run_id,
                    "seconds": o.seconds, "payload": o.artifact.manifest.payload,
                    "summary": o.artifact.manifest.summary});
                if args.profile.is_some() {
                    stage["profile"] = profile::table_of(store, o);
                }
                stage
            })
            .collect();
        print_json(&json!({"recipe": recipe.name, "stages": stages, "reports": reports}))?;
        return Ok(0);
    }
    if !worked {
        say(global, "\neverything is finished already: nothing was done");
    }
    say(global, next_steps(recipe, outcomes, reports, &args.recipe.recipe));
    Ok(0)
}

/// Pages of the models among the outcomes, made where they are missing or out of date.
fn reports(store: &Store, outcomes: &[Outcome]) -> anyhow::Result<Vec<String>> {
    let mut written = Vec::new();
    for outcome in outcomes.iter().filter(|o| o.artifact.manifest.kind == "pretrain") {
        let Some(run) = store.find_run(&outcome.run_id).explain()? else { continue };
        let path = if regimen_report::up_to_date(store, &run) {
            store.run_dir(&run.id).join("report.html")
        } else {
            super::report::write(store, &run, None, None)?
        };
        written.push(shown(&path));
    }
    Ok(written)
}

/// The line that a finished stage leaves on the screen.
fn line(outcome: &Outcome) -> String {
    let mark = if outcome.cached { paint("36", "=") } else { paint("32", "✓") };
    let took = if outcome.cached { "cached".to_string() } else { units::duration(outcome.seconds) };
    let about = about(&outcome.artifact.manifest.kind, &outcome.artifact.manifest.summary);
    format!("{mark} {:<12} {:<8} {:>8}  {about}", outcome.stage, outcome.key.short(), took)
}

/// The result of a stage in a few words.
fn about(kind: &str, summary: &Value) -> String {
    let number = |path: &str| summary.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let count = |path: &str| units::count(number(path));
    match kind {
        "corpus" => format!(
            "{} of {} documents kept, {} to train on",
            number("/documents/kept"),
            number("/documents/read"),
            units::bytes(number("/bytes/train") as u64)
        ),
        "tokenizer" => format!("{} ids, {:.2} bytes per token", number("/vocab"), number("/bytes_per_token")),
        "tokens" => format!("{} training tokens", count("/train_tokens")),
        "ngram" => format!("{} contexts", count("/contexts")),
        "pretrain" => format!(
            "{} parameters, {} tokens, loss {:.3}, {}",
            count("/parameters"),
            count("/tokens"),
            number("/loss"),
            units::flops(number("/flops"))
        ),
        "import" => format!("{} parameters", count("/parameters")),
        "evaluate" => {
            let bpb = number("/bpb");
            let baseline = number("/baseline/bpb");
            if baseline.is_finite() {
                let gain = 100.0 * (1.0 - bpb / baseline);
                let (gain, word) = if gain < 0.0 { (-gain, "worse") } else { (gain, "better") };
                format!("{bpb:.4} bits per byte, the n-gram baseline {baseline:.4}: {gain:.1} % {word}")
            } else {
                format!("{bpb:.4} bits per byte")
            }
        }
        _ => String::new(),
    }
}

/// What to try next.
fn next_steps(recipe: &Recipe, outcomes: &[Outcome], reports: &[String], path: &Path) -> String {
    let mut lines = Vec::new();
    reports.iter().for_each(|report| lines.push(format!("\n{} {report}", paint("1", "report"))));
    let model =
        outcomes.iter().rev().find(|o| o.artifact.manifest.kind == "pretrain").map(|o| o.stage.as_str());
    let program = program();
    if let Some(model) = model {
        let prompt = prompt(recipe).unwrap_or_else(|| "The".into());
        let again = std::env::args().skip(1).map(|arg| shell_quoted(&arg)).collect::<Vec<_>>().join(" ");
        let commands = [
            (format!("generate {model} --prompt '{prompt}'"), "write with the model"),
            (format!("trace step {model} 1"), "the documents behind a step"),
            (format!("trace text '{prompt}'"), "who wrote this, and which steps saw it"),
            (again, "goes on after Ctrl-C or a crash"),
            (format!("report {model}"), "write the report again"),
        ];
        let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
        lines.push(format!("\n{}", paint("1", "what to try next")));
        for (command, about) in commands {
            lines.push(format!("  {program} {command:<width$}   {about}"));
        }
    } else if outcomes.len() < recipe.stages.len() {
        lines.push(format!("\nthe rest: {program} run {}", shell_quoted(&path.display().to_string())));
    }
    lines.join("\n")
}

/// A prompt that the recipe itself uses.
fn prompt(recipe: &Recipe) -> Option<String> {
    let stage = recipe.stages.iter().find(|stage| stage.kind.kind == "generate")?;
    let prompt = stage.config.get("prompts")?.get(0)?.as_str()?;
    (!prompt.contains('\'')).then(|| prompt.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_names_its_baseline_only_where_there_is_one() {
        let with = json!({"bpb": 1.8, "baseline": {"bpb": 2.0}});
        assert_eq!(
            about("evaluate", &with),
            "1.8000 bits per byte, the n-gram baseline 2.0000: 10.0 % better"
        );
        assert_eq!(about("evaluate", &json!({"bpb": 1.8})), "1.8000 bits per byte");
    }
}
