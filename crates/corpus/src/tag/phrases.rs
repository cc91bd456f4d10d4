//! Where any of some phrases occurs in a text, in any case of ASCII.
//!
//! A byte's table entry says, in eight bits for each of the first four bytes of a phrase, which groups of phrases have it
//! there. A place where four entries in a row agree on a group is compared with the phrases of that group. That is one
//! look at a table for each byte, none of which waits for the one before.

/// Bytes of a phrase that the table knows.
const KNOWN: usize = 4;

/// Some phrases, none of which lies within another one.
#[derive(Debug)]
pub(super) struct Phrases {
    table: Box<[u32; 256]>,
    /// By group: number and text in small letters.
    groups: [Vec<(usize, Vec<u8>)>; 8],
    shortest: usize,
}

impl Phrases {
    /// For phrases of at least one byte.
    pub fn new<'p>(phrases: impl IntoIterator<Item = &'p str>) -> Phrases {
        let mut table = Box::new([0u32; 256]);
        let mut groups: [Vec<(usize, Vec<u8>)>; 8] = Default::default();
        // Phrases with the same first byte are in one group, the other groups take turns.
        let mut firsts: Vec<u8> = Vec::new();
        let mut shortest = usize::MAX;
        for (number, phrase) in phrases.into_iter().enumerate() {
            let lower = phrase.to_ascii_lowercase().into_bytes();
            let Some(&first) = lower.first() else { continue };
            let turn = firsts.iter().position(|f| *f == first).unwrap_or_else(|| {
                firsts.push(first);
                firsts.len() - 1
            });
            for place in 0..KNOWN {
                let bit = 1u32 << (8 * place + turn % 8);
                match lower.get(place) {
                    Some(&byte) => {
                        table[usize::from(byte)] |= bit;
                        table[usize::from(byte.to_ascii_uppercase())] |= bit;
                    }
                    None => table.iter_mut().for_each(|entry| *entry |= bit),
                }
            }
            shortest = shortest.min(lower.len());
            groups[turn % 8].push((number, lower));
        }
        Phrases { table, groups, shortest }
    }

    /// The phrase that begins at a place, if it is in one of the groups.
    fn at(&self, bytes: &[u8], at: usize, mut groups: u32) -> Option<(usize, usize)> {
        while groups != 0 {
            let group = &self.groups[groups.trailing_zeros() as usize % 8];
            groups &= groups - 1;
            let fits = |phrase: &&(usize, Vec<u8>)| {
                bytes.get(at..at + phrase.1.len()).is_some_and(|found| found.eq_ignore_ascii_case(&phrase.1))
            };
            if let Some((number, phrase)) = group.iter().find(fits) {
                return Some((*number, phrase.len()));
            }
        }
        None
    }

    /// Tell of all occurrences: number of the phrase, first byte, end. They do not overlap: of two that do the first
    /// counts. `found` says whether to go on.
    #[inline]
    pub fn each(&self, bytes: &[u8], mut found: impl FnMut(usize, usize, usize) -> bool) {
        if bytes.len() < self.shortest {
            return;
        }
        let mut free = 0;
        // What the entries of the three bytes before leave.
        let (mut one, mut two, mut three) = (0u32, 0u32, 0u32);
        let behind = [0u8; KNOWN - 1];
        // Behind the end nothing can be said against a phrase: short ones may end there.
        let entries = bytes.iter().map(|&byte| self.table[usize::from(byte)]);
        for (end, entry) in entries.chain(behind.iter().map(|_| u32::MAX)).enumerate() {
            let groups = three & (entry >> 24);
            if groups != 0 {
                let at = end + 1 - KNOWN;
                if at >= free
                    && let Some((number, length)) = self.at(bytes, at, groups)
                {
                    free = at + length;
                    if !found(number, at, free) {
                        return;
                    }
                }
            }
            three = two & (entry >> 16);
            two = one & (entry >> 8);
            one = entry & 0xFF;
        }
    }
}

/// Whether `phrase`, in small letters, occurs in any case. Its byte at `rare` is one that is rare in most texts.
pub(super) fn holds(bytes: &[u8], phrase: &[u8], rare: usize) -> bool {
    let Some(&byte) = phrase.get(rare) else { return false };
    let neighbour = if rare == 0 { 1 } else { rare - 1 };
    memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), bytes).any(|at| {
        let Some(start) = at.checked_sub(rare) else { return false };
        let near =
            |place: usize| bytes.get(start + place).map(u8::to_ascii_lowercase) == phrase.get(place).copied();
        near(neighbour)
            && bytes.get(start..start + phrase.len()).is_some_and(|found| found.eq_ignore_ascii_case(phrase))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aho_corasick::AhoCorasick;
    use proptest::prelude::*;

    const PHRASES: [&str; 12] = [
        "sk-",
        "eyJ",
        "pwd",
        "lorem ipsum",
        "ab",
        "x",
        "-----BEGIN ",
        "skip",
        "Token",
        "tok_",
        "use cookies",
        "ü",
    ];

    proptest! {
        #[test]
        fn occurrences_are_those_of_an_automaton(
            text in "(sk|-|S|K-|[a-cxEyYjJ ]|pWd|Lorem |ipsum|LOREM ipsum|-----|BEGIN|tok|_|en|ü|Ü|use |cookies){0,30}"
        ) {
            let automaton =
                AhoCorasick::builder().ascii_case_insensitive(true).build(PHRASES).unwrap();
            let expected: Vec<(usize, usize, usize)> =
                automaton.find_iter(&text).map(|m| (m.pattern().as_usize(), m.start(), m.end())).collect();
            let mut found = Vec::new();
            let phrases = Phrases::new(PHRASES);
            phrases.each(text.as_bytes(), |number, start, end| {
                found.push((number, start, end));
                true
            });
            prop_assert_eq!(found, expected);
            for (phrase, rare) in [("lorem ipsum", 7), ("pwd", 0), ("use cookies", 6)] {
                let lower = text.to_ascii_lowercase();
                prop_assert_eq!(holds(text.as_bytes(), phrase.as_bytes(), rare), lower.contains(phrase));
            }
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        let phrases = Phrases::new(PHRASES);
        for run in ["-", "s", "lorem ", "p", "sk"] {
            let text = run.repeat(1_000_000 / run.len());
            phrases.each(text.as_bytes(), |_, _, _| true);
            holds(text.as_bytes(), b"lorem ipsum", 7);
        }
    }
}
