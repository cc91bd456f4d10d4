//! Exact substrings in the stage: what is cut, from which text, and what is refused.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use regimen_base::Philox;
use regimen_corpus::dedup::substring::Take;
use regimen_corpus::dedup::{Budget, Error, Span, Substrings};
use regimen_corpus::{Corpus, source_of};

use crate::common::{build, fault, plain, project, stage, texts};

/// Letters that do not repeat.
fn letters(seed: u64, count: usize) -> String {
    let mut random = Philox::new(seed, &["letters"]);
    (0..count).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

fn rows(list: &[(&str, String)]) -> String {
    let row = |(id, text): &(&str, String)| format!("{}\n", serde_json::json!({"id": id, "text": text}));
    list.iter().map(row).collect()
}

fn fates(corpus: &Corpus) -> BTreeMap<&str, &str> {
    let fate = |o| (corpus.id(o), corpus.row(o).dropped.map_or("kept", |reason| corpus.reason_name(reason)));
    (0..corpus.len() as u32).map(fate).collect()
}

#[test]
fn the_first_stays_and_what_comes_again_is_cut() {
    let long = letters(1, 700);
    let list = [
        ("a", format!("start é{long} end")),
        ("b", format!("other é{long} more")),
        ("c", long[100..].to_string()),
        ("d", long[..499].to_string()),
        ("e", format!("{0} and {0}", letters(2, 500))),
    ];
    let dir = project(&[("in.jsonl", rows(&list).as_bytes())]);
    let corpus = build(dir.path(), &plain("in.jsonl", "substrings = { min_bytes = 500 }"));
    let fates = fates(&corpus);
    assert_eq!(fates["c"], "duplicate_substrings");
    assert!(["a", "b", "d", "e"].iter().all(|id| fates[id] == "kept"), "{fates:?}");
    let e = format!("{} and ", letters(2, 500));
    let kept = [list[0].1.as_str(), "othermore", &list[3].1, &e];
    assert_eq!(
        texts(&corpus).iter().map(|t| t.replace(' ', "")).collect::<Vec<_>>(),
        kept.map(|t| t.replace(' ', ""))
    );
    // ` é` stands before it in both, and the space behind it.
    assert_eq!(texts(&corpus)[1], "othermore");
    let map = corpus.keep_map(1).unwrap().unwrap();
    let source = |at| source_of(&map, &[], at).unwrap() as usize;
    assert_eq!((source(4), source(5)), (4, list[1].1.len() - 4));
    assert_eq!(corpus.row(2).representative, None);
    // Off by default, and then the corpus is what it was.
    let without = stage(dir.path(), &plain("in.jsonl", "")).unwrap();
    let zero = stage(dir.path(), &plain("in.jsonl", "substrings = { min_bytes = 0 }")).unwrap();
    assert_eq!(without.key(), zero.key());
    assert_eq!(texts(&Corpus::open(&zero).unwrap()).len(), 5);
}

/// Documents with addresses that are edited, paragraphs that come again, and stretches across them.
fn crowd() -> String {
    let mut list = String::new();
    let pool: Vec<String> = (0..12).map(|i| letters(i, 90)).collect();
    for i in 0..40 {
        let mut random = Philox::new(i, &["crowd"]);
        let mut text = String::new();
        for _ in 0..random.below(9) {
            match random.below(5) {
                0 => writeln!(text, "write to me{}@x.org now", random.below(3)).unwrap(),
                1 => writeln!(text, "the same footer on é pages").unwrap(),
                _ => {
                    let of = &pool[random.below(12) as usize];
                    let from = random.below(60) as usize;
                    let end = if random.below(2) == 0 { "\n" } else { " " };
                    write!(text, "{}{end}", &of[from..from + random.below(30) as usize + 1]).unwrap();
                }
            }
        }
        writeln!(list, "{}", serde_json::json!({"id": format!("d{i}"), "text": text})).unwrap();
    }
    list
}

#[test]
fn stretches_are_found_in_what_edits_and_paragraphs_leave() {
    let rows = crowd();
    let dir = project(&[("in.jsonl", rows.as_bytes())]);
    let more = |paragraphs: &str, least: u32| {
        plain(
            "in.jsonl",
            &format!(
                "tag = [{{ tagger = \"pii@dolma\", name = \"pii\" }}]\nsubstrings = {{ min_bytes = {least} }}\n\
                 edit = [{{ spans = \"pii.EMAIL_ADDRESS\", replace = \" |||MAIL||| \" }}]\n\
                 paragraphs = {{ dedup = \"{paragraphs}\" }}"
            ),
        )
    };
    for (paragraphs, least) in [("none", 12), ("exact", 12), ("exact", 25)] {
        let before = build(dir.path(), &more(paragraphs, 0));
        let after = build(dir.path(), &more(paragraphs, least));
        let budget = Budget { memory: 1 << 20, dir: dir.path().join("spill") };
        let mut spans: Vec<(u32, Range<usize>)> = Vec::new();
        let texts = |take: &mut Take<'_, Error>| {
            before.kept().try_for_each(|ordinal| take(ordinal, before.bytes(ordinal)))
        };
        let put = |span: Span| {
            let text = before.text(span.ordinal).unwrap().unwrap();
            spans.extend(span.of_characters(text).map(|range| (span.ordinal, range)));
            Ok::<(), Error>(())
        };
        Substrings::new(least as usize, &budget).unwrap().find(texts, put).unwrap();
        assert!(spans.len() > 8, "{}", spans.len());
        let replacements = &after.names().replacements;
        for ordinal in 0..before.len() as u32 {
            let Some(text) = before.text(ordinal).unwrap() else {
                assert!(!after.row(ordinal).kept());
                continue;
            };
            let (mut left, mut from) = (String::new(), 0);
            for (_, range) in spans.iter().filter(|(of, _)| *of == ordinal) {
                left.push_str(&text[from..range.start]);
                from = range.end;
            }
            left.push_str(&text[from..]);
            if left.trim().is_empty() {
                // A text that was empty before stays what it was.
                assert!(text.trim().is_empty() || !after.row(ordinal).kept());
                continue;
            }
            assert_eq!(after.text(ordinal).unwrap(), Some(&left[..]), "{ordinal}");
            assert_eq!(after.row(ordinal).bytes as usize, left.len());
            let source: serde_json::Value =
                serde_json::from_str(rows.lines().nth(ordinal as usize).unwrap()).unwrap();
            let source = source["text"].as_str().unwrap();
            let map = after.keep_map(ordinal).unwrap().unwrap_or_default();
            for (at, c) in left.char_indices().filter(|_| !map.is_empty()) {
                if let Some(at) = source_of(&map, replacements, at as u32) {
                    assert!(source[at as usize..].starts_with(c));
                }
            }
        }
    }
}

#[test]
fn neither_threads_nor_memory_change_what_is_cut() {
    let mut rows = crowd();
    let long = letters(1, 150_000);
    rows += &self::rows(&[("long", long.clone()), ("again", letters(2, 90_000) + &long[20_000..])]);
    let payload = |threads: usize, memory: u64| {
        let dir = project(&[("in.jsonl", rows.as_bytes())]);
        let more = format!(
            "substrings = {{ min_bytes = 12 }}\nmemory = {memory}\n\
             paragraphs = {{ dedup = \"bloom\", expected = 1000 }}"
        );
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| stage(dir.path(), &plain("in.jsonl", &more)).unwrap().manifest.payload)
    };
    let one = payload(1, 1 << 30);
    assert!(one == payload(2, 1 << 20) && one == payload(4, 1 << 30));
    let files: [(&str, &[u8]); 1] = [("in.jsonl", rows.as_bytes())];
    let (message, _) = fault(&files, &plain("in.jsonl", "substrings = { min_bytes = 70000 }"));
    assert!(message.contains("min_bytes"), "{message}");
}
