//! The stage `generate`: texts that a model writes from prompts.

use regimen_base::{Event, Failure, Hint, Philox, fs};
use regimen_infer::{Finish, Generator, Sampling};
use regimen_recipe::{Field, Forecast, Input, Job, Planning, Problem, StageKind, Ty};
use regimen_train::Saved;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::forecast::Model;

/// One row a text.
const SAMPLES: &str = "samples.jsonl";

/// `kind = "generate"`.
pub(crate) static GENERATE: StageKind = StageKind {
    kind: "generate",
    version: 4,
    about: "Let a model continue prompts.",
    seeded: true,
    shared: false,
    inputs: &[Input {
        name: "model",
        accepts: &["pretrain", "import"],
        required: true,
        doc: "The model that writes.",
    }],
    fields: &[
        Field::new(
            "prompts",
            Ty::List(&Ty::Str),
            "[]",
            "Texts to continue; an empty one, or none at all, begins a document.",
        ),
        Field::new("samples", Ty::POSITIVE, "1", "Texts for each prompt."),
        Field::new(
            "temperature",
            Ty::NON_NEGATIVE,
            "0.8",
            "Divides the logits; 0 takes the most likely token.",
        ),
        Field::new("top_k", Ty::COUNT, "0", "Draw from so many most likely tokens; 0 = all."),
        Field::new(
            "top_p",
            Ty::FRACTION,
            "0.95",
            "Draw from the fewest tokens whose probabilities reach this sum (Holtzman 2020); 1 = all.",
        ),
        Field::new(
            "min_p",
            Ty::FRACTION,
            "0.0",
            "Draw from tokens at least this times as likely as the likeliest (Nguyen 2024); 0 = all.",
        ),
        Field::new(
            "repetition_penalty",
            Ty::NON_NEGATIVE,
            "1.0",
            "Pushes down tokens that were there before (Keskar 2019); 1 = off.",
        ),
        Field::new("max_tokens", Ty::POSITIVE, "120", "Tokens of a text at most."),
        Field::new("stop", Ty::List(&Ty::Str), "[]", "Texts that end a text; they are left out of it."),
        Field::new("ignore_end", Ty::Bool, "false", "Never draw the end token."),
    ],
    check,
    forecast,
    run,
};

#[derive(Deserialize)]
struct Config {
    prompts: Vec<String>,
    samples: usize,
    temperature: f64,
    top_k: usize,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f64,
    max_tokens: usize,
    stop: Vec<String>,
    ignore_end: bool,
}

impl Config {
    fn sampling(&self, seed: u64) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed,
            max_tokens: self.max_tokens,
            stop: self.stop.clone(),
            ignore_end: self.ignore_end,
        }
    }

    fn prompts(&self) -> &[String] {
        const BEGINNING: &[String] = &[String::new()];
        if self.prompts.is_empty() { BEGINNING } else { &self.prompts }
    }
}

/// A line of `samples.jsonl`.
#[derive(Serialize)]
struct Row<'a> {
    prompt: &'a str,
    text: &'a str,
    token_ids: &'a [u32],
    logprobs: &'a [f32],
    finish: Finish,
}

fn check(config: &Value) -> Result<(), Problem> {
    let problem = |path: &str, message: String, hint| Err(Problem { path: path.into(), message, hint });
    let config: Config = match Config::deserialize(config) {
        Ok(config) => config,
        Err(error) => return problem("prompts", error.to_string(), None),
    };
    match config.sampling(0).validate() {
        Err(regimen_infer::Error::Field { field, value, expected }) => {
            let error = regimen_infer::Error::Field { field, value, expected };
            problem(field, error.to_string(), error.hint())
        }
        _ => Ok(()),
    }
}

fn forecast(planning: &Planning) -> Result<Forecast, Failure> {
    let number = |name: &str| planning.config[name].as_f64().unwrap_or(1.0);
    let prompts = planning.config["prompts"].as_array().map_or(1, |list| list.len().max(1));
    let texts = prompts as f64 * number("samples");
    let tokens = texts * number("max_tokens");
    let model = Model::of(planning);
    Ok(Forecast {
        tokens,
        parameters: model.parameters,
        flops: tokens * model.flops_per_token,
        memory: 60e6 + 4.0 * model.parameters,
        disk: tokens * 25.0,
        seconds: model.writing_seconds(tokens),
        ..Forecast::default()
    })
}

fn run(job: &mut Job) -> Result<(), Failure> {
    let config: Config = job.config()?;
    let model = job.input("model")?;
    let step = model.manifest.summary["steps"].as_u64().unwrap_or(0);
    let saved = Saved::open(&model.path)?;
    let generator = Generator::new(&saved.decoder, &saved.params, &saved.tokenizer);
    let total = (config.prompts().len() * config.samples) as u64;
    let (mut lines, mut texts) = (Vec::new(), Vec::new());
    for (i, prompt) in config.prompts().iter().enumerate() {
        for sample in 0..config.samples {
            job.log.progress(texts.len() as u64, total, "texts", "")?;
            let seed = Philox::new(job.seed, &["generate", &i.to_string(), &sample.to_string()]).next_u64();
            let mut go_on = |_: &str| !job.cancel.asked();
            let written = generator.generate(prompt, &config.sampling(seed), &mut go_on)?;
            if written.finish == Finish::Cancelled {
                job.cancel.check()?;
            }
            if written.truncated > 0 {
                let (dropped, context) = (written.truncated, saved.config.context);
                let words = format!(
                    "prompt {} is longer than the context of {context}: its first {dropped} tokens were dropped",
                    i + 1
                );
                job.log.warn(None, words)?;
            }
            super::push_line(
                &mut lines,
                &Row {
                    prompt,
                    text: &written.text,
                    token_ids: &written.token_ids,
                    logprobs: &written.logprobs,
                    finish: written.finish,
                },
            );
            texts.push(json!({"prompt": prompt, "text": &written.text}));
            job.log.emit(Event::Sample { step, prompt: prompt.clone(), text: written.text })?;
        }
    }
    fs::write(&job.dir().join(SAMPLES), &lines)?;
    job.summary = json!({"samples": texts});
    job.log.progress(total, total, "texts", "")?;
    Ok(())
}
