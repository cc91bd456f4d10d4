//! Small `tokenizer.json` files of every shape that the project's own loops encode.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

const CONTRACTIONS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|";
const LLAMA: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const MARKS: &str =
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LAST: &str =
    r"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The byte-level alphabet of GPT-2: printable bytes stand for themselves, the others for characters from U+0100 on.
fn alphabet() -> Vec<char> {
    let mut next = 0x100u32;
    (0..=255u32)
        .map(|byte| {
            let itself = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
            let code = if itself { byte } else { next };
            next += u32::from(!itself);
            char::from_u32(code).unwrap_or('?')
        })
        .collect()
}

/// Tokens as in text, by pairs that are merged.
const MERGES: [(&str, &str); 24] = [
    ("t", "h"),
    ("th", "e"),
    ("Ġ", "the"),
    ("a", "a"),
    ("aa", "aa"),
    ("Ġ", "a"),
    ("i", "n"),
    ("Ġ", "Ġ"),
    ("ĠĠ", "ĠĠ"),
    ("e", "r"),
    ("Ã", "©"),
    ("1", "2"),
    ("12", "3"),
    ("Ċ", "Ċ"),
    ("č", "Ċ"),
    ("'", "s"),
    ("H", "T"),
    ("HT", "TP"),
    ("T", "P"),
    ("æ", "Ĺ"),
    ("æĹ", "¥"),
    ("Ġ", "s"),
    ("s", "s"),
    ("an", "d"),
];

fn token(id: usize, content: &str, special: bool, normalized: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": normalized, "special": special})
}

fn level(prefix: bool, regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex})
}

fn split(expression: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false})
}

fn file(steps: &[Value], nfc: bool, ignore_merges: bool, added: &[(&str, bool, bool)]) -> Value {
    let mut vocab = Map::new();
    vocab.insert("<|endoftext|>".into(), 0.into());
    for character in alphabet() {
        vocab.insert(character.to_string(), vocab.len().into());
    }
    let mut merges = Vec::new();
    for (left, right) in MERGES {
        if vocab.contains_key(left) && vocab.contains_key(right) {
            let size = vocab.len();
            vocab.entry(format!("{left}{right}")).or_insert(size.into());
            merges.push(json!([left, right]));
        }
    }
    let mut tokens = vec![token(0, "<|endoftext|>", true, false)];
    for (number, (content, special, normalized)) in added.iter().enumerate() {
        tokens.push(token(vocab.len() + number, content, *special, *normalized));
    }
    let steps =
        if let [one] = steps { one.clone() } else { json!({"type": "Sequence", "pretokenizers": steps}) };
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": tokens,
        "normalizer": nfc.then(|| json!({"type": "NFC"})), "pre_tokenizer": steps, "post_processor": null,
        "decoder": level(true, true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore_merges,
            "vocab": vocab, "merges": merges},
    })
}

fn characters() -> Value {
    let mut vocab = Map::new();
    vocab.insert("<|endoftext|>".into(), 0.into());
    for byte in 0..=255 {
        vocab.insert(format!("<0x{byte:02X}>"), vocab.len().into());
    }
    for character in "abc é日 \n1".chars() {
        vocab.insert(character.to_string(), vocab.len().into());
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [token(0, "<|endoftext|>", true, false)], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": []},
    })
}

/// The files.
pub static FILES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let by = |expression: &str| vec![split(expression), level(false, false)];
    let first = |expression: &str| by(&format!("{CONTRACTIONS}{expression}"));
    let digits = json!({"type": "Digits", "individual_digits": true});
    let added = [("<x>", false, false), ("the", false, true), ("é", false, true), ("<s>", true, false)];
    vec![
        file(&[level(false, true)], false, false, &[]),
        file(&[level(true, true)], false, false, &added[..1]),
        file(&first(LLAMA), false, true, &[]),
        file(&first(QWEN), true, false, &added),
        file(&first(MARKS), true, true, &added[2..]),
        file(&by(LAST), false, false, &[]),
        file(&by(GPT_4O), false, false, &added),
        file(&by(TEKKEN), false, true, &[]),
        file(&[&[digits.clone()], &first(LLAMA)[..]].concat(), true, false, &added),
        file(&[digits, level(false, true)], false, false, &added[1..2]),
        characters(),
    ]
});
