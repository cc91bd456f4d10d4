//! Rows of JSONL files against `serde_json`, and files cut into chunks, plain and packed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_fuzz::{file, first, run, text};

fuzz_target!(|data: &[u8]| {
    let (flags, rest) = first(data);
    // A file that unpacks to 4 MiB is held whole beside its chunk, and blocks of one byte have an end of eight bytes each.
    run((24 << 20) + 64 * rest.len(), || {
        if flags & 1 == 0 {
            regimen_corpus::fuzz::row(&text(rest));
        } else {
            regimen_corpus::fuzz::chunks(&file("x.jsonl", rest), usize::from(flags));
        }
    });
});
