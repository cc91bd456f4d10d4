//! What single steps on folders say of files that they cannot read, of options that make no sense, and of what is not there.

use serde_json::Value;

use crate::common::{Done, Project, files};
use crate::folders::tagged;

const LATIN: &[u8] = b"{\"id\":\"a\",\"text\":\"caf\xe9\"}\n";

fn tag(project: &Project, file: &str, more: &[&str]) -> Done {
    project.run(&[&["corpus", "tag", file, "--taggers", "length", "--to", "out"], more].concat())
}

#[test]
fn text_that_is_no_unicode_is_replaced_where_that_is_wanted() {
    let project = Project::empty();
    let rows = [
        LATIN,
        b"{\"id\":\"b\",\"text\":\"x \\ud83d y, \\ud83d\\ude00\",\"z\":\"\\udc00\"}\n",
        b"{\"id\":\"c\",\"text\":\"a \\\\ud83d\"}\n",
    ];
    project.write("w/documents/a.jsonl", rows.concat());
    project.write("w/documents/b.csv", b"id,text\nd,na\xefve\n".as_slice());
    let run = |args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        let told = project.run(&args).refused(&["a.jsonl", "--invalid-utf8 replace"]);
        assert!(told.stdout.is_empty());
        project.run(&[&args[..], &["--invalid-utf8", "replace"]].concat()).fine()
    };
    run("corpus tag w --taggers length --experiment x");
    run("corpus dedup w --by document --name dup");
    let counted = run("corpus stats w --json").json();
    assert_eq!(counted["read"]["documents"], 4, "{counted}");
    // As Python counts them: 4, 8, 8 and 5.
    let of = |number: &&Value| number["name"] == "x__length__characters";
    let numbers = counted["numbers"].as_array().unwrap();
    assert_eq!(numbers.iter().find(of).unwrap()["mean"], 6.25);
    run("corpus mix w --attributes x,dup --pack none --to mixed");
    let mixed = project.root().join("mixed/documents");
    let names = files(&mixed).into_iter().filter(|name| name.ends_with(".jsonl"));
    let lines: String = names.map(|name| std::fs::read_to_string(mixed.join(name)).unwrap()).collect();
    let text = |line| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_string();
    let texts: Vec<String> = lines.lines().map(text).collect();
    assert_eq!(texts, ["caf\u{fffd}", "x \u{fffd} y, 😀", "a \\ud83d", "na\u{fffd}ve"]);
    run("corpus sample w --documents 9 --to s.jsonl");
    let mut sampled: Vec<String> = project.read("s.jsonl").lines().map(text).collect();
    let mut all = texts;
    sampled.sort();
    all.sort();
    assert_eq!(sampled, all);
}

#[test]
fn errors_of_steps_name_options_and_no_fields_of_recipes() {
    let project = Project::empty();
    project.write("latin.jsonl", LATIN);
    project.write("half.jsonl", "{\"id\":\"a\",\"text\":\"x \\ud83d y\"}\n");
    project.write("other.jsonl", "{\"id\":\"a\",\"body\":\"x\"}\n");
    project.write("nameless.jsonl", "{\"text\":\"x\"}\n");
    project.write("table.csv", "id,body\na,x\n");
    project.write("table.parquet", "{\"id\":\"a\"}\n");
    for (file, hint) in [
        ("latin.jsonl", "hint: convert the file to UTF-8"),
        ("half.jsonl", "hint: a text may not hold half"),
        ("other.jsonl", "--text-field"),
        ("nameless.jsonl", "--id-field"),
        ("table.csv", "body; name one with --text-field"),
        ("table.parquet", "hint: let its name say"),
    ] {
        let told = tag(&project, file, &[]).refused(&[file, hint]).stderr;
        for word in ["invalid_", "missing_text", "format =", "stage", "source"] {
            assert!(!told.contains(word), "{word}: {told}");
        }
    }
    let sample = ["corpus", "sample", "latin.jsonl", "--fraction", "1", "--to", "some.jsonl"];
    let told = project.run(&sample).refused(&["latin.jsonl", "UTF-8"]).stderr;
    assert!(!told.contains("invalid_utf8"), "{told}");
    tag(&project, "table.csv", &["--text-field", "body"]).fine();
    // A recipe has the fields.
    project.write("r.toml", "[c]\nkind = \"corpus\"\nsources = [{ name = \"a\", path = \"latin.jsonl\" }]\n");
    project.run(&["corpus", "build", "r.toml"]).refused(&["invalid_utf8"]);
}

#[test]
fn files_that_are_no_rows_are_named_before_any_work() {
    let project = Project::empty();
    project.write("web/documents/a.jsonl", "{\"id\":\"a\",\"text\":\"one two three four five\"}\n");
    project.write("web/documents/more/b.PDF", "%PDF-1.7");
    project.write("items.docx", "PK");
    let parts =
        ["`web/documents/more/b.PDF`: there is no reader for .PDF", "hint: JSON lines", "Parquet", "convert"];
    tag(&project, "web", &[]).refused(&parts);
    tag(&project, "web/documents/*/*.PDF", &[]).refused(&parts);
    project.run(&["corpus", "mix", "web", "--to", "mixed"]).refused(&parts);
    project.run(&["corpus", "stats", "web"]).refused(&parts);
    assert!(!project.path("out").exists() && !project.path("mixed").exists());
    let against = [
        "corpus",
        "decontaminate",
        "web/documents/*.jsonl",
        "--against",
        "items.docx",
        "--report",
        "r.jsonl",
    ];
    project.run(&against).refused(&["`items.docx`: there is no reader for .docx"]);
    tag(&project, "web/documents/*.jsonl", &[]).fine();
    // Of other ends of names nothing is known.
    project.write("rows.of-mine", "{\"id\":\"a\",\"text\":\"x\"}\n");
    tag(&project, "rows.of-mine", &[]).fine();
}

#[test]
fn files_that_are_empty_or_not_packed_are_told_as_what_they_are() {
    let project = Project::empty();
    project.write("e.parquet", "");
    project.write("short.jsonl.gz", "hi");
    project.write("long.jsonl.gz", "{\"id\":\"a\",\"text\":\"x\"}\n".repeat(9));
    project.write("cut.jsonl.gz", [0x1f]);
    project.write("short.jsonl.zst", "hi");
    for (file, told) in [
        ("e.parquet", "`e.parquet` is no Parquet file: it is empty"),
        ("short.jsonl.gz", "it is not gzip: it begins with `hi`"),
        ("long.jsonl.gz", "it is not gzip: it begins with `{\\\"id`"),
        ("cut.jsonl.gz", "is cut off"),
        ("short.jsonl.zst", "it is not zstd: it begins with `hi`"),
    ] {
        tag(&project, file, &[]).refused(&[file, told]);
        project.write(
            "r.toml",
            format!("[c]\nkind = \"corpus\"\nsources = [{{ name = \"a\", path = \"{file}\" }}]\n"),
        );
        // A recipe says of which source a file is empty.
        let told = if file == "e.parquet" { "`e.parquet` of source `a` is empty" } else { told };
        project.run(&["corpus", "build", "r.toml"]).refused(&[file, told]);
    }
}

#[test]
fn missing_files_of_taggers_are_told_with_the_field() {
    let project = Project::empty();
    project.write("web/documents/a.jsonl", "{\"id\":\"a\",\"text\":\"one two\"}\n");
    project.write("text.model", "not a model");
    let perplexity = |param: &str| {
        let taggers = ["corpus", "tag", "web", "--taggers", "perplexity", "--experiment", "p", "--param"];
        project.run(&[&taggers[..], &[&format!("perplexity.{param}")]].concat())
    };
    let start = "relative paths start at the current folder";
    perplexity("model=none.arpa").refused(&["tagger `perplexity`, field `model`", "none.arpa", start]);
    perplexity("sentencepiece=none.model").refused(&["field `sentencepiece`", "none.model", start]);
    let told = perplexity("sentencepiece=text.model").refused(&["text.model", "SentencePiece"]);
    assert!(!told.stderr.contains("ARPA"), "{}", told.stderr);
    // In a recipe they start elsewhere.
    let source = "{ name = \"web\", path = \"web/documents\", format = \"dolma\" }";
    let tagger = "tag = [{ tagger = \"perplexity\", model = \"none.arpa\" }]\n";
    project.write("p.toml", format!("[c]\nkind = \"corpus\"\nsources = [{source}]\n{tagger}"));
    project.run(&["corpus", "build", "p.toml"]).refused(&["none.arpa", "project root"]);
}

#[test]
fn too_few_threads_and_too_little_memory_are_refused() {
    let project = Project::empty();
    project.write("a.jsonl", "{\"id\":\"a\",\"text\":\"x\"}\n");
    tag(&project, "a.jsonl", &["--threads", "0"]).refused(&["--threads 0", "from 1 to", "all cores"]);
    let least = "at least 1048576 bytes";
    tag(&project, "a.jsonl", &["--memory", "1KB"]).refused(&["--memory", "1KB", least]);
    tag(&project, "a.jsonl", &["--memory", "1048576", "--threads", "1"]).fine();
    project.run(&["corpus", "ngrams", "c", "-n", "2", "--memory", "1"]).refused(&["--memory", least]);
    for memory in ["\"1KB\"", "5"] {
        project.write("mix.toml", format!("to = \"m\"\nmemory = {memory}\nsources = []\n"));
        project.run(&["corpus", "mix", "--config", "mix.toml"]).refused(&[
            "`memory`",
            memory.trim_matches('"'),
            least,
        ]);
    }
    // Sizes of other things may be small.
    project.run(&["corpus", "sample", "a.jsonl", "--bytes", "1", "--to", "some.jsonl"]).fine();
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let project = tagged();
    let source = "{ name = \"web\", path = \"web/documents\", format = \"dolma\", licence = \"MIT\" }";
    project.write(
        "c.toml",
        format!("[c]\nkind = \"corpus\"\nsources = [{source}]\nfilter = {{ quality = \"none\" }}\n"),
    );
    project.run(&["corpus", "build", "c.toml"]).fine();
    let inspect = ["corpus", "inspect", "c", "--where", "metadata.nope == 1"];
    project.run(&inspect).refused(&[
        "`metadata.nope`",
        "hint: of the metadata it holds url;",
        "add \"nope\"",
    ]);
    for command in [
        &["stats", "./nofolder"][..],
        &["inspect", "./nofolder"],
        &["export", "./nofolder", "out", "--format", "card"],
    ] {
        let told = project.run(&[&["corpus"], command].concat());
        told.refused(&["the folder `./nofolder` does not exist", "starts at the current folder"]);
    }
}

#[test]
fn an_export_does_not_depend_on_how_a_path_is_spelled() {
    let project = tagged();
    let whole = project.path("web/attributes/rules").display().to_string();
    let export = |attributes: &str, out: &str| {
        let formats = ["--format", "parquet,card", "--attributes", attributes, "--name", "web"];
        project.run(&[&["corpus", "export", "web", out], &formats[..]].concat()).fine();
        let names = files(&project.path(out)).into_iter().filter(|name| !name.starts_with(".regimen-notes"));
        names.map(|name| (std::fs::read(project.path(out).join(&name)).unwrap(), name)).collect::<Vec<_>>()
    };
    let first = export("./web/attributes/rules", "a");
    let again = ["web/attributes/rules/", "web/documents/../attributes/rules", &whole];
    for (attributes, out) in again.iter().zip(["b", "c", "d"]) {
        assert!(export(attributes, out) == first, "{attributes}");
    }
    // What lies below the current folder is named from there.
    let card = project.read("a/croissant.json");
    assert!(card.contains("`./web/attributes/rules`") && !card.contains(project.root().to_str().unwrap()));
    let key = |out: &str| {
        let card = project.read(&format!("{out}/README.md"));
        card.split("key `").nth(1).unwrap().split('`').next().unwrap().to_string()
    };
    // The experiment by its name is the same data; another one is not.
    export("rules", "e");
    export("./web/attributes/dup", "f");
    assert!(key("e") == key("a") && key("f") != key("a"));
}

#[test]
fn json_commands_no_terminal() {
    let project = Project::empty();
    let text = "a\u{9b}31m\u{202e}b\u{7f}\u{2066}c\u{85}";
    project
        .write("a.jsonl", format!("{}\n", serde_json::json!({"id": "x\u{202e}", "text": text, "url": text})));
    let source = "{ name = \"a\", path = \"a.jsonl\", licence = \"MIT\" }";
    let rest = "filter = { quality = \"none\" }\nvalidation = 0.0\nmetadata = [\"*\"]\n";
    project.write("c.toml", format!("[c]\nkind = \"corpus\"\nsources = [{source}]\n{rest}"));
    project.run(&["corpus", "build", "c.toml"]).fine();
    let inspect = project.run(&["corpus", "inspect", "c", "--json"]).fine();
    let search = project.run(&["corpus", "search", "c", "31m", "--json"]).fine();
    for done in [&inspect, &search] {
        let bad = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c));
        assert!(!done.stdout.chars().any(bad), "{:?}", done.stdout);
        assert!(done.stdout.contains("\\u009b") && done.stdout.contains("\\u202e"), "{}", done.stdout);
    }
    let document = &inspect.json()["documents"][0];
    assert_eq!(document["source_text"], Value::from(text));
    assert_eq!(document["metadata"]["url"], Value::from(text));
}
