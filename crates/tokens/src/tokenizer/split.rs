//! GPT-2's pre-tokenization (Radford et al. 2019): the text is cut into pieces, and no token crosses a piece.
//!
//! The pieces are the matches of
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, found by a scanner with one look at each
//! character: no regular expression engine, hence no backtracking limit on long runs of spaces, and no copy.

use std::sync::LazyLock;

use tokenizers::utils::SysRegex;

const OTHER: u8 = 0;
const LETTER: u8 = 1;
const NUMBER: u8 = 2;
const SPACE: u8 = 3;

/// The class of every character, from the Unicode tables of the very engine that the `tokenizers` crate runs the
/// expression on, so that both agree on every character.
static CLASSES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let all: String = (0..=char::MAX as u32).filter_map(char::from_u32).collect();
    let mut classes = vec![OTHER; char::MAX as usize + 1];
    for (expression, class) in [(r"\p{L}+", LETTER), (r"\p{N}+", NUMBER), (r"\s+", SPACE)] {
        let regex = SysRegex::new(expression).expect("the expression is valid");
        for (start, end) in regex.find_iter(&all) {
            all[start..end].chars().for_each(|c| classes[c as usize] = class);
        }
    }
    classes
});

const ASCII: [u8; 128] = {
    let mut classes = [OTHER; 128];
    let mut c = 0;
    while c < 128 {
        let byte = c as u8;
        if byte.is_ascii_alphabetic() {
            classes[c] = LETTER;
        } else if byte.is_ascii_digit() {
            classes[c] = NUMBER;
        } else if byte == b' ' || (byte >= 9 && byte <= 13) {
            classes[c] = SPACE;
        }
        c += 1;
    }
    classes
};

/// The class and length of the character at `at`; none at the end.
fn class_at(text: &str, at: usize) -> Option<(u8, usize)> {
    let byte = *text.as_bytes().get(at)?;
    if byte < 128 {
        return Some((ASCII[usize::from(byte)], 1));
    }
    let c = text[at..].chars().next()?;
    Some((CLASSES[c as usize], c.len_utf8()))
}

/// The end of the run of `class` from `at` on.
fn run(text: &str, mut at: usize, class: u8) -> usize {
    while let Some((found, length)) = class_at(text, at) {
        if found != class {
            break;
        }
        at += length;
    }
    at
}

/// The end of the piece that begins at `at`, which is below the text's length.
fn piece_end(text: &str, at: usize) -> usize {
    let rest = &text.as_bytes()[at..];
    if rest[0] == b'\'' {
        if let Some(b"re" | b"ve" | b"ll") = rest.get(1..3) {
            return at + 3;
        }
        if let Some(b's' | b't' | b'm' | b'd') = rest.get(1) {
            return at + 2;
        }
    }
    // One plain space goes with what follows it.
    let word = if rest[0] == b' ' { at + 1 } else { at };
    match class_at(text, word) {
        Some((class, length)) if class != SPACE => return run(text, word + length, class),
        _ => {}
    }
    // White space, of which the last character is left to the next piece unless it is alone or ends the text.
    let mut last = at;
    let mut end = at;
    while let Some((SPACE, length)) = class_at(text, end) {
        (last, end) = (end, end + length);
    }
    if end == text.len() || last == at { end } else { last }
}

/// The pieces of a text, which together are the text.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < text.len()).then(|| {
            let start = at;
            at = piece_end(text, start);
            &text[start..at]
        })
    })
}

/// Cut a text into parts of about `bytes` bytes whose pieces are the text's own.
///
/// A cut lies before white space that follows anything else. There a piece ends whatever came before (white space
/// occurs in a piece only as its first character or in a piece of nothing else), and where a piece ends depends only
/// on the text behind its beginning. So cutting there changes no piece.
pub(crate) fn parts(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = cut_behind(rest, bytes.max(1));
        let (part, more) = rest.split_at(cut);
        rest = more;
        Some(part)
    })
}

fn cut_behind(text: &str, least: usize) -> usize {
    if text.len() <= least {
        return text.len();
    }
    let mut at = text.floor_char_boundary(least - 1);
    let mut before_is_space = true;
    while let Some((class, length)) = class_at(text, at) {
        if class == SPACE && !before_is_space {
            return at;
        }
        before_is_space = class == SPACE;
        at += length;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    fn by_regex(text: &str) -> Vec<&str> {
        SysRegex::new(GPT2).unwrap().find_iter(text).map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn ascii_classes_are_the_unicode_ones() {
        assert_eq!(&CLASSES[..128], &ASCII);
        assert_eq!(CLASSES['é' as usize], LETTER);
        assert_eq!(CLASSES['²' as usize], NUMBER);
        assert_eq!(CLASSES['\u{2003}' as usize], SPACE);
        // Alphabetic, but not a letter: combining marks such as U+0345.
        assert_eq!(CLASSES['\u{345}' as usize], OTHER);
    }

    /// Text with much of what the expression looks at.
    fn tricky() -> impl Strategy<Value = String> {
        let bits = prop::sample::select(vec![
            " ",
            "  ",
            "\n",
            "\t",
            "\r\n",
            "\u{a0}",
            "\u{2003}",
            "'",
            "'s",
            "'re",
            "'ll",
            "'LL",
            "a",
            "Zq",
            "é",
            "日本",
            "1",
            "²",
            "-",
            "...",
            "<|endoftext|>",
            "\u{345}",
            "🦀",
            "\0",
            "_",
        ]);
        prop::collection::vec(
            prop_oneof![4 => bits.prop_map(String::from), 1 => any::<char>().prop_map(String::from)],
            0..40,
        )
        .prop_map(|bits| bits.concat())
    }

    proptest! {
        #[test]
        fn pieces_are_those_of_the_expression(text in tricky()) {
            let ours: Vec<&str> = pieces(&text).collect();
            prop_assert_eq!(ours, by_regex(&text));
        }

        #[test]
        fn parts_keep_the_pieces(text in tricky(), bytes in 1usize..30) {
            let whole: Vec<&str> = pieces(&text).collect();
            let parted: Vec<&str> = parts(&text, bytes).flat_map(pieces).collect();
            prop_assert_eq!(whole, parted);
        }
    }

    #[test]
    fn long_runs_are_one_look_each() {
        let text = format!("{}x", " ".repeat(3_000_000));
        let lengths: Vec<usize> = pieces(&text).map(str::len).collect();
        assert_eq!(lengths, [2_999_999, 2]);
    }
}
