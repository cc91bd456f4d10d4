//! Words of paragraphs, as Dolma's tagger `uniseg_length_paragraphs_v1` counts them.
//!
//! A paragraph is a line with its line feed, unless it is blank. Its words are the pieces between the boundaries of
//! Unicode's standard annex 29 (version 16 or later), but those of white space; punctuation counts. The negative is there
//! for mixers that can only ask for more than a number.

use unicode_segmentation::UnicodeSegmentation;

use super::classes::is_space;
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, spans};

static ATTRIBUTES: [Attribute; 2] = [
    spans("paragraph", "paragraphs with the number of their words"),
    spans("negative_paragraph", "the same with the negative number"),
];

pub(super) static KIND: Kind = Kind {
    name: "paragraph_length",
    aliases: &["uniseg_length_paragraphs_v1"],
    version: 1,
    about: "Words of each paragraph (Unicode annex 29), as Dolma's uniseg_length_paragraphs_v1 counts them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Lengths))
    },
};

struct Lengths;

impl Tagger for Lengths {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        for line in view.lines.iter().filter(|line| line.words > 0) {
            let text = view.line(line).trim_matches(is_space);
            let words = text.split_word_bounds().filter(|word| !word.chars().all(is_space)).count() as f64;
            let range = line.start..(line.end + 1).min(view.bytes());
            out.span(0, range.clone(), words);
            out.span(1, range, -words);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags;

    #[test]
    fn words_of_paragraphs_are_counted() {
        // The, quick, (, “, brown, ”, ), fox, can't, jump, 32.3, feet, ,, right, ? (the annex's own example)
        let text = "The quick (“brown”) fox can't jump 32.3 feet, right?\n \n日本 é\n";
        let found = tags("paragraph_length", text);
        let counts: Vec<f64> = found.iter().map(|t| t.3).collect();
        assert_eq!(counts, [15.0, 3.0, -15.0, -3.0]);
        assert_eq!(&text[found[1].1 as usize..found[1].2 as usize], "日本 é\n");
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in ["a", "a'", "1,", "\u{301}", "🇩", "é ", "\u{200d}"] {
            tags("paragraph_length", &run.repeat(500_000 / run.len()));
        }
    }
}
