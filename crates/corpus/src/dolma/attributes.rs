//! A row of a Dolma attributes file.
//!
//! `{"id": .., "attributes": {"EXPERIMENT__TAGGER__ATTRIBUTE": [[start, end, score], ..]}, "source": ..}`: offsets in code
//! points, scores with five digits behind the point, as Dolma writes them. An attribute without a span is left out. A label is the
//! name of an attribute of its own, with its probability as the score.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use super::offsets::Offsets;
use super::row::Row;
use crate::tag::{Set, SetAttribute, Shape, Span, Tags};

/// Writes rows for the taggers of a set.
pub(crate) struct Writer {
    /// The names of the attributes as JSON, by slot, with what follows.
    names: Vec<Name>,
}

/// What is written for an attribute, each name as JSON with a colon.
pub(crate) enum Name {
    /// Its spans under this name.
    Spans(String),
    /// The score behind a label under one of these names, by label.
    Label(Vec<String>),
    /// Nothing: it is the score of a label.
    Score,
}

impl Name {
    /// What is written in `experiment` for attributes: their taggers, names, shapes and labels.
    pub fn all<'a>(
        experiment: &str,
        attributes: impl Iterator<Item = (&'a str, &'a str, Shape, &'a [String])>,
    ) -> Vec<Name> {
        let mut names: Vec<Name> = Vec::new();
        for (tagger, attribute, shape, labels) in attributes {
            let key = |last: &str| format!("\"{}\":", [experiment, tagger, last].map(name).join("__"));
            names.push(if shape == Shape::Label {
                Name::Label(label_names(labels).iter().map(|label| key(label)).collect())
            } else if matches!(names.last(), Some(Name::Label(_))) {
                Name::Score
            } else {
                Name::Spans(key(attribute))
            });
        }
        names
    }
}

/// A name as Dolma makes one: other characters than letters, digits and `_` become `_`.
pub(crate) fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// The names of attributes that labels become, each another one. Where [`name`] would make two labels one name, or one that
/// reads as several, other characters are `u` and their code point.
fn label_names(labels: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    labels.iter().for_each(|label| *counts.entry(name(label)).or_default() += 1);
    let mut taken = BTreeSet::new();
    let own = |label: &String| {
        let plain = name(label);
        let clear = counts[&plain] == 1 && !plain.contains("__") && plain.trim_matches('_') == plain;
        let mut made = if clear && !plain.is_empty() { plain } else { spelled(label) };
        // A label may be spelled as another one is written.
        while !taken.insert(made.clone()) {
            made.push('u');
        }
        made
    };
    labels.iter().map(own).collect()
}

/// A label in letters and digits alone.
fn spelled(label: &str) -> String {
    let mut out = String::new();
    for c in label.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c),
            // Nothing can go wrong in writing to memory.
            c => drop(write!(out, "u{:04X}", u32::from(c))),
        }
    }
    if out.is_empty() { "u".into() } else { out }
}

impl Writer {
    /// For the attributes of `set` in `experiment`.
    pub fn new<'s>(set: &'s Set, experiment: &str) -> Writer {
        let of = |a: &'s SetAttribute| (&*a.tagger, a.attribute.name, a.attribute.shape, &*a.labels);
        let names = Name::all(experiment, set.attributes().iter().map(of));
        Writer { names }
    }

    /// Append the line of one document.
    pub fn write(&self, row: &Row, tags: &Tags, offsets: &mut Offsets, out: &mut Vec<u8>) {
        let text = row.text();
        offsets.mark(text);
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(row.id().as_bytes());
        out.extend_from_slice(b",\"attributes\":{");
        let mut first = true;
        for (slot, name) in self.names.iter().enumerate() {
            let (name, spans) = match name {
                Name::Spans(name) => (name.as_str(), tags.spans(slot)),
                Name::Label(names) => (tags.label(slot, names).unwrap_or_default(), tags.spans(slot + 1)),
                Name::Score => continue,
            };
            if spans.is_empty() {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(name.as_bytes());
            write_spans(spans, text, offsets, out);
        }
        out.push(b'}');
        if let Some(source) = row.source {
            out.extend_from_slice(b",\"source\":");
            out.extend_from_slice(source.get().as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }
}

fn write_spans(spans: &[Span], text: &str, offsets: &Offsets, out: &mut Vec<u8>) {
    // Many spans begin where the one before ends, or a little behind: its end is known, in bytes, code points and digits.
    let mut points = offsets.cursor(text);
    let mut end = Digits::of(0);
    let mut at = 0;
    for (i, span) in spans.iter().enumerate() {
        let start = if i > 0 && span.start == at { end } else { Digits::of(points.to(span.start)) };
        end = Digits::of(points.to(span.end));
        at = span.end;
        // All copies are of a length that the compiler knows; what is too much of one is written over by the next.
        let mut room = [0u8; 64];
        room[..2].copy_from_slice(if i == 0 { b"[[" } else { b",[" });
        let length = start.put(&mut room, 2);
        room[length] = b',';
        let length = end.put(&mut room, length + 1);
        room[length] = b',';
        room[length + 1..length + 5].copy_from_slice(b"1.0]");
        let whole = span.score == 1.0;
        let before = out.len();
        out.extend_from_slice(&room);
        out.truncate(before + if whole { length + 5 } else { length + 1 });
        if !whole {
            score(span.score, out);
            out.push(b']');
        }
    }
    out.push(b']');
}

/// The decimal digits of a number.
#[derive(Clone, Copy)]
struct Digits {
    /// From the first one on.
    all: [u8; 16],
    length: usize,
}

impl Digits {
    fn of(mut n: u32) -> Digits {
        // From the last place on, moved to the begin.
        let mut digits = u128::from(b'0' + (n % 10) as u8);
        let mut length = 1;
        while n >= 10 {
            n /= 10;
            digits = digits << 8 | u128::from(b'0' + (n % 10) as u8);
            length += 1;
        }
        Digits { all: digits.to_le_bytes(), length }
    }

    /// Copies them to the byte `at`; gives back the one behind them. 16 bytes from `at` on are written over.
    fn put(&self, room: &mut [u8; 64], at: usize) -> usize {
        room[at..at + 16].copy_from_slice(&self.all);
        at + self.length
    }
}

/// A whole number in decimal digits.
pub(crate) fn decimal(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A score, rounded to five digits behind the point as Python's `round(score, 5)` does, without zeros at the end.
pub(crate) fn score(score: f64, out: &mut Vec<u8>) {
    if (0.0..1e15).contains(&score) && score.trunc() == score {
        decimal(score as u64, out);
        out.extend_from_slice(b".0");
        return;
    }
    if !score.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    // Nothing can go wrong in writing to memory.
    let _ = write!(out, "{score:.5}");
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.push(b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use crate::tag::{Buffers, Scratch, Wanted};

    #[test]
    fn rows_are_those_of_dolma() {
        let line = r#"{"id":"é1","text":"né, one and two.\n@ x","source":"s"}"#;
        let row = Row::parse(line, || Place { file: String::new(), unit: "", number: 0 }).unwrap();
        let set = Set::new(&[Wanted::named("c4_v2"), Wanted::named("length")]).unwrap();
        let mut tags = Tags::default();
        set.tag(row.text(), "", &mut Buffers::default(), &mut Scratch::default(), &mut tags);
        let mut out = Vec::new();
        Writer::new(&set, "my-exp").write(&row, &tags, &mut Offsets::default(), &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["id"], "é1");
        assert_eq!(json["source"], "s");
        let of = |name: &str| json["attributes"][name].to_string();
        assert_eq!(of("my_exp__c4_v2__lines_with_too_few_words"), "[[17,20,1.0]]");
        assert_eq!(of("my_exp__length__bytes"), "[[0,20,21.0]]");
        assert_eq!(of("my_exp__c4_v2__has_javascript"), "null");
    }

    #[test]
    fn every_label_has_a_name_of_its_own() {
        let names =
            |labels: &[&str]| label_names(&labels.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["en", "zh-Hant", "eng_Latn"]), ["en", "zh_Hant", "eng_Latn"]);
        assert_eq!(names(&["C#", "C+", "Cu0023"]), ["Cu0023", "Cu002B", "Cu0023u"]);
        assert_eq!(names(&["体育", "科技", "a__b", ""]), ["u4F53u80B2", "u79D1u6280", "au005Fu005Fb", "u"]);
    }

    #[test]
    fn scores_have_five_digits() {
        let shown = |x: f64| {
            let mut out = Vec::new();
            score(x, &mut out);
            String::from_utf8(out).unwrap()
        };
        let cases = [
            (0.0, "0.0"),
            (1.0 / 3.0, "0.33333"),
            (2.5, "2.5"),
            (-1.0, "-1.0"),
            (1e-9, "0.0"),
            (123456.0, "123456.0"),
        ];
        for (x, text) in cases {
            assert_eq!(shown(x), text);
        }
    }
}
