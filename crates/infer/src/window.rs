//! What the model sees of a text that may be longer than its context.

use regimen_models::{Cache, Decoder};
use regimen_tensor::Params;

use crate::error::{Error, Result};

/// The newest tokens of a text, as many as fit into the model's context, with their keys and values cached.
///
/// A text begins with the end token, as documents do in training. When the context is full, the window slides: the
/// newest `context / 2` tokens (at least one) are read again from an empty cache, at positions from 0, as the slices
/// that training cuts out of a long document.
pub struct Window<'a> {
    decoder: &'a Decoder,
    params: &'a Params,
    cache: Cache,
    /// The tokens in the cache.
    tokens: Vec<u32>,
    /// What follows the newest of them, `[vocab]`.
    logits: Vec<f32>,
}

impl<'a> Window<'a> {
    /// Read a prompt. `more` tokens may follow; the cache is made no larger than they need. A prompt that does not fit
    /// behind the end token keeps its newest `context - 1` tokens (at least one) and loses the end token, because it no
    /// longer begins where the document does; the second value is how many were dropped.
    pub fn new(
        decoder: &'a Decoder,
        params: &'a Params,
        end: u32,
        prompt: &[u32],
        more: usize,
    ) -> Result<(Window<'a>, usize)> {
        let context = decoder.config().context;
        let (tokens, truncated) = if prompt.len() < context {
            ([&[end], prompt].concat(), 0)
        } else {
            let keep = (context - 1).max(1);
            (prompt[prompt.len() - keep..].to_vec(), prompt.len() - keep)
        };
        let cache = Cache::new(decoder.config(), tokens.len().saturating_add(more));
        let mut window = Window { decoder, params, cache, tokens: Vec::new(), logits: Vec::new() };
        window.read(&tokens)?;
        Ok((window, truncated))
    }

    /// Logits `[vocab]` of the next token. All are finite.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Read one more token.
    pub fn push(&mut self, token: u32) -> Result<()> {
        if self.tokens.len() < self.cache.capacity() {
            return self.read(&[token]);
        }
        let keep = (self.cache.capacity() / 2).max(1);
        self.tokens.push(token);
        let newest = self.tokens.split_off(self.tokens.len() - keep);
        self.tokens.clear();
        self.cache.truncate(0);
        self.read(&newest)
    }

    fn read(&mut self, tokens: &[u32]) -> Result<()> {
        self.logits = self.decoder.extend(self.params, &mut self.cache, tokens)?;
        self.tokens.extend_from_slice(tokens);
        match regimen_kernels::all_finite(&self.logits) {
            true => Ok(()),
            false => Err(Error::NotFinite { tokens: self.tokens.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::log_probability;
    use regimen_models::{DecoderConfig, TokenBlock};
    use regimen_tensor::Pool;

    fn config(context: usize) -> DecoderConfig {
        DecoderConfig { init_std: 0.3, ..DecoderConfig::llama(23, context, 2, 12, 2, 20) }
    }

    fn model(context: usize) -> (Decoder, Params) {
        let (decoder, layout) = Decoder::with_layout(&config(context)).unwrap();
        (decoder, Params::init(layout, 3))
    }

    /// `ln p(target)` after `seen`, by the pass that training uses.
    fn uncached(decoder: &Decoder, params: &Params, seen: &[u32], target: u32) -> f32 {
        let n = seen.len();
        let (starts, mut targets, mut weights) = (vec![0; n], vec![0; n], vec![0.0; n]);
        (targets[n - 1], weights[n - 1]) = (target, 1.0);
        let block = TokenBlock { batch: 1, time: n, ids: seen, starts: &starts };
        -decoder.token_nll(params, &Pool::new(), &block, &targets, &weights).unwrap()[n - 1]
    }

    #[test]
    fn the_window_slides_and_always_shows_what_the_whole_model_says() {
        let context = 12;
        let (decoder, params) = model(context);
        let prompt = [5, 6, 7, 5];
        let (mut window, truncated) = Window::new(&decoder, &params, 0, &prompt, 40).unwrap();
        assert_eq!(truncated, 0);
        let mut seen = vec![0, 5, 6, 7, 5];
        for i in 0..40u32 {
            let target = (i * 7 + 3) % 23;
            let expected = uncached(&decoder, &params, &seen, target);
            let found = log_probability(window.logits(), target);
            assert!((found - expected).abs() < 1e-4, "{i}: {found} {expected}");
            window.push(target).unwrap();
            seen.push(target);
            if seen.len() > context {
                seen.drain(..seen.len() - context / 2);
            }
        }
    }

    #[test]
    fn a_long_prompt_keeps_its_end() {
        let (decoder, params) = model(8);
        let prompt: Vec<u32> = (1..=20).collect();
        let (window, truncated) = Window::new(&decoder, &params, 0, &prompt, 4).unwrap();
        assert_eq!((truncated, window.tokens.as_slice()), (13, &prompt[13..]));
        let (window, truncated) = Window::new(&decoder, &params, 0, &prompt[..7], 4).unwrap();
        assert_eq!((truncated, window.tokens.len()), (0, 8));
        let (window, truncated) = Window::new(&decoder, &params, 0, &prompt[..8], 4).unwrap();
        assert_eq!((truncated, window.tokens.len()), (1, 7));
        let expected = uncached(&decoder, &params, &prompt[1..8], 9);
        assert!((log_probability(window.logits(), 9) - expected).abs() < 1e-4);
    }

    #[test]
    fn a_context_of_one_token_works() {
        let (decoder, params) = model(1);
        let (mut window, truncated) = Window::new(&decoder, &params, 0, &[], 3).unwrap();
        assert_eq!(truncated, 0);
        for token in [4, 9, 4] {
            window.push(token).unwrap();
            assert!(
                (log_probability(window.logits(), 2) - uncached(&decoder, &params, &[token], 2)).abs() < 1e-4
            );
        }
        assert_eq!(Window::new(&decoder, &params, 0, &[3, 4], 3).unwrap().1, 1);
    }

    #[test]
    fn logits_that_are_not_finite_are_an_error() {
        let (decoder, mut params) = model(8);
        params.data.fill(f32::NAN);
        let error = Window::new(&decoder, &params, 0, &[1, 2], 3).err().unwrap();
        assert!(matches!(error, Error::NotFinite { tokens: 3 }), "{error}");
    }
}
