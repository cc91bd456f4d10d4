//! What the expressions of pre-tokenizers ask of a character, as bits in one table.
//!
//! The table comes from the very crate that reads the expressions in the engine of the `tokenizers` crate, so that both know
//! the same version of Unicode; a test compares it with what that engine finds.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// `\p{L}`.
pub(super) const LETTER: u8 = 1;
/// `\p{N}`.
pub(super) const NUMBER: u8 = 2;
/// `\s`.
pub(super) const SPACE: u8 = 4;
/// `\p{M}`.
pub(super) const MARK: u8 = 8;
/// `[\p{Lu}\p{Lt}]`.
pub(super) const UPPER: u8 = 16;
/// `\p{Ll}`.
pub(super) const LOWER: u8 = 32;
/// What the pre-tokenizer `Digits` takes for a digit: Rust's own notion, which may be of another Unicode version.
pub(super) const NUMERIC: u8 = 64;
/// `[\r\n]`.
pub(super) const NEWLINE: u8 = 128;

/// Planes 4 to 13 are empty and 15 and 16 are private: no character there has any bit.
const TABLE: [std::ops::Range<u32>; 2] = [0..0x4_0000, 0xE_0000..0xE_1000];

static CLASSES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut classes = vec![0; TABLE.iter().map(std::ops::Range::len).sum()];
    for (class, bits) in NAMED {
        for c in members(class) {
            mark(&mut classes, c, bits);
        }
    }
    for c in TABLE.into_iter().flatten().filter_map(char::from_u32).filter(|c| c.is_numeric()) {
        mark(&mut classes, c, NUMERIC);
    }
    classes
});

/// Classes as the expressions name them.
const NAMED: [(&str, u8); 7] = [
    (r"\p{L}", LETTER),
    (r"\p{N}", NUMBER),
    (r"\s", SPACE),
    (r"\p{M}", MARK),
    (r"[\p{Lu}\p{Lt}]", UPPER),
    (r"\p{Ll}", LOWER),
    (r"[\r\n]", NEWLINE),
];

/// The characters of a class.
fn members(class: &str) -> impl Iterator<Item = char> {
    let parsed = regex_syntax::parse(class).expect("the class is valid").into_kind();
    let HirKind::Class(Class::Unicode(class)) = parsed else { panic!("{class} is a class of characters") };
    let ranges: Vec<_> = class.ranges().iter().map(|range| range.start()..=range.end()).collect();
    ranges.into_iter().flatten()
}

fn mark(classes: &mut [u8], c: char, bits: u8) {
    if let Some(place) = place(c) {
        classes[place] |= bits;
    }
}

/// Where the bits of a character lie; those elsewhere have none.
fn place(c: char) -> Option<usize> {
    let code = c as u32;
    let [low, high] = &TABLE;
    if low.contains(&code) {
        Some(code as usize)
    } else if high.contains(&code) {
        Some(low.len() + (code - high.start) as usize)
    } else {
        None
    }
}

/// In [`ASCII`], a byte of any other character. (No ASCII character is a mark.)
pub(super) const FOREIGN: u8 = MARK;

/// The bits of the ASCII characters, and [`FOREIGN`] for other bytes.
pub(super) static ASCII: [u8; 256] = {
    let mut classes = [FOREIGN; 256];
    let mut c = 0;
    while c < 128 {
        let byte = c as u8;
        classes[c] = if byte.is_ascii_uppercase() {
            LETTER | UPPER
        } else if byte.is_ascii_lowercase() {
            LETTER | LOWER
        } else if byte.is_ascii_digit() {
            NUMBER | NUMERIC
        } else if byte == b'\r' || byte == b'\n' {
            SPACE | NEWLINE
        } else if byte == b' ' || (byte >= 9 && byte <= 13) {
            SPACE
        } else {
            0
        };
        c += 1;
    }
    classes
};

/// The bits of a character.
pub(super) fn of(c: char) -> u8 {
    place(c).map_or(0, |place| CLASSES[place])
}

/// The bits and length of the character at `at`; none at the end.
pub(super) fn at(text: &str, at: usize) -> Option<(u8, usize)> {
    let byte = *text.as_bytes().get(at)?;
    if byte < 128 {
        return Some((ASCII[usize::from(byte)], 1));
    }
    let c = text[at..].chars().next()?;
    Some((of(c), c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::utils::SysRegex;

    #[test]
    fn the_table_is_what_the_engine_finds_among_all_characters() {
        let mut all = vec![0; char::MAX as usize + 1];
        let text: String = (0..=char::MAX as u32).filter_map(char::from_u32).collect();
        for (class, bits) in NAMED {
            let regex = SysRegex::new(&format!("{class}+")).expect("the expression is valid");
            for (start, end) in regex.find_iter(&text) {
                text[start..end].chars().for_each(|c| all[c as usize] |= bits);
            }
        }
        text.chars().filter(|c| c.is_numeric()).for_each(|c| all[c as usize] |= NUMERIC);
        for c in (0..=char::MAX as u32).filter_map(char::from_u32) {
            assert_eq!(of(c), all[c as usize], "{c:?}");
        }
        assert_eq!(CLASSES[..128], ASCII[..128]);
        assert_eq!(of('é'), LETTER | LOWER);
        assert_eq!(of('ǅ'), LETTER | UPPER);
        assert_eq!(of('日'), LETTER);
        assert_eq!(of('²'), NUMBER | NUMERIC);
        assert_eq!(of('\u{2003}'), SPACE);
        // Alphabetic, but not a letter: combining marks such as U+0345, and circled letters.
        assert_eq!((of('\u{345}'), of('ⓘ')), (MARK, 0));
    }
}
