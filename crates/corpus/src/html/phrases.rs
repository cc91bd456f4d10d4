//! Short lines that stand on pages and say nothing: labels of buttons and boxes, in some languages.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Lines that are left out where they stand alone, in lower case without punctuation around them.
const WHOLE: &[&str] = &[
    "ad",
    "ads",
    "advert",
    "advertisement",
    "advertisements",
    "advertising",
    "all rights reserved",
    "also read",
    "anzeige",
    "artikel drucken",
    "artikel teilen",
    "artikel versenden",
    "auch interessant",
    "aktualisiert",
    "back to top",
    "beitrag teilen",
    "breaking news",
    "caption",
    "click here",
    "close",
    "comment",
    "comments",
    "commentaires",
    "compartir",
    "continue reading",
    "copy link",
    "copied",
    "comentarios",
    "das könnte sie auch interessieren",
    "das könnte dich auch interessieren",
    "diesen artikel teilen",
    "don't miss",
    "don’t miss",
    "drucken",
    "email",
    "e-mail",
    "embed",
    "facebook",
    "follow us",
    "imprimer",
    "instagram",
    "image",
    "image caption",
    "image copyright",
    "inhaltsverzeichnis",
    "jetzt teilen",
    "kommentare",
    "latest news",
    "leave a comment",
    "lesen sie auch",
    "leia também",
    "lire aussi",
    "lire la suite",
    "link kopieren",
    "linkedin",
    "load more",
    "loading",
    "mehr",
    "mehr dazu",
    "mehr lesen",
    "mehr zum thema",
    "merken",
    "más información",
    "más noticias",
    "menu",
    "more",
    "more from",
    "more on this story",
    "more stories",
    "most popular",
    "most read",
    "nach oben",
    "newsletter",
    "next",
    "our latest stories",
    "partager",
    "pdf",
    "permalien",
    "permalink",
    "pinterest",
    "play",
    "popular",
    "previous",
    "print",
    "read also",
    "read more",
    "read next",
    "recommended",
    "related",
    "related articles",
    "related content",
    "related posts",
    "related stories",
    "related topics",
    "reply",
    "save",
    "schließen",
    "see also",
    "see more",
    "seite drucken",
    "share",
    "share on facebook",
    "share on twitter",
    "share this",
    "share this article",
    "share this post",
    "share this story",
    "show more",
    "sign up",
    "similar posts",
    "skip to content",
    "source",
    "sponsored",
    "subscribe",
    "tags",
    "teilen",
    "temas relacionados",
    "text",
    "this slideshow requires javascript",
    "top",
    "trending",
    "tweet",
    "tweeten",
    "twitter",
    "up next",
    "weiter",
    "weiterlesen",
    "weitere artikel",
    "weitersagen",
    "werbung",
    "whatsapp",
    "xing",
    "you may also like",
    "you might also like",
    "zurück",
    "zum thema",
    "zur startseite",
    "ähnliche artikel",
    "ähnliche beiträge",
    "читайте также",
    "комментарии",
    "поделиться",
    "zobacz także",
    "czytaj także",
    "lees ook",
    "leggi anche",
    "condividi",
];

/// Beginnings of lines that are left out.
const BEGINNINGS: &[&str] = &[
    "advertisement ",
    "click here to",
    "continue reading ",
    "follow us on",
    "image caption ",
    "image copyright ",
    "join the conversation",
    "lesen sie auch:",
    "leia também:",
    "lire aussi :",
    "lire aussi:",
    "mehr zum thema:",
    "read more:",
    "read also:",
    "related:",
    "see also:",
    "see more:",
    "sign up for ",
    "sign up to ",
    "subscribe to ",
    "share on ",
    "share this ",
    "this article was originally published",
    "this story originally appeared",
    "all rights reserved",
    "copyright ©",
    "© ",
    "(c) ",
    "photo:",
    "photo by ",
    "foto:",
    "fotos:",
    "bild:",
    "image:",
    "(image:",
    "picture:",
    "have something to say",
    "you may also like",
    "you might also like",
    "don't miss:",
    "posted in ",
    "tagged ",
    "filed under",
    "tags:",
    "published:",
    "veröffentlicht am",
    "published on",
    "last updated",
    "updated:",
    "updated at ",
    "listen to ",
    "watch:",
    "download the app",
];

static LABELS: LazyLock<HashSet<&str>> = LazyLock::new(|| WHOLE.iter().copied().collect());

/// The beginnings by their first byte, so that few are compared with a line.
static BY_BYTE: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| {
    let mut table = vec![Vec::new(); 256];
    BEGINNINGS.iter().for_each(|start| table[usize::from(start.as_bytes()[0])].push(*start));
    table
});

/// Whether a line of up to 120 bytes says nothing of the subject.
pub(super) fn says_nothing(line: &str) -> bool {
    let lower = line.trim().to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    bare.is_empty() && lower.len() < 6
        || LABELS.contains(bare)
        || lower
            .bytes()
            .next()
            .is_some_and(|byte| BY_BYTE[usize::from(byte)].iter().any(|start| lower.starts_with(start)))
        || is_byline(&lower)
}

/// `By Ann Smith`, `von Anna Schmidt`: few words, no end of a sentence.
fn is_byline(lower: &str) -> bool {
    let begins = ["by ", "von ", "par ", "por "].iter().any(|start| lower.starts_with(start));
    begins && lower.len() < 50 && lower.split(' ').count() <= 6 && !lower.ends_with(['.', '!', '?', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_told_from_sentences() {
        for line in [
            "Share",
            "ADVERTISEMENT",
            " Read more: ",
            "Read more: A story",
            "»",
            "By ANN SMITH",
            "Teilen",
            "\u{a9} 2020 X",
        ] {
            assert!(says_nothing(line), "{line}");
        }
        for line in [
            "Share prices fell.",
            "By noon it was over.",
            "Text and context",
            "42",
            "Photographs of the sea",
            "A",
        ] {
            assert!(!says_nothing(line), "{line}");
        }
    }
}
