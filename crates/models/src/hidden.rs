//! The matrices between hidden states, as optimizers want to know them: queries, keys and values, or gate and up, lie
//! stacked in one segment, but each is a map of its own.

use regimen_tensor::Handle;

use crate::config::{DecoderConfig, Mlp};
use crate::decoder::Decoder;

impl DecoderConfig {
    /// Rows of the matrices stacked in each weight of a block, with their columns: attention in and out, feed-forward
    /// in and out.
    fn stacks(&self) -> [(Vec<usize>, usize); 4] {
        let up = if self.mlp == Mlp::Swiglu { vec![self.ff; 2] } else { vec![self.ff] };
        [
            (vec![self.query_width(), self.kv_width(), self.kv_width()], self.width),
            (vec![self.width], self.query_width()),
            (up, self.width),
            (vec![self.width], self.ff),
        ]
    }

    /// Rows and columns of all matrices between hidden states.
    pub fn hidden_matrices(&self) -> Vec<(usize, usize)> {
        let stacks = self.stacks();
        let block = stacks.iter().flat_map(|(rows, cols)| rows.iter().map(|&rows| (rows, *cols)));
        let block: Vec<(usize, usize)> = block.collect();
        block.repeat(self.layers)
    }

    /// Rows and columns of the matrices at both ends: embedding, learned positions, the output layer when it is not tied.
    pub fn outer_matrices(&self) -> Vec<(usize, usize)> {
        let mut found = vec![(self.vocab, self.width)];
        if self.positions == crate::Positions::Learned {
            found.push((self.context, self.width));
        }
        if !self.tied {
            found.push((self.vocab, self.width));
        }
        found
    }
}

impl Decoder {
    /// The weights between hidden states, each with the rows of the matrices stacked in it.
    pub fn hidden_weights(&self) -> Vec<(Handle, Vec<usize>)> {
        let stacks = self.config.stacks();
        let weights =
            |layer: &crate::decoder::Layer| [layer.qkv, layer.out, layer.up, layer.down].map(|l| l.weight);
        let pairs = self.layers.iter().flat_map(|layer| weights(layer).into_iter().zip(stacks.clone()));
        pairs.map(|(handle, (rows, _))| (handle, rows)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Positions;

    #[test]
    fn stacks_fill_their_segments() {
        let llama = DecoderConfig { heads: 4, kv_heads: 2, ..DecoderConfig::llama(32, 8, 2, 16, 4, 24) };
        let gpt = DecoderConfig { mlp: Mlp::Gelu, positions: Positions::Learned, tied: false, ..llama };
        for config in [llama, gpt] {
            let (decoder, layout) = Decoder::with_layout(&config).unwrap();
            let weights = decoder.hidden_weights();
            assert_eq!(weights.len(), 4 * config.layers);
            for (handle, rows) in &weights {
                let segment = layout.segment(*handle);
                assert_eq!(rows.iter().sum::<usize>(), segment.shape[0], "{}", segment.name);
            }
            let area = |of: Vec<(usize, usize)>| of.iter().map(|(rows, cols)| rows * cols).sum::<usize>();
            let inner: usize = weights.iter().map(|(handle, _)| layout.segment(*handle).len).sum();
            assert_eq!(area(config.hidden_matrices()), inner);
            let matrices: usize = layout.segments.iter().filter(|s| s.shape.len() == 2).map(|s| s.len).sum();
            assert_eq!(area(config.outer_matrices()), matrices - inner);
        }
    }
}
