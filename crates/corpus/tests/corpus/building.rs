//! What a corpus holds: order, ids, licences, splits, filters, duplicates, limits, and the same bytes every time.

use crate::common::{build, fault, gzip, plain, project, stage, texts, zstd};
use regimen_corpus::{Author, Corpus, Split};

const GOOD: &str = "It is the habit of good documents to have words that follow one another, with the usual small words \
     between them, so that a rule which counts them finds what it looks for and lets them pass. This one has more than \
     fifty words, and it ends here, where the count of all its words is high enough to be kept.";

#[test]
fn every_packing_gives_the_same_documents_in_order() {
    let a = b"{\"id\":\"1\",\"text\":\"one\"}\r\n{\"id\":\"2\",\"text\":\"two\\n\"}\r\n";
    let b = b"\xef\xbb\xbf{\"id\":\"3\",\"text\":\"thr\xc3\xa9\xc3\xa9\"}\n\n{\"id\":4,\"text\":\"four\"}";
    let expected = ["one", "two\n", "thréé", "four"];
    let members = [gzip(&a[..20]), gzip(&a[20..])].concat();
    let frames = [zstd(&b[..30]), zstd(&b[30..])].concat();
    let sets: [&[(&str, &[u8])]; 3] = [
        &[("in/a.jsonl", a), ("in/b.json", b)],
        &[("in/a.jsonl.gz", &members), ("in/b.jsonl.zst", &frames)],
        &[("in/x/b.jsonl.gz", &gzip(b)), ("in/a.ndjson.zst", &zstd(a))],
    ];
    for files in sets {
        let dir = project(files);
        let corpus = build(dir.path(), &plain("in", ""));
        assert_eq!(texts(&corpus), expected);
        assert_eq!((0..4).map(|i| corpus.id(i)).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
        assert_eq!((corpus.place(3).number, corpus.row(3).own_id), (3, true));
    }
}

#[test]
fn plain_text_is_kept_to_the_byte_and_named_by_its_path() {
    let odd = "\u{feff}A\r\n\tb  \u{0}\u{a0}é\n\n";
    let dir = project(&[("in/a.txt", odd.as_bytes()), ("in/sub/b.md", b"# b")]);
    let corpus = build(dir.path(), &plain("in", ""));
    // The mark of the byte order alone is none of the text.
    let odd = odd.strip_prefix('\u{feff}').unwrap();
    assert_eq!(texts(&corpus), [odd, "# b"]);
    assert_eq!(corpus.id(1), "in/sub/b.md");
    assert_eq!(corpus.place(1).to_string(), "`in/sub/b.md`");
    assert!(!corpus.row(1).own_id);
    assert_eq!(corpus.range(1), odd.len() as u64..odd.len() as u64 + 3);

    let marked = |rest: &[u8]| ["\u{feff}".as_bytes(), rest].concat();
    let (message, _) = fault(&[("a.txt", &marked(b"ab\xff"))], &plain("a.txt", ""));
    assert_eq!(message, "`a.txt`: invalid UTF-8 at byte 5 of the file");

    let lines = "one line\n".repeat(100);
    let dir = project(&[("a.txt", &marked(lines.as_bytes()))]);
    let config = "sources = [{ name = \"s\", path = \"a.txt\", blocks = 300 }]\nfilter = { quality = \"none\" }\n\
         validation = 0\ndedup = \"none\"";
    let corpus = build(dir.path(), config);
    assert_eq!(texts(&corpus).concat(), lines);
    assert_eq!((corpus.len(), corpus.id(2)), (3, "a.txt:3"));
    assert_eq!(corpus.place(2).to_string(), "`a.txt`, block 3");
}

#[test]
fn licence_author_and_date_come_from_the_row_or_else_from_the_source() {
    let rows = br#"{"id":"a","text":"1","metadata":{"license":"MIT OR Apache-2.0","author_kind":"machine"},"created":"1970-01-03"}
{"id":"b","text":"2"}
{"id":"c","text":"3","licence":"LicenseRef-Letter","author_kind":"mixed"}
"#;
    let dir = project(&[("a.jsonl", rows)]);
    let config = "sources = [{ name = \"s\", path = \"a.jsonl\", licence = \"CC0-1.0\", author = \"human\" }]\n\
         filter = { quality = \"none\" }\nvalidation = 0";
    let artifact = stage(dir.path(), config).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let rows: Vec<_> = (0..3).map(|i| corpus.row(i)).collect();
    let licences: Vec<_> = rows.iter().map(|r| corpus.licence_name(r.licence)).collect();
    assert_eq!(licences, ["MIT OR Apache-2.0", "CC0-1.0", "LicenseRef-Letter"]);
    assert_eq!(
        rows.iter().map(|r| r.author).collect::<Vec<_>>(),
        [Author::Machine, Author::Human, Author::Mixed]
    );
    assert_eq!((rows[0].created, rows[1].created), (Some(2), None));
    let summary = &artifact.manifest.summary;
    assert_eq!(summary["licences"]["CC0-1.0"]["bytes"], 1);
    assert_eq!(summary["authors"]["machine"]["documents"], 1);
    assert_eq!(summary["sources"]["s"]["bytes"], 3);
}

#[test]
fn the_first_of_equal_texts_is_kept_and_the_others_point_to_it() {
    let row = |id: &str, text: &str| format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}\n");
    let a: String = [row("1", "same"), row("2", "other"), row("3", "same"), row("4", "same ")].concat();
    let b: String = [row("1", "other"), row("2", "new")].concat();
    let dir = project(&[("a.jsonl", a.as_bytes()), ("b.jsonl", b.as_bytes())]);
    let config = "sources = [{ name = \"b\", path = \"b.jsonl\" }, { name = \"a\", path = \"a.jsonl\" }]\n\
         filter = { quality = \"none\" }\nvalidation = 0.4\n";
    let corpus = build(dir.path(), config);
    assert_eq!(texts(&corpus), ["other", "new", "same", "same "]);
    let representatives: Vec<_> = (0..6).map(|i| corpus.row(i).representative).collect();
    assert_eq!(representatives, [None, None, None, Some(0), Some(2), None]);
    assert_eq!(corpus.reason_name(corpus.row(3).dropped.unwrap()), "duplicate");
    for duplicate in [3, 4] {
        let row = corpus.row(duplicate);
        assert_eq!(row.split, corpus.row(row.representative.unwrap()).split);
    }
    assert_eq!(
        build(dir.path(), &config.replace("validation", "dedup = \"none\"\nvalidation")).kept().count(),
        6
    );
}

#[test]
fn equal_texts_that_are_all_kept_are_on_one_side() {
    let rows: String = (0..200).map(|i| format!("{{\"id\":{i},\"text\":\"text {}\"}}\n", i % 20)).collect();
    let dir = project(&[("a.jsonl", rows.as_bytes())]);
    let config = "sources = [{ name = \"a\", path = \"a.jsonl\" }]\n\
         filter = { quality = \"none\" }\nvalidation = 0.4\ndedup = \"none\"";
    let corpus = build(dir.path(), config);
    assert_eq!(corpus.kept().count(), 200);
    let side = |i: u32| corpus.row(i).split;
    assert!((20..200).all(|i| side(i) == side(i % 20)));
    let held_out = (0..20).filter(|&i| side(i) == Split::Validation).count();
    assert!((1..20).contains(&held_out), "{held_out} of 20");
}

#[test]
fn rules_show_each_value_beside_its_threshold() {
    let row = |id: &str, text: &str| serde_json::json!({"id": id, "text": text}).to_string() + "\n";
    let hashes = GOOD.replace(' ', " #");
    let rows =
        [row("good", GOOD), row("short", "the short of it"), row("tags", &hashes), row("none", "")].concat();
    let dir = project(&[("a.jsonl", rows.as_bytes())]);
    let corpus = build(dir.path(), "sources = [{ name = \"s\", path = \"a.jsonl\" }]\nvalidation = 0");
    let fate = |i: u32| corpus.row(i).dropped.map(|reason| corpus.reason_name(reason).to_string());
    assert_eq!((fate(0), fate(1).as_deref()), (None, Some("min_words")));
    assert_eq!((fate(2).as_deref(), fate(3).as_deref()), (Some("max_hash_share"), Some("empty")));
    assert!(corpus.rules(0).iter().all(|rule| rule.passed));
    let short = corpus.rules(1);
    assert_eq!((short[0].name, short[0].value, short[0].passed), ("min_words", 4.0, false));
    assert_eq!(short[0].threshold, "at least 50");
    assert!(corpus.rules(3).is_empty());
    assert_eq!(corpus.text(1).unwrap(), None);
    assert_eq!(corpus.row(1).bytes, 15);
}

#[test]
fn a_limit_ends_with_the_document_that_reaches_it() {
    let row = |i: u32| format!("{{\"id\":{i},\"text\":\"{}\"}}\n", "x".repeat(10 + i as usize));
    let mut rows: String = (0..100).map(row).collect();
    rows.push_str(&row(3));
    let dir = project(&[("a.jsonl", rows.as_bytes())]);
    let corpus = build(dir.path(), &plain("a.jsonl", "limit_bytes = 22"));
    assert_eq!(corpus.len(), 3);
    assert!(corpus.funnel().unwrap().limited);
    let corpus = build(dir.path(), &plain("a.jsonl", "limit_bytes = 21"));
    assert_eq!(corpus.len(), 2);
}

#[test]
fn documents_are_found_by_key_and_by_id() {
    let dir = project(&[
        ("a.jsonl", b"{\"id\":\"x:1\",\"text\":\"a\"}\n{\"id\":\"both\",\"text\":\"b\"}\n"),
        ("b.jsonl", b"{\"id\":\"both\",\"text\":\"c\"}\n{\"id\":\"abcd\",\"text\":\"d\"}\n"),
    ]);
    let config = "sources = [{ name = \"a\", path = \"a.jsonl\" }, { name = \"b\", path = \"b.jsonl\" }]\n\
         filter = { quality = \"none\" }\nvalidation = 0";
    let corpus = build(dir.path(), config);
    let key = corpus.row(2).key.to_string();
    for (text, ordinal) in [("x:1", 0), ("a:x:1", 0), ("b:both", 2), (&key, 2), (&key[..12], 2), ("abcd", 3)]
    {
        assert_eq!(corpus.find(text).unwrap(), ordinal, "{text}");
    }
    assert_eq!(corpus.find(&key.to_uppercase()).unwrap(), 2);
    assert!(corpus.find("both").unwrap_err().to_string().contains("a:both ("));
    let error = corpus.find("nobody").unwrap_err();
    assert_eq!(error.to_string(), "no document of the corpus is called `nobody`");
    assert!(regimen_base::Hint::hint(&error).unwrap().contains("`a:x:1`"));
    assert!(corpus.find("").is_err() && corpus.find("é").is_err());
    assert_eq!(corpus.name(2), "b:both");
}

#[test]
fn splits_cover_the_corpus_and_do_not_move() {
    let row = |i: u32| format!("{{\"id\":{i},\"text\":\"text {i}\"}}\n");
    let of = |range: std::ops::Range<u32>| {
        let rows: String = range.map(row).collect();
        let dir = project(&[("a.jsonl", rows.as_bytes())]);
        let config = "sources = [{ name = \"s\", path = \"a.jsonl\" }]\nfilter = { quality = \"none\" }\nvalidation = 0.2";
        let artifact = stage(dir.path(), config).unwrap();
        let corpus = Corpus::open(&artifact).unwrap();
        let side = |split| corpus.split(split).map(|i| corpus.id(i).to_string()).collect::<Vec<_>>();
        let (train, validation) = (side(Split::Train), side(Split::Validation));
        assert_eq!(train.len() + validation.len(), corpus.len());
        assert_eq!(artifact.manifest.summary["documents"]["validation"], validation.len());
        assert_eq!(artifact.manifest.summary["bytes"]["read"], artifact.manifest.summary["bytes"]["kept"]);
        validation
    };
    let small = of(0..500);
    assert!((60..140).contains(&small.len()), "{}", small.len());
    let large = of(0..1000);
    assert_eq!(&large[..small.len()], small);
}

#[test]
fn the_same_input_gives_the_same_payload_whatever_the_threads() {
    let row = |i: u32| format!("{{\"id\":{i},\"text\":\"{GOOD} {}\"}}\n", i % 7000);
    let rows: String = (0..8_000).map(row).collect();
    let dir = project(&[("a.jsonl.zst", &zstd(rows.as_bytes())), ("b.txt", GOOD.as_bytes())]);
    let other = project(&[("a.jsonl.zst", &zstd(rows.as_bytes())), ("b.txt", GOOD.as_bytes())]);
    let config = "sources = [{ name = \"s\", path = \"*.*\" }]\nvalidation = 0.1";
    let payload = |dir: &std::path::Path, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| stage(dir, config).unwrap().manifest)
    };
    let (one, four) = (payload(dir.path(), 1), payload(other.path(), 4));
    assert_eq!(one.payload, four.payload);
    assert_eq!(one.summary["dropped"]["duplicate"], 1000);
    let names: Vec<&str> = one.files.iter().map(|file| file.path.as_str()).collect();
    let expected = [
        "docs.tbl",
        "funnel.json",
        "ids.bin",
        "ids.idx",
        "meta.bin",
        "meta.idx",
        "names.json",
        "rules.bin",
        "text.bin",
        "text.idx",
    ];
    assert_eq!(names, expected);
}
