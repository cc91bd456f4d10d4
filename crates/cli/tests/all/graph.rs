//! The crate graph: which room may use which. A new edge is a decision, made here and printed in ARCHITECTURE.md.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A room and the rooms that it may use, in the order of the flow.
const GRAPH: [(&str, &[&str]); 16] = [
    ("base", &[]),
    ("objects", &["base"]),
    ("ledger", &["base"]),
    ("recipe", &["base", "objects", "ledger"]),
    ("kernels", &[]),
    ("corpus", &["base", "objects", "ledger", "recipe", "kernels"]),
    ("tokens", &["base", "ledger", "recipe", "corpus"]),
    ("tensor", &["base", "kernels"]),
    ("models", &["base", "kernels", "tensor"]),
    ("optim", &["base", "kernels"]),
    ("infer", &["base", "tokens", "kernels", "tensor", "models"]),
    (
        "train",
        &["base", "ledger", "recipe", "corpus", "tokens", "kernels", "tensor", "models", "optim", "infer"],
    ),
    ("evaluate", &["base", "ledger", "recipe", "corpus", "tokens", "tensor", "models", "infer", "train"]),
    ("trace", &["base", "ledger", "recipe", "corpus", "tokens", "train"]),
    ("report", &["base", "ledger"]),
    (
        "cli",
        &[
            "base", "objects", "ledger", "recipe", "corpus", "tokens", "kernels", "tensor", "models",
            "infer", "train", "evaluate", "trace", "report",
        ],
    ),
];

/// Crates that only some rooms may use.
const RESERVED: [(&str, &[&str]); 9] = [
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("ctrlc", &["cli"]),
    ("mpi", &["train"]),
    ("object_store", &["objects"]),
    ("tokio", &["objects"]),
    ("rusqlite", &["ledger"]),
    ("tokenizers", &["tokens"]),
    ("toml", &["recipe", "cli"]),
];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/cli lies two folders down")
}

/// Room, crate it depends on, and whether for tests alone.
fn edges() -> Vec<(String, String, bool)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let room =
            name.strip_prefix("regimen-").unwrap_or_else(|| panic!("`{name}` is not called regimen-ROOM"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            found.push((room.to_string(), to.to_string(), dependency["kind"] == "dev"));
        }
    }
    found
}

#[test]
fn every_edge_is_allowed() {
    let edges = edges();
    let allowed = |room: &str| GRAPH.iter().find(|(name, _)| *name == room).map(|(_, to)| *to);
    let rooms: std::collections::BTreeSet<&str> = edges.iter().map(|(room, ..)| room.as_str()).collect();
    for room in rooms {
        assert!(allowed(room).is_some(), "`{room}` is a new room: give it a line in GRAPH");
    }
    let mut wrong = Vec::new();
    for (room, to, tests) in &edges {
        if let Some(used) = to.strip_prefix("regimen-") {
            if !allowed(room).unwrap().contains(&used) {
                wrong.push(format!("`{room}` may not use `{used}`"));
            }
        } else if let Some((_, users)) = RESERVED.iter().find(|(name, _)| name == to)
            && !users.contains(&room.as_str())
            && !tests
        {
            wrong.push(format!("only {users:?} may use `{to}`, not `{room}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_graph_flows_one_way() {
    for (i, (room, uses)) in GRAPH.iter().enumerate() {
        for used in *uses {
            assert!(
                GRAPH[..i].iter().any(|(name, _)| name == used),
                "`{room}` uses `{used}`, which comes after it"
            );
        }
    }
}

#[test]
fn architecture_prints_the_graph() {
    let mut expected = String::new();
    for (room, uses) in GRAPH {
        let uses: Vec<String> = uses.iter().map(|used| format!("`{used}`")).collect();
        let arrow = if uses.is_empty() { String::new() } else { format!(" -> {}", uses.join(", ")) };
        expected.push_str(&format!("- `{room}`{arrow}\n"));
    }
    let text = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let section = text
        .split_once("<!-- crate graph -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /crate graph -->"))
        .map(|(section, _)| section);
    assert_eq!(
        section.map(str::trim),
        Some(expected.trim()),
        "between `<!-- crate graph -->` and `<!-- /crate graph -->` ARCHITECTURE.md must say:\n\n{expected}"
    );
}
