//! `regimen corpus ..`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Corpus {
    /// Write the attributes of documents in Dolma's layout
    #[command(after_help = "Examples:
  regimen corpus tag 'wiki/documents/*.jsonl.gz' --taggers gopher_v1,c4_v2 --experiment rules
  regimen corpus tag wiki/documents --taggers length --to out/

Files that are done already, by the same taggers from the same content, are passed over.")]
    Tag(TagArgs),
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
