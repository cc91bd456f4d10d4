//! `regimen ledger`: look after the store.

use std::io::{IsTerminal, Write};

use regimen_base::{fs, units};

use crate::Context;
use crate::commands::store;
use crate::output::{CHECK_FAILED, Explain, paint, print, print_json, say};

/// Re-hash everything.
pub fn verify(context: &Context) -> anyhow::Result<u8> {
    let store = store(context)?;
    let live = std::io::stderr().is_terminal() && !context.global.quiet;
    let mut hashed = 0;
    let damages = store
        .verify(&mut |done, total| {
            hashed = total;
            if live {
                let text = format!("\r\x1b[2Kverifying {} of {}", units::bytes(done), units::bytes(total));
                let _ = std::io::stderr().write_all(text.as_bytes());
            }
        })
        .explain()?;
    if live {
        let _ = std::io::stderr().write_all(b"\r\x1b[2K");
    }
    // By their folders: a damaged one is one as well.
    let mut artifacts = 0;
    for kind in fs::list(&store.dir().join("artifacts")).explain()? {
        artifacts += fs::list(&kind).explain()?.len();
    }
    if context.global.json {
        let named: Vec<String> = damages.iter().map(ToString::to_string).collect();
        print_json(&serde_json::json!({"artifacts": artifacts, "bytes": hashed, "damaged": named}))?;
    } else {
        damages.iter().try_for_each(|damage| print(format!("{} {damage}", paint("31;1", "damaged:"))))?;
        if damages.is_empty() {
            print(format!(
                "{} whole, {} hashed",
                units::plural(artifacts as u64, "artifact"),
                units::bytes(hashed)
            ))?;
        }
    }
    if damages.is_empty() {
        return Ok(0);
    }
    say(
        &context.global,
        format!(
            "\n{} delete the folder of a damaged artifact and run its recipe again to remake it",
            paint("36", "hint:")
        ),
    );
    Ok(CHECK_FAILED)
}

/// Make the index anew.
pub fn rebuild(context: &Context) -> anyhow::Result<u8> {
    let (artifacts, runs) = store(context)?.rebuild().explain()?;
    if context.global.json {
        print_json(&serde_json::json!({"artifacts": artifacts, "runs": runs}))?;
    } else {
        let (artifacts, runs) =
            (units::plural(artifacts as u64, "artifact"), units::plural(runs as u64, "run"));
        print(format!("index rebuilt: {artifacts}, {runs}"))?;
    }
    Ok(0)
}
