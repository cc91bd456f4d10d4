//! What a decoder looks like, and what follows from it by counting.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which normalisation stands before each block and at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Root mean square, gain only (Llama).
    Rms,
    /// Mean and variance, gain and bias (GPT-2).
    Layer,
}

/// How a token knows its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Rotary, on the whole head, half-split layout (Su et al. 2021).
    Rope,
    /// A learned vector for each position, added to the embedding.
    Learned,
}

/// The feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mlp {
    /// `down(silu(gate x) * up x)` (Shazeer 2020).
    Swiglu,
    /// `down(gelu(up x))` with the tanh form of GELU, as in GPT-2.
    Gelu,
}

/// What the backward pass computes again instead of finding it kept. The result has the same bits either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// Nothing.
    #[default]
    None,
    /// The inside of every block (gradient checkpointing, Chen et al. 2016): of a block nothing is kept but the residual
    /// stream that enters it.
    Blocks,
}

/// A pre-norm, causal, decoder-only transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderConfig {
    /// Number of tokens it knows.
    pub vocab: usize,
    /// Most tokens it can look at.
    pub context: usize,
    /// Blocks of attention and feed-forward.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Heads for keys and values; divides `heads`. 0 stands for `heads` until [`DecoderConfig::filled`].
    #[serde(default)]
    pub kv_heads: usize,
    /// Width of a head. 0 stands for `width / heads` until [`DecoderConfig::filled`].
    #[serde(default)]
    pub head_dim: usize,
    /// Width inside the feed-forward block.
    pub ff: usize,
    /// Normalisation.
    pub norm: NormKind,
    /// Positions.
    pub positions: Positions,
    /// Base of the rotary wavelengths.
    #[serde(default = "rope_base")]
    pub rope_base: f64,
    /// Feed-forward block.
    pub mlp: Mlp,
    /// Whether the output layer is the embedding.
    pub tied: bool,
    /// Added to the variance before the root.
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    /// Whether linear layers have biases. Layer norms always have theirs.
    #[serde(default)]
    pub bias: bool,
    /// Standard deviation of initial weights.
    #[serde(default = "init_std")]
    pub init_std: f64,
}

fn rope_base() -> f64 {
    10_000.0
}

fn norm_eps() -> f64 {
    1e-5
}

fn init_std() -> f64 {
    0.02
}

pub(crate) fn wrong<T>(
    field: &'static str,
    value: &dyn std::fmt::Display,
    problem: impl Into<String>,
) -> Result<T> {
    Err(Error::Config { field, value: value.to_string(), problem: problem.into() })
}

impl DecoderConfig {
    /// A Llama: RMS norm, rotary positions, SwiGLU, no biases, tied output layer, one key head for each head.
    pub fn llama(
        vocab: usize,
        context: usize,
        layers: usize,
        width: usize,
        heads: usize,
        ff: usize,
    ) -> DecoderConfig {
        DecoderConfig {
            vocab,
            context,
            layers,
            width,
            heads,
            kv_heads: heads,
            head_dim: width / heads.max(1),
            ff,
            norm: NormKind::Rms,
            positions: Positions::Rope,
            rope_base: rope_base(),
            mlp: Mlp::Swiglu,
            tied: true,
            norm_eps: norm_eps(),
            bias: false,
            init_std: init_std(),
        }
    }

    /// A GPT-2: layer norm, learned positions, GELU, biases, tied output layer.
    pub fn gpt2(
        vocab: usize,
        context: usize,
        layers: usize,
        width: usize,
        heads: usize,
        ff: usize,
    ) -> DecoderConfig {
        DecoderConfig {
            norm: NormKind::Layer,
            positions: Positions::Learned,
            mlp: Mlp::Gelu,
            bias: true,
            ..DecoderConfig::llama(vocab, context, layers, width, heads, ff)
        }
    }

    /// Fills in `kv_heads` and `head_dim` where they are 0, and validates.
    ///
    /// # Errors
    /// As [`DecoderConfig::validate`].
    pub fn filled(mut self) -> Result<DecoderConfig> {
        if self.kv_heads == 0 {
            self.kv_heads = self.heads;
        }
        if self.head_dim == 0 && self.heads > 0 {
            if !self.width.is_multiple_of(self.heads) {
                let problem =
                    format!("does not divide width = {} evenly and no head_dim is given", self.width);
                return wrong("heads", &self.heads, problem);
            }
            self.head_dim = self.width / self.heads;
        }
        self.validate()?;
        Ok(self)
    }

    /// Checks that the numbers describe a model.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and its value.
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("vocab", self.vocab),
            ("context", self.context),
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("ff", self.ff),
        ];
        for (field, value) in positive {
            if value == 0 {
                return wrong(field, &value, "must be at least 1");
            }
            if u32::try_from(value).is_err() {
                return wrong(field, &value, "must be below 2^32");
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return wrong("kv_heads", &self.kv_heads, format!("does not divide heads = {}", self.heads));
        }
        if self.positions == Positions::Rope && !self.head_dim.is_multiple_of(2) {
            return wrong("head_dim", &self.head_dim, "rotary positions turn pairs, so it must be even");
        }
        let reals = [("rope_base", self.rope_base), ("norm_eps", self.norm_eps), ("init_std", self.init_std)];
        for (field, value) in reals {
            if !(value > 0.0 && value.is_finite()) {
                return wrong(field, &value, "must be a positive number");
            }
        }
        Ok(())
    }

    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads together.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Rows of the fused query/key/value weight.
    pub fn qkv_width(&self) -> usize {
        self.query_width() + 2 * self.kv_width()
    }

    /// Rows of the first weight of the feed-forward block: `2 * ff` for SwiGLU (gate, then up), else `ff`.
    pub fn up_width(&self) -> usize {
        if self.mlp == Mlp::Swiglu { 2 * self.ff } else { self.ff }
    }

    /// Trainable numbers, embeddings included; a tied output layer counts once.
    pub fn parameters(&self) -> usize {
        let d = self.width;
        let norm = if self.norm == NormKind::Layer { 2 * d } else { d };
        let biases = if self.bias { self.qkv_width() + d + self.up_width() + d } else { 0 };
        let positions = if self.positions == Positions::Learned { self.context * d } else { 0 };
        let head = if self.tied { 0 } else { self.vocab * d };
        self.vocab * d + positions + self.layers * (self.block_matrices() + 2 * norm + biases) + norm + head
    }

    /// Numbers in matrices that every token is multiplied with: the blocks and the output layer (also when tied).
    pub fn matmul_parameters(&self) -> usize {
        self.layers * self.block_matrices() + self.vocab * self.width
    }

    fn block_matrices(&self) -> usize {
        self.width * (self.qkv_width() + self.query_width() + self.up_width() + self.ff)
    }

    /// Floating-point operations of forward and backward for one token of a sequence of `time`: 6 for each number of
    /// [`DecoderConfig::matmul_parameters`], and attention counted without the causal mask, as is the custom
    /// (PaLM, appendix B).
    pub fn flops_per_token(&self, time: usize) -> f64 {
        6.0 * self.matmul_parameters() as f64 + 12.0 * (self.layers * time * self.query_width()) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_field_and_its_value() {
        let good = DecoderConfig::llama(100, 32, 2, 24, 4, 64);
        good.validate().unwrap();
        let check = |change: &dyn Fn(&mut DecoderConfig), expected: &str| {
            let mut config = good.clone();
            change(&mut config);
            assert_eq!(config.validate().unwrap_err().to_string(), expected);
        };
        check(&|c| c.vocab = 0, "model: vocab = 0: must be at least 1");
        check(&|c| c.kv_heads = 3, "model: kv_heads = 3: does not divide heads = 4");
        check(&|c| c.head_dim = 5, "model: head_dim = 5: rotary positions turn pairs, so it must be even");
        check(&|c| c.norm_eps = f64::NAN, "model: norm_eps = NaN: must be a positive number");
        let mut odd = good.clone();
        (odd.head_dim, odd.heads) = (0, 5);
        let error = odd.filled().unwrap_err().to_string();
        assert_eq!(error, "model: heads = 5: does not divide width = 24 evenly and no head_dim is given");
    }

    #[test]
    fn omitted_fields_are_filled() {
        let text = r#"{"vocab": 10, "context": 8, "layers": 1, "width": 12, "heads": 3, "ff": 16,
                       "norm": "rms", "positions": "rope", "mlp": "swiglu", "tied": true}"#;
        let config: DecoderConfig = serde_json::from_str(text).unwrap();
        let config = config.filled().unwrap();
        assert_eq!(config, DecoderConfig::llama(10, 8, 1, 12, 3, 16));
        let again = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(config, again);
        assert!(serde_json::from_str::<DecoderConfig>(&text.replace("rope", "alibi")).is_err());
    }

    #[test]
    fn counts_match_the_measured_model() {
        // The language model of the engine benchmark: 17.0 M parameters, 13.76e6 in products, 183.6 GFLOP a step.
        let config = DecoderConfig { tied: false, ..DecoderConfig::gpt2(8192, 256, 6, 384, 6, 1536) };
        assert_eq!(config.matmul_parameters(), 13_762_560);
        assert!((config.parameters() as f64 / 1e6 - 17.04).abs() < 0.01, "{}", config.parameters());
        let step = config.flops_per_token(256) * 2048.0 / 1e9;
        assert!((step - 183.6).abs() < 0.1, "{step}");
    }
}
