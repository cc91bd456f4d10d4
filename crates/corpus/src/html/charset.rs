//! From the bytes of a page to text: which character set, by what is said where.
//!
//! Order and names as in the WHATWG standards (Encoding; HTML section 13.2.3): byte order mark, header, `<meta>` in the
//! first 1024 bytes. A page that names none is UTF-8 if it can be, else what the crate `chardetng` (Sivonen; Firefox's detector)
//! takes it for.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::token::attributes;

/// Bytes in which a page may name its character set.
const PRESCAN: usize = 1024;

/// A page as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// The character set by its name in the Encoding standard, such as `UTF-8` or `windows-1252`.
    pub encoding: &'static str,
    /// Whether bytes that the set does not know were replaced by U+FFFD.
    pub replaced: bool,
}

/// Turn the bytes of a page into text. `declared` is the character set in the header of the answer.
pub fn decode(bytes: &[u8], declared: Option<&str>) -> Decoded {
    let marked = Encoding::for_bom(bytes);
    let (encoding, skip) = match marked {
        Some((encoding, length)) => (encoding, length),
        None => (unmarked(bytes, declared), 0),
    };
    let (text, replaced) = encoding.decode_without_bom_handling(&bytes[skip..]);
    Decoded { text: text.into_owned(), encoding: encoding.name(), replaced }
}

fn unmarked(bytes: &[u8], declared: Option<&str>) -> &'static Encoding {
    let declared = declared.and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(encoding) = declared.or_else(|| in_page(&bytes[..bytes.len().min(PRESCAN)])) {
        return encoding;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => UTF_8,
        // Cut within a character.
        Err(error) if error.error_len().is_none() && !bytes[..error.valid_up_to()].is_ascii() => UTF_8,
        Err(_) => guessed(bytes),
    }
}

/// What a page that says nothing and is no UTF-8 is in, as Firefox guesses it: by how likely pairs of letters are in the languages
/// of each character set; windows-1252 where nothing speaks for another one.
fn guessed(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// What `<meta charset>`, `<meta http-equiv>` or the XML declaration says.
fn in_page(start: &[u8]) -> Option<&'static Encoding> {
    // Names of character sets and tags are ASCII, and other bytes may stand between them.
    let start = String::from_utf8_lossy(start);
    let lower = start.to_ascii_lowercase();
    if let Some(declaration) = lower.trim_start().strip_prefix("<?xml")
        && let Some(end) = declaration.find("?>")
        && let Some(label) = value_of(&declaration[..end], "encoding")
        && let Some(encoding) = Encoding::for_label(label.as_bytes())
    {
        return Some(for_page(encoding));
    }
    let mut rest = lower.as_str();
    while let Some(at) = rest.find("<meta") {
        rest = &rest[at + 5..];
        let mut content = None;
        for (name, value) in attributes(rest) {
            match name {
                "charset" => {
                    if let Some(encoding) = Encoding::for_label(value.trim().as_bytes()) {
                        return Some(for_page(encoding));
                    }
                }
                "content" => content = value_of(value, "charset"),
                _ => {}
            }
        }
        if let Some(encoding) = content.and_then(|label| Encoding::for_label(label.as_bytes())) {
            return Some(for_page(encoding));
        }
    }
    None
}

/// A page that could be read to say so is not in UTF-16.
fn for_page(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else if encoding == X_USER_DEFINED {
        WINDOWS_1252
    } else {
        encoding
    }
}

/// The value behind `name=` in `text`, quoted or not.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text[text.find(name)? + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let quoted = rest.strip_prefix('"').or_else(|| rest.strip_prefix('\''));
    let value = quoted.unwrap_or(rest);
    let end = value.find(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ';' | '>' | '?'));
    Some(&value[..end.unwrap_or(value.len())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(bytes: &[u8], declared: Option<&str>) -> &'static str {
        decode(bytes, declared).encoding
    }

    #[test]
    fn who_is_believed() {
        let meta = b"<meta charset=koi8-r>\xe1";
        assert_eq!(name(meta, None), "KOI8-R");
        assert_eq!(name(meta, Some("Shift_JIS")), "Shift_JIS");
        assert_eq!(name(meta, Some("no such set")), "KOI8-R");
        assert_eq!(name(b"\xef\xbb\xbf<meta charset=koi8-r>", Some("gbk")), "UTF-8");
        assert_eq!(name(b"\xff\xfea\0", None), "UTF-16LE");
        let old = b"<META HTTP-EQUIV='Content-Type' CONTENT='text/html; charset=ISO-8859-2'>";
        assert_eq!(name(old, None), "ISO-8859-2");
        assert_eq!(name(b"<?xml version='1.0' encoding='EUC-JP'?><html>", None), "EUC-JP");
        assert_eq!(name(b"<meta charset=\"utf-16\">", None), "UTF-8");
        assert_eq!(name("\u{e4}".as_bytes(), None), "UTF-8");
        assert_eq!(name(b"\xe4", None), "windows-1252");
        let late = [&[b' '; 1100][..], b"<meta charset=koi8-r>"].concat();
        assert_eq!(name(&late, None), "UTF-8");
    }

    #[test]
    fn pages_that_say_nothing_are_guessed() {
        let page = |text: &str, encoding: &'static Encoding| {
            let (bytes, _, lost) = encoding.encode(text);
            assert!(!lost);
            let found = decode(&[b"<p>", &bytes[..], b"</p>"].concat(), None);
            assert_eq!(
                (found.text, found.replaced),
                (format!("<p>{text}</p>"), false),
                "{}",
                encoding.name()
            );
        };
        page("Это русский текст для проверки кодировки. Он достаточно длинный.", encoding_rs::WINDOWS_1251);
        page("Это русский текст для проверки кодировки. Он достаточно длинный.", encoding_rs::KOI8_R);
        page("これは文字コードを調べるための日本語の文章です。", encoding_rs::SHIFT_JIS);
        page("これは文字コードを調べるための日本語の文章です。", encoding_rs::EUC_JP);
        page("这是用来检查字符编码的中文文章，长度足够。", encoding_rs::GBK);
        page("Crème brûlée et café, déjà très à la mode", WINDOWS_1252);
        // Cut in the middle of a character.
        assert_eq!(name("schön, schö".as_bytes().split_last().unwrap().1, None), "UTF-8");
    }

    #[test]
    fn text_and_what_was_replaced() {
        assert_eq!(decode(b"\x93a\x94", None).text, "\u{201c}a\u{201d}");
        let bad = decode(b"a\xffb", Some("utf-8"));
        assert_eq!((bad.text.as_str(), bad.replaced), ("a\u{fffd}b", true));
        assert_eq!(decode(b"\xff\xfea\0\xe4\0", None).text, "a\u{e4}");
        assert!(!decode("\u{e4}".as_bytes(), Some("UTF8")).replaced);
    }

    proptest! {
        #[test]
        fn any_bytes_become_text(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in "(<meta( [a-z-]{1,8}=?[\"']?(text/html; ?)?charset ?= ?[a-z0-9-]{0,9}['\"]?){0,3}>?)?") {
            decode(&[start.as_bytes(), &bytes].concat(), None);
        }
    }
}
