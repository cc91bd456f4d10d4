//! What the expressions of pre-tokenizers ask of a character, as bits in one table.
//!
//! The table comes from the very engine that the `tokenizers` crate runs the expressions on, so that both agree on every
//! character, whatever version of Unicode the engine knows.

use std::sync::LazyLock;

use tokenizers::utils::SysRegex;

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

static CLASSES: LazyLock<Vec<u8>> = LazyLock::new(|| TABLE.into_iter().flat_map(classes).collect());

fn classes(range: std::ops::Range<u32>) -> Vec<u8> {
    let mut classes = vec![0; range.len()];
    let all: String = range.clone().filter_map(char::from_u32).collect();
    let place = |c: char| (c as u32 - range.start) as usize;
    for (expression, bits) in [
        (r"\p{L}+", LETTER),
        (r"\p{N}+", NUMBER),
        (r"\s+", SPACE),
        (r"\p{M}+", MARK),
        (r"[\p{Lu}\p{Lt}]+", UPPER),
        (r"\p{Ll}+", LOWER),
    ] {
        let regex = SysRegex::new(expression).expect("the expression is valid");
        for (start, end) in regex.find_iter(&all) {
            all[start..end].chars().for_each(|c| classes[place(c)] |= bits);
        }
    }
    all.chars().filter(|c| c.is_numeric()).for_each(|c| classes[place(c)] |= NUMERIC);
    all.chars().filter(|c| matches!(c, '\r' | '\n')).for_each(|c| classes[place(c)] |= NEWLINE);
    classes
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
    let code = c as u32;
    let [low, high] = &TABLE;
    if low.contains(&code) {
        CLASSES[code as usize]
    } else if high.contains(&code) {
        CLASSES[low.len() + (code - high.start) as usize]
    } else {
        0
    }
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

    #[test]
    fn the_table_is_that_of_all_characters() {
        let all = classes(0..char::MAX as u32 + 1);
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
