//! The memory of a build: its peak stays within what it may take, whatever the input is like.

use std::io::Write;

use crate::common::Project;
use crate::common::data::Dice;
use crate::memory::peak;

/// Bytes that do not grow with the input: of the program, and of each of two threads.
pub const FIXED: f64 = ((96 + 2 * 24) << 20) as f64;

fn recipe(path: &str, more: &str) -> String {
    format!(
        "name = \"memory\"\n\n[corpus]\nkind = \"corpus\"\nfilter = {{ quality = \"none\" }}\n\
         sources = [{{ name = \"s\", path = \"{path}\", author = \"human\", licence = \"CC0-1.0\" }}]\n{more}\n"
    )
}

/// Rows with ids, and a text of so many bytes in each: lines of words that are seldom alike.
fn rows(out: &mut dyn Write, rows: usize, bytes: usize) {
    let mut dice = Dice(5);
    let mut text = String::new();
    for i in 0..rows {
        text.clear();
        while text.len() < bytes {
            let length = 2 + dice.below(9);
            (0..length).for_each(|_| text.push(char::from(b'a' + dice.below(26) as u8)));
            text.push_str(if dice.below(12) == 0 { "\\n" } else { " " });
        }
        writeln!(out, "{{\"id\": \"{i}\", \"text\": \"{text}\"}}").unwrap();
    }
}

fn within(project: &Project, memory: f64, what: &str) {
    let args = ["corpus", "build", "recipe.toml", "--threads", "2", "--memory", &format!("{memory}")];
    let measured = peak(project, &args);
    let mib = |bytes: f64| bytes / (1 << 20) as f64;
    assert!(
        measured <= FIXED + memory,
        "{what}: {:.0} MiB, {:.0} allowed",
        mib(measured),
        mib(FIXED + memory)
    );
}

#[test]
fn the_peak_is_within_the_memory_and_the_bytes_do_not_depend_on_it() {
    let compared = "near = { preset = \"fineweb\"VERIFY }\nparagraphs = { dedup = \"exact\" }\n\
                    tag = [{ tagger = \"gopher_v1\" }, { tagger = \"c4_v2\" }]";
    for (what, count, bytes, files, verify) in [
        ("small documents", 60_000, 300, 8, ", bands = 4, rows = 1, verify = 0.8"),
        ("documents of one large file", 6_000, 4_000, 1, ""),
    ] {
        let project = Project::empty();
        for file in 0..files {
            let mut out = Vec::new();
            rows(&mut out, count / files, bytes);
            // Ids are told apart by the file.
            let text =
                String::from_utf8(out).unwrap().replace("{\"id\": \"", &format!("{{\"id\": \"{file}-"));
            project.write(&format!("docs/{file}.jsonl"), text);
        }
        project.write("recipe.toml", recipe("docs/*.jsonl", &compared.replace("VERIFY", verify)));
        let mut found = None;
        for memory in [64e6, 16e6] {
            within(&project, memory, what);
            let payloads = project.payloads();
            assert_eq!(*found.get_or_insert(payloads.clone()), payloads);
            std::fs::remove_dir_all(project.path(".regimen/artifacts")).unwrap();
        }
    }
}

#[test]
fn a_task_keeps_to_the_memory_however_large_a_file_is() {
    let project = Project::empty();
    let mut out = Vec::new();
    rows(&mut out, 15_000, 4_000);
    let texts = String::from_utf8(out).unwrap();
    // Every text has one that is nearly the same: all travel.
    let again = texts.replace("{\"id\": \"", "{\"id\": \"again-").replace("\"}", " once more\"}");
    project.write("docs/0.jsonl", texts + &again);
    let compared = "near = { preset = \"fineweb\", verify = 0.8 }\nparagraphs = { dedup = \"exact\" }";
    project.write("recipe.toml", recipe("docs/*.jsonl", compared));
    let store = project.path("store").display().to_string();
    let (memory, threads) = (16e6, "2");
    let args = ["--store", &store, "--task", "0/1", "--threads", threads, "--memory", "16MB"];
    let measured = peak(&project, &[&["corpus", "build", "recipe.toml"][..], &args].concat());
    let dealt = std::fs::metadata(project.path("store/near/map/000000")).unwrap().len();
    assert!(dealt as f64 > 7.0 * memory, "{dealt} bytes are no task for this");
    assert!(measured <= FIXED + memory && measured < dealt as f64, "{measured} bytes");
}

#[test]
fn a_file_that_unpacks_to_a_thousand_times_its_size_is_read_in_pieces_or_refused() {
    let project = Project::empty();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let line = format!("{{\"text\": \"{}\"}}\n", "a ".repeat(1 << 14));
    (0..10_000).for_each(|_| packed.write_all(line.as_bytes()).unwrap());
    std::fs::write(project.path("bomb.jsonl.gz"), packed.finish().unwrap()).unwrap();
    project.write("recipe.toml", recipe("bomb.jsonl.gz", "validation = 0.0"));
    within(&project, 64e6, "many lines");

    // One line, and one text.
    for (name, start) in [("line.jsonl.gz", "{\"text\": \""), ("text.txt.gz", "")] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(start.as_bytes()).unwrap();
        (0..300).for_each(|_| packed.write_all(&[b'a'; 1 << 20]).unwrap());
        std::fs::write(project.path(name), packed.finish().unwrap()).unwrap();
        project.write("recipe.toml", recipe(name, "validation = 0.0"));
        let done = project.run(&["corpus", "build", "recipe.toml", "--memory", "64MB"]);
        done.refused(&[name, "longer than", "--memory"]);
    }
}

#[test]
fn the_memory_that_the_hint_names_is_enough() {
    let project = Project::empty();
    let (short, long) = ("{\"text\": \"a short one\"}\n", "word ".repeat(2_400_000));
    let row = format!("{short}{{\"text\": \"{long}\"}}\n{short}");
    let pack = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let table = format!("text,n\na short one,1\n\"{long}\n\"\"two\"\" lines\",2\nb,3\n");
    std::fs::write(project.path("rows.jsonl.gz"), pack(&row)).unwrap();
    std::fs::write(project.path("text.txt.gz"), pack(&long)).unwrap();
    project.write("rows.jsonl", row);
    project.write("text.txt", long);
    project.write("table.csv", table);
    for name in ["rows.jsonl", "rows.jsonl.gz", "table.csv", "text.txt", "text.txt.gz"] {
        project.write("recipe.toml", recipe(name, "validation = 0.0"));
        let build = |memory: &str| project.run(&["corpus", "build", "recipe.toml", "--memory", memory]);
        let told = build("10MB").refused(&[name, "longer than the 4.19 MB", "12.0 MB"]).stderr;
        let memory = told.split("--memory ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(told.contains(&format!("`memory = {}`", memory.replace("MB", "000000"))), "{told}");
        build(memory).fine();
    }
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_read() {
    let project = Project::empty();
    project.write("a.txt", "one\n".repeat(4 << 20));
    project.write("recipe.toml", recipe("a.txt", ""));
    let build = |memory| project.run(&["corpus", "build", "recipe.toml", "--memory", memory]);
    build("64MB").refused(&["a.txt", "longer than", "blocks"]);
    let bloom = "paragraphs = { dedup = \"bloom\", expected = 100000000, rate = 1e-6 }";
    project.write("recipe.toml", recipe("a.txt", bloom));
    build("256MB").refused(&["Bloom filter for 100000000 keys"]);
}
