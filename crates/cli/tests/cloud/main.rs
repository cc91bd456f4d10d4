//! Sources and tasks in an object store: the binary against an S3 server in this process (s3s-fs) that can be made to fail.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use regimen_base::{Event, Record, Watch};
use regimen_corpus::STAGES;
use regimen_ledger::Store;
use regimen_objects::server::Server;
use regimen_recipe::{Plan, Runner};

const RECIPE: &str = r#"name = "cloud"

[corpus]
kind = "corpus"
sources = [{ name = "a", path = "s3://data/crawl/*.jsonl*" }, { name = "b", path = "s3://data/one.txt" }]
filter = { quality = "none" }
near = { preset = "fineweb" }
paragraphs = { dedup = "exact" }
validation = 0.2
"#;

/// A server with two buckets: documents, and the place between tasks.
fn server(dir: &Path) -> Server {
    for name in ["data/crawl", "between"] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
    }
    for file in 0..8 {
        let rows: String = (0..300)
            .map(|row| {
                let text: Vec<String> =
                    (0..60).map(|word| format!("word{}", (row / 2 * 31 + word * word) % 997)).collect();
                format!(
                    "{{\"id\":\"{file}-{row}\",\"text\":\"{}\\nA line that all have.\"}}\n",
                    text.join(" ")
                )
            })
            .collect();
        std::fs::write(dir.join(format!("data/crawl/{file}.jsonl")), rows).unwrap();
    }
    std::fs::write(dir.join("data/one.txt"), "One text of its own, in an object of its own.\n").unwrap();
    Server::start(dir).unwrap()
}

fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    std::fs::write(project.path().join("regimen.toml"), "").unwrap();
    std::fs::write(project.path().join("recipe.toml"), RECIPE).unwrap();
    project
}

fn regimen(server: &Server, project: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regimen"));
    command
        .args(args)
        .current_dir(project)
        .env("NO_COLOR", "1")
        .env("REGIMEN_THREADS", "1")
        .env("AWS_ENDPOINT_URL", &server.url)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_SKIP_SIGNATURE", "true")
        .env("AWS_REGION", "us-east-1");
    command
}

#[track_caller]
fn fine(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn payload(server: &Server, project: &Path) -> String {
    let shown = regimen(server, project, &["show", "corpus", "--json"]).output().unwrap();
    fine(&shown);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    shown["payload"].as_str().unwrap().into()
}

const BUILD: [&str; 3] = ["corpus", "build", "recipe.toml"];

#[test]
fn sources_and_tasks_in_a_store_that_is_busy_at_times() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    let one = project();
    server.failing.store(3, Ordering::Relaxed);
    fine(&regimen(&server, one.path(), &BUILD).output().unwrap());
    assert_eq!(server.failing.load(Ordering::Relaxed), 0, "the program met the refusals");
    let asked = server.requests.load(Ordering::Relaxed);
    // The objects are here now: a second run lists them and brings none.
    fine(&regimen(&server, one.path(), &BUILD).output().unwrap());
    assert!(server.requests.load(Ordering::Relaxed) - asked <= 4);

    let machines = [project(), project(), project()];
    std::thread::scope(|scope| {
        for (k, machine) in machines.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                let share = format!("{k}/3");
                let between = ["--store", "s3://between/curate", "--task", &share, "--patience", "10"];
                let args = [&BUILD[..], &between].concat();
                // Killed twice at whatever it does, and started again; the server refuses now and then.
                for wait in [150, 400] {
                    let mut child =
                        regimen(server, machine.path(), &args).stderr(Stdio::null()).spawn().unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(wait));
                    let _ = child.kill();
                    child.wait().unwrap();
                    server.failing.store(2, Ordering::Relaxed);
                }
                fine(&regimen(server, machine.path(), &args).output().unwrap());
            });
        }
    });
    let collecting = project();
    let args = [&BUILD[..], &["--store", "s3://between/curate"]].concat();
    fine(&regimen(&server, collecting.path(), &args).output().unwrap());
    assert_eq!(payload(&server, collecting.path()), payload(&server, one.path()));
}

/// A recipe whose sources each name one object: of these the server tells ETags, in lists it has times alone.
fn one_by_one() -> String {
    let sources: Vec<String> =
        (0..8).map(|i| format!("{{ name = \"s{i}\", path = \"s3://data/crawl/{i}.jsonl\" }}")).collect();
    let (start, end) = (RECIPE.find("sources").unwrap(), RECIPE.find("filter").unwrap());
    let recipe = format!("{}sources = [{}]\n{}", &RECIPE[..start], sources.join(", "), &RECIPE[end..]);
    recipe.replace("near = { preset = \"fineweb\" }\n", "")
}

/// How often objects of sources were read since the last time.
fn read(server: &Server) -> usize {
    let asked = std::mem::take(&mut *server.asked.lock().unwrap());
    asked.iter().filter(|path| path.starts_with("GET /data/crawl/")).count()
}

#[test]
fn who_collects_reads_no_source_that_tasks_have_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    let start = || {
        let project = project();
        std::fs::write(project.path().join("recipe.toml"), one_by_one()).unwrap();
        project
    };
    let run = |project: &Path, args: &[&str]| {
        fine(&regimen(&server, project, &[&BUILD[..], args].concat()).output().unwrap());
        read(&server)
    };
    let store = ["--store", "s3://between/curate"];
    let one = start();
    assert_eq!(run(one.path(), &[]), 8);
    assert_eq!(run(start().path(), &[&store[..], &["--task", "0/1"]].concat()), 8);
    let collecting = start();
    assert_eq!(run(collecting.path(), &store), 0);
    assert_eq!(payload(&server, collecting.path()), payload(&server, one.path()));
    // Nor does a later run, nor a plan, until a stage must read them.
    assert_eq!(run(collecting.path(), &[]), 0);
    let other = ["--set", "corpus.validation=0.4"];
    fine(
        &regimen(&server, collecting.path(), &[&["plan", "recipe.toml"], &other[..]].concat())
            .output()
            .unwrap(),
    );
    assert_eq!(read(&server), 0);
    assert_eq!(run(collecting.path(), &other), 8);
    assert_eq!(run(one.path(), &other), 0);
    assert_eq!(payload(&server, collecting.path()), payload(&server, one.path()));

    // Hashes that are not those of the part, or are not there, count for nothing: the objects come and are hashed.
    let notes: Vec<_> = std::fs::read_dir(dir.path().join("between/curate/first")).unwrap().collect();
    let notes = notes.into_iter().map(|entry| entry.unwrap().path());
    let docs: Vec<_> = notes.filter(|path| path.to_str().unwrap().ends_with(".docs.note")).collect();
    for wrong in ["plan", "files", "hashes"] {
        for path in &docs {
            let mut note: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            match wrong {
                // What another plan left may be of other objects.
                "plan" => note["plan"] = "11".repeat(32).into(),
                "files" => note["files"] = serde_json::json!([]),
                _ => note["files"] = serde_json::json!(["00".repeat(32)]),
            }
            std::fs::write(path, serde_json::to_vec(&note).unwrap()).unwrap();
        }
        let again = start();
        assert_eq!(run(again.path(), &store), 8, "{wrong}");
        run(one.path(), &[]);
        assert_eq!(payload(&server, again.path()), payload(&server, one.path()));
    }
}

#[test]
fn a_large_object_is_seen_to_come() {
    struct Eyes(Arc<Mutex<Vec<(u64, u64)>>>);
    impl Watch for Eyes {
        fn see(&mut self, record: &Record) {
            if let Event::Progress { done, total, .. } = record.event {
                self.0.lock().unwrap().push((done, total));
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("data")).unwrap();
    let text = "a word ".repeat(30_000);
    let rows: String = (0..100).map(|id| format!("{{\"id\":{id},\"text\":\"{text}\"}}\n")).collect();
    std::fs::write(dir.path().join("data/large.jsonl"), &rows).unwrap();
    let bytes = rows.len() as u64;
    let server = Server::start(dir.path()).unwrap();
    let names = ["AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_SKIP_SIGNATURE", "AWS_REGION"];
    for (name, value) in names.into_iter().zip([&*server.url, "true", "true", "us-east-1"]) {
        // SAFETY: the other tests give their programs values of their own and read none here.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    let project = tempfile::tempdir().unwrap();
    let config = "sources = [{ name = \"a\", path = \"s3://data/large.jsonl\" }]\n\
                  filter = { quality = \"none\" }\ndedup = \"none\"\nvalidation = 0";
    let recipe = regimen_recipe::testing::recipe(STAGES[0], config, project.path(), &[], 0).unwrap();
    let store = Store::open(project.path()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let coming = |seen: &[(u64, u64)]| {
        assert!(seen.is_sorted() && seen.iter().all(|(_, total)| *total == bytes), "{seen:?}");
        assert!(seen.iter().filter(|(done, _)| *done < bytes).count() > 1, "{seen:?}");
        assert_eq!(seen.last(), Some(&(bytes, bytes)));
    };
    // A plan brings it here, and so does a run where no plan was made.
    let mut plan = Vec::new();
    let mut told = |_: &str, done, total| plan.push((done, total));
    Plan::seen(&recipe, &store, None, false, &mut told).unwrap();
    coming(&plan);
    std::fs::remove_dir_all(project.path().join(".regimen/objects")).unwrap();
    let mut runner = Runner::new(&store, "f");
    let eyes = seen.clone();
    runner.watch = Box::new(move |_| Some(Box::new(Eyes(eyes.clone())) as Box<dyn Watch>));
    runner.run(&recipe, None).unwrap();
    let seen = seen.lock().unwrap();
    let here = seen.iter().position(|(done, total)| done == total).unwrap();
    coming(&seen[..=here]);
}

#[test]
fn a_folder_of_objects_stands_for_its_documents() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("documents/a.jsonl", "{\"id\":\"1\",\"text\":\"A text of its own.\"}\n"),
        ("attributes/x/a.jsonl", "{\"id\":\"1\",\"attributes\":{}}\n"),
    ] {
        let path = dir.path().join("data/wiki").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(dir.path().join("between")).unwrap();
    let server = Server::start(dir.path()).unwrap();
    let build = |path: &str, more: &[&str]| {
        let project = project();
        let source = format!("{{ name = \"a\", path = \"{path}\", format = \"dolma\" }}");
        let text = format!(
            "name = \"w\"\n[corpus]\nkind = \"corpus\"\nfilter = {{ quality = \"none\" }}\nsources = [{source}]\n"
        );
        std::fs::write(project.path().join("recipe.toml"), text).unwrap();
        fine(&regimen(&server, project.path(), &[&BUILD[..], more].concat()).output().unwrap());
        payload(&server, project.path())
    };
    let below = build("s3://data/wiki/documents", &[]);
    assert_eq!(build("s3://data/wiki", &[]), below);
    assert_eq!(build("s3://data/wiki/", &["--store", "s3://between/curate"]), below);
}

/// What attributes are called stands in the first rows of files of which a task brings its share alone.
#[test]
fn attributes_in_a_store_are_found_by_every_task() {
    let dir = tempfile::tempdir().unwrap();
    for file in 0..6 {
        let (mut documents, mut attributes) = (String::new(), String::new());
        for row in 0..40 {
            let id = format!("{file}-{row}");
            let text = format!("Text {id}, of which some stay.");
            documents += &format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}\n");
            let late = if file == 5 && row > 30 { ",\"late\":[[0,4,1.0]]" } else { "" };
            let whole = format!("\"length\":[[0,{},{row}.5]]", text.len());
            attributes +=
                &format!("{{\"id\":\"{id}\",\"attributes\":{{\"size\":[[0,4,{row}.0]],{whole}{late}}}}}\n");
        }
        for (folder, rows) in [("documents", documents), ("attributes/x", attributes)] {
            let path = dir.path().join("data/wiki").join(folder).join(format!("{file}.jsonl"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, rows).unwrap();
        }
    }
    std::fs::create_dir_all(dir.path().join("between")).unwrap();
    let server = Server::start(dir.path()).unwrap();
    let build = |more: &[&str]| {
        let project = project();
        let source = "name = \"a\", path = \"s3://data/wiki\", format = \"dolma\"";
        let source = format!("{{ {source}, attributes = \"s3://data/wiki/attributes/*\" }}");
        let rules = ["sum(attributes.size) < 10", "attributes.length > 38", "count(attributes.late) > 0"];
        let rules = format!("drop = {rules:?}\nnear = {{ preset = \"fineweb\" }}");
        let text = format!(
            "name = \"w\"\n[corpus]\nkind = \"corpus\"\nfilter = {{ quality = \"none\" }}\nsources = [{source}]\n{rules}\n"
        );
        std::fs::write(project.path().join("recipe.toml"), text).unwrap();
        fine(&regimen(&server, project.path(), &[&BUILD[..], more].concat()).output().unwrap());
        project
    };
    let one = build(&[]);
    let store = ["--store", "s3://between/curate"];
    std::thread::scope(|scope| {
        for share in ["0/3", "1/3", "2/3"] {
            scope.spawn(move || build(&[&store[..], &["--task", share, "--patience", "10"]].concat()));
        }
    });
    // One task looked for the names, and the others took them over.
    let names = std::fs::read(dir.path().join("between/curate/names.json")).unwrap();
    let names: serde_json::Value = serde_json::from_slice(&names).unwrap();
    let found = serde_json::json!({"0": {"late": "spans", "length": "value", "size": "spans"}});
    assert_eq!(names["sources"], found);
    let collecting = build(&store);
    assert_eq!(payload(&server, collecting.path()), payload(&server, one.path()));
    // With other attributes it is another build, whatever was found before.
    let beside = dir.path().join("data/wiki/attributes/x/3.jsonl");
    let rows = std::fs::read_to_string(&beside).unwrap();
    std::fs::write(&beside, rows.replace("size", "SIZE")).unwrap();
    let other = project();
    std::fs::copy(one.path().join("recipe.toml"), other.path().join("recipe.toml")).unwrap();
    let output = regimen(&server, other.path(), &[&BUILD[..], &store].concat()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("attributes/x/3.jsonl"), "{text}");
    std::fs::write(&beside, rows).unwrap();
    // Where the first task never comes, another one looks for them.
    std::fs::remove_dir_all(dir.path().join("between/curate")).unwrap();
    build(&[&store[..], &["--task", "1/2", "--patience", "0"]].concat());
    assert_eq!(payload(&server, build(&store).path()), payload(&server, one.path()));
}

#[test]
fn what_is_missing_or_changed_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    let project = project();
    let recipe = RECIPE.replace("s3://data/one.txt", "s3://data/two.txt");
    std::fs::write(project.path().join("recipe.toml"), recipe).unwrap();
    let output = regimen(&server, project.path(), &BUILD).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("s3://data/two.txt") && text.contains("hint: "), "{text}");
    // Commands that write beside their files say where they can be used.
    let output =
        regimen(&server, project.path(), &["corpus", "tag", "s3://data/crawl/*", "--taggers", "length"]);
    let text = String::from_utf8_lossy(&{ output }.output().unwrap().stderr).into_owned();
    assert!(text.contains("object store") && text.contains("hint: "), "{text}");
}

/// All files below a folder, but for notes.
fn tree(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let all = regimen_base::fs::files_below(folder).unwrap().into_iter();
    // Notes hold what the inputs are called.
    let hidden = [".regimen", ".regimen-notes"];
    let seen = all.filter(|path| !path.iter().any(|part| hidden.iter().any(|name| part == *name)));
    seen.map(|path| (path.clone(), std::fs::read(folder.join(path)).unwrap())).collect()
}

#[test]
fn steps_read_documents_and_evaluation_sets_in_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let documents = dir.path().join("data/web/documents/en");
    std::fs::create_dir_all(&documents).unwrap();
    for file in 0..3 {
        let text = |row: usize| format!("Row {}, one two three four five six. ", row / 2).repeat(1 + row % 3);
        let rows: String =
            (0..50).map(|row| format!("{{\"id\":\"{file}-{row}\",\"text\":\"{}\"}}\n", text(row))).collect();
        std::fs::write(documents.join(format!("{file}.jsonl")), rows).unwrap();
    }
    std::fs::write(documents.join("table.csv"), "id,text\nt,one two three four five six seven\n").unwrap();
    std::fs::write(dir.path().join("data/items.csv"), "q\none two three four five six\n").unwrap();
    let server = Server::start(dir.path()).unwrap();
    // The same steps on the files themselves and on objects; what they wrote.
    let steps = |web: &str, items: &str| {
        let project = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| {
            let output =
                regimen(&server, project.path(), &[&["corpus"][..], args].concat()).output().unwrap();
            fine(&output);
            output.stdout
        };
        run(&["tag", web, "--taggers", "length", "--to", "rules/attributes"]);
        run(&["dedup", web, "--by", "document", "--name", "dup", "--to", "dup"]);
        let names = "./rules/attributes,./dup";
        let stats = run(&["stats", web, "--attributes", names, "--json"]);
        let rules = ["--attributes", names, "--drop", "length.words < 5", "--edit", "dup"];
        run(&[&["mix", web, "--to", "mixed"], &rules[..]].concat());
        let against = ["--against", items, "--field", "q", "-n", "5", "--report", "hits.jsonl"];
        run(&[&["decontaminate", web, "--to", "eval", "--drop", "clean"], &against[..]].concat());
        run(&["sample", web, "--documents", "5", "--to", "sample.jsonl"]);
        run(&["export", web, "--attributes", names, "--to", "out", "--format", "texts"]);
        // What says whose copy a document is names its file.
        let mut files = tree(project.path());
        for (_, bytes) in &mut files {
            if let Ok(text) = std::str::from_utf8(bytes) {
                *bytes = text.replace(web.trim_end_matches('/'), "WEB").into_bytes();
            }
        }
        (stats, files)
    };
    let web = dir.path().join("data/web");
    let local = steps(web.to_str().unwrap(), dir.path().join("data/items.csv").to_str().unwrap());
    assert!(local.1.iter().any(|(path, _)| path.ends_with("rules/attributes/en/table.csv.jsonl.gz")));
    let read = || {
        let asked = std::mem::take(&mut *server.asked.lock().unwrap());
        let parts = asked.into_iter().filter(|path| path.starts_with("GET /data/web/documents/en/"));
        parts.count()
    };
    read();
    let remote = steps("s3://data/web", "s3://data/items.csv");
    assert_eq!(read(), 4, "each object is brought once");
    assert_eq!(remote.0, local.0);
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(path, _)| path.display().to_string()).collect()
    };
    assert_eq!(names(&remote.1), names(&local.1));
    for ((path, here), (_, there)) in local.1.iter().zip(&remote.1) {
        assert!(here == there, "{}", path.display());
    }

    let project = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], words: &[&str]| {
        let output = regimen(&server, project.path(), &[&["corpus"][..], args].concat()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.iter().all(|word| text.contains(word)), "{text}");
    };
    let object = "s3://data/web/documents/en/0.jsonl";
    refused(&["tag", "s3://data/web", "--taggers", "length"], &[object, "object store", "--to DIR"]);
    refused(&["mix", "s3://data/web", "--attributes", "rules", "--to", "m"], &[object, "--attributes ./DIR"]);
    refused(&["stats", "s3://data/nothing"], &["s3://data/nothing"]);
    let sets = ["--against", "s3://data/web/documents/en", "--report", "hits.jsonl", "--to", "eval"];
    refused(&[&["decontaminate", "s3://data/web"], &sets[..]].concat(), &["means 4 objects"]);
    // An evaluation set is called as it was named, wherever it was brought to.
    let sets = ["--against", "s3://data/items.csv", "--report", "hits.jsonl", "--to", "eval"];
    let words = ["`s3://data/items.csv`", "column `text`"];
    refused(&[&["decontaminate", "s3://data/web"], &sets[..]].concat(), &words);
    let document = ["--against", "s3://data/web/documents/en/0.jsonl", "--field", "nothing"];
    let words = ["`s3://data/web/documents/en/0.jsonl`, line 1", "`nothing`"];
    refused(&[&["decontaminate", "s3://data/web"], &document[..], &sets[2..]].concat(), &words);
}
