//! Looking after a store: what is collected and what never is, artifacts that go from store to store, old layouts.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{make, run, work};
use regimen_base::{Hint, Key, fs};
use regimen_ledger::*;
use serde_json::json;

/// corpus -> tokens -> base, and a second base from the same tokens; names stand for the second.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    corpus: Artifact,
    tokens: Artifact,
    old: Artifact,
    new: Artifact,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let corpus = make(&store, "corpus", "corpus", 1, &[]);
    let tokens = make(&store, "tokens", "tokens", 1, &[("corpus", corpus.key())]);
    let old = make(&store, "base", "pretrain", 1, &[("tokens", tokens.key())]);
    let new = make(&store, "base", "pretrain", 2, &[("tokens", tokens.key())]);
    for (i, artifact) in [&corpus, &tokens, &old, &new].into_iter().enumerate() {
        run(&store, artifact, Status::Done, i as f64);
        store.name(&artifact.manifest.stage, &artifact.manifest.kind, artifact.key()).unwrap();
    }
    World { dir, store, corpus, tokens, old, new }
}

fn keys(sweep: &Sweep) -> Vec<Key> {
    sweep.pieces.iter().filter(|p| p.what == What::Artifact).filter_map(|p| p.key).collect()
}

fn collect(store: &Store, keep: &Keep) -> u64 {
    let sweep = store.sweep(keep).unwrap();
    let mut freed = 0;
    store.collect(keep, &sweep, &mut |piece| freed += piece.bytes).unwrap();
    assert_eq!(freed, sweep.bytes());
    assert!(store.sweep(keep).unwrap().pieces.is_empty(), "it does all at once");
    assert!(store.verify(&mut |_, _| {}).unwrap().is_empty());
    freed
}

/// Bytes of all files below a folder.
fn bytes(dir: &Path) -> u64 {
    fs::files_below(dir).unwrap().iter().map(|file| fs::size(&dir.join(file)).unwrap()).sum()
}

#[test]
fn what_nobody_needs_goes_and_frees_what_was_said() {
    let w = world();
    let sweep = w.store.sweep(&Keep::default()).unwrap();
    assert_eq!((keys(&sweep), sweep.kept), (vec![w.old.key()], 3));
    assert_eq!(sweep.bytes(), bytes(&w.old.path));
    let before = bytes(&w.store.dir().join("artifacts"));
    let freed = collect(&w.store, &Keep::default());
    assert_eq!(before - bytes(&w.store.dir().join("artifacts")), freed);
    assert!(!w.old.path.exists() && w.new.path.exists() && w.tokens.path.exists() && w.corpus.path.exists());
    assert!(fs::list(&w.store.dir().join("bin")).unwrap().is_empty());
    // The record of its run stays.
    assert!(w.store.find_run(&run_id("base", w.old.key())).unwrap().is_some());
}

#[test]
fn scratch_of_a_task_stays_while_it_is_under_way() {
    let w = world();
    let notes = w.store.dir().join("tasks/0123-1/.regimen-notes");
    std::fs::create_dir_all(&notes).unwrap();
    let lock = std::fs::File::create(notes.join("lock")).unwrap();
    let scratch = || {
        let sweep = w.store.sweep(&Keep::default()).unwrap();
        sweep.pieces.iter().filter(|piece| piece.what == What::Scratch).count()
    };
    lock.lock().unwrap();
    assert_eq!(scratch(), 0);
    lock.unlock().unwrap();
    assert_eq!(scratch(), 1);
}

#[test]
fn tags_notes_newest_and_young_ones_are_kept() {
    let w = world();
    let old = run_id("base", w.old.key());
    let gone = |keep: &Keep| keys(&w.store.sweep(keep).unwrap());
    w.store.label(&old, |labels| labels.note = "look at this again".into()).unwrap();
    assert!(gone(&Keep::default()).is_empty());
    w.store.label(&old, |labels| labels.note.clear()).unwrap();
    assert_eq!(gone(&Keep::default()), [w.old.key()]);
    w.store.label(&old, |labels| _ = labels.tags.insert("good".into())).unwrap();
    assert!(gone(&Keep::default()).is_empty());
    w.store.label(&old, |labels| _ = labels.tags.remove("good")).unwrap();
    assert_eq!(gone(&Keep { last: 1, ..Keep::default() }), [w.old.key()]);
    assert!(gone(&Keep { last: 2, ..Keep::default() }).is_empty());
    assert!(gone(&Keep { since: Some(0.0), ..Keep::default() }).is_empty());
    assert_eq!(gone(&Keep { since: Some(4e9), ..Keep::default() }), [w.old.key()]);
}

#[test]
fn ancestors_of_what_is_kept_are_kept_whoever_names_them() {
    let w = world();
    // Their own names now stand for others, and their runs are gone.
    let other = make(&w.store, "corpus", "corpus", 9, &[]);
    w.store.name("corpus", "corpus", other.key()).unwrap();
    for artifact in [&w.corpus, &w.tokens] {
        let info = w.store.find_run(&run_id(&artifact.manifest.stage, artifact.key())).unwrap().unwrap();
        w.store.bin_run(&info).unwrap();
    }
    let sweep = w.store.sweep(&Keep::default()).unwrap();
    assert_eq!(keys(&sweep), [w.old.key()]);
    // The two runs in the bin go as well.
    assert_eq!(sweep.pieces.iter().filter(|p| p.what == What::Bin).count(), 2);
    collect(&w.store, &Keep::default());
    assert!(w.corpus.path.exists());
    // What was made from others goes before those.
    w.store.name("base", "pretrain", other.key()).unwrap();
    w.store.name("tokens", "tokens", other.key()).unwrap();
    assert_eq!(
        keys(&w.store.sweep(&Keep::default()).unwrap()),
        [w.new.key(), w.tokens.key(), w.corpus.key()]
    );
}

#[test]
fn companions_live_as_long_as_what_they_belong_to() {
    let w = world();
    let index = make(&w.store, "index", "verbatim", 1, &[("corpus", w.corpus.key())]);
    let stray = make(&w.store, "index", "verbatim", 1, &[("corpus", w.old.key())]);
    let keep = Keep { companions: &["verbatim"], ..Keep::default() };
    assert_eq!(keys(&w.store.sweep(&keep).unwrap()), [stray.key(), w.old.key()]);
    assert!(keys(&w.store.sweep(&Keep::default()).unwrap()).contains(&index.key()));
}

#[test]
fn work_that_goes_on_is_kept_with_its_inputs() {
    let w = world();
    let extra = make(&w.store, "extra", "corpus", 5, &[]);
    let (key, inputs) = common::key("pretrain", 7, &[("tokens", extra.key())]);
    let begun = work(&w.store, "pretrain", key);
    fs::write(&begun.dir.join(".resume.json"), b"{}").unwrap();
    // Somebody is at it.
    let error = w
        .store
        .collect(&Keep::default(), &w.store.sweep(&Keep::default()).unwrap(), &mut |_| {})
        .unwrap_err();
    assert!(matches!(error, Error::InUse { .. }) && error.hint().is_some(), "{error}");
    assert!(w.store.sweep(&Keep::default()).unwrap().pieces.iter().all(|p| p.what != What::Work));
    drop(begun);
    // Nobody is, and nobody would go on.
    let stray = w.store.sweep(&Keep::default()).unwrap();
    assert!(
        stray.pieces.iter().any(|p| p.what == What::Work && p.key == Some(key))
            && keys(&stray).contains(&extra.key())
    );
    // A name stands for it.
    let template = w.store.find_run(&run_id("base", w.old.key())).unwrap().unwrap();
    let info = RunInfo { id: run_id("base", key), key, inputs, status: Status::Running, ..template };
    w.store.write_run(&info).unwrap();
    w.store.name("base", "pretrain", key).unwrap();
    let sweep = w.store.sweep(&Keep::default()).unwrap();
    assert!(sweep.pieces.iter().all(|p| p.key != Some(key) || p.path.extension().is_some()), "{sweep:?}");
    assert!(!keys(&sweep).contains(&extra.key()) && keys(&sweep).contains(&w.new.key()));
    collect(&w.store, &Keep::default());
    assert!(w.store.work_dir(key).join(".resume.json").is_file());
}

#[test]
fn objects_stay_while_a_kept_artifact_was_made_from_them() {
    let w = world();
    let objects = w.store.dir().join("objects");
    fs::create_dir_all(&objects).unwrap();
    fs::write(&objects.join("a-needed"), b"needed").unwrap();
    fs::write(&objects.join("b-stray"), b"stray").unwrap();
    let needed = regimen_base::Hash256::of(b"needed").to_string();
    // In place of objects that are not here there may be their hashes.
    let stray = regimen_base::Hash256::of(b"stray").to_string();
    let known = |letter: &str| format!("{}.blake3", letter.repeat(32));
    fs::write(&objects.join(known("c")), needed.as_bytes()).unwrap();
    fs::write(&objects.join(known("d")), stray.as_bytes()).unwrap();
    let config = json!({"sources": [{"path": [{"path": "s3://b/k", "blake3": needed}]}]});
    let key = key_of("corpus", 1, &config, 3, &BTreeMap::new());
    let job = work(&w.store, "corpus", key);
    fs::write(&job.dir.join("d"), b"d").unwrap();
    job.commit(Draft { stage_version: 1, stage: "remote".into(), config, seed: 3, ..Draft::default() })
        .unwrap();
    w.store.name("remote", "corpus", key).unwrap();
    let pieces = w.store.sweep(&Keep::default()).unwrap().pieces;
    let names: Vec<&str> =
        pieces.iter().filter(|p| p.what == What::Object).map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["b-stray", &known("d")]);
    // An unfinished run that is kept may need any of them.
    let template = w.store.find_run(&run_id("base", w.old.key())).unwrap().unwrap();
    let (unfinished, _) = common::key("corpus", 8, &[]);
    let info = RunInfo {
        id: run_id("remote", unfinished),
        stage: "remote".into(),
        key: unfinished,
        config: json!({"sources": [{"path": "s3://b/other"}]}),
        ..template
    };
    w.store.write_run(&info).unwrap();
    w.store.name("remote", "corpus", unfinished).unwrap();
    assert!(w.store.sweep(&Keep::default()).unwrap().pieces.iter().all(|p| p.what != What::Object));
}

#[test]
fn nothing_is_collected_that_was_not_shown_or_that_is_not_understood() {
    let w = world();
    let shown = w.store.sweep(&Keep::default()).unwrap();
    make(&w.store, "more", "corpus", 77, &[]);
    let moved = w.store.collect(&Keep::default(), &shown, &mut |_| {});
    assert!(matches!(moved, Err(Error::Moved)));
    assert!(w.old.path.exists());
    // Labels that cannot be read may have held a tag.
    let labels = w.store.run_dir(&run_id("base", w.old.key())).join("labels.json");
    fs::write(&labels, b"{").unwrap();
    assert!(matches!(w.store.sweep(&Keep::default()), Err(Error::Run { .. })));
    assert_eq!(w.store.verify(&mut |_, _| {}).unwrap().len(), 1);
    fs::remove_file(&labels).unwrap();
    // A damaged artifact is left alone, and so is what its run says it takes.
    fs::write(&w.new.path.join("manifest.json"), b"{").unwrap();
    let sweep = w.store.sweep(&Keep::default()).unwrap();
    assert!(sweep.damaged == 1 && !keys(&sweep).contains(&w.new.key()));
}

#[test]
fn who_has_the_store_open_for_work_keeps_it_from_being_collected() {
    let w = world();
    let shown = w.store.sweep(&Keep::default()).unwrap();
    let other = Store::open(w.dir.path()).unwrap();
    assert!(matches!(w.store.collect(&Keep::default(), &shown, &mut |_| {}), Err(Error::InUse { .. })));
    assert!(w.old.path.exists());
    drop(other);
    // Who only looks does not.
    let looker = Store::open_existing(w.dir.path()).unwrap();
    w.store.collect(&Keep::default(), &shown, &mut |_| {}).unwrap();
    assert!(looker.artifact("pretrain", w.old.key()).unwrap().is_none());
}

fn go(_: u64, _: u64) -> bool {
    true
}

#[test]
fn an_artifact_goes_to_another_store_with_all_that_it_was_made_from() {
    let w = world();
    let file = w.dir.path().join("base.tar.zst");
    let listing = w.store.export(&w.new, &file, true, &mut go).unwrap();
    let order: Vec<Key> = listing.artifacts.iter().map(|m| m.key).collect();
    assert_eq!(order, [w.corpus.key(), w.tokens.key(), w.new.key()]);
    let again = w.dir.path().join("again.tar.zst");
    w.store.export(&w.new, &again, true, &mut go).unwrap();
    assert_eq!(fs::read(&file).unwrap(), fs::read(&again).unwrap(), "one content, one file");
    let there = w.store.export(&w.new, &file, true, &mut go);
    assert!(matches!(there, Err(Error::Exists { .. })));

    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let unpacked = store.import(&file, &mut go).unwrap();
    assert_eq!(unpacked.new.len(), 3);
    let got = store.artifact("pretrain", w.new.key()).unwrap().unwrap();
    assert_eq!(got.manifest, w.new.manifest);
    assert!(store.verify(&mut |_, _| {}).unwrap().is_empty());
    assert!(!store.dir().join("import").exists() && fs::list(&store.dir().join("work")).unwrap().is_empty());
    // It is listed, and kept.
    let run = store.run("base").unwrap();
    assert_eq!((run.status, run.key), (Status::Cached, w.new.key()));
    assert!(store.sweep(&Keep::default()).unwrap().pieces.is_empty());
    // Out of the new store comes the same file.
    let third = dir.path().join("third.tar.zst");
    store.export(&got, &third, true, &mut go).unwrap();
    assert_eq!(fs::read(&third).unwrap(), fs::read(&file).unwrap());
    // A second time there is nothing to do.
    assert!(store.import(&file, &mut go).unwrap().new.is_empty());
    // A store that has a part takes the rest.
    fs::remove_dir_all(&got.path).unwrap();
    assert_eq!(store.import(&file, &mut go).unwrap().new, [w.new.key()].into());
}

#[test]
fn manifests_alone_can_be_looked_at_and_not_imported() {
    let w = world();
    let file = w.dir.path().join("lineage.tar.zst");
    w.store.export(&w.new, &file, false, &mut go).unwrap();
    let listing = Store::list_file(&file, &mut go).unwrap();
    assert!(!listing.data && listing.artifacts.len() == 3 && listing.artifacts[2] == w.new.manifest);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(matches!(store.import(&file, &mut go), Err(Error::NoData { .. })));
    assert!(store.artifacts().unwrap().is_empty());
}

#[test]
fn a_store_that_is_damaged_exports_nothing() {
    let w = world();
    let file = w.dir.path().join("x.tar.zst");
    let data = w.tokens.path.join("data.bin");
    let whole = fs::read(&data).unwrap();
    let mut bent = whole.clone();
    bent[0] ^= 1;
    fs::write(&data, &bent).unwrap();
    let error = w.store.export(&w.new, &file, true, &mut go).unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }) && error.to_string().contains("data.bin"), "{error}");
    fs::write(&data, &whole).unwrap();
    fs::remove_dir_all(&w.corpus.path).unwrap();
    let error = w.store.export(&w.new, &file, true, &mut go).unwrap_err().to_string();
    assert!(error.contains(&w.corpus.key().short()) && error.contains("not in the store"), "{error}");
    // Asked to stop, it leaves nothing.
    let stopped = w.store.export(&w.tokens, &file, true, &mut |_, _| false);
    assert!(stopped.is_err());
    let left: Vec<_> = fs::list(w.dir.path()).unwrap();
    assert_eq!(left, [w.dir.path().join(".regimen")]);
}

/// Refused, and nothing of it is in the store.
#[track_caller]
fn refused(store: &Store, file: &Path, bytes: &[u8]) -> String {
    fs::write(file, bytes).unwrap();
    let error = store.import(file, &mut go).expect_err("it was taken");
    assert!(matches!(error, Error::Archive { .. }), "{error:?}");
    assert!(fs::list(&store.dir().join("artifacts")).unwrap().is_empty());
    assert!(!store.dir().join("import").exists() && !store.dir().join("import.lock").exists());
    error.to_string()
}

#[test]
fn files_that_are_cut_or_changed_anywhere_are_refused() {
    let w = world();
    let file = w.dir.path().join("base.tar.zst");
    w.store.export(&w.new, &file, true, &mut go).unwrap();
    let whole = fs::read(&file).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let bad = dir.path().join("bad");
    let unpacked = zstd::decode_all(&whole[..]).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        for bytes in [&whole[..at], &changed] {
            fs::write(&bad, bytes).unwrap();
            match Store::list_file(&bad, &mut go) {
                Err(Error::Archive { .. }) => {}
                // The frame's header has bits that say nothing.
                Ok(_) => assert_eq!(zstd::decode_all(bytes).unwrap(), unpacked, "byte {at}"),
                Err(other) => panic!("byte {at}: {other:?}"),
            }
        }
    }
    for at in (0..whole.len()).step_by(97) {
        refused(&store, &bad, &whole[..at]);
    }
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 0x40;
    refused(&store, &bad, &changed);
    let mut longer = whole.clone();
    longer.extend_from_slice(b"more");
    refused(&store, &bad, &longer);
    let twice = [&whole[..], &whole].concat();
    assert!(refused(&store, &bad, &twice).contains("goes on behind its end"));
    assert!(refused(&store, &bad, b"").contains("cut off"));
    fs::write(&bad, &whole).unwrap();
    store.import(&bad, &mut go).unwrap();
}

/// The entries of a tar file, as (path, content).
fn entries(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let mut at = 0;
    while tar[at] != 0 {
        let text = |from: usize, to: usize| {
            String::from_utf8(tar[at + from..at + to].to_vec()).unwrap().trim_end_matches('\0').to_string()
        };
        let size = usize::from_str_radix(&text(124, 135), 8).unwrap();
        let (prefix, name) = (text(345, 500), text(0, 100));
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        out.push((path, tar[at + 512..at + 512 + size].to_vec()));
        at += 512 + size.div_ceil(512) * 512;
    }
    out
}

/// A tar file of a forger, packed.
fn forged(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, content) in entries {
        let mut block = [0u8; 512];
        let (prefix, name) =
            if path.len() > 100 { path.rsplit_once('/').unwrap() } else { ("", path.as_str()) };
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
        block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&block);
        tar.extend_from_slice(content);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    zstd::encode_all(&tar[..], 1).unwrap()
}

#[test]
fn forged_files_are_refused_with_the_reason() {
    let w = world();
    let file = w.dir.path().join("base.tar.zst");
    w.store.export(&w.corpus, &file, true, &mut go).unwrap();
    let honest = entries(&zstd::decode_all(&fs::read(&file).unwrap()[..]).unwrap());
    assert_eq!(honest.len(), 4, "list, manifest, two files");
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let bad = dir.path().join("bad");
    let hash = |bytes: &[u8]| regimen_base::Hash256::of(bytes).to_string();
    // Change the list, the manifest (with a right hash in the list), or anything.
    let check =
        |change: &dyn Fn(&mut serde_json::Value, &mut serde_json::Value, &mut Vec<(String, Vec<u8>)>)| {
            let mut all = honest.clone();
            let mut list: serde_json::Value = serde_json::from_slice(&all[0].1).unwrap();
            let mut manifest: serde_json::Value = serde_json::from_slice(&all[1].1).unwrap();
            let before = manifest.clone();
            change(&mut list, &mut manifest, &mut all);
            if manifest != before {
                all[1].1 = serde_json::to_vec(&manifest).unwrap();
                list["artifacts"][0]["manifest"] = hash(&all[1].1).into();
            }
            all[0].1 = serde_json::to_vec(&list).unwrap();
            refused(&store, &bad, &forged(&all))
        };
    let says = |text: String, words: &str| assert!(text.contains(words), "{text}");
    says(check(&|_, _, all| all[2].0 = "corpus/../../../evil".into()), "stands where");
    for path in ["../evil", "/tmp/evil", "a/../../evil", "sub/.hidden", "manifest.json", ""] {
        says(
            check(&|_, manifest, all| {
                manifest["files"][0]["path"] = path.into();
                // The payload is right for it, so that the path alone is wrong.
                let file = &manifest["files"];
                let mut lines: Vec<String> = (0..2)
                    .map(|i| {
                        format!(
                            "{}\0{}\n",
                            file[i]["path"].as_str().unwrap(),
                            file[i]["payload"].as_str().unwrap()
                        )
                    })
                    .collect();
                lines.sort();
                manifest["payload"] = hash(lines.concat().as_bytes()).into();
                all[2].0 = format!("corpus/x/{path}");
            }),
            "not a path inside an artifact",
        );
    }
    says(check(&|_, manifest, _| manifest["stage"] = "../x".into()), "not the name of a stage");
    says(check(&|_, manifest, _| manifest["seed"] = 2.into()), "give another key");
    says(check(&|_, manifest, _| manifest["payload"] = hash(b"").into()), "another payload");
    says(check(&|list, _, _| list["artifacts"][0]["kind"] = "../../x".into()), "not the name of a kind");
    says(check(&|list, _, _| list["format"] = 2.into()), "format 2");
    says(check(&|list, _, _| list["root"] = hash(b"x").into()), "last artifact");
    says(
        check(&|list, _, _| {
            let one = list["artifacts"][0].clone();
            list["artifacts"].as_array_mut().unwrap().push(one);
        }),
        "listed twice",
    );
    says(check(&|_, _, all| all[2].1[0] ^= 1), "another hash");
    says(check(&|_, _, all| all[2].1.push(0)), "bytes instead of");
    says(check(&|_, _, all| all.push(("evil".into(), b"x".to_vec()))), "more than it lists");
    says(check(&|_, _, all| drop(all.pop())), "it ends before");
    says(
        check(&|_, _, all| {
            let one = all[2].clone();
            all.insert(2, one);
        }),
        "stands where",
    );
    says(check(&|_, _, all| all[0].0 = "other.json".into()), "stands where `artifacts.json` should");
    // A huge length before little data takes no memory.
    let mut list = zstd::decode_all(&fs::read(&file).unwrap()[..]).unwrap();
    list[124..136].copy_from_slice(b"00777777777\0");
    list[148..156].fill(b' ');
    let sum: u32 = list[..512].iter().map(|&b| u32::from(b)).sum();
    list[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let huge = refused(&store, &bad, &zstd::encode_all(&list[..], 1).unwrap());
    assert!(huge.contains("cut off") || huge.contains("something between"), "{huge}");
}

/// A store of layout 1 from before there were names.
fn first_layout(project: &Path) {
    let store = Store::open(project).unwrap();
    let corpus = make(&store, "corpus", "corpus", 1, &[]);
    let old = make(&store, "base", "pretrain", 1, &[("corpus", corpus.key())]);
    let new = make(&store, "base", "pretrain", 2, &[("corpus", corpus.key())]);
    for (artifact, started) in [(&corpus, 1.0), (&old, 2.0), (&new, 3.0)] {
        run(&store, artifact, Status::Done, started);
    }
    store.runs().unwrap();
    drop(store);
    let dir = project.join(".regimen");
    for name in ["names", "lock"] {
        let _ = std::fs::remove_dir_all(dir.join(name));
        let _ = std::fs::remove_file(dir.join(name));
    }
    // Its index had no table of details.
    let index = rusqlite::Connection::open(dir.join("index.sqlite")).unwrap();
    index.execute_batch("DROP TABLE details; PRAGMA user_version = 1;").unwrap();
    fs::write(&dir.join("version"), b"1\n").unwrap();
}

#[test]
fn a_store_of_the_first_layout_is_brought_to_this_one() {
    let dir = tempfile::tempdir().unwrap();
    first_layout(dir.path());
    let names: Vec<String> = fs::list(&dir.path().join(".regimen"))
        .unwrap()
        .iter()
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, [".gitignore", "artifacts", "index.sqlite", "runs", "version", "work"]);
    let store = Store::open_existing(dir.path()).unwrap();
    assert_eq!(fs::read_text(&dir.path().join(".regimen/version")).unwrap(), "2\n");
    let base = store.resolve("base").unwrap();
    assert_eq!(base.manifest.seed, 2, "the newest");
    assert_eq!(store.last_use("base"), Some(("pretrain".into(), base.key())));
    assert_eq!((store.artifacts().unwrap().len(), store.detailed_runs().unwrap().len()), (3, 3));
    assert!(store.verify(&mut |_, _| {}).unwrap().is_empty());
    // A name that is there already is left alone.
    let corpus = store.resolve("corpus").unwrap();
    store.name("base", "corpus", corpus.key()).unwrap();
    fs::write(&dir.path().join(".regimen/version"), b"1\n").unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.last_use("base"), Some(("corpus".into(), corpus.key())));
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::list(from).unwrap() {
        let into = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &into);
        } else {
            fs::create_dir_all(to).unwrap();
            std::fs::copy(&entry, &into).unwrap();
        }
    }
}

#[test]
fn a_store_that_the_program_of_layout_1_wrote_is_brought_to_this_one() {
    for named in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout-1"), &dir.path().join(".regimen"));
        if !named {
            std::fs::remove_dir_all(dir.path().join(".regimen/names")).unwrap();
        }
        assert_eq!(fs::read_text(&dir.path().join(".regimen/version")).unwrap(), "1\n");
        let store = Store::open_existing(dir.path()).unwrap();
        assert_eq!(fs::read_text(&dir.path().join(".regimen/version")).unwrap(), "2\n");
        assert_eq!((store.artifacts().unwrap().len(), store.detailed_runs().unwrap().len()), (6, 6));
        assert!(store.verify(&mut |_, _| {}).unwrap().is_empty());
        // The names, its own or made from the runs, lead to what was made last, of the second corpus.
        let (corpus, tokens) = (store.resolve("corpus").unwrap(), store.resolve("tokens").unwrap());
        assert_eq!(
            (&corpus.key().to_string()[..8], &tokens.key().to_string()[..8]),
            ("445ee33d", "c103dd9d")
        );
        assert_eq!(tokens.manifest.inputs["corpus"], corpus.key());
        // The first ones are there as well.
        assert_eq!(store.resolve("e75d4cf0").unwrap().manifest.kind, "tokens");
        drop(store);
        assert_eq!(Store::open(dir.path()).unwrap().resolve("corpus").unwrap().key(), corpus.key());
    }
}

#[test]
fn newer_and_senseless_layouts_are_refused_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    first_layout(dir.path());
    let version = dir.path().join(".regimen/version");
    for (found, way) in
        [("3", "newer program"), ("99", "newer program"), ("0", "version"), ("", "version"), ("x", "version")]
    {
        fs::write(&version, found.as_bytes()).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(&error, Error::Layout { known: 2, .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(way), "{found}: {:?}", error.hint());
        assert_eq!(fs::read_text(&version).unwrap(), found);
    }
    assert!(!dir.path().join(".regimen/names").exists());
}

#[test]
fn a_store_in_use_is_not_brought_to_another_layout() {
    let dir = tempfile::tempdir().unwrap();
    first_layout(dir.path());
    let version = dir.path().join(".regimen/version");
    fs::write(&version, b"2\n").unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::write(&version, b"1\n").unwrap();
    assert!(matches!(Store::open(dir.path()), Err(Error::InUse { .. })));
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn labels_of_many_at_once_are_all_kept() {
    let w = world();
    let id = run_id("base", w.new.key());
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (dir, id) = (w.dir.path(), &id);
            scope.spawn(move || {
                let store = Store::open(dir).unwrap();
                store.label(id, |labels| _ = labels.tags.insert(format!("t{i}"))).unwrap();
            });
        }
    });
    assert_eq!(w.store.labels(&id).unwrap().tags.len(), 8);
    assert!(!w.store.run_dir(&id).join("labels.lock").exists());
    // A run that is gone gets no folder.
    let gone = w.store.label("base-00000000", |labels| labels.note = "x".into());
    assert!(matches!(gone, Err(Error::Unknown { .. })));
    assert!(!w.store.run_dir("base-00000000").exists());
}
