//! A writer of markup that cannot leave a tag open nor let foreign text through unescaped. What it writes is both
//! HTML and well-formed XML, but for the script.

use std::fmt::Write;

use crate::escape::escape_into;
use crate::json::Json;

/// Attributes: names are ours, values are escaped.
pub(crate) type Attrs<'a> = &'a [(&'a str, &'a str)];

/// A page, or a part of one, being written.
#[derive(Default)]
pub(crate) struct Html {
    out: String,
}

/// Elements after which a line ends, so that the source of a page can be read.
const BLOCKS: &[&str] = &[
    "body",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "header",
    "html",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "pre",
    "script",
    "section",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "thead",
    "title",
    "tr",
    "ul",
];

impl Html {
    /// An element with whatever `inside` writes.
    pub(crate) fn el(&mut self, tag: &str, attrs: Attrs, inside: impl FnOnce(&mut Html)) {
        self.tag(tag, attrs);
        self.out.push('>');
        inside(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
        self.end_line(tag);
    }

    /// An element that holds only text.
    pub(crate) fn leaf(&mut self, tag: &str, attrs: Attrs, text: &str) {
        self.el(tag, attrs, |h| h.text(text));
    }

    /// An element without content.
    pub(crate) fn void(&mut self, tag: &str, attrs: Attrs) {
        self.tag(tag, attrs);
        self.out.push_str("/>");
        self.end_line(tag);
    }

    /// Text from anywhere.
    pub(crate) fn text(&mut self, text: &str) {
        escape_into(&mut self.out, text);
    }

    /// Markup of our own that needs no escaping.
    pub(crate) fn trusted(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// An element of data for the script. Its content cannot end it.
    pub(crate) fn data(&mut self, id: &str, json: &Json) {
        self.tag("script", &[("type", "application/json"), ("id", id)]);
        self.out.push('>');
        self.out.push_str(json.as_str());
        self.out.push_str("</script>\n");
    }

    /// Another part, as it is.
    pub(crate) fn append(&mut self, part: &Html) {
        self.out.push_str(&part.out);
    }

    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The finished text.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn tag(&mut self, tag: &str, attrs: Attrs) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attrs {
            let _ = write!(self.out, " {name}=\"");
            escape_into(&mut self.out, value);
            self.out.push('"');
        }
    }

    fn end_line(&mut self, tag: &str) {
        if BLOCKS.contains(&tag) {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_values_are_escaped() {
        let mut html = Html::default();
        html.el("p", &[("title", "a\"><b>")], |h| {
            h.text("x < y ");
            h.leaf("code", &[], "<br>");
            h.void("br", &[]);
        });
        let wanted = "<p title=\"a&quot;&gt;&lt;b&gt;\">x &lt; y <code>&lt;br&gt;</code><br/></p>\n";
        assert_eq!(html.finish(), wanted);
    }
}
