//! `regimen plan`: what a recipe would do and cost on this machine.

use regimen_base::{Event, Record, Watch, events, units};
use regimen_ledger::Store;
use regimen_recipe::Plan;

use crate::args::RecipeArgs;
use crate::output::{Explain, print, print_json, table};
use crate::progress::Progress;
use crate::{Context, commands};

pub fn plan(context: &Context, args: &RecipeArgs) -> anyhow::Result<u8> {
    let recipe = commands::recipe(context, args)?;
    let store = Store::open(&recipe.root).explain()?;
    // Sources in object stores are brought here first.
    let mut eyes = None;
    let mut coming = |url: &str, done, total| {
        if !context.global.quiet {
            let event = Event::Progress { done, total, unit: "bytes".into(), note: format!("from {url}") };
            let record = Record { t: events::now(), event };
            eyes.get_or_insert_with(|| Progress::new("sources", &recipe.root)).see(&record);
        }
    };
    let plan = Plan::seen(&recipe, &store, args.until.as_deref(), true, &mut coming).explain()?;
    drop(eyes);
    if context.global.json {
        print_json(&plan)?;
        return Ok(0);
    }
    let some = |n: f64, show: fn(f64) -> String| if n > 0.0 { show(n) } else { String::new() };
    let rows: Vec<Vec<String>> = plan
        .stages
        .iter()
        .map(|stage| {
            let f = &stage.forecast;
            let state = match stage.state {
                regimen_recipe::State::Cached => "cached".to_string(),
                regimen_recipe::State::Partial(step) => format!("at step {step}"),
                regimen_recipe::State::Missing => "to do".to_string(),
            };
            vec![
                stage.name.clone(),
                stage.kind.to_string(),
                state,
                some(f.tokens, units::count),
                some(f.parameters, units::count),
                some(f.flops, units::flops),
                some(f.memory, |n| units::memory(n as u64)),
                some(f.disk, |n| units::bytes(n as u64)),
                some(f.seconds, units::duration),
            ]
        })
        .collect();
    let head = ["stage", "kind", "state", "tokens", "parameters", "compute", "memory", "disk", "time"];
    print(table(&head, &rows, &[3, 4, 5, 6, 7, 8]))?;
    let sum =
        |get: fn(&regimen_recipe::Forecast) -> f64| plan.stages.iter().map(|s| get(&s.forecast)).sum::<f64>();
    let memory = plan.stages.iter().map(|s| s.forecast.memory).fold(0.0, f64::max);
    let seconds = sum(|f| f.seconds);
    if seconds > 0.0 {
        print(format!(
            "\nabout {} on this machine ({}), {}, {} of memory, {} of disk",
            units::duration(seconds),
            units::plural(context.settings.threads(context.group.sharing()) as u64, "thread"),
            units::flops(sum(|f| f.flops)),
            units::memory(memory as u64),
            units::bytes(sum(|f| f.disk) as u64)
        ))?;
    } else {
        print("\neverything is finished already")?;
    }
    Ok(0)
}
