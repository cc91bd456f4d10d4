//! What a trace says of the place that a document came from.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use regimen_corpus::STAGES;
use regimen_recipe::testing::run_stage;
use regimen_trace::View;

fn record(id: usize, text: &str) -> Vec<u8> {
    let record = format!(
        "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:uuid:{id}>\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{text}\r\n\r\n",
        text.len()
    );
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    member.write_all(record.as_bytes()).unwrap();
    member.finish().unwrap()
}

#[test]
fn a_record_of_a_crawl_is_traced_to_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (record(1, "The first text."), record(2, "The second text."));
    std::fs::write(dir.path().join("x.wet.gz"), [&first[..], &second].concat()).unwrap();
    std::fs::write(dir.path().join("y.txt"), "A third text.").unwrap();
    let config = "sources = [{ name = \"x\", path = \"x.wet.gz\" }, { name = \"y\", path = \"y.txt\" }]\n\
                  filter = { quality = \"none\" }\nvalidation = 0";
    let artifact = run_stage(STAGES[0], config, dir.path(), &[], 0).unwrap();
    let view = View::open(&artifact).unwrap();
    let of = |ordinal| regimen_trace::document(&view, ordinal).unwrap();
    let (start, end) = (first.len(), first.len() + second.len());
    assert_eq!(of(1).place, format!("`x.wet.gz`, record 2, bytes {start}..{end}"));
    let json = serde_json::to_value(of(1)).unwrap();
    assert_eq!(json["span"], serde_json::json!({"offset": start, "length": second.len(), "within": 0}));
    assert_eq!(of(2).place, "`y.txt`");
    assert!(serde_json::to_value(of(2)).unwrap().get("span").is_none());
}
