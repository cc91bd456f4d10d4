//! `regimen corpus classifier`: a model of tiny documents, with which others are tagged rightly.

use serde_json::{Value, json};

use crate::common::data::Dice;
use crate::common::{Done, Project};

const SEA: [&str; 8] = ["whale", "harbour", "tide", "sail", "anchor", "reef", "wave", "gull"];
const LAND: [&str; 8] = ["horse", "valley", "field", "road", "barn", "hill", "forest", "plough"];
const BOTH: [&str; 8] = ["the", "a", "of", "old", "near", "was", "seen", "and"];

/// Thirteen words, of which about half are of one kind. What looks like a label is text like other text.
fn text(dice: &mut Dice, of: &[&str]) -> String {
    let words: Vec<&str> = (0..12)
        .map(|_| {
            let from = if dice.below(2) == 0 { of } else { &BOTH };
            from[dice.below(8) as usize]
        })
        .collect();
    format!("{} {}\n__label__sea {}", of[dice.below(8) as usize], words[..6].join(" "), words[6..].join(" "))
}

fn row(dice: &mut Dice, label: &str, number: usize) -> String {
    let text = text(dice, if label == "sea" { &SEA } else { &LAND });
    format!("{}\n", json!({"id": format!("{label}-{number}"), "text": text}))
}

/// Three hundred documents of each kind in Dolma's layout, and a hundred more of both in one folder.
fn labelled() -> Project {
    let project = Project::empty();
    let mut dice = Dice(3);
    for label in ["sea", "land"] {
        for file in 0..3 {
            let rows: String = (0..100).map(|i| row(&mut dice, label, i)).collect();
            project.write(&format!("{label}/documents/{file}.jsonl"), rows);
        }
    }
    let rows: String = (0..100).map(|i| row(&mut dice, if i % 2 == 0 { "sea" } else { "land" }, i)).collect();
    project.write("new/documents/0.jsonl", rows);
    project
}

/// Train a small model on both folders.
fn train(project: &Project, more: &[&str]) -> Done {
    let args = ["corpus", "classifier", "--label", "sea=sea", "--label", "land=land/documents/*.jsonl"];
    let small = ["--dim", "8", "--epochs", "10", "--lr", "0.5"];
    project.run(&[&args[..], &small, more].concat())
}

/// Tag the new documents, and count those for which the label is the likeliest as it should be.
fn rightly_tagged(project: &Project, model: &str) -> usize {
    let (model_is, name) = (format!("fasttext.model={model}"), model.replace('.', "_"));
    let args = ["corpus", "tag", "new", "--taggers", "fasttext", "--experiment", &name, "--param", &model_is];
    project.run(&[&args[..], &["--param", "fasttext.label=sea"]].concat()).fine();
    let rows = project.read(&format!("new/attributes/{name}/0.jsonl"));
    let right = |row: &Value| {
        let id = row["id"].as_str().unwrap();
        let score = row["attributes"][format!("{name}__fasttext__score")][0][2].as_f64().unwrap();
        id.starts_with("sea") == (score > 0.5)
    };
    rows.lines().filter(|row| right(&serde_json::from_str(row).unwrap())).count()
}

#[test]
fn a_trained_model_tags_other_documents_rightly() {
    let project = labelled();
    let told = train(&project, &["--to", "m.bin", "--json"]).fine().json();
    let (train_texts, held_back) = (told["train"].as_u64().unwrap(), told["validation"].as_u64().unwrap());
    assert_eq!((train_texts + held_back, told["empty"].as_u64()), (600, Some(0)));
    assert!((30..100).contains(&held_back), "a tenth: {held_back}");
    assert!(told["accuracy"].as_f64().unwrap() > 0.95, "{told}");
    let labels: Vec<&str> =
        told["labels"].as_array().unwrap().iter().map(|of| of["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["land", "sea"], "a word of a text became a label, or none");
    for of in told["labels"].as_array().unwrap() {
        assert!(
            ["precision", "recall", "f1", "auc"].iter().all(|name| of[name].as_f64().unwrap() > 0.95),
            "{of}"
        );
    }
    let model = std::fs::read(project.path("m.bin")).unwrap();
    assert_eq!(told["model_bytes"], model.len());
    assert!(rightly_tagged(&project, "m.bin") > 95);

    // The same bytes with any number of threads, others with another seed.
    train(&project, &["--to", "again.bin", "--threads", "3"]).fine();
    train(&project, &["--to", "seed.bin", "--seed", "1"]).fine();
    assert!(model == std::fs::read(project.path("again.bin")).unwrap());
    assert!(model != std::fs::read(project.path("seed.bin")).unwrap());

    // A small one, with n-grams; the table for people.
    let more = ["--word-ngrams", "2", "--minn", "2", "--maxn", "3", "--bucket", "3000"];
    train(&project, &[&["--to", "grams.bin"], &more[..]].concat()).fine();
    let done = train(&project, &[&["--to", "grams.ftz"], &more[..]].concat()).fine();
    let rows: Vec<&str> = done.stdout.lines().collect();
    assert!(rows.len() == 3 && rows[0].contains("AUC") && rows[2].starts_with("sea"), "{}", done.stdout);
    assert!(done.stderr.contains("in 2 labels") && done.stderr.contains("told rightly"), "{}", done.stderr);
    let size = |name: &str| std::fs::metadata(project.path(name)).unwrap().len();
    assert!(2 * size("grams.ftz") < size("grams.bin"));
    assert!(rightly_tagged(&project, "grams.ftz") > 95);
}

#[test]
fn lines_of_fasttext_are_taken_too() {
    let project = Project::empty();
    let mut dice = Dice(4);
    let lines: String = (0..400)
        .map(|i| {
            let (label, of) = if i % 2 == 0 { ("sea", &SEA) } else { ("land", &LAND) };
            format!("__label__{label} {}\n", text(&mut dice, of).replace("\n__label__sea", ""))
        })
        .collect();
    project.write("train.txt", &lines);
    let small = ["--dim", "8", "--epochs", "10", "--lr", "0.5", "--to", "m.bin", "--json"];
    let with = |more: &[&str]| {
        project.run(&[&["corpus", "classifier", "--lines", "train.txt"], more, &small[..]].concat())
    };
    let told = with(&["--validation", "0"]).fine().json();
    assert_eq!(
        (&told["train"], &told["validation"], &told["accuracy"]),
        (&400.into(), &0.into(), &Value::Null)
    );
    // With documents beside them, whose label they share.
    project.write("more.jsonl", format!("{}\n{}\n", json!({"text": "a reef"}), json!({"text": " "})));
    let told = with(&["--label", "sea=more.jsonl", "--validation", "0.2"]).fine().json();
    assert_eq!(told["train"].as_u64().unwrap() + told["validation"].as_u64().unwrap(), 401);
    assert_eq!((told["labels"].as_array().unwrap().len(), &told["empty"]), (2, &1.into()));
    project.write("train.txt", format!("{lines}a line of no kind\n"));
    with(&[]).refused(&["`train.txt`, line 401", "no label"]);
}

#[test]
fn texts_that_no_model_can_be_made_of_are_refused() {
    let project = labelled();
    let refused = |args: &[&str], words: &[&str]| {
        let done = project.run(&[&["corpus", "classifier"], args].concat()).refused(words);
        assert!(done.stdout.is_empty() && !project.path("m.bin").exists(), "{args:?}");
    };
    let to = ["--to", "m.bin"];
    let both = ["--label", "sea=sea", "--label", "land=land", "--to", "m.bin"];
    refused(&to, &["--label"]);
    refused(&["--label", "sea=sea", "--to", "m.bin"], &["all texts have the label `sea`"]);
    refused(&["--label", "=sea", "--label", "land=land", "--to", "m.bin"], &["a label is empty"]);
    refused(&["--label", "a b=sea", "--label", "land=land", "--to", "m.bin"], &["`a b`", "space"]);
    refused(&["--label", "sea", "--to", "m.bin"], &["`--label sea`", "LABEL=DOCUMENTS"]);
    refused(&["--label", "sea=nowhere", "--label", "land=land", "--to", "m.bin"], &["nowhere"]);
    project.write("blank.jsonl", "{\"text\": \"\"}\n{\"text\": \"\\n\"}\n");
    refused(&[&both[..], &["--label", "none=blank.jsonl"]].concat(), &["`none` has no text with a word"]);
    project.write("one.jsonl", "{\"text\": \"lonely\"}\n");
    refused(&[&both[..], &["--label", "one=one.jsonl", "--validation", "0.999999"]].concat(), &["held back"]);
    refused(&[&both[..], &["--validation", "1"]].concat(), &["a share of 1"]);
    refused(&[&both[..], &["--maxn", "2", "--minn", "3"]].concat(), &["minn"]);
    refused(&[&both[..], &["--lr", "0"]].concat(), &["learning rate"]);
    refused(&[&both[..], &["--lr", "1e9", "--dim", "2"]].concat(), &["learning rate"]);
    refused(&[&both[..], &["--memory", "1KB"]].concat(), &["memory"]);
    refused(&[&both[..], &["--memory", "2MB", "--word-ngrams", "2"]].concat(), &["200", "memory"]);
    project.write("bad.jsonl", "{\"text\": \"x\"}\n{\"txt\": 7}\n");
    refused(&[&both[..], &["--label", "bad=bad.jsonl"]].concat(), &["`bad.jsonl`, line 2", "`text`"]);
    let done =
        project.run(&["corpus", "classifier", "--label", "sea=sea", "--label", "land=land", "--to", "m.txt"]);
    done.refused(&["`m.txt`", ".bin"]);
    // The model takes no text's place.
    std::fs::copy(project.path("sea/documents/0.jsonl"), project.path("texts.bin")).unwrap();
    let over =
        ["corpus", "classifier", "--label", "sea=texts.bin", "--label", "land=land", "--to", "./texts.bin"];
    project.run(&over).refused(&["would be written over"]);
    // Nor does it lie among them, where the next step would read it.
    train(&project, &["--to", "sea/documents/q.bin"]).refused(&["sea/documents/q.bin", "the next time"]);
    train(&project, &["--to", "land/documents/new/q.ftz"]).refused(&["land/documents", "the next time"]);
    assert!(!project.path("sea/documents/q.bin").exists() && !project.path("land/documents/new").exists());
}
