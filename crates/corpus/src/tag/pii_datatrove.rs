//! E-mail addresses and IPv4 addresses as datatrove's `PIIFormatter` finds them.
//!
//! Its expression for e-mail is `\b A+ (\. A+)* @ (D | \[ I ])` with `A` one of ``[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]``, `D` at
//! least two labels `[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?` with dots between, and `I` an IPv4 address whose last number
//! may be `[A-Za-z0-9-]*[A-Za-z0-9]:` instead. Between the addresses found, IPv4 addresses are searched as in
//! [`super::pii_dolma`]; those count that have no leading zeros and are global, as Python's `ipaddress` has it.
//!
//! No expression is run: each `@` and each dot is looked at where it stands, so the time is linear in the text.

use std::net::Ipv4Addr;

use memchr::memchr_iter;

use super::classes::{LETTER, NUMBER, of};
use super::pii::is_global;
use super::pii_dolma::{each_address, octet};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, spans};

static ATTRIBUTES: [Attribute; 2] =
    [spans("email", "e-mail addresses"), spans("ip", "global IPv4 addresses outside of them")];

pub(super) static KIND: Kind = Kind {
    name: "pii@datatrove",
    aliases: &[],
    version: 1,
    about: "E-mail addresses and global IPv4 addresses as datatrove's PIIFormatter finds them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Pii))
    },
};

struct Pii;

impl Tagger for Pii {
    fn tag(&self, document: &Document, scratch: &mut Scratch, out: &mut Tags) {
        let text = document.view.text;
        let bytes = text.as_bytes();
        let mut free = 0;
        let mut between = |start: usize, end: usize, out: &mut Tags| {
            each_address(&bytes[start..end], &mut scratch.numbers, |from, to| {
                let address = text[start + from..start + to].parse::<Ipv4Addr>();
                if address.is_ok_and(is_global) {
                    out.span(1, (start + from) as u32..(start + to) as u32, 1.0);
                }
            });
        };
        for sign in memchr_iter(b'@', bytes) {
            let Some(start) = local(text, free, sign) else { continue };
            let behind = &bytes[sign + 1..];
            let Some(length) = domain(behind).or_else(|| literal(behind)) else { continue };
            between(free, start, out);
            free = sign + 1 + length;
            out.span(0, start as u32..free as u32, 1.0);
        }
        between(free, bytes.len(), out);
    }
}

/// A character of the part before `@`.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

/// Python's `\w`.
fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c == '_' || of(c) & (LETTER | NUMBER) != 0)
}

/// Where the part before an `@` begins, not before `free`: at the first edge of a word.
fn local(text: &str, free: usize, sign: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut first = sign;
    while first > free {
        let byte = bytes[first - 1];
        let dot = byte == b'.' && first < sign && bytes[first] != b'.';
        if !(is_atom(byte) || dot) {
            break;
        }
        first -= 1;
    }
    let edge = |at: usize| {
        let before = text[..at].chars().next_back();
        is_word(before) != is_word(text[at..].chars().next())
    };
    (first..sign).find(|&at| bytes[at] != b'.' && edge(at))
}

/// The length of `D` at the start.
fn domain(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut found) = (0, None);
    loop {
        let part = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'-';
        let length = bytes[at..].iter().take_while(part).count();
        let label = &bytes[at..at + length];
        if !label.first().is_some_and(u8::is_ascii_alphanumeric) {
            return found;
        }
        let hyphens = label.iter().rev().take_while(|b| **b == b'-').count();
        if at > 0 {
            found = Some(at + length - hyphens);
        }
        at += length + 1;
        if hyphens > 0 || bytes.get(at - 1) != Some(&b'.') {
            return found;
        }
    }
}

/// The length of `\[ I ]` at the start.
fn literal(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    if bytes.first() != Some(&b'[') {
        return None;
    }
    for _ in 0..3 {
        let length = bytes[at..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        if octet(&bytes[at..at + length]) != Some(length) || bytes.get(at + length) != Some(&b'.') {
            return None;
        }
        at += length + 1;
    }
    let digits = bytes[at..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if octet(&bytes[at..at + digits]) == Some(digits) && bytes.get(at + digits) == Some(&b']') {
        return Some(at + digits + 1);
    }
    let part = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'-';
    let length = bytes[at..].iter().take_while(part).count();
    let fits = length > 0 && bytes[at + length - 1] != b'-' && bytes[at + length..].starts_with(b":]");
    fits.then_some(at + length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::tags;
    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    const OCTET: &str = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";

    /// The expressions themselves, run by an engine whose matches are Python's (leftmost, first alternative first).
    fn by_expression(text: &str) -> Vec<(String, usize, usize)> {
        let (atom, label) = ("[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?");
        let email = format!(
            r"\b{atom}(?:\.{atom})*@(?:(?:{label}\.)+{label}|\[(?:{OCTET}\.){{3}}(?:{OCTET}|[A-Za-z0-9-]*[A-Za-z0-9]:)\])"
        );
        let ip = Regex::new(&format!(r"(?:{OCTET}\.){{3}}{OCTET}")).unwrap();
        let (mut found, mut addresses, mut free) = (Vec::new(), Vec::new(), 0);
        let mut search = |start: usize, end: usize| {
            for m in ip.find_iter(&text[start..end]) {
                let (from, to) = (start + m.start(), start + m.end());
                if text[from..to].parse::<Ipv4Addr>().is_ok_and(is_global) {
                    addresses.push(("ip".to_string(), from, to));
                }
            }
        };
        for m in Regex::new(&email).unwrap().find_iter(text) {
            search(free, m.start());
            free = m.end();
            found.push(("email".to_string(), m.start(), m.end()));
        }
        search(free, text.len());
        found.extend(addresses);
        found
    }

    fn ours(text: &str) -> Vec<(String, usize, usize)> {
        tags("pii@datatrove", text).into_iter().map(|t| (t.0, t.1 as usize, t.2 as usize)).collect()
    }

    #[test]
    fn examples() {
        let text = "«me.x@a-b.org», ..q@x.y.z-. u@[1.2.3.4] at 8.8.8.8, 10.0.0.1, 08.8.8.8, éa@b.c";
        let shown: Vec<&str> = ours(text).iter().map(|t| &text[t.1..t.2]).collect();
        assert_eq!(shown, ["me.x@a-b.org", "q@x.y.z", "u@[1.2.3.4]", "8.8.8.8"]);
        assert_eq!(ours(text), by_expression(text));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn matches_are_those_of_the_expressions(
            text in "([a2.@ +/_é中-]|\\.|@|a@|\\.b|@b\\.c|--|@\\[1\\.2\\.3\\.|9\\]|x:\\]|8\\.8\\.4\\.4|25[0-9]\\.){0,14}"
        ) {
            prop_assert_eq!(ours(&text), by_expression(&text), "{:?}", text);
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in ["a", "@", "a@", ".", "1.", "+", "a@b.", "é", "a@[1.2.3.a"] {
            ours(&run.repeat(2_000_000 / run.len()));
        }
    }
}
