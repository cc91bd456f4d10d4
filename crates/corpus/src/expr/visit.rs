//! Walking through an expression: what it looks at, and at which numbers it cuts.

use std::collections::BTreeSet;

use super::{Field, Fold, Number, Op, Text, Truth};

/// How a part of an expression bears on the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sense {
    /// Whether the part holding speaks for the whole (under an odd number of `not` it speaks against it).
    pub yes: bool,
    /// Whether the part decides by itself: nothing else has to be so, too.
    pub alone: bool,
}

/// Sees every part of an expression, each before its own parts.
pub(crate) trait Visitor {
    /// A condition.
    fn truth(&mut self, _: &Truth, _: Sense) {}
    /// A number.
    fn number(&mut self, _: &Number) {}
    /// A text.
    fn text(&mut self, _: &Text) {}
}

impl Truth {
    /// Show all parts to a visitor.
    pub fn visit(&self, visitor: &mut impl Visitor) {
        self.visit_as(Sense { yes: true, alone: true }, visitor);
    }

    fn visit_as(&self, sense: Sense, visitor: &mut impl Visitor) {
        visitor.truth(self, sense);
        // `not (a or b)` is `not a and not b`, so what is true of `and` is true of `or` under `not`.
        let joined = |decides: bool| Sense { alone: sense.alone && decides, ..sense };
        match self {
            Truth::Literal(_) | Truth::Flag(_) | Truth::Has(_) | Truth::HasMetadata(_) => {}
            Truth::Numbers(_, a, b) => {
                a.visit(visitor);
                b.visit(visitor);
            }
            Truth::NumberIn(a, _) => a.visit(visitor),
            Truth::Texts(_, a, b) | Truth::Contains(a, b) => {
                visitor.text(a);
                visitor.text(b);
            }
            Truth::TextIn(a, _) | Truth::Matches(a, _) => visitor.text(a),
            Truth::Not(inner) => inner.visit_as(Sense { yes: !sense.yes, ..sense }, visitor),
            Truth::And(a, b) => {
                a.visit_as(joined(!sense.yes), visitor);
                b.visit_as(joined(!sense.yes), visitor);
            }
            Truth::Or(a, b) => {
                a.visit_as(joined(sense.yes), visitor);
                b.visit_as(joined(sense.yes), visitor);
            }
        }
    }
}

impl Number {
    /// Show all parts to a visitor.
    pub fn visit(&self, visitor: &mut impl Visitor) {
        visitor.number(self);
        match self {
            Number::Literal(_)
            | Number::Value(_)
            | Number::Folded(..)
            | Number::Bytes
            | Number::Metadata(_) => {}
            Number::Negative(inner) => inner.visit(visitor),
            Number::Two(_, a, b) => {
                a.visit(visitor);
                b.visit(visitor);
            }
        }
    }
}

/// What an expression looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uses {
    /// Keys of the metadata.
    pub metadata: BTreeSet<String>,
    /// The words of the text.
    pub text: bool,
    /// The length of the text.
    pub length: bool,
    /// Attributes by slot, each once, in rising order.
    pub slots: Vec<usize>,
}

impl Uses {
    /// Of a condition.
    pub fn of(truth: &Truth) -> Uses {
        let mut uses = Uses::default();
        truth.visit(&mut uses);
        uses
    }

    /// Of a number.
    pub fn of_number(number: &Number) -> Uses {
        let mut uses = Uses::default();
        number.visit(&mut uses);
        uses
    }

    fn slot(&mut self, slot: usize) {
        if let Err(at) = self.slots.binary_search(&slot) {
            self.slots.insert(at, slot);
        }
    }
}

impl Visitor for Uses {
    fn truth(&mut self, truth: &Truth, _: Sense) {
        match truth {
            Truth::Flag(slot) | Truth::Has(slot) => self.slot(*slot),
            Truth::HasMetadata(key) => drop(self.metadata.insert(key.clone())),
            _ => {}
        }
    }

    fn number(&mut self, number: &Number) {
        match number {
            Number::Value(slot) => self.slot(*slot),
            Number::Folded(fold, slot) => {
                self.slot(*slot);
                self.length |= *fold == Fold::Covered;
            }
            Number::Bytes => self.length = true,
            Number::Metadata(key) => drop(self.metadata.insert(key.clone())),
            Number::Literal(_) | Number::Negative(_) | Number::Two(..) => {}
        }
    }

    fn text(&mut self, text: &Text) {
        match text {
            Text::Field(field) => self.text |= *field == Field::Text,
            Text::Metadata(key) => drop(self.metadata.insert(key.clone())),
            Text::Label(slot, _) => self.slot(*slot),
            Text::Literal(_) => {}
        }
    }
}

/// A number at which an expression cuts: what lies on one side of it speaks for the expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cut {
    /// What is compared.
    pub number: Number,
    /// On which side of `at` it speaks for the expression.
    pub op: Op,
    /// What it is compared with.
    pub at: f64,
    /// Whether nothing else has to be so, too.
    pub alone: bool,
}

/// The comparisons of an expression with fixed numbers, in the order in which they are written. `2 * a - 1 > b` is a
/// comparison of `a - 0.5 * b` with 0.5; a mark is a number that is 0 or 1.
pub(crate) fn cuts(truth: &Truth) -> Vec<Cut> {
    struct Cuts(Vec<Cut>);
    impl Cuts {
        fn add(&mut self, sense: Sense, op: Op, number: &Number, other: &Number) {
            if let Some((number, op, at)) = solved(op, number, other) {
                let op = if sense.yes { op } else { op.not() };
                self.0.push(Cut { number, op, at, alone: sense.alone });
            }
        }
    }
    impl Visitor for Cuts {
        fn truth(&mut self, truth: &Truth, sense: Sense) {
            match truth {
                Truth::Numbers(op, a, b) => self.add(sense, *op, a, b),
                Truth::NumberIn(a, list) => {
                    // `not in` asks all of them to differ.
                    let sense = Sense { alone: sense.alone && (sense.yes || list.len() < 2), ..sense };
                    for x in list {
                        self.add(sense, Op::Equal, a, &Number::Literal(*x));
                    }
                }
                Truth::Flag(slot) | Truth::Has(slot) => {
                    let count = Number::Folded(Fold::Count, *slot);
                    self.add(sense, Op::Greater, &count, &Number::Literal(0.0));
                }
                _ => {}
            }
        }
    }
    let mut found = Cuts(Vec::new());
    truth.visit(&mut found);
    found.0
}

impl Op {
    /// What holds where this does not.
    fn not(self) -> Op {
        match self {
            Op::Equal => Op::Unequal,
            Op::Unequal => Op::Equal,
            Op::Less => Op::GreaterEqual,
            Op::LessEqual => Op::Greater,
            Op::Greater => Op::LessEqual,
            Op::GreaterEqual => Op::Less,
        }
    }

    /// The same with its sides changed, or both of them negated.
    pub(super) fn turned(self) -> Op {
        match self {
            Op::Less => Op::Greater,
            Op::LessEqual => Op::GreaterEqual,
            Op::Greater => Op::Less,
            Op::GreaterEqual => Op::LessEqual,
            same => same,
        }
    }
}

/// A sum of multiples of numbers that are no sums themselves, and a constant.
#[derive(Default)]
struct Linear<'n> {
    parts: Vec<(f64, &'n Number)>,
    constant: f64,
}

impl<'n> Linear<'n> {
    fn of(number: &'n Number) -> Linear<'n> {
        match number {
            Number::Literal(x) => Linear { parts: Vec::new(), constant: *x },
            Number::Negative(inner) => Linear::of(inner).times(-1.0),
            Number::Two(b'+', a, b) => Linear::of(a).plus(Linear::of(b)),
            Number::Two(b'-', a, b) => Linear::of(a).plus(Linear::of(b).times(-1.0)),
            Number::Two(op, a, b) => {
                let (left, right) = (Linear::of(a), Linear::of(b));
                match (op, left.parts.is_empty(), right.parts.is_empty()) {
                    (b'*', true, _) => right.times(left.constant),
                    (b'*', _, true) => left.times(right.constant),
                    (b'/', _, true) => left.times(1.0 / right.constant),
                    _ => Linear { parts: vec![(1.0, number)], constant: 0.0 },
                }
            }
            other => Linear { parts: vec![(1.0, other)], constant: 0.0 },
        }
    }

    fn times(mut self, factor: f64) -> Linear<'n> {
        self.parts.iter_mut().for_each(|part| part.0 *= factor);
        self.constant *= factor;
        self
    }

    fn plus(mut self, other: Linear<'n>) -> Linear<'n> {
        for (factor, number) in other.parts {
            match self.parts.iter_mut().find(|part| part.1 == number) {
                Some(part) => part.0 += factor,
                None => self.parts.push((factor, number)),
            }
        }
        self.constant += other.constant;
        self
    }
}

/// `a op b` as a comparison of what varies with what does not; none if nothing varies, or if it is no number.
fn solved(op: Op, a: &Number, b: &Number) -> Option<(Number, Op, f64)> {
    let mut all = Linear::of(a).plus(Linear::of(b).times(-1.0));
    all.parts.retain(|part| part.0 != 0.0);
    let first = all.parts.first()?.0;
    let at = -all.constant / first;
    if !at.is_finite() || all.parts.iter().any(|part| !part.0.is_finite()) {
        return None;
    }
    // Not -0, which would be shown.
    let at = if at == 0.0 { 0.0 } else { at };
    let mut parts = all.parts.iter().map(|&(factor, number)| (factor / first, number));
    let mut sum = parts.next()?.1.clone();
    for (factor, number) in parts {
        let number = Box::new(number.clone());
        let scaled = match factor.abs() {
            1.0 => number,
            size => Box::new(Number::Two(b'*', Box::new(Number::Literal(size)), number)),
        };
        sum = Number::Two(if factor < 0.0 { b'-' } else { b'+' }, Box::new(sum), scaled);
    }
    Some((sum, if first < 0.0 { op.turned() } else { op }, at))
}

impl Number {
    /// As it would be written. `name` gives the name of the attribute in a slot.
    pub fn shown(&self, name: &dyn Fn(usize) -> String) -> String {
        let inner = |number: &Number| match number {
            Number::Two(b'+' | b'-', ..) => format!("({})", number.shown(name)),
            other => other.shown(name),
        };
        match self {
            Number::Literal(x) => x.to_string(),
            Number::Value(slot) => name(*slot),
            Number::Folded(fold, slot) => format!("{}({})", fold.name(), name(*slot)),
            Number::Bytes => "bytes".into(),
            Number::Metadata(key) => format!("metadata.{key}"),
            Number::Negative(number) => format!("-{}", inner(number)),
            Number::Two(op @ (b'*' | b'/'), a, b) => {
                // A quotient under a quotient keeps its own parentheses.
                let right = match (&**b, inner(b)) {
                    (Number::Two(b'*' | b'/', ..), text) => format!("({text})"),
                    (_, text) => text,
                };
                format!("{} {} {right}", inner(a), char::from(*op))
            }
            Number::Two(op, a, b) => {
                let right = if *op == b'-' { inner(b) } else { b.shown(name) };
                format!("{} {} {right}", a.shown(name), char::from(*op))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::parse;
    use crate::tag::{Set, Wanted};

    fn set() -> Set {
        Set::declared(&["length", "c4@dolma", "pii@dolma"].map(Wanted::named)).unwrap()
    }

    fn cut(expression: &str) -> String {
        let set = set();
        let name = |slot: usize| set.attributes()[slot].full();
        let show = |cut: Cut| {
            let more = if cut.alone { "" } else { " &" };
            format!("{} {:?} {}{more}", cut.number.shown(&name), cut.op, cut.at)
        };
        let truth = parse(expression, &set).unwrap_or_else(|e| panic!("{e}"));
        cuts(&truth).into_iter().map(show).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn comparisons_are_solved_for_what_varies() {
        for (expression, found) in [
            ("length.words < 50 or length.words > 1e5", "length.words Less 50; length.words Greater 100000"),
            ("50 > length.words", "length.words Less 50"),
            ("length.words * 2 - 1 >= 11", "length.words GreaterEqual 6"),
            ("1 - length.words / 4 > 0", "length.words Less 4"),
            ("-length.words < -5", "length.words Greater 5"),
            ("not (length.words < 50)", "length.words GreaterEqual 50"),
            ("length.words < 5 and source == \"a\"", "length.words Less 5 &"),
            (
                "not (length.words < 5 or length.bytes > 7)",
                "length.words GreaterEqual 5 &; length.bytes LessEqual 7 &",
            ),
            (
                "not (length.words < 5 and length.bytes > 7)",
                "length.words GreaterEqual 5; length.bytes LessEqual 7",
            ),
            ("length.words in [1, 2]", "length.words Equal 1; length.words Equal 2"),
            ("not length.words in [1, 2]", "length.words Unequal 1 &; length.words Unequal 2 &"),
            ("c4@dolma.has_javascript", "count(c4@dolma.has_javascript) Greater 0"),
            (
                "count(pii@dolma.EMAIL_ADDRESS) + count(pii@dolma.IP_ADDRESS) > 5",
                "count(pii@dolma.EMAIL_ADDRESS) + count(pii@dolma.IP_ADDRESS) Greater 5",
            ),
            ("length.words > 3 * length.bytes + 6", "length.words - 3 * length.bytes Greater 6"),
            ("length.words / (length.bytes - 1) < 0.5", "length.words / (length.bytes - 1) Less 0.5"),
            ("covered(pii@dolma.EMAIL_ADDRESS) != 0", "covered(pii@dolma.EMAIL_ADDRESS) Unequal 0"),
            // Nothing varies, or there is no such number.
            ("1 < 2 or length.words - length.words > 3", ""),
            ("length.words / 0 > 3", ""),
            ("source == \"a\" or contains(text, \"b\")", ""),
        ] {
            assert_eq!(cut(expression), found, "{expression}");
        }
    }

    #[test]
    fn what_an_expression_looks_at_is_known() {
        let set = set();
        let uses = |expression: &str| Uses::of(&parse(expression, &set).unwrap());
        // The word in a text is no look at the metadata.
        assert_eq!(uses("contains(id, \"Metadata(text)\")"), Uses::default());
        let keys = |text: &str| uses(text).metadata.into_iter().collect::<Vec<_>>();
        assert_eq!(keys("not metadata.stars < 3 or has(metadata.url)"), ["stars", "url"]);
        assert_eq!(keys("contains(metadata.url, id) and metadata.a in [\"b\"]"), ["a", "url"]);
        assert!(uses("true and matches(text, \"a\")").text && !uses("matches(id, \"a\")").text);
        assert!(uses("bytes / 2 > 3").length && uses("-covered(pii@dolma.IP_ADDRESS) < 0").length);
        let both =
            uses("length.bytes > 1 and (length.words + length.bytes > 2 or has(pii@dolma.EMAIL_ADDRESS))");
        assert_eq!(both.slots.len(), 3);
        assert!(!both.length && !both.text && both.metadata.is_empty());
    }
}
