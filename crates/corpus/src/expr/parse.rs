//! From words to an expression whose types are right.

use regex_automata::meta::Regex;
use regimen_base::suggest;

use super::lex::{Token, fault, tokens};
use super::limits::pointless;
use super::{Field, Fold, Known, Number, Op, Text, Truth};
use crate::error::{Error, Result};
use crate::tag::Shape;

/// How deep parentheses and `not` may go.
const DEPTH: usize = 64;

/// How many times parts may be joined, by `and`, `or` and signs.
const JOINS: usize = 1000;

const FIELDS: [(&str, Field); 5] = [
    ("text", Field::Text),
    ("source", Field::Source),
    ("id", Field::Id),
    ("licence", Field::Licence),
    ("author", Field::Author),
];

const FOLDS: [Fold; 6] = [Fold::Count, Fold::Sum, Fold::Max, Fold::Min, Fold::Mean, Fold::Covered];

/// Something before it is known what it is compared with.
enum Any {
    Number(Number),
    Text(Text),
    Truth(Truth),
    /// A key of the metadata takes the type of the other side.
    Metadata(String),
    /// Spans that still have to become a number.
    Spans(String),
}

impl Any {
    fn name(&self) -> &'static str {
        match self {
            Any::Number(_) => "a number",
            Any::Text(_) => "a text",
            Any::Truth(_) => "true or false",
            Any::Metadata(_) => "a key of the metadata",
            Any::Spans(_) => "spans",
        }
    }
}

/// The expression in `text`, over the attributes of `set`.
///
/// # Errors
/// [`Error::Expression`], which points at the place.
pub(crate) fn parse(text: &str, set: &dyn Known) -> Result<Truth> {
    let mut parser = Parser { text, set, tokens: tokens(text)?, at: 0, depth: 0, joins: 0 };
    let (place, found) = (parser.place(), parser.or()?);
    let truth = parser.truth(found, place)?;
    if parser.at < parser.tokens.len() {
        return Err(parser.fault("the expression could end here", "join two conditions with `and` or `or`"));
    }
    Ok(truth)
}

struct Parser<'p> {
    text: &'p str,
    set: &'p dyn Known,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    joins: usize,
}

impl Parser<'_> {
    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |token| token.0)
    }

    fn fault(&self, reason: impl Into<String>, hint: impl Into<String>) -> Error {
        fault(self.text, self.place(), reason, hint)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Name(name))) if name == word);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Sign(found))) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<()> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.fault(format!("`{sign}` is missing"), format!("write `{sign}` here")))
        }
    }

    fn truth(&self, any: Any, place: usize) -> Result<Truth> {
        match any {
            Any::Truth(truth) => Ok(truth),
            Any::Spans(name) => Err(self.spans(&name, place)),
            other => {
                let reason = format!("{} is not a condition", other.name());
                Err(fault(self.text, place, reason, "compare it with something, such as `> 0`"))
            }
        }
    }

    fn spans(&self, name: &str, place: usize) -> Error {
        let reason = format!("`{name}` gives spans, not a number");
        fault(self.text, place, reason, format!("write count({name}), max({name}) or covered({name})"))
    }

    fn number(&self, any: Any, place: usize) -> Result<Number> {
        match any {
            Any::Number(number) => Ok(number),
            Any::Metadata(key) => Ok(Number::Metadata(key)),
            Any::Spans(name) => Err(self.spans(&name, place)),
            other => Err(fault(
                self.text,
                place,
                format!("{} is no number", other.name()),
                "a number is needed here",
            )),
        }
    }

    fn text_of(&self, any: Any, place: usize) -> Result<Text> {
        match any {
            Any::Text(text) => Ok(text),
            Any::Metadata(key) => Ok(Text::Metadata(key)),
            other => {
                Err(fault(self.text, place, format!("{} is no text", other.name()), "a text is needed here"))
            }
        }
    }

    fn or(&mut self) -> Result<Any> {
        let place = self.place();
        let mut left = self.and()?;
        while self.word("or") {
            self.longer()?;
            let behind = self.place();
            let right = self.and()?;
            let (a, b) = (self.truth(left, place)?, self.truth(right, behind)?);
            left = Any::Truth(Truth::Or(Box::new(a), Box::new(b)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Any> {
        let place = self.place();
        let mut left = self.not()?;
        while self.word("and") {
            self.longer()?;
            let behind = self.place();
            let right = self.not()?;
            let (a, b) = (self.truth(left, place)?, self.truth(right, behind)?);
            left = Any::Truth(Truth::And(Box::new(a), Box::new(b)));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Any> {
        if !self.word("not") {
            return self.compared();
        }
        self.deeper(|parser| {
            let place = parser.place();
            let inner = parser.not()?;
            Ok(Any::Truth(Truth::Not(Box::new(parser.truth(inner, place)?))))
        })
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Result<Any>) -> Result<Any> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.fault("the expression is nested too deeply", "write it as several rules"));
        }
        let found = inner(self);
        self.depth -= 1;
        found
    }

    /// What is joined hangs together as deeply as it is long, and is walked and freed by recursion.
    fn longer(&mut self) -> Result<()> {
        self.joins += 1;
        if self.joins > JOINS {
            let reason = format!("the expression joins more than {JOINS} parts");
            return Err(
                self.fault(reason, "write it as several rules, or name the values in a list: `in [..]`")
            );
        }
        Ok(())
    }

    fn compared(&mut self) -> Result<Any> {
        let place = self.place();
        let left = self.sum()?;
        if self.word("in") {
            return self.listed(left, place);
        }
        let ops = [
            ("==", Op::Equal),
            ("!=", Op::Unequal),
            ("<=", Op::LessEqual),
            (">=", Op::GreaterEqual),
            ("<", Op::Less),
            (">", Op::Greater),
        ];
        let Some(op) = ops.iter().find_map(|(sign, op)| self.sign(sign).then_some(*op)) else {
            return Ok(left);
        };
        let behind = self.place();
        let right = self.sum()?;
        match (&left, &right) {
            (Any::Text(_), _) | (_, Any::Text(_)) => {
                let (a, b) = (self.text_of(left, place)?, self.text_of(right, behind)?);
                match (&a, &b) {
                    (Text::Label(_, labels), Text::Literal(text)) => self.label(labels, text, behind)?,
                    (Text::Literal(text), Text::Label(_, labels)) => self.label(labels, text, place)?,
                    _ => {}
                }
                Ok(Any::Truth(Truth::Texts(op, a, b)))
            }
            _ => {
                let (a, b) = (self.number(left, place)?, self.number(right, behind)?);
                if let Some(reason) = pointless(op, &a, &b, self.set) {
                    let hint = "give a threshold that documents lie on both sides of, or leave the rule out";
                    return Err(fault(self.text, place, reason, hint));
                }
                Ok(Any::Truth(Truth::Numbers(op, a, b)))
            }
        }
    }

    fn listed(&mut self, left: Any, place: usize) -> Result<Any> {
        self.expect("[")?;
        let (mut numbers, mut texts, mut places) = (Vec::new(), Vec::new(), Vec::new());
        while !self.sign("]") {
            match self.tokens.get(self.at).map(|token| token.1.clone()) {
                Some(Token::Number(x)) if texts.is_empty() => numbers.push(x),
                Some(Token::Text(text)) if numbers.is_empty() => {
                    places.push(self.place());
                    texts.push(text);
                }
                _ => {
                    return Err(self
                        .fault("a list has numbers alone, or texts alone", "write it like [\"a\", \"b\"]"));
                }
            }
            self.at += 1;
            if !self.sign(",") && !matches!(self.tokens.get(self.at), Some((_, Token::Sign("]")))) {
                return Err(self.fault("`,` or `]` is missing", "write it like [\"a\", \"b\"]"));
            }
        }
        Ok(Any::Truth(if numbers.is_empty() {
            let text = self.text_of(left, place)?;
            if let Text::Label(_, labels) = &text {
                for (place, text) in places.into_iter().zip(&texts) {
                    self.label(labels, text, place)?;
                }
            }
            Truth::TextIn(text, texts)
        } else {
            Truth::NumberIn(self.number(left, place)?, numbers)
        }))
    }

    /// A text that is compared with labels must be one of them, where they are known.
    fn label(&self, labels: &[String], text: &str, place: usize) -> Result<()> {
        if labels.is_empty() || labels.iter().any(|label| label == text) {
            return Ok(());
        }
        let hint = suggest::hint(text, labels.iter().map(String::as_str));
        Err(fault(self.text, place, format!("the tagger has no label `{text}`"), hint))
    }

    fn sum(&mut self) -> Result<Any> {
        self.joined(&[("+", b'+'), ("-", b'-')], Self::product)
    }

    fn product(&mut self) -> Result<Any> {
        self.joined(&[("*", b'*'), ("/", b'/')], Self::unit)
    }

    fn joined(&mut self, signs: &[(&str, u8)], part: fn(&mut Self) -> Result<Any>) -> Result<Any> {
        let place = self.place();
        let mut left = part(self)?;
        while let Some(op) = signs.iter().find_map(|(sign, op)| self.sign(sign).then_some(*op)) {
            self.longer()?;
            let behind = self.place();
            let right = part(self)?;
            let (a, b) = (self.number(left, place)?, self.number(right, behind)?);
            left = Any::Number(Number::Two(op, Box::new(a), Box::new(b)));
        }
        Ok(left)
    }

    fn unit(&mut self) -> Result<Any> {
        let place = self.place();
        if self.sign("-") {
            return self.deeper(|parser| {
                let inner = parser.unit()?;
                Ok(Any::Number(Number::Negative(Box::new(parser.number(inner, place)?))))
            });
        }
        if self.sign("(") {
            return self.deeper(|parser| {
                let inner = parser.or()?;
                parser.expect(")")?;
                Ok(inner)
            });
        }
        let Some((_, token)) = self.tokens.get(self.at).cloned() else {
            return Err(self.fault("the expression ends too early", "something is missing at its end"));
        };
        self.at += 1;
        match token {
            Token::Number(x) => Ok(Any::Number(Number::Literal(x))),
            Token::Text(text) => Ok(Any::Text(Text::Literal(text))),
            Token::Name(name) => self.name(&name, place),
            Token::Sign(sign) => Err(fault(
                self.text,
                place,
                format!("`{sign}` cannot stand here"),
                "a name, a number or a text is needed here",
            )),
        }
    }

    fn name(&mut self, name: &str, place: usize) -> Result<Any> {
        if self.sign("(") {
            return self.call(name, place);
        }
        match name {
            "true" | "false" => return Ok(Any::Truth(Truth::Literal(name == "true"))),
            "bytes" => return Ok(Any::Number(Number::Bytes)),
            _ => {}
        }
        if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
            return Ok(Any::Text(Text::Field(*field)));
        }
        if let Some(key) = name.strip_prefix("metadata.") {
            return Ok(Any::Metadata(key.into()));
        }
        let (slot, shape) = self.slot(name, place)?;
        Ok(match shape {
            Shape::Value => Any::Number(Number::Value(slot)),
            Shape::Flag => Any::Truth(Truth::Flag(slot)),
            Shape::Label => Any::Text(Text::Label(slot, self.set.labels(slot))),
            Shape::Spans => Any::Spans(name.into()),
        })
    }

    fn slot(&self, name: &str, place: usize) -> Result<(usize, Shape)> {
        self.set.slot(name).map_err(|error| {
            let mut hint = regimen_base::Hint::hint(&error).unwrap_or_default();
            let known = FIELDS.iter().map(|(known, _)| *known).chain(["bytes"]);
            if let (false, Some(near)) = (name.contains('.'), suggest::nearest(name, known)) {
                hint = format!("did you mean `{near}`?");
            }
            fault(self.text, place, error.to_string(), hint)
        })
    }

    fn call(&mut self, function: &str, place: usize) -> Result<Any> {
        let found = if let Some(fold) = FOLDS.iter().find(|fold| fold.name() == function) {
            let inside = self.place();
            let Some((_, Token::Name(name))) = self.tokens.get(self.at).cloned() else {
                return Err(self.fault(
                    "the name of an attribute is missing",
                    format!("write {function}(TAGGER.ATTRIBUTE)"),
                ));
            };
            self.at += 1;
            let (slot, shape) = self.slot(&name, inside)?;
            if let Shape::Value | Shape::Label = shape {
                let what = if shape == Shape::Value { "one number" } else { "a text" };
                let reason = format!("`{name}` is {what}, not spans");
                return Err(fault(self.text, inside, reason, format!("write `{name}` alone")));
            }
            Any::Number(Number::Folded(*fold, slot))
        } else if function == "has" {
            let inside = self.place();
            let Some((_, Token::Name(name))) = self.tokens.get(self.at).cloned() else {
                return Err(self.fault(
                    "the name of an attribute is missing",
                    "write has(TAGGER.ATTRIBUTE) or has(metadata.KEY)",
                ));
            };
            self.at += 1;
            Any::Truth(match name.strip_prefix("metadata.") {
                Some(key) => Truth::HasMetadata(key.into()),
                None => Truth::Has(self.slot(&name, inside)?.0),
            })
        } else if function == "contains" || function == "matches" {
            let inside = self.place();
            let subject = self.sum()?;
            let subject = self.text_of(subject, inside)?;
            self.expect(",")?;
            let behind = self.place();
            let part = self.sum()?;
            let part = self.text_of(part, behind)?;
            Any::Truth(match (function, part) {
                ("contains", part) => Truth::Contains(subject, part),
                (_, Text::Literal(pattern)) => {
                    let regex = Regex::new(&pattern).map_err(|error| {
                        // The one says what is wrong, the other that something is.
                        let why = regex_syntax::parse(&pattern).err().map_or(error.to_string(), |error| {
                            let told = error.to_string();
                            told.lines().last().unwrap_or_default().trim_start_matches("error: ").into()
                        });
                        let reason = format!("`{pattern}` is not a regular expression: {why}");
                        fault(self.text, behind, reason, "the syntax is that of the Rust crate regex")
                    })?;
                    Truth::Matches(subject, Box::new(regex))
                }
                _ => {
                    return Err(fault(
                        self.text,
                        behind,
                        "the expression must be written out",
                        "give it in quotes",
                    ));
                }
            })
        } else {
            let known = FOLDS.iter().map(|fold| fold.name()).chain(["has", "contains", "matches"]);
            return Err(fault(
                self.text,
                place,
                format!("there is no function `{function}`"),
                suggest::hint(function, known),
            ));
        };
        self.expect(")")?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{Facts, Loose};
    use crate::tag::{Set, Wanted};
    use proptest::prelude::*;
    use regimen_base::Hint;

    fn set() -> Set {
        Set::new(&["gopher_v1", "c4@dolma"].map(Wanted::named)).unwrap()
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let set = set();
        let told = |text: &str| {
            let error = parse(text, &set).unwrap_err();
            format!("{error} | {}", error.hint().unwrap_or_default())
        };
        // The slip in Dolma's own configs.
        let slip = told("source == \"a\" and gopher_v1.fraction_of_characters_in_most_common_2gram > 0.2");
        assert!(
            slip.contains("most_common_2grams`") && slip.contains(&format!("\n  {}^", " ".repeat(18))),
            "{slip}"
        );
        for (text, part) in [
            ("gopher_v1.word_count", "not a condition"),
            ("c4@dolma.lines_with_too_few_words > 3", "count(c4@dolma.lines_with_too_few_words)"),
            ("count(gopher_v1.word_count) > 3", "one number"),
            ("source > 3", "a number is no text"),
            ("source + 1 == 2", "a text is no number"),
            ("sauce == \"a\"", "did you mean `source`"),
            ("cuont(c4@dolma.has_javascript) > 1", "did you mean `count`"),
            ("source in [1, \"a\"]", "numbers alone"),
            ("source in [\"a\" \"b\"]", "`,` or `]`"),
            ("(true", "`)` is missing"),
            ("true true", "could end here"),
            ("", "ends too early"),
            ("true and", "ends too early"),
            ("matches(source, \"(\")", "regular expression"),
            ("matches(source, id)", "written out"),
            ("true and 3", "not a condition"),
            ("not c4@dolma.has_javascript == 1", "true or false is no number"),
            ("gopher_v1.symbol_to_word_ratio > 10", "never so: its values lie from 0 to 1"),
            ("1 < gopher_v1.symbol_to_word_ratio", "never so"),
            ("gopher_v1.symbol_to_word_ratio <= 10", "always so"),
            ("gopher_v1.word_count < 0", "never so: its values begin at 0"),
            ("count(c4@dolma.has_javascript) >= -1", "the count is always so"),
            ("covered(c4@dolma.has_javascript) == 2", "never so"),
            ("bytes != -1", "always so"),
        ] {
            assert!(told(text).contains(part), "{text}: {}", told(text));
        }
        for fine in
            ["gopher_v1.word_count >= 0", "0 < gopher_v1.word_count", "gopher_v1.symbol_to_word_ratio == 1"]
        {
            assert!(parse(fine, &set).is_ok(), "{fine}");
        }
        assert!(parse("gopher_v1.word_count < 0", &Loose(&set)).is_ok());
        assert!(told(&format!("{}true", "not ".repeat(1000))).contains("too deeply"));
        for part in ["true and ", "1 < 2 or ", "1 + "] {
            let end = if part.ends_with("+ ") { "1 > 0" } else { "true" };
            let of = |count: usize| format!("{}{end}", part.repeat(count));
            let longest = parse(&of(JOINS), &set).unwrap();
            let tags = crate::tag::Tags::default();
            let facts = Facts {
                text: "",
                bytes: 0,
                source: "",
                id: "",
                licence: "",
                author: "",
                metadata: "",
                tags: &tags,
            };
            assert!(longest.of(&facts));
            assert!(told(&of(100_000)).contains("joins more than 1000 parts"));
        }
        assert!(told(&format!("{}1{} > 0", "(".repeat(1000), ")".repeat(1000))).contains("too deeply"));
    }

    proptest! {
        #[test]
        fn any_words_are_taken_or_refused(
            words in prop::collection::vec(prop::sample::select(vec![
                "true", "not", "and", "or", "(", ")", "[", "]", ",", "<", "==", "+", "-", "1", "\"a\"", "source",
                "metadata.x", "gopher_v1.word_count", "c4@dolma.has_javascript", "count", "has", "matches", "in",
            ]), 0..14),
        ) {
            let _ = parse(&words.join(" "), &set());
        }
    }
}
