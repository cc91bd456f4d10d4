//! Pages: character sets, and main text in time and memory that grow with the page alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::html::{Options, decode, extract};
use regimen_fuzz::{first, repeated, run};

const CHARSETS: [Option<&str>; 8] = [
    None,
    Some("utf-8"),
    Some("windows-1252"),
    Some("utf-16le"),
    Some("shift_jis"),
    Some("gb18030"),
    Some("iso-2022-jp"),
    Some("no such set"),
];

fuzz_target!(|data: &[u8]| {
    let (flags, rest) = first(data);
    let page = repeated(rest, 1 << 16);
    run((4 << 20) + 400 * page.len(), || {
        let decoded = decode(&page, CHARSETS[usize::from(flags & 7)]);
        assert!(decoded.text.len() <= 3 * page.len() + 3, "{} of {}", decoded.text.len(), page.len());
        let found = extract(&decoded.text, Options { headings: flags & 8 != 0 });
        let most = 16 * decoded.text.len() + 1024;
        assert!(found.text.len() <= most, "{} bytes of text from {}", found.text.len(), decoded.text.len());
    });
});
