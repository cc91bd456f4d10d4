//! A profile as people read it, and what there is to say where there is none.

use regimen_base::fs;
use regimen_ledger::Store;
use regimen_recipe::{Outcome, PROFILE};
use regimen_train::Profile;
use regimen_train::profile::Row;
use serde_json::Value;

use crate::output::{paint, table};

/// The kind of stage that can be profiled.
const KIND: &str = "pretrain";

const HEAD: [&str; 9] =
    ["operation", "pass", "calls", "ms", "share", "GFLOP/s", "of sgemm", "GB/s", "of copy"];

/// The table of a profile of `stage`, whose trace lies at `path`.
pub fn text(stage: &str, profile: &Profile, path: &str) -> String {
    let rows: Vec<Vec<String>> = profile.rows.iter().chain([&profile.step]).map(cells).collect();
    let ceiling = profile.ceiling;
    let (first, last) = (profile.first_step, profile.last_step);
    let steps =
        if first == last { format!("step {first}") } else { format!("mean of steps {first} to {last}") };
    [
        format!("{} {stage}, {steps}", paint("1", "profile")),
        table(&HEAD, &rows, &[2, 3, 4, 5, 6, 7, 8]),
        format!(
            "measured here with {}: sgemm {:.1} GFLOP/s, copy {:.1} GB/s; traffic that caches serve may exceed the copy",
            regimen_base::units::plural(ceiling.threads as u64, "thread"),
            ceiling.flops_per_second / 1e9,
            ceiling.bytes_per_second / 1e9
        ),
        format!("{} {path} (open it in chrome://tracing or https://ui.perfetto.dev)", paint("1", "trace")),
    ]
    .join("\n")
}

fn cells(row: &Row) -> Vec<String> {
    let rate = |rate: Option<f64>| {
        rate.map_or(
            String::new(),
            |rate| if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.1}") },
        )
    };
    let percent = |share: Option<f64>| share.map_or(String::new(), |share| format!("{:.1} %", 100.0 * share));
    let calls = if row.calls.fract() == 0.0 { format!("{}", row.calls) } else { format!("{:.1}", row.calls) };
    vec![
        row.name.clone(),
        row.pass.clone(),
        if row.calls == 0.0 { String::new() } else { calls },
        format!("{:.3}", row.milliseconds),
        percent(Some(row.share)),
        rate(row.gflops_per_second),
        percent(row.share_of_product),
        rate(row.gb_per_second),
        percent(row.share_of_copy),
    ]
}

/// The table of a stage that was profiled just now, for `--json`; null if it was not.
pub fn table_of(store: &Store, outcome: &Outcome) -> Value {
    if outcome.cached {
        return Value::Null;
    }
    let trace: Option<Value> = fs::read_json(&store.run_dir(&outcome.run_id).join(PROFILE)).ok();
    trace.map_or(Value::Null, |mut trace| trace["profile"].take())
}

/// Why stages were not profiled although somebody asked for it.
pub fn unprofiled(outcomes: &[Outcome]) -> Vec<String> {
    let note = |text: String| format!("{} {text}", paint("36", "note:"));
    let trained: Vec<&Outcome> = outcomes.iter().filter(|o| o.artifact.manifest.kind == KIND).collect();
    if trained.is_empty() {
        return vec![note(format!(
            "nothing was profiled: there is no `{KIND}` stage among those that were run"
        ))];
    }
    let cached = trained.into_iter().filter(|outcome| outcome.cached).map(|outcome| &outcome.stage);
    cached
        .map(|stage| {
            note(format!(
                "`{stage}` was not profiled: it is finished; another seed runs it again (`--set {stage}.seed=1`)"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_train::profile::Ceiling;

    #[test]
    fn the_table_tells_rates_where_there_are_some() {
        let row = |name: &str, milliseconds: f64| Row { name: name.into(), milliseconds, ..Row::default() };
        let linear = Row {
            pass: "forward".into(),
            calls: 6.5,
            share: 0.75,
            gflops_per_second: Some(50.0),
            share_of_product: Some(0.5),
            gb_per_second: Some(12.04),
            share_of_copy: Some(1.204),
            ..row("linear mlp.up", 3.0)
        };
        let profile = Profile {
            first_step: 3,
            last_step: 4,
            ceiling: Ceiling { flops_per_second: 100e9, bytes_per_second: 10e9, threads: 1 },
            rows: vec![linear, Row { share: 0.25, ..row("outside of operations", 1.0) }],
            step: Row { share: 1.0, calls: 1.0, ..row("step", 4.0) },
        };
        let expected = "\
profile base, mean of steps 3 to 4
operation              pass     calls     ms    share  GFLOP/s  of sgemm  GB/s  of copy
linear mlp.up          forward    6.5  3.000   75.0 %     50.0    50.0 %  12.0  120.4 %
outside of operations                  1.000   25.0 %
step                                1  4.000  100.0 %
measured here with 1 thread: sgemm 100.0 GFLOP/s, copy 10.0 GB/s; traffic that caches serve may exceed the copy
trace p.json (open it in chrome://tracing or https://ui.perfetto.dev)";
        assert_eq!(text("base", &profile, "p.json"), expected);
    }
}
