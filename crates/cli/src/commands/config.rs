//! `regimen config`: the settings in force and where they come from.

use crate::Context;
use crate::args::ConfigArgs;
use crate::output::{print, print_json, table};

pub fn config(context: &Context, args: &ConfigArgs) -> anyhow::Result<u8> {
    let all = context.settings.all();
    if context.global.json {
        print_json(&all)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|s| {
            let last = if args.origin { s.origin.clone() } else { s.doc.to_string() };
            vec![s.name.to_string(), s.value.clone(), last]
        })
        .collect();
    print(table(&["setting", "value", if args.origin { "from" } else { "what it does" }], &rows, &[]))?;
    Ok(0)
}
