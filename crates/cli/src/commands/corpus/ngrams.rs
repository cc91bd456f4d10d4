//! `regimen corpus ngrams`.

use regimen_corpus::inspect::{self, Counting};

use super::opened::Opened;
use crate::Context;
use crate::args::NgramsArgs;
use crate::output::{Explain, print, print_json, say, table};

pub fn ngrams(context: &Context, args: &NgramsArgs) -> anyhow::Result<u8> {
    let opened = Opened::new(context, &args.corpus)?;
    let counting =
        Counting { n: args.n, top: args.top, min: args.min, lower: args.lower, memory: args.memory };
    let counted = inspect::ngrams(&opened.corpus, &counting).explain()?;
    if context.global.json {
        print_json(&counted)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        counted.ngrams.iter().map(|ngram| vec![ngram.count.to_string(), ngram.text.clone()]).collect();
    print(table(&["count", "n-gram"], &rows, &[0]))?;
    say(
        &context.global,
        format!(
            "{} n-grams, {} different, {} at least {} times; {} over the texts",
            counted.total,
            counted.distinct,
            counted.frequent,
            args.min,
            match counted.passes {
                1 => "1 pass".to_string(),
                n => format!("{n} passes"),
            }
        ),
    );
    Ok(0)
}
