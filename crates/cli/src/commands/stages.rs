//! `regimen stages`: what recipes are made of.

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
        print(regimen_recipe::docs::describe(kind))?;
        return Ok(0);
    }
    if context.global.json {
        let all: Vec<_> = REGISTRY
            .all()
            .map(|kind| serde_json::json!({"kind": kind.kind, "version": kind.version, "about": kind.about}))
            .collect();
        print_json(&all)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        REGISTRY.all().map(|kind| vec![kind.kind.to_string(), kind.about.to_string()]).collect();
    print(table(&["kind", "what it does"], &rows, &[]))?;
    Ok(0)
}
