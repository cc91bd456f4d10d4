//! How much text, link and punctuation each element holds, and which elements hold none of the main text.

use super::tag::Tag;
use super::token::attributes;
use super::tree::{ROOT, Tree};
use super::words::{name_says, says};

/// Sums over an element and all in it, without what was dropped. Lengths are in characters, a run of white space as one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub text: u32,
    /// Of it within links.
    pub link: u32,
    /// Of it within headings.
    pub heading: u32,
    /// Of it within lists.
    pub list: u32,
    /// Of it in paragraphs of at least [`LONG`] characters with few links.
    pub prose: u32,
    pub commas: u32,
    pub paragraphs: u32,
    pub items: u32,
    pub inputs: u32,
}

/// A paragraph of so many characters is likely part of the text (Readability takes 25).
pub(super) const LONG: u32 = 25;

/// Text directly in a block, not in a block within it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    pub text: u32,
    pub link: u32,
    pub commas: u32,
    pub breaks: u32,
}

pub(super) struct Measures {
    pub sums: Vec<Sums>,
    pub own: Vec<Own>,
    /// Bits of [`says`].
    pub says: Vec<u8>,
    /// Left out with all in it.
    pub dropped: Vec<bool>,
    /// Text of the page outside of links, before anything was dropped for standing beside the text.
    pub whole: u32,
}

/// Elements that hold no text to read.
fn never_text(tag: Tag) -> bool {
    use Tag::*;
    matches!(
        tag,
        Script
            | Style
            | Template
            | Svg
            | Math
            | Iframe
            | Noembed
            | Noframes
            | Object
            | Audio
            | Video
            | Canvas
            | Map
            | Select
            | Textarea
            | Button
            | Head
            | Title
            | Rp
            | Rt
            | Progress
            | Input
            | Link
            | Meta
            | Dialog
            | Option
            | Optgroup
            | Embed
    )
}

/// Elements that say themselves that they stand beside the text.
fn beside(tag: Tag) -> bool {
    use Tag::*;
    matches!(tag, Nav | Aside | Footer | Menu | Search | Noscript | Figcaption)
}

#[derive(Clone, Copy, Default)]
struct Names {
    says: u8,
    hidden: bool,
    beside: bool,
}

fn names(text: &str, tag: Tag, scratch: &mut String) -> Names {
    let mut names = Names::default();
    for (name, value) in attributes(text) {
        match name.len() {
            2 if name.eq_ignore_ascii_case("id") => names.says |= name_says(value, scratch),
            5 if name.eq_ignore_ascii_case("class") => {
                value
                    .split_ascii_whitespace()
                    .take(16)
                    .for_each(|class| names.says |= name_says(class, scratch));
            }
            5 if name.eq_ignore_ascii_case("style") => names.hidden |= hides(value),
            4 if name.eq_ignore_ascii_case("role") => {
                names.beside |= matches!(
                    value,
                    "navigation"
                        | "banner"
                        | "contentinfo"
                        | "complementary"
                        | "dialog"
                        | "alertdialog"
                        | "search"
                        | "menu"
                        | "menubar"
                        | "toolbar"
                        | "tooltip"
                        | "form"
                );
                names.says |= if matches!(value, "main" | "article") { says::TEXT } else { 0 };
            }
            6 if name.eq_ignore_ascii_case("hidden") => names.hidden = true,
            8 if name.eq_ignore_ascii_case("itemprop") => {
                let body = value.split_ascii_whitespace().any(|v| v.eq_ignore_ascii_case("articleBody"));
                names.says |= if body { says::BODY } else { 0 };
            }
            11 if name.eq_ignore_ascii_case("aria-hidden") => {
                names.hidden |= value == "true" && tag != Tag::Span;
            }
            _ => {}
        }
    }
    names
}

fn hides(style: &str) -> bool {
    let mut rules = style.split(';').filter_map(|rule| rule.split_once(':'));
    rules.any(|(name, value)| {
        let (name, value) = (name.trim(), value.trim());
        name.eq_ignore_ascii_case("display") && value.get(..4).is_some_and(|v| v.eq_ignore_ascii_case("none"))
            || name.eq_ignore_ascii_case("visibility") && value.eq_ignore_ascii_case("hidden")
    })
}

/// Characters, counting a run of white space as one and none at the ends, and commas of all scripts.
fn count(text: &str) -> (u32, u32) {
    let (mut length, mut commas, mut space) = (0u32, 0u32, true);
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' | 0x0c => {
                length += u32::from(!space);
                space = true;
                continue;
            }
            b',' => commas += 1,
            // U+3001 ideographic and U+FF0C full width comma, U+060C Arabic comma.
            0xe3 => commas += u32::from(bytes[at..].starts_with("\u{3001}".as_bytes())),
            0xef => commas += u32::from(bytes[at..].starts_with("\u{ff0c}".as_bytes())),
            0xd8 => commas += u32::from(bytes[at..].starts_with("\u{60c}".as_bytes())),
            _ => {}
        }
        // Continuation bytes are no characters.
        length += u32::from(byte & 0xc0 != 0x80);
        space = false;
    }
    (length, commas)
}

impl Measures {
    pub fn new(tree: &Tree, names_count: bool) -> Measures {
        let n = tree.nodes.len();
        let mut measures = Measures {
            sums: vec![Sums::default(); n],
            own: vec![Own::default(); n],
            says: vec![0; n],
            dropped: vec![false; n],
            whole: 0,
        };
        let names = measures.leaves(tree);
        let whole = measures.totals(tree);
        measures.whole = whole[ROOT as usize];
        measures.drop_beside(tree, &names, &whole, names_count);
        measures.own_texts(tree);
        measures.sum(tree);
        measures
    }

    /// Read attributes, count texts, drop what can hold no text.
    fn leaves(&mut self, tree: &Tree) -> Vec<Names> {
        let mut all = vec![Names::default(); tree.nodes.len()];
        let mut scratch = String::new();
        let (mut at, mut link) = (1, 0);
        while at < tree.nodes.len() {
            let node = &tree.nodes[at];
            match node.tag {
                Tag::Text => {
                    let (text, commas) = count(tree.bytes(at as u32));
                    let in_link = if (at as u32) < link { text } else { 0 };
                    self.sums[at] = Sums { text, link: in_link, commas, ..Sums::default() };
                }
                Tag::Raw => {}
                tag if never_text(tag) => {
                    self.dropped[at] = true;
                    self.sums[at].inputs =
                        u32::from(matches!(tag, Tag::Input | Tag::Select | Tag::Textarea | Tag::Button));
                    at = node.end as usize;
                    continue;
                }
                tag => {
                    if tag == Tag::A {
                        link = node.end;
                    }
                    if !node.bytes.is_empty() {
                        all[at] = names(tree.attributes(at as u32), tag, &mut scratch);
                        self.says[at] = all[at].says;
                    }
                }
            }
            at += 1;
        }
        all
    }

    /// Text and text outside of links of all elements before anything beside the text is dropped.
    fn totals(&self, tree: &Tree) -> Vec<u32> {
        let mut whole: Vec<u32> = self.sums.iter().map(|s| s.text - s.link + s.link / 4).collect();
        for at in (1..whole.len()).rev() {
            whole[tree.nodes[at].parent as usize] += whole[at];
        }
        whole
    }

    /// Drop elements whose names say that they are beside the text, unless they hold most of it.
    fn drop_beside(&mut self, tree: &Tree, names: &[Names], whole: &[u32], names_count: bool) {
        let all = whole[ROOT as usize];
        // What holds the body of an article is not beside it.
        let mut holds = vec![false; tree.nodes.len()];
        for at in (1..tree.nodes.len()).rev() {
            let body = self.says[at] & says::BODY != 0 && self.says[at] & says::BESIDE == 0;
            if holds[at] || body && whole[at] > all / 10 {
                holds[tree.nodes[at].parent as usize] = true;
            }
        }
        let mut at = 1;
        while at < tree.nodes.len() {
            let node = &tree.nodes[at];
            let tag = node.tag;
            if matches!(tag, Tag::Text | Tag::Raw) || self.dropped[at] {
                at = node.end as usize;
                continue;
            }
            let half = whole[at] > all / 2;
            let third = whole[at] > all / 3;
            let body = self.says[at] & says::BODY != 0;
            let outer = matches!(tag, Tag::Html | Tag::Body | Tag::Main | Tag::Article);
            // `content-behind-paywall` may well be the content.
            let text = self.says[at] & says::TEXT != 0 && whole[at] > all / 6;
            let body = body || holds[at];
            let half = if names_count { half } else { whole[at] > all / 4 };
            let named = names_count && self.says[at] & says::BESIDE != 0 && !body && !third && !text;
            let drop =
                names[at].hidden && !half || !outer && (named || !half && (beside(tag) || names[at].beside));
            if drop {
                self.dropped[at] = true;
                at = node.end as usize;
            } else {
                at += 1;
            }
        }
    }

    /// Give each text to the block that it stands in.
    fn own_texts(&mut self, tree: &Tree) {
        let mut block = vec![ROOT; tree.nodes.len()];
        let mut at = 1;
        while at < tree.nodes.len() {
            let node = &tree.nodes[at];
            if self.dropped[at] {
                at = node.end as usize;
                continue;
            }
            let above = block[node.parent as usize];
            block[at] = if node.tag.is_block() { at as u32 } else { above };
            let own = &mut self.own[above as usize];
            match node.tag {
                Tag::Text => {
                    let Sums { text, link, commas, .. } = self.sums[at];
                    *own = Own {
                        text: own.text + text,
                        link: own.link + link,
                        commas: own.commas + commas,
                        ..*own
                    };
                }
                Tag::Br => own.breaks += 1,
                _ => {}
            }
            at += 1;
        }
    }

    /// Add everything up.
    fn sum(&mut self, tree: &Tree) {
        for at in (1..tree.nodes.len()).rev() {
            let node = &tree.nodes[at];
            if self.dropped[at] {
                self.sums[node.parent as usize].inputs += self.sums[at].inputs;
                continue;
            }
            let own = self.own[at];
            let mut sums = self.sums[at];
            match node.tag {
                tag if tag.is_heading() => sums.heading = sums.text,
                Tag::Ul | Tag::Ol => sums.list = sums.text,
                Tag::P => sums.paragraphs += 1,
                Tag::Li => sums.items += 1,
                _ => {}
            }
            if node.tag.is_block() && own.text >= LONG && own.link * 3 < own.text {
                sums.prose += own.text;
            }
            self.sums[at] = sums;
            let parent = &mut self.sums[node.parent as usize];
            parent.text += sums.text;
            parent.link += sums.link;
            parent.heading += sums.heading;
            parent.list += sums.list;
            parent.prose += sums.prose;
            parent.commas += sums.commas;
            parent.paragraphs += sums.paragraphs;
            parent.items += sums.items;
            parent.inputs += sums.inputs;
        }
    }

    /// The share of an element's text that is in links.
    pub fn link_density(&self, at: usize) -> f32 {
        let Sums { text, link, .. } = self.sums[at];
        if text == 0 { 0.0 } else { link as f32 / text as f32 }
    }
}
