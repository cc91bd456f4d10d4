//! Where each segment lies in a Hugging Face file: names, row ranges of fused segments, transposition.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use regimen_tensor::Segment;
use safetensors::tensor::SafeTensors;

use super::Family;
use crate::config::DecoderConfig;
use crate::error::Result;
use crate::weights::{Tensor, read_into};

/// A tensor of the file as rows of a segment.
pub(super) struct Place {
    /// The tensor's name.
    pub tensor: String,
    /// The segment's name.
    pub segment: String,
    /// Rows of the segment; all, when there is only one tensor for it.
    rows: Option<Range<usize>>,
    /// Stored `[in, out]`, as the `Conv1D` of GPT-2 does.
    transposed: bool,
}

impl Place {
    fn new(tensor: String, segment: String) -> Place {
        Place { tensor, segment, rows: None, transposed: false }
    }

    /// The arena range and shape `[rows, ..]` of this place.
    fn locate(&self, segment: &Segment) -> (Range<usize>, Vec<usize>) {
        let Some(rows) = &self.rows else { return (segment.range(), segment.shape.clone()) };
        let row = segment.len / segment.shape[0];
        let mut shape = segment.shape.clone();
        shape[0] = rows.len();
        (segment.offset + rows.start * row..segment.offset + rows.end * row, shape)
    }

    /// The tensor to write.
    pub fn extract<'a>(&self, segment: &Segment, arena: &'a [f32]) -> Tensor<'a> {
        let (range, mut shape) = self.locate(segment);
        let data = if self.transposed && shape.len() == 2 {
            let flipped = transpose(&arena[range], shape[0], shape[1]);
            shape.reverse();
            Cow::Owned(flipped)
        } else {
            Cow::Borrowed(&arena[range])
        };
        Tensor { name: self.tensor.clone(), shape, data }
    }

    /// Reads the tensor into the arena.
    pub fn insert(
        &self,
        path: &Path,
        file: &SafeTensors<'_>,
        segment: &Segment,
        arena: &mut [f32],
    ) -> Result<()> {
        let (range, mut shape) = self.locate(segment);
        // The original GPT-2 files leave the prefix out.
        let name = match self.tensor.strip_prefix("transformer.") {
            Some(bare) if file.tensor(&self.tensor).is_err() && file.tensor(bare).is_ok() => bare,
            _ => &self.tensor,
        };
        if self.transposed && shape.len() == 2 {
            shape.reverse();
            let mut stored = vec![0.0; range.len()];
            read_into(path, file, name, &shape, &mut stored)?;
            arena[range].copy_from_slice(&transpose(&stored, shape[0], shape[1]));
            return Ok(());
        }
        read_into(path, file, name, &shape, &mut arena[range])
    }
}

/// `[rows, cols]` to `[cols, rows]`.
fn transpose(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    for (r, row) in data.chunks_exact(cols).enumerate() {
        for (c, &x) in row.iter().enumerate() {
            out[c * rows + r] = x;
        }
    }
    out
}

/// Every tensor of a model's file.
pub(super) fn places(config: &DecoderConfig, family: Family) -> Vec<Place> {
    match family {
        Family::Llama => llama(config),
        Family::Gpt2 => gpt2(config),
    }
}

fn llama(c: &DecoderConfig) -> Vec<Place> {
    let mut places = vec![
        Place::new("model.embed_tokens.weight".into(), "embed".into()),
        Place::new("model.norm.weight".into(), "norm".into()),
    ];
    if !c.tied {
        places.push(Place::new("lm_head.weight".into(), "head".into()));
    }
    let (q, kv) = (c.query_width(), c.kv_width());
    for i in 0..c.layers {
        let (theirs, ours) = (format!("model.layers.{i}"), format!("layers.{i}"));
        for (tensor, segment) in [("input_layernorm", "attn_norm"), ("post_attention_layernorm", "mlp_norm")]
        {
            places.push(Place::new(format!("{theirs}.{tensor}.weight"), format!("{ours}.{segment}")));
        }
        let linears = [
            ("self_attn.q_proj", "attn.qkv", Some(0..q)),
            ("self_attn.k_proj", "attn.qkv", Some(q..q + kv)),
            ("self_attn.v_proj", "attn.qkv", Some(q + kv..q + 2 * kv)),
            ("self_attn.o_proj", "attn.out", None),
            ("mlp.gate_proj", "mlp.gate_up", Some(0..c.ff)),
            ("mlp.up_proj", "mlp.gate_up", Some(c.ff..2 * c.ff)),
            ("mlp.down_proj", "mlp.down", None),
        ];
        for (tensor, segment, rows) in linears {
            let parts = if c.bias { &[("weight", ""), ("bias", ".bias")][..] } else { &[("weight", "")] };
            for (kind, suffix) in parts {
                let place =
                    Place::new(format!("{theirs}.{tensor}.{kind}"), format!("{ours}.{segment}{suffix}"));
                places.push(Place { rows: rows.clone(), ..place });
            }
        }
    }
    places
}

fn gpt2(c: &DecoderConfig) -> Vec<Place> {
    let mut places = vec![
        Place::new("transformer.wte.weight".into(), "embed".into()),
        Place::new("transformer.wpe.weight".into(), "positions".into()),
    ];
    if !c.tied {
        places.push(Place::new("lm_head.weight".into(), "head".into()));
    }
    let mut pair = |tensor: String, segment: String, transposed: bool| {
        for (kind, suffix) in [("weight", ""), ("bias", ".bias")] {
            let place = Place::new(format!("{tensor}.{kind}"), format!("{segment}{suffix}"));
            places.push(Place { transposed, ..place });
        }
    };
    pair("transformer.ln_f".into(), "norm".into(), false);
    for i in 0..c.layers {
        let modules = [
            ("ln_1", "attn_norm", false),
            ("attn.c_attn", "attn.qkv", true),
            ("attn.c_proj", "attn.out", true),
            ("ln_2", "mlp_norm", false),
            ("mlp.c_fc", "mlp.up", true),
            ("mlp.c_proj", "mlp.down", true),
        ];
        for (theirs, ours, transposed) in modules {
            pair(format!("transformer.h.{i}.{theirs}"), format!("layers.{i}.{ours}"), transposed);
        }
    }
    places
}
