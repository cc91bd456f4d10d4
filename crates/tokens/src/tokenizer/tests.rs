//! The tokenizers as a whole, against the `tokenizers` crate reading the same file.

use std::sync::LazyLock;

use proptest::prelude::*;
use regimen_base::Cancel;
use serde_json::Value;

use super::*;
use crate::error::Error;
use regimen_base::Hint;

mod broken;
mod shapes;

const TEXT: &str = "The weather there is rather mild, and the others don't mind; we're here for 42 days.\n\
     \"Über den Wolken\" - naïve façade, 日本語のテキスト. The weather there is rather mild, and the others\n\n\
     don't mind; we've been here for 420 days.\t\tUnd über den Wolken there is the other weather.";

struct Made {
    ours: Tokenizer,
    theirs: Outer,
    _dir: tempfile::TempDir,
}

fn made(outer: &Outer) -> Made {
    let dir = tempfile::tempdir().unwrap();
    save(outer, dir.path()).unwrap();
    let ours = Tokenizer::open(dir.path()).unwrap();
    let mut theirs = Outer::from_file(dir.path().join(JSON)).unwrap();
    theirs.set_encode_special_tokens(true);
    Made { ours, theirs, _dir: dir }
}

fn bpe(size: usize) -> Outer {
    let learned = learn(&count_pieces(&[TEXT]), &byte_order(), size, &Cancel::new()).unwrap();
    byte_level(&learned).unwrap()
}

static BPE: LazyLock<Made> = LazyLock::new(|| made(&bpe(300)));
static CHAR: LazyLock<Made> = LazyLock::new(|| made(&characters(&characters_of(&[TEXT])).unwrap()));
static BYTE: LazyLock<Made> = LazyLock::new(|| made(&bpe(256)));

fn texts() -> impl Strategy<Value = String> {
    let chars: Vec<char> = TEXT.chars().collect();
    let cuts = (0..chars.len(), 0..20usize).prop_map(move |(start, length)| {
        chars[start..(start + length).min(chars.len())].iter().collect::<String>()
    });
    let odd = prop::sample::select(vec![END, "\u{2581}", "<0x41>", "\0", " \u{a0} ", "🦀", "  ", "\r\n"]);
    let bit = prop_oneof![
        4 => cuts, 1 => odd.prop_map(String::from), 1 => any::<char>().prop_map(String::from), 1 => ".{0,8}",
    ];
    prop::collection::vec(bit, 0..12).prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn tokens_spell_the_text_and_are_those_of_the_tokenizers_crate(text in texts()) {
        for made in [&*BPE, &*CHAR, &*BYTE] {
            let ids = made.ours.encode(&text).unwrap();
            prop_assert!(!matches!(made.ours.codec, Codec::Foreign(_)));
            prop_assert!(!ids.contains(&made.ours.end_id()));
            prop_assert_eq!(made.ours.decode_bytes(&ids), text.as_bytes());
            prop_assert_eq!(made.ours.decode(&ids), &*text);
            let theirs = made.theirs.encode(text.as_str(), false).unwrap();
            prop_assert_eq!(&ids, theirs.get_ids());
            prop_assert_eq!(made.theirs.decode(&ids, false).unwrap(), &*text);
        }
    }
}

#[test]
fn the_files_are_pinned() {
    // Other bytes under the same key would break every artifact behind them: raise the stage's version with them.
    let hash = |made: &Made| regimen_base::Hash256::of(&fs::read(made.ours.path()).unwrap()).short();
    assert_eq!([hash(&BPE), hash(&CHAR), hash(&BYTE)], ["13a55f4a", "82acf9d9", "e551ee6f"]);
}

#[test]
fn ids_are_numbered_as_promised() {
    let (bpe, char, byte) = (&BPE.ours, &CHAR.ours, &BYTE.ours);
    assert_eq!((bpe.vocab_size(), bpe.end_id()), (301, 0));
    assert_eq!((byte.vocab_size(), byte.end_id()), (257, 0));
    let distinct = characters_of(&[TEXT]).len();
    assert_eq!((char.vocab_size(), char.end_id()), (257 + distinct, 0));
    for tokenizer in [bpe, char, byte] {
        assert_eq!(tokenizer.token_bytes(0), b"");
        assert_eq!(tokenizer.token_lengths()[0], 0);
    }
    assert_eq!(byte.encode("aé").unwrap().len(), 3);
    assert_eq!(char.encode("aé").unwrap().len(), 1 + 2, "é is not in the text, so it falls back to bytes");
    assert_eq!(char.encode("aü").unwrap().len(), 2);
    assert!(bpe.encode(" the weather").unwrap().len() < 6);
}

#[test]
fn a_special_token_in_a_text_is_text() {
    for made in [&*BPE, &*CHAR, &*BYTE] {
        let ids = made.ours.encode(&format!("a{END}b")).unwrap();
        assert!(!ids.contains(&0) && ids.len() > 3, "{ids:?}");
    }
}

#[test]
fn many_texts_are_encoded_as_each_alone_at_any_number_of_threads() {
    let long = TEXT.repeat(8_000);
    assert!(long.len() > 2 * PART);
    let texts = [TEXT, "", &long, "x"];
    let single: Vec<Vec<u32>> = texts.iter().map(|text| BPE.ours.encode(text).unwrap()).collect();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| BPE.ours.encode_all(&texts)).unwrap(), single);
    }
}

#[test]
fn broken_utf8_is_decoded_with_replacement_characters() {
    let ids = BYTE.ours.encode("é").unwrap();
    assert_eq!(BYTE.ours.decode(&ids[..1]), "\u{fffd}");
}

#[test]
fn files_of_other_shapes_are_left_to_the_tokenizers_crate() {
    let dir = tempfile::tempdir().unwrap();
    let mut outer = bpe(300);
    outer.with_normalizer(Some(tokenizers::normalizers::unicode::NFKC)).unwrap();
    save(&outer, dir.path()).unwrap();
    let foreign = Tokenizer::open(dir.path()).unwrap();
    assert!(matches!(foreign.codec, Codec::Foreign(_)) && !foreign.is_lossless());
    let composed = foreign.encode("u\u{308}ber").unwrap();
    assert_eq!(composed, BPE.ours.encode("über").unwrap());
    assert_eq!(foreign.decode(&composed), "über");
    assert_eq!(foreign.encode_all(&["u\u{308}ber"]).unwrap(), [composed]);
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(JSON);
    for text in ["", "{}", "[1]", r#"{"model":{"type":"BPE","vocab":{},"merges":[]}}"#] {
        std::fs::write(&path, text).unwrap();
        let error = Tokenizer::open(dir.path()).unwrap_err();
        let named = matches!(error, Error::Tokenizer { .. } | Error::EndToken { .. });
        assert!(named && error.hint().is_some(), "{text}: {error}");
        assert!(error.to_string().contains(JSON));
    }
    assert!(matches!(Tokenizer::load(Path::new("no/such/tokenizer.json")), Err(Error::File(_))));
}

#[test]
fn the_config_beside_the_file_names_the_end_token() {
    let dir = tempfile::tempdir().unwrap();
    let mut outer = bpe(300);
    outer.add_special_tokens([tokenizers::AddedToken::from("<stop>", true)]).unwrap();
    save(&outer, dir.path()).unwrap();
    let config = dir.path().join(CONFIG);
    let named = fs::read_text(&config).unwrap().replace(END, "<stop>");
    fs::write(&config, named.as_bytes()).unwrap();
    let found = Tokenizer::open(dir.path()).unwrap();
    assert_eq!((found.end_id(), found.end_token()), (301, "<stop>"));
    // As an object, as transformers may write it.
    let object = serde_json::json!({"eos_token": {"__type": "AddedToken", "content": "<stop>"}});
    fs::write_json(&config, &object).unwrap();
    assert_eq!(Tokenizer::open(dir.path()).unwrap().end_id(), 301);
    // One that is named but not there is no reason to take another.
    fs::write_json(&config, &serde_json::json!({"eos_token": "<halt>"})).unwrap();
    let error = Tokenizer::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("tokenizer_config.json names `<halt>`"), "{error}");
    fs::write(&config, b"{").unwrap();
    assert!(matches!(Tokenizer::open(dir.path()), Err(Error::File(_))));
}

#[test]
fn the_models_description_names_the_end_token_if_the_config_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut outer = bpe(300);
    outer.add_special_tokens([tokenizers::AddedToken::from("<stop>", true)]).unwrap();
    save(&outer, dir.path()).unwrap();
    fs::write_json(&dir.path().join(CONFIG), &serde_json::json!({"eos_token": null})).unwrap();
    assert_eq!(Tokenizer::open(dir.path()).unwrap().end_token(), END, "the usual name");
    for eos in [serde_json::json!(301), serde_json::json!([301, 0])] {
        fs::write_json(&dir.path().join("config.json"), &serde_json::json!({"eos_token_id": eos})).unwrap();
        let found = Tokenizer::open(dir.path()).unwrap();
        assert_eq!((found.end_id(), found.end_token()), (301, "<stop>"));
    }
    fs::write_json(&dir.path().join("config.json"), &serde_json::json!({"eos_token_id": 302})).unwrap();
    let error = Tokenizer::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("config.json names id 302, which it does not have"), "{error}");
}

#[test]
fn a_tokenizer_without_an_end_token_says_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    save(&bpe(300), dir.path()).unwrap();
    let text = fs::read_text(&dir.path().join(JSON)).unwrap().replace(END, "<unk>");
    fs::write(&dir.path().join(JSON), text.as_bytes()).unwrap();
    std::fs::remove_file(dir.path().join(CONFIG)).unwrap();
    let error = Tokenizer::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::EndToken { .. }) && error.to_string().contains("</s>"), "{error}");
    assert!(error.hint().unwrap().contains("`eos_token` in tokenizer_config.json"));
}

#[test]
fn an_end_token_that_is_not_marked_as_special_still_stands_for_no_text() {
    let dir = tempfile::tempdir().unwrap();
    save(&bpe(300), dir.path()).unwrap();
    let text =
        fs::read_text(&dir.path().join(JSON)).unwrap().replace("\"special\": true", "\"special\": false");
    fs::write(&dir.path().join(JSON), text.as_bytes()).unwrap();
    let found = Tokenizer::open(dir.path()).unwrap();
    assert_eq!((found.end_id(), found.token_bytes(0), found.token_lengths()[0]), (0, &b""[..], 0));
}

#[test]
fn what_a_file_says_of_truncation_and_padding_is_not_done() {
    let dir = tempfile::tempdir().unwrap();
    let mut outer = bpe(300);
    // With a normalizer, the crate itself encodes.
    outer.with_normalizer(Some(tokenizers::normalizers::unicode::NFKC)).unwrap();
    let plain = outer.clone();
    let cut = tokenizers::TruncationParams { max_length: 5, ..Default::default() };
    outer.with_truncation(Some(cut)).unwrap();
    let strategy = tokenizers::PaddingStrategy::Fixed(400);
    outer.with_padding(Some(tokenizers::PaddingParams { strategy, ..Default::default() }));
    save(&outer, dir.path()).unwrap();
    let foreign = Tokenizer::open(dir.path()).unwrap();
    assert!(!foreign.is_lossless());
    for text in [TEXT, "a"] {
        let ids = foreign.encode(text).unwrap();
        assert_eq!(ids, plain.encode(text, false).unwrap().get_ids());
        assert_eq!(foreign.decode(&ids), text);
    }
}

#[test]
fn no_length_is_claimed_for_a_model_that_is_not_known_yet() {
    let config: Value = fs::read_json(&BPE.ours.path().with_file_name(CONFIG)).unwrap();
    assert_eq!((&config["eos_token"], config.get("model_max_length")), (&Value::from(END), None));
}

#[test]
fn characters_that_share_an_id_or_are_special_are_not_said_to_spell_the_text() {
    let outer = characters(&characters_of(&["ab\u{2581}é"])).unwrap();
    let json: Value = serde_json::from_str(&outer.to_string(false).unwrap()).unwrap();
    let opened = |json: &Value| {
        let dir = tempfile::tempdir().unwrap();
        fs::write_json(&dir.path().join(JSON), json).unwrap();
        Tokenizer::open(dir.path()).unwrap()
    };
    let whole = opened(&json);
    let ids = whole.encode("a\u{2581}é ü").unwrap();
    assert!(whole.is_lossless() && whole.spells("a\u{2581}é ü", &ids), "U+2581 is no space here");
    let mut shared = json.clone();
    shared["model"]["vocab"]["a"] = json["model"]["vocab"]["b"].clone();
    let mut special = json.clone();
    let mut token = json["added_tokens"][0].clone();
    (token["content"], token["id"]) = ("a".into(), json["model"]["vocab"]["a"].clone());
    special["added_tokens"].as_array_mut().unwrap().push(token);
    let mut spaces = json;
    spaces["decoder"] =
        serde_json::json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "});
    for json in [shared, special, spaces] {
        let found = opened(&json);
        assert!(!found.is_lossless(), "{json}");
        found.encode("ab").unwrap();
    }
}
