//! Looking after the store, by the real binary: what is killed in the middle leaves it whole.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::terminal::Terminal;
use crate::common::{Done, Project, copy, files, list};

/// A project in which the name `base` was used again, so that nothing needs the first model and what came of it.
fn used_again() -> Project {
    let project = Project::copy();
    project.run(&["run", "recipe.toml", "--set", "base.steps=10", "--no-report"]).fine();
    project
}

/// Bytes of all files of artifacts.
fn bytes(project: &Project) -> u64 {
    let dir = project.path(".regimen/artifacts");
    files(&dir).iter().map(|file| fs::metadata(dir.join(file)).unwrap().len()).sum()
}

#[test]
fn gc_asks_says_what_it_would_free_and_frees_that() {
    let project = used_again();
    let before = bytes(&project);
    let dry = project.run(&["ledger", "gc", "--dry-run", "--json"]).fine().json();
    assert_eq!((dry["freed"].as_u64(), bytes(&project)), (Some(0), before), "a dry run does nothing");
    let kinds: Vec<&str> =
        dry["pieces"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 3, "{dry}");
    assert!(["evaluate", "generate", "pretrain"].iter().all(|kind| kinds.contains(kind)), "{dry}");
    assert_eq!(kinds.last(), Some(&"pretrain"), "what was made from it goes first");
    let text = project.run(&["ledger", "gc", "--dry-run"]).fine();
    assert!(text.stdout.contains("pretrain `base`") && text.stderr.contains("would free"), "{}", text.stderr);
    project.run(&["ledger", "gc"]).refused(&["--yes", "Remove 3 pieces"]);
    project.run(&["ledger", "gc", "--older-than", "yesterday"]).refused(&["12h, 30d or 8w"]);
    for (args, pieces) in [
        (["--keep-last", "2"], 0),
        (["--keep-last", "1"], 3),
        (["--older-than", "1h"], 0),
        (["--older-than", "0s"], 3),
    ] {
        let args = [&["ledger", "gc", "--dry-run", "--json"][..], &args].concat();
        assert_eq!(project.run(&args).fine().json()["pieces"].as_array().unwrap().len(), pieces, "{args:?}");
    }
    let mut terminal = Terminal::start(&project.command(&["ledger", "gc"]), 100, 30);
    terminal.shows("[y/N]");
    terminal.keys("n\n");
    assert!(terminal.ended().success() && terminal.screen.text().contains("nothing was removed"));
    assert_eq!(bytes(&project), before);

    let done = project.run(&["ledger", "gc", "--yes", "--json"]).fine().json();
    assert_eq!(done["pieces"], dry["pieces"]);
    assert_eq!(
        (done["freed"].as_u64(), done["bytes"].as_u64()),
        (Some(before - bytes(&project)), dry["bytes"].as_u64())
    );
    project.run(&["ledger", "verify"]).fine();
    let again = project.run(&["ledger", "gc", "--yes"]).fine();
    assert!(again.stderr.contains("nothing to remove"), "{}", again.stderr);
    project.run(&["generate", "base", "--prompt", "The", "--max-tokens", "2"]).fine();
    // What was collected is made again from its recipe.
    project.run(&["run", "recipe.toml"]).fine();
    let payloads = project.payloads();
    assert!(Project::finished().payloads().iter().all(|(name, payload)| payloads.get(name) == Some(payload)));
}

#[test]
fn a_tag_keeps_a_model_and_all_that_it_was_made_from() {
    let project = Project::copy();
    project.run(&["runs", "tag", "base", "+good"]).fine();
    project.run(&["run", "recipe.toml", "--set", "corpus.validation=0.3", "--no-report"]).fine();
    let dry = project.run(&["ledger", "gc", "--dry-run", "--json"]).fine().json();
    let mut kinds: Vec<&str> =
        dry["pieces"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    kinds.sort();
    // Its corpus, tokenizer and tokens stay.
    assert_eq!(kinds, ["evaluate", "generate", "ngram"]);
}

#[test]
fn gc_killed_at_any_write_leaves_every_artifact_whole() {
    let used = used_again();
    // Something of every kind that goes.
    let stray = used.path(".regimen/work").join("0".repeat(64));
    fs::create_dir_all(&stray).unwrap();
    fs::write(stray.join("part"), "part").unwrap();
    used.run(&["runs", "rm", "samples", "--yes"]).fine();
    for at in 1.. {
        let project = Project::empty();
        copy(used.root(), project.root());
        let done =
            project.run_with(&["ledger", "gc", "--yes"], &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]);
        project.run(&["ledger", "verify"]).fine();
        if done.code.is_some() {
            done.fine();
            assert!(at > 8, "{} writes", at - 1);
            return;
        }
        // No artifact is left without what it was made from.
        for name in ["base", "evaluation", "samples"] {
            let lineage = project.run(&["lineage", name, "--json"]).fine().json();
            assert!(
                lineage["ancestors"].as_array().unwrap().iter().all(|a| a["present"] == true),
                "write {at}: {lineage}"
            );
        }
        project.run(&["ledger", "gc", "--yes"]).fine();
        let left = project.run(&["ledger", "gc", "--dry-run", "--json"]).fine().json();
        assert_eq!(left["pieces"], serde_json::json!([]), "write {at}");
        assert!(list(&project.path(".regimen/bin")).is_empty(), "write {at}");
    }
}

#[test]
fn gc_waits_for_nobody_who_works() {
    let project = Project::before_base();
    let long = &["run", "recipe.toml", "--set", "base.steps=600", "--no-report"];
    let first = project.command(long).spawn().unwrap();
    let began = Instant::now();
    while !files(&project.path(".regimen/runs"))
        .iter()
        .any(|f| f.starts_with("base-") && f.ends_with("events.jsonl"))
    {
        assert!(began.elapsed() < Duration::from_secs(60), "the run does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    let stray = project.path(".regimen/work").join("0".repeat(64));
    fs::create_dir_all(&stray).unwrap();
    project.run(&["ledger", "gc", "--yes"]).refused(&["in use", "pid"]);
    project.run(&["ledger", "gc", "--dry-run"]).fine();
    Done::of(first).fine();
    project.run(&["ledger", "gc", "--yes"]).fine();
    assert!(!stray.exists());
    project.run(&["ledger", "verify"]).fine();
}

#[test]
fn a_model_goes_to_another_project_as_one_file() {
    let project = Project::finished();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("base.tar.zst").display().to_string();
    let told = project.run(&["ledger", "export", "base", "--to", &file, "--json"]).fine().json();
    assert_eq!(told["artifacts"].as_array().unwrap().len(), 4, "{told}");
    project.run(&["ledger", "export", "base", "--to", &file]).refused(&["exists already"]);
    project.run(&["ledger", "export", "bsae", "--to", "x"]).refused(&["`bsae`", "`base`"]);

    let other = Project::empty();
    let dry = other.run(&["ledger", "import", &file, "--dry-run"]).fine();
    assert!(dry.stdout.contains("pretrain") && !other.path(".regimen").exists(), "{}", dry.stdout);
    let done = other.run(&["ledger", "import", &file]).fine();
    assert!(done.stderr.contains("4 artifacts imported"), "{}", done.stderr);
    other.run(&["ledger", "verify"]).fine();
    let payloads = project.payloads();
    assert!(other.payloads().iter().all(|(name, payload)| payloads.get(name) == Some(payload)));
    let write = |project: &Project| {
        project
            .run(&["generate", "base", "--prompt", "The people", "--max-tokens", "12", "--seed", "2"])
            .fine()
            .stdout
    };
    assert_eq!(write(&other), write(project));
    other.run(&["trace", "step", "base", "3"]).fine();
    other.run(&["report", "base"]).fine();
    assert!(other.run(&["runs", "tag == imported"]).fine().stdout.contains("base-"));
    let gc = other.run(&["ledger", "gc", "--dry-run", "--json"]).fine().json();
    assert_eq!((gc["pieces"].clone(), gc["kept"].as_u64()), (serde_json::json!([]), Some(4)));
    // Nobody needs it once the tag is gone and the name is another's.
    let run = other.run(&["runs", "--json"]).fine().json()[0]["id"].as_str().unwrap().to_string();
    other.run(&["runs", "rm", &run, "--yes"]).fine();
    assert_eq!(other.run(&["ledger", "gc", "--yes", "--json"]).fine().json()["kept"].as_u64(), Some(0));

    let lineage = dir.path().join("lineage.tar.zst").display().to_string();
    project.run(&["ledger", "export", "base", "--to", &lineage, "--without-data"]).fine();
    other.run(&["ledger", "import", &lineage]).refused(&["no data", "--dry-run"]);
    other.run(&["ledger", "import", &lineage, "--dry-run"]).fine();
    other.run(&["ledger", "import", "nowhere.tar.zst"]).refused(&["nowhere.tar.zst"]);
    let text = Project::empty();
    text.write("text", "no tar file");
    text.run(&["ledger", "import", "text"]).refused(&["`text`", "no whole file"]);
    assert!(list(&text.path(".regimen/artifacts")).is_empty());
}

#[test]
fn an_import_killed_at_any_write_is_ended_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.tar.zst").display().to_string();
    Project::finished().run(&["ledger", "export", "tokens", "--to", &file]).fine();
    let mut killed = 0;
    for at in 1.. {
        let project = Project::empty();
        let args = ["ledger", "import", &file];
        let done = project.run_with(&args, &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]);
        let ended = done.code.is_some();
        if ended {
            done.fine();
            assert!(killed > 40, "{killed} writes");
        } else {
            killed += 1;
        }
        if project.path(".regimen/version").exists() {
            project.run(&["ledger", "verify"]).fine();
        }
        project.run(&args).fine();
        project.run(&["ledger", "verify"]).fine();
        assert_eq!(project.artifacts().len(), 3, "write {at}");
        assert!(
            list(&project.path(".regimen/work")).is_empty() && !project.path(".regimen/import").exists(),
            "write {at}"
        );
        assert_eq!(
            project.run(&["ledger", "gc", "--dry-run", "--json"]).fine().json()["pieces"],
            serde_json::json!([]),
            "write {at}"
        );
        if ended {
            return;
        }
    }
}

#[test]
fn an_export_killed_or_out_of_space_leaves_no_file() {
    let project = Project::copy();
    let target = project.path("out/tokens.tar.zst");
    fs::create_dir(project.path("out")).unwrap();
    let args = ["ledger", "export", "tokens", "--to", "out/tokens.tar.zst"];
    for what in ["kill", "full", "readonly"] {
        for at in 1.. {
            let done = project.run_with(&args, &[("REGIMEN_FAULT", &format!("{what}@write:{at}"))]);
            if done.code == Some(0) {
                assert!(at > 3, "{} writes", at - 1);
                project.run(&["ledger", "import", "out/tokens.tar.zst", "--dry-run"]).fine();
                fs::remove_file(&target).unwrap();
                break;
            }
            assert!(!target.exists(), "{what} {at}");
            if what != "kill" {
                done.refused(&["out/tokens.tar.zst"]);
                assert!(
                    !files(&project.path("out"))
                        .iter()
                        .any(|f| f.ends_with(&format!("tmp{}", std::process::id())))
                );
            }
            files(&project.path("out"))
                .iter()
                .for_each(|f| fs::remove_file(project.path("out").join(f)).unwrap());
        }
    }
}

#[test]
fn an_import_on_a_full_disk_takes_in_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.tar.zst").display().to_string();
    Project::finished().run(&["ledger", "export", "tokens", "--to", &file]).fine();
    let args = ["ledger", "import", &file];
    for at in [2, 6, 9, 14, 25, 40, 55] {
        let project = Project::empty();
        let done = project.run_with(&args, &[("REGIMEN_FAULT", &format!("full@write:{at}"))]);
        done.refused(&["no storage space", ".regimen"]);
        if project.path(".regimen/version").exists() {
            project.run(&["ledger", "verify"]).fine();
        }
        project.run(&args).fine();
        assert_eq!(project.artifacts().len(), 3);
        assert!(!project.path(".regimen/import").exists());
    }
    // A folder that may not be written.
    let project = Project::empty();
    project.run_with(&args, &[("REGIMEN_FAULT", "readonly@write:1")]).refused(&["read-only"]);
}
