//! What is counted in Dolma's folders, and their export: `corpus stats` and `corpus export`.

use serde_json::json;

use crate::folders::{tagged, tree};

#[test]
fn stats_of_a_folder() {
    let project = tagged();
    let found = project.run(&["corpus", "stats", "wiki", "--json"]).fine().json();
    assert_eq!(found["read"]["documents"], 180, "{found}");
    assert_eq!(found["sources"]["wiki"]["documents"], 180);
    let named = |name: &str| {
        let all = found["numbers"].as_array().unwrap();
        all.iter().find(|numbers| numbers["name"] == name).unwrap().clone()
    };
    let words = named("rules__length__words");
    assert_eq!(
        (&words["what"], &words["count"], &words["documents"]),
        (&json!("value"), &json!(180), &json!(180))
    );
    // The same as those of a corpus that reads these documents.
    project.write("corpus.toml", "[c]\nkind = \"corpus\"\nsources = [{ name = \"w\", path = \"wiki\", format = \"dolma\", licence = \"MIT\" }]\nfilter = { quality = \"none\" }\ntag = [{ tagger = \"length\" }]\n");
    project.run(&["corpus", "build", "corpus.toml"]).fine();
    let corpus = project.run(&["corpus", "stats", "c", "--json"]).fine().json();
    let all = corpus["numbers"].as_array().unwrap();
    let same = all.iter().find(|numbers| numbers["name"] == "length.words").unwrap();
    assert_eq!(words["quantiles"], same["quantiles"]);
    assert_eq!(words["mean"], same["mean"]);
    assert_eq!(found["read"]["bytes"], corpus["read"]["bytes"]);
    let dup = named("dup");
    assert_eq!((&dup["what"], &dup["experiment"]), (&json!("spans"), &json!("dup")));
    let rows: String = (0..3).map(|n| project.read(&format!("wiki/attributes/dup/{n}.jsonl"))).collect();
    let marked = rows.lines().filter(|line| line.contains("\"dup\":[[")).count();
    assert!(0 < marked && marked < 180);
    assert_eq!(dup["documents"], marked);
    assert!(dup["spans"]["bytes"].as_u64().unwrap() > 0);

    let table =
        project.run(&["corpus", "stats", "wiki/documents/0.jsonl", "--attributes", "rules"]).fine().stdout;
    assert!(table.contains("60 documents") && table.contains("rules__length__bytes"), "{table}");
    assert!(!table.contains("dup"), "{table}");
    let stats = |more: &[&str]| project.run(&[&["corpus", "stats"], more].concat());
    stats(&["wiki", "--clusters", "3"]).refused(&["`--clusters`", "`wiki`", "finished corpus"]);
    stats(&["c", "--attributes", "rules"]).refused(&["`--attributes`", "`c`", "Dolma's layout"]);
    stats(&["wiki", "--attributes", "rulez"]).refused(&["attributes/rulez/0.jsonl", "is missing"]);
    project.write("c/documents/0.jsonl", "{\"id\":\"a\",\"text\":\"x\"}\n");
    stats(&["c"]).refused(&["`c` is both a stage and a folder", "`c/documents`"]);
    stats(&["c/documents"]).fine();
}

#[test]
fn what_files_say_cannot_mislead_who_reads_the_table() {
    let project = crate::common::Project::empty();
    let row = |source: &str| format!("{{\"id\":\"a\",\"text\":\"x y\",\"source\":\"{source}\"}}\n");
    project.write("wiki/documents/0.jsonl", row(r"a\u001b[2J\rb\nc"));
    for (experiment, span) in [("one", "[0,1,1.0]"), ("two", "[0,3,1.0]")] {
        let row = format!("{{\"id\":\"a\",\"attributes\":{{\"dup\":[{span}]}}}}\n");
        project.write(&format!("wiki/attributes/{experiment}/0.jsonl"), row);
    }
    let table = project.run(&["corpus", "stats", "wiki"]).fine().stdout;
    assert!(table.contains(r"a\u{1b}[2J\u{d}b⏎c") && !table.contains(['\u{1b}', '\r']), "{table}");
    assert!(table.contains("one/dup ") && table.contains("two/dup "), "{table}");
    let json = project.run(&["corpus", "stats", "wiki", "--json"]).fine().json();
    assert_eq!(
        (&json["numbers"][1]["name"], &json["numbers"][1]["experiment"]),
        (&"dup".into(), &"two".into())
    );
    assert!(json["sources"].as_object().unwrap().contains_key("a\u{1b}[2J\rb\nc"));

    project.write("loose.jsonl", row("s"));
    let stats = |what: &str| project.run(&["corpus", "stats", what]);
    stats("loose.jsonl")
        .refused(&["`loose.jsonl` is a file that lies in no folder `documents`", "DIR/documents/"]);
    stats("*.jsonl").refused(&["`*.jsonl` is a pattern of files", "`documents`"]);
    stats("./wiki/attributes").refused(&["is a folder that is no corpus", "`documents`"]);
}

#[test]
fn a_folder_is_exported() {
    let project = tagged();
    project.run(&["corpus", "tag", "wiki", "--taggers", "pii", "--experiment", "pii"]).fine();
    let to = ["corpus", "export", "wiki", "--to", "out", "--format", "parquet,texts,card"];
    let done = project.run(&[&to[..], &["--url", "https://example.org/wiki"]].concat()).fine();
    assert!(done.stderr.contains("parquet: 180 documents"), "{}", done.stderr);
    for file in
        ["documents.parquet", "attributes.parquet", "texts/00000.parquet", "croissant.json", "spdx.json"]
    {
        assert!(done.stdout.contains(file) && project.path(&format!("out/{file}")).exists(), "{file}");
    }
    let card = project.read("out/README.md");
    assert!(card.starts_with("# wiki\n") && card.contains("From: https://example.org/wiki"), "{card}");
    assert!(card.contains("Taggers looked for personal data"), "{card}");
    // The same again, and in another folder on other threads.
    let before = tree(&project.path("out"));
    project.run(&[&to[..], &["--url", "https://example.org/wiki"]].concat()).fine();
    assert_eq!(tree(&project.path("out")), before);
    let other = [
        "corpus",
        "export",
        "wiki",
        "other",
        "--format",
        "card,texts,parquet",
        "--url",
        "https://example.org/wiki",
    ];
    project.run_with(&other, &[("REGIMEN_THREADS", "3")]).fine();
    assert_eq!(tree(&project.path("other")), before);

    let export = |more: &[&str]| project.run(&[&["corpus", "export", "wiki", "bad"], more].concat());
    export(&["--format", "parquet", "--pack", "zst"]).refused(&["`--pack`", "jsonl"]);
    export(&["--format", "parquet", "--url", "https://x.org"]).refused(&["`--url`", "card"]);
    export(&["--format", "parquet,card", "--url", "x.org"]).refused(&["`--url x.org`", "https://"]);
    assert!(!project.path("bad").exists(), "nothing is written");
    for to in ["wiki/documents", "wiki/documents/new"] {
        project.run(&["corpus", "export", "wiki", to, "--format", "texts"]).refused(&["among the documents"]);
    }
    assert_eq!(tree(&project.path("wiki/documents")).len(), 3);
    let done = project.run(&["corpus", "export", "wiki", "--format", "card"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
}
