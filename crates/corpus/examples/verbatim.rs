//! How fast the verbatim index of a corpus is made, beside libsais alone on the same text, and how fast it answers.
//!
//!     cargo run --release -p regimen-corpus --example verbatim -- PROJECT CORPUS_FOLDER [MEMORY [SHARDS_AT_ONCE]]
//!
//! `CORPUS_FOLDER` is a corpus artifact; the index goes into the store of `PROJECT`. Queries are attributed to it: passages of its
//! documents, passages whose words come from several documents in turn, and words in random order.

use std::path::Path;
use std::time::Instant;

use libsais::SuffixArrayConstruction;
use regimen_base::{Cancel, Failure, Philox};
use regimen_corpus::Corpus;
use regimen_corpus::verbatim::{Cut, Index, Limits, Progress, Wanted, attribute, holders, make};
use regimen_ledger::{Artifact, Store};

/// Queries of each kind.
const QUERIES: u64 = 100;
/// Bytes of a query.
const LENGTH: usize = 2000;

fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(project), Some(folder)) = (args.first(), args.get(1)) else {
        say("give a project and the folder of a corpus artifact");
        return Ok(());
    };
    let memory = args.get(2).and_then(|m| m.parse().ok()).unwrap_or(1_000_000_000);
    let at_once = args.get(3).and_then(|n| n.parse().ok()).unwrap_or(2);
    let artifact = Artifact::open(Path::new(folder))?;
    let corpus = Corpus::open(&artifact)?;
    let store = Store::open(Path::new(project))?;
    let megabytes = corpus.text_bytes() as f64 / 1e6;
    let (began, used) = (Instant::now(), cpu());
    let made =
        make(&store, &artifact, Limits { memory, at_once }, "example", &Progress::default(), &Cancel::new())?;
    let seconds = began.elapsed().as_secs_f64();
    let shards = &made.artifact.manifest.summary["shards"];
    match made.existed {
        true => say("the index was there"),
        false => say(&format!(
            "index: {megabytes:.1} MB in {shards} shards, {seconds:.2} s, {:.1} MB/s, {:.2} CPU-seconds, peak {}",
            megabytes / seconds,
            cpu() - used,
            peak()
        )),
    }
    alone(&corpus);
    let began = Instant::now();
    let index = Index::open(&made.artifact.path, &corpus, &artifact)?;
    say(&format!("opened in {:.1} ms", began.elapsed().as_secs_f64() * 1e3));
    let kinds: [(&str, &dyn Fn(u64) -> String); 3] = [
        ("passages of documents", &|i| passage(&corpus, i, LENGTH)),
        ("words of 20 documents in turn", &|i| {
            (0..20).map(|j| passage(&corpus, 97 * i + j, LENGTH / 20)).collect()
        }),
        ("words in random order", &|i| shuffled(&passage(&corpus, i, LENGTH), i)),
    ];
    for (name, query) in kinds {
        for cut in [Cut::Words, Cut::Sentences] {
            let wanted = Wanted { least: 32, cut, top: 10, documents: 10 };
            let mut spans = 0;
            let times = timed(|i| {
                spans += attribute(&index, &query(i), &wanted)?.found;
                Ok(())
            })?;
            say(&format!("attribute {name} by {cut:?}: {times}, {:.1} spans", spans as f64 / QUERIES as f64));
        }
        let times = timed(|i| holders(&index, &query(i), 32, 10).map(drop))?;
        say(&format!("holders of {name}: {times}"));
    }
    Ok(())
}

/// libsais alone on as much of the text as a shard of 200 MB has.
fn alone(corpus: &Corpus) {
    let mut text = Vec::new();
    for ordinal in corpus.kept() {
        text.extend_from_slice(corpus.bytes(ordinal));
        if text.len() > 190_000_000 {
            break;
        }
    }
    let (began, used) = (Instant::now(), cpu());
    let sorted = SuffixArrayConstruction::for_text(&text).in_owned_buffer32().single_threaded().run().is_ok();
    let seconds = began.elapsed().as_secs_f64();
    let megabytes = text.len() as f64 / 1e6;
    say(&format!(
        "libsais alone ({sorted}): {megabytes:.1} MB, {seconds:.2} s, {:.1} MB/s, {:.2} CPU-seconds",
        megabytes / seconds,
        cpu() - used
    ));
}

/// Seconds of all processors that this process has used, to a hundredth; 0 where the system does not say.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Most memory that was resident, mapped files included.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("?".into(), |line| line.trim().into())
}

/// A passage of some document.
fn passage(corpus: &Corpus, seed: u64, length: usize) -> String {
    let mut random = Philox::new(seed, &["passage"]);
    for _ in 0..1000 {
        let ordinal = random.below(corpus.len() as u64) as u32;
        let text = corpus.text(ordinal).ok().flatten().unwrap_or_default();
        if text.len() > length {
            let from = text.floor_char_boundary(random.below((text.len() - length) as u64) as usize);
            return text[from..text.floor_char_boundary(from + length)].to_string();
        }
    }
    String::new()
}

fn shuffled(text: &str, seed: u64) -> String {
    let mut random = Philox::new(seed, &["words"]);
    let mut words: Vec<&str> = text.split_whitespace().collect();
    for i in (1..words.len()).rev() {
        words.swap(i, random.below(i as u64 + 1) as usize);
    }
    words.join(" ")
}

/// Median and 99th percentile of the time of each query, and the mean of the processor time.
fn timed(
    mut query: impl FnMut(u64) -> Result<(), regimen_corpus::Error>,
) -> Result<String, regimen_corpus::Error> {
    let mut times = Vec::new();
    let used = cpu();
    for i in 0..QUERIES {
        let began = Instant::now();
        query(i)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let used = (cpu() - used) * 1e3 / QUERIES as f64;
    Ok(format!("median {:.2} ms, p99 {:.2} ms, {used:.1} CPU-ms a query", at(0.5), at(0.99)))
}
