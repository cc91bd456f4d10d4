//! Looking into a finished corpus.

use regimen_corpus::dolma::mix::Pack;
use regimen_corpus::inspect::{
    Counting, Error, Filter, Match, Originals, Pattern, Piece, Task, clusters, export, histograms, matching,
    measures, ngrams, page, pieces, search, search_dropped, stats, values, verdicts,
};
use regimen_corpus::tag::Shape;
use regimen_corpus::{Corpus, source_of};
use regimen_ledger::Artifact;
use serde_json::json;
use tempfile::TempDir;

use crate::common::{build, plain, project, stage, texts};

const A: &str = "Write to me@x.org now.\nshort\nCall 212 555 0123 or mail you@y.org today.\n";
const LONG: &str =
    "Café words are here and they go on for a while.\nAnother line of the text with needle inside.\n";

/// A project with kept, edited, dropped and copied documents.
fn made() -> (TempDir, Artifact) {
    let rows = [
        ("a", A, json!({"license": "CC-BY-4.0"})),
        ("b", "too short needle", json!({})),
        ("c", LONG, json!({"author_kind": "human"})),
        ("d", LONG, json!({})),
        ("e", "needle", json!({})),
    ];
    let line = |(id, text, metadata): &(&str, &str, serde_json::Value)| {
        format!("{}\n", json!({"id": id, "text": text, "metadata": metadata, "created": "2024-02-29"}))
    };
    let rows: String = rows.iter().map(line).collect();
    let dir = project(&[
        ("in/a.jsonl", rows.as_bytes()),
        ("more/z.txt", b"A plain text that says needle at its end: needle"),
    ]);
    let artifact = stage(
        dir.path(),
        "sources = [{ name = \"s\", path = \"in\" }, { name = \"t\", path = \"more\", licence = \"MIT\" }]\n\
         filter = { quality = \"none\" }\nvalidation = 0\n\
         tag = [{ tagger = \"pii@dolma\", name = \"pii\" }, { tagger = \"c4@dolma\" }, { tagger = \"length\" }]\n\
         drop = [\"length.words < 4\"]\n\
         edit = [{ spans = \"pii.EMAIL_ADDRESS\", replace = \" |||EMAIL||| \" }, \
         { spans = \"c4@dolma.lines_with_too_few_words\", when = \"length.words > 5\" }]\n",
    )
    .unwrap();
    (dir, artifact)
}

fn all(corpus: &Corpus, pattern: &Pattern, most: u64, count: bool) -> (Vec<Match>, u64, bool) {
    let mut found = Vec::new();
    let sum = search(corpus, pattern, most, count, &mut |m| {
        found.push(m);
        Ok(())
    })
    .unwrap();
    (found, sum.matches, sum.stopped)
}

#[test]
fn matches_come_in_document_order_with_their_place_in_the_source() {
    let (_dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let pattern = Pattern::text("needle").unwrap();
    let (found, count, stopped) = all(&corpus, &pattern, 100, false);
    let names: Vec<_> = found.iter().map(|m| (m.document.as_str(), m.start)).collect();
    assert_eq!(names, [("s:c", 79), ("t:more/z.txt", 23), ("t:more/z.txt", 42)]);
    assert_eq!((count, stopped), (3, false));
    assert_eq!((found[0].line, found[0].source_start), (2, Some(79)));
    assert_eq!(
        (found[0].before.as_str(), found[0].after.as_str()),
        ("Another line of the text with ", " inside.")
    );
    // Behind an edit the offset in the source is another one.
    let (found, ..) = all(&corpus, &Pattern::text("today").unwrap(), 100, false);
    let source = found[0].source_start.unwrap() as usize;
    assert!(A[source..].starts_with("today") && source != found[0].start as usize);
    // What edits put in has no place in the source.
    let (found, ..) = all(&corpus, &Pattern::text("|EMAIL|").unwrap(), 1, true);
    assert_eq!((found.len(), found[0].source_start), (1, None));
    let (_, count, _) = all(&corpus, &Pattern::text_ignoring_case("CAFÉ").unwrap(), 0, true);
    assert_eq!(count, 1);
    let (found, ..) = all(&corpus, &Pattern::regex(r"n\w+e (inside|at)", false).unwrap(), 9, false);
    assert_eq!(found.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["needle inside", "needle at"]);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| all(&corpus, &pattern, 2, true)).0, all(&corpus, &pattern, 2, true).0);
    }
}

#[test]
fn many_matches_in_one_long_text_are_shown_in_linear_time() {
    // With lines of all lengths, empty ones too, and a last one without an end.
    let text: String =
        (0..30_000).map(|i| format!("{}x é{}", "a".repeat(i % 200), "\n".repeat(i % 7 / 2))).collect();
    let dir = project(&[("long.txt", text.as_bytes())]);
    let corpus = build(dir.path(), &plain("long.txt", ""));
    let (found, count, _) = all(&corpus, &Pattern::text("x").unwrap(), u64::MAX, true);
    assert_eq!((found.len(), count), (30_000, 30_000));
    let lines: Vec<&str> = text.split('\n').collect();
    let mut at = 0;
    for (i, found) in found.iter().enumerate() {
        at += text[at..].find('x').unwrap();
        assert_eq!(found.start as usize, at);
        if i % 97 == 0 {
            assert_eq!(found.line as usize, text[..at].matches('\n').count() + 1);
            let line = lines[found.line as usize - 1];
            let around = format!("{}{}{}", found.before, found.text, found.after);
            assert!(line.contains(around.trim_matches('…')) && around.len() <= line.len() + 6, "{around}");
            assert_eq!(found.before.starts_with('…'), !line.starts_with(&found.before));
        }
        at += 1;
    }
}

#[test]
fn dropped_texts_are_read_again_and_files_that_changed_are_noticed() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let pattern = Pattern::text("needle").unwrap();
    let dropped = || {
        let mut found = Vec::new();
        let (_, absent) = search_dropped(&corpus, &originals, &pattern, 10, true, &mut |m| {
            found.push((m.document, m.start, m.dropped.unwrap()));
            Ok(())
        })
        .unwrap();
        (found, absent)
    };
    let (found, absent) = dropped();
    let expected = [("s:b", 10, "drop_1"), ("s:d", 79, "duplicate"), ("s:e", 0, "drop_1")];
    assert_eq!(found, expected.map(|(d, at, why)| (d.to_string(), at, why.to_string())));
    assert!(absent.is_empty());
    // The pieces of the source of an edited text.
    let source = originals.texts(&corpus, &[0]).unwrap().remove(0).unwrap();
    assert_eq!(source, A);
    let map = corpus.keep_map(0).unwrap().unwrap();
    let cut = pieces(&source, &map, &corpus.names().replacements).unwrap();
    assert!(cut.contains(&Piece::Removed(23, "short\n")), "{cut:?}");
    // One row changes, one vanishes.
    let file = dir.path().join("in/a.jsonl");
    let text = std::fs::read_to_string(&file).unwrap().replace("too short needle", "too short thread");
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&file, lines[..4].join("\n")).unwrap();
    let (found, absent) = dropped();
    assert_eq!(found.len(), 1);
    assert_eq!(absent.iter().map(|a| a.ordinal).collect::<Vec<_>>(), [1, 4]);
    assert!(absent[0].why.contains("has changed since"), "{}", absent[0].why);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(dropped().1.len(), 3);
}

#[test]
fn statistics_count_everything_once() {
    let (_dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let stats = stats(&corpus, 5).unwrap();
    assert_eq!((stats.read.documents, stats.kept.documents), (6, 3));
    assert_eq!(stats.reasons["drop_1"].documents, 2);
    assert_eq!(stats.licences["CC-BY-4.0"].documents, 1);
    assert_eq!(stats.sources.values().map(|c| c.bytes).sum::<u64>(), stats.kept.bytes);
    assert_eq!((stats.edited.documents, stats.authors["human"].documents), (1, 1));
    let words = stats.numbers.iter().find(|n| n.name == "length.words").unwrap();
    assert_eq!((words.count, words.quantiles.unwrap().least, words.absent), (6, 1.0, 0.0));
    let mail = stats.numbers.iter().find(|n| n.name == "pii.EMAIL_ADDRESS").unwrap();
    assert_eq!((mail.what, mail.quantiles.unwrap().greatest), ("spans", 2.0));
    assert!((mail.absent - 5.0 / 6.0).abs() < 1e-12);
    let clusters = clusters(&corpus, 5);
    assert_eq!((clusters.count, clusters.dropped.documents), (1, 1));
    assert_eq!((clusters.largest[0].document.as_str(), &clusters.largest[0].copies[..]), ("s:c", &[3][..]));
}

#[test]
fn documents_are_picked_by_what_is_known_of_them() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let names = |filter: Filter| {
        let (found, absent) = matching(&corpus, &originals, &filter, &Task::default()).unwrap();
        assert!(absent.is_empty());
        found.iter().map(|&o| corpus.id(o).to_string()).collect::<Vec<_>>()
    };
    let by = |expression: &str| names(Filter { expression: Some(expression.into()), ..Filter::default() });
    assert_eq!(names(Filter { reason: Some(0), ..Filter::default() }), ["a", "c", "more/z.txt"]);
    assert_eq!(names(Filter { source: Some(1), ..Filter::default() }), ["more/z.txt"]);
    assert_eq!(by("count(pii.EMAIL_ADDRESS) == 2"), ["a"]);
    assert_eq!(by("licence == 'MIT' or id == 'e'"), ["e", "more/z.txt"]);
    // Texts are those of the sources: of dropped documents, and as they were before edits.
    assert_eq!(by("contains(text, 'needle') and bytes < 20"), ["b", "e"]);
    assert_eq!(by("contains(text, 'me@x.org')"), ["a"]);
    let fault = |e: &str| {
        let filter = Filter { expression: Some(e.into()), ..Filter::default() };
        matching(&corpus, &originals, &filter, &Task::default()).unwrap_err().to_string()
    };
    assert!(fault("metadata.x == 3").contains("does not hold"));
    assert!(fault("length.wodrs > 3").contains("length.wodrs"));
}

#[test]
fn documents_are_picked_by_words_and_fate_and_the_search_can_be_stopped() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let task = Task::default();
    let ids = |filter: &Filter| {
        let (found, _) = matching(&corpus, &originals, filter, &task).unwrap();
        found.iter().map(|&o| corpus.id(o).to_string()).collect::<Vec<_>>()
    };
    let words = |text: &str, kept| Filter { text: Some(text.into()), kept, ..Filter::default() };
    assert_eq!(ids(&words("needle", None)), ["b", "c", "d", "e", "more/z.txt"]);
    assert_eq!(ids(&words("needle", Some(false))), ["b", "d", "e"]);
    // What edits cut out was in the source; a capital makes case count.
    assert_eq!(ids(&words("short", Some(true))), ["a"]);
    assert_eq!(ids(&words("CALL", None)), [""; 0]);
    assert_eq!(ids(&words("call 212", None)), ["a"]);
    let both = Filter { expression: Some("length.words > 4".into()), ..words("needle", None) };
    assert_eq!(ids(&both), ["c", "d", "more/z.txt"]);
    assert_eq!(task.share(), Some(1.0));
    assert!(matching(&corpus, &originals, &words("", None), &task).is_err());
    task.stop();
    for filter in [words("needle", None), Filter { expression: both.expression, ..Filter::default() }] {
        let stopped = matching(&corpus, &originals, &filter, &task).unwrap_err();
        assert!(matches!(stopped, Error::Stopped), "{stopped}");
    }
    // One text, without asking where it lies.
    let text = |ordinal| originals.text(&corpus, ordinal, &Task::default()).unwrap();
    assert_eq!((text(0).unwrap().as_str(), text(3).unwrap().as_str()), (A, LONG));
    std::fs::remove_file(dir.path().join("in/a.jsonl")).unwrap();
    assert!(text(2).is_ok() && text(3).is_err());
    assert!(matches!(originals.text(&corpus, 3, &task), Err(Error::Stopped) | Ok(Err(_))));
}

#[test]
fn thresholds_of_rules_and_expressions_stand_where_documents_are_told_apart() {
    let mail = |n: usize| "Write to me@x.org or to you@y.org now. ".repeat(n);
    let rows: String = (0..40)
        .map(|i| {
            let text = format!("{} {}", "one two three four five ".repeat(i), mail(i % 4));
            format!("{}\n", json!({"id": i, "text": text}))
        })
        .collect();
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let artifact = stage(
        dir.path(),
        "sources = [{ name = \"s\", path = \"in\" }]\nvalidation = 0\n\
         filter = { min_words = 12, max_words = 180, min_stop_words = 0, min_alphabetic_share = 0.1 }\n\
         tag = [{ tagger = \"length\" }, { tagger = \"pii@dolma\", name = \"pii\" }, { tagger = \"c4@dolma\", name = \"c4\" }]\n\
         drop = [\"not (length.words <= 150)\", \"count(pii.EMAIL_ADDRESS) + count(pii.PHONE_NUMBER) > 5\", \
         \"bytes > 700 and length.lines == 1 and c4.has_javascript\"]\n",
    )
    .unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let all = measures(&corpus, &originals).unwrap();
    let told = |name: &str| {
        let measure = all.iter().find(|measure| measure.name == name).unwrap_or_else(|| panic!("{name}"));
        measure.limits.iter().map(|limit| format!("{}: {}", limit.reason, limit.text())).collect::<Vec<_>>()
    };
    assert_eq!(told("number of words"), ["min_words: dropped if < 12", "max_words: dropped if > 180"]);
    assert_eq!(told("length.words"), ["drop_1: dropped if > 150"]);
    let sum = "count(pii.EMAIL_ADDRESS) + count(pii.PHONE_NUMBER)";
    assert_eq!(told(sum), ["drop_2: dropped if > 5"]);
    assert_eq!(told("bytes"), ["drop_3: dropped if > 700, and more is so"]);
    assert_eq!(told("c4.has_javascript"), ["drop_3: dropped if > 0, and more is so"]);
    assert!(told("pii.EMAIL_ADDRESS").is_empty());
    // Of one document: every threshold with its number.
    for ordinal in 0..corpus.len() as u32 {
        let verdicts = verdicts(&corpus, &artifact.manifest.config, ordinal).unwrap();
        let rules: Vec<&str> = verdicts.iter().map(|verdict| verdict.rule.as_str()).collect();
        assert_eq!(rules, ["drop_1", "drop_2", "drop_3", "drop_3", "drop_3"]);
        assert_eq!(verdicts[1].measure, sum);
        assert_eq!(verdicts[0].passed, verdicts[0].value.map(|words| words <= 150.0));
        let row = corpus.row(ordinal);
        let reason = row.dropped.map(|reason| corpus.reason_name(reason));
        if row.kept() {
            assert!(verdicts.iter().all(|verdict| verdict.passed == Some(true)), "{verdicts:?}");
        }
        if let Some(reason) = reason.filter(|reason| reason.starts_with("drop_")) {
            assert!(
                verdicts.iter().any(|verdict| verdict.rule == reason && verdict.passed == Some(false)),
                "{verdicts:?}"
            );
        }
    }
    // Every document is counted once, and those that a rule dropped lie on its side.
    let task = Task::default();
    let mut pictures = Vec::new();
    histograms(&corpus, &all, 48, &task, &mut |i, histogram| {
        pictures.push((i, histogram));
        Ok(())
    })
    .unwrap();
    assert_eq!(task.share(), Some(1.0));
    assert!(pictures.iter().enumerate().all(|(at, (i, _))| at == *i) && pictures.len() == all.len());
    for (measure, (_, picture)) in all.iter().zip(&pictures) {
        let picture = picture.as_ref().unwrap();
        let kept: u64 = picture.kept.iter().sum();
        assert_eq!(kept, corpus.kept().count() as u64, "{}", measure.name);
        let sum = kept + picture.dropped.iter().sum::<u64>();
        assert!(sum == corpus.len() as u64 || measure.name.starts_with("pii") && sum < corpus.len() as u64);
        for (limit, &falls) in measure.limits.iter().zip(&picture.falls) {
            let mut on_that_side = 0;
            for ordinal in 0..corpus.len() as u32 {
                let value = values(&corpus, std::slice::from_ref(measure), ordinal).unwrap()[0];
                on_that_side += u64::from(value.is_some_and(|value| limit.falls(value)));
                let row = corpus.row(ordinal);
                if row.dropped.is_some_and(|reason| corpus.reason_name(reason) == limit.reason) {
                    let own = measure.limits.iter().filter(|other| other.reason == limit.reason);
                    assert!(
                        own.clone().any(|limit| value.is_some_and(|value| limit.falls(value))),
                        "{ordinal}"
                    );
                } else if row.kept() && limit.alone {
                    assert!(!value.is_some_and(|value| limit.falls(value)), "{ordinal} {}", limit.text());
                }
            }
            assert_eq!(falls, on_that_side, "{}", limit.text());
        }
    }
    // The same for any number of threads.
    let html = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| page(&corpus, &originals, "x", 2).unwrap().0)
    };
    let one = html(1);
    assert_eq!(one, html(3));
    for part in [
        "drop_2</code>: dropped if &gt; 5",
        "<b>6</b>, dropped if &gt; 5",
        "<mark> me@x.org </mark>",
        "class=\"limit\"",
    ] {
        assert!(one.contains(part), "{part}");
    }
}

#[test]
fn ngrams_are_counted_exactly_whatever_the_memory() {
    let texts: Vec<String> = (0..300)
        .map(|i| {
            (0..200).map(|j| format!("W{}", (i * 7919 + j * j * 31) % 997)).collect::<Vec<_>>().join(" \n")
        })
        .collect();
    let rows: String =
        texts.iter().enumerate().map(|(i, t)| format!("{}\n", json!({"id": i, "text": t}))).collect();
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let config = "sources = [{ name = \"s\", path = \"in\" }]\nfilter = { quality = \"none\" }\nvalidation = 0\ndedup = \"none\"\n";
    let corpus = Corpus::open(&stage(dir.path(), config).unwrap()).unwrap();
    for n in [1, 2, 3] {
        let mut expected = std::collections::BTreeMap::<String, u64>::new();
        for text in &texts {
            let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
            words.windows(n).for_each(|w| *expected.entry(w.join(" ")).or_default() += 1);
        }
        let mut best: Vec<(String, u64)> = expected.clone().into_iter().collect();
        best.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        for memory in [100_000, 400_000, 100_000_000] {
            let counting = Counting { n, top: 50, min: 2, lower: true, memory };
            let counted = ngrams(&corpus, &counting).unwrap();
            assert_eq!(counted.total, 300 * (201 - n as u64));
            assert_eq!(counted.distinct, expected.len() as u64, "{n} {memory}");
            let found: Vec<(String, u64)> = counted.ngrams.into_iter().map(|g| (g.text, g.count)).collect();
            assert_eq!(found, best.iter().filter(|b| b.1 > 1).take(50).cloned().collect::<Vec<_>>());
            assert_eq!(counted.passes > 1, memory < 1_000_000 && n > 1, "{n} {memory} {}", counted.passes);
        }
    }
    let counting = Counting { n: 0, top: 5, min: 1, lower: false, memory: 1 << 30 };
    assert!(ngrams(&corpus, &counting).is_err());
    assert!(ngrams(&corpus, &Counting { n: 2, memory: 10, ..counting }).is_err());
}

#[test]
fn ngrams_of_one_long_document_take_linear_time() {
    // If all of the text were read for each n-gram, or the spaces once more, this would go on for half an hour.
    let text = format!("a{}b {}", " ".repeat(1 << 20), "a B ".repeat(1 << 18));
    let row = format!("{}\n", json!({"id": 1, "text": text}));
    let dir = project(&[("in/a.jsonl", row.as_bytes())]);
    let corpus = build(dir.path(), &plain("in", ""));
    let count = |n, lower| {
        let counted = ngrams(&corpus, &Counting { n, top: 9, min: 1, lower, memory: 1 << 20 }).unwrap();
        (counted.total, counted.ngrams.into_iter().map(|g| (g.text, g.count)).collect::<Vec<_>>())
    };
    let all = 1 << 18;
    assert_eq!(count(2, true), (2 * all + 1, vec![("a b".into(), all + 1), ("b a".into(), all)]));
    let least = [("B a", all - 1), ("a b", 1), ("b a", 1)].map(|(text, count)| (text.to_string(), count));
    assert_eq!(count(2, false), (2 * all + 1, [&[("a B".to_string(), all)], &least[..]].concat()));
}

fn unpack(path: &std::path::Path) -> Vec<serde_json::Value> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_export_in_dolma_s_layout_can_be_read_back() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let out = dir.path().join("out");
    let exported = export::dolma(&corpus, "k", &out, "my-exp", 150, Pack::Gz).unwrap();
    assert_eq!((exported.documents, exported.files.len()), (3, 4));
    // Left out are the spans of which no byte is in the edited text.
    let (text, map) = (corpus.text(0).unwrap().unwrap(), corpus.keep_map(0).unwrap().unwrap());
    let left: Vec<u32> =
        (0..text.len() as u32).filter_map(|at| source_of(&map, &corpus.names().replacements, at)).collect();
    let tags = corpus.tags(0).unwrap();
    let spans = tags.iter().filter(|t| t.attribute.shape == Shape::Spans).flat_map(|t| &t.spans);
    let gone = spans.filter(|s| !left.iter().any(|at| (s.start..s.end).contains(at))).count();
    assert!(gone >= 3, "two addresses and a line");
    assert_eq!(exported.spans_left_out, gone as u64);
    let again = export::dolma(&corpus, "k", &out, "my-exp", 150, Pack::Gz).unwrap();
    assert_eq!((again.files.len(), again.skipped.len()), (0, 4));
    let documents = unpack(&out.join("documents/00000.jsonl.gz"));
    let tags = unpack(&out.join("attributes/my_exp/00000.jsonl.gz"));
    assert_eq!(documents.len(), 2);
    assert_eq!((&documents[0]["id"], &tags[0]["id"]), (&json!("a"), &json!("a")));
    assert_eq!(documents[0]["metadata"]["license"], "CC-BY-4.0");
    assert_eq!(documents[0]["created"], "2024-02-29T00:00:00.000Z");
    // Offsets count code points of the exported text.
    let text: Vec<char> = documents[0]["text"].as_str().unwrap().chars().collect();
    let phone = &tags[0]["attributes"]["my_exp__pii__PHONE_NUMBER"][0];
    let at = |i: usize| phone[i].as_u64().unwrap() as usize;
    assert_eq!(text[at(0)..at(1)].iter().collect::<String>(), " 212 555 0123");
    let length = documents[1]["text"].as_str().unwrap().chars().count();
    assert_eq!(tags[1]["attributes"]["my_exp__length__words"][0], json!([0, length, 19.0]));
    // The stage reads it back to the same texts.
    let config = "sources = [{ name = \"s\", path = \"out/documents\", format = \"dolma\" }]\n\
                  filter = { quality = \"none\" }\nvalidation = 0\n";
    let back = Corpus::open(&stage(dir.path(), config).unwrap()).unwrap();
    assert_eq!(texts(&back), texts(&corpus));
    let flat = export::jsonl(&corpus, "k", &dir.path().join("flat"), 1 << 30, Pack::Gz).unwrap();
    assert_eq!(flat.files, ["00000.jsonl.gz"]);
    assert_eq!(unpack(&dir.path().join("flat/00000.jsonl.gz"))[1]["author_kind"], "human");
}

#[test]
fn tables_and_cards_name_what_they_hold() {
    let (dir, artifact) = made();
    let corpus = Corpus::open(&artifact).unwrap();
    let about = export::About { name: "c|d".into(), key: "0123456789abcdef".into(), ..Default::default() };
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(export::card(&corpus, &about, &empty).unwrap_err().to_string().contains("no exported file"));
    let out = dir.path().join("tables");
    export::parquet(&corpus, &out).unwrap();
    let first = std::fs::read(out.join("documents.parquet")).unwrap();
    export::parquet(&corpus, &out).unwrap();
    assert_eq!(std::fs::read(out.join("documents.parquet")).unwrap(), first, "the same bytes again");
    assert_eq!(&first[..4], b"PAR1");
    export::card(&corpus, &about, &out).unwrap();
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.starts_with("# c\\|d\n") && card.contains("| drop\\_1 | 2 |"), "{card}");
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(out.join(name)).unwrap()).unwrap()
    };
    let croissant = read("croissant.json");
    assert_eq!(croissant["distribution"].as_array().unwrap().len(), 2);
    // The one media type of tables that readers of Croissant know.
    assert_eq!(croissant["distribution"][0]["encodingFormat"], "application/x-parquet");
    assert_eq!(croissant["recordSet"][0]["field"][0]["@id"], "documents/ordinal");
    let graph = read("spdx.json")["@graph"].clone();
    // Marks of personal data are left in the texts; nobody said where to download them.
    assert!(card.contains("pii.PHONE\\_NUMBER: 1"), "{card}");
    assert!(card.contains("does not conform to the profile Dataset"), "{card}");
    let licences: Vec<&serde_json::Value> = graph
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["relationshipType"].as_str().is_some_and(|t| t.ends_with("License")))
        .collect();
    assert_eq!(licences.len(), 2);
    assert!(graph.to_string().contains("CC-BY-4.0 AND MIT"), "{graph}");
}

#[test]
fn the_page_needs_nothing_and_lets_nothing_through() {
    let hostile = "<script>alert(1)</script> & \"quotes\" \u{202e} and more words than the rule asks for. Write to me@x.org now.";
    let rows = format!(
        "{}\n{}\n",
        json!({"id": "<u>", "text": hostile}),
        json!({"id": "short", "text": "<i>no</i>"})
    );
    let dir = project(&[("in/a.jsonl", rows.as_bytes())]);
    let artifact = stage(
        dir.path(),
        "sources = [{ name = \"s\", path = \"in\" }]\nfilter = { min_words = 5, min_stop_words = 0, min_alphabetic_share = 0.5 }\nvalidation = 0\n\
         tag = [{ tagger = \"pii@dolma\", name = \"pii\" }, { tagger = \"length\" }]\n\
         edit = [{ spans = \"pii.EMAIL_ADDRESS\", replace = \" |||EMAIL||| \" }]\n",
    )
    .unwrap();
    let corpus = Corpus::open(&artifact).unwrap();
    let originals = Originals::new(&artifact.manifest.config, dir.path()).unwrap();
    let (html, absent) = page(&corpus, &originals, "name & <key>", 3).unwrap();
    assert!(absent.is_empty());
    assert!(!html.contains("<script") && !html.contains("<u>") && !html.contains("<i>no"));
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("src="), "no request");
    for part in [
        "min_words",
        "&lt;i&gt;no",
        "<del> me@x.org </del>",
        "|||EMAIL|||",
        "<svg",
        "dropped if &lt; 5; 1 on that side",
        "name &amp; &lt;key&gt;",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    std::fs::remove_file(dir.path().join("in/a.jsonl")).unwrap();
    let (html, absent) = page(&corpus, &originals, "x", 3).unwrap();
    assert!(html.contains("not there any more") && !absent.is_empty());
}
