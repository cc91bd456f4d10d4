//! Character references: `&amp;`, `&#38;`, `&#x26;`, and the old ones that need no semicolon.
//!
//! `entities.txt` has the 2125 names of the HTML standard (section 13.5): name, then the code points in base 16; `!` marks
//! the 106 names that also stand without a semicolon.

use std::sync::LazyLock;

struct Named {
    name: &'static str,
    /// Stands without a semicolon.
    bare: bool,
    text: String,
}

static NAMED: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let lines = include_str!("entities.txt").lines().filter_map(|line| line.split_once(' '));
    let text = |codes: &str| {
        let code = |code| u32::from_str_radix(code, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
        codes.trim_start_matches('!').split('+').map(code).collect()
    };
    lines.map(|(name, codes)| Named { name, bare: codes.starts_with('!'), text: text(codes) }).collect()
});

/// The longest name has 31 characters.
const LONGEST: usize = 31;
/// The longest that needs no semicolon.
const LONGEST_BARE: usize = 6;

fn named(name: &str) -> Option<&'static Named> {
    NAMED.binary_search_by(|known| known.name.cmp(name)).ok().map(|at| &NAMED[at])
}

/// Add `raw` to `out` with its references put in. In an attribute, an old reference without semicolon that is followed by
/// a letter, a digit or `=` is text.
pub(super) fn decode_into(raw: &str, attribute: bool, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match reference(rest, attribute, out) {
            Some(used) => rest = &rest[used..],
            None => out.push('&'),
        }
    }
    out.push_str(rest);
}

/// As a new string.
pub(super) fn decode(raw: &str, attribute: bool) -> String {
    let mut out = String::with_capacity(raw.len());
    decode_into(raw, attribute, &mut out);
    out
}

/// Put in the reference whose `&` stands before `rest`. Gives back the bytes it takes.
fn reference(rest: &str, attribute: bool, out: &mut String) -> Option<usize> {
    for (name, text) in [("amp;", "&"), ("nbsp;", "\u{a0}"), ("lt;", "<"), ("gt;", ">"), ("quot;", "\"")] {
        if rest.starts_with(name) {
            out.push_str(text);
            return Some(name.len());
        }
    }
    if let Some(digits) = rest.strip_prefix('#') {
        return numeric(digits, out).map(|used| used + 1);
    }
    let length = rest.bytes().take(LONGEST).take_while(u8::is_ascii_alphanumeric).count();
    let after = rest.as_bytes().get(length);
    if after == Some(&b';')
        && let Some(found) = named(&rest[..length])
    {
        out.push_str(&found.text);
        return Some(length + 1);
    }
    let bare =
        (2..=length.min(LONGEST_BARE)).rev().find_map(|n| named(&rest[..n]).filter(|found| found.bare))?;
    let used = bare.name.len();
    let next = rest.as_bytes().get(used);
    if attribute && next.is_some_and(|&b| b == b'=' || b.is_ascii_alphanumeric()) {
        return None;
    }
    out.push_str(&bare.text);
    Some(used)
}

fn numeric(digits: &str, out: &mut String) -> Option<usize> {
    let (radix, prefix) = if digits.starts_with(['x', 'X']) { (16, 1) } else { (10, 0) };
    let number = &digits[prefix..];
    let length = number.bytes().take_while(|&b| char::from(b).is_digit(radix)).count();
    if length == 0 {
        return None;
    }
    // What is longer than any code point stands for none.
    let code = number[..length].chars().fold(0u32, |code, digit| {
        code.saturating_mul(radix).saturating_add(digit.to_digit(radix).unwrap_or(0))
    });
    out.push(character(code));
    let semicolon = usize::from(number.as_bytes().get(length) == Some(&b';'));
    Some(prefix + length + semicolon)
}

/// Numbers of the C1 controls mean the characters of windows-1252, as pages of the nineties have it.
fn character(code: u32) -> char {
    const WINDOWS: [u16; 32] = [
        0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152,
        0x8d, 0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122,
        0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
    ];
    let code = match code {
        0x80..=0x9f => u32::from(WINDOWS[(code - 0x80) as usize]),
        other => other,
    };
    char::from_u32(code).filter(|&c| c != '\0').unwrap_or('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert_eq!(NAMED.len(), 2125);
        assert_eq!(NAMED.iter().filter(|n| n.bare).count(), 106);
        assert!(NAMED.windows(2).all(|w| w[0].name < w[1].name));
        assert_eq!(NAMED.iter().map(|n| n.name.len()).max(), Some(LONGEST));
        assert_eq!(NAMED.iter().filter(|n| n.bare).map(|n| n.name.len()).max(), Some(LONGEST_BARE));
        assert_eq!(NAMED.iter().filter(|n| n.bare).map(|n| n.name.len()).min(), Some(2));
    }

    #[test]
    fn references() {
        for (raw, expected) in [
            ("a &amp; b", "a & b"),
            ("&lt;p&gt;&quot;&apos;", "<p>\"'"),
            ("&eacute;&eacute&Eacute", "\u{e9}\u{e9}\u{c9}"),
            ("&notit; &notin; &not", "\u{ac}it; \u{2209} \u{ac}"),
            ("&NotEqualTilde;", "\u{2242}\u{338}"),
            ("&CounterClockwiseContourIntegral;", "\u{2233}"),
            ("&#38;&#x26;&#X26&#38", "&&&&"),
            ("&#150;&#x80;", "\u{2013}\u{20ac}"),
            ("&#0;&#xD800;&#x110000;&#99999999999999;", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("& &; &# &#; &#x; &foo; &foo", "& &; &# &#; &#x; &foo; &foo"),
            ("AT&T; &ampamp; &", "AT&T; &amp; &"),
            ("&nbsp;&\u{e9};", "\u{a0}&\u{e9};"),
        ] {
            assert_eq!(decode(raw, false), expected, "{raw}");
        }
        assert_eq!(decode("?a=1&copy=2&copy;&copy", true), "?a=1&copy=2\u{a9}\u{a9}");
        assert_eq!(decode("?a=1&copy=2", false), "?a=1\u{a9}=2");
    }

    proptest! {
        #[test]
        fn text_without_references_stays(text in "[^&]{0,50}") {
            prop_assert_eq!(decode(&text, false), text);
        }

        #[test]
        fn any_text_is_decoded(text in "(&(#x?[0-9a-fA-F]{0,9}|[a-zA-Z]{0,9});?|\\PC){0,20}", attribute: bool) {
            decode(&text, attribute);
        }
    }
}
