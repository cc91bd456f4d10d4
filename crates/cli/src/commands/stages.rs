//! `regimen stages`: what recipes are made of.

use regimen_recipe::{Default, Field, Ty};
use serde_json::{Map, Value, json};

use crate::Context;
use crate::args::StagesArgs;
use crate::output::{Fault, print, print_json, table};
use crate::registry::REGISTRY;

/// `docs/recipes.md`: every stage, input and field.
pub fn reference() -> String {
    format!(
        "# Recipe reference\n\nEvery kind of stage, its inputs and its fields. Written by `regimen stages --markdown` from the tables \
         that also check recipes;\na test fails when this page is out of date. Besides its fields a stage takes `kind` and, \
         where it draws random numbers, `seed`.\n\n{}",
        regimen_recipe::docs::markdown(&REGISTRY)
    )
}

pub fn stages(context: &Context, args: &StagesArgs) -> anyhow::Result<u8> {
    if args.markdown {
        print(reference().trim_end())?;
        return Ok(0);
    }
    if let Some(name) = &args.kind {
        let Some(kind) = REGISTRY.get(name) else {
            let names = REGISTRY.all().map(|kind| kind.kind);
            return Err(Fault::new(
                format!("there is no stage kind `{name}`"),
                regimen_base::suggest::hint(name, names),
            ));
        };
        if context.global.json {
            let inputs: Vec<Value> = kind
                .inputs
                .iter()
                .map(|i| json!({"name": i.name, "accepts": i.accepts, "required": i.required, "doc": i.doc}))
                .collect();
            print_json(&json!({
                "kind": kind.kind, "version": kind.version, "about": kind.about, "inputs": inputs,
                "fields": fields(kind.fields),
            }))?;
        } else {
            print(regimen_recipe::docs::describe(kind))?;
        }
        return Ok(0);
    }
    if context.global.json {
        let all: Vec<_> = REGISTRY
            .all()
            .map(|kind| json!({"kind": kind.kind, "version": kind.version, "about": kind.about}))
            .collect();
        print_json(&all)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        REGISTRY.all().map(|kind| vec![kind.kind.to_string(), kind.about.to_string()]).collect();
    print(table(&["kind", "what it does"], &rows, &[]))?;
    Ok(0)
}

/// A table of fields, with those inside it.
fn fields(table: &[Field]) -> Value {
    let inner = |ty: &Ty| match ty {
        Ty::Table(inner) | Ty::List(Ty::Table(inner)) => fields(inner),
        _ => Value::Null,
    };
    table
        .iter()
        .map(|field| {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let default = field.default.json(&Map::new()).map(parsed).unwrap_or_default();
            let mut about = json!({
                "name": field.name, "type": field.ty.name(), "default": default, "keyed": field.keyed,
                "required": matches!(field.default, Default::Required), "doc": field.doc, "fields": inner(&field.ty),
            });
            if let Default::By { on, others, .. } = field.default {
                let others = others.iter().map(|(word, text)| (word.to_string(), parsed(text)));
                about["default_by"] = json!({ on: others.collect::<Map<_, _>>() });
            }
            about
        })
        .collect()
}
