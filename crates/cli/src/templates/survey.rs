//! What lies in a folder: which files are text, in which format, and about how much of it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use regimen_base::{fs, units};
use regimen_corpus::code;
use regimen_recipe::Ty;
use serde_json::Value;

use super::plain_name;
use crate::output::{Explain, Fault};
use crate::registry::REGISTRY;

/// Less text than this is not worth training on.
const LEAST: f64 = 10_000.0;
/// Bytes in a byte of a compressed file, text in a byte of rows, of a page, of a table: rough, as in forecasts.
const COMPRESSED: f64 = 3.3;
const ROWS: f64 = 0.93;
const PAGES: f64 = 0.2;
/// Bytes of text in a row.
const PER_ROW: f64 = 5_000.0;
/// So many files of each ending are looked into.
const LOOKED_INTO: u64 = 64;
/// Bytes at the start of a file among which a zero tells that it is no text.
const START: u64 = 8_000;
/// Bytes in which the first row of a file must end to be looked at.
const ROW: u64 = 1 << 20;
/// Fields that hold the text where there is no `text`, likeliest first.
const TEXTS: [&str; 8] =
    ["content", "body", "markdown", "document", "article", "story", "completion", "output"];
/// Most sources of code in a recipe whose folder is not mainly code.
const MOST_CODE: usize = 8;

/// Files of one ending.
#[derive(Clone, Debug)]
pub struct Group {
    /// The ending with its dot, such as `.jsonl.zst`; empty for a whole folder or one file.
    pub ending: String,
    /// The format, as recipes call it.
    pub format: &'static str,
    /// Files.
    pub files: u64,
    /// Bytes of text, about.
    pub text: f64,
    /// Documents, about.
    pub documents: f64,
    /// The field of a row with the text, where it is not `text`.
    pub field: Option<String>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The folder or file as it was named.
    pub named: PathBuf,
    /// Where it really lies.
    pub place: PathBuf,
    /// Whether it is one file.
    pub file: bool,
    /// What can be read, most text first.
    pub groups: Vec<Group>,
    /// Files that cannot, by their ending.
    pub passed: BTreeMap<String, u64>,
    /// How a text begins: a few plain words to continue.
    pub prompt: String,
}

impl Survey {
    /// Look at a folder or a file.
    ///
    /// # Errors
    /// Nothing there, nothing that is text, or too little of it.
    pub fn make(named: &Path) -> anyhow::Result<Survey> {
        let shown = named.display();
        let Ok(place) = std::fs::canonicalize(named) else {
            return Err(Fault::new(
                format!("there is no folder `{shown}`"),
                "name a folder with texts, or a file; the path starts at the current folder",
            ));
        };
        if place.to_str().is_none() {
            let hint = "rename it: a recipe is UTF-8 and must name it";
            return Err(Fault::new(format!("the path `{shown}` is not UTF-8"), hint));
        }
        let file = place.is_file();
        let files = if file { vec![PathBuf::new()] } else { seen(fs::files_below(&place).explain()?) };
        if files.is_empty() {
            return Err(Fault::new(
                format!("there are no files below `{shown}`"),
                "put texts there; files and folders that begin with `.` are passed over",
            ));
        }
        let mut survey = Survey {
            named: named.into(),
            place,
            file,
            groups: Vec::new(),
            passed: BTreeMap::new(),
            prompt: String::new(),
        };
        for path in &files {
            survey.add(path)?;
        }
        survey.settle();
        survey.judge()?;
        Ok(survey)
    }

    /// Bytes of text, about.
    pub fn text(&self) -> f64 {
        self.groups.iter().map(|group| group.text).sum()
    }

    /// Documents, about.
    pub fn documents(&self) -> f64 {
        self.groups.iter().map(|group| group.documents).sum()
    }

    /// What a recipe on these texts is best called.
    pub fn name(&self) -> String {
        let name = if self.file { self.place.file_stem() } else { self.place.file_name() };
        plain_name(&name.unwrap_or_default().to_string_lossy())
    }

    /// What was found in one line.
    pub fn words(&self) -> String {
        let one = |group: &Group| match &group.ending[..] {
            "" if self.file => "one file".to_string(),
            "" => units::plural(group.files, "file of code"),
            ending if group.files == 1 => format!("1 {ending} file"),
            ending => format!("{} {ending} files", group.files),
        };
        let found: Vec<String> = self.groups.iter().map(one).collect();
        format!("{} of text in {}", units::bytes(self.text() as u64), found.join(", "))
    }

    /// What cannot be read in one line, if there is anything.
    pub fn passed_over(&self) -> Option<String> {
        let mut all: Vec<(&String, &u64)> = self.passed.iter().collect();
        all.sort_by_key(|(ending, files)| (std::cmp::Reverse(**files), ending.as_str()));
        let some: Vec<String> =
            all.iter().take(6).map(|(ending, files)| format!("{files} {ending}")).collect();
        let more = if all.len() > 6 { ", .." } else { "" };
        (!all.is_empty()).then(|| format!("{}{more}", some.join(", ")))
    }

    fn full(&self, path: &Path) -> PathBuf {
        if self.file { self.place.clone() } else { self.place.join(path) }
    }

    fn add(&mut self, path: &Path) -> anyhow::Result<()> {
        let full = self.full(path);
        let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !full.is_file() {
            return Ok(());
        }
        let (ending, format) = match kind_of(&name) {
            Ok(found) => found,
            Err(ending) => {
                *self.passed.entry(ending).or_default() += 1;
                return Ok(());
            }
        };
        let bytes = fs::size(&full).explain()? as f64;
        let packed = ending.ends_with(".gz") || ending.ends_with(".zst");
        let number = match self.groups.iter().position(|group| group.ending == ending) {
            Some(number) => number,
            None => {
                let format =
                    if format == "jsonl" && ending == ".json" && !rows_of(&full)? { "code" } else { format };
                let field = if packed { None } else { text_field(&full, format, &self.named)? };
                let group = Group { ending, format, files: 0, text: 0.0, documents: 0.0, field };
                self.groups.push(group);
                self.groups.len() - 1
            }
        };
        let Group { format, files, .. } = self.groups[number];
        if files < LOOKED_INTO && !packed {
            let start = start_of(&full, START)?;
            if matches!(format, "text" | "markdown") && start.contains(&0) {
                return Err(Fault::new(
                    format!("`{}` is called a text but holds zero bytes", full.display()),
                    "move it out of the folder, or write it as UTF-8",
                ));
            }
            if self.prompt.is_empty() && matches!(format, "text" | "markdown") {
                self.prompt = beginning(&String::from_utf8_lossy(&start));
            }
            if self.prompt.is_empty() && matches!(format, "csv" | "tsv") {
                // The first cell below the header that begins as a text does.
                let cells = String::from_utf8_lossy(&start).replace([',', ';', '\t', '"'], "\n");
                let header = first_line(&full)?.split([',', ';', '\t']).count();
                let below: Vec<&str> = cells.lines().filter(|cell| !cell.is_empty()).skip(header).collect();
                self.prompt = beginning(&below.join("\n"));
            }
            if self.prompt.is_empty() && format == "jsonl" && files == 0 {
                let field = self.groups[number].field.as_deref().unwrap_or("text");
                let row: Value = serde_json::from_str(&first_line(&full)?).unwrap_or_default();
                self.prompt = beginning(row[field].as_str().unwrap_or_default());
            }
        }
        let bytes = bytes * if packed { COMPRESSED } else { 1.0 };
        let group = &mut self.groups[number];
        let (text, documents) = match group.format {
            "jsonl" | "csv" | "tsv" => (bytes * ROWS, (bytes * ROWS / PER_ROW).ceil()),
            "parquet" => (bytes * COMPRESSED, (bytes * COMPRESSED / PER_ROW).ceil()),
            "html" | "warc" => (bytes * PAGES, (bytes * PAGES / PER_ROW).ceil()),
            _ => (bytes, 1.0),
        };
        group.files += 1;
        group.text += text;
        group.documents += documents;
        Ok(())
    }

    /// Where most of a folder is code, all of it is read as code, so that licence files speak for it.
    fn settle(&mut self) {
        self.groups.retain(|group| group.text > 0.0);
        let code: f64 =
            self.groups.iter().filter(|group| group.format == "code").map(|group| group.text).sum();
        if code > 0.5 * self.text() && !self.file {
            let whole = |group: &Group| matches!(group.format, "code" | "text" | "markdown" | "html");
            let (code, mut rest): (Vec<Group>, Vec<Group>) = self.groups.drain(..).partition(whole);
            let sum = |get: fn(&Group) -> f64| code.iter().map(get).sum();
            rest.push(Group {
                ending: String::new(),
                format: "code",
                files: code.iter().map(|group| group.files).sum(),
                text: sum(|group| group.text),
                documents: sum(|group| group.documents),
                field: None,
            });
            self.groups = rest;
        }
        self.groups.sort_by(|a, b| b.text.total_cmp(&a.text).then_with(|| a.ending.cmp(&b.ending)));
        let mut code = 0;
        let passed = &mut self.passed;
        self.groups.retain(|group| {
            code += usize::from(group.format == "code");
            let keep = group.format != "code" || code <= MOST_CODE;
            if !keep {
                passed.insert(group.ending.clone(), group.files);
            }
            keep
        });
        if self.file {
            self.groups.iter_mut().for_each(|group| group.ending = String::new());
        }
    }

    fn judge(&self) -> anyhow::Result<()> {
        let shown = self.named.display();
        if self.groups.is_empty() {
            let found = self.passed_over().unwrap_or_else(|| "empty files".into());
            return Err(Fault::new(
                format!("`{shown}` holds no text, only {found}"),
                format!(
                    "texts are {}, and source code; also as .gz or .zst",
                    endings().iter().map(|(e, _)| format!(".{e}")).collect::<Vec<_>>().join(" ")
                ),
            ));
        }
        if self.text() < LEAST {
            return Err(Fault::new(
                format!(
                    "`{shown}` holds {} of text, too little to train on",
                    units::bytes(self.text() as u64)
                ),
                format!(
                    "add texts: {} is the least, and a megabyte a good beginning",
                    units::bytes(LEAST as u64)
                ),
            ));
        }
        Ok(())
    }
}

/// Files that a recipe's pattern will find: what begins with `.` is hidden from it.
fn seen(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    let hidden = |path: &Path| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
    files.retain(|path| !hidden(path));
    files
}

/// Formats that the stage `corpus` reads.
fn formats() -> &'static [&'static str] {
    let corpus = REGISTRY.get("corpus").map_or(&[][..], |kind| kind.fields);
    let sources = corpus.iter().find(|field| field.name == "sources");
    let Some(Ty::List(Ty::Table(fields))) = sources.map(|field| &field.ty) else { return &[] };
    match fields.iter().find(|field| field.name == "format").map(|field| &field.ty) {
        Some(Ty::OneOf(words)) => words,
        _ => &[],
    }
}

/// Endings of files with their formats, but for source code.
fn endings() -> Vec<(&'static str, &'static str)> {
    let known = formats();
    let markdown = if known.contains(&"markdown") { "markdown" } else { "text" };
    let tabs = if known.contains(&"tsv") { "tsv" } else { "csv" };
    let all = [
        ("txt", "text"),
        ("text", "text"),
        ("md", markdown),
        ("markdown", markdown),
        ("rst", "text"),
        ("org", "text"),
        ("tex", "text"),
        ("jsonl", "jsonl"),
        ("ndjson", "jsonl"),
        ("json", "jsonl"),
        ("csv", "csv"),
        ("tsv", tabs),
        ("parquet", "parquet"),
        ("html", "html"),
        ("htm", "html"),
        ("xhtml", "html"),
        ("warc", "warc"),
        ("wet", "warc"),
    ];
    all.into_iter().filter(|(_, format)| known.contains(format)).collect()
}

/// The ending of a file and the format of what it holds, or the ending alone if that is no text.
fn kind_of(name: &str) -> Result<(String, &'static str), String> {
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let Some(ending) = Path::new(bare).extension().and_then(|ending| ending.to_str()) else {
        return Err("without an ending".into());
    };
    let whole = format!(".{ending}{}", &name[bare.len()..]);
    let lower = ending.to_ascii_lowercase();
    if let Some((_, format)) = endings().into_iter().find(|(known, _)| *known == lower) {
        return Ok((whole, format));
    }
    if bare.len() == name.len() && code::language(name, "").is_some() {
        return Ok((whole, "code"));
    }
    Err(whole)
}

fn start_of(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut start = Vec::new();
    fs::open(path)
        .explain()?
        .take(most)
        .read_to_end(&mut start)
        .map_err(|error| fs::Error::new("read", path, error))
        .explain()?;
    Ok(start)
}

fn first_line(path: &Path) -> anyhow::Result<String> {
    let start = start_of(path, ROW)?;
    let text = String::from_utf8_lossy(&start);
    Ok(text.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty()).unwrap_or("").into())
}

/// Whether a .json file is rows: its first line is an object by itself.
fn rows_of(path: &Path) -> anyhow::Result<bool> {
    Ok(matches!(serde_json::from_str(&first_line(path)?), Ok(Value::Object(_))))
}

/// The field with the text if rows have no field `text`.
fn text_field(path: &Path, format: &str, named: &Path) -> anyhow::Result<Option<String>> {
    let line = first_line(path)?;
    let (fields, word): (Vec<String>, _) = match format {
        "jsonl" => match serde_json::from_str(&line) {
            Ok(Value::Object(row)) => {
                (row.into_iter().filter(|(_, v)| v.is_string()).map(|(name, _)| name).collect(), "field")
            }
            // What is wrong with the row is told by the reader, with its place.
            _ => return Ok(None),
        },
        "csv" | "tsv" => {
            let comma = if line.contains('\t') {
                '\t'
            } else if line.contains(';') {
                ';'
            } else {
                ','
            };
            (line.split(comma).map(|name| name.trim().trim_matches('"').to_string()).collect(), "column")
        }
        _ => return Ok(None),
    };
    if fields.iter().any(|field| field == "text") {
        return Ok(None);
    }
    let known = TEXTS.iter().find(|name| fields.iter().any(|field| field == *name));
    match (known, &fields[..]) {
        (Some(name), _) => Ok(Some((*name).into())),
        (None, [only]) => Ok(Some(only.clone())),
        (None, _) => {
            let have = if fields.is_empty() { "none with a text".into() } else { fields.join(", ") };
            Err(Fault::new(
                format!("rows of `{}` have no {word} `text`; they have {have}", path.display()),
                format!("write a recipe whose source on `{}` names it: text_field = \"..\"", named.display()),
            ))
        }
    }
}

/// The first words of a text, without what a shell or TOML would read otherwise.
fn beginning(text: &str) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '-') && word.chars().count() < 24
    };
    for line in text.lines().take(200) {
        let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
        let words: Vec<&str> =
            line.split(' ').map_while(|word| plain(word).then_some(word)).take(3).collect();
        if words.len() >= 2 {
            return words.join(" ");
        }
    }
    String::new()
}
