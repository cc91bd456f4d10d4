//! The lineage as a picture: artifacts in columns, each behind all it was made from. The list below it says the same.

use std::collections::BTreeMap;

use regimen_base::Key;

use crate::facts::{Facts, Relation};
use crate::html::Html;
use crate::log::shortened;

/// Descendants drawn at most; the list tells of more.
const AFTER: usize = 12;
/// Ancestors drawn at most.
const BEFORE: usize = 40;
/// A box, and the room for the arrows between columns and rows.
const WIDTH: usize = 150;
const HEIGHT: usize = 46;
const GAP: usize = 40;
const SPACE: usize = 18;
/// Letters of a name that fit a box.
const LETTERS: usize = 17;

struct Node<'a> {
    key: Key,
    stage: &'a str,
    kind: &'a str,
    own: bool,
    gone: bool,
    inputs: Vec<Key>,
    column: usize,
    /// Top of its box.
    y: usize,
}

/// The way past other boxes of what is used further on: its artifact, and the height at which it passes each column.
type Lanes = BTreeMap<(Key, usize), usize>;

/// Draw it, if there is more than the run itself.
pub(super) fn write(facts: &Facts, html: &mut Html) {
    let mut nodes = nodes(facts);
    if nodes.len() < 2 {
        return;
    }
    let (lanes, bottom) = place(&mut nodes);
    let columns = nodes.iter().map(|n| n.column + 1).max().unwrap_or(1);
    let (width, height) = (columns * (WIDTH + GAP) - GAP + 4, bottom + 4);
    let label = "Lineage: what the run was made from and what was made from it";
    let scroll =
        [("class", "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-label", "Lineage graph")];
    html.el("div", &scroll, |h| {
        let view = format!("-2 -2 {width} {height}");
        let (w, t) = (width.to_string(), height.to_string());
        let attrs = [
            ("class", "graph"),
            ("role", "img"),
            ("aria-label", label),
            ("viewBox", &view),
            ("width", &w),
            ("height", &t),
        ];
        h.el("svg", &attrs, |h| {
            let at: BTreeMap<Key, (usize, usize)> = nodes.iter().map(|n| (n.key, (n.column, n.y))).collect();
            for node in &nodes {
                for key in &node.inputs {
                    if let Some(&from) = at.get(key).filter(|from| from.0 < node.column) {
                        arrow(*key, from, (node.column, node.y), &lanes, h);
                    }
                }
            }
            nodes.iter().for_each(|node| draw(node, h));
        });
    });
}

fn nodes(facts: &Facts) -> Vec<Node<'_>> {
    let related = |relation: &'_ Relation| -> Vec<Key> {
        relation.manifest.iter().flat_map(|m| m.inputs.values().copied()).collect()
    };
    let node = |relation: &'_ Relation| Node {
        key: relation.relative.key,
        stage: "",
        kind: "",
        own: false,
        gone: relation.manifest.is_none(),
        inputs: related(relation),
        column: 0,
        y: 0,
    };
    let mut nodes = Vec::new();
    let far = facts.before.len().saturating_sub(BEFORE);
    for relation in facts.before.iter().skip(far).chain(facts.after.iter().take(AFTER)) {
        let relative = &relation.relative;
        let kind = if relative.kind.is_empty() { &relative.input } else { &relative.kind };
        let stage = if relative.stage.is_empty() { kind } else { &relative.stage };
        nodes.push(Node { stage, kind, ..node(relation) });
    }
    let info = &facts.info;
    nodes.retain(|n| n.key != info.key);
    let mut keys: Vec<Key> = info.inputs.values().copied().collect();
    keys.extend(facts.own.iter().flat_map(|m| m.inputs.values().copied()));
    nodes.push(Node {
        key: info.key,
        stage: &info.stage,
        kind: &info.kind,
        own: true,
        gone: false,
        inputs: keys,
        column: 0,
        y: 0,
    });
    for node in &mut nodes {
        node.inputs.sort();
        node.inputs.dedup();
    }
    nodes
}

/// Give every node a column behind those of all its inputs and a height near theirs; give what is used further on a
/// lane past the columns between. Also how high all of it is.
fn place(nodes: &mut [Node]) -> (Lanes, usize) {
    let index: BTreeMap<Key, usize> = nodes.iter().enumerate().map(|(i, n)| (n.key, i)).collect();
    // Longest path from the causes. Keys are hashes of inputs' keys, so there is no cycle; the bounds are for a store that
    // was tampered with.
    for _ in 0..nodes.len() {
        let mut moved = false;
        for i in 0..nodes.len() {
            let inputs = nodes[i].inputs.iter().filter_map(|key| index.get(key)).filter(|&&j| j != i);
            let column = inputs.map(|&j| nodes[j].column + 1).max().unwrap_or(0).min(nodes.len());
            moved |= column != nodes[i].column;
            nodes[i].column = column;
        }
        if !moved {
            break;
        }
    }
    let mut furthest: BTreeMap<Key, usize> = BTreeMap::new();
    for node in nodes.iter() {
        for key in &node.inputs {
            let column = furthest.entry(*key).or_default();
            *column = node.column.max(*column);
        }
    }
    let columns = nodes.iter().map(|n| n.column + 1).max().unwrap_or(1);
    let (mut lanes, mut bottom) = (Lanes::new(), 0);
    for column in 0..columns {
        // In the middle of their inputs; boxes above lanes.
        let mut boxes: Vec<(usize, usize)> = Vec::new();
        for (i, node) in nodes.iter().enumerate().filter(|(_, n)| n.column == column) {
            let tops: Vec<usize> =
                node.inputs.iter().filter_map(|key| index.get(key)).map(|&j| nodes[j].y).collect();
            boxes.push((tops.iter().sum::<usize>() / tops.len().max(1), i));
        }
        boxes.sort();
        let mut y = 0;
        for (_, i) in boxes {
            nodes[i].y = y;
            y += HEIGHT + SPACE;
        }
        let passing = nodes.iter().filter(|n| n.column < column && furthest.get(&n.key) > Some(&column));
        for (_, key) in passing.map(|n| (n.y, n.key)).collect::<std::collections::BTreeSet<_>>() {
            lanes.insert((key, column), y);
            y += SPACE;
        }
        bottom = bottom.max(y.saturating_sub(SPACE));
    }
    (lanes, bottom)
}

/// From the right of a box along its lane to the left of another.
fn arrow(from: Key, start: (usize, usize), end: (usize, usize), lanes: &Lanes, html: &mut Html) {
    let left = |column: usize| column * (WIDTH + GAP);
    let (mut x, mut y) = (left(start.0) + WIDTH, start.1 + HEIGHT / 2);
    let mut d = format!("M{x} {y}");
    let bend = GAP * 3 / 5;
    for column in start.0 + 1..end.0 {
        let (to, lane) = (left(column), lanes.get(&(from, column)).copied().unwrap_or(y));
        d.push_str(&format!("C{} {y} {} {lane} {to} {lane}H{}", x + bend, to - bend, to + WIDTH));
        (x, y) = (to + WIDTH, lane);
    }
    let (to, middle) = (left(end.0), end.1 + HEIGHT / 2);
    d.push_str(&format!("C{} {y} {} {middle} {} {middle}", x + bend, to - bend, to - 5));
    html.void("path", &[("class", "edge"), ("d", &d)]);
    html.void("path", &[("class", "head"), ("d", &format!("M{to} {middle}l-8-4v8z"))]);
}

fn draw(node: &Node, html: &mut Html) {
    let (x, y) = (node.column * (WIDTH + GAP), node.y);
    let class = if node.own {
        "node self"
    } else if node.gone {
        "node gone"
    } else {
        "node"
    };
    html.el("g", &[("class", class)], |h| {
        h.leaf("title", &[], &format!("{} {} {}", node.stage, node.kind, node.key));
        let at = [x, y, WIDTH, HEIGHT].map(|n| n.to_string());
        h.void("rect", &[("x", &at[0]), ("y", &at[1]), ("width", &at[2]), ("height", &at[3]), ("rx", "5")]);
        let left = (x + 12).to_string();
        let name = [("class", "name"), ("x", left.as_str()), ("y", &(y + 20).to_string())];
        h.leaf("text", &name, &shortened(node.stage, LETTERS));
        let below = [("x", left.as_str()), ("y", &(y + 36).to_string())];
        let kind = if node.gone { "gone" } else { node.kind };
        h.leaf("text", &below, &format!("{} {}", shortened(kind, 9), node.key.short()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(key: u8, inputs: &[u8]) -> Node<'static> {
        let key_of = |n: u8| regimen_base::Hash256([n; 32]);
        Node {
            key: key_of(key),
            stage: "s",
            kind: "k",
            own: false,
            gone: false,
            inputs: inputs.iter().map(|&n| key_of(n)).collect(),
            column: 0,
            y: 0,
        }
    }

    #[test]
    fn everything_stands_behind_what_it_was_made_from() {
        // corpus -> tokenizer -> tokens -> base -> score, with the corpus an input of tokens and score, too.
        let mut nodes = [node(5, &[1, 4]), node(4, &[3]), node(3, &[1, 2]), node(2, &[1]), node(1, &[])];
        let (lanes, bottom) = place(&mut nodes);
        assert_eq!(nodes.each_ref().map(|n| n.column), [4, 3, 2, 1, 0]);
        assert!(nodes.iter().all(|n| n.y == 0), "one row");
        // What the corpus gives to tokens and score passes below the boxes between.
        assert_eq!(lanes.keys().map(|(_, column)| *column).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(lanes.values().all(|&y| y == HEIGHT + SPACE && y <= bottom));
        let mut nodes = [node(1, &[]), node(2, &[1]), node(3, &[1])];
        place(&mut nodes);
        assert_eq!(nodes.each_ref().map(|n| (n.column, n.y)), [(0, 0), (1, 0), (1, HEIGHT + SPACE)]);
    }

    #[test]
    fn a_circle_is_drawn_all_the_same() {
        let mut nodes = [node(1, &[2]), node(2, &[1]), node(3, &[3])];
        place(&mut nodes);
        assert!(nodes.iter().all(|n| n.column <= 3));
    }
}
