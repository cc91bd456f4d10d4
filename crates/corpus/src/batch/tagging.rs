//! Tags of rows, one after the other.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::dolma::attributes::Writer;
use crate::dolma::offsets::Offsets;
use crate::dolma::row::Row;
use crate::error::{Error, Place, Result};
use crate::tag::{Buffers, Scratch, Set, Tags};

/// Taggers at work on rows. Many threads use one at once, each with a [`Room`] of its own.
pub struct Tagging {
    set: Set,
    writer: Writer,
}

/// Buffers of one thread, kept from row to row.
#[derive(Default)]
pub struct Room {
    buffers: Buffers,
    scratch: Scratch,
    tags: Tags,
    offsets: Offsets,
}

/// The place of a row in messages.
fn place(row: u64) -> Place {
    Place { file: "batch".into(), unit: "row", number: row + 1 }
}

impl Tagging {
    /// Let the taggers of `set` work. `experiment` is part of the names of attributes in the lines of [`Tagging::line`].
    pub fn new(set: Set, experiment: &str) -> Tagging {
        let writer = Writer::new(&set, experiment);
        Tagging { set, writer }
    }

    /// The taggers.
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// Tag the `row`-th row of a batch, counted from 0. `metadata` is a JSON object, or empty. Offsets of the spans are in
    /// bytes of UTF-8.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a text of 4 GiB or more, [`Error::Json`] for metadata that are no JSON.
    pub fn tags<'r>(&self, row: u64, text: &str, metadata: &str, room: &'r mut Room) -> Result<&'r Tags> {
        short(row, text)?;
        if !metadata.is_empty() {
            serde_json::from_str::<IgnoredAny>(metadata).map_err(|error| Error::Json {
                place: place(row),
                column: error.column().max(1),
                reason: format!("`metadata`: {error}"),
            })?;
        }
        let Room { buffers, scratch, tags, .. } = room;
        self.set.tag(text, metadata, buffers, scratch, tags);
        Ok(tags)
    }

    /// Append the row of a Dolma attributes file that belongs to `line`, a row of a documents file as it is written there:
    /// the bytes that [`crate::dolma::tag`] writes, offsets in code points.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::MissingText`], [`Error::MissingId`], [`Error::TooLong`].
    pub fn line(&self, row: u64, line: &str, room: &mut Room, out: &mut Vec<u8>) -> Result<()> {
        self.write(row, &Row::parse(line, || place(row))?, room, out)
    }

    /// The same for a row in pieces: `id` and `source` are JSON values, `metadata` is a JSON object or empty.
    ///
    /// # Errors
    /// As for [`Tagging::tags`].
    pub fn line_of(
        &self,
        row: u64,
        (id, text, metadata): (&RawValue, &str, &str),
        source: Option<&RawValue>,
        room: &mut Room,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let metadata: Option<&RawValue> = match metadata {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|error| Error::Json {
                place: place(row),
                column: error.column().max(1),
                reason: format!("`metadata`: {error}"),
            })?),
        };
        self.write(row, &Row::of(id, text, source, metadata), room, out)
    }

    fn write(&self, number: u64, row: &Row, room: &mut Room, out: &mut Vec<u8>) -> Result<()> {
        short(number, row.text())?;
        let Room { buffers, scratch, tags, offsets } = room;
        self.set.tag(row.text(), row.metadata(), buffers, scratch, tags);
        self.writer.write(row, tags, offsets, out);
        Ok(())
    }
}

fn short(row: u64, text: &str) -> Result<()> {
    match u32::try_from(text.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::TooLong { place: place(row), bytes: text.len() as u64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Wanted;

    fn tagging() -> Tagging {
        Tagging::new(Set::new(&[Wanted::named("c4_v2"), Wanted::named("length")]).unwrap(), "e")
    }

    #[test]
    fn a_row_in_pieces_gives_the_line_of_the_row_as_it_is_written() {
        let (tagging, mut room) = (tagging(), Room::default());
        let line =
            r#"{"id":"é1","text":"né, one and two.\n@ x","source":"s","metadata":{"url":"http://a.b"}}"#;
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        tagging.line(0, line, &mut room, &mut whole).unwrap();
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        let row = (&*raw("\"é1\""), "né, one and two.\n@ x", r#"{"url":"http://a.b"}"#);
        tagging.line_of(0, row, Some(&raw("\"s\"")), &mut room, &mut pieces).unwrap();
        assert_eq!(String::from_utf8(pieces).unwrap(), String::from_utf8(whole).unwrap());
    }

    #[test]
    fn offsets_of_tags_are_bytes_and_faults_name_the_row() {
        let (tagging, mut room) = (tagging(), Room::default());
        let text = "né, one and two.\n@ x";
        let slot = tagging.set().slot("c4_v2.lines_with_too_few_words").unwrap().0;
        let tags = tagging.tags(0, text, "", &mut room).unwrap();
        let span = tags.spans(slot)[0];
        assert_eq!(&text[span.start as usize..span.end as usize], "@ x");
        let fault = tagging.tags(6, text, "{", &mut room).unwrap_err().to_string();
        assert!(fault.contains("`batch`, row 7") && fault.contains("metadata"), "{fault}");
        let fault = tagging.line(0, r#"{"id":"a"}"#, &mut room, &mut Vec::new()).unwrap_err();
        assert!(matches!(fault, Error::MissingText { .. }));
    }
}
