//! Thresholds that no document can lie on both sides of, for an attribute's values end before them.

use super::{Fold, Known, Number, Op};

/// Why comparing `left` with `right` says nothing, if it does not: one of them is a number beyond all values of the other, or
/// at their very end and asked for what lies beyond.
pub(super) fn pointless(op: Op, left: &Number, right: &Number, known: &dyn Known) -> Option<String> {
    let (op, number, limit) = match (literal(left), literal(right)) {
        (None, Some(limit)) => (op, left, limit),
        (Some(limit), None) => (op.turned(), right, limit),
        _ => return None,
    };
    let (name, (least, most)) = range(number, known)?;
    let beyond = limit < least || limit > most;
    let at_end = op == Op::Less && limit == least || op == Op::Greater && limit == most;
    let values = match most {
        f64::INFINITY => format!("its values begin at {least}"),
        _ => format!("its values lie from {least} to {most}"),
    };
    (beyond || at_end).then(|| {
        let always = match op {
            Op::Less | Op::LessEqual => limit > most,
            Op::Greater | Op::GreaterEqual => limit < least,
            Op::Equal => false,
            Op::Unequal => true,
        };
        let often = if always { "always" } else { "never" };
        format!("{name} is {often} so: {values}")
    })
}

fn literal(number: &Number) -> Option<f64> {
    match number {
        Number::Literal(x) => Some(*x),
        Number::Negative(inner) => literal(inner).map(|x| -x),
        _ => None,
    }
}

/// What a number is called, its least and its greatest value, if something is known of them.
fn range(number: &Number, known: &dyn Known) -> Option<(&'static str, (f64, f64))> {
    let range = match number {
        Number::Value(slot) => ("the value", known.range(*slot)),
        Number::Bytes => ("the length", (0.0, f64::INFINITY)),
        Number::Folded(Fold::Count, _) => ("the count", (0.0, f64::INFINITY)),
        Number::Folded(Fold::Covered, _) => ("the share", (0.0, 1.0)),
        _ => return None,
    };
    (range.1.0 > f64::NEG_INFINITY || range.1.1 < f64::INFINITY).then_some(range)
}
