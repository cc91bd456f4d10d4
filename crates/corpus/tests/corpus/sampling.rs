//! Sampling: the same documents each time, more of them when more are asked for.

use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use regimen_base::{Cancel, Hint};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::sample::{Amount, Options, Sampled, To, is_for_rows, sample};
use regimen_corpus::dolma::tag::Progress;
use regimen_recipe::input_files;

use crate::common::{build, gzip, project, zstd};

/// 3000 rows in three files, the texts of which have 10 bytes each.
fn many() -> tempfile::TempDir {
    let rows = |from: usize| -> Vec<u8> {
        let row = |i: usize| format!("{{\"id\":\"d{i}\", \"text\":\"t{i:09}\",\"source\":\"s\"}}\n");
        (from..from + 1000).map(row).collect::<String>().into_bytes()
    };
    project(&[
        ("in/a.jsonl", &rows(0)),
        ("in/b.jsonl.gz", &gzip(&rows(1000))),
        ("in/c.jsonl.zst", &zstd(&rows(2000))),
    ])
}

fn run(dir: &Path, amount: Amount, seed: u64, threads: usize) -> (Sampled, Vec<String>) {
    let files = input_files(dir, "in").unwrap();
    let to = dir.join("out.jsonl");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (progress, cancel) = (Progress::default(), Cancel::new());
    let options = Options { amount, seed, fields: Fields::default(), memory: 1 << 30 };
    let sampled =
        pool.install(|| sample(&files, &options, To::File(to.clone()), &progress, &cancel)).unwrap();
    let text = std::fs::read_to_string(to).unwrap();
    (sampled, text.lines().map(String::from).collect())
}

#[test]
fn rows_are_taken_as_they_are_by_hash_alone() {
    let dir = many();
    let (sampled, tenth) = run(dir.path(), Amount::Fraction(0.1), 0, 1);
    assert_eq!((sampled.read, sampled.documents), (3000, tenth.len() as u64));
    assert!((240..360).contains(&tenth.len()), "{}", tenth.len());
    assert!(tenth[0].contains("\", \"text\""), "as it was written: {}", tenth[0]);
    for threads in [2, 5] {
        assert_eq!(run(dir.path(), Amount::Fraction(0.1), 0, threads), (sampled, tenth.clone()));
    }
    let (_, fifth) = run(dir.path(), Amount::Fraction(0.2), 0, 2);
    assert!(tenth.iter().all(|row| fifth.contains(row)));
    let (_, others) = run(dir.path(), Amount::Fraction(0.1), 1, 2);
    assert!(others.iter().filter(|row| tenth.contains(row)).count() < tenth.len() / 3);
    // So many documents are those with the least hashes: they lie in the share with the nearest size.
    let (sampled, exact) = run(dir.path(), Amount::Documents(tenth.len() as u64), 0, 3);
    assert_eq!((sampled.documents, &exact), (tenth.len() as u64, &tenth));
    let (sampled, bytes) = run(dir.path(), Amount::Bytes(10 * tenth.len() as u64 - 9), 0, 2);
    assert_eq!((sampled.text_bytes, &bytes), (10 * tenth.len() as u64, &tenth));
    for (amount, count) in [
        (Amount::Documents(0), 0),
        (Amount::Bytes(0), 0),
        (Amount::Documents(9999), 3000),
        (Amount::Bytes(1 << 40), 3000),
        (Amount::Fraction(0.0), 0),
        (Amount::Fraction(1.0), 3000),
    ] {
        let (sampled, rows) = run(dir.path(), amount, 0, 2);
        assert_eq!((sampled.documents, rows.len()), (count, count as usize), "{amount:?}");
    }
}

#[test]
fn rows_without_ids_go_by_their_place_and_faults_are_placed() {
    let dir = project(&[("in/a.jsonl", "{\"text\":\"same\"}\n".repeat(50).as_bytes())]);
    let (sampled, _) = run(dir.path(), Amount::Documents(20), 0, 2);
    assert_eq!(sampled.documents, 20);
    for (rows, part) in [
        (&b"{\"text\":\"a\"}\n[1]\n"[..], "line 2, column"),
        (b"{\"text\":\"a\"}\n{\"body\":\"b\"}\n", "line 2: the row has no text field `text`"),
        (b"{\"text\":\"a\"}\n{\"text\":null}\n", "line 2: the row has no text field `text`"),
        (b"{\"text\":\"a\"}\n{\"text\":3}\n", "line 2: field `text` must be a text"),
        (b"{\"text\":\"a\"}\n\xff\xfe\n", "line 2: invalid UTF-8 at byte 0 of the line"),
        (b"\xff\xfe{\0}\0\n\0", "a.jsonl` begins with the mark of UTF-16"),
    ] {
        let dir = project(&[("in/a.jsonl", rows)]);
        let files = input_files(dir.path(), "in").unwrap();
        let to = To::File(dir.path().join("out.jsonl"));
        let (progress, cancel) = (Progress::default(), Cancel::new());
        let options =
            Options { amount: Amount::Bytes(9), seed: 0, fields: Fields::default(), memory: 1 << 30 };
        let told = sample(&files, &options, to, &progress, &cancel).unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
        assert!(!dir.path().join("out.jsonl").exists());
    }
}

/// A table of ids and texts; the text of the row with an empty one is null.
fn table(texts: &[&str]) -> Vec<u8> {
    let schema = "message m { required int64 id; optional binary text (UTF8); required binary lang (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let ids: Vec<i64> = (0..texts.len() as i64).collect();
    column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let there: Vec<ByteArray> = texts.iter().filter(|t| !t.is_empty()).map(|t| ByteArray::from(*t)).collect();
    let levels: Vec<i16> = texts.iter().map(|t| i16::from(!t.is_empty())).collect();
    column.typed::<ByteArrayType>().write_batch(&there, Some(&levels), None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let lang = vec![ByteArray::from("en"); texts.len()];
    column.typed::<ByteArrayType>().write_batch(&lang, None, None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn rows_of_tables_become_json_lines() {
    let dir = project(&[("in/a.parquet", &table(&["é one", "two", "three"]))]);
    let (sampled, rows) = run(dir.path(), Amount::Fraction(1.0), 0, 2);
    assert_eq!((sampled.documents, sampled.text_bytes), (3, 14));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&rows[0]).unwrap(),
        serde_json::json!({"id": "0", "text": "é one", "metadata": {"lang": "en"}})
    );
    let dir = project(&[("in/a.parquet", &table(&["one", "", "three"]))]);
    let files = input_files(dir.path(), "in").unwrap();
    let to = To::File(dir.path().join("out.jsonl"));
    let options =
        Options { amount: Amount::Documents(1), seed: 0, fields: Fields::default(), memory: 1 << 30 };
    let told = sample(&files, &options, to, &Progress::default(), &Cancel::new());
    let told = told.unwrap_err().to_string();
    assert!(told.contains("a.parquet`, row 2: the row has no text field `text`"), "{told}");
}

#[test]
fn a_file_whose_name_says_another_format_is_refused() {
    for (name, ending) in [
        ("a.parquet.gz", "parquet"),
        ("b/c.ORC", "ORC"),
        ("a.csv.gz", "csv"),
        ("a.arrow", "arrow"),
        ("a.txt.zst", "txt"),
        ("a.jsonl.bz2", "bz2"),
        ("a.jsonl.zstd", "zstd"),
        // Packed as the end says it is only where that is written small, and once.
        ("a.jsonl.GZ", "GZ"),
        ("a.jsonl.zst.gz", "zst"),
    ] {
        let error = To::file(Path::new(name)).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("`{name}` is for JSON lines, but its name ends in `.{ending}`")
        );
        assert!(error.hint().unwrap().contains(".jsonl.zst or .parquet"));
        let error = is_for_rows(Path::new(name)).unwrap_err();
        assert!(!error.hint().unwrap().contains(".parquet"), "a report is no table");
    }
    // An end that says nothing, or none, is as good as `.jsonl`.
    for name in [
        "a.jsonl",
        "a.jsonl.gz",
        "a.json",
        "a.ndjson.zst",
        "a",
        "a.v2",
        "csv",
        "a.csv/b",
        "a.gz",
        "/dev/stdout",
    ] {
        assert!(To::file(Path::new(name)).is_ok(), "{name}");
    }
}

#[test]
fn a_table_keeps_licences_beside_the_text_and_rows_without_one() {
    let rows =
        "{\"id\":\"a\",\"text\":\"Oaks.\",\"license\":\"MIT\",\"author_kind\":\"human\"}\n{\"id\":\"b\"}\n";
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let (files, path) = (input_files(dir.path(), "in").unwrap(), dir.path().join("t.parquet"));
    let options =
        Options { amount: Amount::Fraction(1.0), seed: 0, fields: Fields::default(), memory: 1 << 30 };
    let to = To::file(&path).unwrap();
    assert_eq!(sample(&files, &options, to, &Progress::default(), &Cancel::new()).unwrap().documents, 2);
    let config = "sources = [{ name = \"s\", path = \"t.parquet\" }]\nfilter = { quality = \"none\" }\nvalidation = 0\n\
                  missing_text = \"drop\"\n";
    let corpus = build(dir.path(), config);
    assert_eq!((corpus.len(), corpus.kept().count()), (2, 1));
    let row = corpus.row(0);
    assert_eq!((corpus.licence_name(row.licence), row.author.name()), ("MIT", "human"));
}

#[test]
fn a_table_holds_the_rows_that_json_lines_would() {
    let row = |i: u64| {
        let metadata = serde_json::json!({"n": i});
        let row =
            serde_json::json!({"id": i, "text": format!("é {i}"), "source": null, "metadata": metadata});
        if i.is_multiple_of(2) {
            format!("{row}\n")
        } else {
            format!("{}\n", row.to_string().replace("\"source\":null", "\"source\":\"s\",\"v\":[1]"))
        }
    };
    let rows: String = (0..500).map(row).collect();
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let (_, lines) = run(dir.path(), Amount::Documents(50), 0, 2);
    let files = input_files(dir.path(), "in").unwrap();
    let path = dir.path().join("out.parquet");
    let table = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options =
            Options { amount: Amount::Documents(50), seed: 0, fields: Fields::default(), memory: 1 << 30 };
        let to = To::file(&path).unwrap();
        let (progress, cancel) = (Progress::default(), Cancel::new());
        let sampled = pool.install(|| sample(&files, &options, to, &progress, &cancel)).unwrap();
        assert_eq!(sampled.documents, 50);
        std::fs::read(&path).unwrap()
    };
    assert_eq!(table(1), table(3));
    let options =
        regimen_corpus::parquet::Options { other: regimen_corpus::parquet::Other::All, ..Default::default() };
    let mut reader = regimen_corpus::parquet::Reader::open("t", &path, options).unwrap();
    for line in lines {
        let Some(regimen_corpus::parquet::Item::Row(found)) = reader.next().unwrap() else {
            panic!("{line}")
        };
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(found.text.as_deref(), row["text"].as_str());
        assert_eq!(found.id, Some(row["id"].to_string()));
        assert_eq!(found.other.get("source").and_then(|s| s.as_str()), row["source"].as_str());
        let json = |name: &str| -> serde_json::Value {
            found
                .other
                .get(name)
                .and_then(|x| x.as_str())
                .map_or(serde_json::Value::Null, |x| serde_json::from_str(x).unwrap())
        };
        // What a row says beside its text is where readers of tables look for it.
        let mut said = row["metadata"].clone();
        if let Some(v) = row.get("v") {
            said["v"] = v.clone();
        }
        assert_eq!(json("metadata"), said);
    }
    assert!(reader.next().unwrap().is_none());
    // What is read is not written over.
    std::fs::copy(&path, dir.path().join("in/b.parquet")).unwrap();
    let files = input_files(dir.path(), "in").unwrap();
    let to = To::file(&dir.path().join("in/b.parquet")).unwrap();
    let options =
        Options { amount: Amount::Documents(5), seed: 0, fields: Fields::default(), memory: 1 << 30 };
    let told = sample(&files, &options, to, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(told.to_string().contains("would be written over"), "{told}");
}
