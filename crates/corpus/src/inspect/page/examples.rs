//! Examples side by side: for every reason what went and what stayed, edited texts, and the largest clusters of copies.

use std::collections::BTreeMap;

use super::html::Html;
use super::text;
use crate::corpus::Corpus;
use crate::inspect::error::Result;
use crate::inspect::originals::{Absent, Originals};
use crate::inspect::pieces::{Piece, pieces};
use crate::inspect::stats::{Cluster, rule_value};

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
pub(super) struct Chosen {
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

impl Chosen {
    /// Choose up to `most` documents of each reason, spread evenly over the corpus. Beside a document that a rule
    /// dropped stands a kept one whose value is nearest to the threshold, beside a copy what stayed in its place.
    pub fn new(corpus: &Corpus, most: usize, clusters: Vec<Cluster>) -> Result<Chosen> {
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
        let rules = &corpus.names().rules;
        let reasons = by_reason
            .into_iter()
            .map(|(reason, gone)| {
                let slot = rules.iter().position(|rule| rule.name == corpus.reason_name(reason));
                let beside = match slot {
                    Some(slot) => nearest(corpus, &kept, slot, most),
                    None => spread(&kept, most),
                };
                let pairs = spread(&gone, most)
                    .into_iter()
                    .enumerate()
                    .map(|(i, gone)| (gone, corpus.row(gone).representative.or(beside.get(i).copied())))
                    .collect();
                Pairs { reason, count: gone.len() as u64, pairs }
            })
            .collect();
        let edited_count = edited.len() as u64;
        Ok(Chosen { reasons, edited: spread(&edited, most), edited_count, clusters })
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

    pub fn write(&self, corpus: &Corpus, texts: &Texts, html: &mut Html) -> Result<()> {
        html.raw("<section id=\"examples\"><h2>Examples</h2>");
        for pairs in &self.reasons {
            let text = corpus.reason_text(pairs.reason);
            html.raw("<h3>").leaf("code", corpus.reason_name(pairs.reason)).text(": ").text(text);
            html.text(&format!(" ({})", pairs.count)).raw("</h3>\n");
            for (gone, beside) in &pairs.pairs {
                html.raw("<div class=\"pair\">");
                document(corpus, texts, *gone, Some(text), html)?;
                if let Some(beside) = beside {
                    document(corpus, texts, *beside, Some(text), html)?;
                }
                html.raw("</div>\n");
            }
        }
        if !self.edited.is_empty() {
            html.raw("<h3>").text(&format!("Edited texts ({})", self.edited_count));
            html.raw("</h3><p class=\"small\"><del>Struck through</del> is what was cut out, <ins>framed</ins> what stands ");
            html.raw("in its place.</p><div class=\"pair\">");
            for &ordinal in &self.edited {
                document(corpus, texts, ordinal, None, html)?;
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
            document(corpus, texts, cluster.representative, None, html)?;
            for &copy in cluster.copies.iter().take(COPIES) {
                document(corpus, texts, copy, None, html)?;
            }
            html.raw("</div>\n");
        }
        html.raw("</section>\n");
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

/// The kept documents whose value for a rule is nearest to its threshold, nearest first.
fn nearest(corpus: &Corpus, kept: &[u32], slot: usize, most: usize) -> Vec<u32> {
    let threshold = f64::from(corpus.names().rules[slot].threshold);
    let mut all: Vec<(f64, u32)> = kept
        .iter()
        .filter_map(|&ordinal| Some(((rule_value(corpus, ordinal, slot)? - threshold).abs(), ordinal)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(most).map(|(_, ordinal)| ordinal).collect()
}

/// One document: where it is from, its fate, its values where they fail, and its text. `reason` names the attributes
/// whose spans are highlighted.
fn document(
    corpus: &Corpus,
    texts: &Texts,
    ordinal: u32,
    reason: Option<&str>,
    html: &mut Html,
) -> Result<()> {
    let row = corpus.row(ordinal);
    html.raw(if row.kept() { "<article>" } else { "<article class=\"gone\">" });
    html.leaf("h4", &corpus.name(ordinal)).raw("<p class=\"small\">");
    match row.dropped {
        Some(reason) => html.text("dropped: ").text(corpus.reason_name(reason)),
        None => html.text("kept"),
    };
    html.text(&format!(" \u{b7} {} bytes \u{b7} ", row.bytes))
        .text(&corpus.place(ordinal).to_string())
        .raw("</p>");
    for rule in corpus.rules(ordinal).iter().filter(|rule| !rule.passed) {
        html.raw("<p class=\"small\">").leaf("code", rule.name);
        html.text(&format!(" is {:.4}, wanted {}", rule.value, rule.threshold)).raw("</p>");
    }
    let names = &corpus.names().replacements;
    match texts.all.get(&ordinal) {
        Some(Ok(source)) => {
            let map = if row.kept() { corpus.keep_map(ordinal)? } else { None };
            let cut = map.and_then(|map| pieces(source, &map, names));
            let cut = cut.unwrap_or_else(|| vec![Piece::Kept(0, source)]);
            let mut marks = Vec::new();
            for tagged in corpus.tags(ordinal)? {
                let full = format!("{}.{}", tagged.attribute.tagger, tagged.attribute.name);
                if reason.is_some_and(|reason| reason.contains(&full)) {
                    let whole = |end: u32| end as usize > source.len();
                    marks.extend(tagged.spans.iter().filter(|s| !whole(s.end)).map(|s| (s.start, s.end)));
                }
            }
            marks.sort_unstable();
            text::write(html, source, &cut, &marks);
        }
        Some(Err(why)) => {
            html.leaf("p class=\"small\"", &format!("Its text is not there any more: {why}."));
        }
        None => {}
    }
    html.raw("</article>");
    Ok(())
}
