//! HTML in, main text out.
//!
//! [`decode`] turns the bytes of a page into text by its character set; [`extract`] finds the main text of a page and
//! writes it as plain text in the manner of Markdown, without navigation, advertisements, comments and the like. No input
//! makes it fail, and time and memory grow linearly with the page.

mod charset;
mod clean;
mod entity;
mod head;
mod measure;
mod phrases;
mod select;
mod tag;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod words;
mod write;

pub use charset::{Decoded, decode};

use measure::Measures;
use tree::Tree;
use write::Writer;

/// How a page is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Begin headings with `#` by their level, instead of writing them as paragraphs.
    pub headings: bool,
}

/// What a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The main text: paragraphs parted by an empty line, items of lists with `- ` or their number, cells of tables parted
    /// by ` | `, preformatted text as it is.
    pub text: String,
    /// The title: of the social networks' `og:title`, else of `<title>`.
    pub title: Option<String>,
    /// The language that `<html lang>` names.
    pub language: Option<String>,
    /// Where a link with `rel=license` points to.
    pub licence: Option<String>,
    /// Whether the page has more elements than are looked at (a million, or one in 8 bytes): what stands behind them is left out.
    pub cut: bool,
}

/// The main text of a page and what the page says of itself.
pub fn extract(page: &str, options: Options) -> Page {
    let tree = Tree::parse(page);
    let mut text = main_text(&tree, options, true);
    // Where the names of classes leave next to nothing of a page, they are not to be believed.
    if text.0.len() < SHORT && text.1 > 2 * text.0.len() {
        let other = main_text(&tree, options, false);
        if other.0.len() > text.0.len() * 2 {
            text = other;
        }
    }
    // Indexes and other pages of links alone have no main text: all outside of navigation is given.
    if text.0.len() < TINY && text.1 > 2 * text.0.len() {
        let measures = Measures::new(&tree, false);
        let mut writer = Writer::new(&tree, &measures, options.headings);
        writer.write(tree::ROOT);
        text.0 = writer.finish();
    }
    Page { text: text.0, cut: tree.cut, ..head::read(&tree) }
}

/// Bytes of what is hardly a text.
const TINY: usize = 50;
/// Bytes of a main text that is tried again.
const SHORT: usize = 300;

/// The main text, and how much text outside of links the page has in all.
fn main_text(tree: &Tree, options: Options, names_count: bool) -> (String, usize) {
    let mut measures = Measures::new(tree, names_count);
    let nodes = select::select(tree, &measures);
    for &node in &nodes {
        clean::clean(tree, &mut measures, node);
    }
    clean::headline(tree, &mut measures, &nodes);
    let mut writer = Writer::new(tree, &measures, options.headings);
    nodes.iter().for_each(|&node| writer.write(node));
    (writer.finish(), measures.whole as usize)
}
