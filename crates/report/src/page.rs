//! The page as a whole: head, sections with their contents list, footer.

use crate::facts::Facts;
use crate::html::Html;
use crate::sections;
use crate::words::moment;

const STYLE: &str = include_str!("style.css");
/// Our own script, in the order in which its parts need each other.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("script/series.js"),
    include_str!("script/scale.js"),
    include_str!("script/chart.js"),
    include_str!("script/pointer.js"),
    include_str!("script/controls.js"),
    include_str!("script/copy.js"),
    include_str!("script/main.js"),
    "})();\n",
);
/// Name under which a page carries the stamp of what it shows.
pub(crate) const STAMP: &str = "regimen-stamp";

/// The page of a run.
pub(crate) fn page(facts: &Facts) -> String {
    let parts: Vec<(&str, &str, Html)> = sections::ALL
        .iter()
        .map(|section| {
            let mut part = Html::default();
            (section.write)(facts, &mut part);
            (section.id, section.title, part)
        })
        .filter(|(_, _, part)| !part.is_empty())
        .collect();
    // Nothing foreign can guess a hash of itself, so nothing foreign can be run.
    let nonce = facts.stamp.to_string();
    let mut html = Html::default();
    html.trusted("<!DOCTYPE html>\n");
    html.el("html", &[("lang", "en")], |h| {
        head(facts, &nonce, h);
        h.el("body", &[], |h| {
            h.leaf("a", &[("class", "skip-link"), ("href", "#content")], "Skip to the content");
            sections::header(facts, h);
            h.el("nav", &[("aria-label", "Contents")], |h| {
                h.el("ul", &[], |h| {
                    for (id, title, _) in &parts {
                        h.el("li", &[], |h| h.leaf("a", &[("href", &format!("#{id}"))], title));
                    }
                });
            });
            h.el("main", &[("id", "content")], |h| {
                for (id, title, part) in parts {
                    let heading = format!("{id}-heading");
                    h.el("section", &[("id", id), ("aria-labelledby", &heading)], |h| {
                        h.leaf("h2", &[("id", &heading)], title);
                        h.append(&part);
                    });
                }
            });
            footer(facts, h);
            h.el("script", &[("nonce", &nonce)], |h| h.trusted(SCRIPT));
        });
    });
    html.finish()
}

fn head(facts: &Facts, nonce: &str, html: &mut Html) {
    let info = &facts.info;
    // Only what carries the nonce, and no request to anywhere.
    let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'");
    let other = facts.against.as_ref().map(|other| format!(" and {}", other.info.id)).unwrap_or_default();
    html.el("head", &[], |h| {
        h.void("meta", &[("charset", "utf-8")]);
        h.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)]);
        h.void("meta", &[("name", STAMP), ("content", &facts.stamp.to_string())]);
        h.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
        h.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
        h.leaf("title", &[], &format!("{}{other} \u{b7} {}", info.stage, info.recipe_name));
        h.el("style", &[("nonce", nonce)], |h| h.trusted(STYLE));
    });
}

fn footer(facts: &Facts, html: &mut Html) {
    let info = &facts.info;
    html.el("footer", &[], |h| {
        h.el("p", &[], |h| {
            h.text(concat!("Regimen ", env!("CARGO_PKG_VERSION"), ". Begun "));
            h.text(&moment(info.started));
            if let Some(own) = &facts.own {
                h.text(", finished ");
                h.text(&moment(own.created));
            }
            h.text(". ");
            if !info.fingerprint.is_empty() {
                h.text("Made by ");
                h.leaf("code", &[], &info.fingerprint);
                h.text(".");
            }
        });
    });
}
