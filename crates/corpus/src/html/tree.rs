//! Tags to a tree, with the repairs of the HTML standard (section 13.2.6) that matter for text: ends that may be left
//! out, ends that fit nothing, tables. Elements lie in the order of the page, so that the descendants of one are the
//! range behind it.

use std::ops::Range;
use std::option::Option as StdOption;

use super::tag::{TAGS, Tag};
use super::token::{Token, Tokens};

/// Elements within elements at most; what is deeper is put beside the deepest, as browsers do.
const DEPTH: usize = 512;
/// Nodes of a page at most, or of a large one, one in 8 bytes: each takes some 100 bytes while the text is found.
const NODES: usize = 1 << 20;
/// The node that holds all.
pub(super) const ROOT: u32 = 0;

/// An element or a text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub tag: Tag,
    pub parent: u32,
    /// The first node behind it that is no descendant.
    pub end: u32,
    /// Of a text its bytes, of an element those of its attributes.
    pub bytes: Range<u32>,
}

pub(super) struct Tree<'a> {
    pub page: &'a str,
    pub nodes: Vec<Node>,
    /// Whether it ends before the page does, at the most nodes that it may have.
    pub cut: bool,
}

impl<'a> Tree<'a> {
    /// Build the tree. Of a page above 4 GiB only that much is read.
    pub fn parse(page: &'a str) -> Tree<'a> {
        let mut end = page.len().min(u32::MAX as usize);
        while !page.is_char_boundary(end) {
            end -= 1;
        }
        let page = &page[..end];
        let root = Node { tag: Tag::Html, parent: ROOT, end: 0, bytes: 0..0 };
        let mut builder = Builder {
            nodes: Vec::with_capacity(page.len() / 32 + 1),
            stack: vec![(Tag::Html, ROOT)],
            open: [0; TAGS],
            foreign: 0,
        };
        builder.nodes.push(root);
        let mut tokens = Tokens::new(page);
        let (most, mut cut) = (NODES.max(page.len() / 8), false);
        while let Some(token) = tokens.next() {
            if builder.nodes.len() >= most {
                cut = true;
                break;
            }
            match token {
                Token::Start { tag, attributes, closed } => builder.start(tag, narrow(&attributes), closed),
                Token::End(tag) => builder.end(tag),
                Token::Text(range) => {
                    if builder.is_in_head() && !page[range.clone()].trim().is_empty() {
                        builder.leave_head();
                    }
                    builder.leaf(Tag::Text, narrow(&range));
                }
                Token::Raw(range) => drop(builder.leaf(Tag::Raw, narrow(&range))),
            }
            tokens.foreign = builder.foreign > 0;
        }
        builder.pop_to(0);
        builder.nodes[0].end = builder.nodes.len() as u32;
        Tree { page, nodes: builder.nodes, cut }
    }

    /// The attributes of an element as they are written.
    pub fn attributes(&self, node: u32) -> &'a str {
        self.bytes(node)
    }

    /// The bytes of a text as they are written.
    pub fn bytes(&self, node: u32) -> &'a str {
        let Range { start, end } = self.nodes[node as usize].bytes;
        &self.page[start as usize..end as usize]
    }
}

fn narrow(range: &Range<usize>) -> Range<u32> {
    range.start as u32..range.end as u32
}

struct Builder {
    nodes: Vec<Node>,
    /// Open elements with their nodes.
    stack: Vec<(Tag, u32)>,
    /// How many of each are on the stack, but for the first.
    open: [u16; TAGS],
    /// How many of them are `svg` or `math`.
    foreign: u32,
}

impl Builder {
    fn leaf(&mut self, tag: Tag, bytes: Range<u32>) -> u32 {
        let parent = self.stack.last().map_or(ROOT, |top| top.1);
        let index = self.nodes.len() as u32;
        self.nodes.push(Node { tag, parent, end: index + 1, bytes });
        index
    }

    fn start(&mut self, tag: Tag, attributes: Range<u32>, closed: bool) {
        use Tag::*;
        if self.foreign > 0 && tag.ends_foreign() {
            self.end_foreign();
        }
        if self.foreign == 0 {
            match tag {
                // Their attributes may come late; the text in them is where it is.
                Html | Body | Head => {
                    if tag == Body {
                        self.close(Head, |_| false);
                    }
                    if tag == Html && self.nodes[0].bytes.is_empty() {
                        self.nodes[0].bytes = attributes;
                        return;
                    }
                    if tag == Html || self.open[tag as usize] > 0 {
                        return;
                    }
                }
                Li => self.close(Li, |t| !matches!(t, Address | Div | P) && t.is_block()),
                Dd | Dt => {
                    let stops = |t: Tag| !matches!(t, Address | Div | P | Dd | Dt) && t.is_block();
                    self.close(Dd, stops);
                    self.close(Dt, stops);
                }
                Option | Optgroup => self.close(Option, |t| t.is_block() && t != Option),
                Tr => {
                    self.close(Tr, |t| t == Table || t == Template);
                }
                Td | Th => {
                    let stops = |t: Tag| matches!(t, Table | Template | Tr);
                    self.close(Td, stops);
                    self.close(Th, stops);
                }
                Tbody | Thead | Tfoot | Caption | Colgroup => {
                    for part in [Tbody, Thead, Tfoot, Caption, Colgroup] {
                        self.close(part, |t| t == Table || t == Template);
                    }
                }
                A => self.close(A, |t| t.is_block() || t == A),
                _ => {}
            }
            if tag.ends_paragraph() {
                self.close(P, |t| t.is_scope() || t == Button);
                if tag.is_heading() && self.stack.last().is_some_and(|top| top.0.is_heading()) {
                    self.pop_to(self.stack.len() - 1);
                }
                // The body begins with what only a body may hold.
                self.close(Head, |_| false);
            } else if !tag.is_of_head() {
                self.leave_head();
            }
        }
        let node = self.leaf(tag, attributes);
        let ends_here = tag.is_void() || closed && self.foreign > 0 || closed && matches!(tag, Svg | Math);
        if !ends_here && self.stack.len() < DEPTH {
            self.stack.push((tag, node));
            self.open[tag as usize] += 1;
            self.foreign += u32::from(matches!(tag, Svg | Math));
        }
    }

    fn is_in_head(&self) -> bool {
        self.stack.last().is_some_and(|top| top.0 == Tag::Head)
    }

    /// A head ends, with or without its end tag, before what it cannot hold.
    fn leave_head(&mut self) {
        if self.is_in_head() {
            self.pop_to(self.stack.len() - 1);
        }
    }

    /// End `svg` and `math` with all in them, unless the innermost has an element open that holds HTML.
    fn end_foreign(&mut self) {
        let (mut left, mut outermost) = (self.foreign, None);
        for (at, &(tag, _)) in self.stack.iter().enumerate().skip(1).rev() {
            if left == 0 || tag.holds_html() {
                break;
            }
            if matches!(tag, Tag::Svg | Tag::Math) {
                outermost = Some(at);
                left -= 1;
            }
        }
        if let Some(at) = outermost {
            self.pop_to(at);
        }
    }

    fn end(&mut self, tag: Tag) {
        use Tag::*;
        if self.foreign > 0 && matches!(tag, P | Br) {
            self.end_foreign();
        }
        match tag {
            // Browsers take what follows as part of the body.
            Html | Body => {}
            Br => {
                self.leaf(Br, 0..0);
            }
            _ if tag.is_heading() => {
                if let Some(at) = self.find(|t| t.is_heading(), |t| t.is_scope()) {
                    self.pop_to(at);
                }
            }
            Table | Template => self.close(tag, |_| false),
            Tr | Tbody | Thead | Tfoot | Caption | Colgroup => {
                self.close(tag, |t| t == Table || t == Template);
            }
            Td | Th => self.close(tag, |t| matches!(t, Table | Template | Tr)),
            Li => self.close(Li, |t| t.is_scope() || matches!(t, Ol | Ul)),
            Svg | Math => self.close(tag, |_| false),
            _ if tag.is_block() => self.close(tag, |t| t.is_scope()),
            // The end of `b` in `<b><p></b>` does not end the paragraph.
            _ => self.close(tag, |t| t.is_block()),
        }
    }

    /// The innermost open element that is `wanted`, as an index of the stack, unless one that `stops` lies within it.
    fn find(&self, wanted: impl Fn(Tag) -> bool, stops: impl Fn(Tag) -> bool) -> StdOption<usize> {
        for (at, &(tag, _)) in self.stack.iter().enumerate().skip(1).rev() {
            if wanted(tag) {
                return Some(at);
            }
            if stops(tag) {
                return None;
            }
        }
        None
    }

    /// End the innermost `tag` and all in it.
    fn close(&mut self, tag: Tag, stops: impl Fn(Tag) -> bool) {
        if self.open[tag as usize] > 0
            && let Some(at) = self.find(|t| t == tag, stops)
        {
            self.pop_to(at);
        }
    }

    /// End all elements from index `at` of the stack on. The first stays.
    fn pop_to(&mut self, at: usize) {
        let end = self.nodes.len() as u32;
        for (tag, node) in self.stack.drain(at.max(1)..) {
            self.nodes[node as usize].end = end;
            self.open[tag as usize] = self.open[tag as usize].saturating_sub(1);
            self.foreign -= u32::from(matches!(tag, Tag::Svg | Tag::Math));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree with elements in brackets: `p[text b[bold]]`.
    fn shape(page: &str) -> String {
        let tree = Tree::parse(page);
        let mut out = String::new();
        write(&tree, 1, tree.nodes[0].end, &mut out);
        out
    }

    fn write(tree: &Tree, mut at: u32, end: u32, out: &mut String) {
        while at < end {
            let node = &tree.nodes[at as usize];
            if matches!(node.tag, Tag::Text | Tag::Raw) {
                out.push_str(tree.bytes(at));
            } else {
                out.push_str(&format!("{:?}", node.tag).to_lowercase());
                out.push('[');
                write(tree, at + 1, node.end, out);
                out.push(']');
            }
            at = node.end;
        }
    }

    #[test]
    fn ends_that_are_left_out_or_wrong() {
        for (page, expected) in [
            ("<p>a<p>b", "p[a]p[b]"),
            ("<ul><li>a<li>b<ul><li>c</ul>d</ul>e", "ul[li[a]li[bul[li[c]]d]]e"),
            ("<dl><dt>a<dd>b<dt>c</dl>", "dl[dt[a]dd[b]dt[c]]"),
            ("<table><tr><td>a<td>b<tr><th>c</table>d", "table[tr[td[a]td[b]]tr[th[c]]]d"),
            (
                "<table><tbody><tr><td><table><tr><td>a</table>b<tr><td>c</table>",
                "table[tbody[tr[td[table[tr[td[a]]]b]]tr[td[c]]]]",
            ),
            ("<p>a<b>b</p>c", "p[ab[b]]c"),
            ("<div><b>a</div>b</b>", "div[b[a]]b"),
            ("<b>a<p>b</b>c</p>d", "b[ap[bc]d]"),
            ("a</div></p></span>b<br/>c</br>d", "abbr[]cbr[]d"),
            ("<div>a<span>b</div>c", "div[aspan[b]]c"),
            ("<a href=1>a<a href=2>b", "a[a]a[b]"),
            ("<h1>a<h2>b</h3>c", "h1[a]h2[b]c"),
            ("<p>a<table><tr><td><p>b</td></tr></table>c", "p[a]table[tr[td[p[b]]]]c"),
            ("<body><p>a</body></html>b", "body[p[ab]]"),
            ("<select><option>a<option>b</select>c", "select[option[a]option[b]]c"),
            ("<svg><path d=1 /><title>a</title></svg>b", "svg[other[]title[a]]b"),
            ("<svg><path d=1><p>a<p>b", "svg[other[]]p[a]p[b]"),
            ("<svg><g><svg><g><div>a", "svg[other[svg[other[]]]]div[a]"),
            ("<svg><g></p>a", "svg[other[]]a"),
            (
                "<svg><foreignObject><div>a<b>b</div></foreignObject></svg>c",
                "svg[foreignobject[div[ab[b]]]]c",
            ),
            (
                "<svg><foreignObject><div><svg><g><p>a</div></foreignObject></svg>b",
                "svg[foreignobject[div[svg[other[]]p[a]]]]b",
            ),
            ("<math><mi>x</mi><mtext><b>a</b></mtext><p>b", "math[mi[x]mtext[b[a]]]p[b]"),
            ("<html><head><title>a</title><body>b", "head[title[a]]body[b]"),
            ("<head><title>a</title><p>b", "head[title[a]]p[b]"),
        ] {
            assert_eq!(shape(page), expected, "{page}");
        }
    }

    #[test]
    fn nodes_are_bounded() {
        assert!(!Tree::parse(&"x<b>".repeat(NODES / 2 - 1)).cut);
        let page = "x<b>".repeat(NODES);
        let tree = Tree::parse(&page);
        assert_eq!((tree.cut, tree.nodes.len(), tree.nodes[0].end), (true, NODES, NODES as u32));
        // Of a large page as many as such pages have.
        assert!(!Tree::parse(&"<p>so much text here</p>\n".repeat(NODES / 2)).cut);
    }

    #[test]
    fn depth_is_bounded_and_time_is_linear() {
        let deep = "<div>".repeat(200_000) + "x" + &"</div>".repeat(200_000);
        let tree = Tree::parse(&deep);
        assert_eq!(tree.nodes.len(), 200_002);
        for unit in [
            "<b>",
            "<p><b>",
            "</b>",
            "<a>",
            "<table>",
            "<td>",
            "<li>",
            "<h1>",
            "<",
            "<!--",
            "<script><!--<script></script>",
            "<x y='",
            "&",
            "<svg>",
        ] {
            Tree::parse(&unit.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn every_tree_is_well_formed(page in "(<(/?(p|div|b|a|table|tr|td|li|ul|h1|svg|script|title|select|br|body|html|head|plaintext|x-y)|!--|!x|\\?)( (a|class=['\"]?b)?)?/?>?|-->|a|<|\u{e9}|&amp){0,60}") {
            let tree = Tree::parse(&page);
            let nodes = &tree.nodes;
            prop_assert_eq!(nodes[0].end as usize, nodes.len());
            for (at, node) in nodes.iter().enumerate().skip(1) {
                let parent = &nodes[node.parent as usize];
                prop_assert!((node.parent as usize) < at && at < node.end as usize && node.end <= parent.end);
            }
        }
    }
}
