//! Exports are read back as Dolma's and OLMo-core's readers do: numbers without a header, and rows of CSV beside them.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use regimen_base::{Cancel, Hint};
use regimen_corpus::Corpus;
use regimen_ledger::Artifact;
use regimen_recipe::testing::run_stage;
use regimen_recipe::{Registry, StageKind};
use regimen_tokens::export::{Exported, MAX_TOKENS, Progress, export};
use regimen_tokens::{Encoded, Error, Result, Split, TokenSet, Tokenizer, write_set};

fn kind(name: &str) -> &'static StageKind {
    const ALL: Registry = Registry(&[regimen_corpus::STAGES, regimen_tokens::STAGES]);
    ALL.get(name).unwrap()
}

/// Thirty rows of which the fifth is long, two with ids that CSV has to quote, and two files that are a document each.
fn corpus(root: &Path) -> Artifact {
    let mut rows = String::new();
    for i in 0..30 {
        let text = format!("Document {i} says naïve things. ").repeat(if i == 5 { 300 } else { 1 + i % 4 });
        let id = ["a,b", "say \"c\"\nand d"].get(i).map_or(format!("row-{i}"), ToString::to_string);
        rows.push_str(&serde_json::json!({"id": id, "text": text}).to_string());
        rows.push('\n');
    }
    std::fs::create_dir(root.join("notes")).unwrap();
    std::fs::write(root.join("rows.jsonl"), rows).unwrap();
    std::fs::write(root.join("notes/one.txt"), "The first note.").unwrap();
    std::fs::write(root.join("notes/two.txt"), "The second note, which is another.").unwrap();
    let config = "sources = [{ name = \"rows\", path = \"rows.jsonl\" }, { name = \"notes\", path = \"notes\" }]\n\
                  validation = 0.3\nfilter = { quality = \"none\" }";
    run_stage(kind("corpus"), config, root, &[], 0).unwrap()
}

fn write(set: &TokenSet, corpus: &Corpus, to: &Path, splits: &[Split], max: u64) -> Result<Exported> {
    export(set, corpus, to, splits, max, &Progress::default(), &Cancel::new())
}

/// A row: start, end, id, src, loc.
type Row = (usize, usize, String, String, u64);

/// The rows of a `.csv.gz`, by the rules of RFC 4180.
fn rows(path: &Path) -> Vec<Row> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let (mut all, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                let [start, end, id, src, loc] = <[String; 5]>::try_from(std::mem::take(&mut row)).unwrap();
                all.push((start.parse().unwrap(), end.parse().unwrap(), id, src, loc.parse().unwrap()));
            }
            c => field.push(c),
        }
    }
    assert!(field.is_empty() && row.is_empty() && !quoted, "the last row has no end");
    all
}

/// The tokens of every document of a split, cut ones put together: id, source file, place in it, tokens. Files are looked at
/// as numpy's memmap shows them.
fn read(to: &Path, exported: &Exported, split: Split, max: u64) -> Vec<(String, String, u64, Vec<u32>)> {
    let mut all: Vec<(String, String, u64, Vec<u32>)> = Vec::new();
    let of_split = exported.splits.iter().find(|done| done.split == split).unwrap();
    for (number, file) in of_split.files.iter().enumerate() {
        assert_eq!(*file, format!("{split}/part-0-{number:05}.npy"));
        let bytes = std::fs::read(to.join(file)).unwrap();
        let ids: Vec<u32> = match exported.dtype {
            "uint16" => bytes.as_chunks().0.iter().map(|&b| u32::from(u16::from_le_bytes(b))).collect(),
            "uint32" => bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect(),
            other => panic!("{other}"),
        };
        assert_eq!(ids.len() * if exported.dtype == "uint16" { 2 } else { 4 }, bytes.len());
        assert!(!ids.is_empty() && ids.len() as u64 <= max);
        let mut next = 0;
        for (start, end, id, src, loc) in rows(&to.join(file.replace(".npy", ".csv.gz"))) {
            assert_eq!(start, next, "rows tile the file");
            next = end;
            let piece = &ids[start..end];
            match all.last_mut() {
                Some(last) if last.3.last() != Some(&exported.end_id) => {
                    assert_eq!((&last.0, &last.1, last.2), (&id, &src, loc), "a piece of another document");
                    assert_eq!(start, 0, "it goes on in the next file");
                    last.3.extend_from_slice(piece);
                }
                _ => all.push((id, src, loc, piece.to_vec())),
            }
        }
        assert_eq!(next, ids.len());
    }
    all
}

#[test]
fn every_document_comes_back_as_the_tokenizer_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let made = corpus(root);
    let documents = Corpus::open(&made).unwrap();
    let learned = run_stage(kind("tokenizer"), "vocab = 290", root, &[("corpus", &made)], 0).unwrap();
    let codec = Tokenizer::open(&learned.path).unwrap();
    let inputs = [("corpus", &made), ("tokenizer", &learned)];
    let packed = run_stage(kind("tokens"), "shard_tokens = 333", root, &inputs, 0).unwrap();
    let set = TokenSet::open(&packed.path).unwrap();
    for (max, cuts) in [(MAX_TOKENS, false), (50, true), (1, true)] {
        let to = root.join(format!("out-{max}"));
        let exported = write(&set, &documents, &to, &Split::ALL, max).unwrap();
        assert_eq!((exported.dtype, exported.end_id, exported.vocab), ("uint16", set.end_id(), 290));
        assert_eq!(exported.splits.iter().any(|split| split.cut > 0), cuts);
        for split in Split::ALL {
            let wanted: Vec<_> = documents
                .split(split)
                .map(|ordinal| {
                    let mut ids = codec.encode(documents.text(ordinal).unwrap().unwrap()).unwrap();
                    ids.push(set.end_id());
                    let place = documents.place(ordinal);
                    (documents.id(ordinal).to_string(), place.file, place.number.max(1), ids)
                })
                .collect();
            assert!(wanted.len() > 3, "{split}");
            assert_eq!(read(&to, &exported, split, max), wanted, "{split} in files of {max}");
            let done = exported.splits.iter().find(|done| done.split == split).unwrap();
            assert_eq!((done.documents, done.tokens), (wanted.len() as u64, set.split(split).len()));
            let mut files = Vec::new();
            for entry in std::fs::read_dir(to.join(split.name())).unwrap() {
                files.push(entry.unwrap().path());
            }
            assert_eq!(files.len(), 2 * done.files.len(), "a file of rows beside each, and nothing else");
        }
    }
    // What a row says, in plain numbers.
    let all: Vec<Row> = ["train", "validation"]
        .iter()
        .flat_map(|split| rows(&root.join(format!("out-{MAX_TOKENS}/{split}/part-0-00000.csv.gz"))))
        .collect();
    let of = |id: &str| all.iter().find(|row| row.2 == id).map(|row| (row.3.as_str(), row.4));
    assert_eq!(of("a,b"), Some(("rows.jsonl", 1)));
    assert_eq!(of("say \"c\"\nand d"), Some(("rows.jsonl", 2)));
    assert_eq!(of("row-29"), Some(("rows.jsonl", 30)));
    assert_eq!(all.iter().filter(|row| row.3 == "notes/two.txt" && row.4 == 1).count(), 1);
}

#[test]
fn documents_that_fit_are_not_cut_and_copies_have_rows_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let documents = Corpus::open(&corpus(dir.path())).unwrap();
    let shards = dir.path().join("shards");
    std::fs::create_dir(&shards).unwrap();
    // A vocabulary that needs four bytes, and documents of 4, 3, 10 and 2 tokens with their ends; two come again.
    let of = |ordinal: u32, length: u32| (ordinal, (0..length).map(|i| 70_000 + i).collect::<Vec<_>>());
    let lengths = vec![1; 70_100];
    let train: [Encoded; 6] = [of(0, 3), of(1, 2), of(2, 9), of(3, 1), of(1, 2), of(3, 1)];
    write_set(&shards, &lengths, 7, 5, train.clone().map(Ok), []).unwrap();
    let set = TokenSet::open(&shards).unwrap();
    let to = dir.path().join("out");
    let exported = write(&set, &documents, &to, &Split::ALL, 6).unwrap();
    assert_eq!(
        (exported.dtype, exported.splits.len()),
        ("uint32", 1),
        "a split without documents has no folder"
    );
    assert!(!to.join("validation").exists());
    let parts: Vec<Vec<(usize, usize, String)>> = exported.splits[0]
        .files
        .iter()
        .map(|file| {
            rows(&to.join(file.replace(".npy", ".csv.gz"))).into_iter().map(|r| (r.0, r.1, r.2)).collect()
        })
        .collect();
    let id = |ordinal: u32| documents.id(ordinal).to_string();
    assert_eq!(
        parts,
        [
            vec![(0, 4, id(0))],
            vec![(0, 3, id(1))],
            vec![(0, 6, id(2))],
            vec![(0, 4, id(2)), (4, 6, id(3))],
            vec![(0, 3, id(1)), (3, 5, id(3))],
        ]
    );
    assert_eq!((exported.splits[0].documents, exported.splits[0].cut), (6, 1));
    let wanted: Vec<Vec<u32>> =
        train.into_iter().map(|(_, ids)| ids.into_iter().chain([7]).collect()).collect();
    let found: Vec<Vec<u32>> =
        read(&to, &exported, Split::Train, 6).into_iter().map(|document| document.3).collect();
    assert_eq!(found, wanted);
}

#[test]
fn an_export_is_whole_or_not_there_and_never_over_another() {
    let dir = tempfile::tempdir().unwrap();
    let documents = Corpus::open(&corpus(dir.path())).unwrap();
    let shards = dir.path().join("shards");
    std::fs::create_dir(&shards).unwrap();
    let of = |ordinal: u32| Ok((ordinal, vec![1, 2]));
    write_set(&shards, &[1; 9], 0, 100, [of(0), of(1)], [of(2)]).unwrap();
    let set = TokenSet::open(&shards).unwrap();
    let to = dir.path().join("out");
    let names = || std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());

    // Stopped: nothing is left, and what a killed process left is gone.
    std::fs::create_dir_all(to.join(".train.tmp999999999")).unwrap();
    std::fs::write(to.join(".train.tmp999999999/part-0-00000.npy"), "x").unwrap();
    let (progress, cancel) = (Progress::default(), Cancel::new());
    cancel.ask();
    let stopped = export(&set, &documents, &to, &Split::ALL, 10, &progress, &cancel);
    assert!(matches!(stopped, Err(Error::Interrupted(_))), "{stopped:?}");
    assert_eq!((names().count(), progress.documents.load(Relaxed)), (0, 0));

    // One split, then the other beside it; then neither again.
    write(&set, &documents, &to, &[Split::Validation], 10).unwrap();
    assert_eq!(names().collect::<Vec<_>>(), ["validation"]);
    let first = std::fs::read(to.join("validation/part-0-00000.csv.gz")).unwrap();
    let refused = write(&set, &documents, &to, &Split::ALL, 10).unwrap_err();
    assert!(matches!(&refused, Error::NotEmpty { .. }), "{refused}");
    assert!(
        refused.to_string().contains("out/validation` is not empty") && refused.hint().is_some(),
        "{refused}"
    );
    assert!(!to.join("train").exists(), "nothing is written once one is refused");
    write(&set, &documents, &to, &[Split::Train], 10).unwrap();
    // Equal bytes wherever they are written.
    let again = dir.path().join("again");
    write(&set, &documents, &again, &[Split::Validation], 10).unwrap();
    assert_eq!(std::fs::read(again.join("validation/part-0-00000.csv.gz")).unwrap(), first);

    // Tokens of another corpus are told by the document that it does not have.
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    write_set(&other, &[1; 9], 0, 100, [of(0), of(1000)], [of(2)]).unwrap();
    let wrong =
        write(&TokenSet::open(&other).unwrap(), &documents, &dir.path().join("wrong"), &Split::ALL, 10);
    assert!(wrong.unwrap_err().to_string().contains("names document 1000, the corpus has 32"));
    assert!(!dir.path().join("wrong/train").exists());
}
