//! What the names of classes and ids say about an element.

/// Bits that say what an element is by its names.
pub(super) mod says {
    /// Something beside the text: navigation, sharing, advertisements, comments.
    pub const BESIDE: u8 = 1;
    /// Perhaps the text.
    pub const TEXT: u8 = 2;
    /// The body of an article.
    pub const BODY: u8 = 4;
}

/// What stands beside the main text.
fn beside(word: &str) -> bool {
    matches!(
        word,
        "nav"
            | "navbar"
            | "navi"
            | "navigation"
            | "subnav"
            | "topnav"
            | "menu"
            | "menus"
            | "submenu"
            | "navmenu"
            | "sidebar"
            | "sidebars"
            | "sidenav"
            | "rail"
            | "footer"
            | "foot"
            | "colophon"
            | "breadcrumb"
            | "breadcrumbs"
            | "crumbs"
            | "comment"
            | "comments"
            | "commentlist"
            | "disqus"
            | "respond"
            | "replies"
            | "share"
            | "shares"
            | "sharing"
            | "sharer"
            | "sharebar"
            | "sharedaddy"
            | "sharethis"
            | "addthis"
            | "addtoany"
            | "shareaholic"
            | "social"
            | "socials"
            | "socialmedia"
            | "follow"
            | "related"
            | "relateds"
            | "recommend"
            | "recommended"
            | "recommendation"
            | "recommendations"
            | "recirc"
            | "recirculation"
            | "promo"
            | "promos"
            | "promotion"
            | "ad"
            | "ads"
            | "adv"
            | "advert"
            | "adverts"
            | "advertisement"
            | "advertising"
            | "advertise"
            | "adsense"
            | "adbox"
            | "sponsor"
            | "sponsors"
            | "sponsored"
            | "outbrain"
            | "taboola"
            | "cookie"
            | "cookies"
            | "consent"
            | "gdpr"
            | "popup"
            | "popups"
            | "modal"
            | "overlay"
            | "lightbox"
            | "newsletter"
            | "newsletters"
            | "subscribe"
            | "subscription"
            | "signup"
            | "signin"
            | "login"
            | "register"
            | "paywall"
            | "pagination"
            | "pager"
            | "paging"
            | "pagenav"
            | "tags"
            | "taglist"
            | "tagcloud"
            | "widget"
            | "widgets"
            | "toolbar"
            | "tooltip"
            | "tooltips"
            | "skiplink"
            | "masthead"
            | "byline"
            | "bylines"
            | "teaser"
            | "teasers"
            | "trending"
            | "popular"
            | "mostread"
            | "mostpopular"
            | "rating"
            | "ratings"
            | "vote"
            | "votes"
            | "poll"
            | "copyright"
            | "disclaimer"
            | "editsection"
            | "navbox"
            | "catlinks"
            | "jumpbox"
            | "printfooter"
            | "noprint"
            | "search"
            | "searchbox"
            | "searchform"
            | "dropdown"
            | "flyout"
            | "hamburger"
            | "carousel"
            | "slick"
            | "infinite"
            | "upsell"
            | "ticker"
            | "feedback"
            | "meta"
            | "postmeta"
            | "metadata"
            | "timestamp"
            | "shoutbox"
            | "supplemental"
            | "supplementary"
            | "jp"
            | "authorbox"
            | "bio"
            | "permalink"
            | "headerlink"
            | "toc"
            | "viafoura"
            | "livefyre"
            | "onesignal"
            | "optin"
            | "donate"
            | "donation"
            | "callout"
            | "readmore"
            | "readnext"
            | "moreon"
            | "linkbox"
            | "linklist"
            | "siteheader"
            | "sitefooter"
            | "pageheader"
            | "sociable"
            | "credit"
            | "credits"
            | "caption"
            | "captions"
            | "figcaption"
            | "imagecaption"
            | "photocaption"
            | "dateline"
            | "pubdate"
            | "printonly"
            | "screenreader"
            | "sronly"
            | "kicker"
    )
}

/// What holds text.
fn text(word: &str) -> bool {
    matches!(
        word,
        "article"
            | "body"
            | "content"
            | "contents"
            | "entry"
            | "hentry"
            | "main"
            | "page"
            | "post"
            | "text"
            | "blog"
            | "story"
            | "copy"
            | "column"
            | "articles"
            | "paragraph"
            | "prose"
    )
}

/// Names of single words that only the body of an article has.
fn is_body(name: &str) -> bool {
    matches!(
        name,
        "articlebody"
            | "articlecontent"
            | "articletext"
            | "articlecopy"
            | "postbody"
            | "postcontent"
            | "posttext"
            | "entrycontent"
            | "entrytext"
            | "entrybody"
            | "storybody"
            | "storycontent"
            | "storytext"
            | "contentbody"
            | "bodytext"
            | "bodycopy"
            | "maintext"
            | "newsbody"
            | "newscontent"
            | "newstext"
            | "blogcontent"
            | "blogbody"
            | "blogpost"
            | "postarticle"
            | "singlecontent"
            | "articlemain"
            | "bodycontent"
            | "contenttext"
            | "textcontent"
            | "pagecontent"
            | "postentry"
            | "contentarticle"
            | "mwparseroutput"
            | "articlepage"
            | "articledetail"
            | "fulltext"
            | "storyarticle"
            | "articlestory"
    )
}

/// Words behind or before the one that counts: `comments-wrapper`.
fn is_frame(word: &str) -> bool {
    matches!(
        word,
        "container"
            | "wrapper"
            | "wrap"
            | "box"
            | "block"
            | "section"
            | "area"
            | "inner"
            | "outer"
            | "list"
            | "items"
            | "item"
            | "holder"
            | "module"
            | "panel"
            | "bar"
            | "links"
            | "link"
            | "icons"
            | "icon"
            | "buttons"
            | "button"
            | "btn"
            | "group"
            | "row"
            | "col"
            | "zone"
            | "slot"
            | "unit"
            | "component"
            | "div"
            | "region"
            | "top"
            | "bottom"
            | "left"
            | "right"
            | "header"
            | "title"
            | "heading"
            | "mobile"
            | "desktop"
            | "v2"
            | "small"
            | "large"
            | "outside"
            | "menu"
            | "form"
            | "count"
            | "count1"
            | "posts"
            | "post"
            | "articles"
            | "article"
            | "stories"
            | "story"
            | "news"
            | "content"
            | "text"
            | "message"
            | "info"
            | "label"
            | "tools"
            | "ul"
            | "li"
            | "primary"
            | "secondary"
            | "main"
            | "site"
            | "page"
            | "global"
            | "entry"
            | "single"
            | "body"
            | "block1"
            | "tag"
    )
}

/// Words before which something is only said to be there: `has-sidebar`.
fn is_state(word: &str) -> bool {
    matches!(
        word,
        "has" | "no" | "with" | "without" | "is" | "not" | "show" | "hide" | "enable" | "enabled" | "disable" | "js"
            // WordPress marks an article with its tags, categories and type.
            | "tag" | "category" | "cat" | "type" | "status" | "format" | "postid" | "pageid" | "author" | "term"
            | "label" | "dialog"
    )
}

const WORDS: usize = 8;

/// What one class or id says.
pub(super) fn name_says(name: &str, scratch: &mut String) -> u8 {
    scratch.clear();
    let mut ends = [0usize; WORDS];
    let mut count = 0;
    let mut before = b'-';
    for &byte in name.as_bytes().iter().take(64) {
        let part = byte.is_ascii_alphanumeric();
        let starts = byte.is_ascii_uppercase() && before.is_ascii_lowercase();
        if (!part || starts)
            && count < WORDS
            && scratch.len() > count.checked_sub(1).map_or(0, |last| ends[last])
        {
            ends[count] = scratch.len();
            count += 1;
        }
        if part {
            scratch.push(char::from(byte.to_ascii_lowercase()));
        }
        before = byte;
    }
    if count < WORDS && scratch.len() > count.checked_sub(1).map_or(0, |last| ends[last]) {
        ends[count] = scratch.len();
        count += 1;
    }
    let word = |at: usize| &scratch[if at == 0 { 0 } else { ends[at - 1] }..ends[at]];
    let mut bits = 0;
    if count == 0 {
        return 0;
    }
    if is_body(scratch)
        || count > 2
            && (1..count).any(|at| is_body(&scratch[if at == 1 { 0 } else { ends[at - 2] }..ends[at]]))
    {
        bits |= says::BODY;
    }
    if (0..count).any(|at| text(word(at))) {
        bits |= says::TEXT;
    }
    if is_state(word(0)) {
        return bits;
    }
    let framed = |at: &usize| is_frame(word(*at)) || word(*at).bytes().all(|b| b.is_ascii_digit());
    let head = (0..count).rev().find(|at| !framed(at)).unwrap_or(count - 1);
    if beside(word(head)) || beside(word(0)) || beside(scratch) {
        bits |= says::BESIDE;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_their_words() {
        let says = |name| name_says(name, &mut String::new());
        for name in [
            "nav",
            "main-nav",
            "comments-wrapper",
            "post_comments",
            "shareBar",
            "sidebar-2",
            "relatedArticles",
            "ad-slot",
            "cookie_banner",
        ] {
            assert_eq!(says(name) & says::BESIDE, says::BESIDE, "{name}");
        }
        for name in
            ["has-sidebar", "content", "article-text", "header", "adventure", "shared-memory", "loading", ""]
        {
            assert_eq!(says(name) & says::BESIDE, 0, "{name}");
        }
        for name in
            ["article-body", "articleBody", "entry_content", "post-content", "td-post-content", "StoryBody"]
        {
            assert_eq!(says(name) & says::BODY, says::BODY, "{name}");
        }
        assert_eq!(says("my-article") & (says::TEXT | says::BODY), says::TEXT);
        assert_eq!(says("\u{e9}\u{e9}-nav"), says::BESIDE);
        says(&"a-".repeat(100));
    }
}
