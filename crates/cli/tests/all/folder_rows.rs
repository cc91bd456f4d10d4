//! Folders as packed rows: `corpus export --format dolma,jsonl` of documents in Dolma's layout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::Project;
use crate::folders::{tagged, tree};

/// Both folders of [`folder`].
const BOTH: &str = "wik?/documents/*.jsonl";

/// The rows of all files of a folder, file after file, and how many each has.
fn rows(folder: &Path) -> (Vec<String>, BTreeMap<String, usize>) {
    let (mut all, mut counts) = (Vec::new(), BTreeMap::new());
    for path in regimen_base::fs::list(folder).unwrap() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.contains(".jsonl") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = match name.rsplit('.').next() {
            Some("gz") => {
                let mut text = String::new();
                flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
                text
            }
            Some("zst") => String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
            _ => String::from_utf8(bytes).unwrap(),
        };
        let before = all.len();
        all.extend(text.lines().map(String::from));
        counts.insert(name.split('.').next().unwrap().into(), all.len() - before);
    }
    (all, counts)
}

/// Three tagged files, and one in a folder without attributes.
fn folder() -> Project {
    let project = tagged();
    let row = |i: usize| format!("{{\"id\": {i}, \"text\":\"Row {i}, \\u00e9.\", \"x\": [1, {i}]}}\n");
    project.write("wikx/documents/3.jsonl", (0..40).map(row).collect::<String>());
    project
}

#[test]
fn rows_and_their_attributes_go_into_shards_as_they_stand_there() {
    let project = folder();
    let export = |to: &str, pack: &str, threads: &str| {
        let all = ["corpus", "export", BOTH, to, "--format", "dolma", "--shard", "1KB", "--pack", pack];
        project.run_with(&all, &[("REGIMEN_THREADS", threads)]).fine();
        tree(&project.path(to))
    };
    let one = export("out", "gz", "1");
    assert!(export("out", "gz", "1") == one);
    assert!(export("three", "gz", "3") == one);
    let (documents, shards) = rows(&project.path("out/documents"));
    let [mut expected, others] =
        ["wiki", "wikx"].map(|name| rows(&project.path(&format!("{name}/documents"))).0);
    expected.extend(others);
    assert!(documents == expected && documents.len() == 220);
    assert!(shards.len() > 10 && shards.values().all(|&rows| rows > 0), "{shards:?}");
    for name in ["rules", "dup"] {
        let (attributes, own) = rows(&project.path(&format!("out/attributes/{name}")));
        assert!(attributes[..180] == rows(&project.path(&format!("wiki/attributes/{name}"))).0, "{name}");
        assert_eq!(attributes[219], "{\"id\":39,\"attributes\":{}}");
        assert_eq!(own, shards);
    }
    // A shard ends with the document that brings its text to a length.
    let length = |row: &String| serde_json::from_str::<Value>(row).unwrap()["text"].as_str().unwrap().len();
    let mut left = &documents[..];
    for (shard, &count) in &shards {
        let (own, rest) = left.split_at(count);
        let bytes: Vec<usize> = own.iter().map(length).collect();
        let all: usize = bytes.iter().sum();
        assert!(all - bytes[count - 1] < 1000, "{shard}");
        assert!(all >= 1000 || rest.is_empty(), "{shard}");
        left = rest;
    }
    // Another packing takes the place of the first; what it holds is the same.
    for pack in ["zst", "none"] {
        let found = export("out", pack, "2");
        assert_eq!(
            (rows(&project.path("out/documents")), found.len()),
            ((documents.clone(), shards.clone()), one.len())
        );
    }
    let stats = |folder: &str| project.run(&["corpus", "stats", folder, "--json"]).fine().json();
    let (written, read) = (stats("out"), stats(BOTH));
    for part in ["read", "sources", "lengths", "words"] {
        assert_eq!(written[part], read[part], "{part}");
    }
    // Experiments that are not wanted any more go with their files.
    let some = ["corpus", "export", "wiki", "out", "--format", "dolma", "--attributes"];
    std::fs::remove_dir_all(project.path("out")).unwrap();
    project.run(&[&some[..], &["rules,dup"]].concat()).fine();
    assert_eq!(stats("out"), stats("wiki"));
    project.run(&[&some[..], &["./wiki/attributes/dup"]].concat()).fine();
    assert!(!project.path("out/attributes/rules").exists());
    assert_eq!(rows(&project.path("out/attributes/dup")).1, BTreeMap::from([("00000".into(), 180)]));
}

#[test]
fn flat_rows_hold_what_a_row_says() {
    let project = folder();
    project.write("t/documents/a.csv", "id,text,lang,license\n7,\"one, two\",en,MIT\n");
    project.run(&["corpus", "export", "t", "t/out", "--format", "jsonl,dolma,card", "--pack", "none"]).fine();
    let row: Value = serde_json::from_str(&project.read("t/out/00000.jsonl")).unwrap();
    assert_eq!(row["metadata"], json!({"lang": "en", "license": "MIT"}));
    assert_eq!((&row["id"], &row["text"], &row["licence"]), (&json!("7"), &json!("one, two"), &json!("MIT")));
    let row: Value = serde_json::from_str(&project.read("t/out/documents/00000.jsonl")).unwrap();
    assert_eq!(row["metadata"]["lang"], "en");
    for file in ["00000.jsonl", "documents/00000.jsonl"] {
        assert!(
            project.read("t/out/README.md").contains(file)
                && project.read("t/out/croissant.json").contains(file)
        );
    }
    let export = |to: &str, threads: &str| {
        let all = ["corpus", "export", BOTH, to, "--format", "jsonl", "--shard", "1KB"];
        project.run_with(&all, &[("REGIMEN_THREADS", threads)]).fine();
        tree(&project.path(to))
    };
    assert!(export("one", "1") == export("three", "3"));
    let (found, shards) = rows(&project.path("one"));
    assert!(found.len() == 220 && shards.len() > 10);
    let last: Value = serde_json::from_str(&found[219]).unwrap();
    assert_eq!((&last["id"], &last["metadata"]), (&json!("39"), &json!({"x": [1, 39]})));
    let first: Value = serde_json::from_str(&found[0]).unwrap();
    assert_eq!((&first["source"], &first["licence"]), (&json!("wiki"), &json!("NOASSERTION")));
}

#[test]
fn rows_are_written_where_nothing_else_is() {
    let project = folder();
    let export = |what: &str, to: &str, more: &[&str]| {
        project.run(&[&["corpus", "export", what, to, "--format"], more].concat())
    };
    let before = tree(&project.path("wiki"));
    export("wiki", "wiki", &["dolma"]).refused(&["wiki/documents/0.jsonl", "is read here"]);
    export("wiki", "wiki/documents/new", &["jsonl"]).refused(&["among the documents"]);
    assert_eq!(tree(&project.path("wiki")), before);
    for (file, format) in
        [("documents/mine.jsonl", "dolma"), ("attributes/own/0.jsonl", "dolma"), ("mine.jsonl.gz", "jsonl")]
    {
        project.write(&format!("{format}/{file}"), "{}\n");
        export("wiki", format, &[format]).refused(&[file.rsplit('/').next().unwrap()]);
        std::fs::remove_file(project.path(&format!("{format}/{file}"))).unwrap();
    }
    export("wiki", "out", &["dolma"]).fine();
    let kept = tree(&project.path("out"));
    export("web", "out", &["dolma"]).refused(&["`out` holds the export of `wiki`", "name another folder"]);
    export("out", "out", &["dolma"]).refused(&["`out` holds the export of `wiki`"]);
    export("wiki", "out", &["dolma", "--experiment", "e"]).refused(&["`--experiment`", "finished corpora"]);
    let attributes = ["jsonl", "--attributes", "dup"];
    export("wiki", "flat", &attributes).refused(&["`--attributes`", "`--format jsonl`", "dolma, parquet"]);
    export("wiki", "flat", &["jsonl,dolma", "--attributes", "dup"]).fine();
    let twice = ["dolma", "--attributes", "./wiki/attributes/dup,./web/attributes/dup"];
    export("wiki", "twice", &twice).refused(&["attributes/dup"]);
    // A file that comes in the place of one that was exported and taken away is none of ours.
    for folder in ["flat/documents", "flat/attributes"] {
        std::fs::remove_dir_all(project.path(folder)).unwrap();
    }
    export("wiki", "flat", &["jsonl"]).fine();
    project.write("flat/documents/00000.jsonl.gz", "mine");
    export("wiki", "flat", &["dolma"]).refused(&["00000.jsonl.gz"]);
    assert_eq!(project.read("flat/documents/00000.jsonl.gz"), "mine");
    // A row that does not belong to its document stops it before anything changes.
    let rows = project.read("wiki/attributes/dup/2.jsonl");
    project.write("wiki/attributes/dup/2.jsonl", rows.replacen("wiki2-5\"", "wiki2-6\"", 1));
    export("wiki", "new", &["dolma"]).refused(&["wiki/attributes/dup/2.jsonl`, line 6", "wiki2-5"]);
    assert!(!project.path("new/documents").exists());
    assert_eq!(tree(&project.path("out")), kept);
}

#[test]
fn an_experiment_that_is_named_twice_counts_once() {
    let project = folder();
    let of = |attributes: &str| {
        let all =
            ["corpus", "export", "wiki", "out", "--format", "dolma,parquet,card", "--attributes", attributes];
        project.run(&all).fine();
        let stats = ["corpus", "stats", "wiki", "--attributes", attributes, "--json"];
        let stats = project.run(&stats).fine().json();
        let files = tree(&project.path("out"));
        std::fs::remove_dir_all(project.path("out")).unwrap();
        (stats, files)
    };
    let once = of("dup");
    assert!(of("dup,dup") == once);
    assert!(of("dup,./wiki/attributes/dup") == once);
    let once = of("wiki/attributes/dup");
    assert!(of("./wiki/attributes/dup,wiki/attributes/../attributes/dup/") == once);
    let both = of("rules,dup");
    assert!(of("rules,dup,./wiki/attributes/rules,rules") == both);
}

/// Rows of documents in all files of the folder `out`, in Dolma's layout and flat.
fn out_rows(project: &Project) -> [Vec<String>; 2] {
    ["out/documents", "out"].map(|folder| rows(&project.path(folder)).0)
}

#[test]
fn who_is_stopped_at_any_write_goes_on_to_the_same_rows() {
    let project = folder();
    let export = ["corpus", "export", BOTH, "out", "--format", "dolma,jsonl", "--shard", "4KB"];
    project.run(&export).fine();
    let kept = tree(&project.path("out"));
    let mut kills = 0;
    for at in (1..).step_by(11) {
        std::fs::remove_dir_all(project.path("out")).unwrap();
        let killed = project.run_with(&export, &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]);
        kills += usize::from(killed.code != Some(0));
        project.run(&export).fine();
        assert!(tree(&project.path("out")) == kept, "killed at write {at}");
        if killed.code == Some(0) {
            break;
        }
    }
    assert!(kills > 5, "{kills} kills");
}

#[test]
fn who_is_stopped_beside_an_earlier_export_leaves_no_document_twice() {
    let project = folder();
    let export = |more: &[&str], fault: &str| {
        let all = ["corpus", "export", BOTH, "out", "--format", "dolma,jsonl"];
        project.run_with(&[&all[..], more].concat(), &[("REGIMEN_FAULT", fault)])
    };
    let (first, other, larger) =
        (["--shard", "2KB"], ["--shard", "2KB", "--pack", "zst"], ["--shard", "6KB"]);
    for (another, step) in [(&other[..], 9), (&larger[..], 9), (&first[..], 29)] {
        let _ = std::fs::remove_dir_all(project.path("out"));
        export(another, "").fine();
        let expected = tree(&project.path("out"));
        let (mut kills, mut partly) = (0, 0);
        for at in (1..).step_by(step) {
            std::fs::remove_dir_all(project.path("out")).unwrap();
            export(&first, "").fine();
            let all = out_rows(&project);
            let killed = export(another, &format!("kill@write:{at}")).code != Some(0);
            for (found, all) in out_rows(&project).into_iter().zip(all) {
                partly += usize::from(found.len() < all.len());
                let once: BTreeSet<&String> = found.iter().collect();
                assert_eq!(once.len(), found.len(), "{another:?} was killed at write {at}");
            }
            if !killed {
                break;
            }
            kills += 1;
            export(another, "").fine();
            assert!(tree(&project.path("out")) == expected, "{another:?} was killed at write {at}");
        }
        assert!(kills > 5, "{another:?}: {kills} kills");
        // What is the same is there all the time.
        assert_eq!(partly > 0, another != first, "{another:?}");
    }
}
