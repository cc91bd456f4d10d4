//! The model file: a magic line, then whole numbers as LEB128 varints.
//!
//! `context_bytes`, `bytes`, `documents`; then for each length of context from 0 the number of contexts, and for each
//! context the distance from the one before, its number of successors, and for each successor the distance from the
//! symbol before (from -1 at first) less one, and its count.

use std::path::Path;

use regimen_base::fs;

use super::table::{Entry, Order};
use super::{END, MAX_CONTEXT, Ngram, mask};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"regimen ngram 1\n";

pub(super) fn write(model: &Ngram, path: &Path) -> Result<()> {
    let mut out = MAGIC.to_vec();
    for number in [model.context_bytes() as u64, model.bytes, model.documents] {
        put(&mut out, number);
    }
    for order in &model.orders {
        put(&mut out, order.contexts() as u64);
        let mut before = 0;
        for (context, symbols, counts) in order.rows() {
            put(&mut out, context - before);
            before = context;
            put(&mut out, symbols.len() as u64);
            let mut next = 0;
            for (&symbol, &count) in symbols.iter().zip(counts) {
                put(&mut out, u64::from(symbol - next));
                put(&mut out, count);
                next = symbol + 1;
            }
        }
    }
    Ok(fs::write(path, &out)?)
}

pub(super) fn read(path: &Path) -> Result<Ngram> {
    let bytes = fs::read(path)?;
    parse(&bytes).map_err(|problem| Error::Damaged { path: path.into(), problem: problem.into() })
}

type Parsed<T> = std::result::Result<T, &'static str>;

fn parse(bytes: &[u8]) -> Parsed<Ngram> {
    let rest = &mut bytes.strip_prefix(MAGIC).ok_or("it does not begin with `regimen ngram 1`")?;
    let context_bytes = get(rest)? as usize;
    let (bytes, documents) = (get(rest)?, get(rest)?);
    if context_bytes > MAX_CONTEXT {
        return Err("its contexts are too long");
    }
    let mut orders = Vec::new();
    for length in 0..=context_bytes {
        let mut entries = Vec::new();
        let mut before = None;
        for _ in 0..get(rest)? {
            let distance = get(rest)?;
            let context = match before {
                None => distance,
                Some(_) if distance == 0 => return Err("a context stands in it twice"),
                Some(before) => distance.checked_add(before).ok_or("a context is too long")?,
            };
            if context > mask(length) {
                return Err("a context is too long");
            }
            before = Some(context);
            let mut next = 0u64;
            let successors = get(rest)?;
            if successors == 0 {
                return Err("a context has no successor");
            }
            for _ in 0..successors {
                let symbol = get(rest)?
                    .checked_add(next)
                    .filter(|&s| s <= u64::from(END))
                    .ok_or("a symbol is too large")?;
                let count = get(rest)?;
                if count == 0 {
                    return Err("a count is 0");
                }
                entries.push(Entry { context, symbol: symbol as u16, count });
                next = symbol + 1;
            }
        }
        let total = entries.iter().try_fold(0u64, |sum, e: &Entry| sum.checked_add(e.count));
        total.ok_or("its counts are too large")?;
        orders.push(Order::new(length, &entries));
    }
    if !rest.is_empty() {
        return Err("something follows its last number");
    }
    Ok(Ngram { orders, bytes, documents })
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

fn get(rest: &mut &[u8]) -> Parsed<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or("it ends too early")?;
        *rest = after;
        if shift == 63 && byte > 1 {
            break;
        }
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(number);
        }
    }
    Err("a number has more than 64 bits")
}

#[cfg(test)]
mod tests {
    use super::super::Counter;
    use super::*;

    fn model(context: usize) -> Ngram {
        let mut counter = Counter::new(context);
        for text in [&b"the cat sat on the mat"[..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255], b""] {
            counter.add(text);
        }
        counter.finish()
    }

    #[test]
    fn a_model_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        for context in [0, 1, 3, 7] {
            let (path, model) = (dir.path().join("m"), model(context));
            model.save(&path).unwrap();
            let back = Ngram::open(&path).unwrap();
            assert_eq!(back, model);
            assert_eq!(back.nats(b"the hat").to_bits(), model.nats(b"the hat").to_bits());
        }
    }

    #[test]
    fn damage_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        model(3).save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 127, 128, 255] {
                let mut copy = bytes.clone();
                copy[at] = value;
                // Another count is a valid file; anything else must be refused, and nothing may panic.
                if let Ok(model) = parse(&copy) {
                    assert!(model.nats(b"the").is_finite());
                }
            }
        }
        fs::write(&path, b"something else").unwrap();
        let error = Ngram::open(&path).unwrap_err().to_string();
        assert!(error.contains("does not begin with") && error.contains("m"), "{error}");
    }

    #[test]
    fn numbers_of_all_sizes_go_back_and_forth() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(get(&mut out.as_slice()), Ok(number));
        }
        assert!(get(&mut [255u8; 11].as_slice()).is_err());
    }
}
