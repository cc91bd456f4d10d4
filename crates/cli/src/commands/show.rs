//! `regimen show` and `regimen lineage`: one artifact, and what it hangs together with.

use regimen_base::units;
use regimen_ledger::{Store, run_id};
use regimen_recipe::PROFILE;
use serde_json::Value;

use crate::Context;
use crate::commands::store;
use crate::output::{Explain, print, print_json, shown, table};

/// Everything an artifact says of itself.
pub fn show(context: &Context, what: &str) -> anyhow::Result<u8> {
    let store = store(context)?;
    let artifact = match store.resolve(what) {
        Ok(artifact) => artifact,
        // A run that has not finished has no artifact, but something to show.
        Err(error) => match store.run(what) {
            Ok(run) => {
                if context.global.json {
                    print_json(&run)?;
                } else {
                    print(format!("run {} ({}): {}", run.id, run.kind, run.status))?;
                    print(format!("config {}", serde_json::to_string_pretty(&run.config)?))?;
                    profile(&store, &run.id)?;
                }
                return Ok(0);
            }
            Err(_) => return Err(error).explain(),
        },
    };
    let manifest = &artifact.manifest;
    if context.global.json {
        print_json(manifest)?;
        return Ok(0);
    }
    let mut lines = vec![
        format!("{} `{}`", manifest.kind, manifest.stage),
        format!("key          {}", manifest.key),
        format!("payload      {}", manifest.payload),
        format!(
            "fingerprint  {}{}",
            manifest.fingerprint,
            if manifest.bit_exact { "" } else { " (not bit-exact)" }
        ),
        format!("seed         {}", manifest.seed),
    ];
    lines.extend(manifest.inputs.iter().map(|(name, key)| format!("input        {name} = {key}")));
    print(lines.join("\n"))?;
    print("\nresult")?;
    print(indent(&brief(&manifest.summary)))?;
    print("\nconfig")?;
    print(indent(&serde_json::to_string_pretty(&manifest.config)?))?;
    print("\nfiles")?;
    let rows: Vec<Vec<String>> = manifest
        .files
        .iter()
        .map(|f| vec![f.path.clone(), units::bytes(f.bytes), f.blake3.short()])
        .collect();
    print(indent(&table(&["path", "size", "blake3"], &rows, &[1])))?;
    profile(&store, &run_id(&manifest.stage, manifest.key))?;
    Ok(0)
}

/// Names the profile of a run, if there is one.
fn profile(store: &Store, run: &str) -> anyhow::Result<()> {
    let path = store.run_dir(run).join(PROFILE);
    if path.is_file() {
        print(format!("\nprofile\n  {}", shown(&path)))?;
    }
    Ok(())
}

/// The summary without long texts.
fn brief(summary: &Value) -> String {
    serde_json::to_string_pretty(summary).unwrap_or_default()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Ancestors and descendants.
pub fn lineage(context: &Context, what: &str) -> anyhow::Result<u8> {
    let store = store(context)?;
    let artifact = store.resolve(what).explain()?;
    let ancestors = store.lineage(artifact.key()).explain()?;
    let descendants = store.descendants(artifact.key()).explain()?;
    if context.global.json {
        print_json(&serde_json::json!({
            "key": artifact.key(), "ancestors": ancestors, "descendants": descendants,
        }))?;
        return Ok(0);
    }
    let line = |kind: &str, stage: &str, key: &str, depth: usize| {
        format!("{}{kind} `{stage}` {key}", "  ".repeat(depth))
    };
    print(line(&artifact.manifest.kind, &artifact.manifest.stage, &artifact.key().short(), 0))?;
    print("made from")?;
    for relative in ancestors.iter().filter(|r| r.depth > 0) {
        print(line(&relative.kind, &relative.stage, &relative.key.short(), relative.depth))?;
    }
    print("went into")?;
    for relative in descendants.iter().filter(|r| r.depth > 0) {
        print(line(&relative.kind, &relative.stage, &relative.key.short(), relative.depth))?;
    }
    Ok(0)
}
