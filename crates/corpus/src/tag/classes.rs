//! Character classes as the published rules mean them, which are Python's: `str.isspace`, `str.isalpha`, `str.isalnum`,
//! and `\d` of `re`. They differ from Rust's: `char::is_alphabetic` takes more than letters (circled letters, many
//! combining marks), `char::is_whitespace` takes less than white space (not U+001C to U+001F).

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// A letter: general category L.
pub(crate) const LETTER: u8 = 1;
/// A decimal digit: general category Nd.
pub(crate) const DECIMAL: u8 = 2;
/// Any number: general category N.
pub(crate) const NUMBER: u8 = 4;
/// White space.
pub(crate) const SPACE: u8 = 8;
/// Part of a word as `\w` of Unicode (UTS 18) means it: alphabetic, mark, decimal digit, connector, joiner.
pub(crate) const WORDLY: u8 = 16;
/// Another symbol than of currency, mathematics and modifiers: general category So.
pub(crate) const SYMBOL: u8 = 32;
/// Punctuation: general category P.
pub(crate) const PUNCTUATION: u8 = 64;
/// Punctuation or any symbol: general categories P and S.
pub(crate) const MARK: u8 = 128;

/// The classes of every character, from the Unicode tables of `regex-syntax`.
static CLASSES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut classes = vec![0u8; char::MAX as usize + 1];
    for (name, class) in [
        (r"\p{L}", LETTER),
        (r"\p{Nd}", DECIMAL),
        (r"\p{N}", NUMBER),
        (r"[\s\x1c-\x1f]", SPACE),
        (r"\w", WORDLY),
        (r"\p{So}", SYMBOL),
        (r"\p{P}", PUNCTUATION),
        (r"[\p{P}\p{S}]", MARK),
    ] {
        let Ok(parsed) = regex_syntax::parse(name) else { continue };
        if let HirKind::Class(Class::Unicode(ranges)) = parsed.kind() {
            for range in ranges.iter() {
                classes[range.start() as usize..=range.end() as usize].iter_mut().for_each(|c| *c |= class);
            }
        }
    }
    classes
});

/// The same for ASCII, without the table.
pub(crate) static ASCII: [u8; 128] = {
    let mut classes = [0u8; 128];
    let mut c = 0;
    while c < 128 {
        classes[c] = match c as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER | WORDLY,
            b'0'..=b'9' => DECIMAL | NUMBER | WORDLY,
            b'_' => WORDLY | PUNCTUATION | MARK,
            b'$' | b'+' | b'<' | b'=' | b'>' | b'^' | b'`' | b'|' | b'~' => MARK,
            b'!'..=b'/' | b':'..=b'@' | b'['..=b']' | b'{' | b'}' => PUNCTUATION | MARK,
            9..=13 | 28..=31 | b' ' => SPACE,
            _ => 0,
        };
        c += 1;
    }
    classes
};

/// The classes of a character, as a sum of the constants above.
#[inline]
pub(crate) fn of(c: char) -> u8 {
    match ASCII.get(c as usize) {
        Some(&class) => class,
        None => CLASSES[c as usize],
    }
}

/// `str.isspace` of one character.
#[inline]
pub(crate) fn is_space(c: char) -> bool {
    of(c) & SPACE != 0
}

/// A digit as `\d` means it.
#[inline]
pub(crate) fn is_decimal(c: char) -> bool {
    of(c) & DECIMAL != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_agrees_with_the_tables() {
        assert_eq!(&CLASSES[..128], &ASCII);
    }

    #[test]
    fn classes_are_those_of_python() {
        for space in
            "\t\n\u{b}\u{c}\r\u{1c}\u{1d}\u{1e}\u{1f} \u{85}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{3000}"
                .chars()
        {
            assert!(is_space(space), "{space:?}");
        }
        for other in "\u{200b}\u{feff}a1".chars() {
            assert!(!is_space(other), "{other:?}");
        }
        // Circled letters and combining marks are alphabetic to Rust and no letters to Python.
        assert!('\u{24d8}'.is_alphabetic() && of('\u{24d8}') & LETTER == 0);
        assert!(of('é') & LETTER != 0 && of('中') & LETTER != 0 && of('ª') & LETTER != 0);
        assert!(is_decimal('٣') && !is_decimal('²') && of('²') & NUMBER != 0);
    }
}
