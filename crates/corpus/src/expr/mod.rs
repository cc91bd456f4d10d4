//! Expressions over what is known of a document, such as `gopher_v1.word_count < 50 or count(pii.email) > 5`.
//!
//! They are checked against what the taggers declare before a document is read: a name that no tagger gives, a text
//! compared with a number, or spans taken for a number are errors that point at their place. (In Dolma's mixer such a
//! rule silently never fires.)
//!
//! - `TAGGER.VALUE` is a number, `TAGGER.FLAG` is true or false; spans become a number by `count(..)`, `sum(..)`, `max(..)`,
//!   `min(..)`, `mean(..)` of their scores, or `covered(..)`, the share of the text's bytes that they cover
//! - `bytes` is the length of the text; `source`, `id`, `licence`, `author` are texts; `metadata.KEY` is what the row says,
//!   a number or a text as the other side of the comparison is
//! - `TAGGER.LABEL` is a text, such as `languages.label`; comparing it with what is no label of its tagger is an error
//! - `and`, `or`, `not`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `in [..]`, `+`, `-`, `*`, `/`, parentheses,
//!   `contains(TEXT, "part")`, `matches(TEXT, "regular expression")`, `has(NAME)`; `text` is the text
//!
//! A threshold beyond all values that an attribute declares (`> 10` of a share) is an error too: such a rule never fires, or always.
//!
//! A number that a document lacks (an n-gram share of a text without n-grams, a missing key) makes a comparison false.

mod lex;
mod limits;
mod parse;
mod visit;

use std::sync::Arc;

use regex_automata::meta::Regex;

use crate::error::Result;
use crate::read::field;
use crate::tag::{ANY, Set, Shape, Span, Tags};

pub(crate) use lex::names;
pub(crate) use parse::parse;
pub(crate) use visit::{Cut, Uses, cuts};

/// Knows what names of attributes mean.
pub(crate) trait Known {
    /// The slot in which an attribute's spans lie, and what it is.
    ///
    /// # Errors
    /// [`crate::Error::UnknownAttribute`].
    fn slot(&self, name: &str) -> Result<(usize, Shape)>;

    /// The least and the greatest value of the attribute in a slot, where that is declared.
    fn range(&self, _slot: usize) -> (f64, f64) {
        ANY
    }

    /// The labels of the attribute in a slot, by number; empty where they are not known yet.
    fn labels(&self, _slot: usize) -> Arc<[String]> {
        Arc::default()
    }
}

impl Known for Set {
    fn slot(&self, name: &str) -> Result<(usize, Shape)> {
        Set::slot(self, name)
    }

    fn range(&self, slot: usize) -> (f64, f64) {
        self.attributes().get(slot).map_or(ANY, |one| one.attribute.range)
    }

    fn labels(&self, slot: usize) -> Arc<[String]> {
        self.attributes().get(slot).map(|one| one.labels.clone()).unwrap_or_default()
    }
}

/// A set whose attributes may be compared with anything, for expressions that were checked when they ran.
pub(crate) struct Loose<'s>(pub &'s Set);

impl Known for Loose<'_> {
    fn slot(&self, name: &str) -> Result<(usize, Shape)> {
        self.0.slot(name)
    }

    fn labels(&self, slot: usize) -> Arc<[String]> {
        self.0.labels(slot)
    }
}

/// What an expression may look at.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'d> {
    pub text: &'d str,
    /// Bytes of the text.
    pub bytes: usize,
    pub source: &'d str,
    pub id: &'d str,
    pub licence: &'d str,
    pub author: &'d str,
    /// The JSON object `metadata`; empty if there is none.
    pub metadata: &'d str,
    pub tags: &'d Tags,
}

/// A text field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field {
    Text,
    Source,
    Id,
    Licence,
    Author,
}

/// How two sides are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// How spans become a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fold {
    Count,
    Sum,
    Max,
    Min,
    Mean,
    Covered,
}

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    Literal(f64),
    Value(usize),
    Folded(Fold, usize),
    Bytes,
    Metadata(String),
    Negative(Box<Number>),
    Two(u8, Box<Number>, Box<Number>),
}

/// A text.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Literal(String),
    Field(Field),
    Metadata(String),
    /// The label in a slot, one of these.
    Label(usize, Arc<[String]>),
}

/// True or false.
#[derive(Clone, Debug)]
pub(crate) enum Truth {
    Literal(bool),
    Flag(usize),
    Has(usize),
    HasMetadata(String),
    Numbers(Op, Number, Number),
    Texts(Op, Text, Text),
    NumberIn(Number, Vec<f64>),
    TextIn(Text, Vec<String>),
    Contains(Text, Text),
    Matches(Text, Box<Regex>),
    Not(Box<Truth>),
    And(Box<Truth>, Box<Truth>),
    Or(Box<Truth>, Box<Truth>),
}

impl Op {
    /// Whether it holds between two things.
    pub fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool {
        match self {
            Op::Equal => a == b,
            Op::Unequal => a != b,
            Op::Less => a < b,
            Op::LessEqual => a <= b,
            Op::Greater => a > b,
            Op::GreaterEqual => a >= b,
        }
    }
}

impl Fold {
    /// The function that is written for it.
    pub fn name(self) -> &'static str {
        match self {
            Fold::Count => "count",
            Fold::Sum => "sum",
            Fold::Max => "max",
            Fold::Min => "min",
            Fold::Mean => "mean",
            Fold::Covered => "covered",
        }
    }
}

/// The share of `length` bytes that spans cover, overlaps counted once.
fn covered(spans: &[Span], length: usize) -> f64 {
    let mut sorted: Vec<(u32, u32)> = spans.iter().map(|s| (s.start, s.end)).collect();
    sorted.sort_unstable();
    let (mut sum, mut end) = (0u64, 0);
    for (start, stop) in sorted {
        sum += u64::from(stop.saturating_sub(start.max(end)));
        end = end.max(stop);
    }
    if length == 0 { 0.0 } else { sum as f64 / length as f64 }
}

impl Number {
    /// Its value for a document; none if the document lacks it.
    pub fn of(&self, facts: &Facts) -> Option<f64> {
        match self {
            Number::Literal(x) => Some(*x),
            Number::Value(slot) => facts.tags.number(*slot, Shape::Value),
            Number::Bytes => Some(facts.bytes as f64),
            Number::Folded(fold, slot) => {
                let spans = facts.tags.spans(*slot);
                let scores = spans.iter().map(|s| s.score);
                match fold {
                    Fold::Count => Some(spans.len() as f64),
                    Fold::Sum => Some(scores.sum()),
                    Fold::Max => scores.reduce(f64::max),
                    Fold::Min => scores.reduce(f64::min),
                    Fold::Mean => (!spans.is_empty()).then(|| scores.sum::<f64>() / spans.len() as f64),
                    Fold::Covered => Some(covered(spans, facts.bytes)),
                }
            }
            Number::Metadata(key) => field::value(facts.metadata, key).and_then(|value| match value {
                serde_json::Value::Number(n) => n.as_f64(),
                serde_json::Value::String(text) => text.trim().parse().ok(),
                _ => None,
            }),
            Number::Negative(inner) => inner.of(facts).map(|x| -x),
            Number::Two(op, a, b) => {
                let (a, b) = (a.of(facts)?, b.of(facts)?);
                let result = match op {
                    b'+' => a + b,
                    b'-' => a - b,
                    b'*' => a * b,
                    _ => a / b,
                };
                result.is_finite().then_some(result)
            }
        }
    }
}

impl Text {
    fn with<T>(&self, facts: &Facts, then: impl FnOnce(&str) -> T) -> Option<T> {
        let text = match self {
            Text::Literal(text) => text,
            Text::Field(Field::Text) => facts.text,
            Text::Field(Field::Source) => facts.source,
            Text::Field(Field::Id) => facts.id,
            Text::Field(Field::Licence) => facts.licence,
            Text::Field(Field::Author) => facts.author,
            Text::Label(slot, labels) => facts.tags.label(*slot, labels)?,
            Text::Metadata(key) => {
                return match field::value(facts.metadata, key)? {
                    serde_json::Value::String(text) => Some(then(&text)),
                    serde_json::Value::Null => None,
                    other => Some(then(&other.to_string())),
                };
            }
        };
        Some(then(text))
    }
}

impl Truth {
    /// Whether it holds for a document.
    pub fn of(&self, facts: &Facts) -> bool {
        match self {
            Truth::Literal(truth) => *truth,
            Truth::Flag(slot) | Truth::Has(slot) => !facts.tags.spans(*slot).is_empty(),
            Truth::HasMetadata(key) => {
                field::written(facts.metadata, key).is_some_and(|value| value.get() != "null")
            }
            Truth::Numbers(op, a, b) => match (a.of(facts), b.of(facts)) {
                (Some(a), Some(b)) => op.holds(&a, &b),
                _ => false,
            },
            Truth::Texts(op, a, b) => {
                a.with(facts, |a| b.with(facts, |b| op.holds(&a, &b))).flatten().unwrap_or(false)
            }
            Truth::NumberIn(a, list) => a.of(facts).is_some_and(|a| list.contains(&a)),
            Truth::TextIn(a, list) => a.with(facts, |a| list.iter().any(|b| b == a)).unwrap_or(false),
            Truth::Contains(a, b) => {
                a.with(facts, |a| b.with(facts, |b| a.contains(b))).flatten().unwrap_or(false)
            }
            Truth::Matches(a, regex) => a.with(facts, |a| regex.is_match(a)).unwrap_or(false),
            Truth::Not(inner) => !inner.of(facts),
            Truth::And(a, b) => a.of(facts) && b.of(facts),
            Truth::Or(a, b) => a.of(facts) || b.of(facts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::{Buffers, Scratch, Set, Wanted};

    fn holds(expression: &str, text: &str) -> bool {
        let set = Set::new(&["length", "c4@dolma", "pii@dolma", "gopher_v1"].map(Wanted::named)).unwrap();
        let truth = parse(expression, &set).unwrap_or_else(|e| panic!("{e}"));
        let mut tags = Tags::default();
        set.tag(text, "", &mut Buffers::default(), &mut Scratch::default(), &mut tags);
        let metadata = r#"{"url":"https://a.org/x","stars":12,"year":"1999","none":null,"deep":DEEP}"#;
        let metadata = &metadata.replace("DEEP", &("[".repeat(500) + &"]".repeat(500)));
        let (source, id, licence, author) = ("wiki", "a/1", "MIT", "human");
        truth.of(&Facts { text, bytes: text.len(), source, id, licence, author, metadata, tags: &tags })
    }

    #[test]
    fn expressions_hold_where_they_should() {
        let text = "One two three.\nfour { me@x.org \n";
        for yes in [
            "length.words == 6",
            "length.words > 5 and length.words<=6",
            "not length.words > 6",
            "length.words * 2 - 1 == 11",
            "(length.words + 2) / 4 == 2",
            "-length.words < -5",
            "c4@dolma.has_curly_brace",
            "not c4@dolma.has_javascript",
            "count(pii@dolma.EMAIL_ADDRESS) == 1",
            "max(pii@dolma.EMAIL_ADDRESS) == 1 and sum(pii@dolma.EMAIL_ADDRESS) >= 1",
            "covered(c4@dolma.lines_with_no_ending_punctuation) > 0.5",
            "source == \"wiki\" and id != \"x\" and author in [\"human\", \"mixed\"]",
            "licence == 'MIT'",
            "metadata.stars >= 10 and metadata.stars in [11, 12]",
            "metadata.year < 2000",
            "metadata.url == \"https://a.org/x\"",
            "contains(metadata.url, \"a.org\") and contains(text, \"three.\")",
            "matches(text, \"(?m)^four\") and matches(id, \"^a/[0-9]+$\")",
            "has(metadata.url) and has(metadata.deep) and not has(metadata.none) and not has(metadata.other)",
            "has(gopher_v1.fraction_of_characters_in_most_common_3grams)",
            "bytes == 32",
            "false or true and not false",
        ] {
            assert!(holds(yes, text), "{yes}");
        }
        for no in [
            // What a document lacks makes no comparison true.
            "metadata.other > 0",
            "metadata.other <= 0",
            "metadata.url > 3",
            "max(pii@dolma.PHONE_NUMBER) < 5",
            "1 / (length.words - 6) > 0",
            "true and false or false",
            "not (true or false)",
        ] {
            assert!(!holds(no, text), "{no}");
        }
    }
}
