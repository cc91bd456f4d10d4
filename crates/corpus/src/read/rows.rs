//! From a row of JSON lines, or of a table with a header, to a document; or why it is none.

use std::borrow::Cow;

use regimen_base::units;

use crate::config::{InvalidRow, InvalidUtf8, MissingText};
use crate::date;
use crate::error::{Error, Result};
use crate::read::chunk::Chunk;
use crate::read::document::{About, BOM, INVALID_ROW, INVALID_UTF8, MISSING_TEXT, Maker};
use crate::read::row::{Fields, RawRow, Scalar, mend_surrogates, parse};
use crate::read::table::{self, Header};

impl Maker<'_, '_> {
    /// Rows of a table with a header.
    pub(super) fn table(&mut self, chunk: &Chunk) -> Result<()> {
        let (Some(header), Some(ends)) = (&chunk.header, &chunk.ends) else { return Ok(()) };
        let path = &self.file.path;
        let Some(text) = header.find(&self.source.text_field) else {
            return Err(header.column(path, &self.source.text_field, "the file has no such column"));
        };
        let id = header.find(&self.source.id_field);
        let (mut start, mut number) = (0, chunk.first);
        for &end in ends {
            let (begin, row) = (start, &chunk.data[start..end]);
            start = end;
            if chunk.offset == 0 && begin == 0 {
                continue;
            }
            number += 1;
            if table::is_blank(row) {
                continue;
            }
            self.table_row(number - 1, chunk.offset + begin as u64, row, header, text, id)?;
        }
        Ok(())
    }

    /// A row of a table, at a byte of the file, with the numbers of the columns of text and id.
    fn table_row(
        &mut self,
        number: u64,
        byte: u64,
        row: &[u8],
        header: &Header,
        text: usize,
        id: Option<usize>,
    ) -> Result<()> {
        let (line, repaired) = match std::str::from_utf8(row) {
            Ok(line) => (Cow::Borrowed(line), false),
            Err(error) if self.reading.invalid_utf8 == InvalidUtf8::Error => {
                let byte = error.valid_up_to() as u64;
                return Err(Error::Encoding { place: self.place(number), byte });
            }
            Err(_) => (String::from_utf8_lossy(row), true),
        };
        let path = &self.file.path;
        let mut fields = table::fields(&line, header.delimiter)
            .map_err(|(at, reason)| table::fault(path, number, byte + at as u64, reason))?;
        if fields.len() != header.columns.len() {
            let (found, wanted) = (fields.len() as u64, header.columns.len() as u64);
            let reason = format!("{}, but the header has {wanted}", units::plural(found, "field"));
            return self.invalid(number, table::fault(path, number, byte, reason));
        }
        let mut take = |at: usize| Scalar::Text(std::mem::take(&mut fields[at]));
        let id = id.map(&mut take).unwrap_or_default();
        let text = take(text);
        let (mut row, mut metadata) = (RawRow { text, id, ..RawRow::default() }, serde_json::Map::new());
        for (column, cell) in header.columns.iter().zip(&fields) {
            if *column == self.source.text_field || *column == self.source.id_field || cell.is_empty() {
                continue;
            }
            let scalar = || Scalar::Text(Cow::Borrowed(&**cell));
            match column.as_str() {
                "created" => row.created = scalar(),
                "author_kind" => row.author = scalar(),
                "license" | "licence" => row.licence = scalar(),
                _ => {}
            }
            metadata.insert(column.clone(), cell.as_ref().into());
        }
        let metadata = serde_json::Value::Object(metadata).to_string();
        row.metadata = metadata.into();
        self.row_of(number, row, repaired)
    }

    pub(super) fn rows(&mut self, chunk: &Chunk) -> Result<()> {
        let numbered = chunk.first..;
        let data = match chunk.data.strip_prefix(BOM) {
            Some(rest) if chunk.offset == 0 => rest,
            _ => &chunk.data[..],
        };
        match std::str::from_utf8(data) {
            Ok(all) => {
                numbered.zip(all.split('\n')).try_for_each(|(number, line)| self.row(number, line, false))
            }
            Err(_) => {
                let mut lines = numbered.zip(data.split(|&b| b == b'\n'));
                lines.try_for_each(|(number, line)| match std::str::from_utf8(line) {
                    Ok(line) => self.row(number, line, false),
                    Err(error) if self.reading.invalid_utf8 == InvalidUtf8::Error => {
                        let start = if chunk.offset == 0 { data } else { &[] };
                        Err(Error::encoding(self.place(number), error.valid_up_to() as u64, start))
                    }
                    Err(_) => self.row(number, &String::from_utf8_lossy(line), true),
                })
            }
        }
    }

    /// One line; `repaired` says that there was something in it that is not UTF-8, which has been replaced.
    fn row(&mut self, number: u64, line: &str, mut repaired: bool) -> Result<()> {
        if line.bytes().all(|b| b.is_ascii_whitespace()) {
            return Ok(());
        }
        let fields = Fields { text: &self.source.text_field, id: &self.source.id_field };
        let mended;
        let row = match parse(line, fields) {
            Err(bad) if bad.surrogate && self.reading.invalid_utf8 != InvalidUtf8::Error => {
                mended = mend_surrogates(line);
                repaired = true;
                parse(&mended, fields)
            }
            row => row,
        };
        match row {
            Ok(row) => self.row_of(number, row, repaired),
            Err(bad) => {
                // Half of a pair is for `invalid_utf8` to judge, and a field of another type is no row that cannot be read.
                let others = bad.surrogate || bad.metadata;
                let why = Error::Json { place: self.place(number), column: bad.column, reason: bad.reason };
                if others { Err(why) } else { self.invalid(number, why) }
            }
        }
    }

    /// A row of which nothing is known but where it stands, and why.
    fn invalid(&mut self, number: u64, why: Error) -> Result<()> {
        if self.reading.invalid_row == InvalidRow::Error {
            return Err(Error::InvalidRow(Box::new(why)));
        }
        self.pass_attributes(number)?;
        let licence = Cow::Borrowed(self.source.licence.as_str());
        let about = About { author: self.source.author, licence, ..About::default() };
        self.add(number, about, String::new(), 0, Some(INVALID_ROW))
    }

    fn row_of(&mut self, number: u64, row: RawRow, repaired: bool) -> Result<()> {
        let id = self.id(number, row.id)?;
        let text = if let Scalar::Text(text) = &row.text { Some(&**text) } else { None };
        let about = About {
            attributes: self.attributes(id.as_deref().unwrap_or_default(), text)?,
            id,
            author: self.author(number, &row.author)?,
            licence: self.licence(number, row.licence)?,
            created: match &row.created {
                Scalar::Text(text) => date::days(text),
                _ => None,
            },
            repaired,
            metadata: &row.metadata,
            span: None,
        };
        match row.text {
            Scalar::Text(text) => {
                let length = text.len();
                if repaired && self.reading.invalid_utf8 == InvalidUtf8::Drop {
                    return self.add(number, about, String::new(), length, Some(INVALID_UTF8));
                }
                self.add(number, about, text.into_owned(), length, None)
            }
            Scalar::Null if self.reading.missing_text == MissingText::Drop => {
                self.add(number, about, String::new(), 0, Some(MISSING_TEXT))
            }
            Scalar::Null => {
                Err(Error::MissingText { place: self.place(number), field: self.source.text_field.clone() })
            }
            other => Err(self.wrong(number, &self.source.text_field, "a text", other.kind())),
        }
    }
}
