//! `regimen report`: the page of a run.

use crate::Context;
use crate::args::ReportArgs;
use crate::commands::store;
use crate::output::{Explain, Fault, print, print_json};

pub fn report(context: &Context, args: &ReportArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let run = store.run(&args.run).explain()?;
    if let Some(output) = args.output.as_deref().filter(|output| output.is_dir()) {
        return Err(Fault::new(
            format!("`{}` is a folder, and a report is one file", output.display()),
            format!("write `--output {}`", output.join("report.html").display()),
        ));
    }
    let path = regimen_report::write(&store, &run, args.output.as_deref()).explain()?;
    if context.global.json {
        print_json(&serde_json::json!({"report": path}))?;
    } else {
        print(path.display().to_string())?;
    }
    Ok(0)
}
