//! Models that are written here byte by byte, and read by the plainest arithmetic there is, in f64.

use std::collections::HashMap;

use proptest::prelude::*;
use regimen_base::Philox;

use super::dictionary::Cut;
use super::{MAGIC, Model, Options, line, train};
use crate::error::Error;

const VOCABULARY: &[&str] = &["</s>", "the", "sea", "naïve", "日本", "x", "whale-oil", "_"];
const LABELS: &[(&str, i64)] =
    &[("__label__en", 90), ("__label__de", 40), ("__label__fr", 22), ("__label__日", 9), ("__label__e", 3)];

/// A model in the plainest form.
struct Toy {
    /// All words, or the end of the line alone.
    words: &'static [&'static str],
    version: i32,
    dim: usize,
    loss: i32,
    cut: Cut,
    /// Rows of n-grams that were kept.
    kept: Option<Vec<(i32, i32)>>,
    input: Numbers,
    output: Numbers,
}

enum Numbers {
    Dense(Vec<Vec<f32>>),
    /// Codes, width of a part, centroids of each part, and the codes and lengths of norms.
    Quantised(Vec<Vec<u8>>, usize, Vec<Vec<Vec<f32>>>, Option<(Vec<u8>, Vec<f32>)>),
}

fn number(random: &mut Philox) -> f32 {
    (random.uniform() * 4.0 - 2.0) as f32
}

impl Numbers {
    fn random(random: &mut Philox, rows: usize, dim: usize, quantised: bool) -> Numbers {
        let mut vector = |n: usize| -> Vec<f32> { (0..n).map(|_| number(random)).collect() };
        if !quantised {
            return Numbers::Dense((0..rows).map(|_| vector(dim)).collect());
        }
        let width = 1 + (vector(1)[0].abs() * 2.0) as usize;
        let parts = dim.div_ceil(width);
        let centroids: Vec<Vec<Vec<f32>>> = (0..parts)
            .map(|part| (0..256).map(|_| vector(width.min(dim - part * width))).collect())
            .collect();
        let lengths = vector(256);
        let with_norms = vector(1)[0] > 0.0;
        let mut codes = |n: usize| -> Vec<u8> { (0..n).map(|_| random.below(256) as u8).collect() };
        let rows_of_codes = (0..rows).map(|_| codes(parts)).collect();
        let norms = with_norms.then(|| (codes(rows), lengths));
        Numbers::Quantised(rows_of_codes, width, centroids, norms)
    }

    fn row(&self, row: usize) -> Vec<f64> {
        match self {
            Numbers::Dense(rows) => rows[row].iter().map(|&x| f64::from(x)).collect(),
            Numbers::Quantised(codes, _, centroids, norms) => {
                let norm =
                    norms.as_ref().map_or(1.0, |(codes, lengths)| f64::from(lengths[codes[row] as usize]));
                let parts = codes[row].iter().zip(centroids);
                parts
                    .flat_map(|(&code, part)| part[code as usize].iter().map(|&x| f64::from(x) * norm))
                    .collect()
            }
        }
    }

    fn write(&self, dim: usize, out: &mut Vec<u8>) {
        let floats =
            |out: &mut Vec<u8>, numbers: &[f32]| numbers.iter().for_each(|x| out.extend(x.to_le_bytes()));
        match self {
            Numbers::Dense(rows) => {
                out.extend((rows.len() as i64).to_le_bytes());
                out.extend((dim as i64).to_le_bytes());
                rows.iter().for_each(|row| floats(out, row));
            }
            Numbers::Quantised(codes, width, centroids, norms) => {
                out.push(u8::from(norms.is_some()));
                out.extend((codes.len() as i64).to_le_bytes());
                out.extend((dim as i64).to_le_bytes());
                let flat = codes.concat();
                out.extend((flat.len() as i32).to_le_bytes());
                out.extend(flat);
                let last = dim - (centroids.len() - 1) * width;
                for x in [dim, centroids.len(), *width, last] {
                    out.extend((x as i32).to_le_bytes());
                }
                centroids.iter().flatten().for_each(|centroid| floats(out, centroid));
                if let Some((codes, lengths)) = norms {
                    out.extend(codes);
                    [1i32; 4].iter().for_each(|x| out.extend(x.to_le_bytes()));
                    floats(out, lengths);
                }
            }
        }
    }
}

impl Toy {
    fn random(seed: u64, loss: i32) -> Toy {
        let mut random = Philox::new(seed, &["toy"]);
        let maxn = random.below(5) as i32;
        // Rows of whole cache lines are kept in another way.
        let dim = [1, 5, 16, 32][random.below(4) as usize];
        let cut = Cut {
            word_ngrams: 1 + random.below(3) as i32,
            bucket: 1 + random.below(60) as i32,
            minn: random.below(4) as i32,
            maxn,
        };
        let quantised = random.below(2) == 1;
        let kept = (quantised && random.below(3) > 0).then(|| {
            let kept = (0..cut.bucket).filter(|_| random.below(3) == 0).collect::<Vec<_>>();
            kept.into_iter().enumerate().map(|(row, ngram)| (ngram, row as i32)).collect::<Vec<_>>()
        });
        let words = &VOCABULARY[..[1, VOCABULARY.len()][random.below(2) as usize]];
        let rows = words.len() + kept.as_ref().map_or(cut.bucket as usize, Vec::len);
        let version = 11 + random.below(2) as i32;
        let input = Numbers::random(&mut random, rows, dim, quantised);
        let quantised_output = quantised && random.below(2) == 1;
        let output = Numbers::random(&mut random, LABELS.len(), dim, quantised_output);
        Toy { words, version, dim, loss, cut, kept, input, output }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Cut { word_ngrams, bucket, minn, maxn } = self.cut;
        let header = [
            MAGIC,
            self.version,
            self.dim as i32,
            5,
            5,
            1,
            5,
            word_ngrams,
            self.loss,
            3,
            bucket,
            minn,
            maxn,
            100,
        ];
        header.iter().for_each(|x| out.extend(x.to_le_bytes()));
        out.extend(1e-4f64.to_le_bytes());
        for size in [self.words.len() + LABELS.len(), self.words.len(), LABELS.len()] {
            out.extend((size as i32).to_le_bytes());
        }
        out.extend(1000i64.to_le_bytes());
        out.extend(self.kept.as_ref().map_or(-1, |kept| kept.len() as i64).to_le_bytes());
        for (kind, text, count) in
            self.words.iter().map(|w| (0, *w, 7)).chain(LABELS.iter().map(|(l, n)| (1, *l, *n)))
        {
            out.extend(text.as_bytes());
            out.push(0);
            out.extend(i64::to_le_bytes(count));
            out.push(kind);
        }
        for (ngram, row) in self.kept.iter().flatten() {
            out.extend(ngram.to_le_bytes());
            out.extend(row.to_le_bytes());
        }
        for numbers in [&self.input, &self.output] {
            out.push(u8::from(matches!(numbers, Numbers::Quantised(..))));
            numbers.write(self.dim, &mut out);
        }
        out
    }

    /// Rows of a text, from the definition.
    fn rows(&self, text: &str) -> Vec<usize> {
        let words: HashMap<&str, usize> = self.words.iter().enumerate().map(|(i, w)| (*w, i)).collect();
        let fnv = |text: &str| {
            text.bytes().fold(2_166_136_261_i64, |h, byte| {
                let signed = i64::from(byte as i8).rem_euclid(1 << 32);
                ((h ^ signed) * 16_777_619) % (1 << 32)
            })
        };
        let bucket = |n: i64| -> Option<usize> {
            let kept = self.kept.as_ref();
            let row = kept.map_or(Some(n as usize), |kept| {
                kept.iter().find(|(ngram, _)| i64::from(*ngram) == n).map(|(_, row)| *row as usize)
            });
            row.map(|row| row + self.words.len())
        };
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        let spaced = text.replace(['\n', '\r', '\t', '\u{b}', '\u{c}', '\0'], " ");
        for token in spaced.split(' ').filter(|t| !t.is_empty()).chain(["</s>"]) {
            if LABELS.iter().any(|(label, _)| *label == token)
                || token.starts_with("__label__") && !words.contains_key(token)
            {
                continue;
            }
            hashes.push(fnv(token));
            rows.extend(words.get(token));
            if token == "</s>" {
                break;
            }
            let marked: Vec<char> = format!("<{token}>").chars().collect();
            let maxn = if self.version == 11 { 0 } else { self.cut.maxn as usize };
            for start in 0..marked.len() {
                for n in 1..=maxn.min(marked.len() - start) {
                    let ngram: String = marked[start..start + n].iter().collect();
                    let mark = n == 1 && (start == 0 || start + 1 == marked.len());
                    if n >= self.cut.minn as usize && !mark {
                        rows.extend(bucket(fnv(&ngram) % i64::from(self.cut.bucket)));
                    }
                }
            }
        }
        let signed = |hash: i64| if hash < 1 << 31 { hash } else { hash - (1 << 32) } as i128;
        for start in 0..hashes.len() {
            let mut hash = signed(hashes[start]);
            for next in hashes.iter().skip(start + 1).take(self.cut.word_ngrams as usize - 1) {
                hash = (hash * 116_049_371 + signed(*next)).rem_euclid(1 << 64);
                rows.extend(bucket((hash % i128::from(self.cut.bucket)) as i64));
            }
        }
        rows
    }

    /// The probability of each label.
    fn probabilities(&self, text: &str) -> Vec<f64> {
        let rows = self.rows(text);
        let mut hidden = vec![0.0; self.dim];
        for &row in &rows {
            for (sum, x) in hidden.iter_mut().zip(self.input.row(row)) {
                *sum += x / rows.len() as f64;
            }
        }
        let dot = |row: usize| -> f64 { self.output.row(row).iter().zip(&hidden).map(|(x, y)| x * y).sum() };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let labels = LABELS.len();
        match self.loss {
            1 => {
                let mut chances = vec![1.0; labels];
                let mut trees: Vec<(i64, Vec<usize>)> =
                    LABELS.iter().enumerate().map(|(i, l)| (l.1, vec![i])).collect();
                for node in 0..labels - 1 {
                    trees.sort();
                    let (first, second) = (trees.remove(0), trees.remove(0));
                    let p = sigmoid(dot(node));
                    first.1.iter().for_each(|&label| chances[label] *= 1.0 - p);
                    second.1.iter().for_each(|&label| chances[label] *= p);
                    trees.push((first.0 + second.0, [first.1, second.1].concat()));
                }
                chances
            }
            3 => {
                let sum: f64 = (0..labels).map(|row| dot(row).exp()).sum();
                (0..labels).map(|row| dot(row).exp() / sum).collect()
            }
            _ => (0..labels).map(|row| sigmoid(dot(row))).collect(),
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        prop::sample::select(VOCABULARY).prop_map(str::to_owned),
        prop::sample::select(LABELS).prop_map(|l| l.0.to_owned()),
        "__label__[a-z]?",
        "\\PC{0,6}",
        "[!-~]{100,300}",
    ];
    let space = prop::sample::select(&[" ", "\n", "\t ", "\r\n", "\0", "\u{b}", "\u{a0}"][..]);
    proptest::collection::vec((token, space), 0..12)
        .prop_map(|pairs| pairs.into_iter().map(|(token, space)| token + space).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_model_means_what_its_definition_says(seed: u64, loss in 1i32..5, text in texts()) {
        let toy = Toy::random(seed, loss);
        let model = Model::from_bytes(toy.write(), "toy").unwrap();
        let found = model.predict(&text, LABELS.len()).unwrap();
        if toy.rows(&text).is_empty() {
            prop_assert!(found.is_empty());
            return Ok(());
        }
        let wanted = toy.probabilities(&text);
        // The sigmoid of fastText is a table with steps of 1/32.
        let tolerance = if loss == 2 || loss == 4 { 0.0079 } else { 5e-5 };
        // Hierarchical softmax leaves out what is below 1e-5.
        let least = wanted.iter().filter(|&&p| loss != 1 || p > 2e-5).count();
        prop_assert!((least..=LABELS.len()).contains(&found.len()));
        for (label, p) in LABELS.iter().zip(wanted) {
            let found = model.probability(&text, label.0).unwrap().unwrap();
            prop_assert!((f64::from(found) - p).abs() < tolerance, "{} {} {}", label.0, found, p);
        }
        prop_assert!(found.is_sorted_by(|a, b| a.probability >= b.probability));
        let one = model.predict(&text, 1).unwrap();
        prop_assert_eq!(one[0].probability, found[0].probability);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut with_start = [MAGIC.to_le_bytes(), 12i32.to_le_bytes()].concat();
        with_start.extend(&bytes);
        for bytes in [bytes, with_start] {
            let refused = matches!(Model::from_bytes(bytes, "x"), Err(Error::Model { .. }));
            prop_assert!(refused);
        }
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        seed: u64, loss in 1i32..5, changes in proptest::collection::vec((0.0f64..1.0, any::<u8>()), 1..4), cut in 0.0f64..1.3
    ) {
        let mut bytes = Toy::random(seed, loss).write();
        // Most changes fall on the header and the dictionary, where they matter.
        for (at, byte) in changes {
            let at = (at * at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        if let Ok(model) = Model::from_bytes(bytes, "x") {
            let _ = model.predict("the naïve sea of whale-oil and 日本語", 3);
            let _ = model.probability("the sea", "__label__de");
        }
    }
}

#[test]
fn n_grams_may_be_said_to_be_longer_than_any_word() {
    for (minn, maxn) in [(i32::MAX, 3), (i32::MAX - 4, 256), (2, 256), (255, 255)] {
        let mut toy = Toy { version: 12, kept: None, ..Toy::random(3, 3) };
        let mut random = Philox::new(7, &["toy"]);
        let rows = toy.words.len() + toy.cut.bucket as usize;
        toy.input = Numbers::random(&mut random, rows, toy.dim, false);
        toy.output = Numbers::random(&mut random, LABELS.len(), toy.dim, false);
        (toy.cut.minn, toy.cut.maxn) = (minn, maxn);
        let text = "sea ".repeat(3) + &"x".repeat(300);
        let found = Model::from_bytes(toy.write(), "toy").unwrap().probability(&text, LABELS[0].0).unwrap();
        let wanted = toy.probabilities(&text)[0];
        assert!((f64::from(found.unwrap()) - wanted).abs() < 5e-5, "{minn} {maxn} {found:?} {wanted}");
    }
}

#[test]
fn claims_beyond_the_file_are_refused() {
    let toy = Toy::random(3, 3).write();
    // Offsets of: dimension, buckets, size and words of the dictionary, kept n-grams.
    for (at, value) in [(8, i64::MAX), (40, i64::MAX), (64, 0x7fff_fff0_7fff_ffff), (84, 1 << 40)] {
        let mut bytes = toy.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes()[..4]);
        if at >= 64 {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let error = Model::from_bytes(bytes, "toy.bin").err().unwrap().to_string();
        assert!(error.starts_with("`toy.bin`, byte "), "{error}");
    }
    let message = |bytes: &[u8]| Model::from_bytes(bytes.to_vec(), "toy.bin").err().unwrap().to_string();
    assert!(
        message(&toy[..toy.len() - 1]).contains("output matrix should have"),
        "{}",
        message(&toy[..toy.len() - 1])
    );
    let mut vectors = toy.clone();
    vectors[36] = 1;
    assert!(message(&vectors).contains("word vectors"), "{}", message(&vectors));
    let mut later = toy;
    later[4] = 13;
    assert!(message(&later).contains("version 13"), "{}", message(&later));
}

#[test]
fn a_trained_model_knows_its_lines() {
    let lines: Vec<String> = (0..60)
        .map(|i| match i % 3 {
            0 => line("sea", &format!("the whale swam in the deep sea {i}")),
            1 => line("land", &format!("a horse ran over dry land {i}")),
            _ => line("sky", &format!("two birds flew through blue air {i}")),
        })
        .collect();
    let options = Options {
        dim: 8,
        learning_rate: 0.8,
        epochs: 40,
        word_ngrams: 2,
        bucket: 500,
        maxn: 3,
        minn: 2,
        ..Options::default()
    };
    let bytes = train(&lines, &options).unwrap();
    assert!(bytes == train(&lines, &options).unwrap(), "a seed fixes every byte");
    assert!(bytes != train(&lines, &Options { seed: 1, ..options }).unwrap());
    let model = Model::from_bytes(bytes, "new").unwrap();
    assert_eq!(model.labels(), ["__label__sea", "__label__land", "__label__sky"]);
    for line in &lines {
        let best = model.predict(line, 1).unwrap()[0];
        assert!(line.starts_with(best.label) && best.probability > 0.9, "{line}: {best:?}");
    }
    let lines = model.predict_lines("the whale\n\nblue birds flew", 1).unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!((lines[0][0].label, lines[2][0].label), ("__label__sea", "__label__sky"));
}

#[test]
fn files_are_mapped_and_shared() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("toy.bin");
    for bytes in [&b""[..], b"a"] {
        std::fs::write(&path, bytes).unwrap();
        let error = Model::open(&path).err().unwrap();
        assert!(matches!(error, Error::Model { .. }), "{error}");
    }
    assert!(matches!(Model::open(dir.path().join("none").as_path()), Err(Error::File(_))));
    std::fs::write(&path, Toy::random(9, 3).write()).unwrap();
    let model = Model::open(&path).unwrap();
    let alone = model.predict("the sea", 2).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(model.predict("the sea", 2).unwrap(), alone));
        }
    });
}

#[test]
fn a_token_as_long_as_the_text_needs_little_memory() {
    let mut toy = Toy::random(9, 3);
    (toy.version, toy.cut.maxn, toy.kept) = (12, 4, None);
    let rows = toy.words.len() + toy.cut.bucket as usize;
    toy.input = Numbers::random(&mut Philox::new(1, &["long"]), rows, toy.dim, false);
    toy.output = Numbers::random(&mut Philox::new(2, &["long"]), LABELS.len(), toy.dim, false);
    let model = Model::from_bytes(toy.write(), "toy").unwrap();
    let mut scratch = super::Scratch::default();
    model.predict_with(&mut scratch, "ab".repeat(1 << 19).as_bytes(), 1, &mut Vec::new()).unwrap();
    assert!(scratch.lines.capacity() < 1 << 14, "{}", scratch.lines.capacity());
}

#[test]
fn training_needs_labels() {
    let error = train(&["no label here"], &Options::default()).unwrap_err();
    assert!(error.to_string().contains("no line has a label"), "{error}");
    let error = train(&["__label__a b"], &Options { maxn: 3, bucket: 0, ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("bucket"), "{error}");
}

#[test]
fn words_that_do_not_fit_are_refused_while_they_are_counted() {
    let lines: Vec<String> = (0..20_000).map(|i| line("a", &format!("w{i} x{i}"))).collect();
    let texts: u64 = lines.iter().map(|line| line.len() as u64).sum();
    let refused = |dim, min_count, memory| {
        let options = Options { dim, min_count, memory, epochs: 1, ..Options::default() };
        match train(&lines, &options) {
            Err(Error::StepMemory { what, needed, allowed, .. }) => {
                assert_eq!(allowed, memory);
                (what, needed - memory)
            }
            other => panic!("{other:?}"),
        }
    };
    // 40,001 words with the end of the line; the label is one more row.
    let first = "a classifier of 1000 words and n-grams with dimension 100".to_string();
    assert_eq!(refused(100, 1, texts + 1000 * 800), (first, 800));
    assert_eq!(refused(1, 2, texts + 1000 * 128), ("counting 1001 different words".to_string(), 128));
    assert_eq!(refused(1, 2, texts + 40_002 * 128 - 1).1, 1);
    let memory = texts + 40_002 * 128;
    let options = Options { dim: 1, min_count: 2, memory, epochs: 1, ..Options::default() };
    let model = Model::from_bytes(train(&lines, &options).unwrap(), "new").unwrap();
    assert_eq!(model.labels(), ["__label__a"]);
}
