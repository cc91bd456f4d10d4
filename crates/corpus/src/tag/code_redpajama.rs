//! RedPajama's rules for code (Together Computer 2023, RedPajama-Data, GitHub; values as Dolma's tagger
//! `code_redpajama_taggers_v1` computes them): kept are files whose longest line has at most 1,000 characters, whose lines
//! have at most 100 in the mean, with a share of letters and digits of at least 0.25, and at least 1.5 letters a token.
//!
//! Lines end where Python's `splitlines` ends them. A token is a run of `\w` or a run of what is neither `\w` nor white
//! space; Dolma counts the pieces between them, which are one more.

use super::c4::split_lines;
use super::classes::{LETTER, NUMBER, WORDLY, of};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction, value};

static ATTRIBUTES: [Attribute; 4] = [
    value("max_line_length_doc", "characters of the longest line"),
    value("avg_line_length_doc", "mean characters of a line"),
    fraction("alnum_prop_doc", "share of letters and digits among the characters"),
    value("alpha_token_prop_doc", "letters by tokens (and one)"),
];

pub(super) static KIND: Kind = Kind {
    name: "code@redpajama",
    aliases: &["code_redpajama_taggers_v1"],
    version: 1,
    about: "RedPajama's rules for code: line lengths, letters and digits, letters by tokens.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(RedPajama))
    },
};

struct RedPajama;

impl Tagger for RedPajama {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let (mut lines, mut longest, mut sum) = (0u32, 0, 0);
        for (range, _) in split_lines(view.text) {
            let length = view.text[range].chars().count();
            lines += 1;
            longest = longest.max(length);
            sum += length;
        }
        let (mut letters, mut alnum, mut tokens) = (0u32, 0u32, 1u32);
        // 0: white space, 1: `\w`, 2: the rest.
        let mut kind = 0;
        for c in view.text.chars() {
            let class = of(c);
            letters += u32::from(class & LETTER != 0);
            alnum += u32::from(class & (LETTER | NUMBER) != 0);
            let next = match class & WORDLY {
                0 if c.is_whitespace() => 0,
                0 => 2,
                _ => 1,
            };
            tokens += u32::from(next != kind && next != 0);
            kind = next;
        }
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        out.value(0, longest as f64);
        out.value(1, share(sum as f64, f64::from(lines)));
        out.value(2, share(f64::from(alnum), f64::from(view.characters)));
        out.value(3, share(f64::from(letters), f64::from(tokens)));
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::{number, tags};

    #[test]
    fn every_value_by_hand() {
        let text = "ab = 1;\r\n\n\tif (ä_2) {}\n";
        let of = |name| number("code@redpajama", name, text);
        assert_eq!(of("max_line_length_doc"), 12.0);
        assert_eq!(of("avg_line_length_doc"), 19.0 / 3.0);
        assert_eq!(of("alnum_prop_doc"), 7.0 / text.chars().count() as f64);
        // ab, =, 1, ;, if, (, ä_2, ), {}
        assert_eq!(of("alpha_token_prop_doc"), 5.0 / 10.0);
        assert!(tags("code@redpajama", "").iter().all(|t| t.3 == 0.0));
    }
}
