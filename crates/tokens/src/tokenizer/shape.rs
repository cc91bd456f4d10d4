//! Recognising the shape of a `tokenizer.json`: which loop encodes it, and the bytes of its tokens.
//!
//! A byte-level BPE is encoded here if
//! - its normalizer is none or NFC,
//! - its pre-tokenizer is `ByteLevel` with the expression of GPT-2, with or without a prefix space, or a sequence of
//!   `Digits` (each alone), a `Split` by an expression that [`super::expression`] knows (isolated), and `ByteLevel`
//!   without a prefix space,
//! - its model is a BPE without subword prefix and word suffix (its dropout is taken away by [`keep_merges`]), that has all
//!   256 bytes (so that nothing is unknown and nothing falls back), and whose ids are distinct and below 2^21,
//! - its added tokens that are not special take no neighbouring space with them, may stand inside a word, and share no id
//!   with a token of other bytes,
//! - and its post-processor adds nothing but special tokens.
//!
//! Everything else is left to the `tokenizers` crate.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;

use rayon::prelude::*;
use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::split::SplitPattern;
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{
    DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Tokenizer as Outer, TokenizerImpl,
};

use super::added::Added;
use super::byte_level::ByteLevel;
use super::hash::QuickMap;
use super::json::{Json, Names};
use super::make::byte_token;
use super::merge::Merges;
use super::pairs::MOST;
use super::split::{Family, GPT2, Split};
use super::{Codec, PART, alphabet, expression, guard, normal, split};

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
    /// The tokens of a text, whose parts are shared out between threads.
    pub(crate) fn encode_long(&self, text: &str) -> Vec<u32> {
        let parts: Vec<&str> = split::parts(text, PART).collect();
        let encoded: Vec<Vec<u32>> = parts
            .par_iter()
            .with_max_len(1)
            .map(|part| {
                let mut out = Vec::with_capacity(part.len());
                self.encode(part, &mut out);
                out
            })
            .collect();
        encoded.concat()
    }

    /// Whether every token that is used stands for its own character or byte. One that shares its id or is special does not.
    fn spell(&self, tokens: &[Token]) -> bool {
        let is = |id: u32, bytes: &[u8]| tokens.get(id as usize).is_some_and(|token| token.bytes == bytes);
        let ascii = self.ascii.iter().zip(0u8..).all(|(&id, c)| id == NONE || is(id, &[c]));
        let others = self.others.iter().all(|(c, &id)| is(id, c.encode_utf8(&mut [0; 4]).as_bytes()));
        ascii && others && self.bytes.iter().zip(0u8..=255).all(|(&id, byte)| is(id, &[byte]))
    }

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

/// What the `tokenizers` crate makes of a file whose bytes are `text`.
///
/// A model that calls itself a BPE is read as one: to find out what it is, the crate would copy its vocabulary three times.
pub(crate) fn outer(text: &[u8], json: &Value) -> Result<Outer, String> {
    type Bpe =
        TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;
    if json["model"]["type"] == "BPE"
        && let Ok(read) = guard::foreign(|| Bpe::from_bytes(text))
    {
        return Ok(read.into());
    }
    guard::foreign(|| Outer::from_bytes(text))
}

/// Take its dropout from a BPE (Provilkov et al., "BPE-Dropout: Simple and Effective Subword Regularization", 2020, arXiv:1910.13267):
/// it leaves merges out at random while a model is trained on text that is cut anew in each epoch. Shards are cut once, and equal
/// text has equal ids.
pub(crate) fn keep_merges(outer: &mut Outer) {
    if let ModelWrapper::BPE(model) = outer.get_model()
        && model.dropout.is_some_and(|dropout| dropout != 0.0)
    {
        let mut model = model.clone();
        model.dropout = None;
        outer.with_model(model);
    }
}

/// What is made of the vocabulary and the merges of a byte-level BPE alone.
pub(crate) struct Ranked {
    merges: Merges,
    /// By id, as if none were special.
    tokens: Vec<Token>,
}

/// The same, from a file that may be one; none if it is surely not.
pub(crate) fn ranked(json: &Json) -> Option<Ranked> {
    let vocab = json.vocab.as_ref()?;
    let mut bytes = [0; 256];
    for byte in 0..=255u8 {
        bytes[usize::from(byte)] = *vocab.get(alphabet::char_of(byte).encode_utf8(&mut [0; 4]) as &str)?;
    }
    let merges = json.rest["model"]["merges"].as_array()?;
    let most = vocab.values().max().map_or(0, |&id| id as usize);
    if most >= MOST || merges.len() >= MOST {
        return None;
    }
    let mut taken = vec![false; most + 1];
    let mut tokens = vec![Token::default(); most + 1];
    for (name, &id) in vocab {
        if std::mem::replace(&mut taken[id as usize], true) {
            return None;
        }
        tokens[id as usize].bytes = byte_level_bytes(name);
    }
    let mut list = Vec::with_capacity(merges.len());
    let mut both = String::new();
    for merge in merges {
        // A first line that the crate skips.
        if merge.as_str().is_some_and(|line| line.starts_with("#version")) {
            continue;
        }
        let (left, right) = guard::halves(merge)?;
        both.clear();
        both.push_str(left);
        both.push_str(right);
        list.push((*vocab.get(left)?, *vocab.get(right)?, *vocab.get(both.as_str())?));
    }
    let mut whole = QuickMap::default();
    if json.rest["model"]["ignore_merges"] == true {
        let spelled = vocab.iter().filter_map(|(token, &id)| Some((alphabet::bytes_of(token)?, id)));
        whole = spelled.map(|(bytes, id)| (bytes.into_boxed_slice(), id)).collect();
    }
    Some(Ranked { merges: Merges::new(bytes, &list, whole), tokens })
}

/// The codec for a tokenizer and its tokens by id, or what is wrong with it. The token `end` stands for no text, however
/// the file lists it. `ranked` was made of the same file.
pub(crate) fn read(
    json: &Json,
    outer: Outer,
    ranked: Option<Ranked>,
    end: u32,
) -> Result<(Codec, Vec<Token>), String> {
    let vocab = names(json, &outer);
    let json = &json.rest;
    let added = outer.get_added_tokens_decoder();
    let size = vocab.values().chain(added.keys()).max().map_or(0, |&id| id as usize + 1);
    let count = outer.get_vocab_size(true);
    // A table of all ids is made: one great id among few is no reason for a great table.
    if size == 0 || size > 1 << 24 || size > (count << 6) + (1 << 20) {
        return Err(format!("it has {count} tokens, but its ids go up to {size}"));
    }
    let is_text = |token: &str, id: u32| id != end && !outer.get_added_vocabulary().is_special_token(token);
    if let Some((mut codec, mut tokens)) = byte_level(json, &outer, &vocab, ranked) {
        tokens.resize_with(size, Token::default);
        let special =
            added.values().filter(|token| outer.get_added_vocabulary().is_special_token(&token.content));
        let special = special.filter_map(|token| vocab.get(token.content.as_str()));
        for &id in special.chain([&end]) {
            tokens[id as usize].bytes.clear();
        }
        let mut all_text = true;
        for (&id, token) in &added {
            if is_text(&token.content, id) {
                tokens[id as usize].bytes = token.content.as_bytes().to_vec();
            }
        }
        let stands = |id: u32| !tokens[id as usize].bytes.is_empty();
        all_text &=
            codec.merges.reachable().all(stands) && codec.added.iter().all(|set| set.ids().all(stands));
        // A whole piece may be a special token where merges do not count.
        let special = added.into_values().map(|token| token.content);
        let special = special.chain(outer.id_to_token(end)).filter_map(|token| {
            let bytes = alphabet::bytes_of(&token)?;
            codec.merges.whole(&bytes).filter(|&id| !stands(id))?;
            String::from_utf8(bytes).ok()
        });
        for token in special {
            all_text &= codec.split.pieces(&token).count() != 1;
        }
        codec.lossless = all_text && !codec.nfc && !codec.prefix_space;
        // Its maps have an allocation a token: giving them back need not be waited for.
        rayon::spawn(move || drop(outer));
        return Ok((Codec::ByteLevel(Box::new(codec)), tokens));
    }
    let mut tokens = vec![Token::default(); size];
    drop(vocab);
    let vocab = owned(outer.get_vocab(true));
    let spelling = if uses_decoder(&json["decoder"], "ByteLevel") { byte_level_bytes } else { plain_bytes };
    for (token, &id) in vocab.iter().filter(|(token, id)| is_text(token, **id)) {
        let bytes = spelling(token);
        // Of two tokens with one id, the order of a map must not decide.
        let known = &mut tokens[id as usize].bytes;
        if known.is_empty() || bytes < *known {
            *known = bytes;
        }
    }
    let mut found = characters(json, &vocab);
    // Where no step makes a space of it, U+2581 is itself.
    let decoder = &json["decoder"];
    if let Some(&id) = found.as_ref().and_then(|found| found.others.get(&'\u{2581}'))
        && is_text("\u{2581}", id)
        && !uses_decoder(decoder, "Metaspace")
        && !uses_decoder(decoder, "Replace")
    {
        tokens[id as usize].bytes = "\u{2581}".into();
    }
    let codec = match found.take_if(|found| found.spell(&tokens)) {
        Some(characters) => Codec::Characters(Box::new(characters)),
        None => Codec::Foreign(Box::new(outer)),
    };
    Ok((codec, tokens))
}

/// The model's vocabulary.
fn names<'j>(json: &'j Json, outer: &Outer) -> Cow<'j, Names<'j>> {
    match (&json.vocab, outer.get_model()) {
        // The crate has a copy, which would have to be copied once more to be looked at.
        (Some(vocab), ModelWrapper::BPE(_)) => Cow::Borrowed(vocab),
        _ => Cow::Owned(owned(outer.get_vocab(false))),
    }
}

fn owned(vocab: HashMap<String, u32>) -> Names<'static> {
    vocab.into_iter().map(|(token, id)| (Cow::Owned(token), id)).collect()
}

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

/// Whether the model is a plain BPE of characters, with nothing before it.
fn is_plain(json: &Value) -> bool {
    let model = &json["model"];
    let absent = |value: &Value| value.is_null() || value == "";
    model["type"] == "BPE"
        && json["normalizer"].is_null()
        && absent(&model["continuing_subword_prefix"])
        && absent(&model["end_of_word_suffix"])
        && model["ignore_merges"] != true
        && added(json).all(|token| token["special"] == true)
}

/// The codec of a byte-level BPE that is encoded here; whether it is lossless is still to be seen.
fn byte_level(
    json: &Value,
    outer: &Outer,
    vocab: &Names,
    ranked: Option<Ranked>,
) -> Option<(ByteLevel, Vec<Token>)> {
    let ModelWrapper::BPE(model) = outer.get_model() else { return None };
    let nfc = outer.get_normalizer().map_or(Some(false), is_nfc)?;
    let (split, prefix_space) = pre_tokenization(outer.get_pre_tokenizer()?)?;
    if !outer.get_post_processor().is_none_or(|processor| adds_nothing(processor, &json["post_processor"])) {
        return None;
    }
    let absent = |affix: &Option<String>| affix.as_deref().unwrap_or_default().is_empty();
    if !absent(&model.continuing_subword_prefix) || !absent(&model.end_of_word_suffix) {
        return None;
    }
    let Ranked { merges, tokens } = ranked?;
    let added = added_tokens(outer, vocab, nfc)?;
    let idle = Mutex::default();
    Some((ByteLevel { added, nfc, prefix_space, split, merges, lossless: false, idle }, tokens))
}

fn is_nfc(normalizer: &NormalizerWrapper) -> Option<bool> {
    match normalizer {
        NormalizerWrapper::NFC(_) => Some(true),
        // Once more makes no difference.
        NormalizerWrapper::Sequence(steps) => {
            steps.as_ref().iter().try_fold(false, |before, step| Some(is_nfc(step)? || before))
        }
        _ => None,
    }
}

/// How text is cut, and whether a space is put before it.
fn pre_tokenization(pre_tokenizer: &PreTokenizerWrapper) -> Option<(Split, bool)> {
    let steps = match pre_tokenizer {
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref(),
        one => std::slice::from_ref(one),
    };
    let (each_digit, steps) = match steps {
        [PreTokenizerWrapper::Digits(digits), steps @ ..] if digits.individual_digits => (true, steps),
        steps => (false, steps),
    };
    match steps {
        // After `Digits` the prefix space would go to every run between them.
        [PreTokenizerWrapper::ByteLevel(last)]
            if last.use_regex && !(each_digit && last.add_prefix_space) =>
        {
            Some((Split { each_digit, ..GPT2 }, last.add_prefix_space))
        }
        [PreTokenizerWrapper::Split(split), PreTokenizerWrapper::ByteLevel(last)]
            if !last.use_regex && !last.add_prefix_space =>
        {
            let SplitPattern::Regex(expression) = &split.pattern else { return None };
            let family: Family = expression::family(expression)?;
            // The expressions match all of a text, so keeping the matches is the same as cutting at them.
            let whole = match split.behavior {
                SplitDelimiterBehavior::Isolated => true,
                SplitDelimiterBehavior::Removed => split.invert,
                _ => false,
            };
            whole.then_some((Split { family, each_digit }, false))
        }
        _ => None,
    }
}

/// Whether a post-processor that is told to add no special tokens leaves the ids as they are.
fn adds_nothing(processor: &PostProcessorWrapper, json: &Value) -> bool {
    match processor {
        PostProcessorWrapper::ByteLevel(_)
        | PostProcessorWrapper::Bert(_)
        | PostProcessorWrapper::Roberta(_) => true,
        // A template may name the text twice or not at all.
        PostProcessorWrapper::Template(_) => {
            let parts = json["single"].as_array().map(Vec::as_slice).unwrap_or_default();
            let texts: Vec<&Value> = parts.iter().filter_map(|part| part.get("Sequence")).collect();
            parts.iter().all(Value::is_object) && matches!(texts[..], [text] if text["id"] == "A")
        }
        PostProcessorWrapper::Sequence(steps) => {
            let each = json["processors"].as_array().map(Vec::as_slice).unwrap_or_default();
            steps.as_ref().len() == each.len()
                && steps.as_ref().iter().zip(each).all(|(step, json)| adds_nothing(step, json))
        }
    }
}

/// The added tokens that are looked for in the text as it is and in the normalized text.
fn added_tokens(outer: &Outer, vocab: &Names, nfc: bool) -> Option<[Added; 2]> {
    let mut sets = [Vec::new(), Vec::new()];
    let mut taken: Vec<u32> = vocab.values().copied().collect();
    taken.sort_unstable();
    for (id, token) in outer.get_added_tokens_decoder() {
        let special = outer.get_added_vocabulary().is_special_token(&token.content);
        let plain = !token.single_word && !token.lstrip && !token.rstrip;
        // A token of the model with this id must be the same text.
        let same = || match vocab.get(token.content.as_str()) {
            Some(_) => byte_level_bytes(&token.content) == token.content.as_bytes(),
            None => taken.binary_search(&id).is_err(),
        };
        let exact = special || (plain && same());
        if !exact {
            return None;
        }
        let content =
            if nfc && token.normalized { normal::nfc(&token.content).into() } else { token.content.clone() };
        let set = &mut sets[usize::from(token.normalized)];
        set.push((content.into_bytes().into_boxed_slice(), (!special).then_some(id)));
    }
    Some(sets.map(Added::new))
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
        found.bytes[usize::from(byte)] = *vocab.get(byte_token(byte).as_str())?;
    }
    for (token, &id) in vocab {
        let mut chars = token.chars();
        let (Some(c), None) = (chars.next(), chars.next()) else { continue };
        match found.ascii.get_mut(c as usize) {
            Some(place) => *place = id,
            None => {
                found.others.insert(c, id);
            }
        }
    }
    Some(found)
}
