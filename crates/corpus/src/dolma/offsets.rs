//! Offsets in bytes of UTF-8 to offsets in code points, and back.

/// Bytes between two marks.
const BLOCK: usize = 256;

/// A text with marks every few bytes, so that an offset costs the same anywhere in it.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    /// Code points before each block; empty if the text is ASCII.
    before: Vec<u32>,
}

/// Bytes that begin a code point.
fn begins(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

/// Code points that begin in `bytes`.
fn begun(bytes: &[u8]) -> u32 {
    // Sums of a byte let the compiler count sixteen at once and more.
    let sum = |piece: &[u8]| piece.iter().fold(0u8, |sum, &byte| sum + u8::from(begins(byte)));
    bytes.chunks(usize::from(u8::MAX)).map(|piece| u32::from(sum(piece))).sum()
}

impl Offsets {
    /// Mark a text.
    pub fn mark(&mut self, text: &str) {
        self.before.clear();
        if text.is_ascii() {
            return;
        }
        let mut sum = 0;
        self.before.extend(text.as_bytes().chunks(BLOCK).map(|block| {
            let before = sum;
            sum += begun(block);
            before
        }));
        self.before.push(sum);
    }

    /// Code points before byte `at` of the marked `text`.
    pub fn code_points(&self, text: &str, at: u32) -> u32 {
        let at = (at as usize).min(text.len());
        match self.before.get(at / BLOCK) {
            None => at as u32,
            Some(&before) => before + begun(&text.as_bytes()[at / BLOCK * BLOCK..at]),
        }
    }

    /// Offsets one after the other, most of them a little behind the one before.
    pub fn cursor<'o>(&'o self, text: &'o str) -> Cursor<'o> {
        Cursor { offsets: self, text, at: 0, points: 0 }
    }

    /// The byte at which code point `at` of the marked `text` begins; its length for the end. None beyond the end.
    pub fn byte(&self, text: &str, at: u32) -> Option<u32> {
        if self.before.is_empty() {
            return (at as usize <= text.len()).then_some(at);
        }
        // The last mark is that of the end.
        let blocks = self.before.len() - 1;
        let block = self.before[..blocks].partition_point(|&before| before <= at).checked_sub(1)?;
        let start = block * BLOCK;
        let missing = (at - self.before[block]) as usize;
        let rest = text.as_bytes().get(start..)?;
        let mut starts = rest.iter().enumerate().filter(|(_, b)| begins(**b)).map(|(i, _)| i);
        match starts.nth(missing) {
            Some(i) => Some((start + i) as u32),
            None => (self.code_points(text, text.len() as u32) == at).then_some(text.len() as u32),
        }
    }
}

/// A place in a marked text.
pub(crate) struct Cursor<'o> {
    offsets: &'o Offsets,
    text: &'o str,
    at: u32,
    points: u32,
}

impl Cursor<'_> {
    /// Go to byte `at`; gives back the code points before it.
    #[inline]
    pub fn to(&mut self, at: u32) -> u32 {
        if self.offsets.before.is_empty() {
            return at.min(self.text.len() as u32);
        }
        let between = self.text.as_bytes().get(self.at as usize..at as usize);
        self.points = match between.filter(|bytes| bytes.len() < BLOCK) {
            Some(bytes) => self.points + begun(bytes),
            None => self.offsets.code_points(self.text, at),
        };
        self.at = at.min(self.text.len() as u32);
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn offsets_go_there_and_back(
            parts in prop::collection::vec("[a-cé中🦀]{0,300}", 0..4), jumps in prop::collection::vec(0usize..2000, 0..20)
        ) {
            let text = parts.concat();
            let mut offsets = Offsets::default();
            offsets.mark(&text);
            let ends = [text.len()];
            for (points, byte) in text.char_indices().map(|(i, _)| i).chain(ends).enumerate() {
                prop_assert_eq!(offsets.code_points(&text, byte as u32), points as u32);
                prop_assert_eq!(offsets.byte(&text, points as u32), Some(byte as u32));
            }
            prop_assert_eq!(offsets.byte(&text, text.chars().count() as u32 + 1), None);
            let mut cursor = offsets.cursor(&text);
            for at in jumps {
                let at = text.floor_char_boundary(at) as u32;
                prop_assert_eq!(cursor.to(at), offsets.code_points(&text, at));
            }
        }
    }
}
