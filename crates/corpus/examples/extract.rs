//! Files in, documents out as lines of JSON; the speed on stderr.
//!
//!     cargo run --release -p regimen-corpus --example extract -- page.html crawl.warc.gz rows.parquet tree.tar.gz folder > documents.jsonl

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use regimen_base::{Failure, fs};
use regimen_corpus::html;
use serde_json::json;

fn main() -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout());
    let (mut read, mut seconds) = (0usize, 0f64);
    for file in std::env::args().skip(1) {
        let bytes = fs::read(Path::new(&file))?;
        let start = Instant::now();
        let page = html::extract(&html::decode(&bytes, None).text, html::Options::default());
        seconds += start.elapsed().as_secs_f64();
        read += bytes.len();
        writeln!(out, "{}", json!({"id": file, "text": page.text, "title": page.title}))
            .map_err(|e| fs::Error::new("write to", "stdout".as_ref(), e))?;
    }
    writeln!(io::stderr(), "{:.1} MB in {seconds:.2} s = {:.1} MB/s", read as f64 / 1e6, read as f64 / 1e6 / seconds)
        .map_err(|e| fs::Error::new("write to", "stderr".as_ref(), e))?;
    Ok(())
}
