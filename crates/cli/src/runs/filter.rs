//! Filters over runs, such as `loss < 2.5 and (stage == base or tag == good)`.
//!
//! On the left of a comparison stands a name, on the right a value: a number, a date, a length of time, or a text, which
//! needs no quotes if it is one word. `~` asks whether a text holds a piece, whatever its capitals; `in [a, b]` whether
//! it is one of several; `has(NAME)` whether a run has such a value at all. A comparison with a value that a run lacks is
//! false. Everything is checked before a run is looked at.

use std::collections::BTreeSet;

use regimen_base::suggest;

use super::facts::{Name, Names, Run, Type, Value};
use super::lex::{Token, Wrong, tokens, wrong};
use super::literal;

/// How deep parentheses and `not` may go.
const DEPTH: usize = 64;
/// How many conditions may be joined: they are walked by recursion.
const JOINS: usize = 500;
/// Words that mean something.
const RESERVED: [&str; 5] = ["and", "or", "not", "in", "has"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Holds,
}

const OPS: [(&str, Op); 7] = [
    ("==", Op::Equal),
    ("!=", Op::Unequal),
    ("<=", Op::LessEqual),
    (">=", Op::GreaterEqual),
    ("<", Op::Less),
    (">", Op::Greater),
    ("~", Op::Holds),
];

impl Op {
    /// The operator with its sides exchanged.
    fn turned(self) -> Op {
        match self {
            Op::Less => Op::Greater,
            Op::LessEqual => Op::GreaterEqual,
            Op::Greater => Op::Less,
            Op::GreaterEqual => Op::LessEqual,
            same => same,
        }
    }

    /// Whether it holds between a number and what lies from `from` to before `to`.
    fn span(self, x: f64, from: f64, to: f64) -> bool {
        match self {
            Op::Equal => x >= from && x < to,
            Op::Unequal => x < from || x >= to,
            Op::Less => x < from,
            Op::LessEqual => x < to,
            Op::Greater => x >= to,
            Op::GreaterEqual => x >= from,
            Op::Holds => false,
        }
    }

    fn number(self, a: f64, b: f64) -> bool {
        match self {
            Op::Equal => a == b,
            Op::Unequal => a != b,
            Op::Less => a < b,
            Op::LessEqual => a <= b,
            Op::Greater => a > b,
            Op::GreaterEqual => a >= b,
            Op::Holds => false,
        }
    }
}

/// The right side of a comparison, read as everything that it can be.
#[derive(Clone, Debug)]
pub struct Literal {
    text: String,
    number: Option<f64>,
    seconds: Option<f64>,
    date: Option<(f64, f64)>,
    truth: Option<bool>,
}

impl Literal {
    fn new(token: &Token) -> Option<Literal> {
        let (text, bare) = match token {
            Token::Word(text) if !RESERVED.contains(&text.as_str()) => (text, true),
            Token::Quoted(text) => (text, false),
            _ => return None,
        };
        let bare = |found: Option<f64>| found.filter(|_| bare);
        Some(Literal {
            number: bare(literal::number(text)),
            seconds: bare(literal::time(text)),
            date: literal::date(text),
            truth: match text.as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            text: text.clone(),
        })
    }

    /// Whether it can be compared with values of a type.
    fn fits(&self, kind: Type) -> bool {
        match kind {
            Type::Number => self.number.is_some(),
            Type::Seconds => self.seconds.is_some(),
            Type::Date => self.date.is_some(),
            Type::Truth => self.truth.is_some(),
            Type::Text | Type::Words => true,
        }
    }

    fn compare(&self, op: Op, value: &Value) -> bool {
        let same = |found: bool| if op == Op::Unequal { !found } else { op == Op::Equal && found };
        let holds = |text: &str| text.to_lowercase().contains(&self.text.to_lowercase());
        match value {
            Value::Number(x) => self.number.is_some_and(|y| op.number(*x, y)),
            Value::Seconds(x) => self.seconds.is_some_and(|y| op.number(*x, y)),
            Value::Date(x) => self.date.is_some_and(|(from, to)| op.span(*x, from, to)),
            Value::Truth(x) => self.truth.is_some_and(|y| same(*x == y)),
            Value::Text(text) if op == Op::Holds => holds(text),
            Value::Text(text) => same(*text == self.text),
            Value::Words(words) if op == Op::Holds => words.iter().any(|word| holds(word)),
            Value::Words(words) => same(words.contains(&self.text)),
        }
    }
}

/// A filter whose names and types are right.
#[derive(Clone, Debug)]
pub enum Filter {
    Compare(Name, Op, Literal),
    In(Name, Vec<Literal>),
    Has(Name),
    Flag(Name),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

impl Filter {
    /// Read a filter over the names that some runs have.
    pub fn parse(text: &str, names: &Names) -> Result<Filter, Wrong> {
        let mut parser = Parser { text, names, tokens: tokens(text)?, at: 0, depth: 0, joins: 0 };
        let filter = parser.or()?;
        match parser.at < parser.tokens.len() {
            true => Err(parser.wrong("the filter could end here", "join two conditions with `and` or `or`")),
            false => Ok(filter),
        }
    }

    /// Whether it is true for a run.
    pub fn holds(&self, run: &Run, now: f64) -> bool {
        match self {
            Filter::Compare(name, op, literal) => {
                name.of(run, now).is_some_and(|value| literal.compare(*op, &value))
            }
            Filter::In(name, list) => {
                name.of(run, now).is_some_and(|value| list.iter().any(|one| one.compare(Op::Equal, &value)))
            }
            Filter::Has(name) => match name.of(run, now) {
                Some(Value::Text(text)) => !text.is_empty(),
                Some(Value::Words(words)) => !words.is_empty(),
                other => other.is_some(),
            },
            Filter::Flag(name) => name.of(run, now) == Some(Value::Truth(true)),
            Filter::Not(inner) => !inner.holds(run, now),
            Filter::And(a, b) => a.holds(run, now) && b.holds(run, now),
            Filter::Or(a, b) => a.holds(run, now) || b.holds(run, now),
        }
    }
}

struct Parser<'p> {
    text: &'p str,
    names: &'p Names,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    joins: usize,
}

impl Parser<'_> {
    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |token| token.0)
    }

    fn wrong(&self, reason: impl Into<String>, hint: impl Into<String>) -> Wrong {
        wrong(self.place(), reason, hint)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Word(found))) if found == word);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((_, Token::Sign(found))) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Wrong> {
        match self.sign(sign) {
            true => Ok(()),
            false => Err(self.wrong(format!("`{sign}` is missing"), format!("write `{sign}` here"))),
        }
    }

    fn or(&mut self) -> Result<Filter, Wrong> {
        let mut left = self.and()?;
        while self.word("or") {
            self.longer()?;
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, Wrong> {
        let mut left = self.not()?;
        while self.word("and") {
            self.longer()?;
            left = Filter::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn longer(&mut self) -> Result<(), Wrong> {
        self.joins += 1;
        match self.joins > JOINS {
            true => Err(self.wrong(
                format!("the filter joins more than {JOINS} conditions"),
                "name values in a list: `in [..]`",
            )),
            false => Ok(()),
        }
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Result<Filter, Wrong>) -> Result<Filter, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong("the filter is nested too deeply", "write it with fewer parentheses"));
        }
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn not(&mut self) -> Result<Filter, Wrong> {
        if self.word("not") {
            return self.deeper(|parser| Ok(Filter::Not(Box::new(parser.not()?))));
        }
        if self.sign("(") {
            return self.deeper(|parser| {
                let inner = parser.or()?;
                parser.expect(")")?;
                Ok(inner)
            });
        }
        if self.word("has") {
            self.expect("(")?;
            let (_, name, _) = self.name()?;
            self.expect(")")?;
            return Ok(Filter::Has(name));
        }
        self.condition()
    }

    /// A name, with where it stands and the types it has.
    fn name(&mut self) -> Result<(usize, Name, BTreeSet<Type>), Wrong> {
        let place = self.place();
        let Some((_, Token::Word(word))) = self.tokens.get(self.at).cloned() else {
            return Err(self.wrong("a name is missing", "a condition is like `loss < 2.5`"));
        };
        if RESERVED.contains(&word.as_str()) {
            return Err(self.wrong("a condition is missing", "a condition is like `loss < 2.5`"));
        }
        let (name, types) = self.names.find(&word).map_err(|u| wrong(place, u.reason, u.hint))?;
        self.at += 1;
        Ok((place, name, types))
    }

    fn op(&mut self) -> Option<Op> {
        OPS.iter().find_map(|(sign, op)| self.sign(sign).then_some(*op))
    }

    fn condition(&mut self) -> Result<Filter, Wrong> {
        // `2.5 > loss` is as good as `loss < 2.5`.
        if let Some((_, token)) = self.tokens.get(self.at)
            && let Some(literal) = Literal::new(token)
            && (matches!(token, Token::Quoted(_)) || literal.number.is_some())
        {
            let behind = self.place();
            self.at += 1;
            let sign = self.place();
            let Some(op) = self.op() else {
                return Err(wrong(behind, "this is not a condition", "compare it with a name: `loss < 2.5`"));
            };
            let (place, name, types) = self.name()?;
            self.check(&types, op.turned(), &literal, place, sign, behind)?;
            return Ok(Filter::Compare(name, op.turned(), literal));
        }
        let (place, name, types) = self.name()?;
        let sign = self.place();
        if self.word("in") {
            return self.listed(name, &types, place);
        }
        let Some(op) = self.op() else {
            if types.contains(&Type::Truth) {
                return Ok(Filter::Flag(name));
            }
            let word = &self.text[place..];
            let word = word[..word.find(char::is_whitespace).unwrap_or(word.len())].trim_end_matches(')');
            let hint = match suggest::nearest(word, ["tag", "note", "diff", "export", "rm"]) {
                Some(near) if types.contains(&Type::Words) || types.contains(&Type::Text) => {
                    format!(
                        "compare it, such as `{word} == x`; `has({word})` asks whether there is any; `regimen runs {near}` is a command"
                    )
                }
                _ => format!("compare it, such as `{word} == x`; `has({word})` asks whether there is any"),
            };
            return Err(wrong(place, format!("`{word}` is {}, not a condition", kinds(&types)), hint));
        };
        let behind = self.place();
        let literal = self.literal()?;
        self.check(&types, op, &literal, place, sign, behind)?;
        Ok(Filter::Compare(name, op, literal))
    }

    fn listed(&mut self, name: Name, types: &BTreeSet<Type>, place: usize) -> Result<Filter, Wrong> {
        self.expect("[")?;
        let mut list = Vec::new();
        loop {
            let behind = self.place();
            let literal = self.literal()?;
            self.check(types, Op::Equal, &literal, place, behind, behind)?;
            list.push(literal);
            if !self.sign(",") {
                self.expect("]")?;
                return Ok(Filter::In(name, list));
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, Wrong> {
        match self.tokens.get(self.at).and_then(|(_, token)| Literal::new(token)) {
            Some(literal) => {
                self.at += 1;
                Ok(literal)
            }
            None => Err(self.wrong("a value is missing", "write a number, a date or a text behind the sign")),
        }
    }

    /// Whether a name of these types can be compared so. `place`, `sign` and `behind` are where name, sign and value stand.
    fn check(
        &self,
        types: &BTreeSet<Type>,
        op: Op,
        literal: &Literal,
        place: usize,
        sign: usize,
        behind: usize,
    ) -> Result<(), Wrong> {
        let ordered = |kind: &Type| matches!(kind, Type::Number | Type::Date | Type::Seconds);
        let allowed = |kind: &&Type| match op {
            Op::Equal | Op::Unequal => true,
            Op::Holds => matches!(kind, Type::Text | Type::Words),
            _ => ordered(kind),
        };
        let left: BTreeSet<Type> = types.iter().filter(allowed).copied().collect();
        let word = self.text[place..]
            .split(|c: char| c.is_whitespace() || "=!<>~()[],".contains(c))
            .next()
            .unwrap_or_default();
        if left.is_empty() {
            let (lack, hint) = match op {
                Op::Holds => ("not a text", "`~` looks into texts and tags"),
                _ => ("which has no order", "compare it with `==`, `!=` or `~`"),
            };
            return Err(wrong(sign, format!("`{word}` is {}, {lack}", kinds(types)), hint));
        }
        if left.iter().any(|kind| literal.fits(*kind)) {
            return Ok(());
        }
        let hint = match left.first() {
            Some(Type::Date) => "write a date such as 2026-01-31 or 2026-01-31T18:30 (UTC)",
            Some(Type::Seconds) => "write a length of time such as 90s, 2h or 7d",
            Some(Type::Truth) => "write `true` or `false`",
            _ => "write a number such as 100000, 10M, 0.25 or 1e-3",
        };
        Err(wrong(behind, format!("`{word}` is {}, and `{}` is none", kinds(&left), literal.text), hint))
    }
}

fn kinds(types: &BTreeSet<Type>) -> String {
    types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::run;
    use super::*;
    use serde_json::json;

    fn runs() -> Vec<Run> {
        vec![
            run(
                "base",
                2.0,
                json!({"optimizer": {"lr": 0.004}, "tied": true, "size": "big"}),
                &["good", "v2"],
            ),
            run("other", 3.0, json!({"optimizer": {"lr": 0.0005}, "tied": false, "size": 3}), &[]),
        ]
    }

    /// Which of the runs a filter takes.
    fn taken(filter: &str) -> String {
        let runs = runs();
        let filter =
            Filter::parse(filter, &Names::of(&runs)).unwrap_or_else(|w| panic!("{}", w.message(filter)));
        let now = 86_400.0 * 11.0;
        runs.iter().filter(|run| filter.holds(run, now)).map(|run| &run.0.stage[..1]).collect()
    }

    fn refused(filter: &str) -> (usize, String) {
        let wrong = Filter::parse(filter, &Names::of(&runs())).unwrap_err();
        (wrong.at, format!("{} / {}", wrong.reason, wrong.hint))
    }

    #[test]
    fn filters_take_what_they_say() {
        for (filter, wanted) in [
            ("loss < 2.5 and stage == base", "b"),
            ("2.5 > loss", "b"),
            ("loss<2.5 or stage==other", "bo"),
            ("not (loss < 2.5)", "o"),
            ("not loss < 2.5 and tag != good", "o"),
            ("tag == good", "b"),
            ("tag ~ V", "b"),
            ("not has(tag)", "o"),
            ("lr >= 1e-3", "b"),
            ("lr == 0.0005", "o"),
            ("tied", "b"),
            ("tied == false", "o"),
            ("name in [base, x]", "b"),
            ("stage in ['other']", "o"),
            ("note ~ 'WARM-UP'", "bo"),
            ("note == \"short warm-up\"", "bo"),
            ("date == 1970-01-11", "bo"),
            ("date > 1970-01-11", ""),
            ("date <= 1970-01 and age < 1d and took >= 90s", "bo"),
            ("size == 3", "o"),
            ("size == big", "b"),
            ("size < 4", "o"),
            ("loss.best < 1.5 or bpb > 1.2", "bo"),
            ("state == done and kind == pretrain and recipe == small", "bo"),
            ("loss == 2 or loss == 3 and tag == good", "b"),
        ] {
            assert_eq!(taken(filter), wanted, "{filter}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("los < 2", 0, "did you mean `loss`?"),
            ("loss < base", 7, "`loss` is a number, and `base` is none"),
            ("stage < 3", 6, "`stage` is a text, which has no order"),
            ("loss ~ 3", 5, "`loss` is a number, not a text"),
            ("loss = 3", 5, "compare with `==`"),
            ("loss < 3 && tied", 9, "write `and`"),
            ("loss", 0, "`loss` is a number, not a condition"),
            ("tag", 0, "`regimen runs tag` is a command"),
            ("loss <", 6, "a value is missing"),
            ("(loss < 3", 9, "`)` is missing"),
            ("loss < 3 tied", 9, "could end here"),
            ("and loss < 3", 0, "a condition is missing"),
            ("", 0, "a name is missing"),
            ("date > tomorrow", 7, "2026-01-31"),
            ("age < 3x", 6, "7d"),
            ("stage == 'x", 9, "no end"),
            ("tied == maybe", 8, "`true` or `false`"),
        ];
        for (filter, at, words) in cases {
            let (place, text) = refused(filter);
            assert!(place == at && text.contains(words), "{filter}: {place} {text}");
        }
        assert_eq!(
            wrong(4, "bad", "").message("\u{e9}\u{e9} x"),
            "bad\n    \u{e9}\u{e9} x\n      ^",
            "places are bytes, carets stand below characters"
        );
        assert!(refused(&"(".repeat(5000)).1.contains("too deeply"));
        assert!(refused(&"not ".repeat(5000)).1.contains("too deeply"));
        assert!(refused(&vec!["tied"; 1000].join(" or ")).1.contains("more than 500"));
    }

    #[test]
    fn any_text_is_read_or_refused() {
        let names = Names::of(&runs());
        let pieces = [
            "loss", "<", "==", "'", "\"", "(", ")", "[", "]", ",", " ", "and", "not", "has", "in", "\u{e9}",
            "1e", "~", "=", "tag", "\n", "é<",
        ];
        // Every text of up to four pieces.
        let mut texts: Vec<String> = vec![String::new()];
        for _ in 0..3 {
            texts = texts.iter().flat_map(|t| pieces.iter().map(move |p| format!("{t}{p}"))).collect();
            for text in &texts {
                if let Err(wrong) = Filter::parse(text, &names) {
                    assert!(wrong.at <= text.len() && !wrong.hint.is_empty(), "{text:?}");
                    let _ = wrong.message(text);
                }
            }
        }
    }
}
