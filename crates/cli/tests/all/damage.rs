//! Artifacts and checkpoints that somebody or something has damaged.

use std::path::Path;

use crate::common::{Project, each, files, list};

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x11;
    std::fs::write(path, bytes).unwrap();
}

/// Kind of an artifact and a file of it, of all artifacts.
fn all_files() -> Vec<(String, String)> {
    let artifacts = Project::finished().artifacts();
    let kind = |dir: &Path| dir.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    artifacts.iter().flat_map(|dir| files(dir).into_iter().map(|file| (kind(dir), file))).collect()
}

#[test]
fn one_wrong_bit_anywhere_is_found_and_named() {
    each(&all_files(), |(kind, file)| {
        let project = Project::copy();
        let dir = project.artifact(kind);
        let path = dir.join(file);
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        if length == 0 {
            std::fs::write(&path, "x").unwrap();
        } else {
            flip(&path, length / 2);
        }
        let done = project.run(&["ledger", "verify"]);
        assert_eq!(done.code, Some(1), "{kind}/{file}: {}", done.stderr);
        let key = dir.file_name().unwrap().to_string_lossy()[..8].to_string();
        for word in [kind, &key, &format!("`{file}`")] {
            assert!(done.stdout.contains(word), "`{word}` is not in: {}", done.stdout);
        }
        assert!(done.stderr.contains("hint: "), "{}", done.stderr);
        let json = project.run(&["ledger", "verify", "--json"]);
        assert_eq!(json.code, Some(1));
        let json = json.json();
        let damaged = json["damaged"].as_array().unwrap();
        assert!(!damaged.is_empty() && damaged.iter().all(|d| d.as_str().unwrap().contains(&key)), "{json}");
        assert_eq!(json["artifacts"], 7, "{json}");
    });
}

#[test]
fn a_cut_or_missing_file_stops_whatever_needs_it() {
    each(&all_files(), |(kind, file)| {
        for gone in [false, true] {
            let project = Project::copy();
            let path = project.artifact(kind).join(file);
            if gone {
                std::fs::remove_file(&path).unwrap();
            } else {
                let bytes = std::fs::read(&path).unwrap();
                if bytes.is_empty() {
                    continue;
                }
                std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            }
            // A cut manifest may lack its final line feed alone.
            if file == "manifest.json" && !gone {
                std::fs::write(&path, "{").unwrap();
            }
            project.run(&["run", "recipe.toml"]).refused(&[file, kind]);
            let done = project.run(&["ledger", "verify"]);
            assert_eq!((done.code, done.stdout.contains(file.as_str())), (Some(1), true), "{}", done.stdout);
            if kind == "pretrain" {
                project.run(&["generate", "base", "--prompt", "The"]).refused(&[file]);
            }
            // What the hint says.
            std::fs::remove_dir_all(project.artifact(kind)).unwrap();
            project.run(&["run", "recipe.toml"]).fine();
            project.is_whole();
        }
    });
}

#[test]
fn damaged_content_never_panics() {
    // Of every file the beginning, where headers are, and two more places: what reads it must refuse it or not care.
    let cases: Vec<_> = all_files()
        .into_iter()
        .flat_map(|(kind, file)| [1, 3, 8].map(|part| (kind.clone(), file.clone(), part)))
        .collect();
    each(&cases, |(kind, file, part)| {
        let project = Project::copy();
        let path = project.artifact(kind).join(file);
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        if length == 0 {
            return;
        }
        flip(&path, if *part == 1 { 3 } else { length * part / 9 });
        for args in [
            &["generate", "base", "--prompt", "The people", "--max-tokens", "6"][..],
            &["trace", "doc", "letters:letter-3"],
            &["trace", "step", "base", "5"],
            &["trace", "text", "the people of the"],
            &["report", "base", "-o", "page.html"],
            &["lineage", "base"],
            &["plan", "recipe.toml"],
            &["run", "recipe.toml", "--set", "base.steps=6", "--set", "ngram.context_bytes=1", "--no-report"],
        ] {
            let done = project.run(args);
            let about = format!("{kind}/{file} part {part}, {args:?}: {:?}\n{}", done.code, done.stderr);
            assert!(matches!(done.code, Some(0..=2)) && !done.stderr.contains("panicked"), "{about}");
            assert!(done.code != Some(2) || done.stderr.contains("\nhint: "), "no hint: {about}");
        }
    });
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_hint_helps() {
    let stopped = || {
        let project = Project::before_base();
        project.fault("kill@step:13").killed();
        project
    };
    let work =
        |project: &Project| list(&project.path(".regimen/work")).into_iter().find(|p| p.is_dir()).unwrap();
    let checkpoint = ".checkpoints/step-10";
    for file in ["arenas.bin", "state.json"] {
        for cut in [false, true] {
            let project = stopped();
            let path = work(&project).join(checkpoint).join(file);
            let bytes = std::fs::read(&path).unwrap();
            if cut {
                std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            } else {
                flip(&path, bytes.len() / 5);
            }
            // The only checkpoint there is cannot be gone on from.
            let older = list(&work(&project).join(".checkpoints"));
            for other in older.iter().filter(|dir| !dir.ends_with("step-10")) {
                std::fs::remove_dir_all(other).unwrap();
            }
            project.run(&["run", "recipe.toml"]).refused(&["step-10"]);
            std::fs::remove_dir_all(work(&project)).unwrap();
            project.run(&["run", "recipe.toml"]).fine();
            project.is_whole();
        }
    }
    // With an older one beside it, that is taken.
    let project = Project::before_base();
    let keeping = ["run", "recipe.toml", "--set", "base.checkpoint.keep=2"];
    project.run_with(&keeping, &[("REGIMEN_FAULT", "kill@step:13")]).killed();
    flip(&work(&project).join(checkpoint).join("arenas.bin"), 999);
    let done = project.run(&keeping).fine();
    assert!(
        done.stderr.contains("warning: ") && done.stderr.contains("going on from step 5"),
        "{}",
        done.stderr
    );
    project.is_whole();
    // Without a readable resume file the stage begins anew.
    let project = stopped();
    std::fs::write(work(&project).join(".resume.json"), "{").unwrap();
    project.run(&["run", "recipe.toml"]).fine();
    project.is_whole();
    // An event log that somebody cut is shorter than the checkpoint remembers; the model is the same.
    let project = stopped();
    std::fs::remove_file(project.run_dir("base").join("events.jsonl")).unwrap();
    project.run(&["run", "recipe.toml"]).fine();
    assert_eq!(project.payloads(), Project::finished().payloads());
}
