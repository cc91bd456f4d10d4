//! In which language a text is written.
//!
//! Built in: a classifier in fastText's format of 110 languages ([`crate::fasttext::train`] and [`crate::fasttext::quantise`] made
//! it of sentences by the translators of programs, their manuals and help, and of English documents as they are:
//! `tests/peers_models/debian_sentences.py`; 1.07 MB; dimension 16, n-grams of 2 to 5 characters, 65,536 rows), and where it is not
//! sure the crate `whatlang` (Potapov, MIT; Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994, on trigrams), if that is
//! sure of one of the 7 languages that it has besides. With a file: any classifier in fastText's format whose labels are languages,
//! such as lid.176 (Joulin et al. 2016) or GlotLID.
//!
//! Only the begin of a text is looked at, [`LIMIT`] bytes if not said otherwise, so that time is bounded. Dolma and datatrove
//! give their models whole documents; `usize::MAX` does so here.
//!
//! Accuracy, measured on sentences of 50 characters and more (up to 1,000 a language) from files that the classifier was not
//! trained on, as the share of all sentences, and languages with 99 %: manual pages 99.6 %, 16 of 20 (not Serbian, 98.1 %, Croatian,
//! 98.3 %, Danish, 98.7 %, and Czech, 98.98 %); message catalogues 99.3 %, 83 of 96; Firefox's and Thunderbird's language packs
//! 99.3 %, 60 of 77; pages of help 99.8 %, 37 of 38. `whatlang` alone reaches 99 % for 7 of those 20 languages and 33 of those 96.
//! Lines of English texts of other names but of the same collections, code, tables and names among them: 99.8 %.
//!
//! Limits: a text in several languages gets the one of its begin. Bosnian is taken for Croatian, Low German for German; close
//! relatives are told apart badly (Konkani from Marathi 80 %, Malay from Indonesian 92 %, Silesian from Polish 92 %), and short texts
//! by any; a model file trained for the languages at hand does better.

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
    /// 0 to 1. Of a model: its probability. By `whatlang`: by how far the best language leads, see its confidence.
    pub score: f32,
}

/// The classifier that is built in.
const LANGUAGES: &[u8] = include_bytes!("languages.ftz");
/// Below this probability `whatlang` is asked, too.
const SURE: f32 = 0.6;

/// The first bytes of a text, at most `limit`, cut between characters.
pub fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A way to tell languages. Threads share it.
pub enum Identifier {
    /// Without any file.
    BuiltIn(Box<BuiltIn>),
    /// A classifier whose labels are languages.
    Model(Box<Model>),
}

/// The classifier that is built in.
pub struct BuiltIn(Model);

impl BuiltIn {
    fn new() -> Result<BuiltIn> {
        Ok(BuiltIn(Model::from_bytes(LANGUAGES.to_vec(), "languages.ftz")?))
    }

    /// The codes of all languages that it tells, sorted.
    pub(crate) fn languages(&self) -> Vec<&str> {
        let others = whatlang::Lang::all().iter().map(|language| codes::short(language.code()));
        let mut all: Vec<&str> = self.0.labels().iter().map(|label| plain(label)).chain(others).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the classifier has a language.
    fn knows(&self, code: &str) -> bool {
        self.0.labels().iter().any(|label| plain(label) == code)
    }

    fn detect(&self, scratch: &mut Scratch, text: &str, k: usize) -> Result<Vec<Guess<'_>>> {
        if !text.chars().any(char::is_alphabetic) {
            return Ok(Vec::new());
        }
        let mut guesses = by_model(&self.0, scratch, text, k)?;
        if guesses.first().is_none_or(|guess| guess.score < SURE)
            && let Some(found) = whatlang::detect(text).filter(whatlang::Info::is_reliable)
        {
            let guess = Guess { code: codes::short(found.lang().code()), score: found.confidence() as f32 };
            if !self.knows(guess.code) {
                guesses.insert(0, guess);
                guesses.truncate(k);
            }
        }
        Ok(guesses)
    }
}

/// What fastText puts before labels.
const PREFIX: &str = "__label__";

/// A label without fastText's prefix.
pub(crate) fn plain(label: &str) -> &str {
    label.strip_prefix(PREFIX).unwrap_or(label)
}

fn by_model<'m>(model: &'m Model, scratch: &mut Scratch, text: &str, k: usize) -> Result<Vec<Guess<'m>>> {
    let mut found: Vec<Prediction<'_>> = Vec::new();
    model.predict_with(scratch, text.as_bytes(), k, &mut found)?;
    Ok(found.iter().map(|found| Guess { code: plain(found.label), score: found.probability }).collect())
}

impl Identifier {
    /// Without any file.
    ///
    /// # Errors
    /// None, unless the program itself is damaged.
    pub fn built_in() -> Result<Identifier> {
        Ok(Identifier::BuiltIn(Box::new(BuiltIn::new()?)))
    }

    /// With the model of a file.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open(path: &Path) -> Result<Identifier> {
        Ok(Identifier::Model(Box::new(Model::open(path)?)))
    }

    /// The best `k` languages of the first `limit` bytes of a text, the best first; nothing for a text without letters. Line ends
    /// are taken as spaces.
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
        let text = head(text, limit);
        match self {
            Identifier::BuiltIn(built_in) => built_in.detect(scratch, text, k),
            Identifier::Model(model) => by_model(model, scratch, text, k),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fasttext::{Options, line, train};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// The best guess without a file.
    fn detect(text: &str) -> Vec<Guess<'static>> {
        static BUILT_IN: LazyLock<Identifier> = LazyLock::new(|| Identifier::built_in().unwrap());
        BUILT_IN.detect(&mut Scratch::default(), text, LIMIT, 1).unwrap()
    }

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
            ("hi", "समिति की बैठक सुबह हुई और उसने तय किया कि फिलहाल कुछ भी नहीं बदलना चाहिए।"),
            ("ta", "குழு காலையில் கூடி, இப்போதைக்கு எதுவும் மாறக்கூடாது என்று முடிவு செய்தது."),
            ("am", "ኮሚቴው በጠዋት ተሰብስቦ ለጊዜው ምንም ነገር እንዳይቀየር ወሰነ።"),
            ("cy", "Cyfarfu'r pwyllgor yn y bore a phenderfynodd na ddylai dim newid am y tro."),
            ("eu", "Batzordea goizean bildu zen eta oraingoz ezer ez aldatzea erabaki zuen."),
            ("ko", "위원회는 아침에 모여 당분간 아무것도 바꾸지 않기로 결정했다."),
        ] {
            let found = detect(text);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].code, code, "{found:?}");
            assert!((0.0..=1.001).contains(&found[0].score));
        }
        assert!(detect("").is_empty() && detect("1234 -- 5678").is_empty());
    }

    #[test]
    fn more_than_a_hundred_languages_are_known() {
        let built_in = BuiltIn::new().unwrap();
        let others = whatlang::Lang::all().iter().map(|language| codes::short(language.code()));
        let others = others.filter(|code| !built_in.knows(code)).count();
        assert_eq!((built_in.0.labels().len(), others), (110, 7));
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
                prop_assert!((0.0..=1.001).contains(&guess.score));
                prop_assert!((2..=3).contains(&guess.code.len()));
            }
            let head = head(&text, limit);
            prop_assert!(text.starts_with(head) && head.len() <= limit && head.len() + 4 > limit.min(text.len()));
        }
    }
}
