//! What a page says of itself.

use super::Page;
use super::entity::decode;
use super::tag::Tag;
use super::token::{attribute, attributes};
use super::tree::Tree;

/// All but the text.
pub(super) fn read(tree: &Tree) -> Page {
    let mut page = Page::default();
    let mut title = None;
    if let Some(language) = attribute(tree.attributes(0), "lang").filter(|lang| !lang.trim().is_empty()) {
        page.language = Some(decode(language.trim(), true));
    }
    for (at, node) in tree.nodes.iter().enumerate().skip(1) {
        match node.tag {
            Tag::Title if title.is_none() && node.end as usize > at + 1 => {
                title = Some(one_line(&decode(tree.bytes(at as u32 + 1), false)));
            }
            Tag::Meta if page.title.is_none() => page.title = social_title(tree.attributes(at as u32)),
            Tag::A | Tag::Link if page.licence.is_none() && !node.bytes.is_empty() => {
                page.licence = licence(tree.attributes(at as u32));
            }
            _ => {}
        }
    }
    page.title = page.title.or(title).filter(|title| !title.is_empty());
    page
}

fn social_title(text: &str) -> Option<String> {
    let named = attribute(text, "property").or_else(|| attribute(text, "name"))?;
    let content = named.eq_ignore_ascii_case("og:title").then(|| attribute(text, "content")).flatten()?;
    Some(one_line(&decode(content, true))).filter(|title| !title.is_empty())
}

fn licence(text: &str) -> Option<String> {
    let (mut rel, mut href) = (false, None);
    for (name, value) in attributes(text) {
        if name.eq_ignore_ascii_case("rel") {
            rel = value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("license"));
        } else if name.eq_ignore_ascii_case("href") {
            href = Some(value);
        }
    }
    href.filter(|href| rel && !href.trim().is_empty()).map(|href| decode(href.trim(), true))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
