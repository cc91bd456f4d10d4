//! `regimen run --profile`: a table and a trace, and the same training.

use serde_json::Value;

use crate::common::Project;

/// The trace of the stage `base`.
fn trace(project: &Project) -> Value {
    let text = std::fs::read_to_string(project.run_dir("base").join("profile.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Beginning and end of an event in nanoseconds.
fn span(event: &Value) -> (u64, u64) {
    let nanoseconds = |name: &str| (event[name].as_f64().unwrap() * 1e3).round() as u64;
    (nanoseconds("ts"), nanoseconds("ts") + nanoseconds("dur"))
}

/// Name of each complete event with the names around it, innermost last. No two may cross.
fn nested(trace: &Value) -> Vec<Vec<String>> {
    let mut open: Vec<(u64, String)> = Vec::new();
    let mut paths = Vec::new();
    let mut last = 0;
    for event in trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X") {
        assert_eq!((&event["pid"], &event["tid"]), (&1.into(), &1.into()));
        let (start, end) = span(event);
        assert!(start >= last && end >= start, "{event} begins before the one in front of it");
        last = start;
        open.retain(|(end, _)| *end > start);
        assert!(open.iter().all(|(outer, _)| end <= *outer), "{event} ends after the one around it");
        open.push((end, event["name"].as_str().unwrap().to_string()));
        paths.push(open.iter().map(|(_, name)| name.clone()).collect());
    }
    paths
}

#[test]
fn a_profile_tells_where_the_time_goes_and_changes_nothing() {
    let project = Project::before_base();
    let done = project.run(&["run", "recipe.toml", "--profile", "--json"]).fine();
    // The training is what it is without a profile: key, payload, loss of every step.
    assert_eq!(project.payloads(), Project::finished().payloads());
    let losses = |project: &Project| -> Vec<Value> {
        let metrics = |event: &Value| event["values"].get("loss").cloned();
        project.events("base").iter().filter_map(metrics).collect()
    };
    assert_eq!(losses(&project), losses(Project::finished()));

    let trace = trace(&project);
    let stages = done.json()["stages"].clone();
    let stage = |name: &str| stages.as_array().unwrap().iter().find(|s| s["stage"] == name).unwrap().clone();
    let table = &stage("base")["profile"];
    assert_eq!((table, &stage("tokens")["profile"]), (&trace["profile"], &Value::Null));
    assert_eq!((&table["first_step"], &table["last_step"]), (&3.into(), &12.into()));
    let rows = table["rows"].as_array().unwrap();
    let sum = |field: &str| rows.iter().map(|row| row[field].as_f64().unwrap()).sum::<f64>();
    let step = &table["step"];
    assert!((sum("share") - 1.0).abs() < 1e-9, "{table}");
    for field in ["milliseconds", "flops", "bytes"] {
        let whole = step[field].as_f64().unwrap();
        assert!(whole > 0.0 && (sum(field) - whole).abs() < 1e-9 * whole, "{field}: {table}");
    }
    assert!(rows.iter().all(|row| row["milliseconds"].as_f64().unwrap() >= 0.0));
    for (name, pass) in [
        ("embedding", "forward"),
        ("embedding", "backward"),
        ("linear attn.qkv", "forward"),
        ("linear attn.out", "backward"),
        ("linear mlp.gate_up", "forward"),
        ("linear mlp.down", "backward"),
        ("attention", "forward"),
        ("attention", "backward"),
        ("norm", "forward"),
        ("norm", "backward"),
        ("mlp", "forward"),
        ("cross_entropy", "forward"),
        ("gradient norm", ""),
        ("optimizer", ""),
        ("fetch batch", ""),
        ("event log", ""),
        ("outside of operations", ""),
    ] {
        assert!(rows.iter().any(|row| row["name"] == name && row["pass"] == pass), "{name} {pass}: {table}");
    }
    // 4 sequences of 32 tokens, width 32, two layers.
    let qkv = rows.iter().find(|r| r["name"] == "linear attn.qkv" && r["pass"] == "forward").unwrap();
    assert_eq!((&qkv["calls"], &qkv["shape"]), (&2.0.into(), &serde_json::json!([128, 32, 96])));
    assert_eq!(qkv["flops"], 2.0 * 2.0 * 128.0 * 32.0 * 96.0);

    let paths = nested(&trace);
    assert_eq!(paths.iter().filter(|path| path[..] == ["step"]).count(), 10);
    assert!(paths.iter().all(|path| path[0] == "step"), "everything lies in a step");
    let names: Vec<&Value> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["ph"] == "M")
        .map(|event| &event["name"])
        .collect();
    assert_eq!(names, ["process_name", "thread_name"]);

    let file = project.run_dir("base").join("profile.json");
    let file = file.strip_prefix(project.root()).unwrap().display().to_string();
    for words in ["profile base, mean of steps 3 to 12\n", "\nlinear attn.qkv", "\nstep  ", &file] {
        assert!(done.stderr.contains(words), "`{words}` is not in:\n{}", done.stderr);
    }
    assert!(project.run(&["show", "base"]).fine().stdout.contains(&file));
    assert!(!Project::finished().run(&["show", "base"]).fine().stdout.contains("profile"));
    project.run(&["ledger", "verify"]).fine();
}

#[test]
fn where_nothing_is_profiled_it_is_said() {
    let project = Project::copy();
    let done = project.run(&["run", "recipe.toml", "--profile"]).fine();
    assert!(done.stderr.contains("`base` was not profiled: it is finished"), "{}", done.stderr);
    let done = project.run(&["run", "recipe.toml", "--profile", "--until", "tokens"]).fine();
    assert!(done.stderr.contains("nothing was profiled: there is no `pretrain` stage"), "{}", done.stderr);
    // What the first note says to do.
    let again = ["run", "recipe.toml", "--until", "base", "--set", "base.seed=1", "--set", "base.steps=5"];
    let done = project.run(&[&again[..], &["--profile=3"]].concat()).fine();
    assert!(done.stderr.contains("profile base, mean of steps 3 to 5\n"), "{}", done.stderr);
    project.run(&["run", "recipe.toml", "--profile=0"]).refused(&["'0'", "--profile"]);
    project.run(&["run", "--profile=x", "recipe.toml"]).refused(&["'x'", "--profile"]);
}
