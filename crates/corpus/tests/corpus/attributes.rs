//! Dolma attribute files as attributes of documents: what rules and edits see of them, and what is refused.

use regimen_corpus::Corpus;
use regimen_corpus::inspect::{Filter, Originals, Task, matching};
use serde_json::json;

use crate::common::{build, fault, gzip, project, stage, texts, zstd};

const TEXTS: [&str; 4] = ["né: mail me@x.org now", "plain words", "zwé zwé zwé", "the fourth, ünd last"];

fn documents() -> String {
    (0..4).map(|i| format!("{}\n", json!({"id": format!("d{i}"), "text": TEXTS[i]}))).collect()
}

fn points(i: usize) -> usize {
    TEXTS[i].chars().count()
}

/// Rows as Dolma's taggers write them: a number of the whole text, and spans in code points.
fn attributes() -> String {
    let row = |i: usize| {
        let mails = if i == 0 { json!([[9, 17, 1.0]]) } else { json!([]) };
        format!(
            "{}\n",
            json!({"id": format!("d{i}"), "source": "s", "attributes": {
                "x__length__words": [[0, points(i), 10.0 * i as f64]], "x__pii__mail": mails}})
        )
    };
    (0..4).map(row).collect()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("c/documents/en/a.jsonl", documents().into_bytes()),
        ("c/attributes/x/en/a.jsonl", attributes().into_bytes()),
    ]
}

fn config(source: &str, more: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", path = \"c/documents\", format = \"dolma\", {source} }}]\n\
         filter = {{ quality = \"none\" }}\nvalidation = 0\ndedup = \"none\"\n{more}\n"
    )
}

const ALL: &str = "attributes = \"c/attributes\"";

fn with(files: &[(&'static str, Vec<u8>)]) -> tempfile::TempDir {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (*path, &content[..])).collect();
    project(&files)
}

/// Build with other attributes for `en/a.jsonl`.
fn refused(attributes: &str, source: &str, more: &str) -> (String, String) {
    let documents = documents();
    let files: [(&str, &[u8]); 2] = [
        ("c/documents/en/a.jsonl", documents.as_bytes()),
        ("c/attributes/x/en/a.jsonl", attributes.as_bytes()),
    ];
    fault(&files, &config(source, more))
}

#[test]
fn rules_and_edits_see_them_and_the_corpus_keeps_them_in_bytes() {
    let dir = with(&files());
    let more = "drop = [\"attributes.x__length__words >= 20 and attributes.x__length__words < 30\"]\n\
                edit = [{ spans = \"attributes.x__pii__mail\", replace = \"|||M|||\" }]";
    let artifact = stage(dir.path(), &config(ALL, more)).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    assert_eq!(texts(&corpus), ["né: mail |||M||| now", "plain words", "the fourth, ünd last"]);
    assert_eq!(corpus.reason_name(corpus.row(2).dropped.unwrap()), "drop_1");
    let tags = corpus.tags(0).unwrap();
    let of = |name: &str| tags.iter().find(|tag| tag.attribute.name == name).unwrap();
    assert_eq!(of("x__length__words").attribute.tagger, "attributes");
    assert_eq!(of("x__length__words").spans[0].score, 0.0);
    // The é before it has two bytes.
    assert_eq!((of("x__pii__mail").spans[0].start, of("x__pii__mail").spans[0].end), (10, 18));
    assert_eq!(&TEXTS[0][10..18], "me@x.org");
    // They can be asked for when the corpus is looked into.
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let expression =
        Some("attributes.x__length__words > 15 and covered(attributes.x__pii__mail) == 0".to_string());
    let (found, absent) =
        matching(&corpus, &originals, &Filter { expression, ..Filter::default() }, &Task::default()).unwrap();
    assert_eq!((found, absent), (vec![2, 3], vec![]));
}

#[test]
fn they_stand_beside_those_of_taggers_in_any_packing_and_over_many_chunks() {
    // More than a chunk of documents, their attributes in two experiments, packed otherwise than the documents.
    let count = 6000;
    let documents: String = (0..count)
        .map(|i| {
            format!(
                "{}{}\n",
                if i % 9 == 0 { "\n" } else { "" },
                json!({"id": i, "text": format!("é{i} {}", "wort ".repeat(i % 120))})
            )
        })
        .collect();
    let row = |name: &str, i: usize| {
        format!("{}\n", json!({"id": i, "attributes": {name: [[0, 1, i as f64], [1, 2, 1.0]]}}))
    };
    let one: String = (0..count).map(|i| row("one", i)).collect();
    let two: String = (0..count).map(|i| row("two", i)).collect();
    let source = "attributes = \"c/attributes/*/*\"";
    let more = "tag = [{ tagger = \"length\" }]\n\
                drop = [\"max(attributes.one) != min(attributes.two) + max(attributes.one) - 1\", \"length.bytes > 500\"]";
    let mut payloads = Vec::new();
    for threads in [1, 3] {
        let dir = with(&[
            ("c/documents/a.jsonl.gz", gzip(documents.as_bytes())),
            ("c/attributes/e1/a.jsonl.zst", zstd(one.as_bytes())),
            ("c/attributes/e2/a.jsonl", two.clone().into_bytes()),
        ]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let artifact = pool.install(|| stage(dir.path(), &config(source, more)).unwrap());
        let corpus = Corpus::open(&artifact).unwrap();
        assert_eq!(corpus.len(), count);
        for ordinal in (0..count as u32).step_by(501) {
            let tags = corpus.tags(ordinal).unwrap();
            let one = tags.iter().find(|tag| tag.attribute.name == "one").unwrap();
            assert_eq!((one.spans[0].score, one.spans[0].end), (f64::from(ordinal), 2), "{ordinal}");
            assert_eq!(corpus.id(ordinal), ordinal.to_string());
        }
        // `drop_1` holds where the greater number of the one is not that of the other, which has a 1 beside it.
        assert!(corpus.row(0).dropped.is_some() && corpus.row(1).dropped.is_none());
        payloads.push(artifact.manifest.payload);
    }
    assert_eq!(payloads[0], payloads[1]);
}

#[test]
fn names_are_checked_before_a_document_is_read() {
    // Names that the config gives: at once.
    let given =
        format!("{ALL}, attribute_values = [\"x__length__words\"], attribute_spans = [\"x__pii__mail\"]");
    let (message, hint) = refused(&attributes(), &given, "drop = [\"attributes.x__length__word > 3\"]");
    assert!(message.contains("no attribute `attributes.x__length__word`"), "{message}");
    assert!(format!("{message} {hint}").contains("x__length__words"), "{message} {hint}");
    let (message, _) = refused(&attributes(), &given, "drop = [\"attributes.x__pii__mail > 3\"]");
    assert!(message.contains("gives spans, not a number"), "{message}");
    // Names that stand in the files: when the run begins, even if the documents are no documents.
    let files: [(&str, &[u8]); 2] =
        [("c/documents/a.jsonl", b"no row\n"), ("c/attributes/x/a.jsonl", attributes().leak().as_bytes())];
    let (message, hint) = fault(&files, &config(ALL, "drop = [\"count(attributes.x__pii__mial) > 0\"]"));
    assert!(
        message.contains("no attribute `attributes.x__pii__mial`") && hint.contains("x__pii__mail"),
        "{message} {hint}"
    );
    let (message, hint) = refused(&attributes(), ALL, "edit = [{ spans = \"attributes.x__length__words\" }]");
    assert!(message.contains("one number") && hint.contains("attribute_spans"), "{message} {hint}");
}

/// Documents whose attribute `late` stands behind the first megabyte alone: as `value` of a text of four letters.
fn late(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let row = |i: usize| match i {
        59_000.. => format!("{{\"id\":{i},\"attributes\":{{\"late\":{value}}}}}\n"),
        _ => format!("{{\"id\":{i},\"attributes\":{{\"early\":[[0,1,1.0]]}}}}\n"),
    };
    let documents: String = (0..60_000).map(|i| format!("{}\n", json!({"id": i, "text": "text"}))).collect();
    vec![
        ("c/documents/a.jsonl", documents.into_bytes()),
        ("c/attributes/x/a.jsonl.gz", gzip((0..60_000).map(row).collect::<String>().as_bytes())),
    ]
}

#[test]
fn names_that_come_later_than_the_first_rows_count_where_they_are_named() {
    let dir = with(&late("[[0,4,1.0]]"));
    let kept = |source: &str, more: &str| build(dir.path(), &config(source, more)).kept().count();
    assert_eq!(kept(ALL, ""), 60_000);
    // What is not there makes no comparison true, and no mark.
    assert_eq!(kept(ALL, "drop = [\"attributes.late > 0\"]"), 59_000);
    assert_eq!(kept(ALL, "drop = [\"not attributes.late > 0\"]"), 1000);
    let given = format!("{ALL}, attribute_spans = [\"early\"]");
    assert_eq!(kept(&given, "drop = [\"count(attributes.early) == 0\"]"), 59_000);
    let failure = stage(dir.path(), &config(ALL, "drop = [\"attributes.later > 0\"]")).unwrap_err();
    assert!(failure.to_string().contains("no attribute `attributes.later`"), "{failure}");
    // Spans that come late are spans.
    let dir = with(&late("[[1,2,1.0]]"));
    let corpus = build(dir.path(), &config(ALL, "edit = [{ spans = \"attributes.late\" }]"));
    let texts = texts(&corpus);
    assert_eq!((texts[58_999], texts[59_000]), ("text", "txt"));
}

#[test]
fn what_one_source_has_says_nothing_of_another() {
    let mut all = late("[[1,2,1.0]]");
    all.push(("d/documents/a.jsonl", documents().into_bytes()));
    let row = |i: usize| json!({"id": format!("d{i}"), "attributes": {"late": [[0, points(i), 1.0]]}});
    all.push((
        "d/attributes/x/a.jsonl",
        (0..4).map(|i| format!("{}\n", row(i))).collect::<String>().into_bytes(),
    ));
    let dir = with(&all);
    let both = |more: &str| {
        let sources = "sources = [{ name = \"c\", path = \"c/documents\", format = \"dolma\", attributes = \"c/attributes\" }, \
            { name = \"d\", path = \"d/documents\", format = \"dolma\", attributes = \"d/attributes\" }]";
        format!("{sources}\nfilter = {{ quality = \"none\" }}\nvalidation = 0\ndedup = \"none\"\n{more}\n")
    };
    // A number of the whole text in the first rows of the one, spans in late rows of the other.
    let dropped = both("drop = [\"count(attributes.late) == 1 and covered(attributes.late) < 0.5\"]");
    assert_eq!(build(dir.path(), &dropped).kept().count(), 60_004 - 1000);
    // Where nothing names it, it is passed over there and read here.
    assert_eq!(build(dir.path(), &both("")).kept().count(), 60_004);
}

#[test]
fn rows_that_do_not_fit_are_errors_with_file_line_and_field() {
    let at = |line: usize| format!("`c/attributes/x/en/a.jsonl`, line {line}: ");
    let lines = attributes();
    let lines: Vec<&str> = lines.lines().collect();
    let of = |lines: &[&str]| refused(&format!("{}\n", lines.join("\n")), ALL, "");
    // Rows that are missing at the end, in the middle, and rows too many.
    let (message, hint) = of(&lines[..3]);
    let missing =
        "the file ends, and the row for the document in `c/documents/en/a.jsonl`, line 4 is missing";
    assert_eq!(message, format!("{}{missing}", at(4)));
    assert!(hint.contains("one row for each document"), "{hint}");
    let (message, _) = of(&[lines[0], lines[2], lines[3]]);
    assert!(message.contains("line 4 is missing") || message.contains("field `id` is `d2`"), "{message}");
    let (message, _) = of(&[lines[0], lines[1], lines[2], lines[3], lines[3]]);
    assert_eq!(message, format!("{}the documents end before this row", at(5)));
    let (message, _) = of(&[lines[0], lines[2], lines[1], lines[3]]);
    assert_eq!(message, format!("{}field `id` is `d2`, but the document of this row is `d1`", at(2)));
    let row =
        |id: &str, value: &str| format!("{{\"id\":\"{id}\",\"attributes\":{{\"x__pii__mail\":{value}}}}}");
    for (value, words) in [
        ("[[0,12,1.0]]", "span 1 from 0 to 12 goes beyond the text of 11 code points"),
        ("[[5,4,1.0]]", "span 1 starts at 5 and ends before, at 4"),
        ("[[1,2]]", "it must be a list of [start, end, score]"),
        ("[[1.5,2,1.0]]", "it must be a list of [start, end, score]"),
        ("7", "it must be a list of [start, end, score]"),
    ] {
        let bad = row("d1", value);
        let (message, hint) = of(&[lines[0], &bad, lines[2], lines[3]]);
        let start = format!("{}field `attributes.x__pii__mail`: {words}", at(2));
        assert!(message.starts_with(&start), "{message}");
        assert!(!hint.is_empty());
    }
    let no_id = lines[1].replace("\"id\":\"d1\",", "");
    let (message, _) = of(&[lines[0], &no_id, lines[2], lines[3]]);
    assert_eq!(message, format!("{}the row has no field `id` with a text or a number", at(2)));
    let (message, _) = of(&[lines[0], "{\"id\":\"d1\"}", lines[2], lines[3]]);
    assert_eq!(message, format!("{}the row has no field `attributes`", at(2)));
    let (message, _) = of(&[lines[0], "[]", lines[2], lines[3]]);
    assert!(message.starts_with(&at(2)), "{message}");
    let twice = lines[1].replace("\"x__pii__mail\":[]", "\"x__pii__mail\":[],\"x__pii__mail\":[]");
    let (message, _) = of(&[lines[0], &twice, lines[2], lines[3]]);
    assert_eq!(message, format!("{}field `attributes.x__pii__mail`: the document has it twice", at(2)));
    // What the first rows show as one number of the document must stay one.
    let values = format!("{ALL}, attribute_values = [\"x__pii__mail\"]");
    let (message, _) = refused(&format!("{}\n", lines.join("\n")), &values, "");
    assert_eq!(
        message,
        format!(
            "{}field `attributes.x__pii__mail`: it is no single number of the whole document, as a value is",
            at(1)
        )
    );
}

#[test]
fn files_that_do_not_fit_are_errors_too() {
    let documents = documents();
    let attributes = attributes();
    let both = |more: (&'static str, &[u8]), source: &str| {
        let files: [(&str, &[u8]); 3] = [
            ("c/documents/en/a.jsonl", documents.as_bytes()),
            ("c/attributes/x/en/a.jsonl", attributes.as_bytes()),
            more,
        ];
        fault(&files, &config(source, ""))
    };
    let (message, hint) = both(("c/documents/en/b.jsonl", b"{\"id\":1,\"text\":\"t\"}\n"), ALL);
    assert_eq!(message, "`c/documents/en/b.jsonl`: there is no attribute file of `x` for these documents");
    assert!(!hint.is_empty());
    let (message, _) = both(("c/attributes/x/en/c.jsonl", b"{}\n"), ALL);
    assert!(
        message.starts_with("`c/attributes/x/en/c.jsonl`: it belongs to no file of documents"),
        "{message}"
    );
    let (message, _) = both(("c/attributes/y/en/a.jsonl.gz", &gzip(b"{\"id\":\"d0\"")[..9]), ALL);
    assert!(message.contains("c/attributes/y/en/a.jsonl.gz"), "{message}");
    let (message, _) = both(("c/other.txt", b"x"), "attributes = \"nowhere\"");
    assert!(message.contains("no file fits `nowhere`"), "{message}");
    // The config itself.
    for (source, words) in [
        ("attribute_spans = [\"x\"]", "there are no attribute files"),
        ("attributes = \"c/attributes\", normalise = \"nfc\"", "code points"),
        (
            "attributes = \"c/attributes\", attribute_values = [\"a\"], attribute_spans = [\"a\"]",
            "named twice",
        ),
    ] {
        let (message, hint) = both(("c/other.txt", b"x"), source);
        assert!(message.contains(words) && !hint.is_empty(), "{message}");
    }
    let rows = config(ALL, "").replace("\"dolma\"", "\"jsonl\"");
    let (message, _) = fault(
        &[("c/documents/a.jsonl", documents.as_bytes()), ("c/attributes/x/a.jsonl", attributes.as_bytes())],
        &rows,
    );
    assert!(message.contains("only Dolma documents have attribute files"), "{message}");
    let taken = "tag = [{ tagger = \"length\", name = \"attributes\" }]";
    let (message, _) = refused(&attributes, ALL, taken);
    assert!(message.contains("attributes that come with documents"), "{message}");
}

#[test]
fn attributes_of_this_program_come_back_as_they_went() {
    use regimen_base::Cancel;
    use regimen_corpus::dolma::Fields;
    use regimen_corpus::dolma::tag::{Options, Progress, tag};
    use regimen_corpus::tag::{Set, Wanted};

    let dir = with(&files()[..1]);
    let set = Set::new(&["length", "c4@dolma"].map(Wanted::named)).unwrap();
    let inputs = regimen_recipe::input_files(dir.path(), "c/documents").unwrap();
    let options = Options { experiment: "mine".into(), to: None, fields: Fields::default(), memory: 1 << 30 };
    tag(&inputs, &set, &options, &Progress::default(), &Cancel::new()).unwrap();
    let more = "tag = [{ tagger = \"length\" }]\ndrop = [\"attributes.mine__length__words != length.words\"]";
    let corpus = build(dir.path(), &config("attributes = \"c/attributes/mine\"", more));
    assert_eq!(corpus.kept().count(), 4);
    for ordinal in 0..4 {
        let tags = corpus.tags(ordinal).unwrap();
        for tag in tags.iter().filter(|tag| tag.attribute.tagger == "length") {
            let name = format!("mine__length__{}", tag.attribute.name);
            let back = tags.iter().find(|other| other.attribute.name == name).unwrap();
            let numbers = |tag: &regimen_corpus::Tagged| {
                tag.spans.iter().map(|s| (s.start, s.end, s.score)).collect::<Vec<_>>()
            };
            assert_eq!(numbers(back).len(), numbers(tag).len(), "{name}");
        }
    }
}

#[test]
fn a_folder_in_dolmas_layout_stands_for_its_documents() {
    let dir = with(&files());
    std::fs::write(dir.path().join("c/bloom.bin"), "no documents").unwrap();
    let of = |path: &str, more: &str| {
        let source = format!("path = \"{path}\", format = \"dolma\", {ALL}");
        stage(dir.path(), &format!("sources = [{{ name = \"s\", {source} }}]\ndedup = \"none\"\n{more}"))
    };
    let drop = "filter = { quality = \"none\" }\ndrop = [\"attributes.x__length__words >= 20\"]";
    let below = of("c/documents", drop).unwrap();
    // The same files make the same key.
    for folder in ["c", "c/", "./c"] {
        let whole = of(folder, drop).unwrap();
        let names = |artifact: &regimen_ledger::Artifact| Corpus::open(artifact).unwrap().names().files.len();
        assert_eq!((names(&whole), names(&below)), (1, 1), "{folder}");
        assert_eq!(whole.manifest.payload, below.manifest.payload, "{folder}");
        assert!(folder == "./c" || whole.key() == below.key(), "{folder}");
    }
    // In other formats a folder is all that is below it.
    let config = "sources = [{ name = \"s\", path = \"c\", format = \"jsonl\" }]\nmissing_text = \"error\"";
    assert!(stage(dir.path(), config).unwrap_err().to_string().contains("c/attributes/x/en/a.jsonl"));
    // The folder has no documents: attributes are none.
    std::fs::remove_dir_all(dir.path().join("c/documents/en")).unwrap();
    let failure = of("c", drop).unwrap_err();
    assert!(failure.to_string().contains("no files below the folder `c/documents`"), "{failure}");
}
