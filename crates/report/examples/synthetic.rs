//! Write the page of a made-up run, to look at: `cargo run -p regimen-report --example synthetic -- PAGE [STEPS] [unfinished]
//! [against]`.

#![allow(clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let page = PathBuf::from(arguments.first().map_or("report.html", String::as_str));
    let steps = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(3000);
    let folder = tempfile::tempdir().unwrap();
    let (store, run) = common::project(folder.path(), steps, !arguments.iter().any(|a| a == "unfinished"));
    let against =
        arguments.iter().any(|a| a == "against").then(|| common::rival(&store, &run, steps * 4 / 5));
    let extras = regimen_report::Extras { against, seen: Some(common::seen()) };
    regimen_report::write_with(&store, &run, &extras, Some(&page)).unwrap();
}
