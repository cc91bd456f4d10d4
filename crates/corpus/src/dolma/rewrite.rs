//! A row of documents, written again with another text or without some of its fields. What is not touched stays as it was
//! written, byte for byte.

use serde_json::value::RawValue;

use super::row::Row;
use crate::error::{Error, Place, Result};
use crate::read::attribute_row::Entries;
use crate::read::row::reason;

/// Append the row with `text` and `id` in place of its own, if they are given, and without the fields in `discard`.
pub(crate) fn rewrite(
    row: &Row,
    text: Option<&str>,
    id: Option<&str>,
    discard: &[String],
    place: &dyn Fn() -> Place,
    out: &mut Vec<u8>,
) -> Result<()> {
    let line = row.line().trim();
    if text.is_none() && id.is_none() && discard.is_empty() {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        return Ok(());
    }
    let fields: Entries<&RawValue> = serde_json::from_str(line).map_err(|error| Error::Json {
        place: place(),
        column: error.column().max(1),
        reason: reason(&error),
    })?;
    out.push(b'{');
    let mut first = true;
    for (name, value) in fields.0 {
        if discard.iter().any(|gone| *gone == *name) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        // Writing to memory cannot fail, and a text has no shape that JSON lacks.
        let _ = serde_json::to_writer(&mut *out, &name);
        out.push(b':');
        let new = match &*name {
            "text" => text,
            "id" => id,
            _ => None,
        };
        match new {
            Some(text) => drop(serde_json::to_writer(&mut *out, text)),
            None => out.extend_from_slice(value.get().as_bytes()),
        }
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_changes() {
        let place = || Place { file: String::new(), unit: "", number: 0 };
        let line = " {\"id\": 1.50, \"text\": \"\\u0061\\n\", \"a\\u0062\": {\"x\":[ 1 ]}, \"z\":0}\r";
        let row = Row::parse(line, place).unwrap();
        let written = |text: Option<&str>, discard: &[&str]| {
            let discard: Vec<String> = discard.iter().map(|d| d.to_string()).collect();
            let mut out = Vec::new();
            rewrite(&row, text, None, &discard, &place, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let mut copy = Vec::new();
        rewrite(&row, None, Some("1.50#2"), &[], &place, &mut copy).unwrap();
        assert_eq!(copy, b"{\"id\":\"1.50#2\",\"text\":\"\\u0061\\n\",\"ab\":{\"x\":[ 1 ]},\"z\":0}\n");
        assert_eq!(written(None, &[]), format!("{}\n", line.trim()));
        assert_eq!(
            written(Some("é\"\n"), &[]),
            "{\"id\":1.50,\"text\":\"é\\\"\\n\",\"ab\":{\"x\":[ 1 ]},\"z\":0}\n"
        );
        assert_eq!(written(None, &["ab", "id"]), "{\"text\":\"\\u0061\\n\",\"z\":0}\n");
        assert_eq!(written(Some(""), &["z", "ab", "id"]), "{\"text\":\"\"}\n");
    }
}
