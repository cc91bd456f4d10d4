//! What is done to every document by itself: tags, rules, edits, and the hashes that deduplication compares.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_recipe::Problem;

use crate::config::{Config, Source};
use crate::dedup::{Keep, MinHasher, Work, url};
use crate::edit::{Cut, apply, encode};
use crate::error::{Error, Result};
use crate::expr::{Facts, Truth, parse};
use crate::memory::Memory;
use crate::names::Reason;
use crate::paragraphs::{Compared, ngrams};
use crate::part::Hashes;
use crate::read::attributes::{TAGGER, given as given_by};
use crate::read::field;
use crate::tag::{Buffers, Scratch, Set, Shape, Span, Tags, Wanted, stored};

/// A rule of `edit`.
struct Edit {
    slot: usize,
    when: Option<Truth>,
    least: Option<f64>,
    /// Number of the replacement, from 1; 0 for none.
    replacement: u8,
}

/// Tags, rules and edits, ready to run.
pub(crate) struct Pipeline {
    set: Set,
    shapes: Vec<Shape>,
    drops: Vec<Truth>,
    /// The expressions as they were written.
    rules: Vec<String>,
    edits: Vec<Edit>,
    /// What stands in place of spans, by number from 1.
    pub replacements: Vec<String>,
    by_url: bool,
    near: Option<(MinHasher, Keep)>,
    paragraphs: Option<Compared>,
    /// N-grams of one document that may be compared.
    most: u64,
    /// Slot of the first attribute that comes with the documents.
    imported: usize,
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Room {
    buffers: Buffers,
    scratch: Scratch,
    tags: Tags,
    work: Work,
    cuts: Vec<Cut>,
    /// The hashes of the last document.
    pub hashes: Hashes,
}

/// What is known of a document when it comes here.
pub(crate) struct Given<'d> {
    pub source: &'d str,
    pub id: &'d str,
    pub licence: &'d str,
    pub author: &'d str,
    pub metadata: &'d str,
    /// What its attribute files say of it, by number of the attribute.
    pub attributes: &'d [(u32, Span)],
}

/// What became of a document.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The rule of `drop` that drops it.
    pub dropped: Option<usize>,
    /// Whether edits left nothing of it.
    pub emptied: bool,
    /// Its tags as bytes.
    pub tags: Vec<u8>,
    /// Its keep map as bytes; empty if nothing was cut.
    pub keep: Vec<u8>,
    /// If it has more n-grams than the memory bears, how many were found and how many it bears.
    pub crowded: Option<(u64, u64)>,
}

impl Pipeline {
    /// Check the config of a stage against what its taggers declare, without making the taggers.
    pub fn check(config: &Config) -> std::result::Result<(), Problem> {
        let problem = |path: String, error: &dyn regimen_base::Hint| {
            let (message, hint) = (error.to_string(), error.hint());
            Err(Problem { path, message, hint })
        };
        let mut set = match Set::declared(&config.tag) {
            Ok(set) => set,
            Err(error) => return problem("tag".into(), &error),
        };
        let given: BTreeMap<String, Shape> =
            config.sources.iter().flat_map(given_by).map(|(name, shape)| (name.clone(), shape)).collect();
        if let Err(error) = set.declare(TAGGER, &given.into_iter().collect::<Vec<_>>()) {
            return problem("tag".into(), &error);
        }
        // Names that stand in files alone are known, and checked, when the run begins.
        let open = |s: &Source| s.attributes.is_some() && given_by(s).next().is_none();
        let open = config.sources.iter().any(open);
        let later = |words: &str| open && words.contains(TAGGER);
        for (i, rule) in config.drop.iter().enumerate().filter(|(_, rule)| !later(rule)) {
            if let Err(error) = parse(rule, &set) {
                return problem(format!("drop.{i}"), &error);
            }
        }
        for (i, edit) in config.edit.iter().enumerate() {
            if later(&edit.spans) || edit.when.as_deref().is_some_and(later) {
                continue;
            }
            match set.slot(&edit.spans) {
                Err(error) => return problem(format!("edit.{i}.spans"), &error),
                Ok((_, Shape::Spans)) => {}
                Ok(_) => {
                    return Err(Problem {
                        path: format!("edit.{i}.spans"),
                        message: format!("`{}` does not mark spans of the text", edit.spans),
                        hint: Some("`regimen corpus taggers NAME` shows which attributes are spans".into()),
                    });
                }
            }
            if let Some(Err(error)) = edit.when.as_ref().map(|when| parse(when, &set)) {
                return problem(format!("edit.{i}.when"), &error);
            }
        }
        if config.edit.len() > 255 {
            return Err(Problem {
                path: "edit".into(),
                message: format!("{} edits are too many: at most 255", config.edit.len()),
                hint: Some("let one attribute stand for several".into()),
            });
        }
        Ok(())
    }

    /// Make all that the config asks for; files are relative to `root`. `imported` are the attributes that come with the
    /// documents.
    ///
    /// # Errors
    /// Those of taggers and expressions, and [`Error::TaggerField`] for edits by attributes that mark no spans.
    pub fn new(config: &Config, root: &Path, imported: &[(String, Shape)]) -> Result<Pipeline> {
        let mut set = Set::in_project(&config.tag, root)?;
        let first_imported = set.attributes().len();
        set.declare(TAGGER, imported)?;
        let drops = config.drop.iter().map(|rule| parse(rule, &set)).collect::<Result<_>>()?;
        let mut replacements: Vec<String> = Vec::new();
        let mut edits = Vec::new();
        for edit in &config.edit {
            let replacement = match replacements.iter().position(|known| *known == edit.replace) {
                _ if edit.replace.is_empty() => 0,
                Some(known) => known + 1,
                None => {
                    replacements.push(edit.replace.clone());
                    replacements.len()
                }
            };
            let (slot, shape) = set.slot(&edit.spans)?;
            if shape != Shape::Spans {
                return Err(Error::TaggerField {
                    tagger: TAGGER.into(),
                    field: edit.spans.clone(),
                    reason: "it is one number, and an edit needs spans of the text".into(),
                    hint: "name it in `attribute_spans` of the source if it marks spans".into(),
                });
            }
            edits.push(Edit {
                slot,
                when: edit.when.as_ref().map(|when| parse(when, &set)).transpose()?,
                least: edit.least,
                replacement: replacement as u8,
            });
        }
        let near = match config.near.minhash()? {
            None => None,
            Some(minhash) => {
                Some((MinHasher::new(minhash)?, Keep::by_name(&config.near.keep).unwrap_or_default()))
            }
        };
        Ok(Pipeline {
            shapes: set.attributes().iter().map(|a| a.attribute.shape).collect(),
            set,
            drops,
            rules: config.drop.clone(),
            edits,
            replacements,
            by_url: config.dedup_url,
            near,
            paragraphs: config.paragraphs.wanted().then(|| config.paragraphs.compared()),
            most: Memory::new(config.memory).longest() / ngrams::WEIGHT,
            imported: first_imported,
        })
    }

    /// The taggers.
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// Why documents are dropped here: one reason for each rule of `drop`, and, if there are edits, one for texts of which
    /// they leave nothing.
    pub fn reasons(&self) -> Vec<Reason> {
        let rule =
            |(i, rule): (usize, &String)| Reason { name: format!("drop_{}", i + 1), text: rule.clone() };
        let mut reasons: Vec<Reason> = self.rules.iter().enumerate().map(rule).collect();
        if !self.edits.is_empty() {
            reasons.push(Reason { name: "edited".into(), text: "edits left nothing of the text".into() });
        }
        reasons
    }

    /// Rules of `drop`.
    pub fn rules(&self) -> usize {
        self.drops.len()
    }

    /// Which of several alike documents stays.
    pub fn keep(&self) -> Keep {
        self.near.as_ref().map_or(Keep::First, |near| near.1)
    }

    /// Tag a document, hold it against the rules, and edit its text in place. `fails` tells that a rule before these drops
    /// it: then it is only tagged. The hashes of what stays are left in `room`.
    pub fn run(&self, given: &Given, text: &mut String, fails: bool, room: &mut Room) -> Outcome {
        let mut outcome = Outcome::default();
        let Room { buffers, scratch, tags, work, cuts, hashes } = room;
        if !self.shapes.is_empty() {
            self.set.tag(text, given.metadata, buffers, scratch, tags);
            for (number, span) in given.attributes {
                tags.push(self.imported + *number as usize, *span);
            }
            stored::encode(&self.shapes, tags, &mut outcome.tags);
        }
        if fails {
            return outcome;
        }
        let facts = Facts {
            bytes: text.len(),
            text,
            source: given.source,
            id: given.id,
            licence: given.licence,
            author: given.author,
            metadata: given.metadata,
            tags,
        };
        outcome.dropped = self.drops.iter().position(|rule| rule.of(&facts));
        if outcome.dropped.is_some() {
            return outcome;
        }
        cuts.clear();
        for edit in &self.edits {
            if edit.when.as_ref().is_none_or(|when| when.of(&facts)) {
                let spans = tags.spans(edit.slot).iter();
                let spans = spans.filter(|span| edit.least.is_none_or(|least| span.score >= least));
                cuts.extend(spans.map(|s| Cut { start: s.start, end: s.end, replacement: edit.replacement }));
            }
        }
        if let Some((left, map)) = apply(text, cuts, &self.replacements) {
            encode(&map, &mut outcome.keep);
            *text = left;
            outcome.emptied = text.trim().is_empty();
            if outcome.emptied {
                return outcome;
            }
        }
        if self.by_url
            && let Some(address) = field::text(given.metadata, "url")
        {
            hashes.url = url::key(&address);
        }
        if let Some((hasher, _)) = &self.near
            && hasher.sign(text, work)
        {
            hashes.bands.extend_from_slice(work.bands());
        }
        if let Some(compared) = &self.paragraphs {
            let number = compared.hashes(text, self.most, &mut hashes.paragraphs);
            outcome.crowded =
                (compared.ngrams.is_some() && number > self.most).then_some((number, self.most));
        }
        outcome
    }
}

/// The taggers that a config asks for.
pub(crate) type Taggers = Vec<Wanted>;
