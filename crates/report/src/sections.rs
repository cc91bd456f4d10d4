//! The sections of a page, one file each. A section without data writes nothing and is left out.

mod comparison;
mod config;
mod corpus;
mod curves;
mod documents;
mod evaluation;
mod graph;
mod headline;
mod layers;
mod lineage;
mod notes;
mod reproduce;
mod samples;
mod seen;

use crate::facts::Facts;
use crate::html::Html;

pub(crate) use headline::header;

/// A section: its anchor, its heading and what writes its content.
pub(crate) struct Section {
    /// Anchor on the page.
    pub(crate) id: &'static str,
    /// Heading.
    pub(crate) title: &'static str,
    /// Writes everything below the heading.
    pub(crate) write: fn(&Facts, &mut Html),
}

/// All sections in the order of the page.
pub(crate) const ALL: &[Section] = &[
    Section { id: "comparison", title: "Two runs", write: comparison::write },
    Section { id: "curves", title: "Training curves", write: curves::write },
    Section { id: "layers", title: "Layer by layer", write: layers::write },
    Section { id: "evaluation", title: "Evaluation", write: evaluation::write },
    Section { id: "documents", title: "Hard and easy text", write: documents::write },
    Section { id: "samples", title: "What it wrote", write: samples::write },
    Section { id: "corpus", title: "What it learned from", write: corpus::write },
    Section { id: "lineage", title: "Lineage", write: lineage::write },
    Section { id: "config", title: "Configuration", write: config::write },
    Section { id: "reproduce", title: "How to make it again", write: reproduce::write },
    Section { id: "notes", title: "Notes and warnings", write: notes::write },
];

/// A table that scrolls by itself where the page is narrow, reachable by keyboard.
pub(crate) fn table(html: &mut Html, label: &str, inside: impl FnOnce(&mut Html)) {
    let attrs = [("class", "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-label", label)];
    html.el("div", &attrs, |h| h.el("table", &[], inside));
}

/// The head of a table: names of columns; `#` before a name marks a column of numbers,
/// no name one of pictures.
pub(crate) fn columns(html: &mut Html, names: &[&str]) {
    html.el("thead", &[], |h| {
        h.el("tr", &[], |h| {
            for name in names {
                match name.strip_prefix('#') {
                    None if name.is_empty() => h.leaf("td", &[], ""),
                    Some(name) => h.leaf("th", &[("scope", "col"), ("class", "n")], name),
                    None => h.leaf("th", &[("scope", "col")], name),
                }
            }
        });
    });
}
