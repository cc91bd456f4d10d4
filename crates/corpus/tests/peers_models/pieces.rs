//! SentencePiece's unigram models in our reader: the same pieces. CCNet's normalisation before them: the same texts.

use regimen_corpus::kenlm::Normal;
use regimen_corpus::sentencepiece::{Model, Room};

use super::{damaged, documents, folder, python, run_python};

/// Lines on which normalising and cutting go astray.
const ODD: &[&str] = &[
    "",
    " ",
    "  two  spaces\tand\u{3000}others\u{a0}\u{2003}\u{200b}. ",
    "\u{2581}marks \u{2581}\u{2581} as text\u{2581}",
    "[MASK] the[MASK]the of [MAS ab abab",
    "zero\u{0}byte \u{1}\u{1f}\u{7f}\u{85}\u{9f}\u{ad}\u{feff}",
    "ﬁ ﬂ ㍿ ﷺ Ⅷ ½ ㎏ e\u{301}\u{323} 한 \u{1112}\u{1161}\u{11ab} ＡＢＣ１２",
    "<unk> <s> </s> <0xE4> </w>",
    "👍🏽 👩‍👩‍👧 🇩🇪 \u{e0100}\u{10ffff}",
    "Ελληνικά русский 日本語の文章 한국어 العربية हिन्दी ไทย",
    "line\nfeeds\r\nin\u{2028}it",
];

/// Lines to train on, and others to cut: texts, and characters of all of Unicode by chance.
fn material() -> (Vec<String>, Vec<String>) {
    let (mut train, mut lines): (Vec<String>, Vec<String>) = Default::default();
    for (_, text) in documents() {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if train.len() <= 2 * lines.len() {
                train.push(line.chars().take(2000).collect());
            } else {
                lines.push(line.to_owned());
            }
        }
        if lines.len() >= 6000 {
            break;
        }
    }
    lines.truncate(6000);
    let mut random = regimen_base::Philox::new(9, &["pieces"]);
    for round in 0..3000u64 {
        // Some from everywhere, some from one block and so alike, some letters among them.
        let block = 128 * random.below(0x11_0000 / 128);
        let one = |random: &mut regimen_base::Philox| {
            let any = match (round % 3, random.below(4)) {
                (_, 0) => 32 + random.below(96),
                (0, _) => random.below(0x11_0000),
                (1, _) => block + random.below(128),
                _ => random.below(0x3000),
            };
            char::from_u32(any as u32)
        };
        lines.push((0..1 + random.below(40)).filter_map(|_| one(&mut random)).collect());
    }
    lines.extend(ODD.iter().map(|line| (*line).to_owned()));
    lines.push(format!("{}{}", "x".repeat(5000), "yż ".repeat(2000)));
    lines.push(lines[..400].join("\n"));
    (train, lines)
}

#[test]
fn models_of_every_kind_cut_as_sentencepiece_cuts() {
    let Some(python) = python() else { return };
    let folder = folder("pieces");
    let (train, lines) = material();
    assert!(train.len() > 6000 && lines.len() > 9000, "{} and {} lines", train.len(), lines.len());
    std::fs::write(folder.join("train.txt"), train.join("\n") + "\n").unwrap();
    std::fs::write(folder.join("lines.json"), serde_json::to_vec(&lines).unwrap()).unwrap();
    run_python(&python, "pieces_peer.py", &[folder.to_str().unwrap()]);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().to_string_lossy().strip_suffix(".model").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert_eq!(names.len(), 10, "{names:?}");
    for name in names {
        let path = folder.join(format!("{name}.model"));
        if name == "bpe" {
            assert!(Model::open(&path).unwrap_err().to_string().contains("BPE"));
            continue;
        }
        let model = Model::open(&path).unwrap();
        let answers: Vec<Vec<String>> =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(answers.len(), lines.len());
        let (mut room, mut count) = (Room::default(), 0);
        for (line, answer) in lines.iter().zip(&answers) {
            let mut found: Vec<String> = Vec::new();
            model.encode(&mut room, line, |piece| found.push(piece.to_owned()));
            assert_eq!(found, *answer, "{name}: {line:?}");
            count += found.len();
        }
        eprintln!("{name}: {} lines, {count} pieces", lines.len());
        for bytes in damaged(&std::fs::read(&path).unwrap()) {
            if let Ok(model) = Model::from_bytes(&bytes, &name) {
                model.pieces(&lines[0]);
            }
        }
    }
    let rows = std::fs::read(folder.join("normal.txt")).unwrap();
    let rows: Vec<Option<[String; 2]>> = serde_json::from_slice(&rows).unwrap();
    let mut compared = 0;
    for (line, row) in lines.iter().zip(&rows).filter_map(|(line, row)| Some((line, row.as_ref()?))) {
        for ((name, normal), expected) in Normal::NAMES.iter().zip(row) {
            let mut out = String::new();
            normal.apply(line, &mut out);
            assert_eq!(out, *expected, "{name}: {line:?}");
        }
        compared += 1;
    }
    assert!(compared > 6000, "{compared} lines");
    eprintln!("normalised: {compared} lines");
}
