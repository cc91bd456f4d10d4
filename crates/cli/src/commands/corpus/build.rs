//! `regimen corpus build`: the stages of the kind `corpus` of a recipe, on this machine or as one of several tasks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regimen_base::{Cancel, fs, units};
use regimen_corpus::task::{self, Task};
use regimen_objects::Objects;
use regimen_recipe::{Recipe, Stage};

use crate::args::{BuildArgs, RunArgs};
use crate::output::{Explain, Fault, INTERRUPTED, command_line, paint, print_json, say};
use crate::{Context, commands, interrupt};

pub fn build(context: &Context, args: &BuildArgs) -> anyhow::Result<u8> {
    let mut recipe = args.recipe.clone();
    let mut whole = commands::recipe(context, &recipe)?;
    if let Some(memory) = args.memory {
        let corpora = whole.stages.iter().filter(|stage| stage.kind.kind == "corpus");
        recipe.sets.extend(corpora.map(|stage| format!("{}.memory={memory}", stage.name)));
        whole = commands::recipe(context, &recipe)?;
    }
    let corpora: Vec<&Stage> = match &recipe.until {
        None => whole.stages.iter().filter(|stage| stage.kind.kind == "corpus").collect(),
        Some(names) => {
            let named = names.split(',').map(|name| whole.stage(name.trim()));
            named.collect::<Result<_, _>>().explain()?
        }
    };
    if corpora.is_empty() {
        return Err(Fault::new(
            format!("`{}` has no stage of the kind `corpus`", recipe.recipe.display()),
            "write one: `regimen stages corpus` describes it",
        ));
    }
    if let Some(other) = corpora.iter().find(|stage| stage.kind.kind != "corpus") {
        return Err(Fault::new(
            format!("stage `{}` is of the kind `{}`, which is no corpus", other.name, other.kind.kind),
            "name a stage of the kind `corpus` with --until; `regimen run` makes the others",
        ));
    }
    let names: Vec<&str> = corpora.iter().map(|stage| stage.name.as_str()).collect();
    recipe.until = Some(names.join(","));
    let cancel = interrupt::install(context.global.quiet)?;
    let run = RunArgs { recipe, no_report: true, tui: false, profile: None };
    let Some(url) = &args.store else { return commands::run::with(context, &run, cancel, BTreeMap::new()) };
    // What tasks share of one corpus fills a place; of several, each has one of its own.
    let several = whole.stages.iter().filter(|stage| stage.kind.kind == "corpus").count() > 1;
    let mut made = 0;
    let mut prepared = BTreeMap::new();
    for stage in corpora {
        let place =
            if several { format!("{}/{}", url.trim_end_matches('/'), stage.name) } else { url.clone() };
        let store = Objects::open(&place).explain()?;
        match one(context, args, &whole, stage, &store, &cancel) {
            Err(regimen_corpus::Error::Interrupted) => {
                say(&context.global, "stopped; what is whole is kept");
                say(&context.global, format!("hint: go on with `{}`", command_line()));
                return Ok(INTERRUPTED);
            }
            Err(error) => return Err(error).explain(),
            Ok(Ok(items)) => made += items,
            Ok(Err(parts)) => drop(prepared.insert(stage.name.clone(), parts)),
        }
    }
    match args.task {
        Some(_) if context.global.json => print_json(&serde_json::json!({"items": made}))?,
        Some(_) => {
            say(
                &context.global,
                format!("all tasks are done; this one made {}", units::plural(made, "item")),
            );
        }
        None => {
            let scratch: Vec<PathBuf> =
                prepared.values().filter_map(|parts| parts.parent().map(Path::to_path_buf)).collect();
            let code = commands::run::with(context, &run, cancel, prepared)?;
            scratch.iter().try_for_each(|folder| fs::remove_dir_all(folder))?;
            return Ok(code);
        }
    }
    Ok(0)
}

/// The share of a task in one corpus, and how many items it made; or, of no task, the parts that all tasks made.
fn one(
    context: &Context,
    args: &BuildArgs,
    whole: &Recipe,
    stage: &Stage,
    store: &Objects,
    cancel: &Cancel,
) -> regimen_corpus::Result<Result<u64, PathBuf>> {
    let global = &context.global;
    let mut tell = |line: &str| say(global, format!("{} {line}", paint("2", "task")));
    let mut task = Task {
        root: &whole.root,
        stage: &stage.name,
        config: &stage.config,
        store,
        share: args.task,
        patience: Duration::from_secs(args.patience),
        cancel: cancel.clone(),
        tell: &mut tell,
    };
    match args.task {
        Some(_) => task::run(&mut task).map(Ok),
        None => task::collect(&mut task).map(Err),
    }
}
