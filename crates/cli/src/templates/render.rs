//! The text of a recipe: templates with `{{words}}` to fill in.

use std::path::Path;

use serde_json::Value;

use super::shape::BATCH;
use super::{Purpose, Shape, Start, Survey, vocabulary};

/// The stage that trains.
pub const MODEL: &str = "base";

const BASE: &str = include_str!("base.toml");
const CORPUS: &str = include_str!("corpus.toml");
const CONTINUE: &str = include_str!("continue.toml");
const SOURCES: &str = include_str!("sources.toml");

/// Documents that validation needs to be worth something.
const HELD_OUT: f64 = 10.0;
/// Fewer documents than this are cut into more.
const FEW: f64 = 100.0;
/// Texts longer than this are cut, so that what is held out is more than one of them.
const LONG: f64 = 50_000.0;

/// All that a recipe is made of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name.
    pub name: String,
    /// The first line.
    pub title: String,
    /// The command that runs it.
    pub command: String,
    /// More about it, for the top of the file.
    pub about: String,
    /// The texts.
    pub survey: Survey,
    /// The project, which paths start from.
    pub root: std::path::PathBuf,
    /// The model to go on from.
    pub start: Option<Start>,
    /// Ids of the vocabulary.
    pub vocab: u64,
    /// The model's shape.
    pub shape: Shape,
    /// Its steps.
    pub steps: u64,
}

impl Draft {
    /// A draft whose size is still to be chosen.
    pub fn new(purpose: Purpose, survey: Survey, root: &Path, start: Option<Start>) -> Draft {
        let (shape, vocab) = match &start {
            Some(start) => (start.shape, start.vocab),
            None => (super::shape::TINY, vocabulary(survey.text())),
        };
        Draft {
            purpose,
            name: survey.name(),
            title: String::new(),
            command: String::new(),
            about: String::new(),
            root: root.into(),
            start,
            vocab,
            shape,
            steps: 100,
            survey,
        }
    }

    /// Bytes at which plain texts are cut into documents; 0 leaves them whole.
    fn blocks(&self) -> u64 {
        let plain = self.survey.groups.iter().filter(|group| group.format == "text");
        let (text, files) =
            plain.fold((0.0, 0.0), |sum, group| (sum.0 + group.text, sum.1 + group.documents));
        if files > 0.0 && (self.survey.documents() < FEW || text / files > LONG) {
            return (text / FEW).clamp(400.0, 8000.0) as u64;
        }
        0
    }

    fn documents(&self) -> f64 {
        let blocks = self.blocks();
        let one = |group: &super::survey::Group| match group.format {
            "text" if blocks > 0 => group.text / blocks as f64,
            _ => group.documents,
        };
        self.survey.groups.iter().map(one).sum::<f64>().max(1.0)
    }

    /// Share of the documents that is held out.
    fn validation(&self) -> f64 {
        let share = (HELD_OUT / self.documents()).clamp(0.02, 0.2);
        (share * 100.0).ceil() / 100.0
    }

    /// A source for each ending.
    fn sources(&self) -> String {
        let place = &self.survey.place;
        let base = place.strip_prefix(&self.root).unwrap_or(place).to_string_lossy().into_owned();
        let name = self.survey.name();
        let blocks = self.blocks();
        let several = self.survey.groups.len() > 1;
        let mut lines = Vec::new();
        for group in &self.survey.groups {
            let path = match (&group.ending[..], &base[..]) {
                ("", "") => ".".to_string(),
                ("", base) => base.into(),
                (ending, "") => format!("**/*{}", escaped(ending)),
                (ending, base) => format!("{}/**/*{}", escaped(base), escaped(ending)),
            };
            let word = if group.ending.is_empty() { group.format } else { &group.ending };
            let source = if several { format!("{name}-{}", super::plain_name(word)) } else { name.clone() };
            let mut line =
                format!("name = {}, path = {}, format = {}", text(&source), text(&path), text(group.format));
            if let Some(field) = &group.field {
                line.push_str(&format!(", text_field = {}", text(field)));
            }
            if blocks > 0 && group.format == "text" {
                line.push_str(&format!(", blocks = {blocks}"));
            }
            line.push_str(", author = \"unknown\", licence = \"NOASSERTION\"");
            lines.push(format!("    {{ {line} }},"));
        }
        lines.join("\n")
    }
}

/// The recipe.
pub fn render(draft: &Draft) -> String {
    let template = match draft.purpose {
        Purpose::Base => BASE,
        Purpose::Corpus => CORPUS,
        Purpose::Continue => CONTINUE,
    };
    let Shape { layers, width, heads, context } = draft.shape;
    let start = draft.start.as_ref();
    let rate = if start.is_some() { draft.shape.rate() / 10.0 } else { draft.shape.rate() };
    let about = draft.about.lines().collect::<Vec<_>>().join("\n# ");
    let words: [(&str, String); 21] = [
        // The first, for it has words in it.
        ("corpus", SOURCES.into()),
        ("title", draft.title.clone()),
        ("command", draft.command.clone()),
        ("about", about),
        ("name", draft.name.clone()),
        ("validation", draft.validation().to_string()),
        ("vocab", draft.vocab.to_string()),
        ("steps", draft.steps.to_string()),
        ("batch", BATCH.to_string()),
        ("layers", layers.to_string()),
        ("width", width.to_string()),
        ("heads", heads.to_string()),
        ("context", context.to_string()),
        ("rate", format!("{rate:.4}").trim_end_matches('0').into()),
        ("every", (draft.steps / 5).clamp(1, 500).to_string()),
        ("prompt", text(&draft.survey.prompt)),
        ("tokenizer", start.map_or_else(String::new, |start| start.tokenizer.clone())),
        ("init", start.map_or_else(String::new, |start| start.model.clone())),
        ("model", start.map_or_else(String::new, |start| start.config.clone())),
        ("from", start.map_or_else(String::new, |start| format!("`{}`", start.word))),
        ("sources", draft.sources()),
    ];
    let mut made = template.to_string();
    for (word, value) in words {
        made = made.replace(&format!("{{{{{word}}}}}"), &value);
    }
    made
}

/// A text as TOML has it: a JSON string is one.
fn text(value: &str) -> String {
    Value::from(value).to_string()
}

/// A path in which nothing stands for other letters.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    for c in path.chars() {
        match c {
            '*' | '?' | '[' | ']' => escaped.extend(['[', c, ']']),
            c => escaped.push(c),
        }
    }
    escaped
}
