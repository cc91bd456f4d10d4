//! `config.json`: which architecture a decoder is, and its fields in that architecture's words.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::{DecoderConfig, Mlp, NormKind, Positions};
use crate::error::{Error, Result};

/// An architecture that `transformers` knows and this program's decoder can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `LlamaForCausalLM`: RMS norm, rotary positions, SwiGLU; all linear layers with biases or none.
    Llama,
    /// `GPT2LMHeadModel`: layer norm, learned positions, GELU, all biases, one key head for each head.
    Gpt2,
}

impl Family {
    /// The architecture of a decoder; the norm decides which one it is held against.
    ///
    /// # Errors
    /// [`Error::NoArchitecture`] with the first field that does not fit.
    pub fn of(config: &DecoderConfig) -> Result<Family> {
        let refuse = |family, field, value: String, needed: &str| {
            Err(Error::NoArchitecture { family, field, value, needed: needed.into() })
        };
        let c = config;
        match c.norm {
            NormKind::Rms if c.positions != Positions::Rope => {
                refuse("Llama", "positions", "learned".into(), "rope")
            }
            NormKind::Rms if c.mlp != Mlp::Swiglu => refuse("Llama", "mlp", "gelu".into(), "swiglu"),
            // The products would not mind, but transformers opens no such description.
            NormKind::Rms if !c.width.is_multiple_of(c.heads) => {
                refuse("Llama", "heads", c.heads.to_string(), &format!("a divisor of width = {}", c.width))
            }
            NormKind::Rms => Ok(Family::Llama),
            NormKind::Layer if c.positions != Positions::Learned => {
                refuse("GPT-2", "positions", "rope".into(), "learned (or norm = rms for a Llama)")
            }
            NormKind::Layer if c.mlp != Mlp::Gelu => refuse("GPT-2", "mlp", "swiglu".into(), "gelu"),
            NormKind::Layer if !c.bias => refuse("GPT-2", "bias", "false".into(), "true"),
            NormKind::Layer if c.kv_heads != c.heads => {
                refuse("GPT-2", "kv_heads", c.kv_heads.to_string(), &format!("heads = {}", c.heads))
            }
            NormKind::Layer if c.query_width() != c.width => refuse(
                "GPT-2",
                "head_dim",
                c.head_dim.to_string(),
                &format!("width / heads = {} / {}", c.width, c.heads),
            ),
            NormKind::Layer => Ok(Family::Gpt2),
        }
    }
}

/// The content of `config.json`.
pub(super) fn write(c: &DecoderConfig, family: Family, eos_id: Option<u32>, bos_id: Option<u32>) -> Value {
    let mut out = match family {
        Family::Llama => json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": c.width,
            "intermediate_size": c.ff,
            "num_hidden_layers": c.layers,
            "num_attention_heads": c.heads,
            "num_key_value_heads": c.kv_heads,
            "head_dim": c.head_dim,
            "max_position_embeddings": c.context,
            "rms_norm_eps": c.norm_eps,
            "rope_theta": c.rope_base,
            "rope_scaling": null,
            "rope_parameters": {"rope_type": "default", "rope_theta": c.rope_base},
            "hidden_act": "silu",
            "attention_bias": c.bias,
            "attention_dropout": 0.0,
            "mlp_bias": c.bias,
            "pretraining_tp": 1,
        }),
        Family::Gpt2 => json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_embd": c.width,
            "n_inner": c.ff,
            "n_layer": c.layers,
            "n_head": c.heads,
            "n_positions": c.context,
            "n_ctx": c.context,
            "layer_norm_epsilon": c.norm_eps,
            "activation_function": "gelu_new",
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            "scale_attn_weights": true,
        }),
    };
    let common = [
        ("vocab_size", json!(c.vocab)),
        ("tie_word_embeddings", json!(c.tied)),
        ("bos_token_id", json!(bos_id)),
        ("eos_token_id", json!(eos_id)),
        ("pad_token_id", Value::Null),
        ("initializer_range", json!(c.init_std)),
        ("torch_dtype", json!("float32")),
        ("dtype", json!("float32")),
        ("use_cache", json!(true)),
    ];
    for (key, value) in common {
        out[key] = value;
    }
    out
}

/// The description at hand, for errors that name its file.
struct Description<'a> {
    path: &'a Path,
    json: &'a Value,
}

impl Description<'_> {
    fn refuse<T>(&self, problem: String) -> Result<T> {
        Err(Error::File { path: self.path.into(), problem })
    }

    /// A field that is present and not null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.json.get(key).filter(|v| !v.is_null())
    }

    fn count(&self, key: &str, default: Option<usize>) -> Result<usize> {
        match (self.get(key), default) {
            (None, Some(value)) => Ok(value),
            (None, None) => self.refuse(format!("{key} is missing")),
            (Some(value), _) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(n) => Ok(n),
                None => self.refuse(format!("{key} = {value} is not a count")),
            },
        }
    }

    fn real(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => match value.as_f64() {
                Some(x) => Ok(x),
                None => self.refuse(format!("{key} = {value} is not a number")),
            },
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => match value.as_bool() {
                Some(x) => Ok(x),
                None => self.refuse(format!("{key} = {value} is neither true nor false")),
            },
        }
    }

    /// A field that must have one of these values, if it is there.
    fn only(&self, key: &str, known: &[&str]) -> Result<()> {
        match self.get(key) {
            Some(value) if !known.iter().any(|k| value == k) => {
                self.refuse(format!("{key} = {value} is not supported, only {}", known.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// A flag this program cannot honour when it is set.
    fn never(&self, key: &str, value: bool) -> Result<()> {
        if self.flag(key, !value)? == value {
            return self.refuse(format!("{key} = {value} is not supported"));
        }
        Ok(())
    }
}

/// The decoder that a `config.json` describes.
pub(super) fn read(path: &Path, json: &Value) -> Result<(DecoderConfig, Family)> {
    let d = Description { path, json };
    let (config, family) = match d.get("model_type").and_then(Value::as_str) {
        Some("llama") => (read_llama(&d)?, Family::Llama),
        Some("gpt2") => (read_gpt2(&d)?, Family::Gpt2),
        Some(other) => return d.refuse(format!("model_type = {other:?} is not supported, only llama, gpt2")),
        None => return d.refuse("model_type is missing".into()),
    };
    config.validate()?;
    Ok((config, family))
}

fn read_llama(d: &Description<'_>) -> Result<DecoderConfig> {
    d.only("hidden_act", &["silu", "swish"])?;
    let bias = d.flag("attention_bias", false)?;
    if d.flag("mlp_bias", false)? != bias {
        return d
            .refuse(format!("mlp_bias differs from attention_bias = {bias}; both or neither are supported"));
    }
    if let Some(scaling) = d.get("rope_scaling") {
        let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
        if kind.is_none_or(|k| k != "default") {
            return d.refuse(format!("rope_scaling = {scaling} is not supported"));
        }
    }
    let mut rope_base = d.real("rope_theta", 10_000.0)?;
    if let Some(rope) = d.get("rope_parameters") {
        if rope.get("rope_type").is_some_and(|k| k != "default") {
            return d.refuse(format!("rope_parameters = {rope} is not supported"));
        }
        rope_base = rope.get("rope_theta").and_then(Value::as_f64).unwrap_or(rope_base);
    }
    let (width, heads) = (d.count("hidden_size", None)?, d.count("num_attention_heads", None)?);
    let config = DecoderConfig {
        vocab: d.count("vocab_size", None)?,
        context: d.count("max_position_embeddings", None)?,
        layers: d.count("num_hidden_layers", None)?,
        width,
        heads,
        kv_heads: d.count("num_key_value_heads", Some(heads))?,
        head_dim: d.count("head_dim", Some(0))?,
        ff: d.count("intermediate_size", None)?,
        norm: NormKind::Rms,
        positions: Positions::Rope,
        rope_base,
        mlp: Mlp::Swiglu,
        tied: d.flag("tie_word_embeddings", false)?,
        norm_eps: d.real("rms_norm_eps", 1e-6)?,
        bias,
        init_std: d.real("initializer_range", 0.02)?,
    };
    config.filled()
}

fn read_gpt2(d: &Description<'_>) -> Result<DecoderConfig> {
    d.only("activation_function", &["gelu_new", "gelu_pytorch_tanh"])?;
    d.never("scale_attn_weights", false)?;
    d.never("scale_attn_by_inverse_layer_idx", true)?;
    d.never("add_cross_attention", true)?;
    let width = d.count("n_embd", None)?;
    let config = DecoderConfig {
        tied: d.flag("tie_word_embeddings", true)?,
        norm_eps: d.real("layer_norm_epsilon", 1e-5)?,
        init_std: d.real("initializer_range", 0.02)?,
        head_dim: 0,
        ..DecoderConfig::gpt2(
            d.count("vocab_size", None)?,
            d.count("n_positions", None)?,
            d.count("n_layer", None)?,
            width,
            d.count("n_head", None)?,
            d.count("n_inner", Some(4 * width))?,
        )
    };
    config.filled()
}
