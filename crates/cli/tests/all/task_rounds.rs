//! Every round of deduplication by several tasks finds what one machine finds, and who collects takes it from there.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::Hash256;

use crate::common::data::Dice;
use crate::common::{Project, files};
use crate::tasks::{RECIPE, collected, machine, project, run, task};

/// Hashes of what artifacts hold, by their names.
type Payloads = BTreeMap<String, String>;

/// Two of them, the whole time or killed on the way and started again, with these arguments more.
fn tasks(one: &Project, store: &Path, more: &[&str], kills: bool) {
    let machines: Vec<Project> = (0..2).map(|_| machine(one)).collect();
    std::thread::scope(|scope| {
        for (k, project) in machines.iter().enumerate() {
            let mut args = task(store, &format!("{k}/2"), "60");
            args.extend(more.iter().map(|&arg| arg.to_string()));
            scope.spawn(move || {
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let mut dice = Dice(7 + k as u64);
                for _ in 0..if kills { 4 } else { 0 } {
                    let fault = format!("kill@write:{}", 2 + dice.below(120));
                    project.run_with(&args, &[("REGIMEN_FAULT", &fault)]);
                }
                project.run(&args).fine();
                let left = files(project.root()).into_iter().filter(|name| name.contains(".regimen/tasks/"));
                assert_eq!(left.count(), 0, "nothing is left of a task");
            });
        }
    });
}

/// The corpus of one machine of a recipe.
pub fn alone(one: &Project, recipe: &str) -> Payloads {
    one.write("recipe.toml", recipe);
    let _ = std::fs::remove_dir_all(one.path(".regimen"));
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    one.payloads()
}

/// Put a round into the store that found nothing.
fn empty(store: &Path, round: &str) {
    std::fs::write(store.join(round), "").unwrap();
    let note = store.join(format!("{round}.note"));
    let mut told: serde_json::Value = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    (told["rows"], told["bytes"]) = (0.into(), 0.into());
    told["blake3"] = Hash256::of(b"").to_string().into();
    std::fs::write(&note, told.to_string()).unwrap();
}

/// Tasks make the corpus of one machine, whatever their memory and whoever is killed, and the rounds named are theirs. Gives back
/// how many bytes were dealt of a group at most.
pub fn by_tasks(one: &Project, expected: &Payloads, rounds: &[&str]) -> u64 {
    let mut most = 0;
    for (memory, kills) in [("1048576", true), ("1048576", false), ("4GB", true)] {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("between");
        tasks(one, &store, &["--memory", memory], kills);
        assert!(rounds.iter().all(|round| store.join(round).exists()), "{:?}", files(&store));
        assert_eq!(collected(one, &store).payloads(), *expected, "{memory}");
        for round in rounds {
            let found = ["", ".note"].map(|end| std::fs::read(store.join(format!("{round}{end}"))).unwrap());
            empty(&store, round);
            assert_ne!(collected(one, &store).payloads(), *expected, "{round} is not from the tasks");
            for (end, bytes) in ["", ".note"].iter().zip(found) {
                std::fs::write(store.join(format!("{round}{end}")), bytes).unwrap();
            }
        }
        let dealt = files(&store).into_iter().filter(|name| name.contains("/map/"));
        most = dealt.map(|name| std::fs::metadata(store.join(name)).unwrap().len()).max().unwrap().max(most);
    }
    most
}

const BLOOM: &str = "dedup = \"bloom\", expected = 1000, rate = 1e-3";

#[test]
fn paragraphs_in_a_filter_are_those_of_one_machine() {
    let one = project();
    let exact = alone(&one, RECIPE);
    let recipe = RECIPE.replace("dedup = \"exact\"", BLOOM);
    let fine = alone(&one, &recipe);
    // Its false positives show that it is this filter.
    let rough = alone(&one, &recipe.replace("rate = 1e-3", "rate = 0.4"));
    assert!(!rough.values().eq(exact.values()) && !rough.values().eq(fine.values()));
    by_tasks(&one, &rough, &["near.copies", "paragraphs.again"]);
}

#[test]
fn a_filter_that_is_too_full_is_the_same_fault_as_on_one_machine() {
    let one = project();
    one.write(
        "recipe.toml",
        RECIPE.replace("dedup = \"exact\"", "dedup = \"bloom\", expected = 20, rate = 1e-6"),
    );
    let fault = |args: &[&str], project: &Project| {
        let done = project.run(args);
        assert_eq!(done.code, Some(2), "{}", done.stderr);
        let told = |line: &&str| line.contains("Bloom filter was sized for 20 keys") || line.contains("hint");
        let told: Vec<String> = done.stderr.lines().filter(told).map(String::from).collect();
        assert_eq!(told.len(), 2, "{}", done.stderr);
        told
    };
    let expected = fault(&["corpus", "build", "recipe.toml"], &one);
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("between");
    let machines: Vec<Project> = (0..2).map(|_| machine(&one)).collect();
    std::thread::scope(|scope| {
        for (k, project) in machines.iter().enumerate() {
            let args = task(&store, &format!("{k}/2"), "1");
            let (fault, expected) = (&fault, &expected);
            scope.spawn(move || {
                assert_eq!(fault(&args.iter().map(String::as_str).collect::<Vec<_>>(), project), *expected);
            });
        }
    });
    let collect = ["corpus", "build", "recipe.toml", "--store", store.to_str().unwrap()];
    assert_eq!(fault(&collect, &machine(&one)), expected);
}

#[test]
fn a_filter_needs_memory_in_each_task_for_its_share_alone() {
    let one = project();
    // About 5 MB.
    let recipe = RECIPE.replace("dedup = \"exact\"", "dedup = \"bloom\", expected = 1000000, rate = 1e-6");
    let expected = alone(&one, &recipe);
    let small = ["--memory", "3MB"];
    let build = ["corpus", "build", "recipe.toml", "--memory", "3MB"];
    machine(&one).run(&build).refused(&["Bloom filter for 1000000 keys", "3.00 MB are allowed"]);
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("between");
    let less = [&task(&dir.path().join("less"), "0/2", "0")[..], &["--memory".into(), "2MB".into()]].concat();
    run(&one, &less).refused(&["Bloom filter for 1000000 keys", "2.00 MB are allowed"]);
    tasks(&one, &store, &small, false);
    // Who collects needs none of it.
    let all = machine(&one);
    let build = ["corpus", "build", "recipe.toml", "--memory", "2MB"];
    all.run(&[&build[..], &["--store", store.to_str().unwrap()]].concat()).fine();
    assert_eq!(all.payloads(), expected);
}

#[test]
fn near_copies_that_are_verified_are_those_of_one_machine() {
    let one = project();
    let plain = alone(&one, &RECIPE.replace("keep = \"longest\"", "bands = 60, rows = 3"));
    for (near, paragraphs) in [("", "exact\""), (", keep = \"longest\"", BLOOM)] {
        let near = format!("bands = 60, rows = 3, verify = 0.9{near}");
        let paragraphs = paragraphs.trim_start_matches("dedup = \"");
        let recipe = RECIPE.replace("keep = \"longest\"", &near).replace("exact\"", paragraphs);
        let expected = alone(&one, &recipe);
        assert!(!expected.values().eq(plain.values()), "some pairs that share bands are no near copies");
        by_tasks(&one, &expected, &["near.copies", "paragraphs.again"]);
    }
}

#[test]
fn a_large_component_and_long_texts_are_verified_within_little_memory() {
    // Every text shares bands with most others: neighbours are alike, and so are some far ones.
    let one = Project::empty();
    let mut dice = Dice(3);
    let word = |dice: &mut Dice| -> String {
        (0..2 + dice.below(7)).map(|_| char::from(b'a' + dice.below(26) as u8)).collect()
    };
    let mut words: Vec<String> = (0..500).map(|_| word(&mut dice)).collect();
    for file in 0..2 {
        let mut rows = String::new();
        for number in 0..130 {
            (0..dice.below(20)).for_each(|_| {
                let at = dice.below(words.len() as u64) as usize;
                words[at] = word(&mut dice);
            });
            // Beyond what is read at a time.
            let text = if number == 25 { words.join(" ").repeat(40) } else { words.join(" ") };
            rows += &crate::common::data::row(&format!("{file}-{number}"), &text);
        }
        one.write(&format!("data/{file}.jsonl"), rows);
    }
    let recipe = "name = \"chain\"\n[corpus]\nkind = \"corpus\"\nfilter = { quality = \"none\" }\n\
                  sources = [{ name = \"s\", path = \"data/*.jsonl\" }]\n\
                  near = { preset = \"fineweb\", bands = 12, rows = 3, verify = 0.93 }\n";
    let plain = alone(&one, &recipe.replace(", verify = 0.93", ""));
    let expected = alone(&one, recipe);
    assert!(!expected.values().eq(plain.values()));
    let dealt = by_tasks(&one, &expected, &["near.copies"]);
    assert!(dealt > 300_000, "{dealt} bytes do not show that texts go to a file");
}
