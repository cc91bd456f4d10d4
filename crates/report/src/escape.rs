//! Foreign text made harmless: in HTML and SVG, between tags and inside quoted attributes alike.

/// Append `text` to `out`, escaped. Line feeds and tabs stay; every other control character becomes its visible
/// picture, characters that XML forbids become U+FFFD, and marks that would turn the direction of the text around
/// them are written out.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    out.reserve(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => readable_into(out, c),
        }
    }
}

/// Append a character, made visible where it is not or would do harm.
fn readable_into(out: &mut String, c: char) {
    match c {
        '\n' | '\t' => out.push(c),
        '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        '\u{80}'..='\u{9f}' | '\u{fdd0}'..='\u{fdef}' => out.push('\u{fffd}'),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            out.push_str(&format!("\u{27e8}U+{:04X}\u{27e9}", c as u32));
        }
        // The last two code points of every plane are no characters.
        _ if c as u32 & 0xfffe == 0xfffe => out.push('\u{fffd}'),
        _ => out.push(c),
    }
}

/// Append `text` as a JSON string that can stand inside an element: plain ASCII without angle brackets, ampersands and
/// quotes of other kinds, and readable as [`escape_into`] makes it.
pub(crate) fn json_into(out: &mut String, text: &str) {
    let mut readable = String::with_capacity(text.len());
    text.chars().for_each(|c| readable_into(&mut readable, c));
    out.push('"');
    for unit in readable.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b) if matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\' | b'<' | b'>' | b'&' | b'\'') => {
                out.push(char::from(b));
            }
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(text: &str) -> String {
        let mut out = String::new();
        escape_into(&mut out, text);
        out
    }

    #[test]
    fn markup_cannot_get_out() {
        assert_eq!(
            escape("</script><b x=\"1\" y='2'>"),
            "&lt;/script&gt;&lt;b x=&quot;1&quot; y=&#39;2&#39;&gt;"
        );
        assert_eq!(escape("]]>"), "]]&gt;");
        assert_eq!(escape("&amp;"), "&amp;amp;");
    }

    #[test]
    fn json_cannot_get_out_either() {
        let evil = "</script><!-- & \" ' \\ \u{202e} \0 \u{2028} \u{1f980}";
        let mut json = String::new();
        json_into(&mut json, evil);
        assert!(json.is_ascii() && !json.contains(['<', '>', '&', '\'']));
        let back: String = serde_json::from_str(&json).unwrap();
        assert_eq!(back, "</script><!-- & \" ' \\ \u{27e8}U+202E\u{27e9} \u{2400} \u{2028} \u{1f980}");
    }

    #[test]
    fn characters_that_break_a_page_become_visible() {
        assert_eq!(escape("a\0b\x1bc\r\n\td\x7f"), "a\u{2400}b\u{241b}c\u{240d}\n\td\u{2421}");
        assert_eq!(escape("\u{85}\u{ffff}\u{1fffe}"), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(escape("\u{202e}abc"), "\u{27e8}U+202E\u{27e9}abc");
        assert_eq!(escape("Zürich 北京 🦀"), "Zürich 北京 🦀");
    }
}
