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
mod select;
mod tag;
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
}

/// The main text of a page and what the page says of itself.
pub fn extract(page: &str, options: Options) -> Page {
    let tree = Tree::parse(page);
    let mut measures = Measures::new(&tree);
    let nodes = select::select(&tree, &measures);
    for &node in &nodes {
        clean::clean(&tree, &mut measures, node);
    }
    let mut writer = Writer::new(&tree, &measures, options.headings);
    for &node in &nodes {
        writer.write(node);
    }
    Page { text: writer.finish(), ..head::read(&tree) }
}
