//! Exact substrings over Dolma's folders: what is marked, and that a mix which cuts it makes what the stage makes; so it is with
//! paragraphs that are compared by their n-grams.

use std::path::Path;

use regimen_base::{Cancel, Philox};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::dedup::{By, Cut, Found, Least, Ngrams, Options, dedup};
use regimen_corpus::dolma::mix::{self, Edit, Pack, Source};
use regimen_corpus::dolma::tag::Progress;
use regimen_recipe::input_files;

use crate::common::{build, fault, plain, project, texts};

fn row(id: &str, text: &str) -> String {
    format!("{}\n", serde_json::json!({"id": id, "text": text, "source": "s"}))
}

fn marked(dir: &Path, least: u32, threads: usize, memory: u64) -> regimen_corpus::Result<Found> {
    let files = input_files(dir, "c/documents").unwrap();
    let options = Options {
        by: By::Substring { least },
        name: "again".into(),
        to: None,
        fields: Fields::default(),
        memory,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| dedup(&files, &options, &Progress::default(), &Cancel::new()))
}

/// The spans of every row of an attributes file.
fn spans(path: &Path) -> Vec<Vec<(u64, u64, f64)>> {
    let row = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let span =
            |s: &serde_json::Value| (s[0].as_u64().unwrap(), s[1].as_u64().unwrap(), s[2].as_f64().unwrap());
        json["attributes"]["again"].as_array().unwrap().iter().map(span).collect()
    };
    std::fs::read_to_string(path).unwrap().lines().map(row).collect()
}

#[test]
fn stretches_that_came_before_are_marked_in_code_points() {
    let a = row("a", "né abcdefgh ée") + &row("b", "");
    let b = row("c", "éé abcdefgh éx abcdefgh ") + &row("d", "abcdefg");
    let dir = project(&[("c/documents/a.jsonl", a.as_bytes()), ("c/documents/b.jsonl", b.as_bytes())]);
    for threads in [1, 3] {
        let found = marked(dir.path(), 8, threads, 1 << 24).unwrap();
        let of = |name: &str| spans(&dir.path().join("c/attributes/again").join(name));
        assert_eq!(of("a.jsonl"), [vec![], vec![]]);
        // `é abcdefgh é`, of whose last character half is like that of `x`, and ` abcdefgh `.
        assert_eq!(of("b.jsonl"), [vec![(1, 13, 1.0), (14, 24, 1.0)], vec![]]);
        assert_eq!((found.marked, found.duplicates), (2, 14 + 10));
        assert_eq!(found.compared, found.summary.text_bytes);
        assert!(!dir.path().join("c/attributes/again/.regimen-notes/work").exists());
    }
}

/// Documents in several files that share stretches of letters, words and spaces.
fn crowd(files: usize) -> Vec<(String, String)> {
    let pool: Vec<String> = (0..9)
        .map(|i| {
            let mut random = Philox::new(i, &["stretches"]);
            (0..120).map(|_| ["é", "a", "b", "c", " ", "\n", "中"][random.below(7) as usize]).collect()
        })
        .collect();
    let document = |i: usize| {
        let mut random = Philox::new(i as u64, &["crowd"]);
        let mut text = String::new();
        for _ in 0..random.below(7) {
            let of = &pool[random.below(9) as usize];
            let from = of.char_indices().nth(random.below(60) as usize).unwrap().0;
            text.extend(of[from..].chars().take(1 + random.below(60) as usize));
        }
        row(&format!("d{i}"), &text)
    };
    let rows = |file: usize| (0..30).map(|i| document(30 * file + i)).collect();
    (0..files).map(|file| (format!("c/documents/{file}.jsonl"), rows(file))).collect()
}

#[test]
fn a_mix_that_cuts_them_makes_the_texts_of_the_stage() {
    let files = crowd(4);
    let given: Vec<(&str, &[u8])> = files.iter().map(|(path, rows)| (&path[..], rows.as_bytes())).collect();
    for least in [6, 20, 70] {
        let dir = project(&given);
        let mut bytes = Vec::new();
        for threads in [1, 2, 5] {
            assert!(marked(dir.path(), least, threads, 1 << 24).unwrap().marked > 10);
            let read = |(path, _): &(String, String)| {
                std::fs::read(dir.path().join(path.replace("documents", "attributes/again"))).unwrap()
            };
            bytes.push(files.iter().map(read).collect::<Vec<_>>());
        }
        assert!(bytes.windows(2).all(|two| two[0] == two[1]));
        let mixed = mixed(dir.path());
        let config = format!(
            "sources = [{{ name = \"s\", path = \"c/documents\", format = \"dolma\" }}]\nvalidation = 0\n\
             filter = {{ quality = \"none\" }}\ndedup = \"none\"\nsubstrings = {{ min_bytes = {least} }}\n"
        );
        let corpus = build(dir.path(), &config);
        let stays: Vec<(&str, &str)> = corpus.kept().map(|o| corpus.id(o)).zip(texts(&corpus)).collect();
        // The stage drops rows without a text.
        let left = mixed.iter().map(|(id, text)| (&id[..], &text[..])).filter(|(_, text)| !text.is_empty());
        assert!(left.eq(stays.iter().copied()), "{least}");
        assert!(stays.len() > 5 && stays.len() < 120);
    }
}

/// Ids and texts of what a mix leaves that cuts the stretches out.
fn mixed(dir: &Path) -> Vec<(String, String)> {
    let again = Edit { spans: "again".into(), replace: String::new(), when: None, least: None };
    let source = Source {
        name: "s".into(),
        documents: input_files(dir, "c/documents").unwrap(),
        fields: Fields::default(),
        attributes: vec!["again".into()],
        include: Vec::new(),
        drop: Vec::new(),
        edit: vec![again],
        discard: Vec::new(),
        weight: 1.0,
    };
    let options = mix::Options {
        to: dir.join("mixed"),
        shard: 1 << 30,
        pack: Pack::None,
        temperature: 1.0,
        budget: 0,
        max_copies: 1,
        keep_map: false,
        memory: 1 << 24,
    };
    mix::mix(&[source], &options, &Progress::default(), &Cancel::new()).unwrap();
    let row = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        (json["id"].as_str().unwrap().to_string(), json["text"].as_str().unwrap().to_string())
    };
    let written = input_files(dir, "mixed/documents").unwrap();
    let text = written.iter().map(|file| std::fs::read_to_string(&file.full).unwrap()).collect::<String>();
    text.lines().map(row).collect()
}

#[test]
fn ngrams_of_paragraphs_are_compared_in_the_stage_as_in_the_step() {
    // Lines of few words that are much alike, some of them too short for an n-gram.
    let document = |i: u64| {
        let mut random = Philox::new(i, &["lines"]);
        let mut line = || {
            let (from, words) = (random.below(20), random.below(16));
            let words = (from..from + words)
                .map(|w| if random.below(7) == 0 { "é".into() } else { format!("w{}", w * 7 % 23) });
            words.collect::<Vec<_>>().join(" ") + "\n"
        };
        row(&format!("d{i}"), &(0..5).map(|_| line()).collect::<String>())
    };
    let files: Vec<(String, String)> = (0..3)
        .map(|file| (format!("c/documents/{file}.jsonl"), (0..40).map(|i| document(40 * file + i)).collect()))
        .collect();
    let given: Vec<(&str, &[u8])> = files.iter().map(|(path, rows)| (&path[..], rows.as_bytes())).collect();
    for (length, stride, share, skip_short) in
        [(3, 1, 0.5, false), (2, 2, 0.3, true), (4, 3, 1.0, false), (1, 1, 0.9, true)]
    {
        let dir = project(&given);
        let files = input_files(dir.path(), "c/documents").unwrap();
        let ngrams = Ngrams { length, stride, share, skip_short };
        let by = By::Ngram {
            ngrams,
            cut: Cut { least: Least { bytes: 4, words: 0 }, ..Cut::default() },
            bloom: None,
        };
        let options =
            Options { by, name: "again".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
        let found = dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap();
        let mixed = mixed(dir.path());
        assert!(found.marked > 30 && mixed.len() > 20, "{found:?}");
        for how in ["dedup = \"exact\"", "dedup = \"bloom\", expected = 100000, rate = 1e-12"] {
            let more = format!(
                "{how}, min_bytes = 4, words = {length}, stride = {stride}, overlap = {share}, skip_short = {skip_short}"
            );
            let config = format!(
                "sources = [{{ name = \"s\", path = \"c/documents\", format = \"dolma\" }}]\nvalidation = 0\n\
                 filter = {{ quality = \"none\" }}\ndedup = \"none\"\nparagraphs = {{ {more} }}\n"
            );
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let corpus = pool.install(|| build(dir.path(), &config));
                let stays: Vec<(&str, &str)> =
                    corpus.kept().map(|o| corpus.id(o)).zip(texts(&corpus)).collect();
                assert!(
                    mixed.iter().map(|(id, text)| (&id[..], &text[..])).eq(stays.iter().copied()),
                    "{more}"
                );
                std::fs::remove_dir_all(dir.path().join(".regimen")).unwrap();
            }
        }
    }
}

#[test]
fn ngrams_of_paragraphs_that_say_nothing_or_do_not_fit_are_refused() {
    let told =
        |text: &str, more: &str| fault(&[("in.jsonl", row("a", text).as_bytes())], &plain("in.jsonl", more));
    for (fields, field, hint) in [
        ("dedup = \"exact\", overlap = 0.5", "overlap", "words = 13"),
        ("dedup = \"exact\", stride = 2", "stride", "words = 13"),
        ("dedup = \"bloom\", skip_short = true", "skip_short", "words = 13"),
        ("words = 13", "words", "dedup = \"exact\""),
    ] {
        let (message, advice) = told("a", &format!("paragraphs = {{ {fields} }}"));
        assert!(
            message.contains(&format!("`{field}` says nothing")) && advice.contains(hint),
            "{message} {advice}"
        );
    }
    for (field, value) in [("overlap", "0.0"), ("overlap", "1.1"), ("stride", "0"), ("words", "1001")] {
        let words = if field == "words" { "" } else { "words = 5, " };
        let (message, _) =
            told("a", &format!("paragraphs = {{ dedup = \"exact\", {words}{field} = {value} }}"));
        assert!(message.contains(field), "{message}");
    }
    let many = |stride: u32| {
        format!(
            "memory = 16777216\nparagraphs = {{ dedup = \"exact\", words = 2, stride = {stride}, overlap = 0.5 }}"
        )
    };
    let (message, hint) = told(&"!".repeat(2_000_000), &many(1));
    assert!(message.contains("n-grams or more, where 1048576 of one document fit"), "{message}");
    assert!(hint.contains("--memory ") && hint.contains("paragraphs.stride"), "{hint}");
}

#[test]
fn texts_of_any_size_fit_into_little_memory() {
    let text = |seed: u64| -> String {
        let mut random = Philox::new(seed, &["large"]);
        (0..150_000).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
    };
    let whole: Vec<String> = (0..12).map(|i| row(&format!("d{i}"), &text(i % 5))).collect();
    let files = [("c/documents/0.jsonl", whole[..7].concat()), ("c/documents/1.jsonl", whole[7..].concat())];
    let dir = project(&files.each_ref().map(|(path, rows)| (*path, rows.as_bytes())));
    for (threads, memory) in [(1, 1 << 20), (2, 1 << 20), (4, 1 << 30)] {
        let found = marked(dir.path(), 500, threads, memory).unwrap();
        assert_eq!((found.compared, found.duplicates, found.marked), (12 * 150_000, 7 * 150_000, 7));
        let of = |name: &str| spans(&dir.path().join("c/attributes/again").join(name)).len();
        assert_eq!((of("0.jsonl"), of("1.jsonl")), (7, 5));
    }
}
