//! Lengths of a text in several units.

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, value};

static ATTRIBUTES: [Attribute; 5] = [
    value("bytes", "bytes of UTF-8"),
    value("characters", "characters"),
    value("words", "runs of characters without white space"),
    value("lines", "lines"),
    value("paragraphs", "lines that are not blank"),
];

pub(super) static KIND: Kind = Kind {
    name: "length",
    aliases: &[],
    version: 1,
    about: "Lengths: bytes, characters, words, lines, lines that are not blank.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Length))
    },
};

struct Length;

impl Tagger for Length {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        out.value(0, f64::from(view.bytes()));
        out.value(1, f64::from(view.characters));
        out.value(2, view.words.len() as f64);
        out.value(3, view.lines.len() as f64);
        out.value(4, view.lines.iter().filter(|line| line.words > 0).count() as f64);
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags;

    #[test]
    fn every_unit_is_counted() {
        let lengths: Vec<f64> = tags("length", "né e\n \nz\n").into_iter().map(|t| t.3).collect();
        assert_eq!(lengths, [10.0, 9.0, 3.0, 4.0, 2.0]);
    }
}
