//! What is no text within the main text: lists of links, forms, bars.

use super::entity::decode_into;
use super::measure::{Measures, Sums};
use super::phrases::says_nothing;
use super::tag::Tag;
use super::tree::Tree;
use super::words::says;

/// Mark what to leave out of the element `root` (after Readability's conditional cleaning).
pub(super) fn clean(tree: &Tree, measures: &mut Measures, root: u32) {
    let mut at = root as usize + 1;
    let end = tree.nodes[root as usize].end as usize;
    while at < end {
        let node = &tree.nodes[at];
        if measures.dropped[at] {
            at = node.end as usize;
            continue;
        }
        if node.tag == Tag::Pre {
            at = node.end as usize;
            continue;
        }
        if leaves(node.tag, measures, at) || is_label(tree, measures, at) {
            measures.dropped[at] = true;
            at = node.end as usize;
            continue;
        }
        at += 1;
    }
}

fn leaves(tag: Tag, measures: &Measures, at: usize) -> bool {
    use Tag::*;
    let Sums { text, heading, list, commas, paragraphs, items, inputs, prose, .. } = measures.sums[at];
    if text == 0 {
        return false;
    }
    let density = measures.link_density(at);
    match tag {
        Form | Fieldset | Table | Ul | Ol | Dl | Div | Section | Header | Figure | Article | Details => {}
        // A line of links alone.
        P | Span | H1 | H2 | H3 | H4 | H5 | H6 => {
            return density > 0.9 && text > 40 && tag == P && text < 200;
        }
        _ => return false,
    }
    if prose > 200 || commas >= 10 && density < 0.33 {
        return false;
    }
    let text_name = measures.says[at] & (says::TEXT | says::BODY) != 0;
    let is_list = matches!(tag, Ul | Ol) || list * 10 > text * 9;
    let few = if text_name { 0.5 } else { 0.2 };
    if is_list {
        return density > 0.7 && text > 0;
    }
    inputs * 3 > paragraphs && inputs > 0 && prose == 0
        || items > paragraphs + 100
        || heading * 10 < text * 9 && density > few && (text < 500 || density > 0.5)
}

/// Bytes of the longest line that is looked at.
const LABEL: usize = 120;

/// Whether a block is one short line that says nothing.
fn is_label(tree: &Tree, measures: &Measures, at: usize) -> bool {
    let node = &tree.nodes[at];
    let Sums { text, .. } = measures.sums[at];
    if !node.tag.is_block() || text == 0 || text as usize > LABEL || measures.own[at].text != text {
        return false;
    }
    let mut line = String::new();
    for (index, node) in tree.nodes[at..node.end as usize].iter().enumerate() {
        if node.tag == Tag::Text && line.len() <= 4 * LABEL {
            decode_into(tree.bytes((at + index) as u32), false, &mut line);
        }
    }
    says_nothing(&line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Leave out what little stands before the headline: a day, a way through the site.
pub(super) fn headline(tree: &Tree, measures: &mut Measures, nodes: &[u32]) {
    let total: u32 = nodes.iter().map(|&node| measures.sums[node as usize].text).sum();
    let mut before = 0;
    let mut passed = Vec::new();
    for &root in nodes {
        let mut at = root as usize;
        while at < tree.nodes[root as usize].end as usize {
            let node = &tree.nodes[at];
            if measures.dropped[at] {
                at = node.end as usize;
                continue;
            }
            match node.tag {
                Tag::H1 => {
                    if before * 5 < total {
                        passed.iter().for_each(|&text: &usize| measures.dropped[text] = true);
                    }
                    return;
                }
                Tag::Text => {
                    before += measures.sums[at].text;
                    passed.push(at);
                }
                _ => {}
            }
            at += 1;
        }
    }
}
