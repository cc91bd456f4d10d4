//! The text normalisation of CCNet, after which its language models were trained.
//!
//! Wenzek et al., "CCNet", LREC 2020, and its `text_normalizer.py`: white space around the text goes; lower case; canonical
//! decomposition (NFD) without nonspacing marks, so that accents go; every decimal digit is `0`; typographic marks are
//! replaced by ASCII ones; then control characters go, line feeds too, so that a document is one line.
//! [`Normal::Datatrove`] is what datatrove's `CCNetPerplexityFilter` does instead: a run of digits is one `0`, and white space
//! goes after accents.
//!
//! Limits: letters that Unicode has had since version 10 are not decomposed.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};
use unicode_normalization_alignments::UnicodeNormalization;

use crate::tag::classes::{is_decimal, is_space};

/// A way to normalise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal {
    /// As CCNet.
    CcNet,
    /// As datatrove.
    Datatrove,
}

impl Normal {
    /// Names in configs, with what they name.
    pub const NAMES: [(&str, Normal); 2] = [("ccnet", Normal::CcNet), ("datatrove", Normal::Datatrove)];

    /// Normalise `text` into `out`.
    pub fn apply(self, text: &str, out: &mut String) {
        out.clear();
        let text = if self == Normal::CcNet { text.trim_matches(is_space) } else { text };
        let mut digits = false;
        let mut plain = String::with_capacity(text.len());
        for (c, _) in text.to_lowercase().nfd().filter(|(c, _)| !is_mark(*c)) {
            let digit = is_decimal(c);
            if !(digit && digits && self == Normal::Datatrove) {
                plain.push(if digit { '0' } else { c });
            }
            digits = digit;
        }
        let plain = if self == Normal::Datatrove { plain.trim_matches(is_space) } else { &plain };
        for c in plain.chars() {
            match c {
                '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {}
                c if c.is_ascii() => out.push(c),
                c => match replacement(c) {
                    Some(text) => out.push_str(text),
                    None => out.push(c),
                },
            }
        }
    }
}

/// What stands in place of a typographic mark. The fullwidth 1 of CCNet's table is a digit, and so `0` before it gets here.
fn replacement(c: char) -> Option<&'static str> {
    Some(match c {
        '，' | '、' => ",",
        '。' => ".",
        '„' | '”' | '“' | '«' | '»' | '」' | '「' | '《' | '》' => "\"",
        '´' | '’' => "'",
        '∶' | '：' => ":",
        '？' => "?",
        '！' => "!",
        '（' => "(",
        '）' => ")",
        '；' => ";",
        '–' | '━' | '►' => "-",
        '—' => " - ",
        '．' => ". ",
        '～' => "~",
        '…' => "...",
        '〈' => "<",
        '〉' => ">",
        '【' => "[",
        '】' => "]",
        '％' => "%",
        _ => return None,
    })
}

/// Whether a character is a nonspacing mark (general category Mn).
fn is_mark(c: char) -> bool {
    static MARKS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| match regex_syntax::parse(r"\p{Mn}") {
        Ok(parsed) => match parsed.kind() {
            HirKind::Class(Class::Unicode(all)) => all.iter().map(|r| (r.start(), r.end())).collect(),
            _ => Vec::new(),
        },
        Err(_) => Vec::new(),
    });
    c >= '\u{300}' && {
        let next = MARKS.partition_point(|(first, _)| *first <= c);
        next > 0 && c <= MARKS[next - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(text: &str) -> [String; 2] {
        Normal::NAMES.map(|(_, normal)| {
            let mut out = String::from("left");
            normal.apply(text, &mut out);
            out
        })
    }

    #[test]
    fn the_rules_are_those_of_the_peers() {
        // Values of text_normalizer.normalize and of KenlmModel.normalize.
        for (text, ccnet, datatrove) in [
            ("  Ünïté\tÀ 2024!\n", "unitea 0000!", "unitea 0!"),
            ("“Quoted” — «text»…", "\"quoted\"  -  \"text\"...", "\"quoted\"  -  \"text\"..."),
            ("１２．５％ ٣٤", "00. 0% 00", "0. 0% 0"),
            ("line one\nline two\u{85}\u{7f}", "line oneline two", "line oneline two"),
            ("ΟΔΥΣΣΕΥΣ İstanbul Ǆ", "οδυσσευς istanbul ǆ", "οδυσσευς istanbul ǆ"),
            (
                "한 e\u{301}\u{323} ñ ㎏ ﬁ",
                "\u{1112}\u{1161}\u{11ab} e n ㎏ ﬁ",
                "\u{1112}\u{1161}\u{11ab} e n ㎏ ﬁ",
            ),
            ("\u{301} x", " x", "x"),
            ("", "", ""),
        ] {
            assert_eq!(both(text), [ccnet, datatrove], "{text:?}");
        }
    }

    #[test]
    fn marks_are_nonspacing_ones() {
        for (c, mark) in [
            ('\u{301}', true),
            ('\u{903}', false),
            ('\u{93c}', true),
            ('\u{20dd}', false),
            ('a', false),
            ('\u{e0100}', true),
        ] {
            assert_eq!(is_mark(c), mark, "{c:?}");
        }
    }
}
