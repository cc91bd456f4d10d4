//! Dolma's rows and their attributes: written, read again, and stored, with the same spans each time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::fuzz::Attributes;
use regimen_fuzz::{at_zero, run, text};

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static ATTRIBUTES: Attributes = Attributes::new();
    }
    let (line, stored) = at_zero(data);
    let line = text(line);
    ATTRIBUTES.with(|attributes| {
        run((8 << 20) + 200 * data.len(), || {
            attributes.row(&line);
            attributes.foreign(&line, "a", "né\nzwé 🦀 a text that is not ASCII");
            attributes.stored(stored);
        });
    });
});
