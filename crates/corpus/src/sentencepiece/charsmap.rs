//! The rules of a normaliser as `precompiled_charsmap` holds them: the length of a double-array trie in bytes (u32), the trie
//! (Darts-clone: units of 32 bits), and the texts that are put in, each ended by a zero byte. All is little endian.
//!
//! A unit holds the byte that leads to it (bits 0 to 7), whether a value hangs below it (bit 8), and the distance to the units
//! below it (bits 10 to 30, times 256 if bit 9 is set), which is combined by exclusive or. A unit with bit 31 is a value: the
//! offset of a text.

use super::proto::refuse;
use crate::error::Result;

/// Rules: the longest one that fits the begin of a text is taken.
#[derive(Debug)]
pub(super) struct CharsMap {
    units: Vec<u32>,
    /// Each text is followed by a zero byte.
    texts: String,
}

/// The byte that leads to a unit, or something else for a value.
fn label(unit: u32) -> u32 {
    unit & (1 << 31 | 0xff)
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize
}

fn has_value(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

impl CharsMap {
    /// Read rules, which stand at byte `at` of `file`.
    pub fn read(bytes: &[u8], file: &str, at: usize) -> Result<CharsMap> {
        let wrong = |what: &str| refuse(file, at, format!("`precompiled_charsmap`: {what}"));
        let (length, rest) =
            bytes.split_first_chunk::<4>().ok_or_else(|| wrong("it has fewer than 4 bytes"))?;
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || !length.is_multiple_of(4) || length >= rest.len() {
            return Err(wrong(&format!("a trie of {length} bytes in {}", rest.len())));
        }
        let (trie, texts) = rest.split_at(length);
        let units = trie.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        let texts = std::str::from_utf8(texts).map_err(|_| wrong("its texts are not UTF-8"))?.to_string();
        if !texts.ends_with('\0') {
            return Err(wrong("its last text has no end"));
        }
        let map = CharsMap { units, texts };
        map.check().map_err(wrong)?;
        Ok(map)
    }

    /// Every rule that can be reached is for whole characters and leads to a text, and no unit is below itself.
    fn check(&self) -> std::result::Result<(), &'static str> {
        // By unit, whether it was seen with 0, 1, 2 or 3 bytes of a character still to come, and, four bits above, whether all
        // below it was.
        let mut seen = vec![0u8; self.units.len()];
        // What is to be entered, and, below what it leads to, what is to be left.
        let mut open = vec![(0usize, 0u8, false)];
        while let Some((unit, left, leave)) = open.pop() {
            let (entered, done) = (1u8 << left, 16u8 << left);
            if leave {
                seen[unit] |= done;
                continue;
            }
            if seen[unit] & done != 0 {
                continue;
            }
            if seen[unit] & entered != 0 {
                return Err("its trie has a cycle");
            }
            seen[unit] |= entered;
            open.push((unit, left, true));
            let base = unit ^ offset(self.units[unit]);
            if unit != 0 && has_value(self.units[unit]) {
                if left > 0 {
                    return Err("a rule ends inside of a character");
                }
                self.text(base).ok_or("a rule leads to no text")?;
            }
            // Bytes of other kinds are in no text.
            let below: &[(u8, u8, u8)] = match left {
                0 => &[(0x01, 0x7f, 0), (0xc2, 0xdf, 1), (0xe0, 0xef, 2), (0xf0, 0xf4, 3)],
                left => &[(0x80, 0xbf, left - 1)],
            };
            for &(first, last, left) in below {
                let child = |byte: u8| Some(base ^ usize::from(byte)).filter(|at| self.leads(*at, byte));
                open.extend((first..=last).filter_map(child).map(|at| (at, left, false)));
            }
        }
        Ok(())
    }

    /// Whether the unit at `at` is one to which `byte` leads.
    fn leads(&self, at: usize, byte: u8) -> bool {
        self.units.get(at).is_some_and(|unit| label(*unit) == u32::from(byte))
    }

    /// The text of the value at `at`.
    fn text(&self, at: usize) -> Option<&str> {
        let value = self.units.get(at)? & !(1 << 31);
        let text = self.texts.get(value as usize..)?;
        Some(&text[..memchr::memchr(0, text.as_bytes())?])
    }

    /// What the longest rule for the begin of `text` puts in, and the bytes that it takes.
    pub fn longest(&self, text: &str) -> Option<(&str, usize)> {
        let mut base = offset(self.units[0]);
        let mut found = None;
        for (i, &byte) in text.as_bytes().iter().enumerate() {
            let at = base ^ usize::from(byte);
            // A zero byte is in no rule.
            if byte == 0 || !self.leads(at, byte) {
                break;
            }
            base = at ^ offset(self.units[at]);
            if has_value(self.units[at]) {
                found = Some((base, i + 1));
            }
        }
        let (value, length) = found.filter(|(_, length)| text.is_char_boundary(*length))?;
        Some((self.text(value)?, length))
    }
}
