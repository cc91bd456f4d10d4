//! Copyright notices at the head of code, as Dolma's tagger `code_copyright_comments_v1` marks them (from RedPajama's
//! cleaning of GitHub).
//!
//! `copyright_notice`: the first `/* ... */` of the text, if it holds the word copyright in any case. Only if there is no
//! such comment at all, `comment_block`: the lines at the head that begin with `//`, `#` or `--` or are empty. Its end is
//! where Dolma puts it: it counts the characters of these lines without their line feeds (an empty line as one), so the
//! span ends short of the block. `doc`: characters of the span and one, by those of the text; -1 for the empty text.

use memchr::memmem;

use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, signed, spans};

static ATTRIBUTES: [Attribute; 3] = [
    spans("copyright_notice", "the first block comment, if it holds the word copyright"),
    spans("comment_block", "line comments at the head of a text without block comments"),
    signed("doc", "characters of the span and one, by those of the text; -1 of an empty one"),
];

pub(super) static KIND: Kind = Kind {
    name: "code@copyright",
    aliases: &["code_copyright_comments_v1"],
    version: 1,
    about: "Copyright notices and comments at the head of code, as Dolma's code_copyright_comments_v1 marks them.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(Copyright))
    },
};

struct Copyright;

/// The first block comment.
fn block(text: &[u8]) -> Option<(usize, usize)> {
    let start = memmem::find(text, b"/*")?;
    Some((start, start + 4 + memmem::find(&text[start + 2..], b"*/")?))
}

impl Tagger for Copyright {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        // Characters of the span.
        let mut marked = None;
        if let Some((start, end)) = block(view.text.as_bytes()) {
            let comment = &view.text[start..end];
            let word = b"copyright";
            if comment.as_bytes().windows(word.len()).any(|w| w.eq_ignore_ascii_case(word)) {
                marked = Some(comment.chars().count());
                out.span(0, start as u32..end as u32, 1.0);
            }
        } else {
            let head = view.text.split('\n').take_while(|line| {
                line.is_empty() || line.starts_with("//") || line.starts_with('#') || line.starts_with("--")
            });
            let (mut lines, mut length) = (0, 0);
            for line in head {
                lines += 1;
                length += line.chars().count().max(1);
            }
            if lines > 0 {
                marked = Some(length);
                let end = view.text.char_indices().nth(length).map_or(view.text.len(), |(at, _)| at);
                out.span(1, 0..end as u32, 1.0);
            }
        }
        let score = match marked {
            Some(_) if view.text.is_empty() => -1.0,
            Some(length) => (length + 1) as f64 / f64::from(view.characters),
            None => 0.0,
        };
        out.value(2, score);
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags;

    fn of(text: &str) -> Vec<(String, u32, u32, f64)> {
        tags("code@copyright", text)
    }

    #[test]
    fn notices_and_comments_at_the_head_are_marked() {
        assert_eq!(
            of("a\n/*** (C) CopyRight ä ***/ b /* c */"),
            [("copyright_notice".into(), 2, 28, 1.0), ("doc".into(), 0, 38, 26.0 / 37.0)]
        );
        assert_eq!(of("/* licence */ x"), [("doc".into(), 0, 15, 0.0)]);
        assert_eq!(
            of("#!/bin/sh\n\n# ä\nx\n# y"),
            [("comment_block".into(), 0, 13, 1.0), ("doc".into(), 0, 21, 14.0 / 20.0)]
        );
        assert_eq!(of("")[1].3, -1.0);
        assert_eq!(of("x /* open"), [("doc".into(), 0, 9, 0.0)]);
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in ["/*", "*/", "#\n", "\n", "/* copyrigh"] {
            of(&run.repeat(1_000_000 / run.len()));
        }
    }
}
