use std::path::PathBuf;

use regimen_base::fs;
use regimen_recipe::Recipe;

use super::*;
use crate::output::Fault;

/// A folder with files of so many bytes of words.
fn folder(files: &[(&str, usize)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "The ship came home. ".repeat(bytes / 20).as_bytes()).unwrap();
    }
    dir
}

fn refused(path: &Path, words: &[&str]) {
    let error = Survey::make(path).unwrap_err();
    let fault = error.downcast_ref::<Fault>().unwrap();
    assert!(fault.hint.is_some());
    words.iter().for_each(|word| assert!(fault.message.contains(word), "`{word}`: {}", fault.message));
}

#[test]
fn a_survey_tells_files_by_what_they_hold() {
    let dir = folder(&[
        ("a.txt", 30_000),
        ("deep/er/b.txt", 20_000),
        ("c.md", 4000),
        ("picture.png", 500),
        ("page.html", 1000),
        ("script.py", 2000),
        (".hidden/d.txt", 9000),
        ("unknown", 100),
    ]);
    fs::write(&dir.path().join("rows.jsonl"), b"{\"id\":1,\"body\":\"a text\",\"n\":3}\n").unwrap();
    fs::write(&dir.path().join("settings.json"), b"{\n  \"a\": 1\n}\n").unwrap();
    let survey = Survey::make(dir.path()).unwrap();
    let group = |ending: &str| survey.groups.iter().find(|group| group.ending == ending).unwrap();
    assert_eq!(survey.groups[0].ending, ".txt", "most text first");
    assert_eq!((group(".txt").files, group(".txt").format, group(".txt").text), (2, "text", 50_000.0));
    assert_eq!(group(".jsonl").field.as_deref(), Some("body"));
    assert_eq!(group(".json").format, "code");
    assert_eq!(group(".py").format, "code");
    assert_eq!(group(".html").format, "html");
    assert_eq!(survey.passed_over().unwrap(), "1 .png, 1 without an ending");
    assert_eq!(survey.prompt, "The ship came");
    assert!(survey.words().contains("in 2 .txt files, "), "{}", survey.words());
}

#[test]
fn a_table_gives_its_column_and_its_first_words() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "7,\"The ship came home, and all were glad.\"\n8,Rain fell on the deck.\n".repeat(400);
    fs::write(&dir.path().join("a.csv"), format!("id,body\n{rows}").as_bytes()).unwrap();
    let survey = Survey::make(dir.path()).unwrap();
    assert_eq!((survey.groups[0].format, survey.groups[0].field.as_deref()), ("csv", Some("body")));
    assert_eq!(survey.prompt, "The ship came");
}

#[test]
fn a_folder_of_code_is_read_as_a_whole() {
    let dir = folder(&[("src/main.rs", 30_000), ("README.md", 2000), ("LICENSE", 1000)]);
    let survey = Survey::make(dir.path()).unwrap();
    assert_eq!(survey.groups.len(), 1);
    assert_eq!((survey.groups[0].format, &survey.groups[0].ending[..]), ("code", ""));
}

#[test]
fn bad_folders_are_refused_with_a_hint() {
    refused(Path::new("no/such/folder"), &["`no/such/folder`"]);
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["no files"]);
    refused(folder(&[("a.png", 30_000), ("b.mp3", 99)]).path(), &["no text", "1 .png", "1 .mp3"]);
    refused(folder(&[("a.txt", 2000)]).path(), &["2.00 kB", "too little"]);
    refused(folder(&[("a.txt", 0)]).path(), &["no text"]);
    let binary = folder(&[]);
    fs::write(&binary.path().join("a.txt"), &[0; 20_000]).unwrap();
    refused(binary.path(), &["a.txt", "zero bytes"]);
    let rows = folder(&[("b.txt", 20_000)]);
    fs::write(&rows.path().join("a.jsonl"), b"{\"x\":\"1\",\"y\":\"2\"}\n").unwrap();
    refused(rows.path(), &["a.jsonl", "`text`", "x, y"]);
}

#[test]
fn names_are_made_plain() {
    for (from, to) in [
        ("Notes 2024", "notes-2024"),
        ("..x", "x"),
        ("日本", "texts"),
        ("a_b", "a_b"),
        ("_x", "texts_x"),
        ("", "texts"),
    ] {
        assert_eq!(plain_name(from), to);
    }
}

#[test]
fn sizes_are_words_or_times() {
    assert_eq!(Size::parse("90s"), Ok(Size::Seconds(90.0)));
    assert_eq!(Size::parse("10m"), Ok(Size::Seconds(600.0)));
    assert_eq!(Size::parse("0.5h"), Ok(Size::Seconds(1800.0)));
    assert!(matches!(Size::parse("tiny"), Ok(Size::Fixed(shape::TINY, _))));
    for wrong in ["", "big", "0m", "-1m", "10", "1e9h", "m", "nanm"] {
        assert!(Size::parse(wrong).is_err(), "{wrong}");
    }
}

/// Every template on every kind of folder is a recipe, with nothing left to fill in.
#[test]
fn every_recipe_made_is_one() {
    let folders = [
        folder(&[("a.txt", 30_000)]),
        folder(&[("odd [name]*/a.txt", 300_000), ("b.md", 20_000), ("c.rs", 1000)]),
        folder(&[("src/main.rs", 30_000)]),
        folder(&[("quote \".txt", 30_000)]),
    ];
    for dir in &folders {
        let root = std::fs::canonicalize(dir.path()).unwrap();
        let places: Vec<PathBuf> = fs::list(&root).unwrap();
        for place in [root.clone()].into_iter().chain(places.into_iter().filter(|p| Survey::make(p).is_ok()))
        {
            for purpose in [Purpose::Base, Purpose::Corpus] {
                let mut draft = Draft::new(purpose, Survey::make(&place).unwrap(), &root, None);
                sized(&mut draft, Size::parse("medium").unwrap(), &root).unwrap();
                let text = render(&draft);
                assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
                let recipe = Recipe::of_text(&text, Path::new("r.toml"), &root, &REGISTRY);
                let recipe = recipe.unwrap_or_else(|error| panic!("{error}\n{text}"));
                // The pattern of each source means files that are there.
                let sources = recipe.stage("corpus").unwrap().config["sources"].as_array().unwrap().clone();
                for source in sources {
                    let path = source["path"].as_str().unwrap();
                    regimen_recipe::list_files(&root, path).unwrap_or_else(|error| panic!("{error}\n{text}"));
                }
            }
        }
    }
}

#[test]
fn few_long_texts_are_cut_so_that_some_can_be_held_out() {
    let dir = folder(&[("a.txt", 1_000_000)]);
    let draft = Draft::new(Purpose::Base, Survey::make(dir.path()).unwrap(), dir.path(), None);
    let text = render(&draft);
    assert!(text.contains("blocks = 8000") && text.contains("validation = 0.08"), "{text}");
    let many: Vec<String> = (0..300).map(|i| format!("{i}.txt")).collect();
    let many: Vec<(&str, usize)> = many.iter().map(|name| (&name[..], 2000)).collect();
    let dir = folder(&many);
    let draft = Draft::new(Purpose::Base, Survey::make(dir.path()).unwrap(), dir.path(), None);
    let text = render(&draft);
    assert!(!text.contains("blocks") && text.contains("validation = 0.04"), "{text}");
}
