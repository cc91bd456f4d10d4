//! Bytes to tags and text, after the tokenizer of the HTML standard (section 13.2.5): every input has one reading, and
//! each byte is looked at a bounded number of times.

use std::ops::Range;

use super::tag::Tag;

/// A piece of a page. Ranges are bytes of the page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Start {
        tag: Tag,
        attributes: Range<usize>,
        /// Written with `/>`.
        closed: bool,
    },
    End(Tag),
    /// With character references.
    Text(Range<usize>),
    /// As it is.
    Raw(Range<usize>),
}

pub(super) struct Tokens<'a> {
    page: &'a str,
    at: usize,
    /// The element whose content is text up to its end tag.
    raw: Option<Tag>,
    /// No `-->` follows: a script has looked to the end of the page for one. Not to be done for each script.
    unescaped: bool,
    /// Within `svg` or `math`, where no element is like that and where CDATA is text.
    pub foreign: bool,
}

impl<'a> Tokens<'a> {
    pub fn new(page: &'a str) -> Tokens<'a> {
        Tokens { page, at: 0, raw: None, unescaped: false, foreign: false }
    }

    fn rest(&self) -> &'a [u8] {
        &self.page.as_bytes()[self.at..]
    }

    /// Skip to behind the first `end`, or to the end of the page.
    fn skip_past(&mut self, end: u8) {
        self.at = find(self.page.as_bytes(), self.at, end).map_or(self.page.len(), |at| at + 1);
    }

    fn comment(&mut self) {
        // `<!-->` and `<!--->` are whole comments.
        let bytes = self.page.as_bytes();
        self.at += 4;
        if self.rest().starts_with(b">") {
            self.at += 1;
            return;
        }
        if self.rest().starts_with(b"->") {
            self.at += 2;
            return;
        }
        while let Some(end) = find(bytes, self.at, b'>') {
            let inside = &bytes[self.at..end];
            let ends = inside.ends_with(b"--") || inside.ends_with(b"--!");
            self.at = end + 1;
            if ends {
                return;
            }
        }
        self.at = bytes.len();
    }

    /// The content of a raw element.
    fn raw_text(&mut self, tag: Tag) -> Option<Token> {
        let start = self.at;
        let end = if tag == Tag::Plaintext { self.page.len() } else { self.raw_end(tag) };
        self.at = end;
        self.raw = None;
        let range = start..end;
        let decoded = matches!(tag, Tag::Title | Tag::Textarea);
        (start < end).then_some(if decoded { Token::Text(range) } else { Token::Raw(range) })
    }

    /// Where the end tag of a raw element starts, or the end of the page. In a script, `<!--` and then `<script` begin a
    /// part in which `</script>` ends only that part.
    fn raw_end(&mut self, tag: Tag) -> usize {
        if tag != Tag::Script || self.unescaped {
            return self.plain_raw_end(tag);
        }
        let bytes = self.page.as_bytes();
        let (mut at, mut escaped, mut nested) = (self.at, false, false);
        while let Some(next) =
            bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == b'<' || b == b'-'))
        {
            at += next;
            let rest = &bytes[at..];
            if rest[0] == b'-' {
                if rest.starts_with(b"-->") {
                    (escaped, nested) = (false, false);
                }
                at += 1;
            } else if rest.starts_with(b"<!--") {
                // The dashes of `<!-->` also end it.
                escaped = true;
                at += 2;
            } else if rest.starts_with(b"</") && self.name_is(at + 2, tag) {
                if !nested {
                    return at;
                }
                nested = false;
                at += 2;
            } else {
                if escaped && self.name_is(at + 1, tag) {
                    nested = true;
                }
                at += 1;
            }
        }
        // A script that stays open in a comment is read again as if there were none.
        self.unescaped = escaped;
        if escaped { self.plain_raw_end(tag) } else { bytes.len() }
    }

    fn plain_raw_end(&self, tag: Tag) -> usize {
        let bytes = self.page.as_bytes();
        let mut at = self.at;
        while let Some(found) = find(bytes, at, b'<') {
            if bytes[found..].starts_with(b"</") && self.name_is(found + 2, tag) {
                return found;
            }
            at = found + 1;
        }
        bytes.len()
    }

    /// Whether the name of `tag` stands at `at`.
    fn name_is(&self, at: usize, tag: Tag) -> bool {
        let name = name_at(self.page.as_bytes(), at, 11);
        Tag::of_name(&self.page.as_bytes()[name]) == tag
    }

    /// What starts with `<`. None for what is no token: comments, declarations.
    fn markup(&mut self) -> Option<Token> {
        let rest = self.rest();
        match rest.get(1)? {
            b'!' if rest.starts_with(b"<!--") => self.comment(),
            b'!' if self.foreign && rest.starts_with(b"<![CDATA[") => {
                let start = self.at + 9;
                let text = &self.page[start..];
                let length = text.find("]]>").unwrap_or(text.len());
                self.at = (start + length + 3).min(self.page.len());
                return (length > 0).then_some(Token::Raw(start..start + length));
            }
            b'!' | b'?' => self.skip_past(b'>'),
            b'/' if rest.get(2).is_some_and(u8::is_ascii_alphabetic) => {
                let (tag, _, _) = self.tag(self.at + 2)?;
                return Some(Token::End(tag));
            }
            // `</` at the end of the page is text; before anything else it begins a comment.
            b'/' => self.skip_past(b'>'),
            _ => {
                let (tag, attributes, closed) = self.tag(self.at + 1)?;
                if tag.is_raw() && !self.foreign {
                    self.raw = Some(tag);
                }
                return Some(Token::Start { tag, attributes, closed });
            }
        }
        None
    }

    /// Name and attributes from `name` on. None if the page ends in them.
    fn tag(&mut self, name: usize) -> Option<(Tag, Range<usize>, bool)> {
        let bytes = self.page.as_bytes();
        let name = name_at(bytes, name, usize::MAX);
        let tag = Tag::of_name(&bytes[name.clone()]);
        let start = name.end;
        let mut attributes = attributes(&self.page[start..]);
        while attributes.next().is_some() {}
        let (end, unquoted) = (start + attributes.at, attributes.unquoted);
        if end >= bytes.len() {
            self.at = bytes.len();
            return None;
        }
        self.at = end + 1;
        Some((tag, start..end, bytes[end - 1] == b'/' && end - start != unquoted))
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if let Some(tag) = self.raw
            && let Some(text) = self.raw_text(tag)
        {
            return Some(text);
        }
        loop {
            let bytes = self.page.as_bytes();
            let start = self.at;
            if start >= bytes.len() {
                return None;
            }
            // Text goes on to the next `<` that begins markup.
            let mut end = start;
            loop {
                end = find(bytes, end, b'<').unwrap_or(bytes.len());
                match bytes.get(end + 1) {
                    Some(b) if b.is_ascii_alphabetic() || matches!(b, b'!' | b'?' | b'/') => break,
                    Some(_) => end += 1,
                    None => {
                        end = bytes.len();
                        break;
                    }
                }
            }
            if end > start {
                self.at = end;
                return Some(Token::Text(start..end));
            }
            if let Some(token) = self.markup() {
                return Some(token);
            }
        }
    }
}

fn find(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    bytes.get(from..)?.iter().position(|&b| b == byte).map(|at| from + at)
}

/// The name that starts at `at`, or its first `most` bytes.
fn name_at(bytes: &[u8], at: usize, most: usize) -> Range<usize> {
    let at = at.min(bytes.len());
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'>');
    let length = bytes[at..].iter().take(most).position(ends).unwrap_or(bytes.len() - at);
    at..at + length.min(most)
}

/// Attributes of a tag: names as they are written, values raw.
pub(super) struct Attributes<'a> {
    text: &'a str,
    /// Where reading stands; at the end, the place of `>` or the length of the text.
    pub at: usize,
    /// Where the last value without quotes ends.
    unquoted: usize,
}

/// The attributes in `text`, which starts behind the name of a tag and may go on behind its end.
pub(super) fn attributes(text: &str) -> Attributes<'_> {
    Attributes { text, at: 0, unquoted: 0 }
}

impl Attributes<'_> {
    fn skip(&mut self, mut what: impl FnMut(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|&b| !what(b)).unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        self.skip(|b| b.is_ascii_whitespace() || b == b'/');
        if matches!(self.peek(), None | Some(b'>')) {
            return None;
        }
        let start = self.at;
        // A name may begin with `=`.
        self.at += usize::from(self.peek() == Some(b'='));
        self.skip(|b| !(b.is_ascii_whitespace() || matches!(b, b'/' | b'>' | b'=')));
        let name = &self.text[start..self.at];
        let after = self.at;
        self.skip(|b| b.is_ascii_whitespace());
        if self.peek() != Some(b'=') {
            self.at = after;
            return Some((name, ""));
        }
        self.at += 1;
        self.skip(|b| b.is_ascii_whitespace());
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                let start = self.at + 1;
                self.at = start;
                self.skip(|b| b != quote);
                let value = &self.text[start..self.at];
                // Without the second quote the page ends in the value.
                self.at = (self.at + 1).min(self.text.len());
                Some((name, value))
            }
            _ => {
                let start = self.at;
                self.skip(|b| !(b.is_ascii_whitespace() || b == b'>'));
                self.unquoted = self.at;
                Some((name, &self.text[start..self.at]))
            }
        }
    }
}

/// The value of the attribute `name` (lower case) in `text`.
pub(super) fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    attributes(text).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tokens in short: `<p a=b>` `</p>` and texts in quotes.
    fn tokens(page: &str) -> String {
        let show = |token: Token| match token {
            Token::Start { tag, attributes: range, closed } => {
                let pairs: String = attributes(&page[range]).map(|(n, v)| format!(" {n}={v}")).collect();
                format!("<{tag:?}{pairs}{}>", if closed { "/" } else { "" })
            }
            Token::End(tag) => format!("</{tag:?}>"),
            Token::Text(range) => format!("'{}'", &page[range]),
            Token::Raw(range) => format!("\"{}\"", &page[range]),
        };
        Tokens::new(page).map(show).collect()
    }

    #[test]
    fn pages_as_they_are_written() {
        for (page, expected) in [
            ("a<P>b</p >", "'a'<P>'b'</P>"),
            ("<a href=x/y title='a>b' B=\"c\" d>", "<A href=x/y title=a>b B=c d=>"),
            ("<br/><br /><a b=/>", "<Br/><Br/><A b=/>"),
            ("<a\nb\n=\nc =d>", "<A b=c =d=>"),
            ("1 < 2 <3 <", "'1 < 2 <3 <'"),
            ("a<!-- <p> -- > -->b<!-->c<!--->d<!--x--!>e", "'a''b''c''d''e'"),
            ("<!DOCTYPE html><?php x ?>a</ b>c</>d", "'a''c''d'"),
            ("<![CDATA[a>b]]>", "'b]]>'"),
            ("<script>if (a<b) '</p>'</script >x", "<Script>\"if (a<b) '</p>'\"</Script>'x'"),
            (
                "<script><!-- <script> </script> --></script>x",
                "<Script>\"<!-- <script> </script> -->\"</Script>'x'",
            ),
            ("<script><!-- a</script>x", "<Script>\"<!-- a\"</Script>'x'"),
            (
                "<script><!--<script></script>x<script>y</script>",
                "<Script>\"<!--<script>\"</Script>'x'<Script>\"y\"</Script>",
            ),
            ("<title>a &amp; <b></TITLE>", "<Title>'a &amp; <b>'</Title>"),
            ("<style></style><style>a</styles></style>", "<Style></Style><Style>\"a</styles>\"</Style>"),
            ("<textarea>a", "<Textarea>'a'"),
            ("<plaintext>a</plaintext>", "<Plaintext>\"a</plaintext>\""),
            ("a<p b='c", "'a'"),
            ("a<p", "'a'"),
            ("a</p", "'a'"),
            ("a<!--b", "'a'"),
            ("<x-y\u{e9}>\u{e9}</x-y\u{e9}>", "<Other>'\u{e9}'</Other>"),
        ] {
            assert_eq!(tokens(page), expected, "{page}");
        }
        let mut tokens = Tokens::new("<![CDATA[a<b]]>c");
        tokens.foreign = true;
        assert_eq!(tokens.collect::<Vec<_>>(), [Token::Raw(9..12), Token::Text(15..16)]);
    }

    #[test]
    fn attributes_by_name() {
        let text = " ID=a class=\"b c\" data-x";
        assert_eq!(attribute(text, "id"), Some("a"));
        assert_eq!(attribute(text, "class"), Some("b c"));
        assert_eq!((attribute(text, "data-x"), attribute(text, "x")), (Some(""), None));
    }

    proptest! {
        #[test]
        fn tokens_come_in_order_and_end(page in "(<|>|/|!|-|--|'|\"|=| |script|title|p|a|<!--|-->|\u{e9}|\u{1f600}|]]|\\[CDATA\\[){0,50}", foreign: bool) {
            let mut reading = Tokens::new(&page);
            reading.foreign = foreign;
            let mut at = 0;
            for token in reading {
                if let Token::Text(range) | Token::Raw(range) | Token::Start { attributes: range, .. } = token {
                    prop_assert!(range.start >= at && range.end >= range.start && page.get(range.clone()).is_some());
                    at = range.end;
                }
            }
        }
    }
}
