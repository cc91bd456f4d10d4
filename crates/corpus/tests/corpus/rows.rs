//! Rows that cannot be read, and what a build makes of them.

use regimen_corpus::Corpus;
use regimen_corpus::inspect::{Originals, stats};
use serde_json::json;

use crate::common::{build, fault, gzip, plain, project, stage, texts};

const DROP: &str = "invalid_row = \"drop\"";

/// Lines that are no JSON objects, each in another way.
const BROKEN: [&str; 9] = [
    "{\"id\":\"x\",\"text\":\"cut",
    "{\"text\":\"a\\qb\"}",
    "{\"text\":\"a\tb\"}",
    "[\"text\"]",
    "{\"text\":\"a\"} {}",
    "{\"text\":\"a\",}",
    "{\"text\":\"a\",\"id\":1e999}",
    "\"a text\"",
    "\u{0}\u{0}\u{0}",
];

fn reasons(corpus: &Corpus) -> Vec<&str> {
    let of = |ordinal| corpus.row(ordinal).dropped.map_or("kept", |reason| corpus.reason_name(reason));
    (0..corpus.len() as u32).map(of).collect()
}

#[test]
fn a_line_that_is_no_object_is_an_error_or_a_document_that_is_dropped() {
    for broken in BROKEN {
        let rows = format!("{{\"text\":\"one\"}}\n\n{broken}\n{{\"text\":\"two\"}}\n");
        let files: &[(&str, &[u8])] = &[("a.jsonl", rows.as_bytes())];
        let (message, hint) = fault(files, &plain("a.jsonl", ""));
        assert!(message.starts_with("`a.jsonl`, line 3, column "), "{message}");
        assert!(hint.contains("JSON object") && hint.contains("invalid_row = \"drop\""), "{hint}");

        let dir = project(files);
        let corpus = build(dir.path(), &plain("a.jsonl", DROP));
        assert_eq!(texts(&corpus), ["one", "two"], "{broken}");
        assert_eq!(reasons(&corpus), ["kept", "invalid_row", "kept"]);
        let ids: Vec<&str> = (0..3).map(|ordinal| corpus.id(ordinal)).collect();
        assert_eq!(ids, ["a.jsonl:1", "a.jsonl:3", "a.jsonl:4"]);
        let row = corpus.row(1);
        assert_eq!((row.bytes, row.line, corpus.place(1).to_string().as_str()), (0, 3, "`a.jsonl`, line 3"));
        assert_eq!(corpus.reason_text(row.dropped.unwrap()), "row that cannot be read");
        let funnel = corpus.funnel().unwrap();
        let steps: Vec<_> = funnel.steps.iter().map(|s| (s.step.as_str(), s.left.documents)).collect();
        assert_eq!(steps, [("read", 3), ("invalid_row", 2)]);
        assert_eq!(stats(&corpus, 10).unwrap().reasons["invalid_row"].documents, 1);
    }
}

#[test]
fn a_row_of_a_table_with_other_fields_than_the_header_is_an_error_or_dropped() {
    let table = "id,text\r\na,one\r\nb\r\nc,\"two\nlines\",\r\n\r\nd,three\r\n,";
    for (name, table) in [("t.csv", table.to_string()), ("t.tsv", table.replace(',', "\t"))] {
        let packed = format!("{name}.gz");
        let (message, hint) = fault(&[(name, table.as_bytes())], &plain(name, ""));
        assert_eq!(message, format!("`{name}`, byte 16: CSV row 2: 1 field, but the header has 2"));
        assert!(hint.contains("as many fields") && hint.contains("invalid_row = \"drop\""), "{hint}");
        let dir = project(&[(&packed, &gzip(table.as_bytes()))]);
        let corpus = build(dir.path(), &plain(&packed, DROP));
        assert_eq!(texts(&corpus), ["one", "three"]);
        assert_eq!(reasons(&corpus), ["kept", "invalid_row", "invalid_row", "kept", "empty"]);
        assert_eq!(corpus.id(2), format!("{packed}:3"));
        assert_eq!(corpus.place(2).to_string(), format!("`{packed}`, row 3"));
    }
    // Where a row ends cannot be told, and which columns there are.
    for table in ["id,text\na,\"b\nc,d\n", "id,text\na,\"b\"c\n", "id,body\na,b\n"] {
        let (message, hint) = fault(&[("t.csv", table.as_bytes())], &plain("t.csv", DROP));
        assert!(message.starts_with("`t.csv`") && !hint.contains("invalid_row"), "{message} {hint}");
    }
}

#[test]
fn rows_that_can_be_read_keep_their_policies() {
    let of = |row: &[u8], source: &str| {
        let config = format!("sources = [{{ name = \"s\", path = \"a.jsonl\"{source} }}]\n{DROP}");
        let (message, hint) = fault(&[("a.jsonl", row)], &config);
        assert!(message.contains("`a.jsonl`, line 1") && !hint.contains("invalid_row"), "{message} {hint}");
        message
    };
    assert!(of(b"{\"text\":5}", "").contains("`text` must be a text"));
    assert!(of(b"{\"text\":\"a\",\"id\":[1]}", "").contains("`id` must be"));
    assert!(of(b"{\"text\":\"a\",\"author_kind\":\"robot\"}", "").contains("author_kind"));
    assert!(of(b"{\"text\":\"a\",\"license\":\"free!\"}", "").contains("SPDX"));
    assert!(of(b"{\"text\":\"a\",\"metadata\":3}", "").contains("`metadata`"));
    assert!(of(b"{\"body\":\"a\"}", "").contains("no text field"));
    assert!(of(b"{\"text\":\"a\"}", ", format = \"dolma\"").contains("no field `id`"));
    assert!(of(b"{\"text\":\"a\xff\"}", "").contains("UTF-8"));
    assert!(of(b"{\"text\":\"\\ud83d\"}", "").contains("hex escape"));
    // Deep values that nobody asks for are no fault.
    let deep = format!("{{\"x\":{}{},\"text\":\"a\"}}\n", "[".repeat(5000), "]".repeat(5000));
    let dir = project(&[("a.jsonl", deep.as_bytes())]);
    assert_eq!(texts(&build(dir.path(), &plain("a.jsonl", ""))), ["a"]);
}

#[test]
fn text_that_is_not_utf8_is_judged_first() {
    // With a mark of the byte order, which is no part of the first row.
    let rows = b"\xef\xbb\xbf{\"text\":\"one\"}\n{\"text\":\"b\xff\"}\n{\"text\":\"\xff\n{\"text\":\"\\ud83d\"}\n{\"text\":\"\\ud83d\n";
    let files: &[(&str, &[u8])] = &[("a.jsonl", rows)];
    assert!(fault(files, &plain("a.jsonl", DROP)).0.contains("`a.jsonl`, line 2: invalid UTF-8 at byte 10"));
    let dir = project(files);
    for (policy, second, kept) in
        [("drop", "invalid_utf8", vec!["one"]), ("replace", "kept", vec!["one", "b\u{fffd}", "\u{fffd}"])]
    {
        let corpus = build(dir.path(), &plain("a.jsonl", &format!("{DROP}\ninvalid_utf8 = \"{policy}\"")));
        assert_eq!(reasons(&corpus), ["kept", second, "invalid_row", second, "invalid_row"]);
        assert_eq!(texts(&corpus), kept);
    }
    let dir = project(&[("t.csv", b"id,text\na\xff\nb,c\xff\nd,e\n")]);
    let corpus = build(dir.path(), &plain("t.csv", &format!("{DROP}\ninvalid_utf8 = \"drop\"")));
    assert_eq!(reasons(&corpus), ["invalid_row", "invalid_utf8", "kept"]);
}

#[test]
fn all_other_reasons_are_what_they_were_and_nothing_changes_for_who_drops_no_rows() {
    let rows = "{\"id\":1,\"text\":\"a few words here\"}\n{\"id\":2,\"text\":\"short\"}\n{\"id\":3}\n\
                {\"id\":4,\"text\":\"\"}\n{\"id\":5,\"text\":\"the words of a rule\"}\n{\"id\":6,\"text\":\"a few words here\"}\n";
    let code: [(&str, &[u8]); 3] =
        [("c/a.rs", b"fn main() { let words = 1; }"), ("c/b.xyz", b"?"), ("c/z.c", b"\0")];
    let config = |more: &str| {
        format!(
            "sources = [{{ name = \"s\", path = \"a.jsonl\" }}, {{ name = \"c\", path = \"c\", format = \"code\" }}]\n\
             filter = {{ min_words = 3, min_stop_words = 0, min_mean_word_length = 0, min_alphabetic_share = 0 }}\n\
             validation = 0\nmissing_text = \"drop\"\n\
             tag = [{{ tagger = \"length\" }}]\ndrop = [\"length.words == 5\"]\n{more}"
        )
    };
    let made = |rows: &str, more: &str| {
        let dir = project(&[("a.jsonl", rows.as_bytes()), code[0], code[1], code[2]]);
        let artifact = stage(dir.path(), &config(more)).unwrap();
        let corpus = Corpus::open(&artifact).unwrap();
        let reasons: Vec<String> = reasons(&corpus).into_iter().map(Into::into).collect();
        (artifact.manifest.payload, artifact.key(), reasons)
    };
    let before = made(rows, "");
    let expected =
        ["kept", "min_words", "missing_text", "empty", "drop_1", "duplicate", "kept", "no_code", "binary"];
    assert_eq!(before.2, expected);
    assert!(made(rows, "invalid_row = \"error\"") == before);
    let dropping = made(rows, DROP);
    assert_eq!(dropping.2, expected);
    assert!(dropping.1 != before.1);
    let broken = format!("{rows}{{\"id\"\n");
    let mut all: Vec<&str> = expected.to_vec();
    all.insert(6, "invalid_row");
    assert_eq!(made(&broken, DROP).2, all);
}

#[test]
fn rows_of_attribute_files_stay_in_step() {
    let (mut documents, mut attributes) = (String::new(), String::new());
    for i in 0..6000 {
        let text = format!("né {}", "wort ".repeat(i % 100));
        let row = json!({"id": i, "text": text}).to_string();
        // The first of all and the last, too.
        let row = if i % 7 == 0 || i == 5999 { &row[..row.len() - 2] } else { &row };
        documents.push_str(&format!("{row}\n"));
        let id = if i % 14 == 0 { json!("another") } else { json!(i) };
        let row =
            json!({"id": id, "attributes": {"n": [[0, text.chars().count(), i]], "odd": [[9999, 1, 1]]}});
        attributes.push_str(&format!("{row}\n"));
    }
    let files: [(&str, &[u8]); 2] =
        [("c/documents/a.jsonl", documents.as_bytes()), ("c/attributes/x/a.jsonl", attributes.as_bytes())];
    let config = |more: &str| {
        format!(
            "sources = [{{ name = \"s\", path = \"c\", format = \"dolma\", attributes = \"c/attributes/x\", \
             attribute_values = [\"n\"] }}]\nfilter = {{ quality = \"none\" }}\ndedup = \"none\"\n\
             drop = [\"attributes.n > 5000\"]\n{more}"
        )
    };
    let mut payloads = Vec::new();
    for threads in [1, 3] {
        let dir = project(&files);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let artifact = pool.install(|| stage(dir.path(), &config(DROP)).unwrap());
        let corpus = Corpus::open(&artifact).unwrap();
        for (i, reason) in (0..).zip(reasons(&corpus)) {
            let expected = match i {
                _ if i % 7 == 0 || i == 5999 => "invalid_row",
                _ if i > 5000 => "drop_1",
                _ => "kept",
            };
            assert_eq!(reason, expected, "{i}");
            let tags = corpus.tags(i).unwrap();
            let value = tags.first().map(|tag| tag.spans[0].score);
            assert_eq!(value, (expected != "invalid_row").then_some(f64::from(i)));
        }
        payloads.push(artifact.manifest.payload);
    }
    assert_eq!(payloads[0], payloads[1]);
    // One row less, and a document that can be read beside another's.
    let lines: Vec<&str> = attributes.lines().collect();
    let fewer: String = lines[1..].iter().map(|line| format!("{line}\n")).collect();
    let (message, _) = fault(&[files[0], (files[1].0, fewer.as_bytes())], &config(DROP));
    assert!(message.contains("`c/attributes/x/a.jsonl`, line 2: field `id` is `2`"), "{message}");
}

#[test]
fn texts_are_read_again_beside_rows_that_cannot_be() {
    let rows = format!("{{\"text\":\"a few words here\"}}\n{}\n{{\"text\":\"short\"}}\n", BROKEN.join("\n"));
    let dir = project(&[("a.jsonl", rows.as_bytes())]);
    let config = format!(
        "sources = [{{ name = \"s\", path = \"a.jsonl\" }}]\nfilter = {{ quality = \"none\" }}\n\
         drop = [\"bytes < 9\"]\n{DROP}"
    );
    let artifact = stage(dir.path(), &config).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    assert_eq!(reasons(&corpus).last(), Some(&"drop_1"));
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let wanted: Vec<u32> = (0..corpus.len() as u32).collect();
    let mut expected = vec![Ok(String::new()); BROKEN.len() + 2];
    (expected[0], expected[BROKEN.len() + 1]) = (Ok("a few words here".into()), Ok("short".into()));
    assert_eq!(originals.texts(&corpus, &wanted).unwrap(), expected);
    // A row that is whole now is another one than that which was dropped.
    std::fs::write(dir.path().join("a.jsonl"), rows.replace("[\"text\"]", "{\"text\":\"more\"}")).unwrap();
    let now = originals.texts(&corpus, &wanted).unwrap();
    assert!(now[4].as_ref().unwrap_err().contains("has changed since, at line or block 5"), "{now:?}");
}

#[test]
fn a_file_of_nothing_else_says_what_to_do() {
    let (message, hint) = fault(&[("a.jsonl", b"plain text\nand more\n")], &plain("a.jsonl", DROP));
    assert!(
        message.contains("invalid_row (row that cannot be read): 2 dropped, 0 documents left"),
        "{message}"
    );
    assert!(hint.contains("`format`"), "{hint}");
}
