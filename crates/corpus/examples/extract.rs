//! Files in, documents out as lines of JSON; the speed on stderr.
//!
//!     cargo run --release -p regimen-corpus --example extract -- page.html crawl.warc.gz rows.parquet src.tar.gz folder
//!
//! HTML, WARC (also WET and WAT), Parquet with the columns `id` and `text`, source trees. A record of a WARC file is a line
//! with its place; what is passed over is a line with the reason.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use regimen_base::{Failure, fs};
use regimen_corpus::{code, html, parquet, warc};
use serde_json::{Value, json};

fn main() -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    let mut emit = |line: Value| {
        writeln!(out, "{line}").map_err(|e| Failure::from(fs::Error::new("write to", "stdout".as_ref(), e)))
    };
    let (mut bytes, start) = (0u64, Instant::now());
    for file in std::env::args().skip(1) {
        let path = Path::new(&file);
        bytes += if path.is_dir() { 0 } else { fs::size(path)? };
        let is = |end: &str| file.ends_with(end);
        if path.is_dir() || is(".tar") || is(".tar.gz") || is(".tgz") || is(".tar.zst") {
            tree(&file, &mut emit)?;
        } else if is(".parquet") {
            rows(&file, &mut emit)?;
        } else if [".warc", ".wet", ".wat"].iter().any(|part| file.contains(part)) {
            records(&file, &mut emit)?;
        } else {
            emit(page(&file, &fs::read(path)?, None))?;
        }
    }
    out.flush().map_err(|e| fs::Error::new("write to", "stdout".as_ref(), e))?;
    let (megabytes, seconds) = (bytes as f64 / 1e6, start.elapsed().as_secs_f64());
    writeln!(io::stderr(), "{megabytes:.1} MB in {seconds:.2} s = {:.1} MB/s", megabytes / seconds)
        .map_err(|e| fs::Error::new("write to", "stderr".as_ref(), e))?;
    Ok(())
}

type Emit<'e> = &'e mut dyn FnMut(Value) -> Result<(), Failure>;

fn page(id: &str, bytes: &[u8], charset: Option<&str>) -> Value {
    let decoded = html::decode(bytes, charset);
    let page = html::extract(&decoded.text, html::Options::default());
    json!({"id": id, "text": page.text, "title": page.title, "language": page.language, "licence": page.licence,
        "charset": decoded.encoding})
}

fn records(file: &str, emit: Emit) -> Result<(), Failure> {
    let options = warc::Options { damaged: warc::Damaged::Skip, ..warc::Options::default() };
    let mut reader = warc::Reader::new(file, fs::open(file.as_ref())?, options)?;
    while let Some(item) = reader.next()? {
        let record = match item {
            warc::Item::Record(record) => record,
            warc::Item::Skipped(s) => {
                emit(
                    json!({"id": s.id, "offset": s.offset, "length": s.length, "skipped": s.reason, "field": s.field}),
                )?;
                continue;
            }
        };
        let mut line = json!({"id": record.id, "type": record.kind.name(), "uri": record.target_uri, "date": record.date,
            "content_type": record.content_type, "offset": record.span.offset, "length": record.span.length,
            "within": record.span.within, "bytes": record.payload.len(), "crc32": crc(&record.payload)});
        if record.is_http() {
            match warc::Response::parse(&record.payload, options.max_bytes) {
                Ok(answer) => {
                    line["status"] = answer.status.into();
                    line["body_crc32"] = crc(&answer.body).into();
                    if answer.media_type().is_some_and(|media| media.contains("html")) {
                        line["page"] =
                            page(record.target_uri.as_deref().unwrap_or(""), &answer.body, answer.charset());
                    }
                }
                Err(error) => line["unreadable"] = error.to_string().into(),
            }
        } else if record.is_page() {
            let uri = record.target_uri.as_deref().unwrap_or("");
            line["page"] = page(uri, &record.payload, record.charset());
        } else if let Some((text, _)) = record.text() {
            line["text"] = text.into();
        } else if let Some(Ok(value)) = record.json() {
            line["json"] = value;
        }
        emit(line)?;
    }
    Ok(())
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn rows(file: &str, emit: Emit) -> Result<(), Failure> {
    for item in parquet::Reader::open(file, file.as_ref(), parquet::Options::default())? {
        emit(match item? {
            parquet::Item::Row(row) => {
                json!({"row": row.number, "group": row.group, "id": row.id, "text": row.text, "metadata": row.other})
            }
            parquet::Item::TooLarge { number, id, bytes } => {
                json!({"row": number, "id": id, "skipped": bytes})
            }
        })?;
    }
    Ok(())
}

fn tree(file: &str, emit: Emit) -> Result<(), Failure> {
    for item in code::Files::open(file, file.as_ref(), code::Options::default())? {
        emit(match item? {
            code::Item::File(file) => {
                let (licence, said_by) = file.licence.map(|l| (l.expression, l.files)).unzip();
                json!({"id": file.path, "text": file.text, "language": file.language, "licence": licence, "said_by": said_by})
            }
            code::Item::Licence { path, found } => json!({"id": path, "licences": found}),
            code::Item::Skipped { path, why, bytes } => {
                json!({"id": path, "skipped": format!("{why:?}"), "bytes": bytes})
            }
        })?;
    }
    Ok(())
}
