//! `regimen runs`: every execution of a stage, newest first.

use regimen_base::{events, units};

use crate::Context;
use crate::commands::store;
use crate::output::{Explain, print, print_json, say, table};

pub fn runs(context: &Context) -> anyhow::Result<u8> {
    // A project without a store has no runs, which is no error.
    let mut runs = match store(context) {
        Ok(store) => store.runs().explain()?,
        Err(_) if !context.project.join(".regimen").exists() => Vec::new(),
        Err(error) => return Err(error),
    };
    runs.sort_by(|a, b| b.started.total_cmp(&a.started));
    if context.global.json {
        print_json(&runs)?;
        return Ok(0);
    }
    if runs.is_empty() {
        say(&context.global, "no runs yet; `regimen run RECIPE` makes the first");
        return Ok(0);
    }
    let now = events::now();
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            vec![
                run.id.clone(),
                run.kind.clone(),
                run.status.to_string(),
                units::duration(run.seconds),
                format!("{} ago", units::duration((now - run.started).max(0.0))),
                run.recipe_name.clone(),
            ]
        })
        .collect();
    print(table(&["run", "kind", "status", "took", "started", "recipe"], &rows, &[3, 4]))?;
    Ok(0)
}
