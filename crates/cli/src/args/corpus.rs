//! `regimen corpus ..`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RecipeArgs;
use regimen_corpus::LEAST_MEMORY;
use regimen_corpus::dolma::Fields;
use regimen_corpus::task::Share;

#[derive(Debug, Subcommand)]
pub enum Corpus {
    /// Build the corpora of a recipe: read, tag, deduplicate, edit, mix, split
    #[command(after_help = "Examples:
  regimen corpus build recipes/curate.toml
  regimen corpus build recipes/curate.toml --set corpus.near.preset=dolma3

The same as `regimen run` for the stages of the kind `corpus`. Ctrl-C stops; the same command
goes on from the parts that are whole.

On several machines, with nothing between them but a folder that all see or an object store:
  regimen corpus build curate.toml --store s3://bucket/curate --task 0/8   one of eight tasks
  regimen corpus build curate.toml --store s3://bucket/curate              afterwards: the corpus")]
    Build(BuildArgs),
    /// Write the attributes of documents in Dolma's layout
    #[command(after_help = "Examples:
  regimen corpus tag 'wiki/documents/*.jsonl.gz' --taggers gopher_v1,c4_v2 --experiment rules
  regimen corpus tag wiki/documents --taggers length --to out/
  regimen corpus tag 'fineweb/documents/*.parquet' --taggers fineweb --experiment rules

Files that are done already, by the same taggers from the same content, are passed over.")]
    Tag(TagArgs),
    /// Mark what came before: documents, URLs, paragraphs, paragraphs by their n-grams, stretches of bytes, or nearly the same texts
    #[command(after_help = "Examples:
  regimen corpus dedup 'wiki/documents/*.gz' --by paragraph --name dup_para
  regimen corpus dedup wiki/documents --by paragraph --bloom 20000000 --rate 1e-6 --name dup_para
  regimen corpus dedup wiki/documents --by ngram --words 8 --overlap 0.5 --name dup_ngrams
  regimen corpus dedup wiki/documents --by substring --stretch 500 --name dup_stretches
  regimen corpus dedup wiki/documents --by near --preset fineweb --keep longest --name near
  regimen corpus dedup wiki/documents --by near --verify 0.8 --name near
  regimen corpus dedup wiki/documents --by document --key metadata.sha1 --name dup
  regimen corpus dedup train --by paragraph --bloom-from tests.bloom --read-only --name in_tests

Document order is the order of the files' paths and of their rows. Of equal things the first stays unmarked.
The row of a copied document says which one stays instead: `copy_of` has its id, source and file,
and how many documents are one with it.")]
    Dedup(Box<DedupArgs>),
    /// Filter and edit documents by their attributes, and take sources in wanted shares
    #[command(after_help = "Examples:
  regimen corpus mix wiki/documents --attributes rules,dup_para --drop 'gopher_v1.word_count < 50' --edit dup_para --to mixed
  regimen corpus mix wiki/documents --attributes pii --edit 'pii_dolma.EMAIL_ADDRESS=|||EMAIL|||' --budget 2GB --to mixed
  regimen corpus mix --config mix.toml

Several sources with weights stand in a file; docs/corpus.md has one. Files that are done already are passed over.")]
    Mix(Box<MixArgs>),
    /// Take a share of documents, or so many of them, by the hash of their keys
    #[command(after_help = "Examples:
  regimen corpus sample wiki/documents --fraction 0.01 > sample.jsonl
  regimen corpus sample 'wiki/documents/*.gz' --documents 1000 --seed 3 --to sample.jsonl.zst
  regimen corpus sample tables/*.parquet --bytes 100MB --to sample.jsonl
  regimen corpus sample wiki --documents 1000 --to sample.parquet

The same documents each time; more of them when more are asked for.")]
    Sample(SampleArgs),
    /// Find what documents share with evaluation sets, and leave such documents out
    #[command(after_help = "Examples:
  regimen corpus decontaminate wiki/documents --against gsm8k.jsonl --field question --report hits.jsonl
  regimen corpus decontaminate wiki/documents --against arc.jsonl,mmlu.jsonl --exact --drop clean --report hits.jsonl

n-grams are of words in lower case without punctuation. Stretches are cut out by `regimen corpus mix --edit`.")]
    Decontaminate(DecontaminateArgs),
    /// Train a classifier in fastText's format on labelled documents, for the taggers that take one (`fasttext`, `classes`, ..)
    #[command(after_help = "Examples:
  regimen corpus classifier --label good=wiki --label bad='web/documents/*.gz' --to q.bin
  regimen corpus classifier --lines train.txt --word-ngrams 2 --epochs 10 --to quality.ftz
  regimen corpus tag web --taggers fasttext --param fasttext.model=q.bin --param fasttext.label=good

A tenth of the texts is held back, by the hash of the text, and tells how good the model is.
The same texts and options give the same bytes.")]
    Classifier(ClassifierArgs),
    /// List the taggers and their attributes, or describe one
    #[command(after_help = "Examples:
  regimen corpus taggers
  regimen corpus taggers gopher@dolma")]
    Taggers(TaggersArgs),
    /// Find a text or a regular expression in a finished corpus
    #[command(after_help = "Examples:
  regimen corpus search corpus 'state of the union'
  regimen corpus search corpus --regex '[0-9]{3}-[0-9]{4}' --count
  regimen corpus search corpus --dropped --ignore-case 'lorem ipsum'

Ends with 1 if nothing is found.")]
    Search(SearchArgs),
    /// Make the index that finds where a text comes from, of a finished corpus
    #[command(after_help = "Examples:
  regimen corpus index corpus
  regimen corpus index corpus --memory 8GB

It takes 4 bytes of disk for a byte of text. More memory makes fewer and larger parts, which are
searched faster. Ctrl-C stops; the same command goes on from the parts that are whole.")]
    Index(IndexArgs),
    /// Find the longest spans of a text that a finished corpus holds word for word, with their documents
    #[command(after_help = "Examples:
  regimen corpus attribute corpus --text 'four score and seven years ago our fathers brought forth'
  regimen generate base --prompt 'The economy' | regimen corpus attribute corpus -
  regimen corpus attribute corpus --file essay.txt --cut sentences --top 20 --json

It needs the index that `regimen corpus index` makes. Ends with 1 if nothing is found.")]
    Attribute(AttributeArgs),
    /// Count the word n-grams of a finished corpus, exactly
    #[command(after_help = "Examples:
  regimen corpus ngrams corpus -n 5 --top 20
  regimen corpus ngrams corpus -n 13 --min 10 --lower --memory 2GB")]
    Ngrams(NgramsArgs),
    /// Counts, attributes and copies of a finished corpus, or of documents in Dolma's layout
    #[command(after_help = "Examples:
  regimen corpus stats corpus
  regimen corpus stats corpus --json
  regimen corpus stats wiki
  regimen corpus stats 'wiki/documents/en-*.gz' --attributes rules,pii --json

A folder with a folder `documents`, or a path through one, stands for its documents.")]
    Stats(StatsArgs),
    /// Look at what a corpus kept and dropped, and why
    #[command(after_help = "Examples:
  regimen corpus inspect corpus
  regimen corpus inspect corpus --reason min_words
  regimen corpus inspect corpus --where 'gopher.word_count > 1000'
  regimen corpus inspect corpus --html corpus.html

On a terminal this opens a browser (? lists its keys); elsewhere, and with --plain or --json, it prints.")]
    Inspect(InspectArgs),
    /// Write a finished corpus, or documents in Dolma's layout, in formats that other programs read
    #[command(after_help = "Examples:
  regimen corpus export corpus out --format dolma
  regimen corpus export corpus out --format jsonl --pack zst
  regimen corpus export corpus out --format texts,card --url https://example.org/data --creator 'The makers'
  regimen corpus export wiki --to out --format parquet,card

A folder with a folder `documents`, or a path through one, stands for its documents, which
all formats take.")]
    Export(Box<CorpusExportArgs>),
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
    #[arg(long, value_name = "SECONDS", default_value = "120", requires = "task")]
    pub patience: u64,
    /// Bytes that what grows with the input may take, such as 500MB: `memory` of every corpus stage
    #[arg(long, value_parser = memory, value_name = "BYTES")]
    pub memory: Option<u64>,
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
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub max: u64,
    /// Only count
    #[arg(long)]
    pub count: bool,
}

#[derive(Debug, Args)]
pub struct IndexArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// Memory for sorting, such as 4GB: 5 bytes a byte of text of the parts at work (9 in parts beyond 2 GB)
    #[arg(long, default_value = "1GB", value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
    /// Parts at work at once, one a thread; fewer are larger
    #[arg(long, default_value = "2", value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub at_once: u16,
}

#[derive(Debug, Args)]
pub struct AttributeArgs {
    /// A `corpus` stage, a key, or the folder of an artifact
    pub corpus: String,
    /// The text is read from stdin (as it is if no text is given)
    #[arg(value_name = "-", value_parser = ["-"], conflicts_with_all = ["text", "file"])]
    pub stdin: Option<String>,
    /// The text
    #[arg(long, conflicts_with = "file")]
    pub text: Option<String>,
    /// File with the text, UTF-8
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Shorter spans are not looked for
    #[arg(long, default_value_t = 32, value_name = "BYTES")]
    pub min_bytes: usize,
    /// Spans shown, the least probable ones
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub top: usize,
    /// Documents shown of each span
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub documents: usize,
    /// What a span must not cut: `sentences` keeps each within one sentence
    #[arg(long, default_value = "words", value_parser = ["chars", "words", "sentences"])]
    pub cut: String,
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

/// Bytes of memory that a step may take if nothing else is said.
pub const MEMORY: &str = "4GB";

/// Bytes such as `500MB`, `2GB` or `1000000`.
pub fn bytes(text: &str) -> Result<u64, String> {
    regimen_base::units::parse_bytes(text)
        .ok_or_else(|| "write bytes above 0, or a number with KB, MB, GB or TB".into())
}

/// Bytes of memory, of which every command needs some.
pub fn memory(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        few if few < LEAST_MEMORY => Err(format!("give at least {LEAST_MEMORY} bytes (1.05MB)")),
        enough => Ok(enough),
    }
}

/// What documents call their text and id.
#[derive(Debug, Args)]
pub struct FieldArgs {
    /// Field or column of the text [default: text]
    #[arg(long, value_name = "FIELD")]
    pub text_field: Option<String>,
    /// Field or column of the id [default: id; rows of a table without it go by file and row]
    #[arg(long, value_name = "FIELD")]
    pub id_field: Option<String>,
    /// What becomes of bytes that are no UTF-8, and of halves of UTF-16 pairs: error, or replace (by U+FFFD)
    /// [default: error]
    #[arg(long, value_parser = ["error", "replace"], hide_possible_values = true, value_name = "POLICY")]
    pub invalid_utf8: Option<String>,
}

impl FieldArgs {
    /// The same for a step.
    pub fn fields(&self) -> Fields {
        let repair = self.invalid_utf8.as_deref() == Some("replace");
        Fields { text: self.text_field.clone(), id: self.id_field.clone(), repair }
    }

    /// An option that was given, if there is one.
    pub fn given(&self) -> Option<&'static str> {
        let text = self.text_field.as_ref().map(|_| "--text-field");
        let id = self.id_field.as_ref().map(|_| "--id-field");
        text.or(id).or(self.invalid_utf8.as_ref().map(|_| "--invalid-utf8"))
    }
}

#[derive(Debug, Args)]
pub struct StatsArgs {
    /// A `corpus` stage, a key, or the folder of an artifact; or a folder in Dolma's layout, or files of documents in one
    pub corpus: String,
    /// List so many of the largest clusters of copies [default: 10] (corpora)
    #[arg(long, value_name = "N")]
    pub clusters: Option<usize>,
    /// Experiments, or with a `/` their folders [default: all that lie beside the documents] (folders)
    #[arg(long, value_delimiter = ',', value_name = "EXPERIMENT,..")]
    pub attributes: Option<Vec<String>>,
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB [default: 4GB] (folders)
    #[arg(long, value_parser = memory, value_name = "BYTES")]
    pub memory: Option<u64>,
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
    #[arg(long = "where", value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub filter: Option<String>,
    /// Print, on a terminal too, instead of opening the browser
    #[arg(long, conflicts_with = "html")]
    pub plain: bool,
    /// Page to print, from 1 (prints, as --plain does)
    #[arg(long, value_name = "N")]
    pub page: Option<u64>,
    /// Documents on a page; on the HTML page, examples for each reason (at most 8 there)
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub size: u64,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("place").required(true).args(["dir", "to"])))]
pub struct CorpusExportArgs {
    /// A `corpus` stage, a key, or the folder of an artifact; or a folder in Dolma's layout, or files of documents in one
    pub corpus: String,
    /// Folder to write into
    #[arg(value_name = "TO")]
    pub dir: Option<PathBuf>,
    /// The same as an option
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// What to write: dolma, jsonl, parquet, texts, card; several with commas between them
    #[arg(long, required = true, value_delimiter = ',', value_parser = ["dolma", "jsonl", "parquet", "texts", "card"], value_name = "FORMAT,..")]
    pub format: Vec<String>,
    /// Name of the folder of attributes, and the first part of their names [default: regimen] (dolma of corpora)
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Bytes of text in a file (dolma, jsonl, texts)
    #[arg(long, default_value = "256MB", value_parser = bytes, value_name = "BYTES")]
    pub shard: u64,
    /// How files of rows are packed: gz, zst, none [default: gz] (dolma, jsonl)
    #[arg(long, value_parser = ["gz", "zst", "none"], value_name = "PACK")]
    pub pack: Option<String>,
    /// Experiments, or with a `/` their folders [default: all that lie beside the documents] (folders)
    #[arg(long, value_delimiter = ',', value_name = "EXPERIMENT,..")]
    pub attributes: Option<Vec<String>>,
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB [default: 4GB] (folders)
    #[arg(long, value_parser = memory, value_name = "BYTES")]
    pub memory: Option<u64>,
    /// What the data is called [default: the name of the stage or folder] (card)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the data can be downloaded (card)
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Who made the data (card)
    #[arg(long, value_name = "NAME")]
    pub creator: Option<String>,
    /// Who publishes the data (card)
    #[arg(long, value_name = "NAME")]
    pub publisher: Option<String>,
    /// How the data is cited (card)
    #[arg(long, value_name = "TEXT")]
    pub citation: Option<String>,
}

#[derive(Debug, Args)]
pub struct TagArgs {
    /// Files, folders or patterns of documents (JSON lines, CSV, TSV, plain, .gz or .zst; Parquet)
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
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB; models, and what is found in one document, come on top
    #[arg(long, default_value = MEMORY, value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
}

#[derive(Debug, Args)]
pub struct TaggersArgs {
    /// Describe this one
    pub tagger: Option<String>,
}

#[derive(Debug, Args)]
pub struct DedupArgs {
    /// Files, folders or patterns of documents (JSON lines, CSV, TSV, plain, .gz or .zst; Parquet)
    #[arg(required = true, value_name = "DOCUMENTS")]
    pub documents: Vec<String>,
    /// What is compared
    #[arg(long, value_parser = ["document", "url", "paragraph", "ngram", "near", "substring"])]
    pub by: String,
    /// Name of the attribute and of its folder
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Folder for the attributes (default: `attributes/NAME` beside `documents`)
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Compare the text or number in this field of a row, such as id or metadata.url, instead of the text
    #[arg(long, value_name = "FIELD")]
    pub key: Option<String>,
    /// Documents (what of them is compared) or paragraphs of fewer bytes are no copies of others [default: 0]
    #[arg(long, value_name = "BYTES")]
    pub min_bytes: Option<u32>,
    /// The same for fewer words, between Unicode's word boundaries [default: 0]
    #[arg(long, value_name = "N")]
    pub min_words: Option<u32>,
    /// What stands between two paragraphs, where \n is a line feed, \t a tab, \r a carriage return and \\ a backslash
    /// [default: \n]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub separator: Option<String>,
    /// Compare paragraphs, or n-grams and short paragraphs, by a Bloom filter for N of them, in less memory
    #[arg(long, value_name = "N")]
    pub bloom: Option<u64>,
    /// Rate of false positives of the Bloom filter [default: 1e-6]
    #[arg(long, requires = "bloom", value_name = "R")]
    pub rate: Option<f64>,
    /// Begin with the Bloom filter that an earlier run wrote: what is in it came before
    #[arg(long, conflicts_with = "bloom", value_name = "FILE")]
    pub bloom_from: Option<PathBuf>,
    /// Write the Bloom filter to this file, which is another one than it was read from, so that a run can be repeated
    #[arg(long, value_name = "FILE")]
    pub bloom_to: Option<PathBuf>,
    /// Put nothing into the filter of --bloom-from: mark what is in it, and not what comes twice in these documents
    #[arg(long, requires = "bloom_from", conflicts_with = "bloom_to")]
    pub read_only: bool,
    /// Words of an n-gram, at most 1000 [default: 13]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    pub words: Option<u32>,
    /// Words from the begin of an n-gram to that of the next, from the second on: the first two begin at the first two words
    /// [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub stride: Option<u32>,
    /// Mark paragraphs of whose n-grams at least this share came before, 0 to 1 [default: 1]
    #[arg(long, value_name = "SHARE")]
    pub overlap: Option<f32>,
    /// Do not compare paragraphs with fewer than two n-grams as a whole: one n-gram decides alone, and none marks nothing
    #[arg(long)]
    pub skip_short: bool,
    /// Parameters of MinHash [default: fineweb]
    #[arg(long, value_parser = ["fineweb", "dolma3", "nemo", "duplodocus"])]
    pub preset: Option<String>,
    /// Bands of MinHash instead of the preset's: more find more
    #[arg(long, value_name = "B")]
    pub bands: Option<usize>,
    /// Hash functions of a band instead of the preset's: more ask for more likeness
    #[arg(long, value_name = "R")]
    pub rows: Option<usize>,
    /// Words of a shingle (with --preset nemo characters) instead of the preset's
    #[arg(long, value_name = "N")]
    pub ngram: Option<usize>,
    /// Seed of the hash functions [default: 1]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Take texts that share a band for copies only if the sets of their shingles have this Jaccard similarity, above 0 and at most
    /// 1, counted from the texts [default: all that share a band are]
    #[arg(long, value_name = "SIMILARITY")]
    pub verify: Option<f64>,
    /// Mark stretches of so many bytes or more that occurred before, wherever they lie in their documents, 1 to 65536
    /// [default: 500]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536), value_name = "BYTES")]
    pub stretch: Option<u32>,
    /// Which of several copies of a document stays [default: first]
    #[arg(long, value_parser = ["first", "last", "longest", "newest"])]
    pub keep: Option<String>,
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB: records and tables (beyond it files are used), 16 bytes
    /// a document where documents are compared (32 with --keep longest or newest; 8 more with --verify)
    #[arg(long, default_value = MEMORY, value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
}

#[derive(Debug, Args)]
pub struct MixArgs {
    /// Files, folders or patterns of documents (JSON lines, CSV, TSV, plain, .gz or .zst; Parquet), below a folder `documents`
    #[arg(required_unless_present = "config", conflicts_with = "config", value_name = "DOCUMENTS")]
    pub documents: Vec<String>,
    /// File with the sources, as TOML; its other fields are named like the options here
    #[arg(long, value_name = "FILE", conflicts_with_all = ["attributes", "include", "exclude", "edit", "discard", "name", "text_field", "id_field", "invalid_utf8"])]
    pub config: Option<PathBuf>,
    /// Folder in which `documents/` is written
    #[arg(long, required_unless_present = "config", value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Experiments whose attributes are looked at; one with a `/` in it is the folder that holds them
    #[arg(long, value_delimiter = ',', value_name = "NAME,..")]
    pub attributes: Vec<String>,
    /// Keep only documents for which this holds, or another `--include` (may be repeated)
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub include: Vec<String>,
    /// Drop documents for which this holds (may be repeated)
    #[arg(long = "drop", alias = "exclude", value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// Cut out the spans of an attribute, or put a text in their place (may be repeated)
    #[arg(long, value_name = "SPANS[=TEXT]")]
    pub edit: Vec<String>,
    /// Fields of rows that are not written
    #[arg(long, value_delimiter = ',', value_name = "FIELD,..")]
    pub discard: Vec<String>,
    /// Name of the source, and of the files written
    #[arg(long, default_value = "mixed", value_name = "NAME")]
    pub name: String,
    /// Shares of sources go by their bytes to the power of 1 / T, times their weights [default: 1]
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Bytes of text to take in all, such as 2GB, at most all there are
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    pub budget: Option<u64>,
    /// How often a document is written at most, where its source is wanted more often than it is there [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100), value_name = "N")]
    pub max_copies: Option<u32>,
    /// Write which ranges of the source texts were kept, as attributes `keep_map` beside the new documents
    #[arg(long)]
    pub keep_map: bool,
    /// Bytes of input files that become one file [default: 256MB]
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    pub shard: Option<u64>,
    /// How files are packed [default: gz]
    #[arg(long, value_parser = ["gz", "zst", "none"], value_name = "PACK")]
    pub pack: Option<String>,
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB: long rows with their attributes and copies [default: 4GB]
    #[arg(long, value_parser = memory, value_name = "BYTES")]
    pub memory: Option<u64>,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("texts").required(true).multiple(true).args(["label", "lines"])))]
pub struct ClassifierArgs {
    /// Documents of one label: files, a folder or a pattern, as of the other steps (may be repeated)
    #[arg(long, value_name = "LABEL=DOCUMENTS")]
    pub label: Vec<String>,
    /// Text files with labels in their lines, as in `__label__good The text` (may be repeated)
    #[arg(long, value_name = "FILES")]
    pub lines: Vec<String>,
    /// File for the model: .bin, or .ftz for one of a quarter of the size
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Share of the texts that is held back to score the model, from 0 to below 1
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub validation: f64,
    /// How often every text is seen
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub epochs: u32,
    /// Learning rate at the start; it falls to 0
    #[arg(long, default_value_t = 0.1, value_name = "RATE")]
    pub lr: f32,
    /// Numbers in the vector of a word
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=65536), value_name = "N")]
    pub dim: u32,
    /// Longest n-gram of words
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16), value_name = "N")]
    pub word_ngrams: u32,
    /// Shortest n-gram of characters
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=16), value_name = "N")]
    pub minn: u32,
    /// Longest n-gram of characters; 0: none
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=16), value_name = "N")]
    pub maxn: u32,
    /// Rows that n-grams share by hash
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)), value_name = "N")]
    pub bucket: u32,
    /// Leave out words that are rarer
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub min_count: u32,
    /// Another seed begins with other numbers and takes the texts in another order
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Field or column of the text of documents [default: text]
    #[arg(long, value_name = "FIELD")]
    pub text_field: Option<String>,
    /// What becomes of bytes of documents that are no UTF-8, and of halves of UTF-16 pairs: error, or replace (by U+FFFD)
    #[arg(long, value_parser = ["error", "replace"], default_value = "error", hide_possible_values = true, value_name = "POLICY")]
    pub invalid_utf8: String,
    /// Bytes that texts and matrices may take, such as 500MB; texts half of it
    #[arg(long, default_value = MEMORY, value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("amount").required(true).args(["fraction", "number", "bytes"])))]
pub struct SampleArgs {
    /// Files, folders or patterns of documents (JSON lines, CSV, TSV, plain, .gz or .zst; Parquet)
    #[arg(required = true, value_name = "DOCUMENTS")]
    pub documents: Vec<String>,
    /// Take this share of the documents, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub fraction: Option<f64>,
    /// Take so many documents
    #[arg(long = "documents", value_name = "N")]
    pub number: Option<u64>,
    /// Take documents until their texts have so many bytes, such as 100MB
    #[arg(long, value_parser = bytes, value_name = "BYTES")]
    pub bytes: Option<u64>,
    /// Another seed takes other documents
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// File for the rows: JSON lines, packed as its name says, or a Parquet table (.parquet) [default: the standard output]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB, of which --documents and --bytes need 384 for each that is
    /// taken; pages of Parquet files come on top
    #[arg(long, default_value = MEMORY, value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
}

#[derive(Debug, Args)]
pub struct DecontaminateArgs {
    /// Files, folders or patterns of documents (JSON lines, CSV, TSV, plain, .gz or .zst; Parquet)
    #[arg(required = true, value_name = "DOCUMENTS")]
    pub documents: Vec<String>,
    /// Files of evaluation items, one a row (JSON lines, CSV, TSV, plain, .gz or .zst; Parquet)
    #[arg(long, required = true, value_delimiter = ',', value_name = "FILE,..")]
    pub against: Vec<PathBuf>,
    /// Field or column that holds the item's text
    #[arg(long, default_value = "text", value_name = "FIELD")]
    pub field: String,
    /// Words of an n-gram; an item with fewer is looked for as a whole, from five words on
    #[arg(short, default_value_t = 13, value_parser = clap::value_parser!(u32).range(2..=100), value_name = "N")]
    pub n: u32,
    /// Look for whole items too, character for character, from 20 characters on
    #[arg(long)]
    pub exact: bool,
    /// A document counts as contaminated if it has this share of the n-grams of an item; 0: any hit
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub overlap: f64,
    /// Name of the folder of attributes, and the first part of their names
    #[arg(long, default_value = "decontaminate", value_name = "NAME")]
    pub experiment: String,
    /// Folder for the attributes (default: `attributes/EXPERIMENT` beside `documents`)
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// File for the report, a row for every hit: JSON lines, packed as its name says
    #[arg(long, value_name = "FILE")]
    pub report: PathBuf,
    /// Folder in which `documents/` without contaminated documents is written
    #[arg(long, value_name = "DIR")]
    pub drop: Option<PathBuf>,
    #[command(flatten)]
    pub names: FieldArgs,
    /// Bytes that what grows with the input may take, such as 500MB; the evaluation sets come on top, and may take as much
    #[arg(long, default_value = MEMORY, value_parser = memory, value_name = "BYTES")]
    pub memory: u64,
}
