//! Lines (or other pieces) of a text that occur more than once.

use crate::hash::{fold, hash};

/// What repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Repeated {
    /// Occurrences of pieces that occur more than once.
    pub all: u32,
    /// Their characters.
    pub all_characters: u64,
    /// The same without the first occurrence of each.
    pub later: u32,
    /// Their characters.
    pub later_characters: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    count: u32,
    /// The text that it is of; the slot is free for every other one.
    text: u32,
}

/// A table of pieces, kept from text to text.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    slots: Vec<Slot>,
    /// Number of the last text, from 1.
    text: u32,
}

impl Repeats {
    /// Count pieces of `text`, `most` of them at most: ranges of bytes and their characters. Pieces are told apart by 64
    /// bits.
    pub fn count(
        &mut self,
        text: &str,
        most: usize,
        pieces: impl Iterator<Item = (u32, u32, u32)>,
    ) -> Repeated {
        let size = (2 * most).next_power_of_two().max(16);
        let mask = size - 1;
        if self.text == u32::MAX {
            (self.text, self.slots) = (0, Vec::new());
        }
        self.text += 1;
        if self.slots.len() < size {
            self.slots.resize(size, Slot::default());
        }
        let mut out = Repeated::default();
        for (start, end, characters) in pieces {
            let key = hash(text.as_bytes(), start as usize, end as usize);
            let mut i = fold(key, 0x9E37_79B9_7F4A_7C15) as usize & mask;
            while (self.slots[i].text == self.text) & (self.slots[i].key != key) {
                i = (i + 1) & mask;
            }
            let slot = &mut self.slots[i];
            let before = if slot.text == self.text { slot.count } else { 0 };
            *slot = Slot { key, count: before + 1, text: self.text };
            if slot.count > 1 {
                // With the second occurrence the first one counts as well.
                let times = if slot.count == 2 { 2 } else { 1 };
                out.all += times;
                out.all_characters += u64::from(times) * u64::from(characters);
                out.later += 1;
                out.later_characters += u64::from(characters);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firsts_and_laters_are_told_apart() {
        let text = "ab\nc\nab\nab\n\nd\n";
        let mut at = 0;
        let pieces: Vec<(u32, u32, u32)> = text
            .split('\n')
            .map(|line| {
                let start = at;
                at += line.len() as u32 + 1;
                (start, start + line.len() as u32, line.len() as u32)
            })
            .collect();
        let found = Repeats::default().count(text, pieces.len(), pieces.into_iter());
        let expected = Repeated { all: 5, all_characters: 6, later: 3, later_characters: 4 };
        assert_eq!(found, expected);
    }
}
