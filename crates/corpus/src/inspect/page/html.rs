//! Markup in which foreign text stays text.

/// A page being written. Tags come from this program alone; all else goes through [`Html::text`].
#[derive(Default)]
pub(super) struct Html(pub String);

impl Html {
    /// Markup of our own.
    pub fn raw(&mut self, markup: &str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere: line feeds and tabs stay, other control characters and marks that turn the direction of
    /// writing become visible.
    pub fn text(&mut self, text: &str) -> &mut Html {
        self.0.reserve(text.len());
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                '\0'..='\u{1f}' => self.0.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
                '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    self.0.push_str(&format!("\u{27e8}U+{:04X}\u{27e9}", c as u32));
                }
                c => self.0.push(c),
            }
        }
        self
    }

    /// A long name, whose line may end behind `.` and `_`.
    pub fn name(&mut self, name: &str) -> &mut Html {
        for part in name.split_inclusive(['.', '_']) {
            self.text(part);
            if part.ends_with(['.', '_']) {
                self.raw("<wbr>");
            }
        }
        self
    }

    /// An element that holds only text. `tag` may have attributes of our own behind its name.
    pub fn leaf(&mut self, tag: &str, text: &str) -> &mut Html {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.raw("<").raw(tag).raw(">").text(text).raw("</").raw(name).raw(">")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_cannot_get_out() {
        let mut html = Html::default();
        html.leaf("p class=\"x\"", "<b>&\"'\u{1b}\u{202e}\u{85}é");
        let expected = "<p class=\"x\">&lt;b&gt;&amp;&quot;&#39;\u{241b}\u{27e8}U+202E\u{27e9}\u{fffd}é</p>";
        assert_eq!(html.0, expected);
        let mut html = Html::default();
        html.name("a.b_<c_");
        assert_eq!(html.0, "a.<wbr>b_<wbr>&lt;c_<wbr>");
    }
}
