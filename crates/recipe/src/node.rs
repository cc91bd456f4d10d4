//! TOML as a tree in which every key and value knows its place, with `--set` written into it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Wrong;
use crate::source::At;

/// A value and its place; defaults have none.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Option<At>,
    pub(crate) raw: Raw,
}

/// A TOML value, or JSON's null in a default.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Date(String),
    List(Vec<Node>),
    Table(Vec<(Word, Node)>),
}

/// A key and its place.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) at: Option<At>,
}

impl Word {
    pub(crate) fn bare(text: &str) -> Word {
        Word { text: text.into(), at: None }
    }
}

/// Entries of a TOML text in the order of the file. `source` is the number of the text in the recipe's sources.
pub(crate) fn parse(text: &str, source: usize) -> Result<Vec<(Word, Node)>, Wrong> {
    let table = DeTable::parse(text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        Wrong::new(Some(&At { source, span }), e.message())
    })?;
    entries(table.get_ref(), source, 0)
}

/// One TOML value, which begins at byte `offset` of its source; `None` if it is none.
fn parse_value(text: &str, source: usize, offset: usize) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    node(&value, source, offset).ok()
}

fn entries(table: &DeTable<'_>, source: usize, offset: usize) -> Result<Vec<(Word, Node)>, Wrong> {
    let mut found = Vec::new();
    for (key, value) in table {
        let at = At { source, span: shift(key.span(), offset) };
        found.push((Word { text: key.get_ref().to_string(), at: Some(at) }, node(value, source, offset)?));
    }
    // The parser sorts by name; errors and plans follow the file.
    found.sort_by_key(|(word, _)| word.at.as_ref().map_or(0, |at| at.span.start));
    Ok(found)
}

fn shift(span: std::ops::Range<usize>, offset: usize) -> std::ops::Range<usize> {
    span.start + offset..span.end + offset
}

fn node(value: &Spanned<DeValue<'_>>, source: usize, offset: usize) -> Result<Node, Wrong> {
    let at = At { source, span: shift(value.span(), offset) };
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Str(text.to_string()),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Raw::Int(n),
            Err(_) => return Err(Wrong::new(Some(&at), format!("the number {n} does not fit 64 bits"))),
        },
        DeValue::Float(x) => match x.as_str().parse() {
            Ok(x) => Raw::Float(x),
            Err(_) => return Err(Wrong::new(Some(&at), format!("`{x}` is not a number"))),
        },
        DeValue::Boolean(b) => Raw::Bool(*b),
        DeValue::Datetime(date) => Raw::Date(date.to_string()),
        DeValue::Array(items) => {
            Raw::List(items.iter().map(|item| node(item, source, offset)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Raw::Table(entries(table, source, offset)?),
    };
    Ok(Node { at: Some(at), raw })
}

/// A default, written as JSON.
pub(crate) fn from_json(value: &serde_json::Value) -> Node {
    use serde_json::Value;
    let raw = match value {
        Value::Null => Raw::Null,
        Value::Bool(b) => Raw::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(n) => Raw::Int(n),
            None => Raw::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Raw::Str(text.clone()),
        Value::Array(items) => Raw::List(items.iter().map(from_json).collect()),
        Value::Object(map) => {
            Raw::Table(map.iter().map(|(key, value)| (Word::bare(key), from_json(value))).collect())
        }
    };
    Node { at: None, raw }
}

/// Write `--set path=value` into the tree. The value is TOML, or a text if it is no TOML.
pub(crate) fn set(root: &mut Vec<(Word, Node)>, text: &str, source: usize) -> Result<(), Wrong> {
    let whole = At { source, span: 0..text.len() };
    let wrong = |message: &str| {
        Wrong::new(Some(&whole), message)
            .hint("write it as `--set stage.field=value`, such as `--set base.steps=100`")
    };
    let Some((path, value)) = text.split_once('=') else {
        return Err(wrong("a `--set` needs `=` and a value"));
    };
    let mut words = Vec::new();
    let mut start = 0;
    for part in path.split('.') {
        let name = part.trim();
        if name.is_empty() {
            return Err(wrong("a `--set` needs a name before each `.` and before `=`"));
        }
        let from = start + (part.len() - part.trim_start().len());
        words.push(Word { text: name.into(), at: Some(At { source, span: from..from + name.len() }) });
        start += part.len() + 1;
    }
    let offset = path.len() + 1 + (value.len() - value.trim_start().len());
    let value = value.trim();
    let node = parse_value(value, source, offset).unwrap_or_else(|| Node {
        at: Some(At { source, span: offset..offset + value.len() }),
        raw: Raw::Str(value.into()),
    });
    let mut table = root;
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let place = table.iter().position(|(known, _)| known.text == word.text);
        if words.peek().is_none() {
            match place {
                Some(i) => table[i] = (word, node),
                None => table.push((word, node)),
            }
            return Ok(());
        }
        let i = place.unwrap_or_else(|| {
            table.push((word.clone(), Node { at: word.at.clone(), raw: Raw::Table(Vec::new()) }));
            table.len() - 1
        });
        match &mut table[i].1.raw {
            Raw::Table(inner) => table = inner,
            _ => return Err(Wrong::new(word.at.as_ref(), format!("`{}` is not a table", word.text))),
        }
    }
    Ok(())
}
