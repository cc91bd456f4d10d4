//! `regimen corpus export`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regimen_base::{Cancel, Hash256, units};
use regimen_corpus::dolma::DOCUMENTS;
use regimen_corpus::dolma::mix::Pack;
use regimen_corpus::dolma::stats::{self, FolderStats};
use regimen_corpus::dolma::tag::Progress;
use regimen_corpus::inspect::export::{
    self, About, Claim, Exported, FolderExported, FolderOptions, FolderRows, Given, RowOptions,
};
use regimen_recipe::InputFile;
use serde_json::{Value, json};

use super::opened::Opened;
use super::step::step;
use super::subject::{Subject, unfit};
use crate::Context;
use crate::args::{CorpusExportArgs, MEMORY, bytes_of};
use crate::output::{Explain, Fault, INTERRUPTED, print, print_json, say, shown};

/// What was written, format by format.
type Done<'f> = Vec<(&'f str, Exported)>;

pub fn export(context: &Context, args: &CorpusExportArgs) -> anyhow::Result<u8> {
    let subject = Subject::new(context, &args.corpus)?;
    let folder = matches!(subject, Subject::Folder(_));
    let formats = formats(args, folder)?;
    let dir = args.dir.as_ref().or(args.to.as_ref()).cloned().unwrap_or_default();
    if dir.exists() && !dir.is_dir() {
        return Err(Fault::new(
            format!("`{}` is no folder", dir.display()),
            "name a folder, which is made if it is not there",
        ));
    }
    match &subject {
        Subject::Corpus(opened) => {
            export::check_sources(&opened.corpus, &context.project, &formats, &dir).explain()?;
        }
        Subject::Folder(files) => not_among(files, &dir)?,
    }
    regimen_base::fs::create_dir_all(&dir).explain()?;
    let _held = export::hold(&dir).explain()?;
    let claim = claim(args, &subject, &dir);
    claim.check(&dir).explain()?;
    if formats.contains(&"dolma") {
        export::check_documents(&dir, &claim).explain()?;
    }
    let done = match &subject {
        Subject::Corpus(opened) => of_corpus(args, opened, &formats, &dir)?,
        Subject::Folder(files) => match of_folder(context, args, files, &formats, &dir)? {
            Some(done) => done,
            None => return Ok(INTERRUPTED),
        },
    };
    let files = done.iter().flat_map(|(_, exported)| exported.files.iter().chain(&exported.skipped));
    claim.settle(&dir, files.cloned()).explain()?;
    told(context, &done, &dir)?;
    Ok(0)
}

/// What is exported: a corpus by its key, a folder by its files.
fn claim(args: &CorpusExportArgs, subject: &Subject, dir: &Path) -> Claim {
    match subject {
        Subject::Corpus(opened) => {
            let manifest = &opened.artifact.manifest;
            Claim::new(format!("export of the corpus `{}`", manifest.stage), manifest.key, &[], dir)
        }
        Subject::Folder(files) => {
            let fields = format!("folder {:?}", args.names.fields());
            Claim::new(format!("export of `{}`", args.corpus), Hash256::of(fields.as_bytes()), files, dir)
        }
    }
}

/// Refuse a folder among documents: what is written there would be taken for some.
fn not_among(files: &[InputFile], dir: &Path) -> anyhow::Result<()> {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let dir = whole(dir)?;
    for file in files {
        let file = whole(&file.full)?;
        let documents =
            file.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == DOCUMENTS));
        let Some(documents) = documents else { continue };
        for (folder, what) in
            [(documents.to_path_buf(), "documents"), (documents.with_file_name("attributes"), "attributes")]
        {
            if dir.starts_with(&folder) {
                return Err(Fault::new(
                    format!("`{}` is among the {what} of `{}`", dir.display(), folder.display()),
                    "name a folder elsewhere",
                ));
            }
        }
    }
    Ok(())
}

/// The formats in the order in which they are written; options that fit none of them are refused.
fn formats(args: &CorpusExportArgs, folder: bool) -> anyhow::Result<Vec<&str>> {
    let mut formats: Vec<&str> = args.format.iter().map(String::as_str).collect();
    // A card describes what the others wrote.
    formats.sort_by_key(|format| *format == "card");
    let mut seen = BTreeSet::new();
    formats.retain(|format| seen.insert(*format));
    let word = &args.corpus;
    if folder {
        let corpora = "finished corpora; attributes of a folder stay those of their experiments";
        unfit(args.experiment.is_some(), "--experiment", word, corpora)?;
    } else {
        let folders = "folders in Dolma's layout, and this is a finished corpus";
        unfit(args.attributes.is_some(), "--attributes", word, folders)?;
        unfit(args.memory.is_some(), "--memory", word, folders)?;
        if let Some(option) = args.names.given() {
            unfit(true, option, word, folders)?;
        }
    }
    let has = |some: &[&str]| formats.iter().any(|format| some.contains(format));
    let all = format!("--format {}", formats.join(","));
    unfit(args.pack.is_some() && !has(&["dolma", "jsonl"]), "--pack", &all, "the formats dolma and jsonl")?;
    unfit(args.experiment.is_some() && !has(&["dolma"]), "--experiment", &all, "the format dolma")?;
    let rows = args.attributes.is_some() && !has(&["dolma", "parquet", "texts", "card"]);
    unfit(
        rows,
        "--attributes",
        &all,
        "the formats dolma, parquet, texts and card; flat rows have no attributes",
    )?;
    let card = [
        ("--name", &args.name),
        ("--url", &args.url),
        ("--creator", &args.creator),
        ("--publisher", &args.publisher),
        ("--citation", &args.citation),
    ];
    for (option, value) in card {
        unfit(value.is_some() && !has(&["card"]), option, &all, "the format card")?;
    }
    if let Some(url) = args.url.as_ref().filter(|url| !is_url(url)) {
        return Err(Fault::new(
            format!("`--url {url}` is no URL"),
            "write it whole, such as https://example.org/data",
        ));
    }
    Ok(formats)
}

/// Whether a text is an absolute URL: a scheme, a colon, and no white space behind it.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(letters)
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_graphic() && !"<>\"{}|\\^`".contains(c))
}

fn of_corpus<'f>(
    args: &CorpusExportArgs,
    opened: &Opened,
    formats: &[&'f str],
    dir: &Path,
) -> anyhow::Result<Done<'f>> {
    let manifest = &opened.artifact.manifest;
    let (corpus, key) = (&opened.corpus, manifest.key.to_string());
    let experiment = args.experiment.as_deref().unwrap_or("regimen");
    let pack = pack(args);
    let mut done = Vec::new();
    for &format in formats {
        let exported = match format {
            "dolma" => export::dolma(corpus, &key, dir, experiment, args.shard, pack).explain()?,
            "jsonl" => export::jsonl(corpus, &key, dir, args.shard, pack).explain()?,
            "parquet" => export::parquet(corpus, dir).explain()?,
            "texts" => export::texts(corpus, dir, args.shard).explain()?,
            _ => {
                let about = About {
                    name: args.name.clone().unwrap_or_else(|| manifest.stage.clone()),
                    key: key.clone(),
                    created: manifest.created,
                    config: manifest.config.clone(),
                    given: given(args),
                };
                export::card(corpus, &about, dir).explain()?
            }
        };
        done.push((format, exported));
    }
    Ok(done)
}

fn pack(args: &CorpusExportArgs) -> Pack {
    match args.pack.as_deref() {
        Some("zst") => Pack::Zst,
        Some("none") => Pack::None,
        _ => Pack::Gz,
    }
}

fn given(args: &CorpusExportArgs) -> Given {
    Given {
        url: args.url.clone(),
        creator: args.creator.clone(),
        publisher: args.publisher.clone(),
        citation: args.citation.clone(),
    }
}

/// None if the user stopped it.
fn of_folder<'f>(
    context: &Context,
    args: &CorpusExportArgs,
    files: &[InputFile],
    formats: &[&'f str],
    dir: &Path,
) -> anyhow::Result<Option<Done<'f>>> {
    let memory = args.memory.unwrap_or_else(|| bytes_of(MEMORY).unwrap_or(u64::MAX));
    let has = |format: &str| formats.contains(&format);
    let options = FolderOptions {
        tables: has("parquet"),
        texts: has("texts").then_some(args.shard),
        attributes: args.attributes.clone(),
        fields: args.names.fields(),
        memory,
    };
    let counted = stats::Options { attributes: args.attributes.clone(), fields: args.names.fields(), memory };
    let as_rows = RowOptions {
        shard: args.shard,
        pack: pack(args),
        attributes: args.attributes.clone(),
        fields: args.names.fields(),
        memory,
    };
    let kinds = [("dolma", FolderRows::Dolma), ("jsonl", FolderRows::Flat)];
    let kinds: Vec<_> = kinds.into_iter().filter(|(format, _)| has(format)).collect();
    let writes = options.tables || options.texts.is_some();
    // Rows are written as they are, whatever their attributes are.
    let counts = writes || has("card");
    let passes = u64::from(counts) + u64::from(writes) + kinds.len() as u64;
    let total = passes * files.iter().map(|file| file.bytes).sum::<u64>();
    let run = |progress: &Progress, cancel: &Cancel| {
        let stats = match counts {
            true => stats::stats(files, &counted, progress, cancel)?,
            false => FolderStats::default(),
        };
        let written = match writes {
            true => export::folder(files, &stats, &options, dir, progress, cancel)?,
            false => FolderExported::default(),
        };
        let rows = kinds.iter().map(|(format, kind)| {
            let rows = export::folder_rows(files, *kind, &as_rows, dir, progress, cancel)?;
            Ok((*format, Some(rows)))
        });
        Ok((stats, written, rows.collect::<regimen_corpus::Result<Vec<_>>>()?))
    };
    let Some((stats, written, rows)) = step(context, "export", total, "nothing is kept", run)? else {
        return Ok(None);
    };
    let card = if has("card") { Some(folder_card(args, files, &stats, dir)?) } else { None };
    let tables = [("parquet", written.tables), ("texts", written.texts), ("card", card)];
    let all = rows.into_iter().chain(tables);
    let name = |format: &str| formats.iter().copied().find(|known| *known == format);
    Ok(Some(all.filter_map(|(format, done)| Some((name(format)?, done?))).collect()))
}

fn folder_card(
    args: &CorpusExportArgs,
    files: &[InputFile],
    stats: &FolderStats,
    dir: &Path,
) -> anyhow::Result<Exported> {
    let path = PathBuf::from(&args.corpus);
    let own = path.iter().take_while(|part| *part != "documents").last();
    let name = own.map_or_else(|| args.corpus.clone(), |name| name.to_string_lossy().into_owned());
    let about = About {
        name: args.name.clone().unwrap_or(name),
        key: export::folder_key(files, &args.names.fields(), args.attributes.as_deref()).explain()?,
        created: export::last_changed(files).explain()?,
        config: Value::Null,
        given: given(args),
    };
    export::folder_card(stats, &about, dir).explain()
}

fn told(context: &Context, done: &Done, dir: &Path) -> anyhow::Result<()> {
    if context.global.json {
        let all: Vec<_> =
            done.iter().map(|(format, exported)| json!({"format": format, "exported": exported})).collect();
        return print_json(&all);
    }
    for (format, exported) in done {
        for file in &exported.files {
            print(shown(&dir.join(file)))?;
        }
        let mut words = vec![format!("{format}: {}", units::plural(exported.documents, "document"))];
        if !exported.skipped.is_empty() {
            words.push(format!("{} there already", units::plural(exported.skipped.len() as u64, "file")));
        }
        if exported.spans_left_out > 0 {
            words.push(format!(
                "{} left out, because edits took away all that they marked",
                units::plural(exported.spans_left_out, "span")
            ));
        }
        say(&context.global, words.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn urls_are_whole() {
        for good in ["https://example.org/a?b=c#d", "s3://bucket/data", "urn:isbn:1", "git+https://x.org/y"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["", "example.org", "https:", "https://a b", "://x", "1x://y", "https://ex\u{e4}mple.org"]
        {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
