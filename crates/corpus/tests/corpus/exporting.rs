//! Exports of corpora and of folders: texts as tables, packed rows, and what the cards say of them.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::{Cancel, Hash256};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::mix::Pack;
use regimen_corpus::dolma::stats::{self, FolderStats};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::inspect::export::{self, About, FolderExported, FolderOptions, Given};
use regimen_corpus::parquet::{Item, Options, Reader, Row};
use regimen_corpus::{Corpus, Error};
use regimen_recipe::input_files;
use serde_json::{Value, json};

use crate::common::{build, gzip, project, stage};

fn with_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

pub(crate) fn rows(path: &Path, text: &str) -> Vec<Row> {
    let options = Options { text: text.into(), id: None, ..Options::default() };
    let mut reader = Reader::open("t", path, options).unwrap();
    let mut all = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        let Item::Row(row) = item else { panic!("{item:?}") };
        all.push(row);
    }
    all
}

/// All files but notes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = regimen_base::fs::files_below(dir).unwrap();
    all.into_iter()
        .filter(|path| !path.iter().any(|part| part == ".regimen-notes"))
        .map(|path| (path.display().to_string(), std::fs::read(dir.join(&path)).unwrap()))
        .collect()
}

/// 40 documents of two licences, with an address in each.
fn made() -> (tempfile::TempDir, Corpus) {
    let row = |i: usize| {
        let text = format!("Write to me{i}@example.org, é. {}", "More words. ".repeat(i));
        let licence = if i.is_multiple_of(2) { "MIT" } else { "CC-BY-4.0" };
        format!(
            "{}\n",
            json!({"id": i, "text": text, "created": "2024-02-29", "metadata": {"license": licence}})
        )
    };
    let all: String = (0..40).map(row).collect();
    let dir = project(&[("in/a.jsonl", all.as_bytes())]);
    let config =
        "sources = [{ name = \"s\", path = \"in\" }]\nfilter = { quality = \"none\" }\nvalidation = 0\n";
    let corpus = build(dir.path(), config);
    (dir, corpus)
}

#[test]
fn texts_are_tables_of_bounded_files() {
    let (dir, corpus) = made();
    let write = |name: &str, threads| {
        let out = dir.path().join(name);
        let exported = with_threads(threads, || export::texts(&corpus, &out, 2000)).unwrap();
        (exported, files(&out))
    };
    let (exported, found) = write("one", 1);
    assert_eq!(write("three", 3).1, found, "the same bytes on any number of threads");
    assert_eq!(exported.documents, 40);
    assert!(exported.files.len() > 3, "{:?}", exported.files);
    assert_eq!(found.len(), exported.files.len());
    let all: Vec<Row> =
        exported.files.iter().flat_map(|file| rows(&dir.path().join("one").join(file), "text")).collect();
    for (row, ordinal) in all.iter().zip(corpus.kept()) {
        assert_eq!(row.text.as_deref(), corpus.text(ordinal).unwrap());
        assert_eq!(row.other["id"], corpus.id(ordinal));
        assert_eq!(row.other["licence"], corpus.licence_name(corpus.row(ordinal).licence));
        assert_eq!(row.other["key"], corpus.row(ordinal).key.to_string());
    }
    assert_eq!(all.len(), 40);
    // What a process that was killed left goes; what is called otherwise stays.
    let tables = dir.path().join("tables");
    export::parquet(&corpus, &tables).unwrap();
    let (left, own) = (tables.join("documents.tmp999999999"), tables.join("mine.tmp999999999"));
    for path in [&left, &own] {
        std::fs::write(path, "x").unwrap();
    }
    export::parquet(&corpus, &tables).unwrap();
    assert!(!left.exists() && own.exists());
    // A table of somebody else stops it before anything changes, whatever it is called.
    let one = dir.path().join("one");
    for name in ["texts/mine.parquet", "texts/2024.parquet"] {
        std::fs::write(one.join(name), "x").unwrap();
        let told = export::texts(&corpus, &one, 1 << 30).unwrap_err().to_string();
        assert!(told.contains(name), "{told}");
        assert_eq!(std::fs::read(one.join(name)).unwrap(), b"x");
        std::fs::remove_file(one.join(name)).unwrap();
    }
    assert_eq!(files(&one), found);
    let lone = dir.path().join("lone");
    for name in ["documents.parquet", "attributes.parquet"] {
        std::fs::create_dir(&lone).unwrap();
        std::fs::write(lone.join(name), "x").unwrap();
        let told = export::parquet(&corpus, &lone).unwrap_err();
        assert!(matches!(told, Error::NotEmpty { .. }) && told.to_string().contains(name), "{told}");
        assert_eq!(std::fs::read(lone.join(name)).unwrap(), b"x");
        assert_eq!(files(&lone).len(), 1);
        std::fs::remove_dir_all(&lone).unwrap();
    }
    // One export at a time.
    let held = export::hold(&one).unwrap();
    assert!(export::hold(&one).unwrap_err().to_string().contains("one"));
    drop(held);
    export::hold(&one).unwrap();
    // Those of an earlier export go, however many there are, as long as a note says whose they are.
    assert_eq!(export::texts(&corpus, &one, 1 << 30).unwrap().files, ["texts/00000.parquet"]);
    assert_eq!(files(&one).len(), 1);
    let claim = export::Claim::new("export".into(), Hash256::of(b"k"), &[], &one);
    claim.settle(&one, ["texts/00000.parquet".to_string()]).unwrap();
    assert_eq!(export::texts(&corpus, &one, 2000).unwrap().files.len(), exported.files.len());
    assert_eq!(files(&one), found);
    std::fs::remove_dir_all(one.join(".regimen-notes")).unwrap();
    assert!(export::texts(&corpus, &one, 2000).is_err());
}

#[test]
fn rows_are_packed_as_asked_for() {
    let (dir, corpus) = made();
    let write = |pack: Pack| export::jsonl(&corpus, "k", &dir.path().join(format!("{pack:?}")), 2000, pack);
    let read = |pack: Pack, name: &str| std::fs::read(dir.path().join(format!("{pack:?}/{name}"))).unwrap();
    assert_eq!(write(Pack::None).unwrap().files[1], "00001.jsonl");
    assert_eq!(write(Pack::Zst).unwrap().files[1], "00001.jsonl.zst");
    write(Pack::Gz).unwrap();
    let plain = read(Pack::None, "00001.jsonl");
    assert!(plain.starts_with(b"{\"id\":"));
    assert_eq!(zstd::decode_all(&read(Pack::Zst, "00001.jsonl.zst")[..]).unwrap(), plain);
    let mut text = Vec::new();
    let packed = read(Pack::Gz, "00001.jsonl.gz");
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&packed[..]), &mut text).unwrap();
    assert_eq!(text, plain);
    // Rows of another packing are other rows.
    let told = export::jsonl(&corpus, "k", &dir.path().join("Gz"), 2000, Pack::Zst).unwrap_err().to_string();
    assert!(told.contains("00000.jsonl.gz"), "{told}");
    let dolma = dir.path().join("dolma");
    export::dolma(&corpus, "k", &dolma, "x", 1 << 30, Pack::Zst).unwrap();
    assert!(zstd::decode_all(&files(&dolma)["documents/00000.jsonl.zst"][..]).is_ok());
    // Attributes beside the documents hold them as they are.
    std::fs::create_dir_all(dolma.join("attributes/x")).unwrap();
    std::fs::write(dolma.join("attributes/x/00000.jsonl.zst"), "rows").unwrap();
    let again = export::dolma(&corpus, "k", &dolma, "y", 1 << 30, Pack::Zst).unwrap();
    assert_eq!(again.skipped, ["documents/00000.jsonl.zst"]);
    let whole = files(&dolma);
    let told = export::dolma(&corpus, "k", &dolma, "y", 2000, Pack::Zst).unwrap_err().to_string();
    assert!(told.contains("the attributes `x` of shards that were cut otherwise"), "{told}");
    assert_eq!(files(&dolma), whole);
}

#[test]
fn rows_that_no_export_wrote_stay() {
    let (dir, corpus) = made();
    let out = dir.path().join("out");
    let dolma = |shard| export::dolma(&corpus, "k", &out, "x", shard, Pack::Gz);
    let jsonl = |shard| export::jsonl(&corpus, "k", &out, shard, Pack::Gz);
    let mine = |file: &str| {
        let path = out.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let told = dolma(2000).and_then(|_| jsonl(2000)).unwrap_err();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(matches!(told, Error::NotEmpty { .. }) && told.to_string().contains(name), "{told}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        std::fs::remove_file(&path).unwrap();
    };
    for file in ["documents/00000.jsonl.gz", "00000.jsonl.gz"] {
        mine(file);
        let _ = std::fs::remove_dir_all(&out);
    }
    // Who was stopped goes on: nothing is claimed yet, and a note may have come without its file.
    assert!(dolma(2000).unwrap().files.len() > 3 && jsonl(2000).unwrap().files.len() > 3);
    let whole = files(&out);
    for file in ["documents/00001.jsonl.gz", "00002.jsonl.gz"] {
        std::fs::remove_file(out.join(file)).unwrap();
    }
    assert_eq!((dolma(2000).unwrap().files.len(), jsonl(2000).unwrap().files.len()), (1, 1));
    assert_eq!(files(&out), whole);
    // Neither is a file ours that took the place of one, unless the claim has it.
    let kept = std::fs::read(out.join("00001.jsonl.gz")).unwrap();
    mine("00001.jsonl.gz");
    std::fs::write(out.join("00001.jsonl.gz"), kept).unwrap();
    let claim = export::Claim::new("export".into(), Hash256::of(b"k"), &[], &out);
    let done = [dolma(2000).unwrap(), jsonl(2000).unwrap()].map(|exported| exported.skipped).concat();
    claim.settle(&out, done).unwrap();
    std::fs::remove_dir_all(out.join("documents/.regimen-notes")).unwrap();
    dolma(2000).unwrap();
    assert_eq!(files(&out), whole);
}

#[test]
fn an_export_takes_no_place_of_a_source_file() {
    let row = format!("{}\n", json!({"id": "a", "text": "Some words.", "source": "w"}));
    let dir = project(&[("wiki/documents/00000.jsonl.gz", &gzip(row.as_bytes()))]);
    let config = "sources = [{ name = \"w\", path = \"wiki\", format = \"dolma\" }]\nfilter = { quality = \"none\" }\nvalidation = 0\n";
    let corpus = build(dir.path(), config);
    let check = |to: &str, formats: &[&str]| {
        export::check_sources(&corpus, dir.path(), formats, &dir.path().join(to))
    };
    for (to, format) in [("wiki", "dolma"), ("out/../wiki", "dolma"), ("wiki/documents", "jsonl")] {
        let told = check(to, &["parquet", format]).unwrap_err();
        assert!(matches!(told, Error::OverInput { .. }), "{told}");
        assert!(told.to_string().contains("wiki/documents/00000.jsonl.gz"), "{told}");
    }
    check("wiki", &["jsonl", "parquet", "texts", "card"]).unwrap();
    check("out", &["dolma", "jsonl"]).unwrap();
    let before = files(&dir.path().join("wiki"));
    export::dolma(&corpus, "k", &dir.path().join("wiki"), "x", 1 << 30, Pack::Gz).unwrap_err();
    assert_eq!(files(&dir.path().join("wiki")), before);
}

#[test]
fn own_metadata_keeps_its_names() {
    let own = json!({
        "file": "src/main.c", "line": 12, "split": "test", "lang": "c", "license": "MIT", "copies": 1.0, "offset": 7,
        "regimen_copies": "mine",
    });
    let rows = [
        json!({"id": "a", "text": "One of some words.", "metadata": own}),
        json!({"id": "b", "text": "Two of more words.", "metadata": {"lang": "c", "line": 2}}),
    ];
    let all: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let dir = project(&[("in/k.jsonl", all.as_bytes())]);
    let config = "sources = [{ name = \"s\", path = \"in\" }]\nfilter = { quality = \"none\" }\nvalidation = 0\nmetadata = [\"*\"]\n";
    let corpus = build(dir.path(), config);
    let out = dir.path().join("out");
    export::dolma(&corpus, "k", &out, "x", 1 << 30, Pack::None).unwrap();
    let text = std::fs::read_to_string(out.join("documents/00000.jsonl")).unwrap();
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let a = &found[0]["metadata"];
    for (key, value) in own.as_object().unwrap() {
        assert_eq!(&a[key], value, "{key}");
    }
    for (key, value) in [
        ("regimen_file", json!("in/k.jsonl")),
        ("regimen_line", json!(1)),
        ("regimen_split", json!("train")),
        ("regimen_regimen_copies", json!(1)),
    ] {
        assert_eq!(a[key], value, "{key}");
    }
    // What both say alike stands there once, and what the corpus does not know is no clash.
    assert!(a.get("regimen_license").is_none() && a.get("regimen_offset").is_none(), "{a}");
    let b = &found[1]["metadata"];
    assert_eq!((&b["file"], &b["line"], &b["lang"]), (&json!("in/k.jsonl"), &json!(2), &json!("c")));
    assert!(
        b.as_object().unwrap().keys().all(|key| !key.starts_with("regimen_") || key == "regimen_key"),
        "{b}"
    );
    assert_eq!(text.matches("\"line\":2").count(), 1, "no name twice");
}

#[test]
fn large_metadata_is_packed_in_pieces() {
    let row = |i: usize| {
        let more = "metadata of some length ".repeat(50_000);
        format!("{}\n", json!({"id": i, "text": format!("Text {i}."), "metadata": {"more": more}}))
    };
    let all: String = (0..8).map(row).collect();
    let dir = project(&[("in/a.jsonl", all.as_bytes())]);
    let config = "sources = [{ name = \"s\", path = \"in\" }]\nfilter = { quality = \"none\" }\nmetadata = [\"more\"]\n";
    let corpus = build(dir.path(), config);
    export::jsonl(&corpus, "k", dir.path(), 1 << 30, Pack::Gz).unwrap();
    let packed = std::fs::read(dir.path().join("00000.jsonl.gz")).unwrap();
    let (mut left, mut lengths) = (&packed[..], Vec::new());
    while !left.is_empty() {
        let mut member = flate2::bufread::GzDecoder::new(left);
        lengths.push(std::io::copy(&mut member, &mut std::io::sink()).unwrap());
        left = member.into_inner();
    }
    assert!(lengths.len() == 2 && lengths.iter().all(|&length| length < 6 << 20), "{lengths:?}");
}

/// 300 documents in two files with two experiments, the second of which has a name of the first.
fn folder() -> tempfile::TempDir {
    let mut all = Vec::new();
    for file in 0..2 {
        let (mut documents, mut one, mut two) = (String::new(), String::new(), String::new());
        for i in 150 * file..150 * (file + 1) {
            let text = format!("é {}", "word ".repeat(i % 9));
            let length = text.chars().count();
            let metadata = json!({"url": format!("http://x.org/{i}"), "license": "MIT"});
            let row =
                json!({"id": i, "text": text, "source": "s", "created": "2024-02-29", "metadata": metadata});
            documents += &format!("{row}\n");
            let mut attributes = json!({"one__t__score": [[0, length, i]]});
            if i % 3 == 0 {
                attributes["one__t__runs"] = json!([[0, 1, 0.5], [1, 2, 1.0]]);
                attributes["one__t__mark"] = json!([[0, length, 1.0]]);
            }
            one += &format!("{}\n", json!({"id": i, "attributes": attributes}));
            two += &format!("{}\n", json!({"id": i, "attributes": {"one__t__score": [[0, length, -1]]}}));
        }
        all.push((format!("d/documents/{file}.jsonl.gz"), gzip(documents.as_bytes())));
        all.push((format!("d/attributes/one/{file}.jsonl.gz"), gzip(one.as_bytes())));
        all.push((format!("d/attributes/two/{file}.jsonl.gz"), gzip(two.as_bytes())));
    }
    let all: Vec<(&str, &[u8])> = all.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    project(&all)
}

fn export_folder(dir: &Path, to: &str, threads: usize) -> (FolderStats, FolderExported) {
    try_folder(dir, to, threads).unwrap()
}

fn try_folder(dir: &Path, to: &str, threads: usize) -> Result<(FolderStats, FolderExported), Error> {
    let files = input_files(dir, "d/documents").unwrap();
    let (progress, cancel) = (Progress::default(), Cancel::new());
    let options = FolderOptions {
        tables: true,
        texts: Some(1000),
        attributes: None,
        fields: Fields::default(),
        memory: 1 << 30,
    };
    with_threads(threads, || {
        let wanted = stats::Options { attributes: None, fields: Fields::default(), memory: 1 << 30 };
        let stats = stats::stats(&files, &wanted, &progress, &cancel).unwrap();
        let done = export::folder(&files, &stats, &options, &dir.join(to), &progress, &cancel)?;
        Ok((stats, done))
    })
}

#[test]
fn a_folder_becomes_the_tables_that_a_corpus_has() {
    let dir = folder();
    let (_, done) = export_folder(dir.path(), "one", 1);
    export_folder(dir.path(), "three", 3);
    let out = dir.path().join("one");
    assert_eq!(export_folder(dir.path(), "one", 1).1, done, "in place of the earlier ones");
    for name in ["texts/1999.parquet", "documents.parquet"] {
        let other = format!("other-{}", name.len());
        let path = dir.path().join(&other).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        let told = try_folder(dir.path(), &other, 1).unwrap_err();
        assert!(matches!(told, Error::NotEmpty { .. }) && told.to_string().contains(name), "{told}");
        assert_eq!(files(&dir.path().join(&other)).len(), 1);
    }
    assert_eq!(files(&out), files(&dir.path().join("three")), "the same bytes on any number of threads");
    let documents = rows(&out.join("documents.parquet"), "id");
    assert_eq!(documents.len(), 300);
    for (i, row) in documents.iter().enumerate() {
        let of = |name: &str| row.other.get(name).cloned().unwrap_or(Value::Null);
        assert_eq!((row.text.as_deref(), of("ordinal")), (Some(i.to_string().as_str()), json!(i)));
        assert_eq!((of("source"), of("licence"), of("line")), (json!("s"), json!("MIT"), json!(i % 150 + 1)));
        assert_eq!(of("bytes"), 3 + 5 * (i % 9));
        // Both experiments have a column, and a mark is 1 or 0.
        assert_eq!(
            (of("one.one__t__score").as_f64(), of("two.one__t__score").as_f64()),
            (Some(i as f64), Some(-1.0))
        );
        assert_eq!(of("one__t__mark").as_f64(), Some(f64::from(u8::from(i % 3 == 0))));
        assert_eq!(of("key"), regimen_base::DocKey::new("s", &i.to_string()).to_string());
    }
    let spans = rows(&out.join("attributes.parquet"), "tagger");
    assert_eq!(spans.len(), 200);
    let third = &spans[3];
    assert_eq!((third.text.as_deref(), &third.other["attribute"]), (Some("one__t"), &json!("runs")));
    // Bytes of the text, not code points.
    assert_eq!(
        (&third.other["ordinal"], &third.other["start"], &third.other["end"]),
        (&json!(3), &json!(2), &json!(3))
    );
    let texts = done.texts.unwrap();
    assert!(texts.files.len() > 3 && texts.documents == 300, "{texts:?}");
    let all: Vec<Row> = texts.files.iter().flat_map(|file| rows(&out.join(file), "text")).collect();
    assert_eq!(all.len(), 300);
    for (i, row) in all.iter().enumerate() {
        assert_eq!(row.text.as_deref().unwrap(), format!("é {}", "word ".repeat(i % 9)));
        assert_eq!(row.other["url"], format!("http://x.org/{i}"));
    }
    let key = |wanted: Option<&[String]>| {
        let files = input_files(dir.path(), "d/documents").unwrap();
        [Some("text"), Some("body")].map(|text| {
            let fields = Fields { text: text.map(str::to_string), ..Fields::default() };
            export::folder_key(&files, &fields, wanted).unwrap()
        })
    };
    assert_ne!(key(None)[0], key(Some(&["one".into()]))[0]);
    assert_ne!(key(None)[0], key(None)[1]);
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn given() -> Given {
    Given {
        url: Some("https://example.org/data".into()),
        creator: Some("The makers".into()),
        publisher: Some("The press".into()),
        citation: Some("The makers (2026)".into()),
    }
}

/// Whether a path matches a pattern as in Python's `fnmatch`, in which `*` stands for `/` as well.
fn fnmatch(pattern: &str, path: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix('*') {
        return (0..=path.len()).any(|at| fnmatch(rest, &path[at..]));
    }
    if let Some(rest) = pattern.strip_prefix("[0-9]") {
        return path.starts_with(|c: char| c.is_ascii_digit()) && fnmatch(rest, &path[1..]);
    }
    match pattern.chars().next() {
        None => path.is_empty(),
        Some(c) => path.starts_with(c) && fnmatch(&pattern[1..], &path[1..]),
    }
}

#[test]
fn every_shard_is_in_one_file_set() {
    let (dir, corpus) = made();
    for pack in [Pack::Gz, Pack::Zst, Pack::None] {
        let out = dir.path().join(format!("{pack:?}"));
        export::dolma(&corpus, "k", &out, "x", 2000, pack).unwrap();
        export::jsonl(&corpus, "k", &out, 2000, pack).unwrap();
        let about = About { name: "c".into(), key: "k".into(), ..About::default() };
        export::card(&corpus, &about, &out).unwrap();
        let card = json_of(&out.join("croissant.json"));
        let of = |kind: &str| {
            let all = card["distribution"].as_array().unwrap().iter().filter(|d| d["@type"] == kind);
            all.cloned().collect::<Vec<_>>()
        };
        let (shards, sets) = (of("cr:FileObject"), of("cr:FileSet"));
        assert_eq!(sets.len(), 2);
        let mut rows = 0;
        for path in shards.iter().map(|shard| shard["@id"].as_str().unwrap()) {
            let matching = sets.iter().filter(|set| fnmatch(set["includes"].as_str().unwrap(), path));
            let names: Vec<&str> = matching.map(|set| set["@id"].as_str().unwrap()).collect();
            let own = if path.starts_with("documents/") { "dolma-files" } else { "rows-files" };
            assert_eq!(names, [own], "{path}");
            rows += usize::from(own == "rows-files");
        }
        assert!(rows > 3 && 2 * rows == shards.len());
    }
}

/// The elements of `spdx.json` of this type.
fn of_type<'g>(graph: &'g Value, kind: &str) -> Vec<&'g Value> {
    graph["@graph"].as_array().unwrap().iter().filter(|element| element["type"] == kind).collect()
}

#[test]
fn cards_of_a_folder() {
    let dir = folder();
    let (stats, _) = export_folder(dir.path(), "out", 2);
    let out = dir.path().join("out");
    let about =
        About { name: "d".into(), key: "0123456789abcdef".into(), given: given(), ..About::default() };
    export::folder_card(&stats, &about, &out).unwrap();
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("(300 documents, 1491 words) from 1 source."), "{card}");
    assert!(!card.contains("How it was made") && card.contains("Made by: The makers"), "{card}");
    let croissant = json_of(&out.join("croissant.json"));
    let sets: Vec<&Value> = croissant["recordSet"].as_array().unwrap().iter().collect();
    assert_eq!(
        sets.iter().map(|set| set["@id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["documents", "attributes", "texts"]
    );
    let columns: Vec<&str> =
        sets[2]["field"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["id", "text", "source", "licence", "author_kind", "created", "url", "key"]);
    assert_eq!(sets[2]["field"][0]["source"]["fileSet"]["@id"], "texts-files");
    let set =
        croissant["distribution"].as_array().unwrap().iter().find(|d| d["@type"] == "cr:FileSet").unwrap();
    assert_eq!((&set["@id"], &set["includes"]), (&json!("texts-files"), &json!("texts/*.parquet")));
    assert_eq!(croissant["creator"]["name"], "The makers");
    assert_eq!(croissant["publisher"]["name"], "The press");
    assert_eq!(
        (&croissant["url"], &croissant["citeAs"]),
        (&json!("https://example.org/data"), &json!("The makers (2026)"))
    );
    let spdx = json_of(&out.join("spdx.json"));
    // No tagger of personal data is known to have run.
    let package = of_type(&spdx, "dataset_DatasetPackage")[0];
    assert_eq!(package["dataset_hasSensitivePersonalInformation"], "noAssertion");
    assert!(package.get("dataset_dataPreprocessing").is_none());
}

/// The card of a corpus of [`made`] with this more in its config, and with or without a place to download it from.
fn spdx(more: &str, given: Given) -> Value {
    let (dir, _) = made();
    let config = format!(
        "sources = [{{ name = \"s\", path = \"in\" }}]\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n{more}"
    );
    let artifact = stage(dir.path(), &config).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let out = dir.path().join("cards");
    export::jsonl(&corpus, "k", &out, 1 << 30, Pack::Gz).unwrap();
    let about = About {
        name: "c".into(),
        key: "k".into(),
        config: artifact.manifest.config,
        given,
        ..About::default()
    };
    export::card(&corpus, &about, &out).unwrap();
    json_of(&out.join("spdx.json"))
}

#[test]
fn a_package_says_what_is_known_of_personal_data() {
    let tag = "tag = [{ tagger = \"pii@dolma\", name = \"p\" }]\n";
    let edit = "edit = [{ spans = \"p.EMAIL_ADDRESS\", replace = \"|||EMAIL|||\" }]\n";
    let says = |more: &str| {
        let graph = spdx(more, given());
        of_type(&graph, "dataset_DatasetPackage")[0]["dataset_hasSensitivePersonalInformation"].clone()
    };
    assert_eq!(says(""), "noAssertion");
    assert_eq!(says("tag = [{ tagger = \"length\" }]\n"), "noAssertion");
    assert_eq!(says(tag), "yes");
    assert_eq!(says(&format!("{tag}{edit}")), "no");
}

#[test]
fn a_package_of_which_no_place_is_known_claims_no_profile() {
    let with = spdx("", given());
    let package = of_type(&with, "dataset_DatasetPackage")[0];
    assert_eq!(package["software_downloadLocation"], "https://example.org/data");
    let profiles = |graph: &Value| of_type(graph, "SpdxDocument")[0]["profileConformance"].to_string();
    assert!(profiles(&with).contains("\"dataset\""));
    let without = spdx("", Given::default());
    assert!(!profiles(&without).contains("\"dataset\""));
    assert!(of_type(&without, "dataset_DatasetPackage").is_empty());
    let comment = of_type(&without, "software_Package")[0]["comment"].as_str().unwrap();
    assert!(comment.contains("place to download") && comment.contains("personal data"), "{comment}");
    // Nobody has judged: no expression says so.
    let concluded = of_type(&with, "Relationship");
    let concluded = concluded.iter().find(|r| r["relationshipType"] == "hasConcludedLicense").unwrap();
    assert_eq!(concluded["to"], json!(["expandedlicensing_NoAssertionLicense"]));
    let expressions = of_type(&with, "simplelicensing_LicenseExpression");
    assert_eq!(expressions.len(), 1);
    assert_eq!(expressions[0]["simplelicensing_licenseExpression"], "CC-BY-4.0 AND MIT");
}
