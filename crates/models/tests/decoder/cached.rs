//! Decoding with a cache equals reading the whole sequence.

use super::{Batch, build, variants};
use regimen_base::Philox;
use regimen_models::{Cache, Decoder, DecoderConfig, Error, TokenBlock};
use regimen_tensor::{Params, Pool, Tape};

/// Logits `[time, vocab]` of a whole sequence.
fn full(decoder: &Decoder, params: &Params, ids: &[u32]) -> Vec<Vec<f32>> {
    let pool = Pool::new();
    let mut tape = Tape::new(params, &pool, false);
    let starts = vec![0; ids.len()];
    let block = TokenBlock { batch: 1, time: ids.len(), ids, starts: &starts };
    let hidden = decoder.hidden(&mut tape, &block).unwrap();
    let (d, head) = (decoder.config().width, params.slice(decoder.head()));
    let logit = |h: &[f32], w: &[f32]| h.iter().zip(w).map(|(a, b)| a * b).sum::<f32>();
    let rows = tape.value(hidden).chunks(d);
    rows.map(|h| head.chunks(d).map(|w| logit(h, w)).collect()).collect()
}

fn close(name: &str, found: &[f32], expected: &[f32]) {
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{name}: {a} instead of {b}");
    }
}

#[test]
fn cached_logits_equal_those_of_the_whole_sequence() {
    for (name, config) in variants() {
        let config = DecoderConfig { context: 90, ..config };
        let (decoder, params) = build(&config, 7);
        let mut random = Philox::new(3, &["ids"]);
        let ids: Vec<u32> = (0..90).map(|_| random.below(config.vocab as u64) as u32).collect();
        let expected = full(&decoder, &params, &ids);
        // One by one; a long prompt and then single tokens; several tokens after a short prompt.
        for cuts in [(1..=90).collect::<Vec<_>>(), vec![80, 81, 82, 90], vec![5, 40, 41]] {
            let mut cache = Cache::new(&config, 1000);
            assert_eq!((cache.capacity(), cache.is_empty()), (90, true));
            let mut start = 0;
            for end in cuts {
                let logits = decoder.extend(&params, &mut cache, &ids[start..end]).unwrap();
                close(name, &logits, &expected[end - 1]);
                assert_eq!(cache.len(), end);
                start = end;
            }
        }
    }
}

#[test]
fn a_truncated_cache_goes_on_from_there() {
    let (name, config) = variants().remove(0);
    let (decoder, params) = build(&config, 8);
    let batch = Batch::random(&config, 1, 10);
    let mut cache = Cache::new(&config, 10);
    decoder.extend(&params, &mut cache, &[1, 1, 1]).unwrap();
    cache.truncate(20);
    assert_eq!(cache.len(), 3);
    cache.truncate(0);
    decoder.extend(&params, &mut cache, &batch.ids[..4]).unwrap();
    decoder.extend(&params, &mut cache, &[5, 5]).unwrap();
    cache.truncate(4);
    let logits = decoder.extend(&params, &mut cache, &batch.ids[4..6]).unwrap();
    close(name, &logits, &full(&decoder, &params, &batch.ids)[5]);
}

#[test]
fn what_does_not_fit_leaves_the_cache_alone() {
    let (_, config) = variants().remove(0);
    let (decoder, params) = build(&config, 9);
    let mut cache = Cache::new(&config, 4);
    decoder.extend(&params, &mut cache, &[1, 2]).unwrap();
    let error = decoder.extend(&params, &mut cache, &[1, 2, 3]).unwrap_err();
    assert!(matches!(error, Error::CacheFull { cached: 2, new: 3, capacity: 4 }));
    assert_eq!(error.to_string(), "cache: 2 tokens and 3 more do not fit into 4");
    let error = decoder.extend(&params, &mut cache, &[19]).unwrap_err().to_string();
    assert_eq!(error, "model: token 19 is not below vocab = 19");
    assert!(decoder.extend(&params, &mut cache, &[]).is_err());
    let (other, other_params) = build(&variants()[1].1, 9);
    assert!(other.extend(&other_params, &mut cache, &[1]).unwrap_err().to_string().contains("another model"));
    assert_eq!(cache.len(), 2);
}
