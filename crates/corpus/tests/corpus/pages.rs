//! Sources of crawls, pages and tables.

use regimen_corpus::Corpus;

use crate::common::{build, fault, gzip, project, texts};

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
fn what_is_no_table_is_refused() {
    let (message, _) =
        fault(&[("x.parquet", b"PAR1 nothing of the kind PAR1")], &config("auto", "x.parquet", ""));
    assert!(message.contains("x.parquet"), "{message}");
}
