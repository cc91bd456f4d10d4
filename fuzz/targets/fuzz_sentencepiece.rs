//! SentencePiece models: refused, or pieces of any text that are no longer than its rules allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::sentencepiece::{Model, Room};
use regimen_fuzz::{at_zero, run, text};

fuzz_target!(|data: &[u8]| {
    let (sample, file) = at_zero(data);
    let sample = text(&sample[..sample.len().min(400)]);
    run((4 << 20) + 200 * data.len(), || {
        let Ok(model) = Model::from_bytes(file, "x") else { return };
        let mut room = Room::default();
        for text in [&sample, "a b\u{e9}t\u{e9} \u{4e2d} [x]a  b\t\u{0} \u{fb01}"] {
            let longest = text.len().max(1) * (file.len() + 8) + 8;
            let mut bytes = 0;
            model.encode(&mut room, text, |piece| {
                assert!(!piece.is_empty());
                bytes += piece.len();
            });
            assert!(bytes <= 6 * longest, "{bytes} bytes of {}", text.len());
        }
    });
});
