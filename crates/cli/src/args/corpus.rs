//! `regimen corpus ..`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RecipeArgs;

#[derive(Debug, Subcommand)]
pub enum Corpus {
    /// Build the corpora of a recipe: read, tag, deduplicate, edit, mix, split
    #[command(after_help = "Examples:
  regimen corpus build recipes/curate.toml
  regimen corpus build recipes/curate.toml --set corpus.near.preset=dolma3

The same as `regimen run` for the stages of the kind `corpus`. Ctrl-C stops; the same command goes on from the parts that
are whole.")]
    Build(RecipeArgs),
    /// Write the attributes of documents in Dolma's layout
    #[command(after_help = "Examples:
  regimen corpus tag 'wiki/documents/*.jsonl.gz' --taggers gopher_v1,c4_v2 --experiment rules
  regimen corpus tag wiki/documents --taggers length --to out/

Files that are done already, by the same taggers from the same content, are passed over.")]
    Tag(TagArgs),
    /// Mark what came before: documents, URLs, paragraphs, or nearly the same texts
    #[command(after_help = "Examples:
  regimen corpus dedup 'wiki/documents/*.gz' --by paragraph --name dup_para
  regimen corpus dedup wiki/documents --by paragraph --bloom 20000000 --rate 1e-6 --name dup_para
  regimen corpus dedup wiki/documents --by near --preset fineweb --keep longest --name near

Document order is the order of the files' paths and of their rows. Of equal things the first stays unmarked.")]
    Dedup(DedupArgs),
    /// List the taggers and their attributes, or describe one
    #[command(after_help = "Examples:
  regimen corpus taggers
  regimen corpus taggers gopher@dolma")]
    Taggers(TaggersArgs),
}

#[derive(Debug, Args)]
pub struct TagArgs {
    /// Files, folders or patterns of documents (JSON lines, plain, .gz or .zst)
    #[arg(required = true, value_name = "DOCUMENTS")]
    pub documents: Vec<String>,
    /// Taggers by name, with commas between them; `regimen corpus taggers` lists them
    #[arg(long, required = true, value_delimiter = ',', value_name = "TAGGER,..")]
    pub taggers: Vec<String>,
    /// Name of the folder of attributes, and the first part of their names
    #[arg(long, default_value = "regimen", value_name = "NAME")]
    pub experiment: String,
    /// Folder for the attributes (default: `attributes/EXPERIMENT` beside `documents`)
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// A setting of a tagger (may be repeated), such as c4_v2.bad_words=words.txt
    #[arg(long = "param", value_name = "TAGGER.FIELD=VALUE")]
    pub params: Vec<String>,
}

#[derive(Debug, Args)]
pub struct TaggersArgs {
    /// Describe this one
    pub tagger: Option<String>,
}

#[derive(Debug, Args)]
pub struct DedupArgs {
    /// Files, folders or patterns of documents (JSON lines, plain, .gz or .zst)
    #[arg(required = true, value_name = "DOCUMENTS")]
    pub documents: Vec<String>,
    /// What is compared
    #[arg(long, value_parser = ["document", "url", "paragraph", "near"])]
    pub by: String,
    /// Name of the attribute and of its folder
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Folder for the attributes (default: `attributes/NAME` beside `documents`)
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Paragraphs of fewer bytes are not compared
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub min_bytes: u32,
    /// Compare paragraphs by a Bloom filter for N of them, in less memory
    #[arg(long, value_name = "N")]
    pub bloom: Option<u64>,
    /// Rate of false positives of the Bloom filter
    #[arg(long, default_value_t = 1e-6, value_name = "R")]
    pub rate: f64,
    /// Parameters of MinHash
    #[arg(long, default_value = "fineweb", value_parser = ["fineweb", "dolma3", "nemo", "duplodocus"])]
    pub preset: String,
    /// Which of nearly the same texts stays
    #[arg(long, default_value = "first", value_parser = ["first", "last", "longest", "newest"])]
    pub keep: String,
    /// Bytes for records and tables; beyond them files are used
    #[arg(long, default_value_t = 1_000_000_000, value_name = "BYTES")]
    pub memory: u64,
}
