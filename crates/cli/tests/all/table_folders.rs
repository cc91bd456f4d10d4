//! Steps on folders of tables, and of rows whose text and id are called otherwise.

use serde_json::{Value, json};

use crate::common::Project;
use crate::folders::{tagged, tree};

#[test]
fn documents_in_parquet_go_through_all_steps() {
    let project = tagged();
    // A table of the same documents, in the same order.
    project.run(&["corpus", "sample", "wiki", "--fraction", "1", "--to", "t/documents/all.parquet"]).fine();
    project.run(&["corpus", "tag", "t", "--taggers", "length", "--experiment", "rules"]).fine();
    project.run(&["corpus", "dedup", "t", "--by", "paragraph", "--name", "dup"]).fine();
    assert!(project.path("t/attributes/dup/all.parquet.jsonl.gz").exists());
    let mix = |folder: &str, to: &str| {
        let rules = ["--attributes", "rules,dup", "--drop", "length.words < 5", "--edit", "dup"];
        let own = ["corpus", "mix", folder, "--to", to, "--pack", "none"];
        project.run(&[&own[..], &rules].concat()).fine().stdout
    };
    let expected = mix("wiki", "a");
    assert_eq!(mix("t", "b"), expected);
    let rows = |name: &str| -> Vec<Value> {
        let text = project.read(&format!("{name}/documents/mixed-00000.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for (lines, table) in rows("a").iter().zip(&rows("b")) {
        assert_eq!((&lines["id"], &lines["text"]), (&table["id"], &table["text"]));
        assert_eq!((&lines["source"], &table["metadata"]), (&json!("wiki"), &json!({})));
    }
    let stats = |folder: &str| {
        let mut found = project.run(&["corpus", "stats", folder, "--json"]).fine().json();
        found.as_object_mut().unwrap().retain(|name, _| name != "files");
        found
    };
    assert_eq!(stats("t"), stats("wiki"));
    project.run(&["corpus", "export", "t", "--to", "out", "--format", "parquet,texts,card"]).fine();
    assert!(project.path("out/texts/00000.parquet").exists());
    // Without the attributes a second time, and never among what is read.
    let done = project.run(&["corpus", "tag", "t", "--taggers", "length", "--experiment", "rules"]).fine();
    assert!(done.stderr.contains("1 file done before"), "{}", done.stderr);
    let before = tree(&project.path("t/documents"));
    for at in [3, 9] {
        std::fs::remove_dir_all(project.path("t/attributes/dup")).unwrap();
        let dedup = ["corpus", "dedup", "t", "--by", "paragraph", "--name", "dup"];
        project.run_with(&dedup, &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]).killed();
        project.run(&dedup).fine();
        std::fs::remove_dir_all(project.path("b")).unwrap();
        assert_eq!(mix("t", "b"), expected, "killed at write {at}");
    }
    assert_eq!(tree(&project.path("t/documents")), before);
}

#[test]
fn text_and_id_are_called_as_one_likes() {
    let project = Project::empty();
    let words = "one two three four five six seven eight nine ten eleven twelve thirteen";
    project.write(
        "l/documents/a.jsonl",
        format!("{}\n", json!({"nr": 7, "body": words, "text": "no", "lang": "en"})),
    );
    project.write("c/documents/a.csv", format!("nr,body,lang\n7,{words},en\n"));
    project.write("s/documents/a.tsv", "id\ttext\n8\tcome into a shop and buy\n");
    project.write("items.csv", format!("question,answer\n{words},x\n"));
    let names = ["--text-field", "body", "--id-field", "nr"];
    for (folder, id) in [("l", json!(7)), ("c", json!("7"))] {
        let run =
            |args: &[&str]| project.run(&[&["corpus", args[0], folder], &args[1..], &names].concat()).fine();
        run(&["tag", "--taggers", "length", "--experiment", "rules"]);
        run(&["dedup", "--by", "document", "--key", "metadata.lang", "--name", "dup"]);
        let stats = run(&["stats", "--json"]).json();
        assert_eq!(stats["read"]["words"], 13);
        let numbers = stats["numbers"].as_array().unwrap();
        assert!(numbers.iter().any(|numbers| numbers["name"] == "rules__length__words"));
        run(&[
            "mix",
            "--attributes",
            "rules",
            "--drop",
            "length.words > 99",
            "--to",
            &format!("{folder}/mixed"),
            "--pack",
            "none",
        ]);
        let found: Value =
            serde_json::from_str(&project.read(&format!("{folder}/mixed/documents/mixed-00000.jsonl")))
                .unwrap();
        assert_eq!(
            (&found["id"], &found["text"], &found["metadata"]["lang"]),
            (&id, &json!(words), &json!("en"))
        );
        let sampled: Value = serde_json::from_str(&run(&["sample", "--documents", "1"]).stdout).unwrap();
        assert_eq!(sampled, found);
        run(&["export", "--to", &format!("{folder}/out"), "--format", "texts"]);
        let set = [
            "--against",
            "items.csv",
            "--field",
            "question",
            "--drop",
            &format!("{folder}/clean"),
            "--report",
            "hits.jsonl",
        ];
        let held = run(&[&["decontaminate"], &set[..]].concat());
        assert!(
            held.stdout.contains("1 of 1 contaminated")
                || held.stdout.contains("1 of 1 document contaminated"),
            "{}",
            held.stdout
        );
        let hit: Value = serde_json::from_str(&project.read("hits.jsonl")).unwrap();
        assert_eq!((&hit["set"], &hit["id"], &hit["item_id"]), (&json!("items"), &id, &json!(null)));
        // What was written needs no names.
        project.run(&["corpus", "stats", &format!("{folder}/mixed")]).fine();
    }
    project.write("mix.toml", "to = \"both\"\npack = \"none\"\n[[sources]]\nname = \"l\"\ndocuments = [\"l\"]\ntext_field = \"body\"\nid_field = \"nr\"\nattributes = [\"rules\"]\n[[sources]]\nname = \"s\"\ndocuments = [\"s\"]\n");
    project.run(&["corpus", "mix", "--config", "mix.toml"]).fine();
    assert!(project.read("both/documents/l-00000.jsonl").contains(words));
    assert!(project.read("both/documents/s-00000.jsonl").starts_with("{\"id\":\"8\",\"text\":\"come into"));
    let classifier = ["corpus", "classifier", "--label", "a=c", "--label", "b=l", "--text-field", "body"];
    project.run(&[&classifier[..], &["--validation", "0", "--dim", "2", "--to", "q.bin"]].concat()).fine();

    let tag = |more: &[&str]| project.run(&[&["corpus", "tag", "c", "--taggers", "length"], more].concat());
    tag(&[]).refused(&["a.csv`: column `text`", "nr, body, lang", "--text-field"]);
    tag(&["--text-field", "body", "--id-field", "uuid"]).refused(&["column `uuid`"]);
    let tag = |more: &[&str]| project.run(&[&["corpus", "tag", "l", "--taggers", "length"], more].concat());
    tag(&["--text-field", "body"]).refused(&["a.jsonl`, line 1", "`id`", "--id-field"]);
    project
        .run(&["corpus", "mix", "--config", "mix.toml", "--text-field", "body"])
        .refused(&["--text-field"]);
    project.write("corpus.toml", "[c1]\nkind = \"corpus\"\nsources = [{ name = \"s\", path = \"s/documents\" }]\nfilter = { quality = \"none\" }\nvalidation = 0\n");
    project.run(&["corpus", "build", "corpus.toml"]).fine();
    project.run(&["corpus", "stats", "c1", "--id-field", "nr"]).refused(&[
        "`--id-field`",
        "`c1`",
        "Dolma's layout",
    ]);
}
