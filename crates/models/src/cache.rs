//! Decoding token by token: keys and values of what was read are kept.

use regimen_kernels::{
    Activation, AttentionRows, AttentionShape, attention_decode, attention_forward, embedding_forward,
    linear_forward, logits_last, norm_forward, rope_apply, swiglu_forward,
};
use regimen_tensor::{Params, Pool};

use crate::config::{DecoderConfig, Mlp};
use crate::decoder::{Decoder, Layer, Linear, Norm};
use crate::error::{Error, Result};

/// From how many rows on a first prompt takes the blockwise attention of training.
const PREFILL: usize = 16;

/// Keys and values of one sequence, for each layer.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<KeyValue>,
    len: usize,
    capacity: usize,
    scratch: Pool,
}

/// Rotated keys and values of one layer, `[capacity, kv_heads * head_dim]` each.
#[derive(Debug)]
struct KeyValue {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Cache {
    /// An empty cache for `capacity` tokens, at most the model's context.
    pub fn new(config: &DecoderConfig, capacity: usize) -> Cache {
        let capacity = capacity.min(config.context);
        let floats = capacity * config.kv_width();
        let layer = |_| KeyValue { keys: vec![0.0; floats], values: vec![0.0; floats] };
        Cache { layers: (0..config.layers).map(layer).collect(), len: 0, capacity, scratch: Pool::new() }
    }

    /// Tokens in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token was read yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all tokens from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Decoder {
    /// Reads `ids` after what is cached and returns the logits `[vocab]` that follow the last of them. A prompt and
    /// a single new token go the same way. On error the cache holds what it held before.
    ///
    /// # Errors
    /// [`Error::CacheFull`]; [`Error::Batch`] for no ids, an id past the vocabulary, a cache of another model; no memory.
    pub fn extend(&self, params: &Params, cache: &mut Cache, ids: &[u32]) -> Result<Vec<f32>> {
        let c = &self.config;
        self.check(cache, ids)?;
        let (rows, d, start) = (ids.len(), c.width, cache.len);
        let places: Vec<u32> = (start..start + rows).map(|p| p as u32).collect();
        let scratch = &cache.scratch;
        let (mut stream, mut normed) = (scratch.take(rows * d)?, scratch.take(rows * d)?);
        let (mut sum, mut out) = (scratch.take(rows * d)?, scratch.take(rows * d)?);
        let mut stats = scratch.take(rows * 2)?;
        let mut qkv = scratch.take(rows * c.qkv_width())?;
        let mut mixed = scratch.take(rows * c.query_width())?;
        let mut up = scratch.take(rows * c.up_width())?;
        let mut inner = scratch.take(rows * c.ff)?;
        embedding_forward(ids, d, params.slice(self.embed), &mut stream);
        if let Some(table) = self.positions {
            embedding_forward(&places, d, params.slice(table), &mut out);
            regimen_kernels::add_into(&out, &mut stream);
        }
        self.norm_rows(params, self.layers[0].attn_norm, &stream, None, &mut normed, &mut stats);
        for (i, (layer, kept)) in self.layers.iter().zip(&mut cache.layers).enumerate() {
            apply(params, rows, layer.qkv, Activation::None, &normed, &mut qkv);
            if let Some(table) = &self.rope {
                let turned = c.heads + c.kv_heads;
                rope_apply(rows, c.qkv_width(), turned, c.head_dim, &mut qkv, &places, table, false);
            }
            self.attend(kept, scratch, start, rows, &qkv, &mut mixed)?;
            apply(params, rows, layer.out, Activation::None, &mixed, &mut out);
            self.norm_rows(params, layer.mlp_norm, &stream, Some((&out, &mut sum)), &mut normed, &mut stats);
            std::mem::swap(&mut stream, &mut sum);
            self.feed_forward(params, rows, layer, &normed, &mut up, &mut inner, &mut out);
            let next = self.layers.get(i + 1).map_or(self.norm, |next| next.attn_norm);
            self.norm_rows(params, next, &stream, Some((&out, &mut sum)), &mut normed, &mut stats);
            std::mem::swap(&mut stream, &mut sum);
        }
        let mut logits = vec![0.0; c.vocab];
        logits_last(d, c.vocab, &normed[(rows - 1) * d..], params.slice(self.head), &mut logits);
        cache.len += rows;
        Ok(logits)
    }

    fn check(&self, cache: &Cache, ids: &[u32]) -> Result<()> {
        let c = &self.config;
        let floats = cache.capacity * c.kv_width();
        if cache.layers.len() != c.layers || cache.layers.iter().any(|l| l.keys.len() != floats) {
            return Err(Error::Batch("the cache was made for another model".into()));
        }
        if ids.is_empty() {
            return Err(Error::Batch("no token to read".into()));
        }
        if let Some(id) = ids.iter().find(|&&id| id as usize >= c.vocab) {
            return Err(Error::Batch(format!("token {id} is not below vocab = {}", c.vocab)));
        }
        if cache.len + ids.len() > cache.capacity {
            return Err(Error::CacheFull { cached: cache.len, new: ids.len(), capacity: cache.capacity });
        }
        Ok(())
    }

    /// Norm of `x`, or of `x + residual`, which is stored too.
    fn norm_rows(
        &self,
        params: &Params,
        norm: Norm,
        x: &[f32],
        residual: Option<(&[f32], &mut [f32])>,
        normed: &mut [f32],
        stats: &mut [f32],
    ) {
        let (d, eps) = (self.config.width, self.config.norm_eps as f32);
        let (gain, bias) = (params.slice(norm.gain), norm.bias.map(|b| params.slice(b)));
        let (residual, sum) = residual.unzip();
        norm_forward(self.norm_kind(), x.len() / d, d, x, residual, gain, bias, eps, sum, normed, stats);
    }

    /// Stores the new keys and values and attends to all of them.
    fn attend(
        &self,
        kept: &mut KeyValue,
        scratch: &Pool,
        start: usize,
        rows: usize,
        qkv: &[f32],
        mixed: &mut [f32],
    ) -> Result<()> {
        let c = &self.config;
        let (wide, narrow) = (c.query_width(), c.kv_width());
        let new = start * narrow..(start + rows) * narrow;
        let stored =
            kept.keys[new.clone()].chunks_exact_mut(narrow).zip(kept.values[new].chunks_exact_mut(narrow));
        for (row, (key, value)) in qkv.chunks_exact(c.qkv_width()).zip(stored) {
            key.copy_from_slice(&row[wide..wide + narrow]);
            value.copy_from_slice(&row[wide + narrow..]);
        }
        if start == 0 && rows >= PREFILL {
            let (heads, kv_heads, head_dim) = (c.heads, c.kv_heads, c.head_dim);
            let shape = AttentionShape { batch: 1, time: rows, heads, kv_heads, head_dim };
            attention_forward(shape, qkv, AttentionRows::causal(&vec![0; rows]), mixed, None);
            return Ok(());
        }
        let mut queries = scratch.take(rows * wide)?;
        for (row, query) in qkv.chunks_exact(c.qkv_width()).zip(queries.chunks_exact_mut(wide)) {
            query.copy_from_slice(&row[..wide]);
        }
        let seen = (start + rows) * narrow;
        let (keys, values) = (&kept.keys[..seen], &kept.values[..seen]);
        attention_decode(c.heads, c.kv_heads, c.head_dim, rows, &queries, keys, values, start, mixed);
        Ok(())
    }

    fn feed_forward(
        &self,
        params: &Params,
        rows: usize,
        layer: &Layer,
        normed: &[f32],
        up: &mut [f32],
        inner: &mut [f32],
        out: &mut [f32],
    ) {
        match self.config.mlp {
            Mlp::Gelu => apply(params, rows, layer.up, Activation::GeluTanh, normed, inner),
            Mlp::Swiglu => {
                apply(params, rows, layer.up, Activation::None, normed, up);
                swiglu_forward(rows, self.config.ff, up, inner);
            }
        }
        apply(params, rows, layer.down, Activation::None, inner, out);
    }
}

fn apply(params: &Params, rows: usize, layer: Linear, act: Activation, x: &[f32], y: &mut [f32]) {
    let bias = layer.bias.map(|b| params.slice(b));
    linear_forward(rows, x.len() / rows, y.len() / rows, x, params.slice(layer.weight), bias, act, y, None);
}
