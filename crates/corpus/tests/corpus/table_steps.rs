//! Steps on documents in tables: what they find is what they find in the same rows as JSON lines.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use regimen_base::{Cancel, Hint};
use regimen_corpus::dolma::decontaminate::{Against, Decontaminated, decontaminate};
use regimen_corpus::dolma::dedup::{By, Cut, Least, dedup};
use regimen_corpus::dolma::mix::{Edit, Pack, Source, mix};
use regimen_corpus::dolma::sample::{Amount, To, sample};
use regimen_corpus::dolma::stats::{FolderStats, stats};
use regimen_corpus::dolma::tag::{Progress, Summary, tag};
use regimen_corpus::dolma::{Fields, decontaminate as holding, dedup as deduping, mix as mixing};
use regimen_corpus::dolma::{sample as sampling, stats as counting, tag as tagging};
use regimen_corpus::tag::{Set, Wanted};
use regimen_corpus::{Error, Result};
use regimen_recipe::input_files;
use serde_json::{Value, json};

use crate::common::{gzip, project};

const MEMORY: u64 = 1 << 30;

/// A file of text columns, in row groups of so many rows.
fn table(columns: &[&str], rows: &[Vec<Option<String>>], group: usize) -> Vec<u8> {
    let column = |name: &&str| format!("optional binary {name} (UTF8);");
    let schema = format!("message m {{ {} }}", columns.iter().map(column).collect::<String>());
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for some in rows.chunks(group) {
        let mut group = writer.next_row_group().unwrap();
        for at in 0..columns.len() {
            let mut column = group.next_column().unwrap().unwrap();
            let values: Vec<ByteArray> =
                some.iter().filter_map(|row| row[at].as_deref()).map(ByteArray::from).collect();
            let levels: Vec<i16> = some.iter().map(|row| i16::from(row[at].is_some())).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

const COLUMNS: [&str; 5] = ["id", "text", "source", "url", "language"];

/// Row `i` of file `file`.
fn row(file: usize, i: usize) -> Vec<Option<String>> {
    let text = match i % 11 {
        0 => format!("é same\n\"quoted\" {}", i % 3),
        _ => format!("Line {i} of {file}.\nfooter\n{}", "more words about it, here\n".repeat(i % 40)),
    };
    let source = (!i.is_multiple_of(4)).then(|| "web".to_string());
    let url = Some(format!("https://example.org/{}", i % 50));
    vec![Some(format!("d{file}-{i}")), Some(text), source, url, Some("en".into())]
}

/// The same row as Dolma has it.
fn line(row: &[Option<String>]) -> Value {
    let mut line = json!({"id": row[0], "text": row[1], "metadata": {"url": row[3], "language": row[4]}});
    if let Some(source) = &row[2] {
        line["source"] = source.as_str().into();
    }
    line
}

/// The folder `t` of tables, and `l` of the same rows as lines: three files, of which the largest has several chunks.
fn folders() -> tempfile::TempDir {
    let mut files = Vec::new();
    for (file, count) in [(0, 4000), (1, 300), (2, 1)] {
        let rows: Vec<Vec<Option<String>>> = (0..count).map(|i| row(file, i)).collect();
        files.push((format!("t/documents/en/{file}.parquet"), table(&COLUMNS, &rows, 1500)));
        let lines: String = rows.iter().map(|row| format!("{}\n", line(row))).collect();
        files.push((format!("l/documents/en/{file}.jsonl.gz"), gzip(lines.as_bytes())));
    }
    let item = "more words about it, here more words about it";
    files.push((
        "items.jsonl".into(),
        format!(
            "{}\n{}\n",
            json!({"question": item, "id": 7}),
            json!({"question": "none of these words is there at all"})
        )
        .into_bytes(),
    ));
    files.push((
        "items.parquet".into(),
        table(
            &["question", "id"],
            &[
                vec![Some(item.into()), Some("7".into())],
                vec![Some("none of these words is there at all".into()), None],
            ],
            9,
        ),
    ));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    project(&files)
}

fn on<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

fn tagged(dir: &Path, folder: &str, fields: &Fields, memory: u64) -> Result<Summary> {
    let files = input_files(dir, &format!("{folder}/documents")).unwrap();
    let set = Set::new(&["length", "gopher_v1"].map(Wanted::named)).unwrap();
    let options = tagging::Options { experiment: "rules".into(), to: None, fields: fields.clone(), memory };
    tag(&files, &set, &options, &Progress::default(), &Cancel::new())
}

fn counted(dir: &Path, folder: &str, fields: &Fields) -> Result<FolderStats> {
    let files = input_files(dir, &format!("{folder}/documents")).unwrap();
    let options = counting::Options { attributes: None, fields: fields.clone(), memory: MEMORY };
    stats(&files, &options, &Progress::default(), &Cancel::new())
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let mut reader = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    text
}

/// All files below a folder, unpacked, those of tables under the names of lines.
fn tree(dir: &Path, folder: &str) -> BTreeMap<String, Vec<Value>> {
    let files = regimen_base::fs::files_below(&dir.join(folder)).unwrap();
    let seen = files
        .into_iter()
        .map(|path| path.to_str().unwrap().to_string())
        .filter(|path| !path.contains(".regimen"));
    let rows = |path: &str| {
        unpacked(&dir.join(folder).join(path))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    seen.map(|path| (path.replace(".parquet.jsonl", ".jsonl"), rows(&path))).collect()
}

/// Every step over one of the folders: what it told of itself.
fn steps(dir: &Path, folder: &str, items: &str) -> (Summary, FolderStats, Decontaminated, u64) {
    let files = input_files(dir, &format!("{folder}/documents")).unwrap();
    let (progress, cancel, fields) = (Progress::default(), Cancel::new(), Fields::default());
    let done = tagged(dir, folder, &fields, MEMORY).unwrap();
    let cut = Cut { separator: "\n".into(), least: Least::default() };
    for (by, name) in
        [(By::Paragraph { cut, bloom: None }, "dup"), (By::Url { keep: Default::default() }, "url")]
    {
        let options =
            deduping::Options { by, name: name.into(), to: None, fields: fields.clone(), memory: MEMORY };
        assert!(dedup(&files, &options, &progress, &cancel).unwrap().marked > 100);
    }
    let stats = counted(dir, folder, &fields).unwrap();
    let source = Source {
        name: "mixed".into(),
        documents: files.clone(),
        fields: fields.clone(),
        attributes: vec!["rules".into(), "dup".into()],
        include: vec!["source == 'web' and metadata.language == 'en'".into()],
        drop: vec!["length.words < 9".into()],
        edit: vec![Edit { spans: "dup".into(), replace: String::new(), when: None, least: None }],
        discard: Vec::new(),
        weight: 1.0,
    };
    let options = mixing::Options {
        to: dir.join(folder).join("mixed"),
        shard: 1,
        pack: Pack::Gz,
        temperature: 1.0,
        budget: 0,
        max_copies: 1,
        keep_map: false,
        memory: MEMORY,
    };
    let mixed = mix(&[source], &options, &progress, &cancel).unwrap();
    assert!(mixed.sources[0].written.documents > 1000 && mixed.sources[0].edited > 1000);
    let sets = [Against {
        name: "set".into(),
        file: dir.join(items),
        called: items.into(),
        field: "question".into(),
    }];
    let options = holding::Options {
        n: 7,
        exact: true,
        least: 0.0,
        experiment: "eval".into(),
        to: None,
        fields: fields.clone(),
        report: dir.join(folder).join("hits.jsonl.gz"),
        clean: Some(dir.join(folder).join("clean")),
        memory: MEMORY,
    };
    let found = decontaminate(&files, &sets, &options, &progress, &cancel).unwrap();
    assert!(found.contaminated > 1000 && found.sets[0].items == 2 && found.sets[0].items_hit == 1);
    let options = sampling::Options { amount: Amount::Documents(100), fields, seed: 0, memory: MEMORY };
    let to = To::File(dir.join(folder).join("sample.jsonl.gz"));
    let sampled = sample(&files, &options, to, &progress, &cancel).unwrap();
    (done, stats, found, sampled.text_bytes)
}

#[test]
fn every_step_finds_in_tables_what_it_finds_in_lines() {
    let dir = folders();
    let of_lines = on(2, || steps(dir.path(), "l", "items.jsonl"));
    let lines = tree(dir.path(), "l");
    assert_eq!(of_lines.0.documents, 4301);
    assert_eq!(lines.keys().filter(|name| name.starts_with("attributes/")).count(), 12);
    let of_tables = on(1, || steps(dir.path(), "t", "items.parquet"));
    assert_eq!(of_tables, of_lines);
    std::fs::rename(dir.path().join("t/documents"), dir.path().join("documents")).unwrap();
    let mut tables = tree(dir.path(), "t");
    let again = tables.clone();
    // What names the file has the name of the table.
    for (name, rows) in &mut tables {
        let texts = rows.iter().map(Value::to_string);
        let same = |text: String| text.replace("t/documents", "l/documents").replace(".parquet", ".jsonl.gz");
        let same = texts.map(|text| serde_json::from_str::<Value>(&same(text)).unwrap());
        *rows = same.collect();
        // A column of texts has no numbers.
        for id in rows.iter_mut().filter_map(|row| row.get_mut("item_id")) {
            *id = 7.into();
        }
        assert!(*rows == lines[name], "{name}");
    }
    assert_eq!(tables.len(), lines.keys().filter(|name| !name.starts_with("documents/")).count());
    // The same bytes on any number of threads.
    std::fs::remove_dir_all(dir.path().join("t")).unwrap();
    std::fs::create_dir(dir.path().join("t")).unwrap();
    std::fs::rename(dir.path().join("documents"), dir.path().join("t/documents")).unwrap();
    on(3, || steps(dir.path(), "t", "items.parquet"));
    std::fs::rename(dir.path().join("t/documents"), dir.path().join("documents")).unwrap();
    assert!(tree(dir.path(), "t") == again);
}

#[test]
fn tables_and_lines_lie_side_by_side_and_rows_without_an_id_go_by_their_place() {
    let rows = |texts: &[&str]| -> Vec<Vec<Option<String>>> {
        texts.iter().map(|text| vec![Some(text.to_string()), Some(text.to_uppercase())]).collect()
    };
    let parquet = table(&["text", "content"], &rows(&["one two", "three"]), 1);
    let dir = project(&[
        ("d/documents/x.parquet", &parquet),
        ("d/documents/x.jsonl.gz", &gzip(b"{\"id\":\"a\",\"text\":\"x y z\"}\n")),
        ("d/documents/x.csv", b"id,text\nc,four words are here\n"),
    ]);
    let usual = Fields::default();
    let done = tagged(dir.path(), "d", &usual, MEMORY).unwrap();
    assert_eq!((done.files, done.documents), (3, 4));
    let attributes = tree(dir.path(), "d/attributes/rules");
    let ids = |name: &str| attributes[name].iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("x.csv.jsonl.gz"), ["c"]);
    let path = |name: &str| dir.path().join("d/attributes/rules").join(name);
    let of_table = unpacked(&path("x.parquet.jsonl.gz"));
    assert!(of_table.starts_with("{\"id\":\"d/documents/x.parquet:1\","), "{of_table}");
    assert!(unpacked(&path("x.jsonl.gz")).starts_with("{\"id\":\"a\","));
    let found = counted(dir.path(), "d", &usual).unwrap();
    assert_eq!((found.read.documents, found.read.words), (4, 10));
    assert_eq!(found.numbers.iter().find(|a| a.numbers.name == "rules__length__words").unwrap().documents, 4);
    // What is done is passed over, but not for another column.
    assert_eq!(tagged(dir.path(), "d", &usual, MEMORY).unwrap().skipped, 3);
    std::fs::remove_file(dir.path().join("d/documents/x.csv")).unwrap();
    std::fs::remove_file(dir.path().join("d/documents/x.jsonl.gz")).unwrap();
    let other = Fields { text: Some("content".into()), id: Some("text".into()), ..Fields::default() };
    assert_eq!(tagged(dir.path(), "d", &other, MEMORY).unwrap().skipped, 0);
    assert!(unpacked(&path("x.parquet.jsonl.gz")).starts_with("{\"id\":\"one two\","));
    assert_eq!(counted(dir.path(), "d", &other).unwrap().read.documents, 2);
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_place() {
    let some = |text: &str| Some(text.to_string());
    let told = |columns: &[&str], rows: &[Vec<Option<String>>], fields: Fields, memory: u64| -> Error {
        let dir = project(&[("d/documents/x.parquet", &table(columns, rows, 9))]);
        let error = tagged(dir.path(), "d", &fields, memory).unwrap_err();
        assert!(!dir.path().join("d/attributes/rules/x.parquet.jsonl.gz").exists());
        error
    };
    let usual = Fields::default();
    let error = told(&["body"], &[vec![some("x")]], usual.clone(), MEMORY);
    assert_eq!(error.to_string(), "`d/documents/x.parquet`: column `text`: the file has no such column");
    assert!(error.hint().unwrap().contains("columns body") && error.hint().unwrap().contains("--text-field"));
    let id = Fields { id: some("nr"), ..Fields::default() };
    let error = told(&["text"], &[vec![some("x")]], id, MEMORY);
    assert_eq!(error.to_string(), "`d/documents/x.parquet`: column `nr`: the file has no such column");
    let error = told(&["id", "text"], &[vec![None, some("x")], vec![some("a"), None]], usual.clone(), MEMORY);
    assert!(error.to_string().contains("x.parquet`, row 2: the row has no text field `text`"), "{error}");
    assert!(error.hint().unwrap().contains("--text-field"));
    // Line feeds take two bytes of a line.
    let long = "\n".repeat(2_500_000);
    let error = told(&["text"], &[vec![some("x")], vec![some(&long)]], usual.clone(), 50_000_000);
    assert!(error.to_string().starts_with("`d/documents/x.parquet`, row 2: longer than"), "{error}");
    assert!(error.hint().unwrap().contains("--memory"));
    let dir = project(&[("d/documents/x.parquet", b"{\"id\":1}\n")]);
    let error = tagged(dir.path(), "d", &usual, MEMORY).unwrap_err().to_string();
    assert!(error.contains("x.parquet` is no Parquet file"), "{error}");
}

#[test]
fn long_rows_of_tables_wait_for_each_other() {
    let rows: Vec<Vec<Option<String>>> =
        (0..12).map(|i| vec![Some("long words ".repeat(if i % 3 == 0 { 200_000 } else { 9 }))]).collect();
    let (a, b) = (table(&["text"], &rows, 5), table(&["text"], &rows[3..], 5));
    let attributes = |threads: usize| {
        let dir = project(&[("d/documents/a.parquet", &a), ("d/documents/b.parquet", &b)]);
        on(threads, || tagged(dir.path(), "d", &Fields::default(), 60_000_000)).unwrap();
        on(threads, || counted(dir.path(), "d", &Fields::default())).unwrap();
        ["a", "b"].map(|name| {
            std::fs::read(dir.path().join(format!("d/attributes/rules/{name}.parquet.jsonl.gz"))).unwrap()
        })
    };
    assert!(attributes(1) == attributes(3));
}

#[test]
fn sets_in_tables_are_checked_as_those_of_lines() {
    let dir = folders();
    let set = |content: &[u8], name: &str| {
        std::fs::write(dir.path().join(name), content).unwrap();
        let mut wanted = Wanted::named("decontaminate");
        wanted.params.insert("items".into(), dir.path().join(name).to_str().unwrap().into());
        wanted.params.insert("field".into(), "question".into());
        Set::new(&[wanted]).map(drop).unwrap_err()
    };
    let error = set(&table(&["answer"], &[vec![Some("x".into())]], 9), "s.parquet");
    assert!(
        error.to_string().contains("s.parquet`: column `question`: the file has no such column"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("columns answer"));
    let error = set(&table(&["question"], &[vec![Some("x".into())], vec![None]], 9), "s.parquet");
    assert!(error.to_string().contains("s.parquet`, row 2: the row has no field `question`"), "{error}");
    assert!(error.hint().unwrap().contains("--field"));
    let error = set(&table(&["question"], &[], 9), "s.parquet");
    assert!(error.to_string().contains("has no rows"), "{error}");
    let error = set(b"answer\nx\n", "s.csv");
    assert!(error.to_string().contains("s.csv`: column `question`"), "{error}");
}
