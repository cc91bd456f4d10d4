//! Everything that can be wrong with documents or with a corpus, with a way out.

mod hint;

use std::path::{Path, PathBuf};

use regimen_base::hint::Interrupted;
use regimen_base::{Failure, fs, units};

use crate::names::FileName;

/// A row or a file of the input, for messages: `data/a.jsonl.zst, line 12`.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The file, relative to the project root.
    pub file: String,
    /// What the number counts: `line` of a file of rows, `block` of a text that was cut.
    pub unit: &'static str,
    /// From 1; 0 stands for the whole file.
    pub number: u64,
}

impl Place {
    /// That of a document in a file.
    pub(crate) fn of(file: &FileName, number: u32) -> Place {
        let units = ["line", "block", "record", "row", "entry"];
        let path = file.path.clone();
        match units.into_iter().find(|unit| *unit == file.unit) {
            Some(unit) => Place { file: path, unit, number: u64::from(number) },
            None => Place { file: path, unit: "", number: 0 },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.file)?;
        if self.number > 0 { write!(f, ", {} {}", self.unit, self.number) } else { Ok(()) }
    }
}

/// What the functions of this room give back.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a corpus could not be built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The config does not fit its type: a fault of the program.
    #[error(transparent)]
    Config(#[from] regimen_recipe::job::Mismatch),
    /// A compressed file ends in the middle.
    #[error("`{file}` is cut off: its {format} data ends early")]
    Truncated {
        /// The file.
        file: String,
        /// `gzip` or `zstd`.
        format: &'static str,
    },
    /// A compressed file is damaged or is something else.
    #[error("cannot decompress `{file}` as {format}: {reason}")]
    Compressed {
        /// The file.
        file: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// In the words of the decompressor.
        reason: String,
    },
    /// `format = "auto"` met a name that says nothing.
    #[error("cannot tell the format of `{file}` of source `{source_name}` from its name")]
    UnknownFormat {
        /// The file.
        file: String,
        /// The source.
        source_name: String,
    },
    /// A step met a name that says a format which no step reads.
    #[error("`{file}`: there is no reader for .{ending} here")]
    NoReader {
        /// The file.
        file: String,
        /// The end of its name.
        ending: String,
    },
    /// Bytes that are not UTF-8.
    #[error("{place}: invalid UTF-8 at byte {byte} of the {}", .place.unit_or_file())]
    Encoding {
        /// Where.
        place: Place,
        /// Offset in the line or file, from 0.
        byte: u64,
    },
    /// A file of text that begins with the mark of another encoding.
    #[error("`{file}` begins with the mark of {encoding}, but text must be UTF-8")]
    Marked {
        /// The file.
        file: String,
        /// `UTF-16` or `UTF-32`.
        encoding: &'static str,
    },
    /// A row that is not a JSON object.
    #[error("{place}, column {column}: {reason}")]
    Json {
        /// Where.
        place: Place,
        /// From 1.
        column: usize,
        /// In the words of the JSON reader.
        reason: String,
    },
    /// A row of a source that cannot be read, where such rows are not dropped.
    #[error(transparent)]
    InvalidRow(Box<Error>),
    /// A row without a text.
    #[error("{place}: the row has no text field `{field}`")]
    MissingText {
        /// Where.
        place: Place,
        /// The field that should hold it.
        field: String,
    },
    /// A Dolma row without an id.
    #[error("{place}: the row has no field `{field}`, which the Dolma format requires")]
    MissingId {
        /// Where.
        place: Place,
        /// The field that should hold it.
        field: String,
    },
    /// A field of a row holds something else than it should.
    #[error("{place}: field `{field}` must be {expected}, found {found}")]
    FieldType {
        /// Where.
        place: Place,
        /// The field.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// No row has the field that should be compared.
    #[error("none of {documents} documents has anything to compare in the field `{field}`")]
    NoKey {
        /// The field.
        field: String,
        /// How many documents there are.
        documents: u64,
    },
    /// No document has a URL by which it could be compared.
    #[error("none of {documents} documents has a URL in `metadata.url`")]
    NoUrl {
        /// How many documents there are.
        documents: u64,
    },
    /// Two rows of one source share an id.
    #[error("source `{source_name}` has the id `{id}` twice: {first} and {second}")]
    DuplicateId {
        /// The source.
        source_name: String,
        /// The id.
        id: String,
        /// Where it came first.
        first: Place,
        /// Where it came again.
        second: Place,
    },
    /// A licence that is no SPDX expression.
    #[error("{place}: licence `{value}` of source `{source_name}` is not an SPDX expression: {reason}")]
    Licence {
        /// The source.
        source_name: String,
        /// Where.
        place: Place,
        /// The licence.
        value: String,
        /// Why not.
        reason: String,
        /// A spelling that SPDX knows.
        near: Option<String>,
    },
    /// A file without any document.
    #[error("`{file}` of source `{source_name}` is empty")]
    EmptyFile {
        /// The file.
        file: String,
        /// The source.
        source_name: String,
    },
    /// A source without files.
    #[error("source `{source_name}` has no documents: `{pattern}` names no file")]
    NoDocuments {
        /// The source.
        source_name: String,
        /// Its pattern.
        pattern: String,
    },
    /// All documents were dropped.
    #[error("no document is left of {documents} read\n{funnel}")]
    NothingLeft {
        /// Documents read.
        documents: u64,
        /// The funnel as lines of text.
        funnel: String,
        /// What to do about the step that dropped the most.
        advice: String,
    },
    /// All documents went to validation.
    #[error(
        "all {} kept went to validation (validation = {share}); none is left to train on",
        units::plural(*.documents, "document")
    )]
    NoTraining {
        /// Documents kept.
        documents: u64,
        /// The share asked for.
        share: f64,
    },
    /// A document beyond 4 GiB, or with tags and metadata beyond it.
    #[error("{place}: the document takes {} with what is known of it; one may take at most 4.29 GB", units::bytes(*.bytes))]
    TooLong {
        /// Where.
        place: Place,
        /// Its length.
        bytes: u64,
    },
    /// A document longer than the memory allows.
    #[error("{place}: longer than the {} that fit into the memory ({} or more)", units::bytes(*.most), units::bytes(*.bytes))]
    LongDocument {
        /// Where.
        place: Place,
        /// Bytes of it that were read, with what belongs to it.
        bytes: u64,
        /// Bytes that are allowed.
        most: u64,
    },
    /// An id that a copy of another document may be given.
    #[error("{place}: the id `{id}` ends as that of a copy does, and this mix makes copies")]
    CopyId {
        /// Where.
        place: Place,
        /// The id.
        id: String,
    },
    /// More things of one document than the memory allows.
    #[error("{place}: {number} {what} or more, where {most} of one document fit into the memory")]
    Crowded {
        /// Where.
        place: Place,
        /// What they are.
        what: &'static str,
        /// How many were found.
        number: u64,
        /// How many are allowed.
        most: u64,
        /// Bytes of a document for which one counts.
        weight: u64,
    },
    /// A page of a Parquet file longer than the memory allows.
    #[error("`{file}` has a page of {}; at most {} fit into the memory", units::bytes(*.bytes), units::bytes(*.most))]
    LongPage {
        /// The file.
        file: String,
        /// Bytes of the page, unpacked.
        bytes: u64,
        /// Bytes that are allowed.
        most: u64,
    },
    /// What a step holds at once would take more memory than it may.
    #[error("{} of memory or more are needed for {what}; {} are allowed", units::bytes(*.needed), units::bytes(*.allowed))]
    StepMemory {
        /// What needs it.
        what: String,
        /// Bytes needed, at least.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
        /// What else can be done.
        instead: &'static str,
    },
    /// More of something than its number can count.
    #[error("too many {what} for one corpus: at most {most}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many fit.
        most: u64,
    },
    /// A file of the artifact is not what it should be.
    #[error("corpus file `{}` is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Attributes beside an object.
    #[error("`{file}` is in an object store, and no attributes are written or looked for beside it")]
    NotBeside {
        /// Its URL.
        file: String,
    },
    /// A documents file outside of Dolma's layout.
    #[error("`{file}` does not lie below a folder `documents`, beside which its attributes could go")]
    NoDocumentsFolder {
        /// The file.
        file: String,
    },
    /// Another process works in the same folder.
    #[error("another process works in `{folder}`")]
    InUse {
        /// The folder.
        folder: String,
    },
    /// Sources of a build by several tasks cannot be listed.
    #[error(transparent)]
    Listing(Box<regimen_recipe::Error>),
    /// The object store between tasks fails.
    #[error(transparent)]
    Objects(#[from] regimen_objects::Error),
    /// The place between tasks belongs to another build.
    #[error("`{place}` is the plan of another build: {what}")]
    OtherPlan {
        /// The plan's object.
        place: String,
        /// What differs.
        what: String,
    },
    /// What a task left between tasks is not what its note says.
    #[error("the object `{url}` is not what was written")]
    DamagedObject {
        /// The object.
        url: String,
    },
    /// A build cannot be done by several tasks.
    #[error("cannot be built by several tasks: {reason}")]
    Plan {
        /// Why.
        reason: String,
    },
    /// What another program gives does not fit the plan that it works by.
    #[error("{what}")]
    Handed {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// Two inputs would write one output.
    #[error("`{first}` and `{second}` would both be written to `{output}`")]
    SameOutput {
        /// The output.
        output: String,
        /// An input.
        first: String,
        /// The other one.
        second: String,
    },
    /// Attribute files that do not fit their documents.
    #[error("{place}: {reason}")]
    Attributes {
        /// Where, in the attribute file or the file of documents.
        place: Place,
        /// What is wrong, with the field.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// Documents lack the attributes of an experiment.
    #[error("`{file}` is missing: the attributes `{experiment}` of `{documents}`")]
    NoAttributes {
        /// The file that should hold them.
        file: String,
        /// The experiment.
        experiment: String,
        /// The file of documents.
        documents: String,
    },
    /// What was to be edited marks no spans.
    #[error("`{name}` does not mark spans of the text")]
    NoSpans {
        /// The attribute.
        name: String,
    },
    /// A folder that is to be written has other files.
    #[error("`{folder}` holds `{file}`, which this command does not write")]
    NotEmpty {
        /// The folder.
        folder: String,
        /// One of the files.
        file: String,
    },
    /// A folder that is to be written has the finished output of something else.
    #[error("`{folder}` holds {there}, and this is {here}")]
    OtherOutput {
        /// The folder.
        folder: String,
        /// What is in it.
        there: String,
        /// What was to be.
        here: String,
        /// What to do instead of removing what is there.
        instead: &'static str,
    },
    /// A table file could not be written.
    #[error("cannot write `{file}`: {reason}")]
    Table {
        /// The file.
        file: String,
        /// In the words of the writer.
        reason: String,
    },
    /// A file for JSON lines whose name says that it is something else.
    #[error("`{file}` is for JSON lines, but its name ends in `.{ending}`")]
    NoRows {
        /// The file.
        file: String,
        /// The end of its name.
        ending: String,
        /// Whether a table could be written as well.
        tables: bool,
    },
    /// What is to be written is what is read.
    #[error("`{output}` is read here, and would be written over")]
    OverInput {
        /// The file.
        output: String,
    },
    /// Attributes would take the place of documents.
    #[error("`{output}` lies in a folder `documents`, where attributes would be taken for documents")]
    OverDocuments {
        /// Where the attributes would go.
        output: String,
    },
    /// What is written would be read as documents.
    #[error("`{output}` lies in `{folder}`, and would be read with the documents there the next time")]
    AmongDocuments {
        /// Where it would go.
        output: String,
        /// The folder that is read.
        folder: String,
    },
    /// What is written would be taken for attributes, or take their place.
    #[error("`{output}` lies in `{folder}`, among the attributes of the documents")]
    AmongAttributes {
        /// Where it would go.
        output: String,
        /// The folder of the attributes.
        folder: String,
    },
    /// The name of a folder of attributes does not name one folder.
    #[error("`{name}` is not a name for attributes")]
    AttributesName {
        /// The name.
        name: String,
    },
    /// An expression is wrong.
    #[error("{reason}\n  {expression}\n  {caret}")]
    Expression {
        /// The expression.
        expression: String,
        /// Spaces up to the place, and a mark.
        caret: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// Bytes of a record that make no sense.
    #[error("{what} cannot be read: it is damaged")]
    Record {
        /// What.
        what: &'static str,
    },
    /// Deduplication cannot be done as it is asked for.
    #[error(transparent)]
    Dedup(#[from] crate::dedup::Error),
    /// No tagger has this name.
    #[error("there is no tagger `{name}`")]
    UnknownTagger {
        /// The name.
        name: String,
        /// What may be meant.
        hint: String,
    },
    /// A field of a tagger is not what it should be.
    #[error("tagger `{tagger}`, field `{field}`: {reason}")]
    TaggerField {
        /// The tagger.
        tagger: String,
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// No tagger that runs gives this attribute.
    #[error("there is no attribute `{name}`")]
    UnknownAttribute {
        /// The name.
        name: String,
        /// What may be meant.
        hint: String,
    },
    /// No document has this name.
    #[error("no document of the corpus is called `{text}`")]
    NotFound {
        /// What was looked for.
        text: String,
        /// An id that exists, as an example.
        example: Option<String>,
    },
    /// Several documents have this name.
    #[error("`{text}` names several documents: {}", .candidates.join(", "))]
    Ambiguous {
        /// What was looked for.
        text: String,
        /// Some of them as `source:id (key)`.
        candidates: Vec<String>,
    },
    /// A classifier or language model does not follow its format.
    #[error("{place}: this is not a {format} model that can be read: {what}")]
    Model {
        /// Where: a byte of a binary file, a line of a text file.
        place: Place,
        /// `fastText`, `KenLM` or `SentencePiece`.
        format: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A classifier could not be trained.
    #[error("cannot train a classifier: {reason}")]
    Training {
        /// Why.
        reason: String,
    },
    /// Labelled texts that no classifier can be trained on.
    #[error("cannot train a classifier: {what}")]
    Labels {
        /// What is wrong with them.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A line of labelled text without a label.
    #[error("{place}: the line has no label")]
    NoLabel {
        /// Where.
        place: Place,
    },
    /// A file of another format than rows or text (WARC, Parquet, tar) is not what it should be.
    #[error("`{file}`, byte {offset}: {format} {field}: {reason}")]
    Foreign {
        /// The file.
        file: String,
        /// `WARC`, `Parquet`, `CSV`, `tar`.
        format: &'static str,
        /// Where in the file, from 0: in WARC the start of the compressed member, in tar after decompression.
        offset: u64,
        /// The field or part that is wrong.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A column of a table is not there or holds something else than it should.
    #[error("`{file}`: column `{column}`: {reason}")]
    Column {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
        /// The columns that the file has.
        columns: Vec<String>,
    },
    /// A text of a table's row is not UTF-8.
    #[error("{place}: column `{column}`: invalid UTF-8 at byte {byte}")]
    ColumnEncoding {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// Offset in the text, from 0.
        byte: u64,
    },
    /// A column of a Parquet file is packed in a way that this build does not read.
    #[error("`{file}`: column `{column}` is packed with {codec}, which is not read")]
    Codec {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// The packing, as the format calls it.
        codec: String,
    },
    /// A file is no Parquet file at all.
    #[error(
        "`{file}` is no Parquet file: {}",
        if .found.is_empty() { "it is empty".into() } else { format!("it begins with `{}` instead of `PAR1`", .found) }
    )]
    NotParquet {
        /// The file.
        file: String,
        /// Its first bytes; nothing if there are none.
        found: String,
    },
    /// The store does not give an artifact.
    #[error(transparent)]
    Ledger(#[from] regimen_ledger::Error),
    /// A file of a verbatim index is damaged, or belongs to another corpus.
    #[error("index file `{}` cannot be used: {what}", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A document that is too long for the memory in which its suffixes may be sorted.
    #[error(
        "the index of document `{document}` with {} of text needs {} of memory; {} are allowed",
        units::bytes(*.bytes),
        units::bytes(*.needed),
        units::bytes(*.allowed)
    )]
    IndexMemory {
        /// `source:id` of the document.
        document: String,
        /// Bytes of its text.
        bytes: u64,
        /// Bytes of memory needed.
        needed: u64,
        /// Bytes of memory allowed.
        allowed: u64,
        /// Bytes of memory needed however short the document is.
        least: u64,
    },
}

impl Place {
    fn unit_or_file(&self) -> &'static str {
        if self.number > 0 { self.unit } else { "file" }
    }
}

impl Error {
    /// Bytes that are not UTF-8. Those at the `start` of a file may tell what it is.
    pub(crate) fn encoding(place: Place, byte: u64, start: &[u8]) -> Error {
        let encoding = match start {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
            _ => return Error::Encoding { place, byte },
        };
        Error::Marked { file: place.file, encoding }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.into(), what: what.into() }
    }

    pub(crate) fn index(path: &Path, what: impl Into<String>) -> Error {
        Error::Index { path: path.into(), what: what.into() }
    }

    /// As a stage hands it to the runner, which knows [`Interrupted`] by its type.
    pub fn into_failure(self) -> Failure {
        match self {
            Error::Interrupted => Interrupted.into(),
            other => other.into(),
        }
    }
}

impl From<Interrupted> for Error {
    fn from(_: Interrupted) -> Error {
        Error::Interrupted
    }
}
