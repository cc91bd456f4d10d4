//! Model files go to fastText, KenLM and SentencePiece and come back: same labels, same probabilities, same scores, same pieces.
//!
//! Needs the peers that `tests/peers_models/setup.sh` installs; without them each test says that it is skipped.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod classifiers;
mod language_models;
mod pieces;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of the peers; `None`, said aloud, where they are not installed.
fn python() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers_models");
    let venv = std::env::var_os("REGIMEN_MODELS_VENV").map_or_else(|| here.join(".venv"), PathBuf::from);
    let python = venv.join("bin/python");
    if venv.join("installed.txt").is_file() && python.exists() {
        return Some(python);
    }
    eprintln!(
        "skipped: no fastText, KenLM and SentencePiece in {}; run crates/corpus/tests/peers_models/setup.sh",
        venv.display()
    );
    None
}

fn run_python(python: &Path, script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers_models").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers_models").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The documents of the repository: the name of their source, and their text.
fn documents() -> Vec<(String, String)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let mut files: Vec<PathBuf> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.to_string_lossy().ends_with(".jsonl.zst"))
        .collect();
    files.sort();
    let mut documents = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_owned();
        let rows = zstd::decode_all(std::fs::File::open(&file).unwrap()).unwrap();
        for row in String::from_utf8(rows).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            documents.push((name.clone(), row["text"].as_str().unwrap().to_owned()));
        }
    }
    documents
}

/// Copies of a file with some bytes changed, half of them near its begin, and some of them cut.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut random = regimen_base::Philox::new(5, &["damaged"]);
    (0..60).map(move |round| {
        let mut copy = bytes.to_vec();
        for change in 0..1 + round % 4 {
            let within = if change % 2 == 0 { copy.len().min(400) } else { copy.len() };
            let at = random.below(within as u64) as usize;
            copy[at] = random.next_u32() as u8;
        }
        if round % 10 == 0 {
            copy.truncate(random.below(copy.len() as u64) as usize);
        }
        copy
    })
}
