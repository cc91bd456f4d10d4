//! Mixing Dolma folders: what is kept, edited, dropped and taken, the same for any number of threads; and what is refused.

use std::io::Read;
use std::path::Path;

use regimen_base::{Cancel, Hint};
use regimen_corpus::dolma::Fields;
use regimen_corpus::dolma::mix::{Edit, Mixed, Options, Pack, Source, mix};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::{Error, Result};
use regimen_recipe::input_files;
use serde_json::{Value, json};

use crate::common::{gzip, project, zstd};

fn source(dir: &Path, name: &str) -> Source {
    Source {
        name: name.into(),
        documents: input_files(dir, &format!("{name}/documents")).unwrap(),
        fields: Fields::default(),
        attributes: Vec::new(),
        include: Vec::new(),
        drop: Vec::new(),
        edit: Vec::new(),
        discard: Vec::new(),
        weight: 1.0,
    }
}

fn edit(spans: &str, replace: &str) -> Edit {
    Edit { spans: spans.into(), replace: replace.into(), when: None, least: None }
}

fn options(dir: &Path) -> Options {
    Options {
        to: dir.join("out"),
        shard: 1 << 30,
        pack: Pack::Gz,
        temperature: 1.0,
        budget: 0,
        max_copies: 1,
        keep_map: false,
        memory: 1 << 30,
    }
}

fn run(sources: &[Source], options: &Options, threads: usize) -> Result<Mixed> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| mix(sources, options, &Progress::default(), &Cancel::new()))
}

/// The content of a file, unpacked.
fn unpacked(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        "gz" => drop(flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap()),
        "zst" => text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
        _ => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

fn ids(text: &str) -> Vec<String> {
    text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["id"].as_str().unwrap().into()).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "calls read better")]
fn line(row: Value) -> String {
    format!("{row}\n")
}

/// Attributes of a row.
#[allow(clippy::needless_pass_by_value, reason = "calls read better")]
fn with(id: &str, attributes: Value) -> String {
    line(json!({"id": id, "attributes": attributes}))
}

/// Three documents, with two experiments.
fn small() -> (String, String, String) {
    let documents = concat!(
        "{\"id\":\"a\", \"text\":\"né mail x@y.z ende\", \"source\":\"s\", \"metadata\":{\"n\": 1.50}}\n",
        "{\"id\":\"b\",\"text\":\"short\",\"source\":\"s\",\"license\":\"MIT\"}\n\n",
        "{\"id\":\"c\",\"text\":\"one\\ntwo\\none\\n\",\"source\":\"s\"}\n",
    );
    let words = |n: f64, length: u32| json!([[0, length, n]]);
    let rules = with(
        "a",
        json!({"x__gopher_v1__word_count": words(4.0, 18), "x__pii__mail": [[8, 13, 0.9], [0, 2, 0.1]]}),
    ) + &with("b", json!({"x__gopher_v1__word_count": words(1.0, 5)}))
        + &with("c", json!({"x__gopher_v1__word_count": words(3.0, 12)}));
    let dup = with("a", json!({"dup": []}))
        + &with("b", json!({"dup": []}))
        + &with("c", json!({"dup": [[8, 12, 1.0]]}));
    (documents.into(), rules, dup)
}

#[test]
fn documents_are_filtered_and_edited_and_nothing_else_changes() {
    let (documents, rules, dup) = small();
    for (pack, end) in [(Pack::Gz, "jsonl.gz"), (Pack::Zst, "jsonl.zst"), (Pack::None, "jsonl")] {
        let dir = project(&[
            ("c/documents/a.jsonl.gz", &gzip(documents.as_bytes())),
            ("c/attributes/x/a.jsonl.gz", &gzip(rules.as_bytes())),
            ("elsewhere/a.jsonl.gz", &zstd(dup.as_bytes())),
        ]);
        let mut of = source(dir.path(), "c");
        of.attributes = vec!["x".into(), format!("{}/elsewhere", dir.path().display())];
        of.drop = vec!["licence == \"MIT\" and gopher_v1.word_count < 2".into()];
        let mut mail = edit("pii.mail", "|||MAIL|||");
        mail.least = Some(0.5);
        of.edit = vec![mail, edit("dup", "")];
        of.discard = vec!["source".into()];
        let options = Options { pack, ..options(dir.path()) };
        let mixed = run(&[of.clone()], &options, 2).unwrap();
        let text = unpacked(&dir.path().join(format!("out/documents/c-00000.{end}")));
        assert_eq!(
            text,
            "{\"id\":\"a\",\"text\":\"né mail |||MAIL||| ende\",\"metadata\":{\"n\": 1.50}}\n{\"id\":\"c\",\"text\":\"one\\ntwo\\n\"}\n"
        );
        let one = &mixed.sources[0];
        assert_eq!((one.read.documents, one.written.documents, one.edited, one.cut_bytes), (3, 2, 2, -1));
        assert_eq!(one.written.bytes, 32);
        assert_eq!(
            mixed.funnel.to_string(),
            "  read: 3 documents, 36 B\n  drop_1 (licence == \"MIT\" and gopher_v1.word_count < 2): 1 dropped, 2 documents left"
        );
        // A second run finds all of it there; another rule makes another mix, which does not take its place.
        let again = run(&[of.clone()], &options, 2).unwrap();
        assert_eq!((again.skipped, &again.sources, &again.funnel), (1, &mixed.sources, &mixed.funnel));
        of.discard.clear();
        assert!(matches!(run(&[of.clone()], &options, 2), Err(Error::OtherOutput { .. })));
        std::fs::remove_dir_all(dir.path().join("out")).unwrap();
        assert_eq!(run(&[of], &options, 2).unwrap().skipped, 0);
    }
}

#[test]
fn one_of_the_includes_must_hold_and_a_text_of_which_nothing_is_left_goes() {
    let (documents, rules, dup) = small();
    let dir = project(&[
        ("c/documents/a.jsonl", documents.as_bytes()),
        ("c/attributes/x/a.jsonl", rules.as_bytes()),
        ("c/attributes/d/a.jsonl", dup.replace("[[8,12,1.0]]", "[[0,12,1.0]]").as_bytes()),
    ]);
    let mut of = source(dir.path(), "c");
    of.attributes = vec!["x".into(), "d".into()];
    of.include = vec!["id == \"c\"".into(), "max(pii.mail) > 0.5".into()];
    of.edit = vec![edit("dup", "")];
    let mixed = run(&[of], &options(dir.path()), 1).unwrap();
    assert_eq!(ids(&unpacked(&dir.path().join("out/documents/c-00000.jsonl.gz"))), ["a"]);
    let steps: Vec<(&str, u64)> =
        mixed.funnel.steps.iter().map(|step| (step.step.as_str(), step.left.documents)).collect();
    assert_eq!(steps, [("read", 3), ("include", 2), ("edited", 1)]);
}

/// Two sources of many small documents, in several files.
fn large(times: usize) -> tempfile::TempDir {
    let row = |s: &str, i: usize| {
        let text = format!("{} é {i}\n", "word ".repeat(i % 50)).repeat(times);
        line(json!({"id": format!("{s}{i}"), "text": text, "source": s}))
    };
    let attributes = |s: &str, i: usize| with(&format!("{s}{i}"), json!({"m": [[i % 4, 4, (i % 7) as f64]]}));
    let mut files = Vec::new();
    for (s, count) in [("a", 4usize), ("b", 2)] {
        for file in 0..count {
            let of = |f: &dyn Fn(&str, usize) -> String| -> Vec<u8> {
                gzip((0..700).map(|i| f(s, file * 1000 + i)).collect::<String>().as_bytes())
            };
            files.push((format!("{s}/documents/{file}.jsonl.gz"), of(&row)));
            files.push((format!("{s}/attributes/e/{file}.jsonl.gz"), of(&attributes)));
        }
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    project(&files)
}

fn both(dir: &Path) -> Vec<Source> {
    ["a", "b"]
        .map(|name| {
            let mut of = source(dir, name);
            of.attributes = vec!["e".into()];
            of.drop = vec!["max(m) == 6".into()];
            of.edit = vec![edit("m", "|")];
            of
        })
        .into()
}

/// All files below `out/documents`, notes too.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let below = dir.join("out/documents");
    let files = regimen_base::fs::files_below(&below).unwrap();
    files.into_iter().map(|f| (f.display().to_string(), std::fs::read(below.join(f)).unwrap())).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let mut trees = Vec::new();
    for threads in [1, 2, 5] {
        let dir = large(20);
        let mut sources = both(dir.path());
        sources[1].weight = 3.0;
        // About two files of the first source make a shard.
        let shard = 2 * sources[0].documents[0].bytes + 1000;
        let mixed = run(&sources, &Options { shard, ..options(dir.path()) }, threads).unwrap();
        assert_eq!(mixed.files, 3);
        trees.push((tree(dir.path()), format!("{mixed:?}")));
    }
    assert!(trees[0] == trees[1] && trees[0] == trees[2]);
}

#[test]
fn weights_temperature_and_budget_set_the_shares_and_more_only_adds() {
    let dir = large(1);
    let taken = |weights: [f64; 2], temperature: f64, budget: u64, to: &str| {
        let mut sources = both(dir.path());
        sources.iter_mut().zip(weights).for_each(|(source, weight)| source.weight = weight);
        let options = Options { temperature, budget, to: dir.path().join(to), ..options(dir.path()) };
        let mixed = run(&sources, &options, 2).unwrap();
        let ids: Vec<Vec<String>> = ["a", "b"]
            .iter()
            .map(|name| ids(&unpacked(&dir.path().join(to).join(format!("documents/{name}-00000.jsonl.gz")))))
            .collect();
        let bytes: Vec<f64> = mixed.sources.iter().map(|source| source.written.bytes as f64).collect();
        (bytes, ids, mixed)
    };
    let (all, whole, _) = taken([1.0, 1.0], 1.0, 0, "all");
    assert_eq!((whole[0].len(), whole[1].len()), (2400, 1200));
    // The second source is half as large: twice its weight makes them equal.
    let (bytes, half, mixed) = taken([1.0, 2.0], 1.0, 0, "half");
    assert!((bytes[0] / bytes[1] - 1.0).abs() < 0.01, "{bytes:?}");
    // What was taken is told, beside what was wanted.
    for (source, (taken, all)) in mixed.sources.iter().zip(bytes.iter().zip(&all)) {
        assert_eq!((source.left_bytes as f64, source.fraction), (*all, taken / all));
        assert!((source.fraction - source.wanted).abs() < 0.01);
    }
    assert_eq!(half[1], whole[1]);
    assert!((mixed.sources[0].fraction - 0.5).abs() < 0.01 && mixed.sources[1].fraction == 1.0);
    let last = mixed.funnel.steps.last().unwrap();
    assert_eq!(
        (last.step.as_str(), last.left.documents),
        ("mixed_out", (half[0].len() + half[1].len()) as u64)
    );
    let budget = ((all[0] + all[1]) / 4.0) as u64;
    let (bytes, quarter, _) = taken([1.0, 1.0], 1.0, budget, "quarter");
    // To within a document or two of each source.
    let over = bytes[0] + bytes[1] - budget as f64;
    assert!((0.0..4.0 * 260.0).contains(&over), "{bytes:?} of {budget}");
    assert!(quarter[0].iter().all(|id| half[0].contains(id)), "a greater share only adds");
    let (bytes, ..) = taken([1.0, 1.0], 1e9, 0, "flat");
    assert!((bytes[0] / bytes[1] - 1.0).abs() < 0.1, "{bytes:?}");
}

#[test]
fn ids_as_copies_get_them_are_refused_where_copies_are_made() {
    let rows: String = ["x", "x#2", "y#", "y#1", "y#02", "y#1234"]
        .iter()
        .map(|id| line(json!({"id": id, "text": "one"})))
        .collect();
    let dir = project(&[("a/documents/0.jsonl", rows.as_bytes())]);
    let of = |max_copies, budget, to: &str| {
        let options = Options { max_copies, budget, to: dir.path().join(to), ..options(dir.path()) };
        let mut sources = vec![source(dir.path(), "a")];
        sources[0].discard.clear();
        run(&sources, &options, 1)
    };
    let error = of(3, 54, "copies").unwrap_err();
    assert!(error.to_string().contains("line 2: the id `x#2`"), "{error}");
    assert!(error.hint().unwrap().contains("max_copies = 1"));
    // Where none are made, such an id is one as any other.
    let mixed = of(1, 0, "once").unwrap();
    assert_eq!(mixed.sources[0].written.documents, 6);
    let rows: String = ["x", "y#", "y#1", "y#02", "y#1234"]
        .iter()
        .map(|id| line(json!({"id": id, "text": "one"})))
        .collect();
    std::fs::write(dir.path().join("a/documents/0.jsonl"), rows).unwrap();
    assert_eq!(of(3, 45, "others").unwrap().sources[0].written.documents, 15, "no copy is called so");
}

#[test]
fn what_is_wanted_more_often_than_it_is_there_is_written_again_with_a_map() {
    let dir = large(1);
    let run_in = |threads: usize, to: &str| {
        let mut sources = both(dir.path());
        (sources[0].weight, sources[1].weight) = (1.0, 7.0);
        sources[1].discard.clear();
        let to = dir.path().join(to);
        let options = Options { max_copies: 4, keep_map: true, to: to.clone(), ..options(dir.path()) };
        let mixed = run(&sources, &options, threads).unwrap();
        let again = run(&sources, &options, threads).unwrap();
        assert_eq!((again.skipped, &again.sources), (2, &mixed.sources));
        (mixed, to)
    };
    let (mixed, to) = run_in(1, "one");
    assert!((mixed.sources[1].fraction - 4.0).abs() < 1e-9);
    let read = |name: &str| unpacked(&to.join(format!("{name}-00000.jsonl.gz")));
    let rows: Vec<Value> =
        read("documents/b").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(mixed.sources[1].written.documents, rows.len() as u64);
    let bytes: usize = rows.iter().map(|row| row["text"].as_str().unwrap().len()).sum();
    assert_eq!(mixed.sources[1].written.bytes, bytes as u64);
    for copies in rows.chunks(4) {
        let id = copies[0]["id"].as_str().unwrap();
        for (number, copy) in (1..).zip(copies) {
            let mut first = copies[0].clone();
            if number > 1 {
                first["id"] = format!("{id}#{number}").into();
            }
            assert_eq!(*copy, first, "all else stays as it is");
        }
    }
    // Every span of the map stands so in the source.
    let sources: std::collections::BTreeMap<String, String> = input_files(dir.path(), "b/documents")
        .unwrap()
        .iter()
        .flat_map(|file| {
            let (name, text) = (file.path.clone(), unpacked(&file.full));
            let lines: Vec<String> = text.lines().map(Into::into).collect();
            (1..).zip(lines).map(move |(number, line)| (format!("{name}:{number}"), line)).collect::<Vec<_>>()
        })
        .collect();
    let maps = read("attributes/keep_map/b");
    assert_eq!(maps.lines().count(), rows.len());
    for (map, row) in maps.lines().zip(&rows) {
        let map: Value = serde_json::from_str(map).unwrap();
        assert_eq!(map["id"], row["id"]);
        let place = format!("{}:{}", map["file"].as_str().unwrap(), map["line"]);
        let source: Value = serde_json::from_str(&sources[&place]).unwrap();
        let chars = |row: &Value| row["text"].as_str().unwrap().chars().collect::<Vec<_>>();
        let (old, new) = (chars(&source), chars(row));
        for span in map["attributes"]["keep_map"].as_array().unwrap() {
            let at = |i: usize| span[i].as_f64().unwrap() as usize;
            assert_eq!(new[at(0)..at(1)], old[at(2)..at(2) + at(1) - at(0)]);
        }
    }
    let (_, other) = run_in(5, "other");
    assert!(read("documents/a") == unpacked(&other.join("documents/a-00000.jsonl.gz")));
    assert!(maps == unpacked(&other.join("attributes/keep_map/b-00000.jsonl.gz")));
    // A map of another mix would be taken for one of this.
    std::fs::write(to.join("attributes/keep_map/old.jsonl.gz"), "").unwrap();
    let keeping = Options { keep_map: true, to, ..options(dir.path()) };
    assert!(matches!(run(&both(dir.path()), &keeping, 1), Err(Error::NotEmpty { .. })));
}

#[test]
fn maps_name_the_files_as_they_are_called_now() {
    let documents = line(json!({"id": "a", "text": "one"}));
    let dir = project(&[("old/c/documents/a.jsonl", documents.as_bytes())]);
    let run_in = |root: &Path, keep_map: bool| {
        let options = Options { keep_map, pack: Pack::None, ..options(root) };
        let mut of = source(root, "c");
        // As a user names them from the folder above.
        let base = root.file_name().unwrap().to_str().unwrap();
        of.documents.iter_mut().for_each(|file| file.path = format!("{base}/{}", file.path));
        run(&[of], &options, 1).unwrap().skipped
    };
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    assert_eq!((run_in(&old, true), run_in(&old, true)), (0, 1));
    std::fs::rename(&old, &new).unwrap();
    assert_eq!((run_in(&new, true), run_in(&new, true)), (0, 1));
    let map: Value =
        serde_json::from_str(&unpacked(&new.join("out/attributes/keep_map/c-00000.jsonl"))).unwrap();
    assert_eq!(map["file"], "new/c/documents/a.jsonl");
    // Documents alone are the same wherever they come from.
    std::fs::remove_dir_all(new.join("out")).unwrap();
    run_in(&new, false);
    std::fs::rename(&new, &old).unwrap();
    assert_eq!(run_in(&old, false), 1);
}

/// The error of a mix of one file with one experiment.
fn fault(documents: &str, attributes: &str, change: &dyn Fn(&mut Source)) -> (Error, String) {
    let dir = project(&[
        ("c/documents/a.jsonl", documents.as_bytes()),
        ("c/attributes/x/a.jsonl.gz", &gzip(attributes.as_bytes())),
        ("c/attributes/x/a.jsonl", attributes.as_bytes()),
    ]);
    let mut of = source(dir.path(), "c");
    of.attributes = vec!["x".into()];
    of.edit = vec![edit("s", "")];
    change(&mut of);
    let error = run(&[of], &options(dir.path()), 3).unwrap_err();
    let left = regimen_base::fs::files_below(&dir.path().join("out")).unwrap_or_default();
    assert!(left.iter().all(|file| file.components().any(|c| c.as_os_str() == ".regimen-notes")), "{left:?}");
    let told = error.to_string().replace(&dir.path().display().to_string(), "");
    assert!(error.hint().is_some(), "{told}");
    (error, told)
}

#[test]
fn attribute_files_that_do_not_fit_are_refused_with_file_line_and_field() {
    let documents: String =
        (1..=3).map(|i| line(json!({"id": format!("d{i}"), "text": format!("né {i}")}))).collect();
    let rows: Vec<String> = (1..=3).map(|i| with(&format!("d{i}"), json!({"s": [[0, 2, 1.0]]}))).collect();
    let told = |attributes: &str| fault(&documents, attributes, &|_| {}).1;
    let place = |line: u32| format!("`/c/attributes/x/a.jsonl`, line {line}: ");
    for (attributes, line, part) in [
        (
            rows[..2].concat(),
            3,
            "field `id`: the file ends before the row of the document at `c/documents/a.jsonl`, line 3",
        ),
        (
            rows.concat() + &rows[0],
            4,
            "field `id`: there is no document for this row: `c/documents/a.jsonl` has 3 of them",
        ),
        (
            rows[0].clone() + &rows[2] + &rows[1],
            2,
            "field `id` is `d3`, but the document at `c/documents/a.jsonl`, line 2 is `d2`",
        ),
        (
            rows.concat().replace("0,2,", "3,9,"),
            1,
            "field `attributes.s`: span 1 from 3 to 9 goes beyond the text of 4 code points",
        ),
        (
            rows.concat().replace("0,2,", "2,1,"),
            1,
            "field `attributes.s`: span 1 starts at 2 and ends before, at 1",
        ),
        (
            rows.concat().replace("[[0,2,1.0]]", "{}"),
            1,
            "field `attributes.s`: it must be a list of [start, end, score]",
        ),
    ] {
        let told = told(&attributes);
        assert_eq!(told.replacen(&place(line), "", 1).split(": invalid").next(), Some(part), "{told}");
    }
    assert!(told(&(rows[0].clone() + "{\n")).contains("line 2: column"));
}

#[test]
fn names_are_checked_before_a_document_is_read() {
    // No document could be read here.
    let documents = "nonsense\n";
    let attributes = with("a", json!({"x__gopher_v1__word_count": [[0, 1, 1.0]], "s": []}));
    let told = |change: &dyn Fn(&mut Source)| {
        let (error, told) = fault(documents, &attributes, change);
        format!("{told} | {}", error.hint().unwrap())
    };
    // The slip of Dolma's own configs.
    let slip =
        told(&|of| of.drop = vec!["gopher_v1.fraction_of_characters_in_most_common_2gram > 0.2".into()]);
    assert!(slip.contains("there is no attribute") && slip.contains("most_common_2grams`"), "{slip}");
    assert!(slip.contains("\n  ^"), "{slip}");
    assert!(told(&|of| of.edit = vec![edit("dup_para", "")]).contains("there is no attribute `dup_para`"));
    assert!(told(&|of| of.edit = vec![edit("gopher_v1.word_count", "")]).contains("does not mark spans"));
    assert!(told(&|of| of.drop = vec!["s > 3".into()]).contains("count(s)"));
    assert!(
        told(&|of| of.attributes = vec!["y".into()]).contains("the attributes `y` of `c/documents/a.jsonl`")
    );
    assert!(
        matches!(fault(documents, &attributes, &|_| {}).0, Error::Json { .. }),
        "with good names it is read"
    );
}

#[test]
fn what_an_earlier_run_left_is_not_taken_for_part_of_the_mix() {
    let dir = large(1);
    let sources = both(dir.path());
    let small = Options { shard: 1, ..options(dir.path()) };
    assert_eq!(run(&sources, &small, 2).unwrap().files, 6);
    let error = run(&sources, &options(dir.path()), 2).unwrap_err();
    assert!(error.to_string().contains("`a-00001.jsonl.gz`, which this command does not write"), "{error}");
    let mut twins = sources;
    twins[1].name = "a".into();
    assert!(matches!(run(&twins, &small, 2), Err(Error::SameOutput { .. })));
}
