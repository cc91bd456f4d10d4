//! Many runs: filters, tags, comparisons, numbers for other programs.

use std::fs;

use serde_json::Value;

use crate::common::terminal::Terminal;
use crate::common::{Done, Project, STEPS, each, files, list};

/// Ids of the runs that a filter takes.
fn taken(project: &Project, args: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["runs", "--json"].iter().chain(args).copied().collect();
    let runs = project.run(&args).fine().json();
    runs.as_array().unwrap().iter().map(|run| run["stage"].as_str().unwrap().to_string()).collect()
}

fn id(project: &Project, stage: &str) -> String {
    project.run_dir(stage).file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn filters_order_and_columns() {
    let project = Project::finished();
    assert_eq!(taken(project, &[]).len(), 7);
    assert_eq!(taken(project, &["loss < 100 and stage == base"]), ["base"]);
    assert_eq!(taken(project, &["loss > 100"]).len(), 0);
    assert_eq!(
        taken(project, &["kind in [ngram, tokens] or name == corpus", "--sort", "stage"]),
        ["corpus", "ngram", "tokens"]
    );
    assert_eq!(taken(project, &["lr == 0.01 and steps >= 40 and recipe == small"]), ["base"]);
    assert_eq!(taken(project, &["state == done and age < 30d and not has(tag)"]).len(), 7);
    assert_eq!(taken(project, &["bpb > 0", "--sort", "-bpb"]).len(), 2, "the model and its evaluation");
    assert_eq!(taken(project, &["--sort", "-stage", "--most", "2"]), ["tokens", "tokenizer"]);
    let shown = project
        .run(&["runs", "stage == base", "--columns", "stage,lr,loss.best,optimizer.kind"])
        .fine()
        .stdout;
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["stage", "lr", "loss.best", "optimizer.kind"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][3]), ("base", "0.01", "adamw"));
    // The numbers are those of the log.
    let runs = project.run(&["runs", "stage == base", "--json"]).fine().json();
    let losses: Vec<f64> =
        project.events("base").iter().filter_map(|e| e["values"]["loss"].as_f64()).collect();
    let loss = &runs[0]["metrics"]["loss"];
    assert_eq!(loss["last"].as_f64(), losses.last().copied());
    assert_eq!(loss["least"].as_f64(), losses.iter().copied().reduce(f64::min));
    assert_eq!((loss["count"].as_u64(), loss["step"].as_u64()), (Some(STEPS), Some(STEPS)));
    let none = project.run(&["runs", "tag == nothing"]).fine();
    assert!(none.stdout.is_empty() && none.stderr.contains("no run is so"));
}

#[test]
fn filters_that_are_wrong_point_at_their_place() {
    let project = Project::finished();
    let done =
        project.run(&["runs", "stage == base and lsos < 2"]).refused(&["`lsos`", "did you mean `loss`?"]);
    assert!(done.stderr.contains("stage == base and lsos < 2\n                      ^"), "{}", done.stderr);
    project.run(&["runs", "loss < base"]).refused(&["`loss` is a number", "`base`"]);
    project.run(&["runs", "stage < 3"]).refused(&["`stage` is a text", "no order"]);
    project.run(&["runs", "every == 5"]).refused(&["`checkpoint.every`", "`samples.every`"]);
    project.run(&["runs", "dif"]).refused(&["`dif`", "`regimen runs diff`"]);
    project.run(&["runs", "--sort", "lsos"]).refused(&["--sort", "`loss`"]);
    project.run(&["runs", "--columns", "run,lsos"]).refused(&["--columns", "`loss`"]);
}

#[test]
fn tags_and_notes_stay_with_the_run() {
    let project = Project::copy();
    let base = id(&project, "base");
    let done = project.run(&["runs", "tag", "base", "+good", "v2", "-nothing"]).fine();
    assert_eq!(done.stdout, format!("{base}  good v2\n"));
    project.run(&["runs", "note", "base", " the warm-up was too short "]).fine();
    assert_eq!(taken(&project, &["tag == good and tag != bad and note ~ WARM"]), ["base"]);
    let table = project.run(&["runs"]).fine().stdout;
    assert!(
        table.lines().next().unwrap().ends_with("tags     note")
            && table.contains("good v2  the warm-up was"),
        "{table}"
    );
    // Running again changes nothing of it, nor does making the artifact anew.
    fs::remove_dir_all(project.artifact("pretrain")).unwrap();
    project.run(&["run", "recipe.toml"]).fine();
    assert_eq!(project.run(&["runs", "tag", &base]).fine().stdout, format!("{base}  good v2\n"));
    project.run(&["runs", "tag", "base", "-good", "-v2"]).fine();
    project.run(&["runs", "note", "base", ""]).fine();
    assert_eq!(project.run(&["runs", "tag", "base", "--json"]).fine().json()["tags"], serde_json::json!([]));
    assert_eq!(project.run(&["runs", "note", "base"]).fine().stdout, format!("{base}  (no note)\n"));
    project.run(&["runs", "tag", "base", "+two words"]).refused(&["`+two words`", "letters"]);
    project.run(&["runs", "tag", "bsae", "+x"]).refused(&["`bsae`", "`base`"]);
    // A disk that cannot be written.
    for fault in ["full@write:1", "readonly@write:2"] {
        project.run_with(&["runs", "tag", "base", "+lost"], &[("REGIMEN_FAULT", fault)]).refused(&["labels"]);
    }
    assert!(!files(project.root()).iter().any(|f| f.contains(".tmp")));
    assert_eq!(taken(&project, &["has(tag)"]).len(), 0);
    project.is_whole();
}

#[test]
fn two_runs_side_by_side() {
    let project = Project::copy();
    let first = id(&project, "base");
    let more = [
        "run",
        "recipe.toml",
        "--set",
        "base.steps=20",
        "--set",
        "base.optimizer.lr=0.02",
        "--until",
        "base",
    ];
    project.run(&more).fine();
    let second = format!(
        "base-{}",
        &project.run(&["show", "base", "--json"]).fine().json()["key"].as_str().unwrap()[..8]
    );
    assert_ne!(first, second);
    let diff = project.run(&["runs", "diff", &first, "base", "--json"]).fine().json();
    assert_eq!((diff["a"]["run"].as_str(), diff["b"]["run"].as_str()), (Some(&*first), Some(&*second)));
    let config: Vec<&str> =
        diff["config"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    assert_eq!(config, ["optimizer.lr", "steps"]);
    assert_eq!((&diff["config"][1]["a"], &diff["config"][1]["b"]), (&40.into(), &20.into()));
    assert_eq!(diff["inputs"], serde_json::json!([]));
    assert_eq!(diff["data"]["a"], diff["data"]["b"]);
    // Every token of the training split belongs to one source, one licence and one kind of author.
    let data = &diff["data"]["a"];
    let tokens = project.run(&["show", "tokens", "--json"]).fine().json()["summary"]["train"].clone();
    assert_eq!(data["total"], tokens["tokens"]);
    assert_eq!(data["documents"], tokens["documents"]);
    for group in ["sources", "licences", "authors"] {
        let parts: Vec<&Value> = data[group].as_object().unwrap().values().collect();
        assert_eq!(
            parts.iter().map(|p| p["amount"].as_u64().unwrap()).sum::<u64>(),
            data["total"].as_u64().unwrap()
        );
        assert!((parts.iter().map(|p| p["share"].as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-9);
    }
    let loss = diff["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "loss").unwrap();
    assert_eq!((loss["a"]["last_step"].as_u64(), loss["b"]["last_step"].as_u64()), (Some(40), Some(20)));
    let curve = diff["curves"].as_array().unwrap().iter().find(|c| c["name"] == "loss").unwrap();
    let steps: Vec<u64> = curve["steps"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=20).collect::<Vec<_>>());
    // For people.
    let text = project.run(&["runs", "diff", &first, &second]).fine().stdout;
    for words in
        ["optimizer.lr  0.01  0.02", "inputs\n  the same", "data\n  the same", "b - a", "curves, by step"]
    {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(text.contains('▁') && text.contains('█'), "{text}");
    // Other data.
    project.run(&["run", "recipe.toml", "--set", "corpus.validation=0.3", "--until", "base"]).fine();
    let text = project.run(&["runs", "diff", &first, "base"]).fine().stdout;
    assert!(
        text.contains("letters") && text.contains("CC0-1.0") && text.contains("human") && text.contains(" %"),
        "{text}"
    );
    let same = project.run(&["runs", "diff", &first, &first]).fine().stdout;
    assert!(same.contains("config\n  the same"), "{same}");
    // Runs of other kinds, and runs that measured nothing, can be compared as well.
    project.run(&["runs", "diff", "corpus", "base"]).fine();
    project.run(&["runs", "diff", "tokenizer", "ngram", "--json"]).fine().json();
}

#[test]
fn numbers_for_other_programs() {
    let project = Project::copy();
    let base = id(&project, "base");
    let done = project.run(&["runs", "export", "base", "--format", "csv", "--to", "out/numbers"]).fine();
    assert_eq!(done.stdout, format!("out/numbers/{base}.csv\n"));
    let text = project.read(&format!("out/numbers/{base}.csv"));
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(head[..2], ["step", "time"]);
    assert!(head.contains(&"bpb/letters") && head.contains(&"grad_norm"));
    // Every number in the log is in the table, and nothing else is.
    let mut wanted = 0;
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    for event in project.events("base").iter().filter(|e| e["k"] == "metrics") {
        let step = event["step"].to_string();
        let row = rows.iter().find(|row| row[0] == step).unwrap();
        for (name, value) in event["values"].as_object().unwrap() {
            let cell = row[head.iter().position(|h| h == name).unwrap()];
            assert_eq!(cell.parse::<f64>().unwrap(), value.as_f64().unwrap(), "{name}");
            wanted += 1;
        }
    }
    assert_eq!(rows.iter().flat_map(|row| &row[2..]).filter(|cell| !cell.is_empty()).count(), wanted);
    assert_eq!(rows.len() as u64, STEPS);

    let args = ["runs", "export", "base", "--format", "tensorboard", "--to", "logs", "--json"];
    let told = project.run(&args).fine().json();
    assert_eq!(told["scalars"].as_u64(), Some(wanted as u64));
    assert_eq!(told["texts"].as_u64(), Some(2));
    let first = fs::read(project.path(told["file"].as_str().unwrap())).unwrap();
    project.run(&args).fine();
    assert_eq!(files(&project.path("logs")).len(), 1, "the same file again");
    assert_eq!(fs::read(project.path(told["file"].as_str().unwrap())).unwrap(), first);
    // What cannot be.
    project
        .run(&["runs", "export", "base", "--format", "csv", "--to", "recipe.toml"])
        .refused(&["`recipe.toml`", "is a file"]);
    project.run(&["runs", "export", "base", "--format", "parquet", "--to", "x"]).refused(&["'parquet'"]);
    for at in 1..=4 {
        let fault = format!("full@write:{at}");
        project
            .run_with(
                &["runs", "export", "base", "--format", "csv", "--to", "full"],
                &[("REGIMEN_FAULT", &fault)],
            )
            .refused(&["no storage space"]);
        assert!(files(&project.path("full")).is_empty(), "write {at}");
    }
    fs::remove_file(project.run_dir("base").join("events.jsonl")).unwrap();
    project.run(&["runs", "export", "base", "--format", "csv", "--to", "none"]).refused(&["no event log"]);
}

#[test]
fn logs_that_are_cut_and_runs_that_go_away() {
    let project = Project::copy();
    let log = project.run_dir("base").join("events.jsonl");
    let text = fs::read(&log).unwrap();
    // Cut in the middle of a line, anywhere.
    each(&(0..8).map(|i| text.len() * i / 8 + 11).collect::<Vec<_>>(), |&at| {
        let project = Project::copy();
        fs::write(project.run_dir("base").join("events.jsonl"), &text[..at]).unwrap();
        project.run(&["runs", "stage == base", "--json"]).fine().json();
        project.run(&["runs", "diff", "base", "evaluation"]).fine();
        project.run(&["runs", "export", "base", "--format", "csv", "--to", "out"]).fine();
    });
    // The index notices that a log went on.
    fs::write(&log, &text[..text.len() / 2]).unwrap();
    let count = |project: &Project| {
        project.run(&["runs", "stage == base", "--json"]).fine().json()[0]["metrics"]["loss"]["count"]
            .as_u64()
            .unwrap()
    };
    let half = count(&project);
    assert!(half > 5 && half < STEPS, "{half}");
    fs::write(&log, &text).unwrap();
    assert_eq!(count(&project), STEPS);
    // A run that is deleted, and one without a record.
    fs::remove_dir_all(project.run_dir("tokens")).unwrap();
    fs::remove_file(project.run_dir("ngram").join("run.json")).unwrap();
    assert_eq!(taken(&project, &[]).len(), 5);
    project.run(&["runs", "tag", "tokens", "+x"]).refused(&["tokens"]);
    // While it is listed over and over, runs come and go.
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let from = project.run_dir("samples");
            for _ in 0..200 {
                let to = project.path(".regimen/runs/samples-00000000");
                let _ = fs::create_dir(&to);
                let _ = fs::copy(from.join("run.json"), to.join("run.json"));
                let _ = fs::copy(from.join("events.jsonl"), to.join("events.jsonl"));
                let _ = fs::remove_dir_all(&to);
            }
        });
        while !busy.is_finished() {
            project.run(&["runs", "age < 1d", "--json"]).fine().json();
        }
    });
    // Without a disk to write on the same is shown.
    let before = project.run(&["runs", "--json"]).fine().stdout;
    assert_eq!(
        project.run_with(&["runs", "--json"], &[("REGIMEN_FAULT", "readonly@write:1")]).fine().stdout,
        before
    );
}

#[test]
fn a_removed_run_lies_in_the_bin_until_it_is_emptied() {
    let project = Project::copy();
    let samples = id(&project, "samples");
    project.run(&["runs", "rm", "samples"]).refused(&[&samples, "--yes"]);
    let done = project.run(&["runs", "rm", "samples", "--yes"]).fine();
    assert!(done.stdout.starts_with(&format!(".regimen/bin/{samples}-")), "{}", done.stdout);
    assert_eq!(taken(&project, &[]).len(), 6);
    let place = list(&project.path(".regimen/bin")).remove(0);
    fs::rename(place, project.path(".regimen/runs").join(&samples)).unwrap();
    assert_eq!(taken(&project, &[]).len(), 7);
    // On a terminal it asks.
    for (answer, left) in [("n\n", 7), ("\n", 7), ("y\n", 6)] {
        let mut terminal = Terminal::start(&project.command(&["runs", "rm", "samples"]), 100, 24);
        terminal.shows("[y/N]");
        terminal.keys(answer);
        assert!(terminal.ended().success());
        assert_eq!(taken(&project, &[]).len(), left, "{answer:?}");
    }
}

#[test]
fn the_table_fits_the_terminal() {
    let project = Project::copy();
    project.run(&["runs", "note", "base", &"a note that is far too long for any table ".repeat(4)]).fine();
    for columns in [30u16, 50, 80, 200] {
        let mut terminal = Terminal::start(&project.command(&["runs"]), columns, 40);
        assert!(terminal.ended().success());
        let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
        let table: Vec<&str> =
            raw.lines().filter(|line| line.contains("done") || line.contains("status")).collect();
        assert_eq!(table.len(), 8, "{raw}");
        for line in table {
            assert!(line.trim_end().chars().count() <= columns as usize, "{columns}: {line}");
        }
        assert_eq!(raw.contains("recipe"), columns >= 200, "{columns}: {raw}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error_here_either() {
    let project = Project::finished();
    let commands: [&[&str]; 5] = [
        &["runs", "stage == base"],
        &["runs", "--json"],
        &["runs", "diff", "base", "evaluation"],
        &["runs", "tag", "base"],
        &["ledger", "gc", "--dry-run", "--json"],
    ];
    each(&commands, |args| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = Done::of(project.command(args).stdout(writer).spawn().unwrap());
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
    });
}
