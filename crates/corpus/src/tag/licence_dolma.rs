//! Creative Commons licences that a page links to, as Dolma's tagger `cc_re` finds them (after DKPro's C4Corpus, Habernal et al.,
//! LREC 2016) in `html` of the metadata.
//!
//! A link is a tag `<a`, `<A` or `<meta` whose `href`, `HREF` or `content` begins with `http://creativecommons.org/` or `https://..`,
//! then `licenses/by`, with `-nc`, `-nd`, `-sa` in this order, or `publicdomain/` with `zero`, `mark` or `certification`; a quote and
//! `>` follow in its line. Of several in one tag the last counts. The span is the whole text, the number 1 for the first link of
//! all, 0.75 for the second, then 0.5 + 0.5 / n.
//!
//! Dolma puts version and language into the names (`cc_by-nc_4.0_en`); here a name is the licence, and `version` that of the
//! first link. A page without `html` has nothing; Dolma stops there.
//!
//! No expression is run: what follows a tag is looked for once, so the time is linear in the page.

use memchr::{memchr, memchr2, memmem};

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, spans, value};
use crate::read::field;

static ATTRIBUTES: [Attribute; 12] = [
    spans("cc_by", "Attribution"),
    spans("cc_by_nc", "Attribution, not commercial"),
    spans("cc_by_nd", "Attribution, no derivatives"),
    spans("cc_by_nc_nd", "Attribution, not commercial, no derivatives"),
    spans("cc_by_sa", "Attribution, share alike"),
    spans("cc_by_nc_sa", "Attribution, not commercial, share alike"),
    spans("cc_by_nd_sa", "Attribution, no derivatives, share alike"),
    spans("cc_by_nc_nd_sa", "Attribution, not commercial, no derivatives, share alike"),
    spans("cc_zero", "Creative Commons Zero"),
    spans("cc_mark", "public domain mark"),
    spans("cc_certification", "public domain certification"),
    value("version", "version of the licence of the first link, such as 4"),
];
const VERSION: usize = 11;

pub(super) static KIND: Kind = Kind {
    name: "licence@dolma",
    aliases: &["cc_re"],
    version: 1,
    about: "Creative Commons licences that `html` of the metadata links to, as Dolma's cc_re finds them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Licence))
    },
};

struct Licence;

impl Tagger for Licence {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let Some(html) = field::text(document.metadata, "html") else { return };
        let mut count = 0;
        for link in links(html.as_bytes()) {
            count += 1;
            out.value(link.licence, 0.5 + 0.5 / f64::from(count));
            if let (1, Some(version)) = (count, link.version) {
                out.value(VERSION, version);
            }
        }
    }
}

/// A link to a licence.
#[derive(Debug, PartialEq)]
struct Link {
    licence: usize,
    version: Option<f64>,
}

/// The place of something at or behind a place that only moves on; each byte is looked at once.
struct Ahead<F> {
    find: F,
    found: Option<usize>,
}

impl<F: Fn(usize) -> usize> Ahead<F> {
    fn new(find: F) -> Ahead<F> {
        Ahead { find, found: None }
    }

    fn from(&mut self, at: usize) -> usize {
        match self.found {
            Some(found) if found >= at => found,
            _ => *self.found.insert((self.find)(at)),
        }
    }
}

/// The links of a page, in order.
fn links(html: &[u8]) -> Vec<Link> {
    let all = html.len();
    let byte = |byte: u8| move |at: usize| memchr(byte, &html[at..]).map_or(all, |found| at + found);
    let entity = memmem::Finder::new(b"&quot;");
    let (mut lines, mut ends) = (Ahead::new(byte(b'\n')), Ahead::new(byte(b'>')));
    let mut plain = Ahead::new(|at: usize| memchr2(b'\'', b'"', &html[at..]).map_or(all, |found| at + found));
    let mut named = Ahead::new(|at: usize| entity.find(&html[at..]).map_or(all, |found| at + found));
    let mut after = Ahead::new(byte(b'>'));
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(open) = memchr(b'<', &html[at..]) {
        let start = at + open + 1;
        at = start;
        let name = [&b"a"[..], b"A", b"meta"].into_iter().find(|name| html[start..].starts_with(name));
        let Some(name) = name else { continue };
        let body = start + name.len();
        if !html.get(body).copied().is_some_and(is_space) {
            continue;
        }
        // What the tag may hold: no `<` nor `>`, so no byte is looked at twice.
        let end = body + html[body..].iter().take_while(|byte| within(**byte)).count();
        at = end;
        // A link lies in the last line, for a `>` must follow in its own.
        let last = html[body..end].iter().rposition(|byte| *byte == b'\n').map_or(body, |line| body + line);
        let line = lines.from(end);
        let places: Vec<usize> =
            memmem::find_iter(&html[last..end], SITE).map(|place| last + place).collect();
        let close = ends.from(end);
        // The first quote behind the tag's own part, and the `>` behind that.
        let quote = plain.from(end).min(named.from(end));
        let behind = after.from(quote);
        let (mut quoted, mut looked) = (false, end);
        for place in places.into_iter().rev() {
            let Some((licence, length)) = linked(html, body, place) else { continue };
            let rest = place + SITE.len() + length;
            let part = &html[rest..looked];
            (quoted, looked) =
                (quoted || memchr2(b'\'', b'"', part).is_some() || entity.find(part).is_some(), rest);
            let stop = if quoted { close } else { behind };
            if stop < line {
                found.push(Link { licence, version: version(&html[rest..]) });
                at = stop + 1;
                break;
            }
        }
    }
    found
}

const SITE: &[u8] = b"://creativecommons.org/";

/// The licence of a link whose site stands at `place`, in a tag whose content begins at `body`, and the bytes that name it.
fn linked(html: &[u8], body: usize, place: usize) -> Option<(usize, usize)> {
    let before = &html[body..place];
    let scheme = before.iter().rposition(|byte| *byte != b's').map_or(0, |last| last + 1);
    let before = before[..scheme].strip_suffix(b"http")?;
    let attribute =
        |before: &[u8]| [&b"href="[..], b"HREF=", b"content="].iter().any(|name| before.ends_with(name));
    let quotes = [&b"'"[..], b"\"", b"&quot;"];
    if !attribute(before) && !quotes.iter().any(|quote| before.strip_suffix(*quote).is_some_and(attribute)) {
        return None;
    }
    let named = &html[place + SITE.len()..];
    if let Some(name) = named.strip_prefix(b"publicdomain/") {
        let names = [&b"zero"[..], b"mark", b"certification"];
        let which = names.iter().position(|known| name.starts_with(known))?;
        return Some((8 + which, 13 + names[which].len()));
    }
    let mut rest = named.strip_prefix(b"licenses/by")?;
    let mut licence = 0;
    for (bit, part) in [&b"-nc"[..], b"-nd", b"-sa"].into_iter().enumerate() {
        if let Some(behind) = rest.strip_prefix(part) {
            (licence, rest) = (licence | 1 << bit, behind);
        }
    }
    Some((licence, named.len() - rest.len()))
}

/// What a version behind a licence says: `/4.0`.
fn version(behind: &[u8]) -> Option<f64> {
    let digits = behind.strip_prefix(b"/")?;
    let length = digits.iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let text = std::str::from_utf8(&digits[..length]).ok()?;
    let (whole, part) = text.split_once('.')?;
    let part = part.split('.').next().unwrap_or("");
    format!("{whole}.{part}").parse().ok().filter(|_| !whole.is_empty() && !part.is_empty())
}

/// White space as Python's `\s` has it for bytes.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What may stand in a tag before the link: letters, digits, punctuation (general category P, and `=`), white space.
fn within(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || is_space(byte)
        || byte.is_ascii_punctuation() && !b"$+<>^`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::testing::tags_of;
    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    /// The expression itself, run by an engine whose matches are Python's (leftmost, first alternative first).
    fn by_expression(html: &str) -> Vec<usize> {
        static EXPRESSION: std::sync::LazyLock<Regex> = std::sync::LazyLock::new(|| {
            let before = r#"<(?:a|A|meta)[\t-\r ][0-9A-Za-z!-#%-*,-/:;=?@\[-\]_{}\t-\r ]*\n*(?:href|HREF|content)=(?:'|"|&quot;)?http"#;
            let named = r"s*://creativecommons\.org/((?:licenses/by(?:-nc)?(?:-nd)?(?:-sa)?)|publicdomain/(?:zero|certification|mark))";
            let behind = r#"(?:/[0-9]+\.[0-9]+)?(?:(?:/[0-9A-Za-z_]{2})?/(?:(?:deed|legalcode)\.)?[0-9A-Za-z_]{2})?.*?(?:'|"|&quot;).*?>"#;
            Regex::new(&format!("{before}{named}{behind}")).unwrap()
        });
        let licence = |name: &str| match name.strip_prefix("publicdomain/") {
            Some(name) => {
                8 + ["zero", "mark", "certification"].iter().position(|known| *known == name).unwrap()
            }
            None => ["-nc", "-nd", "-sa"]
                .iter()
                .enumerate()
                .map(|(i, part)| usize::from(name.contains(part)) << i)
                .sum(),
        };
        EXPRESSION
            .captures_iter(html)
            .map(|found| licence(&html[found.get_group(1).unwrap().range()]))
            .collect()
    }

    #[test]
    fn links_of_tags_are_found_with_their_version() {
        let html = r#"<a rel=\"license\" href=\"https://creativecommons.org/licenses/by-nc-sa/4.0/deed.en\">x</a>
            <meta content='http://creativecommons.org/publicdomain/zero/1.0/' > https://creativecommons.org/licenses/by/4.0/ "#;
        let found = tags_of("cc_re", "abc", &format!(r#"{{"html":"{}"}}"#, html.replace('\n', "\\n")));
        let expected = [("cc_by_nc_sa", 1.0), ("cc_zero", 0.75), ("version", 4.0)];
        assert_eq!(found, expected.map(|(name, number)| (name.to_string(), 0, 3, number)));
        assert!(tags_of("licence@dolma", "abc", r#"{"html":3}"#).is_empty());
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        let link = "<a href='http://creativecommons.org/licenses/by";
        for run in [
            "<a ",
            "<a href=http://creativecommons.org/licenses/by",
            link,
            "http://creativecommons.org/licenses/by",
        ] {
            links(run.repeat(2_000_000 / run.len()).as_bytes());
            links(format!("<a {}", run.repeat(2_000_000 / run.len())).as_bytes());
        }
    }

    proptest! {
        #[test]
        fn links_are_those_of_the_expression(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "<a ", "<A\n", "<meta ", "<b ", "href=", "HREF=", "content=", "'", "\"", "&quot;", "http", "https", "s",
                    "://creativecommons.org/", "licenses/by", "-nc", "-nd", "-sa", "publicdomain/", "zero", "mark",
                    "certification", "/4.0", "/de/", "deed.en", ">", "\n", " ", "é", "+", "<a href=\"http://creativecommons.org/licenses/by",
                    " href='https://creativecommons.org/publicdomain/zero", "<a x\n=",
                ]),
                0..40,
            ),
        ) {
            let html = parts.concat();
            let found: Vec<usize> = links(html.as_bytes()).iter().map(|link| link.licence).collect();
            prop_assert_eq!(found, by_expression(&html), "{}", html);
        }
    }
}
