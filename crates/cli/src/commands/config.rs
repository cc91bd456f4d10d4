//! `regimen config`: the settings in force and where they come from.

use crate::args::ConfigArgs;
use crate::output::{print, print_json, say, table};
use crate::{Context, settings};

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
    if args.origin {
        for file in settings::files(&context.project) {
            let found = if file.is_file() { "read" } else { "not there" };
            say(&context.global, format!("{}: {found}", file.display()));
        }
    }
    Ok(0)
}
