//! KenLM models, ARPA (plain and packed) and binary: refused, or scores.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use regimen_corpus::kenlm::Model;
use regimen_fuzz::{at_zero, first, run, text};

fuzz_target!(|data: &[u8]| {
    let (flags, rest) = first(data);
    let (sample, file) = at_zero(rest);
    let sample = text(&sample[..sample.len().min(400)]);
    let file = match flags & 3 {
        1 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            encoder.write_all(file).unwrap();
            encoder.finish().unwrap()
        }
        2 => zstd::bulk::compress(file, -1).unwrap(),
        _ => file.to_vec(),
    };
    run((4 << 20) + 200 * data.len(), || {
        let Ok(model) = Model::from_bytes(file, "x") else { return };
        assert!((1..=32).contains(&model.order()));
        for text in [&sample, "a b été 中 a b a <unk> c\n\n<s> a </s>"] {
            model.score(text, true, true);
            model.score(text, false, false);
            model.perplexity(text);
            let mut state = model.begin();
            for word in text.split_whitespace().take(20) {
                let score = model.word(&mut state, word);
                assert!((1..=model.order()).contains(&score.length), "{score:?}");
                assert_eq!(score.unknown, !model.knows(word));
            }
            model.end(&mut state);
        }
    });
});
