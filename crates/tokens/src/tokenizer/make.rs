//! Making tokenizers: `tokenizer.json` and `tokenizer_config.json` as Hugging Face's libraries read them.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use regimen_base::fs;
use serde_json::json;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, DecoderWrapper, Tokenizer as Outer};

use super::alphabet::text_of;
use super::train::Learned;
use super::{CONFIG, END, JSON};
use crate::error::{Error, Result};

/// The 256 bytes in the order of their ids: by their characters in the byte-level alphabet, as the trainer of the
/// `tokenizers` crate numbers them.
pub(crate) fn byte_order() -> [u8; 256] {
    let mut bytes: [u8; 256] = std::array::from_fn(|i| i as u8);
    bytes.sort_unstable_by_key(|&byte| super::alphabet::char_of(byte));
    bytes
}

/// A byte-level BPE: id 0 ends documents, then the learned tokens. Without merges it is the byte tokenizer.
pub(crate) fn byte_level(learned: &Learned) -> Result<Outer> {
    let texts: Vec<String> = learned.tokens.iter().map(|token| text_of(token)).collect();
    let merges =
        learned.merges.iter().map(|&(a, b)| (texts[a as usize].clone(), texts[b as usize].clone())).collect();
    let vocab: Vocab = std::iter::once(END.to_string()).chain(texts).zip(0..).collect();
    let model = BPE::builder().vocab_and_merges(vocab, merges).build().map_err(|e| made(&e))?;
    let mut outer = Outer::new(model);
    outer.with_pre_tokenizer(Some(ByteLevel::new(false, false, true)));
    outer.with_decoder(Some(ByteLevel::new(false, false, true)));
    ended(outer)
}

/// One token a character, and one a byte (`<0x00>` to `<0xFF>`) for the characters that are not in the vocabulary.
pub(crate) fn characters(chars: &BTreeSet<char>) -> Result<Outer> {
    let bytes = (0..=255u8).map(byte_token);
    let vocab: Vocab = std::iter::once(END.to_string())
        .chain(bytes)
        .chain(chars.iter().map(|c| c.to_string()))
        .zip(0..)
        .collect();
    let model = BPE::builder()
        .vocab_and_merges(vocab, Vec::new())
        .byte_fallback(true)
        .build()
        .map_err(|e| made(&e))?;
    let mut outer = Outer::new(model);
    let steps = vec![DecoderWrapper::ByteFallback(ByteFallback::new()), DecoderWrapper::Fuse(Fuse::new())];
    outer.with_decoder(Some(Sequence::new(steps)));
    ended(outer)
}

/// The name of a byte's token in a vocabulary with byte fallback.
pub(crate) fn byte_token(byte: u8) -> String {
    format!("<{byte:#04X}>")
}

/// Every character of some texts.
pub(crate) fn characters_of(texts: &[&str]) -> BTreeSet<char> {
    texts
        .par_iter()
        .fold(BTreeSet::new, |mut all: BTreeSet<char>, text| {
            // Looking into the set once a character would be slow; most of them are ASCII.
            let mut ascii = [false; 128];
            for c in text.chars() {
                match ascii.get_mut(c as usize) {
                    Some(seen) => *seen = true,
                    None => {
                        all.insert(c);
                    }
                }
            }
            all.extend((0..128u8).filter(|&c| ascii[usize::from(c)]).map(char::from));
            all
        })
        .reduce(BTreeSet::new, |mut into, from| {
            into.extend(from);
            into
        })
}

fn ended(mut outer: Outer) -> Result<Outer> {
    outer.add_special_tokens([AddedToken::from(END, true)]).map_err(|e| made(&e))?;
    Ok(outer)
}

fn made(error: &tokenizers::Error) -> Error {
    Error::tokenizer(Path::new(JSON), error)
}

/// Write both files into the folder `dir`.
pub(crate) fn save(outer: &Outer, dir: &Path) -> Result<()> {
    let mut text = outer.to_string(true).map_err(|e| made(&e))?;
    text.push('\n');
    fs::write(&dir.join(JSON), text.as_bytes())?;
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "unk_token": null,
        "add_bos_token": false,
        "add_eos_token": false,
        "clean_up_tokenization_spaces": false,
    });
    Ok(fs::write_json(&dir.join(CONFIG), &config)?)
}
