//! Looking into a finished corpus.

use regimen_corpus::Corpus;
use regimen_corpus::inspect::{
    Match, Originals, Pattern, Piece, clusters, pieces, search, search_dropped, stats,
};
use regimen_ledger::Artifact;
use serde_json::json;
use tempfile::TempDir;

use crate::common::{project, stage};

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
    assert_eq!(names, [("s:c", 82), ("t:more/z.txt", 23), ("t:more/z.txt", 42)]);
    assert_eq!((count, stopped), (3, false));
    assert_eq!((found[0].line, found[0].source_start), (2, Some(82)));
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
    let expected = [("s:b", 10, "drop_1"), ("s:d", 82, "duplicate"), ("s:e", 0, "drop_1")];
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
