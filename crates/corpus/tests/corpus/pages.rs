//! Sources of crawls, pages and tables.

use std::io::{BufRead, Read};

use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use regimen_corpus::dolma::mix::Pack;
use regimen_corpus::inspect::{export, stats};
use regimen_corpus::warc::{Item, Options, Reader, Record, Span};
use regimen_corpus::{Corpus, parquet};

use crate::common::{build, fault, gzip, project, texts, zstd};

/// A record of a WARC file.
fn record(kind: &str, id: usize, media: &str, uri: &str, block: &[u8]) -> Vec<u8> {
    let head = format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{id}>\r\nWARC-Date: 2020-05-06T07:08:09Z\r\n\
         WARC-Target-URI: {uri}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        block.len()
    );
    [head.as_bytes(), block, b"\r\n\r\n"].concat()
}

fn page(words: &str) -> String {
    let paragraph =
        format!("<p>{}</p>", format!("{words} and so on it goes for a while in this text. ").repeat(6));
    format!(
        "<html><head><title>T</title></head><body><nav><a href=/>home</a></nav><article>{paragraph}</article></body></html>"
    )
}

fn config(format: &str, path: &str, more: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", path = \"{path}\", format = \"{format}\" }}]\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n{more}\n"
    )
}

fn crawl() -> Vec<u8> {
    let answer = |body: &str, media: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let http = "application/http; msgtype=response";
    [
        gzip(&record("warcinfo", 0, "application/warc-fields", "x", b"software: x\r\n")),
        gzip(&record(
            "request",
            1,
            "application/http; msgtype=request",
            "http://a.org/",
            b"GET / HTTP/1.1\r\n\r\n",
        )),
        gzip(&record(
            "response",
            2,
            http,
            "http://a.org/",
            &answer(&page("Trees are tall"), "text/html; charset=utf-8"),
        )),
        gzip(&record("response", 3, http, "http://a.org/i.png", &answer("\u{0}PNG", "image/png"))),
        gzip(&record("conversion", 4, "text/plain", "http://b.org/", "Plain text of a pagé.".as_bytes())),
        gzip(&record(
            "response",
            5,
            http,
            "http://www.a.org",
            &answer(&page("Trees are small"), "text/html"),
        )),
    ]
    .concat()
}

fn names(corpus: &Corpus) -> Vec<(String, String)> {
    (0..corpus.len() as u32)
        .map(|o| {
            let reason = corpus.row(o).dropped.map_or("kept", |reason| corpus.reason_name(reason));
            (corpus.id(o).to_string(), reason.to_string())
        })
        .collect()
}

#[test]
fn records_of_a_crawl_become_documents_with_their_place_and_day() {
    let dir = project(&[("c/x.warc.gz", &crawl())]);
    let corpus = build(dir.path(), &config("auto", "c", "dedup_url = true"));
    let expected = [("2", "kept"), ("3", "missing_text"), ("4", "kept"), ("5", "duplicate_url")];
    assert_eq!(names(&corpus), expected.map(|(id, reason)| (format!("urn:uuid:{id}"), reason.to_string())));
    let kept = texts(&corpus);
    assert!(kept[0].starts_with("Trees are tall and so on") && !kept[0].contains("home"), "{}", kept[0]);
    assert_eq!(kept[1], "Plain text of a pagé.");
    assert_eq!(corpus.place(2).to_string(), "`c/x.warc.gz`, record 3");
    // 2020-05-06.
    assert_eq!(corpus.row(0).created, Some(18_388));
    assert_eq!(corpus.metadata(0).unwrap(), Some(r#"{"url":"http://a.org/"}"#));
}

#[test]
fn resources_are_pages_without_headers() {
    let html =
        |media: &str, id: usize, block: &[u8]| gzip(&record("resource", id, media, "http://a.org/", block));
    let latin: Vec<u8> = page("Les \u{e9}t\u{e9}s").chars().map(|c| c as u8).collect();
    let file = [
        html("text/html", 1, page("Trees are tall").as_bytes()),
        html("text/html; charset=ISO-8859-1", 2, &latin),
        html("application/xhtml+xml", 3, page("Trees are small").as_bytes()),
        html("image/png", 4, b"\x89PNG"),
        html("text/plain", 5, b"Plain text."),
        gzip(&record("metadata", 6, "text/anvl", "http://a.org/", b"a: b")),
        // What wget writes of itself.
        gzip(&record(
            "resource",
            7,
            "text/plain",
            "metadata://gnu.org/software/wget/warc/MANIFEST.txt",
            b"<urn:uuid:0>",
        )),
    ]
    .concat();
    let dir = project(&[("x.warc.gz", &file)]);
    let corpus =
        build(dir.path(), &config("auto", "x.warc.gz", "drop = ['metadata.title != \"T\" and bytes > 20']"));
    let expected = [("1", "kept"), ("2", "kept"), ("3", "kept"), ("4", "missing_text"), ("5", "kept")];
    assert_eq!(names(&corpus), expected.map(|(id, reason)| (format!("urn:uuid:{id}"), reason.to_string())));
    let kept = texts(&corpus);
    assert!(kept[1].starts_with("Les \u{e9}t\u{e9}s and so on"), "{}", kept[1]);
    assert!(kept[2].starts_with("Trees are small") && kept[3] == "Plain text.", "{kept:?}");
    assert_eq!(at(&file, corpus.span(1).unwrap().unwrap()).id, "urn:uuid:2");
}

#[test]
fn a_crawl_that_is_cut_off_is_an_error_or_is_passed_over() {
    let whole = crawl();
    let cut = &whole[..whole.len() - 60];
    let (message, hint) = fault(&[("x.warc.gz", cut)], &config("auto", "x.warc.gz", ""));
    assert!(
        message.contains("x.warc.gz") && message.contains("byte") && !hint.is_empty(),
        "{message} {hint}"
    );
    let dir = project(&[("x.warc.gz", cut)]);
    let corpus = build(dir.path(), &config("auto", "x.warc.gz", "missing_text = \"drop\""));
    assert_eq!(corpus.kept().count(), 2);
    assert_eq!(names(&corpus).iter().filter(|(_, reason)| reason == "missing_text").count(), 2);
}

#[test]
fn pages_of_a_folder_become_their_main_text() {
    let dir = project(&[
        ("p/a.html", page("One page").as_bytes()),
        ("p/b.htm", page("Another page").as_bytes()),
        (
            "p/broken.html",
            b"<<div><p>Unclosed <b>words that go on for long enough to be kept as the text of it",
        ),
    ]);
    let corpus = build(dir.path(), &config("auto", "p", ""));
    let kept = texts(&corpus);
    assert!(kept[0].starts_with("One page") && kept[1].starts_with("Another page"), "{kept:?}");
    assert!(kept[2].contains("Unclosed words that go on"), "{kept:?}");
    assert_eq!(corpus.id(0), "p/a.html");
}

#[test]
fn packed_pages_are_unpacked_and_long_ones_refused() {
    let html = page("One page");
    let (gz, zst) = (gzip(html.as_bytes()), zstd(html.as_bytes()));
    // The bytes tell, whatever the name says.
    let dir = project(&[("p/a.html.gz", &gz), ("p/b.html.zst", &zst), ("p/c.html", &gz)]);
    let corpus = build(dir.path(), &config("auto", "p", "dedup = \"none\""));
    let kept = texts(&corpus);
    assert!(kept.len() == 3 && kept.iter().all(|text| text.starts_with("One page and so on")), "{kept:?}");
    let long = gzip(&vec![b'a'; 20 << 20]);
    let config = config("auto", "a.html.gz", "memory = 50_000_000");
    let (message, hint) = fault(&[("a.html.gz", &long)], &config);
    assert!(
        message
            .starts_with("`a.html.gz`: longer than the 4.69 MB that fit into the memory (21.0 MB or more)"),
        "{message}"
    );
    assert!(hint.contains("--memory 224MB"), "{hint}");
}

#[test]
fn what_is_no_table_is_refused() {
    let (message, _) =
        fault(&[("x.parquet", b"PAR1 nothing of the kind PAR1")], &config("auto", "x.parquet", ""));
    assert!(message.contains("x.parquet"), "{message}");
    let (message, hint) = fault(&[("x.data", b"{\"id\": 1}\n")], &config("parquet", "x.data", ""));
    assert!(message.starts_with("`x.data` is no Parquet file: "), "{message}");
    assert!(hint.contains("`format`"), "{hint}");
}

/// A Parquet file with columns of texts, which lie one after the other in the schema.
fn table<const N: usize>(schema: &str, columns: &[[&str; N]]) -> Vec<u8> {
    let columns: Vec<_> = columns.iter().map(|values| values.map(|value| Some(value.as_bytes()))).collect();
    cells(schema, &columns)
}

/// The same of bytes, some of which may be null.
fn cells<const N: usize>(schema: &str, columns: &[[Option<&[u8]>; N]]) -> Vec<u8> {
    let schema = parse_message_type(schema).unwrap().into();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for cells in columns {
        let mut column = rows.next_column().unwrap().unwrap();
        let values: Vec<_> = cells.iter().flatten().map(|value| ByteArray::from(value.to_vec())).collect();
        let levels = cells.map(|cell| i16::from(cell.is_some()));
        let levels = cells.contains(&None).then_some(&levels[..]);
        column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
        column.close().unwrap();
    }
    rows.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn rows_of_tables_say_what_rows_of_json_do() {
    let all = [["MIT", "CC0-1.0"], ["human", "machine"], ["http://a.b/c", "http://a.b/c"]];
    let [licences, kinds, urls] = all;
    let texts = [["a", "b"], ["one text", "another text"]];
    let fields =
        "required binary license (UTF8); required binary author_kind (UTF8); required binary url (UTF8);";
    let both = "required binary id (UTF8); required binary text (UTF8);";
    let flat =
        table(&format!("message m {{ {both} {fields} }}"), &[texts[0], texts[1], licences, kinds, urls]);
    let group = table(
        &format!("message m {{ {both} required group metadata {{ {fields} }} }}"),
        &[texts[0], texts[1], licences, kinds, urls],
    );
    let json = [0, 1].map(|i| {
        format!(r#"{{"license":"{}","author_kind":"{}","url":"{}"}}"#, licences[i], kinds[i], urls[i])
    });
    let as_text = table(
        &format!("message m {{ {both} required binary metadata (UTF8); }}"),
        &[texts[0], texts[1], [&json[0], &json[1]]],
    );
    let rows = |beside: bool| {
        let row = |i: usize| match beside {
            true => format!("{{\"id\":\"{}\",\"text\":\"{}\",{}", texts[0][i], texts[1][i], &json[i][1..]),
            false => format!(r#"{{"id":"{}","text":"{}","metadata":{}}}"#, texts[0][i], texts[1][i], json[i]),
        };
        format!("{}\n{}\n", row(0), row(1)).into_bytes()
    };
    for (name, file) in [
        ("x.parquet", &flat),
        ("x.parquet", &group),
        ("x.parquet", &as_text),
        ("x.jsonl", &rows(true)),
        ("x.jsonl", &rows(false)),
    ] {
        let dir = project(&[(name, file)]);
        let corpus = build(dir.path(), &config("auto", name, ""));
        let rows = [0, 1].map(|o| corpus.row(o));
        assert_eq!(rows.clone().map(|row| corpus.licence_name(row.licence).to_string()), licences);
        assert_eq!(rows.map(|row| row.author.name()), kinds);
        let corpus = build(dir.path(), &config("auto", name, "dedup_url = true"));
        assert_eq!(corpus.kept().count(), 1, "{name}");
        let drop = "drop = ['metadata.author_kind == \"human\"']";
        assert_eq!(build(dir.path(), &config("auto", name, drop)).id(1), "b");
        assert_eq!(build(dir.path(), &config("auto", name, drop)).kept().collect::<Vec<_>>(), [1], "{name}");
    }
    let bad =
        table(&format!("message m {{ {both} {fields} }}"), &[texts[0], texts[1], licences, ["x", "y"], urls]);
    let (message, _) = fault(&[("x.parquet", &bad)], &config("auto", "x.parquet", ""));
    assert!(message.contains("`x.parquet`, row 1") && message.contains("author_kind"), "{message}");
}

#[test]
fn pages_of_tables_stay_within_the_memory() {
    // One cell that packs to nothing.
    use ::parquet::basic::{Compression, ZstdLevel};
    let schema = "message m { required binary id (UTF8); required binary text (UTF8); }";
    let properties = ::parquet::file::properties::WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false);
    let schema = parse_message_type(schema).unwrap().into();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties.build().into()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for value in ["a".into(), "x ".repeat(10 << 20)] {
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[ByteArray::from(value.as_str())], None, None).unwrap();
        column.close().unwrap();
    }
    rows.close().unwrap();
    let file = writer.into_inner().unwrap();
    assert!(file.len() < 100_000);
    let of = |memory: u64| config("auto", "x.parquet", &format!("memory = {memory}"));
    let (message, hint) = fault(&[("x.parquet", &file)], &of(50_000_000));
    assert!(message.starts_with("`x.parquet` has a page of 21.0 MB; at most 12.5 MB fit"), "{message}");
    assert!(hint.contains("--memory 84MB") && hint.contains("smaller pages"), "{hint}");
    // The page fits, the text does not.
    let (message, _) = fault(&[("x.parquet", &file)], &of(100_000_000));
    assert!(message.starts_with("`x.parquet`, row 1: longer than the "), "{message}");
    let dir = project(&[("x.parquet", &file)]);
    assert_eq!(build(dir.path(), &of(400_000_000)).kept().count(), 1);
}

#[test]
fn texts_of_tables_that_are_not_utf8_are_treated_as_the_recipe_says() {
    for kind in ["(UTF8)", ""] {
        let schema = format!("message m {{ required binary id (UTF8); required binary text {kind}; }}");
        let columns = [[&b"a"[..], b"b", b"c"], [b"one", b"tw\xff", b"three"]];
        let file = cells(&schema, &columns.map(|values| values.map(Some)));
        let (message, hint) = fault(&[("x.parquet", &file)], &config("auto", "x.parquet", ""));
        assert_eq!(message, "`x.parquet`, row 2: column `text`: invalid UTF-8 at byte 2");
        assert!(hint.contains("invalid_utf8"), "{hint}");
        let dir = project(&[("x.parquet", &file)]);
        let corpus = build(dir.path(), &config("auto", "x.parquet", "invalid_utf8 = \"replace\""));
        assert_eq!(texts(&corpus), ["one", "tw\u{fffd}", "three"]);
        assert!(corpus.row(1).repaired && !corpus.row(2).repaired);
        let corpus = build(dir.path(), &config("auto", "x.parquet", "invalid_utf8 = \"drop\""));
        assert_eq!(texts(&corpus), ["one", "three"]);
        assert_eq!(names(&corpus)[1], ("b".to_string(), "invalid_utf8".to_string()));
    }
}

#[test]
fn rows_of_tables_without_text_are_treated_as_the_recipe_says() {
    let schema = "message m { required binary id (UTF8); optional binary text (UTF8); }";
    let ids = [&b"a"[..], b"b", b"c"].map(Some);
    let file = cells(schema, &[ids, [Some(b"one"), None, Some(b"three")]]);
    let (message, hint) = fault(&[("x.parquet", &file)], &config("auto", "x.parquet", ""));
    assert_eq!(message, "`x.parquet`, row 2: the row has no text field `text`");
    assert!(hint.contains("text_field") && hint.contains("missing_text"), "{hint}");
    let dir = project(&[("x.parquet", &file)]);
    let corpus = build(dir.path(), &config("auto", "x.parquet", "missing_text = \"drop\""));
    assert_eq!(texts(&corpus), ["one", "three"]);
    assert_eq!(names(&corpus)[1], ("b".to_string(), "missing_text".to_string()));
}

/// The record at a place of a file, found by that place alone.
fn at(file: &[u8], span: Span) -> Box<Record> {
    let start = span.offset as usize;
    let end = span.length.map_or(file.len(), |length| start + length as usize);
    let mut unpacked = Vec::new();
    match &file[start..] {
        [0x1f, 0x8b, ..] => {
            Read::read_to_end(&mut flate2::read::GzDecoder::new(&file[start..end]), &mut unpacked).unwrap();
        }
        [0x28, 0xb5, ..] => unpacked = zstd::decode_all(&file[start..end]).unwrap(),
        _ => unpacked = file[start..end].to_vec(),
    }
    let record = &unpacked[span.within as usize..];
    match Reader::new("part", record, Options::default()).unwrap().next().unwrap().unwrap() {
        Item::Record(record) => record,
        Item::Skipped(skipped) => panic!("{skipped:?}"),
    }
}

#[test]
fn a_record_is_found_again_at_the_bytes_that_the_corpus_keeps() {
    let http = "application/http; msgtype=response";
    let records: Vec<Vec<u8>> = (0..40)
        .flat_map(|i| {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nText of page {i}. ")
                .repeat(1 + i % 3);
            let uri = format!("http://a.org/{i}");
            [
                record(
                    "request",
                    100 + i,
                    "application/http; msgtype=request",
                    &uri,
                    b"GET / HTTP/1.1\r\n\r\n",
                ),
                record("response", i, http, &uri, answer.as_bytes()),
            ]
        })
        .collect();
    let members: Vec<u8> = records.iter().flat_map(|record| gzip(record)).collect();
    let frames: Vec<u8> = records.iter().flat_map(|record| zstd(record)).collect();
    let files: [(&str, Vec<u8>); 4] = [
        ("c/a.warc", records.concat()),
        ("c/b.warc.gz", members),
        ("c/c.warc.zst", frames),
        // Many records in one member, which is against the standard and happens.
        ("c/d.warc.gz", gzip(&records.concat())),
    ];
    for (name, content) in &files {
        let dir = project(&[(name, content)]);
        let corpus = build(dir.path(), &config("auto", "c", ""));
        assert_eq!(corpus.len(), 40);
        for ordinal in 0..40 {
            let span = corpus.span(ordinal).unwrap().unwrap();
            let found = at(content, span);
            assert_eq!(found.id, corpus.id(ordinal), "{name}: {span}");
            let text = String::from_utf8(found.payload.clone()).unwrap();
            let body = text.split_once("\r\n\r\n").unwrap().1;
            assert_eq!(body, corpus.text(ordinal).unwrap().unwrap());
            // In files that keep to the standard the bytes are those of this record alone.
            let alone = &records[2 * ordinal as usize + 1];
            match *name {
                "c/a.warc" => {
                    assert_eq!(&content[span.offset as usize..][..span.length.unwrap() as usize], &alone[..]);
                }
                "c/d.warc.gz" => assert_eq!((span.offset, span.within > 0), (0, true)),
                _ => assert_eq!(span.within, 0),
            }
        }
    }
}

#[test]
fn other_sources_have_no_places_of_records_and_cost_nothing_for_them() {
    let dir = project(&[("a.txt", b"One text."), ("x.warc.gz", &crawl())]);
    let artifact = crate::common::stage(dir.path(), &config("auto", "a.txt", "")).unwrap();
    assert!(!artifact.path.join("place.bin").exists());
    assert_eq!(Corpus::open(&artifact).unwrap().span(0).unwrap(), None);
    let both = "sources = [{ name = \"t\", path = \"a.txt\" }, { name = \"c\", path = \"x.warc.gz\" }]\n\
                filter = { quality = \"none\" }\nvalidation = 0\n";
    let corpus = build(dir.path(), both);
    assert_eq!(corpus.span(0).unwrap(), None);
    assert!(corpus.span(1).unwrap().is_some());
    // A crawl that is cut off: what was passed over has its bytes too.
    let whole = crawl();
    let cut = &whole[..whole.len() - 60];
    let dir = project(&[("x.warc.gz", cut)]);
    let corpus = build(dir.path(), &config("auto", "x.warc.gz", "missing_text = \"drop\""));
    let last = corpus.span(corpus.len() as u32 - 1).unwrap().unwrap();
    assert_eq!(last.offset + last.length.unwrap(), cut.len() as u64);
}

/// A record of a WAT file, about the answer to `uri`.
fn described(id: usize, uri: &str, metadata: &serde_json::Value) -> Vec<u8> {
    let json = serde_json::json!({
        "Container": {"Filename": "CC-MAIN.warc.gz", "Offset": "4711", "Compressed": true},
        "Envelope": {"WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": uri}, "Payload-Metadata": metadata},
    });
    gzip(&record("metadata", id, "application/json", uri, json.to_string().as_bytes()))
}

fn wat() -> Vec<u8> {
    let answer = |html: serde_json::Value| {
        serde_json::json!({"HTTP-Response-Metadata": {"Response-Message": {"Status": "200"},
            "Headers": {"Content-Type": "text/html"}, "HTML-Metadata": html}})
    };
    let page = serde_json::json!({
        "Head": {"Title": "Trees", "Metas": [{"name": "description", "content": "All about trees."}]},
        "Links": [{"path": "A@/href", "url": "/oak", "text": "The oak"}, {"path": "IMG@/src", "url": "/i.png", "alt": "x"},
            {"path": "A@/href", "url": "/elm", "text": "  The\n elm "}],
    });
    [
        gzip(&record("warcinfo", 0, "application/warc-fields", "x", b"software: x\r\n")),
        described(1, "http://a.org/", &serde_json::json!({"HTTP-Request-Metadata": {}})),
        described(2, "http://a.org/", &answer(page)),
        described(
            3,
            "http://a.org/i.png",
            &serde_json::json!({"HTTP-Response-Metadata": {"Headers": {"Content-Type": "image/png"}}}),
        ),
        described(4, "http://b.org/", &answer(serde_json::json!({"Head": {"Title": "Only a title"}}))),
    ]
    .concat()
}

#[test]
fn records_of_wat_files_are_titles_descriptions_and_link_texts() {
    let file = wat();
    for (name, format) in [("x.warc.wat.gz", "auto"), ("x.gz", "warc")] {
        let dir = project(&[(name, &file)]);
        let more = "drop = ['metadata.links == 0 and metadata.warc_file_offset == 4711']";
        let corpus = build(dir.path(), &config(format, name, more));
        let expected = [("2", "kept"), ("3", "missing_text"), ("4", "drop_1")];
        assert_eq!(
            names(&corpus),
            expected.map(|(id, reason)| (format!("urn:uuid:{id}"), reason.to_string()))
        );
        assert_eq!(texts(&corpus), ["Trees\nAll about trees.\nThe oak\nThe elm"]);
        let span = corpus.span(0).unwrap().unwrap();
        assert_eq!(at(&file, span).id, "urn:uuid:2");
        assert_eq!(corpus.row(0).created, Some(18_388));
    }
}

#[test]
fn a_wat_record_that_is_no_json_is_an_error_or_is_passed_over() {
    let broken =
        gzip(&record("metadata", 5, "application/json", "http://c.org/", b"{\"HTTP-Response-Metadata\": {"));
    let file = [wat(), broken].concat();
    let (message, hint) = fault(&[("x.wat.gz", &file)], &config("auto", "x.wat.gz", ""));
    let place = format!("`x.wat.gz`, byte {}: WARC block: ", wat().len());
    assert!(message.starts_with(&place) && !hint.is_empty(), "{message} {hint}");
    let dir = project(&[("x.wat.gz", &file)]);
    let corpus = build(dir.path(), &config("auto", "x.wat.gz", "missing_text = \"drop\""));
    assert_eq!(names(&corpus).last().unwrap(), &("urn:uuid:5".to_string(), "missing_text".to_string()));
}

#[test]
fn a_corpus_of_a_program_that_kept_no_places_opens_as_before() {
    let dir = project(&[("x.warc.gz", &crawl())]);
    let artifact = crate::common::stage(dir.path(), &config("auto", "x.warc.gz", "")).unwrap();
    let old = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&artifact.path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_file() && !name.starts_with("place.") {
            std::fs::copy(&path, old.path().join(name)).unwrap();
        }
    }
    let names = old.path().join("names.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&names).unwrap()).unwrap();
    assert_eq!(json.as_object_mut().unwrap().remove("placed"), Some(true.into()));
    std::fs::remove_file(&names).unwrap();
    std::fs::write(&names, json.to_string()).unwrap();
    let corpus = Corpus::open_dir(old.path()).unwrap();
    assert_eq!((corpus.len(), corpus.span(0).unwrap()), (4, None));
    assert_eq!(corpus.place(2).to_string(), "`x.warc.gz`, record 3");
}

#[test]
fn exports_tell_where_a_record_lies_and_how_often_it_is_taken() {
    let bytes = crawl();
    let text = "Plain text beside it. ".repeat(200);
    let dir = project(&[("c/x.warc.gz", &bytes), ("t/a.txt", text.as_bytes())]);
    let config = "sources = [{ name = \"c\", path = \"c\", weight = 3 }, { name = \"t\", path = \"t\" }]\n\
                  filter = { quality = \"none\" }\nvalidation = 0\nmix = { max_copies = 3 }\n\
                  missing_text = \"drop\"\n";
    let corpus = build(dir.path(), config);
    let out = dir.path().join("out");
    export::dolma(&corpus, "k", &out, "x", 1 << 20, Pack::Gz).unwrap();
    let rows = std::fs::File::open(out.join("documents/00000.jsonl.gz")).unwrap();
    let rows: Vec<serde_json::Value> = std::io::BufReader::new(flate2::read::MultiGzDecoder::new(rows))
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(rows.len(), corpus.kept().count());
    for (row, ordinal) in rows.iter().zip(corpus.kept()) {
        let about = &row["metadata"];
        assert_eq!(about["copies"], corpus.row(ordinal).copies, "{row}");
        let span = corpus.span(ordinal).unwrap();
        assert_eq!(span.is_some(), row["source"] == "c");
        assert_eq!(about["offset"].as_u64(), span.map(|span| span.offset));
        assert_eq!(about["length"].as_u64(), span.and_then(|span| span.length));
        if let Some(span) = span {
            // The member at that place holds the record alone.
            let member = &bytes[span.offset as usize..][..span.length.unwrap() as usize];
            let mut record = String::new();
            flate2::read::GzDecoder::new(member).read_to_string(&mut record).unwrap();
            assert!(record.contains(&format!("WARC-Record-ID: <{}>", corpus.id(ordinal))), "{record}");
        }
    }
    let copies: Vec<u16> = corpus.kept().map(|ordinal| corpus.row(ordinal).copies).collect();
    assert_eq!(copies, [3, 3, 3, 1]);
    // The table has the same, and a row for what was dropped.
    export::parquet(&corpus, &out).unwrap();
    let options = parquet::Options { text: "id".into(), id: None, ..parquet::Options::default() };
    let mut table = parquet::Reader::open("t", &out.join("documents.parquet"), options).unwrap();
    for ordinal in 0..corpus.len() as u32 {
        let Some(parquet::Item::Row(row)) = table.next().unwrap() else { panic!("row {ordinal}") };
        let (about, span) = (corpus.row(ordinal), corpus.span(ordinal).unwrap());
        assert_eq!(row.other["offset"].as_u64(), span.map(|span| span.offset));
        assert_eq!(row.other["length"].as_u64(), span.and_then(|span| span.length));
        assert_eq!(row.other["within"].as_u64(), span.map(|_| 0));
        assert_eq!(row.other["copies"], if about.kept() { about.copies } else { 0 });
    }
    let stats = stats(&corpus, 0).unwrap();
    let crawled: u64 = corpus.kept().take(3).map(|o| u64::from(corpus.row(o).bytes)).sum();
    assert_eq!((stats.repeated.documents, stats.repeated.bytes), (3, crawled));
    assert_eq!((stats.training.documents, stats.training.bytes), (10, 3 * crawled + text.len() as u64));
    assert_eq!(stats.kept.bytes, crawled + text.len() as u64, "each text once");
}
