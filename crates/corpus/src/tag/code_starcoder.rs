//! StarCoder's rules for code (Li et al. 2023, section 3.1), as Dolma's tagger `code_starcoder_taggers_v2` computes them.
//!
//! - `has_xml_template_doc`: 1 if `<?xml version=` is in the first 100 characters
//! - `num_github_stars_doc`: `max_stars_count` of the metadata, 0 without
//! - `code_to_comment_ratio_doc`: characters of comments (and docstrings) by all, for Python, Java and JavaScript (kept:
//!   0.01 to 0.8); 0.5 for others
//! - `code_to_text_ratio_html_doc`: for HTML the characters that are shown by all, 0 if they are at most 100 (kept: at
//!   least 0.2); 1 for others
//!
//! The language is told by `ext` of the metadata or, without one, by the end of `path`, which trees of source code have. Dolma parses Python with Python, Java and JavaScript with Pygments, and
//! HTML with BeautifulSoup; here [`super::comments`] scans them, so that files that these cannot parse (Python 2)
//! differ, and those with docstrings of `async def`, which Dolma does not count.

use std::path::Path;

use super::comments;
use super::{Attribute, Document, Kind, Scratch, Tagger, Tags, fraction, value};
use crate::read::field;

static ATTRIBUTES: [Attribute; 4] = [
    fraction("has_xml_template_doc", "1 if the head declares XML"),
    value("num_github_stars_doc", "stars of the repository"),
    fraction("code_to_comment_ratio_doc", "characters of comments and docstrings by all; 0.5 if not known"),
    value("code_to_text_ratio_html_doc", "characters of HTML that are shown by all; 1 for other languages"),
];

pub(super) static KIND: Kind = Kind {
    name: "code@starcoder",
    aliases: &["code_starcoder_taggers_v2"],
    version: 3,
    about: "StarCoder's rules for code (Li et al. 2023): XML heads, stars, comments, text in HTML.",
    attributes: &ATTRIBUTES,
    make: |params| {
        params.none()?;
        Ok(Box::new(StarCoder))
    },
};

/// The end of the file's name, without the dot; empty if it is not known.
fn extension(metadata: &str) -> String {
    let of_path = || Some(Path::new(&*field::text(metadata, "path")?).extension()?.to_str()?.to_string());
    field::text(metadata, "ext").map(String::from).or_else(of_path).unwrap_or_default()
}

/// Endings of files, as GitHub's Linguist lists them.
const PYTHON: [&str; 11] = ["py", "bzl", "gyp", "lmi", "pyde", "pyp", "pyt", "pyw", "tac", "wsgi", "xpy"];
const JAVASCRIPT: [&str; 15] = [
    "js", "_js", "bones", "es6", "jake", "jsb", "jscad", "jsfl", "jsm", "jss", "njs", "pac", "sjs", "ssjs",
    "xsjs",
];
const HTML: [&str; 5] = ["html", "htm", "htmlhl", "xht", "xhtml"];

/// Characters of text that a page must show more than.
const LEAST_SHOWN: usize = 100;

struct StarCoder;

impl Tagger for StarCoder {
    fn tag(&self, document: &Document, _: &mut Scratch, out: &mut Tags) {
        let view = document.view;
        let head = view.text.char_indices().nth(100).map_or(view.text.len(), |(at, _)| at);
        out.value(0, f64::from(u8::from(view.text[..head].contains("<?xml version="))));
        let stars = field::value(document.metadata, "max_stars_count");
        out.value(1, stars.and_then(|stars| stars.as_f64()).unwrap_or(0.0));
        let extension = extension(document.metadata);
        let share = |part: usize| part as f64 / f64::from(view.characters.max(1));
        let comments = match &*extension {
            "java" => share(comments::java(view.text)),
            ext if PYTHON.contains(&ext) => share(comments::python(view.text)),
            ext if JAVASCRIPT.contains(&ext) || ext == "xsjslib" => share(comments::javascript(view.text)),
            _ => 0.5,
        };
        out.value(2, comments);
        let shown = if HTML.contains(&&*extension) {
            let shown = comments::html(view.text);
            if shown > LEAST_SHOWN { share(shown) } else { 0.0 }
        } else {
            1.0
        };
        out.value(3, shown);
    }
}

#[cfg(test)]
mod tests {
    use crate::tag::testing::tags_of;

    fn of(text: &str, metadata: &str) -> Vec<f64> {
        tags_of("code@starcoder", text, metadata).into_iter().map(|t| t.3).collect()
    }

    #[test]
    fn the_language_decides_what_is_measured() {
        assert_eq!(of("// ab\nx", r#"{"ext":"java","max_stars_count":7}"#), [0.0, 7.0, 5.0 / 7.0, 1.0]);
        let odd = r#"{"ext":"py","n":1e999,"max_stars_count":6,"ext":"java","max_stars_count":7}"#;
        assert_eq!(of("// ab\nx", odd), [0.0, 7.0, 5.0 / 7.0, 1.0]);
        assert_eq!(of("# ab\nx", r#"{"ext":"py","max_stars_count":null}"#), [0.0, 0.0, 2.0 / 6.0, 1.0]);
        assert_eq!(of("<?xml version=\"1.0\"?>", "{}"), [1.0, 0.0, 0.5, 1.0]);
        let page = format!("<p>{}</p>", "é".repeat(101));
        assert_eq!(of(&page, r#"{"ext":"html"}"#), [0.0, 0.0, 0.5, 101.0 / 108.0]);
        assert_eq!(of("<p>x</p>", r#"{"ext":"htm"}"#)[3], 0.0);
        assert_eq!(of("# ab\nx", r#"{"path":"a.b/c.py"}"#)[2], 2.0 / 6.0);
        assert_eq!(of("# ab\nx", r#"{"path":"a.py","ext":"java"}"#)[2], 0.0);
        assert_eq!(of("# ab\nx", r#"{"path":"a.py/Makefile"}"#)[2], 0.5);
        for odd in ["", "[]", r#"{"ext":3,"max_stars_count":"x"}"#] {
            assert_eq!(of("", odd), [0.0, 0.0, 0.5, 1.0]);
        }
    }
}
