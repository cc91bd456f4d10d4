//! How many characters of code are comments, and of a page are shown: scanners that know strings, no parsers.

use memchr::memmem;

/// Characters, not bytes.
fn characters(text: &str) -> usize {
    text.chars().count()
}

/// The offset behind a string that begins with `quote` before `start`: none if it is not closed.
fn string_end(bytes: &[u8], start: usize, quote: &[u8]) -> Option<usize> {
    let mut at = start;
    loop {
        let next = at + memchr::memchr2(quote[0], b'\\', &bytes[at..])?;
        if bytes[next] == b'\\' {
            at = (next + 2).min(bytes.len());
        } else if bytes[next..].starts_with(quote) {
            return Some(next + quote.len());
        } else {
            at = next + 1;
        }
    }
}

/// Characters in `//` and `/* */` comments of Java.
pub(super) fn java(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut sum) = (0, 0);
    let mut open = false;
    while let Some(found) = memchr::memchr3(b'/', b'"', b'\'', &bytes[at..]) {
        let start = at + found;
        at = start + 1;
        match bytes[start] {
            b'/' => at = comment(text, start, &mut sum),
            b'"' if !open => {
                let quote: &[u8] = if bytes[start..].starts_with(b"\"\"\"\n") { b"\"\"\"" } else { b"\"" };
                match string_end(bytes, start + quote.len(), quote) {
                    Some(end) => at = end,
                    None => open = true,
                }
            }
            // A character: `'"'`, `'\''`.
            _ => match bytes.get(at) {
                Some(b'\\') if bytes.get(at + 2) == Some(&b'\'') => at += 3,
                Some(b'"' | b'/') if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                _ => {}
            },
        }
    }
    sum
}

/// A comment at a slash, counted into `sum`; the offset behind it, or behind the slash if it begins none.
fn comment(text: &str, start: usize, sum: &mut usize) -> usize {
    let bytes = text.as_bytes();
    let end = match bytes.get(start + 1) {
        Some(b'/') => memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |end| start + end),
        Some(b'*') => match memmem::find(&bytes[start + 2..], b"*/") {
            Some(end) => start + 4 + end,
            // It is not closed, and none behind it will be: the rest is passed over.
            None => return bytes.len(),
        },
        _ => return start + 1,
    };
    *sum += characters(&text[start..end]);
    end
}

/// Words behind which a slash begins a regular expression.
const BEFORE_EXPRESSION: [&[u8]; 24] = [
    b"typeof",
    b"instanceof",
    b"in",
    b"void",
    b"delete",
    b"new",
    b"for",
    b"while",
    b"do",
    b"break",
    b"return",
    b"continue",
    b"switch",
    b"case",
    b"default",
    b"if",
    b"else",
    b"throw",
    b"try",
    b"catch",
    b"finally",
    b"yield",
    b"await",
    b"of",
];

/// Characters in comments of JavaScript, which also has templates and regular expressions.
pub(super) fn javascript(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut sum) = (0, 0);
    // Templates around this place, whose `${` is open.
    let mut templates = 0u32;
    // Quotes that are not closed to the end of the text.
    let mut open = [false; 128];
    // Whether a slash begins a regular expression here.
    let mut expression = true;
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'/' if matches!(bytes.get(at + 1), Some(b'/' | b'*')) => at = comment(text, at, &mut sum),
            b'/' if expression => {
                at = expression_end(bytes, at);
                expression = false;
            }
            b'"' | b'\'' if !open[usize::from(byte)] => {
                match string_end(bytes, at + 1, &[byte]) {
                    Some(end) => at = end,
                    None => {
                        open[usize::from(byte)] = true;
                        at += 1;
                    }
                }
                expression = false;
            }
            b'`' => (at, expression) = template(bytes, at + 1, &mut templates),
            b'}' if templates > 0 => {
                templates -= 1;
                (at, expression) = template(bytes, at + 1, &mut templates);
            }
            b if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 128 => {
                let part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || **b >= 128;
                let length = bytes[at..].iter().take_while(part).count();
                let property = at > 0 && bytes[at - 1] == b'.';
                expression = !property && BEFORE_EXPRESSION.contains(&&bytes[at..at + length]);
                at += length;
            }
            b => {
                if !b.is_ascii_whitespace() {
                    expression = !matches!(b, b')' | b']' | b'}' | b'.');
                }
                at += 1;
            }
        }
    }
    sum
}

/// The offset behind the next `` ` `` or `${` of a template, and whether an expression begins there.
fn template(bytes: &[u8], start: usize, templates: &mut u32) -> (usize, bool) {
    let mut at = start;
    while let Some(found) = memchr::memchr3(b'`', b'$', b'\\', &bytes[at.min(bytes.len())..]) {
        let next = at + found;
        match bytes[next] {
            b'`' => return (next + 1, false),
            b'\\' => at = next + 2,
            _ if bytes.get(next + 1) == Some(&b'{') => {
                *templates += 1;
                return (next + 2, true);
            }
            _ => at = next + 1,
        }
    }
    (bytes.len(), false)
}

/// The offset behind a regular expression at a slash, or behind the slash if its line does not close it.
fn expression_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut class) = (start + 1, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => return at,
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Characters of what Python's comments (without `#`) and docstrings say.
///
/// Docstrings are the strings that modules, classes and functions begin with, without their indentation
/// (`inspect.cleandoc`). Nothing counts if a string or a bracket is open at the end.
pub(super) fn python(text: &str) -> usize {
    // Line ends are one character to Python's parser.
    let unix;
    let text = match text.contains('\r') {
        true => {
            unix = text.replace("\r\n", "\n").replace('\r', "\n");
            unix.as_str()
        }
        false => text,
    };
    let mut scan = Python { text, at: 0, depth: 0, remarks: String::new(), docs: Vec::new(), broken: false };
    if !scan.run() {
        return 0;
    }
    let docs = if scan.broken { String::new() } else { scan.docs.join("\n") };
    characters(format!("{docs}\n{}", scan.remarks).trim())
}

struct Python<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
    /// All comments without `#`.
    remarks: String,
    docs: Vec<String>,
    /// A string is not closed in its line: no parser takes the file.
    broken: bool,
}

impl Python<'_> {
    /// Look at the whole text; whether it is complete.
    fn run(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        // A docstring may stand here; a statement begins here; it is the head of a class or function.
        let (mut doc, mut fresh, mut head) = (true, true, false);
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'#' => {
                    let rest = &self.text[self.at..];
                    let line = &rest[..memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())];
                    self.at += line.len();
                    self.remarks.extend(line.trim_end_matches('\r').chars().filter(|c| *c != '#'));
                    continue;
                }
                b'\n' => fresh |= self.depth == 0,
                b'\\' => self.at += 1,
                b' ' | b'\t' | b'\r' | 12 => {}
                b'"' | b'\'' => {
                    let Some(value) = self.string(self.at, doc) else { return false };
                    self.documented(doc && fresh_or_head(fresh, head), value);
                    (doc, fresh) = (false, false);
                    continue;
                }
                b'(' | b'[' | b'{' => {
                    self.depth += 1;
                    (doc, fresh) = (false, false);
                }
                b')' | b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    (doc, fresh) = (false, false);
                }
                b':' if head && self.depth == 0 => (doc, head, fresh) = (true, false, true),
                b if b.is_ascii_alphabetic() || b == b'_' || b >= 128 => {
                    let part = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 128;
                    let length = bytes[self.at..].iter().take_while(part).count();
                    let word = &bytes[self.at..self.at + length];
                    let start = self.at;
                    self.at += length;
                    let quote = matches!(bytes.get(self.at), Some(b'"' | b'\''));
                    if quote && length <= 2 && word.iter().all(|b| b"rRbBuUfF".contains(b)) {
                        let Some(value) = self.string(start, doc) else { return false };
                        self.documented(doc && fresh_or_head(fresh, head), value);
                    } else if fresh && (word == b"def" || word == b"class") {
                        head = true;
                    }
                    // `async def` begins at its second word.
                    fresh &= word == b"async";
                    doc = false;
                    continue;
                }
                b';' => fresh = self.depth == 0,
                _ => (doc, fresh) = (false, false),
            }
            self.at += 1;
        }
        self.depth == 0
    }

    /// Keep a docstring, if it is the whole statement.
    fn documented(&mut self, wanted: bool, value: Option<String>) {
        let (true, Some(mut value)) = (wanted, value) else { return };
        loop {
            let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\x0c']);
            match rest.as_bytes().first() {
                None | Some(b'\n' | b'#' | b';') => break,
                // Strings one after the other are one.
                Some(b'"' | b'\'') => {
                    self.at = self.text.len() - rest.len();
                    match self.string(self.at, true) {
                        Some(Some(more)) => value.push_str(&more),
                        _ => return,
                    }
                }
                _ => return,
            }
        }
        let clean = clean(&value);
        if !clean.is_empty() {
            self.docs.push(clean);
        }
    }

    /// Pass over the string literal whose prefix begins at `start`; its text if it may be a docstring and `wanted`; none
    /// if a string of three quotes is not closed.
    fn string(&mut self, start: usize, wanted: bool) -> Option<Option<String>> {
        let bytes = self.text.as_bytes();
        let quote_at = start + bytes[start..].iter().position(|b| matches!(b, b'"' | b'\''))?;
        let quote = bytes[quote_at];
        let three = [quote; 3];
        let triple = bytes[quote_at..].starts_with(&three);
        let begin = quote_at + if triple { 3 } else { 1 };
        let end = if triple {
            string_end(bytes, begin, &three)? - 3
        } else {
            match self.line_string_end(begin, quote) {
                Some(end) => end,
                None => {
                    self.broken = true;
                    self.at = begin;
                    return Some(None);
                }
            }
        };
        self.at = end + (begin - quote_at);
        let prefix = &bytes[start..quote_at];
        let plain = !prefix.iter().any(|b| b"bBfF".contains(b));
        let raw = prefix.iter().any(|b| b"rR".contains(b));
        let literal = &self.text[begin..end];
        Some((wanted && plain).then(|| if raw { literal.to_string() } else { unescaped(literal) }))
    }

    /// The offset of the quote that closes a string in its line.
    fn line_string_end(&self, begin: usize, quote: u8) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = begin;
        loop {
            at += memchr::memchr3(quote, b'\\', b'\n', &bytes[at.min(bytes.len())..])?;
            match bytes[at] {
                b'\n' => return None,
                b'\\' => at += 2,
                _ => return Some(at),
            }
        }
    }
}

/// A docstring stands where a statement begins, or behind the colon of a head.
fn fresh_or_head(fresh: bool, head: bool) -> bool {
    fresh && !head
}

/// What a literal says: escapes of one character, hexadecimal and octal ones.
fn unescaped(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    let mut rest = literal;
    // Where no brace closes, none is looked for again.
    let mut closes = true;
    while let Some(found) = rest.find('\\') {
        out.push_str(&rest[..found]);
        rest = &rest[found + 1..];
        let Some(c) = rest.chars().next() else { break };
        rest = &rest[c.len_utf8()..];
        let digits =
            |radix: u32, most: usize| rest.chars().take(most).take_while(|c| c.is_digit(radix)).count();
        match c {
            '\n' => {}
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            '\\' | '\'' | '"' => out.push(c),
            'a' | 'b' | 'f' | 'v' => out.push('\u{b}'),
            'x' | 'u' | 'U' => {
                out.push('x');
                rest = &rest[digits(
                    16,
                    match c {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    },
                )..];
            }
            '0'..='7' => {
                out.push('x');
                rest = &rest[digits(8, 2)..];
            }
            'N' if rest.starts_with('{') => {
                out.push('x');
                let end = if closes { rest.find('}') } else { None };
                closes = end.is_some();
                rest = end.map_or(rest, |end| &rest[end + 1..]);
            }
            _ => out.extend(['\\', c]),
        }
    }
    out.push_str(rest);
    out
}

/// A docstring without its indentation, which is that of its lines behind the first, and without blank lines around it.
fn clean(doc: &str) -> String {
    let expanded = doc.split('\n').map(tabs);
    let mut lines: Vec<String> = expanded.collect();
    let margin = lines.iter().skip(1).filter(|line| !line.trim().is_empty());
    let margin =
        margin.map(|line| characters(line) - characters(line.trim_start())).min().unwrap_or(usize::MAX);
    for (i, line) in lines.iter_mut().enumerate() {
        let cut = if i == 0 {
            line.len() - line.trim_start().len()
        } else {
            line.char_indices().nth(margin).map_or(line.len(), |(at, _)| at)
        };
        if i == 0 || margin < usize::MAX {
            line.drain(..cut);
        }
    }
    let blank = |line: &String| line.is_empty();
    let last = lines.iter().rposition(|line| !blank(line)).map_or(0, |last| last + 1);
    let first = lines.iter().position(|line| !blank(line)).unwrap_or(0).min(last);
    lines[first..last].join("\n")
}

/// A line with its tabs as spaces, up to every eighth column.
fn tabs(line: &str) -> String {
    if !line.contains('\t') {
        return line.to_string();
    }
    let (mut out, mut column) = (String::new(), 0);
    for c in line.chars() {
        if c == '\t' {
            let spaces = 8 - column % 8;
            out.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            out.push(c);
            column += 1;
        }
    }
    out
}

/// Elements whose white space is text.
const PREFORMATTED: [&str; 2] = ["pre", "textarea"];

/// Characters of a page outside of tags, comments, declarations, scripts and styles; a character reference counts as one, and so
/// does white space between two tags that is not preformatted, as BeautifulSoup keeps it.
pub(super) fn html(text: &str) -> usize {
    // Where the text since the last markup begins, and where the next markup is looked for.
    let (mut begin, mut at, mut sum, mut preformatted) = (0, 0, 0, 0usize);
    while let Some(found) = memchr::memchr(b'<', &text.as_bytes()[at..]) {
        let start = at + found;
        let Some(length) = markup_end(&text[start..]) else { break };
        at = start + length;
        // A `<` that begins nothing is text.
        if length == 1 {
            continue;
        }
        sum += between(&text[begin..start], preformatted > 0);
        let tag = &text[start..at];
        let is = |name: &&str| begins(tag, 1, name);
        if ["script", "style"].iter().any(is) {
            let name = if begins(tag, 1, "script") { "script" } else { "style" };
            at = text.len() - behind_element(&text[at..], name).len();
        }
        preformatted += usize::from(PREFORMATTED.iter().any(is));
        preformatted -= usize::from(
            preformatted > 0 && PREFORMATTED.iter().any(|name| begins(tag, 2, name) && tag.starts_with("</")),
        );
        begin = at;
    }
    sum + between(&text[begin..], preformatted > 0)
}

/// Whether the name in a tag, `skipped` bytes behind its begin, is this one.
fn begins(tag: &str, skipped: usize, name: &str) -> bool {
    let named = tag.get(skipped..skipped + name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
    named && !tag[skipped + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
}

/// Characters of the text between two tags.
fn between(text: &str, preformatted: bool) -> usize {
    let blank = !text.is_empty() && text.bytes().all(|b| matches!(b, b' ' | b'\n' | b'\t' | b'\r' | 12));
    if blank && !preformatted { 1 } else { shown(text) }
}

/// The length of the markup at a `<`: 1 if it is text; none if it is not closed.
fn markup_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'!') if text.starts_with("<!--") => memmem::find(&bytes[4..], b"-->").map(|end| end + 7),
        Some(b'!' | b'?' | b'/') => memchr::memchr(b'>', bytes).map(|end| end + 1),
        Some(b) if b.is_ascii_alphabetic() => {
            let mut at = 1;
            loop {
                at += memchr::memchr3(b'>', b'"', b'\'', bytes.get(at..)?)?;
                if bytes[at] == b'>' {
                    return Some(at + 1);
                }
                // A quote counts behind an equals sign.
                let value = bytes[..at].iter().rev().find(|b| !b.is_ascii_whitespace()) == Some(&b'=');
                at += 1;
                if value {
                    at += memchr::memchr(bytes[at - 1], &bytes[at..])? + 1;
                }
            }
        }
        _ => Some(1),
    }
}

/// What is behind the end tag of an element whose content is no markup.
fn behind_element<'t>(text: &'t str, name: &str) -> &'t str {
    let mut rest = text;
    while let Some(found) = memmem::find(rest.as_bytes(), b"</") {
        rest = &rest[found..];
        if rest.get(2..2 + name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            return memchr::memchr(b'>', rest.as_bytes()).map_or("", |end| &rest[end + 1..]);
        }
        rest = &rest[2..];
    }
    ""
}

/// Characters of text between tags.
fn shown(text: &str) -> usize {
    let mut sum = characters(text);
    for start in memchr::memchr_iter(b'&', text.as_bytes()) {
        let rest = &text.as_bytes()[start + 1..];
        let length = rest.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || **b == b'#').count();
        if length > 1 && rest.get(length) == Some(&b';') {
            sum -= length + 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_of_java_are_told_from_strings() {
        assert_eq!(java("int a; // x\n/* yy */ b"), 4 + 8);
        assert_eq!(java("\"// no \\\" // no\" + '\"' + '\\'' // é"), 4);
        assert_eq!(java("\"\"\"\n // \" no \"\"\"; // x"), 4);
        assert_eq!(java("a / b /* open"), 0);
    }

    #[test]
    fn comments_of_javascript_are_told_from_expressions_and_templates() {
        assert_eq!(javascript("x = /a\\/[/*]/; // b"), 4);
        assert_eq!(javascript("x = a / b; // c / d"), 8);
        assert_eq!(javascript("`// no ${a /* yes */} // no` // x"), 9 + 4);
        assert_eq!(javascript("return /\"/ // x"), 4);
        assert_eq!(javascript("f('// no', \"/* no */\") /* x */"), 7);
    }

    #[test]
    fn docstrings_and_comments_of_python_count() {
        assert_eq!(python("\"\"\"s\r\nt\"\"\"\r\n# a\r\n"), "s\nt\n a".len());
        assert_eq!(python("# a\nx = 1 # b\n"), " a b".trim().len());
        assert_eq!(python("\"\"\"Mod.\n\n    More.\n    \"\"\"\nx = '# no'\n"), "Mod.\n\nMore.".len());
        let text = "class A(B):\n    'doc'\n    async def f(self, x={1: 2}) -> int:  # c\n        r'''d\\n'''\n        'no'\n";
        assert_eq!(python(text), "doc\nd\\n\n c".len());
        assert_eq!(python("def f():\n    f'no'\ndef g(): 'yes' 'too'\n"), "yestoo".len());
        assert_eq!(python("x = (1, # open\n"), 0);
        assert_eq!(python("'doc' + x\n'''no'''\n"), 0);
        assert_eq!(python("x = 'open\n# c\n'doc'"), 1);
    }

    #[test]
    fn only_what_a_page_shows_counts() {
        assert_eq!(html("<!DOCTYPE html><p class=\"a>b\">x &amp; y<!-- no --></p>"), 5);
        assert_eq!(html("a<Script type=x>if (a</b/) no</scRipt>b<style>no</style>"), 2);
        assert_eq!(html("1 < 2"), 5);
        assert_eq!(html("<p>\n\n</p>xxx<br> \t<i> < </i>"), 1 + 3 + 1 + 3);
        assert_eq!(html("<pre>  <b>\n\n</b></pre>  <p>  </p>"), 4 + 2);
        assert_eq!(html("<textarea>  </textarea><pred>  </pred></pre>  "), 2 + 1 + 1);
        assert_eq!(html("<stylez>x<p open"), 8);
    }

    proptest! {
        #[test]
        fn any_text_is_borne(text in any::<String>(), mix in "([a-z'\"`/*\\\\\n#&<>é{}()=:]|\"\"\"|'''|\\$\\{|def |<script|</|-->|<!--){0,40}") {
            for text in [&text, &mix] {
                let all = text.chars().count();
                for count in [java(text), javascript(text), html(text)] {
                    prop_assert!(count <= all);
                }
                python(text);
            }
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in [
            "/",
            "/*",
            "//",
            "\"",
            "\\\"",
            "'",
            "`",
            "`${",
            "\"\"\"",
            "'\\",
            "#",
            "(",
            "def f():",
            "<",
            "<a",
            "<a ",
            "</",
            "<!--",
            "<a b=\"",
            "<a b='\"",
            "&",
            "&a",
            "<script>",
            "return /",
            "{",
            "\t",
            "def f():\n\t\"\"\"x\"\"\"\n",
        ] {
            let text = run.repeat(300_000 / run.len());
            for scan in [java, javascript, python, html] {
                scan(&text);
            }
        }
    }
}
