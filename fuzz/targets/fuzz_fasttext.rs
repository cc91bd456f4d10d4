//! fastText models, `.bin` and `.ftz`: refused, or probabilities that are some.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::fasttext::Model;
use regimen_fuzz::{at_zero, run, text};

fuzz_target!(|data: &[u8]| {
    let (sample, file) = at_zero(data);
    let sample = text(&sample[..sample.len().min(400)]);
    run((2 << 20) + 64 * data.len(), || {
        let Ok(model) = Model::from_bytes(file.to_vec(), "x") else { return };
        assert!(!model.labels().is_empty() && model.dim() > 0);
        for text in [&sample, "the sea </s> naïve 日本 __label__en\nwhale-oil x"] {
            let Ok(all) = model.predict(text, 1000) else { continue };
            assert!(all.len() <= model.labels().len());
            assert!(all.is_sorted_by(|a, b| a.probability >= b.probability), "{all:?}");
            for one in &all {
                assert!((0.0..=1.001).contains(&one.probability), "{one:?}");
                assert!(model.probability(text, one.label).unwrap().is_some());
            }
            let best = model.predict(text, 1).unwrap();
            assert_eq!(best.first().map(|p| p.probability), all.first().map(|p| p.probability));
            model.predict_lines(text, 2).ok();
            model.probability(text, "__label__en").ok();
        }
    });
});
