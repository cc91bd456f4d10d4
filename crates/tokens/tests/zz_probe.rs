use std::time::Instant;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Model, PreTokenizer, Trainer};
#[test]
fn probe() {
    let Ok(path) = std::env::var("PROBE_TEXT") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let docs: Vec<&str> = text.split("\n\n").collect();
    for _ in 0..0 {
        let t = Instant::now();
        let mut theirs = BPE::default();
        let mut trainer = BpeTrainer::builder()
            .vocab_size(4096)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![tokenizers::AddedToken::from("<|endoftext|>", true)])
            .build();
        trainer
            .feed(docs.iter(), |text| {
                let mut cut = text.into();
                ByteLevel::new(false, false, true).pre_tokenize(&mut cut)?;
                Ok(cut
                    .get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte)
                    .into_iter()
                    .map(|(p, ..)| p.to_string())
                    .collect())
            })
            .unwrap();
        trainer.train(&mut theirs).unwrap();
        let json = serde_json::to_string(&theirs).unwrap();
        let v: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut vocab: Vec<_> = theirs.get_vocab().into_iter().map(|(a, b)| (b, a)).collect();
        vocab.sort();
        println!(
            "theirs {:?} merges {} vocab {} hash {} merges hash {}",
            t.elapsed(),
            v["merges"].as_array().unwrap().len(),
            vocab.len(),
            regimen_base::Hash256::of(format!("{vocab:?}").as_bytes()).short(),
            regimen_base::Hash256::of(v["merges"].to_string().as_bytes()).short()
        );
    }
    regimen_tokens::probe(&docs);
}
