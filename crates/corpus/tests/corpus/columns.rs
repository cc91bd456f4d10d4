//! Sources that are tables as text (CSV, TSV), and Markdown with front matter.

use regimen_corpus::Corpus;

use crate::common::{build, fault, gzip, project, stage, texts, zstd};

fn config(source: &str, more: &str) -> String {
    format!(
        "sources = [{{ name = \"s\", {source} }}]\nfilter = {{ quality = \"none\" }}\nvalidation = 0\n{more}\n"
    )
}

fn ids(corpus: &Corpus) -> Vec<&str> {
    (0..corpus.len() as u32).map(|ordinal| corpus.id(ordinal)).collect()
}

const TABLE: &str = "\u{feff}id,text,license,created,stars\r\n\
    a,\"First text,\r\nin \"\"two\"\" lines\",MIT,2024-02-29,12\r\n\
    ,plain é text,,,3\r\n\
    c,,CC0-1.0,,100\r\n\
    \r\n\
    e,\"the last\u{0}\",,,7";

#[test]
fn rows_become_documents_packed_or_not_by_commas_or_tabs() {
    let tabs = TABLE.replace("First text,", "First text;").replace(',', "\t").replace(';', ",");
    let folder: [(&str, &[u8]); 4] = [
        ("t/a.csv", TABLE.as_bytes()),
        ("t/b.csv.gz", &gzip(TABLE.as_bytes())),
        ("t/c.csv.zst", &zstd(TABLE.as_bytes())),
        ("t/d.tsv", tabs.as_bytes()),
    ];
    for (name, _) in folder {
        let dir = project(&folder);
        let corpus = build(dir.path(), &config(&format!("path = \"{name}\", licence = \"0BSD\""), ""));
        let second = format!("{name}:2");
        assert_eq!(ids(&corpus), ["a", second.as_str(), "c", "e"], "{name}");
        assert_eq!(
            texts(&corpus),
            ["First text,\r\nin \"two\" lines", "plain é text", "the last\u{0}"],
            "{name}"
        );
        let row = |ordinal: u32| corpus.row(ordinal);
        assert_eq!(row(2).dropped.map(|reason| corpus.reason_name(reason)), Some("empty"));
        let licences: Vec<&str> = (0..4).map(|o| corpus.licence_name(row(o).licence)).collect();
        assert_eq!(licences, ["MIT", "0BSD", "CC0-1.0", "0BSD"]);
        assert_eq!((row(0).created, row(1).created), (Some(19_782), None));
        assert_eq!(corpus.place(3).to_string(), format!("`{name}`, row 5"));
    }
}

#[test]
fn other_columns_are_there_for_rules_and_names_are_chosen() {
    let dir =
        project(&[("x.data", b"body\tnr\tstars\nfew words\t1\t12\n\"other\twords\"\t2\t3\nmore\t3\t\n")]);
    let source = "path = \"x.data\", format = \"tsv\", text_field = \"body\", id_field = \"nr\"";
    let corpus = build(dir.path(), &config(source, "drop = [\"metadata.stars < 10\"]"));
    assert_eq!((ids(&corpus), texts(&corpus)), (vec!["1", "2", "3"], vec!["few words", "more"]));
}

#[test]
fn large_tables_give_the_same_corpus_for_any_number_of_threads() {
    let row = |i: usize| format!("{i},\"word {i}\n{}\",x\n", "more, words \"\"here\"\"\n".repeat(i % 97));
    let table: String = std::iter::once("id,text,z\n".into()).chain((0..6000).map(row)).collect();
    let made = |threads: usize| {
        let dir = project(&[("a.csv", table.as_bytes())]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let artifact = pool.install(|| stage(dir.path(), &config("path = \"a.csv\"", "")).unwrap());
        let corpus = Corpus::open(&artifact).unwrap();
        let texts: Vec<String> = texts(&corpus).into_iter().map(Into::into).collect();
        (artifact.manifest.payload, texts)
    };
    let (payload, texts) = made(1);
    assert_eq!(texts.len(), 6000);
    assert_eq!(texts[96], format!("word 96\n{}", "more, words \"here\"\n".repeat(96)));
    assert!(made(3).0 == payload);
}

#[test]
fn what_is_no_table_is_refused_with_file_row_and_byte() {
    let told = |content: &[u8]| fault(&[("t.csv", content)], &config("path = \"t.csv\"", ""));
    for (content, start) in [
        (&b"id,text\na,b\nc\n"[..], "`t.csv`, byte 12: CSV row 2: 1 field, but the header has 2"),
        (b"id,text\na,b,c\n", "`t.csv`, byte 8: CSV row 1: 3 fields, but the header has 2"),
        (b"id,text\na,\"b\nc,d\n", "`t.csv`, byte 10: CSV row 1: the quote that opens a field here is never"),
        (b"id,text\na,\"b\"c\n", "`t.csv`, byte 13: CSV row 1: text follows the quote that closes a field"),
        (b"\"id,text\n", "`t.csv`, byte 0: CSV header: the quote that opens a field here is never"),
        (b"id,body\na,b\n", "`t.csv`: column `text`: the file has no such column"),
        (b"id,body\n", "`t.csv`: column `text`: the file has no such column"),
        (b"text,text\na,b\n", "`t.csv`: column `text`: two columns have this name"),
        (b"id,text\na,b\nc,d\xff\n", "`t.csv`, row 2: invalid UTF-8 at byte 3 of the row"),
        (b"\xffid,text\na,b\n", "`t.csv`: invalid UTF-8 at byte 0 of the file"),
        (b"\xff\xfei\0d\0,\0t\0", "`t.csv` begins with the mark of UTF-16, but text must be UTF-8"),
        (b"\0\0\0\0", "`t.csv`: column `text`: the file has no such column"),
        (b"id,text,license\na,b,free!\n", "licence"),
    ] {
        let (message, hint) = told(content);
        assert!(message.contains(start), "{message}");
        assert!(!hint.is_empty(), "{message}");
    }
    let (message, _) = told(b"");
    assert!(message.contains("t.csv"), "{message}");
    let whole = gzip("id,text\na,b\n".repeat(99).as_bytes());
    let (message, _) = fault(&[("t.csv.gz", &whole[..whole.len() - 9])], &config("path = \"t.csv.gz\"", ""));
    assert!(message.contains("t.csv.gz"), "{message}");
    // Bytes that are no UTF-8 may be replaced, or their rows dropped.
    for (policy, kept) in [("replace", vec!["b", "d\u{fffd}"]), ("drop", vec!["b"])] {
        let dir = project(&[("t.csv", b"id,text\na,b\nc,d\xff\n")]);
        let config = config("path = \"t.csv\"", &format!("invalid_utf8 = \"{policy}\""));
        assert_eq!(texts(&build(dir.path(), &config)), kept);
    }
    let (message, _) = fault(
        &[("t.csv", b"id,text\na,b\n")],
        &config("path = \"t.csv\", format = \"csv\", blocks = 100", ""),
    );
    assert!(message.contains("`blocks` cuts plain text"), "{message}");
}

#[test]
fn front_matter_says_what_a_page_is_and_is_no_text_of_it() {
    let page = "---\ntitle: Trees\nlicense: CC-BY-4.0\ndate: 2024-02-29\nauthor_kind: human\nstars: 7\n---\n\n# Trees\n\nAre tall.\n";
    let files: [(&str, &[u8]); 3] =
        [("p/a.md", page.as_bytes()), ("p/b.md", b"No front matter.\n"), ("p/c.md", b"---\nA rule: none\n")];
    let dir = project(&files);
    let of = |format: &str, more: &str| {
        build(dir.path(), &config(&format!("path = \"p\", format = \"{format}\""), more))
    };
    let corpus = of("markdown", "");
    assert_eq!(texts(&corpus), ["# Trees\n\nAre tall.\n", "No front matter.\n", "---\nA rule: none\n"]);
    let row = corpus.row(0);
    assert_eq!((corpus.licence_name(row.licence), row.author.name()), ("CC-BY-4.0", "human"));
    assert_eq!(row.created, Some(19_782));
    assert_eq!(corpus.licence_name(corpus.row(1).licence), "NOASSERTION");
    assert_eq!(
        texts(&of("markdown", "drop = [\"metadata.title == 'Trees' and metadata.stars > 6\"]")).len(),
        2
    );
    // Text is what it was.
    for format in ["auto", "text"] {
        assert_eq!(texts(&of(format, ""))[0], page);
    }
    let (message, hint) = fault(
        &[("a.md", b"---\nlicense: free!\n---\nx\n")],
        &config("path = \"a.md\", format = \"markdown\"", ""),
    );
    assert!(message.contains("a.md") && message.contains("free!") && !hint.is_empty(), "{message}");
    let (message, _) = fault(
        &[("a.md", b"---\nauthor_kind: poet\n---\nx\n")],
        &config("path = \"a.md\", format = \"markdown\"", ""),
    );
    assert!(message.contains("author_kind") && message.contains("poet"), "{message}");
    for content in [&b"---\ntitle: \xff\n---\nx"[..], b"---\n\0\n---\n\0"] {
        let dir = project(&[("a.md", content)]);
        let config = config("path = \"a.md\", format = \"markdown\"", "invalid_utf8 = \"replace\"");
        assert_eq!(build(dir.path(), &config).len(), 1);
    }
}
