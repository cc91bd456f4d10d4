//! Licences in texts and file headers, and the language of source files: linear time, no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::code::{identify, in_header, is_licence_file, language};
use regimen_fuzz::{at_zero, repeated, run, text};

fuzz_target!(|data: &[u8]| {
    let (path, rest) = at_zero(data);
    let (path, text) = (text(path), text(&repeated(rest, 1 << 16)));
    run((1 << 20) + 64 * text.len(), || {
        let found = identify(&text);
        assert!(found.iter().all(|id| !id.is_empty()));
        if let Some(expression) = in_header(&text) {
            assert!(!expression.trim().is_empty());
        }
        is_licence_file(&path);
        language(&path, &text);
    });
});
