//! `regimen watch`: the dashboard of a run in another process, or of one that has ended.

use regimen_ledger::{RunInfo, Status, Store};

use crate::args::WatchArgs;
use crate::commands::store;
use crate::output::{Explain, Fault, print_json};
use crate::{Context, dashboard};

/// Stages of the recipe that are shown, the last ones.
const STAGES: usize = 16;

pub fn watch(context: &Context, args: &WatchArgs) -> anyhow::Result<u8> {
    if !context.global.json {
        let instead =
            "`regimen show RUN` prints what is known of a run, `regimen report RUN` draws its curves";
        dashboard::needs_screen(instead)?;
    }
    let store = store(context)?;
    let run = match &args.run {
        Some(text) => store.run(text).explain()?,
        None => latest(&store)?,
    };
    if context.global.json {
        print_json(&run)?;
        return Ok(0);
    }
    let runs = stages(&store, &run)?;
    let at = runs.iter().position(|other| other.id == run.id).unwrap_or(0);
    dashboard::watch(store, runs, at)
}

/// The run at work; if there is none the newest model, or whatever ran last.
fn latest(store: &Store) -> anyhow::Result<RunInfo> {
    let mut runs = store.runs().explain()?;
    runs.sort_by(|a, b| a.started.total_cmp(&b.started));
    let newest = |wanted: &dyn Fn(&RunInfo) -> bool| runs.iter().rev().find(|run| wanted(run)).cloned();
    newest(&|run| run.status == Status::Running)
        .or_else(|| newest(&|run| run.kind == "pretrain"))
        .or_else(|| newest(&|_| true))
        .ok_or_else(|| Fault::new("there are no runs yet", "`regimen run RECIPE` makes the first"))
}

/// The newest runs of the same recipe in the order in which they began, this one among them.
fn stages(store: &Store, run: &RunInfo) -> anyhow::Result<Vec<RunInfo>> {
    let mut runs = store.runs().explain()?;
    runs.retain(|other| other.id == run.id || other.recipe == run.recipe);
    runs.sort_by(|a, b| a.started.total_cmp(&b.started));
    while runs.len() > STAGES {
        let oldest = if runs[0].id == run.id { 1 } else { 0 };
        runs.remove(oldest);
    }
    if runs.is_empty() {
        runs.push(run.clone());
    }
    Ok(runs)
}
