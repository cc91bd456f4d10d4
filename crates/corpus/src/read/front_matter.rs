//! Front matter of Markdown files: what stands between two lines `---` at the begin, in YAML.
//!
//! Read are the lines `KEY: VALUE` that are not indented: plain and quoted texts, lists of them (`[a, b]`, over several lines too,
//! or a line `- a` each), texts over several lines (`|`, `>`). Anything deeper is passed over. What comes of it is metadata,
//! so nothing in it is a fault; but without a line `KEY: VALUE` it is no front matter, and a text may begin with a rule.
//! Nothing between the two lines is a front matter without fields.

use serde_json::{Map, Value};

/// Bytes in which it must end.
const MOST: usize = 64 << 10;

/// What it says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FrontMatter {
    /// All fields, as a JSON object.
    pub metadata: String,
    /// `license` or `licence`.
    pub licence: Option<String>,
    /// `author_kind`.
    pub author: Option<String>,
    /// `date`, or else `created`.
    pub created: Option<String>,
}

/// The front matter of a file, and the bytes that it takes with the blank lines behind it; none if there is none.
pub(crate) fn split(text: &str) -> Option<(FrontMatter, usize)> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = mark;
    let mut lines = text[mark..].split_inclusive('\n');
    let first = lines.next()?;
    if first.trim_end() != "---" {
        return None;
    }
    at += first.len();
    let mut inside = Vec::new();
    loop {
        let line = lines.next().filter(|line| at + line.len() - mark <= MOST)?;
        at += line.len();
        match line.trim_end() {
            "---" | "..." => break,
            line => inside.push(line),
        }
    }
    let fields = if inside.is_empty() { Map::new() } else { fields(&inside)? };
    at += lines.take_while(|line| line.trim().is_empty()).map(str::len).sum::<usize>();
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(String::from);
    let found = FrontMatter {
        licence: text("license").or(text("licence")),
        author: text("author_kind"),
        created: text("date").or(text("created")),
        metadata: Value::Object(fields).to_string(),
    };
    Some((found, at))
}

/// None without a line `KEY: VALUE`.
fn fields(lines: &[&str]) -> Option<Map<String, Value>> {
    let (mut out, mut any) = (Map::new(), false);
    let mut rest = lines;
    while let Some((line, behind)) = rest.split_first() {
        // Lines that belong to this one: indented, blank, or items of a list.
        let inner = behind.iter().take_while(|l| l.is_empty() || l.starts_with([' ', '\t', '-'])).count();
        let (inner, behind) = behind.split_at(inner);
        rest = behind;
        let Some((key, value)) = pair(line) else { continue };
        any |= !value.is_empty();
        let value = match value {
            "" => items(inner),
            "|" | "|-" | "|+" => Some(Value::String(block(inner, "\n"))),
            ">" | ">-" | ">+" => Some(Value::String(block(inner, " "))),
            value if value.starts_with('[') => {
                let end = behind.first().filter(|line| line.starts_with(']'));
                let lines: Vec<&str> = [value].iter().chain(inner).chain(end).copied().collect();
                list(&lines.join("\n"))
            }
            // An object, an anchor, an alias, a tag.
            value if value.starts_with(['{', '&', '*', '!']) => None,
            value => Some(scalar(value)),
        };
        if let Some(value) = value {
            out.insert(key.into(), value);
        }
    }
    (any || !out.is_empty()).then_some(out)
}

/// `KEY: VALUE` without what stands around both.
fn pair(line: &str) -> Option<(&str, &str)> {
    if line.starts_with([' ', '\t', '#', '-']) {
        return None;
    }
    let (key, value) = line.split_once(": ").or_else(|| line.strip_suffix(':').map(|key| (key, "")))?;
    let key = unquoted(key.trim()).unwrap_or_else(|| key.trim());
    (!key.is_empty()).then(|| (key, value.trim()))
}

/// What stands between quotes, if there are any around it.
fn unquoted(text: &str) -> Option<&str> {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\''))
}

fn scalar(value: &str) -> Value {
    let text = if let Some(inner) = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        inner.replace("''", "'")
    } else if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
        // Double quotes have the escapes of JSON, and more, which stay as they are.
        serde_json::from_str(value).unwrap_or_else(|_| value[1..value.len() - 1].into())
    } else {
        let end = value.find(" #").unwrap_or(value.len());
        let plain = value[..end].trim_end();
        if matches!(plain, "null" | "~") {
            return Value::Null;
        }
        plain.into()
    };
    Value::String(text)
}

/// The items of a list in brackets; none if it has no end, or others than texts of one line.
fn list(text: &str) -> Option<Value> {
    let mut rest = behind_comments(text.strip_prefix('[')?);
    let mut items = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix(']') {
            return behind_comments(behind).is_empty().then_some(Value::Array(items));
        }
        let (item, behind) = rest.split_at(item_end(rest)?);
        let item = item.trim_end();
        if item.contains('\n') || item.starts_with(['&', '*', '!']) || pair(item).is_some() {
            return None;
        }
        if !item.is_empty() {
            items.push(scalar(item));
        }
        rest = behind_comments(behind);
        match rest.strip_prefix(',') {
            Some(next) => rest = behind_comments(next),
            None if rest.starts_with(']') => {}
            None => return None,
        }
    }
}

/// Bytes of the first item: up to its closing quote, or up to what ends a plain text.
fn item_end(rest: &str) -> Option<usize> {
    if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quote == '"' => _ = chars.next(),
                '\'' if quote == c && chars.next_if(|next| next.1 == c).is_some() => {}
                _ if c == quote => return Some(at + 1),
                _ => {}
            }
        }
        return None;
    }
    let comment = |at: usize| rest[at..].starts_with('#') && rest[..at].ends_with(char::is_whitespace);
    let (end, found) =
        rest.char_indices().find(|&(at, c)| matches!(c, ',' | '[' | ']' | '{' | '}') || comment(at))?;
    (!matches!(found, '[' | '{' | '}')).then_some(end)
}

/// What stands behind blanks and comments.
fn behind_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, next)| next.trim_start());
    }
    rest
}

/// The items of a list of texts; none for anything else.
fn items(lines: &[&str]) -> Option<Value> {
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    let all: Option<Vec<Value>> =
        lines.map(|line| line.strip_prefix("- ").filter(|item| pair(item).is_none()).map(scalar)).collect();
    all.filter(|all| !all.is_empty()).map(Value::Array)
}

/// A text over several lines, without their indentation.
fn block(lines: &[&str], between: &str) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(between).trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> (Value, &str) {
        let (found, length) = split(text).unwrap();
        (serde_json::from_str(&found.metadata).unwrap(), &text[length..])
    }

    #[test]
    fn fields_become_metadata() {
        let text = "\u{feff}---\r\ntitle: \"On \\\"trees\\\": é\"\r\nlicense: CC-BY-4.0 # for all\r\n'author': 'J. O''Neill'\r\n\
                    date: 2024-02-29T10:00:00Z\r\ntags: [a, \"b c\", ]\r\nauthors:\r\n  - Ann\r\n  - Bob: no\r\nlist:\r\n- x\r\n- y\r\n\
                    about: >\r\n  one\r\n  two\r\nlines: |\r\n  one\r\n  two\r\ndeep:\r\n  license: no\r\nempty:\r\nnone: ~\r\n\
                    map: {a: 1}\r\nurl: https://a.org/x:y\r\n# a: comment\r\nno pair\r\n---\r\n\r\n# Trees\r\n---\r\n";
        let (fields, rest) = read(text);
        assert_eq!(rest, "# Trees\r\n---\r\n");
        assert_eq!(
            fields,
            json!({
                "title": "On \"trees\": é", "license": "CC-BY-4.0", "author": "J. O'Neill", "date": "2024-02-29T10:00:00Z",
                "tags": ["a", "b c"], "list": ["x", "y"], "about": "one two", "lines": "one\ntwo", "none": null,
                "url": "https://a.org/x:y",
            })
        );
        let (found, _) = split(text).unwrap();
        assert_eq!(
            (found.licence.as_deref(), found.created.as_deref()),
            (Some("CC-BY-4.0"), Some("2024-02-29T10:00:00Z"))
        );
        assert_eq!(found.author, None, "who wrote it is no kind of author");
    }

    #[test]
    fn other_begins_are_text() {
        for text in [
            "",
            "---",
            "---\n",
            "---\na: b\n",
            "--- \nA rule\n---\nand text",
            "a\n---\nb: c\n---\n",
            " ---\na: b\n---\n",
            "----\na: b\n----\n",
        ] {
            assert_eq!(split(text), None, "{text:?}");
        }
        assert_eq!(split(&format!("---\n{}---\n", "a: b\n".repeat(20_000))), None, "it does not end soon");
        assert_eq!(read("---\na: b\n...\nx").1, "x");
        assert_eq!(read("---\na: b\n---").1, "");
    }

    #[test]
    fn lists_in_brackets_go_over_lines() {
        for (list, expected) in [
            ("[alpha,\n  beta, gamma]", json!(["alpha", "beta", "gamma"])),
            (
                "[\n  alpha,\n\n  'it''s, [b]', # ] no end\n  \"c, \\\"d\\\"\"\n]",
                json!(["alpha", "it's, [b]", "c, \"d\""]),
            ),
            ("[a # one\n  , b#2] # both\n  # of them", json!(["a", "b#2"])),
            ("[]", json!([])),
        ] {
            let text = format!("---\ntags: {list}\nnext: x\n---\ntext");
            let (fields, rest) = read(&text);
            assert_eq!((fields, rest), (json!({"tags": expected, "next": "x"}), "text"), "{list}");
        }
        // No end, no text of one line, or deeper.
        for list in [
            "[alpha,\n  beta",
            "[a] b",
            "[a\n  b]",
            "[a, {b: c}]",
            "[a, [b]]",
            "[a: b]",
            "[\"a]",
            "['a' b]",
            "[*a]",
        ] {
            let text = format!("---\ntags: {list}\nnext: x\n---\ntext");
            let (fields, rest) = read(&text);
            assert_eq!((fields, rest), (json!({"next": "x"}), "text"), "{list}");
            assert_eq!(read(&format!("---\ntags: {list}\n---\ntext")), (json!({}), "text"), "{list}");
        }
    }

    #[test]
    fn nothing_between_the_lines_is_no_text() {
        assert_eq!(read("---\n---\n\ntext\n"), (json!({}), "text\n"));
        assert_eq!(read("\u{feff}--- \r\n---"), (json!({}), ""));
        assert_eq!(split("---\n\n---\ntext"), None, "two rules");
    }

    proptest! {
        #[test]
        fn any_begin_is_read_or_left(inside in "[a:\\-\\[\\]{}|>'\"#&* \n\t\réß]{0,60}") {
            let text = format!("---\n{inside}\n---\ntext");
            if let Some((found, length)) = split(&text) {
                prop_assert!(text.is_char_boundary(length));
                prop_assert!(serde_json::from_str::<Map<String, Value>>(&found.metadata).is_ok());
            }
        }
    }
}
