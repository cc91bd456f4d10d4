//! A corpus built by several processes with nothing but a folder between them is the corpus of one machine, whoever is
//! killed on the way.

use std::path::Path;

use crate::common::data::{Dice, row, text};
use crate::common::{Done, Project, files};

/// Every round of deduplication, and a mix.
pub const RECIPE: &str = r#"name = "shared"

[corpus]
kind = "corpus"
sources = [
    { name = "a", path = "data/a/*.jsonl", weight = 2.0 },
    { name = "b", path = "data/b/*.jsonl.gz" },
]
filter = { quality = "none" }
tag = [{ tagger = "length", name = "length" }, { tagger = "pii", name = "pii" }]
drop = ["length.words < 5"]
edit = [{ spans = "pii.email", replace = "[mail]" }]
dedup_url = true
near = { preset = "fineweb", keep = "longest" }
paragraphs = { dedup = "exact", min_bytes = 30 }
validation = 0.1
invalid_row = "drop"
"#;

/// Ten files in two sources, in several parts, with copies of every kind and a row in each that cannot be read.
pub fn project() -> Project {
    let project = Project::empty();
    let mut dice = Dice(11);
    let paragraphs: Vec<String> = (0..40).map(|_| text(&mut dice, 30)).collect();
    let mut seen: Vec<String> = Vec::new();
    for file in 0..10 {
        let mut rows = String::new();
        for number in 0..60 {
            let length = 60 + dice.below(120);
            let mut text = match dice.below(6) {
                0 if !seen.is_empty() => seen[dice.below(seen.len() as u64) as usize].clone(),
                1 if !seen.is_empty() => {
                    format!("{} And so on.", seen[dice.below(seen.len() as u64) as usize])
                }
                _ => text(&mut dice, length),
            };
            if dice.below(3) == 0 {
                text =
                    format!("{text}\n{}\nWrite to someone@example.org.", paragraphs[dice.below(40) as usize]);
            }
            seen.push(text.clone());
            let row = row(&format!("{file}-{number}"), &text);
            let url = format!(",\"metadata\":{{\"url\":\"http://example.org/{}\"}}}}\n", dice.below(900));
            rows.push_str(&(row.trim_end().trim_end_matches('}').to_string() + &url));
            rows.push_str(if number == 30 { "{\"id\":\"cut\",\n" } else { "" });
        }
        if file < 6 {
            project.write(&format!("data/a/{file}.jsonl"), rows);
        } else {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
            std::io::Write::write_all(&mut packed, rows.as_bytes()).unwrap();
            project.write(&format!("data/b/{file}.jsonl.gz"), packed.finish().unwrap());
        }
    }
    project.write("recipe.toml", RECIPE);
    project
}

/// Another machine with the same recipe and documents.
pub fn machine(of: &Project) -> Project {
    let project = Project::empty();
    for name in files(of.root()).into_iter().filter(|name| !name.starts_with(".regimen")) {
        project.write(&name, std::fs::read(of.path(&name)).unwrap());
    }
    project
}

pub fn task(store: &Path, share: &str, patience: &str) -> Vec<String> {
    let store = store.to_str().unwrap();
    let args = ["corpus", "build", "recipe.toml", "--store", store, "--task", share, "--patience", patience];
    args.map(String::from).to_vec()
}

pub fn run(project: &Project, args: &[String]) -> Done {
    project.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Bring the corpus together on a machine of its own.
pub fn collected(one: &Project, store: &Path) -> Project {
    let project = machine(one);
    project.run(&["corpus", "build", "recipe.toml", "--store", store.to_str().unwrap()]).fine();
    let left = files(project.root()).into_iter().filter(|name| name.contains(".regimen/tasks/")).count();
    assert_eq!(left, 0, "nothing of the tasks is left");
    project
}

#[test]
fn killed_tasks_on_several_machines_make_the_corpus_of_one() {
    let one = project();
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    let summary = one.run(&["show", "corpus", "--json"]).fine().json();
    for reason in ["duplicate_url", "duplicate", "near_duplicate", "mixed_out"] {
        assert!(summary["summary"]["dropped"][reason].as_u64() > Some(0), "no {reason}: {summary}");
    }
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("between");
    let machines: Vec<Project> = (0..3).map(|_| machine(&one)).collect();
    let kills: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = machines
            .iter()
            .enumerate()
            .map(|(k, project)| {
                let args = task(&store, &format!("{k}/3"), "60");
                scope.spawn(move || {
                    let args: Vec<&str> = args.iter().map(String::as_str).collect();
                    let mut dice = Dice(100 + k as u64);
                    let mut kills = 0;
                    // Each is killed twice, at any of its writes, and started again.
                    for _ in 0..2 {
                        let fault = format!("kill@write:{}", 2 + dice.below(25));
                        let done = project.run_with(&args, &[("REGIMEN_FAULT", &fault)]);
                        kills += usize::from(done.code.is_none());
                    }
                    project.run(&args).fine();
                    kills
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(kills >= 4, "only {kills} kills");
    assert_eq!(collected(&one, &store).payloads(), one.payloads());
    // Who comes late finds all done.
    let late = machine(&one);
    let args = task(&store, "1/3", "0");
    let done = run(&late, &args).fine();
    assert!(done.stderr.contains("this one made 0 items"), "{}", done.stderr);
}

#[test]
fn a_task_killed_at_any_write_goes_on() {
    let one = Project::empty();
    one.write(
        "in/a.jsonl",
        "{\"id\":\"1\",\"text\":\"One and the same.\"}\n{\"id\":\"2\",\"text\":\"Another.\"}\n",
    );
    one.write("in/b.jsonl", "{\"id\":\"3\",\"text\":\"One and the same.\"}\n");
    one.write(
        "recipe.toml",
        "name = \"kill\"\n[corpus]\nkind = \"corpus\"\nsources = [{ name = \"a\", path = \"in/*.jsonl\" }]\nfilter = { quality = \"none\" }\n",
    );
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    for at in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let project = machine(&one);
        let args = task(dir.path(), "0/1", "0");
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let done = project.run_with(&args, &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]);
        if done.code.is_some() {
            assert!(at > 10, "{} writes", at - 1);
            return;
        }
        project.run(&args).fine();
        assert_eq!(collected(&one, dir.path()).payloads(), one.payloads(), "killed at write {at}");
    }
}

#[test]
fn two_sources_of_the_same_files_are_read_for_both() {
    let one = project();
    let twice = RECIPE.replace("data/b/*.jsonl.gz", "data/a/*.jsonl").replace("dedup_url = true\n", "");
    one.write("recipe.toml", &twice);
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    let dir = tempfile::tempdir().unwrap();
    let machine = machine(&one);
    run(&machine, &task(dir.path(), "0/1", "9")).fine();
    let all = collected(&one, dir.path());
    assert_eq!(all.payloads(), one.payloads());
    // Every part knows the hashes of all its files.
    let notes = files(&dir.path().join("first")).into_iter().filter(|name| name.ends_with(".docs.note"));
    let parts: Vec<serde_json::Value> = notes
        .map(|name| {
            serde_json::from_slice(&std::fs::read(dir.path().join("first").join(name)).unwrap()).unwrap()
        })
        .collect();
    let hashes: Vec<&str> = parts
        .iter()
        .flat_map(|part| part["files"].as_array().unwrap())
        .filter_map(|hash| hash.as_str())
        .collect();
    assert_eq!(hashes.len(), 12);
    assert!(hashes.iter().all(|hash| hash.bytes().any(|b| b != b'0')), "{hashes:?}");
}

#[test]
fn what_no_task_does_is_done_by_the_others_or_at_the_end() {
    let one = project();
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    let dir = tempfile::tempdir().unwrap();
    // Two of five tasks never start.
    let store = dir.path().join("three");
    let machines: Vec<Project> = (0..3).map(|_| machine(&one)).collect();
    std::thread::scope(|scope| {
        for (k, project) in machines.iter().enumerate() {
            let args = task(&store, &format!("{k}/5"), "0");
            scope.spawn(move || run(project, &args).fine());
        }
    });
    assert_eq!(collected(&one, &store).payloads(), one.payloads());
    // Nobody did anything.
    assert_eq!(collected(&one, &dir.path().join("none")).payloads(), one.payloads());
}

#[test]
fn all_corpora_of_a_recipe_are_built() {
    let one = Project::empty();
    let mut recipe = String::new();
    for i in 1..=3 {
        one.write(&format!("t{i}.txt"), format!("text number {i} here"));
        recipe += &format!(
            "[s{i}]\nkind = \"corpus\"\nsources = [{{ name = \"x\", path = \"t{i}.txt\" }}]\n\
             filter = {{ quality = \"none\" }}\nvalidation = 0\n"
        );
    }
    one.write("recipe.toml", recipe);
    let built = |project: &Project| {
        let texts =
            ["s1", "s2", "s3"].map(|name| project.run(&["corpus", "search", name, "number", "--json"]));
        texts.map(|done| done.stdout.contains("number"))
    };
    let done = one.run(&["corpus", "build", "recipe.toml", "--until", "nope"]);
    assert!(done.code == Some(2) && done.stderr.contains("no stage `nope`"), "{}", done.stderr);
    one.run(&["corpus", "build", "recipe.toml", "--until", "s1,s3"]).fine();
    assert_eq!(built(&one), [true, false, true]);
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    assert_eq!(built(&one), [true; 3]);
    // The same by tasks.
    let store = one.path("store");
    for share in ["0/2", "1/2"] {
        run(&machine(&one), &task(&store, share, "0")).fine();
    }
    assert_eq!(built(&collected(&one, &store)), [true; 3]);
}

#[test]
fn two_tasks_that_write_the_same_output_do_no_harm() {
    let one = project();
    one.run(&["corpus", "build", "recipe.toml"]).fine();
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("between");
    // The same number twice, at the same time, on two machines.
    let machines: Vec<Project> = (0..2).map(|_| machine(&one)).collect();
    std::thread::scope(|scope| {
        for project in &machines {
            let args = task(&store, "0/1", "60");
            scope.spawn(move || run(project, &args).fine());
        }
    });
    assert_eq!(collected(&one, &store).payloads(), one.payloads());
}

#[test]
fn another_plan_and_damaged_objects_are_refused() {
    let one = project();
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("between");
    let args = task(&store, "0/2", "0");
    run(&one, &args).fine();
    let plan = store.join("plan.json").display().to_string();
    run(&one, &task(&store, "0/3", "0")).refused(&[&plan, "2 tasks instead of 3"]);
    let other = machine(&one);
    other.write("data/a/0.jsonl", row("x", "another text that is long enough to stay"));
    run(&other, &args).refused(&[&plan, "data/a/0.jsonl", "bytes"]);
    let other = machine(&one);
    other.write("recipe.toml", RECIPE.replace("words < 5", "words < 6"));
    run(&other, &args).refused(&[&plan, "another config"]);
    let limited = machine(&one);
    limited.write("recipe.toml", RECIPE.to_string() + "limit_bytes = 1000\n");
    run(&limited, &task(&dir.path().join("x"), "0/2", "0")).refused(&["limit_bytes"]);
    run(&one, &task(&store, "2/2", "0")).refused(&["2/2", "counted from 0"]);

    let spoilt = dir.path().join("spoilt");
    std::fs::create_dir(&spoilt).unwrap();
    for tasks in ["0", "4000000000", "-1"] {
        let text = std::fs::read_to_string(store.join("plan.json")).unwrap();
        std::fs::write(
            spoilt.join("plan.json"),
            text.replace("\"tasks\": 2", &format!("\"tasks\": {tasks}")),
        )
        .unwrap();
        let command = ["corpus", "build", "recipe.toml", "--store", spoilt.to_str().unwrap()];
        machine(&one).run(&command).refused(&["plan.json"]);
    }

    let object = store.join("first/000000.docs");
    let mut bytes = std::fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&object, &bytes).unwrap();
    let collecting = machine(&one);
    let command = ["corpus", "build", "recipe.toml", "--store", store.to_str().unwrap()];
    collecting.run(&command).refused(&["first/000000.docs", "not what was written"]);
    // What the hint says.
    std::fs::remove_file(&object).unwrap();
    std::fs::remove_file(store.join("first/000000.docs.note")).unwrap();
    std::fs::remove_file(store.join("first/000000.hashes.note")).unwrap();
    collecting.run(&command).fine();
}

#[test]
fn records_that_were_damaged_between_two_steps_are_told() {
    let one = project();
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("between");
    run(&one, &task(&store, "0/2", "0")).fine();
    let command = ["corpus", "build", "recipe.toml", "--store", store.to_str().unwrap()];
    // Where the records of a bucket end, a hash, and a record: an ordinal that is none, and one that comes too early.
    for (round, at) in [("text", 3), ("near", 60), ("text", 96), ("url", 96), ("paragraphs", 91)] {
        for object in [format!("{round}/part/000000"), format!("{round}/part/000001")] {
            std::fs::remove_file(store.join(&object)).unwrap();
            std::fs::remove_file(store.join(object + ".note")).unwrap();
        }
        let object = store.join(format!("{round}/map/000001"));
        let whole = std::fs::read(&object).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&object, &bytes).unwrap();
        let name = format!("{round}/map/000001");
        let collecting = machine(&one);
        collecting.run(&command).refused(&[&name, "not what was written"]);
        std::fs::write(&object, &whole[..whole.len() - 1]).unwrap();
        collecting.run(&command).refused(&[&name, "not what was written"]);
        std::fs::write(&object, &whole).unwrap();
        collecting.run(&command).fine();
    }
}
