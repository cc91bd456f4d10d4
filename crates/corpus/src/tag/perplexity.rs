//! `perplexity`: how well an n-gram language model foresees a text.
//!
//! The model is KenLM's (`model`, ARPA or binary). Perplexity is 10 to the power of minus the mean log10 probability of a token,
//! a token being a word or the end of a line (Wenzek et al. 2020, "CCNet").
//!
//! - without more: words are runs without white space, sentences are the lines that have one
//! - `sentencepiece`: words are the pieces of the whole text by this model, joined with spaces, as CCNet and datatrove give
//!   them to KenLM. SentencePiece makes spaces of line feeds, so a text is one sentence
//! - `normalise`: `ccnet` or `datatrove`, see [`Normal`]; with `sentencepiece` of the whole text, else of each line
//!
//! With `sentencepiece` and `normalise` these are the numbers of CCNet's models (`xx.arpa.bin` and `xx.sp.model`): of `ccnet`
//! those of cc_net's pipeline, of `datatrove` those of its `CCNetPerplexityFilter`, before they are rounded to one decimal.

use std::cell::RefCell;

use super::classes::is_space;
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, signed, value};
use crate::kenlm::{self, Normal};
use crate::memory::is_long;
use crate::sentencepiece;

static ATTRIBUTES: [Attribute; 2] = [
    value("perplexity", "perplexity by token; words (or pieces) and ends of lines are tokens"),
    signed("log10", "log10 probability of the whole text"),
];

pub(super) static KIND: Kind = Kind {
    name: "perplexity",
    aliases: &[],
    version: 1,
    about: "How well the n-gram model `model` (KenLM: ARPA or binary) foresees the text, or its pieces by the model `sentencepiece`.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.only(&["model", "sentencepiece", "normalise"])?;
        let normal = match params.text("normalise")? {
            None => None,
            Some(name) => match Normal::NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, normal)) => Some(*normal),
                None => {
                    let reason = format!("it must be `ccnet` or `datatrove`, found `{name}`");
                    return Err(params.wrong("normalise", reason));
                }
            },
        };
        let pieces = params.opened("sentencepiece", sentencepiece::Model::open)?;
        let model = params
            .opened("model", kenlm::Model::open)?
            .ok_or_else(|| params.wrong("model", "it is missing: it names the model's file"))?;
        Ok(Box::new(Odds { model, pieces, normal }))
    },
};

thread_local! {
    /// Buffers of the pieces, and a normalised text; those of a long text do not stay.
    static ROOM: RefCell<(sentencepiece::Room, String)> = RefCell::default();
}

struct Odds {
    model: kenlm::Model,
    pieces: Option<sentencepiece::Model>,
    normal: Option<Normal>,
}

impl Odds {
    /// A text as the model wants it; `room` holds what is made of it.
    fn normalised<'t>(&self, text: &'t str, room: &'t mut String) -> &'t str {
        match self.normal {
            None => text,
            Some(way) => {
                way.apply(text, room);
                room
            }
        }
    }
}

/// Sentences that are being scored.
struct Sentences<'m> {
    model: &'m kenlm::Model,
    state: kenlm::State,
    /// Of the words of this sentence so far; KenLM, too, adds in 32 bits.
    sentence: f32,
    sum: f64,
    tokens: u64,
}

impl<'m> Sentences<'m> {
    fn new(model: &'m kenlm::Model) -> Sentences<'m> {
        Sentences { model, state: model.begin(), sentence: 0.0, sum: 0.0, tokens: 0 }
    }

    /// Words that follow; line feeds end sentences. KenLM cuts at ASCII white space, and tokens are counted between any.
    fn words(&mut self, text: &str) {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                self.end();
            }
            for word in line.split([' ', '\t', '\u{b}', '\u{c}', '\r']).filter(|word| !word.is_empty()) {
                self.sentence += self.model.word(&mut self.state, word).log10;
            }
            self.tokens += line.split(is_space).filter(|word| !word.is_empty()).count() as u64;
        }
    }

    fn end(&mut self) {
        self.sum += f64::from(self.sentence + self.model.end(&mut self.state).log10);
        self.tokens += 1;
        (self.state, self.sentence) = (self.model.begin(), 0.0);
    }
}

impl Tagger for Odds {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        if view.words.is_empty() {
            return;
        }
        let mut sentences = Sentences::new(&self.model);
        ROOM.with_borrow_mut(|(room, normal)| {
            match &self.pieces {
                Some(pieces) => {
                    let text = self.normalised(view.text, normal);
                    pieces.encode(room, text, |piece| sentences.words(piece));
                    sentences.end();
                }
                None => {
                    for line in view.lines.iter().filter(|line| line.words > 0) {
                        sentences.words(self.normalised(view.line(line), normal));
                        sentences.end();
                    }
                }
            }
            if is_long(normal.capacity()) {
                *normal = String::new();
            }
        });
        out.value(0, 10f64.powf(-sentences.sum / sentences.tokens as f64));
        out.value(1, sentences.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::sentencepiece::testing::{Field, model};
    use crate::tag::{Buffers, Set, Wanted};

    fn tagged(params: &serde_json::Value, text: &str) -> Result<[Option<f64>; 2]> {
        let params = params.as_object().unwrap().clone();
        let set = Set::new(&[Wanted { tagger: "perplexity".into(), name: None, params }])?;
        let mut out = Tags::default();
        set.tag(text, "", &mut Buffers::default(), &mut Scratch::default(), &mut out);
        Ok([0, 1].map(|slot| out.spans(slot).first().map(|s| s.score)))
    }

    fn arpa(words: &[(f32, &str)]) -> String {
        let words: String = words.iter().map(|(log10, word)| format!("{log10}\t{word}\n")).collect();
        let count = words.lines().count() + 3;
        format!(
            "\\data\\\nngram 1={count}\n\n\\1-grams:\n-1.0\t<unk>\n0\t<s>\n-0.5\t</s>\n{words}\n\\end\\\n"
        )
    }

    #[test]
    fn perplexity_is_that_of_the_words_and_line_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.arpa");
        std::fs::write(&path, arpa(&[(-0.25, "a")])).unwrap();
        let found = tagged(&serde_json::json!({"model": path}), "a b\n\na").unwrap();
        // a, an unknown word, the end; a, the end: 0.25 + 1 + 0.5 + 0.25 + 0.5.
        assert!((found[1].unwrap() + 2.5).abs() < 1e-6, "{found:?}");
        assert!((found[0].unwrap() - 10f64.powf(0.5)).abs() < 1e-5);
        assert_eq!(tagged(&serde_json::json!({"model": path}), " \n").unwrap(), [None, None]);
        // With its lines normalised: both words are a now.
        let found = tagged(&serde_json::json!({"model": path, "normalise": "ccnet"}), "A\u{c1}\nÀ").unwrap();
        assert!((found[1].unwrap() + 1.0 + 0.5 + 0.25 + 0.5).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn pieces_are_scored_as_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let [path, pieces] = ["m.arpa", "m.sp.model"].map(|name| dir.path().join(name));
        std::fs::write(&path, arpa(&[(-0.25, "\u{2581}a"), (-0.125, "b"), (-2.0, "\u{2581}0")])).unwrap();
        let vocabulary = [("\u{2581}a", -1.0), ("b", -1.5), ("\u{2581}0", -2.0)];
        std::fs::write(&pieces, model(&vocabulary, &[])).unwrap();
        let of = |normalise: &str, text: &str| {
            tagged(&serde_json::json!({"model": path, "sentencepiece": pieces, "normalise": normalise}), text)
        };
        // ▁a b ▁a b ▁0 and the end; the line feed is gone, and the accent.
        let found = of("ccnet", " \u{c1}b Ab\n 7\n").unwrap();
        let sum = -(0.25 + 0.125 + 0.25 + 0.125 + 2.0 + 0.5);
        assert!((found[1].unwrap() - sum).abs() < 1e-6, "{found:?}");
        assert!((found[0].unwrap() - 10f64.powf(-sum / 6.0)).abs() < 1e-5, "{found:?}");
        assert!(of("ccnet", "ab 77").unwrap()[1] < of("datatrove", "ab 77").unwrap()[1]);
        let error = of("nfc", "x").unwrap_err().to_string();
        assert!(error.contains("`normalise`") && error.contains("`ccnet` or `datatrove`"), "{error}");
        std::fs::write(&pieces, model(&vocabulary, &[Field::ModelType(2)])).unwrap();
        let error = of("ccnet", "x").unwrap_err().to_string();
        assert!(error.contains("m.sp.model") && error.contains("BPE"), "{error}");
    }
}
