//! Recognising the shape of a `tokenizer.json`: which loop encodes it, and the bytes of its tokens.

use serde_json::Value;
use tokenizers::Tokenizer as Outer;

use super::hash::QuickMap;
use super::make::byte_token;
use super::merge::Merges;
use super::{Codec, alphabet};

/// A token of the vocabulary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Token {
    /// The text it stands for.
    pub bytes: Vec<u8>,
}

/// One token a character, and the tokens of the bytes of all others.
#[derive(Debug)]
pub(crate) struct Characters {
    ascii: [u32; 128],
    others: QuickMap<char, u32>,
    bytes: [u32; 256],
}

const NONE: u32 = u32::MAX;

impl Characters {
    /// Append the tokens of `text`.
    pub(crate) fn encode(&self, text: &str, out: &mut Vec<u32>) {
        let mut buffer = [0; 4];
        for c in text.chars() {
            let id = match self.ascii.get(c as usize) {
                Some(&id) => id,
                None => self.others.get(&c).copied().unwrap_or(NONE),
            };
            if id != NONE {
                out.push(id);
                continue;
            }
            let bytes = c.encode_utf8(&mut buffer).bytes();
            out.extend(bytes.map(|byte| self.bytes[usize::from(byte)]));
        }
    }
}

/// The codec for a tokenizer and its tokens by id, or what is wrong with it. The token `end` stands for no text, however
/// the file lists it.
pub(crate) fn read(json: &Value, outer: Outer, end: u32) -> Result<(Codec, Vec<Token>), String> {
    let vocab = outer.get_vocab(true);
    let size = vocab.values().max().map_or(0, |&id| id as usize + 1);
    if size == 0 || size > 1 << 24 {
        return Err(format!("its ids go up to {size}"));
    }
    let special: Vec<&str> =
        added(json).filter(|t| t["special"] == true).filter_map(|t| t["content"].as_str()).collect();
    let spelling = if uses_decoder(&json["decoder"], "ByteLevel") { byte_level_bytes } else { plain_bytes };
    let mut tokens = vec![Token::default(); size];
    for (token, &id) in &vocab {
        if id != end && !special.contains(&token.as_str()) {
            tokens[id as usize].bytes = spelling(token);
        }
    }
    let codec = if let Some(merges) = byte_level(json, &vocab) {
        Codec::ByteLevel(Box::new(merges))
    } else if let Some(characters) = characters(json, &vocab) {
        Codec::Characters(Box::new(characters))
    } else {
        Codec::Foreign(Box::new(outer))
    };
    Ok((codec, tokens))
}

type Names = std::collections::HashMap<String, u32>;

fn added(json: &Value) -> impl Iterator<Item = &Value> {
    json["added_tokens"].as_array().into_iter().flatten()
}

fn uses_decoder(decoder: &Value, kind: &str) -> bool {
    decoder["type"] == kind
        || decoder["decoders"].as_array().into_iter().flatten().any(|inner| uses_decoder(inner, kind))
}

fn byte_level_bytes(token: &str) -> Vec<u8> {
    alphabet::bytes_of(token).unwrap_or_else(|| token.as_bytes().to_vec())
}

/// SentencePiece writes a space as U+2581 and a byte as `<0xNN>`.
fn plain_bytes(token: &str) -> Vec<u8> {
    match byte_named(token) {
        Some(byte) => vec![byte],
        None => token.replace('\u{2581}', " ").into_bytes(),
    }
}

fn byte_named(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|&byte| byte_token(byte) == token)
}

/// Whether the model is a plain BPE: nothing before it but the pre-tokenizer, nothing random, nothing unknown.
fn is_plain(json: &Value) -> bool {
    let model = &json["model"];
    let absent = |value: &Value| value.is_null() || value == "";
    let random = !(model["dropout"].is_null() || model["dropout"] == 0.0);
    model["type"] == "BPE"
        && json["normalizer"].is_null()
        && !random
        && absent(&model["continuing_subword_prefix"])
        && absent(&model["end_of_word_suffix"])
        && model["ignore_merges"] != true
        && added(json).all(|token| token["special"] == true)
}

fn byte_level(json: &Value, vocab: &Names) -> Option<Merges> {
    let (model, before) = (&json["model"], &json["pre_tokenizer"]);
    let gpt2 =
        before["type"] == "ByteLevel" && before["add_prefix_space"] == false && before["use_regex"] != false;
    if !is_plain(json) || !gpt2 {
        return None;
    }
    let mut bytes = [0; 256];
    for byte in 0..=255u8 {
        bytes[usize::from(byte)] = *vocab.get(&alphabet::char_of(byte).to_string())?;
    }
    let mut pairs = QuickMap::default();
    for (merge, rank) in model["merges"].as_array()?.iter().zip(0..) {
        let (a, b) = match merge {
            Value::String(both) => both.split_once(' ')?,
            pair => (pair[0].as_str()?, pair[1].as_str()?),
        };
        let ids = (*vocab.get(a)?, *vocab.get(b)?);
        // As in the tokenizers crate, a pair listed twice counts with its last rank.
        pairs.insert(ids, (rank, *vocab.get(&format!("{a}{b}"))?));
    }
    Some(Merges::new(bytes, pairs))
}

fn characters(json: &Value, vocab: &Names) -> Option<Characters> {
    let model = &json["model"];
    let plain = is_plain(json)
        && json["pre_tokenizer"].is_null()
        && model["byte_fallback"] == true
        && model["merges"].as_array().is_some_and(Vec::is_empty);
    if !plain {
        return None;
    }
    let mut found = Characters { ascii: [NONE; 128], others: QuickMap::default(), bytes: [0; 256] };
    for byte in 0..=255u8 {
        found.bytes[usize::from(byte)] = *vocab.get(&byte_token(byte))?;
    }
    for (token, &id) in vocab {
        let mut chars = token.chars();
        match (chars.next(), chars.next()) {
            (Some('\u{2581}'), None) if !uses_decoder(&json["decoder"], "Metaspace") => {
                found.others.insert('\u{2581}', id);
            }
            (Some(c), None) => match found.ascii.get_mut(c as usize) {
                Some(place) => *place = id,
                None => {
                    found.others.insert(c, id);
                }
            },
            _ => {}
        }
    }
    Some(found)
}
