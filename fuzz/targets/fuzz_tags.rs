//! All taggers over any text: spans inside it, between characters, stored and read again, in linear time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::fuzz::Attributes;
use regimen_fuzz::{at_zero, repeated, run, text};

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static ATTRIBUTES: Attributes = Attributes::new();
    }
    let (metadata, rest) = at_zero(data);
    let (metadata, text) = (text(metadata), text(&repeated(rest, 1 << 15)));
    ATTRIBUTES.with(|attributes| {
        run((32 << 20) + 400 * text.len(), || attributes.tag(&text, &metadata));
    });
});
