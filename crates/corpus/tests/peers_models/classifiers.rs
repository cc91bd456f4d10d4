//! fastText's models in our reader, and ours in fastText.

use std::path::Path;

use regimen_corpus::fasttext::{self, Model, Options, Prediction, Scratch};

use super::{damaged, documents, folder, python, run_python};

/// Texts on which cutting goes astray.
const ODD: &[&str] = &[
    "",
    " ",
    "</s>",
    "the end </s> is near",
    "__label__transport __label__nothing words after labels",
    "tabs\tand\rreturns \u{b} and \u{c} feeds, two  spaces",
    "zero\u{0}byte",
    "naïve café Ω ≈ ∑ Straße Ελληνικά русский 日本語 한국어 العربية हिन्दी",
    "no\u{a0}break a\u{2003}b e\u{301}",
    "👍🏽 👩‍👩‍👧 🇩🇪",
    "a",
    "< > <> <a>",
];
/// Largest difference of a probability.
const TOLERANCE: f32 = 1e-5;

type Answers = Vec<(Vec<String>, Vec<f32>)>;

/// Lines to train on (few labels, many labels), and texts to classify.
fn material(folder: &Path) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut few, mut many, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (source, text)) in documents().iter().enumerate() {
        for (part, lines) in text.lines().collect::<Vec<_>>().chunks(8).enumerate().take(2) {
            let text: String = lines.join(" ").chars().take(600).collect();
            if (number + part) % 2 == 0 && texts.len() < 1400 {
                texts.push(text);
            } else if few.len() < 1500 {
                let word = text.split_whitespace().next().unwrap_or("none");
                few.push(fasttext::line(source, &text));
                many.push(fasttext::line(word, &text));
            }
        }
    }
    texts.extend(ODD.iter().map(|text| (*text).to_owned()));
    texts.push(format!("{}{}", "x".repeat(5000), "yż".repeat(2000)));
    std::fs::write(folder.join("few.txt"), few.join("\n") + "\n").unwrap();
    std::fs::write(folder.join("many.txt"), many.join("\n") + "\n").unwrap();
    std::fs::write(folder.join("texts.json"), serde_json::to_vec(&texts).unwrap()).unwrap();
    assert!(texts.len() > 1000, "{} texts", texts.len());
    (few, many, texts)
}

/// Compare a model's predictions with fastText's; gives back the largest difference.
fn compare(name: &str, model: &Model, texts: &[String], answers: &Answers) -> f32 {
    assert_eq!(texts.len(), answers.len());
    let mut largest = 0.0f32;
    let mut scratch = Scratch::default();
    let mut found: Vec<Prediction<'_>> = Vec::new();
    for (text, (labels, chances)) in texts.iter().zip(answers) {
        model.predict_with(&mut scratch, text.as_bytes(), 5, &mut found).unwrap();
        let ours: Vec<&str> = found.iter().map(|p| p.label).collect();
        assert_eq!(ours, *labels, "{name}: {text:?} {found:?} {chances:?}");
        for (prediction, chance) in found.iter().zip(chances) {
            largest = largest.max((prediction.probability - chance).abs());
            let alone = model.probability_with(&mut scratch, text.as_bytes(), prediction.label).unwrap();
            assert_eq!(alone, Some(prediction.probability), "{name}: {text:?} {}", prediction.label);
        }
    }
    eprintln!(
        "{name}: {} labels, {} texts, largest difference {largest:.2e}",
        model.labels().len(),
        texts.len()
    );
    assert!(largest <= TOLERANCE, "{name}: {largest}");
    largest
}

fn answers(folder: &Path, name: &str) -> Answers {
    serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap()
}

#[test]
fn models_of_every_kind_predict_what_fasttext_predicts() {
    let Some(python) = python() else { return };
    let folder = folder("fasttext");
    let (_, _, texts) = material(&folder);
    run_python(&python, "fasttext_peer.py", &["train", folder.to_str().unwrap()]);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".bin") || name.ends_with(".ftz"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 17, "{names:?}");
    for name in names {
        let model = Model::open(&folder.join(&name)).unwrap();
        compare(&name, &model, &texts, &answers(&folder, &name));
        for bytes in damaged(&std::fs::read(folder.join(&name)).unwrap()) {
            if let Ok(model) = Model::from_bytes(bytes, &name) {
                let _ = model.predict(&texts[0], 3);
            }
        }
    }
}

#[test]
fn fasttext_opens_what_we_train() {
    let Some(python) = python() else { return };
    let folder = folder("trained");
    let (few, _, texts) = material(&folder);
    for (name, options) in [
        ("words.bin", Options { dim: 8, ..Options::default() }),
        (
            "bigrams.bin",
            Options { dim: 16, word_ngrams: 2, bucket: 3000, min_count: 2, ..Options::default() },
        ),
        ("characters.bin", Options { dim: 12, minn: 2, maxn: 4, bucket: 3000, ..Options::default() }),
    ] {
        let bytes = fasttext::train(&few, &options).unwrap();
        std::fs::write(folder.join(name), &bytes).unwrap();
        run_python(&python, "fasttext_peer.py", &["predict", folder.to_str().unwrap(), name]);
        let model = Model::from_bytes(bytes, name).unwrap();
        compare(name, &model, &texts, &answers(&folder, name));
    }
}
