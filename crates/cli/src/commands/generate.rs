//! `regimen generate`: write with a trained model.

use std::io::{IsTerminal, Read, Write};

use regimen_infer::{Finish, Generator, Sampling};

use crate::Context;
use crate::args::GenerateArgs;
use crate::commands::{model, store};
use crate::interrupt;
use crate::output::{Explain, Fault, INTERRUPTED, print_json, say, unwritten};

pub fn generate(context: &Context, args: GenerateArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let (artifact, saved) = model(&store, &args.model)?;
    let sampling = Sampling {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        repetition_penalty: args.repetition_penalty,
        seed: args.seed,
        max_tokens: args.max_tokens,
        stop: args.stop,
        ignore_end: false,
    };
    sampling.validate().explain()?;
    let prompt = match args.prompt {
        Some(prompt) => prompt,
        None => from_stdin(context)?,
    };
    let cancel = interrupt::install(true)?;
    let generator = Generator::new(&saved.decoder, &saved.params, &saved.tokenizer);
    if context.global.json {
        let written = generator.generate(&prompt, &sampling, &mut |_| !cancel.asked()).explain()?;
        let mut value = serde_json::to_value(&written)?;
        value["prompt"] = prompt.into();
        value["model"] = artifact.key().to_string().into();
        print_json(&value)?;
        return Ok(code(written.finish));
    }
    let mut out = std::io::stdout().lock();
    let mut broken = None;
    let written = generator
        .generate(&prompt, &sampling, &mut |text| {
            if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                broken = Some(error);
            }
            broken.is_none() && !cancel.asked()
        })
        .explain()?;
    if let Some(error) = broken {
        return Err(unwritten(error));
    }
    if !written.text.ends_with('\n') {
        out.write_all(b"\n").map_err(unwritten)?;
    }
    if written.truncated > 0 {
        say(
            &context.global,
            format!(
                "note: the model's context is {}; the first {} tokens of the prompt were left out",
                saved.config.context, written.truncated
            ),
        );
    }
    Ok(code(written.finish))
}

/// A generation that Ctrl-C ended is an interrupted one, whatever it had written.
fn code(finish: Finish) -> u8 {
    if finish == Finish::Cancelled { INTERRUPTED } else { 0 }
}

fn from_stdin(context: &Context) -> anyhow::Result<String> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        say(&context.global, "reading the prompt from the terminal; end it with Ctrl-D");
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Fault::new(format!("stdin is not UTF-8 text: {error}"), "give the prompt as UTF-8")
    })?;
    // `echo` ends its line; the line feed is not part of the prompt.
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_string())
}
