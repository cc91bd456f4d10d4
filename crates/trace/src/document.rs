//! The fate of one document: what the corpus made of it, and every step that saw it.

use regimen_corpus::inspect::{Verdict, verdicts};
use regimen_corpus::tag::Shape;
use regimen_corpus::warc::Span;
use regimen_corpus::{Corpus, KeptRange};
use regimen_ledger::Artifact;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::view::{RunView, View};

/// Everything known of a document.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentTrace {
    /// Its key, 32 hexadecimal digits.
    pub key: String,
    /// Its own id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// SPDX expression.
    pub licence: String,
    /// `human`, `machine`, `mixed` or `unknown`.
    pub author: String,
    /// File and row that it was read from, and for a record of a crawl the bytes of the file: `place.warc.gz`, record 17,
    /// bytes 12345..14567.
    pub place: String,
    /// Those bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What the corpus keeps of the metadata of its row, such as its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
    /// Bytes of text.
    pub bytes: u64,
    /// Whether the text was brought into Unicode NFC, so that its bytes are not those of the source.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub normalised: bool,
    /// `train` or `validation`; none if it was dropped.
    pub split: Option<String>,
    /// Why it was dropped, if it was.
    pub dropped: Option<String>,
    /// `source:id` of the document that this one was dropped as a copy of.
    pub representative: Option<String>,
    /// What became of that one; none if this is no copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub representative_fate: Option<Fate>,
    /// `source:id` of the dropped copies of this document.
    pub copies: Vec<String>,
    /// Its value on every rule of the filter.
    pub rules: Vec<Rule>,
    /// What each threshold of the stage's `drop` expressions says of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<Verdict>,
    /// What the taggers gave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagValue>,
    /// The ranges of its source text that were kept, with what stands behind each; none if all of it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_ranges: Option<Vec<Kept>>,
    /// Tokens of its text and the end token; none if no token shard is known or holds it.
    pub slots: Option<u64>,
    /// How often the token shards have it.
    #[serde(skip_serializing_if = "is_once")]
    pub times: u64,
    /// The runs that could see it, or the copy that stayed.
    pub runs: Vec<RunSeen>,
}

/// What became of the document that another one is a copy of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fate {
    /// Whether the two have the same text, rather than the same URL or nearly the same text.
    pub same_text: bool,
    /// `train` or `validation`; none if it was dropped after the copy was.
    pub split: Option<String>,
    /// Why it was dropped, if it was.
    pub dropped: Option<String>,
}

/// A rule's verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// Name of the rule.
    pub name: String,
    /// The document's value.
    pub value: f32,
    /// The threshold in words.
    pub threshold: String,
    /// Whether it passed.
    pub passed: bool,
}

/// What a tagger gave.
#[derive(Clone, Debug, Serialize)]
pub struct TagValue {
    /// `tagger.attribute`.
    pub attribute: String,
    /// The label that was found, of a tagger that finds labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The value; of spans how many there are, of a mark 1 if it is there; none of a label.
    pub number: Option<f64>,
    /// The spans in bytes of the source text, with their scores; empty for values and marks.
    pub spans: Vec<(u32, u32, f64)>,
}

/// A range of the source text that was kept.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub bytes: u32,
    /// What was put behind it.
    pub replacement: Option<String>,
}

/// What one run saw of it.
#[derive(Clone, Debug, Serialize)]
pub struct RunSeen {
    /// Name of the run's stage.
    pub stage: String,
    /// Its key, shortened.
    pub key: String,
    /// Whether the run trained without it.
    pub withheld: bool,
    /// Every time it was seen, by step.
    pub seen: Vec<Seen>,
}

/// A step that saw a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// The step, from 1.
    pub step: u64,
    /// Row of the batch.
    pub row: usize,
    /// First token of the document in that row, counted in the document.
    pub first: u64,
    /// Tokens of it in that row.
    pub tokens: u64,
    /// Whether the step updated nothing.
    pub skipped: bool,
    /// Which copy of the document it was, from 0.
    #[serde(skip_serializing_if = "is_first")]
    pub copy: u16,
}

/// Whether a copy is the first one: of most documents there is no other.
pub(crate) fn is_first(copy: &u16) -> bool {
    *copy == 0
}

/// Whether a document is there once, as most are.
fn is_once(times: &u64) -> bool {
    *times <= 1
}

/// Trace the document `ordinal`.
pub fn document(view: &View, ordinal: u32) -> Result<DocumentTrace> {
    let corpus = &view.corpus;
    let row = corpus.row(ordinal);
    let representative = row.representative.filter(|&r| r != ordinal);
    let kept = representative.unwrap_or(ordinal);
    let span = corpus.span(ordinal)?;
    let stream = view.tokens.as_ref().and_then(|tokens| tokens.stream_of(kept));
    let slots = stream.and_then(|stream| stream.slots_of(kept)).map(|slots| slots.end - slots.start);
    let times = stream.map_or(0, |stream| stream.copies_of(kept).count() as u64);
    Ok(DocumentTrace {
        key: row.key.to_string(),
        id: corpus.id(ordinal).to_string(),
        source: corpus.source_name(row.source).to_string(),
        licence: corpus.licence_name(row.licence).to_string(),
        author: row.author.name().to_string(),
        place: match &span {
            Some(span) => format!("{}, {span}", corpus.place(ordinal)),
            None => corpus.place(ordinal).to_string(),
        },
        span,
        metadata: metadata(corpus, ordinal)?,
        bytes: u64::from(row.bytes),
        normalised: row.normalised,
        split: row.kept().then(|| row.split.name().to_string()),
        dropped: dropped(corpus, ordinal),
        representative: representative.map(|r| corpus.name(r)),
        representative_fate: representative.map(|r| Fate {
            same_text: row.dropped.is_some_and(|reason| corpus.reason_name(reason) == "duplicate"),
            split: corpus.row(r).kept().then(|| corpus.row(r).split.name().to_string()),
            dropped: dropped(corpus, r),
        }),
        copies: copies(corpus, ordinal),
        rules: corpus
            .rules(ordinal)
            .into_iter()
            .map(|rule| Rule {
                name: rule.name.to_string(),
                value: rule.value,
                threshold: rule.threshold,
                passed: rule.passed,
            })
            .collect(),
        drops: verdicts(corpus, &Artifact::open(corpus.dir())?.manifest.config, ordinal)?,
        tags: tags(corpus, ordinal)?,
        kept_ranges: corpus.keep_map(ordinal)?.map(|map| kept_ranges(corpus, &map)),
        slots,
        times,
        runs: view
            .runs
            .iter()
            .map(|run| RunSeen {
                stage: run.stage.clone(),
                key: run.key.clone(),
                withheld: run.withheld.contains(kept),
                seen: seen(run, kept),
            })
            .collect(),
    })
}

/// Why a document was dropped, if it was.
fn dropped(corpus: &Corpus, ordinal: u32) -> Option<String> {
    let reason = corpus.row(ordinal).dropped?;
    Some(format!("{}: {}", corpus.reason_name(reason), corpus.reason_text(reason)))
}

fn metadata(corpus: &Corpus, ordinal: u32) -> Result<Option<Box<RawValue>>> {
    let damaged = |_| regimen_corpus::Error::Record { what: "the metadata of a document" };
    let written = corpus.metadata(ordinal)?.map(|text| RawValue::from_string(text.into()));
    Ok(written.transpose().map_err(damaged)?)
}

fn tags(corpus: &Corpus, ordinal: u32) -> Result<Vec<TagValue>> {
    let each = corpus.tags(ordinal)?.into_iter().map(|tagged| {
        let spans = &tagged.spans;
        let (number, spans) = match tagged.attribute.shape {
            Shape::Label => (None, Vec::new()),
            Shape::Value => (spans.first().map(|span| span.score), Vec::new()),
            Shape::Flag => (Some(spans.len() as f64), Vec::new()),
            Shape::Spans => {
                (Some(spans.len() as f64), spans.iter().map(|s| (s.start, s.end, s.score)).collect())
            }
        };
        let label = tagged.label().map(str::to_string);
        TagValue { attribute: tagged.attribute.full(), label, number, spans }
    });
    Ok(each.collect())
}

fn kept_ranges(corpus: &Corpus, map: &[KeptRange]) -> Vec<Kept> {
    let words = &corpus.names().replacements;
    let replacement = |number: u8| usize::from(number).checked_sub(1).and_then(|i| words.get(i)).cloned();
    map.iter()
        .map(|range| Kept {
            start: range.start,
            bytes: range.length,
            replacement: replacement(range.replacement),
        })
        .collect()
}

fn copies(corpus: &Corpus, ordinal: u32) -> Vec<String> {
    (0..corpus.len() as u32)
        .filter(|&other| other != ordinal && corpus.row(other).representative == Some(ordinal))
        .map(|other| corpus.name(other))
        .collect()
}

/// Every time a run saw a training document, in any of its copies, by step and row. Empty for a withheld document.
pub fn seen(run: &RunView, ordinal: u32) -> Vec<Seen> {
    if run.withheld.contains(ordinal) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (copy, slots) in run.tokens.train().copies_of(ordinal) {
        for instance in run.packing.instances_of(slots.clone()) {
            let here = run.packing.slots_of(instance);
            let (start, end) = (here.start.max(slots.start), here.end.min(slots.end));
            for step in run.schedule.steps_of(instance, run.steps) {
                let rows = run.schedule.instances(step);
                for (row, _) in rows.iter().enumerate().filter(|(_, i)| **i == instance) {
                    found.push(Seen {
                        step: step + 1,
                        row,
                        first: start - slots.start,
                        tokens: end - start,
                        skipped: run.skipped.binary_search(&step).is_ok(),
                        copy,
                    });
                }
            }
        }
    }
    found.sort_by_key(|seen| (seen.step, seen.row, seen.copy));
    found
}
