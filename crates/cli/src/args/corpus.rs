//! `regimen corpus ..`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RecipeArgs;
use regimen_corpus::task::Share;

#[derive(Debug, Subcommand)]
pub enum Corpus {
    /// Build the corpora of a recipe: read, tag, deduplicate, edit, mix, split
    #[command(after_help = "Examples:
  regimen corpus build recipes/curate.toml
  regimen corpus build recipes/curate.toml --set corpus.near.preset=dolma3

The same as `regimen run` for the stages of the kind `corpus`. Ctrl-C stops; the same command goes on from the parts that
are whole.

On several machines, with nothing between them but a folder that all see or an object store:
  regimen corpus build curate.toml --store s3://bucket/curate --task 0/8     one of eight tasks
  regimen corpus build curate.toml --store s3://bucket/curate                afterwards: the corpus, here")]
    Build(BuildArgs),
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
    /// Find a text or a regular expression in a finished corpus
    #[command(after_help = "Examples:
  regimen corpus search base-corpus 'state of the union'
  regimen corpus search base-corpus --regex '[0-9]{3}-[0-9]{4}' --count
  regimen corpus search base-corpus --dropped --ignore-case 'lorem ipsum'

Ends with 1 if nothing is found.")]
    Search(SearchArgs),
    /// Count the word n-grams of a finished corpus, exactly
    #[command(after_help = "Examples:
  regimen corpus ngrams base-corpus -n 5 --top 20
  regimen corpus ngrams base-corpus -n 13 --min 10 --lower --memory 2GB")]
    Ngrams(NgramsArgs),
    /// Counts, attributes and copies of a finished corpus
    #[command(after_help = "Examples:
  regimen corpus stats base-corpus
  regimen corpus stats base-corpus --json")]
    Stats(StatsArgs),
    /// Look at what a corpus kept and dropped, and why
    #[command(after_help = "Examples:
  regimen corpus inspect base-corpus
  regimen corpus inspect base-corpus --reason min_words --page 2
  regimen corpus inspect base-corpus --where 'length.words > 1000'
  regimen corpus inspect base-corpus --html corpus.html")]
    Inspect(InspectArgs),
    /// Write a finished corpus in a format that other programs read
    #[command(after_help = "Examples:
  regimen corpus export base-corpus out --format dolma
  regimen corpus export base-corpus out --format parquet,card")]
    Export(CorpusExportArgs),
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// The place between tasks: a folder that all see, s3://bucket/path, gs://.., az://..
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Do the share of task K of N, counted from 0; without it, do what no task has done and build the corpus
    #[arg(long, value_name = "K/N", requires = "store")]
    pub task: Option<Share>,
    /// Do the work of other tasks after so many seconds in which nobody finished any
    #[arg(long, value_name = "SECONDS", default_value = "300", requires = "task")]
    pub patience: u64,
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// The text to find
    pub pattern: String,
    /// It is a regular expression (`^` and `$` are the ends of lines)
    #[arg(long)]
    pub regex: bool,
    /// Upper and lower case are the same
    #[arg(long, short)]
    pub ignore_case: bool,
    /// Search the dropped documents instead, whose texts are read from their source files
    #[arg(long)]
    pub dropped: bool,
    /// Show so many matches
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub max: u64,
    /// Only count
    #[arg(long)]
    pub count: bool,
}

#[derive(Debug, Args)]
pub struct NgramsArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// Words in an n-gram
    #[arg(short, default_value_t = 3, value_name = "N")]
    pub n: usize,
    /// List so many of the most frequent
    #[arg(long, default_value_t = 50, value_name = "K")]
    pub top: usize,
    /// Only those that occur so often
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub min: u64,
    /// Upper and lower case are the same
    #[arg(long)]
    pub lower: bool,
    /// Memory for counting, such as 500MB; the text is read several times if the counts do not fit
    #[arg(long, default_value = "1GB", value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
}

/// Bytes such as `500MB`, `2GB` or `1000000`.
fn memory(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        _ => return Err("write bytes, or a number with KB, MB, GB or TB".into()),
    };
    match digits.parse::<f64>() {
        Ok(n) if n > 0.0 && n * factor < 1e18 => Ok((n * factor) as u64),
        _ => Err("write bytes, or a number with KB, MB, GB or TB".into()),
    }
}

#[derive(Debug, Args)]
pub struct StatsArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// List so many of the largest clusters of copies
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub clusters: usize,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// Write a page that a browser shows offline, instead of printing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reason", "source", "filter", "page"])]
    pub html: Option<PathBuf>,
    /// Only documents that were dropped for this reason, or `kept`
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Only documents of this source
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Only documents of which an expression holds, as in the field `drop` of the stage
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// Page to print, from 1
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub page: u64,
    /// Documents on a page; on the HTML page, examples for each reason (at most 8 there)
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub size: u64,
}

#[derive(Debug, Args)]
pub struct CorpusExportArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// Folder to write into
    pub to: PathBuf,
    /// What to write: dolma, jsonl, parquet, card; several with commas between them
    #[arg(long, required = true, value_delimiter = ',', value_parser = ["dolma", "jsonl", "parquet", "card"], value_name = "FORMAT,..")]
    pub format: Vec<String>,
    /// Name of the folder of attributes, and the first part of their names (dolma)
    #[arg(long, default_value = "regimen", value_name = "NAME")]
    pub experiment: String,
    /// Bytes of text in a file (dolma, jsonl)
    #[arg(long, default_value = "256MB", value_parser = memory, value_name = "BYTES")]
    pub shard: u64,
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
