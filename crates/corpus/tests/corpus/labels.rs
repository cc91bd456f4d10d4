//! Labels that taggers find, such as the language of a text: kept with their documents, counted, compared, exported.

use std::path::Path;

use regimen_corpus::dolma::mix::Pack;
use regimen_corpus::inspect::{
    Filter, Labelled, NO_LABEL, Originals, Task, export, matching, measures, page, stats, values, verdicts,
};
use regimen_corpus::{Corpus, Count};
use regimen_ledger::Artifact;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{fault, plain, project, stage, texts};
use crate::exporting::rows;

const ENGLISH: &str =
    "The committee met in the morning and decided that nothing should change for the time being.";
const GERMAN: &str =
    "Der Ausschuss trat am Morgen zusammen und beschloss, dass sich vorerst nichts ändern soll.";
const JAPANESE: &str = "委員会は朝に集まり、当面は何も変えないことを決めた。";
const NUMBERS: &str = "1234 -- 5678";

const TAG: &str = "tag = [{ tagger = \"length\" }, { tagger = \"languages\" }, { tagger = \"c4@dolma\" }]\n";
const DROP: &str = "drop = ['languages.label in [\"ja\", \"zh\"]', \"length.bytes > 10000\"]\n";

fn made() -> (TempDir, Artifact) {
    let rows = [("a", ENGLISH), ("b", GERMAN), ("c", JAPANESE), ("d", NUMBERS), ("e", &GERMAN[4..])];
    let line = |(id, text): &(&str, &str)| format!("{}\n", json!({"id": id, "text": text}));
    let rows: String = rows.iter().map(line).collect();
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let artifact = stage(dir.path(), &plain("in", &format!("{TAG}{DROP}"))).unwrap();
    (dir, artifact)
}

fn label(corpus: &Corpus, ordinal: u32) -> Option<String> {
    let tags = corpus.tags(ordinal).unwrap();
    let found = tags.iter().find(|tagged| tagged.attribute.full() == "languages.label").unwrap();
    assert_eq!(found.label().is_some(), !found.spans.is_empty());
    found.label().map(str::to_string)
}

#[test]
fn every_document_knows_its_language_and_rules_compare_it() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    assert_eq!(texts(&corpus), [ENGLISH, GERMAN, NUMBERS, &GERMAN[4..]]);
    let found: Vec<_> = (0..5).map(|ordinal| label(&corpus, ordinal)).collect();
    assert_eq!(
        found.iter().map(Option::as_deref).collect::<Vec<_>>(),
        [Some("en"), Some("de"), Some("ja"), None, Some("de")]
    );
    // Expressions see it later, too, and are checked against the labels that the tagger had.
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let ask = |expression: &str| {
        let filter = Filter { expression: Some(expression.into()), ..Filter::default() };
        matching(&corpus, &originals, &filter, &Task::default())
    };
    for (expression, expected) in [
        ("languages.label == \"de\"", vec![1, 4]),
        ("\"de\" != languages.label", vec![0, 2]),
        ("languages.label in [\"de\", \"en\"] and languages.score > 0.5", vec![0, 1, 4]),
        ("not has(languages.label)", vec![3]),
        ("matches(languages.label, \"^(en|ja)$\")", vec![0, 2]),
        ("languages.score >= 0", vec![0, 1, 2, 4]),
    ] {
        assert_eq!(ask(expression).unwrap().0, expected, "{expression}");
    }
    let wrong = ask("languages.label == \"german\"").unwrap_err().to_string();
    assert!(wrong.contains("no label `german`"), "{wrong}");
    // A place in the list of languages is no measure, and a rule that compares it is told as it is written.
    let measures = measures(&corpus, &originals).unwrap();
    let names: Vec<&str> = measures.iter().map(|measure| measure.name.as_str()).collect();
    assert!(names.contains(&"languages.score") && !names.contains(&"languages.label"), "{names:?}");
    assert_eq!(values(&corpus, &measures, 3).unwrap().len(), measures.len());
    let told = verdicts(&corpus, &artifact.manifest.config, 2).unwrap();
    assert_eq!(
        (told[0].measure.as_str(), told[0].passed),
        ("languages.label in [\"ja\", \"zh\"]", Some(false))
    );
}

#[test]
fn a_rule_of_labels_and_numbers_is_told_whole_where_no_number_decides() {
    let rows: String = [("a", ENGLISH), ("b", GERMAN)]
        .map(|(id, text)| format!("{}\n", json!({"id": id, "text": text})))
        .concat();
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let mixed = "not languages.label in [\"en\"] or languages.score < 0.001";
    let rules = json!([mixed, "length.bytes > 20 and languages.label == \"de\"", "length.bytes > 10000"]);
    let artifact = stage(dir.path(), &plain("in", &format!("{TAG}drop = {rules}\n"))).unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let told = |ordinal: u32| -> Vec<(String, Option<bool>)> {
        let verdicts = verdicts(&corpus, &artifact.manifest.config, ordinal).unwrap();
        verdicts
            .into_iter()
            .map(|verdict| (format!("{} {}", verdict.rule, verdict.measure), verdict.passed))
            .collect()
    };
    let says =
        |ordinal: u32, what: &str| told(ordinal).into_iter().find(|one| one.0 == what).map(|one| one.1);
    assert_eq!(says(1, &format!("drop_1 {mixed}")), Some(Some(false)), "{:?}", told(1));
    assert_eq!(says(1, "drop_1 languages.score"), Some(Some(true)));
    // The next one would have dropped it, too.
    let fails = |one: &(String, Option<bool>)| one.0.starts_with("drop_2") && one.1 == Some(false);
    assert!(told(1).iter().any(fails), "{:?}", told(1));
    assert!(told(0).iter().all(|one| one.1 == Some(true)), "{:?}", told(0));
    assert_eq!(told(0).len(), 3);
}

#[test]
fn documents_are_counted_by_label() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let stats = stats(&corpus, 0).unwrap();
    let count = |texts: &[&str]| Count {
        documents: texts.len() as u64,
        bytes: texts.iter().map(|text| text.len() as u64).sum(),
    };
    let none = Count::default();
    let [languages] = &stats.labels[..] else { panic!("{:?}", stats.labels) };
    assert_eq!(languages.name, "languages.label");
    let expected = [
        (NO_LABEL, Labelled { kept: count(&[NUMBERS]), dropped: none }),
        ("de", Labelled { kept: count(&[GERMAN, &GERMAN[4..]]), dropped: none }),
        ("en", Labelled { kept: count(&[ENGLISH]), dropped: none }),
        ("ja", Labelled { kept: none, dropped: count(&[JAPANESE]) }),
    ];
    assert_eq!(languages.labels, expected.map(|(name, counts)| (name.to_string(), counts)).into());
    let sorted: Vec<&str> = languages.sorted().into_iter().map(|(name, _)| name).collect();
    assert_eq!(sorted, ["de", "en", "ja", NO_LABEL]);
    assert!(stats.numbers.iter().all(|numbers| numbers.name != "languages.label"));
    assert!(stats.numbers.iter().any(|numbers| numbers.name == "languages.score"));

    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let (html, absent) = page(&corpus, &originals, "c", 2).unwrap();
    assert!(absent.is_empty());
    let section = html.split("id=\"labels\"").nth(1).unwrap();
    let cells = "<td><code>de</code></td><td class=\"n\">2</td><td class=\"n\">0</td>";
    assert!(section.contains(cells), "{section}");
    assert!(html.contains("languages.label ja"), "the example of a dropped document says its language");
}

fn json_rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn exports_name_the_label() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let tables = dir.path().join("tables");
    export::parquet(&corpus, &tables).unwrap();
    let documents = rows(&tables.join("documents.parquet"), "id");
    let labels: Vec<&Value> = documents.iter().map(|row| &row.other["languages.label"]).collect();
    assert_eq!(labels, [&json!("en"), &json!("de"), &json!("ja"), &Value::Null, &json!("de")]);
    assert!(documents[0].other["languages.score"].as_f64().unwrap() > 0.5);
    assert!(
        rows(&tables.join("attributes.parquet"), "tagger")
            .iter()
            .all(|row| { row.text.as_deref() != Some("languages") })
    );

    // Dolma has numbers alone: a label is the name of an attribute, and its probability the number.
    let dolma = dir.path().join("dolma");
    export::dolma(&corpus, "k", &dolma, "x", 1 << 20, Pack::None).unwrap();
    let rows = json_rows(&dolma.join("attributes/x/00000.jsonl"));
    let names = |row: &Value| -> Vec<String> {
        let all = row["attributes"].as_object().unwrap().keys();
        all.filter(|name| name.starts_with("x__languages__")).cloned().collect()
    };
    let all: Vec<Vec<String>> = rows.iter().map(names).collect();
    assert_eq!(all, [vec!["x__languages__en"], vec!["x__languages__de"], vec![], vec!["x__languages__de"]]);
    let spans = &rows[1]["attributes"]["x__languages__de"];
    assert_eq!((&spans[0][0], &spans[0][1]), (&json!(0), &json!(GERMAN.chars().count())));
    assert!(spans[0][2].as_f64().unwrap() > 0.5);
    let columns: Vec<&str> = rows[1]["attributes"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(columns.contains(&"x__length__bytes"), "what stands beside it is as before: {columns:?}");
}

#[test]
fn a_language_that_no_tagger_tells_stops_the_build() {
    let text = format!("{}\n", json!({"id": "a", "text": ENGLISH}));
    let (message, hint) = fault(
        &[("in/a.jsonl", text.as_bytes())],
        &plain("in", "tag = [{ tagger = \"languages\" }]\ndrop = ['languages.label != \"eng\"']"),
    );
    assert!(message.contains("no label `eng`") && hint.contains("`en`"), "{message} / {hint}");
    let (message, _) = fault(
        &[("in/a.jsonl", text.as_bytes())],
        &plain("in", "tag = [{ tagger = \"languages\" }]\ndrop = ['languages.label > 3']"),
    );
    assert!(message.contains("no text"), "{message}");
    let (message, _) = fault(
        &[("in/a.jsonl", text.as_bytes())],
        &plain("in", "tag = [{ tagger = \"languages\" }]\ndrop = ['count(languages.label) > 3']"),
    );
    assert!(message.contains("is a text, not spans"), "{message}");
}
