//! Personal data and secrets, each kind an attribute, each span no longer than the datum itself.
//!
//! - e-mail: a dot-atom (RFC 5322 section 3.2.3, without the marks that rarely occur in addresses and often beside them)
//!   of at most 64 characters, `@`, and a domain (RFC 1035 labels) with a top label of letters that is no file name's ending
//! - phone: `+`, a country calling code in use (ITU-T E.164) and 8 to 15 digits in all; the North American plan; national
//!   numbers that begin with 0 in the groupings that are common
//! - IPv4 and IPv6 addresses, those of private and reserved networks apart (the IANA registries, as Python's
//!   `is_global` reads them), MAC addresses
//! - IBAN: length by country and check digits (ISO 13616, ISO 7064 mod 97-10)
//! - card: an issuer's prefix and length (ISO/IEC 7812) and Luhn's check digit
//! - US social security numbers, by the rules of their parts
//! - secrets: keys with the prefixes that their issuers document, PEM private keys, and assignments to names such as
//!   `password` whose value looks random
//!
//! One pass looks at digits, colons and hyphens, one at `@`, one at the words that secrets begin with; what is found is
//! verified where it stands, within a bounded distance, so the time is linear in the text.

mod network;
mod numbers;
mod secrets;

use memchr::memchr_iter;

pub(super) use network::is_global;

use super::bits::Finder;
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, spans, value};

const EMAIL: usize = 0;
const PHONE: usize = 1;
const IPV4: usize = 2;
const IPV4_PRIVATE: usize = 3;
const IPV6: usize = 4;
const IPV6_PRIVATE: usize = 5;
const MAC: usize = 6;
const IBAN: usize = 7;
const CARD: usize = 8;
const SSN: usize = 9;
const AWS: usize = 10;
const GITHUB: usize = 11;
const SLACK: usize = 12;
const GOOGLE: usize = 13;
const STRIPE: usize = 14;
const SK: usize = 15;
const JWT: usize = 16;
const PEM: usize = 17;
const PASSWORD: usize = 18;
const GITLAB: usize = 19;
const NPM: usize = 20;
const PYPI: usize = 21;
const HUGGING_FACE: usize = 22;
const COUNT: usize = 23;

static ATTRIBUTES: [Attribute; 24] = [
    spans("email", "e-mail addresses"),
    spans("phone", "phone numbers"),
    spans("ipv4", "public IPv4 addresses"),
    spans("ipv4_private", "IPv4 addresses of private and reserved networks"),
    spans("ipv6", "public IPv6 addresses"),
    spans("ipv6_private", "IPv6 addresses of local and documentation networks"),
    spans("mac", "MAC addresses"),
    spans("iban", "international bank account numbers"),
    spans("card", "payment card numbers"),
    spans("ssn", "US social security numbers"),
    spans("secret_aws", "AWS access key ids"),
    spans("secret_github", "GitHub tokens"),
    spans("secret_slack", "Slack tokens"),
    spans("secret_google", "Google API keys"),
    spans("secret_stripe", "Stripe secret and restricted keys"),
    spans("secret_sk", "keys that begin with sk-, as OpenAI's do"),
    spans("secret_jwt", "JSON web tokens"),
    spans("secret_private_key", "PEM private keys"),
    spans("secret_assignment", "values assigned to names such as password and api_key"),
    spans("secret_gitlab", "GitLab access tokens"),
    spans("secret_npm", "npm access tokens"),
    spans("secret_pypi", "PyPI upload tokens"),
    spans("secret_hugging_face", "Hugging Face access tokens"),
    value("count", "spans of all kinds"),
];

pub(super) static KIND: Kind = Kind {
    name: "pii",
    aliases: &[],
    version: 3,
    about: "Personal data and secrets, verified: e-mail, phone, IP, MAC, IBAN, card, keys, passwords.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Pii { secrets: secrets::Secrets::new() }))
    },
};

struct Pii {
    secrets: secrets::Secrets,
}

impl Tagger for Pii {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let bytes = document.view.text.as_bytes();
        let mut count = 0u32;
        let mut add = |attribute: usize, start: usize, end: usize| {
            count += 1;
            out.span(attribute, start as u32..end as u32, 1.0);
        };
        emails(bytes, &mut add);
        numbers(bytes, &mut add);
        self.secrets.find(bytes, &mut add);
        out.value(COUNT, f64::from(count));
    }
}

/// The byte at a place, 0 outside.
#[inline]
fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or(0)
}

/// The byte before a place, 0 at the start.
#[inline]
fn before(bytes: &[u8], place: usize) -> u8 {
    place.checked_sub(1).map_or(0, |place| at(bytes, place))
}

/// A letter, a digit, or part of a character beyond ASCII.
#[inline]
fn wordy(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 128
}

/// How many bytes from `start` on, at most `most`, are of a kind.
#[inline]
fn run(bytes: &[u8], start: usize, most: usize, of: impl Fn(u8) -> bool) -> usize {
    bytes.get(start..).unwrap_or(&[]).iter().take(most).take_while(|&&byte| of(byte)).count()
}

const MOST_LOCAL: usize = 64;
const MOST_DOMAIN: usize = 253;

/// Endings of file names that stand behind `@` in names of pictures and packages, and are no top-level domains.
const FILES: [&[u8]; 20] = [
    b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"mjs", b"ts", b"tsx", b"jsx", b"json",
    b"html", b"htm", b"php", b"pdf", b"mp4", b"tgz", b"yaml",
];

fn emails(bytes: &[u8], add: &mut impl FnMut(usize, usize, usize)) {
    let mut free = 0;
    for sign in memchr_iter(b'@', bytes) {
        let Some(domain) = domain(&bytes[sign + 1..bytes.len().min(sign + 1 + MOST_DOMAIN)]) else {
            continue;
        };
        if wordy(at(bytes, sign + 1 + domain)) {
            continue;
        }
        let part = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-'&~".contains(&byte);
        let most = MOST_LOCAL + 1;
        let length = bytes[free..sign].iter().rev().take(most).take_while(|&&byte| part(byte)).count();
        let mut local = &bytes[sign - length..sign];
        if let Some(dots) = memchr::memmem::rfind(local, b"..") {
            local = &local[dots + 2..];
        }
        // Quotes and marks around an address are none of it.
        let head = local.iter().take_while(|b| !(b.is_ascii_alphanumeric() || **b == b'_')).count();
        local = &local[head..];
        if local.is_empty() || local.len() > MOST_LOCAL || matches!(local.last(), Some(b'.' | b'\'')) {
            continue;
        }
        free = sign + 1 + domain;
        add(EMAIL, sign - local.len(), free);
    }
}

/// The length of the domain at the start, up to the last label that can be a top-level domain.
fn domain(bytes: &[u8]) -> Option<usize> {
    let (mut end, mut labels, mut found) = (0, 0, None);
    loop {
        let length = run(bytes, end, 64, |b| b.is_ascii_alphanumeric() || b == b'-');
        // A hyphen at the end is punctuation, unless a dot follows, which makes the label wrong.
        let label = bytes[end..end + length].trim_ascii_end();
        let label = &label[..label.len() - label.iter().rev().take_while(|b| **b == b'-').count()];
        if label.is_empty() || label.len() > 63 || label.first() == Some(&b'-') {
            return found;
        }
        labels += 1;
        let letters = label.iter().all(u8::is_ascii_alphabetic) && (2..=24).contains(&label.len());
        let top = letters || label.get(..4).is_some_and(|l| l.eq_ignore_ascii_case(b"xn--"));
        if labels > 1 && top && !FILES.iter().any(|file| label.eq_ignore_ascii_case(file)) {
            found = Some(end + label.len());
        } else if labels > 1 && letters {
            // The ending of a file: what stood before it is its name.
            found = None;
        }
        end += label.len();
        if label.len() < length || at(bytes, end) != b'.' || !at(bytes, end + 1).is_ascii_alphanumeric() {
            return found;
        }
        end += 1;
    }
}

/// All that is made of digits.
fn numbers(bytes: &[u8], add: &mut impl FnMut(usize, usize, usize)) {
    // Digits, colons (the byte behind them) and hyphens.
    let mut finder = Finder::new(bytes, |byte| byte.wrapping_sub(b'0') < 11 || byte == b'-');
    let (mut i, mut free) = (0, 0);
    while let Some(place) = finder.next(i) {
        let found = match bytes[place] {
            b':' => network::at_colon(bytes, place, free),
            b'-' => network::at_hyphen(bytes, place, free),
            _ => {
                // The rest of a run of digits begins nothing.
                i = place + run(bytes, place, usize::MAX, |b| b.is_ascii_digit());
                numbers::at_digits(bytes, place, i, free)
            }
        };
        i = i.max(place + 1);
        if let Some((attribute, start, end)) = found {
            add(attribute, start, end);
            (i, free) = (end, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags;
    use proptest::prelude::*;

    /// What is found in a text but the count: attribute and text.
    pub(super) fn found(text: &str) -> Vec<(String, &str)> {
        let mut found = tags("pii", text);
        assert_eq!(found.pop().map(|t| (t.0, t.3)), Some(("count".into(), found.len() as f64)));
        found.into_iter().map(|t| (t.0, &text[t.1 as usize..t.2 as usize])).collect()
    }

    /// The only datum of a text, of a kind.
    pub(super) fn one<'t>(kind: &str, text: &'t str) -> Option<&'t str> {
        let found = found(text);
        assert!(found.len() <= 1 && found.iter().all(|f| f.0 == kind), "{text:?}: {found:?}");
        found.first().map(|f| f.1)
    }

    #[test]
    fn addresses_are_cut_to_themselves() {
        for (text, address) in [
            ("Write to (me.too+tag@mail.example.com).", "me.too+tag@mail.example.com"),
            ("<a href='mailto:x_y@sub-domain.example.co.uk'>", "x_y@sub-domain.example.co.uk"),
            ("email=joe@x.org;", "joe@x.org"),
            ("'joe@x.org'", "joe@x.org"),
            ("o'brien@x.org, and", "o'brien@x.org"),
            ("a@b@c.de", "b@c.de"),
            ("joe@x.org.", "joe@x.org"),
            ("joe@x.org-", "joe@x.org"),
            ("joe@xn--bcher-kva.xn--p1ai!", "joe@xn--bcher-kva.xn--p1ai"),
            ("wait...joe@x.org", "joe@x.org"),
        ] {
            assert_eq!(one("email", text), Some(address), "{text}");
        }
        let none = [
            "@x.org",
            "joe@localhost",
            "joe@x.1",
            "icon@2x.png",
            "react@16.x",
            "a.@x.org",
            "joe@-x.org",
            "p@1.2.3",
            "lib@5.min.js",
        ];
        for text in none {
            assert_eq!(one("email", text), None, "{text}");
        }
        let long = format!("{}@x.org", "a".repeat(65));
        assert_eq!(one("email", &long), None);
        assert_eq!(one("email", &long[1..]), Some(&long[1..]));
    }

    proptest! {
        #[test]
        fn spans_are_ordered_texts_of_their_kind(
            text in "([a-f0-9@. :+()\\-é]|::|1\\.2\\.3\\.4|@x\\.org|\\+49 |sk-|eyJ|-----BEGIN |password=\"){0,40}"
        ) {
            let spans = tags("pii", &text);
            for t in &spans {
                prop_assert!(text.is_char_boundary(t.1 as usize) && text.is_char_boundary(t.2 as usize));
                prop_assert!(t.1 < t.2 || t.0 == "count");
            }
            for pair in spans.windows(2).filter(|p| p[0].0 == p[1].0) {
                prop_assert!(pair[0].2 <= pair[1].1, "{:?}", pair);
            }
        }

        #[test]
        fn any_text_is_borne(text in any::<String>()) {
            tags("pii", &text);
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        let runs = [
            "a",
            "@",
            "a@",
            ".",
            "1.",
            "1",
            "1 ",
            " ",
            "(",
            "a@b.c",
            ":",
            "a:",
            "::",
            "-",
            "aa-",
            "+",
            "+1",
            "0 ",
            "eyJ",
            "sk-",
            "password=\"",
            "-----BEGIN PRIVATE KEY-----",
            "token",
            "AKIA",
            "DE12",
            "DE12 ",
            "4111 ",
            "xoxb-",
        ];
        for run in runs {
            tags("pii", &run.repeat(1_000_000 / run.len()));
        }
    }
}
