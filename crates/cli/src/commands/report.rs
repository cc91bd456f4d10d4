//! `regimen report`: the page of a run, or of two over each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regimen_base::fs;
use regimen_corpus::{Corpus, Split};
use regimen_ledger::{RunInfo, Store};
use regimen_report::{Extras, Seen};
use regimen_tokens::TokenSet;
use regimen_train::saved::{TRAINING, Training};

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
    let against = match &args.against {
        Some(other) => Some(store.run(other).explain()?),
        None => None,
    };
    if against.as_ref().is_some_and(|other| other.id == run.id) {
        return Err(Fault::new(
            format!(
                "`{}` and `{}` are the same run, {}",
                args.run,
                args.against.as_deref().unwrap_or(""),
                run.id
            ),
            "name another one; `regimen runs` lists them",
        ));
    }
    let path = write(&store, &run, against, args.output.as_deref())?;
    if context.global.json {
        print_json(&serde_json::json!({"report": path}))?;
    } else {
        print(path.display().to_string())?;
    }
    Ok(0)
}

/// Write the page with all that this program knows.
pub fn write(
    store: &Store,
    run: &RunInfo,
    against: Option<RunInfo>,
    path: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let extras = Extras { against, seen: seen(store, run) };
    regimen_report::write_with(store, run, &extras, path).explain()
}

/// The training tokens of a run by source, licence and kind of author, withheld documents left out. What is gone or
/// damaged is not told: `regimen ledger verify` is the place to complain.
fn seen(store: &Store, run: &RunInfo) -> Option<Seen> {
    if run.kind != "pretrain" {
        return None;
    }
    let artifact = store.artifact("tokens", *run.inputs.get("tokens")?).ok()??;
    let corpus = store.artifact("corpus", *artifact.manifest.inputs.get("corpus")?).ok()??;
    let (corpus, tokens) = (Corpus::open(&corpus).ok()?, TokenSet::open(&artifact.path).ok()?);
    let trained = store.artifact_dir(&run.kind, run.key).join(TRAINING);
    let withheld = fs::read_json::<Training>(&trained).map(|trained| trained.withheld).unwrap_or_default();
    let mut counts: [BTreeMap<String, u64>; 3] = Default::default();
    for ordinal in corpus.split(Split::Train).filter(|ordinal| withheld.binary_search(ordinal).is_err()) {
        let slots: u64 = tokens.train().copies_of(ordinal).map(|(_, slots)| slots.end - slots.start).sum();
        let row = corpus.row(ordinal);
        let names = [corpus.source_name(row.source), corpus.licence_name(row.licence), row.author.name()];
        for (count, name) in counts.iter_mut().zip(names) {
            match count.get_mut(name) {
                Some(count) => *count += slots,
                None => drop(count.insert(name.into(), slots)),
            }
        }
    }
    let titles = ["source", "licence", "kind of author"];
    let by =
        titles.into_iter().zip(counts).map(|(title, counts)| (title.into(), counts.into_iter().collect()));
    Some(Seen { by: by.collect() })
}
