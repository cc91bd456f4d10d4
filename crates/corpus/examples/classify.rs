//! Labels for texts, and how fast: by a model in fastText's format, by the built-in language identification, or perplexity
//! by a KenLM model. `regimen corpus classifier` trains.
//!
//!     cargo run --release -p regimen-corpus --example classify -- MODEL TEXTS [SHOWN]
//!     cargo run --release -p regimen-corpus --example classify -- quantise MODEL SMALL.ftz
//!
//! MODEL is a file (.bin, .ftz; .arpa, .arpa.gz, .arpa.zst or KenLM's binary), or `language`. TEXTS has a text on each line; a line `LABEL`, tab,
//! text says what is right, and then the share that was is shown for each label. SHOWN lines are shown, 5 if not said.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use regimen_base::{Failure, fs};
use regimen_corpus::fasttext::{self, Scratch};
use regimen_corpus::kenlm;
use regimen_corpus::language::{Guess, Identifier, LIMIT};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = &mut String::new();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["quantise", model, small] => {
            let bytes = fasttext::quantise(&fs::read(model.as_ref())?)?;
            fs::write(small.as_ref(), &bytes)?;
            *out += &format!("{} bytes\n", bytes.len());
        }
        [model, texts, ref shown @ ..] => {
            let shown = shown.first().and_then(|n| n.parse().ok()).unwrap_or(5);
            classify(model, &fs::read_text(texts.as_ref())?, shown, out)?;
        }
        _ => out.push_str("usage: classify MODEL TEXTS [SHOWN] | classify quantise MODEL SMALL\n"),
    }
    let written = std::io::stdout().write_all(out.as_bytes());
    Ok(written.map_err(|e| fs::Error::new("write to", "stdout".as_ref(), e))?)
}

/// The label of a line, if it has one, and its text.
fn labelled(line: &str) -> (Option<&str>, &str) {
    line.split_once('\t').map_or((None, line), |(label, text)| (Some(label), text))
}

/// KenLM's binary files have a signature; of a text file only the name can tell.
fn is_kenlm(path: &Path) -> Result<bool, Failure> {
    if path.as_os_str() == "language" {
        return Ok(false);
    }
    let mut start = Vec::new();
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(fs::open(path)?, 7), &mut start);
    read.map_err(|e| fs::Error::new("read", path, e))?;
    Ok(start == b"mmap lm" || path.to_string_lossy().contains(".arpa"))
}

fn classify(model: &str, texts: &str, shown: usize, out: &mut String) -> Result<(), Failure> {
    if texts.is_empty() {
        *out += "no texts\n";
        return Ok(());
    }
    let lines: Vec<(Option<&str>, &str)> = texts.lines().map(labelled).collect();
    let path = Path::new(model);
    let opened = Instant::now();
    let scorer = if is_kenlm(path)? { Some(kenlm::Model::open(path)?) } else { None };
    let identifier = match &scorer {
        None if model != "language" => Identifier::open(path)?,
        _ => Identifier::built_in()?,
    };
    *out += &format!("opened in {:.1} ms\n", opened.elapsed().as_secs_f64() * 1e3);

    let mut scratch = Scratch::default();
    let (mut best, mut found) = (f64::INFINITY, Vec::new());
    for _ in 0..3 {
        found.clear();
        let start = Instant::now();
        for (_, text) in &lines {
            found.push(match &scorer {
                Some(model) => Guess { code: "perplexity", score: model.perplexity(text) as f32 },
                None => {
                    let guess = identifier.detect(&mut scratch, text, LIMIT, 1)?;
                    guess.first().copied().unwrap_or(Guess { code: "", score: 0.0 })
                }
            });
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    for ((label, text), guess) in lines.iter().zip(&found).take(shown) {
        let (label, text): (_, String) = (label.unwrap_or("-"), text.chars().take(60).collect());
        *out += &format!("{label}\t{}\t{:.5}\t{text}\n", guess.code, guess.score);
    }
    let bytes: usize = lines.iter().map(|(_, text)| text.len()).sum();
    *out += &format!(
        "{} texts, {:.1} MB in {best:.2} s: {:.1} MB/s, {:.1} us a text of {:.0} bytes\n",
        lines.len(),
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / best,
        best / lines.len() as f64 * 1e6,
        bytes as f64 / lines.len() as f64
    );
    shares(&lines, &found, out);
    Ok(())
}

/// For each label, the share that was right and what it was taken for.
fn shares(lines: &[(Option<&str>, &str)], found: &[Guess<'_>], out: &mut String) {
    let mut rows: BTreeMap<&str, (usize, usize, BTreeMap<&str, usize>)> = BTreeMap::new();
    for ((label, _), guess) in lines.iter().zip(found) {
        let Some(label) = label else { continue };
        let row = rows.entry(label).or_default();
        row.0 += 1;
        if *label == guess.code {
            row.1 += 1;
        } else {
            *row.2.entry(guess.code).or_default() += 1;
        }
    }
    for (label, (all, right, wrong)) in rows {
        let mut wrong: Vec<(&str, usize)> = wrong.into_iter().collect();
        wrong.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let wrong: Vec<String> =
            wrong.iter().take(4).map(|(code, count)| format!("{code} {count}")).collect();
        let share = 100.0 * right as f64 / all as f64;
        *out += &format!("{label}\t{all}\t{share:.2} %\t{}\n", wrong.join(", "));
    }
}
