//! KenLM's models in our reader.

use regimen_corpus::kenlm::Model;

use super::{damaged, documents, folder, python, run_python};

/// Largest difference of a log10-probability.
const TOLERANCE: f32 = 1e-4;

#[derive(serde::Deserialize)]
struct Answer {
    score: f32,
    inner: f32,
    perplexity: f64,
    words: Vec<f32>,
    lengths: Vec<usize>,
    unknown: Vec<bool>,
}

#[test]
fn models_of_every_kind_score_what_kenlm_scores() {
    let Some(python) = python() else { return };
    let folder = folder("kenlm");
    let (mut train, mut sentences): (Vec<String>, Vec<String>) = Default::default();
    for (_, text) in documents() {
        for sentence in text.split_inclusive(['.', '\n']).map(str::trim).filter(|s| s.split(' ').count() > 2)
        {
            if train.len() <= 2 * sentences.len() {
                train.push(sentence.to_lowercase().replace(['<', '>', '\0'], " "));
            } else if sentences.len() < 1200 {
                sentences.push(sentence.to_lowercase().replace('\0', " "));
            }
        }
        if sentences.len() >= 1200 {
            break;
        }
    }
    sentences.extend(
        ["", " ", "the <unk> of <UNK>", "the\tsea \u{b}of \u{c} state", "the\u{a0}sea"].map(str::to_owned),
    );
    sentences.push(sentences.concat().chars().take(60_000).collect());
    std::fs::write(folder.join("train.json"), serde_json::to_vec(&train).unwrap()).unwrap();
    std::fs::write(folder.join("sentences.json"), serde_json::to_vec(&sentences).unwrap()).unwrap();
    run_python(&python, "kenlm_peer.py", &[folder.to_str().unwrap()]);
    let packed = zstd::encode_all(std::fs::File::open(folder.join("four.arpa")).unwrap(), 1).unwrap();
    std::fs::write(folder.join("four.arpa.zst"), packed).unwrap();
    std::fs::copy(folder.join("four.arpa.json"), folder.join("four.arpa.zst.json")).unwrap();

    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().to_string_lossy().strip_suffix(".json").map(str::to_owned)
        })
        .filter(|name| !["train", "sentences"].contains(&name.as_str()))
        .collect();
    names.sort();
    assert_eq!(names.len(), 6 + 4 * 7, "{names:?}");
    for name in names {
        let model = Model::open(&folder.join(&name)).unwrap();
        let answers: Vec<Answer> =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        assert!(sentences.len() > 1000 && sentences.len() == answers.len());
        let mut largest = 0.0f32;
        for (sentence, answer) in sentences.iter().zip(&answers) {
            let score = model.score(sentence, true, true);
            largest = largest.max((score - answer.score).abs());
            largest = largest.max((model.score(sentence, false, false) - answer.inner).abs());
            let perplexity = model.perplexity(sentence);
            assert!((perplexity / answer.perplexity - 1.0).abs() < 1e-6, "{name}: {sentence:?} {perplexity}");
            let mut state = model.begin();
            let words =
                sentence.split([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']).filter(|word| !word.is_empty());
            let mut scores: Vec<_> = words.map(|word| model.word(&mut state, word)).collect();
            scores.push(model.end(&mut state));
            assert_eq!(scores.len(), answer.lengths.len(), "{sentence:?}");
            for (i, score) in scores.iter().enumerate() {
                largest = largest.max((score.log10 - answer.words[i]).abs());
                assert_eq!(score.unknown, answer.unknown[i], "{name}: {sentence:?}, word {i}");
                if !name.starts_with("pruned") {
                    assert_eq!(score.length, answer.lengths[i], "{name}: {sentence:?}, word {i}");
                }
            }
        }
        eprintln!(
            "{name}: order {}, {} sentences, largest difference {largest:.2e}",
            model.order(),
            answers.len()
        );
        assert!(largest <= TOLERANCE, "{name}: {largest}");
        for bytes in damaged(&std::fs::read(folder.join(&name)).unwrap()) {
            if let Ok(model) = Model::from_bytes(bytes, &name) {
                model.score(&sentences[0], true, true);
            }
        }
    }
}
