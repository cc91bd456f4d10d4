//! Single steps on Dolma's folders: `corpus mix`, `sample`, `decontaminate`, what they print and how they go on.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::common::Project;

/// Documents of two sources in six files, tagged and deduplicated.
pub fn tagged() -> Project {
    let project = Project::empty();
    for file in 0..3 {
        let row = |source: &str, i: usize| {
            let own = format!("Line {i} of {source} {file}, é.");
            let more = "one two three four five six ".repeat(i % 5);
            let text =
                if i.is_multiple_of(7) { format!("footer {i}") } else { format!("{own}\nfooter\n{more}\n") };
            format!("{}\n", json!({"id": format!("{source}{file}-{i}"), "text": text, "source": source}))
        };
        for source in ["wiki", "web"] {
            let rows: String = (0..60).map(|i| row(source, i)).collect();
            project.write(&format!("{source}/documents/{file}.jsonl"), rows);
        }
    }
    for source in ["wiki/documents", "web/documents"] {
        project.run(&["corpus", "tag", source, "--taggers", "length", "--experiment", "rules"]).fine();
        project.run(&["corpus", "dedup", source, "--by", "paragraph", "--name", "dup"]).fine();
    }
    project.write(
        "mix.toml",
        r#"
to = "mixed"
temperature = 2.0
shard = "1KB"

[[sources]]
name = "wiki"
documents = ["wiki/documents/*.jsonl"]
attributes = ["rules", "dup"]
drop = ["length.words < 5"]
edit = [{ spans = "dup" }]

[[sources]]
name = "web"
documents = ["web/documents"]
attributes = ["rules"]
exclude = ["length.words < 10"]
weight = 0.5
"#,
    );
    project
}

#[test]
fn a_mix_keeps_what_makes_a_row_a_document() {
    let project = tagged();
    for field in ["text", "id"] {
        let args = ["corpus", "mix", "wiki", "--discard", field, "--to", "out"];
        project.run(&args).refused(&["`discard`", &format!("`{field}`")]);
    }
    assert!(!project.root().join("out").exists());
}

#[test]
fn a_folder_stands_for_its_documents_alone() {
    let project = tagged();
    project.write("wiki/bloom.bin", "no documents");
    let of =
        |source, name| project.run(&["corpus", "dedup", source, "--by", "document", "--name", name]).fine();
    for (source, name) in [("wiki/documents", "a"), ("wiki", "b")] {
        let done = of(source, name);
        assert!(done.stderr.contains("in 180 documents"), "{}", done.stderr);
    }
    let read = |name: &str| {
        std::fs::read_to_string(project.path(&format!("wiki/attributes/{name}/0.jsonl"))).unwrap()
    };
    assert_eq!(read("a").replace("{\"a\":", "{\"b\":"), read("b"));
}

#[test]
fn a_folder_of_a_recipe_stands_for_its_documents_as_well() {
    let project = tagged();
    let recipe = |path: &str, format: &str| {
        let source = format!("{{ name = \"wiki\", path = \"{path}\", format = \"{format}\" }}");
        project
            .write("wiki.toml", format!("name = \"w\"\n[corpus]\nkind = \"corpus\"\nsources = [{source}]\n"));
    };
    let plan = || project.run(&["plan", "wiki.toml", "--json"]).fine().json()["stages"][0].clone();
    recipe("wiki/documents", "dolma");
    let below = plan();
    recipe("wiki", "jsonl");
    let all = plan();
    recipe("wiki", "dolma");
    let folder = plan();
    assert_eq!(folder, below);
    let bytes = |plan: &serde_json::Value| plan["forecast"]["facts"]["text_bytes"].as_f64().unwrap();
    assert!(bytes(&folder) < bytes(&all), "attributes are no documents");
    assert_ne!(folder["key"], all["key"]);
    project.run(&["corpus", "build", "wiki.toml", "--set", "corpus.filter.quality=none"]).fine();
    let shown = project.run(&["show", "corpus", "--json"]).fine().json();
    assert_eq!(shown["summary"]["documents"]["read"], 180, "{shown}");
    // As one of several tasks, too.
    let tasks = ["corpus", "build", "wiki.toml", "--set", "corpus.filter.quality=none", "--store", "between"];
    let again = Project::empty();
    std::fs::create_dir_all(again.path("wiki/attributes/x")).unwrap();
    std::fs::create_dir_all(again.path("wiki/documents")).unwrap();
    for file in 0..3 {
        let name = format!("wiki/documents/{file}.jsonl");
        again.write(&name, std::fs::read(project.path(&name)).unwrap());
    }
    again.write("wiki/attributes/x/0.jsonl", "no documents");
    again.write("wiki.toml", std::fs::read(project.path("wiki.toml")).unwrap());
    again.run(&[&tasks[..], &["--task", "0/1"]].concat()).fine();
    again.run(&tasks).fine();
    let tasked = again.run(&["show", "corpus", "--json"]).fine().json();
    assert_eq!(tasked["payload"], shown["payload"]);
}

#[test]
fn a_dedup_that_was_killed_or_had_no_room_goes_on_to_the_same_bytes() {
    let project = tagged();
    let packed = |name: &str| {
        project.write(&format!("web/documents/{name}"), zstd::encode_all(&b""[..], 1).unwrap());
    };
    packed("9.jsonl.zst");
    for by in [
        &["--by", "paragraph"][..],
        &["--by", "paragraph", "--bloom", "1000", "--rate", "1e-6"],
        &["--by", "paragraph", "--bloom", "1000", "--bloom-to", "out/seen.bloom"],
        &["--by", "near"],
        &["--by", "near", "--verify", "0.8"],
        &["--by", "document"],
        &["--by", "substring", "--stretch", "20"],
    ] {
        let dedup = [&["corpus", "dedup", "web", "--name", "again", "--to", "out"][..], by].concat();
        let text =
            |stderr: &str| stderr.lines().find_map(|line| Some(line.split_once(" of text")?.0.to_string()));
        let whole = text(&project.run(&dedup).fine().stderr);
        let expected = tree(&project.path("out"));
        assert!(whole.is_some());
        assert_eq!(
            expected.keys().filter(|name| name.ends_with(".jsonl") || name.ends_with(".zst")).count(),
            4
        );
        for at in 1..16 {
            std::fs::remove_dir_all(project.path("out")).unwrap();
            let faults = [("REGIMEN_FAULT", &*format!("kill@write:{at}")), ("REGIMEN_THREADS", "2")];
            project.run_with(&dedup, &faults).killed();
            let done = project.run(&dedup).fine();
            assert_eq!(text(&done.stderr), whole, "killed at write {at}");
            assert!(tree(&project.path("out")) == expected, "killed at write {at}");
        }
        for fault in ["full@write:3", "full@write:12", "readonly@write:15"] {
            std::fs::remove_dir_all(project.path("out")).unwrap();
            project.run_with(&dedup, &[("REGIMEN_FAULT", fault)]).refused(&[]);
            project.run(&dedup).fine();
            assert!(tree(&project.path("out")) == expected, "{fault}");
        }
        std::fs::remove_dir_all(project.path("out")).unwrap();
    }
}

#[test]
fn marks_that_say_whose_copy_a_document_is_are_read_by_every_step() {
    let project = tagged();
    let dedup = |more: &[&str]| project.run(&[&["corpus", "dedup", "web"][..], more].concat()).fine();
    dedup(&["--by", "document", "--name", "copy"]);
    dedup(&["--by", "near", "--name", "last", "--keep", "last"]);
    let row = |name: &str, file: u32, line: usize| -> serde_json::Value {
        let text = project.read(&format!("web/attributes/{name}/{file}.jsonl"));
        serde_json::from_str(text.lines().nth(line).unwrap()).unwrap()
    };
    // Every seventh text is the same in all three files.
    let copy = row("copy", 2, 14);
    assert_eq!(copy["attributes"]["copy"], json!([[0, 9, 1.0]]));
    let stays = json!({"id": "web0-14", "source": "web", "file": "web/documents/0.jsonl", "cluster_size": 3});
    assert_eq!(copy["copy_of"], stays);
    assert!(row("copy", 0, 14)["copy_of"].is_null() && row("copy", 2, 13)["copy_of"].is_null());
    assert_eq!(row("last", 0, 14)["copy_of"]["file"], "web/documents/2.jsonl");
    let mixed = project
        .run(&["corpus", "mix", "web", "--attributes", "copy", "--edit", "copy", "--to", "out"])
        .fine();
    assert!(mixed.stdout.contains("18 dropped, 162 documents left"), "{}", mixed.stdout);
    project.write(
        "web.toml",
        "name = \"w\"\n[corpus]\nkind = \"corpus\"\nfilter = { quality = \"none\" }\ndedup = \"none\"\n\
         sources = [{ name = \"web\", path = \"web/documents\", format = \"dolma\", attributes = \"web/attributes/copy\" }]\n\
         drop = [\"attributes.copy > 0.5\"]\n",
    );
    project.run(&["corpus", "build", "web.toml"]).fine();
    let shown = project.run(&["show", "corpus", "--json"]).fine().json();
    assert_eq!(shown["summary"]["documents"]["kept"], 162, "{shown}");
}

#[test]
fn a_saved_filter_finds_the_same_however_often_it_is_read() {
    let project = tagged();
    let dedup = |of: &str, more: &[&str]| {
        project.run(&[&["corpus", "dedup", of, "--by", "paragraph", "--name", "seen"], more].concat()).fine()
    };
    dedup("wiki", &["--bloom", "5000", "--bloom-to", "wiki.bloom"]);
    let marks = |name: &str| tree(&project.path(&format!("{name}/attributes/seen")));
    let told = dedup("wiki", &["--bloom-from", "wiki.bloom", "--read-only"]).stderr;
    assert!(told.contains("(100.0 %)") && told.contains("are in the filter"), "{told}");
    let next = ["--bloom-from", "wiki.bloom", "--bloom-to", "both.bloom"];
    dedup("web", &next);
    let (expected, both) = (marks("web"), std::fs::read(project.path("both.bloom")).unwrap());
    dedup("web", &next);
    assert!(marks("web") == expected && std::fs::read(project.path("both.bloom")).unwrap() == both);
    let over =
        ["--bloom-from", "both.bloom", "--bloom-to", "./both.bloom", "--by", "paragraph", "--name", "x"];
    project.run(&[&["corpus", "dedup", "web"][..], &over].concat()).refused(&["both.bloom", "another file"]);
    assert_eq!(std::fs::read(project.path("both.bloom")).unwrap(), both);
}

#[test]
fn documents_and_paragraphs_are_compared_as_dolma_can() {
    let project = tagged();
    let marked = |more: &[&str]| {
        let dedup = ["corpus", "dedup", "web", "--name", "x", "--json"];
        project.run(&[&dedup[..], more].concat()).fine().json()["marked"].as_u64().unwrap()
    };
    assert_eq!(marked(&["--by", "document", "--key", "$.source"]), 179);
    assert_eq!(marked(&["--by", "document", "--key", "id"]), 0);
    assert_eq!(marked(&["--by", "document"]), 18);
    assert_eq!(marked(&["--by", "document", "--min-words", "3"]), 0, "the copies have two words");
    assert_eq!(marked(&["--by", "document", "--min-bytes", "9"]), 14, "two of nine have 8 bytes");
    // Between line feeds, all of the texts that are one line, and whole texts.
    let lines = marked(&["--by", "paragraph"]);
    assert!(lines > 180, "{lines}");
    assert_eq!(marked(&["--by", "paragraph", "--separator", "\\n"]), lines);
    assert_eq!(marked(&["--by", "paragraph", "--separator", "\\n\\n"]), 18);
    let own = ["--by", "near", "--bands", "1", "--rows", "600", "--ngram", "2", "--seed", "9"];
    assert!((18..180).contains(&marked(&own)));
}

#[test]
fn a_recipe_has_parameters_of_minhash_of_its_own() {
    let project = tagged();
    let plan = |near: &str| {
        let source = "{ name = \"web\", path = \"web/documents\", format = \"dolma\" }";
        project.write(
            "near.toml",
            format!("name = \"w\"\n[corpus]\nkind = \"corpus\"\nsources = [{source}]\nnear = {near}\n"),
        );
        project.run(&["plan", "near.toml", "--json"])
    };
    let key = |near: &str| plan(near).fine().json()["stages"][0]["key"].clone();
    let preset = key("{ preset = \"fineweb\" }");
    for own in ["bands = 20", "rows = 5", "ngram = 7", "seed = 2", "verify = 0.8"] {
        assert_ne!(key(&format!("{{ preset = \"fineweb\", {own} }}")), preset, "{own}");
    }
    plan("{ preset = \"fineweb\", bands = 50, rows = 1 }").refused(&[
        "near",
        "50 bands of 1 rows",
        "take more rows",
    ]);
    plan("{ bands = 50 }").refused(&["near", "name a preset"]);
    plan("{ preset = \"nemo\", ngram = 2000 }").refused(&["ngram", "1024"]);
    plan("{ preset = \"nemo\", bands = 0 }").refused(&["bands", "at least 1"]);
}

/// All files below a folder.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = regimen_base::fs::files_below(folder).unwrap_or_default();
    let read =
        |file: std::path::PathBuf| (file.display().to_string(), std::fs::read(folder.join(file)).unwrap());
    files.into_iter().map(read).filter(|(name, _)| !name.ends_with("lock")).collect()
}

#[test]
fn a_mix_that_was_killed_goes_on_to_the_same_bytes() {
    let project = tagged();
    let mix = ["corpus", "mix", "--config", "mix.toml"];
    let whole = project.run(&mix).fine();
    assert!(
        whole.stdout.contains("read: 360 documents") && whole.stdout.contains("mixed_out"),
        "{}",
        whole.stdout
    );
    assert!(whole.stdout.contains("drop_1 (length.words < 5)"), "{}", whole.stdout);
    let expected = tree(&project.path("mixed"));
    assert_eq!(expected.keys().filter(|name| name.ends_with(".jsonl.gz")).count(), 6);
    let again = project.run(&mix).fine();
    assert!(again.stderr.contains("6 files done before"), "{}", again.stderr);
    assert_eq!(again.stdout, whole.stdout);
    for at in [1, 9, 24, 40, 57, 71, 83] {
        std::fs::remove_dir_all(project.path("mixed")).unwrap();
        project
            .run_with(&mix, &[("REGIMEN_FAULT", &format!("kill@write:{at}")), ("REGIMEN_THREADS", "2")])
            .killed();
        let done = project.run(&mix).fine();
        assert_eq!(done.stdout, whole.stdout, "killed at write {at}");
        assert!(tree(&project.path("mixed")) == expected, "killed at write {at}");
    }
    for fault in ["full@write:30", "readonly@write:60"] {
        std::fs::remove_dir_all(project.path("mixed")).unwrap();
        project.run_with(&mix, &[("REGIMEN_FAULT", fault)]).refused(&[]);
        project.run_with(&mix, &[("REGIMEN_THREADS", "3")]).fine();
        assert!(tree(&project.path("mixed")) == expected, "{fault}");
    }
}

#[test]
fn a_mix_tells_what_it_took_and_a_budget_that_it_missed() {
    let project = Project::empty();
    // Documents from 100 bytes to 40 kB: a share of their number says little about their bytes.
    for (name, count) in [("a", 60u64), ("b", 50)] {
        let row = |i: u64| {
            let text = "x".repeat(100 + (i * 7919 % 40_000) as usize);
            format!("{}\n", serde_json::json!({"id": format!("{name}{i}"), "text": text, "source": name}))
        };
        project.write(&format!("{name}/documents/0.jsonl"), (0..count).map(row).collect::<String>());
    }
    let sources = "[[sources]]\nname = \"a\"\ndocuments = [\"a/documents\"]\n\
                   [[sources]]\nname = \"b\"\ndocuments = [\"b/documents\"]\n";
    let taken = |to: &str| -> Vec<u64> {
        let bytes = |name: &str| {
            let text = std::fs::read_to_string(project.path(&format!("{to}/documents/{name}-00000.jsonl")));
            let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
            let bytes = |line| row(line)["text"].as_str().unwrap().len() as u64;
            text.unwrap().lines().map(bytes).sum()
        };
        ["a", "b"].map(bytes).into()
    };
    project.write("mix.toml", format!("to = \"half\"\npack = \"none\"\nbudget = \"1MB\"\n{sources}"));
    let done = project.run(&["corpus", "mix", "--config", "mix.toml"]).fine();
    let half = taken("half");
    assert!((1_000_000..1_080_000).contains(&half.iter().sum::<u64>()), "{half:?}");
    let all =
        project.run(&["corpus", "mix", "--config", "mix.toml", "--budget", "9MB", "--to", "all"]).fine();
    let whole = taken("all");
    for (name, (half, whole)) in ["a", "b"].iter().zip(half.iter().zip(&whole)) {
        let share = format!("{:.1} % of", 100.0 * *half as f64 / *whole as f64);
        let line = done.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(&share), "{line}: {share}");
    }
    let told = all.stderr;
    assert!(told.contains("warning: 9.00 MB were wanted") && told.contains("max_copies"), "{told}");
    let copies = ["--budget", "4MB", "--max-copies", "3", "--to", "more"];
    let more = project.run(&[&["corpus", "mix", "--config", "mix.toml"], &copies[..]].concat()).fine();
    assert!(!more.stderr.contains("were wanted"), "{}", more.stderr);
    assert!((4_000_000..4_080_000).contains(&taken("more").iter().sum::<u64>()), "{:?}", taken("more"));
}

#[test]
fn a_bloom_filter_that_was_too_small_says_which_one_would_do() {
    let project = Project::empty();
    let row = |i: u32| {
        let text: String = (0..20).map(|line| format!("paragraph {i} {line}\n")).collect();
        format!("{}\n", json!({"id": i.to_string(), "text": text}))
    };
    project.write("w/documents/0.jsonl", (0..1000).map(row).collect::<String>());
    let dedup = |keys: &str| {
        project.run(&["corpus", "dedup", "w", "--by", "paragraph", "--name", "d", "--bloom", keys])
    };
    let told =
        dedup("100").refused(&["sized for 100 keys", "leave out --bloom", "`dedup = \"exact\"`"]).stderr;
    let keys = told.split("--bloom ").nth(1).unwrap().split(';').next().unwrap();
    assert!((20_000..25_000).contains(&keys.parse::<u32>().unwrap()), "{told}");
    dedup(keys).fine();
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let project = tagged();
    let dedup =
        |more: &[&str]| project.run(&[&["corpus", "dedup", "wiki", "--name", "other"], more].concat());
    for (by, option, value, fits) in [
        ("document", "--bloom", "5", "--by paragraph"),
        ("document", "--preset", "dolma3", "--by near"),
        ("url", "--min-bytes", "5", "--by paragraph"),
        ("near", "--min-bytes", "5", "--by paragraph"),
        ("paragraph", "--keep", "longest", "--by document or --by url or --by near"),
        ("paragraph", "--words", "5", "--by ngram"),
        ("near", "--overlap", "0.5", "--by ngram"),
        ("url", "--key", "id", "--by document"),
        ("near", "--min-words", "5", "--by document or --by paragraph or --by ngram"),
        ("document", "--separator", "x", "--by paragraph"),
        ("paragraph", "--bands", "5", "--by near"),
        ("ngram", "--seed", "5", "--by near"),
        ("document", "--bloom-from", "x", "--by paragraph"),
        ("document", "--verify", "0.8", "--by near"),
        ("paragraph", "--stretch", "100", "--by substring"),
        ("substring", "--min-bytes", "100", "--by document"),
        ("substring", "--keep", "last", "--by document"),
        ("substring", "--key", "id", "--by document"),
        ("substring", "--bloom", "5", "--by paragraph"),
    ] {
        dedup(&["--by", by, option, value]).refused(&[&format!("`{option}`"), by, fits]);
    }
    assert_eq!(dedup(&["--by", "paragraph", "--rate", "0.1"]).code, Some(2), "there is no filter");
    for verify in ["0", "1.1", "-1", "NaN"] {
        dedup(&["--by", "near", "--verify", verify]).refused(&["`--verify ", "above 0 and at most 1"]);
    }
    for by in ["paragraph", "ngram"] {
        dedup(&["--by", by, "--bloom", "0"]).refused(&["`--bloom 0`", "leave out --bloom"]);
        dedup(&["--by", by, "--bloom-from", "x", "--rate", "0.1"]).refused(&["`--rate`", "leave out --rate"]);
    }
    assert_eq!(dedup(&["--by", "substring", "--stretch", "0"]).code, Some(2));
    dedup(&["--by", "url"]).refused(&["none of 180 documents has a URL", "--by document --key"]);
    for rate in ["0", "-1", "NaN"] {
        dedup(&["--by", "paragraph", "--bloom", "50", "--rate", rate]).refused(&["`--rate ", "1e-15 to 0.5"]);
    }
    for share in ["-0.1", "1.1", "NaN"] {
        dedup(&["--by", "ngram", "--overlap", share]).refused(&["`--overlap ", "from 0 to 1"]);
    }
    for (key, says) in [("", "no field"), ("a..b", "no field"), ("$.list[0]", "no field")] {
        dedup(&["--by", "document", "--key", key]).refused(&[
            &format!("`--key {key}`"),
            says,
            "metadata.url",
        ]);
    }
    dedup(&["--by", "document", "--key", "no.such"]).refused(&[
        "`no.such`",
        "none of 180 documents",
        "--key",
    ]);
    // A threshold that no document can reach, in words that attribute files use.
    project
        .run(&["corpus", "mix", "wiki", "--attributes", "rules", "--drop", "length.words < -1", "--to", "m"])
        .refused(&["never so: its values begin at 0"]);
    dedup(&["--by", "paragraph", "--separator", ""]).refused(&["`--separator` is empty"]);
    dedup(&["--by", "paragraph", "--separator", "a\\x"]).refused(&["`\\x`", "line feed"]);
    dedup(&["--by", "near", "--bands", "50", "--rows", "1"])
        .refused(&["50 bands of 1 rows", "take more rows"]);
    dedup(&["--by", "near", "--bands", "0"]).refused(&["bands x rows = 0 x 8", "16384"]);
    dedup(&["--by", "paragraph", "--bloom-to", "x"]).refused(&["`--bloom-to`", "--bloom-from"]);
    dedup(&["--by", "paragraph", "--bloom", "5", "--read-only"])
        .refused(&["`--read-only`", "--bloom-from FILE"]);
    dedup(&["--by", "paragraph", "--bloom-from", "none.bloom"]).refused(&["none.bloom"]);
    dedup(&["--by", "paragraph", "--bloom-from", "mix.toml"]).refused(&["mix.toml", "no Bloom filter"]);
    // Numbers and expressions below 0 come to those who know what they should be.
    let done = dedup(&["--by", "paragraph", "--min-bytes", "-1"]);
    assert!(done.code == Some(2) && done.stderr.contains("-1 is not in 0.."), "{}", done.stderr);
    project.run(&["corpus", "sample", "wiki", "--fraction", "-1"]).refused(&["`--fraction -1`", "0 to 1"]);
    let drop =
        ["corpus", "mix", "wiki", "--attributes", "rules", "--drop", "-length.words < -2", "--to", "few"];
    project.run(&drop).fine();
    let drop =
        ["corpus", "mix", "wiki", "--attributes", "rules", "--drop", "-length.wrds < -2", "--to", "few2"];
    project.run(&drop).refused(&["length.wrds", "did you mean"]);
    project.run(&["corpus", "sample", "nodir", "--fraction", "1"]).refused(&["nodir", "looked in `.`"]);
    project.write("items.jsonl", "{\"question\": \"one two three four five\", \"n\": 1}\n");
    let items = ["corpus", "decontaminate", "wiki", "--against", "items.jsonl", "--report", "hits.jsonl"];
    project.run(&items).refused(&["`items.jsonl`, line 1", "no field `text`", "--field", "`question`"]);
}

#[test]
fn what_is_wrong_with_a_mix_is_told_before_it_begins() {
    let project = tagged();
    let mix = |more: &[&str]| {
        let all: Vec<&str> =
            ["corpus", "mix", "wiki/documents", "--to", "out"].iter().chain(more).copied().collect();
        let done = project.run(&all);
        assert!(!project.path("out").exists() || done.code == Some(0), "nothing is written");
        done
    };
    mix(&["--attributes", "rules", "--drop", "lenght.words < 5"])
        .refused(&["lenght.words", "did you mean `length.words`"]);
    mix(&["--attributes", "rules", "--drop", "length.words << 5"]).refused(&["needed here"]);
    mix(&["--attributes", "rulez"]).refused(&["attributes/rulez/0.jsonl", "is missing"]);
    mix(&["--temperature", "0"]).refused(&["temperature"]);
    mix(&["--name", "a/b"]).refused(&["a/b"]);
    project.run(&["corpus", "mix", "wiki/documents"]).refused(&["--to"]);
    project.write("bad.toml", "to = \"out\"\nsuorces = []\n");
    project.run(&["corpus", "mix", "--config", "bad.toml"]).refused(&["bad.toml", "suorces", "line 2"]);
    project.write(
        "bad.toml",
        "to = \"out\"\nbudget = \"much\"\n[[sources]]\nname = \"a\"\ndocuments = [\"wiki/documents\"]\n",
    );
    project.run(&["corpus", "mix", "--config", "bad.toml"]).refused(&["budget", "much"]);
    let done = mix(&[
        "--attributes",
        "rules,dup",
        "--include",
        "length.words >= 5",
        "--edit",
        "dup=<DUP>",
        "--json",
    ])
    .fine();
    assert_eq!(done.json()["sources"][0]["read"]["documents"], 180);
    assert!(done.json()["sources"][0]["edited"].as_u64().unwrap() > 100);
}

#[test]
fn samples_and_contaminated_documents() {
    let project = tagged();
    let rows =
        project.run(&["corpus", "sample", "wiki/documents", "web/documents", "--documents", "9"]).fine();
    assert_eq!(rows.stdout.lines().count(), 9);
    assert!(rows.stderr.contains("9 of 360 documents"), "{}", rows.stderr);
    let same =
        ["corpus", "sample", "wiki/documents", "web/documents", "--documents", "9", "--to", "s/rows.jsonl"];
    project.run_with(&same, &[("REGIMEN_THREADS", "3")]).fine();
    assert_eq!(project.read("s/rows.jsonl"), rows.stdout);
    project.run(&["corpus", "sample", "wiki", "--fraction", "2"]).refused(&["--fraction 2"]);
    // Before it is looked whether there are documents at all.
    let other = ["corpus", "sample", "nowhere", "--fraction", "1", "--to", "s/x.csv"];
    project.run(&other).refused(&["`s/x.csv`", "`.csv`", ".jsonl.gz"]);
    assert!(!project.path("s/x.csv").exists());
    project.run(&["corpus", "sample", "wiki", "--documents", "9", "--to", "s/x.parquet"]).fine();
    assert!(std::fs::read(project.path("s/x.parquet")).unwrap().starts_with(b"PAR1"));
    let report = ["corpus", "decontaminate", "wiki", "--against", "eval.jsonl", "--report", "hits.parquet"];
    project.run(&report).refused(&["`hits.parquet`", "`.parquet`", ".jsonl.gz"]);
    project.run(&["corpus", "sample", "wiki/documents", "--fraction", "1", "--json"]).refused(&["--to"]);
    let none = project.run(&["corpus", "sample", "wiki"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);

    project.write(
        "eval.jsonl",
        "{\"q\":\"one two three four five six one two three four five six one two\"}\n{\"q\":\"other\"}\n",
    );
    let command = [
        "corpus",
        "decontaminate",
        "wiki/documents",
        "--against",
        "eval.jsonl",
        "--field",
        "q",
        "--report",
        "hits.jsonl",
        "--drop",
        "clean",
    ];
    let done = project.run(&command).fine();
    let third =
        project.read("wiki/documents/0.jsonl").lines().filter(|l| l.matches("six").count() >= 3).count() * 3;
    assert!(done.stdout.contains(&format!("{third} of 180 documents contaminated")), "{}", done.stdout);
    assert_eq!(project.read("hits.jsonl").lines().count(), third);
    let expected = (tree(&project.path("wiki/attributes/decontaminate")), tree(&project.path("clean")));
    for at in [2, 14, 26, 35] {
        for folder in ["wiki/attributes/decontaminate", "clean"] {
            std::fs::remove_dir_all(project.path(folder)).unwrap();
        }
        project.run_with(&command, &[("REGIMEN_FAULT", &format!("kill@write:{at}"))]).killed();
        assert_eq!(project.run(&command).fine().stdout, done.stdout);
        let found = (tree(&project.path("wiki/attributes/decontaminate")), tree(&project.path("clean")));
        assert!(found == expected, "killed at write {at}");
    }
}

#[test]
fn languages_of_a_folder_are_attributes_that_a_mix_compares() {
    let project = Project::empty();
    let texts = [
        ("en", "The committee met in the morning and decided that nothing should change for now."),
        ("de", "Der Ausschuss trat am Morgen zusammen und beschloss, dass sich nichts ändern soll."),
        ("fr", "La commission s'est réunie dans la matinée et a décidé que rien ne changerait."),
    ];
    let rows: String =
        texts.iter().map(|(id, text)| format!("{}\n", json!({"id": id, "text": text}))).collect();
    project.write("web/documents/a.jsonl", rows);
    project.run(&["corpus", "tag", "web", "--taggers", "languages", "--experiment", "lid"]).fine();
    let tagged = std::fs::read_to_string(project.path("web/attributes/lid/a.jsonl")).unwrap();
    for ((id, text), line) in texts.iter().zip(tagged.lines()) {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let attributes = row["attributes"].as_object().unwrap();
        let spans = &attributes[&format!("lid__languages__{id}")];
        assert_eq!((attributes.len(), &spans[0][1]), (1, &json!(text.chars().count())), "{line}");
    }
    let mix = |to: &str, drop: &str| {
        let args = ["--attributes", "lid", "--drop", drop, "--to", to, "--pack", "none"];
        project.run(&[&["corpus", "mix", "web"][..], &args].concat())
    };
    mix("two", "max(languages.de) > 0.5").fine();
    let [kept] = &std::fs::read_dir(project.path("two/documents"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect::<Vec<_>>()[..]
    else {
        panic!()
    };
    let kept = std::fs::read_to_string(kept).unwrap();
    assert_eq!(kept.lines().count(), 2);
    assert!(!kept.contains("Ausschuss"));
    mix("none", "max(languages.da) > 0.5").refused(&["languages.da", "languages.de"]);
    mix("none", "languages.de > 0.5").refused(&["spans", "max(languages.de)"]);
    let stats = project.run(&["corpus", "stats", "web", "--attributes", "lid", "--json"]).fine().json();
    let numbers = stats["numbers"].as_array().unwrap();
    let names: Vec<_> = numbers.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["de", "en", "fr"].map(|id| format!("lid__languages__{id}")));
}
