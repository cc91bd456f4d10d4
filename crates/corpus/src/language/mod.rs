//! In which language a text is written.
//!
//! Built in: the crate `whatlang` (Potapov, MIT; Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994, on trigrams,
//! with the alphabets of languages), 70 languages, without any file. With a file: any classifier in fastText's format whose
//! labels are languages, such as lid.176 (Joulin et al. 2016) or GlotLID.
//!
//! Only the begin of a text is looked at, [`LIMIT`] bytes if not said otherwise, so that time is bounded. Dolma and datatrove
//! give their models whole documents; `usize::MAX` does so here.
//!
//! Accuracy, measured on sentences of 50 characters and more by Debian's translators (`tests/peers_models/
//! debian_sentences.py`; up to 1,000 a language, from files that no model was trained on). `whatlang` reaches 99 % for 3 of
//! 23 languages of manual pages (French, Ukrainian, Chinese; mean 95.5 %) and for 8 of the 35 languages of message catalogues
//! that it knows (mean 95.0 %); Danish and Norwegian stay near 82 %, Dutch near 86 %. A model of 2.3 MB and 47 languages that
//! [`crate::fasttext::train`] made of the other files (dimension 16, n-grams of 2 to 4 characters, 32,768 buckets, 8 epochs)
//! reaches 99 % for 21 of 23 (not Danish and Norwegian, 98 %; mean 99.6 %) and for 20 of 43 (mean 96.2 %, with such pairs as
//! Bosnian and Croatian), in a sixth of the time: 16 us of processor time for 1,000 bytes, `whatlang` 100 us.
//!
//! Limits: a text in several languages gets the one of its begin. Close relatives are told apart badly by the built-in
//! way (Danish and Norwegian, Portuguese and Galician, Serbian and its neighbours), and short texts by any; a model file
//! trained for the languages at hand does better.

mod codes;

use std::path::Path;

use crate::error::Result;
use crate::fasttext::{Model, Prediction, Scratch};

/// Bytes of a text that are looked at.
pub const LIMIT: usize = 1000;

/// A language and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess<'a> {
    /// ISO 639-1 where there is such a code (`en`), else 639-3 (`ceb`). Of a model: its label without `__label__`.
    pub code: &'a str,
    /// 0 to 1. Of a model: its probability. Built in: by how far the best language leads, see `whatlang`'s confidence.
    pub score: f32,
}

/// The language of a text, without any file: nothing for a text without letters, else the best guess.
pub fn detect(text: &str) -> Vec<Guess<'static>> {
    built_in(head(text, LIMIT))
}

fn built_in(text: &str) -> Vec<Guess<'static>> {
    let found = whatlang::detect(text);
    let guess = found
        .map(|found| Guess { code: codes::short(found.lang().code()), score: found.confidence() as f32 });
    guess.into_iter().collect()
}

/// The first bytes of a text, at most `limit`, cut between characters.
pub fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A way to tell languages. Threads share it.
pub enum Identifier {
    /// [`detect`].
    BuiltIn,
    /// A classifier whose labels are languages.
    Model(Box<Model>),
}

impl Identifier {
    /// With the model of a file.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open(path: &Path) -> Result<Identifier> {
        Ok(Identifier::Model(Box::new(Model::open(path)?)))
    }

    /// The best languages of the first `limit` bytes of a text, up to `k` from a model and one from the built-in way. Line
    /// ends are taken as spaces.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn detect(
        &self,
        scratch: &mut Scratch,
        text: &str,
        limit: usize,
        k: usize,
    ) -> Result<Vec<Guess<'_>>> {
        match self {
            Identifier::BuiltIn => Ok(built_in(head(text, limit))),
            Identifier::Model(model) => {
                let mut found: Vec<Prediction<'_>> = Vec::new();
                model.predict_with(scratch, head(text, limit).as_bytes(), k, &mut found)?;
                let guesses = found.iter().map(|found| Guess {
                    code: found.label.strip_prefix("__label__").unwrap_or(found.label),
                    score: found.probability,
                });
                Ok(guesses.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fasttext::{Options, line, train};
    use proptest::prelude::*;

    #[test]
    fn languages_are_told() {
        for (code, text) in [
            (
                "en",
                "The committee met in the morning and decided that nothing should change for the time being.",
            ),
            (
                "de",
                "Der Ausschuss trat am Morgen zusammen und beschloss, dass sich vorerst nichts ändern soll.",
            ),
            (
                "fr",
                "La commission s'est réunie dans la matinée et a décidé que rien ne changerait pour le moment.",
            ),
            ("ru", "Комитет собрался утром и решил, что пока ничего менять не следует."),
            ("el", "Η επιτροπή συνεδρίασε το πρωί και αποφάσισε να μην αλλάξει τίποτα προς το παρόν."),
            ("ja", "委員会は朝に集まり、当面は何も変えないことを決めた。"),
            ("zh", "委员会早上开会，决定暂时什么都不改变。"),
            ("ko", "위원회는 아침에 모여 당분간 아무것도 바꾸지 않기로 결정했다."),
        ] {
            let found = detect(text);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].code, code, "{found:?}");
            assert!((0.0..=1.0).contains(&found[0].score));
        }
        assert!(detect("").is_empty() && detect("1234 -- 5678").is_empty());
    }

    #[test]
    fn a_model_names_languages() {
        let lines = [line("en", "the sea and the land"), line("de", "das Meer und das Land")];
        let options = Options { dim: 4, learning_rate: 1.0, epochs: 50, ..Options::default() };
        let model = Model::from_bytes(train(&lines, &options).unwrap(), "new").unwrap();
        let identifier = Identifier::Model(Box::new(model));
        let found = identifier.detect(&mut Scratch::default(), "und\ndas", LIMIT, 2).unwrap();
        assert_eq!([found[0].code, found[1].code], ["de", "en"]);
        // What lies beyond the limit has no say.
        let long = format!("{}{}", "the ".repeat(LIMIT / 4), "das ".repeat(2 * LIMIT));
        assert_eq!(identifier.detect(&mut Scratch::default(), &long, LIMIT, 1).unwrap()[0].code, "en");
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,400}", limit in 0usize..50) {
            for guess in detect(&text) {
                prop_assert!((0.0..=1.0).contains(&guess.score));
                prop_assert!((2..=3).contains(&guess.code.len()));
            }
            let head = head(&text, limit);
            prop_assert!(text.starts_with(head) && head.len() <= limit && head.len() + 4 > limit.min(text.len()));
        }
    }
}
