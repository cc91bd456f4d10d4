//! Writing a text: prompt in, tokens one by one, text out as it becomes certain.

use regimen_models::Decoder;
use regimen_tensor::Params;
use regimen_tokens::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sampler::{Sampler, log_probability};
use crate::sampling::Sampling;
use crate::text::TextStream;
use crate::window::Window;

/// A model with its tokenizer, ready to write. It holds no state: each call of [`Generator::generate`] stands alone.
#[derive(Clone, Copy)]
pub struct Generator<'a> {
    decoder: &'a Decoder,
    params: &'a Params,
    tokenizer: &'a Tokenizer,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// The text, without the prompt and without the stop string that ended it.
    pub text: String,
    /// Every token drawn: also those of a stop string, and the end token if that is what ended it.
    pub token_ids: Vec<u32>,
    /// For each of them its log-probability in nats under the model's plain softmax over all its ids, without
    /// temperature, penalty or filters.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// How many of them, the oldest, the model did not see because the prompt is longer than its context.
    pub truncated: usize,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model drew the end token.
    End,
    /// A stop string was complete.
    Stop,
    /// `max_tokens` were drawn.
    Length,
    /// Whoever received the text asked to stop.
    Cancelled,
}

impl<'a> Generator<'a> {
    /// A generator for a model with the ids of the tokenizer, and perhaps some behind them that pad its vocabulary.
    pub fn new(decoder: &'a Decoder, params: &'a Params, tokenizer: &'a Tokenizer) -> Generator<'a> {
        Generator { decoder, params, tokenizer }
    }

    /// Continue `prompt`, which may be empty: the text then begins like a document of the training data.
    ///
    /// `on_text` is called after every token with the text that has become certain since, often none: only whole
    /// characters, and nothing that may turn out to be the beginning of a stop string. What it was given adds up to
    /// [`Generated::text`]. It ends the generation by returning false.
    ///
    /// Prompt and text together may be longer than the context; see [`Window`] for what the model then sees. The
    /// repetition penalty counts the whole prompt and all that was drawn, but not the end token before the prompt.
    ///
    /// # Errors
    /// [`Error::Field`] for settings that cannot be worked with; [`Error::Vocabulary`]; [`Error::NotFinite`];
    /// [`Error::Tokens`] for a prompt that a foreign tokenizer refuses.
    pub fn generate(
        &self,
        prompt: &str,
        sampling: &Sampling,
        on_text: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Generated> {
        sampling.validate()?;
        let (vocab, end) = (self.tokenizer.vocab_size(), self.tokenizer.end_id());
        if vocab > self.decoder.config().vocab {
            return Err(Error::Vocabulary { model: self.decoder.config().vocab, tokenizer: vocab });
        }
        let ids = self.tokenizer.encode(prompt)?;
        let mut sampler = Sampler::new(vocab, sampling);
        ids.iter().for_each(|&id| sampler.note(id));
        let (mut window, truncated) = Window::new(self.decoder, self.params, end, &ids, sampling.max_tokens)?;
        let banned = sampling.ignore_end.then_some(end);
        let mut text = TextStream::new(&sampling.stop);
        let (mut token_ids, mut logprobs) = (Vec::new(), Vec::new());
        let mut finish = loop {
            // Behind the tokenizer's ids there is nothing to write: as if their scores were negative infinity.
            let id = sampler.choose(&window.logits()[..vocab], banned, token_ids.len() as u64);
            logprobs.push(log_probability(window.logits(), id));
            token_ids.push(id);
            if id == end {
                break Finish::End;
            }
            sampler.note(id);
            if text.push(self.tokenizer.token_bytes(id)) {
                break Finish::Stop;
            }
            if token_ids.len() == sampling.max_tokens {
                break Finish::Length;
            }
            if !on_text(text.fresh()) {
                break Finish::Cancelled;
            }
            window.push(id)?;
        };
        if finish != Finish::Cancelled {
            // A character that the last token left open may itself complete a stop string.
            if text.finish() {
                finish = Finish::Stop;
            }
            on_text(text.fresh());
        }
        Ok(Generated {
            text: text.into_text(),
            token_ids,
            logprobs,
            finish,
            prompt_tokens: ids.len(),
            truncated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_models::DecoderConfig;
    use regimen_tensor::Params;
    use serde_json::json;

    /// Id 0 ends documents, id 1 + b is the byte b.
    fn bytes() -> Tokenizer {
        let mut vocab = serde_json::Map::new();
        vocab.insert("<|endoftext|>".into(), json!(0));
        (0..256).for_each(|b| drop(vocab.insert(format!("<{b:#04X}>"), json!(b + 1))));
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [{"id": 0, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
                              "rstrip": false, "normalized": false, "special": true}],
            "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true,
                      "ignore_merges": false, "vocab": vocab, "merges": []},
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        regimen_base::fs::write_json(&path, &file).unwrap();
        Tokenizer::load(&path).unwrap()
    }

    struct Model {
        decoder: Decoder,
        params: Params,
        tokenizer: Tokenizer,
    }

    impl Model {
        fn new(context: usize) -> Model {
            let config = DecoderConfig { init_std: 0.4, ..DecoderConfig::llama(257, context, 2, 16, 2, 24) };
            let (decoder, layout) = Decoder::with_layout(&config).unwrap();
            Model { decoder, params: Params::init(layout, 5), tokenizer: bytes() }
        }

        fn generator(&self) -> Generator<'_> {
            Generator::new(&self.decoder, &self.params, &self.tokenizer)
        }

        /// The result, with what was shown on the way checked against it.
        fn write(&self, prompt: &str, sampling: &Sampling) -> Generated {
            let mut shown = String::new();
            let mut add = |text: &str| {
                shown.push_str(text);
                true
            };
            let written = self.generator().generate(prompt, sampling, &mut add).unwrap();
            assert_eq!(shown, written.text);
            assert_eq!(written.token_ids.len(), written.logprobs.len());
            written
        }
    }

    fn hot(seed: u64, max_tokens: usize) -> Sampling {
        Sampling { temperature: 1.0, top_p: 1.0, seed, max_tokens, ignore_end: true, ..Sampling::default() }
    }

    #[test]
    fn greedy_is_the_most_likely_token_each_time() {
        let model = Model::new(24);
        let sampling = Sampling { ignore_end: true, ..Sampling::greedy(40) };
        let written = model.write("ab", &sampling);
        assert_eq!(written, model.write("ab", &sampling));
        assert_eq!((written.finish, written.token_ids.len()), (Finish::Length, 40));
        assert_eq!((written.prompt_tokens, written.truncated), (2, 0));
        assert_eq!(written.text, model.tokenizer.decode(&written.token_ids));
        let one = Sampling { top_k: 1, ..hot(9, 40) };
        assert_eq!(model.write("ab", &one).token_ids, written.token_ids);
        // Without a cache: the whole window anew for each token.
        let mut seen = vec![0, 98, 99];
        for (&id, &logprob) in written.token_ids.iter().zip(&written.logprobs) {
            let (window, _) = Window::new(&model.decoder, &model.params, seen[0], &seen[1..], 0).unwrap();
            let mut sampler = Sampler::new(257, &sampling);
            assert_eq!(sampler.choose(window.logits(), Some(0), 0), id);
            assert!((log_probability(window.logits(), id) - logprob).abs() < 1e-4);
            seen.push(id);
            if seen.len() > 24 {
                seen.drain(..seen.len() - 12);
            }
        }
    }

    #[test]
    fn the_seed_fixes_the_bits() {
        let model = Model::new(16);
        let first = model.write("x", &hot(1, 50));
        assert_eq!(first, model.write("x", &hot(1, 50)));
        assert_ne!(first.token_ids, model.write("x", &hot(2, 50)).token_ids);
        // A longer text begins with the shorter one, though the cache was made larger.
        assert_eq!(model.write("x", &hot(1, 20)).token_ids, first.token_ids[..20]);
    }

    #[test]
    fn stop_strings_end_the_text_before_them() {
        let model = Model::new(64);
        let free = model.write("", &hot(4, 60));
        let chars: Vec<char> = free.text.chars().collect();
        for at in [0, 7, 30] {
            let stop: String = chars[at..at + 3].iter().collect();
            let sampling = Sampling { stop: vec!["never there".into(), stop.clone()], ..hot(4, 60) };
            let written = model.write("", &sampling);
            let cut = free.text.find(&stop).unwrap();
            assert_eq!((written.text.as_str(), written.finish), (&free.text[..cut], Finish::Stop));
            assert_eq!(written.token_ids, free.token_ids[..written.token_ids.len()]);
        }
    }

    #[test]
    fn the_end_token_ends_the_text() {
        let mut model = Model::new(16);
        // Push the end token's logit up: a tied output layer with a long first row along its own direction.
        let embed = model.decoder.embedding();
        let row = &mut model.params.slice_mut(embed)[..16];
        row.iter_mut().for_each(|x| *x *= 40.0);
        let written = model.write("", &Sampling::greedy(30));
        assert_eq!((written.finish, written.text.as_str()), (Finish::End, ""));
        assert_eq!(written.token_ids, [0]);
        let on = model.write("", &Sampling { ignore_end: true, ..Sampling::greedy(30) });
        assert_eq!((on.finish, on.token_ids.len(), on.token_ids.contains(&0)), (Finish::Length, 30, false));
    }

    #[test]
    fn the_reader_can_stop_it() {
        let model = Model::new(16);
        let mut calls = 0;
        let mut shown = String::new();
        let mut three = |text: &str| {
            shown.push_str(text);
            calls += 1;
            calls < 3
        };
        let written = model.generator().generate("", &hot(3, 50), &mut three).unwrap();
        assert_eq!((written.finish, written.token_ids.len(), calls), (Finish::Cancelled, 3, 3));
        assert_eq!(written.text, shown);
    }

    #[test]
    fn long_prompts_say_what_was_dropped() {
        let model = Model::new(16);
        let written = model.write(&"abc".repeat(10), &hot(0, 5));
        assert_eq!((written.prompt_tokens, written.truncated, written.token_ids.len()), (30, 15, 5));
        let same = model.write(&"abc".repeat(10)[15..], &hot(0, 5));
        // The same fifteen bytes as a whole document are read behind the end token.
        assert_eq!((same.prompt_tokens, same.truncated), (15, 0));
    }

    #[test]
    fn a_strong_penalty_repeats_nothing() {
        let model = Model::new(32);
        let sampling = Sampling { repetition_penalty: 1e6, ignore_end: true, ..Sampling::greedy(30) };
        let written = model.write("", &sampling);
        let mut ids = written.token_ids.clone();
        ids.sort_unstable();
        ids.dedup();
        // A negative logit multiplied stays the least of all; a positive one divided falls to nothing.
        assert!(ids.len() > 25, "{:?}", written.token_ids);
    }

    #[test]
    fn ids_behind_the_tokenizers_are_never_drawn() {
        let config = DecoderConfig { init_std: 0.4, ..DecoderConfig::llama(300, 16, 2, 16, 2, 24) };
        let (decoder, layout) = Decoder::with_layout(&config).unwrap();
        let (mut params, tokenizer) = (Params::init(layout, 5), bytes());
        // Long rows of the tied output layer: one of them is the likeliest id, whichever way the state points.
        params.slice_mut(decoder.embedding())[257 * 16..].iter_mut().for_each(|x| *x *= 40.0);
        let generator = Generator::new(&decoder, &params, &tokenizer);
        let plain = Sampling { ignore_end: true, ..Sampling::greedy(30) };
        for sampling in [plain, Sampling { top_k: 5, top_p: 0.9, ..hot(1, 30) }, hot(2, 30)] {
            let written = generator.generate("ab", &sampling, &mut |_| true).unwrap();
            assert_eq!(written.token_ids.len(), 30);
            assert!(written.token_ids.iter().all(|&id| id < 257), "{:?}", written.token_ids);
            // The padding takes nearly all of the model's probability, and is not forgotten in what is reported.
            assert!(written.logprobs.iter().sum::<f32>() / 30.0 < -10.0, "{:?}", written.logprobs);
        }
    }

    #[test]
    fn a_vocabulary_larger_than_the_models_is_refused() {
        let config = DecoderConfig::llama(256, 8, 1, 8, 1, 8);
        let (decoder, layout) = Decoder::with_layout(&config).unwrap();
        let (params, tokenizer) = (Params::zeros(layout), bytes());
        let refused =
            Generator::new(&decoder, &params, &tokenizer).generate("", &Sampling::greedy(1), &mut |_| true);
        assert_eq!(refused.unwrap_err().to_string(), "the model has 256 token ids and the tokenizer 257");
    }
}
