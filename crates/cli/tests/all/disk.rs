//! A disk that is full or read-only, by the faults of the store's file layer and on a real small disk.

use std::process::{Command, Stdio};

use crate::common::data::Dice;
use crate::common::{Done, Project, copy, data, each, list};

const RUN: &[&str] = &["run", "recipe.toml"];

#[test]
fn full_and_read_only_disks_at_any_write() {
    let mut dice = Dice(6);
    let cases: Vec<(&str, u64)> = ["full", "readonly"]
        .into_iter()
        .flat_map(|what| [1, 3, 7, 12].map(|at| (what, at)))
        .chain((0..14).map(|i| (if i % 2 == 0 { "full" } else { "readonly" }, 20 + 65 * i + dice.below(65))))
        .collect();
    each(&cases, |(what, at)| {
        let project = Project::new();
        let reason = if *what == "full" { "no storage space" } else { "read-only filesystem" };
        let done = project.fault(&format!("{what}@write:{at}"));
        // The path in the message lies in the store.
        let done = done.refused(&[reason, &format!("`{}/.regimen", project.root().display())]);
        assert!(!done.stderr.contains("os error"), "the reason is there twice:\n{}", done.stderr);
        assert!(done.stdout.is_empty(), "{}", done.stdout);
        // What is there is whole, and nothing else is.
        if project.root().join(".regimen/version").exists() {
            project.run(&["ledger", "verify"]).fine();
        }
        project.run(RUN).fine();
        project.is_whole();
    });
}

#[test]
fn a_finished_project_can_be_read_from_a_read_only_disk() {
    let project = Project::copy();
    let frozen = [("REGIMEN_FAULT", "readonly@write:1")];
    for args in [
        &["run", "recipe.toml"][..],
        &["plan", "recipe.toml"],
        &["generate", "base", "--prompt", "The", "--max-tokens", "4"],
        &["runs"],
        &["show", "base"],
        &["lineage", "base"],
        &["trace", "doc", "letters:letter-3"],
        &["trace", "step", "base", "3"],
        &["trace", "text", "the people"],
        &["ledger", "verify"],
        &["doctor"],
    ] {
        let done = project.run_with(args, &frozen);
        // `trace text` and `doctor` may find nothing, or something to look at.
        assert!(matches!(done.code, Some(0 | 1)), "{args:?}: {}", done.stderr);
    }
    for args in [&["report", "base"][..], &["export", "base", "out"]] {
        project.run_with(args, &frozen).refused(&["read-only"]);
    }
}

/// Fill, enlarge and freeze a real disk, in a mount namespace of its own that is gone with the shell.
const ON_A_SMALL_DISK: &str = r#"
set -u
mount -t tmpfs -o size="$SIZE" tmpfs "$DISK" || exit 77
cp -r "$SOURCE/." "$DISK" && cd "$DISK" || exit 78
"$REGIMEN" run recipe.toml 2> "$OUT/full"; echo $? >> "$OUT/full"
"$REGIMEN" ledger verify > "$OUT/verified" 2>&1; echo $? >> "$OUT/verified"
mount -o remount,size=64M "$DISK" || exit 78
"$REGIMEN" run recipe.toml 2> "$OUT/enlarged"; echo $? >> "$OUT/enlarged"
cp -r "$DISK" "$OUT/project"
mount -o remount,ro "$DISK" || exit 78
"$REGIMEN" run recipe.toml 2> "$OUT/frozen"; echo $? >> "$OUT/frozen"
"$REGIMEN" run recipe.toml --set base.steps=8 2> "$OUT/refused"; echo $? >> "$OUT/refused"
"#;

#[test]
fn a_real_small_disk() {
    let sizes = ["100k", "300k", "450k", "600k", "750k", "900k"];
    each(&sizes, |size| {
        let source = Project::new();
        let outside = Project::empty();
        let disk = outside.path("disk");
        std::fs::create_dir(&disk).unwrap();
        let mut shell = Command::new("unshare");
        let model = source.command(&[]);
        shell
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK])
            .env("REGIMEN", env!("CARGO_BIN_EXE_regimen"))
            .env("SIZE", size)
            .env("DISK", &disk)
            .env("SOURCE", source.root())
            .env("OUT", outside.root())
            .stdout(Stdio::null());
        for (name, value) in model.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        match shell.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) if output.status.code() != Some(78) => {
                eprintln!(
                    "skipped: no disk can be mounted here: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                return;
            }
            Err(error) => {
                eprintln!("skipped: no disk can be mounted here: {error}");
                return;
            }
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
        let told = |name: &str| {
            let text = outside.read(name);
            let (stderr, code) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
            Done { code: code.parse().ok(), stdout: String::new(), stderr: format!("{stderr}\n") }
        };
        let full = told("full").refused(&["no space left on device"]);
        assert!(full.stderr.contains(".regimen"), "{}", full.stderr);
        assert!(!full.stderr.contains("os error"), "the reason is there twice:\n{}", full.stderr);
        told("verified").fine();
        told("enlarged").fine();
        told("frozen").fine();
        told("refused").refused(&["read-only"]);
        let after = Project::empty();
        copy(&outside.path("project"), after.root());
        after.is_whole();
    });
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt() {
    let project = Project::copy();
    let index = project.path(".regimen/index.sqlite");
    let before = project.run(&["lineage", "base", "--json"]).fine().stdout;
    let truncated = std::fs::read(&index).unwrap()[..5000].to_vec();
    for damage in [None, Some(b"this is not a database".repeat(300)), Some(truncated), Some(Vec::new())] {
        match &damage {
            None => std::fs::remove_file(&index).unwrap(),
            Some(bytes) => std::fs::write(&index, bytes).unwrap(),
        }
        assert_eq!(project.run(&["lineage", "base", "--json"]).fine().stdout, before);
        let again = project.run(RUN).fine();
        assert!(again.stderr.contains("nothing was done"), "{}", again.stderr);
        assert!(index.is_file());
    }
    let done = project.run(&["ledger", "rebuild"]).fine();
    assert_eq!(done.stdout, "index rebuilt: 7 artifacts, 7 runs\n");
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let project = Project::copy();
    project.write(".regimen/version", "99\n");
    project.run(&["runs"]).refused(&[".regimen", "99"]);
    project.run(RUN).refused(&[".regimen", "99"]);
    project.write(".regimen/version", "1\n");
    project.run(RUN).fine();
    project.is_whole();
}

#[test]
fn a_project_folder_that_cannot_be_one() {
    let project = Project::empty();
    data::write(project.root());
    project.write("recipe.toml", crate::common::RECIPE);
    project.write(".regimen", "a file, not a folder");
    project.run(RUN).refused(&[".regimen"]);
    assert!(list(&project.path("artifacts")).is_empty());
}
