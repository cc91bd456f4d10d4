//! Unicode normalization form C, as the `tokenizers` crate makes it: with the same tables, which are those of Unicode 9. So
//! a text in this form is one that a tokenizer with an NFC normalizer leaves as it is.

use std::borrow::Cow;

use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The first byte of U+0300: whatever has no byte from here on is as it should be.
const FIRST: u8 = 0xCC;
/// Bytes that are looked at together.
const BLOCK: usize = 256;

/// The text in form C; borrowed if it is in that form already.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.as_bytes().chunks(BLOCK).all(|block| block.iter().fold(true, |all, &byte| all & (byte < FIRST))) {
        return Cow::Borrowed(text);
    }
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let normal: String = text.chars().nfc().map(|(c, _)| c).collect();
    if normal == text { Cow::Borrowed(text) } else { Cow::Owned(normal) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn letters_and_their_marks_become_one() {
        for (text, normal) in [
            ("U\u{308}bung", "Übung"),
            ("\u{212b}", "\u{c5}"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("a\u{323}\u{302}", "\u{1ead}"),
        ] {
            assert_eq!(nfc(text), normal);
        }
        assert!(matches!(nfc("Übung 한 ﬁ"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn a_second_time_changes_nothing(text in "([a-z é\u{300}-\u{36f}\u{1100}-\u{11ff}가\u{212b}क\u{93c}]|.){0,30}") {
            let once = nfc(&text).into_owned();
            prop_assert!(matches!(nfc(&once), Cow::Borrowed(_)));
        }
    }
}
