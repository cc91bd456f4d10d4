//! `tokenizer.json` files: refused, or the very ids of the `tokenizers` crate. The first byte chooses between a file of the
//! input's own and one of those that are encoded by this project's own loops.
#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind};

use libfuzzer_sys::fuzz_target;
use regimen_fuzz::tokenizers_made::FILES;
use regimen_fuzz::{at_zero, file, first, run, text};
use regimen_tokens::Tokenizer;
use tokenizers::Tokenizer as Outer;

struct Pair {
    ours: Tokenizer,
    theirs: Outer,
    random: bool,
}

fn load(json: &[u8]) -> Option<Pair> {
    let ours = Tokenizer::load(&file("tokenizer.json", json));
    let theirs = catch_unwind(AssertUnwindSafe(|| {
        let mut outer = Outer::from_bytes(json).ok()?;
        outer.set_encode_special_tokens(true);
        outer.with_truncation(None).ok()?;
        outer.with_padding(None);
        Some(outer)
    }));
    let ours = match ours {
        Ok(ours) => ours,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let random = serde_json::from_slice::<serde_json::Value>(json).is_ok_and(|json| {
        let dropout = &json["model"]["dropout"];
        !dropout.is_null() && dropout != 0.0
    });
    Some(Pair { ours, theirs: theirs.ok().flatten().expect("they refuse what is taken here"), random })
}

fn compare(pair: &Pair, text: &str) {
    let ours = pair.ours.encode(text);
    let theirs = catch_unwind(AssertUnwindSafe(|| pair.theirs.encode_fast(text, false)));
    if let (Ok(ours), Ok(Ok(theirs)), false) = (&ours, &theirs, pair.random) {
        assert_eq!(ours, theirs.get_ids(), "{text:?}");
    }
    let Ok(ids) = ours else { return };
    assert!(ids.iter().all(|&id| (id as usize) < pair.ours.vocab_size()));
    if pair.ours.is_lossless() {
        assert!(pair.ours.spells(text, &ids), "{text:?} is not what {ids:?} spell");
    }
    pair.ours.decode(&ids);
    let twice = pair.ours.encode_all(&[text, text]).expect("it was encoded before");
    assert!(twice.iter().all(|again| *again == ids), "{text:?}");
}

fuzz_target!(
    init: {
        rayon::ThreadPoolBuilder::new().num_threads(1).build_global().ok();
    },
    |data: &[u8]| {
        thread_local! {
            static MADE: Vec<Pair> =
                FILES.iter().map(|json| load(json.to_string().as_bytes()).expect("a file that is read")).collect();
        }
        let (which, rest) = first(data);
        if which >= 128 {
            let text = text(rest);
            MADE.with(|made| run(64 << 20, || compare(&made[usize::from(which) % made.len()], &text)));
            return;
        }
        let (json, sample) = at_zero(rest);
        let sample = text(&sample[..sample.len().min(1000)]);
        run((96 << 20) + 1000 * json.len(), || {
            if let Some(pair) = load(json) {
                compare(&pair, &sample);
                compare(&pair, " The theatre isn't a<x> <|endoftext|>\n\n  日本 é 1234 aaaaa");
            }
        });
    }
);
