//! Deduplicating Dolma folders: what is marked, in which units, for any number of threads.

use std::path::Path;

use regimen_base::{Cancel, Hint};
use regimen_corpus::dedup::{Keep, Own, Preset};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::dedup::{By, Cut, Filter, Found, Least, Ngrams, Options, Origin, dedup};
use regimen_corpus::dolma::tag::Progress;
use regimen_recipe::input_files;

use crate::common::{gzip, project};

fn run(dir: &Path, by: By, threads: usize) -> Found {
    let files = input_files(dir, "c/documents").unwrap();
    let options = Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap())
}

/// Whole texts.
fn document(keep: Keep) -> By {
    By::Document { key: None, least: Least::default(), keep }
}

fn row(id: &str, text: &str, more: &str) -> String {
    format!("{{\"id\":\"{id}\",\"text\":{},\"source\":\"s\"{more}}}\n", serde_json::json!(text))
}

/// Ids and spans with their scores of every row of an attributes file.
fn scored(path: &Path) -> Vec<(String, Vec<(u64, u64, f64)>)> {
    let mut text = String::new();
    let bytes = std::fs::read(path).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text).unwrap();
    let row = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let list = json["attributes"]["dup"].as_array().unwrap();
        let span =
            |s: &serde_json::Value| (s[0].as_u64().unwrap(), s[1].as_u64().unwrap(), s[2].as_f64().unwrap());
        (json["id"].as_str().unwrap().to_string(), list.iter().map(span).collect())
    };
    text.lines().map(row).collect()
}

/// The same without scores, which are all 1.
fn spans(path: &Path) -> Vec<(String, Vec<(u64, u64)>)> {
    let plain = |list: Vec<(u64, u64, f64)>| {
        assert!(list.iter().all(|span| span.2 == 1.0));
        list.into_iter().map(|(start, end, _)| (start, end)).collect()
    };
    scored(path).into_iter().map(|(id, list)| (id, plain(list))).collect()
}

#[test]
fn paragraphs_that_came_before_are_marked_in_code_points() {
    let a = row("a1", "né\nfooter\n\nfooter", "") + &row("a2", "one\ntwo\n", "");
    let b = row("b1", " footer \nthree\nné", "");
    for bloom in [None, Some(Filter::new(1000, 1e-9))] {
        for threads in [1, 3] {
            let dir = project(&[
                ("c/documents/a.jsonl.gz", &gzip(a.as_bytes())),
                ("c/documents/b.jsonl.gz", &gzip(b.as_bytes())),
            ]);
            let found = run(dir.path(), By::Paragraph { cut: Cut::default(), bloom: bloom.clone() }, threads);
            assert_eq!((found.compared, found.duplicates, found.summary.documents), (8, 3, 3));
            let of = |name: &str| spans(&dir.path().join("c/attributes/dup").join(name));
            assert_eq!(of("a.jsonl.gz"), [("a1".into(), vec![(11, 17)]), ("a2".into(), vec![])]);
            assert_eq!(of("b.jsonl.gz"), [("b1".into(), vec![(0, 9), (15, 17)])]);
            assert!(!dir.path().join("c/attributes/dup/.regimen-notes/work").exists());
        }
    }
}

#[test]
fn documents_urls_and_near_texts_are_marked_whole() {
    let long = |end: &str| {
        let letter = |i: usize| char::from(b'a' + (i % 26) as u8);
        let word = |i: usize| [i, i / 26, i / 676].map(letter).iter().collect::<String>();
        (0..100).map(|i| word(i * 7919)).collect::<Vec<_>>().join(" ") + end
    };
    let url = |url: &str, day: u32| {
        format!(",\"created\":\"2020-01-{day:02}T00:00:00Z\",\"metadata\":{{\"url\":\"{url}\"}}")
    };
    let rows = row("a", &long(""), &url("http://www.x.org/a/", 3))
        + &row("b", &long(" x"), &url("https://x.org/a#b", 9))
        + &row("c", &long(""), "")
        + &row("d", "", "");
    let marked = |by: By| {
        let dir = project(&[("c/documents/a.jsonl.gz", &gzip(rows.as_bytes()))]);
        let found = run(dir.path(), by, 2);
        let list = spans(&dir.path().join("c/attributes/dup/a.jsonl.gz"));
        let ids: Vec<String> = list.iter().filter(|(_, s)| !s.is_empty()).map(|(id, _)| id.clone()).collect();
        assert_eq!(ids.len() as u64, found.duplicates);
        ids
    };
    assert_eq!(marked(document(Keep::First)), ["c"]);
    assert_eq!(marked(document(Keep::Last)), ["a"]);
    assert_eq!(marked(document(Keep::Newest)), ["c"], "the other one has no day");
    assert_eq!(marked(By::Url { keep: Keep::First }), ["b"]);
    assert_eq!(marked(By::Url { keep: Keep::Newest }), ["a"]);
    assert_eq!(marked(By::Url { keep: Keep::Longest }), ["a"]);
    let near = |keep| By::Near { minhash: Preset::by_name("fineweb").unwrap().minhash, verify: None, keep };
    assert_eq!(marked(near(Keep::First)), ["b", "c"]);
    assert_eq!(marked(near(Keep::Longest)), ["a", "c"]);
    assert_eq!(marked(near(Keep::Newest)), ["a", "c"]);
    // So many rows find equal texts alone.
    let minhash = Preset::by_name("fineweb").unwrap().minhash;
    let own = Own { bands: Some(1), rows: Some(600), ..Own::default() };
    let minhash = minhash.with(&own).unwrap();
    assert_eq!(marked(By::Near { minhash, verify: None, keep: Keep::First }), ["c"]);
}

#[test]
fn urls_are_compared_only_where_there_are_some() {
    let rows = row("a", "one", "") + &row("b", "two", ",\"metadata\":{\"url\":null}");
    let dir = project(&[("c/documents/a.jsonl", rows.as_bytes())]);
    let files = input_files(dir.path(), "c/documents").unwrap();
    let by = By::Url { keep: Keep::First };
    let options = Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
    let error = dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("none of 2 documents has a URL"), "{error}");
    assert!(error.hint().unwrap().contains("--by document --key"));
}

#[test]
fn documents_are_compared_by_any_field() {
    let of = |id: &str, more: &str| row(id, &format!("text of {id}"), more);
    let rows = of("a", ",\"metadata\":{\"hash\":\"one two\",\"n\":12}")
        + &of("b", ",\"metadata\":{\"hash\":\"one two\",\"n\":\"12\"}")
        + &of("c", ",\"metadata\":{\"hash\":\"\"}")
        + &of("d", ",\"metadata\":{\"hash\":\"\"}")
        + &of("e", "")
        + &of("f", "");
    let try_by = |key: &str, least: Least| {
        let dir = project(&[("c/documents/a.jsonl.gz", &gzip(rows.as_bytes()))]);
        let files = input_files(dir.path(), "c/documents").unwrap();
        let by = By::Document { key: Some(key.into()), least, keep: Keep::First };
        let options =
            Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
        let found = dedup(&files, &options, &Progress::default(), &Cancel::new())?;
        let list = spans(&dir.path().join("c/attributes/dup/a.jsonl.gz"));
        let marked: Vec<String> = list.into_iter().filter(|(_, s)| !s.is_empty()).map(|(id, _)| id).collect();
        // The span is that of the text, whatever was compared.
        Ok::<_, regimen_corpus::Error>((found.compared, marked.join(" ")))
    };
    let by = |key, bytes, words| try_by(key, Least { bytes, words }).unwrap();
    // Empty values are like no other.
    assert_eq!(by("metadata.hash", 0, 0), (2, "b".into()));
    assert_eq!(by("metadata.n", 0, 0), (2, "b".into()));
    assert_eq!(by("source", 0, 0), (6, "b c d e f".into()));
    assert_eq!(by("id", 0, 0), (6, String::new()));
    assert_eq!(by("text", 9, 3), (6, String::new()));
    let error = try_by("metadata.hsah", Least::default()).unwrap_err();
    assert!(
        error.to_string().contains("`metadata.hsah`") && error.hint().unwrap().contains("--key"),
        "{error}"
    );
    assert!(try_by("metadata.hash", Least { bytes: 8, words: 0 }).is_err());
    assert!(try_by("metadata.hash", Least { bytes: 0, words: 3 }).is_err());
    let error = try_by("metadata", Least::default()).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("`metadata`"), "{error}");
}

#[test]
fn paragraphs_are_cut_at_any_text_and_short_ones_passed_over() {
    let rows = row("a", "one two\n\nné\n\n one two", "") + &row("b", "né\n\none\ntwo\n\none two\n\n", "");
    let marked = |separator: &str, words: u32| {
        let dir = project(&[("c/documents/a.jsonl.gz", &gzip(rows.as_bytes()))]);
        let cut = Cut { separator: separator.into(), least: Least { bytes: 0, words } };
        let found = run(dir.path(), By::Paragraph { cut, bloom: None }, 2);
        let all = spans(&dir.path().join("c/attributes/dup/a.jsonl.gz"));
        (found.compared, all.into_iter().map(|(_, list)| list).collect::<Vec<_>>())
    };
    assert_eq!(marked("\n\n", 0), (6, vec![vec![(13, 21)], vec![(0, 4), (13, 22)]]));
    assert_eq!(marked("\n\n", 2), (4, vec![vec![(13, 21)], vec![(13, 22)]]));
    assert_eq!(marked("\n", 0), (7, vec![vec![(13, 21)], vec![(0, 3), (13, 21)]]));
    assert_eq!(marked("two", 0).1, [vec![], vec![(11, 20)]]);
}

/// What every row of an attributes file says about the document that stays instead.
fn copies(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["copy_of"].clone())
        .collect()
}

#[test]
fn a_copy_knows_the_document_that_stays_instead() {
    let a = row("a1", "one", "") + &row("a2", "two", "") + &row("a3", "one", "");
    // An id that is a number, and a row without a source.
    let b = "{\"id\":7,\"text\":\"longer\"}\n".to_string() + &row("b2", "two", "") + &row("b3", "one", "");
    let c = row("c\\n", "longer", "") + &row("c2", "alone", "");
    let files = [
        ("c/documents/a.jsonl", a),
        ("c/documents/b.jsonl", String::new()),
        ("c/documents/d/c.jsonl", b + &c),
    ];
    let given: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    let of = |id: serde_json::Value, file: &str, size: u32, source: bool| {
        let mut name =
            serde_json::json!({"id": id, "file": format!("c/documents/{file}"), "cluster_size": size});
        if source {
            name["source"] = "s".into();
        }
        name
    };
    let none = serde_json::Value::Null;
    for threads in [1, 3] {
        let dir = project(&given);
        let found = run(dir.path(), document(Keep::First), threads);
        assert_eq!((found.compared, found.duplicates), (8, 4));
        let all = |file: &str| copies(&dir.path().join("c/attributes/dup").join(file));
        let one = of("a1".into(), "a.jsonl", 3, true);
        let seven = of(7.into(), "d/c.jsonl", 2, false);
        assert_eq!(all("a.jsonl"), [none.clone(), none.clone(), one.clone()]);
        assert!(all("b.jsonl").is_empty());
        let two = of("a2".into(), "a.jsonl", 2, true);
        assert_eq!(all("d/c.jsonl"), [none.clone(), two, one, seven, none.clone()]);

        let dir = project(&given);
        run(dir.path(), document(Keep::Last), threads);
        let all = |file: &str| copies(&dir.path().join("c/attributes/dup").join(file));
        let (one, two) = (of("b3".into(), "d/c.jsonl", 3, true), of("b2".into(), "d/c.jsonl", 2, true));
        let last = of("c\n".into(), "d/c.jsonl", 2, true);
        assert_eq!(all("a.jsonl"), [one.clone(), two, one]);
        assert_eq!(all("d/c.jsonl"), [last, none.clone(), none.clone(), none.clone(), none.clone()]);
    }
}

/// Many clusters whose names do not fit the memory, against the book.
#[test]
fn names_of_what_stays_go_to_files_and_come_back() {
    let name = |i: usize| format!("{i:06}{}", "x".repeat(400));
    let rows: String = (0..3000).map(|i| row(&name(i), &format!("text {}", i * i % 1009), "")).collect();
    let mut first = std::collections::HashMap::new();
    let mut sizes = std::collections::HashMap::new();
    for i in 0..3000 {
        first.entry(i * i % 1009).or_insert(i);
        *sizes.entry(i * i % 1009).or_insert(0) += 1;
    }
    let mut bytes = Vec::new();
    for memory in [1 << 18, 1 << 28] {
        for threads in [1, 2] {
            let dir = project(&[("c/documents/a.jsonl", rows.as_bytes())]);
            let files = input_files(dir.path(), "c/documents").unwrap();
            let by = document(Keep::First);
            let options = Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap());
            let path = dir.path().join("c/attributes/dup/a.jsonl");
            for (i, copy) in copies(&path).iter().enumerate() {
                let (first, size) = (first[&(i * i % 1009)], sizes[&(i * i % 1009)]);
                match first == i {
                    true => assert!(copy.is_null()),
                    false => {
                        assert_eq!(
                            (copy["id"].as_str(), copy["cluster_size"].as_u64()),
                            (Some(&*name(first)), Some(size))
                        );
                    }
                }
            }
            bytes.push(std::fs::read(path).unwrap());
        }
    }
    assert!(bytes.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn a_saved_filter_marks_what_an_earlier_run_read() {
    let dir = project(&[
        ("old/documents/a.jsonl.gz", &gzip(row("a", "one\ntwo\ntwo", "").as_bytes())),
        (
            "c/documents/a.jsonl.gz",
            &gzip((row("b", "two\nthree", "") + &row("c", "three\nfour", "")).as_bytes()),
        ),
    ]);
    let [seen, more, other] = ["seen", "more", "other"].map(|name| dir.path().join(format!("{name}.bloom")));
    let try_run = |folder: &str, filter: Filter, threads: usize| {
        let files = input_files(dir.path(), &format!("{folder}/documents")).unwrap();
        let by = By::Paragraph { cut: Cut::default(), bloom: Some(filter) };
        let options =
            Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| dedup(&files, &options, &Progress::default(), &Cancel::new()))?;
        let list = spans(&dir.path().join(folder).join("attributes/dup/a.jsonl.gz"));
        Ok::<_, regimen_corpus::Error>((
            found.duplicates,
            list.into_iter().map(|(_, s)| s).collect::<Vec<_>>(),
        ))
    };
    let run = |folder: &str, filter: Filter, threads| try_run(folder, filter, threads).unwrap();
    let first = Filter { to: Some(seen.clone()), ..Filter::new(100, 1e-9) };
    assert_eq!(run("old", first.clone(), 1), (1, vec![vec![(8, 11)]]));
    let saved = std::fs::read(&seen).unwrap();
    // A run that is repeated, on any number of threads, marks the same and leaves the same.
    assert_eq!(run("old", first, 3), (1, vec![vec![(8, 11)]]));
    assert_eq!(std::fs::read(&seen).unwrap(), saved);
    let from = |to: Option<&Path>, read_only| Filter {
        origin: Origin::File(seen.clone()),
        to: to.map(Path::to_path_buf),
        read_only,
    };
    for threads in [1, 3] {
        // What comes twice in the new documents is no copy where nothing is put in.
        assert_eq!(run("c", from(None, true), threads), (1, vec![vec![(0, 4)], vec![]]));
        assert_eq!(run("c", from(Some(&more), false), threads), (2, vec![vec![(0, 4)], vec![(0, 6)]]));
    }
    assert_eq!(std::fs::read(&seen).unwrap(), saved, "what is read stays");
    // All of both are in the new one.
    let all = Filter { origin: Origin::File(more), to: None, read_only: true };
    assert_eq!(run("old", all.clone(), 2).0, 3);
    assert_eq!(run("c", all, 2).0, 4);
    // Over itself, of other keys, and overfull.
    let error = try_run("c", from(Some(&seen), false), 1).unwrap_err();
    assert!(matches!(error, regimen_corpus::Error::OverInput { .. }), "{error}");
    let files = input_files(dir.path(), "c/documents").unwrap();
    let ngrams = Ngrams { length: 2, stride: 1, share: 0.5, skip_short: false };
    let by = By::Ngram { ngrams, cut: Cut::default(), bloom: Some(from(None, true)) };
    let options = Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
    let error = dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("holds paragraphs, not n-grams of 2 words"), "{error}");
    let small = Filter { to: Some(other.clone()), ..Filter::new(1, 1e-9) };
    let many: String = (0..2000).map(|i| row("r", &format!("text {i}"), "")).collect();
    std::fs::write(dir.path().join("old/documents/a.jsonl.gz"), gzip(many.as_bytes())).unwrap();
    let error = try_run("old", small, 1).unwrap_err().to_string();
    assert!(error.contains("sized for 1 keys") && !other.exists(), "{error}");
    let error = try_run("old", from(None, false), 1).unwrap_err().to_string();
    assert!(error.contains("sized for 100 keys"), "{error}");
    let missing = Filter { origin: Origin::File(other), to: None, read_only: true };
    assert!(try_run("c", missing, 1).unwrap_err().to_string().contains("other.bloom"));
}

/// Files of several pieces and several batches of keys, against the book.
#[test]
fn many_paragraphs_are_marked_for_any_number_of_threads() {
    let (mut files, mut expected, mut seen) = (Vec::new(), Vec::new(), std::collections::HashSet::new());
    let (mut number, mut all) = (0u64, 0);
    for file in 0..3 {
        let (mut rows, mut marked) = (String::new(), Vec::new());
        // The second file has no rows.
        for document in 0..if file == 1 { 0 } else { 900 } {
            let (mut text, mut list) = (String::new(), Vec::new());
            for _ in 0..200 {
                number =
                    number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let line = format!("{}", number >> 46);
                let start = text.len() as u64;
                text += &line;
                text.push('\n');
                if !seen.insert(line) {
                    list.push((start, text.len() as u64));
                }
                all += 1;
            }
            let id = format!("{file}-{document}");
            rows += &row(&id, &text, "");
            marked.push((id, list));
        }
        files.push((format!("c/documents/{file}.jsonl.gz"), gzip(rows.as_bytes())));
        expected.push(marked);
    }
    let duplicates = expected.iter().flatten().map(|(_, list)| list.len() as u64).sum::<u64>();
    let mut bytes = Vec::new();
    for bloom in [None, Some(Filter::new(400_000, 1e-15))] {
        for threads in [1, 2, 5] {
            let given: Vec<(&str, &[u8])> =
                files.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
            let dir = project(&given);
            let files = input_files(dir.path(), "c/documents").unwrap();
            let by = By::Paragraph { cut: Cut::default(), bloom: bloom.clone() };
            let options =
                Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 28 };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found =
                pool.install(|| dedup(&files, &options, &Progress::default(), &Cancel::new()).unwrap());
            assert_eq!((found.compared, found.duplicates), (all, duplicates));
            for (file, expected) in expected.iter().enumerate() {
                let path = dir.path().join(format!("c/attributes/dup/{file}.jsonl.gz"));
                assert!(spans(&path) == *expected, "{bloom:?}, {threads} threads, file {file}");
                bytes.push(std::fs::read(path).unwrap());
            }
        }
    }
    // Packed alike, too.
    assert!(bytes.chunks(3).all(|files| files == &bytes[..3]));
}

/// First and last code point of every marked paragraph with its score, by the book: texts in sets, one row after the other.
fn by_the_book(texts: &[&str], ngrams: Ngrams) -> Vec<Vec<(u64, u64, f64)>> {
    let (length, stride) = (ngrams.length as usize, ngrams.stride as usize);
    let mut known = std::collections::HashSet::new();
    let mut of = |text: &&str| {
        let (mut at, mut found) = (0, Vec::new());
        for line in text.split_inclusive('\n') {
            let (start, words) = (at, line.split_whitespace().collect::<Vec<_>>());
            at += line.chars().count() as u64;
            let (mut last, mut count, mut seen) = (0, 0, 0);
            for i in 0..(words.len() + 1).saturating_sub(length) {
                if last == 0 || i - last >= stride {
                    (last, count) = (i, count + 1);
                    seen += u32::from(!known.insert(words[i..i + length].join(" ")));
                }
            }
            if words.is_empty() {
                continue;
            }
            if count < 2 && !ngrams.skip_short {
                (count, seen) = (1, u32::from(!known.insert(format!("whole {}", line.trim()))));
            }
            if count > 0 && seen as f32 / count as f32 >= ngrams.share {
                found.push((start, at, f64::from(seen as f32 / count as f32)));
            }
        }
        found
    };
    texts.iter().map(&mut of).collect()
}

#[test]
fn paragraphs_are_marked_by_the_share_of_their_ngrams() {
    let mut random = regimen_base::Philox::new(7, &["ngrams"]);
    let mut number = |most: u32| random.next_u32() % most;
    let mut texts = Vec::new();
    for _ in 0..300 {
        let mut text = String::new();
        for _ in 0..number(8) {
            let (from, words) = (number(60), number(25));
            // Stretches of one long sentence, some of whose words are others.
            let word =
                |i: u32, other: bool| if other { "é".into() } else { format!("w{}", (from + i) * 7 % 97) };
            let words = (0..words).map(|i| word(i, number(6) == 0)).collect::<Vec<_>>();
            text += &words.join(" ");
            text.push('\n');
        }
        texts.push(text);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let rows = |texts: &[&str]| texts.iter().map(|text| row("r", text, "")).collect::<String>();
    let files = texts.chunks(100).map(|texts| gzip(rows(texts).as_bytes())).collect::<Vec<_>>();
    let names = ["c/documents/0.jsonl.gz", "c/documents/1.jsonl.gz", "c/documents/2.jsonl.gz"];
    let given: Vec<(&str, &[u8])> = names.into_iter().zip(files.iter().map(Vec::as_slice)).collect();
    for (length, stride, share, skip_short) in
        [(3, 1, 0.5, false), (4, 3, 0.0, false), (2, 2, 1.0, true), (5, 1, 0.3, true), (1, 1, 0.9, false)]
    {
        let ngrams = Ngrams { length, stride, share, skip_short };
        let expected = by_the_book(&texts, ngrams);
        let marked = expected.iter().map(|list| list.len() as u64).sum::<u64>();
        assert!(marked > 100);
        for (bloom, threads) in [(None, 1), (None, 3), (Some(Filter::new(200_000, 1e-12)), 3)] {
            let dir = project(&given);
            let found =
                run(dir.path(), By::Ngram { ngrams, cut: Cut::default(), bloom: bloom.clone() }, threads);
            assert_eq!(found.marked, marked);
            let of = |path: &str| scored(&dir.path().join(path.replace("documents", "attributes/dup")));
            let all = names.iter().flat_map(|name| of(name)).map(|(_, spans)| spans);
            assert!(all.eq(expected.iter().cloned()), "{ngrams:?}");
        }
    }
}

#[test]
fn more_ngrams_of_a_document_than_the_memory_bears_are_an_error() {
    let dir = project(&[("c/documents/a.jsonl", row("a", &"!".repeat(2_000_000), "").as_bytes())]);
    let files = input_files(dir.path(), "c/documents").unwrap();
    let of = |stride| {
        let ngrams = Ngrams { length: 2, stride, share: 0.5, skip_short: false };
        let by = By::Ngram { ngrams, cut: Cut::default(), bloom: None };
        let options =
            Options { by, name: "dup".into(), to: None, fields: Fields::default(), memory: 1 << 24 };
        dedup(&files, &options, &Progress::default(), &Cancel::new())
    };
    let error = of(1).unwrap_err();
    assert!(error.to_string().contains("n-grams or more, where 1048576 of one document fit"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("--memory ") && hint.contains("--stride"), "{hint}");
    let found = of(2).unwrap();
    assert_eq!((found.compared, found.duplicates, found.marked), (1_000_000, 999_999, 1));
}

#[test]
fn every_folder_of_marks_is_written_by_one_process_at_a_time() {
    let dir = project(&[
        ("c/documents/a/x.jsonl", row("x", "one", "").as_bytes()),
        ("c/documents/b/y.jsonl", row("y", "one", "").as_bytes()),
    ]);
    let files = input_files(dir.path(), "c/documents").unwrap();
    let options = Options {
        by: document(Keep::First),
        name: "dup".into(),
        to: None,
        fields: Fields::default(),
        memory: 1 << 24,
    };
    let run = || dedup(&files, &options, &Progress::default(), &Cancel::new());
    crate::common::refused_while_locked(&dir.path().join("c/attributes/dup/b/.regimen-notes/lock"), run);
}
