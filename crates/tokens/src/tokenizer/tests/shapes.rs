//! Every shape that is encoded here, against the `tokenizers` crate reading the same file.

use serde_json::json;

use super::super::{alphabet, expression};
use super::*;

const LLAMA: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A file with a vocabulary of 420 tokens, ready to be changed.
static BASE: LazyLock<Value> = LazyLock::new(|| {
    let text =
        format!("{TEXT} getHTTPServer()\r\n\r\n\t\tif (x == 10) {{ don't }} // ÜBER 日本語 क्षि  {TEXT}");
    let learned = learn(&count_pieces(&[&text]), &byte_order(), 420, &Cancel::new()).unwrap();
    let outer = byte_level(&learned).unwrap();
    serde_json::from_str(&outer.to_string(false).unwrap()).unwrap()
});

fn level(prefix: bool, regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex})
}

fn isolated(expression: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false})
}

fn sequence(steps: &[Value]) -> Value {
    json!({"type": "Sequence", "pretokenizers": steps})
}

fn by(expression: &str) -> Value {
    sequence(&[isolated(expression), level(false, false)])
}

fn digits(each: bool) -> Value {
    json!({"type": "Digits", "individual_digits": each})
}

fn nfc() -> Value {
    json!({"type": "NFC"})
}

fn token(content: &str, normalized: bool, special: bool) -> Value {
    json!({"id": 0, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": normalized, "special": special})
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut file = BASE.clone();
    for (path, value) in changes {
        match path.split_once('.') {
            Some((outer, inner)) => file[outer][inner] = value.clone(),
            None if *path == "added_tokens" => {
                file["added_tokens"]
                    .as_array_mut()
                    .unwrap()
                    .extend(value.as_array().unwrap().iter().cloned());
            }
            None => file[*path] = value.clone(),
        }
    }
    file
}

fn opened(file: &Value) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(JSON);
    std::fs::write(&path, file.to_string()).unwrap();
    let ours = Tokenizer::load(&path).unwrap();
    let mut theirs = Outer::from_file(&path).unwrap();
    theirs.set_encode_special_tokens(true);
    Made { ours, theirs, _dir: dir }
}

/// Without every seventh merge, so that some tokens of the vocabulary are no merge's.
fn fewer_merges() -> Value {
    let all = BASE["model"]["merges"].as_array().unwrap();
    all.iter().enumerate().filter(|(i, _)| i % 7 != 3).map(|(_, merge)| merge.clone()).collect()
}

/// In the form of old files, with a first line that is skipped, and some pairs a second time.
fn old_merges() -> Value {
    let all = BASE["model"]["merges"].as_array().unwrap();
    let line =
        |pair: &Value| Value::from(format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let first = std::iter::once(Value::from("#version: 0.2"));
    first.chain(all.iter().map(line)).chain(all.iter().step_by(5).map(line)).collect()
}

fn added() -> Value {
    json!([
        token("<tool_call>", false, false),
        token("  ", true, false),
        token("    ", true, false),
        token("\n\n\n", false, false),
        token("don", false, false),
        token("<|im_start|>", false, true),
        token("<|im_", false, false),
        token("start|>", true, false),
        token("über", true, false),
        token("u\u{308}", false, false),
        token("§é", true, true),
    ])
}

/// Name, file, and whether its tokens spell every text.
fn shapes() -> Vec<(&'static str, Value, bool)> {
    let template = json!({"type": "TemplateProcessing", "pair": [], "special_tokens": {
        END: {"id": END, "ids": [0], "tokens": [END]}},
        "single": [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]});
    let several = json!({"type": "Sequence", "processors": [level(true, true), template]});
    let removed =
        json!({"type": "Split", "pattern": {"Regex": LLAMA}, "behavior": "Removed", "invert": true});
    let twice_nfc = json!({"type": "Sequence", "normalizers": [nfc(), nfc()]});
    let no_step = json!({"type": "Sequence", "normalizers": []});
    vec![
        ("GPT-2", with(&[]), true),
        ("GPT-2 in a sequence", with(&[("pre_tokenizer", sequence(&[level(false, true)]))]), true),
        ("RoBERTa", with(&[("pre_tokenizer", level(true, true))]), false),
        ("GPT-NeoX", with(&[("normalizer", nfc()), ("added_tokens", added())]), false),
        ("Llama 3", with(&[("pre_tokenizer", by(LLAMA)), ("post_processor", several)]), true),
        (
            "ignored merges",
            with(&[
                ("pre_tokenizer", by(LLAMA)),
                ("model.ignore_merges", true.into()),
                ("model.merges", fewer_merges()),
            ]),
            true,
        ),
        ("fewer merges", with(&[("pre_tokenizer", by(LLAMA)), ("model.merges", fewer_merges())]), true),
        ("old merges", with(&[("model.merges", old_merges()), ("normalizer", no_step)]), true),
        (
            "Qwen 2",
            with(&[("pre_tokenizer", by(QWEN)), ("normalizer", nfc()), ("added_tokens", added())]),
            false,
        ),
        ("GPT-4 of Xenova", with(&[("pre_tokenizer", sequence(&[removed, level(false, false)]))]), true),
        ("GPT-4o", with(&[("pre_tokenizer", by(GPT_4O)), ("model.ignore_merges", true.into())]), true),
        ("StarCoder", with(&[("pre_tokenizer", sequence(&[digits(true), level(false, true)]))]), true),
        (
            "digits and Llama",
            with(&[(
                "pre_tokenizer",
                sequence(&[digits(true), by(LLAMA)["pretokenizers"][0].clone(), level(false, false)]),
            )]),
            true,
        ),
        (
            "Command R",
            with(&[
                ("pre_tokenizer", sequence(&[digits(true), level(false, true)])),
                ("normalizer", twice_nfc),
            ]),
            false,
        ),
        ("added tokens", with(&[("added_tokens", added())]), true),
        (
            "added tokens and a prefix space",
            with(&[("pre_tokenizer", level(true, true)), ("added_tokens", added())]),
            false,
        ),
        (
            "no dropout",
            with(&[
                ("model.dropout", 0.0.into()),
                ("model.unk_token", END.into()),
                ("model.byte_fallback", true.into()),
            ]),
            true,
        ),
    ]
}

static SHAPES: LazyLock<Vec<(&'static str, Made, bool)>> = LazyLock::new(|| {
    shapes().into_iter().map(|(name, file, lossless)| (name, opened(&file), lossless)).collect()
});

fn tricky() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "<tool_call>",
        "  ",
        "   ",
        "\n\n\n",
        "<|im_start|>",
        "<|im_",
        "u\u{308}",
        "u\u{308}ber",
        "A\u{30a}\u{301}",
        "豈",
        "§é",
        "é",
        "'LL",
        "'ſ",
        "HTTPServer",
        "12345",
        "²",
        "Ⅷ",
        "\r\n",
        " \t\n",
        "//\n",
        "クシ",
        "\u{1112}\u{1161}\u{11ab}",
        "#version: 0.2",
        "ǅ",
    ]);
    let bit =
        prop_oneof![3 => texts(), 3 => odd.prop_map(String::from), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(bit, 0..8).prop_map(|bits| bits.concat())
}

fn agree(name: &str, made: &Made, lossless: bool, text: &str) -> std::result::Result<(), TestCaseError> {
    let ids = made.ours.encode(text).unwrap();
    let theirs = made.theirs.encode_fast(text, false).unwrap();
    prop_assert_eq!(&ids, theirs.get_ids(), "{}", name);
    prop_assert_eq!(made.ours.spells(text, &ids), made.ours.decode_bytes(&ids) == text.as_bytes());
    prop_assert!(!lossless || made.ours.spells(text, &ids), "{name}");
    Ok(())
}

proptest! {
    #[test]
    fn all_shapes_have_the_ids_of_the_tokenizers_crate(text in tricky()) {
        for (name, made, lossless) in SHAPES.iter() {
            agree(name, made, *lossless, &text)?;
        }
    }

    #[test]
    fn all_expressions_do(text in tricky(), which in any::<prop::sample::Index>(), each in any::<bool>()) {
        static ALL: LazyLock<Vec<String>> = LazyLock::new(expression::all);
        let expression = which.get(&ALL);
        let mut steps = vec![isolated(expression), level(false, false)];
        if each {
            steps.insert(0, digits(true));
        }
        let made = opened(&with(&[("pre_tokenizer", sequence(&steps)), ("model.ignore_merges", each.into())]));
        prop_assert!(matches!(made.ours.codec, Codec::ByteLevel(_)), "{}", expression);
        agree(expression, &made, true, &text)?;
    }

    #[test]
    fn any_merges_do(pairs in prop::collection::vec((0usize..400, 0usize..400), 0..60), text in "[abc ]{0,40}|(the |weather ){0,9}") {
        // Any pairs of tokens whose result is a token, in any order, some twice.
        let vocab = BASE["model"]["vocab"].as_object().unwrap();
        let names: Vec<&String> = vocab.keys().filter(|name| name.chars().count() < 3).collect();
        let mut model = BASE["model"].clone();
        let mut merges = Vec::new();
        for (left, right) in pairs {
            let (left, right) = (names[left % names.len()], names[right % names.len()]);
            let both = format!("{left}{right}");
            if model["vocab"].get(&both).is_none() {
                let next = model["vocab"].as_object().unwrap().len();
                model["vocab"][&both] = next.into();
            }
            merges.push(json!([left, right]));
            merges.push(json!([right, left]));
            let turned = format!("{right}{left}");
            if model["vocab"].get(&turned).is_none() {
                let next = model["vocab"].as_object().unwrap().len();
                model["vocab"][&turned] = next.into();
            }
        }
        merges.extend(BASE["model"]["merges"].as_array().unwrap().iter().step_by(2).cloned());
        model["merges"] = merges.into();
        let made = opened(&with(&[("model", model)]));
        prop_assert!(matches!(made.ours.codec, Codec::ByteLevel(_)));
        agree("any merges", &made, true, &text)?;
    }
}

#[test]
fn all_shapes_are_encoded_here_and_tell_whether_they_are_lossless() {
    for (name, made, lossless) in SHAPES.iter() {
        assert!(matches!(made.ours.codec, Codec::ByteLevel(_)), "{name}");
        assert_eq!(made.ours.is_lossless(), *lossless, "{name}");
    }
}

#[test]
fn long_texts_are_encoded_as_by_the_crate() {
    let text = format!("{TEXT} don't <tool_call> u\u{308}ber\n\n\n").repeat(9_000);
    assert!(text.len() > 2 * PART);
    for (name, made, _) in SHAPES.iter().filter(|(name, ..)| ["Qwen 2", "RoBERTa", "GPT-4o"].contains(name)) {
        let ids = made.ours.encode(&text).unwrap();
        assert_eq!(
            made.ours.encode_all(&["a", &text, ""]).unwrap(),
            [made.ours.encode("a").unwrap(), ids.clone(), vec![]]
        );
        assert_eq!(ids, made.theirs.encode_fast(text.as_str(), false).unwrap().get_ids(), "{name}");
    }
}

#[test]
fn what_is_not_known_exactly_is_left_to_the_tokenizers_crate() {
    let merges = BASE["model"]["merges"].clone();
    let mut no_z = BASE["model"].clone();
    no_z["vocab"].as_object_mut().unwrap().remove("Z");
    let mut twice = BASE["model"].clone();
    twice["vocab"]["Z"] = twice["vocab"]["Y"].clone();
    let mut strips = token("<x>", false, false);
    strips["lstrip"] = true.into();
    let mut word = token("<x>", false, false);
    word["single_word"] = true.into();
    let behaves = |behavior: &str| {
        let mut split = isolated(LLAMA);
        split["behavior"] = behavior.into();
        sequence(&[split, level(false, false)])
    };
    let doubled = json!({"type": "TemplateProcessing", "pair": [], "special_tokens": {}, "single":
        [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]});
    let space = alphabet::text_of(b" x");
    let files = [
        with(&[("model.continuing_subword_prefix", "##".into()), ("model.merges", json!([]))]),
        with(&[("model.end_of_word_suffix", "</w>".into())]),
        with(&[("model", no_z)]),
        with(&[("model", twice)]),
        with(&[("normalizer", json!({"type": "NFKC"}))]),
        with(&[("pre_tokenizer", Value::Null)]),
        with(&[("pre_tokenizer", level(false, false))]),
        with(&[("pre_tokenizer", sequence(&[isolated(LLAMA), level(true, false)]))]),
        with(&[("pre_tokenizer", sequence(&[isolated(LLAMA), level(false, true)]))]),
        with(&[("pre_tokenizer", sequence(&[digits(false), level(false, true)]))]),
        with(&[("pre_tokenizer", sequence(&[digits(true), level(true, true)]))]),
        with(&[("pre_tokenizer", by(&format!("x|{LLAMA}")))]),
        with(&[("pre_tokenizer", behaves("MergedWithNext"))]),
        with(&[("pre_tokenizer", behaves("Removed"))]),
        with(&[("post_processor", doubled)]),
        with(&[("added_tokens", json!([strips]))]),
        with(&[("added_tokens", json!([word]))]),
        // Its letter is a byte of the alphabet, so one id would stand for two texts.
        with(&[("added_tokens", json!([token("é", false, false)]))]),
        with(&[
            ("model.vocab", {
                let mut vocab = BASE["model"]["vocab"].clone();
                vocab[&space] = vocab.as_object().unwrap().len().into();
                vocab
            }),
            ("added_tokens", json!([token(&space, false, false)])),
            ("model.merges", merges),
        ]),
    ];
    for (i, file) in files.iter().enumerate() {
        let made = opened(file);
        assert!(matches!(made.ours.codec, Codec::Foreign(_)) && !made.ours.is_lossless(), "{i}");
        let ids = made.ours.encode(TEXT).unwrap();
        assert_eq!(ids, made.theirs.encode_fast(TEXT, false).unwrap().get_ids(), "{i}");
    }
}

#[test]
fn dropout_of_merges_is_not_done() {
    // Encoded here and left to the crate.
    for (normalizer, lossless) in [(Value::Null, true), (json!({"type": "NFKC"}), false)] {
        let of =
            |dropout: Value| opened(&with(&[("normalizer", normalizer.clone()), ("model.dropout", dropout)]));
        let ids = of(Value::Null).ours.encode(TEXT).unwrap();
        for dropout in [0.1, 0.5, 1.0] {
            let made = of(dropout.into());
            assert_ne!(made.theirs.encode(TEXT, false).unwrap().get_ids(), ids, "the crate does it");
            assert_eq!(made.ours.is_lossless(), lossless);
            for _ in 0..2 {
                assert_eq!(made.ours.encode(TEXT).unwrap(), ids, "{dropout}");
            }
            assert_eq!(made.ours.encode_all(&[TEXT, TEXT]).unwrap(), [ids.clone(), ids.clone()]);
        }
    }
}

#[test]
fn characters_have_no_merges_to_drop() {
    let mut json: Value =
        serde_json::from_str(&characters(&characters_of(&[TEXT])).unwrap().to_string(false).unwrap())
            .unwrap();
    let ids = opened(&json).ours.encode(TEXT).unwrap();
    json["model"]["dropout"] = 0.1.into();
    let made = opened(&json);
    assert!(matches!(made.ours.codec, Codec::Characters(_)) && made.ours.encode(TEXT).unwrap() == ids);
}

#[test]
fn a_special_token_that_text_can_become_makes_a_file_lossy() {
    // A byte, what merges make, a whole piece.
    for (content, ignore, lossless) in [("Z", false, false), ("Ġthe", false, false), ("<|x|>", true, true)] {
        let made = opened(&with(&[
            ("added_tokens", json!([token(content, false, true)])),
            ("model.ignore_merges", ignore.into()),
        ]));
        assert!(matches!(made.ours.codec, Codec::ByteLevel(_)));
        assert_eq!(made.ours.is_lossless(), lossless, "{content}");
        let ids = made.ours.encode("Z the").unwrap();
        assert_eq!(made.ours.spells("Z the", &ids), lossless);
    }
    let mut vocab = BASE["model"]["vocab"].clone();
    vocab["Ġzz"] = vocab.as_object().unwrap().len().into();
    let whole = |ignore: bool| {
        let special = json!([token("Ġzz", false, true)]);
        opened(&with(&[
            ("model.vocab", vocab.clone()),
            ("added_tokens", special),
            ("model.ignore_merges", ignore.into()),
        ]))
    };
    assert!(whole(false).ours.is_lossless() && !whole(true).ours.is_lossless());
}
