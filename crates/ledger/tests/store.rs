//! The store as its users see it: whole or none, two processes, damage, lineage, names, the index.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{draft, key, make, run, work};
use regimen_base::{Hash256, Hint, fs};
use regimen_ledger::*;

#[test]
fn a_committed_folder_is_an_artifact_and_nothing_is_left_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (key, inputs) = key("corpus", 7, &[]);
    let job = work(&store, "corpus", key);
    fs::write(&job.dir.join("a.bin"), b"payload").unwrap();
    fs::write(&job.dir.join("log.txt"), b"told apart").unwrap();
    fs::write(&job.dir.join("model.bin"), b"with a key inside").unwrap();
    fs::write(&job.dir.join(".resume.json"), b"{}").unwrap();
    fs::create_dir_all(&job.dir.join(".checkpoints/1")).unwrap();
    fs::write(&job.dir.join(".checkpoints/1/w"), b"x").unwrap();
    let mut draft = draft("c", 7, inputs);
    let data_alone = Hash256::of(b"data alone");
    draft.payloads = [("log.txt".into(), None), ("model.bin".into(), Some(data_alone))].into();
    let made = job.commit(draft).unwrap();

    assert_eq!(made.path, dir.path().join(format!(".regimen/artifacts/corpus/{key}")));
    let names: Vec<&str> = made.manifest.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(names, ["a.bin", "log.txt", "model.bin"]);
    assert_eq!(
        made.manifest.payload,
        Hash256::of(format!("a.bin\0{}\nmodel.bin\0{data_alone}\n", Hash256::of(b"payload")).as_bytes())
    );
    assert_eq!(made.manifest.computed_key(), key);
    assert!(fs::list(&dir.path().join(".regimen/work")).unwrap().is_empty());
    assert!(!made.file(".resume.json").exists() && !made.file(".checkpoints").exists());

    let again = store.artifact("corpus", key).unwrap().unwrap();
    assert_eq!(again.manifest, made.manifest);
    assert!(matches!(store.begin("corpus", key).unwrap(), Begin::Done(a) if a.manifest == made.manifest));
    assert!(store.artifact("tokens", key).unwrap().is_none());
}

#[test]
fn unfinished_work_stays_and_torn_writes_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (key, _) = key("corpus", 1, &[]);
    let first = work(&store, "corpus", key);
    fs::write(&first.dir.join(".resume.json"), b"{}").unwrap();
    fs::write(&first.dir.join("part.bin"), b"part").unwrap();
    std::fs::write(first.dir.join("names.json.tmp4711"), b"to").unwrap();
    drop(first);
    let second = work(&store, "corpus", key);
    let left: Vec<_> = fs::list(&second.dir).unwrap();
    assert_eq!(left, [second.dir.join(".resume.json"), second.dir.join("part.bin")]);
    second.clear().unwrap();
    assert!(fs::list(&second.dir).unwrap().is_empty());
}

#[test]
fn work_that_has_its_manifest_is_only_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let made = make(&store, "c", "corpus", 1, &[]);
    // What a crash just before the rename leaves.
    let back = store.work_dir(made.key());
    std::fs::rename(&made.path, &back).unwrap();
    fs::write(&back.join(".resume.json"), b"{}").unwrap();
    let Begin::Done(again) = store.begin("corpus", made.key()).unwrap() else { panic!("made anew") };
    assert_eq!(again.manifest, made.manifest);
    assert!(store.verify(&mut |_, _| {}).unwrap().is_empty());
    // A manifest whose files are not all there is no finished work.
    std::fs::rename(&made.path, &back).unwrap();
    std::fs::remove_file(back.join("data.bin")).unwrap();
    assert!(matches!(store.begin("corpus", made.key()).unwrap(), Begin::Work(_)));
}

#[test]
fn a_payload_rule_for_a_file_that_is_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (key, inputs) = key("corpus", 1, &[]);
    let job = work(&store, "corpus", key);
    let mut draft = draft("c", 1, inputs);
    draft.payloads.insert("modle.bin".into(), None);
    assert!(job.commit(draft).unwrap_err().to_string().contains("`modle.bin`"));
    assert!(store.artifact("corpus", key).unwrap().is_none());
}

/// Runs as a process of its own, started by the test below: holds a lock until its input closes.
#[test]
fn hold_a_lock_for_another_process() {
    let Ok(project) = std::env::var("LEDGER_TEST_HOLD") else { return };
    let store = Store::open(Path::new(&project)).unwrap();
    let _work = work(&store, "corpus", key("corpus", 1, &[]).0);
    println!("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn two_processes_do_not_make_the_same_artifact_and_a_killed_one_frees_its_lock() {
    use std::io::{BufRead, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["hold_a_lock_for_another_process", "--exact", "--nocapture"])
        .env("LEDGER_TEST_HOLD", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().ends_with("held") {}

    let key = key("corpus", 1, &[]).0;
    let error = store.begin("corpus", key).unwrap_err();
    assert!(matches!(&error, Error::Busy { pid, .. } if *pid == child.id().to_string()), "{error}");
    assert!(error.to_string().contains(&format!("(pid {})", child.id())), "{error}");
    assert!(error.hint().unwrap().contains("same command again"));
    // Another artifact is nobody's business.
    make(&store, "other", "corpus", 2, &[]);

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(store.begin("corpus", key).unwrap(), Begin::Work(_)));
}

#[test]
fn two_stores_on_one_folder_agree_while_both_write() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for lane in 0..4u64 {
            let path = dir.path();
            scope.spawn(move || {
                let store = Store::open(path).unwrap();
                for i in 0..5 {
                    let made = make(&store, &format!("s{lane}"), "corpus", lane * 10 + i, &[]);
                    run(&store, &made, Status::Done, i as f64);
                    assert_eq!(store.resolve(&format!("s{lane}")).unwrap().key(), made.key());
                }
            });
        }
    });
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.artifacts().unwrap().len(), 20);
    assert_eq!(store.runs().unwrap().len(), 20);
}

#[test]
fn verify_names_each_kind_of_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let made: Vec<Artifact> = (0..7).map(|seed| make(&store, "c", "corpus", seed, &[])).collect();
    let mut last = (0, 0);
    assert!(store.verify(&mut |done, total| last = (done, total)).unwrap().is_empty());
    assert!(last.0 > 0 && last.0 <= last.1);

    std::fs::remove_file(made[0].file("data.bin")).unwrap();
    std::fs::write(made[1].file("sub/more.txt"), b"mork").unwrap();
    std::fs::write(made[2].file("sub/new"), b"").unwrap();
    std::fs::write(made[3].file("manifest.json"), b"{").unwrap();
    std::fs::remove_file(made[4].file("manifest.json")).unwrap();
    let edit = |artifact: &Artifact, from: &str, to: &str| {
        let path = artifact.file("manifest.json");
        let text = fs::read_text(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    edit(&made[5], "\"seed\": 5", "\"seed\": 99");
    edit(&made[6], "\"payload\": \"", "\"payload\": \"00");
    edit(&made[6], &made[6].manifest.payload.to_string()[62..], "");

    let found = store.verify(&mut |_, _| {}).unwrap();
    let of = |i: usize| -> Vec<String> {
        found.iter().filter(|d| d.key == Some(made[i].key())).map(ToString::to_string).collect()
    };
    let name = |i: usize| format!("corpus {}", made[i].key().short());
    let hash = |text: &str| Hash256::of(text.as_bytes());
    assert_eq!(of(0), [format!("{}: `data.bin` is missing (expected {})", name(0), hash("c 0"))]);
    assert_eq!(
        of(1),
        [format!(
            "{}: `sub/more.txt` has changed: expected {}, found {}",
            name(1),
            hash("more"),
            hash("mork")
        )]
    );
    assert_eq!(of(2), [format!("{}: `sub/new` does not belong to it", name(2))]);
    assert!(of(3)[0].contains("`manifest.json`: EOF"), "{:?}", of(3));
    assert_eq!(of(4), [format!("{}: `manifest.json`: it is missing", name(4))]);
    assert!(of(5)[0].contains("the key that its config, seed and inputs give"), "{:?}", of(5));
    assert!(of(6)[0].contains("the payload hash of its files"), "{:?}", of(6));
    assert_eq!(found.len(), 7);

    // Damage that shows without reading all is an error where the artifact is asked for.
    for (i, word) in [(0, "it is missing"), (3, "manifest"), (4, "no `manifest.json`")] {
        let error = store.begin("corpus", made[i].key()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.hint().unwrap().contains("makes it anew"), "{error}");
    }
    assert!(store.artifacts().is_err());
    // The others can still be found.
    assert_eq!(store.resolve(&made[2].key().to_string()).unwrap().key(), made[2].key());
}

#[test]
fn lineage_goes_both_ways_with_depth_and_marks_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let corpus = make(&store, "corpus", "corpus", 1, &[]);
    let tokenizer = make(&store, "tokenizer", "tokenizer", 1, &[("corpus", corpus.key())]);
    let tokens =
        make(&store, "tokens", "tokens", 1, &[("corpus", corpus.key()), ("tokenizer", tokenizer.key())]);
    let base = make(&store, "base", "pretrain", 1, &[("tokens", tokens.key())]);
    let shown = |found: Vec<Relative>| -> Vec<String> {
        found.iter().map(|r| format!("{} {} {} {}", r.depth, r.input, r.stage, r.present)).collect()
    };
    assert_eq!(
        shown(store.lineage(base.key()).unwrap()),
        ["1 tokens tokens true", "2 corpus corpus true", "2 tokenizer tokenizer true"]
    );
    assert!(store.lineage(corpus.key()).unwrap().is_empty());
    let down = shown(store.descendants(corpus.key()).unwrap());
    assert_eq!(down.len(), 3);
    assert_eq!(down[2], "2 tokens base true");

    std::fs::remove_dir_all(&corpus.path).unwrap();
    let up = store.lineage(base.key()).unwrap();
    assert_eq!(
        up[1],
        Relative {
            key: corpus.key(),
            kind: "".into(),
            stage: "".into(),
            depth: 2,
            input: "corpus".into(),
            present: false
        }
    );
}

#[test]
fn names_keys_prefixes_and_runs_find_their_artifact() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let error = store.resolve("base").unwrap_err();
    assert!(error.hint().unwrap().contains("no artifacts yet"));
    let old = make(&store, "base", "pretrain", 1, &[]);
    let new = make(&store, "base", "pretrain", 2, &[]);
    let info = run(&store, &old, Status::Done, 1.0);
    let full = old.key().to_string();
    for text in
        [&full, &full[..8], &full[..4], &format!("key:{}", &full[..9]), &info.id, &full[..8].to_uppercase()]
    {
        assert_eq!(store.resolve(text).unwrap().key(), old.key(), "{text}");
    }
    assert_eq!(store.resolve("base").unwrap().key(), new.key());
    assert_eq!(store.resolve(old.path.to_str().unwrap()).unwrap().key(), old.key());

    let error = store.resolve("bsae").unwrap_err();
    assert_eq!(error.to_string(), "no artifact is called `bsae`");
    assert_eq!(error.hint().unwrap(), "did you mean `base`?");
    assert!(store.resolve(&full[..3]).unwrap_err().hint().unwrap().contains("at least 4 digits"));
    assert!(store.resolve("no/such/folder").is_err());

    // Two keys with the same beginning: a second folder under another kind.
    let twin = dir.path().join(format!(".regimen/artifacts/other/{}{}", &full[..20], "0".repeat(44)));
    std::fs::create_dir_all(&twin).unwrap();
    let error = store.resolve(&full[..10]).unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
    assert!(error.to_string().contains("other ") && error.to_string().contains("pretrain "), "{error}");
}

#[test]
fn runs_are_listed_by_time_and_a_dead_one_is_not_running() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let a = make(&store, "a", "corpus", 1, &[]);
    let b = make(&store, "b", "corpus", 2, &[]);
    run(&store, &b, Status::Done, 20.0);
    let first = run(&store, &a, Status::Running, 10.0);
    let shown = |store: &Store| -> Vec<(String, Status)> {
        store.runs().unwrap().into_iter().map(|r| (r.stage, r.status)).collect()
    };
    // Its artifact was made; only the word of it is missing.
    assert_eq!(shown(&store), [("a".into(), Status::Done), ("b".into(), Status::Done)]);
    std::fs::remove_dir_all(&a.path).unwrap();
    assert_eq!(shown(&store)[0].1, Status::Interrupted);
    let held = work(&store, "corpus", a.key());
    assert_eq!(shown(&store)[0].1, Status::Running);
    drop(held);

    assert_eq!(store.run("a").unwrap().id, first.id);
    assert_eq!(store.run(&first.id).unwrap().command, ["regimen", "run"]);
    assert_eq!(store.run(&first.id[..4]).unwrap().id, first.id);
    assert!(store.run("nothing").unwrap_err().hint().is_some());
    assert!(store.run("../artifacts").is_err());
    // A record that cannot be read is left out of the list, and named where damage is asked for.
    assert!(store.verify(&mut |_, _| {}).unwrap().is_empty());
    let record = store.run_dir(&first.id).join("run.json");
    fs::write(&record, b"{\"id\": ").unwrap();
    fs::create_dir_all(&store.run_dir("begun-00000000")).unwrap();
    assert_eq!(shown(&store).len(), 1);
    let damages = store.verify(&mut |_, _| {}).unwrap();
    assert_eq!(damages.len(), 1, "{damages:?}");
    let text = damages[0].to_string();
    assert!(text.starts_with(&format!("run {}: `run.json` cannot be read: EOF", first.id)), "{text}");
    // A record written again is seen, one removed is gone.
    run(&store, &a, Status::Failed, 30.0);
    assert_eq!(shown(&store)[1], ("a".into(), Status::Failed));
    std::fs::remove_dir_all(store.run_dir(&first.id)).unwrap();
    assert_eq!(shown(&store).len(), 1);
}

#[test]
fn the_index_is_made_again_when_it_is_missing_damaged_or_foreign() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let corpus = make(&store, "corpus", "corpus", 1, &[]);
    let tokens = make(&store, "tokens", "tokens", 1, &[("corpus", corpus.key())]);
    run(&store, &corpus, Status::Done, 1.0);
    let answers = |store: &Store| {
        (
            store.lineage(tokens.key()).unwrap(),
            store.runs().unwrap(),
            store.resolve("tokens").unwrap().manifest,
        )
    };
    let expected = answers(&store);
    assert_eq!(store.rebuild().unwrap(), (2, 1));
    assert_eq!(answers(&store), expected);
    drop(store);

    let file = dir.path().join(".regimen/index.sqlite");
    let damages: [&dyn Fn(); 4] = [
        &|| std::fs::remove_file(&file).unwrap(),
        &|| {
            std::fs::write(&file, b"no database at all, but long enough to be taken for a header of one")
                .unwrap();
        },
        &|| {
            let mut bytes = std::fs::read(&file).unwrap();
            let from = 4096.min(bytes.len());
            bytes[from..].fill(0x55);
            std::fs::write(&file, bytes).unwrap();
        },
        &|| {
            std::fs::remove_file(&file).unwrap();
            std::fs::create_dir_all(&file).unwrap();
        },
    ];
    for (i, damage) in damages.iter().enumerate() {
        damage();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(answers(&store), expected, "damage {i}");
    }
}

#[test]
fn hashes_of_files_are_remembered_and_forgotten_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let path = dir.path().join("in.txt");
    fs::write(&path, b"one").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    let age = |path: &Path, secs: u64| {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(old + std::time::Duration::from_secs(secs)).unwrap();
    };
    age(&path, 0);
    assert_eq!(store.hash_file(&path).unwrap(), (Hash256::of(b"one"), 3));
    // Same length and time: the answer comes from memory, which shows that it is used.
    std::fs::write(&path, b"two").unwrap();
    age(&path, 0);
    assert_eq!(store.hash_file(&path).unwrap().0, Hash256::of(b"one"));
    age(&path, 1);
    assert_eq!(store.hash_file(&path).unwrap().0, Hash256::of(b"two"));
    // A file touched just now is read each time.
    std::fs::write(&path, b"six").unwrap();
    assert_eq!(store.hash_file(&path).unwrap().0, Hash256::of(b"six"));
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::write(&path, b"ten").unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(store.hash_file(&path).unwrap().0, Hash256::of(b"ten"));
    assert!(store.hash_file(&dir.path().join("none")).is_err());
}

#[test]
fn other_layouts_and_places_that_cannot_be_written_are_refused_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap();
    Store::open(dir.path()).unwrap();
    fs::write(&dir.path().join(".regimen/version"), b"9\n").unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("has layout `9`, this program knows layout 2"), "{error}");
    assert!(error.hint().is_some());

    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Store::open(&file).unwrap_err();
    assert!(error.to_string().contains("file/.regimen"), "{error}");
    assert!(error.hint().unwrap().contains("a folder is needed"), "{error}");
}

#[test]
fn a_store_that_is_not_there_can_be_asked_for_without_making_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open_existing(dir.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no store in `{}`", dir.path().display()));
    assert_eq!(error.hint().unwrap(), "run a recipe first, or name the project with `--project`");
    // Nor is one finished that was only begun.
    fs::create_dir_all(&dir.path().join(".regimen/work")).unwrap();
    assert!(matches!(Store::open_existing(dir.path()), Err(Error::NoStore { .. })));
    assert_eq!(fs::files_below(dir.path()).unwrap().len(), 0, "something was made");

    let made = make(&Store::open(dir.path()).unwrap(), "c", "corpus", 1, &[]);
    let store = Store::open_existing(dir.path()).unwrap();
    assert_eq!(store.artifacts().unwrap()[0].key(), made.key());
    fs::write(&dir.path().join(".regimen/version"), b"9\n").unwrap();
    assert!(matches!(Store::open_existing(dir.path()), Err(Error::Layout { .. })));
}

/// Runs as a process of its own, started by the test below, with a fault planned in its environment.
#[test]
fn commit_under_a_fault() {
    let Ok(project) = std::env::var("LEDGER_TEST_FAULT") else { return };
    let report = (|| -> Result<()> {
        let store = Store::open(Path::new(&project))?;
        let (key, inputs) = key("corpus", 1, &[]);
        let Begin::Work(work) = store.begin("corpus", key)? else { return Ok(()) };
        for name in ["a.bin", "b.bin"] {
            fs::write(&work.dir.join(name), name.as_bytes())?;
        }
        work.commit(draft("c", 1, inputs)).map(drop)
    })();
    match report {
        Ok(()) => println!("fine"),
        Err(e) => println!("error: {e}\nhint: {}", e.hint().unwrap_or_default()),
    }
}

#[test]
fn every_write_may_fail_or_be_the_last_and_the_artifact_is_whole_or_not_there() {
    let attempt = |project: &Path, fault: &str| {
        let out = Command::new(std::env::current_exe().unwrap())
            .args(["commit_under_a_fault", "--exact", "--nocapture"])
            .env("LEDGER_TEST_FAULT", project)
            .env("REGIMEN_FAULT", fault)
            .output()
            .unwrap();
        (out.status.success(), String::from_utf8(out.stdout).unwrap())
    };
    for (what, words) in [("kill", ""), ("full", "no storage space"), ("readonly", "read-only")] {
        let mut faults = 0;
        for at in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let (alive, text) = attempt(dir.path(), &format!("{what}@write:{at}"));
            let fine = text.contains("fine");
            assert_eq!(alive, what != "kill" || fine, "{what} {at}: {text}");
            if alive && !fine {
                assert!(text.contains("error: cannot") && text.contains(words), "{what} {at}: {text}");
                assert!(text.lines().any(|l| l.starts_with("hint: ") && l.len() > 6), "{what} {at}: {text}");
            }
            if let Ok(store) = Store::open(dir.path()) {
                assert_eq!(store.verify(&mut |_, _| {}).unwrap(), [], "{what} {at}");
            }
            // The same again without the fault ends well.
            let (alive, text) = attempt(dir.path(), "");
            assert!(alive && text.contains("fine"), "{what} {at}: {text}");
            let made = Store::open(dir.path()).unwrap().artifacts().unwrap();
            assert_eq!(made.len(), 1);
            assert_eq!(made[0].manifest.files.len(), 2, "{what} {at}: {:?}", made[0].manifest.files);
            if fine {
                break;
            }
            faults += 1;
        }
        assert!(faults >= 15, "{what}: only {faults} boundaries");
    }
}
