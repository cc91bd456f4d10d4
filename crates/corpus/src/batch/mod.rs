//! Work on rows and files that another program holds, such as an engine that deals batches to its workers: tags of rows
//! ([`Tagging`]), and a build whose first pass runs file by file wherever the engine likes ([`Plan`]), and whose rounds of
//! deduplication are the engine's shuffles, if it likes ([`Gathered`]). What comes out is, byte for byte, what this program
//! writes by itself.

mod gather;
mod plan;
mod rounds;
mod tagging;

pub use gather::Gathering;
pub use plan::{Made, Plan, PlannedFile};
pub use rounds::{Gathered, Step, StepParts};
pub use tagging::{Room, Tagging};

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use regimen_base::{Cancel, Hash256, fs};
    use regimen_ledger::Store;
    use regimen_objects::Objects;
    use serde_json::{Value, json};

    use super::*;
    use crate::build::{Files, build};
    use crate::error::Error;
    use crate::task::{self, Share, Task};

    /// What stands behind this row in its file: a row that cannot be read.
    fn broken(row: usize, text: &'static str) -> &'static str {
        if row % 50 == 25 { text } else { "" }
    }

    /// Two sources of some files each, with copies of texts, of URLs, of paragraphs, and nearly the same texts.
    fn project(root: &Path) -> Value {
        for (source, file) in [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)] {
            let row = |i: usize| {
                // Words of letters: to near duplicates numbers are all the same.
                let letters =
                    |n: usize| n.to_string().bytes().map(|d| char::from(d + 49)).collect::<String>() + " ";
                let words = |n: usize| (0..60).map(|k| letters((n * 131 + k * k) % 9973)).collect::<String>();
                let (one, two) = (words(i % 17), words(i % 17 + 20));
                let text = format!("{one}\n{two} v{}\nfoot of the page, {}", i / 17, i % 3);
                let url = if source == "a" { format!("http://x.org/{}", i % 40) } else { String::new() };
                let metadata = if url.is_empty() { json!({}) } else { json!({ "url": url }) };
                json!({"id": format!("{file}-{i}"), "text": text, "metadata": metadata}).to_string()
                    + "\n"
                    + broken(i, "{\"id\":\n")
            };
            let rows: String = (file * 30..file * 30 + 50).map(row).collect();
            fs::create_dir_all(&root.join(source)).unwrap();
            fs::write(&root.join(format!("{source}/{file}.jsonl")), rows.as_bytes()).unwrap();
        }
        let source = |name: &str, weight: f64| {
            json!({
                "name": name, "path": format!("{name}/*.jsonl"), "format": "auto", "author": "human",
                "licence": "MIT", "text_field": "text", "id_field": "id", "blocks": 0, "weight": weight,
            })
        };
        json!({
            "sources": [source("a", 1.0), source("b", 0.4)], "filter": {"quality": "none"}, "dedup": "exact",
            "dedup_url": true, "near": {"preset": "fineweb", "keep": "longest"},
            "paragraphs": {"dedup": "exact", "min_bytes": 5, "expected": 1000, "rate": 1e-6},
            "validation": 0.1, "limit_bytes": 0, "invalid_utf8": "error", "missing_text": "error", "invalid_row": "drop",
        })
    }

    /// The files of a corpus built over `parts`, by their hashes.
    fn corpus(config: &Value, root: &Path, name: &str, parts: &Path) -> Vec<(String, Hash256)> {
        let config = serde_json::from_value(config.clone()).unwrap();
        let found =
            |pattern: &str| (pattern.to_string(), regimen_recipe::input_files(root, pattern).unwrap());
        let mut files = Files::from([found("a/*.jsonl"), found("b/*.jsonl")]);
        if root.join("beside").exists() {
            files.extend([found("beside/x")]);
        }
        let dir = root.join(name);
        fs::create_dir_all(&dir).unwrap();
        build(&config, &files, root, &dir, parts, &Cancel::new(), &mut |_, _, _| Ok(())).unwrap();
        let mut all: Vec<(String, Hash256)> = fs::files_below(&dir)
            .unwrap()
            .iter()
            .map(|file| (file.display().to_string(), Hash256::of_file(&dir.join(file)).unwrap().0))
            .collect();
        all.sort();
        assert!(all.len() > 3, "{all:?}");
        all
    }

    #[test]
    fn files_read_anywhere_in_any_order_make_the_corpus_of_one_build() {
        let whole = made_anywhere(&json!(null));
        assert_ne!(made_anywhere(&json!(4)), whole, "n-grams find others than whole paragraphs");
    }

    /// The corpus, of whose paragraphs n-grams of so many words are compared, if it is a number; made in several ways.
    fn made_anywhere(words: &Value) -> Vec<(String, Hash256)> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut config = project(root);
        config["paragraphs"]["words"] = words.clone();
        config["paragraphs"]["overlap"] = words.as_u64().map(|_| 0.5).into();
        let expected = corpus(&config, root, "one", &root.join("one-parts"));

        let plan = Plan::new("corpus", &config, root).unwrap();
        let plan: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        let files = plan.files().unwrap();
        assert_eq!(files.len(), 5);
        let (cancel, store) = (Cancel::new(), Store::open(root).unwrap());
        let mut made = Vec::new();
        for file in files.iter().rev() {
            let scratch = tempfile::tempdir().unwrap();
            let bytes = (file.number % 2 == 0).then(|| fs::read(&file.full).unwrap());
            made.extend(plan.first(&[(file.number, bytes.as_deref())], scratch.path(), &cancel).unwrap());
        }
        let gathered = |name: &str| {
            let mut gathering = Gathering::new(&plan, &root.join(name)).unwrap();
            made.iter().chain(&made[..1]).for_each(|made| gathering.take(made).unwrap());
            gathering.finish(&store, &cancel).unwrap()
        };
        gathered("parts");
        assert_eq!(corpus(&config, root, "two", &root.join("parts")), expected);

        let gathered = gathered("more-parts");
        assert_eq!(gathered.rounds().unwrap(), ["url", "text", "near", "paragraphs"]);
        assert!(gathered.step("near", 3).is_err(), "those before it come first");
        for round in gathered.rounds().unwrap() {
            let step = gathered.step(round, 3).unwrap();
            let step = Step::of(&plan, step.parts()).unwrap();
            let dealt: Vec<_> =
                made.iter().map(|made| (made.file, step.deal(made.file, &made.hashes).unwrap())).collect();
            let found: Vec<_> = (0..3)
                .map(|bucket| {
                    let scratch = tempfile::tempdir().unwrap();
                    let records = dealt.iter().map(|(file, dealt)| (*file, &dealt[bucket][..])).collect();
                    (bucket, step.meet(records, scratch.path(), &cancel).unwrap())
                })
                .collect();
            assert!(found.iter().any(|(_, found)| !found.is_empty()), "{round} finds something");
            assert!(gathered.merge(&step, found[1..].to_vec()).is_err());
            gathered.merge(&step, found).unwrap();
            assert!(step.deal(0, &made[0].hashes).is_err(), "hashes of another file");
            assert!(step.meet(vec![(0, &[255; 20])], root, &cancel).is_err());
        }
        assert_eq!(corpus(&config, root, "three", &root.join("more-parts")), expected);
        expected
    }

    #[test]
    fn near_copies_that_are_verified_are_left_to_the_build_and_so_is_what_follows() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut config = project(root);
        // Two texts of which half is the same, which bands of two rows take for near copies.
        let half = |n: u8| {
            (0..40).map(|i| format!("{}{} ", "w".repeat(i % 9), char::from(n + i as u8 % 13))).collect()
        };
        let (same, one, other): (String, String, String) = (half(b'a'), half(b'b'), half(b'm'));
        let row = |id: &str, end: &str| format!("{}\n", json!({"id": id, "text": format!("{same}{end}")}));
        fs::write(&root.join("a/3.jsonl"), (row("one", &one) + &row("other", &other)).as_bytes()).unwrap();
        (config["near"]["bands"], config["near"]["rows"]) = (20.into(), 2.into());
        let plain = corpus(&config, root, "plain", &root.join("plain-parts"));
        config["near"]["verify"] = 0.9.into();
        let expected = corpus(&config, root, "one", &root.join("one-parts"));
        assert_ne!(expected, plain);
        let plan = Plan::new("corpus", &config, root).unwrap();
        let (cancel, store) = (Cancel::new(), Store::open(root).unwrap());
        let mut gathering = Gathering::new(&plan, &root.join("parts")).unwrap();
        for file in plan.files().unwrap() {
            let scratch = tempfile::tempdir().unwrap();
            let bytes = fs::read(&file.full).unwrap();
            let made = plan.first(&[(file.number, Some(&bytes))], scratch.path(), &cancel).unwrap();
            made.iter().for_each(|made| gathering.take(made).unwrap());
        }
        let gathered = gathering.finish(&store, &cancel).unwrap();
        assert_eq!(gathered.rounds().unwrap(), ["url", "text"]);
        assert!(gathered.step("near", 3).is_err());
        assert_eq!(corpus(&config, root, "two", &root.join("parts")), expected);
    }

    #[test]
    fn attributes_come_along() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut config = project(root);
        for file in 0..3 {
            let rows = (file * 30..file * 30 + 50).map(|i| {
                // One name comes in one row alone.
                let late = if (file, i) == (2, 109) { json!({ "late": [[0, 1, 1.0]] }) } else { json!({}) };
                let mut attributes = json!({ "size": [[0, 5, i]] });
                attributes.as_object_mut().unwrap().extend(late.as_object().unwrap().clone());
                json!({ "id": format!("{file}-{i}"), "attributes": attributes }).to_string()
                    + "\n"
                    + broken(i, "{\"id\":\"?\",\"attributes\":{}}\n")
            });
            fs::create_dir_all(&root.join("beside/x")).unwrap();
            let path = root.join(format!("beside/x/{file}.jsonl"));
            fs::write(&path, rows.collect::<String>().as_bytes()).unwrap();
        }
        config["sources"][0]["format"] = "dolma".into();
        config["sources"][0]["attributes"] = "beside/x".into();
        config["drop"] = json!(["sum(attributes.size) < 40", "count(attributes.late) > 0"]);
        let expected = corpus(&config, root, "one", &root.join("one-parts"));

        let plan = Plan::new("corpus", &config, root).unwrap();
        let plan: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        let (cancel, store) = (Cancel::new(), Store::open(root).unwrap());
        let mut made = Vec::new();
        for file in plan.files().unwrap() {
            let scratch = tempfile::tempdir().unwrap();
            let bytes = fs::read(&file.full).unwrap();
            made.extend(plan.first(&[(file.number, Some(&bytes))], scratch.path(), &cancel).unwrap());
        }
        let mut gathering = Gathering::new(&plan, &root.join("parts")).unwrap();
        made.iter().for_each(|made| gathering.take(made).unwrap());
        gathering.finish(&store, &cancel).unwrap();
        assert_eq!(corpus(&config, root, "two", &root.join("parts")), expected);
        // Another machine with another file, or without it, and a driver whose file changed.
        let told = |what: &str| {
            let error = plan.first(&[(1, None)], root, &cancel).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        };
        let path = root.join("beside/x/1.jsonl");
        let rows = fs::read_text(&path).unwrap();
        fs::write(&path, rows.replace("[[0,5,", "[[0,4,").as_bytes()).unwrap();
        told("`beside/x/1.jsonl` is here something else");
        let mut gathering = Gathering::new(&plan, &root.join("late-parts")).unwrap();
        made.iter().for_each(|made| gathering.take(made).unwrap());
        let error = gathering.finish(&store, &cancel).err().unwrap();
        assert!(error.to_string().contains("`beside/x/1.jsonl` is here something else"), "{error}");
        std::fs::remove_file(&path).unwrap();
        told("beside/x/1.jsonl");
    }

    #[test]
    fn licence_files_may_be_given_and_must_be_those_of_the_plan() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut config = project(root);
        let licence = "Permission is hereby granted, free of charge, to any person obtaining a copy";
        for (name, text) in [("LICENSE", licence), ("a.rs", "fn main() {}\n"), ("b.rs", "struct B;\n")] {
            fs::create_dir_all(&root.join("code")).unwrap();
            fs::write(&root.join("code").join(name), text.as_bytes()).unwrap();
        }
        config["sources"] = json!([{
            "name": "c", "path": "code", "format": "code", "author": "human", "licence": "MIT",
            "text_field": "text", "id_field": "id", "blocks": 0, "weight": 1.0,
        }]);
        let plan = Plan::new("corpus", &config, root).unwrap();
        let (cancel, store) = (Cancel::new(), Store::open(root).unwrap());
        let mut gathering = Gathering::new(&plan, &root.join("parts")).unwrap();
        for file in plan.files().unwrap() {
            let scratch = tempfile::tempdir().unwrap();
            let bytes = fs::read(&file.full).unwrap();
            for bytes in [Some(&bytes[..]), None] {
                let made = plan.first(&[(file.number, bytes)], scratch.path(), &cancel).unwrap();
                made.iter().for_each(|made| gathering.take(made).unwrap());
            }
        }
        gathering.finish(&store, &cancel).unwrap();
        fs::write(&root.join("code/LICENSE"), licence.replace("granted", "refused").as_bytes()).unwrap();
        for bytes in [None, Some(&b"fn main() {}\n"[..])] {
            let scratch = tempfile::tempdir().unwrap();
            let error = plan.first(&[(1, bytes)], scratch.path(), &cancel).unwrap_err();
            assert!(error.to_string().contains("`code/LICENSE` is here something else"), "{error}");
        }
        let scratch = tempfile::tempdir().unwrap();
        let error = plan.first(&[(0, None)], scratch.path(), &cancel).unwrap_err();
        assert!(error.to_string().contains("`code/LICENSE` is here something else"), "{error}");
    }

    #[test]
    fn tasks_with_a_folder_between_them_make_the_corpus_of_one_build() {
        let changes: [fn(&mut Value); 3] = [
            |_| (),
            |config| {
                (config["near"]["bands"], config["near"]["rows"]) = (20.into(), 2.into());
                config["near"]["verify"] = 0.9.into();
            },
            |config| {
                config["paragraphs"]["dedup"] = "bloom".into();
                config["paragraphs"]["rate"] = 0.1.into();
            },
        ];
        changes.into_iter().for_each(made_by_tasks);
    }

    fn made_by_tasks(change: fn(&mut Value)) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut config = project(root);
        change(&mut config);
        let expected = corpus(&config, root, "one", &root.join("one-parts"));
        let task = |share: Option<Share>| {
            let store = Objects::open(&root.join("store").display().to_string()).unwrap();
            let (patience, cancel) = (Duration::from_secs(600), Cancel::new());
            let tell: &mut (dyn FnMut(&str) + Send) = &mut |_| {};
            let mut task =
                Task { root, stage: "corpus", config: &config, store: &store, share, patience, cancel, tell };
            match share {
                Some(_) => task::run(&mut task).map(|_| root.into()),
                None => task::collect(&mut task),
            }
        };
        std::thread::scope(|scope| {
            let task = &task;
            let tasks =
                [0, 1, 2].map(|number| scope.spawn(move || task(Some(Share { task: number, of: 3 }))));
            tasks.into_iter().for_each(|task| drop(task.join().unwrap().unwrap()));
        });
        assert_eq!(corpus(&config, root, "two", &task(None).unwrap()), expected);
    }

    #[test]
    fn what_does_not_fit_the_plan_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let config = project(root);
        let plan = Plan::new("corpus", &config, root).unwrap();
        let (cancel, store) = (Cancel::new(), Store::open(root).unwrap());
        let scratch = root.join("scratch");
        fs::create_dir_all(&scratch).unwrap();
        let told = |error: Error, what: &str| {
            assert!(matches!(error, Error::Handed { .. }) && error.to_string().contains(what), "{error}");
        };
        told(plan.first(&[(9, None)], &scratch, &cancel).unwrap_err(), "none with the number 9");
        told(plan.first(&[(0, Some(b"{}"))], &scratch, &cancel).unwrap_err(), "has 2 bytes");
        let all: Vec<(usize, Option<&[u8]>)> = (0..5).map(|file| (file, None)).collect();
        let made = plan.first(&all, &scratch, &cancel).unwrap();

        let mut gathering = Gathering::new(&plan, &root.join("parts")).unwrap();
        let mut damaged = made[0].clone();
        damaged.docs[9] ^= 1;
        told(gathering.take(&damaged).unwrap_err(), "damaged");
        told(gathering.take(&Made { file: 5, ..made[0].clone() }).unwrap_err(), "5 files");
        made[1..].iter().for_each(|made| gathering.take(made).unwrap());
        told(gathering.take(&Made { blake3: Hash256([0; 32]), ..made[1].clone() }).unwrap_err(), "twice");
        told(gathering.finish(&store, &cancel).err().unwrap(), "1 of 5 files are missing");

        let mut gathering = Gathering::new(&plan, &root.join("parts")).unwrap();
        made.iter().for_each(|made| gathering.take(made).unwrap());
        let other = fs::read_text(&root.join("b/1.jsonl")).unwrap().replace("page", "PAGE");
        fs::write(&root.join("b/1.jsonl"), other.as_bytes()).unwrap();
        told(gathering.finish(&store, &cancel).err().unwrap(), "`b/1.jsonl`");

        let mut limited = config;
        limited["limit_bytes"] = 1000.into();
        assert!(Plan::new("corpus", &limited, root).unwrap_err().to_string().contains("limit_bytes"));
    }
}
