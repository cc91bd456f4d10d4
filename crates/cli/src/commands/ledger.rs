//! `regimen ledger`: look after the store.

use std::io::{IsTerminal, Write};

use regimen_base::{events, fs, units};
use regimen_ledger::{Keep, Listing, Piece, Store, Sweep, What};
use serde_json::json;

use crate::args::{GcArgs, Ledger, PackArgs, UnpackArgs};
use crate::commands::store;
use crate::output::{
    CHECK_FAILED, Explain, Fault, INTERRUPTED, command_line, paint, print, print_json, say, shown, table,
};
use crate::{Context, ask, interrupt};

/// Kinds of artifacts that no stage names: they are made beside another one, and live as long as that.
const COMPANIONS: [&str; 1] = ["verbatim"];

pub fn ledger(context: &Context, ledger: &Ledger) -> anyhow::Result<u8> {
    match ledger {
        Ledger::Verify => verify(context),
        Ledger::Rebuild => rebuild(context),
        Ledger::Gc(args) => gc(context, args),
        Ledger::Export(args) => export(context, args),
        Ledger::Import(args) => import(context, args),
    }
}

/// Re-hash everything.
fn verify(context: &Context) -> anyhow::Result<u8> {
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
fn rebuild(context: &Context) -> anyhow::Result<u8> {
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

/// Remove what nothing needs.
fn gc(context: &Context, args: &GcArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let since = args.older_than.map(|age| events::now() - age);
    let keep = Keep { last: args.keep_last, since, companions: &COMPANIONS };
    let sweep = store.sweep(&keep).explain()?;
    let (bytes, count) = (sweep.bytes(), sweep.pieces.len() as u64);
    if args.dry_run || count == 0 {
        if context.global.json {
            print_json(&told(&sweep, 0))?;
        } else if count > 0 {
            print(listed(&sweep))?;
        }
        let text = match count {
            0 => format!("nothing to remove; {}", staying(&sweep)),
            _ => format!("would free {} in {}; {}", units::bytes(bytes), things(count), staying(&sweep)),
        };
        say(&context.global, text);
        return Ok(0);
    }
    if !args.yes {
        say(&context.global, listed(&sweep));
    }
    let question = format!("Remove {} and free {}?", things(count), units::bytes(bytes));
    if !ask::agreed(&question, args.yes)? {
        say(&context.global, "nothing was removed");
        return Ok(0);
    }
    let mut freed = 0;
    let ended = store.collect(&keep, &sweep, &mut |piece| freed += piece.bytes);
    if ended.is_err() && freed > 0 {
        say(&context.global, format!("{} freed before it failed", units::bytes(freed)));
    }
    ended.explain()?;
    if context.global.json {
        print_json(&told(&sweep, freed))?;
    } else {
        print(format!("freed {} in {}; {}", units::bytes(freed), things(count), staying(&sweep)))?;
    }
    Ok(0)
}

fn things(count: u64) -> String {
    units::plural(count, "piece")
}

fn staying(sweep: &Sweep) -> String {
    let kept = format!("{} kept", units::plural(sweep.kept as u64, "artifact"));
    match sweep.damaged {
        0 => kept,
        n => {
            format!("{kept}, {} left alone (`regimen ledger verify`)", units::plural(n as u64, "damaged one"))
        }
    }
}

fn told(sweep: &Sweep, freed: u64) -> serde_json::Value {
    json!({"pieces": sweep.pieces, "bytes": sweep.bytes(), "freed": freed, "kept": sweep.kept, "damaged": sweep.damaged})
}

fn listed(sweep: &Sweep) -> String {
    let row = |piece: &Piece| {
        let what = match piece.what {
            What::Artifact => "artifact",
            What::Work => "unfinished work",
            What::Scratch => "scratch space",
            What::Object => "fetched object",
            What::Bin => "bin",
        };
        let name = match (&piece.key, piece.what) {
            (Some(key), What::Artifact) => format!("{} `{}` {}", piece.name, piece.stage, key.short()),
            (Some(key), _) => key.short(),
            _ => piece.name.clone(),
        };
        vec![what.into(), name, units::bytes(piece.bytes)]
    };
    let rows: Vec<Vec<String>> = sweep.pieces.iter().map(row).collect();
    table(&["what", "name", "frees"], &rows, &[2])
}

/// Write an artifact and its ancestors into one file.
fn export(context: &Context, args: &PackArgs) -> anyhow::Result<u8> {
    let store = store(context)?;
    let artifact = store.resolve(&args.what).explain()?;
    if args.to.is_dir() || args.to.file_name().is_none() {
        return Err(Fault::new(
            format!("`{}` is a folder, and the artifacts go into one file", args.to.display()),
            "name a file, such as base.tar.zst",
        ));
    }
    let listing =
        with_progress(context, "writing", |go| store.export(&artifact, &args.to, !args.without_data, go))?;
    let bytes = fs::size(&args.to).explain()?;
    if context.global.json {
        print_json(
            &json!({"file": args.to, "bytes": bytes, "key": listing.root, "artifacts": keys(&listing)}),
        )?;
    } else {
        print(shown(&args.to))?;
        let what = units::plural(listing.artifacts.len() as u64, "artifact");
        say(&context.global, format!("{what}, {}", units::bytes(bytes)));
    }
    Ok(0)
}

/// Take the artifacts of a file in.
fn import(context: &Context, args: &UnpackArgs) -> anyhow::Result<u8> {
    if args.dry_run {
        let listing = with_progress(context, "checking", |go| Store::list_file(&args.file, go))?;
        if context.global.json {
            print_json(&json!({"key": listing.root, "data": listing.data, "artifacts": keys(&listing)}))?;
        } else {
            print(contents(&listing))?;
            let data = match listing.data {
                true => format!("{} of data, all as their manifests say", units::bytes(listing.bytes)),
                false => "no data; the manifests are whole".into(),
            };
            say(&context.global, data);
        }
        return Ok(0);
    }
    // Only a file that is one is a reason to make a store.
    fs::open(&args.file).explain()?;
    let store = Store::open(&context.project).explain()?;
    let unpacked = with_progress(context, "importing", |go| store.import(&args.file, go))?;
    let listing = &unpacked.listing;
    if context.global.json {
        print_json(&json!({"key": listing.root, "artifacts": keys(listing), "new": unpacked.new}))?;
    } else {
        print(contents(listing))?;
        let new = units::plural(unpacked.new.len() as u64, "artifact");
        let there = listing.artifacts.len() - unpacked.new.len();
        say(&context.global, format!("{new} imported, {there} there already"));
    }
    Ok(0)
}

fn keys(listing: &Listing) -> serde_json::Value {
    let one = |m: &regimen_ledger::Manifest| json!({"kind": m.kind, "stage": m.stage, "key": m.key, "payload": m.payload});
    listing.artifacts.iter().map(one).collect()
}

fn contents(listing: &Listing) -> String {
    let row = |m: &regimen_ledger::Manifest| {
        let bytes = m.files.iter().map(|file| file.bytes).sum();
        vec![m.kind.clone(), m.stage.clone(), m.key.short(), units::bytes(bytes)]
    };
    let rows: Vec<Vec<String>> = listing.artifacts.iter().map(row).collect();
    table(&["kind", "stage", "key", "size"], &rows, &[3])
}

/// Long work on bytes, with a live line on a terminal, until somebody presses Ctrl-C.
fn with_progress<T>(
    context: &Context,
    verb: &str,
    work: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> regimen_ledger::Result<T>,
) -> anyhow::Result<T> {
    let cancel = interrupt::install(true)?;
    let live = std::io::stderr().is_terminal() && !context.global.quiet;
    let mut painted = u64::MAX;
    let ended = work(&mut |done, total| {
        let percent = done.saturating_mul(100) / total.max(1);
        if live && percent != painted {
            painted = percent;
            let text = format!("\r\x1b[2K{verb} {} of {}", units::bytes(done), units::bytes(total));
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
        !cancel.asked()
    });
    if live {
        let _ = std::io::stderr().write_all(b"\r\x1b[2K");
    }
    match ended {
        Err(regimen_ledger::Error::Interrupted) => Err(anyhow::Error::msg(Fault {
            message: "interrupted".into(),
            causes: Vec::new(),
            hint: Some(format!("begin again with `{}`", command_line())),
            code: INTERRUPTED,
        })),
        other => other.explain(),
    }
}
