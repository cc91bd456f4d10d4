//! How fast each kind of deduplication is, in megabytes of text or thousands of documents a second: best of three.
//!
//!     cargo run --release -p regimen-corpus --example dedup
//!     cargo run --release -p regimen-corpus --example dedup -- 'part-00.jsonl.gz' 'part-01.jsonl.gz'
//!
//! Without files the text is generated: words of a Zipf-like distribution, a third of the documents near copies.
//! `THREADS=1` runs on one thread (the default is all), `ONLY=minhash` only the lines that begin so.

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use libsais::SuffixArrayConstruction;
use rayon::prelude::*;
use regimen_base::{DocKey, Failure, Philox, fs};
use regimen_corpus::dedup::hash::{hash64, hash128};
use regimen_corpus::dedup::minhash::{PRESETS, agreement};
use regimen_corpus::dedup::{
    Bloom, Budget, ExactKeys, ExactParagraphs, Facts, Family, Keep, Kept, Lsh, MinHash, MinHasher, Sizing,
    Substrings, Work,
};

/// Text of documents, each with its lines.
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

fn generate(documents: usize) -> Vec<String> {
    let mut random = Philox::new(1, &["example"]);
    let mut texts: Vec<String> = Vec::new();
    for i in 0..documents {
        let mut text = String::new();
        if i % 3 == 2 {
            text = texts[i - 1].replacen("w1 ", "w2 ", 20);
        } else {
            for word in 0..900 {
                let rank = (random.uniform() * 10.0).exp() as u64;
                text.push_str(&format!("w{rank}{}", if word % 12 == 11 { ".\n" } else { " " }));
            }
        }
        texts.push(text);
    }
    texts
}

/// Seconds of all processors that this process has used, to a hundredth; 0 where the system does not say.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    // User and system time, in hundredths of a second.
    let ticks = |i: usize| fields.get(i).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

struct Bench {
    only: String,
}

impl Bench {
    /// The best of three, shown as `amount` of `unit` a second.
    fn run<T>(&self, name: &str, amount: f64, unit: &str, mut f: impl FnMut() -> T) -> Option<T> {
        if !name.starts_with(&self.only) {
            return None;
        }
        let (mut best, mut least) = (f64::MAX, f64::MAX);
        let mut last = None;
        for _ in 0..3 {
            let (start, used) = (Instant::now(), cpu());
            last = Some(f());
            best = best.min(start.elapsed().as_secs_f64());
            least = least.min(cpu() - used);
        }
        let rate = amount / best;
        self.say(&format!("{name:44} {best:8.3} s {rate:9.1} {unit}/s  ({least:.2} s of processors)"));
        last
    }

    fn say(&self, line: &str) {
        // Nobody is there to hear of a closed pipe.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

fn main() -> Result<(), Failure> {
    let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| fs::Error::new("start", "threads".as_ref(), std::io::Error::other(e)))?;
    pool.install(measure)
}

fn measure() -> Result<(), Failure> {
    let bench = Bench { only: std::env::var("ONLY").unwrap_or_default() };
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let texts = if paths.is_empty() { generate(8000) } else { read(&paths)? };
    let bytes = texts.iter().map(|t| t.len() as f64).sum::<f64>() / 1e6;
    let documents = texts.len() as u32;
    let threads = rayon::current_num_threads();
    bench.say(&format!("{documents} documents, {bytes:.1} MB of text, {threads} threads"));
    let dir = tempfile::tempdir().map_err(|e| fs::Error::new("make", "a folder".as_ref(), e))?;
    let budget = Budget { memory: 1 << 30, dir: dir.path().into() };

    for preset in PRESETS {
        bench.run(&format!("shingles {}", preset.name), bytes, "MB", || {
            texts
                .par_iter()
                .map_init(Default::default, |(units, out), text| {
                    preset.minhash.shingles.of(text, units, out);
                    out.len()
                })
                .sum::<usize>()
        });
    }
    for preset in PRESETS {
        for family in [Family::Bits32, Family::Mersenne61] {
            let minhash = MinHash { family, ..preset.minhash };
            let hasher = MinHasher::new(minhash)?;
            let name = format!("minhash {} {} x {family:?}", preset.name, minhash.functions());
            bench.run(&name, bytes, "MB", || {
                texts
                    .par_iter()
                    .map_init(Work::default, |work, text| hasher.sign(text, work))
                    .filter(|&x| x)
                    .count()
            });
        }
    }

    let hasher = MinHasher::new(PRESETS[0].minhash)?;
    let signed: Vec<(Vec<u64>, Vec<u32>)> = texts
        .par_iter()
        .map_init(Work::default, |work, text| {
            hasher.sign(text, work);
            (work.bands().to_vec(), work.signature().to_vec())
        })
        .collect();
    for verified in [false, true] {
        let name = format!("lsh fineweb{}", if verified { " verified by agreement >= 0.7" } else { "" });
        let clusters = bench.run(&name, f64::from(documents) / 1e3, "kdoc", || {
            let mut lsh = Lsh::new(&budget)?;
            for (i, (bands, _)) in (0u32..).zip(&signed) {
                lsh.push(i, bands)?;
            }
            if verified {
                let alike = |a: u32, b: u32| -> Result<bool, regimen_corpus::dedup::Error> {
                    Ok(agreement(&signed[a as usize].1, &signed[b as usize].1) >= 0.7)
                };
                lsh.finish_verified(documents, alike)
            } else {
                lsh.finish(documents)
            }
        });
        if let Some(clusters) = clusters.transpose()? {
            let facts = |i: u32| Facts { bytes: texts[i as usize].len() as u32, ..Facts::default() };
            let kept = Kept::new(&clusters, Keep::Longest, facts);
            bench.say(&format!("    {} dropped in {} clusters", kept.dropped(), kept.clusters().len()));
        }
    }
    bench
        .run("lsh million of 14 bands", 1000.0, "kdoc", || -> Result<u32, Failure> {
            let budget = Budget { memory: 400 << 20, ..budget.clone() };
            let mut lsh = Lsh::new(&budget)?;
            let mut bands = [0u64; 14];
            for i in 0..1_000_000u32 {
                // Every tenth document is like the one before it in half of its bands.
                for (band, hash) in (0u64..).zip(&mut bands) {
                    if i % 10 != 9 || band % 2 == 0 {
                        *hash = (u64::from(i) << 8 | band).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    }
                }
                lsh.push(i, &bands)?;
            }
            Ok(lsh.finish(1_000_000)?.duplicates())
        })
        .transpose()?;

    bench
        .run("exact documents (blake3)", bytes, "MB", || -> Result<u32, Failure> {
            let keys: Vec<u128> =
                texts.par_iter().map(|t| u128::from_le_bytes(DocKey::of_content(t.as_bytes()).0)).collect();
            let mut exact = ExactKeys::new("text", &budget)?;
            (0u32..).zip(&keys).try_for_each(|(i, &key)| exact.push(i, key))?;
            Ok(exact.finish(documents)?.duplicates())
        })
        .transpose()?;
    let paragraphs: usize = texts.iter().map(|t| t.lines().filter(|l| !l.is_empty()).count()).sum();
    let duplicates = bench.run("exact paragraphs", bytes, "MB", || -> Result<u64, Failure> {
        let all: Vec<Vec<(u32, u64)>> = texts
            .par_iter()
            .map(|t| {
                (0u32..)
                    .zip(t.lines())
                    .filter(|(_, l)| !l.is_empty())
                    .map(|(i, l)| (i, hash64(l.as_bytes(), 0)))
                    .collect()
            })
            .collect();
        let mut exact = ExactParagraphs::new(&budget)?;
        for (i, lines) in (0u32..).zip(&all) {
            lines.iter().try_for_each(|&(index, fingerprint)| exact.push(i, index, fingerprint))?;
        }
        let mut found = exact.finish()?;
        let mut seen = 0;
        while let Some((_, indices)) = found.next()? {
            seen += indices.len() as u64;
        }
        Ok(seen)
    });
    let sizing = Sizing::new(paragraphs as u64, 1e-6)?;
    let flagged = bench.run("bloom paragraphs at 1e-6", bytes, "MB", || -> Result<u64, Failure> {
        let mut bloom = Bloom::new(sizing, 1 << 30)?;
        let (mut seen, mut count) = (Vec::new(), 0);
        for batch in texts.chunks(512) {
            let lines = |t: &String| -> Vec<u128> {
                t.lines().filter(|l| !l.is_empty()).map(|l| hash128(l.as_bytes(), 0)).collect()
            };
            let keys: Vec<u128> = batch.par_iter().flat_map_iter(lines).collect();
            bloom.insert_all(&keys, &mut seen);
            count += seen.iter().filter(|&&seen| seen).count() as u64;
        }
        assert!(!bloom.is_overfull(), "it was sized for all paragraphs");
        Ok(count)
    });
    if let (Some(duplicates), Some(flagged)) = (duplicates.transpose()?, flagged.transpose()?) {
        let size = sizing.bytes() as f64 / 1e6;
        bench.say(&format!(
            "    {duplicates} of {paragraphs} duplicate; bloom says {flagged} in {size:.1} MB"
        ));
    }
    let spans = bench.run("substrings of 500 bytes", bytes, "MB", || -> Result<(usize, u64), Failure> {
        let (mut spans, mut marked) = (0, 0);
        Substrings::new(500, &budget)?.find::<regimen_corpus::dedup::Error>(
            |take| (0u32..).zip(&texts).try_for_each(|(i, text)| take(i, text.as_bytes())),
            |span| {
                spans += 1;
                marked += u64::from(span.end - span.start);
                Ok(())
            },
        )?;
        Ok((spans, marked))
    });
    if let Some((spans, marked)) = spans.transpose()? {
        bench.say(&format!("    {spans} spans of {:.1} MB", marked as f64 / 1e6));
    }
    // What others begin with: Lee et al. sort all suffixes, here by libsais on one thread.
    let all = texts.concat().into_bytes();
    let sorted = bench.run("substrings: the suffix array alone, libsais", bytes, "MB", || {
        SuffixArrayConstruction::for_text(&all)
            .in_owned_buffer32()
            .single_threaded()
            .run()
            .map(|all| all.into_vec().len())
    });
    if let Some(sorted) = sorted {
        let sorted =
            sorted.map_err(|e| fs::Error::new("sort", "suffixes".as_ref(), std::io::Error::other(e)))?;
        bench.say(&format!("    {sorted} suffixes"));
    }
    Ok(())
}
