//! `regimen tokens export`: what it writes, what it refuses, and that it is whole or not there.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use crate::common::{Project, each, list};

/// All files of a folder whose names begin and end so, one after the other.
fn joined(folder: &Path, start: &str, end: &str) -> Vec<u8> {
    let named = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(start) && name.ends_with(end)
    };
    list(folder)
        .into_iter()
        .filter(|path| named(path))
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Rows of the files beside the tokens, whose fields in this project need no quotes.
fn rows(folder: &Path) -> Vec<Vec<String>> {
    let files = list(folder).into_iter().filter(|path| path.to_string_lossy().ends_with(".csv.gz"));
    let mut all = Vec::new();
    for path in files {
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        all.extend(text.lines().map(|row| row.split(',').map(String::from).collect()));
    }
    all
}

#[test]
fn tokens_come_out_as_dolma_writes_them() {
    let project = Project::copy();
    let done = project.run(&["tokens", "export", "tokens", "out", "--max-tokens", "1000", "--json"]).fine();
    let told = done.json();
    assert_eq!((&told["dtype"], &told["end_id"]), (&"uint16".into(), &0.into()));
    let mut ids = BTreeSet::new();
    for (split, told) in ["train", "validation"].iter().zip(told["splits"].as_array().unwrap()) {
        let folder = project.path("out").join(split);
        assert_eq!(told["split"], *split);
        let tokens = joined(&folder, "part-0-", ".npy");
        assert_eq!(tokens, joined(&project.artifact("tokens"), &format!("{split}-"), ".bin"), "{split}");
        assert_eq!(told["tokens"], tokens.len() / 2);
        let files = told["files"].as_array().unwrap();
        assert_eq!(files[0], format!("{split}/part-0-00000.npy"));
        for file in files {
            let size = std::fs::metadata(project.path("out").join(file.as_str().unwrap())).unwrap().len();
            assert!(size > 0 && size <= 2000, "{file} has {size} bytes");
        }
        let rows = rows(&folder);
        assert_eq!(told["documents"].as_u64().unwrap() + told["cut"].as_u64().unwrap(), rows.len() as u64);
        assert!(rows.iter().all(|row| row.len() == 5));
        ids.extend(rows.into_iter().map(|row| (row[2].clone(), row[3].clone(), row[4].clone())));
    }
    let has = |id: &str, src: &str, loc: &str| ids.contains(&(id.into(), src.into(), loc.into()));
    assert!(has("letter-0", "data/letters.jsonl.zst", "1") && has("m24", "data/manuals.jsonl.gz", "25"));
    assert!(has("data/notes/note-3.txt", "data/notes/note-3.txt", "1"), "{ids:?}");

    // People are told what a reader of the files has to know.
    let done = project.run(&["tokens", "export", "tokens", "one", "--split", "validation"]).fine();
    assert_eq!(done.stdout, "one/validation/part-0-00000.npy\n");
    assert!(done.stderr.contains("uint16") && done.stderr.contains("end token 0"), "{}", done.stderr);
    assert!(!project.path("one/train").exists());
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let project = Project::copy();
    let export =
        |tokens, to, more: &[&str]| project.run(&[&["tokens", "export", tokens, to][..], more].concat());
    export("corpus", "out", &[]).refused(&["`corpus` is a `corpus`, not tokens"]);
    export("tokns", "out", &[]).refused(&["`tokns`", "`tokens`"]);
    export("tokens", "out", &["--split", "test"]).refused(&["'test'"]);
    export("tokens", "out", &["--max-tokens", "0"]).refused(&["--max-tokens"]);
    export("tokens", "recipe.toml", &[]).refused(&["recipe.toml"]);
    assert!(!project.path("out").exists());
    project.write("out/train/notes.txt", "mine");
    export("tokens", "out", &[]).refused(&["`out/train` is not empty", "notes.txt"]);
    assert!(!project.path("out/validation").exists());
    // Its folder names the artifact too, and without the corpus there are no ids.
    let folder = format!("{}/", project.artifact("tokens").display());
    export(&folder, "by-folder", &[]).fine();
    std::fs::remove_dir_all(project.path(".regimen/artifacts/corpus")).unwrap();
    export("tokens", "later", &[]).refused(&["the corpus that `tokens` was made from"]);
}

#[test]
fn a_fault_leaves_no_half_of_an_export() {
    let cases: Vec<(&str, u64)> =
        ["kill", "full"].into_iter().flat_map(|what| (1..6).map(move |at| (what, at))).collect();
    each(&cases, |(what, at)| {
        let project = Project::copy();
        let args = ["tokens", "export", "tokens", "out"];
        let done = project.run_with(&args, &[("REGIMEN_FAULT", &format!("{what}@write:{at}"))]);
        match *what {
            "kill" => drop(done.killed()),
            _ => drop(done.refused(&["no storage space"])),
        }
        assert!(!project.path("out/train").exists() && !project.path("out/validation").exists());
        project.run(&args).fine();
        let left = list(&project.path("out"));
        assert_eq!(left, [project.path("out/train"), project.path("out/validation")], "{what} at {at}");
    });
}
