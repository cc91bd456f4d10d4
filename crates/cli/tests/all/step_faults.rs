//! What single steps on folders say of files that they cannot read, of options that make no sense, and of what is not there.

use crate::common::{Done, Project};

const LATIN: &[u8] = b"{\"id\":\"a\",\"text\":\"caf\xe9\"}\n";

fn tag(project: &Project, file: &str, more: &[&str]) -> Done {
    project.run(&[&["corpus", "tag", file, "--taggers", "length", "--to", "out"], more].concat())
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
