//! How fast documents become a corpus: reading, filters, deduplication and writing, in megabytes of text per second.
//!
//!     cargo run --release -p regimen-corpus --example speed -- 'data/*/*.jsonl.zst' 10
//!
//! The number says how often the files are read (as so many sources, without deduplication across them when above 1).

use std::io::Write as _;
use std::time::Instant;

use regimen_base::{Failure, fs};
use regimen_corpus::{Corpus, STAGES};
use regimen_recipe::testing::run_stage;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let pattern = arguments.next().unwrap_or_else(|| "data/*/*.jsonl.zst".into());
    let times: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(10);
    let here = std::env::current_dir().map_err(|e| fs::Error::new("find", ".".as_ref(), e))?;
    let full = here.join(&pattern).display().to_string();
    let sources: Vec<String> =
        (0..times).map(|i| format!("{{ name = \"s{i}\", path = \"{full}\" }}")).collect();
    let dedup = if times > 1 { "none" } else { "exact" };
    let config = format!("sources = [{}]\ndedup = \"{dedup}\"\n", sources.join(", "));

    let mut out = std::io::stdout();
    for round in 1..=3 {
        let dir = tempfile::tempdir().map_err(|e| fs::Error::new("make", "a folder".as_ref(), e))?;
        let start = Instant::now();
        let artifact = run_stage(STAGES[0], &config, dir.path(), &[], 0)?;
        let seconds = start.elapsed().as_secs_f64();
        let funnel = Corpus::open(&artifact)?.funnel()?;
        let read = funnel.steps[0].left;
        let megabytes = read.bytes as f64 / 1e6;
        writeln!(
            out,
            "round {round}: {} documents, {megabytes:.1} MB of text in {seconds:.2} s = {:.0} MB/s",
            read.documents,
            megabytes / seconds
        )
        .and_then(|()| if round == 3 { writeln!(out, "{funnel}") } else { Ok(()) })
        .map_err(|e| fs::Error::new("write to", "stdout".as_ref(), e))?;
    }
    Ok(())
}
