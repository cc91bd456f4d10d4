//! Where steps on folders may write: nothing that they read, nothing finished, and no mark of a project.

use serde_json::json;

use crate::common::{Project, files, list};
use crate::folders::{tagged, tree};

#[test]
fn no_step_writes_over_what_it_reads() {
    let project = tagged();
    project.write("mixed.toml", "name = \"m\"\n");
    let before = tree(&project.root().join("web"));
    let refused = |command: &[&str], words: &[&str]| {
        project.run(command).refused(words);
        assert_eq!(tree(&project.root().join("web")), before, "{command:?}");
    };
    let over = "is read here, and would be written over";
    let among = "in a folder `documents`";
    let read = "would be read with the documents there the next time";
    refused(
        &["corpus", "tag", "web", "--taggers", "length", "--to", "web/documents"],
        &["web/documents/0.jsonl", over],
    );
    refused(
        &["corpus", "tag", "web", "--taggers", "length", "--to", "web/documents/new"],
        &[among, "hint: leave out --to"],
    );
    refused(&["corpus", "tag", "wiki", "--taggers", "length", "--to", "web/documents"], &[among]);
    refused(&["corpus", "dedup", "web", "--by", "document", "--name", "d", "--to", "web/documents"], &[over]);
    for name in ["../../x", "", "a/b", ".."] {
        refused(
            &["corpus", "dedup", "web", "--by", "document", "--name", name],
            &["is not a name for attributes"],
        );
        refused(
            &["corpus", "tag", "web", "--taggers", "length", "--experiment", name],
            &["is not a name for attributes"],
        );
    }
    refused(&["corpus", "sample", "web", "--fraction", "0.5", "--to", "web/documents/1.jsonl"], &[read]);
    refused(&["corpus", "sample", "web", "--fraction", "0.5", "--to", "web/documents/new.jsonl"], &[read]);
    refused(&["corpus", "mix", "web", "--to", "web/documents/new"], &["web/documents/new/documents", read]);
    let filter = ["corpus", "dedup", "web", "--by", "paragraph", "--bloom", "9", "--name", "d", "--bloom-to"];
    refused(&[&filter[..], &["web/documents/f"]].concat(), &[read]);
    project.write(
        "items.jsonl",
        "{\"text\":\"one two three four five six one two three four five six one two\"}\n",
    );
    for (report, why) in [("items.jsonl", over), ("web/documents/2.jsonl", read)] {
        let decontaminate =
            ["corpus", "decontaminate", "web", "--against", "items.jsonl", "--report", report];
        refused(&decontaminate, &[report, why]);
    }
    refused(
        &[
            "corpus",
            "decontaminate",
            "web",
            "--against",
            "items.jsonl",
            "--report",
            "hits.jsonl",
            "--drop",
            "web",
        ],
        &["web/documents", read],
    );
    // Nor may attributes take the place of an evaluation set.
    project.write("sets/lone.jsonl", project.read("items.jsonl"));
    project.write("lone.jsonl", "{\"id\":\"1\",\"text\":\"one two three\"}\n");
    let lone =
        ["corpus", "decontaminate", "lone.jsonl", "--against", "sets/lone.jsonl", "--report", "r.jsonl"];
    refused(&[&lone[..], &["--to", "sets"]].concat(), &["sets/lone.jsonl", over]);
    refused(&["corpus", "tag", "web", "--taggers", "length", "--to", "wiki/documents/tags"], &[among]);
    // A device stays one, and that is said before any work.
    let device = ["corpus", "decontaminate", "lone.jsonl", "--against", "sets/lone.jsonl"];
    refused(
        &[&device[..], &["--to", "hits", "--report", "/dev/null"]].concat(),
        &["`/dev/null`", "a device"],
    );
    // The output of one mix is the input of the next one, in the same folder.
    project.run(&["corpus", "mix", "web", "--to", "again", "--pack", "none"]).fine();
    let mixed = tree(&project.path("again"));
    project
        .run(&["corpus", "mix", "again", "--to", "again", "--pack", "none"])
        .refused(&["again/documents", read]);
    assert_eq!(tree(&project.path("again")), mixed);
    // Rows on the standard output are no file.
    let done = project.run(&["corpus", "sample", "web", "--documents", "3", "--to", "-"]).fine();
    assert_eq!(done.stdout.lines().count(), 3);
    assert!(!project.path("-").exists());
}

#[test]
fn steps_on_folders_mark_no_project() {
    let project = tagged();
    project.write("items.jsonl", "{\"text\":\"one two three four five six seven\"}\n");
    let sample = ["corpus", "sample", "web", "--documents", "2", "--to", "some/sample.jsonl.gz"];
    project.run(&sample).fine();
    let against =
        ["corpus", "decontaminate", "web", "--against", "items.jsonl", "--report", "hits/report.jsonl"];
    project.run(&[&against[..], &["--drop", "clean"]].concat()).fine();
    let filter = ["--by", "paragraph", "--bloom", "1000", "--bloom-to", "kept/a.bloom", "--name", "dup"];
    project.run(&[&["corpus", "dedup", "web"], &filter[..]].concat()).fine();
    project.run(&["corpus", "mix", "web", "--to", "mixed"]).fine();
    project.run(&["corpus", "export", "web", "--to", "out", "--format", "parquet,texts,card"]).fine();
    // A file by itself has nothing beside it.
    for (folder, file) in [("some", "sample.jsonl.gz"), ("hits", "report.jsonl"), ("kept", "a.bloom")] {
        assert_eq!(list(&project.path(folder)), [project.path(folder).join(file)]);
    }
    assert!(files(project.root()).iter().all(|file| !file.split('/').any(|part| part == ".regimen")));
}

#[test]
fn notes_beside_what_a_step_wrote_make_no_project() {
    let project = tagged();
    project.write("corpus.toml", "[c]\nkind = \"corpus\"\nsources = [{ name = \"web\", path = \"web/documents\", format = \"dolma\", licence = \"MIT\" }]\nfilter = { quality = \"none\" }\n");
    project.run(&["corpus", "build", "corpus.toml"]).fine();
    project.run(&["corpus", "export", "c", "out/sub", "--format", "jsonl"]).fine();
    assert!(project.path("out/sub/.regimen-notes").is_dir());
    let mut stats = project.command(&["corpus", "stats", "c", "--json"]);
    stats.current_dir(project.path("out/sub"));
    crate::common::Done::of(stats.spawn().unwrap()).fine();
    let mut doctor = project.command(&["doctor"]);
    doctor.current_dir(project.path("out/sub"));
    crate::common::Done::of(doctor.spawn().unwrap()).fine();
    assert!(!project.path("out/sub/.regimen").exists());
    // A corpus alone can be traced; its documents and those of others are never mixed up by an export.
    let done = project.run(&["trace", "doc", "web0-1"]).fine();
    assert!(done.stdout.contains("web0-1"), "{}", done.stdout);
    for (to, format) in [("web", "dolma"), ("web/documents", "jsonl")] {
        project.run(&["corpus", "export", "c", to, "--format", format]).refused(&["is read here"]);
    }
    for page in ["web/documents/0.jsonl", "corpus.toml"] {
        let kept = std::fs::read(project.path(page)).unwrap();
        project.run(&["corpus", "inspect", "c", "--html", page]).refused(&[page, "is no page"]);
        assert_eq!(std::fs::read(project.path(page)).unwrap(), kept);
    }
    for _ in 0..2 {
        project.run(&["corpus", "inspect", "c", "--html", "page.html"]).fine();
    }
    project
        .run(&["corpus", "build", "corpus.toml", "--set", "c.memory=\"2GB\""])
        .refused(&["hint: write `2000000000`"]);
}

#[test]
fn an_export_of_a_corpus_that_was_stopped_goes_on_and_takes_no_place_of_its_source() {
    let project = Project::empty();
    let row = |i: usize| {
        format!("{}\n", json!({"id": i.to_string(), "text": format!("Text {i}, {}", "x".repeat(200))}))
    };
    project.write("web/documents/00000.jsonl", (0..60).map(row).collect::<String>());
    project.write("corpus.toml", "[c]\nkind = \"corpus\"\nsources = [{ name = \"web\", path = \"web/documents\", format = \"dolma\", licence = \"MIT\" }]\ntag = [{ tagger = \"length\" }]\nfilter = { quality = \"none\" }\n");
    project.run(&["corpus", "build", "corpus.toml"]).fine();
    let source = tree(&project.path("web"));
    let over = ["corpus", "export", "c", "web", "--format", "dolma", "--pack", "none"];
    project.run(&over).refused(&["web/documents/00000.jsonl", "is read here"]);
    assert!(tree(&project.path("web")) == source);
    let export = ["corpus", "export", "c", "out", "--format", "dolma,jsonl,parquet,texts", "--shard", "4KB"];
    project.run(&export).fine();
    let whole = tree(&project.path("out"));
    project.run(&export).fine();
    assert!(tree(&project.path("out")) == whole);
    let mut kills = 0;
    for at in (1..).step_by(7) {
        std::fs::remove_dir_all(project.path("out")).unwrap();
        let killed = project.run_with(&export, &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]);
        if killed.code == Some(0) {
            break;
        }
        kills += 1;
        project.run(&export).fine();
        let found = tree(&project.path("out"));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            whole.keys().collect::<Vec<_>>(),
            "killed at write {at}"
        );
        assert!(found == whole, "killed at write {at}");
    }
    assert!(kills > 5, "{kills} kills");
    // Nor what stands where an export would have its own.
    for (file, format) in [
        ("documents/00000.jsonl.gz", "dolma"),
        ("00000.jsonl.gz", "jsonl"),
        ("texts/2024.parquet", "texts"),
        ("documents.parquet", "parquet"),
    ] {
        project.write(&format!("{format}/{file}"), "mine");
        let name = file.rsplit('/').next().unwrap();
        project
            .run(&["corpus", "export", "c", format, "--format", format])
            .refused(&[name, "does not write"]);
        assert_eq!(project.read(&format!("{format}/{file}")), "mine");
    }
}

#[test]
fn finished_exports_and_mixes_are_not_replaced_by_others() {
    let project = tagged();
    let recipe = |licence: &str| {
        project.write("corpus.toml", format!("[c]\nkind = \"corpus\"\nsources = [{{ name = \"web\", path = \"web/documents\", format = \"dolma\", licence = \"{licence}\" }}]\nfilter = {{ quality = \"none\" }}\n"));
        project.run(&["corpus", "build", "corpus.toml"]).fine();
    };
    let export = |what: &str, format: &str| {
        project.run(&["corpus", "export", what, "out", "--format", format, "--quiet"])
    };
    recipe("MIT");
    export("c", "parquet").fine();
    // More of the same corpus, and the same again.
    export("c", "card").fine();
    export("c", "parquet,card").fine();
    let kept = tree(&project.path("out"));
    recipe("CC0-1.0");
    let hint = "hint: name another folder, or remove `out` first";
    for format in ["parquet", "card", "texts"] {
        export("c", format).refused(&["`out` holds the export of the corpus `c` (", hint]);
        export("wiki", format).refused(&["of the corpus `c` (", "this is the export of `wiki` (", hint]);
    }
    assert_eq!(tree(&project.path("out")), kept);
    std::fs::remove_dir_all(project.path("out")).unwrap();
    for folder in ["wiki", "./wiki/documents"] {
        export(folder, "texts").fine();
    }
    export("web", "texts")
        .refused(&["the export of `./wiki/documents` of `wiki/documents/", "of `web` of `web/documents/"]);
    let mix = |more: &[&str]| project.run(&[&["corpus", "mix"], more, &["--to", "mixed"]].concat());
    mix(&["web"]).fine();
    assert!(mix(&["./web/documents"]).fine().stderr.contains("1 file done before"));
    let kept = tree(&project.path("mixed"));
    let hint = "hint: name another folder, or remove `mixed/documents` first";
    mix(&["web", "--drop", "source == 'nobody'"])
        .refused(&["`mixed/documents` holds the mix of `mixed` (", hint]);
    mix(&["wiki"]).refused(&["of `web/documents/0.jsonl`, and", "`mixed` of `wiki/documents/", hint]);
    mix(&["web/documents/0.jsonl"]).refused(&["of `web/documents/1.jsonl`, and", "without it"]);
    assert_eq!(tree(&project.path("mixed")), kept);
    mix(&["web", "wiki"]).fine();
    std::fs::remove_dir_all(project.path("mixed")).unwrap();
    mix(&["wiki"]).fine();
}
