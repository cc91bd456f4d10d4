//! The main text as plain text in the manner of Markdown.

use super::entity::decode_into;
use super::measure::Measures;
use super::tag::Tag;
use super::tree::Tree;

/// What must stand between two pieces of text.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Gap {
    None,
    Space,
    Cell,
    Line,
    Paragraph,
}

/// An open element.
struct Open {
    tag: Tag,
    end: u32,
    /// For lists: the number of the next item, 0 where items have none.
    number: u32,
}

pub(super) struct Writer<'t> {
    tree: &'t Tree<'t>,
    measures: &'t Measures,
    headings: bool,
    out: String,
    gap: Gap,
    /// Written before the next text: a mark of an item or a heading.
    mark: String,
    open: Vec<Open>,
    lists: usize,
    pre: usize,
    /// Within a table whose cells are written side by side.
    cells: usize,
    scratch: String,
}

impl<'t> Writer<'t> {
    pub fn new(tree: &'t Tree<'t>, measures: &'t Measures, headings: bool) -> Writer<'t> {
        Writer {
            tree,
            measures,
            headings,
            out: String::new(),
            gap: Gap::None,
            mark: String::new(),
            open: Vec::new(),
            lists: 0,
            pre: 0,
            cells: 0,
            scratch: String::new(),
        }
    }

    /// The text so far.
    pub fn finish(mut self) -> String {
        let length = self.out.trim_end().len();
        self.out.truncate(length);
        self.out
    }

    /// Write an element with all in it that was not dropped.
    pub fn write(&mut self, root: u32) {
        let end = self.tree.nodes[root as usize].end;
        let mut at = root;
        while at < end {
            while let Some(top) = self.open.last()
                && top.end <= at
            {
                self.leave();
            }
            let node = &self.tree.nodes[at as usize];
            if self.measures.dropped[at as usize] {
                if node.tag.is_block() {
                    self.need(self.block_gap(node.tag));
                }
                at = node.end;
                continue;
            }
            match node.tag {
                Tag::Text => self.text(at),
                Tag::Raw => self.raw(at),
                Tag::Br => {
                    if self.pre > 0 {
                        self.out.push('\n');
                    } else {
                        let twice = self.gap == Gap::Line && self.cells == 0 && self.lists == 0;
                        self.need(if twice { Gap::Paragraph } else { self.line_gap() });
                    }
                }
                tag => self.enter(at, tag, node.end),
            }
            at += 1;
        }
        while !self.open.is_empty() {
            self.leave();
        }
        self.need(Gap::Paragraph);
    }

    fn need(&mut self, gap: Gap) {
        if gap > self.gap {
            self.gap = gap;
        }
    }

    fn line_gap(&self) -> Gap {
        if self.cells > 0 { Gap::Space } else { Gap::Line }
    }

    fn block_gap(&self, tag: Tag) -> Gap {
        use Tag::*;
        match tag {
            Td | Th if self.cells > 0 => Gap::Cell,
            Tr => Gap::Line,
            _ if self.cells > 0 && tag != Table => Gap::Space,
            Li | Dd | Dt | Option | Caption | Summary => Gap::Line,
            _ if self.lists > 0 && tag != Pre => Gap::Line,
            _ => Gap::Paragraph,
        }
    }

    fn enter(&mut self, at: u32, tag: Tag, end: u32) {
        use Tag::*;
        let mut number = 0;
        if tag.is_block() {
            self.need(self.block_gap(tag));
        }
        match tag {
            Pre | Listing | Xmp => self.pre += 1,
            Ul | Ol | Menu | Dir => {
                self.lists += 1;
                number = u32::from(tag == Ol);
            }
            Li => self.item(),
            Table if self.cells > 0 || self.is_data(at, end) => {
                self.cells += 1;
                number = 1;
            }
            _ if tag.is_heading() && self.headings && self.cells == 0 => {
                self.mark.clear();
                self.mark.push_str(&"######"[..tag.heading_level()]);
                self.mark.push(' ');
            }
            _ => {}
        }
        self.open.push(Open { tag, end, number });
    }

    fn item(&mut self) {
        if self.cells > 0 {
            return;
        }
        let list = self
            .open
            .iter_mut()
            .rev()
            .find(|open| matches!(open.tag, Tag::Ul | Tag::Ol | Tag::Menu | Tag::Dir));
        self.mark.clear();
        self.mark.extend(std::iter::repeat_n("  ", self.lists.saturating_sub(1).min(8)));
        match list {
            Some(list) if list.number > 0 => {
                self.mark.push_str(&format!("{}. ", list.number));
                list.number += 1;
            }
            _ => self.mark.push_str("- "),
        }
    }

    fn leave(&mut self) {
        use Tag::*;
        let Some(Open { tag, number, .. }) = self.open.pop() else { return };
        if tag.is_block() {
            self.need(self.block_gap(tag));
        }
        match tag {
            Pre | Listing | Xmp => self.pre = self.pre.saturating_sub(1),
            Ul | Ol | Menu | Dir => {
                self.lists = self.lists.saturating_sub(1);
                self.mark.clear();
                self.need(if self.cells > 0 {
                    Gap::Space
                } else if self.lists == 0 {
                    Gap::Paragraph
                } else {
                    Gap::Line
                });
            }
            Table if number == 1 => {
                self.cells -= 1;
                self.need(if self.cells > 0 { Gap::Space } else { Gap::Paragraph });
            }
            Li => self.mark.clear(),
            _ if tag.is_heading() => self.mark.clear(),
            _ => {}
        }
    }

    /// Whether a table holds short cells side by side; others only place their content.
    fn is_data(&self, table: u32, end: u32) -> bool {
        let (mut cells, mut rows, mut blocks) = (0u32, 0u32, 0u32);
        for node in &self.tree.nodes[table as usize + 1..end as usize] {
            match node.tag {
                Tag::Td | Tag::Th => cells += 1,
                Tag::Tr => rows += 1,
                Tag::Table | Tag::Ul | Tag::Ol | Tag::Pre | Tag::H1 | Tag::H2 | Tag::H3 => blocks += 1,
                Tag::P => blocks += u32::from(cells > 0),
                _ => {}
            }
        }
        let text = self.measures.sums[table as usize].text;
        cells > rows && rows > 0 && blocks * 2 <= cells && text / cells.max(1) < 200
    }

    /// What is due before the next text.
    fn due(&mut self) {
        if self.out.is_empty() {
            self.gap = Gap::None;
        }
        let between = match self.gap {
            Gap::None => "",
            Gap::Space => " ",
            Gap::Cell if self.out.ends_with('\n') => "",
            Gap::Cell => " | ",
            Gap::Line => "\n",
            Gap::Paragraph => "\n\n",
        };
        if self.gap >= Gap::Cell {
            // Also the line feeds at the end of preformatted text.
            let ends: &[char] = if self.gap > Gap::Cell { &[' ', '\n'] } else { &[' '] };
            let length = self.out.trim_end_matches(ends).len();
            self.out.truncate(length);
        }
        self.out.push_str(between);
        self.out.push_str(&self.mark);
        self.mark.clear();
        self.gap = Gap::None;
    }

    fn text(&mut self, at: u32) {
        let raw = self.tree.bytes(at);
        if self.pre > 0 {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            decode_into(raw, false, &mut scratch);
            self.kept(&scratch);
            self.scratch = scratch;
        } else if raw.contains('&') {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            decode_into(raw, false, &mut scratch);
            self.flowing(&scratch);
            self.scratch = scratch;
        } else {
            self.flowing(raw);
        }
    }

    fn raw(&mut self, at: u32) {
        let raw = self.tree.bytes(at);
        if self.pre > 0 { self.kept(raw) } else { self.flowing(raw) }
    }

    /// Text in which white space only parts words.
    fn flowing(&mut self, text: &str) {
        let mut rest = text;
        loop {
            let trimmed = rest.trim_start_matches(is_space);
            if trimmed.len() < rest.len() {
                self.need(Gap::Space);
            }
            if trimmed.is_empty() {
                return;
            }
            let end = trimmed.find(|c: char| is_space(c) || is_unseen(c)).unwrap_or(trimmed.len());
            if end > 0 {
                self.due();
                self.out.push_str(&trimmed[..end]);
                rest = &trimmed[end..];
            } else {
                let skip = trimmed.chars().next().map_or(0, char::len_utf8);
                rest = &trimmed[skip..];
            }
        }
    }

    /// Text of which every space counts.
    fn kept(&mut self, text: &str) {
        // A line feed right behind `<pre>` is for the source's looks.
        let text = if self.gap >= Gap::Line {
            text.strip_prefix("\r\n").or(text.strip_prefix('\n')).unwrap_or(text)
        } else {
            text
        };
        let begins = self.gap >= Gap::Line || self.out.is_empty();
        let text = if begins && text.trim().is_empty() { return } else { text };
        self.due();
        self.out.extend(
            text.chars()
                .filter(|&c| c != '\r' && !is_unseen(c) || c == '\n')
                .map(|c| if c == '\u{a0}' { ' ' } else { c }),
        );
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\t' | '\r' | '\u{c}' | '\u{a0}' | '\u{2028}' | '\u{2029}')
}

/// Soft hyphens, zero-width spaces, byte order marks and control characters.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{2060}' | '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}')
}
