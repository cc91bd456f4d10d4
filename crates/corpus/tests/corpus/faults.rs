//! Faults of the disk while a corpus is written. A fault is chosen by an environment variable that is read once in a
//! process, so each one is met by a child process: this test binary, asked for one test.

use std::process::Command;

use crate::common::{plain, project, stage};

const FOLDER: &str = "REGIMEN_CORPUS_TEST_FOLDER";

/// The child's part; does nothing when run as a test of its own.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    match stage(folder.as_ref(), &plain("in", "")) {
        Ok(artifact) => println!("made {}", artifact.manifest.payload),
        Err(failure) => println!("failed: {failure}; hint: {}", failure.hint().unwrap_or_default()),
    }
}

fn run(folder: &std::path::Path, fault: &str) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["faults::child", "--exact", "--no-capture"])
        .env(FOLDER, folder)
        .env("REGIMEN_FAULT", fault)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_disk_that_fails_at_any_write_gives_an_error_or_death_and_the_next_run_the_same_payload() {
    let rows: String = (0..40).map(|i| format!("{{\"id\":{i},\"text\":\"text {i}\"}}\n")).collect();
    let files: &[(&str, &[u8])] = &[("in/a.jsonl", rows.as_bytes())];
    let whole = project(files);
    let (_, healthy) = run(whole.path(), "");
    let made = healthy.lines().find(|line| line.starts_with("made ")).unwrap().to_string();
    let some = [3, 90, 108, 117, 126];
    let every: Vec<u32> = (1..=130).collect();
    let faults = [
        ("full", "hint: free some space", &some[..]),
        ("readonly", "read-only", &some),
        ("kill", "", &every),
    ];
    for (what, words, places) in faults {
        for at in places {
            let dir = project(files);
            let (alive, said) = run(dir.path(), &format!("{what}@write:{at}"));
            if !said.contains("made ") {
                assert_eq!(alive, what != "kill", "{what} at {at}: {said}");
                assert!(what == "kill" || (said.contains("failed: ") && said.contains(words)), "{said}");
                let made = std::fs::read_dir(dir.path().join(".regimen/artifacts/corpus"));
                assert_eq!(made.map(Iterator::count).unwrap_or(0), 0, "{what} at {at}");
            }
            assert!(run(dir.path(), "").1.contains(&made), "{what} at {at}");
        }
    }
}
