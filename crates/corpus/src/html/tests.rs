//! Whole pages, and pages that break parsers.

use proptest::prelude::*;

use super::*;

fn text(page: &str) -> String {
    extract(page, Options::default()).text
}

const LOREM: &str = "The committee met on Tuesday, after a long pause, and agreed that the bridge, which is old, should be \
     repaired before winter.";

fn article() -> String {
    format!(
        "<!DOCTYPE html><html lang=en><head><title>Bridge &amp; river</title>
        <link rel=\"license\" href=\"https://creativecommons.org/licenses/by/4.0/?a=1&amp;b=2\">
        <style>p {{ color: red }}</style><script>if (a < b) document.write('<p>no</p>')</script></head>
        <body class=\"has-sidebar\"><nav><ul><li><a href=/>Home</a><li><a href=/news>News</a></ul></nav>
        <div class=\"cookie-banner\">We use cookies, as all do, for reasons that nobody reads.</div>
        <div id=main><article><h1>Bridge &amp; river</h1><div class=byline>By Ann Smith</div>
        <p>{LOREM}<p>{LOREM} <a href=x>A link</a>&nbsp;&mdash; and&shy;more.
        <h2>What it costs</h2><ul><li>one<li>two <b>bold</b><ol><li>first<li>second</ol></ul>
        <table><tr><th>Year<th>Cost<tr><td>2020<td>5&euro;</table>
        <pre>\nlet a  = 1;\n  b &lt; c\n</pre>
        <blockquote>{LOREM}</blockquote><p>{LOREM}<br>second line<br><br>third paragraph</p>
        <div class=share-buttons><a href=f>Facebook</a> <a href=t>Twitter</a></div></article>
        <section class=comments><p>{LOREM} I do not agree, said somebody, at length.</section></div>
        <aside><p>Most read, and other things.</aside><footer>All rights reserved, 2026</footer></body></html>"
    )
}

#[test]
fn an_article_is_written_as_plain_text() {
    let page = extract(&article(), Options { headings: true });
    let expected = format!(
        "# Bridge & river\n\n{LOREM}\n\n{LOREM} A link \u{2014} andmore.\n\n## What it costs\n\n- one\n- two bold\n  1. first\n  2. second\n\n\
         Year | Cost\n2020 | 5\u{20ac}\n\nlet a  = 1;\n  b < c\n\n{LOREM}\n\n{LOREM}\nsecond line\n\nthird paragraph"
    );
    assert_eq!(page.text, expected);
    assert_eq!(page.title.as_deref(), Some("Bridge & river"));
    assert_eq!(page.language.as_deref(), Some("en"));
    assert_eq!(page.licence.as_deref(), Some("https://creativecommons.org/licenses/by/4.0/?a=1&b=2"));
    assert!(!text(&article()).contains('#'));
}

#[test]
fn headlines_of_the_main_text_stay_wherever_they_stand_and_whatever_the_title_is() {
    let head = "<h1>Bridge and river</h1>";
    let body = format!("<p>{LOREM}</p><p>{LOREM}</p><h2>What it costs</h2><p>{LOREM}</p>");
    let expected = format!("Bridge and river\n\n{LOREM}\n\n{LOREM}\n\nWhat it costs\n\n{LOREM}");
    for title in ["", "<title>Bridge and river</title>", "<title>Another</title>"] {
        for whole in [
            format!("{head}{body}"),
            format!("<main>{head}{body}</main>"),
            format!("<article>{head}{body}</article>"),
            format!("<article><header>{head}</header>{body}</article>"),
            format!("<article>{head}<div class=byline>By Ann Smith</div>{body}</article>"),
            // What little stands before it goes.
            format!("<article><div>Local news</div>{head}{body}</article>"),
        ] {
            assert_eq!(
                text(&format!("<html><head>{title}</head><body>{whole}</body></html>")),
                expected,
                "{whole}"
            );
        }
    }
    // The name of the site is no part of the main text; later headings of the first level are.
    let site = format!("<div id=head><h1>The Daily News</h1></div><article><h2>Bridge</h2>{body}</article>");
    assert!(text(&site).starts_with("Bridge\n\nThe committee"), "{}", text(&site));
    let two = format!("<article>{head}{body}<h1>Second part</h1><p>{LOREM}</p></article>");
    assert_eq!(text(&two), format!("{expected}\n\nSecond part\n\n{LOREM}"));
}

#[test]
fn pages_without_an_article_keep_their_text() {
    assert_eq!(text("just text"), "just text");
    assert_eq!(text("<p>a<p>b"), "a\n\nb");
    assert_eq!(text(""), "");
    assert_eq!(text("<script>x</script>"), "");
    // A head that is not closed ends before what it cannot hold.
    let page = "<html><head><title>T</title>\n<meta name=a><style>b{}</style>Hello <b>world</b>, it is late";
    let words = |page: &str| text(page).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(page), "Hello world , it is late");
    assert_eq!(words("<head><title>T</title><b>bold</b> text"), "bold text");
    assert_eq!(extract(page, Options::default()).title.as_deref(), Some("T"));
    assert_eq!(
        extract("<meta property=og:title content=' A  &amp; b '><title>c</title>", Options::default())
            .title
            .as_deref(),
        Some("A & b")
    );
}

#[test]
fn names_of_classes_cannot_empty_a_page() {
    let page =
        format!("<body><div class=sidebar><p>{LOREM}</p><p>{LOREM}</p></div><div class=x>a</div></body>");
    assert_eq!(text(&page), format!("{LOREM}\n\n{LOREM}\n\na"));
}

/// Inputs that make parsers with a tree of lists, recursion or backtracking slow or break.
#[test]
fn hostile_pages_end() {
    let n = 30_000;
    for unit in [
        "<div>",
        "<p>",
        "<b>",
        "<a href=x>",
        "<table><tr><td>",
        "<ul><li>",
        "</p>",
        "</div>",
        "<font><p>",
        "<h1>",
        "<svg>",
        "<svg><title>",
        "<select>",
        "<option>",
        "<!--",
        "<![CDATA[",
        "<script>",
        "<script><!--",
        "<title>",
        "<textarea>",
        "<a b='",
        "<a b=\"\">",
        "<a b",
        "<",
        "&",
        "&#",
        "&#x41",
        "&notit",
        "&amp",
        "<pre>",
        "<template>",
        "<frameset>",
        "<br>",
        "<body class=a>",
        "<html lang=b>",
        "x ",
        "\u{a0}",
        "\0",
    ] {
        text(&unit.repeat(n));
        text(&(unit.repeat(n) + &LOREM.repeat(3)));
    }
    let classes = "a-b ".repeat(n);
    text(&format!("<div class='{classes}' {}>x</div>", "c=d ".repeat(n)));
}

proptest! {
    #[test]
    fn any_page_is_read(page in "(<(/?(p|div|b|a|table|tr|td|th|li|ul|ol|h1|h2|pre|svg|br|body|html|title|script|article|nav|span|section|noscript|textarea)( (class|id|style|role|href|hidden)(=('|\")?[a-zA-Z:; -]{0,9}('|\")?)?){0,2}|!--) ?/?>?|-->|[a-z ,.]{1,40}|\\PC|&[a-z#0-9x]{1,8};?|\n){0,60}") {
        let text = text(&page);
        prop_assert!(!text.ends_with(char::is_whitespace));
        // Text may grow by marks of lists and cells, not beyond.
        prop_assert!(text.len() <= 8 * page.len() + 16);
        extract(&page, Options { headings: true });
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        text(&decode(&bytes, None).text);
    }

    /// Spaces between words of paragraphs do not matter, and all words of long paragraphs are kept in order.
    #[test]
    fn paragraphs_come_out_as_they_went_in(words in proptest::collection::vec("[a-z]{1,9}", 20..60), space in "[ \n\t]{1,3}") {
        let page = format!("<html><body><div><p>{}</p><p>{}</p></div></body></html>", words.join(&space), words.join(" "));
        let line = words.join(" ");
        prop_assert_eq!(text(&page), format!("{line}\n\n{line}"));
    }
}
