//! Broken files: an error that names the file, or a tokenizer that does what the `tokenizers` crate does; never a panic.

use serde_json::json;

use super::*;

/// A small file with everything that may be in one.
static FILE: LazyLock<Value> = LazyLock::new(|| {
    let mut vocab: serde_json::Map<String, Value> = byte_order()
        .iter()
        .zip(1..)
        .map(|(&byte, id)| (alphabet::char_of(byte).to_string(), Value::from(id)))
        .collect();
    vocab.insert(END.into(), 0.into());
    let mut merges = Vec::new();
    for (left, right) in [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "a"), ("aa", "aa")] {
        vocab.insert(format!("{left}{right}"), vocab.len().into());
        merges.push(json!([left, right]));
    }
    let expression = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let token = |id: u32, content: &str, special: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": !special, "special": special})
    };
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 5}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": END},
        "added_tokens": [token(0, END, true), token(262, "<x>", false)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {END: {"id": END, "ids": [0], "tokens": [END]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
            "vocab": vocab, "merges": merges},
    })
});

/// Change the value that a walk by `steps` comes to.
fn change(value: &mut Value, steps: &[usize], new: &Value) {
    let Some((&step, rest)) = steps.split_first() else {
        *value = new.clone();
        return;
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(step % map.len()).unwrap().clone();
            if rest.is_empty() && step % 5 == 0 {
                map.remove(&key);
            } else {
                change(&mut map[&key], rest, new);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            let place = step % list.len();
            if rest.is_empty() && step % 5 == 0 {
                let again = list[place].clone();
                list.push(again);
            } else {
                change(&mut list[place], rest, new);
            }
        }
        other => *other = new.clone(),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            Value::Null,
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(-1),
            json!(0.5),
            json!(300),
            json!(4_294_967_295u32),
            json!(16_000_000),
            json!(1e30),
            json!(""),
            json!("a"),
            json!("th"),
            json!("Ġthe"),
            json!("é"),
            json!("日本"),
            json!(END),
            json!([]),
            json!({}),
            json!(["a", "b"]),
            json!(["aaaa", "aaaa"]),
            json!(["Ġthe", "Ġthe"]),
            json!({"Regex": r"\s+"}),
            json!({"Regex": "("}),
            json!({"String": " "}),
            json!({"type": "NFD"}),
            json!({"type": "Lowercase"}),
            json!({"type": "Prepend", "prepend": "▁"}),
            json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}),
            json!({"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}),
            json!({"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]}),
            json!({"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9, "vocab": {"a": 0}}),
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
        ]),
        ".{0,6}".prop_map(Value::from),
    ]
}

/// What comes of a file's text.
fn outcome(text: &[u8], sample: &str) -> std::result::Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(JSON);
    std::fs::write(&path, text).unwrap();
    let tokenizer = match Tokenizer::load(&path) {
        Ok(tokenizer) => tokenizer,
        Err(error) => {
            prop_assert!(error.to_string().contains(JSON) && error.hint().is_some(), "{error}");
            return Ok(());
        }
    };
    let mut theirs = Outer::from_file(&path).unwrap();
    theirs.set_encode_special_tokens(true);
    theirs.with_truncation(None).unwrap();
    theirs.with_padding(None);
    shape::keep_merges(&mut theirs);
    match tokenizer.encode(sample) {
        Ok(ids) => {
            let theirs = theirs.encode_fast(sample, false);
            prop_assert!(theirs.is_ok_and(|theirs| theirs.get_ids() == ids.as_slice()));
            prop_assert!(!tokenizer.is_lossless() || tokenizer.spells(sample, &ids));
            if ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()) {
                tokenizer.decode(&ids);
            }
        }
        Err(error) => prop_assert!(matches!(error, Error::Tokenizer { .. }), "{error}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn changed_files_are_refused_or_work(
        changes in prop::collection::vec((prop::collection::vec(0usize..1000, 1..6), any_value()), 0..4),
        sample in "(the |aaaa|<x>|é|1|e\u{301}|'S|\n){0,6}",
    ) {
        let mut file = FILE.clone();
        for (steps, new) in &changes {
            change(&mut file, steps, new);
        }
        outcome(file.to_string().as_bytes(), &sample)?;
    }

    #[test]
    fn damaged_bytes_are_refused_or_work(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut text = FILE.to_string().into_bytes();
        let at = at.index(text.len());
        if cut {
            text.truncate(at);
        } else {
            text[at] = byte;
        }
        outcome(&text, "the aaaa<x>")?;
    }
}

#[test]
fn merges_beyond_the_longest_token_are_refused_with_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = FILE.clone();
    file["model"]["merges"].as_array_mut().unwrap().push(json!([END, "the"]));
    std::fs::write(dir.path().join(JSON), file.to_string()).unwrap();
    let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("merge 5 (`<|endoftext|>` and `the`) makes no token of its vocabulary"),
        "{error}"
    );
}

#[test]
fn one_great_id_makes_no_great_table() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = FILE.clone();
    file["model"]["vocab"]["zzz"] = 16_000_000.into();
    std::fs::write(dir.path().join(JSON), file.to_string()).unwrap();
    let error = Tokenizer::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("its ids go up to 16000001"), "{error}");
}
