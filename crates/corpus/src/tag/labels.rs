//! Which of all languages, or of all classes of a fastText classifier, a text has: the likeliest one and its probability.
//!
//! - `languages`: by the built-in identifier, or a fastText model such as lid.176 (`model`), on the first 1,000 bytes, as the
//!   tagger `language` looks at them
//! - `classes`: a supervised model (`model`) for topics, kinds or anything else, on the whole text with line feeds as spaces, as
//!   Dolma's document taggers do
//!
//! A text without letters has no language, and one without any feature that the model knows no class. Labels are written
//! without fastText's `__label__`. In Dolma's attribute files a label is the name of an attribute of the document with its
//! probability (`EXPERIMENT__languages__en`), as Dolma's own classifiers write theirs.

use std::sync::Arc;

use super::classify::{identifier, no_model, on_one_line, with_room};
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction, label};
use crate::fasttext::Model;
use crate::language::{Identifier, LIMIT, head, plain};

static LANGUAGE: [Attribute; 2] = [
    label("label", "the likeliest language: its ISO 639 code, or the label of `model`"),
    fraction("score", "probability of that language"),
];

static CLASS: [Attribute; 2] =
    [label("label", "the likeliest label of `model`"), fraction("score", "probability of that label")];

pub(super) static LANGUAGES: Kind = Kind {
    name: "languages",
    aliases: &[],
    version: 1,
    about: "Which language the text is in, by the built-in identifier or the fastText file `model`.",
    attributes: &LANGUAGE,
    make: |params| {
        params.only(&["model"])?;
        let identifier = identifier(params)?;
        let labels = match &identifier {
            Identifier::BuiltIn(built_in) => sorted(built_in.languages()),
            Identifier::Model(model) => labels_of(model),
        };
        Ok(Box::new(Languages { identifier, labels }))
    },
};

pub(super) static CLASSES: Kind = Kind {
    name: "classes",
    aliases: &[],
    version: 1,
    about: "Which label of the fastText classifier `model` (.bin or .ftz) fits the text best.",
    attributes: &CLASS,
    make: |params| {
        params.only(&["model"])?;
        let model = params.opened("model", Model::open)?.ok_or_else(|| no_model(params))?;
        Ok(Box::new(Classes { labels: labels_of(&model), model }))
    },
};

fn labels_of(model: &Model) -> Arc<[String]> {
    sorted(model.labels().iter().map(|label| plain(label)).collect())
}

/// Each label once, in the order of their bytes: so their numbers do not depend on how often each was trained with.
fn sorted(mut labels: Vec<&str>) -> Arc<[String]> {
    labels.sort_unstable();
    labels.dedup();
    labels.into_iter().map(str::to_string).collect()
}

/// Put the label that was found and its probability.
fn put(labels: &[String], found: Option<(&str, f32)>, out: &mut Tags) {
    let Some((label, score)) = found else { return };
    if let Ok(number) = labels.binary_search_by(|known| known.as_str().cmp(plain(label))) {
        out.value(0, number as f64);
        // A softmax in single precision can lie a little above 1.
        out.value(1, f64::from(score.clamp(0.0, 1.0)));
    }
}

struct Languages {
    identifier: Identifier,
    labels: Arc<[String]>,
}

impl Tagger for Languages {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        with_room(LIMIT, |scratch, _| {
            let text = head(document.view.text, LIMIT);
            if !text.chars().any(char::is_alphabetic) {
                return;
            }
            let Ok(guesses) = self.identifier.detect(scratch, text, LIMIT, 1) else { return };
            put(&self.labels, guesses.first().map(|guess| (guess.code, guess.score)), out);
        });
    }

    fn labels(&self) -> Arc<[String]> {
        self.labels.clone()
    }
}

struct Classes {
    model: Model,
    labels: Arc<[String]>,
}

impl Tagger for Classes {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        with_room(document.view.text.len(), |scratch, line| {
            let mut found = Vec::new();
            let text = on_one_line(document.view.text, line);
            if self.model.predict_with(scratch, text.as_bytes(), 1, &mut found).is_ok() {
                put(&self.labels, found.first().map(|found| (found.label, found.probability)), out);
            }
        });
    }

    fn labels(&self) -> Arc<[String]> {
        self.labels.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fasttext;
    use crate::tag::{Buffers, Set, Wanted};

    fn found(tagger: &str, params: &serde_json::Value, texts: &[&str]) -> Vec<Option<(String, f64)>> {
        let params = params.as_object().unwrap().clone();
        let set = Set::new(&[Wanted { tagger: tagger.into(), name: None, params }]).unwrap();
        let labels = &set.attributes()[0].labels;
        let mut out = Tags::default();
        let each = texts.iter().map(|text| {
            set.tag(text, "", &mut Buffers::default(), &mut Scratch::default(), &mut out);
            out.label(0, labels).map(|label| (label.to_string(), out.spans(1)[0].score))
        });
        each.collect()
    }

    #[test]
    fn the_language_found_is_told_with_its_score() {
        let texts = [
            "The committee met in the morning and decided that nothing should change for the time being.",
            "Der Ausschuss trat am Morgen zusammen und beschloss, dass sich vorerst nichts ändern soll.",
            "委員会は朝に集まり、当面は何も変えないことを決めた。",
            "1234 -- 5678",
            "",
        ];
        let found = found("languages", &serde_json::json!({}), &texts);
        let codes: Vec<Option<&str>> =
            found.iter().map(|found| found.as_ref().map(|f| f.0.as_str())).collect();
        assert_eq!(codes, [Some("en"), Some("de"), Some("ja"), None, None]);
        assert!(found.iter().flatten().all(|found| found.1 > 0.5 && found.1 <= 1.0), "{found:?}");
    }

    #[test]
    fn every_language_of_the_tagger_language_has_a_number() {
        let set = Set::new(&[Wanted::named("languages")]).unwrap();
        let labels = &set.attributes()[0].labels;
        assert_eq!(labels.len(), 117);
        assert!(labels.is_sorted() && set.attributes()[1].labels.is_empty());
    }

    #[test]
    fn classes_of_a_model_are_told_without_their_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.bin");
        let lines: Vec<String> = (0..60)
            .map(|i| match i % 3 {
                0 => fasttext::line("trees", "an oak and a beech stand in the wood"),
                1 => fasttext::line("spam", "buy cheap pills now click here"),
                _ => fasttext::line("code", "let x equal one return x plus two"),
            })
            .collect();
        std::fs::write(&path, fasttext::train(&lines, &fasttext::Options::default()).unwrap()).unwrap();
        let params = serde_json::json!({"model": path});
        let texts = ["cheap\npills, click here", "an oak in the wood", "return x"];
        for tagger in ["classes", "languages"] {
            let found = found(tagger, &params, &texts);
            let labels: Vec<&str> = found.iter().flatten().map(|found| found.0.as_str()).collect();
            assert_eq!(labels, ["spam", "trees", "code"], "{tagger}");
        }
        // A model has an answer to every line.
        assert_eq!(found("languages", &params, &["12, 3"]), [None]);
        let none = Set::new(&[Wanted::named("classes")]).err().unwrap().to_string();
        assert!(none.contains("`model`"), "{none}");
    }
}
