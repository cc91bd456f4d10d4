//! Unicode normalization form C, as the `tokenizers` crate does it: with the same tables, which are those of Unicode 9.

use std::borrow::Cow;

use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The first byte of U+0300: whatever has no byte from here on is as it should be.
const FIRST: u8 = 0xCC;
/// Bytes that are looked at together.
const BLOCK: usize = 256;

/// The text in form C; borrowed if it is in that form already.
pub(super) fn nfc(text: &str) -> Cow<'_, str> {
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
    use tokenizers::normalizers::unicode::NFC;
    use tokenizers::{NormalizedString, Normalizer};

    fn theirs(text: &str) -> String {
        let mut normal = NormalizedString::from(text);
        NFC.normalize(&mut normal).unwrap();
        normal.get().to_string()
    }

    proptest! {
        #[test]
        fn it_is_what_the_tokenizers_crate_makes(
            text in "([a-zA-Z é\u{300}-\u{36f}\u{1100}-\u{11ff}가각Åﬁ豈\u{344}\u{340}क\u{93c}\u{f71}-\u{f84}]|.){0,30}"
        ) {
            let ours = nfc(&text);
            prop_assert_eq!(&*ours, &*theirs(&text));
            prop_assert_eq!(matches!(ours, Cow::Borrowed(_)), ours == text);
        }
    }

    #[test]
    fn each_character_alone_and_after_a_letter_is_too() {
        for c in (0..=char::MAX as u32).filter_map(char::from_u32).filter(|c| (*c as u32) < 0x3_0000) {
            for text in [c.to_string(), format!("a{c}")] {
                assert_eq!(nfc(&text), theirs(&text), "{c:?}");
            }
        }
    }
}
