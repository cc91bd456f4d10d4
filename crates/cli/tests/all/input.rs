//! Documents that are not what they should be: an error that says where and what to do, or the right corpus.

use crate::common::data::{Dice, gz, row, text, zst};
use crate::common::{Done, Project, each};

/// A recipe of a corpus alone.
fn corpus(path: &str, source: &str, stage: &str) -> String {
    format!(
        "name = \"docs\"\n[corpus]\nkind = \"corpus\"\nsources = [{{ name = \"s\", path = \"{path}\"{source} }}]\n\
         filter = {{ quality = \"none\" }}\n{stage}\n"
    )
}

/// A tokenizer, tokens and a very small model on top of it.
const MODEL: &str = "
[tok]
kind = \"tokenizer\"
type = \"byte\"
corpus = \"corpus\"
[tokens]
kind = \"tokens\"
corpus = \"corpus\"
tokenizer = \"tok\"
[base]
kind = \"pretrain\"
tokens = \"tokens\"
steps = 3
batch = 2
schedule = { warmup = 0 }
model = { layers = 1, width = 16, heads = 2, context = 64 }
";

fn many() -> String {
    let mut dice = Dice(11);
    (0..40).map(|i| row(&i.to_string(), &text(&mut dice, 12))).collect()
}

fn project(recipe: &str, files: &[(&str, &[u8])]) -> Project {
    let project = Project::empty();
    project.write("recipe.toml", recipe);
    files.iter().for_each(|(name, content)| project.write(name, content));
    project
}

fn run(recipe: &str, files: &[(&str, &[u8])]) -> Done {
    project(recipe, files).run(&["run", "recipe.toml"])
}

/// Nothing but the error is left: no artifact and no half of one.
fn refused(recipe: &str, files: &[(&str, &[u8])], words: &[&str]) {
    let project = project(recipe, files);
    project.run(&["run", "recipe.toml"]).refused(words);
    assert!(project.artifacts().is_empty());
}

#[test]
fn files_that_are_missing_or_empty() {
    let blank = "\n\n  \n";
    refused(
        &corpus("data/none.jsonl", "", ""),
        &[],
        &["recipe.toml, line 4", "sources.0.path", "`data/none.jsonl`"],
    );
    refused(&corpus("data/*.jsonl", "", ""), &[("data/a.txt", b"x")], &["sources.0.path", "`data/*.jsonl`"]);
    refused(&corpus("data/*.jsonl", "", ""), &[("data/a.jsonl", b"")], &["`data/a.jsonl`", "`s`", "empty"]);
    let files: &[(&str, &[u8])] = &[("data/a.txt", b"words"), ("data/b.txt", b"")];
    refused(&corpus("data/*.txt", "", ""), files, &["`data/b.txt`", "`s`", "empty"]);
    refused(
        &corpus("data/a.jsonl", "", ""),
        &[("data/a.jsonl", blank.as_bytes())],
        &["`data/a.jsonl`", "empty"],
    );
}

#[test]
fn a_folder_without_documents() {
    let at = |pattern: &str| {
        let project = project(&corpus(pattern, "", ""), &[]);
        std::fs::create_dir_all(project.path("data/inner")).unwrap();
        project.run(&["run", "recipe.toml"]).refused(&["sources.0.path", &format!("`{pattern}`")]);
    };
    at("data/inner");
    at("data/*");
    let project = project(&corpus("data/s", "", ""), &[("data/s/picture.png", b"\x89PNG")]);
    project.run(&["run", "recipe.toml"]).refused(&["`data/s/picture.png`", "`s`", "format"]);
}

#[test]
fn compressed_files_that_are_cut_off_or_something_else() {
    let rows = many();
    for (name, kind) in [("a.jsonl.gz", "gzip"), ("a.jsonl.zst", "zstd")] {
        let path = format!("data/{name}");
        let whole = Project::empty();
        let file = whole.path(name);
        if kind == "gzip" {
            gz(&file, rows.as_bytes());
        } else {
            zst(&file, rows.as_bytes());
        }
        let bytes = std::fs::read(file).unwrap();
        run(&corpus(&path, "", ""), &[(&path, &bytes)]).fine();
        for end in [bytes.len() - 1, bytes.len() / 2, 7] {
            refused(&corpus(&path, "", ""), &[(&path, &bytes[..end])], &[&format!("`{path}`"), kind]);
        }
        let text = b"this is only text, with a wrong name";
        refused(&corpus(&path, "", ""), &[(&path, text)], &[&format!("`{path}`"), kind]);
        let mut damaged = bytes.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 0xff;
        refused(&corpus(&path, "", ""), &[(&path, &damaged)], &[&format!("`{path}`")]);
    }
}

#[test]
fn rows_that_are_no_documents() {
    let cases: [(&[u8], &[&str]); 7] = [
        (b"{\"id\":\"b\",\"body\":\"y\"}\n", &["line 2", "`text`", "text_field"]),
        (b"{\"id\":\"b\",\"text\":null}\n", &["line 2", "`text`"]),
        (b"{\"id\":\"b\",\"text\":3}\n", &["line 2", "`text`", "a whole number"]),
        (b"hello\n", &["line 2", "column 1", "invalid_row = \"drop\""]),
        (b"[1, 2]\n", &["line 2", "invalid_row"]),
        (b"{\"id\":\"b\",\"text\":\"un\n", &["line 2", "invalid_row"]),
        (b"{\"id\":\"a\",\"text\":\"again\"}\n", &["`s`", "`a`", "line 1", "line 2"]),
    ];
    for (second, words) in cases {
        let mut bytes = row("a", "one").into_bytes();
        bytes.extend_from_slice(second);
        let words: Vec<&str> = words.iter().copied().chain(["`data/a.jsonl`"]).collect();
        refused(&corpus("data/a.jsonl", "", ""), &[("data/a.jsonl", &bytes)], &words);
    }
    let dolma = ", format = \"dolma\"";
    refused(
        &corpus("data/a.jsonl", dolma, ""),
        &[("data/a.jsonl", b"{\"text\":\"x\"}\n")],
        &["`data/a.jsonl`, line 1", "`id`", "Dolma"],
    );
}

#[test]
fn what_is_dropped_on_request_is_counted() {
    let mut bytes = many().into_bytes();
    bytes.extend_from_slice(
        b"{\"id\":\"x\",\"body\":\"y\"}\n{\"id\":\"y\",\"text\":\"\xff\"}\n{\"id\":\"z\",\"te\n",
    );
    let drop = "missing_text = \"drop\"\ninvalid_utf8 = \"drop\"\ninvalid_row = \"drop\"";
    let recipe = corpus("data/a.jsonl", "", drop);
    let project = project(&recipe, &[("data/a.jsonl", &bytes)]);
    let done = project.run(&["run", "recipe.toml", "--json"]).fine().json();
    let summary = &done["stages"][0]["summary"];
    assert_eq!(
        (&summary["documents"]["read"], &summary["documents"]["kept"]),
        (&43.into(), &40.into()),
        "{summary}"
    );
    assert_eq!(summary["dropped"].as_object().unwrap().len(), 3, "{summary}");
    let fate = |name: &str| {
        let fate = project.run(&["trace", "doc", name, "--run", "corpus", "--json"]).fine().json();
        fate["dropped"].as_str().unwrap().to_string()
    };
    assert!(fate("s:x").contains("text"), "{}", fate("s:x"));
    assert_eq!(fate("s:data/a.jsonl:43"), "invalid_row: row that cannot be read");
    for args in [&["inspect", "corpus", "--plain", "--reason", "invalid_row"][..], &["stats", "corpus"]] {
        let shown = project.run(&[&["corpus"], args].concat()).fine().stdout;
        assert!(shown.contains("invalid_row"), "{shown}");
    }
    project.run(&["corpus", "inspect", "corpus", "--html", "page.html"]).fine();
    assert!(project.read("page.html").contains("row that cannot be read"));
    project.run(&["corpus", "export", "corpus", "out", "--format", "parquet"]).fine();
}

#[test]
fn text_that_is_not_utf_8() {
    let mut bytes = row("a", "one").into_bytes();
    bytes.extend_from_slice(b"{\"id\":\"b\",\"text\":\"\xff\xfe\"}\n");
    let words = ["`data/a.jsonl`, line 2", "UTF-8", "byte 18", "invalid_utf8"];
    refused(&corpus("data/a.jsonl", "", ""), &[("data/a.jsonl", &bytes)], &words);
    refused(
        &corpus("data/a.txt", "", ""),
        &[("data/a.txt", b"abc\xff")],
        &["`data/a.txt`", "byte 3", "invalid_utf8"],
    );
    let recipe = corpus("data/a.txt", "", "invalid_utf8 = \"replace\"");
    run(&recipe, &[("data/a.txt", b"abc\xff")]).fine();
}

#[test]
fn one_line_of_20_megabytes() {
    let mut dice = Dice(12);
    let mut long = text(&mut dice, 20_000);
    while long.len() < 20_000_000 {
        long = format!("{long} {long}");
    }
    let rows = format!("{}{}", many(), row("long", &long));
    let recipe = corpus("data/a.jsonl", "", "validation = 0.0") + MODEL;
    let project = project(&recipe, &[("data/a.jsonl", rows.as_bytes())]);
    let done = project.run(&["run", "recipe.toml", "--until", "tokens", "--json"]).fine().json();
    assert_eq!(done["stages"][0]["summary"]["documents"]["kept"], 41);
    let slots = done["stages"][2]["summary"]["train_tokens"].as_u64().unwrap();
    assert!(slots > long.len() as u64, "{slots}");
}

#[test]
fn a_document_longer_than_everything_else_together() {
    let mut dice = Dice(13);
    let long = text(&mut dice, 20_000);
    let rows = format!("{}{}", many(), row("long", &long));
    assert!(long.len() > 10 * many().len());
    let recipe = corpus("data/a.jsonl", "", "") + MODEL;
    let project = project(&recipe, &[("data/a.jsonl", rows.as_bytes())]);
    let done = project.run(&["run", "recipe.toml", "--json"]).fine().json();
    assert_eq!(done["stages"][3]["summary"]["steps"], 3);
    let fate = project.run(&["trace", "doc", "s:long", "--json"]).fine().json();
    assert_eq!(fate["bytes"], long.len());
}

#[test]
fn a_context_longer_than_any_document() {
    let recipe = (corpus("data/a.jsonl", "", "") + MODEL).replace("context = 64", "context = 2048");
    let done = run(&recipe, &[("data/a.jsonl", many().as_bytes())]).fine();
    assert!(done.stderr.contains("✓ base"), "{}", done.stderr);
}

#[test]
fn a_vocabulary_larger_than_the_text_allows() {
    let recipe = (corpus("data/a.jsonl", "", "") + MODEL).replace("type = \"byte\"", "vocab = 50000");
    let project = project(&recipe, &[("data/a.jsonl", many().as_bytes())]);
    let done = project.run(&["run", "recipe.toml"]).refused(&["50000", "`vocab`"]);
    // The number in the hint works.
    let hint = done.stderr.lines().last().unwrap();
    let most =
        hint.split_whitespace().find_map(|word| word.parse::<u64>().ok()).expect("a number in the hint");
    project.run(&["run", "recipe.toml", "--set", &format!("tok.vocab={most}"), "--until", "tok"]).fine();
    project
        .run(&["run", "recipe.toml", "--set", &format!("tok.vocab={}", most + 1), "--until", "tok"])
        .refused(&["vocab"]);
    project
        .run(&["run", "recipe.toml", "--set", "tok.vocab=200"])
        .refused(&["`vocab` of stage `tok`", "200"]);
}

#[test]
fn nothing_left_to_train_on() {
    let all = corpus("data/a.jsonl", "", "").replace("quality = \"none\"", "min_words = 5000");
    refused(&all, &[("data/a.jsonl", many().as_bytes())], &["40", "min_words", "filter"]);
    let held_out = corpus("data/a.jsonl", "", "validation = 1.0");
    refused(&held_out, &[("data/a.jsonl", many().as_bytes())], &["validation = 1", "train"]);
}

#[test]
fn a_new_file_makes_a_new_corpus() {
    // Files enter the key by their content: what a pattern means today is what counts.
    let recipe = corpus("data/*.jsonl", "", "");
    let project = project(&recipe, &[("data/a.jsonl", many().as_bytes())]);
    project.run(&["run", "recipe.toml"]).fine();
    project.write("data/b.jsonl", row("new", "another document"));
    let done = project.run(&["run", "recipe.toml", "--json"]).fine().json();
    assert_eq!(done["stages"][0]["cached"], false);
    assert_eq!(done["stages"][0]["summary"]["documents"]["kept"], 41);
}

#[test]
fn withheld_documents_that_cannot_be_withheld() {
    let mut rows = many();
    let first: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    rows.push_str(&row("copy", first["text"].as_str().unwrap()));
    let recipe = corpus("data/a.jsonl", "", "validation = 0.3") + MODEL;
    let project = project(&recipe, &[("data/a.jsonl", rows.as_bytes())]);
    project.run(&["run", "recipe.toml", "--until", "tokens"]).fine();
    let split = |id: &str| {
        let fate = project.run(&["trace", "doc", id, "--run", "corpus", "--json"]).fine().json();
        fate["split"].as_str().unwrap_or("none").to_string()
    };
    let held_out = (0..40).map(|i| format!("s:{i}")).find(|id| split(id) == "validation").unwrap();
    let trained = (1..40).map(|i| format!("s:{i}")).find(|id| split(id) == "train").unwrap();
    let cases = [
        ("s:nope".to_string(), "called"),
        ("s:copy".into(), "copy of `0`"),
        (held_out, "validation document"),
    ];
    each(&cases, |(id, reason)| {
        let set = format!("base.withheld=[\"{id}\"]");
        project.run(&["run", "recipe.toml", "--set", &set]).refused(&[id, reason, "withh"]);
    });
    let set = format!("base.withheld=[\"{trained}\"]");
    project.run(&["run", "recipe.toml", "--set", &set]).fine();
    let duplicates =
        ["run", "recipe.toml", "--set", "base.withheld=[\"s:copy\"]", "--set", "base.with_duplicates=true"];
    if split("s:0") == "train" {
        project.run(&duplicates).fine();
    } else {
        project.run(&duplicates).refused(&["s:copy", "validation document"]);
    }
}
