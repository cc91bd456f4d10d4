//! How fast taggers are by themselves: megabytes of text a second on one thread, without reading, parsing and writing.
//!
//!     cargo run --release -p regimen-corpus --example taggers -- documents/part-00.jsonl.gz documents/part-01.jsonl.gz
//!
//! Every round runs each set once, so that a machine that slows down slows all alike; the median of the rounds is shown,
//! of wall and of processor time. `ROUNDS=5` and `ONLY=c4,pii` choose. Every set includes the view that all taggers
//! share, and `length` is little more. The last column is a hash of what was found: equal hashes are equal tags.

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use regimen_base::{Failure, fs};
use regimen_corpus::tag::{Room, Set, Wanted};

/// Sets of taggers; the first costs little but the view of a text, its words and lines, that all share.
const SETS: [&[&str]; 11] = [
    &["length"],
    &["gopher@dolma"],
    &["gopher@datatrove"],
    &["c4@dolma"],
    &["c4"],
    &["fineweb"],
    &["c4", "fineweb"],
    &["pii@dolma"],
    &["pii"],
    &["pii@datatrove"],
    &["gopher@dolma", "c4@dolma", "pii@dolma"],
];

fn read(paths: &[String]) -> Result<Vec<String>, fs::Error> {
    let mut texts = Vec::new();
    for path in paths {
        let wrong = |e| fs::Error::new("read", path.as_ref(), e);
        let file = BufReader::new(MultiGzDecoder::new(File::open(path).map_err(wrong)?));
        for line in file.lines() {
            let row: serde_json::Value =
                serde_json::from_str(&line.map_err(wrong)?).map_err(|e| wrong(e.into()))?;
            texts.push(row["text"].as_str().unwrap_or_default().to_string());
        }
    }
    Ok(texts)
}

/// Seconds of a processor that this thread has used; 0 where the system does not say.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0)
        / 1e9
}

/// A hash of all values and spans of a set over all texts.
fn found(set: &Set, texts: &[String], room: &mut Room) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        let tags = set.tags(text, "", room);
        for slot in 0..set.attributes().len() {
            let spans = tags.spans(slot);
            hasher.update(&spans.len().to_le_bytes());
            for span in spans {
                hasher.update(&span.start.to_le_bytes());
                hasher.update(&span.end.to_le_bytes());
                hasher.update(&span.score.to_le_bytes());
            }
        }
    }
    hasher.finalize().to_hex().chars().take(12).collect()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Failure> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let only = std::env::var("ONLY").unwrap_or_default();
    let texts = read(&paths)?;
    let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;

    let mut sets: Vec<(String, Set, Vec<f64>, Vec<f64>)> = Vec::new();
    for names in SETS {
        let name = names.join(" + ");
        if only.is_empty() || only.split(',').any(|only| only == name) {
            let wanted: Vec<Wanted> = names.iter().copied().map(Wanted::named).collect();
            sets.push((name, Set::new(&wanted)?, Vec::new(), Vec::new()));
        }
    }
    let mut room = Room::default();
    for _ in 0..rounds {
        for (_, set, walls, cpus) in &mut sets {
            let (start, used) = (Instant::now(), cpu());
            for text in &texts {
                std::hint::black_box(set.tags(text, "", &mut room));
            }
            walls.push(start.elapsed().as_secs_f64());
            cpus.push(cpu() - used);
        }
    }
    let mut out = format!(
        "{} documents, {megabytes:.1} MB of text, median of {rounds}, MB/s by wall and by processor time\n",
        texts.len()
    );
    for (name, set, walls, cpus) in sets {
        let hash = found(&set, &texts, &mut room);
        let (wall, cpu) = (megabytes / median(walls), megabytes / median(cpus));
        out += &format!("{name:40} {wall:8.1} {cpu:8.1}  {hash}\n");
    }
    let written = std::io::stdout().write_all(out.as_bytes());
    Ok(written.map_err(|e| fs::Error::new("write to", "stdout".as_ref(), e))?)
}
