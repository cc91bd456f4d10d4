//! `regimen corpus build`: the stages of the kind `corpus` of a recipe, on this machine or as one of several tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use regimen_base::{fs, units};
use regimen_corpus::task::{self, Task};
use regimen_objects::Objects;
use regimen_recipe::Stage;

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
    let named = |stage: &&Stage| match &recipe.until {
        Some(until) => stage.name == *until,
        None => stage.kind.kind == "corpus",
    };
    let Some(last) = whole.stages.iter().rev().find(named) else {
        return Err(Fault::new(
            format!("`{}` has no stage of the kind `corpus`", recipe.recipe.display()),
            "write one: `regimen stages corpus` describes it",
        ));
    };
    recipe.until = Some(last.name.clone());
    let cancel = interrupt::install(context.global.quiet)?;
    let run = RunArgs { recipe, no_report: true, tui: false, profile: None };
    let Some(url) = &args.store else { return commands::run::with(context, &run, cancel, BTreeMap::new()) };
    if last.kind.kind != "corpus" {
        return Err(Fault::new(
            format!("stage `{}` is of the kind `{}`, which tasks do not share", last.name, last.kind.kind),
            "name a stage of the kind `corpus` with --until",
        ));
    }
    let store = Objects::open(url).explain()?;
    let global = &context.global;
    let mut tell = |line: &str| say(global, format!("{} {line}", paint("2", "task")));
    let mut task = Task {
        root: &whole.root,
        stage: &last.name,
        config: &last.config,
        store: &store,
        share: args.task,
        patience: Duration::from_secs(args.patience),
        cancel: cancel.clone(),
        tell: &mut tell,
    };
    let done = match args.task {
        Some(_) => task::run(&mut task).map(Ok),
        None => task::collect(&mut task).map(Err),
    };
    match done {
        Err(regimen_corpus::Error::Interrupted) => {
            say(&context.global, "stopped; what is whole is kept");
            say(&context.global, format!("hint: go on with `{}`", command_line()));
            Ok(INTERRUPTED)
        }
        Err(error) => Err(error).explain(),
        Ok(Ok(items)) if context.global.json => {
            print_json(&serde_json::json!({"items": items}))?;
            Ok(0)
        }
        Ok(Ok(items)) => {
            say(
                &context.global,
                format!("all tasks are done; this one made {}", units::plural(items, "item")),
            );
            Ok(0)
        }
        Ok(Err(parts)) => {
            let prepared = BTreeMap::from([(last.name.clone(), parts.clone())]);
            let code = commands::run::with(context, &run, cancel, prepared)?;
            if let Some(scratch) = parts.parent() {
                fs::remove_dir_all(scratch)?;
            }
            Ok(code)
        }
    }
}
