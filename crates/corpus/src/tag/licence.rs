//! Statements of licences: Creative Commons links and SPDX identifiers.
//!
//! - in the text: links to `creativecommons.org/licenses/...` and `.../publicdomain/...`, and what follows
//!   `SPDX-License-Identifier:` in its line, by family; the span is the link or the expression, the number 1
//! - in `html` of the metadata: links with their scheme, as Dolma's tagger `cc_re_fast` finds them, and those to
//!   `.../publicdomain/...`, which it passes over; the span is the whole text, the number 1 for the first link of all, 0.75 for
//!   the second, then 0.5 + 0.5 / n. What `cc_re` finds in tags is [`super::licence_dolma`]'s

use memchr::memmem;

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, spans};
use crate::read::field;

static ATTRIBUTES: [Attribute; 13] = [
    spans("cc_by", "Creative Commons Attribution"),
    spans("cc_by_sa", "Creative Commons Attribution, share alike"),
    spans("cc_by_nd", "Creative Commons Attribution, no derivatives"),
    spans("cc_by_nc", "Creative Commons Attribution, not commercial"),
    spans("cc_by_nc_sa", "Creative Commons Attribution, not commercial, share alike"),
    spans("cc_by_nc_nd", "Creative Commons Attribution, not commercial, no derivatives"),
    spans("cc0", "Creative Commons Zero"),
    spans("public_domain", "public domain mark and certification"),
    spans("spdx_mit", "MIT, ISC and Zlib by SPDX identifier"),
    spans("spdx_bsd", "BSD by SPDX identifier"),
    spans("spdx_apache", "Apache by SPDX identifier"),
    spans("spdx_gpl", "GPL, LGPL and AGPL by SPDX identifier"),
    spans("spdx_other", "another SPDX expression"),
];

pub(super) static KIND: Kind = Kind {
    name: "licence",
    aliases: &[],
    version: 2,
    about: "Creative Commons links and SPDX identifiers in the text and in `html` of the metadata.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Licence))
    },
};

const SITE: &[u8] = b"creativecommons.org/";

/// Names of licences behind `licenses/`.
const LICENCES: [&[u8]; 6] = [b"by", b"by-sa", b"by-nd", b"by-nc", b"by-nc-sa", b"by-nc-nd"];
const ZERO: usize = 6;
const PUBLIC: usize = 7;

/// The licence that a link names behind the site, and the length of what names it.
fn named(behind: &[u8]) -> Option<(usize, usize)> {
    let name = |from: usize| {
        let length =
            behind[from..].iter().take(16).take_while(|b| b.is_ascii_lowercase() || **b == b'-').count();
        (&behind[from..from + length], from + length)
    };
    if behind.starts_with(b"licenses/") {
        let (name, end) = name(9);
        let licence = LICENCES.iter().position(|licence| *licence == name);
        return licence.or((name == b"publicdomain").then_some(PUBLIC)).map(|licence| (licence, end));
    }
    if behind.starts_with(b"publicdomain/") {
        let (name, end) = name(13);
        return match name {
            b"zero" => Some((ZERO, end)),
            b"mark" | b"certification" => Some((PUBLIC, end)),
            _ => None,
        };
    }
    None
}

struct Licence;

impl Tagger for Licence {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let bytes = document.view.text.as_bytes();
        for start in memmem::find_iter(bytes, SITE) {
            let behind = start + SITE.len();
            if let Some((licence, length)) = named(&bytes[behind..]) {
                out.span(licence, start as u32..(behind + length) as u32, 1.0);
            }
        }
        const IDENTIFIER: &[u8] = b"SPDX-License-Identifier:";
        for start in memmem::find_iter(bytes, IDENTIFIER) {
            let line = &bytes[start + IDENTIFIER.len()..];
            let blank = line.iter().take(8).take_while(|b| **b == b' ').count();
            let of = |b: &&u8| b.is_ascii_alphanumeric() || b" .-+()".contains(b);
            let length = line[blank..].iter().take(256).take_while(of).count();
            let expression = line[blank..blank + length].trim_ascii_end();
            if !expression.is_empty() {
                let from = start + IDENTIFIER.len() + blank;
                out.span(family(expression), from as u32..(from + expression.len()) as u32, 1.0);
            }
        }
        let html = field::text(document.metadata, "html");
        let html = html.as_deref().unwrap_or("").as_bytes();
        let mut count = 0;
        for start in memmem::find_iter(html, b"://creativecommons.org/") {
            let scheme = html[..start].ends_with(b"http") || html[..start].ends_with(b"https");
            let behind = &html[start + 3 + SITE.len()..];
            if let (true, Some((licence, length))) = (scheme, named(behind))
                && matches!(behind.get(length), Some(b'"' | b'/' | b' ' | b'>'))
            {
                count += 1;
                out.value(licence, 0.5 + 0.5 / f64::from(count));
            }
        }
    }
}

/// The family of an SPDX expression: that of its first identifier.
fn family(expression: &[u8]) -> usize {
    let first = expression.trim_ascii_start();
    let first = first.strip_prefix(b"(").unwrap_or(first);
    let starts = |names: &[&str]| names.iter().any(|name| first.starts_with(name.as_bytes()));
    match () {
        _ if starts(&["MIT", "ISC", "Zlib"]) => 8,
        _ if starts(&["BSD", "0BSD"]) => 9,
        _ if starts(&["Apache"]) => 10,
        _ if starts(&["GPL", "LGPL", "AGPL"]) => 11,
        _ if starts(&["CC-BY-NC-SA"]) => 4,
        _ if starts(&["CC-BY-NC-ND"]) => 5,
        _ if starts(&["CC-BY-NC"]) => 3,
        _ if starts(&["CC-BY-SA"]) => 1,
        _ if starts(&["CC-BY-ND"]) => 2,
        _ if starts(&["CC-BY"]) => 0,
        _ if starts(&["CC0"]) => ZERO,
        _ => 12,
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::{tags, tags_of};

    #[test]
    fn links_and_identifiers_in_the_text() {
        let text = "// SPDX-License-Identifier: (GPL-2.0-only OR MIT) */\n# SPDX-License-Identifier: Apache-2.0\n\
            see https://creativecommons.org/licenses/by-nc-sa/4.0/ or creativecommons.org/publicdomain/zero/1.0, not \
            creativecommons.org/licenses/bye/ ";
        let found: Vec<(String, &str)> =
            tags("licence", text).into_iter().map(|t| (t.0, &text[t.1 as usize..t.2 as usize])).collect();
        let expected = [
            ("cc_by_nc_sa", "creativecommons.org/licenses/by-nc-sa"),
            ("cc0", "creativecommons.org/publicdomain/zero"),
            ("spdx_apache", "Apache-2.0"),
            ("spdx_gpl", "(GPL-2.0-only OR MIT)"),
        ];
        assert_eq!(found, expected.map(|(name, text)| (name.to_string(), text)));
    }

    #[test]
    fn links_in_the_page_lower_the_number() {
        let html = r#"<a href=\"https://creativecommons.org/licenses/by/4.0\"> <a href='http://creativecommons.org/licenses/by-sa'> http://creativecommons.org/licenses/by-nd>"#;
        let found = tags_of("licence", "abc", &format!(r#"{{"html":"{html}"}}"#));
        assert_eq!(found, [("cc_by".into(), 0, 3, 1.0), ("cc_by_nd".into(), 0, 3, 0.75)]);
        assert!(tags_of("licence", "abc", r#"{"html":3}"#).is_empty());
        let html = "http://creativecommons.org/publicdomain/zero/1.0 https://creativecommons.org/publicdomain/mark/1.0/ \
            creativecommons.org/publicdomain/zero/";
        let found = tags_of("licence", "abc", &format!(r#"{{"html":"{html}"}}"#));
        assert_eq!(found, [("cc0".into(), 0, 3, 1.0), ("public_domain".into(), 0, 3, 0.75)]);
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in ["creativecommons.org/", "creativecommons.org/licenses/by-", "SPDX-License-Identifier:"] {
            tags("licence", &run.repeat(1_000_000 / run.len()));
        }
    }
}
