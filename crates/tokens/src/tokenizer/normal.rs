//! Unicode normalization form C. The room of documents has it, for it can bring texts into this form; here it is held
//! against the `tokenizers` crate, whose tables it has.

pub(super) use regimen_corpus::nfc;

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

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
