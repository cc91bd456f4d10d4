//! From a file of a tree of source code to a document: what is code, under which licence, or why it is dropped.

use std::borrow::Cow;

use crate::code::{Step, Why, language};
use crate::config::InvalidUtf8;
use crate::error::{Error, Place, Result};
use crate::names::Reason;
use crate::read::document::{About, EMPTY, INVALID_UTF8, Maker};

/// Numbers of the reasons for files of source code, from the first one that comes behind those of the pipeline.
const BINARY: u16 = 0;
const TOO_LARGE: u16 = 1;
const NO_CODE: u16 = 2;
const LICENCE_FILE: u16 = 3;
/// Bytes of a file of source code in which its first line is looked for.
const FIRST_LINE: usize = 256;

/// The reasons for which such files are dropped, in the order of their numbers.
pub(super) fn reasons() -> [Reason; 4] {
    let reason = |name: &str, text: &str| Reason { name: name.into(), text: text.into() };
    [
        reason("binary", "file with a zero byte at its start"),
        reason("too_large", "file of source code above 1 MiB"),
        reason("no_code", "file of no known language, a link, or of a version control system"),
        reason("licence_file", "licence file, which speaks for the files beside it"),
    ]
}

impl Maker<'_, '_> {
    /// A file of source code.
    pub(super) fn code(&mut self, number: u64, id: Option<String>, step: Step) -> Result<()> {
        let reasons = self.reading.pipeline.reasons().len() + self.reading.rules.rules.len();
        let first = self.reading.first_rule() + reasons as u16;
        let path = step.path().to_string();
        let mut metadata = serde_json::Map::new();
        metadata.insert("path".into(), path.as_str().into());
        let mut licence = Cow::Borrowed(self.source.licence.as_str());
        let mut repaired = false;
        let (text, size, dropped) = match step {
            Step::Licence { .. } => (String::new(), 0, Some(first + LICENCE_FILE)),
            Step::Skipped { why: Why::TooLarge, bytes, .. } => {
                (String::new(), bytes, Some(first + TOO_LARGE))
            }
            Step::Skipped { bytes, .. } => (String::new(), bytes, Some(first + NO_CODE)),
            Step::Content(mut content) => {
                let start = String::from_utf8_lossy(&content.bytes[..content.bytes.len().min(FIRST_LINE)]);
                let language = language(&path, start.trim_start_matches('\u{feff}'));
                let reason = match content.unfit() {
                    Some(Why::TooLarge) => Some(first + TOO_LARGE),
                    Some(Why::Empty) => Some(EMPTY),
                    Some(_) => Some(first + BINARY),
                    None => language.is_none().then_some(first + NO_CODE),
                };
                if let Some(language) = language {
                    metadata.insert("language".into(), language.into());
                }
                match (reason, String::from_utf8(std::mem::take(&mut content.bytes))) {
                    (Some(reason), _) => (String::new(), content.size, Some(reason)),
                    (None, Err(error)) if self.reading.invalid_utf8 == InvalidUtf8::Error => {
                        let file = id.unwrap_or_else(|| self.file.path.clone());
                        let byte = error.utf8_error().valid_up_to() as u64;
                        let place = Place { file, unit: "", number: 0 };
                        return Err(Error::encoding(place, byte, error.as_bytes()));
                    }
                    (None, Err(_)) if self.reading.invalid_utf8 == InvalidUtf8::Drop => {
                        (String::new(), content.size, Some(INVALID_UTF8))
                    }
                    (None, text) => {
                        let text = text.unwrap_or_else(|error| {
                            repaired = true;
                            String::from_utf8_lossy(error.as_bytes()).into_owned()
                        });
                        let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
                        if let Some(found) = content.licence(&text) {
                            licence = Cow::Owned(found.expression);
                            metadata.insert("licence_files".into(), found.files.into());
                        }
                        (text, content.size, None)
                    }
                }
            }
        };
        let metadata = serde_json::Value::Object(metadata).to_string();
        let length = if dropped.is_some() { size.min(u64::from(u32::MAX)) as usize } else { text.len() };
        let about = About {
            id: id.map(Cow::Owned),
            author: self.source.author,
            licence,
            repaired,
            metadata: &metadata,
            ..About::default()
        };
        self.add(number, about, text, length, dropped)
    }
}
