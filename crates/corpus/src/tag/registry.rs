//! The table of taggers, and a set of them made for a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use regimen_base::{Hash256, Hint, fs, suggest};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ANY, Attribute, Buffers, Document, Kind, Scratch, Shape, Tagger, Tags};
use crate::error::{Error, Result};
use crate::names::AttributeName;

/// All taggers, in the order in which they are listed.
pub static TAGGERS: &[&Kind] = &[
    &super::gopher_dolma::KIND,
    &super::gopher_datatrove::KIND,
    &super::c4_dolma::KIND,
    &super::c4::KIND,
    &super::fineweb::KIND,
    &super::pii_dolma::KIND,
    &super::classify::LANGUAGE,
    &super::labels::LANGUAGES,
    &super::classify::FASTTEXT,
    &super::labels::CLASSES,
    &super::perplexity::KIND,
    &super::decontaminate::KIND,
    &super::pii::KIND,
    &super::pii_datatrove::KIND,
    &super::code_redpajama::KIND,
    &super::code_starcoder::KIND,
    &super::code_copyright::KIND,
    &super::url::KIND,
    &super::licence::KIND,
    &super::licence_dolma::KIND,
    &super::repetition::KIND,
    &super::readability::KIND,
    &super::punctuation::KIND,
    &super::paragraph_length::KIND,
    &super::random_number::KIND,
    &super::length::KIND,
    &super::author::KIND,
];

/// A tagger that a config or a command line asks for.
#[derive(Clone, Debug, Deserialize)]
pub struct Wanted {
    /// Name of its kind, or one of its aliases.
    pub tagger: String,
    /// What its attributes are called after, if not after the tagger: needed when one kind is used twice.
    #[serde(default)]
    pub name: Option<String>,
    /// What else the config says, such as files of models and words.
    #[serde(flatten)]
    pub params: Map<String, Value>,
}

impl Wanted {
    /// A tagger without parameters.
    pub fn named(tagger: &str) -> Wanted {
        Wanted { tagger: tagger.into(), name: None, params: Map::new() }
    }
}

/// What a config says of one tagger, for its constructor.
pub struct Params<'p> {
    tagger: &'p str,
    of: &'p Map<String, Value>,
    root: &'p Path,
    called: &'p Called,
}

/// What files are called in messages, by their paths, that are not called by these: copies of objects of a store.
pub(crate) type Called = BTreeMap<PathBuf, String>;

impl Params<'_> {
    /// The tagger.
    pub(crate) fn tagger(&self) -> &str {
        self.tagger
    }

    /// There must be none.
    pub(crate) fn none(&self) -> Result<()> {
        self.only(&[])
    }

    /// There must be no other ones.
    pub(crate) fn only(&self, known: &[&str]) -> Result<()> {
        let given = self.of.iter().filter(|(_, value)| !value.is_null());
        match given.map(|(key, _)| key).find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(Error::TaggerField {
                tagger: self.tagger.into(),
                field: key.clone(),
                reason: "it is not known".into(),
                hint: match known {
                    [] => format!("`{}` takes no fields", self.tagger),
                    known => suggest::hint(key, known.iter().copied()),
                },
            }),
        }
    }

    /// What is wrong with a field.
    pub(crate) fn wrong(&self, field: &str, reason: impl Into<String>) -> Error {
        Error::TaggerField {
            tagger: self.tagger.into(),
            field: field.into(),
            reason: reason.into(),
            hint: format!("`regimen corpus taggers {}` describes it", self.tagger),
        }
    }

    /// A text, if it is given.
    pub(crate) fn text(&self, field: &str) -> Result<Option<&str>> {
        match self.of.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, format!("it must be a text, found {other}"))),
        }
    }

    /// A whole number that is not negative, if it is given: as a number, or as a text of digits.
    pub(crate) fn integer(&self, field: &str) -> Result<Option<u64>> {
        match self.of.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                number.map(Some).ok_or_else(|| {
                    self.wrong(field, format!("it must be a whole number from 0 on, found {value}"))
                })
            }
        }
    }

    /// Whether something is asked for: true or false, or a text that says so.
    pub(crate) fn flag(&self, field: &str) -> Result<bool> {
        match self.of.get(field) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(self.wrong(field, format!("it must be true or false, found {other}"))),
        }
    }

    /// A path, if it is given: relative to the project.
    pub(crate) fn path(&self, field: &str) -> Result<Option<PathBuf>> {
        Ok(self.text(field)?.map(|path| self.root.join(path)))
    }

    /// What a file is called in messages.
    pub(crate) fn called(&self, path: &Path) -> String {
        self.called.get(path).cloned().unwrap_or_else(|| path.display().to_string())
    }

    /// The text of a file, if its name is given.
    pub(crate) fn file(&self, field: &str) -> Result<Option<String>> {
        self.opened(field, |path| Ok(fs::read_text(path)?))
    }

    /// What is opened of a file, if its name is given.
    pub(crate) fn opened<T>(&self, field: &str, open: impl FnOnce(&Path) -> Result<T>) -> Result<Option<T>> {
        let Some(path) = self.path(field)? else { return Ok(None) };
        match open(&path) {
            // Which file is meant the field tells.
            Err(Error::File(error)) => {
                let start = if self.root.as_os_str().is_empty() { "current folder" } else { "project root" };
                let hint = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        Some(format!("check the path; relative paths start at the {start}"))
                    }
                    _ => error.hint(),
                };
                let hint = hint.unwrap_or_else(|| "check the file".into());
                let (tagger, field, reason) = (self.tagger.into(), field.into(), error.to_string());
                Err(Error::TaggerField { tagger, field, reason, hint })
            }
            opened => opened.map(Some),
        }
    }
}

/// One attribute of a set: which tagger gives it.
#[derive(Clone, Debug)]
pub struct SetAttribute {
    /// What the tagger is called in this set.
    pub tagger: String,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// Of a [`Shape::Label`] the classes, by number; empty for others, and while no tagger was made.
    pub labels: Arc<[String]>,
}

impl SetAttribute {
    fn new(tagger: &str, attribute: &'static Attribute) -> SetAttribute {
        SetAttribute { tagger: tagger.into(), attribute, labels: Arc::default() }
    }

    /// `TAGGER.ATTRIBUTE`.
    pub fn full(&self) -> String {
        format!("{}.{}", self.tagger, self.attribute.name)
    }
}

/// Taggers that run together over each document.
pub struct Set {
    taggers: Vec<(Box<dyn Tagger>, usize)>,
    attributes: Vec<SetAttribute>,
    /// Names in this set, kinds, versions, and what the config says, for keys of results.
    identities: Vec<(String, String)>,
}

/// An attribute that was named at run time. Each is made once and lives as long as the program, like those of taggers:
/// there are as many as the files that it reads have names for, at most a few thousand.
fn interned(name: &str, shape: Shape) -> &'static Attribute {
    static KNOWN: Mutex<Vec<&'static Attribute>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.iter().find(|one| one.name == name && one.shape == shape) {
        return found;
    }
    let doc = "from the attribute files of the documents";
    let name = Box::leak(name.to_string().into_boxed_str());
    let made: &'static Attribute = Box::leak(Box::new(Attribute { name, shape, doc, range: ANY }));
    known.push(made);
    made
}

/// The kind with a name or alias.
fn kind(name: &str) -> Result<&'static Kind> {
    let fits = |kind: &&&Kind| kind.name == name || kind.aliases.contains(&name);
    TAGGERS.iter().find(fits).copied().ok_or_else(|| {
        let names =
            TAGGERS.iter().flat_map(|kind| std::iter::once(kind.name).chain(kind.aliases.iter().copied()));
        Error::UnknownTagger { name: name.into(), hint: suggest::hint(name, names) }
    })
}

impl Set {
    /// Make taggers; files of theirs are relative to the working folder.
    ///
    /// # Errors
    /// [`Error::UnknownTagger`], [`Error::TaggerField`], [`Error::File`].
    pub fn new(wanted: &[Wanted]) -> Result<Set> {
        Set::in_project(wanted, Path::new(""))
    }

    /// What the taggers would give, without making them: enough to check names against.
    pub(crate) fn declared(wanted: &[Wanted]) -> Result<Set> {
        Set::with(wanted, |_, _| Ok(None))
    }

    /// Make taggers; files of theirs are relative to `root`.
    pub fn in_project(wanted: &[Wanted], root: &Path) -> Result<Set> {
        Set::calling(wanted, root, &Called::new())
    }

    /// The same, with other names of some files in messages.
    pub(crate) fn calling(wanted: &[Wanted], root: &Path, called: &Called) -> Result<Set> {
        Set::with(wanted, |kind, one| {
            let params = Params { tagger: &one.tagger, of: &one.params, root, called };
            (kind.make)(&params).map(Some)
        })
        .and_then(|mut set| {
            set.identify(wanted, root)?;
            Ok(set)
        })
    }

    fn with(
        wanted: &[Wanted],
        make: impl Fn(&Kind, &Wanted) -> Result<Option<Box<dyn Tagger>>>,
    ) -> Result<Set> {
        let mut set = Set { taggers: Vec::new(), attributes: Vec::new(), identities: Vec::new() };
        for one in wanted {
            let kind = kind(&one.tagger)?;
            let name = one.name.clone().unwrap_or_else(|| one.tagger.clone());
            if set.identities.iter().any(|(other, _)| *other == name) {
                return Err(Error::TaggerField {
                    tagger: one.tagger.clone(),
                    field: "name".into(),
                    reason: format!("`{name}` is taken by a tagger before it"),
                    hint: "leave one of them out, or give each another `name` in a recipe".into(),
                });
            }
            let made = make(kind, one)?;
            let labels = made.as_ref().map(|tagger| tagger.labels()).unwrap_or_default();
            if let Some(tagger) = made {
                set.taggers.push((tagger, set.attributes.len()));
            }
            set.attributes.extend(kind.attributes.iter().map(|attribute| {
                let labels = if attribute.shape == Shape::Label { labels.clone() } else { Arc::default() };
                SetAttribute { labels, ..SetAttribute::new(&name, attribute) }
            }));
            set.identities.push((name, format!("{} {}", kind.name, kind.version)));
        }
        Ok(set)
    }

    /// Add what the config says, and the contents of the files that it names, to the identities.
    fn identify(&mut self, wanted: &[Wanted], root: &Path) -> Result<()> {
        for ((_, identity), one) in self.identities.iter_mut().zip(wanted) {
            identity.push_str(&format!(" {}", Value::Object(one.params.clone())));
            for (field, value) in &one.params {
                // What a file says counts, not its name alone.
                if let Some(path) = value.as_str().map(|path| root.join(path)).filter(|path| path.is_file()) {
                    identity.push_str(&format!(" {field}={}", Hash256::of_file(&path)?.0));
                }
            }
        }
        Ok(())
    }

    /// The attributes of all taggers, by slot.
    pub fn attributes(&self) -> &[SetAttribute] {
        &self.attributes
    }

    /// Add attributes that no tagger of the set gives, but that come with the documents: their slots are the last ones.
    ///
    /// # Errors
    /// [`Error::TaggerField`] if a tagger is called `tagger` already.
    pub(crate) fn declare(&mut self, tagger: &str, attributes: &[(String, Shape)]) -> Result<()> {
        if attributes.is_empty() {
            return Ok(());
        }
        if self.identities.iter().any(|(name, _)| name == tagger) {
            return Err(Error::TaggerField {
                tagger: tagger.into(),
                field: "name".into(),
                reason: format!("`{tagger}` is what attributes that come with documents are called after"),
                hint: "give the tagger another `name`".into(),
            });
        }
        let declared = |(name, shape): &(String, Shape)| SetAttribute::new(tagger, interned(name, *shape));
        self.attributes.extend(attributes.iter().map(declared));
        Ok(())
    }

    /// What the labels in a corpus were when its taggers ran, for a set whose taggers were not made.
    pub(crate) fn recall(&mut self, attributes: &[AttributeName]) {
        for (own, then) in self.attributes.iter_mut().zip(attributes) {
            own.labels = then.labels.clone().into();
        }
    }

    /// Whether there is no tagger.
    pub fn is_empty(&self) -> bool {
        self.taggers.is_empty()
    }

    /// All that decides over what the taggers find: names, kinds, versions, configs, contents of their files.
    pub(crate) fn identity(&self, add: &mut dyn FnMut(&str)) {
        for (name, identity) in &self.identities {
            add(name);
            add(identity);
        }
    }

    /// The slot of `tagger.attribute`.
    ///
    /// # Errors
    /// [`Error::UnknownAttribute`], with the nearest name that a tagger of the set declares.
    pub fn slot(&self, name: &str) -> Result<(usize, Shape)> {
        match self.attributes.iter().position(|a| a.full() == name) {
            Some(slot) => Ok((slot, self.attributes[slot].attribute.shape)),
            None => {
                let names: Vec<String> = self.attributes.iter().map(SetAttribute::full).collect();
                let hint = if names.is_empty() {
                    "no tagger runs: name those you need in `tag`".to_string()
                } else {
                    suggest::hint(name, names.iter().map(String::as_str))
                };
                Err(Error::UnknownAttribute { name: name.into(), hint })
            }
        }
    }

    /// Run all taggers over one document.
    pub(crate) fn tag(
        &self,
        text: &str,
        metadata: &str,
        buffers: &mut Buffers,
        scratch: &mut Scratch,
        out: &mut Tags,
    ) {
        out.begin(self.attributes.len(), text.len() as u32);
        if self.taggers.is_empty() {
            return;
        }
        let document = Document { view: buffers.view(text), metadata };
        for (tagger, base) in &self.taggers {
            out.of(*base);
            tagger.tag(&document, scratch, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;
    use regimen_base::Hint;

    /// Texts of few words and lines, so that much is repeated, and of anything.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "the ",
            "of",
            " and\n",
            "\n",
            "\r\n",
            "#",
            "...",
            "\u{2026}",
            "- a\n",
            "* b\n",
            "1.5 ",
            "/* x */\n",
            "# c\n",
            "<p>",
            "</p>",
            "\u{e9}",
            "\u{4e2d}",
            "\u{a0}",
            "?\n",
            "me@x.org ",
            "\u{0}",
            "a\u{301}",
            "{",
            "555 123 4567 ",
            "<!--",
            "&amp;",
            "\"\"\"",
            "javascript ",
        ]);
        prop_oneof![
            prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat()),
            "\\PC{0,80}",
            "[ab \n]{0,200}",
        ]
    }

    proptest! {
        #[test]
        fn values_lie_where_their_attributes_say(
            text in texts(), ext in prop::sample::select(vec!["py", "js", "java", "html", "x"]),
        ) {
            static ALONE: LazyLock<Set> = LazyLock::new(|| {
                // Some need a file.
                let alone = |wanted: &Wanted| Set::new(std::slice::from_ref(wanted)).is_ok();
                let wanted: Vec<Wanted> =
                    TAGGERS.iter().map(|kind| Wanted::named(kind.name)).filter(alone).collect();
                assert!(wanted.len() > 15);
                Set::new(&wanted).unwrap()
            });
            let set = &*ALONE;
            let mut room = crate::tag::Room::default();
            let tags = set.tags(&text, &format!("{{\"ext\":\"{ext}\"}}"), &mut room);
            for (slot, one) in set.attributes().iter().enumerate() {
                let (least, most) = one.attribute.range;
                for span in tags.spans(slot) {
                    let inside = (least..=most).contains(&span.score);
                    prop_assert!(inside, "{}.{}: {}", one.tagger, one.attribute.name, span.score);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_attributes_too() {
        let mut names: Vec<&str> =
            TAGGERS.iter().flat_map(|k| std::iter::once(k.name).chain(k.aliases.iter().copied())).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for kind in TAGGERS {
            assert!(kind.about.ends_with('.'), "{}", kind.name);
            let mut attributes: Vec<&str> = kind.attributes.iter().map(|a| a.name).collect();
            attributes.sort_unstable();
            attributes.dedup();
            assert_eq!(attributes.len(), kind.attributes.len(), "{}", kind.name);
            for (at, one) in kind.attributes.iter().enumerate().filter(|(_, one)| one.shape == Shape::Label) {
                let sure = &kind.attributes[at + 1];
                assert_eq!(
                    (sure.shape, one.name, sure.name),
                    (Shape::Value, "label", "score"),
                    "{}",
                    kind.name
                );
            }
        }
    }

    #[test]
    fn what_is_not_known_is_told_with_what_is_near() {
        let error = Set::new(&[Wanted::named("gopher_v9")]).err().unwrap();
        assert!(error.hint().unwrap().contains("gopher_v1"), "{:?}", error.hint());
        let set = Set::new(&[Wanted::named("gopher_v1")]).unwrap();
        assert!(set.slot("gopher_v1.word_count").is_ok());
        // The slip in Dolma's own configs: without the s the rule would never fire.
        let error = set.slot("gopher_v1.fraction_of_characters_in_most_common_2gram").unwrap_err();
        assert!(error.hint().unwrap().contains("most_common_2grams"), "{:?}", error.hint());
        let mut odd = Wanted::named("length");
        odd.params.insert("bad_words".into(), 3.into());
        assert!(Set::new(&[odd.clone()]).err().unwrap().to_string().contains("bad_words"));
        odd.tagger = "c4@dolma".into();
        assert!(Set::new(&[odd]).err().unwrap().to_string().contains("must be a text"));
        let twice = [Wanted::named("length"), Wanted::named("length")];
        assert!(Set::new(&twice).err().unwrap().to_string().contains("taken"));
    }
}
