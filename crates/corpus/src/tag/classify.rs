//! Models as taggers: whether a text is in a language, and what a fastText classifier says of it. Which of all languages, or
//! classes, a text has, the taggers of `labels.rs` record.
//!
//! - `language`: the built-in identifier, or a fastText model such as lid.176 (`model`), on the first 1,000 bytes with line
//!   feeds as spaces; `label` is the language asked for (`en`)
//! - `fasttext`: a supervised model (`model`) for quality, toxicity or anything else, on the whole text with line feeds as
//!   spaces, as Dolma's document taggers do; `label` is the label asked for, with or without `__label__`

use std::cell::RefCell;

use super::{Attribute, Document, Kind, Params, Scratch, Tagger, Tags, flag, value};
use crate::error::{Error, Result};
use crate::fasttext;
use crate::language::{Identifier, LIMIT, plain};
use crate::memory::is_long;

static CLASS: [Attribute; 3] = [
    value("score", "probability of the label asked for"),
    value("top_score", "probability of the likeliest label"),
    flag("is_top", "the label asked for is the likeliest"),
];

pub(super) static LANGUAGE: Kind = Kind {
    name: "language",
    aliases: &[],
    version: 3,
    about: "Whether the text is in the language `label` (en), by the built-in identifier or the fastText file `model`.",
    attributes: &CLASS,
    make: |params| {
        params.only(&["model", "label"])?;
        let identifier = identifier(params)?;
        let label = params.text("label")?.unwrap_or("en").to_string();
        match &identifier {
            Identifier::Model(model) => drop(known(params, model, &label)?),
            Identifier::BuiltIn(built_in) => {
                let all = built_in.languages();
                one_of(params, &label, all.contains(&label.as_str()), || all.iter().copied())?;
            }
        }
        Ok(Box::new(Language { identifier, label }))
    },
};

pub(super) static FASTTEXT: Kind = Kind {
    name: "fasttext",
    aliases: &[],
    version: 1,
    about: "What the fastText classifier `model` (.bin or .ftz) says of the text: the probability of `label`.",
    attributes: &CLASS,
    make: |params| {
        params.only(&["model", "label"])?;
        let model = params.opened("model", fasttext::Model::open)?.ok_or_else(|| no_model(params))?;
        let label =
            params.text("label")?.ok_or_else(|| params.wrong("label", "it is missing: it names a label"))?;
        let label = known(params, &model, label)?;
        Ok(Box::new(Classifier { model, label }))
    },
};

/// What tells languages: the model whose file is named, or the one that is built in.
pub(super) fn identifier(params: &Params) -> Result<Identifier> {
    params.opened("model", Identifier::open)?.map_or_else(Identifier::built_in, Ok)
}

/// That the file of a model is not named.
pub(super) fn no_model(params: &Params) -> Error {
    params.wrong("model", "it is missing: it names the model's file")
}

/// The label as the model has it.
fn known(params: &Params, model: &fasttext::Model, label: &str) -> Result<String> {
    let found = model.labels().iter().find(|l| **l == label || plain(l) == label);
    let names = || model.labels().iter().map(|l| plain(l));
    one_of(params, label, found.is_some(), names)?;
    Ok(found.map(ToString::to_string).unwrap_or_default())
}

/// An error if a label is not known.
fn one_of<'n, I: Iterator<Item = &'n str> + Clone>(
    params: &Params,
    label: &str,
    known: bool,
    names: impl FnOnce() -> I,
) -> Result<()> {
    if known {
        return Ok(());
    }
    Err(Error::TaggerField {
        tagger: params.tagger().into(),
        field: "label".into(),
        reason: format!("the model has no label `{label}`"),
        hint: regimen_base::suggest::hint(label, names()),
    })
}

/// A text with its line feeds as spaces, as fastText reads it.
pub(super) fn on_one_line<'l>(text: &str, line: &'l mut String) -> &'l str {
    line.clear();
    line.extend(text.chars().map(|c| if c == '\n' { ' ' } else { c }));
    line.trim()
}

thread_local! {
    /// Buffers of fastText models, and the text on one line.
    static ROOM: RefCell<(fasttext::Scratch, String)> = RefCell::default();
}

/// Work with this thread's buffers on a text of so many bytes; those of a long text do not stay.
pub(super) fn with_room<T>(bytes: usize, work: impl FnOnce(&mut fasttext::Scratch, &mut String) -> T) -> T {
    if is_long(bytes) {
        return work(&mut fasttext::Scratch::default(), &mut String::new());
    }
    ROOM.with_borrow_mut(|(scratch, line)| work(scratch, line))
}

struct Language {
    identifier: Identifier,
    label: String,
}

impl Tagger for Language {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let text = document.view.text;
        let guesses = with_room(LIMIT, |scratch, _| self.identifier.detect(scratch, text, LIMIT, usize::MAX));
        let Ok(guesses) = guesses else { return };
        let same = |code: &str| plain(code) == self.label;
        let score = guesses.iter().find(|guess| same(guess.code)).map_or(0.0, |guess| guess.score);
        put(f64::from(score), guesses.first().map(|guess| (f64::from(guess.score), same(guess.code))), out);
    }
}

/// Put the attributes of a classifier, from the score asked for and the best one, with whether they are of one label.
fn put(score: f64, top: Option<(f64, bool)>, out: &mut Tags) {
    out.value(0, score);
    if let Some((best, same)) = top {
        out.value(1, best);
        if same {
            out.value(2, 1.0);
        }
    }
}

struct Classifier {
    model: fasttext::Model,
    label: String,
}

impl Tagger for Classifier {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        with_room(document.view.text.len(), |scratch, line| {
            let mut found = Vec::new();
            let text = on_one_line(document.view.text, line);
            if self.model.predict_with(scratch, text.as_bytes(), usize::MAX, &mut found).is_err() {
                return;
            }
            let score =
                found.iter().find(|p| p.label == self.label).map_or(0.0, |p| f64::from(p.probability));
            let top = found.first().map(|p| (f64::from(p.probability), p.label == self.label));
            put(score, top, out);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::{Buffers, Set, Wanted};

    fn tagged(tagger: &str, params: &serde_json::Value, text: &str) -> Result<Vec<Option<f64>>> {
        let params = params.as_object().unwrap().clone();
        let set = Set::new(&[Wanted { tagger: tagger.into(), name: None, params }])?;
        let mut out = Tags::default();
        set.tag(text, "", &mut Buffers::default(), &mut Scratch::default(), &mut out);
        Ok((0..set.attributes().len()).map(|slot| out.spans(slot).first().map(|s| s.score)).collect())
    }

    #[test]
    fn the_language_asked_for_is_told_with_its_score() {
        let english =
            "The quick brown fox jumps over the lazy dog, and everybody who sees it is happy about that.";
        let found = tagged("language", &serde_json::json!({}), english).unwrap();
        assert!(found[0].unwrap() > 0.5 && found[2] == Some(1.0), "{found:?}");
        let found = tagged("language", &serde_json::json!({"label": "de"}), english).unwrap();
        assert!(found[0].unwrap() < 0.5 && found[2].is_none() && found[1].unwrap() > 0.5, "{found:?}");
    }

    #[test]
    fn a_classifier_of_our_own_tells_its_labels_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.bin");
        let lines: Vec<String> = (0..60)
            .map(|i| match i % 2 {
                0 => fasttext::line("good", "a calm and useful text about trees"),
                _ => fasttext::line("bad", "buy cheap pills now click here"),
            })
            .collect();
        std::fs::write(&path, fasttext::train(&lines, &fasttext::Options::default()).unwrap()).unwrap();
        let of = |label: &str, text: &str| {
            tagged("fasttext", &serde_json::json!({"model": path, "label": label}), text)
        };
        let good = of("good", "a calm\ntext about trees").unwrap();
        assert!(good[0].unwrap() > 0.5 && good[2] == Some(1.0), "{good:?}");
        let bad = of("__label__good", "cheap pills, click").unwrap();
        assert!(bad[0].unwrap() < 0.5 && bad[2].is_none(), "{bad:?}");
        assert!(of("god", "x").unwrap_err().to_string().contains("no label `god`"));
        let missing = tagged("fasttext", &serde_json::json!({"label": "good"}), "x").unwrap_err().to_string();
        assert!(missing.contains("`model`"), "{missing}");
    }
}
