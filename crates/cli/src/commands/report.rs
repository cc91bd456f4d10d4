//! `regimen report`: the page of a run.

use crate::Context;
use crate::args::ReportArgs;
use crate::commands::store;
use crate::output::{Explain, print, print_json};

pub fn report(context: &Context, args: &ReportArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let run = store.run(&args.run).explain()?;
    let path = regimen_report::write(&store, &run, args.output.as_deref()).explain()?;
    if context.global.json {
        print_json(&serde_json::json!({"report": path}))?;
    } else {
        print(path.display().to_string())?;
    }
    Ok(0)
}
