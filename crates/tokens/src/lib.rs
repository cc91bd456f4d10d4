//! Tokenizers and token shards, packing, order, batches that know the address of every token.

mod batch;
mod error;
mod fragment;
mod index;
mod map;
mod order;
mod packing;
mod schedule;
mod set;
mod stage;
mod stream;
mod tokenizer;
mod window;
mod write;

pub use batch::{Block, Span, WithheldSet};
pub use error::{Error, Result};
pub use fragment::{FRAGMENT_BYTES, Fragment, MAX_SLOTS};
pub use index::{Counts, Dtype, Index};
pub use order::Order;
pub use packing::Packing;
pub use regimen_corpus::Split;
pub use schedule::Schedule;
pub use set::TokenSet;
pub use stream::{Address, Document, Stream};
pub use tokenizer::{END, Tokenizer};
pub use window::{Window, windows};
pub use write::{Encoded, write_set};

/// The stage kinds of this room.
pub const STAGES: &[&regimen_recipe::StageKind] = &[&stage::TOKENIZER, &stage::TOKENS];
/// probe
#[doc(hidden)]
#[allow(clippy::all, clippy::print_stdout)]
pub fn probe(docs: &[&str]) {
    use std::time::Instant;
    use tokenizer::*;
    let d = std::env::temp_dir();
    for (name, outer) in [
        ("probe-bpe", byte_level(&learn(&count_pieces(docs), &byte_order(), 4095, &regimen_base::Cancel::new()).unwrap()).unwrap()),
        ("probe-char", characters(&characters_of(&docs[..50])).unwrap()),
        ("probe-byte", byte_level(&Learned { tokens: byte_order().iter().map(|&b| vec![b]).collect(), merges: vec![] }).unwrap()),
    ] {
        let dir = d.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        save(&outer, &dir).unwrap();
        let tok = Tokenizer::open(&dir).unwrap();
        let samples: Vec<&str> = docs.iter().step_by(400).copied().chain(["don't <|endoftext|> \u{e9}\u{3042}\u{1F980}  x\n\n\t y", "<0x41>", " "]).collect();
        let ids: Vec<Vec<u32>> = tok.encode_all(&samples).unwrap();
        std::fs::write(dir.join("samples.json"), serde_json::to_string(&(samples, ids)).unwrap()).unwrap();
    }
    let rss = || std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM")).map(String::from).collect::<String>();
    let tok = Tokenizer::open(&d.join("probe-bpe")).unwrap();
    println!("{}", rss());
    let t = Instant::now();
    let long = "Some words in one line, don't we. ".repeat(6_000_000);
    let n = tok.encode_all(&[&long]).unwrap()[0].len();
    println!("200 MB line of words: {n} {:?} {}", t.elapsed(), rss());
    let t = Instant::now();
    let c = count_pieces(&[&long]);
    println!("count {} {:?} {}", c.len(), t.elapsed(), rss());
    drop(long);
    let long = "abcdefghij".repeat(20_000_000);
    let t = Instant::now();
    let c = count_pieces(&[&long]);
    let l = learn(&c, &byte_order(), 262, &regimen_base::Cancel::new()).unwrap();
    println!("learn {} {} {:?} {}", c.len(), l.tokens.len(), t.elapsed(), rss());
    let t = Instant::now();
    let n = tok.encode_all(&[&long]).unwrap()[0].len();
    println!("200 MB line of one piece: {n} {:?} {}", t.elapsed(), rss());
}
