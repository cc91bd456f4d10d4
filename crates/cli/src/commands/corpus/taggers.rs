//! `regimen corpus taggers`: what can be measured.

use regimen_base::suggest;
use regimen_corpus::tag::{Kind, Shape, TAGGERS};
use serde_json::json;

use crate::Context;
use crate::args::TaggersArgs;
use crate::output::{Fault, print, print_json, table};

pub fn taggers(context: &Context, args: &TaggersArgs) -> anyhow::Result<u8> {
    let found: Vec<&Kind> = match &args.tagger {
        None => TAGGERS.to_vec(),
        Some(name) => {
            let fits = |kind: &&Kind| kind.name == name || kind.aliases.contains(&name.as_str());
            let kind = TAGGERS.iter().copied().find(fits).ok_or_else(|| {
                Fault::new(
                    format!("there is no tagger `{name}`"),
                    suggest::hint(name, TAGGERS.iter().map(|kind| kind.name)),
                )
            })?;
            vec![kind]
        }
    };
    if context.global.json {
        let value: Vec<_> = found
            .iter()
            .map(|kind| {
                let attributes: Vec<_> = kind
                    .attributes
                    .iter()
                    .map(|a| json!({"name": a.name, "shape": shape(a.shape), "doc": a.doc}))
                    .collect();
                json!({
                    "name": kind.name, "aliases": kind.aliases, "version": kind.version, "about": kind.about,
                    "attributes": attributes,
                })
            })
            .collect();
        print_json(&value)?;
    } else if args.tagger.is_some() {
        for kind in found {
            print(format!("{}\n{}\n", names(kind), kind.about))?;
            let rows: Vec<Vec<String>> = kind
                .attributes
                .iter()
                .map(|a| vec![a.name.to_string(), shape(a.shape).to_string(), a.doc.to_string()])
                .collect();
            print(table(&["attribute", "shape", "what it is"], &rows, &[]))?;
        }
    } else {
        let rows: Vec<Vec<String>> =
            found.iter().map(|kind| vec![names(kind), kind.about.to_string()]).collect();
        print(table(&["tagger", "what it measures"], &rows, &[]))?;
    }
    Ok(0)
}

fn names(kind: &Kind) -> String {
    std::iter::once(kind.name).chain(kind.aliases.iter().copied()).collect::<Vec<_>>().join(", ")
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Value => "value",
        Shape::Spans => "spans",
        Shape::Flag => "flag",
        Shape::Label => "label",
    }
}
