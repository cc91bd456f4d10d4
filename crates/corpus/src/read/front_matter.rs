//! Front matter of Markdown files: what stands between two lines `---` at the begin, in YAML.
//!
//! Read are the lines `KEY: VALUE` that are not indented: plain and quoted texts, lists of them (`[a, b]`, or a line `- a` each),
//! texts over several lines (`|`, `>`). Anything deeper is passed over. What comes of it is metadata, so nothing in it is a
//! fault; but without a line `KEY: VALUE` it is no front matter, and a text may begin with a rule.

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
    let fields = fields(&inside);
    if fields.is_empty() {
        return None;
    }
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

fn fields(lines: &[&str]) -> Map<String, Value> {
    let mut out = Map::new();
    let mut rest = lines;
    while let Some((line, behind)) = rest.split_first() {
        // Lines that belong to this one: indented, blank, or items of a list.
        let inner = behind.iter().take_while(|l| l.is_empty() || l.starts_with([' ', '\t', '-'])).count();
        let (inner, behind) = behind.split_at(inner);
        rest = behind;
        let Some((key, value)) = pair(line) else { continue };
        let value = match value {
            "" => items(inner),
            "|" | "|-" | "|+" => Some(Value::String(block(inner, "\n"))),
            ">" | ">-" | ">+" => Some(Value::String(block(inner, " "))),
            value => match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
                Some(list) => {
                    Some(list.split(',').map(str::trim).filter(|v| !v.is_empty()).map(scalar).collect())
                }
                // An object, an anchor, an alias, a tag.
                None if value.starts_with(['{', '&', '*', '!']) => None,
                None => Some(scalar(value)),
            },
        };
        if let Some(value) = value {
            out.insert(key.into(), value);
        }
    }
    out
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
