//! The way out of every error.

use regimen_base::hint::Interrupted;
use regimen_base::{Hint, units};

use super::Error;
use crate::memory::Memory;

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::File(error) => return error.hint(),
            Error::Config(error) => return error.hint(),
            Error::Interrupted => return Interrupted.hint(),
            Error::Truncated { .. } => "fetch or copy the file again; its end is missing".into(),
            Error::Compressed { format, .. } => {
                format!("test the file with `{format} -t`; if it is not compressed, change the end of its name")
            }
            Error::Record { .. } => {
                "run `regimen ledger verify` to see what else is damaged, delete the artifact and run its recipe again"
                    .into()
            }
            Error::Dedup(error) => return error.hint(),
            Error::NotBeside { .. } => {
                "name a local folder: --to DIR to write them, --attributes ./DIR (with a `/`) to read them".into()
            }
            Error::NoDocumentsFolder { .. } => "name a folder for them with --to".into(),
            Error::Listing(error) => return error.hint(),
            Error::Objects(error) => return error.hint(),
            Error::OtherPlan { .. } => {
                "give all tasks the same recipe, files and number of tasks; a changed recipe needs a place of its own".into()
            }
            Error::DamagedObject { .. } => {
                "delete it with all objects of its name, the .note files too, and run the same command again: they are made anew".into()
            }
            Error::Plan { .. } => "leave out what is named, or build on one machine".into(),
            Error::Handed { hint, .. } => (*hint).into(),
            Error::InUse { .. } => "wait for it, or stop it; then run the same command again".into(),
            Error::SameOutput { .. } => "run the step once for each of their folders, each with its own --to".into(),
            Error::NoAttributes { .. } => {
                "write them first (`regimen corpus tag`, `regimen corpus dedup`), or name others with --attributes".into()
            }
            Error::NoSpans { .. } => "`regimen corpus taggers NAME` shows which attributes are spans".into(),
            Error::NotEmpty { .. } => "name another folder, or take away what an earlier run left there".into(),
            Error::OtherOutput { folder, instead, .. } => {
                format!("{instead}, or remove `{folder}` first: what is finished is not replaced")
            }
            Error::Table { .. } => "check the free space and the rights of the folder".into(),
            Error::NoRows { tables: true, .. } => {
                "let the name end in .jsonl, .jsonl.gz, .jsonl.zst or .parquet; no other format or packing is written".into()
            }
            Error::NoRows { .. } => {
                "let the name end in .jsonl, .jsonl.gz or .jsonl.zst; no other format or packing is written".into()
            }
            Error::OverInput { .. } => "name another file or folder; what is read stays as it is".into(),
            Error::AmongDocuments { .. } | Error::AmongAttributes { .. } => "name a place outside of that folder".into(),
            Error::OverDocuments { .. } => {
                "leave out --to, so that they go to `attributes` beside it, or name another folder".into()
            }
            Error::AttributesName { .. } => "use letters, digits, `-`, `_` and `.`, and no other name of a folder".into(),
            Error::Attributes { hint, .. }
            | Error::UnknownTagger { hint, .. }
            | Error::TaggerField { hint, .. }
            | Error::Expression { hint, .. }
            | Error::UnknownAttribute { hint, .. } => hint.clone(),
            Error::NoReader { .. } => "JSON lines (.jsonl, .ndjson, .json or any other name), CSV and TSV (.csv, .tsv), all also .gz or .zst, and \
                 Parquet (.parquet) are read here; convert the file, or narrow the pattern to the documents. A `corpus` stage of a recipe \
                 reads text, HTML, WARC and code as well"
                .into(),
            Error::UnknownFormat { file, .. } if file.contains(".tar") || file.ends_with(".tgz") => {
                "an archive of source code is read with format = \"code\" in the source; unpack others".into()
            }
            Error::UnknownFormat { .. } => "name the format in the source (format = \"text\", \"jsonl\", \"code\", ..), or \
                 narrow `path` to files that end in .txt, .md, .jsonl, .ndjson, .json, .csv, .tsv, .html, with or without .gz or .zst, \
                 or in .parquet, .warc, .wet or .wat"
                .into(),
            Error::Encoding { .. } => "convert the file to UTF-8 (iconv -f LATIN1 -t UTF-8), or set invalid_utf8 = \
                 \"replace\" or \"drop\" in the corpus stage"
                .into(),
            Error::Marked { encoding, .. } => {
                format!("convert the file to UTF-8 (iconv -f {encoding} -t UTF-8)")
            }
            Error::Json { reason, .. } if is_half_pair(reason) => {
                "a text may not hold half of a UTF-16 pair; set invalid_utf8 = \"replace\" or \"drop\" in the corpus \
                 stage"
                    .into()
            }
            Error::Json { .. } => "every line must be one JSON object such as {\"id\": \"a\", \"text\": \"...\"}".into(),
            Error::InvalidRow(why) => {
                let hint = why.hint().unwrap_or_default();
                format!("{hint}; to drop such rows, set invalid_row = \"drop\" in the corpus stage")
            }
            Error::MissingText { .. } => "name the field that holds the text with `text_field` in the source (--text-field of a step), or set \
                 missing_text = \"drop\" in the corpus stage"
                .into(),
            Error::MissingId { .. } => {
                "set format = \"jsonl\" to name such rows by file and line, or name the field with `id_field` (--id-field of a step)"
                    .into()
            }
            Error::FieldType { .. } => "correct the row, or name another field".into(),
            Error::NoKey { .. } => {
                "name a field of the rows with --key, such as id or metadata.url; --min-bytes and --min-words pass over short ones"
                    .into()
            }
            Error::NoUrl { .. } => {
                "put the address of a page there, or compare another field with --by document --key FIELD".into()
            }
            Error::DuplicateId { .. } => {
                "make the ids unique, or split the files into two sources with names of their own".into()
            }
            Error::Licence { near, .. } => {
                let spelling = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "use an identifier of the SPDX list such as CC-BY-4.0, or LicenseRef-NAME for any other \
                             licence, or NOASSERTION if it is not known"
                        .into(),
                };
                format!("{spelling}; to take such rows as NOASSERTION, set invalid_licence = \"noassertion\" in the corpus stage")
            }
            Error::EmptyFile { .. } => "remove the file or narrow the pattern in `path`".into(),
            Error::NoDocuments { .. } => "put files there, or correct `path` in the source".into(),
            Error::NothingLeft { advice, .. } => advice.clone(),
            Error::NoTraining { .. } => "lower `validation`, or add documents (a text source can be cut into several \
                 documents with `blocks`)"
                .into(),
            Error::TooLong { .. } => "cut the document into several; plain text is cut by `blocks` in its source".into(),
            Error::LongDocument { bytes, .. } => {
                let enough = Memory::for_longest(*bytes).div_ceil(1_000_000);
                format!(
                    "allow more with --memory {enough}MB (in a recipe `memory = {enough}000000`), or cut the document into \
                     several; plain text is cut by `blocks` in its source"
                )
            }
            Error::CopyId { .. } => {
                "the second copy of `x` is called `x#2`: mix the documents that such copies were made of, give ids that end \
                 otherwise, or take none more than once (max_copies = 1)"
                    .into()
            }
            Error::Crowded { what, number, weight, .. } => {
                let enough = Memory::for_longest(number.saturating_mul(*weight)).div_ceil(1_000_000);
                let fewer = match *what {
                    "n-grams" => "take fewer n-grams with a larger --stride (in a recipe paragraphs.stride)",
                    _ => "pass over short paragraphs with --min-bytes or --min-words",
                };
                format!("allow more with --memory {enough}MB, or {fewer}")
            }
            Error::LongPage { bytes, .. } => {
                let enough = Memory::for_page(*bytes).div_ceil(1_000_000);
                format!(
                    "allow more with --memory {enough}MB (in a recipe `memory = {enough}000000`), or write the file with \
                     smaller pages"
                )
            }
            Error::StepMemory { needed, instead, .. } => {
                format!("allow more with --memory {}MB, or {instead}", needed.div_ceil(1_000_000))
            }
            Error::TooMany { .. } => "build several corpora".into(),
            Error::Damaged { .. } => {
                "run `regimen ledger verify` to see what else is damaged, delete the artifact and run its recipe again"
                    .into()
            }
            Error::NotFound { example: Some(example), .. } => {
                format!("documents are named by key, by id or by source and id, such as `{example}`")
            }
            Error::NotFound { .. } => "documents are named by key, by id or by source and id".into(),
            Error::Ambiguous { .. } => "give more digits of the key, or source and id".into(),
            Error::Model { format: "fastText", .. } => "give a supervised model as fastText saves it (.bin or .ftz); if it \
                 is one, fetch it again"
                .into(),
            Error::Model { format: "SentencePiece", .. } => "give a unigram model as SentencePiece saves it (.model); if it is \
                 one, fetch it again"
                .into(),
            Error::Model { .. } => "give an ARPA file (also .gz or .zst) or a file that KenLM's build_binary made; if it is \
                 one, fetch it again"
                .into(),
            Error::Training { .. } => {
                "give lines such as `__label__en The text`, and options within the ranges of the help".into()
            }
            Error::Labels { hint, .. } => hint.clone(),
            Error::NoLabel { .. } => "begin every line with a label, as in `__label__good The text`".into(),
            Error::Foreign { format: "WARC", .. } => {
                "fetch the file again, or set missing_text = \"drop\" to pass over such records, each with its reason".into()
            }
            Error::Foreign { format: "CSV", .. } => {
                "put fields with quotes, line feeds or the character between fields into quotes, and double each quote in \
                 them; every row needs as many fields as the header"
                    .into()
            }
            Error::Foreign { .. } => "fetch or write the file again; its bytes are damaged".into(),
            Error::ColumnEncoding { .. } => {
                "write the table with texts in UTF-8, or set invalid_utf8 = \"replace\" or \"drop\" in the corpus stage"
                    .into()
            }
            Error::Codec { .. } => {
                "write it again unpacked or with Snappy, gzip, Zstandard or LZ4_RAW: these are read".into()
            }
            Error::NotParquet { found, .. } if found.is_empty() => "fetch or write the file again, or remove it".into(),
            Error::NotParquet { .. } => {
                "name what it is in the source (`format`), or narrow `path` to Parquet files; an encrypted one (`PARE`) \
                 is not read"
                    .into()
            }
            Error::Column { columns, reason, .. } if reason.ends_with("no such column") => format!(
                "the file has the columns {}; name one with `text_field` or `id_field` of the source (--text-field and \
                 --id-field of a step, --field of evaluation sets)",
                columns.join(", ")
            ),
            Error::Column { columns, .. } => format!("the file has the columns {}", columns.join(", ")),
            Error::Ledger(error) => return error.hint(),
            Error::Index { path, .. } => format!(
                "remove the folder `{}` and make the index again with `regimen corpus index CORPUS`",
                path.parent().unwrap_or(path).display()
            ),
            Error::IndexMemory { needed, allowed, least, .. } if allowed < least => {
                format!("{} are needed however short the documents are: give --memory {needed} or more", units::bytes(*least))
            }
            Error::IndexMemory { needed, .. } => {
                format!("allow it with --memory {needed}, or cut the document into several in its recipe")
            }
        })
    }
}

impl Error {
    /// The way out for a command that works on files: it has options where a recipe has fields.
    pub fn hint_of_step(&self) -> Option<String> {
        let text = match self {
            Error::File(error) => return error.hint(),
            Error::InvalidRow(why) => return why.hint_of_step(),
            Error::Encoding { .. } => {
                "convert the file to UTF-8 (iconv -f LATIN1 -t UTF-8), or take documents with --invalid-utf8 replace"
            }
            Error::ColumnEncoding { .. } => {
                "write the table again with texts in UTF-8, or take documents with --invalid-utf8 replace"
            }
            Error::Json { reason, .. } if is_half_pair(reason) => {
                "a text may not hold half of a UTF-16 pair: write the row again without it, or take documents with \
                 --invalid-utf8 replace"
            }
            Error::MissingText { .. } => {
                "name the field that holds the text with --text-field (`text_field` in the file of a mix), or take such rows out"
            }
            Error::MissingId { .. } => {
                "name the field that holds the id with --id-field (`id_field` in the file of a mix), or give every row one"
            }
            Error::NotParquet { found, .. } if !found.is_empty() => {
                "let its name say what it is, or narrow the pattern to Parquet files; an encrypted one (`PARE`) is not read"
            }
            Error::Column { columns, reason, .. } if reason.ends_with("no such column") => {
                return Some(format!(
                    "the file has the columns {}; name one with --text-field or --id-field (of an evaluation set with --field)",
                    columns.join(", ")
                ));
            }
            Error::LongDocument { bytes, .. } => {
                let enough = Memory::for_longest(*bytes).div_ceil(1_000_000);
                return Some(format!(
                    "allow more with --memory {enough}MB, or cut the document into several"
                ));
            }
            Error::LongPage { bytes, .. } => {
                let enough = Memory::for_page(*bytes).div_ceil(1_000_000);
                return Some(format!(
                    "allow more with --memory {enough}MB, or write the file with smaller pages"
                ));
            }
            _ => return self.hint(),
        };
        Some(text.into())
    }
}

/// Whether the JSON reader met half of a UTF-16 pair.
fn is_half_pair(reason: &str) -> bool {
    reason.contains("surrogate") || reason.contains("hex escape")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn steps_have_no_fields_of_recipes() {
        let place = || Place { file: "a.jsonl".into(), unit: "line", number: 1 };
        let all = [
            Error::Encoding { place: place(), byte: 0 },
            Error::Json { place: place(), column: 1, reason: "lone leading surrogate in hex escape".into() },
            Error::InvalidRow(Box::new(Error::Json {
                place: place(),
                column: 1,
                reason: "expected value".into(),
            })),
            Error::MissingText { place: place(), field: "text".into() },
            Error::MissingId { place: place(), field: "id".into() },
            Error::NotParquet { file: "a.parquet".into(), found: "{".into() },
            Error::LongDocument { place: place(), bytes: 10, most: 5 },
            Error::LongPage { file: "a.parquet".into(), bytes: 10, most: 5 },
        ];
        for error in all {
            let (step, recipe) = (error.hint_of_step().unwrap(), error.hint().unwrap());
            assert_ne!(step, recipe, "{error}");
            for word in ["stage", "source", "format =", "invalid_", "missing_text", "recipe", "blocks"] {
                assert!(!step.contains(word), "{word}: {step}");
            }
        }
    }
}
