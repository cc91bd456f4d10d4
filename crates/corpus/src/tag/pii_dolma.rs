//! E-mail addresses, phone numbers and IPv4 addresses as Dolma's tagger `pii_regex_with_counts_fast_v2` marks them.
//!
//! Its three expressions, searched in every paragraph (a line with its line feed, unless it is blank):
//!
//! - e-mail `[.\s@,?!;:)(]*([^\s@]+@[^\s@,?!;:)(]+?)[.\s@,?!;:)(]?[\s\n\r]`, unless the part before `@` is `(` or that
//!   behind it has no dot. So an address counts only if white space follows, and the span holds what stands around it.
//! - phone `\s+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4})`
//! - IPv4 `(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)`
//!
//! No expression is run: each match is found from its `@`, its white space, its dots, with one look at each character,
//! so the time is linear in the text (Dolma's e-mail expression is quadratic on long runs). A text with more than 10,000
//! question marks is not searched, as in Dolma.
//!
//! - `doc_count`: all spans; `doc_frac`: their characters and once those of the text (Dolma's span for the count is among
//!   what it sums), by the characters of the text; -1 for the empty text.

use memchr::memchr_iter;

use super::classes::{is_decimal, is_space};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, View, signed, spans, value};

const EMAIL: usize = 0;
const PHONE: usize = 1;
const IP: usize = 2;
const COUNT: usize = 3;
const SHARE: usize = 4;
const MOST_QUESTION_MARKS: usize = 10_000;

static ATTRIBUTES: [Attribute; 5] = [
    spans("EMAIL_ADDRESS", "e-mail addresses, with the punctuation and white space around them"),
    spans("PHONE_NUMBER", "phone numbers of ten digits, with the white space before them"),
    spans("IP_ADDRESS", "IPv4 addresses"),
    value("doc_count", "number of spans"),
    signed("doc_frac", "characters of all spans and of the text, by those of the text; -1 of an empty one"),
];

pub(super) static KIND: Kind = Kind {
    name: "pii@dolma",
    aliases: &["pii_regex_with_counts_fast_v2"],
    version: 2,
    about: "E-mail addresses, phone numbers and IPv4 addresses as Dolma's pii_regex_with_counts_fast_v2 marks them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Pii))
    },
};

struct Pii;

impl Tagger for Pii {
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let bytes = view.text.as_bytes();
        let mut found = Found { view, count: 0, characters: 0, out };
        if memchr_iter(b'?', bytes).take(MOST_QUESTION_MARKS + 1).count() <= MOST_QUESTION_MARKS {
            let offsets = &mut scratch.numbers;
            emails(&mut found, offsets);
            phones(&mut found);
            addresses(&mut found, offsets);
        }
        let (count, characters) = (found.count, found.characters);
        out.value(COUNT, count as f64);
        let length = u64::from(view.characters);
        out.value(SHARE, if length == 0 { -1.0 } else { (characters + length) as f64 / length as f64 });
    }
}

struct Found<'f, 'd> {
    view: View<'d>,
    count: u64,
    characters: u64,
    out: &'f mut Tags,
}

impl Found<'_, '_> {
    fn add(&mut self, attribute: usize, start: usize, end: usize) {
        self.count += 1;
        self.characters += self.view.text[start..end].chars().count() as u64;
        self.out.span(attribute, start as u32..end as u32, 1.0);
    }

    /// The paragraph around a byte: the line with its line feed.
    fn paragraph(&self, at: usize) -> (usize, usize) {
        let lines = self.view.lines;
        let line = &lines[lines
            .partition_point(|line| line.end as usize <= at && line.end < self.view.bytes())
            .min(lines.len() - 1)];
        (line.start as usize, (line.end as usize + 1).min(self.view.text.len()))
    }
}

/// The class `[.\s@,?!;:)(]` of the e-mail expression.
fn around(c: char) -> bool {
    matches!(c, '.' | '@') || closing(c) || is_space(c)
}

/// What ends the domain besides white space and `@`.
fn closing(c: char) -> bool {
    matches!(c, ',' | '?' | '!' | ';' | ':' | ')' | '(')
}

/// A match of the e-mail expression.
struct Match {
    start: usize,
    end: usize,
    /// Where the run of characters of the first class ends in which the match begins.
    run: usize,
    /// Where its paragraph ends, and every run of it.
    paragraph: usize,
    /// The part before `@` lies in that run.
    inside: bool,
    /// Dolma counts it.
    counts: bool,
}

fn emails(found: &mut Found, offsets: &mut Vec<u32>) {
    offsets.clear();
    offsets.extend(memchr_iter(b'@', found.view.text.as_bytes()).map(|at| at as u32));
    // Behind the last match.
    let mut free = 0;
    // A match whose `@` lies in a run of the first class gives way to a later one that begins in the same run: the class
    // takes as much as it can.
    let mut waiting: Option<Match> = None;
    let take = |found: &mut Found, one: &Match| {
        if one.counts {
            found.add(EMAIL, one.start, one.end);
        }
        one.end
    };
    for &at in offsets.iter() {
        let at = at as usize;
        if at < free {
            continue;
        }
        if let Some(last) = waiting.take_if(|last| last.paragraph <= at) {
            free = take(found, &last);
        }
        let mut next = email(found, at, free, waiting.as_ref());
        if let Some(first) = waiting.take() {
            let same = at < first.run || next.as_ref().is_some_and(|next| next.run == first.run);
            if same && next.is_none() {
                waiting = Some(first);
                continue;
            }
            if !same {
                free = take(found, &first);
                next = if at < free { None } else { email(found, at, free, None) };
            }
        }
        match next {
            Some(next) if next.inside => waiting = Some(next),
            Some(next) => free = take(found, &next),
            None => {}
        }
    }
    if let Some(last) = waiting {
        take(found, &last);
    }
}

/// The match with the `@` at a place that begins at `free` or behind it. `waiting` is one before it, whose run may be the
/// same.
fn email(found: &Found, at: usize, free: usize, waiting: Option<&Match>) -> Option<Match> {
    let text = found.view.text;
    let (start, end) = found.paragraph(at);
    let start = start.max(free);
    let before = &text[start..at];
    let local = before
        .rfind(|c| c == '@' || is_space(c))
        .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
    if local == before.len() {
        return None;
    }
    let behind = &text[at + 1..end];
    let domain = behind.find(|c| c == '@' || closing(c) || is_space(c)).unwrap_or(behind.len());
    let (domain, length) = domain_and_end(behind, domain)?;
    // What the expression's first class leaves to the address: at least one character.
    let address = before[local..].trim_start_matches(around);
    let inside = address.is_empty();
    let run = match waiting {
        _ if !inside => at - address.len(),
        Some(first) if at < first.run => first.run,
        _ => end - text[at..end].trim_start_matches(around).len(),
    };
    let first = match waiting {
        Some(first) if first.run == run => first.start,
        _ => start + before[..local].trim_end_matches(around).len(),
    };
    let only_parenthesis = address == "(" || (inside && before.ends_with('('));
    let counts = !only_parenthesis && domain.contains('.');
    Some(Match { start: first, end: at + 1 + length, run, paragraph: end, inside, counts })
}

/// The shortest domain with which the rest of the expression matches, and the bytes up to the end of the match. `run` is
/// the length of the longest domain.
fn domain_and_end(behind: &str, run: usize) -> Option<(&str, usize)> {
    let mut rest = behind[run..].chars();
    let next = rest.next();
    let space_at = |c: Option<char>| c.filter(|&c| is_space(c)).map(char::len_utf8);
    // A dot at the end of the run is left to the class behind the domain.
    if let (Some(head), Some(space)) = (behind[..run].strip_suffix('.'), space_at(next))
        && !head.is_empty()
    {
        return Some((head, run + space));
    }
    let next = next.filter(|_| run > 0)?;
    let domain = &behind[..run];
    if let Some(space) = space_at(rest.next()) {
        // The class takes the next character, whatever it is: `@`, punctuation, or white space.
        return Some((domain, run + next.len_utf8() + space));
    }
    space_at(Some(next)).map(|space| (domain, run + space))
}

/// The length of a run of exactly `n` digits at the start of a text, or none.
fn digits(text: &str, n: usize) -> Option<usize> {
    let mut end = 0;
    let mut chars = text.chars();
    for _ in 0..n {
        let c = chars.next().filter(|&c| is_decimal(c))?;
        end += c.len_utf8();
    }
    Some(end)
}

fn phones(found: &mut Found) {
    let view = found.view;
    let text = view.text;
    for line in view.lines {
        let words = view.words_of(line);
        // Behind the last match in this line.
        let mut free = line.start as usize;
        for (i, word) in words.iter().enumerate() {
            let start = word.start as usize;
            let before = match i {
                0 => line.start as usize,
                _ => words[i - 1].end as usize,
            }
            .max(free);
            let first = text.as_bytes()[start];
            if before >= start || !(first == b'(' || first.is_ascii_digit() || first >= 128) {
                continue;
            }
            if let Some(length) = phone(&text[start..line.end as usize]) {
                free = start + length;
                found.add(PHONE, before, free);
            }
        }
    }
}

/// The length of `\(?\d{3}\)?[-. ]*\d{3}[-. ]?\d{4}` at the start of a text.
fn phone(text: &str) -> Option<usize> {
    let mut at = usize::from(text.starts_with('('));
    at += digits(&text[at..], 3)?;
    at += usize::from(text[at..].starts_with(')'));
    let separator = |c: char| matches!(c, '-' | '.' | ' ');
    at += text[at..].len() - text[at..].trim_start_matches(separator).len();
    at += digits(&text[at..], 3)?;
    at += usize::from(text[at..].starts_with(separator));
    at += digits(&text[at..], 4)?;
    Some(at)
}

fn addresses(found: &mut Found, offsets: &mut Vec<u32>) {
    let text = found.view.text;
    each_address(text.as_bytes(), offsets, |start, end| found.add(IP, start, end));
}

/// All matches of the expression for IPv4 addresses.
pub(super) fn each_address(bytes: &[u8], offsets: &mut Vec<u32>, mut found: impl FnMut(usize, usize)) {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    offsets.clear();
    offsets.extend(
        memchr_iter(b'.', bytes).filter(|&at| at > 0 && digit(at - 1) && digit(at + 1)).map(|at| at as u32),
    );
    let mut free = 0;
    for &dot in offsets.iter() {
        let dot = dot as usize;
        // The longest number that ends at the dot.
        let first = (free.max(dot.saturating_sub(3))..dot)
            .find(|&start| octet(&bytes[start..dot]) == Some(dot - start));
        let Some(first) = first else { continue };
        let mut at = dot + 1;
        let mut whole = true;
        for _ in 0..2 {
            let length = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).take(4).count();
            whole = octet(&bytes[at..at + length]) == Some(length)
                && length > 0
                && bytes.get(at + length) == Some(&b'.');
            if !whole {
                break;
            }
            at += length + 1;
        }
        if let (true, Some(length)) = (whole, octet(&bytes[at..])) {
            free = at + length;
            found(first, free);
        }
    }
}

/// The length of the number that `25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?` takes first at the start of a text.
pub(super) fn octet(text: &[u8]) -> Option<usize> {
    let digit = |i: usize| text.get(i).filter(|b| b.is_ascii_digit());
    match (digit(0)?, digit(1), digit(2)) {
        (b'2', Some(b'5'), Some(b'0'..=b'5')) | (b'2', Some(b'0'..=b'4'), Some(_)) => Some(3),
        (b'0' | b'1', Some(_), Some(_)) => Some(3),
        (_, Some(_), _) => Some(2),
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::{number, tags};
    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    /// The expressions themselves, run by an engine whose matches are Python's (leftmost, first alternative first).
    fn by_expression(text: &str) -> Vec<(usize, usize, usize)> {
        let expressions = [
            r"[.\s\x1c-\x1f@,?!;:)(]*([^\s\x1c-\x1f@]+@[^\s\x1c-\x1f@,?!;:)(]+?)[.\s\x1c-\x1f@,?!;:)(]?[\s\x1c-\x1f]",
            r"[\s\x1c-\x1f]+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4})",
            r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)",
        ];
        let mut found = Vec::new();
        for (kind, expression) in expressions.iter().enumerate() {
            let regex = Regex::new(expression).unwrap();
            let mut offset = 0;
            for paragraph in text.split_inclusive('\n') {
                for captures in regex.captures_iter(paragraph) {
                    let whole = captures.get_match().unwrap();
                    if kind == EMAIL {
                        let group = &paragraph[captures.get_group(1).unwrap().range()];
                        let (address, domain) = group.split_once('@').unwrap();
                        if address.trim() == "(" || !domain.contains('.') {
                            continue;
                        }
                    }
                    found.push((kind, offset + whole.start(), offset + whole.end()));
                }
                offset += paragraph.len();
            }
        }
        found
    }

    fn ours(text: &str) -> Vec<(usize, usize, usize)> {
        let kind = |name: &str| ATTRIBUTES.iter().position(|a| a.name == name).unwrap();
        tags("pii@dolma", text)
            .into_iter()
            .map(|t| (kind(&t.0), t.1 as usize, t.2 as usize))
            .filter(|t| t.0 <= IP)
            .collect()
    }

    #[test]
    fn examples_of_each_kind() {
        let text = "mail (me@x.org), or you.too@mail.example.com. call (212) 555-0123 or 2125550123\nhost 192.168.0.256 at 10.0.0.1.\n";
        let shown: Vec<&str> = ours(text).iter().map(|t| &text[t.1..t.2]).collect();
        assert_eq!(
            shown,
            [" you.too@mail.example.com. ", " (212) 555-0123", " 2125550123", "192.168.0.25", "10.0.0.1"]
        );
        assert_eq!(ours(text), by_expression(text));
        assert_eq!(number("pii@dolma", "doc_count", text), 5.0);
        assert_eq!(number("pii@dolma", "doc_frac", ""), -1.0);
        assert_eq!(number("pii@dolma", "doc_frac", "at 1.1.1.1"), 1.7);
    }

    #[test]
    fn no_match_goes_from_one_paragraph_to_the_next() {
        for text in [".@..\nx@y.z@ ", " .@.\n@..\n", ".@..\n.@..\n", ".@..\n@x@y.z \n"] {
            assert_eq!(ours(text), by_expression(text), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn matches_are_those_of_the_expressions(
            text in "([a2.@ ,(:\n\u{a0}é)]|x@y\\.z|a@b|\\.\\.|@ | {2}|\\.com ){0,14}"
        ) {
            prop_assert_eq!(ours(&text), by_expression(&text), "{:?}", text);
        }

        #[test]
        fn numbers_are_those_of_the_expressions(
            text in "([ 0-9.()\\-\n]|[0-9]{3}|[0-9]{3}-[0-9]{4}|٣٤٥|25[0-9]|1\\.2\\.|\t | \\(){0,14}"
        ) {
            prop_assert_eq!(ours(&text), by_expression(&text), "{:?}", text);
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in ["a", "@", "a@", ".", "1.", "1", " ", "(", "a@b.c"] {
            let text = run.repeat(2_000_000 / run.len());
            tags("pii@dolma", &text);
        }
    }
}
