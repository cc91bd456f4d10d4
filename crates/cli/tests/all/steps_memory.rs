//! The memory of the steps on Dolma folders: their peaks stay within what they may take, whatever the input is like, and their
//! bytes do not depend on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use regimen_base::Hash256;

use crate::common::data::Dice;
use crate::common::{Done, Project, files, list};
use crate::corpus_memory::FIXED;
use crate::memory::watched;

/// Lines of words that are seldom alike, as they stand in JSON.
fn words(bytes: usize) -> String {
    let mut dice = Dice(5);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        let length = 2 + dice.below(9);
        (0..length).for_each(|_| text.push(char::from(b'a' + dice.below(26) as u8)));
        text.push_str(if dice.below(12) == 0 { "\\n" } else { " " });
    }
    text
}

/// Rows with a text of so many bytes in each, taken from `words` here and there.
fn rows(name: &str, words: &str, count: usize, bytes: usize) -> String {
    let mut dice = Dice(count as u64);
    let mut out = String::with_capacity(count * (bytes + 80));
    for i in 0..count {
        let at = dice.below((words.len() - bytes - 1) as u64) as usize;
        // Not between a backslash and what it escapes.
        let at = at + usize::from(words.as_bytes()[at] == b'n' && words.as_bytes()[at.max(1) - 1] == b'\\');
        let text = words[at..at + bytes].trim_end_matches('\\');
        let url = at % 1000;
        writeln!(
            out,
            "{{\"id\":\"{name}-{i}\",\"text\":\"{text}\",\"source\":\"s\",\"metadata\":{{\"url\":\"http://a.org/{url}\"}}}}"
        )
        .unwrap();
    }
    out
}

/// Every step, writing into `OUT`; `tag` comes before the mix and the export that read its attributes.
const STEPS: [&str; 12] = [
    "tag documents --taggers gopher_v1,c4_v2,length --experiment x --to OUT/x",
    "mix documents --attributes OUT/x/ --drop gopher_v1.word_count<5 --edit c4_v2.lines_with_too_few_words --to OUT/mix --keep-map",
    "export documents --attributes OUT/x/ --format dolma,jsonl --shard 10MB --to OUT/rows",
    "sample documents --fraction 0.9 --to OUT/fraction.jsonl",
    "sample documents --documents 40000 --to OUT/count.jsonl.gz",
    "dedup documents --by document --name a --to OUT/a",
    "dedup documents --by url --name b --to OUT/b",
    "dedup documents --by paragraph --name c --to OUT/c",
    "dedup documents --by paragraph --bloom 3000000 --rate 1e-4 --name d --to OUT/d",
    "dedup documents --by near --name e --to OUT/e",
    "dedup documents --by near --bands 4 --rows 1 --verify 0.8 --name g --to OUT/g",
    "decontaminate documents --against items.jsonl --to OUT/f --report OUT/hits.jsonl --drop OUT/clean",
];

fn run(project: &Project, step: &str, memory: u64) -> (f64, Done) {
    let (to, memory) = (format!("out{memory}"), memory.to_string());
    let step = step.replace("OUT", &to);
    let mut args = vec!["corpus"];
    args.extend(step.split(' '));
    args.extend(["--threads", "2", "--memory", &memory]);
    watched(project, &args)
}

fn mib(bytes: f64) -> f64 {
    bytes / (1 << 20) as f64
}

fn within(project: &Project, what: &str, step: &str, memory: u64) {
    let (peak, done) = run(project, step, memory);
    done.fine();
    let allowed = FIXED + memory as f64;
    assert!(peak <= allowed, "{what}, {step}: {:.0} MiB, {:.0} allowed", mib(peak), mib(allowed));
}

/// What lies in a folder, without notes of what made it.
fn contents(project: &Project, folder: &str) -> BTreeMap<String, Hash256> {
    let names = files(&project.path(folder)).into_iter().filter(|name| !name.contains(".regimen"));
    let hash = |name: &String| Hash256::of_file(&project.path(&format!("{folder}/{name}"))).unwrap().0;
    names.map(|name| (name.clone(), hash(&name))).collect()
}

#[test]
fn the_peaks_of_all_steps_are_within_the_memory_and_their_bytes_do_not_depend_on_it() {
    let project = Project::empty();
    let words = words(8 << 20);
    for (name, count, bytes) in [("a", 60_000, 300), ("b", 60_000, 300), ("c", 28_000, 4000)] {
        project.write(&format!("documents/{name}.jsonl"), rows(name, &words, count, bytes));
    }
    project.write("items.jsonl", rows("i", &words, 500, 400));
    let (large, small) = (64_000_000, 16_000_000);
    for step in STEPS {
        within(&project, "many documents", step, large);
        within(&project, "many documents", step, small);
        let found = contents(&project, &format!("out{small}"));
        assert!(!found.is_empty() && found == contents(&project, &format!("out{large}")), "{step}");
        if !step.starts_with("tag") {
            [large, small].iter().for_each(|memory| clear(&project, *memory));
        }
    }
    // Each document that may be taken takes memory, too.
    let many = "sample documents --documents 200000 --to OUT/many.jsonl";
    let (peak, done) = run(&project, many, small);
    done.refused(&["the choice of", "are allowed", "--memory", "--fraction"]);
    assert!(peak <= FIXED + small as f64);
    within(&project, "many documents", many, 80_000_000);
}

/// Take away what a step wrote, but for the attributes that others read.
fn clear(project: &Project, memory: u64) {
    let folder = project.path(&format!("out{memory}"));
    for entry in list(&folder).into_iter().filter(|entry| !entry.ends_with("x")) {
        if entry.is_dir() { std::fs::remove_dir_all(entry) } else { std::fs::remove_file(entry) }.unwrap();
    }
}

#[test]
fn long_documents_are_taken_one_after_the_other() {
    let project = Project::empty();
    let words = words(8 << 20);
    for name in ["a", "b", "c"] {
        let mut all = rows(name, &words, 3, 2_700_000);
        all.push_str(&rows(&format!("{name}s"), &words, 300, 300));
        all.push_str(&rows(&format!("{name}l"), &words, 2, 2_600_000));
        project.write(&format!("documents/{name}.jsonl"), all);
    }
    project.write("items.jsonl", rows("i", &words, 50, 400));
    for step in STEPS {
        within(&project, "long documents", step, 64_000_000);
    }
    // The attributes of a row count with it.
    project.write("documents/a.jsonl", rows("a", &words, 6, 5_500_000));
    ["b", "c"]
        .iter()
        .for_each(|name| std::fs::remove_file(project.path(&format!("documents/{name}.jsonl"))).unwrap());
    clear(&project, 64_000_000);
    std::fs::remove_dir_all(project.path("out64000000/x")).unwrap();
    for step in STEPS {
        if step.starts_with("mix") || step.starts_with("export") {
            let (peak, done) = run(&project, step, 64_000_000);
            done.refused(&["a.jsonl`, line 1: longer than", "--memory"]);
            assert!(peak <= FIXED + 64e6);
        } else {
            within(&project, "the longest documents", step, 64_000_000);
        }
    }
}

#[test]
fn stretches_are_found_within_the_memory() {
    let project = Project::empty();
    let words = words(8 << 20);
    project.write("documents/a.jsonl", rows("a", &words, 20_000, 300));
    project.write("documents/b.jsonl", rows("b", &words, 1000, 4000) + &rows("bl", &words, 1, 1_000_000));
    let step = "dedup documents --by substring --stretch 100 --name s --to OUT/s";
    within(&project, "texts", step, 16_000_000);
    within(&project, "texts", step, 256_000_000);
    assert!(contents(&project, "out16000000") == contents(&project, "out256000000"));
}

/// The step with attributes that no step made.
fn without_tags(step: &str) -> String {
    let rules = " --drop gopher_v1.word_count<5 --edit c4_v2.lines_with_too_few_words";
    step.replace(rules, "").replace("OUT/x/", "y/")
}

/// A line of so many bytes behind a start, packed or not.
fn bomb(project: &Project, path: &str, start: &str, bytes: usize) {
    std::fs::create_dir_all(project.path(path).parent().unwrap()).unwrap();
    let file = std::fs::File::create(project.path(path)).unwrap();
    let fill = |out: &mut dyn std::io::Write| {
        out.write_all(start.as_bytes()).unwrap();
        (0..bytes >> 20).for_each(|_| out.write_all(&[b'a'; 1 << 20]).unwrap());
    };
    if path.ends_with(".zst") {
        let mut packed = zstd::Encoder::new(file, 1).unwrap();
        fill(&mut packed);
        packed.finish().unwrap();
    } else if path.ends_with(".gz") {
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        fill(&mut packed);
        packed.finish().unwrap();
    } else {
        fill(&mut std::io::BufWriter::new(file));
    }
}

fn refused(project: &Project, step: &str, memory: u64, words: &[&str]) {
    let (peak, done) = run(project, step, memory);
    done.refused(words);
    let allowed = FIXED + memory as f64;
    assert!(peak <= allowed, "{step}: {:.0} MiB, {:.0} allowed", mib(peak), mib(allowed));
}

#[test]
fn a_line_that_unpacks_to_a_thousand_times_its_size_is_refused_by_every_step() {
    let row = "{\"id\":\"0\",\"text\":\"one two\"}\n";
    for name in ["bomb.jsonl.gz", "bomb.jsonl.zst"] {
        let project = Project::empty();
        bomb(&project, &format!("documents/{name}"), &format!("{row}{{\"text\": \""), 256 << 20);
        bomb(&project, &format!("y/{name}"), "{\"id\":\"0\",\"attributes\":{\"y\":[]}}\n", 0);
        project.write("items.jsonl", "{\"text\":\"one two three four five six seven\"}\n");
        for step in STEPS {
            let step = without_tags(step);
            for memory in [16_000_000, 64_000_000] {
                refused(&project, &step, memory, &[name, "line 2: longer than", "--memory"]);
            }
        }
    }
    // Beside the documents, and in a set that they are held against.
    let project = Project::empty();
    project.write("documents/a.jsonl", row);
    bomb(&project, "y/a.jsonl", "{\"id\":\"0\",\"attributes\":{\"y\":[", 256 << 20);
    let mix = "mix documents --attributes y/ --to OUT";
    refused(&project, &format!("{mix} --drop count(y)>1"), 64_000_000, &["y/a.jsonl", "line 1: longer than"]);
    refused(&project, mix, 64_000_000, &["y/a.jsonl", "line 1: longer than", "--memory"]);
    bomb(&project, "items.jsonl.zst", "{\"text\":\"", 256 << 20);
    let against = "decontaminate documents --report OUT/r.jsonl --against";
    refused(
        &project,
        &format!("{against} items.jsonl.zst"),
        64_000_000,
        &["items.jsonl.zst", "line 1: longer than"],
    );
    let items = "{\"text\":\"one two three four five six seven\"}\n".repeat(1 << 22);
    bomb(&project, "many.jsonl.gz", &items, 0);
    refused(
        &project,
        &format!("{against} many.jsonl.gz"),
        64_000_000,
        &["the items of `many.jsonl.gz`", "--memory"],
    );
}

#[test]
fn windows_and_copies_are_within_the_memory() {
    let project = Project::empty();
    let words = words(8 << 20);
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed.window_log(27).unwrap();
    packed.write_all(rows("a", &words, 30, 3000).as_bytes()).unwrap();
    std::fs::create_dir(project.path("documents")).unwrap();
    std::fs::write(project.path("documents/a.jsonl.zst"), packed.finish().unwrap()).unwrap();
    project.write("y/a.jsonl.zst", "");
    project.write("items.jsonl", rows("i", &words, 5, 400));
    for step in STEPS {
        let step = without_tags(step);
        refused(&project, &step, 64_000_000, &["a.jsonl.zst", "a window of more than", "--memory"]);
    }

    // A hundred copies of a document.
    let config = "to = \"OUT\"\nmax_copies = 100\npack = \"none\"\n\
                  [[sources]]\nname = \"a\"\ndocuments = [\"a.jsonl\"]\nweight = 1000000\n\
                  [[sources]]\nname = \"b\"\ndocuments = [\"b.jsonl\"]\nweight = 1\n";
    project.write("b.jsonl", rows("b", &words, 3000, 1000));
    project.write("a.jsonl", rows("a", &words, 1500, 1000));
    let mix = |memory: &str| {
        project.write("mix.toml", format!("memory = \"{memory}\"\n{}", config.replace("OUT", memory)));
        watched(&project, &["corpus", "mix", "--config", "mix.toml", "--threads", "2"])
    };
    for memory in ["16MB", "64MB"] {
        let (peak, done) = mix(memory);
        done.fine();
        let bytes =
            std::fs::metadata(project.path(&format!("{memory}/documents/a-00000.jsonl"))).unwrap().len();
        assert!(bytes > 150_000_000, "{bytes}");
        println!("copies: {:.0} MiB", mib(peak));
        assert!(peak <= FIXED + memory.trim_end_matches("MB").parse::<f64>().unwrap() * 1e6, "{}", mib(peak));
    }
    assert!(contents(&project, "16MB") == contents(&project, "64MB"));
    project.write("a.jsonl", rows("a", &words, 1, 200_000));
    mix("60MB").1.refused(&["a.jsonl`, line 1: longer than", "--memory"]);
}
