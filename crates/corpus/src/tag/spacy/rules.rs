//! What is cut from the ends of a run and inside of it, and what looks like a URL: tables of characters and their neighbours.

use std::ops::Range;
use std::sync::LazyLock;

use super::table::Table;
use crate::tag::classes::{SYMBOL, of};

/// Letters that the rules know, and whether each is small or capital; those of scripts without case are both.
fn case(c: char) -> (bool, bool) {
    match c {
        'a'..='z' => (true, false),
        'A'..='Z' => (false, true),
        _ if c.is_ascii() => (false, false),
        '\u{c0}'..='\u{24f}'
        | '\u{2c60}'..='\u{2c7f}'
        | '\u{a722}'..='\u{a7ff}'
        | '\u{1e00}'..='\u{1eff}'
        | 'Α'..='Ω'
        | 'α'..='ω'
        | 'ά'..='ώ'
        | 'Ά'..='Ώ'
        | 'А'..='я'
        | 'Ѐ'..='Џ'
        | 'ѐ'..='џ'
        | 'ґ'
        | 'Ґ'
        | 'ә'
        | 'Ә'
        | 'ө'
        | 'Ө'
        | 'ү'
        | 'Ү'
        | 'җ'
        | 'Җ'
        | 'ң'
        | 'Ң'
        | 'һ'
        | 'Һ'
        | '\u{ff21}'..='\u{ff3a}'
        | '\u{ff41}'..='\u{ff5a}' => (c.is_lowercase(), c.is_uppercase()),
        '\u{250}'..='\u{2af}'
        | '\u{1d00}'..='\u{1d25}'
        | '\u{1d6b}'..='\u{1d9a}'
        | '\u{ab30}'..='\u{ab64}' => (true, false),
        '\u{1200}'..='\u{137f}'
        | '\u{980}'..='\u{9ff}'
        | '\u{591}'..='\u{5f4}'
        | '\u{fb1d}'..='\u{fb4f}'
        | '\u{620}'..='\u{64a}'
        | '\u{66e}'..='\u{6d5}'
        | '\u{6e5}'..='\u{6ff}'
        | '\u{750}'..='\u{77f}'
        | '\u{8a0}'..='\u{8bd}'
        | '\u{fb50}'..='\u{fbb1}'
        | '\u{fbd3}'..='\u{fd3d}'
        | '\u{fd50}'..='\u{fdc7}'
        | '\u{fdf0}'..='\u{fdfb}'
        | '\u{fe70}'..='\u{fefc}'
        | '\u{d80}'..='\u{dff}'
        | '\u{900}'..='\u{97f}'
        | '\u{c80}'..='\u{cff}'
        | '\u{b80}'..='\u{bff}'
        | '\u{c00}'..='\u{c7f}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{20000}'..='\u{2ebef}'
        | '\u{2e80}'..='\u{303f}'
        | '\u{31c0}'..='\u{33ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{1f200}'..='\u{1f2ff}'
        | '\u{2f800}'..='\u{2fa1f}' => (true, true),
        _ => (false, false),
    }
}

fn alpha(c: char) -> bool {
    case(c) != (false, false)
}

fn lower(c: char) -> bool {
    case(c).0
}

fn upper(c: char) -> bool {
    case(c).1
}

/// `\d`-like class `[0-9]`.
fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn quote(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, '"' | '\'' | '`' | ',');
    }
    "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧".contains(c)
}

fn mark(c: char) -> bool {
    if let Some(entry) = u8::try_from(c).ok().and_then(ascii) {
        return entry & BEHIND != 0 && (c == ',' || !quote(c));
    }
    "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪".contains(c)
}

fn icon(c: char) -> bool {
    of(c) & SYMBOL != 0
}

fn currency(c: char) -> bool {
    "$£€¥฿₽﷼₴".contains(c) || ('\u{20a0}'..='\u{20bf}').contains(&c)
}

/// Units that are parted from the digits before them.
static UNITS: LazyLock<Table<()>> =
    LazyLock::new(|| Table::new(UNIT_LIST.split_whitespace().map(|unit| (unit.to_string(), ()))));

const UNIT_LIST: &str = "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h \
    kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ нм кг г мг \
    м/с км/ч кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ тбكم كم² كم³ م م² م³ سم سم² سم³ مم مم² مم³ كم غرام جرام جم كغ \
    ملغ كوب اكواب US$ C$ A$";

/// Characters of the longest of them.
const LONGEST_UNIT: usize = 5;

/// An ASCII character is cut off as a prefix, whatever follows.
const AHEAD: u8 = 1;
/// It is cut off as a suffix, whatever stands before it.
const BEHIND: u8 = 2;
/// It is one at which words may be cut inside.
const INSIDE: u8 = 4;
/// It is looked at closely at the start of a word.
const CLOSELY: u8 = 8;

/// What the rules below say of each character of ASCII by itself: most characters need no more.
static ASCII: [u8; 128] = {
    let mut all = [0u8; 128];
    let mut i = 0;
    while i < 128 {
        let c = i as u8;
        all[i] = match c {
            b',' | b':' | b';' | b'!' | b'?' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>'
            | b'_' | b'#' | b'*' | b'&' | b'\'' | b'"' | b'`' => AHEAD | BEHIND,
            b'%' | b'=' | b'$' => AHEAD,
            b'+' | b'.' | b'U' | b'C' | b'A' => CLOSELY,
            _ => 0,
        } | match c {
            b'.' | b'+' | b'-' | b'*' | b'^' | b',' | b'~' | b':' | b'<' | b'>' | b'=' | b'/' => INSIDE,
            _ => 0,
        };
        i += 1;
    }
    all
};

/// Whether a word may be cut at a byte: those of [`INSIDE`], and all beyond ASCII.
static MAY_CUT: [bool; 256] = {
    let mut all = [true; 256];
    let mut i = 0;
    while i < 128 {
        all[i] = ASCII[i] & INSIDE != 0;
        i += 1;
    }
    all
};

/// The entry of a byte; none beyond ASCII.
#[inline]
fn ascii(byte: u8) -> Option<u8> {
    ASCII.get(usize::from(byte)).copied()
}

/// The length of the prefix that is cut off.
#[inline]
pub(super) fn prefix(text: &str) -> usize {
    match text.as_bytes().first().map(|byte| ascii(*byte)) {
        None => 0,
        Some(Some(entry)) if entry & CLOSELY == 0 => usize::from(entry & AHEAD),
        _ => prefix_by_rules(text),
    }
}

fn prefix_by_rules(text: &str) -> usize {
    let Some(c) = text.chars().next() else { return 0 };
    let single = match c {
        '§' | '%' | '=' | '—' | '–' => true,
        '+' => !text[1..].starts_with(digit),
        '.' => {
            return Some(text.bytes().take_while(|b| *b == b'.').count())
                .filter(|dots| *dots > 1)
                .unwrap_or(0);
        }
        'U' | 'C' | 'A' => {
            return ["US$", "C$", "A$"]
                .iter()
                .find(|sign| text.starts_with(**sign))
                .map_or(0, |sign| sign.len());
        }
        _ if c.is_ascii_alphanumeric() => false,
        _ => mark(c) || quote(c) || currency(c) || icon(c),
    };
    if single { c.len_utf8() } else { 0 }
}

/// The length of the suffix that is cut off: of several the longest.
#[inline]
pub(super) fn suffix(text: &str) -> usize {
    let Some((&last, rest)) = text.as_bytes().split_last() else { return 0 };
    match ascii(last) {
        Some(entry) if entry & BEHIND != 0 => 1,
        // Nothing but a unit behind a digit, or the s behind an apostrophe, ends in a letter.
        Some(_) if last.is_ascii_alphabetic() => {
            let closely = digits_near_end(rest) || (last | 0x20 == b's' && rest.last() == Some(&b'\''));
            if closely { suffix_by_rules(text) } else { 0 }
        }
        Some(_) if last.is_ascii_digit() => 0,
        // The end of most sentences.
        Some(_)
            if last == b'.' && rest.last().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) =>
        {
            1
        }
        _ => suffix_by_rules(text),
    }
}

/// Whether a digit, or anything beyond ASCII, is among the last bytes, as many as a unit has.
#[inline]
fn digits_near_end(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        let near = &bytes[bytes.len() - LONGEST_UNIT.min(bytes.len())..];
        return near.iter().any(|b| b.is_ascii_digit() || *b >= 128);
    };
    // Eight bytes at once: the highest bit of each says whether the sum has passed 128.
    const EACH: u64 = 0x0101_0101_0101_0101;
    let near = u64::from_le_bytes(*last) >> (8 * (8 - LONGEST_UNIT));
    let low = near & (0x7F * EACH);
    let from = |byte: u8| low + u64::from(128 - byte) * EACH;
    (from(b'0') & !from(b'9' + 1) | near) & (0x80 * EACH) != 0
}

fn suffix_by_rules(text: &str) -> usize {
    let mut back = text.chars().rev();
    let Some(last) = back.next() else { return 0 };
    let before = back.next();
    let size = last.len_utf8();
    match last {
        '…' if before == Some('…') => 2 * size,
        '.' if before == Some('.') => text.len() - text.trim_end_matches('.').len(),
        '.' => {
            let kept = before.is_some_and(|c| {
                digit(c) || lower(c) || mark(c) || quote(c) || matches!(c, '%' | '²' | '-' | '+' | '|')
            });
            let capitals = before.is_some_and(upper) && back.next().is_some_and(upper);
            let degrees =
                before.is_some_and(|c| "FfCcKk".contains(c)) && text[..text.len() - 2].ends_with('°');
            if kept || capitals || degrees { 1 } else { 0 }
        }
        's' | 'S' if matches!(before, Some('\'' | '’')) => size + before.map_or(0, char::len_utf8),
        '+' => usize::from(before.is_some_and(digit)),
        _ if mark(last) || quote(last) || icon(last) || matches!(last, '—' | '–') => size,
        // Without a digit in reach there is no unit.
        _ => {
            let digits = text.char_indices().rev().take(LONGEST_UNIT + 1).find(|(_, c)| digit(*c));
            let Some(unit) = digits.map(|(at, _)| &text[at + 1..]).filter(|unit| !unit.is_empty()) else {
                return 0;
            };
            let sign = unit.chars().count() == 1 && currency(last);
            if sign || UNITS.get(unit).is_some() { unit.len() } else { 0 }
        }
    }
}

/// The next place, from `from` on, where a word is cut inside.
pub(super) fn infix(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        at += text.as_bytes()[at..].iter().position(|&byte| MAY_CUT[usize::from(byte)])?;
        let c = text[at..].chars().next()?;
        let length = infix_at(text, at, c);
        if length > 0 {
            return Some(at..at + length);
        }
        at += c.len_utf8();
    }
}

/// The length of what is cut out at the character `c` at a place.
fn infix_at(text: &str, at: usize, c: char) -> usize {
    if !(c.is_ascii() || matches!(c, '…' | '–' | '—') || icon(c)) {
        return 0;
    }
    let before = text[..at].chars().next_back();
    let next = text[at + c.len_utf8()..].chars().next();
    let ahead = |of: fn(char) -> bool| before.is_some_and(of);
    let behind = |of: fn(char) -> bool| next.is_some_and(of);
    match c {
        '.' if next == Some('.') => text[at..].bytes().take_while(|b| *b == b'.').count(),
        '…' => c.len_utf8(),
        _ if !c.is_ascii() && icon(c) => c.len_utf8(),
        '+' | '-' | '*' | '^' if ahead(digit) && next.is_some_and(|c| digit(c) || c == '-') => 1,
        '.' if ahead(|c| lower(c) || quote(c)) && behind(|c| upper(c) || quote(c)) => 1,
        ',' if ahead(alpha) && behind(alpha) => 1,
        '-' | '–' | '—' | '~' if ahead(|c| alpha(c) || digit(c)) => {
            let hyphens = ["-", "–", "—", "--", "---", "——", "~"];
            let fits = |hyphen: &&&str| {
                text[at..].strip_prefix(**hyphen).is_some_and(|rest| rest.starts_with(alpha))
            };
            hyphens.iter().find(fits).map_or(0, |hyphen| hyphen.len())
        }
        ':' | '<' | '>' | '=' | '/' if ahead(|c| alpha(c) || digit(c)) && behind(alpha) => 1,
        _ => 0,
    }
}

/// Whether a text looks like a URL: scheme, user, host or public address, port, path.
pub(super) fn url(text: &str) -> bool {
    // None without a dot or with nothing but one.
    if !text.contains('.') || text.len() < 4 {
        return false;
    }
    let scheme = |c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
    let rest =
        text.find("://").filter(|&end| text[..end].chars().count() > 1 && text[..end].chars().all(scheme));
    let with_user = |text: &str| {
        host(text) || text.char_indices().any(|(at, c)| c == '@' && at > 0 && host(&text[at + 1..]))
    };
    with_user(text) || rest.is_some_and(|end| with_user(&text[end + 3..]))
}

/// Whether a text is a host with what may follow it.
fn host(text: &str) -> bool {
    let end = text.find([':', '/', '?', '#', '@']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if let Some(port) = rest.strip_prefix(':') {
        let digits = port.bytes().take_while(u8::is_ascii_digit).count();
        if !(2..=5).contains(&digits) {
            return false;
        }
        rest = &port[digits..];
    }
    if !(rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
        return false;
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || ('\u{a1}'..='\u{ffff}').contains(&c);
    let label = |label: &str| {
        label.chars().count() <= 64
            && label.starts_with(letter)
            && label.ends_with(letter)
            && label.chars().all(|c| letter(c) || matches!(c, '_' | '-'))
    };
    let named = name.rsplit_once('.').is_some_and(|(labels, top)| {
        (2..=63).contains(&top.chars().count()) && top.chars().all(lower) && labels.split('.').all(label)
    });
    named || public(name)
}

/// Whether a text is an IPv4 address outside of private networks, as the expression for URLs has it.
fn public(text: &str) -> bool {
    let mut parts = [0u32; 4];
    let mut count = 0;
    for part in text.split('.') {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let (Some(slot), true) = (parts.get_mut(count), digits) else { return false };
        *slot = part.parse().unwrap_or(u32::MAX);
        count += 1;
    }
    let [a, b, c, d] = parts;
    count == 4
        && (1..=223).contains(&a)
        && b <= 255
        && c <= 255
        && (1..=254).contains(&d)
        && !matches!((a, b), (10 | 127, _) | (169, 254) | (192, 168) | (172, 16..=31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_seen_near_the_end_alone(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let near = &bytes[bytes.len().saturating_sub(LONGEST_UNIT)..];
            let naive = near.iter().any(|b| b.is_ascii_digit() || *b >= 128);
            prop_assert_eq!(digits_near_end(&bytes), naive);
        }
    }
}
