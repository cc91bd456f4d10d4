//! What is no text within the main text: lists of links, forms, bars.

use super::measure::{Measures, Sums};
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
        if leaves(node.tag, measures, at) {
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
        P | Span | H1 | H2 | H3 | H4 | H5 | H6 => return density > 0.9 && text > 40 && tag == P && text < 200,
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
