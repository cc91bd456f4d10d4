//! Which elements hold the main text.
//!
//! The scores are those of Readability (Arc90, later Mozilla): a paragraph counts for the elements around it, the nearer
//! the more, by its length and commas; links count against it. Names that only the body of an article has come first.

use super::measure::{LONG, Measures};
use super::tag::Tag;
use super::tree::{ROOT, Tree};
use super::words::says;

/// Characters that a body found by its name must have.
const BODY: u32 = 200;

/// The elements to write, in order, none within another.
pub(super) fn select(tree: &Tree, measures: &Measures) -> Vec<u32> {
    let scores = scores(tree, measures);
    let Some(top) = best(tree, measures, &scores) else { return whole(tree) };
    if let Some(body) = named_body(tree, measures, top) {
        return vec![body];
    }
    let top = climb(tree, measures, &scores, top);
    with_siblings(tree, measures, &scores, top)
}

/// The whole page.
fn whole(tree: &Tree) -> Vec<u32> {
    let mut nodes = Vec::new();
    let mut at = 1;
    while at < tree.nodes[0].end {
        nodes.push(at);
        at = tree.nodes[at as usize].end;
    }
    nodes
}

/// What a tag and its names count for.
fn start(tree: &Tree, measures: &Measures, at: usize) -> f32 {
    use Tag::*;
    let tag = match tree.nodes[at].tag {
        Div | Article | Main => 5.0,
        Pre | Td | Blockquote => 3.0,
        Address | Ol | Ul | Dl | Dd | Dt | Li | Form => -3.0,
        H1 | H2 | H3 | H4 | H5 | H6 | Th => -5.0,
        _ => 0.0,
    };
    tag + weight(measures, at)
}

/// What its names count for.
fn weight(measures: &Measures, at: usize) -> f32 {
    let says = measures.says[at];
    let mut weight = 0.0;
    if says & (says::TEXT | says::BODY) != 0 {
        weight += 25.0;
    }
    if says & says::BESIDE != 0 {
        weight -= 25.0;
    }
    weight
}

fn scores(tree: &Tree, measures: &Measures) -> Vec<f32> {
    let mut scores = vec![0.0f32; tree.nodes.len()];
    let mut met = vec![false; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate() {
        let own = measures.own[at];
        if !node.tag.is_block() || own.text < LONG || node.tag == Tag::Li && own.link * 2 > own.text {
            continue;
        }
        // Line breaks cut a text into paragraphs.
        let paragraphs = (1 + own.breaks / 2).min(1 + own.text / 100) as f32;
        let score = paragraphs + own.commas as f32 + (own.text as f32 / 100.0).min(3.0 * paragraphs);
        let score = score * (1.0 - own.link as f32 / own.text as f32);
        let paragraph = node.tag.is_heading() || matches!(node.tag, Tag::P | Tag::Pre | Tag::Li | Tag::Dd);
        let mut above = if paragraph { node.parent } else { at as u32 };
        for level in 0..5 {
            let index = above as usize;
            if !met[index] {
                met[index] = true;
                scores[index] += start(tree, measures, index);
            }
            scores[index] += score / [1.0, 2.0, 6.0, 9.0, 12.0][level];
            if above == ROOT {
                break;
            }
            above = tree.nodes[index].parent;
        }
    }
    for (at, score) in scores.iter_mut().enumerate() {
        *score = if met[at] { *score * (1.0 - measures.link_density(at)) } else { 0.0 };
    }
    scores
}

fn best(tree: &Tree, measures: &Measures, scores: &[f32]) -> Option<u32> {
    let mut best: Option<usize> = None;
    let mut at = 1;
    while at < tree.nodes.len() {
        if measures.dropped[at] {
            at = tree.nodes[at].end as usize;
            continue;
        }
        if scores[at] > best.map_or(0.0, |best| scores[best]) {
            best = Some(at);
        }
        at += 1;
    }
    best.map(|at| at as u32)
}

/// The element that is called the body of the article, if it holds most of what `top` does.
fn named_body(tree: &Tree, measures: &Measures, top: u32) -> Option<u32> {
    let prose = |at: usize| measures.sums[at].prose;
    let mut found: Option<usize> = None;
    let mut all = 0;
    let mut at = 1;
    while at < tree.nodes.len() {
        if measures.dropped[at] {
            at = tree.nodes[at].end as usize;
            continue;
        }
        if measures.says[at] & says::BODY != 0 && tree.nodes[at].tag.is_block() && prose(at) > 0 {
            all += prose(at);
            if found.is_none_or(|best| prose(at) > prose(best)) {
                found = Some(at);
            }
            at = tree.nodes[at].end as usize;
            continue;
        }
        at += 1;
    }
    let found = found?;
    // One of many bodies is a list of articles; a small one is a teaser.
    let most = prose(found) * 10 >= all * 6 && prose(found) * 10 >= prose(top as usize) * 6;
    (most && measures.sums[found].text >= BODY).then_some(found as u32)
}

/// Go up while an element around it scores as much, or holds it alone.
fn climb(tree: &Tree, measures: &Measures, scores: &[f32], top: u32) -> u32 {
    let mut top = top;
    let mut last = scores[top as usize];
    let least = last / 3.0;
    let mut parent = tree.nodes[top as usize].parent;
    while parent != ROOT && tree.nodes[parent as usize].tag != Tag::Body {
        let score = scores[parent as usize];
        if score != 0.0 {
            if score < least {
                break;
            }
            if score > last {
                top = parent;
                break;
            }
            last = score;
        }
        parent = tree.nodes[parent as usize].parent;
    }
    gather(tree, measures, top)
}

/// Go up to an element that holds much more prose and few more links: a text may be cut into many parts.
fn gather(tree: &Tree, measures: &Measures, top: u32) -> u32 {
    let mut top = top as usize;
    let mut above = top;
    while above != ROOT as usize && tree.nodes[above].tag != Tag::Body {
        above = tree.nodes[above].parent as usize;
        let (inner, outer) = (measures.sums[top], measures.sums[above]);
        let (text, link) = (outer.text - inner.text, outer.link - inner.link);
        let more = (outer.prose - inner.prose) * 3 > inner.prose;
        if more && link * 4 < text || text == 0 {
            top = above;
        }
    }
    top as u32
}

/// The element and those beside it that go on with the text.
fn with_siblings(tree: &Tree, measures: &Measures, scores: &[f32], top: u32) -> Vec<u32> {
    let parent = tree.nodes[top as usize].parent;
    let least = (scores[top as usize] * 0.2).max(10.0);
    let mut nodes = Vec::new();
    let mut at = parent + 1;
    while at < tree.nodes[parent as usize].end {
        let index = at as usize;
        let node = &tree.nodes[index];
        if !measures.dropped[index] && (at == top || goes_on(node.tag, measures, scores[index], index, least))
        {
            nodes.push(at);
        }
        at = node.end;
    }
    nodes
}

fn goes_on(tag: Tag, measures: &Measures, score: f32, at: usize, least: f32) -> bool {
    let density = measures.link_density(at);
    score >= least || tag == Tag::P && measures.sums[at].text > 80 && density < 0.25
}
