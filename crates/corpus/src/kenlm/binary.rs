//! KenLM's binary files, format 5: a header, the vocabulary, the tables, and the words as text, which are not needed here.
//!
//! The header of 88 bytes holds a signature and constants that show the byte order; then come the order (u8), the factor by
//! which hash tables are larger than their contents (f32), the kind of model, whether words follow, the version of the
//! tables (u32 each, aligned), and the number of n-grams of each order (u64). Sizes of all that follows are computed from
//! these, and checked against the length of the file before anything is looked up.

use super::LONGEST;
use super::probing::Probing;
use super::trie::Trie;
use crate::error::Result;
use crate::fasttext::bytes::{Bytes, Cursor};

const START: &[u8] = b"mmap lm http://kheafield.com/code";
const MAGIC: &[u8] = b"mmap lm http://kheafield.com/code format version 5\n\0\0";
const FORMAT: &str = "KenLM";

/// A mapped model.
pub(crate) struct Binary {
    bytes: Bytes,
    order: usize,
    kind: Kind,
}

enum Kind {
    Probing(Probing),
    Trie(Trie),
}

/// Hands out the regions of the file one after the other.
pub(crate) struct Regions<'a> {
    pub cursor: Cursor<'a>,
    pub file: &'a [u8],
    /// Number of n-grams of each order.
    pub counts: Vec<u64>,
}

impl Regions<'_> {
    /// Where a region of `count` entries of `size` bytes begins.
    pub fn take(&mut self, count: u64, size: u64, what: &str) -> Result<usize> {
        let at = self.cursor.at();
        self.cursor.take(count.saturating_mul(size), what)?;
        Ok(at)
    }
}

impl Binary {
    /// Whether a file begins as KenLM's binary files do, of any version.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(START)
    }

    pub fn order(&self) -> usize {
        self.order
    }

    /// Read the header and check that all tables are there.
    pub fn read(bytes: Bytes, file: &str) -> Result<Binary> {
        let mut cursor = Cursor::new(&bytes, file, FORMAT);
        let magic = cursor.take(56, "the signature")?;
        if !magic.starts_with(MAGIC) {
            let version =
                magic.iter().skip(START.len()).take_while(|byte| byte.is_ascii_graphic() || **byte == b' ');
            let version: String = version.map(|&byte| char::from(byte)).collect();
            return Err(
                cursor.refuse(format!("the signature says `{}`, not `format version 5`", version.trim()))
            );
        }
        let constants = [0.0f32.to_bits(), 1.0f32.to_bits(), (-0.5f32).to_bits(), 1, u32::MAX, 0, 1, 0];
        for constant in constants {
            if cursor.u32("a constant")? != constant {
                return Err(cursor.refuse("its constants are those of another machine"));
            }
        }
        let order = usize::from(cursor.u8("the order")?);
        cursor.take(3, "the header")?;
        let factor = cursor.f32("the size of the tables")?;
        let kind = cursor.u32("the kind of model")?;
        cursor.take(4, "the header")?;
        let version = cursor.u32("the version of the tables")?;
        if !(2..=LONGEST).contains(&order) {
            return Err(cursor.refuse(format!("its order is {order}, not 2 to {LONGEST}")));
        }
        if !(1.0..1e6).contains(&factor) {
            return Err(
                cursor.refuse(format!("its hash tables are {factor} times as large as their contents"))
            );
        }
        let counts = (0..order).map(|_| cursor.u64("the number of n-grams")).collect::<Result<Vec<u64>>>()?;
        let odd = cursor.at() % 8;
        cursor.take(if odd > 0 { 8 - odd as u64 } else { 0 }, "the header")?;
        // An n-gram takes more than a bit, which bounds all sums below.
        if counts.iter().any(|&count| count / 8 > bytes.len() as u64) || counts[0] >= u64::from(u32::MAX) {
            return Err(cursor.refuse(format!("{counts:?} n-grams cannot fit into the file")));
        }
        let (wanted, rest_costs) = match kind {
            0 | 1 => (0, kind == 1),
            2..=5 => (1, false),
            _ => return Err(cursor.refuse(format!("it is of kind {kind}; kinds 0 to 5 can be read"))),
        };
        if version != wanted {
            return Err(cursor.refuse(format!("its tables are of version {version}, not {wanted}")));
        }
        let mut regions = Regions { cursor, file: &bytes, counts };
        let kind = if kind < 2 {
            Kind::Probing(Probing::read(&mut regions, factor, rest_costs)?)
        } else {
            Kind::Trie(Trie::read(&mut regions, kind == 3 || kind == 5, kind >= 4)?)
        };
        let binary = Binary { order, kind, bytes };
        for mark in ["<s>", "</s>"] {
            if binary.index(mark.as_bytes()) == 0 {
                return Err(Cursor::new(&binary.bytes, file, FORMAT)
                    .refuse(format!("`{mark}` is not among its words")));
            }
        }
        Ok(binary)
    }

    pub fn index(&self, word: &[u8]) -> u32 {
        match &self.kind {
            Kind::Probing(probing) => probing.index(&self.bytes, word),
            Kind::Trie(trie) => trie.index(&self.bytes, word),
        }
    }

    /// Call `each` for the n-grams that end with `word`, the shortest first: words, log-probability, back-off weight. The
    /// files hold all shorter ends of an n-gram, so the walk stops where one is missing.
    pub fn walk(&self, word: u32, context: &[u32], each: impl FnMut(usize, f32, f32)) {
        match &self.kind {
            Kind::Probing(probing) => probing.walk(&self.bytes, word, context, each),
            Kind::Trie(trie) => trie.walk(&self.bytes, word, context, each),
        }
    }
}

/// A number at a place of the file; nothing beyond its end.
pub(crate) fn u64_at(file: &[u8], at: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// A number at a place of the file; nothing beyond its end.
pub(crate) fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A number at a place of the file; nothing beyond its end.
pub(crate) fn f32_at(file: &[u8], at: usize) -> Option<f32> {
    u32_at(file, at).map(f32::from_bits)
}
