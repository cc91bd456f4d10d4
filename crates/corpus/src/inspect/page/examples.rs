//! Examples side by side: for every reason what went and what stayed, edited texts, and the largest clusters of copies.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::html::Html;
use super::text;
use crate::corpus::Corpus;
use crate::expr::Uses;
use crate::inspect::error::Result;
use crate::inspect::measure::{Measure, values};
use crate::inspect::originals::{Absent, Originals};
use crate::inspect::pieces::{Piece, pieces};
use crate::inspect::stats::Cluster;
use crate::tag::Shape;
use regimen_base::units::short;

/// Copies of a cluster whose text is shown.
const COPIES: usize = 3;

/// Documents of one reason.
struct Pairs {
    reason: u16,
    count: u64,
    /// What went, and what stayed beside it.
    pairs: Vec<(u32, Option<u32>)>,
}

/// All documents that the page shows.
pub(super) struct Chosen<'c> {
    corpus: &'c Corpus,
    measures: &'c [Measure],
    /// The attributes that the expressions of `drop` look at, by reason.
    slots: BTreeMap<String, Vec<usize>>,
    reasons: Vec<Pairs>,
    edited: Vec<u32>,
    edited_count: u64,
    clusters: Vec<Cluster>,
}

/// Source texts of the documents on the page; of some only why there is none.
pub(super) struct Texts {
    all: BTreeMap<u32, std::result::Result<String, String>>,
    pub absent: Vec<Absent>,
}

impl<'c> Chosen<'c> {
    /// Choose up to `most` documents of each reason, spread evenly over the corpus. Beside a document that a rule or
    /// an expression dropped stands a kept one whose value is nearest to the threshold, beside a copy what stayed in
    /// its place.
    pub fn new(
        corpus: &'c Corpus,
        originals: &Originals,
        measures: &'c [Measure],
        most: usize,
        clusters: Vec<Cluster>,
    ) -> Result<Chosen<'c>> {
        let mut by_reason: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        let (mut kept, mut edited) = (Vec::new(), Vec::new());
        for ordinal in 0..corpus.len() as u32 {
            match corpus.row(ordinal).dropped {
                Some(reason) => by_reason.entry(reason).or_default().push(ordinal),
                None => {
                    kept.push(ordinal);
                    if corpus.keep_map(ordinal)?.is_some() {
                        edited.push(ordinal);
                    }
                }
            }
        }
        let mut reasons = Vec::new();
        for (reason, gone) in by_reason {
            let beside = match measures.iter().find(|measure| measure.cuts(corpus.reason_name(reason))) {
                Some(measure) => nearest(corpus, &kept, measure, corpus.reason_name(reason), most)?,
                None => spread(&kept, most),
            };
            let pairs = spread(&gone, most)
                .into_iter()
                .enumerate()
                .map(|(i, gone)| (gone, corpus.row(gone).representative.or(beside.get(i).copied())))
                .collect();
            reasons.push(Pairs { reason, count: gone.len() as u64, pairs });
        }
        let slots = originals
            .drops(corpus)?
            .into_iter()
            .map(|(reason, truth)| (reason, Uses::of(&truth).slots))
            .collect();
        let edited_count = edited.len() as u64;
        let edited = spread(&edited, most);
        Ok(Chosen { corpus, measures, slots, reasons, edited, edited_count, clusters })
    }

    /// Read the source texts of all documents on the page, in one pass over the files.
    pub fn texts(&self, corpus: &Corpus, originals: &Originals) -> Result<Texts> {
        let mut wanted: Vec<u32> =
            self.reasons
                .iter()
                .flat_map(|pairs| pairs.pairs.iter().flat_map(|(gone, beside)| [Some(*gone), *beside]))
                .flatten()
                .chain(self.edited.iter().copied())
                .chain(self.clusters.iter().flat_map(|c| {
                    std::iter::once(c.representative).chain(c.copies.iter().take(COPIES).copied())
                }))
                .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut all = BTreeMap::new();
        let mut missing = Vec::new();
        for ordinal in wanted {
            match corpus.text(ordinal)? {
                Some(text) if corpus.keep_map(ordinal)?.is_none() => {
                    all.insert(ordinal, Ok(text.to_string()));
                }
                _ => missing.push(ordinal),
            }
        }
        let mut absent = Vec::new();
        for (ordinal, text) in missing.iter().zip(originals.texts(corpus, &missing)?) {
            if let Err(why) = &text {
                absent.push(Absent { ordinal: *ordinal, why: why.clone() });
            }
            all.insert(*ordinal, text);
        }
        Ok(Texts { all, absent })
    }

    pub fn write(&self, texts: &Texts, html: &mut Html) -> Result<()> {
        let corpus = self.corpus;
        html.raw("<section id=\"examples\"><h2>Examples</h2>");
        for pairs in &self.reasons {
            let (name, text) = (corpus.reason_name(pairs.reason), corpus.reason_text(pairs.reason));
            html.raw("<h3>").leaf("code", name).text(": ").text(text);
            html.text(&format!(" ({})", pairs.count)).raw("</h3>\n");
            for (gone, beside) in &pairs.pairs {
                html.raw("<div class=\"pair\">");
                self.document(texts, *gone, name, html)?;
                if let Some(beside) = beside {
                    self.document(texts, *beside, name, html)?;
                }
                html.raw("</div>\n");
            }
        }
        if !self.edited.is_empty() {
            html.raw("<h3>").text(&format!("Edited texts ({})", self.edited_count));
            html.raw("</h3><p class=\"small\"><del>Struck through</del> is what was cut out, <ins>framed</ins> what stands ");
            html.raw("in its place.</p><div class=\"pair\">");
            for &ordinal in &self.edited {
                self.document(texts, ordinal, "", html)?;
            }
            html.raw("</div>\n");
        }
        html.raw("</section>\n<section id=\"copies\"><h2>Copies</h2>");
        if self.clusters.is_empty() {
            html.leaf("p", "No document was dropped for another one that stayed.");
        }
        for cluster in &self.clusters {
            html.raw("<h3>").text(&cluster.document);
            html.text(&format!(" and {} more", cluster.copies.len())).raw("</h3><div class=\"pair\">");
            self.document(texts, cluster.representative, "", html)?;
            for &copy in cluster.copies.iter().take(COPIES) {
                self.document(texts, copy, "", html)?;
            }
            html.raw("</div>\n");
        }
        html.raw("</section>\n");
        Ok(())
    }

    /// One document: where it is from, its fate, its values against the thresholds of a reason, and its text, in which
    /// the spans that the reason looks at are highlighted.
    fn document(&self, texts: &Texts, ordinal: u32, reason: &str, html: &mut Html) -> Result<()> {
        let (corpus, row) = (self.corpus, self.corpus.row(ordinal));
        let name = corpus.name(ordinal);
        html.raw(if row.kept() { "<article>" } else { "<article class=\"gone\">" });
        html.leaf("h4", &name).raw("<p class=\"small\">");
        match row.dropped {
            Some(reason) => html.text("dropped: ").text(corpus.reason_name(reason)),
            None => html.text("kept"),
        };
        html.text(&format!(" \u{b7} {} bytes \u{b7} ", row.bytes)).text(&corpus.place(ordinal).to_string());
        for tagged in corpus.tags(ordinal)?.iter() {
            if let Some(label) = tagged.label() {
                html.text(&format!(" \u{b7} {} {label}", tagged.attribute.full()));
            }
        }
        html.raw("</p>");
        let own = row.dropped.map_or("", |reason| corpus.reason_name(reason));
        let reason = if reason.is_empty() { own } else { reason };
        for (measure, value) in self.measures.iter().zip(values(corpus, self.measures, ordinal)?) {
            let Some(value) = value else { continue };
            for limit in measure.limits.iter().filter(|limit| limit.reason == reason) {
                html.raw("<p class=\"small\">").leaf("code", &measure.name).text(" is ");
                html.leaf("b", &exact(value, limit.at)).text(&format!(", {}", limit.text())).raw("</p>");
            }
        }
        match texts.all.get(&ordinal) {
            Some(Ok(source)) => {
                let map = if row.kept() { corpus.keep_map(ordinal)? } else { None };
                let cut = map.and_then(|map| pieces(source, &map, &corpus.names().replacements));
                let cut = cut.unwrap_or_else(|| vec![Piece::Kept(0, source)]);
                let mut marks = Vec::new();
                for (slot, tagged) in corpus.tags(ordinal)?.iter().enumerate() {
                    let looked_at = self.slots.get(reason).is_some_and(|slots| slots.contains(&slot));
                    if !looked_at || tagged.attribute.shape != Shape::Spans || tagged.spans.is_empty() {
                        continue;
                    }
                    html.raw("<p class=\"small\"><mark>").text(&tagged.attribute.full()).raw("</mark>");
                    html.text(&format!(" {} times", tagged.spans.len())).raw("</p>");
                    let inside = tagged.spans.iter().filter(|span| span.end as usize <= source.len());
                    marks.extend(inside.map(|span| (span.start, span.end)));
                }
                marks.sort_unstable();
                text::write(html, &name, source, &cut, &marks);
            }
            Some(Err(why)) => {
                html.leaf("p class=\"small\"", &format!("Its text is not there any more: {why}."));
            }
            None => {}
        }
        html.raw("</article>");
        Ok(())
    }
}

/// Up to `most` of `all`, evenly spread, with the first and the last.
fn spread(all: &[u32], most: usize) -> Vec<u32> {
    if all.len() <= most || most < 2 {
        return all.iter().take(most).copied().collect();
    }
    (0..most).map(|i| all[i * (all.len() - 1) / (most - 1)]).collect()
}

/// The kept documents whose value is nearest to a threshold that gives this reason, nearest first.
fn nearest(corpus: &Corpus, kept: &[u32], measure: &Measure, reason: &str, most: usize) -> Result<Vec<u32>> {
    let one = std::slice::from_ref(measure);
    let all: Vec<Option<f64>> = kept
        .par_iter()
        .map(|&ordinal| Ok(values(corpus, one, ordinal)?.pop().flatten()))
        .collect::<Result<_>>()?;
    let distance = |value: f64| {
        let limits = measure.limits.iter().filter(|limit| limit.reason == reason);
        limits.map(|limit| (value - limit.at).abs()).fold(f64::MAX, f64::min)
    };
    let mut all: Vec<(f64, u32)> =
        all.iter().zip(kept).filter_map(|(value, &ordinal)| Some((distance((*value)?), ordinal))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(most);
    Ok(all.into_iter().map(|(_, ordinal)| ordinal).collect())
}

/// A number in so many digits that it is told from the threshold beside it.
fn exact(value: f64, at: f64) -> String {
    let shown = short(value);
    if value != at && shown.parse() == Ok(at) { value.to_string() } else { shown }
}
