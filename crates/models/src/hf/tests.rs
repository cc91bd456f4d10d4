//! Round trips and refusals.

use super::*;
use crate::TokenBlock;
use regimen_tensor::Pool;
use serde_json::Map;

fn llama() -> DecoderConfig {
    DecoderConfig {
        kv_heads: 2,
        head_dim: 6,
        tied: false,
        rope_base: 500.0,
        ..DecoderConfig::llama(11, 9, 2, 8, 4, 10)
    }
}

fn write(config: &DecoderConfig, dir: &Path) -> (Decoder, Params) {
    let (decoder, layout) = Decoder::with_layout(config).unwrap();
    let params = Params::init(layout, 4);
    let metadata = Metadata::from([("regimen_key".into(), "abc".into())]);
    export(dir, config, &params.layout, &params.data, Some(2), None, &metadata).unwrap();
    (decoder, params)
}

fn names(dir: &Path) -> Vec<(String, Vec<usize>)> {
    let bytes = std::fs::read(dir.join(WEIGHTS)).unwrap();
    let (file, _) = weights::parse(Path::new("x"), &bytes).unwrap();
    let mut names: Vec<_> = file.tensors().into_iter().map(|(n, t)| (n, t.shape().to_vec())).collect();
    names.sort();
    names
}

#[test]
fn models_come_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let gpt2 = DecoderConfig::gpt2(13, 7, 2, 12, 3, 20);
    let cases = [
        llama(),
        DecoderConfig { tied: true, ..llama() },
        DecoderConfig { bias: true, ..llama() },
        gpt2.clone(),
        DecoderConfig { tied: false, norm_eps: 1e-6, ..gpt2 },
    ];
    for (i, config) in cases.iter().enumerate() {
        let dir = folder.path().join(i.to_string());
        let (decoder, params) = write(config, &dir);
        let (again, layout, loaded) = import(&dir).unwrap();
        assert_eq!(&again, config);
        assert_eq!(*layout, *params.layout);
        assert_eq!(params.data, loaded.data);
        let block = TokenBlock { batch: 1, time: 4, ids: &[1, 2, 3, 4], starts: &[0; 4] };
        let nll = |p| decoder.token_nll(p, &Pool::new(), &block, &[2, 3, 4, 5], &[1.0; 4]).unwrap();
        assert_eq!(nll(&params), nll(&loaded));
        let header = weights::metadata(&dir.join(WEIGHTS)).unwrap();
        assert_eq!((header["format"].as_str(), header["regimen_key"].as_str()), ("pt", "abc"));
    }
}

#[test]
fn llama_files_have_the_known_names_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    write(&DecoderConfig { layers: 1, ..llama() }, folder.path());
    let expected = [
        ("lm_head.weight", &[11, 8][..]),
        ("model.embed_tokens.weight", &[11, 8]),
        ("model.layers.0.input_layernorm.weight", &[8]),
        ("model.layers.0.mlp.down_proj.weight", &[8, 10]),
        ("model.layers.0.mlp.gate_proj.weight", &[10, 8]),
        ("model.layers.0.mlp.up_proj.weight", &[10, 8]),
        ("model.layers.0.post_attention_layernorm.weight", &[8]),
        ("model.layers.0.self_attn.k_proj.weight", &[12, 8]),
        ("model.layers.0.self_attn.o_proj.weight", &[8, 24]),
        ("model.layers.0.self_attn.q_proj.weight", &[24, 8]),
        ("model.layers.0.self_attn.v_proj.weight", &[12, 8]),
        ("model.norm.weight", &[8]),
    ];
    assert_eq!(names(folder.path()), expected.map(|(n, s)| (n.to_string(), s.to_vec())));
    let json: Value = fs::read_json(&folder.path().join(CONFIG)).unwrap();
    for (key, value) in [
        ("model_type", json!("llama")),
        ("architectures", json!(["LlamaForCausalLM"])),
        ("rope_theta", json!(500.0)),
        ("rope_parameters", json!({"rope_type": "default", "rope_theta": 500.0})),
        ("eos_token_id", json!(2)),
        ("bos_token_id", Value::Null),
        ("tie_word_embeddings", json!(false)),
        ("torch_dtype", json!("float32")),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    let generation: Value = fs::read_json(&folder.path().join("generation_config.json")).unwrap();
    assert_eq!((&generation["eos_token_id"], generation.get("bos_token_id")), (&json!(2), None));
}

#[test]
fn gpt2_weights_are_transposed_and_tied_heads_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = DecoderConfig::gpt2(13, 7, 1, 12, 3, 20);
    let (_, params) = write(&config, folder.path());
    let found = names(folder.path());
    assert_eq!(found.len(), 2 + 2 + 12);
    assert!(found.iter().all(|(name, _)| name != "lm_head.weight"));
    assert!(found.contains(&("transformer.h.0.attn.c_attn.weight".into(), vec![12, 36])));
    assert!(found.contains(&("transformer.h.0.mlp.c_proj.weight".into(), vec![20, 12])));
    let bytes = std::fs::read(folder.path().join(WEIGHTS)).unwrap();
    let (file, _) = weights::parse(Path::new("x"), &bytes).unwrap();
    let mut stored = vec![0.0; 12 * 36];
    weights::read_into(Path::new("x"), &file, "transformer.h.0.attn.c_attn.weight", &[12, 36], &mut stored)
        .unwrap();
    let ours = params.slice(params.layout.expect("layers.0.attn.qkv").unwrap());
    assert_eq!(stored[3 * 36 + 5], ours[5 * 12 + 3]);
}

#[test]
fn other_decoders_are_refused_by_field() {
    let gpt2 = DecoderConfig::gpt2(13, 7, 1, 12, 3, 20);
    let cases = [
        (
            DecoderConfig { positions: crate::Positions::Learned, ..llama() },
            "positions = learned, Llama needs rope",
        ),
        (DecoderConfig { mlp: crate::Mlp::Gelu, ..llama() }, "mlp = gelu, Llama needs swiglu"),
        (DecoderConfig { width: 10, ..llama() }, "heads = 4, Llama needs a divisor of width = 10"),
        (DecoderConfig { bias: false, ..gpt2.clone() }, "bias = false, GPT-2 needs true"),
        (DecoderConfig { kv_heads: 1, ..gpt2.clone() }, "kv_heads = 1, GPT-2 needs heads = 3"),
        (DecoderConfig { head_dim: 8, ..gpt2.clone() }, "head_dim = 8, GPT-2 needs width / heads = 12 / 3"),
        (
            DecoderConfig { positions: crate::Positions::Rope, ..gpt2 },
            "positions = rope, GPT-2 needs learned",
        ),
    ];
    for (config, expected) in cases {
        let error = Family::of(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn other_descriptions_are_refused_by_field() {
    let config = llama();
    let good = describe::write(&config, Family::Llama, None, None);
    let read = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        describe::read(Path::new("d/config.json"), &changed)
    };
    let cases = [
        ("model_type", json!("qwen2"), "model_type = \"qwen2\" is not supported"),
        ("hidden_act", json!("gelu"), "hidden_act = \"gelu\" is not supported"),
        ("mlp_bias", json!(true), "mlp_bias differs from attention_bias = false"),
        ("rope_scaling", json!({"type": "linear", "factor": 2.0}), "rope_scaling"),
        ("rope_parameters", json!({"rope_type": "yarn"}), "rope_parameters"),
        ("hidden_size", json!("8"), "hidden_size = \"8\" is not a count"),
        ("vocab_size", Value::Null, "vocab_size is missing"),
        ("num_key_value_heads", json!(3), "kv_heads = 3"),
    ];
    for (key, value, expected) in cases {
        let error = read(key, value).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut bare: Map<String, Value> = good.as_object().unwrap().clone();
    bare.retain(|key, _| {
        !["rope_parameters", "head_dim", "num_key_value_heads", "rope_scaling"].contains(&key.as_str())
    });
    let (found, _) = describe::read(Path::new("x"), &Value::Object(bare)).unwrap();
    assert_eq!((found.rope_base, found.kv_heads, found.head_dim), (500.0, 4, 2));
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    write(&llama(), folder.path());
    let mut json: Value = fs::read_json(&folder.path().join(CONFIG)).unwrap();
    json["intermediate_size"] = json!(12);
    fs::write_json(&folder.path().join(CONFIG), &json).unwrap();
    let error = import(folder.path()).unwrap_err().to_string();
    assert!(error.contains("proj.weight\" has shape [10, 8], the model needs [12, 8]"), "{error}");
    assert!(error.contains("model.safetensors"), "{error}");
}
