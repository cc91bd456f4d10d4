//! Two tables in Parquet: `documents.parquet`, one row a document (dropped ones too), and `attributes.parquet`, one row
//! a span. Texts are not in them.

use std::path::Path;

use super::Exported;
use super::parts::Limits;
use super::table::{Column, Declared, Kind, Table, declared};
use crate::claim::Claim;
use crate::corpus::{Corpus, Tagged};
use crate::error::{Error, Result};
use crate::tag::Shape;
use crate::warc::Span;

/// What a row group holds at most. Texts are not in it.
const GROUPS: Limits = Limits { text: u64::MAX, words: 64 << 20, rows: 1 << 17 };
/// The same for a table of texts and spans.
const SPANS: usize = 1 << 19;

/// Name of the table of documents.
pub(super) const DOCUMENTS: &str = "documents.parquet";
/// Name of the table of spans.
pub(super) const ATTRIBUTES: &str = "attributes.parquet";

/// The columns of the table of documents.
pub(super) fn document_columns(corpus: &Corpus) -> Vec<Declared> {
    use Kind::{Day, Long, Number, Text};
    let mut all = vec![
        declared("ordinal", Long, false, "Number of the document in document order, from 0"),
        declared("key", Text, false, "blake3-128 of source name, a zero byte, and the id"),
        declared("id", Text, false, "The source's own id, or path and line"),
        declared("source", Text, false, "Name of the source"),
        declared("licence", Text, false, "SPDX expression"),
        declared("author", Text, false, "human, machine, mixed or unknown"),
        declared("split", Text, true, "train or validation; null if it was dropped"),
        declared("file", Text, false, "Source file relative to the project"),
        declared("line", Long, false, "Line or block in the file from 1"),
        declared(
            "offset",
            Long,
            true,
            "Byte of the file, as it lies on the disk, at which the member with the record begins",
        ),
        declared("length", Long, true, "Bytes of that member; null where it goes on behind the record"),
        declared("within", Long, true, "Unpacked bytes of the member before the record"),
        declared("copies", Long, false, "How often the mix takes it; 0 if it was dropped"),
        declared("bytes", Long, false, "Bytes of text as kept, or of the source text if it was dropped"),
        declared("created", Day, true, "Day of creation"),
        declared("reason", Text, true, "Why it was dropped; null if it was kept"),
        declared("representative", Long, true, "Ordinal of the document that stayed in its place"),
    ];
    all.extend(metadata_column(corpus));
    let names = corpus.names();
    all.extend(names.rules.iter().map(|rule| {
        declared(&format!("rule.{}", rule.name), Number, true, &format!("{}; {}", rule.doc, rule.limit()))
    }));
    all.extend(columned(corpus).map(|slot| {
        let attribute = &names.attributes[slot];
        let kind = if attribute.shape == Shape::Label { Text } else { Number };
        declared(&attribute.full(), kind, true, &attribute.doc)
    }));
    // Two rules on one measure have one column each, but names must be unique.
    let mut seen = std::collections::HashSet::new();
    all.retain(|column| seen.insert(column.name.clone()));
    all
}

/// The attributes of which a document has one at most, by slot: each is a column.
fn columned(corpus: &Corpus) -> impl Iterator<Item = usize> {
    let attributes = &corpus.names().attributes;
    (0..attributes.len()).filter(|&slot| matches!(attributes[slot].shape, Shape::Value | Shape::Label))
}

/// The column of the metadata, if the corpus keeps any.
pub(super) fn metadata_column(corpus: &Corpus) -> Option<Declared> {
    let keeps = !corpus.names().metadata.is_empty();
    keeps.then(|| {
        declared("metadata", Kind::Text, true, "What the corpus keeps of the metadata: an object as JSON")
    })
}

/// The metadata of some documents, if the corpus keeps any.
pub(super) fn metadata_of(corpus: &Corpus, some: &[u32]) -> Result<Option<Column>> {
    if corpus.names().metadata.is_empty() {
        return Ok(None);
    }
    let each = some.iter().map(|&ordinal| Ok(corpus.metadata(ordinal)?.map(str::to_string)));
    Ok(Some(Column::Text(each.collect::<Result<_>>()?)))
}

/// The columns of the table of spans.
pub(super) fn span_columns() -> Vec<Declared> {
    use Kind::{Long, Number, Text};
    vec![
        declared("ordinal", Long, false, "Number of the document"),
        declared("tagger", Text, false, "What the tagger was called"),
        declared("attribute", Text, false, "The attribute"),
        declared("start", Long, false, "Offset of the first byte in the source text (UTF-8)"),
        declared("end", Long, false, "Offset behind the last byte"),
        declared("score", Number, true, "The number of the span; null if it is none"),
    ]
}

/// Check that no tables that an export did not write are where it has its own.
///
/// # Errors
/// [`Error::NotEmpty`] with the first of them.
pub(super) fn no_other_tables(dir: &Path) -> Result<()> {
    let placed = Claim::placed(dir);
    let other = |file: &&str| dir.join(file).exists() && !placed.iter().any(|own| own == file);
    match [DOCUMENTS, ATTRIBUTES].into_iter().find(other) {
        None => Ok(()),
        Some(file) => Err(Error::NotEmpty { folder: dir.display().to_string(), file: file.into() }),
    }
}

/// Put both tables, which are whole, into their places in `dir`.
pub(super) fn finish(dir: &Path, documents: Table, spans: Table) -> Result<()> {
    Claim::begin(dir, &[DOCUMENTS.into(), ATTRIBUTES.into()])?;
    documents.finish()?;
    spans.finish()
}

/// Write both tables into `dir`.
///
/// # Errors
/// [`Error::Table`] if a file cannot be written, [`Error::NotEmpty`] for a table of something else in its place, and
/// [`Error::Damaged`] for a damaged corpus.
pub fn parquet(corpus: &Corpus, dir: &Path) -> Result<Exported> {
    no_other_tables(dir)?;
    let documents = documents(corpus, &dir.join(DOCUMENTS))?;
    finish(dir, documents, spans(corpus, &dir.join(ATTRIBUTES))?)?;
    Ok(Exported {
        files: vec![DOCUMENTS.into(), ATTRIBUTES.into()],
        documents: corpus.len() as u64,
        ..Exported::default()
    })
}

fn documents(corpus: &Corpus, path: &Path) -> Result<Table> {
    let columns = document_columns(corpus);
    let names = corpus.names();
    let mut table = Table::create(path, &columns)?;
    let all: Vec<u32> = (0..corpus.len() as u32).collect();
    for some in GROUPS.parts(corpus, &all) {
        let places = some.iter().map(|&ordinal| corpus.span(ordinal)).collect::<Result<Vec<_>>>()?;
        let place = |of: &dyn Fn(&Span) -> Option<u64>| {
            let each =
                places.iter().map(|span| span.as_ref().and_then(of).and_then(|x| i64::try_from(x).ok()));
            Column::Long(each.collect())
        };
        let text = |of: &dyn Fn(u32) -> Option<String>| Column::Text(some.iter().map(|&o| of(o)).collect());
        let long = |of: &dyn Fn(u32) -> Option<i64>| Column::Long(some.iter().map(|&o| of(o)).collect());
        let row = |ordinal: u32| corpus.row(ordinal);
        let mut group = vec![
            long(&|o| Some(o.into())),
            text(&|o| Some(row(o).key.to_string())),
            text(&|o| Some(corpus.id(o).into())),
            text(&|o| Some(corpus.source_name(row(o).source).into())),
            text(&|o| Some(corpus.licence_name(row(o).licence).into())),
            text(&|o| Some(row(o).author.name().into())),
            text(&|o| row(o).kept().then(|| row(o).split.name().into())),
            text(&|o| Some(names.files[row(o).file as usize].path.clone())),
            long(&|o| Some(row(o).line.into())),
            place(&|span| Some(span.offset)),
            place(&|span| span.length),
            place(&|span| Some(span.within)),
            long(&|o| Some(if row(o).kept() { row(o).copies.into() } else { 0 })),
            long(&|o| Some(row(o).bytes.into())),
            Column::Day(some.iter().map(|&o| row(o).created).collect()),
            text(&|o| row(o).dropped.map(|reason| corpus.reason_name(reason).into())),
            long(&|o| row(o).representative.map(i64::from)),
        ];
        group.extend(metadata_of(corpus, some)?);
        for slot in 0..names.rules.len() {
            group.push(Column::Number(some.iter().map(|&o| corpus.rule(o, slot).map(f64::from)).collect()));
        }
        let slots: Vec<usize> = columned(corpus).collect();
        let mut columns: Vec<Column> = slots
            .iter()
            .map(|&slot| match names.attributes[slot].shape {
                Shape::Label => Column::Text(Vec::with_capacity(some.len())),
                _ => Column::Number(Vec::with_capacity(some.len())),
            })
            .collect();
        for &ordinal in some {
            let tags = corpus.tags(ordinal)?;
            for (column, &slot) in columns.iter_mut().zip(&slots) {
                let tagged = tags.get(slot);
                match column {
                    Column::Text(all) => all.push(tagged.and_then(Tagged::label).map(str::to_string)),
                    Column::Number(all) => {
                        all.push(tagged.and_then(|t| t.spans.first()).map(|span| span.score));
                    }
                    _ => {}
                }
            }
        }
        group.extend(columns);
        table.group(group)?;
    }
    Ok(table)
}

fn spans(corpus: &Corpus, path: &Path) -> Result<Table> {
    let mut table = Table::create(path, &span_columns())?;
    let mut rows: Vec<(i64, usize, i64, i64, f64)> = Vec::new();
    let names = &corpus.names().attributes;
    let flush = |rows: &mut Vec<(i64, usize, i64, i64, f64)>, table: &mut Table| {
        let long = |of: &dyn Fn(&(i64, usize, i64, i64, f64)) -> i64| {
            Column::Long(rows.iter().map(|row| Some(of(row))).collect())
        };
        let group = vec![
            long(&|row| row.0),
            Column::Text(rows.iter().map(|row| Some(names[row.1].tagger.clone())).collect()),
            Column::Text(rows.iter().map(|row| Some(names[row.1].name.clone())).collect()),
            long(&|row| row.2),
            long(&|row| row.3),
            Column::Number(rows.iter().map(|row| row.4.is_finite().then_some(row.4)).collect()),
        ];
        rows.clear();
        table.group(group)
    };
    for ordinal in 0..corpus.len() as u32 {
        for (slot, tagged) in corpus.tags(ordinal)?.iter().enumerate() {
            let wanted = if tagged.attribute.shape == Shape::Spans { &tagged.spans[..] } else { &[] };
            for span in wanted {
                rows.push((ordinal.into(), slot, span.start.into(), span.end.into(), span.score));
                if rows.len() == SPANS {
                    flush(&mut rows, &mut table)?;
                }
            }
        }
    }
    if !rows.is_empty() {
        flush(&mut rows, &mut table)?;
    }
    Ok(table)
}
