//! The tags of a document as bytes: short, for there can be many spans.
//!
//! For every slot in order: a value, or the place of a label, is one byte (0 absent, 1 a whole number, 2 and 3 another one) and the number; a flag is one
//! byte; spans are their number, a byte that says whether all scores are 1, and for each the distance of its start from
//! the start before it and its length, with its score if it is needed. Whole numbers are LEB128 (signed ones in zigzag),
//! others are f32 where that says all of them, else f64 (little endian): what is read is to the bit what rules compared.

use super::{Shape, Span, Tags};
use crate::error::{Error, Result};

const ABSENT: u8 = 0;
const WHOLE: u8 = 1;
const FLOAT: u8 = 2;
const DOUBLE: u8 = 3;

fn put(mut n: u64, out: &mut Vec<u8>) {
    while n >= 128 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_signed(n: i64, out: &mut Vec<u8>) {
    put((n << 1 ^ n >> 63) as u64, out);
}

fn put_score(score: f64, out: &mut Vec<u8>) {
    if score.trunc() == score && score.abs() < 1e15 {
        out.push(WHOLE);
        put_signed(score as i64, out);
    } else if f64::from(score as f32) == score {
        out.push(FLOAT);
        out.extend_from_slice(&(score as f32).to_le_bytes());
    } else {
        out.push(DOUBLE);
        out.extend_from_slice(&score.to_le_bytes());
    }
}

/// Append the tags of the slots with these shapes.
pub(crate) fn encode(shapes: &[Shape], tags: &Tags, out: &mut Vec<u8>) {
    for (slot, shape) in shapes.iter().enumerate() {
        let spans = tags.spans(slot);
        match shape {
            Shape::Value | Shape::Label => match spans.first() {
                Some(span) => put_score(span.score, out),
                None => out.push(ABSENT),
            },
            Shape::Flag => out.push(u8::from(!spans.is_empty())),
            Shape::Spans => {
                put(spans.len() as u64, out);
                if spans.is_empty() {
                    continue;
                }
                let scored = spans.iter().any(|span| span.score != 1.0);
                out.push(u8::from(scored));
                let mut before = 0;
                for span in spans {
                    put_signed(i64::from(span.start) - before, out);
                    before = i64::from(span.start);
                    put(u64::from(span.end - span.start), out);
                    if scored {
                        put_score(span.score, out);
                    }
                }
            }
        }
    }
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().ok_or(Error::Record { what: "a document's tags" })?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(n);
            }
        }
        Err(Error::Record { what: "a number of a document's tags" })
    }

    fn signed(&mut self) -> Result<i64> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) =
            self.0.split_first_chunk().ok_or(Error::Record { what: "a number of a document's tags" })?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn score(&mut self, kind: u8) -> Result<f64> {
        match kind {
            WHOLE => Ok(self.signed()? as f64),
            FLOAT => Ok(f64::from(f32::from_le_bytes(self.bytes()?))),
            DOUBLE => Ok(f64::from_le_bytes(self.bytes()?)),
            _ => Err(Error::Record { what: "a document's tags" }),
        }
    }
}

/// Read the tags of a text of `length` bytes.
///
/// # Errors
/// [`Error::Record`] for bytes that [`encode`] does not write.
pub(crate) fn decode(shapes: &[Shape], bytes: &[u8], length: u32) -> Result<Tags> {
    let bad = || Error::Record { what: "a document's tags" };
    let mut reader = Reader(bytes);
    let mut tags = Tags::default();
    tags.begin(shapes.len(), length);
    for (slot, shape) in shapes.iter().enumerate() {
        match shape {
            Shape::Value | Shape::Label => match reader.byte()? {
                ABSENT => {}
                kind => {
                    let score = reader.score(kind)?;
                    tags.value(slot, score);
                }
            },
            Shape::Flag => match reader.byte()? {
                0 => {}
                1 => tags.value(slot, 1.0),
                _ => return Err(bad()),
            },
            Shape::Spans => {
                let count = reader.number()?;
                let scored = count > 0 && reader.byte()? != 0;
                let mut before = 0i64;
                for _ in 0..count {
                    let start = before.checked_add(reader.signed()?).ok_or_else(bad)?;
                    before = start;
                    let end = u64::try_from(start)
                        .map_err(|_| bad())?
                        .checked_add(reader.number()?)
                        .ok_or_else(bad)?;
                    if end > u64::from(length) {
                        return Err(bad());
                    }
                    let score = if scored {
                        let kind = reader.byte()?;
                        reader.score(kind)?
                    } else {
                        1.0
                    };
                    tags.push(slot, Span { start: start as u32, end: end as u32, score });
                }
            }
        }
    }
    if reader.0.is_empty() { Ok(tags) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPES: [Shape; 4] = [Shape::Value, Shape::Spans, Shape::Flag, Shape::Spans];

    prop_compose! {
        fn any_spans()(list in prop::collection::vec((0u32..900, 0u32..100, prop_oneof![Just(1.0f64), any::<f64>(), any::<f32>().prop_map(f64::from)]), 0..6)) -> Vec<Span> {
            let fine = |x: f64| if x.is_finite() { x } else { 0.25 };
            list.into_iter().map(|(start, length, x)| Span { start, end: start + length, score: fine(x) }).collect()
        }
    }

    proptest! {
        #[test]
        fn tags_come_back(value in prop::option::of(-1000i32..1000), a in any_spans(), flag: bool, b in any_spans()) {
            let mut tags = Tags::default();
            tags.begin(4, 1000);
            if let Some(value) = value {
                tags.value(0, f64::from(value) / 10.0);
            }
            if flag {
                tags.value(2, 1.0);
            }
            a.iter().for_each(|span| tags.push(1, *span));
            b.iter().for_each(|span| tags.push(3, *span));
            let mut bytes = Vec::new();
            encode(&SHAPES, &tags, &mut bytes);
            let back = decode(&SHAPES, &bytes, 1000).unwrap();
            for slot in 0..4 {
                prop_assert_eq!(back.spans(slot), tags.spans(slot));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&SHAPES, &bytes, 50);
        }
    }
}
